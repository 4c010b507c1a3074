//! A running node.
//!
//! Seven parts, joined by bounded channels: the *core*, a thread of its own that
//! owns consensus, replica and store; the *network*, which carries bytes and
//! verdicts; *routing*, which knows where nodes are and carries messages to those that are
//! not linked; the *host*, which runs this node's workers; the *chain*'s part, where the
//! genesis names one; the *prover*, where the settings ask for one; and the HTTP interface.
//! The core is the only one that decides anything.

mod chain;
pub mod core;
mod handover;
mod host;
mod latency;
mod net;
mod proving;
mod routing;
mod sequence;
pub mod storage;
mod topology;
pub mod view;
mod wal;

use crate::{chain::ChainConfig, home::Home, stop::Stop};
use anyhow::{Context, Result};
use phalanx_consensus::{Config, Consensus};
use phalanx_ledger::RocksKv;
use phalanx_p2p::{Limits, MeshConfig, PeerKey};
use phalanx_providers::{process::ProcessProvider, runtime::WorkerRuntime};
use phalanx_replica::Replica;
use phalanx_routing::{Router, RouterConfig};
use phalanx_types::{Genesis, TimeMs};
use std::{
    collections::BTreeMap,
    path::PathBuf,
    sync::Arc,
    time::{Duration, SystemTime, UNIX_EPOCH},
};
use tokio::sync::{Semaphore, broadcast};

/// Decisions that wait for a reader; one that is farther behind misses some.
const DECISIONS_MAX: usize = 1_024;
/// Beats whose events wait for a reader.
const EVENTS_MAX: usize = 256;
/// Time for each of the workers and the state file when the node stops: with twice
/// [`LEAVE_PATIENCE`] within the five seconds that service managers are promised.
const STOP_PATIENCE: Duration = Duration::from_millis(1_600);
/// Time for leaving the mesh, and for the core to end.
const LEAVE_PATIENCE: Duration = Duration::from_millis(600);

/// This machine's clock.
pub fn now() -> TimeMs {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    TimeMs(u64::try_from(since.as_millis()).unwrap_or(u64::MAX))
}

/// For which contract the node proves: the one in its settings, or none.
fn proof_context(genesis: &Genesis, chain: Option<&ChainConfig>) -> Vec<String> {
    match (&genesis.chain, chain.and_then(|chain| chain.verifier)) {
        (Some(binding), Some(verifier)) => {
            vec![format!("--chain-id={}", binding.chain_id), format!("--contract={verifier}")]
        }
        _ => Vec::new(),
    }
}

/// Writes the program's log to standard error; `RUST_LOG` chooses what.
pub fn log_to_stderr(default: &str) {
    let filter = tracing_subscriber::EnvFilter::try_from_default_env()
        .unwrap_or_else(|_| tracing_subscriber::EnvFilter::new(default));
    let is_terminal = std::io::IsTerminal::is_terminal(&std::io::stderr());
    tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(std::io::stderr)
        .with_ansi(is_terminal)
        .init();
}

/// Runs a node until it is told to stop, or cannot go on.
pub async fn run(home: &Home, out: PathBuf, dev: bool) -> Result<()> {
    let config = home.config()?;
    let genesis = home.genesis()?;
    let _lock = home.lock()?;
    let vote = home.key("vote")?;
    let host_key = home.key("host")?;
    let network = home.key("network")?;
    let token = home.token()?;

    let store = RocksKv::open(&home.file("data"))?;
    let mut replica =
        Replica::open(store.clone(), &genesis, vote.public(), phalanx_replica::Limits::default())?;
    if config.join_by_snapshot_beyond > 0 {
        replica.join_by_snapshot_beyond(config.join_by_snapshot_beyond);
    }
    let admitted: BTreeMap<PeerKey, String> = replica
        .fabric()
        .admitted(now())
        .into_iter()
        .map(|(key, label)| (PeerKey(key.0), label.to_string()))
        .collect();
    let labels = admitted.clone();
    let wal = wal::FileWal::open(&home.file("wal"))?;
    let first = replica.fabric().clone();
    let wanted = host::wanted(&first, &config.workers);
    let consensus = Consensus::new(
        Config { mesh: genesis.mesh, key: vote.clone(), params: genesis.params.clone() },
        replica,
        wal,
    );

    // Everything that can fail comes before the core: what ends the program
    // while the core writes would end it in the middle of a write.
    let workers = WorkerRuntime::open(
        &home.file("journal"),
        ProcessProvider {
            shim: (
                std::env::current_exe().context("this program's own path is unknown")?,
                vec!["attempt-shim".into()],
            ),
            work: home.file("work"),
            allowed: config.commands.clone(),
        },
        &wanted,
    )?;
    let (events, _) = broadcast::channel(EVENTS_MAX);
    let opened = chain::open(home, &genesis, config.chain.as_ref(), vote.public(), dev, events.clone())?;
    let (chain, chain_handle, observed) = match opened {
        Some(opened) => (Some(opened.chain), Some(opened.handle), Some(opened.operations)),
        None => (None, None, None),
    };
    let sequences = sequence::Sequences::open(&home.file("sequences"))?;
    let listener = tokio::net::TcpListener::bind(config.api)
        .await
        .with_context(|| format!("the HTTP interface cannot listen on {}", config.api))?;
    let mut stop = Stop::new()?;

    let (mesh, mesh_events) = phalanx_p2p::start(MeshConfig {
        mesh: genesis.mesh.0,
        network_seed: network.seed().clone(),
        listen: config.listen.clone(),
        bootstrap: config.bootstrap.iter().map(|b| (PeerKey(b.key.0), b.address.clone())).collect(),
        admitted,
        links: config.links.map(|links| links.iter().map(|key| PeerKey(key.0)).collect()),
        limits: Limits::default(),
    })?;
    let (router, delivered) = Router::new(
        mesh.clone(),
        RouterConfig {
            mesh: genesis.mesh,
            key: network.clone(),
            algorithm: config.routing_algorithm.algorithm(),
            members: routing::members(&first),
        },
    )?;
    tokio::spawn(router.clone().run());
    let hosting = routing::Hosting {
        mesh: genesis.mesh,
        node: network.public(),
        key: host_key.clone(),
        offers: config.workers.clone(),
    };
    let (decisions, _) = broadcast::channel(DECISIONS_MAX);
    let (core, core_outputs) = core::start(consensus, first, decisions.clone())?;

    let pending = net::Pending::default();
    let network = tokio::spawn(net::run(net::Net {
        mesh: mesh.clone(),
        mesh_events,
        core: core.clone(),
        core_outputs,
        decisions: decisions.subscribe(),
        pending: pending.clone(),
        admitted: labels,
        chain: chain_handle.clone(),
        router: router.clone(),
        delivered,
        hosting: hosting.clone(),
        unverified: Arc::new(Semaphore::new(net::UNVERIFIED_KIB_MAX)),
    }));
    let chain = {
        let (core, mesh, decisions) = (core.clone(), mesh.clone(), decisions.subscribe());
        let router = router.clone();
        let job = home.file("anchoring.json");
        tokio::spawn(async move {
            match chain {
                Some(chain) => chain.run(core, mesh, router, decisions, job).await,
                None => std::future::pending().await,
            }
        })
    };
    let sender = net::Sender { mesh: mesh.clone(), core: core.clone(), pending };
    let host = host::Host {
        mesh_id: genesis.mesh,
        key: host_key,
        vote_key: vote,
        offers: config.workers.clone(),
        workers,
        sequences,
        sender: sender.clone(),
        core: core.clone(),
        decisions: decisions.subscribe(),
        observed,
    };
    let (stop_host, host_stopped) = tokio::sync::oneshot::channel();
    let mut host = tokio::spawn(host.run(host_stopped));
    let storage = storage::Storage { core: core.clone(), out, every: config.storage_checkpoints };
    tokio::spawn(storage.clone().run(decisions.subscribe()));
    tokio::spawn(view::tell_events(decisions.subscribe(), events.clone()));
    let proofs = match &config.proofs {
        Some(settings) => {
            let context = proof_context(&genesis, config.chain.as_ref());
            let (proving, progress) = proving::Proving::new(home, settings, context, events.clone())?;
            tokio::spawn(proving.run(decisions.subscribe()));
            Some(progress)
        }
        None => None,
    };

    let router = phalanx_api::router(
        view::View {
            core: core.clone(),
            sender,
            mesh: mesh.clone(),
            events,
            decisions,
            chain: chain_handle,
            proofs,
            store,
            prover: Semaphore::new(1),
            routing: routing::RoutingView { router, hosting, core: core.clone() },
        },
        token,
    );
    let server = tokio::spawn(async move { axum::serve(listener, router).await });
    tracing::info!(api = %config.api, listen = ?config.listen, "running");

    let outcome = tokio::select! {
        // The cause before what follows from it: the core takes others with it.
        biased;
        fatal = core.fatal() => Err(fatal.into()),
        () = stop.asked() => Ok(()),
        ended = &mut host => ended
            .map_err(Into::into)
            .and_then(|ended| ended)
            .and(Err(anyhow::anyhow!("they ended")))
            .context("the workers of this node cannot go on"),
        ended = chain => ended
            .map_err(Into::into)
            .and_then(|ended| ended)
            .and(Err(anyhow::anyhow!("it ended")))
            .context("the chain's part of this node cannot go on"),
        ended = network => ended.map_err(Into::into).and(Err(anyhow::anyhow!("the network part ended"))),
    };
    tracing::info!("stopping");
    server.abort();
    let _ = stop_host.send(());
    if !host.is_finished() {
        let _ = tokio::time::timeout(STOP_PATIENCE, host).await;
    }
    if tokio::time::timeout(LEAVE_PATIENCE, mesh.shutdown()).await.is_err() {
        tracing::warn!("peers were not told that this node leaves");
    }
    match tokio::time::timeout(STOP_PATIENCE, storage.write()).await {
        Ok(Ok(())) => {}
        Ok(Err(error)) => tracing::warn!("{} was not written: {error:#}", storage::FILE),
        Err(_) => tracing::warn!(
            "{} was not written: the state is too large to do so while stopping",
            storage::FILE
        ),
    }
    // What was decided is on disk whatever happens here.
    if tokio::time::timeout(LEAVE_PATIENCE, core.stop()).await.is_err() {
        tracing::warn!("the core had too much to do to be told that it is over");
    }
    outcome
}
