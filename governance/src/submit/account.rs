//! An account that pays for gas: signs and sends transactions.

use super::Offer;
use crate::{
    address::{Address, Wei},
    digest::keccak,
    keys::{KeyError, Signer},
    rpc::{Chain, RpcError, TxReceipt, TxState},
};
use ethers::core::types::{
    Eip1559TransactionRequest, NameOrAddress, Signature, U64, U256, transaction::eip2718::TypedTransaction,
};
use phalanx_types::Hash;
use serde::{Deserialize, Serialize};
use std::{sync::Arc, time::Duration};

/// How long [`Account::run`] waits for a transaction.
pub const RUN_TIMEOUT: Duration = Duration::from_secs(120);
/// How often it looks.
const RUN_PAUSE: Duration = Duration::from_millis(250);

/// What a transaction does.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TxPayload {
    /// Whom it calls; nobody: it creates a contract.
    pub to: Option<Address>,
    /// What it sends.
    pub value: Wei,
    /// Calldata, or the bytes that create.
    #[serde(with = "hex::serde")]
    pub data: Vec<u8>,
}

impl TxPayload {
    /// A call.
    #[must_use]
    pub const fn call(to: Address, data: Vec<u8>) -> Self {
        Self { to: Some(to), value: Wei(0), data }
    }

    /// A new contract.
    #[must_use]
    pub const fn create(code: Vec<u8>) -> Self {
        Self { to: None, value: Wei(0), data: code }
    }
}

/// A signed transaction.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SignedTx {
    /// Its bytes.
    pub raw: Vec<u8>,
    /// Its hash.
    pub hash: Hash,
}

/// Why an account does not get a transaction through.
#[derive(Debug, thiserror::Error)]
pub enum AccountError {
    /// The chain.
    #[error(transparent)]
    Rpc(#[from] RpcError),
    /// The key.
    #[error(transparent)]
    Key(#[from] KeyError),
    /// It was mined and has failed.
    #[error("transaction {hash} was mined in block {block}, but has failed")]
    Failed {
        /// Its hash.
        hash: Hash,
        /// Its block.
        block: u64,
    },
    /// Gas costs more than is allowed.
    #[error(
        "gas costs {base} wei now, more than the {ceiling} wei that are allowed: wait, or allow more with --fee-max"
    )]
    TooDear {
        /// What it costs, without a tip.
        base: u128,
        /// The ceiling.
        ceiling: u128,
    },
    /// It is not mined.
    #[error("transaction {hash} is not mined after {after_s} s: it may still be; look at it again")]
    NotMined {
        /// Its hash.
        hash: Hash,
        /// How long it was waited.
        after_s: u64,
    },
}

/// An account on a chain.
#[derive(Clone, Debug)]
pub struct Account {
    chain: Chain,
    signer: Arc<Signer>,
    fee_max: u128,
}

/// Most that a person's transaction pays for a unit of gas, tip included, in wei, unless
/// another ceiling is set: an endpoint may lie about what it costs.
pub const FEE_MAX: u128 = 200_000_000_000;

impl Account {
    /// An account.
    #[must_use]
    pub const fn new(chain: Chain, signer: Arc<Signer>) -> Self {
        Self { chain, signer, fee_max: FEE_MAX }
    }

    /// With another ceiling for [`Self::run`], in wei a unit of gas, tip included.
    #[must_use]
    pub const fn with_fee_max(mut self, fee_max: u128) -> Self {
        self.fee_max = fee_max;
        self
    }

    /// Whose it is.
    #[must_use]
    pub fn address(&self) -> Address {
        self.signer.address()
    }

    /// Its chain.
    #[must_use]
    pub const fn chain(&self) -> &Chain {
        &self.chain
    }

    /// Signs a transaction. The same arguments give the same transaction.
    ///
    /// # Errors
    /// When the key does not sign.
    pub fn sign(
        &self,
        payload: &TxPayload,
        nonce: u64,
        gas: u64,
        offer: Offer,
    ) -> Result<SignedTx, KeyError> {
        let request = Eip1559TransactionRequest {
            from: None,
            to: payload.to.map(|to| NameOrAddress::Address(to.h160())),
            gas: Some(gas.into()),
            value: Some(U256::from(payload.value.0)),
            data: Some(payload.data.clone().into()),
            nonce: Some(nonce.into()),
            access_list: Default::default(),
            max_priority_fee_per_gas: Some(U256::from(offer.tip_max)),
            max_fee_per_gas: Some(U256::from(offer.fee_max)),
            chain_id: Some(U64::from(self.chain.id())),
        };
        let typed = TypedTransaction::Eip1559(request);
        let signature = self.signer.sign(&Hash(typed.sighash().0))?;
        let signature = Signature {
            r: U256::from_big_endian(signature.r()),
            s: U256::from_big_endian(signature.s()),
            v: u64::from(signature.y_is_odd()),
        };
        let raw = typed.rlp_signed(&signature).to_vec();
        let hash = keccak(&raw);
        Ok(SignedTx { raw, hash })
    }

    /// How much gas a transaction is given: a quarter more than it would take
    /// now.
    ///
    /// # Errors
    /// [`RpcError::Reverted`] when it would fail now.
    pub async fn gas_for(&self, payload: &TxPayload) -> Result<u64, RpcError> {
        let gas = self.chain.estimate_gas(self.address(), payload.to, payload.value, &payload.data).await?;
        Ok(gas.saturating_add(gas / 4))
    }

    /// Sends a transaction and waits until it is in a block: for commands of
    /// people. What must survive restarts and reorganisations is a
    /// [`super::Submission`].
    ///
    /// # Errors
    /// When it fails, gas costs more than the ceiling, or it is not mined within
    /// [`RUN_TIMEOUT`].
    pub async fn run(&self, payload: &TxPayload) -> Result<TxReceipt, AccountError> {
        let nonce = self.chain.nonce(self.address()).await?;
        let gas = self.gas_for(payload).await?;
        let fees = self.chain.fees().await?;
        if fees.base > self.fee_max {
            return Err(AccountError::TooDear { base: fees.base, ceiling: self.fee_max });
        }
        let offer = super::offer_of(fees, self.fee_max);
        let (account, payload) = (self.clone(), payload.clone());
        // A hardware wallet blocks for as long as its owner thinks.
        let signed = tokio::task::spawn_blocking(move || account.sign(&payload, nonce, gas, offer))
            .await
            .map_err(|e| KeyError::External { program: "signer".into(), reason: e.to_string() })??;
        self.chain.send_raw(&signed.raw).await?;
        let mined = tokio::time::timeout(RUN_TIMEOUT, self.wait_for(&signed.hash)).await;
        let receipt = mined
            .map_err(|_| AccountError::NotMined { hash: signed.hash, after_s: RUN_TIMEOUT.as_secs() })??;
        if receipt.is_success {
            Ok(receipt)
        } else {
            Err(AccountError::Failed { hash: signed.hash, block: receipt.block_number })
        }
    }

    async fn wait_for(&self, hash: &Hash) -> Result<TxReceipt, RpcError> {
        loop {
            if let TxState::Mined(receipt) = self.chain.transaction(hash).await? {
                return Ok(receipt);
            }
            tokio::time::sleep(RUN_PAUSE).await;
        }
    }
}
