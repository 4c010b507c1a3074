//! Endpoints that lie, lag, or are down.

use super::world::{Chained, anvil, is_calm, number};
use axum::{Router, body::Bytes, extract::State, http::StatusCode, routing::post};
use phalanx_governance::contracts::ChainCommand;
use serde_json::{Value, json};
use std::{
    sync::{Arc, Mutex},
    time::Duration,
};

#[derive(Clone, Copy, PartialEq, Eq)]
enum Mode {
    Honest,
    /// Events are changed.
    Lies,
    /// Nothing after this block exists.
    Lags(u64),
    Down,
}

/// An endpoint between a node and the chain.
struct Proxy {
    mode: Arc<Mutex<Mode>>,
    url: String,
}

type Shared = State<(reqwest::Client, String, Arc<Mutex<Mode>>)>;

async fn pass(State((client, upstream, mode)): Shared, body: Bytes) -> Result<String, StatusCode> {
    let mode = *mode.lock().unwrap();
    let asked: Value = serde_json::from_slice(&body).unwrap();
    if mode == Mode::Down {
        return Err(StatusCode::SERVICE_UNAVAILABLE);
    }
    let answer = client.post(&upstream).header("content-type", "application/json").body(body).send();
    let mut answer: Value = answer.await.unwrap().json().await.unwrap();
    match (mode, asked["method"].as_str().unwrap()) {
        (Mode::Lags(block), "eth_blockNumber") => answer["result"] = json!(format!("0x{block:x}")),
        (Mode::Lies, "eth_getLogs") => {
            for event in answer["result"].as_array_mut().unwrap() {
                // The first word is the command's hash.
                let data = event["data"].as_str().unwrap();
                let digit = if data[2..].starts_with('0') { '1' } else { '0' };
                let data = format!("0x{digit}{}", &data[3..]);
                event["data"] = data.into();
            }
        }
        _ => {}
    }
    Ok(answer.to_string())
}

impl Proxy {
    async fn start(upstream: &str) -> Self {
        let mode = Arc::new(Mutex::new(Mode::Honest));
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let state = (reqwest::Client::new(), upstream.to_owned(), Arc::clone(&mode));
        let router = Router::new().route("/", post(pass)).with_state(state);
        tokio::spawn(async move { axum::serve(listener, router).await });
        Self { mode, url }
    }

    fn set(&self, mode: Mode) {
        *self.mode.lock().unwrap() = mode;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn one_that_lies_one_that_lags_and_two_that_are_down_change_nothing_or_are_waited_for() {
    let anvil = anvil(&["--block-time", "1"]);
    let mut chained = Chained::dev(&anvil.url()).await;
    let mut proxies = Vec::new();
    for index in 0..4 {
        let proxy = Proxy::start(&anvil.url()).await;
        chained.set_rpc(index, &[&proxy.url]);
        proxies.push(proxy);
    }
    chained.mesh.start().await;
    chained.all_until("the first checkpoint is final", |s| number(s, "/chain/final") >= 1).await;

    // One lies about the owner's command: three see the truth, and all obey.
    proxies[0].set(Mode::Lies);
    chained.command(ChainCommand::PauseMesh).await;
    chained.all_until("the pause is obeyed", |s| s["is_paused"] == true).await;
    let told = chained.receipts(0, "pause").await;
    assert_eq!(told.len(), 1, "{told:?}");
    let transaction = &told[0]["receipt"]["data"]["transaction"];
    assert_eq!(transaction.as_str().unwrap().len(), 64, "the receipt names the transaction");
    let log = std::fs::read_to_string(chained.mesh.home(0).join("node.log")).unwrap();
    assert!(log.contains("the endpoint has changed it"), "the liar's node says so: {log}");

    // A second one lags for ever: now too few see the command, and the mesh waits.
    proxies[1].set(Mode::Lags(number(&chained.status(1).await, "/chain/block")));
    chained.command(ChainCommand::ResumeMesh).await;
    chained.until(2, "the command is seen", |s| number(s, "/chain/commands_seen") == 2).await;
    tokio::time::sleep(Duration::from_secs(2)).await;
    let waiting = chained.status(3).await;
    assert_eq!(waiting["is_paused"], true, "{waiting}");
    assert_eq!(number(&waiting, "/chain/commands_obeyed"), 1);
    proxies[1].set(Mode::Honest);
    chained.all_until("the resume is obeyed", |s| s["is_paused"] == false).await;

    // Two are down: beats go on, nothing is obeyed, and both say so.
    proxies[2].set(Mode::Down);
    proxies[3].set(Mode::Down);
    for index in 2..4 {
        chained.until(index, "it says that its endpoint is down", |s| !s["chain"]["trouble"].is_null()).await;
    }
    let height = number(&chained.status(0).await, "/height");
    chained.command(ChainCommand::PauseMesh).await;
    chained.until(1, "beats go on", |s| number(s, "/height") >= height + 8).await;
    assert_eq!(chained.status(1).await["is_paused"], false);
    proxies[0].set(Mode::Honest);
    proxies[2].set(Mode::Honest);
    proxies[3].set(Mode::Honest);
    chained.all_until("the second pause is obeyed", |s| s["is_paused"] == true).await;
    assert_eq!(chained.receipts(3, "pause").await.len(), 2);

    // Everything is anchored meanwhile, whoever was away.
    let closed = number(&chained.status(0).await, "/checkpoint");
    chained
        .all_until("all is final", |s| number(s, "/chain/final") >= closed && s["chain"]["trouble"].is_null())
        .await;
    for index in 0..4 {
        assert!(is_calm(&chained.status(index).await));
    }

    // One that falls behind what it has shown says nothing, and takes nothing back.
    let before = chained.status(1).await;
    proxies[1].set(Mode::Lags(number(&before, "/chain/block") - 6));
    tokio::time::sleep(Duration::from_secs(1)).await;
    let lagging = chained.status(1).await;
    assert!(is_calm(&lagging) && lagging["chain"]["trouble"].is_null(), "{lagging}");
    for what in ["/chain/block", "/chain/anchored", "/chain/final"] {
        assert!(number(&lagging, what) >= number(&before, what), "{what}: {before} {lagging}");
    }
    let log = std::fs::read_to_string(chained.mesh.home(1).join("node.log")).unwrap();
    assert!(!log.contains("\"reorganised\""), "{log}");
    chained.mesh.stop().await;
    chained.mesh.fsck();
}

#[tokio::test(flavor = "multi_thread")]
async fn two_that_must_agree_and_do_not_are_trouble_and_never_believed() {
    let anvil = anvil(&["--block-time", "1"]);
    let mut chained = Chained::dev(&anvil.url()).await;
    let proxy = Proxy::start(&anvil.url()).await;
    chained.set_rpc(0, &[&anvil.url(), &proxy.url]);
    chained.mesh.start().await;
    chained.all_until("the first checkpoint is final", |s| number(s, "/chain/final") >= 1).await;
    proxy.set(Mode::Lies);
    chained.command(ChainCommand::PauseMesh).await;
    chained
        .until(0, "the disagreement is said", |s| {
            s["chain"]["trouble"].as_str().is_some_and(|t| t.contains("do not agree"))
        })
        .await;
    chained.all_until("the others see it", |s| s["is_paused"] == true).await;
    chained.mesh.stop().await;
}
