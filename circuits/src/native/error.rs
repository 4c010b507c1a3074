//! What can be wrong with what leaves and trees are made of.

use super::{LEAVES_MAX, RULES_MAX};
use phalanx_types::Hash;

/// Why there is no leaf, root or path.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Error {
    /// A position that the ball does not have.
    #[error(transparent)]
    Geometry(#[from] phalanx_geometry::Error),
    /// Bytes that are the field's modulus or more.
    #[error("{bytes} is not below the field's modulus: it is no root and no public input")]
    NotCanonical {
        /// The bytes.
        bytes: Hash,
    },
    /// A policy of too many rules.
    #[error("a policy of {found} rules; at most {RULES_MAX} are allowed")]
    Rules {
        /// How many there are.
        found: usize,
    },
    /// More leaves than a tree has room for.
    #[error("{found} leaves; a tree has room for {LEAVES_MAX}: cut more often")]
    TreeFull {
        /// How many there are.
        found: usize,
    },
    /// A path of another leaf.
    #[error("the path is not of this agent's leaf: take both from the same checkpoint")]
    OtherPath,
    /// A leaf that is not there.
    #[error("there is no leaf {index}: the tree has {leaves}")]
    NoLeaf {
        /// The leaf asked for.
        index: usize,
        /// How many there are.
        leaves: usize,
    },
}
