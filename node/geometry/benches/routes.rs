//! Routes by places over the Internet's autonomous systems (the largest connected part):
//! how many messages arrive, and how much longer their way is than the shortest, with all
//! nodes and with a tenth of them removed. Places are those of the whole graph; pairs are of
//! the largest part of what is left, and shortest ways are those in it. “All %” is the part
//! that arrives of messages between any two nodes that are left, if none does between parts.
//! Links are idle, but for the last rows: there they are as full as earlier messages made
//! them.
//!
//! A view is made anew whenever messages wait at a node; that is not part of the time of a
//! hop. Ids have four bytes. Of `multipath_hyperbolic` the first message of a flow and
//! three that follow are counted, and what its probes cost.
//!
//! `PHALANX_AS_GRAPH` names the file: lines of two numbers, `#` begins a comment. Without
//! it that is `shared/data/as-graph/as20000102.txt` beside the checkout, and where there is
//! no such file, a made-up graph stands in. `PHALANX_PAIRS` is the number of pairs,
//! `PHALANX_REMOVED` the first of six seeds of who is removed: a few nodes far out that lose
//! their best link can cost more than all others together, so the mean depends on it.

#![allow(missing_docs)]
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

use phalanx_geometry::{
    graph::Graph,
    routing::{Algorithm, Flow, Message, Neighbour, Step, View},
    topology::{Plan, embed},
};
use phalanx_types::agent::Position;
use std::{
    collections::BTreeMap,
    path::{Path, PathBuf},
    time::{Duration, Instant},
};

/// The links of autonomous systems, as seen from this crate's folder.
const BESIDE: &str = "../../../shared/data/as-graph/as20000102.txt";
const PAIRS: usize = 100_000;
const GOAL_DELIVERED: f64 = 100.0;
const GOAL_STRETCH: f64 = 1.06;
/// Paths of a flow, all as short as its shortest.
const PATHS_MAX: usize = 4;
/// Messages of a flow after the one that finds the first path.
const FLOW_MESSAGES: usize = 3;
/// Seeds of who is removed.
const SEEDS: usize = 6;
/// Messages whose loads are known only to those after them: this part of all.
const BATCHES: usize = 50;
/// A link is full when it has carried so many times the mean of all links.
const FULL: f64 = 10.0;

struct Chance(u64);

impl Chance {
    fn below(&mut self, n: usize) -> usize {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (((self.0 >> 11) as u128 * n as u128) >> 53) as usize
    }
}

/// A pair of nodes and the hops between them.
#[derive(Clone, Copy)]
struct Pair {
    from: u32,
    to: u32,
    least: u32,
}

/// A message on its way.
struct Traveller {
    pair: usize,
    message: Message<u32>,
    at: u32,
    hops: u32,
}

#[derive(Default)]
struct Cost {
    hops: u64,
    header_bytes: u64,
    time: Duration,
}

/// How many messages each link has carried, the lower node first.
type Carried = BTreeMap<(u32, u32), u32>;

/// Mean stretch and the part of messages that arrived.
struct Found {
    stretch: f64,
    delivered: f64,
}

struct Mesh<'a> {
    graph: &'a Graph,
    places: &'a [Position],
    /// Nodes that are left.
    left: usize,
    /// How full links are, in millionths; idle where nothing is said.
    loads: Carried,
}

impl<'a> Mesh<'a> {
    fn new(graph: &'a Graph, places: &'a [Position], left: usize) -> Self {
        Self { graph, places, left, loads: Carried::new() }
    }

    fn load(&self, a: u32, b: u32) -> u32 {
        self.loads.get(&(a.min(b), a.max(b))).copied().unwrap_or(0)
    }

    /// The part of pairs of nodes that are left whose nodes are both in the largest part.
    fn joined(&self) -> f64 {
        let pairs = |n: usize| n as f64 * (n as f64 - 1.0);
        pairs(self.graph.largest_component().0.len()) / pairs(self.left)
    }

    fn view(&self, node: u32) -> View<u32> {
        let place = |id: &u32| (*id, &self.places[*id as usize]);
        let told = |id: &u32| self.graph.neighbours(*id).iter().map(place).collect();
        let neighbours: Vec<Neighbour<'_, u32>> = (self.graph.neighbours(node).iter())
            .map(|id| Neighbour {
                id: *id,
                position: place(id).1,
                load_ppm: self.load(node, *id),
                neighbours: told(id),
            })
            .collect();
        View::new(node, &self.places[node as usize], &neighbours).unwrap()
    }

    /// Moves all messages to their ends, hop by hop, node by node: a view is made once for
    /// all messages at its node. Gives those that arrived.
    fn carry(&self, mut open: Vec<Traveller>, cost: &mut Cost) -> Vec<Traveller> {
        let mut arrived = Vec::new();
        while !open.is_empty() {
            open.sort_by_key(|traveller| traveller.at);
            let mut moved = Vec::new();
            let mut view = self.view(open[0].at);
            for mut traveller in open {
                if view.here() != traveller.at {
                    view = self.view(traveller.at);
                }
                let began = Instant::now();
                let step = traveller.message.next(&view).unwrap();
                cost.time += began.elapsed();
                match step {
                    Step::Deliver => arrived.push(traveller),
                    Step::Forward(at, message) => {
                        cost.hops += 1;
                        cost.header_bytes += message.encode().len() as u64;
                        traveller = Traveller { at, message, hops: traveller.hops + 1, ..traveller };
                        moved.push(traveller);
                    }
                    Step::GiveUp(_) => {}
                }
            }
            open = moved;
        }
        arrived
    }

    /// Pairs of the largest part, by target.
    fn pairs(&self, count: usize) -> Vec<Pair> {
        let mut chance = Chance(7);
        let (_, names) = self.graph.largest_component();
        let mut by_target: BTreeMap<u32, Vec<u32>> = BTreeMap::new();
        for _ in 0..count {
            let (from, to) = (chance.below(names.len()), chance.below(names.len() - 1));
            let to = if to < from { to } else { to + 1 };
            by_target.entry(names[to]).or_default().push(names[from]);
        }
        let mut pairs = Vec::with_capacity(count);
        for (to, sources) in by_target {
            let hops = self.graph.hops_from(to);
            let pair = |from: u32| Pair { from, to, least: hops[from as usize].unwrap() };
            pairs.extend(sources.into_iter().map(pair));
        }
        pairs
    }

    fn traveller(&self, pairs: &[Pair], pair: usize, message: Message<u32>) -> Traveller {
        Traveller { pair, message, at: pairs[pair].from, hops: 0 }
    }

    /// All messages of flows, one a pair: those sent, those that arrived, and the mean
    /// number of paths. Probes are not counted but for what they cost.
    fn flows(&self, pairs: &[Pair], cost: &mut Cost) -> (usize, Vec<Traveller>, f64) {
        let flow =
            |p: &Pair| Flow::new(p.from, p.to, self.places[p.to as usize].clone(), PATHS_MAX, 0).unwrap();
        let mut flows: Vec<Flow<u32>> = pairs.iter().map(flow).collect();
        let send = |flows: &mut [Flow<u32>]| -> Vec<Traveller> {
            let first =
                |(pair, flow): (usize, &mut Flow<u32>)| self.traveller(pairs, pair, flow.message(1).unwrap());
            flows.iter_mut().enumerate().map(first).collect()
        };
        let mut all = self.carry(send(&mut flows), cost);
        for traveller in &all {
            flows[traveller.pair].learn(&traveller.message);
        }
        loop {
            let probe = |(pair, flow): (usize, &mut Flow<u32>)| {
                Some(self.traveller(pairs, pair, flow.probe().unwrap()?))
            };
            let probes: Vec<Traveller> = flows.iter_mut().enumerate().filter_map(probe).collect();
            if probes.is_empty() {
                break;
            }
            for traveller in self.carry(probes, cost) {
                flows[traveller.pair].learn(&traveller.message);
            }
        }
        for _ in 0..FLOW_MESSAGES {
            let sent = send(&mut flows);
            all.extend(self.carry(sent, cost));
        }
        let paths: usize = flows.iter().map(|flow| flow.paths().count()).sum();
        (pairs.len() * (1 + FLOW_MESSAGES), all, paths as f64 / pairs.len() as f64)
    }

    fn measure(&self, what: &str, algorithm: Algorithm, pairs: &[Pair]) -> Found {
        let mut cost = Cost::default();
        let (sent, arrived, paths) = if algorithm == Algorithm::MultipathHyperbolic {
            self.flows(pairs, &mut cost)
        } else {
            let message = |(pair, p): (usize, &Pair)| {
                let position = self.places[p.to as usize].clone();
                self.traveller(pairs, pair, Message::new(algorithm, p.from, p.to, position).unwrap())
            };
            let open = pairs.iter().enumerate().map(message).collect();
            (pairs.len(), self.carry(open, &mut cost), 1.0)
        };
        let mut stretches: Vec<f64> =
            arrived.iter().map(|t| f64::from(t.hops) / f64::from(pairs[t.pair].least)).collect();
        stretches.sort_by(f64::total_cmp);
        let mean = stretches.iter().sum::<f64>() / stretches.len().max(1) as f64;
        let p99 = stretches[stretches.len() * 99 / 100];
        let delivered = 100.0 * arrived.len() as f64 / sent as f64;
        let longest = arrived.iter().map(|t| t.hops).max().unwrap_or(0);
        println!(
            "{:<22}{what:<18}{delivered:>11.4}{:>7.4}{:>7.2}{mean:>9.4}{:>7.3}{p99:>7.2}{longest:>6}{paths:>7.2}{:>8.0}{:>8.1}",
            algorithm.name(),
            delivered / GOAL_DELIVERED,
            delivered * self.joined(),
            mean / GOAL_STRETCH,
            cost.header_bytes as f64 / cost.hops.max(1) as f64,
            cost.time.as_secs_f64() * 1e6 / cost.hops.max(1) as f64,
        );
        Found { stretch: mean, delivered }
    }

    /// Messages in batches, where links are as full as the batches before made them: the
    /// mean stretch, and what the busiest link and the mean one carried.
    fn with_loads(&mut self, algorithm: Algorithm, pairs: &[Pair]) {
        let mut order: Vec<Pair> = pairs.to_vec();
        let mut chance = Chance(5);
        for last in (1..order.len()).rev() {
            order.swap(last, chance.below(last + 1));
        }
        let links = self.graph.links().count() as f64;
        let (mut carried, mut hops, mut stretch) = (Carried::new(), 0_u64, 0.0);
        self.loads.clear();
        for batch in order.chunks(order.len().div_ceil(BATCHES)) {
            let message = |(pair, p): (usize, &Pair)| {
                let position = self.places[p.to as usize].clone();
                self.traveller(batch, pair, Message::new(algorithm, p.from, p.to, position).unwrap())
            };
            let open = batch.iter().enumerate().map(message).collect();
            for traveller in self.carry(open, &mut Cost::default()) {
                stretch += f64::from(traveller.hops) / f64::from(batch[traveller.pair].least);
                for hop in traveller.message.path().windows(2) {
                    *carried.entry((hop[0].min(hop[1]), hop[0].max(hop[1]))).or_default() += 1;
                    hops += 1;
                }
            }
            let full = FULL * hops as f64 / links;
            let load = |messages: u32| (f64::from(messages) / full * 1e6) as u32;
            self.loads = carried.iter().map(|(link, messages)| (*link, load(*messages))).collect();
        }
        println!(
            "{:<22}with loads: mean stretch {:.4}; the busiest link carries {} messages, the mean one {:.1}",
            algorithm.name(),
            stretch / order.len() as f64,
            carried.values().max().unwrap_or(&0),
            hops as f64 / links
        );
    }
}

fn read(path: &Path) -> Graph {
    let text = std::fs::read_to_string(path).unwrap();
    let link = |line: &str| -> Option<(u32, u32)> {
        let mut numbers = line.split_whitespace().map(str::parse);
        Some((numbers.next()?.ok()?, numbers.next()?.ok()?))
    };
    let links: Vec<(u32, u32)> =
        text.lines().filter(|line| !line.starts_with('#')).filter_map(link).collect();
    let nodes = links.iter().map(|(a, b)| a.max(b) + 1).max().unwrap_or(0);
    Graph::new(nodes as usize, links)
}

/// A graph that grows by popularity: every new node links to two ends of random links
/// (Barabási and Albert 1999).
fn scale_free(nodes: u32) -> Graph {
    let mut chance = Chance(3);
    let mut links = vec![(0, 1)];
    for node in 2..nodes {
        for _ in 0..2 {
            let (a, b) = links[chance.below(links.len())];
            links.push((node, if chance.below(2) == 0 { a } else { b }));
        }
    }
    Graph::new(nodes as usize, links)
}

fn main() {
    let number = |name: &str, default: usize| -> usize {
        std::env::var(name).map_or(default, |text| text.parse().unwrap())
    };
    let (pairs, seed) = (number("PHALANX_PAIRS", PAIRS), number("PHALANX_REMOVED", 11));
    let file = std::env::var_os("PHALANX_AS_GRAPH").map(PathBuf::from);
    let beside = Path::new(env!("CARGO_MANIFEST_DIR")).join(BESIDE);
    let (name, graph) = match file.or_else(|| beside.exists().then_some(beside)) {
        Some(path) => ("autonomous systems", read(&path)),
        None => {
            println!("not compared: set PHALANX_AS_GRAPH to a file of the links of autonomous systems");
            ("a made-up scale-free graph, not the Internet's", scale_free(3_000))
        }
    };
    let (graph, _) = graph.largest_component();
    let plan = Plan::default();
    let began = Instant::now();
    let places = embed(&graph, plan).unwrap();
    println!(
        "{name}: {} nodes, {} links, placed in {} dimensions in {:.1} s; {pairs} pairs, removal seeds from {seed}",
        graph.len(),
        graph.links().count(),
        plan.dimension,
        began.elapsed().as_secs_f64()
    );
    println!(
        "goals: {GOAL_DELIVERED} % delivered, mean stretch {GOAL_STRETCH} or less; “of” is the part of the goal"
    );
    println!(
        "{:<22}{:<18}{:>11}{:>7}{:>7}{:>9}{:>7}{:>7}{:>6}{:>7}{:>8}{:>8}",
        "algorithm",
        "nodes",
        "delivered %",
        "of",
        "all %",
        "stretch",
        "of",
        "p99",
        "most",
        "paths",
        "header",
        "µs/hop"
    );
    let mut whole = Mesh::new(&graph, &places, graph.len());
    let chosen = whole.pairs(pairs);
    for algorithm in Algorithm::ALL {
        whole.measure("all", algorithm, &chosen);
    }
    let mut found: Vec<(Algorithm, Found)> = Vec::new();
    for seed in seed..seed + SEEDS {
        let mut chance = Chance(seed as u64);
        let removed: Vec<bool> = (0..graph.len()).map(|_| chance.below(10) == 0).collect();
        let damaged = graph.without(|node| removed[node as usize]);
        let mesh = Mesh::new(&damaged, &places, removed.iter().filter(|gone| !**gone).count());
        let pairs = mesh.pairs(pairs);
        for algorithm in Algorithm::ALL {
            let what = format!("10 % removed, {seed}");
            found.push((algorithm, mesh.measure(&what, algorithm, &pairs)));
        }
    }
    for algorithm in Algorithm::ALL {
        let found: Vec<&Found> = found.iter().filter(|(a, _)| *a == algorithm).map(|(_, f)| f).collect();
        let mean = found.iter().map(|f| f.stretch).sum::<f64>() / found.len() as f64;
        let worst = found.iter().map(|f| f.stretch).fold(0.0, f64::max);
        let least = found.iter().map(|f| f.delivered).fold(f64::INFINITY, f64::min);
        println!(
            "{:<22}10 % removed, {SEEDS} seeds: mean stretch {mean:.4}, at worst {worst:.4}; delivered {least:.4} % at least",
            algorithm.name()
        );
    }
    for algorithm in [Algorithm::GreedyForwarding, Algorithm::GradientFlow] {
        whole.with_loads(algorithm, &chosen);
    }
}
