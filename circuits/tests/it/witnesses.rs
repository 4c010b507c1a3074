//! Witness files: what is written is read, all else is refused, and nothing is told.

use crate::samples::{action, integrity, position};
use phalanx_circuits::witness::{Witness, WitnessError};
use phalanx_types::{
    Hash,
    agent::{AgentSeed, Position},
};
use serde_json::Value;

fn all() -> Vec<Witness> {
    let mut many: Vec<Witness> = [2, 8].into_iter().map(|n| Witness::Position(position(n, n))).collect();
    many.push(Witness::Action(action(3, 2)));
    many.push(Witness::Integrity(integrity(4)));
    many
}

fn text(witness: &Witness) -> String {
    witness.to_json().unwrap().to_string()
}

/// What reading says of a document that was changed.
fn changed(of: &Witness, change: impl FnOnce(&mut Value)) -> WitnessError {
    let mut value: Value = serde_json::from_str(&text(of)).unwrap();
    change(&mut value);
    Witness::from_json(value.to_string().as_bytes()).err().expect("it is refused")
}

#[test]
fn a_document_is_read_as_it_is_written() {
    for witness in all() {
        let text = text(&witness);
        assert_eq!(*Witness::from_json(text.as_bytes()).unwrap().to_json().unwrap(), text);
        assert_eq!(
            serde_json::from_str::<Value>(&text).unwrap()["witness"]["statement"],
            witness.statement()
        );
    }
}

#[test]
fn the_format_is_frozen() {
    let all: String = all().iter().map(text).collect();
    assert_eq!(
        Hash::sha3(all.as_bytes()).to_string(),
        "c78411d5cc94f2014e3bf826e982bb383bb8a11624a69030d369ac3e41120733"
    );
}

#[test]
fn a_document_that_is_cut_or_longer_is_refused() {
    let text = text(&all()[0]);
    for at in (0..text.len()).step_by(37) {
        assert!(Witness::from_json(&text.as_bytes()[..at]).is_err(), "{at}");
    }
    assert!(Witness::from_json(format!("{text}x").as_bytes()).is_err());
    let padded = format!("{text}{}", " ".repeat(200_000));
    assert!(matches!(Witness::from_json(padded.as_bytes()), Err(WitnessError::TooLong { .. })));
}

#[test]
fn what_is_out_of_its_bounds_is_refused_and_named() {
    let (position, action, integrity) = (&all()[0], &all()[2], &all()[3]);
    let says = |error: WitnessError, why: &str| assert!(error.to_string().contains(why), "{why}: {error}");
    let secret = |value: &mut Value, at: &str, new: Value| {
        *value.pointer_mut(&format!("/witness/secret/{at}")).unwrap() = new;
    };
    says(changed(position, |v| v["format"] = 2.into()), "format 2");
    says(changed(position, |v| v["more"] = 1.into()), "unknown field `more`");
    says(changed(position, |v| v["witness"]["secret"]["agent"]["x"] = 1.into()), "unknown field `x`");
    says(
        changed(position, |v| drop(v["witness"]["secret"].as_object_mut().unwrap().remove("path"))),
        "missing field `path`",
    );
    let modulus = "0x30644e72e131a029b85045b68181585d2833e84879b9709143e1f593f0000001";
    for (at, new) in [
        ("agent/tenant", modulus.into()),
        ("agent/nonce", 5.into()),
        ("agent/nonce", "05".into()),
        ("agent/position/0", 0.5.into()),
        ("policy/step", "+1".into()),
        ("policy/step", (1_u128 << 80).to_string().into()),
        ("policy/rules/0/selector", "near".into()),
        ("path/3", serde_json::json!([])),
    ] {
        says(changed(position, |v| secret(v, at, new)), "one spelling");
    }
    says(changed(position, |v| secret(v, "agent/position/0", (1_i64 << 41).into())), "the agent is outside");
    says(changed(position, |v| secret(v, "policy/rules/0/center/0", (1_i64 << 41).into())), "the centre of");
    says(changed(position, |v| secret(v, "policy/rules/0/center", vec![0; 3].into())), "3 coordinates");
    says(
        changed(position, |v| {
            let rules = &mut v["witness"]["secret"]["policy"]["rules"];
            *rules = vec![rules[0].clone(); 8].into();
        }),
        "8 rules",
    );
    says(changed(action, |v| secret(v, "after/position", vec![0; 3].into())), "3 coordinates");
    says(changed(action, |v| secret(v, "worker/gpus", 65.into())), "GPUs");
    says(changed(integrity, |v| secret(v, "receipts_roots", serde_json::json!([]))), "0 beats");
}

#[test]
fn what_could_not_be_read_back_is_not_written() {
    let mut witness = position(1, 2);
    witness.agent.position = Position(vec![1 << 41, 0]);
    assert!(matches!(Witness::Position(witness).to_json(), Err(WitnessError::Place { .. })));
}

#[test]
fn no_refusal_repeats_a_secret() {
    let mut witness = position(1, 2);
    witness.agent.seed = AgentSeed([0xab; 32]);
    let witness = Witness::Position(witness);
    let text = text(&witness);
    let seed = "ab".repeat(32);
    let x = serde_json::from_str::<Value>(&text).unwrap()["witness"]["secret"]["agent"]["position"][0]
        .to_string();
    // The seed and a coordinate where something else is expected, and damaged.
    for (from, to) in [
        ("\"nonce\":", format!("\"nonce\":\"{seed}\",\"was\":")),
        ("\"id\":", format!("\"id\":\"{seed}0\",\"was\":")),
        ("\"statement\":\"position\"", format!("\"statement\":\"{seed}\"")),
        ("\"within\"", format!("\"{seed}\"")),
        ("\"cpu_milli\":", format!("\"cpu_milli\":{x}{x},\"was\":")),
        (&format!("\"{seed}\""), format!("\"{seed}zz\"")),
    ] {
        let other = text.replacen(from, &to, 1);
        assert_ne!(other, text, "{from}");
        let error = Witness::from_json(other.as_bytes()).err().unwrap();
        let told = format!("{error} {error:?}");
        assert!(!told.contains("abab") && !told.contains(&x), "{told}");
    }
}
