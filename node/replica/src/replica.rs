//! One node's copy of the mesh.

use crate::{
    judge::{self, Parent, Rejection, Room},
    mempool::{Limits, Mempool, PoolError},
    snapshot::{self, Joined, Joining, Offered},
};
use phalanx_consensus::{Application, Fatal, PeerKey, Purpose, SnapshotStep, Verdict};
use phalanx_fabric::{BeatContext, Fabric, Input, Refusal};
use phalanx_ledger::{BeatMeta, Kv, Ledger, Prepared, StoreError};
use phalanx_types::{
    Beat, Checkpoint, CommitCertificate, Evidence, Genesis, Hash, Header, Height, Params, PublicKey, Receipt,
    Round, SignedEnvelope, TimeMs, ValidatorSet,
    beat::{EVIDENCE_MAX, inputs_root},
    evidence::{Accusation, Fault},
};
use std::{
    collections::{BTreeMap, VecDeque},
    sync::Arc,
};

/// Most executed beats of the next height that are kept. A height rarely sees
/// more than one; a proposer that floods rounds makes older ones run again.
pub const EXECUTIONS_MAX: usize = 4;
/// Most pieces of evidence that wait for a beat; more is dropped, since any one
/// piece convicts its offender.
pub const EVIDENCE_POOL_MAX: usize = 256;
/// Most accusations that wait to be signed; more is dropped, like a second
/// accusation of the same offender at the same height.
pub const ACCUSATIONS_MAX: usize = 64;
/// Most decisions that wait to be read by the shell; the oldest are dropped.
pub const DECISIONS_MAX: usize = 1_024;

/// Intervals after which a newer snapshot is offered.
const OFFER_CHECKPOINTS: u64 = 8;

/// Why an envelope was not taken in.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
pub enum IntakeError {
    /// The signature is not the sender's.
    #[error("the signature is not of the key {0}: sign the envelope with that key")]
    Signature(PublicKey),
    /// The state after the last beat refuses it.
    #[error(transparent)]
    Refused(#[from] Refusal),
    /// There is no room, or it is there already.
    #[error(transparent)]
    Pool(#[from] PoolError),
}

/// Why a replica cannot start.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// The genesis document is no basis.
    #[error(transparent)]
    Genesis(#[from] phalanx_types::genesis::GenesisError),
    /// The ledger cannot be opened.
    #[error(transparent)]
    Ledger(#[from] phalanx_ledger::OpenError),
    /// The ledger cannot be read or written.
    #[error(transparent)]
    Store(#[from] phalanx_ledger::StoreError),
    /// The stored state is not one that the fabric wrote.
    #[error("the stored state cannot be loaded: {0}; run `phalanx ledger fsck`, then restore a snapshot")]
    State(#[from] phalanx_fabric::LoadError),
    /// The store is of another mesh.
    #[error(
        "the store is of the genesis {found}, but the genesis document is {expected}: use the home folder of this mesh"
    )]
    OtherMesh {
        /// The document's hash.
        expected: Hash,
        /// The store's.
        found: Hash,
    },
}

/// What was decided at one height, for those who wait for it.
#[derive(Clone, Debug)]
pub struct Decision {
    /// The header.
    pub header: Header,
    /// Its receipts.
    pub receipts: Arc<[Receipt]>,
    /// The envelopes it decided.
    pub envelopes: Vec<Hash>,
    /// The checkpoint that it closed.
    pub checkpoint: Option<Checkpoint>,
    /// The state after it.
    pub fabric: Fabric,
}

fn fatal(error: StoreError) -> Fatal {
    match error {
        StoreError::DiskFull { .. } | StoreError::Io { .. } => Fatal::Disk(error.to_string()),
        other => Fatal::Application(other.to_string()),
    }
}

struct Execution {
    fabric: Fabric,
    next_set: Arc<ValidatorSet>,
    ids: Vec<Hash>,
    prepared: Prepared,
}

/// One node's copy of the mesh: state, ledger and what waits.
pub struct Replica<K: Kv> {
    mesh: Hash,
    params: Params,
    me: PublicKey,
    fabric: Fabric,
    ledger: Ledger<K>,
    mempool: Mempool,
    parent_set: Option<Arc<ValidatorSet>>,
    executions: VecDeque<(Hash, Execution)>,
    evidence: BTreeMap<Hash, Evidence>,
    accusations: VecDeque<Accusation>,
    decisions: VecDeque<Decision>,
    offered: Option<Arc<Offered>>,
    joining: Joining,
    join_beyond: Option<u64>,
}

impl<K: Kv> Replica<K> {
    /// Opens the ledger in `kv`, or begins it from `genesis` when `kv` is empty.
    ///
    /// # Errors
    /// See [`OpenError`].
    pub fn open(kv: K, genesis: &Genesis, me: PublicKey, limits: Limits) -> Result<Self, OpenError> {
        genesis.check()?;
        let (ledger, fabric) = if Ledger::<K>::exists(&kv)? {
            let mut ledger = Ledger::open(kv)?;
            let found = ledger.genesis_hash();
            if found != genesis.hash() {
                return Err(OpenError::OtherMesh { expected: genesis.hash(), found });
            }
            let fabric = Fabric::load(ledger.state_entries()?)?;
            ledger.resume(fabric.openings())?;
            (ledger, fabric)
        } else {
            let (fabric, applied) = Fabric::genesis(genesis)?;
            let ledger = Ledger::create(kv, genesis, &applied.receipts, &applied.changes, &applied.next_set)?;
            (ledger, fabric)
        };
        let height = ledger.tip().height;
        let parent_set =
            if height == Height::ZERO { None } else { ledger.validator_set(height)?.map(Arc::new) };
        let offered = Offered::of(&ledger, &fabric)?.map(Arc::new);
        Ok(Self {
            mesh: genesis.mesh,
            params: genesis.params.clone(),
            me,
            fabric,
            ledger,
            mempool: Mempool::new(limits),
            parent_set,
            executions: VecDeque::new(),
            evidence: BTreeMap::new(),
            accusations: VecDeque::new(),
            decisions: VecDeque::new(),
            offered,
            joining: Joining::new(genesis)?,
            join_beyond: None,
        })
    }

    /// From now on, while the ledger has no beat and a peer has more than `beats`,
    /// a snapshot is taken over in place of them.
    pub const fn join_by_snapshot_beyond(&mut self, beats: u64) {
        self.join_beyond = Some(beats);
    }

    /// The snapshot that is offered to those who join.
    #[must_use]
    pub const fn offered(&self) -> Option<&Arc<Offered>> {
        self.offered.as_ref()
    }

    /// A snapshot after the last beat.
    ///
    /// # Errors
    /// When the store is damaged.
    pub fn snapshot(&self) -> Result<Option<Offered>, phalanx_ledger::StoreError> {
        Offered::of(&self.ledger, &self.fabric)
    }

    /// Goes on from a snapshot that was checked, in place of what is there.
    ///
    /// # Errors
    /// When the store cannot be read or written; then nothing is changed.
    pub fn restore(&mut self, joined: Joined) -> Result<(), phalanx_ledger::StoreError> {
        let Joined { fabric, first_set, meta, restored } = joined;
        // R1: the ledger first.
        self.ledger.restore(&first_set, &meta, restored, fabric.openings())?;
        self.parent_set = self.ledger.validator_set(meta.height)?.map(Arc::new);
        self.fabric = fabric;
        self.executions.clear();
        self.offered = Offered::of(&self.ledger, &self.fabric)?.map(Arc::new);
        if let Some(header) = self.ledger.tip().header.clone() {
            self.decide(Decision {
                header,
                receipts: Arc::new([]),
                envelopes: Vec::new(),
                checkpoint: None,
                fabric: self.fabric.clone(),
            });
        }
        Ok(())
    }

    fn decide(&mut self, decision: Decision) {
        while self.decisions.len() >= DECISIONS_MAX {
            self.decisions.pop_front();
        }
        self.decisions.push_back(decision);
    }

    /// Offers a snapshot anew after the first beat of every so many intervals:
    /// there the fewest receipts have to go with it.
    fn offer(&mut self) -> Result<(), phalanx_ledger::StoreError> {
        let tip = self.ledger.tip();
        let is_first = tip.interval_beat == tip.height && tip.checkpoint.0.is_multiple_of(OFFER_CHECKPOINTS);
        if is_first || self.offered.is_none() {
            self.offered = Offered::of(&self.ledger, &self.fabric)?.map(Arc::new);
        }
        Ok(())
    }

    /// The state after the last decided beat.
    #[must_use]
    pub const fn fabric(&self) -> &Fabric {
        &self.fabric
    }

    /// The ledger.
    #[must_use]
    pub const fn ledger(&self) -> &Ledger<K> {
        &self.ledger
    }

    /// What waits.
    #[must_use]
    pub const fn mempool(&self) -> &Mempool {
        &self.mempool
    }

    /// The mesh's shared numbers.
    #[must_use]
    pub const fn params(&self) -> &Params {
        &self.params
    }

    /// Takes in an envelope, to be proposed. `now` is this node's clock.
    ///
    /// # Errors
    /// See [`IntakeError`]; nothing is kept then.
    pub fn intake(&mut self, now: TimeMs, signed: Arc<SignedEnvelope>) -> Result<Hash, IntakeError> {
        let id = signed.envelope.id();
        if !signed.verify_signature(&id) {
            return Err(IntakeError::Signature(signed.envelope.sender));
        }
        self.intake_verified(now, id, signed)
    }

    /// [`Self::intake`] of an envelope whose signature was verified by the
    /// caller, for instance in a batch.
    ///
    /// # Errors
    /// See [`IntakeError`].
    pub fn intake_verified(
        &mut self,
        now: TimeMs,
        id: Hash,
        signed: Arc<SignedEnvelope>,
    ) -> Result<Hash, IntakeError> {
        if self.mempool.get(&id).is_some() {
            return Err(PoolError::Known.into());
        }
        self.fabric.admit(now, &id, &signed)?;
        self.mempool.insert(id, signed)?;
        Ok(id)
    }

    /// Accusations that this node has grounds for and has not signed yet.
    pub fn take_accusations(&mut self) -> Vec<Accusation> {
        self.accusations.drain(..).collect()
    }

    /// What was decided since the last call, in order.
    pub fn take_decisions(&mut self) -> Vec<Decision> {
        self.decisions.drain(..).collect()
    }

    /// Flushes and closes the ledger.
    ///
    /// # Errors
    /// When the last bytes cannot be written.
    pub fn close(self) -> Result<(), phalanx_ledger::StoreError> {
        self.ledger.close()
    }

    fn parent<'a>(&'a self, next_set: &'a ValidatorSet) -> Parent<'a> {
        let tip = self.ledger.tip();
        Parent {
            mesh: self.mesh,
            height: tip.height,
            id: tip.header_id,
            time: tip.time,
            set: self.parent_set.as_deref(),
            next_set,
        }
    }

    fn context(&self, header: &Header, certificate: Option<&CommitCertificate>) -> BeatContext {
        BeatContext {
            height: header.height,
            time: header.time,
            parent_time: self.ledger.tip().time,
            parent: header.parent,
            proposer: header.proposer,
            parent_round: certificate.map_or(Round::default(), |c| c.round),
            parent_signers: certificate
                .map(|c| c.signatures.iter().map(|(key, _)| *key).collect())
                .unwrap_or_default(),
            ledger: self.ledger.tip().mark(),
        }
    }

    /// Executes the body of a beat on a copy of the state.
    fn execute(
        &self,
        header: &Header,
        certificate: Option<&CommitCertificate>,
        envelopes: &[SignedEnvelope],
        ids: Vec<Hash>,
        evidence: &[Evidence],
    ) -> Execution {
        let inputs: Vec<Input<'_>> =
            ids.iter().zip(envelopes).map(|(id, signed)| Input { id: *id, signed }).collect();
        let context = self.context(header, certificate);
        let (fabric, applied) = self.fabric.apply(&context, &inputs, evidence);
        let meta = BeatMeta {
            height: header.height,
            time: header.time,
            parent: header.parent,
            policy_version: applied.policy_version,
            verification: applied.verification,
            checkpoint_due: applied.checkpoint_due,
            registered: applied.registered,
        };
        let prepared = self.ledger.prepare(&meta, &applied.receipts, &applied.changes);
        let prepared = prepared.with_openings(applied.openings);
        Execution { fabric, next_set: applied.next_set, ids, prepared }
    }

    fn keep(&mut self, id: Hash, execution: Execution) {
        while self.executions.len() >= EXECUTIONS_MAX {
            self.executions.pop_front();
        }
        self.executions.push_back((id, execution));
    }

    fn judged(&mut self, beat: &Beat, round: Round, clock: Option<TimeMs>) -> Result<(), Rejection> {
        let set = Arc::clone(self.fabric.validator_set());
        // A beat that is new was made by who proposes it.
        if clock.is_some() && set.proposer(round) != Some(beat.header.proposer) {
            return Err(Rejection {
                fault: Some(phalanx_types::evidence::Fault::WrongRoot),
                reason: "it is not made by the proposer of its round".into(),
            });
        }
        let id = beat.id();
        let known = self.executions.iter().any(|(kept, _)| *kept == id);
        if known && clock.is_none() {
            return Ok(());
        }
        let verified = |id: &Hash, signed: &SignedEnvelope| {
            self.mempool.get(id).is_some_and(|pooled| pooled.signed.signature == signed.signature)
        };
        let ids = judge::judge(beat, &self.parent(&set), &self.fabric, &self.params, clock, verified)?;
        if known {
            return Ok(());
        }
        let execution = self.execute(
            &beat.header,
            beat.parent_certificate.as_ref(),
            &beat.envelopes,
            ids,
            &beat.evidence,
        );
        let wrong = |what: &str, said: String, given: String| Rejection {
            fault: Some(phalanx_types::evidence::Fault::WrongRoot),
            reason: format!(
                "its {what} does not follow from its inputs: it says {said}, execution gives {given}"
            ),
        };
        let (header, prepared) = (&beat.header, &execution.prepared);
        for (what, said, given) in [
            ("receipts root", header.receipts_root, prepared.receipts_root()),
            ("app hash", header.app_hash, prepared.app_hash()),
            ("next validator set", header.next_validator_set, execution.next_set.hash()),
        ] {
            if said != given {
                return Err(wrong(what, said.to_string(), given.to_string()));
            }
        }
        let (said, given) = (header.policy_version, prepared.policy_version());
        if said != given {
            return Err(wrong("policy version", said.to_string(), given.to_string()));
        }
        self.keep(id, execution);
        Ok(())
    }

    /// Chooses envelopes for a beat at `time`, most urgent first.
    fn choose(&self, time: TimeMs) -> (Vec<SignedEnvelope>, Vec<Hash>) {
        let mut room = Room::new(&self.params);
        let (mut envelopes, mut ids) = (Vec::new(), Vec::new());
        for pooled in self.mempool.iter() {
            let input = Input { id: pooled.id, signed: &pooled.signed };
            if self.fabric.beat_worthy(time, &input).is_err() {
                continue;
            }
            if !room.take(pooled.bytes, pooled.signed.envelope.operations.len()) {
                // What is left waits for the next beat, in order.
                break;
            }
            envelopes.push((*pooled.signed).clone());
            ids.push(pooled.id);
        }
        (envelopes, ids)
    }

    fn fresh_evidence(&self) -> Vec<Evidence> {
        self.evidence.values().take(EVIDENCE_MAX).cloned().collect()
    }
}

impl<K: Kv> Application for Replica<K> {
    fn propose(&mut self, height: Height, _round: Round, now: TimeMs) -> Result<Arc<Beat>, Fatal> {
        let tip = self.ledger.tip();
        let time = TimeMs(now.0.max(tip.time.0.saturating_add(1)));
        let (parent, certificate) = (tip.header_id, tip.certificate.clone());
        let (envelopes, ids) = self.choose(time);
        let evidence = self.fresh_evidence();
        let mut header = Header {
            mesh: self.mesh,
            height,
            parent,
            parent_certificate: certificate.as_ref().map_or(Hash::ZERO, CommitCertificate::hash),
            time,
            inputs_root: inputs_root(&envelopes, &evidence),
            receipts_root: Hash::ZERO,
            app_hash: Hash::ZERO,
            validator_set: self.fabric.validator_set().hash(),
            next_validator_set: Hash::ZERO,
            policy_version: 0,
            proposer: self.me,
        };
        let execution = self.execute(&header, certificate.as_ref(), &envelopes, ids, &evidence);
        header.receipts_root = execution.prepared.receipts_root();
        header.app_hash = execution.prepared.app_hash();
        header.next_validator_set = execution.next_set.hash();
        header.policy_version = execution.prepared.policy_version();
        let beat = Beat { header, parent_certificate: certificate, envelopes, evidence };
        self.keep(beat.id(), execution);
        Ok(Arc::new(beat))
    }

    fn check(&mut self, beat: &Arc<Beat>, round: Round, purpose: Purpose) -> Result<Verdict, Fatal> {
        let clock = match purpose {
            Purpose::Proposal { now } => Some(now),
            Purpose::Relocked | Purpose::Replay | Purpose::Sync => None,
        };
        Ok(match self.judged(beat, round, clock) {
            Ok(()) => Verdict::Valid,
            Err(Rejection { fault, reason }) => Verdict::Invalid { fault, reason },
        })
    }

    fn commit(&mut self, beat: &Arc<Beat>, certificate: &CommitCertificate) -> Result<(), Fatal> {
        let id = beat.id();
        if !self.executions.iter().any(|(kept, _)| *kept == id) {
            self.judged(beat, certificate.round, None).map_err(|rejection| {
                Fatal::Application(format!(
                    "the mesh decided beat {id}, which this node finds invalid: {rejection}"
                ))
            })?;
        }
        let place = self.executions.iter().position(|(kept, _)| *kept == id);
        let Some((_, execution)) = place.and_then(|at| self.executions.remove(at)) else {
            return Err(Fatal::Application(format!("the execution of beat {id} is gone")));
        };
        let Execution { fabric, next_set, ids, prepared } = execution;
        let decided_set = Arc::clone(self.fabric.validator_set());
        let receipts = prepared.receipts();
        // R1: the ledger first; when it fails, the node stops with the old state.
        let checkpoint = self.ledger.commit(beat, certificate, prepared, &next_set).map_err(fatal)?;
        self.fabric = fabric;
        self.parent_set = Some(decided_set);
        self.executions.clear();
        for id in &ids {
            self.mempool.remove(id);
        }
        let time = beat.header.time;
        let state = &self.fabric;
        self.mempool.retain(time, |pooled| {
            // What the state would refuse is decided on, so that a receipt says why;
            // only what no beat may hold any more goes.
            let input = Input { id: pooled.id, signed: &pooled.signed };
            !matches!(state.beat_worthy(time, &input), Err(refusal) if refusal.is_permanent())
        });
        for evidence in &beat.evidence {
            self.evidence.remove(&evidence.hash());
        }
        let horizon = beat.header.height.saturating_sub(u64::from(self.params.evidence_beats_max));
        self.evidence.retain(|_, evidence| evidence.height() >= horizon);
        self.decide(Decision {
            header: beat.header.clone(),
            receipts,
            envelopes: ids,
            checkpoint,
            fabric: self.fabric.clone(),
        });
        self.offer().map_err(|error| Fatal::Application(format!("the ledger cannot be read: {error}")))
    }

    fn height(&self) -> Height {
        self.ledger.tip().height
    }

    fn validator_set(&self) -> Arc<ValidatorSet> {
        Arc::clone(self.fabric.validator_set())
    }

    fn decided(&self, height: Height) -> Result<Option<(Vec<u8>, CommitCertificate)>, Fatal> {
        let Some(beat) = self.ledger.beat_bytes(height).map_err(fatal)? else { return Ok(None) };
        let certificate = self.ledger.certificate(height).map_err(fatal)?;
        Ok(certificate.map(|certificate| (beat, certificate)))
    }

    fn snapshot_query(&self, best: Height) -> Option<Vec<u8>> {
        let beyond = self.join_beyond?;
        let height = self.ledger.tip().height;
        (height == Height::ZERO && best.0 > beyond).then(|| snapshot::encode_query(&self.joining.query()))
    }

    fn snapshot_answer(&mut self, answer: &[u8]) -> Result<SnapshotStep, Fatal> {
        if answer.is_empty() {
            self.joining.restart();
            return Ok(SnapshotStep::Unavailable);
        }
        match self.joining.take(answer) {
            Ok(None) => Ok(SnapshotStep::More),
            Ok(Some(joined)) => {
                tracing::info!(height = %joined.height(), "goes on from a snapshot");
                self.restore(joined)
                    .map_err(|error| Fatal::Application(format!("the ledger cannot be written: {error}")))?;
                Ok(SnapshotStep::Restored)
            }
            Err(error) => Ok(SnapshotStep::Wrong { reason: error.to_string() }),
        }
    }

    fn snapshot_abandon(&mut self) {
        self.joining.restart();
    }

    fn evidence(&mut self, evidence: Evidence) {
        let fresh = self.evidence.len() < EVIDENCE_POOL_MAX && !self.fabric.is_convicted(&evidence);
        if fresh {
            self.evidence.insert(evidence.hash(), evidence);
        }
    }

    fn fault(&mut self, accusation: Accusation) {
        // Who does not vote any more is not accused any more.
        if !self.fabric.validators().any(|(key, v)| *key == accusation.offender && !v.is_quarantined) {
            return;
        }
        let told = self.accusations.iter().any(|a| {
            (a.offender, a.fault, a.height) == (accusation.offender, accusation.fault, accusation.height)
        });
        if !told && self.accusations.len() < ACCUSATIONS_MAX {
            self.accusations.push_back(accusation);
        }
    }

    fn peer_fault(&mut self, peer: PeerKey, fault: Fault, seen: Hash) {
        let found = self.fabric.validators().find(|(_, v)| v.entry.network_key.0 == peer);
        let Some(offender) = found.map(|(key, _)| *key) else { return };
        let height = self.ledger.tip().height.next();
        self.fault(Accusation { offender, fault, height, round: Round::default(), seen });
    }

    fn has_work(&self) -> bool {
        !self.mempool.is_empty() || !self.evidence.is_empty()
    }
}
