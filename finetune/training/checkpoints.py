"""Checkpoints that can be trusted: staged, hashed, synced, renamed; and only a verified one of this run is resumed.

    checkpoints/step-000040/
      adapter_model.safetensors  optimizer.pt  scheduler.pt  rng_state.pth  trainer_state.json ...
      checkpoint.json            run id, step, progress, size and SHA-256 of every other file, and its own SHA-256

A folder called step-* either holds all of it, or was damaged later, which the hashes tell. Age is the step, never a
file's time. A folder is deleted by renaming it to .trash-* first, so a kill half way leaves nothing that looks whole.
"""

from __future__ import annotations

import contextlib
import errno
import hashlib
import json
import os
import re
import shutil
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from finetune.errors import IntegrityError, Problem, RunError, SurroundingsError
from finetune.runs import sha256_of, sync_folder

MANIFEST = "checkpoint.json"
_NAME = re.compile(r"step-(\d{6,})")
_STAGING, _TRASH = ".staging-", ".trash-"
_FOREIGN = "belongs to another run"
# Pickles and cards that resuming does not need; both would hold local paths.
_LEFT_OUT = ("training_args.bin", "README.md")
KEEP = 2


@dataclass(frozen=True)
class Checkpoint:
    """A folder that claims to be a checkpoint."""

    path: Path
    step: int


def checkpoints(folder: Path) -> list[Checkpoint]:
    """Folders named step-*, newest step first."""
    found = []
    for path in folder.iterdir() if folder.is_dir() else ():
        match = _NAME.fullmatch(path.name)
        if match and path.is_dir() and not path.is_symlink():
            found.append(Checkpoint(path, int(match.group(1))))
    return sorted(found, key=lambda checkpoint: -checkpoint.step)


@contextlib.contextmanager
def staged(folder: Path) -> Iterator[Path]:
    """A staging folder inside `folder`, removed on the way out whatever happens."""
    clean(folder)
    staging = folder / f"{_STAGING}{os.getpid()}"
    staging.mkdir(parents=True)
    try:
        yield staging
    finally:
        shutil.rmtree(staging, ignore_errors=True)


def seal(source: Path, folder: Path, step: int, run_id: str, progress: Mapping[str, Any], kind: str = "step") -> Path:
    """Turn a staged checkpoint folder into step-NNNNNN: hash and sync its files, write the manifest, rename.

    Args:
        source: the staged folder.
        folder: the run's checkpoints.
        step: optimizer steps done.
        run_id: the run it belongs to.
        progress: numbers that a resumption goes on counting from.
        kind: what the folder's name begins with.
    """
    for name in _LEFT_OUT:
        (source / name).unlink(missing_ok=True)
    files = {}
    for path in sorted(source.iterdir()):
        with path.open("rb") as file:
            os.fsync(file.fileno())
        files[path.name] = {"num_bytes": path.stat().st_size, "sha256": sha256_of(path)}
    body = {"schema": 1, "run_id": run_id, "step": step, "progress": dict(progress), "files": files}
    with (source / MANIFEST).open("wb") as file:
        file.write(_manifest_bytes(body))
        file.flush()
        os.fsync(file.fileno())
    sync_folder(source)
    target = folder / f"{kind}-{step:06d}"
    if target.exists():
        discard(target)
    os.rename(source, target)
    sync_folder(folder)
    return target


def _manifest_bytes(body: Mapping[str, Any]) -> bytes:
    """The one spelling of a manifest; it ends with the hash of what stands before, so no byte of it can change."""
    digest = hashlib.sha256(json.dumps(body, indent=1).encode()).hexdigest()
    return json.dumps({**body, "sha256": digest}, indent=1).encode()


def read_manifest(checkpoint: Checkpoint) -> dict[str, Any]:
    """checkpoint.json, seen to be as it was written.

    Raises:
        IntegrityError: it is missing, cannot be read, or was changed.
    """
    where = checkpoint.path.name
    try:
        raw = (checkpoint.path / MANIFEST).read_bytes()
        manifest = json.loads(raw)
        body = {key: value for key, value in manifest.items() if key != "sha256"}
        same = raw == _manifest_bytes(body)
        missing = {"run_id", "step", "progress", "files"} - set(body)
    except FileNotFoundError:
        raise IntegrityError(Problem(where, "", f"has no {MANIFEST}: it was not made by the kit")) from None
    except (OSError, ValueError, AttributeError, RecursionError):
        raise IntegrityError(Problem(where, "", f"its {MANIFEST} cannot be read")) from None
    if not same or missing:
        raise IntegrityError(Problem(where, MANIFEST, "was changed after it was written"))
    return body


def is_of(checkpoint: Checkpoint, run_id: str) -> bool:
    """Whether a folder's manifest is whole and names this run."""
    with contextlib.suppress(IntegrityError):
        return read_manifest(checkpoint)["run_id"] == run_id
    return False


def rotate(folder: Path, run_id: str, keep: int = KEEP) -> None:
    """Discard all but the `keep` newest checkpoints of a run, by step; strangers are neither counted nor touched."""
    own = [checkpoint for checkpoint in checkpoints(folder) if is_of(checkpoint, run_id)]
    for checkpoint in own[keep:]:
        discard(checkpoint.path)


def discard_beyond(folder: Path, run_id: str, step: int) -> None:
    """Discard a run's checkpoints after `step`: a resumption that starts there has found them damaged."""
    for checkpoint in checkpoints(folder):
        if checkpoint.step > step and is_of(checkpoint, run_id):
            discard(checkpoint.path)


def clean(folder: Path) -> None:
    """Remove what killed processes left: staging and trash folders. The caller holds the run's lock."""
    for path in folder.iterdir() if folder.is_dir() else ():
        if path.name.startswith((_STAGING, _TRASH)):
            shutil.rmtree(path, ignore_errors=True)


def discard(path: Path) -> None:
    """Take a folder away by way of a name that nothing takes for a checkpoint."""
    trash = path.with_name(f"{_TRASH}{path.name}-{os.getpid()}")
    os.rename(path, trash)
    shutil.rmtree(trash, ignore_errors=True)


def verify_checkpoint(checkpoint: Checkpoint, run_id: str) -> None:
    """See that a checkpoint is whole and of this run.

    Raises:
        IntegrityError: names the first file that is missing or changed, or the foreign run.
    """
    where = checkpoint.path.name
    manifest = read_manifest(checkpoint)
    if manifest["run_id"] != run_id:
        raise IntegrityError(Problem(where, "", _FOREIGN))
    if manifest["step"] != checkpoint.step:
        raise IntegrityError(Problem(where, "", f"holds step {manifest['step']}, not what its name says"))
    for name, facts in manifest["files"].items():
        path = checkpoint.path / name
        if not path.is_file() or path.is_symlink():
            raise IntegrityError(Problem(where, name, "is missing"))
        if path.stat().st_size != facts["num_bytes"]:
            what = f"has {path.stat().st_size} bytes instead of {facts['num_bytes']}"
            raise IntegrityError(Problem(where, name, what))
        if sha256_of(path) != facts["sha256"]:
            raise IntegrityError(Problem(where, name, "was changed after it was written"))


def find_resumable(folder: Path, run_id: str, say: Callable[[str], None]) -> Checkpoint | None:
    """The newest checkpoint that verifies; what is skipped is said. None when there is none at all.

    Raises:
        RunError: there are checkpoints, but not one verifies.
    """
    found = checkpoints(folder)
    refused = []
    for checkpoint in found:
        try:
            verify_checkpoint(checkpoint, run_id)
        except IntegrityError as error:
            refused.append(error.problems[0])
            say(f"skipped: {error}")
            continue
        return checkpoint
    if any(isinstance(problem, str) or problem.what != _FOREIGN for problem in refused):
        last = Problem(folder.parent.name, "", "no checkpoint of this run is whole", fix="start a new run")
        raise RunError([*refused, last])
    return None


@contextlib.contextmanager
def disk_errors(folder: Path, name: str = "the checkpoint") -> Iterator[None]:
    """A save that the disk refuses becomes one plain message; older checkpoints are untouched.

    Args:
        folder: the run's checkpoints.
        name: what is being written.

    Raises:
        SurroundingsError: how much is needed and free, and which step is safe.
    """
    try:
        yield
    except Exception as error:
        if not _is_disk_error(error):
            raise
        free = shutil.disk_usage(folder if folder.is_dir() else folder.parent).free
        newest = checkpoints(folder)
        need = sum(path.stat().st_size for path in newest[0].path.iterdir()) if newest else None
        size = f"about {need:,} bytes are needed" if need else "it does not fit"
        kept = f"step {newest[0].step} is intact" if newest else "no checkpoint was written yet"
        fix = "free space, then go on with --resume" if newest else "free space, then start again"
        what = f"{name} could not be written: {size}, {free:,} bytes are free; {kept}"
        raise SurroundingsError(Problem(folder.parent.name, "", what, fix=fix)) from error


def _is_disk_error(error: BaseException) -> bool:
    """Whether an error of a save is the disk's: an OSError, or what torch, safetensors or tokenizers make of one."""
    if isinstance(error, OSError):
        return error.errno in (errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EIO, errno.EROFS, errno.EACCES)
    text = str(error)
    kinds = ("SafetensorError", "RuntimeError", "Exception")
    signs = (
        "unexpected pos", "iostream error", "PytorchStreamWriter",
        "No space left", "File too large", "os error 28", "os error 27",
    )  # fmt: skip
    return type(error).__name__ in kinds and any(sign in text for sign in signs)
