# SPDX-License-Identifier: MIT
"""Input while a run is at work: messages for it or for after it, and what execute does there."""

import json
import threading
from concurrent.futures import ThreadPoolExecutor

from harness import provider as p
from harness.api import expect, poll
from harness.offline import say, script

HANG = script({"hang": "content"})
ASK = script({"tools": [{"name": "ask_user", "args": {"question": "Which one?"}}]}, {"say": "Thank you."})


def guide(server, session, text, status=202, *, headers=None, **more):
    path = f"/api/v1/sessions/{session}/guidance"
    return expect(server.client().post(path, json={"text": text} | more, headers=headers), status)


def waiting(server, session):
    told = expect(server.client().get(f"/api/v1/sessions/{session}/guidance"), 200)
    assert told["truncated"] is False
    return told["messages"]


def take_back(server, session, message, status=204):
    return expect(server.client().delete(f"/api/v1/sessions/{session}/guidance/{message}"), status)


def hanging(server, session="s"):
    return server.api.chat(HANG, session, execute=True)["run_id"]


def texts(server, session="s"):
    return [text for _, text in server.api.conversation(session)]


def test_a_message_is_taken_at_the_next_round_and_one_for_later_after_the_run(make_server, provider):
    server = make_server(env=provider.environment)
    go = threading.Event()
    call = p.tool(0, id="call_1", name="nothing", arguments="{}")
    provider.reply(p.text("Let me "), p.wait(go), call, p.finish("tool_calls"), p.usage(1, 1), p.done())
    provider.reply(*p.answer("second round"))
    provider.reply(*p.answer("second run"))
    run = server.api.chat("begin", "s", execute=True)["run_id"]
    provider.wait_requests(1)
    after = guide(server, "s", "when you are done", id="later", mode="after_run")
    now = guide(server, "s", "mind this", id="now")
    assert after == {"id": "later", "activation_pending": False, "run_id": run}
    assert now == {"id": "now", "activation_pending": False, "run_id": run}
    assert [(m["id"], m["text"], m["mode"]) for m in waiting(server, "s")] == [
        ("later", "when you are done", "after_run"),
        ("now", "mind this", "after_round"),
    ]
    go.set()
    server.api.wait_run(run)
    second = poll(lambda: server.api.runs("s"), lambda runs: len(runs) == 2)[0]["run_id"]
    server.api.wait_run(second)
    assert texts(server) == ["begin", "Let me ", "mind this", "second round", "when you are done", "second run"]
    asked = [[m["content"] for m in r.json["messages"] if m["role"] == "user"] for r in provider.requests]
    assert asked == [["begin"], ["begin", "mind this"], ["begin", "mind this", "when you are done"]]
    assert waiting(server, "s") == []
    taken = take_back(server, "s", "now", 409)
    assert taken["error"]["message"] == "A run has taken this message; it is part of the history."


def test_what_waits_is_listed_and_can_be_taken_back(server, between):
    run = hanging(server)
    for name, mode in (("a", "after_round"), ("b", "after_run"), ("c", "after_round")):
        guide(server, "s", f"text {name}", id=name, mode=mode)
    listed = waiting(server, "s")
    assert [(m["id"], m["text"], m["images"], m["mode"]) for m in listed] == [
        ("a", "text a", [], "after_round"),
        ("b", "text b", [], "after_run"),
        ("c", "text c", [], "after_round"),
    ]
    between(server)
    assert waiting(server, "s") == listed
    assert take_back(server, "s", "c") is None
    between(server)
    assert [m["id"] for m in waiting(server, "s")] == ["a", "b"]
    gone = take_back(server, "s", "c", 404)
    assert gone["error"]["message"] == "Message not found"
    assert (gone["session_id"], gone["message_id"]) == ("s", "c")
    assert take_back(server, "s", "b") is None
    server.api.stop("s")
    server.api.wait_run(run)
    assert [m["id"] for m in waiting(server, "s")] == ["a"]  # who stops a run wants no other
    assert take_back(server, "s", "a") is None
    between(server)
    assert waiting(server, "s") == []
    assert server.api.session("s")["state"] == "cancelled"


def test_without_a_run_one_is_started(server, between):
    server.api.whole_turn(say("hello"), "s")
    between(server)
    told = guide(server, "s", say("at once"))
    assert told["activation_pending"] is False
    server.api.wait_run(told["run_id"])
    assert texts(server)[-1] == "at once"
    assert server.api.messages("s")[-2]["id"] == told["id"]


def test_while_a_question_is_open_it_waits_for_the_answer(server, between):
    run = server.api.chat(ASK, "s", execute=True)["run_id"]
    server.api.wait_run(run)
    assert guide(server, "s", "by the way", id="m") == {"id": "m", "activation_pending": True}
    between(server)
    assert [m["id"] for m in waiting(server, "s")] == ["m"]
    told = expect(server.client().post("/api/v1/respond/s", json={"response": "this"}), 200)
    server.api.wait_run(told["run_id"])
    assert "by the way" in texts(server)


def test_a_repeat_under_its_key_posts_once(server, between):
    hanging(server)
    first = guide(server, "s", "once", headers={"Idempotency-Key": "k"})
    between(server)
    assert guide(server, "s", "once", headers={"Idempotency-Key": "k"}) == first
    assert [m["id"] for m in waiting(server, "s")] == [first["id"]]
    reused = guide(server, "s", "twice", 409, headers={"Idempotency-Key": "k"})
    assert reused["error"]["code"] == "idempotency_key_reused"


REFUSED = [
    ({"text": " "}, 400, "text: must not be empty"),
    ({}, 400, "text"),
    ({"text": "x" * (64 * 1024 + 1)}, 413, "at most 65536 bytes"),
    ({"text": "x", "mode": "whenever"}, 400, "mode"),
    ({"text": "x", "id": "a/b"}, 400, "id: 1 to 128 characters"),
    ({"text": "x", "images": [{"base64": ""}]}, 400, "images: not supported"),
]


def test_what_is_refused(server, between):
    server.api.chat("hello", "s")
    between(server)
    for body, status, part in REFUSED:
        told = expect(server.client().post("/api/v1/sessions/s/guidance", json=body), status)
        assert part in told["error"]["message"], body
    assert [m["text"] for m in waiting(server, "s")] == ["hello"]


def test_an_unknown_session_is_not_made(server, between):
    between(server)
    client = server.client()
    for response in (
        client.post("/api/v1/sessions/nobody/guidance", json={"text": "x"}),
        client.get("/api/v1/sessions/nobody/guidance"),
        client.delete("/api/v1/sessions/nobody/guidance/m"),
    ):
        assert expect(response, 404)["session_id"] == "nobody"
    assert server.api.get("/api/v1/sessions")["total"] == 0


def test_a_full_inbox_is_said(server):
    run = hanging(server)
    with server.client() as client, ThreadPoolExecutor(8) as pool:
        send = [pool.submit(client.post, "/api/v1/sessions/s/guidance", json={"text": "x"}) for _ in range(1000)]
        assert {reply.result().status_code for reply in send} == {202}
    for _ in range(2):
        assert guide(server, "s", "one more", 429)["error"]["code"] == "inbox_full"
        for more in ({}, {"execute": True}):
            full = server.client().post("/api/v1/chat", json={"message": "one more", "session_id": "s", **more})
            assert expect(full, 429)["error"]["code"] == "inbox_full"
            assert full.headers["retry-after"] == "1"
        server.restart("kill")
    assert len(waiting(server, "s")) == 1000
    server.api.stop("s")
    assert server.api.wait_run(run)["end"] == "cancelled"


# ---- what execute does where a run is active ----


def execute(server, status, **body):
    return expect(server.client().post("/api/v1/execute/s", json=body), status)


def chat(server, message, status=201, **body):
    whole = {"message": message, "session_id": "s", "execute": True} | body
    return expect(server.client().post("/api/v1/chat", json=whole), status)


def test_join_is_the_default(server, between):
    run = hanging(server)
    between(server)
    for body in ({}, {"on_busy": "join"}):
        told = execute(server, 200, **body)
        assert (told["status"], told["run_id"]) == ("already_running", run)
    told = chat(server, "for you", on_busy="join")
    assert (told["execute_status"], told["run_id"]) == ("already_running", run)


def test_reject_does_nothing(server, between):
    run = hanging(server)
    between(server)
    told = execute(server, 409, on_busy="reject")
    assert told["error"]["message"] == "Session is currently running"
    assert (told["session_id"], told["run_id"]) == ("s", run)
    told = chat(server, "not now", 409, on_busy="reject")
    assert (told["session_id"], told["run_id"]) == ("s", run)
    assert waiting(server, "s") == []


def test_reject_is_no_obstacle_where_nothing_runs(server):
    told = chat(server, say("now"), on_busy="reject")
    assert told["execute_status"] == "started"
    server.api.wait_run(told["run_id"])
    assert execute(server, 200, on_busy="reject")["status"] == "completed"


def test_enqueue_follows_the_run(server, between):
    run = hanging(server)
    told = chat(server, say("the next one"), on_busy="enqueue")
    assert (told["execute_status"], told["run_id"]) == ("queued", run)
    assert [m["mode"] for m in waiting(server, "s")] == ["after_run"]
    between(server)
    told = execute(server, 202, on_busy="enqueue")
    assert (told["status"], told["run_id"]) == ("queued", run)
    server.api.stop("s")
    assert server.api.wait_run(run)["end"] == "cancelled"
    runs = poll(lambda: server.api.runs("s"), lambda runs: len(runs) == 2)
    server.api.wait_run(runs[0]["run_id"])
    assert texts(server)[-1] == "the next one"


def test_interrupt_stops_the_run_and_begins_another(server, between):
    run = hanging(server)
    between(server)
    told = chat(server, say("this instead"), on_busy="interrupt")
    assert (told["execute_status"], told["run_id"]) == ("queued", run)
    assert server.api.wait_run(run)["end"] == "cancelled"
    runs = poll(lambda: server.api.runs("s"), lambda runs: len(runs) == 2)
    server.api.wait_run(runs[0]["run_id"])
    assert texts(server)[-1] == "this instead"


def test_an_unknown_way_is_refused(server):
    server.api.chat("hello", "s")
    assert "on_busy" in execute(server, 400, on_busy="perhaps")["error"]["message"]


def test_where_nobody_can_answer_a_question_is_closed(server, between):
    run = chat(server, ASK, no_human_approver=True)["run_id"]
    server.api.wait_run(run)
    between(server)
    assert server.api.session("s")["open_questions"] == 0
    assert server.api.run(run)["end"] == "completed"
    server.api.chat(ASK, "s")
    run = execute(server, 202, no_human_approver=True)["run_id"]
    assert server.api.wait_run(run)["end"] == "completed"
    assert json.dumps(server.api.messages("s")).count("Thank you.") == 4
