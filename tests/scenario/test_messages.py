# SPDX-License-Identifier: MIT
"""The transcript changed by people: messages edited and deleted, the end cut off. Nothing is lost to looking back."""

import pytest

from harness import checks
from harness import provider as p
from harness.api import expect, poll
from harness.offline import say, script

HANG = script({"hang": "content"})
ASK = script({"tools": [{"name": "ask_user", "args": {"question": "Which one?"}}]}, {"say": "Thank you."})
TWO_CALLS = script({"say": "Looking.", "tools": [{"name": "a", "args": {"x": 1}}, {"name": "b"}]}, {"say": "Found."})


def call(server, method, path, status=200, json=None, session="s"):
    return expect(server.client().request(method, f"/api/v1/sessions/{session}/{path}", json=json), status)


def edit(server, message, content, status=200):
    return call(server, "PATCH", f"messages/{message}", status, {"content": content})


def delete(server, message, status=200):
    return call(server, "DELETE", f"messages/{message}", status)


def ids(server):
    return [m["id"] for m in server.api.messages("s")]


def roles(server):
    return [m["role"] for m in server.api.messages("s")]


def counts(server):
    """The transcript's own length, as each route has it."""
    told = server.api.history("s")
    assert server.api.session("s")["message_count"] == told["total_message_count"] == len(told["messages"])
    return told["total_message_count"]


def talk(server, *prompts):
    for i, prompt in enumerate(prompts):
        more = {"system_prompt": "Be kind."} if i == 0 else {}
        server.api.whole_turn(prompt, "s", **more)
    return server.api.messages("s")


def test_a_message_is_edited_and_the_model_reads_the_new_text(make_server, provider):
    server = make_server(env=provider.environment)
    provider.reply(*p.answer("one"))
    provider.reply(*p.answer("two"))
    before = talk(server, "first")
    _, user, assistant = (m["id"] for m in before)
    told = edit(server, user, "first, as I meant it")
    assert told == {"success": True, "session_id": "s", "message_id": user, "message_count": 3}
    edit(server, assistant, "uno")
    server.restart()
    after = server.api.messages("s")
    assert [m["content"] for m in after][1:] == ["first, as I meant it", "uno"]
    assert [m["created_at"] for m in after] == [m["created_at"] for m in before]
    server.api.whole_turn("second", "s")
    asked = [m["content"] for m in provider.requests[1].json["messages"]]
    assert asked == ["Be kind.", "first, as I meant it", "uno", "second"]


def test_an_edit_keeps_the_calls_and_drops_what_was_thought(server, between):
    talk(server, TWO_CALLS, script({"say": "Hm.", "reason": "because"}))
    before = {m["id"]: m for m in server.api.messages("s")}
    chosen = [m["id"] for m in before.values() if m["role"] == "assistant"]
    for message in chosen:
        edit(server, message, "New.")
    between(server)
    assert ids(server) == list(before)
    for message in server.api.messages("s"):
        old = before[message["id"]]
        if message["id"] in chosen:
            old = {k: v for k, v in old.items() if k != "reasoning"} | {"content": "New."}
        assert message == old
    edit(server, chosen[0], "")  # the calls are left
    told = edit(server, chosen[-1], " ", 400)
    assert "content: must not be empty" in told["error"]["message"]


def test_a_watcher_is_told_and_the_past_stays(server, between):
    messages = talk(server, say("one"))
    then = server.api.session("s")["last_seq"]
    edit(server, messages[1]["id"], "other")
    delete(server, messages[2]["id"])
    between(server)
    frames = server.api.replay("s")
    checks.stream(frames)
    edited = next(f for f in frames if f.type == "message_edited")
    assert (edited["message_id"], edited["role"], edited["content"]) == (messages[1]["id"], "user", "other")
    removed = next(f for f in frames if f.type == "messages_removed")
    assert (removed["mode"], removed["messages_removed"]) == ("delete", 1)
    assert removed["last_message_id"] == messages[1]["id"]
    assert server.api.history("s", at_seq=then)["messages"] == messages


@pytest.mark.parametrize("which", [1, 2])
def test_a_deleted_message_is_gone(server, between, which):
    messages = talk(server, say("one"), say("two"))
    told = delete(server, messages[which]["id"])
    assert told == {
        "success": True,
        "session_id": "s",
        "message_id": messages[which]["id"],
        "messages_removed": 1,
        "message_count": 4,
    }
    between(server)
    assert server.api.messages("s") == messages[:which] + messages[which + 1 :]
    assert counts(server) == 4
    assert delete(server, messages[which]["id"], 404)["error"]["message"] == "Message not found"
    assert server.api.execute("s", status=200)["status"] == "completed"
    server.api.whole_turn(say("three"), "s")
    assert counts(server) == 6


def test_calls_take_their_results_along(server, between):
    messages = talk(server, TWO_CALLS)
    assert roles(server) == ["system", "user", "assistant", "tool", "tool", "assistant"]
    told = delete(server, messages[3]["id"], 400)
    assert "belongs to the message that called it" in told["error"]["message"]
    told = delete(server, messages[2]["id"])
    assert (told["messages_removed"], told["message_count"]) == (3, 3)
    between(server)
    assert server.api.messages("s") == [messages[0], messages[1], messages[5]]
    assert counts(server) == 3
    server.api.whole_turn(TWO_CALLS, "s")
    assert counts(server) == 8


def test_messages_in_front_of_a_gap_at_the_end_can_go_too(server, between):
    messages = talk(server, say("one"), say("two"))
    for which in (3, 4, 2, 1):  # the place before the last first: the end is a gap then
        delete(server, messages[which]["id"])
    between(server)
    assert ids(server) == ["s"]
    assert counts(server) == 1
    server.api.whole_turn(say("three"), "s")
    assert counts(server) == 3


def test_without_its_answer_a_message_is_answered_again(server, between):
    messages = talk(server, say("one"))
    delete(server, messages[2]["id"])
    between(server)
    server.api.wait_run(server.api.execute("s")["run_id"])
    assert [m["content"] for m in server.api.messages("s")][-1] == "one"
    assert ids(server)[:2] == ["s", messages[1]["id"]]
    assert ids(server)[2] != messages[2]["id"]


@pytest.mark.parametrize(("mode", "left"), [("after_last_user", 2), ("error_retry", 5)])
def test_the_end_is_cut_off(server, between, mode, left):
    messages = talk(server, TWO_CALLS)
    told = call(server, "POST", "messages/truncate", json={"mode": mode})
    assert told == {"success": True, "session_id": "s", "messages_removed": 6 - left, "message_count": left}
    between(server)
    assert server.api.messages("s") == messages[:left]
    assert counts(server) == left
    again = call(server, "POST", "messages/truncate", json={"mode": mode})
    assert (again["messages_removed"], again["message_count"]) == (0, left)
    between(server)
    server.api.wait_run(server.api.execute("s")["run_id"])  # without a new message
    assert server.api.messages("s")[-1]["content"] == "Found."
    assert counts(server) == 6


def test_after_an_error_the_same_is_tried_again(make_server, provider):
    server = make_server(env=provider.environment)
    provider.reply(*p.failure(400))
    provider.reply(*p.answer("whole"))
    server.api.chat("hello", "s")
    server.api.wait_run(server.api.execute("s")["run_id"])
    assert server.api.session("s")["state"] == "error"
    told = call(server, "POST", "messages/truncate", json={"mode": "error_retry"})
    assert told["messages_removed"] == 0
    server.restart("kill")
    server.api.wait_run(server.api.execute("s")["run_id"])
    assert server.api.conversation("s") == [("user", "hello"), ("assistant", "whole")]


def test_thoughts_without_an_answer_leave_the_question_open(make_server, provider):
    server = make_server(env=provider.environment)
    provider.reply(*p.answer("one")).reply(p.reasoning("hm"), p.silence()).reply(*p.answer("two"))
    server.api.whole_turn("first", "s")
    server.api.chat("second", "s", execute=True)
    server.api.watch("s").wait_type("reasoning_token")
    server.api.stop("s")
    poll(lambda: server.api.session("s")["state"], "cancelled".__eq__)
    delete(server, server.api.messages("s")[0]["id"])
    assert [m["content"] for m in server.api.messages("s")] == ["one", "second", ""]
    server.api.wait_run(server.api.execute("s")["run_id"])
    assert [m["content"] for m in server.api.messages("s")] == ["one", "second", "", "two"]


def test_an_answer_that_was_stopped_is_tried_again(server, between):
    run = server.api.chat(script({"say": "x " * 500, "delay_ms": 5}), "s", execute=True)["run_id"]
    server.api.watch("s").wait_type("token")
    server.api.stop("s")
    server.api.wait_run(run)
    cut = server.api.messages("s")[-1]
    assert cut["metadata"]["interrupted"]
    between(server)
    assert server.api.execute("s", status=200)["status"] == "completed"
    assert call(server, "POST", "messages/truncate", json={"mode": "error_retry"})["messages_removed"] == 1
    between(server)
    server.api.wait_run(server.api.execute("s")["run_id"])
    assert server.api.messages("s")[-1]["content"] == "x " * 500


def test_a_session_is_restored_to_a_message(server, between):
    messages = talk(server, TWO_CALLS, say("two"))
    # A call goes with its results, whichever of them is named.
    for target, left, removed in ((7, 8, 0), (5, 6, 2), (3, 5, 1), (1, 2, 3), (0, 1, 1)):
        body = {"target_message_id": messages[target]["id"], "restore_files": False}
        assert call(server, "POST", "restore", json=body) == {
            "success": True,
            "session_id": "s",
            **body,
            "messages_removed": removed,
            "message_count": left,
            "restored_files": 0,
            "deleted_files": 0,
            "file_errors": [],
        }
        if target == 5:
            between(server)
        assert server.api.messages("s") == messages[:left]
        assert counts(server) == left


def test_a_cleared_session_keeps_its_system_message(server, between):
    talk(server, TWO_CALLS)
    assert call(server, "POST", "clear")["success"]
    between(server)
    assert [(m["role"], m["content"]) for m in server.api.messages("s")] == [("system", "Be kind.")]
    assert server.api.execute("s", status=200)["status"] == "completed"
    server.api.whole_turn(say("again"), "s")
    assert counts(server) == 3


def every_change(message):
    return [
        ("PATCH", f"messages/{message}", {"content": "x"}),
        ("DELETE", f"messages/{message}", None),
        ("POST", "messages/truncate", {"mode": "error_retry"}),
        ("POST", "restore", {"target_message_id": message}),
        ("POST", "clear", None),
    ]


def test_during_a_run_nothing_is_changed(server, between):
    messages = talk(server, say("one"))
    run = server.api.chat(HANG, "s", execute=True)["run_id"]
    between(server)
    for method, path, body in every_change(messages[1]["id"]):
        told = call(server, method, path, 409, body)
        assert told["error"]["message"] == "Session is currently running"
        assert (told["session_id"], told["run_id"]) == ("s", run)
    server.api.stop("s")
    server.api.wait_run(run)
    assert server.api.messages("s")[:3] == messages


def test_while_a_question_is_open_nothing_is_changed(server, between):
    run = server.api.chat(ASK, "s", execute=True)["run_id"]
    server.api.wait_run(run)
    messages = server.api.messages("s")
    between(server)
    for method, path, body in every_change(messages[0]["id"])[2:] + every_change(messages[1]["id"])[:2]:
        told = call(server, method, path, 409, body)
        assert told["error"]["message"].startswith("A question of this session is open")
        assert "run_id" not in told
    assert server.api.messages("s") == messages


REFUSED = [
    ("PATCH", "messages/s", {"content": "x"}, 400, "system message"),
    ("DELETE", "messages/s", None, 400, "system message"),
    ("PATCH", "messages/nothing", {"content": "x"}, 404, "Message not found"),
    ("DELETE", "messages/nothing", None, 404, "Message not found"),
    ("PATCH", "messages/nothing", {}, 400, "content"),
    ("POST", "messages/truncate", {}, 400, "mode"),
    ("POST", "messages/truncate", {"mode": ""}, 400, "mode"),
    ("POST", "messages/truncate", {"mode": "half"}, 400, "mode"),
    ("POST", "messages/truncate", {"mode": "error_retry"}, 400, "No message of a person"),
    ("POST", "restore", {}, 400, "target_message_id"),
    ("POST", "restore", {"target_message_id": "nothing"}, 404, "Message not found"),
    ("POST", "restore", {"target_message_id": "s", "restore_files": True}, 400, "restore_files: not supported"),
]


def test_what_is_refused(server, between):
    server.api.chat("waits", "s", system_prompt="Be kind.")
    before = server.api.session("s")["last_seq"]
    between(server)
    for method, path, body, status, part in REFUSED:
        assert part in call(server, method, path, status, body)["error"]["message"]
    assert server.api.session("s")["last_seq"] == before


def test_an_unknown_session_is_said(server, between):
    between(server)
    for method, path, body in every_change("m"):
        assert call(server, method, path, 404, body, "nobody")["session_id"] == "nobody"


def test_a_long_text_may_be_edited_in(server):
    messages = talk(server, say("one"))
    long = "é" * (3 * 1024 * 1024)
    edit(server, messages[1]["id"], long)
    assert server.api.messages("s")[1]["content"] == long
