// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity 0.8.37;

import {Registration, Validator} from "../Types.sol";

/// @notice The validator sets of one mesh, by epoch. A new set is *pending* until the anchor accepts a
///         checkpoint, signed by the current set, that names it as the next one. Only when the current set has
///         lost its quorum may the owner *force* the pending set, after a delay, and everybody sees it.
///
///         The hash of a set is the EIP-712 hash of `Validator[]`: keccak256 over the concatenated struct
///         hashes of its entries, which are strictly ascending by account.
interface IValidatorRegistry {
    // ------------------------------------------------------------------------------------------- errors

    /// @notice Only {OwnerCommands} may call. Send the command to it, as the owner.
    error NotCommands(address caller);
    /// @notice Only {CheckpointAnchor} may call. Anchor a checkpoint that names the pending set.
    error NotAnchor(address caller);
    /// @notice The mesh id is zero. Take the one that the genesis file will have.
    error ZeroMesh();
    /// @notice Choose a delay within the bounds.
    error ForceDelayOutOfRange(uint256 min, uint256 max, uint256 found);
    /// @notice A set has 1 to 128 entries.
    error SetSize(uint256 found);
    /// @notice Give one registration an entry, all zero for those that stay as they are.
    error RegistrationsLength(uint256 expected, uint256 found);
    /// @notice Sort the entries by account; none is zero or there twice.
    error AccountsNotAscending(uint256 position);
    /// @notice Neither key of an entry may be zero.
    error ZeroKey(uint256 position);
    /// @notice A key is in the set twice. Each validator needs two keys of its own.
    error KeyTwice(bytes32 key);
    /// @notice A weight is 1 to 2^24.
    error WeightOutOfRange(uint256 position, uint256 found);
    /// @notice The heaviest floor((n-1)/3) entries must hold less than a third of the weight. Lower them.
    error TooHeavy(uint256 heaviest, uint256 total);
    /// @notice The entry is new, or its keys have changed: it needs a registration by its three keys.
    error RegistrationMissing(uint256 position);
    /// @notice The registration was not signed by the entry's account. Check mesh id, chain id and keys.
    error RegistrationNotByAccount(uint256 position, address account, address signer);
    /// @notice This set is the current one already.
    error SetIsCurrent(bytes32 setHash);
    /// @notice A set is pending. Wait until its checkpoint is anchored, or withdraw it.
    error SetIsPending(bytes32 setHash);
    /// @notice That set is not the pending one (zero: none is).
    error NotPending(bytes32 pending, bytes32 named);
    /// @notice A force of the pending set has been requested already. Cancel it to start anew.
    error ForceIsRequested(uint64 executableAt);
    /// @notice No force has been requested.
    error ForceNotRequested();
    /// @notice Wait until then.
    error ForceTooEarly(uint64 executableAt);
    /// @notice The set has anchored a checkpoint since the request: it lives. Change it by a checkpoint.
    error ForceOvertaken(uint64 numberAtRequest, uint64 number);

    // ------------------------------------------------------------------------------------------- events

    /// @notice A set was proposed, with all that nodes check it by. The first set, of epoch 0, too.
    event SetProposed(
        uint64 indexed epoch,
        bytes32 indexed setHash,
        address data,
        Validator[] entries,
        Registration[] registrations
    );
    /// @notice The pending set was withdrawn.
    event SetWithdrawn(uint64 indexed epoch, bytes32 indexed setHash);
    /// @notice A set became current; `number` is the checkpoint that named it, zero for the first set.
    event SetActivated(uint64 indexed epoch, bytes32 indexed setHash, bytes32 previousSetHash, uint64 number);
    /// @notice The owner asks for a force.
    event ForceRequested(bytes32 indexed setHash, uint64 number, uint64 executableAt);
    /// @notice The owner takes the request back.
    event ForceCancelled(bytes32 indexed setHash);
    /// @notice A set became current WITHOUT the signatures of the one before it; `number` is the head.
    event SetForced(uint64 indexed epoch, bytes32 indexed setHash, bytes32 previousSetHash, uint64 number);

    // ---------------------------------------------------------------------------------------- functions

    /// @notice Makes a set pending.
    /// @param entries Strictly ascending by account.
    /// @param registrations One an entry. It may be all zero when the current set has an entry with the same
    ///        account and keys.
    /// @return setHash Its hash.
    function propose(Validator[] calldata entries, Registration[] calldata registrations)
        external
        returns (bytes32 setHash);

    /// @notice Drops the pending set, and a request to force it.
    /// @dev Not for a set that the mesh has already taken up: its checkpoint could not be anchored any more
    ///      until the same set is proposed again.
    function withdraw(bytes32 setHash) external;

    /// @notice Starts the delay after which the pending set may be forced.
    function requestForce(bytes32 setHash) external;

    /// @notice Takes that back.
    function cancelForce(bytes32 setHash) external;

    /// @notice Forces the pending set: the delay is over and no checkpoint has been anchored since the request.
    function executeForce(bytes32 setHash) external;

    /// @notice The anchor has accepted a checkpoint that names `setHash` as the next set.
    /// @param number The checkpoint.
    /// @return data The set's data contract.
    function activate(bytes32 setHash, uint64 number) external returns (address data);

    /// @notice The mesh.
    function meshId() external view returns (bytes32);

    /// @notice The contract that may propose, withdraw and force.
    function commands() external view returns (address);

    /// @notice The contract that may activate.
    function anchor() external view returns (address);

    /// @notice Seconds between the request and the execution of a force.
    function forceDelay() external view returns (uint64);

    /// @notice The current set.
    function current() external view returns (uint64 epoch, bytes32 setHash, address data);

    /// @notice The pending set; zeros when there is none.
    function pending() external view returns (bytes32 setHash, address data);

    /// @notice The request to force the pending set; zeros when there is none.
    function forceRequest() external view returns (uint64 executableAt, uint64 number);

    /// @notice The epochs that began with a force. Verifiers print them.
    function forcedEpochs() external view returns (uint64[] memory);

    /// @notice The data contract of an epoch's set; zero when there is no such epoch.
    function dataOf(uint64 epoch) external view returns (address);

    /// @notice The entries of an epoch's set.
    function validatorsOf(uint64 epoch) external view returns (Validator[] memory);

    /// @notice What the three keys of a validator sign: the EIP-712 hash of
    ///         `Registration(bytes32 meshId,bytes32 networkKey,bytes32 voteKey)` under the domain with name
    ///         "Phalanx", version "1" and the chain id. It has no contract address, so that the first set
    ///         can sign before there is one.
    function registrationDigest(bytes32 networkKey, bytes32 voteKey) external view returns (bytes32);
}
