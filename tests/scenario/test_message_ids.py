# SPDX-License-Identifier: MIT
"""Ids of messages that senders choose: what a repeat is told, and when an id is free again (else see test_chat.py)."""

from harness.api import expect
from harness.offline import say

WAITING = "/api/v1/sessions/s/guidance"


def chat(server, status=201, *, key=None, **body):
    headers = {"Idempotency-Key": key} if key else {}
    whole = {"message": say("hello"), "session_id": "s"} | body
    return expect(server.client().post("/api/v1/chat", json=whole, headers=headers), status)


def guide(server, message, status):
    return expect(server.client().post(WAITING, json={"text": "x", "id": message}), status)


def test_a_repeat_under_its_key_is_the_same_message(server, between):
    first = chat(server, key="a", message_id="m")
    refused = chat(server, 409, key="b", message_id="m")
    between(server)
    assert chat(server, key="a", message_id="m") == first
    expect(server.client().delete(f"{WAITING}/m"), 204)
    assert chat(server, 409, key="b", message_id="m") == refused, "the key has its reply"
    assert chat(server, key="a", message_id="m") == first
    assert server.api.session("s")["state"] == "idle"


def test_an_id_is_free_again_when_its_message_is_gone(server):
    server.api.wait_run(chat(server, message_id="m", execute=True)["run_id"])
    expect(server.client().delete("/api/v1/sessions/s/messages/m"), 200)
    chat(server, message_id="m")
    assert chat(server, 409, message_id="m")["error"]["message"].startswith("chat request: message_id: ")
    assert guide(server, "m", 409)["error"]["message"].startswith("guidance: id: ")
    expect(server.client().delete(f"{WAITING}/m"), 204)
    assert guide(server, "m", 202)["id"] == "m"


def test_an_id_is_free_in_another_session(server):
    chat(server, message_id="m")
    assert chat(server, session_id="other", message_id="m")["message_id"] == "m"
