# SPDX-License-Identifier: MIT
"""An idle server sleeps: no thread waits with a bound but for what is due much later.

Looked at from outside, in /proc: the system call in which each thread stands, and how long it may last.
"""

import platform
from pathlib import Path

import pytest

from harness.api import poll
from harness.environment import TIMEOUT
from harness.offline import say

# machine: (epoll_wait or what it has become, the same with a mask, futex)
CALLS = {"x86_64": (232, 281, 202), "aarch64": (-1, 22, 98)}
SOON_MS = 5000  # a timer nearer than that ticks; the nearest that an idle server has is a heartbeat or an audit
FOREVER = 0xFFFFFFFF


def standing_in(pid):
    """Thread: (number, arguments) of the system call it stands in, or None where it runs."""
    found = {}
    for task in Path(f"/proc/{pid}/task").iterdir():
        words = (task / "syscall").read_text().split()
        found[int(task.name)] = None if words[0] == "running" else (int(words[0]), [int(w, 16) for w in words[1:7]])
    return found


def next_wakeup_ms(pid):
    """How long the loop may sleep when every other thread waits for work without a bound; None: somebody is busy."""
    epoll, masked, futex = CALLS[platform.machine()]
    sleep = None
    for thread, call in standing_in(pid).items():
        if call is None:
            return None
        number, arguments = call
        if thread == pid and number in (epoll, masked):
            sleep = arguments[3] & FOREVER
        elif thread == pid or number != futex or arguments[3] != 0:
            return None
    return sleep


@pytest.fixture
def sleeper(server):
    if platform.machine() not in CALLS:
        pytest.skip("the numbers of the system calls of this machine are not in the table")
    try:
        standing_in(server.process.pid)
    except (PermissionError, FileNotFoundError) as e:
        pytest.skip(f"the kernel does not show where threads stand: {e}")
    return server


def wait_until_it_sleeps(server, at_most=FOREVER):
    def sleeps(ms):
        return ms is not None and SOON_MS <= ms <= at_most

    return poll(lambda: next_wakeup_ms(server.process.pid), sleeps, TIMEOUT)


def test_a_fresh_server_sleeps(sleeper):
    wait_until_it_sleeps(sleeper)


def test_a_server_sleeps_again_after_its_work(sleeper):
    with sleeper.client() as client:
        for _ in range(3):
            assert client.post("/api/v1/chat", json={"message": say("x"), "execute": True}).status_code == 201
        poll(lambda: client.get("/api/v1/status").json()["runs"]["ended"]["completed"], lambda n: n == 3)
        client.get("/metrics")
    wait_until_it_sleeps(sleeper)


def test_idle_watchers_share_one_timer(sleeper):
    """Ten of them, and the loop still sleeps as long as one heartbeat lasts."""
    api = sleeper.api
    session_id, _ = api.whole_turn(say("x"))
    watchers = [api.watch(session_id, follow=1) for _ in range(10)]
    for watcher in watchers:
        watcher.wait_type("stream_opened")
    api.client.close()
    wait_until_it_sleeps(sleeper, at_most=15000)


def test_watchers_of_the_feed_let_it_sleep_again(sleeper):
    """A state is due a second after the last one of its session; then nothing is, but heartbeats."""
    api = sleeper.api
    watchers = [api.feed() for _ in range(3)]
    session_id, _ = api.whole_turn(say("x"))
    last = api.session(session_id)["last_seq"]
    for watcher in watchers:
        watcher.wait_for(
            lambda f: f.type == "session_state" and f["session"]["last_seq"] == last, what="the last state"
        )
    api.client.close()
    wait_until_it_sleeps(sleeper, at_most=15000)
