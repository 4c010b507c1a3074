//! Events as they fall.

use crate::fake::{Fake, LINES_MAX};
use phalanx_api::{ClientError, STREAMS_MAX};
use serde_json::Value;
use std::sync::Arc;

async fn rest(stream: &mut reqwest::Response) -> String {
    let mut text = Vec::new();
    while let Some(chunk) = stream.chunk().await.unwrap() {
        text.extend_from_slice(&chunk);
    }
    String::from_utf8(text).unwrap()
}

#[tokio::test]
async fn every_event_is_a_line() {
    let fake = Fake::open();
    let door = fake.serve().await;
    let mut stream = door.client().events().await.unwrap();
    assert_eq!(stream.headers()["content-type"], "application/x-ndjson");
    for number in 0..50 {
        let line = format!("{{\"event\":\"beat\",\"number\":{number}}}");
        fake.events.send(line.as_str().into()).unwrap();
        // A reader that keeps up misses none.
        let mut seen = String::new();
        while !seen.ends_with('\n') {
            seen.push_str(std::str::from_utf8(&stream.chunk().await.unwrap().unwrap()).unwrap());
        }
        assert_eq!(seen, format!("{line}\n"));
    }
}

#[tokio::test]
async fn a_reader_that_is_too_slow_gets_a_last_line_that_says_so() {
    let fake = Fake::open();
    let door = fake.serve().await;
    let mut stream = door.client().events().await.unwrap();
    // More than the buffers between us hold, while nobody reads.
    let line: Arc<str> = format!("{{\"event\":\"{}\"}}", "x".repeat(1 << 20)).into();
    for _ in 0..64 {
        fake.events.send(Arc::clone(&line)).unwrap();
        tokio::task::yield_now().await;
    }
    let text = rest(&mut stream).await;
    let lines: Vec<&str> = text.lines().collect();
    let (last, before) = lines.split_last().unwrap();
    let last: Value = serde_json::from_str(last).unwrap();
    assert_eq!(last["event"], "too_slow");
    let missed = usize::try_from(last["missed"].as_u64().unwrap()).unwrap();
    assert!(missed > 0 && before.len() + missed + LINES_MAX <= 64, "{} seen, {missed} missed", before.len());
    assert!(before.iter().all(|seen| *seen == &*line), "a line was cut");
}

#[tokio::test]
async fn a_stream_ends_when_the_node_stops() {
    let fake = Fake::open();
    let door = fake.serve().await;
    let mut stream = door.client().events().await.unwrap();
    fake.events.send("{\"event\":\"last\"}".into()).unwrap();
    assert_eq!(stream.chunk().await.unwrap().unwrap(), "{\"event\":\"last\"}\n");
    drop(stream);
}

#[tokio::test]
async fn streams_keep_their_places_until_their_readers_are_gone_and_take_none_of_others() {
    let fake = Fake::open();
    let door = fake.serve().await;
    let mut streams = Vec::new();
    for _ in 0..STREAMS_MAX {
        streams.push(door.client().events().await.unwrap());
    }
    let error = door.client().events().await.unwrap_err();
    let ClientError::Refused(error) = error else { panic!("{error}") };
    assert_eq!((error.status, error.code.as_str()), (503, "busy"));
    assert!(error.message.contains("streams"), "{}", error.message);
    assert_eq!(door.get("/v1/status").await.status, 200);

    drop(streams.pop());
    while door.client().events().await.is_err() {
        tokio::task::yield_now().await;
    }
}
