//! A Safe of one's own, for development: from the files of the npm package
//! `@safe-global/safe-contracts`, which are read when they are needed.

use crate::{
    abi::{self, AbiEncode},
    address::Address,
    contracts::artifacts,
    rpc::{RpcError, TxReceipt},
    submit::account::{Account, AccountError, TxPayload},
};
use phalanx_types::Hash;
use std::{
    fs::File,
    io::Read,
    path::{Path, PathBuf},
};

/// Where the package has its compiled contracts, below the folder of npm's
/// `node_modules`.
pub const ARTIFACTS: &str = "@safe-global/safe-contracts/build/artifacts/contracts";
/// Longest artifact: the Safe's own has less than a tenth.
const ARTIFACT_BYTES_MAX: u64 = 4 << 20;

/// The contracts behind Safes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SafeContracts {
    /// Makes Safes.
    pub proxy_factory: Address,
    /// Their code, with events for what they do.
    pub singleton: Address,
    /// Answers EIP-1271 and token callbacks.
    pub fallback_handler: Address,
    /// Runs batches of calls.
    pub multi_send_call_only: Address,
}

impl SafeContracts {
    /// Where Safe 1.4.1 is on most public chains.
    ///
    /// # Errors
    /// Never; the texts are constants.
    pub fn canonical() -> Result<Self, crate::address::AddressError> {
        Ok(Self {
            proxy_factory: "0x4e1DCf7AD4e460CfD30791CCC4F9c8a4f820ec67".parse()?,
            singleton: "0x29fcB43b46531BcA003ddC8FCB67FFE91900C762".parse()?,
            fallback_handler: "0xfd0732Dc9E303f09fCEf3a7388Ad10A83459Ec99".parse()?,
            multi_send_call_only: "0x9641d764fc13c8B624c04430C7356C1C7C8102e2".parse()?,
        })
    }
}

/// Why no Safe is there.
#[derive(Debug, thiserror::Error)]
pub enum DeployError {
    /// The package is not there.
    #[error("{path} cannot be read: {source}; run `npm ci` in contracts/")]
    Artifact {
        /// The file.
        path: PathBuf,
        /// Why not.
        #[source]
        source: std::io::Error,
    },
    /// A file of the package is none.
    #[error("{path}: {source}")]
    Form {
        /// The file.
        path: PathBuf,
        /// What is wrong.
        #[source]
        source: artifacts::ArtifactError,
    },
    /// The transaction fails.
    #[error(transparent)]
    Account(#[from] AccountError),
    /// It was mined and made nothing.
    #[error("transaction {tx} made no {what}")]
    Nothing {
        /// The transaction.
        tx: Hash,
        /// What it should have made.
        what: &'static str,
    },
    /// Owners and threshold do not fit.
    #[error("{threshold} of {owners} owners is no Safe: at least one owner, and 1 to all of them must sign")]
    Threshold {
        /// How many must sign.
        threshold: u64,
        /// Of how many.
        owners: usize,
    },
}

impl From<RpcError> for DeployError {
    fn from(error: RpcError) -> Self {
        Self::Account(error.into())
    }
}

/// Deploys the contracts behind Safes (for development; public chains have
/// them). `node_modules` is npm's folder.
///
/// # Errors
/// See [`DeployError`].
pub async fn deploy_contracts(account: &Account, node_modules: &Path) -> Result<SafeContracts, DeployError> {
    let folder = node_modules.join(ARTIFACTS);
    let files = [
        ("proxy factory", "proxies/SafeProxyFactory.sol/SafeProxyFactory.json"),
        ("singleton", "SafeL2.sol/SafeL2.json"),
        ("fallback handler", "handler/CompatibilityFallbackHandler.sol/CompatibilityFallbackHandler.json"),
        ("batch contract", "libraries/MultiSendCallOnly.sol/MultiSendCallOnly.json"),
    ];
    let mut made = [Address::ZERO; 4];
    for (slot, (what, file)) in made.iter_mut().zip(files) {
        let code = code_of(&folder.join(file))?;
        let receipt = account.run(&TxPayload::create(code)).await?;
        *slot = receipt.created.ok_or(DeployError::Nothing { tx: receipt.tx_hash, what })?;
    }
    let [proxy_factory, singleton, fallback_handler, multi_send_call_only] = made;
    Ok(SafeContracts { proxy_factory, singleton, fallback_handler, multi_send_call_only })
}

/// Makes a Safe.
///
/// # Errors
/// See [`DeployError`].
pub async fn deploy_safe(
    account: &Account,
    contracts: &SafeContracts,
    owners: &[Address],
    threshold: u64,
    salt: u64,
) -> Result<Address, DeployError> {
    if owners.is_empty() || threshold == 0 || threshold > owners.len() as u64 {
        return Err(DeployError::Threshold { threshold, owners: owners.len() });
    }
    let setup = abi::SetupCall {
        owners: owners.iter().map(|o| o.h160()).collect(),
        threshold: threshold.into(),
        fallback_handler: contracts.fallback_handler.h160(),
        ..Default::default()
    };
    let call = abi::CreateProxyWithNonceCall {
        singleton: contracts.singleton.h160(),
        initializer: setup.encode().into(),
        salt_nonce: salt.into(),
    };
    let receipt = account.run(&TxPayload::call(contracts.proxy_factory, call.encode())).await?;
    created_proxy(&receipt, contracts.proxy_factory)
        .ok_or(DeployError::Nothing { tx: receipt.tx_hash, what: "Safe" })
}

fn created_proxy(receipt: &TxReceipt, factory: Address) -> Option<Address> {
    let kind = crate::digest::keccak(b"ProxyCreation(address,address)");
    receipt
        .logs
        .iter()
        .find(|log| log.address == factory && log.topics.first() == Some(&kind))
        .and_then(|log| log.topics.get(1))
        .and_then(|topic| Address::from_word(&topic.0))
}

fn code_of(path: &Path) -> Result<Vec<u8>, DeployError> {
    let failed = |source| DeployError::Artifact { path: path.to_owned(), source };
    let mut text = String::new();
    let file = File::open(path).map_err(failed)?;
    file.take(ARTIFACT_BYTES_MAX).read_to_string(&mut text).map_err(failed)?;
    artifacts::creation_code(&text).map_err(|source| DeployError::Form { path: path.to_owned(), source })
}
