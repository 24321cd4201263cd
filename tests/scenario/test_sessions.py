# SPDX-License-Identifier: MIT
"""Sessions as things: list, get, create, patch, delete, pages, and the words for their state."""

import threading
from unittest.mock import ANY

import pytest

from harness import provider as p
from harness.api import expect
from harness.offline import say
from harness.replies import QUESTION, Ask, Says, each_state, made, no_session, play, refusal

SESSIONS = "/api/v1/sessions"


def get(api, session_id, status=200):
    return expect(api.client.get(f"{SESSIONS}/{session_id}"), status)


def listed(api, **params):
    return expect(api.client.get(SESSIONS, params=params), 200)


def etag(response):
    tag = response.headers["etag"]
    assert tag.startswith('"')
    assert tag.endswith('"')
    assert tag[1:-1].isdecimal()
    return tag


def test_an_empty_server_has_no_sessions(server, between):
    reply = listed(between(server))
    assert (reply["sessions"], reply["total"]) == ([], 0)


def test_create_and_get(server, between):
    created = expect(server.api.client.post(SESSIONS, json={}), 201)["session"]
    assert created["title"] == "New Session"
    assert created["kind"] == "root"
    assert created["pinned"] is False
    assert created["is_running"] is False
    assert created["state"] == "idle"
    api = between(server)
    assert get(api, created["id"])["session"]["id"] == created["id"]
    assert get(api, created["id"])["session"]["created_at"] == created["created_at"]
    assert [s["id"] for s in listed(api)["sessions"]] == [created["id"]]


def test_create_with_a_title(server, between):
    created = expect(server.api.client.post(SESSIONS, json={"title": "Über alles 👋🏽"}), 201)["session"]
    assert get(between(server), created["id"])["session"]["title"] == "Über alles 👋🏽"


def test_create_twice_under_one_key_is_one_session(server, between):
    headers = {"Idempotency-Key": "make-one"}
    first = expect(server.api.client.post(SESSIONS, json={"title": "t"}, headers=headers), 201)["session"]
    api = between(server)
    again = expect(api.client.post(SESSIONS, json={"title": "t"}, headers=headers), 200, 201)["session"]
    assert again["id"] == first["id"]
    assert listed(api)["total"] == 1


def test_a_created_session_takes_a_turn(server, between):
    session_id = expect(server.api.client.post(SESSIONS, json={}), 201)["session"]["id"]
    api = between(server)
    api.whole_turn(say("hello"), session_id)
    assert api.conversation(session_id)[-1] == ("assistant", "hello")


def test_the_summary_after_a_turn(server, between):
    session_id, _ = server.api.whole_turn(say("hello"))
    summary = get(between(server), session_id)["session"]
    assert summary["state"] == "done"
    assert summary["is_running"] is False
    assert summary["last_run_status"] == "completed"
    assert summary["has_pending_question"] is False
    assert summary["open_questions"] == 0
    assert summary["message_count"] >= 2
    assert summary["last_seq"] >= 3
    assert summary["root_session_id"] == session_id
    assert summary["parent_session_id"] is None
    assert summary["token_usage"]["total_tokens"] >= 0
    assert summary["created_at"] <= summary["updated_at"]


def test_the_state_while_running_and_after_a_stop(provider, make_server):
    api = make_server(env=provider.environment).api
    provider.reply(p.text("x"), p.silence())
    session_id, run_id = api.turn("talk")
    provider.wait_requests(1)
    summary = get(api, session_id)["session"]
    assert (summary["state"], summary["is_running"], summary["last_run_status"]) == ("running", True, "running")
    assert [s["id"] for s in listed(api, state="running")["sessions"]] == [session_id]
    api.stop(session_id)
    api.wait_run(run_id)
    assert get(api, session_id)["session"]["state"] == "cancelled"
    assert listed(api, state="running")["sessions"] == []


def test_the_state_after_a_failure(provider, make_server, between):
    server = make_server(env=provider.environment)
    provider.reply(*p.failure(401, "bad key", "invalid_request_error"))
    session_id, _ = server.api.whole_turn("talk")
    summary = get(between(server), session_id)["session"]
    assert (summary["state"], summary["last_run_status"]) == ("error", "error")
    assert summary["last_run_error"]


def test_unknown_sessions_are_404(server, between):
    client = between(server).client
    for response in (
        client.get(f"{SESSIONS}/nobody"),
        client.patch(f"{SESSIONS}/nobody", json={"title": "x"}),
        client.delete(f"{SESSIONS}/nobody"),
        client.get("/api/v1/history/nobody"),
        client.get(f"{SESSIONS}/nobody/facts"),
    ):
        assert expect(response, 404)["error"]["message"]


def test_patch_title_and_pin(server, between):
    session_id = expect(server.api.client.post(SESSIONS, json={}), 201)["session"]["id"]
    first = server.api.client.get(f"{SESSIONS}/{session_id}")
    client = between(server).client
    patched = client.patch(f"{SESSIONS}/{session_id}", json={"title": "Renamed", "pinned": True})
    summary = expect(patched, 200)["session"]
    assert (summary["title"], summary["pinned"]) == ("Renamed", True)
    assert etag(patched) != etag(first)
    api = between(server)
    again = api.client.get(f"{SESSIONS}/{session_id}")
    assert etag(again) == etag(patched)
    assert again.json()["session"]["title"] == "Renamed"


@pytest.mark.parametrize("form", ['"{}"', "{}", 'W/"{}"'])
def test_if_match_in_each_of_its_forms(server, between, form):
    session_id = expect(server.api.client.post(SESSIONS, json={}), 201)["session"]["id"]
    version = etag(server.api.client.get(f"{SESSIONS}/{session_id}"))[1:-1]
    client = between(server).client
    headers = {"If-Match": form.format(version)}
    first = client.patch(f"{SESSIONS}/{session_id}", json={"title": "mine"}, headers=headers)
    expect(first, 200)
    client = between(server).client
    second = client.patch(f"{SESSIONS}/{session_id}", json={"title": "too late"}, headers=headers)
    body = expect(second, 412)
    assert body["error"]["message"]
    assert body["session_id"] == session_id
    assert f'"{body["current_version"]}"' == etag(second) == etag(first)
    assert get(server.api, session_id)["session"]["title"] == "mine"


def test_patches_race_and_one_wins(server):
    session_id = expect(server.api.client.post(SESSIONS, json={}), 201)["session"]["id"]
    tag = etag(server.api.client.get(f"{SESSIONS}/{session_id}"))
    client, statuses = server.client(), []

    def patch(n):
        reply = client.patch(f"{SESSIONS}/{session_id}", json={"title": f"t{n}"}, headers={"If-Match": tag})
        statuses.append(reply.status_code)

    threads = [threading.Thread(target=patch, args=(n,)) for n in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(statuses) == [200] + [412] * 7


def test_a_patch_is_shown_to_watchers(server):
    session_id, _ = server.api.whole_turn(say("x"))
    watcher = server.api.watch(session_id, follow=1)
    watcher.wait_type("complete")
    expect(server.api.client.patch(f"{SESSIONS}/{session_id}", json={"title": "Seen"}), 200)
    assert watcher.wait_type("session_title_updated")["title"] == "Seen"
    expect(server.api.client.patch(f"{SESSIONS}/{session_id}", json={"pinned": True}), 200)
    assert watcher.wait_type("session_pinned_updated")["pinned"] is True
    watcher.close()


def test_delete_erases(server, between):
    session_id, run_id = server.api.whole_turn(say("a secret that must go"))
    api = between(server)
    deleted = api.client.delete(f"{SESSIONS}/{session_id}")
    assert (deleted.status_code, deleted.content) == (200, b"")
    api = between(server)
    get(api, session_id, 404)
    expect(api.client.get(f"/api/v1/history/{session_id}"), 404)
    expect(api.client.get(f"/api/v1/runs/{run_id}"), 404)
    expect(api.client.get(f"/api/v1/events/{session_id}"), 404)
    expect(api.client.delete(f"{SESSIONS}/{session_id}"), 404)
    assert listed(api)["total"] == 0
    server.sigterm()
    left = [f.name for f in server.data_dir.rglob("*") if f.is_file() and b"a secret that must go" in f.read_bytes()]
    server.start()
    assert left == []


def test_delete_of_a_running_session_ends_its_run(provider, make_server, between):
    server = make_server(env=provider.environment)
    provider.reply(p.text("x"), p.silence())
    session_id, _ = server.api.turn("talk")
    provider.wait_requests(1)
    assert server.api.client.delete(f"{SESSIONS}/{session_id}").status_code == 200
    api = between(server)
    get(api, session_id, 404)
    assert len(provider.requests) == 1, "a deleted run was taken up again"


def test_a_deleted_id_may_be_used_again(server, between):
    server.api.whole_turn(say("old"), "reused")
    expect(server.api.client.delete(f"{SESSIONS}/reused"), 200)
    api = between(server)
    api.whole_turn(say("new"), "reused")
    assert [text for role, text in api.conversation("reused") if role == "assistant"] == ["new"]


# lists


@pytest.fixture
def many(server):
    """Seven sessions, s0 the oldest."""
    for n in range(7):
        expect(server.api.client.post("/api/v1/chat", json={"message": "x", "session_id": f"s{n}"}), 201)
    return [f"s{n}" for n in range(7)]


def test_the_list_is_newest_first(server, many, between):
    api = between(server)
    assert [s["id"] for s in listed(api)["sessions"]] == many[::-1]
    api.chat("again", "s2")
    assert next(s["id"] for s in listed(api)["sessions"]) == "s2"


def test_pages_by_offset(server, many, between):
    api = between(server)
    page = listed(api, limit=3, offset=0)
    assert [s["id"] for s in page["sessions"]] == ["s6", "s5", "s4"]
    assert (page["total"], page["limit"], page["offset"], page["next_offset"]) == (7, 3, 0, 3)
    last = listed(api, limit=3, offset=6)
    assert [s["id"] for s in last["sessions"]] == ["s0"]
    assert "next_offset" not in last


def test_pages_by_cursor_are_whole_though_rows_move(server, many, between):
    seen = []
    page = listed(server.api, limit=2)
    api = between(server)
    while True:
        seen += [s["id"] for s in page["sessions"]]
        if not page.get("next_cursor"):
            break
        api.chat("moves to the front", seen[-1])
        page = listed(api, limit=2, cursor=page["next_cursor"])
    assert sorted(seen) == many
    assert len(seen) == len(set(seen))


def test_search_by_title(server, many, between):
    expect(server.api.client.patch(f"{SESSIONS}/s3", json={"title": "Quarterly Report"}), 200)
    api = between(server)
    assert [s["id"] for s in listed(api, q="report")["sessions"]] == ["s3"]
    assert listed(api, q="nowhere")["sessions"] == []


def test_lists_by_state(server, many, between):
    server.api.whole_turn(say("x"), "s1")
    api = between(server)
    assert [s["id"] for s in listed(api, state="done")["sessions"]] == ["s1"]
    expect(api.client.get(SESSIONS, params={"state": "no-such-state"}), 400)


# every reply, whole


KEYS = {
    "id", "project_id", "kind", "title", "title_version", "title_generated", "pinned", "parent_session_id",
    "root_session_id", "spawn_depth", "created_at", "updated_at", "last_activity_at", "message_count",
    "has_attachments", "is_running", "state", "doing", "has_pending_question", "open_questions",
    "running_child_count", "subagent_count", "cost_micros", "last_seq", "metadata_version",
}  # fmt: skip
"""Of every session; the others are left out when empty."""
BUDGET = {"budget", "budget_used"}
"""Where it is one session that is shown."""


def test_a_summary_in_each_state(server, between):
    runs, empty = each_state(server.api), made(server.api)
    api = between(server)
    states = {"done": "done", "waiting": "queued", "asking": "asking", "failed": "error", "stopped": "cancelled"}
    states |= {"busy": "running", empty: "idle"}
    statuses = {"done": "completed", "asking": "suspended", "failed": "error", "stopped": "cancelled"}
    statuses |= {"busy": "running", "waiting": None, empty: None}
    rows = {row["id"]: row for row in listed(api)["sessions"]}
    assert set(rows) == set(states)
    for name, state in states.items():
        reply = api.client.get(f"{SESSIONS}/{name}")
        row = expect(reply, 200)["session"]
        assert reply.headers["etag"] == f'"{row["metadata_version"]}"'
        ran = {"last_run_id", "last_run_status", "token_usage", "model", "model_ref"} if name in runs else set()
        ran |= {"last_run_error"} if state == "error" else set()
        assert set(rows[name]) == KEYS | ran
        moving = {"last_seq": ANY, "token_usage": ANY} if row["is_running"] else {}
        moving |= {"budget": None, "budget_used": ANY}
        assert row == rows[name] | ({"provider": "offline"} if ran else {}) | moving
        assert (row["state"], row.get("last_run_status")) == (state, statuses[name])
        assert row.get("last_run_id") == runs.get(name)
        assert (row["is_running"], row["has_pending_question"]) == (state == "running", state == "asking")
        assert [r["id"] for r in listed(api, state=state)["sessions"]] == [name]
        assert row["doing"] == {"busy": "round 1", "asking": QUESTION["question"]}.get(name, "")


def test_the_list_in_every_way_of_asking(server, many, between):
    api = between(server)
    feed = api.feed(since=0)
    newest, newest_of_feed = many[::-1], feed.wait_type("stream_opened")["last_seq"]
    feed.close()
    table = [  # the query, the ids, and limit, offset, next_offset of the reply
        ({}, newest, 200, 0, None),
        ({"limit": 0}, newest[:1], 1, 0, 1),
        ({"limit": 1}, newest[:1], 1, 0, 1),
        ({"limit": 5000}, newest, 1000, 0, None),
        ({"limit": 7}, newest, 7, 0, None),
        ({"limit": 2, "offset": 4}, newest[4:6], 2, 4, 6),
        ({"limit": 2, "offset": 5}, newest[5:], 2, 5, None),
        ({"offset": 7}, [], 200, 7, None),
        ({"offset": 99999999999}, [], 200, 4294967295, None),
        ({"kind": "root", "limit": 3}, newest[:3], 3, 0, 3),
        ({"root_session_id": "s3"}, ["s3"], 200, 0, None),
    ]
    for query, ids, limit, offset, after in table:
        told = listed(api, **query)
        assert [s["id"] for s in told["sessions"]] == ids, query
        assert (told["limit"], told["offset"], told.get("next_offset")) == (limit, offset, after), query
        assert told["total"] == (1 if "root_session_id" in query else 7)
        assert told["feed_seq"] == newest_of_feed
        assert {"sessions.cursor", "feed.state", "requests.keys"} <= set(told["features"])
    for query in ({"kind": "child"}, {"root_session_id": "nobody"}):
        told = listed(api, **query)
        assert (told["sessions"], told["total"]) == ([], 0)
    bad = [{"kind": "leaf"}, {"state": "tired"}, {"cursor": "not-a-cursor"}]
    for query in bad + [{name: value} for name in ("limit", "offset") for value in ("x", "-1", "1e9", "")]:
        told = expect(api.client.get(SESSIONS, params=query), 400)
        assert told == refusal(Says(*query))


def test_a_session_is_made_as_asked(server, between, directory):
    client = server.client()
    full = {"title": " Talk ", "system_prompt": "Be kind.", "workspace_path": str(directory), "project_id": ""}
    full |= {"model_ref": {"provider": "offline", "model": "offline", "reasoning_effort": "high"}}
    replies = [client.post(SESSIONS, json=full), client.post(SESSIONS, json={"title": " "}), client.post(SESSIONS)]
    rows = [expect(reply, 201)["session"] for reply in replies]
    assert [reply.headers["etag"] for reply in replies] == [f'"{row["metadata_version"]}"' for row in rows]
    assert [row["title"] for row in rows] == ["Talk", "New Session", "New Session"]
    assert [row["message_count"] for row in rows] == [1, 0, 0]
    wanted = {"model": "offline", "provider": "offline", "reasoning_effort": "high", "workspace_path": str(directory)}
    assert {key: rows[0][key] for key in wanted} == wanted
    assert set(rows[0]) == KEYS | BUDGET | set(wanted) | {"model_ref"}
    assert set(rows[1]) == set(rows[2]) == KEYS | BUDGET
    api = between(server)
    assert [get(api, row["id"])["session"] for row in rows] == rows
    told = api.feed(since=0)
    first = told.wait_type("session_created").told
    assert {k: v for k, v in first.items() if k not in ("seq", "at", "created_at")} == {
        "type": "session_created",
        "session_id": rows[0]["id"],
        "project_id": None,
        "title": "Talk",
        "kind": "root",
    }
    told.close()


def test_what_is_refused_makes_and_changes_nothing(server, between):
    session = made(server.api, title="Talk")
    before = get(server.api, session)
    client = between(server).client
    both = [  # on create and on patch
        ({"title": 5}, 400, refusal(Says("title"))),
        ({"title": "x" * 1001}, 400, refusal(Says("title"))),
        ({"model": "no-such-model"}, 400, refusal(Says("did you mean offline/offline"))),
        ({"provider": "nowhere"}, 400, refusal(Says("nowhere"))),
        ({"reasoning_effort": "huge"}, 400, refusal(Says("reasoning_effort"))),
        ({"gold_config": {"a": 1}}, 400, refusal(Says("gold_config: not supported"))),
        ({"permission_mode": "root"}, 400, refusal(Says("permission_mode"))),
        ({"budget": {"max_rounds": "x"}}, 400, refusal(Says("max_rounds"))),
        ({"project_id": "p"}, 404, refusal("target Project not found", "not_found")),
    ]
    create = [
        ({"workspace_path": "/no/such/place"}, 400, refusal(Says("workspace_path"), "workspace_invalid")),
        ({"workspace_path": "here"}, 400, refusal(Says("workspace_path"), "workspace_invalid")),
        ({"thinking_mode": "ultra"}, 400, refusal(Says("thinking_mode"))),
    ]
    patch = [
        ({"title": " "}, 400, refusal("session: title: must not be blank")),
        ({"pinned": 1}, 400, refusal(Says("pinned"))),
        ({"workspace_path": "/"}, 400, refusal(Says("workspace_path"))),
        ({"thinking_mode": "standard"}, 400, refusal(Says("thinking_mode"), "root_mode_operation_required")),
        ({"permission_mode": "bypass"}, 400, refusal(Says("permission_mode"))),
        ({"bypass_permissions": True}, 400, refusal(Says("permission_mode"))),
        ({"permission_mode": "default", "bypass_permissions": False}, 400, refusal(Says("exclude each other"))),
    ]
    match = {"If-Match": "*"}
    path = f"PATCH /sessions/{session}"
    play(client, *(Ask("POST /sessions", status, wanted, body) for body, status, wanted in both + create))
    play(client, *(Ask(path, status, wanted, body, match) for body, status, wanted in both + patch))
    play(
        client,
        *(Ask("PATCH /sessions/nobody", 404, no_session("nobody"), body, match) for body in ({}, {"title": "x"})),
    )
    for name, value in (("permission_mode", "default"), ("project_id", None), ("workspace_path", "/")):
        wanted = refusal(Says(name, "send If-Match"), "precondition_required")
        Ask(path, 428, wanted, {name: value, "title": "x"}).send(client)
    for bad in ("x", '"x"', '"1', "-1", "", '"1", "2"'):
        Ask(path, 400, refusal(Says("If-Match")), {"title": "x"}, {"If-Match": bad}).send(client)
    for old in ('"0"', "99", 'W/"18446744073709551615"'):
        stale = refusal(ANY, "precondition_failed", session_id=session, current_version=1)
        Ask(path, 412, stale, {"title": "x"}, {"If-Match": old}).send(client)
    assert get(server.api, session) == before
    assert listed(server.api)["total"] == 1


def test_each_change_is_told_and_counts(server, between):
    session = made(server.api)
    ref = {"provider": "offline", "model": "offline"}
    table = [  # what is said, what is there afterwards, and by how much the version rises
        ({"title": " Talk "}, {"title": "Talk", "title_version": 2}, 1),
        ({"pinned": True}, {"pinned": True}, 1),
        ({"model": "offline/offline", "reasoning_effort": "low"}, {"model": "offline", "reasoning_effort": "low"}, 1),
        ({"model_ref": ref | {"reasoning_effort": "max"}}, {"model_ref": ref | {"reasoning_effort": "max"}}, 1),
        ({"clear_reasoning_effort": True}, {"model_ref": ref}, 1),
        ({"title": "Walk", "pinned": False}, {"title": "Walk", "pinned": False}, 2),
        ({}, {"title": "Walk"}, 0),
        ({"permission_mode": "default"}, {"title": "Walk"}, 0),
        ({"project_id": None, "unknown": 1}, {"project_id": None}, 0),
        ({"gold_config": {}, "bypass_permissions": False}, {"title": "Walk"}, 0),
    ]
    client = between(server).client
    version = expect(client.get(f"{SESSIONS}/{session}"), 200)["session"]["metadata_version"]
    for body, there, rise in table:
        reply = client.patch(f"{SESSIONS}/{session}", json=body, headers={"If-Match": f'W/"{version}"'})
        row = expect(reply, 200)["session"]
        assert {key: row[key] for key in there} == there
        assert (row["metadata_version"], reply.headers["etag"]) == (version + rise, f'"{version + rise}"')
        assert "reasoning_effort" not in row or body == table[2][0] or body == table[3][0]
        version += rise
    assert get(between(server), session)["session"] == row


def test_delete_ends_whatever_is_there(server, between):
    """Runs, questions and messages that wait go with it, and every stream of it ends without a word."""
    each_state(server.api)
    names = ["done", "waiting", "asking", "failed", "stopped", "busy"]
    api = between(server)
    watchers = {name: api.watch(name, after=0, follow=1) for name in names}
    for name, watcher in watchers.items():
        watcher.wait_type("stream_opened")
        deleted = api.client.delete(f"{SESSIONS}/{name}")
        assert (deleted.status_code, deleted.content) == (200, b"")
        assert not watcher.wait_end().finished, "[DONE] would say that the run has ended"
    api = between(server)
    play(
        api.client,
        *(
            Ask(f"{method} {path.format(name)}", 404, no_session(name), body)
            for name in names
            for method, path, body in (
                ("DELETE", "/sessions/{}", None),
                ("GET", "/sessions/{}", None),
                ("GET", "/events/{}", None),
                ("GET", "/events/{}?after=1", None),
                ("GET", "/events/{}?after=x", None),
                ("GET", "/respond/{}/pending", None),
                ("POST", "/respond/{}", {"response": "a"}),
                ("GET", "/sessions/{}/runs", None),
                ("GET", "/sessions/{}/facts", None),
                ("POST", "/execute/{}", {}),
                ("POST", "/sessions/{}/copy", None),
            )
        ),
    )
    assert listed(api)["total"] == 0
    assert api.get("/api/v1/questions")["questions"] == []
