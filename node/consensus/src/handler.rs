//! Carries out what the engine asks for.

use crate::{
    Fatal, Probe, Wal,
    certificates::{to_polka, to_round, verify_commit, verify_polka, verify_round},
    context::{Ctx, round_of},
    engine::{Config, Output, Verified},
    probe::EffectKind,
    timers::{Alarm, Timers, duration_ms},
    wal::Record,
    wire::Message,
};
use arc_malachitebft_core_consensus::{
    ConsensusMsg, Effect, Input, LivenessMsg, Resumable, Resume, SignedConsensusMsg,
};
use arc_malachitebft_core_types::{
    CommitCertificate as CoreCertificate, SignedMessage, Timeout, TimeoutKind,
};
use phalanx_types::{
    Height, Round,
    vote::{ProposalClaim, Signed, ValidatorMessage, Vote},
};

/// What one run of the engine leads to besides outputs.
#[derive(Debug, Default)]
pub(crate) struct Followups {
    /// A beat is wanted for this round.
    pub propose: Option<Round>,
    /// The height is decided.
    pub decided: Option<CoreCertificate<Ctx>>,
}

/// All that effects may touch; the engine's state is not among it.
pub(crate) struct Handler<'a, W, P> {
    pub config: &'a Config,
    pub wal: &'a mut W,
    pub probe: &'a mut P,
    pub timers: &'a mut Timers,
    pub verified: &'a mut Verified,
    pub outputs: &'a mut Vec<Output>,
    pub followups: &'a mut Followups,
    /// While the log is replayed: the records it has, in order.
    pub replaying: Option<&'a [Vec<u8>]>,
    pub logs: bool,
    /// A broken rule: prevote for any valid proposal of the round, locked or not.
    pub lockless: Option<&'a std::collections::BTreeMap<Round, phalanx_types::Hash>>,
    pub height: Height,
}

impl<W: Wal, P: Probe> Handler<'_, W, P> {
    pub(crate) fn handle(&mut self, effect: Effect<Ctx>) -> Result<Resume<Ctx>, Fatal> {
        let kind = EffectKind::of(&effect);
        if self.probe.before(kind) {
            return Err(Fatal::Crashed);
        }
        let resume = self.perform(effect)?;
        if self.probe.after(kind) { Err(Fatal::Crashed) } else { Ok(resume) }
    }

    fn perform(&mut self, effect: Effect<Ctx>) -> Result<Resume<Ctx>, Fatal> {
        let mesh = self.config.mesh;
        Ok(match effect {
            Effect::CancelAllTimeouts(r) => {
                self.timers.cancel(|alarm| matches!(alarm, Alarm::Engine(_)));
                r.resume_with(())
            }
            Effect::CancelTimeout(timeout, r) => {
                // The engine cancels this one also where nothing arms it again
                // and the node would fall silent; one too many is harmless.
                if timeout.kind != TimeoutKind::Rebroadcast {
                    self.timers.cancel(|alarm| *alarm == Alarm::Engine(timeout));
                }
                r.resume_with(())
            }
            Effect::ScheduleTimeout(timeout, r) => {
                self.schedule(timeout);
                r.resume_with(())
            }
            Effect::StartRound(_, _, _, _, r) => {
                self.sync()?;
                r.resume_with(())
            }
            Effect::PublishConsensusMsg(message, r) => {
                self.sync()?;
                let message = match message {
                    SignedConsensusMsg::Vote(vote) => {
                        Message::Vote(Signed { message: vote.message.ours(mesh), signature: vote.signature })
                    }
                    SignedConsensusMsg::Proposal(proposal) => Message::Proposal(
                        Signed { message: proposal.message.claim(mesh), signature: proposal.signature },
                        Box::new((*proposal.message.value.beat).clone()),
                    ),
                };
                self.broadcast(&message);
                r.resume_with(())
            }
            Effect::PublishLivenessMsg(message, r) => {
                self.sync()?;
                let message = match message {
                    LivenessMsg::Vote(vote) => {
                        Message::Vote(Signed { message: vote.message.ours(mesh), signature: vote.signature })
                    }
                    LivenessMsg::PolkaCertificate(polka) => Message::Polka(to_polka(&polka)),
                    LivenessMsg::SkipRoundCertificate(round) => Message::Round(to_round(&round)),
                };
                self.broadcast(&message);
                r.resume_with(())
            }
            Effect::RepublishVote(vote, r) => {
                self.sync()?;
                let vote = Signed { message: vote.message.ours(mesh), signature: vote.signature };
                self.broadcast(&Message::Vote(vote));
                r.resume_with(())
            }
            Effect::RepublishRoundCertificate(certificate, r) => {
                self.broadcast(&Message::Round(to_round(&certificate)));
                r.resume_with(())
            }
            Effect::GetValue(_, round, _, r) => {
                self.followups.propose = Some(round_of(round));
                r.resume_with(())
            }
            // The proposal carries the whole beat and is published again itself.
            Effect::RestreamProposal(_, _, _, _, _, r) => r.resume_with(()),
            // Synced beats never go through the engine (ADR 001).
            Effect::CertVerifiedSyncValue(_, _, r) => r.resume_with(()),
            Effect::CertRejectedSyncValue(_, _, _, r) => r.resume_with(()),
            Effect::Decide(certificate, _, r) => {
                self.sync()?;
                self.followups.decided = Some(certificate);
                r.resume_with(())
            }
            // Conflicting messages are seen and kept when they arrive.
            Effect::Finalize(_, _, _, r) => r.resume_with(()),
            Effect::SignVote(vote, r) => {
                let vote = self.unlocked(vote);
                let signed = vote.ours(mesh).sign(&self.config.key);
                self.verified.insert(&signed);
                r.resume_with(SignedMessage::new(vote, signed.signature))
            }
            Effect::SignProposal(proposal, r) => {
                let signed = proposal.claim(mesh).sign(&self.config.key);
                self.verified.insert(&signed);
                r.resume_with(SignedMessage::new(proposal, signed.signature))
            }
            Effect::VerifySignature(message, _, r) => {
                let signature = message.signature;
                let holds = match &message.message {
                    ConsensusMsg::Vote(vote) => {
                        self.verified.check::<Vote>(&Signed { message: vote.ours(mesh), signature })
                    }
                    ConsensusMsg::Proposal(proposal) => self
                        .verified
                        .check::<ProposalClaim>(&Signed { message: proposal.claim(mesh), signature }),
                };
                r.resume_with(holds)
            }
            Effect::VerifyCommitCertificate(certificate, set, thresholds, r) => {
                r.resume_with(verify_commit(mesh, &certificate, &set, thresholds))
            }
            Effect::VerifyExtendedCommitCertificate(certificate, set, thresholds, _, r) => {
                r.resume_with(verify_commit(mesh, &certificate.trim_vote_extensions(), &set, thresholds))
            }
            Effect::VerifyPolkaCertificate(polka, set, thresholds, r) => {
                r.resume_with(verify_polka(mesh, &polka, &set, thresholds))
            }
            Effect::VerifyRoundCertificate(certificate, set, thresholds, r) => {
                r.resume_with(verify_round(mesh, &certificate, &set, thresholds))
            }
            Effect::WalAppend(_, input, r) => {
                self.log(&input)?;
                r.resume_with(())
            }
            // Vote extensions are off.
            Effect::ExtendVote(_, _, _, _, r) => r.resume_with(None),
            Effect::VerifyVoteExtension(_, _, _, _, _, _, r) => r.resume_with(Ok(())),
        })
    }

    fn unlocked(&self, mut vote: crate::context::CoreVote) -> crate::context::CoreVote {
        use arc_malachitebft_core_types::{NilOrVal, VoteType};
        let Some(valid) = self.lockless else { return vote };
        let proposed = valid.get(&round_of(vote.round));
        if let (VoteType::Prevote, NilOrVal::Nil, Some(id)) = (vote.kind, &vote.value, proposed) {
            vote.value = NilOrVal::Val(*id);
        }
        vote
    }

    fn log(&mut self, input: &Input<Ctx>) -> Result<(), Fatal> {
        let Some(record) = Record::of(self.config.mesh, input) else {
            return Err(Fatal::Engine("it wants an input logged that the log has no form for".into()));
        };
        if !self.logs {
            return Ok(());
        }
        let bytes = record.encode();
        // During replay only what is not there yet: a vote that is first derived
        // while replaying must outlive a second crash.
        if self.replaying.is_some_and(|records| records.contains(&bytes)) {
            return Ok(());
        }
        self.wal.append(&bytes)
    }

    fn sync(&mut self) -> Result<(), Fatal> {
        if self.logs { self.wal.sync() } else { Ok(()) }
    }

    fn schedule(&mut self, timeout: Timeout) {
        self.timers.cancel(|alarm| *alarm == Alarm::Engine(timeout));
        let id = self.timers.set(self.height, Alarm::Engine(timeout));
        let after_ms = duration_ms(&self.config.params, timeout);
        self.outputs.push(Output::SetTimer { id, after_ms });
    }

    fn broadcast(&mut self, message: &Message) {
        self.outputs.push(Output::Broadcast { lane: message.lane(), bytes: message.encode() });
    }
}
