//! Tags and the tagged hash.

use super::hx;
use phalanx_types::{Hash, tags};
use serde_json::{Value, json};

pub fn vectors() -> Value {
    let one = |tag: &str, bytes: &[u8]| {
        let preimage = [tag.as_bytes(), &[0], bytes].concat();
        assert_eq!(Hash::sha3(&preimage), Hash::of(tag, bytes));
        json!({"tag": tag, "bytes": hx(bytes), "preimage": hx(preimage), "hash": Hash::of(tag, bytes)})
    };
    json!({
        "tags": tags::ALL,
        "tagged": tags::ALL.iter().map(|tag| one(tag, b"abc")).chain([one(tags::HEADER, b"")]).collect::<Vec<_>>(),
        "sha3_256": {"": Hash::sha3(b""), "abc": Hash::sha3(b"abc")},
    })
}
