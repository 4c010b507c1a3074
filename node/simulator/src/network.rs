//! The network between simulated nodes.

use crate::{
    byzantine::Byzantine,
    checks::Violation,
    faults::Fault,
    mesh::{Happening, Mesh, Parcel},
    node::SimNode,
};
use phalanx_consensus::{
    Event, Output,
    wire::{Lane, Message, SyncResponse},
};
use phalanx_p2p::rate::Bucket;
use phalanx_replica::snapshot::{Query, decode_query};
use phalanx_types::{Hash, Height, encode, evidence::Fault as PeerFault, vote::VoteKind};
use sha3::Digest;
use std::time::Duration;

/// Time after which a question without an answer has failed.
const REQUEST_MS: u64 = 1_500;

/// What a node has had from one author.
pub(crate) struct Rate {
    bucket: Bucket,
    /// Messages beyond the rate.
    excess: u32,
}

/// Messages a second that a node takes from one author. The busiest honest node
/// of a mesh of four sends about eighty.
const MESSAGES_PER_S: u32 = 400;
/// Messages beyond the rate after which their author is cut off.
const EXCESS_MAX: u32 = 50;

impl Mesh {
    /// The limit that the real network has, with the same token bucket. Who goes
    /// on beyond it is cut off.
    fn within_rate(&mut self, to: usize, epoch: u64, from: usize, author: usize) -> bool {
        let now = Duration::from_millis(self.world.now_ms());
        let fresh = || Rate { bucket: Bucket::new(MESSAGES_PER_S, now), excess: 0 };
        let rate = self.rates.entry((to, author)).or_insert_with(fresh);
        if rate.excess > EXCESS_MAX {
            return false;
        }
        if rate.bucket.take(1, now) {
            return true;
        }
        if from == author {
            rate.excess += 1;
            if rate.excess > EXCESS_MAX {
                self.mark(|| format!("node {to} cuts node {author} off: it floods"));
                let is_honest = |n: usize| self.nodes.get(n).is_some_and(|n| n.byzantine.is_none());
                if is_honest(to) && is_honest(author) {
                    let what = "a flood".to_owned();
                    self.checks.violations.push(Violation::Slandered { node: author, by: to, what });
                }
                self.step(to, epoch, Event::Flooded { from: self.peer_key(author) });
            }
        }
        false
    }

    pub(crate) fn outputs(&mut self, node: usize, outputs: Vec<Output>) {
        let Some(epoch) = self.nodes.get(node).map(|n| n.epoch) else { return };
        for output in outputs {
            match output {
                Output::Broadcast { lane, bytes } => self.broadcast(node, lane, &bytes),
                Output::SetTimer { id, after_ms } => {
                    self.world.after(after_ms.max(1), Happening::Timer { node, epoch, id });
                }
                Output::Request { peer, bytes } => {
                    let Some(to) = self.keys.get(&peer).copied() else { continue };
                    self.requests += 1;
                    let number = self.requests;
                    self.send(node, to, Parcel::Request(number, bytes));
                    self.world.after(REQUEST_MS, Happening::Unanswered { node, epoch, peer: to, number });
                }
                Output::Respond { token, mut bytes } => {
                    let Some((to, number)) = self.tokens.remove(&token) else { continue };
                    let lies = self.nodes.get(node).and_then(|n| n.byzantine) == Some(Byzantine::LyingSync);
                    if lies && let Some(byte) = bytes.get_mut(200) {
                        *byte ^= 1;
                    }
                    self.send(node, to, Parcel::Response(number, bytes));
                }
                Output::ServeSnapshot { token, query, .. } => {
                    let Some((to, number)) = self.tokens.remove(&token) else { continue };
                    let process = self.nodes.get(node).and_then(|n| n.process.as_ref());
                    let offered = process.and_then(|p| p.consensus.app().offered());
                    let query = decode_query(&query).ok();
                    let mut answer = query
                        .and_then(|query| offered.map(|offered| offered.answer(&query)))
                        .unwrap_or_default();
                    let is_part = matches!(query, Some(Query::Part { .. }));
                    let is_liar =
                        self.nodes.get(node).and_then(|n| n.byzantine) == Some(Byzantine::LyingSync);
                    let middle = answer.len() / 2;
                    // Of some snapshots the manifest is true and the parts are not.
                    if is_liar
                        && (is_part || self.random.chance(300_000))
                        && let Some(byte) = answer.get_mut(middle)
                    {
                        *byte ^= 1;
                        self.snapshots.lies += 1;
                        self.snapshots.part_lies += u32::from(is_part);
                    }
                    let bytes = encode(&SyncResponse::Snapshot(answer));
                    self.send(node, to, Parcel::Response(number, bytes));
                }
                Output::Penalize { peer, fault, reason } => self.penalize(node, peer, fault, reason),
                Output::Verdict { .. } | Output::Committed { .. } => {}
            }
        }
    }

    /// K10: honest nodes have nothing to penalise one another for.
    fn penalize(&mut self, by: usize, peer: [u8; 32], fault: PeerFault, reason: String) {
        let Some(node) = self.keys.get(&peer).copied() else { return };
        let is_honest = |n: usize| self.nodes.get(n).is_some_and(|n| n.byzantine.is_none());
        if !is_honest(by) {
            return;
        }
        if is_honest(node) {
            self.checks.violations.push(Violation::Slandered { node, by, what: reason });
        } else {
            // Who has no beat yet and takes a snapshot over asks for nothing else.
            let joins = self.nodes.get(by).is_some_and(|n| n.snapshot_beyond.is_some());
            let has_none = self.nodes.get(by).is_some_and(|n| n.height() == Height::ZERO);
            self.snapshots.named += u32::from(joins && has_none && fault == PeerFault::BadSync);
            self.penalties.entry(node).or_default().insert(fault);
        }
    }

    fn broadcast(&mut self, node: usize, lane: Lane, bytes: &[u8]) {
        let Some(sim) = self.nodes.get(node) else { return };
        if sim.byzantine.is_none()
            && let Ok(Message::Vote(vote)) = Message::decode(lane, bytes)
            && vote.message.validator == sim.key.public()
        {
            self.checks.vote(node, &vote.message);
            let kind = if vote.message.kind == VoteKind::Prevote { "prevotes" } else { "precommits" };
            let what = vote.message.beat.map_or("nil".to_owned(), |b| b.short());
            let (height, round) = (vote.message.height, vote.message.round.0);
            self.mark(|| format!("node {node} {kind} {what} at {height}/{round}"));
        }
        for to in (0..self.nodes.len()).filter(|to| *to != node) {
            let told = match self.nodes.get(node) {
                Some(SimNode { byzantine: Some(kind), key, twist, .. }) => {
                    kind.tell(key, *twist, &mut self.random, to, lane, bytes, &self.history)
                }
                _ => vec![(lane, bytes.to_vec())],
            };
            for (place, (told_lane, told_bytes)) in (1..).zip(told) {
                // What is told to all alike is one message; a lie is its own.
                let is_same = told_lane == lane && told_bytes == bytes && place == 1;
                let number = if is_same { self.gossip } else { self.gossip + place * 64 + to as u64 };
                if place > 1 && self.nodes.get(node).is_some_and(|n| n.byzantine == Some(Byzantine::Replayer))
                {
                    self.replayed.insert(number);
                }
                self.send(node, to, Parcel::Consensus(number, node, told_lane, told_bytes));
            }
        }
        self.gossip += 64 * 64;
        self.history.push(lane, bytes);
    }

    /// Something that was said before has come to a node.
    fn note_replay(&mut self, to: usize, lane: Lane, bytes: &[u8]) {
        let next = self.nodes.get(to).map(|n| n.height().next());
        let height = match Message::decode(lane, bytes) {
            Ok(Message::Vote(vote)) => Some(vote.message.height),
            Ok(Message::Proposal(claim, _)) => Some(claim.message.height),
            _ => None,
        };
        self.replays.delivered += 1;
        self.replays.current += u64::from(height.is_some() && height == next);
    }

    pub(crate) fn send(&mut self, from: usize, to: usize, parcel: Parcel) {
        let faulty = !self.calm;
        let lost = faulty && self.scenario.faults.has(Fault::Drop) && self.random.chance(50_000);
        let is_cut = self.cut.as_ref().is_some_and(|side| side.contains(&from) != side.contains(&to));
        if lost || is_cut || self.is_torn(from, to, &parcel) {
            self.dropped += 1;
            self.sights.stopped(is_cut);
            return;
        }
        let mut delay = self.random.between(1, 12);
        if faulty && self.scenario.faults.has(Fault::Delay) && self.random.chance(100_000) {
            delay += self.random.between(20, 900);
        }
        self.world.after(delay, Happening::Deliver { to, from, parcel });
    }

    pub(crate) fn deliver(&mut self, to: usize, from: usize, parcel: Parcel) {
        let (now_ms, sender) = (self.world.now_ms(), self.peer_key(from));
        let Some(sim) = self.nodes.get_mut(to) else { return };
        if sim.process.is_none() {
            self.dropped += 1;
            return;
        }
        self.delivered += 1;
        self.audit.update(now_ms.to_le_bytes());
        self.audit.update((to as u64).to_le_bytes());
        self.audit.update((from as u64).to_le_bytes());
        let (epoch, clock) = (sim.epoch, sim.clock(now_ms));
        match parcel {
            Parcel::Consensus(number, author, lane, bytes) => {
                self.audit.update(Hash::sha3(&bytes).0);
                if !self.heard.get_mut(to).is_some_and(|heard| heard.insert(number))
                    || !self.within_rate(to, epoch, from, author)
                {
                    return;
                }
                if self.replayed.contains(&number) {
                    self.note_replay(to, lane, &bytes);
                }
                let relayed = bytes.clone();
                let event = Event::Message { from: sender, author: sender, lane, bytes };
                if self.step(to, epoch, event) {
                    for other in (0..self.nodes.len()).filter(|other| *other != to && *other != from) {
                        let is_news = self.heard.get(other).is_some_and(|heard| !heard.contains(&number));
                        if is_news {
                            let parcel = Parcel::Consensus(number, author, lane, relayed.clone());
                            self.send(to, other, parcel);
                        }
                    }
                }
            }
            Parcel::Input(signed) => {
                self.audit.update(signed.envelope.id().0);
                if let Some(process) = &mut sim.process
                    && process.consensus.app_mut().intake(clock, signed).is_ok()
                {
                    self.step(to, epoch, Event::Work);
                }
            }
            Parcel::Request(number, bytes) => {
                self.audit.update(Hash::sha3(&bytes).0);
                self.tokens.insert(number, (from, number));
                self.step(to, epoch, Event::Request { from: sender, token: number, bytes });
            }
            Parcel::Response(number, bytes) => {
                self.audit.update(Hash::sha3(&bytes).0);
                self.answered.insert(number);
                self.step(to, epoch, Event::Response { from: sender, bytes });
            }
        }
    }
}
