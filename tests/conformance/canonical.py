"""10.2, 17.7 (2) JSON that is read and its RFC 8785 form."""

import json
import re

from words import Refused, require


class Members(dict):
    """A JSON object that remembers whether it had a member twice."""
    twice = False


def members_hook(pairs):
    members = Members(pairs)
    members.twice = len(members) != len(pairs)
    return members


def refuse_constant(text):
    raise Refused(f"{text} is no JSON")


def double(text):
    """17.7 (2) A number that is not beyond all doubles."""
    require(abs(float(text)) < float("inf"), "a number beyond all doubles")
    return float(text)


def integer(digits):
    """10.2 A whole number from −2^63 to 2^64 − 1; what is beyond, and -0, counts as no whole one (4.6)."""
    if digits == "-0" or len(digits) > 20 or not -(2**63) <= int(digits) < 2**64:
        return double(digits)
    return int(digits)


def read_json(data):
    """17.7 (2) The JSON value of bytes."""
    try:
        text = data.decode("utf-8")
        depth = 0
        for bracket in re.findall(r"[\[\]{}]", re.sub(r'"[^"\\]*(?:\\.[^"\\]*)*"', "", text)):
            depth += 1 if bracket in "[{" else -1
            require(depth <= 127, "nested too deep")
        value = json.loads(text, object_pairs_hook=members_hook, parse_constant=refuse_constant,
                           parse_int=integer, parse_float=double)
        json.dumps(value, ensure_ascii=False).encode("utf-8")    # refuses half a surrogate pair
        return value
    except UnicodeError as error:
        raise Refused(str(error)) from None
    except json.JSONDecodeError as error:
        raise Refused(str(error)) from None


SHORT_ESCAPES = {'"': '\\"', "\\": "\\\\", "\b": "\\b", "\t": "\\t", "\n": "\\n", "\f": "\\f", "\r": "\\r"}


def canonical_string(s):
    """10.2 A string."""
    return '"' + re.sub(r'["\\\x00-\x1f]', lambda m: SHORT_ESCAPES.get(m[0]) or f"\\u{ord(m[0]):04x}", s) + '"'


def canonical_text(v):
    if v is None or isinstance(v, bool):
        return {None: "null", True: "true", False: "false"}[v]
    if isinstance(v, int):
        return str(v)
    if isinstance(v, str):
        return canonical_string(v)
    if isinstance(v, list):
        return "[" + ",".join(map(canonical_text, v)) + "]"
    require(isinstance(v, dict), "a number that 10.2 gives no form")
    keys = sorted(v, key=str.encode)
    return "{" + ",".join(canonical_string(key) + ":" + canonical_text(v[key]) for key in keys) + "}"


def canonical_bytes(v):
    """10.2 The RFC 8785 form of a JSON value."""
    return canonical_text(v).encode("utf-8")
