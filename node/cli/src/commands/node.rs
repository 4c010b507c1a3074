//! `phalanx node`.

use crate::{home::Home, output::Code, runtime};
use anyhow::Result;

/// Runs the node of a home folder.
#[derive(clap::Subcommand)]
pub enum Command {
    /// Runs it until SIGTERM or Ctrl-C.
    Run,
}

/// Runs it.
pub fn run(home: &Home, command: Command) -> Result<Code> {
    match command {
        Command::Run => {
            let tokio = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
            let result = tokio.block_on(Box::pin(runtime::run(home)));
            tokio.shutdown_timeout(std::time::Duration::from_millis(500));
            result.map(|()| Code::Done)
        }
    }
}
