// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity 0.8.37;

import {Validator} from "../Types.sol";

/// @notice A validator set as the code of a contract that cannot run, so that the anchor reads it with one
///         EXTCODECOPY.
///
///         | bytes | what |
///         |---|---|
///         | 1 | 0: STOP |
///         | 32 | set hash |
///         | 32 | epoch, 64 bits, then total weight, 64 bits |
///         | 32·n | members, ascending: account, 160 bits, 64 zero bits, weight, 32 bits |
///         | 64·n | network key, vote key of each |
library SetData {
    /// @dev Before the members: STOP and two words.
    uint256 private constant HEADER = 1 + 2 * 32;
    /// @dev One member with its keys.
    uint256 private constant PER_MEMBER = 3 * 32;

    /// @notice Writes a set. The entries keep the rules of {SetRules}.
    function write(bytes32 setHash, uint64 epoch, Validator[] memory entries)
        internal
        returns (address data)
    {
        uint256 count = entries.length;
        bytes32[] memory members = new bytes32[](count);
        bytes32[] memory keys = new bytes32[](2 * count);
        uint256 total = 0;
        for (uint256 i = 0; i < count; ++i) {
            Validator memory entry = entries[i];
            members[i] = bytes32((uint256(uint160(entry.account)) << 96) | entry.weight);
            keys[2 * i] = entry.networkKey;
            keys[2 * i + 1] = entry.voteKey;
            total += entry.weight;
        }
        bytes memory code = abi.encodePacked(
            // PUSH2 size, DUP1, PUSH1 10, RETURNDATASIZE (0), CODECOPY, RETURNDATASIZE, RETURN: returns what
            // follows these ten bytes. The size is below 2^16: 128 members have 12,353 bytes.
            hex"61",
            uint16(HEADER + count * PER_MEMBER),
            hex"80600a3d393df3",
            hex"00",
            setHash,
            (uint256(epoch) << 64) | total,
            members,
            keys
        );
        assembly ("memory-safe") {
            data := create(0, add(code, 0x20), mload(code))
        }
        // It fails only for want of gas; then the registry must not go on with address zero.
        require(data != address(0));
    }

    /// @notice Number of members of a stored set.
    function countOf(address data) internal view returns (uint256) {
        return (data.code.length - HEADER) / PER_MEMBER;
    }

    /// @notice Copies all but the keys into memory, and an end mark after the members.
    /// @param count As {countOf}: who has it at hand saves the code's size.
    /// @return set Where the set hash lies; the second word and the members follow.
    function load(address data, uint256 count) internal view returns (uint256 set) {
        assembly ("memory-safe") {
            set := mload(0x40)
            let size := add(0x40, shl(5, count))
            extcodecopy(data, set, 1, size)
            let end := add(set, size)
            // Behind the members a word of the highest account, at which every walk over them ends. Nobody has
            // its key: to find it is as hard as to forge a signature.
            mstore(end, not(0))
            mstore(0x40, add(end, 0x20))
        }
    }

    /// @notice The hash of a loaded set.
    function hashOf(uint256 set) internal pure returns (bytes32 setHash) {
        assembly ("memory-safe") {
            setHash := mload(set)
        }
    }

    /// @notice The total weight of a loaded set.
    function totalOf(uint256 set) internal pure returns (uint64 total) {
        assembly ("memory-safe") {
            total := and(mload(add(set, 0x20)), 0xffffffffffffffff)
        }
    }

    /// @notice All entries of a stored set.
    function read(address data) internal view returns (Validator[] memory entries) {
        uint256 count = countOf(data);
        entries = new Validator[](count);
        bytes memory code = data.code;
        for (uint256 i = 0; i < count; ++i) {
            uint256 member = uint256(_word(code, HEADER + 32 * i));
            uint256 keys = HEADER + 32 * count + 64 * i;
            entries[i] = Validator({
                networkKey: _word(code, keys),
                voteKey: _word(code, keys + 32),
                account: address(uint160(member >> 96)),
                weight: uint32(member)
            });
        }
    }

    function _word(bytes memory code, uint256 offset) private pure returns (bytes32 word) {
        assembly ("memory-safe") {
            word := mload(add(add(code, 0x20), offset))
        }
    }
}
