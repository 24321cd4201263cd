# SPDX-License-Identifier: MIT
"""A full disk: what was acknowledged stays, reads go on, writes are refused until there is room, without a restart."""

import os
import subprocess

import pytest

from harness import checks
from harness import provider as p
from harness.api import expect, poll
from harness.history import Recorder, Transcript
from harness.judge import read_log, verdict

pytestmark = pytest.mark.skipif(os.geteuid() != 0, reason="only root can mount the small disk")


@pytest.fixture
def disk(directory):
    """A disk of 8 MiB under the data directory."""
    path = directory / "a"
    path.mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=8m", "culm-test", str(path)], check=True)
    yield path
    subprocess.run(["umount", "-l", str(path)], check=True)


@pytest.fixture
def server(disk, make_server, provider):
    server = make_server(env=provider.environment)
    server.log = disk.parent / "server.log"
    return server


def fill(disk):
    filler = disk / "filler"
    with filler.open("wb", buffering=0) as f:
        block = b"x" * 4096
        try:
            while True:
                f.write(block)
        except OSError:
            pass
    return filler


def post_until_refused(recorder, session_id):
    """The first refusal."""
    for n in range(3000):
        reply = recorder.chat(session_id, f"{n} " + "y" * 4000)
        if not reply.ok:
            return reply
    raise AssertionError("the disk never filled")


def test_a_full_disk_and_room_again(server, disk, provider):
    api = server.api
    provider.reply(*p.answer("before"))
    session_id, _ = api.whole_turn("first", "talk")
    transcript = Transcript()
    recorder = Recorder(transcript, "who posts", server.client(lasting=True))
    filler = fill(disk)
    refusal = post_until_refused(recorder, "posts")

    assert refusal.status == 503
    assert refusal.body["error"]["message"]
    again = api.client.post("/api/v1/chat", json={"message": "y" * 8000, "session_id": "other"})
    assert again.status_code == 503
    assert int(again.headers["retry-after"]) >= 1
    expect(api.client.get("/healthz"), 200)
    assert api.conversation(session_id)[-1] == ("assistant", "before")
    checks.stream(api.replay(session_id))
    assert api.client.get("/api/v1/sessions").status_code == 200

    filler.unlink()
    poll(lambda: recorder.chat("posts", "room"), lambda reply: reply.ok)
    provider.reply(*p.answer("after"))
    api.whole_turn("second", session_id)
    assert api.conversation(session_id)[-1] == ("assistant", "after")

    provider.reply(*p.answer("all of it"))
    api.wait_run(recorder.execute("posts").get("run_id"))
    recorder.history("posts")
    server.restart("kill")
    recorder.history("posts")
    verdict(transcript.records, read_log(server.api.get, "posts"))


def test_a_run_in_the_middle_of_it_ends_when_there_is_room(server, disk, provider):
    api = server.api
    provider.reply(*p.answer("z" * 200_000))
    provider.reply(*p.answer("z" * 200_000))
    session_id = api.chat("question")["session_id"]
    filler = fill(disk)
    reply = api.client.post(f"/api/v1/execute/{session_id}", json={})
    assert reply.status_code in (202, 503)
    filler.unlink()
    if reply.status_code == 503:
        reply = poll(
            lambda: api.client.post(f"/api/v1/execute/{session_id}", json={}), lambda r: r.status_code in (200, 202)
        )
    run = api.wait_run(reply.json()["run_id"])
    assert run["status"] == "completed"
    frames = api.replay(session_id)
    checks.stream(frames)
    checks.text_equals_stored([frames], api.messages(session_id))


def test_a_disk_that_is_full_at_start_is_said(server, disk):
    server.sigterm()
    filler = fill(disk)
    try:
        server.start()
    except AssertionError:
        assert "space" in server.log_text().lower() or "full" in server.log_text().lower()
    finally:
        filler.unlink()
    if server.process is None:
        server.start()
    expect(server.client().get("/api/v1/sessions"), 200)
