//! A validator that lies, on the real wire: its keys are real, and it speaks as the others do.

use crate::{
    mesh::work_gets_done,
    support::{Mesh, found, read_key, until},
};
use phalanx_consensus::wire::Message;
use phalanx_devnet::{Watch, compare_roots};
use phalanx_p2p::{Lane, MeshConfig, MeshEvent, MeshHandle, PeerKey, Verdict, start};
use phalanx_types::{
    Hash, Height, Round, SigningKey,
    vote::{ValidatorMessage, Vote, VoteKind},
};
use serde_json::Value;
use std::time::Duration;

const LIAR: usize = 3;
const PATIENCE: Duration = Duration::from_secs(60);

/// The liar's place in the network, in this process instead of a node.
struct Liar {
    network: MeshHandle,
    vote: SigningKey,
}

impl Liar {
    /// Starts it beside three honest nodes.
    async fn join(mesh: &mut Mesh) -> Self {
        for index in 0..LIAR {
            mesh.devnet.start(index).unwrap();
        }
        let home = mesh.home(LIAR);
        let config: toml::Table = std::fs::read_to_string(home.join("config.toml")).unwrap().parse().unwrap();
        let texts = |value: &toml::Value| value.as_str().unwrap().to_owned();
        let bootstrap = config["bootstrap"].as_array().unwrap().iter().map(|peer| {
            let key: phalanx_types::PublicKey = texts(&peer["key"]).parse().unwrap();
            (PeerKey(key.0), texts(&peer["address"]))
        });
        let admitted = mesh.genesis.validators.iter();
        let (network, mut events) = start(MeshConfig {
            mesh: mesh.genesis.mesh.0,
            network_seed: read_key(&home.join("keys/network.json")).seed().clone(),
            listen: config["listen"].as_array().unwrap().iter().map(texts).collect(),
            bootstrap: bootstrap.collect(),
            admitted: admitted.map(|v| (PeerKey(v.network_key.0), v.label.to_string())).collect(),
            links: None,
            limits: Default::default(),
        })
        .unwrap();
        let judge = network.clone();
        tokio::spawn(async move {
            while let Some(event) = events.recv().await {
                if let MeshEvent::Message { token, .. } = event {
                    judge.report(token, Verdict::Accept).await;
                }
            }
        });
        while network.peers().await.iter().filter(|peer| peer.is_connected).count() < LIAR {
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
        Self { network, vote: read_key(&home.join("keys/vote.json")) }
    }

    async fn prevote(&self, mesh: &Mesh, height: u64, beat: u8) {
        let vote = Vote {
            mesh: mesh.genesis.mesh,
            height: Height(height),
            round: Round(0),
            kind: VoteKind::Prevote,
            beat: Some(Hash([beat; 32])),
            validator: self.vote.public(),
        };
        self.network.publish(Lane::Votes, Message::Vote(vote.sign(&self.vote)).encode()).await;
    }
}

/// How a node lists the liar among its peers.
async fn standing(mesh: &Mesh, node: usize) -> Value {
    let peers = mesh.devnet.clients()[node].get("/v1/peers").await.unwrap();
    let key = mesh.genesis.validators[LIAR].network_key.to_string();
    peers.as_array().unwrap().iter().find(|peer| peer["key"] == key).cloned().unwrap_or_default()
}

/// The three others work on and agree.
async fn goes_on(mesh: &Mesh) {
    assert!(work_gets_done(mesh, 1, 8).await, "{}", mesh.logs());
    let mut honest = mesh.devnet.clients();
    honest.truncate(LIAR);
    assert!(compare_roots(&honest).await.unwrap().agree());
}

/// Evidence and quarantine are in the ledger; the liar is off every node's list, or
/// banned there, and its links are cut.
async fn is_put_out(mesh: &Mesh, watch: &Watch) {
    assert!(
        until(watch, PATIENCE, |known| ["evidence", "quarantine"]
            .iter()
            .all(|kind| { known.kinds.get(*kind).is_some_and(|count| *count > 0) }))
        .await,
        "{}",
        mesh.logs()
    );
    for node in 0..LIAR {
        let mut found = standing(mesh, node).await;
        for _ in 0..200 {
            if found["is_connected"] != true {
                break;
            }
            tokio::time::sleep(Duration::from_millis(50)).await;
            found = standing(mesh, node).await;
        }
        assert!(found["is_connected"] != true, "node {node}: {found}");
        assert!(found.is_null() || !found["reason"].as_str().unwrap().is_empty(), "node {node}: {found}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn who_votes_twice_is_convicted_and_put_out() {
    let mut mesh = found(4, &[]);
    let liar = Liar::join(&mut mesh).await;
    let watch = Watch::start(mesh.devnet.clients().remove(0));
    for _ in 0..600 {
        let height = mesh.height().await;
        for height in height + 1..height + 4 {
            liar.prevote(&mesh, height, 1).await;
            liar.prevote(&mesh, height, 2).await;
        }
        if watch.known().kinds.contains_key("quarantine") {
            break;
        }
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    is_put_out(&mesh, &watch).await;
    goes_on(&mesh).await;
    mesh.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn who_sends_garbage_is_put_out_and_the_others_go_on() {
    let mut mesh = found(4, &[]);
    let liar = Liar::join(&mut mesh).await;
    let watch = Watch::start(mesh.devnet.clients().remove(0));
    assert!(until(&watch, PATIENCE, |known| known.height > 0).await, "{}", mesh.logs());
    for garbage in 0_u8..200 {
        for lane in Lane::ALL {
            liar.network.publish(lane, vec![garbage; 100]).await;
        }
        if watch.known().kinds.contains_key("quarantine") {
            break;
        }
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    is_put_out(&mesh, &watch).await;
    goes_on(&mesh).await;
    mesh.stop().await;
}
