//! Frames: records one after another in a file that only grows.
//!
//! A frame is the record's length as u32 little-endian, the first 4 bytes of
//! SHA-256 of that length, the first 8 bytes of SHA-256 of length and record,
//! and the record. The length has a checksum of its own, so that a changed
//! length is not taken for a record that was still being written.
//!
//! What ends in the middle of a frame was being written when the program went
//! down: it was never synced, nothing was done that leans on it, and it may be
//! cut off. Everything else that does not check is damage, and an error: behind
//! it could be a record that must not be forgotten.

use sha2::{Digest, Sha256};

const LEN: usize = 4;
const LEN_SUM: usize = 4;
const SUM: usize = 8;
/// Bytes of a frame before its record.
pub const HEAD: usize = LEN + LEN_SUM + SUM;

/// What was read from frames.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Frames {
    /// The whole records, in order.
    pub records: Vec<Vec<u8>>,
    /// Bytes up to the end of the last whole one; what follows is torn.
    pub whole_len: usize,
}

/// A frame that was whole once and is not what was written.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the frame at byte {at} is damaged")]
pub struct Damaged {
    /// Where the frame begins.
    pub at: usize,
}

fn first<const N: usize>(digest: Sha256) -> [u8; N] {
    let digest: [u8; 32] = digest.finalize().into();
    let mut first = [0; N];
    for (to, from) in first.iter_mut().zip(digest) {
        *to = from;
    }
    first
}

/// The frame of a record.
#[must_use]
pub fn frame(record: &[u8]) -> Vec<u8> {
    let len = (record.len() as u32).to_le_bytes();
    let mut frame = Vec::with_capacity(HEAD + record.len());
    frame.extend_from_slice(&len);
    frame.extend_from_slice(&first::<LEN_SUM>(Sha256::new().chain_update(len)));
    frame.extend_from_slice(&first::<SUM>(Sha256::new().chain_update(len).chain_update(record)));
    frame.extend_from_slice(record);
    frame
}

/// Reads frames whose records have at most `record_bytes_max` bytes, up to a
/// torn end.
///
/// # Errors
/// When a frame is damaged.
pub fn read(bytes: &[u8], record_bytes_max: usize) -> Result<Frames, Damaged> {
    let mut records = Vec::new();
    let mut at = 0;
    while let Some(rest) = bytes.get(at..).filter(|rest| !rest.is_empty()) {
        // A file system that made the file longer before its bytes came.
        if rest.iter().all(|byte| *byte == 0) {
            break;
        }
        let Some((len, rest)) = rest.split_first_chunk::<LEN>() else { break };
        let Some((len_sum, rest)) = rest.split_first_chunk::<LEN_SUM>() else { break };
        let size = u32::from_le_bytes(*len) as usize;
        if *len_sum != first(Sha256::new().chain_update(len)) || size > record_bytes_max {
            return Err(Damaged { at });
        }
        let Some((sum, rest)) = rest.split_first_chunk::<SUM>() else { break };
        let Some(record) = rest.get(..size) else { break };
        if *sum != first(Sha256::new().chain_update(len).chain_update(record)) {
            return Err(Damaged { at });
        }
        records.push(record.to_vec());
        at += HEAD + size;
    }
    Ok(Frames { records, whole_len: at })
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const MAX: usize = 40;

    proptest! {
        #[test]
        fn a_torn_end_is_cut_and_no_changed_bit_is_overlooked(
            records in prop::collection::vec(prop::collection::vec(any::<u8>(), 0..MAX), 1..8),
            cut in any::<prop::sample::Index>(), flip in any::<prop::sample::Index>(), bit in 0..8,
        ) {
            let frames: Vec<Vec<u8>> = records.iter().map(|r| frame(r)).collect();
            let bytes = frames.concat();
            let whole = read(&bytes, MAX).unwrap();
            prop_assert_eq!(&whole.records, &records);
            prop_assert_eq!(whole.whole_len, bytes.len());

            let cut = cut.index(bytes.len());
            let torn = read(&bytes[..cut], MAX).unwrap();
            prop_assert!(records.starts_with(&torn.records) && torn.whole_len <= cut);
            let mut longer = bytes.clone();
            longer.extend([0; 100]);
            prop_assert_eq!(&read(&longer, MAX).unwrap(), &whole);

            let mut damaged = bytes.clone();
            damaged[flip.index(bytes.len())] ^= 1_u8 << bit;
            let found = read(&damaged, MAX).unwrap_err();
            prop_assert!(found.at <= flip.index(bytes.len()));
        }

        #[test]
        fn garbage_never_panics(bytes in prop::collection::vec(any::<u8>(), 0..300)) {
            let _ = read(&bytes, MAX);
        }
    }
}
