//! The one binary encoding: Borsh, with trailing bytes refused.
//!
//! Callers bound the length of the input before they decode; Borsh itself
//! never reserves more memory for a sequence than a small constant before the
//! elements are there, so a lying length prefix costs nothing.

use borsh::{BorshDeserialize, BorshSerialize};

/// Why bytes are not a value.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum DecodeError {
    /// Longer than this kind of value may be.
    #[error("{what} has {found} bytes; at most {max} are allowed")]
    TooLong {
        /// What was decoded.
        what: &'static str,
        /// The limit in bytes.
        max: usize,
        /// The length found in bytes.
        found: usize,
    },
    /// Not an encoding of this kind of value, or with trailing bytes.
    #[error("{what} cannot be decoded: {reason}")]
    Malformed {
        /// What was decoded.
        what: &'static str,
        /// What is wrong with it.
        reason: String,
    },
}

/// Encodes `value`.
///
/// Writing to memory cannot fail, and our types have no fallible encoder, so
/// the empty string that a failure would give is unreachable.
#[must_use]
pub fn encode<T: BorshSerialize + ?Sized>(value: &T) -> Vec<u8> {
    let mut out = Vec::new();
    let written = value.serialize(&mut out);
    debug_assert!(written.is_ok(), "encoding to memory cannot fail");
    out
}

/// Decodes exactly one value from `bytes`.
///
/// # Errors
/// [`DecodeError::TooLong`] above `max` bytes, [`DecodeError::Malformed`] when
/// the bytes are no encoding or go on after the value.
pub fn decode_exact<T: BorshDeserialize>(
    bytes: &[u8],
    max: usize,
    what: &'static str,
) -> Result<T, DecodeError> {
    if bytes.len() > max {
        return Err(DecodeError::TooLong { what, max, found: bytes.len() });
    }
    T::try_from_slice(bytes).map_err(|error| DecodeError::Malformed { what, reason: error.to_string() })
}

/// Decodes `N` bytes from lower-case hex.
///
/// # Errors
/// When the text has another length, or a character that is not `0-9a-f`.
pub fn decode_hex<const N: usize>(text: &str, what: &'static str) -> Result<[u8; N], DecodeError> {
    let mut out = [0_u8; N];
    if text.bytes().any(|b| b.is_ascii_uppercase()) {
        return Err(DecodeError::Malformed { what, reason: "hex is lower case here".into() });
    }
    hex::decode_to_slice(text, &mut out).map_err(|error| DecodeError::Malformed {
        what,
        reason: format!("{} hex digits are expected: {error}", N * 2),
    })?;
    Ok(out)
}
