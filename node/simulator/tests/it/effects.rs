//! A crash before and after every effect that the engine asks for.

use crate::run;
use phalanx_consensus::EffectKind;
use phalanx_simulator::{MeshScenario, ProbePoint};
use std::collections::BTreeSet;

/// Effects that never occur as this mesh uses the engine, and why.
const NEVER: [(EffectKind, &str); 5] = [
    (EffectKind::CertVerifiedSyncValue, "synced beats never go through the engine (ADR 001)"),
    (EffectKind::CertRejectedSyncValue, "synced beats never go through the engine (ADR 001)"),
    (EffectKind::VerifyExtendedCommitCertificate, "synced beats never go through the engine (ADR 001)"),
    (EffectKind::ExtendVote, "vote extensions are off"),
    (EffectKind::VerifyVoteExtension, "vote extensions are off"),
];

/// Effects that only trouble brings about: few of them pass before the crash.
const RARE: [EffectKind; 6] = [
    EffectKind::PublishLivenessMsg,
    EffectKind::RepublishVote,
    EffectKind::RepublishRoundCertificate,
    EffectKind::RestreamProposal,
    EffectKind::VerifyPolkaCertificate,
    EffectKind::VerifyRoundCertificate,
];

/// Seeds in which an effect must have crashed the node.
const SEEDS_MAX: u64 = 12;

fn scenario(seed: u64, point: ProbePoint) -> MeshScenario {
    MeshScenario {
        probe: Some(point),
        jobs: 6,
        ..MeshScenario::new(4, seed, 40, "drop,delay,partition".parse().unwrap())
    }
}

/// Crashes a node at a kind until that has really happened; gives all effects
/// that were seen meanwhile.
fn crash_at(kind: EffectKind, is_before: bool) -> BTreeSet<EffectKind> {
    let mut seen = BTreeSet::new();
    let passes_max = if RARE.contains(&kind) { 0 } else { 40 };
    for seed in 0..SEEDS_MAX {
        let report = run(&scenario(seed, ProbePoint { kind, is_before, passes_max }));
        seen.extend(report.effects);
        if report.probed.contains(&(kind, is_before)) {
            return seen;
        }
    }
    panic!("{kind:?} is said to occur, and {SEEDS_MAX} seeds never crashed at it (before: {is_before})");
}

/// All kinds, dealt to tests that run side by side.
fn crash_at_share(share: usize, shares: usize) {
    let never: BTreeSet<EffectKind> = NEVER.iter().map(|(kind, _)| *kind).collect();
    let possible = EffectKind::ALL.iter().filter(|kind| !never.contains(kind));
    for (_, kind) in possible.enumerate().filter(|(at, _)| at % shares == share) {
        for is_before in [true, false] {
            let seen = crash_at(*kind, is_before);
            let odd: Vec<_> = NEVER.iter().filter(|(kind, _)| seen.contains(kind)).collect();
            assert!(odd.is_empty(), "occurred and should not: {odd:?}");
        }
    }
}

#[test]
fn a_crash_before_or_after_any_effect_loses_nothing_1() {
    crash_at_share(0, 4);
}

#[test]
fn a_crash_before_or_after_any_effect_loses_nothing_2() {
    crash_at_share(1, 4);
}

#[test]
fn a_crash_before_or_after_any_effect_loses_nothing_3() {
    crash_at_share(2, 4);
}

#[test]
fn a_crash_before_or_after_any_effect_loses_nothing_4() {
    crash_at_share(3, 4);
}
