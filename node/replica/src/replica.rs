//! One node's copy of the mesh.

use crate::{
    judge::{self, Parent, Rejection, Room},
    mempool::{Limits, Mempool, PoolError},
};
use phalanx_consensus::{Application, Fatal, Purpose, Verdict};
use phalanx_fabric::{BeatContext, Fabric, Input, Refusal};
use phalanx_ledger::{BeatMeta, Kv, Ledger, Prepared};
use phalanx_types::{
    Beat, Checkpoint, CommitCertificate, Evidence, Genesis, Hash, Header, Height, Params, PublicKey, Receipt,
    Round, SignedEnvelope, TimeMs, ValidatorSet,
    beat::{EVIDENCE_MAX, inputs_root},
    evidence::Accusation,
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
}

impl<K: Kv> Replica<K> {
    /// Opens the ledger in `kv`, or begins it from `genesis` when `kv` is empty.
    ///
    /// # Errors
    /// See [`OpenError`].
    pub fn open(kv: K, genesis: &Genesis, me: PublicKey, limits: Limits) -> Result<Self, OpenError> {
        genesis.check()?;
        let (ledger, fabric) = if Ledger::<K>::exists(&kv)? {
            let ledger = Ledger::open(kv)?;
            let found = ledger.genesis_hash();
            if found != genesis.hash() {
                return Err(OpenError::OtherMesh { expected: genesis.hash(), found });
            }
            let fabric = Fabric::load(ledger.state_entries()?)?;
            (ledger, fabric)
        } else {
            let (fabric, applied) = Fabric::genesis(genesis)?;
            let ledger = Ledger::create(kv, genesis, &applied.receipts, &applied.changes, &applied.next_set)?;
            (ledger, fabric)
        };
        let height = ledger.tip().height;
        let parent_set =
            if height == Height::ZERO { None } else { ledger.validator_set(height)?.map(Arc::new) };
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
        })
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
            set_epoch: applied.set_epoch,
        };
        let prepared = self.ledger.prepare(&meta, &applied.receipts, &applied.changes);
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
                fault: phalanx_types::evidence::Fault::WrongRoot,
                reason: "it is not made by the proposer of its round".into(),
            });
        }
        let id = beat.id();
        let known = self.executions.iter().any(|(kept, _)| *kept == id);
        if known && clock.is_none() {
            return Ok(());
        }
        let ids = judge::judge(beat, &self.parent(&set), &self.fabric, &self.params, clock, |id| {
            self.mempool.get(id).is_some()
        })?;
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
        let wrong = |what: &str| Rejection {
            fault: phalanx_types::evidence::Fault::WrongRoot,
            reason: format!("its {what} does not follow from its inputs"),
        };
        let header = &beat.header;
        if header.receipts_root != execution.prepared.receipts_root() {
            return Err(wrong("receipts root"));
        }
        if header.app_hash != execution.prepared.app_hash() {
            return Err(wrong("app hash"));
        }
        if header.next_validator_set != execution.next_set.hash() {
            return Err(wrong("next validator set"));
        }
        if header.policy_version != execution.prepared.policy_version() {
            return Err(wrong("policy version"));
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
        let checkpoint = self
            .ledger
            .commit(beat, certificate, prepared, &next_set)
            .map_err(|error| Fatal::Application(format!("the ledger cannot be written: {error}")))?;
        self.fabric = fabric;
        self.parent_set = Some(decided_set);
        self.executions.clear();
        for id in &ids {
            self.mempool.remove(id);
        }
        let time = beat.header.time;
        let state = &self.fabric;
        self.mempool.retain(time, |pooled| {
            !matches!(state.admit(time, &pooled.id, &pooled.signed), Err(refusal) if refusal.is_permanent())
        });
        for evidence in &beat.evidence {
            self.evidence.remove(&evidence.hash());
        }
        let horizon = beat.header.height.saturating_sub(u64::from(self.params.evidence_beats_max));
        self.evidence.retain(|_, evidence| evidence.height() >= horizon);
        while self.decisions.len() >= DECISIONS_MAX {
            self.decisions.pop_front();
        }
        self.decisions.push_back(Decision {
            header: beat.header.clone(),
            receipts,
            envelopes: ids,
            checkpoint,
            fabric: self.fabric.clone(),
        });
        Ok(())
    }

    fn height(&self) -> Height {
        self.ledger.tip().height
    }

    fn validator_set(&self) -> Arc<ValidatorSet> {
        Arc::clone(self.fabric.validator_set())
    }

    fn decided(&self, height: Height) -> Result<Option<(Vec<u8>, CommitCertificate)>, Fatal> {
        let fatal = |error| Fatal::Application(format!("the ledger cannot be read: {error}"));
        let Some(beat) = self.ledger.beat_bytes(height).map_err(fatal)? else { return Ok(None) };
        let certificate = self.ledger.certificate(height).map_err(fatal)?;
        Ok(certificate.map(|certificate| (beat, certificate)))
    }

    fn evidence(&mut self, evidence: Evidence) {
        let fresh = self.evidence.len() < EVIDENCE_POOL_MAX && !self.fabric.is_convicted(&evidence);
        if fresh {
            self.evidence.insert(evidence.hash(), evidence);
        }
    }

    fn fault(&mut self, accusation: Accusation) {
        let told = self.accusations.iter().any(|a| {
            (a.offender, a.fault, a.height) == (accusation.offender, accusation.fault, accusation.height)
        });
        if !told && self.accusations.len() < ACCUSATIONS_MAX {
            self.accusations.push_back(accusation);
        }
    }

    fn has_work(&self) -> bool {
        !self.mempool.is_empty() || !self.evidence.is_empty()
    }
}
