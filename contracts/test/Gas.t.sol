// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity 0.8.37;

import {Numbers} from "../src/lib/Numbers.sol";
import {PhalanxDeployment} from "../src/PhalanxDeployment.sol";
import {Checkpoint, CheckpointBody, Registration, Signature, Validator} from "../src/Types.sol";
import {SafeOwner} from "./support/SafeOwner.sol";
import {vm} from "./support/Vm.sol";

/// @notice What things cost. Runs with `--isolate`, where each outer call is a transaction of its own: the figures
///         are whole transactions, intrinsic gas and calldata included. `gas/` holds them; `scripts/check` compares.
contract GasTest is SafeOwner {
    uint32 private constant NUMBER = 50_000;
    uint256 private constant LEAVES = 1 << 16;

    Validator[] private _set;

    function setUp() public {
        makeSafe();
        _make(4);
        // The log has an entry, so that its slots are not fresh.
        command(abi.encodeCall(commands.resumeMesh, ()));
    }

    // ----------------------------------------------------------------------------------------- anchors

    function test_gas_anchor_4() public {
        _steady();
        _anchorOne();
        eq(vm.snapshotGasLastCall("anchor", "4 validators, 4 signatures, steady") < 60_000, true);
    }

    function test_gas_anchor_4_with_3_signatures() public {
        _steady();
        CheckpointBody memory body = _body(NUMBER + 1);
        (,, bytes32 digest) = anchor.preview(body);
        anchor.anchor(body, signAll(_set, 3, digest));
        vm.snapshotGasLastCall("anchor", "4 validators, 3 signatures, steady");
    }

    function test_gas_anchor_first_lap() public {
        anchorNext(_set, false);
        anchorNext(_set, false);
        vm.snapshotGasLastCall("anchor", "4 validators, 4 signatures, first lap");
    }

    function test_gas_anchor_16() public {
        _make(16);
        _steady();
        _anchorOne();
        vm.snapshotGasLastCall("anchor", "16 validators, 16 signatures, steady");
    }

    function test_gas_anchor_16_with_11_signatures() public {
        _make(16);
        _steady();
        CheckpointBody memory body = _body(NUMBER + 1);
        (,, bytes32 digest) = anchor.preview(body);
        anchor.anchor(body, signAll(_set, 11, digest));
        vm.snapshotGasLastCall("anchor", "16 validators, 11 signatures, steady");
    }

    function test_gas_anchor_change_of_validators() public {
        (Validator[] memory next, Registration[] memory registrations) = makeSet(100, 4);
        command(abi.encodeCall(commands.setValidators, (next, names(4), names(4), registrations)));
        _steady();
        CheckpointBody memory body = _body(NUMBER + 1);
        body.numbers |= 1 << 31;
        (,, bytes32 digest) = anchor.preview(body);
        anchor.anchor(body, signAll(_set, 4, digest));
        vm.snapshotGasLastCall("anchor", "4 validators, change of set");
    }

    function test_gas_anchor_many_50() public {
        _steady();
        CheckpointBody[] memory bodies = new CheckpointBody[](50);
        Signature[][] memory signatures = new Signature[][](50);
        uint256 state = vm.snapshotState();
        for (uint32 i = 0; i < 50; ++i) {
            bodies[i] = _body(NUMBER + 1 + i);
            (,, bytes32 digest) = anchor.preview(bodies[i]);
            signatures[i] = signAll(_set, 4, digest);
            anchor.anchor(bodies[i], signatures[i]);
        }
        vm.revertToState(state);
        anchor.anchorMany(bodies, signatures);
        vm.snapshotGasLastCall("anchor", "queue of 50, 4 signatures each, steady");
    }

    // ----------------------------------------------------------------------------------------- receipts

    function test_gas_receipt_2_16() public {
        // The path of one leaf under a root made of it: what the other leaves are does not matter.
        bytes32 receipt = keccak256("receipt");
        bytes32[] memory path = new bytes32[](16);
        bytes32 node = keccak256(abi.encodePacked(hex"00", receipt));
        uint256 index = 0xa5c3;
        for (uint256 i = 0; i < 16; ++i) {
            path[i] = keccak256(abi.encode("sibling", i));
            node = (index >> i) & 1 == 0
                ? keccak256(abi.encodePacked(hex"01", node, path[i]))
                : keccak256(abi.encodePacked(hex"01", path[i], node));
        }
        CheckpointBody memory body = makeBody(1, false);
        body.numbers = Numbers.pack(TIME, uint64(LEAVES), 32, 1, false, 2, 1_000_000);
        body.intervalRoot = node;
        (Checkpoint memory checkpoint,, bytes32 digest) = anchor.preview(body);
        anchor.anchor(body, signAll(_set, 4, digest));
        eq(anchor.verifyReceipt(checkpoint, receipt, uint64(index), path), true);
        vm.snapshotGasLastCall("receipt", "2^16 leaves, inside a call, slot cold");
        bytes memory data = abi.encodeCall(anchor.verifyReceipt, (checkpoint, receipt, uint64(index), path));
        (bool ok,) = address(anchor).call(data);
        vm.snapshotGasLastCall("receipt", "2^16 leaves, as a transaction");
        eq(ok, true);
        _inside(checkpoint, receipt, index, path);
    }

    /// @dev Inside of one transaction.
    function _inside(Checkpoint memory checkpoint, bytes32 receipt, uint256 index, bytes32[] memory path)
        private
    {
        Meter meter = new Meter();
        (uint256 all, uint256 anchored) =
            meter.measure(address(anchor), checkpoint, receipt, uint64(index), path);
        vm.snapshotValue("receipt", "2^16 leaves, inside a call, slot warm", all);
        vm.snapshotValue("receipt", "of that, whether the checkpoint is anchored", anchored);
    }

    // ----------------------------------------------------------------------------------------- commands

    function test_gas_commands() public {
        string[] memory two = new string[](2);
        (two[0], two[1]) = ("helios", "luna");
        bytes32[] memory keys = new bytes32[](2);
        (keys[0], keys[1]) = (bytes32(uint256(1) << 255), keccak256("key"));
        if (keys[0] > keys[1]) (keys[0], keys[1]) = (keys[1], keys[0]);
        string[] memory none = new string[](0);
        bytes32[][] memory nobody = new bytes32[][](0);

        _command("pauseMesh", abi.encodeCall(commands.pauseMesh, ()));
        _command("resumeMesh", abi.encodeCall(commands.resumeMesh, ()));
        _command("pauseShard", abi.encodeCall(commands.pauseShard, ("mars")));
        _command("resumeShard", abi.encodeCall(commands.resumeShard, ("mars")));
        _command("setShard", abi.encodeCall(commands.setShard, ("mars", 500, 700, two, two)));
        _command("setShardBudget", abi.encodeCall(commands.setShardBudget, ("mars", 500, 700)));
        _command("setShardWeight", abi.encodeCall(commands.setShardWeight, ("mars", 250_000)));
        _command("setSpillover", abi.encodeCall(commands.setSpillover, ("mars", two)));
        _command("setThermostat", abi.encodeCall(commands.setThermostat, (800_000)));
        _command(
            "setOptimisation", abi.encodeCall(commands.setOptimisation, (400_000, 200_000, 300_000, 100_000))
        );
        _command("setVerification", abi.encodeCall(commands.setVerification, (1, 50_000)));
        _command("setMode", abi.encodeCall(commands.setMode, (0, keys, none, nobody)));
        _command("setTenant", abi.encodeCall(commands.setTenant, ("acme", keys, 100, 10, 8_000, 16_384, 0)));
        _command("approveWorker", abi.encodeCall(commands.approveWorker, ("worker-1", keys[0])));
        _command("revokeWorker", abi.encodeCall(commands.revokeWorker, ("worker-1")));
        _command("admitPeer", abi.encodeCall(commands.admitPeer, (keys[0], "luna")));
        _command("banPeer", abi.encodeCall(commands.banPeer, (keys[0], "it lies", type(uint64).max)));
        _command("setPolicy, 1 KiB", abi.encodeCall(commands.setPolicy, ("routing", _noise(1024))));
        _command("removePolicy", abi.encodeCall(commands.removePolicy, ("routing")));
        _command("payload, 32 bytes", abi.encodeCall(commands.payload, (_noise(32))));

        (Validator[] memory entries, Registration[] memory registrations) = makeSet(100, 4);
        _command(
            "setValidators, 4 new",
            abi.encodeCall(commands.setValidators, (entries, names(4), names(4), registrations))
        );
        bytes32 setHash = setHashOf(entries);
        _command("requestForce", abi.encodeCall(commands.requestForce, (setHash)));
        _command("cancelForce", abi.encodeCall(commands.cancelForce, (setHash)));
        _command("withdrawValidators", abi.encodeCall(commands.withdrawValidators, (setHash)));
        command(abi.encodeCall(commands.setValidators, (entries, names(4), names(4), registrations)));
        command(abi.encodeCall(commands.requestForce, (setHash)));
        vm.warp(block.timestamp + FORCE_DELAY);
        _command("executeForce", abi.encodeCall(commands.executeForce, (setHash)));

        _command("reconcile", abi.encodeCall(commands.reconcile, (7, MESH)));
        _command("setDelay", abi.encodeCall(commands.setDelay, (1 days)));
        _command("resumeMesh, queued", abi.encodeCall(commands.resumeMesh, ()));
        _command("resumeMesh, queued", abi.encodeCall(commands.resumeMesh, ()));
        vm.warp(block.timestamp + 1 days);
        commands.execute(1, 2, "");
        vm.snapshotGasLastCall("command", "execute resumeMesh");
        _command("cancel", abi.encodeCall(commands.cancel, (2)));
    }

    function test_gas_deployment() public {
        (Validator[] memory entries, Registration[] memory registrations) = makeSet(0, 4);
        uint256 before = gasleft();
        new PhalanxDeployment(owner, MESH, entries, registrations, 0, FORCE_DELAY);
        vm.snapshotValue("deployment", "4 validators", before - gasleft());
    }

    // ------------------------------------------------------------------------------------------ private

    function _make(uint256 count) private {
        (Validator[] memory entries, Registration[] memory registrations) = makeSet(0, count);
        deploy(entries, registrations);
        delete _set;
        for (uint256 i = 0; i < count; ++i) {
            _set.push(entries[i]);
        }
    }

    /// @dev As after 50,000 checkpoints: the ring is full.
    function _steady() private {
        uint256 word = uint256(vm.load(address(anchor), 0)) >> 88 << 88;
        vm.store(address(anchor), 0, bytes32(word | Numbers.headOf(_body(NUMBER).numbers)));
        for (uint256 i = 0; i < 1024; ++i) {
            vm.store(address(anchor), bytes32(1 + i), keccak256(abi.encode("anchored", i)));
        }
    }

    /// @dev Six million receipts in ten minutes: no number is small.
    function _body(uint32 number) private pure returns (CheckpointBody memory body) {
        body = makeBody(number, false);
        body.numbers = Numbers.pack(
            TIME + uint64(number) * 600_000,
            uint64(number) * 6_000_000,
            uint64(number) * 12_000,
            number,
            false,
            1,
            50_000
        );
    }

    function _anchorOne() private {
        CheckpointBody memory body = _body(NUMBER + 1);
        (,, bytes32 digest) = anchor.preview(body);
        anchor.anchor(body, signAll(_set, _set.length, digest));
    }

    function _command(string memory name, bytes memory data) private {
        command(data);
        vm.snapshotGasLastCall("command", name);
    }

    function _noise(uint256 length) private pure returns (bytes memory data) {
        data = new bytes(length);
        for (uint256 i = 0; i < length; ++i) {
            data[i] = bytes1(uint8(1 + i % 255));
        }
    }
}

/// @notice Measures calls from inside of a transaction.
contract Meter {
    function measure(
        address target,
        Checkpoint calldata checkpoint,
        bytes32 receipt,
        uint64 index,
        bytes32[] calldata path
    ) external view returns (uint256 all, uint256 anchored) {
        bytes memory data = abi.encodeWithSignature(
            "verifyReceipt((uint16,uint64,bytes32,bytes32,uint64,uint64,uint64,uint64,bytes32,bytes32,uint64,bytes32,bytes32,bytes32,uint64,bytes32,bytes32,uint8,uint32,uint64),bytes32,uint64,bytes32[])",
            checkpoint,
            receipt,
            index,
            path
        );
        bytes memory check = abi.encodeWithSignature(
            "isAnchored((uint16,uint64,bytes32,bytes32,uint64,uint64,uint64,uint64,bytes32,bytes32,uint64,bytes32,bytes32,bytes32,uint64,bytes32,bytes32,uint8,uint32,uint64))",
            checkpoint
        );
        _gasOf(target, check);
        anchored = _gasOf(target, check);
        all = _gasOf(target, data);
    }

    function _gasOf(address target, bytes memory data) private view returns (uint256 used) {
        assembly ("memory-safe") {
            let before := gas()
            let ok := staticcall(gas(), target, add(data, 0x20), mload(data), 0, 0x20)
            used := sub(before, gas())
            if iszero(and(ok, mload(0))) { revert(0, 0) }
        }
    }
}
