//! The disk as a picture: SVG, for people.

use crate::{Ball, Curvature, Error, Point, placing};
use phalanx_types::agent::Position;
use std::fmt::Write;

/// Something to be drawn.
#[derive(Clone, Debug, PartialEq)]
pub struct Mark {
    /// What is written beside it.
    pub label: String,
    /// Where it is, in any dimension; all have the same.
    pub place: Position,
    /// How it looks.
    pub kind: Kind,
}

/// How a mark looks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// A region: a disk.
    Region,
    /// What votes weigh by: a ring.
    Focus,
    /// A worker: a square, beside the region at whose place it is.
    Worker,
    /// An agent, or anything else: a dot.
    Dot,
    /// Where something is going: a small ring.
    Goal,
}

/// A geodesic between two marks, by their places in the list.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Line {
    /// From this one.
    pub from: usize,
    /// To this one.
    pub to: usize,
    /// Whether it is the way of something that moves: drawn with dashes.
    pub is_route: bool,
}

/// Half of the picture's width, and the disk's radius, in its units.
const HALF: f64 = 320.0;
const RADIUS: f64 = 300.0;
/// How far from its region's place a worker is drawn, and how many stand around it.
const AROUND: f64 = 22.0;
const TURN: f64 = 0.7;
/// Points of a geodesic, less one.
const STEPS: u32 = 32;
/// Rounds of laying out in the plane.
const ROUNDS: u32 = 400;

/// Where marks of more than two dimensions are drawn: in the plane, as far from each
/// other as they are, as well as that goes. Gives the misfit too, 0 when it is exact.
///
/// # Errors
/// When a position is not valid or the dimensions differ.
pub fn flat(places: &[Position]) -> Result<(Vec<Point>, f64), Error> {
    let ball = Ball::new(Curvature::ONE);
    let mut lengths = vec![vec![0.0; places.len()]; places.len()];
    for (row, a) in lengths.iter_mut().zip(places) {
        for (length, b) in row.iter_mut().zip(places) {
            *length = ball.distance(a, b)?.to_f64().min(placing::WANTED_MAX);
        }
    }
    let wanted = |a: usize, b: usize| lengths.get(a).and_then(|row| row.get(b)).copied().unwrap_or(0.0);
    let begin: Result<Vec<Point>, Error> = (0..places.len()).map(|i| placing::beginning(2, i)).collect();
    let mut points = begin?;
    placing::relax(&ball, &mut points, wanted, ROUNDS)?;
    let flat: Result<Vec<Position>, Error> = points.iter().map(Point::to_position).collect();
    let misfit = placing::misfit(&ball, &flat?, wanted)?;
    Ok((points, misfit))
}

fn escaped(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;").replace('"', "&quot;")
}

fn at(point: &Point) -> (f64, f64) {
    let mut coordinates = point.coordinates().iter().copied();
    let (x, y) = (coordinates.next().unwrap_or(0.0), coordinates.next().unwrap_or(0.0));
    (x * RADIUS, -y * RADIUS)
}

/// The disk with marks, and geodesics between some of them.
///
/// # Errors
/// When a position is not valid or the dimensions differ.
pub fn svg(marks: &[Mark], lines: &[Line]) -> Result<String, Error> {
    let places: Vec<Position> = marks.iter().map(|mark| mark.place.clone()).collect();
    let (points, misfit) = flat(&places)?;
    let ball = Ball::new(Curvature::ONE);
    let mut text = format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"{0} {0} {1} {1}\" font-family=\"sans-serif\" font-size=\"13\">\n\
         <title>Poincaré disk; distances are off by {2:.1} %</title>\n\
         <circle r=\"{RADIUS}\" fill=\"#f7f9fc\" stroke=\"#345\"/>\n",
        -HALF,
        2.0 * HALF,
        100.0 * misfit
    );
    for Line { from, to, is_route } in lines {
        let (Some(from), Some(to)) = (points.get(*from), points.get(*to)) else { continue };
        let look = if *is_route { "stroke=\"#c60\" stroke-dasharray=\"6 4\"" } else { "stroke=\"#9ab\"" };
        let _ = write!(text, "<polyline fill=\"none\" {look} points=\"");
        for step in 0..=STEPS {
            let (x, y) = at(&ball.geodesic(from, to, f64::from(step) / f64::from(STEPS))?);
            // Writing to a string does not fail.
            let _ = write!(text, "{x:.2},{y:.2} ");
        }
        text.push_str("\"/>\n");
    }
    let mut workers = 0_u32;
    for (mark, point) in marks.iter().zip(&points) {
        let (mut x, mut y) = at(point);
        if mark.kind == Kind::Worker {
            let angle = f64::from(workers) * TURN;
            (x, y) = (x + AROUND * libm::cos(angle), y + AROUND * libm::sin(angle));
            workers += 1;
            let label = escaped(&mark.label);
            let _ = writeln!(
                text,
                "<rect x=\"{:.2}\" y=\"{:.2}\" width=\"6\" height=\"6\" fill=\"#b80\"><title>{label}</title></rect>",
                x - 3.0,
                y - 3.0
            );
            continue;
        }
        let look = match mark.kind {
            Kind::Region => "r=\"7\" fill=\"#2a6\"",
            Kind::Focus => "r=\"10\" fill=\"none\" stroke=\"#c33\" stroke-width=\"2\"",
            Kind::Goal => "r=\"4\" fill=\"none\" stroke=\"#c60\"",
            Kind::Dot | Kind::Worker => "r=\"3\" fill=\"#347\"",
        };
        let label = escaped(&mark.label);
        let _ = writeln!(
            text,
            "<circle cx=\"{x:.2}\" cy=\"{y:.2}\" {look}/><text x=\"{:.2}\" y=\"{:.2}\">{label}</text>",
            x + 11.0,
            y + 4.0
        );
    }
    text.push_str("</svg>\n");
    Ok(text)
}
