//! A real ceremony, run by snarkjs over what the command exports.

use super::workshop::Workshop;
use crate::{
    chain::{Chained, anvil, call_of},
    support::stderr,
};
use phalanx_types::Hash;
use serde_json::{Value, json};
use std::process::Command;

/// Runs snarkjs in the folder, named by `PHALANX_SNARKJS` (a path to its `cli.cjs`).
fn snarkjs(shop: &Workshop, line: &str) -> String {
    let cli = std::env::var("PHALANX_SNARKJS").expect("set PHALANX_SNARKJS to the path of snarkjs' cli.cjs");
    let run = Command::new("node").arg(cli).args(line.split(' ')).current_dir(&shop.folder).output().unwrap();
    let text = String::from_utf8_lossy(&run.stdout).into_owned();
    assert!(run.status.success(), "{line}: {text}");
    text
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "slow: runs a ceremony in snarkjs, which scripts/test --slow names by PHALANX_SNARKJS"]
async fn keys_of_a_ceremony_prove_verify_are_kept_and_are_set_with_its_transcript_on_chain_slow() {
    let shop = Workshop { folder: tempfile::tempdir().unwrap() };
    let r1cs = shop.proof(&["r1cs", "position-2"]);
    std::fs::write(shop.path("c.r1cs"), r1cs.stdout).unwrap();
    for line in [
        "powersoftau new bn128 13 p0.ptau",
        "powersoftau contribute p0.ptau p1.ptau --name=one -e=first",
        "powersoftau prepare phase2 p1.ptau p.ptau",
        "groth16 setup c.r1cs p.ptau c0.zkey",
        "zkey contribute c0.zkey c1.zkey --name=two -e=second",
    ] {
        snarkjs(&shop, line);
    }
    let transcript = shop.write("transcript", &snarkjs(&shop, "zkey verify c.r1cs p.ptau c1.zkey"));
    let import = |zkey: &str| {
        shop.proof(&["import-zkey", "position-2", &shop.path(zkey), "--transcript", &transcript, "--force"])
    };
    let run = import("c0.zkey");
    assert_eq!(run.status.code(), Some(1));
    assert!(stderr(&run).contains("everybody can forge"), "{}", stderr(&run));
    assert!(import("c1.zkey").status.success());
    let kept = import("c1.zkey");
    assert_eq!(kept.status.code(), Some(1));
    assert!(stderr(&kept).contains("never overwritten"), "{}", stderr(&kept));

    let proof = shop.proven("p.json", 1);
    let (told, code) = shop.json(&["verify", &proof]);
    let hash = Hash::sha3(shop.read("transcript").as_bytes());
    assert_eq!(code, 0);
    assert_eq!(told["proofs"][0]["trusted"]["provenance"], json!({"CEREMONY": {"transcript": hash}}));
    let (call, _) = shop.json(&["export", "--format", "solidity", &proof]);
    assert_eq!(call["arguments"][1], Value::from(format!("0x{hash}")));

    // The key that snarkjs takes out of the .zkey verifies what we export.
    snarkjs(&shop, "zkey export verificationkey c1.zkey vk.json");
    let out = shop.path("out");
    assert_eq!(shop.json(&["export", "--format", "snarkjs", &proof, "--out", &out]).1, 0);
    assert!(snarkjs(&shop, "groth16 verify vk.json out/public.json out/proof.json").contains("OK!"));

    // The owner's Safe sets the key on a chain, which then tells the transcript's hash to everybody.
    let anvil = anvil(&["--block-time", "1"]);
    let chained = Chained::dev(&anvil.url()).await;
    let circuit: Hash = call["arguments"][0].as_str().unwrap().trim_start_matches("0x").parse().unwrap();
    assert_eq!(chained.key(&circuit).await, None);
    let verifier = chained.verifier().to_string();
    chained.call(call_of(&shop, &proof, &verifier)).await;
    let kept = chained.key(&circuit).await.unwrap();
    assert_eq!(kept.transcript, hash);
    let anchor = chained.deployment.anchor.to_string();
    let asked = ["verify", &proof, "--rpc", &anvil.url(), "--anchor", &anchor, "--verifier", &verifier];
    let (told, code) = shop.json(&[&asked[..], &["--against-contract"]].concat());
    assert_eq!((code, told["proofs"][0]["on_chain"].is_object()), (0, true), "{told}");
    // Whoever has another transcript in hand is told that it is not the one.
    shop.write("another", "who took part, as somebody else tells it");
    std::fs::rename(shop.path("proof-keys"), shop.path("first-keys")).unwrap();
    let words = ["import-zkey", "position-2", &shop.path("c1.zkey"), "--transcript", &shop.path("another")];
    assert!(shop.proof(&words).status.success());
    let again = shop.proven("again.json", 2);
    let asked = ["verify", &again, "--rpc", &anvil.url(), "--anchor", &anchor, "--verifier", &verifier];
    let (told, code) = shop.json(&[&asked[..], &["--against-contract"]].concat());
    assert_eq!(code, 3, "{told}");
    assert!(
        told["proofs"][0]["reason"].as_str().unwrap().contains("another ceremony's transcript"),
        "{told}"
    );
}
