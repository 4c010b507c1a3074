//! `phalanx peers`.

use crate::{
    home::Home,
    output::{Code, Format, table},
};
use anyhow::Result;
use phalanx_types::{Name, Operation, OwnerCommand, PublicKey};
use serde_json::json;
use std::path::PathBuf;

/// Shows and cuts off peers.
#[derive(clap::Subcommand)]
pub enum Command {
    /// Prints the peers with their standing.
    List,
    /// Admits a peer to the mesh, by a command of the owner.
    Add {
        /// Its network key.
        network_key: PublicKey,
        /// A word for people.
        #[arg(long)]
        label: Name,
        /// The owner's key file [default: owner.json beside the home folder].
        #[arg(long)]
        key: Option<PathBuf>,
    },
    /// Cuts a peer off at this node, for a time. To cut it off everywhere, the
    /// owner sends `ban_peer`.
    Ban {
        /// Its network key.
        network_key: PublicKey,
        /// Why.
        #[arg(long)]
        reason: String,
        /// For how many minutes.
        #[arg(long, default_value_t = 60)]
        minutes: u64,
    },
}

/// Runs it.
pub fn run(home: &Home, format: Format, command: Command) -> Result<Code> {
    match command {
        Command::List => {
            let rows = super::get(home, "/v1/peers")?;
            let fields =
                ["label", "key", "is_connected", "rtt_ms", "score", "reason", "banned_ms", "messages"];
            format.print(|| table(&rows, &fields), rows.clone());
            Ok(Code::Done)
        }
        Command::Add { network_key, label, key } => {
            let key = super::key(home, key, "owner.json")?;
            let command = OwnerCommand::AdmitPeer { network_key, label };
            let answer = super::send(home, &key, vec![Operation::Command(Box::new(command))])?;
            let (text, code) = super::outcome(&answer);
            format.print(|| text, answer);
            Ok(code)
        }
        Command::Ban { network_key, reason, minutes } => {
            let client = super::client(home)?;
            let ban = json!({
                "key": network_key, "reason": reason, "lasts_ms": minutes.saturating_mul(60_000),
            });
            let answer = super::block_on(async { Ok(client.post("/v1/peers/ban", &ban).await?) })?;
            format.print(|| format!("banned {} for {minutes} min", network_key.short()), answer);
            Ok(Code::Done)
        }
    }
}
