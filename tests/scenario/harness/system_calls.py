# SPDX-License-Identifier: MIT
"""What a command does to files, call by call, as strace sees it."""

import os
import re
import shutil
import subprocess
from dataclasses import dataclass

from .environment import TIMEOUT, clean_environment, culm_binary

WATCHED = "openat,write,pwrite64,fsync,fdatasync,rename,link,mkdir"
# process, name, arguments, result; a call that another thread's interrupts is told in two lines
CALL = re.compile(r"^(\d+) +(\w+)\((.*)\) += (-?\d+)")
BEGUN = re.compile(r"^(\d+) +(.*) <unfinished \.\.\.>$")
ENDED = re.compile(r"^(\d+) +<\.\.\. \w+ resumed>(.*)$")
DESCRIPTOR = re.compile(r"^(\d+)<(.*?)>(?:,|$)")
QUOTED = re.compile(r'"([^"]*)"')


@dataclass(frozen=True)
class Call:
    name: str
    path: str  # of the descriptor, where the call has one
    to: str = ""  # the second path of a rename or link
    fd: int = -1
    creates: bool = False

    def __str__(self):
        return f"{self.name} {self.path} {self.to}".rstrip()


def can_trace():
    if shutil.which("strace") is None:
        return False
    return subprocess.run(["strace", "-o", os.devnull, "true"], check=False, capture_output=True).returncode == 0


def whole_lines(text):
    begun = {}
    for line in text.splitlines():
        if first := BEGUN.match(line):
            begun[first[1]] = first[2]
        elif (rest := ENDED.match(line)) and rest[1] in begun:
            yield f"{rest[1]} {begun.pop(rest[1])}{rest[2]}"
        else:
            yield line


def calls_in(text):
    """Those that succeeded, in the order in which they ended."""
    for line in whole_lines(text):
        call = CALL.match(line)
        if call is None or int(call[4]) < 0:
            continue
        name, arguments = call[2], call[3]
        if at := None if name == "openat" else DESCRIPTOR.match(arguments):
            yield Call(name, at[2], fd=int(at[1]))
        else:
            paths = [*QUOTED.findall(arguments), ""]
            yield Call(name, paths[0], paths[1], creates="O_CREAT" in arguments)


def traced(home, *args):
    """Runs `culm args` to its end; what it did."""
    record = home / "strace"
    # A sanitizer that looks for leaks wants to trace the process itself.
    sanitizer = os.environ.get("ASAN_OPTIONS", "") + ":detect_leaks=0"
    done = subprocess.run(
        ["strace", "-f", "-y", "-s", "0", "-e", f"trace={WATCHED}", "-o", record, culm_binary(), *map(str, args)],
        env=clean_environment(home, ASAN_OPTIONS=sanitizer),
        cwd=home,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=TIMEOUT,
        check=False,
    )
    assert done.returncode == 0, f"{done.args}: {done.returncode}\n{done.stdout}\n{done.stderr}"
    return list(calls_in(record.read_text(errors="replace")))
