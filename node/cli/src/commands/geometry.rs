//! `phalanx geometry`.

use crate::{
    files,
    home::Home,
    output::{Code, Failure, Format},
};
use anyhow::Result;
use phalanx_geometry::plot::{Kind, Mark, svg};
use phalanx_types::agent::Position;
use serde_json::{Value, json};
use std::path::{Path, PathBuf};

/// Where regions and work are.
#[derive(clap::Subcommand)]
pub enum Command {
    /// Draws the disk of the running mesh as SVG: regions, the focus of the work, and the
    /// geodesics from there to the regions.
    Plot {
        /// The file to write; never overwritten.
        #[arg(long, value_name = "FILE.svg")]
        out: PathBuf,
    },
}

/// Runs it.
pub fn run(home: &Home, format: Format, command: Command) -> Result<Code> {
    let Command::Plot { out } = command;
    files::check_new(&out)?;
    let count = plot(&super::get(home, "/v1/list/places")?, &out)?;
    format.print(
        || format!("{count} places drawn in {}", out.display()),
        json!({"places": count, "file": out}),
    );
    Ok(Code::Done)
}

/// Draws what a node says of places.
pub fn plot(rows: &Value, out: &Path) -> Result<usize> {
    let rows = rows.as_array().map(Vec::as_slice).unwrap_or_default();
    let mark = |row: &Value| -> Option<Mark> {
        let place = row["place"].as_array()?.iter().map(|x| x.as_str()?.parse().ok());
        let kind = if row["is_focus"] == true { Kind::Focus } else { Kind::Region };
        let place = Position(place.collect::<Option<Vec<i64>>>()?);
        Some(Mark { label: row["name"].as_str()?.to_owned(), place, kind })
    };
    let marks: Option<Vec<Mark>> = rows.iter().map(mark).collect();
    let marks = marks.ok_or_else(|| Failure::because(Code::Unreadable, "the node gives no places"))?;
    if marks.is_empty() {
        return Err(Failure::because(
            Code::Unavailable,
            "nothing has a place yet: regions get theirs with the first checkpoint",
        ));
    }
    let focus = marks.iter().position(|mark| mark.kind == Kind::Focus);
    let regions = (0..marks.len()).filter(|at| Some(*at) != focus);
    let lines: Vec<(usize, usize)> = focus.map_or_else(Vec::new, |f| regions.map(|r| (f, r)).collect());
    files::write_new(out, svg(&marks, &lines)?.as_bytes())?;
    Ok(marks.len())
}
