//! What goes on the chain: proofs and inputs as calldata, keys as contract code.
//!
//! Coordinates are 32 bytes big-endian; in G2 `c1` comes first, as the precompile of
//! EIP-197 takes it.

use super::FormatError;
use crate::{
    groth16::{
        Proof, RawKey,
        points::{Order, write_g1, write_g2},
    },
    native::{Fr, bytes_of, element_of},
};
use phalanx_types::Hash;

const WHAT: &str = "calldata";

/// A proof and its public inputs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Calldata {
    /// The public inputs.
    pub inputs: Vec<Fr>,
    /// The proof.
    pub proof: Proof,
}

impl Calldata {
    /// `0x`, the 256 bytes of the proof, and 32 bytes for each input, as hex.
    #[must_use]
    pub fn to_hex(&self) -> String {
        let mut bytes = self.proof.to_bytes();
        for input in &self.inputs {
            bytes.extend(bytes_of(*input).0);
        }
        format!("0x{}", hex::encode(bytes))
    }

    /// Reads what [`Self::to_hex`] gives, for a circuit with that many public inputs.
    ///
    /// # Errors
    /// When it has another length, is no lower-case hex, or a point or an input is none.
    pub fn from_hex(text: &str, inputs: usize) -> Result<Self, FormatError> {
        let malformed = |reason: &str| FormatError::Malformed { what: WHAT, reason: reason.to_owned() };
        let (expected, found) = (2 + 2 * (Proof::LEN + 32 * inputs), text.len());
        if found != expected {
            return Err(FormatError::Count { what: "characters of calldata", expected, found });
        }
        let digits = text.strip_prefix("0x").ok_or(malformed("it does not start with 0x"))?;
        if digits.bytes().any(|b| b.is_ascii_uppercase()) {
            return Err(malformed("hex digits must be lower-case"));
        }
        let bytes = hex::decode(digits).map_err(|e| malformed(&e.to_string()))?;
        let (proof, rest) = bytes.split_at_checked(Proof::LEN).ok_or(malformed("it is cut off"))?;
        let proof = proof.try_into().map_err(|_| malformed("it is cut off"))?;
        let proof = Proof::from_bytes(proof).map_err(|source| FormatError::Point { what: WHAT, source })?;
        let word = |chunk: &[u8]| -> Result<Fr, FormatError> {
            let word = chunk.try_into().map(Hash).map_err(|_| malformed("it is cut off"))?;
            element_of(&word)
                .map_err(|_| FormatError::Number { what: WHAT, reason: "an input is not below the modulus" })
        };
        Ok(Self { inputs: rest.chunks(32).map(word).collect::<Result<_, _>>()?, proof })
    }
}

/// A key as the verifier contract's data: α, β, γ, δ, then a point for one and each input.
#[must_use]
pub fn chain_key(key: &RawKey) -> Vec<u8> {
    let mut bytes = Vec::new();
    write_g1(&mut bytes, &key.alpha);
    for point in [&key.beta, &key.gamma, &key.delta] {
        write_g2(&mut bytes, point, Order::ImaginaryFirst);
    }
    for point in &key.inputs {
        write_g1(&mut bytes, point);
    }
    bytes
}
