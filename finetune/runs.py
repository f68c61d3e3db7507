"""Floor 3: run folders and manifests, the interface between the stages.

    runs/medical_qa-20261123-142233/
      recipe.yaml  recipe.resolved.yaml  manifest.json  metrics.jsonl  check.json  plan.json
      checkpoints/  adapter/  evaluation.json  samples.jsonl  report.html

A manifest is written first with status "running" and last with "finished"; both atomically, so a crash is visible.
It holds no secret, no absolute path and no text of a row.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import re
import socket
import subprocess
from collections.abc import Iterator, Mapping
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

from filelock import FileLock, Timeout

from finetune.errors import Problem, RunError, SurroundingsError

MANIFEST_SCHEMA = 1
MANIFEST = "manifest.json"
STATUSES = ("running", "finished", "failed", "interrupted")
# What a run writes before it learns anything; the manifest last, so that a run half taken away can still be opened.
_BEFORE_LEARNING = (
    "recipe.yaml", "recipe.resolved.yaml", "check.html", "check.json", "plan.json", ".lock", ".lock-holder.json",
    MANIFEST,
)  # fmt: skip
# Top-level keys of a manifest; a test freezes them.
MANIFEST_KEYS = (
    "schema", "run_id", "name", "status", "exit_code", "started_at", "ended_at", "recipe", "data", "template",
    "base", "adapter", "seed", "plan", "progress", "training", "environment", "resumes", "notes",
)  # fmt: skip


def utc_now() -> str:
    """The time as the manifest writes it: ISO 8601, UTC, whole seconds."""
    return datetime.now(timezone.utc).strftime("%Y-%m-%dT%H:%M:%SZ")


def sha256_of(*paths: Path) -> str:
    """Hex SHA-256 of a file's bytes; of several files, of their bytes one after the other."""
    digest = hashlib.sha256()
    for path in paths:
        with path.open("rb") as file:
            while block := file.read(1 << 20):
                digest.update(block)
    return digest.hexdigest()


def sync_folder(folder: Path) -> None:
    """Make renames inside `folder` durable (a no-op where folders cannot be opened)."""
    with contextlib.suppress(OSError):
        handle = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(handle)
        finally:
            os.close(handle)


def write_text(path: Path, text: str) -> None:
    """Write a small file atomically: a reader sees the old bytes or the new ones, never a part.

    Raises:
        SurroundingsError: no space, no permission.
    """
    part = path.with_name(f".{path.name}.part")
    try:
        with part.open("w", encoding="utf-8", newline="\n") as file:
            file.write(text)
            file.flush()
            os.fsync(file.fileno())
        os.replace(part, path)
    except OSError as error:
        with contextlib.suppress(OSError):
            part.unlink()
        raise SurroundingsError(
            Problem(str(path), "", f"cannot be written: {error.strerror or error}", fix="free space or choose --output")
        ) from error
    sync_folder(path.parent)


def write_json(path: Path, value: Any) -> None:
    """`write_text` of indented JSON with a stable key order as given."""
    write_text(path, json.dumps(value, indent=1, ensure_ascii=False, allow_nan=False) + "\n")


def read_json(path: Path) -> dict[str, Any]:
    """The object in a JSON file; empty where the file is missing or holds none, for whoever can do without it."""
    try:
        value = json.loads(path.read_bytes())
    except (OSError, ValueError):
        return {}
    return value if isinstance(value, dict) else {}


def environment_facts() -> dict[str, Any]:
    """Versions, git commit and machine, without host name, user name or path."""
    import platform
    from importlib import metadata

    versions = {"python": platform.python_version()}
    for package in ("finetune-kit", "torch", "transformers", "peft", "trl", "datasets", "accelerate", "tokenizers"):
        with contextlib.suppress(metadata.PackageNotFoundError):
            versions[package] = metadata.version(package)
    return {
        "versions": versions,
        "git_commit": _git_commit(Path(__file__).resolve().parent),
        "system": f"{platform.system()} {platform.machine()}",
        "num_cpus": os.cpu_count(),
    }


def _git_commit(folder: Path) -> str | None:
    """Commit of the checkout the kit runs from, "+changes" when it is not clean; None outside a checkout."""
    if not (folder.parent / ".git").exists():
        return None
    try:
        commit = subprocess.run(
            ["git", "rev-parse", "HEAD"], cwd=folder, capture_output=True, text=True, timeout=5, check=True
        ).stdout.strip()
        changed = subprocess.run(
            ["git", "status", "--porcelain", "--untracked-files=no"],
            cwd=folder, capture_output=True, text=True, timeout=5, check=True,
        ).stdout.strip()  # fmt: skip
    except (OSError, subprocess.SubprocessError):
        return None
    return commit + ("+changes" if changed else "")


class Run:
    """A run folder. Stages read and write it; nothing else passes between them.

    Attributes:
        path: the folder.
        manifest: what manifest.json holds; change it with `update` only.
    """

    def __init__(self, path: Path, manifest: dict[str, Any]):
        self.path = path
        self.manifest = manifest
        self.adapter_dir = path / "adapter"
        self.checkpoints_dir = path / "checkpoints"
        self.metrics_path = path / "metrics.jsonl"
        self.evaluation_path = path / "evaluation.json"
        self.samples_path = path / "samples.jsonl"
        self.report_path = path / "report.html"
        self.resolved_path = path / "recipe.resolved.yaml"

    @classmethod
    def create(cls, name: str, recipe_text: str, resolved_text: str, output: Path | None = None) -> Run:
        """Make a new run folder: `output`, or runs/<name>-<UTC time>. Never an existing one that holds anything.

        Raises:
            RunError: the folder holds something already, or is a file.
            SurroundingsError: it cannot be made or written.
        """
        path = output or Path("runs") / f"{_safe(name)}-{datetime.now(timezone.utc).strftime('%Y%m%d-%H%M%S')}"
        if path.is_file():
            raise RunError(Problem(str(path), "", "is a file, not a folder", fix="choose another --output"))
        try:
            if output is None:
                path = _make_first_free(path)
            elif path.is_dir() and any(path.iterdir()):
                fix = "add --resume to go on with it, or choose another --output"
                what = f"already holds files{_status_of(path)}; a run is never overwritten"
                raise RunError(Problem(str(path), "", what, fix=fix))
            path.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            problem = Problem(
                str(path), "", f"cannot be made: {error.strerror or error}", fix="choose another --output"
            )
            raise SurroundingsError(problem) from error
        run = cls(path, {})
        write_text(path / "recipe.yaml", recipe_text)
        write_text(run.resolved_path, resolved_text)
        manifest = dict.fromkeys(MANIFEST_KEYS)
        manifest |= {
            "schema": MANIFEST_SCHEMA,
            "run_id": os.urandom(8).hex(),
            "name": name,
            "status": "running",
            "started_at": utc_now(),
            "environment": environment_facts(),
            "resumes": [],
            "notes": [],
        }
        run.update(**manifest)
        return run

    @classmethod
    def open(cls, path: str | Path) -> Run:
        """Open an existing run folder.

        Raises:
            RunError: it is no run folder, or its manifest cannot be read, or is newer than the kit.
        """
        path = Path(path)
        where = str(path)
        if not path.is_dir():
            raise RunError(Problem(where, "", "no such run folder", fix="name the folder that `finetune run` printed"))
        try:
            manifest = json.loads((path / MANIFEST).read_bytes())
            schema = manifest["schema"]
        except FileNotFoundError:
            problem = Problem(where, "", f"is not a run folder: it has no {MANIFEST}", fix="name a run folder")
            raise RunError(problem) from None
        except (OSError, ValueError, KeyError, TypeError) as error:
            problem = Problem(f"{where}/{MANIFEST}", "", "cannot be read", type(error).__name__, "start a new run")
            raise RunError(problem) from None
        if schema != MANIFEST_SCHEMA:
            fix = "update finetune-kit"
            raise RunError(Problem(f"{where}/{MANIFEST}", "schema", "needs another finetune-kit", str(schema), fix))
        return cls(path, manifest)

    def update(self, **fields: Any) -> None:
        """Set top-level manifest fields and write it atomically."""
        unknown = set(fields) - set(MANIFEST_KEYS)
        assert not unknown, f"manifest keys are frozen; unknown: {unknown}"
        self.manifest.update(fields)
        write_json(self.path / MANIFEST, self.manifest)

    def remove_unstarted(self) -> None:
        """Take away a folder in which nothing was learnt: only files that are written before that, then the folder."""
        for name in _BEFORE_LEARNING:
            (self.path / name).unlink(missing_ok=True)
        for folder in (self.checkpoints_dir, self.path):
            with contextlib.suppress(OSError):
                folder.rmdir()  # only when it is empty

    @property
    def has_learnt(self) -> bool:
        """Whether a step was done that a resumption could go on from, or that a curve shows."""
        return self.metrics_path.exists() or any(self.checkpoints_dir.glob("*"))

    def note(self, line: str) -> None:
        """Record a choice made for the user, one plain sentence, once."""
        if line not in self.manifest["notes"]:
            self.update(notes=[*self.manifest["notes"], line])

    def append_metrics(self, entry: Mapping[str, Any]) -> None:
        """Add one line to metrics.jsonl.

        Raises:
            SurroundingsError: no space, no permission.
        """
        line = json.dumps(dict(entry), allow_nan=False) + "\n"
        try:
            with self.metrics_path.open("a", encoding="utf-8", newline="\n") as file:
                file.write(line)
        except OSError as error:
            what = f"cannot be written: {error.strerror or error}"
            fix = "free space, then go on with --resume"
            raise SurroundingsError(Problem(self.metrics_path.name, "", what, fix=fix)) from error

    def read_metrics(self) -> list[dict[str, Any]]:
        """Lines of metrics.jsonl, oldest first; a half-written last line (a crash) is left out."""
        if not self.metrics_path.exists():
            return []
        entries = []
        for line in self.metrics_path.read_text(encoding="utf-8", errors="replace").splitlines():
            with contextlib.suppress(ValueError):
                entry = json.loads(line)
                if isinstance(entry, dict):
                    entries.append(entry)
        return entries

    def drop_metrics_after(self, step: int) -> None:
        """Forget the lines of steps that a resume will do again."""
        kept = [json.dumps(entry) for entry in self.read_metrics() if entry.get("step", 0) <= step]
        write_text(self.metrics_path, "".join(line + "\n" for line in kept))

    @contextlib.contextmanager
    def locked(self) -> Iterator[None]:
        """Hold the folder for one process. The system frees the lock when the process dies, however it dies.

        Raises:
            RunError: another process holds it; says which, on which host, since when.
        """
        holder = self.path / ".lock-holder.json"
        lock = FileLock(self.path / ".lock")
        try:
            lock.acquire(timeout=0)
        except Timeout:
            try:
                facts = json.loads(holder.read_bytes())
                who = f"process {facts['pid']} on {facts['host']}, since {facts['since']}"
            except (OSError, ValueError, KeyError):
                who = "another process"
            problem = Problem(str(self.path), "", f"is in use by {who}", fix="wait for it, or choose another --output")
            raise RunError(problem) from None
        try:
            write_json(holder, {"pid": os.getpid(), "host": socket.gethostname(), "since": utc_now()})
            yield
        finally:
            with contextlib.suppress(OSError):
                holder.unlink()
            lock.release()


def _safe(name: str) -> str:
    """A recipe's name as part of a folder name."""
    return re.sub(r"[^A-Za-z0-9_.-]+", "_", name).strip("._") or "run"


def _status_of(path: Path) -> str:
    """What the manifest in a folder says of its run, for the refusal to begin another one there."""
    with contextlib.suppress(OSError, ValueError, KeyError, TypeError):
        return f" of a run that is {json.loads((path / MANIFEST).read_bytes())['status']}"
    return ""


def _make_first_free(path: Path) -> Path:
    """Make `path`, or path-2, path-3 ... when several runs start in one second."""
    path.parent.mkdir(parents=True, exist_ok=True)
    candidate, count = path, 1
    while True:
        try:
            candidate.mkdir()
        except FileExistsError:
            count += 1
            candidate = path.with_name(f"{path.name}-{count}")
        else:
            return candidate
