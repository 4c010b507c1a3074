//! More calls than there are places: none of the kinds keeps out the others.

use crate::fake::{Fake, TOKEN};
use phalanx_api::{CALLS_MAX, WAITS_MAX};
use tokio::{io::AsyncWriteExt, net::TcpStream, task::JoinSet};

#[tokio::test]
async fn more_short_calls_than_places_are_told_to_try_again() {
    let fake = Fake::gated();
    let door = fake.serve().await;
    let mut calls = JoinSet::new();
    for _ in 0..CALLS_MAX {
        calls.spawn(async move { door.get("/v1/status").await.status });
    }
    fake.at_gate(CALLS_MAX).await;
    let (message, remedy) = door.get("/v1/status").await.error(503, "busy");
    assert!(message.contains(&CALLS_MAX.to_string()) && remedy.contains("again"), "{message}; {remedy}");
    door.post("/v1/envelopes", b"e".to_vec()).await.error(503, "busy");
    // Without the token nobody takes a place, or learns that there is none.
    door.send(reqwest::Client::new().get(door.url("/v1/status")), None).await.error(401, "unauthorized");
    assert_eq!(door.get("/v1/health").await.status, 200);

    fake.gate.add_permits(CALLS_MAX + 1);
    while let Some(status) = calls.join_next().await {
        assert_eq!(status.unwrap(), 200);
    }
    assert_eq!(door.get("/v1/status").await.status, 200);
}

#[tokio::test]
async fn calls_that_wait_for_a_decision_leave_the_short_ones_their_places() {
    let fake = Fake::gated();
    let door = fake.serve().await;
    let mut waits = JoinSet::new();
    for sent in 0..WAITS_MAX {
        waits.spawn(async move { door.post("/v1/envelopes?wait_ms=60000", b"e".to_vec()).await.status });
        // One after the other: their way in is a short call.
        fake.at_gate(sent + 1).await;
    }
    const { assert!(WAITS_MAX > CALLS_MAX) };
    let full = door.post("/v1/envelopes?wait_ms=60000", b"e".to_vec()).await;
    let (message, _) = full.error(503, "busy");
    assert!(message.contains("wait for a decision"), "{message}");
    assert_eq!(door.get("/v1/list/jobs").await.status, 200);
    assert_eq!(door.post("/v1/envelopes", b"e".to_vec()).await.status, 200);

    fake.gate.add_permits(WAITS_MAX + 1);
    while let Some(status) = waits.join_next().await {
        assert_eq!(status.unwrap(), 200);
    }
    assert_eq!(door.post("/v1/envelopes?wait_ms=1", b"e".to_vec()).await.status, 200);
}

#[tokio::test]
async fn a_caller_that_hangs_up_gives_its_place_back() {
    let fake = Fake::gated();
    let door = fake.serve().await;
    let request = format!("GET /v1/status HTTP/1.1\r\nHost: a\r\nAuthorization: Bearer {TOKEN}\r\n\r\n");
    let mut held = Vec::new();
    for _ in 0..CALLS_MAX {
        let mut stream = TcpStream::connect(door.address).await.unwrap();
        stream.write_all(request.as_bytes()).await.unwrap();
        held.push(stream);
    }
    fake.at_gate(CALLS_MAX).await;
    door.get("/v1/list/jobs").await.error(503, "busy");
    drop(held);
    while door.get("/v1/list/jobs").await.status != 200 {
        tokio::task::yield_now().await;
    }
}
