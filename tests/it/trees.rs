//! The trees of agents and actions: whatever happens to agents, each is in them, a node that
//! was started anew or began from a snapshot cuts the same, and what they open to is proven
//! by the circuits' twins.

use phalanx_circuits::{
    action, integrity,
    native::{Fr, bytes_of},
    position,
};
use phalanx_ledger::{
    MemoryKv, Witnesses,
    audit::{self, AuditFile},
    fsck::fsck,
    proof::VerifyError,
};
use phalanx_replica::snapshot;
use phalanx_tests::solo::Solo;
use phalanx_types::{
    AgentId, AgentSpec, Field, Hash, Name, Operation, OwnerCommand, ReceiptIndex, ReceiptKind, Resources,
    agent::{Affinity, AgentSeed},
    units::CheckpointNumber,
};
use serde_json::Value;

fn name(text: &str) -> Name {
    Name::new(text).unwrap()
}

fn spawn(region: &str, n: u8) -> Operation {
    Operation::SpawnAgent(Box::new(AgentSpec {
        label: format!("agent {n}"),
        tenant: name("tenant"),
        region: name(region),
        stack: Hash([n; 32]),
        position: None,
        affinity: Affinity { skills: [name("general")].into(), ..Affinity::default() },
        resources: Resources { cpu_milli: 10, memory_mib: 16, ..Resources::default() },
        policy: name("default"),
        wishes: Vec::new(),
        seed: AgentSeed([n; 32]),
    }))
}

fn declare(document: &str) -> Operation {
    Operation::Command(Box::new(OwnerCommand::SetPolicy {
        name: name("zones"),
        document: document.as_bytes().to_vec(),
    }))
}

const ZONES: &str = r#"{"binds": "all", "prove": true, "constraints": [
    {"name": "near", "rule": {"within": {"of": "core", "delta_micro": 9000000}}},
    {"name": "far", "rule": {"beyond": {"of": {"region": "helios"}, "delta_micro": 1000}}}]}"#;

/// What happens before the beat after `height`.
fn happens(solo: &mut Solo<MemoryKv>, height: u64) {
    let alive: Vec<(AgentId, Name)> =
        solo.replica.fabric().agents().map(|(id, agent)| (*id, agent.worker.clone())).collect();
    let workers: Vec<Name> = solo.replica.fabric().workers().map(|(name, _)| name.clone()).collect();
    let mut operations = vec![];
    match height % 6 {
        1 | 2 => operations.extend((0..2).map(|n| spawn("earth", (height * 2 + n) as u8))),
        3 => operations.extend(alive.iter().step_by(2).filter_map(|(agent, worker)| {
            let to = workers.iter().find(|w| *w != worker && !w.as_str().starts_with("helios"))?;
            Some(Operation::MigrateAgent { agent: *agent, worker: to.clone() })
        })),
        4 if height > 6 => {
            operations.extend(alive.first().map(|(agent, _)| Operation::TerminateAgent { agent: *agent }))
        }
        5 => operations.push(if height % 12 == 5 {
            declare(ZONES)
        } else {
            Operation::Command(Box::new(OwnerCommand::RemovePolicy { name: name("zones") }))
        }),
        _ => {}
    }
    let sign_of_life = Operation::Heartbeat { workers };
    operations.push(sign_of_life);
    solo.send(operations);
}

fn live(solo: &mut Solo<MemoryKv>, beats: u64) {
    for _ in 0..beats {
        let height = solo.replica.ledger().tip().height.0;
        if height == 0 {
            solo.offer_workers().unwrap();
        } else {
            happens(solo, height);
        }
        solo.decide(100).unwrap();
    }
}

fn open() -> (Solo<MemoryKv>, MemoryKv) {
    let kv = MemoryKv::default();
    (Solo::open(kv.clone()).unwrap(), kv)
}

#[test]
fn a_node_that_is_started_anew_or_joins_cuts_the_same_trees() {
    for beats in 1..=22 {
        let (mut there, kv) = open();
        live(&mut there, beats);
        let file = there.replica.snapshot().unwrap().unwrap().to_file();
        let joined = snapshot::read_file(&file, &there.genesis).unwrap();
        let (mut joining, joining_kv) = open();
        joining.replica.restore(joined).unwrap();
        // As after a restart.
        let mut joining = Solo::open(joining_kv.clone()).unwrap();
        live(&mut joining, 11);

        let copy = kv.deep_clone();
        let mut again = Solo::open(copy.clone()).unwrap();
        live(&mut again, 11);
        live(&mut there, 11);

        let tip = there.replica.ledger().tip();
        assert!(tip.checkpoint.0 >= 2);
        assert_eq!(again.replica.ledger().tip(), tip, "after {beats}");
        assert_eq!(joining.replica.ledger().tip(), tip, "after {beats}");
        assert_eq!(copy.dump(), kv.dump(), "after {beats}");
        for kv in [kv, copy, joining_kv] {
            let report = fsck(&kv);
            assert!(report.is_clean(), "after {beats}: {:?}", report.first);
        }
    }
}

#[test]
fn a_burst_in_one_beat_is_cut_whole_and_its_slots_are_taken_again() {
    const BURST: usize = 640;
    let (mut there, kv) = open();
    live(&mut there, 1);
    let many = |solo: &mut Solo<MemoryKv>, operations: Vec<Operation>| {
        for some in operations.chunks(64) {
            solo.send(some.to_vec());
        }
        solo.decide(100).unwrap();
    };
    many(&mut there, (0..BURST).map(|n| spawn("earth", n as u8)).collect());
    let alive: Vec<AgentId> = there.replica.fabric().agents().map(|(id, _)| *id).collect();
    assert_eq!(alive.len(), BURST);
    // In one beat most of them end, and others take their slots.
    let ended = alive.iter().take(500).map(|agent| Operation::TerminateAgent { agent: *agent });
    let new = (0..BURST).map(|n| spawn("luna", n as u8));
    many(&mut there, ended.chain(new).collect());
    let mut again = Solo::open(kv.deep_clone()).unwrap();
    for _ in 0..11 {
        there.decide(100).unwrap();
        again.decide(100).unwrap();
    }
    assert!(there.replica.ledger().tip().checkpoint.0 >= 1);
    assert_eq!(again.replica.ledger().tip(), there.replica.ledger().tip());
    let report = fsck(&kv);
    assert!(report.is_clean(), "{:?}", report.first);
}

#[test]
fn every_agent_and_action_of_every_checkpoint_is_proven_by_the_twins() {
    let (mut solo, _) = open();
    live(&mut solo, 60);
    let ledger = solo.replica.ledger();
    let witnesses = Witnesses::new(ledger.kv());
    let ids: Vec<AgentId> = solo.replica.fabric().agents().map(|(id, _)| *id).collect();
    assert!(ids.len() > 10);
    let (mut positions, mut actions, mut claimed) = (0, 0, 0);
    for id in &ids {
        for number in 1..=ledger.tip().checkpoint.0 {
            let Ok(witness) = witnesses.position_witness(id, CheckpointNumber(number)) else { continue };
            let root = ledger.checkpoint(witness.checkpoint).unwrap().unwrap().agents_root;
            let dimension = witness.agent.position.0.len();
            let policy = witness.policy.to_native().unwrap();
            for rule in &witness.policy.rules {
                let secret = position::Secret {
                    agent: witness.agent.clone(),
                    path: witness.path.clone(),
                    region: rule.center.clone(),
                    policy: policy.clone(),
                };
                let public =
                    position::Public::of(&secret, rule.reach, rule.selector, true, Fr::from(7)).unwrap();
                assert_eq!(bytes_of(public.agents_root), root);
                let statement = position::Position::new(dimension).unwrap();
                position::check(&statement, &public.inputs(), &secret).unwrap();
                claimed += usize::from(rule.policy.as_str() == "zones");
            }
            positions += 1;
        }
        let last = solo.replica.fabric().agent(id).unwrap().nonce;
        for nonce in 1..=last {
            let Ok(witness) = witnesses.action_witness(id, Some(nonce)) else { continue };
            let root = ledger.checkpoint(witness.checkpoint).unwrap().unwrap().audit_root;
            let rule = witness.policy.rules.first().unwrap();
            let secret = action::Secret {
                before: witness.before.clone(),
                after: witness.after.clone(),
                region: rule.center.clone(),
                policy: witness.policy.to_native().unwrap(),
                worker: witness.worker,
                index: witness.index,
                beat: witness.beat,
                path: witness.path.clone(),
            };
            let public = action::Public::of(&secret, rule.reach, rule.selector, Fr::from(7)).unwrap();
            assert_eq!(bytes_of(public.audit_root), root);
            let statement = action::Action::new(secret.before.position.0.len()).unwrap();
            action::check(&statement, &public.inputs(), &secret).unwrap();
            actions += 1;
        }
    }
    assert!(positions > 60 && actions > 20 && claimed > 40, "{positions} {actions} {claimed}");
    // Whom a policy binds is who has a rule of it.
    let mut bound = 0;
    for number in (1..=ledger.tip().checkpoint.0).map(CheckpointNumber) {
        let agents = witnesses.bound_agents(&name("zones"), number).unwrap();
        for id in &ids {
            let has_rule = witnesses
                .position_witness(id, number)
                .is_ok_and(|w| w.policy.rules.iter().any(|rule| rule.policy.as_str() == "zones"));
            assert_eq!(agents.contains(id), has_rule, "{id} {number}");
        }
        bound += agents.len();
        assert!(witnesses.bound_agents(&name("other"), number).unwrap().is_empty());
    }
    assert!(bound > 40, "{bound}");
    assert!(witnesses.position_witness(&AgentId([9; 32]), ledger.tip().checkpoint).is_err());
    assert!(witnesses.action_witness(&ids[0], Some(10_000)).is_err());
}

#[test]
fn the_record_between_two_receipts_is_proven_across_checkpoints() {
    let (mut solo, _) = open();
    live(&mut solo, 31);
    let ledger = solo.replica.ledger();
    let witnesses = Witnesses::new(ledger.kv());
    let first_of = |beat: u64| ledger.range(phalanx_types::Height(beat)).unwrap().unwrap().0;
    for (from, to) in [(1, 2), (4, 6), (0, 16), (9, 25)] {
        let witness = witnesses.integrity_witness(first_of(from), first_of(to)).unwrap();
        let root = ledger.checkpoint(witness.checkpoint).unwrap().unwrap().audit_root;
        let secret = integrity::Secret {
            from: witness.from,
            receipts_roots: witness.receipts_roots,
            path: witness.path,
        };
        let public = integrity::Public::of(&secret, witness.first).unwrap();
        assert_eq!((bytes_of(public.audit_root), public.count), (root, (to - from) as u32));
        integrity::check(&public.inputs(), &secret).unwrap();
    }
    for (from, to) in [(5, 5), (6, 5), (1, 18)] {
        assert!(witnesses.integrity_witness(first_of(from), first_of(to)).is_err(), "{from} {to}");
    }
    assert!(witnesses.integrity_witness(first_of(30), first_of(31)).is_err(), "no checkpoint has beat 31");
}

#[test]
fn no_coordinate_and_no_distance_can_be_read_from_receipts_of_agents() {
    let (mut solo, _) = open();
    live(&mut solo, 60);
    let ledger = solo.replica.ledger();
    let mut of_agents = 0;
    for index in 0..ledger.tip().next_receipt.0 {
        let receipt = ledger.receipt(ReceiptIndex(index)).unwrap().unwrap();
        if !matches!(
            receipt.kind,
            ReceiptKind::AgentSpawned
                | ReceiptKind::AgentMoved
                | ReceiptKind::AgentMigrated
                | ReceiptKind::AgentHeld
                | ReceiptKind::AgentTerminated
        ) {
            continue;
        }
        of_agents += 1;
        let text = String::from_utf8(receipt.canonical_bytes()).unwrap();
        for hidden in ledger.hidden(receipt.index).unwrap() {
            let Field::List(coordinates) = &hidden.value else { panic!("{hidden:?}") };
            for coordinate in coordinates {
                let Field::Text(digits) = coordinate else { panic!("{coordinate:?}") };
                // A zero says nothing; other coordinates have many digits.
                assert!(digits == "0" || digits.len() < 5 || !text.contains(digits.as_str()), "{text}");
            }
        }
        // What is told beside hashes, names and counts is what an agent takes.
        for (key, field) in &receipt.data {
            let is_known = matches!(
                key.as_ref(),
                "action"
                    | "constraint"
                    | "cpu_milli"
                    | "gpu_milli"
                    | "is_there"
                    | "label"
                    | "memory_mib"
                    | "nonce"
                    | "policy"
                    | "policy_that_binds"
                    | "reason"
                    | "stack"
                    | "worker_after"
                    | "worker_before"
            );
            let is_salted = matches!(field, Field::Map(map) if map.keys().eq(["salted"]));
            assert!(is_known || is_salted, "{key}: {field:?}");
        }
    }
    assert!(of_agents > 40, "{of_agents}");
}

/// Every value of a JSON document that holds no others, by its pointer.
fn values(value: &Value, at: String, found: &mut Vec<String>) {
    match value {
        Value::Object(map) => map.iter().for_each(|(key, value)| values(value, format!("{at}/{key}"), found)),
        Value::Array(list) => {
            list.iter().enumerate().for_each(|(i, value)| values(value, format!("{at}/{i}"), found));
        }
        _ => found.push(at),
    }
}

#[test]
fn every_receipt_of_a_checkpoint_leads_to_its_audit_root_and_actions_have_a_leaf_of_their_own() {
    let (mut there, _) = open();
    live(&mut there, 23);
    let file = there.replica.snapshot().unwrap().unwrap().to_file();
    let joined = snapshot::read_file(&file, &there.genesis).unwrap();
    let (mut joining, _) = open();
    joining.replica.restore(joined).unwrap();
    let mut joining = Solo::open(joining.replica.ledger().kv().clone()).unwrap();
    live(&mut joining, 11);
    live(&mut there, 11);
    let ledger = there.replica.ledger();
    let of = |solo: &Solo<MemoryKv>, index: u64| {
        Witnesses::new(solo.replica.ledger().kv()).audit_path(ReceiptIndex(index))
    };
    let path = |index: u64| of(&there, index).unwrap();
    let (mut actions, mut others, mut behind, mut ahead) = (0, 0, 0, 0);
    for index in 0..ledger.tip().interval_receipt.0 {
        let receipt = ledger.receipt(ReceiptIndex(index)).unwrap().unwrap();
        let bytes = path(index).to_json().unwrap();
        let shown = audit::verify(&bytes).unwrap_or_else(|error| panic!("receipt {index}: {error}"));
        let checkpoint = ledger.checkpoint_of(receipt.index).unwrap().unwrap();
        assert_eq!((shown.receipt_hash, shown.index), (receipt.hash(), receipt.index));
        assert_eq!((shown.audit_root, shown.checkpoint_hash), (checkpoint.audit_root, checkpoint.hash()));
        let is_action = matches!(receipt.kind, ReceiptKind::AgentMoved | ReceiptKind::AgentMigrated);
        assert_eq!(shown.action.is_some(), is_action, "receipt {index}");
        *(if is_action { &mut actions } else { &mut others }) += 1;
        // Who began from a snapshot gives the same, or says that it was not there.
        match of(&joining, index) {
            Ok(file) => {
                ahead += 1;
                assert_eq!(file.to_json().unwrap(), bytes, "receipt {index}");
            }
            Err(error) => {
                behind += 1;
                assert!(error.to_string().contains("ask a node that was there"), "{error}");
            }
        }
    }
    assert!(actions > 20 && others > 40 && ahead > 20 && behind > 40, "{actions} {others} {ahead} {behind}");

    let tip = ledger.tip();
    for (index, why) in [
        (tip.interval_receipt.0, "in no checkpoint yet"),
        (tip.next_receipt.0 - 1, "in no checkpoint yet"),
        (tip.next_receipt.0, "there is no receipt"),
        (u64::MAX, "there is no receipt"),
    ] {
        let error = of(&there, index).unwrap_err().to_string();
        assert!(error.contains(why), "{index}: {error}");
    }
}

#[test]
fn no_value_of_an_audit_path_can_be_changed_under_its_checkpoint() {
    let (mut solo, _) = open();
    live(&mut solo, 31);
    let ledger = solo.replica.ledger();
    let of = |index| Witnesses::new(ledger.kv()).audit_path(ReceiptIndex(index)).unwrap();
    let last = ledger.tip().interval_receipt.0;
    let with_action = (0..last).rev().map(of).find(|file| file.action.is_some()).unwrap();
    let without =
        (0..last).map(of).find(|file| file.action.is_none() && file.beat.receipts.count > 2).unwrap();
    for honest in [&with_action, &without] {
        let bytes = honest.to_json().unwrap();
        let trusted = honest.checkpoint.hash();
        assert!(audit::verify(&bytes).is_ok());
        let honest: Value = serde_json::from_slice(&bytes).unwrap();
        let mut found = Vec::new();
        values(&honest, String::new(), &mut found);
        assert!(found.len() > 60);
        for pointer in found {
            let mut forged = honest.clone();
            let value = forged.pointer_mut(&pointer).unwrap();
            *value = match &*value {
                Value::String(text) => match text.parse::<u64>() {
                    Ok(number) if text.len() < 20 => (number + 1).to_string().into(),
                    _ => format!("{}{}", if text.starts_with('1') { "2" } else { "1" }, &text[1..]).into(),
                },
                Value::Number(number) => (number.as_u64().unwrap() + 1).into(),
                Value::Bool(value) => (!value).into(),
                other => panic!("{pointer}: {other}"),
            };
            // Of a beat's receipts only the root is bound: that the receipt is among them is shown, not
            // of how many it is.
            if pointer == "/beat/receipts/count" {
                continue;
            }
            if let Ok(shown) = audit::verify(&serde_json::to_vec(&forged).unwrap()) {
                assert_ne!(shown.checkpoint_hash, trusted, "{pointer}");
                assert!(pointer.starts_with("/checkpoint/"), "{pointer}");
            }
        }
    }

    // What is taken away, or put in place of another's.
    let refused = |file: &AuditFile, part: &str| {
        let told = audit::verify(&file.to_json().unwrap()).unwrap_err().to_string();
        assert!(told.starts_with(part), "{part}: {told}");
    };
    refused(&AuditFile { action: None, ..with_action.clone() }, "action: the receipt tells the action");
    let more = AuditFile { action: with_action.action.clone(), ..without.clone() };
    refused(&more, "action: the receipt tells no action");
    let mut moved = without.clone();
    moved.beat.place.index += 4;
    refused(&moved, "beat.place: it does not lead");
    let mut moved = without.clone();
    moved.beat.receipts.index = (moved.beat.receipts.index + 1) % moved.beat.receipts.count;
    refused(&moved, "beat.receipts: it does not lead");
    let mut high = without.clone();
    high.beat.place.path.pop();
    refused(&high, "beat.place: it does not lead");
    let other = AuditFile { checkpoint: of(0).checkpoint, ..with_action.clone() };
    refused(&other, "receipt.beat: the beat is not in");
    for bytes in [&b""[..], b"{}", b"null", &vec![b' '; audit::AUDIT_BYTES_MAX + 1]] {
        assert!(matches!(audit::verify(bytes), Err(VerifyError::Unreadable(_))));
    }
    let newer = AuditFile { version: 2, ..without };
    assert!(matches!(audit::verify(&newer.to_json().unwrap()), Err(VerifyError::Unreadable(_))));
}
