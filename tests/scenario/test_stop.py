# SPDX-License-Identifier: MIT
"""Every reply of POST /stop, and runs that are stopped wherever they are, before and after a restart."""

from harness.api import expect, poll
from harness.offline import say, script
from harness.replies import ASK, HANG, Ask, each_state, made, play, refusal

STOPPED = {"success": True, "message": "Agent execution stopped"}
NO_RUN = {"success": False, "message": "No active agent execution found"}
OTHER_RUN = refusal("Requested run is not the current cancellable owner", "conflict")


def test_each_state_has_its_reply(server, between):
    runs, empty = each_state(server.api), made(server.api)
    idle = ["done", "waiting", "failed", "stopped", empty, "nobody"]
    for turn in range(2):
        client = between(server).client
        play(client, *(Ask(f"POST /stop/{name}", 404, NO_RUN) for name in idle))
        # A run that is over cannot be stopped, whoever names it.
        named = {"Bamboo-Run-Id": runs["done"]}
        play(client, *(Ask(f"POST /stop/{name}", 404, NO_RUN, headers=named) for name in idle))
        if turn == 0:
            at_work = ("busy", "asking")
            play(client, *(Ask(f"POST /stop/{name}", 409, OTHER_RUN, headers=named) for name in at_work))
            play(client, *(Ask(f"POST /stop/{name}", 200, STOPPED) for name in at_work))
            server.api.wait_run(runs["busy"])
            idle += at_work
    assert {server.api.session(name)["state"] for name in ("busy", "asking", "stopped")} == {"cancelled"}
    assert server.api.session("waiting")["state"] == "queued"
    assert server.api.run(runs["done"])["status"] == "completed"


def test_a_named_run_and_no_other_is_stopped(server, between):
    runs = each_state(server.api)
    client = between(server).client
    for name in ("busy", "asking"):
        path = f"POST /sessions/{name}/stop"
        for other in ("x", runs["done"], "~" * 128):
            Ask(path, 409, OTHER_RUN, headers={"Bamboo-Run-Id": other}).send(client)
        for bad in ("", "x y", "x" * 129, "é".encode()):
            wanted = refusal("Bamboo-Run-Id: one header of 1 to 128 visible ASCII characters")
            Ask(path, 400, wanted, headers={"Bamboo-Run-Id": bad}).send(client)
        twice = [("Bamboo-Run-Id", runs[name])] * 2
        expect(client.post(f"/api/v1/stop/{name}", headers=twice), 400)
        assert server.api.session(name)["state"] == ("running" if name == "busy" else "asking")
    client = between(server).client
    for name in ("busy", "asking"):
        wanted = {"success": True, "session_id": name, "run_id": runs[name]}
        Ask(f"POST /stop/{name}", 200, wanted, headers={"Bamboo-Run-Id": runs[name]}).send(client)
        poll(lambda name=name: server.api.session(name)["state"], lambda state: state == "cancelled")


# Where a run is when it is stopped: what makes it come there, what GET /status says of it there, and whether execute
# finds something to do afterwards: not after an answer that was begun.
PLACES = {
    "before the headers": (script({"hang": "headers"}), {"state": "running", "round": 1}, 202),
    "before the text": (HANG, {"state": "running", "round": 1}, 202),
    "in mid text": (script({"say": "half of it", "hang": "chunk"}), {"bytes": len("half of it")}, 200),
    "in a pause between tries": (script({"error": {"status": 429, "retry_after": 600}}), {"state": "retrying"}, 202),
    "in a later round": (script({"say": "Looking.", "tools": [{"name": "a"}]}, {"hang": "headers"}), {"round": 2}, 202),
    "while a question is open": (ASK, None, 202),
}


def all_are_there(api):
    def look():
        rows = {row["session_id"]: row for row in api.get("/api/v1/status")["live_runs"]}
        return [rows.get(f"s{i}") for i in range(len(PLACES))]

    def fits(rows):
        wanted = [there for _, there, _ in PLACES.values()]
        return all(
            row and row.items() >= there.items() if there else not row for row, there in zip(rows, wanted, strict=True)
        )

    poll(look, fits)


def test_a_run_is_stopped_wherever_it_is(server, between):
    api = server.api
    runs = {f"s{i}": api.turn(prompt, f"s{i}")[1] for i, (prompt, _, _) in enumerate(PLACES.values())}
    all_are_there(api)
    api = between(server)
    all_are_there(api)
    watchers = [api.watch(session) for session in runs]
    play(api.client, *(Ask(f"POST /stop/{session}", 200, STOPPED) for session in runs))
    seen = [watcher.wait_done().frames[-2] for watcher in watchers]
    assert [frame.type for frame in seen] == ["cancelled"] * len(PLACES)
    assert {(frame["message"], frame["by"]) for frame in seen} == {("Agent execution cancelled by user", "user")}
    assert [frame["run_id"] == run for frame, run in zip(seen, runs.values(), strict=True)] == [True] * 5 + [False]
    api = between(server)
    play(api.client, *(Ask(f"POST /stop/{session}", 404, NO_RUN) for session in runs))
    for session, frame in zip(runs, seen, strict=True):
        assert api.watch(session).wait_done().frames[-2] == frame, "told late as it was told live"
        ended = api.run(frame["run_id"])
        assert (ended["status"], ended["end"], ended["cancelled_by"]) == ("cancelled", "cancelled", "user")
        told = api.session(session)
        assert (told["state"], told["last_run_status"], told["is_running"]) == ("cancelled", "cancelled", False)
        assert told["open_questions"] == 0
    cut = api.messages("s2")[-1]
    assert (cut["role"], cut["content"], cut["metadata"]) == ("assistant", "half of it", {"interrupted": True})
    assert api.messages("s5")[2]["content"] == "Not answered: the run was ended."
    statuses = [api.client.post(f"/api/v1/execute/{session}").status_code for session in runs]
    assert statuses == [status for *_, status in PLACES.values()]


def assert_state(api, session, state):
    """One session and the list by state, whose rows the feed tells, say the same."""
    assert api.session(session)["state"] == state
    listed = expect(api.client.get("/api/v1/sessions", params={"state": state}), 200)["sessions"]
    assert session in [row["id"] for row in listed]


def test_what_waits_when_a_run_is_stopped_waits_on(server, between):
    """A message of the stopped run starts no other; a run that was asked for follows all the same."""
    api = server.api
    runs = {name: api.turn(HANG, name)[1] for name in ("posted", "queued")}
    api.chat(say("later"), "posted")
    told = api.chat(say("next"), "queued", execute=True, on_busy="enqueue")
    assert told["execute_status"] == "queued"
    client = between(server).client
    play(client, *(Ask(f"POST /stop/{name}", 200, STOPPED) for name in runs))
    api = between(server)
    assert {api.wait_run(run)["end"] for run in runs.values()} == {"cancelled"}
    later = poll(lambda: api.runs("queued"), lambda all: len(all) == 2)[0]["run_id"]
    assert api.wait_run(later)["status"] == "completed"
    assert api.conversation("queued")[-1] == ("assistant", "next")
    assert len(api.runs("posted")) == 1
    # It keeps no watcher and is no state; one that is posted now does, and is.
    assert api.watch("posted").wait_done().types()[-2:] == ["cancelled", "[DONE]"]
    assert_state(api, "posted", "cancelled")
    api.chat(say("the latest"), "posted")
    assert_state(api, "posted", "queued")
    watcher = api.watch("posted")
    api.wait_run(api.execute("posted")["run_id"])
    assert watcher.wait_done().types()[-2:] == ["complete", "[DONE]"]
    assert [text for role, text in api.conversation("posted") if role == "user"][1:] == [
        say("later"),
        say("the latest"),
    ]
    assert api.conversation("posted")[-1] == ("assistant", "the latest")
