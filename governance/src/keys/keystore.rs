//! Encrypted keystores (Web3 secret storage, version 3), and where their
//! passwords come from.

use super::{KeyError, LocalKey};
use crate::address::Address;
use eth_keystore::{EthKeystore, KdfparamsType};
use k256::elliptic_curve::rand_core::OsRng;
use serde_json::Value;
use std::{
    fs::{self, File, OpenOptions},
    io::{Read, Write},
    os::unix::fs::{OpenOptionsExt, PermissionsExt},
    path::{Path, PathBuf},
};
use zeroize::Zeroizing;

/// Longest keystore in bytes.
pub const KEYSTORE_BYTES_MAX: u64 = 16_384;
/// Longest password in bytes.
pub const PASSWORD_LEN_MAX: usize = 1_024;
/// Most memory that a keystore's scrypt may ask for: 1 GiB, four times what
/// geth's own do.
const SCRYPT_BYTES_MAX: u64 = 1 << 30;
/// Most rounds of PBKDF2: some seconds.
const PBKDF2_ROUNDS_MAX: u32 = 10_000_000;

/// Where a password is read from. There is no variant for an argument: those
/// are seen by everybody on the machine.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum PasswordSource {
    /// A file that only its owner may read.
    File(PathBuf),
    /// An environment variable.
    Environment(String),
    /// A credential that systemd gives the service (`LoadCredential=`).
    Credential(String),
}

impl PasswordSource {
    /// Reads the password. One newline at its end is not part of it.
    ///
    /// # Errors
    /// When there is none, it is too long, or its file may be read by others.
    pub fn read(&self) -> Result<Zeroizing<Vec<u8>>, KeyError> {
        let place = self.to_string();
        let missing = |reason| KeyError::NoPassword { place: place.clone(), reason };
        let mut bytes = match self {
            Self::File(path) => {
                let mode = fs::metadata(path)
                    .map_err(|source| KeyError::File { action: "read", path: path.clone(), source })?
                    .permissions()
                    .mode();
                if mode & 0o077 != 0 {
                    return Err(KeyError::Readable { path: path.clone(), mode: mode & 0o777 });
                }
                read_secret(path)?
            }
            Self::Environment(name) => {
                let text = std::env::var(name).map_err(|_| missing("it is not set, or no UTF-8"))?;
                Zeroizing::new(text.into_bytes())
            }
            Self::Credential(name) => {
                if name.is_empty() || name.contains('/') || name.starts_with('.') {
                    return Err(missing("the name of a credential is a plain file name"));
                }
                let folder = std::env::var_os("CREDENTIALS_DIRECTORY")
                    .ok_or_else(|| missing("CREDENTIALS_DIRECTORY is not set: does systemd run this?"))?;
                read_secret(&Path::new(&folder).join(name))?
            }
        };
        if bytes.last() == Some(&b'\n') {
            bytes.pop();
        }
        if bytes.is_empty() {
            return Err(missing("it is empty"));
        }
        if bytes.len() > PASSWORD_LEN_MAX {
            return Err(missing("it is longer than 1024 bytes"));
        }
        Ok(bytes)
    }
}

impl std::fmt::Display for PasswordSource {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::File(path) => write!(f, "file {}", path.display()),
            Self::Environment(name) => write!(f, "environment variable {name}"),
            Self::Credential(name) => write!(f, "credential {name}"),
        }
    }
}

fn read_secret(path: &Path) -> Result<Zeroizing<Vec<u8>>, KeyError> {
    let failed = |source| KeyError::File { action: "read", path: path.to_owned(), source };
    let mut bytes = Zeroizing::new(Vec::with_capacity(PASSWORD_LEN_MAX + 2));
    let file = File::open(path).map_err(failed)?;
    file.take(PASSWORD_LEN_MAX as u64 + 2).read_to_end(&mut bytes).map_err(failed)?;
    Ok(bytes)
}

/// Opens a keystore.
///
/// # Errors
/// When the file is none, asks for too much work, has another password, or
/// says that it is another account's.
pub fn open(path: &Path, password: &PasswordSource) -> Result<LocalKey, KeyError> {
    let said = check(path)?;
    let password = password.read()?;
    let secret = eth_keystore::decrypt_key(path, password.as_slice()).map(Zeroizing::new).map_err(
        |error| match error {
            eth_keystore::KeystoreError::MacMismatch => KeyError::Password { path: path.to_owned() },
            other => KeyError::Keystore { path: path.to_owned(), reason: other.to_string() },
        },
    )?;
    let place = path.display().to_string();
    let secret = <[u8; 32]>::try_from(secret.as_slice())
        .map(Zeroizing::new)
        .map_err(|_| KeyError::NotAKey { place: place.clone() })?;
    let key = LocalKey::from_bytes(&secret, &place)?;
    match said {
        Some(said) if said != key.address() => {
            Err(KeyError::OtherAccount { path: path.to_owned(), said, found: key.address() })
        }
        _ => Ok(key),
    }
}

/// Makes a keystore of `key` in a new file that only its owner may read, and
/// says in it whose key it is.
///
/// # Errors
/// When the file exists or cannot be written.
pub fn create(path: &Path, key: &LocalKey, password: &PasswordSource) -> Result<(), KeyError> {
    let failed = |action| move |source| KeyError::File { action, path: path.to_owned(), source };
    let password = password.read()?;
    // The library writes a file by itself, with the mode of the day, so it gets
    // an empty folder of ours and the result is moved.
    let folder = path.parent().filter(|p| !p.as_os_str().is_empty()).unwrap_or_else(|| Path::new("."));
    let name = path.file_name().and_then(|n| n.to_str()).ok_or_else(|| KeyError::Keystore {
        path: path.to_owned(),
        reason: "the path has no file name".into(),
    })?;
    let mut target =
        OpenOptions::new().write(true).create_new(true).mode(0o600).open(path).map_err(failed("create"))?;
    let raw = format!(".{name}.new");
    let secret = key.secret();
    let written =
        eth_keystore::encrypt_key(folder, &mut OsRng, secret.as_slice(), password.as_slice(), Some(&raw))
            .map_err(|e| KeyError::Keystore { path: path.to_owned(), reason: e.to_string() })
            .and_then(|_| {
                let text = fs::read(folder.join(&raw)).map_err(failed("read"))?;
                with_address(&text, key.address())
                    .map_err(|reason| KeyError::Keystore { path: path.to_owned(), reason })
            })
            .and_then(|text| {
                target.write_all(&text).and_then(|()| target.sync_all()).map_err(failed("write"))
            });
    let _ = fs::remove_file(folder.join(&raw));
    if written.is_err() {
        let _ = fs::remove_file(path);
    }
    written
}

fn with_address(text: &[u8], address: Address) -> Result<Vec<u8>, String> {
    let mut value: Value = serde_json::from_slice(text).map_err(|e| place(&e))?;
    if let Some(object) = value.as_object_mut() {
        object.insert("address".into(), Value::String(hex::encode(address.0)));
    }
    serde_json::to_vec_pretty(&value).map_err(|e| place(&e))
}

/// Where a text is no keystore. Without what stands there: it may be the key itself,
/// in a file that was taken for a keystore.
fn place(error: &serde_json::Error) -> String {
    format!("line {}, column {} is not as in one", error.line(), error.column())
}

/// Checks the form of a keystore before the library works on it, which would
/// take any amount of memory and does not check lengths. Gives the account
/// that the file names, when it names one.
fn check(path: &Path) -> Result<Option<Address>, KeyError> {
    let failed = |source| KeyError::File { action: "read", path: path.to_owned(), source };
    let malformed = |reason: String| KeyError::Keystore { path: path.to_owned(), reason };
    let mut bytes = Vec::new();
    let file = File::open(path).map_err(failed)?;
    file.take(KEYSTORE_BYTES_MAX + 1).read_to_end(&mut bytes).map_err(failed)?;
    if bytes.len() as u64 > KEYSTORE_BYTES_MAX {
        return Err(malformed(format!("it is longer than {KEYSTORE_BYTES_MAX} bytes")));
    }
    let store: EthKeystore = serde_json::from_slice(&bytes).map_err(|e| malformed(place(&e)))?;
    let crypto = &store.crypto;
    if store.version != 3 {
        return Err(malformed(format!("its version is {}", store.version)));
    }
    if crypto.cipher != "aes-128-ctr" || crypto.cipherparams.iv.len() != 16 {
        return Err(malformed("its cipher is not aes-128-ctr with an iv of 16 bytes".into()));
    }
    if crypto.ciphertext.len() != 32 || crypto.mac.len() != 32 {
        return Err(malformed("its ciphertext and mac have 32 bytes each".into()));
    }
    match &crypto.kdfparams {
        KdfparamsType::Pbkdf2 { c, dklen, .. } => {
            if *dklen != 32 || *c == 0 || *c > PBKDF2_ROUNDS_MAX {
                return Err(malformed(format!(
                    "dklen is {dklen} and c {c}; 32 and up to {PBKDF2_ROUNDS_MAX} are taken"
                )));
            }
        }
        KdfparamsType::Scrypt { dklen, n, p, r, .. } => {
            let memory = u64::from(*n) * u64::from(*r) * 128;
            let work = memory.saturating_mul(u64::from(*p));
            let taken = *dklen == 32 && n.is_power_of_two() && *n > 1 && *r > 0 && *p > 0;
            if !taken || memory > SCRYPT_BYTES_MAX || work > 4 * SCRYPT_BYTES_MAX {
                return Err(malformed(format!(
                    "its scrypt asks for dklen {dklen}, n {n}, r {r}, p {p}: more than 1 GiB, or no power of two"
                )));
            }
        }
    }
    let value: Value = serde_json::from_slice(&bytes).map_err(|e| malformed(place(&e)))?;
    match value.get("address").and_then(Value::as_str) {
        None | Some("") => Ok(None),
        Some(text) => {
            let digits = text.strip_prefix("0x").unwrap_or(text).to_ascii_lowercase();
            let address =
                format!("0x{digits}").parse().map_err(|_| malformed("its address is none".into()))?;
            Ok(Some(address))
        }
    }
}
