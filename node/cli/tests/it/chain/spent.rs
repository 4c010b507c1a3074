//! A statement about an agent, given to the contract once.

use super::world::{Chained, anvil, number};
use crate::support::{phalanx, stderr, stdout};
use phalanx_governance::safe::builder::BuilderFile;
use std::fs;

#[tokio::test(flavor = "multi_thread")]
async fn a_proof_is_spent_once_under_the_owners_key_and_an_anchored_root() {
    let anvil = anvil(&["--block-time", "1"]);
    let mut chained = Chained::dev(&anvil.url()).await;
    chained.mesh.start().await;
    let home = chained.mesh.home(0);
    let run = |words: &[&str]| phalanx(&[&["--home", home.to_str().unwrap()], words].concat());
    let done = |words: &[&str]| {
        let output = run(words);
        assert!(output.status.success(), "{words:?}: {}{}", stdout(&output), stderr(&output));
        stdout(&output)
    };
    let refused = |words: &[&str], code: i32, part: &str| {
        let output = run(words);
        assert_eq!(output.status.code(), Some(code), "{}{}", stdout(&output), stderr(&output));
        let said = stdout(&output) + &stderr(&output);
        assert!(said.contains(part), "{said}");
    };
    let path = |name: &str| chained.mesh.folder.path().join(name).to_str().unwrap().to_owned();

    let stack = home.join("genesis.json");
    let spawn =
        ["--output", "json", "agent", "spawn", "--region", "earth", "--stack", stack.to_str().unwrap()];
    let spawned: serde_json::Value = serde_json::from_str(&done(&spawn)).unwrap();
    let agent = spawned["agents"][0].as_str().unwrap_or_else(|| panic!("{spawned}"));
    let status = chained.status(0).await;
    let after = number(&status, "/chain/final") + 3;
    chained.until(0, "a final checkpoint with the agent", |s| number(s, "/chain/final") >= after).await;
    let checkpoint = path("checkpoint.json");
    fs::write(&checkpoint, done(&["checkpoint", "export", &after.to_string()])).unwrap();
    done(&["proof", "setup", "--dev", "--circuit", "position-8"]);
    let witness = path("witness.json");
    let asked = ["proof", "witness", "position", agent, "--out", &witness];
    done(&[&asked[..], &["--checkpoint", &after.to_string()]].concat());
    let verifier = chained.verifier().to_string();
    let prove = |name: &str, words: &[&str]| {
        let file = path(name);
        let own = ["--unclaimed", "--center", "0,0,0,0,0,0,0,0", "--within", "17"];
        let all = ["proof", "prove", "position", "--witness", &witness, "--out", &file];
        done(&[&all[..], &own, words].concat());
        file
    };
    let here = ["--chain-id", "31337", "--contract", &verifier];
    let file = prove("here.json", &here);
    let words = |file| ["proof", "spend", file, "--checkpoint", &checkpoint, "--dev", "--dev-key", "0"];

    // Not for this contract; not without a key of the owners.
    let elsewhere = prove("elsewhere.json", &[]);
    refused(&words(&elsewhere), 3, "prove it again with --chain-id 31337");
    refused(&words(&file), 1, "NoKey");
    let folder = path("key");
    let export = ["proof", "export", "--format", "safe", "--verifier", &verifier, "--chain-id", "31337"];
    done(&[&export[..], &[&file, "--out", &folder]].concat());
    let builder = fs::read(format!("{folder}/set-key-position-8.json")).unwrap();
    let builder = BuilderFile::read(&builder).unwrap();
    chained.call(builder.calls[0].clone()).await;

    let verify = ["proof", "verify", &file, "--checkpoint", &checkpoint, "--against-contract"];
    assert!(done(&verify).contains("under the anchored checkpoint"));
    let said = done(&words(&file));
    assert!(said.contains("nullifier") && said.contains("transaction"), "{said}");
    refused(&words(&file), 1, "is spent already");
    // For another purpose the agent may say it again.
    let other = prove("other.json", &[&here[..], &["--purpose", "another"]].concat());
    done(&words(&other));

    // A root that is not that of the checkpoint.
    let earlier = path("earlier.json");
    fs::write(&earlier, done(&["checkpoint", "export", "1"])).unwrap();
    let third = prove("third.json", &[&here[..], &["--purpose", "third"]].concat());
    let under = ["proof", "spend", &third, "--checkpoint", &earlier, "--dev", "--dev-key", "0"];
    refused(&under, 3, "not among those given");
    chained.mesh.stop().await;
}
