// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity 0.8.37;

import {IOwnerCommands} from "../src/interfaces/IOwnerCommands.sol";
import {Kinds} from "../src/Kinds.sol";
import {OwnerCommands} from "../src/OwnerCommands.sol";
import {PhalanxDeployment} from "../src/PhalanxDeployment.sol";
import {Registration, Validator} from "../src/Types.sol";
import {Base} from "./support/Base.sol";
import {vm} from "./support/Vm.sol";

/// @notice What the owner may command, how it is written down, and how it waits.
contract CommandsTest is Base {
    bytes32 private constant KEY = keccak256("key");

    function setUp() public {
        (Validator[] memory entries, Registration[] memory registrations) = makeSet(0, 4);
        deploy(entries, registrations);
        vm.warp(1_790_000_000);
        vm.startPrank(owner);
    }

    // ---------------------------------------------------------------------------------------- the log

    function test_every_kind_is_written_with_its_arguments() public {
        string[] memory list = _ascending(3);
        bytes32[] memory keys = _keys(2);
        bytes32[][] memory lists = new bytes32[][](4);
        for (uint256 i = 0; i < 4; ++i) {
            lists[i] = _keys(i + 1);
        }

        _expect(Kinds.PAUSE_MESH, "");
        commands.pauseMesh();
        _expect(Kinds.RESUME_MESH, "");
        commands.resumeMesh();
        _expect(Kinds.PAUSE_SHARD, abi.encode("mars"));
        commands.pauseShard("mars");
        _expect(Kinds.RESUME_SHARD, abi.encode("mars"));
        commands.resumeShard("mars");
        _expect(Kinds.SET_SHARD, abi.encode("mars", 5, 700, list, list));
        commands.setShard("mars", 5, 700, list, list);
        _expect(Kinds.SET_SHARD_BUDGET, abi.encode("mars", 5, 700));
        commands.setShardBudget("mars", 5, 700);
        _expect(Kinds.SET_SHARD_WEIGHT, abi.encode("mars", 1_000_000));
        commands.setShardWeight("mars", 1_000_000);
        _expect(Kinds.SET_SPILLOVER, abi.encode("mars", list));
        commands.setSpillover("mars", list);
        _expect(Kinds.SET_THERMOSTAT, abi.encode(1_000_000));
        commands.setThermostat(1_000_000);
        _expect(Kinds.SET_OPTIMISATION, abi.encode(400_000, 200_000, 300_000, 100_000));
        commands.setOptimisation(400_000, 200_000, 300_000, 100_000);
        _expect(Kinds.SET_VERIFICATION, abi.encode(1, 50_000));
        commands.setVerification(1, 50_000);
        _expect(Kinds.SET_MODE, abi.encode(0, keys, new string[](0), new bytes32[][](0)));
        commands.setMode(0, keys, new string[](0), new bytes32[][](0));
        _expect(Kinds.SET_MODE, abi.encode(1, new bytes32[](0), _ascending(4), lists));
        commands.setMode(1, new bytes32[](0), _ascending(4), lists);
        _expect(Kinds.SET_TENANT, abi.encode("t", keys, 1, 2, 3, 4, 5));
        commands.setTenant("t", keys, 1, 2, 3, 4, 5);
        _expect(Kinds.APPROVE_WORKER, abi.encode("w", KEY));
        commands.approveWorker("w", KEY);
        _expect(Kinds.REVOKE_WORKER, abi.encode("w"));
        commands.revokeWorker("w");
        _expect(Kinds.ADMIT_PEER, abi.encode(KEY, "luna"));
        commands.admitPeer(KEY, "luna");
        _expect(Kinds.BAN_PEER, abi.encode(KEY, "it lies", type(uint64).max));
        commands.banPeer(KEY, "it lies", type(uint64).max);
        _expect(Kinds.SET_POLICY, abi.encode("p", hex"0102"));
        commands.setPolicy("p", hex"0102");
        _expect(Kinds.REMOVE_POLICY, abi.encode("p"));
        commands.removePolicy("p");
        _expect(Kinds.PAYLOAD, abi.encode(hex"03"));
        commands.payload(hex"03");
        _expect(Kinds.SET_DELAY, abi.encode(0));
        commands.setDelay(0);
        _expect(Kinds.RECONCILE, abi.encode(7, KEY));
        commands.reconcile(7, KEY);
        _expectValidators();
        (uint64 sequence,) = commands.head();
        eq(sequence, 30);
    }

    function test_the_chain_shows_that_no_entry_is_missing() public {
        bytes32 chain = 0;
        bytes memory payload = abi.encode("mars");
        for (uint64 sequence = 1; sequence <= 3; ++sequence) {
            commands.pauseShard("mars");
            bytes32 hash = keccak256(abi.encode(MESH, sequence, Kinds.PAUSE_SHARD, keccak256(payload)));
            eq(commands.commandHash(sequence, Kinds.PAUSE_SHARD, keccak256(payload)), hash);
            chain = keccak256(abi.encode(chain, hash));
            (uint64 found, bytes32 head) = commands.head();
            eq(found, sequence);
            eq(head, chain);
        }
    }

    // ----------------------------------------------------------------------------------------- bounds

    function test_names_have_1_to_64_bytes() public {
        string memory longest = "a234567890123456789012345678901234567890123456789012345678901234";
        commands.pauseShard(longest);
        refuses(abi.encodeWithSelector(IOwnerCommands.NameLength.selector, 0));
        commands.pauseShard("");
        refuses(abi.encodeWithSelector(IOwnerCommands.NameLength.selector, 65));
        commands.pauseShard(string.concat(longest, "5"));
    }

    function testFuzz_names_have_few_characters(bytes1 first, bytes1 second) public {
        string memory name = string(abi.encodePacked(first, second));
        if (!_isPlain(first)) {
            refuses(abi.encodeWithSelector(IOwnerCommands.NameCharacter.selector, 0, first));
        } else if (!_isPlain(second) && second != "." && second != "_" && second != "-") {
            refuses(abi.encodeWithSelector(IOwnerCommands.NameCharacter.selector, 1, second));
        }
        commands.pauseShard(name);
    }

    function test_all_characters_of_names() public {
        for (uint256 i = 0; i < 256; ++i) {
            testFuzz_names_have_few_characters(bytes1(uint8(i)), "a");
            testFuzz_names_have_few_characters("a", bytes1(uint8(i)));
        }
    }

    function test_every_name_is_checked() public {
        bytes memory reason = abi.encodeWithSelector(IOwnerCommands.NameCharacter.selector, 0, bytes1("A"));
        string[] memory bad = new string[](1);
        bad[0] = "A";
        string[] memory none = new string[](0);
        bytes[] memory calls = new bytes[](17);
        calls[0] = abi.encodeCall(commands.pauseShard, ("A"));
        calls[1] = abi.encodeCall(commands.resumeShard, ("A"));
        calls[2] = abi.encodeCall(commands.setShard, ("A", 1, 1, none, none));
        calls[3] = abi.encodeCall(commands.setShard, ("a", 1, 1, bad, none));
        calls[4] = abi.encodeCall(commands.setShard, ("a", 1, 1, none, bad));
        calls[5] = abi.encodeCall(commands.setShardBudget, ("A", 1, 1));
        calls[6] = abi.encodeCall(commands.setShardWeight, ("A", 1));
        calls[7] = abi.encodeCall(commands.setSpillover, ("A", none));
        calls[8] = abi.encodeCall(commands.setSpillover, ("a", bad));
        calls[9] = abi.encodeCall(commands.setTenant, ("A", new bytes32[](0), 1, 1, 1, 1, 1));
        calls[10] = abi.encodeCall(commands.approveWorker, ("A", KEY));
        calls[11] = abi.encodeCall(commands.revokeWorker, ("A"));
        calls[12] = abi.encodeCall(commands.admitPeer, (KEY, "A"));
        calls[13] = abi.encodeCall(commands.setPolicy, ("A", hex"00"));
        calls[14] = abi.encodeCall(commands.removePolicy, ("A"));
        Validator[] memory entries = new Validator[](1);
        Registration[] memory registrations = new Registration[](1);
        calls[15] = abi.encodeCall(commands.setValidators, (entries, bad, _ascending(1), registrations));
        calls[16] = abi.encodeCall(commands.setValidators, (entries, _ascending(1), bad, registrations));
        for (uint256 i = 0; i < calls.length; ++i) {
            (bool ok, bytes memory answer) = address(commands).call(calls[i]);
            eq(ok, false);
            eq(keccak256(answer), keccak256(reason));
        }
    }

    function test_lists_have_bounds() public {
        bytes4 reason = IOwnerCommands.LengthOutOfRange.selector;
        string[] memory none = new string[](0);
        commands.setShard("a", 1, 1, _ascending(64), _ascending(64));
        refuses(abi.encodeWithSelector(reason, 0, 64, 65));
        commands.setShard("a", 1, 1, _ascending(65), none);
        refuses(abi.encodeWithSelector(reason, 0, 64, 65));
        commands.setShard("a", 1, 1, none, _ascending(65));
        refuses(abi.encodeWithSelector(reason, 0, 64, 65));
        commands.setSpillover("a", _ascending(65));
        commands.setTenant("a", _keys(64), 1, 1, 1, 1, 1);
        refuses(abi.encodeWithSelector(reason, 0, 64, 65));
        commands.setTenant("a", _keys(65), 1, 1, 1, 1, 1);
        commands.payload(new bytes(4096));
        refuses(abi.encodeWithSelector(reason, 0, 4096, 4097));
        commands.payload(new bytes(4097));
        commands.setPolicy("a", new bytes(4096));
        refuses(abi.encodeWithSelector(reason, 1, 4096, 4097));
        commands.setPolicy("a", new bytes(4097));
        refuses(abi.encodeWithSelector(reason, 1, 4096, 0));
        commands.setPolicy("a", "");
        commands.banPeer(KEY, string(new bytes(256)), 1);
        refuses(abi.encodeWithSelector(reason, 0, 256, 257));
        commands.banPeer(KEY, string(new bytes(257)), 1);
    }

    function test_a_shard_does_not_spill_over_to_itself() public {
        string[] memory list = _ascending(3);
        refuses(abi.encodeWithSelector(IOwnerCommands.SpillsToItself.selector, 1));
        commands.setShard("shard-101", 1, 1, list, new string[](0));
        refuses(abi.encodeWithSelector(IOwnerCommands.SpillsToItself.selector, 2));
        commands.setSpillover("shard-102", list);
    }

    function test_specialties_ascend() public {
        string[] memory list = _ascending(3);
        (list[1], list[2]) = (list[2], list[1]);
        bytes memory reason = abi.encodeWithSelector(IOwnerCommands.NotAscending.selector, 2);
        refuses(reason);
        commands.setShard("a", 1, 1, new string[](0), list);
        list[2] = list[1];
        refuses(reason);
        commands.setShard("a", 1, 1, new string[](0), list);
        // A prefix comes first; the second 32 bytes count.
        list[0] = "abc";
        list[1] = "abcd";
        list[2] = "abcd5678901234567890123456789012x";
        commands.setShard("a", 1, 1, new string[](0), list);
        list[1] = "abcd5678901234567890123456789012y";
        refuses(reason);
        commands.setShard("a", 1, 1, new string[](0), list);
    }

    function testFuzz_names_are_ordered_as_bytes(uint256 a, uint256 b) public {
        string[] memory list = new string[](2);
        (list[0], list[1]) = (_name(a), _name(b));
        if (!_isBelow(bytes(list[0]), bytes(list[1]))) {
            refuses(abi.encodeWithSelector(IOwnerCommands.NotAscending.selector, 1));
        }
        commands.setShard("a", 1, 1, new string[](0), list);
    }

    function test_shares_are_at_most_one() public {
        bytes memory reason = abi.encodeWithSelector(IOwnerCommands.FractionAboveOne.selector, 1_000_001);
        refuses(reason);
        commands.setShardWeight("a", 1_000_001);
        refuses(reason);
        commands.setThermostat(1_000_001);
        refuses(reason);
        commands.setVerification(1, 1_000_001);
        refuses(abi.encodeWithSelector(IOwnerCommands.ZeroLimit.selector));
        commands.setThermostat(0);
    }

    function testFuzz_weights_sum_to_one(uint32 a, uint32 b, uint32 c, uint32 d) public {
        uint256 sum = uint256(a) + b + c + d;
        if (sum != 1_000_000) refuses(abi.encodeWithSelector(IOwnerCommands.WeightsSum.selector, sum));
        commands.setOptimisation(a, b, c, d);
    }

    function test_weights_do_not_wrap_around() public {
        uint32 half = 1 << 31;
        refuses(abi.encodeWithSelector(IOwnerCommands.WeightsSum.selector, 2 * uint256(half) + 1_000_000));
        commands.setOptimisation(half, half, 1_000_000, 0);
    }

    function test_levels_and_their_fractions() public {
        commands.setVerification(0, 0);
        commands.setVerification(1, 0);
        commands.setVerification(2, 1_000_000);
        refuses(abi.encodeWithSelector(IOwnerCommands.UnknownLevel.selector, 3));
        commands.setVerification(3, 0);
        bytes4 reason = IOwnerCommands.FractionOfLevel.selector;
        refuses(abi.encodeWithSelector(reason, 0, 0, 1));
        commands.setVerification(0, 1);
        refuses(abi.encodeWithSelector(reason, 2, 1_000_000, 999_999));
        commands.setVerification(2, 999_999);
    }

    function test_modes_and_their_lists() public {
        bytes32[] memory none = new bytes32[](0);
        string[] memory nowhere = new string[](0);
        bytes32[][] memory nobody = new bytes32[][](0);
        commands.setMode(2, none, nowhere, nobody);
        commands.setMode(3, none, nowhere, nobody);
        refuses(abi.encodeWithSelector(IOwnerCommands.UnknownMode.selector, 4));
        commands.setMode(4, none, nowhere, nobody);

        bytes4 length = IOwnerCommands.LengthOutOfRange.selector;
        refuses(abi.encodeWithSelector(length, 1, 128, 0));
        commands.setMode(0, none, nowhere, nobody);
        refuses(abi.encodeWithSelector(length, 1, 128, 129));
        commands.setMode(0, _keys(129), nowhere, nobody);
        bytes32[] memory zero = _keys(3);
        zero[1] = 0;
        refuses(abi.encodeWithSelector(IOwnerCommands.ZeroKey.selector, 1));
        commands.setMode(0, zero, nowhere, nobody);

        bytes32[][] memory lists = new bytes32[][](4);
        for (uint256 i = 0; i < 4; ++i) {
            lists[i] = _keys(1);
        }
        refuses(abi.encodeWithSelector(IOwnerCommands.LengthsDiffer.selector, 3, 4));
        commands.setMode(1, none, _ascending(3), lists);
        refuses(abi.encodeWithSelector(IOwnerCommands.LengthsDiffer.selector, 4, 0));
        commands.setMode(1, none, _ascending(4), nobody);
        for (uint8 mode = 0; mode < 4; ++mode) {
            if (mode != 1) {
                refuses(abi.encodeWithSelector(IOwnerCommands.NotOfThisMode.selector, mode));
                commands.setMode(mode, mode == 0 ? _keys(1) : none, _ascending(4), lists);
            }
            if (mode != 0) {
                refuses(abi.encodeWithSelector(IOwnerCommands.NotOfThisMode.selector, mode));
                commands.setMode(mode, _keys(1), _ascending(4), lists);
            }
        }
        lists[2] = none;
        refuses(abi.encodeWithSelector(length, 1, 128, 0));
        commands.setMode(1, none, _ascending(4), lists);
        refuses(abi.encodeWithSelector(length, 4, 64, 3));
        commands.setMode(1, none, _ascending(3), new bytes32[][](3));
        refuses(abi.encodeWithSelector(length, 4, 64, 65));
        commands.setMode(1, none, _ascending(65), new bytes32[][](65));
    }

    function test_keys_are_not_zero_and_those_of_a_tenant_ascend() public {
        bytes memory zero = abi.encodeWithSelector(IOwnerCommands.ZeroKey.selector, 0);
        refuses(zero);
        commands.approveWorker("a", 0);
        refuses(zero);
        commands.admitPeer(0, "a");
        refuses(zero);
        commands.banPeer(0, "a", 1);
        bytes32[] memory keys = _keys(3);
        keys[0] = 0;
        refuses(zero);
        commands.setTenant("a", keys, 1, 1, 1, 1, 1);
        keys = _keys(3);
        keys[2] = keys[1];
        refuses(abi.encodeWithSelector(IOwnerCommands.NotAscending.selector, 2));
        commands.setTenant("a", keys, 1, 1, 1, 1, 1);
    }

    function test_each_validator_has_a_region_and_a_label() public {
        (Validator[] memory entries, Registration[] memory registrations) = makeSet(10, 4);
        refuses(abi.encodeWithSelector(IOwnerCommands.LengthsDiffer.selector, 4, 3));
        commands.setValidators(entries, names(3), names(4), registrations);
        refuses(abi.encodeWithSelector(IOwnerCommands.LengthsDiffer.selector, 4, 5));
        commands.setValidators(entries, names(4), names(5), registrations);
    }

    function test_a_deployment_needs_an_owner_and_a_delay_within_bounds() public {
        (Validator[] memory entries, Registration[] memory registrations) = makeSet(0, 1);
        refuses(abi.encodeWithSelector(IOwnerCommands.ZeroOwner.selector));
        new PhalanxDeployment(address(0), MESH, entries, registrations, 0, FORCE_DELAY);
        bytes memory reason =
            abi.encodeWithSelector(IOwnerCommands.DelayAboveMax.selector, 30 days, 30 days + 1);
        refuses(reason);
        new PhalanxDeployment(owner, MESH, entries, registrations, 30 days + 1, FORCE_DELAY);
        refuses(reason);
        commands.setDelay(30 days + 1);
        eq(commands.DELAY_MAX(), 30 days);
    }

    // ---------------------------------------------------------------------------------------- waiting

    function test_with_a_delay_a_command_waits_and_anybody_executes_it() public {
        _delay(1 days);
        bytes memory payload = abi.encode("mars");
        bytes32 digest = keccak256(abi.encode(Kinds.RESUME_SHARD, keccak256(payload)));
        uint64 readyAt = uint64(block.timestamp) + 1 days;
        _is(1, IOwnerCommands.State.Unset, 0, 0);
        vm.expectEmit();
        emit IOwnerCommands.Queued(1, Kinds.RESUME_SHARD, digest, readyAt, payload);
        commands.resumeShard("mars");
        _is(1, IOwnerCommands.State.Waiting, readyAt, digest);
        vm.stopPrank();

        vm.warp(readyAt - 1);
        refuses(abi.encodeWithSelector(IOwnerCommands.TooEarly.selector, 1, readyAt));
        commands.execute(1, Kinds.RESUME_SHARD, payload);
        vm.warp(readyAt);
        _is(1, IOwnerCommands.State.Ready, readyAt, digest);
        bytes32 other = keccak256(abi.encode(Kinds.PAUSE_SHARD, keccak256(payload)));
        refuses(abi.encodeWithSelector(IOwnerCommands.OtherCommand.selector, digest, other));
        commands.execute(1, Kinds.PAUSE_SHARD, payload);
        other = keccak256(abi.encode(Kinds.RESUME_SHARD, keccak256(abi.encode("luna"))));
        refuses(abi.encodeWithSelector(IOwnerCommands.OtherCommand.selector, digest, other));
        commands.execute(1, Kinds.RESUME_SHARD, abi.encode("luna"));

        // The sequence is given now: 1 was the change of the delay.
        vm.expectEmit();
        emit IOwnerCommands.Executed(1, 2);
        _expect(Kinds.RESUME_SHARD, payload);
        commands.execute(1, Kinds.RESUME_SHARD, payload);
        _is(1, IOwnerCommands.State.Done, readyAt, digest);
        refuses(abi.encodeWithSelector(IOwnerCommands.NotWaiting.selector, 1, IOwnerCommands.State.Done));
        commands.execute(1, Kinds.RESUME_SHARD, payload);
    }

    function test_the_same_command_can_wait_twice() public {
        _delay(1 days);
        commands.resumeMesh();
        commands.resumeMesh();
        vm.warp(block.timestamp + 1 days);
        commands.execute(1, Kinds.RESUME_MESH, "");
        commands.execute(2, Kinds.RESUME_MESH, "");
        (uint64 sequence,) = commands.head();
        eq(sequence, 3);
    }

    function test_a_pause_never_waits() public {
        _delay(30 days);
        _expect(Kinds.PAUSE_MESH, "");
        commands.pauseMesh();
        _expect(Kinds.PAUSE_SHARD, abi.encode("mars"));
        commands.pauseShard("mars");
        (uint64 next, uint64 last) = commands.queue();
        eq(next, 1);
        eq(last, 0);
    }

    function test_a_shorter_delay_waits_the_longer_one() public {
        _delay(10 days);
        commands.setDelay(1);
        eq(commands.delay(), 10 days);
        vm.warp(block.timestamp + 10 days);
        vm.expectEmit();
        emit IOwnerCommands.DelayChanged(10 days, 1);
        commands.execute(1, Kinds.SET_DELAY, abi.encode(1));
        eq(commands.delay(), 1);
    }

    function test_tickets_are_executed_in_their_order() public {
        _delay(1 days);
        commands.setShardWeight("mars", 1);
        commands.setShardWeight("mars", 2);
        vm.warp(block.timestamp + 1 days);
        refuses(abi.encodeWithSelector(IOwnerCommands.NotNext.selector, 1, 2));
        commands.execute(2, Kinds.SET_SHARD_WEIGHT, abi.encode("mars", 2));
        commands.execute(1, Kinds.SET_SHARD_WEIGHT, abi.encode("mars", 1));
        commands.execute(2, Kinds.SET_SHARD_WEIGHT, abi.encode("mars", 2));
        (uint64 next, uint64 last) = commands.queue();
        eq(next, 3);
        eq(last, 2);
    }

    function test_the_owner_cancels_what_waits_or_is_ready() public {
        _delay(1 days);
        for (uint256 i = 0; i < 4; ++i) {
            commands.resumeMesh();
        }
        bytes32 digest = keccak256(abi.encode(Kinds.RESUME_MESH, keccak256("")));
        vm.expectEmit();
        emit IOwnerCommands.Cancelled(2, digest);
        commands.cancel(2);
        bytes memory cancelled =
            abi.encodeWithSelector(IOwnerCommands.NotWaiting.selector, 2, IOwnerCommands.State.Cancelled);
        refuses(cancelled);
        commands.cancel(2);
        vm.warp(block.timestamp + 1 days);
        commands.cancel(3);
        (uint64 next,) = commands.queue();
        eq(next, 1);
        commands.execute(1, Kinds.RESUME_MESH, "");
        (next,) = commands.queue();
        eq(next, 4);
        refuses(cancelled);
        commands.execute(2, Kinds.RESUME_MESH, "");
        commands.execute(4, Kinds.RESUME_MESH, "");
        refuses(abi.encodeWithSelector(IOwnerCommands.NotWaiting.selector, 5, IOwnerCommands.State.Unset));
        commands.cancel(5);
    }

    function test_a_command_that_fails_stays_until_it_is_cancelled() public {
        _delay(1 days);
        commands.withdrawValidators(KEY);
        commands.resumeMesh();
        vm.warp(block.timestamp + 1 days);
        vm.expectRevert();
        commands.execute(1, Kinds.WITHDRAW_VALIDATORS, abi.encode(KEY));
        commands.cancel(1);
        commands.execute(2, Kinds.RESUME_MESH, "");
    }

    function test_256_tickets_wait_at_most() public {
        _delay(1 days);
        for (uint256 i = 0; i < 256; ++i) {
            commands.resumeMesh();
        }
        refuses(abi.encodeWithSelector(IOwnerCommands.QueueFull.selector));
        commands.resumeMesh();
        // However they are cancelled, one step goes past all.
        for (uint64 i = 256; i > 1; --i) {
            commands.cancel(i);
        }
        commands.cancel(1);
        (uint64 next, uint64 last) = commands.queue();
        eq(next, 257);
        eq(last, 256);
        commands.resumeMesh();
    }

    // ---------------------------------------------------------------------------------------- private

    function _delay(uint32 delay) private {
        vm.expectEmit();
        emit IOwnerCommands.DelayChanged(0, delay);
        commands.setDelay(delay);
    }

    function _is(uint64 ticket, IOwnerCommands.State state, uint64 readyAt, bytes32 digest) private view {
        (IOwnerCommands.State found, uint64 foundReadyAt, bytes32 foundDigest) = commands.ticketOf(ticket);
        eq(uint8(found), uint8(state));
        eq(foundReadyAt, readyAt);
        eq(foundDigest, digest);
    }

    /// @dev The next command is this one.
    function _expect(uint8 kind, bytes memory payload) private {
        (uint64 sequence,) = commands.head();
        bytes32 hash = keccak256(abi.encode(MESH, sequence + 1, kind, keccak256(payload)));
        vm.expectEmit();
        emit IOwnerCommands.Commanded(sequence + 1, kind, hash, payload);
    }

    function _expectValidators() private {
        (Validator[] memory entries, Registration[] memory registrations) = makeSet(10, 4);
        bytes32 setHash = setHashOf(entries);
        _expect(Kinds.SET_VALIDATORS, abi.encode(entries, names(4), names(4), registrations));
        commands.setValidators(entries, names(4), names(4), registrations);
        _expect(Kinds.REQUEST_FORCE, abi.encode(setHash));
        commands.requestForce(setHash);
        _expect(Kinds.CANCEL_FORCE, abi.encode(setHash));
        commands.cancelForce(setHash);
        commands.requestForce(setHash);
        vm.warp(block.timestamp + FORCE_DELAY);
        _expect(Kinds.EXECUTE_FORCE, abi.encode(setHash));
        commands.executeForce(setHash);
        (entries, registrations) = makeSet(20, 4);
        commands.setValidators(entries, names(4), names(4), registrations);
        setHash = setHashOf(entries);
        _expect(Kinds.WITHDRAW_VALIDATORS, abi.encode(setHash));
        commands.withdrawValidators(setHash);
    }

    function _keys(uint256 count) private pure returns (bytes32[] memory keys) {
        keys = new bytes32[](count);
        for (uint256 i = 0; i < count; ++i) {
            keys[i] = bytes32(i + 1);
        }
    }

    function _ascending(uint256 count) private pure returns (string[] memory list) {
        list = new string[](count);
        for (uint256 i = 0; i < count; ++i) {
            list[i] = string.concat("shard-", vm.toString(100 + i));
        }
    }

    function _isPlain(bytes1 c) private pure returns (bool) {
        return (c >= "a" && c <= "z") || (c >= "0" && c <= "9");
    }

    /// @dev A name of 1 to 64 characters that are a or b, so that prefixes are common.
    function _name(uint256 seed) private pure returns (string memory) {
        bytes memory text = new bytes(seed % 64 + 1);
        for (uint256 i = 0; i < text.length; ++i) {
            text[i] = (seed >> (8 + i)) & 1 == 0 && i % 16 != 0 ? bytes1("a") : bytes1("b");
        }
        return string(text);
    }

    function _isBelow(bytes memory a, bytes memory b) private pure returns (bool) {
        for (uint256 i = 0; i < a.length && i < b.length; ++i) {
            if (a[i] != b[i]) return a[i] < b[i];
        }
        return a.length < b.length;
    }
}
