//! Transactions that must take effect: sent, watched, repriced, sent again.
//!
//! [`Submission`] is the rules, without a clock and without a chain: it is
//! given what is seen and says what to do. [`driver`] looks and does.
//!
//! - **A1** One submission has one nonce for ever: of all its transactions at
//!   most one can take effect.
//! - **A2** What was sent is written down by the caller before anything else is
//!   sent: [`Submission`] is serialisable, and [`Action::Send`] is repeated
//!   until [`Submission::sent`] is called.
//! - **A3** It is over only when something final is as deep as was asked for.
//!   Everything before may be undone by a reorganisation, and is.

pub mod account;
pub mod anchoring;
pub mod driver;

use crate::rpc::{Fees, TxReceipt, TxState};
use phalanx_types::Hash;
use serde::{Deserialize, Serialize};

/// How patient and how generous a submission is. They may change while it is on its way.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Settings {
    /// Confirmations until it is over: 1 is the block itself.
    pub depth: u64,
    /// After this time without being mined it is repriced.
    pub stuck_after_ms: u64,
    /// How much more is offered, in percent. Nodes refuse less than 10.
    pub bump_percent: u32,
    /// Most that a unit of gas may cost.
    pub fee_max: u128,
    /// Most transactions of one submission.
    pub attempts_max: u32,
}

impl Default for Settings {
    /// Twelve blocks; a minute; 200 gwei.
    fn default() -> Self {
        Self {
            depth: 12,
            stuck_after_ms: 60_000,
            bump_percent: 15,
            fee_max: 200_000_000_000,
            attempts_max: 24,
        }
    }
}

/// What is offered for a unit of gas.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Offer {
    /// At most.
    pub fee_max: u128,
    /// Of that, for whoever mines it.
    pub tip_max: u128,
}

/// One transaction of a submission.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Attempt {
    /// Its hash.
    pub hash: Hash,
    /// What it offers.
    pub offer: Offer,
    /// Whether it does nothing but use up the nonce.
    pub is_empty: bool,
    /// When an endpoint first had it, or refused it for what it is: from then on it is
    /// waited for.
    pub taken_ms: Option<u64>,
}

/// What is seen, all at one height.
#[derive(Clone, Debug)]
pub struct Seen {
    /// When.
    pub now_ms: u64,
    /// The height.
    pub tip: u64,
    /// How many transactions of the account are mined.
    pub account_nonce: u64,
    /// What became of each attempt, in order.
    pub attempts: Vec<TxState>,
    /// Whether what is wanted is so already, by whomever.
    pub is_reached: bool,
    /// What gas costs.
    pub fees: Fees,
}

/// What to do.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Action {
    /// Sign and send a transaction with this offer, then call
    /// [`Submission::sent`].
    Send(Offer),
    /// The same with a transaction that does nothing: what is wanted is so
    /// already, and the nonce must become free for what comes next.
    Free(Offer),
    /// Send this attempt once more: the endpoints have forgotten it.
    Resend(usize),
    /// Look again later.
    Wait(Waiting),
    /// It is over.
    Done(Outcome),
}

/// For what it waits.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Waiting {
    /// To be mined.
    Mining,
    /// For more blocks on top.
    Depth {
        /// How many there are.
        confirmations: u64,
    },
    /// For gas to become cheaper: it costs more than may be offered.
    Cheaper {
        /// What it costs.
        base: u128,
    },
    /// Its offer is the largest that may be made.
    AtCeiling,
    /// For more blocks on top of what has used the nonce.
    OthersDepth,
}

/// How it ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// A transaction of it succeeded, deep enough.
    Confirmed(TxReceipt),
    /// A transaction of it failed, deep enough: the contract refused.
    Reverted(TxReceipt),
    /// What is wanted is so by somebody else.
    Overtaken,
    /// The nonce is used and what is wanted is not so: by a transaction from
    /// elsewhere with this key, or by an empty one before the chain reorganised.
    /// Begin anew.
    Replaced,
    /// Its nonce cannot come: one before it is not used any more, since the chain has
    /// reorganised. Begin anew.
    Stranded {
        /// The account's next nonce.
        next: u64,
    },
}

/// What happened, for events and logs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Note {
    /// An attempt is in a block.
    Mined {
        /// The attempt's hash.
        hash: Hash,
        /// The block.
        block: u64,
    },
    /// The block it was in is not on the chain any more.
    Reorganised {
        /// The attempt's hash.
        hash: Hash,
        /// The block it was in.
        block: u64,
        /// The block's hash.
        block_hash: Hash,
    },
    /// It was not mined in time; more is offered.
    Repriced {
        /// What is offered now.
        offer: Offer,
    },
    /// Something else has used the nonce.
    NonceTaken,
}

/// One submission.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Submission {
    nonce: u64,
    attempts: Vec<Attempt>,
    /// The block in which it was seen last.
    mined: Option<(Hash, u64, Hash)>,
    /// The height at which something else was first seen to have the nonce.
    taken_at: Option<u64>,
}

impl Submission {
    /// A submission with the account's next nonce.
    #[must_use]
    pub const fn new(nonce: u64) -> Self {
        Self { nonce, attempts: Vec::new(), mined: None, taken_at: None }
    }

    /// Its nonce.
    #[must_use]
    pub const fn nonce(&self) -> u64 {
        self.nonce
    }

    /// Its transactions, oldest first.
    #[must_use]
    pub fn attempts(&self) -> &[Attempt] {
        &self.attempts
    }

    /// Notes that a transaction was signed and is about to be sent.
    pub fn sent(&mut self, hash: Hash, offer: Offer, is_empty: bool) {
        if !self.attempts.iter().any(|a| a.hash == hash) {
            self.attempts.push(Attempt { hash, offer, is_empty, taken_ms: None });
        }
    }

    /// Notes that an endpoint has a transaction, or has refused it.
    pub fn taken(&mut self, hash: &Hash, now_ms: u64) {
        for attempt in self.attempts.iter_mut().filter(|a| a.hash == *hash) {
            attempt.taken_ms.get_or_insert(now_ms);
        }
    }

    /// What to do about what is seen.
    pub fn step(&mut self, seen: &Seen, settings: &Settings) -> (Action, Vec<Note>) {
        let mut notes = Vec::new();
        for (attempt, state) in self.attempts.iter_mut().zip(&seen.attempts) {
            if *state != TxState::Unknown {
                attempt.taken_ms.get_or_insert(seen.now_ms);
            }
        }
        let mined = seen.attempts.iter().find_map(|state| match state {
            TxState::Mined(receipt) => Some(receipt),
            _ => None,
        });
        self.note_reorganisation(mined, &mut notes);
        if let Some(receipt) = mined {
            self.taken_at = None;
            return (self.of_mined(receipt, seen, settings), notes);
        }
        if seen.account_nonce > self.nonce {
            return (self.of_taken(seen, settings, &mut notes), notes);
        }
        self.taken_at = None;
        if seen.is_reached && self.attempts.is_empty() {
            return (Action::Done(Outcome::Overtaken), notes);
        }
        (self.of_unmined(seen, settings, &mut notes), notes)
    }

    fn note_reorganisation(&mut self, mined: Option<&TxReceipt>, notes: &mut Vec<Note>) {
        let now = mined.map(|r| (r.tx_hash, r.block_number, r.block_hash));
        if now == self.mined {
            return;
        }
        if let Some((hash, block, block_hash)) = self.mined {
            notes.push(Note::Reorganised { hash, block, block_hash });
        }
        if let Some((hash, block, _)) = now {
            notes.push(Note::Mined { hash, block });
        }
        self.mined = now;
    }

    fn of_mined(&self, receipt: &TxReceipt, seen: &Seen, settings: &Settings) -> Action {
        let confirmations = seen.tip.saturating_add(1).saturating_sub(receipt.block_number);
        if confirmations < settings.depth {
            return Action::Wait(Waiting::Depth { confirmations });
        }
        if self.attempts.iter().any(|a| a.hash == receipt.tx_hash && a.is_empty) {
            return Action::Done(if seen.is_reached { Outcome::Overtaken } else { Outcome::Replaced });
        }
        if receipt.is_success {
            return Action::Done(Outcome::Confirmed(receipt.clone()));
        }
        // Refused because somebody else was first: nothing is wrong.
        Action::Done(if seen.is_reached { Outcome::Overtaken } else { Outcome::Reverted(receipt.clone()) })
    }

    fn of_taken(&mut self, seen: &Seen, settings: &Settings, notes: &mut Vec<Note>) -> Action {
        let since = match self.taken_at {
            Some(since) => since,
            None => {
                notes.push(Note::NonceTaken);
                self.taken_at = Some(seen.tip);
                seen.tip
            }
        };
        // A receipt may come later than the nonce, and what took it may go.
        if seen.tip.saturating_sub(since) < settings.depth {
            return Action::Wait(Waiting::OthersDepth);
        }
        Action::Done(if seen.is_reached { Outcome::Overtaken } else { Outcome::Replaced })
    }

    fn of_unmined(&self, seen: &Seen, settings: &Settings, notes: &mut Vec<Note>) -> Action {
        let ceiling = settings.fee_max;
        let Some((position, last)) = self.attempts.iter().enumerate().next_back() else {
            if seen.fees.base > ceiling {
                return Action::Wait(Waiting::Cheaper { base: seen.fees.base });
            }
            return Action::Send(offer_of(seen.fees, ceiling));
        };
        let is_stuck =
            last.taken_ms.is_some_and(|at| seen.now_ms.saturating_sub(at) >= settings.stuck_after_ms);
        let is_forgotten = matches!(seen.attempts.get(position), Some(TxState::Unknown));
        // Sending it again is free: it is the same transaction. It is stuck all
        // the same when its time has come, for it may be forgotten as too cheap.
        let again = |waiting| if is_forgotten { Action::Resend(position) } else { Action::Wait(waiting) };
        if !is_stuck {
            return again(Waiting::Mining);
        }
        if seen.account_nonce < self.nonce {
            return Action::Done(Outcome::Stranded { next: seen.account_nonce });
        }
        let raised = |value: u128| {
            let more = value.saturating_mul(settings.bump_percent.into()).div_ceil(100);
            value.saturating_add(more.max(1))
        };
        let now = offer_of(seen.fees, ceiling);
        let offer = Offer {
            fee_max: raised(last.offer.fee_max).max(now.fee_max),
            tip_max: raised(last.offer.tip_max).max(now.tip_max),
        };
        let may_more = self.attempts.len() < settings.attempts_max as usize;
        if offer.fee_max > ceiling || !may_more {
            return again(Waiting::AtCeiling);
        }
        notes.push(Note::Repriced { offer });
        if seen.is_reached { Action::Free(offer) } else { Action::Send(offer) }
    }
}

/// Twice the base fee and the tip: it stays good for six full blocks in a row.
fn offer_of(fees: Fees, ceiling: u128) -> Offer {
    let fee_max = fees.base.saturating_mul(2).saturating_add(fees.tip).clamp(1, ceiling.max(1));
    Offer { fee_max, tip_max: fees.tip.min(fee_max) }
}

#[cfg(test)]
mod tests;
