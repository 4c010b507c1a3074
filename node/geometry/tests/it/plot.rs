//! The disk as a picture.

use phalanx_geometry::{
    Ball, Curvature, Point,
    placing::misfit,
    plot::{Kind, Line, Mark, flat, svg},
};
use phalanx_types::agent::Position;

fn place(x: f64, y: f64, dimension: usize) -> Position {
    let mut direction = vec![0.0; dimension];
    direction[0] = x;
    direction[dimension - 1] = y;
    Point::at(&direction, (x * x + y * y).sqrt()).unwrap().to_position().unwrap()
}

/// An attribute of a line of the picture.
fn number(line: &str, name: &str) -> f64 {
    let (_, rest) = line.split_once(&format!(" {name}=\"")).unwrap();
    rest.split_once('"').unwrap().0.parse().unwrap()
}

#[test]
fn what_lies_in_a_plane_of_many_dimensions_is_drawn_as_it_is() {
    let places = [place(1.0, 0.0, 8), place(0.0, 1.5, 8), place(-2.0, -1.0, 8), place(0.5, -1.0, 8)];
    let (points, missed) = flat(&places).unwrap();
    assert!(missed < 0.02, "{missed}");
    let flat: Vec<Position> = points.iter().map(|p| p.to_position().unwrap()).collect();
    let ball = Ball::new(Curvature::ONE);
    let far = |a: usize, b: usize| ball.distance(&places[a], &places[b]).unwrap().to_f64();
    assert!(misfit(&ball, &flat, far).unwrap() < 0.02);
}

#[test]
fn a_picture_has_every_mark_and_no_label_breaks_it() {
    let mark = |label: &str, x, kind| Mark { label: label.to_owned(), place: place(x, 0.3, 2), kind };
    let marks = [
        mark("earth", 0.0, Kind::Region),
        mark("<script>\"&", 1.0, Kind::Dot),
        mark("focus", 0.5, Kind::Focus),
        mark("earth.<1>", 0.0, Kind::Worker),
        mark("job", 0.8, Kind::Job),
    ];
    let line = |from, to, is_route| Line { from, to, is_route };
    let text = svg(&marks, &[line(0, 1, false), line(0, 2, true), line(0, 9, true)]).unwrap();
    assert!(text.starts_with("<svg ") && text.ends_with("</svg>\n"));
    assert_eq!((text.matches("<circle").count(), text.matches("<polyline").count()), (5, 2));
    assert_eq!(text.matches("r=\"2\" fill=\"#a3a\"").count(), 1);
    assert_eq!((text.matches("<rect").count(), text.matches("stroke-dasharray").count()), (1, 1));
    assert!(text.contains("&lt;script&gt;&quot;&amp;") && !text.contains("<script"));
    assert!(!text.contains("NaN"));
    assert!(svg(&[], &[]).unwrap().contains("<circle"));
    let odd = Mark { label: String::new(), place: Position(vec![0, 0, 0]), kind: Kind::Dot };
    assert!(svg(&[marks[0].clone(), odd], &[]).is_err());
}

#[test]
fn two_thousand_workers_stand_around_their_regions_and_take_no_part_in_the_layout() {
    let region = |i: usize| place([1.0, -1.0, 0.3, 2.0][i], [0.2, 1.5, -1.0, -0.5][i], 8);
    let mark = |label: String, place, kind| Mark { label, place, kind };
    let mut marks = vec![mark("focus".to_owned(), place(0.0, 0.1, 8), Kind::Focus)];
    marks.extend((0..4).map(|i| mark(format!("region-{i}"), region(i), Kind::Region)));
    marks.push(mark("agent".to_owned(), place(0.5, 0.5, 8), Kind::Dot));
    let lines = [Line { from: 0, to: 2, is_route: false }, Line { from: 1, to: 5, is_route: true }];
    let alone = svg(&marks, &lines).unwrap();
    let workers = 0..2_000;
    // The last one is a little beside its region's place: that is still the nearest.
    let at = |i: usize| if i == 1_999 { place(-1.01, 1.5, 8) } else { region(i % 4) };
    let home = |i: usize| if i == 1_999 { 1 } else { i % 4 };
    marks.extend(workers.clone().map(|i| mark(format!("worker-{i}"), at(i), Kind::Worker)));
    let text = svg(&marks, &lines).unwrap();
    // All else is where it is without them.
    let others: Vec<&str> = text.lines().filter(|line| !line.starts_with("<rect")).collect();
    assert_eq!(others, alone.lines().collect::<Vec<_>>());
    let find = |part: String| text.lines().find(|line| line.contains(&part)).unwrap();
    let centers: Vec<(f64, f64)> = (0..4)
        .map(|i| find(format!(">region-{i}<")))
        .map(|line| (number(line, "cx"), number(line, "cy")))
        .collect();
    let rects: Vec<&str> = text.lines().filter(|line| line.starts_with("<rect")).collect();
    assert_eq!(rects.len(), workers.len());
    for (i, rect) in workers.zip(rects) {
        assert!(rect.contains(&format!(">worker-{i}<")));
        let (x, y) = (number(rect, "x") + 3.0, number(rect, "y") + 3.0);
        let far = |(cx, cy): &(f64, f64)| ((x - cx) * (x - cx) + (y - cy) * (y - cy)).sqrt();
        assert!((far(&centers[home(i)]) - 22.0).abs() < 0.05, "worker {i} is not at its region");
    }
}

#[test]
fn workers_without_a_region_stand_where_the_nearest_mark_is_or_in_the_middle() {
    let mark = |x, kind| Mark { label: String::new(), place: place(x, 0.1, 2), kind };
    let line = Line { from: 0, to: 1, is_route: false };
    let marks = [mark(1.0, Kind::Worker), mark(1.5, Kind::Dot), mark(-1.5, Kind::Dot)];
    let text = svg(&marks, &[line]).unwrap();
    assert_eq!((text.matches("<rect").count(), text.matches("<polyline").count()), (1, 1));
    let find = |text: &str, part: &str| text.lines().find(|line| line.contains(part)).unwrap().to_owned();
    let (dot, worker) = (find(&text, "cx="), find(&text, "<rect"));
    // The first of them stands on the right.
    assert!((number(&worker, "x") + 3.0 - 22.0 - number(&dot, "cx")).abs() < 0.05);
    let alone = find(&svg(&marks[..1], &[]).unwrap(), "<rect");
    assert!((number(&alone, "x") + 3.0 - 22.0).abs() < 0.05);
    for kind in [Kind::Region, Kind::Worker] {
        let odd = Mark { place: Position(vec![0; 3]), ..mark(1.0, Kind::Worker) };
        assert!(svg(&[mark(1.0, kind), odd], &[]).is_err());
    }
    let outside = Mark { place: Position(vec![1 << 40, 0]), ..mark(1.0, Kind::Worker) };
    assert!(svg(&[outside], &[]).is_err());
}
