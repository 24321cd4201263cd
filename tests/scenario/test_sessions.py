# SPDX-License-Identifier: MIT
"""Sessions as things: list, get, create, patch, delete, pages, and the words for their state."""

import threading

import pytest

from harness import provider as p
from harness.api import expect
from harness.offline import say

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


@pytest.mark.parametrize("body", [{"title": 5}, {"pinned": "yes"}, {"title": None, "pinned": 1}])
def test_patches_of_the_wrong_type_are_400(server, body):
    session_id = expect(server.api.client.post(SESSIONS, json={}), 201)["session"]["id"]
    expect(server.api.client.patch(f"{SESSIONS}/{session_id}", json=body), 400)


@pytest.mark.parametrize("value", ["x", '"x"', '"1', "-1", ""])
def test_a_malformed_if_match_is_refused(server, value):
    session_id = expect(server.api.client.post(SESSIONS, json={}), 201)["session"]["id"]
    reply = server.api.client.patch(f"{SESSIONS}/{session_id}", json={"title": "t"}, headers={"If-Match": value})
    assert reply.status_code in (400, 412)


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


@pytest.mark.parametrize("params", [{"limit": "x"}, {"offset": "-1"}, {"cursor": "not-a-cursor"}, {"limit": "1e9"}])
def test_bad_pages_are_400(server, params):
    expect(server.api.client.get(SESSIONS, params=params), 400)


def test_children_and_roots(server, many):
    assert listed(server.api, kind="child")["sessions"] == []
    assert listed(server.api, kind="root")["total"] == 7
