# SPDX-License-Identifier: MIT
"""The means of the tests, tested: a check that cannot fail proves nothing."""

import json
import threading

import httpx
import openai
import pydantic
import pytest

from harness import checks
from harness import provider as p
from harness.sse import FrameParser, FramingError
from harness.strict import check_chat_completion

GOOD = {
    "model": "m",
    "stream": True,
    "stream_options": {"include_usage": True},
    "messages": [
        {"role": "system", "content": "s"},
        {"role": "user", "content": "u"},
        {"role": "assistant", "content": None, "tool_calls": [
            {"id": "c1", "type": "function", "function": {"name": "n", "arguments": "{}"}}]},
        {"role": "tool", "tool_call_id": "c1", "content": "no such tool"},
    ],
}  # fmt: skip


def calling(call):
    return {"role": "assistant", "tool_calls": [call]}


def test_good_body_is_accepted():
    check_chat_completion(json.dumps(GOOD))


@pytest.mark.parametrize(
    "change",
    [
        {"unknown": 1},
        {"stream": "true"},
        {"stream": None},
        {"model": 7},
        {"temperature": "0.5"},
        {"messages": "hello"},
        {"messages": [{"role": "user"}]},
        {"messages": [{"role": "wizard", "content": "x"}]},
        {"messages": [{"role": "user", "content": "x", "created_at": 1}]},
        {"messages": [{"role": "tool", "content": "x"}]},
        {"messages": [calling({"id": "c", "type": "function", "function": {"name": "n"}})]},
        {
            "messages": [
                calling({"index": 0, "id": "c", "type": "function", "function": {"name": "n", "arguments": "{}"}})
            ]
        },
        {"tools": [{"type": "function", "function": {"description": "no name"}}]},
        {"stream_options": {"usage": True}},
    ],
)
def test_bad_body_is_rejected(change):
    with pytest.raises(pydantic.ValidationError):
        check_chat_completion(json.dumps(GOOD | change))


def test_missing_keys_are_rejected():
    for key in ("model", "messages", "stream"):
        with pytest.raises(pydantic.ValidationError):
            check_chat_completion(json.dumps({k: v for k, v in GOOD.items() if k != key}))


@pytest.fixture
def sdk(provider):
    return openai.OpenAI(base_url=provider.url, api_key="sk-scenario-canary", max_retries=0, timeout=10)


def create(sdk):
    return sdk.chat.completions.create(model="m", stream=True, messages=[{"role": "user", "content": "u"}])


def test_sdk_reads_the_stand_in(provider, sdk):
    provider.reply(
        p.comment(),
        p.text("Hel"),
        p.text("lo"),
        p.tool(0, id="c1", name="find", arguments=""),
        p.tool(0, arguments='{"a":'),
        p.tool(0, arguments="1}"),
        p.finish("tool_calls"),
        p.usage(3, 4),
        p.done(),
    )
    chunks = list(create(sdk))
    deltas = [c.choices[0].delta for c in chunks if c.choices]
    assert "".join(d.content or "" for d in deltas) == "Hello"
    calls = [d.tool_calls[0].function for d in deltas if d.tool_calls]
    assert calls[0].name == "find"
    assert "".join(c.arguments or "" for c in calls) == '{"a":1}'
    assert chunks[-1].usage.total_tokens == 7


def test_sdk_sees_the_scripted_failures(provider, sdk):
    provider.reply(*p.failure(429, type="rate_limit_error", Retry_After="1"))
    with pytest.raises(openai.RateLimitError) as caught:
        create(sdk)
    assert caught.value.response.headers["retry-after"] == "1"

    provider.reply(p.text("half"), p.reset_in_chunk(b'data: {"choi'))
    with pytest.raises((openai.APIError, httpx.TransportError)):
        list(create(sdk))


def test_wait_step_holds_the_stream(provider, sdk):
    go = threading.Event()
    provider.reply(p.text("one"), p.wait(go), *p.answer("two"))
    stream = iter(create(sdk))
    assert next(stream).choices[0].delta.content == "one"
    go.set()
    assert next(stream).choices[0].delta.content == "two"


def test_stand_in_keeps_connections(provider):
    with httpx.Client(trust_env=False) as client:
        for _ in range(3):
            provider.reply(*p.answer("x"))
            body = {"model": "m", "stream": True, "messages": [{"role": "user", "content": "u"}]}
            reply = client.post(
                f"{provider.url}/chat/completions", json=body, headers={"Authorization": "Bearer sk-scenario-canary"}
            )
            assert reply.text.endswith("data: [DONE]\n\n")
    assert provider.connections == 1


def frames(text):
    return list(FrameParser().feed(text.encode()))


def test_frames_are_read():
    seen = frames('data: {"type":"stream_opened"}\n\nid: 7\ndata: {"type":"complete","seq":7}\n\ndata: [DONE]\n\n')
    assert [(f.id, f.type) for f in seen] == [(None, "stream_opened"), (7, "complete"), (None, None)]


@pytest.mark.parametrize(
    "text",
    [
        'event: token\ndata: {"type":"token"}\n\n',
        'data:{"type":"token"}\n\n',
        "data: {}\n\n",
        "retry: 100\n\n",
        ": comment\n\n",
        'id: 1\nid: 2\ndata: {"type":"a","seq":1}\n\n',
        'id: 01\ndata: {"type":"a","seq":1}\n\n',
        'id: 2\ndata: {"type":"a","seq":1}\n\n',
        "data: [DONE]\ndata: [DONE]\n\n",
    ],
)
def test_bad_frames_are_refused(text):
    with pytest.raises((FramingError, ValueError)):
        frames(text)


def token(message_id, offset, content):
    return {"type": "token", "message_id": message_id, "offset": offset, "content": content}


def test_text_is_idempotent_by_offset():
    texts = checks.Texts()
    for event in (token("m", 0, "grü"), token("m", 0, "grüß"), token("m", 6, "e"), token("m", 2, "üß")):
        texts.take(event)
    assert texts.text("m") == "grüße"


@pytest.mark.parametrize("second", [token("m", 4, "x"), token("m", 0, "xyz")])
def test_gaps_and_other_bytes_are_found(second):
    texts = checks.Texts()
    texts.take(token("m", 0, "abc"))
    with pytest.raises(AssertionError):
        texts.take(second)


def test_text_after_discard_is_found():
    texts = checks.Texts()
    texts.take(token("m", 0, "abc"))
    texts.take({"type": "message_discarded", "message_id": "m"})
    with pytest.raises(AssertionError):
        texts.take(token("m", 0, "abc"))


def test_two_ends_are_found():
    seen = frames('id: 1\ndata: {"type":"complete","seq":1}\n\nid: 2\ndata: {"type":"cancelled","seq":2}\n\n')
    with pytest.raises(AssertionError):
        checks.one_terminal_per_run(seen)
