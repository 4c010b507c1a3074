"""10 to 12 Receipts, hidden fields, sampling."""

import re

from agreement import set_hash
from borsh import ascends_strictly, u32, u64
from canonical import canonical_bytes, read_json
from genesis import first_members, genesis_hash
from hashes import sha3_256, tagged_hash
from json_forms import from_json, to_json
from schema import TYPES
from words import ZERO, require

# 10.4 The kinds; those in the second list are written at every verification level.
KINDS = [kind for kind, _, _ in TYPES["ReceiptKind"][1]]
ALWAYS = ("genesis owner_command owner_command_refused attempt_ended job_ended evidence quarantine "
          "validators_changed validators_registered chain_diverged checkpoint_closed").split()


def receipt_rules(receipt):
    """10.1, 10.3 The trace id, keys and numbers of a receipt, as 17.7 (6) asks."""
    trace_id = receipt["trace_id"]
    require(trace_id is None or re.fullmatch("[0-9a-f]{32}", trace_id), "a trace id has 32 hex digits")
    data_rules(receipt["data"])


def data_rules(v):
    """10.3 Keys are ASCII, numbers have 32 bits."""
    if type(v) is int:
        require(-(2**31) <= v < 2**32, "a number beyond 32 bits")
    if isinstance(v, dict):
        require(all(key.isascii() for key in v), "a key beyond ASCII")
    for x in v.values() if isinstance(v, dict) else v if isinstance(v, list) else ():
        data_rules(x)


def receipt_bytes(receipt):
    """10.2 The canonical bytes of a receipt."""
    return canonical_bytes(to_json("Receipt", receipt))


def read_receipt(data):
    """10.8 The receipt with these canonical bytes."""
    require(len(data) <= 65536, "a receipt has at most 65,536 bytes")
    receipt = from_json("Receipt", read_json(data))
    receipt_rules(receipt)
    require(receipt_bytes(receipt) == data, "another form")
    return receipt


def is_well_made(receipt):
    """10.8 What a reader does not check: the causes and the actor."""
    causes, actor = receipt["causes"], receipt["actor"]
    return (ascends_strictly(causes) and all(cause < receipt["index"] for cause in causes)
            and (actor in ("fabric", "genesis") or re.fullmatch("[0-9a-f]{64}", actor) is not None))


def receipt_hash(canonical):
    """10.5 The hash of a receipt."""
    return sha3_256(canonical)


def genesis_receipt(genesis):
    """10.7 The receipt of height 0."""
    data = {"genesis": genesis_hash(genesis).hex(), "mesh": genesis["mesh"].hex(), "owner": genesis["owner"].hex(),
            "mode": genesis["mode"][0], "set": set_hash(first_members(genesis)).hex()}
    if genesis["chain"]:
        data |= {"chain_id": str(genesis["chain"]["chain_id"]), "contract": "0x" + genesis["chain"]["contract"].hex(),
                 "code_hash": genesis["chain"]["code_hash"].hex()}
    return {"actor": "genesis", "beat": 0, "causes": [], "data": data, "index": 0, "inputs": ZERO,
            "kind": ("genesis", None), "policy_version": 0, "previous_hash": ZERO, "subject": genesis["mesh"].hex(),
            "tenant": None, "time_ms": genesis["time"], "trace_id": None}


def salt_bytes(secret, key, context):
    """11.1 What is hashed under the salt's tag."""
    return secret + u32(len(key.encode())) + key.encode() + context


def salt(secret, key, context):
    """11.1 The salt."""
    return tagged_hash("phalanx/salt/v1", salt_bytes(secret, key, context))


def hidden_positions(receipt, spec):
    """11.1, 11.5 What a receipt about an agent hides: (key, salt, value) in their order."""
    nonce = int(receipt["data"]["nonce"])
    hidden = {"agent_spawned": [("position_after", nonce)],
              "agent_migrated": [("position_before", nonce - 1), ("position_after", nonce)],
              "agent_moved": [("position_before", nonce - 1), ("position_after", nonce)],
              "agent_terminated": [("position_before", nonce - 1)]}[receipt["kind"][0]]
    return [(key, salt(spec["seed"], key, spec["stack"] + u64(at)), [str(x) for x in spec["position"]])
            for key, at in hidden]


def commitment(salt_, value):
    """11.2 The commitment to a value."""
    return tagged_hash("phalanx/salted/v1", salt_ + canonical_bytes(value))


def in_data(commitment_):
    """11.3 What stands in data."""
    return {"salted": commitment_.hex()}


def hidden_record(fields):
    """11.5 What is kept beside the ledger; fields are (key, salt, value)."""
    return canonical_bytes([{"key": key, "salt": salt_.hex(), "value": value} for key, salt_, value in fields])


def sample_digest(parent, subject):
    """12.2 d."""
    return tagged_hash("phalanx/sample/v1", parent + subject.encode())


def sample_number(digest):
    """12.2 n."""
    return int.from_bytes(digest[:4], "big")


def is_sampled(kind, ppm, fraction_ppm):
    """12.2 Does it become a receipt at level `sample`?"""
    return kind in ALWAYS or ppm < fraction_ppm
