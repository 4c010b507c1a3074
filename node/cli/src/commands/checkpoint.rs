//! `phalanx checkpoint`.

use super::anchored::{self, Genuine, Record};
use crate::{
    chain::ChainArgs,
    home::Home,
    output::{Code, Failure, Format, table},
    proofs,
};
use anyhow::{Context, Result};
use phalanx_types::Checkpoint;
use serde_json::{Value, json};
use std::{
    fs,
    io::Write,
    path::{Path, PathBuf},
};

/// Longest checkpoint file in bytes.
const FILE_BYTES_MAX: u64 = 1 << 20;

/// Lists, exports and verifies checkpoints.
#[derive(clap::Subcommand)]
pub enum Command {
    /// The newest ones.
    List,
    /// One of them, with every field, its level and the signatures under it.
    Show {
        /// Its number.
        number: u64,
    },
    /// Writes a checkpoint to standard output, to be verified elsewhere: with its
    /// signatures, and those by which one set of validators has named the next.
    Export {
        /// Its number.
        number: u64,
    },
    /// Checks a checkpoint: the validators' signatures under it, and that it is on the
    /// chain. Exit code 0: it is so; 1: it is not; 2: no checkpoint file; 3: of another
    /// mesh, chain or contract; 4: the chain cannot be asked.
    Verify {
        /// Its number: then the node of --home is asked for it. Or a file of `checkpoint
        /// export`.
        #[arg(required_unless_present = "offline", value_name = "NUMBER|FILE")]
        what: Option<String>,
        /// Checks this file, and asks no chain.
        #[arg(long, value_name = "FILE", conflicts_with_all = ["what", "rpc", "anchor", "depth"])]
        offline: Option<PathBuf>,
        /// Trust this genesis document instead of the one in the home folder.
        #[arg(long, value_name = "FILE")]
        genesis: Option<PathBuf>,
        /// How many blocks deep is final [default: that of config.toml, or 12].
        #[arg(long, value_name = "BLOCKS")]
        depth: Option<u64>,
        #[command(flatten)]
        chain: ChainArgs,
    },
}

/// Runs it.
pub fn run(home: &Home, format: Format, command: Command) -> Result<Code> {
    match command {
        Command::List => {
            let rows = super::get(home, "/v1/list/checkpoints")?;
            let fields =
                ["checkpoint.number", "level", "checkpoint.last_beat", "checkpoint.receipt_count", "hash"];
            format.print(|| table(&rows, &fields), rows.clone());
            Ok(Code::Done)
        }
        Command::Show { number } => {
            let found = super::get(home, &format!("/v1/checkpoints/{number}"))?;
            format.print(|| serde_json::to_string_pretty(&found).unwrap_or_default(), found.clone());
            Ok(Code::Done)
        }
        Command::Export { number } => {
            let mut found = of_node(home, number)?;
            let client = super::client(home)?;
            found.handovers = super::block_on(anchored::handovers(&client, &found.checkpoint))?;
            let mut out = std::io::stdout().lock();
            out.write_all(&serde_json::to_vec_pretty(&found)?)?;
            out.write_all(b"\n")?;
            Ok(Code::Done)
        }
        Command::Verify { what, offline, genesis, depth, chain } => {
            let genesis = proofs::genesis(home, genesis.as_deref())?;
            if let Some(file) = offline {
                let record = read(&file)?;
                let genuine = Genuine::of(&record, genesis.as_ref());
                return Ok(report(format, &record.checkpoint, &genuine, None));
            }
            let what = what.unwrap_or_default();
            let record = match what.parse() {
                Ok(number) => of_node(home, number)?,
                Err(_) => read(Path::new(&what))?,
            };
            verify(home, format, &record, genesis.as_ref(), depth, &chain)
        }
    }
}

fn read(path: &Path) -> Result<Record> {
    let length = fs::metadata(path).with_context(|| format!("{} cannot be read", path.display()))?.len();
    if length > FILE_BYTES_MAX {
        return Err(Failure::because(
            Code::Unreadable,
            format!("{} has {length} bytes; at most {FILE_BYTES_MAX} are read", path.display()),
        ));
    }
    let bytes = fs::read(path).with_context(|| format!("{} cannot be read", path.display()))?;
    serde_json::from_slice(&bytes).map_err(|error| {
        let path = path.display();
        Failure::because(
            Code::Unreadable,
            format!("{path} is no file of `phalanx checkpoint export`: {error}"),
        )
    })
}

fn of_node(home: &Home, number: u64) -> Result<Record> {
    Ok(serde_json::from_value(super::get(home, &format!("/v1/checkpoints/{number}"))?)?)
}

fn verify(
    home: &Home,
    format: Format,
    record: &Record,
    genesis: Option<&phalanx_types::Genesis>,
    depth: Option<u64>,
    chain: &ChainArgs,
) -> Result<Code> {
    let checkpoint = &record.checkpoint;
    let genuine = Genuine::of(record, genesis);
    // The contract keeps the newest hashes; an older checkpoint leads to them.
    let descendants = async |first, last| anchored::of_node(&super::client(home)?, first, last).await;
    let verdict = super::block_on(anchored::on_chain(home, chain, checkpoint, depth, descendants))?;
    Ok(report(format, checkpoint, &genuine, Some(&verdict)))
}

fn report(
    format: Format,
    checkpoint: &Checkpoint,
    genuine: &Genuine,
    verdict: Option<&phalanx_governance::contracts::verdict::Verdict>,
) -> Code {
    let code = match verdict {
        Some(_) if genuine.is_refuted() => Code::Refused,
        Some(verdict) => anchored::code(verdict),
        None if genuine.is_shown() => Code::Done,
        None => Code::Refused,
    };
    let text = || {
        let mut text = format!(
            "{}: checkpoint {} {}\n  receipts {} to {}, beats {} to {}\n  signatures: {}\n",
            if code == Code::Done { "valid" } else { "not valid" },
            checkpoint.number,
            checkpoint.hash(),
            checkpoint.first_receipt,
            checkpoint.history_size.saturating_sub(1),
            checkpoint.first_beat,
            checkpoint.last_beat,
            genuine.words,
        );
        match verdict {
            Some(verdict) => text.push_str(&anchored::words(verdict)),
            None => text.push_str("  the chain was not asked: whether it is anchored is not said\n"),
        }
        text
    };
    let value: Value = json!({
        "is_valid": code == Code::Done, "number": checkpoint.number, "hash": checkpoint.hash(),
        "signatures": genuine, "chain": verdict,
    });
    format.print(text, value);
    code
}
