//! Proofs, public inputs and keys as snarkjs and the chain take them.
//!
//! snarkjs ignores a wrong `nPublic`, a surplus point of `IC`, a missing `protocol`, a third
//! coordinate, and takes hexadecimal numbers. Nothing of that is taken here: a file
//! that is read is the file that would be written, but for white space, the order of
//! keys, and `vk_alphabeta_12`, which follows from the others and is not used.

mod chain;
mod digits;
mod json;

pub use chain::{Calldata, Places, chain_key};
pub use json::{
    key_from_json, key_to_json, proof_from_json, proof_to_json, public_from_json, public_to_json,
};

use crate::groth16::{KeyError, PointError};

/// Most bytes of a proof's JSON.
pub const PROOF_JSON_MAX: usize = 4 << 10;
/// Most bytes of the JSON of public inputs or of a key.
pub const JSON_MAX: usize = 64 << 10;

/// Why a file is refused.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum FormatError {
    /// Too long to be one.
    #[error("{what}: {found} bytes, at most {max} are read")]
    TooLong {
        /// What was read.
        what: &'static str,
        /// Most bytes.
        max: usize,
        /// Bytes that there are.
        found: usize,
    },
    /// Not of this form.
    #[error("{what}: {reason}")]
    Malformed {
        /// What was read.
        what: &'static str,
        /// What is wrong.
        reason: String,
    },
    /// A number that is none, or not the only way to write it.
    #[error("{what}: {reason}; write decimal digits without leading zeros, below the modulus")]
    Number {
        /// Which number.
        what: &'static str,
        /// What is wrong.
        reason: &'static str,
    },
    /// A point that is none.
    #[error("{what}: {source}")]
    Point {
        /// Which point.
        what: &'static str,
        /// What is wrong.
        source: PointError,
    },
    /// Another count than the circuit's.
    #[error("{what}: {found} where the circuit has {expected}")]
    Count {
        /// What is counted.
        what: &'static str,
        /// The circuit's.
        expected: usize,
        /// The file's.
        found: usize,
    },
    /// A key that no setup makes.
    #[error(transparent)]
    Key(#[from] KeyError),
}
