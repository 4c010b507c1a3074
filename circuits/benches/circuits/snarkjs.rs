//! The prover beside snarkjs, with the same constraints, values and key, in the same run.

use super::{black_box, load, median, time};
use phalanx_circuits::{
    groth16::{Prover, ProvingKey},
    iden3::{r1cs_file, read_zkey, wtns_file},
    native::Fr,
    r1cs::{Circuit, Statement},
};
use std::{
    path::{Path, PathBuf},
    process::Command,
};

const GOAL: f64 = 15.0;
/// Proofs by snarkjs in one process, after one that warms it up.
const PROOFS: usize = 5;

/// Proves again and again in one process, with all files in memory; prints milliseconds.
const SCRIPT: &str = "
const [snarkjs, folder, proofs] = process.argv.slice(1);
const { readFileSync } = require('fs');
const mem = (name) => ({ type: 'mem', data: new Uint8Array(readFileSync(folder + '/' + name)) });
(async () => {
  const times = [];
  for (let i = 0; i <= +proofs; i++) {
    const [zkey, wtns, began] = [mem('c.zkey'), mem('c.wtns'), performance.now()];
    await require(snarkjs).groth16.prove(zkey, wtns);
    times.push(performance.now() - began);
  }
  times.shift();
  console.log(times.sort((a, b) => a - b)[times.length >> 1]);
  process.exit(0);
})();
";

/// snarkjs' package, when it and node are installed.
fn package() -> Option<PathBuf> {
    let path = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../contracts/node_modules/snarkjs/build");
    let has_node = Command::new("node").arg("--version").output().is_ok_and(|run| run.status.success());
    (path.exists() && has_node).then_some(path)
}

fn run(package: &Path, folder: &Path, line: &str) {
    let run = Command::new("node")
        .arg(package.join("cli.cjs"))
        .args(line.split(' '))
        .current_dir(folder)
        .output()
        .unwrap();
    assert!(run.status.success(), "{line}: {}", String::from_utf8_lossy(&run.stdout));
}

/// Both provers over one circuit. The powers of tau stay in the target folder.
pub fn compare<S: Statement>(statement: S, truth: (Vec<Fr>, S::Secret)) {
    let name = statement.name();
    let Some(package) = package() else {
        println!("snarkjs/{name}: not compared (snarkjs is not installed: run contracts/scripts/tools)");
        return;
    };
    let (inputs, secret) = truth;
    let circuit = Circuit::new(statement).unwrap();
    let shape = circuit.shape();
    let power = (shape.constraints() + shape.inputs()).next_power_of_two().trailing_zeros();
    let kept = PathBuf::from(std::env::var_os("CARGO_TARGET_DIR").unwrap_or_else(|| "/tmp".into()));
    let powers = kept.join(format!("powers-of-tau-{power}.ptau"));
    let folder = tempfile::tempdir().unwrap();
    let path = |name: &str| folder.path().join(name);
    if !powers.exists() {
        run(&package, folder.path(), &format!("powersoftau new bn128 {power} p0.ptau"));
        run(&package, folder.path(), "powersoftau contribute p0.ptau p1.ptau --name=one -e=first");
        run(&package, folder.path(), "powersoftau prepare phase2 p1.ptau p.ptau");
        std::fs::copy(path("p.ptau"), &powers).unwrap();
    }
    std::fs::write(path("c.r1cs"), r1cs_file(shape)).unwrap();
    let assignment = circuit.assign(&inputs, &secret).unwrap();
    std::fs::write(path("c.wtns"), &*wtns_file(&assignment)).unwrap();
    run(&package, folder.path(), &format!("groth16 setup c.r1cs {} c0.zkey", powers.display()));
    run(&package, folder.path(), "zkey contribute c0.zkey c.zkey --name=two -e=second");

    let key = read_zkey(&std::fs::read(path("c.zkey")).unwrap(), &circuit).unwrap();
    let bytes = key.encode();
    let prover = Prover::new(&circuit, key).unwrap();
    let prove = |prover: &Prover<'_, S>| prover.prove(&inputs, &secret, &[1; 32]).unwrap();
    prover.verifier().verify(&inputs, &prove(&prover)).unwrap();
    let ours = median(11, || {
        let _ = black_box(prove(&prover));
    });
    let ours_whole = median(5, || {
        let key = ProvingKey::decode(&bytes, &circuit).unwrap();
        let _ = black_box(prove(&Prover::new(&circuit, key).unwrap()));
    });
    let theirs_whole =
        median(5, || run(&package, folder.path(), "groth16 prove c.zkey c.wtns proof.json public.json"));
    let timed = Command::new("node")
        .args(["-e", SCRIPT])
        .arg(package.join("main.cjs"))
        .arg(folder.path())
        .arg(PROOFS.to_string())
        .output()
        .unwrap();
    let told = String::from_utf8_lossy(&timed.stdout);
    let theirs = told.trim().parse::<f64>().unwrap_or_else(|_| panic!("{told}")) / 1e3;
    let ratio = theirs / ours;
    println!(
        "snarkjs/{name}: {} constraints; prove {} against {} ({ratio:.1} times as fast; goal {GOAL}, ratio {:.2}); \
         with the key read {} against the whole process {} ({:.1} times); load {}",
        shape.constraints(),
        time(ours),
        time(theirs),
        ratio / GOAL,
        time(ours_whole),
        time(theirs_whole),
        theirs_whole / ours_whole,
        load()
    );
}
