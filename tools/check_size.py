#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""A file is one idea and a function fits a screen.

Tests are held to the length of files alone. A function may be longer where a comment `/* size: why */` stands right
before it; a file where such a comment stands in its first ten lines.
"""

import re

from csource import blank, files, relative, report

FILE_LINES = {".c": 800, ".h": 250}
FUNCTION_LINES = 60
EXCEPTION = re.compile(r"/\*\s*size: .+\*/")
NAME = re.compile(r"([A-Za-z_]\w*)\s*\(")


def functions(text):
    """(name, first line, last line) of each function: a body is a `{` in column 0 that follows a `)` at depth 0."""
    lines = blank(text).split("\n")
    head = 0  # where the declaration at hand begins
    begin = None
    for number, line in enumerate(lines):
        if begin is None and line.startswith("{") and is_function_head(lines[head:number]):
            begin = number
        elif line.startswith("}"):
            if begin is not None:
                yield function_name(lines[head:begin]), head, number
            begin = None
            head = number + 1
        elif begin is None and (is_between(line) or (head == number and not line.strip())):
            head = number + 1


def is_between(line):
    """A line that ends a declaration or is the preprocessor's: what follows begins anew."""
    return line.startswith("#") or line.rstrip().endswith(";")


def is_function_head(lines):
    return bool(lines) and " ".join(lines).rstrip().endswith(")")


def function_name(lines):
    match = NAME.search(" ".join(lines))
    return match.group(1) if match else "?"


def problems_of(path):
    text = path.read_text()
    lines = text.split("\n")
    limit = FILE_LINES[path.suffix]
    if text.count("\n") > limit and not EXCEPTION.search("\n".join(lines[:10])):
        yield f"{relative(path)}: {text.count(chr(10))} lines, {limit} allowed"
    if relative(path).startswith("tests/"):
        return
    for name, first, last in functions(text):
        length = last - first + 1
        before = "\n".join(lines[max(0, first - 4) : first + 1])
        if length > FUNCTION_LINES and not EXCEPTION.search(before):
            yield f"{relative(path)}:{first + 1}: {name} has {length} lines, {FUNCTION_LINES} allowed"


def main():
    report([problem for path in files("src", "tests", "bench") for problem in problems_of(path)])


if __name__ == "__main__":
    main()
