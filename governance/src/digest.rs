//! Everything that somebody signs for the chain, as EIP-712 digests.
//!
//! Pure. Each digest is `keccak256(19 01 ‖ domain ‖ struct hash)`; each struct
//! hash is Keccak-256 over the type's hash and one 32-byte word a field.

use crate::{address::Address, safe::tx::SafeTx};
use phalanx_types::{Hash, PublicKey, registry::entry_hash};
use sha3::{Digest, Keccak256};

/// The name in our domains.
pub const DOMAIN_NAME: &str = "Phalanx";
/// The version in our domains.
pub const DOMAIN_VERSION: &str = "1";

const DOMAIN_TYPE: &str =
    "EIP712Domain(string name,string version,uint256 chainId,address verifyingContract)";
const DOMAIN_TYPE_NO_CONTRACT: &str = "EIP712Domain(string name,string version,uint256 chainId)";
const REGISTRATION_TYPE: &str = "Registration(bytes32 meshId,bytes32 networkKey,bytes32 voteKey)";
const SAFE_DOMAIN_TYPE: &str = "EIP712Domain(uint256 chainId,address verifyingContract)";
const SAFE_TX_TYPE: &str = "SafeTx(address to,uint256 value,bytes data,uint8 operation,uint256 safeTxGas,\
uint256 baseGas,uint256 gasPrice,address gasToken,address refundReceiver,uint256 nonce)";
const SAFE_MESSAGE_TYPE: &str = "SafeMessage(bytes message)";

/// Keccak-256.
#[must_use]
pub fn keccak(bytes: &[u8]) -> Hash {
    Hash(Keccak256::digest(bytes).into())
}

fn words(words: &[[u8; 32]]) -> Hash {
    let mut hasher = Keccak256::new();
    for word in words {
        hasher.update(word);
    }
    Hash(hasher.finalize().into())
}

fn number(value: u128) -> [u8; 32] {
    let mut word = [0; 32];
    word.iter_mut().skip(16).zip(value.to_be_bytes()).for_each(|(slot, byte)| *slot = byte);
    word
}

/// What is signed for `struct_hash` under `domain`.
#[must_use]
pub fn typed(domain: &Hash, struct_hash: &Hash) -> Hash {
    let mut hasher = Keccak256::new();
    hasher.update([0x19, 0x01]);
    hasher.update(domain.0);
    hasher.update(struct_hash.0);
    Hash(hasher.finalize().into())
}

/// The domain of checkpoints: name, version, chain and the anchor's address.
#[must_use]
pub fn checkpoint_domain(chain_id: u64, anchor: Address) -> Hash {
    words(&[
        keccak(DOMAIN_TYPE.as_bytes()).0,
        keccak(DOMAIN_NAME.as_bytes()).0,
        keccak(DOMAIN_VERSION.as_bytes()).0,
        number(chain_id.into()),
        anchor.word(),
    ])
}

/// What a validator signs for the checkpoint with hash `checkpoint`
/// ([`phalanx_types::Checkpoint::hash`]).
#[must_use]
pub fn checkpoint(chain_id: u64, anchor: Address, checkpoint: &Hash) -> Hash {
    typed(&checkpoint_domain(chain_id, anchor), checkpoint)
}

/// What the three keys of a validator sign to say that they belong together.
/// The domain has no contract, so that the first set can sign before there is
/// one.
#[must_use]
pub fn registration(chain_id: u64, mesh: &Hash, network_key: &PublicKey, vote_key: &PublicKey) -> Hash {
    let domain = words(&[
        keccak(DOMAIN_TYPE_NO_CONTRACT.as_bytes()).0,
        keccak(DOMAIN_NAME.as_bytes()).0,
        keccak(DOMAIN_VERSION.as_bytes()).0,
        number(chain_id.into()),
    ]);
    let body = words(&[keccak(REGISTRATION_TYPE.as_bytes()).0, mesh.0, network_key.0, vote_key.0]);
    typed(&domain, &body)
}

/// A member of a registered set, as the chain keeps it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, serde::Serialize, serde::Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SetEntry {
    /// Identifies its node in the mesh.
    pub network_key: PublicKey,
    /// Signs its votes.
    pub vote_key: PublicKey,
    /// Signs its checkpoints.
    pub account: Address,
    /// Its base weight, 1 to 2^24.
    pub weight: u32,
}

/// The hash of a registered set: EIP-712 over the array, in the order given,
/// which must ascend by account.
#[must_use]
pub fn validator_set(entries: &[SetEntry]) -> Hash {
    let mut hasher = Keccak256::new();
    for SetEntry { network_key, vote_key, account, weight } in entries {
        hasher.update(entry_hash(network_key, vote_key, &account.0, (*weight).into()).0);
    }
    Hash(hasher.finalize().into())
}

/// The domain of a Safe.
#[must_use]
pub fn safe_domain(chain_id: u64, safe: Address) -> Hash {
    words(&[keccak(SAFE_DOMAIN_TYPE.as_bytes()).0, number(chain_id.into()), safe.word()])
}

/// The struct hash of a Safe transaction, which hardware wallets show as
/// "message hash". Gas and refund fields are zero in all that is built here.
#[must_use]
pub fn safe_message(tx: &SafeTx) -> Hash {
    words(&[
        keccak(SAFE_TX_TYPE.as_bytes()).0,
        tx.to.word(),
        number(tx.value.0),
        keccak(&tx.data).0,
        number(u128::from(tx.operation.code())),
        [0; 32],
        [0; 32],
        [0; 32],
        [0; 32],
        [0; 32],
        number(tx.nonce.into()),
    ])
}

/// The hash that owners sign: `safeTxHash`.
#[must_use]
pub fn safe_tx(chain_id: u64, safe: Address, tx: &SafeTx) -> Hash {
    typed(&safe_domain(chain_id, safe), &safe_message(tx))
}

/// What an owner's own Safe asks its owners to sign when it is an owner of
/// another Safe (EIP-1271 by the fallback handler): the message is the other
/// Safe's encoded transaction.
#[must_use]
pub fn safe_contract_message(chain_id: u64, safe: Address, message: &[u8]) -> Hash {
    let body = words(&[keccak(SAFE_MESSAGE_TYPE.as_bytes()).0, keccak(message).0]);
    typed(&safe_domain(chain_id, safe), &body)
}

/// `eth_sign` over a hash: the digest that wallets without EIP-712 sign.
#[must_use]
pub fn eth_sign(hash: &Hash) -> Hash {
    let mut hasher = Keccak256::new();
    hasher.update(b"\x19Ethereum Signed Message:\n32");
    hasher.update(hash.0);
    Hash(hasher.finalize().into())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn hex32(text: &str) -> Hash {
        text.parse().unwrap()
    }

    /// The same words stand in the contracts, each with its preimage.
    #[test]
    fn type_hashes_are_those_of_the_contracts() {
        let of = |text: &str| keccak(text.as_bytes());
        for (text, expected) in [
            (DOMAIN_TYPE, "8b73c3c69bb8fe3d512ecc4cf759cc79239f7b179b0ffacaa9a75d522b39400f"),
            (DOMAIN_TYPE_NO_CONTRACT, "c2f8787176b8ac6bf7215b4adcc1e069bf4ab82d9ab1df05a57a91d425935b6e"),
            (DOMAIN_NAME, "341d08fd8d8f7d5537e305354f83a209949f27f33e5b79832a7e6d3c31d11e27"),
            (DOMAIN_VERSION, "c89efdaa54c0f20c7adf612882df0950f5a951637e0307cdcb4c672f298b8bc6"),
            (REGISTRATION_TYPE, "8629bca0c2d8ae8c2287569b690f661cc0fa1d0a6daea8cc7596bd239d1f0725"),
            (
                phalanx_types::registry::TYPE,
                "cb0a8dc8165cceeee50411cac63f618e0dbb0a86fde1c33d654d176f3dfa476d",
            ),
            (
                phalanx_types::checkpoint::TYPE,
                "335c43e1221295d469bb3603559546f7ed972a044b862f565fbb0a4ef0b6fcda",
            ),
            // Of Safe 1.4.1.
            (SAFE_DOMAIN_TYPE, "47e79534a245952e8b16893a336b85a3d9ea9fa8c573f3d803afb92a79469218"),
            (SAFE_TX_TYPE, "bb8310d486368db6bd6f849402fdd73ad53d316b5a4b2644ad6efe0f941286d8"),
            (SAFE_MESSAGE_TYPE, "60b3cbf8b4a223d68d641b3b6ddf9a298e7f33710cf3d3a9d1146b5a6150fbca"),
        ] {
            assert_eq!(of(text), hex32(expected), "{text}");
        }
    }

    #[test]
    fn each_part_of_a_domain_changes_the_digest() {
        let body = keccak(b"body");
        let base = checkpoint(1, Address([1; 20]), &body);
        assert_ne!(base, checkpoint(2, Address([1; 20]), &body));
        assert_ne!(base, checkpoint(1, Address([2; 20]), &body));
        assert_ne!(base, checkpoint(1, Address([1; 20]), &keccak(b"other")));
        let key = |b| PublicKey([b; 32]);
        let registered = registration(1, &body, &key(1), &key(2));
        assert_ne!(registered, registration(1, &body, &key(2), &key(1)));
        assert_ne!(registered, registration(2, &body, &key(1), &key(2)));
    }
}
