// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity 0.8.37;

import {Registration, Validator} from "../Types.sol";

/// @notice What the owner of a mesh commands: one log, in which each executed command has the next number, and
///         whose hash chain shows a reader with one call that nobody has withheld an entry.
///
///         With a delay, a command first waits: it has a ticket, and when its time has come anybody may execute it.
///         Tickets are executed in their order, so that whoever executes has no say in it; the owner may cancel
///         any that waits. A pause never waits.
interface IOwnerCommands {
    /// @notice What became of a ticket.
    enum State {
        /// There is none yet.
        Unset,
        /// Its time has not come.
        Waiting,
        /// Anybody may execute it, after those before it.
        Ready,
        /// It is in the log.
        Done,
        /// The owner has taken it back.
        Cancelled
    }

    // ------------------------------------------------------------------------------------------- errors

    /// @notice Only the owner may call. Propose it in the Safe.
    error NotOwner(address caller);
    /// @notice The owner is zero. Deploy the Safe first.
    error ZeroOwner();
    /// @notice Choose a delay of at most `max` seconds.
    error DelayAboveMax(uint256 max, uint256 found);
    /// @notice A name has 1 to 64 bytes.
    error NameLength(uint256 found);
    /// @notice A name has a-z 0-9 . _ - and begins with a letter or digit.
    error NameCharacter(uint256 position, bytes1 found);
    /// @notice A list or text is too short or too long.
    error LengthOutOfRange(uint256 min, uint256 max, uint256 found);
    /// @notice Two lists that belong together have different lengths.
    error LengthsDiffer(uint256 expected, uint256 found);
    /// @notice Sort the list; nothing may be in it twice.
    error NotAscending(uint256 position);
    /// @notice A key is zero.
    error ZeroKey(uint256 position);
    /// @notice A share is at most 1,000,000 millionths.
    error FractionAboveOne(uint256 found);
    /// @notice A limit of zero would stop everything. Pause instead.
    error ZeroLimit();
    /// @notice The weights must sum to 1,000,000.
    error WeightsSum(uint256 found);
    /// @notice Levels are 0 none, 1 sample, 2 full audit.
    error UnknownLevel(uint8 found);
    /// @notice The fraction is 0 at level 0 and 1,000,000 at level 2.
    error FractionOfLevel(uint8 level, uint32 expected, uint32 found);
    /// @notice Modes are 0 centralized, 1 federated, 2 fully distributed, 3 geometric mesh.
    error UnknownMode(uint8 found);
    /// @notice Only mode 0 takes a succession, only mode 1 regions and coordinators.
    error NotOfThisMode(uint8 mode);
    /// @notice A shard cannot spill over to itself.
    error SpillsToItself(uint256 position);
    /// @notice 256 tickets wait. Execute or cancel the oldest.
    error QueueFull();
    /// @notice The ticket does not wait: it is not there yet, done or cancelled.
    error NotWaiting(uint64 ticket, State state);
    /// @notice Wait until then.
    error TooEarly(uint64 ticket, uint64 readyAt);
    /// @notice That one comes first: execute or cancel it.
    error NotNext(uint64 next, uint64 ticket);
    /// @notice The ticket is for another command. Take kind and payload from its {Queued} event.
    error OtherCommand(bytes32 expected, bytes32 found);

    // ------------------------------------------------------------------------------------------- events

    /// @notice A command was executed. This is what nodes obey.
    /// @param sequence Its number, from 1, without gaps.
    /// @param kind One of {Kinds}.
    /// @param commandHash See {commandHash}.
    /// @param payload The arguments, `abi.encode`d as {Kinds} says.
    event Commanded(uint64 indexed sequence, uint8 indexed kind, bytes32 commandHash, bytes payload);
    /// @notice A command waits. `digest` is keccak256(abi.encode(kind, keccak256(payload))).
    event Queued(uint64 indexed ticket, uint8 indexed kind, bytes32 digest, uint64 readyAt, bytes payload);
    /// @notice A ticket was executed as this entry of the log.
    event Executed(uint64 indexed ticket, uint64 indexed sequence);
    /// @notice The owner has cancelled a ticket.
    event Cancelled(uint64 indexed ticket, bytes32 digest);
    /// @notice Later commands wait so many seconds.
    event DelayChanged(uint32 previous, uint32 delay);

    // --------------------------------------------------------------------------------- commands of the owner

    /// @notice {Kinds-PAUSE_MESH}
    function pauseMesh() external;
    /// @notice {Kinds-RESUME_MESH}
    function resumeMesh() external;
    /// @notice {Kinds-PAUSE_SHARD}
    function pauseShard(string calldata shard) external;
    /// @notice {Kinds-RESUME_SHARD}
    function resumeShard(string calldata shard) external;
    /// @notice {Kinds-SET_SHARD}
    /// @param spillover At most 64, in the order of preference.
    /// @param specialties At most 64, ascending.
    function setShard(
        string calldata name,
        uint32 queueBudget,
        uint32 latencyBudgetMs,
        string[] calldata spillover,
        string[] calldata specialties
    ) external;
    /// @notice {Kinds-SET_SHARD_BUDGET}
    function setShardBudget(string calldata shard, uint32 queueBudget, uint32 latencyBudgetMs) external;
    /// @notice {Kinds-SET_SHARD_WEIGHT}
    function setShardWeight(string calldata shard, uint32 weightPpm) external;
    /// @notice {Kinds-SET_SPILLOVER}
    function setSpillover(string calldata shard, string[] calldata spillover) external;
    /// @notice {Kinds-SET_THERMOSTAT}
    /// @param limitPpm 1 to 1,000,000.
    function setThermostat(uint32 limitPpm) external;
    /// @notice {Kinds-SET_OPTIMISATION}: four parts of 1,000,000.
    function setOptimisation(uint32 performance, uint32 cost, uint32 reliability, uint32 sustainability)
        external;
    /// @notice {Kinds-SET_VERIFICATION}
    function setVerification(uint8 level, uint32 fractionPpm) external;
    /// @notice {Kinds-SET_MODE}
    /// @param succession Vote keys of the controller and its successors: 1 to 128 in mode 0.
    /// @param regions Ascending: 4 to 64 in mode 1.
    /// @param coordinators For each region 1 to 128 vote keys.
    function setMode(
        uint8 mode,
        bytes32[] calldata succession,
        string[] calldata regions,
        bytes32[][] calldata coordinators
    ) external;
    /// @notice {Kinds-SET_TENANT}
    /// @param keys At most 64, ascending.
    function setTenant(
        string calldata name,
        bytes32[] calldata keys,
        uint32 jobsMax,
        uint32 agentsMax,
        uint64 cpuMilliMax,
        uint64 memoryMibMax,
        uint64 gpuMilliMax
    ) external;
    /// @notice {Kinds-SET_VALIDATORS}
    /// @param entries As {IValidatorRegistry-propose} takes them.
    /// @param regions For each entry, where it stands.
    /// @param labels For each entry, a word for people.
    /// @param registrations For each entry.
    function setValidators(
        Validator[] calldata entries,
        string[] calldata regions,
        string[] calldata labels,
        Registration[] calldata registrations
    ) external;
    /// @notice {Kinds-WITHDRAW_VALIDATORS}
    function withdrawValidators(bytes32 setHash) external;
    /// @notice {Kinds-REQUEST_FORCE}
    function requestForce(bytes32 setHash) external;
    /// @notice {Kinds-CANCEL_FORCE}
    function cancelForce(bytes32 setHash) external;
    /// @notice {Kinds-EXECUTE_FORCE}
    function executeForce(bytes32 setHash) external;
    /// @notice {Kinds-APPROVE_WORKER}
    function approveWorker(string calldata worker, bytes32 key) external;
    /// @notice {Kinds-REVOKE_WORKER}
    function revokeWorker(string calldata worker) external;
    /// @notice {Kinds-ADMIT_PEER}
    function admitPeer(bytes32 networkKey, string calldata label) external;
    /// @notice {Kinds-BAN_PEER}
    /// @param reason At most 256 bytes of UTF-8, which is not checked here.
    function banPeer(bytes32 networkKey, string calldata reason, uint64 untilMs) external;
    /// @notice {Kinds-SET_POLICY}
    /// @param document At most 4,096 bytes.
    function setPolicy(string calldata name, bytes calldata document) external;
    /// @notice {Kinds-REMOVE_POLICY}
    function removePolicy(string calldata name) external;
    /// @notice {Kinds-PAYLOAD}
    /// @param data At most 4,096 bytes.
    function payload(bytes calldata data) external;
    /// @notice {Kinds-SET_DELAY}
    /// @param delay_ Seconds, at most 30 days.
    function setDelay(uint32 delay_) external;
    /// @notice {Kinds-RECONCILE}
    /// @param applied The sequence of the last command that the mesh has applied.
    /// @param chain The hash chain up to that command, as the mesh has it.
    function reconcile(uint64 applied, bytes32 chain) external;

    // -------------------------------------------------------------------------------------------- the queue

    /// @notice Executes the next ticket. Anybody may, once it is ready.
    function execute(uint64 ticket, uint8 kind, bytes calldata payload_) external;

    /// @notice Cancels a ticket that waits or is ready. Only the owner may; it never waits.
    function cancel(uint64 ticket) external;

    // ------------------------------------------------------------------------------------------------ views

    /// @notice The mesh.
    function meshId() external view returns (bytes32);
    /// @notice Who commands: a Safe.
    function owner() external view returns (address);
    /// @notice Where validator sets go.
    function registry() external view returns (address);
    /// @notice Seconds that a command waits.
    function delay() external view returns (uint32);
    /// @notice Number of the last command, and the hash chain up to it: zero before the first, then
    ///         keccak256(abi.encode(chain before, command hash)).
    function head() external view returns (uint64 sequence, bytes32 chain);
    /// @notice What a ticket is, and for what.
    function ticketOf(uint64 ticket) external view returns (State state, uint64 readyAt, bytes32 digest);
    /// @notice The tickets that are neither done nor cancelled lie between `next` and `last`.
    function queue() external view returns (uint64 next, uint64 last);
    /// @notice keccak256(abi.encode(meshId, sequence, kind, keccak256(payload)))
    function commandHash(uint64 sequence, uint8 kind, bytes32 payloadHash) external view returns (bytes32);
}
