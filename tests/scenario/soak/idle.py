# SPDX-License-Identifier: MIT
"""Sessions come and go, and then nothing happens: what has a server kept? `./dev soak idle [SESSIONS]`."""

import argparse
import itertools
import shutil
import subprocess
import sys
import threading
from concurrent.futures import ThreadPoolExecutor

from harness.api import expect
from harness.environment import TIMEOUT, short_directory
from harness.offline import say, words
from harness.server import running
from harness.sse import Watcher

from . import gauge, verdict

WORKERS = 8
# What the heap may grow by once caches are full and it has its shape: 6 bytes a session were measured over 20,000,
# and single pages over a few hundred.
BYTES_PER_SESSION = 64
BYTES_IN_ALL = 256 * gauge.KIB


class Visitors:
    """Each makes a session, talks, watches to the end, and deletes it or leaves it behind."""

    def __init__(self, server):
        self.server = server
        self.http = server.client(lasting=True)

    def visit(self, n):
        session = f"visit-{n}"
        if n % 3 == 0:
            made = self.http.post("/api/v1/sessions", json={"title": f"visit {n}"})
            session = expect(made, 201)["session"]["id"]
        text = say(words(5 + n % 50, f"v{n}w"), reason="so" if n % 5 == 0 else "")
        chat = self.http.post("/api/v1/chat", json={"session_id": session, "message": text, "execute": True})
        run = expect(chat, 201)["run_id"]
        watcher = Watcher(self.http, f"/api/v1/events/{session}", params={"after": 0})
        watcher.wait_done()
        assert watcher.events("complete")[-1]["run_id"] == run
        if n % 2 == 0:
            expect(self.http.delete(f"/api/v1/sessions/{session}"), 200)

    def leave(self):
        self.http.close()


def come_and_go(server, sessions, step, tell=print):
    """Samples by the number of sessions that have been; each is taken when nobody is connected."""
    samples = {0: gauge.sample(server)}
    tell(f"     0 sessions: {samples[0]}")
    numbers = itertools.count()
    for done in range(step, sessions + 1, step):
        visitors = Visitors(server)
        with ThreadPoolExecutor(WORKERS) as pool:
            for _ in pool.map(visitors.visit, itertools.islice(numbers, step)):
                pass
        visitors.leave()
        wait_for_fds(server, samples[0].fds)
        samples[done] = gauge.sample(server)
        held = " ".join(f"{name} {count}" for name, count in gauge.objects(server).items())
        tell(f"{done:6} sessions: {samples[done]}; live objects: {held}")
    return samples


def wait_for_fds(server, wanted):
    """The server closes its ends a moment after the clients theirs."""
    pause = threading.Event()
    for _ in range(int(TIMEOUT / 0.05)):
        if gauge.sample(server).fds <= wanted:
            return
        pause.wait(0.05)


def findings(samples, warm, tell=print):
    """What is wrong with the figures, in words."""
    first, last = samples[0], samples[max(samples)]
    for name in ("fds", "threads", "children"):
        before, after = getattr(first, name), getattr(last, name)
        if after > before:
            yield f"{name}: {before} at the start, {after} at the end"
    after_warm = [(n, s.rss) for n, s in samples.items() if n >= warm]
    sessions = max(max(samples) - warm, 0)
    growth = gauge.slope(after_warm)
    allowed = BYTES_PER_SESSION * sessions + BYTES_IN_ALL
    tell(f"memory behind the first {warm} sessions: {growth:+.1f} bytes a session")
    if growth * sessions > allowed and not gauge.is_sanitized():
        yield f"memory grew by {growth * sessions:.0f} bytes over {sessions} sessions, {allowed} are allowed"


def silence(server, seconds, tell=print):
    """What is wrong when nothing happens."""
    left = {name: count for name, count in gauge.objects(server).items() if count}
    if left:
        yield f"left in memory: {left}"
    wakes = gauge.wakes_in_silence(server.process.pid, seconds)
    tell(f"wake-ups in {seconds:g} s of silence: {wakes[-1]} (windows: {wakes})")
    if wakes[-1]:
        yield f"a quiet server woke up {wakes[-1]} times in {seconds:g} s"


def system_calls(server, seconds):
    """strace's table, where there is strace and it may look."""
    if shutil.which("strace") is None:
        return "system calls: there is no strace to count them"
    command = ["timeout", "-s", "INT", str(seconds), "strace", "-c", "-f", "-p", str(server.process.pid)]
    told = subprocess.run(command, capture_output=True, text=True, check=False).stderr.splitlines()
    table = [line for line in told if not (line.startswith("strace: Process") and line.endswith(("tached", "threads")))]
    return "\n".join(table) or f"system calls in {seconds:g} s of silence: none (strace -c -f)"


def main():
    parser = argparse.ArgumentParser(prog="./dev soak idle", description=__doc__)
    parser.add_argument("sessions", nargs="?", type=int, default=10_000)
    parser.add_argument("--step", type=int, default=1000, help="sessions between two samples")
    parser.add_argument("--warm", type=int, default=2000, help="sessions before memory counts")
    parser.add_argument("--silence", type=float, default=5, help="seconds in which nothing may wake up")
    options = parser.parse_args()
    with short_directory() as directory, running(directory / "a") as server:
        samples = come_and_go(server, options.sessions, options.step)
        wrong = [*findings(samples, options.warm), *silence(server, options.silence)]
        print(system_calls(server, options.silence))
    return verdict.tell(wrong)


if __name__ == "__main__":
    sys.exit(main())
