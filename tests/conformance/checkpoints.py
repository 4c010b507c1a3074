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


def changes_registered(registered):
    """16.1 Do other validators count as registered from the next beat on? Such a beat closes an interval."""
    return registered["next"] != registered["hash"]


def next_registered(registered, next_hash):
    """16.2 `registered` of a beat, from that of the beat before it and the hash of the set after it."""
    return {"epoch": registered["epoch"] + changes_registered(registered), "hash": registered["next"],
            "next": next_hash}


def checkpoint_registered(checkpoint):
    """16.2 `registered` of the last beat of a checkpoint."""
    return {"epoch": checkpoint["set_epoch"], "hash": checkpoint["set_hash"], "next": checkpoint["next_set_hash"]}


def shows_registered(receipt, registered):
    """16.2 Does a receipt of kind `validators_registered` have in its data what its beat changes?"""
    data = receipt["data"]
    return ((data.get("epoch"), data.get("set"), data.get("next_set"))
            == (str(registered["epoch"]), registered["hash"].hex(), registered["next"].hex()))


def verification_words(verification):
    """16.2 verification_level and verification_fraction_ppm."""
    name, content = verification
    return {"none": lambda: (0, 0), "sample": lambda: (1, content["fraction_ppm"]),
            "full_audit": lambda: (2, 1_000_000)}[name]()
