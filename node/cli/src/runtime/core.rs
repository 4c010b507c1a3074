//! The thread that decides.

use super::wal::FileWal;
use anyhow::Result;
use phalanx_consensus::{Application, Consensus, Event, Fatal, Output, Status, TimerId};
use phalanx_fabric::Fabric;
use phalanx_ledger::RocksKv;
use phalanx_replica::{Decision, IntakeError, Replica, snapshot::Offered};
use phalanx_types::{Hash, SignedEnvelope, TimeMs, evidence::Accusation};
use std::{
    cmp::Reverse,
    collections::BinaryHeap,
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicU64, Ordering},
        mpsc::{Receiver, RecvTimeoutError, SyncSender, TrySendError, sync_channel},
    },
    time::{Duration, Instant},
};
use tokio::sync::{broadcast, mpsc, oneshot, watch};

/// Things that wait for the core. Gossip that finds no room is dropped: votes
/// and proposals are sent again by those who miss the answer.
const INBOX_MAX: usize = 16_384;
/// Things that wait for the network; the core waits for room.
const OUTBOX_MAX: usize = 16_384;
/// Accusations that wait to be signed.
const ACCUSATIONS_MAX: usize = 1_024;

type Query = Box<dyn FnOnce(&Replica<RocksKv>, &Status) + Send>;

/// What the core is given.
pub enum Input {
    /// An event, and the gossip message that its verdict is about.
    Event(Event, Option<u64>),
    /// An envelope whose signature was verified.
    Envelope(Hash, Arc<SignedEnvelope>, Option<oneshot::Sender<Result<Hash, IntakeError>>>),
    /// A question.
    Query(Query),
    /// The end.
    Stop(oneshot::Sender<()>),
}

/// What the core gives.
pub enum CoreOutput {
    /// Something for the network.
    Output(Output),
    /// Whether a gossip message is to be passed on.
    Verdict(u64, bool),
    /// A peer's question for a snapshot, and the one that is offered.
    Snapshot {
        /// Who asks.
        peer: [u8; 32],
        /// The token of its question.
        token: u64,
        /// Its question.
        query: Vec<u8>,
        /// What is offered.
        offered: Option<Arc<Offered>>,
    },
}

/// A handle on the core.
#[derive(Clone)]
pub struct Core {
    inbox: SyncSender<Input>,
    fatal: watch::Receiver<Option<Fatal>>,
    fabric: Arc<Mutex<Fabric>>,
    accusations: Arc<Mutex<Vec<Accusation>>>,
    stood_until: Arc<AtomicU64>,
}

impl Core {
    /// Gives the core something to do; false when it has no room or is gone.
    pub fn offer(&self, input: Input) -> bool {
        !matches!(self.inbox.try_send(input), Err(TrySendError::Full(_) | TrySendError::Disconnected(_)))
    }

    /// Asks the core something.
    pub async fn ask<T: Send + 'static>(
        &self,
        question: impl FnOnce(&Replica<RocksKv>, &Status) -> T + Send + 'static,
    ) -> Option<T> {
        let (sender, receiver) = oneshot::channel();
        let query: Query = Box::new(move |replica, status| {
            let _ = sender.send(question(replica, status));
        });
        if !self.offer(Input::Query(query)) {
            return None;
        }
        receiver.await.ok()
    }

    /// Takes in a verified envelope.
    pub async fn intake(&self, id: Hash, signed: Arc<SignedEnvelope>) -> Option<Result<Hash, IntakeError>> {
        let (sender, receiver) = oneshot::channel();
        if !self.offer(Input::Envelope(id, signed, Some(sender))) {
            return None;
        }
        receiver.await.ok()
    }

    /// The state after the last decided beat.
    pub fn fabric(&self) -> Fabric {
        self.fabric.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// The clock by which the attempts of this node's workers end.
    pub fn lease_clock(&self) -> TimeMs {
        let stood_until = TimeMs(self.stood_until.load(Ordering::Relaxed));
        self.fabric().lease_clock(super::now(), stood_until)
    }

    /// Accusations that wait to be signed.
    pub fn take_accusations(&self) -> Vec<Accusation> {
        std::mem::take(&mut self.accusations.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// Has somebody accused, of what was seen outside consensus.
    pub fn accuse(&self, accusation: Accusation) {
        accuse(&self.accusations, accusation);
    }

    /// Waits until the core cannot go on, and says why.
    pub async fn fatal(&self) -> Fatal {
        let mut fatal = self.fatal.clone();
        let seen = fatal.wait_for(Option::is_some).await.ok().and_then(|reason| reason.clone());
        seen.unwrap_or_else(|| Fatal::Stopped("the core ended".to_owned()))
    }

    /// Ends the core; everything is durable when this returns.
    pub async fn stop(&self) {
        let (sender, receiver) = oneshot::channel();
        let inbox = self.inbox.clone();
        let _ = tokio::task::spawn_blocking(move || inbox.send(Input::Stop(sender))).await;
        let _ = receiver.await;
    }
}

/// Keeps an accusation while there is room: who goes on is accused again.
fn accuse(kept: &Mutex<Vec<Accusation>>, accusation: Accusation) {
    let mut kept = kept.lock().unwrap_or_else(PoisonError::into_inner);
    if kept.len() < ACCUSATIONS_MAX {
        kept.push(accusation);
    }
}

type Node = Consensus<Replica<RocksKv>, FileWal>;

struct Loop {
    node: Node,
    inbox: Receiver<Input>,
    outbox: mpsc::Sender<CoreOutput>,
    decisions: broadcast::Sender<Arc<Decision>>,
    fatal: watch::Sender<Option<Fatal>>,
    fabric: Arc<Mutex<Fabric>>,
    accusations: Arc<Mutex<Vec<Accusation>>>,
    stood_until: Arc<AtomicU64>,
    timers: BinaryHeap<Reverse<(Instant, TimerId)>>,
}

/// Starts the core.
pub fn start(
    node: Node,
    fabric: Fabric,
    decisions: broadcast::Sender<Arc<Decision>>,
) -> Result<(Core, mpsc::Receiver<CoreOutput>)> {
    let (inbox, receiver) = sync_channel(INBOX_MAX);
    let (outbox, outputs) = mpsc::channel(OUTBOX_MAX);
    let (fatal, fatal_seen) = watch::channel(None);
    let fabric = Arc::new(Mutex::new(fabric));
    let accusations = Arc::new(Mutex::new(Vec::new()));
    let stood_until = Arc::new(AtomicU64::new(0));
    let core = Core {
        inbox,
        fatal: fatal_seen,
        fabric: Arc::clone(&fabric),
        accusations: Arc::clone(&accusations),
        stood_until: Arc::clone(&stood_until),
    };
    let own = Loop {
        node,
        inbox: receiver,
        outbox,
        decisions,
        fatal,
        fabric,
        accusations,
        stood_until,
        timers: BinaryHeap::new(),
    };
    std::thread::Builder::new().name("core".into()).spawn(move || own.run())?;
    Ok((core, outputs))
}

impl Loop {
    fn run(mut self) {
        let started = self.node.start(super::now());
        if self.carry(started, None).is_err() {
            return;
        }
        loop {
            let wait = self.timers.peek().map_or(Duration::from_secs(60), |Reverse((at, _))| {
                at.saturating_duration_since(Instant::now())
            });
            let result = match self.inbox.recv_timeout(wait) {
                Ok(Input::Event(event, token)) => {
                    let result = self.node.step(super::now(), event);
                    self.carry(result, token)
                }
                Ok(Input::Envelope(id, signed, reply)) => {
                    let taken = self.node.app_mut().intake_verified(super::now(), id, signed);
                    let is_new = taken.is_ok();
                    if let Some(reply) = reply {
                        let _ = reply.send(taken);
                    }
                    if is_new {
                        let result = self.node.step(super::now(), Event::Work);
                        self.carry(result, None)
                    } else {
                        Ok(())
                    }
                }
                Ok(Input::Query(query)) => {
                    let status = self.node.status();
                    query(self.node.app(), &status);
                    Ok(())
                }
                Ok(Input::Stop(done)) => {
                    let (replica, _wal) = self.node.into_parts();
                    if let Err(error) = replica.close() {
                        tracing::error!(%error, "the store could not be flushed");
                    }
                    let _ = done.send(());
                    return;
                }
                Err(RecvTimeoutError::Timeout) => Ok(()),
                Err(RecvTimeoutError::Disconnected) => return,
            };
            if result.is_err() || self.ring().is_err() {
                return;
            }
        }
    }

    /// Sets off the timers that are due.
    fn ring(&mut self) -> Result<(), ()> {
        while let Some(Reverse((at, id))) = self.timers.peek().copied() {
            if at > Instant::now() {
                break;
            }
            self.timers.pop();
            let result = self.node.step(super::now(), Event::Timer(id));
            self.carry(result, None)?;
        }
        Ok(())
    }

    /// Hands on what a step led to.
    fn carry(&mut self, result: Result<Vec<Output>, Fatal>, token: Option<u64>) -> Result<(), ()> {
        let outputs = match result {
            Ok(outputs) => outputs,
            Err(fatal) => {
                tracing::error!(%fatal, "this node cannot go on");
                let _ = self.fatal.send(Some(fatal));
                return Err(());
            }
        };
        self.stood_until.store(self.node.stood_until().0, Ordering::Relaxed);
        let decided = self.node.app_mut().take_decisions();
        if let Some(last) = decided.last() {
            *self.fabric.lock().unwrap_or_else(PoisonError::into_inner) = last.fabric.clone();
        }
        for decision in decided {
            // Without readers nobody misses it.
            let _ = self.decisions.send(Arc::new(decision));
        }
        for accusation in self.node.app_mut().take_accusations() {
            accuse(&self.accusations, accusation);
        }
        for output in outputs {
            let output = match output {
                Output::SetTimer { id, after_ms } => {
                    self.timers.push(Reverse((Instant::now() + Duration::from_millis(after_ms), id)));
                    continue;
                }
                Output::Verdict { is_valid } => match token {
                    Some(token) => CoreOutput::Verdict(token, is_valid),
                    None => continue,
                },
                Output::Committed { height } => {
                    tracing::debug!(%height, waiting = self.node.app().has_work(), "committed");
                    continue;
                }
                Output::ServeSnapshot { peer, token, query } => {
                    let offered = self.node.app().offered().cloned();
                    CoreOutput::Snapshot { peer, token, query, offered }
                }
                output => CoreOutput::Output(output),
            };
            if self.outbox.blocking_send(output).is_err() {
                return Err(());
            }
        }
        Ok(())
    }
}
