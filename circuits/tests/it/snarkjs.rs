//! What snarkjs and the chain read and write, and all that is not that.

use crate::{cubic, small, truth};
use phalanx_circuits::{
    groth16::{Proof, Provenance, Prover, Refused, Verifier, VerifyingKey, setup_dev},
    native::Fr,
    snarkjs::{
        Calldata, FormatError, chain_key, key_from_json, key_to_json, proof_from_json, proof_to_json,
        public_from_json, public_to_json,
    },
};
use phalanx_types::Hash;

fn made() -> (String, String, String) {
    let circuit = cubic::circuit();
    let prover = Prover::new(&circuit, setup_dev(&circuit, &[7; 32]).unwrap()).unwrap();
    let inputs = [Fr::from(35)];
    let proof = prover.prove(&inputs, &Fr::from(3), &[1; 32]).unwrap();
    let key = key_to_json(prover.verifier().key().raw());
    (key, public_to_json(&inputs), proof_to_json(&proof))
}

fn verifies(key: &[u8], public: &[u8], proof: &[u8]) -> Result<(), String> {
    let text = |e: FormatError| e.to_string();
    let key = key_from_json(key, 1).map_err(text)?;
    let key = VerifyingKey::name(&cubic::circuit(), Provenance::Dev, key).map_err(|e| e.to_string())?;
    let inputs = public_from_json(public, 1).map_err(text)?;
    let proof = proof_from_json(proof).map_err(text)?;
    Verifier::new(key).verify(&inputs, &proof).map_err(|e| e.to_string())
}

#[test]
fn what_is_written_is_read_and_verifies() {
    let (key, public, proof) = made();
    assert_eq!(verifies(key.as_bytes(), public.as_bytes(), proof.as_bytes()), Ok(()));
    assert_eq!(proof_to_json(&proof_from_json(proof.as_bytes()).unwrap()), proof);
    assert_eq!(key_to_json(&key_from_json(key.as_bytes(), 1).unwrap()), key);
}

#[test]
fn what_snarkjs_made_of_our_circuit_verifies() {
    let [key, public, proof] = [
        include_bytes!("../vectors/cubic.vk.json").as_slice(),
        include_bytes!("../vectors/cubic.public.json"),
        include_bytes!("../vectors/cubic.proof.json"),
    ];
    assert_eq!(verifies(key, public, proof), Ok(()));
    let other = public_to_json(&[Fr::from(36)]);
    assert_eq!(verifies(key, other.as_bytes(), proof), Err(Refused::Invalid.to_string()));
}

/// Every replacement gives a file that is refused; where snarkjs takes it, it says so.
#[test]
fn malformed_files_are_refused() {
    let (key, public, proof) = made();
    let json: serde_json::Value = serde_json::from_str(&proof).unwrap();
    let x = json["pi_a"][0].as_str().unwrap().to_owned();
    let (b0, b1) = (json["pi_b"][0][0].as_str().unwrap(), json["pi_b"][0][1].as_str().unwrap());
    let modulus = "21888242871839275222246405745257275088696311157297823662689037894645226208583";
    let order = "21888242871839275222246405745257275088548364400416034343698204186575808495617";
    let refused = |key: &str, public: &str, proof: &str, why: &str| {
        let verdict = verifies(key.as_bytes(), public.as_bytes(), proof.as_bytes());
        assert!(verdict.as_ref().is_err_and(|e| e.contains(why)), "{why}: {verdict:?}");
    };
    let in_proof = |from: &str, to: &str, why| {
        let other = proof.replacen(from, to, 1);
        assert_ne!(other, proof, "{from}");
        refused(&key, &public, &other, why);
    };
    in_proof(&x, "1", "not on the curve");
    in_proof(&x, modulus, "below the modulus");
    in_proof(&x, &format!("0{x}"), "leading zero");
    in_proof(&x, "0x3", "not a decimal");
    in_proof(&format!("\"{x}\""), "3", "invalid type");
    in_proof("groth16", "plonk", "protocol");
    in_proof("bn128", "bls12381", "curve");
    in_proof("\"1\"", "\"2\"", "last coordinate");
    in_proof("\"pi_a\"", "\"pi_x\"", "unknown field");
    in_proof("{", "{\"more\": 1,", "unknown field");
    // Swapped halves in G2: c1 first, as the chain has it.
    let swapped = proof.replacen(b0, "@", 1).replacen(b1, b0, 1).replacen('@', b1, 1);
    refused(&key, &public, &swapped, "curve");
    refused(&key, &public, &proof[..proof.len() / 2], "EOF");
    refused(&key, &public, &format!("{proof}{}", " ".repeat(5000)), "at most");

    refused(&key, "[]", &proof, "0 where the circuit has 1");
    refused(&key, "[\"35\",\"0\"]", &proof, "2 where the circuit has 1");
    // snarkjs takes hexadecimal here.
    refused(&key, "[\"0x23\"]", &proof, "not a decimal");
    refused(&key, &format!("[\"{order}\"]"), &proof, "below the modulus");

    let parsed: serde_json::Value = serde_json::from_str(&key).unwrap();
    let changed = |change: fn(&mut serde_json::Value)| {
        let mut value = parsed.clone();
        change(&mut value);
        value.to_string()
    };
    // snarkjs takes both of these.
    let surplus = changed(|v| {
        let last = v["IC"][1].clone();
        v["IC"].as_array_mut().unwrap().push(last);
    });
    refused(&surplus, &public, &proof, "IC");
    refused(&changed(|v| v["vk_delta_2"] = v["vk_gamma_2"].clone()), &public, &proof, "phase 2");
    refused(&changed(|v| v["nPublic"] = 2.into()), &public, &proof, "nPublic");
    refused(&changed(|v| drop(v["IC"].as_array_mut().unwrap().pop())), &public, &proof, "IC");
    refused(&changed(|v| v["protocol"] = "fflonk".into()), &public, &proof, "protocol");
    let infinite = changed(|v| v["IC"][1] = serde_json::json!(["0", "1", "0"]));
    refused(&infinite, &public, &proof, "last coordinate");
    refused(
        &changed(|v| drop(v.as_object_mut().unwrap().remove("vk_delta_2"))),
        &public,
        &proof,
        "missing field",
    );
}

#[test]
fn a_point_of_the_twist_outside_of_the_group_is_refused() {
    use ark_bn254::{Fq2, G2Affine};
    use ark_ec::AffineRepr;
    let (_, _, proof) = made();
    // The first points of the curve by x: its cofactor is large, so they are outside.
    let stray = (1..)
        .find_map(|x: u64| G2Affine::get_point_from_x_unchecked(Fq2::from(x), false))
        .filter(|point| point.is_on_curve() && !point.is_in_correct_subgroup_assuming_on_curve())
        .unwrap();
    let (x, y) = stray.xy().unwrap();
    let mut json: serde_json::Value = serde_json::from_str(&proof).unwrap();
    json["pi_b"] = serde_json::json!([
        [x.c0.to_string(), x.c1.to_string()],
        [y.c0.to_string(), y.c1.to_string()],
        ["1", "0"]
    ]);
    let error = proof_from_json(json.to_string().as_bytes()).unwrap_err();
    assert!(error.to_string().contains("subgroup"), "{error}");
}

#[test]
fn calldata_is_pinned_read_back_and_swapped_halves_are_refused() {
    let (circuit, key) = small();
    let prover = Prover::new(&circuit, key).unwrap();
    let (public, secret) = truth(5, 2);
    let proof = prover.prove(&public.inputs(), &secret, &[1; 32]).unwrap();
    let calldata = Calldata { inputs: public.inputs().to_vec(), proof };
    let text = calldata.to_hex();
    assert_eq!(Calldata::from_hex(&text, 7), Ok(calldata));
    assert_eq!(text.len(), 2 + 2 * (Proof::LEN + 7 * 32));
    let mut swapped = text.clone();
    swapped
        .replace_range(2 + 128..2 + 256, &format!("{}{}", &text[2 + 192..2 + 256], &text[2 + 128..2 + 192]));
    assert!(Calldata::from_hex(&swapped, 7).is_err());
    assert!(Calldata::from_hex(&text, 6).is_err());
    assert!(Calldata::from_hex(&text[2..], 7).is_err());
    assert!(Calldata::from_hex(&text.replacen('0', "g", 2), 7).is_err());
    let above = format!("{}{}", &text[..text.len() - 64], "f".repeat(64));
    assert!(Calldata::from_hex(&above, 7).is_err());
    assert_eq!(chain_key(prover.verifier().key().raw()).len(), 64 + 3 * 128 + 8 * 64);
    let golden = Hash::sha3(text.as_bytes()).to_string();
    assert_eq!(golden, "91308c43cc330a26a50ee9418867336dc26c1b1b4f50b06b676d2f3a29e04a76");
}
