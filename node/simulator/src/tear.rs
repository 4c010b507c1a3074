//! Loss that hurts most: it strikes at the rule of the lock.
//!
//! At a height one node is *blind*: the proposal of round 0 and one prevote do
//! not reach it, so it votes nil. Another is *mute*: after its prevote nothing of
//! it reaches anybody. The mute node sees everything and decides; the others are
//! locked, time out, and go to a round whose proposer may be the blind node,
//! which is not locked. Only the lock keeps them from deciding something else.

use crate::{
    faults::Fault,
    mesh::{Mesh, Parcel},
};
use phalanx_consensus::wire::Message;
use phalanx_types::{Height, PublicKey, Round, vote::VoteKind};

/// The share of heights at which it strikes, in millionths.
const CHANCE_PPM: u64 = 20_000;
/// How long it lasts: two rounds.
const LASTS_MS: u64 = 2_500;

/// Who is struck, and where.
#[derive(Clone, Debug)]
pub(crate) struct Tear {
    height: Height,
    blind: usize,
    mute: usize,
    until_ms: u64,
}

impl Mesh {
    pub(crate) fn node_of(&self, key: Option<PublicKey>) -> Option<usize> {
        self.nodes.iter().position(|n| Some(n.key.public()) == key)
    }

    /// Plans a tear for the height after the one that `node`, the first, has
    /// just decided.
    pub(crate) fn tear_up(&mut self, node: usize) {
        let now_ms = self.world.now_ms();
        if self.calm || !self.scenario.faults.has(Fault::Drop) || self.nodes.len() < 4 {
            return;
        }
        if self.tear.as_ref().is_some_and(|tear| tear.until_ms > now_ms) {
            return;
        }
        let front = self.heights(false).max().unwrap_or_default();
        let Some(process) = self.nodes.get(node).and_then(|n| n.process.as_ref()) else { return };
        let fabric = process.consensus.app().fabric();
        let (height, set) = (fabric.height(), fabric.validator_set());
        let firsts = (set.proposer(Round(0)), set.proposer(Round(1)));
        let firsts = (self.node_of(firsts.0), self.node_of(firsts.1));
        if height < front || !self.random.chance(CHANCE_PPM) {
            return;
        }
        let (Some(first), Some(second)) = firsts else { return };
        let others: Vec<usize> = (0..self.nodes.len()).filter(|at| *at != first).collect();
        let pick = |at: u64| others.get(at as usize).copied().unwrap_or(second);
        let blind = match self.random.below(2) {
            0 => second,
            _ => pick(self.random.below(others.len() as u64)),
        };
        let mut mute = pick(self.random.below(others.len() as u64));
        if mute == blind {
            mute = others.iter().copied().find(|at| *at != blind).unwrap_or(blind);
        }
        self.mark(|| format!("torn at {}: {blind} is blind, {mute} is mute", height.next()));
        self.tear = Some(Tear { height: height.next(), blind, mute, until_ms: now_ms + LASTS_MS });
    }

    /// Whether a parcel is lost to the tear.
    pub(crate) fn is_torn(&self, from: usize, to: usize, parcel: &Parcel) -> bool {
        let Some(tear) = self.tear.as_ref().filter(|tear| tear.until_ms > self.world.now_ms()) else {
            return false;
        };
        let Parcel::Consensus(_, _, lane, bytes) = parcel else { return from == tear.mute };
        let is_round_0 = |height: Height, round: Round| height == tear.height && round == Round(0);
        match Message::decode(*lane, bytes) {
            Ok(Message::Proposal(claim, _)) if is_round_0(claim.message.height, claim.message.round) => {
                to == tear.blind
            }
            Ok(Message::Vote(vote)) if self.node_of(Some(vote.message.validator)) == Some(tear.mute) => {
                let vote = &vote.message;
                let is_first = vote.kind == VoteKind::Prevote && is_round_0(vote.height, vote.round);
                // What it said of earlier heights is no secret.
                vote.height >= tear.height && (!is_first || to == tear.blind)
            }
            _ => from == tear.mute,
        }
    }
}
