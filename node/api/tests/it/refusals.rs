//! What the door refuses, and in which words.

use crate::fake::{Fake, TOKEN};
use phalanx_api::ClientError;
use phalanx_types::envelope::ENVELOPE_BYTES_MAX;

const PATHS: [&str; 15] = [
    "/v1/status",
    "/v1/list/jobs",
    "/v1/jobs/ab",
    "/v1/receipts?subject=x",
    "/v1/receipts/1",
    "/v1/receipts/1/proof",
    "/v1/receipts/1/path",
    "/v1/senders/ab",
    "/v1/beats/1",
    "/v1/peers",
    "/v1/events",
    "/v1/peers/ban",
    "/v1/envelopes",
    "/",
    "/v1/not/there",
];

#[tokio::test]
async fn no_path_but_health_answers_without_the_token() {
    let door = Fake::open().serve().await;
    let http = reqwest::Client::new();
    let longer = format!("{TOKEN}x");
    let wrong = [None, Some(""), Some("wrong"), Some(&TOKEN[1..]), Some(longer.as_str())];
    for path in PATHS {
        for token in wrong {
            for request in [http.get(door.url(path)), http.post(door.url(path)).body("x")] {
                let (_, remedy) = door.send(request, token).await.error(401, "unauthorized");
                assert!(remedy.contains("api-token"), "{remedy}");
            }
        }
    }
    let healthy = door.send(http.get(door.url("/v1/health")), None).await;
    assert_eq!((healthy.status, healthy.json()["alive"].as_bool()), (200, Some(true)));
}

#[tokio::test]
async fn a_token_of_another_form_is_no_token() {
    let door = Fake::open().serve().await;
    let http = reqwest::Client::new();
    for value in
        [TOKEN.to_owned(), format!("bearer {TOKEN}"), format!("Basic {TOKEN}"), "Bearer \u{fc}".into()]
    {
        let request = http.get(door.url("/v1/status")).header("Authorization", value);
        door.send(request, None).await.error(401, "unauthorized");
    }
    let right = http.get(door.url("/v1/status")).header("Authorization", format!("Bearer {TOKEN}"));
    assert_eq!(door.send(right, None).await.status, 200);
}

#[tokio::test]
async fn an_unknown_path_or_method_is_named() {
    let door = Fake::open().serve().await;
    for path in ["/", "/v1", "/v1/state", "/v1/status/", "/v1/receipts/1/proofs", "/favicon.ico"] {
        let (message, _) = door.get(path).await.error(404, "not_found");
        assert!(message.contains(path), "{message}");
    }
    let (message, _) = door.post("/v1/status", Vec::new()).await.error(405, "method_not_allowed");
    assert!(message.contains("POST"), "{message}");
    door.get("/v1/envelopes").await.error(405, "method_not_allowed");
}

#[tokio::test]
async fn malformed_queries_and_numbers_are_bad_requests_with_the_reason() {
    let door = Fake::open().serve().await;
    for (path, word) in [
        ("/v1/receipts", "subject"),
        ("/v1/receipts?subject=a&colour=red", "colour"),
        ("/v1/receipts?subject=a&subject=b", "subject"),
        ("/v1/receipts/minus", "minus"),
        ("/v1/receipts/-1", "-1"),
        ("/v1/receipts/18446744073709551616", "18446744073709551616"),
        ("/v1/beats/1e3", "1e3"),
        ("/v1/beats/%ff", "UTF-8"),
    ] {
        let (message, _) = door.get(path).await.error(400, "bad_request");
        assert!(message.contains(word), "{path}: {message}");
    }
    for (path, word) in [
        ("/v1/envelopes?wait=1", "wait"),
        ("/v1/envelopes?wait_ms=soon", "digit"),
        ("/v1/envelopes?wait_ms=-1", "digit"),
        ("/v1/envelopes?wait_ms=99999999999999999999", "too large"),
    ] {
        let (message, _) = door.post(path, Vec::new()).await.error(400, "bad_request");
        assert!(message.contains(word), "{path}: {message}");
    }
}

#[tokio::test]
async fn a_body_that_is_no_ban_is_refused_with_the_reason() {
    let door = Fake::open().serve().await;
    let http = reqwest::Client::new();
    for (body, status, word) in [
        (r#"{"key":"a","reason":"b","lasts_ms":1,"colour":"red"}"#, 422, "colour"),
        (r#"{"key":"a","reason":"b"}"#, 422, "lasts_ms"),
        (r#"{"key":"a","reason":"b","lasts_ms":-1}"#, 422, "lasts_ms"),
        (r#"{"key":"a","#, 400, "EOF"),
        ("\u{0}", 400, "expected"),
    ] {
        let request =
            http.post(door.url("/v1/peers/ban")).header("Content-Type", "application/json").body(body);
        let (message, _) = door.send(request, Some(TOKEN)).await.error(status, "bad_request");
        assert!(message.contains(word), "{body}: {message}");
    }
    let (_, remedy) = door.post("/v1/peers/ban", b"{}".to_vec()).await.error(415, "media_type");
    assert!(remedy.contains("application/json"), "{remedy}");
}

#[tokio::test]
async fn what_the_node_itself_refuses_comes_in_its_own_words() {
    let door = Fake::open().serve().await;
    let body = r#"{"key":"a key","reason":"b","lasts_ms":1}"#;
    let request = reqwest::Client::new().post(door.url("/v1/peers/ban"));
    let request = request.header("Content-Type", "application/json").body(body);
    let told = door.send(request, Some(TOKEN)).await.error(422, "own_word");
    assert_eq!(told, ("a key".to_owned(), "the node's own remedy".to_owned()));
    let error = door.client().get("/v1/jobs/abc").await.unwrap_err();
    let ClientError::Refused(error) = error else { panic!("{error}") };
    assert_eq!((error.status, error.code.as_str()), (404, "not_found"));
}

#[tokio::test]
async fn a_body_above_the_limit_is_too_large_and_one_at_the_limit_is_taken() {
    let door = Fake::open().serve().await;
    let taken = door.post("/v1/envelopes", vec![7; ENVELOPE_BYTES_MAX]).await;
    assert_eq!((taken.status, taken.json()["bytes"].as_u64()), (200, Some(ENVELOPE_BYTES_MAX as u64)));
    let refused = door.post("/v1/envelopes", vec![7; ENVELOPE_BYTES_MAX + 1]).await;
    let (_, remedy) = refused.error(413, "too_large");
    assert!(remedy.contains(&ENVELOPE_BYTES_MAX.to_string()), "{remedy}");
    let request = reqwest::Client::new().post(door.url("/v1/peers/ban"));
    let request = request.header("Content-Type", "application/json").body(vec![b' '; ENVELOPE_BYTES_MAX + 1]);
    door.send(request, Some(TOKEN)).await.error(413, "too_large");
}

#[tokio::test]
async fn a_wait_is_never_longer_than_the_longest() {
    let door = Fake::open().serve().await;
    let taken = door.post("/v1/envelopes?wait_ms=18446744073709551615", b"e".to_vec()).await;
    assert_eq!(taken.json()["wait_ms"].as_u64(), Some(phalanx_api::WAIT_MS_MAX));
}

#[tokio::test]
async fn what_is_no_http_is_answered_and_harms_nobody() {
    let door = Fake::open().serve().await;
    let long = format!("GET /v1/status HTTP/1.1\r\nHost: a\r\nX: {}\r\n\r\n", "x".repeat(1 << 20));
    for bytes in [&b"\x00\xff\x16\x03\x01"[..], b"GET\r\n\r\n", b"GET / HTTP/9.9\r\n\r\n", long.as_bytes()] {
        // The door may close before it has read everything.
        let mut stream = tokio::net::TcpStream::connect(door.address).await.unwrap();
        let _ = tokio::io::AsyncWriteExt::write_all(&mut stream, bytes).await;
    }
    let cut = door.raw(b"POST /v1/envelopes HTTP/1.1\r\nHost: a\r\nContent-Length: 9\r\n\r\nabc").await;
    assert!(!cut.starts_with("HTTP/1.1 200"), "{cut}");
    assert_eq!(door.get("/v1/status").await.status, 200);
}
