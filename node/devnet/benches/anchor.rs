//! Four node processes and a development chain that mines at once: how long it takes
//! from the end of a checkpoint's last beat until it is cosigned, and until a node sees
//! it anchored.

#![allow(missing_docs)]
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use phalanx_devnet::{Anvil, Devnet, NodeSpec, PortBlock, anvil, anvil_in};
use serde_json::{Value, json};
use std::{
    path::Path,
    process::Command,
    time::{Duration, SystemTime, UNIX_EPOCH},
};

const CHECKPOINTS: u64 = 60;
const LOOK: Duration = Duration::from_millis(5);
const PATIENCE: Duration = Duration::from_secs(120);

fn number(value: &Value, pointer: &str) -> u64 {
    value.pointer(pointer).and_then(Value::as_str).and_then(|text| text.parse().ok()).unwrap()
}

fn now_ms() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_millis() as u64
}

fn run(words: &[&str]) {
    let own = std::env::current_exe().unwrap();
    let binary = own.parent().and_then(Path::parent).unwrap().join("phalanx");
    let done = Command::new(binary).args(words).output().unwrap();
    assert!(done.status.success(), "{words:?}: {}", String::from_utf8_lossy(&done.stderr));
}

fn percentiles(mut times: Vec<u64>) -> String {
    times.sort_unstable();
    let at = |percent: usize| times[(times.len() * percent / 100).min(times.len() - 1)];
    format!("p50 {} ms, p99 {} ms", at(50), at(99))
}

#[tokio::main]
async fn main() {
    let folder = tempfile::tempdir().unwrap();
    let out = folder.path().join("mesh");
    let out_text = out.to_str().unwrap();
    let ports = PortBlock::free(4).unwrap();
    run(&["init", "--mesh-of", "4", "--base-port", &ports.base().to_string(), "--out", out_text]);
    for i in 1..=4 {
        let path = out.join(format!("node-{i}/genesis.json"));
        let mut genesis: Value = serde_json::from_slice(&std::fs::read(&path).unwrap()).unwrap();
        genesis["params"]["checkpoint_beats"] = json!(8);
        genesis["params"]["idle_beat_ms"] = json!(100);
        std::fs::write(path, genesis.to_string()).unwrap();
    }
    let contracts = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../contracts");
    let chain = Anvil::start(&anvil_in(&contracts), &["--accounts", "20"]).unwrap();
    let (url, modules) = (chain.url(), anvil::node_modules(&contracts));
    run(&[
        "chain",
        "deploy",
        "--mesh",
        out_text,
        "--rpc",
        &url,
        "--node-modules",
        modules.to_str().unwrap(),
        "--owner",
        "0x70997970C51812dc3A010C7d01b50e0d17dc79C8",
        "--threshold",
        "1",
        "--depth",
        "1",
        "--poll",
        "50",
        "--dev",
        "--dev-key",
        "0",
    ]);
    let at = |i: u16| NodeSpec::at(&format!("node-{i}"), out.join(format!("node-{i}"))).unwrap();
    let own = std::env::current_exe().unwrap();
    let binary = own.parent().and_then(Path::parent).unwrap().join("phalanx");
    let mut devnet = Devnet::new(&binary, (1..=4).map(at).collect());
    devnet.always_with(&["--dev"]);
    devnet.start_all().unwrap();
    devnet
        .wait_until("a first anchored checkpoint", PATIENCE, |s| number(s, "/chain/anchored") >= 2)
        .await
        .unwrap();

    let client = devnet.clients().remove(0);
    let (mut cosigned, mut anchored) = (Vec::new(), Vec::new());
    let status = client.get("/v1/status").await.unwrap();
    let mut seen = [number(&status, "/chain/cosigned"), number(&status, "/chain/anchored")];
    while (anchored.len() as u64) < CHECKPOINTS {
        let status = client.get("/v1/status").await.unwrap();
        let now = now_ms();
        for (place, (pointer, times)) in
            [("/chain/cosigned", &mut cosigned), ("/chain/anchored", &mut anchored)].into_iter().enumerate()
        {
            for n in seen[place] + 1..=number(&status, pointer) {
                let shown = client.get(&format!("/v1/checkpoints/{n}")).await.unwrap();
                times.push(now.saturating_sub(number(&shown, "/checkpoint/time")));
                seen[place] = n;
            }
        }
        tokio::time::sleep(LOOK).await;
    }
    println!(
        "{} checkpoints, four validators, a chain that mines at once, looked at every 50 ms",
        anchored.len()
    );
    println!("from a checkpoint's last beat until it is cosigned: {}", percentiles(cosigned));
    println!("from a checkpoint's last beat until it is anchored: {}", percentiles(anchored));
    devnet.stop_all(Duration::from_secs(5)).await;
}
