//! How a peer stands with this node: points lost for faults, regained in time.

use std::time::Duration;

/// Standing at which a peer is banned.
pub(crate) const BAN_AT: i64 = -1_000;
/// Points regained in a second.
const REGAIN_PER_S: i64 = 10;

/// A peer's standing: 0 is best.
#[derive(Clone, Debug, Default)]
pub(crate) struct Standing {
    points: i64,
    last: Duration,
    pub reason: Option<String>,
}

impl Standing {
    /// The points now.
    pub(crate) fn points(&self, now: Duration) -> i64 {
        let regained = i64::try_from(now.saturating_sub(self.last).as_secs()).unwrap_or(i64::MAX);
        self.points.saturating_add(regained.saturating_mul(REGAIN_PER_S)).min(0)
    }

    /// Loses points; true when the peer is to be banned.
    pub(crate) fn lose(&mut self, points: i64, reason: &str, now: Duration) -> bool {
        self.points = self.points(now).saturating_sub(points);
        self.last = now;
        self.reason = Some(reason.to_owned());
        self.points <= BAN_AT
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn faults_add_up_to_a_ban_unless_time_passes() {
        let mut standing = Standing::default();
        let at = Duration::from_secs;
        assert!(!standing.lose(600, "garbage", at(0)));
        assert_eq!(standing.points(at(30)), -300);
        assert!(!standing.lose(600, "garbage", at(30)));
        assert!(standing.lose(600, "garbage", at(31)));
        assert_eq!(standing.points(at(10_000)), 0);
    }
}
