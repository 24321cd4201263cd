# SPDX-License-Identifier: MIT
"""Prompts for the built-in offline model: its script stands in the message, one line per model call."""

import json


def script(*calls, text="play"):
    """script({"say": "hello"}, …): a prompt that makes the model do this, call by call."""
    return "\n".join([text, *(f"#!culm {json.dumps(call, ensure_ascii=False)}" for call in calls)])


def say(text, **more):
    return script({"say": text, **more})


def words(count, word="word"):
    """A text whose every part can be told from every other."""
    return " ".join(f"{word}{i}" for i in range(count))
