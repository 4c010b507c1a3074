//! One step of a message.

use super::{
    Message, TRAIL_MAX, Visit,
    view::{Query, View},
};
use crate::Error;

/// What to do with a message.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Step<N> {
    /// It is for this node.
    Deliver,
    /// Send it, as it then is, to this neighbour. When that fails, cut the link from the
    /// view and ask again with the message as it was.
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

impl<N: Ord + Copy> Message<N> {
    /// What to do with the message at the node whose view this is.
    ///
    /// # Errors
    /// When the target's position is not valid, or has another dimension than those of
    /// the view.
    pub fn next(&self, view: &View<N>) -> Result<Step<N>, Error> {
        let here = view.here();
        if here == self.target {
            return Ok(Step::Deliver);
        }
        let Some(hops_left) = self.hops_left.checked_sub(1) else {
            return Ok(Step::GiveUp(Reason::HopLimit));
        };
        let mut message = Self { hops_left, ..self.clone() };
        if message.visit(message.at).is_none_or(|visit| visit.node != here) {
            // Not where the trail says: a link back has failed, or the sender lied.
            message.restart(here, false);
        }
        loop {
            let to = match message.planned(view) {
                None => message.search(view)?,
                planned => planned,
            };
            if let Some(to) = to {
                if message.trail.len() >= TRAIL_MAX {
                    return Ok(Step::GiveUp(Reason::TrailFull));
                }
                let from = message.at;
                message.at = message.trail.len() as u16;
                message.trail.push(Visit { node: to, from });
                return Ok(Step::Forward(to, message));
            }
            let back = message.visit(message.at).map(|visit| visit.from).filter(|from| *from != message.at);
            if let Some(back) = back {
                if let Some(to) = message.visit(back).map(|visit| visit.node)
                    && view.is_linked(to)
                {
                    message.at = back;
                    return Ok(Step::Forward(to, message));
                }
                message.restart(here, false);
            } else if message.is_thorough {
                return Ok(Step::GiveUp(Reason::Unreachable));
            } else {
                message.restart(here, true);
            }
        }
    }

    fn visit(&self, index: u16) -> Option<Visit<N>> {
        self.trail.get(usize::from(index)).copied()
    }

    fn restart(&mut self, here: N, is_thorough: bool) {
        self.trail = vec![Visit { node: here, from: 0 }];
        self.at = 0;
        self.plan.clear();
        self.is_thorough = is_thorough;
    }

    /// The next node of the plan; the plan is dropped when that cannot be entered.
    fn planned(&mut self, view: &View<N>) -> Option<N> {
        let next = self.plan.pop()?;
        if view.is_linked(next) && self.trail.iter().all(|visit| visit.node != next) {
            return Some(next);
        }
        self.plan.clear();
        None
    }

    fn search(&self, view: &View<N>) -> Result<Option<N>, Error> {
        let mut been: Vec<N> = self.trail.iter().map(|visit| visit.node).collect();
        been.sort_unstable();
        let mut avoid = self.avoid.clone();
        avoid.sort_unstable();
        view.best(&Query {
            algorithm: self.algorithm,
            target: self.target,
            position: &self.position,
            been: &been,
            avoid: &avoid,
            is_indirect: self.at == 0 && avoid.binary_search(&self.target).is_ok(),
            is_thorough: self.is_thorough,
        })
    }
}
