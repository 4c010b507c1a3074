//! Looks at the chain for a [`Submission`], and does what it says.

use super::{
    Action, Note, Seen, Settings, Submission,
    account::{Account, AccountError, SignedTx, TxPayload},
};
use crate::rpc::RpcError;

/// What one look has brought.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Progress {
    /// What was to be done.
    pub action: Action,
    /// What has happened.
    pub notes: Vec<Note>,
    /// A transaction to be sent by [`send`] once the submission is on disk.
    pub to_send: Option<SignedTx>,
}

/// Looks once and decides. Nothing is sent: when there is something to send,
/// the caller writes `submission` down and then calls [`send`] (A2).
///
/// `is_reached` says whether what is wanted is so already at height `tip`.
/// `gas` is what each transaction of it is given, so that attempts differ in
/// their price only.
///
/// # Errors
/// When the chain cannot be asked or the key does not sign; the submission is
/// then as it was, or has one attempt more that was not sent.
pub async fn look(
    account: &Account,
    submission: &mut Submission,
    payload: &TxPayload,
    gas: u64,
    is_reached: bool,
    settings: &Settings,
    now_ms: u64,
) -> Result<Progress, AccountError> {
    let chain = account.chain();
    let tip = chain.tip().await?.number;
    let mut attempts = Vec::with_capacity(submission.attempts().len());
    for attempt in submission.attempts() {
        attempts.push(chain.transaction(&attempt.hash).await?);
    }
    let seen = Seen {
        now_ms,
        tip,
        account_nonce: chain.nonce_at(account.address(), tip).await?,
        attempts,
        is_reached,
        fees: chain.fees().await?,
    };
    let (action, notes) = submission.step(&seen, settings);
    let nonce = submission.nonce();
    let to_send = match &action {
        Action::Send(offer) => {
            let signed = sign(account, payload, nonce, gas, *offer).await?;
            submission.sent(signed.hash, *offer, false);
            Some(signed)
        }
        Action::Free(offer) => {
            let signed = sign(account, &empty(account), nonce, EMPTY_GAS, *offer).await?;
            submission.sent(signed.hash, *offer, true);
            Some(signed)
        }
        Action::Resend(position) => match submission.attempts().get(*position).copied() {
            Some(attempt) if attempt.is_empty => {
                Some(sign(account, &empty(account), nonce, EMPTY_GAS, attempt.offer).await?)
            }
            Some(attempt) => Some(sign(account, payload, nonce, gas, attempt.offer).await?),
            None => None,
        },
        Action::Wait(_) | Action::Done(_) => None,
    };
    Ok(Progress { action, notes, to_send })
}

/// Sends what [`look`] has prepared. That it is refused because a better paid
/// one is there, or because it was mined meanwhile, is no error: the next look
/// sees it. One that an endpoint has refused is waited for like one that it has taken:
/// it may be too cheap. One that could not be sent is not.
///
/// # Errors
/// When no endpoint takes it.
pub async fn send(
    account: &Account,
    submission: &mut Submission,
    signed: &SignedTx,
    now_ms: u64,
) -> Result<(), RpcError> {
    let sent = account.chain().send_raw(&signed.raw).await;
    if matches!(sent, Ok(_) | Err(RpcError::Refused { .. })) {
        submission.taken(&signed.hash, now_ms);
    }
    match sent {
        Ok(_) => Ok(()),
        Err(RpcError::Refused { message, .. }) if is_harmless(&message) => Ok(()),
        Err(error) => Err(error),
    }
}

/// What a transfer of nothing takes.
const EMPTY_GAS: u64 = 21_000;

fn empty(account: &Account) -> TxPayload {
    TxPayload::call(account.address(), Vec::new())
}

fn is_harmless(message: &str) -> bool {
    let message = message.to_ascii_lowercase();
    ["underpriced", "nonce too low", "already known", "already imported"].iter().any(|m| message.contains(m))
}

async fn sign(
    account: &Account,
    payload: &TxPayload,
    nonce: u64,
    gas: u64,
    offer: super::Offer,
) -> Result<SignedTx, AccountError> {
    let (account, payload) = (account.clone(), payload.clone());
    tokio::task::spawn_blocking(move || account.sign(&payload, nonce, gas, offer))
        .await
        .map_err(|e| crate::keys::KeyError::External { program: "signer".into(), reason: e.to_string() })?
        .map_err(AccountError::Key)
}
