//! Commands that want more than they may have. Each is stopped by the limit that
//! it broke, and nothing of it is left when that is reported.

use crate::support::{Ground, WIDE};
use phalanx_types::{
    Outcome,
    job::{CommandLimits, Limit},
};

async fn stops(limit: Limit, script: &str, limits: CommandLimits) {
    let ground = Ground::of(script);
    let exit = ground.run_it(limits).await;
    assert_eq!(exit.outcome, Outcome::LimitReached { limit }, "{exit:?}");
    ground.assert_nothing_is_left();
}

#[tokio::test]
async fn one_that_runs_beyond_its_time_is_stopped() {
    stops(Limit::Time, "sleep 300", CommandLimits { time_ms: 100, ..WIDE }).await;
}

#[tokio::test]
async fn one_that_ignores_sigterm_is_stopped() {
    let script = "trap '' TERM INT HUP QUIT; while :; do sleep 0.1; done";
    stops(Limit::Time, script, CommandLimits { time_ms: 200, ..WIDE }).await;
}

#[tokio::test]
async fn one_that_burns_cpu_is_stopped() {
    stops(Limit::Cpu, "while :; do :; done", CommandLimits { cpu_ms: 150, ..WIDE }).await;
}

#[tokio::test]
async fn one_whose_short_children_burn_cpu_is_stopped() {
    let script = "while :; do /bin/true; (:); done";
    stops(Limit::Cpu, script, CommandLimits { cpu_ms: 150, ..WIDE }).await;
}

#[tokio::test]
async fn one_that_burned_too_much_cpu_and_ended_before_anybody_looked_has_reached_its_limit() {
    let script = "i=0; while [ $i -lt 300000 ]; do i=$((i+1)); done";
    stops(Limit::Cpu, script, CommandLimits { cpu_ms: 1, ..WIDE }).await;
}

#[tokio::test]
async fn one_that_eats_memory_is_stopped() {
    stops(Limit::Memory, "tail /dev/zero", CommandLimits { memory_mib: 48, ..WIDE }).await;
}

#[tokio::test]
async fn a_tree_that_eats_memory_together_is_stopped() {
    // None of them has too much.
    let script = "for i in 1 2 3 4; do yes | tail -c 20000000 & done; wait";
    stops(Limit::Memory, script, CommandLimits { memory_mib: 48, ..WIDE }).await;
}

#[tokio::test]
async fn one_that_writes_without_end_is_stopped() {
    stops(Limit::Output, "yes", CommandLimits { output_bytes: 10_000, ..WIDE }).await;
    stops(Limit::Output, "yes >&2", CommandLimits { output_bytes: 10_000, ..WIDE }).await;
}

#[tokio::test]
async fn one_that_wrote_too_much_and_ended_before_anybody_looked_has_reached_its_limit() {
    let limits = CommandLimits { output_bytes: 1_000, ..WIDE };
    stops(Limit::Output, "printf '%01001d' 0", limits).await;
    let ground = Ground::of("printf '%01000d' 0");
    assert_eq!(ground.run_it(limits).await.outcome, Outcome::Exited { code: 0 });
}

#[tokio::test]
async fn one_that_writes_a_file_without_end_is_stopped() {
    stops(Limit::Output, "exec head -c 1G /dev/zero > file", WIDE).await;
}

#[tokio::test]
async fn one_that_makes_files_without_end_is_stopped() {
    let script = "i=0; while [ $i -lt 100000 ]; do : > file$i; i=$((i+1)); done; sleep 300";
    stops(Limit::Output, script, WIDE).await;
}

#[tokio::test]
async fn children_that_daemonize_are_ended_with_the_command() {
    // A session of its own, a parent that is gone, no environment, another
    // folder, deaf to every signal that can be ignored.
    let daemon = r#"cd /; trap "" TERM HUP INT; : > "$0/daemon"; while :; do sleep 1; done"#;
    let ground = Ground::of(&format!(
        r#"(setsid env -i /bin/sh -c '{daemon}' "$0" > /dev/null 2>&1 &); while ! [ -e "$0/daemon" ]; do sleep 0.01; done"#
    ));
    assert_eq!(ground.run_it(WIDE).await.outcome, Outcome::Exited { code: 0 });
    ground.assert_nothing_is_left();
}

#[tokio::test]
async fn one_that_forks_without_end_is_stopped() {
    // Two hundred sleepers, again and again, every tenth in a session of its own.
    let script = r#"
        while :; do
            n=0
            while [ $n -lt 20 ]; do
                setsid sleep 2 &
                for i in 1 2 3 4 5 6 7 8 9; do sleep 2 & done
                n=$((n+1))
            done
            sleep 1
        done"#;
    let limits = CommandLimits { time_ms: 1_500, memory_mib: 8_192, ..WIDE };
    stops(Limit::Time, script, limits).await;
}

#[tokio::test]
async fn one_that_always_moves_on_to_a_new_process_is_caught() {
    // Each makes the next, in a session of its own, and ends. It would end by
    // itself after four thousand, should nobody catch it.
    let mut ground = Ground::new();
    let walker = ground.path().join("walker");
    let step = r#"echo "$1" > "$2"; [ "$1" -lt 4000 ] && setsid /bin/sh "$0" $(($1+1)) "$2" &"#;
    std::fs::write(&walker, step).unwrap();
    let seen = ground.path().join("seen");
    let script = format!(
        "/bin/sh {} 0 {} & while ! [ -e {} ]; do :; done",
        walker.display(),
        seen.display(),
        seen.display()
    );
    ground.allow("it", &script);
    assert_eq!(ground.run_it(WIDE).await.outcome, Outcome::Exited { code: 0 });
    ground.assert_nothing_is_left();
    assert_ne!(ground.lines("seen"), ["4000"], "nobody caught it");
}
