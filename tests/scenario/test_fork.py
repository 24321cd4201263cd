# SPDX-License-Identifier: MIT
"""Sessions that begin with the transcript of another one: all of it, as it was, or up to a message."""

import pytest

from harness import checks
from harness import provider as p
from harness.api import expect
from harness.offline import say, script

HANG = script({"hang": "content"})
ASK = script({"tools": [{"name": "ask_user", "args": {"question": "Which one?"}}]}, {"say": "Thank you."})
TWO_CALLS = script({"say": "Looking.", "tools": [{"name": "a", "args": {"x": 1}}, {"name": "b"}]}, {"say": "Found."})


def copy(server, session="s", status=201, **headers):
    return expect(server.client().post(f"/api/v1/sessions/{session}/copy", headers=headers), status)


def fork(server, status=201, session="s", headers=None, **body):
    return expect(server.client().post(f"/api/v1/sessions/{session}/fork", json=body, headers=headers), status)


def without_ids(messages):
    """The system message has the id of its session."""
    return [
        {k: v for k, v in m.items() if (m["role"], k) not in (("system", "id"), ("system", "created_at"))}
        for m in messages
    ]


def test_a_copy_has_all_of_it_and_goes_its_own_way(make_server, provider, directory, between):
    server = make_server(env=provider.environment)
    provider.reply(p.reasoning("because"), *p.answer("one"))
    provider.reply(*p.answer("two"))
    provider.reply(*p.answer("deux"))
    server.api.whole_turn("first", "s", system_prompt="Be kind.", workspace_path=str(directory))
    expect(server.client().patch("/api/v1/sessions/s", json={"title": "Talk", "reasoning_effort": "low"}), 200)
    before = server.api.session("s")
    made = copy(server)["session"]
    new = made["id"]
    assert new != "s"
    assert made["title"] == "Talk (copy)"
    assert made["workspace_path"] == str(directory)
    assert made["model"] == before["model"]
    assert made["reasoning_effort"] == "low"
    assert made["message_count"] == 3
    assert made["forked_from"] == {"session_id": "s", "seq": before["last_seq"]}
    assert server.api.session(new) == made
    between(server)
    assert server.api.session(new) == made
    assert without_ids(server.api.messages(new)) == without_ids(server.api.messages("s"))
    assert server.api.messages(new)[2]["reasoning"] == "because"
    assert server.api.execute(new, status=200)["status"] == "completed"
    server.api.whole_turn("second", "s")
    server.api.whole_turn("another second", new)
    asked = [[m["content"] for m in r.json["messages"]] for r in provider.requests[1:]]
    assert asked == [["Be kind.", "first", "one", "second"], ["Be kind.", "first", "one", "another second"]]
    expect(server.client().delete("/api/v1/sessions/s"), 200)
    assert [text for _, text in server.api.conversation(new)] == ["first", "one", "another second", "deux"]
    checks.stream(server.api.replay(new))


def facts(server):
    return server.api.get("/api/v1/sessions/s/facts", limit=500)["facts"]


def test_a_fork_is_as_it_was_after_each_fact(server, between):
    server.api.whole_turn(TWO_CALLS, "s", system_prompt="Be kind.")
    message = server.api.messages("s")[1]["id"]
    expect(server.client().patch(f"/api/v1/sessions/s/messages/{message}", json={"content": "edited"}), 200)
    last = server.api.session("s")["last_seq"]
    made = {seq: fork(server, at_seq=seq)["session"] for seq in range(1, last + 1, 3)}
    between(server)
    for seq, session in made.items():
        assert session["forked_from"] == {"session_id": "s", "seq": seq}
        then = server.api.history("s", at_seq=seq)["messages"]
        now = server.api.messages(session["id"])
        assert len(now) == session["message_count"]
        called = {c["id"]: c["function"]["name"] for m in now for c in m.get("tool_calls", [])}
        assert [m["tool_call_id"] for m in now if m["role"] == "tool"] == list(called)
        added = [m for m in now if m["role"] == "tool" and "Not carried over" in m["content"]]
        assert not any(m["tool_success"] for m in added)
        assert without_ids([m for m in now if m not in added]) == without_ids(then)
    assert {1, 5, 6} <= {len(server.api.messages(s["id"])) for s in made.values()} <= {1, 2, 5, 6}


def test_a_fork_between_two_results_has_both(server):
    server.api.whole_turn(TWO_CALLS, "s")
    ended = [f["seq"] for f in facts(server) if f["type"] in ("tool_complete", "tool_error")]
    new = fork(server, at_seq=ended[0])["session"]["id"]
    results = [m for m in server.api.messages(new) if m["role"] == "tool"]
    assert results[0]["content"] == server.api.messages("s")[2]["content"]
    assert results[1]["content"] == "Not carried over: this session was copied before the call had ended."
    server.api.wait_run(server.api.execute(new)["run_id"])  # there are results to be read
    assert server.api.messages(new)[-1]["content"] == "Found."


@pytest.mark.parametrize(("which", "left"), [(0, 1), (1, 2), (2, 5), (3, 5), (5, 6)])
def test_a_fork_ends_with_the_named_message(server, which, left):
    server.api.whole_turn(TWO_CALLS, "s", system_prompt="Be kind.")
    server.api.whole_turn(say("two"), "s")
    messages = server.api.messages("s")
    made = fork(server, message_id=messages[which]["id"])["session"]
    assert made["message_count"] == left
    assert made["forked_from"]["seq"] == server.api.session("s")["last_seq"]
    assert without_ids(server.api.messages(made["id"])) == without_ids(messages[:left])
    if which == 1:  # it is answered anew
        server.api.wait_run(server.api.execute(made["id"])["run_id"])
        assert server.api.messages(made["id"])[-1]["content"] == "Found."


def test_a_question_stays_with_the_session_that_asked(server, between):
    run = server.api.chat(ASK, "s", execute=True)["run_id"]
    server.api.wait_run(run)
    new = copy(server)["session"]["id"]
    between(server)
    assert server.api.session("s")["state"] == "asking"
    made = server.api.session(new)
    assert (made["state"], made["open_questions"]) == ("idle", 0)
    assert server.api.messages(new)[-1]["content"] == (
        "Not carried over: this session was copied while the question was open."
    )
    server.api.wait_run(server.api.execute(new)["run_id"])
    assert server.api.messages(new)[-1]["content"] == "Thank you."
    told = expect(server.client().post("/api/v1/respond/s", json={"response": "this"}), 200)
    server.api.wait_run(told["run_id"])


def test_a_session_at_work_can_be_copied(server, between):
    run = server.api.chat(HANG, "s", execute=True)["run_id"]
    made = copy(server)["session"]
    assert made["is_running"] is False
    assert made["message_count"] == 1
    between(server)
    assert server.api.conversation(made["id"]) == [("user", HANG)]
    assert server.api.run(run)["status"] == "running"


def test_a_repeat_under_its_key_makes_one(server, between):
    server.api.whole_turn(say("one"), "s")
    last = server.api.messages("s")[-1]["id"]
    key = {"Idempotency-Key": "k"}
    first = copy(server, **key)
    other = fork(server, at_seq=2, headers={"Idempotency-Key": "l"})
    third = fork(server, message_id=last, headers={"Idempotency-Key": "m"})
    server.api.whole_turn(say("more"), first["session"]["id"])
    between(server)
    assert copy(server, **key) == first
    expect(server.client().delete("/api/v1/sessions/s"), 200)
    assert copy(server, **key) == first
    assert fork(server, at_seq=2, headers={"Idempotency-Key": "l"}) == other
    assert fork(server, message_id=last, headers={"Idempotency-Key": "m"}) == third
    assert fork(server, 409, at_seq=3, headers={"Idempotency-Key": "l"})["error"]["code"] == "idempotency_key_reused"
    assert copy(server, status=404, **{"Idempotency-Key": "new"})["session_id"] == "s"
    server.api.chat("another of this name", "s")
    assert fork(server, at_seq=2, headers={"Idempotency-Key": "l"}) == other
    assert server.api.get("/api/v1/sessions")["total"] == 4


def test_a_key_is_of_the_session_that_is_copied(server):
    for session in ("a", "b"):
        server.api.chat("hello", session)
    made = {copy(server, session, **{"Idempotency-Key": "k"})["session"]["id"] for session in ("a", "b")}
    assert len(made) == 2


REFUSED = [
    ({}, 400, "either at_seq"),
    ({"at_seq": 1, "message_id": "m"}, 400, "either at_seq"),
    ({"at_seq": 0}, 400, "fork: at_seq: expected the number of a fact of this session, from 1 to"),
    ({"at_seq": 99}, 400, "from 1 to"),
    ({"at_seq": -1}, 400, "at_seq"),
    ({"at_seq": "x"}, 400, "at_seq"),
    ({"message_id": "nothing"}, 404, "Message not found"),
    ({"message_id": "a/b"}, 400, "message_id"),
]


def test_what_is_refused(server, between):
    server.api.chat("hello", "s")
    between(server)
    for body, status, part in REFUSED:
        assert part in fork(server, status, **body)["error"]["message"], body
    assert server.api.get("/api/v1/sessions")["total"] == 1


def test_an_unknown_session_is_said(server, between):
    between(server)
    assert copy(server, "nobody", 404)["session_id"] == "nobody"
    assert fork(server, 404, "nobody", message_id="m")["session_id"] == "nobody"
    assert fork(server, 404, "nobody", at_seq=1)["session_id"] == "nobody"


def test_what_waits_is_not_of_the_transcript(server):
    server.api.whole_turn(say("one"), "s")
    server.api.chat("two", "s")
    assert copy(server)["session"]["message_count"] == 2


def test_a_transcript_that_is_too_long_is_not_copied(server):
    server.api.whole_turn(say("one"), "s")
    first = server.api.messages("s")[-1]["id"]
    server.api.chat("x" * (17 * 1024 * 1024), "s", execute=True)
    server.api.wait_run(server.api.runs("s")[0]["run_id"])
    told = copy(server, status=413)
    assert "at most 16777216 bytes" in told["error"]["message"]
    assert fork(server, message_id=first)["session"]["message_count"] == 2
    last = server.api.session("s")["last_seq"]
    assert fork(server, 413, at_seq=last)["error"]["code"] == "too_large"
