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
