//! `phalanx proof spend`: the statement of a proof, given to the contract once.

use super::{
    keys::KeyArgs,
    onchain::{verifier_of, words},
    report::{self, Verdict},
    verify,
};
use crate::{
    chain::{self, ChainArgs},
    commands::block_on,
    home::Home,
    output::{Code, Failure, Format},
};
use anyhow::{Context as _, Result};
use phalanx_circuits::{groth16::VerifyingKey, proof_file::Context, snarkjs::Calldata};
use phalanx_governance::{
    Address,
    contracts::{ProofVerifier, verifier::Answer},
    submit::account::{Account, TxPayload},
};
use phalanx_types::{Checkpoint, Hash};
use serde_json::json;
use std::{path::PathBuf, sync::Arc};

/// Which proof, and who pays.
#[derive(clap::Args)]
pub struct Args {
    /// The proof file, made with --chain-id and --contract of this contract.
    file: PathBuf,
    /// The checkpoint that it is about, as `phalanx checkpoint export` prints it.
    #[arg(long, value_name = "FILE")]
    checkpoint: PathBuf,
    /// The `ProofVerifier` [default: the one in config.toml].
    #[arg(long, value_name = "ADDRESS")]
    verifier: Option<Address>,
    #[command(flatten)]
    key: KeyArgs,
    #[command(flatten)]
    chain: ChainArgs,
    /// The key that pays.
    #[command(flatten)]
    payer: chain::KeyArgs,
}

/// A statement that the contract has taken.
struct Spent {
    nullifier: Hash,
    statement: Hash,
    transaction: Hash,
    block: u64,
    gas: u64,
}

/// What is spent: all parts of a proof that is valid here.
struct Valid<'a> {
    key: &'a VerifyingKey,
    calldata: &'a Calldata,
    context: &'a Context,
    nullifier: Hash,
}

/// Runs it. What is not valid here is not sent.
pub fn run(home: &Home, format: Format, args: &Args) -> Result<Code> {
    let checkpoint = verify::checkpoint(&args.checkpoint)?;
    let verdict = verify::one(home, &args.key, &args.file, &checkpoint)?;
    if verdict.code != Code::Done {
        return Ok(report::print(format, &[verdict], &[], &[], None));
    }
    let valid = Valid::of(&verdict)?;
    let spent = block_on(Box::pin(spend(home, args, &valid, &checkpoint)))?;
    let Spent { nullifier, statement, transaction, block, gas } = spent;
    format.print(
        || {
            format!(
                "spent: {}\n  nullifier   0x{nullifier}\n  statement   0x{statement}\n  transaction 0x{transaction}, \
                 block {block}, {gas} gas",
                args.file.display()
            )
        },
        json!({
            "file": args.file, "nullifier": nullifier, "statement": statement, "transaction": transaction,
            "block": block.to_string(), "gas": gas.to_string(),
        }),
    );
    Ok(Code::Done)
}

impl<'a> Valid<'a> {
    fn of(verdict: &'a Verdict) -> Result<Self> {
        let context = verdict.openings.as_ref().and_then(|openings| openings.context.as_ref());
        let nullifier = verdict.input("nullifier").and_then(|digits| digits.parse().ok());
        let (Some((_, key)), Some(calldata)) = (&verdict.key, &verdict.calldata) else {
            anyhow::bail!("a valid proof has a key and words for the chain");
        };
        let (Some(context), Some(nullifier)) = (context, nullifier) else {
            let reason = format!(
                "{}: a proof of this statement has no nullifier: it can be shown, not spent",
                verdict.name
            );
            return Err(Failure::because(Code::Wrong, reason));
        };
        Ok(Self { key, calldata, context, nullifier })
    }
}

async fn spend(home: &Home, args: &Args, valid: &Valid<'_>, checkpoint: &Checkpoint) -> Result<Spent> {
    let contracts = args.chain.contracts(home).await?;
    let chain = &contracts.chain;
    let address = args.verifier.map_or_else(|| verifier_of(home), Ok)?;
    let context = valid.context;
    if (context.chain_id, context.contract) != (chain.id(), address.0) {
        let reason = format!(
            "{}: the proof is made for the contract {} on chain {}; for this one, prove it again with --chain-id {} \
             --contract {address}",
            args.file.display(),
            Address(context.contract),
            context.chain_id,
            chain.id()
        );
        return Err(Failure::because(Code::Wrong, reason));
    }
    let verifier = ProofVerifier::new(chain.clone(), address);
    let at = chain.tip().await?.number;
    verifier.check(contracts.owner(), contracts.deployment.anchor, at).await?;
    if let Some(statement) = verifier.spent(&valid.nullifier, at).await? {
        let reason = format!(
            "the nullifier 0x{} is spent already, by the statement 0x{statement}: an agent makes one statement for \
             each purpose and nonce; choose another --purpose",
            valid.nullifier
        );
        return Err(Failure::because(Code::Refused, reason));
    }
    let circuit = valid.key.identity().circuit_hash;
    let (inputs, proof) = (valid.calldata.input_words(), words(valid.calldata)?);
    // What the contract would refuse costs nothing this way, and is told with its reason.
    match verifier.verify(&circuit, Some(checkpoint), &inputs, &proof, at).await? {
        Answer::Holds => {}
        Answer::Fails => {
            return Err(Failure::because(Code::Refused, "the contract does not take the proof"));
        }
        Answer::Refused(reason) => {
            return Err(Failure::because(Code::Refused, format!("the contract refuses the proof: {reason}")));
        }
    }
    let call = verifier.spend(&circuit, &context.purpose_hash(), checkpoint, &inputs, &proof);
    let payer = Account::new(chain.clone(), Arc::new(args.payer.open(chain.id())?));
    let receipt = payer.run(&TxPayload::call(call.to, call.data)).await?;
    let statement = verifier.spent(&valid.nullifier, receipt.block_number).await?;
    Ok(Spent {
        nullifier: valid.nullifier,
        statement: statement.context("the transaction was mined, but the nullifier is not spent")?,
        transaction: receipt.tx_hash,
        block: receipt.block_number,
        gas: receipt.gas_used,
    })
}
