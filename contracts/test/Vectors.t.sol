// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity 0.8.37;

import {CheckpointHash} from "../src/lib/CheckpointHash.sol";
import {Inclusion} from "../src/lib/Inclusion.sol";
import {Checkpoint} from "../src/Types.sol";
import {Base} from "./support/Base.sol";
import {vm} from "./support/Vm.sol";

/// @notice The vectors that the node's tests read give the same hashes and proofs here.
contract VectorsTest is Base {
    string private constant FOLDER = "../tests/vectors/";

    /// @dev The libraries as external calls, so that their input lies in calldata.
    function hashCalldata(Checkpoint calldata checkpoint) external pure returns (bytes32) {
        return CheckpointHash.hash(checkpoint);
    }

    function holds(bytes32 root, bytes32 receipt, uint256 index, uint256 count, bytes32[] calldata path)
        external
        pure
        returns (bool)
    {
        return Inclusion.holds(root, receipt, index, count, path);
    }

    function test_checkpoints_have_the_hashes_of_the_shared_vectors() public view {
        string memory json = vm.readFile(string.concat(FOLDER, "checkpoint.json"));
        eq(_hex(vm.parseJsonString(json, ".type_hash")), CheckpointHash.TYPEHASH);
        eq(keccak256(bytes(vm.parseJsonString(json, ".type"))), CheckpointHash.TYPEHASH);
        uint256 count = 0;
        for (;; ++count) {
            string memory at_ = string.concat(".checkpoints[", vm.toString(count), "]");
            if (!vm.keyExistsJson(json, at_)) break;
            bytes32 expected = _hex(vm.parseJsonString(json, string.concat(at_, ".hash")));
            Checkpoint memory c = _checkpoint(json, string.concat(at_, ".json"));
            eq(this.hashCalldata(c), expected);
            eq(hashOf(c), expected);
            // The members are the words of the vector, in its order.
            string[] memory words = vm.parseJsonStringArray(json, string.concat(at_, ".words"));
            eq(words.length, 20);
            bytes memory encoded = abi.encode(c);
            for (uint256 i = 0; i < 20; ++i) {
                bytes32 word;
                assembly ("memory-safe") {
                    word := mload(add(encoded, mul(add(i, 1), 0x20)))
                }
                eq(word, _hex(words[i]));
            }
        }
        eq(count > 0, true);
    }

    function test_receipts_have_the_proofs_of_the_shared_vectors() public view {
        string memory json = vm.readFile(string.concat(FOLDER, "interval.json"));
        string[] memory receipts = vm.parseJsonStringArray(json, ".receipts");
        uint256 proofs = 0;
        for (uint256 t = 0;; ++t) {
            string memory at_ = string.concat(".trees[", vm.toString(t), "]");
            if (!vm.keyExistsJson(json, at_)) break;
            uint256 count = vm.parseJsonUint(json, string.concat(at_, ".count"));
            bytes32 root = _hex(vm.parseJsonString(json, string.concat(at_, ".root")));
            if (count == 0) eq(root, 0);
            for (uint256 p = 0; p < count; ++p) {
                string memory key = string.concat(at_, ".paths[", vm.toString(p), "]");
                if (!vm.keyExistsJson(json, key)) break;
                uint256 i = vm.parseJsonUint(json, string.concat(key, ".index"));
                string[] memory texts = vm.parseJsonStringArray(json, string.concat(key, ".path"));
                bytes32[] memory path = new bytes32[](texts.length);
                for (uint256 j = 0; j < texts.length; ++j) {
                    path[j] = _hex(texts[j]);
                }
                eq(this.holds(root, _hex(receipts[i]), i, count, path), true);
                eq(this.holds(root, _hex(receipts[i]), i + 1, count, path), false);
                ++proofs;
            }
        }
        eq(proofs > 0, true);
    }

    function _hex(string memory text) private pure returns (bytes32) {
        return vm.parseBytes32(string.concat("0x", text));
    }

    function _checkpoint(string memory json, string memory at_) private pure returns (Checkpoint memory c) {
        c.version = uint16(vm.parseJsonUint(json, string.concat(at_, ".version")));
        c.number = _number(json, at_, ".number");
        c.parent = _word(json, at_, ".parent");
        c.meshId = _word(json, at_, ".mesh");
        c.firstBeat = _number(json, at_, ".first_beat");
        c.lastBeat = _number(json, at_, ".last_beat");
        c.firstReceipt = _number(json, at_, ".first_receipt");
        c.receiptCount = _number(json, at_, ".receipt_count");
        c.intervalRoot = _word(json, at_, ".interval_root");
        c.historyRoot = _word(json, at_, ".history_root");
        c.historySize = _number(json, at_, ".history_size");
        c.appHash = _word(json, at_, ".app_hash");
        c.agentsRoot = _word(json, at_, ".agents_root");
        c.auditRoot = _word(json, at_, ".audit_root");
        c.setEpoch = _number(json, at_, ".set_epoch");
        c.setHash = _word(json, at_, ".set_hash");
        c.nextSetHash = _word(json, at_, ".next_set_hash");
        c.verificationLevel = uint8(vm.parseJsonUint(json, string.concat(at_, ".verification_level")));
        c.verificationFraction =
            uint32(vm.parseJsonUint(json, string.concat(at_, ".verification_fraction_ppm")));
        c.timeMs = _number(json, at_, ".time");
    }

    function _number(string memory json, string memory at_, string memory key) private pure returns (uint64) {
        return uint64(vm.parseUint(vm.parseJsonString(json, string.concat(at_, key))));
    }

    function _word(string memory json, string memory at_, string memory key) private pure returns (bytes32) {
        return _hex(vm.parseJsonString(json, string.concat(at_, key)));
    }
}
