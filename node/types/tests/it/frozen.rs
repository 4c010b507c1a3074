//! Encodings that are frozen: a changed hash here is a changed format, which
//! breaks stored ledgers, signatures and other nodes. Change one only together
//! with its version.

use crate::samples;
use phalanx_types::*;

#[test]
fn encodings_have_not_changed() {
    let frozen = [
        ("envelope", Hash::sha3(&encode(&samples::envelope())), ENVELOPE),
        ("envelope id", samples::envelope().envelope.id(), ENVELOPE_ID),
        ("beat", Hash::sha3(&encode(&samples::beat())), BEAT),
        ("header id", samples::beat().header.id(), HEADER_ID),
        ("certificate", samples::certificate().hash(), CERTIFICATE),
        ("validator set", samples::set().hash(), VALIDATOR_SET),
        ("evidence", samples::evidence()[1].hash(), EVIDENCE),
        ("genesis", samples::genesis().hash(), GENESIS),
        ("checkpoint", samples::checkpoint().hash(), CHECKPOINT),
    ];
    let changed: Vec<String> = frozen
        .iter()
        .filter(|(_, found, expected)| found.to_string() != *expected)
        .map(|(what, found, _)| format!("{what}: {found}"))
        .collect();
    assert!(changed.is_empty(), "changed formats:\n{}", changed.join("\n"));
}

const ENVELOPE: &str = "5ed6eb5c2e280b399fbc762082dee9021e64b5d591d40109987046ec1edaae95";
const ENVELOPE_ID: &str = "e82f42b74dc8966638078873deecae7d12d8df2ef09913b7fcf81de3b036997c";
const BEAT: &str = "00203a81908aa4b117129822722958008f88f24eda86a16ada6c88f034b91d9b";
const HEADER_ID: &str = "66fca5c8de11cdbd10f6dd036cfaadf44aafc4e91290036eb53f72ff6659e481";
const CERTIFICATE: &str = "d735d1e4c3b8caba058cc367cc131676d0af71d27f85ac1fa1e6346145f3734f";
const VALIDATOR_SET: &str = "fb29346c82357419744db2f88cc506a2ec80eaca4dff096689c0cb4e43619975";
const EVIDENCE: &str = "491a502e4aec6ba98ebebb6a25b0a07beff3745ee1f8481360dcbaf4f43fc1a4";
const GENESIS: &str = "31b982341d99b657f6d5cfc5dd298adf7df04ea744c7a1ad91642072722cc06d";
const CHECKPOINT: &str = "6987bde5403ccc8c68b525f500466386a9773ed4e884be2d687dcfbcce44594d";
