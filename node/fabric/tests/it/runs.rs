//! Attempts: GPUs, retries, `once`, deadlines, cancelling, leases.

use crate::world::{World, count, first, host_of, job, key, kinds, name, names, offer, report, shown};
use phalanx_fabric::{EndState, Phase};
use phalanx_types::{GpuRequest, JobId, JobSpec, Operation, Outcome, ReceiptKind, Resources, job::Limit};

const DONE: Outcome = Outcome::Exited { code: 0 };
const FAILED: Outcome = Outcome::Exited { code: 1 };

fn with_gpus(world: &mut World, worker: &str, gpus: u16) {
    let mut big = offer(worker);
    big.resources.gpus = gpus;
    big.max_concurrency = 64;
    big.resources.cpu_milli = 64_000;
    world.offer(big);
}

fn gpu(request: GpuRequest) -> JobSpec {
    let resources = Resources { gpu: request, cpu_milli: 1, ..Resources::default() };
    JobSpec { resources, ..job("earth") }
}

fn shared(milli: u16) -> JobSpec {
    gpu(GpuRequest::Shared { milli })
}

fn whole(count: u16) -> JobSpec {
    gpu(GpuRequest::Whole { count })
}

fn gpus_of(world: &World, id: &JobId) -> Vec<(u16, u16)> {
    match &world.fabric.job(id).unwrap().phase {
        Phase::Running { gpus, .. } => gpus.clone(),
        other => panic!("{other:?}"),
    }
}

fn free(world: &World, worker: &str) -> Vec<u16> {
    world.fabric.worker(&name(worker)).unwrap().gpu_free_milli.clone()
}

#[test]
fn a_share_goes_to_the_gpu_with_the_least_room_that_fits() {
    let mut world = World::new("");
    with_gpus(&mut world, "earth.1", 3);
    let (ids, _) = world.submit_all(vec![shared(600), shared(300), shared(200), shared(100), whole(1)]);
    let gpus: Vec<_> = ids.iter().map(|id| gpus_of(&world, id)).collect();
    assert_eq!(gpus[..4], [vec![(0, 600)], vec![(0, 300)], vec![(1, 200)], vec![(0, 100)]]);
    // So one GPU stays whole.
    assert_eq!(gpus[4], [(2, 1_000)]);
    assert_eq!(free(&world, "earth.1"), [0, 800, 0]);
}

#[test]
fn shares_that_fit_in_sum_but_on_no_single_gpu_wait() {
    let mut world = World::new("");
    with_gpus(&mut world, "earth.1", 2);
    let (ids, _) = world.submit_all(vec![shared(600), shared(600), shared(500)]);
    assert!(world.is_queued(&ids[2]), "400 + 400 thousandths are free, 500 on none");
    let table = world.fabric.candidates(&ids[2]).unwrap();
    assert_eq!(table.removed.iter().map(|(r, n)| (r.code(), *n)).collect::<Vec<_>>(), [("gpu", 1)]);
    let (wholes, _) = world.submit_all(vec![whole(1)]);
    assert!(world.is_queued(&wholes[0]), "no GPU is free as a whole");
    world.end(ids[0], DONE);
    assert_eq!(gpus_of(&world, &ids[2]), [(0, 500)]);
    assert_eq!(free(&world, "earth.1"), [500, 400]);
}

#[test]
fn whole_gpus_are_those_of_one_worker() {
    let mut world = World::new("");
    with_gpus(&mut world, "earth.1", 2);
    with_gpus(&mut world, "earth.2", 2);
    let (_, applied) = world.submit(whole(3));
    assert_eq!(crate::world::refusal(&applied), "impossible");
    let (ids, _) = world.submit_all(vec![whole(1), whole(2), whole(2)]);
    assert_eq!(world.runs_on(&ids[0]), "earth.1");
    assert_eq!(world.runs_on(&ids[1]), "earth.2");
    assert!(world.is_queued(&ids[2]));
}

#[test]
fn a_failure_costs_a_retry_and_the_last_one_ends_the_job() {
    let mut world = World::new("earth.1");
    let (id, _) = world.submit(JobSpec { retries: 2, ..job("earth") });
    let failures = [FAILED, Outcome::Signalled { signal: 9 }, Outcome::LimitReached { limit: Limit::Memory }];
    for (attempt, outcome) in (1..).zip(failures) {
        assert_eq!(world.fabric.job(&id).unwrap().attempt, attempt);
        let applied = world.end(id, outcome);
        assert_eq!(count(&applied.receipts, ReceiptKind::JobRequeued), usize::from(attempt < 3));
    }
    assert_eq!(world.end_of(&id), Some(EndState::Failed));
    assert_eq!(world.fabric.worker(&name("earth.1")).unwrap().running, 0);
}

#[test]
fn what_the_mesh_or_a_worker_lost_costs_no_retry() {
    let mut world = World::new("earth.1");
    let (id, _) = world.submit(job("earth"));
    for outcome in [Outcome::Lost, Outcome::Killed, Outcome::LeaseExpired, Outcome::Unknown] {
        world.end(id, outcome);
    }
    let state = world.fabric.job(&id).unwrap();
    assert_eq!((state.attempt, state.retries_left), (5, 0));
    world.end(id, FAILED);
    assert_eq!(world.end_of(&id), Some(EndState::Failed));
}

#[test]
fn a_job_that_kills_its_workers_does_not_go_round_for_ever() {
    let mut world = World::new("earth.1");
    let (id, _) = world.submit(job("earth"));
    let mut attempts = 0;
    while world.end_of(&id).is_none() {
        world.end(id, Outcome::Lost);
        attempts += 1;
    }
    assert_eq!((attempts, world.end_of(&id)), (32, Some(EndState::Failed)));
}

#[test]
fn a_once_job_that_is_lost_ends_as_unknown_and_is_never_started_twice() {
    for outcome in [Outcome::Lost, Outcome::Killed, Outcome::LeaseExpired, Outcome::Unknown] {
        let mut world = World::new("earth.1 earth.2");
        let (id, _) = world.submit(JobSpec { once: true, ..job("earth") });
        world.end(id, outcome);
        assert_eq!(world.end_of(&id), Some(EndState::Unknown));
        assert_eq!(world.fabric.job(&id).unwrap().attempt, 1);
        let Phase::Ended { outcome, .. } = &world.fabric.job(&id).unwrap().phase else { panic!() };
        assert_eq!(*outcome, Some(Outcome::Unknown));
    }
}

#[test]
fn a_once_job_whose_worker_falls_silent_ends_as_unknown() {
    let mut world = World::new("earth.1 earth.2");
    let (id, _) = world.submit(JobSpec { once: true, ..job("earth") });
    let receipts = world.pass(60_000, "earth.2");
    assert_eq!(count(&receipts, ReceiptKind::JobAssigned), 0);
    assert_eq!(world.end_of(&id), Some(EndState::Unknown));
}

#[test]
fn a_once_job_ends_as_it_ended() {
    for (outcome, state) in [
        (DONE, EndState::Succeeded),
        (FAILED, EndState::Failed),
        (Outcome::NotStarted { reason: "no such program".to_owned() }, EndState::Failed),
    ] {
        let mut world = World::new("earth.1");
        let (id, _) = world.submit(JobSpec { once: true, ..job("earth") });
        world.end(id, outcome);
        assert_eq!(world.end_of(&id), Some(state));
    }
}

#[test]
fn a_deadline_ends_a_job_that_waits_and_one_that_runs() {
    let mut world = World::new("earth.1");
    let with = |deadline_ms| JobSpec { deadline_ms, ..job("earth") };
    let (ids, _) = world.submit_all(vec![with(3_000), with(0), with(0), with(0), with(2_000), with(0)]);
    assert_eq!(world.runs_on(&ids[0]), "earth.1");
    assert!(world.is_queued(&ids[4]));
    world.pass(1_999, "earth.1");
    assert_eq!(world.end_of(&ids[4]), None);
    world.pass(1, "earth.1");
    assert_eq!(world.end_of(&ids[4]), Some(EndState::Expired));
    world.pass(999, "earth.1");
    assert_eq!(world.end_of(&ids[0]), None);
    world.pass(1, "earth.1");
    assert_eq!(world.end_of(&ids[0]), Some(EndState::Expired));
    // Its place is free at once: the last one has it.
    assert_eq!(world.runs_on(&ids[5]), "earth.1");
    assert!(world.fabric.wanted(&name("earth.1")).iter().all(|wanted| wanted.attempt.job != ids[0]));
}

#[test]
fn a_tenant_cancels_what_waits_and_what_runs() {
    let mut world = World::new("earth.1");
    let (ids, _) = world.submit_all(vec![job("earth"); 5]);
    let cancel = |job| Operation::CancelJob { job };
    let applied = world.one(key("tenant"), cancel(ids[4]));
    assert_eq!(kinds(&applied.receipts), [ReceiptKind::JobEnded]);
    let applied = world.one(key("tenant"), cancel(ids[0]));
    assert_eq!(shown(first(&applied.receipts, ReceiptKind::JobEnded), "state"), "cancelled");
    assert_eq!(world.end_of(&ids[0]), Some(EndState::Cancelled));
    let worker = world.fabric.worker(&name("earth.1")).unwrap();
    assert_eq!((worker.running, worker.cpu_milli), (3, 3_000));
    let (_, tenant) = world.fabric.tenants().next().unwrap();
    assert_eq!((tenant.jobs, tenant.cpu_milli), (3, 3_000));
}

#[test]
fn a_silent_workers_attempts_go_back_only_after_the_lease_and_its_margin() {
    let mut world = World::new("earth.1 earth.2");
    let (id, _) = world.submit(job("earth"));
    let offered = world.fabric.worker(&name("earth.1")).unwrap().last_seen.0;
    assert_eq!(world.runs_on(&id), "earth.1");
    let margin = phalanx_fabric::lease_margin_ms(world.fabric.params());
    let over = offered + 30_000 + margin;
    let wanted = world.fabric.wanted(&name("earth.1"));
    assert_eq!(wanted[0].lease_until.0, offered + 30_000);
    world.pass(over - world.time, "earth.2");
    assert_eq!(world.runs_on(&id), "earth.1", "the attempt may still run");
    let receipts = world.pass(1, "earth.2");
    assert_eq!(
        kinds(&receipts),
        [ReceiptKind::AttemptEnded, ReceiptKind::JobRequeued, ReceiptKind::JobAssigned]
    );
    assert_eq!(shown(&receipts[0], "outcome"), "lease_expired");
    assert_eq!(world.runs_on(&id), "earth.2");
    assert_eq!(world.fabric.job(&id).unwrap().attempt, 2);
    // What the first one says now is of the past.
    let late = world.one(host_of("earth.1"), report("earth.1", id, 1, DONE));
    assert_eq!(crate::world::refusal(&late), "stale_attempt");
}

#[test]
fn a_worker_with_a_long_interval_has_a_long_lease() {
    let mut world = World::new("");
    let mut slow = offer("earth.1");
    slow.heartbeat_interval_ms = 20_000;
    world.offer(slow);
    let (id, _) = world.submit(job("earth"));
    world.pass(60_000, "");
    assert_eq!(world.runs_on(&id), "earth.1");
    world.pass(5_000, "");
    assert!(world.is_queued(&id));
}

#[test]
fn a_worker_is_told_what_it_should_be_running_and_nothing_else() {
    let mut world = World::new("earth.1 earth.2");
    let (ids, _) = world.submit_all(vec![job("earth"); 5]);
    let wanted = |world: &World, worker: &str| -> Vec<JobId> {
        world.fabric.wanted(&name(worker)).iter().map(|w| w.attempt.job).collect()
    };
    let all: Vec<JobId> = ["earth.1", "earth.2"].iter().flat_map(|w| wanted(&world, w)).collect();
    assert_eq!(all.len(), 5);
    assert!(ids.iter().all(|id| all.contains(id)));
    let attempt = phalanx_types::AttemptId { job: ids[0], number: 1 };
    assert!(world.fabric.awaits(&attempt));
    world.end(ids[0], DONE);
    assert!(!world.fabric.awaits(&attempt));
    assert!(world.fabric.wanted(&name("nobody")).is_empty());
    let free = names("earth.1 earth.2").iter().map(|w| wanted(&world, w.as_str()).len()).sum::<usize>();
    assert_eq!(free, 4);
}
