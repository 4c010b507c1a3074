//! Cosigned checkpoints, sent to the chain: by the validator whose turn it is, and by
//! the next one when it does not.

use super::{Head, Shared};
use crate::{
    chain::{Contracts, GWEI},
    runtime::storage,
};
use anyhow::Result;
use phalanx_governance::{
    Signer,
    contracts::{Anchor, anchor::QUEUE_MAX},
    cosign::turn,
    submit::{
        Action, Note, Outcome, Settings, Waiting,
        account::Account,
        anchoring::{AnchorJob, AnchoringError},
    },
};
use phalanx_types::units::CheckpointNumber;
use serde_json::{Value, json};
use std::{
    path::{Path, PathBuf},
    sync::Arc,
    time::{Duration, Instant},
};
use tokio::{sync::watch, task::block_in_place};

struct Anchoring {
    shared: Arc<Shared>,
    payer: Arc<Signer>,
    settings: Settings,
    /// Where the transaction on its way is written down.
    path: PathBuf,
    job: Option<AnchorJob>,
    /// Since when the first checkpoint of the queue waits.
    waits: Option<(CheckpointNumber, Instant)>,
}

/// Sends checkpoints until the node stops; for ever idle without an account that pays.
pub async fn run(
    shared: Arc<Shared>,
    payer: Option<Arc<Signer>>,
    head: watch::Receiver<Head>,
    path: PathBuf,
) {
    let Some(payer) = payer else { return std::future::pending().await };
    let settings = Settings {
        depth: shared.config.depth,
        stuck_after_ms: shared.config.stuck_after_ms,
        fee_max: u128::from(shared.config.fee_max_gwei).saturating_mul(GWEI),
        ..Settings::default()
    };
    let job = read(&path);
    let mut anchoring = Anchoring { shared, payer, settings, path, job, waits: None };
    loop {
        tokio::time::sleep(super::pause(&anchoring.shared)).await;
        let seen = head.borrow().clone();
        let Some(contracts) = seen.contracts else { continue };
        let stepped = anchoring.step(&contracts, seen.anchored).await;
        let sending = stepped.err().map(|error| format!("{error:#}"));
        let before = std::mem::replace(&mut anchoring.shared.seen().sending, sending.clone());
        if let Some(reason) = sending.filter(|reason| before.as_ref() != Some(reason)) {
            tracing::warn!("chain: nothing can be sent: {reason}");
            anchoring.shared.tell(json!({"what": "not_sent", "reason": reason}));
        }
    }
}

/// The transaction that was on its way when the node stopped. One that cannot be read
/// is put aside: what it would have anchored is anchored by a new one.
fn read(path: &Path) -> Option<AnchorJob> {
    let bytes = std::fs::read(path).ok()?;
    match serde_json::from_slice(&bytes) {
        Ok(job) => Some(job),
        Err(error) => {
            let aside = path.with_extension("damaged");
            tracing::warn!("chain: {} is damaged ({error}); it is put aside", path.display());
            let _ = std::fs::rename(path, aside);
            None
        }
    }
}

impl Anchoring {
    async fn step(&mut self, contracts: &Contracts, head: CheckpointNumber) -> Result<()> {
        let account = Account::new(contracts.chain.clone(), Arc::clone(&self.payer));
        let anchor = Anchor::new(contracts.chain.clone(), contracts.deployment.anchor);
        if self.job.is_none() && self.is_our_turn(head) {
            // The code behind the address, and who owns it, may have changed.
            let at = contracts.chain.tip().await?.number;
            contracts.deployment.check(&contracts.chain, at).await?;
            let queue = self.shared.cosigner().queue(head, QUEUE_MAX);
            self.job = AnchorJob::start(&account, &anchor, &queue).await?;
        }
        let Some(job) = &mut self.job else { return Ok(()) };
        if !job.is_of(&account, &anchor) {
            self.shared.tell(json!({
                "what": "forgotten", "through": job.last(),
                "reason": "the transaction on its way was of another account or anchor",
            }));
            self.forget();
            return Ok(());
        }
        let progress = match job.look(&account, &anchor, &self.settings, super::super::now().0).await {
            Ok(progress) => progress,
            Err(error @ AnchoringError::Foreign { .. }) => {
                self.shared.alarm(error.to_string());
                self.forget();
                return Ok(());
            }
            Err(error) => return Err(error.into()),
        };
        for note in &progress.notes {
            self.shared.tell(told(note, job.last()));
        }
        if let Action::Done(outcome) = &progress.action {
            self.shared.tell(ended(outcome, job.last()));
            self.forget();
            return match outcome {
                Outcome::Reverted(receipt) => Err(anyhow::anyhow!(
                    "transaction {} was refused by the contract: it is tried again",
                    receipt.tx_hash
                )),
                _ => Ok(()),
            };
        }
        self.shared.seen().submission = Some(on_its_way(job, &progress.action));
        if let Some(signed) = &progress.to_send {
            // A2: on disk before it is sent.
            let written = serde_json::to_vec(&job)?;
            block_in_place(|| storage::replace(&self.path, &written))?;
            job.send(&account, signed, super::super::now().0).await?;
            self.shared.tell(json!({"what": "sent", "transaction": signed.hash}));
        }
        Ok(())
    }

    fn forget(&mut self) {
        self.job = None;
        self.shared.seen().submission = None;
        // Where it cannot be removed, the next start finds that all of it is done.
        let _ = std::fs::remove_file(&self.path);
    }

    /// Whether something waits, and it is for this node to send it now. The members of
    /// the set take turns; each that does not send adds to the wait of those behind it.
    fn is_our_turn(&mut self, head: CheckpointNumber) -> bool {
        let cosigner = self.shared.cosigner();
        let first = head.saturating_add(1);
        let is_ready = cosigner.is_cosigned(first) == Some(true);
        let members = cosigner.members_after(head);
        drop(cosigner);
        let Some(members) = members.filter(|_| is_ready) else {
            self.waits = None;
            return false;
        };
        let since = match self.waits {
            Some((number, since)) if number == first => since,
            _ => {
                let now = Instant::now();
                self.waits = Some((first, now));
                now
            }
        };
        // Who signs nothing comes last.
        let last = u64::try_from(members.len()).unwrap_or(u64::MAX);
        let place = self.shared.account.and_then(|account| turn(&members, &account, first)).unwrap_or(last);
        let wait = Duration::from_millis(self.shared.config.takeover_ms.saturating_mul(place));
        since.elapsed() >= wait
    }
}

fn on_its_way(job: &AnchorJob, action: &Action) -> Value {
    let waits = match action {
        Action::Send(_) | Action::Free(_) | Action::Resend(_) => "to be sent".to_owned(),
        Action::Done(_) => "for nothing".to_owned(),
        Action::Wait(Waiting::Mining) => "to be mined".to_owned(),
        Action::Wait(Waiting::Depth { confirmations }) => format!("for depth: {confirmations} blocks"),
        Action::Wait(Waiting::Cheaper { base }) => format!("for gas to become cheaper: {base} wei"),
        Action::Wait(Waiting::AtCeiling) => "at the highest price that is allowed".to_owned(),
        Action::Wait(Waiting::OthersDepth) => "for what took its nonce to become deep".to_owned(),
    };
    json!({
        "through": job.last(), "nonce": job.submission().nonce().to_string(), "waits": waits,
        "transactions": job.submission().attempts().iter().map(|a| a.hash).collect::<Vec<_>>(),
    })
}

fn told(note: &Note, through: CheckpointNumber) -> Value {
    match note {
        Note::Mined { hash, block } => {
            json!({"what": "mined", "transaction": hash, "block": block.to_string(), "through": through})
        }
        Note::Reorganised { hash, block, .. } => {
            json!({"what": "reorganised", "transaction": hash, "block": block.to_string(), "through": through})
        }
        Note::Repriced { offer } => {
            json!({"what": "repriced", "fee_max_wei": offer.fee_max.to_string(), "through": through})
        }
        Note::NonceTaken => json!({"what": "nonce_taken", "through": through}),
    }
}

fn ended(outcome: &Outcome, through: CheckpointNumber) -> Value {
    match outcome {
        Outcome::Confirmed(receipt) => json!({
            "what": "confirmed", "transaction": receipt.tx_hash, "gas": receipt.gas_used.to_string(),
            "through": through,
        }),
        Outcome::Reverted(receipt) => {
            json!({"what": "refused", "transaction": receipt.tx_hash, "through": through})
        }
        Outcome::Overtaken => json!({"what": "overtaken", "through": through}),
        Outcome::Replaced => json!({"what": "replaced", "through": through}),
        Outcome::Stranded { next } => {
            json!({"what": "stranded", "next_nonce": next.to_string(), "through": through})
        }
    }
}
