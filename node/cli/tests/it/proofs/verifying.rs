//! What a proof says is checked, and each verdict has its exit code.

use super::workshop::Workshop;
use crate::support::{stderr, stdout};
use phalanx_types::Hash;
use serde_json::{Value, json};

/// A checkpoint as `phalanx checkpoint show` prints it.
fn checkpoint(number: &str, agents_root: &Value) -> String {
    let checkpoint = json!({
        "version": 1, "number": number, "parent": Hash::ZERO, "mesh": Hash::ZERO, "first_beat": "0",
        "last_beat": "1", "first_receipt": "0", "receipt_count": "1", "interval_root": Hash::ZERO,
        "history_root": Hash::ZERO, "history_size": "1", "app_hash": Hash::ZERO, "agents_root": agents_root,
        "audit_root": Hash::ZERO, "set_epoch": "0", "set_hash": Hash::ZERO, "next_set_hash": Hash::ZERO,
        "verification_level": 2, "verification_fraction_ppm": 0, "time": "0",
    });
    json!({"checkpoint": checkpoint, "level": "closed"}).to_string()
}

#[test]
fn a_proof_tells_what_each_input_rests_on() {
    let shop = Workshop::with(&["position-2"]);
    let proof = shop.proven("p.json", 1);
    let (told, code) = shop.json(&["verify", &proof]);
    assert_eq!((code, &told["is_valid"]), (0, &json!(true)));
    let one = &told["proofs"][0];
    let basis: Vec<&Value> = one["inputs"].as_array().unwrap().iter().map(|input| &input["basis"]).collect();
    assert_eq!(basis, ["stated", "recomputed", "stated", "stated", "stated", "stated", "recomputed"]);
    assert_eq!(one["trusted"]["provenance"], "DEV");
    assert!(one["trusted"]["caveats"][0].as_str().unwrap().contains("two thirds"));

    let root = json!(one["inputs"][0]["value"].as_str().unwrap().trim_start_matches("0x"));
    let same = shop.write("c7", &checkpoint("7", &root));
    let (told, code) = shop.json(&["verify", &proof, "--checkpoint", &same]);
    assert_eq!((code, &told["proofs"][0]["inputs"][0]["basis"]), (0, &json!({"compared": "7"})));
    let text = stdout(&shop.proof(&["verify", &proof, "--checkpoint", &same]));
    for needle in [
        "valid: ",
        "DEV: whoever",
        "that of checkpoint 7",
        "zones/near",
        "purpose \"phalanx\"",
        "caveat: ",
        "selector    0\n",
    ] {
        assert!(text.contains(needle), "{needle}: {text}");
    }
    let other = shop.write("c8", &checkpoint("7", &json!(Hash([1; 32]))));
    assert_eq!(shop.json(&["verify", &proof, "--checkpoint", &other]).1, 3);
    let damaged = shop.write("c9", "{}");
    assert_eq!(shop.proof(&["verify", &proof, "--checkpoint", &damaged]).status.code(), Some(2));
}

#[test]
fn each_verdict_has_its_exit_code_and_the_worst_of_a_folder_counts() {
    let shop = Workshop::with(&["position-2", "action-2", "integrity"]);
    std::fs::create_dir(shop.path("all")).unwrap();
    let proof = shop.proven("all/a.json", 1);
    shop.proven("all/b.json", 2);
    for (statement, witness, name) in
        [("action", shop.action(), "all/y.json"), ("integrity", shop.integrity(), "all/z.json")]
    {
        let out = shop.path(name);
        let run = shop.proof(&["prove", statement, "--witness", &witness, "--out", &out]);
        assert!(run.status.success(), "{}", stderr(&run));
    }
    let all = shop.path("all");
    let (told, code) = shop.json(&["verify", &all]);
    assert_eq!((code, &told["valid"]), (0, &json!(4)));
    let text = stdout(&shop.proof(&["verify", &all]));
    assert!(text.contains("4 of 4 are valid") && text.contains("DEV: whoever"), "{text}");

    // Unreadable, of another key or other inputs, invalid: each weighs more than the last.
    let verdict = |name: &str, change: &dyn Fn(&mut Value), alone: i32| {
        let file = shop.changed(&proof, name, change);
        let (told, code) = shop.json(&["verify", &file]);
        assert_eq!((code, &told["is_valid"]), (alone, &json!(false)), "{told}");
        assert_eq!(shop.json(&["verify", &all]).1, alone);
        told["proofs"][0]["reason"].as_str().unwrap().to_owned()
    };
    assert!(verdict("all/c.json", &|v| v["more"] = 1.into(), 2).contains("unknown field"));
    assert!(verdict("all/d.json", &|v| v["key_hash"] = "0".repeat(64).into(), 3).contains("own key"));
    let far = |v: &mut Value| v["openings"]["region"]["center"][0] = 5.into();
    assert!(verdict("all/e.json", &far, 3).starts_with("region is "));
    let root = |v: &mut Value| v["inputs"][0]["value"] = format!("0x{:064x}", 5).into();
    assert!(verdict("all/f.json", &root, 1).contains("not valid for these"));
    let point = |v: &mut Value| v["proof"] = format!("0x{}", "01".repeat(256)).into();
    assert!(verdict("all/g.json", &point, 1).contains("not on the curve"));
    let (told, _) = shop.json(&["verify", &all]);
    assert_eq!(told["valid"], 4);
    let codes: Vec<i64> =
        told["proofs"].as_array().unwrap().iter().map(|one| one["code"].as_i64().unwrap()).collect();
    assert_eq!(codes, [0, 0, 2, 3, 3, 1, 1, 0, 0]);
}

#[test]
fn a_key_that_is_missing_of_another_circuit_or_damaged_is_told_so() {
    let shop = Workshop::with(&["position-2", "integrity"]);
    let proof = shop.proven("p.json", 1);
    let verify = |words: &[&str]| shop.json(&[&["verify", &proof], words].concat());
    assert_eq!(verify(&["--keys", &shop.path("none")]).1, 4);
    assert_eq!(verify(&["--key", &shop.path("proof-keys/integrity.vk")]).1, 3);
    assert_eq!(verify(&["--key", &shop.path("proof-keys/position-2.vk")]).1, 0);
    let mut key = std::fs::read(shop.path("proof-keys/position-2.vk")).unwrap();
    *key.last_mut().unwrap() ^= 1;
    std::fs::write(shop.path("damaged.vk"), key).unwrap();
    let (told, code) = verify(&["--key", &shop.path("damaged.vk")]);
    assert_eq!(code, 2, "{told}");
    // Another key of the same circuit.
    let other = Workshop::with(&["position-2"]);
    assert_eq!(verify(&["--keys", &other.path("proof-keys")]).1, 3);
    for (path, why) in [("proof-keys", "no .json file"), ("nowhere", "cannot be read")] {
        let (told, code) = shop.json(&["verify", &shop.path(path)]);
        assert_eq!((code, &told["valid"]), (2, &json!(0)));
        assert!(told["proofs"][0]["reason"].as_str().unwrap().contains(why), "{told}");
    }
}

/// Puts words of 32 bytes, in hex, in place of those of a proof: its points are `a`, `b` with the
/// imaginary part of each coordinate first, and `c`.
fn with_words(proof: &Value, from: usize, words: &[&str]) -> Value {
    let text = proof.as_str().unwrap().strip_prefix("0x").unwrap();
    let mut all: Vec<&str> = (0..8).map(|at| &text[64 * at..64 * (at + 1)]).collect();
    all[from..from + words.len()].copy_from_slice(words);
    format!("0x{}", all.concat()).into()
}

#[test]
fn points_and_numbers_that_are_none_are_refused_as_such() {
    const FIELD: &str = "30644e72e131a029b85045b68181585d97816a916871ca8d3c208c16d87cfd47";
    const ORDER: &str = "30644e72e131a029b85045b68181585d2833e84879b9709143e1f593f0000001";
    const ZERO: &str = "0000000000000000000000000000000000000000000000000000000000000000";
    const ONE: &str = "0000000000000000000000000000000000000000000000000000000000000001";
    // A point of the twist, with 1 as its x, that is outside of the group.
    const STRAY_Y: [&str; 2] = [
        "0d1271953ed9ea0836846e70a1934187998c7f790cb4d7511b7f8da82de048a4",
        "2869111d5381f072f8e2728fdb825a51aadd70e52c9830e9ab4b871c0531f1bb",
    ];
    let shop = Workshop::with(&["position-2"]);
    let proof = shop.proven("p.json", 1);
    let refused = |name: &str, change: &dyn Fn(&mut Value), code: i32, why: &str| {
        let file = shop.changed(&proof, name, change);
        let (told, found) = shop.json(&["verify", &file]);
        let reason = told["proofs"][0]["reason"].as_str().unwrap_or_default().to_owned();
        assert_eq!((found, &told["is_valid"]), (code, &json!(false)), "{name}: {told}");
        assert!(reason.contains(why), "{name}: {reason}");
    };
    let word = |v: &Value, at: usize| v["proof"].as_str().unwrap()[2 + 64 * at..2 + 64 * (at + 1)].to_owned();
    refused("order", &|v| v["inputs"][1]["value"] = format!("0x{ORDER}").into(), 2, "");
    refused("field", &|v| v["proof"] = with_words(&v["proof"], 0, &[FIELD]), 1, "proof is none");
    refused("infinity", &|v| v["proof"] = with_words(&v["proof"], 0, &[ZERO, ZERO]), 1, "proof is none");
    let stray = [ZERO, ONE, STRAY_Y[0], STRAY_Y[1]];
    refused("stray", &|v| v["proof"] = with_words(&v["proof"], 2, &stray), 1, "outside of the subgroup");
    let swap = |v: &mut Value| {
        let [a, b, c, d] = [2, 3, 4, 5].map(|at| word(v, at));
        v["proof"] = with_words(&v["proof"], 2, &[&b, &a, &d, &c]);
    };
    refused("swapped", &swap, 1, "proof is none");
    let short = |v: &mut Value| v["proof"] = v["proof"].as_str().unwrap()[..2 + 64 * 7].into();
    refused("short", &short, 2, "");
    refused("fewer", &|v| drop(v["inputs"].as_array_mut().unwrap().pop()), 2, "");

    let whole = std::fs::read_to_string(&proof).unwrap();
    for (name, text) in
        [("cut", whole[..whole.len() / 2].to_owned()), ("long", whole + &" ".repeat(64 << 10))]
    {
        let file = shop.write(name, &text);
        assert_eq!(shop.json(&["verify", &file]).1, 2, "{name}");
    }
    // Keys: cut off, and with something behind them.
    for name in ["position-2.vk", "position-2.pk"] {
        let key = std::fs::read(shop.path(&format!("proof-keys/{name}"))).unwrap();
        let longer = [&key[..], &[0]].concat();
        for damaged in [&key[..40], &key[..key.len() / 2], &key[..key.len() - 1], &longer] {
            let keys = shop.path("damaged-keys");
            std::fs::create_dir_all(&keys).unwrap();
            std::fs::write(shop.path(&format!("damaged-keys/{name}")), damaged).unwrap();
            let code = if name.ends_with("vk") {
                shop.json(&["verify", &proof, "--keys", &keys]).1
            } else {
                let (witness, out) = (shop.position(2), shop.path("never.json"));
                let words = ["prove", "position", "--witness", &witness, "--keys", &keys, "--out", &out];
                shop.proof(&words).status.code().unwrap()
            };
            assert_eq!(code, 2, "{name} of {} bytes", damaged.len());
        }
    }
}
