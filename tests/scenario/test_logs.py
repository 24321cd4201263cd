# SPDX-License-Identifier: MIT
"""The log: its forms, its levels, and that it never holds the server up."""

import json
import re
import signal

import pytest

from harness.api import poll
from harness.offline import say

TIME = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z")
ENVELOPE = {"ts", "level", "module", "event"}


def events(server, name=None):
    """The events so far, every line of JSON; only those of one name where it is given."""
    found = server.log_events()
    for event in found:
        assert TIME.fullmatch(event["ts"])
        assert event["module"] == event["event"].split(".")[0]
        assert list(event)[: len(ENVELOPE)] == ["ts", "level", "module", "event"]
    return [event for event in found if name in (None, event["event"])]


def configure(server, **log):
    server.data_dir.mkdir(parents=True, exist_ok=True)
    (server.data_dir / "config.json").write_text(json.dumps({"log": log}))


# forms


@pytest.mark.parametrize("how", ["option", "environment", "file"])
def test_a_log_of_json_is_one_object_per_line(make_server, how):
    server = make_server(
        start=False,
        args=["--log", "json"] if how == "option" else [],
        env={"CULM_LOG": "json"} if how == "environment" else {},
    )
    if how == "file":
        configure(server, format="json")
    server.start()
    server.api.whole_turn(say("secret-canary of a person"))
    server.sigterm()
    start = events(server, "server.start")
    assert len(start) == 1
    assert start[0]["data"] == str(server.data_dir)
    assert isinstance(start[0]["files"], int)
    assert events(server, "server.stop")
    assert "canary" not in server.log_text()
    assert (server.data_dir / "token").read_text().strip() not in server.log_text()


def test_a_log_for_people_is_text_without_colours(make_server):
    server = make_server(env={"TERM": "xterm-256color"})
    lines = server.log_text().splitlines()
    assert lines
    for line in lines:
        assert TIME.match(line)
        assert "\x1b" not in line


def test_without_a_journal_its_lines_bear_a_priority(make_server):
    server = make_server(args=["--log", "journald"])
    if server.log_text():  # else this machine has a journal, and it has them
        assert all(re.match(r"<[3467]>[a-z]+\.[a-z_]+ ", line) for line in server.log_text().splitlines())


def test_what_a_start_failed_of_is_json_too(make_server):
    server = make_server(args=["--log", "json"])
    second = server.spawn()
    assert second.wait(30) == 1
    second.stdout.close()
    failed = events(server, "server.fail")
    assert len(failed) == 1
    assert str(server.process.pid) in failed[0]["message"]


@pytest.mark.parametrize(
    ("log", "why"),
    [
        ({"format": "xml"}, "auto, text, json, journald"),
        ({"level": "loud"}, "error, warn, info, debug"),
        ({"levels": ["stoer=debug"]}, 'did you mean "store"'),
        ({"levels": ["store=loud"]}, "none of error, warn, info, debug"),
    ],
)
def test_a_wrong_configuration_of_the_log_is_refused(cli, log, why):
    cli.data_dir.mkdir(parents=True, exist_ok=True)
    (cli.data_dir / "config.json").write_text(json.dumps({"log": log}))
    done = cli.run("serve", "--port", "0")
    assert done.returncode == 1
    assert why in done.stderr
    done = cli.run("serve", "--port", "0", "--log", "yaml")
    assert done.returncode in (1, 2)


# levels


def test_a_reload_changes_the_levels(make_server):
    server = make_server(args=["--log", "json"])
    configure(server, levels=["config=error"])
    server.signal(signal.SIGHUP)
    poll(lambda: events(server, "model.default"), lambda seen: len(seen) == 2)
    assert not events(server, "config.reload")
    configure(server, levels=["config=nonsense"])
    server.signal(signal.SIGHUP)
    refused = poll(lambda: events(server, "config.reload"), bool)
    assert refused[0]["level"] == "error"
    assert "nonsense" in refused[0]["error"]
    configure(server)
    server.signal(signal.SIGHUP)
    poll(lambda: events(server, "config.reload"), lambda seen: len(seen) == 2)
    assert server.api.client.get("/healthz").status_code == 200
