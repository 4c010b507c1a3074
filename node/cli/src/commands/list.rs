//! `phalanx list`.

use crate::{
    home::Home,
    output::{Code, Format, table},
};
use anyhow::Result;

/// Prints workers, shards, tenants, validators, policies, or where agents, workers and jobs are.
#[derive(clap::Args)]
pub struct Args {
    /// Of what.
    #[arg(value_enum)]
    what: What,
}

#[derive(Clone, Copy, clap::ValueEnum)]
enum What {
    Workers,
    Shards,
    Tenants,
    Validators,
    Policies,
    Positions,
}

/// Runs it.
pub fn run(home: &Home, format: Format, args: Args) -> Result<Code> {
    let (name, fields): (_, &[&str]) = match args.what {
        What::Workers => (
            "workers",
            &[
                "offer.worker",
                "offer.region",
                "is_healthy",
                "is_open",
                "running",
                "offer.max_concurrency",
                "cpu_milli",
                "memory_mib",
            ],
        ),
        What::Shards => {
            ("shards", &["name", "waiting", "spec.queue_budget", "spec.latency_budget_ms", "is_paused"])
        }
        What::Tenants => {
            ("tenants", &["tenant.name", "jobs", "agents", "cpu_milli", "memory_mib", "gpu_milli"])
        }
        What::Validators => {
            ("validators", &["entry.label", "entry.region", "weight", "entry.vote_key", "is_quarantined"])
        }
        What::Positions => ("positions", &["kind", "label", "region", "worker", "id"]),
        What::Policies => ("policies", &["name", "version", "policy.binds", "policy.constraints"]),
    };
    let rows = super::get(home, &format!("/v1/list/{name}"))?;
    format.print(|| table(&rows, fields), rows.clone());
    Ok(Code::Done)
}
