//! Checkpoints on the chain.

use crate::world::{World, validators};
use phalanx_governance::{
    contracts::{
        ChainCommand, ProposedValidator, Registration,
        anchor::{QuorumError, anchor_calldata},
        verdict::{self, Standing},
    },
    digest::SetEntry,
    rpc::RpcError,
    submit::account::{AccountError, TxPayload},
};
use phalanx_types::{Name, units::CheckpointNumber};

#[tokio::test]
async fn a_queue_is_anchored_in_one_transaction_and_what_is_there_is_passed_over() {
    let world = World::new().await;
    let queue = world.queue(None, 5);
    let anchor = |list: &[phalanx_governance::contracts::SignedCheckpoint]| {
        TxPayload::call(world.deployment.anchor, anchor_calldata(list).unwrap())
    };
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

#[tokio::test]
async fn a_queue_goes_on_across_a_change_of_the_set() {
    let world = World::new().await;
    let next = validators(0..5);
    let name = |text| Name::new(text).unwrap();
    let proposed = next
        .iter()
        .map(|v| ProposedValidator {
            entry: v.entry(),
            region: name("earth"),
            label: name("v"),
            registration: if world.validators.iter().any(|o| o.entry() == v.entry()) {
                Registration::NONE
            } else {
                v.registration(world.chain.id())
            },
        })
        .collect();
    world.command(&[ChainCommand::SetValidators { validators: proposed }]).await;
    let pending = world.registry().pending(world.tip().await).await.unwrap().unwrap();

    let mut queue = world.queue(None, 20);
    let mut boundary = world.checkpoint(queue.last().map(|s| &s.checkpoint), &world.validators, 0);
    boundary.next_set_hash = pending.hash;
    queue.push(world.signed(&boundary, &world.validators, 3));
    for _ in 0..29 {
        let checkpoint = world.checkpoint(queue.last().map(|s| &s.checkpoint), &next, 1);
        queue.push(world.signed(&checkpoint, &next, 4));
    }
    let data = anchor_calldata(&queue).unwrap();
    world.payer.run(&TxPayload::call(world.deployment.anchor, data)).await.unwrap();
    let at = world.tip().await;
    assert_eq!(world.anchor().head(at).await.unwrap().0, CheckpointNumber(50));
    assert_eq!(world.registry().current(at).await.unwrap(), (1, pending.hash));
    assert_eq!(world.registry().forced_epochs(at).await.unwrap(), Vec::<u64>::new());
}

#[tokio::test]
async fn a_receipt_is_verified_by_the_contract() {
    use phalanx_governance::digest::keccak;
    use phalanx_types::Hash;
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
    let of = |checkpoint: phalanx_types::Checkpoint| {
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
    let forged = phalanx_types::Checkpoint { app_hash: phalanx_types::Hash([1; 32]), ..first.clone() };
    assert_eq!(of(forged).await.standing, Standing::Contradicted { anchored: first.hash() });
}
