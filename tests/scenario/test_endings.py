# SPDX-License-Identifier: MIT
"""How a session's stream opens and ends, whatever its session does: live, late and after a restart."""

import threading
from unittest.mock import ANY

import pytest

from harness import checks
from harness import provider as p
from harness.api import expect, poll
from harness.offline import say, script
from harness.replies import HANG, Says, each_state, made
from harness.sse import KEEPALIVE, TERMINAL, Watcher

LOOP = script({"tool": {"name": "loop", "args": {}}})

# How runs end: the prompt, what execute is told beside, and the terminal event, whole.
ENDS = {
    "completed": (say("done"), {}, {"type": "complete", "end": "completed", "usage": ANY}),
    "over its budget": (
        LOOP,
        {"run_budget": {"max_rounds": 2}},
        {"type": "complete", "end": "budget", "kind": "max_rounds", "usage": ANY},
    ),
    "refused by the provider": (
        script({"error": {"status": 400}}),
        {},
        {"type": "error", "message": Says("HTTP 400"), "kind": ANY, "retryable": False},
    ),
    "getting nowhere": (
        LOOP,
        {},
        {"type": "error", "message": Says("same calls"), "kind": "no_progress", "retryable": ANY},
    ),
    "stopped": (HANG, {}, {"type": "cancelled", "message": "Agent execution cancelled by user", "by": "user"}),
    "stopped in mid text": (
        script({"say": "half", "hang": "chunk"}),
        {},
        {"type": "cancelled", "message": "Agent execution cancelled by user", "by": "user"},
    ),
}


def shape(frames):
    return [f.type or f.data for f in frames]


def test_each_kind_of_end_is_told_late_as_it_was_told_live(server, between):
    api = server.api
    live, runs = {}, {}
    for i, (prompt, more, _) in enumerate(ENDS.values()):
        api.chat(prompt, f"s{i}")
        live[f"s{i}"] = api.watch(f"s{i}")
        runs[f"s{i}"] = api.execute(f"s{i}", **more)["run_id"]
    live["s5"].wait_type("token")
    for name in ("s4", "s5"):
        api.stop(name)
    ends = {}
    for (name, watcher), (_, _, wanted) in zip(live.items(), ENDS.values(), strict=True):
        frame = watcher.wait_done().frames[-2]
        assert frame.event == wanted | {"run_id": runs[name], "seq": frame.id, "at": ANY}
        ends[name] = frame
    api = between(server)
    for name, end in ends.items():
        late = api.watch(name).wait_done().frames
        exceeded = ["budget_exceeded"] if "kind" in end.event and end.type == "complete" else []
        told = [word for word in shape(late) if word != "token_budget_updated"]
        assert told == ["stream_opened", *exceeded, end.type, "[DONE]"]
        assert late[-2] == end
        assert shape(api.replay(name, after=end.id)) == ["stream_opened", "[DONE]"]
        whole = api.replay(name)
        checks.stream(whole)
        checks.text_equals_stored([whole], api.messages(name))
        assert whole[-2] == end
        assert [f for f in whole if f.type in TERMINAL] == [end]


def test_the_end_of_a_run_that_was_cut_is_told_once(make_server, provider, between):
    """The run goes on under its id: who was cut off and comes back, and who comes late, see one end of it."""
    server = make_server(env=provider.environment)
    go = threading.Event()
    provider.reply(p.text("half"), p.wait(go), *p.answer(" of it"))
    session_id, run = server.api.turn("question")
    first = server.api.watch(session_id)
    first.wait_text(len("half"))
    provider.reply(*p.answer("whole"))
    api = between(server)
    go.set()
    api.wait_run(run)
    first.wait_end()
    again = api.watch(session_id, after=first.last_id).wait_done()
    late = api.watch(session_id).wait_done().frames[-2]
    assert (late.type, late["run_id"]) == ("complete", run)
    assert [f for f in first.frames + again.frames if f.type in TERMINAL] == [late]


def test_a_stream_is_open_while_something_may_come_and_ends_with_it(server, between):
    """A message that waits, a question, a run at work, and a session that nobody has spoken in."""
    each_state(server.api)
    empty = made(server.api)
    question = server.api.watch("asking")
    asked = question.wait_type("need_clarification")
    question.close()
    newest = {name: server.api.session(name)["last_seq"] for name in ("waiting", "asking", "busy", empty)}
    api = between(server)
    bare = {name: api.watch(name) for name in newest}
    at = {name: api.watch(name, after=newest[name]) for name in newest if name != empty}
    # With a cursor nothing is to come where nobody has spoken.
    assert shape(api.replay(empty, after=newest[empty])) == ["stream_opened", "[DONE]"]
    late = bare["asking"].wait_type("need_clarification")
    assert late == asked
    watchers = [*bare.values(), *at.values()]
    for watcher in watchers:
        watcher.wait_type("stream_opened")
    for name in newest:
        expect(api.client.patch(f"/api/v1/sessions/{name}", json={"title": "Still there"}), 200)
    for watcher in watchers:
        watcher.wait_type("session_title_updated")
        assert not watcher.ended
        assert watcher.events(*TERMINAL) == []
    api.execute("waiting")
    expect(api.client.post("/api/v1/respond/asking", json={"response": "a"}), 200)
    api.stop("busy")
    expect(api.client.post("/api/v1/chat", json={"session_id": empty, "message": say("x"), "execute": True}), 201)
    for watchers in (bare, at):
        for name, watcher in watchers.items():
            watcher.wait_done()
            checks.stream(watcher.frames)
            assert shape(watcher.frames)[-2] == ("cancelled" if name == "busy" else "complete"), name
    # The pause for the question is no end: what was open goes on to the end of the run that follows.
    told = [f.type for f in api.replay("asking") if f.type in ("run_suspended", "question_closed", "complete")]
    assert told == ["run_suspended", "question_closed", "complete"]


def test_a_late_watcher_is_told_what_is_so_and_not_what_was(server, between):
    server.api.whole_turn(say("x"), "s")
    client = server.client()
    for body in ({"title": "First"}, {"title": "Second", "pinned": True}):
        expect(client.patch("/api/v1/sessions/s", json=body), 200)
    server.api.turn(HANG, "busy")
    api = between(server)
    frames = api.watch("s").wait_done().frames
    told = ["stream_opened", "session_title_updated", "session_pinned_updated", "token_budget_updated"]
    assert shape(frames) == [*told, "complete", "[DONE]"]
    assert (frames[1]["title"], frames[1]["title_version"], frames[2]["pinned"]) == ("Second", 3, True)
    busy = api.watch("busy")
    progress = busy.wait_type("runner_progress")
    assert progress["round_count"] == 1
    assert busy.events("execution_started", "message_appended") == []
    busy.close()


HEADERS = {
    "content-type": "text/event-stream; charset=utf-8",
    "cache-control": "no-cache, no-transform",
    "connection": "close",
    "x-accel-buffering": "no",
    "transfer-encoding": "chunked",
    "content-length": None,
}


def test_the_headers_of_a_stream(server, between):
    server.api.whole_turn(say("x"), "s")
    api = between(server)
    for path in ("/api/v1/events/s", "/api/v1/sessions/s/events"):
        watcher = Watcher(api.client, path).wait_done()
        headers = {name: watcher.headers.get(name) for name in HEADERS}
        assert headers == HEADERS
        assert watcher.frames[0].type == "stream_opened"
        assert watcher.frames[0].id is None


BAD = [
    {"batch_ms": "-1"},
    {"batch_ms": "x"},
    {"batch_ms": ""},
    {"follow": "maybe"},
    {"deltas": "2"},
    {"message_id": "m"},
    {"after": "0", "message_id": "a/b"},
    {"after": "0", "message_id": "m", "offset": "-1"},
]


def test_what_is_refused_says_the_range(server, between):
    server.api.chat("hello", "s")
    api = between(server)
    for query in BAD:
        told = expect(api.client.get("/api/v1/events/s", params=query), 400)
        name = next(name for name in ("batch_ms", "follow", "deltas", "offset", "message_id") if name in query)
        assert name in told["error"]["message"], query
        assert (told["session_id"], told["first_seq"], told["last_seq"]) == ("s", 1, 2)
        expect(api.client.get("/api/v1/events/nobody", params=query), 404)


@pytest.mark.parametrize("batch_ms", [0, 1, 1000, 99999999])
def test_a_batch_window_of_any_length_is_taken(server, batch_ms):
    """One that is too long is cut: text is not held back until something else happens."""
    server.api.chat(script({"say": "one two three", "hang": "chunk"}), "s")
    watcher = server.api.watch("s", batch_ms=batch_ms)
    server.api.execute("s")
    watcher.wait_text(len("one two three"))
    assert KEEPALIVE not in [f.data for f in watcher.frames]
    if batch_ms >= 1000:
        assert [(f["offset"], f["content"]) for f in watcher.events("token")] == [(0, "one two three")]
    server.api.stop("s")
    watcher.wait_done()
    poll(lambda: server.api.session("s")["state"], lambda state: state == "cancelled")
