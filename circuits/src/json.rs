//! How values are written in our JSON files: one value, one text.

use crate::native::{Fr, bytes_of, element_of};
use phalanx_types::Hash;
use serde::{Deserialize, Deserializer, Serialize, Serializer, de, de::DeserializeOwned};
use std::borrow::Cow;

/// Why bytes are no such file.
pub(crate) enum Unread {
    /// They are more than a file has.
    TooLong { found: usize },
    /// The file is of another format.
    Format { found: u16 },
    /// It has another form.
    Malformed(serde_json::Error),
}

/// What a file of every format has, to tell a newer one from a damaged one.
#[derive(Deserialize)]
struct Head {
    format: u16,
}

/// Reads a document of at most `max` bytes whose field `format` is that number.
pub(crate) fn read<T: DeserializeOwned>(bytes: &[u8], max: usize, format: u16) -> Result<T, Unread> {
    if bytes.len() > max {
        return Err(Unread::TooLong { found: bytes.len() });
    }
    let head: Head = serde_json::from_slice(bytes).map_err(Unread::Malformed)?;
    if head.format != format {
        return Err(Unread::Format { found: head.format });
    }
    serde_json::from_slice(bytes).map_err(Unread::Malformed)
}

/// Bytes: `0x` and lower-case hex digits.
pub(crate) mod bytes {
    use super::{Cow, Deserialize, Deserializer, Serializer, de};
    use phalanx_types::codec::decode_hex;

    pub(crate) fn serialize<S: Serializer, const N: usize>(value: &[u8; N], s: S) -> Result<S::Ok, S::Error> {
        s.collect_str(&format_args!("0x{}", hex::encode(value)))
    }

    pub(crate) fn deserialize<'de, D: Deserializer<'de>, const N: usize>(d: D) -> Result<[u8; N], D::Error> {
        let text = <Cow<'de, str>>::deserialize(d)?;
        let digits = text.strip_prefix("0x").ok_or_else(|| de::Error::custom("it does not start with 0x"))?;
        decode_hex(digits, "a value").map_err(de::Error::custom)
    }
}

/// A field element: its 32 bytes, below the modulus.
pub(crate) mod element {
    use super::{Deserializer, Fr, Hash, Serializer, bytes, bytes_of, de, element_of};

    pub(crate) fn serialize<S: Serializer>(value: &Fr, s: S) -> Result<S::Ok, S::Error> {
        bytes::serialize(&bytes_of(*value).0, s)
    }

    pub(crate) fn deserialize<'de, D: Deserializer<'de>>(d: D) -> Result<Fr, D::Error> {
        element_of(&Hash(bytes::deserialize(d)?)).map_err(de::Error::custom)
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
