//! `phalanx proof export`.

use super::{keys::KeyArgs, onchain::circuit_key};
use crate::{
    files,
    home::Home,
    output::{Code, Failure, Format},
};
use anyhow::{Context, Result};
use phalanx_circuits::{
    catalog::AnyStatement,
    groth16::VerifyingKey,
    proof_file::{PROOF_FILE_BYTES_MAX, ProofFile, Wrong},
    r1cs::Circuit,
    snarkjs::{Calldata, key_to_json, proof_to_json, public_to_json},
};
use phalanx_governance::{Address, contracts::CircuitKey, safe::builder::BuilderFile};
use phalanx_types::Hash;
use serde_json::{Value, json};
use std::{
    fs,
    path::{Path, PathBuf},
    time::{SystemTime, UNIX_EPOCH},
};

/// What is exported.
#[derive(clap::Args)]
pub struct Args {
    /// For whom.
    #[arg(long, value_enum)]
    format: Target,
    /// The proof file.
    file: PathBuf,
    /// The folder to write to; nothing there is overwritten [default: the current one for
    /// snarkjs, else standard output].
    #[arg(long, value_name = "DIR")]
    out: Option<PathBuf>,
    /// The ProofVerifier, for safe.
    #[arg(long, value_name = "ADDRESS")]
    verifier: Option<Address>,
    /// Its chain, for safe.
    #[arg(long, value_name = "N")]
    chain_id: Option<u64>,
    #[command(flatten)]
    key: KeyArgs,
}

/// Who takes it.
#[derive(Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
enum Target {
    /// proof.json, public.json and verification_key.json.
    Snarkjs,
    /// The proof and its inputs, and the arguments of ProofVerifier.verify for `cast`.
    Calldata,
    /// The arguments of ProofVerifier.setKey for the key that the proof was made under.
    Solidity,
    /// The same call as a file of Safe's transaction builder, for `phalanx owner command batch
    /// --builder`.
    Safe,
}

/// Runs it.
pub fn run(home: &Home, format: Format, args: &Args) -> Result<Code> {
    let bytes = files::read(&args.file, PROOF_FILE_BYTES_MAX)?;
    let unreadable = |error: &dyn std::fmt::Display| {
        Failure::because(Code::Unreadable, format!("{}: {error}", args.file.display()))
    };
    let file = ProofFile::from_json(&bytes).map_err(|error| unreadable(&error))?;
    let proof = file.proof().map_err(|error| unreadable(&error))?;
    let circuit = super::circuit(file.circuit())?;
    let calldata = Calldata { inputs: file.inputs(), proof };
    match args.format {
        Target::Snarkjs => {
            let key = key(home, args, &file, &circuit)?;
            let folder = args.out.as_deref().unwrap_or(Path::new("."));
            let written = [
                ("proof.json", proof_to_json(&calldata.proof)),
                ("public.json", public_to_json(&calldata.inputs)),
                ("verification_key.json", key_to_json(key.raw())),
            ];
            write(format, folder, &written)
        }
        Target::Calldata => tell(format, args, "calldata.json", &verify_arguments(circuit.hash(), &calldata)),
        Target::Solidity => {
            let key = key(home, args, &file, &circuit)?;
            tell(format, args, "set_key.json", &set_key_arguments(file.circuit(), &key))
        }
        Target::Safe => {
            let key = key(home, args, &file, &circuit)?;
            let name = format!("set-key-{}.json", file.circuit());
            let text = builder_file(args, file.circuit(), &key)?;
            write(format, args.out.as_deref().unwrap_or(Path::new(".")), &[(&name, text)])
        }
    }
}

/// The key that the proof was made under.
fn key(home: &Home, args: &Args, file: &ProofFile, circuit: &Circuit<AnyStatement>) -> Result<VerifyingKey> {
    let key = args.key.verifying(home, circuit)?;
    let (expected, found) = (key.hash(), file.key_hash());
    if expected == found {
        Ok(key)
    } else {
        Err(Failure::because(Code::Wrong, Wrong::Key { expected, found }))
    }
}

fn list(words: &[Hash]) -> String {
    let words: Vec<String> = words.iter().map(|word| format!("0x{word}")).collect();
    format!("[{}]", words.join(","))
}

fn verify_arguments(circuit: Hash, calldata: &Calldata) -> Value {
    json!({
        "signature": "verify(bytes32,uint256[],uint256[8])",
        "arguments": [
            format!("0x{circuit}"), list(&calldata.input_words()), list(&calldata.proof_words()),
        ],
        "calldata": calldata.to_hex(),
    })
}

fn set_key_arguments(circuit: AnyStatement, key: &VerifyingKey) -> Value {
    let CircuitKey { circuit, transcript, places: [root, root_at, nullifier_at, context_at], points } =
        circuit_key(circuit, key);
    json!({
        "signature": "setKey(bytes32,bytes32,(uint8,uint8,uint8,uint8),bytes)",
        "arguments": [
            format!("0x{circuit}"), format!("0x{transcript}"),
            format!("({root},{root_at},{nullifier_at},{context_at})"),
            format!("0x{}", hex::encode(points)),
        ],
        "provenance": key.identity().provenance,
    })
}

/// The call of setKey as a file of Safe's transaction builder.
fn builder_file(args: &Args, circuit: AnyStatement, key: &VerifyingKey) -> Result<String> {
    let (Some(verifier), Some(chain_id)) = (args.verifier, args.chain_id) else {
        let reason = "name the contract and its chain: --verifier ADDRESS --chain-id N";
        return Err(Failure::because(Code::Unreadable, reason));
    };
    let provenance = key.identity().provenance;
    let file = BuilderFile {
        chain_id,
        safe: None,
        name: format!("key of {circuit}"),
        description: format!("sets the {provenance} key {} of {circuit}", key.hash()),
        calls: vec![circuit_key(circuit, key).call(verifier)],
        had_checksum: false,
    };
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    Ok(file.write(u64::try_from(now.as_millis()).unwrap_or(0)))
}

/// Prints a call, or writes it to a file of that name.
fn tell(format: Format, args: &Args, name: &str, call: &Value) -> Result<Code> {
    if let Some(folder) = &args.out {
        return write(format, folder, &[(name, format!("{call:#}"))]);
    }
    let text = || {
        let quoted = |argument: &Value| format!("  '{}'", argument.as_str().unwrap_or_default());
        let arguments: Vec<String> =
            call.get("arguments").and_then(Value::as_array).into_iter().flatten().map(quoted).collect();
        let signature = call.get("signature").and_then(Value::as_str).unwrap_or_default();
        format!("'{signature}' \\\n{}", arguments.join(" \\\n"))
    };
    format.print(text, call.clone());
    Ok(Code::Done)
}

fn write(format: Format, folder: &Path, written: &[(&str, String)]) -> Result<Code> {
    fs::create_dir_all(folder).with_context(|| format!("{} cannot be made", folder.display()))?;
    let paths: Vec<PathBuf> = written.iter().map(|(name, _)| folder.join(name)).collect();
    paths.iter().try_for_each(|path| files::check_new(path))?;
    for (path, (_, text)) in paths.iter().zip(written) {
        files::write_new(path, text.as_bytes())?;
    }
    format.print(
        || paths.iter().map(|path| format!("wrote {}\n", path.display())).collect(),
        json!({"files": paths}),
    );
    Ok(Code::Done)
}
