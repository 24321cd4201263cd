# SPDX-License-Identifier: MIT
"""How a long run ends that looked for what is wrong."""


def tell(wrong):
    """Says it, in words; the exit code."""
    for line in wrong:
        print(f"WRONG: {line}")
    print("not good" if wrong else "good")
    return 1 if wrong else 0
