// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity 0.8.37;

import {ICircuitKey} from "../src/interfaces/ICircuitKey.sol";
import {IProofVerifier} from "../src/interfaces/IProofVerifier.sol";
import {ProofVerifier} from "../src/ProofVerifier.sol";
import {Checkpoint} from "../src/Types.sol";
import {ProofBase} from "./support/ProofBase.sol";
import {vm} from "./support/Vm.sol";

/// @notice What is spent: under an anchored root, for this contract and purpose, once.
contract SpendTest is ProofBase {
    uint256 private constant COUNT = 5;
    uint256 private constant NULLIFIER = COUNT - 2;
    uint256 private constant CONTEXT = COUNT - 1;

    uint256[] private _inputs;
    Checkpoint private _checkpoint;

    function setUp() public {
        makeVerifier();
        setKey(COUNT);
        _inputs = makeInputs(COUNT, 0);
        _inputs[CONTEXT] = verifier.contextOf(PURPOSE);
        _checkpoint = anchorRoots(bytes32(_inputs[0]), bytes32(_inputs[1]));
    }

    // ------------------------------------------------------------------------------------------- once

    function testFuzz_anybody_spends_a_proof_once(address caller, uint256 seed) public {
        _inputs[2] = uint256(keccak256(abi.encode(seed))) % R;
        bytes32 statement = keccak256(
            abi.encodePacked(
                CIRCUIT, _inputs[0], _inputs[1], _inputs[2], _inputs[NULLIFIER], _inputs[CONTEXT]
            )
        );
        uint256[8] memory proof = prove(_inputs);
        eq(verifier.statementOf(_inputs[NULLIFIER]), 0);
        vm.expectEmit();
        emit IProofVerifier.Spent(CIRCUIT, _inputs[NULLIFIER], PURPOSE, statement);
        vm.prank(caller);
        eq(verifier.spend(CIRCUIT, PURPOSE, _checkpoint, _inputs, proof), statement);
        eq(verifier.statementOf(_inputs[NULLIFIER]), statement);
        refuses(abi.encodeWithSelector(IProofVerifier.AlreadySpent.selector, _inputs[NULLIFIER], statement));
        verifier.spend(CIRCUIT, PURPOSE, _checkpoint, _inputs, proof);
    }

    function test_a_nullifier_is_spent_for_other_statements_and_circuits_too() public {
        bytes32 statement = verifier.spend(CIRCUIT, PURPOSE, _checkpoint, _inputs, prove(_inputs));
        bytes memory spent =
            abi.encodeWithSelector(IProofVerifier.AlreadySpent.selector, _inputs[NULLIFIER], statement);
        _inputs[2] = 7;
        uint256[8] memory proof = prove(_inputs);
        refuses(spent);
        verifier.spend(CIRCUIT, PURPOSE, _checkpoint, _inputs, proof);
        bytes memory points = keyPoints(COUNT);
        vm.prank(owner);
        verifier.setKey(TRANSCRIPT, 0, placesOf(COUNT), points);
        refuses(spent);
        verifier.spend(TRANSCRIPT, PURPOSE, _checkpoint, _inputs, proof);
    }

    function test_what_is_refused_is_not_spent() public {
        uint256[8] memory proof = prove(_inputs);
        _inputs[2] = addmod(_inputs[2], 1, R);
        _refused(proof, abi.encodeWithSelector(IProofVerifier.ProofRefused.selector, CIRCUIT));
        eq(verifier.statementOf(_inputs[NULLIFIER]), 0);
    }

    function test_malformed_proofs_are_refused_with_the_reason() public {
        uint256[8] memory proof = prove(_inputs);
        proof[0] += 1;
        _refused(proof, abi.encodeWithSelector(ICircuitKey.NotAPoint.selector, 0));
        _inputs[2] = R;
        _refused(proof, abi.encodeWithSelector(ICircuitKey.InputNotBelowModulus.selector, 2, R));
        _inputs.pop();
        _refused(proof, abi.encodeWithSelector(ICircuitKey.InputCount.selector, COUNT, COUNT - 1));
        refuses(abi.encodeWithSelector(ICircuitKey.InputCount.selector, COUNT, COUNT - 1));
        verifier.verifyAnchored(CIRCUIT, _checkpoint, _inputs, proof);
    }

    /// @dev A nullifier with another form would be spent twice.
    function test_a_nullifier_has_one_form() public {
        uint256[8] memory proof = prove(_inputs);
        verifier.spend(CIRCUIT, PURPOSE, _checkpoint, _inputs, proof);
        _inputs[NULLIFIER] += R;
        _refused(
            proof,
            abi.encodeWithSelector(ICircuitKey.InputNotBelowModulus.selector, NULLIFIER, _inputs[NULLIFIER])
        );
    }

    // ------------------------------------------------------------------------------------------- root

    function test_a_root_that_is_not_anchored_is_refused() public {
        Checkpoint memory checkpoint = _checkpoint;
        _inputs[0] = 12345;
        checkpoint.agentsRoot = bytes32(_inputs[0]);
        uint256[8] memory proof = prove(_inputs);
        bytes memory reason = abi.encodeWithSelector(IProofVerifier.NotAnchored.selector, 1);
        refuses(reason);
        verifier.spend(CIRCUIT, PURPOSE, checkpoint, _inputs, proof);
        refuses(reason);
        verifier.verifyAnchored(CIRCUIT, checkpoint, _inputs, proof);
    }

    function testFuzz_a_checkpoint_with_a_flipped_bit_is_not_anchored(uint256 member, uint256 bit) public {
        // Every member but the roots, which the proof is compared with before.
        member %= 18;
        if (member >= 12) member += 2;
        bytes memory data =
            abi.encodeCall(verifier.spend, (CIRCUIT, PURPOSE, _checkpoint, _inputs, prove(_inputs)));
        uint256 offset = 4 + 32 * (2 + member) + 31 - (bit % 256) / 8;
        data[offset] ^= bytes1(uint8(1 << (bit % 8)));
        (bool ok,) = address(verifier).call(data);
        eq(ok, false);
        eq(verifier.statementOf(_inputs[NULLIFIER]), 0);
    }

    function test_a_root_of_another_checkpoint_or_tree_is_refused() public {
        uint256[8] memory proof = prove(_inputs);
        bytes32 found = bytes32(_inputs[0]);
        Checkpoint memory next = anchorRoots(bytes32(uint256(7)), found);
        bytes memory reason =
            abi.encodeWithSelector(IProofVerifier.OtherRoot.selector, bytes32(uint256(7)), found);
        refuses(reason);
        verifier.spend(CIRCUIT, PURPOSE, next, _inputs, proof);
        refuses(reason);
        verifier.verifyAnchored(CIRCUIT, next, _inputs, proof);
    }

    function test_a_root_of_zero_is_none() public {
        Checkpoint memory empty = anchorRoots(0, 0);
        _inputs[0] = 0;
        uint256[8] memory proof = prove(_inputs);
        refuses(abi.encodeWithSelector(IProofVerifier.OtherRoot.selector, 0, 0));
        verifier.spend(CIRCUIT, PURPOSE, empty, _inputs, proof);
    }

    function test_a_circuit_of_the_audit_tree_takes_its_root_and_place() public {
        bytes memory points = keyPoints(COUNT);
        IProofVerifier.Places memory places =
            IProofVerifier.Places(IProofVerifier.Root.Audit, 1, uint8(NULLIFIER), uint8(CONTEXT));
        vm.prank(owner);
        verifier.setKey(CIRCUIT, 0, places, points);
        uint256[8] memory proof = prove(_inputs);
        eq(verifier.verifyAnchored(CIRCUIT, _checkpoint, _inputs, proof), true);
        verifier.spend(CIRCUIT, PURPOSE, _checkpoint, _inputs, proof);
    }

    function test_old_checkpoints_are_taken_while_in_the_window() public {
        uint256[8] memory proof = prove(_inputs);
        anchorNext(members, false);
        eq(verifier.verifyAnchored(CIRCUIT, _checkpoint, _inputs, proof), true);
        // As after 1,024 more: another hash is in its slot.
        vm.store(address(anchor), bytes32(uint256(1 + 1)), keccak256("checkpoint 1,025"));
        refuses(abi.encodeWithSelector(IProofVerifier.NotAnchored.selector, 1));
        verifier.verifyAnchored(CIRCUIT, _checkpoint, _inputs, proof);
    }

    function test_verify_anchored_says_what_the_key_says() public view {
        uint256[8] memory proof = prove(_inputs);
        eq(verifier.verifyAnchored(CIRCUIT, _checkpoint, _inputs, proof), true);
        uint256[] memory other = _inputs;
        other[2] = 7;
        eq(verifier.verifyAnchored(CIRCUIT, _checkpoint, other, proof), false);
    }

    // ---------------------------------------------------------------------------------------- context

    function testFuzz_a_proof_is_for_one_purpose(bytes32 other) public {
        vm.assume(other != PURPOSE);
        uint256[8] memory proof = prove(_inputs);
        refuses(
            abi.encodeWithSelector(
                IProofVerifier.OtherContext.selector, verifier.contextOf(other), _inputs[CONTEXT]
            )
        );
        verifier.spend(CIRCUIT, other, _checkpoint, _inputs, proof);
    }

    function test_a_proof_is_for_one_contract_and_chain() public {
        uint256[8] memory proof = prove(_inputs);
        eq(
            verifier.contextOf(PURPOSE),
            uint256(keccak256(abi.encode(block.chainid, address(verifier), PURPOSE))) % R
        );
        ProofVerifier first = verifier;
        verifier = new ProofVerifier(owner, address(anchor));
        setKey(COUNT);
        bytes memory reason = abi.encodeWithSelector(
            IProofVerifier.OtherContext.selector, verifier.contextOf(PURPOSE), _inputs[CONTEXT]
        );
        refuses(reason);
        verifier.spend(CIRCUIT, PURPOSE, _checkpoint, _inputs, proof);
        verifier = first;
        vm.chainId(block.chainid + 1);
        reason = abi.encodeWithSelector(
            IProofVerifier.OtherContext.selector, verifier.contextOf(PURPOSE), _inputs[CONTEXT]
        );
        refuses(reason);
        verifier.spend(CIRCUIT, PURPOSE, _checkpoint, _inputs, proof);
    }

    // ------------------------------------------------------------------------------------------- keys

    function test_without_a_key_nothing_is_spent() public {
        uint256[8] memory proof = prove(_inputs);
        vm.prank(owner);
        verifier.removeKey(CIRCUIT);
        _refused(proof, abi.encodeWithSelector(IProofVerifier.NoKey.selector, CIRCUIT));
        refuses(abi.encodeWithSelector(IProofVerifier.NoKey.selector, CIRCUIT));
        verifier.verifyAnchored(CIRCUIT, _checkpoint, _inputs, proof);
    }

    function test_a_circuit_without_nullifier_is_checked_but_not_spent() public {
        uint8 none = verifier.NONE();
        bytes memory points = keyPoints(COUNT);
        vm.prank(owner);
        verifier.setKey(CIRCUIT, 0, IProofVerifier.Places(IProofVerifier.Root.Agents, 0, none, none), points);
        uint256[8] memory proof = prove(_inputs);
        eq(verifier.verifyAnchored(CIRCUIT, _checkpoint, _inputs, proof), true);
        _refused(proof, abi.encodeWithSelector(IProofVerifier.NotSpendable.selector, CIRCUIT));
    }

    function test_the_proof_of_snarkjs_is_spent_where_it_was_made_for() public {
        string memory json = vm.readFile(SNARKJS);
        eq(block.chainid, vm.parseJsonUint(json, ".chain_id"));
        address place = address(uint160(vm.parseUint(vm.parseJsonString(json, ".verifier"))));
        vm.etch(place, address(verifier).code);
        verifier = ProofVerifier(place);
        bytes32 purpose = vm.parseBytes32(vm.parseJsonString(json, ".purpose"));
        uint256[] memory inputs = inputsOf(json);
        eq(inputs[6], verifier.contextOf(purpose));
        Checkpoint memory checkpoint = anchorRoots(bytes32(inputs[0]), 0);
        bytes memory points = vm.parseJsonBytes(json, ".key");
        vm.prank(owner);
        verifier.setKey(CIRCUIT, TRANSCRIPT, placesOf(7), points);
        uint256[8] memory proof = words(vm.parseJsonBytes(json, ".proof"));
        bytes32 statement = verifier.spend(CIRCUIT, purpose, checkpoint, inputs, proof);
        eq(statement, keccak256(abi.encodePacked(CIRCUIT, inputs)));
    }

    // ---------------------------------------------------------------------------------------- private

    function _refused(uint256[8] memory proof, bytes memory reason) private {
        refuses(reason);
        verifier.spend(CIRCUIT, PURPOSE, _checkpoint, _inputs, proof);
    }
}
