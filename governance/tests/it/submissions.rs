//! A submission against a chain that stops, forgets, forks and is raced.

use crate::{
    anvil::Anvil,
    world::{World, account, address, key, signer},
};
use phalanx_governance::{
    address::Wei,
    contracts::{SignedCheckpoint, anchor::anchor_calldata},
    rpc::TxState,
    submit::{
        Action, Note, Outcome, Settings, Submission, Waiting,
        account::{Account, TxPayload},
        anchoring::{AnchorJob, AnchoringError, behind},
        driver::{self, Progress},
    },
};
use phalanx_types::{Hash, units::CheckpointNumber};
use serde_json::json;

const SETTINGS: Settings = Settings {
    depth: 3,
    stuck_after_ms: 1_000,
    bump_percent: 15,
    fee_max: 1_000_000_000_000,
    attempts_max: 8,
};
const GAS: u64 = 21_000;

struct Run {
    account: Account,
    submission: Submission,
    payload: TxPayload,
    now_ms: u64,
    is_reached: bool,
}

impl Run {
    async fn new(anvil: &Anvil) -> Self {
        let chain = anvil.chain().await;
        let account = account(&chain, 0);
        let nonce = chain.nonce(account.address()).await.unwrap();
        let payload = TxPayload { to: Some(address(0xaa)), value: Wei(7), data: Vec::new() };
        Self { account, submission: Submission::new(nonce), payload, now_ms: 0, is_reached: false }
    }

    async fn look(&mut self) -> Progress {
        let progress = driver::look(
            &self.account,
            &mut self.submission,
            &self.payload,
            GAS,
            self.is_reached,
            &SETTINGS,
            self.now_ms,
        )
        .await
        .unwrap();
        if let Some(signed) = &progress.to_send {
            driver::send(&self.account, &mut self.submission, signed, self.now_ms).await.unwrap();
        }
        progress
    }
}

/// A chain that mines only when it is told to.
async fn still() -> Anvil {
    let anvil = Anvil::start();
    anvil.ask("evm_setAutomine", json!([false])).await;
    anvil
}

#[tokio::test]
async fn what_is_stuck_is_repriced_and_takes_effect_once() {
    let anvil = still().await;
    let mut run = Run::new(&anvil).await;
    assert!(matches!(run.look().await.action, Action::Send(_)));
    assert_eq!(run.look().await.action, Action::Wait(Waiting::Mining));
    run.now_ms += 1_000;
    let progress = run.look().await;
    assert!(matches!(progress.notes[..], [Note::Repriced { .. }]), "{progress:?}");
    anvil.mine(1).await;
    let progress = run.look().await;
    assert_eq!(progress.action, Action::Wait(Waiting::Depth { confirmations: 1 }));
    assert!(
        matches!(progress.notes[..], [Note::Mined { hash, .. }] if hash == run.submission.attempts()[1].hash)
    );
    anvil.mine(2).await;
    assert!(matches!(run.look().await.action, Action::Done(Outcome::Confirmed(_))));
    assert_eq!(run.account.chain().balance(address(0xaa)).await.unwrap(), Wei(7));
}

#[tokio::test]
async fn what_is_forgotten_is_sent_again() {
    let anvil = still().await;
    let mut run = Run::new(&anvil).await;
    run.look().await;
    let hash = run.submission.attempts()[0].hash;
    anvil.ask("anvil_dropTransaction", json!([format!("0x{hash}")])).await;
    assert_eq!(run.account.chain().transaction(&hash).await.unwrap(), TxState::Unknown);
    assert_eq!(run.look().await.action, Action::Resend(0));
    assert_eq!(run.account.chain().transaction(&hash).await.unwrap(), TxState::Waiting);
}

#[tokio::test]
async fn a_reorganisation_takes_it_back_and_it_comes_again() {
    let anvil = still().await;
    let mut run = Run::new(&anvil).await;
    anvil.mine(3).await;
    run.look().await;
    anvil.mine(1).await;
    assert_eq!(run.look().await.action, Action::Wait(Waiting::Depth { confirmations: 1 }));
    let hash = run.submission.attempts()[0].hash;
    anvil.ask("anvil_reorg", json!([2, []])).await;
    let progress = run.look().await;
    assert!(
        matches!(progress.notes[..], [Note::Reorganised { hash: gone, .. }, ..] if gone == hash),
        "{progress:?}"
    );
    // Whether the chain kept it in its pool or not, it is mined again.
    run.look().await;
    anvil.mine(3).await;
    let progress = run.look().await;
    let Action::Done(Outcome::Confirmed(receipt)) = progress.action else { panic!("{progress:?}") };
    assert_eq!(receipt.tx_hash, hash);
    assert_eq!(run.account.chain().balance(address(0xaa)).await.unwrap(), Wei(7));
}

#[tokio::test]
async fn a_nonce_used_by_somebody_with_the_same_key_is_named() {
    let anvil = still().await;
    let mut run = Run::new(&anvil).await;
    run.look().await;
    let offer = phalanx_governance::submit::Offer { fee_max: 500_000_000_000, tip_max: 500_000_000_000 };
    let other = TxPayload { to: Some(address(0xbb)), value: Wei(1), data: Vec::new() };
    let signed = run.account.sign(&other, run.submission.nonce(), GAS, offer).unwrap();
    run.account.chain().send_raw(&signed.raw).await.unwrap();
    anvil.mine(1).await;
    let progress = run.look().await;
    assert_eq!(progress.action, Action::Wait(Waiting::OthersDepth));
    assert_eq!(progress.notes, [Note::NonceTaken]);
    anvil.mine(3).await;
    assert_eq!(run.look().await.action, Action::Done(Outcome::Replaced));
    assert_eq!(run.account.chain().balance(address(0xaa)).await.unwrap(), Wei(0));
}

#[tokio::test]
async fn a_dead_chain_is_a_temporary_error_and_changes_nothing() {
    let mut anvil = still().await;
    let mut run = Run::new(&anvil).await;
    run.look().await;
    let before = run.submission.clone();
    anvil.kill();
    let error = driver::look(&run.account, &mut run.submission, &run.payload, GAS, false, &SETTINGS, 1)
        .await
        .unwrap_err();
    let phalanx_governance::submit::account::AccountError::Rpc(error) = error else { panic!("{error}") };
    assert!(error.is_temporary(), "{error}");
    assert_eq!(run.submission, before);
}

#[tokio::test]
async fn the_same_transaction_is_signed_again_after_a_restart() {
    let anvil = Anvil::start();
    let run = Run::new(&anvil).await;
    let offer = phalanx_governance::submit::Offer { fee_max: 2_000_000_000, tip_max: 1 };
    let first = run.account.sign(&run.payload, 3, GAS, offer).unwrap();
    let again = account(run.account.chain(), 0).sign(&run.payload, 3, GAS, offer).unwrap();
    assert_eq!(first, again);
    assert_ne!(first.hash, Hash::ZERO);
    assert_eq!(signer(0).address(), key(0).address());
}

#[tokio::test]
async fn two_who_anchor_the_same_queue_do_not_hinder_one_another() {
    let world = World::new().await;
    let queue = world.queue(None, 4);
    let other = account(&world.chain, 9);
    let start = |account: Account, queue: Vec<SignedCheckpoint>| {
        let anchor = world.anchor();
        async move { AnchorJob::start(&account, &anchor, &queue).await.unwrap() }
    };
    let mut first = start(world.payer.clone(), queue[..2].to_vec()).await.unwrap();
    let mut second = start(other.clone(), queue.clone()).await.unwrap();
    for (job, account) in [(&mut first, &world.payer), (&mut second, &other)] {
        let progress = job.look(account, &world.anchor(), &SETTINGS, 0).await.unwrap();
        job.send(account, &progress.to_send.unwrap(), 0).await.unwrap();
    }
    world.anvil.mine(3).await;
    for (job, account) in [(&mut first, &world.payer), (&mut second, &other)] {
        let progress = job.look(account, &world.anchor(), &SETTINGS, 1).await.unwrap();
        assert!(matches!(progress.action, Action::Done(Outcome::Confirmed(_))), "{progress:?}");
    }
    let head = world.anchor().head(world.tip().await).await.unwrap();
    assert_eq!(head, (CheckpointNumber(4), queue[3].checkpoint.hash()));
    assert!(start(other, queue).await.is_none());
}

#[tokio::test]
async fn who_is_overtaken_sends_nothing_and_a_foreign_checkpoint_is_an_alarm() {
    let world = World::new().await;
    let queue = world.queue(None, 2);
    let mut late = AnchorJob::start(&world.payer, &world.anchor(), &queue).await.unwrap().unwrap();
    let mut forged = world.checkpoint(None, &world.validators, 0);
    forged.app_hash = Hash([0xff; 32]);
    let forged_queue = [world.signed(&forged, &world.validators, 3)];
    let mut foreign = AnchorJob::start(&world.payer, &world.anchor(), &forged_queue).await.unwrap().unwrap();

    let data = anchor_calldata(&queue).unwrap();
    account(&world.chain, 9).run(&TxPayload::call(world.deployment.anchor, data)).await.unwrap();
    let progress = late.look(&world.payer, &world.anchor(), &SETTINGS, 0).await.unwrap();
    assert_eq!((progress.action, progress.to_send), (Action::Done(Outcome::Overtaken), None));
    let alarm = foreign.look(&world.payer, &world.anchor(), &SETTINGS, 0).await;
    assert!(matches!(alarm, Err(AnchoringError::Foreign { .. })), "{alarm:?}");

    let next = world.checkpoint(Some(&forged), &world.validators, 0);
    let gap = world.checkpoint(Some(&world.queue(None, 3)[2].checkpoint), &world.validators, 0);
    let head = (CheckpointNumber(1), queue[0].checkpoint.hash());
    let of = |c| vec![world.signed(c, &world.validators, 3)];
    assert!(matches!(behind(&of(&next), head.0, &head.1), Err(AnchoringError::Foreign { .. })));
    assert!(matches!(behind(&of(&gap), head.0, &head.1), Err(AnchoringError::Missing { .. })));
    assert_eq!(behind(&queue, head.0, &head.1).unwrap(), &queue[1..]);
}

#[tokio::test]
async fn a_nonce_that_is_stuck_for_what_others_have_done_is_freed() {
    let anvil = still().await;
    let mut run = Run::new(&anvil).await;
    run.look().await;
    run.now_ms += 1_000;
    run.is_reached = true;
    assert!(matches!(run.look().await.action, Action::Free(_)));
    anvil.mine(3).await;
    assert_eq!(run.look().await.action, Action::Done(Outcome::Overtaken));
    assert_eq!(run.account.chain().balance(address(0xaa)).await.unwrap(), Wei(0));
    let nonce = run.account.chain().nonce(run.account.address()).await.unwrap();
    assert_eq!(nonce, run.submission.nonce() + 1);
}
