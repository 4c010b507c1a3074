//! The home folder of a node: settings, keys, data.

use crate::output::{Code, Failure};
use anyhow::{Context, Result, ensure};
use phalanx_types::{Genesis, Name, Params, PublicKey, SigningKey, WorkerOffer, key_file};
use serde::{Deserialize, Serialize};
use std::{
    collections::BTreeMap,
    fs,
    io::Write,
    os::unix::fs::{OpenOptionsExt, PermissionsExt},
    path::{Path, PathBuf},
};

/// Where keys of proofs are in a home folder.
pub const PROOF_KEYS: &str = "proof-keys";

/// A home folder.
#[derive(Clone, Debug)]
pub struct Home {
    /// Where it is.
    pub path: PathBuf,
}

/// `config.toml`.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct NodeConfig {
    /// Where peers connect, such as `/ip4/127.0.0.1/tcp/7001`.
    pub listen: Vec<String>,
    /// Where the HTTP interface listens; a loopback address.
    pub api: std::net::SocketAddr,
    /// Peers to begin with.
    #[serde(default)]
    pub bootstrap: Vec<Bootstrap>,
    /// Network keys of the only peers that this node is linked to; all admitted ones when
    /// it is left out. Both ends of a link list each other, and the links of all nodes
    /// together must connect the mesh.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub links: Option<Vec<PublicKey>>,
    /// How directed messages find their way: `greedy_forwarding`,
    /// `multipath_hyperbolic` or `gradient_flow`.
    #[serde(default)]
    pub routing_algorithm: phalanx_config::RoutingAlgorithm,
    /// The workers that this node hosts.
    #[serde(default)]
    pub workers: Vec<WorkerOffer>,
    /// A node without a ledger takes a snapshot over, rather than every beat, when
    /// its peers are more than this many beats ahead; 0: never.
    #[serde(default = "join_by_snapshot_beyond")]
    pub join_by_snapshot_beyond: u64,
    /// Checkpoints between two writings of `storage/checkpoint.json`; 0: only when
    /// the node stops.
    #[serde(default = "storage_checkpoints")]
    pub storage_checkpoints: u64,
    /// Commands that jobs may run here.
    #[serde(default)]
    pub commands: BTreeMap<Name, phalanx_providers::process::Allowed>,
    /// The chain that the genesis names.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub chain: Option<crate::chain::ChainConfig>,
    /// Proves, at each checkpoint, the policies that ask for it. A node without it does not.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub proofs: Option<ProofsConfig>,
}

/// `[proofs]` of `config.toml`. Paths are below the home folder, where they are relative.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ProofsConfig {
    /// The folder of proving keys.
    #[serde(default = "proof_keys")]
    pub keys: PathBuf,
    /// Where proofs go: a folder for each checkpoint, in it one for each policy.
    #[serde(default = "proofs_out")]
    pub out: PathBuf,
    /// Checkpoints whose proofs are kept; older ones are removed. 0: all.
    #[serde(default = "proofs_kept")]
    pub keep: u64,
}

fn proof_keys() -> PathBuf {
    PathBuf::from(PROOF_KEYS)
}

fn proofs_out() -> PathBuf {
    "proofs".into()
}

const fn proofs_kept() -> u64 {
    256
}

pub const fn join_by_snapshot_beyond() -> u64 {
    4_096
}

pub const fn storage_checkpoints() -> u64 {
    32
}

/// A peer to begin with.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Bootstrap {
    /// Its network key in hex.
    pub key: PublicKey,
    /// Where it is.
    pub address: String,
}

impl Home {
    /// The folder to use: the flag, or `~/.phalanx`.
    pub fn at(path: Option<PathBuf>) -> Result<Self> {
        let path = match path {
            Some(path) => path,
            None => {
                PathBuf::from(std::env::var_os("HOME").context("HOME is not set: name a folder with --home")?)
                    .join(".phalanx")
            }
        };
        Ok(Self { path })
    }

    /// A file in it.
    pub fn file(&self, name: &str) -> PathBuf {
        self.path.join(name)
    }

    /// Its settings.
    pub fn config(&self) -> Result<NodeConfig> {
        let path = self.file("config.toml");
        let text = fs::read_to_string(&path).with_context(|| {
            format!("{} cannot be read: make a home folder with `phalanx init`", path.display())
        })?;
        let config: NodeConfig = toml::from_str(&text)
            .with_context(|| format!("{} is not a valid configuration", path.display()))?;
        ensure!(
            config.api.ip().is_loopback(),
            "{}: api = \"{}\" is not a loopback address: the interface is for this machine only",
            path.display(),
            config.api
        );
        if let Some(chain) = &config.chain {
            chain.check().with_context(|| path.display().to_string())?;
        }
        Ok(config)
    }

    /// The genesis document of its mesh.
    pub fn genesis(&self) -> Result<Genesis> {
        let path = self.file("genesis.json");
        let bytes = fs::read(&path).with_context(|| format!("{} cannot be read", path.display()))?;
        Genesis::from_json(&bytes).with_context(|| format!("{} is not a valid genesis", path.display()))
    }

    /// The numbers that its mesh shares; those by default where nobody has a home.
    ///
    /// # Errors
    /// When there is a genesis document and it is none.
    pub fn params(&self) -> Result<Params> {
        let is_home = self.file("genesis.json").exists();
        if is_home { self.genesis().map(|genesis| genesis.params) } else { Ok(Params::default()) }
    }

    /// One of its keys.
    pub fn key(&self, name: &str) -> Result<SigningKey> {
        read_key(&self.file("keys").join(format!("{name}.json")))
    }

    /// The token of its HTTP interface.
    pub fn token(&self) -> Result<String> {
        let path = self.file("api-token");
        Ok(fs::read_to_string(&path)
            .with_context(|| format!("{} cannot be read", path.display()))?
            .trim()
            .to_owned())
    }

    /// Locks it against a second process, until the file is dropped.
    pub fn lock(&self) -> Result<fs::File> {
        let path = self.file("lock");
        let file = fs::OpenOptions::new()
            .create(true)
            .truncate(false)
            .write(true)
            .open(&path)
            .with_context(|| format!("{} cannot be made", path.display()))?;
        if file.try_lock().is_err() {
            return Err(Failure::because(
                Code::Unavailable,
                format!("{} is locked: another node runs in this home folder; stop it first", path.display()),
            ));
        }
        Ok(file)
    }
}

/// Writes a file that only its owner may read.
pub fn write_private(path: &Path, bytes: &[u8]) -> Result<()> {
    if let Some(folder) = path.parent() {
        fs::create_dir_all(folder)?;
    }
    let mut file = fs::OpenOptions::new()
        .create_new(true)
        .write(true)
        .mode(0o600)
        .open(path)
        .with_context(|| format!("{} cannot be written (it is never overwritten)", path.display()))?;
    file.write_all(bytes)?;
    file.sync_all()?;
    Ok(())
}

/// Makes a key and writes it.
pub fn new_key(path: &Path) -> Result<SigningKey> {
    let mut seed = zeroize::Zeroizing::new([0_u8; 32]);
    getrandom::fill(&mut *seed).map_err(|e| anyhow::anyhow!("no random numbers: {e}"))?;
    let key = SigningKey::from_seed(*seed);
    write_private(path, key_file::write(&key)?.as_bytes())?;
    Ok(key)
}

/// Reads a key file.
pub fn read_key(path: &Path) -> Result<SigningKey> {
    let meta = fs::metadata(path).with_context(|| format!("the key {} cannot be read", path.display()))?;
    ensure!(
        meta.permissions().mode() & 0o077 == 0,
        "the key {} can be read by others: run chmod 600 on it",
        path.display()
    );
    let bytes = zeroize::Zeroizing::new(fs::read(path)?);
    key_file::read(&bytes).with_context(|| format!("{} is no valid key file", path.display()))
}

#[cfg(test)]
mod tests {
    use super::*;

    const CONFIG: &str = "listen = [\"/ip4/127.0.0.1/tcp/7001\"]\napi = \"127.0.0.1:7101\"\n\
        [commands.echo]\npath = \"/bin/echo\"\nmore_args_max = 2\n";

    #[test]
    fn a_damaged_configuration_is_refused_or_read_and_never_panics() {
        let folder = tempfile::tempdir().unwrap();
        let home = Home::at(Some(folder.path().to_owned())).unwrap();
        let write = |bytes: &[u8]| fs::write(home.file("config.toml"), bytes).unwrap();
        write(CONFIG.as_bytes());
        assert_eq!(home.config().unwrap().commands.len(), 1);
        for at in 0..CONFIG.len() {
            write(&CONFIG.as_bytes()[..at]);
            let _ = home.config();
            for flip in [1, 0x20, 0x80] {
                let mut damaged = CONFIG.as_bytes().to_vec();
                damaged[at] ^= flip;
                write(&damaged);
                let _ = home.config();
            }
        }
        write(CONFIG.replace("127.0.0.1:7101", "0.0.0.0:7101").as_bytes());
        assert!(home.config().unwrap_err().to_string().contains("loopback"));
    }

    #[test]
    fn a_key_that_others_can_read_is_refused() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("key.json");
        let key = new_key(&path).unwrap();
        assert_eq!(read_key(&path).unwrap().public(), key.public());
        fs::set_permissions(&path, fs::Permissions::from_mode(0o640)).unwrap();
        assert!(read_key(&path).unwrap_err().to_string().contains("chmod 600"));
    }
}
