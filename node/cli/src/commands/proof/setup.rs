//! `phalanx proof setup`.

use super::keys::KeysArgs;
use crate::{
    home::Home,
    output::{Code, Format, table},
};
use anyhow::Result;
use indicatif::ProgressBar;
use phalanx_circuits::{catalog::AnyStatement, groth16::setup_dev};
use serde_json::{Value, json};
use std::time::{Duration, Instant};

/// Circuits that keys are made for unless others are named: those of a mesh of so many
/// dimensions.
fn usual(dimension: u16) -> [String; 3] {
    [format!("position-{dimension}"), format!("action-{dimension}"), "integrity".to_owned()]
}

/// What is made.
#[derive(clap::Args)]
pub struct Args {
    /// Says that you know that these keys are for development only.
    #[arg(long, required = true)]
    dev: bool,
    /// A circuit; may be repeated [default: position-N, action-N, integrity, where N is the
    /// dimension of the mesh whose home this is, or 8].
    #[arg(long = "circuit", value_name = "NAME")]
    circuits: Vec<AnyStatement>,
    /// Replaces keys for development. Keys of a ceremony are never replaced.
    #[arg(long)]
    force: bool,
    #[command(flatten)]
    keys: KeysArgs,
}

/// Runs it.
pub fn run(home: &Home, format: Format, args: Args) -> Result<Code> {
    let keys = args.keys.folder(home);
    let mut statements = args.circuits;
    if statements.is_empty() {
        let dimension = home.params()?.dimension;
        statements = usual(dimension).iter().map(|name| name.parse()).collect::<Result<_, _>>()?;
    }
    for statement in &statements {
        keys.check_free(*statement, args.force)?;
    }
    let bar = ProgressBar::new_spinner();
    bar.enable_steady_tick(Duration::from_millis(100));
    let mut rows = Vec::new();
    for statement in statements {
        bar.set_message(format!("keys of {statement}"));
        let begin = Instant::now();
        let circuit = super::circuit(statement)?;
        let key = setup_dev(&circuit, &*super::entropy()?)?;
        let (pk_bytes, vk_bytes) = keys.save(&key, statement)?;
        rows.push(json!({
            "circuit": statement, "constraints": circuit.shape().constraints(), "pk_bytes": pk_bytes,
            "vk_bytes": vk_bytes, "seconds": format!("{:.1}", begin.elapsed().as_secs_f64()),
            "provenance": key.identity().provenance, "circuit_hash": circuit.hash(),
            "key_hash": key.verifying_key().hash(),
        }));
    }
    bar.finish_and_clear();
    let rows = Value::from(rows);
    let text = || {
        let fields = ["circuit", "constraints", "pk_bytes", "vk_bytes", "seconds", "provenance"];
        let hashes = rows.as_array().into_iter().flatten().map(|row| {
            let text = |field| row.get(field).and_then(Value::as_str).unwrap_or_default();
            format!("  {} verifying key {}\n", text("circuit"), text("key_hash"))
        });
        format!(
            "{}\n\n{}in {}\n\nDEV: this machine has made the secret numbers behind these keys and dropped them. \
             Whoever kept them could\nforge any proof, so nobody but you should trust proofs under these keys. For \
             keys that others\ncan trust, run a ceremony: `phalanx proof r1cs`, snarkjs, `phalanx proof import-zkey`.",
            table(&rows, &fields),
            hashes.collect::<String>(),
            keys.path().display(),
        )
    };
    format.print(text, json!({"keys": rows, "folder": keys.path()}));
    Ok(Code::Done)
}
