//! What arrives, before the engine sees it: signatures, bounds, conflicts.

use crate::wire::Message;
use phalanx_types::{
    Evidence, Hash, Height, PublicKey, Round, ValidatorSet, codec,
    vote::{ProposalClaim, Signed, ValidatorMessage, Vote, VoteKind},
};
use std::collections::{BTreeMap, BTreeSet, VecDeque};

/// Rounds ahead of the current one for which votes are taken; the engine drops
/// what is farther ahead.
pub(crate) const ROUNDS_AHEAD: u32 = 10;
/// Messages of the next height that are kept for each validator: two votes and a
/// proposal of a few rounds.
pub(crate) const EARLY_MAX: usize = 16;
/// Verified signatures that are remembered; beyond that the oldest are verified
/// again.
const VERIFIED_MAX: usize = 8_192;
/// Signed messages of one height that are kept to find conflicts.
const SEEN_MAX: usize = 8_192;

/// Signatures that were verified, so that none is verified twice.
#[derive(Debug, Default)]
pub(crate) struct Verified {
    known: BTreeSet<Hash>,
    order: VecDeque<Hash>,
}

impl Verified {
    fn fingerprint<T: ValidatorMessage>(signed: &Signed<T>) -> Hash {
        let mut bytes = codec::encode(&signed.message);
        bytes.extend_from_slice(&signed.signature.0);
        Hash::of(T::TAG, &bytes)
    }

    /// Notes a signature that is our own or was verified.
    pub(crate) fn insert<T: ValidatorMessage>(&mut self, signed: &Signed<T>) {
        let fingerprint = Self::fingerprint(signed);
        if self.known.insert(fingerprint) {
            self.order.push_back(fingerprint);
            if self.order.len() > VERIFIED_MAX
                && let Some(oldest) = self.order.pop_front()
            {
                self.known.remove(&oldest);
            }
        }
    }

    /// Whether a signature holds.
    pub(crate) fn check<T: ValidatorMessage>(&mut self, signed: &Signed<T>) -> bool {
        if self.known.contains(&Self::fingerprint(signed)) {
            return true;
        }
        let holds = signed.verifies();
        if holds {
            self.insert(signed);
        }
        holds
    }
}

/// Signed messages of the current height, to find two that conflict.
#[derive(Debug, Default)]
pub(crate) struct Seen {
    votes: BTreeMap<(PublicKey, Round, VoteKind), Signed<Vote>>,
    proposals: BTreeMap<(PublicKey, Round), Signed<ProposalClaim>>,
}

impl Seen {
    /// Notes a vote whose signature holds; gives evidence when an earlier one
    /// conflicts.
    pub(crate) fn vote(&mut self, vote: &Signed<Vote>) -> Option<Evidence> {
        let key = (vote.message.validator, vote.message.round, vote.message.kind);
        match self.votes.get(&key) {
            Some(first) if first.message != vote.message => {
                return Some(Evidence::votes(first.clone(), vote.clone()));
            }
            Some(_) => {}
            None if self.votes.len() < SEEN_MAX => {
                self.votes.insert(key, vote.clone());
            }
            None => {}
        }
        None
    }

    /// Notes a proposal whose signature holds; gives evidence when an earlier
    /// one conflicts.
    pub(crate) fn proposal(&mut self, claim: &Signed<ProposalClaim>) -> Option<Evidence> {
        let key = (claim.message.validator, claim.message.round);
        match self.proposals.get(&key) {
            Some(first) if first.message != claim.message => {
                return Some(Evidence::proposals(first.clone(), claim.clone()));
            }
            Some(_) => {}
            None if self.proposals.len() < SEEN_MAX => {
                self.proposals.insert(key, claim.clone());
            }
            None => {}
        }
        None
    }
}

/// Messages of the next height, which arrive when others are a little ahead.
#[derive(Debug, Default)]
pub(crate) struct Early {
    messages: BTreeMap<PublicKey, Vec<Message>>,
}

impl Early {
    /// Keeps a message of a member; drops it when the member's room is full.
    pub(crate) fn keep(&mut self, set: &ValidatorSet, sender: PublicKey, message: Message) {
        if set.weight_of(&sender).is_none() {
            return;
        }
        let room = self.messages.entry(sender).or_default();
        if room.len() < EARLY_MAX && !room.contains(&message) {
            room.push(message);
        }
    }

    /// All that is kept, proposals first.
    pub(crate) fn drain(&mut self) -> Vec<Message> {
        let mut all: Vec<Message> = std::mem::take(&mut self.messages).into_values().flatten().collect();
        all.sort_by_key(|message| !matches!(message, Message::Proposal(..)));
        all
    }
}

/// The height of a message, where it has one that orders it.
pub(crate) const fn height_of(message: &Message) -> Height {
    match message {
        Message::Vote(vote) => vote.message.height,
        Message::Proposal(claim, _) => claim.message.height,
        Message::Polka(polka) => polka.height,
        Message::Round(round) => round.height,
        Message::Status { height } => *height,
    }
}
