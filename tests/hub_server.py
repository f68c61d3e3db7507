"""Small hubs on this machine, with real HTTP: the routes that data sets and models are asked for, and ModelScope's."""

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
class Model:
    """A model's repository: commit -> path -> bytes, and the names that stand for commits."""

    commits: dict[str, dict[str, bytes]]
    refs: dict[str, str]
    is_private: bool = False


def model(files: dict[str, bytes], commit: str = COMMIT) -> Model:
    return Model({commit: files}, {"main": commit, "master": commit, "v1": commit})


@dataclass
class Hub:
    """Repositories (name -> path -> bytes) and what was asked for.

    Attributes:
        gated: names of repositories that want a token.
        requests: (method, path) of every request, in order.
        models: repositories of models; on ModelScope's routes under the same names.
        num_sent: path of a model's file -> bytes sent of it.
        headers: (path, headers) of every request for a model.
        spoilt: names of models' files -> what is sent instead.
        cuts: after how many bytes the next answers break off, one after the other.
        hold_after: after how many bytes large files stop coming until `released` is set; `held` says when.
    """

    repos: dict[str, dict[str, bytes]]
    gated: set[str] = field(default_factory=set)
    requests: list[tuple[str, str]] = field(default_factory=list)
    url: str = ""
    models: dict[str, Model] = field(default_factory=dict)
    num_sent: dict[str, int] = field(default_factory=dict)
    headers: list[tuple[str, dict[str, str]]] = field(default_factory=list)
    spoilt: dict[str, bytes] = field(default_factory=dict)
    cuts: list[int] = field(default_factory=list)
    hold_after: int | None = None
    held: threading.Event = field(default_factory=threading.Event)
    released: threading.Event = field(default_factory=threading.Event)

    def reset(self) -> None:
        """Forget what was asked for, and answer as a hub should again."""
        for known in (self.requests, self.num_sent, self.headers, self.spoilt, self.cuts):
            known.clear()
        self.hold_after = None
        self.held.clear()
        self.released.clear()

    def fetched(self) -> set[str]:
        """Names of the models' files whose bytes were sent."""
        return {path.rsplit("/", 1)[-1] for path, num in self.num_sent.items() if num}

    def downloads(self) -> list[str]:
        """Paths of files whose bytes were sent."""
        return [path for method, path in self.requests if method == "GET" and "/resolve/" in path]


def _oid(data: bytes) -> str:
    """git's id of a content."""
    return hashlib.sha1(b"blob %d\0" % len(data) + data).hexdigest()


def _is_large(path: str) -> bool:
    return path.endswith((".safetensors", ".bin"))


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
        if parts[:3] == ["api", "v1", "models"]:
            return self._modelscope(parts[3:], parse_qs(split.query))
        if parts[0] == "cdn":
            return self._large(*parts[1:])
        if parts[:2] == ["api", "models"] or "/".join(parts[:2]) in self.hub.models:
            return self._model(parts[2:] if parts[0] == "api" else parts, parts[0] == "api")
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

    # -- models ----------------------------------------------------------------------------------------------------

    def _model(self, parts: list[str], is_api: bool) -> None:
        name, action, rest = "/".join(parts[:2]), parts[2:3], parts[3:]
        self.hub.headers.append((self.path, {key.lower(): text for key, text in self.headers.items()}))
        found, token = self.hub.models.get(name), self.headers.get("Authorization")
        if token not in (None, "Bearer token"):
            message = "Invalid credentials in Authorization header"
            return self._send(401, b"{}", {"X-Error-Message": message})
        if found is None or (found.is_private and token is None):
            return self._no("RepoNotFound", 401 if token is None else 404)
        revision = rest[0] if rest else "main"
        commit = found.refs.get(revision, revision)
        if commit not in found.commits:
            return self._no("RevisionNotFound")
        files = found.commits[commit]
        if is_api and action in ([], ["revision"]):
            gated = "manual" if name in self.hub.gated else False
            return self._json({"id": name, "sha": commit, "siblings": [], "private": False, "gated": gated})
        if (not is_api or action == ["auth-check"]) and name in self.hub.gated and token is None:
            return self._no("GatedRepo", 401)
        if action == ["auth-check"]:
            return self._send(200)
        if action == ["tree"]:
            return self._json([self._entry(path, data) for path, data in files.items()])
        path = "/".join(rest[1:])
        if path not in files:
            return self._no("EntryNotFound")
        if not _is_large(path):
            if self.command == "GET":
                self._count(path, len(files[path]))
            return self._bytes(files[path], {"ETag": f'"{_oid(files[path])}"', "X-Repo-Commit": commit})
        sha256 = hashlib.sha256(files[path]).hexdigest()
        # Large files lie on another host, as on the Hub.
        location = f"http://localhost:{self.hub.url.rsplit(':', 1)[1]}/cdn/{name}/{commit}/{path}"
        headers = {"Location": location, "X-Linked-Etag": f'"{sha256}"', "X-Linked-Size": str(len(files[path]))}
        return self._send(302, b"", {**headers, "X-Repo-Commit": commit})

    def _entry(self, path: str, data: bytes) -> dict[str, Any]:
        entry: dict[str, Any] = {"type": "file", "path": path, "size": len(data), "oid": _oid(data)}
        if _is_large(path):
            entry["lfs"] = {"oid": hashlib.sha256(data).hexdigest(), "size": len(data), "pointerSize": 134}
        return entry

    def _large(self, owner: str, name: str, commit: str, path: str) -> None:
        self.hub.headers.append((self.path, {key.lower(): text for key, text in self.headers.items()}))
        self._bytes(self.hub.models[f"{owner}/{name}"].commits[commit][path], {}, path)

    def _count(self, path: str, num: int) -> None:
        self.hub.num_sent[path] = self.hub.num_sent.get(path, 0) + num

    def _bytes(self, data: bytes, headers: dict[str, str], path: str = "") -> None:
        """Send a file, or the range of it that is asked for; of a large one (`path`) as badly as the test wants."""
        size, start = len(data), 0
        data = self.hub.spoilt.get(path, data)
        if asked := self.headers.get("Range"):
            start = int(asked.removeprefix("bytes=").partition("-")[0])
            headers = {**headers, "Content-Range": f"bytes {start}-{size - 1}/{size}"}
        if not path or self.command == "HEAD":
            return self._send(206 if asked else 200, data[start:], headers)
        self.send_response(206 if asked else 200)
        for key, value in headers.items():
            self.send_header(key, value)
        self.send_header("Content-Length", str(size - start))
        self.end_headers()
        end = start + self.hub.cuts.pop(0) if self.hub.cuts else size
        with contextlib.suppress(OSError):
            for at in range(start, min(end, size), 1 << 16):
                if self.hub.hold_after is not None and at - start >= self.hub.hold_after:
                    self.hub.held.set()
                    self.hub.released.wait(60)
                piece = data[at : min(at + (1 << 16), end)]
                self.wfile.write(piece)
                self._count(path, len(piece))
            if end < size:
                self.wfile.flush()
                self.close_connection = True
                self.connection.shutdown(2)
        return None

    # -- ModelScope ------------------------------------------------------------------------------------------------

    def _modelscope(self, parts: list[str], query: dict[str, list[str]]) -> None:
        self.hub.headers.append((self.path, {key.lower(): text for key, text in self.headers.items()}))
        name, action = "/".join(parts[:2]), parts[2:]
        found, token = self.hub.models.get(name), self.headers.get("Authorization")
        if found is None or (token and token != "Bearer token"):
            status = 404 if found is None else 401
            return self._send(status, json.dumps({"Code": status, "Message": "no"}).encode())
        if name in self.hub.gated and not token:
            return self._send(403, json.dumps({"Code": 403, "Message": "no access"}).encode())
        if not action:
            return self._json({"Code": 200, "Data": {"Path": name}})
        revision = query.get("Revision", ["master"])[0]
        commit = found.refs.get(revision, revision)
        files = found.commits.get(commit)
        if files is None:
            return self._send(404, json.dumps({"Code": 404, "Message": "no such revision"}).encode())
        if action == ["repo", "files"]:
            return self._json({"Code": 200, "Data": {"Files": [self._fact(*one, commit) for one in files.items()]}})
        path = query["FilePath"][0]
        return self._bytes(files[path], {}, path)

    def _fact(self, path: str, data: bytes, commit: str) -> dict[str, Any]:
        facts = {"Name": path, "Path": path, "Type": "blob", "Size": len(data), "Revision": commit}
        return {**facts, "Sha256": hashlib.sha256(data).hexdigest(), "CommittedDate": 1_700_000_000}


@contextlib.contextmanager
def serving(
    repos: dict[str, dict[str, bytes]], gated: set[str] | None = None, models: dict[str, Model] | None = None
) -> Iterator[Hub]:
    """A Hub on a free port of this machine's loopback."""
    hub = Hub(repos, gated or set(), models=models or {})
    server = ThreadingHTTPServer(("127.0.0.1", 0), type("Handler", (_Handler,), {"hub": hub}))
    hub.url = f"http://127.0.0.1:{server.server_address[1]}"
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield hub
    finally:
        hub.released.set()
        server.shutdown()
        server.server_close()
        thread.join()
