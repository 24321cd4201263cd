# SPDX-License-Identifier: MIT
"""What clients sent and what they saw, written down as it happens, for the judge (judge.py).

A transcript is a list of records, one JSON object each; `t` is monotonic seconds, `n` numbers what a client asked:

    {"ev": "invoke", "t", "client", "n", "op", "session", "args"}    sent
    {"ev": "ok" | "failed" | "unknown", "t", "n", "status", "body"}  answered; refused for sure; may have happened
    {"ev": "frame", "t", "n", "seq", "data"}                         of a stream, after the ok of its "watch"
    {"ev": "closed", "t", "n", "how": "done" | "cut" | "left"}       its end: [DONE], without it, by the watcher
"""

import itertools
import json
import threading
import time
from collections import Counter
from dataclasses import dataclass
from pathlib import Path

import httpx

from .sse import DONE, Watcher

# What was never sent, and what the API promises to have changed nothing (docs/api.md, Errors).
NEVER_SENT = (httpx.ConnectError, httpx.ConnectTimeout, httpx.PoolTimeout)
REFUSALS = frozenset({400, 401, 403, 404, 405, 409, 410, 412, 413, 415, 421, 428, 429, 503})


@dataclass(frozen=True)
class Outcome:
    kind: str  # ok, failed, unknown
    status: int | None
    body: object

    @property
    def ok(self):
        return self.kind == "ok"

    def get(self, key, default=None):
        return self.body.get(key, default) if self.ok and isinstance(self.body, dict) else default


class Tally:
    """How much has happened, over many transcripts. Any thread."""

    def __init__(self):
        self.counts = Counter()
        self._lock = threading.Lock()

    def add(self, what):
        with self._lock:
            self.counts[what] += 1


class Transcript:
    """The records of the clients of one session, in the order in which they happened. Any thread."""

    def __init__(self, tally=None):
        self.records = []
        self.frames = 0
        self.tally = tally or Tally()
        self._lock = threading.Lock()
        self._numbers = itertools.count(1)

    def add(self, ev, n, **fields):
        # The time is taken under the lock, so that the order of the records is the order of their times.
        with self._lock:
            self.records.append({"ev": ev, "t": time.monotonic(), "n": n, **fields})
            self.frames += ev == "frame"
        self.tally.add(ev)

    def invoke(self, client, op, session, args):
        n = next(self._numbers)
        self.add("invoke", n, client=client, op=op, session=session, args=args)
        return n

    def close(self, n, outcome):
        self.add(outcome.kind, n, status=outcome.status, body=outcome.body)
        self.tally.add(outcome.status)
        return outcome


def write(path, records, log=None):
    """As JSON lines; the log that the judge compares them with comes last."""
    with Path(path).open("w") as f:
        for record in records if log is None else [*records, {"ev": "log", **log}]:
            f.write(json.dumps(record, ensure_ascii=False) + "\n")


def read(path):
    """(records, log) of what write() wrote."""
    records = [json.loads(line) for line in Path(path).read_text().splitlines()]
    if records and records[-1]["ev"] == "log":
        return records[:-1], records[-1]
    return records, None


def body_of(response):
    try:
        return response.json() if response.content else None
    except ValueError:
        return response.text


class Recorder:
    """One client: every request it makes is written down. Its calls follow each other, streams aside."""

    def __init__(self, transcript, name, http):
        self.transcript = transcript
        self.name = name
        self.http = http

    def _ask(self, op, session, method, path, args, **request):
        n = self.transcript.invoke(self.name, op, session, args)
        try:
            response = self.http.request(method, path, **request)
        except NEVER_SENT as e:
            return self.transcript.close(n, Outcome("failed", None, repr(e)))
        except (httpx.HTTPError, RuntimeError) as e:  # RuntimeError: the client was closed in mid-request
            return self.transcript.close(n, Outcome("unknown", None, repr(e)))
        kind = "ok" if response.is_success else "failed" if response.status_code in REFUSALS else "unknown"
        return self.transcript.close(n, Outcome(kind, response.status_code, body_of(response)))

    def chat(self, session, message, **body):
        body |= {"message": message, "session_id": session}
        return self._ask("chat", session, "POST", "/api/v1/chat", body, json=body)

    def execute(self, session, **body):
        return self._ask("execute", session, "POST", f"/api/v1/execute/{session}", body, json=body)

    def stop(self, session, run_id=None):
        headers = {"Bamboo-Run-Id": run_id} if run_id else {}
        return self._ask("stop", session, "POST", f"/api/v1/stop/{session}", {"run_id": run_id}, headers=headers)

    def edit(self, session, **body):
        return self._ask("edit", session, "PATCH", f"/api/v1/sessions/{session}", body, json=body)

    def delete(self, session):
        return self._ask("delete", session, "DELETE", f"/api/v1/sessions/{session}", {})

    def history(self, session):
        return self._ask("history", session, "GET", f"/api/v1/history/{session}", {})

    def get(self, session):
        return self._ask("get", session, "GET", f"/api/v1/sessions/{session}", {})

    def list(self, session, **params):
        """All sessions; in the transcript of this one."""
        return self._ask("list", session, "GET", "/api/v1/sessions", params, params=params)

    def watch(self, session, pace=None, **query):
        """The watcher, or None where nobody answered. `pace` is called after each frame: a slow reader waits there."""
        n = self.transcript.invoke(self.name, "watch", session, query)
        try:
            return RecordedWatcher(self.transcript, n, self.http, f"/api/v1/events/{session}", query, pace)
        except (httpx.HTTPError, RuntimeError) as e:
            self.transcript.close(n, Outcome("unknown", None, repr(e)))
            return None


class RecordedWatcher(Watcher):
    def __init__(self, transcript, n, http, path, query, pace):
        self._transcript = transcript
        self._n = n
        self._pace = pace
        self._left = False
        super().__init__(http, path, params=query)

    def on_answer(self):
        kind = "ok" if self.status == 200 else "failed"
        self._transcript.close(self._n, Outcome(kind, self.status, self.body))

    def on_frame(self, frame):
        self._transcript.add("frame", self._n, seq=frame.id, data=frame.data)
        if self._pace is not None:
            self._pace()

    def on_end(self):
        how = "done" if self.frames and self.frames[-1].data == DONE else "left" if self._left else "cut"
        broken = repr(self.error) if isinstance(self.error, (AssertionError, ValueError)) else None
        self._transcript.add("closed", self._n, how=how, broken=broken)

    def leave(self):
        self._left = True
        super().leave()


class Viewer:
    """One who watches a session over many connections and comes back with what he knows."""

    def __init__(self, recorder, session, text_cursor=False):
        self.recorder = recorder
        self.session = session
        self.text_cursor = text_cursor  # also tell how much text of the message in flight is known
        self.after = 0
        self.frames = []
        self._message, self._bytes = None, 0

    def _learn(self, frames):
        for frame in frames:
            self.frames.append(frame)
            if frame.id is not None:
                self.after = frame.id
                self._message, self._bytes = None, 0
            elif frame.type == "token":
                if frame["message_id"] != self._message:
                    self._message, self._bytes = frame["message_id"], 0
                self._bytes = max(self._bytes, frame["offset"] + len(frame["content"].encode()))

    def connect(self, pace=None, **query):
        query["after"] = self.after
        if self.text_cursor and self._message:
            query |= {"message_id": self._message, "offset": self._bytes}
        return self.recorder.watch(self.session, pace, **query)

    def take(self, watcher):
        """What this connection showed counts from here on; it must have ended."""
        self._learn(list(watcher.frames))
