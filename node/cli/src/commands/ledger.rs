//! `phalanx ledger`.

use crate::{
    home::Home,
    output::{Code, Format},
};
use anyhow::Result;
use phalanx_ledger::{Ledger, fsck};
use phalanx_types::ReceiptIndex;
use std::io::Write;

/// Checks the ledger of a stopped node.
#[derive(clap::Subcommand)]
pub enum Command {
    /// Prints its sizes.
    Stats,
    /// Checks every stored byte. Exit code 1 when something is wrong.
    Fsck,
    /// Writes all receipts to standard output, one canonical JSON line each.
    Export,
}

/// Runs it.
pub fn run(home: &Home, format: Format, command: Command) -> Result<Code> {
    let (store, _lock) = super::stopped_store(home)?;
    match command {
        Command::Stats => {
            let stats = serde_json::to_value(Ledger::open(store)?.stats()?)?;
            let text = || {
                let fields = stats.as_object().into_iter().flatten();
                fields.map(|(name, value)| format!("{name:<14} {value}")).collect::<Vec<_>>().join("\n")
            };
            format.print(text, stats.clone());
            Ok(Code::Done)
        }
        Command::Fsck => {
            let report = fsck::fsck(&store);
            let text = || match &report.first {
                None => format!(
                    "clean: {} beats, {} receipts, {} checkpoints, {} state entries, {} signatures checked",
                    report.beats,
                    report.receipts,
                    report.checkpoints,
                    report.state_entries,
                    report.signatures
                ),
                Some(finding) => format!(
                    "not clean: {finding}\nreplace this node's data: stop it, move {} away and start it again; \
                     it catches up from its peers",
                    home.file("data").display()
                ),
            };
            format.print(text, serde_json::to_value(&report)?);
            Ok(if report.is_clean() { Code::Done } else { Code::Refused })
        }
        Command::Export => {
            let ledger = Ledger::open(store)?;
            let mut out = std::io::BufWriter::new(std::io::stdout().lock());
            for index in 0..ledger.tip().next_receipt.0 {
                if let Some(bytes) = ledger.receipt_bytes(ReceiptIndex(index))? {
                    out.write_all(&bytes)?;
                    out.write_all(b"\n")?;
                }
            }
            out.flush()?;
            Ok(Code::Done)
        }
    }
}
