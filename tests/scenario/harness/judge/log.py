# SPDX-License-Identifier: MIT
"""The log by itself, and the tables that are folded from it."""

from ..sse import TERMINAL
from .story import Finding, is_answer, is_user_message, short

NOT_OF_A_RUN = frozenset(
    {"session_created", "session_updated", "session_title_updated", "session_pinned_updated", "execution_started"}
)


def dense(story):
    for i, fact in enumerate(story.log["facts"], 1):
        if fact["seq"] != i:
            yield Finding("I-DENSE", f"fact {i} of the log has the number {fact['seq']}")
            return


def runs_in_log(story):
    active, cancelling, open_calls, ended = None, False, [], set()
    for f in story.log["facts"]:
        kind = f["type"]
        if kind == "execution_started":
            if active is not None:
                yield Finding("I-ONEACTIVE", f"the run {f['run_id']} begins at {f['seq']} while {active} is active")
            if f["run_id"] in ended or f["run_id"] == active:
                yield Finding("I-TERM", f"the run {f['run_id']} begins again at {f['seq']}")
            active, cancelling, open_calls = f["run_id"], False, []
        elif kind in NOT_OF_A_RUN or is_user_message(f):
            continue
        elif active is None:
            what = "a second end" if kind in TERMINAL and f["run_id"] in ended else "no run is active"
            yield Finding("I-TERM", f"{what}: {short(f)}")
        elif kind in TERMINAL:
            if f["run_id"] != active:
                yield Finding("I-TERM", f"the run {active} ends as {f['run_id']} at {f['seq']}")
            if cancelling and kind != "cancelled":
                yield Finding("I-CANCEL", f"the run {active} was stopped and ends with {kind}")
            if open_calls and kind != "error":
                yield Finding("I-PAIR", f"the run {active} ends with calls that have no result: {open_calls}")
            ended.add(active)
            active = None
        else:
            yield from step_of_run(f, cancelling, open_calls)
            cancelling = cancelling or kind == "cancel_requested"
    if active is not None and story.log.get("at_rest", True):
        yield Finding("I-TERM", f"the run {active} has not ended")


def step_of_run(f, cancelling, open_calls):
    kind = f["type"]
    if cancelling and kind in ("runner_progress", "tool_start", "model_failed"):
        yield Finding("I-CANCEL", f"after a stop came {short(f)}")
    if kind == "runner_progress" and open_calls:
        yield Finding("I-PAIR", f"a round begins at {f['seq']} with calls that have no result: {open_calls}")
    if is_answer(f):
        open_calls += [call["id"] for call in f.get("tool_calls", [])]
    if kind in ("tool_complete", "tool_error"):
        if f["tool_call_id"] in open_calls:
            open_calls.remove(f["tool_call_id"])
        else:
            yield Finding("I-PAIR", f"a result without call: {short(f)}")


def runs_listed(story):
    """The records of runs say what the log says."""
    if not story.has_log:
        return
    begun = [f["run_id"] for f in story.seqs_of("execution_started")]
    listed = [r["run_id"] for r in reversed(story.log["runs"])]
    if len(begun) <= 1000 and listed != begun:
        yield Finding("I-TERM", f"the runs are {listed}, in the log {begun}")
    ends = {f["run_id"]: f for f in story.log["facts"] if f["type"] in TERMINAL}
    for run in story.log["runs"]:
        end = ends.get(run["run_id"])
        status = {"complete": "completed", None: "running"}.get(end and end["type"], end and end["type"])
        if run["status"] != status:
            yield Finding("I-TERM", f"the run {run['run_id']} is {run['status']}, in the log {short(end)}")


def messages_folded(story):
    log = story.log
    if not story.has_log:
        return
    if len(log["messages"]) != len(story.fold) and log["total"] == len(log["messages"]):
        yield Finding("I-MSG", f"{len(log['messages'])} messages, {len(story.fold)} in the log")
    start = len(story.fold) - len(log["messages"])
    for message, entry in zip(log["messages"], story.fold[max(start, 0) :], strict=False):
        if not entry.fits(message):
            yield Finding("I-MSG", f"the history has {short(message)}, the log {entry}")
            return
