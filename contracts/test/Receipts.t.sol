// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity 0.8.37;

import {Inclusion} from "../src/lib/Inclusion.sol";
import {Numbers} from "../src/lib/Numbers.sol";
import {Checkpoint, CheckpointBody, Registration, Validator} from "../src/Types.sol";
import {Base} from "./support/Base.sol";
import {Tree} from "./support/Tree.sol";
import {vm} from "./support/Vm.sol";

/// @notice Receipts against the interval root of an anchored checkpoint.
contract ReceiptsTest is Base {
    Validator[] private _set;

    function setUp() public {
        (Validator[] memory entries, Registration[] memory registrations) = makeSet(0, 4);
        deploy(entries, registrations);
        for (uint256 i = 0; i < 4; ++i) {
            _set.push(entries[i]);
        }
    }

    /// @dev The library as an external call, so that its array lies in calldata.
    function holds(bytes32 root, bytes32 receipt, uint256 index, uint256 count, bytes32[] calldata path)
        external
        pure
        returns (bool)
    {
        return Inclusion.holds(root, receipt, index, count, path);
    }

    function testFuzz_each_leaf_has_a_proof_for_its_place_only(uint16 size, uint16 place, uint16 other)
        public
        view
    {
        uint256 count = uint256(size) % 300 + 1;
        uint256 index = place % count;
        bytes32[] memory receipts = Tree.receipts(count);
        bytes32 root = Tree.root(receipts, 0, count);
        bytes32[] memory path = Tree.path(receipts, index);
        eq(this.holds(root, receipts[index], index, count, path), true);
        eq(Tree.holds(root, receipts[index], index, count, path), true);

        uint256 wrong = other % (2 * count);
        if (wrong != index) eq(this.holds(root, receipts[index], wrong, count, path), false);
    }

    function testFuzz_a_bit_that_flips_is_no_proof(uint16 size, uint16 place, uint256 what, uint8 bit)
        public
        view
    {
        uint256 count = uint256(size) % 300 + 1;
        uint256 index = place % count;
        bytes32[] memory receipts = Tree.receipts(count);
        bytes32 root = Tree.root(receipts, 0, count);
        bytes32[] memory path = Tree.path(receipts, index);
        bytes32 receipt = receipts[index];
        bytes32 flip = bytes32(uint256(1) << bit);
        what %= path.length + 2;
        if (what == 0) root ^= flip;
        else if (what == 1) receipt ^= flip;
        else path[what - 2] ^= flip;
        eq(this.holds(root, receipt, index, count, path), false);
        eq(Tree.holds(root, receipt, index, count, path), false);
    }

    function testFuzz_any_input_is_judged_as_by_the_plain_twin(
        bytes32 root,
        bytes32 receipt,
        uint64 index,
        uint64 count,
        bytes32[] memory path,
        bool fits
    ) public view {
        if (fits && count != 0) {
            // A root that this path leads to, when its length is right.
            index %= count;
            root = Tree.climb(receipt, index, count, path);
        }
        eq(this.holds(root, receipt, index, count, path), Tree.holds(root, receipt, index, count, path));
    }

    function test_another_count_is_no_proof() public view {
        bytes32[] memory receipts = Tree.receipts(5);
        bytes32 root = Tree.root(receipts, 0, 5);
        for (uint256 count = 0; count < 20; ++count) {
            eq(this.holds(root, receipts[4], 4, count, Tree.path(receipts, 4)), count == 5);
        }
    }

    function test_a_path_too_short_or_too_long_is_no_proof() public view {
        bytes32[] memory receipts = Tree.receipts(7);
        bytes32 root = Tree.root(receipts, 0, 7);
        bytes32[] memory path = Tree.path(receipts, 2);
        bytes32[] memory longer = new bytes32[](4);
        bytes32[] memory shorter = new bytes32[](2);
        for (uint256 i = 0; i < 3; ++i) {
            longer[i] = path[i];
            if (i < 2) shorter[i] = path[i];
        }
        eq(this.holds(root, receipts[2], 2, 7, path), true);
        eq(this.holds(root, receipts[2], 2, 7, longer), false);
        eq(this.holds(root, receipts[2], 2, 7, shorter), false);
        eq(this.holds(root, receipts[2], 2, 7, new bytes32[](0)), false);
    }

    function test_an_inner_node_is_no_leaf() public view {
        bytes32[] memory receipts = Tree.receipts(4);
        bytes32 root = Tree.root(receipts, 0, 4);
        bytes32[] memory path = new bytes32[](1);
        path[0] = Tree.root(receipts, 2, 4);
        // The pair's node in the place of a leaf of a tree of two.
        eq(this.holds(root, Tree.root(receipts, 0, 2), 0, 2, path), false);
    }

    function test_a_receipt_is_verified_from_its_hash_to_the_chain() public {
        bytes32[] memory receipts = Tree.receipts(11);
        Checkpoint memory checkpoint = _anchor(1, receipts, 0);
        for (uint64 i = 0; i < 11; ++i) {
            bytes32[] memory path = Tree.path(receipts, i);
            eq(anchor.verifyReceipt(checkpoint, receipts[i], i, path), true);
            eq(anchor.verifyReceipt(checkpoint, receipts[i], i + 1, path), false);
            eq(anchor.verifyReceipt(checkpoint, receipts[(i + 1) % 11], i, path), false);
        }
        bytes32[] memory first = Tree.path(receipts, 0);
        // A checkpoint that differs in anything is not anchored.
        checkpoint.receiptCount = 12;
        eq(anchor.verifyReceipt(checkpoint, receipts[0], 0, first), false);
        checkpoint.receiptCount = 11;
        checkpoint.intervalRoot ^= bytes32(uint256(1));
        eq(anchor.verifyReceipt(checkpoint, receipts[0], 0, first), false);
    }

    function test_a_receipt_of_a_checkpoint_that_left_the_window_is_verified_through_its_descendants()
        public
    {
        bytes32[] memory receipts = Tree.receipts(6);
        Checkpoint[] memory chain = new Checkpoint[](3);
        chain[0] = _anchor(1, receipts, 0);
        chain[1] = _anchor(2, receipts, hashOf(chain[0]));
        chain[2] = _anchor(3, receipts, hashOf(chain[1]));
        vm.store(address(anchor), bytes32(uint256(2)), keccak256("overwritten"));
        bytes32[] memory path = Tree.path(receipts, 5);
        eq(anchor.verifyReceipt(chain[0], receipts[5], 5, path), false);
        eq(anchor.verifyOldReceipt(chain, receipts[5], 5, path), true);
        eq(anchor.verifyOldReceipt(chain, receipts[5], 4, path), false);
        chain[1].timeMs += 1;
        eq(anchor.verifyOldReceipt(chain, receipts[5], 5, path), false);
        eq(anchor.verifyOldReceipt(new Checkpoint[](0), receipts[5], 5, path), false);
    }

    function _anchor(uint32 number, bytes32[] memory receipts, bytes32 parent)
        private
        returns (Checkpoint memory checkpoint)
    {
        CheckpointBody memory body = makeBody(number, false);
        uint64 count = uint64(receipts.length);
        body.numbers = Numbers.pack(TIME, count * number, uint64(number) * 32, number, false, 1, 50_000);
        body.intervalRoot = Tree.root(receipts, 0, receipts.length);
        bytes32 digest;
        bytes32 hash;
        (checkpoint, hash, digest) = anchor.preview(body);
        eq(checkpoint.parent, parent);
        eq(checkpoint.receiptCount, count);
        anchor.anchor(body, signAll(_set, 4, digest));
        eq(anchor.hashOf(number), hash);
    }
}
