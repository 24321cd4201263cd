# SPDX-License-Identifier: MIT
"""Sessions below others: whoever stops one stops all that is at work below it."""

import sqlite3

import pytest

from harness.api import expect, poll
from harness.offline import say, script

# Each session and the one above it; `beside` is a tree of its own.
FAMILY = {"top": None, "left": "top", "right": "top", "deep": "left", "asking": "left", "beside": None}
ASKS = script({"tool": {"name": "ask_user", "args": {"question": "How?"}}}, {"say": "Thank you."})
HANGS = script({"hang": "content"})


@pytest.fixture
def family(server):
    """The sessions of FAMILY: `right` at rest, `asking` waits for an answer, the others are in the middle of a text."""
    server.api.whole_turn(say("hello"), "right")
    for session in FAMILY:
        if session != "right":
            server.api.turn(ASKS if session == "asking" else HANGS, session)
    server.sigterm()
    with sqlite3.connect(server.data_dir / "culm.db") as db:
        for session, above in FAMILY.items():
            if above:
                db.execute("UPDATE session SET parent = ?, root = 'top', child = 1 WHERE id = ?", (above, session))
    db.close()
    server.is_spoiled = True  # the log says nothing of it
    server.start()
    comes_to(server, expected())
    return server


def states(server):
    return {session: server.api.session(session)["state"] for session in FAMILY}


def expected(**others):
    at_work = dict.fromkeys(FAMILY, "running") | {"right": "done", "asking": "asking"}
    return at_work | others


def stop(server, session, status=200, **headers):
    """What is below is at an end, or on its way there, when the reply comes."""
    expect(server.client().post(f"/api/v1/stop/{session}", headers=headers), status)


def comes_to(server, states_then):
    poll(lambda: states(server), lambda now: now == states_then)


def last_end(server, session):
    return server.api.runs(session)[0]["end"]


@pytest.mark.parametrize("then", ["warm", "killed"])
def test_a_stop_reaches_all_that_is_below(family, then):
    stop(family, "top", **{"Idempotency-Key": "k"})
    if then == "killed":
        family.restart("kill")
    comes_to(family, expected(top="cancelled", left="cancelled", deep="cancelled", asking="cancelled"))
    assert family.api.session("asking")["open_questions"] == 0
    stop(family, "top", **{"Idempotency-Key": "k"})
    family.api.turn(HANGS, "deep")
    stop(family, "top", **{"Idempotency-Key": "k"})  # tells, and is no stop of what has begun since
    assert states(family)["deep"] == "running"
    stop(family, "top", 404)
    stop(family, "beside")


def test_a_stop_in_the_middle_reaches_nothing_above_or_beside(family):
    stop(family, "left")
    comes_to(family, expected(left="cancelled", deep="cancelled", asking="cancelled"))


def test_a_stop_at_the_end_reaches_itself_alone(family):
    stop(family, "deep")
    comes_to(family, expected(deep="cancelled"))


def test_a_stop_of_a_named_run_reaches_that_run_alone(family):
    run = family.api.runs("top")[0]["run_id"]
    stop(family, "top", **{"Bamboo-Run-Id": run})
    comes_to(family, expected(top="cancelled"))


def test_a_stop_of_what_is_at_rest_reaches_nothing(family):
    stop(family, "right", 404)
    assert states(family) == expected()
