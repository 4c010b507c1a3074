//! What a Safe takes as the consent of an owner, and how it is laid out.

use crate::{
    address::Address,
    digest,
    keys::{EcdsaSignature, SignatureError},
};
use phalanx_types::Hash;
use serde::{Deserialize, Deserializer, Serialize, Serializer, de};

/// Longest signature of a contract.
pub const CONTRACT_SIGNATURE_LEN_MAX: usize = 16_384;

/// An owner's consent to a transaction.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case", deny_unknown_fields)]
pub enum OwnerSignature {
    /// Over the `safeTxHash`.
    Ecdsa {
        /// Who.
        owner: Address,
        /// 65 bytes, the last one 27 or 28.
        #[serde(with = "bytes_65")]
        signature: EcdsaSignature,
    },
    /// Over the `safeTxHash` behind Ethereum's message prefix, as wallets do
    /// that do not know EIP-712.
    EthSign {
        /// Who.
        owner: Address,
        /// 65 bytes, the last one 27 or 28.
        #[serde(with = "bytes_65")]
        signature: EcdsaSignature,
    },
    /// The owner has called `approveHash`, or will be the one who executes.
    ApprovedHash {
        /// Who.
        owner: Address,
    },
    /// The owner is a contract that checks the signature itself (EIP-1271).
    Contract {
        /// Who.
        owner: Address,
        /// What it is given.
        #[serde(with = "hex::serde")]
        signature: Vec<u8>,
    },
}

impl OwnerSignature {
    /// A signature as a wallet gives it: 65 bytes, whose last says how it was made: 0, 1,
    /// 27 or 28 over the hash itself, 31 or 32 over it behind Ethereum's message prefix.
    /// Who has signed is recovered from it.
    ///
    /// # Errors
    /// When it is none.
    pub fn of_wallet(bytes: &[u8], safe_tx_hash: &Hash) -> Result<Self, SignatureError> {
        let mut plain = bytes.to_vec();
        let is_message = matches!(plain.last(), Some(31 | 32));
        if let Some(last) = plain.last_mut().filter(|_| is_message) {
            *last -= 4;
        }
        let signature = EcdsaSignature::from_bytes(&plain)?;
        if is_message {
            let owner = signature.recover(&digest::eth_sign(safe_tx_hash))?;
            Ok(Self::EthSign { owner, signature })
        } else {
            Ok(Self::Ecdsa { owner: signature.recover(safe_tx_hash)?, signature })
        }
    }

    /// Who.
    #[must_use]
    pub const fn owner(&self) -> Address {
        match self {
            Self::Ecdsa { owner, .. }
            | Self::EthSign { owner, .. }
            | Self::ApprovedHash { owner }
            | Self::Contract { owner, .. } => *owner,
        }
    }

    /// Whether it can be checked without the chain, and what came out.
    ///
    /// # Errors
    /// When it is by somebody else than it says.
    pub fn check_offline(&self, safe_tx_hash: &Hash) -> Result<Offline, OwnerSignatureError> {
        let (owner, found) = match self {
            Self::Ecdsa { owner, signature } => (*owner, signature.recover(safe_tx_hash)),
            Self::EthSign { owner, signature } => {
                (*owner, signature.recover(&digest::eth_sign(safe_tx_hash)))
            }
            Self::ApprovedHash { .. } | Self::Contract { .. } => return Ok(Offline::NeedsChain),
        };
        match found {
            Ok(found) if found == owner => Ok(Offline::Valid),
            Ok(found) => Err(OwnerSignatureError::Other { owner, found }),
            Err(source) => Err(OwnerSignatureError::Malformed { owner, source }),
        }
    }

    /// Whether only the chain knows if it is so.
    #[must_use]
    pub const fn is_claim(&self) -> bool {
        matches!(self, Self::ApprovedHash { .. } | Self::Contract { .. })
    }

    /// Their order in a file.
    pub(super) fn place(&self) -> (Address, u8, &[u8]) {
        let bytes = if let Self::Contract { signature, .. } = self { signature.as_slice() } else { &[] };
        (self.owner(), self.rank(), bytes)
    }

    /// How much of it must be trusted to the chain: the fewer the better when
    /// there are more than needed.
    pub(super) const fn rank(&self) -> u8 {
        match self {
            Self::Ecdsa { .. } => 0,
            Self::EthSign { .. } => 1,
            Self::ApprovedHash { .. } => 2,
            Self::Contract { .. } => 3,
        }
    }
}

/// What can be said of a signature without the chain.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Offline {
    /// It is the owner's.
    Valid,
    /// Only the chain knows.
    NeedsChain,
}

/// Why a signature is not what it says.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum OwnerSignatureError {
    /// It is by somebody else, or of something else.
    #[error(
        "the signature in the name of {owner} is by {found}: it is of another transaction, or by another key"
    )]
    Other {
        /// Whose it says it is.
        owner: Address,
        /// Who it is by.
        found: Address,
    },
    /// It is none.
    #[error("the signature in the name of {owner} is none: {source}")]
    Malformed {
        /// Whose it says it is.
        owner: Address,
        /// Why.
        #[source]
        source: SignatureError,
    },
    /// Too few.
    #[error("{found} signatures of owners; {threshold} are needed: pass the file on")]
    TooFew {
        /// How many there are.
        found: usize,
        /// How many there must be.
        threshold: usize,
    },
}

/// The bytes that `execTransaction` takes: `threshold` signatures, ascending by
/// owner, each 65 bytes; what contracts are given follows behind them.
///
/// # Errors
/// When there are fewer than `threshold` owners.
pub fn encode(signatures: &[OwnerSignature], threshold: usize) -> Result<Vec<u8>, OwnerSignatureError> {
    let mut chosen: Vec<&OwnerSignature> = signatures.iter().collect();
    chosen.sort_by_key(|s| (s.owner(), s.rank()));
    chosen.dedup_by_key(|s| s.owner());
    if chosen.len() < threshold {
        return Err(OwnerSignatureError::TooFew { found: chosen.len(), threshold });
    }
    chosen.sort_by_key(|s| (s.rank(), s.owner()));
    chosen.truncate(threshold);
    chosen.sort_by_key(|s| s.owner());

    let mut fixed = Vec::with_capacity(65 * chosen.len());
    let mut tail = Vec::new();
    for signature in &chosen {
        match signature {
            OwnerSignature::Ecdsa { signature, .. } => fixed.extend_from_slice(&signature.to_65()),
            OwnerSignature::EthSign { signature, .. } => {
                let mut bytes = signature.to_65();
                if let Some(v) = bytes.last_mut() {
                    *v += 4;
                }
                fixed.extend_from_slice(&bytes);
            }
            OwnerSignature::ApprovedHash { owner } => {
                fixed.extend_from_slice(&owner.word());
                fixed.extend_from_slice(&[0; 32]);
                fixed.push(1);
            }
            OwnerSignature::Contract { owner, signature } => {
                let offset = (65 * chosen.len() + tail.len()) as u64;
                fixed.extend_from_slice(&owner.word());
                fixed.extend_from_slice(&[0; 24]);
                fixed.extend_from_slice(&offset.to_be_bytes());
                fixed.push(0);
                tail.extend_from_slice(&[0; 24]);
                tail.extend_from_slice(&(signature.len() as u64).to_be_bytes());
                tail.extend_from_slice(signature);
            }
        }
    }
    fixed.extend_from_slice(&tail);
    Ok(fixed)
}

mod bytes_65 {
    use super::{Deserialize, Deserializer, EcdsaSignature, Serializer, de};

    pub fn serialize<S: Serializer>(signature: &EcdsaSignature, s: S) -> Result<S::Ok, S::Error> {
        s.serialize_str(&hex::encode(signature.to_65()))
    }

    pub fn deserialize<'de, D: Deserializer<'de>>(d: D) -> Result<EcdsaSignature, D::Error> {
        let text = <std::borrow::Cow<'de, str> as Deserialize>::deserialize(d)?;
        let bytes = hex::decode(text.as_ref()).map_err(de::Error::custom)?;
        if bytes.len() != 65 {
            return Err(de::Error::custom(format!("a signature of {} bytes; 65 are expected", bytes.len())));
        }
        EcdsaSignature::from_bytes_strict(&bytes).map_err(de::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn signatures_are_laid_out_ascending_and_no_more_than_needed() {
        let owners = [Address([3; 20]), Address([1; 20]), Address([2; 20])];
        let signatures = [
            OwnerSignature::Contract { owner: owners[0], signature: vec![7; 5] },
            OwnerSignature::ApprovedHash { owner: owners[1] },
            OwnerSignature::Contract { owner: owners[2], signature: vec![8; 3] },
        ];
        let bytes = encode(&signatures, 3).unwrap();
        assert_eq!(bytes.len(), 3 * 65 + 32 + 3 + 32 + 5);
        assert_eq!(bytes[..32], owners[1].word());
        assert_eq!(bytes[64], 1);
        assert_eq!(bytes[65..97], owners[2].word());
        assert_eq!(bytes[128], 195);
        assert_eq!(bytes[129], 0);
        assert_eq!(bytes[130..162], owners[0].word());
        assert_eq!(bytes[193], 195 + 35);
        assert_eq!(bytes[195 + 32..195 + 35], [8; 3]);
        assert_eq!(bytes[195 + 35 + 32..], [7; 5]);

        // With two needed, one of the contracts is left out.
        assert_eq!(encode(&signatures, 2).unwrap().len(), 2 * 65 + 32 + 3);
        assert_eq!(encode(&signatures, 4), Err(OwnerSignatureError::TooFew { found: 3, threshold: 4 }));
        let twice = [signatures[1].clone(), signatures[1].clone()];
        assert_eq!(encode(&twice, 2), Err(OwnerSignatureError::TooFew { found: 1, threshold: 2 }));
    }
}
