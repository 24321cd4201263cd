# SPDX-License-Identifier: MIT
"""The calls of the API that tests make again and again, each with the reply it must have."""

import threading
import time

from .environment import TIMEOUT
from .sse import TERMINAL, Watcher

ENDED_STATES = ("idle", "done", "error", "cancelled")


def expect(response, *statuses):
    asked = f"{response.request.method} {response.request.url}"
    assert response.status_code in statuses, f"{asked}: {response.status_code}, not {statuses}: {response.text[:500]}"
    return response.json() if response.content else None


class Api:
    def __init__(self, client):
        self.client = client

    def get(self, path, **query):
        return expect(self.client.get(path, params=query), 200)

    def chat(self, message, session_id=None, **body):
        if session_id is not None:
            body["session_id"] = session_id
        return expect(self.client.post("/api/v1/chat", json={"message": message, **body}), 201)

    def execute(self, session_id, *, status=202, **body):
        return expect(self.client.post(f"/api/v1/execute/{session_id}", json=body), status)

    def turn(self, message, session_id=None, **body):
        """Posts and starts; (session id, run id)."""
        session_id = self.chat(message, session_id, **body)["session_id"]
        return session_id, self.execute(session_id)["run_id"]

    def whole_turn(self, message, session_id=None, **body):
        """Posts, starts, waits for the end; (session id, run id)."""
        session_id, run_id = self.turn(message, session_id, **body)
        self.wait_run(run_id)
        return session_id, run_id

    def stop(self, session_id, *, status=200, **headers):
        return expect(self.client.post(f"/api/v1/stop/{session_id}", headers=headers), status)

    def history(self, session_id, **params):
        return expect(self.client.get(f"/api/v1/history/{session_id}", params=params), 200)

    def messages(self, session_id):
        return self.history(session_id)["messages"]

    def conversation(self, session_id):
        """(role, content) of what people and the model said."""
        return [(m["role"], m["content"]) for m in self.messages(session_id) if m["role"] in ("user", "assistant")]

    def session(self, session_id):
        return expect(self.client.get(f"/api/v1/sessions/{session_id}"), 200)["session"]

    def run(self, run_id):
        reply = expect(self.client.get(f"/api/v1/runs/{run_id}"), 200)
        return reply.get("run", reply)

    def runs(self, session_id):
        return expect(self.client.get(f"/api/v1/sessions/{session_id}/runs"), 200)["runs"]

    def watch(self, session_id, *, headers=None, **params):
        watcher = Watcher(self.client, f"/api/v1/events/{session_id}", params=params, headers=headers)
        assert watcher.status == 200, f"events: {watcher.status} {watcher.body}"
        return watcher

    def feed(self, *, headers=None, **params):
        """The account feed from a cursor on; without one, from the oldest event that is kept."""
        watcher = Watcher(self.client, "/api/v1/stream", params=params, headers=headers)
        assert watcher.status == 200, f"stream: {watcher.status} {watcher.body}"
        return watcher

    def wait_run(self, run_id, timeout=TIMEOUT):
        """The record of a run once it has ended."""
        return poll(lambda: self.run(run_id), lambda r: r["status"] not in ("pending", "running"), timeout)

    def replay(self, session_id, after=0, **params):
        """All frames of an ended session from a cursor on."""
        return self.watch(session_id, after=after, **params).wait_done().frames


def poll(read, good, timeout=TIMEOUT):
    """Reads until the value is good. For what has no event to wait for; the pauses are no part of being right."""
    deadline = time.monotonic() + timeout
    pause = threading.Event()
    while True:
        value = read()
        if good(value):
            return value
        assert time.monotonic() < deadline, f"not within {timeout} s; last: {value!r}"
        pause.wait(0.02)


def ends(frames):
    return [f for f in frames if f.type in TERMINAL]
