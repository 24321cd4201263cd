# SPDX-License-Identifier: MIT
"""Every reply of GET /history, before and after a restart."""

from unittest.mock import ANY

from harness.api import expect
from harness.offline import say, script
from harness.replies import HANG, Ask, made, no_session, play, refusal

LONGEST = 2000


def history(session_id, messages, total, **more):
    """The whole reply."""
    told = {"session_id": session_id, "messages": messages, "is_delta": False, "truncated": False}
    return told | {"total_message_count": total, "compression_events": []} | more


def short(session_id, messages, total, **more):
    """The same with projection=messages."""
    wanted = history(session_id, messages, total, projection="messages", **more)
    del wanted["compression_events"]
    return wanted


def talk(api):
    """One message of each kind; the whole of it."""
    api.chat(script({"reason": "hm", "tools": [{"name": "a"}, {"name": "b"}]}, {"say": "Found."}), "s")
    expect(api.client.post("/api/v1/chat", json={"session_id": "s", "message": "and this"}), 201)
    api.wait_run(api.execute("s")["run_id"])
    return api.messages("s")


def test_a_message_has_what_is_known_of_it(server, between):
    server.api.chat(script({"reason": "hm", "tools": [{"name": "a", "args": {"x": 1}}]}, {"say": "Found."}), "s")
    posted = server.api.chat("and this", "s", system_prompt="Be kind.")["message_id"]
    server.api.wait_run(server.api.execute("s")["run_id"])
    server.api.chat("Be kind.", "t", system_prompt="Be kind.")
    api = between(server)
    every = {"id": ANY, "content": ANY, "created_at": ANY}
    call = {"id": ANY, "type": "function", "function": {"name": "a", "arguments": '{"x": 1}'}}
    wanted = [
        every | {"role": "user"},
        every | {"role": "user", "id": posted, "content": "and this"},
        every | {"role": "assistant", "content": "", "phase": "commentary", "reasoning": "hm", "tool_calls": [call]},
        every | {"role": "tool", "tool_call_id": ANY, "tool_success": False},
        every | {"role": "assistant", "content": "Found.", "phase": "final_answer"},
    ]
    messages = Ask("GET /history/s", 200, history("s", wanted, 5)).send(api.client)["messages"]
    assert messages[3]["tool_call_id"] == messages[2]["tool_calls"][0]["id"]
    assert api.client.get("/api/v1/sessions/s/history").json()["messages"] == messages
    system = every | {"role": "system", "content": "Be kind.", "id": "t"}
    Ask("GET /history/t", 200, history("t", [system], 1)).send(api.client)


def test_what_follows_a_message_and_what_was_said_in_short(server, between):
    messages = talk(server.api)
    empty = made(server.api)
    server.api.turn(HANG, "busy")
    client = between(server).client
    n = len(messages)
    ids = [m["id"] for m in messages]
    said = [
        {key: m[key] for key in ("id", "role", "content", "created_at")}
        for m in messages
        if m["role"] in ("user", "assistant") and m["content"]
    ]
    assert 0 < len(said) < n
    delta = {"is_delta": True}
    play(
        client,
        Ask("GET /history/s", 200, history("s", messages, n)),
        *(
            Ask(f"GET /history/s?since_message_id={ids[i]}", 200, history("s", messages[i + 1 :], n, **delta))
            for i in range(n)
        ),
        Ask("GET /history/s?since_message_id=unknown", 200, history("s", messages, n)),
        Ask("GET /history/s?since_message_id=", 200, history("s", messages, n)),
        Ask("GET /history/s?projection=messages", 200, short("s", said, n)),
        Ask(f"GET /history/s?projection=messages&since_message_id={ids[-2]}", 200, short("s", said[-1:], n, **delta)),
        Ask("GET /history/s?projection=all", 400, refusal('query: projection: expected "messages"')),
        Ask(f"GET /history/{empty}", 200, history(empty, [], 0)),
        Ask(f"GET /history/{empty}?since_message_id=x", 200, history(empty, [], 0)),
        Ask("GET /history/busy", 200, history("busy", [ANY], 1)),
        Ask("GET /history/nobody", 404, no_session("nobody")),
        Ask("GET /sessions/nobody/history?projection=messages", 404, no_session("nobody")),
    )


def test_a_long_transcript_is_cut_at_its_beginning(server, between):
    """Never in the middle of an answer and the results of its calls."""
    api = server.api
    calls = [{"tools": [{"name": "a", "args": {"n": i}}] * 80} for i in range(7)]
    for _ in range(4):
        api.whole_turn(script(*calls, {"say": "end"}), "s")
    total = 4 * (1 + 7 * 81 + 1)
    assert total > LONGEST
    api = between(server)
    told = api.history("s")
    roles = [m["role"] for m in told["messages"]]
    assert (told["truncated"], told["is_delta"], told["total_message_count"]) == (True, False, total)
    assert LONGEST - 80 <= len(roles) <= LONGEST
    assert roles[0] != "tool"
    first = told["messages"][0]["id"]
    rest = api.history("s", since_message_id=first)
    assert (rest["truncated"], rest["is_delta"], rest["messages"]) == (False, True, told["messages"][1:])
    unknown = api.history("s", since_message_id="unknown")
    assert unknown == told
    brief = api.history("s", projection="messages")
    assert brief["truncated"] is True
    assert {m["role"] for m in brief["messages"]} == {"user", "assistant"}
    api.whole_turn(say("one more"), "s")
    assert api.history("s")["total_message_count"] == total + 2
