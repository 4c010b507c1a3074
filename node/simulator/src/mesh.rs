//! A mesh under faults.

use crate::{
    byzantine::Byzantine,
    checks::{Checks, Violation},
    faults::{Fault, FaultSet},
    node::SimNode,
    random::Random,
    setup::{BEGIN_MS, Setup, setup},
    world::World,
};
use phalanx_consensus::{
    EffectKind, Event, Fatal, Output, TimerId,
    wire::{Lane, Message},
};
use phalanx_ledger::fsck::fsck;
use phalanx_providers::attempts::{Action, empty_report};
use phalanx_types::{
    AttemptId, Envelope, GpuRequest, Hash, Height, JobSpec, MicroUnits, Name, Operation, Outcome, Resources,
    SignedEnvelope, TimeMs, Work,
    params::{Mode, Verification},
    vote::VoteKind,
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
/// Time between a node's signs of life, and the sending again of what is not
/// decided.
const TICK_MS: u64 = 700;
/// Time after which a question without an answer has failed.
const REQUEST_MS: u64 = 1_500;
/// Events that a report of a broken rule shows.
const TRAIL: usize = 30;

/// Ends one node at an effect.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ProbePoint {
    /// The effect.
    pub kind: EffectKind,
    /// Before it, or after it.
    pub is_before: bool,
}

/// A run to simulate.
#[derive(Clone, Debug)]
pub struct MeshScenario {
    /// Number of nodes, 1 to 64.
    pub nodes: usize,
    /// The seed.
    pub seed: u64,
    /// Beats after which it ends.
    pub beats: u64,
    /// What goes wrong.
    pub faults: FaultSet,
    /// Who proposes; fully distributed when none is given.
    pub mode: Option<Mode>,
    /// What the Byzantine nodes do; by the seed when none is given.
    pub byzantine: Option<Byzantine>,
    /// Crash node 1 at this effect, again and again.
    pub probe: Option<ProbePoint>,
    /// Jobs to submit.
    pub jobs: u32,
    /// Break this rule at every node.
    #[cfg(feature = "mutations")]
    pub mutation: Option<phalanx_consensus::Mutation>,
}

impl MeshScenario {
    /// A run without further settings.
    #[must_use]
    pub const fn new(nodes: usize, seed: u64, beats: u64, faults: FaultSet) -> Self {
        Self {
            nodes,
            seed,
            beats,
            faults,
            mode: None,
            byzantine: None,
            probe: None,
            jobs: 40,
            #[cfg(feature = "mutations")]
            mutation: None,
        }
    }
}

/// What came of a run.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize)]
pub struct MeshReport {
    /// The seed.
    pub seed: u64,
    /// The faults.
    pub faults: String,
    /// SHA3-256 over every delivered message, decision and app hash.
    pub audit: Hash,
    /// The height that all honest nodes reached.
    pub beats: u64,
    /// Virtual time it took in milliseconds.
    pub virtual_ms: u64,
    /// Messages delivered.
    pub delivered: u64,
    /// Messages lost.
    pub dropped: u64,
    /// Crashes.
    pub crashes: u32,
    /// Beats taken over by catching up, over all nodes.
    pub jobs_ended: u32,
    /// Attempts started.
    pub attempts: usize,
    /// What the Byzantine node did.
    pub byzantine: Option<Byzantine>,
    /// Effects at which the probe crashed a node.
    pub probed: Vec<String>,
    /// Broken rules; empty when all is well.
    pub violations: Vec<Violation>,
    /// The last things that happened before the first broken rule.
    pub trail: Vec<String>,
}

enum Happening {
    Deliver { to: usize, from: usize, parcel: Parcel },
    Timer { node: usize, epoch: u64, id: TimerId },
    Tick { node: usize, epoch: u64 },
    WorkDone { node: usize, epoch: u64, attempt: AttemptId },
    Unanswered { node: usize, epoch: u64, peer: usize, number: u64 },
    Boot { node: usize },
    Crash,
    Partition,
    Heal,
    Submit,
}

#[derive(Clone)]
enum Parcel {
    /// With the number under which gossip knows it.
    Consensus(u64, Lane, Vec<u8>),
    Input(Arc<SignedEnvelope>),
    Request(u64, Vec<u8>),
    Response(u64, Vec<u8>),
}

struct Mesh {
    scenario: MeshScenario,
    setup: Setup,
    world: World<Happening>,
    random: Random,
    nodes: Vec<SimNode>,
    keys: BTreeMap<[u8; 32], usize>,
    checks: Checks,
    audit: Sha3_256,
    cut: Option<BTreeSet<usize>>,
    calm: bool,
    delivered: u64,
    dropped: u64,
    crashes: u32,
    submitted: u32,
    tenant_sequence: u64,
    open: BTreeMap<Hash, Arc<SignedEnvelope>>,
    requests: u64,
    gossip: u64,
    /// What each node has had by gossip.
    heard: Vec<BTreeSet<u64>>,
    answered: BTreeSet<u64>,
    tokens: BTreeMap<u64, (usize, u64)>,
    history: Vec<(Lane, Vec<u8>)>,
    trail: VecDeque<String>,
}

/// Runs a mesh to its end.
///
/// # Errors
/// When the scenario itself cannot be set up.
pub fn simulate_mesh(scenario: &MeshScenario) -> Result<MeshReport, String> {
    if scenario.nodes == 0 || scenario.nodes > 64 {
        return Err(format!("{} nodes: 1 to 64 can be simulated", scenario.nodes));
    }
    let setup =
        setup(scenario.nodes, scenario.mode.clone(), Verification::FullAudit).map_err(|e| e.to_string())?;
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
    #[cfg(feature = "mutations")]
    for node in &mut nodes {
        node.mutation = scenario.mutation;
    }
    let keys = (0..scenario.nodes).map(|i| (peer_key(i), i)).collect();
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
        history: Vec::new(),
        trail: VecDeque::new(),
    };
    Ok(mesh.run())
}

fn peer_key(node: usize) -> [u8; 32] {
    Hash::sha3(&(node as u64).to_le_bytes()).0
}

impl Mesh {
    fn run(mut self) -> MeshReport {
        for node in 0..self.nodes.len() {
            let late = self.random.below(50);
            self.world.after(late, Happening::Boot { node });
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
        let mut deadline = None;
        let mut events: u64 = 0;
        while let Some(happening) = self.world.pop() {
            events += 1;
            self.happen(happening);
            if !self.checks.violations.is_empty() || events > EVENTS_MAX {
                break;
            }
            // The last fifth is without faults: there the mesh must come to rest.
            let front = self.heights(true).max().unwrap_or_default();
            let is_late = self.world.now_ms() > BEGIN_MS + FAULTY_MS;
            if !self.calm && (front.0 * 5 >= self.scenario.beats * 4 || is_late) {
                self.calm = true;
                self.cut = None;
                let missing = self.scenario.beats.saturating_sub(front.0);
                deadline = Some(self.world.now_ms() + HEAL_MS + missing * HEAL_BEAT_MS);
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

    fn honest(&self) -> impl Iterator<Item = (usize, &SimNode)> {
        self.nodes.iter().enumerate().filter(|(_, n)| n.byzantine.is_none())
    }

    fn heights(&self, honest: bool) -> impl Iterator<Item = Height> {
        self.nodes
            .iter()
            .filter(move |n| !honest || n.byzantine.is_none())
            .map(|n| n.process.as_ref().map_or(Height::ZERO, |p| p.consensus.app().ledger().tip().height))
    }

    fn is_done(&self) -> bool {
        self.submitted >= self.scenario.jobs
            && self.open.is_empty()
            && self.heights(true).all(|height| height.0 >= self.scenario.beats)
    }

    fn note_stuck(&mut self) {
        let wanted = Height(self.scenario.beats);
        let stuck: Vec<(usize, Height)> = self
            .honest()
            .map(|(i, n)| {
                (i, n.process.as_ref().map_or(Height::ZERO, |p| p.consensus.app().ledger().tip().height))
            })
            .filter(|(_, height)| *height < wanted)
            .collect();
        for (node, height) in stuck {
            self.checks.violations.push(Violation::Stuck { node, height, wanted });
        }
        for envelope in self.open.keys() {
            self.checks.violations.push(Violation::LostInput { envelope: *envelope, node: 0 });
        }
    }

    fn mark(&mut self, text: impl FnOnce() -> String) {
        let line = format!("{:>8} {}", self.world.now_ms() - BEGIN_MS, text());
        if self.trail.len() >= TRAIL {
            self.trail.pop_front();
        }
        self.trail.push_back(line);
    }

    fn arm(&mut self, point: ProbePoint) {
        let after = self.random.below(40) as u32;
        if let Some(node) = self.nodes.first() {
            node.probe.0.borrow_mut().armed = Some((point.kind, point.is_before, after));
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
            Happening::WorkDone { node, epoch, attempt } => self.work_done(node, epoch, attempt),
            Happening::Unanswered { node, epoch, peer, number } => {
                if !self.answered.remove(&number) {
                    self.step(node, epoch, Event::RequestFailed { from: peer_key(peer) });
                }
            }
            Happening::Crash => self.crash_somebody(),
            Happening::Partition => {
                if !self.calm {
                    let count = self.random.between(1, self.nodes.len() as u64 / 2 + 1) as usize;
                    let mut side = BTreeSet::new();
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
                self.mark(|| "healed".to_owned());
                let pause = self.random.between(1_000, 6_000);
                self.world.after(pause, Happening::Partition);
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
        self.crash(node);
        if !self.calm
            && let Some(point) = self.scenario.probe
        {
            self.arm(point);
        }
    }

    fn crash(&mut self, node: usize) {
        self.crashes += 1;
        if let Some(sim) = self.nodes.get_mut(node) {
            sim.crash();
        }
        self.mark(|| format!("node {node} crashes"));
        let down = self.random.between(50, 3_000);
        self.world.after(down, Happening::Boot { node });
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
            self.crash(node);
        }
        // A liar and two crashed nodes are more than four can bear for long.
        let slower = if self.scenario.faults.has(Fault::Byzantine) { 3 } else { 1 };
        let pause = self.random.between(200, 2_500) * slower;
        self.world.after(pause, Happening::Crash);
    }

    /// Gives a node an event. True when an honest node found a message worth
    /// passing on.
    fn step(&mut self, node: usize, epoch: u64, event: Event) -> bool {
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
            self.after_commit(node);
        }
        passes
    }

    fn outputs(&mut self, node: usize, outputs: Vec<Output>) {
        let Some(epoch) = self.nodes.get(node).map(|n| n.epoch) else { return };
        for output in outputs {
            match output {
                Output::Broadcast { lane, bytes } => self.broadcast(node, lane, &bytes),
                Output::SetTimer { id, after_ms } => {
                    self.world.after(after_ms.max(1), Happening::Timer { node, epoch, id });
                }
                Output::Request { peer, bytes } => {
                    let Some(to) = self.keys.get(&peer).copied() else { continue };
                    self.requests += 1;
                    let number = self.requests;
                    self.send(node, to, Parcel::Request(number, bytes));
                    self.world.after(REQUEST_MS, Happening::Unanswered { node, epoch, peer: to, number });
                }
                Output::Respond { token, mut bytes } => {
                    let Some((to, number)) = self.tokens.remove(&token) else { continue };
                    let lies = self.nodes.get(node).and_then(|n| n.byzantine) == Some(Byzantine::LyingSync);
                    if lies && let Some(byte) = bytes.get_mut(200) {
                        *byte ^= 1;
                    }
                    self.send(node, to, Parcel::Response(number, bytes));
                }
                Output::Penalize { .. } | Output::Verdict { .. } | Output::Committed { .. } => {}
            }
        }
    }

    fn broadcast(&mut self, node: usize, lane: Lane, bytes: &[u8]) {
        let Some(sim) = self.nodes.get(node) else { return };
        if sim.byzantine.is_none()
            && let Ok(Message::Vote(vote)) = Message::decode(lane, bytes)
            && vote.message.validator == sim.key.public()
        {
            self.checks.vote(node, &vote.message);
            let kind = if vote.message.kind == VoteKind::Prevote { "prevotes" } else { "precommits" };
            let what = vote.message.beat.map_or("nil".to_owned(), |b| b.short());
            let (height, round) = (vote.message.height, vote.message.round.0);
            self.mark(|| format!("node {node} {kind} {what} at {height}/{round}"));
        }
        for to in (0..self.nodes.len()).filter(|to| *to != node) {
            let told = match self.nodes.get(node) {
                Some(SimNode { byzantine: Some(kind), key, .. }) => {
                    kind.tell(key, &mut self.random, to, lane, bytes, &self.history)
                }
                _ => vec![(lane, bytes.to_vec())],
            };
            for (place, (told_lane, told_bytes)) in (1..).zip(told) {
                // What is told to all alike is one message; a lie is its own.
                let is_same = told_lane == lane && told_bytes == bytes && place == 1;
                let number = if is_same { self.gossip } else { self.gossip + place * 64 + to as u64 };
                self.send(node, to, Parcel::Consensus(number, told_lane, told_bytes));
            }
        }
        self.gossip += 64 * 64;
        if self.history.len() < 64 {
            self.history.push((lane, bytes.to_vec()));
        }
    }

    fn send(&mut self, from: usize, to: usize, parcel: Parcel) {
        let faulty = !self.calm;
        let lost = faulty && self.scenario.faults.has(Fault::Drop) && self.random.chance(50_000);
        let is_cut = self.cut.as_ref().is_some_and(|side| side.contains(&from) != side.contains(&to));
        if lost || is_cut {
            self.dropped += 1;
            return;
        }
        let mut delay = self.random.between(1, 12);
        if faulty && self.scenario.faults.has(Fault::Delay) && self.random.chance(100_000) {
            delay += self.random.between(20, 900);
        }
        self.world.after(delay, Happening::Deliver { to, from, parcel });
    }

    fn deliver(&mut self, to: usize, from: usize, parcel: Parcel) {
        let now_ms = self.world.now_ms();
        let Some(sim) = self.nodes.get_mut(to) else { return };
        if sim.process.is_none() {
            self.dropped += 1;
            return;
        }
        self.delivered += 1;
        self.audit.update(now_ms.to_le_bytes());
        self.audit.update((to as u64).to_le_bytes());
        self.audit.update((from as u64).to_le_bytes());
        let (epoch, clock) = (sim.epoch, sim.clock(now_ms));
        match parcel {
            Parcel::Consensus(number, lane, bytes) => {
                self.audit.update(Hash::sha3(&bytes).0);
                if !self.heard.get_mut(to).is_some_and(|heard| heard.insert(number)) {
                    return;
                }
                let relayed = bytes.clone();
                let event = Event::Message { from: peer_key(from), lane, bytes };
                if self.step(to, epoch, event) {
                    for other in (0..self.nodes.len()).filter(|other| *other != to && *other != from) {
                        let is_news = self.heard.get(other).is_some_and(|heard| !heard.contains(&number));
                        if is_news {
                            self.send(to, other, Parcel::Consensus(number, lane, relayed.clone()));
                        }
                    }
                }
            }
            Parcel::Input(signed) => {
                self.audit.update(signed.envelope.id().0);
                if let Some(process) = &mut sim.process
                    && process.consensus.app_mut().intake(clock, signed).is_ok()
                {
                    self.step(to, epoch, Event::Work);
                }
            }
            Parcel::Request(number, bytes) => {
                self.audit.update(Hash::sha3(&bytes).0);
                self.tokens.insert(number, (from, number));
                self.step(to, epoch, Event::Request { from: peer_key(from), token: number, bytes });
            }
            Parcel::Response(number, bytes) => {
                self.audit.update(Hash::sha3(&bytes).0);
                self.answered.insert(number);
                self.step(to, epoch, Event::Response { from: peer_key(from), bytes });
            }
        }
    }

    /// Puts an envelope of `node` into its pool and sends it to the others.
    fn spread(&mut self, node: usize, signed: &Arc<SignedEnvelope>) {
        let now_ms = self.world.now_ms();
        let Some(sim) = self.nodes.get_mut(node) else { return };
        let (epoch, clock) = (sim.epoch, sim.clock(now_ms));
        let Some(process) = &mut sim.process else { return };
        process.pending.insert(signed.envelope.id(), Arc::clone(signed));
        let is_new = process.consensus.app_mut().intake(clock, Arc::clone(signed)).is_ok();
        for to in (0..self.nodes.len()).filter(|to| *to != node) {
            self.send(node, to, Parcel::Input(Arc::clone(signed)));
        }
        if is_new {
            self.step(node, epoch, Event::Work);
        }
    }

    /// Offers, signs of life, leases, reports, accusations; and again what is
    /// not decided yet.
    fn tick(&mut self, node: usize, epoch: u64) {
        let now_ms = self.world.now_ms();
        let Some(sim) = self.nodes.get_mut(node) else { return };
        if sim.epoch != epoch {
            return;
        }
        self.world.after(TICK_MS, Happening::Tick { node, epoch });
        let workers = sim.workers.clone();
        let clock = sim.clock(now_ms);
        let Some(process) = &mut sim.process else { return };
        let fabric = process.consensus.app().fabric().clone();
        let (mut operations, mut alive) = (Vec::new(), Vec::new());
        for offer in &workers {
            if fabric.worker(&offer.worker).is_some_and(|w| w.is_open) {
                alive.push(offer.worker.clone());
            } else {
                operations.push(Operation::OfferWorker(Box::new(offer.clone())));
            }
        }
        alive.sort();
        if !alive.is_empty() {
            operations.push(Operation::Heartbeat { workers: alive });
        }
        for accusation in process.consensus.app_mut().take_accusations() {
            operations.push(Operation::Accuse(accusation));
        }
        process.pending.retain(|_, signed| signed.envelope.expiry >= clock);
        let again: Vec<_> = process.pending.values().cloned().collect();
        let actions = process.attempts.expire(clock);
        self.act(node, epoch, actions);
        for signed in again {
            self.spread(node, &signed);
        }
        if !operations.is_empty()
            && let Some(sim) = self.nodes.get_mut(node)
        {
            let signed = sim.sign(now_ms, operations);
            self.spread(node, &signed);
        }
        self.report_outcomes(node);
    }

    fn report_outcomes(&mut self, node: usize) {
        let now_ms = self.world.now_ms();
        let Some(sim) = self.nodes.get_mut(node) else { return };
        let Some(process) = &mut sim.process else { return };
        let fabric = process.consensus.app().fabric();
        let fresh: Vec<_> = process
            .attempts
            .reports()
            .filter(|r| fabric.awaits(&r.attempt) && !process.reported.contains(&r.attempt))
            .take(32)
            .cloned()
            .collect();
        if fresh.is_empty() {
            return;
        }
        process.reported.extend(fresh.iter().map(|r| r.attempt));
        let operations = fresh.into_iter().map(|r| Operation::ReportOutcome(Box::new(r))).collect();
        let signed = sim.sign(now_ms, operations);
        self.spread(node, &signed);
    }

    /// What the decided state wants of the node's workers.
    fn after_commit(&mut self, node: usize) {
        let now_ms = self.world.now_ms();
        let Some(sim) = self.nodes.get_mut(node) else { return };
        let (epoch, clock, is_honest) = (sim.epoch, sim.clock(now_ms), sim.byzantine.is_none());
        let wanted = sim.wanted();
        let Some(process) = &mut sim.process else { return };
        let decisions = process.consensus.app_mut().take_decisions();
        let reconciled = process.attempts.reconcile(clock, &wanted);
        for decision in &decisions {
            for id in &decision.envelopes {
                process.pending.remove(id);
            }
        }
        for decision in decisions {
            let id = decision.header.id();
            self.audit.update(decision.header.height.0.to_le_bytes());
            self.audit.update(id.0);
            self.audit.update(decision.header.app_hash.0);
            if is_honest {
                self.checks.decided(decision.header.height, id);
                for envelope in &decision.envelopes {
                    self.checks.decided_envelopes.insert(*envelope);
                    self.open.remove(envelope);
                }
            }
        }
        match reconciled {
            Ok(actions) => self.act(node, epoch, actions),
            Err(error) => self.checks.violations.push(Violation::Stopped { node, reason: error.to_string() }),
        }
        self.report_outcomes(node);
    }

    fn act(&mut self, node: usize, epoch: u64, actions: Vec<Action>) {
        for action in actions {
            match action {
                Action::Spawn(want) => {
                    let is_once = self
                        .nodes
                        .get(node)
                        .and_then(|n| n.process.as_ref())
                        .and_then(|p| p.consensus.app().fabric().job(&want.attempt.job))
                        .is_some_and(|job| job.spec.once);
                    self.checks.spawned(want.attempt, is_once);
                    let Work::Synthetic { duration_ms } = want.work else { continue };
                    let done = Happening::WorkDone { node, epoch, attempt: want.attempt };
                    self.world.after(u64::from(duration_ms).max(1), done);
                }
                Action::Kill { attempt, .. } => {
                    self.world.after(1, Happening::WorkDone { node, epoch, attempt });
                }
            }
        }
    }

    fn work_done(&mut self, node: usize, epoch: u64, attempt: AttemptId) {
        let Some(sim) = self.nodes.get_mut(node) else { return };
        if sim.epoch != epoch {
            return;
        }
        let Some(worker) = sim.workers.first().map(|w| w.worker.clone()) else { return };
        let Some(process) = &mut sim.process else { return };
        let fabric = process.consensus.app().fabric();
        let worker = match fabric.job(&attempt.job).map(|job| job.phase.clone()) {
            Some(phalanx_fabric::Phase::Running { worker, .. }) => worker,
            _ => worker,
        };
        // Every seventh job fails at its first attempt, so that retries run.
        let [first, ..] = attempt.job.0;
        let code = i32::from(first % 7 == 0 && attempt.number == 1);
        let report = empty_report(&worker, attempt, Outcome::Exited { code });
        if let Err(error) = process.attempts.ended(report) {
            self.checks.violations.push(Violation::Stopped { node, reason: error.to_string() });
        }
        self.report_outcomes(node);
    }

    /// A tenant submits a job to some node, and again to another while it is not
    /// decided.
    fn submit(&mut self) {
        let now_ms = self.world.now_ms();
        if self.submitted < self.scenario.jobs {
            let number = self.submitted;
            self.submitted += 1;
            if let Some(spec) = self.job(number) {
                let envelope = Envelope {
                    mesh: self.setup.genesis.mesh,
                    sender: self.setup.tenant.public(),
                    sequence: self.tenant_sequence,
                    expiry: TimeMs(now_ms + 590_000),
                    trace_id: None,
                    operations: vec![Operation::SubmitJob(Box::new(spec))],
                };
                self.tenant_sequence += 1;
                let signed = Arc::new(envelope.sign(&self.setup.tenant));
                self.open.insert(signed.envelope.id(), signed);
            }
        }
        let open: Vec<_> = self.open.values().cloned().collect();
        for signed in open {
            let to = self.random.below(self.nodes.len() as u64) as usize;
            self.world.after(1, Happening::Deliver { to, from: to, parcel: Parcel::Input(signed) });
        }
        if self.submitted < self.scenario.jobs || !self.open.is_empty() {
            let pause = self.random.between(50, 400);
            self.world.after(pause, Happening::Submit);
        }
    }

    fn job(&mut self, number: u32) -> Option<JobSpec> {
        let regions = ["earth", "luna", "mars", "helios"];
        let region = regions.get(self.random.below(4) as usize)?;
        Some(JobSpec {
            label: format!("job {number}"),
            tenant: Name::new("acme").ok()?,
            region: Name::new(region).ok()?,
            deadline_ms: 0,
            skills: BTreeSet::new(),
            budget: MicroUnits(1_000_000),
            resources: Resources { cpu_milli: 500, memory_mib: 64, gpu: GpuRequest::None },
            workload: phalanx_types::job::WorkloadType::Batch,
            priority: self.random.below(256) as u8,
            retries: if number.is_multiple_of(5) { 0 } else { 3 },
            once: number.is_multiple_of(5),
            work: Work::Synthetic { duration_ms: self.random.between(5, 3_000) as u32 },
        })
    }

    fn last_checks(&mut self) {
        if !self.checks.violations.is_empty() {
            return;
        }
        let mut found = Vec::new();
        for (node, sim) in self.honest() {
            let report = fsck(sim.kv());
            if let Some(first) = report.first {
                found.push(Violation::Validity { node, what: first.to_string() });
            }
            let Some(process) = &sim.process else { continue };
            let ledger = process.consensus.app().ledger();
            let mut decided = BTreeSet::new();
            for height in 1..=ledger.tip().height.0 {
                if let Ok(Some(beat)) = ledger.beat(Height(height)) {
                    decided.extend(beat.envelopes.iter().map(|e| e.envelope.id()));
                }
            }
            // A node may be a beat behind the front when the run ends.
            let front = self.heights(true).max() == Some(ledger.tip().height);
            let missing = self.checks.decided_envelopes.difference(&decided).next();
            if front && let Some(envelope) = missing {
                found.push(Violation::LostInput { envelope: *envelope, node });
            }
            for (liar, other) in self.nodes.iter().enumerate() {
                let Some(kind) = other.byzantine.filter(|kind| kind.is_provable()) else { continue };
                let state = process.consensus.app().fabric();
                let is_out =
                    state.validators().any(|(key, v)| *key == other.key.public() && v.is_quarantined);
                // Only where it had a turn to lie for long enough.
                if !is_out && front && self.scenario.beats >= 100 {
                    found.push(Violation::Unpunished { node: liar, kind: format!("{kind:?}") });
                }
            }
        }
        self.checks.violations.extend(found);
    }

    fn report(self) -> MeshReport {
        let jobs_ended = self
            .honest()
            .filter_map(|(_, n)| n.process.as_ref())
            .map(|p| {
                let fabric = p.consensus.app().fabric();
                fabric.jobs().filter(|(_, j)| matches!(j.phase, phalanx_fabric::Phase::Ended { .. })).count()
            })
            .max()
            .unwrap_or(0);
        let probed = self
            .nodes
            .iter()
            .flat_map(|n| n.probe.0.borrow().fired.clone())
            .map(|(kind, before)| format!("{} {kind:?}", if before { "before" } else { "after" }))
            .collect::<BTreeSet<_>>();
        MeshReport {
            seed: self.scenario.seed,
            faults: self.scenario.faults.to_string(),
            beats: self.heights(true).min().unwrap_or_default().0,
            virtual_ms: self.world.now_ms() - BEGIN_MS,
            delivered: self.delivered,
            dropped: self.dropped,
            crashes: self.crashes,
            jobs_ended: jobs_ended as u32,
            attempts: self.checks.attempts(),
            byzantine: self.nodes.iter().find_map(|n| n.byzantine),
            probed: probed.into_iter().collect(),
            audit: Hash(self.audit.finalize().into()),
            trail: if self.checks.violations.is_empty() { Vec::new() } else { self.trail.into() },
            violations: self.checks.violations,
        }
    }
}
