//! Checkpoints on the chain.

use crate::world::{TestValidator, World, validators};
use phalanx_governance::{
    contracts::{
        ChainCommand, ProposedValidator, Registration, SignedCheckpoint,
        anchor::{QuorumError, WINDOW, anchor_calldata},
        verdict::{self, Standing},
    },
    digest::SetEntry,
    rpc::{RpcError, TxState},
    submit::{
        Settings,
        account::{AccountError, TxPayload},
        anchoring::{AnchorJob, AnchoringError},
    },
};
use phalanx_types::{Checkpoint, Hash, Name, units::CheckpointNumber};

#[tokio::test]
async fn a_queue_is_anchored_in_one_transaction_and_what_is_there_is_passed_over() {
    let world = World::new().await;
    let queue = world.queue(None, 5);
    let anchor =
        |list: &[SignedCheckpoint]| TxPayload::call(world.deployment.anchor, anchor_calldata(list).unwrap());
    world.payer.run(&anchor(&queue[..1])).await.unwrap();
    assert_eq!(
        world.anchor().head(world.tip().await).await.unwrap(),
        (CheckpointNumber(1), queue[0].checkpoint.hash())
    );
    world.payer.run(&anchor(&queue)).await.unwrap();
    let at = world.tip().await;
    let found = world.anchor().anchored(world.deployed_in, at).await.unwrap();
    let expected: Vec<_> = queue.iter().map(|s| (s.checkpoint.number, s.checkpoint.hash())).collect();
    assert_eq!(found.iter().map(|a| (a.number, a.hash)).collect::<Vec<_>>(), expected);
    for (number, hash) in expected {
        assert_eq!(world.anchor().hash_of(number, at).await.unwrap(), Some(hash));
    }
    assert_eq!(world.anchor().hash_of(CheckpointNumber(6), at).await.unwrap(), None);
    let chain: Vec<_> = queue.iter().map(|s| s.checkpoint.clone()).collect();
    assert!(world.anchor().is_ancestor(&chain, at).await.unwrap());
    assert!(!world.anchor().is_ancestor(&[chain[0].clone(), chain[2].clone()], at).await.unwrap());

    // Nothing new, in the contract's own words.
    let refused = world.payer.run(&anchor(&queue)).await;
    let Err(AccountError::Rpc(RpcError::Reverted { reverted, .. })) = refused else { panic!("{refused:?}") };
    assert_eq!(reverted.to_string(), "NothingNew(head: 5)");
}

#[tokio::test]
async fn too_few_or_wrong_signatures_are_found_here_and_there() {
    let world = World::new().await;
    let set: Vec<SetEntry> = world.validators.iter().map(|v| v.entry()).collect();
    let checkpoint = world.checkpoint(None, &world.validators, 0);
    let two = world.signed(&checkpoint, &world.validators, 2);
    assert!(matches!(two.check_quorum(&set), Err(QuorumError::TooLittle { weight: 200, total: 400, .. })));
    world.signed(&checkpoint, &world.validators, 3).check_quorum(&set).unwrap();
    let strangers = validators(4..8);
    let foreign = world.signed(&checkpoint, &strangers, 4);
    assert!(matches!(foreign.check_quorum(&set), Err(QuorumError::NotAMember { .. })));
    for signed in [two, foreign] {
        let data = anchor_calldata(std::slice::from_ref(&signed)).unwrap();
        let refused = world.payer.run(&TxPayload::call(world.deployment.anchor, data)).await;
        assert!(matches!(refused, Err(AccountError::Rpc(RpcError::Reverted { .. }))), "{refused:?}");
    }
}

/// A command that makes a set the next one; who is new has registered.
fn proposal(world: &World, next: &[TestValidator]) -> ChainCommand {
    let name = |text| Name::new(text).unwrap();
    let validators = next.iter().map(|v| ProposedValidator {
        entry: v.entry(),
        region: name("earth"),
        label: name("v"),
        registration: if world.validators.iter().any(|o| o.entry() == v.entry()) {
            Registration::NONE
        } else {
            v.registration(world.chain.id())
        },
    });
    ChainCommand::SetValidators { validators: validators.collect() }
}

/// Twenty checkpoints, one that hands over to the set with a hash, and `after` of that
/// one.
fn across(world: &World, next: &[TestValidator], hash: Hash, after: usize) -> Vec<SignedCheckpoint> {
    let mut queue = world.queue(None, 20);
    let mut boundary = world.checkpoint(queue.last().map(|s| &s.checkpoint), &world.validators, 0);
    boundary.next_set_hash = hash;
    queue.push(world.signed(&boundary, &world.validators, 3));
    for _ in 0..after {
        let checkpoint = world.checkpoint(queue.last().map(|s| &s.checkpoint), next, 1);
        queue.push(world.signed(&checkpoint, next, 4));
    }
    queue
}

#[tokio::test]
async fn a_queue_goes_on_across_a_change_of_the_set() {
    let world = World::new().await;
    let next = validators(0..5);
    world.command(&[proposal(&world, &next)]).await;
    let pending = world.registry().pending(world.tip().await).await.unwrap().unwrap();
    let queue = across(&world, &next, pending.hash, 29);
    let data = anchor_calldata(&queue).unwrap();
    world.payer.run(&TxPayload::call(world.deployment.anchor, data)).await.unwrap();
    let at = world.tip().await;
    assert_eq!(world.anchor().head(at).await.unwrap().0, CheckpointNumber(50));
    assert_eq!(world.registry().current(at).await.unwrap(), (1, pending.hash));
    assert_eq!(world.registry().forced_epochs(at).await.unwrap(), Vec::<u64>::new());
}

#[tokio::test]
async fn a_long_queue_is_cut_to_what_public_nodes_take() {
    let world = World::new().await;
    let mut queue: Vec<SignedCheckpoint> = Vec::new();
    for _ in 0..256 {
        let checkpoint = world.checkpoint(queue.last().map(|s| &s.checkpoint), &world.validators, 0);
        queue.push(world.signed(&checkpoint, &world.validators, 4));
    }
    assert!(anchor_calldata(&queue).unwrap().len() > 128 << 10);
    let job = AnchorJob::start(&world.payer, &world.anchor(), &queue).await;
    assert_eq!(job.unwrap().unwrap().last(), CheckpointNumber(128));
}

#[tokio::test]
async fn a_set_that_was_withdrawn_after_the_mesh_took_it_up_is_named_until_it_is_proposed_again() {
    let world = World::new().await;
    let next = validators(0..5);
    world.command(&[proposal(&world, &next)]).await;
    let set = world.registry().pending(world.tip().await).await.unwrap().unwrap().hash;
    let queue = across(&world, &next, set, 4);
    world.command(&[ChainCommand::WithdrawValidators { set_hash: set }]).await;

    // What lies before the hand-over is anchored all the same.
    let anchor = world.anchor();
    let start = || AnchorJob::start(&world.payer, &anchor, &queue);
    let run = |mut job: AnchorJob| {
        let (world, anchor) = (&world, &anchor);
        async move {
            let signed =
                job.look(&world.payer, anchor, &Settings::default(), 0).await.unwrap().to_send.unwrap();
            job.send(&world.payer, &signed, 0).await.unwrap();
            while !matches!(world.chain.transaction(&signed.hash).await.unwrap(), TxState::Mined(_)) {
                tokio::time::sleep(std::time::Duration::from_millis(20)).await;
            }
            anchor.head(world.tip().await).await.unwrap().0
        }
    };
    assert_eq!(run(start().await.unwrap().unwrap()).await, CheckpointNumber(20));
    let refused = start().await.unwrap_err();
    let AnchoringError::NotPending { number, set: named, pending } = &refused else { panic!("{refused}") };
    assert_eq!((number.0, *named, *pending), (21, set, None));
    assert!(refused.to_string().contains("set-validators"), "{refused}");
    // Another set in its place does not help.
    let other = validators(1..5);
    world.command(&[proposal(&world, &other)]).await;
    let wrong = world.registry().pending(world.tip().await).await.unwrap().unwrap().hash;
    assert!(
        matches!(start().await, Err(AnchoringError::NotPending { pending: Some(found), .. }) if found == wrong)
    );
    world.command(&[ChainCommand::WithdrawValidators { set_hash: wrong }]).await;

    world.command(&[proposal(&world, &next)]).await;
    assert_eq!(run(start().await.unwrap().unwrap()).await, CheckpointNumber(25));
}

#[tokio::test]
async fn a_receipt_is_verified_by_the_contract() {
    use phalanx_governance::digest::keccak;
    let world = World::new().await;
    let receipt = Hash([9; 32]);
    let leaf = |h: &Hash| keccak(&[&[0], h.0.as_slice()].concat());
    let sibling = leaf(&Hash([8; 32]));
    let mut checkpoint = world.checkpoint(None, &world.validators, 0);
    checkpoint.receipt_count = 2;
    checkpoint.history_size = 2;
    checkpoint.interval_root = keccak(&[&[1], leaf(&receipt).0.as_slice(), sibling.0.as_slice()].concat());
    let signed = world.signed(&checkpoint, &world.validators, 3);
    let data = anchor_calldata(std::slice::from_ref(&signed)).unwrap();
    world.payer.run(&TxPayload::call(world.deployment.anchor, data)).await.unwrap();
    let at = world.tip().await;
    let holds = |place, hash: Hash| {
        let (anchor, checkpoint) = (world.anchor(), checkpoint.clone());
        async move { anchor.verify_receipt(&checkpoint, &hash, place, &[sibling], at).await.unwrap() }
    };
    assert!(holds(0, receipt).await);
    assert!(!holds(1, receipt).await);
    assert!(!holds(0, Hash([7; 32])).await);
}

#[tokio::test]
async fn a_verdict_says_how_sure_a_checkpoint_is_and_what_that_rests_on() {
    let world = World::new().await;
    let queue = world.queue(None, 3);
    let data = anchor_calldata(&queue[..2]).unwrap();
    world.payer.run(&TxPayload::call(world.deployment.anchor, data)).await.unwrap();
    let of = |checkpoint: Checkpoint| {
        let world = &world;
        async move { verdict::checkpoint(&world.chain, &world.deployment, &checkpoint, &[], 2).await.unwrap() }
    };
    let first = queue[0].checkpoint.clone();
    assert_eq!(of(first.clone()).await.standing, Standing::Anchored);
    world.anvil.mine(1).await;
    let found = of(first.clone()).await;
    assert_eq!((found.standing, found.is_anchored(), found.hash), (Standing::Final, true, first.hash()));
    assert!(found.trusted[0].contains("alone"), "{found:?}");
    assert_eq!(of(queue[2].checkpoint.clone()).await.standing, Standing::NotAnchored);
    let forged = Checkpoint { app_hash: Hash([1; 32]), ..first.clone() };
    assert_eq!(of(forged).await.standing, Standing::Contradicted { anchored: first.hash() });
}

#[tokio::test]
async fn a_checkpoint_that_the_contract_has_forgotten_is_shown_by_what_leads_from_it_to_one_it_keeps() {
    let world = World::new().await;
    let mut queue = world.queue(None, 1);
    for _ in 0..WINDOW {
        let next = world.checkpoint(queue.last().map(|s| &s.checkpoint), &world.validators, 0);
        queue.push(world.signed(&next, &world.validators, 3));
    }
    for part in queue.chunks(128) {
        world
            .payer
            .run(&TxPayload::call(world.deployment.anchor, anchor_calldata(part).unwrap()))
            .await
            .unwrap();
    }
    let chain: Vec<_> = queue.into_iter().map(|s| s.checkpoint).collect();
    let of = |descendants: &[Checkpoint]| {
        let (world, first, descendants) = (&world, &chain[0], descendants.to_vec());
        async move {
            let found = verdict::checkpoint(&world.chain, &world.deployment, first, &descendants, 1).await;
            found.unwrap().standing
        }
    };
    assert_eq!(of(&[]).await, Standing::TooOld);
    assert_eq!(of(&chain[1..2]).await, Standing::Final);
    assert_eq!(of(&chain[1..]).await, Standing::Final);
    // One is missing, and one is another's.
    assert_eq!(of(&chain[2..4]).await, Standing::TooOld);
    let other = Checkpoint { app_hash: Hash([1; 32]), ..chain[1].clone() };
    assert_eq!(of(&[other]).await, Standing::TooOld);
    // What the contract keeps needs nothing.
    let newest = verdict::checkpoint(&world.chain, &world.deployment, &chain[1], &[], 1).await.unwrap();
    assert_eq!(newest.standing, Standing::Final);
}
