# SPDX-License-Identifier: MIT
"""The judge: what the clients of one session sent and saw (history.py), against the log of the server.

judge(records, log) gives findings, each under the name of the invariant that is broken; none is the verdict "good".
Time is linear in the records. A session that was deleted has no log: then the clients are judged against each other.

    I-ANSWER    every request is answered, with a status that the API documents
    I-ACK       what was acknowledged is in the log, what was refused is not, what is unknown is there at most once
    I-LINEAR    the log agrees with real time: nothing stands behind what was sent after it had been answered
    I-READ      a read shows a prefix of the log that holds all that was known when it was asked
    I-GONE      a session that was deleted is gone
    I-DENSE     the numbers of the log have no hole and no repeat
    I-NOPHANTOM what was shown is in the log with the same bytes, and somebody caused it
    I-PREFIX    a stream is a contiguous slice of the log's events, its numbers rise strictly
    I-RESUME    a stream begins right behind its cursor and ends with [DONE] only when all has been shown
    I-TEXT      the text of every watcher is the stored text; text that is not kept is discarded aloud
    I-ONEACTIVE at most one run is active
    I-TERM      a run ends once, under its id, and nothing of it follows
    I-CANCEL    after a stop nothing new begins, and the run ends as cancelled
    I-PAIR      every tool call has one result before the next round
    I-MSG       the history is the fold of the log
    I-BUDGET    the newest-only events that a late watcher gets are the newest
"""

import tempfile

from ..history import write
from . import log, order, requests, streams, text
from .story import Finding, Story, is_answer, is_user_message, read_log

__all__ = ["Finding", "is_answer", "is_user_message", "judge", "read_log", "verdict"]

CHECKS = (
    *(requests.answers, requests.sessions_lost, requests.gone),
    *(requests.messages_acknowledged, requests.edits_acknowledged),
    *(requests.runs_acknowledged, requests.stops_acknowledged),
    *(order.in_order, order.reads),
    *(streams.streams, text.texts),
    *(log.dense, log.runs_in_log, log.runs_listed, log.messages_folded),
)


def judge(records, server_log=None):
    story = Story(records, server_log)
    return [finding for check in CHECKS for finding in check(story)]


def verdict(records, server_log=None):
    """As an assertion that leaves the evidence where it says."""
    findings = judge(records, server_log)
    if not findings:
        return
    with tempfile.NamedTemporaryFile("w", prefix="culm-transcript-", suffix=".jsonl", delete=False) as f:
        write(f.name, records, server_log)
    raise AssertionError("\n".join([*map(str, findings), f"transcript: {f.name}"]))
