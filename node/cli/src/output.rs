//! Results on standard output, and exit codes.

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
    /// A wrong key, or wrong inputs.
    Wrong = 3,
    /// Something that is needed is not there.
    Unavailable = 4,
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
    /// Prints a result: `text` for people, `value` for programs.
    pub fn print(self, text: impl FnOnce() -> String, mut value: Value) {
        match self {
            Self::Text => println!("{}", text().trim_end()),
            Self::Json => {
                if let Value::Object(map) = &mut value {
                    map.insert("schema".to_owned(), 1.into());
                }
                println!("{value}");
            }
        }
    }
}
