# SPDX-License-Identifier: MIT
"""The log against real time: the order of effects, and what reads must have seen."""

import bisect
import itertools
import math
from collections import defaultdict

from .requests import run_told
from .story import Finding, is_user_message, short


def effects(story):
    """(seq, sent, answered, who): what took its place in the log between the two times."""
    for op in story.ops.values():
        for t, seq, _, _ in op.frames:
            if seq is not None:
                yield seq, -math.inf, t, op
    messages = defaultdict(list)
    for f in story.log["facts"]:
        if is_user_message(f):
            messages[f["content"]].append(f["seq"])
    titles = {f["title"]: f["seq"] for f in story.seqs_of("session_title_updated")}
    begun = {f["run_id"]: f["seq"] for f in story.seqs_of("execution_started")}
    for op in story.ops.values():
        seq = None
        if op.op == "chat":
            seqs = messages.get(op.args["message"], [])
            seq = seqs[0] if len(seqs) == 1 else op.get("ingress_seq")
        elif op.op == "edit":
            seq = titles.get(op.args.get("title"))
        elif op.op == "execute" and run_told(op)[1]:
            seq = begun.get(run_told(op)[0])
        if seq is not None and op.kind != "failed":
            yield seq, op.invoked, op.answered if op.ok else math.inf, op


def in_order(story):
    """A session is one total order, so that this is linearizability: one pass over the log."""
    newest, by = -math.inf, None
    for seq, sent, answered, op in sorted(effects(story), key=lambda e: e[0]):
        if answered < newest:
            yield Finding(
                "I-LINEAR", f"{op} was over before {by} was sent, and stands behind it in the log (seq {seq})"
            )
        if sent > newest:
            newest, by = sent, op


def reads(story):
    for op in story.ops.values():
        if not op.ok:
            continue
        if op.op == "get":
            yield from row_read(story, op, op.get("session"))
        elif op.op == "list":
            for row in op.get("sessions", []):
                if row["id"] == op.session:
                    yield from row_read(story, op, row)
        elif op.op == "history":
            yield from history_read(story, op)
        elif op.op == "watch" and op.frames and op.frames[0][2]:
            yield from row_read(story, op, op.frames[0][2])


def row_read(story, op, row):
    last = row.get("last_seq", 0)
    if last < story.known(op.invoked):
        yield Finding("I-READ", f"{op} showed the log up to {last}, but {story.known(op.invoked)} was known before")
    if story.has_log and last > story.last_seq:
        yield Finding("I-READ", f"{op} showed the log up to {last}, but it ends at {story.last_seq}")


def history_read(story, op):
    if not story.has_log or op.get("truncated") or op.get("is_delta"):
        return
    shown = op.get("messages")
    for i, (message, entry) in enumerate(itertools.zip_longest(shown, story.fold[: len(shown)])):
        if entry is None or not entry.fits(message):
            yield Finding("I-READ", f"{op}: message {i} is {short(message)}, in the log {entry}")
            return
    known = bisect.bisect_right([e.seq for e in story.fold], story.known(op.invoked))
    if len(shown) < known:
        yield Finding("I-READ", f"{op} showed {len(shown)} messages, but {known} were known before")
