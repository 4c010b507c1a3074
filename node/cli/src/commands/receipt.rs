//! `phalanx receipt`.

use crate::{
    home::Home,
    output::{Code, Failure, Format},
    proofs::{self, TrustArgs},
};
use anyhow::{Context, Result};
use phalanx_api::ClientError;
use phalanx_ledger::{
    Ledger,
    proof::{self, VerifyError},
};
use phalanx_types::ReceiptIndex;
use serde_json::{Value, json};
use std::{
    fs,
    io::{Read, Write},
    path::PathBuf,
};

/// Shows, exports and verifies receipts.
#[derive(clap::Subcommand)]
pub enum Command {
    /// Prints a receipt with its level.
    Show {
        /// Its index.
        index: u64,
    },
    /// Prints the indexes of the receipts about a job, worker, agent or tenant.
    Of {
        /// The id or name.
        subject: String,
    },
    /// Writes a receipt's proof file to standard output. Works with the node
    /// stopped as well.
    Export {
        /// Its index, or the id of a job: then the receipt of the job's end.
        id: String,
    },
    /// Checks a proof file offline. Exit code 0: valid; 1: not; 2: no proof
    /// file; 3: of another mesh.
    Verify {
        /// The file; `-` for standard input.
        file: PathBuf,
        #[command(flatten)]
        trust: TrustArgs,
    },
}

/// Runs it.
pub fn run(home: &Home, format: Format, command: Command) -> Result<Code> {
    match command {
        Command::Show { index } => {
            let receipt = super::get(home, &format!("/v1/receipts/{index}"))?;
            format.print(|| serde_json::to_string_pretty(&receipt).unwrap_or_default(), receipt.clone());
            Ok(Code::Done)
        }
        Command::Of { subject } => {
            let client = super::client(home)?;
            let path = format!("/v1/receipts?subject={subject}");
            let found = super::block_on(async { Ok(client.get(&path).await?) })?;
            format
                .print(|| crate::output::text(found.get("receipts").unwrap_or(&Value::Null)), found.clone());
            Ok(Code::Done)
        }
        Command::Export { id } => {
            std::io::stdout().lock().write_all(&export(home, &id)?)?;
            Ok(Code::Done)
        }
        Command::Verify { file, trust } => verify(home, format, &file, &trust),
    }
}

/// A proof file, from the running node or from the store of a stopped one.
fn export(home: &Home, id: &str) -> Result<Vec<u8>> {
    let client = super::client(home)?;
    let from_node = super::block_on(async {
        let index = match id.parse::<u64>() {
            Ok(index) => index,
            Err(_) => {
                let found = client.get(&format!("/v1/receipts?subject={id}")).await?;
                let last = found.pointer("/receipts").and_then(Value::as_array).and_then(|l| l.last());
                last.and_then(Value::as_str).and_then(|i| i.parse().ok()).with_context(|| none_of(id))?
            }
        };
        Ok(client.bytes(&format!("/v1/receipts/{index}/proof")).await?)
    });
    match from_node {
        Err(error) if matches!(error.downcast_ref(), Some(ClientError::Unreachable { .. })) => {}
        other => return other,
    }
    let (store, _lock) = super::stopped_store(home)?;
    let ledger = Ledger::open(store)?;
    let index = match id.parse::<u64>() {
        Ok(index) => ReceiptIndex(index),
        Err(_) => ledger.receipts_of(id, usize::MAX)?.last().copied().with_context(|| none_of(id))?,
    };
    proof::export(&ledger, index).map_err(|e| Failure::because(Code::Unavailable, e))
}

fn none_of(id: &str) -> String {
    format!("no receipt is about {id}: give an index, or the whole id of a job")
}

fn verify(home: &Home, format: Format, file: &PathBuf, trust: &TrustArgs) -> Result<Code> {
    let mut bytes = Vec::new();
    if file.as_os_str() == "-" {
        std::io::stdin().lock().take(proof::PROOF_BYTES_MAX as u64 + 1).read_to_end(&mut bytes)?;
    } else {
        bytes = fs::read(file).with_context(|| format!("{} cannot be read", file.display()))?;
    }
    match trust.verifier(home)?.verify(&bytes) {
        Ok(shown) => {
            format.print(|| proofs::words(&shown), json!({"is_valid": true, "shown": shown}));
            Ok(Code::Done)
        }
        Err(error) => {
            let code = match error {
                VerifyError::Unreadable(_) => Code::Unreadable,
                VerifyError::OtherMesh { .. } => Code::Wrong,
                VerifyError::Mismatch { .. } => Code::Refused,
            };
            format.print(
                || format!("not valid: {error}"),
                json!({"is_valid": false, "reason": error.to_string()}),
            );
            Ok(code)
        }
    }
}
