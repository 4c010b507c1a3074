//! Valid bytes for every decoder.

use crate::{
    cubic,
    decoders::{NUMBER_KEY, TILE_SIZE, TRACE_JOBS, TRACE_MACHINES},
    mesh, routed,
    solo::Solo,
};
use phalanx_circuits::{
    claim::Claim,
    groth16::{Prover, setup_dev},
    r1cs::Circuit,
    snarkjs::{Calldata, proof_from_json, public_from_json},
    witness::Witness,
};
use phalanx_config::MomConfig;
use phalanx_consensus::{
    Application,
    wire::{Message, PolkaCertificate, RoundCertificate, RoundVote, SyncRequest, SyncResponse},
};
use phalanx_geometry::routing::{Algorithm, Message as Routed};
use phalanx_governance::{
    Address,
    contracts::{ChainCommand, ChainMode},
    safe::{Call, Operation, SafeTx, TxFile, builder::BuilderFile},
};
use phalanx_ledger::{Cf, MemoryKv, Witnesses, proof, record, snapshot::PartId};
use phalanx_p2p::{
    pacer::Pacer,
    records::{AddressBook, AddressRecord},
};
use phalanx_providers::{
    journal::{self, ProcessMark},
    shim,
};
use phalanx_replica::{
    Replica, checkpoint_file,
    snapshot::{Offered, Query, encode_query},
};
use phalanx_types::{
    AttemptId, Evidence, Hash, Height, JobId, OwnerCommand, PublicKey, ReceiptIndex, Round,
    cosign::{AccountSignature, CheckpointSignature, CosignQuery, Cosigned},
    encode,
    job::{CommandLimits, Outcome, OutcomeReport},
    key_file,
    owner::Scope,
    units::CheckpointNumber,
    vote::{ProposalClaim, Signed, ValidatorMessage, Vote, VoteKind},
};
use std::{sync::LazyLock, time::Duration};

static MESH: LazyLock<Replica<MemoryKv>> = LazyLock::new(mesh::run);

/// A snapshot of the mesh that the decoders of whole snapshots know.
static SNAPSHOT: LazyLock<Offered> = LazyLock::new(|| {
    let mut solo = Solo::open(MemoryKv::default()).unwrap();
    solo.offer_workers().unwrap();
    solo.decide(100).unwrap();
    for beat in 2..=7 {
        solo.send(vec![Solo::<MemoryKv>::job("mars", &format!("job {beat}")).unwrap()]);
        solo.decide(100).unwrap();
    }
    solo.replica.snapshot().unwrap().unwrap()
});

fn snapshot_queries() -> Vec<Query> {
    let height = SNAPSHOT.height();
    let receipts = PartId::Receipts(SNAPSHOT.manifest.first_receipt());
    vec![
        Query::Manifest,
        Query::Part { height, part: PartId::State(0) },
        Query::Part { height, part: receipts },
    ]
}

/// The payloads of a table of the small ledger.
fn table(wanted: Cf) -> Vec<Vec<u8>> {
    let records = MESH.ledger().kv().dump();
    let of_table = records.iter().filter(|(cf, ..)| *cf == wanted);
    of_table.map(|(cf, key, stored)| record::unwrap(*cf, key, stored).unwrap().to_vec()).collect()
}

fn meta(key: &[u8]) -> Vec<Vec<u8>> {
    let stored = phalanx_ledger::Kv::get(MESH.ledger().kv(), Cf::Meta, key).unwrap().unwrap();
    vec![record::unwrap(Cf::Meta, key, &stored).unwrap().to_vec()]
}

fn cubic_proof() -> Calldata {
    let proof = include_bytes!("../../circuits/tests/vectors/cubic.proof.json");
    let public = include_bytes!("../../circuits/tests/vectors/cubic.public.json");
    Calldata { inputs: public_from_json(public, 1).unwrap(), proof: proof_from_json(proof).unwrap() }
}

fn beat(height: u64) -> phalanx_types::Beat {
    MESH.ledger().beat(Height(height)).unwrap().unwrap()
}

fn vote(kind: VoteKind, beat: Option<Hash>) -> Signed<Vote> {
    let key = mesh::key(1);
    Vote {
        mesh: mesh::genesis().mesh,
        height: Height(9),
        round: Round(1),
        kind,
        beat,
        validator: key.public(),
    }
    .sign(&key)
}

fn claim(beat: Hash, lock_round: Option<Round>) -> Signed<ProposalClaim> {
    let key = mesh::key(1);
    let mesh = mesh::genesis().mesh;
    ProposalClaim { mesh, height: Height(9), round: Round(1), lock_round, beat, validator: key.public() }
        .sign(&key)
}

fn polka() -> PolkaCertificate {
    let vote = vote(VoteKind::Prevote, Some(Hash([1; 32])));
    PolkaCertificate {
        height: Height(9),
        round: Round(1),
        beat: Hash([1; 32]),
        signatures: vec![(vote.message.validator, vote.signature)],
    }
}

fn vote_lane() -> Vec<Vec<u8>> {
    let nil = vote(VoteKind::Precommit, None);
    let round = RoundCertificate {
        height: Height(9),
        round: Round(1),
        is_precommit: true,
        votes: vec![RoundVote {
            kind: VoteKind::Precommit,
            beat: None,
            validator: nil.message.validator,
            signature: nil.signature,
        }],
    };
    vec![
        Message::Vote(nil).encode(),
        Message::Vote(vote(VoteKind::Prevote, Some(Hash([1; 32])))).encode(),
        Message::Polka(polka()).encode(),
        Message::Round(round).encode(),
        Message::Status { height: Height(9) }.encode(),
    ]
}

fn proposal_lane() -> Vec<Vec<u8>> {
    let beat = beat(5);
    vec![
        Message::Proposal(claim(beat.id(), None), Box::new(beat.clone())).encode(),
        Message::Proposal(claim(beat.id(), Some(Round(0))), Box::new(beat)).encode(),
    ]
}

/// Records of the log by their layout: an index, then the fields.
fn log_records() -> Vec<Vec<u8>> {
    let beat = beat(5);
    let proposer = beat.header.proposer;
    vec![
        [vec![0], encode(&vote(VoteKind::Precommit, None))].concat(),
        [vec![1], encode(&(claim(beat.id(), None), &beat))].concat(),
        [vec![2], encode(&(Round(1), Some(Round(0)), proposer, &beat, true))].concat(),
        [vec![3], encode(&polka())].concat(),
        [vec![4], encode(&(2_u8, Round(1)))].concat(),
    ]
}

fn evidence() -> Vec<Vec<u8>> {
    vec![
        encode(&Evidence::votes(vote(VoteKind::Prevote, None), vote(VoteKind::Prevote, Some(Hash([1; 32]))))),
        encode(&Evidence::proposals(claim(Hash([1; 32]), None), claim(Hash([2; 32]), None))),
    ]
}

fn report(outcome: Outcome) -> OutcomeReport {
    OutcomeReport {
        worker: mesh::name("earth.core-alpha"),
        attempt: AttemptId { job: JobId([3; 32]), number: 2 },
        outcome,
        stdout_len: 12,
        stdout_sha3: Hash::sha3(b"hello world\n"),
        stderr_len: 0,
        stderr_sha3: Hash::sha3(b""),
        cpu_ms: 40,
        wall_ms: 55,
    }
}

fn journal() -> Vec<u8> {
    let attempt = AttemptId { job: JobId([3; 32]), number: 2 };
    let mark = ProcessMark { group: 4_711, start_ticks: 99, boot: "a boot".into() };
    let records = [
        journal::Record::Starting { attempt, worker: mesh::name("earth.core-alpha") },
        journal::Record::Started { attempt, mark },
        journal::Record::Ended { report: report(Outcome::NotStarted { reason: "no".into() }) },
        journal::Record::Forgotten { attempt },
    ];
    records.iter().flat_map(journal::frame).collect()
}

fn addresses() -> Vec<u8> {
    let mut book = AddressBook::new([1; 32]);
    for seed in 1..4 {
        let keypair = phalanx_p2p::records::keypair([seed; 32]).unwrap();
        let addresses = ["/ip4/127.0.0.1/tcp/7001".to_owned(), "/ip4/127.0.0.1/udp/7001/quic-v1".to_owned()];
        let record = AddressRecord::sign(&keypair, [1; 32], 7, &addresses).unwrap();
        assert!(book.insert(record, |_| true));
    }
    book.encode()
}

fn gossip() -> Vec<u8> {
    let mut pacer = Pacer::new(8, 1 << 10);
    assert!(pacer.push(vec![1; 40]) && pacer.push(vec![]) && pacer.push(vec![2; 9]));
    pacer.drain(Duration::ZERO).unwrap()
}

fn sync_response() -> Vec<Vec<u8>> {
    let decided = |height| {
        let (_, certificate) = MESH.decided(Height(height)).unwrap().unwrap();
        (beat(height), certificate)
    };
    vec![
        encode(&SyncResponse::Beats(vec![])),
        encode(&SyncResponse::Beats((1..4).map(decided).collect())),
        encode(&SyncResponse::Snapshot(SNAPSHOT.answer(&Query::Manifest))),
    ]
}

fn state_entries() -> Vec<Vec<u8>> {
    let entries = MESH.ledger().state_entries().unwrap();
    entries
        .iter()
        .map(|(column, key, value)| [&[column.0, key.len() as u8], &key[..], value].concat())
        .collect()
}

/// Witnesses of the small ledger's agents, actions and receipts, as far as it has any.
fn witnesses() -> Vec<Vec<u8>> {
    let witnesses = Witnesses::new(MESH.ledger().kv());
    let last = witnesses.last().unwrap();
    let agents = MESH.fabric().agents().map(|(id, _)| *id);
    let positions = agents.filter_map(|id| witnesses.position_witness(&id, last).ok()).map(Witness::Position);
    let integrity = witnesses.integrity_witness(ReceiptIndex(0), ReceiptIndex(4)).unwrap();
    let all = positions.chain([Witness::Integrity(integrity)]);
    all.map(|witness| witness.to_json().unwrap().as_bytes().to_vec()).collect()
}

/// A proof of the smallest statement.
fn statement_proof() -> Vec<u8> {
    let integrity =
        Witnesses::new(MESH.ledger().kv()).integrity_witness(ReceiptIndex(0), ReceiptIndex(4)).unwrap();
    let claim = Claim::integrity(integrity).unwrap();
    let circuit = Circuit::new(claim.statement()).unwrap();
    let prover = Prover::new(&circuit, setup_dev(&circuit, &[7; 32]).unwrap()).unwrap();
    claim.prove(&prover, &[8; 32]).unwrap().to_json().into_bytes()
}

/// A kind, then the payload.
fn chain_commands() -> Vec<Vec<u8>> {
    let name = mesh::name;
    let key = |byte| PublicKey([byte; 32]);
    let regions = ["a", "b", "c", "d"].into_iter().zip(1..).map(|(r, n)| (name(r), vec![key(n), key(n + 9)]));
    let commands = [
        ChainCommand::PauseMesh,
        ChainCommand::SetSpillover { shard: name("luna"), spillover: vec![name("earth"), name("mars")] },
        ChainCommand::SetMode { mode: ChainMode::Federated(regions.collect()) },
        ChainCommand::BanPeer { network_key: key(4), reason: "flöds".into(), until_ms: u64::MAX },
        ChainCommand::SetPolicy { name: name("night"), document: b"{}".to_vec() },
    ];
    commands.iter().map(|command| [&[command.kind()][..], &command.payload()].concat()).collect()
}

fn owner_tx() -> TxFile {
    let tx = SafeTx {
        to: Address([2; 20]),
        value: Default::default(),
        data: ChainCommand::PauseMesh.calldata(),
        operation: Operation::Call,
        nonce: 7,
    };
    TxFile::new(31_337, Address([1; 20]), tx)
}

fn builder_file() -> Vec<u8> {
    let file = owner_tx();
    BuilderFile {
        chain_id: file.chain_id,
        safe: Some(file.safe),
        name: "pause".into(),
        description: String::new(),
        calls: vec![Call { to: file.tx.to, value: file.tx.value, data: file.tx.data }],
        had_checksum: true,
    }
    .write(1_700_000_000_000)
    .into_bytes()
}

/// Valid bytes for the decoder of this name.
pub fn samples(decoder: &str) -> Vec<Vec<u8>> {
    let genesis = mesh::genesis();
    match decoder {
        "envelope" => (1..=mesh::BEATS).flat_map(|h| beat(h).envelopes).map(|e| encode(&e)).collect(),
        "beat" | "stored_beat" => table(Cf::Beats),
        "certificate" | "stored_certificate" => table(Cf::Certificates),
        "validator_set" | "stored_set" => table(Cf::Sets),
        "evidence" => evidence(),
        "vote_lane" => vote_lane(),
        "proposal_lane" => proposal_lane(),
        "sync_request" => vec![
            encode(&SyncRequest::Beats { from: Height(3), count: 64 }),
            encode(&SyncRequest::Snapshot { query: encode_query(&Query::Manifest) }),
        ],
        "snapshot_query" => snapshot_queries().iter().map(encode_query).collect(),
        "snapshot_manifest" => vec![SNAPSHOT.answer(&Query::Manifest)],
        "snapshot_part" => snapshot_queries().iter().skip(1).map(|query| SNAPSHOT.answer(query)).collect(),
        "snapshot_file" => vec![SNAPSHOT.to_file()],
        "checkpoint_file" => vec![checkpoint_file::make(&SNAPSHOT).unwrap()],
        "sync_response" => sync_response(),
        "address_records" => vec![addresses()],
        "gossip_payloads" => vec![vec![], gossip()],
        "cosign_signatures" => {
            let signature = |number| CheckpointSignature {
                number: CheckpointNumber(number),
                checkpoint: Hash([3; 32]),
                signature: AccountSignature([4; 64]),
            };
            vec![encode(&vec![signature(1)]), encode(&(1..=64).map(signature).collect::<Vec<_>>())]
        }
        "cosign_query" => vec![encode(&CosignQuery { from: CheckpointNumber(9), count: 64 })],
        "cosign_answer" => {
            let known =
                Cosigned { checkpoint: Hash([3; 32]), signatures: vec![AccountSignature([4; 64]); 4] };
            vec![
                encode(&Vec::<(CheckpointNumber, Cosigned)>::new()),
                encode(&vec![(CheckpointNumber(9), known)]),
            ]
        }
        "chain_command" => chain_commands(),
        "owner_tx" => vec![owner_tx().write().unwrap().into_bytes()],
        "builder_file" => vec![builder_file()],
        "eip_signature" => vec![[&[1; 32][..], &[2; 32], &[27]].concat()],
        "policy" => vec![
            br#"{"binds":"all","constraints":[]}"#.to_vec(),
            br#"{"binds": {"tenants": ["security"]}, "idle_max_ms": 86400000, "prove": true, "constraints": [
                {"name": "near-core", "rule": {"within": {"of": "core", "delta_micro": 1500000}}},
                {"name": "off-mars", "rule": {"beyond": {"of": {"region": "mars"}, "delta_micro": 200000}}},
                {"name": "at-home", "rule": {"inside": {"regions": ["earth", "luna"]}}},
                {"name": "alone", "rule": {"apart": {"delta_micro": 250000}}}]}"#
                .to_vec(),
        ],
        "mom_config_toml" => vec![
            Vec::new(),
            include_bytes!("../../node/config/tests/examples/geometric_mesh.toml").to_vec(),
            include_bytes!("../../node/config/tests/examples/federated.toml").to_vec(),
        ],
        "mom_config_json" => vec![
            b"{}".to_vec(),
            serde_json::to_vec(&MomConfig::default()).unwrap(),
            include_bytes!("../../node/config/tests/examples/sample.json").to_vec(),
        ],
        "trace_machines" => vec![TRACE_MACHINES.to_vec()],
        "trace_jobs" => vec![TRACE_JOBS.to_vec()],
        "request_frame" => vec![[&5_u32.to_le_bytes()[..], b"bytes"].concat()],
        "log_frames" => vec![log_records().iter().flat_map(|r| phalanx_types::frames::frame(r)).collect()],
        "log_record" => log_records(),
        "journal" => vec![journal()],
        "shim_task" => vec![
            serde_json::to_vec(&shim::Task {
                program: "/bin/true".into(),
                args: vec!["--grüße".into()],
                folder: "work/1".into(),
                limits: CommandLimits::default(),
            })
            .unwrap(),
        ],
        "shim_exit" => vec![serde_json::to_vec(&shim::Exit::not_started("no")).unwrap()],
        "key_file" => vec![key_file::write(&mesh::key(1)).unwrap().as_bytes().to_vec()],
        "stored_record" => vec![record::wrap(Cf::Receipts, &NUMBER_KEY, b"payload".to_vec())],
        "stored_tip" => meta(b"tip"),
        "stored_edge" => meta(b"edge"),
        "stored_genesis" => meta(b"genesis"),
        "stored_range" => table(Cf::Ranges),
        "stored_checkpoint" => table(Cf::Checkpoints),
        "stored_hidden" => table(Cf::Hidden),
        "stored_tile" => vec![vec![7; 32 * TILE_SIZE as usize]],
        "state_entry" => state_entries(),
        "receipt" => table(Cf::Receipts),
        "proof_file" => {
            let ledger = MESH.ledger();
            [1, 4, ledger.tip().next_receipt.0 - 1]
                .map(|index| proof::export(ledger, ReceiptIndex(index)).unwrap())
                .to_vec()
        }
        "audit_path" => {
            let path = |index| Witnesses::new(MESH.ledger().kv()).audit_path(ReceiptIndex(index));
            [0, 4].map(|index| path(index).unwrap().to_json().unwrap()).to_vec()
        }
        "genesis_json" => vec![serde_json::to_vec(&genesis).unwrap()],
        "job_list" => vec![serde_json::to_vec(&[mesh::job()]).unwrap()],
        "owner_command" => vec![
            serde_json::to_vec(&OwnerCommand::Pause { scope: Scope::Mesh }).unwrap(),
            serde_json::to_vec(&OwnerCommand::SetValidator { validator: genesis.validators[0].clone() })
                .unwrap(),
            serde_json::to_vec(&OwnerCommand::Payload { bytes: vec![1, 2] }).unwrap(),
        ],
        "witness" => witnesses(),
        "statement_proof" => vec![statement_proof()],
        "snarkjs_proof" => vec![include_bytes!("../../circuits/tests/vectors/cubic.proof.json").to_vec()],
        "snarkjs_public" => vec![include_bytes!("../../circuits/tests/vectors/cubic.public.json").to_vec()],
        "snarkjs_key" => vec![include_bytes!("../../circuits/tests/vectors/cubic.vk.json").to_vec()],
        "calldata" => vec![cubic_proof().to_hex().into_bytes()],
        "zkey" => vec![include_bytes!("../../circuits/tests/vectors/cubic.zkey").to_vec()],
        "proving_key" => vec![setup_dev(&cubic::circuit(), &[7; 32]).unwrap().encode()],
        "verifying_key" => {
            vec![setup_dev(&cubic::circuit(), &[7; 32]).unwrap().verifying_key().encode()]
        }
        "routed_message" => {
            let place = phalanx_types::agent::Position(vec![1 << 30, -5]);
            Algorithm::ALL.map(|by| Routed::new(by, 1_u32, 2, place.clone()).unwrap().encode()).to_vec()
        }
        "told_places" => vec![routed::told()],
        "directed_message" => routed::messages(),
        "directed_answer" => routed::answers(),
        "hosted_workers" => vec![routed::hosted()],
        "hash" => vec![Hash([0xab; 32]).to_string().into_bytes()],
        "name" => vec![b"mars.gpu-helion".to_vec()],
        other => panic!("the decoder {other} has no samples: add some"),
    }
}
