// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity 0.8.37;

/// @notice The numbers of a {CheckpointBody} in one word, which is 1,100 gas less than a word each.
library Numbers {
    /// @dev The low bits of beats and receipts that are kept.
    uint256 private constant LOW = 0xfffffff;

    /// @dev {headOf} before the first checkpoint: the beat before beat 0, no receipts, number 0.
    uint256 internal constant BEFORE_FIRST = LOW << 32;

    /// @notice Packs them. `fraction` is below 2^24 and `level` below 2^7 in every checkpoint.
    function pack(
        uint64 timeMs,
        uint64 historySize,
        uint64 lastBeat,
        uint32 number,
        bool isBoundary,
        uint8 level,
        uint24 fraction
    ) internal pure returns (uint256) {
        return (uint256(timeMs) << 192) | (uint256(historySize) << 128) | (uint256(lastBeat) << 64)
            | (uint256(number) << 32) | (isBoundary ? 1 << 31 : 0) | (uint256(level & 0x7f) << 24) | fraction;
    }

    /// @notice The checkpoint's number.
    function numberOf(uint256 numbers) internal pure returns (uint32) {
        return uint32(numbers >> 32);
    }

    /// @notice Whether the checkpoint names the pending set as the next one.
    function changesSet(uint256 numbers) internal pure returns (bool) {
        return numbers & (1 << 31) != 0;
    }

    /// @notice What the anchor keeps of them: from bit 87 the low 28 bits of the history's size, the low 28 bits
    ///         of the last beat, the number.
    function headOf(uint256 numbers) internal pure returns (uint256) {
        return (numbers >> 128 & LOW) << 60 | (numbers >> 64 & LOW) << 32 | numberOf(numbers);
    }
}
