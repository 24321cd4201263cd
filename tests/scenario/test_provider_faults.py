# SPDX-License-Identifier: MIT
"""Every way a provider can fail, with the exact events a watcher sees."""

import json
import threading

import pytest

from harness import checks
from harness import provider as p
from harness.api import poll

GOOD = ["execution_started", "token", "assistant message", "complete"]
AGAIN = ["execution_started", "token", "message_discarded", "token", "assistant message", "complete"]
FAILED = ["execution_started", "error"]
SHORT_TIMERS = {"limits": {"model_headers_ms": 1500, "model_content_ms": 3000, "model_idle_ms": 1500}}


class Turn:
    """One turn against the scripted provider, watched from before it started."""

    def __init__(self, server, provider):
        self.api = server.api
        self.provider = provider
        self.session_id = self.api.chat("question")["session_id"]
        self.watcher = self.api.watch(self.session_id)
        self.watcher.wait_type("stream_opened")
        self.run_id = self.api.execute(self.session_id)["run_id"]

    def end(self):
        self.watcher.wait_done()
        frames = self.watcher.frames
        checks.stream(frames)
        messages = self.api.messages(self.session_id)
        checks.text_equals_stored([frames], messages)
        # Who comes later is told the same end.
        late = self.api.replay(self.session_id)
        checks.stream(late)
        checks.text_equals_stored([late], messages)
        assert late[-2].data == frames[-2].data
        return self

    @property
    def story(self):
        return [word for word in checks.story(self.watcher.frames) if word not in ("user message", "[DONE]")]

    @property
    def run(self):
        return self.api.run(self.run_id)

    @property
    def answer(self):
        return self.api.conversation(self.session_id)[-1][1]

    @property
    def error(self):
        return self.watcher.wait_type("error")["message"]


@pytest.fixture
def server(make_server, provider):
    return make_server(env=provider.environment)


@pytest.fixture
def impatient(make_server, provider, directory):
    """A server that waits for a provider a second or so, not minutes."""
    path = directory / "culm.json"
    path.write_text(json.dumps(SHORT_TIMERS))
    return make_server(env=provider.environment, args=["--config", str(path)])


def turn(server, provider):
    return Turn(server, provider).end()


# failures that another try may heal

BEFORE_TEXT = {
    "reset before the reply": [p.reset()],
    "reset after the headers": [p.headers(), p.reset()],
    "reset in a chunk": [p.reset_in_chunk(b'data: {"choi')],
    "an empty stream": [p.headers()],
    "only [DONE]": [p.done()],
    "an empty answer": [p.finish(), p.usage(1, 0), p.done()],
    "429": p.failure(429, type="rate_limit_error"),
    "429 with a pause": p.failure(429, type="rate_limit_error", Retry_After="1"),
    "500": p.failure(500),
    "502 in HTML": [lambda x: x.start(502, "Bad", content_type="text/html"), p.raw(b"<html>Bad Gateway</html>")],
    "503": p.failure(503),
    "503 with a pause": p.failure(503, Retry_After="1"),
    "529": p.failure(529, type="overloaded_error"),
    "408": p.failure(408),
    "an error object in the stream": [p.data({"error": {"message": "overloaded", "type": "server_error"}})],
}


@pytest.mark.parametrize("fault", BEFORE_TEXT)
def test_a_fault_before_any_text_is_tried_again_in_silence(server, provider, fault):
    provider.reply(*BEFORE_TEXT[fault]).reply(*p.answer("good"))
    done = turn(server, provider)
    assert done.story == GOOD
    assert done.answer == "good"
    assert done.run["status"] == "completed"
    assert len(provider.requests) == 2


IN_TEXT = {
    "reset between chunks": [p.reset()],
    "reset in a chunk": [p.reset_in_chunk(b'data: {"choi')],
    "a clean end without finish marker": [],
    "an error object": [p.data({"error": {"message": "overloaded", "type": "server_error", "code": None}})],
    "a line that is not JSON": [p.data(b"{not json"), *p.answer("more")],
    "JSON that is no chunk": [p.data(b'["chunk"]'), *p.answer("more")],
    "half a line at the end": [p.raw(b'data: {"choices":[{"index":0,"del')],
}


@pytest.mark.parametrize("fault", IN_TEXT)
def test_a_fault_in_mid_text_discards_it_and_tries_again(server, provider, fault):
    shown = threading.Event()
    provider.reply(p.text("half an ans"), p.wait(shown), *IN_TEXT[fault]).reply(*p.answer("good"))
    done = Turn(server, provider)
    done.watcher.wait_text(len("half an ans"))
    shown.set()
    done.end()
    assert done.story == AGAIN
    discarded = done.watcher.wait_type("message_discarded")
    assert discarded["reason"] == "retry"
    assert discarded["message_id"] == done.watcher.events("token")[0]["message_id"]
    assert done.answer == "good"


SILENCE = {
    "no headers": ([p.silence()], GOOD),
    "headers alone": ([p.headers(), p.silence()], GOOD),
    "a comment alone": ([p.comment(), p.silence()], GOOD),
    "in mid text": ([p.text("half an ans"), p.silence()], AGAIN),
}


@pytest.mark.slow
@pytest.mark.parametrize("when", SILENCE)
def test_silence_is_not_waited_for_for_ever(impatient, provider, when):
    steps, story = SILENCE[when]
    provider.reply(*steps).reply(*p.answer("good"))
    done = turn(impatient, provider)
    assert (done.story, done.answer) == (story, "good")


def test_an_endless_line_is_cut(server, provider):
    provider.reply(p.text("half"), p.long_line(100_000_000)).reply(*p.answer("good"))
    done = turn(server, provider)
    assert (done.story, done.answer) == (AGAIN, "good")


# failures that no other try heals


@pytest.mark.parametrize(
    ("reply", "kind"),
    [
        (p.failure(400, "bad field", "invalid_request_error"), "bad_request"),
        (p.failure(401, "Incorrect API key", "invalid_request_error", "invalid_api_key"), "authentication"),
        (p.failure(403, "no access", "invalid_request_error"), "authentication"),
        (p.failure(404, "no such model", "invalid_request_error", "model_not_found"), "model_not_found"),
        (p.failure(400, "too long", "invalid_request_error", "context_length_exceeded"), "context_overflow"),
        (p.failure(429, "no money", "insufficient_quota", "insufficient_quota"), None),
    ],
)
def test_a_final_failure_ends_the_run(server, provider, reply, kind):
    provider.reply(*reply)
    done = turn(server, provider)
    assert done.story == FAILED
    assert done.run["status"] == "error"
    assert kind is None or done.run["kind"] == kind
    assert done.error
    assert len(provider.requests) == 1


def test_a_key_is_never_shown(server, provider):
    provider.reply(*p.failure(401, "Incorrect API key provided: sk-scenario-canary", "invalid_request_error"))
    done = turn(server, provider)
    assert "sk-scenario-canary" not in done.error
    assert "sk-scenario-canary" not in server.log_text()
    assert "sk-scenario-canary" not in done.api.client.get(f"/api/v1/sessions/{done.session_id}").text


def test_a_provider_that_never_recovers_ends_the_run(server, provider):
    for _ in range(6):
        provider.reply(*p.failure(500, Retry_After_Ms="20"))
    done = turn(server, provider)
    assert done.story == FAILED
    assert done.run["kind"] == "provider_error"
    assert len(provider.requests) == 6


@pytest.mark.slow
def test_text_of_the_last_try_is_kept(server, provider):
    for _ in range(6):
        provider.reply(p.text("half an ans"), p.reset())
    done = turn(server, provider)
    assert done.story[-2:] == ["assistant message", "error"]
    assert done.story.count("message_discarded") == 5
    assert done.answer == "half an ans"
    assert done.run["status"] == "error"


@pytest.mark.slow
def test_nobody_listens_at_the_address(make_server):
    env = {"OPENAI_API_KEY": "x", "OPENAI_BASE_URL": "http://127.0.0.1:1/v1", "CULM_MODEL": "openai/m"}
    api = make_server(env=env).api
    session_id, run_id = api.whole_turn("question")
    run = api.run(run_id)
    assert (run["status"], run["kind"]) == ("error", "network")
    assert "127.0.0.1" in next(f["message"] for f in api.replay(session_id) if f.type == "error")


# what is odd and good all the same


def utf8_split(text):
    """The JSON of a chunk, cut in the middle of every character."""
    line = b'data: {"choices":[{"index":0,"delta":{"content":"' + text.encode() + b'"}}]}\n\n'
    return p.raw(*(line[i : i + 1] for i in range(len(line))))


ODD = {
    "characters in halves": ([utf8_split("grüße 漢字 👋🏽")], "grüße 漢字 👋🏽"),
    "broken UTF-8 for good": ([p.raw(b'data: {"choices":[{"index":0,"delta":{"content":"a\xff\xc3b"}}]}\n\n')], None),
    "half a character at the end": ([p.raw(b'data: {"choices":[{"index":0,"delta":{"content":"a\xc3"}}]}\n\n')], None),
    "comments everywhere": ([p.comment(), p.text("a"), p.comment(), p.text("b"), p.comment()], "ab"),
    "CRLF": ([p.raw(b'data: {"choices":[{"index":0,"delta":{"content":"a"}}]}\r\n\r\n')], "a"),
    "no space after the colon": ([p.raw(b'data:{"choices":[{"index":0,"delta":{"content":"a"}}]}\n\n')], "a"),
    "event and id lines": ([p.raw(b'event: x\nid: 1\ndata: {"choices":[{"delta":{"content":"a"}}]}\n\n')], "a"),
    "unknown keys": ([p.data(p.chunk_object({"content": "a", "new": {"b": [1]}}, service_tier="x"))], "a"),
    "nulls": ([p.data(p.chunk_object({"content": "a", "tool_calls": None, "refusal": None, "role": None}))], "a"),
    "an empty delta": ([p.data(p.chunk_object({})), p.text("a"), p.text("")], "a"),
    "a chunk without choices": ([p.data({"id": "x", "object": "chat.completion.chunk"}), p.text("a")], "a"),
    "escaped surrogates": ([p.data(rb'{"choices":[{"index":0,"delta":{"content":"\ud83d\udc4b"}}]}')], "👋"),
    "one byte at a time": ([utf8_split("slow")], "slow"),
}


@pytest.mark.parametrize("kind", ODD)
def test_an_odd_stream_is_read(server, provider, kind):
    steps, text = ODD[kind]
    provider.reply(*steps, p.finish(), p.usage(1, 1), p.done())
    done = turn(server, provider)
    assert done.story == GOOD
    if text is None:
        assert "\ufffd" in done.answer
        assert done.answer.startswith("a")
        assert done.api.messages(done.session_id)[-1]["metadata"] == {"repaired": True}
    else:
        assert done.answer == text
        assert "metadata" not in done.api.messages(done.session_id)[-1]
    assert len(provider.requests) == 1


def test_usage_may_come_with_the_last_choice(server, provider):
    sums = {"prompt_tokens": 7, "completion_tokens": 3, "total_tokens": 10}
    provider.reply(p.text("a"), p.data(p.chunk_object({}, "stop", usage=sums)), p.done())
    done = turn(server, provider)
    assert done.watcher.wait_type("complete")["usage"]["prompt_tokens"] == 7


def test_no_usage_is_no_failure(server, provider):
    provider.reply(p.text("a"), p.finish(), p.done())
    assert turn(server, provider).story == GOOD


def test_done_alone_is_a_finish_marker(server, provider):
    provider.reply(p.text("a"), p.done())
    assert turn(server, provider).story == GOOD


def test_the_end_may_come_without_done(server, provider):
    provider.reply(p.text("a"), p.finish(), p.usage(1, 1))
    assert turn(server, provider).story == GOOD


def test_an_answer_cut_by_length_is_said(server, provider):
    provider.reply(p.text("as far as it goes"), p.finish("length"), p.usage(1, 1), p.done())
    done = turn(server, provider)
    assert done.answer == "as far as it goes"
    assert done.run["kind"] == "length_limit"
    assert "cut by the limit of its length" in done.run["error"]


def test_a_content_filter_that_left_nothing_ends_the_run(server, provider):
    provider.reply(p.finish("content_filter"), p.usage(1, 1), p.done())
    done = turn(server, provider)
    assert done.story == FAILED
    assert done.run["kind"] == "content_filter"


def test_what_a_content_filter_left_is_the_answer(server, provider):
    provider.reply(p.text("I "), p.finish("content_filter"), p.usage(1, 1), p.done())
    done = turn(server, provider)
    assert (done.story, done.answer) == (GOOD, "I ")


# stop and connections


def test_stop_reaches_the_provider(server, provider):
    gone = threading.Event()

    def until_gone(x):
        try:
            x.until(threading.Event())
        finally:
            gone.set()

    provider.reply(p.text("x"), until_gone)
    running = Turn(server, provider)
    running.watcher.wait_text(1)
    running.api.stop(running.session_id)
    running.end()
    assert running.story == ["execution_started", "token", "assistant message", "cancelled"]
    assert gone.wait(30)


def test_thoughts_of_a_stopped_answer_are_kept_and_not_sent(server, provider, between):
    provider.reply(p.reasoning("let me "), p.reasoning("see"), p.silence()).reply(*p.answer("good"))
    api = server.api
    api.chat("question", "s")
    watcher = api.watch("s")
    api.execute("s")
    watcher.wait_type("reasoning_token")
    poll(lambda: "".join(f["content"] for f in watcher.frames if f.type == "reasoning_token"), "let me see".__eq__)
    api.stop("s")
    watcher.wait_done()
    assert checks.story(watcher.frames)[-4:] == ["reasoning_token", "assistant message", "cancelled", "[DONE]"]
    api = between(server)
    thoughts = api.messages("s")[-1]
    shown = (thoughts["role"], thoughts["content"], thoughts["reasoning"], thoughts["metadata"])
    assert shown == ("assistant", "", "let me see", {"interrupted": True})
    assert {f["message_id"] for f in watcher.frames if f.type == "reasoning_token"} == {thoughts["id"]}
    # Nothing was answered, so there is something to do; and no provider is shown a message without a word.
    assert api.wait_run(api.execute("s")["run_id"])["status"] == "completed"
    assert provider.requests[1].json["messages"] == [{"role": "user", "content": "question"}]
    assert [m["content"] for m in api.messages("s")] == ["question", "", "good"]


def test_stop_ends_a_pause_between_tries(server, provider):
    provider.reply(*p.failure(429, type="rate_limit_error", Retry_After="500"))
    running = Turn(server, provider)
    provider.wait_requests(1)
    running.api.stop(running.session_id)
    running.end()
    assert running.story == ["execution_started", "cancelled"]
    assert len(provider.requests) == 1


def test_connections_are_used_again(server, provider):
    for _ in range(3):
        provider.reply(*p.answer("x"))
        turn(server, provider)
    assert {r.connection for r in provider.requests} == {provider.requests[0].connection}


def test_the_base_url_may_come_without_its_version(make_server, provider):
    env = provider.environment | {"OPENAI_BASE_URL": provider.url.removesuffix("/v1")}
    provider.reply(*p.answer("x"))
    assert turn(make_server(env=env), provider).story == GOOD
