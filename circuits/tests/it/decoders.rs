//! Nothing that a stranger sends makes a decoder panic.

use phalanx_circuits::{
    groth16::{Proof, ProvingKey, VerifyingKey},
    iden3::read_zkey,
    proof_file::ProofFile,
    snarkjs::{Calldata, key_from_json, proof_from_json, public_from_json},
    witness::Witness,
};
use proptest::prelude::*;

fn all(bytes: &[u8]) -> bool {
    let circuit = crate::cubic::circuit();
    let fixed = bytes.first_chunk::<{ Proof::LEN }>();
    ProvingKey::decode(bytes, &circuit).is_ok()
        || VerifyingKey::decode(bytes, &circuit).is_ok()
        || read_zkey(bytes, &circuit).is_ok()
        || proof_from_json(bytes).is_ok()
        || key_from_json(bytes, 1).is_ok()
        || public_from_json(bytes, 1).is_ok()
        || ProofFile::from_json(bytes).is_ok()
        || Witness::from_json(bytes).is_ok()
        || Calldata::from_hex(&String::from_utf8_lossy(bytes), 1).is_ok()
        || fixed.is_some_and(|bytes| Proof::from_bytes(bytes).is_ok())
}

/// The same key of a ceremony: who took part in it is not what makes a key, and is checked by
/// `snarkjs zkey verify`.
fn is_the_same_key(bytes: &[u8], other: &[u8]) -> bool {
    let circuit = crate::cubic::circuit();
    match (read_zkey(bytes, &circuit), read_zkey(other, &circuit)) {
        (Ok(a), Ok(b)) => a.verifying_key().raw() == b.verifying_key().raw(),
        _ => false,
    }
}

proptest! {
    #[test]
    fn arbitrary_bytes_are_refused(bytes in prop::collection::vec(any::<u8>(), 0..2000)) {
        prop_assert!(!all(&bytes));
    }

    #[test]
    fn a_valid_start_with_an_arbitrary_rest_is_refused(
        which in 0_usize..5, keep in 0_usize..5000, rest in prop::collection::vec(any::<u8>(), 0..300)
    ) {
        let files: [&[u8]; 5] = [
            include_bytes!("../vectors/cubic.zkey"),
            include_bytes!("../vectors/cubic.vk.json"),
            include_bytes!("../vectors/cubic.proof.json"),
            include_bytes!("../vectors/cubic.public.json"),
            include_bytes!("../vectors/cubic.wtns"),
        ];
        let start = &files[which][..keep.min(files[which].len().saturating_sub(1))];
        let bytes: Vec<u8> = start.iter().chain(&rest).copied().collect();
        prop_assert!(
            !all(&bytes) || bytes.starts_with(files[which]) || is_the_same_key(&bytes, files[which])
        );
    }
}
