//! Whatever a file holds, it is read or refused.

use crate::{EXAMPLES, json, toml};
use proptest::prelude::*;

fn both(text: &str) {
    for read in [toml(text), json(text)] {
        if let Err(problems) = read {
            assert!(!problems.problems.is_empty());
            let lines = text.bytes().filter(|b| *b == b'\n').count() + 1;
            assert!(problems.problems.iter().all(|p| (1..=lines).contains(&p.line) && p.column > 0));
            let _ = problems.to_string();
        }
    }
}

#[test]
fn a_damaged_example_is_read_or_refused_and_never_panics() {
    for (_, text) in EXAMPLES {
        for at in (0..text.len()).step_by(3) {
            both(&text[..at]);
            both(&text[at..]);
            for flip in [1, 0x20] {
                let mut damaged = text.as_bytes().to_vec();
                damaged[at] ^= flip;
                both(&String::from_utf8_lossy(&damaged));
            }
        }
    }
}

#[test]
fn nesting_beyond_need_is_refused_and_not_followed() {
    let deep = 20_000;
    let lists = |open: &str, close: &str| format!("{}{}", open.repeat(deep), close.repeat(deep));
    for text in [
        format!("a = {}", lists("[", "]")),
        format!("{} = 1", vec!["a"; deep].join(".")),
        format!("[{}]", vec!["a"; deep].join(".")),
        format!("a = {}", "{a=".repeat(deep)),
        format!("a = {}", lists("[", "]").chars().take(60).collect::<String>()),
        format!("a = {}{}", "[".repeat(30), "]".repeat(30)),
    ] {
        assert!(toml(&text).is_err());
    }
    for text in
        [lists("[", "]"), "{\"a\":".repeat(9_000), format!("{}1{}", "{\"a\":".repeat(30), "}".repeat(30))]
    {
        assert!(json(&text).is_err());
    }
    let told = json(&format!("{}1{}", "{\"a\":".repeat(30), "}".repeat(30))).unwrap_err().to_string();
    assert!(told.contains("nested more than 16 deep"), "{told}");
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(256))]

    #[test]
    fn any_text_is_read_or_refused(text in "\\PC{0,60}|[\\[\\]{}=\"'.,:a-c0-9\n\\\\#-]{0,80}") {
        both(&text);
    }

    #[test]
    fn any_number_is_read_or_refused(literal in "[-+]?[0-9]{0,40}\\.?[0-9]{0,40}([eE][-+]?[0-9]{0,12})?") {
        both(&format!("[geometry]\ncurvature = {literal}\ndimension = {literal}"));
        both(&format!("{{\"geometry\": {{\"curvature\": {literal}, \"dimension\": {literal}}}}}"));
    }
}
