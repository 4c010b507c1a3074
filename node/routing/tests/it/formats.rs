//! What decoders take and refuse.

use crate::mesh::{MESH, key, secret};
use phalanx_geometry::routing::{Algorithm, Message, Visit};
use phalanx_routing::{
    HOPS_MAX, NEIGHBOURS_TOLD_MAX, TRIP_MS_MAX,
    wire::{
        ANSWER_BYTES_MAX, Answer, Arrived, DIRECTED_BYTES_MAX, Directed, Failure, FlatWire, Held, Hosted,
        JOBS_MAX, Outcome, Question, Refused, TOLD_BYTES_MAX, Told, ToldNeighbour,
    },
};
use phalanx_types::{
    Height, JobId, Name, PublicKey,
    agent::{DIMENSION_DEFAULT, Position},
};
use proptest::prelude::*;

fn place() -> Position {
    Position(vec![1 << 30; DIMENSION_DEFAULT])
}

fn told(count: usize) -> Told {
    let neighbour = |n: usize| {
        let mut bytes = [0; 32];
        bytes[..8].copy_from_slice(&(n as u64).to_be_bytes());
        ToldNeighbour { key: PublicKey(bytes), place: place(), round_trip_us: 5 }
    };
    let flat = FlatWire { x: vec![1 << 38; DIMENSION_DEFAULT], height: 1 << 30 };
    Told {
        place: place(),
        error_ppm: 1,
        flat,
        flat_error_ppm: 2,
        neighbours: (0..count).map(neighbour).collect(),
    }
}

fn directed() -> Directed {
    let mut header = Message::new(Algorithm::GradientFlow, key(1), key(2), place()).unwrap();
    header.hops_left = HOPS_MAX;
    let directed = Directed::sign(&secret(1), &MESH, header, 7, Question::Beats(vec![1, 2, 3]));
    Directed { left_ms: TRIP_MS_MAX, ..directed }
}

#[test]
fn the_largest_of_each_fits_and_one_more_is_refused() {
    let full = told(NEIGHBOURS_TOLD_MAX);
    assert_eq!(Told::decode(&full.encode()).unwrap(), full);
    assert!(full.encode().len() <= TOLD_BYTES_MAX);
    assert!(matches!(Told::decode(&told(NEIGHBOURS_TOLD_MAX + 1).encode()), Err(Refused::TooMany { .. })));

    let mut long = directed();
    long.header.trail = (0..=HOPS_MAX).map(|i| Visit { node: key(1), from: i.saturating_sub(1) }).collect();
    long.header.plan = vec![key(3); 256];
    long.header.avoid = vec![key(4); 256];
    long.question = Question::Checkpoints(vec![0; phalanx_routing::CONTENT_BYTES_MAX]);
    assert_eq!(Directed::decode(&long.encode()).unwrap(), long);
    assert!(long.encode().len() <= DIRECTED_BYTES_MAX);
    let changed = |change: fn(&mut Directed)| {
        let mut changed = long.clone();
        change(&mut changed);
        assert!(Directed::decode(&changed.encode()).is_err());
    };
    changed(|d| d.header.trail.push(Visit { node: key(1), from: 0 }));
    changed(|d| d.header.hops_left += 1);
    changed(|d| d.header.plan.push(key(1)));
    changed(|d| d.header.position = Position(vec![0; DIMENSION_DEFAULT + 1]));
    changed(|d| d.header.position.0[0] = 1 << 40);
    changed(|d| d.header.at = u16::MAX);
    changed(|d| d.left_ms += 1);
    changed(|d| d.question = Question::Beats(vec![0; phalanx_routing::CONTENT_BYTES_MAX + 1]));
    changed(|d| {
        d.question = Question::HandOver { height: Height(1), jobs: vec![JobId([1; 32]); JOBS_MAX + 1] }
    });
}

#[test]
fn places_outside_of_the_space_are_refused() {
    let changed = |change: fn(&mut Told)| {
        let mut changed = told(3);
        change(&mut changed);
        assert!(Told::decode(&changed.encode()).is_err());
    };
    changed(|t| t.place.0[0] = 1 << 40);
    changed(|t| t.place.0.truncate(2));
    changed(|t| t.neighbours[1].place.0[0] = i64::MIN);
    changed(|t| t.flat.x[0] = i64::MAX);
    changed(|t| t.flat.height = -1);
    changed(|t| t.error_ppm = 1_000_001);
    changed(|t| t.neighbours.swap(0, 1));
    changed(|t| t.neighbours[1] = t.neighbours[0].clone());
}

#[test]
fn an_answer_is_the_targets_to_one_question_in_one_mesh() {
    let question = Question::Beats(vec![1]);
    let arrived = Arrived::sign(&secret(2), &MESH, 5, &question, vec![key(1), key(2)], vec![9]);
    assert_eq!(arrived.verify(&key(2), &MESH, 5, &question), Ok(()));
    let refused: Result<(), Refused> = Err(Refused::Signature("an answer"));
    assert_eq!(arrived.verify(&key(3), &MESH, 5, &question), refused.clone());
    assert_eq!(arrived.verify(&key(2), &phalanx_types::Hash::ZERO, 5, &question), refused.clone());
    assert_eq!(arrived.verify(&key(2), &MESH, 6, &question), refused.clone());
    assert_eq!(arrived.verify(&key(2), &MESH, 5, &Question::Trace), refused.clone());
    let other = Arrived { path: vec![key(2)], ..arrived.clone() };
    assert_eq!(other.verify(&key(2), &MESH, 5, &question), refused.clone());
    let other = Arrived { body: vec![8], ..arrived };
    assert_eq!(other.verify(&key(2), &MESH, 5, &question), refused.clone());
}

#[test]
fn a_message_is_its_sources_and_only_its_header_may_change() {
    let sound = directed();
    assert_eq!(sound.verify(&MESH), Ok(()));
    let moved = |change: fn(&mut Directed)| {
        let mut moved = sound.clone();
        change(&mut moved);
        moved.verify(&MESH).is_ok()
    };
    assert!(moved(|d| d.header.hops_left = 3) && moved(|d| d.left_ms = 5));
    assert!(!moved(|d| d.source = key(3)));
    assert!(!moved(|d| d.header.target = key(3)));
    assert!(!moved(|d| d.nonce += 1));
    assert!(!moved(|d| d.question = Question::Trace));
    assert_eq!(sound.verify(&phalanx_types::Hash::ZERO), Err(Refused::Signature("a message")));
}

#[test]
fn a_worker_is_where_its_host_key_says() {
    let name = Name::new("mars.gpu-helion").unwrap();
    let hosted = Hosted::sign(&secret(8), &MESH, &key(2), name.clone(), 3);
    assert!(hosted.is_at(&key(2), &key(8), &MESH));
    assert!(!hosted.is_at(&key(3), &key(8), &MESH), "another node that repeats it");
    assert!(!hosted.is_at(&key(2), &key(2), &MESH), "another key");
    let other = Hosted { worker: Name::new("mars.other").unwrap(), ..hosted.clone() };
    assert!(!other.is_at(&key(2), &key(8), &MESH), "another worker");
    let list = Hosted::encode_list(&[hosted.clone(), other]);
    assert_eq!(Hosted::decode_list(&list).unwrap()[0], hosted);
    assert!(Hosted::decode_list(&Hosted::encode_list(&vec![hosted; 17])).is_err());
}

fn samples() -> Vec<Vec<u8>> {
    let question = Question::Find(Name::new("vision").unwrap());
    let arrived = Arrived::sign(&secret(2), &MESH, 5, &question, vec![key(1), key(2)], vec![9; 20]);
    let answer = Answer { outcome: Outcome::Arrived(arrived), way: vec![Held { node: key(2), us: 4 }] };
    vec![
        told(3).encode(),
        directed().encode(),
        answer.encode(),
        Answer::failed(Failure::Late).encode(),
        Hosted::encode_list(&[Hosted::sign(&secret(8), &MESH, &key(2), Name::new("w").unwrap(), 3)]),
    ]
}

fn all_decoders(bytes: &[u8]) {
    if let Ok(told) = Told::decode(bytes) {
        assert_eq!(told.encode(), bytes);
    }
    if let Ok(directed) = Directed::decode(bytes) {
        assert_eq!(directed.encode(), bytes);
        let _ = directed.header.path();
    }
    if let Ok(answer) = Answer::decode(bytes) {
        assert_eq!(answer.encode(), bytes);
    }
    if let Ok(list) = Hosted::decode_list(bytes) {
        assert_eq!(Hosted::encode_list(&list), bytes);
    }
    assert!(bytes.len() <= ANSWER_BYTES_MAX);
}

proptest! {
    #[test]
    fn garbage_is_refused_or_read_and_never_panics(bytes in prop::collection::vec(any::<u8>(), 0..400)) {
        all_decoders(&bytes);
    }

    #[test]
    fn damaged_bytes_are_refused_or_have_one_encoding(
        which in 0_usize..5,
        damage in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..6),
        cut in any::<prop::sample::Index>(),
        is_cut in any::<bool>(),
    ) {
        let mut bytes = samples()[which].clone();
        for (at, value) in damage {
            let at = at.index(bytes.len());
            bytes[at] = value;
        }
        if is_cut {
            bytes.truncate(cut.index(bytes.len() + 1));
        }
        all_decoders(&bytes);
    }

    #[test]
    fn flat_places_survive_the_wire(x in prop::collection::vec(-10.0_f64..10.0, 8..9), height in 0.0_f64..5.0) {
        let place = phalanx_geometry::latency::FlatPlace::new(x, height).unwrap();
        let back = FlatWire::from(&place).place().unwrap();
        for (a, b) in place.coordinates().iter().zip(back.coordinates()) {
            prop_assert!((a - b).abs() < 1e-11);
        }
        prop_assert!((place.height() - back.height()).abs() < 1e-11);
    }
}
