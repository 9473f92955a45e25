#!/usr/bin/env python3
"""Sends what the wrapper of November 2025 sends."""

import sys

from cdxref import Wrapper


class Wrapper2025(Wrapper):
    version = "2025.11.29-06"


sys.exit(Wrapper2025("__CODEX_SYNC_BASE_URL__", "__CODEX_SYNC_API_KEY__", "__CODEX_HOST_SECURE__").run(sys.argv[1:]))
