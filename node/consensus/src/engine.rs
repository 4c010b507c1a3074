//! One node's part in the agreement.

use crate::{
    Application, Fatal, NoProbe, Probe, Purpose, Verdict, Wal,
    certificates::{commit, from_polka, from_round},
    context::{Address, CoreHeight, CoreProposal, CoreVote, Ctx, Set, Value},
    handler::{Followups, Handler},
    inbox::{Early, ROUNDS_AHEAD, Seen, height_of},
    sync::Sync,
    timers::{Alarm, TimerId, Timers},
    wal::Record,
    wire::{Lane, Message, SyncResponse},
};
use arc_malachitebft_core_consensus::{
    Input, LocallyProposedValue, Params as CoreParams, ProposedValue, State, ThresholdParams, process,
};
use arc_malachitebft_core_types::{
    Round as CoreRound, SignedMessage, Validity, ValueOrigin, ValuePayload, VoteExtensionPolicy,
};
use phalanx_types::{
    Beat, Hash, Height, Params, Round, SigningKey, TimeMs, ValidatorSet,
    evidence::{Accusation, Fault},
    vote::{ProposalClaim, Signed, Vote},
};
use std::{
    collections::{BTreeSet, VecDeque},
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

/// A safety rule broken on purpose, to see that checks catch it.
#[cfg(feature = "mutations")]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mutation {
    /// Half the weight counts as a quorum.
    HalfIsQuorum,
    /// Nothing is logged, so nothing is replayed.
    SkipWal,
    /// A valid proposal is prevoted whatever this node is locked on.
    DropLock,
}

/// One node's part in the agreement.
pub struct Consensus<A, W, P = NoProbe> {
    pub(crate) config: Config,
    pub(crate) app: A,
    pub(crate) wal: W,
    probe: P,
    engine: Option<State<Ctx>>,
    pub(crate) timers: Timers,
    verified: Verified,
    seen: Seen,
    early: Early,
    queue: VecDeque<Input<Ctx>>,
    pub(crate) sync: Sync,
    /// The log's records while they are replayed.
    replaying: Option<Vec<Vec<u8>>>,
    stopped: Option<Fatal>,
    #[cfg(feature = "mutations")]
    mutation: Option<Mutation>,
    /// Valid proposals of this height by round, for the mutation of the lock.
    #[cfg(feature = "mutations")]
    valid: std::collections::BTreeMap<Round, Hash>,
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
            stopped: None,
            #[cfg(feature = "mutations")]
            mutation: None,
            #[cfg(feature = "mutations")]
            valid: std::collections::BTreeMap::new(),
        }
    }

    /// Breaks a rule from now on.
    #[cfg(feature = "mutations")]
    pub fn mutate(&mut self, mutation: Mutation) {
        self.mutation = Some(mutation);
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

    /// Begins: replays the log if it is of the next height.
    ///
    /// # Errors
    /// When the node cannot go on.
    pub fn start(&mut self, now: TimeMs) -> Result<Vec<Output>, Fatal> {
        self.guarded(|node, outputs| {
            let (height, records) = node.wal.records()?;
            let next = node.app.height().next();
            if height == next && !records.is_empty() {
                node.replay(now, records, outputs)?;
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
            Event::Message { from, lane, bytes } => node.message(now, from, lane, &bytes, outputs),
            Event::Timer(id) => node.timer(now, id, outputs),
            Event::Request { from, token, bytes } => node.answer(from, token, &bytes, outputs),
            Event::Response { from, bytes } => node.answered(now, from, &bytes, outputs),
            Event::RequestFailed { from } => {
                node.sync.failed(from);
                node.ask(outputs);
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
        #[cfg(feature = "mutations")]
        let threshold_params = if self.mutation == Some(Mutation::HalfIsQuorum) {
            use arc_malachitebft_core_types::ThresholdParam;
            ThresholdParams { quorum: ThresholdParam::new(1, 3), ..ThresholdParams::default() }
        } else {
            ThresholdParams::default()
        };
        #[cfg(not(feature = "mutations"))]
        let threshold_params = ThresholdParams::default();
        let params = CoreParams {
            address: Address(self.config.key.public()),
            threshold_params,
            value_payload: ValuePayload::ProposalAndParts,
            enabled: true,
        };
        let height = CoreHeight(self.app.height().next().0);
        State::new(Ctx, height, set, params, ENGINE_QUEUE, ENGINE_QUEUE)
    }

    const fn logs(&self) -> bool {
        #[cfg(feature = "mutations")]
        {
            !matches!(self.mutation, Some(Mutation::SkipWal))
        }
        #[cfg(not(feature = "mutations"))]
        {
            true
        }
    }

    fn begin(&mut self) {
        let height = CoreHeight(self.app.height().next().0);
        let set = Set::new(self.app.validator_set());
        self.timers.cancel(|alarm| matches!(alarm, Alarm::Start | Alarm::Engine(_)));
        self.engine = Some(self.new_engine(set.clone()));
        self.seen = Seen::default();
        #[cfg(feature = "mutations")]
        self.valid.clear();
        self.queue.clear();
        self.queue.push_back(Input::StartHeight(height, set, false, None, VoteExtensionPolicy::Disabled));
    }

    pub(crate) fn start_height(&mut self, now: TimeMs, outputs: &mut Vec<Output>) -> Result<(), Fatal> {
        self.begin();
        self.run(now, outputs)?;
        for message in self.early.drain() {
            if height_of(&message) == self.app.height().next() && self.engine.is_some() {
                self.current(now, message, outputs)?;
            }
        }
        Ok(())
    }

    /// Feeds the log of the current height to a fresh engine (C4).
    fn replay(&mut self, now: TimeMs, records: Vec<Vec<u8>>, outputs: &mut Vec<Output>) -> Result<(), Fatal> {
        let height = self.app.height().next();
        let mut inputs = Vec::with_capacity(records.len());
        for bytes in &records {
            let input = Record::decode(bytes).ok().and_then(|record| record.input(height));
            inputs.push(input.ok_or_else(|| Fatal::Wal("a record cannot be read".into()))?);
        }
        // Execute the logged beats, so that they can be committed.
        for input in &inputs {
            if let Input::ProposedValue(value, _) = input
                && value.validity.is_valid()
            {
                let round = crate::context::round_of(value.round);
                if let Verdict::Invalid { reason, .. } =
                    self.app.check(&value.value.beat, round, Purpose::Replay)?
                {
                    return Err(Fatal::Wal(format!(
                        "a beat that was valid when it was logged is not: {reason}"
                    )));
                }
            }
        }
        let me = Address(self.config.key.public());
        let own_rounds: BTreeSet<Round> = inputs
            .iter()
            .filter_map(|input| match input {
                Input::Proposal(proposal) if proposal.message.address == me => {
                    Some(crate::context::round_of(proposal.message.round))
                }
                _ => None,
            })
            .collect();
        self.begin();
        self.replaying = Some(records);
        let mut followups = Followups::default();
        if let Some(start) = self.queue.pop_front() {
            self.process(start, &mut followups, outputs)?;
        }
        if let Some(engine) = &mut self.engine {
            engine.index_wal_entries(inputs.iter());
        }
        for input in inputs {
            // Once decided, what follows in the log is of no more use.
            if followups.decided.is_some() {
                break;
            }
            self.process(input, &mut followups, outputs)?;
        }
        if let Some(engine) = &mut self.engine {
            engine.reset_entries_index();
        }
        self.replaying = None;
        // A proposal that is in the log may have left: it must stay the only one.
        if followups.propose.is_some_and(|round| own_rounds.contains(&round)) {
            followups.propose = None;
        }
        self.follow(now, followups, outputs)?;
        self.run(now, outputs)
    }

    /// Runs the engine until its queue is empty.
    fn run(&mut self, now: TimeMs, outputs: &mut Vec<Output>) -> Result<(), Fatal> {
        while self.engine.is_some() {
            let Some(input) = self.queue.pop_front() else { break };
            let mut followups = Followups::default();
            self.process(input, &mut followups, outputs)?;
            self.follow(now, followups, outputs)?;
        }
        Ok(())
    }

    fn process(
        &mut self,
        input: Input<Ctx>,
        followups: &mut Followups,
        outputs: &mut Vec<Output>,
    ) -> Result<(), Fatal> {
        let logs = self.logs();
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
            #[cfg(feature = "mutations")]
            lockless: (self.mutation == Some(Mutation::DropLock)).then_some(&self.valid),
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
    fn follow(&mut self, now: TimeMs, followups: Followups, outputs: &mut Vec<Output>) -> Result<(), Fatal> {
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
        // The log is of no use once the beat is durable, and never before.
        self.wal.reset(self.app.height().next())?;
        self.engine = None;
        self.queue.clear();
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
        lane: Lane,
        bytes: &[u8],
        outputs: &mut Vec<Output>,
    ) -> Result<(), Fatal> {
        let message = match Message::decode(lane, bytes) {
            Ok(message) => message,
            Err(error) => {
                outputs.push(Output::Verdict { is_valid: false });
                outputs.push(Output::Penalize {
                    peer: from,
                    fault: Fault::Garbage,
                    reason: error.to_string(),
                });
                return Ok(());
            }
        };
        if !self.is_authentic(&message) {
            outputs.push(Output::Verdict { is_valid: false });
            let reason = "a message with a wrong signature".to_owned();
            outputs.push(Output::Penalize { peer: from, fault: Fault::Garbage, reason });
            return Ok(());
        }
        outputs.push(Output::Verdict { is_valid: true });
        let (height, next) = (height_of(&message), self.app.height().next());
        if let Message::Status { height } = message {
            self.sync.heard(from, height);
            self.ask_soon(outputs);
            return Ok(());
        }
        if height > next {
            // Whoever talks of a height has committed the one before it.
            self.sync.heard(from, Height(height.0.saturating_sub(1)));
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
        if self.engine.is_none() {
            // Others have begun: begin too, whatever the pace.
            self.start_height(now, outputs)?;
            if self.app.height().next() != height {
                return Ok(());
            }
        }
        self.current(now, message, outputs)
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
                #[cfg(feature = "mutations")]
                self.valid.insert(at, value.id);
                Validity::Valid
            }
            Verdict::Invalid { fault, reason } => {
                tracing::warn!(%height, round = at.0, proposer = %validator.short(), %reason, "invalid proposal");
                self.app.fault(Accusation { offender: validator, fault, height, round: at, seen: value.id });
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
            Ok(answer) => outputs.push(Output::Respond { token, bytes: answer }),
            Err(error) => {
                let empty = phalanx_types::encode(&SyncResponse::Beats(Vec::new()));
                outputs.push(Output::Respond { token, bytes: empty });
                outputs.push(Output::Penalize {
                    peer: from,
                    fault: Fault::Garbage,
                    reason: error.to_string(),
                });
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
