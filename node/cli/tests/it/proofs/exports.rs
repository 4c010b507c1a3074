//! Proofs as other tools take them, and back.

use super::workshop::Workshop;
use serde_json::{Value, json};

#[test]
fn snarkjs_files_go_out_and_come_back() {
    let shop = Workshop::with(&["position-2"]);
    let proof = shop.proven("p.json", 1);
    let out = shop.path("snarkjs");
    let export = ["export", "--format", "snarkjs", &proof, "--out", &out];
    assert_eq!(shop.json(&export).1, 0);
    assert_eq!(shop.json(&["verify", &proof]).1, 0);
    assert_eq!(shop.proof(&export).status.code(), Some(1), "nothing is overwritten");
    let key: Value = serde_json::from_str(&shop.read("snarkjs/verification_key.json")).unwrap();
    assert_eq!((&key["nPublic"], &key["protocol"]), (&json!(7), &json!("groth16")));

    let verify = |public: &str| {
        let of = shop.path("snarkjs/proof.json");
        shop.json(&["verify", "--snarkjs", &of, public, "--circuit", "position-2"])
    };
    let public = shop.path("snarkjs/public.json");
    let (told, code) = verify(&public);
    assert_eq!((code, &told["proofs"][0]["inputs"][1]["basis"]), (0, &json!("stated")));
    let other = shop.changed(&public, "other.json", |v| v[0] = "5".into());
    assert_eq!(verify(&other).1, 1);
    let fewer = shop.changed(&public, "fewer.json", |v| drop(v.as_array_mut().unwrap().pop()));
    assert_eq!(verify(&fewer).1, 2);
    shop.changed(&shop.path("snarkjs/proof.json"), "snarkjs/proof.json", |v| v["pi_a"][0] = "1".into());
    assert_eq!(verify(&public).1, 1);
}

#[test]
fn the_chain_is_given_the_arguments_that_its_contract_takes() {
    let shop = Workshop::with(&["position-2"]);
    let proof = shop.proven("p.json", 1);
    let (call, code) = shop.json(&["export", "--format", "calldata", &proof]);
    assert_eq!((code, &call["signature"]), (0, &json!("verify(bytes32,uint256[],uint256[8])")));
    let file: Value = serde_json::from_str(&shop.read("p.json")).unwrap();
    let arguments: Vec<&str> =
        call["arguments"].as_array().unwrap().iter().map(|a| a.as_str().unwrap()).collect();
    assert_eq!(arguments[0], format!("0x{}", file["circuit_hash"].as_str().unwrap()));
    let words = |list: &str| list.trim_matches(['[', ']']).split(',').map(str::to_owned).collect::<Vec<_>>();
    let inputs: Vec<&str> =
        file["inputs"].as_array().unwrap().iter().map(|input| input["value"].as_str().unwrap()).collect();
    assert_eq!(words(arguments[1]), inputs);
    let bytes: String =
        words(arguments[2]).iter().map(|word| word.trim_start_matches("0x").to_owned()).collect();
    assert_eq!(format!("0x{bytes}"), file["proof"]);

    let (call, code) = shop.json(&["export", "--format", "solidity", &proof]);
    assert_eq!((code, &call["arguments"][1]), (0, &json!(format!("0x{}", "0".repeat(64)))));
    assert_eq!(call["arguments"][2], "(0,0,5,6)");
    assert_eq!(call["arguments"][3].as_str().unwrap().len(), 2 + 2 * (448 + 64 * 8));
    let foreign = shop.changed(&proof, "foreign.json", |v| v["key_hash"] = "0".repeat(64).into());
    assert_eq!(shop.proof(&["export", "--format", "solidity", &foreign]).status.code(), Some(3));
}
