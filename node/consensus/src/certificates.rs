//! Certificates: between the engine's form and ours, and their verification.

use crate::{
    context::{Address, CoreHeight, CoreVote, Ctx, Set, round_of},
    wire,
};
use arc_malachitebft_core_types as core;
use core::{
    CertificateError, NilOrVal, Round as CoreRound, ThresholdParam, ThresholdParams, ValidatorSet as _,
};
use phalanx_types::{
    CommitCertificate, Hash, Height, PublicKey, Signature, codec,
    crypto::{Claim, verify_batch},
    tags,
    vote::VoteKind,
};
use std::collections::BTreeSet;

/// Our form of a commit certificate: signers ascending.
pub(crate) fn commit(mesh: Hash, certificate: &core::CommitCertificate<Ctx>) -> CommitCertificate {
    let mut signatures: Vec<(PublicKey, Signature)> =
        certificate.commit_signatures.iter().map(|s| (s.address.0, s.signature)).collect();
    signatures.sort_unstable();
    signatures.dedup_by_key(|(key, _)| *key);
    CommitCertificate {
        mesh,
        height: Height(certificate.height.0),
        round: round_of(certificate.round),
        beat: certificate.value_id,
        signatures,
    }
}

pub(crate) fn to_polka(polka: &core::PolkaCertificate<Ctx>) -> wire::PolkaCertificate {
    wire::PolkaCertificate {
        height: Height(polka.height.0),
        round: round_of(polka.round),
        beat: polka.value_id,
        signatures: polka.polka_signatures.iter().map(|s| (s.address.0, s.signature)).collect(),
    }
}

pub(crate) fn from_polka(polka: &wire::PolkaCertificate) -> core::PolkaCertificate<Ctx> {
    core::PolkaCertificate {
        height: CoreHeight(polka.height.0),
        round: CoreRound::new(polka.round.0),
        value_id: polka.beat,
        polka_signatures: polka
            .signatures
            .iter()
            .map(|(key, signature)| core::PolkaSignature::new(Address(*key), *signature))
            .collect(),
    }
}

pub(crate) fn to_round(certificate: &core::RoundCertificate<Ctx>) -> wire::RoundCertificate {
    wire::RoundCertificate {
        height: Height(certificate.height.0),
        round: round_of(certificate.round),
        is_precommit: certificate.cert_type == core::RoundCertificateType::Precommit,
        votes: certificate
            .round_signatures
            .iter()
            .map(|s| wire::RoundVote {
                kind: match s.vote_type {
                    core::VoteType::Prevote => VoteKind::Prevote,
                    core::VoteType::Precommit => VoteKind::Precommit,
                },
                beat: match s.value_id {
                    NilOrVal::Nil => None,
                    NilOrVal::Val(id) => Some(id),
                },
                validator: s.address.0,
                signature: s.signature,
            })
            .collect(),
    }
}

pub(crate) fn from_round(certificate: &wire::RoundCertificate) -> core::RoundCertificate<Ctx> {
    core::RoundCertificate {
        height: CoreHeight(certificate.height.0),
        round: CoreRound::new(certificate.round.0),
        cert_type: if certificate.is_precommit {
            core::RoundCertificateType::Precommit
        } else {
            core::RoundCertificateType::Skip
        },
        round_signatures: certificate
            .votes
            .iter()
            .map(|vote| core::RoundSignature {
                vote_type: match vote.kind {
                    VoteKind::Prevote => core::VoteType::Prevote,
                    VoteKind::Precommit => core::VoteType::Precommit,
                },
                value_id: vote.beat.map_or(NilOrVal::Nil, NilOrVal::Val),
                address: Address(vote.validator),
                signature: vote.signature,
            })
            .collect(),
    }
}

/// A vote that a certificate stands for, and its signature.
type Signed = (CoreVote, Signature);

/// Checks that distinct members with enough weight signed these votes.
fn signed_by(
    mesh: Hash,
    votes: &[Signed],
    set: &Set,
    threshold: ThresholdParam,
) -> Result<(), CertificateError<Ctx>> {
    let mut seen = BTreeSet::new();
    let mut signed: u64 = 0;
    for (vote, _) in votes {
        let member =
            set.get_by_address(&vote.address).ok_or(CertificateError::UnknownValidator(vote.address))?;
        if !seen.insert(vote.address) {
            return Err(CertificateError::DuplicateVote(vote.address));
        }
        signed = signed.saturating_add(core::Validator::voting_power(member));
    }
    let total = set.total_voting_power();
    if !threshold.is_met(signed, total) {
        return Err(CertificateError::NotEnoughVotingPower {
            signed,
            total,
            expected: threshold.min_expected(total),
        });
    }
    let bodies: Vec<Vec<u8>> = votes.iter().map(|(vote, _)| codec::encode(&vote.ours(mesh))).collect();
    let claims: Vec<Claim<'_>> = votes
        .iter()
        .zip(&bodies)
        .map(|((vote, signature), body)| Claim {
            key: vote.address.0,
            tag: tags::VOTE_SIGN,
            body,
            signature: *signature,
        })
        .collect();
    if verify_batch(&claims) { Ok(()) } else { Err(CertificateError::VerificationError(None)) }
}

pub(crate) fn verify_commit(
    mesh: Hash,
    certificate: &core::CommitCertificate<Ctx>,
    set: &Set,
    thresholds: ThresholdParams,
) -> Result<(), CertificateError<Ctx>> {
    let votes: Vec<Signed> = certificate
        .commit_signatures
        .iter()
        .map(|s| {
            let value = NilOrVal::Val(certificate.value_id);
            let kind = core::VoteType::Precommit;
            let vote = CoreVote {
                height: certificate.height,
                round: certificate.round,
                value,
                kind,
                address: s.address,
            };
            (vote, s.signature)
        })
        .collect();
    signed_by(mesh, &votes, set, thresholds.quorum)
}

pub(crate) fn verify_polka(
    mesh: Hash,
    polka: &core::PolkaCertificate<Ctx>,
    set: &Set,
    thresholds: ThresholdParams,
) -> Result<(), CertificateError<Ctx>> {
    let votes: Vec<Signed> = polka
        .polka_signatures
        .iter()
        .map(|s| {
            let value = NilOrVal::Val(polka.value_id);
            let kind = core::VoteType::Prevote;
            (
                CoreVote { height: polka.height, round: polka.round, value, kind, address: s.address },
                s.signature,
            )
        })
        .collect();
    signed_by(mesh, &votes, set, thresholds.quorum)
}

pub(crate) fn verify_round(
    mesh: Hash,
    certificate: &core::RoundCertificate<Ctx>,
    set: &Set,
    thresholds: ThresholdParams,
) -> Result<(), CertificateError<Ctx>> {
    let is_precommit = certificate.cert_type == core::RoundCertificateType::Precommit;
    let mut votes: Vec<Signed> = Vec::with_capacity(certificate.round_signatures.len());
    for s in &certificate.round_signatures {
        if is_precommit && s.vote_type == core::VoteType::Prevote {
            return Err(CertificateError::InvalidVoteType(s.address));
        }
        let vote = CoreVote {
            height: certificate.height,
            round: certificate.round,
            value: s.value_id,
            kind: s.vote_type,
            address: s.address,
        };
        votes.push((vote, s.signature));
    }
    let threshold = if is_precommit { thresholds.quorum } else { thresholds.honest };
    signed_by(mesh, &votes, set, threshold)
}
