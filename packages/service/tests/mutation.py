"""Damaged input, from real input: bytes with a few changes, and JSON values that nobody expects."""

import copy
import random

#: What an input has at most.
MOST_BYTES = 60_000

WORDS = [
    *(b'"', b'""', b"\\", b"\\u0000", b"\\ud83d", b"\\ude00", b"\xef\xbb\xbf", b"\xff", b"\xf0\x9f\x98\x80", b"\0"),
    *(b"\n", b"\r\n", b"\r", b",", b";", b"\t", b"|", b"{", b"}", b"[", b"]", b":", b"null", b"true", b"NaN"),
    *(b"1e999", b"-0", b"9007199254740993", b"1" * 5000, b'{"text": "', b'"id": ', b'"_id": '),
    *(b"[" * 990, b'{"a":' * 985, b"Infinity"),
    *(b"\x1f\x8b", b"PAR1", b"PK\x03\x04", b"text,id\n", b"\xe2\x80\xa8"),
]  # fmt: skip
ODD = [None, True, 0, -1, 1e999, 2**63, "", "\ud83d", "\0", "../..", [], {}, [[]], {"": {}}, "x" * 5_000]


def damaged(rng: random.Random, data: bytes, others: list[bytes]) -> bytes:
    """The bytes with a few changes: of a bit, a cut, a word, a repetition, or a piece of another input."""
    made = bytearray(data)
    for _ in range(rng.choice((0, 1, 1, 2, 3, 6))):
        at = rng.randint(0, len(made))
        size = rng.choice((1, 2, 8, 60))
        kind = rng.randrange(7)
        if kind == 0 and at < len(made):
            made[at] ^= 1 << rng.randrange(8)
        elif kind == 1:
            del made[at : at + size]
        elif kind == 2:
            made[at:at] = rng.choice(WORDS)
        elif kind == 3:
            made[at : at + size] = rng.choice(WORDS)
        elif kind == 4:
            made[at:at] = made[at : at + size] * rng.choice((1, 2, 50, 1_000))
        elif kind == 5:
            other = rng.choice(others)
            begin = rng.randint(0, len(other))
            made[at : at + size] = other[begin : begin + rng.choice((1, 20, 300))]
        else:
            del made[at:]
    return bytes(made[:MOST_BYTES])


def changed(rng: random.Random, value: object) -> object:
    """A JSON value with one of its values, or names, as nobody expects it."""
    if isinstance(value, dict) and value and rng.random() < 0.85:
        name = rng.choice(list(value))
        if rng.random() < 0.2:
            return {**value, rng.choice(["", "text", "texts", "a\nb", "\ud83d", name.upper()]): value[name]}
        return {**value, name: changed(rng, value[name])}
    if isinstance(value, list) and value and rng.random() < 0.85:
        at = rng.randrange(len(value))
        return [*value[:at], changed(rng, value[at]), *value[at + 1 :]]
    if isinstance(value, str) and rng.random() < 0.6:
        return damaged(rng, value.encode(errors="surrogatepass"), [b"x"]).decode(errors="surrogateescape")
    return copy.deepcopy(rng.choice(ODD))
