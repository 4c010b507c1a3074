//! `phalanx chain`.

use crate::{
    binding::{self, Plan},
    chain::{self, ChainArgs, ChainConfig, KeyArgs},
    home::Home,
    output::{Code, Failure, Format},
};
use anyhow::Result;
use phalanx_governance::{
    Address,
    contracts::{Anchor, Commands, Registry},
    rpc::Chain,
    safe::{
        Safe,
        deploy::{SafeContracts, deploy_contracts, deploy_safe},
    },
    submit::account::Account,
};
use serde_json::{Value, json};
use std::{path::PathBuf, sync::Arc};

/// Binds a mesh to a chain, and shows what is there.
#[derive(clap::Subcommand)]
pub enum Command {
    /// Deploys the contracts of a founded mesh that has not begun, and writes them into
    /// its genesis.
    Deploy(Box<Deploy>),
    /// Shows the contracts: what is anchored, who is registered, who commands.
    Status {
        #[command(flatten)]
        chain: ChainArgs,
    },
}

/// How contracts are deployed.
#[derive(clap::Args)]
pub struct Deploy {
    /// The folder of `phalanx init --mesh-of`, with node-1 … node-N.
    #[arg(long, value_name = "DIR")]
    mesh: PathBuf,
    /// A JSON-RPC endpoint; twice for two that must agree.
    #[arg(long = "rpc", value_name = "URL", required = true)]
    rpc: Vec<String>,
    /// A Safe 1.4.1 that is to command.
    #[arg(long, value_name = "ADDRESS", conflicts_with_all = ["owner", "threshold"])]
    safe: Option<Address>,
    /// An owner of a new Safe; several times for several.
    #[arg(long, value_name = "ADDRESS")]
    owner: Vec<Address>,
    /// How many owners of the new Safe must sign.
    #[arg(long, value_name = "N", default_value_t = 2)]
    threshold: u64,
    /// npm's folder with `@safe-global/safe-contracts`: where the chain does not have the
    /// contracts behind Safes, they are deployed from it.
    #[arg(long, value_name = "DIR")]
    node_modules: Option<PathBuf>,
    /// Seconds that a command of the owner waits; a pause never does.
    #[arg(long, value_name = "S", default_value_t = 0)]
    command_delay: u32,
    /// Seconds between the request of a forced validator set and its execution.
    #[arg(long, value_name = "S", default_value_t = 172_800)]
    force_delay: u64,
    /// How many blocks deep is final.
    #[arg(long, value_name = "BLOCKS", default_value_t = 12)]
    depth: u64,
    /// How often the nodes look at the chain, in milliseconds.
    #[arg(long, value_name = "MS", default_value_t = 2_000)]
    poll: u64,
    /// How long a validator waits for each of those before it to anchor, in
    /// milliseconds.
    #[arg(long, value_name = "MS", default_value_t = 60_000)]
    takeover: u64,
    /// The key that pays.
    #[command(flatten)]
    payer: KeyArgs,
}

/// Runs it.
pub fn run(home: &Home, format: Format, command: Command) -> Result<Code> {
    match command {
        Command::Deploy(args) => super::block_on(Box::pin(deploy(format, *args))),
        Command::Status { chain } => super::block_on(status(home, format, chain)),
    }
}

/// The Safe that is to command, made when none is named, and the contract for batches.
async fn owner(chain: &Chain, payer: &Account, args: &Deploy) -> Result<(Address, Option<Address>)> {
    if let Some(safe) = args.safe {
        let at = chain.tip().await?.number;
        let status = Safe::new(chain.clone(), safe).status(at).await?;
        for warning in status.warnings() {
            eprintln!("warning: the Safe {safe}: {warning}");
        }
        return Ok((safe, None));
    }
    if args.owner.is_empty() {
        return Err(Failure::because(
            Code::Unreadable,
            "say who commands: --safe ADDRESS of a Safe, or --owner ADDRESS several times for a new one",
        ));
    }
    let canonical = SafeContracts::canonical()?;
    let at = chain.tip().await?.number;
    let is_there = !chain.code(canonical.proxy_factory, at).await?.is_empty();
    let contracts = match &args.node_modules {
        _ if is_there => canonical,
        Some(folder) => deploy_contracts(payer, folder).await?,
        None => {
            return Err(Failure::because(
                Code::Unavailable,
                "this chain has no Safe 1.4.1: deploy it from npm's files with --node-modules DIR, or name one with --safe",
            ));
        }
    };
    let safe = deploy_safe(payer, &contracts, &args.owner, args.threshold, at).await?;
    Ok((safe, (!is_there).then_some(contracts.multi_send_call_only)))
}

async fn deploy(format: Format, args: Deploy) -> Result<Code> {
    let homes = binding::homes(&args.mesh)?;
    let chain = chain::connect(&args.rpc, None).await?;
    let payer = Account::new(chain.clone(), Arc::new(args.payer.open(chain.id())?));
    let (safe, multi_send) = owner(&chain, &payer, &args).await?;
    let config = ChainConfig {
        depth: args.depth,
        poll_ms: args.poll,
        takeover_ms: args.takeover,
        multi_send,
        ..ChainConfig::new(args.rpc.clone(), 0)
    };
    config.check()?;
    let dev = args.payer.is_dev();
    let plan = Plan {
        owner: safe,
        command_delay_s: args.command_delay,
        force_delay_s: args.force_delay,
        config,
        dev,
    };
    let bound = binding::bind(&homes, &payer, &chain, plan).await?;
    let report = &bound.report;
    let text = || {
        let mut text = format!(
            "chain {}, block {}, transaction 0x{}, {} gas\nowner     {safe}\nregistry  {}\nanchor    {}\ncommands  {}\nverifier  {}\ngenesis   {}\n",
            chain.id(),
            bound.block,
            bound.transaction,
            bound.gas,
            report.deployment.registry,
            report.deployment.anchor,
            report.deployment.commands,
            bound.verifier,
            bound.genesis,
        );
        for (label, account) in &bound.accounts {
            text.push_str(&format!("{label:<9} {account}\n"));
        }
        text.push_str(if dev {
            "DEVELOPMENT KEYS: everybody knows them; start the nodes with --dev"
        } else {
            "each validator's account pays for the checkpoints that it anchors: send it some gas"
        });
        text
    };
    let accounts: Vec<Value> =
        bound.accounts.iter().map(|(label, account)| json!({"label": label, "account": account})).collect();
    let value = json!({
        "chain_id": chain.id().to_string(), "block": bound.block.to_string(), "transaction": bound.transaction,
        "gas": bound.gas.to_string(), "owner": safe, "deployment": report.deployment,
        "verifier": bound.verifier,
        "genesis": bound.genesis, "validators": accounts, "dev": dev,
    });
    format.print(text, value);
    Ok(Code::Done)
}

async fn status(home: &Home, format: Format, args: ChainArgs) -> Result<Code> {
    let contracts = args.contracts(home).await?;
    let (chain, deployment) = (&contracts.chain, &contracts.deployment);
    let at = chain.tip().await?.number;
    let registry = Registry::new(chain.clone(), deployment.registry);
    let (epoch, set_hash) = registry.current(at).await?;
    let set = registry.set_of(epoch, at).await?;
    let pending = registry.pending(at).await?;
    let forced = registry.forced_epochs(at).await?;
    let (anchored, hash) = Anchor::new(chain.clone(), deployment.anchor).head(at).await?;
    let commands = Commands::new(chain.clone(), deployment.commands, deployment.mesh);
    let (sequence, log) = commands.head(at).await?;
    let delay = commands.delay_s(at).await?;
    let text = || {
        let mut text = format!(
            "chain {} at block {at}, by {}\nmesh      {}\nowner     {}\nregistry  {}\nanchor    {}\ncommands  {}\n",
            chain.id(),
            chain.trusted().join(" and "),
            deployment.mesh,
            contracts.owner(),
            deployment.registry,
            deployment.anchor,
            deployment.commands,
        );
        text.push_str(&format!("anchored  checkpoint {anchored} {hash}\n"));
        text.push_str(&format!("obeyed    {sequence} commands, hash chain {log}, delay {delay} s\n"));
        text.push_str(&format!("epoch     {epoch}, set {set_hash}\n"));
        for entry in &set.entries {
            text.push_str(&format!(
                "          {} weight {} votes with {}\n",
                entry.account,
                entry.weight,
                entry.vote_key.short()
            ));
        }
        if let Some(pending) = &pending {
            text.push_str(&format!(
                "pending   set {}: the next checkpoint of the mesh that names it brings it in\n",
                pending.hash
            ));
        }
        for epoch in &forced {
            text.push_str(&format!(
                "FORCED    epoch {epoch} began without the signatures of the set before it\n"
            ));
        }
        text
    };
    let value = json!({
        "chain_id": chain.id().to_string(), "block": at.to_string(), "trusted": chain.trusted(),
        "contracts": contracts.report, "anchored": anchored, "anchored_hash": hash,
        "commands": sequence.to_string(), "commands_chain": log, "command_delay_s": delay,
        "epoch": epoch.to_string(), "set_hash": set_hash, "set": set.entries,
        "pending": pending.map(|p| p.hash), "forced_epochs": forced,
    });
    format.print(text, value);
    Ok(Code::Done)
}
