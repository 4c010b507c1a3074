//! The kinds of commands, as people say them.

use crate::files;
use anyhow::{Context, Result};
use phalanx_governance::contracts::{ChainCommand, ChainMode, TenantLimits, command::COMMANDS_BYTES_MAX};
use phalanx_types::{
    Hash, Name, PublicKey,
    owner::{PAYLOAD_LEN_MAX, POLICY_LEN_MAX},
    params::Verification,
    policy::Policy,
};
use std::path::PathBuf;

/// A command. Parts of a whole are in millionths.
#[derive(clap::Subcommand)]
pub enum Kind {
    /// Stops the whole mesh, at once, whatever the delay of the commands is.
    PauseMesh,
    /// Ends the pause of the mesh.
    ResumeMesh,
    /// Stops a shard, at once, whatever the delay of the commands is.
    PauseShard {
        /// The shard.
        shard: Name,
    },
    /// Ends the pause of a shard.
    ResumeShard {
        /// The shard.
        shard: Name,
    },
    /// Adds a shard, or replaces all its settings.
    SetShard {
        /// The shard.
        shard: Name,
        /// Most jobs that may wait there.
        #[arg(long, value_name = "JOBS")]
        queue_budget: u32,
        /// Latency that work of this region may have.
        #[arg(long, value_name = "MS")]
        latency_budget_ms: u32,
        /// Shards that its overflow goes to, in this order.
        #[arg(long, value_name = "SHARD", value_delimiter = ',')]
        spillover: Vec<Name>,
        /// What it is good at.
        #[arg(long, value_name = "SKILL", value_delimiter = ',')]
        specialties: Vec<Name>,
    },
    /// Sets the budgets of a shard.
    SetShardBudget {
        /// The shard.
        shard: Name,
        /// Most jobs that may wait there.
        #[arg(long, value_name = "JOBS")]
        queue_budget: u32,
        /// Latency that work of this region may have.
        #[arg(long, value_name = "MS")]
        latency_budget_ms: u32,
    },
    /// Sets how much free capacity counts in a shard's scores.
    SetShardWeight {
        /// The shard.
        shard: Name,
        /// Millionths, at most 1000000.
        weight: u32,
    },
    /// Sets where a shard's overflow goes.
    SetSpillover {
        /// The shard.
        shard: Name,
        /// Other shards, in this order; none: nowhere.
        to: Vec<Name>,
    },
    /// Sets how much of each worker's capacity assignment may fill.
    SetThermostat {
        /// Millionths, from 1 to 1000000.
        limit: u32,
    },
    /// Sets the goals, by which nothing is decided yet: four parts in millionths
    /// that sum to 1000000.
    SetOptimisation {
        /// Latency and throughput.
        #[arg(long, value_name = "MILLIONTHS")]
        performance: u32,
        /// Resource efficiency.
        #[arg(long, value_name = "MILLIONTHS")]
        cost: u32,
        /// Uptime and fault tolerance.
        #[arg(long, value_name = "MILLIONTHS")]
        reliability: u32,
        /// Energy.
        #[arg(long, value_name = "MILLIONTHS")]
        sustainability: u32,
    },
    /// Sets how much is receipted.
    SetVerification {
        /// Only what always is, a share of all subjects, or everything.
        #[command(subcommand)]
        level: Level,
    },
    /// Sets who proposes and who weighs.
    SetMode {
        /// Who.
        #[command(subcommand)]
        mode: Mode,
    },
    /// Adds a tenant, or replaces its keys and limits.
    SetTenant {
        /// The tenant.
        tenant: Name,
        /// A key that may sign for it; several times for more.
        #[arg(long = "key", value_name = "KEY")]
        keys: Vec<PublicKey>,
        /// Jobs that may wait or run.
        #[arg(long, value_name = "JOBS")]
        jobs_max: u32,
        /// Agents that may live.
        #[arg(long, value_name = "AGENTS")]
        agents_max: u32,
        /// Thousandths of a core.
        #[arg(long, value_name = "MILLI")]
        cpu_milli_max: u64,
        /// Memory.
        #[arg(long, value_name = "MIB")]
        memory_mib_max: u64,
        /// Thousandths of a GPU.
        #[arg(long, value_name = "MILLI", default_value_t = 0)]
        gpu_milli_max: u64,
    },
    /// Proposes the next set of validators.
    SetValidators {
        /// A JSON list: label, region, network_key, vote_key, account, weight of
        /// each, and a registration of those who are new.
        file: PathBuf,
    },
    /// Drops the set of validators that is pending.
    WithdrawValidators {
        /// Its hash.
        set_hash: Hash,
    },
    /// Starts the delay after which a set may be forced without the signatures
    /// of the current one.
    RequestForce {
        /// Its hash.
        set_hash: Hash,
    },
    /// Takes such a request back.
    CancelForce {
        /// The set's hash.
        set_hash: Hash,
    },
    /// Forces a set, for everybody to see for ever.
    ExecuteForce {
        /// Its hash.
        set_hash: Hash,
    },
    /// Lets a key sign for a worker.
    ApproveWorker {
        /// The worker.
        worker: Name,
        /// The key of the node that hosts it.
        key: PublicKey,
    },
    /// Ends an approval; the worker's attempts are queued again.
    RevokeWorker {
        /// The worker.
        worker: Name,
    },
    /// Lets a peer join the mesh.
    AdmitPeer {
        /// Its network key.
        network_key: PublicKey,
        /// A word for people.
        label: Name,
    },
    /// Cuts a peer off.
    BanPeer {
        /// Its network key.
        network_key: PublicKey,
        /// Why, for the receipt.
        #[arg(long, value_name = "TEXT")]
        reason: String,
        /// Until when, in milliseconds since 1970 [default: for ever].
        #[arg(long, value_name = "MS")]
        until_ms: Option<u64>,
    },
    /// Declares a policy, or replaces it.
    SetPolicy {
        /// Its name.
        name: Name,
        /// A JSON file: whom it binds, and what must hold of agents.
        file: PathBuf,
    },
    /// Takes a policy back.
    RemovePolicy {
        /// Its name.
        name: Name,
    },
    /// Writes bytes into the log that mean nothing to the mesh.
    #[command(group = clap::ArgGroup::new("bytes").required(true))]
    Payload {
        /// A file with the bytes.
        #[arg(group = "bytes")]
        file: Option<PathBuf>,
        /// The bytes in hex.
        #[arg(long, value_name = "HEX", group = "bytes")]
        hex: Option<String>,
    },
    /// Lets later commands wait before they can be executed. A pause never
    /// waits.
    SetDelay {
        /// For how long.
        seconds: u32,
    },
    /// Tells a mesh that stopped obeying, because the chain has changed its
    /// past, to go on.
    Reconcile {
        /// The last command that the mesh has applied.
        applied: u64,
        /// The hash chain up to it, as the mesh has it.
        head: Hash,
    },
}

/// How much is receipted.
#[derive(clap::Subcommand)]
pub enum Level {
    /// Only what is always receipted.
    None,
    /// A share of the subjects, chosen by hash.
    Sample {
        /// Millionths of all subjects.
        #[arg(long, value_name = "MILLIONTHS")]
        fraction: u32,
    },
    /// Everything.
    FullAudit,
}

/// Who proposes.
#[derive(clap::Subcommand)]
pub enum Mode {
    /// The first of a list, and the next ones when it misses a round.
    Centralized {
        /// Vote keys: the controller, then its successors.
        #[arg(required = true)]
        succession: Vec<PublicKey>,
    },
    /// One coordinator a region.
    Federated {
        /// A region with the vote keys of its coordinator and its successors,
        /// as REGION=KEY,KEY; at least four.
        #[arg(required = true, value_parser = region)]
        regions: Vec<(Name, Keys)>,
    },
    /// All in turn, with equal weight.
    FullyDistributed,
    /// All in turn, weighted by distance.
    GeometricMesh,
}

/// A list of keys that is one value of the command line.
#[derive(Clone, Debug)]
pub struct Keys(Vec<PublicKey>);

fn region(text: &str) -> Result<(Name, Keys), String> {
    let (name, keys) = text.split_once('=').ok_or("REGION=KEY,KEY is expected")?;
    let name = name.parse::<Name>().map_err(|e| e.to_string())?;
    let keys = keys.split(',').map(|key| key.parse().map_err(|e| format!("{key:?}: {e}")));
    Ok((name, Keys(keys.collect::<Result<_, _>>()?)))
}

impl Kind {
    /// The command, its files read.
    pub fn command(self) -> Result<ChainCommand> {
        use ChainCommand as C;
        Ok(match self {
            Self::PauseMesh => C::PauseMesh,
            Self::ResumeMesh => C::ResumeMesh,
            Self::PauseShard { shard } => C::PauseShard { shard },
            Self::ResumeShard { shard } => C::ResumeShard { shard },
            Self::SetShard { shard: name, queue_budget, latency_budget_ms, spillover, specialties } => {
                C::SetShard { name, queue_budget, latency_budget_ms, spillover, specialties }
            }
            Self::SetShardBudget { shard, queue_budget, latency_budget_ms } => {
                C::SetShardBudget { shard, queue_budget, latency_budget_ms }
            }
            Self::SetShardWeight { shard, weight: weight_ppm } => C::SetShardWeight { shard, weight_ppm },
            Self::SetSpillover { shard, to: spillover } => C::SetSpillover { shard, spillover },
            Self::SetThermostat { limit: limit_ppm } => C::SetThermostat { limit_ppm },
            Self::SetOptimisation { performance, cost, reliability, sustainability } => {
                C::SetOptimisation { performance, cost, reliability, sustainability }
            }
            Self::SetVerification { level } => {
                let level = match level {
                    Level::None => Verification::None,
                    Level::Sample { fraction: fraction_ppm } => Verification::Sample { fraction_ppm },
                    Level::FullAudit => Verification::FullAudit,
                };
                C::SetVerification { level: level.code(), fraction_ppm: level.fraction_ppm() }
            }
            Self::SetMode { mode } => C::SetMode {
                mode: match mode {
                    Mode::Centralized { succession } => ChainMode::Centralized(succession),
                    Mode::Federated { regions } => ChainMode::Federated(
                        regions.into_iter().map(|(region, Keys(keys))| (region, keys)).collect(),
                    ),
                    Mode::FullyDistributed => ChainMode::FullyDistributed,
                    Mode::GeometricMesh => ChainMode::GeometricMesh,
                },
            },
            Self::SetTenant {
                tenant: name,
                keys,
                jobs_max,
                agents_max,
                cpu_milli_max,
                memory_mib_max,
                gpu_milli_max,
            } => {
                let limits =
                    TenantLimits { jobs_max, agents_max, cpu_milli_max, memory_mib_max, gpu_milli_max };
                C::SetTenant { name, keys, limits }
            }
            Self::SetValidators { file } => {
                let validators = C::read_validators(&files::read(&file, COMMANDS_BYTES_MAX)?)
                    .with_context(|| file.display().to_string())?;
                C::SetValidators { validators }
            }
            Self::WithdrawValidators { set_hash } => C::WithdrawValidators { set_hash },
            Self::RequestForce { set_hash } => C::RequestForce { set_hash },
            Self::CancelForce { set_hash } => C::CancelForce { set_hash },
            Self::ExecuteForce { set_hash } => C::ExecuteForce { set_hash },
            Self::ApproveWorker { worker, key } => C::ApproveWorker { worker, key },
            Self::RevokeWorker { worker } => C::RevokeWorker { worker },
            Self::AdmitPeer { network_key, label } => C::AdmitPeer { network_key, label },
            Self::BanPeer { network_key, reason, until_ms } => {
                C::BanPeer { network_key, reason, until_ms: until_ms.unwrap_or(u64::MAX) }
            }
            Self::SetPolicy { name, file } => {
                let document = files::read(&file, POLICY_LEN_MAX)?;
                Policy::parse(&document).with_context(|| file.display().to_string())?;
                C::SetPolicy { name, document }
            }
            Self::RemovePolicy { name } => C::RemovePolicy { name },
            Self::Payload { file, hex } => {
                let data = match (file, hex) {
                    (Some(file), _) => files::read(&file, PAYLOAD_LEN_MAX)?,
                    (None, digits) => hex::decode(digits.unwrap_or_default().trim_start_matches("0x"))
                        .context("--hex takes hex digits")?,
                };
                C::Payload { data }
            }
            Self::SetDelay { seconds: delay_s } => C::SetDelay { delay_s },
            Self::Reconcile { applied, head } => C::Reconcile { applied, head },
        })
    }
}
