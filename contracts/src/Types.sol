// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity 0.8.37;

/// @notice A member of a validator set.
/// @param networkKey Ed25519 key of its node in the mesh.
/// @param voteKey Ed25519 key that signs its votes: its identity.
/// @param account secp256k1 account that signs checkpoints. It cannot be a contract.
/// @param weight Its weight, 1 to 2^24.
struct Validator {
    bytes32 networkKey;
    bytes32 voteKey;
    address account;
    uint32 weight;
}

/// @notice An ECDSA signature of 64 bytes (EIP-2098).
/// @param r The x coordinate.
/// @param vs The lower `s`, with the parity of y in the highest bit.
struct Signature {
    bytes32 r;
    bytes32 vs;
}

/// @notice An Ed25519 signature of 64 bytes (RFC 8032), as it is.
struct EdSignature {
    bytes32 r;
    bytes32 s;
}

/// @notice Three keys that say together: we belong to one validator of this mesh. All sign the digest that
///         {IValidatorRegistry-registrationDigest} gives. The chain checks `account`; the nodes check the
///         other two, which no precompile can. All zero: there is no proof.
struct Registration {
    Signature account;
    EdSignature network;
    EdSignature vote;
}

/// @notice A checkpoint, version 1. The order of the members is the order of the EIP-712 type.
struct Checkpoint {
    uint16 version;
    uint64 number;
    bytes32 parent;
    bytes32 meshId;
    uint64 firstBeat;
    uint64 lastBeat;
    uint64 firstReceipt;
    uint64 receiptCount;
    bytes32 intervalRoot;
    bytes32 historyRoot;
    uint64 historySize;
    bytes32 appHash;
    bytes32 agentsRoot;
    bytes32 auditRoot;
    uint64 setEpoch;
    bytes32 setHash;
    bytes32 nextSetHash;
    uint8 verificationLevel;
    uint32 verificationFraction;
    uint64 timeMs;
}

/// @notice What the anchor does not know of the next checkpoint. Version, parent, mesh, first beat, first receipt,
///         receipt count, set epoch, set hash and next set hash follow from the chain's state and from these.
/// @param numbers From the highest bit: `timeMs` 64 bits, `historySize` 64, `lastBeat` 64, `number` 32, whether
///        the set changes (then `nextSetHash` is the pending set's, else the current one's) 1,
///        `verificationLevel` 7, `verificationFraction` 24. See {Numbers}.
struct CheckpointBody {
    uint256 numbers;
    bytes32 intervalRoot;
    bytes32 historyRoot;
    bytes32 appHash;
    bytes32 agentsRoot;
    bytes32 auditRoot;
}
