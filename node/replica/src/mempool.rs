//! Envelopes that wait for a beat.
//!
//! - **M1** The pool is bounded in envelopes and in bytes, overall and for each
//!   sender, so that no sender can push out the others.
//! - **M2** What keeps the mesh alive goes first: commands and accusations,
//!   then the workers' words, then the tenants'. Within a class it is first
//!   come, first served.
//! - **M3** An envelope is in the pool at most once, and its signature was
//!   verified before it came in.
//!
//! When it is full, the newcomer is refused ([`PoolError::Full`]); nothing that
//! was taken in is pushed out before it is decided, refused for good or expired.

use phalanx_types::{
    Envelope, Hash, Operation, PublicKey, SignedEnvelope, TimeMs, codec,
    envelope::{ENVELOPE_BYTES_MAX, OPERATIONS_MAX},
};
use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

/// Bounds of the pool.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Most envelopes.
    pub envelopes_max: usize,
    /// Most bytes of all envelopes' encodings.
    pub bytes_max: usize,
    /// Most envelopes of one sender.
    pub sender_envelopes_max: usize,
    /// Most bytes of one sender's envelopes.
    pub sender_bytes_max: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            envelopes_max: 65_536,
            bytes_max: 128 << 20,
            sender_envelopes_max: 32_768,
            sender_bytes_max: 64 << 20,
        }
    }
}

/// An envelope in the pool.
#[derive(Clone, Debug)]
pub struct Pooled {
    /// Its id.
    pub id: Hash,
    /// The envelope.
    pub signed: Arc<SignedEnvelope>,
    /// Length of its encoding in bytes.
    pub bytes: usize,
}

/// Why an envelope does not come into the pool.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum PoolError {
    /// It waits already.
    #[error("this envelope already waits for a beat")]
    Known,
    /// No room.
    #[error("{what} is full ({max}); send again when some of it is decided")]
    Full {
        /// Which bound.
        what: &'static str,
        /// The bound.
        max: usize,
    },
    /// Too large or without operations.
    #[error(
        "an envelope has 1 to {OPERATIONS_MAX} operations and at most {ENVELOPE_BYTES_MAX} bytes; this one has {operations} and {bytes}"
    )]
    Shape {
        /// Operations it has.
        operations: usize,
        /// Bytes it has.
        bytes: usize,
    },
    /// Its sender has one with this number waiting.
    #[error("an envelope of this sender with the number {sequence} already waits")]
    Number {
        /// The number.
        sequence: u64,
    },
}

/// How urgent an envelope is; smaller goes first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Class {
    Control,
    Worker,
    Tenant,
}

impl Class {
    /// The class of the least urgent operation, so that nobody gains by mixing.
    fn of(envelope: &Envelope) -> Self {
        let class = |operation: &Operation| match operation {
            Operation::Command(_) | Operation::Observe(_) | Operation::Accuse(_) => Self::Control,
            Operation::OfferWorker(_)
            | Operation::WithdrawWorker { .. }
            | Operation::Heartbeat { .. }
            | Operation::ReportOutcome(_)
            | Operation::MeasureLatency(_) => Self::Worker,
            Operation::SubmitJob(_)
            | Operation::CancelJob { .. }
            | Operation::SpawnAgent(_)
            | Operation::MigrateAgent { .. }
            | Operation::UseAgents { .. }
            | Operation::TerminateAgent { .. } => Self::Tenant,
        };
        envelope.operations.iter().map(class).max().unwrap_or(Self::Tenant)
    }
}

#[derive(Clone, Copy, Debug, Default)]
struct Share {
    envelopes: usize,
    bytes: usize,
}

/// The pool.
#[derive(Debug, Default)]
pub struct Mempool {
    limits: Limits,
    queue: BTreeMap<(Class, u64), Pooled>,
    by_id: BTreeMap<Hash, (Class, u64)>,
    numbers: BTreeSet<(PublicKey, u64)>,
    shares: BTreeMap<PublicKey, Share>,
    bytes: usize,
    arrivals: u64,
}

impl Mempool {
    /// An empty pool.
    #[must_use]
    pub fn new(limits: Limits) -> Self {
        Self { limits, ..Self::default() }
    }

    /// Envelopes in it.
    #[must_use]
    pub fn len(&self) -> usize {
        self.queue.len()
    }

    /// Whether it is empty.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.queue.is_empty()
    }

    /// Bytes in it.
    #[must_use]
    pub const fn bytes(&self) -> usize {
        self.bytes
    }

    /// Whether `id` waits, and so has a verified signature.
    #[must_use]
    pub fn get(&self, id: &Hash) -> Option<&Pooled> {
        self.by_id.get(id).and_then(|key| self.queue.get(key))
    }

    /// The highest number of a sender that waits.
    #[must_use]
    pub fn last_number(&self, sender: &PublicKey) -> Option<u64> {
        self.numbers.range((*sender, 0)..=(*sender, u64::MAX)).next_back().map(|(_, number)| *number)
    }

    /// Takes in an envelope whose signature was verified.
    ///
    /// # Errors
    /// See [`PoolError`].
    pub fn insert(&mut self, id: Hash, signed: Arc<SignedEnvelope>) -> Result<(), PoolError> {
        if self.by_id.contains_key(&id) {
            return Err(PoolError::Known);
        }
        let envelope = &signed.envelope;
        let (sender, sequence) = (envelope.sender, envelope.sequence);
        let bytes = codec::encode(&*signed).len();
        let operations = envelope.operations.len();
        if operations == 0 || operations > OPERATIONS_MAX || bytes > ENVELOPE_BYTES_MAX {
            return Err(PoolError::Shape { operations, bytes });
        }
        if self.numbers.contains(&(sender, sequence)) {
            return Err(PoolError::Number { sequence });
        }
        let share = self.shares.get(&sender).copied().unwrap_or_default();
        let limits = self.limits;
        let full = |what, max| Err(PoolError::Full { what, max });
        if share.envelopes >= limits.sender_envelopes_max {
            return full("this sender's share of the queue, in envelopes,", limits.sender_envelopes_max);
        }
        if share.bytes + bytes > limits.sender_bytes_max {
            return full("this sender's share of the queue, in bytes,", limits.sender_bytes_max);
        }
        if self.queue.len() >= limits.envelopes_max {
            return full("the queue of envelopes", limits.envelopes_max);
        }
        if self.bytes + bytes > limits.bytes_max {
            return full("the queue of envelopes, in bytes,", limits.bytes_max);
        }
        let key = (Class::of(envelope), self.arrivals);
        self.arrivals += 1;
        self.bytes += bytes;
        self.shares.insert(sender, Share { envelopes: share.envelopes + 1, bytes: share.bytes + bytes });
        self.numbers.insert((sender, sequence));
        self.by_id.insert(id, key);
        self.queue.insert(key, Pooled { id, signed, bytes });
        Ok(())
    }

    /// Takes an envelope out.
    pub fn remove(&mut self, id: &Hash) -> Option<Pooled> {
        let key = self.by_id.remove(id)?;
        let pooled = self.queue.remove(&key)?;
        let sender = pooled.signed.envelope.sender;
        self.bytes -= pooled.bytes;
        self.numbers.remove(&(sender, pooled.signed.envelope.sequence));
        if let Some(share) = self.shares.get_mut(&sender) {
            share.envelopes -= 1;
            share.bytes -= pooled.bytes;
            if share.envelopes == 0 {
                self.shares.remove(&sender);
            }
        }
        Some(pooled)
    }

    /// The waiting envelopes in the order in which a proposer takes them.
    pub fn iter(&self) -> impl Iterator<Item = &Pooled> {
        self.queue.values()
    }

    /// Drops what `keep` refuses and what expired before `now`; gives the ids.
    pub fn retain(&mut self, now: TimeMs, keep: impl Fn(&Pooled) -> bool) -> Vec<Hash> {
        let gone: Vec<Hash> = self
            .queue
            .values()
            .filter(|pooled| pooled.signed.envelope.expiry < now || !keep(pooled))
            .map(|pooled| pooled.id)
            .collect();
        for id in &gone {
            self.remove(id);
        }
        gone
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use phalanx_types::{JobId, SigningKey};
    use proptest::prelude::*;

    fn envelope(sender: u8, sequence: u64, control: bool) -> (Hash, Arc<SignedEnvelope>) {
        let key = SigningKey::from_seed([sender; 32]);
        let operation = if control {
            Operation::Command(Box::new(phalanx_types::OwnerCommand::Pause {
                scope: phalanx_types::owner::Scope::Mesh,
            }))
        } else {
            Operation::CancelJob { job: JobId([sequence as u8; 32]) }
        };
        let envelope = Envelope {
            mesh: Hash::ZERO,
            sender: key.public(),
            sequence,
            expiry: TimeMs(1_000 + sequence),
            trace_id: None,
            operations: vec![operation],
        };
        (envelope.id(), Arc::new(envelope.sign(&key)))
    }

    #[test]
    fn commands_overtake_jobs() {
        let mut pool = Mempool::new(Limits::default());
        let (job, signed) = envelope(1, 1, false);
        pool.insert(job, signed).unwrap();
        let (command, signed) = envelope(2, 1, true);
        pool.insert(command, signed).unwrap();
        assert_eq!(pool.iter().map(|p| p.id).collect::<Vec<_>>(), [command, job]);
    }

    #[test]
    fn a_sender_cannot_fill_the_pool() {
        let limits = Limits { envelopes_max: 4, sender_envelopes_max: 2, ..Limits::default() };
        let mut pool = Mempool::new(limits);
        for sequence in 0..5 {
            let (id, signed) = envelope(1, sequence, false);
            assert_eq!(pool.insert(id, signed).is_ok(), sequence < 2);
        }
        let (id, signed) = envelope(2, 0, false);
        pool.insert(id, signed).unwrap();
    }

    #[test]
    fn one_number_of_a_sender_waits_once() {
        let mut pool = Mempool::new(Limits::default());
        let (id, signed) = envelope(1, 7, false);
        pool.insert(id, signed).unwrap();
        let (id, signed) = envelope(1, 7, true);
        assert_eq!(pool.insert(id, signed), Err(PoolError::Number { sequence: 7 }));
    }

    proptest! {
        #[test]
        fn counts_follow_every_insert_and_removal(steps in prop::collection::vec((0_u8..4, 0_u64..8, any::<bool>(), 0_u8..3), 0..60)) {
            let mut pool = Mempool::new(Limits { envelopes_max: 10, sender_envelopes_max: 4, ..Limits::default() });
            for (sender, sequence, control, action) in steps {
                let (id, signed) = envelope(sender, sequence, control);
                match action {
                    0 => { pool.remove(&id); }
                    1 => { pool.retain(TimeMs(1_000 + sequence), |p| p.id != id); }
                    _ => { let _ = pool.insert(id, signed); }
                }
                let bytes: usize = pool.iter().map(|p| p.bytes).sum();
                prop_assert_eq!(pool.bytes(), bytes);
                prop_assert_eq!(pool.len(), pool.by_id.len());
                prop_assert_eq!(pool.len(), pool.numbers.len());
                prop_assert_eq!(pool.len(), pool.shares.values().map(|s| s.envelopes).sum::<usize>());
                prop_assert!(pool.len() <= 10);
            }
            let ids: Vec<_> = pool.iter().map(|p| p.id).collect();
            for id in ids { pool.remove(&id); }
            prop_assert!(pool.is_empty() && pool.shares.is_empty() && pool.bytes() == 0);
        }
    }
}
