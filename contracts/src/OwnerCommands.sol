// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity 0.8.37;

import {IOwnerCommands} from "./interfaces/IOwnerCommands.sol";
import {IValidatorRegistry} from "./interfaces/IValidatorRegistry.sol";
import {Kinds} from "./Kinds.sol";
import {Names} from "./lib/Names.sol";
import {Registration, Validator} from "./Types.sol";

/// @title The owner's commands to one mesh.
/// @notice See {IOwnerCommands}. Checks here are for what a person may get wrong; the mesh checks again what it
///         alone knows, such as whether a shard exists.
contract OwnerCommands is IOwnerCommands {
    // ---------------------------------------------------------------------------------------- constants

    /// @notice Largest delay.
    uint32 public constant DELAY_MAX = 30 days;

    /// @dev One in millionths.
    uint256 private constant ONE = 1_000_000;
    /// @dev Most tickets that wait: it bounds every walk over the queue.
    uint64 private constant QUEUE_MAX = 256;
    /// @dev Most shards of a mesh.
    uint256 private constant SHARDS_MAX = 64;
    /// @dev Most specialties of a shard.
    uint256 private constant SPECIALTIES_MAX = 64;
    /// @dev Least regions of a federation.
    uint256 private constant REGIONS_MIN = 4;
    /// @dev Most keys of a tenant.
    uint256 private constant TENANT_KEYS_MAX = 64;
    /// @dev Most validators of a set.
    uint256 private constant VALIDATORS_MAX = 128;
    /// @dev Most bytes of a policy or a free payload.
    uint256 private constant DATA_MAX = 4096;
    /// @dev Most bytes of a reason.
    uint256 private constant REASON_MAX = 256;

    // --------------------------------------------------------------------------------------- immutables

    /// @inheritdoc IOwnerCommands
    address public immutable owner;
    /// @inheritdoc IOwnerCommands
    bytes32 public immutable meshId;
    /// @inheritdoc IOwnerCommands
    address public immutable registry;

    // ------------------------------------------------------------------------------------------ storage

    /// @dev Hash chain over the log.
    bytes32 private _chain;
    /// @dev Number of the last command. The four share a slot.
    uint64 private _sequence;
    /// @dev The oldest ticket that waits; `_last + 1` when none does.
    uint64 private _next = 1;
    /// @dev The newest ticket.
    uint64 private _last;
    uint32 private _delay;
    mapping(uint64 ticket => Ticket) private _tickets;

    /// @dev `state` is never {State-Ready}, which the time makes of {State-Waiting}.
    struct Ticket {
        bytes32 digest;
        uint64 readyAt;
        State state;
    }

    // -------------------------------------------------------------------------------------- constructor

    /// @param owner_ A Safe.
    /// @param meshId_ The mesh, as in the registry.
    /// @param registry_ Takes commands from this contract.
    /// @param delay_ Seconds, at most {DELAY_MAX}.
    constructor(address owner_, bytes32 meshId_, address registry_, uint32 delay_) {
        if (owner_ == address(0)) revert ZeroOwner();
        _checkDelay(delay_);
        owner = owner_;
        meshId = meshId_;
        registry = registry_;
        _delay = delay_;
        emit DelayChanged(0, delay_);
    }

    modifier onlyOwner() {
        _checkOwner();
        _;
    }

    // ----------------------------------------------------------------------------- commands of the owner

    /// @inheritdoc IOwnerCommands
    function pauseMesh() external onlyOwner {
        _record(Kinds.PAUSE_MESH, "");
    }

    /// @inheritdoc IOwnerCommands
    function resumeMesh() external onlyOwner {
        _submit(Kinds.RESUME_MESH, "");
    }

    /// @inheritdoc IOwnerCommands
    function pauseShard(string calldata shard) external onlyOwner {
        Names.verify(shard);
        _record(Kinds.PAUSE_SHARD, abi.encode(shard));
    }

    /// @inheritdoc IOwnerCommands
    function resumeShard(string calldata shard) external onlyOwner {
        Names.verify(shard);
        _submit(Kinds.RESUME_SHARD, abi.encode(shard));
    }

    /// @inheritdoc IOwnerCommands
    function setShard(
        string calldata name,
        uint32 queueBudget,
        uint32 latencyBudgetMs,
        string[] calldata spillover,
        string[] calldata specialties
    ) external onlyOwner {
        Names.verify(name);
        Names.verifyOthers(name, spillover, SHARDS_MAX);
        Names.verifyAscending(specialties, 0, SPECIALTIES_MAX);
        _submit(Kinds.SET_SHARD, abi.encode(name, queueBudget, latencyBudgetMs, spillover, specialties));
    }

    /// @inheritdoc IOwnerCommands
    function setShardBudget(string calldata shard, uint32 queueBudget, uint32 latencyBudgetMs)
        external
        onlyOwner
    {
        Names.verify(shard);
        _submit(Kinds.SET_SHARD_BUDGET, abi.encode(shard, queueBudget, latencyBudgetMs));
    }

    /// @inheritdoc IOwnerCommands
    function setShardWeight(string calldata shard, uint32 weightPpm) external onlyOwner {
        Names.verify(shard);
        _checkFraction(weightPpm);
        _submit(Kinds.SET_SHARD_WEIGHT, abi.encode(shard, weightPpm));
    }

    /// @inheritdoc IOwnerCommands
    function setSpillover(string calldata shard, string[] calldata spillover) external onlyOwner {
        Names.verify(shard);
        Names.verifyOthers(shard, spillover, SHARDS_MAX);
        _submit(Kinds.SET_SPILLOVER, abi.encode(shard, spillover));
    }

    /// @inheritdoc IOwnerCommands
    function setThermostat(uint32 limitPpm) external onlyOwner {
        if (limitPpm == 0) revert ZeroLimit();
        _checkFraction(limitPpm);
        _submit(Kinds.SET_THERMOSTAT, abi.encode(limitPpm));
    }

    /// @inheritdoc IOwnerCommands
    function setOptimisation(uint32 performance, uint32 cost, uint32 reliability, uint32 sustainability)
        external
        onlyOwner
    {
        uint256 sum = uint256(performance) + cost + reliability + sustainability;
        if (sum != ONE) revert WeightsSum(sum);
        _submit(Kinds.SET_OPTIMISATION, abi.encode(performance, cost, reliability, sustainability));
    }

    /// @inheritdoc IOwnerCommands
    function setVerification(uint8 level, uint32 fractionPpm) external onlyOwner {
        if (level > 2) revert UnknownLevel(level);
        _checkFraction(fractionPpm);
        if (level == 0 && fractionPpm != 0) revert FractionOfLevel(level, 0, fractionPpm);
        if (level == 2 && fractionPpm != ONE) revert FractionOfLevel(level, uint32(ONE), fractionPpm);
        _submit(Kinds.SET_VERIFICATION, abi.encode(level, fractionPpm));
    }

    /// @inheritdoc IOwnerCommands
    function setMode(
        uint8 mode,
        bytes32[] calldata succession,
        string[] calldata regions,
        bytes32[][] calldata coordinators
    ) external onlyOwner {
        if (mode > 3) revert UnknownMode(mode);
        if (coordinators.length != regions.length) revert LengthsDiffer(regions.length, coordinators.length);
        if (mode == 0) _checkKeys(succession);
        else if (succession.length != 0) revert NotOfThisMode(mode);
        if (mode == 1) {
            Names.verifyAscending(regions, REGIONS_MIN, SHARDS_MAX);
            for (uint256 i = 0; i < coordinators.length; ++i) {
                _checkKeys(coordinators[i]);
            }
        } else if (regions.length != 0) {
            revert NotOfThisMode(mode);
        }
        _submit(Kinds.SET_MODE, abi.encode(mode, succession, regions, coordinators));
    }

    /// @inheritdoc IOwnerCommands
    function setTenant(
        string calldata name,
        bytes32[] calldata keys,
        uint32 jobsMax,
        uint32 agentsMax,
        uint64 cpuMilliMax,
        uint64 memoryMibMax,
        uint64 gpuMilliMax
    ) external onlyOwner {
        Names.verify(name);
        _checkAscendingKeys(keys);
        _submit(
            Kinds.SET_TENANT,
            abi.encode(name, keys, jobsMax, agentsMax, cpuMilliMax, memoryMibMax, gpuMilliMax)
        );
    }

    /// @inheritdoc IOwnerCommands
    function setValidators(
        Validator[] calldata entries,
        string[] calldata regions,
        string[] calldata labels,
        Registration[] calldata registrations
    ) external onlyOwner {
        // The registry checks entries and registrations, their number included.
        if (regions.length != entries.length) revert LengthsDiffer(entries.length, regions.length);
        if (labels.length != entries.length) revert LengthsDiffer(entries.length, labels.length);
        Names.verifyAll(regions);
        Names.verifyAll(labels);
        _submit(Kinds.SET_VALIDATORS, abi.encode(entries, regions, labels, registrations));
    }

    /// @inheritdoc IOwnerCommands
    function withdrawValidators(bytes32 setHash) external onlyOwner {
        _submit(Kinds.WITHDRAW_VALIDATORS, abi.encode(setHash));
    }

    /// @inheritdoc IOwnerCommands
    function requestForce(bytes32 setHash) external onlyOwner {
        _submit(Kinds.REQUEST_FORCE, abi.encode(setHash));
    }

    /// @inheritdoc IOwnerCommands
    function cancelForce(bytes32 setHash) external onlyOwner {
        _submit(Kinds.CANCEL_FORCE, abi.encode(setHash));
    }

    /// @inheritdoc IOwnerCommands
    function executeForce(bytes32 setHash) external onlyOwner {
        _submit(Kinds.EXECUTE_FORCE, abi.encode(setHash));
    }

    /// @inheritdoc IOwnerCommands
    function approveWorker(string calldata worker, bytes32 key) external onlyOwner {
        Names.verify(worker);
        _checkKey(key, 0);
        _submit(Kinds.APPROVE_WORKER, abi.encode(worker, key));
    }

    /// @inheritdoc IOwnerCommands
    function revokeWorker(string calldata worker) external onlyOwner {
        Names.verify(worker);
        _submit(Kinds.REVOKE_WORKER, abi.encode(worker));
    }

    /// @inheritdoc IOwnerCommands
    function admitPeer(bytes32 networkKey, string calldata label) external onlyOwner {
        _checkKey(networkKey, 0);
        Names.verify(label);
        _submit(Kinds.ADMIT_PEER, abi.encode(networkKey, label));
    }

    /// @inheritdoc IOwnerCommands
    function banPeer(bytes32 networkKey, string calldata reason, uint64 untilMs) external onlyOwner {
        _checkKey(networkKey, 0);
        Names.verifyLength(0, REASON_MAX, bytes(reason).length);
        _submit(Kinds.BAN_PEER, abi.encode(networkKey, reason, untilMs));
    }

    /// @inheritdoc IOwnerCommands
    function setPolicy(string calldata name, bytes calldata document) external onlyOwner {
        Names.verify(name);
        Names.verifyLength(1, DATA_MAX, document.length);
        _submit(Kinds.SET_POLICY, abi.encode(name, document));
    }

    /// @inheritdoc IOwnerCommands
    function removePolicy(string calldata name) external onlyOwner {
        Names.verify(name);
        _submit(Kinds.REMOVE_POLICY, abi.encode(name));
    }

    /// @inheritdoc IOwnerCommands
    function payload(bytes calldata data) external onlyOwner {
        Names.verifyLength(0, DATA_MAX, data.length);
        _submit(Kinds.PAYLOAD, abi.encode(data));
    }

    /// @inheritdoc IOwnerCommands
    function setDelay(uint32 delay_) external onlyOwner {
        _checkDelay(delay_);
        _submit(Kinds.SET_DELAY, abi.encode(delay_));
    }

    /// @inheritdoc IOwnerCommands
    function reconcile(uint64 applied, bytes32 chain) external onlyOwner {
        _submit(Kinds.RECONCILE, abi.encode(applied, chain));
    }

    // ----------------------------------------------------------------------------------------- the queue

    /// @inheritdoc IOwnerCommands
    function execute(uint64 ticket, uint8 kind, bytes calldata payload_) external {
        Ticket storage entry = _tickets[ticket];
        if (entry.state != State.Waiting) revert NotWaiting(ticket, entry.state);
        if (ticket != _next) revert NotNext(_next, ticket);
        if (block.timestamp < entry.readyAt) revert TooEarly(ticket, entry.readyAt);
        bytes32 digest = _digest(kind, payload_);
        if (digest != entry.digest) revert OtherCommand(entry.digest, digest);

        entry.state = State.Done;
        _skip();
        emit Executed(ticket, _sequence + 1);
        _execute(kind, payload_);
    }

    /// @inheritdoc IOwnerCommands
    function cancel(uint64 ticket) external onlyOwner {
        Ticket storage entry = _tickets[ticket];
        if (entry.state != State.Waiting) revert NotWaiting(ticket, entry.state);
        entry.state = State.Cancelled;
        _skip();
        emit Cancelled(ticket, entry.digest);
    }

    // --------------------------------------------------------------------------------------------- views

    /// @inheritdoc IOwnerCommands
    function delay() external view returns (uint32) {
        return _delay;
    }

    /// @inheritdoc IOwnerCommands
    function head() external view returns (uint64 sequence, bytes32 chain) {
        return (_sequence, _chain);
    }

    /// @inheritdoc IOwnerCommands
    function ticketOf(uint64 ticket) external view returns (State state, uint64 readyAt, bytes32 digest) {
        Ticket storage entry = _tickets[ticket];
        (state, readyAt, digest) = (entry.state, entry.readyAt, entry.digest);
        if (state == State.Waiting && block.timestamp >= readyAt) state = State.Ready;
    }

    /// @inheritdoc IOwnerCommands
    function queue() external view returns (uint64 next, uint64 last) {
        return (_next, _last);
    }

    /// @inheritdoc IOwnerCommands
    function commandHash(uint64 sequence, uint8 kind, bytes32 payloadHash) public view returns (bytes32) {
        return keccak256(abi.encode(meshId, sequence, kind, payloadHash));
    }

    // ------------------------------------------------------------------------------------------- private

    /// @dev Executes the command, or lets it wait.
    function _submit(uint8 kind, bytes memory payload_) private {
        uint32 wait = _delay;
        if (wait == 0) {
            _execute(kind, payload_);
            return;
        }
        uint64 ticket = _last + 1;
        if (ticket - _next >= QUEUE_MAX) revert QueueFull();
        uint64 readyAt = uint64(block.timestamp) + wait;
        bytes32 digest = _digest(kind, payload_);
        _last = ticket;
        _tickets[ticket] = Ticket(digest, readyAt, State.Waiting);
        emit Queued(ticket, kind, digest, readyAt, payload_);
    }

    /// @dev Moves `_next` past what no longer waits: at most {QUEUE_MAX} tickets.
    function _skip() private {
        uint64 next = _next;
        // Behind the newest ticket the state is Unset.
        while (_tickets[next].state == State.Done || _tickets[next].state == State.Cancelled) ++next;
        _next = next;
    }

    /// @dev Writes the command into the log, and does what it does on this chain.
    function _execute(uint8 kind, bytes memory payload_) private {
        _record(kind, payload_);
        if (kind == Kinds.SET_VALIDATORS) {
            (Validator[] memory entries,,, Registration[] memory registrations) =
                abi.decode(payload_, (Validator[], string[], string[], Registration[]));
            IValidatorRegistry(registry).propose(entries, registrations);
        } else if (kind == Kinds.WITHDRAW_VALIDATORS) {
            IValidatorRegistry(registry).withdraw(abi.decode(payload_, (bytes32)));
        } else if (kind == Kinds.REQUEST_FORCE) {
            IValidatorRegistry(registry).requestForce(abi.decode(payload_, (bytes32)));
        } else if (kind == Kinds.CANCEL_FORCE) {
            IValidatorRegistry(registry).cancelForce(abi.decode(payload_, (bytes32)));
        } else if (kind == Kinds.EXECUTE_FORCE) {
            IValidatorRegistry(registry).executeForce(abi.decode(payload_, (bytes32)));
        } else if (kind == Kinds.SET_DELAY) {
            uint32 delay_ = abi.decode(payload_, (uint32));
            emit DelayChanged(_delay, delay_);
            _delay = delay_;
        }
    }

    function _record(uint8 kind, bytes memory payload_) private {
        uint64 sequence = ++_sequence;
        bytes32 hash = commandHash(sequence, kind, keccak256(payload_));
        _chain = keccak256(abi.encode(_chain, hash));
        emit Commanded(sequence, kind, hash, payload_);
    }

    function _checkOwner() private view {
        if (msg.sender != owner) revert NotOwner(msg.sender);
    }

    function _digest(uint8 kind, bytes memory payload_) private pure returns (bytes32) {
        return keccak256(abi.encode(kind, keccak256(payload_)));
    }

    function _checkDelay(uint32 delay_) private pure {
        if (delay_ > DELAY_MAX) revert DelayAboveMax(DELAY_MAX, delay_);
    }

    function _checkFraction(uint32 fraction) private pure {
        if (fraction > ONE) revert FractionAboveOne(fraction);
    }

    function _checkKey(bytes32 key, uint256 position) private pure {
        if (key == 0) revert ZeroKey(position);
    }

    /// @dev 1 to 128 keys, none zero.
    function _checkKeys(bytes32[] calldata keys) private pure {
        Names.verifyLength(1, VALIDATORS_MAX, keys.length);
        for (uint256 i = 0; i < keys.length; ++i) {
            _checkKey(keys[i], i);
        }
    }

    /// @dev At most 64 keys, ascending, none zero.
    function _checkAscendingKeys(bytes32[] calldata keys) private pure {
        Names.verifyLength(0, TENANT_KEYS_MAX, keys.length);
        bytes32 previous = 0;
        for (uint256 i = 0; i < keys.length; ++i) {
            _checkKey(keys[i], i);
            if (keys[i] <= previous) revert NotAscending(i);
            previous = keys[i];
        }
    }
}
