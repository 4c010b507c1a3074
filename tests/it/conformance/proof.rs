//! Proof files, whole and changed, with what a verifier must say of each.

use phalanx_ledger::proof::{self, Shown, Trust, VerifyError};
use phalanx_tests::mesh;
use phalanx_types::{Genesis, Hash, Height, ReceiptIndex};
use serde_json::{Value, json};

/// What a verifier trusts in a case.
#[derive(Clone, Copy)]
enum Trusting {
    Genesis,
    GenesisHash,
    OtherHash,
    File,
}

/// What it must say.
enum Expected {
    Valid,
    Unreadable,
    OtherMesh,
    /// The field that does not match.
    Mismatch(&'static str),
}
use Expected::{Mismatch, OtherMesh, Unreadable, Valid};

struct Case {
    what: String,
    trust: Trusting,
    file: Vec<u8>,
    expected: Expected,
}

fn case(what: impl Into<String>, trust: Trusting, file: impl Into<Vec<u8>>, expected: Expected) -> Case {
    Case { what: what.into(), trust, file: file.into(), expected }
}

/// The canonical text of a changed file; its digest is made anew, as a forger
/// would, unless `is_sealed` is false.
fn changed(file: &[u8], is_sealed: bool, change: impl Fn(&mut Value)) -> Vec<u8> {
    let mut value: Value = serde_json::from_slice(file).unwrap();
    let before = value.clone();
    change(&mut value);
    assert_ne!(value, before, "nothing was changed");
    if is_sealed {
        seal(&mut value);
    }
    serde_json::to_vec(&value).unwrap()
}

fn seal(value: &mut Value) {
    value["digest"] = json!(Hash::ZERO);
    value["digest"] = json!(Hash::sha3(&serde_json::to_vec(&value).unwrap()));
}

/// Flips a bit of a hex string, or raises a decimal one or a number by one.
fn nudge(value: &mut Value, pointer: &str) {
    let at = value.pointer_mut(pointer).unwrap_or_else(|| panic!("there is no {pointer}"));
    *at = match at {
        Value::Number(number) => json!(number.as_u64().unwrap() + 1),
        Value::String(text) if text.len() >= 64 => {
            let mut bytes = hex::decode(&*text).unwrap();
            bytes[0] ^= 1;
            json!(hex::encode(bytes))
        }
        Value::String(text) => json!((text.parse::<u64>().unwrap() + 1).to_string()),
        other => panic!("{other} cannot be nudged"),
    };
}

/// A changed field, and what is found when the digest is made anew.
const NUDGES: &[(&str, &str)] = &[
    ("/receipt/index", "receipt"),
    ("/receipt/previous_hash", "receipt"),
    ("/receipt_hash", "receipt"),
    ("/header/height", "receipt.beat"),
    ("/header/time", "receipt.beat"),
    ("/beat/index", "beat.path"),
    ("/beat/path/0", "beat.path"),
    ("/header/receipts_root", "beat.path"),
    ("/header/mesh", "header.mesh"),
    ("/header/validator_set", "header.validator_set"),
    ("/header/app_hash", "certificate"),
    ("/header/inputs_root", "certificate"),
    ("/header/parent_certificate", "certificate"),
    ("/header/policy_version", "certificate"),
    ("/header/proposer", "certificate"),
    ("/certificate/beat", "certificate"),
    ("/certificate/height", "certificate"),
    ("/certificate/mesh", "certificate"),
    ("/certificate/round", "certificate.signatures"),
    ("/certificate/signatures/0/1", "certificate.signatures"),
    ("/certificate/signatures/1/0", "certificate.signatures"),
    ("/genesis", "OTHER MESH"),
    ("/genesis_set/members/0/key", "genesis_set"),
    ("/genesis_set/members/0/weight", "genesis_set"),
    ("/genesis_set/proposers/0", "genesis_set"),
    ("/set_changes/0/certificate/signatures/0/1", "set_changes[0].certificate.signatures"),
    ("/set_changes/0/certificate/round", "set_changes[0].certificate.signatures"),
    ("/set_changes/0/certificate/beat", "set_changes[0].certificate"),
    ("/set_changes/0/header/time", "set_changes[0].certificate"),
    ("/set_changes/0/header/mesh", "set_changes[0].header.mesh"),
    ("/set_changes/0/header/validator_set", "set_changes[0].header.validator_set"),
    ("/set_changes/0/header/next_validator_set", "set_changes[0].certificate"),
    ("/set_changes/0/next_set/members/0/weight", "set_changes[0].next_set"),
    ("/set_changes/0/next_set/proposers/0", "set_changes[0].next_set"),
    ("/anchor/checkpoint/version", "anchor.checkpoint"),
    ("/anchor/checkpoint/mesh", "anchor.checkpoint"),
    ("/anchor/checkpoint/first_receipt", "anchor.interval.index"),
    ("/anchor/checkpoint/receipt_count", "anchor.interval.index"),
    ("/anchor/checkpoint/interval_root", "anchor.interval.path"),
    ("/anchor/checkpoint/history_root", "anchor.history.path"),
    ("/anchor/checkpoint/history_size", "anchor.history.index"),
    ("/anchor/interval/index", "anchor.interval.index"),
    ("/anchor/interval/count", "anchor.interval.index"),
    ("/anchor/interval/path/0", "anchor.interval.path"),
    ("/anchor/history/index", "anchor.history.index"),
    ("/anchor/history/count", "anchor.history.index"),
    ("/anchor/history/path/0", "anchor.history.path"),
];

/// Fields that nothing but the digest covers yet: a checkpoint has no signatures
/// in a proof file of this version.
const ONLY_DIGEST: &[&str] = &[
    "/anchor/checkpoint/number",
    "/anchor/checkpoint/parent",
    "/anchor/checkpoint/agents_root",
    "/anchor/checkpoint/set_epoch",
    "/anchor/checkpoint/set_hash",
    "/anchor/checkpoint/next_set_hash",
    "/anchor/checkpoint/verification_fraction_ppm",
    "/digest",
];

/// Fields of a checkpoint that its last beat covers.
const LAST_BEAT: &[&str] = &["app_hash", "time"];

fn list(value: &mut Value, pointer: &str) -> Vec<Value> {
    value.pointer(pointer).and_then(Value::as_array).unwrap().clone()
}

fn cases() -> Vec<Case> {
    let replica = mesh::run();
    let ledger = replica.ledger();
    let export = |index: u64| proof::export(ledger, ReceiptIndex(index)).unwrap();
    let in_beat = |height: u64| ledger.range(Height(height)).unwrap().unwrap();
    // Of the set before the change; of the second interval, after the change;
    // of the last beat of an interval; of the open interval.
    let (first, count) = in_beat(2);
    assert!(count >= 3);
    let early = export(first.0 + 1);
    let (middle, count) = in_beat(5);
    assert!(count >= 2);
    let late = export(middle.0);
    let (closing, count) = in_beat(8);
    let last = export(closing.0 + count - 1);
    let open = {
        let height = (8..=mesh::BEATS).rev().find(|h| in_beat(*h).1 > 0).unwrap();
        export(in_beat(height).0.0)
    };
    let mut cases = Vec::new();
    for (what, file) in
        [("before the change of the set", &early), ("after it", &late), ("of a last beat", &last)]
    {
        for (how, trust) in [
            ("genesis", Trusting::Genesis),
            ("its hash", Trusting::GenesisHash),
            ("the file", Trusting::File),
        ] {
            cases.push(case(format!("a receipt {what}, trusting {how}"), trust, file.clone(), Valid));
        }
        cases.push(case(
            format!("a receipt {what}, of another mesh"),
            Trusting::OtherHash,
            file.clone(),
            OtherMesh,
        ));
    }
    let without = changed(&late, true, |v| drop(v.as_object_mut().unwrap().remove("anchor")));
    cases.push(case("without an anchor, as in an open interval", Trusting::Genesis, without, Valid));
    cases.push(case("the latest receipt", Trusting::Genesis, open, Valid));
    for (pointer, field) in NUDGES {
        let (sealed, unsealed) =
            (changed(&late, true, |v| nudge(v, pointer)), changed(&late, false, |v| nudge(v, pointer)));
        let (forged, damaged) = match *field {
            "OTHER MESH" => (OtherMesh, Mismatch("genesis")),
            field => (Mismatch(field), Mismatch(field)),
        };
        cases.push(case(format!("{pointer} changed, digest made anew"), Trusting::Genesis, sealed, forged));
        cases.push(case(format!("{pointer} changed"), Trusting::Genesis, unsealed, damaged));
    }
    for pointer in ONLY_DIGEST {
        let file = changed(&late, false, |v| nudge(v, pointer));
        cases.push(case(format!("{pointer} changed"), Trusting::Genesis, file, Mismatch("digest")));
    }
    for name in LAST_BEAT {
        let file = changed(&last, true, |v| nudge(v, &format!("/anchor/checkpoint/{name}")));
        let what = format!("{name} of the checkpoint is not the last beat's");
        cases.push(case(what, Trusting::Genesis, file, Mismatch("anchor.checkpoint")));
    }
    cases.extend(forgeries(&early, &late));
    cases.extend(damage(&late));
    cases
}

/// Changes that a liar makes with more thought.
fn forgeries(early: &[u8], late: &[u8]) -> Vec<Case> {
    let forged = |what: &str, field, change: &dyn Fn(&mut Value)| {
        case(what, Trusting::Genesis, changed(late, true, change), Mismatch(field))
    };
    let other: Value = serde_json::from_slice(early).unwrap();
    let mut cases = vec![
        forged("another receipt with its own hash", "beat.path", &|v| {
            v["receipt"]["subject"] = json!("somebody else");
            let canonical = serde_json::to_vec(&v["receipt"]).unwrap();
            v["receipt_hash"] = json!(Hash::sha3(&canonical));
        }),
        forged("another receipt of the mesh", "receipt.beat", &|v| {
            v["receipt"] = other["receipt"].clone();
            v["receipt_hash"] = other["receipt_hash"].clone();
        }),
        forged("a longer path", "beat.path", &|v| {
            let mut path = list(v, "/beat/path");
            path.push(json!(Hash::ZERO));
            v["beat"]["path"] = path.into();
        }),
        forged("a path cut short", "anchor.history.path", &|v| {
            let mut path = list(v, "/anchor/history/path");
            path.pop();
            v["anchor"]["history"]["path"] = path.into();
        }),
        forged("an index beyond the count", "beat.path", &|v| {
            v["beat"]["count"] = v["beat"]["index"].clone()
        }),
        forged("a signature left out", "certificate.signatures", &|v| {
            let mut signatures = list(v, "/certificate/signatures");
            signatures.pop();
            v["certificate"]["signatures"] = signatures.into();
        }),
        forged("a signature twice", "certificate.signatures", &|v| {
            let mut signatures = list(v, "/certificate/signatures");
            signatures[1] = signatures[0].clone();
            v["certificate"]["signatures"] = signatures.into();
        }),
        forged("signatures out of order", "certificate.signatures", &|v| {
            let mut signatures = list(v, "/certificate/signatures");
            signatures.reverse();
            v["certificate"]["signatures"] = signatures.into();
        }),
        forged("no signatures", "certificate.signatures", &|v| v["certificate"]["signatures"] = json!([])),
        forged("the change of the set left out", "header.validator_set", &|v| v["set_changes"] = json!([])),
        forged("the change of the set twice", "set_changes[1].header.height", &|v| {
            let mut changes = list(v, "/set_changes");
            changes.push(changes[0].clone());
            v["set_changes"] = changes.into();
        }),
        forged("the new set alone as the first", "genesis_set", &|v| {
            v["genesis_set"] = v["set_changes"][0]["next_set"].clone();
            v["set_changes"] = json!([]);
        }),
        forged("members of the first set out of order", "genesis_set", &|v| {
            let mut members = list(v, "/set_changes/0/next_set/members");
            members.reverse();
            v["genesis_set"]["members"] = members.into();
        }),
        forged("a trace id of another length", "receipt", &|v| v["receipt"]["trace_id"] = json!("0808")),
        forged("a wide number in the data", "receipt", &|v| v["receipt"]["data"]["n"] = json!(1_u64 << 32)),
        forged("a key beyond ASCII in the data", "receipt", &|v| v["receipt"]["data"]["é"] = json!(1)),
    ];
    let alone = changed(late, true, |v| {
        v["genesis_set"] = v["set_changes"][0]["next_set"].clone();
        v["set_changes"] = json!([]);
    });
    let what =
        "the new set alone as the first, trusting the file: valid, and the verifier says what it trusts";
    cases.push(case(what, Trusting::File, alone, Valid));
    cases
}

/// Bytes changed without regard to what they mean.
fn damage(file: &[u8]) -> Vec<Case> {
    let text = String::from_utf8(file.to_vec()).unwrap();
    let replaced = |from: &str, to: &str| {
        let other = text.replacen(from, to, 1);
        assert_ne!(other, text, "{from} is not there");
        other
    };
    let hash = text.find("\"receipt_hash\":\"").unwrap() + "\"receipt_hash\":\"".len();
    let upper = format!("{}{}{}", &text[..hash], text[hash..hash + 64].to_uppercase(), &text[hash + 64..]);
    assert_ne!(upper, text, "the hash has no letter");
    let pretty = serde_json::to_string_pretty(&serde_json::from_str::<Value>(&text).unwrap()).unwrap();
    let at = |what: &str, file: String, expected| case(what, Trusting::Genesis, file, expected);
    vec![
        at("an empty file", String::new(), Unreadable),
        at("no JSON", "receipt 7 is fine".into(), Unreadable),
        at("another JSON", "{\"kind\":\"job_ended\"}".into(), Unreadable),
        at("a list", "[]".into(), Unreadable),
        at("a line after the end", format!("{text}\n"), Mismatch("file")),
        at("pretty print", pretty, Mismatch("file")),
        at("the second half cut off", text[..text.len() / 2].into(), Mismatch("file")),
        at("the first byte changed", format!("|{}", &text[1..]), Mismatch("file")),
        at("the last byte changed", format!("{}|", &text[..text.len() - 1]), Mismatch("file")),
        at("the version changed", format!("{}3}}", &text[..text.len() - 2]), Mismatch("version")),
        at("a key changed", replaced("\"certificate\"", "\"certificbte\""), Mismatch("file")),
        at("an unknown field", replaced("\"digest\"", "\"colour\":1,\"digest\""), Mismatch("file")),
        case(
            "a field left out",
            Trusting::Genesis,
            changed(file, true, |v| drop(v["receipt"].as_object_mut().unwrap().remove("actor"))),
            Mismatch("file"),
        ),
        case(
            "null",
            Trusting::Genesis,
            changed(file, true, |v| v["set_changes"] = Value::Null),
            Mismatch("file"),
        ),
        at("upper-case hex", upper, Mismatch("file")),
        at("a leading zero", replaced("\"first_beat\":\"", "\"first_beat\":\"0"), Mismatch("file")),
        at(
            "a number for a decimal string",
            replaced("\"first_beat\":\"5\"", "\"first_beat\":5"),
            Mismatch("file"),
        ),
        at("a key twice", replaced("\"digest\"", "\"digest\":\"\",\"digest\""), Mismatch("file")),
        case(
            "a later version, whole",
            Trusting::Genesis,
            changed(file, true, |v| {
                v["version"] = json!(2);
                v["new"] = json!({"field": true});
            }),
            Unreadable,
        ),
    ]
}

fn shown(shown: &Shown) -> Value {
    json!({"receipt_hash": shown.receipt_hash, "index": shown.index, "beat": shown.beat,
        "signers": shown.signers, "weight": shown.weight[0], "total": shown.weight[1],
        "set_changes": shown.set_changes,
        "checkpoint": shown.checkpoint.map_or(json!([]), |(number, hash)| json!([number, hash]))})
}

/// The verdict on a case, which must be the expected one.
fn judge(case: &Case, genesis: &Genesis) -> Value {
    let (name, trust) = match case.trust {
        Trusting::Genesis => ("genesis", Trust::Genesis(genesis)),
        Trusting::GenesisHash => ("genesis_hash", Trust::GenesisHash(genesis.hash())),
        Trusting::OtherHash => ("other_hash", Trust::GenesisHash(Hash([1; 32]))),
        Trusting::File => ("file", Trust::File),
    };
    let found = proof::verify(&case.file, &trust);
    let mut verdict = match (&found, &case.expected) {
        (Ok(found), Valid) => json!({"verdict": "valid", "exit_code": 0, "shown": shown(found)}),
        (Err(VerifyError::Mismatch { field, .. }), Mismatch(expected)) if field == expected => {
            json!({"verdict": "mismatch", "exit_code": 1, "field": field})
        }
        (Err(VerifyError::Unreadable(_)), Unreadable) => json!({"verdict": "unreadable", "exit_code": 2}),
        (Err(VerifyError::OtherMesh { .. }), OtherMesh) => json!({"verdict": "other_mesh", "exit_code": 3}),
        _ => panic!("{}: {found:?}", case.what),
    };
    verdict["what"] = json!(case.what);
    verdict["trust"] = json!(name);
    verdict["file"] = json!(std::str::from_utf8(&case.file).unwrap());
    verdict
}

pub fn vectors() -> Value {
    let genesis = mesh::genesis();
    let files: Vec<Value> = cases().iter().map(|case| judge(case, &genesis)).collect();
    json!({"genesis": genesis, "genesis_hash": genesis.hash(), "other_hash": Hash([1; 32]), "files": files})
}

#[test]
fn no_changed_byte_of_a_proof_file_is_taken() {
    let genesis = mesh::genesis();
    let replica = mesh::run();
    let ledger = replica.ledger();
    let (first, _) = ledger.range(Height(5)).unwrap().unwrap();
    let file = proof::export(ledger, first).unwrap();
    proof::verify(&file, &Trust::Genesis(&genesis)).unwrap();
    for at in 0..file.len() {
        for flip in [1_u8, 0x20, 0x80] {
            let mut damaged = file.clone();
            damaged[at] ^= flip;
            let verdict = proof::verify(&damaged, &Trust::Genesis(&genesis));
            assert!(matches!(verdict, Err(VerifyError::Mismatch { .. })), "byte {at}: {verdict:?}");
        }
    }
}
