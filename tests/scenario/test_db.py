# SPDX-License-Identifier: MIT
"""culm db: what an operator does with the file."""

import json
import sqlite3
import threading

from harness.api import poll
from harness.offline import say, words

TURNS = 6


def database(server):
    return server.data_dir / "culm.db"


def change(server, sql, *values):
    """Behind the back of everybody; nobody has the file open."""
    server.is_spoiled = True
    with sqlite3.connect(database(server)) as db:
        db.execute(sql, values)
    db.close()


def flip(path, needle, offset=2):
    """One bit of the first place where these bytes stand."""
    data = bytearray(path.read_bytes())
    at = data.index(needle) + offset
    data[at] ^= 1
    path.write_bytes(data)


def talk(server, sessions=("a", "b", "c"), turns=2):
    for session_id in sessions:
        for n in range(turns):
            server.api.whole_turn(say(words(20, f"{session_id}{n}w")), session_id)


def findings(done):
    return [line for line in map(json.loads, done.stdout.splitlines()) if line["type"] == "finding"]


class Load:
    """Sessions that talk all the time, until stopped."""

    def __init__(self, server, sessions=4, *, is_cut=False):
        self.is_cut = is_cut
        self.stopping = threading.Event()
        self.turns = 0
        self.failures = []
        names = [f"load{n}" for n in range(sessions)]
        self.threads = [threading.Thread(target=self.talk, args=(server.api, name)) for name in names]

    def talk(self, api, name):
        try:
            while not self.stopping.is_set():
                api.whole_turn(say(words(30, "w"), delay_ms=1), name)
                self.turns += 1
        except Exception as e:
            self.failures.append(e)

    def __enter__(self):
        for thread in self.threads:
            thread.start()
        return self

    def __exit__(self, *_):
        self.stopping.set()
        for thread in self.threads:
            thread.join()
        assert self.is_cut or not self.failures, self.failures

    def go_on(self, turns=TURNS):
        enough = self.turns + turns
        poll(lambda: self.turns, lambda n: n >= enough or self.failures)


# check


def test_check_finds_nothing_wrong_beside_a_server_under_load(server):
    with Load(server) as load:
        for _ in range(5):
            load.go_on()
            done = server.cli("db", "check", "--json")
            assert done.returncode == 0, done.stdout + done.stderr
            summary = json.loads(done.stdout)
            assert summary["type"] == "summary"
            assert summary["findings"] == 0
            assert summary["sessions"] == 4
            assert summary["facts"] > 20
            assert summary["bytes"] > 4096


def test_check_finds_nothing_wrong_with_what_a_kill_leaves(server):
    with Load(server, is_cut=True) as load:
        load.go_on()
        server.kill9()
    server.check_store()


def test_check_says_what_it_has_looked_at(server):
    talk(server)
    done = server.cli("db", "check")
    assert done.returncode == 0
    assert done.stdout.startswith("checked 3 sessions, ")
    assert done.stdout.endswith(" bytes: no findings\n")
    assert done.stderr == ""


def test_check_names_session_and_remedy(server):
    talk(server)
    server.sigterm()
    change(server, "DELETE FROM message WHERE place = 1 AND sid = (SELECT sid FROM session WHERE id = 'b')")
    done = server.cli("db", "check")
    assert done.returncode == 1
    first, last = done.stdout.splitlines()
    assert first == "session b: its message at place 1 is missing; `culm db repair FILE` builds it anew from the log"
    assert last.endswith(": 1 finding")
    (found,) = findings(server.cli("db", "check", "--json"))
    assert found["session"] == "b"
    assert found["what"] == "its message at place 1 is missing"
    assert "culm db repair" in found["remedy"]


def test_check_finds_a_flipped_bit_and_the_other_sessions_are_served(server):
    talk(server)
    server.sigterm()
    server.is_spoiled = True
    flip(database(server), b"b0w0 b0w1")
    (found, *_) = findings(server.cli("db", "check", "--json"))
    assert found["session"] == "b"
    assert "damaged" in found["what"]
    server.start()
    talk(server, ["a", "c"])
    assert server.api.client.get("/api/v1/history/b").status_code == 500


def test_check_of_a_named_file_looks_at_that_one(server, tmp_path):
    talk(server)
    server.sigterm()
    copy = tmp_path / "copy.db"
    copy.write_bytes(database(server).read_bytes())
    flip(copy, b"a0w0 a0w1")
    assert server.cli("db", "check").returncode == 0
    assert server.cli("db", "check", copy).returncode == 1
    assert [f.name for f in tmp_path.iterdir()] == ["copy.db"], "something was left beside the file"


def test_check_of_nothing_says_what_to_do(make_server):
    server = make_server(start=False)
    done = server.cli("db", "check")
    assert done.returncode == 1
    assert "culm serve" in done.stderr
    done = server.cli("db", "check", server.directory / "missing.db")
    assert done.returncode == 1
    assert "missing.db: No such file" in done.stderr


# snapshot


def serve_copy(make_server, server, copy, name):
    """A server on a data directory that holds nothing but this file."""
    other = make_server(name, start=False)
    other.data_dir.mkdir(parents=True, mode=0o700)
    (other.data_dir / "culm.db").write_bytes(copy.read_bytes())
    return other.start()


def transcript(server, session_id):
    return [(m["id"], m["role"], m["content"]) for m in server.api.messages(session_id)]


def test_a_snapshot_under_load_is_whole_and_served(make_server, server, tmp_path):
    copies = [tmp_path / f"copy{n}.db" for n in range(3)]
    with Load(server) as load:
        for copy in copies:
            load.go_on()
            done = server.cli("db", "snapshot", copy)
            assert done.returncode == 0, done.stdout + done.stderr
            assert done.stdout.startswith(f"made {copy}\nchecked 4 sessions, ")
            assert copy.stat().st_mode & 0o777 == 0o600
    assert sorted(f.name for f in tmp_path.iterdir()) == [c.name for c in copies], "drafts were left"
    other = serve_copy(make_server, server, copies[-1], "b")
    poll(
        lambda: other.api.get("/api/v1/sessions", state="running")["sessions"],
        lambda running: running == [],
    )
    for n in range(4):
        whole, then = transcript(server, f"load{n}"), transcript(other, f"load{n}")
        answered = [m for m in then if m in whole]
        assert len(answered) >= len(then) - 1, "only the answer of a run that was cut is another one"
        assert whole[: len(answered)] == answered


def test_a_snapshot_never_overwrites(server, tmp_path):
    talk(server, ["a"])
    copy = tmp_path / "copy.db"
    copy.write_text("mine")
    done = server.cli("db", "snapshot", copy)
    assert done.returncode == 1
    assert "is there already and is not overwritten" in done.stderr
    assert copy.read_text() == "mine"


def test_a_snapshot_of_what_has_findings_is_made_and_says_so(server, tmp_path):
    talk(server, ["a"])
    server.sigterm()
    change(server, "UPDATE session SET title = 'another'")
    done = server.cli("db", "snapshot", tmp_path / "copy.db", "--json")
    assert done.returncode == 1
    made, found, summary = map(json.loads, done.stdout.splitlines())
    assert made == {"type": "made", "file": str(tmp_path / "copy.db")}
    assert found["session"] == "a"
    assert summary["findings"] == 1


def test_help_says_how_to_restore(server):
    done = server.cli("db", "snapshot", "--help")
    assert "stop the server" in done.stdout
    assert "culm.db-wal" in done.stdout
