//! Messages that arrive over several hops, and round what has failed.

use crate::mesh::{LINE, Node, RING, key, keys, mesh, until};
use phalanx_geometry::routing::Algorithm;
use phalanx_p2p::Service;
use phalanx_routing::{SendError, Source, Trip, wire::Failure, wire::Question};
use std::time::Duration;

const LONGEST: Duration = Duration::from_secs(8);

async fn ask(from: &Node, to: u8, text: &str) -> Result<Trip, SendError> {
    from.router.send(key(to), Question::Beats(text.as_bytes().to_vec()), LONGEST).await
}

fn way(trip: &Trip) -> Vec<phalanx_types::PublicKey> {
    trip.way.iter().map(|held| held.node).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_message_arrives_over_a_line_by_every_algorithm() {
    for algorithm in Algorithm::ALL {
        let (nodes, _) = mesh(5, &LINE, algorithm, &[]).await;
        for text in ["first", "second", "third"] {
            let trip = ask(&nodes[&1], 5, text).await.unwrap();
            assert_eq!(trip.body, [&[5], text.as_bytes()].concat(), "{algorithm:?}");
            assert_eq!(way(&trip), keys(&[2, 3, 4, 5]), "{algorithm:?}");
            assert_eq!(trip.path, keys(&[1, 2, 3, 4, 5]), "{algorithm:?}");
            assert!(trip.way.windows(2).all(|pair| pair[0].us >= pair[1].us));
        }
        // A question by its service goes the same way to a node that is not linked.
        let near = nodes[&1].router.ask(key(4), Service::Beats, b"by service".to_vec()).await;
        assert_eq!(near.unwrap(), [&[4], &b"by service"[..]].concat());
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn nodes_learn_places_and_links_from_their_neighbours() {
    let (nodes, _) = mesh(5, &LINE, Algorithm::GreedyForwarding, &[]).await;
    let one = &nodes[&1];
    until("what the neighbour tells", async || one.row(3).source == Source::Told).await;
    assert_eq!((one.row(1).source, one.row(2).source), (Source::Own, Source::Linked));
    assert_eq!(one.row(5).source, Source::Agreed);
    until("a measured and a predicted round trip", async || {
        let row = one.row(2);
        row.measured_us.is_some() && row.predicted_us.is_some() && row.flat_predicted_us.is_some()
    })
    .await;
    let comparison = one.router.comparison().unwrap();
    assert!(comparison.ball.median.is_finite() && comparison.flat.median.is_finite());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_message_goes_round_a_node_that_was_killed() {
    for algorithm in Algorithm::ALL {
        let (nodes, _) = mesh(5, &RING, algorithm, &[]).await;
        assert_eq!(way(&ask(&nodes[&1], 3, "before").await.unwrap()), keys(&[2, 3]), "{algorithm:?}");
        nodes[&2].handle.shutdown().await;
        let trip = ask(&nodes[&1], 3, "after").await.unwrap();
        assert_eq!(way(&trip), keys(&[5, 4, 3]), "{algorithm:?}");
        assert_eq!(trip.body, b"\x03after");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_message_does_not_wait_for_a_node_that_hangs() {
    let (nodes, _) = mesh(5, &RING, Algorithm::GreedyForwarding, &[]).await;
    nodes[&2].hang();
    // It was handed over before anybody could know; when the node is found silent, the
    // message goes the other way.
    let trip = ask(&nodes[&1], 3, "on").await.unwrap();
    assert_eq!(way(&trip), keys(&[5, 4, 3]));
}

#[tokio::test(flavor = "multi_thread")]
async fn without_a_path_the_sender_is_told() {
    let (nodes, _) = mesh(5, &LINE, Algorithm::GreedyForwarding, &[]).await;
    nodes[&3].handle.shutdown().await;
    until("the loss", async || !nodes[&2].router.is_linked(&key(3))).await;
    assert_eq!(ask(&nodes[&1], 5, "lost").await, Err(SendError::Failed(Failure::Unreachable)));
    assert_eq!(ask(&nodes[&1], 77, "lost").await, Err(SendError::Stranger(key(77))));
    assert_eq!(ask(&nodes[&1], 1, "lost").await, Err(SendError::Own));
    let long = "x".repeat(5_000);
    assert!(matches!(ask(&nodes[&1], 2, &long).await, Err(SendError::TooLong { .. })));
}

#[tokio::test(flavor = "multi_thread")]
async fn several_paths_share_what_goes_to_one_target() {
    let (nodes, _) = mesh(5, &RING, Algorithm::MultipathHyperbolic, &[]).await;
    let mut ways = std::collections::BTreeSet::new();
    until("a second path", async || {
        ways.insert(way(&ask(&nodes[&1], 3, "shared").await.unwrap()));
        ways.len() > 1
    })
    .await;
    assert!(ways.contains(&keys(&[2, 3])) && ways.contains(&keys(&[5, 4, 3])), "{ways:?}");
}
