//! The chain's part of the main job: a development chain, a Safe, the contracts, and a
//! receipt that is verified from its bytes to the chain.

use crate::{
    binding::{self, Bound, Plan},
    chain::{self, ChainConfig, KeySource},
    home::Home,
    output::{Code, Failure, say},
};
use anyhow::{Context, Result};
use phalanx_api::Client;
use phalanx_devnet::{Anvil, anvil_in};
use phalanx_governance::{
    Address,
    safe::deploy::{deploy_contracts, deploy_safe},
    submit::account::Account,
};
use serde_json::Value;
use std::{
    path::{Path, PathBuf},
    process::Command,
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

/// A development chain with the contracts of a mesh.
pub struct DevChain {
    /// Gone when this is dropped.
    anvil: Anvil,
    bound: Bound,
    safe: Address,
    binary: PathBuf,
    out: PathBuf,
}

/// What the chain's part has shown.
#[derive(Debug, serde::Serialize)]
pub struct Shown {
    /// Anchored checkpoints, deep enough.
    pub anchored: u64,
    /// The receipt.
    pub receipt: u64,
    /// Whether it was verified to the chain.
    pub is_verified: bool,
}

impl DevChain {
    /// Starts a development chain, makes a Safe of three owners of whom two must sign,
    /// deploys the contracts and binds the mesh to them. `contracts` is the folder with
    /// npm's packages.
    pub async fn start(contracts: &Path, homes: &[Home], binary: &Path, out: &Path) -> Result<Self> {
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

    /// Waits until the checkpoint with a receipt stays on the chain, and verifies the
    /// receipt with the binary, as a stranger would.
    pub async fn verify(&self, client: &Client, index: u64) -> Result<Shown> {
        until_final(client, index).await?;
        let file = self.out.join(format!("anchored-receipt-{index}.json"));
        std::fs::write(&file, client.bytes(&format!("/v1/receipts/{index}/proof")).await?)?;
        let verified = Command::new(&self.binary)
            .args(["receipt", "verify"])
            .arg(&file)
            .args(["--rpc", &self.anvil.url(), "--home"])
            .arg(self.out.join("node-1"))
            .output()?;
        say(&format!("phalanx receipt verify {} --rpc {}", file.display(), self.anvil.url()));
        for line in String::from_utf8_lossy(&verified.stdout).lines() {
            say(&format!("  {line}"));
        }
        let anchored = number(client, "/chain/final").await?;
        Ok(Shown { anchored, receipt: index, is_verified: verified.status.success() })
    }
}

async fn number(client: &Client, pointer: &str) -> Result<u64> {
    let status = client.get("/v1/status").await?;
    let found = status.pointer(pointer).and_then(Value::as_str);
    found.and_then(|text| text.parse().ok()).with_context(|| format!("the status has no {pointer}"))
}

/// Waits until the checkpoint with a receipt stays on the chain.
async fn until_final(client: &Client, index: u64) -> Result<()> {
    let began = Instant::now();
    loop {
        let receipt = client.get(&format!("/v1/receipts/{index}")).await?;
        if receipt.get("level").and_then(Value::as_str) == Some("final") {
            return Ok(());
        }
        if began.elapsed() > WITHIN {
            return Err(Failure::because(
                Code::Unavailable,
                format!("the checkpoint with receipt {index} was not final after {} s", WITHIN.as_secs()),
            ));
        }
        tokio::time::sleep(PAUSE).await;
    }
}
