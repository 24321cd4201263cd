# SPDX-License-Identifier: MIT
"""Limits and bad input: every one is refused with its reason, and the server goes on."""

import json
import threading

import pytest

from harness import wire
from harness.api import expect
from harness.offline import say

JSON = ("Content-Type", "application/json")
CHAT = "/api/v1/chat"
MIB = 1024 * 1024


def post(server, body, path=CHAT, fields=(JSON,), **more):
    return wire.exchange(server, wire.request(server, method="POST", path=path, body=body, fields=fields, **more))


def message_of(reply):
    return json.loads(reply.body)["error"]["message"]


@pytest.fixture(autouse=True)
def still_there(server):
    """Whatever a test sends, the server answers the next request."""
    yield
    assert server.api.client.get("/healthz").status_code == 200


# JSON


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"nonsense",
        b"[]",
        b'"text"',
        b"null",
        b"{",
        b'{"message":"x"',
        b'{"message":"x"} trailing',
        b"{'message':'x'}",
        b'{"message":NaN}',
        b'{"message":"x",}',
        b'{"message":"tab\there"}',
        b'{"message":"x","message":"y"}',
        b'{"mess\\u0000age":"x"}',
        b'{"message":"broken \xff\xfe"}',
        b'{"message":"half \xc3"}',
        b'{"message":"surrogate \xed\xa0\x80"}',
        b'{"message":"lone \\ud800"}',
        b'{"message":"overlong \xc0\xaf"}',
        b'\xef\xbb\xbf{"message":"x"}',
        b'{"message":7}',
        b'{"message":null}',
        b"{}",
        b'{"message":"x","execute":"yes"}',
        b'{"message":"x","session_id":5}',
    ],
    ids=repr,
)
def test_what_is_not_a_chat_is_400(server, body):
    reply = post(server, body or b" ")
    assert reply.status == 400
    assert message_of(reply)


def test_the_error_names_the_path(server):
    reply = post(server, b'{"message":"x","execute":"yes"}')
    assert "execute" in message_of(reply)


def test_numbers_beyond_64_bits_are_an_error_with_the_path(server):
    session_id = server.api.chat("x")["session_id"]
    body = b'{"run_budget":{"max_total_tokens":99999999999999999999}}'
    reply = post(server, body, f"/api/v1/execute/{session_id}")
    assert reply.status == 400
    assert "max_total_tokens" in message_of(reply)


def test_depth_has_a_limit(server):
    deep = b'{"message":"x","ignored":' + b"[" * 62 + b"]" * 62 + b"}"
    assert post(server, deep).status == 201
    too_deep = b'{"message":"x","ignored":' + b"[" * 70 + b"]" * 70 + b"}"
    assert post(server, too_deep).status == 400
    absurd = b"[" * 500_000
    assert post(server, absurd).status == 400


def test_nodes_have_a_limit(server):
    body = b'{"message":"x","ignored":[' + b",".join([b"1"] * 100_001) + b"]}"
    assert post(server, body).status == 400


def test_unknown_keys_are_ignored(server):
    assert post(server, b'{"message":"x","from_the_future":{"a":[1,2]}}').status == 201


# sizes


def test_a_large_message_is_taken(server, between):
    text = "é" * (2 * MIB)
    session_id = server.api.chat(text)["session_id"]
    api = between(server)
    api.wait_run(api.execute(session_id)["run_id"])
    assert api.conversation(session_id)[0] == ("user", text)


def test_bodies_above_their_limit_are_413(server):
    client = server.client()
    session_id = server.api.chat("x")["session_id"]
    big = {"skill_mode": "x" * (MIB + 1)}
    assert client.post(f"/api/v1/execute/{session_id}", json=big).status_code == 413
    request = wire.request(server, method="POST", path=CHAT, fields=[JSON, ("Content-Length", str(26 * MIB))])
    assert wire.exchange(server, request + b"{").status == 413


def test_header_block_and_target_have_limits(server):
    reply = wire.exchange(server, wire.request(server, fields=[("X-Big", "x" * 40_000)]))
    assert reply is None or reply.status in (400, 413, 431)
    reply = wire.exchange(server, wire.request(server, path="/api/v1/sessions?q=" + "x" * 9000))
    assert reply is None or reply.status in (400, 414)


# ids


@pytest.mark.parametrize("bad", ["a b", "a/b", "ü", ".", "..", "x" * 129, "a\tb", "a;b", "<x>"])
def test_ids_that_are_none_are_400(server, bad):
    reply = post(server, json.dumps({"message": "x", "session_id": bad}).encode())
    assert reply.status == 400
    assert message_of(reply)


@pytest.mark.parametrize("good", ["a", "x" * 128, "A.b_c:d-9", "...", "0"])
def test_ids_that_are_some_are_taken(server, good):
    assert post(server, json.dumps({"message": "x", "session_id": good}).encode()).status == 201


def test_a_blank_id_is_a_new_session(server):
    reply = post(server, b'{"message":"x","session_id":"  "}')
    assert reply.status == 201
    assert json.loads(reply.body)["session_id"].strip()


# routes


@pytest.mark.parametrize(
    "path", ["/api/v1/nowhere", "/api/v1/sessions/x/nowhere", "/api/v1/", "/v1/nowhere", "/api/v2/x"]
)
def test_unknown_paths_are_404(server, path):
    assert wire.exchange(server, wire.request(server, path=path)).status == 404


@pytest.mark.parametrize(
    ("method", "path"),
    [("GET", CHAT), ("DELETE", CHAT), ("PUT", "/api/v1/sessions"), ("POST", "/api/v1/events/x"), ("TRACE", "/healthz")],
)
def test_other_methods_are_405(server, method, path):
    reply = wire.exchange(server, wire.request(server, method=method, path=path))
    assert reply.status == 405
    assert reply.headers["allow"]


@pytest.mark.parametrize(
    "path", ["/api/v1/history/%00", "/api/v1/history/a%00b", "/api/v1/history/%zz", "/api/v1/history/%ff"]
)
def test_malformed_escapes_are_400(server, path):
    assert wire.exchange(server, wire.request(server, path=path)).status == 400


@pytest.mark.parametrize(
    ("path", "name"),
    [
        ("/api/v1/sessions/a?at_seq=%ZZ", "at_seq"),
        ("/api/v1/sessions?limit=%", "limit"),
        ("/api/v1/events/a?after=1&deltas=%f", "deltas"),
        ("/api/v1/stream?since=%ff", "since"),
        ("/api/v1/history/a?%zz", "%zz"),
    ],
)
def test_a_query_with_a_malformed_escape_is_400_and_names_the_parameter(server, path, name):
    reply = wire.exchange(server, wire.request(server, path=path))
    assert reply.status == 400
    assert f"query: {name}: " in message_of(reply)


def test_an_escaped_slash_is_no_separator(server):
    assert wire.exchange(server, wire.request(server, path="/api/v1/sessions/a%2Fhistory")).status in (400, 404)


# framing


@pytest.mark.parametrize(
    "fields",
    [
        [("Content-Length", "2"), ("Content-Length", "3")],
        [("Content-Length", "2"), ("Transfer-Encoding", "chunked")],
        [("Content-Length", "+2")],
        [("Content-Length", "0x2")],
        [("Content-Length", "-1")],
        [("Content-Length", "2, 2")],
        [("Transfer-Encoding", "gzip")],
        [("Transfer-Encoding", "chunked, identity")],
        [("Transfer-Encoding", "xchunked")],
        [("Transfer-Encoding", "chunked"), ("Transfer-Encoding", "chunked")],
    ],
    ids=str,
)
def test_framing_that_can_be_read_in_two_ways_is_400(server, fields):
    request = wire.request(server, method="POST", path=CHAT, fields=[JSON, *fields])
    reply = wire.exchange(server, request + b"{}")
    assert reply is not None
    assert reply.status in (400, 501)


def test_a_control_character_in_a_header_is_400(server):
    request = wire.request(server, fields=[("X-Bad", "a\x01b")])
    assert wire.exchange(server, request).status == 400


def test_a_chunked_body_is_taken(server):
    request = wire.request(server, method="POST", path=CHAT, fields=[JSON, ("Transfer-Encoding", "chunked")])
    body = b'{"message":"in pieces"}'
    pieces = b"".join(b"%x\r\n%s\r\n" % (len(part), part) for part in (body[:5], body[5:])) + b"0\r\n\r\n"
    assert wire.exchange(server, request + pieces).status == 201


def test_two_requests_on_one_connection(server):
    with server.client() as client:
        for _ in range(3):
            expect(client.get("/api/v1/sessions"), 200)


# two at once


def test_two_messages_racing_are_both_kept(server, between):
    api = server.api
    session_id = api.chat(say("zero"))["session_id"]
    client, replies = server.client(), []

    def race(n):
        replies.append(expect(client.post(CHAT, json={"message": say(f"n{n}"), "session_id": session_id}), 201))

    threads = [threading.Thread(target=race, args=(n,)) for n in range(16)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len({r["message_id"] for r in replies}) == 16
    api = between(server)
    api.wait_run(api.execute(session_id)["run_id"])
    users = [m["id"] for m in api.messages(session_id) if m["role"] == "user"]
    assert sorted(users) == sorted(set(users))
    assert {r["message_id"] for r in replies} <= set(users)


def test_many_executes_start_one_run(server):
    session_id = server.api.chat(say("once", delay_ms=2))["session_id"]
    client, replies = server.client(), []

    def race():
        replies.append(client.post(f"/api/v1/execute/{session_id}", json={}).json())

    threads = [threading.Thread(target=race) for _ in range(16)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    started = [r for r in replies if r["status"] == "started"]
    assert len(started) == 1
    server.api.wait_run(started[0]["run_id"])
    assert {r["run_id"] for r in replies if "run_id" in r} == {started[0]["run_id"]}
    assert len(server.api.runs(session_id)) == 1


@pytest.mark.slow
def test_a_client_that_never_ends_its_headers_is_let_go(server):
    reply = wire.exchange(server, b"GET /healthz HTTP/1.1\r\nHost: localhost\r\nX-Slow: ")
    assert reply is None or reply.status == 408
