//! Several paths for what goes from one node to another.

use super::{AVOID_MAX, Algorithm, Message};
use crate::Error;
use phalanx_types::agent::Position;

/// The source's view of `multipath_hyperbolic`: paths that share no node between
/// their ends, and how much went over each.
///
/// A path is learned from the trail of a message that arrived. The next message of
/// the flow either looks for one more path, keeping away from those that are known,
/// or takes the known path that has carried least.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Flow<N> {
    source: N,
    target: N,
    position: Position,
    paths_max: usize,
    paths: Vec<(Vec<N>, u64)>,
    searched: bool,
}

impl<N: Ord + Copy> Flow<N> {
    /// A flow over at most `paths_max` paths.
    #[must_use]
    pub const fn new(source: N, target: N, position: Position, paths_max: usize) -> Self {
        Self { source, target, position, paths_max, paths: Vec::new(), searched: false }
    }

    /// The paths that are known, from source to target.
    pub fn paths(&self) -> impl Iterator<Item = &[N]> {
        self.paths.iter().map(|(path, _)| path.as_slice())
    }

    /// A message that looks for one more path; none when there are enough, the last
    /// search found none, or the paths are too long to be kept away from.
    ///
    /// # Errors
    /// When the target's position is not valid.
    pub fn explore(&self) -> Result<Option<Message<N>>, Error> {
        let avoid: Vec<N> = self.inner().collect();
        if self.searched || self.paths.len() >= self.paths_max || avoid.len() > AVOID_MAX {
            return Ok(None);
        }
        let message =
            Message::new(Algorithm::MultipathHyperbolic, self.source, self.target, self.position.clone())?;
        Ok(Some(Message { avoid, ..message }))
    }

    /// What a further path must not use: nodes between the ends, and the link
    /// between the ends, for which the target stands.
    fn inner(&self) -> impl Iterator<Item = N> {
        self.paths.iter().flat_map(|(path, _)| match path.as_slice() {
            [_, target] => vec![*target],
            [_, inner @ .., _] => inner.to_vec(),
            _ => Vec::new(),
        })
    }

    /// Learns from a message of [`Flow::explore`] that arrived. A path that shares a
    /// node with another ends the search for more.
    pub fn learn(&mut self, arrived: &Message<N>) {
        let path = arrived.path();
        let whole = path.first() == Some(&self.source) && path.last() == Some(&self.target);
        let between = if path.len() == 2 {
            &path[..]
        } else {
            path.get(1..path.len().saturating_sub(1)).unwrap_or(&[])
        };
        let shares = self.inner().any(|node| between.contains(&node));
        if !whole || shares {
            self.searched = true;
        } else {
            self.paths.push((path, 0));
        }
    }

    /// The path for the next `bytes`: the one that has carried least, of equals the
    /// shortest, then the first.
    pub fn assign(&mut self, bytes: u64) -> Option<&[N]> {
        let best = self.paths.iter_mut().min_by_key(|(path, carried)| (*carried, path.len()))?;
        best.1 = best.1.saturating_add(bytes);
        Some(&best.0)
    }

    /// Forgets the paths over a node that has failed, and looks for others.
    pub fn forget(&mut self, failed: N) {
        self.paths.retain(|(path, _)| !path.contains(&failed));
        self.searched = false;
    }
}
