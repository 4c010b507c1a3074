// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity 0.8.37;

import {Checkpoint, CheckpointBody, Signature} from "../Types.sol";

/// @notice The checkpoints of one mesh, each signed by more than two thirds of the weight of its registered
///         validator set, without a gap from number 1. Nobody owns it; whoever has a signed checkpoint may
///         anchor it.
///
///         A validator signs keccak256(1901 ‖ domain separator ‖ checkpoint hash), where the checkpoint hash
///         is the EIP-712 struct hash, and the domain has name "Phalanx", version "1", the chain id and this
///         contract.
///
///         The last 1,024 hashes are kept. Older checkpoints are shown by their descendants.
interface ICheckpointAnchor {
    // ------------------------------------------------------------------------------------------- errors

    /// @notice The next number is `expected`. Read {head} again: somebody else may have anchored.
    error WrongNumber(uint64 expected, uint64 found);
    /// @notice Nothing in the queue is newer than the head. There is nothing to do.
    error NothingNew(uint64 head);
    /// @notice A queue has 1 to 256 checkpoints and one list of signatures each.
    error QueueLength(uint256 bodies, uint256 signatures);
    /// @notice The body says that the set changes, but the registry has no pending set.
    error NothingPending();
    /// @notice A signature is malformed, or has the upper `s`.
    error BadSignature(uint256 position);
    /// @notice Sort the signatures by the account that signed; none may be there twice.
    error SignersNotAscending(uint256 position, address previous, address signer);
    /// @notice No member of the current set has signed this hash. Compare it with {preview}: a body that does
    ///         not follow the head, another chain or another contract look the same.
    error NotAValidator(uint256 position, address signer, bytes32 checkpointHash);
    /// @notice More than two thirds of the total weight must have signed. Collect more signatures.
    error NoQuorum(uint256 weight, uint256 total);
    /// @notice Only {ValidatorRegistry} may call.
    error NotRegistry(address caller);

    // ------------------------------------------------------------------------------------------- events

    /// @notice A checkpoint was anchored. Its body is in the call's data.
    event Anchored(uint64 indexed number, bytes32 hash);
    /// @notice The registry forced a set; `data` is its data contract.
    event Adopted(address previousData, address data);

    // ---------------------------------------------------------------------------------------- functions

    /// @notice Anchors the next checkpoint.
    /// @param body What the contract does not know of it.
    /// @param signatures Of members of the current set, ascending by account.
    function anchor(CheckpointBody calldata body, Signature[] calldata signatures) external;

    /// @notice Anchors a queue. Those that are anchored already are passed over, so that two who submit
    ///         overlapping queues do not hinder one another.
    /// @param bodies 1 to 256 with consecutive numbers, the first at most the head's plus one.
    /// @param signatures For each.
    function anchorMany(CheckpointBody[] calldata bodies, Signature[][] calldata signatures) external;

    /// @notice The registry has forced the set of this data contract.
    function adopt(address data) external;

    /// @notice The mesh.
    function meshId() external view returns (bytes32);

    /// @notice The registry of its validators.
    function registry() external view returns (address);

    /// @notice EIP-712 domain separator.
    function domainSeparator() external view returns (bytes32);

    /// @notice The last anchored checkpoint; zeros before the first.
    function head() external view returns (uint64 number, bytes32 hash);

    /// @notice Its number.
    function headNumber() external view returns (uint64);

    /// @notice Hash of an anchored checkpoint; zero when it is not anchored or left the window of 1,024.
    function hashOf(uint64 number) external view returns (bytes32);

    /// @notice Whether the checkpoint is anchored and in the window.
    function isAnchored(Checkpoint calldata checkpoint) external view returns (bool);

    /// @notice Whether the first of the list is anchored because the last one is: each is the parent of the
    ///         one after it, and the last is in the window.
    function isAncestor(Checkpoint[] calldata chain) external view returns (bool);

    /// @notice Whether a receipt is part of an anchored checkpoint of the window.
    /// @param receiptHash SHA3-256 hash of the receipt.
    /// @param index Its place in the interval: its index less `firstReceipt`.
    /// @param path The siblings from below.
    function verifyReceipt(
        Checkpoint calldata checkpoint,
        bytes32 receiptHash,
        uint64 index,
        bytes32[] calldata path
    ) external view returns (bool);

    /// @notice The same for a checkpoint that left the window: the first of a list as {isAncestor} takes it.
    function verifyOldReceipt(
        Checkpoint[] calldata chain,
        bytes32 receiptHash,
        uint64 index,
        bytes32[] calldata path
    ) external view returns (bool);

    /// @notice What {anchor} would make of a body now: the checkpoint, its hash, and what validators sign.
    function preview(CheckpointBody calldata body)
        external
        view
        returns (Checkpoint memory checkpoint, bytes32 hash, bytes32 digest);
}
