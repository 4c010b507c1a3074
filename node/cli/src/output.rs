//! Results on standard output, and exit codes.

use phalanx_api::ClientError;
use phalanx_consensus::Fatal;
use phalanx_ledger::{StoreError, proof::VerifyError};
use phalanx_providers::journal::JournalError;
use serde_json::Value;
use std::io::Write;

/// What a command ends with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Code {
    /// Done, or valid.
    Done = 0,
    /// Invalid, or refused.
    Refused = 1,
    /// Unreadable input, or wrong usage.
    Unreadable = 2,
    /// A wrong key, mesh or input.
    Wrong = 3,
    /// Something that is needed is not there.
    Unavailable = 4,
}

/// A failure with its exit code.
#[derive(Debug, thiserror::Error)]
#[error("{message}")]
pub struct Failure {
    code: Code,
    message: String,
}

impl Failure {
    /// A failure, for `?`.
    pub fn because(code: Code, message: impl std::fmt::Display) -> anyhow::Error {
        Self { code, message: message.to_string() }.into()
    }

    /// The exit code of any error.
    pub fn code_of(error: &anyhow::Error) -> Code {
        for cause in error.chain() {
            if let Some(failure) = cause.downcast_ref::<Self>() {
                return failure.code;
            }
            if let Some(error) = cause.downcast_ref::<ClientError>() {
                return match error {
                    ClientError::Unreachable { .. } => Code::Unavailable,
                    ClientError::Refused(error) if is_of_wrong_key(&error.code) => Code::Wrong,
                    ClientError::Refused(error) => match error.status {
                        400 | 405 | 413 | 415 => Code::Unreadable,
                        401 => Code::Wrong,
                        404 | 408 | 503 => Code::Unavailable,
                        _ => Code::Refused,
                    },
                };
            }
            if let Some(code) = of_node(cause).or_else(|| of_chain(cause)) {
                return code;
            }
            if cause.is::<std::io::Error>() {
                return Code::Unavailable;
            }
        }
        Code::Unreadable
    }
}

/// Whether a refusal is about who signed, or for which mesh.
fn is_of_wrong_key(code: &str) -> bool {
    matches!(code, "not_allowed" | "unknown_sender" | "other_mesh" | "signature")
}

/// What a failure of the node itself means.
fn of_node(error: &(dyn std::error::Error + 'static)) -> Option<Code> {
    use phalanx_ledger::OpenError as LedgerError;
    use phalanx_replica::OpenError as ReplicaError;
    let store = |error: &StoreError| match error {
        StoreError::DiskFull { .. } | StoreError::Locked { .. } => Code::Unavailable,
        StoreError::Io { .. } | StoreError::Damaged { .. } => Code::Refused,
    };
    let ledger = |error: &LedgerError| match error {
        LedgerError::Store(error) => store(error),
        LedgerError::Newer { .. } | LedgerError::Genesis(_) => Code::Unreadable,
        LedgerError::Empty => Code::Unavailable,
        LedgerError::Contradiction(_) => Code::Refused,
    };
    if let Some(error) = error.downcast_ref::<StoreError>() {
        return Some(store(error));
    }
    if let Some(error) = error.downcast_ref::<LedgerError>() {
        return Some(ledger(error));
    }
    if let Some(error) = error.downcast_ref::<ReplicaError>() {
        return Some(match error {
            ReplicaError::Genesis(_) => Code::Unreadable,
            ReplicaError::Ledger(error) => ledger(error),
            ReplicaError::Store(error) => store(error),
            ReplicaError::State(_) => Code::Refused,
            ReplicaError::OtherMesh { .. } => Code::Wrong,
        });
    }
    if let Some(error) = error.downcast_ref::<JournalError>() {
        return Some(match error {
            JournalError::Io { .. } => Code::Unavailable,
            JournalError::Damaged { .. } => Code::Refused,
        });
    }
    if let Some(error) = error.downcast_ref::<VerifyError>() {
        return Some(match error {
            VerifyError::Unreadable(_) => Code::Unreadable,
            VerifyError::OtherMesh { .. } => Code::Wrong,
            VerifyError::Mismatch { .. } => Code::Refused,
        });
    }
    error.downcast_ref::<Fatal>().map(|fatal| match fatal {
        Fatal::Disk(_) => Code::Unavailable,
        _ => Code::Refused,
    })
}

/// What a failure of the chain, its contracts, a key or an owner's file means.
fn of_chain(error: &(dyn std::error::Error + 'static)) -> Option<Code> {
    use phalanx_governance::{
        contracts::{ContractError, command::CommandFault},
        keys::KeyError,
        rpc::RpcError,
        safe::{builder::BuilderError, chain::SafeError, deploy::DeployError, file::FileError, tx::TxError},
        submit::account::AccountError,
        translate::Meaningless,
    };
    let rpc = |error: &RpcError| match error {
        RpcError::Url { .. } => Code::Unreadable,
        RpcError::OtherChain { .. } | RpcError::OtherCode { .. } | RpcError::NoCode { .. } => Code::Wrong,
        RpcError::Reverted { .. } | RpcError::Refused { .. } | RpcError::Disagreement { .. } => Code::Refused,
        _ => Code::Unavailable,
    };
    let contract = |error: &ContractError| match error {
        ContractError::Rpc(error) => rpc(error),
        ContractError::Answer { .. }
        | ContractError::OtherMesh { .. }
        | ContractError::OtherPart { .. }
        | ContractError::OtherBuild { .. } => Code::Wrong,
        _ => Code::Refused,
    };
    let key = |error: &KeyError| match error {
        KeyError::File { .. } | KeyError::NoPassword { .. } => Code::Unavailable,
        KeyError::Keystore { .. } => Code::Unreadable,
        _ => Code::Wrong,
    };
    let account = |error: &AccountError| match error {
        AccountError::Rpc(error) => rpc(error),
        AccountError::Key(error) => key(error),
        AccountError::Failed { .. } | AccountError::TooDear { .. } | AccountError::Taken { .. } => {
            Code::Refused
        }
        AccountError::NotMined { .. } => Code::Unavailable,
    };
    let code = if let Some(error) = error.downcast_ref::<RpcError>() {
        rpc(error)
    } else if let Some(error) = error.downcast_ref::<ContractError>() {
        contract(error)
    } else if let Some(error) = error.downcast_ref::<KeyError>() {
        key(error)
    } else if let Some(error) = error.downcast_ref::<AccountError>() {
        account(error)
    } else if let Some(error) = error.downcast_ref::<SafeError>() {
        match error {
            SafeError::Contract(error) => contract(error),
            SafeError::OtherSafe { .. }
            | SafeError::OtherHash { .. }
            | SafeError::NoMultiSend { .. }
            | SafeError::OtherMultiSend { .. } => Code::Wrong,
            _ => Code::Refused,
        }
    } else if let Some(error) = error.downcast_ref::<FileError>() {
        match error {
            FileError::TooLong { .. } | FileError::Malformed { .. } => Code::Unreadable,
            FileError::Key(error) => key(error),
            _ => Code::Refused,
        }
    } else if let Some(error) = error.downcast_ref::<BuilderError>() {
        match error {
            BuilderError::Checksum { .. } | BuilderError::NoCalls | BuilderError::Batch(_) => Code::Refused,
            BuilderError::OtherSafe { .. } => Code::Wrong,
            _ => Code::Unreadable,
        }
    } else if let Some(error) = error.downcast_ref::<DeployError>() {
        match error {
            DeployError::Account(error) => account(error),
            DeployError::Nothing { .. } => Code::Refused,
            DeployError::Artifact { .. } => Code::Unavailable,
            _ => Code::Unreadable,
        }
    } else if error.is::<CommandFault>() || error.is::<Meaningless>() || error.is::<TxError>() {
        Code::Refused
    } else {
        return None;
    };
    Some(code)
}

/// Prints a line. A reader who has seen enough and gone is no failure.
pub fn say(line: &str) {
    let _ = writeln!(std::io::stdout().lock(), "{}", harmless(line));
}

/// The same on standard error.
pub fn warn(line: &str) {
    let _ = writeln!(std::io::stderr().lock(), "{}", harmless(line));
}

/// A text whose characters do nothing to a terminal: what a file or a peer says must not
/// be able to rewrite what is shown above it, or to turn letters round.
fn harmless(text: &str) -> std::borrow::Cow<'_, str> {
    let acts = |c: char| {
        (c.is_control() && c != '\n')
            || matches!(c, '\u{ad}' | '\u{61c}' | '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{206f}' | '\u{feff}')
    };
    if !text.contains(acts) {
        return text.into();
    }
    let escaped = |c: char| if acts(c) { c.escape_unicode().to_string() } else { c.to_string() };
    text.chars().map(escaped).collect::<String>().into()
}

/// How results are printed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, clap::ValueEnum)]
pub enum Format {
    /// For people.
    #[default]
    Text,
    /// One JSON document with `"schema": 1`.
    Json,
}

impl Format {
    /// Prints a result: `text` for people, `value` for programs. A list is
    /// printed as `{"items": […], "schema": 1}`.
    pub fn print(self, text: impl FnOnce() -> String, value: Value) {
        match self {
            Self::Text => say(text().trim_end()),
            Self::Json => {
                let mut value = if value.is_array() { serde_json::json!({"items": value}) } else { value };
                if let Value::Object(map) = &mut value {
                    map.insert("schema".to_owned(), 1.into());
                }
                say(&value.to_string());
            }
        }
    }
}

/// A table of some fields of a list of objects; titles are the fields' names.
pub fn table(rows: &Value, fields: &[&str]) -> String {
    let mut table = comfy_table::Table::new();
    table.load_preset(comfy_table::presets::NOTHING).set_header(fields);
    for row in rows.as_array().into_iter().flatten() {
        table.add_row(fields.iter().map(|field| text(row.pointer(&pointer(field)).unwrap_or(&Value::Null))));
    }
    table.to_string()
}

fn pointer(field: &str) -> String {
    format!("/{}", field.replace('.', "/"))
}

/// A value as people read it: no quotes, ids shortened.
pub fn text(value: &Value) -> String {
    match value {
        Value::Null => String::new(),
        Value::String(text) if text.len() == 64 && text.bytes().all(|b| b.is_ascii_hexdigit()) => {
            text.chars().take(12).collect()
        }
        Value::String(text) => text.clone(),
        Value::Array(list) => list.iter().map(self::text).collect::<Vec<_>>().join(","),
        other => other.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::harmless;

    #[test]
    fn what_would_act_on_a_terminal_is_shown_instead() {
        assert_eq!(harmless("two\nlines: ü → 漢"), "two\nlines: ü → 漢");
        assert_eq!(harmless("\u{1b}[2Jgone\r"), "\\u{1b}[2Jgone\\u{d}");
        assert_eq!(harmless("a\u{202e}b\u{200b}c\u{9b}"), "a\\u{202e}b\\u{200b}c\\u{9b}");
    }
}
