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

const ENVELOPE: &str = "a612eb2bd28d1c1897b722e6619a990bc22602d3b7033da16622c79ed194e4f0";
const ENVELOPE_ID: &str = "51a481a15ce0d8cccee4e86d21453a706cb28fe4ee0d8185c67cfaad22c91a65";
const BEAT: &str = "ea4067a56c4db02845705fb93a733c7207e7374a200d3124853b3dd201951b3e";
const HEADER_ID: &str = "5b19bc93084150c2dffd778e8292b06a38ac3d359e09fae7d725d0daaa31fbe2";
const CERTIFICATE: &str = "d735d1e4c3b8caba058cc367cc131676d0af71d27f85ac1fa1e6346145f3734f";
const VALIDATOR_SET: &str = "fb29346c82357419744db2f88cc506a2ec80eaca4dff096689c0cb4e43619975";
const EVIDENCE: &str = "491a502e4aec6ba98ebebb6a25b0a07beff3745ee1f8481360dcbaf4f43fc1a4";
const GENESIS: &str = "b81318bad2f90092b6d59314bd0cb1b843992f62faa9fbddff28cec2c9e2c1c6";
const CHECKPOINT: &str = "6987bde5403ccc8c68b525f500466386a9773ed4e884be2d687dcfbcce44594d";
