# SPDX-License-Identifier: MIT
"""What a crash or an orderly stop in the middle leaves: everything acknowledged, and runs that go on by themselves."""

import contextlib
import signal
import subprocess
import threading
from concurrent.futures import ThreadPoolExecutor

import httpx
import pytest

from harness import checks
from harness import provider as p
from harness.api import poll
from harness.environment import TIMEOUT, clean_environment
from harness.offline import say, words


@pytest.fixture
def server(make_server, provider):
    return make_server(env=provider.environment)


def cut(server, how):
    """Ends the server in the middle of things, and starts it again."""
    server.restart(how)
    return server.api


@pytest.fixture(params=["kill", "term"])
def how(request):
    return request.param


def test_a_run_cut_in_mid_stream_goes_on_under_its_id(server, provider, how):
    provider.reply(p.text("half an ans"), p.silence())
    session_id, run_id = server.api.turn("question")
    watcher = server.api.watch(session_id, after=0)
    watcher.wait_text(len("half an ans"))

    provider.reply(*p.answer("a whole answer"))
    api = cut(server, how)
    watcher.wait_end()
    assert api.wait_run(run_id)["status"] == "completed"
    assert api.conversation(session_id) == [("user", "question"), ("assistant", "a whole answer")]
    assert [r["run_id"] for r in api.runs(session_id)] == [run_id]

    again = api.watch(session_id, after=watcher.last_id).wait_done()
    checks.stream(again.frames)
    discarded = next(f for f in again.frames if f.type == "message_discarded")
    cut_message = watcher.events("token")[0]["message_id"]
    assert (discarded["message_id"], discarded["reason"]) == (cut_message, "restart")
    assert checks.story(again.frames) == ["message_discarded", "token", "assistant message", "complete", "[DONE]"]
    message = next(f for f in again.frames if f.type == "message_appended")
    assert message["message_id"] != cut_message
    checks.text_equals_stored([watcher.frames, again.frames], api.messages(session_id))


def test_a_run_cut_before_its_first_byte_goes_on(server, provider, how):
    provider.reply(p.silence())
    session_id, run_id = server.api.turn("question")
    provider.wait_requests(1)
    provider.reply(*p.answer("answer"))
    api = cut(server, how)
    assert api.wait_run(run_id)["status"] == "completed"
    frames = api.replay(session_id)
    checks.stream(frames)
    checks.text_equals_stored([frames], api.messages(session_id))


def test_a_run_is_cut_again_and_again(server, provider, how):
    provider.reply(p.text("try 0"), p.silence())
    session_id, run_id = server.api.turn("question")
    seen = []
    for n in range(1, 4):
        watcher = server.api.watch(session_id, after=max([w.last_id for w in seen], default=0))
        watcher.wait_for(lambda f, n=n: f.type == "token" and f["content"].endswith(str(n - 1)))
        seen.append(watcher)
        provider.reply(p.text(f"try {n}"), *([p.silence()] if n < 3 else [p.finish(), p.usage(1, 1), p.done()]))
        cut(server, how)
    api = server.api
    assert api.wait_run(run_id)["status"] == "completed"
    seen.append(api.watch(session_id, after=seen[-1].last_id).wait_done())
    checks.text_equals_stored([w.frames for w in seen], api.messages(session_id))
    assert api.conversation(session_id)[-1] == ("assistant", "try 3")


def test_rounds_that_are_done_are_not_made_again(server, provider, how):
    provider.reply(p.tool(0, id="c1", name="nothing", arguments="{}"), p.finish("tool_calls"), p.usage(5, 5), p.done())
    provider.reply(p.text("sec"), p.silence())
    _, run_id = server.api.turn("question")
    provider.wait_requests(2)
    provider.reply(*p.answer("second round"))
    api = cut(server, how)
    assert api.wait_run(run_id)["status"] == "completed"
    assert len(provider.requests) == 3
    sent = [m["role"] for m in provider.requests[2].json["messages"] if m["role"] != "system"]
    assert sent == ["user", "assistant", "tool"]


def test_a_post_without_execute_is_not_run(server, how):
    session_id = server.api.chat("only posted")["session_id"]
    api = cut(server, how)
    assert api.runs(session_id) == []
    assert api.session(session_id)["state"] in ("idle", "queued")


def test_posts_into_a_cut_run_are_answered_by_it(server, provider, how):
    provider.reply(p.text("x"), p.silence())
    session_id, run_id = server.api.turn("one")
    provider.wait_requests(1)
    server.api.chat("two", session_id)
    provider.reply(*p.answer("answer one")).reply(*p.answer("answer two"))
    api = cut(server, how)
    assert api.wait_run(run_id)["status"] == "completed"
    said = [text for role, text in api.conversation(session_id)]
    assert sorted(said[:-1]) == sorted(set(said[:-1]))
    assert {"one", "two"} <= set(said)
    assert said[-1].startswith("answer")


def test_a_stop_that_was_acknowledged_is_final(server, provider, how):
    provider.reply(p.text("x"), p.silence())
    session_id, run_id = server.api.turn("one")
    provider.wait_requests(1)
    server.api.stop(session_id)
    api = cut(server, how)
    assert api.wait_run(run_id)["status"] == "cancelled"
    assert len(provider.requests) == 1
    assert [f.type for f in api.replay(session_id) if f.type in checks.TERMINAL] == ["cancelled"]


def test_a_pause_between_tries_survives(server, provider, how):
    provider.reply(*p.failure(503, Retry_After="2"))
    session_id, run_id = server.api.turn("question")
    provider.wait_requests(1)
    provider.reply(*p.answer("after the pause"))
    api = cut(server, how)
    assert api.wait_run(run_id)["status"] == "completed"
    assert api.conversation(session_id)[-1] == ("assistant", "after the pause")


def test_many_runs_go_on_at_once(server, provider, how):
    for _ in range(20):
        provider.reply(p.text("x"), p.silence())
    runs = dict(server.api.turn("question") for _ in range(20))
    provider.wait_requests(20)
    for _ in range(20):
        provider.reply(*p.answer("whole"))
    api = cut(server, how)
    for session_id, run_id in runs.items():
        assert api.wait_run(run_id)["status"] == "completed"
        assert api.conversation(session_id)[-1] == ("assistant", "whole")


def test_the_offline_model_goes_on_too(make_server, how):
    server = make_server("offline")
    text = words(300)
    session_id, run_id = server.api.turn(say(text, delay_ms=2))
    watcher = server.api.watch(session_id, after=0)
    watcher.wait_text(20)
    api = cut(server, how)
    watcher.wait_end()
    assert api.wait_run(run_id)["status"] == "completed"
    again = api.watch(session_id, after=watcher.last_id).wait_done()
    messages = api.messages(session_id)
    assert messages[-1]["content"] == text
    checks.text_equals_stored([watcher.frames, again.frames], messages)


def test_watchers_are_ended_when_the_server_stops(server, provider):
    provider.reply(p.text("x"), p.silence())
    session_id, _ = server.api.turn("question")
    watcher = server.api.watch(session_id, after=0)
    watcher.wait_text(1)
    provider.reply(*p.answer("y"))
    server.sigterm()
    watcher.wait_end()
    assert not watcher.finished, "[DONE] would tell the client that the run is over"
    server.start()


def test_a_second_sigterm_ends_at_once(server, provider):
    provider.reply(p.text("x"), p.silence())
    server.api.turn("question")
    provider.wait_requests(1)
    process = server.process
    server.signal(signal.SIGTERM)
    if process.poll() is None:
        process.send_signal(signal.SIGTERM)
    server.wait_exit()
    provider.reply(*p.answer("y"))
    server.start()


def test_sigint_is_an_orderly_stop_too(server):
    server.signal(signal.SIGINT)
    assert server.wait_exit() in (0, 130)
    server.start()


def test_kill_9_between_two_posts_loses_none(server, provider):
    provider.reply(p.silence())
    for n in range(5):
        server.api.chat(f"message {n}", "steady")
        server.restart("kill")
    api = server.api
    assert api.runs("steady") == []
    run_id = api.execute("steady")["run_id"]
    assert run_id
    api.stop("steady")
    api.wait_run(run_id)
    posted = [m["content"] for m in api.messages("steady") if m["role"] == "user"]
    assert posted == [f"message {n}" for n in range(5)]


# the data directory


def test_a_data_directory_has_one_owner(server):
    second = subprocess.run(
        [*server.command()[:2], "--port", "0", "--data-dir", str(server.data_dir)],
        env=clean_environment(server.home),
        capture_output=True,
        text=True,
        timeout=TIMEOUT,
        check=False,
    )
    assert second.returncode == 1
    assert second.stdout == ""
    assert str(server.process.pid) in second.stderr
    assert server.api.client.get("/healthz").status_code == 200


def test_a_port_that_is_taken_is_said(server, make_server):
    other = make_server("other", start=False, port=server.port)
    with pytest.raises(AssertionError, match="ended with 1"):
        other.start()
    assert str(server.port) in other.log_text()


def test_a_file_that_is_no_store_is_refused(make_server):
    server = make_server("strange", start=False)
    server.start()
    server.sigterm()
    stores = [f for f in server.data_dir.iterdir() if f.read_bytes()[:15] == b"SQLite format 3"]
    assert len(stores) == 1
    server.is_spoiled = True
    stores[0].write_bytes(b"this is not a store" * 1000)
    with pytest.raises(AssertionError, match="ended with 1"):
        server.start()
    assert stores[0].read_bytes().startswith(b"this is not a store"), "a strange file was overwritten"


def test_runs_that_wait_are_not_held_up_by_one_that_hangs(server, provider):
    provider.reply(p.silence())
    server.api.turn("hangs", "hanging")
    provider.wait_requests(1)
    provider.reply(p.silence()).reply(*p.answer("fine"))
    api = cut(server, "kill")
    provider.wait_requests(2)
    _, run_id = api.turn("works", "working")
    assert api.wait_run(run_id)["status"] == "completed"


def test_reads_are_answered_while_runs_recover(server, provider):
    go = threading.Event()
    provider.reply(p.text("x"), p.silence())
    session_id, run_id = server.api.turn("question")
    provider.wait_requests(1)
    provider.reply(p.text("y"), p.wait(go), *p.answer("z"))
    api = cut(server, "kill")
    assert api.run(run_id)["status"] in ("pending", "running")
    assert api.execute(session_id, status=200)["run_id"] == run_id
    late = api.watch(session_id, after=0)
    late.wait_for(lambda f: f.type == "token" and "y" in f["content"])
    go.set()
    late.wait_done()
    checks.stream(late.frames)
    checks.text_equals_stored([late.frames], poll(lambda: api.messages(session_id), lambda m: m[-1]["content"] == "yz"))


READS = [
    "/api/v1/sessions",
    "/api/v1/sessions/s",
    "/api/v1/history/s",
    "/api/v1/sessions/s?at_seq=5",
    "/api/v1/questions",
]
STREAMS = ["/api/v1/events/s?after=0&follow=1", "/api/v1/stream?since=0"]


def test_a_stop_in_the_middle_of_reads_ends_in_good_order(make_server):
    """What was asked of the store and not answered yet goes with the server, which the sanitizers look for."""
    server = make_server()
    for n in range(10):
        server.api.whole_turn(say(words(300, f"w{n}x")), "s")
    for _ in range(5):
        at_work = threading.Barrier(len(READS + STREAMS) + 1)
        with ThreadPoolExecutor(len(READS + STREAMS)) as pool:
            readers = [pool.submit(read_until_cut, server, path, at_work) for path in READS + STREAMS]
            at_work.wait(TIMEOUT)
            server.sigterm()
            for reader in readers:
                reader.result(TIMEOUT)
        server.start()


def read_until_cut(server, path, at_work):
    """Reads until the server is gone; what comes is whole, or a refusal that says why."""
    client, is_stream, begun = server.client(lasting=True), path in STREAMS, False
    with contextlib.suppress(httpx.TransportError):
        while True:
            with client.stream("GET", path) as answer:
                part = next(answer.iter_bytes(), b"") if is_stream else answer.read()
                assert answer.status_code == 200 or b"stopping" in part, part
            if not begun:
                at_work.wait(TIMEOUT)
                begun = True
