//! What is true is proven, and what is not is refused by its rule.

use super::workshop::Workshop;
use crate::support::stderr;

#[test]
fn a_rule_that_does_not_hold_is_refused_by_its_name() {
    let shop = Workshop::with(&["position-2"]);
    let (witness, out) = (shop.position(1), shop.path("p.json"));
    let prove = |words: &[&str]| {
        shop.proof(&[&["prove", "position", "--witness", &witness, "--out", &out], words].concat())
    };
    let run = prove(&["--rule", "zones/far"]);
    assert_eq!(run.status.code(), Some(1));
    let told = stderr(&run);
    assert!(told.contains("zones/far") && told.contains("the place is where the rule says"), "{told}");
    let run = prove(&["--rule", "zones/none"]);
    assert_eq!(run.status.code(), Some(3));
    assert!(stderr(&run).contains("zones/near, zones/far"), "{}", stderr(&run));
    let run = prove(&["--within", "1"]);
    assert_eq!(run.status.code(), Some(2));
    assert!(stderr(&run).contains("--unclaimed"), "{}", stderr(&run));
    assert!(!std::fs::exists(&out).unwrap());

    // A rule of one's own is not the policy's.
    let own = ["--unclaimed", "--center=0.1,-0.2", "--within", "1.5"];
    let run = prove(&own);
    assert!(run.status.success(), "{}", stderr(&run));
    let (told, code) = shop.json(&["verify", &out]);
    assert_eq!(code, 0);
    assert_eq!(told["proofs"][0]["inputs"][2]["value"], format!("0x{}", "0".repeat(64)));
    assert!(told["proofs"][0]["openings"]["region"].get("rule").is_none());
    let run = prove(&own);
    assert_eq!(run.status.code(), Some(1));
    assert!(stderr(&run).contains("never overwritten"), "{}", stderr(&run));
}

#[test]
fn a_wrong_witness_or_a_missing_key_is_told_so() {
    let shop = Workshop::with(&["integrity"]);
    let (witness, out) = (shop.integrity(), shop.path("p.json"));
    let prove = |statement: &str, witness: &str| {
        shop.proof(&["prove", statement, "--witness", witness, "--out", &out])
    };
    let run = prove("position", &witness);
    assert_eq!(run.status.code(), Some(3));
    assert!(stderr(&run).contains("proof prove integrity"), "{}", stderr(&run));
    let run = prove("position", &shop.position(1));
    assert_eq!(run.status.code(), Some(4));
    assert!(stderr(&run).contains("--circuit position-2"), "{}", stderr(&run));
    let cut = shop.write("cut.witness", &shop.read("position-1.witness")[..900]);
    let run = prove("position", &cut);
    assert_eq!(run.status.code(), Some(2));
    let moved = shop.changed(&shop.position(1), "moved.witness", |v| {
        v["witness"]["secret"]["agent"]["nonce"] = "2".into();
    });
    let run = prove("position", &moved);
    assert_eq!(run.status.code(), Some(3));
    assert!(stderr(&run).contains("from the same checkpoint"), "{}", stderr(&run));
    assert!(prove("integrity", &witness).status.success());
}

#[test]
fn agents_of_many_dimensions_are_proven_too() {
    for dimension in [64, 512] {
        let circuits = ["position", "action"].map(|statement| format!("{statement}-{dimension}"));
        let shop = Workshop::with(&[&circuits[0], &circuits[1]]);
        let witnesses = [shop.position_in(dimension, 1), shop.action_in(dimension)];
        for (statement, witness) in ["position", "action"].into_iter().zip(&witnesses) {
            let out = shop.path(&format!("{statement}.json"));
            let run = shop.proof(&["prove", statement, "--witness", witness, "--out", &out]);
            assert!(run.status.success(), "{statement}-{dimension}: {}", stderr(&run));
            let (told, code) = shop.json(&["verify", &out]);
            assert_eq!((code, &told["proofs"][0]["trusted"]["provenance"]), (0, &"DEV".into()), "{told}");
        }
    }
}
