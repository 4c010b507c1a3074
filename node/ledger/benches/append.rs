//! Appending receipts in batches of 100: both trees, chain, index and state,
//! synced, against synced RocksDB batches of the same receipts' bytes.

#![allow(missing_docs)]
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use phalanx_ledger::{Batch, BeatMeta, Cf, Durability, Kv, Ledger, RocksKv};
use phalanx_types::{
    Beat, CommitCertificate, Field, Genesis, Hash, Header, Height, Name, Params, ReceiptDraft, ReceiptKind,
    RegisteredSet, Round, Signature, SigningKey, TimeMs, Validator, ValidatorSet, Weight,
    params::{Mode, Verification},
    shard::ShardSpec,
    validator::Member,
};
use std::time::{Duration, Instant};

/// As in the binary.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

const BATCH: u64 = 100;
const BATCHES: u64 = 400;
const GOAL: f64 = 0.5;

fn genesis(key: &SigningKey) -> Genesis {
    let region = Name::new("earth").unwrap();
    Genesis {
        mesh: Hash([7; 32]),
        time: TimeMs(1_000),
        chain: None,
        owner: key.public(),
        validators: vec![Validator {
            vote_key: key.public(),
            network_key: key.public(),
            chain_address: [0; 20],
            base_weight: Weight(1),
            region: region.clone(),
            label: region.clone(),
        }],
        mode: Mode::FullyDistributed,
        verification: Verification::FullAudit,
        shards: vec![ShardSpec {
            name: region,
            queue_budget: 1,
            latency_budget_ms: 1,
            spillover: Vec::new(),
            specialties: [].into(),
        }],
        latencies: Vec::new(),
        tenants: Vec::new(),
        workers: [].into(),
        params: Params::default(),
    }
}

/// A receipt as a beat makes them: an attempt's end with its digests.
fn draft(beat: u64, number: u64) -> ReceiptDraft {
    let hash = Hash::sha3(&(beat * BATCH + number).to_le_bytes());
    let fields = [
        ("worker", Field::text("earth.core-alpha")),
        ("attempt", Field::u32(1)),
        ("outcome", Field::text("succeeded")),
        ("stdout_sha3", Field::text(hash)),
        ("stderr_sha3", Field::text(Hash::ZERO)),
        ("wall_ms", Field::u32(120)),
    ];
    ReceiptDraft {
        kind: ReceiptKind::AttemptEnded,
        subject: hash.to_string(),
        actor: "worker".to_owned(),
        tenant: Some(Name::new("tenant").unwrap()),
        inputs: hash,
        data: fields.into_iter().map(|(key, value)| (key.into(), value)).collect(),
        causes: Vec::new(),
        trace_id: None,
        hidden: Vec::new(),
    }
}

fn rate(took: Duration) -> f64 {
    (BATCH * BATCHES) as f64 / took.as_secs_f64()
}

fn main() {
    let folder =
        tempfile::tempdir_in(std::env::var_os("CARGO_TARGET_DIR").unwrap_or_else(|| "/tmp".into())).unwrap();
    let key = SigningKey::from_seed([1; 32]);
    let genesis = genesis(&key);
    let set =
        ValidatorSet::new(vec![Member { key: key.public(), weight: Weight(1) }], vec![key.public()]).unwrap();
    let store = RocksKv::open(&folder.path().join("ledger")).unwrap();
    let mut ledger = Ledger::create(store, &genesis, &[], &[], &set).unwrap();
    let mut bytes = Vec::new();
    let mut took = Duration::ZERO;
    for beat in 1..=BATCHES {
        let drafts: Vec<ReceiptDraft> = (0..BATCH).map(|number| draft(beat, number)).collect();
        let tip = ledger.tip();
        let meta = BeatMeta {
            height: Height(beat),
            time: TimeMs(1_000 + beat),
            parent: tip.header_id,
            policy_version: 0,
            verification: Verification::FullAudit,
            checkpoint_due: beat % 32 == 0,
            registered: RegisteredSet::first(&genesis.validators),
        };
        let (parent, parent_certificate) = (tip.header_id, tip.certificate.clone());
        let began = Instant::now();
        let prepared = ledger.prepare(&meta, &drafts, &[]);
        let header = Header {
            mesh: genesis.mesh,
            height: meta.height,
            parent,
            parent_certificate: parent_certificate.as_ref().map_or(Hash::ZERO, CommitCertificate::hash),
            time: meta.time,
            inputs_root: Hash::ZERO,
            receipts_root: prepared.receipts_root(),
            app_hash: prepared.app_hash(),
            validator_set: set.hash(),
            next_validator_set: set.hash(),
            policy_version: 0,
            proposer: key.public(),
        };
        let certificate = CommitCertificate {
            mesh: genesis.mesh,
            height: meta.height,
            round: Round(0),
            beat: header.id(),
            signatures: vec![(key.public(), Signature([0; 64]))],
        };
        let receipts = prepared.receipts();
        let beat = Beat { header, parent_certificate, envelopes: Vec::new(), evidence: Vec::new() };
        ledger.commit(&beat, &certificate, prepared, &set).unwrap();
        took += began.elapsed();
        bytes.push(receipts.iter().map(|r| r.canonical_bytes()).collect::<Vec<_>>());
    }

    let raw = RocksKv::open(&folder.path().join("raw")).unwrap();
    let mut raw_took = Duration::ZERO;
    let mut index = 0_u64;
    for receipts in &bytes {
        let began = Instant::now();
        let mut batch = Batch::default();
        for receipt in receipts {
            batch.put(Cf::Receipts, index.to_be_bytes(), receipt.clone());
            index += 1;
        }
        raw.write(batch, Durability::Synced).unwrap();
        raw_took += began.elapsed();
    }
    let (ours, raw) = (rate(took), rate(raw_took));
    println!("ledger append, batches of {BATCH}, synced: {ours:.0} receipts/s with both trees");
    println!("raw RocksDB, the same bytes, synced:   {raw:.0} receipts/s");
    println!("ratio {:.2} (goal {GOAL}, ratio to it {:.2})", ours / raw, ours / raw / GOAL);
}
