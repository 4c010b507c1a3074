use super::*;
use proptest::prelude::*;

const SETTINGS: Settings =
    Settings { depth: 3, stuck_after_ms: 1_000, bump_percent: 15, fee_max: 1_000, attempts_max: 8 };

fn seen(tip: u64, now_ms: u64, attempts: Vec<TxState>) -> Seen {
    let fees = Fees { base: 100, tip: 10 };
    Seen { now_ms, tip, account_nonce: 5, attempts, is_reached: false, fees }
}

fn receipt(hash: u8, block: u64, fork: u8, is_success: bool) -> TxReceipt {
    TxReceipt {
        tx_hash: Hash([hash; 32]),
        block_number: block,
        block_hash: Hash([fork; 32]),
        is_success,
        gas_used: 1,
        gas_price: 1,
        created: None,
        logs: Vec::new(),
    }
}

fn mined(hash: u8, block: u64, fork: u8) -> TxState {
    TxState::Mined(receipt(hash, block, fork, true))
}

fn sent() -> Submission {
    let mut submission = Submission::new(5);
    let (action, _) = submission.step(&seen(10, 0, Vec::new()), &SETTINGS);
    let Action::Send(offer) = action else { panic!("{action:?}") };
    assert_eq!(offer, Offer { fee_max: 210, tip_max: 10 });
    submission.sent(Hash([1; 32]), offer, false);
    submission.taken(&Hash([1; 32]), 0);
    submission
}

#[test]
fn it_is_sent_again_until_it_is_written_down() {
    let mut submission = Submission::new(5);
    for _ in 0..3 {
        assert!(matches!(submission.step(&seen(10, 0, Vec::new()), &SETTINGS).0, Action::Send(_)));
    }
}

#[test]
fn it_is_over_when_it_is_deep_enough_and_not_before() {
    let mut submission = sent();
    assert_eq!(
        submission.step(&seen(10, 1, vec![TxState::Waiting]), &SETTINGS).0,
        Action::Wait(Waiting::Mining)
    );
    for (tip, confirmations) in [(11, 1), (12, 2)] {
        let (action, _) = submission.step(&seen(tip, 2, vec![mined(1, 11, 7)]), &SETTINGS);
        assert_eq!(action, Action::Wait(Waiting::Depth { confirmations }));
    }
    let (action, notes) = submission.step(&seen(13, 2, vec![mined(1, 11, 7)]), &SETTINGS);
    assert_eq!(action, Action::Done(Outcome::Confirmed(receipt(1, 11, 7, true))));
    assert_eq!(notes, []);
}

#[test]
fn a_stuck_one_is_repriced_up_to_the_ceiling_and_no_further() {
    let mut submission = sent();
    let mut now = 0;
    let mut offers = Vec::new();
    loop {
        now += 1_000;
        let states = vec![TxState::Waiting; submission.attempts().len()];
        let (action, notes) = submission.step(&seen(10, now, states), &SETTINGS);
        match action {
            Action::Send(offer) => {
                assert_eq!(notes, [Note::Repriced { offer }]);
                let last = submission.attempts().last().unwrap().offer;
                assert!(offer.fee_max * 100 >= last.fee_max * 110, "nodes refuse less than a tenth more");
                assert!(offer.tip_max * 100 >= last.tip_max * 110);
                let hash = Hash([submission.attempts().len() as u8 + 1; 32]);
                submission.sent(hash, offer, false);
                submission.taken(&hash, now);
                offers.push(offer.fee_max);
            }
            Action::Wait(Waiting::AtCeiling) => break,
            other => panic!("{other:?}"),
        }
    }
    assert_eq!(offers.len(), 7);
    assert!(offers.iter().all(|o| *o <= SETTINGS.fee_max));
    // The first one may be mined after all.
    let mut states = vec![TxState::Unknown; 8];
    states[0] = mined(1, 11, 7);
    let (action, _) = submission.step(&seen(20, now, states), &SETTINGS);
    assert!(matches!(action, Action::Done(Outcome::Confirmed(r)) if r.tx_hash == Hash([1; 32])));
}

#[test]
fn gas_above_the_ceiling_is_waited_for() {
    let mut submission = Submission::new(5);
    let mut view = seen(10, 0, Vec::new());
    view.fees.base = 1_001;
    assert_eq!(submission.step(&view, &SETTINGS).0, Action::Wait(Waiting::Cheaper { base: 1_001 }));
}

#[test]
fn a_reorganisation_is_named_and_what_is_forgotten_is_sent_again() {
    let mut submission = sent();
    submission.step(&seen(11, 1, vec![mined(1, 11, 7)]), &SETTINGS);
    let (action, notes) = submission.step(&seen(11, 2, vec![TxState::Unknown]), &SETTINGS);
    assert_eq!(action, Action::Resend(0));
    let gone = Note::Reorganised { hash: Hash([1; 32]), block: 11, block_hash: Hash([7; 32]) };
    assert_eq!(notes, [gone]);
    // In another block, whose depth is counted anew.
    let (action, notes) = submission.step(&seen(13, 3, vec![mined(1, 13, 8)]), &SETTINGS);
    assert_eq!(action, Action::Wait(Waiting::Depth { confirmations: 1 }));
    assert_eq!(notes, [Note::Mined { hash: Hash([1; 32]), block: 13 }]);
    // Straight from one fork to another.
    let (_, notes) = submission.step(&seen(14, 3, vec![mined(1, 12, 9)]), &SETTINGS);
    assert_eq!(notes.len(), 2);
    assert!(matches!(notes[0], Note::Reorganised { block: 13, .. }));
}

#[test]
fn a_refusal_by_the_contract_is_told_from_being_overtaken() {
    let mut submission = sent();
    let failed = || vec![TxState::Mined(receipt(1, 11, 7, false))];
    assert!(matches!(
        submission.step(&seen(11, 1, failed()), &SETTINGS).0,
        Action::Wait(Waiting::Depth { .. })
    ));
    let mut view = seen(13, 1, failed());
    assert!(matches!(submission.clone().step(&view, &SETTINGS).0, Action::Done(Outcome::Reverted(_))));
    view.is_reached = true;
    assert_eq!(submission.step(&view, &SETTINGS).0, Action::Done(Outcome::Overtaken));
}

#[test]
fn a_nonce_that_something_else_has_used_is_replaced_when_deep() {
    let mut submission = sent();
    let view = |tip, is_reached| {
        let mut view = seen(tip, 1, vec![TxState::Unknown]);
        view.account_nonce = 6;
        view.is_reached = is_reached;
        view
    };
    let (action, notes) = submission.step(&view(11, false), &SETTINGS);
    assert_eq!((action, notes), (Action::Wait(Waiting::OthersDepth), vec![Note::NonceTaken]));
    assert_eq!(submission.step(&view(13, false), &SETTINGS), (Action::Wait(Waiting::OthersDepth), vec![]));
    assert_eq!(submission.clone().step(&view(14, false), &SETTINGS).0, Action::Done(Outcome::Replaced));
    assert_eq!(submission.clone().step(&view(14, true), &SETTINGS).0, Action::Done(Outcome::Overtaken));
    // The receipt comes late: it was ours.
    let mut late = view(14, false);
    late.attempts = vec![mined(1, 11, 7)];
    assert!(matches!(submission.step(&late, &SETTINGS).0, Action::Done(Outcome::Confirmed(_))));
}

#[test]
fn nothing_is_sent_for_what_is_so_already() {
    let mut view = seen(10, 0, Vec::new());
    view.is_reached = true;
    assert_eq!(Submission::new(5).step(&view, &SETTINGS).0, Action::Done(Outcome::Overtaken));
}

#[test]
fn a_nonce_that_is_stuck_for_nothing_is_freed() {
    let mut submission = sent();
    let mut view = seen(10, 500, vec![TxState::Waiting]);
    view.is_reached = true;
    assert_eq!(submission.step(&view, &SETTINGS).0, Action::Wait(Waiting::Mining));
    view.now_ms = 1_000;
    let Action::Free(offer) = submission.step(&view, &SETTINGS).0 else { panic!("{submission:?}") };
    submission.sent(Hash([2; 32]), offer, true);
    let mut view = seen(13, 2_000, vec![TxState::Unknown, mined(2, 11, 7)]);
    // A reorganisation may have taken back what others had done.
    assert_eq!(submission.clone().step(&view, &SETTINGS).0, Action::Done(Outcome::Replaced));
    view.is_reached = true;
    assert_eq!(submission.step(&view, &SETTINGS).0, Action::Done(Outcome::Overtaken));
}

#[test]
fn what_is_forgotten_as_too_cheap_is_repriced_all_the_same() {
    let mut submission = sent();
    for now in [100, 999] {
        assert_eq!(submission.step(&seen(10, now, vec![TxState::Unknown]), &SETTINGS).0, Action::Resend(0));
    }
    assert!(matches!(
        submission.step(&seen(10, 1_000, vec![TxState::Unknown]), &SETTINGS).0,
        Action::Send(_)
    ));
}

#[test]
fn what_no_endpoint_has_had_is_sent_again_at_its_price_for_as_long_as_that_takes() {
    let mut submission = sent();
    submission.attempts[0].taken_ms = None;
    for now in [100, 1_000, 1_000_000] {
        assert_eq!(submission.step(&seen(10, now, vec![TxState::Unknown]), &SETTINGS).0, Action::Resend(0));
    }
    submission.taken(&Hash([1; 32]), 1_000_000);
    let waits = submission.step(&seen(10, 1_000_999, vec![TxState::Waiting]), &SETTINGS).0;
    assert_eq!(waits, Action::Wait(Waiting::Mining));
    let stuck = submission.step(&seen(10, 1_001_000, vec![TxState::Waiting]), &SETTINGS).0;
    assert!(matches!(stuck, Action::Send(_)));
}

#[test]
fn a_nonce_that_cannot_come_is_not_waited_for() {
    let mut submission = sent();
    let mut view = seen(10, 999, vec![TxState::Waiting]);
    view.account_nonce = 3;
    assert_eq!(submission.step(&view, &SETTINGS).0, Action::Wait(Waiting::Mining));
    view.now_ms = 1_000;
    assert_eq!(submission.step(&view, &SETTINGS).0, Action::Done(Outcome::Stranded { next: 3 }));
}

#[test]
fn other_settings_hold_at_once() {
    let mut submission = sent();
    let view = seen(10, 1_000, vec![TxState::Waiting]);
    let lower = Settings { fee_max: 220, ..SETTINGS };
    assert_eq!(submission.clone().step(&view, &lower).0, Action::Wait(Waiting::AtCeiling));
    assert!(matches!(submission.step(&view, &SETTINGS).0, Action::Send(_)));
}

#[test]
fn it_goes_on_after_a_restart() {
    let mut submission = sent();
    submission.step(&seen(11, 1, vec![mined(1, 11, 7)]), &SETTINGS);
    let text = serde_json::to_string(&submission).unwrap();
    let mut read: Submission = serde_json::from_str(&text).unwrap();
    assert_eq!(read, submission);
    let view = seen(13, 2, vec![mined(1, 11, 7)]);
    assert_eq!(read.step(&view, &SETTINGS), submission.step(&view, &SETTINGS));
}

fn state() -> impl Strategy<Value = u8> {
    0_u8..4
}

proptest! {
    /// Whatever a chain does, no offer is above the ceiling, the nonce stays,
    /// and it is over only at the depth.
    #[test]
    fn no_chain_makes_it_overspend_or_end_early(
        moves in prop::collection::vec((0_u64..4, 0_u64..1_500, prop::collection::vec(state(), 8), any::<bool>(), 0_u128..3_000), 1..60),
    ) {
        let mut submission = Submission::new(5);
        let (mut tip, mut now) = (10, 0);
        for (blocks, ms, states, is_taken, base) in moves {
            tip += blocks;
            now += ms;
            let count = submission.attempts().len();
            let mut attempts: Vec<TxState> = Vec::new();
            for (i, state) in states.iter().take(count).enumerate() {
                let is_first = !attempts.iter().any(|s| matches!(s, TxState::Mined(_)));
                attempts.push(match state {
                    0 => TxState::Unknown,
                    1 => TxState::Waiting,
                    _ if is_first => TxState::Mined(receipt(i as u8 + 1, tip - u64::from(*state), 7, *state == 2)),
                    _ => TxState::Unknown,
                });
            }
            let view = Seen {
                now_ms: now,
                tip,
                account_nonce: if is_taken { 6 } else { 5 },
                attempts,
                is_reached: false,
                fees: Fees { base, tip: 10 },
            };
            let action = submission.step(&view, &SETTINGS).0;
            let is_empty = matches!(action, Action::Free(_));
            match action {
                Action::Send(offer) | Action::Free(offer) => {
                    prop_assert!(offer.fee_max <= SETTINGS.fee_max);
                    prop_assert!(offer.tip_max <= SETTINGS.fee_max);
                    prop_assert!(count < SETTINGS.attempts_max as usize);
                    submission.sent(Hash([count as u8 + 1; 32]), offer, is_empty);
                }
                Action::Resend(position) => {
                    prop_assert!(matches!(view.attempts.get(position), Some(TxState::Unknown)));
                }
                Action::Done(Outcome::Confirmed(r) | Outcome::Reverted(r)) => {
                    prop_assert!(tip + 1 - r.block_number >= SETTINGS.depth);
                    break;
                }
                Action::Done(Outcome::Replaced) => {
                    prop_assert!(is_taken);
                    break;
                }
                Action::Done(outcome @ (Outcome::Overtaken | Outcome::Stranded { .. })) => {
                    prop_assert!(false, "{outcome:?}: nobody was first, and no nonce is missing");
                }
                Action::Wait(_) => {}
            }
            prop_assert_eq!(submission.nonce(), 5);
        }
    }
}
