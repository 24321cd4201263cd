#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Puts one defect at a time into a copy of the source and sees that a test notices.

Each mutant is an edit of one place, with the test that is meant for it: the simulator, within so many seeds, or a
test of meson's. A mutant that lives is a hole in the tests. Usage: mutants.py [PART OF A NAME], or --check: only whether
each edit still has its place.
"""

import os
import pathlib
import re
import shutil
import subprocess
import sys
import tempfile

ROOT = pathlib.Path(__file__).resolve().parents[1]

SOUND = 1000  # stories that the source passes as it is

# (name, file, text, replacement, seeds in which the simulator must notice)
SIMULATED = [
    (
        "takes two messages under one id",
        "src/engine/chosen.c",
        "    return in->kind == INPUT_POST",
        "    return false && in->kind == INPUT_POST",
        50,
    ),
    (
        "acts before the commit",
        "src/engine/held.c",
        "h->needs > l->stored || ",
        "",
        200,
    ),
    (
        "treats a refused append as stored",
        "src/engine/engine.c",
        "if (done->rc < 0) {",
        "if (false) {",
        200,
    ),
    (
        "door ignores the running run",
        "src/run/door.c",
        "    if (s->run.active) {\n        run = s->run.number;\n        kind = meet_active_run(c);\n    } else if (!session_has_work(s)) {",
        "    if (false) {\n        run = s->run.number;\n        kind = meet_active_run(c);\n    } else if (!s->run.active && !session_has_work(s)) {",
        50,
    ),
    (
        "calls stay open after a stop",
        "src/run/run.c",
        '        calls_end_proposed(c, OUTCOME_CANCELLED, STR("Not run: the run was stopped."));\n',
        "",
        200,
    ),
    (
        "runs an unsafe call again",
        "src/run/calls.c",
        "if (again && !give_up",
        "if ((again || true) && !give_up",
        200,
    ),
    (
        "starts a call beside one that must run alone",
        "src/run/calls.c",
        "            if (!reads)\n                return;\n            running++;\n        } else if",
        "            running++;\n        } else if",
        200,
    ),
    (
        "checks the budget without the call in flight",
        "src/run/budget.c",
        'return is_met(r->limits.max_tokens, r->used_tokens, "max_total_tokens", out) ||',
        'return is_met(r->limits.max_tokens, r->used_tokens - r->reserved_tokens - 500, "max_total_tokens", out) ||',
        500,
    ),
    (
        "acknowledges an answer that comes too late",
        "src/run/questions.c",
        "step_reply(c, c->s->n_questions == 0 ? REPLY_NO_QUESTION : REPLY_OTHER_QUESTION);",
        "reply_answered(c, 1, c->s->runs, false);",
        50,
    ),
    (
        "begins a run while a question is open",
        "src/session/session.c",
        "return !session_is_at_work(s) && (s->inbox",
        "return !s->run.active && (s->inbox",
        200,
    ),
    (
        "forgets deadlines in a crash",
        "src/run/run.c",
        "    questions_recover(c);\n",
        "",
        200,
    ),
    (
        "leaves questions open after a stop",
        "src/run/run.c",
        "        questions_withdraw(c);\n",
        "",
        200,
    ),
    (
        "begins a round in a session whose time is over",
        "src/run/budget.c",
        '           is_met(l->max_ms, spent.ms, "session_max_wall_ms", out) ||\n',
        "",
        500,
    ),
    (
        "begins a round that cannot be paid",
        "src/run/budget.c",
        "money_is_short(s, 0, amount_add(worst, worst), out);",
        "false;",
        500,
    ),
    (
        "cursor off by one at the seam",
        "src/engine/hub.c",
        "(at->has_cursor ? at->after : h->published.seq) + 1",
        "(at->has_cursor ? at->after + 1 : h->published.seq) + 1",
        50,
    ),
    (
        "text is not completed on entering the ring",
        "src/engine/hub.c",
        "h->live.open && c >= 0; c--)",
        "false && c >= 0; c--)",
        500,
    ),
    (
        "a piece of an older message is shown as the new one's",
        "src/engine/hub.c",
        "if (slot->serial != t->serial)",
        "if (false)",
        2000,
    ),
    (
        "wake-up lost after a publish",
        "src/engine/watch.c",
        "        ask_store(e, w);\n    mark_dirty(e, w);\n}\n\nvoid watch_delta",
        "        ask_store(e, w);\n}\n\nvoid watch_delta",
        200,
    ),
    (
        "recovery keeps the name of the message",
        "src/session/session.c",
        "    if (r->round_open) {\n        r->gen++;\n        r->retry_due = 0;",
        "    if (r->round_open) {\n        r->retry_due = 0;",
        200,
    ),
    (
        "crashes are not charged",
        "src/engine/engine.c",
        "l->charged = l->resets == 0 && !o->ended_in_order;",
        "l->charged = false;",
        2000,
    ),
    (
        "late results are taken",
        "src/run/calls.c",
        "c->s->calls[i].state == CALL_RUNNING ? i : -1",
        "true ? i : -1",
        500,
    ),
    (
        "late pieces of text are taken",
        "src/run/round.c",
        "           in->gen == r->gen;",
        "           true;",
        500,
    ),
    (
        "a static variable in the machine",
        "src/run/round.c",
        "    uint64_t draw = ",
        "    static uint64_t calls;\n    uint64_t draw = calls++ + ",
        200,
    ),
    (
        "pauses are measured by the wall clock",
        "tests/sim/world.c",
        "    return ((struct sim *)arg)->now;",
        "    return port_now(arg);",
        1000,
    ),
    (
        "recovery is not asked for",
        "src/engine/engine.c",
        "        l->unfinished = true;\n        live_open(e, l);",
        "        l->unfinished = true;\n        live_free(e, l);",
        200,
    ),
    (
        "epochs are named twice",
        "src/engine/live.c",
        "(row > e->generation ? row : e->generation) + 1",
        "row + 0",
        6000,
    ),
    (
        "a message that came too late is forgotten",
        "src/run/door.c",
        "else if (c->s->inbox > 0 && end != END_CANCELLED)",
        "else if (false && end != END_CANCELLED)",
        500,
    ),
    (
        "the reply to a key is not stored",
        "src/engine/keyed.c",
        "if (k == NULL || !reply_is_kept(r))",
        "if (k == NULL || reply_is_kept(r))",
        200,
    ),
    (
        "the store is not asked for keys",
        "src/engine/keyed.c",
        "        else if (answer->n > 0)",
        "        else if (answer->n > 1)",
        200,
    ),
    (
        "keys are looked for in the store alone",
        "src/engine/keyed.c",
        "    return map_find(e->keyed, name_of(id, key, &name));",
        "    struct keyed *k = map_find(e->keyed, name_of(id, key, &name));\n\n"
        "    return k != NULL && k->is_asked ? k : NULL;",
        200,
    ),
    (
        "another request joins the one on its way",
        "src/engine/keyed.c",
        "k != NULL && !str_eq(buf_str(&k->fingerprint), in->fingerprint)",
        "k != NULL && in->fingerprint.n == 0",
        200,
    ),
    (
        "another request is told what the first was",
        "src/session/receipt.c",
        "str_eq(r->fingerprint, fingerprint) ? RECEIPT_REPLAY : RECEIPT_OTHER",
        "fingerprint.n > 0 ? RECEIPT_REPLAY : RECEIPT_OTHER",
        200,
    ),
    (
        "the account feed goes past what a page did not hold",
        "src/engine/feed_hub.c",
        "        h->head = a->upto;",
        "        h->head = a->last_seq;",
        100,
    ),
    (
        "the account feed forgets the last state of a session",
        "src/engine/feed_states.c",
        "        if (s->dirty)\n            list_add_tail(&f->ready, &s->link);\n        else\n            free_if_done(f, s);",
        "        s->dirty = false;\n        free_if_done(f, s);",
        100,
    ),
    (
        "the account feed tells the state of an erased session",
        "src/engine/engine.c",
        "    feed_hub_forget(e->feed, l->id);\n",
        "",
        500,
    ),
    (
        "a stop stays where it was asked for",
        "src/engine/tree.c",
        "        stop_below(t, answer->session_ids[i]);\n",
        "        (void)stop_below;\n",
        50,
    ),
    (
        "a stop is acknowledged though one below was refused",
        "src/engine/tree.c",
        "        if (r->kind == REPLY_UNAVAILABLE)\n",
        "        if (false)\n",
        2000,
    ),
    (
        "a stop of what is at rest looks at nothing below",
        "src/engine/tree.c",
        "    if (is_at_work(e, top)) {\n",
        "    if (is_at_work(e, top) || in->kind == INPUT_CANCEL) {\n",
        500,
    ),
    (
        "what runs is taken from what has been shown of it",
        "src/engine/tree.c",
        "session_is_at_work(&l->m.s)",
        "session_is_at_work(&l->published)",
        5000,
    ),
]

# (name, file, text, replacement, test)
TESTED = [
    (
        "timers outlive their session",
        "src/engine/engine.c",
        "if (in->set_by != 0 && in->set_by != l->token)",
        "if (false)",
        "engine/test_timers",
    ),
    (
        "a repeated stop reaches what has begun since",
        "src/engine/tree.c",
        "r->replayed ? r->seq : 0",
        "0",
        "engine/test_keyed",
    ),
    (
        "all suspects go on together",
        "src/engine/engine.c",
        "} else if (l->suspect && now >= e->suspect_at) {",
        "} else if (l->suspect) {",
        "engine/test_suspects",
    ),
    (
        "what was counted before a failure is lost",
        "src/model/stream.c",
        "        f.usage = s->usage;\n",
        "        ;\n",
        "model/test_openai",
    ),
    (
        "a run begins where there is nothing to do",
        "src/run/door.c",
        "    } else if (!session_has_work(s)) {\n        kind = REPLY_NOTHING;",
        "    } else if (false) {\n        kind = REPLY_NOTHING;",
        "engine/test_door",
    ),
    (
        "an answer is stored, and nothing goes on",
        "src/run/questions.c",
        "    else if (session_has_work(c->s))\n        door_go_on(c, ORIGIN_ANSWER);",
        "",
        "engine/test_door",
    ),
    (
        "what was asked for meanwhile does not follow the run",
        "src/run/run.c",
        "    if (had_rounds || queued) /* else another one would end as this one did */",
        "    if (had_rounds && !queued)",
        "engine/test_door",
    ),
    (
        "a refused append forgets a session that must go on",
        "src/engine/live.c",
        "    bool unfinished = l->unfinished || l->timed || session_is_unfinished(&l->published);",
        "    bool unfinished = l->unfinished;",
        "engine/test_door",
    ),
    (
        "what could not be stored is carried out all the same",
        "src/engine/live.c",
        "    e->ports.abandon(e->ports.arg, l->id);\n    map_take(e->deadlines, l->id); /* its timers are gone */",
        "    l->stored = l->sent;\n    held_drain(e, l);\n    e->ports.abandon(e->ports.arg, l->id);",
        "engine/test_door",
    ),
    (
        "a request may ask for more than the configuration allows",
        "src/face/bamboo/turn.c",
        "    return asked < allowed ? asked : allowed;",
        "    return asked;",
        "face/test_face",
    ),
    (
        "a limit of days is one of a day",
        "src/engine/held.c",
        "    in.wait_ms = f->in_ms > LIMIT_TIMER_MS ? f->in_ms - LIMIT_TIMER_MS : 0;",
        "    in.wait_ms = 0;",
        "engine/test_timers",
    ),
    (
        "a short run has a minute to end with",
        "src/run/budget.c",
        "    arm(c, most < LIMIT_CLOSING_MS ? most : LIMIT_CLOSING_MS);",
        "    arm(c, LIMIT_CLOSING_MS);",
        "run/test_budget",
    ),
    (
        "a session's time is not that of its runs",
        "src/session/session.c",
        "    s->spent.ms = amount_add(s->spent.ms, f->ms);\n",
        "",
        "run/test_budget",
    ),
    (
        "more time for a session comes too late for its run",
        "src/run/budget.c",
        "    if (passed < most) {",
        "    if (false) {",
        "run/test_budget",
    ),
    (
        "a look back takes as long as it takes",
        "src/store/sqlite/past.c",
        "    if (clock_mono_ms() > p->until_ms)",
        "    if (false)",
        "store/test_sqlite_long",
    ),
    (
        "erasures that nobody is told of any more stay",
        "src/store/sqlite/feed.c",
        "    if (rc < 0 || pos <= LIMIT_FEED_FACTS)",
        "    if (rc < 0 || pos > 0)",
        "store/test_sqlite_long",
    ),
    (
        "what was refused for a moment is kept",
        "src/session/receipt.c",
        "    case REPLY_UNAVAILABLE:\n        return false;",
        "        return false;",
        "session/test_receipt",
    ),
    (
        "what follows a lost receipt is stored",
        "src/engine/live.c",
        "    a.epoch = new_epoch(e, l);",
        "    a.epoch = l->epoch != 0 ? l->epoch : new_epoch(e, l);",
        "engine/test_keyed",
    ),
    (
        "a receipt of an erased session is taken for one of the new",
        "src/engine/engine.c",
        "    keyed_erased(e, l->id);\n",
        "",
        "engine/test_keyed",
    ),
    (
        "nothing waits for the receipt of a session that is not there",
        "src/engine/live.c",
        "        l->state = LIVE_NOTING;",
        "        (void)0;",
        "engine/test_keyed",
    ),
    (
        "commits are not synced",
        "src/store/sqlite/db.c",
        "PRAGMA synchronous=FULL",
        "PRAGMA synchronous=OFF",
        "store/test_sqlite_power",
    ),
    (
        "the log's end is not synced before it is acknowledged",
        "src/store/sqlite/db.c",
        "PRAGMA synchronous=FULL",
        "PRAGMA synchronous=NORMAL",
        "store/test_sqlite_power",
    ),
    (
        "a connection whose sync failed is used again",
        "src/store/sqlite/writer.c",
        "w->db.h != NULL && (w->db.failed & 0xff) != SQLITE_IOERR",
        "w->db.h != NULL",
        "store/test_sqlite_disk",
    ),
    (
        "what the full disk did not take is acknowledged",
        "src/store/sqlite/writer.c",
        "rc == 0 || rc == -ERR_REFUSED ? rc : -ERR_STORAGE",
        "rc == -ERR_REFUSED ? rc : 0",
        "store/test_sqlite_disk",
    ),
    (
        "commits are not synced",
        "src/store/sqlite/db.c",
        "PRAGMA synchronous=FULL;",
        "PRAGMA synchronous=NORMAL;",
        "store/test_sqlite_power",
    ),
    (
        "a transaction that could not be left is forgotten",
        "src/store/sqlite/db.c",
        "db_run(db, sql, NO_VALUES, &ignored) < 0)\n        db_close(db);",
        "db_run(db, sql, NO_VALUES, &ignored) < 0)\n        (void)0;",
        "store/test_sqlite_db",
    ),
    (
        "damage of a fact is not seen",
        "src/store/sqlite/fact_row.c",
        "return fact_crc(sid, &f, row->kind, row->body) == row->crc;",
        "return true;",
        "store/test_sqlite_damage",
    ),
    (
        "a missing fact is passed over",
        "src/store/sqlite/query_log.c",
        "p->facts[p->n].seq != next_seq(p))",
        "p->facts[p->n].seq < next_seq(p))",
        "store/test_sqlite_damage",
    ),
    (
        "who is told something is told it twice when he asks for the next thing",
        "src/engine/held.c",
        "if (l->draining)",
        "if (l->draining && l->stored > l->sent)",
        "engine/test_door",
    ),
    (
        "who writes to a session that goes is forgotten",
        "src/engine/engine.c",
        "    if (list_is_empty(&l->inputs)) {\n        live_free(e, l);",
        "    if (!list_is_empty(&l->inputs)) {\n        live_free(e, l);",
        "engine/test_door",
    ),
    (
        "the ring is off by one",
        "src/engine/hub.c",
        "(h->head - h->tail == h->capacity ||",
        "(h->head - h->tail == h->capacity + 1 ||",
        "engine/test_hub",
    ),
    (
        "a wake-up of the workers is lost",
        "src/net/workers.c",
        "    pthread_cond_signal(&w->more);\n",
        "",
        "net/test_workers",
    ),
    (
        "a wake-up of the loop is lost",
        "src/net/loop.c",
        "        wakeup_signal(l->wakeup);",
        "        (void)l;",
        "net/test_loop",
    ),
    (
        "a cursor is compared signed",
        "src/face/cursor.c",
        "if (at->after > last_seq)",
        "if ((int64_t)at->after > (int64_t)last_seq)",
        "face/test_cursor",
    ),
    (
        "a half of the token is enough",
        "src/face/door.c",
        "sodium_memcmp(shown, rules->token_hash, sizeof(shown))",
        "sodium_memcmp(shown, rules->token_hash, 0)",
        "face/test_door",
    ),
    (
        "an overlong character is let in",
        "src/base/utf8.c",
        "lead >= 0xc2",
        "lead >= 0xc0",
        "base/test_utf8",
    ),
    (
        "a line of an event that comes in two parts is cut",
        "src/model/sse_reader.c",
        "        if (!whole) {\n            buf_add_str(&r->line, line);",
        "        if (!whole) {",
        "model/test_sse_reader",
    ),
]


class Copy:
    """The tracked files in a directory of their own, built once; an edit is undone after its test."""

    def __init__(self, directory):
        self.tree = pathlib.Path(directory) / "culm"
        self.build = pathlib.Path(directory) / "build"
        files = subprocess.run(["git", "ls-files"], cwd=ROOT, capture_output=True, text=True, check=True).stdout.split()
        for name in files:
            if (ROOT / name).is_file():
                (self.tree / name).parent.mkdir(parents=True, exist_ok=True)
                shutil.copy2(ROOT / name, self.tree / name)
        self.run("meson", "setup", self.build, self.tree, "-Dbuildtype=debugoptimized")
        self.make()

    @staticmethod
    def run(*command):
        done = subprocess.run(command, capture_output=True, text=True)
        if done.returncode != 0:
            sys.exit(f"{command}: {done.stdout[-2000:]}{done.stderr[-2000:]}")

    def make(self):
        self.run("ninja", "-C", self.build, "--quiet")

    def simulate(self, seeds):
        return [str(self.build / "tests" / "sim" / "culm-sim"), "--seeds", str(seeds)]

    def test(self, name):
        return ["meson", "test", "-C", str(self.build), "--no-rebuild", "--print-errorlogs", "-t", "0.3", name]


def what_was_noticed(output):
    found = re.search(
        r"FAILED (seed \d+).*?: (I-[A-Z0-9]+)|Assertion `(.{0,60})|\[  FAILED  \] (\w+)|(TIMEOUT)", output
    )
    return " ".join(g for g in found.groups() if g) if found else "stopped"


def named(command):
    return command[-1] if command[0] == "meson" else f"simulator, at most {command[-1]} seeds"


def misplaced(file, old):
    times = (ROOT / file).read_text().count(old)
    return None if times == 1 else f"the text is there {times} times in {file}"


def try_mutant(copy, name, file, old, new, command):
    if problem := misplaced(file, old):
        return problem
    path = copy.tree / file
    text = path.read_text()
    try:
        path.write_text(text.replace(old, new))
        copy.make()
        done = subprocess.run(command, capture_output=True, text=True, timeout=900)
    except subprocess.TimeoutExpired:
        return None  # it never came to an end: noticed too
    finally:
        path.write_text(text)
    if done.returncode == 0:
        return f"{command[-1]} did not notice"
    print(f"  {name}: {named(command)}: {what_was_noticed(done.stdout + done.stderr)}", flush=True)
    return None


def check():
    problems = [(m[0], problem) for m in SIMULATED + TESTED if (problem := misplaced(m[1], m[2]))]
    for name, problem in problems:
        print(f"{name}: {problem}")
    return 1 if problems else 0


def main():
    part = sys.argv[1] if len(sys.argv) > 1 else ""
    if part == "--check":
        return check()
    failed = 0
    os.environ.setdefault("CCACHE_NOHASHDIR", "1")
    with tempfile.TemporaryDirectory() as directory:
        copy = Copy(directory)
        mutants = [(*m[:4], copy.simulate(m[4])) for m in SIMULATED] + [(*m[:4], copy.test(m[4])) for m in TESTED]
        chosen = [m for m in mutants if part in m[0]]
        copy.run(*copy.simulate(SOUND))  # else every mutant would be noticed
        for mutant in chosen:
            problem = try_mutant(copy, *mutant)
            if problem:
                failed += 1
                print(f"  NOT NOTICED {mutant[0]}: {problem}", flush=True)
    print(f"{len(chosen) - failed} passed, {failed} failed")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
