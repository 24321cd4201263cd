# SPDX-License-Identifier: MIT
"""One who watches the account feed all the time, over all lives and faults, and knows what must be true of it."""

import random
import threading

import httpx

from harness.environment import TIMEOUT
from harness.sse import Watcher


class Overseer(threading.Thread):
    STAY = (0.5, 20)  # seconds on one connection

    def __init__(self, world, seed):
        super().__init__(name="overseer", daemon=True)
        self.world = world
        self.chance = random.Random(seed)
        self.seen = {}  # number: (session, type), in the order in which it was told
        self.last = 0
        self.states = 0
        self.leaving = threading.Event()

    def run(self):
        with httpx.Client(**self.world.client_options) as client:
            while not self.leaving.is_set():
                self._visit(client)

    def _visit(self, client):
        try:
            watcher = Watcher(client, "/api/v1/stream", params={"since": self.last})
        except httpx.HTTPError:  # there is no server just now
            self.leaving.wait(0.2)
            return
        if watcher.status == 200:
            self._stay(watcher)
        elif watcher.status != 503:
            self.world.found(f"the feed since {self.last} was refused: {watcher.status} {watcher.body}")
            self.leaving.wait(1)

    def _stay(self, watcher):
        seconds = self.chance.uniform(*self.STAY)
        while seconds > 0 and not self.leaving.is_set() and not watcher.ends_within(min(seconds, 0.5)):
            seconds -= 0.5
        self._take_all(watcher)

    def _take_all(self, watcher):
        watcher.leave()
        for frame in watcher.wait_end().frames:
            if frame.id is not None:
                self._take(frame)
            elif frame.type == "feed_reset":
                self.world.found(f"the feed was reset at {self.last}")
            self.states += frame.type == "session_state"

    def _take(self, frame):
        if frame.id <= self.last:
            self.world.found(f"the feed told {frame.id} after {self.last}: {frame.data[:200]}")
        self.last = frame.id
        self.seen[frame.id] = (frame.event["session_id"], frame.type)

    def leave(self):
        self.leaving.set()
        self.join(TIMEOUT)

    def judge(self):
        """Everything is at rest: what was told in pieces is what is stored, but for what was erased since."""
        with httpx.Client(**self.world.client_options) as client:
            mine = client.post("/api/v1/sessions", json={"title": "the end of the feed"}).json()["session"]["id"]
            watcher = Watcher(client, "/api/v1/stream", params={"since": self.last})
            watcher.wait_for(lambda f: f.id is not None and f["session_id"] == mine, what="the end of the feed")
            self._take_all(watcher)
            stored = Watcher(client, "/api/v1/stream")
            stored.wait_for(lambda f: f.id == self.last, what="the end of the feed")
            stored.leave()
        kept = {f.id: (f["session_id"], f.type) for f in stored.wait_end().frames if f.id is not None}
        first = min(kept)
        print(f"the feed told {len(self.seen)} events and {self.states} states; {len(kept)} events are kept")
        for number, what in kept.items():
            if self.seen.get(number) != what:
                self.world.found(f"the feed has {number} {what}, and told {self.seen.get(number)}")
        erased = {session for session, kind in kept.values() if kind == "session_deleted"}
        for number, what in self.seen.items():
            if number >= first and number not in kept and what[0] not in erased:
                self.world.found(f"the feed told {number} {what}, which is gone, and its session is not")
