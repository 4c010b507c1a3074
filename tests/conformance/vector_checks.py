"""19 One check for each vector file but ledger.json."""

import json

from agreement import (
    VALIDATOR_TYPE, beat_id, certificate_hash, certificate_holds, envelope_id, evidence_hash, inputs_bytes, inputs_root, job_id,
    precommit_body, proposal_body, registered_hash, set_hash, signers_weight, total_weight, vote_body, well_formed)
from borsh import borsh, from_borsh
from canonical import canonical_bytes
from checkpoints import CHECKPOINT_TYPE, checkpoint_hash, checkpoint_type_hash, checkpoint_words
from ed25519 import public_key, sign, signature_holds
from frames import frame, read_frames
from genesis import first_members, genesis_hash, read_genesis
from hashes import TAGS, keccak_256, sha3_256, tagged_bytes, tagged_hash
from json_forms import PARAMS, from_json
from proof import EXIT_CODES, Verdict, verify_proof
from receipts import (
    ALWAYS, KINDS, commitment, hidden_record, in_data, is_sampled, is_well_made, read_receipt, receipt_hash, salt,
    salt_bytes, sample_digest, sample_number)
from schema import FIXED, INTEGERS, TYPES, type_of
from state import app_hash, bucket_hash, empty_level, entry_hash, state_bucket, state_buckets, state_place
from store import TABLES, number, record_checksum, record_preimage
from trees import (
    consistency_holds, consistency_proof, edge, edge_counts, edge_root, history_leaf, history_node, history_root,
    inclusion_holds, inclusion_path, interval_leaf, interval_node, interval_root, tiles)
from vectors import is_refused, same
from words import Refused, ZERO, from_hex, require


def check_borsh(v):
    """borsh.json, section 2."""
    for item in v["values"]:
        t = item["type"].use()
        require(type_of(t)[0] in TYPES or type_of(t)[0] in (*INTEGERS, *FIXED, "bool", "string", "name", "bytes",
                                                            "option", "list", "set", "map"), f"unknown type {t}")
        j = item["value"].use()
        if type_of(t)[0] == "option":
            value = from_json(type_of(t)[1], j[0]) if j else None
        elif type_of(t)[0] == "map":
            value = from_json(type_of(t), dict(j))
        else:
            value = from_json(t, j)
        item["bytes"].check(borsh(t, value))
        item["value"].holds(from_borsh(t, item["bytes"].hex()) == value, "the bytes decode to the value")


def check_hashes(v):
    """hashes.json, sections 1.3, 3.1 and 3.2."""
    v["tags"].check(TAGS)
    for item in v["tagged"]:
        tag, data = item["tag"].use(), item["bytes"].hex()
        item["tag"].holds(tag in TAGS, "a tag of 3.2")
        item["preimage"].check(tagged_bytes(tag, data))
        item["hash"].check(tagged_hash(tag, data))
    for text in v["sha3_256"].value:
        v["sha3_256"][text].check(sha3_256(text.encode()))


def check_agreement(v):
    """agreement.json, sections 3.3, 3.4 and 6 to 9."""
    seeds = {}
    for item in v["keys"]:
        key = public_key(item["seed"].hex())
        item["public"].check(key)
        seeds[key] = item["seed"].hex()
    check_signed(v["votes"], "Vote", vote_body, "phalanx/vote-sign/v1", seeds)
    check_signed(v["proposals"], "ProposalClaim", proposal_body, "phalanx/proposal-sign/v1", seeds)
    members = check_validator_set(v["validator_set"])
    check_registered_set(v["registered_set"])
    certificate = check_certificate(v["certificate"], members, seeds)
    check_quorums(v["quorums"], certificate, members)
    envelopes = [check_envelope(item, seeds) for item in v["envelopes"]]
    evidence = [check_evidence(item, seeds) for item in v["evidence"]]
    check_inputs(v["inputs"], envelopes, evidence)
    header = v["header"]["json"].typed("Header")
    v["header"]["borsh"].check(borsh("Header", header))
    v["header"]["id"].check(beat_id(header))
    for item in v["ed25519"]:
        item["what"].label()
        tag, body = item["tag"].use(), item["body"].hex()
        item["signed_bytes"].check(tagged_bytes(tag, body))
        item["is_valid"].check(signature_holds(tag, body, item["key"].hex(), item["signature"].hex()))


def check_signed(v, t, body_of, tag, seeds):
    """7.1, 7.2 Votes and proposals."""
    for item in v:
        message = item["json"].typed(t)
        body, key = body_of(message), message["validator"]
        item["borsh"].check(body)
        item["tag"].check(tag)
        item["signed_bytes"].check(tagged_bytes(tag, body))
        item["signature"].check(sign(tag, body, seeds[key]))
        item["signature"].holds(signature_holds(tag, body, key, item["signature"].hex()), "the signature holds")


def check_registered_set(v):
    """6.4 The registered set."""
    v["type"].check(VALIDATOR_TYPE)
    v["type_hash"].check(keccak_256(VALIDATOR_TYPE.encode()))
    v["hash"].check(registered_hash([item.typed("Validator") for item in v["validators"]]))


def check_validator_set(v):
    """6.1, 6.2 The validator set."""
    validator_set = v["json"].typed("ValidatorSet")
    v["json"].holds(well_formed(validator_set), "the set is well formed")
    v["borsh"].check(borsh("ValidatorSet", validator_set))
    v["members_borsh"].check(borsh("list<Member>", validator_set["members"]))
    v["hash"].check(set_hash(validator_set["members"]))
    return validator_set["members"]


def check_certificate(v, members, seeds):
    """7.3, 7.4 The certificate."""
    certificate = v["json"].typed("CommitCertificate")
    v["borsh"].check(borsh("CommitCertificate", certificate))
    v["hash"].check(certificate_hash(certificate))
    for item, (key, _) in zip(v["json"]["signatures"], certificate["signatures"]):
        item[1].check(sign("phalanx/vote-sign/v1", precommit_body(certificate, key), seeds[key]))
    v["json"].holds(certificate_holds(certificate, members), "the certificate holds")
    return certificate


def check_quorums(v, certificate, members):
    """6.3, 7.4 Some signers of the certificate."""
    for item in v:
        signers = [from_hex(key) for key in item["signers"].use()]
        part = {**certificate, "signatures": [(k, s) for k, s in certificate["signatures"] if k in signers]}
        item["signers"].check([key for key, _ in part["signatures"]])
        item["weight"].check(signers_weight(part, members))
        item["total"].check(total_weight(members))
        item["is_quorum"].check(certificate_holds(part, members))


def check_envelope(v, seeds):
    """8.1 to 8.3 An envelope."""
    signed, tag = v["json"].typed("SignedEnvelope"), "phalanx/envelope-sign/v1"
    envelope, id_ = signed["envelope"], envelope_id(signed["envelope"])
    v["borsh"].check(borsh("Envelope", envelope))
    v["id"].check(id_)
    v["job_id_0"].check(job_id(id_, 0))
    v["job_id_1"].check(job_id(id_, 1))
    v["signed_bytes"].check(tagged_bytes(tag, id_))
    v["json"]["signature"].check(sign(tag, id_, seeds[envelope["sender"]]))
    v["json"].holds(signature_holds(tag, id_, envelope["sender"], signed["signature"]), "the signature holds")
    v["signed_borsh"].check(borsh("SignedEnvelope", signed))
    return signed


def check_evidence(v, seeds):
    """8.5 Evidence, with its signatures."""
    evidence = v["json"].typed("Evidence")
    v["borsh"].check(borsh("Evidence", evidence))
    v["hash"].check(evidence_hash(evidence))
    kind, pair = evidence
    tag, body_of = {"votes": ("phalanx/vote-sign/v1", vote_body),
                    "proposals": ("phalanx/proposal-sign/v1", proposal_body)}[kind]
    for place in ("first", "second"):
        message = pair[place]["message"]
        v["json"][kind][place]["signature"].check(sign(tag, body_of(message), seeds[message["validator"]]))
    return evidence


def check_inputs(v, envelopes, evidence):
    """8.4 The inputs root."""
    v["envelope_hashes"].check([sha3_256(borsh("SignedEnvelope", e)) for e in envelopes])
    v["evidence_hashes"].check([sha3_256(borsh("Evidence", e)) for e in evidence])
    v["borsh"].check(inputs_bytes(envelopes, evidence))
    v["inputs_root"].check(inputs_root(envelopes, evidence))
    v["empty_inputs_root"].check(inputs_root([], []))


def check_genesis(v):
    """genesis.json, sections 5 and 6.2."""
    for item in v["documents"]:
        item["name"].label()
        genesis = item["json"].typed("Genesis")
        item["json"].holds(read_genesis(json.dumps(item["json"].value).encode()) == genesis, "5.4 takes the document")
        members = first_members(genesis)
        item["borsh"].check(borsh("Genesis", genesis))
        item["hash"].check(genesis_hash(genesis))
        item["first_members"].check([{"key": m["key"], "weight": str(m["weight"])} for m in members])
        item["first_set_hash"].check(set_hash(members))
    first = v["documents"][0]["json"]["params"]
    first.check({**PARAMS, "checkpoint_beats": first["checkpoint_beats"].value})


def check_receipts(v):
    """receipts.json, sections 10, 11, 12 and 14."""
    v["kinds"].check([{"kind": kind, "is_always_receipted": kind in ALWAYS} for kind in KINDS])
    previous, hashes = ZERO, []
    for index, item in enumerate(v["chain"]):
        receipt = from_json("Receipt", item["receipt"].use())
        canonical = canonical_bytes(item["receipt"].value)
        item["canonical"].check(canonical)
        item["receipt"]["index"].check(str(index))
        item["receipt"]["previous_hash"].check(previous)
        item["receipt"].holds(same(read_receipt(canonical), receipt), "the canonical bytes read as the receipt")
        item["receipt"].holds(is_well_made(receipt), "its causes and its actor are as 10.1 says")
        previous = receipt_hash(canonical)
        item["hash"].check(previous)
        hashes.append(previous)
    v["receipts_root"].check(interval_root([interval_leaf(h) for h in hashes[1:]]))
    fields = [check_hidden(item) for item in v["hidden"]]
    v["hidden_record"].check(hidden_record(fields))
    salted = {key: in_data(commitment(salt_, value)) for key, salt_, value in fields}
    v["chain"][4]["receipt"]["data"].check(salted)
    for item in v["sampling"]:
        digest = sample_digest(item["parent"].hex(), item["subject"].use())
        ppm = sample_number(digest) * 1_000_000 // 2**32
        item["digest"].check(digest)
        item["number"].check(sample_number(digest))
        item["ppm"].check(ppm)
        item["kind"].holds(item["kind"].use() in KINDS, "a kind of 10.4")
        item["is_receipted"].check(is_sampled(item["kind"].use(), ppm, item["fraction_ppm"].use()))
    for item in v["refused"]:
        item["why"].label()
        item["bytes"].holds(is_refused(read_receipt, item["bytes"].hex()), "these bytes are no receipt")


def check_hidden(v):
    """11.1 to 11.3 A hidden field."""
    key, value, secret, context = v["key"].use(), v["value"].use(), v["secret"].hex(), v["context"].hex()
    salt_ = salt(secret, key, context)
    v["salt_bytes"].check(salt_bytes(secret, key, context))
    v["salt"].check(salt_)
    v["value_canonical"].check(canonical_bytes(value))
    v["commitment"].check(commitment(salt_, value))
    v["in_data"].check(in_data(commitment(salt_, value)))
    return key, salt_, value


def check_history(v):
    """history.json, section 13."""
    v["entries"].check("entry number i is the ASCII text `entry i`, i in decimal")
    sizes = [item["size"].use() for part in ("trees", "stores") for item in v[part]]
    entries = [b"entry %d" % i for i in range(max([*sizes, len(v["leaves"])]))]
    leaves = [history_leaf(entry) for entry in entries]
    v["empty_root"].check(history_root([]))
    for i, item in enumerate(v["leaves"]):
        item["index"].check(i)
        item["entry"].check(entries[i])
        item["leaf"].check(leaves[i])
    for item in v["trees"]:
        check_history_tree(item, leaves[:item["size"].use()])
    for item in v["stores"]:
        part = leaves[:item["size"].use()]
        item["root"].check(history_root(part))
        item["edge"].check(edge(part))
        read = from_borsh("Edge", item["edge"].hex())
        item["edge"].holds(edge_root(read) == history_root(part), "the root of the edge (13.7) is that of the tree")
        item["edge"].holds([len(hashes) for hashes in read["tiles"]] == edge_counts(len(part)), "the counts of 13.6")
        item["tiles"].check([{"key": bytes([level]) + number(n), "level": level, "number": n, "payload": payload}
                             for level, n, payload in tiles(part)])


def check_history_tree(v, leaves):
    """13.2 to 13.4 A tree with its proofs."""
    size, root = len(leaves), history_root(leaves)
    v["root"].check(root)
    for item in v["inclusion"]:
        index = item["index"].use()
        item["path"].check(inclusion_path(leaves, index, history_node))
        path = [from_hex(h) for h in item["path"].use()]
        item["path"].holds(inclusion_holds(leaves[index], index, size, path, root, history_node), "the proof holds")
    for item in v["consistency"]:
        old = item["old"].use()
        item["old_root"].check(history_root(leaves[:old]))
        item["proof"].check(consistency_proof(leaves, old))
        proof = [from_hex(h) for h in item["proof"].use()]
        item["proof"].holds(consistency_holds(old, history_root(leaves[:old]), size, root, proof), "the proof holds")


def check_interval(v):
    """interval.json, section 14."""
    hashes = [sha3_256(b"entry %d" % i) for i in range(len(v["receipts"]))]
    leaves = [interval_leaf(h) for h in hashes]
    v["receipts"].check(hashes)
    v["leaves"].check(leaves)
    v["node_of_first_two"].check(interval_node(leaves[0], leaves[1]))
    for tree in v["trees"]:
        count = tree["count"].use()
        root = interval_root(leaves[:count])
        tree["root"].check(root)
        for item in tree["paths"]:
            index = item["index"].use()
            item["path"].check(inclusion_path(leaves[:count], index, interval_node))
            path = [from_hex(h) for h in item["path"].use()]
            item["path"].holds(inclusion_holds(leaves[index], index, count, path, root, interval_node),
                               "the proof holds")


def check_state(v):
    """state.json, section 15."""
    v["empty_levels"].check([empty_level(height) for height in range(17)])
    entries = {}
    for step in v["steps"]:
        for change in step["changes"]:
            place = change["column"].use(), change["key"].hex()
            entries.pop(place, None)
            if "value" in change:
                entries[place] = change["value"].hex()
        step["entries"].check([
            {"column": column, "key": key, "value": value, "key_hash": state_place(column, key),
             "bucket": state_bucket(state_place(column, key)), "entry_hash": entry_hash(column, key, value)}
            for (column, key), value in sorted(entries.items())])
        step["buckets"].check([{"bucket": bucket, "entry_hashes": hashes, "hash": bucket_hash(hashes)}
                               for bucket, hashes in state_buckets(entries).items()])
        step["app_hash"].check(app_hash(entries))


def check_checkpoint(v):
    """checkpoint.json, section 16."""
    v["type"].check(CHECKPOINT_TYPE)
    v["type_hash"].check(checkpoint_type_hash())
    for item in v["checkpoints"]:
        checkpoint = item["json"].typed("Checkpoint")
        item["borsh"].check(borsh("Checkpoint", checkpoint))
        item["words"].check(checkpoint_words(checkpoint))
        item["hash"].check(checkpoint_hash(checkpoint))


def check_records(v):
    """records.json, sections 18.1 and 18.2."""
    v["tables"].check(TABLES)
    for item in v["records"]:
        table, key, payload = item["table"].use(), item["key"].hex(), item["payload"].hex()
        item["table"].holds(table in TABLES, "a table of 18.1")
        item["preimage"].check(record_preimage(table, key, payload))
        item["checksum"].check(record_checksum(table, key, payload))
        item["stored"].check(payload + record_checksum(table, key, payload))


def check_proof(v):
    """proof.json, section 17."""
    genesis = v["genesis"].typed("Genesis")
    v["genesis_hash"].check(genesis_hash(genesis))
    trusts = {"genesis": (genesis_hash(genesis), genesis), "genesis_hash": (genesis_hash(genesis), None),
              "other_hash": (v["other_hash"].hex(), None), "file": (None, None)}
    for item in v["files"]:
        item["what"].label()
        try:
            what = verify_proof(item["file"].use().encode("utf-8"), *trusts[item["trust"].use()])
            found = {"verdict": "valid", "shown": what}
        except Verdict as other:
            found = {"verdict": other.verdict, "field": other.field} if other.field else {"verdict": other.verdict}
        for member, value in {**found, "exit_code": EXIT_CODES[found["verdict"]]}.items():
            if member in item:
                item[member].check(value)
            else:
                item.book.fail(item.path + (member,), "no such member", value)


def check_frames(v):
    """frames.json, section 22."""
    limit = v["limit"].use()
    for item in v["files"]:
        item["what"].label()
        data = item["bytes"].hex()
        try:
            records, whole_len = read_frames(data, limit)
        except Refused:
            item["is_damaged"].check(True)
            continue
        item["is_damaged"].check(False)
        item["records"].check(records)
        item["whole_len"].check(whole_len)
        item["bytes"].holds(data[:whole_len] == b"".join(map(frame, records)), "the frames of 22.1")
