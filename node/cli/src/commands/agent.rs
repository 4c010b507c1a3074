//! `phalanx agent`.

use crate::{
    founding::TENANT,
    home::Home,
    output::{Code, Format, table},
};
use anyhow::{Context, Result};
use phalanx_types::{
    AgentId, AgentSpec, Hash, Name, Operation, Resources,
    agent::{Affinity, AgentSeed, OWN_REGION_WEIGHT, Position, Wish},
};
use std::{path::PathBuf, str::FromStr};

/// Something to be near, and how much that weighs.
#[derive(Clone, Debug)]
pub struct Weighed<T>(T, u16);

impl<T: FromStr<Err: std::fmt::Display>> FromStr for Weighed<T> {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let (what, weight) = match text.split_once('=') {
            Some((what, weight)) => {
                (what, weight.parse().map_err(|e| format!("the weight {weight:?}: {e}"))?)
            }
            None => (text, OWN_REGION_WEIGHT),
        };
        Ok(Self(what.parse().map_err(|e| format!("{what:?}: {e}"))?, weight))
    }
}

/// Spawns, moves and ends agents.
// One is parsed in a run.
#[allow(clippy::large_enum_variant)]
#[derive(clap::Subcommand)]
pub enum Command {
    /// Spawns an agent, a long-lived holder of resources.
    Spawn {
        /// A word for people.
        #[arg(long, default_value = "")]
        label: String,
        /// The tenant.
        #[arg(long, default_value = TENANT)]
        tenant: Name,
        /// The shard to live in.
        #[arg(long)]
        region: Name,
        /// The file that defines its stack; the mesh keeps its SHA3-256.
        #[arg(long)]
        stack: PathBuf,
        /// Name of the policy it is bound by, beside those that bind it unasked.
        #[arg(long, default_value = "default")]
        policy: Name,
        /// Where it shall be: coordinates in the ball, as fixed point with 40 fractional
        /// bits [default: where the mesh finds best].
        #[arg(long, value_delimiter = ',', allow_hyphen_values = true, value_name = "X,Y,…")]
        position: Option<Vec<i64>>,
        /// What it can do: agents of the same skills are placed near each other.
        #[arg(long, value_name = "SKILL")]
        skill: Vec<Name>,
        /// What it means, as a model says it: agents that mean alike are placed near each
        /// other. Whole numbers of any scale.
        #[arg(long, value_delimiter = ',', allow_hyphen_values = true, value_name = "X,Y,…")]
        semantic: Vec<i64>,
        /// The region in which its data are.
        #[arg(long, value_name = "REGION")]
        data: Option<Name>,
        /// A region that it would like to be near; its own weighs 100.
        #[arg(long, value_name = "REGION[=WEIGHT]")]
        near: Vec<Weighed<Name>>,
        /// An agent that it would like to be near.
        #[arg(long, value_name = "AGENT[=WEIGHT]")]
        beside: Vec<Weighed<AgentId>>,
        /// A worker that it would rather not live on.
        #[arg(long, value_name = "WORKER")]
        avoid: Vec<Name>,
        /// Thousandths of a core.
        #[arg(long, default_value_t = 100)]
        cpu_milli: u32,
        /// Memory in MiB.
        #[arg(long, default_value_t = 64)]
        memory_mib: u32,
        /// The tenant's key file [default: tenant.json beside the home folder].
        #[arg(long)]
        key: Option<PathBuf>,
    },
    /// Prints agents.
    List,
    /// Moves an agent to a worker.
    Migrate {
        /// Its id.
        id: AgentId,
        /// The worker.
        worker: Name,
        /// The tenant's key file [default: tenant.json beside the home folder].
        #[arg(long)]
        key: Option<PathBuf>,
    },
    /// Tells that agents were of use, so that no policy ends them for being idle.
    Use {
        /// Their ids.
        #[arg(required = true)]
        ids: Vec<AgentId>,
        /// The key file of the tenant, or of the worker's host [default: tenant.json beside
        /// the home folder].
        #[arg(long)]
        key: Option<PathBuf>,
    },
    /// Ends an agent.
    Terminate {
        /// Its id.
        id: AgentId,
        /// The tenant's key file [default: tenant.json beside the home folder].
        #[arg(long)]
        key: Option<PathBuf>,
    },
}

/// Runs it.
pub fn run(home: &Home, format: Format, command: Command) -> Result<Code> {
    let (operation, key) = match command {
        Command::List => {
            let rows = super::get(home, "/v1/list/agents")?;
            let fields = ["id", "label", "tenant", "region", "worker", "policy", "nonce", "is_moving"];
            format.print(|| table(&rows, &fields), rows.clone());
            return Ok(Code::Done);
        }
        Command::Spawn {
            label,
            tenant,
            region,
            stack,
            policy,
            position,
            skill,
            semantic,
            data,
            near,
            beside,
            avoid,
            cpu_milli,
            memory_mib,
            key,
        } => {
            let near = near.into_iter().map(|Weighed(region, weight)| Wish::Near { region, weight });
            let beside = beside.into_iter().map(|Weighed(agent, weight)| Wish::Beside { agent, weight });
            let avoid = avoid.into_iter().map(|worker| Wish::Avoid { worker });
            let bytes =
                std::fs::read(&stack).with_context(|| format!("{} cannot be read", stack.display()))?;
            let mut seed = [0_u8; 32];
            getrandom::fill(&mut seed).map_err(|e| anyhow::anyhow!("no random numbers: {e}"))?;
            let spec = AgentSpec {
                label,
                tenant,
                region,
                stack: Hash::sha3(&bytes),
                position: position.map(Position),
                affinity: Affinity { skills: skill.into_iter().collect(), semantic, data },
                resources: Resources { cpu_milli, memory_mib, ..Resources::default() },
                policy,
                wishes: near.chain(beside).chain(avoid).collect(),
                seed: AgentSeed(seed),
            };
            (Operation::SpawnAgent(Box::new(spec)), key)
        }
        Command::Migrate { id, worker, key } => (Operation::MigrateAgent { agent: id, worker }, key),
        Command::Use { mut ids, key } => {
            ids.sort_unstable();
            ids.dedup();
            (Operation::UseAgents { agents: ids }, key)
        }
        Command::Terminate { id, key } => (Operation::TerminateAgent { agent: id }, key),
    };
    let key = super::key(home, key, "tenant.json")?;
    let answer = super::send(home, &key, vec![operation])?;
    let (text, code) = super::outcome(&answer);
    let spawned = answer["agents"].as_array().into_iter().flatten().filter_map(serde_json::Value::as_str);
    let ids: String = spawned.filter(|_| code == Code::Done).map(|id| format!("{id}\n")).collect();
    format.print(|| format!("{ids}{text}"), answer.clone());
    Ok(code)
}
