//! `phalanx proof policy`: every rule of a policy, proven of every agent that it binds.

use super::{
    coverage::{Coverage, Covered, FILE},
    keys::KeysArgs,
    rule::ContextArgs,
};
use crate::{
    commands::{block_on, client, stopped_store},
    files,
    home::Home,
    output::{Code, Failure, Format},
    witnesses::{self, Asked, Bound},
};
use anyhow::{Context as _, Result};
use phalanx_circuits::{
    catalog::AnyStatement,
    claim::{ChosenRule, Claim},
    groth16::Prover,
    native::bytes_of,
    position::Position,
    r1cs::Circuit,
    witness::{BoundPolicy, PositionWitness, RuleName, Witness},
};
use phalanx_ledger::Ledger;
use phalanx_types::{AgentId, Name, units::CheckpointNumber};
use std::{
    collections::BTreeMap,
    fs,
    path::{Path, PathBuf},
    time::Instant,
};

/// Which policy, and where the proofs go.
#[derive(clap::Args)]
pub struct Args {
    /// The policy's name.
    policy: Name,
    /// The checkpoint's number [default: the last one].
    #[arg(long, value_name = "NUMBER")]
    checkpoint: Option<u64>,
    /// The folder to write to, which is made: a proof an agent and rule, and coverage.json.
    #[arg(long, value_name = "DIR")]
    out: PathBuf,
    /// Asks the running node only, and leaves the store of a stopped one alone.
    #[arg(long)]
    running: bool,
    #[command(flatten)]
    keys: KeysArgs,
    #[command(flatten)]
    context: ContextArgs,
}

/// Runs it.
pub fn run(home: &Home, format: Format, args: &Args) -> Result<Code> {
    let (bound, out) = (bound(home, args)?, args.out.as_path());
    files::check_new(out)?;
    if bound.agents.is_empty() {
        let (policy, checkpoint) = (&args.policy, bound.checkpoint);
        let reason = format!(
            "at the checkpoint {checkpoint} no agent is bound by a rule of the policy {policy} that circuits can \
             show (within, beyond)"
        );
        if format == Format::Json {
            // A node that proves tells this from a failure.
            let (policy, agents) = (args.policy.clone(), Vec::new());
            let nobody = Coverage { policy, checkpoint, bound: Vec::new(), agents };
            format.print(String::new, serde_json::to_value(&nobody)?);
        }
        return Err(Failure::because(Code::Refused, reason));
    }
    fs::create_dir_all(out).with_context(|| format!("{} cannot be made", out.display()))?;
    let began = Instant::now();
    let mut agents = Vec::new();
    let mut policies: BTreeMap<String, BoundPolicy> = BTreeMap::new();
    let mut witnesses: BTreeMap<usize, Vec<(AgentId, zeroize::Zeroizing<Vec<u8>>)>> = BTreeMap::new();
    for id in &bound.agents {
        let found = fetch(home, *id, bound.checkpoint, args.running);
        let (json, witness) = match found.and_then(|json| Ok((read(&json)?, json))) {
            Ok((witness, json)) => (json, witness),
            // One that cannot be asked for now may be later.
            Err(error) if Failure::code_of(&error) == Code::Unavailable => return Err(error),
            // Whatever one agent is, the others are proven.
            Err(error) => {
                agents.push(Covered::missing(*id, format!("{error:#}")));
                continue;
            }
        };
        let dimension = witness.agent.position.0.len();
        let root = bytes_of(witness.policy.to_native()?.root()).to_string();
        policies.entry(root).or_insert_with(|| witness.policy.clone());
        witnesses.entry(dimension).or_default().push((*id, json));
    }
    // A key that is missing is a failure when nothing can be proven without it.
    let (mut no_key, mut is_any) = (None, false);
    for (dimension, of_it) in witnesses {
        let none = |agents: &mut Vec<Covered>, of_it: Vec<(AgentId, _)>, error: &anyhow::Error| {
            agents.extend(of_it.into_iter().map(|(id, _)| Covered::missing(id, format!("{error:#}"))));
        };
        let circuit = match circuit(dimension) {
            Ok(circuit) => circuit,
            Err(error) => {
                none(&mut agents, of_it, &error);
                continue;
            }
        };
        match args.keys.folder(home).proving(&circuit) {
            Ok(key) => {
                let prover =
                    Prover::new(&circuit, key).map_err(|error| Failure::because(Code::Wrong, error))?;
                for (id, json) in of_it {
                    agents.push(prove(args, out, &prover, id, &json)?);
                }
                is_any = true;
            }
            Err(error) => {
                none(&mut agents, of_it, &error);
                no_key = no_key.or(Some(error));
            }
        }
    }
    if let (Some(error), false) = (no_key, is_any) {
        // Nothing is in it yet.
        let _ = fs::remove_dir(out);
        return Err(error);
    }
    agents.sort_by_key(|covered| covered.agent);
    let coverage = Coverage {
        policy: args.policy.clone(),
        checkpoint: bound.checkpoint,
        bound: policies.into_values().collect(),
        agents,
    };
    files::write_new(&out.join(FILE), &serde_json::to_vec_pretty(&coverage)?)?;
    let (proofs, whole) = (coverage.proofs(), coverage.whole());
    let code = if whole == coverage.agents.len() { Code::Done } else { Code::Refused };
    format.print(
        || {
            let mut text = format!(
                "{proofs} proofs of {whole} of {} agents that the policy {} binds at the checkpoint {}, in {:.1} s: {}",
                coverage.agents.len(),
                coverage.policy,
                coverage.checkpoint,
                began.elapsed().as_secs_f64(),
                out.display()
            );
            for (agent, why) in coverage.gaps() {
                text.push_str(&format!("\n  NOT proven: {agent}: {why}"));
            }
            text
        },
        serde_json::to_value(&coverage)?,
    );
    Ok(code)
}

/// The circuit of positions of that many dimensions.
fn circuit(dimension: usize) -> Result<Circuit<AnyStatement>> {
    super::circuit(AnyStatement::Position(Position::new(dimension)?))
}

/// Whom the policy binds, by the running node or the store of a stopped one.
fn bound(home: &Home, args: &Args) -> Result<Bound> {
    let client = client(home)?;
    let at = args.checkpoint.map_or_else(String::new, |number| format!("?checkpoint={number}"));
    let path = format!("/v1/policies/{}/agents{at}", args.policy);
    match block_on(async { Ok(client.get(&path).await?) }) {
        Err(error) if !args.running && super::witness::is_unreachable(&error) => {}
        answer => return Ok(serde_json::from_value(answer?)?),
    }
    let (store, _lock) = stopped_store(home)?;
    witnesses::bound(Ledger::open(store)?.kv(), &args.policy, args.checkpoint)
        .map_err(|error| Failure::because(Code::Unavailable, error))
}

fn fetch(
    home: &Home,
    agent: AgentId,
    number: CheckpointNumber,
    only_running: bool,
) -> Result<zeroize::Zeroizing<Vec<u8>>> {
    super::witness::fetch(home, &Asked::Position { agent, checkpoint: Some(number) }, only_running)
}

fn read(json: &[u8]) -> Result<PositionWitness> {
    match Witness::from_json(json)? {
        Witness::Position(witness) => Ok(witness),
        other => anyhow::bail!("the node gave a witness of {}", other.statement()),
    }
}

/// Proves each rule of the policy of one agent.
fn prove(
    args: &Args,
    out: &Path,
    prover: &Prover<'_, AnyStatement>,
    id: AgentId,
    json: &[u8],
) -> Result<Covered> {
    let mut covered = Covered::new(id);
    let rules: Vec<RuleName> = read(json)?.policy.rules.iter().map(|rule| rule.name()).collect();
    for name in rules.into_iter().filter(|name| name.policy == args.policy) {
        let witness = read(json)?;
        let Some(rule) = witness.policy.rule(Some(&name)).map(ChosenRule::from) else { continue };
        let constraint = name.constraint;
        let context = args.context.context()?;
        let proven = Claim::position(witness, rule, true, context)
            .map_err(|error| error.to_string())
            .and_then(|claim| {
                let entropy = super::entropy().map_err(|error| error.to_string())?;
                claim.prove(prover, &entropy).map_err(|error| error.to_string())
            });
        match proven {
            Ok(file) => {
                let name = format!("{}-{constraint}.json", &id.to_string()[..16]);
                files::write_new(&out.join(&name), file.to_json().as_bytes())?;
                covered.proofs.insert(constraint, name);
            }
            Err(reason) => drop(covered.missing.insert(constraint.to_string(), reason)),
        }
    }
    Ok(covered)
}
