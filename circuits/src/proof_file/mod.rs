//! Proof files: a proof, its public inputs by name, and what these are hashes of.
//!
//! ```json
//! {
//!   "format": 1,
//!   "circuit": "position-8", "circuit_hash": "…",
//!   "key_hash": "…", "provenance": "DEV",
//!   "inputs": [{"name": "agents_root", "value": "0x…"}, …],
//!   "proof": "0x…",
//!   "openings": {
//!     "checkpoint": "7",
//!     "region": {"center": [0, …], "rule": "zones/near"},
//!     "context": {"chain_id": "0", "contract": "0x…", "purpose": "phalanx"}
//!   }
//! }
//! ```
//!
//! Hashes are hex, inputs 32 bytes and the proof 256 bytes as the chain takes them, a
//! centre's coordinates have 40 fractional bits. `provenance` is `"DEV"` or
//! `{"CEREMONY": {"transcript": "…"}}`. Nothing in a file is secret. Nothing in it is
//! trusted either: the key and the circuit are the verifier's own, and [`ProofFile::check`]
//! recomputes what it can before the proof itself is verified.

mod check;
mod error;
mod opening;

pub use check::{Basis, CheckedInput, check_inputs};
pub use error::{ProofFileError, Wrong};
pub use opening::{Context, Openings, PURPOSE_DEFAULT, PURPOSE_LEN_MAX, Region};

use crate::{
    catalog::AnyStatement,
    groth16::{PointError, Proof, Provenance, VerifyingKey},
    json::{self, element},
    native::Fr,
    r1cs::{Circuit, Statement},
};
use phalanx_types::{Checkpoint, Hash};
use serde::{Deserialize, Serialize};

/// The format that is read and written here.
pub const FORMAT: u16 = 1;
/// Most bytes of a file: a centre of 512 coordinates takes half of them.
pub const PROOF_FILE_BYTES_MAX: usize = 32 << 10;

/// A proof file, of which only the form is checked.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ProofFile {
    format: u16,
    circuit: AnyStatement,
    circuit_hash: Hash,
    key_hash: Hash,
    provenance: Provenance,
    inputs: Vec<NamedInput>,
    #[serde(with = "json::bytes")]
    proof: [u8; Proof::LEN],
    openings: Openings,
}

/// A public input.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct NamedInput {
    name: String,
    #[serde(with = "element")]
    value: Fr,
}

impl ProofFile {
    /// A proof under a key of that circuit.
    pub(crate) fn new(
        circuit: AnyStatement,
        key: &VerifyingKey,
        inputs: &[Fr],
        proof: &Proof,
        openings: Openings,
    ) -> Self {
        let named = circuit.inputs().iter().zip(inputs);
        let mut bytes = [0; Proof::LEN];
        bytes.copy_from_slice(&proof.to_bytes());
        Self {
            format: FORMAT,
            circuit,
            circuit_hash: key.identity().circuit_hash,
            key_hash: key.hash(),
            provenance: key.identity().provenance,
            inputs: named
                .map(|(input, value)| NamedInput { name: input.name.to_owned(), value: *value })
                .collect(),
            proof: bytes,
            openings,
        }
    }

    /// The file.
    #[must_use]
    pub fn to_json(&self) -> String {
        let text = serde_json::to_string_pretty(self);
        debug_assert!(text.is_ok(), "text, numbers and lists can be written");
        text.unwrap_or_default()
    }

    /// Reads a file.
    ///
    /// # Errors
    /// When it is too long, of another format or form, names a circuit that is not there,
    /// or has not the inputs and openings of its circuit.
    pub fn from_json(bytes: &[u8]) -> Result<Self, ProofFileError> {
        let file: Self = json::read(bytes, PROOF_FILE_BYTES_MAX, FORMAT)?;
        file.check_form()?;
        Ok(file)
    }

    fn check_form(&self) -> Result<(), ProofFileError> {
        let circuit = self.circuit;
        let expected = circuit.inputs().iter().map(|input| input.name);
        if !expected.eq(self.inputs.iter().map(|input| input.name.as_str())) {
            return Err(ProofFileError::Inputs { circuit });
        }
        let Openings { checkpoint, region, context } = &self.openings;
        for (opening, is_there, is_needed) in [
            ("checkpoint", checkpoint.is_some(), true),
            ("region", region.is_some(), circuit.place("region").is_some()),
            ("context", context.is_some(), circuit.place("context").is_some()),
        ] {
            if is_there != is_needed {
                return Err(ProofFileError::Opening { circuit, opening, is_needed });
            }
        }
        if region.as_ref().is_some_and(|region| {
            Some(region.center.0.len()) != circuit.dimension() || !region.center.is_valid()
        }) {
            return Err(ProofFileError::Center { circuit });
        }
        match context.as_ref().map(|context| context.purpose.len()) {
            Some(found) if found > PURPOSE_LEN_MAX => Err(ProofFileError::Purpose { found }),
            _ => Ok(()),
        }
    }

    /// Holds the file against a circuit and a key of it, recomputes the inputs that are
    /// opened, and compares the root where checkpoints are given. The proof itself is left
    /// to [`Verifier`](crate::groth16::Verifier).
    ///
    /// # Errors
    /// The first thing that is not what it should be.
    pub fn check(
        &self,
        circuit: &Circuit<AnyStatement>,
        key: &VerifyingKey,
        checkpoints: &[Checkpoint],
    ) -> Result<Vec<CheckedInput>, Wrong> {
        if (self.circuit, self.circuit_hash) != (*circuit.statement(), circuit.hash()) {
            return Err(Wrong::Circuit {
                name: self.circuit,
                expected: circuit.hash(),
                found: self.circuit_hash,
            });
        }
        let (expected, found) = (key.hash(), self.key_hash);
        if expected != found {
            return Err(Wrong::Key { expected, found });
        }
        if self.provenance != key.identity().provenance {
            return Err(Wrong::Provenance { expected: key.identity().provenance, found: self.provenance });
        }
        check_inputs(&self.circuit, &self.inputs(), &self.openings, checkpoints)
    }

    /// The circuit.
    #[must_use]
    pub fn circuit(&self) -> AnyStatement {
        self.circuit
    }

    /// SHA3-256 of the verifying key's file, as the prover says.
    #[must_use]
    pub fn key_hash(&self) -> Hash {
        self.key_hash
    }

    /// The public inputs, in the circuit's order.
    #[must_use]
    pub fn inputs(&self) -> Vec<Fr> {
        self.inputs.iter().map(|input| input.value).collect()
    }

    /// What is told in the clear.
    #[must_use]
    pub fn openings(&self) -> &Openings {
        &self.openings
    }

    /// The proof.
    ///
    /// # Errors
    /// When its bytes are no points of their groups: it is not valid.
    pub fn proof(&self) -> Result<Proof, PointError> {
        Proof::from_bytes(&self.proof)
    }
}
