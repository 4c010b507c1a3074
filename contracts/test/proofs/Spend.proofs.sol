// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity 0.8.37;

import {IProofVerifier} from "../../src/interfaces/IProofVerifier.sol";
import {KeyEntry} from "../../src/lib/KeyEntry.sol";
import {ProofVerifier} from "../../src/ProofVerifier.sol";
import {Checkpoint} from "../../src/Types.sol";

interface IVm {
    function store(address target, bytes32 slot, bytes32 value) external;
    function prank(address sender) external;
}

/// @dev Every checkpoint is anchored, and every proof holds: what is shown does not lean on either.
contract Yes {
    fallback(bytes calldata) external returns (bytes memory) {
        return abi.encode(true);
    }
}

/// @notice For Halmos (`scripts/check --slow`): for circuits of three inputs, all places of root, nullifier and
///         context, all checkpoints, purposes, inputs and proofs. Assumed is that nobody finds two inputs with one hash.
contract SpendProofs {
    IVm private constant VM = IVm(address(uint160(uint256(keccak256("hevm cheat code")))));

    bytes32 private constant CIRCUIT = bytes32(uint256(1));
    bytes32 private constant OTHER = bytes32(uint256(2));

    ProofVerifier private immutable verifier;
    address private immutable key;

    constructor() {
        key = address(new Yes());
        verifier = new ProofVerifier(address(this), key);
    }

    struct Spending {
        bytes32 purpose;
        uint256[3] inputs;
        uint256[8] proof;
    }

    function entryOf(IProofVerifier.Places calldata places) external view returns (uint256) {
        return KeyEntry.pack(key, 3, places);
    }

    /// @dev As {ProofVerifier-setKey} leaves it; the points of a key are the key's affair.
    function _register(bytes32 circuit, uint256 entry) private {
        VM.store(address(verifier), keccak256(abi.encode(circuit, 0)), bytes32(entry));
    }

    function _spend(bytes32 circuit, Spending calldata given, Checkpoint calldata checkpoint)
        private
        returns (bool done)
    {
        uint256[] memory inputs = new uint256[](3);
        (inputs[0], inputs[1], inputs[2]) = (given.inputs[0], given.inputs[1], given.inputs[2]);
        try verifier.spend(circuit, given.purpose, checkpoint, inputs, given.proof) returns (bytes32) {
            done = true;
        } catch {}
    }

    /// @dev Whatever is spent, a second statement of its circuit with its nullifier is refused.
    function check_a_nullifier_is_spent_once(
        uint8 place,
        Spending calldata one,
        Spending calldata other,
        Checkpoint calldata checkpoint
    ) external {
        // A place is a number below and not a symbol.
        for (uint8 i = 0; i < 3; ++i) {
            if (place == i) _once(CIRCUIT, i, one, CIRCUIT, i, other, checkpoint);
        }
    }

    /// @dev And one of another circuit.
    function check_a_nullifier_is_spent_once_by_all_circuits(
        uint8 place,
        uint8 otherPlace,
        Spending calldata one,
        Spending calldata other,
        Checkpoint calldata checkpoint
    ) external {
        for (uint8 i = 0; i < 3; ++i) {
            for (uint8 j = 0; j < 3; ++j) {
                if (place == i && otherPlace == j) _once(CIRCUIT, i, one, OTHER, j, other, checkpoint);
            }
        }
    }

    function _once(
        bytes32 circuit,
        uint8 place,
        Spending calldata one,
        bytes32 otherCircuit,
        uint8 otherPlace,
        Spending calldata other,
        Checkpoint calldata checkpoint
    ) private {
        if (one.inputs[place] != other.inputs[otherPlace]) return;
        _register(circuit, _entry(place));
        _register(otherCircuit, _entry(otherPlace));
        if (!_spend(circuit, one, checkpoint)) return;
        assert(verifier.statementOf(one.inputs[place]) != 0);
        assert(!_spend(otherCircuit, other, checkpoint));
    }

    /// @dev A statement counts for its own purpose, on this chain and for this contract only, and under the root of the
    ///      checkpoint.
    function check_a_statement_is_of_its_purpose(
        uint8 place,
        Spending calldata given,
        Checkpoint calldata checkpoint
    ) external {
        for (uint8 i = 0; i < 3; ++i) {
            if (place == i) _purpose(i, given, checkpoint);
        }
    }

    function _purpose(uint8 place, Spending calldata given, Checkpoint calldata checkpoint) private {
        _register(CIRCUIT, _entry(place));
        if (!_spend(CIRCUIT, given, checkpoint)) return;
        assert(given.inputs[(place + 2) % 3] == verifier.contextOf(given.purpose));
        bytes32 root = bytes32(given.inputs[(place + 1) % 3]);
        assert(root != 0 && root == checkpoint.agentsRoot);
    }

    /// @dev The nullifier there, root and context at the two other places.
    function _entry(uint8 place) private view returns (uint256) {
        IProofVerifier.Root root = IProofVerifier.Root.Agents;
        return this.entryOf(IProofVerifier.Places(root, (place + 1) % 3, place, (place + 2) % 3));
    }

    function check_only_the_owner_sets_and_removes_keys(address caller) external {
        if (caller == address(this)) return;
        _register(CIRCUIT, _entry(1));
        VM.prank(caller);
        try verifier.removeKey(CIRCUIT) {
            assert(false);
        } catch {}
        VM.prank(caller);
        try verifier.setKey(
            OTHER, 0, IProofVerifier.Places(IProofVerifier.Root.Agents, 0, 1, 2), new bytes(64)
        ) returns (
            address
        ) {
            assert(false);
        } catch {}
    }

    function check_an_entry_holds_what_was_put_into_it(
        address contractOf,
        uint8 inputs,
        bool audit,
        uint8 rootAt,
        uint8 nullifierAt,
        uint8 contextAt
    ) external view {
        IProofVerifier.Root root = audit ? IProofVerifier.Root.Audit : IProofVerifier.Root.Agents;
        uint256 entry =
            this.packed(contractOf, inputs, IProofVerifier.Places(root, rootAt, nullifierAt, contextAt));
        assert(KeyEntry.keyOf(entry) == contractOf && KeyEntry.inputsOf(entry) == inputs);
        assert(KeyEntry.isAudit(entry) == audit && KeyEntry.rootOf(entry) == root);
        assert(KeyEntry.rootAt(entry) == rootAt && KeyEntry.nullifierAt(entry) == nullifierAt);
        assert(KeyEntry.contextAt(entry) == contextAt);
    }

    function packed(address contractOf, uint256 inputs, IProofVerifier.Places calldata places)
        external
        pure
        returns (uint256)
    {
        return KeyEntry.pack(contractOf, inputs, places);
    }
}
