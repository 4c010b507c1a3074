//! One simulated node: its disk, which outlives crashes, and its process.

use crate::{byzantine::Byzantine, wal::MemoryWal};
use phalanx_consensus::{Config, Consensus, EffectKind, Fatal, Output, Probe};
use phalanx_ledger::MemoryKv;
use phalanx_providers::{attempts::Attempts, journal::MemoryJournal};
use phalanx_replica::{Limits, Replica};
use phalanx_types::{
    Envelope, Genesis, Hash, Height, Operation, SignedEnvelope, SigningKey, TimeMs, WorkerOffer,
    job::WantedAttempt,
};
use std::{
    cell::RefCell,
    collections::{BTreeMap, BTreeSet},
    rc::Rc,
    sync::Arc,
};

/// How long an envelope of a node is valid.
const EXPIRY_MS: u64 = 300_000;

/// Ends a node at a certain effect, and counts the effects it sees.
#[derive(Debug, Default)]
pub(crate) struct ProbeState {
    /// Crash at this kind, before or after it, after that many of its kind.
    pub armed: Option<(EffectKind, bool, u32)>,
    /// The effects that crashed a node.
    pub fired: BTreeSet<(EffectKind, bool)>,
    /// The effects that the engine asked for.
    pub seen: BTreeSet<EffectKind>,
    /// The rule that the node breaks.
    #[cfg(test)]
    pub mutation: Option<phalanx_consensus::Mutation>,
}

/// The probe of a simulated node.
#[derive(Clone, Debug, Default)]
pub(crate) struct SimProbe(pub Rc<RefCell<ProbeState>>);

impl SimProbe {
    fn sees(&self, kind: EffectKind, is_before: bool) -> bool {
        let state = &mut *self.0.borrow_mut();
        state.seen.insert(kind);
        match &mut state.armed {
            Some((armed, before, left)) if *armed == kind && *before == is_before => {
                if *left > 0 {
                    *left -= 1;
                    return false;
                }
                state.armed = None;
                state.fired.insert((kind, is_before));
                true
            }
            _ => false,
        }
    }
}

impl Probe for SimProbe {
    fn before(&mut self, kind: EffectKind) -> bool {
        self.sees(kind, true)
    }

    fn after(&mut self, kind: EffectKind) -> bool {
        self.sees(kind, false)
    }

    // Only the tests of this crate break rules: nothing that is shipped can.
    #[cfg(test)]
    fn broken(&self) -> Option<phalanx_consensus::Mutation> {
        self.0.borrow().mutation
    }
}

/// What lives while the node is up.
pub(crate) struct Process {
    pub consensus: Consensus<Replica<MemoryKv>, MemoryWal, SimProbe>,
    pub attempts: Attempts<MemoryJournal>,
    /// Own envelopes that are not decided yet.
    pub pending: BTreeMap<Hash, Arc<SignedEnvelope>>,
    /// Attempts whose outcome was put into an envelope already.
    pub reported: BTreeSet<phalanx_types::AttemptId>,
}

/// One node.
pub(crate) struct SimNode {
    pub key: SigningKey,
    pub workers: Vec<WorkerOffer>,
    pub byzantine: Option<Byzantine>,
    /// Chooses among the ways of its lie.
    pub twist: u64,
    /// How far its clock is off while it is honest.
    pub skew_ms: i64,
    /// It takes a snapshot over beyond so many beats.
    pub snapshot_beyond: Option<u64>,
    pub probe: SimProbe,
    pub process: Option<Process>,
    /// Number of its start; what belongs to an earlier one is stale.
    pub epoch: u64,
    kv: MemoryKv,
    wal: MemoryWal,
    journal: MemoryJournal,
    /// Numbers its envelopes; on disk.
    sequence: u64,
    genesis: Arc<Genesis>,
}

impl SimNode {
    pub(crate) fn new(genesis: Arc<Genesis>, key: SigningKey, workers: Vec<WorkerOffer>) -> Self {
        Self {
            key,
            workers,
            byzantine: None,
            twist: 0,
            skew_ms: 0,
            snapshot_beyond: None,
            probe: SimProbe::default(),
            process: None,
            epoch: 0,
            kv: MemoryKv::default(),
            wal: MemoryWal::default(),
            journal: MemoryJournal::default(),
            sequence: 0,
            genesis,
        }
    }

    /// This node's clock.
    pub(crate) fn clock(&self, now_ms: u64) -> TimeMs {
        let off_ms = self.byzantine.map_or(self.skew_ms, Byzantine::clock_off_ms);
        TimeMs(now_ms.saturating_add_signed(off_ms))
    }

    /// Its last beat; 0 while it is down.
    pub(crate) fn height(&self) -> Height {
        self.process.as_ref().map_or(Height::ZERO, |p| p.consensus.app().ledger().tip().height)
    }

    pub(crate) fn kv(&self) -> &MemoryKv {
        &self.kv
    }

    /// Starts it from its disk.
    pub(crate) fn boot(&mut self, now_ms: u64) -> Result<Vec<Output>, Fatal> {
        self.epoch += 1;
        let failed = |what: String| Fatal::Application(what);
        let mut replica = Replica::open(self.kv.clone(), &self.genesis, self.key.public(), Limits::default())
            .map_err(|error| failed(error.to_string()))?;
        if let Some(beats) = self.snapshot_beyond {
            replica.join_by_snapshot_beyond(beats);
        }
        let attempts = Attempts::open(self.journal.clone(), &[], |_, _| {})
            .map_err(|error| failed(error.to_string()))?;
        let config =
            Config { mesh: self.genesis.mesh, key: self.key.clone(), params: self.genesis.params.clone() };
        let mut consensus = Consensus::with_probe(config, replica, self.wal.clone(), self.probe.clone());
        let outputs = consensus.start(self.clock(now_ms))?;
        self.process =
            Some(Process { consensus, attempts, pending: BTreeMap::new(), reported: BTreeSet::new() });
        Ok(outputs)
    }

    /// Loses the process and what was not synced.
    pub(crate) fn crash(&mut self) {
        self.process = None;
        self.epoch += 1;
        self.kv.crash();
        self.wal.crash();
    }

    /// An envelope of this node.
    pub(crate) fn sign(&mut self, now_ms: u64, operations: Vec<Operation>) -> Arc<SignedEnvelope> {
        let envelope = Envelope {
            mesh: self.genesis.mesh,
            sender: self.key.public(),
            sequence: self.sequence,
            expiry: TimeMs(now_ms + EXPIRY_MS),
            trace_id: None,
            operations,
        };
        self.sequence += 1;
        Arc::new(envelope.sign(&self.key))
    }

    /// What the decided state wants of this node's workers.
    pub(crate) fn wanted(&self) -> Vec<WantedAttempt> {
        let Some(process) = &self.process else { return Vec::new() };
        let fabric = process.consensus.app().fabric();
        self.workers.iter().flat_map(|offer| fabric.wanted(&offer.worker)).collect()
    }
}
