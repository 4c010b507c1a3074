//! `phalanx proof verify`.

use super::{
    coverage::{self, Coverage, Document},
    keys::KeyArgs,
    onchain::OnChainArgs,
    report::{self, Verdict},
    rule,
};
use crate::{
    files,
    home::Home,
    output::{Code, Failure, Format},
};
use anyhow::{Context, Result};
use phalanx_circuits::{
    catalog::AnyStatement,
    groth16::{PointError, Proof, Refused, Verifier},
    native::Fr,
    proof_file::{Openings, PROOF_FILE_BYTES_MAX, ProofFile, check_inputs},
    r1cs::{Circuit, Statement},
    snarkjs::{Calldata, FormatError, JSON_MAX, PROOF_JSON_MAX, proof_from_json, public_from_json},
};
use phalanx_types::Checkpoint;
use serde::Deserialize;
use std::{
    fs,
    path::{Path, PathBuf},
    time::Instant,
};

/// Longest checkpoint file in bytes.
const CHECKPOINT_BYTES_MAX: usize = 1 << 20;
/// Most proof files of one run.
const FILES_MAX: usize = 65_536;

/// What is verified, and against what.
#[derive(clap::Args)]
pub struct Args {
    /// Proof files; of a folder, all that end in .json.
    #[arg(value_name = "FILE|DIR", required_unless_present = "snarkjs")]
    files: Vec<PathBuf>,
    /// Verifies a proof that snarkjs made instead.
    #[arg(long, num_args = 2, value_names = ["PROOF.json", "PUBLIC.json"], conflicts_with = "files", requires = "circuit")]
    snarkjs: Vec<PathBuf>,
    /// The circuit of that proof, such as position-8.
    #[arg(long, value_name = "NAME", requires = "snarkjs")]
    circuit: Option<AnyStatement>,
    #[command(flatten)]
    key: KeyArgs,
    /// A checkpoint as `phalanx checkpoint show` or `export` prints it; may be repeated.
    /// Each proof must be about the root of one of them.
    #[arg(long = "checkpoint", value_name = "FILE")]
    checkpoints: Vec<PathBuf>,
    /// The owner's document of the policy that a folder's proofs are of: its rules must be the
    /// ones that are proven.
    #[arg(long, value_name = "FILE", conflicts_with = "snarkjs")]
    policy: Option<PathBuf>,
    /// The curvature that document's lengths are measured in [default: that of the mesh whose home
    /// this is, or 1].
    #[arg(long, value_name = "K", requires = "policy", allow_hyphen_values = true)]
    curvature: Option<f64>,
    #[command(flatten)]
    on_chain: OnChainArgs,
}

/// A proof that was read, and is to be checked.
struct Given {
    name: String,
    statement: AnyStatement,
    inputs: Vec<Fr>,
    proof: Result<Proof, PointError>,
    /// None of snarkjs, which tells nothing beside the inputs.
    file: Option<ProofFile>,
}

/// A proof to check, or why there is none.
type Found<T> = Result<T, Box<Verdict>>;

/// Runs it.
pub fn run(home: &Home, format: Format, args: &Args) -> Result<Code> {
    let began = Instant::now();
    let checkpoints = args.checkpoints.iter().map(|path| checkpoint(path)).collect::<Result<Vec<_>>>()?;
    let document = match args.policy.as_deref() {
        Some(path) => Some(Document::read(path, rule::curvature(home, args.curvature)?)?),
        None => None,
    };
    let mut verdicts = Vec::new();
    let mut given = Vec::new();
    let found = match (args.circuit, args.snarkjs.as_slice()) {
        (Some(statement), [proof, public]) => vec![of_snarkjs(statement, proof, public)],
        _ => listed(&args.files)?.into_iter().map(|path| path.and_then(|path| of_file(&path))).collect(),
    };
    for found in found {
        match found {
            Ok(one) => given.push(one),
            Err(verdict) => verdicts.push(*verdict),
        }
    }
    // One key and one batch a circuit.
    for statement in AnyStatement::all() {
        let (of_it, others) = given.into_iter().partition(|one: &Given| one.statement == statement);
        given = others;
        verdicts.extend(verify(home, &args.key, statement, of_it, &checkpoints)?);
    }
    verdicts.sort_by(|a, b| a.name.cmp(&b.name));
    args.on_chain.ask(home, &mut verdicts, &checkpoints);
    let mut coverage = Vec::new();
    if document.is_some() && !args.files.iter().any(|path| path.join(coverage::FILE).exists()) {
        let reason =
            format!("--policy is for a folder of `phalanx proof policy`, with its {}", coverage::FILE);
        return Err(Failure::because(Code::Unreadable, reason));
    }
    for folder in args.files.iter().filter(|path| path.is_dir()) {
        let of_folder =
            Coverage::of(folder).map_err(|e| Failure::because(Code::Unreadable, format!("{e:#}")))?;
        coverage.extend(of_folder.map(|of_folder| of_folder.findings(folder, &verdicts, document.as_ref())));
    }
    Ok(report::print(format, &verdicts, &coverage, &args.checkpoints, Some(began.elapsed())))
}

/// Verifies one proof file about a checkpoint.
pub fn one(home: &Home, key: &KeyArgs, path: &Path, checkpoint: &Checkpoint) -> Result<Verdict> {
    match of_file(path) {
        Ok(given) => {
            let checkpoints = std::slice::from_ref(checkpoint);
            let verdicts = verify(home, key, given.statement, vec![given], checkpoints)?;
            verdicts.into_iter().next().context("a proof has a verdict")
        }
        Err(verdict) => Ok(*verdict),
    }
}

/// Checks all proofs of a circuit.
fn verify(
    home: &Home,
    key: &KeyArgs,
    statement: AnyStatement,
    given: Vec<Given>,
    checkpoints: &[Checkpoint],
) -> Result<Vec<Verdict>> {
    if given.is_empty() {
        return Ok(Vec::new());
    }
    let circuit = super::circuit(statement)?;
    let verifier = match key.verifying(home, &circuit) {
        Ok(key) => Verifier::new(key),
        Err(error) => {
            let code = Failure::code_of(&error);
            let refused = |one: Given| Verdict::refused(one.name, code, format!("{error:#}"));
            return Ok(given.into_iter().map(refused).collect());
        }
    };
    let mut verdicts = Vec::new();
    let mut proofs = Vec::new();
    for one in given {
        let (verdict, proof) = check(one, &circuit, &verifier, checkpoints);
        verdicts.push(verdict);
        proofs.extend(proof);
    }
    // Those that were refused already have no proof here.
    let mut results = verifier.verify_each(&proofs).into_iter();
    for verdict in verdicts.iter_mut().filter(|verdict| verdict.code == Code::Done) {
        if let Err(error) = results.next().unwrap_or(Err(Refused::Invalid)) {
            verdict.refuse(Code::Refused, error.to_string());
        }
    }
    Ok(verdicts)
}

/// Checks all but the proof itself; gives it when the rest is in order.
fn check(
    one: Given,
    circuit: &Circuit<AnyStatement>,
    verifier: &Verifier,
    checkpoints: &[Checkpoint],
) -> (Verdict, Option<(Vec<Fr>, Proof)>) {
    let mut verdict = Verdict::of(one.name, circuit, verifier.key());
    let checked = match &one.file {
        Some(file) => {
            verdict.openings = Some(file.openings().clone());
            file.check(circuit, verifier.key(), checkpoints)
        }
        None => check_inputs(circuit.statement(), &one.inputs, &Openings::default(), checkpoints),
    };
    match (checked, one.proof) {
        (Err(error), _) => verdict.refuse(Code::Wrong, error.to_string()),
        (Ok(_), Err(error)) => verdict.refuse(Code::Refused, format!("the proof is none: {error}")),
        (Ok(checked), Ok(proof)) => {
            verdict.inputs = checked;
            verdict.calldata = Some(Calldata { inputs: one.inputs.clone(), proof: proof.clone() });
            return (verdict, Some((one.inputs, proof)));
        }
    }
    (verdict, None)
}

/// The files that are meant; a verdict in place of a folder without any.
fn listed(given: &[PathBuf]) -> Result<Vec<Found<PathBuf>>> {
    let mut files = Vec::new();
    for path in given {
        if !path.is_dir() {
            files.push(Ok(path.clone()));
            continue;
        }
        let unreadable =
            |reason| Err(Verdict::refused(path.display().to_string(), Code::Unreadable, reason).into());
        match files_of(path) {
            Ok(inside) if inside.is_empty() => {
                files.push(unreadable("there is no .json file in it".to_owned()))
            }
            Ok(inside) => files.extend(inside.into_iter().map(Ok)),
            Err(error) => files.push(unreadable(format!("it cannot be read: {error}"))),
        }
    }
    if files.len() > FILES_MAX {
        let reason = format!("{} files; at most {FILES_MAX} are verified at once", files.len());
        return Err(Failure::because(Code::Unreadable, reason));
    }
    Ok(files)
}

/// The files of a folder that end in .json.
fn files_of(folder: &Path) -> std::io::Result<Vec<PathBuf>> {
    let mut inside: Vec<PathBuf> =
        fs::read_dir(folder)?.map(|entry| Ok(entry?.path())).collect::<std::io::Result<_>>()?;
    inside.retain(|path| path.extension().is_some_and(|extension| extension == "json"));
    inside.retain(|path| path.file_name().is_some_and(|name| name != coverage::FILE));
    Ok(inside)
}

fn of_file(path: &Path) -> Found<Given> {
    let name = path.display().to_string();
    let read = files::read(path, PROOF_FILE_BYTES_MAX)
        .and_then(|bytes| ProofFile::from_json(&bytes).map_err(|e| Failure::because(Code::Unreadable, e)));
    match read {
        Ok(file) => Ok(Given {
            name,
            statement: file.circuit(),
            inputs: file.inputs(),
            proof: file.proof(),
            file: Some(file),
        }),
        Err(error) => Err(Verdict::refused(name, Code::Unreadable, format!("{error:#}")).into()),
    }
}

fn of_snarkjs(statement: AnyStatement, proof: &Path, public: &Path) -> Found<Given> {
    let name = proof.display().to_string();
    let read = || -> Result<(Vec<Fr>, Proof)> {
        let refused = |error: FormatError| {
            // As in proof files, a proof whose points are none is read, and not valid.
            let is_none = matches!(error, FormatError::Point { .. });
            Failure::because(if is_none { Code::Refused } else { Code::Unreadable }, error)
        };
        let inputs = public_from_json(&files::read(public, JSON_MAX)?, statement.inputs().len());
        let proof = proof_from_json(&files::read(proof, PROOF_JSON_MAX)?);
        Ok((inputs.map_err(refused)?, proof.map_err(refused)?))
    };
    match read() {
        Ok((inputs, proof)) => Ok(Given { name, statement, inputs, proof: Ok(proof), file: None }),
        Err(error) => Err(Verdict::refused(name, Failure::code_of(&error), format!("{error:#}")).into()),
    }
}

/// A checkpoint, alone or as a node prints it.
pub fn checkpoint(path: &Path) -> Result<Checkpoint> {
    #[derive(Deserialize)]
    struct Printed {
        checkpoint: Checkpoint,
    }
    let bytes = files::read(path, CHECKPOINT_BYTES_MAX)?;
    let read = serde_json::from_slice::<Printed>(&bytes).map(|printed| printed.checkpoint);
    read.or_else(|_| serde_json::from_slice(&bytes)).map_err(|error| {
        Failure::because(Code::Unreadable, format!("{} is no checkpoint: {error}", path.display()))
    })
}
