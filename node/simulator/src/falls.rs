//! The node that matters most crashes, just when it matters.

use crate::{
    mesh::Mesh,
    scenario::{FallReport, Pillar},
    setup::BEGIN_MS,
};
use phalanx_fabric::Fabric;
use phalanx_geometry::compare_distance;
use phalanx_types::Round;
use std::cmp::Ordering;

/// How long it stays away: the others must go on without it.
const AWAY_MS: u64 = 6_000;

impl Mesh {
    /// After `node` has decided: notes that the mesh goes on without who fell, and
    /// lets the next one fall when it is its turn.
    pub(crate) fn falls(&mut self, node: usize) {
        let now_ms = self.world.now_ms() - BEGIN_MS;
        let Some(sim) = self.nodes.get(node) else { return };
        let height = sim.height();
        for fall in &mut self.fallen {
            if fall.after_ms.is_none() && fall.node != node && height > fall.height {
                fall.after_ms = Some(now_ms - fall.at_ms);
            }
        }
        let Some(fall) = self.scenario.falls.get(self.fallen.len()) else { return };
        // The first to decide it: nobody can have proposed the next one.
        let is_front = self.nodes.iter().filter(|n| n.height() >= height).count() == 1;
        let are_all_up = self.nodes.iter().all(|n| n.process.is_some());
        if height < fall.from || !is_front || !are_all_up {
            return;
        }
        let Some(process) = &sim.process else { return };
        let fabric = process.consensus.app().fabric();
        let proposer = self.node_of(fabric.validator_set().proposer(Round(0)));
        let due = match fall.who {
            Pillar::Proposer => proposer,
            Pillar::Central => self.central(fabric).filter(|central| Some(*central) == proposer),
        };
        let Some(due) = due else { return };
        self.mark(|| format!("node {due} falls: it is to propose the beat after {height}"));
        self.fallen.push(FallReport { node: due, height, at_ms: now_ms, after_ms: None });
        self.crash(due, AWAY_MS);
    }

    /// The node that is nearest to the focus of the work, the first of several.
    fn central(&self, fabric: &Fabric) -> Option<usize> {
        let focus = fabric.focus()?;
        let place = |node: usize| fabric.place(&self.setup.genesis.validators.get(node)?.region);
        (0..self.nodes.len()).min_by(|a, b| match (place(*a), place(*b)) {
            (Some(a), Some(b)) => compare_distance(focus, a, b).unwrap_or(Ordering::Equal),
            (a, b) => b.is_some().cmp(&a.is_some()),
        })
    }
}
