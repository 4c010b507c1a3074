//! Time: a gap between two beats moves deadlines, leases and signs of life.

use crate::world::{World, agent, count, first, job, kinds, name, shown};
use phalanx_types::{JobSpec, ReceiptKind};

#[test]
fn the_part_of_a_gap_above_gap_ms_does_not_count() {
    let mut world = World::new("earth.1");
    let applied = world.beat_of(2_000, &[], &[]);
    assert_eq!(kinds(&applied.receipts), []);
    let applied = world.beat_of(60_000, &[], &[]);
    let shifted = first(&applied.receipts, ReceiptKind::TimeShifted);
    assert_eq!((shown(shifted, "gap_ms"), shown(shifted, "shifted_ms")), ("60000".into(), "58000".into()));
    assert_eq!(kinds(&applied.receipts), [ReceiptKind::TimeShifted]);
    assert!(world.fabric.worker(&name("earth.1")).unwrap().is_healthy, "4 s of silence by mesh time");
}

#[test]
fn nothing_is_shifted_before_the_first_beat() {
    let mut world = World::bare(|_| ());
    assert_eq!(kinds(&world.beat_of(86_400_000, &[], &[]).receipts), []);
}

#[test]
fn leases_and_deadlines_move_by_what_a_gap_has_above_gap_ms() {
    let mut world = World::new("earth.1 earth.2");
    let with = |deadline_ms| JobSpec { deadline_ms, ..job("earth") };
    let (ids, _) = world.submit_all(vec![with(10_000), with(0)]);
    let lease = |world: &World| world.fabric.wanted(&name("earth.1"))[0].lease_until.0;
    let before = lease(&world);
    world.beat_of(102_000, &[], &[]);
    assert_eq!(lease(&world), before + 100_000);
    // 10 s by mesh time: two in the gap, eight from now on.
    world.pass(7_999, "earth.1 earth.2");
    assert_eq!(world.end_of(&ids[0]), None);
    world.pass(1, "earth.1 earth.2");
    assert_eq!(world.end_of(&ids[0]), Some(phalanx_fabric::EndState::Expired));
    assert!(world.worker_of(&ids[1]).is_some());
}

#[test]
fn a_mesh_that_stood_still_for_a_day_kills_nothing_on_waking() {
    let mut world = World::new("earth.1 earth.2");
    let (ids, _) = world.submit_all(vec![JobSpec { deadline_ms: 60_000, ..job("earth") }; 4]);
    let (resident, _) = world.spawn(agent("earth"));
    let homes: Vec<String> = ids.iter().map(|id| world.runs_on(id)).collect();
    let applied = world.beat_of(86_400_000, &[], &[]);
    assert_eq!(kinds(&applied.receipts), [ReceiptKind::TimeShifted]);
    let receipts = world.pass(20_000, "earth.1 earth.2");
    assert_eq!(kinds(&receipts), []);
    assert_eq!(ids.iter().map(|id| world.runs_on(id)).collect::<Vec<_>>(), homes);
    assert_eq!(world.home_of(&resident), "earth.1");
}

#[test]
fn gaps_add_up_and_envelopes_still_expire_by_the_headers_time() {
    let mut world = World::new("earth.1");
    for _ in 0..3 {
        world.beat_of(5_000, &[], &[]);
    }
    let signed = world.envelope(crate::world::key("tenant"), vec![]);
    assert_eq!(signed.envelope.expiry.0, world.time + 10_000);
    let applied = world.beat_of(10_001, &[signed], &[]);
    assert_eq!(shown(first(&applied.receipts, ReceiptKind::Refused), "code"), "expired");
    assert_eq!(count(&applied.receipts, ReceiptKind::TimeShifted), 1);
}
