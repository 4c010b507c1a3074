//! A mesh whose nodes are not all linked: messages that go over others.

use crate::{
    mesh::work_gets_done,
    support::{Mesh, found, phalanx, spec, stderr, stdout},
};
use phalanx_devnet::{Planned, compare_roots};
use phalanx_types::{Name, Work};
use serde_json::{Value, json};
use std::time::{Duration, Instant};

const RING: [(usize, usize); 5] = [(0, 1), (1, 2), (2, 3), (3, 4), (4, 0)];

/// Writes into each node's settings whom it is linked to.
fn link(mesh: &Mesh, links: &[(usize, usize)]) {
    let keys: Vec<String> = mesh.genesis.validators.iter().map(|v| v.network_key.to_string()).collect();
    for index in 0..keys.len() {
        let path = mesh.home(index).join("config.toml");
        let mut config: toml::Table = std::fs::read_to_string(&path).unwrap().parse().unwrap();
        let others = links.iter().filter_map(|(a, b)| match (*a == index, *b == index) {
            (true, _) => Some(*b),
            (_, true) => Some(*a),
            _ => None,
        });
        let own: Vec<toml::Value> = others.map(|other| keys[other].clone().into()).collect();
        config.insert("links".into(), own.into());
        std::fs::write(&path, config.to_string()).unwrap();
    }
}

/// Calls a command at a node until it says what is wanted.
fn until(mesh: &Mesh, node: usize, words: &[&str], mut wanted: impl FnMut(&Value) -> bool) -> Value {
    let began = Instant::now();
    let home = mesh.home(node);
    loop {
        let told = phalanx(&[words, &["--output", "json", "--home", home.to_str().unwrap()]].concat());
        let answer: Value = serde_json::from_slice(&told.stdout).unwrap_or_default();
        if told.status.success() && wanted(&answer) {
            return answer;
        }
        assert!(
            began.elapsed() < Duration::from_secs(60),
            "{words:?}: {}{}\n{}",
            stdout(&told),
            stderr(&told),
            mesh.logs()
        );
        std::thread::sleep(Duration::from_millis(200));
    }
}

fn hops(answer: &Value) -> Vec<&str> {
    answer["hops"].as_array().unwrap().iter().map(|hop| hop["label"].as_str().unwrap()).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_ring_of_five_decides_and_its_messages_go_round_a_dead_node() {
    let mut mesh = found(5, &[]);
    link(&mesh, &RING);
    mesh.start().await;
    assert!(work_gets_done(&mesh, 0, 8).await, "{}", mesh.logs());

    // Mars is two links away from Earth.
    let trace = ["mesh", "trace", "mars"];
    let answer = until(&mesh, 0, &trace, |answer| answer["hops"].as_array().is_some_and(|h| h.len() == 2));
    assert_eq!(hops(&answer), ["luna", "mars"], "{answer}");
    let found = until(&mesh, 0, &["mesh", "find", "--capability", "terraforming"], |_| true);
    assert_eq!((&found["label"], &found["hops"]), (&"mars".into(), &2.into()), "{found}");
    assert!(found["workers"][0]["worker"].as_str().unwrap().starts_with("mars."), "{found}");

    let places = until(&mesh, 0, &["mesh", "places"], |answer| {
        let rows = answer["places"].as_array();
        let is_measured = |row: &Value| row["measured_us"].is_u64() && row["error_ppm"].is_u64();
        rows.is_some_and(|rows| rows.iter().filter(|row| is_measured(row)).count() == 2)
            && answer["comparison"].is_object()
    });
    let of = |label: &str| {
        let rows = places["places"].as_array().unwrap();
        rows.iter().find(|row| row["label"] == label).unwrap()["source"].as_str().unwrap().to_owned()
    };
    assert_eq!([of("earth"), of("luna"), of("earth-2")], ["own", "linked", "linked"]);
    assert_eq!([of("mars"), of("helios")], ["told", "told"]);

    let home = mesh.home(0);
    let home = home.to_str().unwrap();
    let table = phalanx(&["mesh", "places", "--home", home]);
    // As it was asked above: once or more for the way to Mars, once for who can terraform.
    assert!(places["asked"]["trace"]["answered"].as_u64() >= Some(1), "{places}");
    assert_eq!(places["asked"]["find"], json!({"sent": 1, "answered": 1}), "{places}");
    for word in ["earth-2", "ball_ms", "flat_ms", "median error", "find 1 of 1"] {
        assert!(stdout(&table).contains(word), "{}", stdout(&table));
    }
    // By their links alone, who is two links away is farther than who is one. A link counts when
    // both of its ends tell of it.
    let topology = until(&mesh, 0, &["mesh", "topology"], |answer| {
        let rows = answer["places"].as_array();
        answer["silent"] == json!([])
            && rows.is_some_and(|rows| rows.len() == 5 && rows.iter().all(|row| row["links"] == 2))
    });
    let mut of_hops = [Vec::new(), Vec::new(), Vec::new()];
    for row in topology["places"].as_array().unwrap() {
        of_hops[row["hops"].as_u64().unwrap() as usize].push(row["distance"].as_f64().unwrap());
    }
    let [own, near, far] = of_hops.map(|distances| (distances.len(), distances.iter().sum::<f64>()));
    assert_eq!((own, near.0, far.0), ((1, 0.0), 2, 2), "{topology}");
    assert!(near.1 < far.1, "{topology}");
    let shown = phalanx(&["mesh", "topology", "--home", home]);
    assert!(stdout(&shown).contains("differ from hops by"), "{}{}", stdout(&shown), stderr(&shown));

    // Nobody on Earth can terraform: the first of its two validators tells Mars of the job.
    let submitter = mesh.submitter(9).await;
    let mut far = spec("far", "earth", false, Work::Synthetic { duration_ms: 20 });
    far.skills = [Name::new("terraforming").unwrap()].into();
    let far = Planned { spec: far, at: Duration::ZERO, expected: "succeeded" };
    for (envelope, _) in submitter.pack(&[(0, &far)]) {
        submitter.send(envelope, 20_000).await.unwrap();
    }
    let told = |node| {
        let places = until(&mesh, node, &["mesh", "places"], |_| true);
        places["asked"]["hand_over"]["answered"].as_u64().unwrap_or(0)
    };
    let began = Instant::now();
    while told(0) + told(4) == 0 {
        assert!(began.elapsed() < Duration::from_secs(60), "{}", mesh.logs());
        tokio::time::sleep(Duration::from_millis(100)).await;
    }

    let nobody = phalanx(&["mesh", "find", "--capability", "alchemy", "--home", home]);
    assert_eq!(nobody.status.code(), Some(4), "{}", stderr(&nobody));
    let stranger = phalanx(&["mesh", "trace", "venus", "--home", home]);
    assert_eq!(stranger.status.code(), Some(4), "{}", stderr(&stranger));
    let itself = phalanx(&["mesh", "trace", "earth", "--home", home]);
    assert_eq!(itself.status.code(), Some(2), "{}", stderr(&itself));

    mesh.devnet.kill(1).await;
    let answer = until(&mesh, 0, &trace, |answer| answer["hops"].as_array().is_some_and(|h| h.len() == 3));
    assert_eq!(hops(&answer), ["earth-2", "helios", "mars"], "{answer}");
    assert!(work_gets_done(&mesh, 2, 8).await, "{}", mesh.logs());
    // It catches up, whomever it asks.
    mesh.devnet.start(1).unwrap();
    mesh.ready().await;
    assert!(compare_roots(&mesh.devnet.clients()).await.unwrap().agree());
    mesh.stop().await;
    mesh.fsck();
}

/// The height of a node that lives.
async fn height(mesh: &Mesh, node: usize) -> u64 {
    let status = mesh.devnet.clients().swap_remove(node).get("/v1/status").await.unwrap();
    status["height"].as_str().unwrap().parse().unwrap()
}

/// Who catches up asks whoever is furthest ahead: where its only neighbour is behind as well,
/// one that it is not linked to.
#[tokio::test(flavor = "multi_thread")]
async fn who_catches_up_is_given_beats_by_a_node_that_it_is_not_linked_to() {
    const NODES: usize = 7;
    let mut mesh = found(NODES as u16, &[]);
    let links: Vec<(usize, usize)> = (1..NODES).map(|node| (node - 1, node)).collect();
    link(&mesh, &links);
    mesh.start().await;
    assert!(work_gets_done(&mesh, 2, 8).await, "{}", mesh.logs());

    let mut told = Value::Null;
    // Its neighbour may be whole again before it has asked anybody.
    for _ in 0..5 {
        mesh.devnet.kill(0).await;
        mesh.devnet.kill(1).await;
        let goal = height(&mesh, 2).await + 20;
        while height(&mesh, 2).await < goal {
            assert!(work_gets_done(&mesh, 2, 8).await, "{}", mesh.logs());
        }
        mesh.devnet.start(1).unwrap();
        mesh.devnet.start(0).unwrap();
        mesh.ready().await;
        while height(&mesh, 0).await < goal {
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
        told = until(&mesh, 0, &["mesh", "places"], |answer| answer["asked"].is_object());
        if told["asked"]["beats"]["answered"].as_u64() >= Some(1) {
            break;
        }
    }
    assert!(told["asked"]["beats"]["answered"].as_u64() >= Some(1), "{told}\n{}", mesh.logs());
    assert!(compare_roots(&mesh.devnet.clients()).await.unwrap().agree());
    mesh.stop().await;
    mesh.fsck();
}
