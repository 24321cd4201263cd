# SPDX-License-Identifier: MIT
"""What a server holds, read from /proc: nothing here disturbs it."""

import os
import re
import threading
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from harness.api import expect
from harness.environment import culm_binary

KIB = 1024
MIB = 1024 * 1024
# What reading /proc gives of a process that goes away: no directory, no threads, or a status without memory.
DYING = (FileNotFoundError, ProcessLookupError, PermissionError, KeyError)


@dataclass(frozen=True)
class Sample:
    rss: int  # bytes of its own memory, without the files it maps
    fds: int
    threads: int
    children: int
    store: int  # bytes of the data directory

    def __str__(self):
        return (
            f"rss {self.rss / MIB:.1f} MiB, {self.fds} fds, {self.threads} threads, {self.children} children, "
            f"store {self.store / MIB:.1f} MiB"
        )


def is_sanitized():
    """Memory of a binary built with sanitizers says nothing: what is freed is kept for a while."""
    return b"__asan_init" in Path(culm_binary()).read_bytes()


def _status(pid):
    text = Path(f"/proc/{pid}/status").read_text()
    return dict(re.findall(r"^(\w+):\s+(\d+)", text, re.MULTILINE))


def _of_tasks(pid, name):
    """The text of this file for every thread; one may end while it is looked at."""
    for task in Path(f"/proc/{pid}/task").iterdir():
        with suppress(FileNotFoundError, ProcessLookupError):
            yield (task / name).read_text()


def _sizes(directory):
    """Of its files; one may be removed while it is looked at."""
    for file in directory.iterdir():
        with suppress(FileNotFoundError):
            if file.is_file():
                yield file.stat().st_size


def sample(server):
    """None: the server is just dying, or dead."""
    pid = server.process.pid
    try:
        status = _status(pid)
        return Sample(
            rss=int(status["RssAnon"]) * KIB,
            fds=len(os.listdir(f"/proc/{pid}/fd")),
            threads=int(status["Threads"]),
            children=sum(len(text.split()) for text in _of_tasks(pid, "children")),
            store=sum(_sizes(server.data_dir)),
        )
    except DYING:
        return None


def objects(server):
    """What is in its memory, as it says itself; the one who asks is not counted."""
    with server.client() as http:
        told = expect(http.get("/api/v1/status"), 200)
    return {
        "sessions": told["sessions"]["live"],
        "watched": told["sessions"]["watched"],
        "watchers": told["watchers"],
        "effects": told["queued_effects"],
        "runs": told["runs"]["active"],
        "connections": told["http"]["connections"] - 1,
    }


def switches(pid):
    """How often its threads have been woken: a thread that sleeps has no context switches."""
    counts = 0
    for text in _of_tasks(pid, "status"):
        counts += sum(map(int, re.findall(r"^(?:non)?voluntary_ctxt_switches:\s+(\d+)", text, re.MULTILINE)))
    return counts


def wakes_in_silence(pid, seconds, windows=3):
    """Wake-ups in each window until one is silent: a timer that the load has armed may have to fire first."""
    counts = []
    while len(counts) < windows and 0 not in counts:
        before = switches(pid)
        threading.Event().wait(seconds)
        counts.append(switches(pid) - before)
    return counts


def slope(points):
    """The least-squares line through (x, y): y per x."""
    if len(points) < 2:
        return 0.0
    mean_x = sum(x for x, _ in points) / len(points)
    mean_y = sum(y for _, y in points) / len(points)
    width = sum((x - mean_x) ** 2 for x, _ in points)
    return sum((x - mean_x) * (y - mean_y) for x, y in points) / width if width else 0.0
