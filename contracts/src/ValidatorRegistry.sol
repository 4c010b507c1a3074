// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity 0.8.37;

import {ICheckpointAnchor} from "./interfaces/ICheckpointAnchor.sol";
import {IValidatorRegistry} from "./interfaces/IValidatorRegistry.sol";
import {Recover} from "./lib/Recover.sol";
import {SetData} from "./lib/SetData.sol";
import {SetRules} from "./lib/SetRules.sol";
import {Registration, Validator} from "./Types.sol";

/// @title The validator sets of one mesh.
/// @notice See {IValidatorRegistry}.
contract ValidatorRegistry is IValidatorRegistry {
    // ---------------------------------------------------------------------------------------- constants

    /// @notice Least delay of a force: it must be much longer than the time between two anchors, which prove
    ///         that the current set lives.
    uint64 public constant FORCE_DELAY_MIN = 1 hours;
    /// @notice Largest delay of a force.
    uint64 public constant FORCE_DELAY_MAX = 90 days;

    /// @dev keccak256("EIP712Domain(string name,string version,uint256 chainId)")
    bytes32 private constant DOMAIN_TYPEHASH =
        0xc2f8787176b8ac6bf7215b4adcc1e069bf4ab82d9ab1df05a57a91d425935b6e;
    /// @dev keccak256("Phalanx")
    bytes32 private constant NAME_HASH = 0x341d08fd8d8f7d5537e305354f83a209949f27f33e5b79832a7e6d3c31d11e27;
    /// @dev keccak256("1")
    bytes32 private constant VERSION_HASH =
        0xc89efdaa54c0f20c7adf612882df0950f5a951637e0307cdcb4c672f298b8bc6;
    /// @dev keccak256("Registration(bytes32 meshId,bytes32 networkKey,bytes32 voteKey)")
    bytes32 private constant REGISTRATION_TYPEHASH =
        0x8629bca0c2d8ae8c2287569b690f661cc0fa1d0a6daea8cc7596bd239d1f0725;

    // --------------------------------------------------------------------------------------- immutables

    /// @inheritdoc IValidatorRegistry
    bytes32 public immutable meshId;
    /// @inheritdoc IValidatorRegistry
    address public immutable commands;
    /// @inheritdoc IValidatorRegistry
    address public immutable anchor;
    /// @inheritdoc IValidatorRegistry
    uint64 public immutable forceDelay;

    // ------------------------------------------------------------------------------------------ storage

    /// @dev The data contracts of the sets, by epoch; the last is the current one.
    address[] private _sets;
    bytes32 private _currentHash;
    bytes32 private _pendingHash;
    address private _pendingData;
    /// @dev Zero: no force is requested. It shares a slot with the next one.
    uint64 private _forceAt;
    /// @dev Number of the head when the force was requested.
    uint32 private _forceNumber;
    uint64[] private _forcedEpochs;

    // -------------------------------------------------------------------------------------- constructor

    /// @param commands_ The contract that may propose, withdraw and force.
    /// @param anchor_ The contract that may activate.
    /// @param meshId_ The mesh.
    /// @param forceDelay_ Seconds, {FORCE_DELAY_MIN} to {FORCE_DELAY_MAX}.
    /// @param entries The first set, current at once as epoch 0.
    /// @param registrations One an entry, none all zero.
    constructor(
        address commands_,
        address anchor_,
        bytes32 meshId_,
        uint64 forceDelay_,
        Validator[] memory entries,
        Registration[] memory registrations
    ) {
        if (meshId_ == 0) revert ZeroMesh();
        if (forceDelay_ < FORCE_DELAY_MIN || forceDelay_ > FORCE_DELAY_MAX) {
            revert ForceDelayOutOfRange(FORCE_DELAY_MIN, FORCE_DELAY_MAX, forceDelay_);
        }
        commands = commands_;
        anchor = anchor_;
        meshId = meshId_;
        forceDelay = forceDelay_;

        bytes32 setHash = SetRules.verify(entries);
        _verifyRegistrations(meshId_, entries, registrations, new Validator[](0));
        address data = SetData.write(setHash, 0, entries);
        _sets.push(data);
        _currentHash = setHash;
        emit SetProposed(0, setHash, data, entries, registrations);
        emit SetActivated(0, setHash, 0, 0);
    }

    modifier onlyCommands() {
        if (msg.sender != commands) revert NotCommands(msg.sender);
        _;
    }

    modifier onlyAnchor() {
        if (msg.sender != anchor) revert NotAnchor(msg.sender);
        _;
    }

    /// @dev Only while `setHash` is the pending set.
    modifier onlyPending(bytes32 setHash) {
        _checkPending(setHash);
        _;
    }

    // ----------------------------------------------------------------------------------------- external

    /// @inheritdoc IValidatorRegistry
    function propose(Validator[] calldata entries, Registration[] calldata registrations)
        external
        onlyCommands
        returns (bytes32 setHash)
    {
        if (_pendingHash != 0) revert SetIsPending(_pendingHash);
        Validator[] memory set = entries;
        setHash = SetRules.verify(set);
        if (setHash == _currentHash) revert SetIsCurrent(setHash);
        uint64 epoch = uint64(_sets.length);
        _verifyRegistrations(meshId, set, registrations, SetData.read(_sets[epoch - 1]));
        // Only the pending set can be the next one, so its epoch is known already.
        address data = SetData.write(setHash, epoch, set);
        _pendingHash = setHash;
        _pendingData = data;
        emit SetProposed(epoch, setHash, data, entries, registrations);
    }

    /// @inheritdoc IValidatorRegistry
    function withdraw(bytes32 setHash) external onlyCommands onlyPending(setHash) {
        if (_forceAt != 0) emit ForceCancelled(setHash);
        _clearPending();
        emit SetWithdrawn(uint64(_sets.length), setHash);
    }

    /// @inheritdoc IValidatorRegistry
    function requestForce(bytes32 setHash) external onlyCommands onlyPending(setHash) {
        if (_forceAt != 0) revert ForceIsRequested(_forceAt);
        uint64 executableAt = uint64(block.timestamp) + forceDelay;
        uint64 number = ICheckpointAnchor(anchor).headNumber();
        _forceAt = executableAt;
        _forceNumber = uint32(number);
        emit ForceRequested(setHash, number, executableAt);
    }

    /// @inheritdoc IValidatorRegistry
    function cancelForce(bytes32 setHash) external onlyCommands onlyPending(setHash) {
        if (_forceAt == 0) revert ForceNotRequested();
        delete _forceAt;
        delete _forceNumber;
        emit ForceCancelled(setHash);
    }

    /// @inheritdoc IValidatorRegistry
    function executeForce(bytes32 setHash) external onlyCommands onlyPending(setHash) {
        uint64 executableAt = _forceAt;
        if (executableAt == 0) revert ForceNotRequested();
        if (block.timestamp < executableAt) revert ForceTooEarly(executableAt);
        uint64 number = ICheckpointAnchor(anchor).headNumber();
        if (number != _forceNumber) revert ForceOvertaken(_forceNumber, number);

        bytes32 previous = _currentHash;
        uint64 epoch = uint64(_sets.length);
        _forcedEpochs.push(epoch);
        address data = _switch(setHash);
        emit SetForced(epoch, setHash, previous, number);
        ICheckpointAnchor(anchor).adopt(data);
    }

    /// @inheritdoc IValidatorRegistry
    function activate(bytes32 setHash, uint64 number)
        external
        onlyAnchor
        onlyPending(setHash)
        returns (address data)
    {
        emit SetActivated(uint64(_sets.length), setHash, _currentHash, number);
        data = _switch(setHash);
    }

    /// @inheritdoc IValidatorRegistry
    function current() external view returns (uint64 epoch, bytes32 setHash, address data) {
        epoch = uint64(_sets.length - 1);
        return (epoch, _currentHash, _sets[epoch]);
    }

    /// @inheritdoc IValidatorRegistry
    function pending() external view returns (bytes32 setHash, address data) {
        return (_pendingHash, _pendingData);
    }

    /// @inheritdoc IValidatorRegistry
    function forceRequest() external view returns (uint64 executableAt, uint64 number) {
        return (_forceAt, _forceNumber);
    }

    /// @inheritdoc IValidatorRegistry
    function forcedEpochs() external view returns (uint64[] memory) {
        return _forcedEpochs;
    }

    /// @inheritdoc IValidatorRegistry
    function dataOf(uint64 epoch) public view returns (address) {
        return epoch < _sets.length ? _sets[epoch] : address(0);
    }

    /// @inheritdoc IValidatorRegistry
    function validatorsOf(uint64 epoch) external view returns (Validator[] memory entries) {
        address data = dataOf(epoch);
        if (data != address(0)) entries = SetData.read(data);
    }

    /// @inheritdoc IValidatorRegistry
    function registrationDigest(bytes32 networkKey, bytes32 voteKey) external view returns (bytes32) {
        return _registrationDigest(meshId, networkKey, voteKey);
    }

    // ------------------------------------------------------------------------------------------ private

    /// @dev The pending set, which is `setHash`, becomes the current one.
    function _switch(bytes32 setHash) private returns (address data) {
        data = _pendingData;
        _sets.push(data);
        _currentHash = setHash;
        _clearPending();
    }

    function _clearPending() private {
        delete _pendingHash;
        delete _pendingData;
        delete _forceAt;
        delete _forceNumber;
    }

    function _checkPending(bytes32 setHash) private view {
        // Zero is no set's hash, so that nothing passes while nothing is pending.
        if (setHash == 0 || setHash != _pendingHash) revert NotPending(_pendingHash, setHash);
    }

    /// @dev Every entry that is not in `old` with the same account and keys has a registration, and every
    ///      registration that is given is signed by its account. Both sets ascend, so one pass suffices.
    function _verifyRegistrations(
        bytes32 mesh,
        Validator[] memory entries,
        Registration[] memory registrations,
        Validator[] memory old
    ) private view {
        if (registrations.length != entries.length) {
            revert RegistrationsLength(entries.length, registrations.length);
        }
        uint256 o = 0;
        for (uint256 i = 0; i < entries.length; ++i) {
            Validator memory entry = entries[i];
            if (_isZero(registrations[i])) {
                while (o < old.length && old[o].account < entry.account) ++o;
                bool isKnown = o < old.length && old[o].account == entry.account
                    && old[o].networkKey == entry.networkKey && old[o].voteKey == entry.voteKey;
                if (!isKnown) revert RegistrationMissing(i);
            } else {
                bytes32 digest = _registrationDigest(mesh, entry.networkKey, entry.voteKey);
                address signer = Recover.signer(digest, registrations[i].account);
                // The account is not zero, so neither is the signer that equals it.
                if (signer != entry.account) revert RegistrationNotByAccount(i, entry.account, signer);
            }
        }
    }

    function _registrationDigest(bytes32 mesh, bytes32 networkKey, bytes32 voteKey)
        private
        view
        returns (bytes32)
    {
        bytes32 domain = keccak256(abi.encode(DOMAIN_TYPEHASH, NAME_HASH, VERSION_HASH, block.chainid));
        bytes32 structHash = keccak256(abi.encode(REGISTRATION_TYPEHASH, mesh, networkKey, voteKey));
        return keccak256(abi.encodePacked(hex"1901", domain, structHash));
    }

    function _isZero(Registration memory registration) private pure returns (bool) {
        return (registration.account.r | registration.account.vs | registration.network.r
                    | registration.network.s | registration.vote.r | registration.vote.s) == 0;
    }
}
