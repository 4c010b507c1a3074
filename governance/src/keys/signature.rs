//! ECDSA signatures over secp256k1 with the lower `s`, in 64 and 65 bytes.

use crate::{address::Address, digest::keccak};
use k256::ecdsa::{RecoveryId, Signature, VerifyingKey};
use phalanx_types::Hash;
use std::fmt;

/// Why bytes are no signature.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SignatureError {
    /// Neither 64 nor 65 bytes.
    #[error("a signature has 64 bytes (EIP-2098) or 65, not {0}")]
    Length(usize),
    /// The last byte of 65 is no parity.
    #[error("the last byte of a signature is 27 or 28 (or 0 or 1), not {0}")]
    Parity(u8),
    /// `r` or `s` is zero or too large.
    #[error("r or s of the signature is zero, or not below the order of the curve")]
    Zero,
    /// `s` is in the upper half.
    #[error(
        "s of the signature is in the upper half: anybody can make a second one of it, which the chain refuses"
    )]
    UpperS,
    /// Nobody can have signed that.
    #[error("no key gives this signature for {0}")]
    NoSigner(Hash),
}

/// A signature with the lower `s` and the parity of y.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct EcdsaSignature {
    r: [u8; 32],
    s: [u8; 32],
    y_is_odd: bool,
}

impl EcdsaSignature {
    pub(crate) fn from_parts(signature: &Signature, id: RecoveryId) -> Result<Self, SignatureError> {
        // `s` and its negative sign the same; the parity turns with it.
        let (lower, turned) = match signature.normalize_s() {
            Some(lower) => (lower, true),
            None => (*signature, false),
        };
        if id.is_x_reduced() {
            // r above the order: one in 2^127, and the chain cannot recover it.
            return Err(SignatureError::Zero);
        }
        let (r, s) = lower.split_bytes();
        Ok(Self { r: r.into(), s: s.into(), y_is_odd: id.is_y_odd() ^ turned })
    }

    /// Of 64 bytes (EIP-2098: the parity is the highest bit of `s`) or 65
    /// (`r ‖ s ‖ v`, v 27 or 28, or 0 or 1). An upper `s` is turned into the
    /// lower one, which is by the same signer.
    ///
    /// # Errors
    /// See [`SignatureError`].
    pub fn from_bytes(bytes: &[u8]) -> Result<Self, SignatureError> {
        let (signature, y_is_odd) = parts(bytes)?;
        Self::from_parts(&signature, RecoveryId::new(y_is_odd, false))
    }

    /// The same, but an upper `s` is refused, as the contracts do.
    ///
    /// # Errors
    /// See [`SignatureError`].
    pub fn from_bytes_strict(bytes: &[u8]) -> Result<Self, SignatureError> {
        let (signature, y_is_odd) = parts(bytes)?;
        if signature.normalize_s().is_some() {
            return Err(SignatureError::UpperS);
        }
        Self::from_parts(&signature, RecoveryId::new(y_is_odd, false))
    }

    /// The x coordinate.
    #[must_use]
    pub const fn r(&self) -> &[u8; 32] {
        &self.r
    }

    /// The lower `s`.
    #[must_use]
    pub const fn s(&self) -> &[u8; 32] {
        &self.s
    }

    /// Whether y is odd.
    #[must_use]
    pub const fn y_is_odd(&self) -> bool {
        self.y_is_odd
    }

    /// `s` with the parity in its highest bit: the second word of EIP-2098.
    #[must_use]
    pub fn vs(&self) -> [u8; 32] {
        let mut vs = self.s;
        if let Some(first) = vs.first_mut() {
            *first |= u8::from(self.y_is_odd) << 7;
        }
        vs
    }

    /// 64 bytes: EIP-2098.
    #[must_use]
    pub fn to_64(&self) -> [u8; 64] {
        let mut bytes = [0; 64];
        bytes.iter_mut().zip(self.r.into_iter().chain(self.vs())).for_each(|(slot, byte)| *slot = byte);
        bytes
    }

    /// 65 bytes, the last one 27 or 28.
    #[must_use]
    pub fn to_65(&self) -> [u8; 65] {
        let tail = [27 + u8::from(self.y_is_odd)];
        let mut bytes = [0; 65];
        let all = self.r.into_iter().chain(self.s).chain(tail);
        bytes.iter_mut().zip(all).for_each(|(slot, byte)| *slot = byte);
        bytes
    }

    /// Who signed `digest`.
    ///
    /// # Errors
    /// When nobody can have.
    pub fn recover(&self, digest: &Hash) -> Result<Address, SignatureError> {
        let signature = Signature::from_scalars(self.r, self.s).map_err(|_| SignatureError::Zero)?;
        VerifyingKey::recover_from_prehash(&digest.0, &signature, RecoveryId::new(self.y_is_odd, false))
            .map(|key| address_of(&key))
            .map_err(|_| SignatureError::NoSigner(*digest))
    }
}

fn parts(bytes: &[u8]) -> Result<(Signature, bool), SignatureError> {
    let (r, s, y_is_odd) = match bytes.len() {
        64 => {
            let (r, s) = bytes.split_at(32);
            let mut s: [u8; 32] = s.try_into().map_err(|_| SignatureError::Length(64))?;
            let odd = s.first().is_some_and(|b| b & 0x80 != 0);
            if let Some(first) = s.first_mut() {
                *first &= 0x7f;
            }
            (r, s, odd)
        }
        65 => {
            let (rs, v) = bytes.split_at(64);
            let (r, s) = rs.split_at(32);
            let odd = match v {
                [0 | 27] => false,
                [1 | 28] => true,
                _ => return Err(SignatureError::Parity(v.first().copied().unwrap_or_default())),
            };
            (r, s.try_into().map_err(|_| SignatureError::Length(65))?, odd)
        }
        found => return Err(SignatureError::Length(found)),
    };
    let r: [u8; 32] = r.try_into().map_err(|_| SignatureError::Length(bytes.len()))?;
    let signature = Signature::from_scalars(r, s).map_err(|_| SignatureError::Zero)?;
    Ok((signature, y_is_odd))
}

/// The account of a public key.
pub(crate) fn address_of(key: &VerifyingKey) -> Address {
    let point = key.to_encoded_point(false);
    let bytes = point.as_bytes();
    Address::from_hash(&keccak(bytes.get(1..).unwrap_or_default()).0)
}

impl fmt::Debug for EcdsaSignature {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "EcdsaSignature({})", hex::encode(self.to_65()))
    }
}
