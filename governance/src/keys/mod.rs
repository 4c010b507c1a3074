//! secp256k1 keys: where they come from, and what they sign.
//!
//! A key is in an encrypted keystore ([`keystore`]), behind a program that the
//! operator names ([`external`]), or, on the development chain only, one that
//! everybody knows ([`dev`]).

pub mod dev;
pub mod external;
pub mod keystore;
mod signature;

pub use dev::DevKeys;
pub use external::ExternalSigner;
pub use keystore::PasswordSource;
pub use signature::{EcdsaSignature, SignatureError};

use crate::address::Address;
use k256::ecdsa::SigningKey;
use phalanx_types::Hash;
use std::{fmt, path::PathBuf};
use zeroize::Zeroizing;

/// Why a key cannot be had, or does not sign.
#[derive(Debug, thiserror::Error)]
pub enum KeyError {
    /// A file cannot be read or written.
    #[error("cannot {action} {path}")]
    File {
        /// What was tried.
        action: &'static str,
        /// The file.
        path: PathBuf,
        /// Why not.
        #[source]
        source: std::io::Error,
    },
    /// A file that others may read holds a password.
    #[error("{path} may be read by others (mode {mode:o}): chmod 600 {path}")]
    Readable {
        /// The file.
        path: PathBuf,
        /// Its mode.
        mode: u32,
    },
    /// The source of the password has none.
    #[error("no password in {place}: {reason}")]
    NoPassword {
        /// Where it was looked for.
        place: String,
        /// What is wrong.
        reason: &'static str,
    },
    /// A file is no keystore that can be opened here.
    #[error("{path} is no keystore of version 3: {reason}")]
    Keystore {
        /// The file.
        path: PathBuf,
        /// What is wrong.
        reason: String,
    },
    /// The password does not open it.
    #[error("the password does not open {path}: is it that of another key?")]
    Password {
        /// The file.
        path: PathBuf,
    },
    /// The secret is no key of the curve.
    #[error("{place} holds no secp256k1 key: 32 bytes, not zero, below the order of the curve")]
    NotAKey {
        /// Where it came from.
        place: String,
    },
    /// The keystore says whose key it is, and it is not.
    #[error("{path} says that its key is of {said}, but it is of {found}")]
    OtherAccount {
        /// The file.
        path: PathBuf,
        /// What the file says.
        said: Address,
        /// Whose it is.
        found: Address,
    },
    /// No random bytes.
    #[error("the system gives no random bytes: {0}")]
    Random(String),
    /// The external program failed.
    #[error("the signer {program} {reason}")]
    External {
        /// Its name.
        program: String,
        /// What happened.
        reason: String,
    },
    /// The signature is not by whom it should be.
    #[error(
        "the signature is by {found}, not by {expected}: the signer holds another key, or signed something else"
    )]
    OtherSigner {
        /// Who should sign.
        expected: Address,
        /// Who did.
        found: Address,
    },
    /// The bytes are no signature.
    #[error(transparent)]
    Signature(#[from] SignatureError),
    /// Development keys on another chain.
    #[error(
        "development keys are known to everybody: they are refused on chain {found}, and taken on {} only",
        dev::CHAIN_ID
    )]
    DevChain {
        /// The chain.
        found: u64,
    },
}

/// A key in this process. Wiped when dropped, never shown.
pub struct LocalKey {
    key: SigningKey,
    address: Address,
}

impl LocalKey {
    /// The key of 32 secret bytes.
    ///
    /// # Errors
    /// When they are zero or not below the order of the curve. `place` says in
    /// the error where they came from.
    pub fn from_bytes(secret: &Zeroizing<[u8; 32]>, place: &str) -> Result<Self, KeyError> {
        let key = SigningKey::from_slice(secret.as_slice())
            .map_err(|_| KeyError::NotAKey { place: place.to_owned() })?;
        let address = signature::address_of(key.verifying_key());
        Ok(Self { key, address })
    }

    /// Makes a new key.
    ///
    /// # Errors
    /// When the system gives no random bytes.
    pub fn generate() -> Result<Self, KeyError> {
        let mut secret = Zeroizing::new([0; 32]);
        // One draw in 2^128 is no key; then the caller is told so.
        getrandom::fill(secret.as_mut_slice()).map_err(|e| KeyError::Random(e.to_string()))?;
        Self::from_bytes(&secret, "the random source")
    }

    /// Whose key it is.
    #[must_use]
    pub const fn address(&self) -> Address {
        self.address
    }

    /// Signs a digest. Deterministic (RFC 6979), with the lower `s`.
    ///
    /// # Errors
    /// One time in 2^128.
    pub fn sign(&self, digest: &Hash) -> Result<EcdsaSignature, KeyError> {
        let (signature, id) =
            self.key.sign_prehash_recoverable(&digest.0).map_err(|_| SignatureError::Zero)?;
        Ok(EcdsaSignature::from_parts(&signature, id)?)
    }

    /// The secret, for a keystore.
    pub(crate) fn secret(&self) -> Zeroizing<[u8; 32]> {
        Zeroizing::new(self.key.to_bytes().into())
    }
}

impl fmt::Debug for LocalKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "LocalKey(of {})", self.address)
    }
}

/// Whoever signs digests for one account.
#[derive(Debug)]
pub enum Signer {
    /// A key in this process.
    Local(LocalKey),
    /// A program.
    External(ExternalSigner),
}

impl Signer {
    /// The account.
    #[must_use]
    pub const fn address(&self) -> Address {
        match self {
            Self::Local(key) => key.address(),
            Self::External(signer) => signer.address(),
        }
    }

    /// Signs a digest. An external signer blocks until its program has
    /// answered; what it gives is checked here.
    ///
    /// # Errors
    /// When the program fails, or signs with another key.
    pub fn sign(&self, digest: &Hash) -> Result<EcdsaSignature, KeyError> {
        let signature = match self {
            Self::Local(key) => key.sign(digest)?,
            Self::External(signer) => signer.sign(digest)?,
        };
        let found = signature.recover(digest)?;
        if found == self.address() {
            Ok(signature)
        } else {
            Err(KeyError::OtherSigner { expected: self.address(), found })
        }
    }
}

#[cfg(test)]
mod tests;
