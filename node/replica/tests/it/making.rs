//! What a replica makes, keeps and takes in.

use crate::chain::{Chain, STEP_MS, agent, command, genesis, host, job, key, name, owner, tenant, validator};
use phalanx_consensus::{Application, Purpose, Verdict};
use phalanx_ledger::{MemoryKv, fsck::fsck};
use phalanx_replica::{EXECUTIONS_MAX, IntakeError, Limits, PoolError, Replica};
use phalanx_types::{
    Envelope, Genesis, Height, JobId, Operation, OwnerCommand, Params, SigningKey, TimeMs,
    owner::Scope,
    params::{Mode, Verification},
};
use proptest::prelude::*;
use std::sync::Arc;

/// A second replica, which takes over what the first one makes.
fn follower(genesis: &Genesis) -> Replica<MemoryKv> {
    Replica::open(MemoryKv::default(), genesis, key(2).public(), Limits::default()).unwrap()
}

#[derive(Clone, Debug)]
enum Step {
    Jobs(u8),
    Agent(u8),
    Report,
    Offer,
    Pause(bool),
    Validator(u8, bool),
    Level(u8),
    Mode(bool),
    CancelNothing,
    /// Nothing, and the clock jumps.
    Gap(u16),
    Beat,
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        (1_u8..8).prop_map(Step::Jobs),
        any::<u8>().prop_map(Step::Agent),
        Just(Step::Report),
        Just(Step::Offer),
        any::<bool>().prop_map(Step::Pause),
        (2_u8..5, any::<bool>()).prop_map(|(seed, add)| Step::Validator(seed, add)),
        (0_u8..3).prop_map(Step::Level),
        any::<bool>().prop_map(Step::Mode),
        Just(Step::CancelNothing),
        any::<u16>().prop_map(Step::Gap),
        Just(Step::Beat),
        Just(Step::Beat),
    ]
}

fn take(chain: &mut Chain<MemoryKv>, step: &Step) {
    let as_owner = |what| (owner(), vec![command(what)]);
    let (sender, operations): (SigningKey, Vec<Operation>) = match step {
        Step::Jobs(count) => (tenant(), (0..*count).map(|i| job(&i.to_string())).collect()),
        Step::Agent(seed) => (tenant(), vec![agent(*seed)]),
        Step::Report => return chain.report_all(),
        Step::Offer => return chain.offer_all(),
        Step::Pause(true) => as_owner(OwnerCommand::Pause { scope: Scope::Mesh }),
        Step::Pause(false) => as_owner(OwnerCommand::Resume { scope: Scope::Mesh }),
        Step::Validator(seed, true) => as_owner(OwnerCommand::SetValidator { validator: validator(*seed) }),
        Step::Validator(seed, false) => {
            as_owner(OwnerCommand::RemoveValidator { vote_key: key(*seed).public() })
        }
        Step::Level(0) => as_owner(OwnerCommand::SetVerification { verification: Verification::None }),
        Step::Level(1) => as_owner(OwnerCommand::SetVerification {
            verification: Verification::Sample { fraction_ppm: 400_000 },
        }),
        Step::Level(_) => as_owner(OwnerCommand::SetVerification { verification: Verification::FullAudit }),
        Step::Mode(true) => {
            as_owner(OwnerCommand::SetMode { mode: Mode::Centralized { succession: vec![key(1).public()] } })
        }
        Step::Mode(false) => as_owner(OwnerCommand::SetMode { mode: Mode::FullyDistributed }),
        Step::CancelNothing => (tenant(), vec![Operation::CancelJob { job: JobId([7; 32]) }]),
        Step::Gap(ms) => {
            chain.now += u64::from(*ms);
            return;
        }
        Step::Beat => return,
    };
    // What is refused at the door is no input.
    let _ = chain.try_send(&sender, operations);
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 24, ..ProptestConfig::default() })]

    /// R3, and F1: whatever comes in, a beat made here passes the judge here and
    /// elsewhere, and both end in the same state.
    #[test]
    fn a_beat_made_here_passes_the_judge_everywhere(steps in prop::collection::vec(step(), 1..40)) {
        let mut chain = Chain::in_memory(genesis(1));
        let mut other = follower(&chain.genesis);
        for step in steps.iter().chain([&Step::Beat]) {
            take(&mut chain, step);
            if !matches!(step, Step::Beat) {
                continue;
            }
            let beat = chain.propose();
            let (round, now) = (chain.round(), TimeMs(chain.now));
            prop_assert_eq!(chain.check(&beat), Verdict::Valid);
            prop_assert_eq!(other.check(&beat, round, Purpose::Proposal { now }).unwrap(), Verdict::Valid);
            let certificate = chain.certify(&beat);
            chain.commit(&beat);
            other.commit(&beat, &certificate).unwrap();
            prop_assert_eq!(chain.replica.ledger().tip(), other.ledger().tip());
            prop_assert_eq!(chain.replica.fabric().entries(), other.fabric().entries());
        }
        prop_assert!(chain.kv().dump() == other.ledger().kv().dump(), "two stores of one mesh differ");
        let report = fsck(&chain.kv());
        prop_assert!(report.is_clean(), "{:?}", report);
        // F2: what was written loads as what was in memory.
        let entries = chain.replica.fabric().entries();
        let again = chain.reopened(MemoryKv::default);
        prop_assert_eq!(again.replica.height(), Height(0));
        let kv = other.ledger().kv().clone();
        let loaded = Replica::open(kv, &genesis(1), key(1).public(), Limits::default()).unwrap();
        prop_assert_eq!(loaded.fabric().entries(), entries);
    }
}

#[test]
fn a_failing_store_leaves_memory_at_the_old_state() {
    let mut chain = Chain::in_memory(genesis(1));
    chain.offer_all();
    chain.beats(2);
    let envelope = chain.send(&tenant(), vec![job("a")]);
    let beat = chain.propose();
    let certificate = chain.certify(&beat);
    let before = (chain.replica.ledger().tip().clone(), chain.replica.fabric().entries());
    chain.replica.take_decisions();
    chain.kv().fill_after(0);
    let error = chain.replica.commit(&beat, &certificate).unwrap_err();
    assert!(error.to_string().contains("the disk is full"), "{error}");
    assert_eq!(before, (chain.replica.ledger().tip().clone(), chain.replica.fabric().entries()));
    assert!(chain.replica.take_decisions().is_empty(), "nothing that is not written is told");
    assert!(chain.replica.mempool().get(&envelope).is_some(), "what was not decided still waits");
}

#[test]
fn memory_is_the_state_after_the_ledgers_tip() {
    let mut chain = Chain::in_memory(genesis(1));
    chain.first_half();
    for _ in 0..3 {
        let stored = chain.replica.ledger().state_entries().unwrap();
        let mut held = chain.replica.fabric().entries();
        held.sort();
        assert_eq!(stored, held);
        chain.beat();
    }
}

/// A proposer that floods rounds makes older executions go; a beat whose
/// execution is gone is executed again.
#[test]
fn executions_are_bounded_and_made_again_when_needed() {
    let mut chain = Chain::in_memory(genesis(1));
    chain.offer_all();
    let first = chain.propose();
    for _ in 0..EXECUTIONS_MAX + 2 {
        chain.now += 1;
        chain.propose();
    }
    chain.commit(&first);
    assert_eq!(chain.replica.height(), Height(1));
    assert!(fsck(&chain.kv()).is_clean());
}

#[test]
fn what_is_decided_or_can_never_be_decided_waits_no_more() {
    let mut chain = Chain::in_memory(genesis(1));
    chain.offer_all();
    chain.beat();
    let decided = chain.send(&tenant(), vec![job("a")]);
    chain.beat();
    assert!(chain.replica.mempool().get(&decided).is_none());
    // An envelope that expires while it waits.
    let beat = chain.propose();
    let late = chain.sign(&tenant(), vec![job("b")]).envelope;
    let short = Envelope { expiry: TimeMs(chain.now), ..late }.sign(&tenant());
    let id = chain.replica.intake(TimeMs(chain.now), Arc::new(short)).unwrap();
    chain.commit(&beat);
    assert!(chain.replica.mempool().get(&id).is_some(), "it is not over yet");
    let next = chain.propose();
    assert!(next.envelopes.is_empty(), "an expired envelope is not proposed");
    chain.commit(&next);
    assert!(chain.replica.mempool().get(&id).is_none());
    assert!(!chain.replica.has_work());
}

#[test]
fn a_beat_takes_what_fits_and_leaves_the_rest_in_order() {
    let params = Params { beat_operations_max: 64, checkpoint_beats: 4, ..Params::default() };
    let mut chain = Chain::in_memory(Genesis { params, ..genesis(1) });
    chain.offer_all();
    chain.beat();
    let ids: Vec<_> = (0..5).map(|i| chain.send(&tenant(), vec![job(&format!("j{i}")); 30])).collect();
    let mut decided = Vec::new();
    for count in [2, 2, 1, 0] {
        let beat = chain.beat();
        assert_eq!(beat.envelopes.len(), count);
        decided.extend(beat.envelopes.iter().map(|signed| signed.envelope.id()));
    }
    assert_eq!(decided, ids);
}

#[test]
fn the_owners_word_overtakes_waiting_jobs() {
    let mut chain = Chain::in_memory(genesis(1));
    chain.offer_all();
    chain.beat();
    chain.send(&tenant(), vec![job("a")]);
    let pause = chain.send(&owner(), vec![command(OwnerCommand::Pause { scope: Scope::Mesh })]);
    let beat = chain.beat();
    assert_eq!(beat.envelopes[0].envelope.id(), pause);
}

fn limited(limits: Limits) -> Chain<MemoryKv> {
    let mut chain = Chain::in_memory(genesis(1));
    chain.offer_all();
    chain.beat();
    let (kv, genesis) = (chain.kv(), chain.genesis.clone());
    chain.replica = Replica::open(kv, &genesis, key(1).public(), limits).unwrap();
    chain
}

#[test]
fn the_door_says_why_it_does_not_let_in() {
    let mut chain = limited(Limits::default());
    let signed = chain.sign(&tenant(), vec![job("a")]);
    let now = TimeMs(chain.now);
    let mut forged = signed.clone();
    forged.signature.0[0] ^= 1;
    assert!(matches!(chain.replica.intake(now, Arc::new(forged)), Err(IntakeError::Signature(_))));
    let signed = Arc::new(signed);
    chain.replica.intake(now, Arc::clone(&signed)).unwrap();
    let again = chain.replica.intake(now, signed);
    assert_eq!(again, Err(IntakeError::Pool(PoolError::Known)));
    let refused = chain.try_send(&tenant(), vec![command(OwnerCommand::Resume { scope: Scope::Mesh })]);
    assert!(matches!(refused, Err(IntakeError::Refused(_))));
    let nobody = chain.try_send(&key(77), vec![job("a")]);
    assert!(matches!(nobody, Err(IntakeError::Refused(_))));
    assert_eq!(chain.replica.mempool().len(), 1);
}

#[test]
fn a_full_pool_refuses_the_newcomer_and_drops_nobody() {
    let limits = Limits { envelopes_max: 3, sender_envelopes_max: 2, ..Limits::default() };
    let mut chain = limited(limits);
    let full = |result: Result<_, IntakeError>| match result {
        Err(IntakeError::Pool(PoolError::Full { what, max })) => (what, max),
        other => panic!("{other:?}"),
    };
    let first = chain.send(&tenant(), vec![job("a")]);
    let second = chain.send(&tenant(), vec![job("b")]);
    let (what, max) = full(chain.try_send(&tenant(), vec![job("c")]));
    assert!(what.contains("this sender's share") && max == 2, "{what}");
    // Others still have room.
    let heartbeat = vec![Operation::Heartbeat { workers: vec![name("earth.core-alpha")] }];
    chain.send(&host(), heartbeat.clone());
    let (what, max) = full(chain.try_send(&host(), heartbeat));
    assert!(what.contains("the queue of envelopes") && max == 3, "{what}");
    assert!([first, second].iter().all(|id| chain.replica.mempool().get(id).is_some()));
    // What is decided makes room.
    chain.beat();
    chain.send(&tenant(), vec![job("c")]);
}

#[test]
fn bytes_are_bounded_as_well() {
    let one = {
        let mut chain = limited(Limits::default());
        let payload = chain.send(&owner(), vec![command(OwnerCommand::Payload { bytes: vec![0; 1_000] })]);
        chain.replica.mempool().get(&payload).unwrap().bytes
    };
    for limits in [
        Limits { bytes_max: one * 2, ..Limits::default() },
        Limits { sender_bytes_max: one * 2, ..Limits::default() },
    ] {
        let mut chain = limited(limits);
        let mut send = || {
            let payload = command(OwnerCommand::Payload { bytes: vec![0; 1_000] });
            chain.try_send(&owner(), vec![payload])
        };
        assert!(send().is_ok() && send().is_ok());
        assert!(matches!(send(), Err(IntakeError::Pool(PoolError::Full { max, .. })) if max == one * 2));
    }
}

#[test]
fn the_store_of_another_mesh_is_refused() {
    let mut chain = Chain::in_memory(genesis(1));
    chain.beat();
    let other = Genesis { time: TimeMs(1), ..genesis(1) };
    let error =
        Replica::open(chain.kv(), &other, key(1).public(), Limits::default()).map(|_| ()).unwrap_err();
    assert!(error.to_string().contains("use the home folder of this mesh"), "{error}");
}

#[test]
fn time_goes_on_even_if_the_clock_does_not() {
    let mut chain = Chain::in_memory(genesis(1));
    chain.beat();
    chain.now -= 3 * STEP_MS;
    let tip = chain.replica.ledger().tip().time;
    let beat = chain.propose();
    assert_eq!(beat.header.time, TimeMs(tip.0 + 1));
}
