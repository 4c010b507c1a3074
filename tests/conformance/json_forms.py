"""4.1, 4.6, 5.2 The JSON forms of the types: what is written, and what a reader takes."""

from schema import FIXED, INTEGERS, definition, order_of, type_of
from words import DECIMAL, NAME, Refused, from_hex, require

# 5.2 What members of `params` are when they are absent.
PARAMS = {"beat_interval_ms": 50, "idle_beat_ms": 1000, "clock_bound_ms": 500, "message_bound_ms": 1500,
          "gap_ms": 2000, "propose_timeout_ms": 600, "vote_timeout_ms": 300, "round_step_ms": 300,
          "beat_bytes_max": 2097152, "beat_operations_max": 8192, "checkpoint_beats": 32, "expiry_max_ms": 600000,
          "heartbeat_misses_max": 2, "lease_ms": 30000, "spillover_hops_max": 3, "evidence_beats_max": 10000,
          "vote_decay_ppm": 1000000, "curvature_ppm": 1000000, "dimension": 8,
          "optimisation": {"performance_ppm": 400000, "cost_ppm": 200000, "reliability_ppm": 300000,
                           "sustainability_ppm": 100000}}

# 4.6 (2) The members that may be absent, and what they are then.
DEFAULTS = {
    "Genesis": {"params": {}}, "Params": PARAMS,
    "JobSpec": {"deadline_ms": 0, "skills": [], "workload": "batch", "priority": 0, "retries": 0, "once": False},
    "Resources": {"gpu": "none"}, "WorkerResources": {"gpus": 0}, "Work.command": {"args": [], "limits": {}},
    "CommandLimits": {"time_ms": 60000, "cpu_ms": 60000, "memory_mib": 512, "output_bytes": 1048576}}

# 4.1 The options that are written as null when they are none; the others are left out.
NULL_FOR_NONE = {("Vote", "beat"), ("ProposalClaim", "lock_round"), ("Beat", "parent_certificate"),
                 ("Observation", "command"), ("AgentSpec", "position"),
                 ("Affinity", "data")}


def from_json(t, j):
    """4.1, 4.6 The value of a JSON form. Structs become dicts, enums (variant, content), options None or the value."""
    t = type_of(t) if isinstance(t, str) else t
    name = t[0]
    if name in INTEGERS:
        return integer_from_json(name, j)
    if name == "bool":
        require(isinstance(j, bool), "bool expected")
        return j
    if name in ("string", "name"):
        require(isinstance(j, str) and (name == "string" or NAME.fullmatch(j)), f"{name} expected")
        return j
    if name == "data":
        return data_from_json(j)
    if name == "[16]":
        require(isinstance(j, list) and len(j) == 16, "16 numbers expected")
        return bytes(integer_from_json("u8", x) for x in j)
    if name in ("[20]", "bytes"):
        return from_hex(j.lower() if isinstance(j, str) else j, FIXED.get(name))
    if name in FIXED:
        return from_hex(j, FIXED[name])
    if name == "option":
        return None if j is None else from_json(t[1], j)
    if name in ("list", "set"):
        require(isinstance(j, list), "array expected")
        values = [from_json(t[1], x) for x in j]
        return values if name == "list" else sorted(set(values), key=order_of)
    if name == "map":
        require(isinstance(j, dict), "object expected")
        entries = [(from_json(t[1], k), from_json(t[2], v)) for k, v in j.items()]
        return dict(sorted(entries, key=lambda entry: order_of(entry[0])))
    if name == "tuple":
        require(isinstance(j, list) and len(j) == len(t) - 1, f"{len(t) - 1} elements expected")
        return tuple(from_json(part, x) for part, x in zip(t[1:], j))
    kind, parts = definition(t)
    return struct_from_json(name, parts, j) if kind == "struct" else enum_from_json(name, parts, j)


def integer_from_json(name, j):
    """4.1 Integers: decimal strings for u64, else numbers."""
    size, signed = INTEGERS[name]
    if name == "u64":
        require(isinstance(j, str) and DECIMAL.fullmatch(j) and len(j) <= 20, "decimal string expected")
        j = int(j)
    require(type(j) is int, "number expected")
    least = -(2**(8 * size - 1)) if signed else 0
    require(least <= j < least + 2**(8 * size), f"{name} expected")
    return j


def struct_from_json(name, fields, j):
    """4.6 A struct, or the named fields of a variant: an object, or the array of its values."""
    if isinstance(j, list):
        require(len(j) <= len(fields), f"at most {len(fields)} values expected")
        j = {field: x for (field, _), x in zip(fields, j)}
    require(isinstance(j, dict) and not getattr(j, "twice", False), "an object without a member twice expected")
    absent = DEFAULTS.get(name, {})
    known = {field for field, _ in fields}
    needed = {field for field, t in fields if t[0] != "option"} - set(absent)
    require(needed <= set(j) <= known, f"members {sorted(needed)} expected, {sorted(j)} found")
    return {field: from_json(t, j[field] if field in j else absent.get(field)) for field, t in fields}


def enum_from_json(name, variants, j):
    for variant, form, content in variants:
        if form == "none" and (j == variant or isinstance(j, dict) and dict(j) == {variant: None}):
            return variant, None
        if form != "none" and isinstance(j, dict) and list(j) == [variant] and not getattr(j, "twice", False):
            if form == "value":
                return variant, from_json(content, j[variant])
            return variant, struct_from_json(f"{name}.{variant}", content, j[variant])
    raise Refused(f"a variant of {name} expected")


def data_from_json(j):
    """17.7 (4) `data` of a receipt: an object of values without null and without fractions."""
    require(isinstance(j, dict), "data is an object")
    todo = [j]
    while todo:
        v = todo.pop()
        require(v is not None and type(v) is not float, "null or a fraction in data")
        require(type(v) is not int or v < 2**63, "a number beyond 64 bits in data")
        todo += v.values() if isinstance(v, dict) else v if isinstance(v, list) else ()
    return j


def to_json(t, v):
    """4.1 The form in which a value is written."""
    t = type_of(t) if isinstance(t, str) else t
    name = t[0]
    if name == "u64":
        return str(v)
    if name == "option":
        return to_json(t[1], v)
    if name == "[16]":
        return list(v)
    if isinstance(v, bytes):
        return v.hex()
    if name in ("list", "set"):
        return [to_json(t[1], x) for x in v]
    if name == "map":
        return {to_json(t[1], k): to_json(t[2], x) for k, x in v.items()}
    if name == "tuple":
        return [to_json(part, x) for part, x in zip(t[1:], v)]
    if name in ("data", "bool", "string", "name") or name in INTEGERS:
        return v
    kind, parts = definition(t)
    if kind == "struct":
        return struct_to_json(name, parts, v)
    variant, value = v
    form, content = next((form, content) for known, form, content in parts if known == variant)
    if form == "none":
        return variant
    return {variant: to_json(content, value) if form == "value" else struct_to_json(name, content, value)}


def struct_to_json(name, fields, v):
    """4.1 A struct: an option that is none is null in NULL_FOR_NONE, else absent."""
    return {field: None if v[field] is None else to_json(t, v[field])
            for field, t in fields if v[field] is not None or (name, field) in NULL_FOR_NONE}
