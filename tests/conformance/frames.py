"""22 Frames: a file that only grows."""

from borsh import u32
from hashes import sha256
from words import require


def length_checksum(length):
    """22.1 The checksum of a length of 4 bytes."""
    return sha256(length)[:4]


def frame_checksum(length, record):
    """22.1 The checksum of length and record."""
    return sha256(length + record)[:8]


def frame(record):
    """22.1 The frame of a record."""
    length = u32(len(record))
    return length + length_checksum(length) + frame_checksum(length, record) + record


def read_frames(data, limit):
    """22.2 The records, and where the last whole frame ends; what is after it is a torn end. Refuses damage."""
    records, at = [], 0
    while any(data[at:]) and len(data) - at >= 8:
        length, n = data[at:at + 4], int.from_bytes(data[at:at + 4], "little")
        require(data[at + 4:at + 8] == length_checksum(length) and n <= limit, "damage in a length")
        if len(data) - at < 16 + n:
            break
        record = data[at + 16:at + 16 + n]
        require(data[at + 8:at + 16] == frame_checksum(length, record), "damage in a record")
        records.append(record)
        at += 16 + n
    return records, at
