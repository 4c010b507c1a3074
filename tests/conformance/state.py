"""15 State and app hash."""

from functools import lru_cache

from agreement import registered_hash
from borsh import u32
from hashes import tagged_hash
from words import ZERO

# 15.5 The types of the columns' keys.
COLUMNS = ["u8", "name", "name", "key", "name", "name", "hash", "hash", "(name, name)", "(name, name, key)", "key",
           "u64", "hash", "(key, key, Fault, u64)", "key", "name", "(u64, key)", "string", "u64"]


def genesis_settings(genesis):
    """15.6, 15.7 What the Settings hold in the state of the genesis, as far as the text says it; but for the sets."""
    own = registered_hash(genesis["validators"])
    chain = {"applied": 0, "head": ZERO, "block": 0, "has_diverged": False} if genesis["chain"] else None
    return {"mesh": genesis["mesh"], "owner": genesis["owner"], "chain": chain, "params": genesis["params"],
            "mode": genesis["mode"], "verification": genesis["verification"], "policy_version": 0,
            "registered": {"epoch": 0, "hash": own, "next": own}, "thermostat_ppm": 1_000_000, "height": 0,
            "time": genesis["time"], "patrol": ZERO, "actions": 0,
            "ledger": {"checkpoint": 0, "checkpoint_hash": ZERO, "checkpoint_digest": ZERO, "next_receipt": 0,
                       "previous_hash": ZERO}}


def state_place(column, key):
    """15.1 An entry's place."""
    return tagged_hash("phalanx/state-key/v1", bytes([column]) + key)


def state_bucket(place):
    """15.1 The bucket of a place."""
    return int.from_bytes(place[:2], "big")


def entry_hash(column, key, value):
    """15.2 An entry's hash."""
    return tagged_hash("phalanx/state-entry/v1", bytes([column]) + u32(len(key)) + key + value)


def bucket_hash(entry_hashes):
    """15.3 A bucket's hash."""
    return tagged_hash("phalanx/state-bucket/v1", b"".join(sorted(entry_hashes)))


def state_node(left, right):
    """15.4 An inner node."""
    return tagged_hash("phalanx/state-node/v1", left + right)


@lru_cache(maxsize=None)
def empty_level(height):
    """15.4 The hash of an empty subtree."""
    return bucket_hash([]) if height == 0 else state_node(empty_level(height - 1), empty_level(height - 1))


def state_buckets(entries):
    """15.1 From each bucket that is not empty to its entries' hashes, sorted; entries is {(column, key): value}."""
    buckets = {}
    for (column, key), value in entries.items():
        buckets.setdefault(state_bucket(state_place(column, key)), []).append(entry_hash(column, key, value))
    return {bucket: sorted(hashes) for bucket, hashes in sorted(buckets.items())}


def subtree_root(entries, height, number):
    """15.4 The root of subtree `number` of a height, which has all entries. Those without entries are not walked."""
    level = {bucket: bucket_hash(hashes) for bucket, hashes in state_buckets(entries).items()}
    for below in range(height):
        empty = empty_level(below)
        level = {i: state_node(level.get(2 * i, empty), level.get(2 * i + 1, empty)) for i in {j // 2 for j in level}}
    return level.get(number, empty_level(height))


def app_hash(entries):
    """15.4 The app hash: the root over all buckets."""
    return subtree_root(entries, 16, 0)
