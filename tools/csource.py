# SPDX-License-Identifier: MIT
"""What the checks share: the C files of the project, and their text without comments and strings."""

import re
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent

_TOKEN = re.compile(
    r"//[^\n]*|/\*.*?\*/|\"(?:\\.|[^\"\\\n])*\"|'(?:\\.|[^'\\\n])*'",
    re.DOTALL,
)


def files(*folders, suffixes=(".c", ".h")):
    for folder in folders:
        yield from sorted(p for p in (ROOT / folder).rglob("*") if p.suffix in suffixes)


def relative(path):
    return path.relative_to(ROOT).as_posix()


def blank(text, keep_strings=False):
    """The same text, comments and strings turned into blanks, lines kept."""

    def replace(match):
        token = match.group()
        if keep_strings and token[0] in "\"'":
            return token
        return re.sub(r"[^\n]", " ", token)

    return _TOKEN.sub(replace, text)


def report(problems):
    for problem in problems:
        print(problem)
    sys.exit(1 if problems else 0)
