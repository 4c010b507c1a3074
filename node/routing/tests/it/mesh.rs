//! Nodes on loopback, linked as a test says.

use phalanx_geometry::routing::Algorithm;
use phalanx_p2p::{Limits, MeshConfig, MeshEvent, MeshHandle, PeerKey, PeerReport, start};
use phalanx_routing::{Delivered, Members, Router, RouterConfig, Row, Source, wire::Question};
use phalanx_types::{
    Hash, PublicKey, SigningKey,
    agent::{DIMENSION_DEFAULT, Position},
};
use std::{
    collections::BTreeMap,
    time::{Duration, Instant},
};
use tokio::{sync::mpsc, task::JoinHandle};
use zeroize::Zeroizing;

pub const MESH: Hash = Hash([9; 32]);
const PATIENCE: Duration = Duration::from_secs(30);

pub fn secret(n: u8) -> SigningKey {
    SigningKey::from_seed([n; 32])
}

pub fn key(n: u8) -> PublicKey {
    secret(n).public()
}

pub fn keys(of: &[u8]) -> Vec<PublicKey> {
    of.iter().copied().map(key).collect()
}

/// Members 1 to `count`, in a row through the ball.
pub fn members(count: u8) -> Members {
    let place = |n: u8| {
        let mut place = Position::origin(DIMENSION_DEFAULT);
        place.0[0] = (i64::from(n) - i64::from(count / 2)) << 36;
        place
    };
    Members { homes: (1..=count).map(|n| (key(n), place(n))).collect() }
}

/// Waits until something holds.
pub async fn until(what: &str, mut holds: impl AsyncFnMut() -> bool) {
    let began = Instant::now();
    while !holds().await {
        assert!(began.elapsed() < PATIENCE, "{what}: it never came");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

/// A mesh node without routing: a test says what it does.
pub struct Raw {
    pub handle: MeshHandle,
    pub events: mpsc::Receiver<MeshEvent>,
    pub address: String,
}

pub async fn raw(n: u8, count: u8, links: &[u8], known: &[(u8, String)]) -> Raw {
    let (handle, mut events) = start(MeshConfig {
        mesh: MESH.0,
        network_seed: Zeroizing::new([n; 32]),
        listen: vec!["/ip4/127.0.0.1/tcp/0".to_owned()],
        bootstrap: known.iter().map(|(n, address)| (PeerKey(key(*n).0), address.clone())).collect(),
        admitted: (1..=count).map(|n| (PeerKey(key(n).0), format!("node-{n}"))).collect(),
        links: Some(links.iter().map(|n| PeerKey(key(*n).0)).collect()),
        limits: Limits { ping_interval_ms: 200, ..Limits::default() },
    })
    .unwrap();
    loop {
        if let MeshEvent::Listening(address) = events.recv().await.unwrap() {
            return Raw { handle, events, address };
        }
    }
}

/// A node with routing. It answers a question of beats with its number and the question.
pub struct Node {
    pub router: Router,
    pub handle: MeshHandle,
    tasks: Vec<JoinHandle<()>>,
}

async fn answer(n: u8, router: Router, mut delivered: mpsc::Receiver<Delivered>) {
    while let Some(Delivered { token, question, .. }) = delivered.recv().await {
        match question {
            Question::Beats(bytes) => router.respond(token, [&[n][..], &bytes].concat()).await,
            // Nobody answers: the question stays open.
            Question::Checkpoints(_) => {}
            _ => router.decline(token),
        }
    }
}

impl Node {
    pub fn on(n: u8, count: u8, algorithm: Algorithm, raw: Raw) -> Self {
        let config = RouterConfig { mesh: MESH, key: secret(n), algorithm, members: members(count) };
        let (router, delivered) = Router::new(raw.handle.clone(), config).unwrap();
        let hearing = {
            let (router, mut events) = (router.clone(), raw.events);
            async move {
                while let Some(event) = events.recv().await {
                    router.heard(event).await;
                }
            }
        };
        let tasks = vec![
            tokio::spawn(hearing),
            tokio::spawn(router.clone().run()),
            tokio::spawn(answer(n, router.clone(), delivered)),
        ];
        Self { router, handle: raw.handle, tasks }
    }

    /// It goes on pinging and hears nothing any more, as a process does that hangs.
    pub fn hang(&self) {
        self.tasks.iter().for_each(JoinHandle::abort);
    }

    pub fn row(&self, of: u8) -> Row {
        self.router.table().into_iter().find(|row| row.key == key(of)).unwrap()
    }

    pub async fn report(&self, of: u8) -> PeerReport {
        let reports = self.handle.peers().await;
        reports.into_iter().find(|report| report.key.0 == key(of).0).unwrap()
    }
}

/// The nodes of a mesh by number.
pub type Nodes = BTreeMap<u8, Node>;

/// Whom a node is linked to.
pub fn linked(n: u8, links: &[(u8, u8)]) -> Vec<u8> {
    links.iter().filter_map(|(a, b)| if *a == n { Some(*b) } else { (*b == n).then_some(*a) }).collect()
}

/// Starts `count` nodes with these links, and waits until each has heard of all within two
/// links. Those that are `apart` do as the test says, and are given back as they are.
pub async fn mesh(
    count: u8,
    links: &[(u8, u8)],
    algorithm: Algorithm,
    apart: &[u8],
) -> (Nodes, BTreeMap<u8, Raw>) {
    let (mut nodes, mut raws, mut known) = (Nodes::new(), BTreeMap::new(), Vec::new());
    for n in 1..=count {
        let one = raw(n, count, &linked(n, links), &known).await;
        known.push((n, one.address.clone()));
        if apart.contains(&n) {
            raws.insert(n, one);
        } else {
            nodes.insert(n, Node::on(n, count, algorithm, one));
        }
    }
    for (n, node) in &nodes {
        for other in linked(*n, links).into_iter().filter(|other| !apart.contains(other)) {
            // And of the neighbours of these, so that ways are what the links say.
            let beyond = linked(other, links);
            until("a list of neighbours", async || {
                node.row(other).error_ppm.is_some()
                    && beyond.iter().all(|one| apart.contains(one) || node.row(*one).source != Source::Agreed)
            })
            .await;
        }
    }
    (nodes, raws)
}

pub const LINE: [(u8, u8); 4] = [(1, 2), (2, 3), (3, 4), (4, 5)];
pub const RING: [(u8, u8); 5] = [(1, 2), (2, 3), (3, 4), (4, 5), (5, 1)];
