//! Seeded mutations through every decoder.

use phalanx_tests::decoders::DECODERS;

/// A small generator, so that the same inputs run everywhere.
struct Lcg(u64);

impl Lcg {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        self.0 >> 33
    }
}

#[test]
fn no_decoder_panics_on_garbage_of_any_length() {
    let mut random = Lcg(7);
    for (_, decode) in DECODERS {
        for _ in 0..2_000 {
            let len = (random.next() % 600) as usize;
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
