//! Chance whose numbers never change.

/// SplitMix64 (Steele, Lea and Flood 2014, “Fast splittable pseudorandom number
/// generators”).
pub(super) struct Chance(u64);

impl Chance {
    pub(super) const fn new(seed: u64) -> Self {
        Self(seed)
    }

    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let z = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    /// A number below `n`; zero when `n` is.
    pub(super) fn below(&mut self, n: usize) -> usize {
        ((u128::from(self.next()) * n as u128) >> 64) as usize
    }

    /// One of these; none of nothing.
    pub(super) fn pick<'a, T>(&mut self, of: &'a [T]) -> Option<&'a T> {
        of.get(self.below(of.len()))
    }

    /// A random order (Fisher and Yates).
    pub(super) fn shuffle<T>(&mut self, items: &mut [T]) {
        for last in (1..items.len()).rev() {
            let other = self.below(last + 1);
            items.swap(last, other);
        }
    }

    /// A direction, all of which are nearly equally likely: its components are sums of
    /// four uniform numbers, less their mean.
    pub(super) fn direction(&mut self, dimension: usize) -> Vec<f64> {
        let mut uniform = || (self.next() >> 11) as f64 / (1u64 << 53) as f64;
        (0..dimension).map(|_| (uniform() + uniform()) + (uniform() + uniform()) - 2.0).collect()
    }
}
