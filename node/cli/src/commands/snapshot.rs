//! `phalanx snapshot`.

use crate::{
    home::Home,
    output::{Code, Failure, Format},
    runtime::storage,
};
use anyhow::{Context, Result};
use phalanx_ledger::{Ledger, RocksKv};
use phalanx_replica::{
    Replica, checkpoint_file,
    snapshot::{self, Joined, Offered, RestoreError},
};
use phalanx_types::{Genesis, Height};
use serde_json::json;
use std::{fs, path::PathBuf};

/// Carries the state of a mesh to a new node.
#[derive(clap::Subcommand)]
pub enum Command {
    /// Writes a snapshot of a stopped node to a file.
    Export {
        /// The file.
        #[arg(long, value_name = "FILE")]
        out: PathBuf,
    },
    /// Begins this node's ledger with a snapshot file, which is checked from the
    /// genesis on. The node must have no ledger yet.
    Import {
        /// The file.
        file: PathBuf,
    },
}

/// Runs it.
pub fn run(home: &Home, format: Format, command: &Command) -> Result<Code> {
    match command {
        Command::Export { out } => {
            let (store, _lock) = super::stopped_store(home)?;
            let ledger = Ledger::open(store)?;
            let fabric = phalanx_fabric::Fabric::load(ledger.state_entries()?)?;
            let Some(offered) = Offered::of(&ledger, &fabric)? else {
                return Err(Failure::because(Code::Unavailable, "this node has no beat yet"));
            };
            let file = offered.to_file();
            storage::replace(out, &file)?;
            let height = offered.height();
            format.print(
                || format!("wrote the state after beat {height} to {}, {} bytes", out.display(), file.len()),
                json!({"height": height, "file": out, "bytes": file.len()}),
            );
            Ok(Code::Done)
        }
        Command::Import { file } => {
            let joined = checked(home, file)?;
            let height = joined.height();
            take_over(home, &home.genesis()?, joined)?;
            format.print(
                || format!("this node goes on after beat {height}; start it with `phalanx node run`"),
                json!({"height": height}),
            );
            Ok(Code::Done)
        }
    }
}

/// A snapshot file that holds what this home's genesis leads to.
pub fn checked(home: &Home, file: &PathBuf) -> Result<Joined> {
    snapshot::read_file(&read(file)?, &home.genesis()?).map_err(failure)
}

fn read(file: &PathBuf) -> Result<Vec<u8>> {
    let meta = fs::metadata(file).with_context(|| format!("{} cannot be read", file.display()))?;
    if meta.len() > checkpoint_file::FILE_BYTES_MAX {
        return Err(Failure::because(Code::Unreadable, format!("{} is too large", file.display())));
    }
    fs::read(file).with_context(|| format!("{} cannot be read", file.display()))
}

fn failure(error: RestoreError) -> anyhow::Error {
    use phalanx_ledger::snapshot::SnapshotError;
    let code = match &error {
        RestoreError::File(_) | RestoreError::Snapshot(SnapshotError::Decode(_)) => Code::Unreadable,
        RestoreError::Snapshot(SnapshotError::Version { .. }) => Code::Unreadable,
        RestoreError::Snapshot(SnapshotError::OtherMesh { .. }) => Code::Wrong,
        _ => Code::Refused,
    };
    Failure::because(code, error)
}

/// Puts a checked snapshot into the store of a node that has no ledger.
fn take_over(home: &Home, genesis: &Genesis, joined: Joined) -> Result<()> {
    let _lock = home.lock().map_err(|e| Failure::because(Code::Unavailable, format!("{e:#}")))?;
    let mut replica = replica(home, genesis)?;
    let own = replica.ledger().tip().height;
    if own != Height::ZERO {
        return Err(Failure::because(
            Code::Refused,
            format!(
                "this node has a ledger up to beat {own}, which a snapshot would replace: move {} away first",
                home.file("data").display()
            ),
        ));
    }
    replica.restore(joined)?;
    Ok(replica.close()?)
}

fn replica(home: &Home, genesis: &Genesis) -> Result<Replica<RocksKv>> {
    let store = RocksKv::open(&home.file("data"))?;
    Ok(Replica::open(store, genesis, home.key("vote")?.public(), phalanx_replica::Limits::default())?)
}

/// Goes on from `storage/checkpoint.json`: the file is checked; a node without a
/// ledger takes it over, one that is farther must have the same beat in it.
pub fn resume(home: &Home, file: &PathBuf) -> Result<()> {
    use checkpoint_file::FileError;
    let bytes = read(file)?;
    let genesis = home.genesis()?;
    let joined = checkpoint_file::read(&bytes, &genesis).map_err(|error| match error {
        FileError::Snapshot(error) => failure(error),
        FileError::Unreadable(_) => Failure::because(Code::Unreadable, error),
        FileError::Integrity { .. } | FileError::Shown(_) => Failure::because(Code::Refused, error),
    })?;
    let (height, id) = (joined.height(), joined.header().id());
    let own = {
        let _lock = home.lock().map_err(|e| Failure::because(Code::Unavailable, format!("{e:#}")))?;
        let replica = replica(home, &genesis)?;
        let ledger = replica.ledger();
        let at = match ledger.base()? {
            Some(base) if base.tip.height == height => Some(base.tip.header_id),
            _ => ledger.beat(height)?.map(|beat| beat.id()),
        };
        let own = (ledger.tip().height, at);
        replica.close()?;
        own
    };
    match own {
        (Height::ZERO, _) => take_over(home, &genesis, joined),
        (_, Some(found)) if found == id => Ok(()),
        (_, Some(found)) => Err(Failure::because(
            Code::Wrong,
            format!("this node's beat {height} is {found}, the file's is {id}: it is of another history"),
        )),
        (own, None) if own < height => Err(Failure::because(
            Code::Refused,
            format!(
                "this node's ledger ends at beat {own}, before the file's {height}: start it without --resume \
                 and it catches up from its peers, or move {} away to go on from the file",
                home.file("data").display()
            ),
        )),
        // Older than what this node was restored from: nothing to compare.
        (_, None) => Ok(()),
    }
}
