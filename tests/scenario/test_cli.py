# SPDX-License-Identifier: MIT
"""The command line: what goes to stdout and stderr, and the exit codes."""

import json
import re
import signal
import threading

import pytest

from harness import provider as p
from harness.api import expect, poll
from harness.environment import clean_environment, free_port
from harness.offline import say, script


def good(done):
    assert done.returncode == 0, f"{done.args}: {done.returncode}\n{done.stdout}\n{done.stderr}"
    return done.stdout


@pytest.fixture(params=["alone", "with a server"])
def there(request, make_server):
    """The same command in process, and by a running server."""
    return make_server() if request.param == "with a server" else None


# run


def test_run_streams_the_answer_to_stdout(cli, there):
    done = cli.run("run", say("The answer, Ω."))
    assert good(done) == "The answer, Ω.\n"


def test_run_says_how_to_configure_a_model(cli):
    done = cli.run("run", "What are you?")
    assert "culm" in good(done)
    assert len([line for line in done.stderr.splitlines() if "OPENAI_API_KEY" in line]) == 1


def test_run_quiet_is_only_the_answer(cli, there):
    done = cli.run("run", "--quiet", say("just this"))
    assert good(done) == "just this\n"
    assert done.stderr == ""


def test_run_json_is_one_event_per_line(cli, there):
    lines = good(cli.run("run", "--json", say("as events"))).splitlines()
    events = [json.loads(line) for line in lines]
    types = [e["type"] for e in events]
    assert "execution_started" in types
    assert types[-1] == "complete"
    assert "".join(e["content"] for e in events if e["type"] == "token") == "as events"


def test_run_in_a_session_goes_on_there(cli, there):
    good(cli.run("run", "--session", "s1", say("one")))
    good(cli.run("run", "--session", "s1", say("two")))
    api = there.api if there else None
    if api:
        assert [text for role, text in api.conversation("s1") if role == "assistant"] == ["one", "two"]


def test_what_ran_alone_is_there_for_the_server(cli, make_server):
    good(cli.run("run", "--session", "s1", say("kept")))
    api = make_server().api
    assert api.conversation("s1")[-1] == ("assistant", "kept")


def test_run_with_a_provider(cli, provider):
    provider.reply(*p.answer("from ", "afar"))
    assert good(cli.run("run", "question", env=provider.environment)) == "from afar\n"


def test_run_with_a_named_model(cli, provider):
    provider.reply(*p.answer("x"))
    good(cli.run("run", "--model", "openai/other-model", "question", env=provider.environment))
    assert provider.requests[0].json["model"] == "other-model"


def test_run_that_fails_is_1(cli, provider):
    provider.reply(*p.failure(401, "bad key", "invalid_request_error"))
    done = cli.run("run", "question", env=provider.environment)
    assert done.returncode == 1
    assert done.stdout == ""
    assert done.stderr


@pytest.mark.parametrize(
    ("option", "value", "calls", "kind"),
    [
        ("--max-rounds", "1", [{}], "max_rounds"),
        ("--max-calls", "1", [{}, {}], "max_tool_calls"),
        ("--max-tokens", "1", [{}], "max_total_tokens"),
        ("--max-time", "1", [{"say": "a b", "delay_ms": 600}], "max_wall_ms"),
    ],
)
def test_run_has_limits(cli, there, option, value, calls, kind):
    calls = [{"tool": {"name": "a", "args": {"n": n}}, **more} for n, more in enumerate(calls)]
    done = cli.run("run", option, value, script(*calls, {"say": "in short"}))
    assert good(done).endswith("in short\n")
    assert f"the budget of the run is spent ({kind})" in done.stderr


@pytest.mark.parametrize("style", [(), ("--quiet",), ("--json",)], ids=["plain", "quiet", "json"])
@pytest.mark.parametrize("command", ["run", "resume"])
def test_limits_that_no_run_takes_are_said(cli, make_server, provider, command, style):
    server = make_server(env=provider.environment)
    hold = threading.Event()
    provider.reply(p.text("first"), p.wait(hold), *p.answer("")).reply(*p.answer("second"))
    server.api.turn("question", "s1")
    provider.wait_requests(1)
    words = ("run", "--session", "s1", "more") if command == "run" else ("resume", "s1")
    going = cli.start(*words, "--max-rounds", "1", *style)
    poll(lambda: going.stderr, lambda told: "the limits given here are not taken" in told)
    hold.set()
    assert going.wait() == 0


def test_limits_are_not_taken_by_a_run_that_waits(cli, there):
    asks = {"tool": {"name": "ask_user", "args": {"question": "Which?"}}}
    assert "not taken" not in cli.run("run", "--session", "s1", "--max-rounds", "3", script(asks)).stderr
    assert "not taken" in cli.run("run", "--session", "s1", "--max-rounds", "3", "more").stderr
    assert "not taken" in cli.run("resume", "s1", "--max-rounds", "3").stderr


def test_run_has_limits_of_money(cli, directory, provider):
    config = directory / "config.json"
    config.write_text(json.dumps({"models": {"openai/test-model": {"input_price": 1, "output_price": 2}}}))
    provider.reply(*p.answer("cheap"))
    options = ("--config", str(config), "--model", "openai/test-model")
    assert good(cli.run("run", *options, "--max-cost", "0.1", "question", env=provider.environment)) == "cheap\n"
    done = cli.run("run", *options, "--max-cost", "0.000001", "question", env=provider.environment)
    assert (done.returncode, "(max_cost_micros) was spent" in done.stderr) == (1, True)


@pytest.mark.parametrize("value", ["0", "-1", "1.5", "many", "", "2147483648"])
@pytest.mark.parametrize("option", ["--max-rounds", "--max-calls", "--max-tokens", "--max-time"])
def test_a_limit_is_a_number(cli, option, value):
    done = cli.run("run", option, value, "hello")
    assert (done.returncode, done.stdout) == (2, "")
    assert f"{option}: expected a whole number from 1 to 2147483647" in done.stderr


@pytest.mark.parametrize("value", ["0", "-1", "a lot", "1e3", "0.0000001"])
def test_a_limit_of_money_is_an_amount(cli, value):
    done = cli.run("resume", "s", "--max-cost", value)
    assert (done.returncode, done.stdout) == (2, "")
    assert "--max-cost: expected an amount" in done.stderr


def test_run_that_no_budget_is_left_for_is_1(cli, make_server):
    server = make_server()
    session = expect(server.client().post("/api/v1/sessions", json={"budget": {"max_rounds": 1}}), 201)["session"]["id"]
    assert good(cli.run("run", "--session", session, say("one"))) == "one\n"
    done = cli.run("run", "--session", session, say("two"))
    assert (done.returncode, done.stdout) == (1, "")
    assert "session_max_rounds" in done.stderr.splitlines()[-2]
    assert cli.run("run", "--quiet", "--session", session, say("three")).returncode == 1


def test_control_characters_are_escaped_on_terminals_only(cli):
    text = "red \u001b[31m"
    assert good(cli.run("run", "--quiet", say(text))) == text + "\n"


@pytest.mark.parametrize(
    "words",
    [
        ["run"],
        ["nonsense"],
        ["run", "--nonsense", "x"],
        ["serve", "--port", "x"],
        ["serve", "--port", "99999"],
        ["run", "--session", "a/b", "x"],
        ["resume"],
        ["config", "nonsense"],
    ],
    ids=" ".join,
)
def test_usage_errors_are_2(cli, words):
    done = cli.run(*words)
    assert done.returncode == 2
    assert done.stdout == ""
    assert done.stderr


@pytest.mark.parametrize(
    "command", [[], ["serve"], ["run"], ["resume"], ["token"], ["health"], ["version"], ["config"]]
)
def test_help_is_everywhere(cli, command):
    done = cli.run(*command, "--help")
    assert "culm" in good(done)
    assert done.stderr == ""


# Ctrl-C and resume


@pytest.mark.parametrize("by_server", [False, True], ids=["alone", "with a server"])
def test_ctrl_c_cancels_cleanly_and_says_how_to_continue(cli, make_server, provider, by_server):
    if by_server:
        make_server(env=provider.environment)
    provider.reply(p.text("half an ans"), p.silence())
    running = cli.start("run", "--session", "s1", "question", env=provider.environment)
    running.wait_output("half an ans")
    running.interrupt()
    assert running.wait() == 130
    assert re.search(r"culm (resume|run).*s1", running.stderr)


def test_a_command_that_is_killed_leaves_a_run_to_resume(cli, provider):
    provider.reply(p.text("half"), p.silence())
    running = cli.start("run", "--session", "s1", "question", env=provider.environment)
    running.wait_output("half")
    running.process.send_signal(signal.SIGKILL)
    running.wait()
    provider.reply(*p.answer("whole"))
    done = cli.run("resume", "s1", env=provider.environment)
    assert good(done).endswith("whole\n")


def test_resume_with_nothing_to_do(cli, there):
    good(cli.run("run", "--session", "s1", say("x")))
    assert cli.run("resume", "s1").returncode == 0


def test_resume_of_an_unknown_session_is_1(cli, there):
    done = cli.run("resume", "nobody")
    assert done.returncode == 1
    assert "nobody" in done.stderr


# token, health, version


def test_token_prints_it_and_nothing_else(cli, make_server):
    server = make_server()
    done = cli.run("token")
    assert good(done) == server.token + "\n"
    assert done.stderr == ""


def test_token_without_a_server_is_the_servers_later(cli, make_server):
    token = good(cli.run("token")).strip()
    server = make_server()
    assert server.token == token
    expect(server.client(token=token).get("/api/v1/sessions"), 200)


def test_health_tells_whether_a_server_is_there(cli, make_server):
    assert cli.run("health").returncode == 1
    server = make_server()
    good(cli.run("health"))
    server.kill9()
    assert cli.run("health").returncode == 1, "a stale file is no server"
    server.start()


def test_version(cli):
    assert re.match(r"culm \d+\.\d+\.\d+", good(cli.run("version")))


def test_data_dir_works_on_every_command(cli, directory):
    elsewhere = directory / "elsewhere"
    good(cli.run("run", "--data-dir", elsewhere, "--session", "s1", say("x")))
    token = good(cli.run("token", "--data-dir", elsewhere)).strip()
    assert token == (elsewhere / "token").read_text().strip()
    assert not cli.data_dir.exists()


def test_a_server_elsewhere_is_reached_by_url_and_token(cli, make_server, directory):
    server = make_server("b")
    env = {"CULM_TOKEN": server.token}
    good(cli.run("run", "--server", server.url, "--session", "far", say("far away"), env=env))
    assert server.api.conversation("far")[-1] == ("assistant", "far away")
    refused = cli.run("run", "--server", server.url, say("x"), env={"CULM_TOKEN": "wrong"})
    assert refused.returncode == 1
    assert refused.stdout == ""


def test_a_server_that_is_not_there_is_said(cli):
    url = f"http://127.0.0.1:{free_port()}"
    done = cli.run("run", "--server", url, "x", env={"CULM_TOKEN": "x"})
    assert done.returncode == 1
    assert url.removeprefix("http://") in done.stderr


# serve


def test_serve_says_one_line_with_its_address(server):
    assert str(server.port) in server.greeting
    assert server.greeting.endswith("\n")


def test_server_json_says_where(server):
    info = server.info
    assert info["pid"] == server.process.pid
    assert str(server.port) in str(info["address"])
    assert info["socket"] == str(server.socket_path)
    assert info["boot"] or info["boot_id"]


def test_a_free_port_can_be_asked_for(make_server):
    server = make_server(start=False, args=["--port", "0"])
    server.start()
    assert "127.0.0.1" in server.greeting


# config


def test_an_unknown_key_names_the_nearest(cli, directory):
    path = directory / "culm.json"
    path.write_text(json.dumps({"server": {"prot": 1}}))
    done = cli.run("serve", "--config", path)
    assert done.returncode in (1, 2)
    assert "prot" in done.stderr
    assert "port" in done.stderr


def test_config_that_is_no_json_is_said(cli, directory):
    path = directory / "culm.json"
    path.write_text("{ nonsense")
    done = cli.run("serve", "--config", path)
    assert done.returncode in (1, 2)
    assert str(path) in done.stderr


def test_config_show_hides_secrets(cli, provider):
    done = cli.run("config", "show", env=provider.environment)
    assert "sk-scenario-canary" not in good(done)
    json.loads(done.stdout)


def test_config_explain(cli):
    assert good(cli.run("config", "explain"))


def test_unknown_culm_variables_are_reported_and_not_fatal(cli):
    done = cli.run("run", say("x"), env={"CULM_NONSENSE": "1"})
    assert good(done) == "x\n"
    assert "CULM_NONSENSE" in done.stderr


def test_the_environment_of_tests_is_clean(directory):
    assert not [name for name in clean_environment(directory) if name.startswith("CULM_")]


def test_two_commands_at_once_share_the_data_directory(cli, provider):
    """The directory has one owner; the second command works through the first."""
    provider.reply(p.text("first"), p.silence())
    first = cli.start("run", "--session", "s1", "question", env=provider.environment)
    first.wait_output("first")
    provider.reply(*p.answer("second"))
    assert good(cli.run("run", "--session", "s2", "question", env=provider.environment)) == "second\n"
    first.interrupt()
    assert first.wait() == 130
