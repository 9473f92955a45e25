"""What the wrappers of the product that cdxgate is compatible with say to its API, and what they make of the answers.

Written from the recorded contract (contract/host-api.md 1.4, 2, 18), not from their text. One wrapper differs from the
next in what a subclass sets. CDX_TEST_SOURCE is the address to call from, which no real wrapper has.
"""

import hashlib
import http.client
import json
import os
import pwd
import re
import shutil
import socket
import subprocess
import sys
import tempfile
import urllib.error
import urllib.request
from datetime import datetime, timedelta, timezone

SOURCE = os.environ.get("CDX_TEST_SOURCE", "")
CODEX_DIR = os.path.join(os.path.expanduser("~"), ".codex")
AUTH_FILE = os.path.join(CODEX_DIR, "auth.json")
PLACEHOLDER = {"last_refresh": "2000-01-01T00:00:00Z", "auths": {}}

# What an exchange ended with. The refusals are told apart by their English text.
INVALID_KEY, DISABLED_HOST, OTHER_ADDRESS = 10, 11, 12
KEY_MISSING, UNAUTHORIZED, FORBIDDEN, WINDOW_CLOSED = 21, 22, 23, 24
KILL_SWITCH, OTHER_INSTALLATION = 40, 42
OFFLINE, UNREACHABLE = 2, 3


class Refused(Exception):
    """An answer after which Codex is not started."""


class Offline(Exception):
    """No answer, or one that counts as none: a recent auth.json will do."""


def compact(document):
    return json.dumps(document, ensure_ascii=False, separators=(",", ":"))


def sha256(text):
    return hashlib.sha256(text.encode("utf-8")).hexdigest()


def parsed(text):
    """The JSON object in text; an empty one when it holds none."""
    try:
        document = json.loads(text)
    except ValueError:
        return {}
    return document if isinstance(document, dict) else {}


def read(path):
    """The text of a file; None when it is not there or is no text."""
    try:
        with open(path, "rb") as file:
            return file.read().decode("utf-8")
    except (OSError, UnicodeDecodeError):
        return None


def write(path, text, mode=None):
    os.makedirs(os.path.dirname(path), exist_ok=True)
    with open(path, "w", encoding="utf-8", newline="") as file:
        file.write(text)
    if mode is not None:
        os.chmod(path, mode)


def remove(path):
    try:
        os.unlink(path)
    except FileNotFoundError:
        pass


def instant(text):
    """An RFC 3339 time; those that Codex writes have more digits than Python reads."""
    text = re.sub(r"(\.\d{6})\d*", r"\1", text.strip()).replace("Z", "+00:00")
    moment = datetime.fromisoformat(text)
    return moment if moment.tzinfo else moment.replace(tzinfo=timezone.utc)


def is_text(value):
    return isinstance(value, str) and value.strip() != ""


class FromAddress(urllib.request.HTTPHandler):
    def http_open(self, req):
        source = (SOURCE, 0) if SOURCE else None
        return self.do_open(http.client.HTTPConnection, req, source_address=source)


def attempts():
    """How often a call is made at most: once for each TLS context. The tests speak plain HTTP, so their number is all."""
    return 2 if os.environ.get("CODEX_SYNC_ALLOW_INSECURE", "").lower() in ("1", "true", "yes") else 1


class Library:
    """Files that the fleet shares: where they are here, and the calls that pull and push them."""

    def __init__(self, path, list_name, name, content, local, baseline):
        self.path, self.list_name, self.name, self.content = path, list_name, name, content
        self.local = local  # name -> path
        self.baseline = os.path.join(CODEX_DIR, baseline)


PROMPTS = Library(
    "/slash-commands", "commands", "filename", "prompt",
    lambda name: os.path.join(CODEX_DIR, "prompts", name), ".prompt-baseline.json")
SKILLS = Library(
    "/skills", "skills", "slug", "manifest",
    lambda name: os.path.join(CODEX_DIR, "skills", name, "SKILL.md"), ".skill-baseline.json")


class Wrapper:
    version = ""
    tokens_suffice = False  # an auth.json without auths is a login, too
    faults_are_offline = False  # 5xx counts as no answer, whatever it says
    restarts = False  # runs the new wrapper after it has replaced itself

    def __init__(self, base_url, api_key, secure):
        self.base_url, self.api_key, self.secure = base_url.rstrip("/"), api_key, secure == "1"
        self.self_path = os.path.abspath(sys.argv[0])
        self.username = pwd.getpwuid(os.geteuid()).pw_name
        self.client_version = "unknown"

    def say(self, text):
        print("cdx: " + text, file=sys.stderr, flush=True)

    # HTTP

    def call(self, method, path, body=None, timeout=20, retry_faults=False):
        """Returns status and document of an answer. Raises Offline when there is none."""
        data = None if body is None else compact(body).encode("utf-8")
        failure = answer = None
        for _ in range(attempts()):
            request = urllib.request.Request(self.base_url + path, data=data, method=method)
            request.add_header("X-API-Key", self.api_key)
            request.add_header("Content-Type", "application/json")
            try:
                with urllib.request.build_opener(FromAddress).open(request, timeout=timeout) as response:
                    return response.status, parsed(response.read())
            except urllib.error.HTTPError as refusal:
                answer = refusal.code, parsed(refusal.read())
                if not retry_faults or refusal.code < 500:
                    return answer
            except (OSError, http.client.HTTPException) as error:
                failure = error
        if answer:
            return answer
        raise Offline(UNREACHABLE, str(failure))

    def curl(self, *arguments):
        """What curl prints; None when it fails."""
        command = ["curl", "-fsS", "-H", "X-API-Key: " + self.api_key]
        if SOURCE:
            command += ["--interface", SOURCE]
        done = subprocess.run(command + list(arguments), stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, check=False)
        return done.stdout if done.returncode == 0 else None

    def report_user(self):
        """Tells who runs cdx here, and returns who ever did."""
        body = compact({"username": self.username, "hostname": socket.gethostname()})
        text = self.curl(
            "-X", "POST", "-H", "Content-Type: application/json", "--data-binary", body, self.base_url + "/host/users")
        users = (parsed(text or b"").get("data") or {}).get("users") or []
        return [user if isinstance(user, str) else user.get("username") for user in users]

    # auth.json

    def is_login(self, auth):
        if not isinstance(auth, dict) or not is_text(auth.get("last_refresh")):
            return False
        auths = auth.get("auths")
        if isinstance(auths, dict) and auths:
            return all(isinstance(entry, dict) and is_text(entry.get("token")) for entry in auths.values())
        tokens = auth.get("tokens") or {}
        return self.tokens_suffice and (is_text(tokens.get("access_token")) or is_text(auth.get("OPENAI_API_KEY")))

    def held(self):
        """The login on disk; None when there is none. What is no login is deleted."""
        text = read(AUTH_FILE)
        if text is None:
            return None
        auth = parsed(text)
        if self.is_login(auth):
            return auth
        self.say("auth.json is no login; deleted")
        remove(AUTH_FILE)
        return None

    def auth(self, body):
        """One POST /auth. Raises Refused or Offline unless it is answered with 200."""
        body = dict(body, client_version=self.client_version, wrapper_version=self.version)
        status, document = self.call("POST", "/auth", body, retry_faults=True)
        if status != 200:
            self.refuse(status, document)
        return document.get("data") or {}

    def refuse(self, status, document):
        message, details = document.get("message") or "", document.get("details") or {}
        reason = "%d %s" % (status, message)
        lowered = message.lower()
        if status >= 500 and self.faults_are_offline:
            raise Offline(OFFLINE, reason)
        if status == 401:
            if "Invalid API key" in message:
                remove(AUTH_FILE)
                raise Refused(INVALID_KEY, reason)
            raise Refused(KEY_MISSING if "API key missing" in message else UNAUTHORIZED, reason)
        if status == 403:
            if "host is disabled" in lowered:
                remove(AUTH_FILE)
                raise Refused(DISABLED_HOST, reason)
            if "insecure host api access disabled" in lowered or details.get("code") == "insecure_api_disabled":
                raise Refused(WINDOW_CLOSED, reason)
            if "not allowed from this IP" in message or details.get("expected_ip") or details.get("received_ip"):
                raise Refused(OTHER_ADDRESS, reason)
            raise Refused(FORBIDDEN, reason)
        if status == 503 and "disabled" in lowered:
            raise Refused(KILL_SWITCH, reason)
        raise Offline(OFFLINE, reason)

    def retrieve_extras(self):
        """Members of a retrieve beside those that every wrapper sends."""
        return {}

    def sync_auth(self):
        """Makes the login on disk the fleet's, or the fleet's the one on disk. Returns the retrieve's data."""
        auth = self.held() or PLACEHOLDER
        data = self.auth({
            "command": "retrieve", "last_refresh": auth["last_refresh"], "digest": sha256(compact(auth)),
            **self.retrieve_extras()})
        # Without the object this ends in an exception, and so does the wrapper.
        self.quota_status = data.get("chatgpt_usage").get("status")
        status, answer = data.get("status"), data
        if status == "outdated":
            auth = data["auth"]
        elif status != "valid":
            answer = self.auth({
                "command": "store", "auth": auth, "digest": data.get("canonical_digest") or data.get("digest")})
            auth = answer.get("auth") or auth
        canonical = answer.get("canonical_last_refresh") or answer.get("last_refresh")
        if canonical:
            auth["last_refresh"] = canonical
        write(AUTH_FILE, json.dumps(auth, ensure_ascii=False, indent=2), 0o600)
        secure = (data.get("host") or {}).get("secure")
        if isinstance(secure, (bool, int)):
            self.secure = bool(secure)
        return data

    def good_offline(self):
        """Whether the login on disk is recent enough to run without an answer."""
        auth = self.held()
        if auth is None:
            return False
        try:
            age = datetime.now(timezone.utc) - instant(auth["last_refresh"])
        except ValueError:
            return False
        return timedelta(minutes=-5) <= age <= (timedelta(days=7) if self.secure else timedelta(hours=24))

    def limit_percent(self, data):
        return 100

    def quota_allows(self, data):
        usage = data.get("chatgpt_usage")
        used = [(usage.get(window) or {}).get("used_percent") for window in ("primary_window", "secondary_window")]
        if used[1] is None:
            return False  # the summary cannot be drawn without the week's figure, and that ends the wrapper
        limit = self.limit_percent(data)
        blocked = usage.get("status") == "limit_reached" or any(u is not None and u >= limit for u in used)
        return not (blocked and data.get("quota_hard_fail", True))

    def summary(self, data):
        """What the wrapper shows before it starts Codex: a member of another type than it expects ends it here."""
        month, usage, versions = data["token_usage_month"], data["chatgpt_usage"], data["versions"]
        self.say("host | api calls %d; tokens this month: total %d in %d out %d cached %d reasoning %d in %d sessions" % (
            data["api_calls"], *(month[name] for name in ("total", "input", "output", "cached", "reasoning", "events"))))
        for name in ("primary_window", "secondary_window"):
            window = usage[name]
            shown = "%d%% of %d h" % (window["used_percent"], window["limit_seconds"] // 3600)
            if window["reset_after_seconds"] is not None:
                shown += " | resets in %d m" % (window["reset_after_seconds"] // 60)
            elif window["reset_at"] is not None:
                shown += " | resets @ " + window["reset_at"]
            self.say(name + " | " + shown)
        for value in (
                usage["plan_type"], usage["next_eligible_at"], versions["client_version"], versions["runner_state"],
                versions["runner_last_ok"], versions["runner_last_fail"], versions["runner_last_check"]):
            if value is not None and not is_text(value):
                raise TypeError("%r is no text" % (value,))
        for value in (versions["runner_enabled"], data["quota_hard_fail"]):
            if not isinstance(value, bool):
                raise TypeError("%r is neither true nor false" % (value,))

    # shared files

    def try_call(self, method, path, body=None, timeout=20):
        """Returns an answer's data; None when it is not 200, which is a warning and no more."""
        try:
            status, document = self.call(method, path, body, timeout)
        except Offline as offline:
            self.say("%s %s: %s" % (method, path, offline.args[1]))
            return None
        if status != 200:
            self.say("%s %s: %d %s" % (method, path, status, document.get("message")))
            return None
        return document.get("data") or {}

    def pull_library(self, library):
        listed = self.try_call("GET", library.path)
        if listed is None:
            return
        baseline = {}
        for entry in listed[library.list_name]:
            name, path = entry[library.name], library.local(entry[library.name])
            if entry.get("deleted_at"):
                remove(path)
                continue
            text = read(path)
            if text is None or sha256(text) != entry["sha256"]:
                body = {library.name: name}
                if text is not None:
                    body["sha256"] = sha256(text)
                data = self.try_call("POST", library.path + "/retrieve", body) or {}
                if data.get("status") != "unchanged" and isinstance(data.get(library.content), str):
                    write(path, data[library.content])
                    text = read(path)
            if text is not None:
                baseline[name] = sha256(text)
        write(library.baseline, compact(baseline))

    def push_library(self, library, names, front_matter):
        baseline, local = parsed(read(library.baseline) or ""), {}
        failed = False
        for name in names:
            text = read(library.local(name))
            if text is None:
                continue
            local[name] = sha256(text)
            if baseline.get(name) == local[name]:
                continue
            body = {library.name: name, library.content: text, "sha256": local[name]}
            body.update(front_matter(text))
            data = self.try_call("POST", library.path + "/store", body) or {}
            failed = failed or data.get("status") not in ("created", "updated", "unchanged")
        if not failed:
            write(library.baseline, compact(local))

    def pull(self):
        self.pull_library(PROMPTS)

    def push(self):
        self.push_library(PROMPTS, entries("prompts", os.path.isfile), prompt_front_matter)

    # the wrapper itself

    def update(self, versions, force=False):
        """Replaces this file by the wrapper that the gateway announces. Returns whether it did."""
        version, digest = versions.get("wrapper_version"), versions.get("wrapper_sha256")
        if not version:
            return False
        with open(self.self_path, "rb") as file:
            own = hashlib.sha256(file.read()).hexdigest()
        if not force and version == self.version and (not digest or digest == own):
            return False
        url = versions.get("wrapper_url") or "/wrapper/download"
        script = self.curl(self.base_url + url if url.startswith("/") else url)
        if script is None:
            self.say("wrapper: download error")
            return False
        if digest and hashlib.sha256(script).hexdigest() != digest:
            self.say("wrapper: the download is not the announced one; kept %s" % self.version)
            return False
        handle, path = tempfile.mkstemp(dir=os.path.dirname(self.self_path))
        with os.fdopen(handle, "wb") as file:
            file.write(script)
        os.chmod(path, 0o755)
        os.replace(path, self.self_path)
        self.say("wrapper: %s -> %s" % (self.version, version))
        return True

    def known_users(self):
        return self.report_user() or [self.username]

    def uninstall(self):
        users = self.known_users()
        self.curl("-X", "DELETE", self.base_url + "/auth?force=1")
        shutil.rmtree(CODEX_DIR, ignore_errors=True)
        remove(self.self_path)
        print("uninstalled for " + " ".join(users))
        return 0

    # one run

    def run_codex(self, arguments):
        done = subprocess.run(
            ["codex"] + arguments, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, check=False)
        text = done.stdout.decode("utf-8", "replace")
        sys.stdout.write(text)
        sys.stdout.flush()
        return done.returncode, text

    def report_usage(self, text):
        entries = [entry for entry in map(usage_of, text.splitlines()) if entry]
        if not entries:
            return
        for attempt in range(2):
            try:
                status, document = self.call("POST", "/usage", {"usages": entries}, timeout=10)
            except Offline as offline:
                status, document = 0, {"message": offline.args[1]}
            if 200 <= status < 300 or (status == 503 and "disabled" in (document.get("message") or "")):
                return
            self.say("usage: %d %s" % (status, document.get("message")))
            for entry in entries:
                entry.pop("line", None)

    def run(self, arguments):
        first = arguments[0] if arguments else ""
        if first in ("--wrapper-version", "-W"):
            print("cdx wrapper " + self.version)
            return 0
        if first == "--uninstall":
            return self.uninstall()
        said = subprocess.run(["codex", "-V"], stdout=subprocess.PIPE, check=False).stdout.decode("utf-8", "replace")
        found = re.search(r"\d[\w.+-]*", said)
        self.client_version = found.group() if found else "unknown"

        self.report_user()
        data, offline = None, 0
        try:
            data = self.sync_auth()
        except Refused as refused:
            self.say("auth: " + refused.args[1])
            return refused.args[0]
        except Offline as failure:
            self.say("auth: offline: " + failure.args[1])
            offline = failure.args[0]
        self.pull()
        if data is not None:
            force = first in ("--update", "-U")
            updated = self.update(data.get("versions") or {}, force)
            if force:
                return 0 if updated else 1
            if updated:
                return self.after_update(arguments)
            self.summary(data)
            if not self.quota_allows(data):
                return 1
        elif not self.good_offline():
            return offline

        before = (self.held() or PLACEHOLDER)["last_refresh"]
        status, text = self.run_codex(arguments)
        self.report_usage(text)
        auth = parsed(read(AUTH_FILE) or "")
        if auth.get("last_refresh") != before:
            try:
                self.sync_auth()
            except (Refused, Offline) as failure:
                self.say("auth push: " + failure.args[1])
        self.push()
        if not self.secure:
            remove(AUTH_FILE)
        return status

    def after_update(self, arguments):
        if not self.restarts:
            self.say("restart cdx")
            return 0
        if os.environ.get("CODEX_WRAPPER_RESTARTED"):
            self.say("wrapper: update loop")
            return 1
        os.environ.update(CODEX_SKIP_MOTD="1", CODEX_WRAPPER_RESTARTED="1")
        os.execv(self.self_path, [self.self_path] + arguments)


def entries(directory, wanted):
    """Names in a directory of ~/.codex."""
    directory = os.path.join(CODEX_DIR, directory)
    try:
        names = sorted(os.listdir(directory))
    except FileNotFoundError:
        return []
    return [name for name in names if wanted(os.path.join(directory, name))]


def front_matter(text, names):
    """The members of the block between two lines of three dashes, as far as they are named: name there -> name here."""
    lines = text.splitlines()
    if not lines or lines[0].strip() != "---":
        return {}
    members = {}
    for line in lines[1:]:
        if line.strip() == "---":
            return members
        key, colon, value = line.partition(":")
        if colon and key.strip().lower() in names:
            members[names[key.strip().lower()]] = value.strip()
    return {}


def prompt_front_matter(text):
    return front_matter(text, {"description": "description", "argument-hint": "argument_hint"})


def skill_front_matter(text):
    return front_matter(text, {"name": "display_name", "description": "description"})


def usage_of(line):
    """The entry that a line such as "Token usage: total=1,200 input=900 (+ 128 cached) output=300" makes."""
    if "token usage" not in line.lower():
        return None
    entry = {}
    for name, pattern in (
            ("total", r"total=([\d,]+)"), ("input", r"input=([\d,]+)"), ("output", r"output=([\d,]+)"),
            ("cached", r"\+ ([\d,]+) cached"), ("reasoning", r"reasoning ([\d,]+)")):
        found = re.search(pattern, line)
        if found:
            entry[name] = int(found.group(1).replace(",", ""))
    entry["line"] = line.strip()[:240]
    return entry
