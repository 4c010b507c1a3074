"""18 The store."""

from borsh import u32
from hashes import sha256, sha3_256

# 18.1 The tables.
TABLES = ("meta beats certificates sets handovers receipts hidden ranges subjects tiles checkpoints state nodes agents "
          "actions bindings audit").split()


def number(n):
    """18.3 *Number*: 8 bytes, big-endian."""
    return n.to_bytes(8, "big")


def record_preimage(table, key, payload):
    """18.2 What the checksum is over."""
    return table.encode() + b"\0" + u32(len(key)) + key + payload


def record_checksum(table, key, payload):
    """18.2 The checksum."""
    return sha256(record_preimage(table, key, payload))[:8]


def subject_key(subject, index):
    """18.3 The key in table `subjects`."""
    return sha3_256(subject.encode())[:16] + number(index)
