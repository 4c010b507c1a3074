//! The verifier in Python, written from the text of the formats alone, comes to
//! the same values.

use std::{path::Path, process::Command};

#[test]
fn a_stranger_who_has_only_the_text_re_derives_every_vector() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("conformance");
    let told = Command::new("python3").arg("-B").arg(folder.join("verify.py")).output().unwrap();
    let words = String::from_utf8_lossy(&told.stdout);
    assert!(told.status.success(), "{words}{}", String::from_utf8_lossy(&told.stderr));
    assert!(words.contains("total"), "{words}");
}
