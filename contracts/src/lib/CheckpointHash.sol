// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity 0.8.37;

import {Checkpoint, CheckpointBody} from "../Types.sol";

/// @notice The EIP-712 struct hash of a checkpoint: its 20 members, one word each, after the type hash. Memory and
///         calldata hold the members in just this form.
///
///         Words are hashed as they come: one whose high bits are dirty makes a hash that no checkpoint has, that
///         nobody has signed and that is nowhere stored.
library CheckpointHash {
    /// @dev keccak256("Checkpoint(uint16 version,uint64 number,bytes32 parent,bytes32 meshId,uint64 firstBeat,
    ///      uint64 lastBeat,uint64 firstReceipt,uint64 receiptCount,bytes32 intervalRoot,bytes32 historyRoot,
    ///      uint64 historySize,bytes32 appHash,bytes32 agentsRoot,bytes32 auditRoot,uint64 setEpoch,
    ///      bytes32 setHash,bytes32 nextSetHash,uint8 verificationLevel,uint32 verificationFraction,
    ///      uint64 timeMs)") without the line breaks.
    bytes32 internal constant TYPEHASH = 0x335c43e1221295d469bb3603559546f7ed972a044b862f565fbb0a4ef0b6fcda;

    /// @dev The only version.
    uint256 private constant VERSION = 1;

    /// @notice Hash of a whole checkpoint.
    function hash(Checkpoint calldata checkpoint) internal pure returns (bytes32 result) {
        bytes32 typehash = TYPEHASH;
        assembly ("memory-safe") {
            let scratch := mload(0x40)
            mstore(scratch, typehash)
            calldatacopy(add(scratch, 0x20), checkpoint, 640)
            result := keccak256(scratch, 672)
        }
    }

    /// @notice Builds the checkpoint that follows a head and has this body, and its hash.
    /// @dev Assembly because the compiler zeroes the struct, then cleans and copies each member again: the gas
    ///      table of the README has what it saves. The tests compare it with a plain twin.
    /// @param head What {Numbers-headOf} gives of the head.
    /// @param parent Hash of the head.
    /// @param meshId The mesh.
    /// @param set The current set in memory: see {SetData-load}.
    /// @param nextSetHash The next set's hash; zero when it is the current one.
    /// @return checkpoint Where its members lie, in memory that is still free.
    /// @return result Its hash.
    function build(
        CheckpointBody calldata body,
        uint256 head,
        bytes32 parent,
        bytes32 meshId,
        uint256 set,
        bytes32 nextSetHash
    ) internal pure returns (uint256 checkpoint, bytes32 result) {
        bytes32 typehash = TYPEHASH;
        assembly ("memory-safe") {
            let scratch := mload(0x40)
            checkpoint := add(scratch, 0x20)
            let numbers := calldataload(body)
            mstore(scratch, typehash)
            mstore(add(scratch, 0x20), VERSION)
            mstore(add(scratch, 0x40), and(shr(32, numbers), 0xffffffff))
            mstore(add(scratch, 0x60), parent)
            mstore(add(scratch, 0x80), meshId)
            // An interval has fewer than 2^28 beats and receipts, so its length follows from low bits. What has
            // wrapped around below zero is not what anybody has signed.
            let last := and(shr(64, numbers), 0xffffffffffffffff)
            let length := and(sub(last, shr(32, head)), 0xfffffff)
            mstore(add(scratch, 0xa0), and(add(sub(last, length), 1), 0xffffffffffffffff))
            mstore(add(scratch, 0xc0), last)
            last := and(shr(128, numbers), 0xffffffffffffffff)
            length := and(sub(last, shr(60, head)), 0xfffffff)
            mstore(add(scratch, 0xe0), and(sub(last, length), 0xffffffffffffffff))
            mstore(add(scratch, 0x100), length)
            // Interval root and history root; then app hash, agents root, audit root.
            calldatacopy(add(scratch, 0x120), add(body, 0x20), 0x40)
            mstore(add(scratch, 0x160), last)
            calldatacopy(add(scratch, 0x180), add(body, 0x60), 0x60)
            mstore(add(scratch, 0x1e0), shr(64, mload(add(set, 0x20))))
            mstore(add(scratch, 0x200), mload(set))
            if iszero(nextSetHash) { nextSetHash := mload(set) }
            mstore(add(scratch, 0x220), nextSetHash)
            mstore(add(scratch, 0x240), and(shr(24, numbers), 0x7f))
            mstore(add(scratch, 0x260), and(numbers, 0xffffff))
            mstore(add(scratch, 0x280), shr(192, numbers))
            result := keccak256(scratch, 672)
        }
    }
}
