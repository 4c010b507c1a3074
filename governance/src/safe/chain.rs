//! The owner's Safe on the chain: what it is, who has really signed, what a
//! transaction would do, and its execution.

use super::{
    file::TxFile,
    signatures::{self, Offline, OwnerSignature, OwnerSignatureError},
    tx::{Call, Operation, SafeTx, TxError},
};
use crate::{
    abi::{self, AbiEncode},
    address::{Address, Wei},
    contracts::{ContractError, view},
    rpc::{Chain, Reverted, RpcError, TxReceipt},
};
use ethers::core::types::{H160, U256};
use phalanx_types::Hash;
use serde::Serialize;

/// Where a Safe keeps its guard: `keccak256("guard_manager.guard.address")`.
const GUARD_SLOT: &str = "guard_manager.guard.address";
/// Where it keeps its fallback handler.
const HANDLER_SLOT: &str = "fallback_manager.handler.address";
/// Ends every linked list of a Safe.
const SENTINEL: Address = Address([0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1]);
/// Hash of the code of MultiSendCallOnly 1.4.1: the same on every chain, for it
/// has no constructor arguments.
const MULTI_SEND_CALL_ONLY: Hash = Hash([
    0xec, 0xd5, 0xbd, 0x14, 0xa0, 0x8c, 0x5d, 0x21, 0x22, 0x37, 0x99, 0x00, 0xb2, 0xf2, 0x72, 0xbd, 0xf1,
    0x07, 0xa7, 0xe9, 0x24, 0x23, 0xc1, 0x0d, 0xd5, 0xfe, 0x32, 0x54, 0x38, 0x6c, 0x99, 0x39,
]);
/// Most modules that are listed.
const MODULES_MAX: u64 = 64;
/// What a contract answers that accepts a signature, `isValidSignature(bytes,bytes)`.
const ACCEPTED: [u8; 4] = [0x20, 0xc1, 0x3b, 0x0b];

/// Why a Safe does not do what is asked.
#[derive(Debug, thiserror::Error)]
pub enum SafeError {
    /// The chain or a contract.
    #[error(transparent)]
    Contract(#[from] ContractError),
    /// The file is of another Safe or chain.
    #[error("the file is for Safe {file_safe} on chain {file_chain}, not for {safe} on chain {chain}")]
    OtherSafe {
        /// The Safe in the file.
        file_safe: Address,
        /// The chain in the file.
        file_chain: u64,
        /// The Safe that is asked.
        safe: Address,
        /// Its chain.
        chain: u64,
    },
    /// The nonce is not the next one.
    #[error("the transaction has nonce {found}, the Safe's next one is {expected}: {}", if found < expected { "it was executed or cancelled" } else { "execute those before it first" })]
    Nonce {
        /// The Safe's nonce.
        expected: u64,
        /// The transaction's.
        found: u64,
    },
    /// Signatures.
    #[error(transparent)]
    Signatures(#[from] OwnerSignatureError),
    /// The batch.
    #[error(transparent)]
    Tx(#[from] TxError),
    /// The Safe computes another hash.
    #[error(
        "the Safe at {safe} computes {found} as the hash of this transaction, but it is {computed}: it is no Safe {}",
        super::VERSION
    )]
    OtherHash {
        /// The Safe.
        safe: Address,
        /// Computed here.
        computed: Hash,
        /// The Safe's.
        found: Hash,
    },
    /// No MultiSendCallOnly, through which a batch goes.
    #[error(
        "there is no contract at {address} on chain {chain}, where MultiSendCallOnly {} is meant to be: name it by --multi-send, or make a transaction of each call",
        super::VERSION
    )]
    NoMultiSend {
        /// Where it was looked for.
        address: Address,
        /// On which chain.
        chain: u64,
    },
    /// Another contract in its place, which a Safe must never run as itself.
    #[error(
        "the contract at {address} is not MultiSendCallOnly {}: its code could act as the Safe itself; name the right one by --multi-send",
        super::VERSION
    )]
    OtherMultiSend {
        /// Where it is.
        address: Address,
    },
    /// It was mined and has failed.
    #[error("transaction {tx} was mined, but the Safe reports failure of {safe_tx_hash}")]
    Failed {
        /// The chain's transaction.
        tx: Hash,
        /// The Safe's.
        safe_tx_hash: Hash,
    },
}

impl From<RpcError> for SafeError {
    fn from(error: RpcError) -> Self {
        Self::Contract(error.into())
    }
}

/// What a Safe is at a height.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct SafeStatus {
    /// Where it is.
    pub safe: Address,
    /// On which chain.
    pub chain_id: u64,
    /// Its owners.
    pub owners: Vec<Address>,
    /// How many of them must sign.
    pub threshold: u64,
    /// The nonce of the next transaction.
    pub nonce: u64,
    /// Its version.
    pub version: String,
    /// Contracts that may act without signatures.
    pub modules: Vec<Address>,
    /// A contract that may stop transactions.
    pub guard: Option<Address>,
    /// What answers calls that the Safe does not know.
    pub fallback_handler: Option<Address>,
    /// What it has.
    pub balance: Wei,
}

impl SafeStatus {
    /// What an owner should know before signing.
    #[must_use]
    pub fn warnings(&self) -> Vec<String> {
        let mut warnings = Vec::new();
        if self.version != super::VERSION {
            warnings.push(format!("its version is {}, this program knows {}", self.version, super::VERSION));
        }
        for module in &self.modules {
            warnings.push(format!("module {module} may act for it without any signature"));
        }
        if let Some(guard) = self.guard {
            warnings.push(format!("guard {guard} may stop any transaction, that of its own removal too"));
        }
        if self.threshold == 1 && self.owners.len() > 1 {
            warnings.push(format!("one of its {} owners alone can act", self.owners.len()));
        }
        if self.threshold == self.owners.len() as u64 && self.owners.len() > 1 {
            warnings.push("the loss of one owner's key stops it for good".into());
        }
        warnings
    }
}

/// What is known of one signature of a file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Consent {
    /// It counts.
    Valid,
    /// It is by somebody who is no owner.
    NotAnOwner,
    /// It does not hold.
    Invalid(String),
}

/// The signatures of a file, checked against the chain.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Checked {
    /// For each signature.
    pub consents: Vec<(Address, Consent)>,
    /// How many count.
    pub valid: usize,
    /// How many are needed.
    pub threshold: u64,
}

impl Checked {
    /// Whether it can be executed, as far as signatures go.
    #[must_use]
    pub const fn is_enough(&self) -> bool {
        self.valid as u64 >= self.threshold
    }
}

/// What a transaction would do now.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Simulated {
    /// It would succeed; what the call gives back.
    Success(Vec<u8>),
    /// It would fail: which call of a batch, as far as that is known, and why.
    Failure {
        /// Position in the batch.
        position: Option<usize>,
        /// Why.
        reverted: Reverted,
    },
}

/// A Safe.
#[derive(Clone, Debug)]
pub struct Safe {
    chain: Chain,
    address: Address,
}

impl Safe {
    /// The Safe at an address, without asking anything.
    #[must_use]
    pub const fn new(chain: Chain, address: Address) -> Self {
        Self { chain, address }
    }

    /// Where it is.
    #[must_use]
    pub const fn address(&self) -> Address {
        self.address
    }

    async fn view<C: AbiEncode, R: ethers::core::abi::AbiDecode>(
        &self,
        function: &'static str,
        call: C,
        at: u64,
    ) -> Result<R, ContractError> {
        view(&self.chain, self.address, function, call, at).await
    }

    /// The nonce of the next transaction.
    ///
    /// # Errors
    /// When the chain cannot be asked.
    pub async fn nonce(&self, at: u64) -> Result<u64, SafeError> {
        let nonce: U256 = self.view("nonce", abi::NonceCall, at).await?;
        Ok(abi::small(nonce).unwrap_or(u64::MAX))
    }

    /// What it is.
    ///
    /// # Errors
    /// When the chain cannot be asked.
    pub async fn status(&self, at: u64) -> Result<SafeStatus, SafeError> {
        let owners: Vec<H160> = self.view("getOwners", abi::GetOwnersCall, at).await?;
        let threshold: U256 = self.view("getThreshold", abi::GetThresholdCall, at).await?;
        let version: String = self.view("VERSION", abi::VersionCall, at).await?;
        let pages = abi::GetModulesPaginatedCall { start: SENTINEL.h160(), page_size: MODULES_MAX.into() };
        let (modules, _): (Vec<H160>, H160) = self.view("getModulesPaginated", pages, at).await?;
        Ok(SafeStatus {
            safe: self.address,
            chain_id: self.chain.id(),
            owners: owners.into_iter().map(Address::of).collect(),
            threshold: abi::small(threshold).unwrap_or(u64::MAX),
            nonce: self.nonce(at).await?,
            version: version.chars().take(32).collect(),
            modules: modules.into_iter().map(Address::of).collect(),
            guard: self.slot(GUARD_SLOT, at).await?,
            fallback_handler: self.slot(HANDLER_SLOT, at).await?,
            balance: self.chain.balance(self.address).await?,
        })
    }

    async fn slot(&self, name: &str, at: u64) -> Result<Option<Address>, SafeError> {
        let slot = crate::digest::keccak(name.as_bytes());
        let word = self.chain.storage(self.address, &slot, at).await?;
        Ok(Address::from_word(&word.0).filter(|a| !a.is_zero()))
    }

    /// The hash that the deployed Safe computes for a transaction. It is only
    /// ever compared with the one computed here.
    ///
    /// # Errors
    /// When the chain cannot be asked.
    pub async fn transaction_hash(&self, tx: &SafeTx, at: u64) -> Result<Hash, SafeError> {
        let call = abi::GetTransactionHashCall {
            to: tx.to.h160(),
            value: abi::amount(tx.value),
            data: tx.data.clone().into(),
            operation: tx.operation.code(),
            nonce: tx.nonce.into(),
            ..Default::default()
        };
        let hash: [u8; 32] = self.view("getTransactionHash", call, at).await?;
        Ok(Hash(hash))
    }

    /// Checks that `address` is MultiSendCallOnly, to its last byte.
    ///
    /// # Errors
    /// When there is nothing or something else.
    pub async fn check_multi_send(&self, address: Address, at: u64) -> Result<(), SafeError> {
        match self.chain.code_hash(address, at).await? {
            Some(MULTI_SEND_CALL_ONLY) => Ok(()),
            Some(_) => Err(SafeError::OtherMultiSend { address }),
            None => Err(SafeError::NoMultiSend { address, chain: self.chain.id() }),
        }
    }

    /// A new file of calls, which the owners of this Safe may sign. Several
    /// calls become a batch, which all succeed or all fail.
    ///
    /// # Errors
    /// When there are no calls or too many, or `multi_send` is not what a batch
    /// needs.
    pub async fn propose(
        &self,
        calls: &[Call],
        multi_send: Address,
        nonce: u64,
        at: u64,
    ) -> Result<TxFile, SafeError> {
        let tx = SafeTx::of_calls(calls, multi_send, nonce)?;
        if tx.operation == Operation::DelegateCall {
            self.check_multi_send(multi_send, at).await?;
        }
        Ok(TxFile::new(self.chain.id(), self.address, tx))
    }

    fn check_file(&self, file: &TxFile) -> Result<(), SafeError> {
        if file.safe == self.address && file.chain_id == self.chain.id() {
            return Ok(());
        }
        Err(SafeError::OtherSafe {
            file_safe: file.safe,
            file_chain: file.chain_id,
            safe: self.address,
            chain: self.chain.id(),
        })
    }

    /// Checks each signature of a file: by whom it is, whether they are owners
    /// now, and what approvals and contracts say. An approval counts when it is on
    /// the chain. The Safe would also count one of whoever executes; here that is no
    /// consent, because anybody can write it into a file.
    ///
    /// # Errors
    /// When the file is of another Safe, or the chain cannot be asked.
    pub async fn check(&self, file: &TxFile, at: u64) -> Result<Checked, SafeError> {
        self.check_file(file)?;
        let status = self.status(at).await?;
        let hash = file.safe_tx_hash();
        let found = self.transaction_hash(&file.tx, at).await?;
        if found != hash {
            return Err(SafeError::OtherHash { safe: self.address, computed: hash, found });
        }
        let mut consents = Vec::with_capacity(file.signatures().len());
        for signature in file.signatures() {
            let owner = signature.owner();
            let consent = if !status.owners.contains(&owner) {
                Consent::NotAnOwner
            } else {
                match signature.check_offline(&hash) {
                    Ok(Offline::Valid) => Consent::Valid,
                    Ok(Offline::NeedsChain) => self.ask_chain(file, signature, at).await?,
                    Err(error) => Consent::Invalid(error.to_string()),
                }
            };
            consents.push((owner, consent));
        }
        let mut owners: Vec<Address> =
            consents.iter().filter(|(_, c)| *c == Consent::Valid).map(|(owner, _)| *owner).collect();
        owners.dedup();
        let valid = owners.len();
        Ok(Checked { consents, valid, threshold: status.threshold })
    }

    async fn ask_chain(
        &self,
        file: &TxFile,
        signature: &OwnerSignature,
        at: u64,
    ) -> Result<Consent, SafeError> {
        let hash = file.safe_tx_hash();
        match signature {
            OwnerSignature::ApprovedHash { owner } => {
                let call = abi::ApprovedHashesCall { owner: owner.h160(), hash: hash.0 };
                let approved: U256 = self.view("approvedHashes", call, at).await?;
                Ok(if approved.is_zero() {
                    Consent::Invalid("it has not called approveHash".into())
                } else {
                    Consent::Valid
                })
            }
            OwnerSignature::Contract { owner, signature } => {
                // A Safe gives its contracts the bytes under the hash, not the hash.
                let mut message = vec![0x19, 0x01];
                message.extend_from_slice(&file.domain_hash().0);
                message.extend_from_slice(&file.message_hash().0);
                let call =
                    abi::IsValidSignatureCall { data: message.into(), signature: signature.clone().into() };
                let answer = self.chain.call_from(self.address, *owner, Wei(0), &call.encode(), at).await;
                match answer {
                    Ok(answer) if answer.len() == 32 && answer.starts_with(&ACCEPTED) => Ok(Consent::Valid),
                    Ok(_) => Ok(Consent::Invalid("the contract does not accept it".into())),
                    Err(RpcError::Reverted { reverted, .. }) => {
                        Ok(Consent::Invalid(format!("the contract refuses it: {reverted}")))
                    }
                    Err(error) => Err(error.into()),
                }
            }
            OwnerSignature::Ecdsa { .. } | OwnerSignature::EthSign { .. } => Ok(Consent::Valid),
        }
    }

    /// Calldata of `execTransaction` with as many signatures as are needed.
    /// Those that do not count are left out.
    ///
    /// # Errors
    /// When the nonce is not the next one, or there are too few signatures.
    pub async fn exec_calldata(&self, file: &TxFile, at: u64) -> Result<Vec<u8>, SafeError> {
        let expected = self.nonce(at).await?;
        if file.tx.nonce != expected {
            return Err(SafeError::Nonce { expected, found: file.tx.nonce });
        }
        let checked = self.check(file, at).await?;
        let counting: Vec<OwnerSignature> = file
            .signatures()
            .iter()
            .zip(&checked.consents)
            .filter(|(_, (_, consent))| *consent == Consent::Valid)
            .map(|(signature, _)| signature.clone())
            .collect();
        let threshold = usize::try_from(checked.threshold).unwrap_or(usize::MAX);
        let bytes = signatures::encode(&counting, threshold)?;
        let tx = &file.tx;
        Ok(abi::ExecTransactionCall {
            to: tx.to.h160(),
            value: abi::amount(tx.value),
            data: tx.data.clone().into(),
            operation: tx.operation.code(),
            signatures: bytes.into(),
            ..Default::default()
        }
        .encode())
    }

    /// What a transaction would do now, whoever has signed: by `eth_call` as
    /// the Safe. A batch that would fail is tried call by call, each alone, to
    /// find the first that fails by itself.
    ///
    /// # Errors
    /// When the chain cannot be asked.
    pub async fn simulate(&self, tx: &SafeTx, at: u64) -> Result<Simulated, SafeError> {
        if tx.operation == Operation::Call {
            let call = Call { to: tx.to, value: tx.value, data: tx.data.clone() };
            return self.simulate_call(&call, None, at).await;
        }
        let probe = abi::SimulateAndRevertCall {
            target_contract: tx.to.h160(),
            calldata_payload: tx.data.clone().into(),
        };
        let answer = match self.chain.call(self.address, &probe.encode(), at).await {
            Err(RpcError::Reverted { reverted, .. }) => reverted.data,
            Ok(_) => Vec::new(),
            Err(error) => return Err(error.into()),
        };
        // Whether it succeeds, the length of what it gives, and that.
        let is_success = answer.get(..32).is_some_and(|w| w.last() == Some(&1));
        let output = answer.get(64..).unwrap_or_default().to_vec();
        if is_success {
            return Ok(Simulated::Success(output));
        }
        for (position, call) in tx.calls()?.unwrap_or_default().iter().enumerate() {
            if let failure @ Simulated::Failure { .. } = self.simulate_call(call, Some(position), at).await? {
                return Ok(failure);
            }
        }
        Ok(Simulated::Failure { position: None, reverted: Reverted { data: output } })
    }

    async fn simulate_call(
        &self,
        call: &Call,
        position: Option<usize>,
        at: u64,
    ) -> Result<Simulated, SafeError> {
        match self.chain.call_from(self.address, call.to, call.value, &call.data, at).await {
            Ok(output) => Ok(Simulated::Success(output)),
            Err(RpcError::Reverted { reverted, .. }) => Ok(Simulated::Failure { position, reverted }),
            Err(error) => Err(error.into()),
        }
    }

    /// Checks in a mined transaction that the Safe reports success of `file`.
    ///
    /// # Errors
    /// [`SafeError::Failed`].
    pub fn check_executed(&self, file: &TxFile, receipt: &TxReceipt) -> Result<(), SafeError> {
        let hash = file.safe_tx_hash();
        let success = crate::digest::keccak(b"ExecutionSuccess(bytes32,uint256)");
        let is_reported = receipt.is_success
            && receipt.logs.iter().any(|log| log.address == self.address && log.topics == [success, hash]);
        if is_reported { Ok(()) } else { Err(SafeError::Failed { tx: receipt.tx_hash, safe_tx_hash: hash }) }
    }

    /// Calldata by which an owner approves a transaction on chain.
    #[must_use]
    pub fn approve_calldata(file: &TxFile) -> Vec<u8> {
        abi::ApproveHashCall { hash_to_approve: file.safe_tx_hash().0 }.encode()
    }
}
