//! The pieces that every Borsh encoding is made of.

use super::hx;
use phalanx_types::{
    Hash, Name, encode, evidence::Fault, owner::Scope, params::Verification, resources::GpuRequest,
};
use serde_json::{Value, json};
use std::collections::{BTreeMap, BTreeSet};

fn name(text: &str) -> Name {
    Name::new(text).unwrap()
}

pub fn vectors() -> Value {
    let one =
        |kind: &str, value: Value, bytes: Vec<u8>| json!({"type": kind, "value": value, "bytes": hx(bytes)});
    let map = BTreeMap::from([(name("b"), 2_u32), (name("a"), 1), (name("a.b"), 3)]);
    let set = BTreeSet::from([name("vision"), name("gpu"), name("gpu-2")]);
    json!({"values": [
        one("u8", json!(7), encode(&7_u8)),
        one("u16", json!(513), encode(&513_u16)),
        one("u32", json!(16_909_060), encode(&16_909_060_u32)),
        one("u64", json!("72623859790382856"), encode(&72_623_859_790_382_856_u64)),
        one("i32", json!(-2), encode(&-2_i32)),
        one("i64", json!(-2), encode(&-2_i64)),
        one("bool", json!(false), encode(&false)),
        one("bool", json!(true), encode(&true)),
        one("string", json!(""), encode("")),
        one("string", json!("grüße"), encode("grüße")),
        one("name", json!("mars.gpu-helion"), encode(&name("mars.gpu-helion"))),
        one("bytes", json!("0102ff"), encode(&vec![1_u8, 2, 255])),
        one("hash", json!(Hash([0xab; 32])), encode(&Hash([0xab; 32]))),
        one("option<u32>", json!([]), encode(&None::<u32>)),
        one("option<u32>", json!([5]), encode(&Some(5_u32))),
        one("list<u16>", json!([1, 2, 3]), encode(&vec![1_u16, 2, 3])),
        one("set<name>", json!(["gpu", "gpu-2", "vision"]), encode(&set)),
        one("map<name,u32>", json!([["a", 1], ["a.b", 3], ["b", 2]]), encode(&map)),
        one("Verification", json!("none"), encode(&Verification::None)),
        one("Verification", json!({"sample": {"fraction_ppm": 50_000}}), encode(&Verification::Sample { fraction_ppm: 50_000 })),
        one("Verification", json!("full_audit"), encode(&Verification::FullAudit)),
        one("GpuRequest", json!({"whole": {"count": 2}}), encode(&GpuRequest::Whole { count: 2 })),
        one("Scope", json!({"shard": {"shard": "mars"}}), encode(&Scope::Shard { shard: name("mars") })),
        one("Fault", json!("bad_sync"), encode(&Fault::BadSync)),
    ]})
}
