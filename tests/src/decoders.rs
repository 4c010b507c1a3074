//! Every decoder that reads bytes from a peer, a file or a user.

use phalanx_types::{
    Beat, Checkpoint, CommitCertificate, Genesis, Receipt, SignedEnvelope, ValidatorSet, decode_exact, encode,
};

/// A decoder under a name. It must return on any input, without a panic, and
/// within memory that is linear in the input.
pub type Decoder = (&'static str, fn(&[u8]));

const MAX: usize = 1 << 20;

/// All of them. A value that is taken must encode to the bytes it came from.
pub const DECODERS: &[Decoder] = &[
    ("envelope", |bytes| {
        if let Ok(signed) = SignedEnvelope::decode(bytes) {
            assert!(encode(&signed) == bytes, "one value has two encodings");
        }
    }),
    ("beat", |bytes| {
        if let Ok(beat) = Beat::decode(bytes) {
            assert!(encode(&beat) == bytes, "one value has two encodings");
        }
    }),
    ("certificate", |bytes| drop(decode_exact::<CommitCertificate>(bytes, MAX, "certificate"))),
    ("validator_set", |bytes| drop(decode_exact::<ValidatorSet>(bytes, MAX, "validator set"))),
    ("checkpoint", |bytes| drop(decode_exact::<Checkpoint>(bytes, MAX, "checkpoint"))),
    ("genesis_json", |bytes| drop(Genesis::from_json(bytes))),
    ("receipt", |bytes| {
        if let Ok(receipt) = Receipt::from_canonical_bytes(bytes) {
            assert!(receipt.canonical_bytes() == bytes, "one receipt has two forms");
        }
    }),
];
