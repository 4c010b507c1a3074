//! The owner's part of the main job: a development chain, and one command of the owner
//! through files, to its effect in the mesh and back.

use crate::{
    binding::{self, Bound, Plan},
    chain::{self, ChainConfig, KeySource},
    home::Home,
    output::{Code, Failure, say},
};
use anyhow::{Context, Result};
use phalanx_api::Client;
use phalanx_devnet::{Anvil, Devnet, anvil_in};
use phalanx_governance::{
    Address,
    safe::deploy::{deploy_contracts, deploy_safe},
    submit::account::Account,
};
use serde_json::Value;
use std::{
    path::{Path, PathBuf},
    process::{Command, Output},
    sync::Arc,
    time::{Duration, Instant},
};

/// Development keys: who pays, and who owns the Safe.
const PAYER: u32 = 0;
const OWNERS: [u32; 3] = [1, 2, 3];
/// How many owners must sign.
const THRESHOLD: u64 = 2;
/// Blocks that are final here; the chain has one a second.
const DEPTH: u64 = 2;
const POLL_MS: u64 = 250;
const TAKEOVER_MS: u64 = 5_000;
/// Time for what the chain and the mesh do together.
const WITHIN: Duration = Duration::from_secs(120);
const PAUSE: Duration = Duration::from_millis(200);
/// The shard that is paused.
const SHARD: &str = "mars";

/// A development chain with the contracts of a mesh.
pub struct DevChain {
    /// Gone when this is dropped.
    anvil: Anvil,
    bound: Bound,
    safe: Address,
    binary: PathBuf,
    out: PathBuf,
}

/// What the owner's part has shown.
#[derive(Debug, Default, serde::Serialize)]
pub struct Shown {
    /// Anchored checkpoints, deep enough.
    pub anchored: u64,
    /// Nodes that obeyed.
    pub obeyed: usize,
    /// Of so many.
    pub nodes: usize,
    /// The receipt that was verified to the chain.
    pub receipt: Option<u64>,
}

impl Shown {
    /// Whether all of it is as it should be.
    pub const fn is_good(&self) -> bool {
        self.anchored > 0 && self.obeyed == self.nodes && self.receipt.is_some()
    }
}

impl DevChain {
    /// Starts a development chain, makes a Safe of three owners of whom two must sign,
    /// deploys the contracts and binds the mesh to them. `contracts` is the folder with
    /// npm's packages.
    pub async fn start(contracts: &Path, homes: &[Home], binary: &Path, out: &Path) -> Result<Self> {
        let anvil = Anvil::start(&anvil_in(contracts)?, &["--block-time", "1", "--accounts", "80"])?;
        let rpc = vec![anvil.url().to_owned()];
        let chain = chain::connect(&rpc, None).await?;
        let payer = KeySource::Dev { index: PAYER }.open(chain.id(), true)?;
        let payer = Account::new(chain.clone(), Arc::new(payer));
        let owners = OWNERS
            .iter()
            .map(|index| Ok(KeySource::Dev { index: *index }.open(chain.id(), true)?.address()))
            .collect::<Result<Vec<_>>>()?;
        let made = deploy_contracts(&payer, &contracts.join("node_modules")).await?;
        let safe = deploy_safe(&payer, &made, &owners, THRESHOLD, 0).await?;
        let config = ChainConfig {
            depth: DEPTH,
            poll_ms: POLL_MS,
            takeover_ms: TAKEOVER_MS,
            multi_send: Some(made.multi_send_call_only),
            ..ChainConfig::new(rpc, 0)
        };
        let plan = Plan { owner: safe, command_delay_s: 0, force_delay_s: 172_800, config, dev: true };
        let bound = binding::bind(homes, &payer, &chain, plan).await?;
        Ok(Self { anvil, bound, safe, binary: binary.to_owned(), out: out.to_owned() })
    }

    /// What it is, in two lines.
    pub fn banner(&self) -> String {
        let deployment = &self.bound.report.deployment;
        format!(
            "chain 31337 at {}: Safe {} ({THRESHOLD} of {} owners), anchor {}, commands {}\n\
             DEVELOPMENT KEYS sign here, which everybody knows: nothing of this proves anything to others",
            self.anvil.url(),
            self.safe,
            OWNERS.len(),
            deployment.anchor,
            deployment.commands
        )
    }

    fn phalanx(&self, words: &[&str]) -> Result<Output> {
        let home = self.out.join("node-1");
        Ok(Command::new(&self.binary).args(words).arg("--home").arg(home).output()?)
    }

    /// Runs the binary, as an owner would; its output when it succeeds.
    fn owner(&self, words: &[&str]) -> Result<String> {
        let done = self.phalanx(words)?;
        if !done.status.success() {
            return Err(Failure::because(
                Code::Refused,
                format!("phalanx {}: {}", words.join(" "), String::from_utf8_lossy(&done.stderr).trim_end()),
            ));
        }
        Ok(String::from_utf8_lossy(&done.stdout).into_owned())
    }

    fn file(&self, name: &str) -> String {
        self.out.join(name).display().to_string()
    }

    /// One command through the whole file flow: built, signed by two owners each on a
    /// copy, merged, executed.
    fn command(&self, kind: &str, name: &str) -> Result<()> {
        let [proposed, first, second, signed] =
            ["", "-owner-1", "-owner-2", "-signed"].map(|end| self.file(&format!("{name}{end}.json")));
        self.owner(&["owner", "command", kind, SHARD, "--out", &proposed])?;
        for (key, copy) in [("1", &first), ("2", &second)] {
            self.owner(&["owner", "tx", "sign", &proposed, "--dev", "--dev-key", key, "--out", copy])?;
        }
        self.owner(&["owner", "tx", "merge", &first, &second, "--out", &signed])?;
        let executed = self.owner(&["owner", "tx", "exec", &signed, "--dev", "--dev-key", "0"])?;
        say(&format!("phalanx owner command {kind} {SHARD}, tx sign twice, merge, exec"));
        for line in executed.lines() {
            say(&format!("  {line}"));
        }
        Ok(())
    }

    /// Pauses a shard and resumes it, counts who obeyed, and verifies the receipt of it
    /// from its bytes to the chain.
    pub async fn walk(&self, devnet: &Devnet) -> Result<Shown> {
        let clients = devnet.clients();
        let mut shown = Shown { nodes: clients.len(), ..Shown::default() };
        self.command("pause-shard", "pause")?;
        let began = Instant::now();
        shown.obeyed = until_paused(&clients, true).await?;
        say(&format!("  obeyed by {} of {} nodes after {} ms", shown.obeyed, shown.nodes, began.elapsed().as_millis()));
        self.command("resume-shard", "resume")?;
        let resumed = until_paused(&clients, false).await?;
        say(&format!("  obeyed by {resumed} of {} nodes", shown.nodes));
        shown.obeyed = shown.obeyed.min(resumed);

        let Some(first) = clients.first() else { return Ok(shown) };
        let index = until_final(first).await?;
        let file = self.file("command-receipt.json");
        std::fs::write(&file, first.bytes(&format!("/v1/receipts/{index}/proof")).await?)?;
        let words = ["receipt", "verify", &file, "--rpc", self.anvil.url()];
        let verified = self.phalanx(&words)?;
        say(&format!("phalanx {}", words.join(" ")));
        for line in String::from_utf8_lossy(&verified.stdout).lines() {
            say(&format!("  {line}"));
        }
        shown.receipt = verified.status.success().then_some(index);
        shown.anchored = number(first, "/chain/final").await?;
        Ok(shown)
    }
}

async fn number(client: &Client, pointer: &str) -> Result<u64> {
    let status = client.get("/v1/status").await?;
    let found = status.pointer(pointer).and_then(Value::as_str);
    found.and_then(|text| text.parse().ok()).with_context(|| format!("the status has no {pointer}"))
}

/// Waits until all nodes show the shard as paused or not; gives how many do.
async fn until_paused(clients: &[Client], wanted: bool) -> Result<usize> {
    let began = Instant::now();
    loop {
        let mut count = 0;
        for client in clients {
            let shards = client.get("/v1/list/shards").await?;
            let shard = shards.as_array().into_iter().flatten().find(|s| s["name"] == SHARD);
            count += usize::from(shard.is_some_and(|shard| shard["is_paused"] == wanted));
        }
        if count == clients.len() || began.elapsed() > WITHIN {
            return Ok(count);
        }
        tokio::time::sleep(PAUSE).await;
    }
}

/// Waits until the checkpoint with the receipt of the last command stays on the chain;
/// gives the receipt.
async fn until_final(client: &Client) -> Result<u64> {
    let began = Instant::now();
    loop {
        let found = client.get("/v1/receipts?subject=resume").await?;
        let last = found.pointer("/receipts").and_then(Value::as_array).and_then(|list| list.last());
        if let Some(index) = last.and_then(Value::as_str).and_then(|text| text.parse().ok()) {
            let receipt = client.get(&format!("/v1/receipts/{index}")).await?;
            if receipt["level"] == "final" {
                return Ok(index);
            }
        }
        if began.elapsed() > WITHIN {
            return Err(Failure::because(
                Code::Unavailable,
                format!("no checkpoint with the owner's command was final after {} s", WITHIN.as_secs()),
            ));
        }
        tokio::time::sleep(PAUSE).await;
    }
}
