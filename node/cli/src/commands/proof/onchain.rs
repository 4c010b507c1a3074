//! Proofs and keys on the chain.

use super::report::{OnChain, Verdict};
use crate::{
    binding,
    chain::{ChainArgs, KeyArgs},
    commands::block_on,
    files,
    home::Home,
    output::{Code, Failure, Format},
};
use anyhow::Result;
use phalanx_circuits::{
    groth16::{Provenance, VerifyingKey},
    native::bytes_of,
    snarkjs::{Calldata, Places, chain_key},
};
use phalanx_governance::{
    Address,
    contracts::{
        CircuitKey, ProofVerifier,
        verifier::{Answer, ProofWords},
    },
    submit::account::Account,
};
use phalanx_types::{Checkpoint, Hash};
use serde_json::json;
use std::sync::Arc;

/// How the contract that verifies is deployed.
#[derive(clap::Args)]
pub struct DeployArgs {
    #[command(flatten)]
    chain: ChainArgs,
    /// The key that pays.
    #[command(flatten)]
    payer: KeyArgs,
}

/// Which contract is asked.
#[derive(clap::Args)]
pub struct OnChainArgs {
    /// Also asks this `ProofVerifier`; with --checkpoint, whether the root is anchored, too
    /// [default with --rpc or --against-contract: the one in config.toml].
    #[arg(long, value_name = "ADDRESS")]
    verifier: Option<Address>,
    /// Also compares the contract's keys with the local ones.
    #[arg(long)]
    against_contract: bool,
    #[command(flatten)]
    chain: ChainArgs,
}

/// Deploys a `ProofVerifier` for the mesh's owner and anchor: for a mesh that was bound without one, or
/// in place of another.
pub fn deploy(home: &Home, format: Format, args: &DeployArgs) -> Result<Code> {
    let (address, gas, owner) = block_on(Box::pin(async {
        let contracts = args.chain.contracts(home).await?;
        let (owner, anchor) = (contracts.owner(), contracts.deployment.anchor);
        let payer = Arc::new(args.payer.open(contracts.chain.id())?);
        let account = Account::new(contracts.chain.clone(), payer);
        let (address, gas) = binding::deploy_verifier(&account, &contracts.chain, owner, anchor).await?;
        Ok((address, gas, owner))
    }))?;
    if home.file("config.toml").exists() {
        note(home, address)?;
    }
    format.print(
        || {
            format!(
                "verifier  {address}, {gas} gas\nowner     {owner} sets its keys: `phalanx proof export --format safe`"
            )
        },
        json!({"verifier": address, "gas": gas.to_string(), "owner": owner}),
    );
    Ok(Code::Done)
}

/// Writes the contract into the settings of a home folder, so that owners are told what calls of
/// it do.
fn note(home: &Home, verifier: Address) -> Result<()> {
    let mut config = home.config()?;
    if let Some(chain) = &mut config.chain {
        chain.verifier = Some(verifier);
        files::replace(&home.file("config.toml"), toml::to_string_pretty(&config)?.as_bytes())?;
    }
    Ok(())
}

/// The key as the owner sets it.
pub fn circuit_key(circuit: phalanx_circuits::catalog::AnyStatement, key: &VerifyingKey) -> CircuitKey {
    let Places { root, root_at, nullifier_at, context_at } = Places::of(circuit);
    CircuitKey {
        circuit: key.identity().circuit_hash,
        // The contract reads a zero as a key for development.
        transcript: match key.identity().provenance {
            Provenance::Dev => Hash::ZERO,
            Provenance::Ceremony { transcript } => transcript,
        },
        places: [root, root_at, nullifier_at, context_at],
        points: chain_key(key.raw()),
    }
}

impl OnChainArgs {
    /// Asks the contract about all that is valid here. Whatever goes wrong is told by the verdicts.
    pub fn ask(&self, home: &Home, verdicts: &mut [Verdict], checkpoints: &[Checkpoint]) {
        if self.verifier.is_none() && !self.against_contract && !self.chain.is_online() {
            return;
        }
        let asked = block_on(Box::pin(self.ask_all(home, verdicts, checkpoints)));
        if let Err(error) = asked {
            for verdict in verdicts.iter_mut().filter(|v| v.code == Code::Done && v.on_chain.is_none()) {
                verdict.refuse(Code::Unavailable, format!("the contract cannot be asked: {error:#}"));
            }
        }
    }

    async fn ask_all(&self, home: &Home, verdicts: &mut [Verdict], checkpoints: &[Checkpoint]) -> Result<()> {
        let address = self.verifier.map_or_else(|| verifier_of(home), Ok)?;
        let contracts = self.chain.contracts(home).await?;
        let at = contracts.chain.tip().await?.number;
        let verifier = ProofVerifier::new(contracts.chain.clone(), address);
        verifier.check(contracts.owner(), contracts.deployment.anchor, at).await?;
        for verdict in verdicts.iter_mut().filter(|verdict| verdict.code == Code::Done) {
            let (Some((circuit, key)), Some(calldata)) = (&verdict.key, &verdict.calldata) else { continue };
            let circuit_hash = key.identity().circuit_hash;
            if self.against_contract {
                let expected = circuit_key(*circuit, key);
                let found = verifier.key(&circuit_hash, at).await?;
                if let Some(differs) = difference(&expected, found.as_ref()) {
                    verdict.refuse(Code::Wrong, format!("the contract has {differs} of {circuit}"));
                    continue;
                }
            }
            let root = calldata.inputs.first().copied().map(bytes_of);
            let of_root = |c: &&Checkpoint| {
                let roots = [c.agents_root, c.audit_root];
                root.is_some_and(|root| roots.contains(&root))
            };
            let checkpoint = checkpoints.iter().find(of_root);
            let words: ProofWords = words(calldata)?;
            let inputs = calldata.input_words();
            match verifier.verify(&circuit_hash, checkpoint, &inputs, &words, at).await? {
                Answer::Holds => {
                    let anchored = checkpoint.map(|checkpoint| checkpoint.number);
                    verdict.on_chain = Some(OnChain { block: at, anchored });
                }
                Answer::Fails => verdict.refuse(Code::Refused, "the contract does not take it".to_owned()),
                Answer::Refused(reason) => {
                    verdict.refuse(Code::Refused, format!("the contract refuses it: {reason}"));
                }
            }
        }
        Ok(())
    }
}

/// What the contract has in place of a key; none when it has this one.
fn difference(expected: &CircuitKey, found: Option<&CircuitKey>) -> Option<&'static str> {
    match found {
        None => Some("no key"),
        Some(found) if found.points != expected.points => Some("another key"),
        Some(found) if found.transcript != expected.transcript => {
            Some("the key of another ceremony's transcript")
        }
        Some(found) if found.places != expected.places => Some("a key that looks at other inputs"),
        Some(_) => None,
    }
}

/// A proof as the contract takes it.
pub fn words(calldata: &Calldata) -> Result<ProofWords> {
    let words = calldata.proof_words();
    words.try_into().map_err(|_| anyhow::anyhow!("a proof has eight words"))
}

/// The contract in the settings.
pub fn verifier_of(home: &Home) -> Result<Address> {
    let config = home.file("config.toml").exists().then(|| home.config()).transpose()?;
    let found = config.and_then(|config| config.chain).and_then(|chain| chain.verifier);
    found.ok_or_else(|| {
        let reason = "name the contract with --verifier ADDRESS: config.toml has none (`phalanx proof deploy` makes one)";
        Failure::because(Code::Unreadable, reason)
    })
}
