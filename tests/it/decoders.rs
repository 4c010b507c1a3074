//! Seeded mutations through every decoder.

use phalanx_tests::{
    decoders::{DECODERS, Decoder},
    samples::samples,
};
use std::collections::BTreeSet;

/// Mutations of each sample.
const ROUNDS: usize = 400;
/// Longest sample that gets all rounds; longer ones get fewer.
const LONG: usize = 8_192;

/// A small generator, so that the same inputs run everywhere.
struct Lcg(u64);

impl Lcg {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        self.0 >> 33
    }

    fn below(&mut self, end: usize) -> usize {
        if end == 0 { 0 } else { self.next() as usize % end }
    }
}

#[test]
fn no_decoder_panics_on_garbage_of_any_length() {
    let mut random = Lcg(7);
    for (_, decode) in DECODERS {
        for _ in 0..2_000 {
            let len = random.below(600);
            let bytes: Vec<u8> = (0..len).map(|_| random.next() as u8).collect();
            decode(&bytes);
        }
        // Lengths that lie: a huge count with nothing behind it.
        for lie in [u32::MAX, 1 << 31, 1 << 24] {
            decode(&[&[0_u8; 40][..], &lie.to_le_bytes(), &[0; 8]].concat());
            decode(&lie.to_le_bytes());
        }
    }
}

#[test]
fn every_decoder_has_a_name_of_its_own_and_takes_its_samples() {
    let names: BTreeSet<&str> = DECODERS.iter().map(|(name, _)| *name).collect();
    assert_eq!(names.len(), DECODERS.len());
    for (name, decode) in DECODERS {
        let samples = samples(name);
        assert!(!samples.is_empty(), "{name} has no sample");
        for (at, sample) in samples.iter().enumerate() {
            assert!(decode(sample), "{name} refuses its sample {at}");
        }
    }
}

#[test]
fn no_decoder_panics_on_a_damaged_sample() {
    for (at, (name, decode)) in DECODERS.iter().enumerate() {
        let mut random = Lcg(at as u64);
        let samples = samples(name);
        for sample in &samples {
            cut((name, *decode), sample);
            let rounds = ROUNDS * LONG / sample.len().max(LONG);
            for _ in 0..rounds {
                let mut bytes = sample.clone();
                for _ in 0..=random.below(4) {
                    let other = &samples[random.below(samples.len())];
                    mutate(&mut bytes, other, &mut random);
                }
                decode(&bytes);
            }
        }
    }
}

/// Every short prefix and some long ones, and one byte too many.
fn cut((_, decode): Decoder, sample: &[u8]) {
    let step = sample.len() / 500 + 1;
    for len in (0..sample.len()).step_by(step) {
        decode(&sample[..len]);
    }
    decode(&[sample, &[0]].concat());
}

/// One change: a bit, a byte, a number that lies, a piece lost, doubled or taken
/// from another sample, a digit.
fn mutate(bytes: &mut Vec<u8>, other: &[u8], random: &mut Lcg) {
    let at = random.below(bytes.len());
    let end = (at + random.below(40)).min(bytes.len());
    match random.below(8) {
        0 => flip(bytes, at, 1 << random.below(8)),
        1 => set(bytes, at, &[random.next() as u8]),
        2 => set(bytes, at, &[u8::MAX; 4]),
        3 => set(bytes, at, &(random.next() as u32 >> random.below(32)).to_le_bytes()),
        4 => drop(bytes.drain(at..end)),
        5 => {
            let piece = bytes[at..end].to_vec();
            bytes.splice(at..at, piece);
        }
        6 => {
            let from = random.below(other.len());
            let to = (from + random.below(40)).min(other.len());
            bytes.splice(at..end, other[from..to].iter().copied());
        }
        _ => set(bytes, at, &[b"0129-\"\\{}[],:eE.nN"[random.below(18)]]),
    }
}

fn flip(bytes: &mut [u8], at: usize, bit: u8) {
    if let Some(byte) = bytes.get_mut(at) {
        *byte ^= bit;
    }
}

fn set(bytes: &mut [u8], at: usize, values: &[u8]) {
    for (byte, value) in bytes.iter_mut().skip(at).zip(values) {
        *byte = *value;
    }
}
