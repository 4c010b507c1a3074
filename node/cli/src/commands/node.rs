//! `phalanx node`.

use crate::{home::Home, output::Code, runtime};
use anyhow::Result;
use std::path::PathBuf;

/// Runs the node of a home folder.
#[derive(clap::Subcommand)]
pub enum Command {
    /// Runs it until SIGTERM or Ctrl-C.
    Run {
        /// Goes on from this `storage/checkpoint.json`, after its hashes and
        /// signatures were checked.
        #[arg(long, value_name = "FILE")]
        resume: Option<PathBuf>,
        /// Where `storage/checkpoint.json` goes [default: the home folder].
        #[arg(long, value_name = "DIR")]
        out: Option<PathBuf>,
        /// Takes keys of the development chain, which everybody knows; for chain 31337
        /// only.
        #[arg(long)]
        dev: bool,
    },
}

/// Runs it.
pub fn run(home: &Home, command: Command) -> Result<Code> {
    match command {
        Command::Run { resume, out, dev } => {
            if dev {
                tracing::warn!(
                    "DEVELOPMENT KEYS are taken: everybody knows them, and what they sign proves nothing"
                );
            }
            if let Some(file) = &resume {
                super::snapshot::resume(home, file)?;
            }
            let out = out.unwrap_or_else(|| home.path.clone());
            let tokio = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
            let result = tokio.block_on(Box::pin(runtime::run(home, out, dev)));
            tokio.shutdown_timeout(std::time::Duration::from_millis(500));
            result.map(|()| Code::Done)
        }
    }
}
