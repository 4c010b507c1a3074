// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity 0.8.37;

import {IProofVerifier} from "../src/interfaces/IProofVerifier.sol";
import {KeyData} from "../src/lib/KeyData.sol";
import {ProofVerifier} from "../src/ProofVerifier.sol";
import {ProofBase} from "./support/ProofBase.sol";
import {Vm, vm} from "./support/Vm.sol";

/// @notice Who sets keys, and what a key is.
contract KeysTest is ProofBase {
    uint256 private constant COUNT = 4;
    /// @dev Of α, β, γ, δ and the constant's IC in the points.
    uint256[5] private _offsets = [uint256(0), 64, 192, 320, 448];

    function setUp() public {
        makeVerifier();
    }

    // ----------------------------------------------------------------------------------------- access

    function testFuzz_nobody_but_the_owner_sets_or_removes_keys(address caller) public {
        vm.assume(caller != owner);
        bytes memory points = keyPoints(COUNT);
        refuses(abi.encodeWithSelector(IProofVerifier.NotOwner.selector, caller));
        vm.prank(caller);
        verifier.setKey(CIRCUIT, TRANSCRIPT, placesOf(COUNT), points);
        setKey(COUNT);
        refuses(abi.encodeWithSelector(IProofVerifier.NotOwner.selector, caller));
        vm.prank(caller);
        verifier.removeKey(CIRCUIT);
    }

    function test_the_safe_sets_a_key() public {
        makeSafe();
        verifier = new ProofVerifier(owner, address(anchor));
        bytes memory points = keyPoints(COUNT);
        command(
            address(verifier), abi.encodeCall(verifier.setKey, (CIRCUIT, TRANSCRIPT, placesOf(COUNT), points))
        );
        eq(keccak256(verifier.keyOf(CIRCUIT)), keccak256(points));
    }

    function test_owner_and_anchor_must_be_there() public {
        refuses(abi.encodeWithSelector(IProofVerifier.ZeroOwner.selector));
        new ProofVerifier(address(0), address(anchor));
        refuses(abi.encodeWithSelector(IProofVerifier.NoAnchor.selector, address(0xA)));
        new ProofVerifier(owner, address(0xA));
        eq(verifier.owner(), owner);
        eq(verifier.anchor(), address(anchor));
    }

    // ------------------------------------------------------------------------------------------- keys

    function test_a_key_is_read_as_it_was_set() public {
        eq(verifier.keyOf(CIRCUIT).length, 0);
        eq(verifier.keyInfo(CIRCUIT).key, address(0));
        for (uint256 count = 3; count <= KeyData.INPUTS_MAX; count += 61) {
            address key = address(setKey(count));
            eq(keccak256(verifier.keyOf(CIRCUIT)), keccak256(keyPoints(count)));
            IProofVerifier.KeyInfo memory info = verifier.keyInfo(CIRCUIT);
            eq(info.key, key);
            eq(info.inputs, count);
            eq(info.transcript, TRANSCRIPT);
            eq(keccak256(abi.encode(info.places)), keccak256(abi.encode(placesOf(count))));
            // The code tells by itself which circuit it is for.
            bytes memory code = key.code;
            bytes32 circuit;
            assembly ("memory-safe") {
                circuit := mload(add(code, sub(mload(code), 0x20)))
            }
            eq(circuit, CIRCUIT);
        }
    }

    function test_setting_replacing_and_removing_tell_old_and_new() public {
        bytes memory points = keyPoints(COUNT);
        address first = _logged(address(0), points);
        address second = _logged(first, points);
        eq(first != second, true);
        vm.expectEmit();
        emit IProofVerifier.KeySet(
            CIRCUIT, second, address(0), 0, 0, IProofVerifier.Places(IProofVerifier.Root.Agents, 0, 0, 0)
        );
        vm.prank(owner);
        verifier.removeKey(CIRCUIT);
        eq(verifier.keyOf(CIRCUIT).length, 0);
        refuses(abi.encodeWithSelector(IProofVerifier.NoKey.selector, CIRCUIT));
        vm.prank(owner);
        verifier.removeKey(CIRCUIT);
    }

    function test_a_circuit_has_a_name() public {
        bytes memory points = keyPoints(COUNT);
        refuses(abi.encodeWithSelector(IProofVerifier.ZeroCircuit.selector));
        vm.prank(owner);
        verifier.setKey(0, TRANSCRIPT, placesOf(COUNT), points);
    }

    function test_a_truncated_or_oversized_key_is_refused() public {
        bytes memory points = keyPoints(KeyData.INPUTS_MAX + 1);
        uint256[7] memory lengths = [uint256(0), 447, 448 + 64, 448 + 3 * 64 - 1, 448 + 3 * 64 + 1, 0, 0];
        (lengths[5], lengths[6]) = (points.length, points.length - 64 + 1);
        for (uint256 i = 0; i < lengths.length; ++i) {
            _refused(
                _cut(points, lengths[i]),
                abi.encodeWithSelector(IProofVerifier.KeyLength.selector, lengths[i])
            );
        }
        vm.prank(owner);
        verifier.setKey(CIRCUIT, TRANSCRIPT, placesOf(KeyData.INPUTS_MAX), _cut(points, points.length - 64));
        uint8 none = verifier.NONE();
        vm.prank(owner);
        verifier.setKey(
            CIRCUIT,
            0,
            IProofVerifier.Places(IProofVerifier.Root.Audit, 0, none, none),
            _cut(points, 448 + 2 * 64)
        );
    }

    function testFuzz_a_key_with_a_flipped_bit_is_refused(uint256 bit) public {
        bytes memory points = keyPoints(COUNT);
        bit %= 8 * points.length;
        points[bit / 8] ^= bytes1(uint8(1 << (bit % 8)));
        uint256 place = bit / 8;
        uint256 position = place < 64 ? 0 : place < 448 ? 1 + (place - 64) / 128 : 4 + (place - 448) / 64;
        _refused(points, abi.encodeWithSelector(IProofVerifier.KeyPoint.selector, position));
    }

    function test_infinity_is_no_part_of_a_key() public {
        for (uint256 i = 0; i < 5; ++i) {
            bytes memory points = keyPoints(COUNT);
            for (uint256 j = 0; j < (i == 0 || i == 4 ? 64 : 128); ++j) {
                points[_offsets[i] + j] = 0;
            }
            _refused(points, abi.encodeWithSelector(IProofVerifier.KeyPoint.selector, i));
        }
    }

    function test_a_point_outside_of_g2_or_with_swapped_halves_is_refused() public {
        bytes memory outside = vm.parseJsonBytes(vm.readFile(TRAPDOOR), ".outside_g2");
        bytes memory good = keyPoints(COUNT);
        for (uint256 i = 1; i < 4; ++i) {
            bytes memory other = bytes.concat(good);
            bytes memory swapped = bytes.concat(good);
            for (uint256 j = 0; j < 128; ++j) {
                other[_offsets[i] + j] = outside[j];
                swapped[_offsets[i] + j] = good[_offsets[i] + (j ^ 32)];
            }
            _refused(other, abi.encodeWithSelector(IProofVerifier.KeyPoint.selector, i));
            _refused(swapped, abi.encodeWithSelector(IProofVerifier.KeyPoint.selector, i));
        }
    }

    function test_a_key_without_second_phase_is_refused() public {
        bytes memory points = vm.parseJsonBytes(vm.readFile(SNARKJS), ".key_before_phase_2");
        refuses(abi.encodeWithSelector(IProofVerifier.GammaIsDelta.selector));
        vm.prank(owner);
        verifier.setKey(CIRCUIT, 0, placesOf(7), points);
    }

    function test_places_are_inputs_and_different() public {
        uint8 none = verifier.NONE();
        bytes4 outside = IProofVerifier.PlaceOutOfRange.selector;
        bytes4 twice = IProofVerifier.PlaceTwice.selector;
        _misplaced(4, 2, 3, abi.encodeWithSelector(outside, 4, 4));
        _misplaced(4, none, none, abi.encodeWithSelector(outside, 4, 4));
        _misplaced(0, 4, 3, abi.encodeWithSelector(outside, 4, 4));
        _misplaced(0, 2, 4, abi.encodeWithSelector(outside, 4, 4));
        _misplaced(0, none, 3, abi.encodeWithSelector(outside, 4, none));
        _misplaced(0, 2, none, abi.encodeWithSelector(outside, 4, none));
        _misplaced(2, 2, 3, abi.encodeWithSelector(twice, 2));
        _misplaced(3, 2, 3, abi.encodeWithSelector(twice, 3));
        _misplaced(0, 1, 1, abi.encodeWithSelector(twice, 1));
    }

    function test_a_key_that_gas_does_not_suffice_for_is_not_set() public {
        bytes memory points = keyPoints(COUNT);
        bytes memory data = abi.encodeCall(verifier.setKey, (CIRCUIT, TRANSCRIPT, placesOf(COUNT), points));
        for (uint256 gas_ = 50_000; gas_ < 5_000_000; gas_ += gas_ / 20) {
            vm.prank(owner);
            (bool ok,) = address(verifier).call{gas: gas_}(data);
            eq(verifier.keyOf(CIRCUIT).length != 0, ok);
            if (ok) return;
        }
        eq(true, false);
    }

    // ---------------------------------------------------------------------------------------- private

    function _logged(address previous, bytes memory points) private returns (address key) {
        vm.recordLogs();
        vm.prank(owner);
        key = verifier.setKey(CIRCUIT, TRANSCRIPT, placesOf(COUNT), points);
        Vm.Log[] memory logs = vm.getRecordedLogs();
        eq(logs.length, 1);
        eq(logs[0].topics[0], IProofVerifier.KeySet.selector);
        eq(logs[0].topics[1], CIRCUIT);
        eq(
            keccak256(logs[0].data),
            keccak256(abi.encode(previous, key, keccak256(points), TRANSCRIPT, placesOf(COUNT)))
        );
    }

    function _refused(bytes memory points, bytes memory reason) private {
        refuses(reason);
        vm.prank(owner);
        verifier.setKey(CIRCUIT, TRANSCRIPT, placesOf(3), points);
    }

    function _misplaced(uint8 root, uint8 nullifier, uint8 context, bytes memory reason) private {
        bytes memory points = keyPoints(COUNT);
        refuses(reason);
        vm.prank(owner);
        verifier.setKey(
            CIRCUIT,
            TRANSCRIPT,
            IProofVerifier.Places(IProofVerifier.Root.Agents, root, nullifier, context),
            points
        );
    }

    function _cut(bytes memory data, uint256 length) private pure returns (bytes memory part) {
        part = new bytes(length);
        for (uint256 i = 0; i < length; ++i) {
            part[i] = data[i];
        }
    }
}
