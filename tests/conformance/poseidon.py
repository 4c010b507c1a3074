"""16.4 Poseidon over the scalar field of BN254."""

from functools import lru_cache

# 16.4 The field's modulus, and the number of partial rounds for 1, 2, … 16 inputs.
R = 21888242871839275222246405745257275088548364400416034343698204186575808495617
PARTIAL_ROUNDS = [56, 57, 56, 60, 60, 63, 64, 63, 60, 66, 60, 65, 70, 60, 64, 68]
FULL_ROUNDS = 8


def grain(width, partial):
    """The bits of the Grain shift register: of each pair the second counts if the first is set."""
    fields = [(1, 2), (0, 4), (254, 12), (width, 12), (FULL_ROUNDS, 10), (partial, 10), (2**30 - 1, 30)]
    state = [value >> bit & 1 for value, bits in fields for bit in reversed(range(bits))]

    def step():
        new = state[62] ^ state[51] ^ state[38] ^ state[23] ^ state[13] ^ state[0]
        state.append(new)
        del state[0]
        return new

    for _ in range(160):
        step()
    while True:
        first, second = step(), step()
        if first:
            yield second


def integers(bits):
    """Integers of 254 bits, the highest bit first."""
    while True:
        value = 0
        for _ in range(254):
            value = value << 1 | next(bits)
        yield value


@lru_cache(maxsize=None)
def constants(width):
    """Round constants and matrix of a permutation of that many lanes."""
    partial = PARTIAL_ROUNDS[width - 2]
    numbers = integers(grain(width, partial))
    below = (n for n in numbers if n < R)
    rounds = [[next(below) for _ in range(width)] for _ in range(FULL_ROUNDS + partial)]
    while True:
        drawn = [next(numbers) % R for _ in range(2 * width)]
        if len(set(drawn)) == len(drawn):
            x, y = drawn[:width], drawn[width:]
            return rounds, [[pow(a + b, -1, R) for b in y] for a in x]


def poseidon(*inputs):
    """Poseidon of 1 to 16 inputs."""
    state = [0, *inputs]
    rounds, matrix = constants(len(state))
    partial = range(FULL_ROUNDS // 2, len(rounds) - FULL_ROUNDS // 2)
    for i, added in enumerate(rounds):
        state = [(lane + constant) % R for lane, constant in zip(state, added)]
        state = [pow(lane, 5, R) if at == 0 or i not in partial else lane for at, lane in enumerate(state)]
        state = [sum(m * lane for m, lane in zip(row, state)) % R for row in matrix]
    return state[0]


def tag(text, count=0):
    """16.4 A tag with its count."""
    return int.from_bytes(text.encode(), "big") * 2**32 + count


def poseidon_list(text, count, elements):
    """16.4 Poseidon over a list."""
    while len(elements) >= 16:
        elements = [poseidon(*elements[at:at + 16]) for at in range(0, len(elements), 16)]
    return poseidon(tag(text, count), *elements)


def element(data):
    """16.4 32 bytes as an element."""
    return int.from_bytes(data, "big") % R


def word(x):
    """16.4 An element as 32 bytes."""
    return x.to_bytes(32, "big")
