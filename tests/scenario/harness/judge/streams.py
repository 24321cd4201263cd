# SPDX-License-Identifier: MIT
"""Numbered events: what each watcher saw, against the log."""

import bisect

from .story import NEWEST_ONLY, NUMBERED, Finding, canonical, is_user_message, short


def numbers(op):
    return [(seq, event) for _, seq, event, _ in op.frames if seq is not None]


def streams(story):
    for op in story.of("watch"):
        if not op.ok or not op.frames:
            continue
        yield from opening(op)
        yield from slice_of_log(story, op)
        yield from newest_only(story, op)
        if op.closed == "done":
            yield from all_shown(story, op)


def opening(op):
    first = op.frames[0][2]
    if first is None or first["type"] != "stream_opened":
        yield Finding("I-ANSWER", f"{op}: the first frame is {short(op.frames[0][3])}")
    if sum(event is not None and event["type"] == "stream_opened" for _, _, event, _ in op.frames) > 1:
        yield Finding("I-ANSWER", f"{op} was opened twice")


def slice_of_log(story, op):
    before = op.args.get("after")
    for seq, event in numbers(op):
        fact = story.facts.get(seq)
        if fact is None or canonical(fact) != canonical(event):
            yield Finding("I-NOPHANTOM", f"{op} showed {short(event)}; the log has {short(fact)}")
        if event["type"] not in NUMBERED:
            yield Finding("I-PREFIX", f"{op} numbered what has no number: {short(event)}")
        if before is not None and seq <= before:
            yield Finding("I-PREFIX", f"{op} showed {seq} after {before}")
        elif before is not None:
            i = bisect.bisect_right(story.numbered, before)
            missed = story.numbered[i : bisect.bisect_left(story.numbered, seq)]
            at_cursor = before == op.args.get("after")
            if missed:
                yield Finding(
                    "I-RESUME" if at_cursor else "I-PREFIX", f"{op} went from {before} to {seq} without {missed}"
                )
        before = seq


def newest_only(story, op):
    opened = (op.frames[0][2] or {}).get("last_seq", 0)
    before = opened
    for _, seq, event, _ in op.frames:
        if event is None:
            continue
        at = event.get("seq")
        if seq is None and event["type"] in NUMBERED:
            yield Finding("I-PREFIX", f"{op} showed without its number {short(event)}")
        if event["type"] in NEWEST_ONLY:
            fact = story.facts.get(at)
            if story.has_log and (fact is None or not same_but_version(fact, event)):
                yield Finding("I-NOPHANTOM", f"{op} showed {short(event)}; the log has {short(fact)}")
            snapshot = at <= opened and op.args.get("after") is None
            if snapshot and story.has_log and newer(story, event["type"], at, opened):
                yield Finding("I-BUDGET", f"{op} was told {short(event)}, which was outdated when it came ({opened})")
        if at is not None and at > opened:
            if at <= before:
                yield Finding("I-PREFIX", f"{op} showed {at} after {before}")
            before = at


def same_but_version(fact, event):
    """A title is shown with the version that is the newest when it is shown."""
    return canonical(fact) == canonical({k: v for k, v in event.items() if k != "title_version"})


def newer(story, kind, seq, until):
    """Another of this kind between the two. Linear in what follows, which is short where all is well."""
    return any(story.facts.get(s, {}).get("type") == kind for s in range(seq + 1, until + 1))


def all_shown(story, op):
    if op.args.get("after") is None:
        return
    opened = (op.frames[0][2] or {}).get("last_seq", 0)
    last = max([op.args["after"], *(seq for seq, _ in numbers(op))])
    missed = [s for s in story.numbered if last < s <= opened]
    if missed:
        yield Finding("I-RESUME", f"{op} ended with [DONE] at {last}, but {missed} were stored before it was opened")
    i = bisect.bisect_right(story.numbered, last)
    following = story.facts[story.numbered[i]] if i < len(story.numbered) else None
    if story.has_log and following and following["type"] != "execution_started" and not is_user_message(following):
        yield Finding(
            "I-RESUME", f"{op} ended with [DONE] at {last} in the middle of a run: {short(following)} follows"
        )
