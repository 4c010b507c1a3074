//! `phalanx agent`.

use crate::{
    founding::TENANT,
    home::Home,
    output::{Code, Format, table},
};
use anyhow::{Context, Result};
use phalanx_types::{
    AgentId, AgentSpec, Hash, Name, Operation, Resources,
    agent::{AgentSeed, DIMENSION_DEFAULT, Position},
};
use std::path::PathBuf;

/// Spawns, moves and ends agents.
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
        /// Name of the policy it is bound by.
        #[arg(long, default_value = "default")]
        policy: Name,
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
            let fields = ["id", "label", "tenant", "region", "worker", "policy", "nonce"];
            format.print(|| table(&rows, &fields), rows.clone());
            return Ok(Code::Done);
        }
        Command::Spawn { label, tenant, region, stack, policy, cpu_milli, memory_mib, key } => {
            let bytes =
                std::fs::read(&stack).with_context(|| format!("{} cannot be read", stack.display()))?;
            let mut seed = [0_u8; 32];
            getrandom::fill(&mut seed).map_err(|e| anyhow::anyhow!("no random numbers: {e}"))?;
            let spec = AgentSpec {
                label,
                tenant,
                region,
                stack: Hash::sha3(&bytes),
                position: Position::origin(DIMENSION_DEFAULT),
                resources: Resources { cpu_milli, memory_mib, ..Resources::default() },
                policy,
                seed: AgentSeed(seed),
            };
            (Operation::SpawnAgent(Box::new(spec)), key)
        }
        Command::Migrate { id, worker, key } => (Operation::MigrateAgent { agent: id, worker }, key),
        Command::Terminate { id, key } => (Operation::TerminateAgent { agent: id }, key),
    };
    let key = super::key(home, key, "tenant.json")?;
    let answer = super::send(home, &key, vec![operation])?;
    let (text, code) = super::outcome(&answer);
    format.print(|| text, answer);
    Ok(code)
}
