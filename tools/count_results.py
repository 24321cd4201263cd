#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Adds up what the stages of `./dev test` left in one directory and prints `N passed, N failed`.

checks.txt       a line `pass NAME` or `fail NAME` per step; `cases NAME` where a step failed that reports its cases
*.meson.json     meson's test log; the cases of a cmocka program are counted one by one
*.junit.xml      pytest's report
"""

import json
import re
import sys
import xml.etree.ElementTree as ElementTree
from pathlib import Path

CMOCKA_PASSED = re.compile(r"^\[\s+OK\s+\] (\S+)", re.MULTILINE)
CMOCKA_FAILED = re.compile(r"^\[\s+(?:FAILED|ERROR)\s+\] ([A-Za-z_]\w*)$", re.MULTILINE)


class Tally:
    def __init__(self):
        self.passed = 0
        self.failed = []
        self.skipped = []

    def add(self, name, good):
        if good:
            self.passed += 1
        else:
            self.failed.append(name)


def count_checks(path, tally):
    """The steps that failed and leave it to their reports to say of what."""
    reporting = []
    for line in path.read_text().splitlines():
        verdict, name = line.split(" ", 1)
        if verdict == "cases":
            reporting.append(name)
        else:
            tally.add(name, verdict == "pass")
    return reporting


def count_meson(path, tally):
    for line in path.read_text().splitlines():
        test = json.loads(line)
        output = test.get("stdout", "") + "\n" + test.get("stderr", "")
        good = test["result"] in ("OK", "EXPECTEDFAIL")
        passed = len(CMOCKA_PASSED.findall(output))
        failed = sorted(set(CMOCKA_FAILED.findall(output)))
        for case in failed:
            tally.add(f"{test['name']}: {case}", False)
        if not good and not failed:
            tally.add(f"{test['name']}: {test['result'].lower()}", False)
        tally.passed += passed if passed or not good else 1


def count_junit(path, tally):
    for case in ElementTree.parse(path).iter("testcase"):
        name = f"{case.get('classname')}.{case.get('name')}"
        outcomes = {child.tag for child in case}
        if "skipped" in outcomes:
            tally.skipped.append(f"{name}: {case.find('skipped').get('message')}")
        else:
            tally.add(name, not outcomes & {"failure", "error"})


def main():
    directory = Path(sys.argv[1])
    tally = Tally()
    reporting = count_checks(directory / "checks.txt", tally)
    known = len(tally.failed)
    for path in sorted(directory.glob("*.meson.json")):
        count_meson(path, tally)
    for path in sorted(directory.glob("*.junit.xml")):
        count_junit(path, tally)
    if len(tally.failed) == known:
        for name in reporting:
            tally.add(name, False)
    for name in tally.skipped:
        print(f"skipped: {name}")
    for name in tally.failed:
        print(f"failed: {name}")
    print(f"{tally.passed} passed, {len(tally.failed)} failed")
    return 1 if tally.failed or not tally.passed else 0


if __name__ == "__main__":
    sys.exit(main())
