// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity 0.8.37;

import {CircuitKey} from "../../src/CircuitKey.sol";
import {IProofVerifier} from "../../src/interfaces/IProofVerifier.sol";
import {Bn254} from "../../src/lib/Bn254.sol";
import {ProofVerifier} from "../../src/ProofVerifier.sol";
import {Checkpoint, CheckpointBody, Registration, Validator} from "../../src/Types.sol";
import {SafeOwner} from "./SafeOwner.sol";
import {vm} from "./Vm.sol";

/// @notice A key whose trapdoor is known, so that there is a proof for whatever inputs a test wants.
///
///         `test/vectors/trapdoor.json` has the scalars and their points of G2, made with ffjavascript 0.3.1;
///         `test/vectors/snarkjs.json` has a key, inputs and a proof of snarkjs 0.7.6: powersOfTau, one contribution
///         to each phase, and a circuit with the inputs of the position statement and six constraints.
abstract contract ProofBase is SafeOwner {
    string internal constant TRAPDOOR = "test/vectors/trapdoor.json";
    string internal constant SNARKJS = "test/vectors/snarkjs.json";
    bytes32 internal constant CIRCUIT = keccak256("circuit");
    bytes32 internal constant TRANSCRIPT = keccak256("transcript");
    bytes32 internal constant PURPOSE = keccak256("purpose");
    uint256 internal constant P = Bn254.P;
    uint256 internal constant R = Bn254.R;

    ProofVerifier internal verifier;
    Validator[] internal members;

    uint256 private _alpha;
    uint256 private _beta;
    uint256 private _gamma;
    uint256 private _delta;
    uint256 private _b;
    uint256 private _ic;
    bytes private _bPoint;

    /// @notice A mesh of four whose owner is {owner}, its verifier without keys, and the trapdoor.
    function makeVerifier() internal {
        (Validator[] memory entries, Registration[] memory registrations) = makeSet(0, 4);
        deploy(entries, registrations);
        for (uint256 i = 0; i < entries.length; ++i) {
            members.push(entries[i]);
        }
        verifier = new ProofVerifier(owner, address(anchor));
        string memory json = vm.readFile(TRAPDOOR);
        _alpha = _scalar(json, ".alpha");
        _beta = _scalar(json, ".beta");
        _gamma = _scalar(json, ".gamma");
        _delta = _scalar(json, ".delta");
        _b = _scalar(json, ".b");
        _ic = _scalar(json, ".ic");
        _bPoint = vm.parseJsonBytes(json, ".b_g2");
    }

    // ------------------------------------------------------------------------------------------- keys

    /// @notice The points of the key for `count` inputs.
    function keyPoints(uint256 count) internal view returns (bytes memory points) {
        string memory json = vm.readFile(TRAPDOOR);
        points = abi.encodePacked(
            times(_alpha),
            vm.parseJsonBytes(json, ".beta_g2"),
            vm.parseJsonBytes(json, ".gamma_g2"),
            vm.parseJsonBytes(json, ".delta_g2")
        );
        for (uint256 i = 0; i <= count; ++i) {
            points = abi.encodePacked(points, times(_icOf(i)));
        }
    }

    /// @notice The root first, nullifier and context last.
    function placesOf(uint256 count) internal pure returns (IProofVerifier.Places memory) {
        return IProofVerifier.Places(IProofVerifier.Root.Agents, 0, uint8(count - 2), uint8(count - 1));
    }

    /// @notice The owner sets the key for `count` inputs.
    function setKey(uint256 count) internal returns (CircuitKey) {
        bytes memory points = keyPoints(count);
        vm.prank(owner);
        return CircuitKey(verifier.setKey(CIRCUIT, TRANSCRIPT, placesOf(count), points));
    }

    // ----------------------------------------------------------------------------------------- proofs

    /// @notice `count` inputs below the modulus.
    function makeInputs(uint256 count, uint256 seed) internal pure returns (uint256[] memory inputs) {
        inputs = new uint256[](count);
        for (uint256 i = 0; i < count; ++i) {
            inputs[i] = uint256(keccak256(abi.encode("input", seed, i))) % R;
        }
    }

    /// @notice A proof for any inputs: a·b = α·β + l·γ + c·δ, solved for c.
    function prove(uint256[] memory inputs) internal view returns (uint256[8] memory proof) {
        uint256 a = uint256(keccak256(abi.encode("a", inputs))) % R;
        uint256 l = _icOf(0);
        for (uint256 i = 0; i < inputs.length; ++i) {
            l = addmod(l, mulmod(inputs[i], _icOf(1 + i), R), R);
        }
        uint256 c = addmod(mulmod(a, _b, R), R - mulmod(_alpha, _beta, R), R);
        c = addmod(c, R - mulmod(l, _gamma, R), R);
        c = mulmod(c, _inverse(_delta), R);
        return words(abi.encodePacked(times(a), _bPoint, times(c)));
    }

    /// @notice The inputs of a vector.
    function inputsOf(string memory json) internal pure returns (uint256[] memory inputs) {
        string[] memory texts = vm.parseJsonStringArray(json, ".inputs");
        inputs = new uint256[](texts.length);
        for (uint256 i = 0; i < texts.length; ++i) {
            inputs[i] = uint256(vm.parseBytes32(texts[i]));
        }
    }

    /// @notice The words of a proof of 256 bytes.
    function words(bytes memory proof) internal pure returns (uint256[8] memory) {
        eq(proof.length, 256);
        return abi.decode(proof, (uint256[8]));
    }

    /// @notice A multiple of the generator of G1.
    function times(uint256 scalar) internal view returns (bytes memory point) {
        (bool ok, bytes memory result) = address(7).staticcall(abi.encode(1, 2, scalar));
        eq(ok, true);
        return result;
    }

    // ------------------------------------------------------------------------------------ checkpoints

    /// @notice Anchors the next checkpoint with these roots.
    function anchorRoots(bytes32 agentsRoot, bytes32 auditRoot)
        internal
        returns (Checkpoint memory checkpoint)
    {
        CheckpointBody memory body = makeBody(uint32(anchor.headNumber()) + 1, false);
        (body.agentsRoot, body.auditRoot) = (agentsRoot, auditRoot);
        bytes32 digest;
        (checkpoint,, digest) = anchor.preview(body);
        anchor.anchor(body, signAll(members, 4, digest));
    }

    // ---------------------------------------------------------------------------------------- private

    function _icOf(uint256 position) private view returns (uint256) {
        return addmod(_ic, mulmod(position, position + 7, R), R);
    }

    /// @dev By Fermat.
    function _inverse(uint256 value) private view returns (uint256) {
        (bool ok, bytes memory result) = address(5).staticcall(abi.encode(32, 32, 32, value, R - 2, R));
        eq(ok, true);
        return abi.decode(result, (uint256));
    }

    function _scalar(string memory json, string memory key) private pure returns (uint256) {
        return uint256(vm.parseBytes32(vm.parseJsonString(json, key)));
    }
}
