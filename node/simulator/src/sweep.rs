//! Many seeds of one scenario, on all cores, told in the order of the seeds.

use crate::{MeshReport, MeshScenario, simulate_mesh};
use std::{
    collections::BTreeMap,
    ops::{ControlFlow, Range},
    sync::{
        atomic::{AtomicBool, AtomicU64, Ordering},
        mpsc,
    },
    thread,
};

/// Runs a scenario with each of `seeds` on `threads` threads. `told` gets the
/// reports in the order of the seeds, and may end it.
///
/// # Errors
/// When the scenario itself cannot be set up.
pub fn sweep(
    scenario: &MeshScenario,
    seeds: Range<u64>,
    threads: usize,
    mut told: impl FnMut(MeshReport) -> ControlFlow<()>,
) -> Result<(), String> {
    let (next, is_over) = (AtomicU64::new(seeds.start), AtomicBool::new(false));
    let (sender, receiver) = mpsc::channel();
    thread::scope(|scope| {
        for _ in 0..threads.max(1) {
            let (sender, next, is_over, end) = (sender.clone(), &next, &is_over, seeds.end);
            scope.spawn(move || {
                while !is_over.load(Ordering::Relaxed) {
                    let seed = next.fetch_add(1, Ordering::Relaxed);
                    if seed >= end {
                        break;
                    }
                    let result = simulate_mesh(&MeshScenario { seed, ..scenario.clone() });
                    if sender.send((seed, result)).is_err() {
                        break;
                    }
                }
            });
        }
        drop(sender);
        let (mut due, mut early) = (seeds.start, BTreeMap::new());
        for (seed, result) in receiver {
            early.insert(seed, result);
            while let Some(result) = early.remove(&due) {
                due += 1;
                let flow = result.map(&mut told);
                if !matches!(flow, Ok(ControlFlow::Continue(()))) {
                    is_over.store(true, Ordering::Relaxed);
                    return flow.map(|_| ());
                }
            }
        }
        Ok(())
    })
}
