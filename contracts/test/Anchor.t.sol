// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity 0.8.37;

import {CheckpointAnchor} from "../src/CheckpointAnchor.sol";
import {ICheckpointAnchor} from "../src/interfaces/ICheckpointAnchor.sol";
import {Numbers} from "../src/lib/Numbers.sol";
import {Checkpoint, CheckpointBody, Registration, Signature, Validator} from "../src/Types.sol";
import {Base} from "./support/Base.sol";
import {vm} from "./support/Vm.sol";

/// @notice What the anchor accepts, and what not.
contract AnchorTest is Base {
    uint256 private constant ORDER = 0xfffffffffffffffffffffffffffffffebaaedce6af48a03bbfd25e8cd0364141;

    Validator[] private _set;
    bytes32 private _setHash;

    function setUp() public {
        (Validator[] memory entries, Registration[] memory registrations) = makeSet(0, 4);
        deploy(entries, registrations);
        for (uint256 i = 0; i < 4; ++i) {
            _set.push(entries[i]);
        }
        _setHash = setHashOf(entries);
    }

    // ------------------------------------------------------------------------------------- it accepts

    function test_checkpoints_are_anchored_in_their_order() public {
        bytes32 parent = 0;
        for (uint32 number = 1; number <= 3; ++number) {
            bytes32 hash = hashOf(makeCheckpoint(number, parent, 0, _setHash, _setHash));
            vm.expectEmit();
            emit ICheckpointAnchor.Anchored(number, hash);
            // Signed over the plain twin's digest: the contract computes the same.
            anchor.anchor(makeBody(number, false), signAll(_set, 3, digestOf(hash)));
            (uint64 head, bytes32 headHash) = anchor.head();
            eq(head, number);
            eq(headHash, hash);
            eq(anchor.hashOf(number), hash);
            eq(anchor.isAnchored(makeCheckpoint(number, parent, 0, _setHash, _setHash)), true);
            parent = hash;
        }
        eq(anchor.hashOf(0), 0);
        eq(anchor.hashOf(4), 0);
        eq(anchor.isAnchored(makeCheckpoint(4, parent, 0, _setHash, _setHash)), false);
    }

    function test_before_the_first_there_is_no_head() public view {
        (uint64 number, bytes32 hash) = anchor.head();
        eq(number, 0);
        eq(hash, 0);
        eq(anchor.headNumber(), 0);
        eq(anchor.meshId(), MESH);
        eq(anchor.registry(), address(registry));
        eq(anchor.WINDOW(), 1024);
    }

    function test_the_domain_is_that_of_chain_and_contract() public {
        for (uint256 id = 1; id < 3; ++id) {
            vm.chainId(id);
            bytes32 hash = keccak256("hash");
            eq(keccak256(abi.encodePacked(hex"1901", anchor.domainSeparator(), hash)), digestOf(hash));
        }
    }

    function testFuzz_a_body_is_completed_as_its_plain_twin(
        CheckpointBody memory body,
        uint64 lastBeat,
        uint64 lastSize,
        uint32 beats,
        uint32 receipts,
        uint32 number
    ) public {
        (beats, receipts) = (beats & 0xfffffff, receipts & 0xfffffff);
        vm.assume(number > 0 && beats > 0);
        uint64 endBeat;
        uint64 size;
        unchecked {
            (endBeat, size) = (lastBeat + beats, lastSize + receipts);
        }
        vm.assume(endBeat > lastBeat && size >= lastSize);
        _setHead(number - 1, lastBeat, lastSize);
        body.numbers = body.numbers << 192
            | Numbers.pack(0, size, endBeat, number, false, uint8(body.numbers), uint24(body.numbers));

        (Checkpoint memory c, bytes32 hash, bytes32 digest) = anchor.preview(body);
        Checkpoint memory twin = Checkpoint({
            version: 1,
            number: number,
            parent: _parent(number - 1),
            meshId: MESH,
            firstBeat: lastBeat + 1,
            lastBeat: endBeat,
            firstReceipt: lastSize,
            receiptCount: receipts,
            intervalRoot: body.intervalRoot,
            historyRoot: body.historyRoot,
            historySize: size,
            appHash: body.appHash,
            agentsRoot: body.agentsRoot,
            auditRoot: body.auditRoot,
            setEpoch: 0,
            setHash: _setHash,
            nextSetHash: _setHash,
            verificationLevel: uint8(body.numbers >> 24) & 0x7f,
            verificationFraction: uint24(body.numbers),
            timeMs: uint64(body.numbers >> 192)
        });
        eq(keccak256(abi.encode(c)), keccak256(abi.encode(twin)));
        eq(hash, hashOf(twin));
        eq(digest, digestOf(hash));
    }

    // ----------------------------------------------------------------------------------- it refuses

    function testFuzz_a_bit_of_the_body_that_flips_is_refused(uint256 word, uint256 bit) public {
        CheckpointBody memory body = makeBody(1, false);
        Signature[] memory signatures = _signatures(body, 4);
        word %= 6;
        bit %= 256;
        // The flags for another set and the number have errors of their own.
        vm.assume(word != 0 || bit < 31 || bit > 63);
        assembly ("memory-safe") {
            let at_ := add(body, mul(word, 0x20))
            mstore(at_, xor(mload(at_), shl(bit, 1)))
        }
        _refused(body, signatures);
    }

    function testFuzz_a_bit_of_a_signature_that_flips_is_refused(uint256 which, uint256 bit) public {
        CheckpointBody memory body = makeBody(1, false);
        Signature[] memory signatures = _signatures(body, 4);
        Signature memory s = signatures[which % 4];
        bit %= 512;
        if (bit < 256) s.r ^= bytes32(1 << bit);
        else s.vs ^= bytes32(1 << (bit - 256));
        _refused(body, signatures);
    }

    function testFuzz_the_malleable_twin_of_a_signature_is_refused(uint256 which) public {
        CheckpointBody memory body = makeBody(1, false);
        Signature[] memory signatures = _signatures(body, 4);
        which %= 4;
        uint256 vs = uint256(signatures[which].vs);
        uint256 s = ORDER - (vs & (type(uint256).max >> 1));
        // Nearly all upper forms do not even fit into the 255 bits.
        signatures[which].vs = bytes32((s & (type(uint256).max >> 1)) | ((vs >> 255 ^ 1) << 255));
        _refused(body, signatures);
    }

    function test_s_is_at_most_half_of_the_order() public {
        CheckpointBody memory body = makeBody(1, false);
        Signature[] memory signatures = _signatures(body, 4);
        // Just above: refused before anything is recovered. Just at it: recovered, to a stranger.
        signatures[0].vs = bytes32(ORDER / 2 + 1);
        refuses(abi.encodeWithSelector(ICheckpointAnchor.BadSignature.selector, 0));
        anchor.anchor(body, signatures);
        signatures[0].vs = bytes32(ORDER / 2);
        _refused(body, signatures);
        // Of the digest that s signs in this place nobody knows the signer: that it is recovered is enough.
        (bool ok, bytes memory answer) =
            address(anchor).call(abi.encodeCall(ICheckpointAnchor.anchor, (body, signatures)));
        eq(!ok && bytes4(answer) == ICheckpointAnchor.NotAValidator.selector, true);
    }

    function test_a_signature_of_zeros_is_refused() public {
        CheckpointBody memory body = makeBody(1, false);
        Signature[] memory signatures = _signatures(body, 4);
        delete signatures[3];
        refuses(abi.encodeWithSelector(ICheckpointAnchor.BadSignature.selector, 3));
        anchor.anchor(body, signatures);
        // One more than there are members.
        signatures = new Signature[](5);
        Signature[] memory four = _signatures(body, 4);
        for (uint256 i = 0; i < 4; ++i) {
            signatures[i] = four[i];
        }
        refuses(abi.encodeWithSelector(ICheckpointAnchor.BadSignature.selector, 4));
        anchor.anchor(body, signatures);
    }

    function test_a_signature_counts_once() public {
        CheckpointBody memory body = makeBody(1, false);
        Signature[] memory signatures = _signatures(body, 4);
        signatures[2] = signatures[1];
        address twice = _set[1].account;
        refuses(abi.encodeWithSelector(ICheckpointAnchor.SignersNotAscending.selector, 2, twice, twice));
        anchor.anchor(body, signatures);
    }

    function test_signatures_ascend() public {
        CheckpointBody memory body = makeBody(1, false);
        Signature[] memory signatures = _signatures(body, 4);
        (signatures[0], signatures[1]) = (signatures[1], signatures[0]);
        refuses(
            abi.encodeWithSelector(
                ICheckpointAnchor.SignersNotAscending.selector, 1, _set[1].account, _set[0].account
            )
        );
        anchor.anchor(body, signatures);
    }

    function testFuzz_a_stranger_does_not_count(uint256 number) public {
        Validator memory stranger = makeEntry(number % 1e9 + 1_000, 100);
        CheckpointBody memory body = makeBody(1, false);
        (, bytes32 hash, bytes32 digest) = anchor.preview(body);
        Signature[] memory signatures = new Signature[](1);
        signatures[0] = sign(stranger.account, digest);
        refuses(abi.encodeWithSelector(ICheckpointAnchor.NotAValidator.selector, 0, stranger.account, hash));
        anchor.anchor(body, signatures);
    }

    function test_a_signature_for_another_chain_or_contract_is_refused() public {
        CheckpointBody memory body = makeBody(1, false);
        Signature[] memory here = _signatures(body, 4);
        vm.chainId(5);
        _refused(body, here);
        // On the fork the domain is another, and what is signed for it is accepted.
        Signature[] memory there = _signatures(body, 4);
        vm.chainId(31337);
        _refused(body, there);
        vm.chainId(5);
        anchor.anchor(body, there);
        vm.chainId(31337);

        anchor = new CheckpointAnchor(address(registry), MESH);
        _refused(makeBody(1, false), here);
    }

    function test_a_signature_for_another_mesh_is_refused() public {
        CheckpointBody memory body = makeBody(1, false);
        Checkpoint memory c = makeCheckpoint(1, 0, 0, _setHash, _setHash);
        c.meshId = bytes32(uint256(1));
        _refused(body, signAll(_set, 4, digestOf(hashOf(c))));
    }

    function test_a_checkpoint_on_another_parent_is_refused() public {
        anchorNext(_set, false);
        Checkpoint memory c = makeCheckpoint(2, keccak256("fork"), 0, _setHash, _setHash);
        _refused(makeBody(2, false), signAll(_set, 4, digestOf(hashOf(c))));
        c.parent = 0;
        _refused(makeBody(2, false), signAll(_set, 4, digestOf(hashOf(c))));
    }

    function test_a_gap_of_beats_or_receipts_is_refused() public {
        anchorNext(_set, false);
        bytes32 parent = anchor.hashOf(1);
        Checkpoint memory c = makeCheckpoint(2, parent, 0, _setHash, _setHash);
        c.firstBeat += 1;
        _refused(makeBody(2, false), signAll(_set, 4, digestOf(hashOf(c))));
        c = makeCheckpoint(2, parent, 0, _setHash, _setHash);
        (c.firstReceipt, c.receiptCount) = (c.firstReceipt + 1, c.receiptCount - 1);
        _refused(makeBody(2, false), signAll(_set, 4, digestOf(hashOf(c))));
    }

    function testFuzz_only_the_next_number_is_anchored(uint32 number) public {
        anchorNext(_set, false);
        vm.assume(number != 2);
        CheckpointBody memory body = makeBody(number % 1e9, false);
        body.numbers = (body.numbers & ~(uint256(type(uint32).max) << 32)) | uint256(number) << 32;
        refuses(abi.encodeWithSelector(ICheckpointAnchor.WrongNumber.selector, 2, number));
        anchor.anchor(body, new Signature[](0));
    }

    function test_after_the_last_number_there_is_none() public {
        _setHead(type(uint32).max, 1, 1);
        refuses(abi.encodeWithSelector(ICheckpointAnchor.WrongNumber.selector, uint64(1) << 32, 0));
        anchor.anchor(makeBody(0, false), new Signature[](0));
    }

    // ------------------------------------------------------------------------------------- the quorum

    function test_two_thirds_are_not_enough() public {
        // 400 of 600 is two thirds, 401 of 601 is more.
        uint32[] memory weights = new uint32[](6);
        for (uint256 i = 0; i < 6; ++i) {
            weights[i] = 100;
        }
        (Validator[] memory entries, Registration[] memory registrations) = makeSet(0, weights);
        deploy(entries, registrations);
        (,, bytes32 digest) = anchor.preview(makeBody(1, false));
        Signature[] memory four = signAll(entries, 4, digest);
        refuses(abi.encodeWithSelector(ICheckpointAnchor.NoQuorum.selector, 400, 600));
        anchor.anchor(makeBody(1, false), four);

        entries[0].weight = 101;
        deploy(entries, registrations);
        (,, digest) = anchor.preview(makeBody(1, false));
        anchor.anchor(makeBody(1, false), signAll(entries, 4, digest));
    }

    function test_nobody_is_no_quorum() public {
        refuses(abi.encodeWithSelector(ICheckpointAnchor.NoQuorum.selector, 0, 400));
        anchor.anchor(makeBody(1, false), new Signature[](0));
    }

    function testFuzz_the_quorum_is_exact(uint8 seed, uint8 mask) public {
        uint32[] memory weights = new uint32[](7);
        for (uint256 i = 0; i < 7; ++i) {
            weights[i] = 900 + uint32(uint256(keccak256(abi.encode(seed, i))) % 200);
        }
        (Validator[] memory entries, Registration[] memory registrations) = makeSet(20, weights);
        deploy(entries, registrations);
        CheckpointBody memory body = makeBody(1, false);
        (, bytes32 hash, bytes32 digest) = anchor.preview(body);
        (uint256 weight, uint256 total, uint256 count) = (0, 0, 0);
        Signature[] memory all = new Signature[](7);
        for (uint256 i = 0; i < 7; ++i) {
            total += entries[i].weight;
            if (mask & (1 << i) == 0) continue;
            weight += entries[i].weight;
            all[count++] = sign(entries[i].account, digest);
        }
        assembly ("memory-safe") {
            mstore(all, count)
        }
        bool isQuorum = 3 * weight > 2 * total;
        if (!isQuorum) refuses(abi.encodeWithSelector(ICheckpointAnchor.NoQuorum.selector, weight, total));
        anchor.anchor(body, all);
        if (isQuorum) eq(anchor.hashOf(1), hash);
    }

    // ----------------------------------------------------------------------------------------- queues

    function test_a_queue_of_fifty_across_a_change_of_validators() public {
        (Validator[] memory next, Registration[] memory registrations) = makeSet(10, 5);
        bytes32 nextHash = propose(next, registrations);
        (CheckpointBody[] memory bodies, Signature[][] memory signatures, bytes32 last) =
            _queue(1, 50, 25, 0, next);
        anchor.anchorMany(bodies, signatures);
        (uint64 number, bytes32 hash) = anchor.head();
        eq(number, 50);
        eq(hash, last);
        (uint64 epoch, bytes32 setHash,) = registry.current();
        eq(epoch, 1);
        eq(setHash, nextHash);
        // And the next one, of the new set, as if each had come alone.
        anchorNext(next, false);
    }

    function test_an_overlapping_queue_goes_on_where_the_head_is() public {
        (CheckpointBody[] memory bodies, Signature[][] memory signatures,) = _queue(1, 6, 0, 0, _set);
        for (uint256 i = 0; i < 3; ++i) {
            anchor.anchor(bodies[i], signatures[i]);
        }
        anchor.anchorMany(bodies, signatures);
        eq(anchor.headNumber(), 6);
        refuses(abi.encodeWithSelector(ICheckpointAnchor.NothingNew.selector, 6));
        anchor.anchorMany(bodies, signatures);
    }

    function test_a_queue_has_no_gap() public {
        (CheckpointBody[] memory bodies, Signature[][] memory signatures,) = _queue(1, 3, 0, 0, _set);
        CheckpointBody memory first = bodies[0];
        bodies[0] = bodies[1];
        refuses(abi.encodeWithSelector(ICheckpointAnchor.WrongNumber.selector, 1, 2));
        anchor.anchorMany(bodies, signatures);
        bodies[0] = first;
        bodies[1] = bodies[2];
        refuses(abi.encodeWithSelector(ICheckpointAnchor.WrongNumber.selector, 2, 3));
        anchor.anchorMany(bodies, signatures);
        eq(anchor.headNumber(), 0);
    }

    function test_a_queue_has_one_to_256_and_signatures_for_each() public {
        bytes4 reason = ICheckpointAnchor.QueueLength.selector;
        refuses(abi.encodeWithSelector(reason, 0, 0));
        anchor.anchorMany(new CheckpointBody[](0), new Signature[][](0));
        refuses(abi.encodeWithSelector(reason, 257, 257));
        anchor.anchorMany(new CheckpointBody[](257), new Signature[][](257));
        refuses(abi.encodeWithSelector(reason, 2, 1));
        anchor.anchorMany(new CheckpointBody[](2), new Signature[][](1));
    }

    // ---------------------------------------------------------------------------------- change of sets

    function test_the_old_set_cannot_sign_after_the_change() public {
        (Validator[] memory next, Registration[] memory registrations) = makeSet(10, 4);
        bytes32 nextHash = propose(next, registrations);
        CheckpointBody memory body = makeBody(1, true);
        (Checkpoint memory c, bytes32 hash, bytes32 digest) = anchor.preview(body);
        eq(c.nextSetHash, nextHash);
        eq(hash, hashOf(makeCheckpoint(1, 0, 0, _setHash, nextHash)));
        anchor.anchor(body, signAll(_set, 4, digest));

        bytes32 second = hashOf(makeCheckpoint(2, hash, 1, nextHash, nextHash));
        (, bytes32 previewed,) = anchor.preview(makeBody(2, false));
        eq(previewed, second);
        _refused(makeBody(2, false), signAll(_set, 4, digestOf(second)));
        // Nor by signing that it is still the set.
        _refused(
            makeBody(2, false),
            signAll(_set, 4, digestOf(hashOf(makeCheckpoint(2, hash, 0, _setHash, _setHash))))
        );
        anchor.anchor(makeBody(2, false), signAll(next, 4, digestOf(second)));
    }

    function test_a_change_needs_a_pending_set() public {
        bytes memory reason = abi.encodeWithSelector(ICheckpointAnchor.NothingPending.selector);
        refuses(reason);
        anchor.anchor(makeBody(1, true), new Signature[](0));
        refuses(reason);
        anchor.preview(makeBody(1, true));
    }

    function test_a_pending_set_does_not_hinder_other_checkpoints() public {
        (Validator[] memory next, Registration[] memory registrations) = makeSet(10, 4);
        bytes32 nextHash = propose(next, registrations);
        anchorNext(_set, false);
        (bytes32 pending,) = registry.pending();
        eq(pending, nextHash);
    }

    // ----------------------------------------------------------------------------------- the window

    function test_the_window_holds_1024() public {
        _setHead(1024, 1024 * 32, 1024 * 1_500);
        bytes32 first = anchor.hashOf(1);
        eq(first, _parent(1));
        eq(anchor.hashOf(1024), _parent(1024));
        anchorNext(_set, false);
        eq(anchor.hashOf(1), 0);
        eq(anchor.hashOf(2), _parent(2));
        (, bytes32 hash) = anchor.head();
        eq(anchor.hashOf(1025), hash);
    }

    function test_an_older_checkpoint_is_shown_by_its_descendants() public {
        Checkpoint[] memory chain = new Checkpoint[](4);
        bytes32 parent = 0;
        for (uint32 i = 0; i < 4; ++i) {
            chain[i] = makeCheckpoint(i + 1, parent, 0, _setHash, _setHash);
            parent = hashOf(chain[i]);
            anchorNext(_set, false);
        }
        eq(anchor.isAncestor(chain), true);
        eq(anchor.isAncestor(new Checkpoint[](0)), false);

        // All but the last leave the window.
        for (uint256 i = 1; i < 4; ++i) {
            vm.store(address(anchor), bytes32(1 + i), keccak256("overwritten"));
        }
        eq(anchor.isAnchored(chain[0]), false);
        eq(anchor.isAncestor(chain), true);
        Checkpoint[] memory part = new Checkpoint[](3);
        (part[0], part[1], part[2]) = (chain[0], chain[1], chain[2]);
        eq(anchor.isAncestor(part), false);
        (part[0], part[1], part[2]) = (chain[0], chain[2], chain[3]);
        eq(anchor.isAncestor(part), false);
        chain[1].appHash = keccak256("other");
        eq(anchor.isAncestor(chain), false);
    }

    // ---------------------------------------------------------------------------------------- private

    function _parent(uint32 number) private pure returns (bytes32) {
        return keccak256(abi.encode("anchored", number));
    }

    /// @dev As if `number` checkpoints had been anchored.
    function _setHead(uint32 number, uint64 lastBeat, uint64 historySize) private {
        uint256 word = uint256(vm.load(address(anchor), 0)) >> 88 << 88;
        word |= Numbers.headOf(Numbers.pack(0, historySize, lastBeat, number, false, 0, 0));
        vm.store(address(anchor), 0, bytes32(word));
        for (uint32 i = 0; i < 1024 && i <= number; ++i) {
            vm.store(address(anchor), bytes32(uint256(1 + (number - i) % 1024)), _parent(number - i));
            if (number > 1024) break;
        }
    }

    function _signatures(CheckpointBody memory body, uint256 count)
        private
        view
        returns (Signature[] memory)
    {
        (,, bytes32 digest) = anchor.preview(body);
        return signAll(_set, count, digest);
    }

    function _refused(CheckpointBody memory body, Signature[] memory signatures) private {
        uint64 before = anchor.headNumber();
        (bool ok, bytes memory answer) =
            address(anchor).call(abi.encodeCall(ICheckpointAnchor.anchor, (body, signatures)));
        eq(ok, false);
        bytes4 reason = bytes4(answer);
        eq(
            reason == ICheckpointAnchor.NotAValidator.selector
                || reason == ICheckpointAnchor.BadSignature.selector
                || reason == ICheckpointAnchor.SignersNotAscending.selector,
            true
        );
        eq(anchor.headNumber(), before);
    }

    /// @dev `count` checkpoints from `first`; at `boundary` the set changes to `next`.
    function _queue(uint32 first, uint32 count, uint32 boundary, bytes32 parent, Validator[] memory next)
        private
        view
        returns (CheckpointBody[] memory bodies, Signature[][] memory signatures, bytes32 hash)
    {
        bodies = new CheckpointBody[](count);
        signatures = new Signature[][](count);
        Validator[] memory set = _set;
        uint64 epoch = 0;
        hash = parent;
        for (uint32 i = 0; i < count; ++i) {
            uint32 number = first + i;
            bytes32 setHash = setHashOf(set);
            bytes32 nextHash = number == boundary ? setHashOf(next) : setHash;
            bodies[i] = makeBody(number, number == boundary);
            hash = hashOf(makeCheckpoint(number, hash, epoch, setHash, nextHash));
            signatures[i] = signAll(set, set.length, digestOf(hash));
            if (number == boundary) (set, epoch) = (next, 1);
        }
    }
}
