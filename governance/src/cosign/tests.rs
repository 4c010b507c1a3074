use super::*;
use crate::keys::LocalKey;
use phalanx_types::{Height, ReceiptIndex, TimeMs};
use proptest::prelude::*;
use zeroize::Zeroizing;

const CHAIN: u64 = 31_337;
const ANCHOR: Address = Address([7; 20]);

fn key(byte: u8) -> LocalKey {
    LocalKey::from_bytes(&Zeroizing::new([byte; 32]), "test").unwrap()
}

fn set(keys: std::ops::RangeInclusive<u8>, weight: u32) -> Arc<Vec<SetEntry>> {
    let mut entries: Vec<SetEntry> = keys
        .map(|byte| SetEntry {
            network_key: PublicKey([byte; 32]),
            vote_key: PublicKey([byte + 100; 32]),
            account: key(byte).address(),
            weight,
        })
        .collect();
    entries.sort_by_key(|e| e.account);
    Arc::new(entries)
}

fn checkpoint(number: u64, parent: Hash, set: &[SetEntry]) -> Checkpoint {
    Checkpoint {
        version: phalanx_types::checkpoint::VERSION,
        number: CheckpointNumber(number),
        parent,
        mesh: Hash([1; 32]),
        first_beat: Height(number * 32),
        last_beat: Height(number * 32 + 31),
        first_receipt: ReceiptIndex(number * 100),
        receipt_count: 100,
        interval_root: Hash([2; 32]),
        history_root: Hash([3; 32]),
        history_size: number * 100 + 100,
        app_hash: Hash([4; 32]),
        agents_root: Hash::ZERO,
        audit_root: Hash::ZERO,
        set_epoch: 0,
        set_hash: digest::validator_set(set),
        next_set_hash: digest::validator_set(set),
        verification_level: 2,
        verification_fraction_ppm: 1_000_000,
        time: TimeMs(number),
    }
}

fn signed(by: u8, number: u64, hash: Hash) -> CheckpointSignature {
    let signature = key(by).sign(&digest::checkpoint(CHAIN, ANCHOR, &hash)).unwrap();
    let signature = AccountSignature(signature.to_64());
    CheckpointSignature { number: CheckpointNumber(number), checkpoint: hash, signature }
}

/// A cosigner with `count` closed checkpoints of four members, and their hashes.
fn cosigner(count: u64) -> (Cosigner, Vec<Hash>, Arc<Vec<SetEntry>>) {
    let set = set(1..=4, 10);
    let mut cosigner = Cosigner::new(CHAIN, ANCHOR, Some(key(1).address()));
    let mut hashes = Vec::new();
    for number in 1..=count {
        let parent = hashes.last().copied().unwrap_or(Hash::ZERO);
        let checkpoint = checkpoint(number, parent, &set);
        hashes.push(checkpoint.hash());
        cosigner.closed(checkpoint, Arc::clone(&set), None, None);
    }
    (cosigner, hashes, set)
}

#[test]
fn more_than_two_thirds_of_the_weight_cosign() {
    let (mut cosigner, hashes, set) = cosigner(2);
    for by in 1..=2 {
        assert_eq!(cosigner.hear(&signed(by, 1, hashes[0])), Heard::New { is_cosigned: false });
    }
    assert_eq!(cosigner.hear(&signed(2, 1, hashes[0])), Heard::Known);
    assert!(cosigner.queue(CheckpointNumber::ZERO, 9).is_empty());
    assert_eq!(cosigner.hear(&signed(3, 1, hashes[0])), Heard::New { is_cosigned: true });
    assert_eq!(cosigner.hear(&signed(4, 1, hashes[0])), Heard::New { is_cosigned: false });
    let queue = cosigner.queue(CheckpointNumber::ZERO, 9);
    assert_eq!(queue.len(), 1);
    queue[0].check_quorum(&set).unwrap();
    assert_eq!(queue[0].signers().count(), 3, "a fourth one would only cost gas");
    assert_eq!((cosigner.cosigned_through().0, cosigner.first_missing()), (1, Some(CheckpointNumber(2))));
}

#[test]
fn a_queue_has_no_gap_and_begins_behind_the_head() {
    let (mut cosigner, hashes, _) = cosigner(4);
    for number in [1, 2, 4] {
        for by in 1..=3 {
            cosigner.hear(&signed(by, number, hashes[number as usize - 1]));
        }
    }
    let numbers = |cosigner: &Cosigner, head| -> Vec<u64> {
        let queue = cosigner.queue(CheckpointNumber(head), 9);
        queue.iter().map(|s| s.checkpoint.number.0).collect()
    };
    assert_eq!(numbers(&cosigner, 0), [1, 2]);
    assert_eq!(numbers(&cosigner, 1), [2]);
    assert_eq!(numbers(&cosigner, 2), [0; 0]);
    assert_eq!(numbers(&cosigner, 3), [4]);
    cosigner.anchored(CheckpointNumber(3));
    assert_eq!(numbers(&cosigner, 0), [0; 0], "what lies before is anchored");
    assert_eq!(cosigner.hear(&signed(1, 2, hashes[1])), Heard::Elsewhere);
}

#[test]
fn what_others_have_anchored_is_still_cosigned_here_for_a_while() {
    let (mut cosigner, hashes, _) = cosigner(LATE + 2);
    cosigner.hear(&signed(1, 1, hashes[0]));
    cosigner.anchored(CheckpointNumber(2));
    assert_eq!((cosigner.counts().1 as u64, cosigner.cosigned_through().0), (LATE, 2));
    assert_eq!(cosigner.first_missing(), Some(CheckpointNumber(1)), "it is asked for");
    assert_eq!(cosigner.own_unheard(9), [signed(1, 1, hashes[0])]);
    assert_eq!(cosigner.hear(&signed(2, 1, hashes[0])), Heard::New { is_cosigned: false });
    assert_eq!(cosigner.hear(&signed(3, 1, hashes[0])), Heard::New { is_cosigned: true });
    assert_eq!(cosigner.known(CheckpointNumber(1)).unwrap().signatures.len(), 3);
    assert!(cosigner.queue(CheckpointNumber(2), 9).is_empty());

    // The next one lets go of what is cosigned and of what is too old.
    cosigner.anchored(CheckpointNumber(LATE + 2));
    assert_eq!(cosigner.known(CheckpointNumber(1)), None);
    assert_eq!(cosigner.known(CheckpointNumber(2)), None);
    assert_eq!(cosigner.first_missing(), Some(CheckpointNumber(3)));
    assert_eq!(cosigner.wants(), Some(CheckpointNumber(LATE + 3)));
}

#[test]
fn each_is_signed_once_and_only_what_the_ledger_has_closed() {
    let (mut cosigner, hashes, _) = cosigner(2);
    let wanted: Vec<u64> = cosigner.to_sign(9).iter().map(|(n, _)| n.0).collect();
    assert_eq!(wanted, [1, 2]);
    cosigner.hear(&signed(1, 1, hashes[0]));
    let wanted = cosigner.to_sign(9);
    assert_eq!(wanted, [(CheckpointNumber(2), digest::checkpoint(CHAIN, ANCHOR, &hashes[1]))]);
    assert_eq!(cosigner.own_unheard(9), [signed(1, 1, hashes[0])]);
    let mut watcher = Cosigner { account: None, ..cosigner.clone() };
    assert!(watcher.to_sign(9).is_empty() && watcher.own_unheard(9).is_empty());
    watcher.account = Some(key(9).address());
    assert!(watcher.to_sign(9).is_empty(), "who is no member signs nothing");
}

#[test]
fn what_was_kept_counts_and_what_is_not_of_the_set_does_not() {
    let (_, hashes, set) = cosigner(1);
    let mut signatures: Vec<_> = [1, 2, 3, 9].map(|by| signed(by, 1, hashes[0]).signature).into();
    signatures.push(AccountSignature([0; 64]));
    let kept = Cosigned { checkpoint: hashes[0], signatures };
    let mut again = Cosigner::new(CHAIN, ANCHOR, Some(key(1).address()));
    again.closed(checkpoint(1, Hash::ZERO, &set), Arc::clone(&set), Some(&kept), None);
    assert_eq!(again.known(CheckpointNumber(1)).unwrap().signatures.len(), 3);
    assert_eq!(again.is_cosigned(CheckpointNumber(1)), Some(true));
    assert!(again.to_sign(9).is_empty());
}

#[test]
fn what_was_signed_under_a_number_is_never_signed_against() {
    let (_, hashes, set) = cosigner(1);
    let kept =
        Cosigned { checkpoint: Hash([9; 32]), signatures: vec![signed(1, 1, Hash([9; 32])).signature] };
    let mut again = Cosigner::new(CHAIN, ANCHOR, Some(key(1).address()));
    let own = Some(Hash([9; 32]));
    assert!(!again.closed(checkpoint(1, Hash::ZERO, &set), Arc::clone(&set), Some(&kept), own));
    assert!(again.to_sign(9).is_empty());
    // What others sign counts all the same.
    assert_eq!(again.hear(&signed(2, 1, hashes[0])), Heard::New { is_cosigned: false });

    // Nor after a restart, when what was kept has given way to what others signed.
    let kept = again.known(CheckpointNumber(1)).unwrap();
    assert_eq!(kept.checkpoint, hashes[0]);
    let mut later = Cosigner::new(CHAIN, ANCHOR, Some(key(1).address()));
    assert!(!later.closed(checkpoint(1, Hash::ZERO, &set), Arc::clone(&set), Some(&kept), own));
    assert!(later.to_sign(9).is_empty());
    assert_eq!(later.known(CheckpointNumber(1)).unwrap(), kept);
}

#[test]
fn strangers_other_chains_and_other_checkpoints_are_told_apart() {
    let (mut cosigner, hashes, _) = cosigner(1);
    assert_eq!(cosigner.hear(&signed(9, 1, hashes[0])), Heard::Invalid);
    let other_chain = key(2).sign(&digest::checkpoint(1, ANCHOR, &hashes[0])).unwrap().to_64();
    let heard = CheckpointSignature { signature: AccountSignature(other_chain), ..signed(2, 1, hashes[0]) };
    assert_eq!(cosigner.hear(&heard), Heard::Invalid);
    assert_eq!(cosigner.hear(&signed(2, 7, hashes[0])), Heard::Elsewhere);
    let (lie, own) = (Hash([9; 32]), hashes[0]);
    let member = PublicKey([102; 32]);
    let height = Height(63);
    assert_eq!(cosigner.hear(&signed(2, 1, lie)), Heard::Contradiction { member, height, signed: lie, own });
    assert_eq!(cosigner.known(CheckpointNumber(1)).unwrap().signatures.len(), 0);
}

/// Another signature of the same by the same, with another nonce.
fn signed_otherwise(by: u8, number: u64, hash: Hash) -> CheckpointSignature {
    use ethers::core::k256::{
        ecdsa::{Signature, SigningKey, signature::hazmat::RandomizedPrehashSigner},
        elliptic_curve::rand_core::OsRng,
    };
    let digest = digest::checkpoint(CHAIN, ANCHOR, &hash);
    let secret = SigningKey::from_slice(&[by; 32]).unwrap();
    let signature: Signature = secret.sign_prehash_with_rng(&mut OsRng, &digest.0).unwrap();
    let low: [u8; 64] = signature.normalize_s().unwrap_or(signature).to_bytes().into();
    let with_parity = |parity: u8| {
        let mut bytes = low;
        bytes[32] |= parity << 7;
        AccountSignature(bytes)
    };
    let is_by = |s: &AccountSignature| {
        EcdsaSignature::from_bytes_strict(&s.0).unwrap().recover(&digest) == Ok(key(by).address())
    };
    let signature = [0, 1].map(with_parity).into_iter().find(is_by).unwrap();
    CheckpointSignature { number: CheckpointNumber(number), checkpoint: hash, signature }
}

#[test]
fn a_member_that_signs_again_and_again_is_heard_once_and_so_is_its_contradiction() {
    let (mut cosigner, hashes, _) = cosigner(1);
    let author = PublicKey([2; 32]);
    assert_eq!(cosigner.hear_from(&signed(2, 1, hashes[0]), &author), Heard::New { is_cosigned: false });
    assert_eq!(cosigner.hear_from(&signed(2, 1, hashes[0]), &author), Heard::Known);
    let otherwise = signed_otherwise(2, 1, hashes[0]);
    assert_ne!(otherwise, signed(2, 1, hashes[0]));
    assert_eq!(cosigner.hear_from(&otherwise, &author), Heard::Repeated);
    assert_eq!(cosigner.hear(&otherwise), Heard::Repeated);
    // It may not even be a signature: nothing is computed any more.
    let junk = CheckpointSignature { signature: AccountSignature([1; 64]), ..otherwise };
    assert_eq!(cosigner.hear_from(&junk, &author), Heard::Repeated);

    let lie = |byte| signed(2, 1, Hash([byte; 32]));
    assert!(matches!(cosigner.hear_from(&lie(8), &author), Heard::Contradiction { .. }));
    assert_eq!(cosigner.hear_from(&lie(9), &author), Heard::Repeated);
    assert_eq!(cosigner.hear(&lie(9)), Heard::Repeated);
    assert_eq!(cosigner.known(CheckpointNumber(1)).unwrap().signatures.len(), 1);
}

#[test]
fn nobody_sends_what_another_has_signed() {
    let (mut cosigner, hashes, _) = cosigner(1);
    assert_eq!(cosigner.hear_from(&signed(3, 1, hashes[0]), &PublicKey([2; 32])), Heard::Invalid);
    assert_eq!(cosigner.hear_from(&signed(3, 1, hashes[0]), &PublicKey([9; 32])), Heard::Invalid);
    let lie = signed(3, 1, Hash([9; 32]));
    assert_eq!(cosigner.hear_from(&lie, &PublicKey([2; 32])), Heard::Invalid);
    assert_eq!(
        cosigner.hear_from(&lie, &PublicKey([3; 32])),
        Heard::Contradiction {
            member: PublicKey([103; 32]),
            height: Height(63),
            signed: lie.checkpoint,
            own: hashes[0],
        }
    );
}

#[test]
fn the_window_is_bounded_and_moves_with_what_is_anchored() {
    let set = set(1..=4, 1);
    let mut cosigner = Cosigner::new(CHAIN, ANCHOR, None);
    for number in 1..=WINDOW {
        cosigner.closed(checkpoint(number, Hash::ZERO, &set), Arc::clone(&set), None, None);
    }
    assert_eq!(cosigner.wants(), None);
    cosigner.closed(checkpoint(WINDOW + 1, Hash::ZERO, &set), Arc::clone(&set), None, None);
    assert_eq!(cosigner.counts(), (0, WINDOW as usize));
    cosigner.anchored(CheckpointNumber(10));
    assert_eq!(cosigner.wants(), Some(CheckpointNumber(WINDOW + 1)));
    cosigner.anchored(CheckpointNumber(5));
    assert_eq!(cosigner.wants(), Some(CheckpointNumber(WINDOW + 1)));
    let far = CheckpointNumber(10 * WINDOW);
    cosigner.anchored(far);
    assert_eq!(cosigner.wants(), Some(far.saturating_add(1)));
}

proptest! {
    #[test]
    fn for_every_number_each_member_has_its_own_turn(size in 1_u8..20, number in 0_u64..1_000) {
        let set = set(1..=size, 1);
        let mut turns: Vec<u64> =
            set.iter().map(|e| turn(&set, &e.account, CheckpointNumber(number)).unwrap()).collect();
        turns.sort_unstable();
        prop_assert_eq!(turns, (0..u64::from(size)).collect::<Vec<_>>());
        prop_assert_eq!(turn(&set, &Address::ZERO, CheckpointNumber(number)), None);
    }

    #[test]
    fn a_signature_with_a_bit_changed_adds_nothing(bit in 0_usize..512) {
        let (mut cosigner, hashes, _) = cosigner(1);
        let mut heard = signed(2, 1, hashes[0]);
        heard.signature.0[bit / 8] ^= 1 << (bit % 8);
        prop_assert_eq!(cosigner.hear(&heard), Heard::Invalid);
    }
}
