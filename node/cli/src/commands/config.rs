//! `phalanx config`.

use crate::{
    home::Home,
    output::{Code, Format},
};
use anyhow::Result;
use serde_json::json;

/// Checks and explains settings.
#[derive(clap::Subcommand)]
pub enum Command {
    /// Prints the settings in use.
    Show,
    /// Reads settings, genesis and keys, and says what is wrong.
    Check,
}

/// Runs it.
pub fn run(home: &Home, format: Format, command: &Command) -> Result<Code> {
    let config = home.config()?;
    match command {
        Command::Show => {
            let text = toml::to_string_pretty(&config)?;
            format.print(|| text, serde_json::to_value(&config)?);
        }
        Command::Check => {
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
        }
    }
    Ok(Code::Done)
}
