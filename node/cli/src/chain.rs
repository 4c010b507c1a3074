//! The chain of a mesh as commands and nodes reach it: endpoints, contracts, keys.

use crate::{
    home::Home,
    output::{Code, Failure},
};
use anyhow::{Context, Result, ensure};
use phalanx_governance::{
    Address, Signer,
    contracts::{ContractError, Deployment, deploy::DeploymentReport},
    keys::{DevKeys, ExternalSigner, PasswordSource, keystore},
    rpc::{Chain, HttpEndpoint, HttpSettings, RpcError, Transport},
    safe::deploy::SafeContracts,
};
use phalanx_types::{Genesis, Hash, genesis::ChainBinding};
use serde::{Deserialize, Serialize};
use std::{
    path::{Path, PathBuf},
    sync::Arc,
};

/// Endpoints of one chain, at most.
const ENDPOINTS_MAX: usize = 2;
/// Wei of a gwei.
pub const GWEI: u128 = 1_000_000_000;
/// Most gwei that a unit of gas may cost, tip included, unless something else is said.
pub const FEE_MAX_GWEI: u64 = 200;

/// `[chain]` of `config.toml`: how this node reaches the chain that its genesis
/// names, and with which keys.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ChainConfig {
    /// One JSON-RPC endpoint, or two that must agree.
    pub rpc: Vec<String>,
    /// How many blocks deep is final: 1 is the newest one.
    #[serde(default = "depth")]
    pub depth: u64,
    /// How often the chain is looked at, in milliseconds.
    #[serde(default = "poll_ms")]
    pub poll_ms: u64,
    /// The block of the contracts' deployment: nothing is looked for before it.
    #[serde(default)]
    pub from_block: u64,
    /// A checkpoint that the validators before this one have not sent to the chain
    /// for so long is sent by this one, in milliseconds for each of them.
    #[serde(default = "takeover_ms")]
    pub takeover_ms: u64,
    /// Most that a unit of gas may cost, in gwei.
    #[serde(default = "fee_max_gwei")]
    pub fee_max_gwei: u64,
    /// A transaction that is not mined for so long is offered for more, in
    /// milliseconds.
    #[serde(default = "stuck_after_ms")]
    pub stuck_after_ms: u64,
    /// Where MultiSendCallOnly is, for batches of the owner [default: its address
    /// on public chains].
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub multi_send: Option<Address>,
    /// The mesh's `ProofVerifier`, once there is one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub verifier: Option<Address>,
    /// The key of this validator's account: signs checkpoints. A node without it
    /// watches.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub signer: Option<KeySource>,
    /// The account that pays for anchoring [default: the signer's].
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub payer: Option<KeySource>,
}

const fn depth() -> u64 {
    12
}

/// The depth in the settings of a home folder, or the usual one.
pub fn depth_of(home: &Home) -> u64 {
    home.config().ok().and_then(|config| config.chain).map_or(depth(), |chain| chain.depth)
}

const fn poll_ms() -> u64 {
    2_000
}

const fn takeover_ms() -> u64 {
    60_000
}

const fn fee_max_gwei() -> u64 {
    FEE_MAX_GWEI
}

const fn stuck_after_ms() -> u64 {
    60_000
}

impl ChainConfig {
    /// Settings for these endpoints, all else by default.
    pub const fn new(rpc: Vec<String>, from_block: u64) -> Self {
        Self {
            rpc,
            depth: depth(),
            poll_ms: poll_ms(),
            from_block,
            takeover_ms: takeover_ms(),
            fee_max_gwei: fee_max_gwei(),
            stuck_after_ms: stuck_after_ms(),
            multi_send: None,
            verifier: None,
            signer: None,
            payer: None,
        }
    }

    /// Checks the numbers.
    pub fn check(&self) -> Result<()> {
        ensure!((1..=ENDPOINTS_MAX).contains(&self.rpc.len()), "[chain] rpc names one endpoint, or two");
        ensure!(self.depth >= 1, "[chain] depth is at least 1, the newest block");
        ensure!(self.poll_ms >= 50, "[chain] poll_ms is at least 50");
        ensure!(self.takeover_ms >= 1, "[chain] takeover_ms is at least 1");
        ensure!(self.fee_max_gwei >= 1, "[chain] fee_max_gwei is at least 1");
        ensure!(self.stuck_after_ms >= 1_000, "[chain] stuck_after_ms is at least 1000");
        Ok(())
    }
}

/// Where a secp256k1 key is.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub enum KeySource {
    /// In an encrypted keystore.
    Keystore {
        /// The file.
        path: PathBuf,
        /// A file with its password.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        password_file: Option<PathBuf>,
        /// An environment variable with it.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        password_env: Option<String>,
        /// A credential of systemd with it.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        password_credential: Option<String>,
    },
    /// Behind a program that signs.
    External {
        /// The program.
        program: String,
        /// Its arguments, which everybody on the machine may read.
        #[serde(default)]
        arguments: Vec<String>,
        /// For whom it signs.
        account: Address,
    },
    /// A key of the development chain, which everybody knows.
    Dev {
        /// Its index.
        index: u32,
    },
}

impl KeySource {
    /// The same with its paths below a folder, where they are relative.
    #[must_use]
    pub fn within(self, folder: &Path) -> Self {
        match self {
            Self::Keystore { path, password_file, password_env, password_credential } => Self::Keystore {
                path: folder.join(path),
                password_file: password_file.map(|file| folder.join(file)),
                password_env,
                password_credential,
            },
            other => other,
        }
    }

    /// The signer. Development keys are for `chain_id` 31337 only, and only when
    /// `dev` says that they are meant.
    pub fn open(&self, chain_id: u64, dev: bool) -> Result<Signer> {
        let signer = match self {
            Self::Keystore { path, password_file, password_env, password_credential } => {
                let sources = [
                    password_file.clone().map(PasswordSource::File),
                    password_env.clone().map(PasswordSource::Environment),
                    password_credential.clone().map(PasswordSource::Credential),
                ];
                let mut sources = sources.into_iter().flatten();
                let (Some(source), None) = (sources.next(), sources.next()) else {
                    return Err(Failure::because(
                        Code::Unreadable,
                        format!("name one source of the password of {}", path.display()),
                    ));
                };
                Signer::Local(keystore::open(path, &source)?)
            }
            Self::External { program, arguments, account } => {
                Signer::External(ExternalSigner::new(program.clone(), arguments.clone(), *account))
            }
            Self::Dev { index } => {
                let keys = DevKeys::new(chain_id)?;
                if !dev {
                    return Err(Failure::because(
                        Code::Wrong,
                        format!(
                            "key {index} is a development key, which everybody knows: say --dev to use it"
                        ),
                    ));
                }
                Signer::Local(keys.key(*index)?)
            }
        };
        // Also where one was put into a keystore or a wallet.
        if !matches!(self, Self::Dev { .. }) && DevKeys::is_known(signer.address()) {
            DevKeys::new(chain_id)?;
            if !dev {
                return Err(Failure::because(
                    Code::Wrong,
                    format!(
                        "{} is a development account, whose key everybody knows: say --dev to use it",
                        signer.address()
                    ),
                ));
            }
        }
        Ok(signer)
    }
}

/// A key, named on the command line. Secrets are never arguments.
#[derive(clap::Args, Clone, Debug)]
pub struct KeyArgs {
    /// An encrypted keystore.
    #[arg(long, value_name = "FILE", group = "chain_key")]
    keystore: Option<PathBuf>,
    /// A file with the keystore's password, which only its owner may read.
    #[arg(long, value_name = "FILE", requires = "keystore")]
    password_file: Option<PathBuf>,
    /// An environment variable with the keystore's password.
    #[arg(long, value_name = "NAME", requires = "keystore")]
    password_env: Option<String>,
    /// A program that signs: it reads a line with a digest and writes one with
    /// the signature.
    #[arg(long, value_name = "PROGRAM", group = "chain_key", requires = "signer_account")]
    signer: Option<String>,
    /// The account that the program signs for.
    #[arg(long, value_name = "ADDRESS", requires = "signer")]
    signer_account: Option<Address>,
    /// A key of the development chain, by its index; needs --dev.
    #[arg(long, value_name = "INDEX", group = "chain_key", requires = "dev")]
    dev_key: Option<u32>,
    /// Development keys are meant. Everybody knows them.
    #[arg(long)]
    dev: bool,
}

impl KeyArgs {
    /// Where the key is.
    pub fn source(&self) -> Result<KeySource> {
        let Self { keystore, password_file, password_env, signer, signer_account, dev_key, dev: _ } =
            self.clone();
        match (keystore, signer, signer_account, dev_key) {
            (Some(path), None, _, None) => {
                Ok(KeySource::Keystore { path, password_file, password_env, password_credential: None })
            }
            (None, Some(program), Some(account), None) => {
                Ok(KeySource::External { program, arguments: Vec::new(), account })
            }
            (None, None, _, Some(index)) => Ok(KeySource::Dev { index }),
            _ => Err(Failure::because(
                Code::Unreadable,
                "name a key: --keystore FILE with --password-file FILE, --signer PROGRAM with \
                 --signer-account ADDRESS, or on a development chain --dev --dev-key INDEX",
            )),
        }
    }

    /// Whether development keys are meant.
    pub const fn is_dev(&self) -> bool {
        self.dev
    }

    /// The signer; says so on standard error when its key is known to everybody.
    pub fn open(&self, chain_id: u64) -> Result<Signer> {
        let signer = self.source()?.open(chain_id, self.dev)?;
        if self.dev {
            let account = signer.address();
            eprintln!(
                "DEVELOPMENT KEY of {account}, which everybody knows: nothing that it signs proves anything"
            );
        }
        Ok(signer)
    }
}

/// Which chain and contracts, named on the command line.
#[derive(clap::Args, Clone, Debug, Default)]
pub struct ChainArgs {
    /// A JSON-RPC endpoint; twice for two that must agree [default: those in
    /// config.toml].
    #[arg(long = "rpc", value_name = "URL")]
    rpc: Vec<String>,
    /// The mesh's `CheckpointAnchor` [default: the one in genesis.json].
    #[arg(long, value_name = "ADDRESS")]
    anchor: Option<Address>,
}

impl ChainArgs {
    /// Whether a chain is meant, and not only named in the home folder.
    pub const fn is_online(&self) -> bool {
        !self.rpc.is_empty() || self.anchor.is_some()
    }

    /// Whether the contracts are named, here or in the home folder.
    pub fn names_contracts(&self, home: &Home) -> Result<bool> {
        let genesis = home.file("genesis.json").exists().then(|| home.genesis()).transpose()?;
        Ok(self.anchor.is_some() || genesis.is_some_and(|g| g.chain.is_some()))
    }

    /// The endpoints: those given, or those of the home folder.
    pub fn endpoints(&self, home: &Home) -> Result<Vec<String>> {
        if self.rpc.len() > ENDPOINTS_MAX {
            return Err(Failure::because(
                Code::Unreadable,
                "give --rpc once, or twice for two that must agree",
            ));
        }
        if !self.rpc.is_empty() {
            return Ok(self.rpc.clone());
        }
        let config = home.file("config.toml").exists().then(|| home.config()).transpose()?;
        config.and_then(|c| c.chain).map(|c| c.rpc).with_context(|| {
            "no chain is named: give --rpc URL, or a --home whose config.toml has a [chain]".to_owned()
        })
    }

    /// The chain, whichever it is.
    pub async fn chain(&self, home: &Home) -> Result<Chain> {
        Ok(connect(&self.endpoints(home)?, None).await?)
    }

    /// The chain and the contracts of the mesh, checked.
    pub async fn contracts(&self, home: &Home) -> Result<Contracts> {
        let genesis = home.file("genesis.json").exists().then(|| home.genesis()).transpose()?;
        let binding = genesis.as_ref().and_then(|g| g.chain.clone());
        let endpoints = self.endpoints(home)?;
        let chain = connect(&endpoints, binding.as_ref().map(|b| b.chain_id)).await?;
        let anchor = self.anchor.or_else(|| binding.as_ref().map(|b| Address(b.contract)));
        let anchor = anchor
            .context("no contracts are named: give --anchor ADDRESS, or a --home whose genesis names them")?;
        let own = binding.filter(|b| Address(b.contract) == anchor);
        let found = Contracts::discover(chain, anchor, own.map(|b| b.code_hash)).await?;
        if let Some(genesis) = genesis.filter(|_| self.anchor.is_none()) {
            found.check_mesh(&genesis)?;
        }
        Ok(found)
    }
}

/// The `ProofVerifier` that the settings of a home folder name.
pub fn verifier(home: &Home) -> Option<Address> {
    home.config().ok().and_then(|config| config.chain).and_then(|chain| chain.verifier)
}

/// Where MultiSendCallOnly is: as given, as `[chain]` says, or where it is on
/// public chains.
pub fn multi_send(home: &Home, given: Option<Address>) -> Result<Address> {
    if let Some(given) = given {
        return Ok(given);
    }
    let config = home.file("config.toml").exists().then(|| home.config()).transpose()?;
    match config.and_then(|c| c.chain).and_then(|c| c.multi_send) {
        Some(configured) => Ok(configured),
        None => Ok(SafeContracts::canonical()?.multi_send_call_only),
    }
}

/// A chain behind one endpoint, or two that must agree.
///
/// # Errors
/// When one cannot be reached, or is on another chain than `expected`.
pub async fn connect(endpoints: &[String], expected: Option<u64>) -> Result<Chain, RpcError> {
    let open = |url: &String| {
        HttpEndpoint::new(url, HttpSettings::default()).map(|e| Arc::new(e) as Arc<dyn Transport>)
    };
    let mut open = endpoints.iter().take(ENDPOINTS_MAX).map(open);
    let first = open.next().unwrap_or_else(|| Err(RpcError::Url { url: String::new() }))?;
    let second = open.next().transpose()?;
    Chain::connect(first, second, expected).await
}

/// The contracts of a mesh, found and checked.
#[derive(Clone, Debug)]
pub struct Contracts {
    /// The chain.
    pub chain: Chain,
    /// Where they are.
    pub deployment: Deployment,
    /// What was found there.
    pub report: DeploymentReport,
}

impl Contracts {
    /// From the anchor to all of them; `code_hash` is what genesis binds.
    ///
    /// # Errors
    /// When they are not what they should be, or the chain cannot be asked.
    pub async fn discover(
        chain: Chain,
        anchor: Address,
        code_hash: Option<Hash>,
    ) -> Result<Self, ContractError> {
        let at = chain.tip().await?.number;
        if let Some(expected) = code_hash {
            chain.check_code(anchor, &expected, at).await?;
        }
        let deployment = Deployment::discover(&chain, anchor, at).await?;
        let report = deployment.check(&chain, at).await?;
        Ok(Self { chain, deployment, report })
    }

    /// The Safe that commands.
    pub const fn owner(&self) -> Address {
        self.report.owner
    }

    fn check_mesh(&self, genesis: &Genesis) -> Result<()> {
        if self.deployment.mesh == genesis.mesh {
            return Ok(());
        }
        let (address, expected, found) = (self.deployment.anchor, genesis.mesh, self.deployment.mesh);
        Err(ContractError::OtherMesh { address, expected, found }.into())
    }

    /// What genesis binds of them.
    pub fn binding(&self) -> ChainBinding {
        ChainBinding {
            chain_id: self.chain.id(),
            contract: self.deployment.anchor.0,
            code_hash: self.report.anchor_code,
        }
    }
}
