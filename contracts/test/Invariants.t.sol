// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity 0.8.37;

import {ICheckpointAnchor} from "../src/interfaces/ICheckpointAnchor.sol";
import {Kinds} from "../src/Kinds.sol";
import {CheckpointBody, Registration, Signature, Validator} from "../src/Types.sol";
import {Base} from "./support/Base.sol";
import {vm} from "./support/Vm.sol";

/// @notice Commands, validator changes, forces and anchors in any order, and a model of what must come of them.
contract Handler is Base {
    uint256 private constant SETS = 4;

    // The model.
    bytes32[] public hashes;
    bytes32[] public setHashes;
    uint64[] public forced;
    bytes32 public chain;
    uint64 public sequence;
    uint256 public pending;
    uint256 public current;
    uint256 public requestedAt;
    uint256 public requestedNumber;
    mapping(uint256 which => bytes32) private _known;

    constructor() {
        (Validator[] memory entries, Registration[] memory registrations) = makeSet(0, 4);
        deploy(entries, registrations);
        setHashes.push(setHashOf(entries));
        hashes.push(0);
        pending = SETS;
        for (uint256 i = 0; i < SETS; ++i) {
            _known[i] = _hash(i);
        }
        vm.warp(1_790_000_000);
    }

    // ---------------------------------------------------------------------------------- the validators

    /// @dev One that more than two thirds have signed.
    function anchorNext(bool changes, uint256 missing) external {
        changes = changes && pending != SETS;
        (Validator[] memory entries,) = _set(current);
        CheckpointBody memory body = makeBody(uint32(hashes.length), changes);
        (, bytes32 hash, bytes32 digest) = anchor.preview(body);
        eq(
            hash,
            hashOf(
                makeCheckpoint(
                    uint32(hashes.length),
                    hashes[hashes.length - 1],
                    uint64(setHashes.length - 1),
                    setHashes[setHashes.length - 1],
                    changes ? _hash(pending) : setHashes[setHashes.length - 1]
                )
            )
        );
        // Of four equal ones one may be missing.
        missing %= 5;
        Signature[] memory signatures = new Signature[](missing == 4 ? 4 : 3);
        uint256 count = 0;
        for (uint256 i = 0; i < 4; ++i) {
            if (i != missing) signatures[count++] = sign(entries[i].account, digest);
        }
        anchor.anchor(body, signatures);
        hashes.push(hash);
        if (changes) _switch();
    }

    /// @dev Half of the weight, or the members of another set.
    function anchorWithoutQuorum(uint256 other) external {
        other %= SETS;
        (Validator[] memory entries,) = _set(other);
        CheckpointBody memory body = makeBody(uint32(hashes.length), false);
        (,, bytes32 digest) = anchor.preview(body);
        Signature[] memory signatures = signAll(entries, other == current ? 2 : 4, digest);
        (bool ok,) = address(anchor).call(abi.encodeCall(ICheckpointAnchor.anchor, (body, signatures)));
        eq(ok, false);
    }

    // --------------------------------------------------------------------------------------- the owner

    function proposeSet(uint256 which) external {
        which %= SETS;
        (Validator[] memory entries, Registration[] memory registrations) = _set(which);
        bytes memory payload = abi.encode(entries, names(4), names(4), registrations);
        bool allowed = pending == SETS && which != current;
        bool ok = _command(
            abi.encodeCall(commands.setValidators, (entries, names(4), names(4), registrations)),
            Kinds.SET_VALIDATORS,
            payload
        );
        eq(ok, allowed);
        if (ok) pending = which;
    }

    function withdraw(uint256 which) external {
        which %= SETS;
        bytes32 setHash = _hash(which);
        bool ok = _command(
            abi.encodeCall(commands.withdrawValidators, (setHash)),
            Kinds.WITHDRAW_VALIDATORS,
            abi.encode(setHash)
        );
        eq(ok, which == pending);
        if (ok) (pending, requestedAt) = (SETS, 0);
    }

    function requestForce() external {
        bytes32 setHash = pending == SETS ? bytes32(0) : _hash(pending);
        bool allowed = pending != SETS && requestedAt == 0;
        bool ok = _command(
            abi.encodeCall(commands.requestForce, (setHash)), Kinds.REQUEST_FORCE, abi.encode(setHash)
        );
        eq(ok, allowed);
        if (ok) (requestedAt, requestedNumber) = (block.timestamp, hashes.length - 1);
    }

    function cancelForce() external {
        bytes32 setHash = pending == SETS ? bytes32(0) : _hash(pending);
        bool ok = _command(
            abi.encodeCall(commands.cancelForce, (setHash)), Kinds.CANCEL_FORCE, abi.encode(setHash)
        );
        eq(ok, requestedAt != 0);
        requestedAt = 0;
    }

    function executeForce(uint256 wait) external {
        vm.warp(block.timestamp + wait % (2 * FORCE_DELAY));
        bytes32 setHash = pending == SETS ? bytes32(0) : _hash(pending);
        bool allowed = requestedAt != 0 && block.timestamp >= requestedAt + FORCE_DELAY
            && requestedNumber == hashes.length - 1;
        bool ok = _command(
            abi.encodeCall(commands.executeForce, (setHash)), Kinds.EXECUTE_FORCE, abi.encode(setHash)
        );
        eq(ok, allowed);
        if (ok) {
            forced.push(uint64(setHashes.length));
            _switch();
        }
    }

    function pauseMesh() external {
        eq(_command(abi.encodeCall(commands.pauseMesh, ()), Kinds.PAUSE_MESH, ""), true);
    }

    /// @dev With a delay for a while: two wait, are executed or cancelled, and the delay goes again.
    function queue(uint8 cancelled) external {
        eq(_command(abi.encodeCall(commands.setDelay, (100)), Kinds.SET_DELAY, abi.encode(100)), true);
        (uint64 first,) = commands.queue();
        bytes memory resume = abi.encodeCall(commands.resumeMesh, ());
        _asOwner(resume);
        _asOwner(resume);
        _asOwner(abi.encodeCall(commands.setDelay, (0)));
        for (uint64 i = 0; i < 2; ++i) {
            if (cancelled & (1 << i) != 0) _asOwner(abi.encodeCall(commands.cancel, (first + i)));
        }
        vm.warp(block.timestamp + 100);
        for (uint64 i = 0; i < 2; ++i) {
            if (cancelled & (1 << i) == 0) {
                commands.execute(first + i, Kinds.RESUME_MESH, "");
                _record(Kinds.RESUME_MESH, "");
            }
        }
        commands.execute(first + 2, Kinds.SET_DELAY, abi.encode(0));
        _record(Kinds.SET_DELAY, abi.encode(0));
        (uint64 next, uint64 last) = commands.queue();
        eq(next, last + 1);
    }

    // ----------------------------------------------------------------------------------------- checks

    function check() external view {
        // The head, the window before it, nothing beyond.
        (uint64 number, bytes32 hash) = anchor.head();
        eq(number, hashes.length - 1);
        eq(hash, hashes[number]);
        for (uint64 i = 1; i < hashes.length; ++i) {
            eq(anchor.hashOf(i), hashes[i]);
        }
        eq(anchor.hashOf(number + 1), 0);
        // The set, the same in both contracts.
        (uint64 epoch, bytes32 setHash, address data) = registry.current();
        eq(epoch, setHashes.length - 1);
        eq(setHash, setHashes[epoch]);
        eq(address(uint160(uint256(vm.load(address(anchor), 0)) >> 96)), data);
        eq(registry.dataOf(epoch), data);
        // The pending one and the request.
        (bytes32 pendingHash, address pendingData) = registry.pending();
        eq(pendingHash, pending == SETS ? bytes32(0) : _known[pending]);
        eq(pendingData == address(0), pending == SETS);
        (uint64 executableAt, uint64 at_) = registry.forceRequest();
        eq(executableAt, requestedAt == 0 ? 0 : requestedAt + FORCE_DELAY);
        if (requestedAt != 0) eq(at_, requestedNumber);
        // What was forced is listed.
        eq(keccak256(abi.encode(registry.forcedEpochs())), keccak256(abi.encode(forced)));
        // The log.
        (uint64 count, bytes32 head) = commands.head();
        eq(count, sequence);
        eq(head, chain);
    }

    // ---------------------------------------------------------------------------------------- private

    function _set(uint256 which)
        private
        returns (Validator[] memory entries, Registration[] memory registrations)
    {
        return makeSet(which * 3, 4);
    }

    function _hash(uint256 which) private returns (bytes32) {
        (Validator[] memory entries,) = _set(which);
        return setHashOf(entries);
    }

    function _switch() private {
        setHashes.push(_hash(pending));
        (current, pending, requestedAt) = (pending, SETS, 0);
    }

    function _asOwner(bytes memory data) private returns (bool ok) {
        vm.prank(owner);
        (ok,) = address(commands).call(data);
    }

    function _command(bytes memory data, uint8 kind, bytes memory payload) private returns (bool ok) {
        ok = _asOwner(data);
        if (ok) _record(kind, payload);
    }

    function _record(uint8 kind, bytes memory payload) private {
        bytes32 hash = keccak256(abi.encode(MESH, ++sequence, kind, keccak256(payload)));
        chain = keccak256(abi.encode(chain, hash));
    }
}

contract InvariantsTest {
    Handler private _handler;

    function setUp() public {
        _handler = new Handler();
    }

    function targetContracts() public view returns (address[] memory list) {
        list = new address[](1);
        list[0] = address(_handler);
    }

    function invariant_the_contracts_are_as_the_model() public view {
        _handler.check();
    }
}
