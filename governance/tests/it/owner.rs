//! The owner's transactions as files, to their effect on the chain.

use crate::world::{World, account, address, key, signer};
use phalanx_governance::{
    address::Wei,
    contracts::ChainCommand,
    digest,
    safe::{
        OwnerSignature, Safe, SafeTx, TxFile,
        builder::BuilderFile,
        chain::{Consent, SafeError, Simulated},
        deploy::deploy_safe,
        queue::{queue, signed},
        signatures::OwnerSignatureError,
    },
    submit::account::TxPayload,
    words,
};
use phalanx_types::Name;

fn pause_mars() -> ChainCommand {
    ChainCommand::PauseShard { shard: Name::new("mars").unwrap() }
}

#[tokio::test]
async fn a_batch_goes_through_files_to_its_effect() {
    let world = World::new().await;
    let commands = [pause_mars(), ChainCommand::SetThermostat { limit_ppm: 800_000 }];
    let proposed = world.file(&commands).await.write().unwrap();

    // Two owners sign their own copies, and a third person merges them.
    let mut copies = Vec::new();
    for owner in [2, 3] {
        let mut copy = TxFile::read(proposed.as_bytes()).unwrap();
        copy.sign(&signer(owner)).unwrap();
        copies.push(copy.write().unwrap());
    }
    let mut file = TxFile::read(copies[0].as_bytes()).unwrap();
    let too_few = world.safe.exec_calldata(&file, world.tip().await).await;
    assert!(matches!(
        too_few,
        Err(SafeError::Signatures(OwnerSignatureError::TooFew { found: 1, threshold: 2 }))
    ));
    file.merge(&TxFile::read(copies[1].as_bytes()).unwrap()).unwrap();

    let text = words::file(&file, &world.known());
    assert!(text.contains("pauses shard mars") && text.contains("80 %"), "{text}");
    let at = world.tip().await;
    assert!(world.safe.check(&file, at).await.unwrap().is_enough());
    assert!(matches!(world.safe.simulate(&file.tx, at).await.unwrap(), Simulated::Success(_)));

    world.exec(&file).await;
    let at = world.tip().await;
    let mut log = world.log();
    let logged = world.commands().read(&mut log, world.deployed_in, at).await.unwrap();
    let found: Vec<_> = logged.iter().map(|l| l.command().unwrap()).collect();
    assert_eq!(found, commands);

    // Once only.
    let again = world.safe.exec_calldata(&file, at).await;
    assert!(matches!(again, Err(SafeError::Nonce { expected: 1, found: 0 })));
}

#[tokio::test]
async fn every_kind_of_consent_counts() {
    let world = World::new().await;
    let inner = deploy_safe(&world.payer, &world.contracts, &[key(6).address()], 1, 1).await.unwrap();
    let owners = [key(4).address(), key(5).address(), inner, key(7).address()];
    let outer = deploy_safe(&world.payer, &world.contracts, &owners, 4, 2).await.unwrap();
    let safe = Safe::new(world.chain.clone(), outer);
    world.payer.run(&TxPayload { to: Some(outer), value: Wei(5), data: vec![] }).await.unwrap();

    let to = address(0xee);
    let tx = SafeTx {
        to,
        value: Wei(3),
        data: vec![],
        operation: phalanx_governance::safe::Operation::Call,
        nonce: 0,
    };
    let mut file = TxFile::new(world.chain.id(), outer, tx);
    let hash = file.safe_tx_hash();
    // A wallet without EIP-712.
    let signature = key(4).sign(&digest::eth_sign(&hash)).unwrap();
    file.add(OwnerSignature::EthSign { owner: owners[0], signature }).unwrap();
    // An approval on chain, which is not there yet.
    file.add(OwnerSignature::ApprovedHash { owner: owners[1] }).unwrap();
    // A Safe that is an owner.
    let mut message = vec![0x19, 0x01];
    message.extend(file.domain_hash().0);
    message.extend(file.message_hash().0);
    let inner_hash = digest::safe_contract_message(world.chain.id(), inner, &message);
    let by = |owner: u32| key(owner).sign(&inner_hash).unwrap().to_65().to_vec();
    file.add(OwnerSignature::Contract { owner: inner, signature: by(5) }).unwrap();
    file.sign(&signer(7)).unwrap();

    let at = world.tip().await;
    let checked = safe.check(&file, at).await.unwrap();
    assert_eq!(checked.valid, 2, "{checked:?}");
    assert!(!checked.is_enough());
    // Nor does it count for the owner who executes: somebody else may have written it.
    let refused = safe.exec_calldata(&file, at).await;
    assert!(matches!(refused, Err(SafeError::Signatures(_))), "{refused:?}");

    file.add(OwnerSignature::Contract { owner: inner, signature: by(6) }).unwrap();
    let approver = account(&world.chain, 5);
    approver.run(&TxPayload::call(outer, Safe::approve_calldata(&file))).await.unwrap();
    let at = world.tip().await;
    let checked = safe.check(&file, at).await.unwrap();
    assert!(checked.is_enough(), "{checked:?}");
    let file = TxFile::read(file.write().unwrap().as_bytes()).unwrap();
    let data = safe.exec_calldata(&file, at).await.unwrap();
    let receipt = world.payer.run(&TxPayload::call(outer, data)).await.unwrap();
    safe.check_executed(&file, &receipt).unwrap();
    assert_eq!(world.chain.balance(to).await.unwrap(), Wei(3));
}

#[tokio::test]
async fn who_is_no_owner_does_not_count() {
    let world = World::new().await;
    let mut file = world.file(&[pause_mars()]).await;
    file.sign(&signer(1)).unwrap();
    file.sign(&signer(8)).unwrap();
    let checked = world.safe.check(&file, world.tip().await).await.unwrap();
    assert_eq!(checked.valid, 1);
    let consent = checked.consents.iter().find(|(who, _)| *who == key(8).address()).unwrap();
    assert_eq!(consent.1, Consent::NotAnOwner);
    let refused = world.safe.exec_calldata(&file, world.tip().await).await;
    assert!(matches!(refused, Err(SafeError::Signatures(OwnerSignatureError::TooFew { .. }))));
    let mut other = file.clone();
    other.chain_id = 1;
    let refused = world.safe.check(&other, world.tip().await).await;
    assert!(matches!(refused, Err(SafeError::OtherSafe { file_chain: 1, .. })));
}

#[tokio::test]
async fn what_would_fail_is_said_before_anybody_signs() {
    let world = World::new().await;
    let wrong = ChainCommand::SetOptimisation { performance: 1, cost: 2, reliability: 3, sustainability: 4 };
    let at = world.tip().await;
    let alone = world.file(std::slice::from_ref(&wrong)).await;
    let found = world.safe.simulate(&alone.tx, at).await.unwrap();
    let Simulated::Failure { position: None, reverted } = found else { panic!("{found:?}") };
    assert_eq!(reverted.to_string(), "WeightsSum(found: 10)");
    let batch = world.file(&[pause_mars(), wrong]).await;
    let found = world.safe.simulate(&batch.tx, at).await.unwrap();
    let Simulated::Failure { position: Some(1), reverted } = found else { panic!("{found:?}") };
    assert_eq!(reverted.to_string(), "WeightsSum(found: 10)");
}

#[tokio::test]
async fn a_transaction_is_cancelled_by_replacement() {
    let world = World::new().await;
    let mut file = world.file(&[pause_mars()]).await;
    let tx = SafeTx::cancel(world.safe.address(), file.tx.nonce);
    let mut cancel = TxFile::new(world.chain.id(), world.safe.address(), tx);
    for f in [&mut file, &mut cancel] {
        f.sign(&signer(1)).unwrap();
        f.sign(&signer(2)).unwrap();
    }
    let status = world.safe.status(world.tip().await).await.unwrap();
    assert_eq!((status.threshold, status.owners.len(), status.nonce), (2, 3, 0));
    assert_eq!((status.version.as_str(), status.guard), ("1.4.1", None));
    assert_eq!(status.fallback_handler, Some(world.contracts.fallback_handler));
    assert_eq!(status.warnings(), Vec::<String>::new());
    let items = queue(&[file.clone(), cancel.clone()], &status, |file| signed(file, &status));
    assert!(items.iter().all(|i| i.is_next && i.warnings.len() == 1), "{items:?}");

    world.exec(&cancel).await;
    let at = world.tip().await;
    let late = world.safe.exec_calldata(&file, at).await;
    assert!(matches!(late, Err(SafeError::Nonce { expected: 1, found: 0 })));
    assert_eq!(world.commands().head(at).await.unwrap().0, 0);
    let status = world.safe.status(at).await.unwrap();
    let items = queue(&[file], &status, |file| signed(file, &status));
    assert!(items[0].warnings[0].contains("nonce 0 is used"), "{items:?}");
}

#[tokio::test]
async fn a_transaction_builder_file_becomes_commands() {
    let world = World::new().await;
    let file = BuilderFile {
        chain_id: world.chain.id(),
        safe: Some(world.safe.address()),
        name: "evening".into(),
        description: String::new(),
        calls: world.calls(&[ChainCommand::PauseMesh, ChainCommand::ResumeMesh]),
        had_checksum: true,
    };
    let read = BuilderFile::read(file.write(0).as_bytes()).unwrap();
    let tx = SafeTx::of_calls(&read.calls, world.contracts.multi_send_call_only, 0).unwrap();
    let mut file = TxFile::new(read.chain_id, read.safe.unwrap(), tx);
    file.sign(&signer(1)).unwrap();
    file.sign(&signer(2)).unwrap();
    world.exec(&file).await;
    assert_eq!(world.commands().head(world.tip().await).await.unwrap().0, 2);
}
