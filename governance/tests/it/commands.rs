//! The owner's commands as they come out of the chain.

use crate::world::{MESH, World, address, validators};
use phalanx_governance::{
    contracts::{
        ChainCommand, ChainMode, CommandLog, ContractError, Deployment, ProposedValidator, Registration,
        command::TenantLimits,
        commands::{TicketState, cancel_calldata},
        watch::{CommandWatch, WatchError},
    },
    submit::account::TxPayload,
    translate::{self, Registrar},
};
use phalanx_types::{Hash, Name, OwnerCommand, PublicKey, observation::next_head, owner::Scope};
use serde_json::json;

fn name(text: &str) -> Name {
    Name::new(text).unwrap()
}

/// One command of every kind that needs no state in the registry.
fn every_kind() -> Vec<ChainCommand> {
    let key = |byte| PublicKey([byte; 32]);
    let keys = vec![key(1), key(2)];
    let regions = ["earth", "luna", "mars", "venus"].into_iter().zip(1..);
    let regions = regions.map(|(region, byte)| (name(region), vec![key(byte), key(byte + 10)])).collect();
    let limits = TenantLimits {
        jobs_max: 1,
        agents_max: 2,
        cpu_milli_max: u64::MAX,
        memory_mib_max: 4,
        gpu_milli_max: 5,
    };
    let (shard, mars) = (name("luna"), name("mars"));
    vec![
        ChainCommand::PauseMesh,
        ChainCommand::ResumeMesh,
        ChainCommand::PauseShard { shard: shard.clone() },
        ChainCommand::ResumeShard { shard: shard.clone() },
        ChainCommand::SetShard {
            name: shard.clone(),
            queue_budget: 64,
            latency_budget_ms: 1_300,
            spillover: vec![name("earth"), mars.clone()],
            specialties: vec![name("relay"), name("storage")],
        },
        ChainCommand::SetShardBudget { shard: shard.clone(), queue_budget: 1, latency_budget_ms: 2 },
        ChainCommand::SetShardWeight { shard: shard.clone(), weight_ppm: 1_000_000 },
        ChainCommand::SetSpillover { shard, spillover: vec![mars] },
        ChainCommand::SetThermostat { limit_ppm: 800_000 },
        ChainCommand::SetOptimisation {
            performance: 400_000,
            cost: 200_000,
            reliability: 300_000,
            sustainability: 100_000,
        },
        ChainCommand::SetVerification { level: 1, fraction_ppm: 50_000 },
        ChainCommand::SetMode { mode: ChainMode::Centralized(keys.clone()) },
        ChainCommand::SetMode { mode: ChainMode::Federated(regions) },
        ChainCommand::SetMode { mode: ChainMode::FullyDistributed },
        ChainCommand::SetMode { mode: ChainMode::GeometricMesh },
        ChainCommand::SetTenant { name: name("lab"), keys, limits },
        ChainCommand::ApproveWorker { worker: name("earth.core-alpha"), key: key(3) },
        ChainCommand::RevokeWorker { worker: name("earth.core-alpha") },
        ChainCommand::AdmitPeer { network_key: key(4), label: name("peer") },
        ChainCommand::BanPeer { network_key: key(4), reason: "flöds".into(), until_ms: u64::MAX },
        ChainCommand::SetPolicy { name: name("night"), document: b"{}".to_vec() },
        ChainCommand::RemovePolicy { name: name("night") },
        ChainCommand::Payload { data: vec![0, 1, 2] },
        ChainCommand::Reconcile { applied: 3, head: Hash([5; 32]) },
    ]
}

#[tokio::test]
async fn every_kind_of_command_comes_out_as_it_went_in() {
    let world = World::new().await;
    let commands = every_kind();
    world.command(&commands).await;
    let at = world.tip().await;
    let mut log = world.log();
    let logged = world.commands().read(&mut log, world.deployed_in, at).await.unwrap();
    let found: Vec<_> = logged.iter().map(|l| l.command().unwrap()).collect();
    assert_eq!(found, commands);
    assert_eq!(log.sequence(), commands.len() as u64);
    let registrar = Registrar { chain_id: 31_337, mesh: MESH };
    assert_eq!(
        translate::entry(&logged[2], &registrar),
        Ok(OwnerCommand::Pause { scope: Scope::Shard { shard: name("luna") } })
    );
    assert!(logged.iter().all(|l| translate::entry(l, &registrar).is_ok()));

    // The next read goes on where this one ended.
    world.command(&[ChainCommand::PauseMesh]).await;
    let more = world.commands().read(&mut log, at + 1, world.tip().await).await.unwrap();
    assert_eq!((more.len(), more[0].sequence), (1, commands.len() as u64 + 1));
    // From too late on, something is missing.
    let mut late = CommandLog::new(MESH);
    let missing = world.commands().read(&mut late, at + 1, world.tip().await).await;
    assert!(matches!(missing, Err(ContractError::Gap { expected: 1, .. })));
    assert_eq!(late, CommandLog::new(MESH), "a log that was not read is not moved on");
}

#[tokio::test]
async fn a_command_waits_and_is_executed_by_anybody_or_taken_back() {
    let world = World::with_delay(3_600).await;
    world
        .command(&[
            ChainCommand::SetThermostat { limit_ppm: 1 },
            ChainCommand::PauseMesh,
            ChainCommand::ResumeMesh,
        ])
        .await;
    let at = world.tip().await;
    assert_eq!(world.commands().head(at).await.unwrap().0, 1, "a pause never waits");
    let tickets = world.commands().waiting(world.deployed_in, at).await.unwrap();
    let seen: Vec<_> = tickets.iter().map(|t| (t.ticket, t.state, t.kind)).collect();
    assert_eq!(seen, [(1, TicketState::Waiting, 9), (2, TicketState::Waiting, 2)]);

    let calls = [phalanx_governance::safe::Call {
        to: world.deployment.commands,
        value: phalanx_governance::address::Wei(0),
        data: cancel_calldata(1),
    }];
    let tx = phalanx_governance::safe::SafeTx::of_calls(&calls, address(0), 1).unwrap();
    let mut file = phalanx_governance::safe::TxFile::new(world.chain.id(), world.safe.address(), tx);
    file.sign(&crate::world::signer(1)).unwrap();
    file.sign(&crate::world::signer(2)).unwrap();
    world.exec(&file).await;

    world.anvil.ask("evm_increaseTime", json!([3_600])).await;
    world.anvil.mine(1).await;
    let tickets = world.commands().waiting(world.deployed_in, world.tip().await).await.unwrap();
    assert_eq!(tickets.len(), 1);
    assert_eq!(tickets[0].state, TicketState::Ready);
    let call = TxPayload::call(world.deployment.commands, tickets[0].execute_calldata());
    world.payer.run(&call).await.unwrap();
    let mut log = world.log();
    let logged = world.commands().read(&mut log, world.deployed_in, world.tip().await).await.unwrap();
    let found: Vec<_> = logged.iter().map(|l| l.command().unwrap()).collect();
    assert_eq!(found, [ChainCommand::PauseMesh, ChainCommand::ResumeMesh]);
}

#[tokio::test]
async fn a_deployment_is_checked_to_the_code() {
    let world = World::new().await;
    let at = world.tip().await;
    let report = world.deployment.check(&world.chain, at).await.unwrap();
    assert_eq!(report.owner, world.safe.address());
    world.chain.check_code(world.deployment.anchor, &report.anchor_code, at).await.unwrap();

    let swapped = Deployment { anchor: world.deployment.registry, ..world.deployment };
    let refused = swapped.check(&world.chain, at).await;
    assert!(
        matches!(refused, Err(ContractError::OtherBuild { name: "CheckpointAnchor", .. })),
        "{refused:?}"
    );
    let nowhere = Deployment { commands: address(9), ..world.deployment };
    assert!(matches!(nowhere.check(&world.chain, at).await, Err(ContractError::Rpc(_))));
    let other = Deployment { mesh: Hash([1; 32]), ..world.deployment };
    assert!(matches!(other.check(&world.chain, at).await, Err(ContractError::OtherMesh { .. })));
}

#[tokio::test]
async fn a_new_set_is_pending_until_it_is_withdrawn_or_forced() {
    let world = World::new().await;
    let chain_id = world.chain.id();
    let next = validators(0..5);
    let proposed: Vec<ProposedValidator> = next
        .iter()
        .map(|v| {
            let is_old = world.validators.iter().any(|o| o.entry() == v.entry());
            ProposedValidator {
                entry: v.entry(),
                region: name("earth"),
                label: name("v"),
                registration: if is_old { Registration::NONE } else { v.registration(chain_id) },
            }
        })
        .collect();
    let propose = ChainCommand::SetValidators { validators: proposed };
    world.command(std::slice::from_ref(&propose)).await;
    let entries: Vec<_> = next.iter().map(|v| v.entry()).collect();
    let set_hash = phalanx_governance::digest::validator_set(&entries);
    let pending = world.registry().pending(world.tip().await).await.unwrap().unwrap();
    assert_eq!((pending.hash, pending.force), (set_hash, None));

    world.command(&[ChainCommand::WithdrawValidators { set_hash }]).await;
    assert_eq!(world.registry().pending(world.tip().await).await.unwrap(), None);

    world.command(&[propose, ChainCommand::RequestForce { set_hash }]).await;
    let pending = world.registry().pending(world.tip().await).await.unwrap().unwrap();
    assert!(pending.force.is_some());
    world.anvil.ask("evm_increaseTime", json!([3_600])).await;
    world.anvil.mine(1).await;
    world.command(&[ChainCommand::ExecuteForce { set_hash }]).await;
    let at = world.tip().await;
    assert_eq!(world.registry().current(at).await.unwrap(), (1, set_hash));
    assert_eq!(world.registry().forced_epochs(at).await.unwrap(), [1]);
    assert_eq!(world.registry().set_of(1, at).await.unwrap().entries, entries);
}

#[tokio::test]
async fn commands_are_given_out_when_they_are_deep_enough_and_once() {
    let world = World::new().await;
    let commands = world.commands();
    let mut watch = CommandWatch::from_start(MESH, world.deployed_in, 3);
    world.command(&[ChainCommand::PauseMesh]).await;
    assert_eq!(watch.look(&world.chain, &commands).await.unwrap(), []);
    world.anvil.mine(1).await;
    assert_eq!(watch.look(&world.chain, &commands).await.unwrap(), []);
    world.anvil.mine(1).await;
    assert_eq!(watch.look(&world.chain, &commands).await.unwrap().len(), 1);
    assert_eq!(watch.look(&world.chain, &commands).await.unwrap(), []);

    // A fork that is not deeper than the depth takes back only what was not given out.
    world.command(&[ChainCommand::ResumeMesh]).await;
    world.anvil.ask("anvil_reorg", json!([1, []])).await;
    world.anvil.mine(3).await;
    let given = watch.look(&world.chain, &commands).await.unwrap();
    assert!(given.len() <= 1, "{given:?}");

    // A deeper one is an alarm, and stays one.
    world.anvil.ask("anvil_reorg", json!([6, []])).await;
    for _ in 0..2 {
        let alarm = watch.look(&world.chain, &commands).await;
        assert!(matches!(alarm, Err(WatchError::DeepReorganisation { depth: 3, .. })), "{alarm:?}");
    }
}

#[tokio::test]
async fn watching_begins_behind_what_was_obeyed_and_sees_when_that_has_changed() {
    let world = World::new().await;
    world
        .command(&[
            ChainCommand::PauseMesh,
            ChainCommand::ResumeMesh,
            ChainCommand::SetThermostat { limit_ppm: 1 },
        ])
        .await;
    let mut log = world.log();
    let logged = world.commands().read(&mut log, world.deployed_in, world.tip().await).await.unwrap();
    let block = logged[1].block_number;
    assert_eq!(block, logged[2].block_number, "the third is in the block of the second");
    let head = logged[..2].iter().fold(Hash::ZERO, |head, c| next_head(&head, &c.hash));

    let commands = world.commands();
    let mut watch = CommandWatch::behind(MESH, 2, head, block, 1);
    let found = watch.look(&world.chain, &commands).await.unwrap();
    assert_eq!(found, logged[2..]);
    let mut changed = CommandWatch::behind(MESH, 2, Hash([9; 32]), block, 1);
    let alarm = changed.look(&world.chain, &commands).await;
    assert!(matches!(alarm, Err(WatchError::Contract(ContractError::Chain { .. }))), "{alarm:?}");
    let mut gone = CommandWatch::behind(MESH, 4, head, block, 1);
    let alarm = gone.look(&world.chain, &commands).await;
    assert!(
        matches!(alarm, Err(WatchError::Contract(ContractError::Withheld { expected: 3, found: 4 }))),
        "{alarm:?}"
    );
}
