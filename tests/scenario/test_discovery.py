# SPDX-License-Identifier: MIT
"""What is told of the server itself, and of all runs at work, before and after a restart."""

from unittest.mock import ANY

import pytest

from harness.api import expect, poll
from harness.offline import script
from harness.replies import ASK, HANG, Ask, each_state

AUTH = {"policy": "credential_required", "password_enabled": False, "device_auth_enabled": False}


def bootstrap(state, policy="credential_required"):
    """The whole reply."""
    return {
        "schema_version": 1,
        "server": {"product": "culm", "version": ANY},
        "api": {"name": "bamboo.agent", "canonical_base_path": "/api/v1", "min_version": 1, "max_version": 1},
        "capabilities": ANY,
        "auth": AUTH | {"policy": policy, "request_state": state},
    }


def test_the_server_says_that_it_is_there_and_what_it_is(server, between):
    between(server)
    client, stranger = server.client(), server.client(token=False)
    for path in ("/api/v1/health", "/v1/health"):
        told = stranger.get(path)
        assert (told.status_code, told.text) == (200, "OK")
        assert told.headers["content-type"] == "text/plain; charset=utf-8"
        head = stranger.head(path)
        assert (head.status_code, head.content, head.headers["content-length"]) == (200, b"", "2")
    version = server.cli("version").stdout.split()[1]
    assert expect(stranger.get("/healthz"), 200) == {"status": "ok", "version": version}
    ready = poll(lambda: stranger.get("/readyz"), lambda reply: reply.status_code == 200)
    assert ready.json() == {"status": "ok", "version": version}
    for who, state in ((client, "authenticated"), (stranger, "unauthenticated"), (server.client(unix=True), ANY)):
        told = Ask("GET /bootstrap", 200, bootstrap(state)).send(who)
        assert told["server"]["version"] == version
        assert all(word.startswith("culm.") for word in told["capabilities"])
    told = stranger.get("/api/v1/bootstrap")
    assert told.headers["cache-control"] == "no-store"
    assert told.headers["vary"] == "Cookie, Authorization, X-Device-Id"


def test_an_open_server_says_so(make_server):
    server = make_server(args=["--compat-open-loopback"])
    Ask("GET /bootstrap", 200, bootstrap("local_bypass", "open")).send(server.client(token=False))
    Ask("GET /bootstrap", 200, bootstrap("authenticated", "open")).send(server.client())


def active(api):
    return {row["session_id"]: row for row in api.get("/api/v1/runs/active")["sessions"]}


def test_runs_at_work_are_listed(server, between):
    runs = each_state(server.api)
    runs["later"] = server.api.turn(script({"tools": [{"name": "a"}]}, {"hang": "headers"}), "later")[1]
    poll(lambda: active(server.api)["later"]["round_count"], lambda rounds: rounds == 2)
    api = between(server)
    rows = active(api)
    rest = {"started_at": ANY, "last_critical_events": [], "running_child_session_ids": []}
    assert rows == {
        name: {"session_id": name, "run_id": runs[name], "round_count": rounds, **rest}
        for name, rounds in (("busy", 1), ("later", 2))
    }
    for name, row in rows.items():
        assert row["started_at"] == api.run(runs[name])["started_at"].replace("Z", "+00:00")
    api.stop("busy")
    api.wait_run(runs["busy"])
    told = expect(api.client.post("/api/v1/respond/asking", json={"response": "a"}), 200)
    api.wait_run(told["run_id"])
    assert set(active(between(server))) == {"later"}


TOLD_FIRST = ["session_title_updated", "session_pinned_updated", "budget_exceeded"]


def test_what_a_late_watcher_is_told_first_is_said_of_a_run_at_work(server, between):
    server.api.chat(script({"tools": [{"name": "a"}]}, {"hang": "headers"}), "s")
    server.api.execute("s", run_budget={"max_rounds": 1})
    poll(lambda: active(server.api)["s"]["round_count"], lambda rounds: rounds == 2)
    expect(server.client().patch("/api/v1/sessions/s", json={"title": "This one", "pinned": True}), 200)
    server.api.turn(HANG, "plain")
    api = between(server)
    poll(lambda: active(api)["s"]["last_critical_events"], lambda events: len(events) == 3)
    told = {name: row["last_critical_events"] for name, row in active(api).items()}
    watcher = api.watch("s")
    watcher.wait_type("runner_progress")
    assert told["plain"] == []
    assert [event["type"] for event in told["s"]] == TOLD_FIRST
    assert told["s"] == [frame.event for frame in watcher.frames[1:4]]
    watcher.close()


@pytest.mark.parametrize("prompt", [HANG, ASK])
def test_a_deleted_session_has_no_run_at_work(server, prompt):
    server.api.turn(prompt, "s")
    expect(server.client().delete("/api/v1/sessions/s"), 200)
    assert active(server.api) == {}
