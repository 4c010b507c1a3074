use super::*;
use crate::contracts::{command::tests::command as any_command, commands::cancel_calldata};
use proptest::prelude::*;

const SAFE: Address = Address([1; 20]);
const COMMANDS: Address = Address([2; 20]);
const MULTI_SEND: Address = Address([3; 20]);

const VERIFIER: Address = Address([6; 20]);

fn known() -> Known {
    Known {
        safe: SAFE,
        multi_send: Some(MULTI_SEND),
        commands: Some(COMMANDS),
        anchor: Some(Address([4; 20])),
        registry: Some(Address([5; 20])),
        verifier: Some(VERIFIER),
    }
}

fn to_commands(command: &ChainCommand) -> Call {
    Call { to: COMMANDS, value: Wei(0), data: command.calldata() }
}

fn to_safe(data: Vec<u8>) -> Call {
    Call { to: SAFE, value: Wei(0), data }
}

proptest! {
    #[test]
    fn every_command_has_words_in_a_call_and_in_a_batch(first in any_command(), second in any_command()) {
        let calls = [to_commands(&first), to_commands(&second)];
        let tx = SafeTx::of_calls(&calls, MULTI_SEND, 1).unwrap();
        let lines = transaction(&tx, &known());
        prop_assert_eq!(lines, vec![command(&first), command(&second)]);
    }

    /// G4: what is not understood to its last byte is shown whole.
    #[test]
    fn calldata_with_anything_more_or_else_is_shown_as_unknown(
        command in any_command(),
        more in prop::collection::vec(any::<u8>(), 1..40),
    ) {
        let mut data = command.calldata();
        data.extend(more);
        let line = call(&Call { to: COMMANDS, value: Wei(0), data: data.clone() }, &known());
        prop_assert_eq!(line.care, Care::Unknown);
        prop_assert!(line.text.contains(&hex::encode(data)));
    }

    #[test]
    fn any_calldata_to_anybody_has_a_line(to in prop_oneof![Just(SAFE), Just(COMMANDS), Just(Address([4; 20])), Just(Address([5; 20])), Just(Address([9; 20]))],
        data in prop::collection::vec(any::<u8>(), 1..100)) {
        let line = call(&Call { to, value: Wei(0), data: data.clone() }, &known());
        prop_assert!(line.care != Care::Unknown || line.text.contains(&hex::encode(&data)));
    }
}

#[test]
fn management_of_the_safe_is_grave() {
    let owner = Address([7; 20]);
    let calls: Vec<(Vec<u8>, &str)> = vec![
        (abi::AddOwnerWithThresholdCall { owner: owner.h160(), threshold: 2.into() }.encode(), "an owner"),
        (
            abi::RemoveOwnerCall { prev_owner: owner.h160(), owner: owner.h160(), threshold: 1.into() }
                .encode(),
            "removes",
        ),
        (
            abi::SwapOwnerCall { prev_owner: owner.h160(), old_owner: owner.h160(), new_owner: owner.h160() }
                .encode(),
            "in the place of",
        ),
        (abi::ChangeThresholdCall { threshold: 3.into() }.encode(), "3 owners must sign"),
        (abi::EnableModuleCall { module: owner.h160() }.encode(), "without any owner's signature"),
        (abi::DisableModuleCall { prev_module: owner.h160(), module: owner.h160() }.encode(), "no longer"),
        (abi::SetGuardCall { guard: owner.h160() }.encode(), "stop any transaction"),
        (abi::SetFallbackHandlerCall { handler: owner.h160() }.encode(), "answer calls"),
    ];
    for (data, words) in calls {
        let line = call(&to_safe(data.clone()), &known());
        assert_eq!(line.care, Care::Grave, "{line}");
        assert!(line.text.contains(words), "{line}");
        // To another address the same bytes mean nothing.
        let elsewhere = call(&Call { to: owner, value: Wei(0), data }, &known());
        assert_eq!(elsewhere.care, Care::Unknown, "{elsewhere}");
    }
}

#[test]
fn delegate_calls_of_anything_but_a_batch_are_unknown() {
    let batch = SafeTx::of_calls(
        &[to_commands(&ChainCommand::PauseMesh), to_commands(&ChainCommand::ResumeMesh)],
        MULTI_SEND,
        1,
    )
    .unwrap();
    assert_eq!(transaction(&batch, &known()).len(), 2);
    let elsewhere = SafeTx { to: Address([8; 20]), ..batch.clone() };
    let lines = transaction(&elsewhere, &known());
    assert!(lines[0].text.contains("can do anything") && lines[0].care == Care::Unknown);
    let broken = SafeTx { data: batch.data[..batch.data.len() - 32].to_vec(), ..batch };
    assert!(transaction(&broken, &known()).iter().all(|l| l.care == Care::Unknown));
}

#[test]
fn money_cancellation_and_the_queue_have_words() {
    let sent = call(&Call { to: Address([9; 20]), value: Wei(5), data: vec![] }, &known());
    assert_eq!((sent.care, sent.text.contains("sends 5 wei")), (Care::Grave, true));
    let mut with_command = to_commands(&ChainCommand::PauseMesh);
    with_command.value = Wei(5);
    let line = call(&with_command, &known());
    assert!(line.text.ends_with("sending 5 wei") && line.care == Care::Grave);
    let lines = transaction(&SafeTx::cancel(SAFE, 4), &known());
    assert!(lines[0].text.contains("uses up nonce 4"));
    let line = call(&Call { to: COMMANDS, value: Wei(0), data: cancel_calldata(7) }, &known());
    assert!(line.text.contains("ticket 7"), "{line}");
}

#[test]
fn a_file_shows_the_three_hashes() {
    let tx = SafeTx::of_calls(&[to_commands(&ChainCommand::PauseMesh)], MULTI_SEND, 3).unwrap();
    let file_ = TxFile::new(31_337, SAFE, tx);
    let text = file(&file_, &known());
    for part in [
        "pauses the whole mesh".to_owned(),
        format!("0x{}", file_.domain_hash()),
        format!("0x{}", file_.message_hash()),
        format!("0x{}", file_.safe_tx_hash()),
        "nonce 3".to_owned(),
    ] {
        assert!(text.contains(&part), "{text}");
    }
}

#[test]
fn shares_are_read_by_people() {
    for (ppm, text) in [
        (0, "0 %"),
        (500_000, "50 %"),
        (1_000_000, "100 %"),
        (12_345, "1.2345 %"),
        (1, "0.0001 %"),
        (10_500, "1.05 %"),
    ] {
        assert_eq!(percent(ppm), text);
    }
}

#[test]
fn keys_of_circuits_are_told_with_where_they_come_from() {
    let mut key = crate::contracts::CircuitKey {
        circuit: phalanx_types::Hash([7; 32]),
        transcript: phalanx_types::Hash::ZERO,
        places: [1, 0, 255, 255],
        points: vec![1; 64],
    };
    let told = |key: &crate::contracts::CircuitKey| call(&key.call(VERIFIER), &known());
    let line = told(&key);
    assert_eq!(line.care, Care::Grave);
    assert!(line.text.contains("sets a DEVELOPMENT key") && line.text.contains(&"07".repeat(32)), "{line}");
    key.transcript = phalanx_types::Hash([9; 32]);
    let line = told(&key);
    assert!(
        line.text.contains("ceremony with the transcript") && line.text.contains(&"09".repeat(32)),
        "{line}"
    );
    // One byte more, and nobody knows what it does.
    let mut longer = key.call(VERIFIER);
    longer.data.push(0);
    assert_eq!(call(&longer, &known()).care, Care::Unknown);
}
