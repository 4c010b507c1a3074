//! What goes on the chain: proofs and inputs as calldata, keys as contract code.
//! What the contracts take is in `contracts/src/interfaces`.
//!
//! Coordinates are 32 bytes big-endian; in G2 `c1` comes first, as the precompile of
//! EIP-197 takes it.

use super::FormatError;
use crate::{
    catalog::{AnyStatement, Root},
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

    /// The proof as `uint256[8]`: A, B with `c1` first, C.
    #[must_use]
    pub fn proof_words(&self) -> Vec<Hash> {
        let bytes = self.proof.to_bytes();
        bytes.chunks(32).filter_map(|word| word.try_into().ok().map(Hash)).collect()
    }

    /// The inputs as `uint256[]`.
    #[must_use]
    pub fn input_words(&self) -> Vec<Hash> {
        self.inputs.iter().copied().map(bytes_of).collect()
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

/// Which of a circuit's inputs the chain looks at: `Places` of `IProofVerifier`. Counted
/// from 0; [`Places::NONE`] where there is no such input.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Places {
    /// Whose root: 0 agents, 1 audit.
    pub root: u8,
    /// Where the root is.
    pub root_at: u8,
    /// Where the nullifier is.
    pub nullifier_at: u8,
    /// Where the context is.
    pub context_at: u8,
}

impl Places {
    /// There is no such input.
    pub const NONE: u8 = 255;

    /// Those of a circuit.
    #[must_use]
    pub fn of(circuit: AnyStatement) -> Self {
        let place = |input| circuit.place(input).and_then(|at| u8::try_from(at).ok()).unwrap_or(Self::NONE);
        Self {
            root: u8::from(circuit.root() == Root::Audit),
            root_at: 0,
            nullifier_at: place("nullifier"),
            context_at: place("context"),
        }
    }
}
