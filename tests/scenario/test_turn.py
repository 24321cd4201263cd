# SPDX-License-Identifier: MIT
"""One agent turn, from the first post to the history, with a warm server and with restarts between the requests."""

import threading

import pytest

from harness import checks
from harness import provider as p
from harness.api import expect, poll
from harness.offline import say, script, words

PATHS = {
    "flat": {"execute": "execute/{}", "events": "events/{}", "history": "history/{}", "stop": "stop/{}"},
    "nested": {
        "execute": "sessions/{}/execute",
        "events": "sessions/{}/events",
        "history": "sessions/{}/history",
        "stop": "sessions/{}/stop",
    },
}


@pytest.fixture(params=PATHS)
def path(request):
    return lambda name, session_id: "/api/v1/" + PATHS[request.param][name].format(session_id)


def test_a_turn_is_posted_run_watched_and_stored(server, between, path):
    prompt = say("Good morning, Ωmega 👋🏽.", delay_ms=1)
    posted = expect(server.api.client.post("/api/v1/chat", json={"message": prompt}), 201)
    session_id = posted["session_id"]
    assert posted["status"] == "streaming"
    assert posted["stream_url"] == f"/api/v1/events/{session_id}"
    assert posted["message_id"]

    client = between(server).client
    started = expect(client.post(path("execute", session_id), json={}), 202)
    assert started["session_id"] == session_id
    assert started["status"] == "started"
    assert started["events_url"] == f"/api/v1/events/{session_id}"
    run_id = started["run_id"]

    api = between(server)
    assert api.wait_run(run_id)["status"] == "completed"
    frames = api.replay(session_id)
    checks.stream(frames)
    assert [f["run_id"] for f in frames if f.type == "execution_started"] == [run_id]

    client = between(server).client
    history = expect(client.get(path("history", session_id)), 200)
    assert history["session_id"] == session_id
    assert history["is_delta"] is False
    assert history["truncated"] is False
    assert history["total_message_count"] == len(history["messages"])
    said = [(m["role"], m["content"]) for m in history["messages"] if m["role"] != "system"]
    assert said == [("user", prompt), ("assistant", "Good morning, Ωmega 👋🏽.")]
    assert [m["id"] for m in history["messages"] if m["role"] == "user"] == [posted["message_id"]]
    checks.text_equals_stored([frames], history["messages"])


def test_the_order_of_events_in_a_plain_turn(api):
    session_id = api.chat(say("one two three"))["session_id"]
    watcher = api.watch(session_id, after=0, follow=1)
    api.execute(session_id)
    watcher.wait_type("complete")
    story = [word for word in checks.story(watcher.frames) if word != "user message"]
    assert story == ["execution_started", "token", "assistant message", "complete"]
    watcher.close()


def test_post_and_start_in_one_call(server, between):
    prompt = say("both at once")
    reply = expect(server.api.client.post("/api/v1/chat", json={"message": prompt, "execute": True}), 201, 202)
    assert reply["message_id"]
    assert reply["run_id"]
    assert reply["stream_url"] == reply["events_url"] == f"/api/v1/events/{reply['session_id']}"
    api = between(server)
    assert api.wait_run(reply["run_id"])["status"] == "completed"
    assert api.conversation(reply["session_id"]) == [("user", prompt), ("assistant", "both at once")]


def test_a_plain_prompt_is_answered_usefully(api):
    session_id, run_id = api.whole_turn("What can you do?")
    assert api.run(run_id)["status"] == "completed"
    answer = api.conversation(session_id)[-1][1]
    assert "culm" in answer
    assert "OPENAI_API_KEY" in answer


def test_execute_while_running_names_the_run(server, provider, make_server):
    server = make_server("with-provider", env=provider.environment)
    go = threading.Event()
    provider.reply(p.text("wait"), p.wait(go), *p.answer(" for it"))
    api = server.api
    session_id, run_id = api.turn("hello")
    provider.wait_requests(1)
    again = api.execute(session_id, status=200)
    assert (again["status"], again["run_id"]) == ("already_running", run_id)
    assert api.session(session_id)["is_running"] is True
    go.set()
    assert api.wait_run(run_id)["status"] == "completed"
    assert api.session(session_id)["is_running"] is False


def test_turns_follow_each_other(server, between):
    api = server.api
    session_id, _ = api.whole_turn(say("one"), "my-session")
    assert session_id == "my-session"
    api = between(server)
    api.whole_turn(say("two"), session_id)
    api = between(server)
    assert [text for role, text in api.conversation(session_id) if role == "assistant"] == ["one", "two"]
    frames = api.replay(session_id)
    checks.stream(frames)
    assert len(checks.text_equals_stored([frames], api.messages(session_id))) == 2
    assert len([f for f in frames if f.type == "complete"]) == 2


def test_the_conversation_is_sent_to_the_provider(provider, make_server):
    api = make_server(env=provider.environment).api
    provider.reply(*p.answer("first ", "answer")).reply(*p.answer("second answer"))
    session_id, _ = api.whole_turn("first question")
    api.whole_turn("second question", session_id)
    sent = provider.requests[1].json
    assert sent["stream"] is True
    assert sent["stream_options"] == {"include_usage": True}
    assert sent["model"] == p.MODEL
    said = [(m["role"], m["content"]) for m in sent["messages"] if m["role"] != "system"]
    assert said == [("user", "first question"), ("assistant", "first answer"), ("user", "second question")]


def test_the_providers_usage_is_reported(provider, make_server, between):
    server = make_server(env=provider.environment)
    provider.reply(*p.answer("counted", prompt=1234, completion=56))
    session_id, run_id = server.api.whole_turn("count")
    wanted = {"prompt_tokens": 1234, "completion_tokens": 56, "total_tokens": 1290}

    def ends(api):
        return [{key: f["usage"][key] for key in wanted} for f in api.replay(session_id) if f.type == "complete"]

    assert ends(server.api) == [wanted]
    api = between(server)
    assert ends(api) == [wanted]
    usage = api.run(run_id)["usage"]
    assert (usage["prompt_tokens"], usage["completion_tokens"]) == (1234, 56)


def test_the_usage_of_a_run_is_the_sum_of_its_calls(api):
    session_id, run_id = api.whole_turn(
        script(
            {"tool": {"name": "nothing", "args": {}}, "usage": {"prompt_tokens": 10, "completion_tokens": 1}},
            {"say": "end", "usage": {"prompt_tokens": 20, "completion_tokens": 2}},
        )
    )
    end = next(f for f in api.replay(session_id) if f.type == "complete")
    assert (end["usage"]["prompt_tokens"], end["usage"]["completion_tokens"]) == (30, 3)
    assert api.run(run_id)["rounds"] == 2


def test_a_call_of_a_tool_that_is_not_there(server, between):
    api = server.api
    session_id, run_id = api.whole_turn(
        script({"tool": {"name": "teleport", "args": {"to": "Ω"}}}, {"say": "I cannot."})
    )
    api = between(server)
    assert api.run(run_id)["status"] == "completed"
    messages = [m for m in api.messages(session_id) if m["role"] != "system"]
    assert [m["role"] for m in messages] == ["user", "assistant", "tool", "assistant"]
    call = messages[1]["tool_calls"][0]
    assert call["type"] == "function"
    assert call["function"]["name"] == "teleport"
    assert messages[2]["tool_call_id"] == call["id"]
    assert messages[2]["tool_success"] is False
    assert "no tool" in messages[2]["content"].lower()
    frames = api.replay(session_id)
    checks.stream(frames)
    checks.text_equals_stored([frames], messages)
    told = [f for f in frames if f.type in ("tool_error", "tool_complete")]
    assert [f["tool_call_id"] for f in told] == [call["id"]]


def test_tool_call_fragments_are_put_together(provider, make_server):
    api = make_server(env=provider.environment).api
    provider.reply(
        p.text("Let me look."),
        p.tool(0, id="call_a", name="find", arguments=""),
        p.tool(0, arguments='{"pattern": "gr'),
        p.tool(1, id="call_b", name="read", arguments='{"path":'),
        p.tool(0, arguments='ün", "n": 12345678901234567890}'),
        p.tool(1, arguments=' "x"}'),
        p.finish("tool_calls"),
        p.usage(1, 1),
        p.done(),
    ).reply(*p.answer("Neither is there."))
    session_id, _ = api.whole_turn("look for it")
    sent = [m for m in provider.requests[1].json["messages"] if m["role"] != "system"]
    assert [m["role"] for m in sent] == ["user", "assistant", "tool", "tool"]
    assert sent[1]["content"] == "Let me look."
    calls = [(c["id"], c["function"]["name"], c["function"]["arguments"]) for c in sent[1]["tool_calls"]]
    # What is only carried keeps its bytes.
    assert calls == [
        ("call_a", "find", '{"pattern": "grün", "n": 12345678901234567890}'),
        ("call_b", "read", '{"path": "x"}'),
    ]
    assert [m["tool_call_id"] for m in sent[2:]] == ["call_a", "call_b"]
    assert api.conversation(session_id)[-1] == ("assistant", "Neither is there.")


def test_of_more_calls_than_a_round_takes_the_first_are_made(provider, make_server):
    """The model sees what came of these, and asks for the others again."""
    api = make_server(env=provider.environment).api
    wanted = [p.tool(n, id=f"call_{n}", name="find", arguments="{}") for n in range(83)]
    provider.reply(*wanted, p.finish("tool_calls"), p.usage(1, 1), p.done()).reply(*p.answer("Neither is there."))
    session_id, run_id = api.whole_turn("look for it")
    assert api.run(run_id)["status"] == "completed"
    sent = [m for m in provider.requests[1].json["messages"] if m["role"] != "system"]
    kept = [f"call_{n}" for n in range(80)]
    assert [c["id"] for c in sent[1]["tool_calls"]] == kept
    assert [m["tool_call_id"] for m in sent[2:]] == kept
    answers = [m for m in api.messages(session_id) if m["role"] == "assistant"]
    assert [m.get("metadata") for m in answers] == [{"repaired": True}, None]
    told = [f for f in api.replay(session_id) if f.type == "message_appended" and f["role"] == "assistant"]
    assert ["repaired" in f.event for f in told] == [True, False]


def test_reasoning_is_shown_and_stored_apart(api):
    session_id = api.chat(script({"reason": "Let me think.", "say": "42"}))["session_id"]
    watcher = api.watch(session_id, after=0, follow=1)
    api.execute(session_id)
    watcher.wait_type("complete")
    assert "".join(f["content"] for f in watcher.events("reasoning_token")) == "Let me think."
    message = api.messages(session_id)[-1]
    assert (message["content"], message["reasoning"]) == ("42", "Let me think.")
    watcher.close()


def test_a_post_during_a_run_is_answered_by_it(provider, make_server):
    api = make_server(env=provider.environment).api
    go = threading.Event()
    provider.reply(p.text("first"), p.wait(go), *p.answer(" answer")).reply(*p.answer("second answer"))
    session_id, run_id = api.turn("first question")
    provider.wait_requests(1)
    api.chat("second question", session_id)
    go.set()
    poll(lambda: api.conversation(session_id), lambda c: len(c) == 4)
    assert [text for _, text in api.conversation(session_id)] == [
        "first question",
        "first answer",
        "second question",
        "second answer",
    ]
    assert [r["run_id"] for r in api.runs(session_id)] == [run_id]


def test_any_text_comes_back_as_it_was(server, between):
    text = 'quotes " \\ / \t\n\r \u0001\u001f\u007f \u2028 \ufeff é 漢字 👩‍👩‍👧‍👦 ' + "x" * 300_000
    session_id, _ = server.api.whole_turn(text)
    api = between(server)
    assert api.conversation(session_id)[0] == ("user", text)


def test_the_models_text_comes_back_as_it_was(provider, make_server, between):
    server = make_server(env=provider.environment)
    text = 'a\u0001\u001b[31m\u007f\n\t"\\ \u2028 👋🏽 ' + words(2000)
    provider.reply(*p.answer(*[text[i : i + 97] for i in range(0, len(text), 97)]))
    session_id, _ = server.api.whole_turn("say it")
    assert server.api.conversation(session_id)[-1] == ("assistant", text)
    api = between(server)
    assert api.conversation(session_id)[-1] == ("assistant", text)
    checks.text_equals_stored([api.replay(session_id)], api.messages(session_id))


def test_run_records(server, between):
    session_id, run_id = server.api.whole_turn(say("recorded"))
    api = between(server)
    run = api.run(run_id)
    assert run["run_id"] == run_id
    assert run["session_id"] == session_id
    assert run["status"] == "completed"
    assert run["origin"] == "http"
    assert run["rounds"] == 1
    assert run["started_at"]
    assert run["completed_at"]
    assert api.runs(session_id) == [run]
    assert expect(api.client.get("/api/v1/runs/unknown"), 404)["error"]["message"]
    assert expect(api.client.get("/api/v1/sessions/unknown/runs"), 404)["error"]["message"]


def test_stop_ends_a_run_for_everybody(provider, make_server, between, path):
    server = make_server(env=provider.environment)
    provider.reply(p.text("half a sen"), p.silence())
    api = server.api
    session_id, run_id = api.turn("talk")
    watcher = api.watch(session_id, after=0)
    watcher.wait_text(len("half a sen"))
    stopped = expect(api.client.post(path("stop", session_id)), 200)
    assert stopped["success"] is True
    watcher.wait_done()
    assert watcher.types()[-2:] == ["cancelled", "[DONE]"]

    api = between(server)
    assert api.run(run_id)["status"] == "cancelled"
    assert api.session(session_id)["last_run_status"] == "cancelled"
    assert api.conversation(session_id) == [("user", "talk"), ("assistant", "half a sen")]
    late = api.replay(session_id)
    checks.stream(late)
    assert [f.type for f in late if f.type in ("complete", "cancelled", "error")] == ["cancelled"]
    again = expect(api.client.post(path("stop", session_id)), 404)
    assert again == {"success": False, "message": "No active agent execution found"}


def test_stop_of_a_named_run(provider, make_server):
    api = make_server(env=provider.environment).api
    provider.reply(p.text("…"), p.silence())
    session_id, run_id = api.turn("talk")
    provider.wait_requests(1)
    api.stop(session_id, status=409, **{"Bamboo-Run-Id": "another-run"})
    assert api.run(run_id)["status"] == "running"
    reply = api.stop(session_id, **{"Bamboo-Run-Id": run_id})
    assert (reply["success"], reply["run_id"]) == (True, run_id)
    assert api.wait_run(run_id)["status"] == "cancelled"


def test_a_stopped_session_takes_the_next_turn(provider, make_server):
    api = make_server(env=provider.environment).api
    provider.reply(p.text("first"), p.silence())
    session_id, first = api.turn("one")
    provider.wait_requests(1)
    api.stop(session_id)
    api.wait_run(first)
    provider.reply(*p.answer("second"))
    _, second = api.whole_turn("two", session_id)
    assert second != first
    assert api.conversation(session_id)[-1] == ("assistant", "second")


def test_limits_of_a_run_end_it(api):
    session_id = api.chat(script({"tool": {"name": "loop", "args": {}}}))["session_id"]
    run_id = api.execute(session_id, run_budget={"max_rounds": 3})["run_id"]
    run = api.wait_run(run_id)
    assert run["status"] == "completed"
    assert run["end"] == "budget"
    types = [f.type for f in api.replay(session_id)]
    assert types.count("budget_exceeded") == 1
    assert types.index("budget_exceeded") < types.index("complete")
