# SPDX-License-Identifier: MIT
"""Short runs of the soaks; `./dev soak idle` and `./dev soak faults` are the long ones."""

from soak import gauge, idle


def test_a_server_keeps_nothing_of_sessions_that_came_and_went(server):
    sessions = 500 if gauge.is_sanitized() else 2000  # there the memory is not judged, and leaks are found at the end
    samples = idle.come_and_go(server, sessions, step=250)
    assert list(idle.findings(samples, warm=sessions // 2)) == []
    assert list(idle.silence(server, seconds=1)) == []
