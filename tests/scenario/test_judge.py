# SPDX-License-Identifier: MIT
"""The judge, judged: it finds nothing wrong with what really happened, and names every violation planted into it."""

import copy
import json

import pytest

from harness.environment import short_directory
from harness.history import Recorder, Transcript, Viewer, read, write
from harness.judge import is_answer, is_user_message, judge, read_log
from harness.offline import say, script, words
from harness.server import running
from harness.sse import TERMINAL


def live(server, transcript):
    """A session with everything in it: tools, a stop, an edit, a kill in mid-text, and its deletion."""
    http = server.client(lasting=True)
    ann, bob = (Recorder(transcript, name, http) for name in ("ann", "bob"))
    first, second = Viewer(ann, "s"), Viewer(bob, "s", text_cursor=True)

    def seen(*viewers, until="wait_done"):
        watchers = [(v, v.connect()) for v in viewers]
        for viewer, watcher in watchers:
            getattr(watcher, until)()
            viewer.take(watcher)

    ann.chat("s", say(words(40), reason="thinking", delay_ms=1))
    ann.execute("s")
    seen(first, second)
    bob.chat("s", script({"tool": {"name": "nothing", "args": {}}}, {"say": "no such thing"}), execute=True)
    seen(first)
    bob.edit("s", title="a title")
    ann.chat("s", script({"say": words(30), "hang": "chunk"}))
    run = ann.execute("s").get("run_id")
    watcher = second.connect()
    watcher.wait_for(lambda f: f.type == "token" and "word29" in f["content"])
    bob.stop("s", run)
    watcher.wait_done()
    second.take(watcher)
    ann.chat("s", say(words(200), delay_ms=5))
    ann.execute("s")
    watchers = [(v, v.connect()) for v in (first, second)]
    for _, watcher in watchers:
        watcher.wait_for(lambda f: f.type == "token" and "word20" in f["content"])
    server.restart("kill")
    for viewer, watcher in watchers:
        watcher.wait_end()
        viewer.take(watcher)
    seen(first, second)
    ann.history("s")
    ann.watch("s").wait_done()
    bob.list("s")
    bob.get("s")
    log = read_log(server.api.get, "s")
    ann.delete("s")
    bob.get("s")
    return log


@pytest.fixture(scope="module")
def happened():
    with short_directory() as directory, running(directory / "a") as server:
        transcript = Transcript()
        log = live(server, transcript)
        return transcript.records, log


@pytest.fixture
def story(happened):
    return Plot(*copy.deepcopy(happened))


class Plot:
    """The transcript and the log, to plant something in."""

    def __init__(self, records, log):
        self.records, self.log = records, log

    @property
    def facts(self):
        return self.log["facts"]

    def ids(self):
        return {finding.id for finding in judge(self.records, self.log)}

    # records

    def answer(self, op, at=0):
        """The answer to such a request."""
        return self.of("ok", op)[at]

    def of(self, ev, op):
        numbers = {r["n"] for r in self.records if r["ev"] == "invoke" and r["op"] == op}
        return [r for r in self.records if r["ev"] == ev and r["n"] in numbers]

    def frames(self, *types):
        """(record, event) of the events of these types, over all streams."""
        parsed = [(r, json.loads(r["data"])) for r in self.records if r["ev"] == "frame" and r["data"][0] == "{"]
        return [(r, event) for r, event in parsed if event["type"] in types]

    def resumed(self):
        """The frames of the last connection that came back with a cursor, numbered ones only."""
        n = max(r["n"] for r in self.records if r["ev"] == "invoke" and r["args"].get("after"))
        return [r for r in self.records if r["ev"] == "frame" and r["n"] == n and r["seq"] is not None]

    def drop(self, record):
        self.records.remove(record)

    # the log

    def fact(self, kind, at=0):
        return [f for f in self.facts if f["type"] == kind][at]

    def message(self, wanted, at=0):
        return [f for f in self.facts if wanted(f)][at]

    def put(self, fact, after):
        """One more fact in the log; all behind it, in the transcript too, moves up."""
        seq = after["seq"] + 1
        for f in self.facts:
            f["seq"] += f["seq"] >= seq
        self.facts.insert(seq - 1, {**fact, "seq": seq})
        self._renumber(lambda n: n + (n >= seq))

    def take(self, fact):
        """One less, so that no number tells."""
        seq = fact["seq"]
        self.facts.remove(fact)
        for f in self.facts:
            f["seq"] -= f["seq"] > seq
        shown = [r for r, event in self.frames(fact["type"]) if event["seq"] == seq]
        self.records = [r for r in self.records if r not in shown]
        self._renumber(lambda n: n - (n > seq))

    def _renumber(self, moved):
        for r in self.records:
            if r["ev"] == "frame" and r["data"][0] == "{":
                event = json.loads(r["data"])
                for key in ("seq", "last_seq"):
                    if key in event:
                        event[key] = moved(event[key])
                r["data"] = json.dumps(event, ensure_ascii=False)
                r["seq"] = r["seq"] and moved(r["seq"])
            elif r["ev"] == "invoke" and r["args"].get("after"):
                r["args"]["after"] = moved(r["args"]["after"])
            elif r["ev"] == "ok" and isinstance(r["body"], dict):
                if "ingress_seq" in r["body"]:
                    r["body"]["ingress_seq"] = moved(r["body"]["ingress_seq"])
                for row in [r["body"].get("session", {}), *r["body"].get("sessions", [])]:
                    if "last_seq" in row:
                        row["last_seq"] = moved(row["last_seq"])


def test_what_really_happened_is_good(story):
    assert list(map(str, judge(story.records, story.log))) == []
    assert list(map(str, judge(story.records))) == [], "without the log, as after a deletion"
    assert {"message_discarded", "cancelled", "tool_error"} <= {f["type"] for f in story.facts}, "too little happened"


def test_moving_the_numbers_of_everything_changes_nothing(story):
    story.put({"type": "session_updated", "at": 0}, after=story.fact("session_title_updated"))
    assert story.ids() == set()
    story.take(story.fact("session_updated"))
    assert story.ids() == set()


def test_a_transcript_is_the_same_when_it_is_read_again(happened, tmp_path):
    records, log = happened
    write(tmp_path / "t.jsonl", records, log)
    records_again, read_again = read(tmp_path / "t.jsonl")
    assert records_again == records
    assert {key: read_again[key] for key in log} == log


# One function per violation: what it does to a story that was good.


def lost_message(s):
    s.take(s.message(is_user_message, 1))


def refused_message_is_kept(s):
    s.answer("chat", 1).update(ev="failed", status=503, body=None)


def message_twice(s):
    message = s.message(is_user_message, 1)
    s.put({**message, "message_id": "another"}, after=message)


def message_id_twice(s):
    message = s.message(is_user_message, 1)
    s.put(message, after=message)


def acknowledged_under_another_id(s):
    s.answer("chat")["body"]["message_id"] = "other"


def lost_title(s):
    s.take(s.fact("session_title_updated"))


def lost_run(s):
    for run in ("execution_started", "complete"):
        s.take(s.fact(run))


def lost_session(s):
    s.answer("history").update(ev="failed", status=404, body=None)


def stop_forgotten(s):
    s.fact("cancelled").update(type="complete", end="completed")


def phantom_message(s):
    s.put({**s.message(is_user_message), "message_id": "p", "content": "who?"}, after=s.message(is_user_message))


def phantom_event(s):
    record, event = s.frames("tool_error")[0]
    record["data"] = json.dumps({**event, "error": "another"})


def phantom_run(s):
    last = s.facts[-1]
    s.put({"type": "execution_started", "run_id": "r", "session_id": "s", "started_at": "", "at": 1}, after=last)
    s.put({"type": "complete", "run_id": "r", "at": 1}, after=s.facts[-1])
    s.put({"type": "session_updated", "at": 1}, after=last)


def repeated_id(s):
    record = s.frames("execution_started")[0][0]
    s.records.insert(s.records.index(record), dict(record))


def gap(s):
    s.drop(s.frames("execution_started")[0][0])


def gap_behind_the_cursor(s):
    s.drop(s.resumed()[0])


def done_too_early(s):
    s.drop(s.resumed()[-1])


def cursor_refused(s):
    s.answer("watch", -1).update(ev="failed", status=400, body=None)


def hole_in_the_text(s):
    s.drop(s.frames("token")[5][0])


def text_cut_off(s):
    """The last piece before the first finished message."""
    end = s.records.index(next(r for r, e in s.frames("message_appended") if is_answer(e)))
    s.drop([r for r, _ in s.frames("token") if s.records.index(r) < end and r["n"] == s.records[end]["n"]][-1])


def other_text(s):
    record, event = s.frames("token")[3]
    record["data"] = json.dumps({**event, "content": event["content"].upper()})


def other_reasoning(s):
    record, event = s.frames("reasoning_token")[0]
    record["data"] = json.dumps({**event, "content": event["content"].upper()})


def text_after_discard(s):
    record, event = s.frames("message_discarded")[0]
    piece = {"type": "token", "message_id": event["message_id"], "offset": 0, "content": "word0"}
    s.records.insert(s.records.index(record) + 1, {**record, "seq": None, "data": json.dumps(piece)})


def discarded_in_silence(s):
    s.take(s.fact("message_discarded"))


def two_watchers_disagree(s):
    """Of a deleted session, where there is no log to ask."""
    s.log = None
    record, event = s.frames("complete")[0]
    record["data"] = json.dumps({**event, "end": "budget"})


def two_ends(s):
    end = s.fact("complete")
    s.put(end, after=end)


def event_after_the_end(s):
    s.put({"type": "tool_complete", "tool_call_id": "c", "result": {"result": ""}, "at": 1}, after=s.fact("cancelled"))


def ends_under_another_id(s):
    s.fact("complete")["run_id"] = "other"


def never_ends(s):
    s.take(s.message(lambda f: f["type"] in TERMINAL, -1))


def listed_otherwise(s):
    s.log["runs"][0]["status"] = "running"


def two_active(s):
    s.put({**s.fact("execution_started"), "run_id": "other"}, after=s.fact("execution_started"))


def started_twice(s):
    s.of("ok", "execute")[1]["body"]["run_id"] = s.answer("execute")["body"]["run_id"]


def work_after_a_stop(s):
    s.put(s.fact("runner_progress"), after=s.fact("cancel_requested"))


def messages_reordered(s):
    """The first and the last message change places."""
    a, b = s.message(is_user_message), s.message(is_user_message, -1)
    for key in ("message_id", "content", "created_at"):
        a[key], b[key] = b[key], a[key]


def call_without_result(s):
    s.take(s.fact("tool_error"))


def result_without_call(s):
    s.put(s.fact("tool_error"), after=s.fact("tool_error"))


def history_behind(s):
    s.answer("history")["body"]["messages"].pop()


def history_of_another(s):
    s.answer("history")["body"]["messages"][1]["content"] += "!"


def session_behind(s):
    s.answer("get")["body"]["session"]["last_seq"] -= 1


def stream_opened_behind(s):
    s.frames("stream_opened")[-1][0]["data"] = json.dumps({"type": "stream_opened", "last_seq": 1})


def list_ahead(s):
    s.answer("list")["body"]["sessions"][0]["last_seq"] += 1


def not_the_fold(s):
    s.log["messages"][1]["content"] += "!"


def message_missing_in_the_history(s):
    s.log["messages"].pop()
    s.log["total"] -= 1


def hole_in_the_log(s):
    s.facts.remove(s.fact("session_title_updated"))


def outdated_budget(s):
    """A watcher without cursor is told the first budget, not the newest."""
    n = next(r["n"] for r in s.records if r["ev"] == "invoke" and r["op"] == "watch" and "after" not in r["args"])
    record = next(r for r, _ in s.frames("token_budget_updated") if r["n"] == n)
    record["data"] = json.dumps(s.fact("token_budget_updated"), ensure_ascii=False)


def there_after_deletion(s):
    s.of("failed", "get")[0].update(ev="ok", status=200, body={"session": {"id": "s"}})


def never_answered(s):
    s.drop(s.answer("stop"))


def answered_with_500(s):
    s.answer("list").update(ev="unknown", status=500, body="oh")


def half_a_frame(s):
    s.of("closed", "watch")[0]["broken"] = "FramingError"


PLANTED = [
    (lost_message, "I-ACK"),
    (refused_message_is_kept, "I-ACK"),
    (message_twice, "I-ACK"),
    (message_id_twice, "I-ACK"),
    (acknowledged_under_another_id, "I-ACK"),
    (lost_title, "I-ACK"),
    (lost_run, "I-ACK"),
    (lost_session, "I-ACK"),
    (stop_forgotten, "I-ACK"),
    (stop_forgotten, "I-CANCEL"),
    (work_after_a_stop, "I-CANCEL"),
    (phantom_message, "I-NOPHANTOM"),
    (phantom_event, "I-NOPHANTOM"),
    (phantom_run, "I-NOPHANTOM"),
    (two_watchers_disagree, "I-NOPHANTOM"),
    (repeated_id, "I-PREFIX"),
    (gap, "I-PREFIX"),
    (gap_behind_the_cursor, "I-RESUME"),
    (done_too_early, "I-RESUME"),
    (cursor_refused, "I-RESUME"),
    (hole_in_the_text, "I-TEXT"),
    (text_cut_off, "I-TEXT"),
    (other_text, "I-TEXT"),
    (other_reasoning, "I-TEXT"),
    (text_after_discard, "I-TEXT"),
    (discarded_in_silence, "I-TEXT"),
    (two_ends, "I-TERM"),
    (event_after_the_end, "I-TERM"),
    (ends_under_another_id, "I-TERM"),
    (never_ends, "I-TERM"),
    (listed_otherwise, "I-TERM"),
    (two_active, "I-ONEACTIVE"),
    (started_twice, "I-ONEACTIVE"),
    (messages_reordered, "I-LINEAR"),
    (call_without_result, "I-PAIR"),
    (result_without_call, "I-PAIR"),
    (history_behind, "I-READ"),
    (history_of_another, "I-READ"),
    (session_behind, "I-READ"),
    (stream_opened_behind, "I-READ"),
    (list_ahead, "I-READ"),
    (not_the_fold, "I-MSG"),
    (message_missing_in_the_history, "I-MSG"),
    (hole_in_the_log, "I-DENSE"),
    (outdated_budget, "I-BUDGET"),
    (there_after_deletion, "I-GONE"),
    (never_answered, "I-ANSWER"),
    (answered_with_500, "I-ANSWER"),
    (half_a_frame, "I-ANSWER"),
]


@pytest.mark.parametrize(("plant", "named"), PLANTED, ids=[f"{p.__name__}-{n}" for p, n in PLANTED])
def test_what_is_planted_is_named(story, plant, named):
    plant(story)
    assert named in story.ids()


def test_unknown_requests_may_or_may_not_have_happened(story):
    """The answer to a message was lost: it is in the log, or it is not."""
    for record in story.of("ok", "edit"):
        record.update(ev="unknown", status=None, body="ReadError")
    assert story.ids() == set()
    story.take(story.fact("session_title_updated"))
    assert story.ids() == set()
