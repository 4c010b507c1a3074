//! Messages that find their way by position, and carry what that needs.
//!
//! A node knows its own neighbours and where they are; a message knows where its
//! target is. [`Message::next`] is a pure function of the two. Its memory is the
//! message's *trail*: the nodes it has been to and from where it came to each. So a
//! node keeps nothing for a message, and there is nothing that a stranger can fill.
//!
//! The walk is a depth-first search whose order is geometry's: of the neighbours
//! that the trail does not hold, the best by the chosen [`Algorithm`]; when there is
//! none, back to where it came from.
//!
//! - **P1** As long as links only fail, and a path from where the message is to its
//!   target remains, the message arrives, if its hops and its trail last. A way back
//!   that has failed starts a new trail from where the message is; a search of `n`
//!   nodes takes at most `2n` hops, so `2n·(failures + 1)` hops are enough.
//! - **P2** When the search comes back to its start with nothing left, there is no
//!   path: the message says so, and does not wander.
//! - **P3** A message is at most [`HOPS_MAX`] hops on its way and holds at most
//!   [`TRAIL_MAX`] nodes, whoever made it: [`Message::check`] refuses others.

mod flow;

pub use flow::Flow;

use crate::{Ball, Curvature, Error, fixed};
use phalanx_types::agent::Position;

/// Most hops of a message.
pub const HOPS_MAX: u16 = 4096;
/// Most nodes that a message remembers.
pub const TRAIL_MAX: usize = 1024;
/// Most nodes that a message of a flow keeps away from.
pub const AVOID_MAX: usize = 256;

/// The configuration's `routing_algorithm`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Algorithm {
    /// `greedy_forwarding`: to the neighbour nearest to the target.
    GreedyForwarding,
    /// `multipath_hyperbolic`: the same, over paths that share no node between their
    /// ends; see [`Flow`].
    MultipathHyperbolic,
    /// `gradient_flow`: to the neighbour with the least way to go, where congestion
    /// lengthens the way over a link.
    GradientFlow,
}

impl Algorithm {
    /// All of them.
    pub const ALL: [Self; 3] = [Self::GreedyForwarding, Self::MultipathHyperbolic, Self::GradientFlow];

    /// The configuration's name.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::GreedyForwarding => "greedy_forwarding",
            Self::MultipathHyperbolic => "multipath_hyperbolic",
            Self::GradientFlow => "gradient_flow",
        }
    }
}

/// A neighbour that can be sent to now.
#[derive(Clone, Copy, Debug)]
pub struct Neighbour<'a, N> {
    /// Who it is.
    pub id: N,
    /// Where it is.
    pub position: &'a Position,
    /// How full the link to it is, in millionths of what it carries; above a
    /// million when a queue has formed. Only `gradient_flow` looks at it.
    pub load_ppm: u32,
}

/// A node that the message has been to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Visit<N> {
    /// The node.
    pub node: N,
    /// Index in the trail of the node it was entered from; its own index for the
    /// first.
    pub from: u16,
}

/// What a message carries to find its way.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Message<N> {
    /// How the next hop is chosen.
    pub algorithm: Algorithm,
    /// Who it is for.
    pub target: N,
    /// Where that is.
    pub position: Position,
    /// Hops that are left.
    pub hops_left: u16,
    /// Nodes that this search has entered, in order of entering.
    pub trail: Vec<Visit<N>>,
    /// Index in the trail of the node where the message is.
    pub at: u16,
    /// Nodes that another path of the same flow uses. The target among them means
    /// that the source's link to it is in use.
    pub avoid: Vec<N>,
}

/// What to do with a message.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Step<N> {
    /// It is for this node.
    Deliver,
    /// Send it, as it then is, to this neighbour. When that fails, ask again with
    /// the message as it was and without the neighbour.
    Forward(N, Message<N>),
    /// It cannot go on.
    GiveUp(Reason),
}

/// Why a message cannot go on.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Reason {
    /// Everything that can be reached was searched.
    #[error("no path leads to the target")]
    Unreachable,
    /// The hop limit is used up.
    #[error("the hop limit is used up")]
    HopLimit,
    /// The message has been to more nodes than it may remember.
    #[error("the search went through more than {TRAIL_MAX} nodes")]
    TrailFull,
}

/// Why a message from another node is refused.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum BadMessage {
    /// More hops, nodes or nodes to avoid than allowed.
    #[error("{what} of {found}; at most {max} are allowed")]
    TooMany {
        /// Of what.
        what: &'static str,
        /// How many there are.
        found: usize,
        /// How many may be.
        max: usize,
    },
    /// An index that points nowhere in the trail.
    #[error("its trail is not one: an index points outside of it or forwards")]
    BrokenTrail,
    /// The target's position is not valid.
    #[error("the target's position: {0}")]
    Position(#[from] Error),
}

impl<N: Ord + Copy> Message<N> {
    /// A new message from `source`.
    ///
    /// # Errors
    /// When the target's position is not valid.
    pub fn new(algorithm: Algorithm, source: N, target: N, position: Position) -> Result<Self, Error> {
        fixed::gap(&position)?;
        let trail = vec![Visit { node: source, from: 0 }];
        Ok(Self { algorithm, target, position, hops_left: HOPS_MAX, trail, at: 0, avoid: Vec::new() })
    }

    /// Whether a message that came from another node is one.
    ///
    /// # Errors
    /// When it is not, with the reason.
    pub fn check(&self) -> Result<(), BadMessage> {
        let bounds = [
            ("hops", usize::from(self.hops_left), usize::from(HOPS_MAX)),
            ("a trail", self.trail.len(), TRAIL_MAX),
            ("nodes to avoid", self.avoid.len(), AVOID_MAX),
        ];
        for (what, found, max) in bounds {
            if found > max {
                return Err(BadMessage::TooMany { what, found, max });
            }
        }
        let back = self.trail.iter().enumerate().all(|(i, v)| usize::from(v.from) < i.max(1));
        if !back || usize::from(self.at) >= self.trail.len() {
            return Err(BadMessage::BrokenTrail);
        }
        fixed::gap(&self.position)?;
        Ok(())
    }

    /// What to do with the message at `here`, which has these live neighbours.
    ///
    /// # Errors
    /// When a neighbour's position is not valid or has another dimension than the
    /// target's.
    pub fn next(&self, here: N, place: &Position, neighbours: &[Neighbour<'_, N>]) -> Result<Step<N>, Error> {
        if here == self.target {
            return Ok(Step::Deliver);
        }
        let mut message = self.clone();
        let Some(hops_left) = self.hops_left.checked_sub(1) else {
            return Ok(Step::GiveUp(Reason::HopLimit));
        };
        message.hops_left = hops_left;
        loop {
            if message.here() != Some(here) {
                // Not where the trail says: a link back has failed, or the sender lied.
                message.restart(here);
            }
            if let Some(to) = message.best(place, neighbours)? {
                if message.trail.len() >= TRAIL_MAX {
                    return Ok(Step::GiveUp(Reason::TrailFull));
                }
                let from = message.at;
                message.at = message.trail.len() as u16;
                message.trail.push(Visit { node: to, from });
                return Ok(Step::Forward(to, message));
            }
            if let Some(back) = message.back()
                && let Some(visit) = message.trail.get(usize::from(back))
            {
                let to = visit.node;
                if neighbours.iter().any(|n| n.id == to) {
                    message.at = back;
                    return Ok(Step::Forward(to, message));
                }
                message.restart(here);
                continue;
            }
            // Back at the start with nothing left.
            if message.avoid.is_empty() {
                return Ok(Step::GiveUp(Reason::Unreachable));
            }
            // No path of its own: any path is better than none.
            message.avoid.clear();
            message.restart(here);
        }
    }

    fn here(&self) -> Option<N> {
        self.trail.get(usize::from(self.at)).map(|visit| visit.node)
    }

    /// The index of the node that this one was entered from.
    fn back(&self) -> Option<u16> {
        self.trail.get(usize::from(self.at)).map(|visit| visit.from).filter(|from| *from != self.at)
    }

    fn restart(&mut self, here: N) {
        self.trail = vec![Visit { node: here, from: 0 }];
        self.at = 0;
    }

    /// The best neighbour that the search has not entered yet.
    fn best(&self, place: &Position, neighbours: &[Neighbour<'_, N>]) -> Result<Option<N>, Error> {
        let mut seen: Vec<N> = self.trail.iter().map(|visit| visit.node).collect();
        seen.extend(&self.avoid);
        seen.sort_unstable();
        let indirect = self.at == 0 && self.avoid.contains(&self.target);
        let fresh = neighbours
            .iter()
            .filter(|n| if n.id == self.target { !indirect } else { seen.binary_search(&n.id).is_err() });
        match self.algorithm {
            Algorithm::GreedyForwarding | Algorithm::MultipathHyperbolic => {
                let mut best: Option<(fixed::Nearness, N)> = None;
                for neighbour in fresh {
                    if neighbour.id == self.target {
                        return Ok(Some(self.target));
                    }
                    let gap = fixed::gap(neighbour.position)?;
                    let separation = fixed::separation(&self.position, neighbour.position)?;
                    let candidate = (fixed::Nearness { separation, gap }, neighbour.id);
                    if best.as_ref().is_none_or(|best| candidate < *best) {
                        best = Some(candidate);
                    }
                }
                Ok(best.map(|(_, id)| id))
            }
            Algorithm::GradientFlow => {
                let ball = Ball::new(Curvature::ONE);
                let mut best = None;
                for neighbour in fresh {
                    let ahead = ball.distance(neighbour.position, &self.position)?.0;
                    let link = ball.distance(place, neighbour.position)?.0;
                    // A link that is full is twice as long as an empty one.
                    let congestion = u128::from(link.max(1)) * u128::from(neighbour.load_ppm) / 1_000_000;
                    let candidate = (u128::from(ahead) + congestion, neighbour.id);
                    if best.is_none_or(|best| candidate < best) {
                        best = Some(candidate);
                    }
                }
                Ok(best.map(|(_, id)| id))
            }
        }
    }

    /// The nodes from the start of the trail to where the message is, without what
    /// it left again.
    #[must_use]
    pub fn path(&self) -> Vec<N> {
        let mut path = Vec::new();
        let mut at = usize::from(self.at);
        while let Some(visit) = self.trail.get(at) {
            path.push(visit.node);
            // Strictly back, whatever the message says.
            match usize::from(visit.from) {
                from if from < at => at = from,
                _ => break,
            }
        }
        path.reverse();
        path
    }
}
