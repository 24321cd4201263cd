# SPDX-License-Identifier: MIT
"""The account feed: what happens in all sessions, once and in order, with numbers that outlive the server."""

import itertools
import threading

import pytest

from harness import checks
from harness.api import expect, poll
from harness.offline import say, script, words
from harness.sse import TERMINAL, FrameParser, Watcher


def events(frames):
    """(number, session, type) of what has a number."""
    return [(f.id, f["session_id"], f.type) for f in frames if f.id is not None]


def told(watcher):
    return events(list(watcher.frames))


def wait_ends(watcher, count):
    """Until so many runs have ended on the feed, their histories included."""
    watcher.wait_for(
        lambda f: sum(e[2] == "session_history_committed" for e in told(watcher)) >= count, what=f"{count} ends"
    )
    return watcher


TURN = [
    "session_created",
    "message_appended",
    "execution_started",
    "message_appended",
    "complete",
    "session_history_committed",
]


def test_a_turn_is_told_as_it_happens(api):
    watcher = api.feed()
    session_id, run_id = api.whole_turn(say("hello"), "talk")
    wait_ends(watcher, 1)
    frames = [f for f in list(watcher.frames) if f.id is not None]
    assert [f.type for f in frames] == TURN
    assert {f["session_id"] for f in frames} == {session_id}
    assert frames[2].told["run_id"] == run_id
    assert [f.told["content"] for f in frames if f.type == "message_appended"] == [say("hello"), "hello"]
    checks.ids_rise(frames)
    stream = {f["seq"]: f.event for f in api.replay(session_id) if f.id is not None}
    for frame in frames:  # what stands on both is the same
        assert frame.told == stream.get(frame.told["seq"], frame.told) or frame.type == "session_history_committed"
    watcher.leave()


def test_replay_then_live_without_gap_or_double(server, between):
    api = server.api
    watcher = api.feed()
    for i in range(3):
        api.whole_turn(say(f"answer {i}"), f"s{i}")
    before = told(wait_ends(watcher, 3))
    watcher.leave()
    api = between(server)
    for cut, (number, _, _) in enumerate(before):
        watcher = api.feed(since=number)
        rest = before[cut + 1 :]
        watcher.wait_type("stream_opened")
        if rest:
            watcher.wait_for(lambda f, last=rest[-1][0]: f.id == last, what="the rest")
        assert told(watcher) == rest
        watcher.leave()
    watcher = api.feed(headers={"Last-Event-ID": str(before[4][0])}, since=0)
    api.whole_turn(say("more"), "s0")
    wait_ends(watcher, 1 + sum(e[2] == "session_history_committed" for e in before[5:]))
    everything = told(watcher)
    assert everything[: len(before) - 5] == before[5:]
    assert [e[2] for e in everything[len(before) - 5 :]] == TURN[1:]
    checks.ids_rise(list(watcher.frames))
    watcher.leave()


def test_a_watcher_goes_on_across_restarts(server):
    seen, number = [], 0
    for i, how in enumerate(["term", "kill", "kill", "term"]):
        watcher = server.api.feed(since=number)
        server.api.whole_turn(say("x"), f"s{i}")
        wait_ends(watcher, 1)
        seen += told(watcher)
        number = seen[-1][0]
        server.restart(how)
        watcher.wait_end()
    assert [e[2] for e in seen] == TURN * 4
    assert all(a[0] < b[0] for a, b in itertools.pairwise(seen))
    watcher = server.api.feed()
    watcher.wait_for(lambda f: f.id == number, what="the last number")
    assert told(watcher) == seen
    watcher.leave()


def test_changes_of_a_session_are_told(api):
    session_id = expect(api.client.post("/api/v1/sessions", json={"title": "First"}), 201)["session"]["id"]
    listed = api.get("/api/v1/sessions")
    watcher = api.feed(since=listed["feed_seq"])
    body = {"title": "Second", "pinned": True, "model": "offline/offline", "reasoning_effort": "low"}
    expect(api.client.patch(f"/api/v1/sessions/{session_id}", json=body), 200)
    watcher.wait_type("session_model_updated")
    watcher.wait_type("session_title_updated", "session_pinned_updated")
    by_type = {f.type: f.told for f in watcher.events() if f.id is not None}
    assert by_type["session_title_updated"]["title"] == "Second"
    assert by_type["session_title_updated"]["title_version"] == api.session(session_id)["title_version"]
    assert by_type["session_pinned_updated"]["pinned"] is True
    assert by_type["session_model_updated"]["model"] == "offline"
    checks.ids_rise(list(watcher.frames))
    watcher.leave()


def test_questions_and_edits_are_told(api):
    asks = {"tools": [{"name": "ask_user", "args": {"question": "Which one?"}}]}
    watcher = api.feed()
    api.whole_turn(script(asks, {"say": "Thank you."}), "talk")
    wait_ends(watcher, 1)
    question = watcher.wait_type("need_clarification").told
    watcher.wait_for(lambda f: f.type == "session_state" and f["session"]["state"] == "asking", what="a state: asking")
    expect(api.client.post("/api/v1/respond/talk", json={"response": "this"}), 200)
    wait_ends(watcher, 2)
    assert watcher.wait_type("question_closed").told["question_id"] == question["question_id"]
    watcher.wait_for(lambda f: f.type == "session_state" and f["session"]["state"] == "done", what="a state: done")
    last = next(m["id"] for m in reversed(api.messages("talk")) if m["role"] == "assistant")
    expect(api.client.patch(f"/api/v1/sessions/talk/messages/{last}", json={"content": "Thanks!"}), 200)
    edited = watcher.wait_for(lambda f: f.type == "message_edited" and f.told["message_id"] == last, what="the edit")
    assert edited.told["content"] == "Thanks!"
    assert api.get("/api/v1/sessions/talk/facts", types="message_edited")["facts"][-1] == edited.told
    expect(api.client.post("/api/v1/sessions/talk/clear"), 200)
    cleared = watcher.wait_type("session_cleared")
    removed = watcher.wait_type("messages_removed")
    assert (removed.told["mode"], removed.told["last_message_id"]) == ("clear", "")
    assert cleared.id == removed.id + 1
    assert cleared.told == {"type": "session_cleared"} | {key: removed.told[key] for key in ("session_id", "seq", "at")}
    watcher.leave()


def test_of_a_deleted_session_only_its_end_is_told(server, between):
    api = server.api
    watcher = api.feed()
    api.whole_turn(say("the secret"), "gone")
    api.whole_turn(say("y"), "stays")
    wait_ends(watcher, 2)
    expect(api.client.delete("/api/v1/sessions/gone"), 200)
    deleted = watcher.wait_type("session_deleted")
    assert deleted["session_id"] == deleted.told["session_id"] == "gone"
    watcher.leave()
    api = between(server)
    for since in (0, 1, deleted.id - 1):
        watcher = api.feed(since=since)
        watcher.wait_type("session_deleted")
        assert [e[2] for e in told(watcher) if e[1] == "gone"] == ["session_deleted"]
        assert [e[2] for e in told(watcher) if e[1] == "stays"] == (TURN if since < 2 else [])
        assert "the secret" not in "".join(f.data for f in watcher.frames)
        watcher.leave()
    api.whole_turn(say("z"), "gone")  # its name may be used again, its numbers never are
    watcher = wait_ends(api.feed(since=deleted.id), 1)
    assert [e[2] for e in told(watcher)] == TURN
    assert told(watcher)[0][0] > deleted.id
    watcher.leave()


BAD = ["-1", "x", "1.5", "99999999", "18446744073709551616"]


@pytest.mark.parametrize(("by", "cursor"), [("header", c) for c in BAD] + [("query", c) for c in [*BAD, ""]])
def test_bad_cursors_are_400_with_the_range(api, cursor, by):
    api.whole_turn(say("x"))
    last = api.get("/api/v1/sessions")["feed_seq"]
    headers = {"Last-Event-ID": cursor} if by == "header" else None
    params = {"since": cursor} if by == "query" else None
    reply = Watcher(api.client, "/api/v1/stream", params=params, headers=headers)
    assert reply.status == 400
    assert (reply.body["first_seq"], reply.body["last_seq"]) == (1, last)
    assert reply.body["error"]["message"]


def test_after_a_repair_old_cursors_are_reset(server, tmp_path):
    api = server.api
    watcher = api.feed()
    api.whole_turn(say("x"), "talk")
    number = told(wait_ends(watcher, 1))[-1][0]
    watcher.leave()
    server.sigterm()
    assert server.cli("db", "repair", tmp_path / "new.db").returncode == 0
    (server.data_dir / "culm.db").unlink()
    (tmp_path / "new.db").rename(server.data_dir / "culm.db")
    api = server.start().api
    watcher = api.feed(since=number)
    reset = watcher.wait_type("feed_reset")
    assert reset["from_seq"] == number
    assert reset.id is None
    api.whole_turn(say("y"), "talk")
    wait_ends(watcher, 1)
    assert [e[2] for e in told(watcher)] == TURN[1:]
    assert told(watcher)[0][0] > number
    fresh = api.feed()
    wait_ends(fresh, 1)
    assert told(fresh) == told(watcher)
    assert not fresh.events("feed_reset")
    watcher.leave()
    fresh.leave()


def test_states_of_sessions_are_told_as_they_are(api):
    watcher = api.feed(since=api.get("/api/v1/sessions")["feed_seq"])
    api.whole_turn(say(words(5)), "talk")
    last = api.session("talk")["last_seq"]
    state = watcher.wait_for(
        lambda f: f.type == "session_state" and f["session"]["last_seq"] == last, what="the last state"
    )
    listed = next(s for s in api.get("/api/v1/sessions")["sessions"] if s["id"] == "talk")
    assert state["session"] == listed
    assert state.id is None
    types = [f.type for f in list(watcher.frames)]
    assert types.index("session_created") < types.index("session_state")
    watcher.leave()


def test_many_watchers_see_the_same(api):
    watchers = [api.feed() for _ in range(40)]
    for i in range(5):
        api.turn(say(words(10)), f"s{i}")
    expected = sorted(told(wait_ends(watchers[0], 5)))
    for watcher in watchers:
        wait_ends(watcher, 5)
        assert told(watcher) == expected
        watcher.leave()


def test_who_reads_nothing_holds_up_nobody_and_loses_nothing(server):
    """One watcher leaves its socket full; another sees everything meanwhile; then the first reads it all."""
    api = server.api
    client = server.client()
    idle, parser = client.send(client.build_request("GET", "/api/v1/stream"), stream=True), FrameParser()
    fast = api.feed()
    text = words(20_000)
    for i in range(20):
        api.whole_turn(say(text), f"s{i}")
    everything = told(wait_ends(fast, 20))
    late = []
    for data in idle.iter_bytes():
        late += parser.feed(data)
        if len(events(late)) >= len(everything):
            break
    assert events(late) == everything
    checks.ids_rise(late)
    idle.close()
    fast.leave()


def test_the_feed_of_many_writers_is_one_order(api):
    """Every session's events are in the order of its log, whoever else writes."""
    watcher = api.feed()
    threads = [
        threading.Thread(target=lambda n=n: [api.whole_turn(say("x"), f"s{n}") for _ in range(3)]) for n in range(6)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    wait_ends(watcher, 18)
    frames = [f for f in list(watcher.frames) if f.id is not None]
    checks.ids_rise(frames)
    for n in range(6):
        of_one = [f for f in frames if f["session_id"] == f"s{n}"]
        assert [f.type for f in of_one] == TURN + TURN[1:] * 2
        seqs = [f.told["seq"] for f in of_one if f.type != "session_history_committed"]
        assert all(a < b for a, b in itertools.pairwise(seqs))
        assert sum(f.type in TERMINAL for f in of_one) == 3
    poll(lambda: api.get("/api/v1/runs/active")["sessions"], lambda active: not active)
    watcher.leave()
