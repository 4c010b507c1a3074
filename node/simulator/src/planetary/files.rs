//! The files of a run: events, summary, the owner's script, the last state.

use super::{
    PlanetaryError,
    run::{Ended, Issued, Line},
    summary::{Final, Summary, count},
};
use phalanx_ledger::fsck::fsck;
use phalanx_replica::checkpoint_file;
use phalanx_types::{
    Checkpoint, Header, Height, Name, OwnerCommand, Receipt, ReceiptIndex, ReceiptKind,
    owner::{OptimisationWeights, Scope},
    params::Verification,
    shard::ShardSpec,
};
use serde_json::{Value, json};
use std::{
    collections::BTreeMap,
    fs, io,
    path::{Path, PathBuf},
};

/// Version of `events.ndjson` and `owner-script.json`.
const SCHEMA: u32 = 1;

/// What a run leaves behind.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PlanetaryFiles {
    /// The numbers.
    pub summary: Summary,
    /// What the owner commanded, in order.
    pub commands: Vec<OwnerCommand>,
    /// Path below the folder of choice, and content.
    pub files: Vec<(PathBuf, Vec<u8>)>,
}

impl PlanetaryFiles {
    /// Writes the files below `out`; gives their paths. Files of an earlier run
    /// with the same label are replaced.
    ///
    /// # Errors
    /// When a folder or file cannot be written; the path is named.
    pub fn write(&self, out: &Path) -> io::Result<Vec<PathBuf>> {
        let named = |path: &Path, e: io::Error| io::Error::new(e.kind(), format!("{}: {e}", path.display()));
        let mut written = Vec::new();
        for (path, content) in &self.files {
            let path = out.join(path);
            if let Some(folder) = path.parent() {
                fs::create_dir_all(folder).map_err(|e| named(folder, e))?;
            }
            fs::write(&path, content).map_err(|e| named(&path, e))?;
            written.push(path);
        }
        Ok(written)
    }
}

/// Reads the ledger and makes the files of it.
pub(super) fn write_up(seed: u64, label: &str, ended: &Ended) -> Result<PlanetaryFiles, PlanetaryError> {
    let Some(first) = ended.sites.first() else {
        return Err(PlanetaryError::Broken("there is no node".to_owned()));
    };
    let ledger = first.consensus.app().ledger();
    let missing = |what: &str| PlanetaryError::Broken(format!("{what} is not in the ledger"));
    let last = ledger.beat(ended.last)?.ok_or_else(|| missing("the last beat"))?.header;
    let nodes = agreed(ended, &last)?;
    let (from, number) = ledger.range(ended.last)?.ok_or_else(|| missing("the last beat's receipts"))?;
    let end = from.saturating_add(number);
    let mut receipts = Vec::new();
    for index in 0..end.0 {
        receipts.push(ledger.receipt(ReceiptIndex(index))?.ok_or_else(|| missing("a receipt"))?);
    }
    let checkpoint = ledger
        .checkpoint_of(ReceiptIndex(end.0.saturating_sub(1)))?
        .filter(|checkpoint| checkpoint.last_beat == ended.last)
        .ok_or_else(|| missing("the last checkpoint"))?;
    let begin = ledger.beat(Height::FIRST)?.ok_or_else(|| missing("the first beat"))?.header.time;
    let virtual_ms = last.time.since(begin);
    let counted = count(receipts.iter(), virtual_ms);
    let turned_away = ended.lines.iter().filter(|(_, line)| matches!(line, Line::TurnedAway { .. })).count();
    let summary = Summary {
        schema: Summary::SCHEMA,
        label: label.to_owned(),
        seed,
        virtual_ms,
        beats: ended.last.0,
        receipts: end.0,
        checkpoints: checkpoint.number.0,
        submitted: ended.submitted,
        turned_away: turned_away as u32,
        total: counted.total,
        shards: counted.shards,
        workers: counted.workers,
        owner_commands: counted.owner_commands,
        end: Final {
            height: last.height,
            time: last.time,
            header: last.id(),
            app_hash: last.app_hash,
            checkpoint: checkpoint.number,
            checkpoint_hash: checkpoint.hash(),
            history_root: checkpoint.history_root,
            interval_root: checkpoint.interval_root,
            nodes,
        },
    };
    let folder = Path::new("reports").join(label);
    let shards: Vec<ShardSpec> = ledger.genesis().shards.clone();
    let script = owner_script(seed, label, &ended.commands, &receipts, &shards)?;
    let snapshot = first.consensus.app().snapshot()?.ok_or_else(|| missing("a state to go on from"))?;
    let stored =
        checkpoint_file::make(&snapshot).map_err(|error| PlanetaryError::Broken(error.to_string()))?;
    let files = vec![
        (PathBuf::from("storage/checkpoint.json"), stored),
        (folder.join("events.ndjson"), events(ended, &receipts)?),
        (folder.join("summary.json"), pretty(&to_value(&summary)?)),
        (folder.join("owner-script.json"), pretty(&script)),
    ];
    let commands = ended.commands.iter().map(|issued| issued.command.clone()).collect();
    Ok(PlanetaryFiles { summary, commands, files })
}

/// Checks that all nodes have the last beat, and their stores from bytes up.
fn agreed(ended: &Ended, last: &Header) -> Result<Vec<String>, PlanetaryError> {
    let mut nodes = Vec::new();
    for site in &ended.sites {
        let ledger = site.consensus.app().ledger();
        let found = ledger.beat(ended.last)?.map(|beat| beat.id());
        if found != Some(last.id()) {
            return Err(PlanetaryError::Broken(format!("the node {} has another last beat", site.region)));
        }
        if let Some(wrong) = fsck(ledger.kv()).first {
            return Err(PlanetaryError::Broken(format!("the store of {}: {wrong}", site.region)));
        }
        nodes.push(site.region.to_string());
    }
    Ok(nodes)
}

fn to_value(value: &impl serde::Serialize) -> Result<Value, PlanetaryError> {
    serde_json::to_value(value).map_err(|e| PlanetaryError::Broken(format!("it cannot be written down: {e}")))
}

fn pretty(value: &Value) -> Vec<u8> {
    format!("{value:#}\n").into_bytes()
}

/// One JSON object a line: `at_ms` is virtual time, `event` says what follows.
fn events(ended: &Ended, receipts: &[Receipt]) -> Result<Vec<u8>, PlanetaryError> {
    let mut out = Vec::new();
    let mut line = |at_ms: u64, event: &str, value: Value| {
        let mut value = if value.is_object() { value } else { json!({}) };
        if let Value::Object(map) = &mut value {
            map.insert("at_ms".to_owned(), at_ms.into());
            map.insert("event".to_owned(), event.into());
        }
        out.extend_from_slice(value.to_string().as_bytes());
        out.push(b'\n');
    };
    line(0, "begin", json!({"schema": SCHEMA}));
    for receipt in receipts.iter().take_while(|receipt| receipt.beat == Height::ZERO) {
        line(0, "receipt", receipt_value(receipt)?);
    }
    for (at_ms, said) in &ended.lines {
        match said {
            Line::Decided(decision) if decision.header.height > ended.last => {}
            Line::Decided(decision) => {
                line(
                    *at_ms,
                    "beat",
                    beat_value(&decision.header, &decision.receipts, decision.envelopes.len()),
                );
                for receipt in decision.receipts.iter() {
                    line(*at_ms, "receipt", receipt_value(receipt)?);
                }
                if let Some(checkpoint) = &decision.checkpoint {
                    line(*at_ms, "checkpoint", checkpoint_value(checkpoint)?);
                }
            }
            Line::Incident { what, subject } => {
                line(*at_ms, "incident", json!({"what": what, "subject": subject}));
            }
            Line::TurnedAway { node, reason } => {
                line(*at_ms, "turned_away", json!({"node": node, "reason": reason}));
            }
        }
    }
    Ok(out)
}

fn beat_value(header: &Header, receipts: &[Receipt], envelopes: usize) -> Value {
    json!({
        "height": header.height,
        "id": header.id(),
        "time_ms": header.time,
        "parent": header.parent,
        "proposer": header.proposer,
        "app_hash": header.app_hash,
        "receipts_root": header.receipts_root,
        "policy_version": header.policy_version.to_string(),
        "receipts": receipts.len(),
        "envelopes": envelopes,
    })
}

/// The receipt's fields and its hash.
fn receipt_value(receipt: &Receipt) -> Result<Value, PlanetaryError> {
    let mut value = to_value(receipt)?;
    if let Value::Object(map) = &mut value {
        map.insert("hash".to_owned(), to_value(&receipt.hash())?);
    }
    Ok(value)
}

fn checkpoint_value(checkpoint: &Checkpoint) -> Result<Value, PlanetaryError> {
    let mut value = to_value(checkpoint)?;
    if let Value::Object(map) = &mut value {
        map.insert("hash".to_owned(), to_value(&checkpoint.hash())?);
    }
    Ok(value)
}

/// How a command is given on the command line.
fn run_line(command: &OwnerCommand) -> Result<String, PlanetaryError> {
    Ok(match command {
        OwnerCommand::Pause { scope: Scope::Mesh } => "phalanx owner pause".to_owned(),
        OwnerCommand::Resume { scope: Scope::Mesh } => "phalanx owner resume".to_owned(),
        OwnerCommand::Pause { scope: Scope::Shard { shard } } => {
            format!("phalanx owner pause --shard {shard}")
        }
        OwnerCommand::Resume { scope: Scope::Shard { shard } } => {
            format!("phalanx owner resume --shard {shard}")
        }
        // Names hold no quotes, and nothing else in these commands is text.
        other => format!("phalanx owner send '{}'", to_value(other)?),
    })
}

/// The owner's commands of the run, and templates for the next ones.
fn owner_script(
    seed: u64,
    label: &str,
    issued: &[Issued],
    receipts: &[Receipt],
    shards: &[ShardSpec],
) -> Result<Value, PlanetaryError> {
    let by_envelope: BTreeMap<_, _> = receipts
        .iter()
        .filter(|receipt| receipt.kind == ReceiptKind::OwnerCommand)
        .map(|receipt| (receipt.inputs, receipt))
        .collect();
    let mut commands = Vec::new();
    for issued in issued {
        let Some(receipt) = by_envelope.get(&issued.envelope) else {
            return Err(PlanetaryError::Broken(format!("the command {} has no receipt", issued.name)));
        };
        commands.push(json!({
            "name": issued.name,
            "why": issued.why,
            "at_ms": issued.at_ms,
            "command": issued.command,
            "run": run_line(&issued.command)?,
            "applied": {"beat": receipt.beat, "receipt": receipt.index, "hash": receipt.hash()},
        }));
    }
    let mut templates = Vec::new();
    for (name, command) in templates_for(shards) {
        templates.push(json!({"name": name, "command": command, "run": run_line(&command)?}));
    }
    Ok(json!({
        "schema": SCHEMA,
        "label": label,
        "seed": seed,
        "use": "each `run` line signs and sends its `command` with the owner's key; add --home FOLDER of a running node",
        "commands": commands,
        "templates": templates,
    }))
}

fn templates_for(shards: &[ShardSpec]) -> Vec<(String, OwnerCommand)> {
    let of = |shard: &Name| Scope::Shard { shard: shard.clone() };
    let mut templates = vec![
        ("pause_mesh".to_owned(), OwnerCommand::Pause { scope: Scope::Mesh }),
        ("resume_mesh".to_owned(), OwnerCommand::Resume { scope: Scope::Mesh }),
    ];
    for shard in shards {
        let name = &shard.name;
        templates.push((format!("pause_{name}"), OwnerCommand::Pause { scope: of(name) }));
        templates.push((format!("resume_{name}"), OwnerCommand::Resume { scope: of(name) }));
        templates.push((format!("budget_{name}"), OwnerCommand::SetShard { shard: shard.clone() }));
    }
    let weights = OptimisationWeights {
        performance_ppm: 400_000,
        cost_ppm: 200_000,
        reliability_ppm: 300_000,
        sustainability_ppm: 100_000,
    };
    templates.push(("optimisation".to_owned(), OwnerCommand::SetOptimisation { weights }));
    for (name, verification) in [
        ("verify_none", Verification::None),
        ("verify_a_tenth", Verification::Sample { fraction_ppm: 100_000 }),
        ("verify_all", Verification::FullAudit),
    ] {
        templates.push((name.to_owned(), OwnerCommand::SetVerification { verification }));
    }
    templates
}
