//! Proofs where the contract has no key of their circuit, or another one.

use super::world::{Chained, anvil};
use crate::{proofs::workshop::Workshop, support::stderr};
use phalanx_governance::{contracts::CircuitKey, safe::builder::BuilderFile};

#[tokio::test(flavor = "multi_thread")]
async fn a_contract_without_the_key_or_with_another_one_is_told_so_by_its_code() {
    let anvil = anvil(&["--block-time", "1"]);
    let chained = Chained::dev(&anvil.url()).await;
    let verifier = chained.verifier();
    let shown = [verifier.to_string(), chained.deployment.anchor.to_string()];
    let [verifier_text, anchor] = shown.each_ref().map(String::as_str);
    let url = anvil.url();

    let shop = Workshop::with(&["position-2"]);
    let proof = shop.proven("p.json", 1);
    let asked = |words: &[&str], code: i32, why: &str| {
        let contract = ["--rpc", &url, "--anchor", anchor, "--verifier", verifier_text];
        let (told, found) = shop.json(&[&["verify", &proof], &contract[..], words].concat());
        assert_eq!((found, &told["is_valid"]), (code, &(code == 0).into()), "{words:?}: {told}");
        let one = &told["proofs"][0];
        assert!(one["reason"].as_str().unwrap_or_default().contains(why), "{why}: {told}");
        assert_eq!(one["on_chain"].is_object(), code == 0, "{told}");
    };
    const AGAINST: &[&str] = &["--against-contract"];

    asked(&[], 1, "the contract refuses it: NoKey");
    asked(AGAINST, 3, "the contract has no key of position-2");

    // Keys of one circuit that were made at different times are different.
    let other = Workshop::with(&["position-2"]);
    let theirs = call_of(&other, &other.proven("p.json", 1), verifier_text);
    let own = call_of(&shop, &proof, verifier_text);
    chained.call(theirs).await;
    asked(&[], 1, "the contract does not take it");
    asked(AGAINST, 3, "the contract has another key of position-2");

    // The key is right, and what is said of it is not.
    let circuit = phalanx_circuits::catalog::AnyStatement::all().find(|s| s.to_string() == "position-2");
    let circuit = phalanx_circuits::r1cs::Circuit::new(circuit.unwrap()).unwrap();
    chained.call(own.clone()).await;
    asked(&[], 0, "");
    asked(AGAINST, 0, "");
    let right = chained.key(&circuit.hash()).await.unwrap();
    let of_ceremony = CircuitKey { transcript: phalanx_types::Hash([7; 32]), ..right.clone() };
    chained.call(of_ceremony.call(verifier)).await;
    asked(&[], 0, "");
    asked(AGAINST, 3, "the contract has the key of another ceremony's transcript of position-2");
    // Nothing is spent by a key of no nullifier: 255 says that there is none.
    let elsewhere = CircuitKey { places: [1, 0, 255, 255], ..right };
    chained.call(elsewhere.call(verifier)).await;
    asked(AGAINST, 3, "the contract has a key that looks at other inputs of position-2");

    // Nobody to ask, and nobody who could know.
    let ask = |words: &[&str]| shop.json(&[&["verify", &proof], words].concat());
    let contract = ["--anchor", anchor, "--verifier", verifier_text];
    let (told, code) = ask(&[&["--rpc", "http://127.0.0.1:1"], &contract[..]].concat());
    assert_eq!(code, 4, "{told}");
    assert!(told["proofs"][0]["reason"].as_str().unwrap().contains("the contract cannot be asked"), "{told}");
    let (told, code) = ask(&["--rpc", &url, "--anchor", anchor, "--verifier", anchor]);
    assert_eq!(code, 4, "{told}");
    assert!(told["proofs"][0]["reason"].as_str().unwrap().contains("the contract cannot be asked"), "{told}");
    let (told, code) = ask(&["--rpc", &url, "--anchor", anchor]);
    assert_eq!(code, 4, "{told}");
    assert!(told["proofs"][0]["reason"].as_str().unwrap().contains("--verifier ADDRESS"), "{told}");
}

/// The owner's call that sets the key of a proof.
pub fn call_of(shop: &Workshop, proof: &str, verifier: &str) -> phalanx_governance::safe::Call {
    let out = shop.path("key");
    let words = ["export", "--format", "safe", "--verifier", verifier, "--chain-id", "31337", proof];
    let run = shop.proof(&[&words[..], &["--out", &out]].concat());
    assert!(run.status.success(), "{}", stderr(&run));
    let file = std::fs::read(format!("{out}/set-key-position-2.json")).unwrap();
    BuilderFile::read(&file).unwrap().calls[0].clone()
}
