//! `ValidatorRegistry`: the sets, the one that is pending, the forced ones.

use super::{ContractError, bindings::validator_registry as b, view};
use crate::{
    address::Address,
    digest::{self, SetEntry},
    rpc::Chain,
};
use ethers::core::types::H160;
use phalanx_types::{Hash, PublicKey};

/// A set of the registry.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RegisteredSet {
    /// Its epoch.
    pub epoch: u64,
    /// Its hash, computed here from its entries.
    pub hash: Hash,
    /// Ascending by account.
    pub entries: Vec<SetEntry>,
}

/// A set that waits for the checkpoint that names it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PendingSet {
    /// Its hash.
    pub hash: Hash,
    /// Its data contract.
    pub data: Address,
    /// When it may be forced, in seconds, and the head's number at the request.
    pub force: Option<(u64, u64)>,
}

/// `ValidatorRegistry` of one mesh.
#[derive(Clone, Debug)]
pub struct Registry {
    chain: Chain,
    address: Address,
}

impl Registry {
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

    /// Epoch and hash of the current set.
    ///
    /// # Errors
    /// When the chain cannot be asked.
    pub async fn current(&self, at: u64) -> Result<(u64, Hash), ContractError> {
        let (epoch, hash, _): (u64, [u8; 32], H160) =
            view(&self.chain, self.address, "current", b::CurrentCall, at).await?;
        Ok((epoch, Hash(hash)))
    }

    /// The entries of an epoch's set, with their hash.
    ///
    /// # Errors
    /// When the chain cannot be asked.
    pub async fn set_of(&self, epoch: u64, at: u64) -> Result<RegisteredSet, ContractError> {
        let call = b::ValidatorsOfCall { epoch };
        let list: Vec<b::Validator> = view(&self.chain, self.address, "validatorsOf", call, at).await?;
        let entries: Vec<SetEntry> = list
            .into_iter()
            .map(|v| SetEntry {
                network_key: PublicKey(v.network_key),
                vote_key: PublicKey(v.vote_key),
                account: Address::of(v.account),
                weight: v.weight,
            })
            .collect();
        Ok(RegisteredSet { epoch, hash: digest::validator_set(&entries), entries })
    }

    /// The set that waits.
    ///
    /// # Errors
    /// When the chain cannot be asked.
    pub async fn pending(&self, at: u64) -> Result<Option<PendingSet>, ContractError> {
        let (hash, data): ([u8; 32], H160) =
            view(&self.chain, self.address, "pending", b::PendingCall, at).await?;
        if hash == [0; 32] {
            return Ok(None);
        }
        let (executable_at, number): (u64, u64) =
            view(&self.chain, self.address, "forceRequest", b::ForceRequestCall, at).await?;
        let force = (executable_at != 0).then_some((executable_at, number));
        Ok(Some(PendingSet { hash: Hash(hash), data: Address::of(data), force }))
    }

    /// The epochs that began without the signatures of the set before them.
    /// Every verifier prints them.
    ///
    /// # Errors
    /// When the chain cannot be asked.
    pub async fn forced_epochs(&self, at: u64) -> Result<Vec<u64>, ContractError> {
        view(&self.chain, self.address, "forcedEpochs", b::ForcedEpochsCall, at).await
    }

    /// The contracts that it obeys: who may propose, and who may activate.
    ///
    /// # Errors
    /// When the chain cannot be asked.
    pub async fn obeys(&self, at: u64) -> Result<(Address, Address), ContractError> {
        let commands: H160 = view(&self.chain, self.address, "commands", b::CommandsCall, at).await?;
        let anchor: H160 = view(&self.chain, self.address, "anchor", b::AnchorCall, at).await?;
        Ok((Address::of(commands), Address::of(anchor)))
    }

    /// The mesh it is of.
    ///
    /// # Errors
    /// When the chain cannot be asked.
    pub async fn mesh(&self, at: u64) -> Result<Hash, ContractError> {
        let found: [u8; 32] = view(&self.chain, self.address, "meshId", b::MeshIdCall, at).await?;
        Ok(Hash(found))
    }

    /// What the contract says that the keys of a validator sign, to compare
    /// with [`digest::registration`].
    ///
    /// # Errors
    /// When the chain cannot be asked.
    pub async fn registration_digest(
        &self,
        network_key: &PublicKey,
        vote_key: &PublicKey,
        at: u64,
    ) -> Result<Hash, ContractError> {
        let call = b::RegistrationDigestCall { network_key: network_key.0, vote_key: vote_key.0 };
        let found: [u8; 32] = view(&self.chain, self.address, "registrationDigest", call, at).await?;
        Ok(Hash(found))
    }
}
