// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity 0.8.37;

import {ICheckpointAnchor} from "../src/interfaces/ICheckpointAnchor.sol";
import {IOwnerCommands} from "../src/interfaces/IOwnerCommands.sol";
import {IValidatorRegistry} from "../src/interfaces/IValidatorRegistry.sol";
import {Registration, Validator} from "../src/Types.sol";
import {Base} from "./support/Base.sol";
import {vm} from "./support/Vm.sol";

/// @notice Who may not call, first of all.
contract AccessTest is Base {
    Validator[] private _none;
    Registration[] private _noProofs;
    string[] private _noNames;
    bytes32[] private _noKeys;
    bytes32[][] private _noLists;

    function setUp() public {
        (Validator[] memory entries, Registration[] memory registrations) = makeSet(0, 4);
        deploy(entries, registrations);
    }

    function testFuzz_nobody_but_the_owner_commands(address caller) public {
        vm.assume(caller != owner);
        bytes[] memory calls = new bytes[](28);
        calls[0] = abi.encodeCall(IOwnerCommands.pauseMesh, ());
        calls[1] = abi.encodeCall(IOwnerCommands.resumeMesh, ());
        calls[2] = abi.encodeCall(IOwnerCommands.pauseShard, ("mars"));
        calls[3] = abi.encodeCall(IOwnerCommands.resumeShard, ("mars"));
        calls[4] = abi.encodeCall(IOwnerCommands.setShard, ("mars", 1, 1, _noNames, _noNames));
        calls[5] = abi.encodeCall(IOwnerCommands.setShardBudget, ("mars", 1, 1));
        calls[6] = abi.encodeCall(IOwnerCommands.setShardWeight, ("mars", 1));
        calls[7] = abi.encodeCall(IOwnerCommands.setSpillover, ("mars", _noNames));
        calls[8] = abi.encodeCall(IOwnerCommands.setThermostat, (1));
        calls[9] = abi.encodeCall(IOwnerCommands.setOptimisation, (1_000_000, 0, 0, 0));
        calls[10] = abi.encodeCall(IOwnerCommands.setVerification, (0, 0));
        calls[11] = abi.encodeCall(IOwnerCommands.setMode, (2, _noKeys, _noNames, _noLists));
        calls[12] = abi.encodeCall(IOwnerCommands.setTenant, ("t", _noKeys, 1, 1, 1, 1, 1));
        calls[13] = abi.encodeCall(IOwnerCommands.setValidators, (_none, _noNames, _noNames, _noProofs));
        calls[14] = abi.encodeCall(IOwnerCommands.withdrawValidators, (MESH));
        calls[15] = abi.encodeCall(IOwnerCommands.requestForce, (MESH));
        calls[16] = abi.encodeCall(IOwnerCommands.cancelForce, (MESH));
        calls[17] = abi.encodeCall(IOwnerCommands.executeForce, (MESH));
        calls[18] = abi.encodeCall(IOwnerCommands.approveWorker, ("w", MESH));
        calls[19] = abi.encodeCall(IOwnerCommands.revokeWorker, ("w"));
        calls[20] = abi.encodeCall(IOwnerCommands.admitPeer, (MESH, "p"));
        calls[21] = abi.encodeCall(IOwnerCommands.banPeer, (MESH, "why", 1));
        calls[22] = abi.encodeCall(IOwnerCommands.setPolicy, ("p", hex"00"));
        calls[23] = abi.encodeCall(IOwnerCommands.removePolicy, ("p"));
        calls[24] = abi.encodeCall(IOwnerCommands.payload, (hex"00"));
        calls[25] = abi.encodeCall(IOwnerCommands.setDelay, (1));
        calls[27] = abi.encodeCall(IOwnerCommands.reconcile, (1, MESH));
        calls[26] = abi.encodeCall(IOwnerCommands.cancel, (1));
        for (uint256 i = 0; i < calls.length; ++i) {
            _refused(address(commands), caller, calls[i], IOwnerCommands.NotOwner.selector);
        }
    }

    function testFuzz_nobody_but_the_commands_changes_the_registry(address caller) public {
        vm.assume(caller != address(commands));
        bytes4 reason = IValidatorRegistry.NotCommands.selector;
        _refused(
            address(registry), caller, abi.encodeCall(IValidatorRegistry.propose, (_none, _noProofs)), reason
        );
        _refused(address(registry), caller, abi.encodeCall(IValidatorRegistry.withdraw, (MESH)), reason);
        _refused(address(registry), caller, abi.encodeCall(IValidatorRegistry.requestForce, (MESH)), reason);
        _refused(address(registry), caller, abi.encodeCall(IValidatorRegistry.cancelForce, (MESH)), reason);
        _refused(address(registry), caller, abi.encodeCall(IValidatorRegistry.executeForce, (MESH)), reason);
    }

    function testFuzz_nobody_but_the_anchor_activates_a_set(address caller) public {
        vm.assume(caller != address(anchor));
        (Validator[] memory entries, Registration[] memory registrations) = makeSet(10, 4);
        bytes32 setHash = propose(entries, registrations);
        _refused(
            address(registry),
            caller,
            abi.encodeCall(IValidatorRegistry.activate, (setHash, 1)),
            IValidatorRegistry.NotAnchor.selector
        );
    }

    function testFuzz_nobody_but_the_registry_gives_the_anchor_a_set(address caller) public {
        vm.assume(caller != address(registry));
        _refused(
            address(anchor),
            caller,
            abi.encodeCall(ICheckpointAnchor.adopt, (address(1))),
            ICheckpointAnchor.NotRegistry.selector
        );
    }

    function test_no_contract_takes_ether() public {
        address[3] memory all = [address(registry), address(anchor), address(commands)];
        for (uint256 i = 0; i < 3; ++i) {
            (bool ok,) = all[i].call{value: 1}("");
            eq(ok, false);
        }
        vm.prank(owner);
        (bool paid,) = address(commands).call(abi.encodeCall(IOwnerCommands.pauseMesh, ()));
        eq(paid, true);
    }

    function _refused(address target, address caller, bytes memory data, bytes4 reason) private {
        vm.prank(caller);
        (bool ok, bytes memory answer) = target.call(data);
        eq(ok, false);
        eq(keccak256(answer), keccak256(abi.encodeWithSelector(reason, caller)));
    }
}
