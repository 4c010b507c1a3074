//! Key files: a signing key as JSON in a file that only its owner may read.

use crate::{
    codec::{DecodeError, decode_hex},
    crypto::{PublicKey, SigningKey},
};
use serde::{Deserialize, Serialize};
use zeroize::{Zeroize, Zeroizing};

/// Version of the format.
pub const VERSION: u32 = 1;
/// Longest key file in bytes.
pub const KEY_FILE_BYTES_MAX: usize = 4_096;

const WHAT: &str = "key file";

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct KeyFile {
    version: u32,
    public: PublicKey,
    seed: String,
}

/// The text of a key's file.
///
/// # Errors
/// When it cannot be written as text.
pub fn write(key: &SigningKey) -> Result<Zeroizing<String>, DecodeError> {
    let mut file = KeyFile { version: VERSION, public: key.public(), seed: hex::encode(**key.seed()) };
    let text = serde_json::to_string_pretty(&file);
    file.seed.zeroize();
    text.map(Zeroizing::new).map_err(|error| DecodeError::Malformed { what: WHAT, reason: error.to_string() })
}

/// The key in a key file.
///
/// # Errors
/// When the bytes are no key file of this version, or its halves do not match.
pub fn read(bytes: &[u8]) -> Result<SigningKey, DecodeError> {
    let malformed = |reason: String| DecodeError::Malformed { what: WHAT, reason };
    if bytes.len() > KEY_FILE_BYTES_MAX {
        return Err(DecodeError::TooLong { what: WHAT, max: KEY_FILE_BYTES_MAX, found: bytes.len() });
    }
    let mut file: KeyFile = serde_json::from_slice(bytes).map_err(|error| {
        // Without what stands there: it may be the key itself.
        malformed(format!("line {}, column {} is not as in one", error.line(), error.column()))
    })?;
    if file.version != VERSION {
        return Err(malformed(format!("its version is {}, this program knows {VERSION}", file.version)));
    }
    let seed = decode_hex::<32>(&file.seed, "seed").map(Zeroizing::new);
    file.seed.zeroize();
    let seed = seed?;
    let key = SigningKey::from_seed(*seed);
    if key.public() == file.public {
        Ok(key)
    } else {
        Err(malformed("the seed is not of the public key".into()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_is_read_back_and_a_changed_file_is_refused() {
        let key = SigningKey::from_seed([7; 32]);
        let text = write(&key).unwrap();
        assert_eq!(read(text.as_bytes()).unwrap().public(), key.public());
        let other = SigningKey::from_seed([8; 32]).public().to_string();
        let changes: [(&str, &str); 4] = [
            ("\"version\": 1", "\"version\": 2"),
            ("\"seed\": \"0707", "\"seed\": \"0807"),
            ("\"seed\": \"0707", "\"seed\": \"07"),
            (&key.public().to_string(), &other),
        ];
        for (from, to) in changes {
            let changed = text.replacen(from, to, 1);
            assert_ne!(changed, *text);
            assert!(read(changed.as_bytes()).is_err(), "{to}");
        }
    }
}
