//! Three verifiers of one proof: ours, snarkjs, and the contract, which `cast` asks too. Each case says what it is
//! worth, and where snarkjs is known to be lax.

use crate::{
    anvil::{node_modules, tool},
    verifier::{deployed, proven},
    world::World,
};
use phalanx_circuits::{
    groth16::{Proof, Provenance, Verifier, VerifyingKey},
    integrity::Integrity,
    native::Fr,
    r1cs::Circuit,
    snarkjs::{key_from_json, key_to_json, proof_from_json, proof_to_json, public_from_json, public_to_json},
};
use phalanx_governance::{
    Address,
    contracts::{ProofVerifier, verifier::Answer},
};
use phalanx_types::Hash;
use serde_json::{Value, json};
use std::process::Command;

/// The modulus of the points' coordinates, and that of the inputs.
const FIELD: &str = "21888242871839275222246405745257275088696311157297823662689037894645226208583";
const ORDER: &str = "21888242871839275222246405745257275088548364400416034343698204186575808495617";
/// Inputs of the circuit.
const INPUTS: usize = 4;

/// What snarkjs says.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Snarkjs {
    /// The same as we do.
    Agrees,
    /// It takes what is no proof in its one form.
    IsLax,
}

struct Case {
    name: &'static str,
    public: Value,
    proof: Value,
    holds: bool,
    snarkjs: Snarkjs,
}

/// A decimal number as a word of calldata; more than 256 bits do not fit.
fn word(decimal: &Value) -> Hash {
    let number = ethers::types::U256::from_dec_str(decimal.as_str().unwrap()).unwrap();
    let mut bytes = [0; 32];
    number.to_big_endian(&mut bytes);
    Hash(bytes)
}

fn sum(decimal: &Value, other: &str) -> Value {
    let number = |text: &str| ethers::types::U256::from_dec_str(text).unwrap();
    (number(decimal.as_str().unwrap()) + number(other)).to_string().into()
}

/// `FIELD − number`: what negates a coordinate.
fn negative(decimal: &Value) -> Value {
    let number = |text: &str| ethers::types::U256::from_dec_str(text).unwrap();
    (number(FIELD) - number(decimal.as_str().unwrap())).to_string().into()
}

fn cases(public: &Value, proof: &Value, other: &Value) -> Vec<Case> {
    use Snarkjs::{Agrees, IsLax};
    let mut cases = Vec::new();
    let mut add = |name, holds, snarkjs, change: &dyn Fn(&mut Value, &mut Value)| {
        let (mut public, mut proof) = (public.clone(), proof.clone());
        change(&mut public, &mut proof);
        cases.push(Case { name, public, proof, holds, snarkjs });
    };
    add("as it was made", true, Agrees, &|_, _| {});
    add("another proof of the same", true, Agrees, &|_, proof| *proof = other.clone());
    // Groth16 proofs can be changed by anyone into others of the same statement.
    add("A and B negated", true, Agrees, &|_, proof| {
        proof["pi_a"][1] = negative(&proof["pi_a"][1]);
        proof["pi_b"][1][0] = negative(&proof["pi_b"][1][0]);
        proof["pi_b"][1][1] = negative(&proof["pi_b"][1][1]);
    });
    for (name, input) in [("input 0", 0), ("input 1", 1), ("input 2", 2), ("input 3", 3)] {
        add(name, false, Agrees, &|public, _| public[input] = sum(&public[input], "1"));
    }
    add("inputs swapped", false, Agrees, &|public, _| {
        let list = public.as_array_mut().unwrap();
        list.swap(0, 1);
    });
    add("A negated", false, Agrees, &|_, proof| proof["pi_a"][1] = negative(&proof["pi_a"][1]));
    add("A and C exchanged", false, Agrees, &|_, proof| {
        let a = proof["pi_a"].take();
        proof["pi_a"] = proof["pi_c"].take();
        proof["pi_c"] = a;
    });
    add("A of another proof", false, Agrees, &|_, proof| proof["pi_a"] = other["pi_a"].clone());
    add("A off the curve", false, Agrees, &|_, proof| proof["pi_a"][0] = sum(&proof["pi_a"][0], "1"));
    add("B off the curve", false, Agrees, &|_, proof| proof["pi_b"][0][0] = sum(&proof["pi_b"][0][0], "1"));
    add("C off the curve", false, Agrees, &|_, proof| proof["pi_c"][1] = sum(&proof["pi_c"][1], "1"));
    add("halves of B swapped", false, Agrees, &|_, proof| {
        for row in [0, 1] {
            proof["pi_b"][row].as_array_mut().unwrap().reverse();
        }
    });
    add("B outside of the subgroup", false, Agrees, &|_, proof| proof["pi_b"] = stray());
    add("A at infinity", false, Agrees, &|_, proof| proof["pi_a"] = json!(["0", "0", "1"]));
    add("all at infinity", false, Agrees, &|_, proof| {
        proof["pi_a"] = json!(["0", "0", "1"]);
        proof["pi_b"] = json!([["0", "0"], ["0", "0"], ["1", "0"]]);
        proof["pi_c"] = json!(["0", "0", "1"]);
    });
    add("an input too few", false, Agrees, &|public, _| drop(public.as_array_mut().unwrap().pop()));
    add("an input too many", false, Agrees, &|public, _| public.as_array_mut().unwrap().push("0".into()));
    add("an input plus the order", false, Agrees, &|public, _| public[1] = sum(&public[1], ORDER));
    add("a coordinate plus the field's order", false, IsLax, &|_, proof| {
        proof["pi_a"][0] = sum(&proof["pi_a"][0], FIELD);
    });
    cases
}

/// A point of the twist that is not of the group.
fn stray() -> Value {
    use ark_bn254::{Fq2, G2Affine};
    use ark_ec::AffineRepr;
    let point = (1..)
        .find_map(|x: u64| G2Affine::get_point_from_x_unchecked(Fq2::from(x), false))
        .filter(|point| point.is_on_curve() && !point.is_in_correct_subgroup_assuming_on_curve())
        .unwrap();
    let (x, y) = point.xy().unwrap();
    json!([[x.c0.to_string(), x.c1.to_string()], [y.c0.to_string(), y.c1.to_string()], ["1", "0"]])
}

fn ours(key: &str, case: &Case) -> bool {
    let circuit = Circuit::new(Integrity).unwrap();
    let key = key_from_json(key.as_bytes(), INPUTS).unwrap();
    let verifier = Verifier::new(VerifyingKey::name(&circuit, Provenance::Dev, key).unwrap());
    let inputs = public_from_json(case.public.to_string().as_bytes(), INPUTS);
    let proof: Result<Proof, _> = proof_from_json(case.proof.to_string().as_bytes());
    matches!((inputs, proof), (Ok(inputs), Ok(proof)) if verifier.verify(&inputs, &proof).is_ok())
}

/// What snarkjs says of each case; what makes it throw does not hold.
fn theirs(key: &str, cases: &[Case]) -> Vec<bool> {
    const SCRIPT: &str = "
        const [snarkjs, file] = process.argv.slice(1);
        const { key, cases } = JSON.parse(require('fs').readFileSync(file));
        (async () => {
          const told = [];
          for (const { public, proof } of cases) {
            told.push(await require(snarkjs).groth16.verify(key, public, proof).catch(() => false));
          }
          console.log(JSON.stringify(told));
          process.exit(0);
        })();
    ";
    let cases: Vec<Value> = cases.iter().map(|c| json!({"public": c.public, "proof": c.proof})).collect();
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("cases.json");
    let key: Value = serde_json::from_str(key).unwrap();
    std::fs::write(&file, json!({"key": key, "cases": cases}).to_string()).unwrap();
    let snarkjs = node_modules().join("snarkjs/build/main.cjs");
    let run = Command::new("node").args(["-e", SCRIPT]).arg(snarkjs).arg(&file).output().unwrap();
    serde_json::from_slice(&run.stdout).unwrap_or_else(|_| panic!("{}", String::from_utf8_lossy(&run.stderr)))
}

/// What `cast call` prints; none when the contract reverts.
fn by_cast(world: &World, at: Address, circuit: &Hash, public: &[Hash], words: &[Hash]) -> Option<String> {
    let list = |words: &[Hash]| {
        let words: Vec<String> = words.iter().map(|word| format!("0x{word}")).collect();
        format!("[{}]", words.join(","))
    };
    let run = Command::new(tool("cast"))
        .args(["call", &at.to_string(), "verify(bytes32,uint256[],uint256[8])(bool)"])
        .args([format!("0x{circuit}"), list(public), list(words)])
        .args(["--rpc-url", &world.anvil.url()])
        .output()
        .unwrap();
    run.status.success().then(|| String::from_utf8_lossy(&run.stdout).trim().to_owned())
}

#[tokio::test]
async fn ours_snarkjs_and_the_contract_agree_about_every_proof() {
    let made = proven(2);
    let key = key_to_json(&made.raw);
    let parse = |text: String| -> Value { serde_json::from_str(&text).unwrap() };
    let inputs: &[Fr] = &made.calldata.inputs;
    assert_eq!(inputs.len(), INPUTS);
    let public = parse(public_to_json(inputs));
    let proof = parse(proof_to_json(&made.calldata.proof));
    let other = parse(proof_to_json(&proven(3).calldata.proof));
    let cases = cases(&public, &proof, &other);
    let theirs = theirs(&key, &cases);

    let world = World::new().await;
    let at = deployed(&world, &made.key).await;
    let verifier = ProofVerifier::new(world.chain.clone(), at);
    let tip = world.tip().await;
    for (case, theirs) in cases.iter().zip(theirs) {
        assert_eq!(ours(&key, case), case.holds, "ours: {}", case.name);
        let (a, b, c) = (&case.proof["pi_a"], &case.proof["pi_b"], &case.proof["pi_c"]);
        // The chain has the halves of B the other way round.
        let words = [&a[0], &a[1], &b[0][1], &b[0][0], &b[1][1], &b[1][0], &c[0], &c[1]].map(word);
        let public: Vec<Hash> = case.public.as_array().unwrap().iter().map(word).collect();
        let answer = verifier.verify(&made.key.circuit, None, &public, &words, tip).await.unwrap();
        assert_eq!(answer == Answer::Holds, case.holds, "the contract: {}: {answer:?}", case.name);
        let told = by_cast(&world, at, &made.key.circuit, &public, &words);
        assert_eq!(told.as_deref() == Some("true"), case.holds, "cast: {}: {told:?}", case.name);
        let expected = case.holds || case.snarkjs == Snarkjs::IsLax;
        assert_eq!(theirs, expected, "snarkjs: {}", case.name);
    }
}
