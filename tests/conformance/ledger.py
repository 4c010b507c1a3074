"""5 to 18 ledger.json: a whole small ledger."""

from agreement import (
    agent_id, beat_id, certificate_hash, decides, envelope_id, hands_over, inputs_root, registered_hash, set_hash,
    well_formed)
from borsh import ascends_strictly, borsh, from_borsh
from checkpoints import (
    changes_registered, checkpoint_hash, next_registered, shows_registered, verification_words)
from ed25519 import signature_holds
from genesis import first_members, genesis_hash
from proof_trees import Agents, interval_audit
from receipts import (
    commitment, genesis_receipt, hidden_positions, hidden_record, in_data, is_well_made, read_receipt, receipt_hash)
from schema import TYPES
from state import COLUMNS, app_hash, genesis_settings
from store import TABLES, number, record_checksum, subject_key
from trees import edge, history_leaf, history_root, interval_leaf, interval_root, tiles
from vectors import is_refused, same
from words import ZERO, require


def check_ledger(v):
    """ledger.json."""
    genesis = v["genesis"].typed("Genesis")
    v["genesis_hash"].check(genesis_hash(genesis))
    v["tables"].holds(sorted(v["tables"].value) == sorted(TABLES), "the tables of 18.1")
    stored = {table: check_table(v["tables"][table], table) for table in TABLES}
    receipts = check_ledger_receipts(v["tables"]["receipts"], genesis)
    beats = check_ledger_beats(v["beats"], genesis, stored["sets"], receipts)
    check_ledger_sets(v["tables"]["sets"], genesis, beats)
    check_ledger_commands(beats, receipts)
    registered = check_ledger_registered(genesis, beats, receipts)
    audits = ledger_trees(beats, receipts)
    checkpoints = check_ledger_checkpoints(v["checkpoints"], genesis, beats, receipts, registered, audits)
    entries = check_ledger_state(v["tables"]["state"])
    check_ledger_settings(v["tables"]["state"], entries, genesis, beats, receipts, checkpoints, stored["sets"],
                          registered[-1])
    tip = ledger_tip(beats, receipts, checkpoints, app_hash(entries))
    beats[-1]["vector"]["beat"]["header"]["app_hash"].check(tip["app_hash"])
    v["tip"].check({field: value if isinstance(value, bytes) else str(value) for field, value in tip.items()
                    if field not in ("header", "certificate")})
    leaves = [history_leaf(r["canonical"]) for r in receipts]
    compare_table(v["tables"]["meta"], {
        b"schema": borsh("u32", 1), b"genesis": borsh("Genesis", genesis), b"tip": borsh("Tip", tip),
        b"edge": edge(leaves)})
    compare_table(v["tables"]["beats"], {number(b["height"]): borsh("Beat", b["beat"]) for b in beats})
    compare_table(v["tables"]["certificates"],
                  {number(b["height"]): borsh("CommitCertificate", b["certificate"]) for b in beats})
    compare_table(v["tables"]["handovers"], {
        number(b["height"] + 1): borsh("(Header, CommitCertificate)", (b["header"], b["certificate"]))
        for b in beats if hands_over(b["header"])})
    compare_table(v["tables"]["ranges"], {number(h): borsh("(u64, u64)", r) for h, r in ranges(beats, receipts)})
    compare_table(v["tables"]["subjects"], {subject_key(r["receipt"]["subject"], i): b""
                                            for i, r in enumerate(receipts)})
    compare_table(v["tables"]["tiles"], {bytes([level]) + number(n): payload for level, n, payload in tiles(leaves)})
    compare_table(v["tables"]["checkpoints"], {number(c["number"]): borsh("Checkpoint", c) for c in checkpoints})
    compare_table(v["tables"]["hidden"], ledger_hidden(beats, receipts))
    compare_table(v["tables"]["audit"], {number(c["number"]): borsh("StoredAudit", c["audit"]) for c in checkpoints})


def check_table(v, table):
    """18.2, 18.3 The records of a table: ascending, each with its checksum. Gives {key: payload}."""
    records = {}
    for item in v:
        key, payload = item["key"].hex(), item["payload"].hex()
        item["stored"].check(payload + record_checksum(table, key, payload))
        records[key] = payload
    v.holds(ascends_strictly([item["key"].hex() for item in v]), "keys ascend strictly")
    return records


def compare_table(v, expected):
    """The records of a table are exactly these."""
    v.holds(len(v) == len(expected), f"{len(expected)} records")
    for item, (key, payload) in zip(v, sorted(expected.items())):
        item["key"].check(key)
        item["payload"].check(payload)


def check_ledger_receipts(v, genesis):
    """10 The receipts and their chain."""
    receipts, previous = [], ZERO
    for index, item in enumerate(v):
        canonical = item["payload"].hex()
        receipt = read_receipt(canonical)
        item["key"].check(number(index))
        item["payload"].holds(receipt["index"] == index, "its index is its place")
        item["payload"].holds(receipt["previous_hash"] == previous, "its previous_hash is the hash of the one before")
        item["payload"].holds(is_well_made(receipt), "its causes and its actor are as 10.1 says")
        if index == 0:
            item["payload"].holds(same(receipt, genesis_receipt(genesis)), "the genesis receipt of 10.7")
        previous = receipt_hash(canonical)
        receipts.append({"receipt": receipt, "canonical": canonical, "hash": previous, "beat": receipt["beat"],
                         "vector": item})
    heights = [r["beat"] for r in receipts]
    v.holds(heights == sorted(heights) and heights.count(0) == 1, "receipts go through all beats, one at height 0")
    return receipts


def check_ledger_beats(v, genesis, sets, receipts):
    """7, 8, 9 The chain of beats, with their inputs, receipts and certificates."""
    parent = {"id": genesis_hash(genesis), "time": genesis["time"], "set": set_hash(first_members(genesis)),
              "members": None, "certificate": ZERO}
    beats, members = [], None
    for height, item in enumerate(v, start=1):
        beat, own = item["beat"].typed("Beat"), [r for r in receipts if r["beat"] == height]
        header, head = beat["header"], item["beat"]["header"]
        certificate = item["certificate"].typed("CommitCertificate")
        if number(height) in sets:
            members = from_borsh("ValidatorSet", sets[number(height)])["members"]
        head["mesh"].check(genesis["mesh"])
        head["height"].check(str(height))
        head["parent"].check(parent["id"])
        head["time"].holds(header["time"] > parent["time"], "greater than the parent's")
        head["inputs_root"].check(inputs_root(beat["envelopes"], beat["evidence"]))
        head["receipts_root"].check(interval_root([interval_leaf(r["hash"]) for r in own]))
        head["validator_set"].check(parent["set"])
        head["validator_set"].check(set_hash(members))
        check_parent_certificate(item["beat"], beat, parent)
        check_beat_inputs(item["beat"]["envelopes"], beat, genesis)
        check_beat_receipts(own, beat)
        item["height"].check(height)
        item["id"].check(beat_id(header))
        item["certificate_hash"].check(certificate_hash(certificate))
        item["certificate"].holds(decides(certificate, header, members), "it decides the beat (7.4)")
        item["first_receipt"].check(str(sum(r["beat"] < height for r in receipts)))
        item["receipt_count"].check(len(own))
        parent = {"id": beat_id(header), "time": header["time"], "set": header["next_validator_set"],
                  "members": members, "header": header}
        beats.append({"height": height, "beat": beat, "header": header, "certificate": certificate, "vector": item})
    return beats


def check_parent_certificate(v, beat, parent):
    """9.2 parent_certificate."""
    certificate = beat["parent_certificate"]
    v["header"]["parent_certificate"].check(certificate_hash(certificate) if certificate else ZERO)
    v["parent_certificate"].holds(
        decides(certificate, parent["header"], parent["members"]) if parent["members"] else certificate is None,
        "the parent's certificate, none at height 1")


def check_beat_inputs(v, beat, genesis):
    """8.2 The envelopes of a beat and their signatures."""
    for item, signed in zip(v, beat["envelopes"]):
        envelope = signed["envelope"]
        item["signature"].holds(signature_holds("phalanx/envelope-sign/v1", envelope_id(envelope),
                                                envelope["sender"], signed["signature"]), "the signature holds")
        item["envelope"]["mesh"].check(genesis["mesh"])


def check_beat_receipts(own, beat):
    """10.1 What the receipts of a beat take from it."""
    ids = {ZERO} | {envelope_id(signed["envelope"]) for signed in beat["envelopes"]}
    for r in own:
        r["vector"].holds(r["receipt"]["time_ms"] == beat["header"]["time"], "its beat's time")
        r["vector"].holds(r["receipt"]["policy_version"] == beat["header"]["policy_version"],
                          "the policy version after its beat")
        r["vector"].holds(r["receipt"]["inputs"] in ids, "the id of an envelope of its beat, or zero")


def check_ledger_sets(v, genesis, beats):
    """18.3 The sets; their proposers are not re-derived, since the text does not say how they are chosen."""
    hashes = {1: set_hash(first_members(genesis))}
    hashes |= {b["height"] + 1: b["header"]["next_validator_set"] for b in beats if hands_over(b["header"])}
    v.holds(len(v) == len(hashes), f"{len(hashes)} records")
    for item, (height, hash_) in zip(v, sorted(hashes.items())):
        validator_set = from_borsh("ValidatorSet", item["payload"].hex())
        item["key"].check(number(height))
        item["payload"].holds(well_formed(validator_set), "the set is well formed")
        item["payload"].holds(set_hash(validator_set["members"]) == hash_, "the headers' hash")


# 4.3 The commands that leave alone what the Settings had at the genesis, but for `registered`.
CALM_COMMANDS = ("set_shard set_shard_budget set_shard_weight set_spillover set_tenant set_validator remove_validator "
                 "set_validators approve_worker revoke_worker admit_peer ban_peer set_policy remove_policy").split()


def commands_of(beat):
    """4.4 The owner's commands in a beat."""
    return [command for signed in beat["envelopes"] for kind, command in signed["envelope"]["operations"]
            if kind == "command"]


def check_ledger_commands(beats, receipts):
    """In this ledger every command takes effect in its beat, and none changes level, mode, params, pause or chain."""
    operations = [kind for b in beats for signed in b["beat"]["envelopes"]
                  for kind, _ in signed["envelope"]["operations"]]
    require("observe" not in operations, "a command of the chain")
    require(all(kind in CALM_COMMANDS for b in beats for kind, _ in commands_of(b["beat"])), "a command of other kind")
    refused = [r for r in receipts if r["receipt"]["kind"][0] == "owner_command_refused"]
    require(not refused, "a command that was refused")


def change_validators(validators, command):
    """4.3, 6.4 The validators of the state after a command, from vote key to Validator."""
    kind, content = command
    if kind == "set_validator":
        return {**validators, content["validator"]["vote_key"]: content["validator"]}
    if kind == "remove_validator":
        return {key: validator for key, validator in validators.items() if key != content["vote_key"]}
    if kind == "set_validators":
        return {validator["vote_key"]: validator for validator in content["validators"]}
    return validators


def check_ledger_registered(genesis, beats, receipts):
    """6.4, 16.2 `registered` of each height from 0 on, and the receipts of the beats that change it."""
    validators = {validator["vote_key"]: validator for validator in genesis["validators"]}
    registered = [genesis_settings(genesis)["registered"]]
    for b in beats:
        for command in commands_of(b["beat"]):
            validators = change_validators(validators, command)
        registered.append(next_registered(registered[-1], registered_hash(validators.values())))
        own = [r for r in receipts
               if r["beat"] == b["height"] and r["receipt"]["kind"][0] == "validators_registered"]
        b["vector"].holds(len(own) == changes_registered(registered[-1]),
                          "a receipt validators_registered if the registered set changes")
        for r in own:
            r["vector"].holds(shows_registered(r["receipt"], registered[-1]), "the epoch and the sets of 16.2")
    return registered


def check_ledger_checkpoints(v, genesis, beats, receipts, registered, trees):
    """16 The checkpoints. One closes at each multiple of checkpoint_beats, and where the registered set changes."""
    per = genesis["params"]["checkpoint_beats"]
    lasts = [b["height"] for b in beats if b["height"] % per == 0 or changes_registered(registered[b["height"]])]
    level, fraction = verification_words(genesis["verification"])
    checkpoints, parent, first_beat, first_receipt = [], ZERO, 0, 0
    v.holds(len(v) == len(lasts), f"{len(lasts)} checkpoints")
    closing = [r["beat"] for r in receipts if r["receipt"]["kind"][0] == "checkpoint_closed"]
    v.holds(closing == lasts, "a receipt checkpoint_closed in each last beat")
    for count, (item, height) in enumerate(zip(v, lasts), start=1):
        last, own_set = beats[height - 1]["header"], registered[height]
        so_far = [r for r in receipts if r["beat"] <= last["height"]]
        own = so_far[first_receipt:]
        own[-1]["vector"].holds(own[-1]["receipt"]["kind"][0] == "checkpoint_closed", "the interval's last receipt")
        agents, audit, audit_root = trees(first_beat, last["height"])
        checkpoint = {
            "version": 1, "number": count, "parent": parent, "mesh": genesis["mesh"], "first_beat": first_beat,
            "last_beat": last["height"], "first_receipt": first_receipt, "receipt_count": len(own),
            "interval_root": interval_root([interval_leaf(r["hash"]) for r in own]),
            "history_root": history_root([history_leaf(r["canonical"]) for r in so_far]),
            "history_size": len(so_far), "app_hash": last["app_hash"], "agents_root": agents, "audit_root": audit_root,
            "set_epoch": own_set["epoch"], "set_hash": own_set["hash"], "next_set_hash": own_set["next"],
            "verification_level": level,
            "verification_fraction_ppm": fraction, "time": last["time"]}
        in_json = {field: str(checkpoint[field]) if t == ("u64",) else checkpoint[field]
                   for field, t in TYPES["Checkpoint"][1]}
        parent, first_beat, first_receipt = checkpoint_hash(checkpoint), last["height"] + 1, len(so_far)
        item["json"].check(in_json)
        item["hash"].check(parent)
        checkpoints.append(checkpoint | {"audit": audit})
    return checkpoints


def agent_specs(beats):
    """8.3 The agents that the envelopes made, by id."""
    agents = {}
    for b in beats:
        for signed in b["beat"]["envelopes"]:
            id_ = envelope_id(signed["envelope"])
            for place, (kind, spec) in enumerate(signed["envelope"]["operations"]):
                if kind == "spawn_agent":
                    agents[agent_id(id_, place).hex()] = spec
    return agents


def ledger_trees(beats, receipts):
    """16.6, 16.7 The trees: a function that goes on from one interval's last beat to the next one's, and gives agents
    root, what is stored of the audit tree, and its root."""
    operations = [op for b in beats for signed in b["beat"]["envelopes"] for op in signed["envelope"]["operations"]]
    workers = {offer["worker"]: offer["resources"] for kind, offer in operations if kind == "offer_worker"}
    agents, digest = Agents(agent_specs(beats), workers), [ZERO]

    def interval(first, last):
        taken = []
        for height in range(first, last + 1):
            own = [r for r in receipts if r["beat"] == height]
            leaves = [agents.take(r["receipt"]) for r in own if r["receipt"]["kind"][0].startswith("agent_")]
            root = interval_root([interval_leaf(r["hash"]) for r in own])
            taken.append((height, root, [leaf for leaf in leaves if leaf is not None]))
        stored, root = interval_audit(digest[0], taken)
        digest[0] = stored["leaves"][-1]
        return agents.root(), stored, root

    return interval


def check_ledger_state(v):
    """15, 18.3 The state's entries."""
    entries = {}
    for item in v:
        column, key = item["key"].hex()[0], item["key"].hex()[1:]
        item["key"].holds(column < len(COLUMNS) and not is_refused(lambda k: from_borsh(COLUMNS[column], k), key),
                          "a column and a key of 15.5")
        entries[column, key] = item["payload"].hex()
    return entries


def check_ledger_settings(v, entries, genesis, beats, receipts, checkpoints, sets, registered):
    """15.6, 15.7 What the state after the last beat says of itself and of the ledger before that beat."""
    header, height = beats[-1]["header"], beats[-1]["height"]
    settings = from_borsh("Settings", entries[0, b"\0"])
    before = [r for r in receipts if r["beat"] < height]
    closed = [c for c in checkpoints if c["last_beat"] < height]
    mark = {"checkpoint": closed[-1]["number"] if closed else 0,
            "checkpoint_hash": checkpoint_hash(closed[-1]) if closed else ZERO,
            "checkpoint_digest": closed[-1]["audit"]["leaves"][-1] if closed else ZERO,
            "next_receipt": len(before), "previous_hash": before[-1]["hash"]}
    own = [from_borsh("ValidatorSet", payload)["members"] for key, payload in sorted(sets.items())
           if key <= number(height)][-1]
    v.holds(header["mesh"] == genesis["mesh"], "the mesh of the genesis")
    for field, value in (genesis_settings(genesis) | {
            "policy_version": header["policy_version"], "registered": registered, "height": height,
            "time": header["time"], "ledger": mark}).items():
        v.holds(settings[field] == value, f"{field} of 15.6 and 15.7")
    v.holds(settings["last_set"]["members"] == own, "the set that decided the last beat")
    v.holds(set_hash(settings["next_set"]["members"]) == header["next_validator_set"], "the set of the next height")
    v.holds(header["proposer"] in settings["last_set"]["proposers"], "the proposer is one of the last set's")


def ledger_tip(beats, receipts, checkpoints, state):
    """18.4 The tip."""
    last, closed = beats[-1], checkpoints[-1] if checkpoints else None
    return {"height": last["height"], "header": last["header"], "header_id": beat_id(last["header"]),
            "certificate": last["certificate"], "time": last["header"]["time"], "next_receipt": len(receipts),
            "previous_hash": receipts[-1]["hash"], "app_hash": state,
            "checkpoint": closed["number"] if closed else 0,
            "checkpoint_hash": checkpoint_hash(closed) if closed else ZERO,
            "checkpoint_digest": closed["audit"]["leaves"][-1] if closed else ZERO,
            "interval_beat": closed["last_beat"] + 1 if closed else 0,
            "interval_receipt": closed["history_size"] if closed else 0}


def ranges(beats, receipts):
    """18.3 The ranges: from each height to (index of its first receipt, number of its receipts)."""
    for height in range(len(beats) + 1):
        yield height, (sum(r["beat"] < height for r in receipts), sum(r["beat"] == height for r in receipts))


def ledger_hidden(beats, receipts):
    """11.1, 11.5 The hidden records: the positions of the agents that the envelopes made."""
    agents, records = agent_specs(beats), {}
    for index, r in enumerate(receipts):
        receipt, data = r["receipt"], r["receipt"]["data"]
        salted = {key for key, x in data.items() if isinstance(x, dict) and list(x) == ["salted"]}
        if salted:
            fields = hidden_positions(receipt, agents[receipt["subject"]])
            r["vector"].holds({key for key, _, _ in fields} == salted, "the hidden fields of 11.1")
            for key, salt, value in fields:
                r["vector"].holds(same(data[key], in_data(commitment(salt, value))), f"the commitment of {key}")
            records[number(index)] = hidden_record(fields)
    return records
