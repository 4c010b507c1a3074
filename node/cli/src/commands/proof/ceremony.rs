//! `phalanx proof r1cs` and `import-zkey`: a ceremony with snarkjs, out and in.

use super::keys::{KeysArgs, meaning, named};
use crate::{
    files,
    home::Home,
    output::{Code, Failure, Format},
};
use anyhow::Result;
use phalanx_circuits::{
    catalog::AnyStatement,
    iden3::{ZkeyError, r1cs_file, read_zkey},
};
use phalanx_types::Hash;
use serde_json::json;
use std::{
    io::{IsTerminal, Write},
    path::PathBuf,
};

/// Longest .zkey in bytes; that of `action-512` has about 130 MB.
const ZKEY_BYTES_MAX: usize = 512 << 20;
/// Longest transcript in bytes.
const TRANSCRIPT_BYTES_MAX: usize = 16 << 20;

/// Which circuit.
#[derive(clap::Args)]
pub struct R1csArgs {
    /// Its name, such as position-8.
    name: AnyStatement,
}

/// What a ceremony ended with.
#[derive(clap::Args)]
pub struct ImportArgs {
    /// The circuit, such as position-8.
    name: AnyStatement,
    /// The last .zkey.
    file: PathBuf,
    /// What was published about the ceremony. The keys carry its SHA3-256, so that who
    /// verifies can compare it.
    #[arg(long, value_name = "FILE")]
    transcript: PathBuf,
    /// Replaces keys for development. Keys of a ceremony are never replaced.
    #[arg(long)]
    force: bool,
    #[command(flatten)]
    keys: KeysArgs,
}

/// Writes the constraints.
pub fn r1cs(args: &R1csArgs) -> Result<Code> {
    let mut out = std::io::stdout().lock();
    if out.is_terminal() {
        return Err(Failure::because(
            Code::Unreadable,
            format!("an .r1cs file is binary: phalanx proof r1cs {0} > {0}.r1cs", args.name),
        ));
    }
    out.write_all(&r1cs_file(super::circuit(args.name)?.shape()))?;
    Ok(Code::Done)
}

/// Takes the keys over.
pub fn import(home: &Home, format: Format, args: &ImportArgs) -> Result<Code> {
    let keys = args.keys.folder(home);
    keys.check_free(args.name, args.force)?;
    let transcript = files::read(&args.transcript, TRANSCRIPT_BYTES_MAX)?;
    if transcript.len() > TRANSCRIPT_BYTES_MAX {
        let shown = args.transcript.display();
        let reason = format!("{shown} has more than {TRANSCRIPT_BYTES_MAX} bytes: is it the transcript?");
        return Err(Failure::because(Code::Unreadable, reason));
    }
    let circuit = super::circuit(args.name)?;
    let key = read_zkey(&files::read(&args.file, ZKEY_BYTES_MAX)?, &circuit).map_err(|error| {
        let code = match error {
            ZkeyError::OtherCircuit { .. } | ZkeyError::Section { .. } => Code::Wrong,
            ZkeyError::NoContribution | ZkeyError::Inconsistent { .. } => Code::Refused,
            ZkeyError::Malformed { .. } | ZkeyError::Key(_) => Code::Unreadable,
        };
        Failure::because(code, format!("{}: {error}", args.file.display()))
    })?;
    let key = key.with_transcript(Hash::sha3(&transcript));
    let (pk_bytes, vk_bytes) = keys.save(&key, args.name)?;
    let (provenance, key_hash) = (key.identity().provenance, key.verifying_key().hash());
    format.print(
        || {
            format!(
                "keys of {}\n  proving {pk_bytes} bytes, verifying {vk_bytes} bytes, in {}\n  verifying key {key_hash}\n  {}",
                named(&circuit),
                keys.path().display(),
                meaning(provenance),
            )
        },
        json!({
            "circuit": args.name, "circuit_hash": circuit.hash(), "key_hash": key_hash, "provenance": provenance,
            "pk_bytes": pk_bytes, "vk_bytes": vk_bytes, "folder": keys.path(),
        }),
    );
    Ok(Code::Done)
}
