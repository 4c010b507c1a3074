//! `phalanx owner tx`: files with a transaction of the Safe, on their way
//! between owners.

use super::view::{self, KnownArgs, View};
use crate::{
    chain::KeyArgs,
    files,
    home::Home,
    output::{Code, Failure, Format},
    proofs::{self, TrustArgs},
};
use anyhow::{Context, Result};
use phalanx_governance::{
    safe::{
        TxFile,
        builder::BuilderFile,
        chain::{Consent, SafeError, Simulated},
    },
    submit::account::{Account, TxPayload},
    words::{self, Known},
};
use serde_json::json;
use std::{
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
        /// Sign what is not understood here: calls of unknown contracts, and
        /// delegate calls, which can take the Safe over.
        #[arg(long)]
        blind: bool,
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
        #[command(flatten)]
        key: KeyArgs,
        #[command(flatten)]
        known: KnownArgs,
    },
    /// Writes the calls as a file of Safe's transaction builder, which has no
    /// nonce and no signatures.
    Export {
        /// The file.
        file: PathBuf,
        /// The file to write; never overwritten.
        #[arg(long, value_name = "OUT.json")]
        builder: PathBuf,
    },
}

/// Runs it.
pub fn run(home: &Home, format: Format, command: Command) -> Result<Code> {
    match command {
        Command::Show { file, check, trust, known } => {
            show(home, format, &file, check.then_some(&trust), &known)
        }
        Command::Sign { file, out, blind, key, known } => {
            sign(home, format, &file, out.as_deref(), blind, &key, &known)
        }
        Command::Merge { files, out } => merge(home, format, &files, &out),
        Command::Simulate { file, known } => {
            let file = view::read(&file)?;
            super::super::block_on(simulate(home, format, &file, &known))
        }
        Command::Exec { file, key, known } => {
            let file = view::read(&file)?;
            super::super::block_on(exec(home, format, &file, &key, &known))
        }
        Command::Export { file, builder } => export(format, &file, &builder),
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
    let mut view = if args.chain.is_online() {
        super::super::block_on(view_online(home, &file, args))?
    } else {
        View::of(&file, &args.offline(home, &file)?)
    };
    let mut code = Code::Done;
    if let Some(trust) = check {
        let verifier = trust.verifier(home)?;
        let mut verdicts = Vec::with_capacity(file.evidence.len());
        let mut lines = Vec::with_capacity(file.evidence.len());
        for (piece, number) in file.evidence.iter().zip(1..) {
            let (is_valid, verdict) = match verifier.verify(&serde_json::to_vec(piece)?) {
                Ok(shown) => (true, format!("valid: {}", proofs::words(&shown))),
                Err(error) => (false, format!("not valid: {error}")),
            };
            if !is_valid {
                code = Code::Refused;
            }
            lines.push(format!("evidence {number}: {verdict}"));
            verdicts.push(json!({"is_valid": is_valid, "verdict": verdict}));
        }
        if verdicts.is_empty() {
            lines.push("there is no evidence in the file".to_owned());
        }
        view.add("checked", json!(verdicts), &lines.join("\n"));
    }
    format.print(|| view.text, view.value);
    Ok(code)
}

/// With the consent of each who has signed.
async fn view_online(home: &Home, file: &TxFile, args: &KnownArgs) -> Result<View> {
    let (known, online) = args.online(home, file).await?;
    let mut view = View::of(file, &known);
    let status = online.safe.status(online.at).await?;
    let checked = online.safe.check(file, None, online.at).await?;
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
    view.warn(&warnings);
    Ok(view)
}

fn sign(
    home: &Home,
    format: Format,
    path: &Path,
    out: Option<&Path>,
    blind: bool,
    key: &KeyArgs,
    args: &KnownArgs,
) -> Result<Code> {
    let mut file = view::read(path)?;
    if let Some(out) = out {
        files::check_new(out)?;
    }
    let (known, owners, warnings) = if args.chain.is_online() {
        super::super::block_on(async {
            let (known, online) = args.online(home, &file).await?;
            let status = online.safe.status(online.at).await?;
            Ok((known, Some(status.owners), online.warnings))
        })?
    } else {
        (args.offline(home, &file)?, None, Vec::new())
    };

    // Shown before anything is signed, also to whoever reads only JSON.
    let mut view = View::of(&file, &known);
    view.warn(&warnings);
    match format {
        Format::Text => crate::output::say(view.text.trim_end()),
        Format::Json => eprintln!("{}", view.text.trim_end()),
    }
    if words::is_blind(&file.tx, &known) && !blind {
        return Err(blind_refusal(&known));
    }
    let signer = key.open(file.chain_id)?;
    let owner = signer.address();
    if owners.is_some_and(|owners| !owners.contains(&owner)) {
        let text = format!("{owner} is no owner of Safe {}: use the key of one", file.safe);
        return Err(Failure::because(Code::Wrong, text));
    }
    file.sign(&signer)?;
    let text = file.write()?;
    match out {
        Some(out) => files::write_new(out, text.as_bytes())?,
        None => files::replace(path, text.as_bytes())?,
    }
    let to = out.unwrap_or(path);
    let value = json!({
        "signer": owner,
        "safe_tx_hash": file.safe_tx_hash(),
        "signatures": file.signatures().len(),
        "file": to,
        "warnings": warnings,
    });
    format.print(|| format!("signed by {owner}; written to {}", to.display()), value);
    Ok(Code::Done)
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
    let mut view = View::of(&file, &view::known(file.safe, multi_send, None));
    let count = file.signatures().len();
    let text = format!("{count} signatures; written to {}", out.display());
    view.add("file", json!(out), "");
    format.print(|| text, view.value);
    Ok(Code::Done)
}

async fn simulate(home: &Home, format: Format, file: &TxFile, args: &KnownArgs) -> Result<Code> {
    let (known, online) = args.online(home, file).await?;
    let found = online.safe.simulate(&file.tx, online.at).await?;
    let would_succeed = matches!(found, Simulated::Success(_));
    let mut view = View::of(file, &known);
    view.warn(&online.warnings);
    let verdict = words::simulated(&file.tx, &known, &found);
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

async fn exec(home: &Home, format: Format, file: &TxFile, key: &KeyArgs, args: &KnownArgs) -> Result<Code> {
    let (known, online) = args.online(home, file).await?;
    let signer = key.open(online.chain.id())?;
    let account = Account::new(online.chain.clone(), Arc::new(signer));
    let data = online.safe.exec_calldata(file, account.address(), online.at).await?;
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
