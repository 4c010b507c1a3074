//! Binding a founded mesh to a chain: its contracts are deployed, and its genesis then
//! names them. After its first beat a mesh cannot be bound any more.

use crate::{
    chain::{ChainConfig, Contracts, KeySource},
    home::{self, Home},
    output::{Code, Failure},
};
use anyhow::{Context, Result, ensure};
use phalanx_governance::{
    Address, Signer,
    contracts::{Deployment, DeploymentPlan, ProofVerifier, Registration, deploy::DeploymentReport},
    digest::{self, SetEntry},
    keys::{LocalKey, PasswordSource, keystore},
    rpc::Chain,
    submit::account::{Account, TxPayload},
};
use phalanx_types::{Genesis, Hash, Validator, tags};
use std::{
    fs,
    path::{Path, PathBuf},
};

/// Index of the first validator's development key.
pub const DEV_VALIDATORS: u32 = 10;

/// What a mesh is bound with.
pub struct Plan {
    /// The Safe that commands.
    pub owner: Address,
    /// Seconds that a command of the owner waits.
    pub command_delay_s: u32,
    /// Seconds between the request of a forced set and its execution.
    pub force_delay_s: u64,
    /// Settings of every node; signers are filled in.
    pub config: ChainConfig,
    /// Whether validators sign with keys that everybody knows.
    pub dev: bool,
}

/// A mesh that is bound.
pub struct Bound {
    /// What was found at the contracts.
    pub report: DeploymentReport,
    /// The transaction that deployed them.
    pub transaction: Hash,
    /// Its block.
    pub block: u64,
    /// Gas it took.
    pub gas: u64,
    /// The `ProofVerifier`.
    pub verifier: Address,
    /// The hash of the genesis that names them.
    pub genesis: Hash,
    /// The accounts of the validators by label.
    pub accounts: Vec<(String, Address)>,
}

/// The home folders in the folder of a founded mesh, `node-1` and so on.
pub fn homes(folder: &Path) -> Result<Vec<Home>> {
    let mut homes = Vec::new();
    for i in 1.. {
        let path = folder.join(format!("node-{i}"));
        if !path.is_dir() {
            break;
        }
        homes.push(Home { path });
    }
    ensure!(
        !homes.is_empty(),
        "{} has no node-1: found a mesh with `phalanx init --mesh-of`",
        folder.display()
    );
    Ok(homes)
}

/// Checks that the folders are of one mesh that has not begun, and gives its genesis.
fn unbegun(homes: &[Home]) -> Result<Genesis> {
    let mut genesis: Option<Genesis> = None;
    for home in homes {
        let own = home.genesis()?;
        if home.file("data").exists() {
            return Err(Failure::because(
                Code::Refused,
                format!(
                    "{} has run already: a mesh is bound to a chain before its first beat",
                    home.path.display()
                ),
            ));
        }
        if own.chain.is_some() {
            return Err(Failure::because(
                Code::Refused,
                format!("the genesis in {} names a chain already", home.path.display()),
            ));
        }
        if let Some(first) = &genesis
            && *first != own
        {
            return Err(Failure::because(
                Code::Wrong,
                format!("{} is of another mesh than the folder before it", home.path.display()),
            ));
        }
        genesis = Some(own);
    }
    genesis.context("there is no home folder")
}

/// The keystore of a validator's account in its home folder, with its password beside it:
/// made anew, or the one of a deployment that was not finished.
fn signer_of(home: &Home) -> Result<KeySource> {
    let (path, password_file) = (PathBuf::from("keys/chain.json"), PathBuf::from("keys/chain-password"));
    let source = KeySource::Keystore {
        path: path.clone(),
        password_file: Some(password_file.clone()),
        password_env: None,
        password_credential: None,
    };
    if home.path.join(&path).exists() {
        return Ok(source);
    }
    let _ = fs::remove_file(home.path.join(&password_file));
    let mut secret = zeroize::Zeroizing::new([0_u8; 32]);
    getrandom::fill(&mut *secret).map_err(|e| anyhow::anyhow!("no random numbers: {e}"))?;
    let password = zeroize::Zeroizing::new(hex::encode(*secret));
    let file = home.path.join(&password_file);
    home::write_private(&file, password.as_bytes())?;
    keystore::create(&home.path.join(&path), &LocalKey::generate()?, &PasswordSource::File(file))?;
    Ok(source)
}

/// One validator's entry with the signatures that say that its keys belong together.
fn register(
    home: &Home,
    validator: &Validator,
    signer: &Signer,
    chain_id: u64,
    mesh: &Hash,
) -> Result<(SetEntry, Registration)> {
    let (network, vote) = (home.key("network")?, home.key("vote")?);
    ensure!(
        (network.public(), vote.public()) == (validator.network_key, validator.vote_key),
        "the keys in {} are not those that the genesis names for {}",
        home.path.display(),
        validator.label
    );
    let digest = digest::registration(chain_id, mesh, &network.public(), &vote.public());
    let entry = SetEntry {
        network_key: network.public(),
        vote_key: vote.public(),
        account: signer.address(),
        weight: u32::try_from(validator.base_weight.0)?,
    };
    let registration = Registration {
        account: signer.sign(&digest)?.to_64(),
        network: network.sign(tags::REGISTRATION, &digest.0),
        vote: vote.sign(tags::REGISTRATION, &digest.0),
    };
    Ok((entry, registration))
}

/// Deploys the contract that verifies proofs, with no keys yet, and checks it. Its address and
/// the gas it took.
pub async fn deploy_verifier(
    payer: &Account,
    chain: &Chain,
    owner: Address,
    anchor: Address,
) -> Result<(Address, u64)> {
    let receipt = payer.run(&TxPayload::create(ProofVerifier::creation(owner, anchor)?)).await?;
    let address = receipt.created.context("the transaction made no contract")?;
    ProofVerifier::new(chain.clone(), address).check(owner, anchor, receipt.block_number).await?;
    Ok((address, receipt.gas_used))
}

/// Deploys the contracts of a founded mesh, whose home folders are all here, and writes
/// them into its genesis and settings.
pub async fn bind(homes: &[Home], payer: &Account, chain: &Chain, plan: Plan) -> Result<Bound> {
    let mut genesis = unbegun(homes)?;
    ensure!(
        homes.len() == genesis.validators.len(),
        "the mesh has {} validators, but {} home folders are here",
        genesis.validators.len(),
        homes.len()
    );
    let mut signers = Vec::new();
    let mut validators = Vec::new();
    let mut accounts = Vec::new();
    for ((index, home), validator) in (0_u32..).zip(homes).zip(&genesis.validators) {
        let source = if plan.dev {
            KeySource::Dev { index: DEV_VALIDATORS.saturating_add(index) }
        } else {
            signer_of(home)?
        };
        let signer = source.clone().within(&home.path).open(chain.id(), plan.dev)?;
        validators.push(register(home, validator, &signer, chain.id(), &genesis.mesh)?);
        accounts.push((validator.label.to_string(), signer.address()));
        signers.push(source);
    }
    for (validator, (_, account)) in genesis.validators.iter_mut().zip(&accounts) {
        validator.chain_address = account.0;
    }
    validators.sort_by_key(|(entry, _)| entry.account);
    let deployment = DeploymentPlan {
        owner: plan.owner,
        mesh: genesis.mesh,
        validators,
        command_delay_s: plan.command_delay_s,
        force_delay_s: plan.force_delay_s,
    };
    let receipt = payer.run(&TxPayload::create(deployment.creation()?)).await?;
    let deployment = Deployment::from_receipt(&receipt, &genesis.mesh)?;
    let report = deployment.check(chain, receipt.block_number).await?;
    let (verifier, verifier_gas) = deploy_verifier(payer, chain, plan.owner, deployment.anchor).await?;
    let contracts = Contracts { chain: chain.clone(), deployment, report };
    genesis.chain = Some(contracts.binding());
    genesis.check()?;
    for (home, signer) in homes.iter().zip(signers) {
        let mut config = home.config()?;
        config.chain = Some(ChainConfig {
            from_block: receipt.block_number,
            signer: Some(signer),
            verifier: Some(verifier),
            ..plan.config.clone()
        });
        fs::write(home.file("config.toml"), toml::to_string_pretty(&config)?)?;
        fs::write(home.file("genesis.json"), serde_json::to_vec_pretty(&genesis)?)?;
    }
    Ok(Bound {
        report: contracts.report,
        transaction: receipt.tx_hash,
        block: receipt.block_number,
        gas: receipt.gas_used.saturating_add(verifier_gas),
        verifier,
        genesis: genesis.hash(),
        accounts,
    })
}
