//! Our words in the engine's types.

use arc_malachitebft_core_types as core;
use core::{NilOrVal, Round as CoreRound};
use phalanx_types::{
    Beat, Hash, Height, PublicKey, Round, Signature, ValidatorSet,
    vote::{ProposalClaim, Vote, VoteKind},
};
use std::{fmt, sync::Arc};

/// A validator's key.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Address(pub PublicKey);

impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0.short())
    }
}

impl core::Address for Address {}

/// A height.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct CoreHeight(pub u64);

impl fmt::Display for CoreHeight {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(&self.0, f)
    }
}

impl core::Height for CoreHeight {
    const ZERO: Self = Self(0);
    const INITIAL: Self = Self(1);

    fn increment_by(&self, n: u64) -> Self {
        Self(self.0.saturating_add(n))
    }

    fn decrement_by(&self, n: u64) -> Option<Self> {
        self.0.checked_sub(n).map(Self)
    }

    fn as_u64(&self) -> u64 {
        self.0
    }
}

/// A beat with its id, which is computed once.
#[derive(Clone)]
pub(crate) struct Value {
    pub id: Hash,
    pub beat: Arc<Beat>,
}

impl Value {
    pub(crate) fn new(beat: Arc<Beat>) -> Self {
        Self { id: beat.id(), beat }
    }
}

impl fmt::Debug for Value {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Value({})", self.id.short())
    }
}

// The id binds the header, and the header binds the inputs; two bodies under one
// header differ only in the signatures of the parent's certificate, which the
// header's hash of it binds too.
impl PartialEq for Value {
    fn eq(&self, other: &Self) -> bool {
        self.id == other.id
    }
}

impl Eq for Value {}

impl PartialOrd for Value {
    fn partial_cmp(&self, other: &Self) -> Option<std::cmp::Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Value {
    fn cmp(&self, other: &Self) -> std::cmp::Ordering {
        self.id.cmp(&other.id)
    }
}

impl core::Value for Value {
    type Id = Hash;

    fn id(&self) -> Hash {
        self.id
    }
}

/// A member of a set.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Member {
    address: Address,
    key: PublicKey,
    power: u64,
}

impl core::Validator<Ctx> for Member {
    fn address(&self) -> &Address {
        &self.address
    }

    fn public_key(&self) -> &PublicKey {
        &self.key
    }

    fn voting_power(&self) -> u64 {
        self.power
    }
}

/// A weighted set. Cheap to clone.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Set(Arc<SetInner>);

#[derive(Debug, PartialEq, Eq)]
struct SetInner {
    set: Arc<ValidatorSet>,
    members: Vec<Member>,
    total: u64,
}

impl Set {
    pub(crate) fn new(set: Arc<ValidatorSet>) -> Self {
        let members = set
            .members()
            .iter()
            .map(|m| Member { address: Address(m.key), key: m.key, power: m.weight.0 })
            .collect();
        let total = set.total().0;
        Self(Arc::new(SetInner { set, members, total }))
    }

    pub(crate) fn ours(&self) -> &ValidatorSet {
        &self.0.set
    }
}

impl core::ValidatorSet<Ctx> for Set {
    fn count(&self) -> usize {
        self.0.members.len()
    }

    fn total_voting_power(&self) -> u64 {
        self.0.total
    }

    fn get_by_address(&self, address: &Address) -> Option<&Member> {
        self.0.members.binary_search_by_key(address, |m| m.address).ok().and_then(|at| self.0.members.get(at))
    }

    fn get_by_index(&self, index: usize) -> Option<&Member> {
        self.0.members.get(index)
    }
}

/// A vote in the engine's form.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct CoreVote {
    pub height: CoreHeight,
    pub round: CoreRound,
    pub value: NilOrVal<Hash>,
    pub kind: core::VoteType,
    pub address: Address,
}

impl CoreVote {
    pub(crate) fn ours(&self, mesh: Hash) -> Vote {
        Vote {
            mesh,
            height: Height(self.height.0),
            round: round_of(self.round),
            kind: match self.kind {
                core::VoteType::Prevote => VoteKind::Prevote,
                core::VoteType::Precommit => VoteKind::Precommit,
            },
            beat: match self.value {
                NilOrVal::Nil => None,
                NilOrVal::Val(id) => Some(id),
            },
            validator: self.address.0,
        }
    }

    pub(crate) fn from_ours(vote: &Vote) -> Self {
        Self {
            height: CoreHeight(vote.height.0),
            round: CoreRound::new(vote.round.0),
            value: vote.beat.map_or(NilOrVal::Nil, NilOrVal::Val),
            kind: match vote.kind {
                VoteKind::Prevote => core::VoteType::Prevote,
                VoteKind::Precommit => core::VoteType::Precommit,
            },
            address: Address(vote.validator),
        }
    }
}

impl core::Vote<Ctx> for CoreVote {
    fn height(&self) -> CoreHeight {
        self.height
    }

    fn round(&self) -> CoreRound {
        self.round
    }

    fn value(&self) -> &NilOrVal<Hash> {
        &self.value
    }

    fn take_value(self) -> NilOrVal<Hash> {
        self.value
    }

    fn vote_type(&self) -> core::VoteType {
        self.kind
    }

    fn validator_address(&self) -> &Address {
        &self.address
    }

    fn extension(&self) -> Option<&core::SignedExtension<Ctx>> {
        None
    }

    fn take_extension(&mut self) -> Option<core::SignedExtension<Ctx>> {
        None
    }

    fn extend(self, _extension: core::SignedExtension<Ctx>) -> Self {
        self
    }
}

/// A proposal in the engine's form.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct CoreProposal {
    pub height: CoreHeight,
    pub round: CoreRound,
    pub value: Value,
    pub pol_round: CoreRound,
    pub address: Address,
}

impl CoreProposal {
    pub(crate) fn claim(&self, mesh: Hash) -> ProposalClaim {
        ProposalClaim {
            mesh,
            height: Height(self.height.0),
            round: round_of(self.round),
            lock_round: self.pol_round.as_u32().map(Round),
            beat: self.value.id,
            validator: self.address.0,
        }
    }

    pub(crate) fn from_ours(claim: &ProposalClaim, value: Value) -> Self {
        Self {
            height: CoreHeight(claim.height.0),
            round: CoreRound::new(claim.round.0),
            value,
            pol_round: claim.lock_round.map_or(CoreRound::Nil, |round| CoreRound::new(round.0)),
            address: Address(claim.validator),
        }
    }
}

impl core::Proposal<Ctx> for CoreProposal {
    fn height(&self) -> CoreHeight {
        self.height
    }

    fn round(&self) -> CoreRound {
        self.round
    }

    fn value(&self) -> &Value {
        &self.value
    }

    fn take_value(self) -> Value {
        self.value
    }

    fn pol_round(&self) -> CoreRound {
        self.pol_round
    }

    fn validator_address(&self) -> &Address {
        &self.address
    }
}

/// Beats travel whole inside proposals: there are no parts.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum NoPart {}

impl core::ProposalPart<Ctx> for NoPart {
    fn is_first(&self) -> bool {
        match *self {}
    }

    fn is_last(&self) -> bool {
        match *self {}
    }
}

/// Durations are ours to keep ([`crate::timers`]); the engine asks for none.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct OurTimeouts;

impl core::Timeouts<Ctx> for OurTimeouts {
    fn duration_for(&self, _timeout: core::Timeout) -> std::time::Duration {
        std::time::Duration::ZERO
    }
}

/// Ed25519 as our types have it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Scheme;

impl core::SigningScheme for Scheme {
    type DecodingError = phalanx_types::DecodeError;
    type Signature = Signature;
    type PublicKey = PublicKey;
    type PrivateKey = ();

    fn decode_signature(bytes: &[u8]) -> Result<Signature, Self::DecodingError> {
        phalanx_types::decode_exact(bytes, Signature::LEN, "signature")
    }

    fn encode_signature(signature: &Signature) -> Vec<u8> {
        signature.0.to_vec()
    }

    fn decode_public_key(bytes: &[u8]) -> Result<PublicKey, Self::DecodingError> {
        phalanx_types::decode_exact(bytes, PublicKey::LEN, "public key")
    }

    fn encode_public_key(key: &PublicKey) -> Vec<u8> {
        key.0.to_vec()
    }
}

/// The engine's view of our types.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Ctx;

impl core::Context for Ctx {
    type Address = Address;
    type Height = CoreHeight;
    type ProposalPart = NoPart;
    type Proposal = CoreProposal;
    type Validator = Member;
    type ValidatorSet = Set;
    type Timeouts = OurTimeouts;
    type Value = Value;
    type Vote = CoreVote;
    type Extension = ();
    type SigningScheme = Scheme;

    fn select_proposer<'a>(&self, set: &'a Set, _height: CoreHeight, round: CoreRound) -> &'a Member {
        use core::ValidatorSet as _;
        let key = set.ours().proposer(round_of(round));
        let found = key.and_then(|key| set.get_by_address(&Address(key))).or_else(|| set.get_by_index(0));
        // A set has at least one member, and its proposers are members.
        match found {
            Some(member) => member,
            None => unreachable!("a validator set is never empty"),
        }
    }

    fn new_proposal(
        &self,
        height: CoreHeight,
        round: CoreRound,
        value: Value,
        pol_round: CoreRound,
        address: Address,
    ) -> CoreProposal {
        CoreProposal { height, round, value, pol_round, address }
    }

    fn new_prevote(
        &self,
        height: CoreHeight,
        round: CoreRound,
        value: NilOrVal<Hash>,
        address: Address,
    ) -> CoreVote {
        CoreVote { height, round, value, kind: core::VoteType::Prevote, address }
    }

    fn new_precommit(
        &self,
        height: CoreHeight,
        round: CoreRound,
        value: NilOrVal<Hash>,
        address: Address,
    ) -> CoreVote {
        CoreVote { height, round, value, kind: core::VoteType::Precommit, address }
    }
}

/// A round of the engine in our form; its "nil" counts as 0.
pub(crate) fn round_of(round: CoreRound) -> Round {
    Round(round.as_u32().unwrap_or(0))
}
