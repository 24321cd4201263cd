# SPDX-License-Identifier: MIT
"""kill -9 of the real server while sessions stream, at a moment nobody chose, again and again.

CULM_KILLS says how often (20 by default); CULM_KILL_SEED repeats a run's choices.
"""

import os
import random
import threading
import time

import httpx

from harness import checks
from harness.api import Api, poll
from harness.environment import TIMEOUT
from harness.offline import say, words

KILLS = int(os.environ.get("CULM_KILLS", "20"))
SEED = int(os.environ.get("CULM_KILL_SEED", str(random.randrange(1 << 32))))
SESSIONS = 6


class Customer:
    """One who talks all the time and remembers what was acknowledged, and all that he saw."""

    def __init__(self, name, seed):
        self.name = name
        self.random = random.Random(seed)
        self.posted = {}  # message id -> text, acknowledged
        self.runs = []  # run ids, acknowledged
        self.connections = []  # lists of frames
        self.turns = 0

    @property
    def last_id(self):
        return max((f.id for frames in self.connections for f in frames if f.id is not None), default=0)

    def talk(self, server, stop):
        """Turn after turn until the server is gone; whatever it said before counts."""
        api = Api(server.client())
        while not stop.is_set():
            try:
                self.turn(api)
            except Exception:
                if not stop.is_set():
                    raise

    def turn(self, api):
        self.turns += 1
        # Short enough to end within most lives: a run that is cut again and again is a suspect, as it should be.
        answer = words(self.random.randrange(1, 60), f"{self.name}t{self.turns}w")
        text = say(answer, delay_ms=self.random.choice([0, 1, 2]))
        reply = api.client.post("/api/v1/chat", json={"message": text, "session_id": self.name})
        if reply.status_code != 201:
            raise httpx.HTTPError(f"chat {reply.status_code}")
        self.posted[reply.json()["message_id"]] = text
        reply = api.client.post(f"/api/v1/execute/{self.name}", json={})
        if reply.status_code not in (200, 202):
            raise httpx.HTTPError(f"execute {reply.status_code}")
        if reply.status_code == 202:
            self.runs.append(reply.json()["run_id"])
        watcher = api.watch(self.name, after=self.last_id)
        self.connections.append(watcher.frames)
        watcher.wait_end()
        if not watcher.finished:
            raise httpx.HTTPError("cut")

    def check(self, api):
        """After the last restart: nothing acknowledged is missing, and what was seen adds up."""
        api.client.post(f"/api/v1/execute/{self.name}", json={})  # a message that was cut off from its start
        for run_id in self.runs:
            run = api.wait_run(run_id)
            assert run["status"] == "completed", f"{self.name}: run {run}"
        self.connections.append(api.watch(self.name, after=self.last_id).wait_done().frames)
        messages = api.messages(self.name)
        by_id = {m["id"]: m["content"] for m in messages}
        assert len(by_id) == len(messages), "a message twice"
        for message_id, text in self.posted.items():
            assert by_id.get(message_id) == text, f"{self.name}: lost {message_id}"
        seen = [f for frames in self.connections for f in frames]
        checks.ids_rise(seen)
        checks.one_terminal_per_run(seen)
        checks.text_equals_stored(self.connections, messages)
        checks.messages_are_the_fold_of_the_log(api, self.name)
        everything = api.replay(self.name)
        checks.stream(everything)
        facts = {f.id: f.data for f in everything if f.id is not None}
        for frame in seen:
            if frame.id is not None:
                assert facts.get(frame.id) == frame.data, f"{self.name}: shown and not stored: {frame.data}"
        assert [f.id for f in seen if f.id is not None] == sorted(facts), f"{self.name}: watchers missed facts"


def frames_of(customers):
    return sum(len(frames) for c in customers for frames in c.connections)


def test_kill_9_again_and_again(make_server):
    print(f"CULM_KILL_SEED={SEED}")
    chance = random.Random(SEED)
    server = make_server()
    customers = [Customer(f"c{n}", chance.randrange(1 << 32)) for n in range(SESSIONS)]
    for _ in range(KILLS):
        stop = threading.Event()
        failures = []

        def talk(customer, stop=stop, failures=failures):
            try:
                customer.talk(server, stop)
            except Exception as e:
                failures.append(e)

        threads = [threading.Thread(target=talk, args=(c,)) for c in customers]
        for thread in threads:
            thread.start()
        # The instant of the kill is drawn: after so many frames of this life, and anywhere between two of them.
        enough = frames_of(customers) + chance.randrange(300)
        poll(lambda enough=enough, failures=failures: failures or frames_of(customers) >= enough, bool)
        stop.wait(chance.uniform(0, 0.02))
        stop.set()
        server.kill9()
        for thread in threads:
            thread.join(TIMEOUT)
            assert not thread.is_alive()
        assert not failures, failures
        started = time.monotonic()
        server.start()
        assert time.monotonic() - started < TIMEOUT
    api = server.api
    for customer in customers:
        customer.check(api)
    assert sum(len(c.posted) for c in customers) >= KILLS, "the server was hardly at work"
    poll(lambda: api.client.get("/api/v1/sessions", params={"state": "running"}).json()["sessions"], lambda s: s == [])
