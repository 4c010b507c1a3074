//! The commands, one file each.

pub mod agent;
mod anchored;
pub mod chain;
pub mod checkpoint;
pub mod config;
pub mod devnet;
pub mod events;
pub mod geometry;
pub mod init;
pub mod job;
pub mod ledger;
pub mod list;
pub mod mesh;
pub mod node;
pub mod owner;
pub mod peers;
pub mod proof;
pub mod receipt;
pub mod simulate;
pub mod snapshot;
pub mod status;

use crate::{
    founding,
    home::{self, Home},
    output::{Code, Failure},
};
use anyhow::{Context, Result};
use phalanx_api::Client;
use phalanx_ledger::{Ledger, OpenError, RocksKv};
use phalanx_types::{Operation, SigningKey};
use serde_json::Value;
use std::{
    fs::File,
    path::{Path, PathBuf},
};

/// Longest time that a command waits for its decision by default.
const WAIT_MS: u64 = 30_000;

/// The node's client.
fn client(home: &Home) -> Result<Client> {
    Ok(Client::new(home.config()?.api, home.token()?))
}

/// Runs a future to its end.
fn block_on<T>(future: impl Future<Output = Result<T>>) -> Result<T> {
    tokio::runtime::Builder::new_current_thread().enable_all().build()?.block_on(future)
}

/// Reads a path of the node's interface.
fn get(home: &Home, path: &str) -> Result<Value> {
    let client = client(home)?;
    block_on(async { Ok(client.get(path).await?) })
}

/// The key file that a flag names, or the one that `init` made beside the home
/// folders.
fn key(home: &Home, given: Option<PathBuf>, default: &str) -> Result<SigningKey> {
    let beside = home.path.parent().unwrap_or(Path::new(".")).join(default);
    home::read_key(&given.unwrap_or(beside)).context("name the key to sign with by --key")
}

/// Signs and sends operations and waits for their decision.
fn send(home: &Home, key: &SigningKey, operations: Vec<Operation>) -> Result<Value> {
    send_and_wait(home, key, operations, WAIT_MS)
}

/// Signs and sends operations and waits for their decision, if that is not zero.
fn send_and_wait(home: &Home, key: &SigningKey, operations: Vec<Operation>, wait_ms: u64) -> Result<Value> {
    let (client, genesis) = (client(home)?, home.genesis()?);
    let expiry = founding::expiry(&genesis.params);
    block_on(async { Ok(client.send_operations(genesis.mesh, key, expiry, operations, wait_ms).await?) })
}

/// What became of what was sent, in a line, and the exit code it means.
fn outcome(answer: &Value) -> (String, Code) {
    let refusals = answer.get("refusals").and_then(Value::as_array).filter(|list| !list.is_empty());
    let beat = answer.get("beat").and_then(Value::as_str).unwrap_or_default();
    match (answer.get("state").and_then(Value::as_str), refusals) {
        (Some("decided"), None) => (format!("decided in beat {beat}"), Code::Done),
        (Some("decided"), Some(list)) => {
            let reasons = list.iter().filter_map(|r| r.pointer("/data/reason").and_then(Value::as_str));
            (format!("refused in beat {beat}: {}", reasons.collect::<Vec<_>>().join("; ")), Code::Refused)
        }
        // Taken in by this node, which promises nothing yet.
        _ => ("queued".to_owned(), Code::Done),
    }
}

/// The store of a node that does not run, with the lock that keeps it so.
fn stopped_store(home: &Home) -> Result<(RocksKv, File)> {
    let data = home.file("data");
    if !data.is_dir() {
        return Err(Failure::because(
            Code::Unavailable,
            format!("{} is not there: this node has never run", data.display()),
        ));
    }
    let lock = home.lock().map_err(|e| Failure::because(Code::Unavailable, format!("{e:#}")))?;
    let store = RocksKv::open(&data)?;
    // What is damaged is for the caller to find, and to name.
    if let Err(error @ OpenError::Newer { .. }) = Ledger::check_layout(&store) {
        return Err(error.into());
    }
    Ok((store, lock))
}
