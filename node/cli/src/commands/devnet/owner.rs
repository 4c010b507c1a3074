//! The owner's part of the main job: a development chain, and one command of the owner
//! through files, to its effect in the mesh and back.

use super::{proving::Proven, shell::Shell};
use crate::{
    binding::{self, Bound, Plan},
    chain::{self, ChainConfig, KeySource},
    home::Home,
    output::{Code, Failure},
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
/// The number of development chains.
pub(super) const CHAIN_ID: u64 = 31_337;
/// The shard that is paused.
const SHARD: &str = "mars";

/// A development chain with the contracts of a mesh.
pub struct DevChain {
    /// Gone when this is dropped.
    anvil: Anvil,
    bound: Bound,
    safe: Address,
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
    /// Whether the contract has verified the proofs.
    pub is_published: bool,
}

impl Shown {
    /// In a line.
    pub fn words(&self) -> String {
        let receipt = match self.receipt {
            Some(index) => format!("receipt {index} verified to the chain"),
            None => "receipt NOT verified to the chain".to_owned(),
        };
        let proofs = if self.is_published { "proofs" } else { "proofs NOT" };
        format!(
            "anchored checkpoints {}, owner's command obeyed by {} of {} nodes, {receipt}, {proofs} verified on chain",
            self.anchored, self.obeyed, self.nodes
        )
    }

    /// Whether all of it is as it should be.
    pub const fn is_good(&self) -> bool {
        self.anchored > 0 && self.obeyed == self.nodes && self.receipt.is_some() && self.is_published
    }
}

impl DevChain {
    /// Starts a development chain, makes a Safe of three owners of whom two must sign,
    /// deploys the contracts and binds the mesh to them. `contracts` is the folder with
    /// npm's packages.
    pub async fn start(contracts: &Path, homes: &[Home], out: &Path) -> Result<Self> {
        let anvil = Anvil::start(&anvil_in(contracts), &["--block-time", "1", "--accounts", "80"])?;
        let rpc = vec![anvil.url()];
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
        Ok(Self { anvil, bound, safe, out: out.to_owned() })
    }

    /// The contract that verifies proofs.
    pub const fn verifier(&self) -> Address {
        self.bound.verifier
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

    fn file(&self, name: &str) -> String {
        self.out.join(name).display().to_string()
    }

    /// One command through the whole file flow: built, shown, signed by two owners each
    /// on a copy, merged, simulated, executed.
    async fn command(&self, shell: &Shell, what: &[&str], name: &str, evidence: Option<&str>) -> Result<()> {
        let [proposed, first, second, signed] =
            ["", "-owner-1", "-owner-2", "-signed"].map(|end| self.file(&format!("{name}{end}.json")));
        let mut words = [&["owner", "command"], what, &["--out", &proposed]].concat();
        words.extend(evidence.into_iter().flat_map(|file| ["--evidence", file]));
        let said = shell.done(&words).await?;
        shell.all(&words, &said);
        // What changes who rules, or whom to believe, is signed by its hash only.
        let hash = said.lines().find_map(|line| line.trim().strip_prefix("safeTxHash")).map(str::trim);
        let hash = hash.filter(|_| said.contains(". ! "));
        if evidence.is_some() {
            let words = ["owner", "tx", "show", &proposed, "--check"];
            let shown = shell.done(&words).await?;
            let verdicts: Vec<&str> = shown.lines().filter(|line| line.starts_with("evidence 1")).collect();
            shell.all(&words, &verdicts.join("\n"));
        }
        let url = self.anvil.url();
        for (key, copy) in [("1", &first), ("2", &second)] {
            let mut words = vec![
                "owner",
                "tx",
                "sign",
                &proposed,
                "--rpc",
                &url,
                "--dev",
                "--dev-key",
                key,
                "--out",
                copy,
            ];
            words.extend(hash.into_iter().flat_map(|hash| ["--safe-tx-hash", hash]));
            shell.last(&words, &shell.done(&words).await?);
        }
        let words = ["owner", "tx", "merge", &first, &second, "--out", &signed];
        shell.last(&words, &shell.done(&words).await?);
        let words = ["owner", "tx", "simulate", &signed];
        shell.last(&words, &shell.done(&words).await?);
        let words = ["owner", "tx", "exec", &signed, "--dev", "--dev-key", "0"];
        shell.last(&words, &shell.done(&words).await?);
        Ok(())
    }

    /// The proof file of a receipt that the owners can look at: the first one of the newest
    /// closed checkpoint.
    async fn evidence(&self, node: &Client) -> Result<Option<String>> {
        let list = node.get("/v1/list/checkpoints").await?;
        let newest = list.as_array().and_then(|list| list.last());
        let index = newest.and_then(|c| c.pointer("/checkpoint/first_receipt")).and_then(Value::as_str);
        let Some(index) = index else { return Ok(None) };
        let file = self.file("evidence.json");
        std::fs::write(&file, node.bytes(&format!("/v1/receipts/{index}/proof")).await?)?;
        Ok(Some(file))
    }

    /// Pauses a shard and resumes it, counts who obeyed, and verifies the receipt of it
    /// from its bytes to the chain.
    pub async fn walk(&self, shell: &Shell, devnet: &Devnet) -> Result<Shown> {
        let clients = devnet.clients();
        let mut shown = Shown { nodes: clients.len(), ..Shown::default() };
        let Some(node) = clients.first() else { return Ok(shown) };
        let evidence = self.evidence(node).await?;
        self.command(shell, &["pause-shard", SHARD], "pause", evidence.as_deref()).await?;
        let began = Instant::now();
        shown.obeyed = until_paused(&clients, true).await?;
        let took = began.elapsed().as_millis();
        shell.line(&format!("  obeyed by {} of {} nodes after {took} ms", shown.obeyed, shown.nodes));
        self.command(shell, &["resume-shard", SHARD], "resume", None).await?;
        let resumed = until_paused(&clients, false).await?;
        shell.line(&format!("  obeyed by {resumed} of {} nodes", shown.nodes));
        shown.obeyed = shown.obeyed.min(resumed);

        let index = until_final(node).await?;
        let file = self.file("command-receipt.json");
        std::fs::write(&file, node.bytes(&format!("/v1/receipts/{index}/proof")).await?)?;
        let url = self.anvil.url();
        let words = ["receipt", "verify", &file, "--rpc", &url];
        let verified = shell.run(&words).await?;
        shell.all(&words, &String::from_utf8_lossy(&verified.stdout));
        shown.receipt = verified.status.success().then_some(index);
        shown.anchored = number(node, "/chain/final").await?;
        Ok(shown)
    }

    /// Sets the keys of these proofs at the contract through the owners' files, has it verify them
    /// under the checkpoint's anchored roots, and spends one, which is done once only.
    pub async fn publish(&self, shell: &Shell, proven: &Proven) -> Result<bool> {
        let verifier = self.verifier().to_string();
        let id = CHAIN_ID.to_string();
        for (at, file) in proven.files.iter().enumerate() {
            let (file, folder) = (file.display().to_string(), self.file(&format!("key-{at}")));
            let words = ["proof", "export", "--format", "safe", "--verifier", &verifier];
            shell.done(&[&words[..], &["--chain-id", &id, &file, "--out", &folder]].concat()).await?;
            let written = std::fs::read_dir(&folder)?.next().context("no key was written")??.path();
            let builder = written.display().to_string();
            self.command(shell, &["batch", "--builder", &builder], &format!("key-{at}"), None).await?;
        }
        let (proofs, checkpoint) =
            (proven.folder.display().to_string(), proven.checkpoint_file.display().to_string());
        let words = ["proof", "verify", &proofs, "--checkpoint", &checkpoint, "--against-contract"];
        let verified = shell.run(&words).await?;
        let said = String::from_utf8_lossy(&verified.stdout).into_owned();
        // The inputs were shown when the proofs were made.
        let is_verdict = |line: &&str| !line.starts_with(' ') || line.trim_start().starts_with("checked in");
        shell.all(&words, &said.lines().filter(is_verdict).collect::<Vec<_>>().join("\n"));
        let Some(file) = proven.files.last().filter(|_| verified.status.success()) else { return Ok(false) };
        let file = file.display().to_string();
        let words = ["proof", "spend", &file, "--checkpoint", &checkpoint, "--dev", "--dev-key", "0"];
        shell.all(&words, &shell.done(&words).await?);
        let again = shell.run(&words).await?;
        shell.last(&words, &String::from_utf8_lossy(&again.stderr));
        Ok(!again.status.success())
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
