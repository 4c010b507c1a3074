//! The paths of `multipath_hyperbolic` to each target, as its source learned them.

use phalanx_geometry::{
    Error,
    routing::{Algorithm, Flow, Message, Visit},
};
use phalanx_types::{PublicKey, agent::Position};
use std::collections::BTreeMap;

/// Targets whose paths are kept; the one that was longest not used makes room.
const FLOWS_MAX: usize = 64;
/// Paths to one target.
const PATHS_MAX: usize = 4;
/// Hops that a path may have more than the shortest.
const LONGER_MAX: u16 = 2;

/// The flows of one source.
#[derive(Debug)]
pub(crate) struct Flows {
    source: PublicKey,
    flows: BTreeMap<PublicKey, (Flow<PublicKey>, u64)>,
    uses: u64,
}

impl Flows {
    pub(crate) const fn new(source: PublicKey) -> Self {
        Self { source, flows: BTreeMap::new(), uses: 0 }
    }

    /// The header of the next message of so many bytes.
    pub(crate) fn message(
        &mut self,
        target: PublicKey,
        position: Position,
        bytes: u64,
    ) -> Result<Message<PublicKey>, Error> {
        self.uses += 1;
        let uses = self.uses;
        if !self.flows.contains_key(&target) {
            if self.flows.len() >= FLOWS_MAX
                && let Some(oldest) =
                    self.flows.iter().min_by_key(|(_, (_, used))| *used).map(|(target, _)| *target)
            {
                self.flows.remove(&oldest);
            }
            let flow = Flow::new(self.source, target, position.clone(), PATHS_MAX, LONGER_MAX)?;
            self.flows.insert(target, (flow, uses));
        }
        match self.flows.get_mut(&target) {
            Some((flow, used)) => {
                *used = uses;
                flow.message(bytes)
            }
            None => Message::new(Algorithm::MultipathHyperbolic, self.source, target, position),
        }
    }

    /// Learns the path of a message that arrived, of which `planned` was to be used; gives
    /// the probe to send next. A plan that did not hold is forgotten with all others to
    /// this target, since who failed is not known here.
    pub(crate) fn arrived(
        &mut self,
        target: &PublicKey,
        planned: &[PublicKey],
        path: &[PublicKey],
    ) -> Option<Message<PublicKey>> {
        if !planned.is_empty() && planned != path {
            self.flows.remove(target);
            return None;
        }
        let (flow, _) = self.flows.get_mut(target)?;
        let mut arrived = flow.message(0).ok()?;
        arrived.trail = (0_u16..)
            .zip(path)
            .map(|(index, node)| Visit { node: *node, from: index.saturating_sub(1) })
            .collect();
        arrived.at = u16::try_from(path.len().saturating_sub(1)).ok()?;
        flow.learn(&arrived);
        flow.probe().ok()?
    }

    /// Forgets the paths to a target to which a message did not come.
    pub(crate) fn failed(&mut self, target: &PublicKey) {
        self.flows.remove(target);
    }
}

/// The nodes that a message is to go through, from its source to its target; empty when
/// it searches.
pub(crate) fn planned(message: &Message<PublicKey>) -> Vec<PublicKey> {
    if message.plan.is_empty() {
        return Vec::new();
    }
    let source = message.trail.first().map(|visit| visit.node);
    source.into_iter().chain(message.plan.iter().rev().copied()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use phalanx_types::agent::DIMENSION_DEFAULT;

    fn key(n: u8) -> PublicKey {
        PublicKey([n; 32])
    }

    fn message(flows: &mut Flows, target: u8) -> Message<PublicKey> {
        flows.message(key(target), Position::origin(DIMENSION_DEFAULT), 1).unwrap()
    }

    #[test]
    fn messages_take_turns_over_the_paths_that_were_learned() {
        let mut flows = Flows::new(key(1));
        assert!(planned(&message(&mut flows, 9)).is_empty(), "the first one searches");
        let probe = flows.arrived(&key(9), &[], &[key(1), key(2), key(9)]).unwrap();
        assert_eq!(probe.avoid, [key(2)]);
        flows.arrived(&key(9), &[], &[key(1), key(3), key(9)]);
        let ways: Vec<Vec<PublicKey>> = (0..4).map(|_| planned(&message(&mut flows, 9))).collect();
        assert_eq!(ways.iter().filter(|way| way[1] == key(2)).count(), 2);
        assert_eq!(ways.iter().filter(|way| way[1] == key(3)).count(), 2);
    }

    #[test]
    fn a_plan_that_did_not_hold_is_forgotten() {
        let mut flows = Flows::new(key(1));
        message(&mut flows, 9);
        flows.arrived(&key(9), &[], &[key(1), key(2), key(9)]);
        let way = planned(&message(&mut flows, 9));
        flows.arrived(&key(9), &way, &[key(1), key(3), key(9)]);
        assert!(planned(&message(&mut flows, 9)).is_empty());
    }

    #[test]
    fn targets_are_bounded_and_the_longest_unused_makes_room() {
        let mut flows = Flows::new(key(1));
        for n in 2..=200 {
            message(&mut flows, n);
        }
        assert_eq!(flows.flows.len(), FLOWS_MAX);
        assert!(flows.flows.contains_key(&key(200)) && !flows.flows.contains_key(&key(2)));
    }
}
