# SPDX-License-Identifier: MIT
"""More facts than the account feed reaches back: who is told what, and how large is the file? `./dev soak feed`."""

import argparse
import sys

from harness.api import expect
from harness.environment import short_directory
from harness.offline import script
from harness.server import running

from . import gauge, verdict

REACH = 200_000  # facts
PARTS = 4  # numbers of the feed that a fact may have
CALLS = 80  # in one answer of the model
ROUNDS = 40


def question(number):
    return {"name": "ask_user", "args": {"question": f"{number}?", "default": "yes", "deadline_seconds": 60}}


def talk_much(api, session):
    """A transcript of thousands of messages by one run: questions that nobody is there to answer."""
    rounds = [{"tools": [question(r * CALLS + i) for i in range(CALLS)]} for r in range(ROUNDS)]
    api.chat(script(*rounds, {"say": "that was all"}), session)
    run = api.wait_run(api.execute(session, no_human_approver=True)["run_id"])
    assert run["end"] == "completed", run
    assert api.session(session)["message_count"] > ROUNDS * CALLS


def place(api):
    return api.get("/api/v1/sessions")["feed_seq"] // PARTS


def file_bytes(server):
    return sum(path.stat().st_size for path in server.data_dir.glob("culm.db*"))


def copy_and_delete(server, session, places, tell=print):
    """Copies come and go until so many places of the feed have passed; the size of the file after each."""
    api, sizes = server.api, []
    end = place(api) + places
    while place(api) < end:
        made = expect(api.client.post(f"/api/v1/sessions/{session}/copy", json={}), 201)
        expect(api.client.delete(f"/api/v1/sessions/{made['session']['id']}"), 200)
        sizes.append(file_bytes(server))
        if len(sizes) % 10 == 0:
            tell(f"{len(sizes):4} copies: {place(api)} places, {sizes[-1] / gauge.MIB:.1f} MiB")
    return sizes


def told(api, mark, **since):
    """What a watcher is told, up to a message that is posted when it is there."""
    watcher = api.feed(**since)
    api.chat(mark, "end")
    watcher.wait_for(lambda frame: frame.event and frame.told.get("content") == mark, what=mark)
    watcher.leave()
    return watcher.frames


def findings(server, early, sizes):
    """What is wrong, in words."""
    api = server.api
    oldest = (place(api) - REACH) * PARTS
    for since, resets in (({"since": early}, 1), ({}, 0), ({"since": oldest + 40 * PARTS}, 0)):
        frames = told(api, f"since {since}", **since)
        found = [frame for frame in frames if frame.type == "feed_reset"]
        if len(found) != resets:
            yield f"since {since}: {len(found)} feed_reset"
        if not resets and len(frames) < 20:
            yield f"since {since}: only {len(frames)} are told"
        for frame in frames:
            if frame.id is not None and frame.id <= oldest:
                yield f"since {since}: number {frame.id} is told, and {oldest} is the last that is not kept"
            if frame.event and frame.told.get("session_id") == "first":
                yield f"since {since}: the first session is told of"
    early_sizes = sizes[: max(len(sizes) // 4, 1)]
    if max(sizes) > 2 * max(early_sizes):
        yield f"the file has {max(sizes)} bytes, and had {max(early_sizes)} after the first copies"


def main():
    argparse.ArgumentParser(prog="./dev soak feed", description=__doc__).parse_args()
    with short_directory() as directory, running(directory / "a") as server:
        server.api.whole_turn("hi", "first")
        early = server.api.get("/api/v1/sessions")["feed_seq"] - PARTS
        talk_much(server.api, "talk")
        sizes = copy_and_delete(server, "talk", REACH + 20_000)
        wrong = list(findings(server, early, sizes))
    return verdict.tell(wrong)


if __name__ == "__main__":
    sys.exit(main())
