//! `storage/checkpoint.json`: the state after a beat for people, with the
//! snapshot that a node can go on from.
//!
//! The file is one JSON object. `integrity` is the SHA3-256 of the RFC 8785 form
//! of all its other fields; `snapshot` is a snapshot file in hex, which the
//! validators' signatures bind; what the other fields show is derived from it
//! and compared with it when the file is read.

use crate::snapshot::{self, Joined, Offered, RestoreError};
use phalanx_fabric::{Fabric, Phase};
use phalanx_types::{Genesis, Hash};
use serde_json::{Map, Value, json};
use std::collections::BTreeMap;

/// Version of the file.
pub const SCHEMA: u32 = 1;
/// Longest file in bytes.
pub const FILE_BYTES_MAX: u64 = 8 << 30;

/// Why a file is not to be gone on from.
#[derive(Debug, thiserror::Error)]
pub enum FileError {
    /// It is no such file.
    #[error("this is no checkpoint file: {0}")]
    Unreadable(String),
    /// Its integrity hash does not hold.
    #[error("the checkpoint file was changed: its integrity hash is {said}, its content has {found}")]
    Integrity {
        /// The hash in the file.
        said: String,
        /// The hash of its content.
        found: Hash,
    },
    /// What it shows is not what its snapshot holds.
    #[error("the checkpoint file was changed: its field {0} is not what its snapshot holds")]
    Shown(String),
    /// Its snapshot is wrong.
    #[error(transparent)]
    Snapshot(#[from] RestoreError),
}

/// What the file shows of a state.
fn shown(fabric: &Fabric) -> Result<Map<String, Value>, serde_json::Error> {
    let mut counts: BTreeMap<&str, u64> = BTreeMap::new();
    let mut jobs = Vec::new();
    for (id, job) in fabric.jobs() {
        *counts.entry(job.phase.word()).or_default() += 1;
        // Ended jobs are counted; the others are what goes on.
        if !matches!(job.phase, Phase::Ended { .. }) {
            jobs.push(json!({
                "id": id, "label": job.spec.label, "tenant": job.spec.tenant, "shard": job.shard,
                "state": job.phase.word(), "attempt": job.attempt, "priority": job.spec.priority,
            }));
        }
    }
    let shards: Vec<Value> = fabric
        .shards()
        .map(|(name, shard, waiting)| {
            json!({
                "name": name, "waiting": waiting, "is_paused": shard.is_paused,
                "queue_budget": shard.spec.queue_budget, "spillover": shard.spec.spillover,
            })
        })
        .collect();
    let workers: Vec<Value> = fabric
        .workers()
        .map(|(name, worker)| {
            json!({
                "name": name, "region": worker.offer.region, "is_healthy": worker.is_healthy,
                "is_open": worker.is_open, "running": worker.running, "last_seen_ms": worker.last_seen,
            })
        })
        .collect();
    let healthy = fabric.workers().filter(|(_, w)| w.is_healthy && w.is_open).count();
    let fields = json!({
        "schema": SCHEMA,
        "mesh": fabric.mesh(),
        "height": fabric.height(),
        "time_ms": fabric.time(),
        "is_paused": fabric.is_paused(),
        "mode": fabric.mode().name(),
        "verification": fabric.verification().name(),
        "policy_version": fabric.policy_version().to_string(),
        "ledger": fabric.ledger_mark(),
        "shards": shards,
        "workers": workers,
        "jobs": jobs,
        "metrics": {
            "jobs": counts, "agents": fabric.agents().count(), "workers": fabric.workers().count(),
            "workers_healthy": healthy, "validators": fabric.validators().count(),
        },
    });
    match fields {
        Value::Object(map) => Ok(map),
        _ => Ok(Map::new()),
    }
}

/// The hash over a file's fields but its integrity hash.
fn integrity(fields: &Map<String, Value>) -> Result<Hash, serde_json::Error> {
    // The map is sorted by key and has no floats: this is its RFC 8785 form.
    serde_json::to_vec(fields).map(|bytes| Hash::sha3(&bytes))
}

/// The file of a snapshot.
///
/// # Errors
/// Never in practice: every field is a JSON value.
pub fn make(offered: &Offered) -> Result<Vec<u8>, serde_json::Error> {
    let mut fields = shown(&offered.fabric)?;
    let header = &offered.manifest.header;
    fields.insert("beat".to_owned(), json!(header.id()));
    fields.insert("app_hash".to_owned(), json!(header.app_hash));
    fields.insert("genesis".to_owned(), json!(offered.manifest.genesis));
    fields.insert("snapshot".to_owned(), Value::String(hex::encode(offered.to_file())));
    let hash = integrity(&fields)?;
    fields.insert("integrity".to_owned(), json!(hash));
    let mut file = serde_json::to_vec(&fields)?;
    file.push(b'\n');
    Ok(file)
}

/// Reads and checks a file, trusting a genesis document.
///
/// # Errors
/// See [`FileError`].
pub fn read(file: &[u8], genesis: &Genesis) -> Result<Joined, FileError> {
    let unreadable = |what: String| FileError::Unreadable(what);
    let mut fields: Map<String, Value> =
        serde_json::from_slice(file).map_err(|error| unreadable(error.to_string()))?;
    let schema = fields.get("schema").and_then(Value::as_u64).unwrap_or_default();
    if schema != u64::from(SCHEMA) {
        return Err(unreadable(format!("its schema is {schema}, this program knows {SCHEMA}")));
    }
    let text = |value: Option<Value>, name: &str| match value {
        Some(Value::String(text)) => Ok(text),
        _ => Err(unreadable(format!("its field {name} is missing"))),
    };
    let said = text(fields.remove("integrity"), "integrity")?;
    let found = integrity(&fields).map_err(|error| unreadable(error.to_string()))?;
    if said != found.to_string() {
        return Err(FileError::Integrity { said, found });
    }
    let snapshot = text(fields.remove("snapshot"), "snapshot")?;
    let snapshot = hex::decode(snapshot).map_err(|error| unreadable(format!("its snapshot: {error}")))?;
    let joined = snapshot::read_file(&snapshot, genesis)?;
    let header = joined.header();
    let mut expected = shown(joined.fabric()).map_err(|error| unreadable(error.to_string()))?;
    expected.insert("beat".to_owned(), json!(header.id()));
    expected.insert("app_hash".to_owned(), json!(header.app_hash));
    expected.insert("genesis".to_owned(), json!(genesis.hash()));
    let differs = expected.iter().find(|(name, value)| fields.get(*name) != Some(value));
    let differs =
        differs.map(|(name, _)| name).or_else(|| fields.keys().find(|k| !expected.contains_key(*k)));
    match differs {
        Some(name) => Err(FileError::Shown(name.clone())),
        None => Ok(joined),
    }
}
