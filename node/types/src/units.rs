//! Heights, times, weights, amounts: integers that cannot be mixed up.

use borsh::{BorshDeserialize, BorshSerialize};
use serde::{Deserialize, Deserializer, Serialize, Serializer, de};

/// Serde helper: a `u64` as a decimal string, as receipts and checkpoints
/// carry it (JSON numbers lose integers above 2^53).
pub mod decimal {
    use super::{Deserializer, Serializer, de};

    /// Writes the decimal digits.
    ///
    /// # Errors
    /// The serializer's.
    pub fn serialize<S: Serializer>(value: &u64, s: S) -> Result<S::Ok, S::Error> {
        s.collect_str(value)
    }

    /// Reads decimal digits: no sign, no leading zero.
    ///
    /// # Errors
    /// When the text is not the decimal form of a `u64`.
    pub fn deserialize<'de, D: Deserializer<'de>>(d: D) -> Result<u64, D::Error> {
        let text = <std::borrow::Cow<'de, str> as serde::Deserialize>::deserialize(d)?;
        let value: u64 = text.parse().map_err(de::Error::custom)?;
        if value.to_string() != text {
            return Err(de::Error::custom(format!("{text:?} is not canonical decimal")));
        }
        Ok(value)
    }
}

macro_rules! unit {
    ($(#[$doc:meta])* $name:ident) => {
        $(#[$doc])*
        #[derive(
            Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash,
            BorshSerialize, BorshDeserialize,
        )]
        pub struct $name(pub u64);

        impl $name {
            /// Zero.
            pub const ZERO: Self = Self(0);
            /// The largest value.
            pub const MAX: Self = Self(u64::MAX);

            /// The sum, or the largest value when it does not fit.
            #[must_use]
            pub const fn saturating_add(self, other: u64) -> Self {
                Self(self.0.saturating_add(other))
            }

            /// The difference, or zero when it would be negative.
            #[must_use]
            pub const fn saturating_sub(self, other: u64) -> Self {
                Self(self.0.saturating_sub(other))
            }

            /// The sum, when it fits.
            #[must_use]
            pub const fn checked_add(self, other: u64) -> Option<Self> {
                match self.0.checked_add(other) {
                    Some(sum) => Some(Self(sum)),
                    None => None,
                }
            }

            /// The distance from `earlier` to `self`, zero when it is later.
            #[must_use]
            pub const fn since(self, earlier: Self) -> u64 {
                self.0.saturating_sub(earlier.0)
            }
        }

        impl std::fmt::Display for $name {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                std::fmt::Display::fmt(&self.0, f)
            }
        }

        impl std::str::FromStr for $name {
            type Err = std::num::ParseIntError;
            fn from_str(text: &str) -> Result<Self, Self::Err> {
                text.parse().map(Self)
            }
        }

        impl Serialize for $name {
            fn serialize<S: Serializer>(&self, s: S) -> Result<S::Ok, S::Error> {
                decimal::serialize(&self.0, s)
            }
        }

        impl<'de> Deserialize<'de> for $name {
            fn deserialize<D: Deserializer<'de>>(d: D) -> Result<Self, D::Error> {
                decimal::deserialize(d).map(Self)
            }
        }
    };
}

unit! {
    /// Number of a beat. The genesis state has height 0; the first beat is 1.
    Height
}
unit! {
    /// A point in time: milliseconds since the Unix epoch, from a beat's header.
    TimeMs
}
unit! {
    /// An amount of money in millionths of the mesh's unit of account.
    MicroUnits
}
unit! {
    /// Voting weight of a validator. The total of a set is below 2^32.
    Weight
}
unit! {
    /// Position of a receipt in the ledger, from 0 (the genesis receipt).
    ReceiptIndex
}
unit! {
    /// Number of a checkpoint, from 1.
    CheckpointNumber
}

impl Height {
    /// The height of the first beat.
    pub const FIRST: Self = Self(1);

    /// The next height. At 2^64 - 1 it stays there; at one beat a millisecond
    /// that is 584 million years away.
    #[must_use]
    pub const fn next(self) -> Self {
        self.saturating_add(1)
    }
}

/// A consensus round within a height, from 0.
#[derive(
    Clone,
    Copy,
    Debug,
    Default,
    PartialEq,
    Eq,
    PartialOrd,
    Ord,
    Hash,
    BorshSerialize,
    BorshDeserialize,
    Serialize,
    Deserialize,
)]
pub struct Round(pub u32);
