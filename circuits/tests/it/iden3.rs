//! Ceremonies: the circuit out, the key in.
//!
//! The vectors were made by snarkjs 0.7.6 from our `.r1cs` and `.wtns`: powers of tau of
//! size 2^4 with one contribution, setup, one contribution, a beacon.

use crate::cubic::{self, Cubic};
use phalanx_circuits::{
    groth16::{Provenance, Prover, ProvingKey},
    iden3::{ZkeyError, r1cs_file, read_zkey, wtns_file},
    native::Fr,
    r1cs::Circuit,
    snarkjs::{key_from_json, proof_to_json, public_to_json},
};
use phalanx_types::Hash;
use std::{path::Path, process::Command};

const ZKEY: &[u8] = include_bytes!("../vectors/cubic.zkey");

#[test]
fn the_files_for_a_ceremony_are_pinned() {
    let circuit = cubic::circuit();
    assert_eq!(r1cs_file(circuit.shape()), include_bytes!("../vectors/cubic.r1cs"));
    let assignment = circuit.assign(&[Fr::from(35)], &Fr::from(3)).unwrap();
    assert_eq!(*wtns_file(&assignment), include_bytes!("../vectors/cubic.wtns"));
}

#[test]
fn a_ceremonys_key_proves_and_is_the_one_that_snarkjs_exports() {
    let circuit = cubic::circuit();
    let key = read_zkey(ZKEY, &circuit).unwrap();
    assert!(matches!(key.identity().provenance, Provenance::Ceremony { .. }));
    let renamed = key.clone().with_transcript(Hash([5; 32]));
    assert_eq!(renamed.identity().provenance, Provenance::Ceremony { transcript: Hash([5; 32]) });
    let exported = key_from_json(include_bytes!("../vectors/cubic.vk.json"), 1).unwrap();
    assert_eq!(*key.verifying_key().raw(), exported);
    let again = ProvingKey::decode(&key.encode(), &circuit).unwrap();
    assert_eq!(again.identity(), key.identity());
    let prover = Prover::new(&circuit, again).unwrap();
    assert!(prover.prove(&[Fr::from(35)], &Fr::from(3), &[1; 32]).is_ok());
}

#[test]
fn a_key_of_another_circuit_and_a_damaged_file_are_refused() {
    struct Other;
    impl phalanx_circuits::r1cs::Statement for Other {
        type Secret = Fr;
        fn name(&self) -> String {
            "other".to_owned()
        }
        fn inputs(&self) -> &'static [phalanx_circuits::r1cs::Input] {
            Cubic.inputs()
        }
        fn caveats(&self) -> &'static [&'static str] {
            &[]
        }
        fn blank(&self) -> Fr {
            Fr::from(0)
        }
        // The same sizes, another constant.
        fn lay<C: phalanx_circuits::r1cs::System>(
            &self,
            cs: &mut C,
            inputs: &[C::Num],
            secret: &Fr,
        ) -> Result<(), phalanx_circuits::r1cs::Mismatch> {
            let x = cs.witness(*secret);
            let square = cs.product(&x, &x);
            let cube = cs.product(&square, &x);
            let one = cs.constant(Fr::from(1));
            let sum = cs.sum([(Fr::from(1), &cube), (Fr::from(1), &x), (Fr::from(6), &one)]);
            cs.equal("x³ + x + 6 = y", &sum, &inputs[0]);
            Ok(())
        }
    }
    let other = Circuit::new(Other).unwrap();
    assert!(matches!(read_zkey(ZKEY, &other), Err(ZkeyError::OtherCircuit { what: "matrices", .. })));
    let (larger, _) = crate::small();
    assert!(matches!(read_zkey(ZKEY, &larger), Err(ZkeyError::OtherCircuit { .. })));

    let circuit = cubic::circuit();
    for length in 0..ZKEY.len() {
        assert!(read_zkey(&ZKEY[..length], &circuit).is_err(), "{length}");
    }
    let longer: Vec<u8> = ZKEY.iter().chain([&0]).copied().collect();
    assert!(read_zkey(&longer, &circuit).is_err());
    // Whatever a flipped bit does, nothing panics, and no other key verifies the same.
    for at in 0..ZKEY.len() {
        let mut changed = ZKEY.to_vec();
        changed[at] ^= 1;
        let _ = read_zkey(&changed, &circuit);
    }
}

#[test]
fn a_key_without_a_contribution_is_refused() {
    // The last section is the list of contributions: the circuit's hash, and none.
    let at = (0..ZKEY.len() - 12).find(|at| {
        let mut start = 10_u32.to_le_bytes().to_vec();
        start.extend(((ZKEY.len() - at - 12) as u64).to_le_bytes());
        ZKEY[*at..].starts_with(&start)
    });
    let mut file = ZKEY[..at.unwrap() + 4].to_vec();
    file.extend(68_u64.to_le_bytes());
    file.extend([0; 68]);
    assert_eq!(read_zkey(&file, &cubic::circuit()).err(), Some(ZkeyError::NoContribution));
}

/// Runs snarkjs, named by `PHALANX_SNARKJS` (a path to its `cli.cjs`).
fn snarkjs(folder: &Path, arguments: &[&str]) -> String {
    let cli = std::env::var("PHALANX_SNARKJS").expect("set PHALANX_SNARKJS to the path of snarkjs' cli.cjs");
    let run = Command::new("node").arg(cli).args(arguments).current_dir(folder).output().unwrap();
    let text = String::from_utf8_lossy(&run.stdout).into_owned();
    assert!(run.status.success(), "{arguments:?}: {text}");
    text
}

#[test]
#[ignore = "slow: runs a ceremony in snarkjs, which scripts/test --slow names by PHALANX_SNARKJS"]
fn a_ceremony_from_start_to_end_slow() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    let circuit = cubic::circuit();
    let assignment = circuit.assign(&[Fr::from(35)], &Fr::from(3)).unwrap();
    std::fs::write(folder.join("c.r1cs"), r1cs_file(circuit.shape())).unwrap();
    std::fs::write(folder.join("c.wtns"), &*wtns_file(&assignment)).unwrap();
    let run = |line: &str| snarkjs(folder, &line.split(' ').collect::<Vec<_>>());
    run("powersoftau new bn128 4 p0.ptau");
    run("powersoftau contribute p0.ptau p1.ptau --name=one -e=first");
    run("powersoftau prepare phase2 p1.ptau p.ptau");
    run("wtns check c.r1cs c.wtns");
    run("groth16 setup c.r1cs p.ptau c0.zkey");
    run("zkey contribute c0.zkey c1.zkey --name=two -e=second");
    run("zkey beacon c1.zkey c.zkey 0102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f 10");
    assert!(run("zkey verify c.r1cs p.ptau c.zkey").contains("ZKey Ok!"));
    run("zkey export verificationkey c.zkey vk.json");
    run("groth16 prove c.zkey c.wtns proof.json public.json");

    let read = |name: &str| std::fs::read(folder.join(name)).unwrap();
    let key = read_zkey(&read("c.zkey"), &circuit).unwrap();
    let prover = Prover::new(&circuit, key).unwrap();
    let theirs = phalanx_circuits::snarkjs::proof_from_json(&read("proof.json")).unwrap();
    assert_eq!(prover.verifier().verify(&[Fr::from(35)], &theirs), Ok(()));
    let ours = prover.prove(&[Fr::from(35)], &Fr::from(3), &[1; 32]).unwrap();
    std::fs::write(folder.join("ours.json"), proof_to_json(&ours)).unwrap();
    std::fs::write(folder.join("public.json"), public_to_json(&[Fr::from(35)])).unwrap();
    assert!(run("groth16 verify vk.json public.json ours.json").contains("OK!"));
    std::fs::write(
        folder.join("our-vk.json"),
        phalanx_circuits::snarkjs::key_to_json(prover.verifier().key().raw()),
    )
    .unwrap();
    assert!(run("groth16 verify our-vk.json public.json ours.json").contains("OK!"));
    if let Ok(keep) = std::env::var("PHALANX_KEEP_VECTORS") {
        for (from, to) in [
            ("c.r1cs", "cubic.r1cs"),
            ("c.wtns", "cubic.wtns"),
            ("c.zkey", "cubic.zkey"),
            ("vk.json", "cubic.vk.json"),
            ("proof.json", "cubic.proof.json"),
            ("public.json", "cubic.public.json"),
        ] {
            std::fs::copy(folder.join(from), Path::new(&keep).join(to)).unwrap();
        }
    }
}
