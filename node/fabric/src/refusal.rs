//! Why something is refused.

use phalanx_types::{AgentId, Hash, JobId, Name, PublicKey, TimeMs};

/// Why an envelope or an operation is refused. The text says what to do.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Refusal {
    /// For another mesh.
    #[error("it is for the mesh {found}; this is {expected}: sign it anew for this mesh")]
    OtherMesh {
        /// This mesh.
        expected: Hash,
        /// The envelope's.
        found: Hash,
    },
    /// Nobody knows the key.
    #[error("the key {0} is of no tenant, worker, validator or owner: ask the owner to add it")]
    UnknownSender(PublicKey),
    /// Too old.
    #[error("it expired at {expiry}, it is {now}: sign it anew with a later expiry")]
    Expired {
        /// Its expiry.
        expiry: TimeMs,
        /// The time it is judged at.
        now: TimeMs,
    },
    /// Valid for too long.
    #[error("its expiry is {ahead_ms} ms ahead; at most {max_ms} ms are allowed")]
    TooFarAhead {
        /// How far ahead.
        ahead_ms: u64,
        /// The limit.
        max_ms: u64,
    },
    /// Its number was used.
    #[error(
        "the number {sequence} of this sender was used before, or is older than the window of 1024: take a higher one"
    )]
    Replayed {
        /// The number.
        sequence: u64,
    },
    /// The sender may not do this.
    #[error("the key {sender} may not {operation}: {rule}")]
    NotAllowed {
        /// Who.
        sender: PublicKey,
        /// What.
        operation: &'static str,
        /// Who may.
        rule: &'static str,
    },
    /// A value is out of range.
    #[error("{what}: {rule}")]
    BadValue {
        /// Which value.
        what: &'static str,
        /// What it must be.
        rule: String,
    },
    /// The tenant holds too much.
    #[error(
        "the tenant {tenant} would hold {would} {what}; its quota is {quota}: wait for work to end or ask the owner for more"
    )]
    OverQuota {
        /// The tenant.
        tenant: Name,
        /// Of what.
        what: &'static str,
        /// How much with this.
        would: u64,
        /// How much it may.
        quota: u64,
    },
    /// No worker in reach could ever do it.
    #[error("no worker that can be reached from {region} could ever do it: {reason}")]
    Impossible {
        /// The region.
        region: Name,
        /// What is lacking.
        reason: String,
    },
    /// No queue has room.
    #[error("the queues of {region} and of where it spills over are full: send again later")]
    QueueFull {
        /// The region.
        region: Name,
    },
    /// Paused.
    #[error("{what} is paused by the owner: send again when it is resumed")]
    Paused {
        /// The mesh, or a shard.
        what: String,
    },
    /// There is no such thing.
    #[error("there is no {what} {which}")]
    Unknown {
        /// What.
        what: &'static str,
        /// Which.
        which: String,
    },
    /// The job has ended.
    #[error("the job {0} has ended already")]
    JobEnded(JobId),
    /// The outcome is not of the current attempt.
    #[error("the report is not of the job's current attempt on this worker")]
    StaleAttempt,
    /// The agent cannot live there.
    #[error("the agent {agent} cannot live on {worker}: {reason}")]
    NoRoom {
        /// The agent.
        agent: AgentId,
        /// The worker.
        worker: Name,
        /// Why.
        reason: String,
    },
    /// A policy forbids it.
    #[error("the policy {policy} forbids it: by its constraint {constraint} the agent must be {rule}")]
    Forbidden {
        /// The policy.
        policy: Name,
        /// The constraint that would be broken.
        constraint: Name,
        /// What it asks for.
        rule: String,
    },
    /// The command would stop the mesh.
    #[error("the command would leave validators with too little weight to decide: {0}")]
    NoQuorum(String),
    /// Commands come from the chain.
    #[error("this mesh takes owner commands from its chain only: send it through the owner contract")]
    ChainOwned,
}

impl Refusal {
    /// Whether sending the same again can never succeed.
    #[must_use]
    pub const fn is_permanent(&self) -> bool {
        matches!(
            self,
            Self::OtherMesh { .. }
                | Self::Expired { .. }
                | Self::Replayed { .. }
                | Self::BadValue { .. }
                | Self::JobEnded(_)
                | Self::StaleAttempt
                | Self::ChainOwned
        )
    }

    /// A short, stable word for receipts and statistics.
    #[must_use]
    pub const fn code(&self) -> &'static str {
        match self {
            Self::OtherMesh { .. } => "other_mesh",
            Self::UnknownSender(_) => "unknown_sender",
            Self::Expired { .. } => "expired",
            Self::TooFarAhead { .. } => "too_far_ahead",
            Self::Replayed { .. } => "replayed",
            Self::NotAllowed { .. } => "not_allowed",
            Self::BadValue { .. } => "bad_value",
            Self::OverQuota { .. } => "over_quota",
            Self::Impossible { .. } => "impossible",
            Self::QueueFull { .. } => "queue_full",
            Self::Paused { .. } => "paused",
            Self::Unknown { .. } => "unknown",
            Self::JobEnded(_) => "job_ended",
            Self::StaleAttempt => "stale_attempt",
            Self::NoRoom { .. } => "no_room",
            Self::Forbidden { .. } => "forbidden",
            Self::NoQuorum(_) => "no_quorum",
            Self::ChainOwned => "chain_owned",
        }
    }
}
