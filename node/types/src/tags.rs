//! All domain-separation tags, in one list.
//!
//! A tag is ASCII, ends in its version, and is followed by a zero byte where
//! it is hashed ([`crate::hash::Hash::of`]). A new meaning gets a new tag.

/// Identity of an envelope (hash of its body).
pub const ENVELOPE: &str = "phalanx/envelope/v1";
/// Bytes that a sender signs over an envelope body.
pub const ENVELOPE_SIGN: &str = "phalanx/envelope-sign/v1";
/// Root over a beat's inputs.
pub const INPUTS: &str = "phalanx/inputs/v1";
/// Identity of a beat (hash of its header).
pub const HEADER: &str = "phalanx/header/v1";
/// Hash of a commit certificate.
pub const CERTIFICATE: &str = "phalanx/certificate/v1";
/// Hash of a weighted validator set.
pub const VALIDATOR_SET: &str = "phalanx/validator-set/v1";
/// Bytes that a validator signs as a vote.
pub const VOTE_SIGN: &str = "phalanx/vote-sign/v1";
/// Bytes that a validator signs as a proposal.
pub const PROPOSAL_SIGN: &str = "phalanx/proposal-sign/v1";
/// Identity of a job.
pub const JOB: &str = "phalanx/job/v1";
/// Identity of an agent.
pub const AGENT: &str = "phalanx/agent/v1";
/// Hash of a genesis document.
pub const GENESIS: &str = "phalanx/genesis/v1";
/// Hash of one state entry.
pub const STATE_ENTRY: &str = "phalanx/state-entry/v1";
/// Choice of an entry's bucket.
pub const STATE_KEY: &str = "phalanx/state-key/v1";
/// Hash of one bucket.
pub const STATE_BUCKET: &str = "phalanx/state-bucket/v1";
/// Inner node over buckets.
pub const STATE_NODE: &str = "phalanx/state-node/v1";
/// Salt of a receipt's hidden field.
pub const SALT: &str = "phalanx/salt/v1";
/// A salted field's commitment.
pub const SALTED: &str = "phalanx/salted/v1";
/// Sampling of receipts at verification level `sample`.
pub const SAMPLE: &str = "phalanx/sample/v1";
/// Digest of a full candidate table of a routing decision.
pub const CANDIDATES: &str = "phalanx/candidates/v2";
/// Digest of the offers of a shard's workers.
pub const OFFERS: &str = "phalanx/offers/v1";
/// Digest of a shard's workers as the first routing decision of a beat finds them.
pub const ROSTER: &str = "phalanx/roster/v2";
/// Identity of a piece of evidence.
pub const EVIDENCE: &str = "phalanx/evidence/v1";
/// Hash of the configuration that a receipt's policy version stands for.
pub const POLICY: &str = "phalanx/policy/v1";
/// Directions in the ball that follow from a tenant, a skill or a part of a meaning.
pub const AFFINITY: &str = "phalanx/affinity/v1";

/// What the source of a directed message signs.
pub const DIRECTED_QUESTION: &str = "phalanx/directed-question/v1";
/// What the target of a directed message signs as its answer.
pub const DIRECTED_ANSWER: &str = "phalanx/directed-answer/v1";
/// What a worker's host key signs over the network key of the node that hosts it.
pub const HOSTED_WORKER: &str = "phalanx/hosted-worker/v1";

/// What a validator's network and vote keys sign to be registered on a chain.
pub const REGISTRATION: &str = "phalanx/registration/v1";

/// Every tag above, so that a test can show that no two are equal.
pub const ALL: &[&str] = &[
    REGISTRATION,
    ENVELOPE,
    ENVELOPE_SIGN,
    INPUTS,
    HEADER,
    CERTIFICATE,
    VALIDATOR_SET,
    VOTE_SIGN,
    PROPOSAL_SIGN,
    JOB,
    AGENT,
    GENESIS,
    STATE_ENTRY,
    STATE_KEY,
    STATE_BUCKET,
    STATE_NODE,
    SALT,
    SALTED,
    SAMPLE,
    CANDIDATES,
    ROSTER,
    OFFERS,
    EVIDENCE,
    POLICY,
    AFFINITY,
    DIRECTED_QUESTION,
    DIRECTED_ANSWER,
    HOSTED_WORKER,
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_two_tags_are_equal_and_none_is_a_prefix_of_another() {
        for (i, a) in ALL.iter().enumerate() {
            for (j, b) in ALL.iter().enumerate() {
                assert!(i == j || !format!("{b}\0").starts_with(&format!("{a}\0")), "{a} {b}");
            }
        }
    }
}
