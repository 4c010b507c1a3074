//! A folder of keys: `NAME.pk` proves and `NAME.vk` verifies what the circuit NAME says.

use crate::{
    files,
    home::{Home, PROOF_KEYS},
    output::{Code, Failure},
};
use anyhow::{Context, Result};
use phalanx_circuits::{
    catalog::AnyStatement,
    groth16::{Identity, KeyError, Provenance, ProvingKey, VerifyingKey},
    r1cs::{Circuit, Statement},
};
use std::{
    fs,
    path::{Path, PathBuf},
};

/// Longest key file in bytes; the largest is that of `action-512`, about 37 MB.
const KEY_BYTES_MAX: usize = 64 << 20;

/// Where keys are.
#[derive(clap::Args)]
pub struct KeysArgs {
    /// The folder of keys [default: proof-keys in the home folder].
    #[arg(long, value_name = "DIR")]
    keys: Option<PathBuf>,
}

/// Which key verifies.
#[derive(clap::Args)]
pub struct KeyArgs {
    #[command(flatten)]
    keys: KeysArgs,
    /// This verifying key instead of one of the folder.
    #[arg(long, value_name = "FILE.vk", conflicts_with = "keys")]
    key: Option<PathBuf>,
}

impl KeysArgs {
    /// The folder.
    pub fn folder(&self, home: &Home) -> Keys {
        Keys { folder: self.keys.clone().unwrap_or_else(|| home.file(PROOF_KEYS)) }
    }
}

impl KeyArgs {
    /// The key that verifies proofs of a circuit.
    pub fn verifying(&self, home: &Home, circuit: &Circuit<AnyStatement>) -> Result<VerifyingKey> {
        match &self.key {
            Some(file) => read_verifying(file, circuit),
            None => self.keys.folder(home).verifying(circuit),
        }
    }
}

/// A folder of keys.
pub struct Keys {
    folder: PathBuf,
}

impl Keys {
    /// Where it is.
    pub fn path(&self) -> &Path {
        &self.folder
    }

    fn file(&self, circuit: AnyStatement, extension: &str) -> PathBuf {
        self.folder.join(format!("{circuit}.{extension}"))
    }

    fn read(&self, circuit: AnyStatement, extension: &str) -> Result<(PathBuf, Vec<u8>)> {
        let path = self.file(circuit, extension);
        if !path.exists() {
            let folder = self.folder.display();
            return Err(Failure::because(
                Code::Unavailable,
                format!(
                    "there is no {circuit}.{extension} in {folder}: copy it there, name its folder by --keys, \
                     or make one for development with `phalanx proof setup --dev --circuit {circuit}`"
                ),
            ));
        }
        let bytes = files::read(&path, KEY_BYTES_MAX)?;
        Ok((path, bytes))
    }

    /// The key that proves what a circuit says.
    pub fn proving(&self, circuit: &Circuit<AnyStatement>) -> Result<ProvingKey> {
        let (path, bytes) = self.read(*circuit.statement(), "pk")?;
        ProvingKey::decode(&bytes, circuit).map_err(|error| refused(&path, &error))
    }

    /// The key that verifies it.
    fn verifying(&self, circuit: &Circuit<AnyStatement>) -> Result<VerifyingKey> {
        let (path, bytes) = self.read(*circuit.statement(), "vk")?;
        VerifyingKey::decode(&bytes, circuit).map_err(|error| refused(&path, &error))
    }

    /// Refuses to make a key where one must stay: one of a ceremony always, one for
    /// development unless `may_replace`.
    pub fn check_free(&self, circuit: AnyStatement, may_replace: bool) -> Result<()> {
        for path in [self.file(circuit, "pk"), self.file(circuit, "vk")] {
            if !path.exists() {
                continue;
            }
            let shown = path.display();
            let bytes = files::read(&path, KEY_BYTES_MAX)?;
            let provenance = Identity::of_file(&bytes).map(|identity| identity.provenance);
            let reason = match provenance {
                Ok(Provenance::Dev) if may_replace => continue,
                Ok(Provenance::Dev) => "is a key for development: --force replaces it",
                Ok(Provenance::Ceremony { .. }) => {
                    "is a key of a ceremony, which is never overwritten: move it away yourself"
                }
                Err(_) => "is no key file, or a damaged one: move it away yourself",
            };
            return Err(Failure::because(Code::Refused, format!("{shown} {reason}")));
        }
        Ok(())
    }

    /// Writes both files of a key; the lengths of them in bytes. [`Self::check_free`] has
    /// said that they may be written.
    pub fn save(&self, key: &ProvingKey, circuit: AnyStatement) -> Result<(usize, usize)> {
        let folder = &self.folder;
        fs::create_dir_all(folder).with_context(|| format!("{} cannot be made", folder.display()))?;
        let (proving, verifying) = (key.encode(), key.verifying_key().encode());
        for (extension, bytes) in [("pk", &proving), ("vk", &verifying)] {
            let path = self.file(circuit, extension);
            if path.exists() {
                files::replace(&path, bytes)?;
            } else {
                files::write_new(&path, bytes)?;
            }
        }
        Ok((proving.len(), verifying.len()))
    }
}

fn read_verifying(path: &Path, circuit: &Circuit<AnyStatement>) -> Result<VerifyingKey> {
    let bytes = files::read(path, KEY_BYTES_MAX)?;
    VerifyingKey::decode(&bytes, circuit).map_err(|error| refused(path, &error))
}

/// A key that is not taken, with its exit code.
fn refused(path: &Path, error: &KeyError) -> anyhow::Error {
    let code = match error {
        KeyError::OtherCircuit { .. } | KeyError::Inputs { .. } => Code::Wrong,
        _ => Code::Unreadable,
    };
    Failure::because(code, format!("{}: {error}", path.display()))
}

/// What the provenance of a key means.
pub fn meaning(provenance: Provenance) -> String {
    match provenance {
        Provenance::Dev => "DEV: whoever made the key can forge proofs; good for development only".to_owned(),
        Provenance::Ceremony { transcript } => {
            format!("CEREMONY, transcript {transcript}: sound if one contributor was honest")
        }
    }
}

/// The hash of a circuit and its name, for people.
pub fn named(circuit: &Circuit<AnyStatement>) -> String {
    format!("{} {}", circuit.statement().name(), circuit.hash())
}
