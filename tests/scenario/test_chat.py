# SPDX-License-Identifier: MIT
"""Every reply of POST /chat, with sessions in every state, before and after a restart."""

import threading
from unittest.mock import ANY

from harness.api import expect
from harness.offline import say
from harness.replies import Ask, Says, each_state, play, refusal

CHAT = "/api/v1/chat"


def posted(session_id, seq=ANY, **more):
    """The whole reply to a message that is kept."""
    return {
        "session_id": session_id,
        "stream_url": f"/api/v1/events/{session_id}",
        "status": "streaming",
        "message_id": ANY,
        "ingress_seq": seq,
        **more,
    }


def executed(session_id, status, **more):
    return posted(session_id, execute_status=status, events_url=f"/api/v1/events/{session_id}", **more)


def post(server, status=201, **body):
    return expect(server.client().post(CHAT, json={"message": "hello"} | body), status)


def test_a_message_is_kept_whatever_its_session_does(server, between):
    each_state(server.api)
    newest = {name: server.api.session(name)["last_seq"] for name in ("done", "waiting", "asking", "failed", "stopped")}
    before = {name: server.api.messages(name) for name in newest}
    api = between(server)
    for name, seq in newest.items():
        told = post(server, session_id=name, message_id=f"to-{name}")
        assert told == posted(name, seq + 1) | {"message_id": f"to-{name}"}
        assert api.messages(name) == before[name], "it is part of the history when a run takes it up"
    assert post(server, session_id="busy") == posted("busy")
    api = between(server)
    waiting = {name: api.get(f"/api/v1/sessions/{name}/guidance")["messages"] for name in newest}
    assert {name: [m["id"] for m in messages][-1] for name, messages in waiting.items()} == {
        name: f"to-{name}" for name in newest
    }


def test_a_message_and_its_run_in_one_call(server, between):
    runs = each_state(server.api)
    api = between(server)
    new = {"message": say("at once"), "execute": True}
    for name in ("new", "done", "waiting", "failed", "stopped"):
        told = post(server, session_id=name, **new)
        assert told == executed(name, "started", run_id=ANY)
        assert told["run_id"] != runs.get(name)
        assert api.wait_run(told["run_id"])["status"] == "completed"
        assert api.conversation(name)[-1] == ("assistant", "at once")
    assert post(server, session_id="busy", **new) == executed("busy", "already_running", run_id=runs["busy"])
    # The answer goes first; until then the message waits.
    assert post(server, session_id="asking", **new) == executed("asking", "completed", has_pending_question=True)


def test_an_id_is_that_of_one_message(server, between):
    """Who heard nothing sends again: it is there once. All that names messages can rely on their ids."""
    api = server.api
    guide = "/api/v1/sessions/s/guidance"

    def is_refused(name, path=CHAT, **body):
        told = expect(server.client().post(path, json={"message": "again", "text": "again", **body}), 409)
        assert told["error"]["code"] == "conflict"
        assert told["session_id"] == body.get("session_id", "s")
        assert told["message_id"] == name

    post(server, session_id="s", message_id="one", system_prompt="Be brief.")
    is_refused("one", session_id="s", message_id="one")  # it waits
    is_refused("one", guide, id="one")
    api.wait_run(api.execute("s")["run_id"])
    keyed = {"headers": {"Idempotency-Key": "k"}, "json": {"text": "two", "id": "two"}}
    first = expect(server.client().post(guide, **keyed), 202)
    api.wait_run(first["run_id"])
    between(server)
    for name in [m["id"] for m in server.api.messages("s")]:  # of people, of the model, of the system
        is_refused(name, session_id="s", message_id=name)
        is_refused(name, guide, id=name)
    assert expect(server.client().post(guide, **keyed), 202) == first  # a repeat is a repeat
    is_refused("new", session_id="new", message_id="new", system_prompt="Be brief.")
    assert [m["role"] for m in server.api.messages("s")] == ["system", "user", "assistant", "user", "assistant"]


def test_of_many_with_one_id_one_is_taken(server):
    gate, told = threading.Barrier(16), []

    def send(name):
        with server.client() as client:
            gate.wait()
            told.append((name, client.post(CHAT, json={"message": name, "session_id": "s", "message_id": name})))

    senders = [threading.Thread(target=send, args=(f"m{i % 8}",)) for i in range(16)]
    for each in senders:
        each.start()
    for each in senders:
        each.join()
    assert sorted((name, reply.status_code) for name, reply in told) == [
        (f"m{i}", status) for i in range(8) for status in (201, 409)
    ]
    waiting = server.api.get("/api/v1/sessions/s/guidance")["messages"]
    assert sorted(m["id"] for m in waiting) == [f"m{i}" for i in range(8)]


def test_a_message_of_a_client_with_another_view_is_kept_and_nothing_started(server, between):
    api = server.api
    api.whole_turn(say("hello"), "s")
    last = api.messages("s")[-1]["id"]
    between(server)
    told = post(server, session_id="s", execute=True, client_sync={"client_message_count": 1})
    sync = {"server_message_count": 3, "has_pending_question": False, "has_pending_user_message": True}
    want = {"need_sync": True, "reason": "message_count_mismatch", "server_last_message_id": told["message_id"], **sync}
    assert told == executed("s", "completed", sync=want)
    between(server)
    sync = {"client_message_count": 3, "client_last_message_id": told["message_id"]}
    assert last != told["message_id"]
    told = post(server, message=say("now"), session_id="s", execute=True, client_sync=sync)
    assert told["execute_status"] == "started"
    assert told["sync"] == {
        "need_sync": False,
        "server_message_count": ANY,
        "server_last_message_id": ANY,
        "has_pending_question": False,
        "has_pending_user_message": False,
    }
    server.api.wait_run(told["run_id"])


def test_a_session_is_made_for_the_message(server, between, directory):
    anonymous = post(server)
    blank = post(server, session_id=" ")
    assert anonymous == posted(anonymous["session_id"], 2)
    assert blank["session_id"] not in ("", " ", anonymous["session_id"])
    more = {"system_prompt": "Be kind.", "enhance_prompt": "Be brief.", "workspace_path": str(directory)}
    first = post(server, session_id="mine", model="offline/offline", reasoning_effort="low", **more)
    assert first == posted("mine", 2)
    api = between(server)
    assert [(m["role"], m["content"]) for m in api.messages("mine")] == [("system", "Be kind.\n\nBe brief.")]
    session = api.session("mine")
    wanted = {"title": "New Session", "kind": "root", "state": "queued", "workspace_path": str(directory)}
    wanted |= {"model": "offline", "provider": "offline", "reasoning_effort": "low", "is_running": False}
    assert {key: session[key] for key in wanted} == wanted
    # Only a new session takes these.
    post(server, session_id="mine", system_prompt="Be rude.", workspace_path="/")
    assert api.messages("mine")[0]["content"] == "Be kind.\n\nBe brief."
    assert api.session("mine")["workspace_path"] == str(directory)
    told = api.feed(since=0)
    made = told.wait_for(lambda f: f.type == "session_created" and f["session_id"] == "mine").told
    assert {key: made[key] for key in ("project_id", "title", "kind")} == {
        "project_id": None,
        "title": "New Session",
        "kind": "root",
    }
    told.close()


REFUSED = [
    ({}, "message"),
    ({"message": ""}, "message: must not be empty"),
    ({"message": " \n\t"}, "message: must not be empty"),
    ({"message": ["hello"]}, "message"),
    ({"message": "x", "session_id": "a/b"}, "session_id: 1 to 128 characters"),
    ({"message": "x", "message_id": ".."}, "message_id: 1 to 128 characters"),
    ({"message": "x", "execute": 1}, "execute"),
    ({"message": "x", "model": "no-such-model"}, "did you mean offline/offline"),
    ({"message": "x", "model_ref": {"provider": "offline"}}, "model"),
    ({"message": "x", "reasoning_effort": "huge"}, "reasoning_effort"),
    ({"message": "x", "on_busy": "wait"}, "on_busy"),
    ({"message": "x", "run_budget": {"max_rounds": -1}}, "max_rounds"),
    ({"message": "x", "client_sync": {"client_message_count": "3"}}, "client_message_count"),
    ({"message": "x", "permission_mode": "root"}, "permission_mode"),
    ({"message": "x", "images": [{"base64": ""}]}, "images: not supported"),
    ({"message": "x", "selected_skill_ids": ["a"]}, "selected_skill_ids: not supported"),
    ({"message": "x", "workflow_selection": {"id": "a"}}, "workflow_selection: not supported"),
    ({"message": "x", "gold_config": {"a": 1}}, "gold_config: not supported"),
    ({"message": "x", "thinking_mode": "ultra"}, "thinking_mode"),
]


def test_what_is_refused_leaves_nothing(server, between):
    server.api.chat("hello", "s")
    before = server.api.session("s")["last_seq"]
    client = between(server).client
    play(client, *(Ask("POST /chat", 400, refusal(Says(part)), body) for body, part in REFUSED))
    play(client, *(Ask("POST /chat", 400, ANY, {"session_id": "s"} | body) for body, _ in REFUSED))
    for path in ("/no/such/place", "relative", "/etc/passwd"):
        wanted = refusal(Says("workspace_path"), "workspace_invalid")
        Ask("POST /chat", 400, wanted, {"message": "x", "workspace_path": path}).send(client)
    wanted = refusal("target Project not found", "not_found")
    Ask("POST /chat", 404, wanted, {"message": "x", "session_id": "s", "project_id": "p"}).send(client)
    assert server.api.session("s")["last_seq"] == before
    assert server.api.get("/api/v1/sessions")["total"] == 1


def test_what_means_nothing_is_taken(server):
    for body in (
        {"images": [], "selected_skill_ids": [], "workflow_selection": None, "gold_config": {}},
        {"message": "/goal on", "unheard_of": {"a": []}},
        {"thinking_mode": "standard", "permission_mode": "bypass", "skill_mode": "x", "project_id": " "},
        {"thread_id": "t", "in_reply_to": "m", "correlation_id": "c", "message_id": " ", "session_id": None},
    ):
        told = post(server, **body)
        assert told == posted(told["session_id"], 2)
