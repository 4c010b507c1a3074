//! `phalanx proof witness`.

use crate::{
    files,
    home::Home,
    output::{Code, Failure, Format},
    witnesses::Asked,
};
use anyhow::Result;
use phalanx_api::ClientError;
use phalanx_circuits::witness::Witness;
use phalanx_ledger::Ledger;
use phalanx_types::{AgentId, ReceiptIndex, units::CheckpointNumber};
use serde_json::json;
use std::path::PathBuf;
use zeroize::Zeroizing;

/// Of what.
#[derive(clap::Subcommand)]
pub enum Command {
    /// Where an agent is at a checkpoint.
    Position {
        /// The agent's id.
        agent: AgentId,
        /// The checkpoint's number [default: the last one].
        #[arg(long, value_name = "NUMBER")]
        checkpoint: Option<u64>,
        /// The file to write; never overwritten.
        #[arg(long, value_name = "FILE")]
        out: PathBuf,
    },
    /// An action of an agent.
    Action {
        /// The agent's id.
        agent: AgentId,
        /// The agent's nonce after it, as the receipt tells [default: of its last action].
        #[arg(long)]
        nonce: Option<u64>,
        /// The file to write; never overwritten.
        #[arg(long, value_name = "FILE")]
        out: PathBuf,
    },
    /// The record from one receipt to a later one, 1 to 16 beats apart.
    Integrity {
        /// Index of the earlier receipt.
        from: u64,
        /// Index of the later one.
        to: u64,
        /// The file to write; never overwritten.
        #[arg(long, value_name = "FILE")]
        out: PathBuf,
    },
}

impl Command {
    fn asked(self) -> (Asked, PathBuf) {
        match self {
            Self::Position { agent, checkpoint, out } => {
                (Asked::Position { agent, checkpoint: checkpoint.map(CheckpointNumber) }, out)
            }
            Self::Action { agent, nonce, out } => (Asked::Action { agent, nonce }, out),
            Self::Integrity { from, to, out } => {
                (Asked::Integrity { from: ReceiptIndex(from), to: ReceiptIndex(to) }, out)
            }
        }
    }
}

/// Runs it.
pub fn run(home: &Home, format: Format, command: Command) -> Result<Code> {
    let (asked, out) = command.asked();
    files::check_new(&out)?;
    let json = fetch(home, &asked, false)?;
    // What a node gives is read once here, so that a prover does not stumble over it later.
    let witness = Witness::from_json(&json)?;
    files::write_new(&out, &json)?;
    let checkpoint = witness.checkpoint();
    format.print(
        || {
            format!(
                "written: {}, a witness of {} at the checkpoint {checkpoint}\n  it holds secrets of the agent: \
                 keep it, and do not pass it on",
                out.display(),
                witness.statement(),
            )
        },
        json!({"file": out, "statement": witness.statement().to_string(), "checkpoint": checkpoint}),
    );
    Ok(Code::Done)
}

/// A witness file, from the running node or, unless `only_running`, from the store of a stopped one.
pub fn fetch(home: &Home, asked: &Asked, only_running: bool) -> Result<Zeroizing<Vec<u8>>> {
    let client = crate::commands::client(home)?;
    let (statement, query) = asked.query();
    let from_node =
        crate::commands::block_on(async { Ok(client.witness(statement, &query).await.map(Zeroizing::new)?) });
    match from_node {
        Err(error) if !only_running && is_unreachable(&error) => {}
        other => return other,
    }
    let (store, _lock) = crate::commands::stopped_store(home)?;
    let witness = asked.witness(Ledger::open(store)?.kv());
    let json = witness.map_err(|error| Failure::because(Code::Unavailable, error))?.to_json()?;
    Ok(Zeroizing::new(json.as_bytes().to_vec()))
}

/// Whether no node answers.
pub fn is_unreachable(error: &anyhow::Error) -> bool {
    matches!(error.downcast_ref(), Some(ClientError::Unreachable { .. }))
}
