# SPDX-License-Identifier: MIT
"""The means of the scenario tests: the real server, watchers, a scripted provider, and checks of what was seen."""
