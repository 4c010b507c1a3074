//! `phalanx owner tx`: files with a transaction of the Safe, on their way
//! between owners.

use super::view::{self, KnownArgs, Online, View};
use crate::{
    chain::{Contracts, FEE_MAX_GWEI, GWEI, KeyArgs},
    commands::anchored,
    files,
    home::Home,
    output::{Code, Failure, Format},
    proofs::TrustArgs,
};
use anyhow::{Context, Result};
use phalanx_governance::{
    Address,
    contracts::ChainCommand,
    safe::{
        OwnerSignature, Safe, SafeStatus, TxFile,
        builder::BuilderFile,
        chain::{Consent, SafeError, Simulated},
    },
    submit::account::{Account, TxPayload},
    translate::{Registrar, translate},
    words::{self, Known},
};
use phalanx_types::Hash;
use serde_json::json;
use std::{
    cmp::Ordering,
    path::{Path, PathBuf},
    sync::Arc,
    time::{SystemTime, UNIX_EPOCH},
};

/// Files with a transaction.
#[derive(clap::Subcommand)]
pub enum Command {
    /// Shows what a transaction does, and the hashes that hardware wallets
    /// show. With --rpc also which signatures count.
    Show {
        /// The file.
        file: PathBuf,
        /// Check each piece of evidence in it; exit code 1 when one does not
        /// hold.
        #[arg(long)]
        check: bool,
        #[command(flatten)]
        trust: TrustArgs,
        #[command(flatten)]
        known: KnownArgs,
    },
    /// Shows what a transaction does, and signs it.
    Sign {
        /// The file.
        file: PathBuf,
        /// Where the signed file is written; never overwritten [default: in
        /// place].
        #[arg(long, value_name = "FILE")]
        out: Option<PathBuf>,
        #[command(flatten)]
        consent: ConsentArgs,
        #[command(flatten)]
        by: ByArgs,
        #[command(flatten)]
        known: KnownArgs,
    },
    /// Sends an owner's consent to the chain (approveHash): for owners whose wallets send
    /// transactions and sign nothing else.
    Approve {
        /// The file; that the owner has consented is noted in it.
        file: PathBuf,
        #[command(flatten)]
        consent: ConsentArgs,
        /// Most that is paid for a unit of gas, tip included, in gwei.
        #[arg(long, value_name = "GWEI", default_value_t = FEE_MAX_GWEI)]
        fee_max: u64,
        #[command(flatten)]
        key: KeyArgs,
        #[command(flatten)]
        known: KnownArgs,
    },
    /// Takes the signatures of several files of one transaction together.
    Merge {
        /// The files.
        #[arg(required = true, num_args = 2..)]
        files: Vec<PathBuf>,
        /// The file to write; never overwritten.
        #[arg(long, value_name = "FILE")]
        out: PathBuf,
    },
    /// Says what would happen now, whoever has signed; exit code 1 when it
    /// would fail.
    Simulate {
        /// The file.
        file: PathBuf,
        #[command(flatten)]
        known: KnownArgs,
    },
    /// Checks the signatures, simulates, and executes.
    Exec {
        /// The file.
        file: PathBuf,
        /// Most that is paid for a unit of gas, tip included, in gwei.
        #[arg(long, value_name = "GWEI", default_value_t = FEE_MAX_GWEI)]
        fee_max: u64,
        #[command(flatten)]
        key: KeyArgs,
        #[command(flatten)]
        known: KnownArgs,
    },
    /// Writes the transaction for other programs.
    #[command(group = clap::ArgGroup::new("for").required(true))]
    Export {
        /// The file.
        file: PathBuf,
        /// The calls as a file of Safe's transaction builder, which has no nonce and no
        /// signatures; never overwritten.
        #[arg(long, value_name = "OUT.json", group = "for")]
        builder: Option<PathBuf>,
        /// What owners sign, as EIP-712 typed data for wallets (eth_signTypedData_v4);
        /// never overwritten. `tx sign --signature` takes what they give.
        #[arg(long, value_name = "OUT.json", group = "for")]
        typed_data: Option<PathBuf>,
    },
}

/// Runs it.
pub fn run(home: &Home, format: Format, command: Command) -> Result<Code> {
    match command {
        Command::Show { file, check, trust, known } => {
            show(home, format, &file, check.then_some(&trust), &known)
        }
        Command::Sign { file, out, consent, by, known } => {
            sign(home, format, &file, out.as_deref(), &consent, &by, &known)
        }
        Command::Approve { file, consent, fee_max, key, known } => {
            approve(home, format, &file, &consent, fee_max, &key, &known)
        }
        Command::Merge { files, out } => merge(home, format, &files, &out),
        Command::Simulate { file, known } => {
            let file = view::read(&file)?;
            super::super::block_on(simulate(home, format, &file, &known))
        }
        Command::Exec { file, fee_max, key, known } => {
            let file = view::read(&file)?;
            super::super::block_on(exec(home, format, &file, fee_max, &key, &known))
        }
        Command::Export { file, builder: Some(out), .. } => export(format, &file, &out),
        Command::Export { file, builder: None, typed_data } => {
            let file = view::read(&file)?;
            let out = typed_data.context("name the file to write")?;
            files::write_new(&out, format!("{:#}\n", file.typed_data()).as_bytes())?;
            let text = format!(
                "written to {}: sign it, and then: phalanx owner tx sign --signature HEX",
                out.display()
            );
            format.print(|| text, json!({"file": out, "safe_tx_hash": file.safe_tx_hash()}));
            Ok(Code::Done)
        }
    }
}

fn show(
    home: &Home,
    format: Format,
    path: &Path,
    check: Option<&TrustArgs>,
    args: &KnownArgs,
) -> Result<Code> {
    let file = view::read(path)?;
    let Seen { mut view, mesh, .. } = see(home, &file, args)?;
    let mut code = Code::Done;
    if let Some(trust) = check {
        let verifier = trust.verifier(home)?;
        let mut verdicts = Vec::with_capacity(file.evidence.len());
        let mut lines = Vec::with_capacity(file.evidence.len());
        for (piece, number) in file.evidence.iter().zip(1..) {
            let (mut is_valid, mut verdict) = (false, String::new());
            match verifier.evidence(&serde_json::to_vec(piece)?, mesh) {
                Ok(found) => {
                    is_valid = true;
                    verdict = format!("valid: {}", found.words);
                    if args.chain.is_online() {
                        let none = async |_, _| Ok(Vec::new());
                        let asked = anchored::on_chain(home, &args.chain, &found.checkpoint, None, none);
                        let on_chain = super::super::block_on(asked)?;
                        is_valid = on_chain.is_anchored();
                        verdict = format!("{verdict}\n{}", anchored::words(&on_chain).trim_end());
                    }
                }
                // Who names no genesis can check nothing.
                Err(error) if verifier.document().is_none() => return Err(error),
                Err(error) => verdict.push_str(&format!("not valid: {error:#}")),
            }
            if !is_valid {
                code = Code::Refused;
            }
            lines.push(format!("evidence {number}: {verdict}"));
            verdicts.push(json!({"is_valid": is_valid, "verdict": verdict}));
        }
        if verdicts.is_empty() {
            lines.push("there is no evidence in the file".to_owned());
            code = Code::Refused;
        }
        view.add("checked", json!(verdicts), &lines.join("\n"));
    }
    format.print(|| view.text, view.value);
    Ok(code)
}

/// A transaction and, where it could be asked, what the chain says of it.
struct Seen {
    view: View,
    known: Known,
    /// The mesh that the contracts are of, when they are named.
    mesh: Option<Hash>,
    status: Option<SafeStatus>,
    warnings: Vec<String>,
}

/// Looks at a transaction. A chain that is named must answer; that of the home folder may
/// be away, or another one than is meant.
fn see(home: &Home, file: &TxFile, args: &KnownArgs) -> Result<Seen> {
    let is_at_home = args.chain.endpoints(home).is_ok();
    let mut warnings = Vec::new();
    if args.chain.is_online() || is_at_home {
        match super::super::block_on(see_online(home, file, args)) {
            Err(error) if !args.chain.is_online() => {
                warnings.push(format!("the chain of the home folder was not asked: {error:#}"));
            }
            asked => return asked,
        }
    }
    let known = args.offline(home, file)?;
    let mut view = View::of(file, &known);
    view.warn(&warnings);
    Ok(Seen { view, known, mesh: None, status: None, warnings })
}

/// Commands in a transaction that the mesh would not obey.
fn meaningless(file: &TxFile, contracts: &Contracts) -> Result<Vec<String>> {
    let registrar = Registrar { chain_id: file.chain_id, mesh: contracts.deployment.mesh };
    let calls = file.tx.calls()?.unwrap_or_default();
    let commands = calls.iter().filter(|call| call.to == contracts.deployment.commands);
    let refused = commands.filter_map(|call| {
        let command = ChainCommand::from_calldata(&call.data).ok()??;
        let words = words::command(&command).to_string();
        translate(command, &registrar)
            .err()
            .map(|error| format!("the mesh would not obey this: {words}: {error}"))
    });
    Ok(refused.collect())
}

/// With the consent of each who has signed.
async fn see_online(home: &Home, file: &TxFile, args: &KnownArgs) -> Result<Seen> {
    let (known, online) = args.online(home, file).await?;
    let mut view = View::of(file, &known);
    let status = online.safe.status(online.at).await?;
    let checked = online.safe.check(file, online.at).await?;
    let lines: Vec<String> = checked
        .consents
        .iter()
        .map(|(owner, consent)| format!("the signature of {owner} {}", view::consent(consent)))
        .chain([format!("{} signatures count; {} are needed", checked.valid, checked.threshold)])
        .collect();
    let consents: Vec<_> = checked
        .consents
        .iter()
        .map(|(owner, consent)| {
            let counts = *consent == Consent::Valid;
            json!({"owner": owner, "counts": counts, "verdict": view::consent(consent)})
        })
        .collect();
    let value = json!({"signatures": consents, "valid": checked.valid, "threshold": checked.threshold});
    view.add("consent", value, &lines.join("\n"));
    let mut warnings = online.warnings;
    warnings.extend(status.warnings());
    if file.tx.nonce != status.nonce {
        warnings.push(SafeError::Nonce { expected: status.nonce, found: file.tx.nonce }.to_string());
    }
    if let Some(contracts) = &online.contracts {
        warnings.extend(meaningless(file, contracts)?);
    }
    view.warn(&warnings);
    let mesh = online.contracts.as_ref().map(|contracts| contracts.deployment.mesh);
    Ok(Seen { view, known, mesh, status: Some(status), warnings })
}

/// What an owner says about the transaction that is to be signed.
#[derive(clap::Args)]
pub struct ConsentArgs {
    /// Sign what is not understood here: calls of unknown contracts, and
    /// delegate calls, which can take the Safe over.
    #[arg(long)]
    blind: bool,
    /// The safeTxHash of what you have looked at; any other is not signed.
    /// Needed where a line begins with !.
    #[arg(long, value_name = "HASH", value_parser = hash)]
    safe_tx_hash: Option<Hash>,
}

/// A hash as it is shown, with 0x, or without.
fn hash(text: &str) -> Result<Hash, phalanx_types::DecodeError> {
    text.strip_prefix("0x").unwrap_or(text).parse()
}

impl ConsentArgs {
    fn check(&self, file: &TxFile, known: &Known) -> Result<()> {
        let hash = file.safe_tx_hash();
        let refuse = |text: String| Err(Failure::because(Code::Refused, text));
        match self.safe_tx_hash {
            Some(meant) if meant != hash => {
                return refuse(format!("not signed: the file has safeTxHash 0x{hash}, not 0x{meant}"));
            }
            None if words::is_grave(&file.tx, known) => {
                return refuse(format!(
                    "not signed: lines that begin with ! change who rules, or cannot be undone. If that is meant, say \
                     --safe-tx-hash 0x{hash}"
                ));
            }
            _ => {}
        }
        if words::is_blind(&file.tx, known) && !self.blind {
            return Err(blind_refusal(known));
        }
        Ok(())
    }
}

/// Who signs, or has signed elsewhere.
#[derive(clap::Args)]
pub struct ByArgs {
    /// A signature that was made elsewhere, in hex: by a wallet over the typed data or
    /// the safeTxHash, or whatever the contract of --contract accepts.
    #[arg(long, value_name = "HEX", group = "chain_key")]
    signature: Option<String>,
    /// The owner is this contract, which checks the signature itself (EIP-1271).
    #[arg(long, value_name = "ADDRESS", requires = "signature")]
    contract: Option<Address>,
    #[command(flatten)]
    key: KeyArgs,
}

impl ByArgs {
    fn consent(&self, file: &TxFile) -> Result<OwnerSignature> {
        let Some(digits) = &self.signature else {
            let signer = self.key.open(file.chain_id)?;
            return Ok(file.signature_of(&signer)?);
        };
        let unreadable =
            |reason: String| Failure::because(Code::Unreadable, format!("--signature: {reason}"));
        let bytes = hex::decode(digits.trim_start_matches("0x")).map_err(|e| unreadable(e.to_string()))?;
        match self.contract {
            Some(owner) => Ok(OwnerSignature::Contract { owner, signature: bytes }),
            None => {
                OwnerSignature::of_wallet(&bytes, &file.safe_tx_hash()).map_err(|e| unreadable(e.to_string()))
            }
        }
    }
}

/// Shows a transaction to who is to consent to it, also where only JSON is read, and asks
/// whether that was meant.
fn show_first(format: Format, seen: &Seen, consent: &ConsentArgs, file: &TxFile) -> Result<()> {
    match format {
        Format::Text => crate::output::say(seen.view.text.trim_end()),
        Format::Json => crate::output::warn(seen.view.text.trim_end()),
    }
    consent.check(file, &seen.known)
}

/// Whether an owner's consent can be of use.
fn check_owner(seen: &Seen, file: &TxFile, owner: Address) -> Result<()> {
    let Some(status) = &seen.status else { return Ok(()) };
    if !status.owners.contains(&owner) {
        let text = format!("{owner} is no owner of Safe {}: use the key of one", file.safe);
        return Err(Failure::because(Code::Wrong, text));
    }
    if file.tx.nonce < status.nonce {
        return Err(SafeError::Nonce { expected: status.nonce, found: file.tx.nonce }.into());
    }
    Ok(())
}

fn sign(
    home: &Home,
    format: Format,
    path: &Path,
    out: Option<&Path>,
    consent: &ConsentArgs,
    by: &ByArgs,
    args: &KnownArgs,
) -> Result<Code> {
    let mut file = view::read(path)?;
    if let Some(out) = out {
        files::check_new(out)?;
    }
    let seen = see(home, &file, args)?;
    show_first(format, &seen, consent, &file)?;
    let signature = by.consent(&file)?;
    let (owner, is_claim) = (signature.owner(), signature.is_claim());
    check_owner(&seen, &file, owner)?;
    file.add(signature)?;
    match out {
        Some(out) => files::write_new(out, file.write()?.as_bytes())?,
        None => write_back(&mut file, path)?,
    }
    let to = out.unwrap_or(path);
    let value = json!({
        "signer": owner,
        "safe_tx_hash": file.safe_tx_hash(),
        "signatures": file.signatures().len(),
        "file": to,
        "warnings": seen.warnings,
    });
    let what = if is_claim { "noted as a claim of" } else { "signed by" };
    format.print(|| format!("{what} {owner}; written to {}", to.display()), value);
    Ok(Code::Done)
}

/// Replaces a file by its new content, with what another owner has added meanwhile.
fn write_back(file: &mut TxFile, path: &Path) -> Result<()> {
    file.merge(&view::read(path)?).context("the file has changed while it was signed")?;
    files::replace(path, file.write()?.as_bytes())
}

fn approve(
    home: &Home,
    format: Format,
    path: &Path,
    consent: &ConsentArgs,
    fee_max_gwei: u64,
    key: &KeyArgs,
    args: &KnownArgs,
) -> Result<Code> {
    let mut file = view::read(path)?;
    let seen = see(home, &file, args)?;
    show_first(format, &seen, consent, &file)?;
    let (owner, receipt) = super::super::block_on(async {
        let (_, online) = args.online(home, &file).await?;
        let account = payer(&online, key, fee_max_gwei)?;
        check_owner(&seen, &file, account.address())?;
        let payload = TxPayload::call(file.safe, Safe::approve_calldata(&file));
        anyhow::Ok((account.address(), account.run(&payload).await?))
    })?;
    file.add(OwnerSignature::ApprovedHash { owner })?;
    write_back(&mut file, path)?;
    let value = json!({
        "owner": owner, "safe_tx_hash": file.safe_tx_hash(), "transaction": receipt.tx_hash,
        "block": receipt.block_number, "gas": receipt.gas_used, "file": path,
    });
    let text = format!(
        "approved on the chain by {owner}: transaction 0x{} in block {}; noted in {}",
        receipt.tx_hash,
        receipt.block_number,
        path.display()
    );
    format.print(|| text, value);
    Ok(Code::Done)
}

/// The account that pays for a transaction.
fn payer(online: &Online, key: &KeyArgs, fee_max_gwei: u64) -> Result<Account> {
    let signer = key.open(online.chain.id())?;
    let fee_max = u128::from(fee_max_gwei).saturating_mul(GWEI);
    Ok(Account::new(online.chain.clone(), Arc::new(signer)).with_fee_max(fee_max))
}

fn blind_refusal(known: &Known) -> anyhow::Error {
    let hint = if known.commands.is_none() {
        "; give --rpc with --anchor, or --commands ADDRESS, so that calls of OwnerCommands are understood"
    } else {
        ""
    };
    let text = format!(
        "not signed: lines that begin with ? are not understood here{hint}. Say --blind to sign nevertheless"
    );
    Failure::because(Code::Refused, text)
}

fn merge(home: &Home, format: Format, paths: &[PathBuf], out: &Path) -> Result<Code> {
    files::check_new(out)?;
    let mut merged: Option<TxFile> = None;
    for path in paths {
        let file = view::read(path)?;
        match &mut merged {
            Some(merged) => merged.merge(&file).with_context(|| path.display().to_string())?,
            None => merged = Some(file),
        }
    }
    let file = merged.context("name the files to merge")?;
    files::write_new(out, file.write()?.as_bytes())?;
    let multi_send = crate::chain::multi_send(home, None)?;
    let mut view = View::of(&file, &view::known(home, file.safe, multi_send, None));
    let count = file.signatures().len();
    let text = format!("{count} signatures; written to {}", out.display());
    view.add("file", json!(out), "");
    format.print(|| text, view.value);
    Ok(Code::Done)
}

async fn simulate(home: &Home, format: Format, file: &TxFile, args: &KnownArgs) -> Result<Code> {
    let (known, online) = args.online(home, file).await?;
    let found = online.safe.simulate(&file.tx, online.at).await?;
    let nonce = online.safe.nonce(online.at).await?;
    let would_succeed = matches!(found, Simulated::Success(_)) && file.tx.nonce >= nonce;
    let mut view = View::of(file, &known);
    view.warn(&online.warnings);
    let simulated = words::simulated(&file.tx, &known, &found);
    let verdict = match file.tx.nonce.cmp(&nonce) {
        Ordering::Equal => simulated,
        Ordering::Greater => {
            format!("{simulated}; its nonce {} comes after the Safe's next one, {nonce}", file.tx.nonce)
        }
        Ordering::Less => SafeError::Nonce { expected: nonce, found: file.tx.nonce }.to_string(),
    };
    let value = json!({"would_succeed": would_succeed, "verdict": verdict, "block": online.at});
    view.add("simulation", value, &format!("at block {}: {verdict}", online.at));
    if would_succeed
        && let Some(contracts) = &online.contracts
        && let delay_s @ 1.. = view::commands(contracts).delay_s(online.at).await?
    {
        let text = format!(
            "commands other than pauses would wait {delay_s} s as tickets, then anybody may execute them"
        );
        view.add("delay_s", json!(delay_s), &text);
    }
    format.print(|| view.text, view.value);
    Ok(if would_succeed { Code::Done } else { Code::Refused })
}

async fn exec(
    home: &Home,
    format: Format,
    file: &TxFile,
    fee_max_gwei: u64,
    key: &KeyArgs,
    args: &KnownArgs,
) -> Result<Code> {
    let (known, online) = args.online(home, file).await?;
    let account = payer(&online, key, fee_max_gwei)?;
    let data = online.safe.exec_calldata(file, online.at).await?;
    let found = online.safe.simulate(&file.tx, online.at).await?;
    let mut view = View::of(file, &known);
    view.warn(&online.warnings);
    let verdict = words::simulated(&file.tx, &known, &found);
    view.add("simulation", json!(verdict), &format!("at block {}: {verdict}", online.at));
    if let Simulated::Failure { .. } = found {
        view.add("executed", json!(false), "not sent");
        format.print(|| view.text, view.value);
        return Ok(Code::Refused);
    }
    let receipt = account.run(&TxPayload::call(file.safe, data)).await?;
    online.safe.check_executed(file, &receipt)?;
    let text = format!(
        "executed by {}: transaction 0x{} in block {}, {} gas",
        account.address(),
        receipt.tx_hash,
        receipt.block_number,
        receipt.gas_used
    );
    view.add("executed", json!(true), &text);
    view.add("transaction", json!(receipt.tx_hash), "");
    view.add("block", json!(receipt.block_number), "");
    view.add("gas", json!(receipt.gas_used), "");
    if let Some(contracts) = &online.contracts {
        let effects = view::commands(contracts).effects(&receipt)?;
        let effects: Vec<String> = effects.iter().map(words::effect).collect();
        view.add("effects", json!(effects), &effects.join("\n"));
    }
    format.print(|| view.text, view.value);
    Ok(Code::Done)
}

fn export(format: Format, path: &Path, out: &Path) -> Result<Code> {
    let file = view::read(path)?;
    let name = format!("nonce {} of {}", file.tx.nonce, file.safe);
    let calls = BuilderFile::of(&file, &name)?;
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    let now_ms = u64::try_from(now.as_millis()).unwrap_or(u64::MAX);
    files::write_new(out, calls.write(now_ms).as_bytes())?;
    let count = calls.calls.len();
    format.print(
        || format!("{count} calls written to {}; nonce and signatures are not in it", out.display()),
        json!({"file": out, "calls": count}),
    );
    Ok(Code::Done)
}
