//! Receipts: canonical bytes, hashes, hidden fields, sampling.

use super::hx;
use phalanx_ledger::{BeatMeta, Ledger, MemoryKv, interval, seal};
use phalanx_tests::mesh;
use phalanx_types::{
    Field, Hash, Height, Name, Receipt, ReceiptDraft, ReceiptIndex, ReceiptKind, TimeMs,
    params::Verification,
    receipt::{Cause, Data, HiddenField},
    tags,
};
use serde_json::{Value, json};
use std::collections::BTreeMap;

const KINDS: [ReceiptKind; 27] = [
    ReceiptKind::Genesis,
    ReceiptKind::OwnerCommand,
    ReceiptKind::OwnerCommandRefused,
    ReceiptKind::Refused,
    ReceiptKind::WorkerOffered,
    ReceiptKind::WorkerWithdrawn,
    ReceiptKind::WorkerUnhealthy,
    ReceiptKind::WorkerRecovered,
    ReceiptKind::JobAccepted,
    ReceiptKind::JobAssigned,
    ReceiptKind::JobSpilled,
    ReceiptKind::JobRequeued,
    ReceiptKind::AttemptEnded,
    ReceiptKind::JobEnded,
    ReceiptKind::AgentSpawned,
    ReceiptKind::AgentMigrated,
    ReceiptKind::AgentMoved,
    ReceiptKind::AgentHeld,
    ReceiptKind::AgentTerminated,
    ReceiptKind::LatencyAgreed,
    ReceiptKind::Evidence,
    ReceiptKind::Quarantine,
    ReceiptKind::ValidatorsChanged,
    ReceiptKind::TimeShifted,
    ReceiptKind::ValidatorsRegistered,
    ReceiptKind::ChainDiverged,
    ReceiptKind::CheckpointClosed,
];

fn draft(kind: ReceiptKind, subject: &str) -> ReceiptDraft {
    ReceiptDraft {
        kind,
        subject: subject.to_owned(),
        actor: "fabric".to_owned(),
        tenant: None,
        inputs: Hash::ZERO,
        data: Data::new(),
        causes: Vec::new(),
        trace_id: None,
        hidden: Vec::new(),
    }
}

fn hidden() -> Vec<(HiddenField, [u8; 32], Vec<u8>)> {
    let position = Field::List([1_i64 << 38, -(1 << 37), 0].iter().map(|x| Field::i64(*x)).collect());
    let made = |key: &str, value: Field, secret: [u8; 32], context: &[u8]| {
        (HiddenField::new(key, value, &secret, context), secret, context.to_vec())
    };
    vec![
        made("position_after", position, [9; 32], &[[4_u8; 32].as_slice(), &0_u64.to_le_bytes()].concat()),
        made("score", Field::u32(7), [8; 32], b""),
        made("note", Field::text("grüße \"\\\n\u{1}"), [7; 32], b"context"),
    ]
}

fn drafts() -> Vec<ReceiptDraft> {
    let all = Data::from([
        ("bool_false".into(), Field::Bool(false)),
        ("bool_true".into(), Field::Bool(true)),
        ("i64_least".into(), Field::i64(i64::MIN)),
        (
            "list".into(),
            Field::List(vec![Field::u32(1), Field::text("1"), Field::List(vec![]), Field::Bool(true)]),
        ),
        (
            "map".into(),
            Field::Map(BTreeMap::from([
                ("b".into(), Field::u32(2)),
                ("a".into(), Field::Map(BTreeMap::new())),
                ("A".into(), Field::text("")),
                ("~ \"".into(), Field::u64(0)),
            ])),
        ),
        ("number_largest".into(), Field::u32(u32::MAX)),
        ("number_least".into(), Field::Number(i32::MIN.into())),
        ("number_zero".into(), Field::u32(0)),
        ("text_controls".into(), Field::text("\u{0}\u{1}\u{8}\t\n\u{b}\u{c}\r\u{1f}\u{7f}\u{80}")),
        ("text_escapes".into(), Field::text("quote \" backslash \\ slash / less <")),
        ("text_beyond_ascii".into(), Field::text("größer \u{2028} \u{ffff} \u{1f600}")),
        ("u64_largest".into(), Field::u64(u64::MAX)),
    ]);
    let mut with_hidden = draft(ReceiptKind::AgentSpawned, "agent");
    for (field, ..) in hidden() {
        with_hidden.data.insert(field.key.clone().into(), field.commitment());
        with_hidden.hidden.push(field);
    }
    vec![
        draft(ReceiptKind::TimeShifted, ""),
        ReceiptDraft { data: all, ..draft(ReceiptKind::JobAccepted, "every type of field") },
        ReceiptDraft {
            actor: hx([7; 32]),
            tenant: Some(Name::new("acme").unwrap()),
            inputs: Hash([6; 32]),
            causes: vec![
                Cause::SameBeat(1),
                Cause::Earlier(ReceiptIndex::ZERO),
                Cause::SameBeat(0),
                Cause::SameBeat(1),
            ],
            trace_id: Some([8; 16]),
            ..draft(ReceiptKind::JobAssigned, "every optional field")
        },
        with_hidden,
        draft(ReceiptKind::JobEnded, "Übergröße \"\\\u{7}"),
    ]
}

pub fn vectors() -> Value {
    let genesis = mesh::genesis();
    let set = mesh::first_set(&genesis);
    let first = [draft(ReceiptKind::Genesis, "before all others")];
    let ledger = Ledger::create(MemoryKv::default(), &genesis, &first, &[], &set).unwrap();
    let first = ledger.receipt(ReceiptIndex::ZERO).unwrap().unwrap();
    let meta = BeatMeta {
        height: Height(9_007_199_254_740_993),
        time: TimeMs(1_700_000_000_123),
        parent: Hash([3; 32]),
        policy_version: 9_007_199_254_740_993,
        verification: Verification::FullAudit,
        checkpoint_due: false,
        registered: phalanx_types::RegisteredSet::first(&mesh::genesis().validators),
    };
    let prepared = ledger.prepare(&meta, &drafts(), &[]);
    let receipts = prepared.receipts();
    let hashes: Vec<Hash> = receipts.iter().map(Receipt::hash).collect();
    assert_eq!(prepared.receipts_root(), interval::root(&hashes));
    json!({
        "kinds": KINDS.map(|k| json!({"kind": k, "is_always_receipted": k.is_always_receipted()})),
        "chain": std::iter::once(&first).chain(receipts.iter()).map(one).collect::<Vec<_>>(),
        "receipts_root": prepared.receipts_root(),
        "hidden": hidden().iter().map(hidden_field).collect::<Vec<_>>(),
        "hidden_record": hx(serde_json::to_vec(&hidden().iter().map(|h| &h.0).collect::<Vec<_>>()).unwrap()),
        "sampling": sampling(),
        "refused": refused(&receipts[2]),
    })
}

fn one(receipt: &Receipt) -> Value {
    let canonical = receipt.canonical_bytes();
    assert_eq!(&Receipt::from_canonical_bytes(&canonical).unwrap(), receipt);
    json!({"receipt": receipt, "canonical": hx(&canonical), "hash": receipt.hash()})
}

fn hidden_field((field, secret, context): &(HiddenField, [u8; 32], Vec<u8>)) -> Value {
    let key = field.key.as_bytes();
    let salt_bytes = [&secret[..], &(key.len() as u32).to_le_bytes(), key, context].concat();
    assert_eq!(Hash::of(tags::SALT, &salt_bytes), field.salt);
    let value = serde_json::to_vec(&field.value).unwrap();
    let commitment = Hash::of(tags::SALTED, &[&field.salt.0[..], &value].concat());
    let shown = field.commitment();
    assert_eq!(serde_json::to_value(&shown).unwrap(), json!({"salted": commitment}));
    json!({"key": field.key, "secret": hx(secret), "context": hx(context), "salt_bytes": hx(salt_bytes),
        "salt": field.salt, "value": field.value, "value_canonical": hx(value),
        "commitment": commitment, "in_data": shown})
}

fn sampling() -> Vec<Value> {
    let subjects = ["", "mars.gpu-helion", "acme", "grüße"];
    let mut cases = Vec::new();
    for subject in subjects {
        let parent = Hash([3; 32]);
        let digest = Hash::of_parts(tags::SAMPLE, &[&parent.0, subject.as_bytes()]);
        let number = u32::from_be_bytes(digest.0[..4].try_into().unwrap());
        let ppm = u32::try_from((u64::from(number) * 1_000_000) >> 32).unwrap();
        // Just not taken, just taken, and the ends.
        for fraction_ppm in [0, ppm, ppm + 1, 1_000_000] {
            for kind in [ReceiptKind::JobAccepted, ReceiptKind::JobEnded] {
                let meta = BeatMeta {
                    height: Height(1),
                    time: TimeMs(1),
                    parent,
                    policy_version: 0,
                    verification: Verification::Sample { fraction_ppm },
                    checkpoint_due: false,
                    registered: phalanx_types::RegisteredSet::first(&mesh::genesis().validators),
                };
                cases.push(json!({"parent": parent, "subject": subject, "fraction_ppm": fraction_ppm,
                    "kind": kind, "digest": digest, "number": number, "ppm": ppm,
                    "is_receipted": seal::is_receipted(&meta, &draft(kind, subject))}));
            }
        }
    }
    cases
}

/// Bytes that are no canonical receipt, and why.
fn refused(receipt: &Receipt) -> Vec<Value> {
    let text = String::from_utf8(receipt.canonical_bytes()).unwrap();
    let changed = |from: &str, to: &str| {
        let other = text.replacen(from, to, 1);
        assert_ne!(other, text, "{from} is not there");
        other
    };
    let cases = [
        ("a space", text.replacen(':', ": ", 1)),
        ("a line after its end", format!("{text}\n")),
        (
            "keys out of order",
            changed(
                "\"kind\":\"job_assigned\",\"policy_version\":\"9007199254740993\"",
                "\"policy_version\":\"9007199254740993\",\"kind\":\"job_assigned\"",
            ),
        ),
        ("an unknown field", changed("{\"actor\"", "{\"aa\":1,\"actor\"")),
        ("a missing field", changed("\"data\":{},", "")),
        ("null where a field is absent", changed("\"tenant\":\"acme\"", "\"tenant\":null")),
        (
            "a number where a decimal string stands",
            changed("\"time_ms\":\"1700000000123\"", "\"time_ms\":1700000000123"),
        ),
        ("a leading zero", changed("\"time_ms\":\"", "\"time_ms\":\"0")),
        ("a sign", changed("\"time_ms\":\"", "\"time_ms\":\"+")),
        ("upper-case hex", changed("\"inputs\":\"0606", "\"inputs\":\"AA06")),
        ("an escape that need not be", changed("\"actor\":\"0", "\"actor\":\"\\u0030")),
        ("an unknown kind", changed("job_assigned", "job_dreamt")),
        ("a short trace id", changed("\"trace_id\":\"08", "\"trace_id\":\"")),
        ("a float", changed("\"data\":{}", "\"data\":{\"a\":1.0}")),
        ("a number of more than 32 bits", changed("\"data\":{}", "\"data\":{\"a\":4294967296}")),
        ("a key beyond ASCII", changed("\"data\":{}", "\"data\":{\"é\":1}")),
        ("a key twice", changed("\"data\":{}", "\"data\":{\"a\":1,\"a\":1}")),
    ];
    cases
        .into_iter()
        .map(|(why, bytes)| {
            assert!(Receipt::from_canonical_bytes(bytes.as_bytes()).is_err(), "{why}");
            json!({"why": why, "bytes": hx(bytes)})
        })
        .collect()
}
