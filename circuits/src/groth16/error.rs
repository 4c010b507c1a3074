//! What can be wrong with keys, proofs and points.

use crate::r1cs::Broken;
use phalanx_types::Hash;

/// Why bytes or digits are no point of a group.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum PointError {
    /// A coordinate is the modulus or more.
    #[error("a coordinate is not below the base field's modulus")]
    Coordinate,
    /// The equation of the curve does not hold.
    #[error("the point is not on the curve")]
    NotOnCurve,
    /// It is on the curve, but not of the group.
    #[error("the point is on the curve but outside of the subgroup; are c0 and c1 swapped?")]
    NotInSubgroup,
    /// The point at infinity, which no honest key or proof has there.
    #[error("the point at infinity is not allowed here")]
    Infinity,
}

/// Why there is no key.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum KeyError {
    /// The file has another size than such a key has.
    #[error(
        "a key of {found} bytes, where one of {circuit} has {expected}: it is cut off, or of another circuit"
    )]
    Length {
        /// The circuit.
        circuit: String,
        /// Bytes that its key has.
        expected: usize,
        /// Bytes that there are.
        found: usize,
    },
    /// Not a key file, or one of a newer format.
    #[error("not a phalanx {what} of format {format}; make one with `phalanx proof setup`")]
    Format {
        /// Which key was expected.
        what: &'static str,
        /// The format that is read here.
        format: u16,
    },
    /// The digest at the end does not match, or the file ends within its header.
    #[error("the key file is damaged or cut off: copy it again")]
    Damaged,
    /// The key is of another circuit.
    #[error(
        "a key of the circuit {found} ({found_hash}), where {expected} ({expected_hash}) is expected: \
         use the key that was made for this circuit"
    )]
    OtherCircuit {
        /// The circuit's name.
        expected: String,
        /// The circuit's hash.
        expected_hash: Hash,
        /// The key's circuit.
        found: String,
        /// The hash of the key's circuit.
        found_hash: Hash,
    },
    /// Phase 2 of the ceremony was left out: everybody can forge proofs under such a key.
    #[error("gamma is delta: phase 2 of its ceremony was left out, so that everybody can forge with it")]
    GammaIsDelta,
    /// The key has another number of public inputs than the circuit.
    #[error(
        "a key for {found} public inputs and the constant, where {circuit} has {expected}: it is of another circuit"
    )]
    Inputs {
        /// The circuit.
        circuit: String,
        /// Its inputs and the constant one.
        expected: usize,
        /// The key's.
        found: usize,
    },
    /// A point is none.
    #[error("point {index} of {part}: {source}")]
    Point {
        /// The part of the key.
        part: &'static str,
        /// The point's place there.
        index: usize,
        /// What is wrong with it.
        source: PointError,
    },
    /// Setup could not be done.
    #[error("setup failed: {reason}")]
    Setup {
        /// Why.
        reason: String,
    },
}

/// Why there is no proof.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ProveError {
    /// What should be proven does not hold.
    #[error(transparent)]
    Broken(#[from] Broken),
    /// The prover failed.
    #[error("the prover failed: {reason}")]
    Prover {
        /// Why.
        reason: String,
    },
    /// The proof that was made does not verify: the key is wrong, though not by its header.
    #[error("the proof does not verify under its own key: the proving key is damaged; make or copy it again")]
    Key,
}

/// Why a proof is refused.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Refused {
    /// Another number of public inputs than the key has.
    #[error("{found} public inputs, where the key has {expected}")]
    Inputs {
        /// The key's.
        expected: usize,
        /// The proof's.
        found: usize,
    },
    /// The equation does not hold.
    #[error("the proof is not valid for these public inputs and this key")]
    Invalid,
}
