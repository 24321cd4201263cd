# SPDX-License-Identifier: MIT
"""Sessions below others: whoever stops one stops all that is at work below it."""

import sqlite3

import httpx
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
    stop(family, "top")
    comes_to(family, states(family) | {"deep": "cancelled"})
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


def test_a_stop_of_what_is_at_rest_with_nothing_below_reaches_nothing(family):
    stop(family, "right", 404)
    assert states(family) == expected()


@pytest.mark.parametrize("headers", [{}, {"Idempotency-Key": "k"}])
def test_a_stop_of_what_is_at_rest_reaches_all_that_is_below(family, between, headers):
    stop(family, "top", **{"Bamboo-Run-Id": family.api.runs("top")[0]["run_id"]})
    comes_to(family, expected(top="cancelled"))
    stop(family, "top", **headers)
    between(family)
    comes_to(family, expected(top="cancelled", left="cancelled", deep="cancelled", asking="cancelled"))
    assert [family.api.runs(session)[0]["cancelled_by"] for session in ("left", "deep", "asking")] == ["user"] * 3
    stop(family, "top", 200 if headers else 404, **headers)
    stop(family, "top", 404)


def test_a_stop_that_reached_the_session_alone_is_asked_for_again(family):
    """Killed between the two: nobody was told, and whoever asks again stops the rest."""
    family.env["CULM_CRASH"] = "engine.below:1"
    family.restart()
    comes_to(family, expected())
    with pytest.raises(httpx.TransportError):
        stop(family, "top")
    family.wait_exit()
    family.env.clear()
    family.start()
    comes_to(family, expected(top="cancelled"))
    stop(family, "top")
    comes_to(family, expected(top="cancelled", left="cancelled", deep="cancelled", asking="cancelled"))
