//! Several paths for what goes from one node to another.

use super::{Algorithm, HOPS_MAX, Message, PATH_MAX};
use crate::{Error, fixed};
use phalanx_types::agent::Position;

/// The source's part of `multipath_hyperbolic`: paths that share no node between their
/// ends, and how much went over each.
///
/// A path is learned from the trail of a message that arrived ([`Flow::learn`]). The
/// first message finds one; then probes without content look for others, keeping away
/// from those that are known ([`Flow::probe`]); all else goes along the known path that
/// has carried least ([`Flow::message`]).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Flow<N> {
    source: N,
    target: N,
    position: Position,
    paths_max: usize,
    longer_max: u16,
    paths: Vec<(Vec<N>, u64)>,
    /// Whether a probe has been sent since the last path was learned.
    is_probed: bool,
}

impl<N: Ord + Copy> Flow<N> {
    /// A flow over at most `paths_max` paths, none of which is more than `longer_max`
    /// hops longer than the shortest of them.
    ///
    /// # Errors
    /// When the target's position is not valid.
    pub fn new(
        source: N,
        target: N,
        position: Position,
        paths_max: usize,
        longer_max: u16,
    ) -> Result<Self, Error> {
        fixed::gap(&position)?;
        Ok(Self { source, target, position, paths_max, longer_max, paths: Vec::new(), is_probed: false })
    }

    /// The paths that are known, from source to target.
    pub fn paths(&self) -> impl Iterator<Item = &[N]> {
        self.paths.iter().map(|(path, _)| path.as_slice())
    }

    /// The header of the next message, which has so many bytes: along the path that has
    /// carried least, of equals the shortest, then the first. With no path it searches.
    ///
    /// # Errors
    /// None for a flow that was made.
    pub fn message(&mut self, bytes: u64) -> Result<Message<N>, Error> {
        let mut message = self.searching()?;
        if let Some((path, carried)) =
            self.paths.iter_mut().min_by_key(|(path, carried)| (*carried, path.len()))
        {
            *carried = carried.saturating_add(bytes);
            message.plan = path.iter().skip(1).rev().copied().collect();
        }
        Ok(message)
    }

    /// A message without content that looks for one more path. None when no path is
    /// known yet, there are enough, they are too long to be kept away from, or the last
    /// probe found none.
    ///
    /// # Errors
    /// None for a flow that was made.
    pub fn probe(&mut self) -> Result<Option<Message<N>>, Error> {
        let avoid: Vec<N> = self.paths().flat_map(private).copied().collect();
        let is_done = self.is_probed || self.paths.len() >= self.paths_max || avoid.len() > PATH_MAX;
        let Some(hops) = self.hops_min().filter(|_| !is_done) else { return Ok(None) };
        self.is_probed = true;
        let hops_left = hops.saturating_add(self.longer_max).min(HOPS_MAX);
        Ok(Some(Message { hops_left, avoid, ..self.searching()? }))
    }

    fn searching(&self) -> Result<Message<N>, Error> {
        Message::new(Algorithm::MultipathHyperbolic, self.source, self.target, self.position.clone())
    }

    /// Hops of the shortest path.
    fn hops_min(&self) -> Option<u16> {
        self.paths().map(|path| path.len().saturating_sub(1) as u16).min()
    }

    /// Learns from a message that arrived. A path that shares a node with another, is
    /// too long, or does not begin at the source is left out. A new path counts as if it
    /// had carried as much as the one that carried least: it takes its share of what
    /// follows, not all of it.
    pub fn learn(&mut self, arrived: &Message<N>) {
        let path = arrived.path();
        let is_whole = path.first() == Some(&self.source) && path.last() == Some(&self.target);
        let is_shared = self.paths().flat_map(private).any(|node| private(&path).contains(node));
        if !is_whole || is_shared || self.paths.len() >= self.paths_max || path.len() > PATH_MAX {
            return;
        }
        let carried = self.paths.iter().map(|(_, carried)| *carried).min().unwrap_or(0);
        self.paths.push((path, carried));
        self.is_probed = false;
        let longest = self.hops_min().map_or(0, usize::from) + usize::from(self.longer_max);
        self.paths.retain(|(path, _)| path.len() <= longest + 1);
    }

    /// Forgets the paths over a node that has failed, and looks for others.
    pub fn forget(&mut self, failed: N) {
        self.paths.retain(|(path, _)| !path.contains(&failed));
        self.is_probed = false;
    }
}

/// What no other path may use: the nodes between the ends, or the link between the ends,
/// for which the target stands.
fn private<N>(path: &[N]) -> &[N] {
    match path {
        [_, target] => std::slice::from_ref(target),
        [_, inner @ .., _] => inner,
        _ => &[],
    }
}
