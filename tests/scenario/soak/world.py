# SPDX-License-Identifier: MIT
"""One server in a world where things go wrong: its lives, what it held in each of them, and what was found."""

import json
import threading
import time
from collections import Counter
from dataclasses import dataclass, field

from harness.environment import TIMEOUT
from harness.history import Tally
from harness.server import SANITIZER, Server

from . import gauge
from .nemesis import Clock, Disk
from .provider_process import ProviderProcess

# A provider that says nothing is given up soon: a soak has no ten minutes for each.
LIMITS = {"model_headers_ms": 2000, "model_content_ms": 4000, "model_idle_ms": 2000}
WARM_SECONDS = 120  # of a life, until everything has happened that memory is kept for
JUDGED_SECONDS = 300  # of a life after that: less tells nothing about growth


@dataclass(frozen=True)
class Pace:
    """Ranges in seconds."""

    freeze: tuple
    hold: tuple  # a disk stays full, a provider upset
    step: tuple  # between two steps of the clock
    gap: tuple  # between two strikes


@dataclass
class Life:
    """From a start to a death, with what was held in it."""

    started: float
    base: gauge.Sample
    samples: list = field(default_factory=list)  # (seconds since the start, Sample)

    def growth(self):
        """Bytes a second, after the warm-up."""
        return gauge.slope([(t, s.rss) for t, s in self.samples if t >= WARM_SECONDS])

    def seconds(self):
        return self.samples[-1][0] if self.samples else 0

    def can_tell(self):
        """Whether it was long enough to tell growth from warming up."""
        return self.seconds() >= WARM_SECONDS + JUDGED_SECONDS

    def last(self):
        return self.samples[-1][1] if self.samples else self.base


class World:
    def __init__(self, directory, evidence, pace):
        self.evidence = evidence
        self.pace = pace
        self.tally = Tally()
        self.findings = []
        self.strikes = Counter()
        self.lives = []
        self.stopping = threading.Event()
        self.broken = threading.Event()  # the server died by itself: nothing more can be learned from it
        self.stages = []  # sessions that the crowd may watch
        self._alive = threading.RLock()  # held while the server is made to die and to start, and while it is looked at
        self.clock = Clock(directory)
        self.disk = Disk(directory / "a")
        self.provider = ProviderProcess()
        environment = self.provider.environment | {"CULM_MODEL": "offline/offline"} | self.clock.environment
        self.server = Server(directory / "a", env=environment)
        self.server.log = evidence / "server.log"
        self.server.data_dir.mkdir()
        (self.server.data_dir / "config.json").write_text(json.dumps({"limits": LIMITS}))
        self.start_server()
        self.token = self.server.token
        self.client_options = {
            "base_url": self.server.url,
            "headers": {"Authorization": f"Bearer {self.token}"},
            "timeout": TIMEOUT,
            "trust_env": False,
        }

    def wait(self, seconds):
        self.stopping.wait(seconds)

    def give_up(self):
        self.broken.set()
        self.stopping.set()

    def found(self, text):
        self.findings.append(text)
        print(f"FOUND: {text}", flush=True)

    def stage_session(self):
        """What the crowd watches."""
        return self.stages[-1] if self.stages else None

    # lives

    def start_server(self):
        with self._alive:
            self.server.start()
            base = gauge.sample(self.server)
            assert base is not None, f"the server died while it started\n{self.server.log_tail()}"
            self.lives.append(Life(time.monotonic(), base))

    def restart(self, how, between=lambda: None):
        """`between`: what is done while there is no server."""
        with self._alive:
            pid = self.server.process.pid
            if how == "kill":
                self.server.kill9()
            else:
                self.server.sigterm()
            self.clock.forget(pid)
            between()
            self.start_server()

    def look(self):
        """One more sample; False: the server is dead, and nobody killed it."""
        with self._alive:
            if self.server.process is None:
                return True
            code = self.server.process.poll()
            if code is not None:
                self.found(f"the server died by itself with {code}:\n{self.server.log_tail()}")
                return False
            life, now = self.lives[-1], gauge.sample(self.server)
            if now is not None:
                life.samples.append((time.monotonic() - life.started, now))
            return True

    def close(self):
        """Everything ends; what is left of the store is looked at."""
        problems = self.provider.close()
        if problems:
            self.found(f"the provider got requests that the SDK would not send: {problems}")
        self.disk.free()
        if self.server.process is not None and self.server.process.poll() is None:
            pid = self.server.process.pid
            self.server.sigterm()
            self.clock.forget(pid)
            try:
                self.server.check_store()
            except AssertionError as e:
                self.found(str(e))
        if SANITIZER.search(self.server.log_text()):
            self.found(f"the server's log:\n{self.server.log_tail()}")
        self.disk.close()
