# SPDX-License-Identifier: MIT
"""Many clients, many faults, one judge: `./dev soak faults [MINUTES]`.

Stories (load.py) are played all the time while a nemesis (nemesis.py) strikes; 1,000 watchers never read. Every session
is judged when it is over. In the last third of the time everything goes wrong but nothing kills the server, so that one
life is long enough to tell whether memory grows.
"""

import argparse
import itertools
import random
import shutil
import sys
import tempfile
import threading
import time
from pathlib import Path

from harness.environment import short_directory

from . import gauge, nemesis
from .crowd import Crowd
from .load import Stage, Story
from .overseer import Overseer
from .world import JUDGED_SECONDS, WARM_SECONDS, Pace, World

LONG = Pace(freeze=(1, 15), hold=(2, 8), step=(0.5, 3), gap=(3, 12))
SHORT = Pace(freeze=(0.5, 1.5), hold=(0.5, 1.5), step=(0.2, 0.5), gap=(0.3, 1))
SPARED = 1 / 3  # of the time, at its end, in which nothing kills
# Bounds on memory, generous on purpose: the figures are printed.
GROWTH_BYTES_PER_MINUTE = 2 * gauge.MIB
REST_BYTES = 24 * gauge.MIB  # above the first sample, when all is over
REST_FDS = 8  # connections to the provider that are kept for the next call
REST_SECONDS = 90


class Soak:
    def __init__(self, world, seed, seats, stuck, only, is_long):
        self.world = world
        self.is_long = is_long
        self.chance = random.Random(seed)
        self.numbers = itertools.count(1)
        self.told = 0  # stories that are over
        self.crowd = Crowd(world, stuck)
        self.overseer = Overseer(world, seed)
        self.players = [threading.Thread(target=self.play, args=(Story,), daemon=True) for _ in range(seats)]
        self.players.append(threading.Thread(target=self.play, args=(Stage,), daemon=True))
        self.watch = threading.Thread(target=self.look, daemon=True)
        self.seeds = random.Random(seed + 1)
        wanted = [name for name in nemesis.NEMESES if only is None or name in only]
        self.names = [name for name in wanted if nemesis.missing(world, name) is None]
        for name in wanted:
            if name not in self.names:
                print(f"without {name}: {nemesis.missing(world, name)}")

    # threads

    def play(self, kind):
        while not self.world.stopping.is_set():
            story = kind(self.world, next(self.numbers), self.seeds.random())
            try:
                for finding in story.play():
                    self.world.found(f"{story.session}: {finding}")
            except Exception as e:
                self.world.found(f"the harness failed: {story.session}: {e!r}")
                raise
            self.told += 1

    def look(self):
        try:
            while not self.world.broken.wait(1):
                if not self.world.look():
                    self.world.give_up()
        except Exception as e:
            self.world.found(f"the harness failed: the gauge: {e!r}")
            self.world.give_up()
            raise

    # the nemesis

    def strike(self, name):
        how, _, _ = nemesis.NEMESES[name]
        self.world.strikes[name] += 1
        try:
            how(self.world, self.chance)
        except AssertionError as e:
            self.world.found(f"{name}: {e}")
            self.world.give_up()

    def strike_each_once(self):
        for name in self.chance.sample(self.names, len(self.names)):
            self.world.wait(self.chance.uniform(*self.world.pace.gap))
            if not self.world.broken.is_set():
                self.strike(name)

    def strike_for(self, seconds):
        began = time.monotonic()
        spared_from = seconds - spared_seconds(seconds)
        sparing = [name for name in self.names if not nemesis.NEMESES[name][2]]
        while (passed := time.monotonic() - began) < seconds and not self.world.broken.is_set():
            names = sparing if passed > spared_from else self.names
            if names:
                self.strike(self.chance.choice(names))
            self.world.wait(self.chance.uniform(*self.world.pace.gap))

    # from the beginning to the end

    def start(self):
        for thread in [*self.players, self.crowd, self.overseer, self.watch]:
            thread.start()

    def end(self):
        self.world.stopping.set()
        for thread in self.players:
            thread.join(300)
            if thread.is_alive():
                self.world.found("a story does not end")
        self.crowd.leave()
        self.overseer.leave()
        if self.world.strikes["disk"] and not self.world.tally.counts[503]:
            self.world.found("the disk was full, and nothing was refused: was it?")
        if not self.world.broken.is_set():
            self.overseer.judge()
            self.come_to_rest()
            self.judge_memory()
        self.world.broken.set()
        self.watch.join()
        self.world.close()

    def come_to_rest(self):
        """Memory may take a minute: then the server looks around and, where nothing runs, gives back what it kept."""
        life, pause = self.world.lives[-1], threading.Event()
        most = life.base.rss + REST_BYTES
        judged = self.is_long and not gauge.is_sanitized()
        deadline = time.monotonic() + (REST_SECONDS if self.is_long else 10)
        while time.monotonic() < deadline:
            now = gauge.sample(self.world.server)
            if now.fds <= life.base.fds + REST_FDS and (now.rss <= most or not judged):
                break
            pause.wait(0.2)
        print(f"at the start of this life: {life.base}\nwhen all is over:          {now}")
        if now.fds > life.base.fds + REST_FDS:
            self.world.found(f"{now.fds} fds when all is over, {life.base.fds} at the start")
        if now.rss > most and judged:
            self.world.found(f"{now.rss} bytes when all is over, {life.base.rss} at the start")
        left = {name: count for name, count in gauge.objects(self.world.server).items() if count}
        if left:
            self.world.found(f"left in memory: {left}")

    def judge_memory(self):
        if gauge.is_sanitized():
            return
        if not any(life.can_tell() for life in self.world.lives):
            print(f"growth of memory: no life was {WARM_SECONDS + JUDGED_SECONDS} s long, so it is not judged")
        for number, life in enumerate(self.world.lives, 1):
            if not life.can_tell():
                continue
            growth = life.growth() * 60
            most = max(s.rss for _, s in life.samples)
            print(
                f"life {number}: {life.seconds():.0f} s, memory at most {most / gauge.MIB:.1f} MiB, "
                f"{growth / gauge.MIB:+.2f} MiB a minute after the first {WARM_SECONDS} s"
            )
            if growth > GROWTH_BYTES_PER_MINUTE:
                self.world.found(f"memory grew by {growth:.0f} bytes a minute in life {number}")

    def line(self, began):
        world, counts = self.world, self.world.tally.counts
        life = world.lives[-1]
        strikes = " ".join(f"{name} {count}" for name, count in sorted(world.strikes.items()))
        return (
            f"{time.monotonic() - began:5.0f} s  ok {counts['ok']} failed {counts['failed']} "
            f"(503: {counts[503]}) unknown {counts['unknown']}  frames {counts['frame']}  stories {self.told}  "
            f"life {len(world.lives)} ({life.seconds():.0f} s): {life.last()}  "
            f"stuck {len(self.crowd.sockets)} (thrown out {self.crowd.counts['thrown out']})  {strikes}"
        )


def spared_seconds(seconds):
    """Enough of a short time for one life that tells, but never all of it: kills belong to every soak."""
    enough = WARM_SECONDS + JUDGED_SECONDS + 30
    return max(seconds * SPARED, min(enough, seconds * 2 / 3))


def tell_curve(soak, began, every, over):
    while not over.wait(every):
        print(soak.line(began), flush=True)


def run(seed, seats, stuck, pace, seconds=None, every=60, only=None):
    """Everything that was found; without `seconds` each nemesis strikes once."""
    evidence = Path(tempfile.mkdtemp(prefix="culm-soak-"))
    began = time.monotonic()
    print(f"seed {seed}, evidence in {evidence}", flush=True)
    with short_directory() as directory:
        world = World(directory, evidence, pace)
        soak = Soak(world, seed, seats, stuck, only, is_long=seconds is not None)
        over = threading.Event()
        teller = threading.Thread(target=tell_curve, args=(soak, began, every, over), daemon=True)
        teller.start()
        soak.start()
        if seconds is None:
            soak.strike_each_once()
        else:
            soak.strike_for(seconds)
        soak.end()
        over.set()
        teller.join()
        print(soak.line(began))
    if not world.findings:
        shutil.rmtree(evidence)
    return world.findings


def main():
    parser = argparse.ArgumentParser(prog="./dev soak faults", description=__doc__)
    parser.add_argument("minutes", nargs="?", type=float, default=30)
    parser.add_argument("--seed", type=int, default=random.randrange(1 << 32))
    parser.add_argument("--seats", type=int, default=10, help="stories at the same time")
    parser.add_argument("--stuck", type=int, default=1000, help="watchers who never read")
    parser.add_argument("--once", action="store_true", help="each nemesis once and at short notice, as in CI")
    parser.add_argument("--only", nargs="*", metavar="NEMESIS", help=f"none or some of: {' '.join(nemesis.NEMESES)}")
    parser.add_argument("--every", type=float, default=60, help="seconds between two lines")
    o = parser.parse_args()
    if o.once:
        findings = run(o.seed, o.seats, o.stuck, SHORT, every=5, only=o.only)
    else:
        findings = run(o.seed, o.seats, o.stuck, LONG, o.minutes * 60, o.every, o.only)
    print(f"verdict: {len(findings)} findings (seed {o.seed})" if findings else "verdict: good")
    return 1 if findings else 0


if __name__ == "__main__":
    sys.exit(main())
