//! Peers that break the rules.

use crate::mesh::{LINE, MESH, RING, Raw, key, keys, mesh, secret, until};
use phalanx_geometry::routing::{Algorithm, Message};
use phalanx_p2p::{MeshEvent, PeerKey, Service};
use phalanx_routing::{
    TRIP_MS_MAX,
    bounds::OPEN_SOURCE_MAX,
    wire::{Answer, Arrived, Directed, FlatWire, Outcome, Question, Told, ToldNeighbour},
};
use phalanx_types::{
    PublicKey,
    agent::{DIMENSION_DEFAULT, Position},
};
use std::time::Duration;

const LONGEST: Duration = Duration::from_secs(8);

fn directed(from: u8, to: u8, nonce: u64, question: Question) -> Directed {
    let place = Position::origin(DIMENSION_DEFAULT);
    let mut header = Message::new(Algorithm::GreedyForwarding, key(from), key(to), place).unwrap();
    header.hops_left = 16;
    Directed { left_ms: TRIP_MS_MAX, ..Directed::sign(&secret(from), &MESH, header, nonce, question) }
}

/// What a node tells that is linked to these.
fn told(neighbours: &[u8]) -> Vec<u8> {
    let place = || Position::origin(DIMENSION_DEFAULT);
    let mut neighbours: Vec<ToldNeighbour> =
        neighbours.iter().map(|n| ToldNeighbour { key: key(*n), place: place(), round_trip_us: 1 }).collect();
    neighbours.sort_by_key(|n| n.key);
    let flat = FlatWire { x: vec![0; DIMENSION_DEFAULT], height: 0 };
    Told { place: place(), error_ppm: 1, flat, flat_error_ppm: 1, neighbours }.encode()
}

/// A relay that says it is linked to `neighbours`, and answers messages as `lie` says.
fn liar(mut raw: Raw, neighbours: &'static [u8], lie: impl Fn(&Directed) -> Vec<u8> + Send + 'static) {
    tokio::spawn(async move {
        while let Some(event) = raw.events.recv().await {
            match event {
                MeshEvent::Request { token, service: Service::Routes, .. } => {
                    raw.handle.respond(token, told(neighbours)).await;
                }
                MeshEvent::Request { token, service: Service::Directed, bytes, .. } => {
                    let answer = lie(&Directed::decode(&bytes).unwrap());
                    raw.handle.respond(token, answer).await;
                }
                _ => {}
            }
        }
    });
}

fn answer(arrived: Arrived) -> Vec<u8> {
    Answer { outcome: Outcome::Arrived(arrived), way: Vec::new() }.encode()
}

/// Sends from 1 to 3 in a ring whose node 2 lies, and looks at what that cost it.
async fn is_refused(lie: impl Fn(&Directed) -> Vec<u8> + Send + 'static) {
    let (nodes, mut raws) = mesh(5, &RING, Algorithm::GreedyForwarding, &[2]).await;
    liar(raws.remove(&2).unwrap(), &[1, 3], lie);
    until("the liar's list", async || nodes[&1].row(2).error_ppm.is_some()).await;
    let trip = nodes[&1].router.send(key(3), Question::Beats(b"true".to_vec()), LONGEST).await.unwrap();
    assert_eq!(trip.body, b"\x03true");
    assert_eq!(trip.way.iter().map(|held| held.node).collect::<Vec<_>>(), keys(&[5, 4, 3]));
    assert!(nodes[&1].report(2).await.score <= -150, "{:?}", nodes[&1].report(2).await);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_answer_that_the_target_has_not_signed_is_the_relays_fault() {
    is_refused(|directed| {
        // Signed, but by the relay.
        let Directed { nonce, question, .. } = directed;
        answer(Arrived::sign(&secret(2), &MESH, *nonce, question, Vec::new(), b"\x03lie".to_vec()))
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_answer_to_another_question_is_the_relays_fault() {
    is_refused(|directed| {
        // The target's own, of an earlier message.
        let (nonce, question) = (directed.nonce ^ 1, &directed.question);
        answer(Arrived::sign(&secret(3), &MESH, nonce, question, Vec::new(), b"\x03old".to_vec()))
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_malformed_answer_is_the_relays_fault() {
    is_refused(|_| vec![7; 40]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn malformed_messages_cost_points_until_the_peer_is_cut_off() {
    let (nodes, raws) = mesh(3, &[(1, 2), (1, 3)], Algorithm::GreedyForwarding, &[2]).await;
    let (one, two) = (&nodes[&1], &raws[&2].handle);
    until("a link", async || one.router.is_linked(&key(2))).await;
    let sound = directed(2, 1, 1, Question::Trace);
    let mut far = sound.clone();
    far.header.hops_left = u16::MAX;
    let mut trailing = sound.encode();
    trailing.push(0);
    // In the name of another.
    let forged = Directed { source: key(3), ..sound.clone() };
    let peer = PeerKey(key(1).0);
    assert!(two.request(peer, Service::Directed, sound.encode()).await.is_ok());
    assert_eq!(one.report(2).await.score, 0);
    for (done, bytes) in (1..).zip([vec![0xff; 300], trailing, far.encode(), forged.encode()]) {
        let _ = two.request(peer, Service::Directed, bytes).await;
        until("the loss of points", async || one.report(2).await.score <= -190 * done).await;
    }
    assert!(one.report(2).await.banned_ms.is_none());
    until("the ban", async || {
        let two = two.clone();
        tokio::spawn(async move { two.request(peer, Service::Routes, vec![1]).await });
        one.report(2).await.banned_ms.is_some()
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_flood_stays_within_the_bounds_and_costs_the_one_that_floods() {
    let (nodes, raws) = mesh(5, &LINE, Algorithm::GreedyForwarding, &[1]).await;
    let two = &nodes[&2];
    until("a link", async || two.router.is_linked(&key(1))).await;
    // Nobody answers these, so each stays open as long as it may.
    let flood: Vec<_> = (0..200)
        .map(|nonce| {
            let handle = raws[&1].handle.clone();
            let bytes = directed(1, 5, nonce, Question::Checkpoints(Vec::new())).encode();
            tokio::spawn(async move { handle.request(PeerKey(key(2).0), Service::Directed, bytes).await })
        })
        .collect();
    until("the price of the flood", async || {
        let open: Vec<usize> = (2..=5).map(|n| nodes[&n].router.open()).collect();
        assert!(open.iter().all(|open| *open <= OPEN_SOURCE_MAX), "{open:?}");
        two.report(1).await.score < 0 && nodes[&5].router.open() > 0
    })
    .await;
    // Those that pass it on are not to blame, and have room for others.
    assert_eq!(nodes[&3].report(2).await.score, 0);
    for text in [b"one beside it", b"two beside it"] {
        let trip = two.router.send(key(5), Question::Beats(text.to_vec()), LONGEST).await.unwrap();
        assert_eq!(trip.body, [&[5], &text[..]].concat());
    }
    flood.iter().for_each(tokio::task::JoinHandle::abort);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_told_of_strangers_is_left_out() {
    let (nodes, mut raws) = mesh(2, &[(1, 2)], Algorithm::GreedyForwarding, &[2]).await;
    liar(raws.remove(&2).unwrap(), &[1, 50, 51, 52], |_| Vec::new());
    until("the liar's list", async || nodes[&1].row(2).error_ppm.is_some()).await;
    let known: Vec<PublicKey> = nodes[&1].router.table().iter().map(|row| row.key).collect();
    assert_eq!(known, keys(&[1, 2]));
}
