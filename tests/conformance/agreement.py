"""6 to 9 Validator sets, votes and certificates, inputs, headers."""

from borsh import ascends_strictly, borsh
from ed25519 import signature_holds
from hashes import keccak_256, sha3_256, tagged_hash

# 6.4 The type of the EIP-712 struct.
VALIDATOR_TYPE = "Validator(bytes32 networkKey,bytes32 voteKey,address account,uint32 weight)"


def well_formed(validator_set):
    """6.1 Is a set from outside well formed?"""
    members, proposers = validator_set["members"], validator_set["proposers"]
    keys = [member["key"] for member in members]
    return (1 <= len(members) <= 128 and ascends_strictly(keys) and 1 <= len(proposers) <= 128
            and all(1 <= member["weight"] <= 2**24 for member in members) and set(proposers) <= set(keys))


def set_hash(members):
    """6.2 The hash of a set; it covers the members alone."""
    return tagged_hash("phalanx/validator-set/v1", borsh("list<Member>", members))


def total_weight(members):
    """6.3 T."""
    return sum(member["weight"] for member in members)


def signers_weight(certificate, members):
    """6.3 w: the weight of those who signed."""
    weights = {member["key"]: member["weight"] for member in members}
    return sum(weights[key] for key, _ in certificate["signatures"])


def is_quorum(weight, total):
    """6.3 A quorum."""
    return 3 * weight > 2 * total


def validator_entry(validator):
    """6.4 An entry's hash."""
    return keccak_256(keccak_256(VALIDATOR_TYPE.encode()) + validator["network_key"] + validator["vote_key"]
                      + validator["chain_address"].rjust(32, b"\0") + validator["base_weight"].to_bytes(32, "big"))


def registered_hash(validators):
    """6.4 The hash of a registered set."""
    ascending = sorted(validators, key=lambda validator: (validator["chain_address"], validator["vote_key"]))
    return keccak_256(b"".join(map(validator_entry, ascending)))


def entries_hash(entries):
    """17.7 (14) The hash of a registered set whose entries are in their order."""
    return keccak_256(b"".join(
        validator_entry({**entry, "chain_address": entry["account"], "base_weight": entry["weight"]})
        for entry in entries))


def vote_body(vote):
    """7.1 The body of a vote's signature."""
    return borsh("Vote", vote)


def proposal_body(claim):
    """7.2 The body of a proposal's signature."""
    return borsh("ProposalClaim", claim)


def precommit_body(certificate, key):
    """7.3 What the signature beside a key in a certificate is over."""
    return vote_body({"mesh": certificate["mesh"], "height": certificate["height"], "round": certificate["round"],
                      "kind": ("precommit", None), "beat": certificate["beat"], "validator": key})


def certificate_hash(certificate):
    """7.3 The hash of a certificate."""
    return tagged_hash("phalanx/certificate/v1", borsh("CommitCertificate", certificate))


def certificate_holds(certificate, members):
    """7.4 Does a certificate hold for a set?"""
    keys = [key for key, _ in certificate["signatures"]]
    if not ascends_strictly(keys) or not set(keys) <= {member["key"] for member in members}:
        return False
    return (is_quorum(signers_weight(certificate, members), total_weight(members))
            and all(signature_holds("phalanx/vote-sign/v1", precommit_body(certificate, key), key, signature)
                    for key, signature in certificate["signatures"]))


def envelope_id(envelope):
    """8.1 The id of an envelope."""
    return tagged_hash("phalanx/envelope/v1", borsh("Envelope", envelope))


def job_id(envelope, place):
    """8.3 The id of the job that operation number `place` of an envelope makes."""
    return tagged_hash("phalanx/job/v1", envelope + place.to_bytes(2, "little"))


def agent_id(envelope, place):
    """8.3 The id of the agent that operation number `place` of an envelope makes."""
    return tagged_hash("phalanx/agent/v1", envelope + place.to_bytes(2, "little"))


def inputs_bytes(envelopes, evidence):
    """8.4 Borsh of (E, V)."""
    return borsh("(list<hash>, list<hash>)", ([sha3_256(borsh("SignedEnvelope", e)) for e in envelopes],
                                              [sha3_256(borsh("Evidence", v)) for v in evidence]))


def inputs_root(envelopes, evidence):
    """8.4 The inputs root of a beat."""
    return tagged_hash("phalanx/inputs/v1", inputs_bytes(envelopes, evidence))


def evidence_hash(evidence):
    """8.5 The hash of evidence."""
    return tagged_hash("phalanx/evidence/v1", borsh("Evidence", evidence))


def beat_id(header):
    """9.1 The id of a beat."""
    return tagged_hash("phalanx/header/v1", borsh("Header", header))


def decides(certificate, header, members):
    """7.4, 20.8 A certificate of a header's beat that holds for the set."""
    return ((certificate["mesh"], certificate["height"], certificate["beat"])
            == (header["mesh"], header["height"], beat_id(header)) and certificate_holds(certificate, members))


def hands_over(header):
    """18.3, 20.2 Does another set decide the next height?"""
    return header["next_validator_set"] != header["validator_set"]
