// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity 0.8.37;

import {CircuitKey} from "../src/CircuitKey.sol";
import {ICircuitKey} from "../src/interfaces/ICircuitKey.sol";
import {IProofVerifier} from "../src/interfaces/IProofVerifier.sol";
import {ProofBase} from "./support/ProofBase.sol";
import {vm} from "./support/Vm.sol";

/// @notice A cheat code for dear precompiles.
interface Mock {
    function mockCallRevert(address target, bytes calldata data, bytes calldata said) external;
}

/// @notice What a key says of proofs, good ones and others.
contract ProofsTest is ProofBase {
    uint256 private constant COUNT = 4;
    /// @dev What a failing call may burn at most: the caps of the precompiles, and 50,000 for the rest.
    uint256 private constant BURN_MAX = 400_000 + 50_000;

    CircuitKey private _key;

    function setUp() public {
        makeVerifier();
        _key = setKey(COUNT);
    }

    // ------------------------------------------------------------------------------------ good proofs

    function testFuzz_a_proof_holds_for_its_inputs(uint256 seed) public view {
        uint256[] memory inputs = makeInputs(COUNT, seed);
        uint256[8] memory proof = prove(inputs);
        eq(_key.verify(inputs, proof), true);
        eq(verifier.verify(CIRCUIT, inputs, proof), true);
    }

    function test_a_proof_holds_for_any_number_of_inputs_and_their_bounds() public {
        for (uint256 count = 3; count <= 64; count += 61) {
            _key = setKey(count);
            uint256[] memory inputs = makeInputs(count, 1);
            (inputs[0], inputs[1], inputs[2]) = (0, 1, R - 1);
            eq(_key.verify(inputs, prove(inputs)), true);
        }
    }

    function test_a_proof_of_snarkjs_holds() public {
        string memory json = vm.readFile(SNARKJS);
        bytes memory points = vm.parseJsonBytes(json, ".key");
        uint256[] memory inputs = inputsOf(json);
        uint256[8] memory proof = words(vm.parseJsonBytes(json, ".proof"));
        vm.prank(owner);
        _key = CircuitKey(verifier.setKey(CIRCUIT, TRANSCRIPT, placesOf(7), points));
        eq(_key.verify(inputs, proof), true);
        for (uint256 i = 0; i < 7; ++i) {
            inputs = inputsOf(json);
            inputs[i] = addmod(inputs[i], 1, R);
            eq(_key.verify(inputs, proof), false);
        }
    }

    // ----------------------------------------------------------------------------------------- inputs

    function testFuzz_it_does_not_hold_for_other_inputs(uint256 seed, uint256 place, uint256 by) public view {
        uint256[] memory inputs = makeInputs(COUNT, seed);
        uint256[8] memory proof = prove(inputs);
        inputs[place % COUNT] = addmod(inputs[place % COUNT], 1 + by % (R - 1), R);
        eq(_key.verify(inputs, proof), false);
        eq(verifier.verify(CIRCUIT, inputs, proof), false);
    }

    function testFuzz_an_input_has_one_form(uint256 seed, uint256 place, uint256 times_) public {
        uint256[] memory inputs = makeInputs(COUNT, seed);
        uint256[8] memory proof = prove(inputs);
        place %= COUNT;
        inputs[place] += (1 + times_ % 4) * R;
        refuses(abi.encodeWithSelector(ICircuitKey.InputNotBelowModulus.selector, place, inputs[place]));
        _key.verify(inputs, proof);
    }

    function test_the_bounds_of_inputs_are_the_modulus_and_all_bits() public {
        uint256[] memory inputs = makeInputs(COUNT, 0);
        uint256[8] memory proof = prove(inputs);
        for (uint256 i = 0; i < COUNT; ++i) {
            uint256 was = inputs[i];
            inputs[i] = R;
            refuses(abi.encodeWithSelector(ICircuitKey.InputNotBelowModulus.selector, i, R));
            _key.verify(inputs, proof);
            inputs[i] = type(uint256).max;
            refuses(abi.encodeWithSelector(ICircuitKey.InputNotBelowModulus.selector, i, type(uint256).max));
            _key.verify(inputs, proof);
            inputs[i] = was;
        }
    }

    function test_missing_or_extra_inputs_are_refused() public {
        uint256[8] memory proof = prove(makeInputs(COUNT, 0));
        for (uint256 count = 0; count < 8; ++count) {
            if (count == COUNT) continue;
            uint256[] memory inputs = makeInputs(count, 0);
            refuses(abi.encodeWithSelector(ICircuitKey.InputCount.selector, COUNT, count));
            _key.verify(inputs, proof);
            refuses(abi.encodeWithSelector(ICircuitKey.InputCount.selector, COUNT, count));
            verifier.verify(CIRCUIT, inputs, proof);
        }
    }

    // ----------------------------------------------------------------------------------------- points

    function testFuzz_a_proof_with_a_flipped_bit_is_refused(uint256 seed, uint256 bit) public {
        uint256[] memory inputs = makeInputs(COUNT, seed);
        uint256[8] memory proof = prove(inputs);
        uint256 word = bit / 256 % 8;
        proof[word] ^= 1 << (bit % 256);
        _refused(inputs, proof, word < 2 ? 0 : word < 6 ? 1 : 2);
    }

    function test_the_other_root_of_a_point_is_a_point_but_no_proof() public view {
        uint256[] memory inputs = makeInputs(COUNT, 0);
        for (uint256 i = 0; i < 3; ++i) {
            uint256[8] memory proof = prove(inputs);
            if (i == 0) proof[1] = P - proof[1];
            if (i == 1) (proof[4], proof[5]) = (P - proof[4], P - proof[5]);
            if (i == 2) proof[7] = P - proof[7];
            eq(_key.verify(inputs, proof), false);
        }
    }

    function test_a_coordinate_has_one_form() public {
        uint256[] memory inputs = makeInputs(COUNT, 0);
        for (uint256 i = 0; i < 8; ++i) {
            uint256[8] memory proof = prove(inputs);
            proof[i] += P;
            _refused(inputs, proof, i < 2 ? 0 : i < 6 ? 1 : 2);
        }
    }

    function test_infinity_is_no_point_of_a_proof_in_any_form() public {
        uint256[] memory inputs = makeInputs(COUNT, 0);
        for (uint256 form = 0; form < 4; ++form) {
            (uint256 x, uint256 y) = (form % 2 * P, form / 2 * P);
            for (uint256 i = 0; i < 3; ++i) {
                uint256[8] memory proof = prove(inputs);
                if (i == 0) (proof[0], proof[1]) = (x, y);
                if (i == 1) (proof[2], proof[3], proof[4], proof[5]) = (x, x, y, y);
                if (i == 2) (proof[6], proof[7]) = (x, y);
                _refused(inputs, proof, i);
            }
        }
        uint256[8] memory nothing;
        _refused(inputs, nothing, 0);
    }

    function test_swapped_halves_of_b_are_refused() public {
        uint256[] memory inputs = makeInputs(COUNT, 0);
        uint256[8] memory proof = prove(inputs);
        (proof[2], proof[3]) = (proof[3], proof[2]);
        (proof[4], proof[5]) = (proof[5], proof[4]);
        _refused(inputs, proof, 1);
    }

    function test_a_point_of_the_twist_outside_of_g2_is_refused() public {
        uint256[] memory inputs = makeInputs(COUNT, 0);
        uint256[8] memory proof = prove(inputs);
        bytes memory outside = vm.parseJsonBytes(vm.readFile(TRAPDOOR), ".outside_g2");
        (proof[2], proof[3], proof[4], proof[5]) = abi.decode(outside, (uint256, uint256, uint256, uint256));
        _refused(inputs, proof, 1);
    }

    function test_a_proof_is_of_one_key_only() public {
        uint256[] memory inputs = makeInputs(COUNT, 0);
        uint256[8] memory proof = prove(inputs);
        bytes memory points = keyPoints(COUNT + 1);
        // The same but for the IC of the last input.
        bytes memory other = keyPoints(COUNT);
        for (uint256 i = 0; i < 64; ++i) {
            other[other.length - 64 + i] = points[points.length - 64 + i];
        }
        vm.prank(owner);
        CircuitKey key = CircuitKey(verifier.setKey(CIRCUIT, TRANSCRIPT, placesOf(COUNT), other));
        eq(key.verify(inputs, proof), false);
        eq(verifier.verify(CIRCUIT, inputs, proof), false);
        eq(_key.verify(inputs, proof), true);
    }

    // ---------------------------------------------------------------------------------------- no key

    function test_without_a_key_nothing_holds() public {
        uint256[] memory inputs = makeInputs(COUNT, 0);
        uint256[8] memory proof = prove(inputs);
        refuses(abi.encodeWithSelector(IProofVerifier.NoKey.selector, TRANSCRIPT));
        verifier.verify(TRANSCRIPT, inputs, proof);
        vm.prank(owner);
        verifier.removeKey(CIRCUIT);
        refuses(abi.encodeWithSelector(IProofVerifier.NoKey.selector, CIRCUIT));
        verifier.verify(CIRCUIT, inputs, proof);
        (bool ok, bytes memory said) =
            address(new CircuitKey()).staticcall(abi.encodeCall(_key.verify, (inputs, proof)));
        eq(ok, false);
        eq(bytes32(bytes4(said)), bytes32(ICircuitKey.InputCount.selector));
    }

    // -------------------------------------------------------------------------------------------- gas

    function test_a_precompile_that_fails_does_not_burn_all_gas() public {
        uint256[] memory inputs = makeInputs(COUNT, 0);
        uint256[8] memory proof = prove(inputs);
        (proof[2], proof[3]) = (proof[3], proof[2]);
        bytes memory data = abi.encodeCall(_key.verify, (inputs, proof));
        uint256 before = gasleft();
        (bool ok,) = address(_key).call{gas: 20_000_000}(data);
        eq(ok, false);
        eq(before - gasleft() < BURN_MAX, true);
    }

    /// @dev Else whoever sends the gas would choose the verdict.
    function test_too_little_gas_is_no_verdict() public {
        uint256[] memory inputs = makeInputs(COUNT, 0);
        uint256[8] memory good = prove(inputs);
        uint256[8] memory bad = prove(inputs);
        (bad[2], bad[3]) = (bad[3], bad[2]);
        bool saidLow;
        for (uint256 gas_ = 5_000; gas_ < 500_000; gas_ += 2_500) {
            (bool ok, bytes memory said) =
                address(_key).call{gas: gas_}(abi.encodeCall(_key.verify, (inputs, good)));
            if (ok) eq(abi.decode(said, (bool)), true);
            else if (said.length != 0) eq(bytes32(bytes4(said)), bytes32(ICircuitKey.GasTooLow.selector));
            (ok, said) = address(_key).call{gas: gas_}(abi.encodeCall(_key.verify, (inputs, bad)));
            eq(ok, false);
            if (said.length != 0) {
                bool low = bytes4(said) == ICircuitKey.GasTooLow.selector;
                eq(low || bytes4(said) == ICircuitKey.NotAPoint.selector, true);
                if (low) saidLow = true;
                if (!low) eq(gas_ > 407_000, true);
            }
        }
        eq(saidLow, true);
    }

    function test_a_precompile_dearer_than_its_cap_is_no_verdict() public {
        uint256[] memory inputs = makeInputs(COUNT, 0);
        bytes memory data = abi.encodeCall(_key.verify, (inputs, prove(inputs)));
        for (uint160 precompile = 6; precompile < 8; ++precompile) {
            uint256 state = vm.snapshotState();
            Mock(address(vm)).mockCallRevert(address(precompile), "", "");
            (bool ok, bytes memory said) = address(_key).call(data);
            eq(ok, false);
            eq(bytes32(bytes4(said)), bytes32(ICircuitKey.GasTooLow.selector));
            vm.revertToState(state);
        }
    }

    // ---------------------------------------------------------------------------------------- private

    function _refused(uint256[] memory inputs, uint256[8] memory proof, uint256 position) private {
        refuses(abi.encodeWithSelector(ICircuitKey.NotAPoint.selector, position));
        _key.verify(inputs, proof);
        refuses(abi.encodeWithSelector(ICircuitKey.NotAPoint.selector, position));
        verifier.verify(CIRCUIT, inputs, proof);
    }
}
