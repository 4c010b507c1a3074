//! What a transaction of the owner does, in words.
//!
//! Rule **G4**: whatever is signed is shown. Calldata that is not understood
//! to its last byte is shown whole, in hex, and said to be unknown.

use crate::{
    abi,
    address::{Address, Wei},
    contracts::{
        command::{ChainCommand, ChainMode, CommandError, Registration},
        commands::Effect,
    },
    digest::keccak,
    safe::{Call, Operation, OwnerSignature, SafeTx, TxFile, chain::Simulated, tx::read_multi_send},
};
use ethers::core::abi::{AbiDecode, AbiEncode, Token};
use phalanx_types::{
    Name,
    policy::{Binds, Policy},
};
use std::fmt;

/// Which addresses have a meaning.
#[derive(Clone, Debug, Default)]
pub struct Known {
    /// The Safe.
    pub safe: Address,
    /// MultiSendCallOnly: the only contract that a delegate call should run.
    pub multi_send: Option<Address>,
    /// `OwnerCommands`.
    pub commands: Option<Address>,
    /// `CheckpointAnchor`.
    pub anchor: Option<Address>,
    /// `ValidatorRegistry`.
    pub registry: Option<Address>,
    /// `ProofVerifier`.
    pub verifier: Option<Address>,
}

/// How much attention a line deserves.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Care {
    /// What was meant to be.
    Plain,
    /// It changes who rules, or cannot be undone.
    Grave,
    /// Nobody here knows what it does.
    Unknown,
}

/// One thing that a transaction does.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Line {
    /// In words.
    pub text: String,
    /// How grave it is.
    pub care: Care,
}

impl Line {
    fn plain(text: impl Into<String>) -> Self {
        Self { text: text.into(), care: Care::Plain }
    }

    fn grave(text: impl Into<String>) -> Self {
        Self { text: text.into(), care: Care::Grave }
    }

    fn unknown(text: impl Into<String>) -> Self {
        Self { text: text.into(), care: Care::Unknown }
    }
}

impl fmt::Display for Line {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mark = match self.care {
            Care::Plain => "",
            Care::Grave => "! ",
            Care::Unknown => "? ",
        };
        write!(f, "{mark}{}", self.text)
    }
}

/// A file: the Safe, the nonce, the three hashes, and what it does.
#[must_use]
pub fn file(file: &TxFile, known: &Known) -> String {
    let mut text = format!("Safe {} on chain {}, nonce {}\n", file.safe, file.chain_id, file.tx.nonce);
    for (position, line) in transaction(&file.tx, known).iter().enumerate() {
        text.push_str(&format!("  {}. {line}\n", position + 1));
    }
    text.push_str(&format!(
        "domain hash   0x{}\nmessage hash  0x{}\nsafeTxHash    0x{}\n",
        file.domain_hash(),
        file.message_hash(),
        file.safe_tx_hash()
    ));
    match file.signatures() {
        [] => text.push_str("signed by nobody yet\n"),
        list => {
            for signature in list {
                let owner = signature.owner();
                text.push_str(&match signature {
                    OwnerSignature::Ecdsa { .. } | OwnerSignature::EthSign { .. } => {
                        format!("signed by {owner}\n")
                    }
                    OwnerSignature::ApprovedHash { .. } => {
                        format!(
                            "said to be approved on the chain by {owner}, which only the chain can tell\n"
                        )
                    }
                    OwnerSignature::Contract { .. } => {
                        format!(
                            "said to be accepted by the contract {owner}, which only the chain can tell\n"
                        )
                    }
                });
            }
        }
    }
    text
}

/// What a transaction does: one line a call.
#[must_use]
pub fn transaction(tx: &SafeTx, known: &Known) -> Vec<Line> {
    if tx.is_cancel(known.safe) {
        return vec![Line::plain(format!(
            "uses up nonce {} and does nothing: whatever else has this nonce is cancelled",
            tx.nonce
        ))];
    }
    match tx.operation {
        Operation::Call => {
            vec![call(&Call { to: tx.to, value: tx.value, data: tx.data.clone() }, known)]
        }
        Operation::DelegateCall if known.multi_send == Some(tx.to) && tx.value == Wei(0) => {
            match read_multi_send(&tx.data) {
                Ok(Some(calls)) => calls.iter().map(|c| call(c, known)).collect(),
                Ok(None) => vec![Line::unknown(format!(
                    "runs MultiSendCallOnly with data that is no batch: {}",
                    hex_of(&tx.data)
                ))],
                Err(error) => {
                    vec![Line::unknown(format!("runs a broken batch ({error}): {}", hex_of(&tx.data)))]
                }
            }
        }
        Operation::DelegateCall => vec![Line::unknown(format!(
            "lets the code at {} act as the Safe itself, which can do anything, take it over too{}: data {}",
            tx.to,
            sending(tx.value),
            hex_of(&tx.data)
        ))],
    }
}

/// Whether somebody who signs this would sign what nobody here understands.
#[must_use]
pub fn is_blind(tx: &SafeTx, known: &Known) -> bool {
    transaction(tx, known).iter().any(|line| line.care == Care::Unknown)
}

/// Whether something in it changes who rules, or cannot be undone.
#[must_use]
pub fn is_grave(tx: &SafeTx, known: &Known) -> bool {
    transaction(tx, known).iter().any(|line| line.care == Care::Grave)
}

/// What the calls of a transaction would do if those whom they call were the
/// `OwnerCommands` of the mesh: for readers who do not know its address, and
/// must compare it. Only for calls that have no words of their own.
#[must_use]
pub fn assumed(tx: &SafeTx, known: &Known) -> Vec<String> {
    let calls = match tx.operation {
        Operation::DelegateCall if known.multi_send != Some(tx.to) => return Vec::new(),
        _ => tx.calls().ok().flatten().unwrap_or_default(),
    };
    if known.commands.is_some() {
        return Vec::new();
    }
    let meant = [Some(known.safe), known.anchor, known.registry, known.verifier];
    let is_else = |to: Address| meant.contains(&Some(to));
    calls
        .iter()
        .filter(|call| !is_else(call.to) && !call.data.is_empty())
        .filter_map(|call| match command_call(&call.data) {
            Line { care: Care::Unknown, .. } => None,
            line => Some(format!("if {} is OwnerCommands of your mesh: {line}", call.to)),
        })
        .collect()
}

/// What would happen now, as a simulation found.
#[must_use]
pub fn simulated(tx: &SafeTx, known: &Known, found: &Simulated) -> String {
    let (position, reverted) = match found {
        Simulated::Success(_) => return "it would succeed now".to_owned(),
        Simulated::Failure { position, reverted } => (*position, reverted),
    };
    let lines = transaction(tx, known);
    match position.and_then(|at| Some((at, lines.get(at)?))) {
        Some((at, line)) => format!("it would fail now, in call {} ({line}): {reverted}", at + 1),
        None if tx.operation == Operation::DelegateCall => {
            format!("it would fail now, though each of its calls alone would not: {reverted}")
        }
        None => format!("it would fail now: {reverted}"),
    }
}

/// What a mined transaction did to the log and the queue of commands.
#[must_use]
pub fn effect(effect: &Effect) -> String {
    let what = |kind: u8, command: Result<ChainCommand, CommandError>| match command {
        Ok(command) => self::command(&command).to_string(),
        Err(_) => format!("a command of kind {kind}, which is not known here"),
    };
    match effect {
        Effect::Logged(logged) => {
            format!("command {} of the log: {}", logged.sequence, what(logged.kind, logged.command()))
        }
        Effect::Queued(ticket) => format!(
            "ticket {} waits until {} s after 1970: {}",
            ticket.ticket,
            ticket.ready_at_s,
            what(ticket.kind, ticket.command())
        ),
        Effect::Cancelled(ticket) => format!("ticket {ticket} is taken back"),
    }
}

/// What one call does.
#[must_use]
pub fn call(call: &Call, known: &Known) -> Line {
    let to = Some(call.to);
    let mut line = if to == known.commands {
        command_call(&call.data)
    } else if call.to == known.safe {
        safe_call(&call.data)
    } else if to == known.anchor {
        contract_call("CheckpointAnchor", &call.data)
    } else if to == known.registry {
        contract_call("ValidatorRegistry", &call.data)
    } else if to == known.verifier {
        verifier_call(&call.data)
    } else if call.data.is_empty() {
        return Line::grave(format!("sends {} wei to {}", call.value, call.to));
    } else {
        Line::unknown(format!("calls {}, which is not known here: data {}", call.to, hex_of(&call.data)))
    };
    if call.value.0 > 0 {
        line.text.push_str(&sending(call.value));
        line.care = line.care.max(Care::Grave);
    }
    line
}

fn sending(value: Wei) -> String {
    if value.0 == 0 { String::new() } else { format!(", sending {value} wei") }
}

fn hex_of(data: &[u8]) -> String {
    format!("0x{}", hex::encode(data))
}

fn unknown_call(contract: &str, data: &[u8]) -> Line {
    Line::unknown(format!("calls {contract} with data that is not known here: {}", hex_of(data)))
}

/// A call of another of our contracts: its function and its arguments by name.
fn contract_call(contract: &'static str, data: &[u8]) -> Line {
    match abi::known_call(contract, data) {
        Some(call) => {
            let arguments: Vec<String> =
                call.arguments.iter().map(|(name, token)| format!("{name}: {}", abi::show(token))).collect();
            Line::plain(format!("calls {}.{}({})", call.contract, call.function, arguments.join(", ")))
        }
        None => unknown_call(contract, data),
    }
}

fn verifier_call(data: &[u8]) -> Line {
    let Some(call) = abi::known_call("ProofVerifier", data) else {
        return unknown_call("ProofVerifier", data);
    };
    let is_zero = |token: &Token| token.clone().into_fixed_bytes().is_some_and(|b| b.iter().all(|b| *b == 0));
    match (call.function.as_str(), call.arguments.as_slice()) {
        ("setKey", [(_, circuit), (_, transcript), (_, places), (_, points)]) => {
            let origin = if is_zero(transcript) {
                "a DEVELOPMENT key, under which its maker can forge proofs".to_owned()
            } else {
                format!("the key of the ceremony with the transcript {}", abi::show(transcript))
            };
            let points = points.clone().into_bytes().unwrap_or_default();
            Line::grave(format!(
                "sets {origin}, for the circuit {}: keccak256 of its points {}, places {}",
                abi::show(circuit),
                keccak(&points),
                abi::show(places)
            ))
        }
        ("removeKey", [(_, circuit)]) => Line::grave(format!(
            "removes the key of the circuit {}: no proof of it is taken",
            abi::show(circuit)
        )),
        _ => contract_call("ProofVerifier", data),
    }
}

fn command_call(data: &[u8]) -> Line {
    match ChainCommand::from_calldata(data) {
        Ok(Some(known)) => command(&known),
        // The queue's own functions.
        Ok(None) => match abi::known_call("OwnerCommands", data) {
            Some(call) => match (call.function.as_str(), call.arguments.as_slice()) {
                ("cancel", [(_, ticket)]) => {
                    Line::plain(format!("takes back the waiting command with ticket {}", abi::show(ticket)))
                }
                ("execute", [(_, ticket), (_, kind), (_, payload)]) => {
                    let what = match (kind.clone().into_uint(), payload.clone().into_bytes()) {
                        (Some(kind), Some(payload)) => abi::small(kind)
                            .and_then(|k| u8::try_from(k).ok())
                            .and_then(|k| ChainCommand::decode(k, &payload).ok())
                            .map(|c| command(&c)),
                        _ => None,
                    };
                    let ticket = abi::show(ticket);
                    match what {
                        Some(line) => {
                            Line { text: format!("executes ticket {ticket}: {}", line.text), care: line.care }
                        }
                        None => unknown_call("OwnerCommands", data),
                    }
                }
                _ => contract_call("OwnerCommands", data),
            },
            None => unknown_call("OwnerCommands", data),
        },
        Err(_) => unknown_call("OwnerCommands", data),
    }
}

/// What a call of the Safe to itself does.
fn safe_call(data: &[u8]) -> Line {
    /// Decodes, and sees that encoding gives the same bytes.
    fn exact<C: AbiDecode + AbiEncode + Clone>(data: &[u8]) -> Option<C> {
        C::decode(data).ok().filter(|call: &C| call.clone().encode() == data)
    }
    let a = |address: ethers::core::types::H160| Address::of(address);
    if let Some(c) = exact::<abi::AddOwnerWithThresholdCall>(data) {
        return Line::grave(format!(
            "makes {} an owner of the Safe; then {} owners must sign",
            a(c.owner),
            c.threshold
        ));
    }
    if let Some(c) = exact::<abi::RemoveOwnerCall>(data) {
        return Line::grave(format!(
            "removes {} from the owners of the Safe (listed behind {}); then {} owners must sign",
            a(c.owner),
            a(c.prev_owner),
            c.threshold
        ));
    }
    if let Some(c) = exact::<abi::SwapOwnerCall>(data) {
        return Line::grave(format!(
            "puts {} in the place of owner {} (listed behind {})",
            a(c.new_owner),
            a(c.old_owner),
            a(c.prev_owner)
        ));
    }
    if let Some(c) = exact::<abi::ChangeThresholdCall>(data) {
        return Line::grave(format!("from then on {} owners must sign", c.threshold));
    }
    if let Some(c) = exact::<abi::EnableModuleCall>(data) {
        return Line::grave(format!(
            "lets module {} act for the Safe without any owner's signature",
            a(c.module)
        ));
    }
    if let Some(c) = exact::<abi::DisableModuleCall>(data) {
        return Line::grave(format!(
            "module {} may no longer act for the Safe (listed behind {})",
            a(c.module),
            a(c.prev_module)
        ));
    }
    if let Some(c) = exact::<abi::SetGuardCall>(data) {
        let guard = a(c.guard);
        return Line::grave(if guard.is_zero() {
            "removes the guard of the Safe".to_owned()
        } else {
            format!("lets guard {guard} stop any transaction of the Safe")
        });
    }
    if let Some(c) = exact::<abi::SetFallbackHandlerCall>(data) {
        return Line::grave(format!("lets {} answer calls that the Safe does not know", a(c.handler)));
    }
    if let Some(c) = exact::<abi::ApproveHashCall>(data) {
        return Line::grave(format!(
            "approves hash {} in the name of the Safe itself",
            hex_of(&c.hash_to_approve)
        ));
    }
    if data.is_empty() {
        return Line::plain("calls the Safe itself and does nothing");
    }
    unknown_call("the Safe itself", data)
}

fn names(list: &[Name]) -> String {
    if list.is_empty() {
        return "nowhere".into();
    }
    list.iter().map(Name::as_str).collect::<Vec<_>>().join(", ")
}

fn keys(list: &[phalanx_types::PublicKey]) -> String {
    list.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ")
}

/// Millionths as percent.
fn percent(ppm: u32) -> String {
    let (whole, part) = (ppm / 10_000, ppm % 10_000);
    if part == 0 {
        return format!("{whole} %");
    }
    format!("{whole}.{} %", format!("{part:04}").trim_end_matches('0'))
}

/// What an owner command does.
#[must_use]
pub fn command(command: &ChainCommand) -> Line {
    use ChainCommand as C;
    let ppm = |value: &u32| percent(*value);
    let plain = |text: String| Line::plain(text);
    match command {
        C::PauseMesh => plain("pauses the whole mesh, at once: no job is taken or assigned".into()),
        C::ResumeMesh => plain("ends the pause of the mesh".into()),
        C::PauseShard { shard } => plain(format!("pauses shard {shard}, at once: it takes no job")),
        C::ResumeShard { shard } => plain(format!("ends the pause of shard {shard}")),
        C::SetShard { name, queue_budget, latency_budget_ms, spillover, specialties } => plain(format!(
            "adds shard {name} or replaces its settings: at most {queue_budget} jobs wait, latency budget \
             {latency_budget_ms} ms, overflow goes to {}, specialties {}",
            names(spillover),
            if specialties.is_empty() { "none".into() } else { names(specialties) }
        )),
        C::SetShardBudget { shard, queue_budget, latency_budget_ms } => plain(format!(
            "sets the budgets of shard {shard}: at most {queue_budget} jobs wait, latency {latency_budget_ms} ms"
        )),
        C::SetShardWeight { shard, weight_ppm } => {
            plain(format!("sets the weight of shard {shard} to {}", ppm(weight_ppm)))
        }
        C::SetSpillover { shard, spillover } => {
            plain(format!("sends the overflow of shard {shard} to {}", names(spillover)))
        }
        C::SetThermostat { limit_ppm } => {
            plain(format!("lets assignment fill {} of each worker's capacity", ppm(limit_ppm)))
        }
        C::SetOptimisation { performance, cost, reliability, sustainability } => plain(format!(
            "sets goals, by which nothing is decided yet: performance {}, cost {}, reliability {}, sustainability {}",
            ppm(performance),
            ppm(cost),
            ppm(reliability),
            ppm(sustainability)
        )),
        C::SetVerification { level, fraction_ppm } => match level {
            0 => plain("receipts only what is always receipted (verification none)".into()),
            1 => plain(format!("receipts {} of all subjects (verification sample)", ppm(fraction_ppm))),
            2 => plain("receipts everything (verification full audit)".into()),
            other => Line::unknown(format!(
                "sets verification level {other}, which is not known here, to {}",
                ppm(fraction_ppm)
            )),
        },
        C::SetMode { mode } => Line::grave(match mode {
            ChainMode::Centralized(succession) => format!(
                "lets one controller propose (centralized); it and its successors: {}",
                keys(succession)
            ),
            ChainMode::Federated(regions) => {
                let each: Vec<String> =
                    regions.iter().map(|(r, list)| format!("{r}: {}", keys(list))).collect();
                format!("lets one coordinator a region propose and vote (federated): {}", each.join("; "))
            }
            ChainMode::FullyDistributed => {
                "lets all validators propose in turn and vote alike (fully distributed)".into()
            }
            ChainMode::GeometricMesh => {
                "lets all validators propose in turn, weighted by distance (geometric mesh)".into()
            }
        }),
        C::SetTenant { name, keys: list, limits } => plain(format!(
            "adds tenant {name} or replaces its settings: {} jobs, {} agents, {} thousandths of a core, {} MiB, {} \
             thousandths of a GPU at most; who may sign for it: {}",
            limits.jobs_max,
            limits.agents_max,
            limits.cpu_milli_max,
            limits.memory_mib_max,
            limits.gpu_milli_max,
            if list.is_empty() { "nobody".into() } else { keys(list) }
        )),
        C::SetValidators { validators } => {
            let each: Vec<String> = validators
                .iter()
                .map(|v| {
                    format!(
                        "{} in {} with weight {} (account {}, vote key {}, network key {}{})",
                        v.label,
                        v.region,
                        v.entry.weight,
                        v.entry.account,
                        v.entry.vote_key,
                        v.entry.network_key,
                        if v.registration == Registration::NONE {
                            ", as before"
                        } else {
                            ", with a registration"
                        }
                    )
                })
                .collect();
            Line::grave(format!(
                "proposes {} validators as the next set: {}",
                validators.len(),
                each.join("; ")
            ))
        }
        C::WithdrawValidators { set_hash } => {
            Line::grave(format!("drops the pending validator set {set_hash}"))
        }
        C::RequestForce { set_hash } => Line::grave(format!(
            "starts the delay after which validator set {set_hash} may be forced WITHOUT the signatures of the current one"
        )),
        C::CancelForce { set_hash } => {
            plain(format!("takes back the request to force validator set {set_hash}"))
        }
        C::ExecuteForce { set_hash } => Line::grave(format!(
            "forces validator set {set_hash} WITHOUT the signatures of the current one, for everybody to see for ever"
        )),
        C::ApproveWorker { worker, key } => plain(format!("lets key {key} sign for worker {worker}")),
        C::RevokeWorker { worker } => {
            plain(format!("worker {worker} may no longer work; its attempts are queued again"))
        }
        C::AdmitPeer { network_key, label } => {
            plain(format!("lets peer {network_key} ({label}) join the mesh"))
        }
        C::BanPeer { network_key, reason, until_ms } => plain(format!(
            "cuts peer {network_key} off {}, because {reason:?}",
            if *until_ms == u64::MAX { "for ever".into() } else { format!("until {until_ms} ms after 1970") }
        )),
        C::SetPolicy { name, document } => plain(match Policy::parse(document) {
            Ok(policy) => format!("adds policy {name} or replaces it: {}", policy_words(&policy)),
            Err(error) => format!(
                "proposes a policy {name} that the mesh will refuse, since {error}: {}",
                text_or_hex(document)
            ),
        }),
        C::RemovePolicy { name } => plain(format!("removes policy {name}")),
        C::Payload { data } => plain(format!(
            "writes {} bytes into the log that mean nothing to the mesh: {}",
            data.len(),
            text_or_hex(data)
        )),
        C::Reconcile { applied, head } => Line::grave(format!(
            "tells a mesh that stopped obeying, because the chain has changed its past, to go on after this: \
             it has applied command {applied}, with the hash chain {head}"
        )),
        C::SetDelay { delay_s } => Line::grave(format!(
            "lets later commands wait {delay_s} s before they can be executed (a pause never waits)"
        )),
    }
}

/// Bytes as text where they are printable ASCII, else in hex; whole.
/// What a policy says, in one line.
fn policy_words(policy: &Policy) -> String {
    let binds = match &policy.binds {
        Binds::Named => "the agents that name it".to_owned(),
        Binds::Tenants(tenants) => {
            let tenants: Vec<Name> = tenants.iter().cloned().collect();
            format!("the agents that name it and all of {}", names(&tenants))
        }
        Binds::All => "every agent".to_owned(),
    };
    let mut words = format!("it binds {binds}");
    if policy.prove {
        words.push_str("; it is to be proven at each checkpoint");
    }
    if let Some(idle_max_ms) = policy.idle_max_ms {
        words.push_str(&format!("; who is not used for {idle_max_ms} ms is ended"));
    }
    for constraint in &policy.constraints {
        words.push_str(&format!("; {}: must be {}", constraint.name, constraint.rule));
    }
    words
}

fn text_or_hex(bytes: &[u8]) -> String {
    let is_text = !bytes.is_empty() && bytes.iter().all(|b| b.is_ascii_graphic() || *b == b' ');
    match std::str::from_utf8(bytes) {
        Ok(text) if is_text => format!("{text:?}"),
        _ => hex_of(bytes),
    }
}

#[cfg(test)]
#[path = "words_tests.rs"]
mod tests;
