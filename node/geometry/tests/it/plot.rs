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
    ];
    let line = |from, to, is_route| Line { from, to, is_route };
    let text = svg(&marks, &[line(0, 1, false), line(0, 2, true), line(0, 9, true)]).unwrap();
    assert!(text.starts_with("<svg ") && text.ends_with("</svg>\n"));
    assert_eq!((text.matches("<circle").count(), text.matches("<polyline").count()), (4, 2));
    assert_eq!((text.matches("<rect").count(), text.matches("stroke-dasharray").count()), (1, 1));
    assert!(text.contains("&lt;script&gt;&quot;&amp;") && !text.contains("<script"));
    assert!(!text.contains("NaN"));
    assert!(svg(&[], &[]).unwrap().contains("<circle"));
    let odd = Mark { label: String::new(), place: Position(vec![0, 0, 0]), kind: Kind::Dot };
    assert!(svg(&[marks[0].clone(), odd], &[]).is_err());
}
