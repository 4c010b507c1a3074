//! A look at every effect, before and after it is carried out.

use crate::context::Ctx;
use arc_malachitebft_core_consensus::Effect;

macro_rules! kinds {
    ($($kind:ident),+ $(,)?) => {
        /// The kinds of effects that the engine asks for.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub enum EffectKind { $(#[doc = concat!("The engine's `", stringify!($kind), "`.")] $kind),+ }

        impl EffectKind {
            /// All of them.
            pub const ALL: &'static [Self] = &[$(Self::$kind),+];

            // A new effect of the engine fails to compile here.
            pub(crate) const fn of(effect: &Effect<Ctx>) -> Self {
                match effect { $(Effect::$kind(..) => Self::$kind),+ }
            }
        }
    };
}

kinds! {
    CancelAllTimeouts, CancelTimeout, ScheduleTimeout, StartRound, PublishConsensusMsg,
    PublishLivenessMsg, RepublishVote, RepublishRoundCertificate, GetValue, RestreamProposal,
    CertVerifiedSyncValue, CertRejectedSyncValue, Decide, SignVote, SignProposal, VerifySignature,
    VerifyCommitCertificate, VerifyExtendedCommitCertificate, VerifyPolkaCertificate,
    VerifyRoundCertificate, WalAppend, ExtendVote, VerifyVoteExtension, Finalize,
}

/// A safety rule that a test breaks on purpose, to see that its checks catch it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mutation {
    /// Half the weight counts as a quorum.
    HalfIsQuorum,
    /// Nothing is logged, so nothing is replayed.
    SkipWal,
    /// A valid proposal is prevoted whatever this node is locked on.
    DropLock,
}

impl Mutation {
    /// All of them.
    pub const ALL: [Self; 3] = [Self::HalfIsQuorum, Self::SkipWal, Self::DropLock];
}

/// Sees effects and may end the node between two of them, as a crash would.
pub trait Probe {
    /// Before an effect is carried out. True ends the node.
    fn before(&mut self, kind: EffectKind) -> bool {
        let _ = kind;
        false
    }

    /// After it was carried out. True ends the node.
    fn after(&mut self, kind: EffectKind) -> bool {
        let _ = kind;
        false
    }

    /// The rule that this node breaks; none but in a test of the checks.
    fn broken(&self) -> Option<Mutation> {
        None
    }
}

/// Sees nothing. A node with it has no code that breaks a rule: the answer of
/// [`Probe::broken`] is known when it is compiled.
#[derive(Clone, Copy, Debug, Default)]
pub struct NoProbe;

impl Probe for NoProbe {}
