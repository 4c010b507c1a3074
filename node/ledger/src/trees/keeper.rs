//! The thread that keeps the trees.

use super::{
    Cut,
    stored::{Known, StoredAction, StoredAgent, StoredAudit},
};
use phalanx_circuits::native::{
    AgentState, Change, Error, Fr, OpenedAction, Openings, Tree, action_leaves, agent_leaves, beat_digest,
    bytes_of, field_of,
};
use phalanx_types::{AgentId, Hash, Height};
use std::{
    collections::{BTreeMap, BTreeSet, HashMap},
    sync::mpsc::{Receiver, SyncSender},
};

/// Leaves that are gathered before the nodes above them are made.
const GATHER: usize = 256;

/// An agent whose leaf may be another one: its slot and what it is, or that it has ended.
pub(super) type AgentChange = (AgentId, Option<(u32, AgentState)>);

/// What the thread is told.
pub(super) enum Task {
    Resume {
        openings: Openings,
        known: Vec<(AgentId, Known)>,
    },
    /// Some actions of a beat; all of them come before its agents.
    Actions(Height, Vec<OpenedAction>),
    /// Some agents of a beat; those that have ended come first.
    Agents(Vec<AgentChange>),
    /// A beat is whole.
    Beat(Height, Hash),
    Cut(SyncSender<Result<Cut, String>>),
}

/// What is to be stored with a checkpoint.
#[derive(Default)]
pub(super) struct Keep {
    /// Nodes that are others than at the last checkpoint: before and after.
    pub nodes: BTreeMap<(usize, usize), (Fr, Fr)>,
    pub agents: BTreeMap<AgentId, StoredAgent>,
    pub actions: Vec<StoredAction>,
    pub audit: StoredAudit,
}

/// An agent whose leaf is known.
struct Leaf {
    /// None of one that has ended, or has not been placed yet.
    slot: Option<u32>,
    print: Hash,
    leaf: Fr,
}

/// What the thread holds.
struct Keeper {
    agents: Tree,
    audit: Tree,
    known: HashMap<AgentId, Leaf>,
    /// Leaves of agents that are not in the tree yet, by slot.
    waiting: BTreeMap<usize, Fr>,
    /// Leaves of the interval, of which the audit tree has the first ones.
    leaves: Vec<Fr>,
    /// Actions of the open interval that were decided before the thread began, by beat.
    earlier: BTreeMap<Height, Vec<OpenedAction>>,
    digest: Fr,
    keep: Keep,
}

/// Keeps the trees until nobody sends any more. What fails is told at the next cut. What is
/// much is done by the helpers.
pub(super) fn run(leaves: Vec<Fr>, digest: Hash, tasks: &Receiver<Task>, helpers: &rayon::ThreadPool) {
    let mut failed: Option<String> = None;
    let mut keeper = match helpers.install(|| Keeper::new(leaves, digest)) {
        Ok(keeper) => Some(keeper),
        Err(error) => {
            failed = Some(error.to_string());
            None
        }
    };
    while let Ok(task) = tasks.recv() {
        let Some(keeper) = keeper.as_mut().filter(|_| failed.is_none()) else {
            if let Task::Cut(answer) = task {
                let _ = answer
                    .send(Err(format!("the trees cannot be kept: {}", failed.as_deref().unwrap_or(""))));
            }
            continue;
        };
        let done = match task {
            Task::Resume { openings, known } => helpers.install(|| keeper.resume(openings, known)),
            Task::Actions(height, actions) if actions.len() < GATHER => keeper.take_actions(height, actions),
            Task::Actions(height, actions) => helpers.install(|| keeper.take_actions(height, actions)),
            Task::Agents(agents) if agents.len() < GATHER => {
                keeper.take_agents(agents).and_then(|()| keeper.gather(GATHER))
            }
            Task::Agents(agents) => {
                helpers.install(|| keeper.take_agents(agents).and_then(|()| keeper.gather(GATHER)))
            }
            Task::Beat(height, receipts_root) => keeper.beat(height, &receipts_root),
            Task::Cut(answer) => {
                let cut = helpers.install(|| keeper.cut());
                let told = cut.as_ref().err().map(ToString::to_string);
                // Who has asked may be gone: then nobody needs the answer.
                let _ = answer.send(cut.map_err(|error| error.to_string()));
                failed = told;
                Ok(())
            }
        };
        if let Err(error) = done {
            failed = Some(error.to_string());
        }
    }
}

impl Keeper {
    fn new(leaves: Vec<Fr>, digest: Hash) -> Result<Self, Error> {
        Ok(Self {
            agents: Tree::new(leaves)?,
            audit: Tree::new(Vec::new())?,
            known: HashMap::new(),
            waiting: BTreeMap::new(),
            leaves: Vec::new(),
            earlier: BTreeMap::new(),
            digest: field_of(&digest.0),
            keep: Keep::default(),
        })
    }

    fn resume(&mut self, openings: Openings, known: Vec<(AgentId, Known)>) -> Result<(), Error> {
        let known =
            known.into_iter().map(|(id, k)| (id, Leaf { slot: Some(k.slot), print: k.print, leaf: k.leaf }));
        self.known.extend(known);
        let Openings { agents, actions, .. } = openings;
        // T1: whose agent has ended since the last checkpoint.
        let taken: BTreeSet<usize> =
            agents.iter().filter_map(|(_, a)| Some(a.as_ref()?.0 as usize)).collect();
        for slot in (0..self.agents.leaves()).filter(|slot| !taken.contains(slot)) {
            if self.agents.leaf(slot) != Some(Fr::default()) {
                self.waiting.insert(slot, Fr::default());
            }
        }
        for action in actions {
            self.earlier.entry(action.beat).or_default().push(action);
        }
        self.take_agents(agents)
    }

    fn take_actions(&mut self, height: Height, actions: Vec<OpenedAction>) -> Result<(), Error> {
        let earlier = self.earlier.remove(&height).into_iter().flatten();
        let actions: Vec<OpenedAction> = earlier.chain(actions).collect();
        let states: Vec<&AgentState> = actions.iter().flat_map(|a| [&a.before, &a.after]).collect();
        let leaves = self.leaves_of(&states)?;
        let (leaves, _) = leaves.as_chunks::<2>();
        let sealed: Vec<(&OpenedAction, Fr, Fr)> =
            actions.iter().zip(leaves).map(|(a, [(_, before), (_, after)])| (a, *before, *after)).collect();
        for ((opened, [_, (print, leaf)]), action) in actions.iter().zip(leaves).zip(action_leaves(&sealed)) {
            let slot = self.known.get(&opened.after.id).and_then(|known| known.slot);
            self.known.insert(opened.after.id, Leaf { slot, print: *print, leaf: *leaf });
            self.keep.actions.push(StoredAction::new(opened, self.leaves.len() as u32));
            self.leaves.push(action);
        }
        Ok(())
    }

    fn beat(&mut self, height: Height, receipts_root: &Hash) -> Result<(), Error> {
        self.digest = beat_digest(self.digest, height, receipts_root);
        self.keep.audit.push_beat(height, self.leaves.len() as u32);
        self.leaves.push(self.digest);
        self.gather(GATHER)
    }

    /// Print and leaf of each: the known leaf, if it is still the same agent. What is new is hashed
    /// once, all at a time.
    fn leaves_of(&self, states: &[&AgentState]) -> Result<Vec<(Hash, Fr)>, Error> {
        let prints: Vec<Hash> = states.iter().map(|state| StoredAgent::new(0, state).print()).collect();
        let mut leaves: HashMap<Hash, Option<Fr>> = HashMap::new();
        let mut fresh = Vec::new();
        for (state, print) in states.iter().zip(&prints) {
            let known = self.known.get(&state.id).filter(|known| known.print == *print);
            if leaves.insert(*print, known.map(|known| known.leaf)).is_none() && known.is_none() {
                fresh.push((*state, *print));
            }
        }
        let (fresh, new): (Vec<&AgentState>, Vec<Hash>) = fresh.into_iter().unzip();
        leaves.extend(new.into_iter().zip(agent_leaves(&fresh)?.into_iter().map(Some)));
        let leaf = |print: Hash| (print, leaves.get(&print).copied().flatten().unwrap_or_default());
        Ok(prints.into_iter().map(leaf).collect())
    }

    fn take_agents(&mut self, agents: Vec<AgentChange>) -> Result<(), Error> {
        // A slot that was freed may have been taken by another agent since.
        for (id, state) in &agents {
            if state.is_none() {
                self.keep.agents.remove(id);
                if let Some(slot) = self.known.remove(id).and_then(|gone| gone.slot) {
                    self.waiting.insert(slot as usize, Fr::default());
                }
            }
        }
        let alive: Vec<(AgentId, u32, AgentState)> = agents
            .into_iter()
            .filter_map(|(id, state)| state.map(|(slot, state)| (id, slot, state)))
            .collect();
        let leaves = self.leaves_of(&alive.iter().map(|(_, _, state)| state).collect::<Vec<_>>())?;
        for ((id, slot, state), (print, leaf)) in alive.into_iter().zip(leaves) {
            let at = slot as usize;
            if self.agents.leaf(at) != Some(leaf) || self.waiting.contains_key(&at) {
                self.waiting.insert(at, leaf);
                self.keep.agents.insert(id, StoredAgent::new(slot, &state));
            }
            self.known.insert(id, Leaf { slot: Some(slot), print, leaf });
        }
        Ok(())
    }

    /// Makes the nodes above the leaves, once there are `least` of them.
    fn gather(&mut self, least: usize) -> Result<(), Error> {
        if self.waiting.len() >= least {
            let leaves: Vec<(usize, Fr)> = std::mem::take(&mut self.waiting).into_iter().collect();
            for Change { level, index, before, after } in self.agents.set(&leaves)? {
                self.keep.nodes.entry((level, index)).or_insert((before, after)).1 = after;
            }
        }
        let begun = self.audit.leaves();
        if self.leaves.len() - begun >= least {
            let leaves: Vec<(usize, Fr)> = self.leaves.iter().copied().enumerate().skip(begun).collect();
            let _ = self.audit.set(&leaves)?;
        }
        Ok(())
    }

    fn cut(&mut self) -> Result<Cut, Error> {
        self.gather(1)?;
        let mut keep = std::mem::take(&mut self.keep);
        // What has come back to what it was is stored already, as in a node that was
        // started in between.
        keep.nodes.retain(|_, (before, after)| before != after);
        keep.agents.retain(|_, agent| keep.nodes.contains_key(&(0, agent.slot as usize)));
        keep.audit.leaves = std::mem::take(&mut self.leaves).into_iter().map(bytes_of).collect();
        let audit_root = bytes_of(std::mem::replace(&mut self.audit, Tree::new(Vec::new())?).root());
        Ok(Cut { agents_root: bytes_of(self.agents.root()), audit_root, digest: bytes_of(self.digest), keep })
    }
}
