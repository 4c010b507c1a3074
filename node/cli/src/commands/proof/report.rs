//! What a verification tells.

use super::{coverage::Findings, keys::meaning};
use crate::output::{Code, Format};
use phalanx_circuits::{
    catalog::AnyStatement,
    groth16::{Provenance, VerifyingKey},
    native::{Fr, bytes_of},
    proof_file::{Basis, CheckedInput, Openings},
    r1cs::{Circuit, Statement},
    snarkjs::Calldata,
};
use phalanx_types::{Hash, units::CheckpointNumber};
use serde::Serialize;
use serde_json::json;
use std::{collections::BTreeSet, fmt::Write, path::PathBuf, time::Duration};

/// The worst of several codes is the one that comes first: what was checked and is false
/// outweighs what is about something else, and that what could not be checked.
const WORST_FIRST: [Code; 4] = [Code::Refused, Code::Wrong, Code::Unreadable, Code::Unavailable];

/// What became of one proof.
#[derive(Serialize)]
pub struct Verdict {
    /// The file.
    #[serde(rename = "file")]
    pub name: String,
    /// How it ended.
    #[serde(serialize_with = "number")]
    pub code: Code,
    /// Why it is not valid.
    reason: Option<String>,
    /// What it was checked with; none when it did not come to that.
    trusted: Option<Trusted>,
    /// The public inputs; none unless all of them are in order.
    pub inputs: Vec<CheckedInput>,
    /// What the file tells beside them.
    pub openings: Option<Openings>,
    /// What the contract has said, when it was asked and takes the proof.
    pub on_chain: Option<OnChain>,
    /// What it is asked with.
    #[serde(skip)]
    pub calldata: Option<Calldata>,
    /// The verifier's key.
    #[serde(skip)]
    pub key: Option<(AnyStatement, VerifyingKey)>,
}

/// A proof that a contract takes.
#[derive(Serialize)]
pub struct OnChain {
    /// At which block.
    pub block: u64,
    /// The checkpoint under whose root it was held, which is anchored.
    pub anchored: Option<CheckpointNumber>,
}

/// The verifier's own circuit and key.
#[derive(Serialize)]
struct Trusted {
    circuit: AnyStatement,
    circuit_hash: Hash,
    key_hash: Hash,
    provenance: Provenance,
    caveats: &'static [&'static str],
}

fn number<S: serde::Serializer>(code: &Code, s: S) -> Result<S::Ok, S::Error> {
    s.serialize_u8(*code as u8)
}

impl OnChain {
    fn words(&self) -> String {
        let block = self.block;
        match self.anchored {
            Some(number) => format!(", on chain at block {block} under the anchored checkpoint {number}"),
            None => format!(", on chain at block {block}, its root not held against an anchor"),
        }
    }
}

impl Trusted {
    /// The key and where it comes from.
    fn key(&self) -> String {
        format!("key of {} {} {}", self.circuit, self.key_hash, meaning(self.provenance))
    }
}

impl Verdict {
    /// Valid, unless something else is found.
    pub fn of(name: String, circuit: &Circuit<AnyStatement>, key: &VerifyingKey) -> Self {
        let trusted = Trusted {
            circuit: *circuit.statement(),
            circuit_hash: circuit.hash(),
            key_hash: key.hash(),
            provenance: key.identity().provenance,
            caveats: circuit.statement().caveats(),
        };
        Self {
            name,
            code: Code::Done,
            reason: None,
            trusted: Some(trusted),
            inputs: Vec::new(),
            openings: None,
            on_chain: None,
            calldata: None,
            key: Some((*circuit.statement(), key.clone())),
        }
    }

    /// Not checked at all.
    pub fn refused(name: String, code: Code, reason: String) -> Self {
        Self {
            name,
            code,
            reason: Some(reason),
            trusted: None,
            inputs: Vec::new(),
            openings: None,
            on_chain: None,
            calldata: None,
            key: None,
        }
    }

    /// Makes it not valid.
    pub fn refuse(&mut self, code: Code, reason: String) {
        (self.code, self.reason) = (code, Some(reason));
    }

    /// A public input as 64 hex digits, once it was checked.
    pub fn input(&self, name: &str) -> Option<String> {
        let input = self.inputs.iter().find(|input| input.name == name)?;
        Some(bytes_of(input.value).to_string())
    }

    /// One line.
    fn line(&self) -> String {
        match (&self.reason, &self.trusted) {
            (Some(reason), _) => {
                let word = match self.code {
                    Code::Unreadable => "unreadable",
                    Code::Unavailable => "not checked",
                    _ => "not valid",
                };
                format!("{word}: {}: {reason}", self.name)
            }
            (None, Some(trusted)) => {
                let on_chain = self.on_chain.as_ref().map(OnChain::words).unwrap_or_default();
                format!("valid: {} ({}, {}{on_chain})", self.name, trusted.circuit, trusted.provenance)
            }
            (None, None) => format!("valid: {}", self.name),
        }
    }

    /// All of it.
    fn details(&self) -> String {
        let mut text = self.line() + "\n";
        if let Some(trusted) = &self.trusted {
            let _ =
                writeln!(text, "  circuit {} {}\n  {}", trusted.circuit, trusted.circuit_hash, trusted.key());
        }
        for input in &self.inputs {
            let _ = writeln!(
                text,
                "  {:<11} {}\n  {:11} {}: {}",
                input.name,
                value(input.value),
                "",
                basis(input.basis),
                input.meaning
            );
        }
        text + &self.opened()
    }

    /// Each public input in a line, and what it rests on.
    fn values(&self) -> String {
        let mut text = String::new();
        for input in &self.inputs {
            let _ = writeln!(text, "    {:<11} {} ({})", input.name, value(input.value), basis(input.basis));
        }
        text
    }

    /// What the inputs were recomputed from.
    fn opened(&self) -> String {
        let mut text = String::new();
        let Some(openings) = &self.openings else { return text };
        if let Some(region) = &openings.region {
            let place: Vec<String> = region.center.0.iter().map(ToString::to_string).collect();
            let _ = writeln!(text, "  the region's centre, in units of 2^-40: {}", place.join(" "));
            if let Some(rule) = &region.rule {
                let _ = writeln!(text, "  the prover calls the rule {rule}");
            }
        }
        if let Some(context) = &openings.context {
            let contract = phalanx_governance::Address(context.contract);
            let _ = writeln!(
                text,
                "  made for: chain {}, contract {contract}, purpose {:?}",
                context.chain_id, context.purpose
            );
        }
        if let Some(number) = openings.checkpoint {
            let _ = writeln!(text, "  about checkpoint {number}, as the prover says");
        }
        text
    }
}

/// What a public input rests on.
fn basis(basis: Basis) -> String {
    match basis {
        Basis::Recomputed => "recomputed".to_owned(),
        Basis::Compared(number) => format!("that of checkpoint {number}"),
        Basis::Stated => "as stated".to_owned(),
    }
}

/// What the public inputs of each circuit mean, once.
fn meanings(verdicts: &[Verdict]) -> String {
    let mut told = BTreeSet::new();
    let mut text = String::new();
    for verdict in verdicts {
        let Some(trusted) = verdict.trusted.as_ref().filter(|_| !verdict.inputs.is_empty()) else { continue };
        if told.insert(trusted.circuit_hash) {
            let _ = writeln!(text, "  public inputs of {} {}", trusted.circuit, trusted.circuit_hash);
            for input in &verdict.inputs {
                let _ = writeln!(text, "    {:<11} {}", input.name, input.meaning);
            }
        }
    }
    text
}

/// A number as people read it: in digits when it has at most 128 bits, else as 32 bytes.
fn value(element: Fr) -> String {
    let bytes = bytes_of(element);
    match bytes.0.split_first_chunk::<16>() {
        Some(([0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0], low)) => {
            low.iter().fold(0_u128, |sum, byte| sum << 8 | u128::from(*byte)).to_string()
        }
        _ => format!("0x{bytes}"),
    }
}

/// Prints all verdicts; the exit code of the worst.
pub fn print(
    format: Format,
    verdicts: &[Verdict],
    coverage: &[Findings],
    checkpoints: &[PathBuf],
    took: Option<Duration>,
) -> Code {
    let worst = WORST_FIRST.into_iter().find(|code| verdicts.iter().any(|verdict| verdict.code == *code));
    let is_covered = coverage.iter().all(Findings::is_whole);
    let code = worst.unwrap_or(if is_covered { Code::Done } else { Code::Refused });
    let valid = verdicts.iter().filter(|verdict| verdict.code == Code::Done).count();
    let text = || {
        let mut text = match verdicts {
            [one] => one.details(),
            many => {
                let lines: String =
                    many.iter().map(|verdict| verdict.line() + "\n" + &verdict.values()).collect();
                format!("{lines}{valid} of {} are valid\n{}", many.len(), meanings(many))
            }
        };
        if let Some(took) = took {
            let _ = writeln!(text, "  checked in {:.2} s, with the keys read", took.as_secs_f64());
        }
        coverage.iter().for_each(|findings| text.push_str(&findings.words()));
        for path in checkpoints {
            let shown = path.display();
            let _ = writeln!(text, "  {shown} was taken as genuine: `phalanx checkpoint verify` checks it");
        }
        let trusted = || verdicts.iter().filter_map(|verdict| verdict.trusted.as_ref());
        let keys = trusted().filter(|_| verdicts.len() > 1).map(Trusted::key);
        let caveats = trusted().flat_map(|trusted| trusted.caveats).map(|caveat| format!("caveat: {caveat}"));
        let mut told = Vec::new();
        for line in keys.chain(caveats) {
            if !told.contains(&line) {
                let _ = writeln!(text, "  {line}");
                told.push(line);
            }
        }
        text
    };
    format.print(
        text,
        json!({
            "is_valid": code == Code::Done, "valid": valid, "proofs": verdicts, "coverage": coverage,
            "checkpoints": checkpoints,
        }),
    );
    code
}
