//! Short ASCII names: regions, shards, workers, tenants, skills, commands.

use crate::codec::DecodeError;
use borsh::{BorshDeserialize, BorshSerialize};
use serde::{Deserialize, Deserializer, Serialize, Serializer, de};
use std::{fmt, str::FromStr, sync::Arc};

/// A name of 1 to 64 characters from `a-z 0-9 . _ -`, starting with a letter
/// or digit. Cheap to clone.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Name(Arc<str>);

/// Longest name in bytes.
pub const NAME_LEN_MAX: usize = 64;

impl Name {
    /// Checks and makes a name.
    ///
    /// # Errors
    /// When `text` is empty, too long, or has another character.
    pub fn new(text: &str) -> Result<Self, DecodeError> {
        let malformed = |reason: String| DecodeError::Malformed { what: "name", reason };
        if text.len() > NAME_LEN_MAX {
            return Err(DecodeError::TooLong { what: "name", max: NAME_LEN_MAX, found: text.len() });
        }
        let allowed = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || matches!(b, b'.' | b'_' | b'-');
        match text.bytes().next() {
            None => return Err(malformed("it is empty".into())),
            Some(b) if !b.is_ascii_lowercase() && !b.is_ascii_digit() => {
                return Err(malformed(format!("{text:?} must start with a-z or 0-9")));
            }
            Some(_) => {}
        }
        if !text.bytes().all(allowed) {
            return Err(malformed(format!("{text:?} may hold only a-z 0-9 . _ -")));
        }
        Ok(Self(text.into()))
    }

    /// The text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for Name {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&self.0)
    }
}

impl fmt::Debug for Name {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(&*self.0, f)
    }
}

impl FromStr for Name {
    type Err = DecodeError;
    fn from_str(text: &str) -> Result<Self, Self::Err> {
        Self::new(text)
    }
}

impl AsRef<str> for Name {
    fn as_ref(&self) -> &str {
        &self.0
    }
}

impl std::borrow::Borrow<str> for Name {
    fn borrow(&self) -> &str {
        &self.0
    }
}

impl BorshSerialize for Name {
    fn serialize<W: borsh::io::Write>(&self, writer: &mut W) -> borsh::io::Result<()> {
        BorshSerialize::serialize(self.as_str(), writer)
    }
}

impl BorshDeserialize for Name {
    fn deserialize_reader<R: borsh::io::Read>(reader: &mut R) -> borsh::io::Result<Self> {
        let invalid = |e: String| borsh::io::Error::new(borsh::io::ErrorKind::InvalidData, e);
        let len = u32::deserialize_reader(reader)? as usize;
        if len > NAME_LEN_MAX {
            return Err(invalid(format!("a name of {len} bytes")));
        }
        let mut bytes = [0_u8; NAME_LEN_MAX];
        let slot = bytes.get_mut(..len).ok_or_else(|| invalid("a name too long".into()))?;
        reader.read_exact(slot)?;
        let text = std::str::from_utf8(slot).map_err(|e| invalid(e.to_string()))?;
        Self::new(text).map_err(|e| invalid(e.to_string()))
    }
}

impl Serialize for Name {
    fn serialize<S: Serializer>(&self, s: S) -> Result<S::Ok, S::Error> {
        s.serialize_str(&self.0)
    }
}

impl<'de> Deserialize<'de> for Name {
    fn deserialize<D: Deserializer<'de>>(d: D) -> Result<Self, D::Error> {
        let text = <std::borrow::Cow<'de, str> as serde::Deserialize>::deserialize(d)?;
        Self::new(&text).map_err(de::Error::custom)
    }
}
