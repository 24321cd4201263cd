#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""An arrow may only point down: every #include in src/ against the table of layers."""

import re

from csource import ROOT, blank, files, relative, report

ALLOWED = {
    "base": set(),
    "session": {"base"},
    "net": {"base"},
    "run": {"session", "base"},
    "store": {"session", "base"},
    "model": {"net", "session", "base"},
    "tool": {"net", "session", "base"},
    "engine": {"store", "run", "session", "base"},
    "face": {"engine", "session", "net", "base"},
    "toolbox": {"base", "net"},
    "app": {"face", "engine", "run", "model", "tool", "store", "session", "net", "base", "toolbox"},
}

# Foreign headers that belong to one place: (what is included, where it may be).
FOREIGN = [
    (re.compile(r"(event2?/|event\.h|evhttp\.h|evutil\.h)"), re.compile(r"src/net/")),
    (re.compile(r"curl/"), re.compile(r"src/net/curl_library\.h$")),
    (re.compile(r"sqlite3"), re.compile(r"src/store/sqlite/")),
    (re.compile(r"yajl/"), re.compile(r"src/base/json\.c$")),
    (re.compile(r"cmocka"), re.compile(r"tests/")),
]

INCLUDE = re.compile(r"^[ \t]*#[ \t]*include[ \t]+([<\"])([^>\"]+)[>\"]", re.MULTILINE)


def quoted_problem(where, layer, target):
    if not (ROOT / "src" / target).is_file():
        return f'{where}: "{target}" is not a file of src/ (name it from there)'
    other = target.split("/")[0]
    if other != layer and other not in ALLOWED[layer]:
        return f"{where}: {layer} may not know {other} ({target})"
    return None


def foreign_problem(where, path, target):
    for header, home in FOREIGN:
        if header.match(target) and not home.match(path):
            return f"{where}: <{target}> has its one place elsewhere ({home.pattern})"
    return None


def problems_of(path):
    name = relative(path)
    layer = name.split("/")[1]
    text = blank(path.read_text(), keep_strings=True)
    for match in INCLUDE.finditer(text):
        where = f"{name}:{text.count(chr(10), 0, match.start()) + 1}"
        if match.group(1) == '"':
            problem = quoted_problem(where, layer, match.group(2))
        else:
            problem = foreign_problem(where, name, match.group(2))
        if problem:
            yield problem


def main():
    problems = []
    for entry in sorted((ROOT / "src").iterdir()):
        if entry.is_dir() and entry.name not in ALLOWED:
            problems.append(f"src/{entry.name}: not a layer")
        if entry.is_file() and entry.suffix in (".c", ".h"):
            problems.append(f"src/{entry.name}: source outside of a layer")
    for path in files("src"):
        if relative(path).split("/")[1] in ALLOWED:
            problems.extend(problems_of(path))
    report(problems)


if __name__ == "__main__":
    main()
