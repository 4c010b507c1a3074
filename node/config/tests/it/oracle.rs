//! The schema and the checker say the same: a validator that others wrote is the judge.

use crate::{EXAMPLES, json};
use phalanx_config::{Fault, Format, MomConfig, schema};
use proptest::prelude::*;
use serde_json::{Value, json};
use std::{path::Path, sync::LazyLock};

static JUDGE: LazyLock<jsonschema::Validator> =
    LazyLock::new(|| jsonschema::draft202012::new(&schema()).unwrap());

fn value_of(name: &str, text: &str) -> Value {
    match Format::of(Path::new(name)) {
        Format::Toml => toml::from_str(text).unwrap(),
        Format::Json => serde_json::from_str(text).unwrap(),
    }
}

#[test]
fn the_schema_is_a_schema_of_its_draft() {
    assert_eq!(schema()["$schema"], "https://json-schema.org/draft/2020-12/schema");
    assert_eq!(schema()["title"], "mom_config");
    assert!(jsonschema::draft202012::meta::is_valid(&schema()));
}

#[test]
fn examples_and_defaults_hold_by_the_schema() {
    for (name, text) in EXAMPLES {
        let value = value_of(name, text);
        assert!(JUDGE.is_valid(&value), "{name}: {:?}", JUDGE.validate(&value));
        let config = MomConfig::parse(text, Format::of(Path::new(name)), name).unwrap();
        assert!(JUDGE.is_valid(&serde_json::to_value(config).unwrap()), "{name}");
    }
    let default = serde_json::to_value(MomConfig::default()).unwrap();
    assert!(JUDGE.is_valid(&default), "{:?}", JUDGE.validate(&default));
}

/// A word of the schema that the checker does not know would be a rule that it breaks.
#[test]
fn the_checker_knows_every_word_of_the_schema() {
    const KNOWN: &[&str] = &[
        "type",
        "properties",
        "patternProperties",
        "additionalProperties",
        "required",
        "oneOf",
        "enum",
        "const",
        "items",
        "minimum",
        "maximum",
        "maxItems",
        "minProperties",
        "maxProperties",
        "pattern",
        "x-decimals",
        "description",
        "title",
        "default",
        "$schema",
        "format",
    ];
    fn walk(part: &Value) {
        let Some(words) = part.as_object() else { return };
        for (word, value) in words {
            assert!(KNOWN.contains(&word.as_str()), "{word}: {value}");
            match word.as_str() {
                "properties" | "patternProperties" => value.as_object().unwrap().values().for_each(walk),
                "oneOf" => value.as_array().unwrap().iter().for_each(walk),
                "items" => walk(value),
                "additionalProperties" => assert_eq!(value, false),
                "pattern" => assert_eq!(value, "^[a-z0-9][a-z0-9._-]{0,63}$"),
                "format" => assert!(value.as_str().unwrap().starts_with("uint")),
                _ => {}
            }
        }
    }
    walk(&schema());
}

fn scalar() -> impl Strategy<Value = Value> {
    prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        (-2_000i64..2_000).prop_map(Value::from),
        (-1_500_000i64..1_500_000).prop_map(|ppm| Value::from(ppm as f64 / 1e6)),
        "[a-zA-Z0-9._-]{0,3}".prop_map(Value::from),
        prop::sample::select(vec![
            "2",
            "none",
            "sample",
            "full_audit",
            "federated",
            "centralized",
            "geometric_mesh",
            "gradient_flow",
        ])
        .prop_map(Value::from),
        Just(json!([])),
        Just(json!({})),
        Just(json!(["a", "b"])),
        Just(json!({"a": [], "b": ["b"], "c": ["c"], "d": []})),
    ]
}

/// Sets, adds or takes away a value at some path.
fn change(value: &mut Value, path: &[usize], key: &str, to: Option<Value>) {
    if let (Some((first, rest)), Value::Object(map)) = (path.split_first(), &mut *value) {
        let len = map.len().max(1);
        if let Some(at) = map.values_mut().nth(first % len) {
            return change(at, rest, key, to);
        }
    }
    match (to, value) {
        (Some(to), Value::Object(map)) => drop(map.insert(key.to_owned(), to)),
        (None, Value::Object(map)) => drop(map.remove(key)),
        (Some(to), value) => *value = to,
        (None, _) => {}
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2_048))]

    #[test]
    fn what_the_schema_allows_is_read_and_what_it_refuses_is_refused(
        start in 0..EXAMPLES.len(),
        changes in prop::collection::vec((
            prop::collection::vec(0usize..5, 0..3),
            prop::sample::select(vec![
                "mode", "controller", "successors", "coordinators", "level", "fraction", "receipts", "cost",
                "dimension", "curvature", "version", "geometry", "scaling", "other",
            ]),
            prop::option::weighted(0.8, scalar()),
        ), 0..3),
    ) {
        let (name, text) = EXAMPLES[start];
        let mut value = value_of(name, text);
        for (path, key, to) in changes {
            change(&mut value, &path, key, to);
        }
        let verdict = json(&value.to_string());
        if JUDGE.is_valid(&value) {
            // Only what goes beyond the schema may be wrong.
            if let Err(problems) = verdict {
                prop_assert!(
                    problems.problems.iter().all(|p| matches!(p.fault, Fault::Together { .. })),
                    "{value}\n{problems}"
                );
            }
        } else {
            let told = |p: &phalanx_config::Problem| !matches!(p.fault, Fault::Syntax { .. });
            prop_assert!(
                verdict.as_ref().is_err_and(|problems| problems.problems.iter().all(told)),
                "{value}\n{verdict:?}\n{:?}",
                JUDGE.validate(&value)
            );
        }
    }
}
