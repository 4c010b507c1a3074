//! `phalanx simulate`.

use crate::{
    chain::ChainArgs,
    home::Home,
    output::{Code, Failure, Format, table},
};
use anyhow::{Context, Result};
use phalanx_governance::{
    address::Wei,
    safe::{Call, builder::BuilderFile},
    translate,
};
use phalanx_simulator::{
    FaultSet, MeshMode, MeshReport, MeshScenario, PlanetaryError, PlanetaryFiles, simulate_planetary, sweep,
};
use serde_json::{Value, json};
use std::{
    ops::ControlFlow,
    path::{Path, PathBuf},
};

/// Runs many nodes in one process with virtual time and faults.
#[derive(clap::Subcommand)]
pub enum Command {
    /// A mesh of real nodes under faults; exit code 1 when a rule is broken.
    Mesh {
        /// Number of nodes, 1 to 64.
        #[arg(long, default_value_t = 4)]
        nodes: usize,
        /// The first seed.
        #[arg(long, default_value_t = 7)]
        seed: u64,
        /// Number of seeds, counted up from the first.
        #[arg(long, default_value_t = 1)]
        seeds: u64,
        /// Beats after which a run ends.
        #[arg(long, default_value_t = 500)]
        beats: u64,
        /// drop, delay, partition, crash, byzantine, geometry, separated by commas; all;
        /// none.
        #[arg(long, default_value = "all")]
        faults: FaultSet,
        /// Who proposes and who weighs: centralized, federated, fully_distributed or
        /// geometric_mesh.
        #[arg(long, default_value_t = MeshMode::default())]
        mode: MeshMode,
    },
    /// The documents' fabric: four shards, six workers, a worker that dies, a
    /// shard that overflows, an owner that steps in. Writes reports/LABEL/ and
    /// storage/checkpoint.json. With --rpc, owner-script.json is a file of Safe's
    /// transaction builder with the owner's commands for those contracts.
    Planetary {
        /// The seed; the same seed and label write the same bytes.
        #[arg(long, default_value_t = 7)]
        seed: u64,
        /// Name of the folder below reports/.
        #[arg(long, default_value = "demo")]
        label: String,
        /// Where reports/ and storage/ are made.
        #[arg(long, default_value = ".")]
        out: PathBuf,
        #[command(flatten)]
        chain: ChainArgs,
    },
}

/// Runs it.
pub fn run(home: &Home, format: Format, command: Command) -> Result<Code> {
    match command {
        Command::Mesh { nodes, seed, seeds, beats, faults, mode } => {
            let scenario = MeshScenario { mode, ..MeshScenario::new(nodes, seed, beats, faults) };
            mesh(format, &scenario, seeds)
        }
        Command::Planetary { seed, label, out, chain } => planetary(home, format, seed, &label, &out, &chain),
    }
}

fn mesh(format: Format, scenario: &MeshScenario, seeds: u64) -> Result<Code> {
    let threads = std::thread::available_parallelism().map_or(1, std::num::NonZero::get);
    let (mut broken, mut failed) = (Vec::new(), None);
    let all = scenario.seed..scenario.seed.saturating_add(seeds);
    sweep(scenario, all, threads, |report| {
        if !report.violations.is_empty() {
            broken.push(report.seed);
        }
        match serde_json::to_value(&report) {
            Ok(value) => format.print(|| text_of(&report), value),
            Err(error) => {
                failed = Some(error);
                return ControlFlow::Break(());
            }
        }
        ControlFlow::Continue(())
    })
    .map_err(|e| Failure::because(Code::Unreadable, e))?;
    if let Some(error) = failed {
        return Err(error.into());
    }
    if seeds > 1 {
        let text = || format!("{} of {seeds} seeds broke a rule", broken.len());
        format.print(text, json!({"seeds": seeds, "broken": broken.len(), "broken_seeds": broken}));
    }
    Ok(if broken.is_empty() { Code::Done } else { Code::Refused })
}

fn text_of(report: &MeshReport) -> String {
    let mut text = format!(
        "seed {}: {} beats in {} virtual ms, {} delivered, {} dropped, {} crashes, {} jobs ended, audit {}",
        report.seed,
        report.beats,
        report.virtual_ms,
        report.delivered,
        report.dropped,
        report.crashes,
        report.jobs_ended,
        report.audit,
    );
    for violation in &report.violations {
        text.push_str(&format!("\n  BROKEN {violation}"));
    }
    if !report.violations.is_empty() {
        text.push_str(&format!("\n  before that:\n    {}", report.trail.join("\n    ")));
    }
    text
}

fn planetary(
    home: &Home,
    format: Format,
    seed: u64,
    label: &str,
    out: &Path,
    chain: &ChainArgs,
) -> Result<Code> {
    let mut made = simulate_planetary(seed, label).map_err(|error| {
        let code = match error {
            PlanetaryError::Label(_) => Code::Unreadable,
            _ => Code::Refused,
        };
        Failure::because(code, error)
    })?;
    if chain.is_online() {
        crate::commands::block_on(for_the_safe(home, chain, label, &mut made))?;
    }
    let written = made.write(out).map_err(|e| {
        Failure::because(Code::Unavailable, format!("{e}; name a folder that can be written by --out"))
    })?;
    let summary = serde_json::to_value(&made.summary).context("the summary cannot be written down")?;
    let files: Vec<String> = written.iter().map(|path| path.display().to_string()).collect();
    let text = || {
        let end = &made.summary.end;
        format!(
            "{}\n\nseed {seed}: {} jobs in {} beats and {} virtual s; {} receipts, {} checkpoints\n\
             owner: {}\nlast beat {} {}\napp hash  {}\nhistory   {}\ncheckpoint {} {}\n\n{}",
            table(&rows(&summary), &COLUMNS),
            made.summary.submitted,
            made.summary.beats,
            made.summary.virtual_ms / 1_000,
            made.summary.receipts,
            made.summary.checkpoints,
            made.summary.owner_commands.join(", "),
            end.height,
            end.header,
            end.app_hash,
            end.history_root,
            end.checkpoint,
            end.checkpoint_hash,
            files.join("\n"),
        )
    };
    format.print(text, json!({"summary": summary, "files": files}));
    Ok(Code::Done)
}

/// Puts a file of Safe's transaction builder in the place of the script: the owner's
/// commands of the run, for the contracts that are deployed.
async fn for_the_safe(home: &Home, chain: &ChainArgs, label: &str, made: &mut PlanetaryFiles) -> Result<()> {
    let contracts = chain.contracts(home).await?;
    let to = contracts.deployment.commands;
    let calls = made.commands.iter().map(|command| {
        let on_chain = translate::on_chain(command).context("a command of the run has none on the chain")?;
        Ok(Call { to, value: Wei(0), data: on_chain.calldata() })
    });
    let file = BuilderFile {
        chain_id: contracts.chain.id(),
        safe: Some(contracts.owner()),
        name: label.to_owned(),
        description: format!(
            "the owner's commands of the planetary scenario: {}",
            made.summary.owner_commands.join(", ")
        ),
        calls: calls.collect::<Result<_>>()?,
        had_checksum: true,
    };
    let script = made.files.iter_mut().find(|(path, _)| path.ends_with("owner-script.json"));
    let (_, content) = script.context("the run has no owner-script.json")?;
    *content = file.write(made.summary.virtual_ms).into_bytes();
    Ok(())
}

/// Columns of the table.
const COLUMNS: [&str; 13] = [
    "shard",
    "jobs",
    "succeeded",
    "failed",
    "expired",
    "unknown",
    "per min",
    "wait p50",
    "wait p95",
    "p50 ms",
    "p99 ms",
    "spilled",
    "requeued",
];

/// A row a shard, and their sum.
fn rows(summary: &Value) -> Value {
    let sum = |value: &Value| -> u64 {
        value.as_object().into_iter().flat_map(|map| map.values()).filter_map(Value::as_u64).sum()
    };
    let row = |name: &str, shard: &Value| {
        json!({
            "shard": name,
            "jobs": shard["jobs"]["accepted"],
            "succeeded": shard["jobs"]["succeeded"],
            "failed": shard["jobs"]["failed"],
            "expired": shard["jobs"]["expired"],
            "unknown": shard["jobs"]["unknown"],
            "per min": shard["jobs_per_minute"],
            "wait p50": shard["wait"]["p50_ms"],
            "wait p95": shard["wait"]["p95_ms"],
            "p50 ms": shard["turnaround"]["p50_ms"],
            "p99 ms": shard["turnaround"]["p99_ms"],
            "spilled": sum(&shard["spilled"]),
            "requeued": sum(&shard["requeued"]),
        })
    };
    let shards = summary["shards"].as_object();
    let mut rows: Vec<Value> = shards.into_iter().flatten().map(|(name, shard)| row(name, shard)).collect();
    rows.push(row("all", &summary["total"]));
    rows.into()
}
