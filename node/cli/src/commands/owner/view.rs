//! What the commands about transactions of the Safe have in common: reading
//! files, which addresses have a meaning, and how a transaction is shown.

use crate::{
    chain::{self, ChainArgs, Contracts},
    files,
    home::Home,
    output::{Code, Failure},
};
use anyhow::{Context, Result};
use phalanx_governance::{
    Address,
    contracts::{Commands, ProofVerifier},
    rpc::Chain,
    safe::{
        Operation, Safe, TxFile,
        chain::{Consent, SafeError},
        file::FILE_BYTES_MAX,
    },
    words::{self, Care, Known, Line},
};
use serde_json::{Value, json};
use std::path::Path;

/// Reads a file with a transaction.
pub fn read(path: &Path) -> Result<TxFile> {
    TxFile::read(&files::read(path, FILE_BYTES_MAX)?).with_context(|| path.display().to_string())
}

/// The contracts that a mesh's chain has, as addresses with a meaning.
pub fn known(home: &Home, safe: Address, multi_send: Address, contracts: Option<&Contracts>) -> Known {
    let deployment = contracts.map(|c| c.deployment);
    Known {
        safe,
        verifier: chain::verifier(home),
        multi_send: Some(multi_send),
        commands: deployment.map(|d| d.commands),
        anchor: deployment.map(|d| d.anchor),
        registry: deployment.map(|d| d.registry),
    }
}

/// The log and the queue of the owner's commands.
pub fn commands(contracts: &Contracts) -> Commands {
    let deployment = &contracts.deployment;
    Commands::new(contracts.chain.clone(), deployment.commands, deployment.mesh)
}

/// Which addresses have a meaning.
#[derive(clap::Args)]
pub struct KnownArgs {
    #[command(flatten)]
    pub chain: ChainArgs,
    /// The mesh's `OwnerCommands`, to understand calls of it without asking a
    /// chain.
    #[arg(long, value_name = "ADDRESS")]
    commands: Option<Address>,
    /// Where MultiSendCallOnly is [default: `[chain] multi_send` in
    /// config.toml, or its address on public chains].
    #[arg(long, value_name = "ADDRESS")]
    multi_send: Option<Address>,
}

/// What a chain says of a transaction's surroundings.
pub struct Online {
    pub chain: Chain,
    /// The height that everything is read at.
    pub at: u64,
    pub safe: Safe,
    /// When they are named.
    pub contracts: Option<Contracts>,
    pub warnings: Vec<String>,
}

impl KnownArgs {
    /// The addresses, without asking a chain.
    pub fn offline(&self, home: &Home, file: &TxFile) -> Result<Known> {
        let known = known(home, file.safe, chain::multi_send(home, self.multi_send)?, None);
        Ok(Known { commands: self.commands, ..known })
    }

    /// The addresses and the Safe, from the chain that is named here or in the
    /// home folder.
    pub async fn online(&self, home: &Home, file: &TxFile) -> Result<(Known, Online)> {
        let contracts = match self.chain.names_contracts(home)? {
            true => Some(self.chain.contracts(home).await?),
            false => None,
        };
        let chain = match &contracts {
            Some(contracts) => contracts.chain.clone(),
            None => self.chain.chain(home).await?,
        };
        let safe = Safe::new(chain.clone(), file.safe);
        if file.chain_id != chain.id() {
            let (file_safe, file_chain, safe, chain) = (file.safe, file.chain_id, file.safe, chain.id());
            return Err(SafeError::OtherSafe { file_safe, file_chain, safe, chain }.into());
        }
        let at = chain.tip().await?.number;
        let mut known = known(home, file.safe, chain::multi_send(home, self.multi_send)?, contracts.as_ref());
        match (self.commands, known.commands) {
            (Some(given), Some(found)) if given != found => {
                return Err(Failure::because(
                    Code::Wrong,
                    format!("--commands names {given}, but OwnerCommands of this mesh is {found}"),
                ));
            }
            (given, found) => known.commands = found.or(given),
        }
        let mut warnings = Vec::new();
        if let Some(multi_send) = known.multi_send.filter(|m| is_batch_of(file, *m))
            && let Err(error) = safe.check_multi_send(multi_send, at).await
        {
            // Then it is none: the words must not take it for a batch.
            known.multi_send = None;
            warnings.push(error.to_string());
        }
        if let (Some(verifier), Some(contracts)) = (known.verifier, contracts.as_ref()) {
            let asked = ProofVerifier::new(chain.clone(), verifier);
            if let Err(error) = asked.check(contracts.owner(), contracts.deployment.anchor, at).await {
                known.verifier = None;
                warnings.push(format!("{verifier} is not this mesh's ProofVerifier: {error}"));
            }
        }
        if let Some(contracts) = contracts.as_ref().filter(|c| c.owner() != file.safe) {
            let (owner, mesh) = (contracts.owner(), contracts.deployment.mesh);
            warnings.push(format!("Safe {} does not command mesh {mesh}: {owner} does", file.safe));
        }
        Ok((known, Online { chain, at, safe, contracts, warnings }))
    }
}

fn is_batch_of(file: &TxFile, multi_send: Address) -> bool {
    file.tx.operation == Operation::DelegateCall && file.tx.to == multi_send
}

/// A transaction as it is shown: for people, and for programs.
pub struct View {
    pub text: String,
    pub value: Value,
}

impl View {
    pub fn of(file: &TxFile, known: &Known) -> Self {
        let mut text = words::file(file, known);
        let assumed = words::assumed(&file.tx, known);
        for line in &assumed {
            text.push_str(&format!("{line} (compare the address, or give --commands or --anchor)\n"));
        }
        if !file.evidence.is_empty() {
            let count = file.evidence.len();
            text.push_str(&format!("evidence      {count}, checked by `tx show --check`\n"));
        }
        let value = json!({
            "chain_id": file.chain_id,
            "safe": file.safe,
            "nonce": file.tx.nonce,
            "does": words::transaction(&file.tx, known).iter().map(line).collect::<Vec<_>>(),
            "assumed": assumed,
            "domain_hash": file.domain_hash(),
            "message_hash": file.message_hash(),
            "safe_tx_hash": file.safe_tx_hash(),
            "signers": file.signers().collect::<Vec<_>>(),
            "claimed": file.claimed(),
            "evidence": file.evidence.len(),
        });
        Self { text, value }
    }

    /// Adds a member, with what people read of it.
    pub fn add(&mut self, name: &str, value: Value, text: &str) {
        if let Value::Object(map) = &mut self.value {
            map.insert(name.to_owned(), value);
        }
        if !text.is_empty() {
            self.text.push_str(text);
            self.text.push('\n');
        }
    }

    /// Adds warnings.
    pub fn warn(&mut self, warnings: &[String]) {
        let text: Vec<String> = warnings.iter().map(|w| format!("warning: {w}")).collect();
        self.add("warnings", json!(warnings), &text.join("\n"));
    }
}

/// A line for programs.
pub fn line(line: &Line) -> Value {
    let care = match line.care {
        Care::Plain => "plain",
        Care::Grave => "grave",
        Care::Unknown => "unknown",
    };
    json!({"text": line.text, "care": care})
}

/// What is known of a signature, in words.
pub fn consent(consent: &Consent) -> String {
    match consent {
        Consent::Valid => "counts".to_owned(),
        Consent::NotAnOwner => "is of no owner".to_owned(),
        Consent::Invalid(reason) => format!("does not hold: {reason}"),
    }
}
