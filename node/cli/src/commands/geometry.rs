//! `phalanx geometry`.

use crate::{
    files,
    home::Home,
    output::{Code, Failure, Format, text},
    runtime::view,
};
use anyhow::Result;
use phalanx_api::Client;
use phalanx_geometry::plot::{Kind, Line, Mark, svg};
use phalanx_types::agent::Position;
use serde_json::{Value, json};
use std::path::{Path, PathBuf};

/// Most agents in a picture, and most jobs: the first by id.
const AGENTS_MAX: usize = 64;
const JOBS_MAX: usize = 64;

/// Where regions, workers, agents and jobs are.
#[derive(clap::Subcommand)]
pub enum Command {
    /// Draws the disk as SVG: regions with their workers, the focus of the work, the
    /// geodesics from there to the regions, agents, the ways of those that move, and jobs that
    /// wait or run.
    Plot {
        /// The file to write; never overwritten.
        #[arg(long, value_name = "FILE.svg")]
        out: PathBuf,
        /// Draws the state in a snapshot file, which is checked from this home's genesis on
        /// [default: that of the running node].
        #[arg(long, value_name = "FILE")]
        snapshot: Option<PathBuf>,
    },
}

/// Runs it.
pub fn run(home: &Home, format: Format, command: Command) -> Result<Code> {
    let Command::Plot { out, snapshot } = command;
    files::check_new(&out)?;
    let scene = match snapshot {
        Some(file) => {
            let joined = super::snapshot::checked(home, &file)?;
            let fabric = joined.fabric();
            let workers = fabric.workers().map(|(_, worker)| json!({"offer": worker.offer})).collect();
            Scene { places: view::places(fabric), workers, positions: view::positions(fabric) }
        }
        None => super::block_on(Scene::of(&super::client(home)?))?,
    };
    let count = scene.draw(&out)?;
    format.print(
        || format!("{count} places drawn in {}", out.display()),
        json!({"places": count, "file": out}),
    );
    Ok(Code::Done)
}

/// What there is to draw, as a node's lists have it.
pub struct Scene {
    places: Value,
    workers: Value,
    positions: Value,
}

fn rows(list: &Value) -> &[Value] {
    list.as_array().map(Vec::as_slice).unwrap_or_default()
}

fn position(value: &Value) -> Option<Position> {
    let coordinates = value.as_array()?.iter().map(|x| x.as_str()?.parse().ok());
    Some(Position(coordinates.collect::<Option<Vec<i64>>>()?))
}

impl Scene {
    /// What a running node has.
    pub async fn of(client: &Client) -> Result<Self> {
        Ok(Self {
            places: client.get("/v1/list/places").await?,
            workers: client.get("/v1/list/workers").await?,
            positions: client.get("/v1/list/positions").await?,
        })
    }

    /// Draws it; gives the number of marks.
    pub fn draw(&self, out: &Path) -> Result<usize> {
        let (marks, lines) = self.marks().ok_or_else(|| {
            Failure::because(Code::Unreadable, "the node gives lists that this version cannot read")
        })?;
        files::write_new(out, svg(&marks, &lines)?.as_bytes())?;
        Ok(marks.len())
    }

    fn marks(&self) -> Option<(Vec<Mark>, Vec<Line>)> {
        let (mut marks, mut lines) = (Vec::new(), Vec::new());
        for row in rows(&self.places) {
            let kind = if row["is_focus"] == true { Kind::Focus } else { Kind::Region };
            marks.push(Mark { label: text(&row["name"]), place: position(&row["place"])?, kind });
        }
        let focus = marks.iter().position(|mark| mark.kind == Kind::Focus);
        let regions = (0..marks.len()).filter(|at| Some(*at) != focus);
        lines.extend(
            focus
                .into_iter()
                .flat_map(|from| regions.clone().map(move |to| Line { from, to, is_route: false })),
        );
        let dimension = marks.first().map_or(0, |mark| mark.place.0.len());
        let mut workers = Vec::new();
        for row in rows(&self.workers) {
            let (region, label) = (text(&row["offer"]["region"]), text(&row["offer"]["worker"]));
            let home = marks.iter().find(|mark| mark.label == region);
            workers.extend(home.map(|home| Mark { label, place: home.place.clone(), kind: Kind::Worker }));
        }
        marks.append(&mut workers);
        let positions = rows(&self.positions);
        let of = |kind: &'static str| positions.iter().filter(move |row| row["kind"] == kind);
        let label = |row: &Value| match text(&row["label"]) {
            label if label.is_empty() => text(&row["id"]).chars().take(8).collect(),
            label => label,
        };
        for row in of("job").take(JOBS_MAX) {
            let place = position(&row["place"])?;
            marks.push(Mark { label: label(row), place, kind: Kind::Job });
        }
        for row in of("agent").take(AGENTS_MAX) {
            let place = position(&row["place"])?;
            if place.0.len() != dimension {
                continue;
            }
            let from = marks.len();
            marks.push(Mark { label: label(row), place, kind: Kind::Dot });
            if let Some(place) = position(&row["course"]) {
                marks.push(Mark { label: String::new(), place, kind: Kind::Goal });
                lines.push(Line { from, to: from + 1, is_route: true });
            }
        }
        Some((marks, lines))
    }
}
