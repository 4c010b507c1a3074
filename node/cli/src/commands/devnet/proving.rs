//! Proofs in the main job: where the traveller is, and that its last step obeyed the rules,
//! without showing either.

use super::{owner::CHAIN_ID, shell::Shell};
use crate::output::{Code, Failure, text};
use anyhow::{Context, Result};
use phalanx_api::Client;
use phalanx_governance::Address;
use serde_json::Value;
use std::{
    fs,
    path::{Path, PathBuf},
    time::{Duration, Instant},
};
use tokio::process::Command;

/// Time for the next checkpoint.
const WITHIN: Duration = Duration::from_secs(120);
const PAUSE: Duration = Duration::from_millis(100);

/// What was proven, and who agreed.
#[derive(Debug, serde::Serialize)]
pub struct Proven {
    /// The checkpoint.
    pub checkpoint: String,
    /// Where it is.
    pub checkpoint_file: PathBuf,
    /// The folder of the proofs.
    pub folder: PathBuf,
    /// The proof files, all of them valid.
    pub files: Vec<PathBuf>,
    /// Proofs that snarkjs has verified; none when it is not installed.
    pub by_snarkjs: Option<usize>,
}

impl Proven {
    /// Whether it went as it should.
    pub fn is_good(&self) -> bool {
        self.files.len() == 2 && self.by_snarkjs.is_none_or(|count| count == self.files.len())
    }
}

/// Makes keys for development, proves an agent's position and its last action, for the
/// `verifier` if there is one, and verifies both; with snarkjs too, when it is among the
/// packages in `contracts`.
pub async fn prove(
    shell: &Shell,
    client: &Client,
    agent: &str,
    contracts: Option<&Path>,
    verifier: Option<Address>,
    out: &Path,
) -> Result<Proven> {
    let folder = out.join("proofs");
    fs::create_dir_all(&folder)?;
    let path = |name: &str| folder.join(name).display().to_string();
    let checkpoint = next_checkpoint(client).await?;
    let checkpoint_file = out.join("proven-checkpoint.json");
    fs::write(&checkpoint_file, shell.done(&["checkpoint", "export", &checkpoint]).await?)?;
    let words = ["proof", "setup", "--dev"];
    shell.all(&words, &shell.done(&words).await?);
    let context = verifier.map(|verifier| (CHAIN_ID.to_string(), verifier.to_string()));
    let mut files = Vec::new();
    for statement in ["position", "action"] {
        let witness = out.join(format!("{statement}-witness.json")).display().to_string();
        let file = path(&format!("{statement}.json"));
        let words = ["proof", "witness", statement, agent, "--out", &witness];
        shell.all(&words, &shell.done(&words).await?);
        let mut words = vec!["proof", "prove", statement, "--witness", &witness, "--out", &file];
        if let Some((id, verifier)) = &context {
            words.extend(["--chain-id", id, "--contract", verifier]);
        }
        shell.all(&words, &shell.done(&words).await?);
        files.push(PathBuf::from(file));
    }
    let (proofs, shown) = (folder.display().to_string(), checkpoint_file.display().to_string());
    let words = ["proof", "verify", &proofs, "--checkpoint", &shown];
    shell.all(&words, &shell.done(&words).await?);
    let snarkjs = contracts.map(|folder| folder.join("node_modules/snarkjs/build/cli.cjs"));
    let by_snarkjs = match snarkjs.filter(|path| path.exists()) {
        Some(snarkjs) => Some(by_snarkjs(shell, &snarkjs, &files, out).await?),
        None => {
            shell.line("snarkjs is not installed: not compared");
            None
        }
    };
    Ok(Proven { checkpoint, checkpoint_file, folder, files, by_snarkjs })
}

/// How many of the proofs snarkjs takes.
async fn by_snarkjs(shell: &Shell, snarkjs: &Path, files: &[PathBuf], out: &Path) -> Result<usize> {
    let mut count = 0;
    for (at, file) in files.iter().enumerate() {
        let folder = out.join(format!("snarkjs-{at}"));
        let (file, exported) = (file.display().to_string(), folder.display().to_string());
        shell.done(&["proof", "export", "--format", "snarkjs", &file, "--out", &exported]).await?;
        let [key, public, proof] =
            ["verification_key.json", "public.json", "proof.json"].map(|name| folder.join(name));
        let began = Instant::now();
        let verified = Command::new("node")
            .arg(snarkjs)
            .args(["groth16", "verify"])
            .args([&key, &public, &proof])
            .kill_on_drop(true)
            .output()
            .await
            .context("node cannot be run, which snarkjs needs")?;
        let is_valid = verified.status.success();
        count += usize::from(is_valid);
        let verdict = if is_valid { "valid" } else { "NOT valid" };
        shell
            .line(&format!("snarkjs groth16 verify: {verdict}: {file} ({} ms)", began.elapsed().as_millis()));
    }
    Ok(count)
}

/// The number of a checkpoint that has all that was decided until now.
async fn next_checkpoint(client: &Client) -> Result<String> {
    let status = client.get("/v1/status").await?;
    let height = number(&status["height"]).context("the status tells no height")?;
    let began = Instant::now();
    loop {
        let list = client.get("/v1/list/checkpoints").await?;
        let newest = list.as_array().and_then(|list| list.last());
        if let Some(checkpoint) = newest.and_then(|row| row.get("checkpoint"))
            && number(&checkpoint["last_beat"]).is_some_and(|last| last >= height)
        {
            return Ok(text(&checkpoint["number"]));
        }
        if began.elapsed() > WITHIN {
            return Err(Failure::because(
                Code::Refused,
                format!("no checkpoint after beat {height} within {} s", WITHIN.as_secs()),
            ));
        }
        tokio::time::sleep(PAUSE).await;
    }
}

fn number(value: &Value) -> Option<u64> {
    text(value).parse().ok()
}
