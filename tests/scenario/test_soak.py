# SPDX-License-Identifier: MIT
"""Short runs of the soaks; `./dev soak idle` and `./dev soak faults` are the long ones."""

import os
import random
import subprocess
from types import SimpleNamespace

from soak import faults, gauge, idle, world


def test_a_server_keeps_nothing_of_sessions_that_came_and_went(server):
    sessions = 400 if gauge.is_sanitized() else 1200  # there the memory is not judged, and leaks are found at the end
    samples = idle.come_and_go(server, sessions, step=200)
    assert list(idle.findings(samples, warm=800)) == []
    assert list(idle.silence(server, seconds=1)) == []


def test_many_clients_and_every_nemesis_once():
    """What was printed, the seed among it, is shown when this fails."""
    assert faults.run(random.randrange(1 << 32), seats=5, stuck=100, pace=faults.SHORT, every=10) == []


def test_a_server_that_is_being_killed_gives_no_sample(tmp_path):
    with subprocess.Popen(["sleep", "3600"]) as process:
        server = SimpleNamespace(process=process, data_dir=tmp_path)
        assert gauge.sample(server).threads == 1
        process.kill()
        process.wait()
        assert gauge.sample(server) is None


def test_a_server_that_is_dead_and_not_yet_waited_for_gives_no_sample(tmp_path):
    with subprocess.Popen(["sleep", "3600"], stdout=subprocess.PIPE) as process:
        process.kill()
        assert process.stdout.read() == b""  # its end of the pipe is closed: it has no files any more
        os.waitid(os.P_PID, process.pid, os.WEXITED | os.WNOWAIT)
        assert gauge.sample(SimpleNamespace(process=process, data_dir=tmp_path)) is None


def life_that_holds(rss):
    """A sample a second; `rss` gives the bytes at that second, None ends it."""
    held = {n: rss(n) for n in range(world.WARM_SECONDS + world.JUDGED_SECONDS + 1)}
    samples = [(n, gauge.Sample(b, 0, 0, 0, 0)) for n, b in held.items() if b is not None]
    return world.Life(0, samples[0][1], samples)


def test_growth_is_judged_after_the_warm_up_and_not_in_short_lives():
    warming_up = life_that_holds(lambda n: min(n, world.WARM_SECONDS) * gauge.MIB)
    growing = life_that_holds(lambda n: n * gauge.MIB)
    short = life_that_holds(lambda n: n * gauge.MIB if n < 64 else None)
    assert (warming_up.can_tell(), growing.can_tell(), short.can_tell()) == (True, True, False)
    assert abs(warming_up.growth()) < 1
    assert abs(growing.growth() - gauge.MIB) < 1


def test_a_third_of_a_soak_spares_the_server_and_a_short_one_spares_it_long_enough():
    judged = world.WARM_SECONDS + world.JUDGED_SECONDS
    assert faults.spared_seconds(1800) == 600
    assert judged < faults.spared_seconds(900) < 900
    assert faults.spared_seconds(60) < 60
