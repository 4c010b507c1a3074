// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity 0.8.37;

/// @notice The kinds of owner commands, and the arguments that `abi.encode` makes a payload of. A number is never
///         given to another kind.
library Kinds {
    /// @notice `()`. Stops intake, assignment, scaling and migration of the mesh. Never waits.
    uint8 internal constant PAUSE_MESH = 1;
    /// @notice `()`. Ends that.
    uint8 internal constant RESUME_MESH = 2;
    /// @notice `(string shard)`. Stops one shard. Never waits.
    uint8 internal constant PAUSE_SHARD = 3;
    /// @notice `(string shard)`. Ends that.
    uint8 internal constant RESUME_SHARD = 4;
    /// @notice `(string name, uint32 queueBudget, uint32 latencyBudgetMs, string[] spillover, string[]
    ///         specialties)`. Adds a shard, or replaces its settings.
    uint8 internal constant SET_SHARD = 5;
    /// @notice `(string shard, uint32 queueBudget, uint32 latencyBudgetMs)`.
    uint8 internal constant SET_SHARD_BUDGET = 6;
    /// @notice `(string shard, uint32 weightPpm)`.
    uint8 internal constant SET_SHARD_WEIGHT = 7;
    /// @notice `(string shard, string[] spillover)`. Where overflow goes, in this order.
    uint8 internal constant SET_SPILLOVER = 8;
    /// @notice `(uint32 limitPpm)`. The share of each worker's capacity that assignment may fill.
    uint8 internal constant SET_THERMOSTAT = 9;
    /// @notice `(uint32 performance, uint32 cost, uint32 reliability, uint32 sustainability)`, in millionths.
    uint8 internal constant SET_OPTIMISATION = 10;
    /// @notice `(uint8 level, uint32 fractionPpm)`. 0 none, 1 sample, 2 full audit.
    uint8 internal constant SET_VERIFICATION = 11;
    /// @notice `(uint8 mode, bytes32[] succession, string[] regions, bytes32[][] coordinators)`. 0 centralized,
    ///         1 federated, 2 fully distributed, 3 geometric mesh.
    uint8 internal constant SET_MODE = 12;
    /// @notice `(string name, bytes32[] keys, uint32 jobsMax, uint32 agentsMax, uint64 cpuMilliMax, uint64
    ///         memoryMibMax, uint64 gpuMilliMax)`. Adds a tenant, or replaces its keys and quota.
    uint8 internal constant SET_TENANT = 13;
    /// @notice `(Validator[] entries, string[] regions, string[] labels, Registration[] registrations)`. The
    ///         registry takes the set as pending.
    uint8 internal constant SET_VALIDATORS = 14;
    /// @notice `(bytes32 setHash)`. The registry drops the pending set.
    uint8 internal constant WITHDRAW_VALIDATORS = 15;
    /// @notice `(bytes32 setHash)`. The registry starts the delay of a force.
    uint8 internal constant REQUEST_FORCE = 16;
    /// @notice `(bytes32 setHash)`. The registry takes that back.
    uint8 internal constant CANCEL_FORCE = 17;
    /// @notice `(bytes32 setHash)`. The registry forces the pending set.
    uint8 internal constant EXECUTE_FORCE = 18;
    /// @notice `(string worker, bytes32 key)`. Lets a key sign for a worker.
    uint8 internal constant APPROVE_WORKER = 19;
    /// @notice `(string worker)`. Ends that.
    uint8 internal constant REVOKE_WORKER = 20;
    /// @notice `(bytes32 networkKey, string label)`. Lets a peer join the mesh.
    uint8 internal constant ADMIT_PEER = 21;
    /// @notice `(bytes32 networkKey, string reason, uint64 untilMs)`. Cuts a peer off; 2^64 - 1: for ever.
    uint8 internal constant BAN_PEER = 22;
    /// @notice `(string name, bytes document)`. Adds or replaces a policy.
    uint8 internal constant SET_POLICY = 23;
    /// @notice `(string name)`.
    uint8 internal constant REMOVE_POLICY = 24;
    /// @notice `(bytes data)`. Without a meaning to the mesh.
    uint8 internal constant PAYLOAD = 25;
    /// @notice `(uint32 delay)`. Seconds that later commands wait here. Without a meaning to the mesh.
    uint8 internal constant SET_DELAY = 26;
    /// @notice `(uint64 applied, bytes32 chain)`. To a mesh that stopped obeying because this chain has changed
    ///         commands that it had applied: the last one it applied, and the hash chain up to it, as the mesh has
    ///         them. It goes on after this command.
    uint8 internal constant RECONCILE = 27;
}
