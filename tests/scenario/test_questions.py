# SPDX-License-Identifier: MIT
"""Runs that ask: each reply of the questions' routes, on a server that goes on and on one that is restarted between."""

import json
import threading
from unittest.mock import ANY

import pytest

from harness import provider as p
from harness.api import expect, poll
from harness.offline import script
from harness.replies import Ask, Says, each_state, made, no_session, play, refusal

WHICH = {"question": "Which one?", "options": ["a", "b"], "allow_custom": False}
HOW = {"question": "How?"}


def ask(*questions, then=None, **more):
    """A prompt whose first answer asks, and whose second says `then`."""
    tools = [{"name": "ask_user", "args": q} for q in questions]
    return script({"say": "Let me ask. ", "tools": tools} | more, then or {"say": "Thank you."})


@pytest.fixture
def pause(server, between):
    return lambda: between(server)


def suspended(server, session, *questions, **more):
    api = server.api
    api.chat(ask(*questions, **more), session)
    run = api.execute(session)["run_id"]
    api.wait_run(run)
    assert api.run(run)["end"] == "suspended"
    return run


def answer(server, session, text, status=200, **more):
    body = {"response": text} | more
    return expect(server.client().post(f"/api/v1/respond/{session}", json=body), status)


def pending(server, session):
    return expect(server.client().get(f"/api/v1/respond/{session}/pending"), 200)


def test_a_question_is_shown_and_its_answer_goes_on(server, pause):
    asked = suspended(server, "q", WHICH)
    session = server.api.session("q")
    assert session["state"] == "asking"
    assert session["last_run_status"] == "suspended"
    assert session["has_pending_question"]
    assert session["open_questions"] == 1
    assert not session["is_running"]
    pause()
    shown = pending(server, "q")
    call = shown["tool_call_id"]
    assert shown["has_pending_question"]
    assert shown["interaction_kind"] == "clarification"
    assert shown["question"] == "Which one?"
    assert shown["options"] == ["a", "b"]
    assert shown["allow_custom"] is False
    assert shown["tool_name"] == "ask_user"
    assert shown["source"] == "pause_tool"
    assert len(shown["questions"]) == 1
    assert expect(server.client().post("/api/v1/execute/q", json={}), 200)["status"] == "completed"
    wrong = answer(server, "q", "c", 400)
    assert wrong["error"]["message"] == "Invalid response"
    assert wrong["message"] == "Response must be one of: a, b"
    other = answer(server, "q", "a", 409, expected_tool_call_id="call_9")
    assert other["error"]["message"] == "Pending question changed"
    assert other["expected_tool_call_id"] == "call_9"
    assert other["actual_tool_call_id"] == call
    pause()
    told = answer(server, "q", "a", expected_tool_call_id=call)
    assert told["success"]
    assert told["response"] == "a"
    assert told["auto_resume_status"] == "started"
    assert told["run_id"] != asked
    server.api.wait_run(told["run_id"])
    pause()
    assert server.api.run(told["run_id"])["origin"] == "answer"
    assert [m["content"] for m in server.api.messages("q")][-2:] == ["a", "Thank you."]
    assert pending(server, "q") == {"has_pending_question": False, "interaction_kind": None, "questions": []}
    assert answer(server, "q", "a", 400)["error"]["message"] == "No pending question waiting for response"
    assert answer(server, "q", "a", 409, expected_tool_call_id=call)["actual_tool_call_id"] is None
    assert answer(server, "nobody", "a", 404)["error"]["message"].startswith("Session not found")


def test_several_questions_are_in_one_inbox(server, pause):
    suspended(server, "p", WHICH, HOW)
    suspended(server, "q", {"question": "When?", "deadline_seconds": 3600, "default": "now"})
    pause()
    listed = expect(server.client().get("/api/v1/questions"), 200)["questions"]
    assert [(q["session_id"], q["question"]) for q in listed] == [("p", "Which one?"), ("p", "How?"), ("q", "When?")]
    assert listed[2]["on_expiry"] == {"action": "answer", "answer": "now"}
    page = expect(server.client().get("/api/v1/questions", params={"limit": 2, "state": "open"}), 200)
    rest = expect(server.client().get("/api/v1/questions", params={"cursor": page["next_cursor"]}), 200)
    assert page["questions"] + rest["questions"] == listed
    assert "next_cursor" not in rest
    expect(server.client().get("/api/v1/questions", params={"state": "closed"}), 400)
    expect(server.client().get("/api/v1/questions", params={"cursor": "x"}), 400)
    told = answer(server, "p", "whatever", question_id=listed[1]["question_id"])
    assert told["auto_resume_status"] == "completed"
    assert told["run_id"] is None
    assert told["has_pending_question"]
    pause()
    told = answer(server, "p", "b")
    assert told["auto_resume_status"] == "started"
    server.api.wait_run(told["run_id"])
    assert [q["session_id"] for q in expect(server.client().get("/api/v1/questions"), 200)["questions"]] == ["q"]


def test_a_question_may_be_dismissed_and_a_wait_be_stopped(server, pause):
    suspended(server, "p", WHICH)
    run = suspended(server, "q", HOW)
    pause()
    told = answer(server, "p", "", dismiss=True)
    server.api.wait_run(told["run_id"])
    assert "does not want to answer" in server.api.messages("p")[-2]["content"]
    expect(server.client().post("/api/v1/stop/q", headers={"Bamboo-Run-Id": told["run_id"]}), 409)
    expect(server.client().post("/api/v1/stop/q", headers={"Bamboo-Run-Id": run}), 200)
    pause()
    session = server.api.session("q")
    assert session["state"] == "cancelled"
    assert session["open_questions"] == 0
    expect(server.client().post("/api/v1/stop/q"), 404)
    assert answer(server, "q", "late", 400)["error"]["message"] == "No pending question waiting for response"


def test_nobody_answers_in_time(server, pause):
    suspended(server, "p", {"question": "Soon?", "deadline_seconds": 1, "default": "no"})
    suspended(server, "q", {"question": "Ever?", "deadline_seconds": 1})
    pause()
    poll(lambda: server.api.session("p")["state"] + server.api.session("q")["state"], lambda s: s == "donedone")
    assert server.api.messages("p")[-2]["content"] == "no"
    assert server.api.messages("q")[-2]["content"] == "Nobody answered in time."
    assert len(server.api.runs("p")) == 2 == len(server.api.runs("q"))


def test_of_many_who_answer_at_once_one_is_heard(server):
    suspended(server, "q", HOW)
    call, replies = pending(server, "q")["tool_call_id"], []

    def speak(n):
        body = {"response": f"answer {n}", "expected_tool_call_id": call}
        replies.append((n, server.client().post("/api/v1/respond/q", json=body).status_code))

    people = [threading.Thread(target=speak, args=(n,)) for n in range(8)]
    for person in people:
        person.start()
    for person in people:
        person.join()
    heard = [n for n, status in replies if status == 200]
    assert len(heard) == 1
    assert {status for _, status in replies} == {200, 409}
    poll(lambda: server.api.session("q")["state"], lambda s: s == "done")
    assert [m["content"] for m in server.api.messages("q")][-2] == f"answer {heard[0]}"


def test_watchers_see_the_question_wait_and_see_the_answer(server):
    api = server.api
    early = api.watch("q") if api.chat(ask(HOW), "q") else None
    run = api.execute("q")["run_id"]
    asked = early.wait_type("need_clarification")
    assert asked["question"] == "How?"
    assert asked["allow_custom"] is True
    assert asked["options"] is None
    early.wait_type("run_suspended")
    late = api.watch("q")
    assert late.wait_type("need_clarification")["question_id"] == asked["question_id"]
    told = answer(server, "q", "so", question_id=asked["question_id"])
    for watcher in (early, late):
        closed = watcher.wait_type("question_closed")
        assert closed["how"] == "answered"
        assert closed["answer"] == "so"
        assert closed["by"] == "user"
        watcher.wait_done()
        assert [f["run_id"] for f in watcher.events("complete")] == [told["run_id"]]
        assert "complete" not in watcher.types()[: watcher.types().index("question_closed")]
    assert run != told["run_id"]
    kinds = [f.type for f in api.replay("q")]
    assert kinds.index("need_clarification") < kinds.index("run_suspended") < kinds.index("question_closed")


def test_a_model_is_offered_the_tool_and_sees_the_answer(make_server, provider):
    server = make_server(env=provider.environment)
    call = {"question": "Red or blue?", "options": ["red", "blue"]}
    arguments = json.dumps(call)
    provider.reply(p.tool(0, id="call_1", name="ask_user", arguments=arguments), p.finish("tool_calls"), p.done())
    provider.reply(*p.answer("Blue it is."))
    server.api.chat("paint", "q", execute=True)
    poll(lambda: server.api.session("q")["state"], lambda s: s == "asking")
    told = answer(server, "q", "blue", expected_tool_call_id="call_1")
    server.api.wait_run(told["run_id"])
    first, second = (request.json for request in provider.requests[-2:])
    assert [t["function"]["name"] for t in first["tools"]] == ["ask_user"]
    assert second["messages"][-1] == {"role": "tool", "tool_call_id": "call_1", "content": "blue"}


def test_a_late_answer_is_not_taken_for_the_next_question(make_server, provider):
    """Some providers name the first call of each of their answers the same."""
    server = make_server(env=provider.environment)
    for question in ("first?", "second?"):
        arguments = json.dumps({"question": question})
        provider.reply(p.tool(0, id="call_1", name="ask_user", arguments=arguments), p.finish("tool_calls"), p.done())
    provider.reply(*p.answer("So be it."))
    server.api.chat("go", "q", execute=True)
    poll(lambda: server.api.session("q")["state"], lambda s: s == "asking")
    server.api.wait_run(answer(server, "q", "yes", expected_tool_call_id="call_1")["run_id"])
    shown = pending(server, "q")
    assert shown["question"] == "second?"
    answer(server, "q", "yes", 409, expected_tool_call_id="call_1")  # sent again by who heard nothing
    server.api.wait_run(answer(server, "q", "no", expected_tool_call_id=shown["tool_call_id"])["run_id"])
    assert [m["content"] for m in server.api.messages("q") if m["role"] == "tool"] == ["yes", "no"]


def test_a_client_sync_knows_the_question(server):
    suspended(server, "q", HOW)
    shown = pending(server, "q")
    count = len(server.api.messages("q"))
    view = {"client_message_count": count, "client_has_pending_question": False}
    told = expect(server.client().post("/api/v1/execute/q", json={"client_sync": view}), 200)
    assert told["sync"]["need_sync"]
    assert told["sync"]["reason"] == "pending_question_mismatch"
    assert told["sync"]["has_pending_question"]
    assert told["sync"]["pending_question_tool_call_id"] == shown["tool_call_id"]
    view |= {"client_has_pending_question": True, "client_pending_question_tool_call_id": shown["tool_call_id"]}
    told = expect(server.client().post("/api/v1/execute/q", json={"client_sync": view}), 200)
    assert not told["sync"]["need_sync"]
    assert told["status"] == "completed"


# every reply, whole


NOTHING = {"has_pending_question": False, "interaction_kind": None, "questions": []}


def told_of(name, question, tool="ask_user"):
    """The whole reply to who asks what is open."""
    asked = {"question": question["question"], "options": question.get("options"), "tool_call_id": ANY}
    asked |= {"tool_name": tool, "allow_custom": question.get("allow_custom", True), "source": "pause_tool"}
    asked |= {"question_id": ANY}
    row = {"session_id": name, "session_title": "New Session", "root_session_id": name, "asked_at": ANY, **asked}
    none = {"permission_request": None, "tool_arguments": None, "tool_arguments_truncated": False}
    kind = {"interaction_kind": "clarification"}
    return {"has_pending_question": True, **kind, **asked, **none, "questions": [row | kind]}


def changed(actual, **named):
    return refusal("Pending question changed", "question_changed", **named, actual_tool_call_id=actual)


def test_each_state_has_its_reply(server, pause):
    each_state(server.api)
    empty = made(server.api)
    calm = ["done", "waiting", "failed", "stopped", "busy", empty]
    pause()
    client = server.client()
    nothing = refusal("No pending question waiting for response")
    body, names = {"response": "a"}, {"expected_tool_call_id": "c", "question_id": "q"}
    both = {"expected_tool_call_id": "c", "expected_question_id": "q"}
    play(
        client,
        *(Ask(f"GET /respond/{name}/pending", 200, NOTHING) for name in calm),
        *(Ask(f"POST /respond/{name}", 400, nothing, body) for name in calm),
        *(Ask(f"POST /sessions/{name}/respond", 409, changed(None, **both), body | names) for name in calm),
        Ask("GET /respond/asking/pending", 200, told_of("asking", WHICH)),
        Ask("GET /sessions/asking/respond/pending", 200, told_of("asking", WHICH)),
        Ask("GET /respond/nobody/pending", 404, no_session("nobody")),
        Ask("POST /respond/nobody", 404, no_session("nobody"), body),
        Ask("POST /respond/nobody", 404, no_session("nobody"), body | {"question_id": "q"}),
    )
    shown = pending(server, "asking")
    call, question = shown["tool_call_id"], shown["question_id"]
    first = {"expected_tool_call_id": call}
    wrong = refusal("Invalid response", "invalid_response", message="Response must be one of: a, b")
    play(
        client,
        Ask("POST /respond/asking", 400, refusal("answer: response: is missing"), {}),
        Ask("POST /respond/asking", 400, refusal("answer: response: is missing"), {"response": None, "dismiss": False}),
        Ask("POST /respond/asking", 400, refusal(Says("response")), {"response": 5}),
        Ask("POST /respond/asking", 400, refusal(Says("dismiss")), {"response": "a", "dismiss": 1}),
        Ask("POST /respond/asking", 400, refusal(Says("did you mean")), body | {"model": "no-such-model"}),
        Ask("POST /respond/asking", 400, refusal(Says("reasoning_effort")), body | {"reasoning_effort": "huge"}),
        *(Ask("POST /respond/asking", 400, wrong, {"response": bad}) for bad in ("", " ", "c", "A", "a, b")),
        Ask("POST /respond/asking", 409, changed(call, **both), body | names),
        Ask("POST /respond/asking", 409, changed(call, expected_question_id="q"), body | {"question_id": "q"}),
        Ask("POST /respond/asking", 409, changed(call, **both | first), body | names | first),
        Ask("POST /respond/asking", 413, refusal(Says("response: at most"), "too_large"), {"response": "x" * 300_000}),
    )
    assert pending(server, "asking") == shown
    pause()
    wanted = {"success": True, "message": "Response recorded. Agent loop will continue.", "response": " a "}
    wanted |= {"question_id": question, "auto_resume_status": "started", "run_id": ANY, "has_pending_question": False}
    both = {"response": " a ", "expected_tool_call_id": call, "question_id": question}
    told = Ask("POST /respond/asking", 200, wanted, both).send(server.client())
    server.api.wait_run(told["run_id"])
    pause()
    play(
        server.client(),
        Ask("GET /respond/asking/pending", 200, NOTHING),
        Ask("POST /respond/asking", 400, nothing, body),
        Ask(
            "POST /respond/asking", 409, changed(None, expected_question_id=question), body | {"question_id": question}
        ),
    )
    assert [m["content"] for m in server.api.messages("asking")][-2:] == ["a", "Thank you."]


def test_answers_of_every_kind(server, pause):
    free = {"question": "Which?", "options": ["a", "b"], "allow_custom": True}
    tools = [{"name": "conclusion_with_options", "args": free}, {"name": "ConclusionWithOptions", "args": HOW}]
    server.api.whole_turn(script({"tools": tools}, {"say": "Thank you."}), "two")
    suspended(server, "one", HOW)
    pause()
    client = server.client()
    shown = pending(server, "two")
    assert [q["tool_name"] for q in shown["questions"]] == ["conclusion_with_options", "ConclusionWithOptions"]
    assert (shown["options"], shown["allow_custom"]) == (["a", "b"], True)
    assert shown["questions"][1]["options"] is None
    empty = refusal("Invalid response", "invalid_response", message="Response must not be empty")
    Ask("POST /respond/two", 400, empty, {"response": " \n"}).send(client)
    more = {"success": True, "run_id": None, "auto_resume_status": "completed", "has_pending_question": True}
    more |= {"message": "Response recorded. Another question is open.", "question_id": shown["question_id"]}
    Ask("POST /respond/two", 200, more | {"response": "neither"}, {"response": "neither"}).send(client)
    pause()
    left = pending(server, "two")
    assert [q["question"] for q in left["questions"]] == ["How?"]
    last = {"success": True, "run_id": ANY, "auto_resume_status": "started", "has_pending_question": False}
    last |= {"message": "Response recorded. Agent loop will continue."}
    ids = {"two": left["question_id"], "one": pending(server, "one")["question_id"]}
    table = [("two", {"response": "so"}, "so"), ("one", {"dismiss": True}, "")]
    for name, body, said in table:
        wanted = last | {"question_id": ids[name], "response": said}
        told = Ask(f"POST /respond/{name}", 200, wanted, body).send(server.client())
        assert server.api.wait_run(told["run_id"])["origin"] == "answer"
    assert [m["content"] for m in server.api.messages("two")][-3:] == ["neither", "so", "Thank you."]
    assert "does not want to answer" in server.api.messages("one")[-2]["content"]


def test_an_answer_may_change_the_model(make_server, provider, between):
    server = make_server(env=provider.environment)
    server.api.chat(ask(HOW), "q")
    run = server.api.execute("q", model="offline/offline")["run_id"]
    assert server.api.wait_run(run)["end"] == "suspended"
    between(server)
    provider.reply(*p.answer("Thank you."))
    told = answer(server, "q", "so", model=f"openai/{p.MODEL}", reasoning_effort="low")
    assert server.api.wait_run(told["run_id"])["model"] == p.MODEL
    assert provider.requests[0].json["reasoning_effort"] == "low"
    between(server)
    session = server.api.session("q")
    assert (session["provider"], session["model"], session["reasoning_effort"]) == ("openai", p.MODEL, "low")
