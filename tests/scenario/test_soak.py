# SPDX-License-Identifier: MIT
"""Short runs of the soaks; `./dev soak idle` and `./dev soak faults` are the long ones."""

import random

from soak import faults, gauge, idle


def test_a_server_keeps_nothing_of_sessions_that_came_and_went(server):
    sessions = 400 if gauge.is_sanitized() else 1200  # there the memory is not judged, and leaks are found at the end
    samples = idle.come_and_go(server, sessions, step=200)
    assert list(idle.findings(samples, warm=800)) == []
    assert list(idle.silence(server, seconds=1)) == []


def test_many_clients_and_every_nemesis_once():
    """What was printed, the seed among it, is shown when this fails."""
    assert faults.run(random.randrange(1 << 32), seats=5, stuck=100, pace=faults.SHORT, every=10) == []
