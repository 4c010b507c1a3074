//! `phalanx owner status`.

use super::view;
use crate::{
    chain::ChainArgs,
    home::Home,
    output::{Code, Format},
};
use anyhow::Result;
use phalanx_governance::{
    contracts::commands::TicketState,
    safe::{Safe, SafeStatus, TxFile, queue},
    words,
};
use phalanx_types::Hash;
use serde_json::{Value, json};
use std::{collections::BTreeMap, fmt::Write, path::PathBuf};

/// Shows the Safe and what waits for it.
#[derive(clap::Args)]
pub struct Args {
    /// Files with transactions that wait.
    files: Vec<PathBuf>,
    /// The block of the contracts' deployment: waiting commands are looked for
    /// from there on [default: `[chain] from_block` in config.toml, or 0].
    #[arg(long, value_name = "BLOCK")]
    from_block: Option<u64>,
    #[command(flatten)]
    chain: ChainArgs,
}

/// Runs it.
pub fn run(home: &Home, format: Format, args: &Args) -> Result<Code> {
    let files = args.files.iter().map(|path| view::read(path)).collect::<Result<Vec<_>>>()?;
    let multi_send = crate::chain::multi_send(home, None)?;
    let from = match args.from_block {
        Some(from) => from,
        None => {
            let config = home.file("config.toml").exists().then(|| home.config()).transpose()?;
            config.and_then(|c| c.chain).map_or(0, |c| c.from_block)
        }
    };
    super::super::block_on(async {
        let contracts = args.chain.contracts(home).await?;
        let at = contracts.chain.tip().await?.number;
        let safe = Safe::new(contracts.chain.clone(), contracts.owner());
        let status = safe.status(at).await?;
        let mut consents: BTreeMap<Hash, u64> = BTreeMap::new();
        for file in files.iter().filter(|f| f.safe == status.safe && f.chain_id == status.chain_id) {
            let valid = safe.check(file, at).await?.valid;
            consents.insert(file.safe_tx_hash(), valid as u64);
        }
        let known = view::known(home, status.safe, multi_send, Some(&contracts));
        let commands = view::commands(&contracts);
        let (sequence, head) = commands.head(at).await?;
        let delay_s = commands.delay_s(at).await?;
        let mut text = of_safe(&status);
        _ = writeln!(text, "log     {sequence} commands, hash chain {head}, delay {delay_s} s");

        let mut items = Vec::new();
        _ = writeln!(text, "queue   {} files", files.len());
        let consents = |file: &TxFile| consents.get(&file.safe_tx_hash()).copied().unwrap_or_default();
        for item in queue::queue(&files, &status, consents) {
            let file = files.iter().find(|f| f.safe_tx_hash() == item.safe_tx_hash);
            let does = file.map(|f| words::transaction(&f.tx, &known)).unwrap_or_default();
            let ready = if item.is_next { ", can be executed" } else { "" };
            let (nonce, count, threshold) = (item.nonce, item.signatures, status.threshold);
            _ = writeln!(
                text,
                "  nonce {nonce}  {}  {count} of {threshold} signatures count{ready}",
                item.safe_tx_hash.short()
            );
            does.iter().for_each(|line| _ = writeln!(text, "    {line}"));
            item.warnings.iter().for_each(|warning| _ = writeln!(text, "    warning: {warning}"));
            let mut value = serde_json::to_value(&item)?;
            if let Value::Object(map) = &mut value {
                map.insert("does".to_owned(), does.iter().map(view::line).collect());
            }
            items.push(value);
        }

        let mut tickets = Vec::new();
        let waiting = commands.waiting(from, at).await?;
        _ = writeln!(text, "tickets {} commands wait on the chain", waiting.len());
        for ticket in waiting {
            let is_ready = ticket.state == TicketState::Ready;
            let what = match ticket.command() {
                Ok(command) => words::command(&command).to_string(),
                Err(error) => error.to_string(),
            };
            let when = match is_ready {
                true => "anybody may execute it, after those before it".to_owned(),
                false => format!("waits until {} s after 1970", ticket.ready_at_s),
            };
            _ = writeln!(text, "  ticket {}  {what}; {when}", ticket.ticket);
            tickets.push(json!({
                "ticket": ticket.ticket,
                "kind": ticket.kind,
                "does": what,
                "ready_at_s": ticket.ready_at_s,
                "is_ready": is_ready,
            }));
        }
        let value = json!({
            "block": at,
            "trusted": contracts.chain.trusted(),
            "contracts": contracts.deployment,
            "safe": status,
            "warnings": status.warnings(),
            "log": {"sequence": sequence, "head": head, "delay_s": delay_s},
            "queue": items,
            "tickets": tickets,
        });
        format.print(|| text, value);
        Ok(Code::Done)
    })
}

fn of_safe(status: &SafeStatus) -> String {
    let mut text = format!("Safe    {} on chain {}\n", status.safe, status.chain_id);
    let mut line = |name: &str, value: String| _ = writeln!(text, "{name:8}{value}");
    line("version", status.version.clone());
    for (owner, number) in status.owners.iter().zip(1..) {
        line(if number == 1 { "owners" } else { "" }, owner.to_string());
    }
    line("needs", format!("{} of {} signatures", status.threshold, status.owners.len()));
    line("nonce", format!("{} is the next one", status.nonce));
    line("has", format!("{} wei", status.balance));
    let modules: Vec<String> = status.modules.iter().map(ToString::to_string).collect();
    line("modules", if modules.is_empty() { "none".to_owned() } else { modules.join(" ") });
    line("guard", status.guard.map_or_else(|| "none".to_owned(), |g| g.to_string()));
    for warning in status.warnings() {
        line("warning", warning);
    }
    text
}
