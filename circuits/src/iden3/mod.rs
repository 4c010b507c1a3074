//! The binary files of iden3's tools: `.r1cs` and `.wtns` out, `.zkey` in.
//!
//! With them a ceremony is run by snarkjs over the circuits of this crate, and proofs
//! are made here with its result. Files are a magic, a version, and sections of a type
//! and a length; integers are little-endian.

mod r1cs;
mod wtns;
mod zkey;

pub use r1cs::r1cs_file;
pub use wtns::wtns_file;
pub use zkey::{ZkeyError, read_zkey};

use ark_bn254::Fr;
use ark_ff::{BigInteger, PrimeField};

/// Bytes of a field element.
const FIELD_LEN: u32 = 32;

fn modulus() -> Vec<u8> {
    Fr::MODULUS.to_bytes_le()
}

fn element(value: &Fr) -> Vec<u8> {
    value.into_bigint().to_bytes_le()
}

/// Appends the start of a file.
fn begin(file: &mut Vec<u8>, magic: &[u8; 4], version: u32, sections: u32) {
    file.extend_from_slice(magic);
    file.extend_from_slice(&version.to_le_bytes());
    file.extend_from_slice(&sections.to_le_bytes());
}

/// Appends a section.
fn section(file: &mut Vec<u8>, kind: u32, content: &[u8]) {
    file.extend_from_slice(&kind.to_le_bytes());
    file.extend_from_slice(&(content.len() as u64).to_le_bytes());
    file.extend_from_slice(content);
}
