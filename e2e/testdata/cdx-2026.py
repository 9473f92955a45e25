#!/usr/bin/env python3
"""Sends what the wrapper of January 2026 sends."""

import os
import sys

from cdxref import CODEX_DIR, OTHER_INSTALLATION, SKILLS, Refused, Wrapper, entries, read, remove, sha256, skill_front_matter, write


class Wrapper2026(Wrapper):
    version = "2026.01.09-01"
    tokens_suffice = True
    faults_are_offline = True
    restarts = True

    def retrieve_extras(self):
        # The wrapper does not export what was baked into it, so this is sent only where somebody else has.
        installation = os.environ.get("CODEX_INSTALLATION_ID")
        return {"installation_id": installation} if installation else {}

    def sync_auth(self):
        data = super().sync_auth()
        installation = os.environ.get("CODEX_INSTALLATION_ID")
        if installation and installation != (data.get("versions") or {}).get("installation_id"):
            raise Refused(OTHER_INSTALLATION, "another installation answers")
        return data

    def limit_percent(self, data):
        return min(100, max(50, data.get("quota_limit_percent") or 100))

    def summary(self, data):
        super().summary(data)
        self.say("policy | limit %d%%, week in %d parts, installation %s" % (
            data["quota_limit_percent"], data["quota_week_partition"], data["versions"]["installation_id"]))
        for value in (data["cdx_silent"], data["host"]["vip"]):
            if not isinstance(value, bool):
                raise TypeError("%r is neither true nor false" % (value,))

    def pull(self):
        super().pull()
        self.pull_library(SKILLS)
        self.pull_file("/agents/retrieve", "AGENTS.md")
        self.pull_file("/config/retrieve", "config.toml")

    def pull_file(self, path, name):
        local = os.path.join(CODEX_DIR, name)
        text = read(local)
        data = self.try_call("POST", path, {} if text is None else {"sha256": sha256(text)}) or {}
        if data.get("status") == "missing":
            remove(local)  # even if nobody but the user ever wrote it
        elif data.get("status") == "updated":
            write(local, data["content"])

    def push(self):
        super().push()
        self.push_library(SKILLS, entries("skills", os.path.isdir), skill_front_matter)

    def known_users(self):
        self.report_user()  # a reversed condition loses what it returns
        return [self.username]


sys.exit(Wrapper2026("__CODEX_SYNC_BASE_URL__", "__CODEX_SYNC_API_KEY__", "__CODEX_HOST_SECURE__").run(sys.argv[1:]))
