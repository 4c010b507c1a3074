//! The disk as a picture: SVG, for people.

use crate::{
    Ball, Curvature, Error, Point,
    fixed::{self, Nearness},
    placing,
};
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
    /// A worker: a square, beside the region at whose place it is, or nearest to it.
    Worker,
    /// An agent, or anything else: a dot.
    Dot,
    /// A job: a small dot of another colour.
    Job,
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
/// How far from its region's place a worker is drawn, and the angle between two.
const AROUND: f64 = 22.0;
const TURN: f64 = 0.7;
/// Points of a geodesic, less one.
const STEPS: u32 = 32;
/// Rounds of laying out in the plane.
const ROUNDS: u32 = 400;

/// Where marks of more than two dimensions are drawn: in the plane, as far from each
/// other as they are, as well as that goes. Gives the misfit too, 0 when it is exact. The
/// time grows with the square of their number.
///
/// # Errors
/// When a position is not valid, the dimensions differ, or there are more than 800.
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

/// Where each mark is drawn, and the misfit. Workers take no part in the layout, since
/// there are many at few places: each is where its region is, or what else is nearest to
/// it when there is no region.
fn laid_out(marks: &[Mark]) -> Result<(Vec<Point>, f64), Error> {
    let dimension = marks.first().map_or(0, |mark| mark.place.0.len());
    for mark in marks {
        fixed::same_dimension(dimension, mark.place.0.len())?;
        fixed::gap(&mark.place)?;
    }
    let others: Vec<&Mark> = marks.iter().filter(|mark| mark.kind != Kind::Worker).collect();
    let places: Vec<Position> = others.iter().map(|mark| mark.place.clone()).collect();
    let (points, misfit) = flat(&places)?;
    let has_regions = others.iter().any(|mark| mark.kind == Kind::Region);
    let mut homes = Vec::new();
    for (mark, point) in others.iter().zip(&points) {
        if mark.kind == Kind::Region || !has_regions {
            homes.push((&mark.place, fixed::gap(&mark.place)?, point));
        }
    }
    let middle = Point::origin(2)?;
    let mut drawn = points.iter();
    let mut all = Vec::with_capacity(marks.len());
    for mark in marks {
        if mark.kind != Kind::Worker {
            all.extend(drawn.next().cloned());
            continue;
        }
        let mut nearest: Option<(Nearness, &Point)> = None;
        for (place, gap, point) in &homes {
            let nearness = Nearness { separation: fixed::separation(&mark.place, place)?, gap: *gap };
            if nearest.is_none_or(|(least, _)| nearness < least) {
                nearest = Some((nearness, point));
            }
        }
        all.push(nearest.map_or(&middle, |(_, point)| point).clone());
    }
    Ok((all, misfit))
}

/// The disk with marks, and geodesics between some of them.
///
/// # Errors
/// When a position is not valid, the dimensions differ, or more than 800 marks are no
/// workers.
pub fn svg(marks: &[Mark], lines: &[Line]) -> Result<String, Error> {
    let (points, misfit) = laid_out(marks)?;
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
            Kind::Job => "r=\"2\" fill=\"#a3a\"",
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
