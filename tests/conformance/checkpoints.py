"""16 Checkpoints, version 1."""

from hashes import keccak_256
from schema import TYPES

# 16.3 The type of the EIP-712 struct.
CHECKPOINT_TYPE = (
    "Checkpoint(uint16 version,uint64 number,bytes32 parent,bytes32 meshId,uint64 firstBeat,uint64 lastBeat,"
    "uint64 firstReceipt,uint64 receiptCount,bytes32 intervalRoot,bytes32 historyRoot,uint64 historySize,"
    "bytes32 appHash,bytes32 agentsRoot,bytes32 auditRoot,uint64 setEpoch,bytes32 setHash,bytes32 nextSetHash,"
    "uint8 verificationLevel,uint32 verificationFraction,uint64 timeMs)")


def checkpoint_type_hash():
    """16.3 The type hash."""
    return keccak_256(CHECKPOINT_TYPE.encode())


def checkpoint_words(checkpoint):
    """16.3 The 20 words."""
    values = [checkpoint[field] for field, _ in TYPES["Checkpoint"][1]]
    return [value if isinstance(value, bytes) else value.to_bytes(32, "big") for value in values]


def checkpoint_hash(checkpoint):
    """16.3 The hash of a checkpoint."""
    return keccak_256(checkpoint_type_hash() + b"".join(checkpoint_words(checkpoint)))


def verification_words(verification):
    """16.2 verification_level and verification_fraction_ppm."""
    name, content = verification
    return {"none": lambda: (0, 0), "sample": lambda: (1, content["fraction_ppm"]),
            "full_audit": lambda: (2, 1_000_000)}[name]()
