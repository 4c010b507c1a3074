//! `phalanx owner`: commands to a mesh without a chain, and the owner's
//! transactions as files, for a mesh whose owner is a Safe.

mod command;
mod direct;
mod key;
mod kinds;
mod status;
mod tx;
mod view;

use crate::{
    home::Home,
    output::{Code, Format},
};
use anyhow::Result;

/// Commands of the owner.
#[derive(clap::Subcommand)]
pub enum Command {
    #[command(flatten)]
    Direct(direct::Command),
    /// Builds a transaction of the owner's Safe, into a file that its owners
    /// pass around and sign.
    #[command(name = "command")]
    Propose(command::Args),
    /// Shows, signs, merges, simulates and executes such files.
    #[command(subcommand)]
    Tx(tx::Command),
    /// Makes keys for owners.
    #[command(subcommand)]
    Key(key::Command),
    /// Shows the Safe, the files that wait for it, and the commands that wait
    /// on the chain.
    Status(status::Args),
}

/// Runs it.
pub fn run(home: &Home, format: Format, command: Command) -> Result<Code> {
    match command {
        Command::Direct(command) => direct::run(home, format, command),
        Command::Propose(args) => command::run(home, format, args),
        Command::Tx(command) => tx::run(home, format, command),
        Command::Key(command) => key::run(format, command),
        Command::Status(args) => status::run(home, format, &args),
    }
}
