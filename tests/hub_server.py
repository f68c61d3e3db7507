"""A small Hub on this machine: the endpoints that reading a data set asks for, with real HTTP."""

from __future__ import annotations

import contextlib
import hashlib
import json
import threading
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, unquote, urlsplit

COMMIT = "0123456789abcdef0123456789abcdef01234567"


@dataclass
class Hub:
    """Repositories (name -> path -> bytes) and what was asked for.

    Attributes:
        gated: names of repositories that want a token.
        requests: (method, path) of every request, in order.
    """

    repos: dict[str, dict[str, bytes]]
    gated: set[str] = field(default_factory=set)
    requests: list[tuple[str, str]] = field(default_factory=list)
    url: str = ""

    def downloads(self) -> list[str]:
        """Paths of files whose bytes were sent."""
        return [path for method, path in self.requests if method == "GET" and "/resolve/" in path]


def _oid(data: bytes) -> str:
    return hashlib.sha1(data).hexdigest()


class _Handler(BaseHTTPRequestHandler):
    hub: Hub
    protocol_version = "HTTP/1.1"

    def log_message(self, format: str, *args: Any) -> None:
        """Quiet."""

    def _send(self, status: int, body: bytes = b"", headers: Mapping[str, str] | None = None) -> None:
        self.send_response(status)
        for name, value in (headers or {}).items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)

    def _json(self, value: Any) -> None:
        self._send(200, json.dumps(value).encode(), {"Content-Type": "application/json"})

    def _no(self, code: str, status: int = 404) -> None:
        self._send(status, b"{}", {"X-Error-Code": code, "X-Error-Message": code, "X-Repo-Commit": COMMIT})

    def do_HEAD(self) -> None:
        self._answer()

    def do_GET(self) -> None:
        self._answer()

    def do_POST(self) -> None:
        self._answer()

    def _answer(self) -> None:
        split = urlsplit(self.path)
        path = unquote(split.path)
        self.hub.requests.append((self.command, path))
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        parts = path.strip("/").split("/")
        is_api = parts[0] == "api"
        parts = parts[1:] if is_api else parts
        repo = "/".join(parts[1:3])
        if parts[0] != "datasets" or repo not in self.hub.repos:
            return self._no("RepoNotFound")
        files, action, rest = self.hub.repos[repo], parts[3:4], parts[4:]
        if action == ["revision"] and rest[0] not in ("main", "v1", COMMIT):
            return self._no("RevisionNotFound")
        if is_api and action in ([], ["revision"]):
            siblings = [{"rfilename": name} for name in files]
            gated = "manual" if repo in self.hub.gated else False
            return self._json({"id": repo, "sha": COMMIT, "siblings": siblings, "private": False, "gated": gated})
        needs_token = not is_api or action == ["auth-check"]
        if needs_token and repo in self.hub.gated and self.headers.get("Authorization") != "Bearer token":
            return self._no("GatedRepo", 401)
        if action == ["auth-check"]:
            return self._send(200)
        if action == ["tree"]:
            return self._tree(
                files, "/".join(rest[1:]), "true" in parse_qs(split.query).get("recursive", ["false"])[0].lower()
            )
        if action == ["paths-info"]:
            asked = self._asked_paths(body)
            return self._json([entry for path in asked for entry in self._entries(files, path)])
        if action == ["resolve"]:
            return self._file(files, "/".join(rest[1:]))
        return self._no("EntryNotFound")

    def _asked_paths(self, body: bytes) -> list[str]:
        if self.headers.get("Content-Type", "").startswith("application/json"):
            return json.loads(body)["paths"]
        return parse_qs(body.decode()).get("paths", [])

    def _entries(self, files: dict[str, bytes], path: str) -> list[dict[str, Any]]:
        if path in files:
            return [{"type": "file", "path": path, "size": len(files[path]), "oid": _oid(files[path])}]
        if any(name.startswith(path + "/") for name in files):
            return [{"type": "directory", "path": path, "oid": _oid(path.encode()), "size": 0}]
        return []

    def _tree(self, files: dict[str, bytes], folder: str, recursive: bool) -> None:
        prefix = f"{folder}/" if folder else ""
        found: dict[str, None] = {}
        for name in files:
            if name.startswith(prefix):
                first, *more = name[len(prefix) :].split("/")
                if more:
                    found[prefix + first] = None
                if recursive or not more:
                    found[name] = None
        if prefix and not found:
            return self._no("EntryNotFound")
        return self._json([entry for path in found for entry in self._entries(files, path)])

    def _file(self, files: dict[str, bytes], path: str) -> None:
        if path not in files:
            return self._no("EntryNotFound")
        data = files[path]
        headers = {"ETag": f'"{_oid(data)}"', "X-Repo-Commit": COMMIT, "Accept-Ranges": "bytes"}
        asked = self.headers.get("Range")
        if not asked:
            return self._send(200, data, headers)
        start, _, end = asked.removeprefix("bytes=").partition("-")
        last = min(int(end), len(data) - 1) if end else len(data) - 1
        headers["Content-Range"] = f"bytes {start}-{last}/{len(data)}"
        return self._send(206, data[int(start) : last + 1], headers)


@contextlib.contextmanager
def serving(repos: dict[str, dict[str, bytes]], gated: set[str] | None = None) -> Iterator[Hub]:
    """A Hub on a free port of this machine's loopback."""
    hub = Hub(repos, gated or set())
    server = ThreadingHTTPServer(("127.0.0.1", 0), type("Handler", (_Handler,), {"hub": hub}))
    hub.url = f"http://127.0.0.1:{server.server_address[1]}"
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield hub
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
