//! Each named term of the routing score decides alone, once; and what a receipt
//! says of a decision.

use crate::world::{World, agent, first, job, name, names, offer, shown};
use phalanx_fabric::{Applied, table_digest};
use phalanx_types::{
    Field, Hash, JobId, JobSpec, OwnerCommand, ReceiptDraft, ReceiptKind, WorkerOffer, job::WorkloadType,
    owner::Scope,
};

const TERMS: [&str; 4] = ["capacity", "skills", "latency", "priority"];

fn candidates(assigned: &ReceiptDraft) -> Vec<(String, [i64; 5])> {
    let Some(Field::List(rows)) = assigned.data.get("candidates") else { panic!("{assigned:#?}") };
    let row = |row: &Field| {
        let Field::Map(row) = row else { panic!("{row:?}") };
        let number = |key: &str| match &row[key] {
            Field::Number(number) => *number,
            other => panic!("{other:?}"),
        };
        let Field::Text(worker) = &row["worker"] else { panic!("{row:?}") };
        let terms = ["capacity", "skills", "latency", "priority", "score"].map(number);
        (worker.clone(), terms)
    };
    rows.iter().map(row).collect()
}

/// The winner of a decision between two workers, after holding that they differ
/// in `term` alone.
fn winner_by(term: &str, applied: &Applied) -> String {
    let rows = candidates(first(&applied.receipts, ReceiptKind::JobAssigned));
    let [(winner, a), (_, b)] = rows.as_slice() else { panic!("{rows:?}") };
    for (at, other) in TERMS.iter().enumerate() {
        assert_eq!(*other != term, a[at] == b[at], "{other}: {a:?} {b:?}");
    }
    assert_eq!(a[4], a[0] + a[1] + a[2] + a[3], "the score is the sum");
    winner.clone()
}

/// Who wins when the two workers of a shard differ by `change` of their offers.
fn winner_of(term: &str, spec: &JobSpec, change: [fn(&mut WorkerOffer); 2]) -> String {
    let mut world = World::new("");
    for (worker, change) in ["earth.1", "earth.2"].into_iter().zip(change) {
        let mut offer = offer(worker);
        change(&mut offer);
        world.offer(offer);
    }
    winner_by(term, &world.submit(spec.clone()).1)
}

fn decides(term: &str, spec: &JobSpec, better: fn(&mut WorkerOffer), worse: fn(&mut WorkerOffer)) {
    assert_eq!(winner_of(term, spec, [better, worse]), "earth.1");
    assert_eq!(winner_of(term, spec, [worse, better]), "earth.2");
}

#[test]
fn the_capacity_term_alone_decides() {
    decides("capacity", &job("earth"), |o| o.capacity = 9, |o| o.capacity = 8);
}

#[test]
fn the_skills_term_alone_decides_for_the_specialist() {
    let mut spec = job("earth");
    spec.skills = names("general").into_iter().collect();
    decides("skills", &spec, |_| (), |o| o.capabilities = names("general gpu iot").into_iter().collect());
}

#[test]
fn without_skills_the_skills_term_keeps_the_versatile_worker_free() {
    decides(
        "skills",
        &job("earth"),
        |_| (),
        |o| {
            o.capabilities = names("general gpu iot").into_iter().collect();
        },
    );
}

#[test]
fn the_latency_term_alone_decides_by_the_workers_signed_window() {
    decides("latency", &job("earth"), |o| o.latency_window_ms = 10, |o| o.latency_window_ms = 11);
}

#[test]
fn the_latency_term_is_the_agreed_latency_and_the_window_against_the_budget() {
    let mut world = World::new("earth.1");
    let (_, applied) = world.submit(job("earth"));
    let rows = candidates(first(&applied.receipts, ReceiptKind::JobAssigned));
    assert_eq!(rows[0].1[2], 1_000 * (100 - (5 + 10)) / 100);
    // The same worker for a job of a region 50 ms away.
    let mut spilled = job("luna");
    spilled.skills = names("general").into_iter().collect();
    let (_, applied) = world.submit(spilled);
    assert_eq!(shown(first(&applied.receipts, ReceiptKind::JobSpilled), "to"), "earth");
    let applied = world.idle();
    let rows = candidates(first(&applied.receipts, ReceiptKind::JobAssigned));
    assert_eq!(rows[0].1[2], 1_000 * (100 - (50 + 10)) / 100);
}

#[test]
fn the_latency_term_never_falls_below_minus_one_thousand() {
    let mut world = World::new("");
    world.offer(WorkerOffer { latency_window_ms: 3_600_000, ..offer("earth.1") });
    let (_, applied) = world.submit(job("earth"));
    let rows = candidates(first(&applied.receipts, ReceiptKind::JobAssigned));
    assert_eq!(rows[0].1[2], -1_000);
}

#[test]
fn somebody_who_waits_is_never_served_from_beyond_the_latency_budget() {
    let mut world = World::new("");
    world.offer(WorkerOffer { latency_window_ms: 96, ..offer("earth.1") });
    let spec = JobSpec { workload: WorkloadType::Interactive, ..job("earth") };
    let (_, applied) = world.submit(spec.clone());
    assert_eq!(crate::world::refusal(&applied), "impossible");
    world.offer(WorkerOffer { latency_window_ms: 95, ..offer("earth.2") });
    let (id, applied) = world.submit(spec);
    assert_eq!(world.runs_on(&id), "earth.2");
    let assigned = first(&applied.receipts, ReceiptKind::JobAssigned);
    let Some(Field::Map(removed)) = assigned.data.get("removed") else { panic!("{assigned:?}") };
    assert_eq!(removed["latency"], Field::u32(1));
}

#[test]
fn the_priority_term_alone_decides_urgent_jobs_for_the_most_free_cpu() {
    // An agent takes CPU and no slot, so that only the free CPU differs.
    let mut world = World::new("earth.1 earth.2");
    let (resident, _) = world.spawn(agent("earth"));
    assert_eq!(world.home_of(&resident), "earth.1");
    let urgent = JobSpec { priority: 255, ..job("earth") };
    let patient = JobSpec { priority: 0, ..job("earth") };
    let mut other = world.clone();
    assert_eq!(winner_by("priority", &world.submit(urgent).1), "earth.2");
    assert_eq!(winner_by("priority", &other.submit(patient).1), "earth.1");
}

#[test]
fn equal_scores_go_to_the_first_name() {
    let mut world = World::new("earth.9 earth.2 earth.3");
    let (id, _) = world.submit(job("earth"));
    assert_eq!(world.runs_on(&id), "earth.2");
}

#[test]
fn a_receipt_names_the_winner_and_the_next_seven_and_counts_the_removed() {
    let workers: Vec<String> = (0..12).map(|n| format!("earth.m{n:02}")).collect();
    let mut world = World::bare(|genesis| {
        genesis.workers.extend(workers.iter().map(|w| (name(w), crate::world::host_of(w))));
    });
    for (n, worker) in workers.iter().enumerate() {
        let mut offer = offer(worker);
        offer.capacity = 10 + n as u32;
        if n == 11 {
            offer.price = phalanx_types::MicroUnits(101);
        }
        world.offer(offer);
    }
    let (id, applied) = world.submit(job("earth"));
    assert_eq!(world.runs_on(&id), "earth.m10");
    let assigned = first(&applied.receipts, ReceiptKind::JobAssigned);
    let shown: Vec<String> = candidates(assigned).into_iter().map(|(worker, _)| worker).collect();
    let expected: Vec<String> = (3..=10).rev().map(|n| format!("earth.m{n:02}")).collect();
    assert_eq!(shown, expected);
    assert_eq!(assigned.data["removed"], Field::Map([("budget".into(), Field::u32(1))].into()));
}

#[test]
fn the_digest_of_a_table_follows_from_the_roster_and_the_decisions_before_it() {
    let mut world = World::new("earth.1 earth.2");
    world.command(OwnerCommand::Pause { scope: Scope::Shard { shard: name("earth") } });
    // Earth is paused: Luna's jobs, which have no worker at home, wait for it.
    let specs = (0..3).map(|n| JobSpec { priority: n, ..job("luna") }).collect();
    world.submit_all(specs);
    let earth = name("earth");
    let before = world.fabric.roster_digest(&earth);
    // They move to Earth as it resumes, and are decided in the next beat.
    world.command(OwnerCommand::Resume { scope: Scope::Shard { shard: name("earth") } });
    assert_eq!(world.waiting_in("earth"), 3);
    assert_eq!(world.fabric.roster_digest(&earth), before);
    let receipts = world.idle().receipts;
    let assigned: Vec<&ReceiptDraft> =
        receipts.iter().filter(|r| r.kind == ReceiptKind::JobAssigned).collect();
    assert_eq!(assigned.len(), 3);
    let mut digest = before;
    for receipt in assigned {
        let id: JobId = receipt.subject.parse().unwrap();
        digest = table_digest(&digest, &id, 100, 50);
        assert_eq!(shown(receipt, "table"), digest.to_string());
    }
    assert_ne!(world.fabric.roster_digest(&earth), before);
}

#[test]
fn a_digest_binds_the_roster_the_job_and_both_latencies() {
    let (roster, job) = (Hash([1; 32]), JobId([2; 32]));
    let digest = table_digest(&roster, &job, 100, 5);
    assert_ne!(digest, table_digest(&Hash([3; 32]), &job, 100, 5));
    assert_ne!(digest, table_digest(&roster, &JobId([3; 32]), 100, 5));
    assert_ne!(digest, table_digest(&roster, &job, 101, 5));
    assert_ne!(digest, table_digest(&roster, &job, 100, 6));
}

#[test]
fn a_shards_weight_says_how_much_free_capacity_counts() {
    let mut world = World::bare(|_| ());
    let strong = WorkerOffer { capacity: 9, ..offer("earth.1") };
    let skilled = WorkerOffer { capabilities: names("welding").into_iter().collect(), ..offer("earth.2") };
    let both = WorkerOffer { capabilities: names("welding paint").into_iter().collect(), ..strong };
    world.offer(both);
    world.offer(skilled);
    let spec = JobSpec { skills: names("welding").into_iter().collect(), ..job("earth") };
    let (id, _) = world.submit(spec.clone());
    assert_eq!(world.runs_on(&id), "earth.1", "capacity decides");
    let mut light = world.clone();
    light.command(OwnerCommand::SetShardWeight { shard: name("earth"), weight_ppm: 1_000 });
    let (id, _) = light.submit(spec);
    assert_eq!(light.runs_on(&id), "earth.2", "skill decides");
}

#[test]
fn the_thermostat_says_how_many_slots_are_filled() {
    let mut world = World::new("earth.1");
    world.command(OwnerCommand::SetThermostat { limit_ppm: 500_000 });
    let (ids, _) = world.submit_all(vec![job("earth"); 4]);
    let running = |world: &World| ids.iter().filter(|id| !world.is_queued(id)).count();
    assert_eq!(running(&world), 2, "two of four slots");
    world.command(OwnerCommand::SetThermostat { limit_ppm: 1_000_000 });
    assert_eq!(running(&world), 4);
    // A worker that has slots has at least one.
    let mut cold = World::new("earth.1");
    cold.command(OwnerCommand::SetThermostat { limit_ppm: 1 });
    let (id, _) = cold.submit(job("earth"));
    assert_eq!(cold.runs_on(&id), "earth.1");
}
