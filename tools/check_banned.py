#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Functions nobody calls in src/: each has a better one, named here."""

import re

from csource import blank, files, relative, report

BANNED = {
    "strcpy": "struct buf", "strcat": "struct buf", "sprintf": "buf_printf or snprintf", "vsprintf": "vsnprintf",
    "strncpy": "struct str", "strncat": "struct buf",
    "strtok": "str_split", "gets": "read", "atoi": "a parser that sees errors", "atol": "a parser that sees errors",
    "atof": "a parser that sees errors", "system": "net/process", "popen": "net/process",
    "alloca": "an arena", "localtime": "localtime_r", "gmtime": "gmtime_r", "asctime": "strftime", "ctime": "strftime",
    "rand": "id_random", "srand": "id_random", "random": "id_random", "tmpnam": "mkstemp", "mktemp": "mkstemp",
}  # fmt: skip
ALLOCATION = dict.fromkeys(("malloc", "calloc", "realloc", "reallocarray", "free", "strdup", "strndup"), "base/mem.h")
ALLOCATION_HOME = "src/base/mem.c"


def problems_of(path):
    name = relative(path)
    banned = BANNED if name == ALLOCATION_HOME else BANNED | ALLOCATION
    call = re.compile(r"(?<![\w.>])(" + "|".join(banned) + r")\s*\(")
    for number, line in enumerate(blank(path.read_text()).split("\n"), 1):
        for match in call.finditer(line):
            yield f"{name}:{number}: {match.group(1)}() is banned, use {banned[match.group(1)]}"


def main():
    report([problem for path in files("src") for problem in problems_of(path)])


if __name__ == "__main__":
    main()
