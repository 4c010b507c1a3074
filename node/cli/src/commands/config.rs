//! `phalanx config`.

use crate::{
    home::Home,
    output::{Code, Failure, Format},
};
use anyhow::{Context, Result};
use phalanx_config::{FILE_BYTES_MAX, Format as Written, MomConfig, schema};
use serde_json::json;
use std::path::{Path, PathBuf};

/// Checks and explains settings.
#[derive(clap::Subcommand)]
pub enum Command {
    /// Prints the JSON Schema of mom_config, from which a mesh is founded.
    Schema,
    /// Reads a mom_config and says all that is wrong, with its place and what is allowed;
    /// without a file, reads this node's settings, genesis and keys.
    Check {
        /// A mom_config, TOML or JSON by its name's end.
        file: Option<PathBuf>,
    },
    /// Prints this node's settings.
    Show {
        /// Prints the mom_config that this mesh was founded with, as TOML that explains itself.
        #[arg(long, conflicts_with = "default")]
        mom: bool,
        /// Prints the mom_config that is used where none is given.
        #[arg(long)]
        default: bool,
    },
}

/// Runs it.
pub fn run(home: &Home, format: Format, command: &Command) -> Result<Code> {
    match command {
        Command::Schema => {
            let schema = schema();
            let text = serde_json::to_string_pretty(&schema)?;
            format.print(|| text, schema);
        }
        Command::Check { file: Some(file) } => {
            let settings = read(file)?;
            let value = json!({"file": file, "settings": settings, "unheeded": settings.unheeded()});
            let (mode, level) = (settings.orchestration.mode(), settings.verification.level());
            format.print(|| format!("{} is in order: {mode}, {level}", file.display()), value);
        }
        Command::Check { file: None } => check_home(home, format)?,
        Command::Show { mom: false, default: false } => {
            let config = home.config()?;
            let text = toml::to_string_pretty(&config)?;
            format.print(|| text, serde_json::to_value(&config)?);
        }
        Command::Show { default, .. } => {
            let settings =
                if *default { MomConfig::default() } else { MomConfig::of_genesis(&home.genesis()?)? };
            let text = settings.to_toml()?;
            format.print(|| text, serde_json::to_value(&settings)?);
        }
    }
    Ok(Code::Done)
}

/// Reads a mom_config; all that is wrong with it is the error.
pub fn read(file: &Path) -> Result<MomConfig> {
    let bytes = crate::files::read(file, FILE_BYTES_MAX)?;
    let text = String::from_utf8(bytes).with_context(|| format!("{} is no text", file.display()))?;
    MomConfig::parse(&text, Written::of(file), &file.display().to_string())
        .map_err(|problems| Failure::because(Code::Unreadable, problems))
}

fn check_home(home: &Home, format: Format) -> Result<()> {
    let config = home.config()?;
    let genesis = home.genesis()?;
    let (vote, network, host) = (home.key("vote")?, home.key("network")?, home.key("host")?);
    home.token()?;
    let is_validator = genesis.validators.iter().any(|v| v.vote_key == vote.public());
    let unapproved: Vec<String> = config
        .workers
        .iter()
        .filter(|w| genesis.workers.get(&w.worker) != Some(&host.public()))
        .map(|w| w.worker.to_string())
        .collect();
    let value = json!({
        "mesh": genesis.mesh, "genesis": genesis.hash(), "is_genesis_validator": is_validator,
        "network_key": network.public(), "workers_not_in_genesis": unapproved,
    });
    let text = || {
        let mut text = format!("{} is in order", home.path.display());
        if !unapproved.is_empty() {
            text.push_str(&format!(
                "\nthe genesis approves this node's key for no worker {}: the owner must, with approve_worker",
                unapproved.join(", ")
            ));
        }
        text
    };
    format.print(text, value.clone());
    Ok(())
}
