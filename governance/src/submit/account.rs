//! An account that pays for gas: signs and sends transactions.

use super::{Action, Offer, Outcome, Settings, Submission, Waiting, driver};
use crate::{
    address::{Address, Wei},
    digest::keccak,
    keys::{KeyError, Signer},
    rpc::{Chain, RpcError, TxReceipt},
};
use ethers::core::types::{
    Eip1559TransactionRequest, NameOrAddress, Signature, U64, U256, transaction::eip2718::TypedTransaction,
};
use phalanx_types::Hash;
use serde::{Deserialize, Serialize};
use std::{
    sync::Arc,
    time::{Duration, Instant},
};

/// How long [`Account::run`] waits for a transaction.
pub const RUN_TIMEOUT: Duration = Duration::from_secs(180);
/// How often it looks at first.
const RUN_PAUSE: Duration = Duration::from_millis(250);
/// For how long.
const RUN_HURRY: Duration = Duration::from_secs(5);
/// After this time it offers more.
const RUN_STUCK_MS: u64 = 30_000;

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
    /// Another transaction of the account was mined in its place.
    #[error("another transaction of {account} has taken nonce {nonce}: look at what it did, and try again")]
    Taken {
        /// The account.
        account: Address,
        /// The nonce.
        nonce: u64,
    },
    /// It is not mined.
    #[error(
        "transaction {hash} is not mined after {after_s} s: it may still be; look at it again, or try again to offer more for it"
    )]
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

    /// Sends a transaction and waits until it is in a block, offering more for it when it
    /// is stuck: for commands of people. What must survive restarts and reorganisations
    /// is a [`Submission`] that is written down.
    ///
    /// # Errors
    /// When it fails, gas costs more than the ceiling, or it is not mined within
    /// [`RUN_TIMEOUT`].
    pub async fn run(&self, payload: &TxPayload) -> Result<TxReceipt, AccountError> {
        let nonce = self.chain.nonce(self.address()).await?;
        let gas = self.gas_for(payload).await?;
        let settings =
            Settings { depth: 1, stuck_after_ms: RUN_STUCK_MS, fee_max: self.fee_max, ..Settings::default() };
        let mut submission = Submission::new(nonce);
        let began = Instant::now();
        loop {
            let now_ms = u64::try_from(began.elapsed().as_millis()).unwrap_or(u64::MAX);
            let progress =
                driver::look(self, &mut submission, payload, gas, false, &settings, now_ms).await?;
            if let Some(signed) = &progress.to_send {
                driver::send(self, &mut submission, signed, now_ms).await?;
            }
            match progress.action {
                Action::Done(Outcome::Confirmed(receipt)) => return Ok(receipt),
                Action::Done(Outcome::Reverted(receipt)) => {
                    return Err(AccountError::Failed { hash: receipt.tx_hash, block: receipt.block_number });
                }
                Action::Done(_) => return Err(AccountError::Taken { account: self.address(), nonce }),
                Action::Wait(Waiting::Cheaper { base }) => {
                    return Err(AccountError::TooDear { base, ceiling: self.fee_max });
                }
                Action::Wait(_) | Action::Send(_) | Action::Free(_) | Action::Resend(_) => {}
            }
            if began.elapsed() >= RUN_TIMEOUT {
                let hash = submission.attempts().last().map_or(Hash::ZERO, |attempt| attempt.hash);
                return Err(AccountError::NotMined { hash, after_s: RUN_TIMEOUT.as_secs() });
            }
            let pause = if began.elapsed() < RUN_HURRY { RUN_PAUSE } else { 8 * RUN_PAUSE };
            tokio::time::sleep(pause).await;
        }
    }
}
