//! One node's part in the agreement.

use crate::{
    Application, Fatal, Mutation, NoProbe, Probe, Purpose, Verdict, Wal,
    certificates::{commit, from_polka, from_round},
    context::{Address, CoreHeight, CoreProposal, CoreVote, Ctx, Set, Value},
    handler::{Followups, Handler},
    inbox::{Early, ROUNDS_AHEAD, Seen, height_of},
    sync::{Sync, SyncAnswer},
    timers::{Alarm, TimerId, Timers},
    wire::{Lane, Message, SyncResponse},
};
use arc_malachitebft_core_consensus::{
    Input, LocallyProposedValue, Params as CoreParams, ProposedValue, State, ThresholdParams, process,
};
use arc_malachitebft_core_types::{
    Round as CoreRound, SignedMessage, ThresholdParam, Validity, ValueOrigin, ValuePayload,
    VoteExtensionPolicy,
};
use phalanx_types::{
    Beat, Hash, Height, Params, PublicKey, Round, SigningKey, TimeMs, ValidatorSet,
    evidence::{Accusation, Fault},
    vote::{ProposalClaim, Signed, Vote},
};
use std::{
    collections::{BTreeMap, VecDeque},
    sync::Arc,
};

pub(crate) use crate::inbox::Verified;

/// A peer by its network key.
pub type PeerKey = [u8; 32];

/// How often a node tells the others how far it is, in milliseconds.
const STATUS_MS: u64 = 1_000;
/// The engine's own buffer for higher heights, which is never used: such
/// messages do not reach it.
const ENGINE_QUEUE: usize = 1;

/// Who a node is.
#[derive(Debug)]
pub struct Config {
    /// The mesh.
    pub mesh: Hash,
    /// The vote key. A node whose key is not in the set follows without voting.
    pub key: SigningKey,
    /// The shared numbers.
    pub params: Params,
}

/// What happens to a node.
#[derive(Debug)]
pub enum Event {
    /// A message from a peer, as it came.
    Message {
        /// Who handed it over.
        from: PeerKey,
        /// Who wrote it: it has what it tells of, where `from` may not have it yet.
        author: PeerKey,
        /// The lane it came on.
        lane: Lane,
        /// Its bytes.
        bytes: Vec<u8>,
    },
    /// A timer went off.
    Timer(TimerId),
    /// A peer asks for beats.
    Request {
        /// Who asks.
        from: PeerKey,
        /// What to hand back with the answer.
        token: u64,
        /// The question.
        bytes: Vec<u8>,
    },
    /// A peer answered.
    Response {
        /// Who.
        from: PeerKey,
        /// The answer.
        bytes: Vec<u8>,
    },
    /// A peer did not answer.
    RequestFailed {
        /// Who.
        from: PeerKey,
    },
    /// A peer sent more than it may, for so long that it was cut off.
    Flooded {
        /// Who.
        from: PeerKey,
    },
    /// New inputs wait.
    Work,
}

/// What a node wants done, in order.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Output {
    /// Send to all.
    Broadcast {
        /// On which lane.
        lane: Lane,
        /// What.
        bytes: Vec<u8>,
    },
    /// Ask a peer.
    Request {
        /// Whom.
        peer: PeerKey,
        /// What.
        bytes: Vec<u8>,
    },
    /// Answer a peer.
    Respond {
        /// The token of its question.
        token: u64,
        /// The answer.
        bytes: Vec<u8>,
    },
    /// Answer a peer's question for a snapshot with [`SyncResponse::Snapshot`].
    ServeSnapshot {
        /// Who asks.
        peer: PeerKey,
        /// The token of its question.
        token: u64,
        /// The application's question.
        query: Vec<u8>,
    },
    /// Wake this node later.
    SetTimer {
        /// With this.
        id: TimerId,
        /// After this time.
        after_ms: u64,
    },
    /// A peer broke the rules.
    Penalize {
        /// Who.
        peer: PeerKey,
        /// What it did.
        fault: Fault,
        /// In words.
        reason: String,
    },
    /// A message was judged: whether to pass it on.
    Verdict {
        /// Pass it on.
        is_valid: bool,
    },
    /// A beat was committed.
    Committed {
        /// Its height.
        height: Height,
    },
}

/// Where a node is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Status {
    /// The last committed height.
    pub height: Height,
    /// The round it is in.
    pub round: Round,
    /// Whether it takes part at the next height already.
    pub is_started: bool,
    /// Whether it is catching up.
    pub is_syncing: bool,
    /// The highest height a peer has told of.
    pub best_peer_height: Height,
}

/// One node's part in the agreement.
pub struct Consensus<A, W, P = NoProbe> {
    pub(crate) config: Config,
    pub(crate) app: A,
    pub(crate) wal: W,
    probe: P,
    pub(crate) engine: Option<State<Ctx>>,
    pub(crate) timers: Timers,
    verified: Verified,
    seen: Seen,
    early: Early,
    pub(crate) queue: VecDeque<Input<Ctx>>,
    pub(crate) sync: Sync,
    /// The log's records while they are replayed.
    pub(crate) replaying: Option<Vec<Vec<u8>>>,
    /// A log of a height above the store's next, and its records.
    behind: Option<(Height, Vec<Vec<u8>>)>,
    stopped: Option<Fatal>,
    /// When each validator was last heard to vote at the next height.
    voted: BTreeMap<PublicKey, TimeMs>,
    stood_until: TimeMs,
    /// Valid proposals of this height by round, where the lock is broken.
    valid: BTreeMap<Round, Hash>,
}

impl<A: Application, W: Wal> Consensus<A, W> {
    /// A node that has not started.
    pub fn new(config: Config, app: A, wal: W) -> Self {
        Self::with_probe(config, app, wal, NoProbe)
    }
}

impl<A: Application, W: Wal, P: Probe> Consensus<A, W, P> {
    /// A node whose effects a probe sees.
    pub fn with_probe(config: Config, app: A, wal: W, probe: P) -> Self {
        Self {
            config,
            app,
            wal,
            probe,
            engine: None,
            timers: Timers::default(),
            verified: Verified::default(),
            seen: Seen::default(),
            early: Early::default(),
            queue: VecDeque::new(),
            sync: Sync::default(),
            replaying: None,
            behind: None,
            stopped: None,
            voted: BTreeMap::new(),
            stood_until: TimeMs::ZERO,
            valid: BTreeMap::new(),
        }
    }

    /// The application.
    pub const fn app(&self) -> &A {
        &self.app
    }

    /// The application, to feed it.
    pub const fn app_mut(&mut self) -> &mut A {
        &mut self.app
    }

    /// Gives up the parts, for instance after a crash.
    pub fn into_parts(self) -> (A, W) {
        (self.app, self.wal)
    }

    /// Where the node is.
    pub fn status(&self) -> Status {
        Status {
            height: self.app.height(),
            round: Round(self.engine.as_ref().and_then(|e| e.round().as_u32()).unwrap_or(0)),
            is_started: self.engine.is_some(),
            is_syncing: self.sync.is_behind(self.app.height()),
            best_peer_height: self.sync.best(),
        }
    }

    /// Until when the mesh is known to have stood where this node is: so much
    /// weight was heard to vote at the next height that the rest decides nothing
    /// beyond it. Only votes count that came from the mesh since the last commit,
    /// and this node's own weight.
    pub const fn stood_until(&self) -> TimeMs {
        self.stood_until
    }

    /// Notes a vote at the next height, for [`Self::stood_until`].
    fn note_standing(&mut self, now: TimeMs, voter: PublicKey) {
        let set = self.app.validator_set();
        if set.weight_of(&voter).is_none() {
            return;
        }
        self.voted.insert(voter, now);
        let me = self.config.key.public();
        let mut heard: Vec<(TimeMs, u64)> = self
            .voted
            .iter()
            .filter(|(key, _)| **key != me)
            .filter_map(|(key, at)| set.weight_of(key).map(|weight| (*at, weight.0)))
            .collect();
        heard.sort_unstable_by(|a, b| b.cmp(a));
        heard.insert(0, (now, set.weight_of(&me).map_or(0, |weight| weight.0)));
        let mut rest = set.total();
        for (at, weight) in heard {
            rest = rest.saturating_sub(weight);
            if !set.is_quorum(rest) {
                self.stood_until = self.stood_until.max(at);
                return;
            }
        }
    }

    /// Begins: replays the log if it is of the next height.
    ///
    /// # Errors
    /// When the node cannot go on.
    pub fn start(&mut self, now: TimeMs) -> Result<Vec<Output>, Fatal> {
        if let Some(mutation) = self.probe.broken() {
            tracing::warn!(?mutation, "this node breaks a rule on purpose");
        }
        self.guarded(|node, outputs| {
            let (height, records) = node.wal.records()?;
            let next = node.app.height().next();
            if height == next && !records.is_empty() {
                node.replay(now, records, outputs)?;
            } else if height > next {
                // The store was rolled back or replaced: what this node signed
                // up to the height of its log must come from its peers.
                let set = node.app.validator_set();
                if set.members().len() == 1 && set.weight_of(&node.config.key.public()).is_some() {
                    return Err(Fatal::BeatsLost { stored: node.app.height(), signed: height });
                }
                tracing::warn!(%height, %next, "the store is behind the log: nothing is signed before that height");
                node.behind = Some((height, records));
            } else {
                node.wal.reset(next)?;
                node.plan_start(now, outputs);
            }
            node.set_timer(Alarm::Status, STATUS_MS, outputs);
            outputs.push(node.status_message());
            Ok(())
        })
    }

    /// Takes in an event.
    ///
    /// # Errors
    /// When the node cannot go on; every later step is refused (C2).
    pub fn step(&mut self, now: TimeMs, event: Event) -> Result<Vec<Output>, Fatal> {
        self.guarded(|node, outputs| match event {
            Event::Message { from, author, lane, bytes } => {
                node.message(now, from, author, lane, &bytes, outputs)
            }
            Event::Timer(id) => node.timer(now, id, outputs),
            Event::Request { from, token, bytes } => node.answer(from, token, &bytes, outputs),
            Event::Response { from, bytes } => node.answered(now, from, &bytes, outputs),
            Event::RequestFailed { from } => {
                node.sync.failed(from);
                node.ask(outputs);
                Ok(())
            }
            Event::Flooded { from } => {
                node.app.peer_fault(from, Fault::Flood, Hash::ZERO);
                Ok(())
            }
            Event::Work => {
                if node.engine.is_none() && node.sync.take_idle() {
                    node.plan_start(now, outputs);
                }
                Ok(())
            }
        })
    }

    fn guarded(
        &mut self,
        run: impl FnOnce(&mut Self, &mut Vec<Output>) -> Result<(), Fatal>,
    ) -> Result<Vec<Output>, Fatal> {
        if let Some(reason) = &self.stopped {
            return Err(Fatal::Stopped(reason.to_string()));
        }
        let mut outputs = Vec::new();
        match run(self, &mut outputs) {
            Ok(()) => Ok(outputs),
            Err(fatal) => {
                self.stopped = Some(fatal.clone());
                Err(fatal)
            }
        }
    }

    pub(crate) fn set_timer(&mut self, alarm: Alarm, after_ms: u64, outputs: &mut Vec<Output>) {
        let id = self.timers.set(self.app.height(), alarm);
        outputs.push(Output::SetTimer { id, after_ms });
    }

    fn status_message(&self) -> Output {
        let message = Message::Status { height: self.app.height() };
        Output::Broadcast { lane: message.lane(), bytes: message.encode() }
    }

    fn timer(&mut self, now: TimeMs, id: TimerId, outputs: &mut Vec<Output>) -> Result<(), Fatal> {
        match self.timers.take(id) {
            None => Ok(()),
            Some(Alarm::Status) => {
                outputs.push(self.status_message());
                self.set_timer(Alarm::Status, STATUS_MS, outputs);
                Ok(())
            }
            Some(Alarm::Sync) => {
                self.sync.due();
                self.ask(outputs);
                Ok(())
            }
            Some(Alarm::Start) if self.engine.is_none() => self.start_height(now, outputs),
            Some(Alarm::Start) => Ok(()),
            Some(Alarm::Engine(timeout)) => {
                self.queue.push_back(Input::TimeoutElapsed(timeout));
                self.run(now, outputs)
            }
        }
    }

    /// Plans the start of the next height: soon when something waits, else at
    /// the idle pace. A message of that height starts it at once.
    pub(crate) fn plan_start(&mut self, now: TimeMs, outputs: &mut Vec<Output>) {
        let params = &self.config.params;
        let has_work = self.app.has_work();
        let since = now.since(self.sync.last_commit());
        let pace = if has_work { params.beat_interval_ms } else { params.idle_beat_ms };
        self.sync.set_idle(!has_work);
        self.timers.cancel(|alarm| *alarm == Alarm::Start);
        self.set_timer(Alarm::Start, u64::from(pace).saturating_sub(since), outputs);
    }

    fn new_engine(&self, set: Set) -> State<Ctx> {
        let mut threshold_params = ThresholdParams::default();
        if self.probe.broken() == Some(Mutation::HalfIsQuorum) {
            threshold_params.quorum = ThresholdParam::new(1, 3);
        }
        let params = CoreParams {
            address: Address(self.config.key.public()),
            threshold_params,
            value_payload: ValuePayload::ProposalAndParts,
            enabled: true,
        };
        let height = CoreHeight(self.app.height().next().0);
        State::new(Ctx, height, set, params, ENGINE_QUEUE, ENGINE_QUEUE)
    }

    fn logs(&self) -> bool {
        self.probe.broken() != Some(Mutation::SkipWal)
    }

    pub(crate) fn begin(&mut self) {
        let height = CoreHeight(self.app.height().next().0);
        let set = Set::new(self.app.validator_set());
        self.timers.cancel(|alarm| matches!(alarm, Alarm::Start | Alarm::Engine(_)));
        self.engine = Some(self.new_engine(set.clone()));
        self.seen = Seen::default();
        self.valid.clear();
        self.queue.clear();
        self.queue.push_back(Input::StartHeight(height, set, false, None, VoteExtensionPolicy::Disabled));
    }

    pub(crate) fn start_height(&mut self, now: TimeMs, outputs: &mut Vec<Output>) -> Result<(), Fatal> {
        match self.behind.take() {
            // It has signed here, and does not know what (C3).
            Some(behind) if self.app.height().next() < behind.0 => {
                self.behind = Some(behind);
                return Ok(());
            }
            Some((height, records)) if self.app.height().next() == height => {
                self.replay(now, records, outputs)?;
            }
            _ => {
                self.begin();
                self.run(now, outputs)?;
            }
        }
        for message in self.early.drain() {
            if height_of(&message) == self.app.height().next() && self.engine.is_some() {
                self.current(now, message, outputs)?;
            }
        }
        Ok(())
    }

    /// Runs the engine until its queue is empty.
    pub(crate) fn run(&mut self, now: TimeMs, outputs: &mut Vec<Output>) -> Result<(), Fatal> {
        while self.engine.is_some() {
            let Some(input) = self.queue.pop_front() else { break };
            let mut followups = Followups::default();
            self.process(input, &mut followups, outputs)?;
            self.follow(now, followups, outputs)?;
        }
        Ok(())
    }

    pub(crate) fn process(
        &mut self,
        input: Input<Ctx>,
        followups: &mut Followups,
        outputs: &mut Vec<Output>,
    ) -> Result<(), Fatal> {
        let logs = self.logs();
        let is_lockless = self.probe.broken() == Some(Mutation::DropLock);
        let height = self.app.height().next();
        let Some(engine) = &mut self.engine else { return Ok(()) };
        let mut handler = Handler {
            config: &self.config,
            wal: &mut self.wal,
            probe: &mut self.probe,
            timers: &mut self.timers,
            verified: &mut self.verified,
            outputs,
            followups,
            replaying: self.replaying.as_deref(),
            logs,
            lockless: is_lockless.then_some(&self.valid),
            height,
        };
        let result: Result<(), arc_malachitebft_core_consensus::Error<Ctx>> = process!(
            input: input,
            state: engine,
            metrics: &(),
            with: effect => match handler.handle(effect) {
                Ok(resume) => Ok::<_, Fatal>(resume),
                // Leave at once: the engine would only log it (C2).
                Err(fatal) => return Err(fatal),
            }
        );
        result.map_err(|error| Fatal::Engine(error.to_string()))
    }

    /// What a run of the engine leads to: a proposal, or a decision.
    pub(crate) fn follow(
        &mut self,
        now: TimeMs,
        followups: Followups,
        outputs: &mut Vec<Output>,
    ) -> Result<(), Fatal> {
        if let Some(certificate) = followups.decided {
            let beat = self.engine.as_ref().and_then(State::decided_value).map(|(_, value)| value.beat);
            let Some(beat) = beat else { return Err(Fatal::Engine("it decided on nothing".into())) };
            let certificate = commit(self.config.mesh, &certificate);
            return self.committed(now, &beat, &certificate, outputs);
        }
        if let Some(round) = followups.propose {
            let height = self.app.height().next();
            let beat = self.app.propose(height, round, now)?;
            self.queue.push_back(Input::Propose(LocallyProposedValue::new(
                CoreHeight(height.0),
                CoreRound::new(round.0),
                Value::new(beat),
            )));
        }
        Ok(())
    }

    /// Commits a decided beat and goes on to the next height (C3).
    pub(crate) fn committed(
        &mut self,
        now: TimeMs,
        beat: &Arc<Beat>,
        certificate: &phalanx_types::CommitCertificate,
        outputs: &mut Vec<Output>,
    ) -> Result<(), Fatal> {
        self.app.commit(beat, certificate)?;
        self.advanced(now, outputs)
    }

    /// Goes on to the height after the one that has just become durable.
    pub(crate) fn advanced(&mut self, now: TimeMs, outputs: &mut Vec<Output>) -> Result<(), Fatal> {
        // The log is of no use once the beat is durable, and never before.
        if self.behind.as_ref().is_none_or(|(height, _)| *height < self.app.height().next()) {
            self.behind = None;
            self.wal.reset(self.app.height().next())?;
        }
        self.engine = None;
        self.queue.clear();
        self.voted.clear();
        self.timers.cancel(|alarm| matches!(alarm, Alarm::Engine(_)));
        self.sync.committed(now);
        outputs.push(Output::Committed { height: self.app.height() });
        self.plan_start(now, outputs);
        Ok(())
    }

    fn message(
        &mut self,
        now: TimeMs,
        from: PeerKey,
        author: PeerKey,
        lane: Lane,
        bytes: &[u8],
        outputs: &mut Vec<Output>,
    ) -> Result<(), Fatal> {
        let message = match Message::decode(lane, bytes) {
            Ok(message) => message,
            Err(error) => {
                outputs.push(Output::Verdict { is_valid: false });
                self.blame(from, Fault::Garbage, bytes, error.to_string(), outputs);
                return Ok(());
            }
        };
        if !self.is_authentic(&message) {
            outputs.push(Output::Verdict { is_valid: false });
            let reason = "a message with a wrong signature".to_owned();
            self.blame(from, Fault::Garbage, bytes, reason, outputs);
            return Ok(());
        }
        outputs.push(Output::Verdict { is_valid: true });
        let (height, next) = (height_of(&message), self.app.height().next());
        if let Message::Status { height } = message {
            self.sync.heard(author, height);
            self.ask_soon(outputs);
            return Ok(());
        }
        if height > next {
            // Whoever talks of a height has committed the one before it.
            self.sync.heard(author, Height(height.0.saturating_sub(1)));
            self.ask_soon(outputs);
            if height == next.next() {
                let set = self.app.validator_set();
                if let Some(sender) = sender_of(&message) {
                    self.early.keep(&set, sender, message);
                }
            }
            return Ok(());
        }
        if height < next {
            return Ok(());
        }
        if let Message::Vote(vote) = &message {
            self.note_standing(now, vote.message.validator);
        }
        if self.engine.is_none() {
            // Others have begun: begin too, whatever the pace.
            self.start_height(now, outputs)?;
            if self.app.height().next() != height {
                return Ok(());
            }
        }
        self.current(now, message, outputs)
    }

    /// Names a peer that sent what no honest node sends.
    pub(crate) fn blame(
        &mut self,
        peer: PeerKey,
        fault: Fault,
        bytes: &[u8],
        reason: String,
        outputs: &mut Vec<Output>,
    ) {
        self.app.peer_fault(peer, fault, Hash::sha3(bytes));
        outputs.push(Output::Penalize { peer, fault, reason });
    }

    /// Whether the signature of a vote or proposal is its validator's. What
    /// certificates hold is checked by the engine, against the set.
    fn is_authentic(&mut self, message: &Message) -> bool {
        match message {
            Message::Vote(vote) => vote.message.mesh == self.config.mesh && self.verified.check(vote),
            Message::Proposal(claim, beat) => {
                claim.message.mesh == self.config.mesh
                    && claim.message.beat == beat.id()
                    && self.verified.check(claim)
            }
            Message::Polka(_) | Message::Round(_) | Message::Status { .. } => true,
        }
    }

    /// A message of the height this node is at.
    fn current(&mut self, now: TimeMs, message: Message, outputs: &mut Vec<Output>) -> Result<(), Fatal> {
        let round = self.engine.as_ref().and_then(|e| e.round().as_u32()).unwrap_or(0);
        let set = self.app.validator_set();
        match message {
            Message::Vote(vote) => self.vote(&vote, &set, round),
            Message::Proposal(claim, beat) => self.proposal(now, &claim, *beat, &set, round)?,
            Message::Polka(polka) => self.queue.push_back(Input::PolkaCertificate(from_polka(&polka))),
            Message::Round(certificate) => {
                self.queue.push_back(Input::RoundCertificate(from_round(&certificate)));
            }
            Message::Status { .. } => {}
        }
        self.run(now, outputs)
    }

    fn vote(&mut self, vote: &Signed<Vote>, set: &ValidatorSet, round: u32) {
        let is_member = set.weight_of(&vote.message.validator).is_some();
        if !is_member || vote.message.round.0 > round.saturating_add(ROUNDS_AHEAD) {
            return;
        }
        if let Some(evidence) = self.seen.vote(vote) {
            self.app.evidence(evidence);
        }
        let message = CoreVote::from_ours(&vote.message);
        self.queue.push_back(Input::Vote(SignedMessage::new(message, vote.signature)));
    }

    fn proposal(
        &mut self,
        now: TimeMs,
        claim: &Signed<ProposalClaim>,
        beat: Beat,
        set: &ValidatorSet,
        round: u32,
    ) -> Result<(), Fatal> {
        let ProposalClaim { height, round: at, lock_round, validator, .. } = claim.message;
        let is_turn = set.proposer(at) == Some(validator);
        if !is_turn || at.0 > round.saturating_add(ROUNDS_AHEAD) || validator == self.config.key.public() {
            return Ok(());
        }
        if let Some(evidence) = self.seen.proposal(claim) {
            // It convicts; the engine is spared a second beat of one round.
            self.app.evidence(evidence);
            return Ok(());
        }
        let value = Value::new(Arc::new(beat));
        let purpose = if lock_round.is_some() { Purpose::Relocked } else { Purpose::Proposal { now } };
        let validity = match self.app.check(&value.beat, at, purpose)? {
            Verdict::Valid => {
                if self.probe.broken() == Some(Mutation::DropLock) {
                    self.valid.insert(at, value.id);
                }
                Validity::Valid
            }
            Verdict::Invalid { fault, reason } => {
                tracing::warn!(%height, round = at.0, proposer = %validator.short(), %reason, "invalid proposal");
                if let Some(fault) = fault {
                    let seen = value.id;
                    self.app.fault(Accusation { offender: validator, fault, height, round: at, seen });
                }
                Validity::Invalid
            }
        };
        let proposal = CoreProposal::from_ours(&claim.message, value.clone());
        let (core_height, core_round, pol_round) = (proposal.height, proposal.round, proposal.pol_round);
        self.queue.push_back(Input::Proposal(SignedMessage::new(proposal, claim.signature)));
        self.queue.push_back(Input::ProposedValue(
            ProposedValue {
                height: core_height,
                round: core_round,
                valid_round: pol_round,
                proposer: Address(validator),
                value,
                validity,
            },
            ValueOrigin::Consensus,
        ));
        Ok(())
    }

    /// Answers a peer that catches up.
    fn answer(
        &mut self,
        from: PeerKey,
        token: u64,
        bytes: &[u8],
        outputs: &mut Vec<Output>,
    ) -> Result<(), Fatal> {
        match self.sync_answer(bytes)? {
            Ok(SyncAnswer::Beats(answer)) => outputs.push(Output::Respond { token, bytes: answer }),
            Ok(SyncAnswer::Snapshot(query)) => {
                outputs.push(Output::ServeSnapshot { peer: from, token, query })
            }
            Err(error) => {
                let empty = phalanx_types::encode(&SyncResponse::Beats(Vec::new()));
                outputs.push(Output::Respond { token, bytes: empty });
                self.blame(from, Fault::Garbage, bytes, error.to_string(), outputs);
            }
        }
        Ok(())
    }
}

/// Who signed a message.
fn sender_of(message: &Message) -> Option<phalanx_types::PublicKey> {
    match message {
        Message::Vote(vote) => Some(vote.message.validator),
        Message::Proposal(claim, _) => Some(claim.message.validator),
        Message::Polka(_) | Message::Round(_) | Message::Status { .. } => None,
    }
}
