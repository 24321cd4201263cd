# SPDX-License-Identifier: MIT
"""What was asked and answered, against what the log says was done."""

import math
from collections import Counter, defaultdict

from ..sse import TERMINAL
from .story import Finding, is_user_message, short

STATUSES = {
    "chat": {201, 429, 503},
    "execute": {200, 202, 404, 503},
    "stop": {200, 404, 409, 503},
    "edit": {200, 404, 412, 503},
    "delete": {200, 404, 503},
    "history": {200, 404, 503},
    "get": {200, 404, 503},
    "list": {200, 503},
    "watch": {200, 404, 503},
}


def answers(story):
    for op in story.ops.values():
        if op.kind is None:
            yield Finding("I-ANSWER", f"{op} was never answered")
        elif op.op == "watch" and op.status in (400, 410):
            yield Finding("I-RESUME", f"{op}: the cursor {op.args} was refused: {short(op.body)}")
        elif op.status is not None and op.status not in STATUSES[op.op]:
            yield Finding("I-ANSWER", f"{op} was answered with {op.status}: {short(op.body)}")
        elif "TimeoutException" in str(op.body) or "ReadTimeout" in str(op.body):
            yield Finding("I-ANSWER", f"{op} was not answered in time")
        if op.broken:
            yield Finding("I-ANSWER", f"{op}: the stream is broken: {op.broken}")
        if op.op == "watch" and op.ok and op.closed is None:
            yield Finding("I-ANSWER", f"{op}: the stream never ended")


def sessions_lost(story):
    """Not found, though a message was acknowledged before and nobody had asked for it to be deleted."""
    since = min((op.answered for op in story.of("chat") if op.ok), default=math.inf)
    for op in story.ops.values():
        lost = op.status == 404 and op.op != "stop" and op.invoked > since
        if lost and not story.deleted_before(op.answered):
            yield Finding("I-ACK", f"{op}: not found, but its messages were acknowledged")


def gone(story):
    deleted = min((op.answered for op in story.of("delete") if op.ok), default=math.inf)
    made_again = any(op.op == "chat" and op.kind != "failed" and op.answered > deleted for op in story.ops.values())
    if made_again:
        return
    for op in story.ops.values():
        if op.invoked <= deleted or not op.ok:
            continue
        if op.op != "list" or any(row["id"] == op.session for row in op.get("sessions", [])):
            yield Finding("I-GONE", f"{op} was answered with {op.status} after the session was deleted")


def counted(story, what, ops, found):
    """I-ACK for requests that carry a text of their own: so often it is in the log."""
    by_text = defaultdict(list)
    for text, op in ops:
        by_text[text].append(op)
    for text, those in by_text.items():
        acknowledged = sum(op.ok for op in those)
        possible = acknowledged + sum(op.kind in ("unknown", None) for op in those)
        there = found.pop(text, 0)
        if there < acknowledged:
            yield Finding("I-ACK", f"{what} {short(text)!r} was acknowledged ({those[0]}) and is not in the log")
        if there > possible:
            why = "was refused" if possible == 0 else f"was sent {possible} times"
            yield Finding("I-ACK", f"{what} {short(text)!r} {why} ({those[0]}) and is {there} times in the log")
    for text in found:
        yield Finding("I-NOPHANTOM", f"{what} {short(text)!r} is in the log, and nobody sent it")


def messages_acknowledged(story):
    if not story.has_log:
        return
    posted = [f for f in story.log["facts"] if is_user_message(f)]
    ops = [(op.args["message"], op) for op in story.of("chat")]
    yield from counted(story, "the message", ops, Counter(f["content"] for f in posted))
    for op in story.of("chat"):
        fact = story.facts.get(op.get("ingress_seq"))
        if op.ok and (fact is None or fact.get("message_id") != op.get("message_id")):
            yield Finding("I-ACK", f"{op}: {short(op.body)} names no such fact: {short(fact)}")
    for fact, count in Counter(f["message_id"] for f in posted).items():
        if count > 1:
            yield Finding("I-ACK", f"the message {fact} is {count} times in the log")


def edits_acknowledged(story):
    if not story.has_log:
        return
    ops = [(op.args["title"], op) for op in story.of("edit") if "title" in op.args]
    yield from counted(story, "the title", ops, Counter(f["title"] for f in story.seqs_of("session_title_updated")))


def run_told(op):
    """(run id, whether this very request started it)"""
    started = op.get("status") == "started" or op.get("execute_status") == "started"
    return op.get("run_id"), started


def runs_acknowledged(story):
    if not story.has_log:
        return
    begun = {f["run_id"]: f["seq"] for f in story.seqs_of("execution_started")}
    starters = Counter()
    for op in story.of("execute", "chat"):
        run, started = run_told(op)
        if run is None:
            continue
        if run not in begun:
            yield Finding("I-ACK", f"{op}: the run {run} was acknowledged and is not in the log")
        starters[run] += started
    for run, count in starters.items():
        if count > 1:
            yield Finding("I-ONEACTIVE", f"the run {run} was started {count} times")
    # A run that nobody was told to have started: the follow-up of one that ended with mail, or an unknown request.
    unknown = sum(op.kind != "failed" and not op.ok and may_start(op) for op in story.of("execute", "chat"))
    orphans = [run for run, seq in begun.items() if not starters[run] and not follows_an_end(story, seq)]
    if len(orphans) > unknown:
        yield Finding("I-NOPHANTOM", f"runs that nobody started: {orphans} (requests without answer: {unknown})")


def may_start(op):
    return op.op == "execute" or bool(op.args.get("execute"))


def follows_an_end(story, seq):
    return story.facts.get(seq - 1, {}).get("type") in TERMINAL


def stops_acknowledged(story):
    if not story.has_log:
        return
    ends = {f["run_id"]: f for f in story.log["facts"] if f["type"] in TERMINAL}
    stopped = {run for run, f in ends.items() if f["type"] == "cancelled"}
    ended_at = {}
    for op in story.of("watch"):
        for t, _, event, _ in op.frames:
            if event and event["type"] in TERMINAL:
                ended_at[event["run_id"]] = min(t, ended_at.get(event["run_id"], math.inf))
    for op in story.of("stop"):
        if not op.ok:
            continue
        run = op.args.get("run_id")
        if run is None and not any(ended_at.get(r, math.inf) > op.invoked for r in stopped):
            yield Finding("I-ACK", f"{op} was acknowledged, and no run was cancelled since")
        elif run is not None and run not in stopped:
            yield Finding("I-ACK", f"{op} of {run} was acknowledged, and it ended with {short(ends.get(run))}")
    possible = sum(op.kind != "failed" for op in story.of("stop"))
    if len(story.seqs_of("cancel_requested")) > possible:
        yield Finding("I-NOPHANTOM", f"{len(story.seqs_of('cancel_requested'))} stops in the log, {possible} were sent")
