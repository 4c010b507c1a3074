"""17 Proof files."""

from agreement import beat_id, certificate_holds, entries_hash, set_hash, signers_weight, total_weight, well_formed
from canonical import canonical_bytes, read_json
from checkpoints import checkpoint_hash
from genesis import first_members
from hashes import sha3_256
from json_forms import from_json, to_json
from receipts import receipt_bytes, receipt_hash, receipt_rules
from trees import history_leaf, history_node, inclusion_holds, interval_leaf, interval_node
from words import Refused, U64_MAX

EXIT_CODES = {"valid": 0, "mismatch": 1, "unreadable": 2, "other_mesh": 3}


class Verdict(Exception):
    """17.5 A verdict other than `valid`, with the field of a mismatch."""

    def __init__(self, verdict, field=None):
        super().__init__(verdict, field)
        self.verdict, self.field = verdict, field


def expect(condition, field):
    """17.7 The check that gives mismatch [field]."""
    if not condition:
        raise Verdict("mismatch", field)


def bytes_of_a_proof_file(data):
    """17.6 Bytes of a proof file."""
    return (data.startswith((b'{"anchor":{"checkpoint":{', b'{"beat":{"count":"'))
            or data.endswith(b',"version":1}'))


def cannot_be_read(data):
    """17.6 The verdict on bytes that cannot be read."""
    return Verdict("mismatch", "file") if bytes_of_a_proof_file(data) else Verdict("unreadable")


def proof_digest(j):
    """17.3 The digest of a file."""
    return sha3_256(canonical_bytes({**j, "digest": "0" * 64}))


def is_whole(j):
    """17.3 Is the file whole?"""
    try:
        digest = j.get("digest")
        return isinstance(digest, str) and proof_digest(j).hex() == digest
    except Refused:
        return False


def add_u64(a, b):
    """17.7 Sums of u64 that do not fit are 2^64 − 1."""
    return min(a + b, U64_MAX)


def read_proof(data):
    """17.7 (1) to (6): the file as JSON and as a value of 17.2."""
    if len(data) > 33_554_432:
        raise Verdict("unreadable")
    try:
        j = read_json(data)
    except Refused:
        raise cannot_be_read(data) from None
    version = j.get("version") if isinstance(j, dict) else None
    if type(version) is int and version >= 0 and version != 1:
        raise Verdict("unreadable") if is_whole(j) else Verdict("mismatch", "version")
    try:
        proof = from_json("ProofFile", j)
    except Refused:
        raise cannot_be_read(data) from None
    expect(canonical_bytes(to_json("ProofFile", proof)) == data, "file")
    try:
        receipt_rules(proof["receipt"])
    except Refused:
        raise Verdict("mismatch", "receipt") from None
    return j, proof


def check_trust(j, proof, trusted_hash, trusted_genesis):
    """17.7 (8) Trust: a genesis document, a genesis hash, or nothing outside the file."""
    if trusted_hash is not None and proof["genesis"] != trusted_hash:
        raise Verdict("other_mesh") if is_whole(j) else Verdict("mismatch", "genesis")
    if trusted_genesis is not None:
        expect(proof["header"]["mesh"] == trusted_genesis["mesh"], "header.mesh")
        expect(proof["genesis_set"]["members"] == first_members(trusted_genesis), "genesis_set")


def check_decided(proof, header, certificate, validator_set, prefix=""):
    """17.7 (13) A header with its certificate is decided by a set."""
    expect(header["mesh"] == proof["header"]["mesh"], prefix + "header.mesh")
    expect(header["height"] != 1 or header["parent"] == proof["genesis"], prefix + "header.parent")
    expect(header["validator_set"] == set_hash(validator_set["members"]), prefix + "header.validator_set")
    expect((certificate["mesh"], certificate["height"], certificate["beat"])
           == (header["mesh"], header["height"], beat_id(header)), prefix + "certificate")
    expect(certificate_holds(certificate, validator_set["members"]), prefix + "certificate.signatures")


def check_set_changes(proof):
    """17.7 (12) The changes of the set; gives the set that decides the file's header."""
    current, last = proof["genesis_set"], 0
    for i, change in enumerate(proof["set_changes"]):
        prefix, header, next_set = f"set_changes[{i}].", change["header"], change["next_set"]
        expect(last < header["height"] < proof["header"]["height"], prefix + "header.height")
        expect(well_formed(next_set), prefix + "next_set")
        check_decided(proof, header, change["certificate"], current, prefix)
        expect(set_hash(next_set["members"]) == header["next_validator_set"], prefix + "next_set")
        current, last = next_set, header["height"]
    return current


def check_anchor(proof, receipt):
    """17.7 (14) The receipt's place in its checkpoint."""
    header, index, hash_ = proof["header"], receipt["index"], proof["receipt_hash"]
    c, interval, history = (proof["anchor"][part] for part in ("checkpoint", "interval", "history"))
    expect(c["mesh"] == header["mesh"] and c["version"] == 1, "anchor.checkpoint")
    cosigned = proof["anchor"]["cosigned"]
    expect(cosigned is None or (len(cosigned["signatures"]) <= len(cosigned["set"])
                                and entries_hash(cosigned["set"]) == c["set_hash"]), "anchor.cosigned.set")
    expect(c["first_beat"] <= header["height"] <= c["last_beat"], "anchor.checkpoint.first_beat")
    expect(interval["count"] == c["receipt_count"] and add_u64(c["first_receipt"], interval["index"]) == index,
           "anchor.interval.index")
    expect(inclusion_holds(interval_leaf(hash_), interval["index"], interval["count"], interval["path"],
                           c["interval_root"], interval_node), "anchor.interval.path")
    expect(history["count"] == c["history_size"] and history["index"] == index, "anchor.history.index")
    expect(inclusion_holds(history_leaf(receipt_bytes(receipt)), history["index"], history["count"],
                           history["path"], c["history_root"], history_node), "anchor.history.path")
    expect(add_u64(c["first_receipt"], c["receipt_count"]) == c["history_size"], "anchor.checkpoint.history_size")
    expect(c["last_beat"] != header["height"]
           or (c["app_hash"], c["time"]) == (header["app_hash"], header["time"]), "anchor.checkpoint")


def shown(proof, receipt, decided_by):
    """17.9 What a verifier shows."""
    anchor, certificate, members = proof["anchor"], proof["certificate"], decided_by["members"]
    return {"receipt_hash": proof["receipt_hash"].hex(), "index": str(receipt["index"]),
            "beat": str(receipt["beat"]), "signers": len(certificate["signatures"]),
            "weight": signers_weight(certificate, members), "total": total_weight(members),
            "set_changes": len(proof["set_changes"]),
            "checkpoint": [anchor["checkpoint"]["number"], checkpoint_hash(anchor["checkpoint"]).hex()]
            if anchor else []}


def verify_proof(data, trusted_hash=None, trusted_genesis=None):
    """17.7 The checks, in order. Gives what to show when the file is valid, else raises the Verdict."""
    j, proof = read_proof(data)
    receipt, header, beat = proof["receipt"], proof["header"], proof["beat"]
    expect(well_formed(proof["genesis_set"]), "genesis_set")
    check_trust(j, proof, trusted_hash, trusted_genesis)
    expect(receipt_hash(receipt_bytes(receipt)) == proof["receipt_hash"], "receipt")
    expect((receipt["beat"], receipt["time_ms"]) == (header["height"], header["time"]), "receipt.beat")
    expect(inclusion_holds(interval_leaf(proof["receipt_hash"]), beat["index"], beat["count"], beat["path"],
                           header["receipts_root"], interval_node), "beat.path")
    decided_by = check_set_changes(proof)
    check_decided(proof, header, proof["certificate"], decided_by)
    if proof["anchor"] is not None:
        check_anchor(proof, receipt)
    expect(is_whole(j), "digest")
    return shown(proof, receipt, decided_by)
