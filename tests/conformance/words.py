"""1 Words: what the other modules share."""

import re

ZERO = bytes(32)
U64_MAX = 2**64 - 1


class Refused(ValueError):
    """Something is not of the form that the text asks for."""


def require(condition, why):
    if not condition:
        raise Refused(why)


NAME = re.compile(r"[a-z0-9][a-z0-9._-]{0,63}")
DECIMAL = re.compile(r"0|[1-9][0-9]*")
HEX = re.compile(r"(?:[0-9a-f]{2})*")


def from_hex(j, length=None):
    require(isinstance(j, str) and HEX.fullmatch(j), "lower-case hex expected")
    data = bytes.fromhex(j)
    require(length in (None, len(data)), f"{length} bytes expected")
    return data
