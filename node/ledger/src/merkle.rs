//! What both trees share: the shape of RFC 6962, over any node hash.

use phalanx_types::Hash;

/// The largest power of two below `n`, which is at least 2.
pub(crate) const fn split(n: u64) -> u64 {
    1 << (n - 1).ilog2()
}

/// The root that `path` leads to from `leaf` at `index` of `count`, or none
/// when the path has not exactly the length that index and count ask for.
pub(crate) fn root_from_path(
    leaf: Hash,
    index: u64,
    count: u64,
    path: &[Hash],
    node: impl Fn(&Hash, &Hash) -> Hash,
) -> Option<Hash> {
    if index >= count {
        return None;
    }
    let (mut at, mut last) = (index, count - 1);
    let mut hash = leaf;
    let mut rest = path.iter();
    while last > 0 {
        if at % 2 == 1 {
            hash = node(rest.next()?, &hash);
        } else if at < last {
            hash = node(&hash, rest.next()?);
        }
        // Else: an odd node at the right edge is promoted.
        at /= 2;
        last /= 2;
    }
    if rest.next().is_none() { Some(hash) } else { None }
}
