//! Four real processes that agree.

use crate::support::{Mesh, found, phalanx, spec, stderr, stdout, until};
use phalanx_devnet::{Watch, compare_roots};
use phalanx_types::{JobSpec, Work};
use rand_chacha::ChaCha20Rng;
use rand_core::{Rng, SeedableRng};
use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
    time::Duration,
};

const REGIONS: [&str; 4] = ["earth", "luna", "mars", "helios"];

/// Kills nodes at moments that no one chose, while jobs come in, and checks that
/// nothing that was acknowledged is lost and nothing runs twice.
async fn kill_and_check(kills: usize, jobs: usize, seed: u64) {
    let mut mesh = found(4, &[]);
    mesh.start().await;
    let mut random = ChaCha20Rng::seed_from_u64(seed);
    let mut below = move |n: u64| u64::from(random.next_u32()) % n;
    let watch = Watch::start(mesh.devnet.clients().remove(0));
    let submitter = mesh.submitter(2).await;

    let planned: Arc<Vec<_>> =
        Arc::new((0..jobs).map(|i| mesh.marking(&format!("job-{i}"), REGIONS[i % 4], i % 3 == 0)).collect());
    let pause = Duration::from_millis((kills as u64 * 1_300) / (jobs as u64 / 2).max(1));
    let sending = {
        let planned = Arc::clone(&planned);
        tokio::spawn(async move {
            let mut acknowledged = BTreeMap::new();
            let indexed: Vec<_> = planned.iter().enumerate().collect();
            // Signed when their turn comes: envelopes expire.
            for (envelope, submitted) in indexed.chunks(2).flat_map(|pair| submitter.pack(pair)) {
                let answer = submitter.send(envelope, 20_000).await.unwrap();
                if answer["state"] == "decided" && answer["refusals"].as_array().is_some_and(Vec::is_empty) {
                    acknowledged.extend(submitted.into_iter().map(|s| (s.id.to_string(), s.planned)));
                }
                tokio::time::sleep(pause).await;
            }
            acknowledged
        })
    };
    for kill in 0..kills {
        tokio::time::sleep(Duration::from_millis(200 + below(900))).await;
        // Now and then the power fails for all.
        let victim = (kill + below(2) as usize) % 4;
        let victims: Vec<usize> = if kill % 6 == 5 { (0..4).collect() } else { vec![victim] };
        for victim in &victims {
            mesh.devnet.kill(*victim).await;
        }
        tokio::time::sleep(Duration::from_millis(below(700))).await;
        for victim in &victims {
            mesh.devnet.start(*victim).unwrap();
        }
    }
    let acknowledged = sending.await.unwrap();
    assert!(acknowledged.len() > jobs / 2, "only {} of {jobs} jobs were acknowledged", acknowledged.len());
    let all_ended = until(&watch, Duration::from_secs(120), |known| {
        acknowledged.keys().all(|id| known.ended.contains_key(id))
    })
    .await;
    let known = watch.known().clone();
    let lost: Vec<_> = acknowledged.keys().filter(|id| !known.ended.contains_key(*id)).collect();
    assert!(all_ended, "acknowledged, but not ended: {lost:?}\n{}", mesh.logs());

    let marks = mesh.marked();
    let distinct: BTreeSet<_> = marks.iter().collect();
    assert_eq!(marks.len(), distinct.len(), "an attempt was started twice");
    for (id, planned_index) in &acknowledged {
        let runs = marks.iter().filter(|mark| mark.starts_with(id.as_str())).count();
        let (state, _) = &known.ended[id];
        if planned[*planned_index].spec.once {
            assert!(runs <= 1, "{id} was to run once and was started {runs} times");
            assert!(state == "succeeded" || state == "unknown" || state == "failed", "{id}: {state}");
        } else {
            assert_eq!(state, "succeeded", "{id}");
        }
        assert!(state != "succeeded" || runs >= 1, "{id} succeeded without a run");
    }
    let roots = compare_roots(&mesh.devnet.clients()).await.unwrap();
    assert!(roots.agree(), "{roots:?}");
    mesh.stop().await;
    mesh.fsck();
}

#[tokio::test(flavor = "multi_thread")]
async fn twelve_kills_lose_nothing_and_start_nothing_twice() {
    kill_and_check(12, 60, 7).await;
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "slow: three hundred kills"]
async fn hundreds_of_kills_lose_nothing_and_start_nothing_twice_slow() {
    kill_and_check(300, 600, 11).await;
}

/// Sends `count` short jobs and waits for their ends.
pub async fn work_gets_done(mesh: &Mesh, from: usize, count: usize) -> bool {
    let mut clients = mesh.devnet.clients();
    let watch = Watch::start(clients.swap_remove(from));
    let submitter = mesh.submitter(8).await;
    let jobs: Vec<_> = (0..count)
        .map(|i| phalanx_devnet::Planned {
            // Jobs for regions whose node lives.
            spec: spec(&format!("short-{i}"), REGIONS[from], false, Work::Synthetic { duration_ms: 20 }),
            at: Duration::ZERO,
            expected: "succeeded",
        })
        .collect();
    let indexed: Vec<_> = jobs.iter().enumerate().collect();
    let mut ids = Vec::new();
    for (envelope, submitted) in submitter.pack(&indexed) {
        submitter.send(envelope, 20_000).await.unwrap();
        ids.extend(submitted.into_iter().map(|s| s.id.to_string()));
    }
    until(&watch, Duration::from_secs(40), |known| ids.iter().all(|id| known.ended.contains_key(id))).await
}

async fn goes_on_with_one_dead(mode: &str) {
    let mut mesh = found(4, &["--mode", mode]);
    mesh.start().await;
    // The first node is the controller of a centralized mesh.
    mesh.devnet.kill(0).await;
    assert!(work_gets_done(&mesh, 2, 16).await, "{mode}: work stopped\n{}", mesh.logs());
    mesh.devnet.start(0).unwrap();
    assert!(work_gets_done(&mesh, 0, 8).await, "{mode}: the node did not come back\n{}", mesh.logs());
    assert!(compare_roots(&mesh.devnet.clients()).await.unwrap().agree());
    mesh.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_centralized_mesh_goes_on_without_its_controller() {
    goes_on_with_one_dead("centralized").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_federated_mesh_goes_on_with_one_dead() {
    goes_on_with_one_dead("federated").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_fully_distributed_mesh_goes_on_with_one_dead() {
    goes_on_with_one_dead("fully-distributed").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_geometric_mesh_goes_on_with_one_dead() {
    goes_on_with_one_dead("geometric-mesh").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn with_two_dead_it_stops_deciding_and_goes_on_when_one_is_back() {
    let mut mesh = found(4, &[]);
    mesh.start().await;
    mesh.devnet.kill(1).await;
    mesh.devnet.kill(3).await;
    tokio::time::sleep(Duration::from_secs(1)).await;
    let client = mesh.devnet.clients().remove(0);
    let height = async || client.get("/v1/status").await.unwrap()["height"].as_str().unwrap().to_owned();
    let before = height().await;
    tokio::time::sleep(Duration::from_secs(3)).await;
    assert_eq!(height().await, before, "two of four decided a beat");
    mesh.devnet.start(1).unwrap();
    assert!(work_gets_done(&mesh, 0, 8).await, "{}", mesh.logs());
    mesh.devnet.start(3).unwrap();
    mesh.devnet.wait_until("a fourth node", Duration::from_secs(20), |_| true).await.unwrap();
    assert!(compare_roots(&mesh.devnet.clients()).await.unwrap().agree());
    mesh.stop().await;
    mesh.fsck();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_receipt_is_exported_and_verified_with_the_nodes_stopped() {
    let mut mesh = found(4, &[]);
    mesh.start().await;
    assert!(work_gets_done(&mesh, 0, 8).await);
    mesh.stop().await;
    let home = mesh.home(0);
    let home = home.to_str().unwrap();
    let proof = phalanx(&["receipt", "export", "9", "--home", home]);
    assert!(proof.status.success(), "{}", stderr(&proof));
    let file = mesh.folder.path().join("proof.json");
    let file_name = file.to_str().unwrap();
    std::fs::write(&file, &proof.stdout).unwrap();
    let valid = phalanx(&["receipt", "verify", file_name, "--home", home]);
    assert!(valid.status.success() && stdout(&valid).starts_with("valid: receipt 9"), "{}", stdout(&valid));

    // Any changed byte: exit code 1 or 2 and a reason.
    for at in (0..proof.stdout.len()).step_by(proof.stdout.len() / 40) {
        let mut changed = proof.stdout.clone();
        changed[at] ^= 1;
        std::fs::write(&file, &changed).unwrap();
        let verdict = phalanx(&["receipt", "verify", file_name, "--home", home]);
        let code = verdict.status.code().unwrap();
        assert!((1..=3).contains(&code), "byte {at}: exit code {code}: {}", stdout(&verdict));
        assert!(stdout(&verdict).starts_with("not valid: "), "byte {at}: {}", stdout(&verdict));
    }
    std::fs::write(&file, &proof.stdout).unwrap();
    let other = "00".repeat(32);
    let stranger = phalanx(&["receipt", "verify", file_name, "--genesis-hash", &other]);
    assert_eq!(stranger.status.code(), Some(3), "{}", stdout(&stranger));
}

/// An attempt that runs while half of the mesh hears nothing goes on.
#[tokio::test(flavor = "multi_thread")]
async fn two_of_four_frozen_stop_the_mesh_and_its_work_goes_on_when_they_wake() {
    let mut mesh = found(4, &[]);
    mesh.start().await;
    let watch = Watch::start(mesh.devnet.clients().remove(0));
    let submitter = mesh.submitter(1).await;
    // Longer than the freeze, in the region of the first node.
    let work = Work::Synthetic { duration_ms: 9_000 };
    let long = phalanx_devnet::Planned {
        spec: JobSpec { retries: 0, once: true, ..spec("long", "earth", true, work) },
        at: Duration::ZERO,
        expected: "succeeded",
    };
    let (envelope, submitted) = submitter.pack(&[(0, &long)]).remove(0);
    let answer = submitter.send(envelope, 20_000).await.unwrap();
    assert_eq!(answer["state"], "decided", "{answer}");
    let id = submitted[0].id.to_string();
    let assigned = |known: &phalanx_devnet::Outcomes| known.kinds.contains_key("job_assigned");
    assert!(until(&watch, Duration::from_secs(20), assigned).await);
    mesh.devnet.freeze(2);
    mesh.devnet.freeze(3);
    tokio::time::sleep(Duration::from_secs(1)).await;
    let before = mesh.height().await;
    tokio::time::sleep(Duration::from_secs(6)).await;
    assert_eq!(mesh.height().await, before, "two of four decided a beat");
    mesh.devnet.thaw(2);
    mesh.devnet.thaw(3);
    assert!(
        until(&watch, Duration::from_secs(60), |known| known.ended.contains_key(&id)).await,
        "{}",
        mesh.logs()
    );
    let (state, _) = watch.known().ended[&id].clone();
    assert_eq!(state, "succeeded", "the freeze cost a running attempt\n{}", mesh.logs());
    assert!(work_gets_done(&mesh, 2, 8).await, "{}", mesh.logs());
    assert!(compare_roots(&mesh.devnet.clients()).await.unwrap().agree());
    mesh.stop().await;
    mesh.fsck();
}
