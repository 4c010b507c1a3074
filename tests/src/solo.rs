//! A mesh whose validators' keys are all in one hand, so that it decides at once:
//! the real replica, without a network and with virtual time.

use phalanx_consensus::{Application, Fatal};
use phalanx_fabric::defaults::planetary;
use phalanx_ledger::Kv;
use phalanx_replica::{Limits, OpenError, Replica};
use phalanx_types::{
    CommitCertificate, Envelope, Genesis, Hash, Height, JobSpec, MicroUnits, Name, Operation, Params,
    Resources, Round, SigningKey, TimeMs, Validator, Weight, Work,
    params::{Mode, Verification},
    tenant::{Quota, Tenant},
    vote::{ValidatorMessage, Vote, VoteKind},
};
use std::{collections::BTreeSet, sync::Arc};

/// When it begins.
pub const BEGIN: TimeMs = TimeMs(1_700_000_000_000);

/// Such a mesh. Its first key is also that of the owner, the tenant and the host
/// of the six workers.
pub struct Solo<K: Kv> {
    /// Its replica.
    pub replica: Replica<K>,
    /// The keys of its validators.
    pub keys: Vec<SigningKey>,
    /// Its genesis.
    pub genesis: Genesis,
    sequence: u64,
    now: TimeMs,
}

/// Number of its validators.
const VALIDATORS: u8 = 4;

/// The keys of its validators.
#[must_use]
pub fn keys() -> Vec<SigningKey> {
    (1..=VALIDATORS).map(|i| SigningKey::from_seed([i; 32])).collect()
}

/// The genesis of such a mesh.
///
/// # Errors
/// Never: the names are valid.
pub fn genesis(keys: &[SigningKey]) -> Result<Genesis, phalanx_types::DecodeError> {
    let owner = keys.first().map(SigningKey::public).unwrap_or(phalanx_types::PublicKey([0; 32]));
    let planetary = planetary()?;
    let region = planetary.shards.first().map_or_else(|| Name::new("earth"), |s| Ok(s.name.clone()))?;
    Ok(Genesis {
        mesh: Hash([7; 32]),
        time: BEGIN,
        chain: None,
        owner,
        validators: keys
            .iter()
            .map(|key| Validator {
                vote_key: key.public(),
                network_key: key.public(),
                chain_address: [0; 20],
                base_weight: Weight(1),
                region: region.clone(),
                label: region.clone(),
            })
            .collect(),
        mode: Mode::FullyDistributed,
        verification: Verification::FullAudit,
        shards: planetary.shards,
        latencies: planetary.latencies,
        tenants: vec![Tenant {
            name: Name::new("tenant")?,
            keys: BTreeSet::from([owner]),
            quota: Quota::UNLIMITED,
        }],
        workers: planetary.workers.iter().map(|w| (w.worker.clone(), owner)).collect(),
        params: Params { checkpoint_beats: 5, ..Params::default() },
    })
}

impl<K: Kv> Solo<K> {
    /// Opens one over a store.
    ///
    /// # Errors
    /// When the store is no ledger of its mesh.
    pub fn open(kv: K) -> Result<Self, OpenError> {
        let keys = keys();
        let genesis = genesis(&keys).map_err(phalanx_types::genesis::GenesisError::from)?;
        let replica = Replica::open(kv, &genesis, genesis.owner, Limits::default())?;
        let now = replica.ledger().tip().time;
        let sequence = replica.fabric().next_sequence(&genesis.owner);
        Ok(Self { replica, keys, genesis, sequence, now })
    }

    /// Signs operations and puts them into the pool.
    pub fn send(&mut self, operations: Vec<Operation>) -> Hash {
        let Some(key) = self.keys.first() else { return Hash::ZERO };
        let envelope = Envelope {
            mesh: self.genesis.mesh,
            sender: key.public(),
            sequence: self.sequence,
            expiry: self.now.saturating_add(60_000),
            trace_id: None,
            operations,
        };
        self.sequence += 1;
        let signed = Arc::new(envelope.sign(key));
        let id = signed.envelope.id();
        let taken = self.replica.intake(self.now, signed);
        debug_assert!(taken.is_ok(), "{taken:?}");
        id
    }

    /// Decides a beat with what waits, `after_ms` after the last one.
    ///
    /// # Errors
    /// When the store fails.
    pub fn decide(&mut self, after_ms: u64) -> Result<Height, Fatal> {
        self.now = self.now.saturating_add(after_ms);
        let height = self.replica.height().next();
        let beat = self.replica.propose(height, Round(0), self.now)?;
        let set = self.replica.validator_set();
        let mut signatures: Vec<_> = self
            .keys
            .iter()
            .filter(|key| set.weight_of(&key.public()).is_some())
            .map(|key| {
                let vote = Vote {
                    mesh: self.genesis.mesh,
                    height,
                    round: Round(0),
                    kind: VoteKind::Precommit,
                    beat: Some(beat.id()),
                    validator: key.public(),
                };
                (key.public(), vote.sign(key).signature)
            })
            .collect();
        signatures.sort_unstable_by_key(|(key, _)| *key);
        let certificate = CommitCertificate {
            mesh: self.genesis.mesh,
            height,
            round: Round(0),
            beat: beat.id(),
            signatures,
        };
        self.replica.commit(&beat, &certificate)?;
        Ok(height)
    }

    /// Offers the six workers.
    ///
    /// # Errors
    /// Never: the names are valid.
    pub fn offer_workers(&mut self) -> Result<(), phalanx_types::DecodeError> {
        let offers = planetary()?.workers.into_iter().map(|w| Operation::OfferWorker(Box::new(w)));
        self.send(offers.collect());
        Ok(())
    }

    /// A short job for a region.
    ///
    /// # Errors
    /// When the region is no name.
    pub fn job(region: &str, label: &str) -> Result<Operation, phalanx_types::DecodeError> {
        Ok(Operation::SubmitJob(Box::new(JobSpec {
            label: label.to_owned(),
            tenant: Name::new("tenant")?,
            region: Name::new(region)?,
            deadline_ms: 0,
            skills: BTreeSet::new(),
            budget: MicroUnits(1_000_000),
            resources: Resources { cpu_milli: 100, memory_mib: 16, ..Resources::default() },
            workload: phalanx_types::job::WorkloadType::Batch,
            priority: 100,
            retries: 0,
            once: false,
            work: Work::Synthetic { duration_ms: 50 },
        })))
    }
}
