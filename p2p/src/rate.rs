//! How much one peer may send.

use std::time::Duration;

/// Seconds of the long-run rate that may come at once.
const BURST_S: u64 = 4;
const NANOS: u128 = 1_000_000_000;

/// A token bucket. Time is a [`Duration`] since any fixed point.
#[derive(Clone, Debug)]
pub struct Bucket {
    per_s: u64,
    /// In billionths of a token.
    level: u128,
    last: Duration,
}

impl Bucket {
    /// A full bucket for `per_s` tokens a second in the long run.
    #[must_use]
    pub fn new(per_s: u32, now: Duration) -> Self {
        let per_s = u64::from(per_s);
        Self { per_s, level: u128::from(per_s * BURST_S) * NANOS, last: now }
    }

    /// Takes tokens; false, and none taken, when there are too few.
    pub fn take(&mut self, tokens: u64, now: Duration) -> bool {
        let passed = now.saturating_sub(self.last).as_nanos();
        self.last = self.last.max(now);
        let full = u128::from(self.per_s * BURST_S) * NANOS;
        self.level = full.min(self.level + passed * u128::from(self.per_s));
        match self.level.checked_sub(u128::from(tokens) * NANOS) {
            Some(left) => {
                self.level = left;
                true
            }
            None => false,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn no_more_passes_than_burst_and_rate(steps in prop::collection::vec((0_u64..500, 1_u64..30), 1..100)) {
            let mut bucket = Bucket::new(10, Duration::ZERO);
            let (mut now, mut passed) = (Duration::ZERO, 0);
            for (ms, tokens) in steps {
                now += Duration::from_millis(ms);
                if bucket.take(tokens, now) { passed += tokens; }
                prop_assert!(passed as f64 <= 40.0 + now.as_secs_f64() * 10.0 + 1e-6);
            }
        }
    }
}
