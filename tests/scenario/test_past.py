# SPDX-License-Identifier: MIT
"""Looking back with at_seq: at each fact a session and its transcript are what the API said when that fact was new."""

import threading

from harness.api import expect
from harness.offline import script, words

SESSION, HISTORY = "/api/v1/sessions/s", "/api/v1/history/s"


class Looker(threading.Thread):
    """Reads session and transcript again and again; a pair of both between which nothing happened is kept."""

    def __init__(self, server):
        super().__init__(daemon=True)
        self.client = server.client(lasting=True)
        self.over = threading.Event()
        self.seen = {}  # by last_seq: (session, history)
        self.start()

    def look(self):
        first = self.client.get(SESSION)
        if first.status_code == 404:
            return
        history = expect(self.client.get(HISTORY), 200)
        session = expect(first, 200)["session"]
        if expect(self.client.get(SESSION), 200)["session"] == session:
            self.seen[session["last_seq"]] = (session, history)

    def run(self):
        while not self.over.is_set():
            self.look()

    def end(self):
        self.over.set()
        self.join()
        self.look()
        return self.seen


def live(server):
    """What is said of a session while a lot happens in it."""
    looker, api = Looker(server), server.api
    looked = looker.look  # also between the steps, so that some moments are certainly there
    expect(api.client.post("/api/v1/chat", json={"session_id": "s", "message": "hm", "system_prompt": "Be kind."}), 201)
    looked()
    slow = {"say": words(20), "delay_ms": 5}
    calls = {"tools": [{"name": "a"}, {"name": "b"}]}
    api.chat(script(slow | calls, slow | {"tool": {"name": "c"}}, slow | {"reason": "because"}), "s")
    run = api.execute("s")["run_id"]
    api.chat("in the middle", "s")
    looked()
    api.wait_run(run)
    expect(api.client.patch(SESSION, json={"title": "Renamed", "pinned": True, "model": "offline/offline"}), 200)
    looked()
    api.chat(script({"error": {"status": 400}}), "s", execute=True)
    api.wait_run(api.runs("s")[0]["run_id"])
    api.chat(script({"say": words(2000), "delay_ms": 5}), "s")
    run = api.execute("s")["run_id"]
    api.watch("s").wait_type("token")
    api.stop("s")
    api.wait_run(run)
    return looker.end()


def at(api, path, seq):
    told = expect(api.client.get(path, params={"at_seq": seq}), 200)
    assert told.pop("at_seq") == seq
    return told


def test_every_moment_is_what_was_said_then(server, between):
    seen = live(server)
    api = between(server)
    last = api.session("s")["last_seq"]
    assert len(seen) >= 4
    assert last > 25
    total = 0
    for seq in range(1, last + 1):
        session, history = at(api, SESSION, seq)["session"], at(api, HISTORY, seq)
        assert session["last_seq"] == seq
        assert session["message_count"] == history["total_message_count"] == len(history["messages"]) >= total
        total = len(history["messages"])
        if seq in seen:
            assert (session, history) == seen[seq]
    assert at(api, HISTORY, last) == api.history("s")
    assert at(api, SESSION, last)["session"] == api.session("s")


def test_the_other_parameters_of_history_hold_for_the_past(server):
    api = server.api
    api.whole_turn("one", "s")
    then = api.session("s")["last_seq"]
    first = api.messages("s")[0]["id"]
    api.whole_turn("two", "s")
    short = api.history("s", at_seq=then, projection="messages")
    assert [m["role"] for m in short["messages"]] == ["user", "assistant"]
    rest = api.history("s", at_seq=then, since_message_id=first)
    assert [m["role"] for m in rest["messages"]] == ["assistant"]
    assert rest["is_delta"] is True
    assert rest["total_message_count"] == 2


def test_a_number_that_is_none_is_refused_with_those_that_are(server):
    api = server.api
    api.chat("hello", "s")
    last = api.session("s")["last_seq"]
    for seq in ("0", "-1", "x", "", "1.5", "99", "18446744073709551615", "99999999999999999999", "%", "1 "):
        for path in (SESSION, HISTORY):
            told = expect(api.client.get(path, params={"at_seq": seq}), 400)
            assert (
                f"at_seq: expected the number of a fact of this session, from 1 to {last}" in told["error"]["message"]
            )
            assert (told["first_seq"], told["last_seq"]) == (1, last)


def test_the_past_has_no_etag_and_an_unknown_session_has_none(server):
    api = server.api
    api.chat("hello", "s")
    assert "etag" not in api.client.get(SESSION, params={"at_seq": 1}).headers
    assert "etag" in api.client.get(SESSION).headers
    for path in ("/api/v1/sessions/none", "/api/v1/history/none"):
        expect(api.client.get(path, params={"at_seq": 1}), 404)
        expect(api.client.get(path, params={"at_seq": "x"}), 404)
