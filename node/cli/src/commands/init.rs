//! `phalanx init`.

use crate::{
    founding::{self, ModeChoice, ModeWord, Plan},
    home::Home,
    output::{self, Code, Format},
};
use anyhow::{Context, Result};
use phalanx_config::MomConfig;
use serde_json::json;
use std::path::PathBuf;

/// Makes the home folders of a new mesh, or of one node that joins a mesh.
#[derive(clap::Args)]
pub struct Args {
    /// Founds a mesh of this many nodes on this machine.
    #[arg(long, value_name = "N", required_unless_present = "join", requires = "out")]
    mesh_of: Option<usize>,
    /// Where the folders of a new mesh go: node-1 … node-N, tenant.json,
    /// owner.json.
    #[arg(long, value_name = "DIR")]
    out: Option<PathBuf>,
    /// Makes --home a new node of the mesh that this node's folder is of.
    #[arg(long, value_name = "DIR", conflicts_with = "mesh_of")]
    join: Option<PathBuf>,
    /// Node i listens on this port plus i, its interface 100 above.
    #[arg(long, default_value_t = 7100)]
    base_port: u16,
    /// Who proposes beats.
    #[arg(long, value_enum, default_value_t)]
    mode: ModeWord,
    /// Founds the mesh with the settings of this mom_config, TOML or .json; `phalanx
    /// config show defaults` writes one to begin with.
    #[arg(long, value_name = "FILE", conflicts_with_all = ["mode", "join"])]
    config: Option<PathBuf>,
}

/// Runs it.
pub fn run(home: &Home, format: Format, args: Args) -> Result<Code> {
    if let Some(like) = args.join {
        let new = founding::join(home, &like, args.base_port)?;
        let text = || {
            format!(
                "made {}\nThe owner admits it with\n  phalanx owner send '{}'",
                home.path.display(),
                json!({"admit_peer": {"network_key": new.network_key, "label": "newcomer"}})
            )
        };
        format.print(text, serde_json::to_value(&new)?);
        return Ok(Code::Done);
    }
    let (settings, mode) = match &args.config {
        Some(path) => {
            let settings = super::config::read_for_founding(path)?;
            let mode = ModeChoice::Settings(settings.orchestration.clone());
            (settings, mode)
        }
        None => (MomConfig::default(), ModeChoice::Word(args.mode)),
    };
    for unheeded in settings.unheeded() {
        output::warn(&format!("phalanx: {unheeded}"));
    }
    let founded = founding::found(&Plan {
        nodes: args.mesh_of.context("say how many nodes with --mesh-of")?,
        out: args.out.context("say where with --out")?,
        base_port: args.base_port,
        mode,
        verification: settings.verification.to_level(),
        workers: None,
        commands: founding::harmless_commands()?,
        params: settings.to_params(),
        routing_algorithm: settings.geometry.routing_algorithm,
    })?;
    let homes: Vec<String> = founded.homes.iter().map(|h| h.path.display().to_string()).collect();
    let text = || {
        let first = homes.first().map(String::as_str).unwrap_or_default();
        format!(
            "founded mesh {}\n{}\nstart each with `phalanx node run --home DIR`, beginning with {first}",
            founded.genesis.mesh.short(),
            homes.iter().map(|h| format!("  {h}")).collect::<Vec<_>>().join("\n"),
        )
    };
    format.print(
        text,
        json!({"mesh": founded.genesis.mesh, "genesis": founded.genesis.hash(), "homes": homes}),
    );
    Ok(Code::Done)
}
