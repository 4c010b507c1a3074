//! Commands of the owner that go to the mesh itself, of a mesh without a chain.

use crate::{
    home::Home,
    output::{Code, Format},
};
use anyhow::{Context, Result};
use phalanx_types::{Name, Operation, OwnerCommand, owner::Scope};
use std::path::PathBuf;

/// Commands without a chain.
#[derive(clap::Subcommand)]
pub enum Command {
    /// Stops intake and assignment, of the mesh or of one shard.
    Pause(ScopeArgs),
    /// Ends a pause.
    Resume(ScopeArgs),
    /// Sends any command, as JSON: `{"set_verification": {"verification": "none"}}`.
    Send {
        /// The command.
        json: String,
        /// The owner's key file [default: owner.json beside the home folder].
        #[arg(long)]
        key: Option<PathBuf>,
    },
}

/// What is paused.
#[derive(clap::Args)]
pub struct ScopeArgs {
    /// Only this shard.
    #[arg(long)]
    shard: Option<Name>,
    /// The owner's key file [default: owner.json beside the home folder].
    #[arg(long)]
    key: Option<PathBuf>,
}

impl ScopeArgs {
    fn scope(&self) -> Scope {
        self.shard.clone().map_or(Scope::Mesh, |shard| Scope::Shard { shard })
    }
}

/// Runs it.
pub fn run(home: &Home, format: Format, command: Command) -> Result<Code> {
    let (command, key) = match command {
        Command::Pause(args) => (OwnerCommand::Pause { scope: args.scope() }, args.key),
        Command::Resume(args) => (OwnerCommand::Resume { scope: args.scope() }, args.key),
        Command::Send { json, key } => {
            (serde_json::from_str(&json).context("this is no command of the owner")?, key)
        }
    };
    let key = super::super::key(home, key, "owner.json")?;
    let answer = super::super::send(home, &key, vec![Operation::Command(Box::new(command))])?;
    let (text, code) = super::super::outcome(&answer);
    format.print(|| text, answer);
    Ok(code)
}
