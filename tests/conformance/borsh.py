"""2 Borsh."""

from schema import FIXED, INTEGERS, definition, order_of, type_of
from words import NAME, Refused, require


def u32(n):
    return n.to_bytes(4, "little")


def u64(n):
    return n.to_bytes(8, "little")


def ascends_strictly(values):
    return all(order_of(a) < order_of(b) for a, b in zip(values, values[1:]))


def borsh(t, v):
    """2 The Borsh encoding of a value."""
    t = type_of(t) if isinstance(t, str) else t
    name = t[0]
    if name in INTEGERS:
        size, signed = INTEGERS[name]
        return v.to_bytes(size, "little", signed=signed)
    if name == "bool":
        return bytes([v])
    if name in ("string", "name", "bytes"):
        data = v if name == "bytes" else v.encode()
        return u32(len(data)) + data
    if name in FIXED:
        require(len(v) == FIXED[name], f"{name} has {FIXED[name]} bytes")
        return v
    if name == "option":
        return b"\0" if v is None else b"\1" + borsh(t[1], v)
    if name in ("list", "set", "map"):
        require(name == "list" or ascends_strictly(list(v)), "sets and maps ascend strictly")
        parts = [borsh(t[1], k) + borsh(t[2], x) for k, x in v.items()] if name == "map" else \
                [borsh(t[1], x) for x in v]
        return u32(len(parts)) + b"".join(parts)
    if name == "tuple":
        return b"".join(borsh(part, x) for part, x in zip(t[1:], v))
    kind, parts = definition(t)
    if kind == "struct":
        return borsh_fields(parts, v)
    for index, (variant, form, content) in enumerate(parts):
        if variant == v[0]:
            rest = {"none": lambda: b"", "value": lambda: borsh(content, v[1]),
                    "fields": lambda: borsh_fields(content, v[1])}[form]()
            return bytes([index]) + rest
    raise Refused(f"no variant {v[0]} of {name}")


def borsh_fields(fields, v):
    return b"".join(borsh(t, v[field]) for field, t in fields)


class BorshReader:
    """2.8 A decoder that takes exactly one encoding of each value."""

    def __init__(self, data):
        self.data, self.at = data, 0

    def take(self, length):
        require(self.at + length <= len(self.data), "the bytes end before the value")
        self.at += length
        return self.data[self.at - length:self.at]

    def length(self):
        return int.from_bytes(self.take(4), "little")

    def read(self, t):
        name = t[0]
        if name in INTEGERS:
            size, signed = INTEGERS[name]
            return int.from_bytes(self.take(size), "little", signed=signed)
        if name in ("bool", "option"):
            flag = self.take(1)[0]
            require(flag < 2, f"{name} byte {flag}")
            return bool(flag) if name == "bool" else self.read(t[1]) if flag else None
        if name in ("string", "name"):
            text = self.take(self.length()).decode("utf-8")
            require(name == "string" or NAME.fullmatch(text), "no name")
            return text
        if name == "bytes":
            return self.take(self.length())
        if name in FIXED:
            return self.take(FIXED[name])
        if name in ("list", "set"):
            values = [self.read(t[1]) for _ in range(self.length())]
            require(name == "list" or ascends_strictly(values), "a set out of order")
            return values
        if name == "map":
            entries = [(self.read(t[1]), self.read(t[2])) for _ in range(self.length())]
            require(ascends_strictly([k for k, _ in entries]), "a map out of order")
            return dict(entries)
        if name == "tuple":
            return tuple(self.read(part) for part in t[1:])
        kind, parts = definition(t)
        if kind == "struct":
            return self.fields(parts)
        index = self.take(1)[0]
        require(index < len(parts), f"no variant {index} of {name}")
        variant, form, content = parts[index]
        return variant, None if form == "none" else self.read(content) if form == "value" else self.fields(content)

    def fields(self, fields):
        return {field: self.read(t) for field, t in fields}


def from_borsh(t, data):
    """2.8 Decodes, and refuses bytes that go on after the value."""
    reader = BorshReader(data)
    try:
        value = reader.read(type_of(t))
    except UnicodeDecodeError as error:
        raise Refused(str(error)) from None
    require(reader.at == len(data), "bytes go on after the value")
    return value
