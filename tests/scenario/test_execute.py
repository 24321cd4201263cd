# SPDX-License-Identifier: MIT
"""Every reply of POST /execute, with sessions in every state, before and after a restart."""

import threading
from unittest.mock import ANY

from harness import checks
from harness import provider as p
from harness.api import expect, poll
from harness.offline import say, script
from harness.replies import Ask, Says, each_state, made, no_session, play, refusal

OFFLINE, STAND_IN = "offline/offline", f"openai/{p.MODEL}"


def executed(session_id, status, **more):
    """The whole reply."""
    return {"session_id": session_id, "status": status, "events_url": f"/api/v1/events/{session_id}", **more}


def test_each_state_has_its_reply(server, between):
    runs = each_state(server.api)
    empty = made(server.api)
    client = between(server).client
    table = {
        "done": (200, executed("done", "completed")),
        "asking": (200, executed("asking", "completed", has_pending_question=True)),
        empty: (200, executed(empty, "completed")),
        "busy": (200, executed("busy", "already_running", run_id=runs["busy"])),
        # What was said last is not answered; that it was tried before changes nothing.
        "waiting": (202, executed("waiting", "started", run_id=ANY)),
        "failed": (202, executed("failed", "started", run_id=ANY)),
        "stopped": (202, executed("stopped", "started", run_id=ANY)),
        "nobody": (404, no_session("nobody")),
    }
    told = play(client, *(Ask(f"POST /execute/{name}", *wanted, {}) for name, wanted in table.items()))
    started = {t["session_id"]: t["run_id"] for t in told if t.get("status") == "started"}
    assert not set(started.values()) & set(runs.values())
    assert server.api.wait_run(started["waiting"])["status"] == "completed"
    assert server.api.wait_run(started["failed"])["status"] == "error"
    play(
        between(server).client,
        Ask("POST /execute/waiting", 200, executed("waiting", "completed"), {}),
        Ask("POST /execute/stopped", 200, executed("stopped", "already_running", run_id=started["stopped"])),
    )
    counts = {name: len(server.api.runs(name)) for name in ("done", "asking", empty, "busy", "failed", "stopped")}
    assert counts == {"done": 1, "asking": 1, empty: 0, "busy": 1, "failed": 2, "stopped": 2}


def sync(reason, count, last, call=None, waits=False):
    """What the server says of its view; `reason` None: it is the client's too."""
    told = {"need_sync": reason is not None, "server_message_count": count, "has_pending_question": call is not None}
    told |= {"has_pending_user_message": waits}
    told |= {} if reason is None else {"reason": reason}
    told |= {} if last is None else {"server_last_message_id": last}
    return told | ({} if call is None else {"pending_question_tool_call_id": call})


def view(count, last=None, question=None, call=None):
    """What a client says of its view."""
    said = {"client_message_count": count, "client_last_message_id": last, "client_has_pending_question": question}
    return {"client_sync": said | {"client_pending_question_tool_call_id": call}}


QUESTION, COUNT, LAST = "pending_question_mismatch", "message_count_mismatch", "last_message_id_mismatch"


def test_the_first_difference_of_a_view_is_told_and_nothing_started(server, between):
    runs, empty = each_state(server.api), made(server.api)
    last = {name: server.api.messages(name)[-1]["id"] for name in ("done", "asking", "busy")}
    last |= {"waiting": server.api.get("/api/v1/sessions/waiting/guidance")["messages"][0]["id"], empty: None}
    call = server.api.get("/api/v1/respond/asking/pending")["tool_call_id"]
    client = between(server).client
    table = [
        ("done", view(9, "x", True), QUESTION),
        ("done", view(2, last["done"], False, "x"), QUESTION),
        ("done", view(9, "x"), COUNT),
        ("done", view(2, "x", False), LAST),
        ("done", view(2, last["done"]), None),
        ("done", view(2), None),
        ("asking", view(9, "x", False), QUESTION),
        ("asking", view(2, last["asking"]), QUESTION),
        ("asking", view(2, last["asking"], True, "x"), QUESTION),
        ("asking", view(9, "x", True, call), COUNT),
        ("asking", view(2, "x", True, call), LAST),
        ("asking", view(2, last["asking"], True), None),
        ("asking", view(2, last["asking"], True, call), None),
        ("busy", view(0), COUNT),  # looked at before the run is joined
        ("busy", view(0) | {"on_busy": "reject"}, COUNT),
        ("waiting", view(0), COUNT),  # what waits counts
        ("waiting", view(1, "x"), LAST),
        (empty, view(1), COUNT),
        (empty, view(0), None),
    ]
    counts = {"done": 2, "asking": 2, "busy": 1, "waiting": 1, empty: 0}
    for name, body, reason in table:
        calls = {"call": call} if name == "asking" else {}
        told = sync(reason, counts[name], last[name], waits=name == "waiting", **calls)
        Ask(f"POST /execute/{name}", 200, executed(name, "completed", sync=told), body).send(client)
    told = {"busy": sync(None, 1, last["busy"]), "waiting": sync(None, 1, last["waiting"])}
    joined = executed("busy", "already_running", run_id=runs["busy"], sync=told["busy"])
    Ask("POST /execute/busy", 200, joined, view(1, last["busy"])).send(client)
    assert server.api.runs("waiting") == server.api.runs(empty) == []
    started = executed("waiting", "started", run_id=ANY, sync=ANY)
    run = Ask("POST /execute/waiting", 202, started, view(1, last["waiting"])).send(client)
    assert run["sync"] == told["waiting"], "a message that is being answered does not wait"
    server.api.wait_run(run["run_id"])


REFUSED = [
    ({"model": "no-such-model"}, "did you mean offline/offline"),
    ({"provider": "nowhere"}, "nowhere"),
    ({"model_ref": 5}, "model_ref"),
    ({"model_ref": {"model": ["x"]}}, "model"),
    ({"reasoning_effort": "huge"}, "reasoning_effort"),
    ({"on_busy": "perhaps"}, "on_busy"),
    ({"client_sync": []}, "client_sync"),
    ({"client_sync": {"client_message_count": "1"}}, "client_message_count"),
    ({"run_budget": {"max_total_tokens": 1.5}}, "max_total_tokens"),
    ({"run_budget": {"unpriced": "maybe"}}, "unpriced"),
    ({"no_human_approver": "yes"}, "no_human_approver"),
    ([], "execute request"),
]
HEADERS = ("Bamboo-Run-Id", "Bamboo-Input-Id", "Bamboo-Ingress-Seq")


def test_what_is_refused_starts_nothing(server, between):
    server.api.chat("hello", "s")
    before = server.api.session("s")["last_seq"]
    client = between(server).client
    play(client, *(Ask("POST /execute/s", 400, refusal(Says(part)), body) for body, part in REFUSED))
    for name in HEADERS:
        wanted = refusal(f"{name}: not supported on execute by this server")
        body = {"upstream_retry": {"mode": "until_cancelled"}}
        Ask("POST /execute/s", 400, wanted, body, {name: "1"}).send(client)
    Ask("POST /execute/a%2Fb", 400, refusal(ANY), {}).send(client)
    assert server.api.session("s")["last_seq"] == before
    assert server.api.runs("s") == []
    # An empty body will do; what nothing depends on is taken.
    told = expect(client.post("/api/v1/execute/s"), 202)
    assert told == executed("s", "started", run_id=told["run_id"])
    assert server.api.wait_run(told["run_id"])["status"] == "completed"
    Ask("POST /execute/s", 200, executed("s", "completed"), {"skill_mode": "x", "live_bootstrap_resume": True}).send(
        client
    )


def test_which_model_a_run_takes(make_server, provider, between):
    """Its session's, else the request's, else the default; and the same of its effort."""
    server = make_server(env=provider.environment)
    pin = {"model": OFFLINE, "reasoning_effort": "low"}
    ref = {"provider": "openai", "model": p.MODEL, "reasoning_effort": "high"}
    table = [  # what the session has, what the request says, what is taken
        ({}, {}, STAND_IN, None),
        ({}, {"model": "default", "provider": "unknown"}, STAND_IN, None),
        ({}, {"model": OFFLINE}, OFFLINE, None),
        ({}, {"provider": "offline", "model": "offline"}, OFFLINE, None),
        ({}, {"model_ref": OFFLINE, "model": p.MODEL}, OFFLINE, None),
        ({}, {"model_ref": ref, "model": "offline", "reasoning_effort": None}, STAND_IN, "high"),
        ({}, {"reasoning_effort": "medium"}, STAND_IN, "medium"),
        (pin, {"model": STAND_IN, "reasoning_effort": "high"}, OFFLINE, None),
        ({"model_ref": ref}, {"model": OFFLINE}, STAND_IN, "high"),
        ({"model_ref": ref}, {"reasoning_effort": "low"}, STAND_IN, "high"),
    ]
    for i, (has, *_) in enumerate(table):
        server.api.chat(say("offline"), f"s{i}", **has)
    api = between(server)
    for i, (has, says, model, effort) in enumerate(table):
        provider.reply(*p.answer("stand-in")) if model == STAND_IN else None
        run = api.wait_run(api.execute(f"s{i}", **says)["run_id"])
        assert f"{run['provider']}/{run['model']}" == model, (has, says)
        assert api.conversation(f"s{i}")[-1] == ("assistant", "stand-in" if model == STAND_IN else "offline")
        if model == STAND_IN:
            assert provider.requests[-1].json.get("reasoning_effort") == effort, (has, says)
    assert len(provider.requests) == 6
    # What a request says is for its run only.
    provider.reply(*p.answer("again"))
    api.whole_turn("another", "s2")
    assert api.runs("s2")[0]["model"] == p.MODEL


def test_a_run_follows_the_one_that_ends(make_server, provider, between):
    """For what was posted for later, in whichever life the run before it ends."""
    server = make_server(env=provider.environment)
    go = threading.Event()
    provider.reply(p.text("fir"), p.wait(go), *p.answer("st"))
    run = server.api.turn("one", "s")[1]
    provider.wait_requests(1)
    body = {"text": "two", "mode": "after_run", "id": "later"}
    told = expect(server.client().post("/api/v1/sessions/s/guidance", json=body), 202)
    assert told == {"id": "later", "activation_pending": False, "run_id": run}
    provider.reply(*p.answer("an answer")).reply(*p.answer("an answer"))  # a run that was cut asks again
    api = between(server)
    go.set()
    assert api.wait_run(run)["status"] == "completed"
    later = poll(lambda: api.runs("s"), lambda runs: len(runs) == 2)[0]["run_id"]
    assert api.wait_run(later)["status"] == "completed"
    assert [text for _, text in api.conversation("s")][2:] == ["two", "an answer"]
    frames = api.replay("s")
    checks.stream(frames)
    ended = [f["run_id"] for f in frames if f.type in ("execution_started", "complete")]
    assert ended == [run, run, later, later]


def test_work_is_what_is_not_answered(server, between):
    """A result that the model has not read, and a question of the person: each is something to do, an answer is not."""
    calls = script({"tools": [{"name": "a"}]}, {"say": "Found."})
    server.api.whole_turn(calls, "s")
    messages = server.api.messages("s")
    cuts = {"tool": messages[2]["id"], "user": messages[0]["id"], "assistant": messages[-1]["id"]}
    forks = {
        role: expect(server.client().post("/api/v1/sessions/s/fork", json={"message_id": message}), 201)["session"][
            "id"
        ]
        for role, message in cuts.items()
    }
    api = between(server)
    for role, session in forks.items():
        if role == "assistant":
            Ask(f"POST /execute/{session}", 200, executed(session, "completed"), {}).send(api.client)
        else:
            api.wait_run(api.execute(session)["run_id"])
            assert api.conversation(session)[-1] == ("assistant", "Found.")
