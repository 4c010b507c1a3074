//! Proofs and keys on the chain.

use super::report::{OnChain, Verdict};
use crate::{
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
    submit::account::{Account, TxPayload},
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
    /// Also asks this `ProofVerifier`; with --checkpoint, whether the root is anchored, too.
    #[arg(long, value_name = "ADDRESS")]
    verifier: Option<Address>,
    /// Also compares the contract's keys with the local ones.
    #[arg(long, requires = "verifier")]
    against_contract: bool,
    #[command(flatten)]
    chain: ChainArgs,
}

/// Deploys a `ProofVerifier` for the mesh's owner and anchor.
pub fn deploy(home: &Home, format: Format, args: &DeployArgs) -> Result<Code> {
    let (address, gas, owner) = block_on(Box::pin(async {
        let contracts = args.chain.contracts(home).await?;
        let (owner, anchor) = (contracts.owner(), contracts.deployment.anchor);
        let payer = Arc::new(args.payer.open(contracts.chain.id())?);
        let account = Account::new(contracts.chain.clone(), payer);
        let creation = ProofVerifier::creation(owner, anchor)?;
        let receipt = account.run(&TxPayload::create(creation)).await?;
        let created = receipt.created.filter(|_| receipt.is_success);
        let address = created.ok_or_else(|| Failure::because(Code::Refused, "it was not created"))?;
        let verifier = ProofVerifier::new(contracts.chain.clone(), address);
        verifier.check(owner, anchor, receipt.block_number).await?;
        Ok((address, receipt.gas_used, owner))
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
        let Some(address) = self.verifier else { return };
        let asked = block_on(Box::pin(self.ask_all(home, address, verdicts, checkpoints)));
        if let Err(error) = asked {
            for verdict in verdicts.iter_mut().filter(|v| v.code == Code::Done && v.on_chain.is_none()) {
                verdict.refuse(Code::Unavailable, format!("the contract cannot be asked: {error:#}"));
            }
        }
    }

    async fn ask_all(
        &self,
        home: &Home,
        address: Address,
        verdicts: &mut [Verdict],
        checkpoints: &[Checkpoint],
    ) -> Result<()> {
        let contracts = self.chain.contracts(home).await?;
        let at = contracts.chain.tip().await?.number;
        let verifier = ProofVerifier::new(contracts.chain.clone(), address);
        verifier.check(contracts.owner(), contracts.deployment.anchor, at).await?;
        for verdict in verdicts.iter_mut().filter(|verdict| verdict.code == Code::Done) {
            let (Some((circuit, key)), Some(calldata)) = (&verdict.key, &verdict.calldata) else { continue };
            let circuit_hash = key.identity().circuit_hash;
            if self.against_contract {
                let expected = circuit_key(*circuit, key).points;
                let found = verifier.key(&circuit_hash, at).await?;
                if found.as_ref() != Some(&expected) {
                    let what = if found.is_some() { "another" } else { "no" };
                    let reason = format!("the contract has {what} key of {circuit}");
                    verdict.refuse(Code::Wrong, reason);
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

fn words(calldata: &Calldata) -> Result<ProofWords> {
    let words = calldata.proof_words();
    words.try_into().map_err(|_| anyhow::anyhow!("a proof has eight words"))
}
