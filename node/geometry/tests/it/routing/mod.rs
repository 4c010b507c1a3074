//! Messages that find their way by position: they arrive whenever a path is left, whatever
//! the positions are, whatever neighbours tell, and whatever fails between hops.

mod flow;
mod header;
mod load;
mod stretch;
mod view;

use flow::explore;
use phalanx_geometry::{
    graph::Graph,
    routing::{Algorithm, Flow, HOPS_MAX, Message, Neighbour, Reason, Step, TRAIL_MAX, View},
};
use phalanx_types::agent::{COORDINATE_FRACTION_BITS, Position};
use proptest::prelude::*;
use std::collections::BTreeSet;

/// A small generator whose numbers never change.
struct Chance(u64);

impl Chance {
    fn below(&mut self, n: usize) -> usize {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (((self.0 >> 11) as u128 * n.max(1) as u128) >> 53) as usize
    }

    fn place(&mut self, dimension: usize) -> Position {
        let side = 1_i64 << COORDINATE_FRACTION_BITS;
        // Inside of the ball in any dimension up to 16.
        Position((0..dimension).map(|_| self.below(side as usize / 2) as i64 - side / 4).collect())
    }

    /// A connected graph: a random tree and some more links.
    fn graph(&mut self, nodes_max: usize) -> Graph {
        let nodes = 2 + self.below(nodes_max - 1);
        let mut links: Vec<(u32, u32)> = (1..nodes).map(|n| (self.below(n) as u32, n as u32)).collect();
        for _ in 0..self.below(2 * nodes) {
            links.push((self.below(nodes) as u32, self.below(nodes) as u32));
        }
        Graph::new(nodes, links)
    }
}

/// What nodes tell of their neighbours.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Tells {
    /// Those that are live.
    Truth,
    /// Those of before anything failed.
    Old,
    /// None yet.
    Nothing,
    /// Others, at other places.
    Lies,
}

impl Tells {
    const ALL: [Self; 4] = [Self::Truth, Self::Old, Self::Nothing, Self::Lies];
}

/// A graph some of whose links and nodes have failed.
struct Mesh {
    graph: Graph,
    places: Vec<Position>,
    tells: Tells,
    dead: BTreeSet<u32>,
    cut: BTreeSet<(u32, u32)>,
}

impl Mesh {
    fn new(chance: &mut Chance, nodes_max: usize) -> Self {
        let graph = chance.graph(nodes_max);
        let dimension = 2 + chance.below(7);
        let places = (0..graph.len()).map(|_| chance.place(dimension)).collect();
        let tells = Tells::ALL[chance.below(4)];
        Self { graph, places, tells, dead: BTreeSet::new(), cut: BTreeSet::new() }
    }

    fn live(&self, node: u32) -> Vec<u32> {
        let is_live = |other: &u32| !self.dead.contains(other) && !self.cut.contains(&pair(node, *other));
        self.graph.neighbours(node).iter().copied().filter(is_live).collect()
    }

    fn are_joined(&self, from: u32, to: u32) -> bool {
        let (mut seen, mut open) = (BTreeSet::from([from]), vec![from]);
        while let Some(node) = open.pop() {
            open.extend(self.live(node).into_iter().filter(|next| seen.insert(*next)));
        }
        seen.contains(&to)
    }

    /// Something fails, but never who holds the message or whom it is for.
    fn fail(&mut self, chance: &mut Chance, spared: [u32; 2]) {
        let node = chance.below(self.graph.len()) as u32;
        if chance.below(3) == 0 && !spared.contains(&node) {
            self.dead.insert(node);
        } else if let Some(other) = self.live(node).first() {
            self.cut.insert(pair(node, *other));
        }
    }

    fn told(&self, node: u32) -> Vec<(u32, &Position)> {
        let nodes = self.graph.len() as u32;
        let list = match self.tells {
            Tells::Truth => self.live(node),
            Tells::Old => self.graph.neighbours(node).to_vec(),
            Tells::Nothing => Vec::new(),
            Tells::Lies => (0..node % 7).map(|i| (node * 31 + i * 17) % (nodes + 5)).collect(),
        };
        let place = |id: u32| match self.tells {
            Tells::Lies => &self.places[((id + node) % nodes) as usize],
            _ => &self.places[id as usize],
        };
        list.into_iter().map(|id| (id, place(id))).collect()
    }

    fn view(&self, at: u32, loads: impl Fn(u32) -> u32) -> View<u32> {
        let neighbour = |id: u32| Neighbour {
            id,
            position: &self.places[id as usize],
            load_ppm: loads(id),
            neighbours: self.told(id),
        };
        let neighbours: Vec<Neighbour<'_, u32>> = self.live(at).into_iter().map(neighbour).collect();
        View::new(at, &self.places[at as usize], &neighbours).unwrap()
    }

    fn next(&self, message: &Message<u32>, at: u32, loads: impl Fn(u32) -> u32) -> Step<u32> {
        message.next(&self.view(at, loads)).unwrap()
    }
}

fn pair(a: u32, b: u32) -> (u32, u32) {
    (a.min(b), a.max(b))
}

const FAILURES_MAX: usize = 8;

/// One message through a graph that falls apart around it.
fn travels(seed: u64) {
    let mut chance = Chance(seed);
    let mut mesh = Mesh::new(&mut chance, 200);
    let nodes = mesh.graph.len();
    let (from, to) = (chance.below(nodes) as u32, chance.below(nodes) as u32);
    let algorithm = Algorithm::ALL[chance.below(3)];
    let failures = chance.below(FAILURES_MAX + 1);
    let place = mesh.places[to as usize].clone();
    let mut message = if algorithm == Algorithm::MultipathHyperbolic {
        // Along a path that was whole when it was found.
        let mut flow = Flow::new(from, to, place, 4, HOPS_MAX).unwrap();
        explore(&mut flow, &mesh, from);
        flow.message(1).unwrap()
    } else {
        Message::new(algorithm, from, to, place).unwrap()
    };
    let (mut at, mut hops, mut failed) = (from, 0, 0);
    loop {
        message.check().unwrap();
        match mesh.next(&message, at, |id| id % 7 * 300_000) {
            Step::Deliver => {
                assert_eq!(at, to);
                break;
            }
            Step::Forward(next, changed) => {
                // What fails, fails while the message waits: the holder asks again.
                if failed < failures && chance.below(3) == 0 {
                    mesh.fail(&mut chance, [at, to]);
                    failed += 1;
                    continue;
                }
                assert!(mesh.live(at).contains(&next), "{seed}: it goes over links that are there");
                (at, message) = (next, changed);
                hops += 1;
            }
            Step::GiveUp(reason) => {
                assert_eq!(reason, Reason::Unreachable, "{seed}");
                assert!(!mesh.are_joined(at, to), "{seed}: given up though a path is left");
                break;
            }
        }
    }
    // True lists need no thorough search.
    let searches = if mesh.tells == Tells::Truth && failed == 0 { 1 } else { 2 };
    let most = 2 * searches * nodes * (failed + 1);
    assert!(hops <= most, "{seed}: {hops} hops in {nodes} nodes, {failed} failures");
}

#[test]
fn a_message_arrives_whenever_a_path_is_left_in_10_000_graphs_that_fall_apart() {
    for seed in 0..10_000 {
        travels(seed);
    }
}

#[test]
fn a_message_with_no_hops_left_says_so() {
    let mut chance = Chance(5);
    let mesh = Mesh::new(&mut chance, 20);
    let mut message = Message::new(Algorithm::GradientFlow, 0, 1, mesh.places[1].clone()).unwrap();
    message.hops_left = 0;
    assert_eq!(mesh.next(&message, 0, |_| 0), Step::GiveUp(Reason::HopLimit));
}

#[test]
fn a_message_that_has_been_to_more_nodes_than_it_may_remember_says_so() {
    // A path, and nobody tells anything: the only way is onwards.
    let nodes = TRAIL_MAX as u32 + 2;
    let mesh = Mesh {
        graph: Graph::new(nodes as usize, (1..nodes).map(|node| (node - 1, node))),
        places: (0..nodes).map(|node| Position(vec![i64::from(node) << 20, 0])).collect(),
        tells: Tells::Nothing,
        dead: BTreeSet::new(),
        cut: BTreeSet::new(),
    };
    let target = nodes - 1;
    let place = mesh.places[target as usize].clone();
    let (mut at, mut message) = (0, Message::new(Algorithm::GreedyForwarding, 0, target, place).unwrap());
    while let Step::Forward(next, changed) = mesh.next(&message, at, |_| 0) {
        (at, message) = (next, changed);
    }
    assert_eq!(mesh.next(&message, at, |_| 0), Step::GiveUp(Reason::TrailFull));
    assert_eq!(message.trail.len(), TRAIL_MAX);
}

#[test]
fn algorithms_are_called_as_the_documents_call_them() {
    let names = Algorithm::ALL.map(Algorithm::name);
    assert_eq!(names, ["greedy_forwarding", "multipath_hyperbolic", "gradient_flow"]);
}

proptest! {
    #[test]
    fn graphs_that_nobody_has_looked_at_are_no_harder(seed in any::<u64>()) {
        travels(seed);
    }
}
