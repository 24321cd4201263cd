# SPDX-License-Identifier: MIT
"""Every named point at which the real server may die: its first and its second visit, a restart, and a check.

The binary itself lists the points, so that none can be forgotten here.
"""

import contextlib
import os
import shutil
import signal
import subprocess

import httpx
import pytest

from harness import checks
from harness.api import Api, poll
from harness.environment import TIMEOUT, culm_binary
from harness.offline import script, words
from harness.server import Server

CRASHED = 137
CUT = ("cut-1", "cut-2")
# Visited once in a life, however long it is.
ONCE = {
    "store.boot.after",
    "store.close.after",
    "store.close.before",
    "store.lock.after",
    "store.schema.after",
    "store.schema.before",
}
IN_A_NEW_DIRECTORY = {"store.schema.after", "store.schema.before"}
# What has to go wrong so that the point is reached at all.
FAULTS = {"store.reopen": ("fsync:14:EIO", "fsync:14:EIO:on")}


def points():
    listed = subprocess.run([culm_binary()], env={**os.environ, "CULM_CRASH": "list"}, capture_output=True, text=True)
    return sorted(listed.stdout.split())


def visits():
    return [(point, k) for point in points() for k in (1, 2) if k == 1 or point not in ONCE]


class Gone(Exception):
    """The server died under a request."""


class Caller:
    """One client and what it was told; every promise is a function that checks it in the next life."""

    def __init__(self, server):
        self.api = Api(server.client(unix=True))
        self.promises = []
        self.sent = []  # [body, key, what was told]
        self.connections = []

    def ask(self, method, path, *statuses, **options):
        try:
            reply = self.api.client.request(method, path, **options)
        except httpx.TransportError as e:
            raise Gone from e
        if reply.status_code == 503:  # the disk failed, as the test wanted: nothing was promised
            return None
        assert reply.status_code in statuses, f"{method} {path}: {reply.status_code} {reply.text}"
        return reply.json() if reply.content else {}

    def turn(self, session, message):
        body = {"session_id": session, "message": message, "execute": True}
        self.sent.append([body, f"turn-{session}", None])
        told = self.ask("POST", "/api/v1/chat", 201, json=body, headers={"Idempotency-Key": f"turn-{session}"})
        if told is not None:
            self.sent[-1][2] = told
            self.promises.append(lambda api: posted(api, session, told["message_id"], message))
        return told and told.get("run_id")

    def watch(self, session):
        watcher = self.api.watch(session, after=0)
        self.connections.append((session, watcher.frames))
        watcher.wait_end()
        if not watcher.finished:
            raise Gone

    def until(self, path, good):
        """Asks again until it is so; the server may be gone meanwhile."""
        return poll(lambda: self.ask("GET", path, 200), lambda told: told is None or good(told))

    def question(self, session):
        """A run asks, and somebody answers."""
        asks = script({"tool": {"name": "ask_user", "args": {"question": "Well?"}}}, {"say": "So be it."})
        if self.turn(session, asks) is None:
            return
        self.until(f"/api/v1/sessions/{session}", lambda told: told["session"]["state"] == "asking")
        key = {"Idempotency-Key": f"answer-{session}"}
        told = self.ask("POST", f"/api/v1/respond/{session}", 200, json={"response": "yes"}, headers=key)
        if told is not None:
            self.promises.append(lambda api: answered(api, session, told["run_id"]))

    def cut(self, session):
        """An answer is taken back."""
        if self.turn(session, "say something") is None:
            return
        self.until(f"/api/v1/sessions/{session}", lambda told: told["session"]["state"] == "done")
        path = f"/api/v1/sessions/{session}/messages/truncate"
        if self.ask("POST", path, 200, json={"mode": "after_last_user"}) is not None:
            self.promises.append(lambda api: truncated(api, session))

    def finish(self, session, run_id):
        if run_id is None:
            return
        self.promises.append(lambda api: ended(api, run_id, "completed"))
        self.watch(session)


def posted(api, session, message_id, text):
    facts = api.client.get(f"/api/v1/sessions/{session}/facts", params={"after": 0, "limit": 1000}).json()["facts"]
    assert [f["content"] for f in facts if f.get("message_id") == message_id and "content" in f][:1] == [text]


def repeated(api, body, key, told):
    """Whoever was told something is told the same, and whoever was not learns it now; it is done once."""
    again = api.client.post("/api/v1/chat", json=body, headers={"Idempotency-Key": key})
    assert again.status_code == 201, again.text
    assert told is None or again.json() == told
    page = api.get(f"/api/v1/sessions/{body['session_id']}/facts", after=0, limit=1000)["facts"]
    assert sum(f["type"] == "message_appended" and f.get("content") == body["message"] for f in page) == 1


def answered(api, session, run_id):
    assert api.wait_run(run_id)["status"] == "completed"
    assert [m["content"] for m in api.messages(session)][-2:] == ["yes", "So be it."]
    again = api.client.post(f"/api/v1/respond/{session}", json={"response": "no"})
    assert again.status_code == 400, again.text


def ended(api, run_id, status):
    assert api.wait_run(run_id)["status"] == status


def truncated(api, session):
    assert api.messages(session)[-1]["role"] == "user"


def gone(api, session):
    assert api.client.get(f"/api/v1/sessions/{session}").status_code == 404


def titled(api, session, title):
    assert api.session(session)["title"] == title


def work(server):
    """Something of everything that leaves a trace; ends early when the server does."""
    caller = Caller(server)
    with contextlib.suppress(Gone, httpx.TransportError):
        flaky = script({"error": {"status": 429, "retry_after": 0}})  # is tried again until it is stopped
        tries = {session: caller.turn(session, flaky) for session in ("flaky-1", "flaky-2")}
        tools = script({"tool": {"name": "nothing", "args": {}}}, {"say": words(30), "delay_ms": 10})
        caller.finish("talk", caller.turn("talk", tools))
        caller.question("ask-1")
        caller.question("ask-2")
        caller.cut("short")
        hangs = {session: caller.turn(session, script({"hang": "content"})) for session in ("hang-1", "hang-2")}
        for session, run_id in (tries | hangs).items():
            if run_id and caller.ask("POST", f"/api/v1/stop/{session}", 200) is not None:
                caller.promises.append(lambda api, run_id=run_id: ended(api, run_id, "cancelled"))
        if caller.ask("PATCH", "/api/v1/sessions/talk", 200, json={"title": "Renamed"}) is not None:
            caller.promises.append(lambda api: titled(api, "talk", "Renamed"))
        for session in ("gone-1", "gone-2"):
            if caller.ask("POST", "/api/v1/chat", 201, json={"session_id": session, "message": "secret"}) is None:
                continue
            if caller.ask("DELETE", f"/api/v1/sessions/{session}", 200, 204) is not None:
                caller.promises.append(lambda api, session=session: gone(api, session))
    return caller


def end_of(server):
    """How it ended; by itself, or because it was asked to."""
    if server.process is None:
        return CRASHED
    with contextlib.suppress(ProcessLookupError):
        server.signal(signal.SIGTERM)
    return server.wait_exit()


@pytest.fixture(scope="module")
def cut_directory(tmp_path_factory):
    """A data directory whose server was killed while two runs were in the middle of a text."""
    server = Server(tmp_path_factory.mktemp("cut")).start()
    runs = {}
    for session in CUT:
        runs[session] = server.api.turn(script({"say": words(60), "delay_ms": 15}), session)[1]
    for session in CUT:
        watcher = server.api.watch(session, after=0)
        poll(lambda w=watcher: [f for f in w.frames if f.type == "token"], bool)
    server.kill9()  # before either has come to its end
    (server.data_dir / "token").unlink()
    return server.data_dir, runs


def start_or_crash(server):
    try:
        server.start()
    except AssertionError:
        assert server.process is None, "it neither accepts requests nor ends"
        return False
    return True


def check_next_life(server, caller, runs):
    api = server.api
    for body, key, told in caller.sent if caller else ():
        repeated(api, body, key, told)
    for session in ("hang-1", "hang-2", "flaky-1", "flaky-2"):
        api.client.post(f"/api/v1/stop/{session}")  # where the stop was not acknowledged
    for session in ("ask-1", "ask-2"):
        if api.client.get(f"/api/v1/respond/{session}/pending").json().get("has_pending_question"):
            api.client.post(f"/api/v1/respond/{session}", json={"response": "yes"})
    for run_id in runs.values():
        ended(api, run_id, "completed")
    for promise in caller.promises if caller else ():
        promise(api)
    for session, frames in caller.connections if caller else ():
        last = max((f.id for f in frames if f.id is not None), default=0)
        rest = api.watch(session, after=last).wait_done().frames
        checks.text_equals_stored([frames, rest], api.messages(session))
        checks.ids_rise(frames + rest)
    for session in api.client.get("/api/v1/sessions").json()["sessions"]:
        if session["id"].startswith(("gone", "short")):  # what nobody has answered yet would keep a stream open
            api.client.post(f"/api/v1/execute/{session['id']}", json={})
        poll(lambda s=session: api.session(s["id"])["is_running"], lambda running: not running)
        checks.stream(api.replay(session["id"]))
        checks.messages_are_the_fold_of_the_log(api, session["id"])


@pytest.mark.parametrize(("point", "visit"), visits())
def test_a_death_at_this_point_loses_nothing(tmp_path, cut_directory, point, visit):
    template, runs = cut_directory
    server = Server(tmp_path, env={"CULM_CRASH": f"{point}:{visit}"})
    if point in FAULTS:
        server.env["CULM_FAULT"] = FAULTS[point][visit - 1]
    if point in IN_A_NEW_DIRECTORY:
        runs = {}
    else:
        shutil.copytree(template, server.data_dir, ignore=shutil.ignore_patterns("*.sock"))
    caller = work(server) if start_or_crash(server) else None
    assert end_of(server) == CRASHED, f"{point} was not visited {visit} times"
    server.env.clear()
    server.start()
    try:
        check_next_life(server, caller, runs)
    finally:
        server.close()


def test_a_point_that_does_not_exist_is_refused():
    run = subprocess.run(
        [culm_binary(), "version"],
        env={**os.environ, "CULM_CRASH": "no.such.point"},
        capture_output=True,
        timeout=TIMEOUT,
    )
    assert run.returncode == 2
    assert b"CULM_CRASH=list" in run.stderr
