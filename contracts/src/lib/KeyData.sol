// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity 0.8.37;

import {CircuitKey} from "../CircuitKey.sol";
import {IProofVerifier} from "../interfaces/IProofVerifier.sol";
import {Bn254} from "./Bn254.sol";

/// @notice A verifying key behind the code of a {CircuitKey}.
///
///         | bytes | what |
///         |---|---|
///         | 64 | α |
///         | 128 | β |
///         | 128 | γ |
///         | 128 | δ |
///         | 64·(n + 1) | IC: the constant's point, then one for each of the n public inputs |
///         | 32 | hash of the ceremony's transcript, zero for a development key |
///         | 32 | circuit |
///         | 32 | n |
///
///         Numbers are big-endian, and of a coordinate of G2 the imaginary half comes first, as the precompile has
///         it. The first five rows are the points, as the owner gives them and {IProofVerifier-keyOf} returns them.
library KeyData {
    /// @dev Most public inputs: each costs a proof 6,400 gas and the key 64 bytes of 24,576.
    uint256 internal constant INPUTS_MAX = 64;

    /// @dev α, β, γ, δ.
    uint256 private constant FIXED = 64 + 3 * 128;
    uint256 private constant G1 = 64;
    uint256 private constant G2 = 128;
    /// @dev Transcript, circuit, number of inputs.
    uint256 private constant TAIL = 3 * 32;

    /// @notice Reverts unless the points are a key: all of their groups, none infinity, γ other than δ.
    /// @return inputs Number of public inputs.
    function verify(bytes calldata points) internal view returns (uint256 inputs) {
        uint256 length = points.length;
        if (length < FIXED + 2 * G1 || length > FIXED + (INPUTS_MAX + 1) * G1 || (length - FIXED) % G1 != 0) {
            revert IProofVerifier.KeyLength(length);
        }
        inputs = (length - FIXED) / G1 - 1;
        _verifyG1(points, 0, 0);
        for (uint256 i = 0; i < 3; ++i) {
            if (!Bn254.isG2(points[G1 + i * G2:G1 + (i + 1) * G2])) revert IProofVerifier.KeyPoint(1 + i);
        }
        for (uint256 i = 0; i <= inputs; ++i) {
            _verifyG1(points, 4 + i, FIXED + i * G1);
        }
        // Before the second phase of a ceremony both are the same, and whoever likes can make proofs.
        if (keccak256(points[G1 + G2:G1 + 2 * G2]) == keccak256(points[G1 + 2 * G2:FIXED])) {
            revert IProofVerifier.GammaIsDelta();
        }
    }

    /// @notice Deploys a verified key.
    function write(bytes32 circuit, bytes32 transcript, uint256 inputs, bytes calldata points)
        internal
        returns (address key)
    {
        bytes memory runtime = type(CircuitKey).runtimeCode;
        bytes memory code = abi.encodePacked(
            // As in {SetData-write}: returns what follows these ten bytes.
            hex"61",
            uint16(runtime.length + points.length + TAIL),
            hex"80600a3d393df3",
            runtime,
            points,
            transcript,
            circuit,
            inputs
        );
        assembly ("memory-safe") {
            key := create(0, add(code, 0x20), mload(code))
            // It fails only for want of gas.
            if iszero(key) { revert(0, 0) }
        }
    }

    /// @notice The points of a deployed key.
    function read(address key, uint256 inputs) internal view returns (bytes memory points) {
        uint256 size = FIXED + (inputs + 1) * G1;
        points = new bytes(size);
        assembly ("memory-safe") {
            extcodecopy(key, add(points, 0x20), sub(extcodesize(key), add(size, TAIL)), size)
        }
    }

    /// @notice The transcript's hash of a deployed key.
    function transcriptOf(address key) internal view returns (bytes32 transcript) {
        assembly ("memory-safe") {
            extcodecopy(key, 0, sub(extcodesize(key), TAIL), 0x20)
            transcript := mload(0)
        }
    }

    function _verifyG1(bytes calldata points, uint256 position, uint256 offset) private pure {
        (uint256 x, uint256 y) = abi.decode(points[offset:offset + G1], (uint256, uint256));
        if (!Bn254.isG1(x, y)) revert IProofVerifier.KeyPoint(position);
    }
}
