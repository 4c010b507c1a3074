//! `phalanx owner key`: an owner's key in an encrypted keystore.

use crate::{
    files,
    output::{Code, Format},
};
use anyhow::Result;
use phalanx_governance::keys::{LocalKey, PasswordSource, keystore};
use serde_json::json;
use std::path::PathBuf;

/// Keys of owners.
#[derive(clap::Subcommand)]
pub enum Command {
    /// Makes a new key in an encrypted keystore, as other wallets read it too. Whoever
    /// loses the file or its password loses the account.
    New {
        /// The keystore to write; never overwritten.
        #[arg(long, value_name = "FILE")]
        out: PathBuf,
        #[command(flatten)]
        password: PasswordArgs,
    },
}

/// Where the password is.
#[derive(clap::Args)]
#[group(required = true, multiple = false)]
pub struct PasswordArgs {
    /// A file with the password, which only its owner may read.
    #[arg(long, value_name = "FILE")]
    password_file: Option<PathBuf>,
    /// An environment variable with it.
    #[arg(long, value_name = "NAME")]
    password_env: Option<String>,
}

/// Runs it.
pub fn run(format: Format, command: Command) -> Result<Code> {
    let Command::New { out, password } = command;
    files::check_new(&out)?;
    let source = match (password.password_file, password.password_env) {
        (Some(file), _) => PasswordSource::File(file),
        (None, name) => PasswordSource::Environment(name.unwrap_or_default()),
    };
    let key = LocalKey::generate()?;
    keystore::create(&out, &key, &source)?;
    let account = key.address();
    format.print(
        || format!("account {account}; written to {}", out.display()),
        json!({"account": account, "file": out}),
    );
    Ok(Code::Done)
}
