//! Every decoder: round trip, truncation, trailing bytes, garbage.

use crate::samples;
use borsh::{BorshDeserialize, BorshSerialize};
use phalanx_types::*;
use proptest::prelude::*;

const MAX: usize = 1 << 20;

fn holds<T: BorshSerialize + BorshDeserialize + PartialEq + std::fmt::Debug>(value: &T) {
    let bytes = encode(value);
    assert_eq!(&decode_exact::<T>(&bytes, MAX, "sample").unwrap(), value);
    assert!(decode_exact::<T>(&bytes, bytes.len() - 1, "sample").is_err(), "its limit is not kept");
    for len in 0..bytes.len() {
        assert!(decode_exact::<T>(&bytes[..len], MAX, "sample").is_err(), "truncated to {len} is taken");
    }
    let mut longer = bytes;
    longer.push(0);
    assert!(decode_exact::<T>(&longer, MAX, "sample").is_err(), "a trailing byte is taken");
}

#[test]
fn whole_values_are_taken_and_cut_or_longer_ones_are_not() {
    holds(&samples::envelope());
    holds(&samples::beat());
    holds(&samples::certificate());
    holds(&samples::set());
    holds(&samples::checkpoint());
    holds(&samples::genesis());
    for evidence in samples::evidence() {
        holds(&evidence);
    }
    for operation in samples::operations() {
        holds(&operation);
    }
}

#[test]
fn json_forms_round_trip_and_refuse_unknown_fields() {
    let genesis = samples::genesis();
    genesis.check().unwrap();
    let text = serde_json::to_string(&genesis).unwrap();
    assert_eq!(Genesis::from_json(text.as_bytes()).unwrap(), genesis);
    let unknown = text.replacen("\"time\"", "\"colour\":1,\"time\"", 1);
    let error = Genesis::from_json(unknown.as_bytes()).unwrap_err().to_string();
    assert!(error.contains("colour"), "{error}");
    let envelope = samples::envelope();
    let text = serde_json::to_string(&envelope).unwrap();
    assert_eq!(serde_json::from_str::<SignedEnvelope>(&text).unwrap(), envelope);
}

#[test]
fn a_genesis_that_does_not_hang_together_is_refused() {
    let broken: [(&str, fn(&mut Genesis)); 6] = [
        ("validators", |g| g.validators.clear()),
        ("vote key", |g| g.validators[1].vote_key = g.validators[0].vote_key),
        ("shard", |g| g.shards[0].spillover.push(samples::name("venus"))),
        ("shard", |g| g.latencies[0].to = samples::name("venus")),
        ("optimisation", |g| g.params.optimisation.cost_ppm += 1),
        ("lease_ms", |g| g.params.lease_ms = 10),
    ];
    for (what, break_it) in broken {
        let mut genesis = samples::genesis();
        break_it(&mut genesis);
        let error = genesis.check().unwrap_err().to_string();
        assert!(error.contains(what), "{error} does not name {what}");
    }
}

#[test]
fn an_envelope_without_operations_or_with_too_many_is_refused() {
    for count in [0, envelope::OPERATIONS_MAX + 1] {
        let mut signed = samples::envelope();
        signed.envelope.operations = vec![Operation::CancelJob { job: JobId([0; 32]) }; count];
        assert!(SignedEnvelope::decode(&encode(&signed)).is_err());
    }
}

proptest! {
    #[test]
    fn garbage_never_panics(bytes in prop::collection::vec(any::<u8>(), 0..2_000)) {
        let _ = SignedEnvelope::decode(&bytes);
        let _ = Beat::decode(&bytes);
        let _ = decode_exact::<CommitCertificate>(&bytes, MAX, "x");
        let _ = decode_exact::<ValidatorSet>(&bytes, MAX, "x");
        let _ = decode_exact::<Checkpoint>(&bytes, MAX, "x");
        let _ = decode_exact::<Genesis>(&bytes, MAX, "x");
        let _ = Genesis::from_json(&bytes);
        let _ = Receipt::from_canonical_bytes(&bytes);
    }

    #[test]
    fn what_is_taken_has_one_encoding(flips in prop::collection::vec((any::<usize>(), any::<u8>()), 1..4)) {
        let mut bytes = encode(&samples::envelope());
        for (at, value) in flips {
            let at = at % bytes.len();
            bytes[at] = value;
        }
        if let Ok(signed) = SignedEnvelope::decode(&bytes) {
            prop_assert_eq!(encode(&signed), bytes);
        }
    }

    #[test]
    fn a_flipped_bit_never_panics_and_never_verifies(at in 0_usize..2_000, bit in 0_u8..8) {
        let original = samples::envelope();
        let mut bytes = encode(&original);
        let at = at % bytes.len();
        bytes[at] ^= 1 << bit;
        if let Ok(signed) = SignedEnvelope::decode(&bytes) {
            prop_assert!(!signed.verify_signature(&signed.envelope.id()));
        }
        let mut bytes = encode(&samples::beat());
        let at = at % bytes.len();
        bytes[at] ^= 1 << bit;
        let _ = Beat::decode(&bytes);
    }
}

#[test]
fn a_certificate_with_one_wrong_signature_or_too_little_weight_fails() {
    let set = samples::set();
    let good = samples::certificate();
    good.verify(&set).unwrap();
    for at in 0..good.signatures.len() {
        let mut bad = good.clone();
        bad.signatures[at].1.0[5] ^= 1;
        assert!(bad.verify(&set).is_err());
    }
    let mut few = good.clone();
    few.signatures.truncate(2);
    assert!(few.verify(&set).is_err());
    let mut swapped = good.clone();
    swapped.signatures.swap(0, 1);
    assert!(swapped.verify(&set).is_err());
    let mut doubled = good;
    let first = doubled.signatures[0];
    doubled.signatures.insert(0, first);
    assert!(doubled.verify(&set).is_err());
}

#[test]
fn evidence_convicts_only_for_a_real_conflict() {
    let mesh = Hash([0xaa; 32]);
    for evidence in samples::evidence() {
        assert!(evidence.convicts(&mesh));
        assert!(!evidence.convicts(&Hash::ZERO));
    }
    let same = Evidence::votes(samples::vote(2, None), samples::vote(2, None));
    assert!(!same.convicts(&mesh));
    let others = Evidence::votes(samples::vote(2, None), samples::vote(3, Some(Hash([1; 32]))));
    assert!(!others.convicts(&mesh));
}

#[test]
fn a_set_out_of_order_is_refused() {
    let sorted: std::collections::BTreeSet<Name> = ["a", "b"].map(samples::name).into();
    let mut bytes = encode(&sorted);
    assert!(decode_exact::<std::collections::BTreeSet<Name>>(&bytes, MAX, "x").is_ok());
    let (a, b) = (8, 13);
    bytes.swap(a, b);
    assert!(decode_exact::<std::collections::BTreeSet<Name>>(&bytes, MAX, "x").is_err());
}
