//! Messages that find their way by position, and carry what that needs.
//!
//! A node's [`View`] is its live neighbours and the lists of neighbours that these tell;
//! a message knows where its target is. [`Message::next`] is a pure function of the two.
//! Its memory is the message's *trail*: the nodes it has been to and from where it came
//! to each. So a node keeps nothing for a message, and there is nothing that a stranger
//! can fill.
//!
//! The walk is a depth-first search whose order is geometry's, with a look-ahead of two
//! hops (Manku, Naor and Wieder 2004, “Know thy neighbor's neighbor”): the message goes
//! to the neighbour that is itself nearest to the target, or links to a node that is, as
//! the chosen [`Algorithm`] reckons; when there is nothing left to enter, back to where
//! it came from. A first *sweep* leaves out neighbours that show nothing new: those all
//! of whose neighbours are neighbours of a node that the message has been to.
//!
//! - **P1** As long as links only fail, and a path from where the message is to its
//!   target remains, the message arrives, if its hops and its trail last. A way back
//!   that has failed starts a new trail from where the message is. The sweep of `n`
//!   nodes takes at most `2n` hops; it misses a target only when the lists are untrue or
//!   old, and then a *thorough* search follows that leaves out nothing. So
//!   `4n·(failures + 1)` hops are enough, whatever the positions and the lists say.
//! - **P2** When the thorough search comes back to its start with nothing left, there is
//!   no path: the message says so, and does not wander.
//! - **P3** A message is at most [`HOPS_MAX`] hops on its way, holds at most
//!   [`TRAIL_MAX`] nodes and has at most [`HEADER_BYTES_MAX`] bytes, whoever made it:
//!   [`Message::decode`] refuses others.
//!
//! ```
//! use phalanx_geometry::routing::{Algorithm, Message, Neighbour, Step, View};
//! use phalanx_types::agent::Position;
//!
//! // Node 0 is linked to 1, and 1 to 2, for which the message is.
//! let place = |x: i64| Position(vec![x << 38, 0]);
//! let (own, other, target) = (place(0), place(1), place(2));
//! let told = vec![(0, &own), (2, &target)];
//! let view = View::new(0, &own, &[Neighbour { id: 1, position: &other, load_ppm: 0, neighbours: told }])?;
//!
//! let message = Message::new(Algorithm::GreedyForwarding, 0_u32, 2, target.clone())?;
//! let Step::Forward(1, message) = message.next(&view)? else { panic!("1 is the way") };
//! let bytes = message.encode();
//! // Node 1, with its own view, goes on from there.
//! assert_eq!(Message::decode(&bytes), Ok(message));
//! # Ok::<(), phalanx_geometry::Error>(())
//! ```
//!
//! Why the sweep misses nothing when lists are true: let `V` be where it has been. Take a
//! path from `V` to the target, without its first part in `V`. Its first node was left
//! out, so the next one is a neighbour of some node in `V`; there it could have been
//! entered, so it was left out too, and so on: the target is a neighbour of a node in
//! `V`, and is never left out.

mod flow;
mod message;
mod view;
mod walk;

pub use flow::Flow;
pub use message::{BadMessage, Message, Visit};
pub use view::{Neighbour, View};
pub use walk::{Reason, Step};

/// Most hops of a message.
pub const HOPS_MAX: u16 = 8_192;
/// Most nodes that a message remembers.
pub const TRAIL_MAX: usize = 2_048;
/// Most nodes that a message is told to go through, or to keep away from.
pub const PATH_MAX: usize = 256;
/// Most neighbours that a node has, and most that it hears of from one.
pub const NEIGHBOURS_MAX: usize = 4_096;
/// Most bytes of an encoded message, enough for ids of 32 bytes.
pub const HEADER_BYTES_MAX: usize = 1 << 17;

// A sweep and a thorough search of all that a trail holds.
const _: () = assert!(HOPS_MAX as usize >= 4 * TRAIL_MAX);
// Visits, both lists of nodes, the position, and 256 bytes for the rest.
const _: () =
    assert!(TRAIL_MAX * 34 + 2 * PATH_MAX * 32 + crate::DIMENSION_MAX * 8 + 256 <= HEADER_BYTES_MAX);

/// The configuration's `routing_algorithm`.
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, borsh::BorshSerialize, borsh::BorshDeserialize,
)]
pub enum Algorithm {
    /// `greedy_forwarding`: to where the way that is left is shortest.
    GreedyForwarding,
    /// `multipath_hyperbolic`: the same, over paths that share no node between their
    /// ends; see [`Flow`].
    MultipathHyperbolic,
    /// `gradient_flow`: the same, where congestion lengthens the way over a link. It
    /// spreads what goes over a mesh whose places are those of its links; where they are
    /// others, detours can put more on the busiest link than they take off it.
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
