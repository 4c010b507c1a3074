//! `phalanx config`.

use crate::{
    files,
    home::Home,
    output::{Code, Failure, Format},
};
use anyhow::{Context, Result};
use phalanx_config::{FILE_BYTES_MAX, Fault, MomConfig, Problems};
use serde_json::json;
use std::path::{Path, PathBuf};

/// Checks and explains settings.
#[derive(clap::Subcommand)]
pub enum Command {
    /// Prints settings as TOML.
    Show {
        /// Whose.
        #[arg(value_enum, default_value_t)]
        whose: Whose,
    },
    /// Reads a mom_config, or settings, genesis and keys of --home, and says what is
    /// wrong.
    Check {
        /// The mom_config, TOML or .json [default: what is in --home].
        file: Option<PathBuf>,
        /// Asks also whether `phalanx init --config FILE` would found with it.
        #[arg(long, requires = "file")]
        founding: bool,
    },
    /// Prints the JSON Schema of a mom_config.
    Schema,
}

/// Whose settings are shown.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, clap::ValueEnum)]
pub enum Whose {
    /// Those of this node: config.toml of --home.
    #[default]
    Node,
    /// Those that the mesh of --home was founded with, as a mom_config. The owner may
    /// have changed them since.
    Mesh,
    /// A mom_config of the defaults, to begin with.
    Defaults,
}

/// Runs it.
pub fn run(home: &Home, format: Format, command: &Command) -> Result<Code> {
    match command {
        Command::Show { whose: Whose::Node } => {
            let config = home.config()?;
            let text = toml::to_string_pretty(&config)?;
            format.print(|| text, serde_json::to_value(&config)?);
            Ok(Code::Done)
        }
        Command::Show { whose: Whose::Mesh } => {
            let mut config = MomConfig::of_genesis(&home.genesis()?)
                .with_context(|| format!("{} cannot be told", home.file("genesis.json").display()))?;
            config.geometry.routing_algorithm = home.config()?.routing_algorithm;
            show(format, &config)
        }
        Command::Show { whose: Whose::Defaults } => show(format, &MomConfig::default()),
        Command::Check { file: Some(file), founding } => match parse(file, *founding)? {
            Ok(config) => {
                let unheeded = config.unheeded();
                let text = || {
                    let notes = unheeded.iter().map(|unheeded| format!("\n{unheeded}"));
                    let is_refused = unheeded.iter().any(|unheeded| unheeded.allowed.is_some());
                    let refused = "\n`phalanx init` founds no mesh with it: `--founding` shows the lines";
                    let end = if is_refused { refused } else { "" };
                    format!("{} is in order{}{end}", file.display(), notes.collect::<String>())
                };
                format.print(text, json!({"is_valid": true, "unheeded": unheeded, "config": config}));
                Ok(Code::Done)
            }
            Err(problems) => {
                let code = code_of(&problems);
                let mut value = serde_json::to_value(&problems)?;
                if let Some(map) = value.as_object_mut() {
                    map.insert("is_valid".to_owned(), false.into());
                }
                format.print(|| problems.to_string(), value);
                Ok(code)
            }
        },
        Command::Check { file: None, .. } => check_home(home, format),
        Command::Schema => {
            let schema = phalanx_config::schema();
            // It is JSON for people too, and nothing is added to it for programs.
            crate::output::say(&serde_json::to_string_pretty(&schema)?);
            Ok(Code::Done)
        }
    }
}

fn show(format: Format, config: &MomConfig) -> Result<Code> {
    let text = config.to_toml()?;
    format.print(|| text, serde_json::to_value(config)?);
    Ok(Code::Done)
}

/// The settings of a file, or what is wrong with them; for a founding also what no mesh
/// carries out.
fn parse(file: &Path, is_founding: bool) -> Result<Result<MomConfig, Problems>> {
    let bytes = files::read(file, FILE_BYTES_MAX)?;
    // One that is too long may be cut within a character: its length is what is told.
    let text = if bytes.len() > FILE_BYTES_MAX {
        String::from_utf8_lossy(&bytes).into_owned()
    } else {
        String::from_utf8(bytes).map_err(|e| {
            let at = e.utf8_error().valid_up_to();
            Failure::because(Code::Unreadable, format!("{} is no UTF-8 text from byte {at}", file.display()))
        })?
    };
    let (format, name) = (phalanx_config::Format::of(file), file.display().to_string());
    Ok(MomConfig::parse(&text, format, &name).and_then(|config| {
        let problems = is_founding.then(|| config.problems_of_founding(&text, format, &name)).flatten();
        problems.map_or(Ok(config), Err)
    }))
}

/// Reads a mom_config that a mesh is to be founded with.
pub fn read_for_founding(file: &Path) -> Result<MomConfig> {
    parse(file, true)?.map_err(|problems| Failure::because(code_of(&problems), problems))
}

/// What a file's problems mean: it cannot be read, or it is refused.
fn code_of(problems: &Problems) -> Code {
    let is_unread = |fault: &Fault| matches!(fault, Fault::Syntax { .. } | Fault::TooLong { .. });
    if problems.problems.iter().any(|p| is_unread(&p.fault)) { Code::Unreadable } else { Code::Refused }
}

fn check_home(home: &Home, format: Format) -> Result<Code> {
    let config = home.config()?;
    let genesis = home.genesis()?;
    let (vote, network, host) = (home.key("vote")?, home.key("network")?, home.key("host")?);
    home.token()?;
    let is_validator = genesis.validators.iter().any(|v| v.vote_key == vote.public());
    let unapproved: Vec<String> = config
        .workers
        .iter()
        .filter(|w| genesis.workers.get(&w.worker) != Some(&host.public()))
        .map(|w| w.worker.to_string())
        .collect();
    let value = json!({
        "mesh": genesis.mesh, "genesis": genesis.hash(), "is_genesis_validator": is_validator,
        "network_key": network.public(), "workers_not_in_genesis": unapproved,
    });
    let text = || {
        let mut text = format!("{} is in order", home.path.display());
        if !unapproved.is_empty() {
            text.push_str(&format!(
                "\nthe genesis approves this node's key for no worker {}: the owner must, with approve_worker",
                unapproved.join(", ")
            ));
        }
        text
    };
    format.print(text, value);
    Ok(Code::Done)
}
