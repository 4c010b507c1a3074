//! Valid bytes of what routing sends.

use phalanx_geometry::routing::{Algorithm, Message};
use phalanx_routing::wire::{
    Answer, Arrived, Directed, Failure, FlatWire, Held, Hosted, Outcome, Question, Told, ToldNeighbour,
};
use phalanx_types::{
    Hash, Height, JobId, Name, PublicKey, SigningKey,
    agent::{DIMENSION_DEFAULT, Position},
};

const MESH: Hash = Hash([3; 32]);

fn place() -> Position {
    Position(vec![-(1 << 35); DIMENSION_DEFAULT])
}

fn questions() -> [Question; 6] {
    let capability = Name::new("vision").unwrap();
    [
        Question::Trace,
        Question::Beats(vec![0; 11]),
        Question::Checkpoints(vec![1; 10]),
        Question::Find(capability),
        Question::HandOver { height: Height(9), jobs: vec![JobId([4; 32]); 2] },
        Question::Links,
    ]
}

pub fn told() -> Vec<u8> {
    let neighbour = |n| ToldNeighbour { key: PublicKey([n; 32]), place: place(), round_trip_us: 900 };
    let flat = FlatWire { x: vec![1 << 37; DIMENSION_DEFAULT], height: 1 << 30 };
    let neighbours = vec![neighbour(1), neighbour(2)];
    Told { place: place(), error_ppm: 70_000, flat, flat_error_ppm: 80_000, neighbours }.encode()
}

pub fn messages() -> Vec<Vec<u8>> {
    let (key, target) = (SigningKey::from_seed([1; 32]), PublicKey([2; 32]));
    let of = |question| {
        let mut header = Message::new(Algorithm::GreedyForwarding, key.public(), target, place()).unwrap();
        header.hops_left = phalanx_routing::HOPS_MAX;
        Directed::sign(&key, &MESH, header, 77, question).encode()
    };
    questions().map(of).to_vec()
}

pub fn answers() -> Vec<Vec<u8>> {
    let key = SigningKey::from_seed([2; 32]);
    let way = vec![Held { node: key.public(), us: 12 }];
    let path = vec![PublicKey([1; 32]), key.public()];
    let arrived = Arrived::sign(&key, &MESH, 77, &Question::Trace, path, vec![5; 30]);
    vec![
        Answer { outcome: Outcome::Arrived(arrived), way }.encode(),
        Answer::failed(Failure::Unreachable).encode(),
        Answer::failed(Failure::Refused).encode(),
    ]
}

pub fn hosted() -> Vec<u8> {
    let host = SigningKey::from_seed([4; 32]);
    let worker = Name::new("mars.gpu-helion").unwrap();
    Hosted::encode_list(&[Hosted::sign(&host, &MESH, &PublicKey([1; 32]), worker, 7)])
}
