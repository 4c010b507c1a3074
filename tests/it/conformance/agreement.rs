//! What validators sign and agree on: votes, certificates, sets, headers,
//! inputs, and which Ed25519 signatures count.

use super::hx;
use phalanx_tests::mesh;
use phalanx_types::{
    Envelope, Evidence, Hash, Header, Height, JobId, Name, Operation, OwnerCommand, PublicKey, Round,
    Signature, SignedEnvelope, TimeMs, Validator, ValidatorSet, Weight,
    beat::inputs_root,
    certificate::CommitCertificate,
    crypto::signed_bytes,
    encode,
    evidence::Accusation,
    evidence::Fault,
    owner::Scope,
    registry, tags,
    validator::Member,
    vote::{ProposalClaim, Signed, ValidatorMessage, Vote, VoteKind},
};
use serde_json::{Value, json};
use sha3::{Digest, Keccak256};

const MESH: Hash = Hash([0xaa; 32]);

fn vote(seed: u8, kind: VoteKind, beat: Option<Hash>) -> Signed<Vote> {
    let key = mesh::key(seed);
    Vote { mesh: MESH, height: Height(8), round: Round(1), kind, beat, validator: key.public() }.sign(&key)
}

fn claim(seed: u8, beat: Hash, lock_round: Option<Round>) -> Signed<ProposalClaim> {
    let key = mesh::key(seed);
    ProposalClaim {
        mesh: MESH,
        height: Height(8),
        round: Round(1),
        lock_round,
        beat,
        validator: key.public(),
    }
    .sign(&key)
}

fn signed<T: ValidatorMessage + serde::Serialize>(signed: &Signed<T>) -> Value {
    let body = encode(&signed.message);
    json!({"json": signed.message, "borsh": hx(&body), "tag": T::TAG, "signed_bytes": hx(signed_bytes(T::TAG, &body)),
        "signature": signed.signature})
}

fn envelopes() -> Vec<SignedEnvelope> {
    let key = mesh::key(3);
    let accusation = Accusation {
        offender: mesh::key(9).public(),
        fault: Fault::WrongRoot,
        height: Height(8),
        round: Round(1),
        seen: Hash([7; 32]),
    };
    let operations = [
        vec![
            Operation::CancelJob { job: JobId([3; 32]) },
            Operation::Heartbeat { workers: vec![Name::new("a").unwrap(), Name::new("b").unwrap()] },
        ],
        vec![
            Operation::Accuse(accusation),
            Operation::Command(Box::new(OwnerCommand::Pause { scope: Scope::Mesh })),
        ],
    ];
    operations
        .into_iter()
        .zip([(1, None), (u64::MAX, Some([8; 16]))])
        .map(|(operations, (sequence, trace_id))| {
            Envelope {
                mesh: MESH,
                sender: key.public(),
                sequence,
                expiry: TimeMs(1_700_000_060_000),
                trace_id,
                operations,
            }
            .sign(&key)
        })
        .collect()
}

fn set() -> ValidatorSet {
    let members: Vec<Member> =
        (1..=4).map(|i| Member { key: mesh::key(i).public(), weight: Weight(u64::from(i)) }).collect();
    let proposers = members.iter().map(|m| m.key).collect();
    ValidatorSet::new(members, proposers).unwrap()
}

/// Entries whose orders by account, vote key and network key all differ; two have
/// no account.
fn registered_set() -> Value {
    let entry = |seed: u8, network: u8, account: u8, weight: u64| Validator {
        vote_key: mesh::key(seed).public(),
        network_key: mesh::key(network).public(),
        chain_address: std::array::from_fn(|i| if account == 0 { 0 } else { account.wrapping_add(i as u8) }),
        base_weight: Weight(weight),
        region: mesh::name("earth"),
        label: mesh::name(&format!("v{seed}")),
    };
    let validators =
        vec![entry(1, 21, 90, 7), entry(2, 11, 0, 1 << 24), entry(3, 31, 40, 1), entry(4, 14, 0, 2)];
    json!({"type": registry::TYPE, "type_hash": hx(Keccak256::digest(registry::TYPE)),
        "validators": validators, "hash": registry::set_hash(&validators)})
}

fn certificate() -> CommitCertificate {
    let beat = Hash([1; 32]);
    let mut signatures: Vec<_> = (1..=4)
        .map(|i| (mesh::key(i).public(), vote(i, VoteKind::Precommit, Some(beat)).signature))
        .collect();
    signatures.sort();
    CommitCertificate { mesh: MESH, height: Height(8), round: Round(1), beat, signatures }
}

/// The certificate with signers taken out: who is enough, and who is not.
fn quorums(set: &ValidatorSet) -> Vec<Value> {
    (0..16_u32)
        .map(|mask| {
            let mut few = certificate();
            let mut at = 0;
            few.signatures.retain(|_| {
                at += 1;
                mask & (1 << (at - 1)) != 0
            });
            let weight: u64 = few.signatures.iter().map(|(key, _)| set.weight_of(key).unwrap().0).sum();
            json!({"signers": few.signatures.iter().map(|(key, _)| key).collect::<Vec<_>>(),
                "weight": weight, "total": set.total().0, "is_quorum": few.verify(set).is_ok()})
        })
        .collect()
}

pub fn vectors() -> Value {
    let set = set();
    let certificate = certificate();
    certificate.verify(&set).unwrap();
    let evidence = vec![
        Evidence::votes(vote(2, VoteKind::Prevote, None), vote(2, VoteKind::Prevote, Some(Hash([1; 32])))),
        Evidence::proposals(claim(2, Hash([1; 32]), None), claim(2, Hash([2; 32]), Some(Round(0)))),
    ];
    let envelopes = envelopes();
    let header = Header {
        mesh: MESH,
        height: Height(9),
        parent: Hash([1; 32]),
        parent_certificate: certificate.hash(),
        time: TimeMs(1_700_000_000_123),
        inputs_root: inputs_root(&envelopes, &evidence),
        receipts_root: Hash([2; 32]),
        app_hash: Hash([3; 32]),
        validator_set: set.hash(),
        next_validator_set: set.hash(),
        policy_version: 5,
        proposer: mesh::key(1).public(),
    };
    json!({
        "keys": (1..=4).map(|i| json!({"seed": hx([i; 32]), "public": mesh::key(i).public()})).collect::<Vec<_>>(),
        "votes": [signed(&vote(1, VoteKind::Prevote, None)), signed(&vote(1, VoteKind::Precommit, Some(Hash([1; 32]))))],
        "proposals": [signed(&claim(1, Hash([1; 32]), None)), signed(&claim(1, Hash([1; 32]), Some(Round(0))))],
        "certificate": {"json": certificate, "borsh": hx(encode(&certificate)), "hash": certificate.hash()},
        "validator_set": {"json": set, "members_borsh": hx(encode(&set.members().to_vec())),
            "borsh": hx(encode(&set)), "hash": set.hash()},
        "registered_set": registered_set(),
        "quorums": quorums(&set),
        "header": {"json": header, "borsh": hx(encode(&header)), "id": header.id()},
        "envelopes": envelopes.iter().map(envelope).collect::<Vec<_>>(),
        "evidence": evidence.iter().map(proof_of_fault).collect::<Vec<_>>(),
        "inputs": inputs(&envelopes, &evidence),
        "ed25519": ed25519(),
    })
}

fn envelope(signed: &SignedEnvelope) -> Value {
    let id = signed.envelope.id();
    assert!(signed.verify_signature(&id));
    json!({"json": signed, "borsh": hx(encode(&signed.envelope)), "id": id,
        "signed_bytes": hx(signed_bytes(tags::ENVELOPE_SIGN, &id.0)), "signed_borsh": hx(encode(signed)),
        "job_id_0": JobId::of(&id, 0), "job_id_1": JobId::of(&id, 1)})
}

fn proof_of_fault(evidence: &Evidence) -> Value {
    assert!(evidence.convicts(&MESH));
    json!({"json": evidence, "borsh": hx(encode(evidence)), "hash": evidence.hash()})
}

fn inputs(envelopes: &[SignedEnvelope], evidence: &[Evidence]) -> Value {
    let hashes: (Vec<Hash>, Vec<Hash>) = (
        envelopes.iter().map(|e| Hash::sha3(&encode(e))).collect(),
        evidence.iter().map(|e| Hash::sha3(&encode(e))).collect(),
    );
    assert_eq!(Hash::of_value(tags::INPUTS, &hashes), inputs_root(envelopes, evidence));
    json!({"envelope_hashes": hashes.0, "evidence_hashes": hashes.1, "borsh": hx(encode(&hashes)),
        "inputs_root": inputs_root(envelopes, evidence), "empty_inputs_root": inputs_root(&[], &[])})
}

/// Signatures on which verifiers differ; here ZIP-215 counts.
fn ed25519() -> Vec<Value> {
    const TAG: &str = tags::VOTE_SIGN;
    let key = mesh::key(1);
    let good = key.sign(TAG, b"body");
    let bytes = |text: &str| <[u8; 32]>::try_from(hex::decode(text).unwrap()).unwrap();
    let mut identity = [0_u8; 32];
    identity[0] = 1;
    // y = 1 with the sign bit set: x is zero, and its sign is ignored.
    let mut signed_identity = identity;
    signed_identity[31] |= 0x80;
    // y = p + 1: another encoding of the identity.
    let wide_identity = bytes("eeffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f");
    // A point of order 8.
    let torsion = bytes("c7176a703d4dd84fba3c0b760d10670f2a2053fa2c39ccc64ec7fd7792ac037a");
    // No point has y = 2.
    let mut no_point = [0_u8; 32];
    no_point[0] = 2;
    let group_order = bytes("edd3f55c1a631258d69cf7a2def9de1400000000000000000000000000000010");
    let joined = |r: [u8; 32], s: [u8; 32]| {
        let mut signature = [0; 64];
        signature[..32].copy_from_slice(&r);
        signature[32..].copy_from_slice(&s);
        Signature(signature)
    };
    // s + L is the same number modulo L, and is refused.
    let mut high = good.0;
    let mut carry = 0_u16;
    for (at, add) in group_order.iter().enumerate() {
        let sum = u16::from(high[32 + at]) + u16::from(*add) + carry;
        high[32 + at] = sum.to_le_bytes()[0];
        carry = sum >> 8;
    }
    let mut flipped = good.0;
    flipped[0] ^= 1;
    let cases = [
        ("a good signature", key.public(), good, true),
        ("another body", key.public(), key.sign(TAG, b"bodY"), false),
        ("another tag", key.public(), key.sign(tags::PROPOSAL_SIGN, b"body"), false),
        ("a flipped bit", key.public(), Signature(flipped), false),
        ("s not below the group order", key.public(), Signature(high), false),
        ("key and R the identity", PublicKey(identity), joined(identity, [0; 32]), true),
        ("the identity with a sign", PublicKey(signed_identity), joined(signed_identity, [0; 32]), true),
        ("the identity by a wide encoding", PublicKey(wide_identity), joined(wide_identity, [0; 32]), true),
        ("key of small order", PublicKey(torsion), joined(identity, [0; 32]), true),
        ("R of small order", PublicKey(identity), joined(torsion, [0; 32]), true),
        ("a key that is no point", PublicKey(no_point), joined(identity, [0; 32]), false),
        ("an R that is no point", PublicKey(identity), joined(no_point, [0; 32]), false),
    ];
    cases
        .into_iter()
        .map(|(what, key, signature, is_valid)| {
            assert_eq!(key.verifies(TAG, b"body", &signature), is_valid, "{what}");
            json!({"what": what, "key": key, "tag": TAG, "body": hx(b"body"),
                "signed_bytes": hx(signed_bytes(TAG, b"body")), "signature": signature, "is_valid": is_valid})
        })
        .collect()
}
