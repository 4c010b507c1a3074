//! This node and its chain: signs checkpoints, watches the owner's commands, and
//! sends checkpoints to the chain.
//!
//! Three tasks that share [`Shared`]: [`cosigning`] between validators, [`watching`]
//! of the chain, [`anchoring`]. None of them is in the way of beats: when the chain
//! is away the mesh goes on, checkpoints wait, and every view says so.

mod anchoring;
mod cosigning;
mod watching;

use super::core::Core;
use crate::{
    chain::{ChainConfig, Contracts},
    output::{Code, Failure},
};
use anyhow::{Context, Result};
use phalanx_governance::{
    Address, Signer,
    cosign::{Cosigner, LATE},
};
use phalanx_ledger::cosigns::CosignStore;
use phalanx_p2p::MeshHandle;
use phalanx_replica::Decision;
use phalanx_routing::Router;
use phalanx_types::{
    Genesis, Hash, Operation, PublicKey, cosign::Cosignatures, genesis::ChainBinding, units::CheckpointNumber,
};
use serde_json::{Value, json};
use std::{
    collections::VecDeque,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};
use tokio::sync::{broadcast, mpsc, watch};

pub use cosigning::ToCosign;

/// Messages and questions about signatures that wait; more are dropped, since
/// everything is sent again.
const INBOX_MAX: usize = 1_024;
/// Operations that wait to be signed.
const OPERATIONS_MAX: usize = 64;
/// Alarms that are shown, the newest.
const ALARMS_MAX: usize = 16;

/// How much stands behind a checkpoint.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Level {
    /// The mesh has decided it.
    Decided,
    /// More than two thirds of the registered weight have signed it.
    Cosigned,
    /// It is on the chain.
    Anchored,
    /// It is on the chain, so deep that it stays there.
    Final,
}

impl Level {
    /// Its word.
    pub const fn word(self) -> &'static str {
        match self {
            Self::Decided => "decided",
            Self::Cosigned => "cosigned",
            Self::Anchored => "anchored",
            Self::Final => "final",
        }
    }
}

/// What this node knows of the chain.
#[derive(Clone, Debug, Default)]
struct Seen {
    /// Why the chain is not what it should be, or cannot be asked.
    trouble: Option<String>,
    /// Why nothing can be sent to it.
    sending: Option<String>,
    /// Why a checkpoint cannot be signed.
    signing: Option<String>,
    /// The newest block.
    block: u64,
    /// Commands of the owner that are on the chain, deep enough.
    commands: u64,
    /// Every checkpoint up to here is on the chain.
    anchored: CheckpointNumber,
    /// Every checkpoint up to here stays there.
    lasting: CheckpointNumber,
    /// The transaction that is on its way.
    submission: Option<Value>,
    /// What somebody must look at.
    alarms: VecDeque<String>,
}

/// What the three tasks share.
pub struct Shared {
    mesh: Hash,
    binding: ChainBinding,
    config: ChainConfig,
    /// This node's vote key.
    me: PublicKey,
    /// The account that signs checkpoints.
    account: Option<Address>,
    /// The account that pays.
    payer: Option<Address>,
    cosigner: Mutex<Cosigner>,
    store: CosignStore,
    seen: Mutex<Seen>,
    events: broadcast::Sender<Arc<str>>,
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Shared {
    fn cosigner(&self) -> MutexGuard<'_, Cosigner> {
        lock(&self.cosigner)
    }

    fn seen(&self) -> MutexGuard<'_, Seen> {
        lock(&self.seen)
    }

    fn anchor(&self) -> Address {
        Address(self.binding.contract)
    }

    /// Tells of something that has happened.
    fn tell(&self, mut event: Value) {
        if let Value::Object(fields) = &mut event {
            fields.insert("event".into(), "chain".into());
        }
        tracing::info!("chain: {event}");
        // Nobody listening is no failure.
        let _ = self.events.send(event.to_string().into());
    }

    /// Tells of something that somebody must look at; false when it is told already.
    fn alarm(&self, text: String) -> bool {
        {
            let mut seen = self.seen();
            if seen.alarms.contains(&text) {
                return false;
            }
            seen.alarms.push_back(text.clone());
            if seen.alarms.len() > ALARMS_MAX {
                seen.alarms.pop_front();
            }
        }
        tracing::error!("chain: ALARM: {text}");
        self.tell(json!({"what": "alarm", "reason": text}));
        true
    }

    /// Notes that the chain is as it should be, or why not; tells when that changes.
    fn set_trouble(&self, trouble: Option<String>) {
        let is_news = {
            let mut seen = self.seen();
            let is_news = seen.trouble.is_some() != trouble.is_some();
            seen.trouble.clone_from(&trouble);
            is_news
        };
        if is_news {
            match trouble {
                Some(reason) => {
                    tracing::warn!("chain: {reason}");
                    self.tell(json!({"what": "trouble", "reason": reason}));
                }
                None => {
                    self.tell(json!({"what": "connected", "chain_id": self.binding.chain_id.to_string()}))
                }
            }
        }
    }

    /// Notes that checkpoints can be signed, or why not; tells of what is new.
    fn set_signing(&self, reason: Option<String>) {
        let before = std::mem::replace(&mut self.seen().signing, reason.clone());
        if let Some(reason) = reason.filter(|reason| before.as_ref() != Some(reason)) {
            tracing::warn!("chain: {reason}");
            self.tell(json!({"what": "not_signed", "reason": reason}));
        }
    }

    /// How much stands behind a checkpoint that this node has closed.
    pub fn level(&self, number: CheckpointNumber) -> Level {
        let (anchored, lasting) = {
            let seen = self.seen();
            (seen.anchored, seen.lasting)
        };
        if number <= lasting {
            Level::Final
        } else if number <= anchored {
            Level::Anchored
        } else if self.cosigner().is_cosigned(number) == Some(true) {
            Level::Cosigned
        } else {
            Level::Decided
        }
    }

    /// The set of a checkpoint and the signatures under it, as far as they are kept
    /// here.
    pub fn signatures(
        &self,
        number: CheckpointNumber,
        set_hash: &Hash,
    ) -> Result<Option<Cosignatures>, phalanx_ledger::StoreError> {
        let set = self.store.set(set_hash)?;
        let known = self.store.signatures(number)?;
        Ok(set.zip(known).map(|(set, known)| Cosignatures { set, signatures: known.signatures }))
    }

    /// What this node knows of the chain, for people and programs.
    pub fn status(&self, applied: Option<&phalanx_fabric::ChainCursor>) -> Value {
        let seen = self.seen().clone();
        let (cosigned, waiting) = {
            let cosigner = self.cosigner();
            (cosigner.cosigned_through(), cosigner.counts().1)
        };
        json!({
            "chain_id": self.binding.chain_id.to_string(),
            "anchor": self.anchor(),
            "state": if seen.trouble.is_some() { "trouble" } else { "connected" },
            "trouble": seen.trouble,
            "block": seen.block.to_string(),
            "account": self.account,
            "payer": self.payer,
            "cosigned": cosigned.max(seen.anchored),
            "anchored": seen.anchored,
            "final": seen.lasting,
            "not_final": waiting,
            "commands_seen": seen.commands.to_string(),
            "commands_obeyed": applied.map(|cursor| cursor.applied.to_string()),
            "commands_head": applied.map(|cursor| cursor.head),
            "has_diverged": applied.is_some_and(|cursor| cursor.has_diverged),
            "submission": seen.submission,
            "sending": seen.sending,
            "signing": seen.signing,
            "alarms": seen.alarms,
        })
    }
}

/// What was last seen of the chain, for whoever sends to it.
#[derive(Clone, Default)]
struct Head {
    /// The contracts, while the chain can be asked.
    contracts: Option<Contracts>,
    /// The last anchored checkpoint.
    anchored: CheckpointNumber,
}

/// The chain's part of a node that is starting.
pub struct Chain {
    shared: Arc<Shared>,
    signer: Option<Arc<Signer>>,
    payer: Option<Arc<Signer>>,
    inbox: mpsc::Receiver<ToCosign>,
    answers: mpsc::Sender<ToCosign>,
    operations: mpsc::Sender<Operation>,
}

/// The chain's part, as others see it.
#[derive(Clone)]
pub struct ChainHandle {
    /// What is known.
    pub shared: Arc<Shared>,
    /// Takes messages and questions about signatures.
    pub inbox: mpsc::Sender<ToCosign>,
}

/// What a node with a chain has more than one without.
pub struct Opened {
    /// To be started.
    pub chain: Chain,
    /// For the other parts.
    pub handle: ChainHandle,
    /// What the host is to sign and send.
    pub operations: mpsc::Receiver<Operation>,
}

/// Opens the chain's part of a node, if its genesis names a chain. `dev` allows
/// development keys.
///
/// # Errors
/// When the genesis names a chain and the settings none, or the other way round; when
/// a key cannot be had, or is not the validator's.
pub fn open(
    home: &crate::home::Home,
    genesis: &Genesis,
    config: Option<&ChainConfig>,
    me: PublicKey,
    dev: bool,
    events: broadcast::Sender<Arc<str>>,
) -> Result<Option<Opened>> {
    let (binding, config) = match (&genesis.chain, config) {
        (None, None) => return Ok(None),
        (Some(binding), Some(config)) => (binding.clone(), config.clone()),
        (Some(binding), None) => {
            return Err(Failure::because(
                Code::Unreadable,
                format!(
                    "the genesis names chain {}, but config.toml has no [chain]: give it an rpc to watch",
                    binding.chain_id
                ),
            ));
        }
        (None, Some(_)) => {
            return Err(Failure::because(
                Code::Unreadable,
                "config.toml has a [chain], but the genesis of this mesh names none",
            ));
        }
    };
    let open = |source: &crate::chain::KeySource| -> Result<Arc<Signer>> {
        let relative = source.clone().within(&home.path);
        Ok(Arc::new(relative.open(binding.chain_id, dev)?))
    };
    let signer = config.signer.as_ref().map(open).transpose().context("[chain] signer")?;
    let payer = config.payer.as_ref().map(open).transpose().context("[chain] payer")?;
    let payer = payer.or_else(|| signer.clone());
    let account = signer.as_ref().map(|s| s.address());
    if let (Some(account), Some(own)) = (account, genesis.validators.iter().find(|v| v.vote_key == me))
        && own.chain_address != account.0
    {
        let expected = Address(own.chain_address);
        tracing::warn!(%account, %expected, "chain: the signer is not the account that the genesis names");
    }
    let (sender, inbox) = mpsc::channel(INBOX_MAX);
    let (operations, to_send) = mpsc::channel(OPERATIONS_MAX);
    let anchor = Address(binding.contract);
    let store = CosignStore::open(&home.file("cosigns"))?;
    let mut cosigner = Cosigner::new(binding.chain_id, anchor, account);
    let mut seen = Seen::default();
    if let Some((number, block)) = store.last_final()? {
        // Those of whose signatures some may still be missing are read again.
        cosigner.anchored(CheckpointNumber(number.0.saturating_sub(LATE)));
        seen = Seen { block, anchored: number, lasting: number, ..seen };
    }
    let shared = Arc::new(Shared {
        mesh: genesis.mesh,
        me,
        account,
        payer: payer.as_ref().map(|p| p.address()),
        cosigner: Mutex::new(cosigner),
        store,
        seen: Mutex::new(seen),
        binding,
        config,
        events,
    });
    let handle = ChainHandle { shared: Arc::clone(&shared), inbox: sender.clone() };
    let chain = Chain { shared, signer, payer, inbox, answers: sender, operations };
    Ok(Some(Opened { chain, handle, operations: to_send }))
}

impl Chain {
    /// Runs until the node stops.
    ///
    /// # Errors
    /// When a signature cannot be written: a node that signs must be able to.
    pub async fn run(
        self,
        core: Core,
        mesh: MeshHandle,
        router: Router,
        decisions: broadcast::Receiver<Arc<Decision>>,
        job: std::path::PathBuf,
    ) -> Result<()> {
        let Self { shared, signer, payer, inbox, answers, operations } = self;
        let (head, seen) = watch::channel(Head::default());
        let watching = watching::run(Arc::clone(&shared), core.clone(), operations, head);
        let anchoring = anchoring::run(Arc::clone(&shared), payer, seen.clone(), job);
        let cosigning = cosigning::Cosigning {
            shared,
            core,
            mesh,
            router,
            signer,
            inbox,
            answers,
            decisions,
            head: seen,
        };
        // Each on its own: what is slow in one holds up no other.
        let mut tasks = tokio::task::JoinSet::new();
        tasks.spawn(cosigning.run());
        tasks.spawn(async {
            watching.await;
            Ok(())
        });
        tasks.spawn(async {
            anchoring.await;
            Ok(())
        });
        match tasks.join_next().await {
            Some(ended) => ended.context("the chain's part of the node ended")?,
            None => Ok(()),
        }
    }
}

/// How long a node waits between two looks at the chain.
fn pause(shared: &Shared) -> Duration {
    Duration::from_millis(shared.config.poll_ms)
}
