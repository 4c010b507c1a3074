//! Directions that follow from names: the same on every machine, and alike to none.

use phalanx_types::{Hash, tags};

/// The mean of a sum of four hashed 16-bit numbers.
const MEAN: i32 = 2 * u16::MAX as i32;
/// The root of the mean square of one component: `√((2^32 − 1)/3)`.
pub(crate) const COMPONENT: f64 = 37_837.227;

/// A direction of this many dimensions from `id`: components are sums of four hashed
/// 16-bit numbers, less their mean. That is nearly a normal distribution, so that all
/// directions are equally likely, and it is whole numbers.
pub(crate) fn direction(id: &[u8], dimension: usize) -> Vec<i32> {
    let mut components = Vec::with_capacity(dimension);
    let key = Hash::of(tags::AFFINITY, id);
    for block in 0u32.. {
        if components.len() >= dimension {
            break;
        }
        let hash = Hash::of_parts(tags::AFFINITY, &[&key.0, &block.to_le_bytes()]);
        for part in hash.0.chunks_exact(8).take(dimension - components.len()) {
            let sum: i32 = part.as_chunks::<2>().0.iter().map(|x| i32::from(u16::from_le_bytes(*x))).sum();
            components.push(sum - MEAN);
        }
    }
    components
}
