//! Many hashes at once.

use rayon::prelude::*;

/// Below this it is not worth waking another core: two of them take some milliseconds for it.
const PARALLEL_MIN: usize = 256;

/// `hash` of each, in order; of many on all cores of the current thread's pool.
pub(crate) fn each<T: Sync, R: Send>(list: &[T], hash: impl Fn(&T) -> R + Send + Sync) -> Vec<R> {
    if list.len() < PARALLEL_MIN {
        list.iter().map(hash).collect()
    } else {
        list.par_iter().map(hash).collect()
    }
}
