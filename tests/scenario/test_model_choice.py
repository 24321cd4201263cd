# SPDX-License-Identifier: MIT
"""Which model a run takes, on a server that has models and no default one."""

import json
import signal
import threading

import pytest

from harness import provider as p
from harness.api import expect, poll

CHAT, SESSIONS = "/api/v1/chat", "/api/v1/sessions"
OFFLINE = "offline/offline"
# The first provider has the default model, and this one lists none.
CONFIG = {"providers": {"local": {"base_url": "http://127.0.0.1:1"}}}


@pytest.fixture
def server(make_server):
    server = make_server(start=False)
    server.data_dir.mkdir()
    (server.data_dir / "config.json").write_text(json.dumps(CONFIG))
    return server.start()


def refused(response):
    told = expect(response, 400)["error"]["message"]
    assert "No model is known for this run" in told
    assert "defaults.model" in told
    return told


def test_a_session_with_a_model_of_its_own_needs_no_default(server, between):
    made = expect(server.api.client.post(SESSIONS, json={"model": OFFLINE}), 201)["session"]["id"]
    server.api.chat("first", made)
    api = between(server)
    api.wait_run(api.execute(made)["run_id"])
    run = expect(api.client.post(CHAT, json={"session_id": made, "message": "second", "execute": True}), 201)["run_id"]
    assert api.wait_run(run)["model"] == "offline"
    assert [role for role, _ in api.conversation(made)] == ["user", "assistant"] * 2


def test_without_any_model_nothing_starts_and_the_remedy_is_named(server, between):
    posted = server.api.chat("hello", "s")["ingress_seq"]
    api = between(server)
    refused(api.client.post("/api/v1/execute/s", json={}))
    refused(api.client.post("/api/v1/execute/s", json={"model": "default"}))
    refused(api.client.post(CHAT, json={"session_id": "s", "message": "again", "execute": True}))
    refused(api.client.post(CHAT, json={"session_id": "other", "message": "new", "execute": True}))
    # Who has another view, and a session where nothing is to be done, need none.
    assert api.execute("s", status=200, client_sync={"client_message_count": 7})["sync"]["need_sync"] is True
    made = expect(api.client.post(SESSIONS), 201)["session"]["id"]
    assert api.execute(made, status=200)["status"] == "completed"
    assert api.session("s")["last_seq"] == posted
    assert api.runs("s") == []
    expect(api.client.get(f"{SESSIONS}/other"), 404)
    run = api.execute("s", model=OFFLINE)["run_id"]
    assert api.wait_run(run)["status"] == "completed"


def test_the_model_of_the_last_run_is_taken_again(server, between):
    server.api.chat("one", "s")
    server.api.wait_run(server.api.execute("s", model=OFFLINE)["run_id"])
    api = between(server)
    api.chat("two", "s")
    assert api.wait_run(api.execute("s")["run_id"])["status"] == "completed"


def test_a_wrong_name_is_refused_as_ever(server):
    server.api.chat("hello", "s")
    told = expect(server.api.client.post("/api/v1/execute/s", json={"provider": "lokal"}), 400)
    assert "did you mean local" in told["error"]["message"]
    told = expect(server.api.client.post("/api/v1/execute/s", json={"provider": "local"}), 400)
    assert "lists no models" in told["error"]["message"]


def test_a_run_keeps_its_model_through_a_reload_and_calls_with_the_key_of_now(make_server, provider):
    server = make_server(args=["--log", "json"], start=False)
    server.data_dir.mkdir()

    def configure(key, model):
        mine = {"base_url": provider.url, "api_key": key, "models": [model, "first"]}
        config = {"providers": {"mine": mine}, "defaults": {"model": f"mine/{model}"}}
        (server.data_dir / "config.json").write_text(json.dumps(config))

    configure("sk-scenario-canary", "first")
    server.start()
    go_on = threading.Event()
    call = p.tool(0, id="c1", name="look", arguments="{}")
    provider.reply(call, p.wait(go_on), p.finish("tool_calls"), p.usage(1, 1), p.done())
    provider.reply(*p.answer("second round")).reply(*p.answer("next run"))
    run = server.api.turn("one", "s")[1]
    provider.wait_requests(1)
    configure("sk-of-now", "second")
    server.signal(signal.SIGHUP)
    poll(server.log_events, lambda lines: any(line["event"] == "config.reload" for line in lines))
    go_on.set()
    assert server.api.wait_run(run)["model"] == "first"
    _, run = server.api.whole_turn("two", "s")
    assert server.api.run(run)["model"] == "second"
    asked = [(r.json["model"], r.headers["authorization"].split("-")[-1]) for r in provider.requests]
    assert asked == [("first", "canary"), ("first", "now"), ("second", "now")]
    assert provider.problems == ["authorization: 'Bearer sk-of-now'"] * 2
    provider.problems.clear()
