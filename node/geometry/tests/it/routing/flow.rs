//! Flows: paths that share no node, and equal shares of what goes over them.

use super::{Chance, Mesh, Tells};
use phalanx_geometry::{
    graph::Graph,
    routing::{Flow, HOPS_MAX, Message, Step},
};
use std::collections::{BTreeMap, BTreeSet, VecDeque};

/// A message's way to its end; none when it gave up.
pub(super) fn arrive(mesh: &Mesh, mut message: Message<u32>, from: u32) -> Option<Message<u32>> {
    let mut at = from;
    loop {
        match mesh.next(&message, at, |_| 0) {
            Step::Deliver => return Some(message),
            Step::Forward(next, changed) => (at, message) = (next, changed),
            Step::GiveUp(_) => return None,
        }
    }
}

/// Finds all paths that the flow will have.
pub(super) fn explore(flow: &mut Flow<u32>, mesh: &Mesh, from: u32) {
    assert_eq!(flow.probe(), Ok(None), "no probe before a path is known");
    begin(flow, mesh, from);
    probe(flow, mesh, from);
}

/// Finds the first path.
fn begin(flow: &mut Flow<u32>, mesh: &Mesh, from: u32) {
    let first = flow.message(0).unwrap();
    flow.learn(&arrive(mesh, first, from).unwrap());
}

/// Finds all other paths.
fn probe(flow: &mut Flow<u32>, mesh: &Mesh, from: u32) {
    while let Some(probe) = flow.probe().unwrap() {
        if let Some(arrived) = arrive(mesh, probe, from) {
            flow.learn(&arrived);
        }
    }
}

/// Most paths from `from` to `to` that share no node between: by growing a flow.
fn disjoint_max(graph: &Graph, from: u32, to: u32) -> usize {
    // Nodes are split in two: (node, 0) is entered, (node, 1) is left.
    let mut used: BTreeSet<((u32, u8), (u32, u8))> = BTreeSet::new();
    let mut paths = 0;
    loop {
        let mut open = VecDeque::from([(from, 1)]);
        let mut came = BTreeMap::from([((from, 1), (from, 1))]);
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
        let mut flow = Flow::new(from, to, mesh.places[to as usize].clone(), 4, HOPS_MAX).unwrap();
        explore(&mut flow, &mesh, from);
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
        let mut carried = BTreeMap::new();
        for _ in 0..100 {
            let path = arrive(&mesh, flow.message(1).unwrap(), from).unwrap().path();
            assert!(paths.contains(&path), "{seed}: {path:?} is not one of {paths:?}");
            *carried.entry(path).or_insert(0) += 1;
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
fn a_path_found_late_takes_its_share_of_what_follows_and_no_more() {
    const LARGEST: u64 = 1_000;
    let mut compared = 0;
    for seed in 0..300 {
        let mut chance = Chance(seed);
        let mesh = Mesh::new(&mut chance, 60);
        let (from, to) = (0, mesh.graph.len() as u32 - 1);
        let mut flow = Flow::new(from, to, mesh.places[to as usize].clone(), 4, HOPS_MAX).unwrap();
        // How many bytes each path carries of the next hundred messages.
        let mut send = |flow: &mut Flow<u32>| {
            let mut carried: BTreeMap<Vec<u32>, u64> = flow.paths().map(|path| (path.to_vec(), 0)).collect();
            for _ in 0..100 {
                let bytes = 1 + chance.below(LARGEST as usize) as u64;
                let path = arrive(&mesh, flow.message(bytes).unwrap(), from).unwrap().path();
                *carried.get_mut(&path).unwrap() += bytes;
            }
            carried
        };
        let apart = |carried: &BTreeMap<Vec<u32>, u64>| {
            carried.values().max().unwrap() - carried.values().min().unwrap()
        };
        begin(&mut flow, &mesh, from);
        send(&mut flow);
        probe(&mut flow, &mesh, from);
        let carried = send(&mut flow);
        assert!(apart(&carried) <= LARGEST, "{seed}: {carried:?}");
        // The same for a path that is found again.
        let all: Vec<Vec<u32>> = flow.paths().map(<[u32]>::to_vec).collect();
        let Some(path) = all.iter().find(|path| path.len() > 2).filter(|_| all.len() > 1) else { continue };
        flow.forget(path[1]);
        assert_eq!(flow.paths().count(), all.len() - 1);
        send(&mut flow);
        probe(&mut flow, &mesh, from);
        let carried = send(&mut flow);
        assert!(apart(&carried) <= 2 * LARGEST, "{seed}: {carried:?}");
        compared += usize::from(flow.paths().count() == all.len());
    }
    assert!(compared > 100, "only {compared} of 300 found a path again");
}

#[test]
fn no_path_is_longer_than_a_flow_allows_and_no_probe_goes_further() {
    for seed in 0..300 {
        let mut chance = Chance(seed);
        let mesh = Mesh::new(&mut chance, 60);
        let (from, to) = (0, mesh.graph.len() as u32 - 1);
        let longer_max = (seed % 3) as u16;
        let mut flow = Flow::new(from, to, mesh.places[to as usize].clone(), 4, longer_max).unwrap();
        explore(&mut flow, &mesh, from);
        let hops: Vec<usize> = flow.paths().map(|path| path.len() - 1).collect();
        let least = hops.iter().min().unwrap();
        assert!(hops.iter().all(|hops| *hops <= least + usize::from(longer_max)), "{seed}: {hops:?}");
    }
}

#[test]
fn a_message_whose_path_has_failed_arrives_by_another() {
    for seed in 0..300 {
        let mut chance = Chance(seed);
        let mut mesh = Mesh { tells: Tells::Old, ..Mesh::new(&mut chance, 60) };
        let (from, to) = (0, mesh.graph.len() as u32 - 1);
        let mut flow = Flow::new(from, to, mesh.places[to as usize].clone(), 1, 0).unwrap();
        explore(&mut flow, &mesh, from);
        let path = flow.paths().next().unwrap().to_vec();
        if path.len() > 2 {
            mesh.dead.insert(path[path.len() / 2]);
        }
        let arrived = arrive(&mesh, flow.message(1).unwrap(), from);
        assert_eq!(arrived.is_some(), mesh.are_joined(from, to), "{seed}");
    }
}
