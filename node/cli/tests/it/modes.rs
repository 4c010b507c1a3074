//! One running mesh, switched through all four modes by the owner while jobs come in.

use crate::support::{found, until};
use phalanx_devnet::{Watch, compare_roots};
use phalanx_types::{Operation, OwnerCommand, PublicKey, params::Mode};
use serde_json::Value;
use std::{collections::BTreeMap, sync::Arc, time::Duration};

const REGIONS: [&str; 4] = ["earth", "luna", "mars", "helios"];
const JOBS: usize = 160;
/// Beats that are looked at in each mode.
const BEATS: usize = 12;

/// Who proposed the next beats.
async fn proposers(client: &phalanx_api::Client, count: usize) -> Vec<String> {
    let mut stream = client.events().await.unwrap();
    let (mut rest, mut found) = (Vec::new(), Vec::new());
    while found.len() < count {
        rest.extend_from_slice(&stream.chunk().await.unwrap().unwrap());
        while let Some(end) = rest.iter().position(|b| *b == b'\n') {
            let line: Vec<u8> = rest.drain(..=end).collect();
            let event: Value = serde_json::from_slice(&line).unwrap();
            if event["event"] == "beat" {
                found.push(event["proposer"].as_str().unwrap().to_owned());
            }
        }
    }
    found
}

async fn weights(client: &phalanx_api::Client) -> BTreeMap<String, u64> {
    let rows = client.get("/v1/list/validators").await.unwrap();
    let row = |row: &Value| {
        let text = |pointer: &str| row.pointer(pointer).unwrap().as_str().unwrap().to_owned();
        (text("/entry/vote_key"), text("/weight").parse().unwrap())
    };
    rows.as_array().unwrap().iter().map(row).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_running_mesh_goes_through_all_four_modes_and_misses_no_job() {
    let mut mesh = found(4, &[]);
    assert_eq!(mesh.genesis.mode, Mode::GeometricMesh, "the default");
    mesh.start().await;
    let client = mesh.devnet.clients().remove(0);
    let watch = Watch::start(mesh.devnet.clients().remove(0));
    let keys: Vec<PublicKey> = mesh.genesis.validators.iter().map(|v| v.vote_key).collect();
    let owner = mesh.owner().await;

    let planned: Arc<Vec<_>> =
        Arc::new((0..JOBS).map(|i| mesh.marking(&format!("job-{i}"), REGIONS[i % 4], i % 4 == 0)).collect());
    let submitter = mesh.submitter(2).await;
    let sending = {
        let planned = Arc::clone(&planned);
        tokio::spawn(async move {
            let mut taken = Vec::new();
            let indexed: Vec<_> = planned.iter().enumerate().collect();
            for (envelope, submitted) in indexed.chunks(2).flat_map(|pair| submitter.pack(pair)) {
                let answer = submitter.send(envelope, 20_000).await.unwrap();
                assert_eq!(answer["refusals"], serde_json::json!([]), "{answer}");
                taken.extend(submitted.into_iter().map(|s| s.id.to_string()));
                tokio::time::sleep(Duration::from_millis(100)).await;
            }
            taken
        })
    };

    let coordinators = mesh.genesis.validators.iter().map(|v| (v.region.clone(), vec![v.vote_key])).collect();
    let modes = [
        Mode::Centralized { succession: vec![keys[2], keys[0], keys[1], keys[3]] },
        Mode::Federated { coordinators },
        Mode::FullyDistributed,
        Mode::GeometricMesh,
    ];
    for mode in modes {
        let command = OwnerCommand::SetMode { mode: mode.clone() };
        let (envelope, _) = owner.sign(vec![Operation::Command(Box::new(command))]);
        let answer = owner.send(envelope, 20_000).await.unwrap();
        assert_eq!(answer["refusals"], serde_json::json!([]), "{answer}");
        let proposed = proposers(&client, BEATS).await;
        assert_eq!(client.get("/v1/status").await.unwrap()["mode"], mode.name());
        // The two beats after the command may be those of the set before it.
        let proposed = &proposed[2..];
        let by = |key: &PublicKey| proposed.iter().filter(|p| **p == key.to_string()).count();
        match &mode {
            Mode::Centralized { succession } => {
                assert_eq!(by(&succession[0]), proposed.len(), "the controller proposes all: {proposed:?}");
            }
            _ => assert!(keys.iter().all(|key| by(key) > 0), "{}: all take turns: {proposed:?}", mode.name()),
        }
        let equal = weights(&client).await.into_values().all(|weight| weight == 1);
        assert_eq!(equal, !matches!(mode, Mode::GeometricMesh), "{}", mode.name());
    }
    let taken = sending.await.unwrap();
    assert_eq!(taken.len(), JOBS);
    let all =
        until(&watch, Duration::from_secs(120), |known| taken.iter().all(|id| known.ended.contains_key(id)))
            .await;
    let known = watch.known().clone();
    assert!(all, "{} of {JOBS} ended\n{}", known.ended.len(), mesh.logs());
    for id in &taken {
        assert_eq!(known.ended[id].0, "succeeded", "{id}");
    }
    assert!(compare_roots(&mesh.devnet.clients()).await.unwrap().agree());
    mesh.stop().await;
    mesh.fsck();
}
