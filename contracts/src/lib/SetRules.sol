// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity 0.8.37;

import {IValidatorRegistry} from "../interfaces/IValidatorRegistry.sol";
import {Validator} from "../Types.sol";

/// @notice What every validator set must be, and its hash.
library SetRules {
    /// @dev Most entries of a set.
    uint256 internal constant SIZE_MAX = 128;
    /// @dev Largest weight of an entry. 128 of them are below 2^32, so no sum here overflows.
    uint256 internal constant WEIGHT_MAX = 1 << 24;
    /// @dev keccak256("Validator(bytes32 networkKey,bytes32 voteKey,address account,uint32 weight)")
    bytes32 internal constant TYPEHASH = 0xcb0a8dc8165cceeee50411cac63f618e0dbb0a86fde1c33d654d176f3dfa476d;

    /// @dev Slots of the table of keys: a power of two, at least twice the 256 keys of a full set.
    uint256 private constant TABLE = 512;

    /// @notice Reverts unless the entries are a set: 1 to 128, strictly ascending by account, all keys distinct
    ///         and not zero, weights 1 to 2^24, and any floor((n-1)/3) of them hold less than a third.
    /// @return setHash EIP-712 hash of the array.
    function verify(Validator[] memory entries) internal pure returns (bytes32 setHash) {
        uint256 count = entries.length;
        if (count == 0 || count > SIZE_MAX) revert IValidatorRegistry.SetSize(count);

        bytes32[] memory hashes = new bytes32[](count);
        bytes32[] memory table = new bytes32[](TABLE);
        uint256[] memory weights = new uint256[](count);
        uint256 total = 0;
        address previous = address(0);
        for (uint256 i = 0; i < count; ++i) {
            Validator memory entry = entries[i];
            if (entry.account <= previous) revert IValidatorRegistry.AccountsNotAscending(i);
            previous = entry.account;
            if (entry.networkKey == 0 || entry.voteKey == 0) revert IValidatorRegistry.ZeroKey(i);
            _insert(table, entry.networkKey);
            _insert(table, entry.voteKey);
            if (entry.weight == 0 || entry.weight > WEIGHT_MAX) {
                revert IValidatorRegistry.WeightOutOfRange(i, entry.weight);
            }
            _place(weights, i, entry.weight);
            total += entry.weight;
            hashes[i] =
                keccak256(abi.encode(TYPEHASH, entry.networkKey, entry.voteKey, entry.account, entry.weight));
        }

        uint256 heaviest = 0;
        uint256 faulty = (count - 1) / 3;
        for (uint256 i = 0; i < faulty; ++i) {
            heaviest += weights[i];
        }
        if (3 * heaviest >= total) revert IValidatorRegistry.TooHeavy(heaviest, total);
        return keccak256(abi.encodePacked(hashes));
    }

    /// @dev Puts a key that is not zero into the table, or reverts when it is there. The table is never more
    ///      than half full, so the search ends.
    function _insert(bytes32[] memory table, bytes32 key) private pure {
        uint256 slot = uint256(keccak256(abi.encode(key))) % TABLE;
        while (table[slot] != 0) {
            if (table[slot] == key) revert IValidatorRegistry.KeyTwice(key);
            slot = (slot + 1) % TABLE;
        }
        table[slot] = key;
    }

    /// @dev Inserts into the first `length` weights, which descend.
    function _place(uint256[] memory weights, uint256 length, uint256 weight) private pure {
        uint256 slot = length;
        while (slot > 0 && weights[slot - 1] < weight) {
            weights[slot] = weights[slot - 1];
            --slot;
        }
        weights[slot] = weight;
    }
}
