# SPDX-License-Identifier: MIT
"""Judges transcripts once more: `python -m soak.again FILE…`."""

import sys

from harness.history import read
from harness.judge import judge


def main(paths):
    count = 0
    for path in paths:
        for finding in judge(*read(path)):
            count += 1
            print(f"{path}: {finding}")
    print(f"{count} findings")
    return 1 if count else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
