//! `phalanx status`.

use crate::{
    home::Home,
    output::{Code, Format, text},
};
use anyhow::Result;

/// Runs it.
pub fn run(home: &Home, format: Format) -> Result<Code> {
    let status = super::get(home, "/v1/status")?;
    let lines = || {
        let fields = status.as_object().into_iter().flatten();
        fields.map(|(name, value)| format!("{name:<18} {}", text(value))).collect::<Vec<_>>().join("\n")
    };
    format.print(lines, status.clone());
    Ok(Code::Done)
}
