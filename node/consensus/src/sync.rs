//! Catching up: who is ahead, whom to ask, and taking beats over (ADR 001).

use crate::{
    Application, Consensus, Fatal, Output, PeerKey, Probe, Purpose, SnapshotStep, Verdict, Wal,
    timers::Alarm,
    wire::{SYNC_BEATS_MAX, SYNC_BYTES, SyncRequest, SyncResponse},
};
use phalanx_types::{Beat, DecodeError, Height, TimeMs, codec, evidence::Fault};
use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

/// Peers whose heights are kept; the lowest are dropped beyond that.
const PEERS_MAX: usize = 256;
/// How long a node that is one beat behind waits before it asks: the votes that
/// decide are usually on their way.
const PATIENCE_MS: u64 = 250;

/// Who is how far, and what was asked.
#[derive(Debug, Default)]
pub(crate) struct Sync {
    heights: BTreeMap<PeerKey, Height>,
    asked: Option<PeerKey>,
    /// Whose snapshot is being taken over.
    source: Option<PeerKey>,
    /// Who offers none.
    without: BTreeSet<PeerKey>,
    is_waiting: bool,
    last_commit: TimeMs,
    is_idle: bool,
}

impl Sync {
    /// A peer told its height.
    pub(crate) fn heard(&mut self, peer: PeerKey, height: Height) {
        let known = self.heights.get(&peer).copied().unwrap_or_default();
        self.heights.insert(peer, known.max(height));
        if self.heights.len() > PEERS_MAX {
            let lowest = self.heights.iter().min_by_key(|(_, height)| **height).map(|(peer, _)| *peer);
            if let Some(lowest) = lowest {
                self.heights.remove(&lowest);
            }
        }
    }

    /// The highest height a peer told.
    pub(crate) fn best(&self) -> Height {
        self.heights.values().max().copied().unwrap_or_default()
    }

    pub(crate) fn is_behind(&self, height: Height) -> bool {
        self.best() > height
    }

    /// A peer did not answer, or badly: it is asked again only when it tells of
    /// itself again.
    pub(crate) fn failed(&mut self, peer: PeerKey) {
        self.heights.remove(&peer);
        if self.asked == Some(peer) {
            self.asked = None;
        }
    }

    /// Whom to ask for a snapshot, and whether that is another than before.
    fn snapshot_peer(&mut self, height: Height) -> Option<(PeerKey, bool)> {
        if let Some(source) = self.source.filter(|peer| self.heights.contains_key(peer)) {
            return Some((source, false));
        }
        let offers = |peer: &PeerKey| !self.without.contains(peer);
        let best = self.heights.iter().filter(|(peer, h)| **h > height && offers(peer));
        self.source = best.max_by_key(|(_, h)| **h).map(|(peer, _)| *peer);
        self.source.map(|peer| (peer, true))
    }

    pub(crate) fn due(&mut self) {
        self.is_waiting = false;
    }

    pub(crate) fn committed(&mut self, now: TimeMs) {
        self.last_commit = now;
    }

    pub(crate) const fn last_commit(&self) -> TimeMs {
        self.last_commit
    }

    pub(crate) fn set_idle(&mut self, is_idle: bool) {
        self.is_idle = is_idle;
    }

    /// Whether the next height was planned at the idle pace; asks once.
    pub(crate) fn take_idle(&mut self) -> bool {
        std::mem::take(&mut self.is_idle)
    }
}

/// What a question of a peer is answered with.
pub(crate) enum SyncAnswer {
    /// The encoding of beats.
    Beats(Vec<u8>),
    /// What the application says to this.
    Snapshot(Vec<u8>),
}

impl<A: Application, W: Wal, P: Probe> Consensus<A, W, P> {
    /// Asks after a moment of patience, or at once when far behind.
    pub(crate) fn ask_soon(&mut self, outputs: &mut Vec<Output>) {
        let height = self.app.height();
        if self.sync.best() > height.next() {
            self.ask(outputs);
        } else if self.sync.is_behind(height) && !self.sync.is_waiting {
            self.sync.is_waiting = true;
            self.set_timer(Alarm::Sync, PATIENCE_MS, outputs);
        }
    }

    /// Asks the peer that is farthest ahead, one question at a time.
    pub(crate) fn ask(&mut self, outputs: &mut Vec<Output>) {
        let height = self.app.height();
        if self.sync.asked.is_some() {
            return;
        }
        if self.app.snapshot_query(self.sync.best()).is_some()
            && let Some((peer, is_new)) = self.sync.snapshot_peer(height)
        {
            if is_new {
                self.app.snapshot_abandon();
            }
            if let Some(query) = self.app.snapshot_query(self.sync.best()) {
                self.sync.asked = Some(peer);
                let request = SyncRequest::Snapshot { query };
                outputs.push(Output::Request { peer, bytes: codec::encode(&request) });
                return;
            }
        }
        let best = self.sync.heights.iter().filter(|(_, h)| **h > height).max_by_key(|(_, h)| **h);
        let Some(peer) = best.map(|(peer, _)| *peer) else { return };
        self.sync.asked = Some(peer);
        let request = SyncRequest::Beats { from: height.next(), count: SYNC_BEATS_MAX };
        outputs.push(Output::Request { peer, bytes: codec::encode(&request) });
    }

    /// The answer to a question: beats from a height on, within bounds.
    pub(crate) fn sync_answer(&self, bytes: &[u8]) -> Result<Result<SyncAnswer, DecodeError>, Fatal> {
        let (from, count) = match SyncRequest::decode(bytes) {
            Ok(SyncRequest::Beats { from, count }) => (from, count),
            Ok(SyncRequest::Snapshot { query }) => return Ok(Ok(SyncAnswer::Snapshot(query))),
            Err(error) => return Ok(Err(error)),
        };
        // The encoding of `SyncResponse::Beats`, from the stored bytes.
        let mut body = Vec::new();
        let mut beats: u32 = 0;
        for step in 0..u64::from(count.min(SYNC_BEATS_MAX)) {
            let Some((beat, certificate)) = self.app.decided(from.saturating_add(step))? else { break };
            body.extend_from_slice(&beat);
            body.extend_from_slice(&codec::encode(&certificate));
            beats += 1;
            if body.len() >= SYNC_BYTES {
                break;
            }
        }
        let mut answer = vec![0];
        answer.extend_from_slice(&beats.to_le_bytes());
        answer.append(&mut body);
        Ok(Ok(SyncAnswer::Beats(answer)))
    }

    /// Takes over the beats of an answer. The first that is wrong ends it and
    /// names the peer.
    pub(crate) fn answered(
        &mut self,
        now: TimeMs,
        from: PeerKey,
        bytes: &[u8],
        outputs: &mut Vec<Output>,
    ) -> Result<(), Fatal> {
        if self.sync.asked != Some(from) {
            return Ok(());
        }
        self.sync.asked = None;
        let beats = match SyncResponse::decode(bytes) {
            Ok(SyncResponse::Beats(beats)) => beats,
            Ok(SyncResponse::Snapshot(answer)) => return self.snapshot_answered(now, from, &answer, outputs),
            Err(error) => {
                self.sync.failed(from);
                self.blame(from, Fault::BadSync, bytes, error.to_string(), outputs);
                self.ask(outputs);
                return Ok(());
            }
        };
        let is_empty = beats.is_empty();
        for (beat, certificate) in beats {
            let next = self.app.height().next();
            if beat.header.height < next {
                continue;
            }
            let beat: Arc<Beat> = Arc::new(beat);
            let named = (certificate.mesh, certificate.height, certificate.beat);
            let wrong = if named != (self.config.mesh, next, beat.id()) {
                Some("a certificate of another beat".to_owned())
            } else if let Err(error) = certificate.verify(&self.app.validator_set()) {
                Some(error.to_string())
            } else {
                match self.app.check(&beat, certificate.round, Purpose::Sync)? {
                    Verdict::Valid => None,
                    Verdict::Invalid { reason, .. } => Some(reason),
                }
            };
            if let Some(reason) = wrong {
                self.sync.failed(from);
                self.blame(from, Fault::BadSync, bytes, reason, outputs);
                self.ask(outputs);
                return Ok(());
            }
            self.committed(now, &beat, &certificate, outputs)?;
        }
        if is_empty {
            // It said it had more than it has.
            self.sync.failed(from);
        }
        self.ask(outputs);
        Ok(())
    }

    /// Takes an answer about a snapshot. One who lies is named, and the next peer
    /// is asked; when nobody offers one, beats are asked for.
    fn snapshot_answered(
        &mut self,
        now: TimeMs,
        from: PeerKey,
        answer: &[u8],
        outputs: &mut Vec<Output>,
    ) -> Result<(), Fatal> {
        if self.app.snapshot_query(self.sync.best()).is_none() {
            // It was not asked for.
            self.sync.failed(from);
        } else {
            match self.app.snapshot_answer(answer)? {
                SnapshotStep::More => {}
                SnapshotStep::Restored => self.advanced(now, outputs)?,
                SnapshotStep::Unavailable => {
                    self.sync.without.insert(from);
                    self.sync.source = None;
                }
                SnapshotStep::Wrong { reason } => {
                    self.sync.without.insert(from);
                    self.sync.source = None;
                    self.sync.failed(from);
                    outputs.push(Output::Penalize { peer: from, fault: Fault::BadSync, reason });
                }
            }
        }
        self.ask(outputs);
        Ok(())
    }
}
