//! What was said in the mesh, for one who says it again.

use crate::random::Random;
use phalanx_consensus::wire::Lane;
use std::collections::VecDeque;

/// Messages that are kept, about thirty beats of four nodes; the oldest goes
/// when another comes.
const HISTORY_MAX: usize = 512;
/// The last few are of the height that is being decided, or of the one before.
const NEWEST: usize = 8;

/// The last messages of all nodes.
#[derive(Debug, Default)]
pub(crate) struct History(VecDeque<(Lane, Vec<u8>)>);

impl History {
    pub(crate) fn push(&mut self, lane: Lane, bytes: &[u8]) {
        if self.0.len() >= HISTORY_MAX {
            self.0.pop_front();
        }
        self.0.push_back((lane, bytes.to_vec()));
    }

    /// One of the newest, or one of all of them.
    pub(crate) fn pick(&self, random: &mut Random) -> Option<(Lane, Vec<u8>)> {
        let len = self.0.len();
        let among = if random.chance(500_000) { len.min(NEWEST) } else { len };
        if among == 0 {
            return None;
        }
        let back = random.below(among as u64) as usize;
        self.0.get(len - 1 - back).cloned()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_newest_and_the_oldest_that_is_kept_are_picked_and_none_before() {
        let (mut history, mut random) = (History::default(), Random::new(1));
        assert_eq!(history.pick(&mut random), None);
        for number in 0..2_000_u32 {
            history.push(Lane::Votes, &number.to_le_bytes());
        }
        let picked: Vec<u32> = (0..20_000)
            .filter_map(|_| history.pick(&mut random))
            .map(|(_, bytes)| u32::from_le_bytes(bytes.try_into().unwrap()))
            .collect();
        let oldest = 2_000 - HISTORY_MAX as u32;
        assert_eq!((picked.iter().min(), picked.iter().max()), (Some(&oldest), Some(&1_999)));
        let new = picked.iter().filter(|number| **number >= 2_000 - NEWEST as u32).count();
        assert!(new > picked.len() / 2, "{new}");
    }
}
