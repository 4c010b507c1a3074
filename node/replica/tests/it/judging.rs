//! Each rule of a beat, broken alone.
//!
//! A broken beat is executed anew, so that its roots follow from what it says:
//! nothing but the one rule is wrong with it.

use crate::chain::{
    Chain, agent, certify, command, genesis, host, job, key, offers, owner, tenant, validator,
};
use phalanx_consensus::{Application, Purpose, Verdict};
use phalanx_fabric::{BeatContext, Input};
use phalanx_ledger::{BeatMeta, MemoryKv};
use phalanx_replica::judge::clock_tolerance_ms;
use phalanx_types::{
    Beat, CommitCertificate, Envelope, Evidence, Hash, Height, Operation, OwnerCommand, Params, Round,
    SignedEnvelope, TimeMs,
    beat::{EVIDENCE_MAX, inputs_root},
    envelope::{ENVELOPE_BYTES_MAX, OPERATIONS_MAX},
    evidence::Fault,
    vote::{ProposalClaim, ValidatorMessage, Vote, VoteKind},
};
use std::sync::Arc;

/// Four validators, three beats, and envelopes for the next one.
fn ready() -> Chain<MemoryKv> {
    let mut genesis = genesis(4);
    genesis.params =
        Params { beat_operations_max: 64, beat_bytes_max: ENVELOPE_BYTES_MAX as u32, ..genesis.params };
    let mut chain = Chain::in_memory(genesis);
    chain.offer_all();
    chain.beats(3);
    chain.send(&tenant(), vec![job("a"), agent(1)]);
    chain.send(&tenant(), vec![job("b")]);
    chain
}

/// Gives a beat the roots that follow from it.
fn executed(chain: &Chain<MemoryKv>, mut beat: Beat) -> Beat {
    beat.header.inputs_root = inputs_root(&beat.envelopes, &beat.evidence);
    beat.header.parent_certificate =
        beat.parent_certificate.as_ref().map_or(Hash::ZERO, CommitCertificate::hash);
    with_roots(chain, beat)
}

/// [`executed`], but inputs root and parent certificate are left as they are.
fn with_roots(chain: &Chain<MemoryKv>, mut beat: Beat) -> Beat {
    let (header, ledger) = (&mut beat.header, chain.replica.ledger());
    let certificate = beat.parent_certificate.as_ref();
    let context = BeatContext {
        height: header.height,
        time: header.time,
        parent_time: ledger.tip().time,
        parent: header.parent,
        proposer: header.proposer,
        parent_round: certificate.map_or(Round::default(), |c| c.round),
        parent_signers: certificate
            .map(|c| c.signatures.iter().map(|(key, _)| *key).collect())
            .unwrap_or_default(),
        ledger: ledger.tip().mark(),
    };
    let ids: Vec<Hash> = beat.envelopes.iter().map(|signed| signed.envelope.id()).collect();
    let inputs: Vec<Input<'_>> =
        ids.iter().zip(&beat.envelopes).map(|(id, signed)| Input { id: *id, signed }).collect();
    let (_, applied) = chain.replica.fabric().apply(&context, &inputs, &beat.evidence);
    let meta = BeatMeta {
        height: header.height,
        time: header.time,
        parent: header.parent,
        policy_version: applied.policy_version,
        verification: applied.verification,
        checkpoint_due: applied.checkpoint_due,
        registered: applied.registered,
    };
    let prepared = ledger.prepare(&meta, &applied.receipts, &applied.changes);
    header.receipts_root = prepared.receipts_root();
    header.app_hash = prepared.app_hash();
    header.next_validator_set = applied.next_set.hash();
    header.policy_version = applied.policy_version;
    beat
}

fn judged(chain: &mut Chain<MemoryKv>, beat: Beat) -> Verdict {
    chain.check(&Arc::new(beat))
}

fn judged_as(chain: &mut Chain<MemoryKv>, beat: Beat, purpose: Purpose) -> Verdict {
    let round = chain.round();
    chain.replica.check(&Arc::new(beat), round, purpose).unwrap()
}

/// The fault and the words of a verdict.
fn told(verdict: Verdict) -> (Option<Fault>, String) {
    match verdict {
        Verdict::Invalid { fault, reason } => (fault, reason),
        Verdict::Valid => panic!("a broken beat was found valid"),
    }
}

/// Breaks a fresh beat, executes it, and expects a fault with a word in it.
fn breaks(fault: Fault, word: &str, change: impl FnOnce(&mut Chain<MemoryKv>, &mut Beat)) {
    let mut chain = ready();
    let mut beat = (*chain.propose()).clone();
    assert_eq!(beat.envelopes.len(), 2);
    change(&mut chain, &mut beat);
    let beat = executed(&chain, beat);
    let (found, reason) = told(judged(&mut chain, beat));
    assert_eq!(found, Some(fault), "{reason}");
    assert!(reason.contains(word), "{word:?} is not in {reason:?}");
}

#[test]
fn an_unbroken_beat_that_was_executed_here_is_valid() {
    let mut chain = ready();
    let made = (*chain.propose()).clone();
    let beat = executed(&chain, made.clone());
    assert_eq!(beat, made, "the tests execute as the replica does");
    assert_eq!(judged(&mut chain, beat), Verdict::Valid);
    // Another valid beat, which the replica has not made itself.
    let mut other = made;
    other.envelopes.pop();
    let other = executed(&chain, other);
    assert_eq!(judged(&mut chain, other), Verdict::Valid);
}

#[test]
fn it_must_be_of_this_mesh_height_and_parent() {
    breaks(Fault::WrongRoot, "of the mesh", |_, beat| beat.header.mesh = Hash([1; 32]));
    breaks(Fault::WrongRoot, "has height 5", |_, beat| beat.header.height = Height(5));
    breaks(Fault::WrongRoot, "has height 3", |_, beat| beat.header.height = Height(3));
    breaks(Fault::WrongRoot, "its parent is", |_, beat| beat.header.parent = Hash([1; 32]));
}

#[test]
fn it_must_name_the_agreed_set() {
    breaks(Fault::WrongRoot, "validator set is not", |_, beat| beat.header.validator_set = Hash([1; 32]));
}

#[test]
fn it_must_be_made_by_the_proposer_of_its_round() {
    breaks(Fault::WrongRoot, "proposer of its round", |_, beat| beat.header.proposer = key(2).public());
    breaks(Fault::WrongRoot, "proposer of its round", |_, beat| beat.header.proposer = key(50).public());
    // Locked or decided beats come in other rounds; still a validator made them.
    let mut chain = ready();
    let mut beat = (*chain.propose()).clone();
    beat.header.proposer = key(50).public();
    let beat = executed(&chain, beat);
    for purpose in [Purpose::Relocked, Purpose::Replay, Purpose::Sync] {
        let (fault, reason) = told(judged_as(&mut chain, beat.clone(), purpose));
        assert_eq!(fault, Some(Fault::WrongRoot));
        assert!(reason.contains("is no validator"), "{reason}");
    }
}

#[test]
fn it_must_carry_a_certificate_of_its_parent() {
    fn of(change: impl FnOnce(&mut CommitCertificate)) -> impl FnOnce(&mut Chain<MemoryKv>, &mut Beat) {
        |_, beat| change(beat.parent_certificate.as_mut().unwrap())
    }
    breaks(Fault::WrongRoot, "carries a parent certificate", |_, beat| beat.parent_certificate = None);
    breaks(Fault::WrongRoot, "of another beat", of(|c| c.beat = Hash([1; 32])));
    breaks(Fault::WrongRoot, "of another beat", of(|c| c.height = Height(2)));
    breaks(Fault::WrongRoot, "of another beat", of(|c| c.mesh = Hash([1; 32])));
    breaks(Fault::WrongRoot, "signature is wrong", of(|c| c.round = Round(c.round.0 + 1)));
    breaks(Fault::WrongRoot, "signature is wrong", of(|c| c.signatures[0].1.0[0] ^= 1));
    breaks(Fault::WrongRoot, "weight of 2", of(|c| c.signatures.truncate(2)));
    breaks(Fault::WrongRoot, "ascending order", of(|c| c.signatures.swap(0, 1)));
    breaks(
        Fault::WrongRoot,
        "not a validator",
        of(|c| c.signatures[3].0 = phalanx_types::PublicKey([0xff; 32])),
    );
    // Three of four are enough.
    let mut chain = ready();
    let mut beat = (*chain.propose()).clone();
    beat.parent_certificate.as_mut().unwrap().signatures.truncate(3);
    let beat = executed(&chain, beat);
    assert_eq!(judged(&mut chain, beat), Verdict::Valid);
}

#[test]
fn its_header_must_name_the_certificate_it_carries() {
    let mut chain = ready();
    let mut beat = (*chain.propose()).clone();
    beat.header.parent_certificate = Hash([1; 32]);
    let beat = with_roots(&chain, beat);
    let (fault, reason) = told(judged(&mut chain, beat));
    assert_eq!(fault, Some(Fault::WrongRoot));
    assert!(reason.contains("names another parent certificate"), "{reason}");
}

#[test]
fn the_first_beat_carries_no_certificate() {
    let mut chain = Chain::in_memory(genesis(4));
    let mut beat = (*chain.propose()).clone();
    let certificate = certify(&chain.replica.validator_set(), &beat, Round(0));
    beat.parent_certificate = Some(certificate);
    let beat = executed(&chain, beat);
    let (fault, reason) = told(judged(&mut chain, beat));
    assert_eq!(fault, Some(Fault::WrongRoot));
    assert!(reason.contains("not the first beat"), "{reason}");
}

#[test]
fn its_time_must_be_after_its_parents() {
    fn at(change: impl FnOnce(u64) -> u64) -> impl FnOnce(&mut Chain<MemoryKv>, &mut Beat) {
        |chain, beat| {
            let parent = chain.replica.ledger().tip().time.0;
            chain.now = parent;
            beat.header.time = TimeMs(change(parent));
        }
    }
    breaks(Fault::WrongTime, "not after its parent's", at(|parent| parent));
    breaks(Fault::WrongTime, "not after its parent's", at(|parent| parent - 1));
    breaks(Fault::WrongTime, "not after its parent's", at(|_| 0));
}

#[test]
fn a_new_beat_must_be_near_this_nodes_clock_and_an_old_one_need_not() {
    let mut chain = ready();
    let made = (*chain.propose()).clone();
    let tolerance = clock_tolerance_ms(chain.replica.params());
    assert_eq!(tolerance, 2_000);
    let parent = chain.replica.ledger().tip().time.0;
    for (ahead, is_valid) in [(0, true), (tolerance, true), (tolerance + 1, false), (1 << 50, false)] {
        // Ahead of the clock, and behind it.
        for (time, clock) in [(parent + 1 + ahead, parent + 1), (parent + 1, parent + 1 + ahead)] {
            let mut beat = made.clone();
            beat.header.time = TimeMs(time);
            beat.envelopes.clear();
            let beat = executed(&chain, beat);
            let verdict = judged_as(&mut chain, beat.clone(), Purpose::Proposal { now: TimeMs(clock) });
            if is_valid {
                assert_eq!(verdict, Verdict::Valid, "{time} at {clock}");
            } else {
                let (fault, reason) = told(verdict);
                // What is late may be so through no fault of its proposer.
                assert_eq!(fault, (time > clock).then_some(Fault::WrongTime));
                assert!(reason.contains("2000 ms are allowed"), "{reason}");
                for purpose in [Purpose::Relocked, Purpose::Replay, Purpose::Sync] {
                    assert_eq!(judged_as(&mut chain, beat.clone(), purpose), Verdict::Valid);
                }
            }
        }
    }
}

/// The clock counts even when the beat was executed before, under another
/// purpose.
#[test]
fn a_beat_that_is_known_already_is_still_held_against_the_clock() {
    let mut chain = ready();
    let beat = chain.propose();
    let round = chain.round();
    let early = TimeMs(beat.header.time.0 - 60_000);
    let verdict = chain.replica.check(&beat, round, Purpose::Proposal { now: early }).unwrap();
    assert_eq!(told(verdict).0, Some(Fault::WrongTime));
}

#[test]
fn its_inputs_root_must_cover_its_inputs() {
    for change in [
        |beat: &mut Beat| beat.envelopes.swap(0, 1),
        |beat: &mut Beat| drop(beat.envelopes.pop()),
        |beat: &mut Beat| beat.header.inputs_root = Hash([1; 32]),
        |beat: &mut Beat| beat.evidence.push(evidence(2, 1)),
    ] {
        let mut chain = ready();
        let mut beat = (*chain.propose()).clone();
        change(&mut beat);
        let beat = with_roots(&chain, beat);
        let (fault, reason) = told(judged(&mut chain, beat));
        assert_eq!(fault, Some(Fault::WrongRoot));
        assert!(reason.contains("inputs root"), "{reason}");
    }
}

/// Two votes of one validator in one round.
fn evidence(seed: u8, round: u32) -> Evidence {
    let vote = |beat: u8| {
        Vote {
            mesh: genesis(4).mesh,
            height: Height(2),
            round: Round(round),
            kind: VoteKind::Precommit,
            beat: Some(Hash([beat; 32])),
            validator: key(seed).public(),
        }
        .sign(&key(seed))
    };
    Evidence::votes(vote(1), vote(2))
}

#[test]
fn its_evidence_must_convict_and_be_there_once() {
    breaks(Fault::BadInput, "same evidence twice", |_, beat| beat.evidence = vec![evidence(2, 1); 2]);
    breaks(Fault::BadInput, "too much evidence", |_, beat| {
        beat.evidence = (0..=EVIDENCE_MAX as u32).map(|round| evidence(2, round)).collect();
    });
    let hollow: [fn(Evidence) -> Evidence; 4] = [
        // Not in its one order.
        |evidence| match evidence {
            Evidence::Votes { first, second } => Evidence::Votes { first: second, second: first },
            other => other,
        },
        // The same vote is no contradiction.
        |evidence| match evidence {
            Evidence::Votes { first, .. } => Evidence::Votes { first: first.clone(), second: first },
            other => other,
        },
        // A signature of somebody else.
        |evidence| match evidence {
            Evidence::Votes { first, second } => {
                let mut forged = second.message.clone().sign(&key(3));
                forged.message.validator = key(2).public();
                Evidence::votes(first, forged)
            }
            other => other,
        },
        // Of another mesh.
        |_| {
            let claim = |beat: u8| {
                ProposalClaim {
                    mesh: Hash([5; 32]),
                    height: Height(2),
                    round: Round(0),
                    lock_round: None,
                    beat: Hash([beat; 32]),
                    validator: key(2).public(),
                }
                .sign(&key(2))
            };
            Evidence::proposals(claim(1), claim(2))
        },
    ];
    for change in hollow {
        breaks(Fault::BadInput, "convicts nobody", |_, beat| beat.evidence = vec![change(evidence(2, 1))]);
    }
    // And what convicts is taken.
    let mut chain = ready();
    let mut beat = (*chain.propose()).clone();
    beat.evidence = vec![evidence(2, 1)];
    let beat = executed(&chain, beat);
    assert_eq!(judged(&mut chain, beat), Verdict::Valid);
}

fn payload(len: usize) -> Operation {
    command(OwnerCommand::Payload { bytes: vec![0; len] })
}

#[test]
fn each_envelope_must_have_its_shape() {
    breaks(Fault::BadInput, "0 operations", |chain, beat| {
        beat.envelopes = vec![chain.sign(&owner(), Vec::new())];
    });
    breaks(Fault::BadInput, "65 operations", |chain, beat| {
        beat.envelopes = vec![chain.sign(&tenant(), vec![job("x"); OPERATIONS_MAX + 1])];
    });
    breaks(Fault::BadInput, "1 operations and", |chain, beat| {
        beat.envelopes = vec![chain.sign(&owner(), vec![payload(ENVELOPE_BYTES_MAX)])];
    });
}

#[test]
fn all_of_it_must_fit_into_a_beat() {
    // 64 operations are a beat of this mesh.
    breaks(Fault::BadInput, "larger than a beat", |chain, beat| {
        beat.envelopes =
            vec![chain.sign(&tenant(), vec![job("x"); 64]), chain.sign(&tenant(), vec![job("y")])];
    });
    // So is the length of the largest envelope.
    breaks(Fault::BadInput, "larger than a beat", |chain, beat| {
        let half = ENVELOPE_BYTES_MAX / 2;
        beat.envelopes =
            vec![chain.sign(&owner(), vec![payload(half)]), chain.sign(&owner(), vec![payload(half)])];
    });
    let mut chain = ready();
    let mut beat = (*chain.propose()).clone();
    beat.envelopes = vec![chain.sign(&tenant(), vec![job("x"); 64])];
    let beat = executed(&chain, beat);
    assert_eq!(judged(&mut chain, beat), Verdict::Valid);
}

fn envelope(chain: &Chain<MemoryKv>, change: impl FnOnce(&mut Envelope)) -> SignedEnvelope {
    let mut envelope = Envelope {
        mesh: chain.genesis.mesh,
        sender: tenant().public(),
        sequence: 1_000,
        expiry: TimeMs(chain.now + 60_000),
        trace_id: None,
        operations: vec![job("c")],
    };
    change(&mut envelope);
    envelope.sign(&tenant())
}

#[test]
fn no_two_envelopes_of_a_sender_may_have_one_number() {
    breaks(Fault::BadInput, "have one number", |chain, beat| {
        beat.envelopes = vec![envelope(chain, |_| {}), envelope(chain, |e| e.operations = vec![job("d")])];
    });
    breaks(Fault::BadInput, "have one number", |chain, beat| {
        beat.envelopes = vec![envelope(chain, |_| {}), envelope(chain, |_| {})];
    });
    // Two senders may.
    let mut chain = ready();
    let mut beat = (*chain.propose()).clone();
    let other = Envelope {
        sender: host().public(),
        operations: vec![Operation::Heartbeat { workers: vec![offers()[0].worker.clone()] }],
        ..envelope(&chain, |_| {}).envelope
    };
    beat.envelopes = vec![envelope(&chain, |_| {}), other.sign(&host())];
    let beat = executed(&chain, beat);
    assert_eq!(judged(&mut chain, beat), Verdict::Valid);
}

#[test]
fn an_envelope_that_is_stale_or_not_for_this_mesh_must_be_left_out() {
    let cases: [(&str, fn(&Chain<MemoryKv>, &mut Envelope)); 5] = [
        ("it expired", |chain, e| e.expiry = TimeMs(chain.now - 1)),
        ("ms ahead", |chain, e| e.expiry = TimeMs(chain.now + 600_001)),
        ("used before", |_, e| e.sequence = 1),
        ("for the mesh", |_, e| e.mesh = Hash([1; 32])),
        ("of no tenant", |_, e| e.sender = key(50).public()),
    ];
    for (word, change) in cases {
        breaks(Fault::BadInput, word, |chain, beat| {
            // A beat that uses the tenant's first number.
            chain.commit(&Arc::new(executed(chain, beat.clone())));
            *beat = (*chain.propose()).clone();
            beat.envelopes = vec![envelope(chain, |e| change(chain, e))];
        });
    }
    // The last moments count.
    let limits: [fn(&Chain<MemoryKv>, &mut Envelope); 2] =
        [|chain, e| e.expiry = TimeMs(chain.now), |chain, e| e.expiry = TimeMs(chain.now + 600_000)];
    for change in limits {
        let mut chain = ready();
        let mut beat = (*chain.propose()).clone();
        beat.envelopes = vec![envelope(&chain, |e| change(&chain, e))];
        let beat = executed(&chain, beat);
        assert_eq!(judged(&mut chain, beat), Verdict::Valid);
    }
}

#[test]
fn every_signature_must_be_its_senders() {
    breaks(Fault::BadInput, "wrong signature", |chain, beat| {
        let mut forged = envelope(chain, |_| {});
        forged.signature.0[3] ^= 1;
        beat.envelopes.push(forged);
    });
    breaks(Fault::BadInput, "wrong signature", |chain, beat| {
        beat.envelopes.push(envelope(chain, |_| {}).envelope.sign(&key(50)));
    });
    // One that waits here was verified; one that only looks like it was not.
    breaks(Fault::BadInput, "wrong signature", |_, beat| {
        beat.envelopes[0].envelope.operations.push(job("slipped in"));
    });
}

/// The signature is not part of an envelope's id, so that a beat may carry a
/// waiting envelope with a signature that nobody has checked.
#[test]
fn a_waiting_envelope_with_another_signature_is_refused() {
    breaks(Fault::BadInput, "wrong signature", |_, beat| beat.envelopes[0].signature.0[3] ^= 1);
}

#[test]
fn every_root_must_follow_from_the_inputs() {
    let cases: [(&str, fn(&mut Beat)); 4] = [
        ("receipts root", |beat| beat.header.receipts_root = Hash([1; 32])),
        ("app hash", |beat| beat.header.app_hash = Hash([1; 32])),
        ("next validator set", |beat| beat.header.next_validator_set = Hash([1; 32])),
        ("policy version", |beat| beat.header.policy_version += 1),
    ];
    for (word, change) in cases {
        let mut chain = ready();
        let mut beat = (*chain.propose()).clone();
        change(&mut beat);
        for purpose in [Purpose::Proposal { now: TimeMs(chain.now) }, Purpose::Relocked, Purpose::Sync] {
            let (fault, reason) = told(judged_as(&mut chain, beat.clone(), purpose));
            assert_eq!(fault, Some(Fault::WrongRoot));
            assert!(reason.contains(word) && reason.contains("execution gives"), "{reason}");
        }
    }
}

#[test]
fn a_decided_beat_that_is_invalid_stops_the_node() {
    let mut chain = ready();
    let mut beat = (*chain.propose()).clone();
    beat.header.app_hash = Hash([1; 32]);
    let certificate = chain.certify(&beat);
    let before = chain.replica.ledger().tip().clone();
    let error = chain.replica.commit(&Arc::new(beat), &certificate).unwrap_err();
    assert!(error.to_string().contains("finds invalid"), "{error}");
    assert_eq!(*chain.replica.ledger().tip(), before);
}

#[test]
fn a_change_of_the_set_is_in_the_header_and_binds_the_next_beat() {
    let mut chain = ready();
    chain.send(&owner(), vec![command(OwnerCommand::SetValidator { validator: validator(5) })]);
    let old = chain.replica.validator_set().hash();
    let beat = chain.beat();
    assert_eq!(beat.header.validator_set, old);
    assert_ne!(beat.header.next_validator_set, old);
    let mut next = (*chain.propose()).clone();
    assert_eq!(next.header.validator_set, beat.header.next_validator_set);
    next.header.validator_set = old;
    let next = executed(&chain, next);
    assert!(told(judged(&mut chain, next)).1.contains("validator set"));
}
