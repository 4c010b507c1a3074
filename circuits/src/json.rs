//! How field elements, reaches and paths are written in JSON: one value, one text.

use crate::native::{Fr, bytes_of, element_of};
use phalanx_types::Hash;
use serde::{Deserialize, Deserializer, Serialize, Serializer, de};
use std::borrow::Cow;

/// A field element: `0x` and 64 lower-case hex digits, below the modulus.
pub(crate) mod element {
    use super::{Cow, Deserialize, Deserializer, Fr, Hash, Serializer, bytes_of, de, element_of};

    pub(crate) fn serialize<S: Serializer>(value: &Fr, s: S) -> Result<S::Ok, S::Error> {
        s.collect_str(&format_args!("0x{}", bytes_of(*value)))
    }

    pub(crate) fn deserialize<'de, D: Deserializer<'de>>(d: D) -> Result<Fr, D::Error> {
        let text = <Cow<'de, str>>::deserialize(d)?;
        let digits = text.strip_prefix("0x").ok_or_else(|| de::Error::custom("it does not start with 0x"))?;
        let bytes: Hash = digits.parse().map_err(de::Error::custom)?;
        element_of(&bytes).map_err(de::Error::custom)
    }
}

/// A reach: the decimal digits of `m`.
pub(crate) mod reach {
    use super::{Cow, Deserialize, Deserializer, Serializer, de};
    use phalanx_geometry::Reach;

    pub(crate) fn serialize<S: Serializer>(value: &Reach, s: S) -> Result<S::Ok, S::Error> {
        s.collect_str(&value.raw())
    }

    pub(crate) fn deserialize<'de, D: Deserializer<'de>>(d: D) -> Result<Reach, D::Error> {
        let text = <Cow<'de, str>>::deserialize(d)?;
        let m: u128 = text.parse().map_err(de::Error::custom)?;
        if m.to_string() != text {
            return Err(de::Error::custom("a number with a sign or a leading zero"));
        }
        Reach::from_raw(m).map_err(de::Error::custom)
    }
}

/// A path: its levels from the leaf to the root, four elements each.
pub(crate) mod path {
    use super::{Deserialize, Deserializer, Element, Serialize, Serializer};
    use crate::native::{ARITY, DEPTH, Path};

    pub(crate) fn serialize<S: Serializer>(value: &Path, s: S) -> Result<S::Ok, S::Error> {
        value.0.map(|children| children.map(Element)).serialize(s)
    }

    pub(crate) fn deserialize<'de, D: Deserializer<'de>>(d: D) -> Result<Path, D::Error> {
        let levels = <[[Element; ARITY]; DEPTH]>::deserialize(d)?;
        Ok(Path(levels.map(|children| children.map(|Element(child)| child))))
    }
}

/// [`element`] as a type, for lists.
#[derive(Serialize, Deserialize)]
#[serde(transparent)]
struct Element(#[serde(with = "element")] Fr);
