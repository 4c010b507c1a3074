"""13, 14 The history tree, the interval tree and the receipts root."""

from functools import lru_cache

from borsh import borsh
from hashes import keccak_256, sha256
from words import ZERO


def history_leaf(canonical):
    """13.1 leaf."""
    return sha256(b"\0" + canonical)


@lru_cache(maxsize=None)
def history_node(left, right):
    """13.1 node."""
    return sha256(b"\1" + left + right)


def interval_leaf(hash_):
    """14.1 leaf."""
    return keccak_256(b"\0" + hash_)


def interval_node(left, right):
    """14.1 node."""
    return keccak_256(b"\1" + left + right)


def split(n):
    """13.2 The largest power of two below n."""
    return 1 << (n - 1).bit_length() - 1


def tree_root(leaves, node):
    """13.2 The root of one leaf or more."""
    if len(leaves) == 1:
        return leaves[0]
    k = split(len(leaves))
    return node(tree_root(leaves[:k], node), tree_root(leaves[k:], node))


def history_root(leaves):
    """13.2 The root of the history tree."""
    return tree_root(leaves, history_node) if leaves else sha256(b"")


def interval_root(leaves):
    """14.2 The root of the interval tree."""
    return tree_root(leaves, interval_node) if leaves else ZERO


def inclusion_path(leaves, index, node):
    """13.3 The proof for a leaf, from below."""
    if len(leaves) == 1:
        return []
    k = split(len(leaves))
    if index < k:
        return inclusion_path(leaves[:k], index, node) + [tree_root(leaves[k:], node)]
    return inclusion_path(leaves[k:], index - k, node) + [tree_root(leaves[:k], node)]


def inclusion_holds(leaf, index, count, path, root, node):
    """13.3 Verification of an inclusion."""
    if index >= count:
        return False
    h, a, last, rest = leaf, index, count - 1, list(path)
    while last > 0:
        if a % 2 == 1 or a < last:
            if not rest:
                return False
            p = rest.pop(0)
            h = node(p, h) if a % 2 == 1 else node(h, p)
        a, last = a // 2, last // 2
    return not rest and h == root


def consistency_proof(leaves, old, whole=True):
    """13.4 The proof of RFC 9162, 2.1.4.1 that these leaves continue the first `old` of them."""
    if old == len(leaves):
        return [] if whole else [history_root(leaves)]
    k = split(len(leaves))
    if old <= k:
        return consistency_proof(leaves[:k], old, whole) + [history_root(leaves[k:])]
    return consistency_proof(leaves[k:], old - k, False) + [history_root(leaves[:k])]


def consistency_holds(old, old_root, size, root, proof):
    """13.4 Verification of a consistency."""
    if not 0 < old <= size:
        return False
    if old == size:
        return not proof and old_root == root
    f, s, rest = old - 1, size - 1, list(proof)
    while f % 2 == 1:
        f, s = f // 2, s // 2
    if old & (old - 1) == 0:
        rest.insert(0, old_root)
    if not rest:
        return False
    g = h = rest.pop(0)
    for c in rest:
        if s == 0:
            return False
        if f % 2 == 1 or f == s:
            g, h = history_node(c, g), history_node(c, h)
            while f % 2 == 0 and f != 0:
                f, s = f // 2, s // 2
        else:
            h = history_node(h, c)
        f, s = f // 2, s // 2
    return s == 0 and g == old_root and h == root


def tile_levels(leaves):
    """13.5 The hashes of each level of the tiles, as far as there are any."""
    levels = []
    while leaves:
        levels.append(leaves)
        full = len(leaves) // 256
        leaves = [history_root(leaves[256 * n:256 * n + 256]) for n in range(full)]
    return levels


def tiles(leaves):
    """13.5 The tiles: (level, number, bytes), ascending."""
    return [(level, n // 256, b"".join(hashes[n:n + 256]))
            for level, hashes in enumerate(tile_levels(leaves)) for n in range(0, len(hashes), 256)]


def edge(leaves):
    """13.6 The edge."""
    rest = [hashes[len(hashes) - len(hashes) % 256:] for hashes in tile_levels(leaves)]
    return borsh("Edge", {"size": len(leaves), "tiles": rest})


def edge_counts(size):
    """13.6 How many hashes each element of `tiles` has in the edge of a tree of this size."""
    counts = []
    while size > 0:
        counts.append(size % 256)
        size //= 256
    return counts


def edge_root(edge_):
    """13.7 The root of an edge."""
    root = None
    for hashes in edge_["tiles"]:
        rest = list(hashes)
        while rest:
            run = len(rest) & -len(rest)
            part = tree_root(rest[-run:], history_node)
            root = part if root is None else history_node(part, root)
            del rest[-run:]
    return history_root([]) if root is None else root
