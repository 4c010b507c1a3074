// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity 0.8.37;

import {Kinds} from "../src/Kinds.sol";
import {Registration, Validator} from "../src/Types.sol";
import {SafeOwner} from "./support/SafeOwner.sol";
import {vm} from "./support/Vm.sol";

/// @notice The owner is a Safe 1.4.1 with three owners, of whom two must sign.
contract SafeTest is SafeOwner {
    function setUp() public {
        makeSafe();
        (Validator[] memory entries, Registration[] memory registrations) = makeSet(0, 4);
        deploy(entries, registrations, 1 days);
    }

    function test_two_of_three_command() public {
        eq(keccak256(bytes(safe.VERSION())), keccak256("1.4.1"));
        command(abi.encodeCall(commands.pauseShard, ("mars")));
        (uint64 sequence, bytes32 chain) = commands.head();
        eq(sequence, 1);
        bytes32 hash = commands.commandHash(1, Kinds.PAUSE_SHARD, keccak256(abi.encode("mars")));
        eq(chain, keccak256(abi.encode(bytes32(0), hash)));
    }

    function test_what_they_command_waits_and_is_cancelled() public {
        command(abi.encodeCall(commands.resumeShard, ("mars")));
        command(abi.encodeCall(commands.resumeMesh, ()));
        command(abi.encodeCall(commands.cancel, (1)));
        vm.warp(block.timestamp + 1 days);
        commands.execute(2, Kinds.RESUME_MESH, "");
        (uint64 sequence,) = commands.head();
        eq(sequence, 1);
    }

    function test_one_of_three_does_not() public {
        bytes memory data = abi.encodeCall(commands.pauseMesh, ());
        bytes memory twice = ownersSign(data, 1, 1);
        vm.expectRevert(bytes("GS026"));
        safe.execTransaction(address(commands), 0, data, 0, 0, 0, 0, address(0), payable(address(0)), twice);
    }

    function test_they_change_the_validators() public {
        command(abi.encodeCall(commands.setDelay, (0)));
        vm.warp(block.timestamp + 1 days);
        commands.execute(1, Kinds.SET_DELAY, abi.encode(0));
        (Validator[] memory entries, Registration[] memory registrations) = makeSet(10, 7);
        command(abi.encodeCall(commands.setValidators, (entries, names(7), names(7), registrations)));
        (bytes32 pending,) = registry.pending();
        eq(pending, setHashOf(entries));
    }
}
