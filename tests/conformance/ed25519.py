"""3.3, 3.4 Signatures under a tag, verified by the rules of ZIP-215."""

import hashlib
from functools import lru_cache

from hashes import tagged_bytes

P = 2**255 - 19
L = 2**252 + 27742317777372353535851937790883648493
D = -121665 * pow(121666, -1, P) % P
ROOT_OF_MINUS_ONE = pow(2, (P - 1) // 4, P)
IDENTITY = (0, 1, 1, 0)


def point_add(p, q):
    """The complete addition of the curve -x² + y² = 1 + d·x²·y² (RFC 8032, 5.1.4); points are (X, Y, Z, T)."""
    a = (p[1] - p[0]) * (q[1] - q[0]) % P
    b = (p[1] + p[0]) * (q[1] + q[0]) % P
    c = 2 * p[3] * q[3] * D % P
    d = 2 * p[2] * q[2] % P
    e, f, g, h = b - a, d - c, d + c, b + a
    return e * f % P, g * h % P, f * g % P, e * h % P


def point_negate(p):
    return -p[0] % P, p[1], p[2], -p[3] % P


def point_sum(terms):
    """The sum of [n]Q over the pairs (n, Q) of terms."""
    result = IDENTITY
    for bit in range(max(n.bit_length() for n, _ in terms) - 1, -1, -1):
        result = point_add(result, result)
        for n, q in terms:
            if n >> bit & 1:
                result = point_add(result, q)
    return result


@lru_cache(maxsize=None)
def point_decode(data):
    """3.4 (1) The point of 32 bytes, or None. y may be p or more; the sign of x = 0 is ignored."""
    number = int.from_bytes(data, "little")
    y, sign = number % 2**255 % P, number >> 255
    u, v = (y * y - 1) % P, (D * y * y + 1) % P
    x = u * pow(v, 3, P) * pow(u * pow(v, 7, P), (P - 5) // 8, P) % P
    if (v * x * x + u) % P == 0:
        x = x * ROOT_OF_MINUS_ONE % P
    if (v * x * x - u) % P != 0:
        return None
    if x % 2 != sign:
        x = -x % P
    return x, y, 1, x * y % P


def point_encode(p):
    z = pow(p[2], -1, P)
    x, y = p[0] * z % P, p[1] * z % P
    return (y | (x & 1) << 255).to_bytes(32, "little")


BASE = point_decode((4 * pow(5, -1, P) % P).to_bytes(32, "little"))


def sha512_number(data):
    return int.from_bytes(hashlib.sha512(data).digest(), "little")


def secret_scalar(seed):
    """3.3 RFC 8032, 5.1.5: the scalar and the prefix of a seed."""
    h = hashlib.sha512(seed).digest()
    return int.from_bytes(h[:32], "little") & (2**254 - 8) | 2**254, h[32:]


def public_key(seed):
    """3.3 The key of a seed."""
    return point_encode(point_sum([(secret_scalar(seed)[0], BASE)]))


@lru_cache(maxsize=None)
def sign(tag, body, seed):
    """3.3 The signature under a tag."""
    message, (a, prefix) = tagged_bytes(tag, body), secret_scalar(seed)
    r = sha512_number(prefix + message) % L
    head = point_encode(point_sum([(r, BASE)]))
    k = sha512_number(head + public_key(seed) + message) % L
    return head + ((r + k * a) % L).to_bytes(32, "little")


@lru_cache(maxsize=None)
def signature_holds(tag, body, key, signature):
    """3.4 Verification by the rules of ZIP-215."""
    a, r = point_decode(key), point_decode(signature[:32])
    s = int.from_bytes(signature[32:], "little")
    if a is None or r is None or s >= L:
        return False
    k = sha512_number(signature[:32] + key + tagged_bytes(tag, body)) % (8 * L)
    rest = point_add(point_sum([(s, BASE), (k, point_negate(a))]), point_negate(r))
    x, y, z, _ = point_sum([(8, rest)])
    return x == 0 and y == z
