//! Signatures under checkpoints: given, gossiped, asked for, kept.

use super::{Head, Shared};
use crate::runtime::core::Core;
use anyhow::{Context, Result};
use phalanx_fabric::Fabric;
use phalanx_governance::{Signer, contracts::Registry, cosign::Heard, digest::SetEntry};
use phalanx_ledger::Durability;
use phalanx_p2p::{Lane, MeshHandle, RequestToken, Service, Verdict};
use phalanx_replica::Decision;
use phalanx_routing::Router;
use phalanx_types::{
    Checkpoint, Hash, PublicKey, Round,
    codec::decode_exact,
    cosign::{
        AccountSignature, BATCH_MAX, CheckpointSignature, CosignQuery, Cosigned, RegisteredValidator,
        decode_batch,
    },
    encode,
    evidence::{Accusation, Fault},
    units::CheckpointNumber,
    validator::VALIDATORS_MAX,
};
use serde_json::json;
use std::{
    collections::BTreeMap,
    sync::Arc,
    time::{Duration, Instant},
};
use tokio::{
    sync::{broadcast, mpsc, watch},
    task::{JoinHandle, block_in_place},
};

/// How often what is missing is looked at.
const TICK: Duration = Duration::from_secs(1);
/// Own signatures under checkpoints that are not cosigned are sent again, and those
/// of others asked for, after this time.
const AGAIN: Duration = Duration::from_secs(3);
/// Of so many times, a peer that is not linked is asked once.
const OTHERS_EVERY: usize = 5;
/// Checkpoints read from the ledger at once.
const READ_MAX: usize = 256;
const ANSWER_BYTES_MAX: usize = 1 << 20;
/// Signatures of an answer that were given in another way before; more are not read.
const USELESS_MAX: usize = 16;
/// Sets that are kept in memory.
const SETS_MAX: usize = 8;

/// A message or a question for this part.
pub enum ToCosign {
    /// Gossip that waits for a verdict.
    Gossip {
        /// To give the verdict with.
        token: u64,
        /// The network key of who has written it.
        author: PublicKey,
        /// What was sent.
        bytes: Vec<u8>,
    },
    /// A peer's question.
    Query {
        /// To answer with.
        token: RequestToken,
        /// The question.
        bytes: Vec<u8>,
    },
    /// A peer's answer.
    Answer(Vec<(CheckpointNumber, Cosigned)>),
}

type Signed = Result<Vec<(CheckpointNumber, AccountSignature)>, phalanx_ledger::StoreError>;

pub struct Cosigning {
    pub shared: Arc<Shared>,
    pub core: Core,
    pub mesh: MeshHandle,
    pub router: Router,
    pub signer: Option<Arc<Signer>>,
    pub inbox: mpsc::Receiver<ToCosign>,
    /// Takes the answers of peers to the inbox.
    pub answers: mpsc::Sender<ToCosign>,
    pub decisions: broadcast::Receiver<Arc<Decision>>,
    pub head: watch::Receiver<Head>,
}

/// The registered set from the next beat on, ascending by account.
fn set_of(fabric: &Fabric) -> Vec<RegisteredValidator> {
    let entries = fabric.validators().map(|(_, v)| RegisteredValidator {
        account: v.entry.chain_address,
        network_key: v.entry.network_key,
        vote_key: v.entry.vote_key,
        weight: u32::try_from(v.entry.base_weight.0).unwrap_or(u32::MAX),
    });
    let mut entries: Vec<RegisteredValidator> = entries.collect();
    entries.sort_unstable_by_key(|e| (e.account, e.vote_key));
    entries
}

/// The sets that are in use.
#[derive(Default)]
struct Sets(BTreeMap<Hash, Arc<Vec<SetEntry>>>);

impl Sets {
    fn keep(&mut self, hash: Hash, set: &[RegisteredValidator]) -> Arc<Vec<SetEntry>> {
        if self.0.len() >= SETS_MAX {
            self.0.clear();
        }
        let set = Arc::new(set.iter().map(SetEntry::from).collect());
        self.0.insert(hash, Arc::clone(&set));
        set
    }
}

impl Cosigning {
    pub async fn run(mut self) -> Result<()> {
        let mut sets = Sets::default();
        let mut tick = tokio::time::interval(TICK);
        let mut signing: Option<JoinHandle<Signed>> = None;
        let mut again = Instant::now();
        let mut turn = 0;
        self.keep_set(&mut sets, &self.core.fabric())?;
        self.catch_up(&mut sets).await?;
        loop {
            tokio::select! {
                heard = self.inbox.recv() => match heard {
                    Some(ToCosign::Gossip { token, author, bytes }) => {
                        let verdict = block_in_place(|| self.gossip(&author, &bytes))?;
                        self.mesh.report(token, verdict).await;
                    }
                    Some(ToCosign::Query { token, bytes }) => {
                        let found = block_in_place(|| self.answer(&bytes))?;
                        self.router.respond(token, encode(&found)).await;
                    }
                    Some(ToCosign::Answer(list)) => block_in_place(|| self.learn(&list))?,
                    None => return Ok(()),
                },
                decision = self.decisions.recv() => match decision {
                    Ok(decision) => {
                        self.keep_set(&mut sets, &decision.fabric)?;
                        if decision.checkpoint.is_some() {
                            self.catch_up(&mut sets).await?;
                        }
                    }
                    // The next tick reads what was missed.
                    Err(broadcast::error::RecvError::Lagged(_)) => {}
                    Err(broadcast::error::RecvError::Closed) => return Ok(()),
                },
                signed = async { match &mut signing { Some(task) => task.await, None => std::future::pending().await } } => {
                    signing = None;
                    self.signed(signed.context("signing ended")??).await?;
                }
                _ = tick.tick() => {
                    self.catch_up(&mut sets).await?;
                    if again.elapsed() >= AGAIN {
                        again = Instant::now();
                        turn += 1;
                        self.again(turn).await;
                    }
                }
            }
            if signing.is_none() {
                signing = self.sign();
            }
        }
    }

    /// Keeps the set of a state, when it is new.
    fn keep_set(&self, sets: &mut Sets, fabric: &Fabric) -> Result<()> {
        let hash = fabric.registered().next;
        if !sets.0.contains_key(&hash) {
            let set = set_of(fabric);
            self.shared.store.put_set(&set)?;
            sets.keep(hash, &set);
        }
        Ok(())
    }

    /// Reads the checkpoints that the ledger has closed since the last time.
    async fn catch_up(&self, sets: &mut Sets) -> Result<()> {
        loop {
            let Some(wanted) = self.shared.cosigner().wants() else { return Ok(()) };
            let read = self.core.ask(move |replica, _| {
                let ledger = replica.ledger();
                // What is older than a snapshot that this node began with is not here.
                let base = ledger.base().ok().flatten().and_then(|base| base.checkpoint);
                let begin = base.map_or(wanted, |c| c.number.max(wanted));
                let numbers = begin.0..=ledger.tip().checkpoint.0;
                let read = numbers.take(READ_MAX).map(|n| ledger.checkpoint(CheckpointNumber(n)));
                (begin, read.collect::<Result<Vec<Option<Checkpoint>>, _>>())
            });
            let Some((begin, read)) = read.await else { return Ok(()) };
            if begin > wanted {
                self.shared.cosigner().anchored(CheckpointNumber(begin.0.saturating_sub(1)));
            }
            let checkpoints: Vec<Checkpoint> = read?.into_iter().flatten().collect();
            if checkpoints.is_empty() {
                return Ok(());
            }
            for checkpoint in checkpoints {
                let Some(set) = self.set(sets, &checkpoint).await? else { return Ok(()) };
                let number = checkpoint.number;
                let kept = self.shared.store.signatures(number)?;
                let own = self.shared.store.own(number)?;
                if !self.shared.cosigner().closed(checkpoint, set, kept.as_ref(), own) {
                    self.shared.alarm(format!(
                        "another checkpoint {number} was signed here before: this one is not; was the ledger replaced?"
                    ));
                }
            }
        }
    }

    /// The set of a checkpoint: from memory, from disk, or from the registry.
    async fn set(&self, sets: &mut Sets, checkpoint: &Checkpoint) -> Result<Option<Arc<Vec<SetEntry>>>> {
        let hash = checkpoint.set_hash;
        if let Some(set) = sets.0.get(&hash) {
            return Ok(Some(Arc::clone(set)));
        }
        if let Some(set) = self.shared.store.set(&hash)? {
            return Ok(Some(sets.keep(hash, &set)));
        }
        let Some(contracts) = self.head.borrow().contracts.clone() else { return Ok(None) };
        let registry = Registry::new(contracts.chain.clone(), contracts.deployment.registry);
        let Ok(tip) = contracts.chain.tip().await else { return Ok(None) };
        match registry.set_of(checkpoint.set_epoch, tip.number).await {
            Ok(found) if found.hash == hash => {
                let set: Vec<RegisteredValidator> = found.entries.iter().map(Into::into).collect();
                self.shared.store.put_set(&set)?;
                Ok(Some(sets.keep(hash, &set)))
            }
            // The registry may be behind; the next tick asks again.
            _ => Ok(None),
        }
    }

    /// Begins to sign what waits, away from this task: a key may be slow.
    fn sign(&self) -> Option<JoinHandle<Signed>> {
        let signer = Arc::clone(self.signer.as_ref()?);
        let shared = Arc::clone(&self.shared);
        let wanted: Vec<(CheckpointNumber, Hash, Hash)> = {
            let cosigner = shared.cosigner();
            let list = cosigner.to_sign(BATCH_MAX).into_iter();
            list.filter_map(|(number, digest)| Some((number, cosigner.hash_of(number)?, digest))).collect()
        };
        if wanted.is_empty() {
            return None;
        }
        Some(tokio::task::spawn_blocking(move || {
            let mut signed = Vec::with_capacity(wanted.len());
            for (number, checkpoint, digest) in wanted {
                // S1: noted before the signature is made, so that there is never another.
                if !shared.store.sign_only(number, &checkpoint)? {
                    shared.alarm(format!(
                        "another checkpoint {number} was signed here before: this one is not"
                    ));
                    break;
                }
                match signer.sign(&digest) {
                    Ok(signature) => {
                        shared.set_signing(None);
                        signed.push((number, AccountSignature(signature.to_64())));
                    }
                    Err(error) => {
                        shared.set_signing(Some(format!("checkpoint {number} is not signed: {error}")));
                        // A signer that is away is not asked in a hurry.
                        std::thread::sleep(TICK);
                        break;
                    }
                }
            }
            Ok(signed)
        }))
    }

    /// Writes own signatures down, and then sends them (S1).
    async fn signed(&self, signed: Vec<(CheckpointNumber, AccountSignature)>) -> Result<()> {
        let mut batch = Vec::with_capacity(signed.len());
        for (number, signature) in signed {
            let Some(checkpoint) = self.shared.cosigner().hash_of(number) else { continue };
            let own = CheckpointSignature { number, checkpoint, signature };
            let result = self.shared.cosigner().hear(&own);
            block_in_place(|| self.heard(&own, &result, Durability::Synced))?;
            batch.push(own);
        }
        if !batch.is_empty() {
            self.mesh.publish(Lane::Checkpoints, encode(&batch)).await;
        }
        Ok(())
    }

    /// Keeps a signature that was taken in as `result`.
    fn heard(&self, heard: &CheckpointSignature, result: &Heard, durability: Durability) -> Result<()> {
        match result {
            Heard::New { is_cosigned } => {
                let known = self.shared.cosigner().known(heard.number);
                if let Some(known) = known {
                    self.shared.store.put_signatures(heard.number, &known, durability)?;
                }
                if *is_cosigned {
                    let (number, hash) = (heard.number, heard.checkpoint);
                    self.shared.tell(json!({"what": "cosigned", "checkpoint": number, "hash": hash}));
                }
            }
            Heard::Contradiction { member, height, signed, own } => {
                self.shared.alarm(format!(
                    "validator {member} has signed {signed} as checkpoint {}, which is {own} here",
                    heard.number
                ));
                self.core.accuse(Accusation {
                    offender: *member,
                    fault: Fault::WrongCheckpoint,
                    height: *height,
                    round: Round::default(),
                    seen: *signed,
                });
            }
            Heard::Known | Heard::Repeated | Heard::Elsewhere | Heard::Invalid => {}
        }
        Ok(())
    }

    /// Takes in what a node has sent to all; says whether it is to be passed on.
    fn gossip(&self, author: &PublicKey, bytes: &[u8]) -> Result<Verdict> {
        let Ok(batch) = decode_batch(bytes) else { return Ok(Verdict::Reject) };
        let mut verdict = Verdict::Accept;
        for heard in &batch {
            let result = self.shared.cosigner().hear_from(heard, author);
            self.heard(heard, &result, Durability::Buffered)?;
            match result {
                Heard::Invalid => return Ok(Verdict::Reject),
                Heard::Elsewhere | Heard::Repeated => verdict = Verdict::Ignore,
                Heard::New { .. } | Heard::Known | Heard::Contradiction { .. } => {}
            }
        }
        Ok(verdict)
    }

    /// What is kept of what is asked for.
    fn answer(&self, bytes: &[u8]) -> Result<Vec<(CheckpointNumber, Cosigned)>> {
        let mut found: Vec<(CheckpointNumber, Cosigned)> = Vec::new();
        if let Ok(query) = decode_exact::<CosignQuery>(bytes, 16, "question") {
            let count = usize::from(query.count).min(BATCH_MAX) as u64;
            for number in query.from.0..query.from.0.saturating_add(count) {
                if let Some(known) = self.shared.store.signatures(CheckpointNumber(number))? {
                    found.push((CheckpointNumber(number), known));
                }
            }
        }
        Ok(found)
    }

    /// Takes in a peer's answer, as long as it is of use.
    fn learn(&self, list: &[(CheckpointNumber, Cosigned)]) -> Result<()> {
        let mut useless = 0;
        for (number, known) in list.iter().take(BATCH_MAX) {
            for signature in known.signatures.iter().take(VALIDATORS_MAX) {
                let (number, signature) = (*number, *signature);
                let heard = CheckpointSignature { number, checkpoint: known.checkpoint, signature };
                let result = self.shared.cosigner().hear(&heard);
                self.heard(&heard, &result, Durability::Buffered)?;
                match result {
                    Heard::Invalid => return Ok(()),
                    Heard::Repeated => useless += 1,
                    _ => {}
                }
                if useless > USELESS_MAX {
                    return Ok(());
                }
            }
        }
        Ok(())
    }

    /// Sends own signatures again that may have been lost, and asks a peer for those
    /// of others: another one each `turn`.
    async fn again(&self, turn: usize) {
        let (own, missing) = {
            let cosigner = self.shared.cosigner();
            (cosigner.own_unheard(BATCH_MAX), cosigner.first_missing())
        };
        if !own.is_empty() {
            self.mesh.publish(Lane::Checkpoints, encode(&own)).await;
        }
        let Some(from) = missing else { return };
        let peers = self.mesh.peers().await;
        let (linked, others): (Vec<_>, Vec<_>) =
            peers.into_iter().filter(|p| p.banned_ms.is_none()).partition(|p| p.is_connected);
        // Those that are not linked are asked now and then: a directed message reaches them, if they
        // are there.
        let is_others_turn = linked.is_empty() || turn.is_multiple_of(OTHERS_EVERY);
        let asked = if is_others_turn && !others.is_empty() { others } else { linked };
        let place = turn.checked_rem(asked.len());
        let Some(peer) = place.and_then(|place| asked.get(place)).map(|p| PublicKey(p.key.0)) else { return };
        let query = encode(&CosignQuery { from, count: BATCH_MAX as u16 });
        let (router, inbox) = (self.router.clone(), self.answers.clone());
        tokio::spawn(async move {
            let Ok(bytes) = router.ask(peer, Service::Checkpoints, query).await else { return };
            if let Ok(list) = decode_exact(&bytes, ANSWER_BYTES_MAX, "answer") {
                // No room is no harm: it is asked again.
                let _ = inbox.try_send(ToCosign::Answer(list));
            }
        });
    }
}
