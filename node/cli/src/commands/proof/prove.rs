//! `phalanx proof prove`.

use super::{
    keys::{KeysArgs, meaning, named},
    rule::{ContextArgs, RegionArgs, chosen},
};
use crate::{
    files,
    home::Home,
    output::{self, Code, Failure, Format},
};
use anyhow::Result;
use indicatif::ProgressBar;
use phalanx_circuits::{
    claim::{ChosenRule, Claim, ClaimError},
    groth16::{ProveError, Prover},
    native::Selector,
    witness::{BoundPolicy, RuleName, WITNESS_BYTES_MAX, Witness},
};
use serde_json::json;
use std::{
    fs,
    os::unix::fs::PermissionsExt,
    path::PathBuf,
    time::{Duration, Instant},
};
use zeroize::Zeroizing;

/// Which statement.
#[derive(clap::Subcommand)]
pub enum Command {
    /// That an agent is where a rule says, and that its policy has this rule.
    Position {
        #[command(flatten)]
        common: CommonArgs,
        /// The rule [default: the policy's first].
        #[arg(long, value_name = "POLICY/CONSTRAINT")]
        rule: Option<RuleName>,
        #[command(flatten)]
        region: RegionArgs,
        #[command(flatten)]
        context: ContextArgs,
    },
    /// That an action of an agent obeyed the rules.
    Action {
        #[command(flatten)]
        common: CommonArgs,
        /// The rule that is shown [default: the policy's first].
        #[arg(long, value_name = "POLICY/CONSTRAINT")]
        rule: Option<RuleName>,
        #[command(flatten)]
        context: ContextArgs,
    },
    /// That the record between two receipts is unbroken.
    Integrity {
        #[command(flatten)]
        common: CommonArgs,
    },
}

/// Files in and out.
#[derive(clap::Args)]
pub struct CommonArgs {
    /// The witness file. It holds secrets of the agent: keep it, and do not pass it on.
    #[arg(long, value_name = "FILE")]
    witness: PathBuf,
    /// The proof file to write; never overwritten. It holds no secret.
    #[arg(long, value_name = "FILE")]
    out: PathBuf,
    #[command(flatten)]
    keys: KeysArgs,
}

/// What to prove, and the rule that is shown of it, in words.
struct Task {
    claim: Claim,
    shown: Option<String>,
}

/// Runs it.
pub fn run(home: &Home, format: Format, command: &Command) -> Result<Code> {
    let (Command::Position { common, .. } | Command::Action { common, .. } | Command::Integrity { common }) =
        command;
    files::check_new(&common.out)?;
    let bytes = Zeroizing::new(files::read(&common.witness, WITNESS_BYTES_MAX)?);
    if fs::metadata(&common.witness).is_ok_and(|meta| meta.permissions().mode() & 0o077 != 0) {
        output::warn(&format!("{} can be read by others: run chmod 600 on it", common.witness.display()));
    }
    let named = |error: &dyn std::fmt::Display| format!("{}: {error}", common.witness.display());
    let witness =
        Witness::from_json(&bytes).map_err(|error| Failure::because(Code::Unreadable, named(&error)))?;
    let refused = |error: ClaimError| Failure::because(Code::Wrong, named(&error));
    let task = match (command, witness) {
        (Command::Position { rule, region, context, .. }, Witness::Position(witness)) => {
            let (is_claimed, context) = (region.is_claimed(), context.context()?);
            let rule = region.rule(home, &witness.policy, rule.as_ref())?;
            let shown = Some(words(&rule, is_claimed, &witness.policy));
            Task { claim: Claim::position(witness, rule, is_claimed, context).map_err(refused)?, shown }
        }
        (Command::Action { rule, context, .. }, Witness::Action(witness)) => {
            let rule = ChosenRule::from(chosen(&witness.policy, rule.as_ref())?);
            let shown = Some(words(&rule, true, &witness.policy));
            Task { claim: Claim::action(witness, rule, context.context()?).map_err(refused)?, shown }
        }
        (Command::Integrity { .. }, Witness::Integrity(witness)) => {
            Task { claim: Claim::integrity(witness).map_err(refused)?, shown: None }
        }
        (_, witness) => {
            let statement = witness.statement();
            let reason = format!("it is a witness of {statement}: use `phalanx proof prove {statement}`");
            return Err(Failure::because(Code::Wrong, named(&reason)));
        }
    };
    prove(home, format, &task, common)
}

/// A rule in words; the place of the region is told by the proof file.
fn words(rule: &ChosenRule, is_claimed: bool, policy: &BoundPolicy) -> String {
    let side = match rule.selector {
        Selector::Within => "within",
        Selector::Beyond => "beyond",
    };
    let of = match &rule.name {
        Some(name) => {
            let number = policy.rules.iter().take_while(|rule| rule.name() != *name).count() + 1;
            format!("the rule {name}, number {number} of {}", policy.rules.len())
        }
        None => "a rule of your own".to_owned(),
    };
    let claim = if is_claimed { "which is the policy's" } else { "not claimed to be the policy's" };
    format!("{of} ({side} m = {}), {claim}", rule.reach.raw())
}

fn prove(home: &Home, format: Format, task: &Task, common: &CommonArgs) -> Result<Code> {
    let bar = ProgressBar::new_spinner();
    bar.enable_steady_tick(Duration::from_millis(100));
    bar.set_message("reading the key");
    let begin = Instant::now();
    let circuit = super::circuit(task.claim.statement())?;
    let prover = Prover::new(&circuit, common.keys.folder(home).proving(&circuit)?)
        .map_err(|error| Failure::because(Code::Wrong, error))?;
    let (loaded, begin) = (begin.elapsed(), Instant::now());
    bar.set_message("proving");
    let file = task.claim.prove(&prover, &*super::entropy()?).map_err(|error| {
        let of = task.shown.as_deref().map(|shown| format!("{shown}: ")).unwrap_or_default();
        let code = if matches!(error, ProveError::Broken(_)) { Code::Refused } else { Code::Wrong };
        Failure::because(code, format!("{of}{error}"))
    })?;
    let proven = begin.elapsed();
    bar.finish_and_clear();
    files::write_new(&common.out, file.to_json().as_bytes())?;
    let provenance = prover.verifier().key().identity().provenance;
    format.print(
        || {
            let shown = task.shown.as_deref().map(|shown| format!("  {shown}\n")).unwrap_or_default();
            format!(
                "proven: {}\n{shown}  circuit {}\n  key {} {}\n  read the key in {:.1} s, proved in {:.2} s",
                common.out.display(),
                named(&circuit),
                file.key_hash(),
                meaning(provenance),
                loaded.as_secs_f64(),
                proven.as_secs_f64(),
            )
        },
        json!({
            "file": common.out, "circuit": task.claim.statement(), "circuit_hash": circuit.hash(),
            "key_hash": file.key_hash(), "provenance": provenance, "rule": file.openings().region.as_ref().map(|r| &r.rule),
            "load_ms": loaded.as_millis() as u64, "prove_ms": proven.as_millis() as u64,
        }),
    );
    Ok(Code::Done)
}
