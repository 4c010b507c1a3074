//! Founding a mesh on one machine: genesis, and a home folder for each node.

use crate::home::{self, Bootstrap, Home, NodeConfig};
use anyhow::{Context, Result, ensure};
use phalanx_config::{Label, Orchestration, RoutingAlgorithm};
use phalanx_fabric::defaults::planetary;
use phalanx_providers::process::Allowed;
use phalanx_types::{
    Genesis, Hash, Name, Params, PublicKey, SigningKey, TimeMs, Validator, Weight, WorkerOffer,
    params::{Mode, Verification},
    tenant::{Quota, Tenant},
};
use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    net::{Ipv4Addr, SocketAddr},
    path::{Path, PathBuf},
};

/// The interface of node i listens on the base port plus this plus i.
const API_PORT_OFFSET: u16 = 100;
/// The tenant that every founded mesh begins with.
pub const TENANT: &str = "tenant";

/// Who proposes, by the word on the command line.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, clap::ValueEnum)]
pub enum ModeWord {
    /// One controller proposes; the others take over when it misses a turn.
    Centralized,
    /// One coordinator a region proposes and votes.
    Federated,
    /// All propose in turn and weigh alike.
    FullyDistributed,
    /// All propose in turn; weights fall with the distance from the work.
    #[default]
    GeometricMesh,
}

/// Who proposes.
#[derive(Clone, Debug)]
pub enum ModeChoice {
    /// As the word says of all nodes.
    Word(ModeWord),
    /// As a file of settings says.
    Settings(Orchestration),
}

/// What to found.
#[derive(Clone, Debug)]
pub struct Plan {
    /// Number of nodes.
    pub nodes: usize,
    /// Where the folders go.
    pub out: PathBuf,
    /// Node i (from 1) listens on this port plus i.
    pub base_port: u16,
    /// Who proposes.
    pub mode: ModeChoice,
    /// How much is receipted.
    pub verification: Verification,
    /// Workers in place of the planetary ones.
    pub workers: Option<Vec<WorkerOffer>>,
    /// Commands that jobs may run, at every node.
    pub commands: BTreeMap<Name, Allowed>,
    /// The shared numbers.
    pub params: Params,
    /// How directed messages find their way, at every node.
    pub routing_algorithm: RoutingAlgorithm,
}

/// A founded mesh.
#[derive(Clone, Debug)]
pub struct Founded {
    /// The home folders.
    pub homes: Vec<Home>,
    /// The mesh.
    pub genesis: Genesis,
    /// The tenant's key.
    pub tenant: SigningKey,
}

/// Commands that do no harm, to begin with.
pub fn harmless_commands() -> Result<BTreeMap<Name, Allowed>> {
    [
        ("echo", "/bin/echo", 16),
        ("sleep", "/bin/sleep", 1),
        ("true", "/bin/true", 0),
        ("false", "/bin/false", 0),
    ]
    .into_iter()
    .map(|(name, path, more_args_max)| {
        Ok((Name::new(name)?, Allowed { path: path.into(), args: Vec::new(), more_args_max }))
    })
    .collect()
}

fn port(base: u16, offset: u16, node: usize) -> Result<u16> {
    u16::try_from(node)
        .ok()
        .and_then(|node| base.checked_add(offset)?.checked_add(node))
        .with_context(|| format!("there are no {node} ports above {base}: choose a lower --base-port"))
}

struct Keys {
    vote: SigningKey,
    network: SigningKey,
    host: SigningKey,
}

/// Makes the keys of a node.
fn node_keys(home: &Home) -> Result<Keys> {
    let new = |name: &str| home::new_key(&home.file("keys").join(format!("{name}.json")));
    Ok(Keys { vote: new("vote")?, network: new("network")?, host: new("host")? })
}

fn random() -> Result<[u8; 32]> {
    let mut bytes = [0_u8; 32];
    getrandom::fill(&mut bytes).map_err(|e| anyhow::anyhow!("no random numbers: {e}"))?;
    Ok(bytes)
}

fn write_home(home: &Home, config: &NodeConfig, genesis: &Genesis) -> Result<()> {
    fs::write(home.file("config.toml"), toml::to_string_pretty(config)?)?;
    fs::write(home.file("genesis.json"), serde_json::to_vec_pretty(genesis)?)?;
    home::write_private(&home.file("api-token"), hex::encode(random()?).as_bytes())
}

fn mode(choice: &ModeChoice, validators: &[Validator], regions: &[Name]) -> Result<Mode> {
    let orchestration = match choice {
        ModeChoice::Settings(orchestration) => orchestration.clone(),
        ModeChoice::Word(ModeWord::FullyDistributed) => Orchestration::FullyDistributed {},
        ModeChoice::Word(ModeWord::GeometricMesh) => Orchestration::GeometricMesh {},
        ModeChoice::Word(ModeWord::Federated) => Orchestration::Federated { coordinators: BTreeMap::new() },
        ModeChoice::Word(ModeWord::Centralized) => {
            let first = validators.first().context("there is no validator")?;
            Orchestration::Centralized { controller: Label(first.label.clone()), successors: Vec::new() }
        }
    };
    Ok(orchestration.to_mode(validators, regions)?)
}

/// The validator of node i (from 0): the first of a region has the region's name.
fn validator(i: usize, regions: &[Name], vote_key: PublicKey, network_key: PublicKey) -> Result<Validator> {
    let region = regions.get(i % regions.len().max(1)).cloned().context("there is no region")?;
    let label =
        if i < regions.len() { region.to_string() } else { format!("{region}-{}", i / regions.len() + 1) };
    Ok(Validator {
        vote_key,
        network_key,
        chain_address: [0; 20],
        base_weight: Weight(1),
        region,
        label: Name::new(&label)?,
    })
}

/// Founds a mesh. Nothing that exists is overwritten.
pub fn found(plan: &Plan) -> Result<Founded> {
    ensure!((1..=64).contains(&plan.nodes), "a mesh on one machine has 1 to 64 nodes");
    let planetary = planetary()?;
    let regions: Vec<Name> = planetary.shards.iter().map(|s| s.name.clone()).collect();
    let region_of = |i: usize| regions.get(i % regions.len().max(1)).cloned().context("there is no region");
    let homes: Vec<Home> =
        (1..=plan.nodes).map(|i| Home { path: plan.out.join(format!("node-{i}")) }).collect();
    for home in &homes {
        ensure!(!home.path.exists(), "{} is there already: choose another --out", home.path.display());
    }
    // Who is named must be there: that is known before a file is made.
    let rehearsed = (0_u8..).zip(&homes).enumerate().map(|(i, (key, _))| {
        let key = PublicKey([key; 32]);
        validator(i, &regions, key, key)
    });
    mode(&plan.mode, &rehearsed.collect::<Result<Vec<_>>>()?, &regions)?;
    let keys: Vec<Keys> = homes.iter().map(node_keys).collect::<Result<_>>()?;
    let tenant = home::new_key(&plan.out.join("tenant.json"))?;
    let owner = home::new_key(&plan.out.join("owner.json"))?;

    let made = keys.iter().enumerate();
    let made = made.map(|(i, keys)| validator(i, &regions, keys.vote.public(), keys.network.public()));
    let validators: Vec<Validator> = made.collect::<Result<_>>()?;
    // A region's workers are dealt to its nodes in turn; a region without a
    // node goes to the first.
    let mut hosted: Vec<Vec<WorkerOffer>> = vec![Vec::new(); plan.nodes];
    let mut dealt: BTreeMap<Name, usize> = BTreeMap::new();
    let mut approvals = BTreeMap::new();
    for offer in plan.workers.clone().unwrap_or(planetary.workers) {
        let nodes: Vec<usize> =
            (0..plan.nodes).filter(|i| region_of(*i).is_ok_and(|r| r == offer.region)).collect();
        let turn = dealt.entry(offer.region.clone()).or_default();
        let node = nodes.get(*turn % nodes.len().max(1)).copied().unwrap_or(0);
        *turn += 1;
        if let (Some(keys), Some(own)) = (keys.get(node), hosted.get_mut(node)) {
            approvals.insert(offer.worker.clone(), keys.host.public());
            own.push(offer);
        }
    }
    let genesis = Genesis {
        mesh: Hash(random()?),
        time: crate::runtime::now(),
        chain: None,
        owner: owner.public(),
        mode: mode(&plan.mode, &validators, &regions)?,
        validators,
        verification: plan.verification,
        shards: planetary.shards,
        latencies: planetary.latencies,
        tenants: vec![Tenant {
            name: Name::new(TENANT)?,
            keys: BTreeSet::from([tenant.public()]),
            quota: Quota::UNLIMITED,
        }],
        workers: approvals,
        params: plan.params.clone(),
    };
    genesis.check()?;

    let localhost = Ipv4Addr::LOCALHOST;
    let addresses =
        |port: u16| [format!("/ip4/{localhost}/tcp/{port}"), format!("/ip4/{localhost}/udp/{port}/quic-v1")];
    let mut bootstrap = Vec::new();
    for (i, keys) in keys.iter().enumerate() {
        for address in addresses(port(plan.base_port, 0, i + 1)?) {
            bootstrap.push(Bootstrap { key: keys.network.public(), address });
        }
    }
    for (i, ((home, keys), workers)) in homes.iter().zip(&keys).zip(hosted).enumerate() {
        let config = NodeConfig {
            listen: addresses(port(plan.base_port, 0, i + 1)?).into(),
            api: SocketAddr::from((localhost, port(plan.base_port, API_PORT_OFFSET, i + 1)?)),
            bootstrap: bootstrap.iter().filter(|b| b.key != keys.network.public()).cloned().collect(),
            links: None,
            routing_algorithm: plan.routing_algorithm,
            workers,
            join_by_snapshot_beyond: home::join_by_snapshot_beyond(),
            storage_checkpoints: home::storage_checkpoints(),
            commands: plan.commands.clone(),
            chain: None,
            proofs: None,
        };
        write_home(home, &config, &genesis)?;
    }
    Ok(Founded { homes, genesis, tenant })
}

/// What a new node tells the owner of the mesh that it wants to join.
#[derive(Debug, serde::Serialize)]
pub struct Newcomer {
    /// Signs votes, should it become a validator.
    pub vote_key: phalanx_types::PublicKey,
    /// To be admitted.
    pub network_key: phalanx_types::PublicKey,
    /// To be approved for its workers.
    pub host_key: phalanx_types::PublicKey,
}

/// Makes the home folder of a node that joins the mesh of `like`, a folder of
/// one of its nodes: genesis and bootstrap peers are taken from there.
pub fn join(home: &Home, like: &Path, base_port: u16) -> Result<Newcomer> {
    ensure!(!home.path.exists(), "{} is there already: choose another --home", home.path.display());
    let like = Home { path: like.to_owned() };
    let (genesis, config) = (like.genesis()?, like.config()?);
    let peer = like.key("network")?.public();
    let keys = node_keys(home)?;
    let own = config.listen.iter().map(|address| Bootstrap { key: peer, address: address.clone() });
    let localhost = Ipv4Addr::LOCALHOST;
    let listen = port(base_port, 0, 0)?;
    let new = NodeConfig {
        listen: vec![
            format!("/ip4/{localhost}/tcp/{listen}"),
            format!("/ip4/{localhost}/udp/{listen}/quic-v1"),
        ],
        api: SocketAddr::from((localhost, port(base_port, API_PORT_OFFSET, 0)?)),
        bootstrap: own.chain(config.bootstrap.iter().cloned()).collect(),
        links: None,
        routing_algorithm: config.routing_algorithm,
        workers: Vec::new(),
        join_by_snapshot_beyond: home::join_by_snapshot_beyond(),
        storage_checkpoints: home::storage_checkpoints(),
        commands: config.commands,
        chain: config.chain.map(|c| crate::chain::ChainConfig { signer: None, payer: None, ..c }),
        proofs: None,
    };
    write_home(home, &new, &genesis)?;
    Ok(Newcomer {
        vote_key: keys.vote.public(),
        network_key: keys.network.public(),
        host_key: keys.host.public(),
    })
}

/// When an envelope made now expires.
pub fn expiry(params: &Params) -> TimeMs {
    crate::runtime::now().saturating_add(u64::from(params.expiry_max_ms) / 2)
}
