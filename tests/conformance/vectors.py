"""19 The vectors: reading them, and telling what was not re-derived."""

import json

from borsh import borsh, from_borsh
from json_forms import from_json, to_json
from words import Refused, from_hex, require


class Book:
    """What was checked in one vector file, and what was not as it should be."""

    def __init__(self, file):
        self.file, self.seen, self.count, self.failures = file, set(), 0, []

    def fail(self, path, expected, found):
        self.failures.append(f"{self.file} {path_text(path)}\n"
                             f"  expected: {short(expected)}\n  found:    {short(found)}")

    def unchecked(self, value, path=()):
        """Reports each value that was neither compared nor used."""
        if path in self.seen:
            return
        children = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
        children = list(children)
        for key, child in children:
            self.unchecked(child, path + (key,))
        if not children:
            self.fail(path, value, "nothing: the script does not know this field")


def path_text(path):
    return "$" + "".join(f"[{key}]" if isinstance(key, int) else f".{key}" for key in path)


def short(value):
    text = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
    return text if len(text) <= 400 else text[:400] + f"… ({len(text)} characters)"


def plain(value):
    """A derived value as the vectors write it: byte strings in hex."""
    if isinstance(value, bytes):
        return value.hex()
    if isinstance(value, (list, tuple)):
        return [plain(x) for x in value]
    return {key: plain(x) for key, x in value.items()} if isinstance(value, dict) else value


def has_member_twice(value):
    if isinstance(value, dict) and value.twice:
        return True
    children = value.values() if isinstance(value, dict) else value if isinstance(value, list) else ()
    return any(map(has_member_twice, children))


def same(a, b):
    if isinstance(a, dict) and isinstance(b, dict):
        return a.keys() == b.keys() and all(same(a[key], b[key]) for key in a)
    if isinstance(a, list) and isinstance(b, list):
        return len(a) == len(b) and all(map(same, a, b))
    return type(a) is type(b) and a == b


def leaves_in(value):
    if not isinstance(value, (dict, list)) or not value:
        return 1
    return sum(leaves_in(x) for x in (value.values() if isinstance(value, dict) else value))


class Vector:
    """A value in a vector file. What is neither used nor compared is reported at the end."""

    def __init__(self, value, book, path=()):
        self.value, self.book, self.path = value, book, path

    def __getitem__(self, key):
        known = isinstance(self.value, dict) and key in self.value or \
            isinstance(self.value, list) and isinstance(key, int) and key < len(self.value)
        require(known, f"{path_text(self.path + (key,))} is missing")
        return Vector(self.value[key], self.book, self.path + (key,))

    def __contains__(self, key):
        return key in self.value

    def __len__(self):
        return len(self.value)

    def __iter__(self):
        require(isinstance(self.value, list), f"{path_text(self.path)} is no list")
        if not self.value:
            self.use()
        return (self[i] for i in range(len(self.value)))

    def use(self):
        """The value, as an input of a derivation."""
        self.book.seen.add(self.path)
        return self.value

    def label(self):
        """A text for the reader."""
        require(isinstance(self.use(), str), f"{path_text(self.path)} is no text")
        return self.value

    def hex(self):
        return from_hex(self.use())

    def typed(self, t):
        """4.1 The value of this JSON form, as an input. It is written so, and Borsh decodes to the same value (2.8)."""
        value = from_json(t, self.use())
        self.holds(same(to_json(t, value), self.value), "this is the form in which the value is written")
        self.holds(from_borsh(t, borsh(t, value)) == value, "Borsh decodes to the value that was encoded")
        return value

    def check(self, found):
        """Compares the vector with the derived value."""
        found = plain(found)
        self.book.seen.add(self.path)
        self.book.count += leaves_in(self.value)
        if not same(self.value, found):
            self.difference(self.value, found, self.path)

    def difference(self, expected, found, path):
        """Reports the innermost values that differ."""
        if isinstance(expected, dict) and isinstance(found, dict) and expected.keys() == found.keys():
            pairs = [(key, expected[key], found[key]) for key in expected]
        elif isinstance(expected, list) and isinstance(found, list) and len(expected) == len(found):
            pairs = [(i, *both) for i, both in enumerate(zip(expected, found))]
        else:
            return self.book.fail(path, expected, found)
        for key, a, b in pairs:
            if not same(a, b):
                self.difference(a, b, path + (key,))

    def holds(self, condition, what):
        """A statement about this value that must be true."""
        self.book.count += 1
        if not condition:
            self.book.fail(self.path, what, "it is not so")


def is_refused(read, data):
    try:
        read(data)
    except Refused:
        return True
    return False
