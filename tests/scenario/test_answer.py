# SPDX-License-Identifier: MIT
"""Questions on the command line: the inbox, the answer, and the terminal that is asked while the run is followed."""

import json
import threading

import pytest

from harness.api import expect
from harness.offline import say, script
from harness.tty import Terminal

WHICH = {"question": "Which one?", "options": ["a", "b"], "allow_custom": False}
HOW = {"question": "How?"}


def ask(*questions):
    tools = [{"name": "ask_user", "args": q} for q in questions]
    return script({"say": "Let me ask.", "tools": tools}, {"say": "Thank you."})


def good(done, code=0):
    assert done.returncode == code, f"{done.args}: {done.returncode}\n{done.stdout}\n{done.stderr}"
    return done.stdout


@pytest.fixture(params=["alone", "with a server"])
def there(request, make_server):
    """The same commands in process, and by a running server."""
    return make_server() if request.param == "with a server" else None


@pytest.fixture
def on_terminal(cli):
    started = []

    def start(*args):
        started.append(Terminal(cli, *args))
        return started[-1]

    yield start
    for terminal in started:
        terminal.close()


def test_a_run_that_asks_is_4_and_says_how_to_go_on(cli, there):
    done = cli.run("run", "--session", "s1", ask(WHICH))
    assert good(done, 4) == "Let me ask.\n"
    assert "Which one? [a | b]" in done.stderr
    assert "culm answer s1 TEXT" in done.stderr
    for again in (cli.run("resume", "s1"), cli.run("run", "--session", "s1", say("Thank you."))):
        assert good(again, 4) == ""
        assert "culm answer s1 TEXT" in again.stderr
    assert "the message is kept" in again.stderr
    assert good(cli.run("answer", "s1", "b")) == "Thank you.\n"
    assert good(cli.run("questions")) == ""


def test_the_inbox_is_listed(cli, there):
    good(cli.run("run", "--session", "s1", ask(WHICH, HOW)), 4)
    rows = [line.split("\t") for line in good(cli.run("questions")).splitlines()]
    assert [row[0:1] + row[2:5] for row in rows] == [["s1", "Which one?", "a | b", ""], ["s1", "How?", "", ""]]
    told = [json.loads(line) for line in good(cli.run("questions", "--json")).splitlines()]
    assert [q["question_id"] for q in told] == [row[5] for row in rows]
    assert good(cli.run("answer", "s1", "--question", told[1]["tool_call_id"], "so"), 4) == ""
    assert [q["question"] for q in map(json.loads, good(cli.run("questions", "--json")).splitlines())] == ["Which one?"]
    assert good(cli.run("answer", "--quiet", "s1", "--question", rows[0][5], "a")) == "Thank you.\n"


def test_what_is_no_answer_is_refused(cli, there):
    good(cli.run("run", "--session", "s1", ask(WHICH)), 4)
    wrong = cli.run("answer", "s1", "c")
    good(wrong, 2)
    assert "a, b" in wrong.stderr
    good(cli.run("answer", "s1"), 2)
    good(cli.run("answer", "s1", "--dismiss", "a"), 2)
    good(cli.run("answer", "a/b", "a"), 2)
    unknown = cli.run("answer", "s1", "--question", "nope", "a")
    good(unknown, 1)
    assert "nope" in unknown.stderr
    good(cli.run("answer", "nobody", "a"), 1)
    lines = good(cli.run("answer", "s1", "--json", stdin="a\n")).splitlines()
    types = [json.loads(line)["type"] for line in lines]
    assert types[0] == "question_closed"
    assert types[-1] == "complete"
    nothing = cli.run("answer", "s1", "a")
    good(nothing, 1)
    assert "no question is open" in nothing.stderr


def test_a_question_is_dismissed(cli, make_server):
    api = make_server().api
    good(cli.run("run", "--session", "s1", ask(HOW)), 4)
    good(cli.run("answer", "s1", "--dismiss"))
    assert "does not want to answer" in api.messages("s1")[-2]["content"]


def test_a_terminal_is_asked_one_question_after_another(on_terminal, there):
    terminal = on_terminal("run", "--session", "s1", ask(WHICH, HOW))
    terminal.wait_text("2  b\r\n> ")
    terminal.type("c\n")
    terminal.wait_text("none of the options")
    terminal.wait_for(lambda text: text.count("2  b\r\n> ") == 2)
    terminal.type("2\n")
    terminal.wait_for(lambda text: "How?" in text and text.endswith("> "))
    terminal.type("like so\n")
    assert terminal.wait_exit() == 0
    terminal.wait_text("Thank you.\r\n")
    if there:
        assert [m["content"] for m in there.api.messages("s1")][-3:] == ["b", "like so", "Thank you."]


@pytest.mark.parametrize("keys", ["\n", "\x04"], ids=["empty line", "Ctrl-D"])
def test_a_question_may_be_left_open_and_be_answered_later(cli, on_terminal, keys):
    terminal = on_terminal("run", "--session", "s1", ask(HOW))
    terminal.wait_text("How?\x1b[0m\r\n> ")
    terminal.type(keys)
    assert terminal.wait_exit() == 4
    terminal.wait_text("culm answer s1 TEXT")
    terminal = on_terminal("answer", "s1")
    terminal.wait_text("> ")
    terminal.type("so\n")
    assert terminal.wait_exit() == 0
    terminal.wait_text("Thank you.\r\n")
    assert good(cli.run("questions")) == ""


def test_ctrl_c_at_the_question_cancels_the_run(cli, on_terminal, there):
    terminal = on_terminal("run", "--session", "s1", ask(HOW))
    terminal.wait_text("> ")
    terminal.type("\x03")
    assert terminal.wait_exit() == 130
    assert good(cli.run("questions")) == ""


def test_who_answers_elsewhere_frees_the_terminal(on_terminal, make_server):
    server = make_server()
    terminal = on_terminal("run", "--session", "s1", ask(HOW))
    terminal.wait_text("> ")
    expect(server.client().post("/api/v1/respond/s1", json={"response": "so"}), 200)
    assert terminal.wait_exit() == 0
    terminal.wait_text("not open any more (answered)")
    terminal.wait_text("Thank you.\r\n")


@pytest.fixture(params=["answer", "resume", "run"])
def asked(request, on_terminal, make_server):
    """A terminal that is asked by a command that came after the question, and its server."""
    server = make_server()
    server.api.whole_turn(ask(HOW), "s1")
    words = {"answer": ("answer", "s1"), "resume": ("resume", "s1"), "run": ("run", "--session", "s1", say("Well."))}
    terminal = on_terminal(*words[request.param])
    terminal.wait_text("How?\x1b[0m\r\n> ")
    return terminal, server


def test_who_answers_elsewhere_frees_a_terminal_that_came_later(asked):
    terminal, server = asked
    expect(server.client().post("/api/v1/respond/s1", json={"response": "so"}), 200)
    assert terminal.wait_exit() == 0
    terminal.wait_text("not open any more (answered)")
    assert server.api.session("s1")["state"] == "done"


def test_a_stop_frees_a_terminal_that_came_later(asked):
    terminal, server = asked
    server.api.stop("s1")
    assert terminal.wait_exit() == 130
    terminal.wait_text("not open any more (withdrawn)")


def test_the_end_of_a_session_frees_a_terminal_that_came_later(asked):
    terminal, server = asked
    expect(server.client().delete("/api/v1/sessions/s1"), 200)
    assert terminal.wait_exit() == 1


def test_a_server_that_is_killed_while_a_terminal_asks_that_came_later_gets_the_answer(asked):
    terminal, server = asked
    server.restart("kill")
    terminal.type("so\n")
    assert terminal.wait_exit() == 0
    assert "so" in [m["content"] for m in server.api.messages("s1")]


def test_who_names_a_question_that_is_answered_elsewhere_is_not_asked_another(on_terminal, make_server):
    server = make_server()
    server.api.whole_turn(ask(WHICH, HOW), "s1")
    [which, how] = server.api.get("/api/v1/respond/s1/pending")["questions"]
    terminal = on_terminal("answer", "s1", "--question", how["question_id"])
    terminal.wait_text("How?\x1b[0m\r\n> ")
    body = {"response": "so", "question_id": how["question_id"]}
    expect(server.client().post("/api/v1/respond/s1", json=body), 200)
    assert terminal.wait_exit() == 1
    terminal.wait_text(f"question {how['question_id']} is not open")
    assert server.api.get("/api/v1/respond/s1/pending")["question_id"] == which["question_id"]


def test_a_server_that_is_killed_while_the_terminal_asks_gets_the_answer_in_its_next_life(on_terminal, make_server):
    server = make_server()
    terminal = on_terminal("run", "--session", "s1", ask(HOW))
    terminal.wait_text("> ")
    server.kill9()
    back = threading.Thread(target=server.start)
    back.start()
    terminal.type("so\n")
    back.join()
    assert terminal.wait_exit() == 0
    assert [m["content"] for m in server.api.messages("s1")][-2:] == ["so", "Thank you."]
