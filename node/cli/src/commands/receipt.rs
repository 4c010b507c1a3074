//! `phalanx receipt`.

use super::anchored::{self, Genuine, Record};
use crate::{
    chain::ChainArgs,
    home::Home,
    output::{Code, Failure, Format},
    proofs::{self, TrustArgs},
};
use anyhow::{Context, Result};
use phalanx_api::ClientError;
use phalanx_ledger::{
    Ledger, Witnesses, audit,
    proof::{self, VerifyError},
};
use phalanx_types::ReceiptIndex;
use serde_json::{Value, json};
use std::{
    fs,
    io::{Read, Write},
    path::{Path, PathBuf},
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
    /// Writes a receipt's audit path to standard output: its way to the audit root of the
    /// checkpoint that closed its interval, through the leaf of its beat and, for one that
    /// tells an action of an agent, the action's own leaf. Works with the node stopped as well.
    Path {
        /// Its index.
        index: u64,
    },
    /// Checks an audit path offline. Exit code 0: valid; 1: not; 2: no audit path; 3: under
    /// another checkpoint than the one that is named.
    VerifyPath {
        /// The file; `-` for standard input.
        file: PathBuf,
        /// The checkpoint that it must lead to, as `phalanx checkpoint show` or `export` prints it.
        #[arg(long, value_name = "FILE")]
        checkpoint: Option<PathBuf>,
    },
    /// Checks a proof file offline. Exit code 0: valid; 1: not; 2: no proof
    /// file; 3: of another mesh.
    Verify {
        /// The file; `-` for standard input.
        file: PathBuf,
        #[command(flatten)]
        trust: TrustArgs,
        /// Asks the chain too, whether the receipt's checkpoint is anchored.
        #[command(flatten)]
        chain: ChainArgs,
        /// How many blocks deep is final [default: that of config.toml, or 12].
        #[arg(long, value_name = "BLOCKS")]
        depth: Option<u64>,
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
        Command::Path { index } => {
            std::io::stdout().lock().write_all(&path(home, index)?)?;
            Ok(Code::Done)
        }
        Command::VerifyPath { file, checkpoint } => verify_path(format, &file, checkpoint.as_deref()),
        Command::Verify { file, trust, chain, depth } => {
            verify(home, format, &Question { file, trust, chain, depth })
        }
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

/// An audit path, from the running node or from the store of a stopped one.
fn path(home: &Home, index: u64) -> Result<Vec<u8>> {
    let client = super::client(home)?;
    let from_node = super::block_on(async { Ok(client.bytes(&format!("/v1/receipts/{index}/path")).await?) });
    match from_node {
        Err(error) if matches!(error.downcast_ref(), Some(ClientError::Unreachable { .. })) => {}
        other => return other,
    }
    let (store, _lock) = super::stopped_store(home)?;
    let ledger = Ledger::open(store)?;
    let found = Witnesses::new(ledger.kv()).audit_path(ReceiptIndex(index));
    let file = found.map_err(|error| Failure::because(Code::Unavailable, error))?;
    file.to_json().map_err(|error| Failure::because(Code::Unavailable, error))
}

fn verify_path(format: Format, file: &Path, checkpoint: Option<&Path>) -> Result<Code> {
    let checkpoint = checkpoint.map(super::proof::read_checkpoint).transpose()?;
    let refused = |code: Code, reason: String| {
        format.print(|| format!("not valid: {reason}"), json!({"is_valid": false, "reason": reason}));
        Ok(code)
    };
    let shown = match audit::verify(&read(file)?).map_err(anyhow::Error::from) {
        Ok(shown) => shown,
        Err(error) => return refused(Failure::code_of(&error), error.to_string()),
    };
    let compared = checkpoint.map(|checkpoint| (checkpoint.number, checkpoint.hash()));
    if let Some((number, hash)) = compared.filter(|(_, hash)| *hash != shown.checkpoint_hash) {
        let (found, found_hash) = (shown.checkpoint, shown.checkpoint_hash);
        let reason = format!(
            "it leads to the checkpoint {found} {found_hash}, and the one that is named is {number} {hash}"
        );
        return refused(Code::Wrong, reason);
    }
    let text = || {
        let leaf = match shown.action {
            Some((number, leaf)) => format!("it tells the action {number}, which is leaf {leaf}"),
            None => "it tells no action of an agent: the leaf of its beat stands for it".to_owned(),
        };
        let basis = match compared {
            Some(_) => "the checkpoint is the one that is named".to_owned(),
            None => {
                "the checkpoint is the file's word: name one that you trust by --checkpoint FILE".to_owned()
            }
        };
        format!(
            "valid: receipt {} {} of beat {}, which is leaf {} under the audit root {}\n  {leaf}\n  checkpoint {} \
             {}: {basis}",
            shown.index,
            shown.receipt_hash.short(),
            shown.beat,
            shown.beat_leaf,
            shown.audit_root,
            shown.checkpoint,
            shown.checkpoint_hash,
        )
    };
    format.print(text, json!({"is_valid": true, "shown": shown, "is_compared": compared.is_some()}));
    Ok(Code::Done)
}

fn none_of(id: &str) -> String {
    format!("no receipt is about {id}: give an index, or the whole id of a job")
}

/// What is to be verified, and whom to trust.
struct Question {
    file: PathBuf,
    trust: TrustArgs,
    chain: ChainArgs,
    depth: Option<u64>,
}

fn read(file: &Path) -> Result<Vec<u8>> {
    let mut bytes = Vec::new();
    if file.as_os_str() == "-" {
        std::io::stdin().lock().take(proof::PROOF_BYTES_MAX as u64 + 1).read_to_end(&mut bytes)?;
    } else {
        bytes = fs::read(file).with_context(|| format!("{} cannot be read", file.display()))?;
    }
    Ok(bytes)
}

fn verify(home: &Home, format: Format, question: &Question) -> Result<Code> {
    let bytes = read(&question.file)?;
    let verifier = question.trust.verifier(home)?;
    let shown = match verifier.verify(&bytes) {
        Ok(shown) => shown,
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
            return Ok(code);
        }
    };
    let anchor = proof::read(&bytes)?.anchor;
    let genuine = anchor.as_ref().map(|a| {
        let (checkpoint, cosigned) = (a.checkpoint.clone(), a.cosigned.clone());
        Genuine::of(&Record { checkpoint, cosigned, handovers: Vec::new() }, verifier.document())
    });
    let refuted = genuine.as_ref().filter(|genuine| genuine.is_refuted());
    let verdict = match &anchor {
        Some(anchor) if question.chain.is_online() => {
            // A node of the mesh knows what leads from an old checkpoint to a newer one.
            let descendants = async |first, last| match super::client(home) {
                Ok(client) => Ok(anchored::of_node(&client, first, last).await.unwrap_or_default()),
                Err(_) => Ok(Vec::new()),
            };
            let asked =
                anchored::on_chain(home, &question.chain, &anchor.checkpoint, question.depth, descendants);
            Some(super::block_on(asked)?)
        }
        _ => None,
    };
    // Without a closed interval there is nothing that a chain could know.
    let is_open = anchor.is_none() && question.chain.is_online();
    let code = match (&verdict, refuted) {
        (_, Some(_)) => Code::Refused,
        _ if is_open => Code::Refused,
        (Some(verdict), None) => anchored::code(verdict),
        (None, None) => Code::Done,
    };
    let text = || {
        let word = if code == Code::Done { "valid" } else { "not valid" };
        let mut text = format!("{word}: {}\n", proofs::words(&shown));
        if let Some(genuine) = &genuine
            && (genuine.is_shown() || genuine.is_refuted())
        {
            text.push_str(&format!("  checkpoint signed by: {}\n", genuine.words));
        }
        if let Some(verdict) = &verdict {
            text.push_str(&anchored::words(verdict));
        }
        if is_open {
            text.push_str(
                "  chain: its interval is open, so that nothing of it is anchored yet: export it later\n",
            );
        }
        text
    };
    let value =
        json!({"is_valid": code == Code::Done, "shown": shown, "signatures": genuine, "chain": verdict});
    format.print(text, value);
    Ok(code)
}
