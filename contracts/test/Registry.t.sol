// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity 0.8.37;

import {IValidatorRegistry} from "../src/interfaces/IValidatorRegistry.sol";
import {SetRules} from "../src/lib/SetRules.sol";
import {PhalanxDeployment} from "../src/PhalanxDeployment.sol";
import {Registration, Signature, Validator} from "../src/Types.sol";
import {ValidatorRegistry} from "../src/ValidatorRegistry.sol";
import {Base} from "./support/Base.sol";
import {vm} from "./support/Vm.sol";

/// @notice Which sets the registry takes, and when they become current.
contract RegistryTest is Base {
    Validator[] private _set;
    bytes32 private _setHash;

    function setUp() public {
        (Validator[] memory entries, Registration[] memory registrations) = makeSet(0, 4);
        deploy(entries, registrations);
        for (uint256 i = 0; i < 4; ++i) {
            _set.push(entries[i]);
        }
        _setHash = setHashOf(entries);
        vm.warp(1_790_000_000);
    }

    // ------------------------------------------------------------------------------------- deployment

    function test_the_three_contracts_know_one_another() public view {
        eq(registry.commands(), address(commands));
        eq(registry.anchor(), address(anchor));
        eq(registry.meshId(), MESH);
        eq(registry.forceDelay(), FORCE_DELAY);
        eq(anchor.registry(), address(registry));
        eq(commands.registry(), address(registry));
        eq(commands.owner(), owner);
        eq(commands.meshId(), MESH);
    }

    function test_the_first_set_is_current_as_epoch_0() public {
        (uint64 epoch, bytes32 setHash, address data) = registry.current();
        eq(epoch, 0);
        eq(setHash, _setHash);
        eq(registry.dataOf(0), data);
        eq(registry.dataOf(1), address(0));
        eq(keccak256(abi.encode(registry.validatorsOf(0))), keccak256(abi.encode(_set)));
        eq(registry.validatorsOf(1).length, 0);
        eq(uint8(data.code[0]), 0);
        eq(data.code.length, 65 + 96 * 4);

        Registration[] memory registrations = new Registration[](4);
        for (uint256 i = 0; i < 4; ++i) {
            registrations[i] = register(_set[i]);
        }
        address next = vm.computeCreateAddress(address(this), vm.getNonce(address(this)));
        vm.expectEmit();
        emit IValidatorRegistry.SetProposed(
            0, _setHash, vm.computeCreateAddress(next, 1), _set, registrations
        );
        vm.expectEmit();
        emit IValidatorRegistry.SetActivated(0, _setHash, 0, 0);
        new ValidatorRegistry(address(1), address(2), MESH, FORCE_DELAY, _set, registrations);
    }

    function test_a_deployment_needs_a_mesh_and_a_force_delay_within_bounds() public {
        (Validator[] memory entries, Registration[] memory registrations) = makeSet(0, 1);
        refuses(abi.encodeWithSelector(IValidatorRegistry.ZeroMesh.selector));
        new PhalanxDeployment(owner, 0, entries, registrations, 0, FORCE_DELAY);
        bytes4 reason = IValidatorRegistry.ForceDelayOutOfRange.selector;
        refuses(abi.encodeWithSelector(reason, 1 hours, 90 days, 1 hours - 1));
        new PhalanxDeployment(owner, MESH, entries, registrations, 0, 1 hours - 1);
        refuses(abi.encodeWithSelector(reason, 1 hours, 90 days, 90 days + 1));
        new PhalanxDeployment(owner, MESH, entries, registrations, 0, 90 days + 1);
        eq(registry.FORCE_DELAY_MIN(), 1 hours);
        eq(registry.FORCE_DELAY_MAX(), 90 days);
    }

    function test_27_validators_fit_into_the_transaction_that_deploys() public {
        (Validator[] memory entries, Registration[] memory registrations) = makeSet(0, 27);
        bytes memory arguments = abi.encode(owner, MESH, entries, registrations, 0, FORCE_DELAY);
        // EIP-3860. Coverage builds without the optimizer are larger: they do not count.
        uint256 code = type(PhalanxDeployment).creationCode.length;
        eq(code > 45_000 || code + arguments.length <= 49_152, true);
        deploy(entries, registrations);
    }

    function test_the_first_set_is_registered_too() public {
        (Validator[] memory entries, Registration[] memory registrations) = makeSet(0, 4);
        delete registrations[2];
        refuses(abi.encodeWithSelector(IValidatorRegistry.RegistrationMissing.selector, 2));
        new PhalanxDeployment(owner, MESH, entries, registrations, 0, FORCE_DELAY);
    }

    // ------------------------------------------------------------------------------------------ rules

    function test_a_set_has_1_to_128_entries() public {
        _refuses(new Validator[](0), abi.encodeWithSelector(IValidatorRegistry.SetSize.selector, 0));
        _refuses(new Validator[](129), abi.encodeWithSelector(IValidatorRegistry.SetSize.selector, 129));
    }

    function test_the_largest_set_fits() public {
        (Validator[] memory entries, Registration[] memory registrations) = makeSet(100, 128);
        bytes32 setHash = propose(entries, registrations);
        (bytes32 pending, address data) = registry.pending();
        eq(pending, setHash);
        eq(data.code.length, 65 + 96 * 128);
        anchorNext(_set, true);
        eq(keccak256(abi.encode(registry.validatorsOf(1))), keccak256(abi.encode(entries)));
        anchorNext(entries, false);
    }

    function test_accounts_ascend() public {
        (Validator[] memory entries,) = makeSet(10, 4);
        (entries[1], entries[2]) = (entries[2], entries[1]);
        _refuses(entries, abi.encodeWithSelector(IValidatorRegistry.AccountsNotAscending.selector, 2));
        (entries,) = makeSet(10, 4);
        entries[3].account = entries[2].account;
        _refuses(entries, abi.encodeWithSelector(IValidatorRegistry.AccountsNotAscending.selector, 3));
        entries[0].account = address(0);
        _refuses(entries, abi.encodeWithSelector(IValidatorRegistry.AccountsNotAscending.selector, 0));
    }

    function testFuzz_all_keys_are_distinct_and_not_zero(uint256 seed, uint256 from, uint256 to) public {
        (Validator[] memory entries,) = makeSet(seed % 1e9, 5);
        (from, to) = (from % 10, to % 10);
        _setKey(entries, from, 0);
        _refuses(entries, abi.encodeWithSelector(IValidatorRegistry.ZeroKey.selector, from / 2));
        vm.assume(from != to);
        bytes32 key = to % 2 == 0 ? entries[to / 2].networkKey : entries[to / 2].voteKey;
        _setKey(entries, from, key);
        _refuses(entries, abi.encodeWithSelector(IValidatorRegistry.KeyTwice.selector, key));
    }

    function test_weights_are_1_to_2_24() public {
        (Validator[] memory entries,) = makeSet(10, 3);
        bytes4 reason = IValidatorRegistry.WeightOutOfRange.selector;
        entries[1].weight = 0;
        _refuses(entries, abi.encodeWithSelector(reason, 1, 0));
        entries[1].weight = (1 << 24) + 1;
        _refuses(entries, abi.encodeWithSelector(reason, 1, (1 << 24) + 1));
        entries[1].weight = 1 << 24;
        propose(entries, _registerAll(entries));
    }

    function test_the_heaviest_f_hold_less_than_a_third() public {
        uint32[] memory weights = new uint32[](4);
        (weights[0], weights[1], weights[2], weights[3]) = (100, 100, 100, 150);
        (Validator[] memory entries,) = makeSet(10, weights);
        _refuses(entries, abi.encodeWithSelector(IValidatorRegistry.TooHeavy.selector, 150, 450));
        (weights[0], weights[1], weights[2], weights[3]) = (100, 101, 100, 150);
        (entries,) = makeSet(10, weights);
        propose(entries, _registerAll(entries));
    }

    function testFuzz_the_share_of_the_heaviest_is_exact(uint32[] memory weights) public {
        vm.assume(weights.length > 0 && weights.length <= 24);
        uint256 total = 0;
        for (uint256 i = 0; i < weights.length; ++i) {
            weights[i] = weights[i] % 50 + 1;
            total += weights[i];
        }
        (Validator[] memory entries, Registration[] memory registrations) = makeSet(10, weights);
        // The plain way: sort all, take the first f.
        for (uint256 i = 0; i < weights.length; ++i) {
            for (uint256 j = i + 1; j < weights.length; ++j) {
                if (weights[j] > weights[i]) (weights[i], weights[j]) = (weights[j], weights[i]);
            }
        }
        uint256 heaviest = 0;
        for (uint256 i = 0; i < (weights.length - 1) / 3; ++i) {
            heaviest += weights[i];
        }
        if (3 * heaviest >= total) {
            _refuses(entries, abi.encodeWithSelector(IValidatorRegistry.TooHeavy.selector, heaviest, total));
        } else {
            eq(propose(entries, registrations), setHashOf(entries));
            (bytes32 pending,) = registry.pending();
            eq(pending, setHashOf(entries));
        }
    }

    // ---------------------------------------------------------------------------------- registrations

    function test_what_the_keys_sign_is_known_before_the_deployment() public view {
        Validator memory entry = _set[0];
        Registration memory registration = register(entry);
        bytes32 digest = registry.registrationDigest(entry.networkKey, entry.voteKey);
        Signature memory signature = sign(entry.account, digest);
        eq(signature.r, registration.account.r);
        eq(signature.vs, registration.account.vs);
    }

    function test_each_new_entry_needs_a_registration() public {
        (Validator[] memory entries, Registration[] memory registrations) = makeSet(10, 4);
        delete registrations[1];
        _refuses(
            entries, registrations, abi.encodeWithSelector(IValidatorRegistry.RegistrationMissing.selector, 1)
        );
        _refuses(
            entries,
            new Registration[](3),
            abi.encodeWithSelector(IValidatorRegistry.RegistrationsLength.selector, 4, 3)
        );
    }

    function test_entries_that_stay_need_none() public {
        // Two stay, of whom one gets another weight; three are new, around them.
        Validator[] memory entries = new Validator[](5);
        Registration[] memory registrations = new Registration[](5);
        (Validator[] memory fresh,) = makeSet(10, 3);
        for (uint256 i = 0; i < 3; ++i) {
            entries[i] = fresh[i];
        }
        (entries[3], entries[4]) = (_set[0], _set[3]);
        entries[4].weight = 101;
        sort(entries);
        for (uint256 i = 0; i < 5; ++i) {
            if (entries[i].account != _set[0].account && entries[i].account != _set[3].account) {
                registrations[i] = register(entries[i]);
            }
        }
        eq(propose(entries, registrations), setHashOf(entries));
    }

    function test_an_entry_with_another_key_is_new() public {
        for (uint256 which = 0; which < 2; ++which) {
            Validator[] memory entries = _set;
            _setKey(entries, 4 + which, keccak256("other"));
            _refuses(
                entries,
                new Registration[](4),
                abi.encodeWithSelector(IValidatorRegistry.RegistrationMissing.selector, 2)
            );
        }
    }

    function testFuzz_a_registration_with_a_flipped_bit_is_refused(uint256 which, uint256 bit) public {
        (Validator[] memory entries, Registration[] memory registrations) = makeSet(10, 4);
        which %= 4;
        bit %= 512;
        if (bit < 256) registrations[which].account.r ^= bytes32(1 << bit);
        else registrations[which].account.vs ^= bytes32(1 << (bit - 256));
        vm.prank(address(commands));
        (bool ok, bytes memory answer) =
            address(registry).call(abi.encodeCall(IValidatorRegistry.propose, (entries, registrations)));
        eq(ok, false);
        eq(bytes4(answer) == IValidatorRegistry.RegistrationNotByAccount.selector, true);
    }

    function test_a_registration_for_other_keys_or_another_chain_is_refused() public {
        (Validator[] memory entries, Registration[] memory registrations) = makeSet(10, 4);
        entries[0].voteKey = keccak256("other");
        vm.prank(address(commands));
        (bool ok, bytes memory answer) =
            address(registry).call(abi.encodeCall(IValidatorRegistry.propose, (entries, registrations)));
        eq(!ok && bytes4(answer) == IValidatorRegistry.RegistrationNotByAccount.selector, true);

        (entries, registrations) = makeSet(10, 4);
        vm.chainId(5);
        vm.prank(address(commands));
        (ok, answer) =
            address(registry).call(abi.encodeCall(IValidatorRegistry.propose, (entries, registrations)));
        eq(!ok && bytes4(answer) == IValidatorRegistry.RegistrationNotByAccount.selector, true);
    }

    // ------------------------------------------------------------------------------------ pending sets

    function test_a_set_is_pending_until_its_checkpoint() public {
        (Validator[] memory entries, Registration[] memory registrations) = makeSet(10, 4);
        bytes32 setHash = setHashOf(entries);
        address data = vm.computeCreateAddress(address(registry), vm.getNonce(address(registry)));
        vm.expectEmit();
        emit IValidatorRegistry.SetProposed(1, setHash, data, entries, registrations);
        propose(entries, registrations);
        (uint64 epoch, bytes32 current,) = registry.current();
        eq(epoch, 0);
        eq(current, _setHash);

        anchorNext(_set, false);
        vm.expectEmit();
        emit IValidatorRegistry.SetActivated(1, setHash, _setHash, 2);
        anchorNext(_set, true);
        address currentData;
        (epoch, current, currentData) = registry.current();
        eq(epoch, 1);
        eq(current, setHash);
        eq(currentData, data);
        (bytes32 pending, address pendingData) = registry.pending();
        eq(pending, 0);
        eq(pendingData, address(0));
    }

    function test_one_set_is_pending_at_a_time() public {
        (Validator[] memory entries, Registration[] memory registrations) = makeSet(10, 4);
        bytes32 setHash = propose(entries, registrations);
        (entries, registrations) = makeSet(20, 4);
        _refuses(
            entries, registrations, abi.encodeWithSelector(IValidatorRegistry.SetIsPending.selector, setHash)
        );
    }

    function test_the_current_set_cannot_be_pending_but_an_earlier_one_can() public {
        _refuses(
            _set,
            new Registration[](4),
            abi.encodeWithSelector(IValidatorRegistry.SetIsCurrent.selector, _setHash)
        );
        (Validator[] memory entries, Registration[] memory registrations) = makeSet(10, 4);
        propose(entries, registrations);
        anchorNext(_set, true);
        propose(_set, _registerAll(_set));
        anchorNext(entries, true);
        (uint64 epoch, bytes32 setHash,) = registry.current();
        eq(epoch, 2);
        eq(setHash, _setHash);
        anchorNext(_set, false);
    }

    function test_a_pending_set_can_be_withdrawn() public {
        (Validator[] memory entries, Registration[] memory registrations) = makeSet(10, 4);
        bytes32 setHash = propose(entries, registrations);
        bytes4 reason = IValidatorRegistry.NotPending.selector;
        refuses(abi.encodeWithSelector(reason, setHash, _setHash));
        _asOwner(abi.encodeCall(commands.withdrawValidators, (_setHash)));
        vm.expectEmit();
        emit IValidatorRegistry.SetWithdrawn(1, setHash);
        _asOwner(abi.encodeCall(commands.withdrawValidators, (setHash)));
        (bytes32 pending,) = registry.pending();
        eq(pending, 0);
        refuses(abi.encodeWithSelector(reason, 0, setHash));
        _asOwner(abi.encodeCall(commands.withdrawValidators, (setHash)));
        refuses(abi.encodeWithSelector(reason, 0, 0));
        _asOwner(abi.encodeCall(commands.withdrawValidators, (bytes32(0))));
        // And proposed again.
        eq(propose(entries, registrations), setHash);
        anchorNext(_set, true);
        anchorNext(entries, false);
    }

    function test_a_set_that_cannot_be_stored_is_refused() public {
        (Validator[] memory entries, Registration[] memory registrations) = makeSet(10, 4);
        // Something stands where its code would go.
        vm.etch(vm.computeCreateAddress(address(registry), vm.getNonce(address(registry))), hex"00");
        vm.prank(address(commands));
        (bool ok,) =
            address(registry).call(abi.encodeCall(IValidatorRegistry.propose, (entries, registrations)));
        eq(ok, false);
    }

    // ---------------------------------------------------------------------------------------- forcing

    function test_a_set_is_forced_after_the_delay_when_nothing_was_anchored() public {
        anchorNext(_set, false);
        (Validator[] memory entries, bytes32 setHash) = _request();
        (uint64 executableAt, uint64 number) = registry.forceRequest();
        eq(executableAt, block.timestamp + FORCE_DELAY);
        eq(number, 1);

        vm.warp(executableAt - 1);
        refuses(abi.encodeWithSelector(IValidatorRegistry.ForceTooEarly.selector, executableAt));
        _asOwner(abi.encodeCall(commands.executeForce, (setHash)));

        vm.warp(executableAt);
        vm.expectEmit();
        emit IValidatorRegistry.SetForced(1, setHash, _setHash, 1);
        _asOwner(abi.encodeCall(commands.executeForce, (setHash)));
        (uint64 epoch, bytes32 current,) = registry.current();
        eq(epoch, 1);
        eq(current, setHash);
        uint64[] memory forced = registry.forcedEpochs();
        eq(forced.length, 1);
        eq(forced[0], 1);
        (executableAt, number) = registry.forceRequest();
        eq(executableAt, 0);
        eq(number, 0);
        // The new set goes on from the same head.
        anchorNext(entries, false);
        eq(anchor.headNumber(), 2);
    }

    function test_a_set_that_lives_cannot_be_forced_out() public {
        (, bytes32 setHash) = _request();
        anchorNext(_set, false);
        vm.warp(block.timestamp + FORCE_DELAY);
        refuses(abi.encodeWithSelector(IValidatorRegistry.ForceOvertaken.selector, 0, 1));
        _asOwner(abi.encodeCall(commands.executeForce, (setHash)));
        // It still can be changed by a checkpoint, which ends the request.
        anchorNext(_set, true);
        (uint64 executableAt,) = registry.forceRequest();
        eq(executableAt, 0);
        eq(registry.forcedEpochs().length, 0);
    }

    function test_a_force_is_requested_first_and_once() public {
        (Validator[] memory entries, Registration[] memory registrations) = makeSet(10, 4);
        bytes32 setHash = propose(entries, registrations);
        bytes memory missing = abi.encodeWithSelector(IValidatorRegistry.ForceNotRequested.selector);
        refuses(missing);
        _asOwner(abi.encodeCall(commands.executeForce, (setHash)));
        refuses(missing);
        _asOwner(abi.encodeCall(commands.cancelForce, (setHash)));
        _asOwner(abi.encodeCall(commands.requestForce, (setHash)));
        refuses(
            abi.encodeWithSelector(
                IValidatorRegistry.ForceIsRequested.selector, uint64(block.timestamp) + FORCE_DELAY
            )
        );
        _asOwner(abi.encodeCall(commands.requestForce, (setHash)));
    }

    function test_only_the_pending_set_can_be_forced() public {
        bytes memory reason =
            abi.encodeWithSelector(IValidatorRegistry.NotPending.selector, bytes32(0), _setHash);
        refuses(reason);
        _asOwner(abi.encodeCall(commands.requestForce, (_setHash)));
        refuses(reason);
        _asOwner(abi.encodeCall(commands.cancelForce, (_setHash)));
        refuses(reason);
        _asOwner(abi.encodeCall(commands.executeForce, (_setHash)));
        vm.prank(address(anchor));
        refuses(reason);
        registry.activate(_setHash, 1);
    }

    function test_a_request_can_be_cancelled() public {
        (, bytes32 setHash) = _request();
        vm.expectEmit();
        emit IValidatorRegistry.ForceCancelled(setHash);
        _asOwner(abi.encodeCall(commands.cancelForce, (setHash)));
        vm.warp(block.timestamp + FORCE_DELAY);
        refuses(abi.encodeWithSelector(IValidatorRegistry.ForceNotRequested.selector));
        _asOwner(abi.encodeCall(commands.executeForce, (setHash)));
    }

    function test_a_withdrawal_cancels_the_request() public {
        (, bytes32 setHash) = _request();
        vm.expectEmit();
        emit IValidatorRegistry.ForceCancelled(setHash);
        _asOwner(abi.encodeCall(commands.withdrawValidators, (setHash)));
        (Validator[] memory entries, Registration[] memory registrations) = makeSet(10, 4);
        propose(entries, registrations);
        (uint64 executableAt,) = registry.forceRequest();
        eq(executableAt, 0);
    }

    // ---------------------------------------------------------------------------------------- private

    function _request() private returns (Validator[] memory entries, bytes32 setHash) {
        Registration[] memory registrations;
        (entries, registrations) = makeSet(10, 4);
        setHash = propose(entries, registrations);
        vm.expectEmit();
        emit IValidatorRegistry.ForceRequested(
            setHash, anchor.headNumber(), uint64(block.timestamp) + FORCE_DELAY
        );
        _asOwner(abi.encodeCall(commands.requestForce, (setHash)));
    }

    function _asOwner(bytes memory data) private {
        vm.prank(owner);
        (bool ok, bytes memory answer) = address(commands).call(data);
        if (ok) return;
        assembly ("memory-safe") {
            revert(add(answer, 0x20), mload(answer))
        }
    }

    function _registerAll(Validator[] memory entries)
        private
        view
        returns (Registration[] memory registrations)
    {
        registrations = new Registration[](entries.length);
        for (uint256 i = 0; i < entries.length; ++i) {
            registrations[i] = register(entries[i]);
        }
    }

    function _refuses(Validator[] memory entries, bytes memory reason) private {
        _refuses(entries, new Registration[](entries.length), reason);
    }

    function _refuses(Validator[] memory entries, Registration[] memory registrations, bytes memory reason)
        private
    {
        vm.prank(address(commands));
        refuses(reason);
        registry.propose(entries, registrations);
    }

    /// @dev Key number `which`: network key, vote key of the first, network key of the second, …
    function _setKey(Validator[] memory entries, uint256 which, bytes32 key) private pure {
        if (which % 2 == 0) entries[which / 2].networkKey = key;
        else entries[which / 2].voteKey = key;
    }
}
