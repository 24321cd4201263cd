# SPDX-License-Identifier: MIT
"""Long runs against the real server, for `./dev soak`; test_soak.py makes short ones of them."""
