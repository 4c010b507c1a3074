//! Files of frames: whole, with a torn end, damaged.

use super::hx;
use phalanx_types::frames::{frame, read};
use serde_json::{Value, json};

/// Longest record of these files.
const LIMIT: usize = 1_024;

pub fn vectors() -> Value {
    let records = [&b""[..], b"a record", &[7; 300]];
    let whole: Vec<u8> = records.iter().flat_map(|r| frame(r)).collect();
    let first = frame(records[0]).len();
    let second = first + frame(records[1]).len();
    let flipped = |at: usize| {
        let mut bytes = whole.clone();
        bytes[at] ^= 1;
        bytes
    };
    let files = [
        ("whole", whole.clone()),
        ("empty", Vec::new()),
        ("nulls at the end", [&whole[..], &[0; 9]].concat()),
        ("cut within a length", whole[..second + 3].to_vec()),
        ("cut before the checksum of a length ends", whole[..second + 7].to_vec()),
        ("cut within a record", whole[..whole.len() - 5].to_vec()),
        ("a length changed", flipped(second)),
        ("a checksum of a length changed", flipped(second + 5)),
        ("a checksum of a record changed", flipped(second + 9)),
        ("a record changed", flipped(whole.len() - 1)),
        ("the first record changed", flipped(2)),
        ("a record above the limit", [&whole[..], &frame(&[1; LIMIT + 1])].concat()),
        ("a whole frame after nulls", [&whole[..], &[0; 16], &frame(b"x")].concat()),
    ];
    let files: Vec<Value> = files
        .into_iter()
        .map(|(what, bytes)| match read(&bytes, LIMIT) {
            Ok(read) => {
                let records: Vec<String> = read.records.iter().map(hx).collect();
                json!({"what": what, "bytes": hx(&bytes), "is_damaged": false, "whole_len": read.whole_len,
                    "records": records})
            }
            Err(_) => json!({"what": what, "bytes": hx(&bytes), "is_damaged": true}),
        })
        .collect();
    json!({"limit": LIMIT, "files": files})
}
