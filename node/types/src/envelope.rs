//! Envelopes: the one form in which anything enters the mesh.

use crate::{
    agent::{AgentId, AgentSpec},
    codec,
    crypto::{Claim, PublicKey, Signature, SigningKey},
    evidence::Accusation,
    hash::Hash,
    job::{JobId, JobSpec, OutcomeReport},
    name::Name,
    observation::Observation,
    owner::OwnerCommand,
    shard::LatencyEntry,
    tags,
    units::TimeMs,
    worker::WorkerOffer,
};
use borsh::{BorshDeserialize, BorshSerialize};
use serde::{Deserialize, Serialize};

/// Most operations under one signature.
pub const OPERATIONS_MAX: usize = 64;
/// Longest encoded envelope in bytes.
pub const ENVELOPE_BYTES_MAX: usize = 256 << 10;

/// One thing that a sender wants. Which sender may want what is the fabric's
/// to judge.
#[derive(Clone, Debug, PartialEq, Eq, BorshSerialize, BorshDeserialize, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub enum Operation {
    /// A tenant submits a job.
    SubmitJob(Box<JobSpec>),
    /// A tenant gives up a job.
    CancelJob {
        /// The job.
        job: JobId,
    },
    /// A tenant spawns an agent.
    SpawnAgent(Box<AgentSpec>),
    /// A tenant moves its agent to another worker.
    MigrateAgent {
        /// The agent.
        agent: AgentId,
        /// The worker it shall live on.
        worker: Name,
    },
    /// A tenant ends its agent.
    TerminateAgent {
        /// The agent.
        agent: AgentId,
    },
    /// A tenant, or the host of the worker, tells that agents were of use.
    UseAgents {
        /// The agents, ascending, without repeats; at most
        /// [`crate::agent::USE_BATCH_MAX`].
        agents: Vec<AgentId>,
    },
    /// A worker's host offers it to the marketplace, or changes its offer.
    OfferWorker(Box<WorkerOffer>),
    /// A worker's host takes it out of the marketplace.
    WithdrawWorker {
        /// The worker.
        worker: Name,
    },
    /// A host's sign of life for many of its workers.
    Heartbeat {
        /// The workers, ascending, without repeats; at most
        /// [`crate::worker::HEARTBEAT_BATCH_MAX`].
        workers: Vec<Name>,
    },
    /// A worker's host reports how an attempt ended.
    ReportOutcome(Box<OutcomeReport>),
    /// A validator tells what latency it measures.
    MeasureLatency(LatencyEntry),
    /// A validator accuses another one of a fault it has seen.
    Accuse(Accusation),
    /// The owner commands. Only while the genesis names no chain; then
    /// commands come by observation of the chain.
    Command(Box<OwnerCommand>),
    /// A validator tells what it sees on the chain.
    Observe(Box<Observation>),
}

impl Operation {
    /// A word for tables and receipts.
    #[must_use]
    pub const fn name(&self) -> &'static str {
        match self {
            Self::SubmitJob(_) => "submit_job",
            Self::CancelJob { .. } => "cancel_job",
            Self::SpawnAgent(_) => "spawn_agent",
            Self::MigrateAgent { .. } => "migrate_agent",
            Self::TerminateAgent { .. } => "terminate_agent",
            Self::UseAgents { .. } => "use_agents",
            Self::OfferWorker(_) => "offer_worker",
            Self::WithdrawWorker { .. } => "withdraw_worker",
            Self::Heartbeat { .. } => "heartbeat",
            Self::ReportOutcome(_) => "report_outcome",
            Self::MeasureLatency(_) => "measure_latency",
            Self::Accuse(_) => "accuse",
            Self::Command(_) => "command",
            Self::Observe(_) => "observe",
        }
    }
}

/// What a sender signs: some operations, once, until a time.
#[derive(Clone, Debug, PartialEq, Eq, BorshSerialize, BorshDeserialize, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Envelope {
    /// The mesh it is for.
    pub mesh: Hash,
    /// Who signs.
    pub sender: PublicKey,
    /// Each sender numbers its envelopes; a number counts once. Numbers may
    /// arrive out of order within a window of 1,024.
    #[serde(with = "crate::units::decimal")]
    pub sequence: u64,
    /// It is refused in beats later than this.
    pub expiry: TimeMs,
    /// W3C trace id for the receipts it causes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub trace_id: Option<[u8; 16]>,
    /// 1 to [`OPERATIONS_MAX`] operations, applied in order.
    pub operations: Vec<Operation>,
}

/// An envelope with its sender's signature over
/// `tag ENVELOPE_SIGN ‖ 00 ‖ envelope id`.
#[derive(Clone, Debug, PartialEq, Eq, BorshSerialize, BorshDeserialize, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SignedEnvelope {
    /// What is signed.
    pub envelope: Envelope,
    /// The signature.
    pub signature: Signature,
}

impl Envelope {
    /// Its identity: hash of its encoding.
    #[must_use]
    pub fn id(&self) -> Hash {
        Hash::of_value(tags::ENVELOPE, self)
    }

    /// Signs it. `sender` must be the key's public half for the result to verify.
    #[must_use]
    pub fn sign(self, key: &SigningKey) -> SignedEnvelope {
        let signature = key.sign(tags::ENVELOPE_SIGN, &self.id().0);
        SignedEnvelope { envelope: self, signature }
    }
}

impl SignedEnvelope {
    /// Whether the signature is the sender's. `id` is `self.envelope.id()`.
    #[must_use]
    pub fn verify_signature(&self, id: &Hash) -> bool {
        self.envelope.sender.verifies(tags::ENVELOPE_SIGN, &id.0, &self.signature)
    }

    /// The claim that its signature makes, for batch verification.
    #[must_use]
    pub const fn claim<'a>(&self, id: &'a Hash) -> Claim<'a> {
        Claim { key: self.envelope.sender, tag: tags::ENVELOPE_SIGN, body: &id.0, signature: self.signature }
    }

    /// Decodes and bounds an envelope that came from outside.
    ///
    /// # Errors
    /// When it is too long, malformed, or has no or too many operations.
    pub fn decode(bytes: &[u8]) -> Result<Self, codec::DecodeError> {
        let signed: Self = codec::decode_exact(bytes, ENVELOPE_BYTES_MAX, "envelope")?;
        let count = signed.envelope.operations.len();
        if count == 0 || count > OPERATIONS_MAX {
            return Err(codec::DecodeError::Malformed {
                what: "envelope",
                reason: format!("it has {count} operations; 1 to {OPERATIONS_MAX} are allowed"),
            });
        }
        Ok(signed)
    }
}
