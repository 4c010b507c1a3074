//! Directions that follow from names: the same on every machine, and alike to none.

use phalanx_types::{Hash, tags};

/// Most bits of one component.
const BITS: u32 = 32;
/// Root of the mean square of one component: 32 fair bits, less their mean.
pub(crate) const LENGTH_MEAN_PER_ROOT: f64 = 2.828_427_124_746_190_3;

/// A direction of this many dimensions from `id`: components are how many of 32 hashed
/// bits are set, less 16. That is nearly a normal distribution, so that all directions
/// are equally likely, and it is whole numbers.
pub(crate) fn direction(id: &[u8], dimension: usize) -> Vec<i8> {
    let mut components = Vec::with_capacity(dimension);
    let key = Hash::of(tags::AFFINITY, id);
    for block in 0u32.. {
        if components.len() >= dimension {
            break;
        }
        let hash = Hash::of_parts(tags::AFFINITY, &[&key.0, &block.to_le_bytes()]);
        for word in hash.0.as_chunks::<4>().0.iter().take(dimension - components.len()) {
            components.push(u32::from_le_bytes(*word).count_ones() as i8 - (BITS / 2) as i8);
        }
    }
    components
}
