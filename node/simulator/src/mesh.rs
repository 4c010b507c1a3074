//! A mesh under faults.

use crate::{
    byzantine::Byzantine,
    checks::Checks,
    checks::Violation,
    faults::Fault,
    history::History,
    network::Rate,
    node::SimNode,
    random::Random,
    scenario::{CutReport, FallReport, MeshReport, MeshScenario, ProbePoint, ReplayReport, SnapshotReport},
    setup::{BEGIN_MS, Setup, setup},
    shape::Sights,
    tear::Tear,
    world::World,
};
use phalanx_consensus::{EffectKind, Event, Fatal, Output, TimerId, wire::Lane};
use phalanx_fabric::{Fabric, Job, Phase};
use phalanx_types::{
    AttemptId, Hash, Height, Outcome, SignedEnvelope, evidence::Fault as PeerFault, params::Verification,
};
use sha3::{Digest, Sha3_256};
use std::{
    collections::{BTreeMap, BTreeSet, VecDeque},
    sync::Arc,
};

/// Virtual time after the last fault in which every node must reach the end, and
/// more for each beat that is then missing: a silent proposer costs a timeout.
const HEAL_MS: u64 = 60_000;
const HEAL_BEAT_MS: u64 = 1_500;
/// Virtual time after which the faults end, however far the mesh is.
const FAULTY_MS: u64 = 300_000;
/// Events after which a run is given up.
const EVENTS_MAX: u64 = 20_000_000;
/// Events that a report of a broken rule shows.
const TRAIL: usize = 30;

pub(crate) enum Happening {
    Deliver {
        to: usize,
        from: usize,
        parcel: Parcel,
    },
    Timer {
        node: usize,
        epoch: u64,
        id: TimerId,
    },
    Tick {
        node: usize,
        epoch: u64,
    },
    WorkDone {
        node: usize,
        epoch: u64,
        attempt: AttemptId,
        outcome: Outcome,
    },
    Unanswered {
        node: usize,
        epoch: u64,
        peer: usize,
        number: u64,
    },
    Boot {
        node: usize,
    },
    Crash,
    Partition,
    Heal,
    /// A planned cut begins or ends.
    Cut(usize),
    Mend(usize),
    Submit,
}

#[derive(Clone)]
pub(crate) enum Parcel {
    /// With the number under which gossip knows it, and its author.
    Consensus(u64, usize, Lane, Vec<u8>),
    Input(Arc<SignedEnvelope>),
    Request(u64, Vec<u8>),
    Response(u64, Vec<u8>),
}

pub(crate) struct Mesh {
    pub scenario: MeshScenario,
    pub setup: Setup,
    pub world: World<Happening>,
    pub random: Random,
    pub nodes: Vec<SimNode>,
    /// Nodes by their network key.
    pub keys: BTreeMap<[u8; 32], usize>,
    pub checks: Checks,
    pub audit: Sha3_256,
    pub cut: Option<BTreeSet<usize>>,
    pub tear: Option<Tear>,
    pub cuts: Vec<CutReport>,
    pub calm: bool,
    pub delivered: u64,
    pub dropped: u64,
    pub crashes: u32,
    pub submitted: u32,
    pub tenant_sequence: u64,
    pub open: BTreeMap<Hash, Arc<SignedEnvelope>>,
    pub requests: u64,
    pub gossip: u64,
    /// What each node has had by gossip.
    pub heard: Vec<BTreeSet<u64>>,
    pub answered: BTreeSet<u64>,
    pub tokens: BTreeMap<u64, (usize, u64)>,
    pub history: History,
    /// The numbers under which gossip knows what a replayer said again.
    pub replayed: BTreeSet<u64>,
    pub replays: ReplayReport,
    pub snapshots: SnapshotReport,
    pub sights: Sights,
    pub fallen: Vec<FallReport>,
    pub penalties: BTreeMap<usize, BTreeSet<PeerFault>>,
    /// What each node has had from each author, by (node, author).
    pub rates: BTreeMap<(usize, usize), Rate>,
    pub trail: VecDeque<String>,
}

/// Runs a mesh to its end.
///
/// # Errors
/// When the scenario itself cannot be set up.
pub fn simulate_mesh(scenario: &MeshScenario) -> Result<MeshReport, String> {
    if scenario.nodes == 0 || scenario.nodes > 64 {
        return Err(format!("{} nodes: 1 to 64 can be simulated", scenario.nodes));
    }
    let setup = setup(scenario.nodes, scenario.mode, Verification::FullAudit).map_err(|e| e.to_string())?;
    setup.genesis.check().map_err(|e| e.to_string())?;
    let mut random = Random::new(scenario.seed);
    let genesis = Arc::new(setup.genesis.clone());
    let mut nodes: Vec<SimNode> = setup
        .nodes
        .iter()
        .zip(&setup.workers)
        .map(|(key, workers)| SimNode::new(Arc::clone(&genesis), key.clone(), workers.clone()))
        .collect();
    if scenario.faults.has(Fault::Byzantine) {
        let liars = (scenario.nodes - 1) / 3;
        for i in 0..liars {
            let chosen = Byzantine::ALL.get(random.below(Byzantine::ALL.len() as u64) as usize).copied();
            if let Some(node) = nodes.get_mut(scenario.nodes - 1 - i) {
                node.byzantine = scenario.byzantine.or(chosen);
            }
        }
    }
    let skew_ms = u64::from(setup.genesis.params.clock_bound_ms / 2);
    for (node, number) in nodes.iter_mut().zip(0..) {
        node.twist = scenario.seed.wrapping_add(number);
        node.snapshot_beyond = scenario.snapshot_beyond;
        if scenario.faults.has(Fault::Delay) {
            node.skew_ms = random.between(0, 2 * skew_ms) as i64 - skew_ms as i64;
        }
    }
    #[cfg(test)]
    for node in &nodes {
        node.probe.0.borrow_mut().mutation = scenario.mutation;
    }
    let keys = setup.genesis.validators.iter().map(|v| v.network_key.0).zip(0..).collect();
    let mesh = Mesh {
        scenario: scenario.clone(),
        setup,
        world: World::new(BEGIN_MS + 1),
        random,
        nodes,
        keys,
        checks: Checks::default(),
        audit: Sha3_256::new(),
        cut: None,
        tear: None,
        cuts: Vec::new(),
        calm: false,
        delivered: 0,
        dropped: 0,
        crashes: 0,
        submitted: 0,
        tenant_sequence: 0,
        open: BTreeMap::new(),
        requests: 0,
        gossip: 0,
        heard: vec![BTreeSet::new(); scenario.nodes],
        answered: BTreeSet::new(),
        tokens: BTreeMap::new(),
        history: History::default(),
        replayed: BTreeSet::new(),
        replays: ReplayReport::default(),
        snapshots: SnapshotReport::default(),
        sights: Sights::default(),
        fallen: Vec::new(),
        penalties: BTreeMap::new(),
        rates: BTreeMap::new(),
        trail: VecDeque::new(),
    };
    Ok(mesh.run())
}

impl Mesh {
    fn run(mut self) -> MeshReport {
        for node in 0..self.nodes.len() {
            let late = self.random.below(50);
            if self.joiner() != Some(node) {
                self.world.after(late, Happening::Boot { node });
            }
        }
        for (number, cut) in self.scenario.cuts.iter().enumerate() {
            self.world.after(cut.from_ms, Happening::Cut(number));
            self.world.after(cut.from_ms + cut.lasts_ms, Happening::Mend(number));
        }
        self.world.after(300, Happening::Submit);
        if self.scenario.faults.has(Fault::Crash) {
            self.world.after(2_000, Happening::Crash);
        }
        if self.scenario.faults.has(Fault::Partition) {
            self.world.after(3_000, Happening::Partition);
        }
        if let Some(point) = self.scenario.probe {
            self.arm(point);
        }
        let (mut deadline, mut has_joined) = (None, false);
        let mut events: u64 = 0;
        while let Some(happening) = self.world.pop() {
            events += 1;
            self.happen(happening);
            if !self.checks.violations.is_empty() || events > EVENTS_MAX {
                break;
            }
            // The last fifth is without faults: there the mesh must come to rest.
            let front = self.heights(true).max().unwrap_or_default();
            if let Some(node) = self.joiner()
                && !has_joined
                && self.scenario.joins_at.is_some_and(|height| front >= height)
            {
                has_joined = true;
                self.boot(node);
            }
            let is_late = self.world.now_ms() > BEGIN_MS + FAULTY_MS;
            if !self.calm && !self.is_cut_planned() && (front.0 * 5 >= self.scenario.beats * 4 || is_late) {
                self.calm = true;
                self.cut = None;
                self.tear = None;
                let missing = self.scenario.beats.saturating_sub(front.0);
                let work_ms = u64::from(self.scenario.job_ms.1) * 3;
                deadline = Some(self.world.now_ms() + HEAL_MS + missing * HEAL_BEAT_MS + work_ms);
            }
            if self.calm && self.is_done() {
                break;
            }
            if deadline.is_some_and(|deadline| self.world.now_ms() > deadline) {
                self.note_stuck();
                break;
            }
        }
        self.last_checks();
        self.report()
    }

    /// The node that joins late.
    fn joiner(&self) -> Option<usize> {
        self.scenario.joins_at.and_then(|_| self.honest().last().map(|(node, _)| node))
    }

    /// Whether a planned cut is still to come or lasts.
    fn is_cut_planned(&self) -> bool {
        let last = self.scenario.cuts.iter().map(|cut| cut.from_ms + cut.lasts_ms).max();
        last.is_some_and(|last| self.world.now_ms() <= BEGIN_MS + 1 + last)
    }

    pub(crate) fn peer_key(&self, node: usize) -> [u8; 32] {
        self.setup.genesis.validators.get(node).map(|v| v.network_key.0).unwrap_or_default()
    }

    pub(crate) fn honest(&self) -> impl Iterator<Item = (usize, &SimNode)> {
        self.nodes.iter().enumerate().filter(|(_, n)| n.byzantine.is_none())
    }

    pub(crate) fn heights(&self, honest: bool) -> impl Iterator<Item = Height> {
        self.nodes.iter().filter(move |n| !honest || n.byzantine.is_none()).map(SimNode::height)
    }

    /// The jobs that have not ended at the front, but those on a liar's worker:
    /// it gives signs of life and need not ever report.
    pub(crate) fn unended(&self) -> impl Iterator<Item = &Job> {
        let front = self.honest().filter(|(_, n)| n.process.is_some()).max_by_key(|(_, n)| n.height());
        let fabric = front.and_then(|(_, n)| n.process.as_ref()).map(|p| p.consensus.app().fabric());
        let liars: BTreeSet<_> = self
            .nodes
            .iter()
            .filter(|n| n.byzantine.is_some())
            .flat_map(|n| &n.workers)
            .map(|w| &w.worker)
            .collect();
        fabric.into_iter().flat_map(Fabric::jobs).map(|(_, job)| job).filter(move |job| match &job.phase {
            Phase::Ended { .. } => false,
            Phase::Running { worker, .. } => !liars.contains(worker),
            Phase::Queued => true,
        })
    }

    fn is_done(&self) -> bool {
        self.submitted >= self.scenario.jobs
            && self.open.is_empty()
            && self.heights(true).all(|height| height.0 >= self.scenario.beats)
            && self.unended().next().is_none()
    }

    pub(crate) fn mark(&mut self, text: impl FnOnce() -> String) {
        let line = format!("{:>8} {}", self.world.now_ms() - BEGIN_MS, text());
        if self.trail.len() >= TRAIL {
            self.trail.pop_front();
        }
        self.trail.push_back(line);
    }

    /// Arms one node, or all of them where the effect is rare.
    fn arm(&mut self, point: ProbePoint) {
        let after = self.random.below(u64::from(point.passes_max) + 1) as u32;
        let chosen = self.random.below(self.nodes.len() as u64) as usize;
        for (at, node) in self.nodes.iter().enumerate() {
            if point.passes_max == 0 || at == chosen {
                node.probe.0.borrow_mut().armed = Some((point.kind, point.is_before, after));
            }
        }
    }

    fn happen(&mut self, happening: Happening) {
        match happening {
            Happening::Boot { node } => self.boot(node),
            Happening::Deliver { to, from, parcel } => self.deliver(to, from, parcel),
            Happening::Timer { node, epoch, id } => {
                self.step(node, epoch, Event::Timer(id));
            }
            Happening::Tick { node, epoch } => self.tick(node, epoch),
            Happening::WorkDone { node, epoch, attempt, outcome } => {
                self.work_done(node, epoch, attempt, outcome);
            }
            Happening::Unanswered { node, epoch, peer, number } => {
                if !self.answered.remove(&number) {
                    self.step(node, epoch, Event::RequestFailed { from: self.peer_key(peer) });
                }
            }
            Happening::Crash => self.crash_somebody(),
            Happening::Partition => {
                if !self.calm {
                    let count = self.random.between(1, self.nodes.len() as u64 / 2 + 1) as usize;
                    let wants_ball = self.scenario.faults.has(Fault::Geometry) && self.random.chance(500_000);
                    let ball = if wants_ball { self.ball_side(count) } else { None };
                    self.sights.is_ball = ball.is_some();
                    let mut side = ball.unwrap_or_default();
                    while side.len() < count.min(self.nodes.len()) {
                        side.insert(self.random.below(self.nodes.len() as u64) as usize);
                    }
                    self.mark(|| format!("cut off: {side:?}"));
                    self.cut = Some(side);
                    let lasts = self.random.between(500, 6_000);
                    self.world.after(lasts, Happening::Heal);
                }
            }
            Happening::Heal => {
                self.cut = None;
                self.sights.is_ball = false;
                self.mark(|| "healed".to_owned());
                let pause = self.random.between(1_000, 6_000);
                self.world.after(pause, Happening::Partition);
            }
            Happening::Cut(number) => {
                let side = self.scenario.cuts.get(number).map(|cut| cut.side.clone());
                let front = self.heights(true).max().unwrap_or_default();
                self.mark(|| format!("cut off as planned: {side:?}"));
                self.cut = side;
                self.cuts.push(CutReport { cut: front, healed: front });
            }
            Happening::Mend(number) => {
                let front = self.heights(true).max().unwrap_or_default();
                self.mark(|| "healed as planned".to_owned());
                self.cut = None;
                if let Some(report) = self.cuts.get_mut(number) {
                    report.healed = front;
                }
            }
            Happening::Submit => self.submit(),
        }
    }

    fn boot(&mut self, node: usize) {
        let now_ms = self.world.now_ms();
        let Some(sim) = self.nodes.get_mut(node) else { return };
        if sim.process.is_some() {
            return;
        }
        let result = sim.boot(now_ms);
        let epoch = sim.epoch;
        self.mark(|| format!("node {node} starts"));
        match result {
            Ok(outputs) => {
                self.outputs(node, outputs);
                self.world.after(1, Happening::Tick { node, epoch });
                self.after_commit(node);
            }
            Err(fatal) => self.stopped(node, &fatal),
        }
    }

    fn stopped(&mut self, node: usize, fatal: &Fatal) {
        self.mark(|| format!("node {node} stops: {fatal}"));
        if *fatal != Fatal::Crashed {
            let is_honest = self.nodes.get(node).is_some_and(|n| n.byzantine.is_none());
            if is_honest {
                self.checks.violations.push(Violation::Stopped { node, reason: fatal.to_string() });
            }
            return;
        }
        self.crash_for_a_while(node);
        if !self.calm
            && let Some(point) = self.scenario.probe
        {
            self.arm(point);
        }
    }

    fn crash_for_a_while(&mut self, node: usize) {
        let down_ms = self.random.between(50, 3_000);
        self.crash(node, down_ms);
    }

    pub(crate) fn crash(&mut self, node: usize, down_ms: u64) {
        self.crashes += 1;
        self.checks.node_down(node);
        // What it knew of others' rates it knew in memory.
        self.rates.retain(|(at, _), _| *at != node);
        if let Some(sim) = self.nodes.get_mut(node) {
            sim.crash();
        }
        self.mark(|| format!("node {node} crashes"));
        self.world.after(down_ms, Happening::Boot { node });
    }

    fn crash_somebody(&mut self) {
        if self.calm {
            return;
        }
        let node = self.random.below(self.nodes.len() as u64) as usize;
        if self.random.chance(500_000) {
            // Between two effects of the next step.
            let kind = EffectKind::ALL.get(self.random.below(EffectKind::ALL.len() as u64) as usize).copied();
            let is_before = self.random.chance(500_000);
            if let (Some(kind), Some(sim)) = (kind, self.nodes.get(node)) {
                sim.probe.0.borrow_mut().armed = Some((kind, is_before, 0));
            }
        } else if self.nodes.get(node).is_some_and(|n| n.process.is_some()) {
            self.crash_for_a_while(node);
        }
        // A liar and two crashed nodes are more than four can bear for long.
        let slower = if self.scenario.faults.has(Fault::Byzantine) { 3 } else { 1 };
        let pause = self.random.between(200, 2_500) * slower;
        self.world.after(pause, Happening::Crash);
    }

    /// Gives a node an event. True when an honest node found a message worth
    /// passing on.
    pub(crate) fn step(&mut self, node: usize, epoch: u64, event: Event) -> bool {
        let now_ms = self.world.now_ms();
        let Some(sim) = self.nodes.get_mut(node) else { return false };
        if sim.epoch != epoch {
            return false;
        }
        let (clock, is_honest) = (sim.clock(now_ms), sim.byzantine.is_none());
        let Some(process) = &mut sim.process else { return false };
        let before = process.consensus.app().ledger().tip().height;
        let result = process.consensus.step(clock, event);
        let after = process.consensus.app().ledger().tip().height;
        let passes = match result {
            Ok(outputs) => {
                let passes = outputs.contains(&Output::Verdict { is_valid: true });
                self.outputs(node, outputs);
                passes && is_honest
            }
            Err(fatal) => {
                self.stopped(node, &fatal);
                return false;
            }
        };
        if after > before {
            self.tear_up(node);
            self.after_commit(node);
            self.falls(node);
        }
        passes
    }
}
