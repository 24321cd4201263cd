# SPDX-License-Identifier: MIT
"""The operator's commands: with a server, beside none, on a terminal and in a pipe."""

import json

import pytest

from harness.api import expect
from harness.environment import free_port
from harness.offline import say


def good(done):
    assert done.returncode == 0, f"{done.args}: {done.returncode}\n{done.stdout}\n{done.stderr}"
    return done.stdout


def failed(done, code=1):
    assert done.returncode == code, f"{done.args}: {done.returncode}\n{done.stdout}\n{done.stderr}"
    assert done.stdout == ""
    return done.stderr


@pytest.fixture(params=["alone", "with a server"])
def settle(request, server):
    """settle(): what is stored so far is read from a server that is there, or from the store beside none."""

    def settled():
        if request.param == "alone":
            server.sigterm()

    return settled


# sessions


def rows(text):
    return [line.split("\t") for line in text.splitlines()]


def test_sessions_are_listed_last_changed_first(cli, api, settle):
    api.whole_turn(say("one"), "s1")
    api.whole_turn(say("two"), "s2")
    api.whole_turn(say("three"), "s1")
    settle()
    listed = rows(good(cli.run("sessions")))
    assert [row[0] for row in listed] == ["s1", "s2"]
    assert [row[1] for row in listed] == ["done", "done"]
    assert [row[3] for row in listed] == ["4", "2"]
    assert all(len(row) == 6 for row in listed)


def test_sessions_as_json_are_the_servers_rows(cli, api, settle):
    api.whole_turn(say("one"), "s1")
    row = next(s for s in expect(api.client.get("/api/v1/sessions"), 200)["sessions"])
    settle()
    assert [json.loads(line) for line in good(cli.run("sessions", "--json")).splitlines()] == [row]


def test_sessions_go_through_all_pages(cli, api, settle):
    ids = [expect(api.client.post("/api/v1/sessions", json={}), 201)["session"]["id"] for _ in range(230)]
    settle()
    assert len(rows(good(cli.run("sessions")))) == 50
    assert len(rows(good(cli.run("sessions", "--limit", "201")))) == 201
    listed = [row[0] for row in rows(good(cli.run("sessions", "--all")))]
    assert sorted(listed) == sorted(ids)


def test_sessions_by_state_and_words(cli, api, settle):
    api.whole_turn(say("one"), "s1")
    expect(api.client.patch("/api/v1/sessions/s1", json={"title": "Zebra & lion"}), 200)
    api.whole_turn(say("two"), "s2")
    expect(api.client.post("/api/v1/sessions", json={"title": "zebra, idle"}), 201)
    settle()
    assert [r[0] for r in rows(good(cli.run("sessions", "--search", "zebra &")))] == ["s1"]
    assert [r[1] for r in rows(good(cli.run("sessions", "--search", "zebra", "--state", "idle")))] == ["idle"]
    assert good(cli.run("sessions", "--state", "error")) == ""


def test_titles_cannot_break_a_line_or_a_terminal(cli, api):
    expect(api.client.post("/api/v1/sessions", json={"title": "a\tb\u001b[31m\nc"}), 201)
    assert rows(good(cli.run("sessions")))[0][2] == "a b\\x1b[31m c"


@pytest.mark.parametrize("words", [["--limit", "0"], ["--limit", "x"], ["--limit", "5", "--all"]], ids=" ".join)
def test_sessions_wrongly_used(cli, words):
    failed(cli.run("sessions", *words), 2)


def test_an_unknown_state_is_said(cli, server):
    assert "state" in failed(cli.run("sessions", "--state", "nonsense"))


def test_sessions_where_nothing_was_ever_stored(cli):
    assert "culm serve" in failed(cli.run("sessions"), 3)
    assert not cli.data_dir.exists(), "reading made a data directory"


def test_sessions_of_a_server_elsewhere(cli, make_server):
    server = make_server("b")
    server.api.whole_turn(say("x"), "far")
    env = {"CULM_TOKEN": server.token}
    assert rows(good(cli.run("sessions", "--server", server.url, env=env)))[0][0] == "far"
    assert "CULM_TOKEN" in failed(cli.run("sessions", "--server", server.url, env={"CULM_TOKEN": "wrong"}))
    url = f"http://127.0.0.1:{free_port()}"
    assert url in failed(cli.run("sessions", "--server", url, env=env))


def test_reading_beside_no_server_changes_nothing(cli, api, server):
    """Not even a run that was cut is taken up, and the lock is free for whoever comes."""
    api.turn(say("x" * 400, delay_ms=200), "s1")
    server.kill9()
    files = [cli.data_dir / name for name in ("culm.db", "culm.db-wal", "culm.lock")]
    before = [path.read_bytes() for path in files]
    assert rows(good(cli.run("sessions")))[0][1] == "running"
    assert [path.read_bytes() for path in files] == before
    server.start()
