//! What can be wrong with proof files.

use super::{FORMAT, PROOF_FILE_BYTES_MAX, PURPOSE_LEN_MAX};
use crate::{catalog::AnyStatement, groth16::Provenance, json::Unread, native};
use phalanx_types::{Hash, units::CheckpointNumber};

/// Why a file is not read.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ProofFileError {
    /// Too long to be one.
    #[error("a proof file of {found} bytes; at most {PROOF_FILE_BYTES_MAX} are read")]
    TooLong {
        /// Bytes that there are.
        found: usize,
    },
    /// Of another version.
    #[error(
        "a proof file of format {found}, where {FORMAT} is read: verify it with the release that made it"
    )]
    Format {
        /// The file's.
        found: u16,
    },
    /// Not of this form.
    #[error("no proof file: {reason}")]
    Malformed {
        /// What is wrong, and where.
        reason: String,
    },
    /// Not the inputs of the circuit.
    #[error("its public inputs are not those of {circuit}, or not in its order")]
    Inputs {
        /// The circuit.
        circuit: AnyStatement,
    },
    /// An opening that is missing, or one too many.
    #[error("a proof of {circuit} {} the opening {opening:?}", if *is_needed { "needs" } else { "has no use for" })]
    Opening {
        /// The circuit.
        circuit: AnyStatement,
        /// Which one.
        opening: &'static str,
        /// Whether it is missing.
        is_needed: bool,
    },
    /// A region's centre that the circuit does not have.
    #[error("the region's centre is no place of the ball of {circuit}")]
    Center {
        /// The circuit.
        circuit: AnyStatement,
    },
    /// A purpose that is too long.
    #[error("a purpose of {found} bytes; at most {PURPOSE_LEN_MAX} are allowed")]
    Purpose {
        /// Its bytes.
        found: usize,
    },
}

impl From<Unread> for ProofFileError {
    fn from(unread: Unread) -> Self {
        match unread {
            Unread::TooLong { found } => Self::TooLong { found },
            Unread::Format { found } => Self::Format { found },
            Unread::Malformed(error) => Self::Malformed { reason: error.to_string() },
        }
    }
}

/// Why a file is not about what it is held against: another key, or other inputs.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Wrong {
    /// The circuit is another one.
    #[error("made for {name} {found}, where {name} is {expected} here: use the release that made it")]
    Circuit {
        /// The file's circuit.
        name: AnyStatement,
        /// The hash of the verifier's circuit.
        expected: Hash,
        /// The file's.
        found: Hash,
    },
    /// The key is another one.
    #[error("made under the key {found}, where {expected} is here: verify it with its own key")]
    Key {
        /// Hash of the verifier's key.
        expected: Hash,
        /// The file's.
        found: Hash,
    },
    /// The key comes from elsewhere than the file says.
    #[error("it says that its key is {found}, but the key is {expected}")]
    Provenance {
        /// The key's.
        expected: Provenance,
        /// The file's.
        found: Provenance,
    },
    /// The region's centre is none.
    #[error("the region's centre: {0}")]
    Center(#[source] native::Error),
    /// An input is not the hash of what it is said to be of.
    #[error("{input} is {found}, but what the file says it is made of gives {expected}")]
    Input {
        /// The input.
        input: &'static str,
        /// What was recomputed.
        expected: Hash,
        /// The file's.
        found: Hash,
    },
    /// The root is not the checkpoint's.
    #[error("its root is {found}, where checkpoint {checkpoint} has {expected}")]
    Root {
        /// The checkpoint.
        checkpoint: CheckpointNumber,
        /// The checkpoint's root.
        expected: Hash,
        /// The file's.
        found: Hash,
    },
    /// The checkpoint that is meant was not given.
    #[error("it is about checkpoint {meant}, which is not among those given")]
    Checkpoint {
        /// The one that the file names.
        meant: CheckpointNumber,
    },
}
