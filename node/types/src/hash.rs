//! 32-byte hashes, and the tagged SHA3-256 that makes most of them.

use crate::{codec, hex_bytes::hex_bytes};
use borsh::BorshSerialize;
use sha3::{Digest, Sha3_256};

hex_bytes! {
    /// A 32-byte hash. Which function made it is said where it is used; most
    /// are [`Hash::of`].
    Hash, 32
}

impl Hash {
    /// All zero: "there is none" in fields that always hold a hash, such as
    /// the parent of the first beat.
    pub const ZERO: Self = Self([0; 32]);

    /// SHA3-256 of `tag ‖ 00 ‖ bytes`.
    #[must_use]
    pub fn of(tag: &str, bytes: &[u8]) -> Self {
        Self::of_parts(tag, &[bytes])
    }

    /// SHA3-256 of `tag ‖ 00 ‖ parts…`. The parts must be self-delimiting
    /// (fixed size, or encoded with their length).
    #[must_use]
    pub fn of_parts(tag: &str, parts: &[&[u8]]) -> Self {
        let mut hasher = Sha3_256::new();
        hasher.update(tag.as_bytes());
        hasher.update([0]);
        for part in parts {
            hasher.update(part);
        }
        Self(hasher.finalize().into())
    }

    /// [`Hash::of`] over the Borsh encoding of `value`.
    #[must_use]
    pub fn of_value<T: BorshSerialize + ?Sized>(tag: &str, value: &T) -> Self {
        Self::of(tag, &codec::encode(value))
    }

    /// Plain SHA3-256 without a tag, for receipts and output digests, whose
    /// formats are published.
    #[must_use]
    pub fn sha3(bytes: &[u8]) -> Self {
        Self(Sha3_256::digest(bytes).into())
    }
}

impl AsRef<[u8]> for Hash {
    fn as_ref(&self) -> &[u8] {
        &self.0
    }
}
