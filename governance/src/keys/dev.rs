//! The keys of the development chain, which everybody knows.

use super::{KeyError, LocalKey};
use crate::address::Address;
use ethers::signers::{MnemonicBuilder, coins_bip39::English};
use zeroize::Zeroizing;

/// The one chain on which development keys are taken: anvil's.
pub const CHAIN_ID: u64 = 31_337;

/// The words that anvil and its like start with.
const PHRASE: &str = "test test test test test test test test test test test junk";

/// Keys that prove nothing to others. It exists for [`CHAIN_ID`] only.
#[derive(Clone, Copy, Debug)]
pub struct DevKeys(());

/// How many development accounts are known by their address.
pub const KNOWN: u32 = 20;

impl DevKeys {
    /// Development keys for a chain.
    ///
    /// # Errors
    /// When the chain is not [`CHAIN_ID`].
    pub const fn new(chain_id: u64) -> Result<Self, KeyError> {
        if chain_id == CHAIN_ID { Ok(Self(())) } else { Err(KeyError::DevChain { found: chain_id }) }
    }

    /// Whether an account is one of the first [`KNOWN`]: then everybody has its key,
    /// wherever it was put.
    #[must_use]
    pub fn is_known(account: Address) -> bool {
        (0..KNOWN).any(|index| Self(()).key(index).is_ok_and(|key| key.address() == account))
    }

    /// The key of the account at `index`, at the path that anvil uses.
    ///
    /// # Errors
    /// When there is no such key.
    pub fn key(self, index: u32) -> Result<LocalKey, KeyError> {
        let place = format!("the development phrase at index {index}");
        let missing = |_| KeyError::NotAKey { place: place.clone() };
        let wallet = MnemonicBuilder::<English>::default()
            .phrase(PHRASE)
            .index(index)
            .and_then(|builder| builder.build())
            .map_err(missing)?;
        let secret = Zeroizing::new(<[u8; 32]>::from(wallet.signer().to_bytes()));
        LocalKey::from_bytes(&secret, &place)
    }
}
