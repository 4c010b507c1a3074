//! Checkpoints on their way from decided to cosigned.
//!
//! [`Cosigner`] is the rules, without a clock, a disk or a network: it is told
//! which checkpoints this mesh has closed and which signatures come in, and says
//! what is to be signed, sent and kept.
//!
//! - **S1** A signature is asked for at most once a number, and never for another
//!   checkpoint than the one that this node's own ledger has closed.
//! - **S2** What is kept is bounded: a window of [`WINDOW`] checkpoints behind the
//!   last one that is anchored for good, of the [`LATE`] before it those that are not
//!   cosigned here yet, and of each at most one signature a member of its set.
//!   Nothing that a peer sends adds a checkpoint or a member, and of each member a node
//!   recovers one signature of its own checkpoint and one of another a number
//!   ([`Cosigner::hear_from`]).
//! - **S3** A checkpoint is cosigned when members of the set that it names have
//!   signed with more than two thirds of its weight, as the contract asks.

use crate::{
    address::Address,
    contracts::SignedCheckpoint,
    digest::{self, SetEntry},
    keys::EcdsaSignature,
};
use phalanx_types::{
    Checkpoint, Hash, Height, PublicKey,
    cosign::{AccountSignature, CheckpointSignature, Cosigned, RegisteredValidator},
    units::CheckpointNumber,
};
use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

/// Checkpoints behind the last one that is anchored for good. Where the chain is
/// away for longer, newer ones wait in the ledger.
pub const WINDOW: u64 = 16_384;

/// Checkpoints up to the last one that is anchored for good, of which signatures are
/// still taken in: others may have anchored what is not cosigned here yet, and a
/// proof file needs the signatures.
pub const LATE: u64 = 256;

impl From<&RegisteredValidator> for SetEntry {
    fn from(v: &RegisteredValidator) -> Self {
        Self {
            network_key: v.network_key,
            vote_key: v.vote_key,
            account: Address(v.account),
            weight: v.weight,
        }
    }
}

impl From<&SetEntry> for RegisteredValidator {
    fn from(e: &SetEntry) -> Self {
        Self { account: e.account.0, network_key: e.network_key, vote_key: e.vote_key, weight: e.weight }
    }
}

/// What a signature that came in is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Heard {
    /// New, and to be kept and passed on; `is_cosigned` when it was the last one
    /// that was needed.
    New {
        /// Whether the checkpoint has become cosigned by it.
        is_cosigned: bool,
    },
    /// Known, to the last bit.
    Known,
    /// By a member that has signed this already in another way, or whose contradiction is
    /// known: of no use to anybody.
    Repeated,
    /// Of a checkpoint that is not closed here yet, or is anchored for good and
    /// cosigned: it may be right.
    Elsewhere,
    /// By a member of the set, but under another checkpoint of that number: the
    /// member lies, or this mesh has split.
    Contradiction {
        /// The member's vote key.
        member: PublicKey,
        /// The last beat of the checkpoint.
        height: Height,
        /// What it has signed.
        signed: Hash,
        /// What is here.
        own: Hash,
    },
    /// By nobody of the set, or no signature at all.
    Invalid,
}

/// A closed checkpoint that is not anchored for good, or not cosigned.
#[derive(Clone, Debug)]
struct Open {
    checkpoint: Checkpoint,
    hash: Hash,
    digest: Hash,
    set: Arc<Vec<SetEntry>>,
    signatures: BTreeMap<Address, EcdsaSignature>,
    is_cosigned: bool,
    /// False when this node has signed something else under this number.
    may_sign: bool,
    /// Members that have signed another checkpoint of this number.
    contradicted: BTreeSet<Address>,
}

impl Open {
    fn member(&self, account: &Address) -> Option<&SetEntry> {
        self.set.iter().find(|e| e.account == *account)
    }

    /// As many signatures as are needed, those of the heaviest members: each more would
    /// only cost gas.
    fn quorum(&self) -> Vec<(Address, EcdsaSignature)> {
        let total: u64 = self.set.iter().map(|e| u64::from(e.weight)).sum();
        let mut members: Vec<&SetEntry> = self.signatures.keys().filter_map(|who| self.member(who)).collect();
        members.sort_by_key(|e| (std::cmp::Reverse(e.weight), e.account));
        let mut weight = 0;
        let needed = members.iter().take_while(|e| {
            let is_short = 3 * weight <= 2 * total;
            weight += u64::from(e.weight);
            is_short
        });
        needed.filter_map(|e| Some((e.account, *self.signatures.get(&e.account)?))).collect()
    }

    /// A signature by `expected`, or by any member.
    fn hear(
        &mut self,
        heard: &CheckpointSignature,
        expected: Option<Address>,
        chain_id: u64,
        anchor: Address,
    ) -> Heard {
        let Ok(signature) = EcdsaSignature::from_bytes_strict(&heard.signature.0) else {
            return Heard::Invalid;
        };
        let is_own = heard.checkpoint == self.hash;
        if is_own && self.signatures.values().any(|known| *known == signature) {
            return Heard::Known;
        }
        let is_repeated = |open: &Self, account: &Address| {
            if is_own { open.signatures.contains_key(account) } else { open.contradicted.contains(account) }
        };
        if expected.is_some_and(|account| is_repeated(self, &account)) {
            return Heard::Repeated;
        }
        let digest =
            if is_own { self.digest } else { digest::checkpoint(chain_id, anchor, &heard.checkpoint) };
        let Ok(account) = signature.recover(&digest) else { return Heard::Invalid };
        if expected.is_some_and(|expected| expected != account) {
            return Heard::Invalid;
        }
        let Some(member) = self.member(&account) else { return Heard::Invalid };
        // Whoever signs is free to sign in several ways; one is enough.
        if is_repeated(self, &account) {
            return Heard::Repeated;
        }
        if !is_own {
            let member = member.vote_key;
            self.contradicted.insert(account);
            let (height, signed, own) = (self.checkpoint.last_beat, heard.checkpoint, self.hash);
            return Heard::Contradiction { member, height, signed, own };
        }
        self.signatures.insert(account, signature);
        let before = self.is_cosigned;
        self.weighs();
        Heard::New { is_cosigned: self.is_cosigned && !before }
    }

    fn weighs(&mut self) {
        let total: u64 = self.set.iter().map(|e| u64::from(e.weight)).sum();
        let weight: u64 =
            self.signatures.keys().filter_map(|who| self.member(who)).map(|e| u64::from(e.weight)).sum();
        self.is_cosigned = 3 * weight > 2 * total;
    }
}

/// The checkpoints between the last one that is anchored for good and the newest.
#[derive(Clone, Debug)]
pub struct Cosigner {
    chain_id: u64,
    anchor: Address,
    account: Option<Address>,
    /// Every checkpoint up to here is anchored for good.
    through: CheckpointNumber,
    open: BTreeMap<CheckpointNumber, Open>,
}

impl Cosigner {
    /// A cosigner for an anchor; `account` is this node's, when it has one.
    #[must_use]
    pub const fn new(chain_id: u64, anchor: Address, account: Option<Address>) -> Self {
        Self { chain_id, anchor, account, through: CheckpointNumber::ZERO, open: BTreeMap::new() }
    }

    /// The next checkpoint that it wants to be told of; none when its window is
    /// full.
    #[must_use]
    pub fn wants(&self) -> Option<CheckpointNumber> {
        let last = self.open.last_key_value().map_or(self.through, |(last, _)| self.through.max(*last));
        (last.0 < self.through.0.saturating_add(WINDOW)).then(|| last.saturating_add(1))
    }

    /// Takes in the next checkpoint that the ledger has closed, with its set and
    /// what was kept of its signatures. `own` is the checkpoint of this number that this
    /// node has signed, if it has. Any other than the one that it wants is passed over.
    /// False when it has signed another one: then it does not sign this one (S1).
    pub fn closed(
        &mut self,
        checkpoint: Checkpoint,
        set: Arc<Vec<SetEntry>>,
        kept: Option<&Cosigned>,
        own: Option<Hash>,
    ) -> bool {
        if self.wants() != Some(checkpoint.number) {
            return true;
        }
        let hash = checkpoint.hash();
        let digest = digest::checkpoint(self.chain_id, self.anchor, &hash);
        let number = checkpoint.number;
        let signatures = BTreeMap::new();
        let may_sign = own.is_none_or(|own| own == hash);
        let contradicted = BTreeSet::new();
        let mut open =
            Open { checkpoint, hash, digest, set, signatures, is_cosigned: false, may_sign, contradicted };
        for kept in kept.filter(|kept| kept.checkpoint == hash).into_iter().flat_map(|kept| &kept.signatures)
        {
            let Ok(signature) = EcdsaSignature::from_bytes_strict(&kept.0) else { continue };
            let Ok(account) = signature.recover(&open.digest) else { continue };
            if open.member(&account).is_some() {
                open.signatures.insert(account, signature);
            }
        }
        open.weighs();
        self.open.insert(number, open);
        may_sign
    }

    /// Forgets what is anchored for good: everything up to `through` that is cosigned,
    /// or so old that nobody sends its signatures any more.
    pub fn anchored(&mut self, through: CheckpointNumber) {
        if through > self.through {
            self.through = through;
            let behind = self.open.split_off(&through.saturating_add(1));
            self.open.retain(|number, open| !open.is_cosigned && number.0.saturating_add(LATE) > through.0);
            self.open.extend(behind);
        }
    }

    /// What is not anchored for good.
    fn ahead(&self) -> impl Iterator<Item = (&CheckpointNumber, &Open)> {
        self.open.range(self.through.saturating_add(1)..)
    }

    /// Begins anew behind `through`: the chain has taken back what was thought to be
    /// anchored for good.
    pub fn reopen(&mut self, through: CheckpointNumber) {
        self.through = through;
        self.open.clear();
    }

    /// The checkpoints that this node is to sign, oldest first, at most `max`:
    /// numbers and digests.
    #[must_use]
    pub fn to_sign(&self, max: usize) -> Vec<(CheckpointNumber, Hash)> {
        let Some(account) = self.account else { return Vec::new() };
        let unsigned = self.open.iter().filter(|(_, open)| {
            open.may_sign && open.member(&account).is_some() && !open.signatures.contains_key(&account)
        });
        unsigned.map(|(number, open)| (*number, open.digest)).take(max).collect()
    }

    /// Takes in a signature of whomever, from an answer that was asked for.
    pub fn hear(&mut self, heard: &CheckpointSignature) -> Heard {
        let Some(open) = self.open.get_mut(&heard.number) else { return Heard::Elsewhere };
        open.hear(heard, None, self.chain_id, self.anchor)
    }

    /// Takes in a signature that the node with a network key has sent to all: only its own
    /// member's is valid. So what a member sends is known as useless before the work of
    /// recovering who signed, but for the first time.
    pub fn hear_from(&mut self, heard: &CheckpointSignature, author: &PublicKey) -> Heard {
        let Some(open) = self.open.get_mut(&heard.number) else { return Heard::Elsewhere };
        match open.set.iter().find(|e| e.network_key == *author) {
            Some(member) => {
                let account = member.account;
                open.hear(heard, Some(account), self.chain_id, self.anchor)
            }
            None => Heard::Invalid,
        }
    }

    /// What is to be kept of a checkpoint.
    #[must_use]
    pub fn known(&self, number: CheckpointNumber) -> Option<Cosigned> {
        self.open.get(&number).map(|open| Cosigned {
            checkpoint: open.hash,
            signatures: open.signatures.values().map(|s| AccountSignature(s.to_64())).collect(),
        })
    }

    /// This node's own signatures under checkpoints that are not cosigned, oldest
    /// first, at most `max`: to be sent again.
    #[must_use]
    pub fn own_unheard(&self, max: usize) -> Vec<CheckpointSignature> {
        let Some(account) = self.account else { return Vec::new() };
        let own = self.open.iter().filter(|(_, open)| !open.is_cosigned).filter_map(|(number, open)| {
            let signature = open.signatures.get(&account)?;
            let signature = AccountSignature(signature.to_64());
            Some(CheckpointSignature { number: *number, checkpoint: open.hash, signature })
        });
        own.take(max).collect()
    }

    /// The first checkpoint that is not cosigned.
    #[must_use]
    pub fn first_missing(&self) -> Option<CheckpointNumber> {
        self.open.iter().find(|(_, open)| !open.is_cosigned).map(|(number, _)| *number)
    }

    /// Whether a checkpoint of the window is cosigned; none when it is not in it.
    #[must_use]
    pub fn is_cosigned(&self, number: CheckpointNumber) -> Option<bool> {
        self.open.get(&number).map(|open| open.is_cosigned)
    }

    /// How many checkpoints behind the last anchored one are cosigned without a
    /// gap, and how many are closed.
    #[must_use]
    pub fn counts(&self) -> (usize, usize) {
        (self.ahead().take_while(|(_, open)| open.is_cosigned).count(), self.ahead().count())
    }

    /// Every checkpoint up to here is cosigned.
    #[must_use]
    pub fn cosigned_through(&self) -> CheckpointNumber {
        let last = self.ahead().take_while(|(_, open)| open.is_cosigned).last();
        last.map_or(self.through, |(number, _)| *number)
    }

    /// Own hash of a checkpoint of the window.
    #[must_use]
    pub fn hash_of(&self, number: CheckpointNumber) -> Option<Hash> {
        self.open.get(&number).map(|open| open.hash)
    }

    /// The members of the set of the first checkpoint after `head`, ascending by
    /// account: they take turns with anchoring.
    #[must_use]
    pub fn members_after(&self, head: CheckpointNumber) -> Option<Arc<Vec<SetEntry>>> {
        self.open.get(&head.saturating_add(1)).map(|open| Arc::clone(&open.set))
    }

    /// The cosigned checkpoints after `head` that follow one another, ready for the
    /// contract, at most `max`.
    #[must_use]
    pub fn queue(&self, head: CheckpointNumber, max: usize) -> Vec<SignedCheckpoint> {
        let ready = self.open.range(head.saturating_add(1)..).take_while(|(_, open)| open.is_cosigned);
        let mut queue: Vec<SignedCheckpoint> = Vec::new();
        for (number, open) in ready.take(max) {
            let expected = queue.last().map_or(head, |s| s.checkpoint.number).saturating_add(1);
            if *number != expected {
                break;
            }
            queue.push(SignedCheckpoint::signed_by(open.checkpoint.clone(), open.quorum()));
        }
        queue
    }
}

/// Whose turn it is to send a checkpoint to the chain: the place of `account`, from
/// 0, when the members of a set take turns that begin with another one for each
/// number. None for who is no member.
#[must_use]
pub fn turn(set: &[SetEntry], account: &Address, number: CheckpointNumber) -> Option<u64> {
    let place = u64::try_from(set.iter().position(|e| e.account == *account)?).ok()?;
    let count = u64::try_from(set.len()).ok()?;
    let first = number.0.checked_rem(count)?;
    Some((place + count - first) % count)
}

#[cfg(test)]
mod tests;
