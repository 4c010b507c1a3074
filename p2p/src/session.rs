//! Whether a connected peer is still the process it was.
//!
//! Gossip tells its topics on the first connection with a peer only. A peer that
//! was killed and came back connects anew while its old connection looks alive
//! for some seconds more: it would never learn this node's topics. So every
//! process names itself in `identify`, and when another one answers for a peer
//! all its connections are closed, and both sides begin from nothing.

use libp2p::swarm::ConnectionId;
use std::time::Duration;

/// How long the first connection may take to say which process it is with.
const NAMELESS_MAX: Duration = Duration::from_secs(3);

/// What is known of a connected peer's process.
#[derive(Debug, Default)]
pub(crate) struct Session {
    first: Option<(ConnectionId, Duration)>,
    process: Option<String>,
    /// Another connection's process, while the first one is nameless.
    claimed: Option<String>,
}

impl Session {
    /// The first connection was made.
    pub fn began(&mut self, connection: ConnectionId, now: Duration) {
        *self = Self { first: Some((connection, now)), ..Self::default() };
    }

    /// All connections are gone.
    pub fn ended(&mut self) {
        *self = Self::default();
    }

    /// A connection is with `process`; true when the peer must begin anew.
    pub fn named(&mut self, connection: ConnectionId, process: String) -> bool {
        let is_first = self.first.is_some_and(|(first, _)| first == connection);
        match (&self.process, &self.claimed) {
            (Some(known), _) => *known != process,
            (None, claimed) if is_first => {
                let differs = claimed.as_ref().is_some_and(|claimed| *claimed != process);
                self.process = Some(process);
                differs
            }
            (None, _) => {
                self.claimed = Some(process);
                false
            }
        }
    }

    /// Whether the first connection has been nameless for too long while another
    /// one has a name.
    pub fn is_stale(&self, now: Duration) -> bool {
        self.process.is_none()
            && self.claimed.is_some()
            && self.first.is_some_and(|(_, since)| now.saturating_sub(since) > NAMELESS_MAX)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn session() -> (Session, ConnectionId, ConnectionId) {
        let (first, second) = (ConnectionId::new_unchecked(1), ConnectionId::new_unchecked(2));
        let mut session = Session::default();
        session.began(first, Duration::ZERO);
        (session, first, second)
    }

    #[test]
    fn connections_with_one_process_live_together() {
        let (mut session, first, second) = session();
        assert!(!session.named(second, "a".into()));
        assert!(!session.named(first, "a".into()));
        assert!(!session.is_stale(Duration::from_secs(60)));
    }

    #[test]
    fn another_process_begins_anew() {
        let (mut session, first, second) = session();
        assert!(!session.named(first, "a".into()));
        assert!(session.named(second, "b".into()));
    }

    #[test]
    fn a_first_connection_that_never_spoke_is_stale() {
        let (mut session, _, second) = session();
        assert!(!session.named(second, "b".into()));
        assert!(!session.is_stale(Duration::from_secs(1)));
        assert!(session.is_stale(Duration::from_secs(4)));
    }
}
