# SPDX-License-Identifier: MIT
"""kill -9 of the real server while sessions stream, at a moment nobody chose, again and again.

CULM_KILLS says how often (20 by default); CULM_KILL_SEED repeats a run's choices.
"""

import os
import random
import threading
import time

from harness import checks
from harness.api import poll
from harness.environment import TIMEOUT
from harness.history import Recorder, Transcript, Viewer
from harness.judge import read_log, verdict
from harness.offline import say, words

KILLS = int(os.environ.get("CULM_KILLS", "20"))
SEED = int(os.environ.get("CULM_KILL_SEED", str(random.randrange(1 << 32))))
SESSIONS = 6


class Customer:
    """One who talks all the time in a session of his own, and watches it."""

    def __init__(self, name, seed, http):
        self.name = name
        self.random = random.Random(seed)
        self.transcript = Transcript()
        self.recorder = Recorder(self.transcript, name, http)
        self.viewer = Viewer(self.recorder, name, text_cursor=seed % 2 == 0)
        self.runs = []
        self.turns = 0

    def talk(self, stop):
        while not stop.is_set():
            self.turn()

    def turn(self):
        """As far as the server lives; whatever it said before counts."""
        self.turns += 1
        # Short enough to end within most lives: a run that is cut again and again is a suspect, as it should be.
        answer = words(self.random.randrange(1, 60), f"{self.name}t{self.turns}w")
        posted = self.recorder.chat(self.name, say(answer, delay_ms=self.random.choice([0, 1, 2])))
        started = self.recorder.execute(self.name) if posted.ok else posted
        if started.status == 202:
            self.runs.append(started.get("run_id"))
        watcher = self.viewer.connect() if started.ok else None
        if watcher is not None and watcher.status == 200:
            self.viewer.take(watcher.wait_end())

    def check(self, api):
        """After the last restart: nothing acknowledged is missing, and what was seen adds up."""
        self.recorder.execute(self.name)  # a message that was cut off from its start
        for run_id in self.runs:
            run = api.wait_run(run_id)
            assert run["status"] == "completed", f"{self.name}: {run}"
        self.viewer.take(self.viewer.connect().wait_done())
        api.watch(self.name, after=0).wait_done()
        log = read_log(api.get, self.name)
        verdict(self.transcript.records, log)
        assert self.viewer.after == max(f["seq"] for f in log["facts"] if f["type"] == "complete")


class Overseer:
    """One who watches the account feed over all lives."""

    # What a session's log has and the feed has too, in the same order.
    TOLD = ("session_created", "message_appended", "execution_started", "complete", "cancelled", "error")

    def __init__(self):
        self.seen = []

    def last(self):
        return self.seen[-1].id if self.seen else 0

    def connect(self, api):
        self.watcher = api.feed(since=self.last())

    def take(self):
        self.seen += [f for f in self.watcher.wait_end().frames if f.id is not None]

    def check(self, api, sessions):
        """What was seen in pieces is what is there, and that is what the sessions' logs say."""
        self.connect(api)
        newest = api.get("/api/v1/sessions")["feed_seq"]
        marker = api.client.post("/api/v1/sessions", json={"title": "marker"}).json()["session"]["id"]
        self.watcher.wait_for(lambda f: f.id is not None and f["session_id"] == marker, what="the marker")
        self.watcher.leave()
        self.take()
        everything = api.feed()
        everything.wait_for(lambda f: f.id == self.last(), what="the marker")
        everything.leave()
        assert [f.data for f in everything.wait_end().frames if f.id is not None] == [f.data for f in self.seen]
        assert self.last() > newest
        checks.ids_rise(self.seen)
        for session in sessions:
            log = [(f["type"], f["seq"]) for f in read_log(api.get, session)["facts"]]
            seen = [(f.type, f.told["seq"]) for f in self.seen if f["session_id"] == session]
            assert [f for f in seen if f[0] in self.TOLD] == [f for f in log if f[0] in self.TOLD]


def test_kill_9_again_and_again(make_server):
    print(f"CULM_KILL_SEED={SEED}")
    chance = random.Random(SEED)
    server = make_server()
    http = server.client(lasting=True)
    overseer = Overseer()
    customers = [Customer(f"c{n}", chance.randrange(1 << 32), http) for n in range(SESSIONS)]
    for _ in range(KILLS):
        stop = threading.Event()
        overseer.connect(server.api)
        threads = [threading.Thread(target=c.talk, args=(stop,)) for c in customers]
        for thread in threads:
            thread.start()
        # The instant of the kill is drawn: after so many frames of this life, and anywhere between two of them.
        frames = sum(c.transcript.frames for c in customers) + chance.randrange(600)
        poll(lambda frames=frames: sum(c.transcript.frames for c in customers) >= frames, bool)
        stop.wait(chance.uniform(0, 0.02))
        stop.set()
        server.kill9()
        for thread in threads:
            thread.join(TIMEOUT)
            assert not thread.is_alive()
        overseer.take()
        started = time.monotonic()
        server.start()
        assert time.monotonic() - started < TIMEOUT
    api = server.api
    for customer in customers:
        customer.check(api)
    overseer.check(api, [c.name for c in customers])
    assert sum(c.turns for c in customers) >= KILLS, "the server was hardly at work"
    poll(lambda: api.client.get("/api/v1/sessions", params={"state": "running"}).json()["sessions"], lambda s: s == [])
    server.sigterm()
    server.check_store()
    server.start()
