"""5 Genesis."""

from borsh import borsh
from canonical import read_json
from hashes import tagged_hash
from json_forms import from_json
from words import require


def genesis_hash(genesis):
    """5.1 The genesis hash."""
    return tagged_hash("phalanx/genesis/v1", borsh("Genesis", genesis))


def first_members(genesis):
    """5.3 The first members."""
    keys = {validator["vote_key"] for validator in genesis["validators"]}
    mode, content = genesis["mode"]
    if mode == "federated":
        keys &= {region[0] for region in content["coordinators"].values() if region}
    return [{"key": key, "weight": 1} for key in sorted(keys)]


def read_genesis(data):
    """5.4 The genesis of a document, which is refused unless it holds together."""
    require(len(data) <= 16_777_216, "at most 16,777,216 bytes")
    genesis = from_json("Genesis", read_json(data))
    validators, shards, tenants = genesis["validators"], genesis["shards"], genesis["tenants"]
    require(1 <= len(validators) <= 128 and 1 <= len(shards) <= 64, "1 to 128 validators, 1 to 64 shards")
    for things, field in ((validators, "vote_key"), (validators, "network_key"), (shards, "name"), (tenants, "name")):
        require(len({thing[field] for thing in things}) == len(things), f"a {field} twice")
    names = {shard["name"] for shard in shards}
    named = [name for shard in shards for name in shard["spillover"]]
    named += [latency[end] for latency in genesis["latencies"] for end in ("from", "to")]
    named += [validator["region"] for validator in validators]
    require(set(named) <= names, "a shard that is not there")
    mode_holds_together(genesis["mode"], names, {validator["vote_key"] for validator in validators})
    params_hold_together(genesis["params"])
    return genesis


def mode_holds_together(mode, names, vote_keys):
    """5.4 (5)."""
    kind, content = mode
    keys = []
    if kind == "centralized":
        keys = content["succession"]
        require(1 <= len(keys) <= 128, "1 to 128 in the succession")
    elif kind == "federated":
        regions = content["coordinators"]
        require(4 <= len(regions) <= 64 and set(regions) <= names, "4 to 64 regions, each a shard")
        keys = [key for region in regions.values() for key in region]
    require(set(keys) <= vote_keys, "a key that is no validator's")


def params_hold_together(p):
    """5.4 (6)."""
    require(p["beat_interval_ms"] <= p["idle_beat_ms"], "beat_interval_ms")
    require(10 <= p["idle_beat_ms"] <= p["gap_ms"] < p["lease_ms"], "idle_beat_ms, gap_ms, lease_ms")
    require(262_144 <= p["beat_bytes_max"] <= 4_194_304, "beat_bytes_max")
    for name, least in (("beat_operations_max", 64), ("checkpoint_beats", 1), ("heartbeat_misses_max", 1),
                        ("propose_timeout_ms", 10), ("vote_timeout_ms", 10)):
        require(p[name] >= least, name)
    require(250_000 <= p["curvature_ppm"] <= 4_000_000, "curvature_ppm")
    require(p["dimension"] in (8, 64, 512), "dimension")
    require(sum(p["optimisation"].values()) == 1_000_000, "optimisation")
