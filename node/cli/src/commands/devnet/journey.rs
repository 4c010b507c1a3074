//! One migration in the main job: an agent goes from one planet to another, step by step,
//! and the disk is drawn while it is on its way.

use super::shell::Shell;
use crate::{
    commands::geometry::Scene,
    output::{Code, Failure, text},
};
use anyhow::{Context, Result};
use phalanx_api::Client;
use serde_json::{Value, json};
use std::{
    path::{Path, PathBuf},
    time::{Duration, Instant},
};

/// From where to where.
const FROM: &str = "earth";
const TO: &str = "mars";
/// Time for all of it.
const WITHIN: Duration = Duration::from_secs(60);
const PAUSE: Duration = Duration::from_millis(20);

/// What a journey was like.
#[derive(Debug, serde::Serialize)]
pub struct Journey {
    /// The agent.
    pub agent: String,
    /// The worker it went to.
    pub worker: String,
    /// The disk, drawn while it was on its way.
    pub picture: PathBuf,
    /// The steps it took.
    pub steps: usize,
    /// The kinds of all receipts about it, in order.
    pub receipts: Vec<Value>,
}

impl Journey {
    /// Whether it went as it should.
    pub fn is_good(&self) -> bool {
        self.steps > 0
    }
}

/// Spawns an agent, moves it, draws the disk, and tells its receipts.
pub async fn travel(shell: &Shell, client: &Client, out: &Path) -> Result<Journey> {
    let genesis = out.join("node-1/genesis.json").display().to_string();
    let words = ["agent", "spawn", "--region", FROM, "--label", "navigator", "--stack", &genesis];
    let said = shell.done(&words).await?;
    shell.all(&words, &said);
    let agent = said.lines().next().unwrap_or_default().to_owned();
    let worker = worker_in(client, TO).await?;
    let words = ["agent", "migrate", &agent, &worker];
    shell.all(&words, &shell.done(&words).await?);
    let picture = out.join("disk.svg");
    let count = Scene::of(client).await?.draw(&picture)?;
    shell.line(&format!("{count} places drawn in {}", picture.display()));
    until_there(client, &agent).await?;
    let receipts = receipts_of(client, &agent).await?;
    for receipt in &receipts {
        let place = ["worker_before", "worker_after"].map(|field| text(&receipt["data"][field]));
        shell.line(&format!(
            "  receipt {} beat {} {} {}",
            text(&receipt["index"]),
            text(&receipt["beat"]),
            text(&receipt["kind"]),
            place.iter().filter(|worker| !worker.is_empty()).cloned().collect::<Vec<_>>().join(" to ")
        ));
    }
    let steps = receipts.iter().filter(|receipt| receipt["kind"] == "agent_moved").count();
    let kinds = receipts.iter().map(|receipt| json!({"index": receipt["index"], "kind": receipt["kind"]}));
    Ok(Journey { agent, worker, picture, steps, receipts: kinds.collect() })
}

/// A healthy worker of a region.
async fn worker_in(client: &Client, region: &str) -> Result<String> {
    let workers = client.get("/v1/list/workers").await?;
    let mut all = workers.as_array().into_iter().flatten();
    let found =
        all.find(|w| w["offer"]["region"] == region && w["is_healthy"] == true && w["is_open"] == true);
    Ok(text(&found.with_context(|| format!("there is no healthy worker in {region}"))?["offer"]["worker"]))
}

async fn until_there(client: &Client, agent: &str) -> Result<()> {
    let began = Instant::now();
    loop {
        let agents = client.get("/v1/list/agents").await?;
        let row = agents.as_array().into_iter().flatten().find(|row| row["id"] == agent);
        if row.is_some_and(|row| row["is_moving"] == false) {
            return Ok(());
        }
        if began.elapsed() > WITHIN {
            return Err(Failure::because(
                Code::Refused,
                format!("agent {agent} was not where it should be after {} s", WITHIN.as_secs()),
            ));
        }
        tokio::time::sleep(PAUSE).await;
    }
}

async fn receipts_of(client: &Client, agent: &str) -> Result<Vec<Value>> {
    let found = client.get(&format!("/v1/receipts?subject={agent}")).await?;
    let indexes = found["receipts"].as_array().cloned().unwrap_or_default();
    let mut receipts = Vec::with_capacity(indexes.len());
    for index in &indexes {
        let answer = client.get(&format!("/v1/receipts/{}", text(index))).await?;
        receipts.push(answer["receipt"].clone());
    }
    Ok(receipts)
}
