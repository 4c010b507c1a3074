//! Proofs on the chain: under the owner's key, and under an anchored root.

use crate::world::{World, address};
use phalanx_circuits::{
    groth16::{Prover, RawKey, setup_dev},
    integrity::{Integrity, Public, Secret},
    native::{Fr, Tree, beat_digest, bytes_of},
    r1cs::Circuit,
    snarkjs::{Calldata, Places, chain_key},
};
use phalanx_governance::{
    Address,
    contracts::{CircuitKey, ProofVerifier, anchor::anchor_calldata, verifier::Answer},
    submit::account::TxPayload,
};
use phalanx_types::{Checkpoint, Hash, Height};

/// A proof that the record of two beats is unbroken.
pub struct Proven {
    pub calldata: Calldata,
    /// Its audit root.
    pub root: Hash,
    /// Its key, as the owner sets it, and as it is.
    pub key: CircuitKey,
    pub raw: RawKey,
}

/// Makes one, by this entropy.
pub fn proven(entropy: u8) -> Proven {
    let roots = vec![Hash([1; 32]), Hash([2; 32])];
    let digest = beat_digest(Fr::from(7), Height(4), &roots[0]);
    let digest = beat_digest(digest, Height(5), &roots[1]);
    let tree = Tree::new(vec![Fr::from(3), digest]).unwrap();
    let secret = Secret { from: Height(4), receipts_roots: roots, path: tree.path(1).unwrap() };
    let inputs = Public::of(&secret, Fr::from(7)).unwrap().inputs();
    let circuit = Circuit::new(Integrity).unwrap();
    let prover = Prover::new(&circuit, setup_dev(&circuit, &[1; 32]).unwrap()).unwrap();
    let proof = prover.prove(&inputs, &secret, &[entropy; 32]).unwrap();
    let raw = prover.verifier().key().raw().clone();
    let key = CircuitKey {
        circuit: circuit.hash(),
        // As of a ceremony: its transcript is anchored with the key.
        transcript: Hash([8; 32]),
        places: [1, 0, Places::NONE, Places::NONE],
        points: chain_key(&raw),
    };
    Proven { calldata: Calldata { inputs: inputs.to_vec(), proof }, root: bytes_of(tree.root()), key, raw }
}

/// A contract that the payer owns and that has this key.
pub async fn deployed(world: &World, key: &CircuitKey) -> Address {
    let creation = ProofVerifier::creation(world.payer.address(), world.deployment.anchor).unwrap();
    let at = world.payer.run(&TxPayload::create(creation)).await.unwrap().created.unwrap();
    world.payer.run(&TxPayload::call(at, key.call(at).data)).await.unwrap();
    at
}

#[tokio::test]
async fn a_proof_is_taken_under_the_owners_key_and_an_anchored_root_only() {
    let Proven { calldata, root: audit_root, key, .. } = proven(2);
    let (inputs, proof) = (calldata.input_words(), calldata.proof_words().try_into().unwrap());
    let world = World::new().await;
    let (owner, anchor) = (world.payer.address(), world.deployment.anchor);
    let creation = TxPayload::create(ProofVerifier::creation(owner, anchor).unwrap());
    let at = world.payer.run(&creation).await.unwrap().created.unwrap();
    let verifier = ProofVerifier::new(world.chain.clone(), at);
    let tip = world.tip().await;
    verifier.check(owner, anchor, tip).await.unwrap();
    assert!(verifier.check(address(9), anchor, tip).await.is_err());
    assert!(verifier.check(owner, address(9), tip).await.is_err());
    let elsewhere = ProofVerifier::new(world.chain.clone(), anchor);
    assert!(elsewhere.check(owner, anchor, tip).await.is_err());

    // Without a key nothing is verified, and that is said.
    assert_eq!(verifier.key(&key.circuit, tip).await.unwrap(), None);
    let answer = verifier.verify(&key.circuit, None, &inputs, &proof, tip).await.unwrap();
    assert!(matches!(answer, Answer::Refused(reason) if reason.contains("NoKey")));

    world.payer.run(&TxPayload::call(at, key.call(at).data)).await.unwrap();
    let tip = world.tip().await;
    assert_eq!(verifier.key(&key.circuit, tip).await.unwrap(), Some(key.clone()));
    let holds = |inputs: Vec<Hash>| {
        let (verifier, circuit) = (verifier.clone(), key.circuit);
        async move { verifier.verify(&circuit, None, &inputs, &proof, tip).await.unwrap() }
    };
    assert_eq!(holds(inputs.clone()).await, Answer::Holds);
    let mut other = inputs.clone();
    other[3].0[31] ^= 1;
    assert_eq!(holds(other).await, Answer::Fails);
    assert!(matches!(holds(inputs[..3].to_vec()).await, Answer::Refused(_)));

    // Its root must be that of the checkpoint, and the checkpoint anchored.
    let checkpoint = Checkpoint { audit_root, ..world.checkpoint(None, &world.validators, 0) };
    let under = |checkpoint: Checkpoint, tip| {
        let (verifier, circuit, inputs) = (verifier.clone(), key.circuit, inputs.clone());
        async move { verifier.verify(&circuit, Some(&checkpoint), &inputs, &proof, tip).await.unwrap() }
    };
    let answer = under(checkpoint.clone(), tip).await;
    assert!(matches!(answer, Answer::Refused(reason) if reason.contains("NotAnchored")));
    let signed = world.signed(&checkpoint, &world.validators, 3);
    world.payer.run(&TxPayload::call(anchor, anchor_calldata(&[signed]).unwrap())).await.unwrap();
    let tip = world.tip().await;
    assert_eq!(under(checkpoint.clone(), tip).await, Answer::Holds);
    let foreign = Checkpoint { audit_root: Hash([5; 32]), ..checkpoint };
    let answer = under(foreign, tip).await;
    assert!(matches!(answer, Answer::Refused(reason) if reason.contains("OtherRoot")));
}
