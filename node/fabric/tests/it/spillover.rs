//! Spillover: listed order, each shard once, a bounded number of hops, budgets
//! kept.

use crate::world::{World, count, first, job, key, kinds, name, names, offer, report, shard, shown};
use phalanx_types::{
    JobId, JobSpec, Operation, Outcome, OwnerCommand, ReceiptDraft, ReceiptKind, Resources, owner::Scope,
    shard::ShardSpec,
};

fn mesh(shards: Vec<ShardSpec>, hops_max: u8, workers: &str) -> World {
    let mut world = World::bare(|genesis| {
        for validator in &mut genesis.validators {
            validator.region = shards[0].name.clone();
        }
        genesis.latencies.clear();
        genesis
            .workers
            .extend(names(workers).into_iter().map(|w| (w.clone(), crate::world::host_of(w.as_str()))));
        genesis.shards = shards;
        genesis.params.spillover_hops_max = hops_max;
    });
    world.offer_all(workers);
    world
}

fn visited(world: &World, id: &JobId) -> String {
    let job = world.fabric.job(id).unwrap();
    job.visited.iter().map(ToString::to_string).collect::<Vec<_>>().join(" ")
}

fn reasons(receipts: &[ReceiptDraft]) -> Vec<String> {
    let spilled = receipts.iter().filter(|r| r.kind == ReceiptKind::JobSpilled);
    spilled.map(|r| format!("{}>{} {}", shown(r, "from"), shown(r, "to"), shown(r, "reason"))).collect()
}

#[test]
fn overflow_at_intake_goes_to_the_first_listed_shard_with_room() {
    let shards = vec![shard("a", 1, "c b"), shard("b", 9, ""), shard("c", 1, "")];
    let mut world = mesh(shards, 3, "a.1 b.1 c.1");
    for region in ["a", "b", "c"] {
        world.fill(region);
    }
    let (ids, applied) = world.submit_all(vec![job("a"); 4]);
    assert_eq!(
        reasons(&applied.receipts),
        ["a>c queue_over_budget", "a>b queue_over_budget", "a>b queue_over_budget"]
    );
    assert_eq!(ids.iter().map(|id| world.shard_of(id)).collect::<Vec<_>>(), ["a", "c", "b", "b"]);
    for (shard, spec, waiting) in world.fabric.shards() {
        assert!(waiting <= spec.spec.queue_budget as usize, "{shard}");
    }
}

#[test]
fn a_full_neighbour_is_no_way_to_room_beyond_it() {
    let shards = vec![shard("a", 1, "b"), shard("b", 1, "c"), shard("c", 9, "")];
    let mut world = mesh(shards, 3, "a.1 b.1 c.1");
    for region in ["a", "b", "c"] {
        world.fill(region);
    }
    let (_, applied) = world.submit_all(vec![job("a"); 3]);
    assert_eq!(crate::world::refusal(&applied), "queue_full");
    assert_eq!((world.waiting_in("a"), world.waiting_in("b"), world.waiting_in("c")), (1, 1, 0));
}

#[test]
fn a_job_goes_where_a_worker_is_free_when_its_own_are_busy() {
    let mut world = World::new("earth.1 luna.1 mars.1");
    let (ids, applied) = world.submit_all(vec![job("earth"); 6]);
    assert_eq!(ids[..4].iter().map(|id| world.runs_on(id)).collect::<Vec<_>>(), ["earth.1"; 4]);
    assert_eq!(reasons(&applied.receipts), ["earth>luna workers_busy", "earth>luna workers_busy"]);
    assert_eq!(world.runs_on(&ids[5]), "luna.1");
    assert_eq!(visited(&world, &ids[5]), "earth luna");
    assert_eq!(shown(first(&applied.receipts, ReceiptKind::JobSpilled), "hop"), "1");
}

#[test]
fn a_job_waits_at_home_while_nobody_is_free_anywhere() {
    let mut world = World::new("earth.1 luna.1");
    world.submit_all(vec![job("earth"); 4]);
    world.submit_all(vec![job("luna"); 4]);
    let (id, applied) = world.submit(job("earth"));
    assert_eq!(kinds(&applied.receipts), [ReceiptKind::JobAccepted]);
    assert!(world.is_queued(&id));
    assert_eq!(world.shard_of(&id), "earth");
}

#[test]
fn a_job_that_its_shard_can_never_run_moves_at_once_to_where_one_can() {
    let mut world = World::new("earth.1 luna.1");
    let mut skilled = offer("mars.1");
    skilled.capabilities = names("welding").into_iter().collect();
    world.offer(skilled);
    let welding = JobSpec { skills: names("welding").into_iter().collect(), ..job("earth") };
    let (ids, applied) = world.submit_all(vec![welding; 5]);
    assert_eq!(reasons(&applied.receipts), ["earth>mars no_worker_here"; 5]);
    assert_eq!(world.runs_on(&ids[3]), "mars.1");
    // The fifth waits there, where its worker is.
    assert!(world.is_queued(&ids[4]));
    assert_eq!(world.shard_of(&ids[4]), "mars");
}

#[test]
fn a_job_goes_on_over_shards_without_a_worker_to_the_one_that_has_it() {
    let shards = vec![shard("a", 9, "x b"), shard("b", 9, "c"), shard("c", 9, ""), shard("x", 9, "a")];
    let mut world = mesh(shards, 3, "c.1");
    let (id, applied) = world.submit(job("a"));
    assert_eq!(reasons(&applied.receipts), ["a>b no_worker_here", "b>c no_worker_here"]);
    assert_eq!(world.runs_on(&id), "c.1");
    assert_eq!(visited(&world, &id), "a b c");
}

#[test]
fn a_job_makes_no_more_hops_than_allowed() {
    let chain = || vec![shard("a", 9, "b"), shard("b", 9, "c"), shard("c", 9, "d"), shard("d", 9, "")];
    for hops_max in 0..=3 {
        let mut world = mesh(chain(), hops_max, "d.1");
        let (id, applied) = world.submit(job("a"));
        if hops_max == 3 {
            assert_eq!(world.runs_on(&id), "d.1");
            assert_eq!(world.fabric.job(&id).unwrap().visited.len(), 4);
        } else {
            assert_eq!(crate::world::refusal(&applied), "impossible", "{hops_max} hops do not get there");
        }
    }
}

#[test]
fn a_job_visits_a_shard_once() {
    // Two shards that list one another, and a worker that leaves again and again.
    let mut world = World::new("earth.1 luna.1");
    world.submit_all(vec![job("earth"); 4]);
    let (id, _) = world.submit(job("earth"));
    assert_eq!(world.runs_on(&id), "luna.1");
    // Its attempt is lost: it starts again at home, with nothing visited.
    world.one(key("host-1"), Operation::WithdrawWorker { worker: name("luna.1") });
    let applied = world.end(id, Outcome::Lost);
    assert_eq!(kinds(&applied.receipts), [ReceiptKind::AttemptEnded, ReceiptKind::JobRequeued]);
    assert_eq!(visited(&world, &id), "earth");
    // Luna to Earth, and never back to Luna, whatever is free there.
    let mut world = World::new("earth.1 luna.1");
    world.submit_all(vec![job("luna"); 4]);
    let (id, _) = world.submit(job("luna"));
    assert_eq!(world.shard_of(&id), "earth");
    world.submit_all(vec![job("earth"); 4]);
    let busy: Vec<JobId> =
        world.fabric.jobs().filter(|(other, _)| **other != id).map(|(id, _)| *id).collect();
    for other in busy {
        if world.runs_on(&other) == "luna.1" {
            world.end(other, Outcome::Exited { code: 0 });
        }
    }
    assert_eq!(visited(&world, &id), "luna earth");
}

#[test]
fn overflow_is_not_sent_where_no_worker_could_ever_do_it() {
    let shards = vec![shard("a", 1, "c b"), shard("b", 9, ""), shard("c", 9, "")];
    let mut world = mesh(shards, 3, "a.1 b.1");
    for region in ["a", "b"] {
        world.fill(region);
    }
    let (_, applied) = world.submit_all(vec![job("a"); 2]);
    assert_eq!(reasons(&applied.receipts), ["a>b queue_over_budget"]);
}

#[test]
fn a_requeued_job_spills_when_its_home_is_full_and_stays_when_all_are() {
    let shards = vec![shard("a", 1, "b"), shard("b", 1, ""), shard("z", 9, "")];
    let mut world = mesh(shards, 3, "a.1 b.1");
    let running = world.fill("a");
    world.fill("b");
    world.submit(job("a"));
    assert_eq!((world.waiting_in("a"), world.waiting_in("b")), (1, 0));
    // The slot that is free again goes to the one that waited.
    let applied = world.end(running[0], Outcome::Lost);
    assert_eq!(reasons(&applied.receipts), ["a>b queue_over_budget"]);
    assert_eq!((world.waiting_in("a"), world.waiting_in("b")), (0, 1));
    world.submit(job("a"));
    let applied = world.end(running[1], Outcome::Lost);
    assert_eq!(reasons(&applied.receipts), Vec::<String>::new());
    // An accepted job is never dropped.
    assert_eq!((world.waiting_in("a"), world.waiting_in("b")), (1, 1));
    assert_eq!(world.shard_of(&running[1]), "a");
}

#[test]
fn a_paused_shard_is_passed_over() {
    let mut world = World::new("earth.1 luna.1 mars.1");
    world.command(OwnerCommand::Pause { scope: Scope::Shard { shard: name("luna") } });
    let (ids, _) = world.submit_all(vec![job("earth"); 5]);
    assert_eq!(world.runs_on(&ids[4]), "mars.1");
    assert_eq!(visited(&world, &ids[4]), "earth mars");
}

#[test]
fn jobs_wait_by_priority_and_then_in_the_order_of_their_acceptance() {
    let mut world = World::new("earth.1");
    let (running, _) = world.submit_all(vec![job("earth"); 4]);
    let with = |priority| JobSpec { priority, ..job("earth") };
    let (ids, _) = world.submit_all(vec![with(1), with(9), with(9), with(200)]);
    let mut order = Vec::new();
    for id in running {
        let applied = world.end(id, Outcome::Exited { code: 0 });
        order.push(first(&applied.receipts, ReceiptKind::JobAssigned).subject.clone());
    }
    let expected = [ids[3], ids[1], ids[2], ids[0]].map(|id| id.to_string());
    assert_eq!(order, expected);
}

#[test]
fn a_spilled_job_keeps_its_latency_budget_and_its_place_in_the_order() {
    let mut world = World::new("earth.1 luna.1");
    world.submit_all(vec![job("luna"); 4]);
    world.submit_all(vec![job("earth"); 3]);
    // One slot at Earth: the older job from Luna, which spills, has it.
    let (early, _) = world.submit(job("luna"));
    assert_eq!(world.shard_of(&early), "earth");
    let (late, applied) = world.submit(job("earth"));
    assert_eq!(world.runs_on(&early), "earth.1");
    assert!(world.is_queued(&late));
    assert_eq!(count(&applied.receipts, ReceiptKind::JobAssigned), 1);
    let done = report("earth.1", early, 1, Outcome::Exited { code: 0 });
    world.one(key("host-1"), done);
    assert_eq!(world.runs_on(&late), "earth.1");
}

#[test]
fn jobs_that_find_no_worker_do_not_hold_back_those_behind_them_that_do() {
    let mut world = mesh(vec![shard("earth", 1_000, "")], 3, "earth.1 earth.2");
    world.submit_all(vec![job("earth"); 2]);
    // Both workers have three cores left, and more is asked for again and again.
    let large = |n: u32| {
        let resources = Resources { cpu_milli: 3_500 + n, memory_mib: 64, ..Resources::default() };
        JobSpec { resources, priority: 200, ..job("earth") }
    };
    world.submit_all((0..200).map(large).collect());
    assert_eq!(world.waiting_in("earth"), 200);
    let (id, _) = world.submit(job("earth"));
    assert!(!world.is_queued(&id), "it waits behind those that cannot run");
    // And one that no worker here could ever do is not passed over.
    let mut world = World::new("earth.1");
    let mut strong = offer("mars.1");
    strong.resources.cpu_milli = 16_000;
    world.offer(strong);
    world.submit(job("earth"));
    let full = Resources { cpu_milli: 3_500, memory_mib: 64, ..Resources::default() };
    let more = Resources { cpu_milli: 15_000, ..full };
    let ask = |resources| JobSpec { resources, ..job("earth") };
    world.submit_all(vec![ask(more)]);
    let (ids, _) = world.submit_all(vec![ask(full), ask(more)]);
    assert!(world.is_queued(&ids[0]));
    assert_eq!(world.shard_of(&ids[1]), "mars");
}
