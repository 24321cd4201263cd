# SPDX-License-Identifier: MIT
"""culm db: what an operator does with the file."""

import json
import os
import random
import sqlite3
import threading

import pytest

from harness import provider as p
from harness.api import poll
from harness.offline import say, words
from harness.server import Server

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


# repair


def put_in_place(server, repaired):
    """As the help says."""
    for file in server.data_dir.glob("culm.db*"):
        file.unlink()
    repaired.rename(database(server))
    server.is_spoiled = False


def repair(server, path):
    done = server.cli("db", "repair", path, "--json")
    assert done.returncode == 0, done.stdout + done.stderr
    lines = [json.loads(line) for line in done.stdout.splitlines()]
    assert lines[-1]["type"] == "summary"
    assert lines[-1]["findings"] == 0
    (saved,) = [line for line in lines if line["type"] == "saved"]
    return saved, {line["session"]: line for line in lines if line["type"] == "session"}


def all_facts(server, session_id):
    return server.api.get(f"/api/v1/sessions/{session_id}/facts")["facts"]


def test_repair_is_refused_while_a_server_works(server, tmp_path):
    done = server.cli("db", "repair", tmp_path / "new.db")
    assert done.returncode == 1
    assert "is held by process" in done.stderr
    assert list(tmp_path.iterdir()) == []


def test_repair_keeps_undamaged_sessions_as_they_were(server, tmp_path):
    talk(server)
    before = {s: (transcript(server, s), all_facts(server, s)) for s in "abc"}
    server.sigterm()
    server.is_spoiled = True
    flip(database(server), b"b1w0 b1w1")  # in the answer of the second turn
    saved, damaged = repair(server, tmp_path / "new.db")
    assert saved["sessions"] == 3
    assert list(damaged) == ["b"]
    assert damaged["b"]["lost"] >= 2
    assert damaged["b"]["run_ended"] is True
    put_in_place(server, tmp_path / "new.db")
    server.start()
    for s in "ac":
        assert (transcript(server, s), all_facts(server, s)) == before[s]
    kept = transcript(server, "b")
    assert kept == before["b"][0][: len(kept)]
    assert len(kept) == len(before["b"][0]) - 1
    lost = [json.loads(line) for line in (tmp_path / "new.db.lost.jsonl").read_text().splitlines()]
    assert {line["session"] for line in lost} == {"b"}
    assert lost[0]["damaged"] is True
    talk(server)  # all of them go on


def test_repair_ends_a_run_that_was_cut_off(make_server, provider, tmp_path):
    server = make_server(env=provider.environment)
    provider.reply(p.tool(0, id="c1", name="look", arguments="{}"), p.finish("tool_calls"), p.done())
    provider.reply(p.text("half"), p.silence())
    session_id, run_id = server.api.turn("do it", "s")
    provider.wait_requests(2)
    server.kill9()
    change(server, "DELETE FROM fact WHERE kind = 'call_ended'")
    saved, damaged = repair(server, tmp_path / "new.db")
    assert saved["damaged"] == 1
    assert damaged["s"]["run_ended"] is True
    put_in_place(server, tmp_path / "new.db")
    server.start()
    run = server.api.wait_run(run_id)
    assert run["status"] == "error"
    assert "repair" in run["error"]
    (result,) = [m for m in server.api.messages(session_id) if m["role"] == "tool"]
    assert "may or may not have happened" in result["content"]
    provider.reply(*p.answer("I see"))
    server.api.whole_turn("go on", session_id)
    assert server.api.conversation(session_id)[-1] == ("assistant", "I see")


def test_repair_saves_what_a_killed_server_left(server, tmp_path):
    with Load(server, is_cut=True) as load:
        load.go_on()
        server.kill9()
    saved, damaged = repair(server, tmp_path / "new.db")
    assert saved["sessions"] == 4
    assert damaged == {}
    assert not (tmp_path / "new.db.lost.jsonl").exists()
    put_in_place(server, tmp_path / "new.db")
    server.start()
    poll(
        lambda: server.api.get("/api/v1/sessions", state="running")["sessions"],
        lambda running: running == [],
    )


def damage(data, chance, how):
    size = len(data)
    if how == "bytes":
        for _ in range(50):
            data[chance.randrange(size)] ^= 1 << chance.randrange(8)
    elif how == "pages":
        for _ in range(3):
            at = chance.randrange(size // 4096) * 4096
            data[at : at + 4096] = chance.randbytes(4096)
    elif how == "cut":
        del data[chance.randrange(size) :]
    elif how == "header":
        data[:100] = bytes(100)
    return data


@pytest.mark.parametrize("how", ["bytes", "pages", "cut", "header"])
def test_every_command_ends_on_every_damaged_file(server, tmp_path, how):
    seed = int(os.environ.get("CULM_DB_SEED", str(random.randrange(1 << 32))))
    print(f"CULM_DB_SEED={seed}")
    chance = random.Random(seed)
    talk(server, turns=4)
    server.sigterm()
    server.is_spoiled = True
    good = database(server).read_bytes()
    for n in range(6):
        database(server).write_bytes(damage(bytearray(good), chance, how))
        assert server.cli("db", "check").returncode in (0, 1)
        assert server.cli("db", "snapshot", tmp_path / f"{n}.snapshot").returncode in (0, 1)
        saved, _ = repair(server, tmp_path / f"{n}.repaired")
        assert saved["kept"] + saved["lost"] > 0 or how == "cut"
        other = Server(tmp_path / f"served{n}")
        other.data_dir.mkdir(parents=True, mode=0o700)
        (other.data_dir / "culm.db").write_bytes((tmp_path / f"{n}.repaired").read_bytes())
        other.start()
        other.close()
