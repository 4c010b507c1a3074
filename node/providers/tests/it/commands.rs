//! What may run, and what is reported of it.

use crate::support::{Ground, WIDE, attempt, command, lease};
use phalanx_types::{Hash, Outcome};

fn reason(outcome: Outcome) -> String {
    match outcome {
        Outcome::NotStarted { reason } => reason,
        other => panic!("it was started: {other:?}"),
    }
}

#[tokio::test]
async fn exit_status_and_digests_of_both_outputs_are_reported() {
    let ground = Ground::of("printf out; printf 'an error' >&2; exit 7");
    let exit = ground.run_it(WIDE).await;
    assert_eq!(exit.outcome, Outcome::Exited { code: 7 });
    assert_eq!((exit.stdout_len, exit.stdout_sha3), (3, Hash::sha3(b"out")));
    assert_eq!((exit.stderr_len, exit.stderr_sha3), (8, Hash::sha3(b"an error")));
    ground.assert_nothing_is_left();
}

#[tokio::test]
async fn a_signal_is_reported_by_its_number() {
    for signal in [9, 15, 34] {
        let ground = Ground::of(&format!("kill -{signal} $$"));
        assert_eq!(ground.run_it(WIDE).await.outcome, Outcome::Signalled { signal });
    }
}

#[tokio::test]
async fn cpu_time_is_reported_also_of_children_that_ended() {
    let ground = Ground::of("i=0; (while [ $i -lt 200000 ]; do i=$((i+1)); done); exit 0");
    let exit = ground.run_it(WIDE).await;
    assert_eq!(exit.outcome, Outcome::Exited { code: 0 });
    assert!(exit.cpu_ms > 0, "{exit:?}");
}

#[tokio::test]
async fn a_command_that_is_not_allowed_is_not_started() {
    let ground = Ground::of("exit 0");
    for name in ["other", "sh", "bin.sh"] {
        let told = reason(ground.run(name, &[], WIDE).await.outcome);
        assert!(told.contains(name) && told.contains("list of allowed commands"), "{told}");
    }
}

#[tokio::test]
async fn too_many_arguments_are_not_started() {
    let ground = Ground::of("exit 0");
    let told = reason(ground.run("it", &["one", "two"], WIDE).await.outcome);
    assert!(told.contains("1 arguments") && told.contains("not 2"), "{told}");
    assert_eq!(ground.run("it", &["one"], WIDE).await.outcome, Outcome::Exited { code: 0 });
}

#[tokio::test]
async fn a_program_that_is_not_there_or_has_no_absolute_path_is_not_started() {
    let mut ground = Ground::new();
    ground.allow_program("gone", "/nonexistent/program", Vec::new());
    ground.allow_program("near", "sh", Vec::new());
    let told = reason(ground.run("gone", &[], WIDE).await.outcome);
    assert!(told.contains("/nonexistent/program") && told.contains("No such file"), "{told}");
    let told = reason(ground.run("near", &[], WIDE).await.outcome);
    assert!(told.contains("absolute path"), "{told}");
}

#[tokio::test]
async fn a_shim_that_cannot_run_means_not_started() {
    let mut provider = Ground::of("exit 0").provider().clone();
    provider.shim.0 = "/nonexistent/shim".into();
    let task = provider.task(&attempt(1), &command("it", &[], WIDE)).unwrap();
    assert!(provider.spawn(&task, lease().1).await.unwrap_err().contains("the shim"));
}

#[tokio::test]
async fn a_command_has_an_empty_folder_no_input_and_nothing_of_the_nodes_environment() {
    let ground = Ground::of("ls -A; cat; env | cut -d= -f1 | sort > \"$0/environment\"; pwd > \"$0/pwd\"");
    let exit = ground.run_it(WIDE).await;
    assert_eq!((exit.outcome, exit.stdout_len), (Outcome::Exited { code: 0 }, 0));
    assert_eq!(ground.lines("environment"), ["HOME", "LANG", "PATH", "PHALANX_ATTEMPT", "PWD"]);
    let folder = ground.lines("pwd").remove(0);
    assert_eq!(ground.provider().folder(&attempt(1)).to_str(), Some(folder.as_str()));
    assert!(!std::path::Path::new(&folder).exists(), "its folder is still there");
}

#[tokio::test]
async fn a_command_that_is_stopped_is_killed_and_nothing_of_it_is_left() {
    let ground = Ground::of("setsid sleep 300 & : > \"$0/runs\"; sleep 300");
    let task = ground.provider().task(&attempt(1), &command("it", &[], WIDE)).unwrap();
    let (_lease, until_then) = lease();
    let running = ground.provider().spawn(&task, until_then).await.unwrap();
    let runs = ground.path().join("runs");
    let exit = running.wait(crate::support::until("a run", || runs.exists())).await;
    assert_eq!(exit.outcome, Outcome::Killed);
    ground.assert_nothing_is_left();
}
