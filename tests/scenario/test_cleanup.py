# SPDX-License-Identifier: MIT
"""Many sessions deleted at once."""

from harness.api import expect
from harness.offline import say
from harness.replies import HANG, Says, refusal


def cleanup(server, status=200, **body):
    told = expect(server.client().post("/api/v1/sessions/cleanup", json=body), status)
    if status == 200:
        assert told["deleted_count"] == len(told["deleted_session_ids"])
        return set(told["deleted_session_ids"])
    return told


def names(server):
    return {s["id"] for s in server.api.get("/api/v1/sessions")["sessions"]}


def several(server):
    """One that was spoken in, one where a message waits, a pinned one, one at work, one made and left."""
    api = server.api
    api.whole_turn(say("hello"), "spoken", system_prompt="Be kind.")
    api.chat("later", "waiting")
    api.chat(say("keep this"), "pinned")
    expect(api.client.patch("/api/v1/sessions/pinned", json={"pinned": True}), 200)
    api.chat(HANG, "working", execute=True)
    return expect(api.client.post("/api/v1/sessions", json={"system_prompt": "Be kind."}), 201)["session"]["id"]


def test_all_go_but_what_is_at_work(server, between):
    made = several(server)
    between(server)
    assert cleanup(server, mode="all", keep_pinned=True) == {"spoken", "waiting", made}
    assert names(server) == {"pinned", "working"}
    between(server)
    assert cleanup(server, mode="all") == {"pinned"}
    assert names(server) == {"working"}
    assert server.api.session("working")["is_running"]


def test_empty_is_where_nobody_has_spoken(server):
    made = several(server)
    expect(server.client().post("/api/v1/sessions/spoken/copy"), 201)
    other = expect(server.client().post("/api/v1/sessions", json={}), 201)["session"]["id"]
    assert cleanup(server, mode="empty") == {made, other}
    assert len(names(server)) == 5
    assert cleanup(server, mode="empty") == set()
    assert cleanup(server, mode="children") == set()
    expect(server.client().post("/api/v1/sessions/waiting/clear"), 200)
    assert cleanup(server, mode="empty") == set()  # a message waits there


def test_more_than_a_page_of_them_goes(server):
    with server.client() as client:
        for _ in range(203):
            expect(client.post("/api/v1/sessions", json={}), 201)
    assert len(cleanup(server, mode="empty")) == 203
    assert names(server) == set()


def test_another_mode_is_refused(server, between):
    server.api.chat("hello", "s")
    between(server)
    wanted = 'Invalid cleanup mode: expected "all", "empty" or "children"'
    for body in ({}, {"mode": "some"}, {"mode": ""}, {"mode": None}, {"mode": "ALL"}):
        assert cleanup(server, 400, **body) == refusal(wanted, mode=body.get("mode"))
    for body in ({"mode": 5}, {"mode": "x" * 65}, {"mode": "all", "keep_pinned": "yes"}):
        assert cleanup(server, 400, **body) == refusal(Says(*list(body)[-1:]))
    assert names(server) == {"s"}
