//! The trees that proofs are about: the agents tree and the audit tree.
//!
//! Both are kept by a thread of their own, beat by beat, so that no beat waits for a
//! Poseidon hash; only the beat that closes an interval waits for what is left.
//!
//! - **T1** The agents tree has, in its slot, the leaf of every agent that is alive after
//!   the last beat of the interval, and nothing elsewhere.
//! - **T2** The audit tree has, beat by beat, the leaves of the beat's actions by their
//!   number and then the digest of the beat. A digest stands for its beat's receipts root
//!   and for all beats before it.
//! - **T3** What is stored of an interval is written in the batch that closes it, but for
//!   policies, which are written with the beat that opens them: after a crash the thread
//!   begins with the last checkpoint and what the state holds since, and stores the same.
//! - **T4** Any node of the agents tree at any kept checkpoint is the last one written at
//!   or before it. So a path costs no tree.

pub(crate) mod check;
mod keeper;
mod path;
mod stored;
mod witness;

pub(crate) use stored::{known, leaves as stored_leaves, put_bindings};
pub use witness::{WitnessError, Witnesses};

use crate::kv::{Batch, StoreError};
use keeper::Task;
use phalanx_circuits::native::{Fr, Openings};
use phalanx_types::{AgentId, Hash, Height, units::CheckpointNumber};
use std::{
    sync::mpsc::{Receiver, SyncSender, sync_channel},
    thread::JoinHandle,
};
use stored::Known;

/// Agents or actions that the keeper takes at once.
const PIECE: usize = 256;
/// What may wait for it; then the beat waits too. So a burst slows beats down evenly, and the
/// one that closes the interval waits for some thousand hashes at most.
const WAITING_MAX: usize = 32;
/// By how much its threads stand back behind those that decide.
const NICE: i32 = 10;

/// The roots of an interval, and what is to be stored with it.
pub(crate) struct Cut {
    pub agents_root: Hash,
    pub audit_root: Hash,
    /// Digest of the interval's last beat.
    pub digest: Hash,
    keep: keeper::Keep,
}

impl Cut {
    /// Adds what is to be stored.
    pub(crate) fn put(self, number: CheckpointNumber, batch: &mut Batch) {
        stored::put(number, self.keep, batch);
    }
}

/// The keeper's thread. It ends when this is dropped.
pub(crate) struct Trees {
    tasks: Option<SyncSender<Task>>,
    keeper: Option<JoinHandle<()>>,
}

impl std::fmt::Debug for Trees {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Trees")
    }
}

/// A list in pieces.
fn pieces<T>(list: Vec<T>) -> impl Iterator<Item = Vec<T>> {
    let mut rest = list.into_iter();
    std::iter::from_fn(move || {
        Some(rest.by_ref().take(PIECE).collect()).filter(|piece: &Vec<T>| !piece.is_empty())
    })
}

/// Lowers the priority of the current thread; where that is not allowed it stays.
fn stand_back() {
    let _ = rustix::process::setpriority_process(None, NICE);
}

fn no_thread(error: impl std::fmt::Display) -> StoreError {
    StoreError::Io { reason: format!("no thread for the trees: {error}") }
}

fn gone() -> StoreError {
    StoreError::Io { reason: "the thread that keeps the trees has ended; start the node again".into() }
}

impl Trees {
    /// Goes on from the last checkpoint, whose agents tree has these leaves.
    ///
    /// # Errors
    /// When no thread can be made.
    pub(crate) fn begin(leaves: Vec<Fr>, digest: Hash) -> Result<Self, StoreError> {
        let (tasks, waiting) = sync_channel(WAITING_MAX);
        let named = |number| format!("trees-{number}");
        let helpers = rayon::ThreadPoolBuilder::new().thread_name(named).start_handler(|_| stand_back());
        let helpers = helpers.build().map_err(no_thread)?;
        let keeper = std::thread::Builder::new()
            .name("trees".into())
            .spawn(move || {
                stand_back();
                keeper::run(leaves, digest, &waiting, &helpers);
            })
            .map_err(no_thread)?;
        Ok(Self { tasks: Some(tasks), keeper: Some(keeper) })
    }

    fn send(&self, task: Task) -> Result<(), StoreError> {
        self.tasks.as_ref().and_then(|tasks| tasks.send(task).ok()).ok_or_else(gone)
    }

    /// Takes what the state holds when the keeper begins: all agents, of which those that
    /// are `known` have the leaf that is stored, and the actions of the open interval.
    pub(crate) fn resume(&self, openings: Openings, known: Vec<(AgentId, Known)>) -> Result<(), StoreError> {
        self.send(Task::Resume { openings, known })
    }

    /// Takes a beat in.
    pub(crate) fn beat(
        &self,
        height: Height,
        receipts_root: Hash,
        openings: Openings,
    ) -> Result<(), StoreError> {
        let Openings { mut agents, actions, .. } = openings;
        // Slots are freed before others take them.
        agents.sort_by_key(|(_, state)| state.is_some());
        let mut actions = pieces(actions);
        // Even of none: it brings what the interval had before the keeper began.
        self.send(Task::Actions(height, actions.next().unwrap_or_default()))?;
        actions.try_for_each(|piece| self.send(Task::Actions(height, piece)))?;
        pieces(agents).try_for_each(|piece| self.send(Task::Agents(piece)))?;
        self.send(Task::Beat(height, receipts_root))
    }

    /// Closes the interval.
    pub(crate) fn cut(&self) -> Result<Cut, StoreError> {
        let (answer, answers): (_, Receiver<Result<Cut, String>>) = sync_channel(1);
        self.send(Task::Cut(answer))?;
        answers.recv().map_err(|_| gone())?.map_err(|reason| StoreError::Io { reason })
    }
}

impl Drop for Trees {
    fn drop(&mut self) {
        drop(self.tasks.take());
        if let Some(keeper) = self.keeper.take() {
            // A panic there was told when the next task was sent.
            let _ = keeper.join();
        }
    }
}
