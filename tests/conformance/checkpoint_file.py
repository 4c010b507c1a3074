"""21 The checkpoint file.

The text lays out the state's values of column 0 alone. So what 21.1 takes from the others is not re-derived: it is
checked for its form, and against the keys of the state and the other members. That is of `shards` and `workers` all
but the names, of `jobs` all but that each is one of the state's, and of `metrics` how many jobs ended in which way.
"""

from agreement import beat_id
from borsh import ascends_strictly, from_borsh
from canonical import canonical_bytes, read_json
from hashes import sha3_256
from json_forms import from_json, to_json
from snapshots import SNAPSHOT_MAX, read_snapshot
from state import COLUMNS
from vectors import same
from words import from_hex, require

# 21.1 What `jobs` of `metrics` counts.
JOB_STATES = "queued running succeeded failed expired cancelled unknown".split()


def integrity(j):
    """21.1 The hash of the rest."""
    return sha3_256(canonical_bytes({member: value for member, value in j.items() if member != "integrity"})).hex()


def checkpoint_text(members):
    """21.1 The bytes of a checkpoint file with these members, sealed."""
    return canonical_bytes({**members, "integrity": integrity(members)}) + b"\n"


def read_checkpoint_file(data, genesis):
    """21.2 The checks, in order. Gives the object, and what the snapshot gives for its members."""
    require(len(data) <= SNAPSHOT_MAX, "a file that is too long")
    j = read_json(data)
    require(isinstance(j, dict), "no object")
    require(same(j.get("schema"), 1), "another schema")
    require("integrity" in j and same(j["integrity"], integrity(j)), "it is damaged")
    snapshot = read_snapshot(from_hex(j.get("snapshot")), genesis)
    lists = {member: read_list(j, member, t) for member, t in (
        ("shards", "ShownShard"), ("workers", "ShownWorker"), ("jobs", "ShownJob"))}
    check_lists(lists, snapshot["entries"])
    gives = what_settings_give(snapshot) | {
        **{member: j[member] for member in lists}, "metrics": metrics(j, lists, snapshot["entries"]),
        "schema": 1, "snapshot": j["snapshot"], "integrity": j["integrity"]}
    require(same(j, gives), "a member is not what the snapshot gives")
    return gives


def what_settings_give(snapshot):
    """21.1 The members that come from the manifest and the Settings."""
    manifest, settings = snapshot["manifest"], snapshot["settings"]
    return {"genesis": manifest["genesis"].hex(), "mesh": settings["mesh"].hex(),
            "beat": beat_id(manifest["header"]).hex(), "app_hash": manifest["header"]["app_hash"].hex(),
            "height": str(settings["height"]), "time_ms": str(settings["time"]),
            "policy_version": str(settings["policy_version"]), "is_paused": settings["is_paused"],
            "mode": settings["mode"][0], "verification": settings["verification"][0],
            "ledger": to_json("LedgerMark", settings["ledger"])}


def keys_of(entries, column):
    """15.5 The keys of a column, ascending."""
    return sorted(from_borsh(COLUMNS[column], key) for place, key in entries if place == column)


def read_list(j, member, t):
    """21.1 An array, each element in the written form (4.1)."""
    require(isinstance(j.get(member), list), f"{member} is missing")
    values = [from_json(t, x) for x in j[member]]
    require(same([to_json(t, value) for value in values], j[member]), f"{member} in another form")
    return values


def check_lists(lists, entries):
    """21.1 The shards, workers and jobs are those of the state, and a shard has as many waiting as are queued in it."""
    shards, workers, jobs = lists["shards"], lists["workers"], lists["jobs"]
    require([shard["name"] for shard in shards] == keys_of(entries, 1), "other shards")
    require([worker["name"] for worker in workers] == keys_of(entries, 5), "other workers")
    ids = [job["id"] for job in jobs]
    require(ascends_strictly(ids) and set(ids) <= set(keys_of(entries, 6)), "other jobs")
    for shard in shards:
        queued = [job for job in jobs if job["shard"] == shard["name"] and job["state"][0] == "queued"]
        require(shard["waiting"] == len(queued), "another number of waiting jobs")


def metrics(j, lists, entries):
    """21.1 `metrics`: every job of the state is counted once."""
    shown = j.get("metrics")
    require(isinstance(shown, dict) and isinstance(shown.get("jobs"), dict), "metrics are missing")
    jobs = shown["jobs"]
    require(set(jobs) <= set(JOB_STATES) and all(type(n) is int and n > 0 for n in jobs.values()), "no counts of jobs")
    require(sum(jobs.values()) == len(keys_of(entries, 6)), "another number of jobs")
    for state in ("queued", "running"):
        require(jobs.get(state, 0) == sum(job["state"][0] == state for job in lists["jobs"]), f"jobs {state}")
    return {"jobs": jobs, "agents": len(keys_of(entries, 7)), "workers": len(keys_of(entries, 5)),
            "workers_healthy": sum(worker["is_healthy"] and worker["is_open"] for worker in lists["workers"]),
            "validators": len(keys_of(entries, 10))}
