//! Accounts and contracts of an EVM chain.

use crate::digest::keccak;
use serde::{Deserialize, Deserializer, Serialize, Serializer, de};
use std::{fmt, str::FromStr};

/// A 20-byte address. Its text form is EIP-55: `0x` and 40 hex digits whose
/// case is a checksum.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct Address(pub [u8; 20]);

/// Why a text is no address.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum AddressError {
    /// Another length, or a character that is no hex digit.
    #[error("{0:?} is no address: 0x and 40 hex digits are expected")]
    Form(String),
    /// The case of its letters is not that of its checksum.
    #[error(
        "the checksum of {found} is wrong: compare it with its source (its digits alone would be {expected})"
    )]
    Checksum {
        /// What was given.
        found: String,
        /// The same digits with the right case.
        expected: Address,
    },
}

impl Address {
    /// All zero: no account.
    pub const ZERO: Self = Self([0; 20]);

    /// Whether it is all zero.
    #[must_use]
    pub fn is_zero(&self) -> bool {
        *self == Self::ZERO
    }

    /// The address as a 32-byte word, zeros first, as the ABI has it.
    #[must_use]
    pub fn word(&self) -> [u8; 32] {
        let mut word = [0; 32];
        word.iter_mut().skip(12).zip(self.0).for_each(|(slot, byte)| *slot = byte);
        word
    }

    /// The address in the last 20 bytes of a word; `None` when the first 12 are
    /// not zero.
    #[must_use]
    pub fn from_word(word: &[u8; 32]) -> Option<Self> {
        let (zeros, tail) = word.split_at(12);
        if zeros.iter().any(|b| *b != 0) {
            return None;
        }
        tail.try_into().ok().map(Self)
    }

    /// Where `CREATE` of this account puts a contract, with the account's
    /// nonce at that time.
    #[must_use]
    pub fn create(&self, nonce: u64) -> Self {
        // RLP of the list (20 bytes, integer).
        let digits = nonce.to_be_bytes();
        let digits: Vec<u8> = digits.into_iter().skip_while(|b| *b == 0).collect();
        let mut body = vec![0x94];
        body.extend_from_slice(&self.0);
        match digits.as_slice() {
            [one] if *one < 0x80 => body.push(*one),
            more => {
                body.push(0x80 + more.len() as u8);
                body.extend_from_slice(more);
            }
        }
        let mut list = vec![0xc0 + body.len() as u8];
        list.extend_from_slice(&body);
        Self::from_hash(&keccak(&list).0)
    }

    /// The last 20 bytes of a hash.
    #[must_use]
    pub fn from_hash(hash: &[u8; 32]) -> Self {
        let mut address = [0; 20];
        address.iter_mut().zip(hash.iter().skip(12)).for_each(|(slot, byte)| *slot = *byte);
        Self(address)
    }
}

impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let digits = hex::encode(self.0);
        let hash = keccak(digits.as_bytes()).0;
        let mut text = String::with_capacity(42);
        text.push_str("0x");
        for (i, digit) in digits.chars().enumerate() {
            let byte = hash.get(i / 2).copied().unwrap_or_default();
            let nibble = if i % 2 == 0 { byte >> 4 } else { byte & 15 };
            text.push(if nibble >= 8 { digit.to_ascii_uppercase() } else { digit });
        }
        f.pad(&text)
    }
}

impl fmt::Debug for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl FromStr for Address {
    type Err = AddressError;

    /// Letters of one case only carry no checksum and are taken as they are.
    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let form = || AddressError::Form(text.chars().take(64).collect());
        let digits = text.strip_prefix("0x").ok_or_else(form)?;
        let mut bytes = [0; 20];
        hex::decode_to_slice(digits, &mut bytes).map_err(|_| form())?;
        let address = Self(bytes);
        let mixed =
            digits.bytes().any(|b| b.is_ascii_uppercase()) && digits.bytes().any(|b| b.is_ascii_lowercase());
        if mixed && address.to_string() != text {
            return Err(AddressError::Checksum { found: text.to_owned(), expected: address });
        }
        Ok(address)
    }
}

impl Serialize for Address {
    fn serialize<S: Serializer>(&self, s: S) -> Result<S::Ok, S::Error> {
        s.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Address {
    fn deserialize<D: Deserializer<'de>>(d: D) -> Result<Self, D::Error> {
        let text = <std::borrow::Cow<'de, str> as Deserialize>::deserialize(d)?;
        text.parse().map_err(de::Error::custom)
    }
}

/// The amount of the chain's own coin, in its smallest unit. 2^128 of them are
/// more than any chain has.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Wei(pub u128);

impl fmt::Display for Wei {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(&self.0, f)
    }
}

impl Serialize for Wei {
    fn serialize<S: Serializer>(&self, s: S) -> Result<S::Ok, S::Error> {
        s.collect_str(&self.0)
    }
}

impl<'de> Deserialize<'de> for Wei {
    fn deserialize<D: Deserializer<'de>>(d: D) -> Result<Self, D::Error> {
        let text = <std::borrow::Cow<'de, str> as Deserialize>::deserialize(d)?;
        let value: u128 = text.parse().map_err(de::Error::custom)?;
        if value.to_string() != text {
            return Err(de::Error::custom(format!("{text:?} is not canonical decimal")));
        }
        Ok(Self(value))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn the_texts_of_eip_55_are_read_and_written() {
        for text in [
            "0x52908400098527886E0F7030069857D2E4169EE7",
            "0xde709f2102306220921060314715629080e2fb77",
            "0x5aAeb6053F3E94C9b9A09f33669435E7Ef1BeAed",
            "0xfB6916095ca1df60bB79Ce92cE3Ea74c37c5d359",
            "0xdbF03B407c01E7cD3CBea99509d93f8DDDC8C6FB",
            "0xD1220A0cf47c7B9Be7A2E6BA89F429762e7b9aDb",
        ] {
            let address: Address = text.parse().unwrap();
            assert_eq!(address.to_string(), text);
        }
    }

    #[test]
    fn a_wrong_checksum_and_other_forms_are_refused() {
        let wrong = "0x5aAeb6053F3E94C9b9A09f33669435E7Ef1BeAeD".parse::<Address>();
        assert!(matches!(wrong, Err(AddressError::Checksum { .. })));
        for text in ["", "0x", "5aAeb6053F3E94C9b9A09f33669435E7Ef1BeAed", "0x5aAeb6", "0xzz"] {
            assert!(matches!(text.parse::<Address>(), Err(AddressError::Form(_))), "{text}");
        }
    }

    #[test]
    fn a_created_contract_is_where_the_chain_puts_it() {
        // The first two contracts of anvil's first account.
        let account: Address = "0xf39Fd6e51aad88F6F4ce6aB8827279cffFb92266".parse().unwrap();
        assert_eq!(account.create(0).to_string(), "0x5FbDB2315678afecb367f032d93F642f64180aa3");
        assert_eq!(account.create(1).to_string(), "0xe7f1725E7734CE288F8367e1Bb143E90bb3F0512");
    }

    proptest! {
        #[test]
        fn text_and_words_are_read_back(bytes: [u8; 20]) {
            let address = Address(bytes);
            prop_assert_eq!(address.to_string().parse::<Address>().unwrap(), address);
            prop_assert_eq!(Address::from_word(&address.word()), Some(address));
            let lower = format!("0x{}", hex::encode(bytes));
            prop_assert_eq!(lower.parse::<Address>().unwrap(), address);
        }
    }
}
