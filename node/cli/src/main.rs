//! The `phalanx` binary: one file per command; wires everything.

mod binding;
mod chain;
mod commands;
mod files;
mod founding;
mod home;
mod output;
mod proofs;
mod runtime;
mod stop;
mod witnesses;

use clap::{Parser, Subcommand};
use output::{Code, Failure, Format};
use std::{path::PathBuf, process::ExitCode};

/// A beat makes and drops many small values, which the system's allocator is slow at.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// A node of a governance mesh that agrees on jobs and keeps a record anyone
/// can check.
///
/// Exit codes: 0 done or valid; 1 refused or invalid; 2 unreadable input or
/// wrong usage; 3 a wrong key, mesh or input; 4 something needed is not there.
#[derive(Parser)]
#[command(version, max_term_width = 100)]
struct Cli {
    /// Home folder of the node [default: ~/.phalanx].
    #[arg(long, global = true, env = "PHALANX_HOME", value_name = "DIR")]
    home: Option<PathBuf>,
    /// How results are printed.
    #[arg(long, global = true, value_enum, default_value_t)]
    output: Format,
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Makes home folders: of a new mesh, or of a node that joins one.
    Init(commands::init::Args),
    /// Runs the node of a home folder.
    #[command(subcommand)]
    Node(commands::node::Command),
    /// Shows where a node is.
    Status,
    /// Submits, lists and explains jobs.
    #[command(subcommand)]
    Job(commands::job::Command),
    /// Spawns, moves and ends agents.
    #[command(subcommand)]
    Agent(commands::agent::Command),
    /// Shows, exports and verifies receipts.
    #[command(subcommand)]
    Receipt(commands::receipt::Command),
    /// Lists, exports and verifies checkpoints.
    #[command(subcommand)]
    Checkpoint(commands::checkpoint::Command),
    /// Makes keys, proves statements, and verifies proofs, from files.
    #[command(subcommand)]
    Proof(Box<commands::proof::Command>),
    /// Checks the ledger of a stopped node.
    #[command(subcommand)]
    Ledger(commands::ledger::Command),
    /// Carries the state of a mesh to a new node.
    #[command(subcommand)]
    Snapshot(commands::snapshot::Command),
    /// Shows and cuts off peers.
    #[command(subcommand)]
    Peers(commands::peers::Command),
    /// Shows where nodes are and how messages find them.
    #[command(subcommand)]
    Mesh(commands::mesh::Command),
    /// Binds a mesh to a chain, and shows what is there.
    #[command(subcommand)]
    Chain(commands::chain::Command),
    /// Commands of the owner, and transactions of the owner's Safe as files.
    #[command(subcommand)]
    Owner(Box<commands::owner::Command>),
    /// Prints workers, shards, tenants or validators.
    List(commands::list::Args),
    /// Prints decisions as they fall, one JSON line each.
    Events,
    /// Shows where regions and work are.
    #[command(subcommand)]
    Geometry(commands::geometry::Command),
    /// Checks and explains settings.
    #[command(subcommand)]
    Config(commands::config::Command),
    /// Runs many nodes in one process with virtual time and faults.
    #[command(subcommand)]
    Simulate(commands::simulate::Command),
    /// Runs a whole mesh of processes on this machine, with work for it.
    Devnet(commands::devnet::Args),
    /// Watches over one attempt at a command; the node calls this.
    #[command(hide = true)]
    AttemptShim,
}

fn main() -> ExitCode {
    let cli = Cli::parse();
    if matches!(cli.command, Command::AttemptShim) {
        return phalanx_providers::shim::main();
    }
    // What simulated nodes say of the faults they are given is no news.
    let is_simulated = matches!(cli.command, Command::Simulate(_));
    runtime::log_to_stderr(if is_simulated { "off" } else { "warn,phalanx=info" });
    match run(cli) {
        Ok(code) => ExitCode::from(code as u8),
        Err(error) => {
            output::warn(&format!("phalanx: {error:#}"));
            ExitCode::from(Failure::code_of(&error) as u8)
        }
    }
}

fn run(cli: Cli) -> anyhow::Result<Code> {
    let format = cli.output;
    let home = home::Home::at(cli.home)?;
    match cli.command {
        Command::Init(args) => commands::init::run(&home, format, args),
        Command::Node(command) => commands::node::run(&home, command),
        Command::Status => commands::status::run(&home, format),
        Command::Job(command) => commands::job::run(&home, format, command),
        Command::Agent(command) => commands::agent::run(&home, format, command),
        Command::Receipt(command) => commands::receipt::run(&home, format, command),
        Command::Checkpoint(command) => commands::checkpoint::run(&home, format, command),
        Command::Proof(command) => commands::proof::run(&home, format, *command),
        Command::Ledger(command) => commands::ledger::run(&home, format, command),
        Command::Snapshot(command) => commands::snapshot::run(&home, format, &command),
        Command::Peers(command) => commands::peers::run(&home, format, command),
        Command::Mesh(command) => commands::mesh::run(&home, format, command),
        Command::Chain(command) => commands::chain::run(&home, format, command),
        Command::Geometry(command) => commands::geometry::run(&home, format, command),
        Command::Owner(command) => commands::owner::run(&home, format, *command),
        Command::List(args) => commands::list::run(&home, format, args),
        Command::Events => commands::events::run(&home),
        Command::Config(command) => commands::config::run(&home, format, &command),
        Command::Simulate(command) => commands::simulate::run(&home, format, command),
        Command::Devnet(args) => commands::devnet::run(format, args),
        Command::AttemptShim => Ok(Code::Done),
    }
}
