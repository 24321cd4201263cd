#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Random and broken documents, read by base/json.c and by Python's json made strict: both must
accept the same ones and see the same values. `meson test` runs it for some seconds; by hand, for longer:
json_differential.py build-asan/tests/fuzz/json_differential.so COUNT SEED."""

import ctypes
import json
import math
import random
import sys


class Str(ctypes.Structure):
    _fields_ = [("p", ctypes.c_void_p), ("n", ctypes.c_size_t)]

    def bytes(self):
        return ctypes.string_at(self.p, self.n) if self.p else b""


class Node(ctypes.Structure):
    pass


Node._fields_ = [
    ("type", ctypes.c_int),
    ("truth", ctypes.c_bool),
    ("count", ctypes.c_uint32),
    ("number", ctypes.c_int64),
    ("real", ctypes.c_double),
    ("text", Str),
    ("key", Str),
    ("raw", Str),
    ("first", ctypes.POINTER(Node)),
    ("next", ctypes.POINTER(Node)),
]


def value(node):
    """With the types kept apart, since to Python 1 == 1.0 == True."""
    members, m = [], node.first
    while m:
        v = value(m.contents)
        members.append((m.contents.key.bytes().decode(), v) if node.type == 6 else v)
        m = m.contents.next
    assert len(members) == node.count
    return [
        None,
        ("bool", node.truth),
        ("int", node.number),
        ("real", node.real),
        ("str", node.text.bytes().decode()),
        ("array", members),
        ("object", members),
    ][node.type]


def tagged(v):
    if isinstance(v, dict):
        return ("object", [(k, tagged(m)) for k, m in v.items()])
    if isinstance(v, list):
        return ("array", [tagged(m) for m in v])
    if isinstance(v, str):
        v.encode()  # a lone surrogate raises
        return ("str", v)
    if v is None:
        return None
    return ({bool: "bool", int: "int", float: "real"}[type(v)], v)


def load_strictly(text):
    def members(pairs):
        names = [name for name, _ in pairs]
        if len(set(names)) < len(names) or any("\0" in name for name in names):
            raise ValueError("names")
        for name in names:
            name.encode()
        return dict(pairs)

    def integer(s):
        if not -(2**63) <= int(s) < 2**63:
            raise ValueError("integer")
        return int(s)

    def real(s):
        if math.isinf(float(s)):
            raise ValueError("real")
        return float(s)

    def constant(s):
        raise ValueError(s)

    return tagged(
        json.loads(
            text.decode(), object_pairs_hook=members, parse_int=integer, parse_float=real, parse_constant=constant
        )
    )


def document(rnd, depth=0):
    kind = rnd.randrange(10 if depth < 5 else 7)
    if kind == 0:
        return rnd.choice(["null", "true", "false"])
    if kind in (1, 2):
        return rnd.choice(
            [
                "0",
                "-0",
                "1",
                "-17",
                "9223372036854775807",
                "9223372036854775808",
                "-9223372036854775808",
                "-9223372036854775809",
                str(rnd.getrandbits(rnd.randrange(1, 80))),
            ]
        )
    if kind == 3:
        return rnd.choice(
            [
                "1e5",
                "0.1",
                "-1E-7",
                "1e999",
                "1e-999",
                "2.5e+3",
                "-0.0",
                repr(rnd.uniform(-1e9, 1e9)),
                repr(rnd.random() * 10.0 ** rnd.randrange(-300, 300)),
            ]
        )
    if kind < 7:
        return string(rnd)

    def blank():
        return rnd.choice(["", "", "", " ", "\n\t", "\r"])

    if kind == 7:
        members = [blank() + document(rnd, depth + 1) + blank() for _ in range(rnd.randrange(5))]
        return "[" + ",".join(members) + "]"
    count = rnd.choice([0, 1, 2, 3, 12])
    return "{" + ",".join(f"{blank()}{string(rnd)}{blank()}:{document(rnd, depth + 1)}" for _ in range(count)) + "}"


def string(rnd):
    pieces = ["a", "b", "key", "é", "😀", "\u2028", "\x7f", "\\n", '\\"', "\\/", "\\u00e9", "\\ud83d\\ude00", "\\\\u"]
    if rnd.randrange(8) == 0:
        pieces += ["\\u0000", "\\ud800", "\\uDC00", "\\ud800\\u0041"]
    return '"' + "".join(rnd.choice(pieces) for _ in range(rnd.randrange(4))) + str(rnd.randrange(100)) + '"'


def mutate(rnd, text):
    text = bytearray(text)
    for _ in range(rnd.choice([0, 0, 1, 1, 2, 4])):
        at = rnd.randrange(len(text) + 1)
        what = rnd.randrange(4)
        if what == 0:
            del text[at : at + rnd.randrange(1, 4)]
        elif what == 1:
            text[at:at] = rnd.choice(
                [
                    b",",
                    b":",
                    b"[",
                    b"]",
                    b"{",
                    b"}",
                    b'"',
                    b"'",
                    b"0",
                    b".",
                    b"-",
                    b"+",
                    b"e",
                    b"NaN",
                    b"Infinity",
                    b"/**/",
                    b"//",
                    b"\t",
                    b"\v",
                    b"\f",
                    b"\0",
                    b"\xc0\xaf",
                    b"\xed\xa0\x80",
                    b"\xf4\x90\x80\x80",
                    b"\xef\xbb\xbf",
                    b"\\",
                    b"\\u",
                    b"true",
                    b" ",
                ]
            )
        elif what == 2 and at < len(text):
            text[at] = rnd.randrange(256)
        else:
            text[at:at] = text[at // 2 : at]
    return bytes(text)


def main():
    culm = ctypes.CDLL(sys.argv[1])
    count = int(sys.argv[2])
    rnd = random.Random(int(sys.argv[3]))
    culm.json_parse.argtypes = [ctypes.c_void_p, Str, ctypes.c_void_p, ctypes.c_void_p]
    accepted = 0
    for _ in range(count):
        text = mutate(rnd, document(rnd).encode())
        try:
            expected, refusal = load_strictly(text), None
        except (ValueError, RecursionError) as e:
            expected, refusal = None, e
        memory = ctypes.create_string_buffer(text, max(len(text), 1))
        arena = ctypes.create_string_buffer(4096)  # a struct arena, with room to spare
        root, err = ctypes.POINTER(Node)(), ctypes.create_string_buffer(512)
        culm.arena_init(arena)
        rc = culm.json_parse(arena, Str(ctypes.addressof(memory), len(text)), ctypes.byref(root), err)
        assert (rc == 0) == (refusal is None), (text, rc, err.raw[8:].split(b"\0")[0], refusal)
        if rc == 0:
            assert repr(value(root.contents)) == repr(expected), (text, value(root.contents), expected)
            accepted += 1
        culm.arena_done(arena)
    print(f"{count} documents, {accepted} accepted, no difference")


main()
