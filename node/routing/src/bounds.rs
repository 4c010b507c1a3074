//! How many messages a node has under way, in all and for each source.
//!
//! They are counted by source, not by the peer that hands them over: so nobody is to
//! blame, or short of room, for what it passes on. A message that passes a node twice
//! counts twice while both questions are open. What a node sends of its own is held to
//! far less ([`OWN_OPEN_MAX`], [`OWN_PER_S`]), so that who keeps the rules is never found
//! to have sent too much.

use phalanx_p2p::rate::Bucket;
use phalanx_types::PublicKey;
use std::{collections::BTreeMap, time::Duration};

/// Messages of others that a node has under way, in all.
pub const OPEN_MAX: usize = 256;
/// Those of one source.
pub const OPEN_SOURCE_MAX: usize = 32;
/// Messages of one source that a node takes in a second, in the long run.
pub const SOURCE_PER_S: u32 = 32;
/// Messages that a node has handed to one peer and that are not answered.
pub const HANDED_MAX: usize = 64;
/// Lists of neighbours that one peer may ask for in a second, in the long run.
pub const LISTS_PER_S: u32 = 4;
/// Messages of its own that a node has under way; more wait.
pub const OWN_OPEN_MAX: usize = OPEN_SOURCE_MAX / 4;
/// Messages of its own that a node sends in a second, in the long run; more wait.
pub const OWN_PER_S: u32 = SOURCE_PER_S / 4;

const _: () = assert!(OPEN_SOURCE_MAX * 8 <= OPEN_MAX);

/// Why a message is not taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Full {
    /// The node has as many as it takes.
    InAll,
    /// It has as many of this source as it takes.
    Source,
}

#[derive(Debug)]
struct Counts {
    open: usize,
    rate: Bucket,
    handed: usize,
    lists: Bucket,
}

/// The counts. Time is a [`Duration`] since any fixed point. There is one entry for each
/// member of the mesh that was heard of, and none for others.
#[derive(Debug, Default)]
pub struct Bounds {
    counts: BTreeMap<PublicKey, Counts>,
    open: usize,
}

impl Bounds {
    fn counts(&mut self, of: PublicKey, now: Duration) -> &mut Counts {
        self.counts.entry(of).or_insert_with(|| Counts {
            open: 0,
            rate: Bucket::new(SOURCE_PER_S, now),
            handed: 0,
            lists: Bucket::new(LISTS_PER_S, now),
        })
    }

    /// Begins a message of a source, which must be a member; [`Bounds::end`] ends it.
    ///
    /// # Errors
    /// When there are too many, with whose they are.
    pub fn begin(&mut self, source: PublicKey, now: Duration) -> Result<(), Full> {
        let is_full = self.open >= OPEN_MAX;
        let counts = self.counts(source, now);
        if counts.open >= OPEN_SOURCE_MAX || !counts.rate.take(1, now) {
            return Err(Full::Source);
        }
        if is_full {
            return Err(Full::InAll);
        }
        counts.open += 1;
        self.open += 1;
        Ok(())
    }

    /// Ends a message that was begun.
    pub fn end(&mut self, source: &PublicKey) {
        if let Some(counts) = self.counts.get_mut(source) {
            counts.open = counts.open.saturating_sub(1);
            self.open = self.open.saturating_sub(1);
        }
    }

    /// Counts a message that is handed to a linked peer; false when it has enough.
    pub fn hand(&mut self, peer: PublicKey, now: Duration) -> bool {
        let counts = self.counts(peer, now);
        let has_room = counts.handed < HANDED_MAX;
        counts.handed += usize::from(has_room);
        has_room
    }

    /// A message that was handed over is answered, or given up.
    pub fn answered(&mut self, peer: &PublicKey) {
        if let Some(counts) = self.counts.get_mut(peer) {
            counts.handed = counts.handed.saturating_sub(1);
        }
    }

    /// Whether a linked peer may have one more list of neighbours now.
    pub fn list(&mut self, peer: PublicKey, now: Duration) -> bool {
        self.counts(peer, now).lists.take(1, now)
    }

    /// How full the link to a peer is, in millionths of what it carries.
    #[must_use]
    pub fn load_ppm(&self, peer: &PublicKey) -> u32 {
        let handed = self.counts.get(peer).map_or(0, |counts| counts.handed);
        u32::try_from(handed.saturating_mul(1_000_000) / HANDED_MAX).unwrap_or(u32::MAX)
    }

    /// Messages of others that are under way.
    #[must_use]
    pub const fn open(&self) -> usize {
        self.open
    }

    /// Forgets who is no member any more and has nothing under way.
    pub fn retain(&mut self, is_member: impl Fn(&PublicKey) -> bool) {
        self.counts.retain(|key, counts| is_member(key) || counts.open + counts.handed > 0);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn peer(n: u8) -> PublicKey {
        PublicKey([n; 32])
    }

    #[test]
    fn one_source_fills_its_share_and_not_that_of_others() {
        let (mut bounds, now) = (Bounds::default(), Duration::ZERO);
        for _ in 0..OPEN_SOURCE_MAX {
            assert_eq!(bounds.begin(peer(1), now), Ok(()));
        }
        assert_eq!(bounds.begin(peer(1), now), Err(Full::Source));
        assert_eq!(bounds.begin(peer(2), now), Ok(()));
        bounds.end(&peer(1));
        assert_eq!(bounds.begin(peer(1), now), Ok(()));
    }

    #[test]
    fn all_sources_together_fill_the_whole() {
        let (mut bounds, now) = (Bounds::default(), Duration::ZERO);
        let sources = (OPEN_MAX / OPEN_SOURCE_MAX) as u8;
        for n in 0..sources {
            for _ in 0..OPEN_SOURCE_MAX {
                assert_eq!(bounds.begin(peer(n), now), Ok(()));
            }
        }
        assert_eq!(bounds.begin(peer(sources), now), Err(Full::InAll));
    }

    #[test]
    fn a_source_that_sends_without_end_is_held_to_its_rate() {
        let (mut bounds, mut taken) = (Bounds::default(), 0);
        for ms in 0..10_000 {
            if bounds.begin(peer(1), Duration::from_millis(ms)).is_ok() {
                taken += 1;
                bounds.end(&peer(1));
            }
        }
        // Four seconds may come at once.
        assert!(taken <= SOURCE_PER_S * 14, "{taken}");
    }

    #[test]
    fn a_link_carries_so_many_and_those_that_left_are_forgotten() {
        let (mut bounds, now) = (Bounds::default(), Duration::ZERO);
        for _ in 0..HANDED_MAX {
            assert!(bounds.hand(peer(1), now));
        }
        assert!(!bounds.hand(peer(1), now));
        assert_eq!(bounds.load_ppm(&peer(1)), 1_000_000);
        bounds.list(peer(2), now);
        bounds.retain(|_| false);
        assert_eq!(bounds.counts.len(), 1, "what is under way is still counted");
        for _ in 0..HANDED_MAX {
            bounds.answered(&peer(1));
        }
        bounds.retain(|_| false);
        assert_eq!(bounds.counts.len(), 0);
    }

    proptest! {
        #[test]
        fn counts_stay_within_their_maxima(steps in prop::collection::vec((0_u8..12, any::<bool>(), 0_u64..40), 1..600)) {
            let (mut bounds, mut now) = (Bounds::default(), Duration::ZERO);
            let mut open: Vec<u8> = Vec::new();
            for (n, begins, ms) in steps {
                now += Duration::from_millis(ms);
                if begins {
                    if bounds.begin(peer(n), now).is_ok() { open.push(n); }
                } else if let Some(n) = open.pop() {
                    bounds.end(&peer(n));
                }
                prop_assert_eq!(bounds.open(), open.len());
                prop_assert!(open.len() <= OPEN_MAX);
                prop_assert!(open.iter().filter(|one| **one == n).count() <= OPEN_SOURCE_MAX);
            }
        }
    }
}
