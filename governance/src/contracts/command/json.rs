//! Commands as people write them.

use super::{ChainCommand, ProposedValidator, Registration};
use crate::{address::Address, digest::SetEntry};
use phalanx_types::{Name, PublicKey};
use serde::{Deserialize, Serialize};
use serde_json::Value;

/// Longest file of commands in bytes: a set of 128 validators, ten times.
pub const COMMANDS_BYTES_MAX: usize = 1 << 20;

/// A validator of a proposed set, flat.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Proposed {
    label: Name,
    region: Name,
    network_key: PublicKey,
    vote_key: PublicKey,
    account: Address,
    weight: u32,
    /// Absent: it is in the set already.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    registration: Option<Registration>,
}

impl From<Proposed> for ProposedValidator {
    fn from(flat: Proposed) -> Self {
        let Proposed { label, region, network_key, vote_key, account, weight, registration } = flat;
        let registration = registration.unwrap_or(Registration::NONE);
        Self { entry: SetEntry { network_key, vote_key, account, weight }, region, label, registration }
    }
}

impl From<ProposedValidator> for Proposed {
    fn from(validator: ProposedValidator) -> Self {
        let ProposedValidator { entry, region, label, registration } = validator;
        let SetEntry { network_key, vote_key, account, weight } = entry;
        let registration = Some(registration).filter(|r| *r != Registration::NONE);
        Self { label, region, network_key, vote_key, account, weight, registration }
    }
}

/// Why a text holds no commands.
#[derive(Debug, thiserror::Error)]
#[error(
    "this is no command, nor a list of commands, such as {{\"pause_shard\": {{\"shard\": \"mars\"}}}}: {0}"
)]
pub struct NoCommands(String);

impl ChainCommand {
    /// Reads a command, or a list of commands.
    ///
    /// # Errors
    /// When it is none, or longer than [`COMMANDS_BYTES_MAX`].
    pub fn read_list(bytes: &[u8]) -> Result<Vec<Self>, NoCommands> {
        if bytes.len() > COMMANDS_BYTES_MAX {
            return Err(NoCommands(format!("{} bytes; at most {COMMANDS_BYTES_MAX} are read", bytes.len())));
        }
        let list = match serde_json::from_slice(bytes).map_err(|e| NoCommands(e.to_string()))? {
            Value::Array(list) => list,
            command => vec![command],
        };
        list.into_iter()
            .enumerate()
            .map(|(at, value)| {
                serde_json::from_value(value).map_err(|e| NoCommands(format!("command {}: {e}", at + 1)))
            })
            .collect()
    }

    /// Reads the validators of a proposed set: a list.
    ///
    /// # Errors
    /// When it is none, or longer than [`COMMANDS_BYTES_MAX`].
    pub fn read_validators(bytes: &[u8]) -> Result<Vec<ProposedValidator>, NoCommands> {
        if bytes.len() > COMMANDS_BYTES_MAX {
            return Err(NoCommands(format!("{} bytes; at most {COMMANDS_BYTES_MAX} are read", bytes.len())));
        }
        serde_json::from_slice(bytes).map_err(|e| NoCommands(e.to_string()))
    }
}
