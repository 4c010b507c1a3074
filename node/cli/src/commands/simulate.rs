//! `phalanx simulate`.

use crate::output::{Code, Failure, Format};
use anyhow::Result;
use phalanx_simulator::{FaultSet, MeshScenario, simulate_mesh};
use serde_json::json;

/// Runs many nodes in one process with virtual time and faults.
#[derive(clap::Subcommand)]
pub enum Command {
    /// A mesh of real nodes under faults; exit code 1 when a rule is broken.
    Mesh {
        /// Number of nodes.
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
        /// drop, delay, partition, crash, byzantine, separated by commas; all;
        /// none.
        #[arg(long, default_value = "all")]
        faults: FaultSet,
    },
}

/// Runs it.
pub fn run(format: Format, command: Command) -> Result<Code> {
    match command {
        Command::Mesh { nodes, seed, seeds, beats, faults } => {
            let mut broken = 0_u64;
            for seed in seed..seed.saturating_add(seeds) {
                let report = simulate_mesh(&MeshScenario::new(nodes, seed, beats, faults.clone()))
                    .map_err(|e| Failure::because(Code::Unreadable, e))?;
                let text = || {
                    let mut text = format!(
                        "seed {seed}: {} beats in {} virtual ms, {} delivered, {} dropped, {} crashes, {} jobs ended, audit {}",
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
                    text
                };
                broken += u64::from(!report.violations.is_empty());
                format.print(text, serde_json::to_value(&report)?);
            }
            if seeds > 1 {
                format.print(
                    || format!("{} of {seeds} seeds broke a rule", broken),
                    json!({"seeds": seeds, "broken": broken}),
                );
            }
            Ok(if broken == 0 { Code::Done } else { Code::Refused })
        }
    }
}
