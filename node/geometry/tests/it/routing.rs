//! Messages that find their way by position: they arrive whenever a path is left, whatever
//! the positions are, whatever fails between hops, and whoever made them.

use phalanx_geometry::{
    graph::Graph,
    routing::{Algorithm, BadMessage, Flow, HOPS_MAX, Message, Neighbour, Reason, Step, TRAIL_MAX, Visit},
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

/// A graph some of whose links and nodes have failed.
struct Mesh {
    graph: Graph,
    places: Vec<Position>,
    dead: BTreeSet<u32>,
    cut: BTreeSet<(u32, u32)>,
}

impl Mesh {
    fn new(chance: &mut Chance, nodes_max: usize) -> Self {
        let graph = chance.graph(nodes_max);
        let dimension = 2 + chance.below(7);
        let places = (0..graph.len()).map(|_| chance.place(dimension)).collect();
        Self { graph, places, dead: BTreeSet::new(), cut: BTreeSet::new() }
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

    fn next(&self, message: &Message<u32>, at: u32, loads: impl Fn(u32) -> u32) -> Step<u32> {
        let live = self.live(at);
        let neighbours: Vec<Neighbour<'_, u32>> = live
            .iter()
            .map(|id| Neighbour { id: *id, position: &self.places[*id as usize], load_ppm: loads(*id) })
            .collect();
        message.next(at, &self.places[at as usize], &neighbours).unwrap()
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
    let mut message = Message::new(algorithm, from, to, mesh.places[to as usize].clone()).unwrap();
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
    assert!(hops <= 2 * nodes * (failed + 1), "{seed}: {hops} hops in {nodes} nodes, {failed} failures");
}

#[test]
fn a_message_arrives_whenever_a_path_is_left_in_10_000_graphs_that_fall_apart() {
    for seed in 0..10_000 {
        travels(seed);
    }
}

#[test]
fn nobody_can_make_a_message_that_walks_for_ever_or_holds_more_than_it_may() {
    let mut chance = Chance(3);
    let mesh = Mesh::new(&mut chance, 60);
    let position = mesh.places[1].clone();
    let honest = Message::new(Algorithm::GreedyForwarding, 0, 1, position.clone()).unwrap();
    let nodes = mesh.graph.len() as u32;
    let with = |change: &dyn Fn(&mut Message<u32>)| {
        let mut message = honest.clone();
        change(&mut message);
        message
    };
    let too_many = |what| matches!(what, Err(BadMessage::TooMany { .. }));
    assert!(too_many(with(&|m| m.hops_left = HOPS_MAX + 1).check()));
    assert!(too_many(with(&|m| m.trail = vec![Visit { node: 9, from: 0 }; TRAIL_MAX + 1]).check()));
    assert!(too_many(with(&|m| m.avoid = vec![9; 257]).check()));
    assert_eq!(with(&|m| m.at = 1).check(), Err(BadMessage::BrokenTrail));
    let circle = vec![Visit { node: 0, from: 0 }, Visit { node: 1, from: 1 }];
    assert_eq!(with(&|m| m.trail = circle.clone()).check(), Err(BadMessage::BrokenTrail));
    assert!(matches!(
        with(&|m| m.position = Position(vec![i64::MAX, 0])).check(),
        Err(BadMessage::Position(_))
    ));
    // What passes the check ends, wherever it is put in and whatever it says of where it was.
    for seed in 0..500 {
        let mut chance = Chance(seed);
        let len = 1 + chance.below(40);
        let trail = (0..len)
            .map(|i| Visit { node: chance.below(nodes as usize + 3) as u32, from: chance.below(i) as u16 })
            .collect();
        let mut message = with(&|m| m.avoid = vec![nodes / 2, 1]);
        (message.trail, message.at) = (trail, chance.below(len) as u16);
        message.check().unwrap();
        let (mut at, mut hops) = (chance.below(nodes as usize) as u32, 0);
        while let Step::Forward(next, changed) = mesh.next(&message, at, |_| 0) {
            (at, message) = (next, changed);
            hops += 1;
            assert!(hops <= usize::from(HOPS_MAX));
        }
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

/// A message's way to its end; none when it gave up.
fn arrive(mesh: &Mesh, mut message: Message<u32>, from: u32) -> Option<Message<u32>> {
    let mut at = from;
    loop {
        match mesh.next(&message, at, |_| 0) {
            Step::Deliver => return Some(message),
            Step::Forward(next, changed) => (at, message) = (next, changed),
            Step::GiveUp(_) => return None,
        }
    }
}

/// Most paths from `from` to `to` that share no node between: by growing a flow.
fn disjoint_max(graph: &Graph, from: u32, to: u32) -> usize {
    // Nodes are split in two: (node, 0) is entered, (node, 1) is left.
    let mut used: BTreeSet<((u32, u8), (u32, u8))> = BTreeSet::new();
    let mut paths = 0;
    loop {
        let mut open = std::collections::VecDeque::from([(from, 1)]);
        let mut came = std::collections::BTreeMap::from([((from, 1), (from, 1))]);
        while let Some(at) = open.pop_front() {
            let (node, side) = at;
            let mut next: Vec<(u32, u8)> = Vec::new();
            if side == 1 {
                next.extend(graph.neighbours(node).iter().map(|n| (*n, 0)));
                next.push((node, 0));
            } else {
                next.extend(graph.neighbours(node).iter().map(|n| (*n, 1)));
                next.push((node, 1));
            }
            for step in next {
                let is_forward = if step.0 == node { side == 0 } else { side == 1 };
                let is_open =
                    if is_forward { !used.contains(&(at, step)) } else { used.contains(&(step, at)) };
                let is_end = step.0 == from || (node == to && step.0 != to);
                if is_open && !is_end && !came.contains_key(&step) {
                    came.insert(step, at);
                    open.push_back(step);
                }
            }
        }
        let mut at = (to, 0);
        if !came.contains_key(&at) {
            return paths;
        }
        while at != (from, 1) {
            let before = came[&at];
            if !used.remove(&(at, before)) {
                used.insert((before, at));
            }
            at = before;
        }
        paths += 1;
    }
}

#[test]
fn a_flow_uses_paths_that_share_no_node_and_gives_each_its_share() {
    let (mut several, mut found, mut possible) = (0, 0, 0);
    for seed in 0..300 {
        let mut chance = Chance(seed);
        let mesh = Mesh::new(&mut chance, 60);
        let (from, to) = (0, mesh.graph.len() as u32 - 1);
        let mut flow = Flow::new(from, to, mesh.places[to as usize].clone(), 4);
        while let Some(message) = flow.explore().unwrap() {
            flow.learn(&arrive(&mesh, message, from).unwrap());
        }
        let paths: Vec<Vec<u32>> = flow.paths().map(<[u32]>::to_vec).collect();
        let mut between = BTreeSet::new();
        for path in &paths {
            assert_eq!((path.first(), path.last()), (Some(&from), Some(&to)));
            for node in &path[1..path.len() - 1] {
                assert!(between.insert(*node), "{seed}: two paths share {node}");
            }
            for hop in path.windows(2) {
                assert!(mesh.graph.neighbours(hop[0]).contains(&hop[1]));
            }
        }
        let most = disjoint_max(&mesh.graph, from, to).min(4);
        assert!(!paths.is_empty() && paths.len() <= most, "{seed}: {} of {most}", paths.len());
        found += paths.len();
        possible += most;
        // Equal messages: no path carries two more than another.
        let mut carried = std::collections::BTreeMap::new();
        for _ in 0..100 {
            *carried.entry(flow.assign(1).unwrap().to_vec()).or_insert(0) += 1;
        }
        let most = carried.values().max().unwrap();
        assert!(carried.len() == paths.len() && most - carried.values().min().unwrap() <= 1, "{carried:?}");
        several += usize::from(paths.len() > 1);
        // A path over a node that failed is forgotten, and another is looked for.
        if let Some(node) = between.first() {
            flow.forget(*node);
            assert!(flow.paths().all(|path| !path.contains(node)));
        }
    }
    assert!(several > 100, "only {several} of 300 had several paths");
    assert!(found * 10 >= possible * 8, "{found} of {possible} paths were found");
}

#[test]
fn congestion_lengthens_the_way_and_the_flow_takes_another_one() {
    // A square: from 0 to 3 over 1, which is nearer, or over 2.
    let at = |x: i64, y: i64| Position(vec![x << 36, y << 36]);
    let mesh = Mesh {
        graph: Graph::new(4, [(0, 1), (0, 2), (1, 3), (2, 3)]),
        places: vec![at(-8, 0), at(0, 1), at(0, -2), at(8, 0)],
        dead: BTreeSet::new(),
        cut: BTreeSet::new(),
    };
    let message = |algorithm| Message::new(algorithm, 0, 3, mesh.places[3].clone()).unwrap();
    let first =
        |algorithm, full: u32| match mesh.next(&message(algorithm), 0, |id| if id == 1 { full } else { 0 }) {
            Step::Forward(next, _) => next,
            other => panic!("{other:?}"),
        };
    assert_eq!(first(Algorithm::GradientFlow, 0), 1);
    assert_eq!(first(Algorithm::GradientFlow, 900_000), 2);
    assert_eq!(first(Algorithm::GreedyForwarding, 900_000), 1);
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
