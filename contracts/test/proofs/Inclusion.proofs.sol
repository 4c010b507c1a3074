// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity 0.8.37;

import {Inclusion} from "../../src/lib/Inclusion.sol";
import {Tree} from "../support/Tree.sol";

/// @notice For Halmos (`scripts/check --slow`): in all trees of one to five receipts, whatever is proven to be at an
///         index is the receipt there. Assumed is that nobody finds two inputs with one hash.
contract InclusionProofs {
    function holds(bytes32 root, bytes32 receipt, uint256 index, uint256 count, bytes32[] calldata path)
        external
        pure
        returns (bool)
    {
        return Inclusion.holds(root, receipt, index, count, path);
    }

    function check_only_what_is_there_has_a_proof_1(
        bytes32[1] memory all,
        bytes32 receipt,
        uint256 index,
        bytes32[3] memory path,
        uint8 length
    ) external view {
        bytes32[] memory receipts = new bytes32[](1);
        receipts[0] = all[0];
        _check(receipts, receipt, index, path, length);
    }

    function check_only_what_is_there_has_a_proof_2(
        bytes32[2] memory all,
        bytes32 receipt,
        uint256 index,
        bytes32[3] memory path,
        uint8 length
    ) external view {
        bytes32[] memory receipts = new bytes32[](2);
        for (uint256 i = 0; i < 2; ++i) {
            receipts[i] = all[i];
        }
        _check(receipts, receipt, index, path, length);
    }

    function check_only_what_is_there_has_a_proof_3(
        bytes32[3] memory all,
        bytes32 receipt,
        uint256 index,
        bytes32[3] memory path,
        uint8 length
    ) external view {
        bytes32[] memory receipts = new bytes32[](3);
        for (uint256 i = 0; i < 3; ++i) {
            receipts[i] = all[i];
        }
        _check(receipts, receipt, index, path, length);
    }

    function check_only_what_is_there_has_a_proof_4(
        bytes32[4] memory all,
        bytes32 receipt,
        uint256 index,
        bytes32[3] memory path,
        uint8 length
    ) external view {
        bytes32[] memory receipts = new bytes32[](4);
        for (uint256 i = 0; i < 4; ++i) {
            receipts[i] = all[i];
        }
        _check(receipts, receipt, index, path, length);
    }

    function check_only_what_is_there_has_a_proof_5(
        bytes32[5] memory all,
        bytes32 receipt,
        uint256 index,
        bytes32[3] memory path,
        uint8 length
    ) external view {
        bytes32[] memory receipts = new bytes32[](5);
        for (uint256 i = 0; i < 5; ++i) {
            receipts[i] = all[i];
        }
        _check(receipts, receipt, index, path, length);
    }

    function _check(
        bytes32[] memory receipts,
        bytes32 receipt,
        uint256 index,
        bytes32[3] memory hashes,
        uint256 length
    ) private view {
        uint256 count = receipts.length;
        for (uint256 size = 0; size <= 3; ++size) {
            if (size != length) continue;
            bytes32[] memory path = new bytes32[](size);
            for (uint256 i = 0; i < size; ++i) {
                path[i] = hashes[i];
            }
            if (!this.holds(Tree.root(receipts, 0, count), receipt, index, count, path)) continue;
            assert(index < count);
            for (uint256 i = 0; i < count; ++i) {
                if (i == index) assert(receipt == receipts[i]);
            }
        }
    }
}
