# SPDX-License-Identifier: MIT
"""What goes wrong. Each nemesis strikes once when it is told to, and leaves the world in order."""

import ctypes.util
import email.utils
import glob
import signal
import subprocess
import time
from contextlib import suppress
from pathlib import Path

from . import gauge
from .provider_process import BAD_MOODS

DISK_BYTES = 96 * gauge.MIB


class Disk:
    """A small disk under the data directory, and what fills it."""

    def __init__(self, path):
        self.path = path
        self.path.mkdir()
        words = ["mount", "-t", "tmpfs", "-o", f"size={DISK_BYTES}", "culm-soak", str(path)]
        done = subprocess.run(words, capture_output=True, text=True, check=False)
        self.missing = None if done.returncode == 0 else f"no small disk can be mounted: {done.stderr.strip()}"

    def fill(self):
        block = b"x" * 65536
        with suppress(OSError), (self.path / "ballast").open("wb", buffering=0) as f:
            while f.write(block):
                pass

    def free(self):
        (self.path / "ballast").unlink(missing_ok=True)

    def close(self):
        if self.missing is None:
            subprocess.run(["umount", "-l", str(self.path)], check=True)


class Clock:
    """The wall clock of the server, by libfaketime; the monotonic one is left alone."""

    def __init__(self, directory):
        self.file = directory / "clock"
        self.set(0)
        found = glob.glob("/usr/lib/*/faketime/libfaketimeMT.so.1")
        self.missing = None if found else "libfaketime is not installed (package faketime)"
        self.environment = {}
        if found:
            self.environment = {
                "LD_PRELOAD": " ".join([*self._sanitizer(), found[0]]),
                "FAKETIME_TIMESTAMP_FILE": str(self.file),
                "FAKETIME_NO_CACHE": "1",
                "FAKETIME_DONT_FAKE_MONOTONIC": "1",
                "NO_FAKE_STAT": "1",
            }

    @staticmethod
    def _sanitizer():
        """It wants to be the first library of all."""
        return [ctypes.util.find_library("asan")] if gauge.is_sanitized() else []

    def set(self, offset):
        new = self.file.with_suffix(".new")
        new.write_text(f"{offset:+d}\n")
        new.rename(self.file)

    @staticmethod
    def shown_by(server):
        """Seconds since the epoch, as the server has them."""
        with server.client() as http:
            return email.utils.parsedate_to_datetime(http.get("/healthz").headers["date"]).timestamp()

    @staticmethod
    def forget(pid):
        """What libfaketime leaves behind of a process that was killed."""
        for name in (f"faketime_shm_{pid}", f"sem.faketime_sem_{pid}"):
            Path("/dev/shm", name).unlink(missing_ok=True)


def kill(world, chance):
    world.restart("kill")


def terminate(world, chance):
    world.restart("term")


def freeze(world, chance):
    world.server.signal(signal.SIGSTOP)
    world.wait(chance.uniform(*world.pace.freeze))
    world.server.signal(signal.SIGCONT)


def fill_disk(world, chance):
    world.disk.fill()
    world.wait(chance.uniform(*world.pace.hold))
    world.disk.free()


MINUTE = 60
HOUR = 60 * MINUTE
YEAR = 365 * 24 * HOUR
STEPS = (HOUR, -HOUR, 24 * HOUR, -5 * HOUR, 10 * YEAR, -10 * YEAR, 1, -1, 0)


def step_clock(world, chance):
    """A few steps one after the other; the last one stays."""
    for _ in range(chance.randrange(1, 4)):
        step = chance.choice(STEPS)
        world.clock.set(step)
        off = world.clock.shown_by(world.server) - time.time()
        assert abs(off - step) < MINUTE, f"the clock was to be {step} s off, it is {off:.0f}"
        world.wait(chance.uniform(*world.pace.step))


def upset_provider(world, chance):
    world.provider.set_mood(chance.choice(BAD_MOODS))
    world.wait(chance.uniform(*world.pace.hold))
    world.provider.set_mood("good")


def fill_disk_and_kill(world, chance):
    """Whatever a process leaves of a disk that is full."""
    world.disk.fill()
    world.wait(chance.uniform(*world.pace.step))
    world.restart("kill", between=world.disk.free)


def step_clock_on_a_full_disk(world, chance):
    """Sessions that wait to be tried again."""
    world.disk.fill()
    world.wait(chance.uniform(*world.pace.step))
    step_clock(world, chance)
    world.disk.free()


# name: (how, what it needs, whether the server dies of it)
NEMESES = {
    "kill": (kill, (), True),
    "term": (terminate, (), True),
    "freeze": (freeze, (), False),
    "disk": (fill_disk, ("disk",), False),
    "clock": (step_clock, ("clock",), False),
    "provider": (upset_provider, (), False),
    "disk+kill": (fill_disk_and_kill, ("disk",), True),
    "disk+clock": (step_clock_on_a_full_disk, ("disk", "clock"), False),
}


def missing(world, name):
    """Why it cannot strike here, or None."""
    return next((getattr(world, need).missing for need in NEMESES[name][1] if getattr(world, need).missing), None)
