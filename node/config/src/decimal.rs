//! Decimals with six places, read from text and kept as millionths.

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Deserializer, Serialize, Serializer, de};
use std::{borrow::Cow, fmt};

/// Millionths of one.
pub(crate) const ONE: u32 = 1_000_000;
/// Decimal places of a setting.
pub(crate) const PLACES: i64 = 6;
/// Most significant digits that are looked at: more do not fit any setting.
const DIGITS_MAX: i64 = 30;

/// A number from `MIN` to `MAX` millionths. In a file it is a plain decimal with at
/// most six places; what is kept is exact.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Decimal<const MIN: u32, const MAX: u32>(u32);

/// A share of one: 0 to 1.
pub type Share = Decimal<0, ONE>;
/// A share of one that is not nothing: 0.000001 to 1.
pub type Fraction = Decimal<1, ONE>;
/// A curvature: all that [`phalanx_geometry::Curvature`] can be.
pub type Kappa = Decimal<1, { u32::MAX }>;

/// Why a number is no decimal of six places.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum DecimalError {
    /// It is infinite or not a number.
    #[error("{found} is no number")]
    NotANumber {
        /// What it is.
        found: String,
    },
    /// It has more decimals than are kept.
    #[error("{found} has more than 6 decimals")]
    TooFine {
        /// What it is.
        found: String,
    },
    /// It lies outside of the range.
    #[error("{found} is not from {least} to {most}")]
    Range {
        /// What it is.
        found: String,
        /// The least that is allowed.
        least: String,
        /// The most that is allowed.
        most: String,
    },
}

impl<const MIN: u32, const MAX: u32> Decimal<MIN, MAX> {
    /// From millionths.
    ///
    /// # Errors
    /// When they are out of range.
    pub fn from_ppm(ppm: u32) -> Result<Self, DecimalError> {
        if (MIN..=MAX).contains(&ppm) {
            Ok(Self(ppm))
        } else {
            Err(Self::out_of_range(plain(i128::from(ppm))))
        }
    }

    /// From millionths, of which those out of range become the nearest in it.
    pub(crate) const fn clamped(ppm: u32) -> Self {
        Self(if ppm < MIN {
            MIN
        } else if ppm > MAX {
            MAX
        } else {
            ppm
        })
    }

    /// In millionths.
    #[must_use]
    pub const fn ppm(self) -> u32 {
        self.0
    }

    fn out_of_range(found: String) -> DecimalError {
        DecimalError::Range { found, least: plain(i128::from(MIN)), most: plain(i128::from(MAX)) }
    }

    fn read(literal: &str) -> Result<Self, DecimalError> {
        match millionths(literal) {
            Ok(ppm) => u32::try_from(ppm)
                .map_err(|_| Self::out_of_range(literal.to_owned()))
                .and_then(Self::from_ppm),
            Err(Inexact::TooFine) => Err(DecimalError::TooFine { found: literal.to_owned() }),
            Err(Inexact::TooLarge) => Err(Self::out_of_range(literal.to_owned())),
            Err(Inexact::NotANumber) => Err(DecimalError::NotANumber { found: literal.to_owned() }),
        }
    }
}

impl<const MIN: u32, const MAX: u32> fmt::Display for Decimal<MIN, MAX> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&plain(i128::from(self.0)))
    }
}

impl<const MIN: u32, const MAX: u32> Serialize for Decimal<MIN, MAX> {
    // The quotient is the float nearest to the decimal, and is printed as the decimal.
    fn serialize<S: Serializer>(&self, s: S) -> Result<S::Ok, S::Error> {
        s.serialize_f64(f64::from(self.0) / f64::from(ONE))
    }
}

impl<'de, const MIN: u32, const MAX: u32> Deserialize<'de> for Decimal<MIN, MAX> {
    fn deserialize<D: Deserializer<'de>>(d: D) -> Result<Self, D::Error> {
        struct Visitor<const MIN: u32, const MAX: u32>;
        impl<const MIN: u32, const MAX: u32> Visitor<MIN, MAX> {
            fn of<E: de::Error>(number: impl fmt::Display) -> Result<Decimal<MIN, MAX>, E> {
                // The shortest text that means the float: up to 15 digits it is the one
                // that was written.
                Decimal::read(&number.to_string()).map_err(E::custom)
            }
        }
        impl<const MIN: u32, const MAX: u32> de::Visitor<'_> for Visitor<MIN, MAX> {
            type Value = Decimal<MIN, MAX>;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, "a number from {} to {}", plain(MIN.into()), plain(MAX.into()))
            }
            fn visit_i64<E: de::Error>(self, number: i64) -> Result<Self::Value, E> {
                Self::of(number)
            }
            fn visit_u64<E: de::Error>(self, number: u64) -> Result<Self::Value, E> {
                Self::of(number)
            }
            fn visit_f64<E: de::Error>(self, number: f64) -> Result<Self::Value, E> {
                Self::of(number)
            }
        }
        d.deserialize_any(Visitor)
    }
}

impl<const MIN: u32, const MAX: u32> JsonSchema for Decimal<MIN, MAX> {
    fn inline_schema() -> bool {
        true
    }
    fn schema_name() -> Cow<'static, str> {
        format!("Decimal_from_{MIN}_to_{MAX}").into()
    }
    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        let bound = |ppm: u32| f64::from(ppm) / f64::from(ONE);
        json_schema!({
            "type": "number", "minimum": bound(MIN), "maximum": bound(MAX), "x-decimals": PLACES,
        })
    }
}

/// Why a literal is no whole number of millionths.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Inexact {
    NotANumber,
    TooFine,
    TooLarge,
}

/// The millionths that a decimal literal means, exactly. No float is made.
pub(crate) fn millionths(literal: &str) -> Result<i128, Inexact> {
    let (is_negative, unsigned) = match literal.strip_prefix('-') {
        Some(rest) => (true, rest),
        None => (false, literal.strip_prefix('+').unwrap_or(literal)),
    };
    let (mantissa, exponent) = unsigned.split_once(['e', 'E']).unwrap_or((unsigned, "0"));
    let (whole, part) = mantissa.split_once('.').unwrap_or((mantissa, ""));
    let is_digits = |text: &str| text.bytes().all(|b| b.is_ascii_digit());
    if !is_digits(whole) || !is_digits(part) || whole.len() + part.len() == 0 {
        return Err(Inexact::NotANumber);
    }
    let digits = format!("{whole}{part}");
    let significant = digits.trim_end_matches('0');
    let zeros = digits.len() - significant.len();
    let significant = significant.trim_start_matches('0');
    if significant.is_empty() {
        return Ok(0);
    }
    // An exponent that fits no i32 moves every digit out of reach.
    let is_small = exponent.starts_with('-');
    let away = if is_small { Inexact::TooFine } else { Inexact::TooLarge };
    let exponent: i32 = exponent.parse().map_err(|_| away)?;
    let len = |n: usize| i64::try_from(n).map_err(|_| Inexact::TooLarge);
    let shift = PLACES + i64::from(exponent) - len(part.len())? + len(zeros)?;
    if shift < 0 {
        return Err(Inexact::TooFine);
    }
    if len(significant.len())? + shift > DIGITS_MAX {
        return Err(Inexact::TooLarge);
    }
    let zeros = usize::try_from(shift).map_err(|_| Inexact::TooLarge)?;
    let scaled: i128 =
        format!("{significant}{}", "0".repeat(zeros)).parse().map_err(|_| Inexact::TooLarge)?;
    Ok(if is_negative { -scaled } else { scaled })
}

/// Millionths as a plain decimal without needless zeros.
pub(crate) fn plain(ppm: i128) -> String {
    let (sign, size, one) = (if ppm < 0 { "-" } else { "" }, ppm.unsigned_abs(), u128::from(ONE));
    let part = format!("{:06}", size % one);
    let part = part.trim_end_matches('0');
    let point = if part.is_empty() { "" } else { "." };
    format!("{sign}{}{point}{part}", size / one)
}
