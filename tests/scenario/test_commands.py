# SPDX-License-Identifier: MIT
"""The operator's commands: with a server, beside none, on a terminal and in a pipe."""

import json

import pytest

from harness import provider as p
from harness.api import expect
from harness.environment import free_port
from harness.offline import say, script, words


def good(done):
    assert done.returncode == 0, f"{done.args}: {done.returncode}\n{done.stdout}\n{done.stderr}"
    return done.stdout


def failed(done, code=1):
    assert done.returncode == code, f"{done.args}: {done.returncode}\n{done.stdout}\n{done.stderr}"
    assert done.stdout == ""
    return done.stderr


@pytest.fixture(params=["alone", "with a server"])
def settle(request, server):
    """settle(): what is stored so far is read from a server that is there, or from the store beside none."""

    def settled():
        if request.param == "alone":
            server.sigterm()

    return settled


# sessions


def rows(text):
    return [line.split("\t") for line in text.splitlines()]


def test_sessions_are_listed_last_changed_first(cli, api, settle):
    api.whole_turn(say("one"), "s1")
    api.whole_turn(say("two"), "s2")
    api.whole_turn(say("three"), "s1")
    settle()
    listed = rows(good(cli.run("sessions")))
    assert [row[0] for row in listed] == ["s1", "s2"]
    assert [row[1] for row in listed] == ["done", "done"]
    assert [row[3] for row in listed] == ["4", "2"]
    assert all(len(row) == 6 for row in listed)


def test_sessions_as_json_are_the_servers_rows(cli, api, settle):
    api.whole_turn(say("one"), "s1")
    row = next(s for s in expect(api.client.get("/api/v1/sessions"), 200)["sessions"])
    settle()
    assert [json.loads(line) for line in good(cli.run("sessions", "--json")).splitlines()] == [row]


def test_sessions_go_through_all_pages(cli, api, settle):
    ids = [expect(api.client.post("/api/v1/sessions", json={}), 201)["session"]["id"] for _ in range(230)]
    settle()
    assert len(rows(good(cli.run("sessions")))) == 50
    assert len(rows(good(cli.run("sessions", "--limit", "201")))) == 201
    listed = [row[0] for row in rows(good(cli.run("sessions", "--all")))]
    assert sorted(listed) == sorted(ids)


def test_sessions_by_state_and_words(cli, api, settle):
    api.whole_turn(say("one"), "s1")
    expect(api.client.patch("/api/v1/sessions/s1", json={"title": "Zebra & lion"}), 200)
    api.whole_turn(say("two"), "s2")
    expect(api.client.post("/api/v1/sessions", json={"title": "zebra, idle"}), 201)
    settle()
    assert [r[0] for r in rows(good(cli.run("sessions", "--search", "zebra &")))] == ["s1"]
    assert [r[1] for r in rows(good(cli.run("sessions", "--search", "zebra", "--state", "idle")))] == ["idle"]
    assert good(cli.run("sessions", "--state", "error")) == ""


def test_titles_cannot_break_a_line_or_a_terminal(cli, api):
    expect(api.client.post("/api/v1/sessions", json={"title": "a\tb\u001b[31m\nc"}), 201)
    assert rows(good(cli.run("sessions")))[0][2] == "a b\\x1b[31m c"


@pytest.mark.parametrize("given", [["--limit", "0"], ["--limit", "x"], ["--limit", "5", "--all"]], ids=" ".join)
def test_sessions_wrongly_used(cli, given):
    failed(cli.run("sessions", *given), 2)


def test_an_unknown_state_is_said(cli, server):
    assert "state" in failed(cli.run("sessions", "--state", "nonsense"))


def test_sessions_where_nothing_was_ever_stored(cli):
    assert "culm serve" in failed(cli.run("sessions"), 3)
    assert not cli.data_dir.exists(), "reading made a data directory"


def test_sessions_of_a_server_elsewhere(cli, make_server):
    server = make_server("b")
    server.api.whole_turn(say("x"), "far")
    env = {"CULM_TOKEN": server.token}
    assert rows(good(cli.run("sessions", "--server", server.url, env=env)))[0][0] == "far"
    assert "CULM_TOKEN" in failed(cli.run("sessions", "--server", server.url, env={"CULM_TOKEN": "wrong"}))
    url = f"http://127.0.0.1:{free_port()}"
    assert url in failed(cli.run("sessions", "--server", url, env=env))


def test_reading_beside_no_server_changes_nothing(cli, api, server):
    """Not even a run that was cut is taken up, and the lock is free for whoever comes."""
    api.turn(say("x" * 400, delay_ms=200), "s1")
    server.kill9()
    files = [cli.data_dir / name for name in ("culm.db", "culm.db-wal", "culm.lock")]
    before = [path.read_bytes() for path in files]
    assert rows(good(cli.run("sessions")))[0][1] == "running"
    assert [path.read_bytes() for path in files] == before
    server.start()


# on a terminal


def test_a_terminal_gets_headings_colours_and_its_width(cli, api):
    api.whole_turn(say("one"), "s1")
    expect(api.client.patch("/api/v1/sessions/s1", json={"title": "世界 " * 30}), 200)
    shown = cli.on_terminal("sessions", columns=60)
    assert shown.wait() == 0
    heading, row = shown.plain.splitlines()
    assert heading.split() == ["ID", "STATE", "TITLE", "MESSAGES", "MODEL", "AGE"]
    assert row.startswith("s1")
    assert "…" in row
    assert sum(2 if c in "世界" else 1 for c in row) <= 60
    assert shown.is_coloured


@pytest.mark.parametrize(
    "env", [{"NO_COLOR": "1"}, {"TERM": "dumb"}, {"CLICOLOR": "0"}], ids=lambda env: next(iter(env))
)
def test_colours_can_be_forbidden(cli, api, env):
    api.whole_turn(say("one"), "s1")
    shown = cli.on_terminal("sessions", env=env)
    assert shown.wait() == 0
    assert "s1" in shown.text
    assert not shown.is_coloured


def test_errors_are_red_on_a_terminal(cli, server):
    shown = cli.on_terminal("history", "nobody")
    assert shown.wait() == 1
    assert shown.text.startswith("\x1b[31mculm: there is no session nobody")


# history


def test_history_is_the_transcript(cli, api, settle):
    api.whole_turn(say("The answer, Ω."), "s1")
    settle()
    text = good(cli.run("history", "s1"))
    headings = [line.split(",")[0] for line in text.splitlines() if line.startswith("── ")]
    assert headings == ["── user", "── assistant"]
    assert "\nThe answer, Ω.\n" in text


def test_history_shows_tool_calls_and_what_came_of_them(cli, api, settle):
    call = {"tool": {"name": "lookup", "args": {"word": "x"}}}
    api.whole_turn(script(call, {"say": "no such thing"}), "s1")
    settle()
    text = good(cli.run("history", "s1"))
    assert "── tool lookup (" in text
    assert '{"word": "x"}' in text or '{"word":"x"}' in text
    assert "no_such_tool" in text


def test_history_goes_through_all_pages(cli, api, settle):
    for i in range(12):
        api.whole_turn(say(f"answer {i} " + words(20000)), "s1")
    settle()
    lines = [json.loads(line) for line in good(cli.run("history", "s1", "--json")).splitlines()]
    assert [m["content"] for m in lines if m["role"] == "assistant"] == [
        m["content"] for m in api_messages(cli) if m["role"] == "assistant"
    ]
    assert len(lines) == 24


def api_messages(cli):
    """What the log holds, by the other command that reads it."""
    events = [json.loads(line) for line in good(cli.run("tail", "s1", "--after", "0", "--json")).splitlines()]
    return [e for e in events if e["type"] == "message_appended"]


def test_history_cannot_control_a_terminal(cli, api):
    api.whole_turn(say("red \u001b[31m"), "s1")
    assert "red \\x1b[31m" in good(cli.run("history", "s1"))
    assert "\u001b" in json.loads(good(cli.run("history", "s1", "--json")).splitlines()[1])["content"]


def test_history_of_a_failed_run_says_why(cli, make_server, provider):
    server = make_server(env=provider.environment)
    provider.reply(*p.failure(401, "bad key", "invalid_request_error"))
    server.api.whole_turn("question", "s1")
    assert "── the run failed" in good(cli.run("history", "s1"))


@pytest.mark.parametrize("command", ["history", "stop", "tail"])
def test_unknown_sessions_are_said(cli, server, settle, command):
    server.api.whole_turn(say("x"), "s1")
    settle()
    assert "no session nobody" in failed(cli.run(command, "nobody"))
    assert "A-Za-z0-9" in failed(cli.run(command, "a/b"), 2)


@pytest.mark.parametrize("command", ["history", "stop", "tail"])
def test_a_server_that_is_not_there_is_said(cli, command):
    url = f"http://127.0.0.1:{free_port()}"
    assert url in failed(cli.run(command, "s1", "--server", url))


# stop


@pytest.fixture
def busy(make_server, provider):
    """A server in the middle of an answer, and the id of its run."""
    server = make_server(env=provider.environment)
    provider.reply(p.text("half an ans"), p.silence())
    _, server.run_id = server.api.turn("question", "s1")
    provider.wait_requests(1)
    return server


def test_stop_ends_the_active_run(cli, busy):
    assert "stopped" in good(cli.run("stop", "s1"))
    assert busy.api.wait_run(busy.run_id)["status"] == "cancelled"
    assert "nothing runs in session s1" in failed(cli.run("stop", "s1"))


def test_stop_of_another_run_lets_it_go_on(cli, busy):
    stderr = failed(cli.run("stop", "s1", "--run", "other"))
    assert busy.run_id in stderr
    assert busy.api.run(busy.run_id)["status"] == "running"
    good(cli.run("stop", "s1", "--run", busy.run_id))


def test_stop_of_what_is_at_rest(cli, api, settle):
    api.whole_turn(say("x"), "s1")
    settle()
    assert "nothing runs" in failed(cli.run("stop", "s1"))
    assert "nothing runs" in failed(cli.run("stop", "s1", "--run", "other"))


def test_stop_beside_no_server_ends_a_run_that_was_cut(cli, busy):
    busy.kill9()
    assert busy.run_id in failed(cli.run("stop", "s1", "--run", "other"))
    assert good(cli.run("stop", "s1", "--run", busy.run_id)) == "the run of session s1 is stopped\n"
    assert busy.start().api.wait_run(busy.run_id)["status"] == "cancelled"


def test_stop_withdraws_a_question(cli, api, settle):
    run_id = api.whole_turn(script({"tool": {"name": "ask_user", "args": {"question": "Which?"}}}), "s1")[1]
    settle()
    assert "it goes on" in failed(cli.run("stop", "s1", "--run", "other"))
    assert good(cli.run("stop", "s1", "--run", run_id)) == "the run of session s1 is stopped\n"
    assert good(cli.run("questions")) == ""
    assert rows(good(cli.run("sessions")))[0][1] == "cancelled"
    assert "nothing runs in session s1" in failed(cli.run("stop", "s1"))


# tail


def test_tail_of_a_session_at_rest_ends(cli, api, settle):
    api.whole_turn(say("The answer."), "s1")
    settle()
    lines = rows(good(cli.run("tail", "s1")))
    assert [line[2] for line in lines if line[2] in ("user", "run", "assistant", "end")] == [
        "user",
        "run",
        "assistant",
        "end",
    ]
    assert next(line[3] for line in lines if line[2] == "assistant") == "The answer."
    numbers = [int(line[0]) for line in lines]
    assert numbers == sorted(set(numbers))


def test_tail_as_json_is_the_stream(cli, api, settle):
    api.whole_turn(say("The answer."), "s1")
    frames = [f.event for f in api.replay("s1", 0) if f.event and f.type != "stream_opened"]
    settle()
    assert [json.loads(line) for line in good(cli.run("tail", "s1", "--after", "0", "--json")).splitlines()] == frames
    last = frames[-1]["seq"]
    only = good(cli.run("tail", "s1", "--after", str(last - 1), "--json")).splitlines()
    assert [json.loads(line)["seq"] for line in only] == [last]


def test_tail_from_a_number_that_is_not_there_yet(cli, api):
    api.whole_turn(say("x"), "s1")
    assert "100" in failed(cli.run("tail", "s1", "--after", "100"))
    failed(cli.run("tail", "s1", "--after", "x"), 2)


def test_tail_follows_a_run_to_its_end(cli, make_server, provider):
    server = make_server(env=provider.environment)
    provider.reply(p.text("half an ans"), p.silence())
    server.api.turn("question", "s1")
    following = cli.start("tail", "s1", "--json")
    following.wait_output("half an ans")
    server.api.stop("s1")
    assert following.wait() == 0
    assert json.loads(following.stdout.splitlines()[-1])["type"] == "cancelled"


def test_tail_follow_waits_for_the_next_run_until_ctrl_c(cli, api):
    api.whole_turn(say("first"), "s1")
    following = cli.start("tail", "s1", "--follow")
    following.wait_output("first")
    api.whole_turn(say("second"), "s1")
    following.wait_output("second")
    following.interrupt()
    assert following.wait() == 130
    assert following.stderr == ""


def test_ctrl_c_of_a_tail_stops_no_run(cli, busy):
    following = cli.start("tail", "s1", "--json")
    following.wait_output("half an ans")
    following.interrupt()
    assert following.wait() == 130
    assert busy.api.run(busy.run_id)["status"] == "running"


@pytest.mark.parametrize("how", ["kill", "term"])
def test_tail_goes_on_where_it_was_when_its_server_comes_back(cli, busy, provider, how):
    following = cli.start("tail", "s1", "--json")
    following.wait_output("half an ans")
    provider.reply(*p.answer("a whole answer"))
    busy.restart(how)
    assert following.wait() == 0
    assert "waiting" in following.stderr
    assert "there again" in following.stderr
    events = [json.loads(line) for line in following.stdout.splitlines()]
    numbers = [e["seq"] for e in events if "seq" in e]
    assert numbers == sorted(set(numbers))
    assert [e["end"] for e in events if e["type"] == "complete"] == ["completed"]
    assert "message_discarded" in [e["type"] for e in events]


@pytest.mark.slow
def test_tail_reads_the_rest_itself_where_no_server_comes_back(cli, busy):
    following = cli.start("tail", "s1")
    following.wait_output("started")
    busy.kill9()
    assert following.wait(60) == 1
    assert "no server came back" in following.stderr


def test_tail_beside_no_server_says_that_the_run_goes_on_later(cli, busy):
    busy.kill9()
    done = cli.run("tail", "s1")
    assert good(done)
    assert "goes on when a server starts" in done.stderr
    assert "no server is running" in cli.run("tail", "s1", "--follow").stderr
    assert cli.run("tail", "s1", "--follow").returncode == 1


def test_tail_on_a_terminal_joins_the_text_as_it_comes(cli, busy):
    shown = cli.on_terminal("tail", "s1", columns=50)
    shown.wait_text("half an ans")
    busy.api.stop("s1")
    assert shown.wait() == 0
    assert "\nhalf an ans\n" in shown.plain
    assert shown.is_coloured
    assert all(len(line) <= 50 for line in shown.plain.splitlines())


def test_run_on_a_terminal_is_coloured(cli, provider):
    provider.reply(*p.answer("plain"))
    shown = cli.on_terminal("run", "question", env=provider.environment)
    assert shown.wait() == 0
    assert "plain" in shown.text.splitlines()[0]
    provider.reply(*p.failure(401, "bad key", "invalid_request_error"))
    shown = cli.on_terminal("run", "question", env=provider.environment)
    assert shown.wait() == 1
    assert "\x1b[31mculm: " in shown.text
