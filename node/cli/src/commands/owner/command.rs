//! `phalanx owner command`: a transaction of the Safe, from the words of a
//! command.

use super::{
    kinds::Kind,
    view::{self, View},
};
use crate::{
    chain::{self, ChainArgs, Contracts},
    files,
    home::Home,
    output::{Code, Failure, Format},
    proofs::TrustArgs,
};
use anyhow::{Context, Result};
use phalanx_governance::{
    Address,
    address::Wei,
    contracts::{ChainCommand, command::COMMANDS_BYTES_MAX, commands::cancel_calldata},
    safe::{
        Call, Safe, SafeStatus, SafeTx, TxFile,
        builder::{self, BuilderFile},
        chain::{SafeError, Simulated},
        file::EVIDENCE_MAX,
        queue,
    },
    translate::{Registrar, translate},
    words,
};
use phalanx_ledger::proof::PROOF_BYTES_MAX;
use phalanx_types::Hash;
use serde_json::{Value, json};
use std::path::{Path, PathBuf};

/// Builds a transaction of the owner's Safe.
#[derive(clap::Args)]
#[command(mut_args(|arg| arg.global(true)))]
pub struct Args {
    #[command(subcommand)]
    what: What,
    /// The file to write; never overwritten.
    #[arg(long, value_name = "FILE")]
    out: Option<PathBuf>,
    #[command(flatten)]
    chain: ChainArgs,
    /// Where MultiSendCallOnly is, for batches [default: `[chain] multi_send`
    /// in config.toml, or its address on public chains].
    #[arg(long, value_name = "ADDRESS")]
    multi_send: Option<Address>,
    /// The Safe's nonce at which it can be executed [default: the next one,
    /// behind the files of --queue].
    #[arg(long, value_name = "NUMBER")]
    nonce: Option<u64>,
    /// Files that wait already.
    #[arg(long, value_name = "FILE", num_args = 1..)]
    queue: Vec<PathBuf>,
    /// Proof files of receipts that the proposal rests on; each is checked
    /// first.
    #[arg(long, value_name = "RECEIPT.json", num_args = 1..)]
    evidence: Vec<PathBuf>,
    #[command(flatten)]
    trust: TrustArgs,
}

/// What the transaction does.
#[derive(clap::Subcommand)]
enum What {
    #[command(flatten)]
    Kind(Kind),
    /// Several commands or calls, which all succeed or all fail.
    #[command(group = clap::ArgGroup::new("calls").required(true))]
    Batch {
        /// Files with commands as JSON, such as {"pause_shard": {"shard":
        /// "mars"}}, or lists of them.
        #[arg(value_name = "COMMANDS.json", group = "calls")]
        files: Vec<PathBuf>,
        /// A file of Safe's transaction builder.
        #[arg(long, value_name = "FILE", group = "calls")]
        builder: Option<PathBuf>,
    },
    /// Uses up the nonce of --nonce and does nothing: whatever else has it can
    /// never be executed.
    Cancel,
    /// Takes a command back that waits on the chain.
    CancelTicket {
        /// Its ticket.
        ticket: u64,
    },
}

/// What is to be built, before a chain was asked.
enum Planned {
    Commands(Vec<ChainCommand>),
    Calls(BuilderFile),
    Cancel,
    CancelTicket(u64),
}

fn plan(what: What, nonce: Option<u64>) -> Result<Planned> {
    let usage = |text: &str| Failure::because(Code::Unreadable, text);
    let commands = match what {
        What::Kind(kind) => vec![kind.command()?],
        What::Batch { builder: Some(path), .. } => {
            let file = BuilderFile::read(&files::read(&path, builder::FILE_BYTES_MAX)?)
                .with_context(|| path.display().to_string())?;
            return Ok(Planned::Calls(file));
        }
        What::Batch { files: paths, .. } => {
            let mut list = Vec::new();
            for path in paths {
                let commands = ChainCommand::read_list(&files::read(&path, COMMANDS_BYTES_MAX)?)
                    .with_context(|| path.display().to_string())?;
                list.extend(commands);
            }
            list
        }
        What::Cancel if nonce.is_none() => {
            return Err(usage("name the nonce to use up: --nonce NUMBER"));
        }
        What::Cancel => return Ok(Planned::Cancel),
        What::CancelTicket { ticket } => return Ok(Planned::CancelTicket(ticket)),
    };
    let commands: Vec<_> = commands.into_iter().map(ChainCommand::ordered).collect();
    for command in &commands {
        command.check()?;
    }
    Ok(Planned::Commands(commands))
}

/// Runs it.
pub fn run(home: &Home, format: Format, args: Args) -> Result<Code> {
    let Some(out) = args.out else {
        return Err(Failure::because(Code::Unreadable, "name the file to write: --out FILE"));
    };
    files::check_new(&out)?;
    let planned = plan(args.what, args.nonce)?;
    let waiting = args.queue.iter().map(|path| view::read(path)).collect::<Result<Vec<_>>>()?;
    let multi_send = chain::multi_send(home, args.multi_send)?;
    crate::commands::block_on(async {
        let contracts = args.chain.contracts(home).await?;
        let evidence = evidence(home, &args.trust, &args.evidence, contracts.deployment.mesh)?;
        let (mut file, warnings) = build(home, &contracts, planned, args.nonce, &waiting, multi_send).await?;
        file.evidence = evidence;
        files::write_new(&out, file.write()?.as_bytes())?;
        let known = view::known(home, file.safe, multi_send, Some(&contracts));
        let mut view = View::of(&file, &known);
        view.warn(&warnings);
        let next = format!("written to {}; next: phalanx owner tx sign {0} --keystore FILE", out.display());
        view.add("file", json!(out), &next);
        format.print(|| view.text, view.value);
        Ok(Code::Done)
    })
}

/// Reads proof files and checks each.
fn evidence(home: &Home, trust: &TrustArgs, paths: &[PathBuf], mesh: Hash) -> Result<Vec<Value>> {
    if paths.is_empty() {
        return Ok(Vec::new());
    }
    if paths.len() > EVIDENCE_MAX {
        let text = format!("{} pieces of evidence; at most {EVIDENCE_MAX} are taken", paths.len());
        return Err(Failure::because(Code::Unreadable, text));
    }
    let verifier = trust.verifier(home)?;
    let piece = |path: &Path| -> Result<Value> {
        let bytes = files::read(path, PROOF_BYTES_MAX)?;
        verifier.evidence(&bytes, Some(mesh))?;
        Ok(serde_json::from_slice(&bytes)?)
    };
    paths.iter().map(|path| piece(path).with_context(|| format!("evidence {}", path.display()))).collect()
}

async fn build(
    home: &Home,
    contracts: &Contracts,
    planned: Planned,
    nonce: Option<u64>,
    waiting: &[TxFile],
    multi_send: Address,
) -> Result<(TxFile, Vec<String>)> {
    let chain = &contracts.chain;
    let at = chain.tip().await?.number;
    let safe = Safe::new(chain.clone(), contracts.owner());
    let status = safe.status(at).await?;
    let nonce = nonce_of(&status, nonce, waiting)?;
    let to_commands = |data| Call { to: contracts.deployment.commands, value: Wei(0), data };
    let calls = match planned {
        Planned::Commands(commands) => {
            let registrar = Registrar { chain_id: chain.id(), mesh: contracts.deployment.mesh };
            for command in &commands {
                translate(command.clone(), &registrar)?;
            }
            commands.iter().map(|c| to_commands(c.calldata())).collect()
        }
        Planned::Calls(file) => {
            file.check_for(safe.address(), chain.id())?;
            file.calls
        }
        Planned::CancelTicket(ticket) => vec![to_commands(cancel_calldata(ticket))],
        Planned::Cancel => {
            let tx = SafeTx::cancel(safe.address(), nonce);
            let file = TxFile::new(chain.id(), safe.address(), tx);
            let warnings = warnings(&file, &status, waiting);
            return Ok((file, warnings));
        }
    };
    let file = safe.propose(&calls, multi_send, nonce, at).await?;
    let mut warnings = warnings(&file, &status, waiting);
    if nonce == status.nonce {
        match safe.simulate(&file.tx, at).await {
            Ok(Simulated::Success(_)) => {}
            Ok(failure @ Simulated::Failure { .. }) => {
                let known = view::known(home, file.safe, multi_send, Some(contracts));
                warnings.push(words::simulated(&file.tx, &known, &failure));
            }
            // What cannot be simulated now may succeed later.
            Err(error) => warnings.push(format!("it cannot be simulated now: {error}")),
        }
    }
    Ok((file, warnings))
}

fn nonce_of(status: &SafeStatus, given: Option<u64>, waiting: &[TxFile]) -> Result<u64> {
    if let Some(other) = waiting.iter().find(|f| f.safe != status.safe || f.chain_id != status.chain_id) {
        return Err(SafeError::OtherSafe {
            file_safe: other.safe,
            file_chain: other.chain_id,
            safe: status.safe,
            chain: status.chain_id,
        }
        .into());
    }
    match given {
        Some(found) if found < status.nonce => Err(SafeError::Nonce { expected: status.nonce, found }.into()),
        Some(given) => Ok(given),
        None => Ok(queue::next_nonce(waiting, status)),
    }
}

/// What an owner should know of the Safe and of the file's place in the queue.
fn warnings(file: &TxFile, status: &SafeStatus, waiting: &[TxFile]) -> Vec<String> {
    let mut all = waiting.to_vec();
    all.push(file.clone());
    let hash = file.safe_tx_hash();
    let items = queue::queue(&all, status, |file| queue::signed(file, status));
    let own = items.into_iter().filter(|item| item.safe_tx_hash == hash);
    status.warnings().into_iter().chain(own.flat_map(|item| item.warnings)).collect()
}
