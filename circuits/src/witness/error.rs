//! What can be wrong with a witness.

use super::{FORMAT, WITNESS_BYTES_MAX};
use crate::{integrity::COUNT_MAX, json::Unread, native::RULES_MAX};

/// Why a witness file is refused. No message repeats a value of the file.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum WitnessError {
    /// Too long to be one.
    #[error("a witness file of {found} bytes; at most {WITNESS_BYTES_MAX} are read")]
    TooLong {
        /// Bytes that there are.
        found: usize,
    },
    /// Of another version.
    #[error("a witness file of format {found}, where {FORMAT} is read: use the release that the node runs")]
    Format {
        /// The file's.
        found: u16,
    },
    /// Not of this form.
    #[error("no witness file: {reason} at line {line} column {column}; fetch it from the node again")]
    Malformed {
        /// What is wrong.
        reason: String,
        /// The line, from 1.
        line: usize,
        /// The column, from 1.
        column: usize,
    },
    /// A place that the ball does not have.
    #[error("{of} is outside of the ball, or has fewer than 2 or more than 512 coordinates")]
    Place {
        /// Whose place.
        of: String,
    },
    /// Places of different dimensions.
    #[error("{found} coordinates beside a place of {expected}: all places of a witness have as many")]
    Dimensions {
        /// Coordinates of the agent's place.
        expected: usize,
        /// Coordinates of the other place.
        found: usize,
    },
    /// GPUs that no request and no worker has.
    #[error("GPUs out of their bounds")]
    Resources,
    /// A policy of too many rules.
    #[error("a policy of {found} rules; at most {RULES_MAX} are allowed")]
    Rules {
        /// How many there are.
        found: usize,
    },
    /// Too few beats for a proof, or too many.
    #[error("{found} beats; a proof spans 1 to {COUNT_MAX}: ask for receipts that are nearer to each other")]
    Beats {
        /// How many there are.
        found: usize,
    },
}

impl From<Unread> for WitnessError {
    fn from(unread: Unread) -> Self {
        match unread {
            Unread::TooLong { found } => Self::TooLong { found },
            Unread::Format { found } => Self::Format { found },
            Unread::Malformed(error) => {
                Self::Malformed { reason: reason(&error), line: error.line(), column: error.column() }
            }
        }
    }
}

/// What serde says, but for messages that quote a value.
fn reason(error: &serde_json::Error) -> String {
    const HARMLESS: [&str; 3] = ["missing field", "unknown field", "duplicate field"];
    let text = error.to_string();
    if error.is_data() && !HARMLESS.iter().any(|start| text.starts_with(start)) {
        "a value of another kind than its field has, or not in its one spelling".to_owned()
    } else {
        text.split(" at line ").next().unwrap_or_default().to_owned()
    }
}
