//! The run itself: four nodes, links with the agreed latencies, virtual time.

use super::{
    PlanetaryError,
    genesis::{Founding, found},
    plan::{Planned, Step, plan},
    site::Site,
};
use crate::{random::Random, setup::BEGIN_MS, world::World};
use phalanx_consensus::{Event, Output, TimerId, wire::Lane};
use phalanx_replica::{Decision, IntakeError, PoolError};
use phalanx_types::{
    AttemptId, Height, Name, Operation, Outcome, OwnerCommand, SignedEnvelope, SigningKey, TimeMs,
};
use std::{collections::BTreeMap, sync::Arc};

/// Virtual time after which a run that has not come to rest is given up.
const LASTS_MAX_MS: u64 = 1_200_000;
/// How often a node looks at what its workers have to say.
const TICK_MS: u64 = 500;
/// When a tenant that was turned away tries again.
const AGAIN_MS: u64 = 5_000;
/// What a link adds to its latency, at most.
const JITTER_MS: u64 = 5;

enum Happening {
    Deliver {
        to: usize,
        from: usize,
        parcel: Parcel,
    },
    Timer {
        site: usize,
        id: TimerId,
    },
    Tick {
        site: usize,
    },
    Done {
        site: usize,
        desk: usize,
        life: u64,
        attempt: AttemptId,
        outcome: Outcome,
        wall_ms: u64,
    },
    /// An envelope reaches its first node.
    Knock {
        site: usize,
        envelope: Arc<SignedEnvelope>,
    },
    Next,
}

enum Parcel {
    Consensus(Lane, Vec<u8>),
    Input(Arc<SignedEnvelope>),
    Request(Vec<u8>),
    Response(Vec<u8>),
}

/// What the first node has to tell, in order.
pub(super) enum Line {
    /// A decided beat.
    Decided(Box<Decision>),
    /// Something that the scenario did.
    Incident { what: String, subject: String },
    /// A node turned an envelope away.
    TurnedAway { node: Name, reason: String },
}

/// A command of the owner as it was issued.
pub(super) struct Issued {
    pub at_ms: u64,
    pub name: &'static str,
    pub why: &'static str,
    pub command: OwnerCommand,
    /// The envelope's id, which its receipt names.
    pub envelope: phalanx_types::Hash,
}

/// What is there at the end.
pub(super) struct Ended {
    pub sites: Vec<Site>,
    /// Lines with their virtual time.
    pub lines: Vec<(u64, Line)>,
    pub commands: Vec<Issued>,
    /// The last beat that counts: it closes a checkpoint.
    pub last: Height,
    pub submitted: u32,
}

pub(super) struct Run {
    sites: Vec<Site>,
    peers: BTreeMap<[u8; 32], usize>,
    latencies: BTreeMap<(usize, usize), u64>,
    tenants: Vec<(Name, SigningKey)>,
    owner: SigningKey,
    checkpoint_beats: u64,
    world: World<Happening>,
    random: Random,
    plan: std::vec::IntoIter<Planned>,
    next: Option<Planned>,
    knocking: u32,
    tokens: BTreeMap<u64, usize>,
    lines: Vec<(u64, Line)>,
    commands: Vec<Issued>,
    submitted: u32,
}

impl Run {
    pub(super) fn new(seed: u64, label: &str) -> Result<Self, PlanetaryError> {
        let Founding { genesis, nodes, tenants, owner } = found(seed, label)?;
        let place = |region: &Name| nodes.iter().position(|(name, _, _)| name == region);
        let latencies = genesis
            .latencies
            .iter()
            .filter_map(|l| Some(((place(&l.from)?, place(&l.to)?), u64::from(l.latency_ms))))
            .collect();
        let peers = genesis.validators.iter().map(|v| v.network_key.0).zip(0..).collect();
        let steps = plan(seed, &genesis.shards)?;
        let sites = nodes
            .into_iter()
            .map(|(region, key, offers)| Site::new(&genesis, region, key, offers))
            .collect::<Result<_, _>>()?;
        Ok(Self {
            sites,
            peers,
            latencies,
            tenants,
            owner,
            checkpoint_beats: u64::from(genesis.params.checkpoint_beats),
            world: World::new(BEGIN_MS + 1),
            random: Random::new(seed ^ 0x706c_616e_6574),
            plan: steps.into_iter(),
            next: None,
            knocking: 0,
            tokens: BTreeMap::new(),
            lines: Vec::new(),
            commands: Vec::new(),
            submitted: 0,
        })
    }

    fn elapsed_ms(&self) -> u64 {
        self.world.now_ms() - BEGIN_MS
    }

    /// Runs until all jobs have ended and a checkpoint holds it all.
    pub(super) fn finish(mut self) -> Result<Ended, PlanetaryError> {
        for site in 0..self.sites.len() {
            let now = TimeMs(self.world.now_ms());
            let started = self.sites.get_mut(site).map(|s| s.consensus.start(now));
            self.carry(site, started)?;
            self.world.after(200 + site as u64, Happening::Tick { site });
        }
        self.plan_next();
        let mut last: Option<Height> = None;
        while let Some(happening) = self.world.pop() {
            if self.elapsed_ms() > LASTS_MAX_MS {
                break;
            }
            let is_tick = matches!(happening, Happening::Tick { site: 0 });
            self.happen(happening)?;
            let heights = || self.sites.iter().map(|s| s.consensus.app().ledger().tip().height);
            match last {
                None if is_tick && self.is_over() => {
                    let front = heights().max().unwrap_or_default().0;
                    let beats = self.checkpoint_beats.max(1);
                    last = Some(Height((front / beats + 1) * beats));
                }
                Some(last) if heights().all(|height| height >= last) => {
                    let Self { sites, lines, commands, submitted, .. } = self;
                    return Ok(Ended { sites, lines, commands, last, submitted });
                }
                _ => {}
            }
        }
        Err(PlanetaryError::Unfinished(self.elapsed_ms()))
    }

    fn is_over(&self) -> bool {
        self.next.is_none()
            && self.knocking == 0
            && self.sites.iter().all(|site| site.is_idle() && site.consensus.app().mempool().is_empty())
    }

    fn plan_next(&mut self) {
        self.next = self.plan.next();
        if let Some(next) = &self.next {
            let wait_ms = next.at_ms.saturating_sub(self.elapsed_ms());
            self.world.after(wait_ms, Happening::Next);
        }
    }

    fn note(&mut self, line: Line) {
        self.lines.push((self.elapsed_ms(), line));
    }

    fn stopped(&self, site: usize, reason: String) -> PlanetaryError {
        let node = self.sites.get(site).map(|s| s.region.to_string()).unwrap_or_default();
        PlanetaryError::Stopped { node, reason }
    }

    fn happen(&mut self, happening: Happening) -> Result<(), PlanetaryError> {
        match happening {
            Happening::Deliver { to, from, parcel } => self.deliver(to, from, parcel),
            Happening::Timer { site, id } => self.step(site, Event::Timer(id)),
            Happening::Tick { site } => {
                self.world.after(TICK_MS, Happening::Tick { site });
                let now_ms = self.world.now_ms();
                let Some(here) = self.sites.get_mut(site) else { return Ok(()) };
                let operations = here.operations(now_ms);
                if !operations.is_empty() {
                    let key = here.key.clone();
                    let envelope = here.sign(now_ms, &key, operations);
                    // A node takes in its own words, and says them again if not.
                    if let Err(reason) = self.take_in(site, &envelope)? {
                        let node = self.sites.get(site).map(|s| s.region.clone());
                        self.lines
                            .extend(node.map(|node| (self.elapsed_ms(), Line::TurnedAway { node, reason })));
                    }
                }
                self.reconcile(site)
            }
            Happening::Done { site, desk, life, attempt, outcome, wall_ms } => {
                let here = self.sites.get_mut(site).and_then(|s| s.desks.get_mut(desk));
                let result = match here {
                    Some(desk) if desk.life == life => desk.ended(attempt, outcome, wall_ms),
                    _ => Ok(()),
                };
                result.map_err(|reason| self.stopped(site, reason))
            }
            Happening::Knock { site, envelope } => {
                self.knocking -= 1;
                self.knock(site, envelope)
            }
            Happening::Next => {
                if let Some(planned) = self.next.take() {
                    self.perform(planned.step)?;
                }
                self.plan_next();
                Ok(())
            }
        }
    }

    fn perform(&mut self, step: Step) -> Result<(), PlanetaryError> {
        let now_ms = self.world.now_ms();
        match step {
            Step::Submit(region, jobs) => {
                self.submitted += jobs.len() as u32;
                let Some((_, key)) = self.tenants.get(region).cloned() else { return Ok(()) };
                let operations = jobs.into_iter().map(|job| Operation::SubmitJob(Box::new(job))).collect();
                let signed = self.sites.get_mut(region).map(|s| s.sign(now_ms, &key, operations));
                signed.map_or(Ok(()), |envelope| self.knock(region, envelope))
            }
            Step::Owner { name, why, command } => {
                let operations = vec![Operation::Command(Box::new(command.clone()))];
                let key = self.owner.clone();
                let Some(site) = self.sites.first_mut() else { return Ok(()) };
                let signed = site.sign(now_ms, &key, operations);
                let envelope = signed.envelope.id();
                self.commands.push(Issued { at_ms: self.elapsed_ms(), name, why, command, envelope });
                self.note(Line::Incident { what: format!("owner: {why}"), subject: name.to_owned() });
                self.knock(0, signed)
            }
            Step::Dies(worker) => {
                self.note(Line::Incident { what: "the worker dies".to_owned(), subject: worker.to_string() });
                for desk in self.sites.iter_mut().flat_map(|s| &mut s.desks) {
                    if desk.offer.worker == worker {
                        desk.die();
                    }
                }
                Ok(())
            }
            Step::Returns(worker) => {
                self.note(Line::Incident {
                    what: "the worker comes back".to_owned(),
                    subject: worker.to_string(),
                });
                let desks = self.sites.iter_mut().flat_map(|s| &mut s.desks);
                let result =
                    desks.filter(|desk| desk.offer.worker == worker).try_for_each(|desk| desk.start());
                result.map_err(|reason| self.stopped(0, reason))
            }
        }
    }

    /// Brings an envelope to a node; who is turned away comes again.
    fn knock(&mut self, site: usize, envelope: Arc<SignedEnvelope>) -> Result<(), PlanetaryError> {
        if let Err(reason) = self.take_in(site, &envelope)? {
            let node = self.sites.get(site).map(|s| s.region.clone());
            if let Some(node) = node {
                self.note(Line::TurnedAway { node, reason });
            }
            self.knocking += 1;
            self.world.after(AGAIN_MS, Happening::Knock { site, envelope });
        }
        Ok(())
    }

    /// Puts an envelope into a node's pool and sends it to the others. What is
    /// refused gives its reason.
    fn take_in(
        &mut self,
        site: usize,
        envelope: &Arc<SignedEnvelope>,
    ) -> Result<Result<(), String>, PlanetaryError> {
        let now = TimeMs(self.world.now_ms());
        let Some(here) = self.sites.get_mut(site) else { return Ok(Ok(())) };
        match here.consensus.app_mut().intake(now, Arc::clone(envelope)) {
            Ok(_) => {}
            Err(IntakeError::Pool(PoolError::Known)) => return Ok(Ok(())),
            Err(error) => return Ok(Err(error.to_string())),
        }
        for to in (0..self.sites.len()).filter(|to| *to != site) {
            self.send(site, to, Parcel::Input(Arc::clone(envelope)));
        }
        self.step(site, Event::Work).map(Ok)
    }

    fn send(&mut self, from: usize, to: usize, parcel: Parcel) {
        let latency_ms = self.latencies.get(&(from, to)).copied().unwrap_or(0);
        let late = self.random.below(JITTER_MS + 1);
        self.world.after(latency_ms + late, Happening::Deliver { to, from, parcel });
    }

    fn peer_key(&self, site: usize) -> [u8; 32] {
        self.peers.iter().find(|(_, at)| **at == site).map(|(key, _)| *key).unwrap_or_default()
    }

    fn deliver(&mut self, to: usize, from: usize, parcel: Parcel) -> Result<(), PlanetaryError> {
        let sender = self.peer_key(from);
        match parcel {
            Parcel::Consensus(lane, bytes) => {
                self.step(to, Event::Message { from: sender, author: sender, lane, bytes })
            }
            Parcel::Input(envelope) => {
                let now = TimeMs(self.world.now_ms());
                let Some(here) = self.sites.get_mut(to) else { return Ok(()) };
                // What this node refuses, the one that took it in still proposes.
                match here.consensus.app_mut().intake(now, envelope) {
                    Ok(_) => self.step(to, Event::Work),
                    Err(_) => Ok(()),
                }
            }
            Parcel::Request(bytes) => {
                let token = self.tokens.len() as u64;
                self.tokens.insert(token, from);
                self.step(to, Event::Request { from: sender, token, bytes })
            }
            Parcel::Response(bytes) => self.step(to, Event::Response { from: sender, bytes }),
        }
    }

    fn step(&mut self, site: usize, event: Event) -> Result<(), PlanetaryError> {
        let now = TimeMs(self.world.now_ms());
        let result = self.sites.get_mut(site).map(|s| s.consensus.step(now, event));
        self.carry(site, result)
    }

    /// Carries out what a step led to.
    fn carry(
        &mut self,
        site: usize,
        result: Option<Result<Vec<Output>, phalanx_consensus::Fatal>>,
    ) -> Result<(), PlanetaryError> {
        let Some(result) = result else { return Ok(()) };
        let outputs = result.map_err(|fatal| self.stopped(site, fatal.to_string()))?;
        let mut has_committed = false;
        for output in outputs {
            match output {
                Output::Broadcast { lane, bytes } => {
                    for to in (0..self.sites.len()).filter(|to| *to != site) {
                        self.send(site, to, Parcel::Consensus(lane, bytes.clone()));
                    }
                }
                Output::Request { peer, bytes } => {
                    if let Some(to) = self.peers.get(&peer).copied() {
                        self.send(site, to, Parcel::Request(bytes));
                    }
                }
                Output::Respond { token, bytes } => {
                    if let Some(to) = self.tokens.get(&token).copied() {
                        self.send(site, to, Parcel::Response(bytes));
                    }
                }
                Output::SetTimer { id, after_ms } => {
                    self.world.after(after_ms.max(1), Happening::Timer { site, id });
                }
                Output::Penalize { reason, .. } => return Err(self.stopped(site, reason)),
                Output::Committed { .. } => has_committed = true,
                // Nobody joins this mesh late.
                Output::Verdict { .. } | Output::ServeSnapshot { .. } => {}
            }
        }
        if !has_committed {
            return Ok(());
        }
        let decisions = self.sites.get_mut(site).map(|s| s.consensus.app_mut().take_decisions());
        if site == 0 {
            for decision in decisions.into_iter().flatten() {
                self.note(Line::Decided(Box::new(decision)));
            }
        }
        self.reconcile(site)
    }

    fn reconcile(&mut self, site: usize) -> Result<(), PlanetaryError> {
        let now_ms = self.world.now_ms();
        let Some(here) = self.sites.get_mut(site) else { return Ok(()) };
        let endings = here.reconcile(now_ms).map_err(|reason| self.stopped(site, reason))?;
        for (desk, life, attempt, wall_ms, outcome) in endings {
            self.world.after(wall_ms, Happening::Done { site, desk, life, attempt, outcome, wall_ms });
        }
        Ok(())
    }
}
