//! `phalanx checkpoint`.

use crate::{
    home::Home,
    output::{Code, Failure, Format, table},
};
use anyhow::Result;
use serde_json::Value;

/// Lists checkpoints.
#[derive(clap::Subcommand)]
pub enum Command {
    /// The newest ones.
    List,
    /// One of them, with every field.
    Show {
        /// Its number.
        number: u64,
    },
}

/// Runs it.
pub fn run(home: &Home, format: Format, command: &Command) -> Result<Code> {
    let rows = super::get(home, "/v1/list/checkpoints")?;
    match command {
        Command::List => {
            let fields = ["checkpoint.number", "checkpoint.last_beat", "checkpoint.receipt_count", "hash"];
            format.print(|| table(&rows, &fields), rows.clone());
        }
        Command::Show { number } => {
            let wanted = Value::String(number.to_string());
            let found = rows.as_array().into_iter().flatten();
            let found = found.into_iter().find(|row| row.pointer("/checkpoint/number") == Some(&wanted));
            let Some(found) = found else {
                return Err(Failure::because(
                    Code::Unavailable,
                    format!("there is no checkpoint {number} among the newest"),
                ));
            };
            format.print(|| serde_json::to_string_pretty(found).unwrap_or_default(), found.clone());
        }
    }
    Ok(Code::Done)
}
