# SPDX-License-Identifier: MIT
"""What a run and its watchers must outlive: a server that is frozen, a clock that is set, a crowd that never reads."""

import signal
import socket
import time

import pytest

from harness import checks
from harness.api import expect, poll
from harness.offline import script, words
from soak import gauge, nemesis

FROZEN_SECONDS = 15
CROWD = 1000
YEARS = 10 * nemesis.YEAR


def test_a_server_that_is_frozen_for_a_quarter_of_a_minute_goes_on(server):
    """Its watchers stay, its run comes to its end, and a deadline that passed meanwhile is looked after."""
    api = server.api
    ask = {"question": "Still there?", "deadline_seconds": 5, "default": "yes"}
    api.chat(script({"tool": {"name": "ask_user", "args": ask}}, {"say": "Good."}), "q", execute=True)
    _, run = api.turn(script({"say": words(60), "delay_ms": 50}), "s")
    watcher = api.watch("s", after=0)
    watcher.wait_type("token")
    poll(lambda: api.session("q")["state"], lambda state: state == "asking")
    server.signal(signal.SIGSTOP)
    time.sleep(FROZEN_SECONDS)
    server.signal(signal.SIGCONT)
    assert api.wait_run(run)["end"] == "completed"
    watcher.wait_done()
    checks.stream(watcher.frames)
    checks.text_equals_stored([watcher.frames], api.messages("s"))
    poll(lambda: api.session("q")["state"], lambda state: state == "done")
    assert [m["content"] for m in api.messages("q")][-2:] == ["yes", "Good."]


@pytest.mark.parametrize("offset", [YEARS, -YEARS])
def test_a_clock_that_is_set_by_years_moves_no_deadline(make_server, tmp_path, offset):
    clock = nemesis.Clock(tmp_path)
    if clock.missing:
        pytest.skip(clock.missing)
    server = make_server(env=clock.environment)
    api = server.api
    soon = {"question": "Soon?", "deadline_seconds": 2, "default": "now"}
    late = {"question": "Late?", "deadline_seconds": 3600}
    for session, question in (("soon", soon), ("late", late)):
        asks = script({"tool": {"name": "ask_user", "args": question}}, {"say": "Well."})
        api.chat(asks, session, execute=True)
        poll(lambda s=session: api.session(s)["state"], lambda state: state == "asking")
    _, run = api.turn(script({"say": words(40), "delay_ms": 50}), "s", run_budget={"max_wall_ms": 3_600_000})
    clock.set(offset)
    assert api.wait_run(run)["end"] == "completed"
    poll(lambda: api.session("soon")["state"], lambda state: state == "done")
    assert api.session("late")["state"] == "asking"
    clock.set(0)
    assert api.session("late")["state"] == "asking"
    expect(server.client().post("/api/v1/respond/late", json={"response": "at last"}), 200)
    poll(lambda: api.session("late")["state"], lambda state: state == "done")
    nemesis.Clock.forget(server.process.pid)


def stuck_watcher(server, session):
    sock = socket.socket(socket.AF_UNIX)
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
    sock.connect(str(server.socket_path))
    sock.sendall(f"GET /api/v1/events/{session}?after=0 HTTP/1.1\r\nHost: localhost\r\n\r\n".encode())
    return sock


def test_a_thousand_watchers_who_never_read_cost_little(server):
    api = server.api
    api.chat("first", "s")
    crowd = [stuck_watcher(server, "s") for _ in range(CROWD)]
    try:
        poll(lambda: gauge.sample(server).fds, lambda fds: fds > CROWD)
        before = gauge.sample(server)
        for _ in range(3):
            _, run = api.turn(script({"say": words(20_000)}), "s")
            assert api.wait_run(run)["end"] == "completed"
        grown = (gauge.sample(server).rss - before.rss) / CROWD
        if not gauge.is_sanitized():
            assert grown < 160 * gauge.KIB, f"{grown / gauge.KIB:.0f} KiB for each of them"
    finally:
        for sock in crowd:
            sock.close()
    poll(lambda: gauge.sample(server).fds, lambda fds: fds < CROWD)
    checks.stream(api.replay("s"))
