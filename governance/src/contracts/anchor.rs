//! `CheckpointAnchor`: what is anchored, and how to anchor more.

use super::{ContractError, bindings::checkpoint_anchor as b, commands::decode, view};
use crate::{
    address::Address,
    digest::{self, SetEntry},
    keys::EcdsaSignature,
    rpc::{Chain, LogQuery},
};
use ethers::contract::EthEvent;
use ethers::core::{abi::AbiEncode, types::U256};
use phalanx_types::{Checkpoint, Hash, units::CheckpointNumber};

/// How many of the newest hashes the contract keeps.
pub const WINDOW: u64 = 1_024;
/// Most checkpoints of one transaction.
pub const QUEUE_MAX: usize = 256;

/// A checkpoint with the signatures that anchor it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SignedCheckpoint {
    /// The checkpoint.
    pub checkpoint: Checkpoint,
    /// Accounts and signatures, ascending by account.
    signatures: Vec<(Address, EcdsaSignature)>,
}

/// Why signatures do not carry a checkpoint.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum QuorumError {
    /// By nobody of the set.
    #[error(
        "{signer} has signed checkpoint {number} but is not in its set: another chain, contract, set or checkpoint was signed"
    )]
    NotAMember {
        /// The checkpoint.
        number: CheckpointNumber,
        /// Who signed.
        signer: Address,
    },
    /// Too few.
    #[error("checkpoint {number} is signed by weight {weight} of {total}; more than two thirds are needed")]
    TooLittle {
        /// The checkpoint.
        number: CheckpointNumber,
        /// The weight that has signed.
        weight: u64,
        /// The weight of the set.
        total: u64,
    },
    /// The set is not the checkpoint's.
    #[error("checkpoint {number} is of set {expected}, not of {found}")]
    OtherSet {
        /// The checkpoint.
        number: CheckpointNumber,
        /// The set it names.
        expected: Hash,
        /// The set that was given.
        found: Hash,
    },
}

impl SignedCheckpoint {
    /// A checkpoint with signatures of it for an anchor; their signers are
    /// recovered here. Unusable ones are left out.
    #[must_use]
    pub fn new(
        checkpoint: Checkpoint,
        signatures: &[EcdsaSignature],
        chain_id: u64,
        anchor: Address,
    ) -> Self {
        let digest = digest::checkpoint(chain_id, anchor, &checkpoint.hash());
        let signed = signatures.iter().filter_map(|s| s.recover(&digest).ok().map(|who| (who, *s)));
        Self::signed_by(checkpoint, signed.collect())
    }

    /// A checkpoint with signatures whose signers are known; of each one is kept.
    #[must_use]
    pub fn signed_by(checkpoint: Checkpoint, mut signatures: Vec<(Address, EcdsaSignature)>) -> Self {
        signatures.sort_by_key(|(who, _)| *who);
        signatures.dedup_by_key(|(who, _)| *who);
        Self { checkpoint, signatures }
    }

    /// Who has signed, ascending.
    pub fn signers(&self) -> impl Iterator<Item = Address> + '_ {
        self.signatures.iter().map(|(who, _)| *who)
    }

    /// Checks that members of `set` with more than two thirds of its weight
    /// have signed, as the contract will.
    ///
    /// # Errors
    /// See [`QuorumError`].
    pub fn check_quorum(&self, set: &[SetEntry]) -> Result<(), QuorumError> {
        let number = self.checkpoint.number;
        let found = digest::validator_set(set);
        if found != self.checkpoint.set_hash {
            return Err(QuorumError::OtherSet { number, expected: self.checkpoint.set_hash, found });
        }
        let total: u64 = set.iter().map(|e| u64::from(e.weight)).sum();
        let mut weight = 0;
        for (signer, _) in &self.signatures {
            let member = set.iter().find(|e| e.account == *signer);
            weight += u64::from(member.ok_or(QuorumError::NotAMember { number, signer: *signer })?.weight);
        }
        if 3 * weight > 2 * total { Ok(()) } else { Err(QuorumError::TooLittle { number, weight, total }) }
    }

    fn body(&self) -> b::CheckpointBody {
        let c = &self.checkpoint;
        b::CheckpointBody {
            numbers: U256::from_big_endian(&numbers(c)),
            interval_root: c.interval_root.0,
            history_root: c.history_root.0,
            app_hash: c.app_hash.0,
            agents_root: c.agents_root.0,
            audit_root: c.audit_root.0,
        }
    }

    fn chain_signatures(&self) -> Vec<b::Signature> {
        self.signatures.iter().map(|(_, s)| b::Signature { r: *s.r(), vs: s.vs() }).collect()
    }
}

/// The numbers of a checkpoint in one word, as the contract takes them: from
/// the highest bit `time`, `history_size` and `last_beat` of 64 bits, `number`
/// of 32, whether the set changes, the level of 7, the fraction of 24.
#[must_use]
pub fn numbers(c: &Checkpoint) -> [u8; 32] {
    let changes = u32::from(c.changes_set()) << 31;
    let level = u32::from(c.verification_level & 0x7f) << 24;
    let last = changes | level | (c.verification_fraction_ppm & 0x00ff_ffff);
    // The contract takes numbers below 2^32, which last for centuries; one above
    // is another number to it, and no signature fits that.
    let number = c.number.0 as u32;
    let parts = c.time.0.to_be_bytes().into_iter().chain(c.history_size.to_be_bytes());
    let parts =
        parts.chain(c.last_beat.0.to_be_bytes()).chain(number.to_be_bytes()).chain(last.to_be_bytes());
    let mut word = [0; 32];
    word.iter_mut().zip(parts).for_each(|(slot, byte)| *slot = byte);
    word
}

/// Calldata that anchors a queue, which must be of consecutive numbers: one
/// checkpoint alone, or all of them in one transaction.
///
/// # Errors
/// When it is empty, too long, or has a gap.
pub fn anchor_calldata(queue: &[SignedCheckpoint]) -> Result<Vec<u8>, ContractError> {
    let too_many = || crate::rpc::RpcError::TooMuch {
        what: "checkpoints of a queue (at least 1)",
        max: QUEUE_MAX as u64,
    };
    match queue {
        [one] => Ok(b::AnchorCall { body: one.body(), signatures: one.chain_signatures() }.encode()),
        [_, ..] if queue.len() <= QUEUE_MAX => {
            for pair in queue.windows(2) {
                if let [a, b] = pair
                    && (b.checkpoint.parent != a.checkpoint.hash()
                        || Some(b.checkpoint.number) != a.checkpoint.number.checked_add(1))
                {
                    return Err(ContractError::Checkpoint { number: b.checkpoint.number, part: "parent" });
                }
            }
            Ok(b::AnchorManyCall {
                bodies: queue.iter().map(SignedCheckpoint::body).collect(),
                signatures: queue.iter().map(SignedCheckpoint::chain_signatures).collect(),
            }
            .encode())
        }
        _ => Err(too_many().into()),
    }
}

/// An event of the anchor.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Anchored {
    /// The checkpoint's number.
    pub number: CheckpointNumber,
    /// Its hash.
    pub hash: Hash,
    /// Where.
    pub block_number: u64,
    /// The block's hash.
    pub block_hash: Hash,
    /// By which transaction.
    pub tx_hash: Hash,
}

/// `CheckpointAnchor` of one mesh.
#[derive(Clone, Debug)]
pub struct Anchor {
    chain: Chain,
    address: Address,
}

impl Anchor {
    /// The contract at an address, without asking anything.
    #[must_use]
    pub const fn new(chain: Chain, address: Address) -> Self {
        Self { chain, address }
    }

    /// Where it is.
    #[must_use]
    pub const fn address(&self) -> Address {
        self.address
    }

    /// Number and hash of the last anchored checkpoint; zeros before the first.
    ///
    /// # Errors
    /// When the chain cannot be asked.
    pub async fn head(&self, at: u64) -> Result<(CheckpointNumber, Hash), ContractError> {
        let (number, hash): (u64, [u8; 32]) =
            view(&self.chain, self.address, "head", b::HeadCall, at).await?;
        Ok((CheckpointNumber(number), Hash(hash)))
    }

    /// Hash of an anchored checkpoint; `None` when it is not anchored, or left
    /// the window of [`WINDOW`].
    ///
    /// # Errors
    /// When the chain cannot be asked.
    pub async fn hash_of(&self, number: CheckpointNumber, at: u64) -> Result<Option<Hash>, ContractError> {
        let call = b::HashOfCall { number: number.0 };
        let hash: [u8; 32] = view(&self.chain, self.address, "hashOf", call, at).await?;
        Ok(Some(Hash(hash)).filter(|h| *h != Hash::ZERO))
    }

    /// The registry it names.
    ///
    /// # Errors
    /// When the chain cannot be asked.
    pub async fn registry(&self, at: u64) -> Result<Address, ContractError> {
        let found: ethers::core::types::H160 =
            view(&self.chain, self.address, "registry", b::RegistryCall, at).await?;
        Ok(Address::of(found))
    }

    /// The mesh it is of.
    ///
    /// # Errors
    /// When the chain cannot be asked.
    pub async fn mesh(&self, at: u64) -> Result<Hash, ContractError> {
        let found: [u8; 32] = view(&self.chain, self.address, "meshId", b::MeshIdCall, at).await?;
        Ok(Hash(found))
    }

    /// The domain separator that the contract computes, to compare with
    /// [`digest::checkpoint_domain`].
    ///
    /// # Errors
    /// When the chain cannot be asked.
    pub async fn domain(&self, at: u64) -> Result<Hash, ContractError> {
        let found: [u8; 32] =
            view(&self.chain, self.address, "domainSeparator", b::DomainSeparatorCall, at).await?;
        Ok(Hash(found))
    }

    /// What the contract would make of a checkpoint's body now: the hash, and
    /// what validators sign. It must be what was computed here.
    ///
    /// # Errors
    /// When the chain cannot be asked.
    pub async fn preview(&self, signed: &SignedCheckpoint, at: u64) -> Result<(Hash, Hash), ContractError> {
        let call = b::PreviewCall { body: signed.body() };
        let (_, hash, digest): (b::Checkpoint, [u8; 32], [u8; 32]) =
            view(&self.chain, self.address, "preview", call, at).await?;
        Ok((Hash(hash), Hash(digest)))
    }

    /// Whether the contract says that a receipt is in an anchored checkpoint of
    /// the window. `place` is its index less the interval's first.
    ///
    /// # Errors
    /// When the chain cannot be asked.
    pub async fn verify_receipt(
        &self,
        checkpoint: &Checkpoint,
        receipt_hash: &Hash,
        place: u64,
        path: &[Hash],
        at: u64,
    ) -> Result<bool, ContractError> {
        let call = b::VerifyReceiptCall {
            checkpoint: on_chain(checkpoint),
            receipt_hash: receipt_hash.0,
            index: place,
            path: path.iter().map(|h| h.0).collect(),
        };
        view(&self.chain, self.address, "verifyReceipt", call, at).await
    }

    /// Whether the first of a chain of checkpoints is anchored because the last
    /// one is in the window.
    ///
    /// # Errors
    /// When the chain cannot be asked.
    pub async fn is_ancestor(&self, chain: &[Checkpoint], at: u64) -> Result<bool, ContractError> {
        let call = b::IsAncestorCall { chain: chain.iter().map(on_chain).collect() };
        view(&self.chain, self.address, "isAncestor", call, at).await
    }

    /// The checkpoints that were anchored in blocks `from` to `to`. Their
    /// numbers must follow one another.
    ///
    /// # Errors
    /// See [`ContractError`].
    pub async fn anchored(&self, from: u64, to: u64) -> Result<Vec<Anchored>, ContractError> {
        let kinds = vec![Hash(b::AnchoredFilter::signature().0)];
        let logs = self.chain.logs(&LogQuery { address: self.address, kinds, from, to }).await?;
        let mut found: Vec<Anchored> = Vec::with_capacity(logs.len());
        for log in logs {
            let event: b::AnchoredFilter = decode(&log, "Anchored")?;
            if let Some(last) = found.last()
                && event.number != last.number.0.saturating_add(1)
            {
                return Err(ContractError::Gap {
                    expected: last.number.0.saturating_add(1),
                    found: event.number,
                });
            }
            found.push(Anchored {
                number: CheckpointNumber(event.number),
                hash: Hash(event.hash),
                block_number: log.block_number,
                block_hash: log.block_hash,
                tx_hash: log.tx_hash,
            });
        }
        Ok(found)
    }
}

fn on_chain(c: &Checkpoint) -> b::Checkpoint {
    checkpoint_words!(c, b)
}
