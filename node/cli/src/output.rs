//! Results on standard output, and exit codes.

use phalanx_api::ClientError;
use serde_json::Value;

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
                    ClientError::Refused(error) => match error.status {
                        400 => Code::Unreadable,
                        401 => Code::Wrong,
                        404 | 503 => Code::Unavailable,
                        _ => Code::Refused,
                    },
                };
            }
            if cause.is::<std::io::Error>() {
                return Code::Unavailable;
            }
        }
        Code::Unreadable
    }
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
            Self::Text => println!("{}", text().trim_end()),
            Self::Json => {
                let mut value = if value.is_array() { serde_json::json!({"items": value}) } else { value };
                if let Value::Object(map) = &mut value {
                    map.insert("schema".to_owned(), 1.into());
                }
                println!("{value}");
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
