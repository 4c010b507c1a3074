//! `phalanx devnet`.

mod journey;
mod owner;
mod proving;
mod shell;

use crate::{
    founding::{self, ModeChoice, ModeWord, Plan, TENANT},
    output::{Code, Failure, Format, say, text, warn},
    stop::Stop,
};
use anyhow::{Context, Result};
use owner::DevChain;
use phalanx_api::Client;
use phalanx_config::RoutingAlgorithm;
use phalanx_devnet::{Devnet, Judgement, NodeSpec, Outage, PortBlock, Run, trace::Trace};
use phalanx_fabric::defaults::planetary;
use phalanx_types::{Name, Params, params::Verification};
use serde_json::{Value, json};
use shell::Shell;
use std::{
    fs,
    path::{Path, PathBuf},
    time::Duration,
};

/// Time for the nodes to stop.
const STOP_WITHIN: Duration = Duration::from_secs(5);
/// When a node is killed, and for how long: its workers are silent for longer
/// than their heartbeats allow.
const OUTAGE_AT: Duration = Duration::from_secs(20);
const OUTAGE_LASTS: Duration = Duration::from_secs(25);
/// A file that marks a folder as made by this command.
const MARK: &str = "devnet.json";
/// Mixed jobs arrive within this time.
const MIXED_OVER: Duration = Duration::from_secs(8);

/// Runs a whole mesh of processes on this machine, with work for it.
#[derive(clap::Args)]
pub struct Args {
    /// Number of nodes.
    #[arg(long, default_value_t = 4)]
    nodes: usize,
    /// Where the home folders go; an older mesh of this command there is
    /// removed [default: ~/.local/share/phalanx/devnet].
    #[arg(long, value_name = "DIR")]
    out: Option<PathBuf>,
    /// Ends after the work; exit code 0 only if every job ended as it should
    /// and every node has the same root.
    #[arg(long)]
    once: bool,
    /// Number of mixed jobs.
    #[arg(long, default_value_t = 400)]
    jobs: usize,
    /// Seed of the mixed jobs.
    #[arg(long, default_value_t = 7)]
    seed: u64,
    /// Takes machines and jobs from the two CSV files of this folder.
    #[arg(long, value_name = "DIR")]
    trace: Option<PathBuf>,
    /// Repeats the trace's jobs until they would fill the cluster this much.
    #[arg(long, requires = "trace")]
    load: Option<f64>,
    /// Kills this node (from 1) while jobs run, as a power cut would, and starts
    /// it again; 0: none [default: 3 with a --load above 1, else none].
    #[arg(long, value_name = "NODE")]
    outage: Option<usize>,
    /// Who proposes beats.
    #[arg(long, value_enum, default_value_t)]
    mode: ModeWord,
    /// Anchors on a development chain: the folder of the contracts, with npm's packages
    /// in it.
    #[arg(long, value_name = "DIR")]
    contracts: Option<PathBuf>,
}

fn folder(given: Option<PathBuf>) -> Result<PathBuf> {
    let out = match given {
        Some(out) => out,
        None => PathBuf::from(std::env::var_os("HOME").context("HOME is not set: name a folder with --out")?)
            .join(".local/share/phalanx/devnet"),
    };
    if out.join(MARK).exists() {
        fs::remove_dir_all(&out).with_context(|| format!("{} cannot be removed", out.display()))?;
    } else if out.exists() && fs::read_dir(&out)?.next().is_some() {
        return Err(Failure::because(
            Code::Unavailable,
            format!("{} holds something else: choose another --out", out.display()),
        ));
    }
    fs::create_dir_all(&out)?;
    fs::write(out.join(MARK), "{}\n")?;
    Ok(out)
}

/// Runs it.
pub fn run(format: Format, args: Args) -> Result<Code> {
    let out = folder(args.out.clone())?;
    let binary = std::env::current_exe()?;
    let tenant = Name::new(TENANT)?;
    let shards: Vec<Name> = planetary()?.shards.into_iter().map(|s| s.name).collect();
    let (workers, jobs) = match &args.trace {
        Some(folder) => {
            let trace = Trace::read(folder).map_err(|e| Failure::because(Code::Unreadable, e))?;
            (Some(trace.workers(&shards)?), trace.jobs(&tenant, &shards, args.load)?)
        }
        None => (None, phalanx_devnet::mixed(&tenant, args.seed, args.jobs, MIXED_OVER)?),
    };
    let is_overfull = args.load.is_some_and(|load| load > 1.0);
    let outage = args.outage.unwrap_or(if is_overfull { 3 } else { 0 });
    if outage == 1 || outage > args.nodes {
        let what = format!("--outage {outage}: name a node from 2 to {}, for node 1 is watched", args.nodes);
        return Err(Failure::because(Code::Unreadable, what));
    }
    let outage = outage.checked_sub(1).map(|node| Outage { node, at: OUTAGE_AT, lasts: OUTAGE_LASTS });
    let count = u16::try_from(args.nodes).context("too many nodes")?;
    let ports = PortBlock::free(count)?;
    let founded = founding::found(&Plan {
        nodes: args.nodes,
        out: out.clone(),
        base_port: ports.base(),
        mode: ModeChoice::Word(args.mode),
        verification: Verification::FullAudit,
        workers,
        commands: founding::harmless_commands()?,
        params: Params::default(),
        routing_algorithm: RoutingAlgorithm::default(),
    })?;
    let specs = founded
        .homes
        .iter()
        .zip(&founded.genesis.validators)
        .map(|(home, validator)| {
            let (api, token) = (home.config()?.api, home.token()?);
            Ok(NodeSpec { name: validator.label.to_string(), home: home.path.clone(), api, token })
        })
        .collect::<Result<Vec<_>>>()?;
    let names: Vec<String> = specs.iter().map(|s| s.name.clone()).collect();
    if format == Format::Text {
        say(&format!(
            "mesh {} in {}: {} nodes ({}), {} workers, {} jobs",
            founded.genesis.mesh.short(),
            out.display(),
            names.len(),
            names.join(", "),
            founded.genesis.workers.len(),
            jobs.len()
        ));
    }
    let plan = Run {
        mesh: founded.genesis.mesh,
        tenant: founded.tenant.clone(),
        expiry_ms: u64::from(founded.genesis.params.expiry_max_ms) / 2,
        workers: founded.genesis.workers.len() as u64,
        patience: Duration::from_secs(300),
        outage,
        is_overfull,
        jobs,
    };
    let mut devnet = Devnet::new(&binary, specs);
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    runtime.block_on(async {
        let mut stop = Stop::new()?;
        let chain = match &args.contracts {
            Some(folder) => {
                let chain = tokio::select! {
                    chain = Box::pin(DevChain::start(folder, &founded.homes, &out)) => chain?,
                    () = stop.asked() => return Err(too_early()),
                };
                if format == Format::Text {
                    say(&chain.banner());
                }
                devnet.always_with(&["--dev"]);
                Some(chain)
            }
            None => None,
        };
        devnet.start_all()?;
        let work = async {
            let judgement = phalanx_devnet::run(&mut devnet, &plan).await?;
            if format == Format::Text {
                say(&report(&judgement, &names));
            }
            let shell = Shell::new(&binary, &out, format);
            let first = devnet.clients().into_iter().next().context("there is no node")?;
            let weights = weights(&shell, &first).await?;
            let journey = journey::travel(&shell, &first, &out).await?;
            let is_proven = prove(&shell, &first, &judgement, &out).await?;
            let contracts = args.contracts.as_deref();
            let verifier = chain.as_ref().map(DevChain::verifier);
            let proofs = proving::prove(&shell, &first, &journey.agent, contracts, verifier, &out).await?;
            let shown = match &chain {
                Some(chain) => {
                    let shown = Box::pin(chain.walk(&shell, &devnet)).await?;
                    let is_published = chain.publish(&shell, &proofs).await?;
                    Some(owner::Shown { is_published, ..shown })
                }
                None => None,
            };
            anyhow::Ok((judgement, weights, journey, is_proven, proofs, shown))
        };
        let worked = tokio::select! {
            worked = Box::pin(work) => worked,
            () = stop.asked() => Err(too_early()),
        };
        let (judgement, weights, journey, is_proven, proofs, shown) = match worked {
            Ok(worked) => worked,
            Err(error) => {
                devnet.stop_all(STOP_WITHIN).await;
                return Err(error);
            }
        };
        let conclusion = || shown.as_ref().map_or_else(String::new, owner::Shown::words);
        format.print(
            conclusion,
            json!({
                "jobs": values(&judgement), "weights": weights, "journey": journey,
                "is_proven": is_proven, "proofs": proofs, "owner": shown,
            }),
        );
        if !args.once {
            say(&format!(
                "the mesh stays up; look at it with `phalanx status --home {}/node-1`; Ctrl-C ends it",
                out.display()
            ));
            stop.asked().await;
        }
        let wrong = devnet.stop_all(STOP_WITHIN).await;
        wrong.iter().for_each(|wrong| warn(wrong));
        let is_obeyed = shown.is_none_or(|shown| shown.is_good());
        let is_shown = journey.is_good() && is_proven && proofs.is_good();
        let is_good = judgement.is_good() && is_shown && is_obeyed && wrong.is_empty();
        Ok(if is_good { Code::Done } else { Code::Refused })
    })
}

fn too_early() -> anyhow::Error {
    Failure::because(Code::Refused, "stopped before the work was done")
}

/// Who votes with which weight, as a node has it.
async fn weights(shell: &Shell, client: &Client) -> Result<Value> {
    let rows = client.get("/v1/list/validators").await?;
    let all = rows.as_array().map(Vec::as_slice).unwrap_or_default();
    let height = all.first().map(|row| text(&row["height"])).unwrap_or_default();
    let each: Vec<String> =
        all.iter().map(|row| format!("{} {}", text(&row["entry"]["region"]), text(&row["weight"]))).collect();
    shell.line(&format!("vote weights of height {height}: {}", each.join(", ")));
    Ok(rows)
}

fn report(judgement: &Judgement, names: &[String]) -> String {
    let mut text = judgement.table(names);
    for (label, expected, found) in judgement.otherwise.iter().take(20) {
        text.push_str(&format!("\n{label}: expected {expected}, found {found}"));
    }
    text
}

fn values(judgement: &Judgement) -> Value {
    json!({
        "as_expected": judgement.as_expected, "states": judgement.states,
        "otherwise": judgement.otherwise, "missing": judgement.missing,
        "took_ms": judgement.took.as_millis().to_string(),
        "turnaround_p50_ms": judgement.turnaround_ms[0], "turnaround_p99_ms": judgement.turnaround_ms[1],
        "receipts": judgement.outcomes.kinds, "height": judgement.roots.height,
        "outage": judgement.outage.is_some(), "roots": judgement.roots.nodes, "roots_agree": judgement.roots.agree(),
    })
}

/// Stores the proof of the last job's end and verifies it with the binary, as a
/// stranger would.
async fn prove(shell: &Shell, client: &Client, judgement: &Judgement, out: &Path) -> Result<bool> {
    let Some(index) = judgement.receipt else { return Ok(false) };
    let proof = client.bytes(&format!("/v1/receipts/{index}/proof")).await?;
    let file = out.join(format!("receipt-{index}.json")).display().to_string();
    fs::write(&file, proof)?;
    let genesis = out.join("node-1/genesis.json").display().to_string();
    let verified = shell.run(&["receipt", "verify", &file, "--genesis", &genesis]).await?;
    shell.all(&["receipt", "verify", &file], &String::from_utf8_lossy(&verified.stdout));
    Ok(verified.status.success())
}
