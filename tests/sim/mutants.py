#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Puts one defect at a time into a copy of the source and sees that the simulator notices.

Each mutant is an edit of one place. The simulator is built from the edited copy and must fail
within the given number of seeds; a mutant that lives is a hole in the simulator.
"""

import pathlib
import re
import shutil
import subprocess
import sys
import tempfile

ROOT = pathlib.Path(__file__).resolve().parents[2]

# (name, file, text, replacement, seeds)
MUTANTS = [
    (
        "acts before the commit",
        "src/engine/live.c",
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
        "src/run/machine.c",
        "starts = in->execute && !was_running && mismatch == NULL;",
        "starts = in->execute && mismatch == NULL;",
        50,
    ),
    (
        "calls stay open after a stop",
        "src/run/machine.c",
        "        calls_drop_proposed(c);\n",
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
        "src/run/round.c",
        "return r->limits.max_tokens > 0 && r->used_tokens >= r->limits.max_tokens;",
        "return r->limits.max_tokens > 0 && r->used_tokens - r->reserved_tokens > r->limits.max_tokens + 500;",
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
        "timers outlive their session",
        "src/engine/engine.c",
        "if (in->set_by != 0 && in->set_by != l->token)",
        "if (false)",
        10000,
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
        "src/run/machine.c",
        "    if (c->s->inbox > 0)\n        start_run(c, ORIGIN_HTTP, &limits);\n",
        "    (void)limits;\n",
        500,
    ),
]


def build(tree):
    sources = [
        str(p)
        for d in ("tests/sim", "src/engine", "src/run", "src/session", "src/base")
        for p in sorted((tree / d).glob("*.c"))
    ] + [str(tree / "src/store/store.c")]
    out = tree / "sim"
    command = [
        "gcc",
        "-std=gnu17",
        "-D_GNU_SOURCE",
        "-O1",
        "-w",
        f"-I{tree}/src",
        f"-I{tree}/tests/sim",
        *sources,
        "-lsodium",
        "-lyajl",
        "-lpthread",
        "-o",
        str(out),
    ]
    subprocess.run(command, check=True)
    return out


def try_mutant(name, file, old, new, seeds):
    with tempfile.TemporaryDirectory() as tmp:
        tree = pathlib.Path(tmp)
        for part in ("src", "tests/sim"):
            shutil.copytree(ROOT / part, tree / part)
        path = tree / file
        text = path.read_text()
        if text.count(old) != 1:
            return f"the text is there {text.count(old)} times"
        path.write_text(text.replace(old, new))
        sim = build(tree)
        try:
            run = subprocess.run([str(sim), "--seeds", str(seeds)], capture_output=True, text=True, timeout=900)
        except subprocess.TimeoutExpired:
            return None  # it never came to an end: noticed too
        if run.returncode == 0:
            return f"lived through {seeds} seeds"
        found = re.search(r"FAILED (seed \d+).*?: (I-[A-Z0-9]+)|Assertion `(.{0,60})", run.stderr)
        print(f"  {name}: {' '.join(g for g in found.groups() if g) if found else 'stopped'}", flush=True)
        return None


def main():
    failed = 0
    chosen = [m for m in MUTANTS if (len(sys.argv) < 2 or sys.argv[1] in m[0])]
    for mutant in chosen:
        problem = try_mutant(*mutant)
        if problem:
            failed += 1
            print(f"  NOT NOTICED {mutant[0]}: {problem}", flush=True)
    print(f"{len(chosen) - failed} passed, {failed} failed")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
