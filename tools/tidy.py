#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""clang-tidy over the translation units of a build directory, in parallel.

A unit that was clean is not looked at again until its preprocessed text or the configuration changes; the memory
of that is outside the checkout, as the compiler cache is, so that a fresh clone has it too.
"""

import hashlib
import json
import os
import shlex
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
CACHE = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "culm-dev" / "tidy"
TIDY = "clang-tidy-19"
PRODUCTS = ("-o", "-MF", "-MQ")


def preprocess_command(unit):
    words = [w for w in shlex.split(unit["command"]) if not w.endswith("ccache")]
    command, skip = [], False
    for word in words:
        if skip:
            skip = False
        elif word in PRODUCTS:
            skip = True
        elif word not in ("-c", "-MD"):
            command.append(word)
    return [*command, "-E", "-P"]


def key_of(unit):
    done = subprocess.run(preprocess_command(unit), cwd=unit["directory"], capture_output=True, check=True)
    digest = hashlib.sha256((ROOT / ".clang-tidy").read_bytes())
    digest.update(done.stdout)
    # Comments are gone by now, but they hold the exceptions.
    digest.update((Path(unit["directory"]) / unit["file"]).read_bytes())
    return digest.hexdigest()


def look_at(unit):
    stamp = CACHE / key_of(unit)
    if stamp.exists():
        return None
    command = [TIDY, "--quiet", "--warnings-as-errors=*", "-p", unit["directory"], unit["file"]]
    done = subprocess.run(command, cwd=unit["directory"], capture_output=True, text=True, check=False)
    if done.returncode == 0:
        stamp.touch()
        return None
    return done.stdout or done.stderr


def main():
    build = Path(sys.argv[1])
    CACHE.mkdir(parents=True, exist_ok=True)
    units = {u["file"]: u for u in json.loads((build / "compile_commands.json").read_text())}
    with ThreadPoolExecutor(os.cpu_count()) as pool:
        found = [text for text in pool.map(look_at, units.values()) if text]
    print("\n".join(found) if found else f"{len(units)} units are clean")
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())
