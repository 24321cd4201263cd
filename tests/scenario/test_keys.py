# SPDX-License-Identifier: MIT
"""Idempotency-Key: the same key gets the same reply, and the request is done once."""

import sqlite3
import threading
from concurrent.futures import ThreadPoolExecutor

import httpx
import pytest

from harness.api import expect
from harness.environment import TIMEOUT
from harness.offline import say, script

HANG = script({"hang": "content"})
DAY_MS = 24 * 3600 * 1000


def post(api, path, body, key, **headers):
    return api.client.post(f"/api/v1{path}", json=body, headers={"Idempotency-Key": key, **headers})


def what_is_replayed(response):
    return response.status_code, response.content, response.headers.get("etag"), response.headers["content-type"]


def assert_replayed(again, first):
    assert what_is_replayed(again) == what_is_replayed(first)
    assert again.headers["idempotency-replayed"] == "true"
    assert "idempotency-replayed" not in first.headers


def facts(api, session_id, kind):
    return [f for f in api.get(f"/api/v1/sessions/{session_id}/facts", limit=500)["facts"] if f["type"] == kind]


def posted(api, session_id):
    return [f for f in facts(api, session_id, "message_appended") if f["role"] == "user"]


def requests_of_every_kind(api):
    """(path, body, headers, status), in an order in which each has something to say."""
    run_id = expect(post(api, "/chat", {"session_id": "busy", "message": HANG, "execute": True}, "begin"), 201)[
        "run_id"
    ]
    api.whole_turn(say("hello"), "idle")
    api.chat(say("later"), "ready")
    return [
        ("/chat", {"message": "one", "session_id": "new"}, {}, 201),
        ("/chat", {"message": "two"}, {}, 201),
        ("/chat", {"message": "z" * 300_000, "session_id": "large"}, {}, 201),
        ("/chat", {"message": say("three"), "session_id": "now", "execute": True}, {}, 201),
        ("/chat", {"message": "four", "session_id": "busy", "execute": True}, {}, 201),
        ("/execute/ready", {}, {}, 202),
        ("/sessions/idle/execute", {}, {}, 200),
        ("/execute/idle", {"client_sync": {"client_message_count": 77}}, {}, 200),
        ("/execute/busy", {}, {}, 200),
        ("/sessions/busy/guidance", {"text": "mind the gap"}, {}, 202),
        ("/sessions/nobody/guidance", {"text": "hello?"}, {}, 404),
        ("/execute/nobody", {}, {}, 404),
        ("/stop/idle", None, {}, 404),
        ("/stop/nobody", None, {}, 404),
        ("/stop/busy", None, {"Bamboo-Run-Id": "another"}, 409),
        ("/stop/busy", None, {"Bamboo-Run-Id": run_id}, 200),
        ("/sessions", {"title": "five"}, {}, 201),
        ("/sessions", {}, {}, 201),
    ]


def send_all(api, requests):
    return [post(api, path, body, f"key-{i}", **headers) for i, (path, body, headers, _) in enumerate(requests)]


def test_a_repeat_gets_the_same_bytes_and_does_nothing(server, between):
    requests = requests_of_every_kind(server.api)
    first = send_all(server.api, requests)
    assert [r.status_code for r in first] == [status for *_, status in requests]
    api = between(server)
    for again, before in zip(send_all(api, requests), first, strict=True):
        assert_replayed(again, before)
    two = first[1].json()["session_id"]
    assert [len(posted(api, s)) for s in ("new", two, "large", "now", "busy", "ready")] == [1, 1, 1, 1, 3, 1]
    assert [len(facts(api, s, "execution_started")) for s in ("now", "ready", "idle")] == [1, 1, 1]
    assert len(facts(api, "busy", "cancel_requested")) == 1
    assert api.get("/api/v1/sessions")["total"] == 9


def post_waiting(api):
    api.chat(say("hello"), "s", message_id="m")


def test_a_message_is_taken_back_once(server, between):
    """Whoever repeats it is not told that it never was there, nor takes back another one of that id."""
    api = server.api
    post_waiting(api)
    path, key = "/api/v1/sessions/s/guidance/m", {"Idempotency-Key": "k"}
    first = api.client.delete(path, headers=key)
    assert first.status_code == 204
    api = between(server)
    assert_replayed(api.client.delete(path, headers=key), first)
    post_waiting(api)
    assert_replayed(api.client.delete(path, headers=key), first)
    api.wait_run(api.execute("s")["run_id"])
    assert_replayed(api.client.delete(path, headers=key), first)
    assert api.client.delete(path, headers={"Idempotency-Key": "another"}).status_code == 409


def test_messages_are_changed_once(server, between):
    """Also where what was changed is not there any more, or cannot be changed any more."""
    api = server.api
    for text in ("one", "two", "three"):
        api.whole_turn(say(text), "s")
    asked, answered, *_, last = [m["id"] for m in api.messages("s") if m["role"] in ("user", "assistant")]
    path = "/sessions/s/messages"
    requests = [
        ("PATCH", f"{path}/{asked}", {"content": "edited"}, 200),
        ("PATCH", f"{path}/no-such-message", {"content": "edited"}, 404),
        ("POST", "/sessions/s/restore", {"target_message_id": last, "restore_files": False}, 200),
        ("DELETE", f"{path}/{answered}", None, 200),
        ("POST", f"{path}/truncate", {"mode": "after_last_user"}, 200),
        ("POST", "/sessions/s/clear", None, 200),
        ("POST", f"{path}/truncate", {"mode": "error_retry"}, 400),
        ("POST", "/sessions/nobody/clear", None, 404),
    ]

    def send(api):
        return [
            api.client.request(method, f"/api/v1{path}", json=body, headers={"Idempotency-Key": f"k{i}"})
            for i, (method, path, body, _) in enumerate(requests)
        ]

    first = send(api)
    assert [r.status_code for r in first] == [status for *_, status in requests]
    api = between(server)
    log = api.get("/api/v1/sessions/s")["session"]["last_seq"]
    for again, before in zip(send(api), first, strict=True):
        if before.status_code == 200:
            assert_replayed(again, before)
        else:  # nothing was decided
            assert again.status_code == before.status_code
    assert api.get("/api/v1/sessions/s")["session"]["last_seq"] == log


def test_an_answer_is_given_once(server, between):
    asks = {"name": "ask_user", "args": {"question": "Which?", "options": ["a", "b"], "allow_custom": False}}
    _, run_id = server.api.turn(script({"tools": [asks]}, {"say": "Thank you."}), "s")
    server.api.wait_run(run_id)
    requests = [
        ("/respond/nobody", {"response": "a"}, {}, 404),
        ("/respond/s", {"response": "c"}, {}, 400),
        ("/respond/s", {"response": "a", "expected_tool_call_id": "another"}, {}, 409),
        ("/respond/s", {"response": "a"}, {}, 200),
        ("/respond/s", {"response": "b"}, {}, 400),
    ]
    first = send_all(server.api, requests)
    assert [r.status_code for r in first] == [status for *_, status in requests]
    api = between(server)
    for again, before in zip(send_all(api, requests), first, strict=True):
        assert_replayed(again, before)
    assert expect(post(api, "/respond/s", {"response": "b"}, "key-3"), 409)["error"]["code"] == "idempotency_key_reused"
    api.wait_run(first[3].json()["run_id"])
    assert len(facts(api, "s", "question_closed")) == 1


def test_a_made_session_is_told_as_it_was_made(server, between):
    first = post(server.api, "/sessions", {"title": "before"}, "k")
    made = first.json()["session"]
    assert expect(server.api.client.get(f"/api/v1/sessions/{made['id']}"), 200)["session"] == made
    expect(server.api.client.patch(f"/api/v1/sessions/{made['id']}", json={"title": "after"}), 200)
    api = between(server)
    assert_replayed(post(api, "/sessions", {"title": "before"}, "k"), first)
    assert api.session(made["id"])["title"] == "after"


def test_another_request_under_the_key_is_a_conflict(server, between):
    first = post(server.api, "/chat", {"message": "one", "session_id": "s"}, "k")
    bare = post(server.api, "/sessions", {}, "m")
    api = between(server)
    others = [
        post(api, "/chat", {"message": "two", "session_id": "s"}, "k"),
        post(api, "/execute/s", {"message": "one", "session_id": "s"}, "k"),
        post(api, "/stop/s", None, "k"),
        post(api, "/sessions", {"title": "t"}, "m"),
        post(api, "/chat", {"message": "no session named"}, "m"),
    ]
    for other in others:
        assert expect(other, 409)["error"]["code"] == "idempotency_key_reused"
        assert "Idempotency-Key" in other.json()["error"]["message"]
        assert "idempotency-replayed" not in other.headers
    assert_replayed(post(api, "/chat", {"message": "one", "session_id": "s"}, "k"), first)
    assert_replayed(post(api, "/sessions", {}, "m"), bare)
    expect(post(api, "/chat", {"message": "one", "session_id": "another"}, "k"), 201)  # a key is of its session
    assert len(posted(api, "s")) == 1


def test_the_run_that_a_stop_names_is_part_of_what_it_says(api):
    expect(post(api, "/chat", {"session_id": "s", "message": HANG, "execute": True}, "begin"), 201)
    expect(post(api, "/stop/s", None, "k", **{"Bamboo-Run-Id": "another"}), 409)
    assert expect(post(api, "/stop/s", None, "k"), 409)["error"]["code"] == "idempotency_key_reused"
    expect(post(api, "/stop/s", None, "l"), 200)


def test_both_paths_of_a_route_are_one(api):
    first = post(api, "/stop/s", None, "k")
    assert_replayed(post(api, "/sessions/s/stop", None, "k"), first)


def test_many_at_the_same_moment_are_one(server):
    count = 12
    together = threading.Barrier(count)

    def send(client):
        together.wait()
        headers = {"Idempotency-Key": "k"}
        return client.post("/api/v1/chat", json={"session_id": "s", "message": "once"}, headers=headers)

    with ThreadPoolExecutor(count) as pool:
        replies = list(pool.map(send, [server.client() for _ in range(count)]))
    assert len({what_is_replayed(r) for r in replies}) == 1
    assert replies[0].status_code == 201
    assert sum("idempotency-replayed" not in r.headers for r in replies) == 1
    assert len(posted(server.api, "s")) == 1


def test_a_repeat_does_not_depend_on_what_is_there_now(server, directory):
    workspace = directory / "work"
    workspace.mkdir()
    body = {"session_id": "s", "message": "hello", "workspace_path": str(workspace)}
    first = post(server.api, "/chat", body, "k")
    workspace.rmdir()
    expect(first, 201)
    assert_replayed(post(server.api, "/chat", body, "k"), first)
    refused = post(server.api, "/chat", body, "l")
    assert expect(refused, 400)["error"]["code"] == "workspace_invalid"
    workspace.mkdir()
    expect(post(server.api, "/chat", body, "l"), 201)  # what was refused was not kept


def test_keys_that_are_none(api):
    for bad in ("", "a b", "k" * 256, "a\tb", "é".encode()):
        refused = expect(post(api, "/chat", {"message": "x"}, bad), 400)["error"]
        assert refused["code"] == "invalid_idempotency_key"
        assert "Idempotency-Key" in refused["message"]
    twice = [("Idempotency-Key", "a"), ("Idempotency-Key", "b")]
    expect(api.client.post("/api/v1/stop/s", headers=twice), 400)
    expect(post(api, "/chat", {"message": "x"}, "k" * 255), 201)
    expect(post(api, "/chat", {"message": "x"}, "!~"), 201)


def test_deleting_a_session_erases_its_keys(server, between):
    body = {"session_id": "s", "message": "hello"}
    first = post(server.api, "/chat", body, "k")
    expect(server.api.client.delete("/api/v1/sessions/s"), 200, 204)
    api = between(server)
    anew = post(api, "/chat", body, "k")
    expect(anew, 201)
    assert "idempotency-replayed" not in anew.headers
    assert anew.content != first.content


def test_what_is_sent_until_it_is_answered_is_done_once(server):
    """Clients that give no request up, and a server that is killed five times meanwhile."""
    clients, each = 4, 20
    done = threading.Semaphore(0)

    def send(number):
        client = server.client(lasting=True)
        told = []
        for i in range(each):
            body = {"session_id": f"s{number}", "message": f"message {i}"}
            reply = None
            while reply is None or reply.status_code == 503:
                try:
                    reply = client.post("/api/v1/chat", json=body, headers={"Idempotency-Key": f"k{i}"})
                except httpx.TransportError:
                    reply = None
            told.append((body, what_is_replayed(reply)))
            done.release()
        return told

    with ThreadPoolExecutor(clients) as pool:
        senders = [pool.submit(send, n) for n in range(clients)]
        for _ in range(5):
            for _ in range(clients * each // 6):
                assert done.acquire(timeout=TIMEOUT)
            server.restart("kill")
        told = [sender.result() for sender in senders]
    for number, replies in enumerate(told):
        assert [status for _, (status, *_) in replies] == [201] * each
        assert [f["content"] for f in posted(server.api, f"s{number}")] == [body["message"] for body, _ in replies]
        for i, (body, reply) in enumerate(replies):
            assert what_is_replayed(post(server.api, "/chat", body, f"k{i}")) == reply


@pytest.mark.parametrize("point", ["engine.append", "engine.reply"])
def test_a_command_sends_again_what_may_have_been_taken(make_server, cli, point):
    """The server dies before or after the message is stored; who is told nothing asks the next one."""
    server = make_server(env={"CULM_CRASH": f"{point}:1"})
    running = cli.start("run", "--session", "s", say("once"))
    assert server.wait_exit() == 137
    server.env.clear()
    server.start()
    assert running.wait() == 0, running.stderr
    assert "once" in running.stdout
    assert len(posted(server.api, "s")) == 1
    assert len(facts(server.api, "s", "execution_started")) == 1


# ---- time ----


def crc32c(data):
    crc = 0xFFFFFFFF
    for byte in data:
        crc ^= byte
        for _ in range(8):
            crc = crc >> 1 ^ (0x82F63B78 if crc & 1 else 0)
    return crc ^ 0xFFFFFFFF


def age_receipts(server, by_ms):
    """As if all of them had been written so much earlier; the server is not running."""
    with sqlite3.connect(server.data_dir / "culm.db") as db:
        for ord_, at, *texts in db.execute("SELECT ord, at, session, key, fingerprint, reply FROM receipt").fetchall():
            data = (at - by_ms).to_bytes(8, "little", signed=True)
            for text in texts:
                data += len(text.encode()).to_bytes(8, "little") + text.encode()
            db.execute("UPDATE receipt SET at = ?, crc = ? WHERE ord = ?", (at - by_ms, crc32c(data), ord_))
    db.close()


@pytest.mark.parametrize(("hours", "status"), [(23, 201), (25, 410), (7 * 24 + 23, 410)])
def test_a_key_expires_after_a_day(server, hours, status):
    body = {"session_id": "s", "message": "hello"}
    first = post(server.api, "/chat", body, "k")
    server.sigterm()
    age_receipts(server, hours * 3600 * 1000)
    server.start()
    again = post(server.api, "/chat", body, "k")
    assert again.status_code == status
    if status == 201:
        assert_replayed(again, first)
    else:
        assert again.json()["error"]["code"] == "idempotency_key_expired"
        assert "24 hours" in again.json()["error"]["message"]
    assert len(posted(server.api, "s")) == 1


def test_a_key_is_forgotten_a_week_later(server):
    body = {"session_id": "s", "message": "hello"}
    for key in ("k", "l"):
        expect(post(server.api, "/chat", body, key), 201)
    server.sigterm()
    age_receipts(server, 9 * DAY_MS)
    server.start()
    expect(post(server.api, "/chat", body, "k"), 410)  # nothing has been written since
    expect(post(server.api, "/chat", body, "new"), 201)
    anew = post(server.api, "/chat", body, "k")
    expect(anew, 201)
    assert "idempotency-replayed" not in anew.headers
