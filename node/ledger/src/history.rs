//! The history tree: RFC 6962 over all receipts, kept in tiles.
//!
//! leaf = SHA-256(00 ‖ canonical bytes); node = SHA-256(01 ‖ left ‖ right).
//! A tile (level L, number N) holds up to 256 hashes of the tree's level 8·L,
//! from N·256 on, as C2SP `tlog-tiles` lays them out. Full tiles never change.

use crate::{
    kv::{Batch, Cf, Kv, StoreError},
    merkle::{root_from_path, split},
    record,
};
use phalanx_types::Hash;
use sha2::{Digest, Sha256};

/// Levels of the tree in one tile.
pub const TILE_HEIGHT: u32 = 8;
/// Hashes in a full tile.
pub const TILE_WIDTH: u64 = 1 << TILE_HEIGHT;

/// The leaf of a receipt's canonical bytes.
#[must_use]
pub fn leaf(canonical: &[u8]) -> Hash {
    let mut hasher = Sha256::new();
    hasher.update([0]);
    hasher.update(canonical);
    Hash(hasher.finalize().into())
}

fn node(left: &Hash, right: &Hash) -> Hash {
    let mut hasher = Sha256::new();
    hasher.update([1]);
    hasher.update(left.0);
    hasher.update(right.0);
    Hash(hasher.finalize().into())
}

/// The root of no receipts: SHA-256 of nothing.
#[must_use]
pub fn empty_root() -> Hash {
    Hash(Sha256::digest([]).into())
}

/// The key of a tile in the store.
#[must_use]
pub fn tile_key(level: u8, number: u64) -> Vec<u8> {
    let mut key = vec![level];
    key.extend_from_slice(&number.to_be_bytes());
    key
}

/// The right edge of the tree: the last, partial tile of each level. It is all
/// that is needed to append and to know the root.
#[derive(Clone, Debug, Default, PartialEq, Eq, borsh::BorshSerialize, borsh::BorshDeserialize)]
pub struct Edge {
    size: u64,
    tiles: Vec<Vec<Hash>>,
}

impl Edge {
    /// Number of leaves.
    #[must_use]
    pub const fn size(&self) -> u64 {
        self.size
    }

    /// Whether its tiles are as full as its size says.
    #[must_use]
    pub fn is_shaped(&self) -> bool {
        let levels = (0..8_u32).take_while(|level| self.size >> (TILE_HEIGHT * level) > 0).count();
        self.tiles.len() == levels
            && (0_u32..)
                .zip(&self.tiles)
                .all(|(level, tile)| tile.len() as u64 == (self.size >> (TILE_HEIGHT * level)) % TILE_WIDTH)
    }

    /// Puts its tiles into `batch`, for a store that has none.
    pub(crate) fn put(&self, batch: &mut Batch) {
        for (level, tile) in self.tiles.iter().enumerate().filter(|(_, tile)| !tile.is_empty()) {
            let level = level as u8;
            put_tile(batch, level, self.tile_number(level), tile);
        }
    }

    /// Appends leaves; the changed tiles go into `batch`.
    pub fn append(&mut self, leaves: &[Hash], batch: &mut Batch) {
        let mut changed: Vec<bool> = vec![false; self.tiles.len()];
        for leaf in leaves {
            self.push(0, *leaf, &mut changed, batch);
            self.size += 1;
        }
        for (level, (tile, changed)) in self.tiles.iter().zip(&changed).enumerate() {
            if *changed && !tile.is_empty() {
                let level = level as u8;
                put_tile(batch, level, self.tile_number(level), tile);
            }
        }
    }

    /// The number of the partial tile of a level.
    const fn tile_number(&self, level: u8) -> u64 {
        let bits = TILE_HEIGHT * (level as u32 + 1);
        if bits >= u64::BITS { 0 } else { self.size >> bits }
    }

    fn push(&mut self, level: usize, hash: Hash, changed: &mut Vec<bool>, batch: &mut Batch) {
        if self.tiles.len() <= level {
            self.tiles.push(Vec::new());
            changed.push(false);
        }
        if let Some(flag) = changed.get_mut(level) {
            *flag = true;
        }
        let Some(tile) = self.tiles.get_mut(level) else { return };
        tile.push(hash);
        if tile.len() as u64 == TILE_WIDTH {
            let full = std::mem::take(tile);
            // `size` counts the leaves before this one.
            put_tile(batch, level as u8, self.tile_number(level as u8), &full);
            let above = fold(&full);
            self.push(level + 1, above, changed, batch);
        }
    }

    /// The root.
    #[must_use]
    pub fn root(&self) -> Hash {
        // From the right: complete subtrees of the edge, smallest first.
        let mut root: Option<Hash> = None;
        for tile in &self.tiles {
            let mut end = tile.len();
            while end > 0 {
                let width = 1 << end.trailing_zeros();
                let start = end - width;
                let part = tile.get(start..end).map(fold).unwrap_or(Hash::ZERO);
                root = Some(root.map_or(part, |right| node(&part, &right)));
                end = start;
            }
        }
        root.unwrap_or_else(empty_root)
    }
}

fn put_tile(batch: &mut Batch, level: u8, number: u64, hashes: &[Hash]) {
    let key = tile_key(level, number);
    let payload: Vec<u8> = hashes.iter().flat_map(|hash| hash.0).collect();
    let value = record::wrap(Cf::Tiles, &key, payload);
    batch.put(Cf::Tiles, key, value);
}

/// The root of a complete subtree; the number of hashes is a power of two.
fn fold(hashes: &[Hash]) -> Hash {
    let mut row = hashes.to_vec();
    while row.len() > 1 {
        row = row
            .chunks(2)
            .map(|pair| match pair {
                [left, right] => node(left, right),
                _ => Hash::ZERO,
            })
            .collect();
    }
    row.first().copied().unwrap_or(Hash::ZERO)
}

/// Reads proofs from stored tiles.
#[derive(Debug)]
pub struct History<'a, K: Kv> {
    kv: &'a K,
}

impl<'a, K: Kv> History<'a, K> {
    /// Over a store.
    pub const fn new(kv: &'a K) -> Self {
        Self { kv }
    }

    /// The hashes of a tile.
    ///
    /// # Errors
    /// When it is missing or damaged.
    pub fn tile(&self, level: u8, number: u64) -> Result<Vec<Hash>, StoreError> {
        let key = tile_key(level, number);
        let damaged = |reason: &str| StoreError::damaged(Cf::Tiles, &key, reason);
        let stored = self.kv.get(Cf::Tiles, &key)?.ok_or_else(|| damaged("it is missing"))?;
        let payload = record::unwrap(Cf::Tiles, &key, &stored)?;
        if payload.len() % Hash::LEN != 0 || payload.len() as u64 > TILE_WIDTH * Hash::LEN as u64 {
            return Err(damaged("a tile holds 1 to 256 hashes"));
        }
        Ok(payload
            .chunks_exact(Hash::LEN)
            .map(|chunk| <[u8; 32]>::try_from(chunk).map_or(Hash::ZERO, Hash))
            .collect())
    }

    /// The edge of the tree over the first `size` leaves.
    ///
    /// # Errors
    /// When tiles are missing or damaged.
    pub fn edge(&self, size: u64) -> Result<Edge, StoreError> {
        let mut edge = Edge { size, tiles: Vec::new() };
        for level in 0..8_u8 {
            let count = size >> (TILE_HEIGHT * u32::from(level));
            if count == 0 {
                break;
            }
            let len = (count % TILE_WIDTH) as usize;
            let mut tile = if len == 0 { Vec::new() } else { self.tile(level, count / TILE_WIDTH)? };
            tile.truncate(len);
            edge.tiles.push(tile);
        }
        Ok(edge)
    }

    /// The leaf at `index`.
    ///
    /// # Errors
    /// When its tile is missing or damaged.
    pub fn leaf(&self, index: u64) -> Result<Hash, StoreError> {
        self.complete(0, index)
    }

    /// The hash of the complete subtree number `number` of `2^height` leaves.
    fn complete(&self, height: u32, number: u64) -> Result<Hash, StoreError> {
        let (level, inside) = ((height / TILE_HEIGHT) as u8, height % TILE_HEIGHT);
        let first = number << inside;
        let tile = self.tile(level, first / TILE_WIDTH)?;
        let at = (first % TILE_WIDTH) as usize;
        tile.get(at..at + (1 << inside)).map(fold).ok_or_else(|| {
            StoreError::damaged(Cf::Tiles, &tile_key(level, first / TILE_WIDTH), "it is too short")
        })
    }

    /// The root over the leaves `from..to`, where `from` is aligned as the
    /// recursion of RFC 6962 makes it.
    fn range(&self, from: u64, to: u64) -> Result<Hash, StoreError> {
        let n = to - from;
        if n.is_power_of_two() {
            let height = n.trailing_zeros();
            return self.complete(height, from >> height);
        }
        let k = split(n);
        Ok(node(&self.range(from, from + k)?, &self.range(from + k, to)?))
    }

    /// The root over the first `size` leaves.
    ///
    /// # Errors
    /// When tiles are missing or damaged.
    pub fn root(&self, size: u64) -> Result<Hash, StoreError> {
        if size == 0 { Ok(empty_root()) } else { self.range(0, size) }
    }

    /// The path from the leaf at `index` to the root of the first `size`
    /// leaves, from below (RFC 6962, section 2.1.1). None when `index` is not
    /// below `size`.
    ///
    /// # Errors
    /// When tiles are missing or damaged.
    pub fn inclusion(&self, index: u64, size: u64) -> Result<Option<Vec<Hash>>, StoreError> {
        if index >= size {
            return Ok(None);
        }
        let mut path = Vec::new();
        let (mut from, mut to) = (0, size);
        while to - from > 1 {
            let k = from + split(to - from);
            if index < k {
                path.push(self.range(k, to)?);
                to = k;
            } else {
                path.push(self.range(from, k)?);
                from = k;
            }
        }
        path.reverse();
        Ok(Some(path))
    }

    /// The proof that the tree of `size` leaves continues the tree of `old`
    /// leaves (RFC 6962, section 2.1.2). None unless `0 < old <= size`.
    ///
    /// # Errors
    /// When tiles are missing or damaged.
    pub fn consistency(&self, old: u64, size: u64) -> Result<Option<Vec<Hash>>, StoreError> {
        if old == 0 || old > size {
            return Ok(None);
        }
        let mut proof = Vec::new();
        let (mut from, mut to, mut m, mut whole) = (0, size, old, true);
        while m != to - from {
            let k = split(to - from);
            if m <= k {
                proof.push(self.range(from + k, to)?);
                to = from + k;
            } else {
                proof.push(self.range(from, from + k)?);
                from += k;
                m -= k;
                whole = false;
            }
        }
        if !whole {
            proof.push(self.range(from, to)?);
        }
        proof.reverse();
        Ok(Some(proof))
    }
}

/// Whether the receipt with these canonical bytes is at `index` of `size`.
#[must_use]
pub fn verify_inclusion(root: &Hash, canonical: &[u8], index: u64, size: u64, path: &[Hash]) -> bool {
    root_from_path(leaf(canonical), index, size, path, node).as_ref() == Some(root)
}

/// Whether the tree `new_root` of `size` leaves continues the tree `old_root`
/// of `old` leaves (RFC 9162, section 2.1.4.2).
#[must_use]
pub fn verify_consistency(old: u64, size: u64, old_root: &Hash, new_root: &Hash, proof: &[Hash]) -> bool {
    if old == 0 || old > size {
        return false;
    }
    if old == size {
        return proof.is_empty() && old_root == new_root;
    }
    let mut hashes = proof.iter();
    let (mut f, mut s) = (old - 1, size - 1);
    while f % 2 == 1 {
        f /= 2;
        s /= 2;
    }
    let first = if old.is_power_of_two() { Some(old_root) } else { hashes.next() };
    let Some(first) = first else { return false };
    let (mut old_hash, mut new_hash) = (*first, *first);
    for hash in hashes {
        if s == 0 {
            return false;
        }
        if f % 2 == 1 || f == s {
            old_hash = node(hash, &old_hash);
            new_hash = node(hash, &new_hash);
            while f % 2 == 0 && f != 0 {
                f /= 2;
                s /= 2;
            }
        } else {
            new_hash = node(&new_hash, hash);
        }
        f /= 2;
        s /= 2;
    }
    s == 0 && old_hash == *old_root && new_hash == *new_root
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{kv::Durability, memory::MemoryKv};

    fn defined(leaves: &[Hash]) -> Hash {
        match leaves {
            [] => empty_root(),
            [one] => *one,
            _ => {
                let at = split(leaves.len() as u64) as usize;
                node(&defined(&leaves[..at]), &defined(&leaves[at..]))
            }
        }
    }

    fn grown(count: u64, step: u64) -> (MemoryKv, Edge, Vec<Hash>) {
        let kv = MemoryKv::default();
        let mut edge = Edge::default();
        let leaves: Vec<Hash> = (0..count).map(|i| leaf(&i.to_le_bytes())).collect();
        for part in leaves.chunks(step as usize) {
            let mut batch = Batch::default();
            edge.append(part, &mut batch);
            kv.write(batch, Durability::Synced).unwrap();
        }
        (kv, edge, leaves)
    }

    #[test]
    fn the_edge_and_the_tiles_give_the_defined_root_at_every_size() {
        let (kv, _, leaves) = grown(1_100, 37);
        let history = History::new(&kv);
        let mut edge = Edge::default();
        for size in 0..=leaves.len() {
            assert_eq!(edge.size(), size as u64);
            if size % 13 == 0 || size.is_power_of_two() || size % 256 < 2 {
                let root = defined(&leaves[..size]);
                assert_eq!(edge.root(), root, "edge at {size}");
                assert_eq!(history.root(size as u64).unwrap(), root, "tiles at {size}");
            }
            if let Some(leaf) = leaves.get(size) {
                edge.append(&[*leaf], &mut Batch::default());
            }
        }
    }

    #[test]
    fn an_edge_read_from_the_tiles_is_the_one_that_was_there() {
        let (kv, _, leaves) = grown(1_100, 50);
        let mut edge = Edge::default();
        for (size, leaf) in (0..).zip(&leaves) {
            let read = History::new(&kv).edge(size).unwrap();
            assert_eq!(read, edge, "at {size}");
            assert!(read.is_shaped());
            edge.append(&[*leaf], &mut Batch::default());
        }
        edge.size += 1;
        assert!(!edge.is_shaped());
    }

    #[test]
    fn crossing_two_tile_levels_keeps_the_root() {
        let (kv, edge, leaves) = grown(66_000, 5_000);
        assert_eq!(edge.root(), defined(&leaves));
        assert_eq!(History::new(&kv).root(66_000).unwrap(), defined(&leaves));
        let path = History::new(&kv).inclusion(65_999, 66_000).unwrap().unwrap();
        assert!(verify_inclusion(&edge.root(), &65_999_u64.to_le_bytes(), 65_999, 66_000, &path));
    }

    #[test]
    fn every_inclusion_and_consistency_proof_holds_and_a_changed_one_does_not() {
        let count = 70;
        let (kv, _, leaves) = grown(count, 3);
        let history = History::new(&kv);
        for size in 1..=count {
            let root = defined(&leaves[..size as usize]);
            for index in 0..size {
                let path = history.inclusion(index, size).unwrap().unwrap();
                assert!(verify_inclusion(&root, &index.to_le_bytes(), index, size, &path));
                assert!(!verify_inclusion(&root, &(index + 1).to_le_bytes(), index, size, &path));
            }
            for old in 1..=size {
                let proof = history.consistency(old, size).unwrap().unwrap();
                let old_root = defined(&leaves[..old as usize]);
                assert!(verify_consistency(old, size, &old_root, &root, &proof), "{old} {size}");
                assert!(!verify_consistency(old, size, &Hash::ZERO, &root, &proof));
                if old < size {
                    assert!(!verify_consistency(old, size, &old_root, &old_root, &proof));
                }
                for at in 0..proof.len() {
                    let mut bad = proof.clone();
                    bad[at].0[0] ^= 1;
                    assert!(!verify_consistency(old, size, &old_root, &root, &bad));
                }
            }
        }
    }
}
