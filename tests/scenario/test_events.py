# SPDX-License-Identifier: MIT
"""The stream of a session: cursors, late watchers, the text rule, its ends and its bad requests."""

import threading

import pytest

from harness import checks
from harness import provider as p
from harness.api import expect
from harness.offline import say, words
from harness.sse import DONE, FrameParser, Watcher

TEXT = words(60, "wörd")


@pytest.fixture
def held(provider, make_server):
    """A server whose model has said `before` and says the rest when `go` is set."""

    class Held:
        server = make_server(env=provider.environment)
        go = threading.Event()
        before = words(20, "früh")
        after = " " + words(20, "später")
        text = before + after

        def start(self, session_id=None):
            provider.reply(p.text(self.before), p.wait(self.go), *p.answer(self.after))
            return self.server.api.turn("talk", session_id)

    return Held()


def raw_watch(api, session_id, headers=None, **params):
    return Watcher(api.client, f"/api/v1/events/{session_id}", params=params, headers=headers)


# framing and manners


def test_headers_of_a_stream(api):
    session_id, _ = api.whole_turn(say("x"))
    watcher = api.watch(session_id)
    assert watcher.headers["content-type"] == "text/event-stream; charset=utf-8"
    assert watcher.headers["x-accel-buffering"] == "no"
    assert "no-cache" in watcher.headers["cache-control"]
    assert "no-transform" in watcher.headers["cache-control"]


def test_a_quiet_stream_opens_at_once(api):
    session_id = api.chat("nobody runs this")["session_id"]
    watcher = api.watch(session_id)
    opened = watcher.wait_type("stream_opened")
    assert opened is watcher.frames[0]
    assert 0 < opened["heartbeat_ms"] <= 15_000
    assert opened["last_seq"] >= 1
    watcher.close()


def test_the_boot_of_a_stream_tells_restarts(server):
    session_id, _ = server.api.whole_turn(say("x"))
    first = server.api.replay(session_id)[0]["boot"]
    assert server.api.replay(session_id)[0]["boot"] == first
    server.restart("kill")
    assert server.api.replay(session_id)[0]["boot"] != first


def test_unknown_session_is_404(server, between):
    reply = raw_watch(between(server), "nobody")
    assert reply.status == 404
    assert reply.body["error"]["message"]


# cursors


def test_every_cursor_continues_exactly(server, between):
    session_id, _ = server.api.whole_turn(say(TEXT))
    server.api.whole_turn(say("second"), session_id)
    everything = server.api.replay(session_id)
    checks.stream(everything)
    api = between(server)
    facts = [f for f in everything if f.id is not None]
    for fact in facts:
        rest = api.replay(session_id, after=fact.id)
        checks.stream(rest)
        assert [f.data for f in rest if f.id is not None] == [f.data for f in facts if f.id > fact.id]


def test_the_header_wins_over_the_query(server, between):
    session_id, _ = server.api.whole_turn(say("x"))
    ids = [f.id for f in server.api.replay(session_id) if f.id is not None]
    api = between(server)
    watcher = api.watch(session_id, headers={"Last-Event-ID": str(ids[-2])}, after=0).wait_done()
    assert [f.id for f in watcher.frames if f.id is not None] == [ids[-1]]


def test_a_cursor_at_the_newest_fact_of_an_ended_session(server, between):
    session_id, _ = server.api.whole_turn(say("x"))
    newest = server.api.replay(session_id)[0]["last_seq"]
    api = between(server)
    frames = api.replay(session_id, after=newest)
    assert [f.type or f.data for f in frames] == ["stream_opened", "[DONE]"]


BAD_CURSORS = ["-1", "x", "1.5", "99999999", "18446744073709551616", "0x1"]


def test_bad_cursors_are_400_with_the_range(server, between):
    session_id, _ = server.api.whole_turn(say("x"))
    last = server.api.replay(session_id)[0]["last_seq"]
    api = between(server)
    replies = [raw_watch(api, session_id, headers={"Last-Event-ID": cursor}) for cursor in BAD_CURSORS]
    replies += [raw_watch(api, session_id, after=cursor) for cursor in [*BAD_CURSORS, "", "1 "]]
    for reply in replies:
        assert reply.status == 400
        assert reply.body["error"]["message"]
        assert (reply.body["first_seq"], reply.body["last_seq"]) == (1, last)


def test_a_cursor_after_a_restart_is_still_the_same(server):
    session_id, _ = server.api.whole_turn(say(TEXT))
    before = server.api.replay(session_id)
    server.restart("kill")
    after = server.api.replay(session_id)
    assert [f.data for f in before if f.id is not None] == [f.data for f in after if f.id is not None]


# without a cursor


def test_without_a_cursor_an_ended_session_says_how_it_ended(server, between):
    session_id, _ = server.api.whole_turn(say("x"))
    frames = between(server).watch(session_id).wait_done().frames
    checks.stream(frames)
    assert [f.type or f.data for f in frames][-2:] == ["complete", "[DONE]"]
    assert "token_budget_updated" in [f.type for f in frames]


def test_without_a_cursor_the_end_is_the_last_runs(provider, make_server, between):
    server = make_server(env=provider.environment)
    provider.reply(*p.answer("x")).reply(p.text("y"), p.silence())
    session_id, _ = server.api.whole_turn("one")
    _, run_id = server.api.turn("two", session_id)
    provider.wait_requests(2)
    server.api.stop(session_id)
    server.api.wait_run(run_id)
    frames = between(server).watch(session_id).wait_done().frames
    assert [f.type for f in frames if f.type in ("complete", "cancelled", "error")] == ["cancelled"]


# the text rule


def test_watchers_who_come_at_any_time_have_the_same_text(held):
    session_id, _ = held.start()
    api = held.server.api
    early = api.watch(session_id, after=0)
    early.wait_text(len(held.before.encode()))
    late = [api.watch(session_id), api.watch(session_id, after=0), api.watch(session_id, after=early.last_id)]
    for watcher in late:
        watcher.wait_text(len(held.before.encode()))
    held.go.set()
    messages = None
    for watcher in [early, *late]:
        watcher.wait_done()
        checks.stream(watcher.frames)
        messages = messages or api.messages(session_id)
        assert len(checks.text_equals_stored([watcher.frames], messages)) == 1
    assert messages[-1]["content"] == held.text


def test_a_late_watcher_gets_the_missing_text_in_one_event(held):
    session_id, _ = held.start()
    api = held.server.api
    api.watch(session_id).wait_text(len(held.before.encode()))
    late = api.watch(session_id)
    late.wait_text(len(held.before.encode()))
    tokens = late.events("token")
    assert [(t["offset"], t["content"]) for t in tokens] == [(0, held.before)]
    held.go.set()
    late.wait_done()


def test_a_replay_has_the_text_before_the_message(server, between):
    session_id, _ = server.api.whole_turn(say(TEXT))
    frames = between(server).replay(session_id)
    tokens = [i for i, f in enumerate(frames) if f.type == "token"]
    message = next(i for i, f in enumerate(frames) if f.type == "message_appended" and f["role"] == "assistant")
    assert tokens == [message - 1]
    assert (frames[tokens[0]]["offset"], frames[tokens[0]]["content"]) == (0, TEXT)


@pytest.mark.parametrize("part", ["nothing", "some", "everything"])
def test_a_cursor_completed_by_the_text_position(server, between, part):
    session_id, _ = server.api.whole_turn(say(TEXT))
    frames = server.api.replay(session_id)
    message = next(f for f in frames if f.type == "message_appended" and f["role"] == "assistant")
    before = max(f.id for f in frames if f.id is not None and f.id < message.id)
    offset = {"nothing": 0, "some": len(TEXT[:9].encode()), "everything": len(TEXT.encode())}[part]
    api = between(server)
    rest = api.replay(session_id, after=before, message_id=message["message_id"], offset=offset)
    tokens = [(f["offset"], f["content"]) for f in rest if f.type == "token"]
    missing = TEXT.encode()[offset:].decode()
    assert tokens == ([(offset, missing)] if missing else [])


def test_reconnecting_in_mid_text_neither_loses_nor_repeats(held):
    session_id, _ = held.start()
    api = held.server.api
    first = api.watch(session_id, after=0)
    first.wait_text(len(held.before.encode()))
    first.close()
    seen = first.events("token")
    position = sum(len(t["content"].encode()) for t in seen)
    second = api.watch(session_id, after=first.last_id, message_id=seen[0]["message_id"], offset=position)
    held.go.set()
    second.wait_done()
    assert "".join(t["content"] for t in second.events("token")) == held.text.encode()[position:].decode()
    checks.text_equals_stored([first.frames, second.frames], api.messages(session_id))


def test_without_deltas_there_is_no_text(held):
    session_id, _ = held.start()
    api = held.server.api
    watcher = api.watch(session_id, after=0, deltas=0)
    held.go.set()
    watcher.wait_done()
    checks.stream(watcher.frames)
    assert watcher.events("token", "reasoning_token") == []
    message = next(f for f in watcher.events("message_appended") if f["role"] == "assistant")
    assert message["content"] == held.text


def test_offsets_are_utf8_bytes_and_characters_stay_whole(api):
    text = "aé漢👋🏽" * 40
    session_id = api.chat(say(text, delay_ms=1))["session_id"]
    watcher = api.watch(session_id)
    api.execute(session_id)
    watcher.wait_done()
    expected = 0
    for token in watcher.events("token"):
        assert token["offset"] == expected
        expected += len(token["content"].encode("utf-8", "strict"))
    assert expected == len(text.encode())


def test_a_batch_window_keeps_the_text(held):
    session_id, _ = held.start()
    api = held.server.api
    watcher = api.watch(session_id, after=0, batch_ms=20)
    held.go.set()
    watcher.wait_done()
    checks.stream(watcher.frames)
    assert len(checks.text_equals_stored([watcher.frames], api.messages(session_id))) == 1


# ends


def test_follow_waits_for_the_next_run(server):
    api = server.api
    session_id, _ = api.whole_turn(say("one"))
    watcher = api.watch(session_id, after=0, follow=1)
    watcher.wait_type("complete")
    api.whole_turn(say("two"), session_id)
    watcher.wait_for(lambda f: f.type == "message_appended" and f["content"] == "two")
    watcher.wait_for(lambda f: f.type == "complete" and f.id == api.session(session_id)["last_seq"])
    assert not watcher.ended
    checks.stream(watcher.frames)
    watcher.close()


def test_a_stream_opened_before_the_run_sees_all_of_it(api):
    session_id = api.chat(say(TEXT))["session_id"]
    watcher = api.watch(session_id)
    watcher.wait_type("stream_opened")
    api.execute(session_id)
    watcher.wait_done()
    checks.stream(watcher.frames)
    assert len(checks.text_equals_stored([watcher.frames], api.messages(session_id))) == 1


def test_two_hundred_watchers_see_the_same(held):
    session_id, _ = held.start()
    api = held.server.api
    watchers = [api.watch(session_id, after=0) for _ in range(200)]
    held.go.set()
    facts = set()
    for watcher in watchers:
        watcher.wait_done()
        checks.stream(watcher.frames)
        facts.add(tuple(f.data for f in watcher.frames if f.id is not None))
    assert len(facts) == 1


def test_a_watcher_who_reads_nothing_costs_nobody(provider, make_server):
    """One who stops reading falls back to the log: others are not held up, and the run ends."""
    api = make_server(env=provider.environment).api
    text = words(400_000)
    pieces = [text[i : i + 1000] for i in range(0, len(text), 1000)]
    provider.reply(*p.answer(*pieces))
    session_id = api.chat("talk a lot")["session_id"]
    request = api.client.build_request("GET", f"/api/v1/events/{session_id}")
    idle, parser = api.client.send(request, stream=True), FrameParser()
    reader = api.watch(session_id)
    reader.wait_type("stream_opened")
    run_id = api.execute(session_id)["run_id"]
    reader.wait_done()
    assert api.run(run_id)["status"] == "completed"
    checks.text_equals_stored([reader.frames], api.messages(session_id))
    late = [f for line in idle.iter_bytes() for f in parser.feed(line)]
    assert late[-1].data == DONE
    checks.stream(late)
    checks.text_equals_stored([late], api.messages(session_id))
    idle.close()


def test_delete_ends_the_streams(api):
    session_id, _ = api.whole_turn(say("x"))
    watcher = api.watch(session_id, after=0, follow=1)
    watcher.wait_type("complete")
    expect(api.client.delete(f"/api/v1/sessions/{session_id}"), 200)
    watcher.wait_end()


# pages of facts


def test_pages_of_facts_are_the_streams(server, between):
    session_id, _ = server.api.whole_turn(say(TEXT))
    streamed = {f.id: f.type for f in server.api.replay(session_id) if f.id is not None}
    api = between(server)
    seen, after = {}, 0
    while True:
        page = expect(api.client.get(f"/api/v1/sessions/{session_id}/facts", params={"after": after, "limit": 2}), 200)
        if not page["facts"]:
            break
        assert len(page["facts"]) <= 2
        seen |= {fact["seq"]: fact["type"] for fact in page["facts"]}
        after = page["facts"][-1]["seq"]
    assert {seq: seen.get(seq) for seq in streamed} == streamed
    newest = expect(
        api.client.get(f"/api/v1/sessions/{session_id}/facts", params={"before": after + 1, "limit": 1}), 200
    )
    assert [fact["seq"] for fact in newest["facts"]] == [after]
