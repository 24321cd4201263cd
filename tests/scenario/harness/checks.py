# SPDX-License-Identifier: MIT
"""What must hold for everything a watcher saw, whatever happened."""

import itertools

from .sse import TERMINAL


class Texts:
    """Text in flight as a client keeps it: by message id and byte offset, idempotent, dropped when discarded."""

    def __init__(self):
        self.parts = {}
        self.kinds = {}
        self.discarded = set()

    def take(self, event):
        kind = event["type"]
        if kind == "token":
            self._add(event["message_id"], event["offset"], event["content"].encode())
        elif kind == "message_discarded":
            self.parts.pop(event["message_id"], None)
            self.discarded.add(event["message_id"])

    def _add(self, message_id, offset, data):
        assert message_id not in self.discarded, f"text of {message_id} after it was discarded"
        have = self.parts.setdefault(message_id, b"")
        assert offset <= len(have), f"a gap in {message_id}: {len(have)} bytes known, then offset {offset}"
        known = have[offset : offset + len(data)]
        assert data.startswith(known), f"other bytes at {offset} of {message_id}: {known!r}, then {data!r}"
        self.parts[message_id] = have + data[len(known) :]

    def text(self, message_id):
        return self.parts.get(message_id, b"").decode("utf-8")


def ids_rise(frames):
    ids = [f.id for f in frames if f.id is not None]
    assert all(a < b for a, b in itertools.pairwise(ids)), f"ids do not rise strictly: {ids}"


def one_terminal_per_run(frames):
    """Between two starts at most one terminal event, and no other fact of the run after it."""
    ended = None
    for frame in frames:
        if frame.type == "execution_started":
            ended = None
        elif frame.type in TERMINAL:
            assert ended is None, f"a second end: {ended} and then {frame.data}"
            ended = frame.data
        elif frame.type in ("token", "reasoning_token", "tool_start", "tool_complete", "tool_error"):
            assert ended is None, f"after the end {ended} came {frame.data}"


def first_is_opened(frames):
    assert frames, "an empty stream"
    assert frames[0].type == "stream_opened", f"the first frame is {frames[0].data}"
    for key in ("last_seq", "boot", "heartbeat_ms", "server_time"):
        assert key in frames[0].event, f"stream_opened without {key}"
    assert all(f.type != "stream_opened" for f in frames[1:])


def facts_have_time(frames):
    for frame in frames:
        if frame.id is not None:
            assert isinstance(frame.event.get("at"), int), f"a fact without `at`: {frame.data}"
            assert frame["at"] > 1_600_000_000_000, f"`at` is not milliseconds since the epoch: {frame.data}"


NOT_IN_STORY = ("stream_opened", "token_budget_updated", "runner_progress", "heartbeat", "notification")


def story(frames):
    """The types of what happened, in order: repeated deltas as one, without what only informs."""
    told = []
    for frame in frames:
        word = frame.type or frame.data
        if word in NOT_IN_STORY or word == "[KEEPALIVE]":
            continue
        if word == "message_appended":
            word = f"{frame['role']} message"
        if not (told and told[-1] == word and frame.id is None):
            told.append(word)
    return told


def stream(frames):
    """What every stream keeps, with text or without."""
    first_is_opened(frames)
    ids_rise(frames)
    facts_have_time(frames)
    one_terminal_per_run(frames)


def text_equals_stored(frame_lists, messages):
    """The text of one watcher, over all his connections in order, is the stored text of what he saw finished."""
    texts = Texts()
    stored = {m["id"]: m["content"] for m in messages if m["role"] == "assistant"}
    finished = set()
    for frames in frame_lists:
        for frame in frames:
            if not frame.event:
                continue
            texts.take(frame.event)
            if frame.type == "message_appended" and frame["role"] == "assistant":
                message_id = frame["message_id"]
                assert texts.text(message_id) == frame["content"], f"text shown of {message_id} differs from the end"
                finished.add(message_id)
    for message_id in finished:
        assert texts.text(message_id) == stored[message_id]
    left = {m: t for m, t in texts.parts.items() if t and m not in stored}
    assert not left, f"text was shown that is neither stored nor discarded: {left}"
    return finished


def messages_are_the_fold_of_the_log(api, session_id):
    """The transcript that a client can add up from the numbered events is the stored one, message for message."""
    facts = [f.event for f in api.replay(session_id) if f.id is not None]
    told = []
    for m in facts:
        if m["type"] == "message_appended":
            told.append((m["message_id"], m["role"], m["content"]))
        elif m["type"] == "messages_removed" and m["mode"] != "delete":
            told = told[: len(told) - m["messages_removed"]]  # at rest, so the last ones of the log are the last ones
    messages = api.messages(session_id)
    stored = [(m["id"], m["role"], m["content"]) for m in messages if m["role"] in ("user", "assistant")]
    assert sorted(told) == sorted(stored), f"{session_id}: told {told}, stored {stored}"
    answers = [m for m in told if m[1] == "assistant"]
    assert answers == [m for m in stored if m[1] == "assistant"], "answers in another order"
    results = {f["tool_call_id"] for f in facts if f["type"] in ("tool_complete", "tool_error")}
    assert results == {m["tool_call_id"] for m in messages if m["role"] == "tool"}
