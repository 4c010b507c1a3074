//! What a message carries to find its way, and its encoding.

use super::{Algorithm, HEADER_BYTES_MAX, HOPS_MAX, PATH_MAX, TRAIL_MAX};
use crate::{Error, fixed};
use borsh::{BorshDeserialize, BorshSerialize};
use phalanx_types::{
    agent::Position,
    codec::{self, DecodeError},
};

/// A node that the message has been to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, BorshSerialize, BorshDeserialize)]
pub struct Visit<N> {
    /// The node.
    pub node: N,
    /// Index in the trail of the node it was entered from; its own index for the
    /// first.
    pub from: u16,
}

/// The header of a message among nodes with ids `N`.
#[derive(Clone, Debug, PartialEq, Eq, BorshSerialize, BorshDeserialize)]
pub struct Message<N> {
    /// How the next hop is chosen.
    pub algorithm: Algorithm,
    /// Who it is for.
    pub target: N,
    /// Where that is.
    pub position: Position,
    /// Hops that are left.
    pub hops_left: u16,
    /// Whether the search leaves out nothing: after a sweep that found nothing.
    pub is_thorough: bool,
    /// Nodes that this search has entered, in order of entering.
    pub trail: Vec<Visit<N>>,
    /// Index in the trail of the node where the message is.
    pub at: u16,
    /// Nodes to go through, the next one last. When one is not linked any more, the
    /// message searches from where it is.
    pub plan: Vec<N>,
    /// Nodes that another path of the same flow uses. The target among them means
    /// that the source's link to it is in use.
    pub avoid: Vec<N>,
}

/// Why a message from another node is refused.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum BadMessage {
    /// The bytes are too many, or no message.
    #[error(transparent)]
    Encoding(#[from] DecodeError),
    /// More hops or nodes than allowed.
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
        Ok(Self {
            algorithm,
            target,
            position,
            hops_left: HOPS_MAX,
            is_thorough: false,
            trail: vec![Visit { node: source, from: 0 }],
            at: 0,
            plan: Vec::new(),
            avoid: Vec::new(),
        })
    }

    /// Whether a message that came from another node is one.
    ///
    /// # Errors
    /// When it is not, with the reason.
    pub fn check(&self) -> Result<(), BadMessage> {
        let bounds = [
            ("hops", usize::from(self.hops_left), usize::from(HOPS_MAX)),
            ("a trail", self.trail.len(), TRAIL_MAX),
            ("a plan", self.plan.len(), PATH_MAX),
            ("nodes to avoid", self.avoid.len(), PATH_MAX),
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

impl<N: Ord + Copy + BorshSerialize + BorshDeserialize> Message<N> {
    /// The bytes that travel before the message's content.
    #[must_use]
    pub fn encode(&self) -> Vec<u8> {
        codec::encode(self)
    }

    /// The message of these bytes, checked ([`Message::check`]).
    ///
    /// # Errors
    /// When there are more than [`HEADER_BYTES_MAX`], they are no message or go on
    /// after it, or the message is refused.
    pub fn decode(bytes: &[u8]) -> Result<Self, BadMessage> {
        let message: Self = codec::decode_exact(bytes, HEADER_BYTES_MAX, "a message's header")?;
        message.check()?;
        Ok(message)
    }
}
