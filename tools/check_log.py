#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Events of the log are literals whose first part is a row of LOG_MODULES, and docs/logs.md has all of them."""

import re

from csource import ROOT, blank, files, relative, report

CALL = re.compile(r'\bLOG_(?:ERROR|WARN|INFO|DEBUG|AT)\(\s*(?:[^",()]+,\s*)?("?)([^",)]*)')
MODULE = re.compile(r'^    X\(\w+, "(\w+)"\)', re.MULTILINE)
NAME = re.compile(r"[a-z]+\.[a-z_]+")
HOME = "src/base/log.h"


def problems_of(path, modules, documented):
    text = blank(path.read_text(), keep_strings=True)
    for match in CALL.finditer(text):
        where = f"{relative(path)}:{text.count(chr(10), 0, match.start()) + 1}"
        event = match.group(2)
        if not match.group(1) or not NAME.fullmatch(event):
            yield f'{where}: an event is a literal like "run.end", not {event}'
        elif event.split(".")[0] not in modules:
            yield f"{where}: {event.split('.')[0]} is no row of LOG_MODULES ({HOME})"
        elif f"`{event}`" not in documented:
            yield f"{where}: docs/logs.md does not say what {event} is"


def main():
    modules = set(MODULE.findall((ROOT / HOME).read_text()))
    documented = (ROOT / "docs/logs.md").read_text()
    sources = [path for path in files("src") if relative(path) != HOME]
    report([problem for path in sources for problem in problems_of(path, modules, documented)])


if __name__ == "__main__":
    main()
