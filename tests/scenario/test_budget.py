# SPDX-License-Identifier: MIT
"""What runs and sessions may use: tokens, rounds, calls, time and money, and runs that get nowhere."""

import json
import signal
import threading

import pytest

from harness import provider as p
from harness.api import expect, poll
from harness.offline import script, words

PRICES = {"models": {"offline/offline": {"input_price": 1, "output_price": 2, "cached_input_price": 0.5}}}


@pytest.fixture
def priced(make_server, directory):
    path = directory / "prices.json"
    path.write_text(json.dumps(PRICES))
    return make_server(args=["--config", str(path)])


@pytest.fixture
def make_configured(make_server, directory):
    def make(args=(), env=None, **sections):
        path = directory / "config.json"
        path.write_text(json.dumps(sections))
        return make_server(args=["--config", str(path), *args], env=env)

    return make


def run_of(server, prompt, session="s", **budget):
    api = server.api
    api.chat(prompt, session)
    body = {"run_budget": budget} if budget else {}
    return api.wait_run(api.execute(session, **body)["run_id"])


def events(server, *kinds, session="s"):
    return [f for f in server.api.replay(session) if f.event and f.type in kinds]


def test_money_is_counted_and_told(priced, between):
    usage = {"prompt_tokens": 1000, "completion_tokens": 500, "cached_tokens": 200}
    run = run_of(priced, script({"say": "hello", "usage": usage}))
    assert run["cost_micros"] == 800 * 1 + 200 // 2 + 500 * 2
    between(priced)
    session = priced.api.session("s")
    assert session["cost_micros"] == 1900
    runs = priced.api.get("/api/v1/sessions/s/runs")
    assert runs["sum"]["cost_micros"] == 1900
    assert events(priced, "token_budget_updated")[-1]["usage"]["cost_micros"] == 1900


def test_a_run_keeps_within_its_money(priced):
    usage = {"prompt_tokens": 15000, "completion_tokens": 0}
    prompt = script({"tool": {"name": "a", "args": {}}, "usage": usage}, {"say": "that was all"})
    run = run_of(priced, prompt, max_cost_micros=40000)
    assert (run["status"], run["end"], run["rounds"]) == ("completed", "budget", 2)
    assert 15000 < run["cost_micros"] <= 40000
    [exceeded] = events(priced, "budget_exceeded")
    assert (exceeded["kind"], exceeded["limit"], exceeded["actual"]) == ("max_cost_micros", 40000, 15000)
    assert 40000 - 15000 < exceeded["needed"] < 40000, "two more calls at their worst"


def test_a_model_without_a_price_is_refused_under_a_money_budget(server):
    server.api.chat("hi", "s")
    refused = server.api.execute("s", status=400, run_budget={"max_cost_micros": 5})
    assert refused["error"]["code"] == "price_unknown"
    told = server.api.execute("s", run_budget={"max_cost_micros": 5, "unpriced": "allow"})
    assert server.api.wait_run(told["run_id"])["end"] == "completed"


def test_time_is_a_budget(server):
    prompt = script({"say": words(40), "delay_ms": 50, "tool": {"name": "a"}}, {"say": "in short"})
    run = run_of(server, prompt, max_wall_ms=300)
    assert (run["status"], run["end"]) == ("completed", "budget")
    [exceeded] = events(server, "budget_exceeded")
    assert exceeded["kind"] == "max_wall_ms"
    assert "needed" not in exceeded.event


def test_the_time_of_a_session_is_that_of_all_its_runs(server, between):
    """Two runs that would end by themselves in half a second each, and a pause that takes no time."""
    path, half = "/api/v1/sessions/s", script({"say": words(10), "delay_ms": 50})
    server.api.chat("hi", "s")
    expect(server.client().patch(path, json={"budget": {"max_wall_ms": 800}}), 200)
    assert run_of(server, half)["end"] == "completed"
    used = server.api.session("s")["budget_used"]["wall_ms"]
    assert used >= 450
    between(server)
    assert run_of(server, half, session="other")["end"] == "completed"  # a pause of half a second
    assert server.api.session("s")["budget_used"]["wall_ms"] == used
    run = run_of(server, script({"say": words(60), "delay_ms": 50, "tool": {"name": "a"}}))
    assert (run["end"], run["kind"]) == ("budget", "session_max_wall_ms")
    [exceeded] = events(server, "budget_exceeded")
    assert (exceeded["kind"], exceeded["limit"], exceeded["actual"] >= 800) == ("session_max_wall_ms", 800, True)
    spent = server.api.session("s")["budget_used"]["wall_ms"]
    assert spent >= 800
    assert run_of(server, half)["rounds"] == 0
    expect(server.client().patch(path, json={"budget": {"max_wall_ms": spent + 60_000}}), 200)
    assert run_of(server, half)["end"] == "completed"


@pytest.mark.parametrize(
    ("steps", "last"),
    [
        ([], ("user", "hello")),
        ([p.headers()], ("user", "hello")),
        ([p.text("half an ans")], ("assistant", "half an ans")),
    ],
    ids=["at_once", "headers", "text"],
)
def test_a_provider_that_hangs_holds_no_run_beyond_its_time(make_server, provider, steps, last):
    server = make_server(env=provider.environment)
    provider.reply(*steps, p.silence())
    run = run_of(server, "hello", max_wall_ms=300)
    assert (run["status"], run["end"], run["kind"], run["rounds"]) == ("completed", "budget", "max_wall_ms", 1)
    [exceeded] = events(server, "budget_exceeded")
    assert (exceeded["kind"], exceeded["limit"]) == ("max_wall_ms", 300)
    assert server.api.replay("s")[-2].type == "complete"
    message = server.api.messages("s")[-1]
    assert (message["role"], message["content"]) == last


def test_a_call_that_a_crash_cut_stays_charged_at_its_worst(make_configured, provider):
    server = make_configured(env=provider.environment, **prices(1, 2))
    provider.reply(p.text("half an ans"), p.silence())
    server.api.chat("hello", "s")
    run_id = server.api.execute("s")["run_id"]
    provider.wait_requests(1)
    reserved = server.api.session("s")["token_usage"]["reserved_micros"]
    assert reserved > 8000 * 2
    server.kill9()
    provider.reply(*p.answer("yes", prompt=100, completion=10))
    server.start()
    run = server.api.wait_run(run_id)
    assert (run["end"], run["crashes"]) == ("completed", 1)
    assert run["cost_micros"] == reserved + 100 * 1 + 10 * 2
    assert run["usage"]["total_tokens"] == 110


def test_what_a_run_has_cost_is_known_while_it_is_at_work(make_configured, provider, between):
    server = make_configured(env=provider.environment, **prices(1, 2))
    call = p.tool(0, id="c1", name="look", arguments="{}")
    provider.reply(p.usage(30, 1), p.reset())
    provider.reply(call, p.finish("tool_calls"), p.usage(100, 10), p.done())
    provider.reply(p.headers(), p.silence()).reply(p.headers(), p.silence())
    run_id = server.api.turn("hello", "s")[1]
    provider.wait_requests(3)
    api = between(server)
    run = poll(lambda: api.run(run_id), lambda run: run["cost_micros"] >= 152)
    worst = api.session("s")["token_usage"]["reserved_micros"]
    assert (run["cost_micros"] - 152) in (0, worst)  # what a crash cut stays charged at its worst
    assert run["usage"] == {"prompt_tokens": 130, "completion_tokens": 11, "total_tokens": 141}
    assert (run["status"], run["cost_micros"]) == ("running", api.session("s")["cost_micros"])
    assert api.get("/api/v1/sessions/s/runs")["sum"]["cost_micros"] == run["cost_micros"]


def test_answers_that_are_asked_for_again_are_paid_too(make_configured, provider, between):
    server = make_configured(env=provider.environment, **prices(1, 2))
    provider.reply(p.finish("stop"), p.usage(100, 5), p.done()).reply(*p.answer("yes", prompt=90, completion=1))
    run = run_of(server, "hello")
    between(server)
    assert server.api.run(run["run_id"]) == run
    assert run["usage"] == {"prompt_tokens": 190, "completion_tokens": 6, "total_tokens": 196}
    assert run["cost_micros"] == server.api.session("s")["cost_micros"] == 190 * 1 + 6 * 2
    assert server.api.replay("s")[-2]["usage"] == run["usage"]


def test_an_answer_that_was_cut_before_its_first_word_is_paid_and_not_asked_for_again(
    make_configured, provider, between
):
    server = make_configured(env=provider.environment, **prices(1, 2))
    provider.reply(p.reasoning("so long"), p.finish("length"), p.usage(100, 50), p.done())
    run = run_of(server, "hello")
    between(server)
    assert server.api.run(run["run_id"]) == run
    assert (run["end"], run["kind"], run["rounds"], run["cost_micros"]) == ("error", "length_limit", 1, 200)
    assert len(provider.requests) == 1
    assert server.api.replay("s")[-2]["kind"] == "length_limit"


def test_a_last_word_that_is_cut_is_still_the_end_of_the_budget(make_configured, provider, between):
    server = make_configured(env=provider.environment)
    call = p.tool(0, id="c1", name="look", arguments="{}")
    provider.reply(call, p.finish("tool_calls"), p.usage(900, 200), p.done())
    provider.reply(p.text("In sh"), p.finish("length"), p.usage(900, 256), p.done())
    run = run_of(server, "hello", max_total_tokens=1000)
    between(server)
    assert server.api.run(run["run_id"]) == run
    assert (run["status"], run["end"], run["kind"], run["rounds"]) == ("completed", "budget", "max_total_tokens", 2)
    assert server.api.messages("s")[-1]["content"] == "In sh"
    assert server.api.replay("s")[-2].type == "complete"


BAD_KEY = p.data({"error": {"message": "bad key", "type": "authentication_error", "code": "invalid_api_key"}})


@pytest.mark.parametrize(
    ("breaks", "end", "prompt", "completion"),
    [(p.reset(), "completed", 190, 6), (BAD_KEY, "error", 100, 5)],
    ids=["tried_again", "given_up"],
)
def test_what_was_counted_before_a_stream_broke_is_paid(
    make_configured, provider, between, breaks, end, prompt, completion
):
    server = make_configured(env=provider.environment, **prices(1, 2))
    provider.reply(p.text("half an ans"), p.usage(100, 5), breaks).reply(*p.answer("yes", prompt=90, completion=1))
    run = run_of(server, "hello")
    between(server)
    assert server.api.run(run["run_id"]) == run
    assert run["end"] == end
    assert (run["usage"]["prompt_tokens"], run["usage"]["completion_tokens"]) == (prompt, completion)
    assert run["cost_micros"] == server.api.session("s")["cost_micros"] == prompt * 1 + completion * 2


@pytest.mark.parametrize(
    ("steps", "stops"),
    [
        (p.failure(401, type="authentication_error"), False),
        ([p.headers(), p.silence()], True),
        ([p.text("half an ans"), p.silence()], True),
    ],
    ids=["failed", "stopped", "stopped_in_text"],
)
def test_nothing_is_reserved_by_a_run_that_is_over(make_configured, provider, between, steps, stops):
    server = make_configured(env=provider.environment, **prices(1, 2))
    provider.reply(*steps)
    server.api.chat("hello", "s")
    run_id = server.api.execute("s")["run_id"]
    if stops:
        poll(lambda: server.api.session("s").get("token_usage", {}).get("reserved_micros"), bool)
        server.api.stop("s")
    run = server.api.wait_run(run_id)
    between(server)
    told = server.api.session("s")
    assert told["token_usage"]["reserved_micros"] == 0
    assert told["token_usage"]["cost_micros"] == told["cost_micros"] == run["cost_micros"] > 0
    assert events(server, "token_budget_updated")[-1]["usage"] == told["token_usage"]


def test_an_answer_that_a_filter_took_away_is_paid_too(make_configured, provider):
    server = make_configured(env=provider.environment, **prices(1, 2))
    provider.reply(p.finish("content_filter"), p.usage(100, 5), p.done())
    run = run_of(server, "hello")
    assert (run["status"], run["usage"]["total_tokens"], run["cost_micros"]) == ("error", 105, 110)


CALLS = [{"tool": {"name": name, "args": {}}} for name in "abc"]
SLOW = {"say": words(40), "delay_ms": 50, "tool": {"name": "a"}}
DEAR = {"tool": {"name": "a", "args": {}}, "usage": {"prompt_tokens": 15000, "completion_tokens": 0}}


@pytest.mark.parametrize(
    ("limits", "prompt", "asked", "kind", "limit"),
    [
        ({"rounds": 2}, CALLS, {"max_rounds": 9}, "max_rounds", 2),
        ({"tool_calls": 1}, CALLS, {"max_tool_calls": 9}, "max_tool_calls", 1),
        ({"max_tokens": 50}, CALLS, {"max_total_tokens": 900}, "max_total_tokens", 50),
        ({"wall_ms": 300}, [SLOW], {"max_wall_ms": 3_600_000}, "max_wall_ms", 300),
        ({"max_cost": 0.04}, [DEAR], {"max_cost_micros": 900_000}, "max_cost_micros", 40000),
    ],
)
@pytest.mark.parametrize("asks", [False, True], ids=["silent", "asks_for_more"])
def test_the_configuration_limits_every_run(make_configured, limits, prompt, asked, kind, limit, asks):
    server = make_configured(limits=limits, **PRICES)
    run = run_of(server, script(*prompt, {"say": "in short"}), **(asked if asks else {}))
    assert (run["status"], run["end"]) == ("completed", "budget")
    [exceeded] = events(server, "budget_exceeded")
    assert (exceeded["kind"], exceeded["limit"]) == (kind, limit)


def test_a_request_may_ask_for_less_than_the_configuration(make_configured):
    server = make_configured(limits={"rounds": 9, "wall_ms": 3_600_000})
    run_of(server, script(*CALLS, {"say": "in short"}), max_rounds=1)
    [exceeded] = events(server, "budget_exceeded")
    assert (exceeded["kind"], exceeded["limit"]) == ("max_rounds", 1)


def test_money_that_the_configuration_limits_wants_a_price(make_configured):
    server = make_configured(limits={"max_cost": 1})
    assert "the built-in model has no price" in server.log_text()
    server.api.chat("hi", "s")
    refused = server.api.execute("s", status=400)
    assert refused["error"]["code"] == "price_unknown"
    told = server.api.execute("s", run_budget={"unpriced": "allow"})
    assert server.api.wait_run(told["run_id"])["end"] == "completed"


def prices(of_input, of_output):
    return {"models": {f"openai/{p.MODEL}": {"input_price": of_input, "output_price": of_output}}}


def reload(server, path, **sections):
    """The configuration of a server that logs JSON is another one, and it has read it."""
    seen = len([e for e in server.log_events() if e["event"] == "config.reload"])
    path.write_text(json.dumps(sections))
    server.signal(signal.SIGHUP)
    events = poll(
        lambda: [e for e in server.log_events() if e["event"] == "config.reload"], lambda all: len(all) > seen
    )
    return events[-1]


def test_prices_and_limits_of_a_reload_are_those_of_the_next_run(make_configured, provider, directory):
    path = directory / "config.json"
    server = make_configured(["--log", "json"], provider.environment, limits={"rounds": 2}, **prices(1, 2))
    go_on = threading.Event()
    call = p.tool(0, id="c1", name="look", arguments="{}")
    provider.reply(call, p.wait(go_on), p.finish("tool_calls"), p.usage(100, 10), p.done())
    provider.reply(*p.answer("that was all", prompt=1000, completion=100))
    server.api.chat("first", "one")
    first = server.api.execute("one")["run_id"]
    provider.wait_requests(1)
    assert reload(server, path, limits={"rounds": 1}, **prices(30, 40))["message"] == "done"
    go_on.set()
    run = server.api.wait_run(first)
    assert (run["end"], run["rounds"]) == ("completed", 2)
    assert run["cost_micros"] == (100 + 1000) * 1 + (10 + 100) * 2

    provider.reply(call, p.finish("tool_calls"), p.usage(100, 10), p.done())
    provider.reply(*p.answer("in short", prompt=1000, completion=100))
    run = run_of(server, "second", "two")
    assert (run["end"], run["kind"], run["rounds"]) == ("budget", "max_rounds", 2)
    assert run["cost_micros"] == (100 + 1000) * 30 + (10 + 100) * 40
    assert server.api.run(first)["cost_micros"] == 1320

    refused = reload(server, path, limits={"rounds": 0})
    assert (refused["level"], "limits.rounds" in refused["error"]) == ("error", True)
    provider.reply(*p.answer("yes", prompt=100, completion=10))
    assert run_of(server, "third", "three")["cost_micros"] == 100 * 30 + 10 * 40


def test_a_session_has_a_budget_over_all_its_runs(server, between):
    body = {"title": "t", "budget": {"max_rounds": 2}}
    session = expect(server.client().post("/api/v1/sessions", json=body), 201)["session"]["id"]
    assert run_of(server, "one", session)["end"] == "completed"
    between(server)
    assert run_of(server, script({"tool": {"name": "a"}}, {"say": "x"}), session)["end"] == "budget"
    last = run_of(server, "three", session)
    assert (last["end"], last["rounds"]) == ("budget", 0)
    now = server.api.session(session)
    assert (now["budget"], now["budget_used"]["rounds"]) == ({"max_rounds": 2}, 3)
    assert now["state"] == "done"  # what its budget left waiting is not queued
    assert now["budget_used"]["total_tokens"] > 0
    expect(server.client().patch(f"/api/v1/sessions/{session}", json={"budget": {"max_rounds": 9}}), 200)
    run = server.api.wait_run(server.api.execute(session)["run_id"])
    assert run["end"] == "completed"


def test_a_run_that_turns_in_circles_is_ended(server):
    run = run_of(server, script({"tool": {"name": "again", "args": {"x": 1}}}))
    assert (run["status"], run["kind"]) == ("error", "no_progress")
    assert run["rounds"] == 3
    assert "same calls 3 times in a row" in run["error"]
    assert server.api.session("s")["last_run_error"] == run["error"]


def test_the_provider_is_told_what_is_left(make_server, provider):
    server = make_server(env=provider.environment)
    provider.reply(*p.answer("yes"))
    run = run_of(server, "hello", max_total_tokens=1000)
    assert run["end"] == "completed"
    asked = provider.requests[-1].json
    assert 256 <= asked.get("max_tokens", asked.get("max_completion_tokens")) < 1000


def test_a_budget_is_read_where_it_was_set(server, between):
    """In the reply of each change, at any time later, and as it was in the past."""
    client, budget = (
        server.client(lasting=True),
        {"max_total_tokens": 100000, "max_subagents": 3, "max_wall_ms": 3_600_000, "unpriced": "allow"},
    )
    made = expect(client.post("/api/v1/sessions", json={"budget": budget}), 201)["session"]
    path = f"/api/v1/sessions/{made['id']}"
    nothing = {"total_tokens": 0, "rounds": 0, "tool_calls": 0, "wall_ms": 0, "cost_micros": 0}
    assert (made["budget"], made["budget_used"]) == (budget, nothing)
    run_of(server, script({"tool": {"name": "a"}}, {"say": "x"}), made["id"])
    between(server)
    used = expect(server.client().get(path), 200)["session"]["budget_used"]
    assert (used["rounds"], used["tool_calls"], used["total_tokens"] > 0) == (2, 1, True)
    patched = expect(server.client().patch(path, json={"budget": {"max_rounds": 9}}), 200)["session"]
    assert (patched["budget"], patched["budget_used"]) == ({"max_rounds": 9}, used)
    assert expect(server.client().patch(path, json={"budget": {}}), 200)["session"]["budget"] is None
    then = expect(server.client().get(path, params={"at_seq": made["last_seq"]}), 200)["session"]
    assert (then["budget"], then["budget_used"]) == (budget, nothing)
    assert "budget" not in expect(server.client().get("/api/v1/sessions"), 200)["sessions"][0]
