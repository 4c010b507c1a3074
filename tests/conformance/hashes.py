"""1.3, 3.1, 3.2 Hash functions and the tagged hash."""

import hashlib
from functools import lru_cache


def sha3_256(data):
    """1.3 SHA3-256."""
    return hashlib.sha3_256(data).digest()


def sha256(data):
    """1.3 SHA-256."""
    return hashlib.sha256(data).digest()


def keccak_constants():
    """Rotations, moves and round constants of Keccak-f[1600] (FIPS 202, 3.2)."""
    moves, x, y, lfsr, rounds = [], 1, 0, 1, []
    for t in range(24):
        moves.append((5 * y + x, (t + 1) * (t + 2) // 2 % 64))
        x, y = y, (2 * x + 3 * y) % 5
    for _ in range(24):
        constant = 0
        for j in range(7):
            if lfsr & 1:
                constant |= 1 << (2**j - 1)
            lfsr = lfsr << 1 ^ (0x171 if lfsr & 0x80 else 0)
        rounds.append(constant)
    return moves, rounds


KECCAK_MOVES, KECCAK_ROUNDS = keccak_constants()


def keccak_f(a):
    """The permutation Keccak-f[1600] of 25 lanes; lane (x, y) is a[5y + x]."""
    mask = 2**64 - 1
    for constant in KECCAK_ROUNDS:
        c = [a[x] ^ a[x + 5] ^ a[x + 10] ^ a[x + 15] ^ a[x + 20] for x in range(5)]
        d = [c[x - 1] ^ (c[(x + 1) % 5] << 1 & mask | c[(x + 1) % 5] >> 63) for x in range(5)]
        a = [lane ^ d[i % 5] for i, lane in enumerate(a)]
        held = a[1]
        for i, (source, turn) in enumerate(KECCAK_MOVES):
            target = KECCAK_MOVES[(i + 1) % 24][0]
            held, a[target] = a[target], (held << turn | held >> (64 - turn)) & mask
        for row in range(0, 25, 5):
            r = a[row:row + 5]
            for x in range(5):
                a[row + x] = r[x] ^ (~r[(x + 1) % 5] & r[(x + 2) % 5])
        a[0] ^= constant
    return a


@lru_cache(maxsize=None)
def keccak_256(data):
    """1.3 Keccak-256: the sponge of SHA3-256 with padding byte 01 in place of 06."""
    rate = 136
    padded = bytearray(data + bytes(rate - len(data) % rate))
    padded[len(data)] ^= 0x01
    padded[-1] ^= 0x80
    lanes = [0] * 25
    for block in range(0, len(padded), rate):
        for i in range(rate // 8):
            lanes[i] ^= int.from_bytes(padded[block + 8 * i:block + 8 * i + 8], "little")
        lanes = keccak_f(lanes)
    return b"".join(lane.to_bytes(8, "little") for lane in lanes[:4])


# 3.2 The tags, in the order of the table.
TAGS = ["phalanx/" + name for name in (
    "registration/v1", "envelope/v1", "envelope-sign/v1", "inputs/v1", "header/v1", "certificate/v1", "validator-set/v1", "vote-sign/v1",
    "proposal-sign/v1", "job/v1", "agent/v1", "genesis/v1", "state-entry/v1", "state-key/v1", "state-bucket/v1",
    "state-node/v1", "salt/v1", "salted/v1", "sample/v1", "candidates/v2", "roster/v2", "offers/v1", "evidence/v1",
    "policy/v1", "affinity/v1", "directed-question/v1", "directed-answer/v1", "hosted-worker/v1")]


def tagged_bytes(tag, data):
    """3.1, 3.3 tag ‖ 00 ‖ bytes: what is hashed, and what is signed."""
    return tag.encode("ascii") + b"\0" + data


def tagged_hash(tag, data):
    """3.1 The tagged hash."""
    return sha3_256(tagged_bytes(tag, data))
