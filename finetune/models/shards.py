"""Whether the weight files of a base are all there, whole, and what the hub says they are."""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import re
import threading
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from finetune.errors import FinetuneError, IntegrityError, ModelError, Problem
from finetune.models.weights import read_header
from finetune.runs import read_json, sha256_of

INDEX = "model.safetensors.index.json"
SINGLE = "model.safetensors"
_AGAIN = "fetch the base again"
_DIGEST = re.compile(r"[0-9a-f]{64}|[0-9a-f]{40}")
_POINTER = b"version https://git-lfs.github.com/spec/"
_BLOCK_BYTES = 4 << 20
_SHA256_DIGITS = 64
# Less is read again sooner than a note of it is written.
_WORTH_A_NOTE_BYTES = 32 << 20
# Nobody needs more of a hash to tell two files apart.
_SHOWN_DIGITS = 16
_remembering = threading.Lock()


def weight_names(folder: Path) -> set[str]:
    """The weight files that a folder should hold: those of its index, else those that lie there.

    Raises:
        ModelError: the index cannot be read.
    """
    index = folder / INDEX
    if not index.is_file() or (folder / SINGLE).is_file():
        return {path.name for path in folder.glob("*.safetensors")}
    if (names := indexed_names(index)) is None:
        raise ModelError(Problem(f"{folder.name}/{index.name}", "", "cannot be read", fix=_AGAIN))
    return names


def indexed_names(index: Path) -> set[str] | None:
    """The weight files that an index names; None where it cannot be read."""
    named = read_json(index).get("weight_map")
    return {str(name) for name in named.values()} if isinstance(named, dict) else None


def check_files(folder: Path, label: str = "", digests: Mapping[str, str] | None = None) -> None:
    """See that every weight file of a base is there, whole and unchanged, and name each one that is not.

    Args:
        folder: the base.
        label: what the messages call it; the folder's name if empty.
        digests: file name -> what the hub says it is (sha256, or the id git gives its content). Where one is missing
            and the file lies in a hub's cache, or was fetched by `hf download --local-dir`, it is known from there.

    Raises:
        ModelError: a file is missing, cut off or only a Git LFS pointer.
        IntegrityError: a file's content is not what the hub says.
    """
    label = label or folder.name
    problems: list[str | Problem] = []
    changed: list[str | Problem] = []
    try:
        names = weight_names(folder)
    except ModelError as error:
        names, problems = {path.name for path in folder.glob("*.safetensors")}, list(error.problems)
    for name in sorted(names):
        where, path = f"{label}/{name}", folder / name
        if "/" in name or "\\" in name or not path.is_file():
            problems.append(Problem(where, "", "is missing", fix=_fix(path)))
            continue
        try:
            read_header(path)
        except ValueError as error:
            problems.append(_pointer(where, path) or Problem(where, "", str(error), fix=_fix(path)))
            continue
        expected = (digests or {}).get(name) or known_digest(path)
        if expected and (found := digest_of(path, expected)) != expected:
            changed.append(Problem(where, "", not_as_said(found, expected), fix=_fix(path, changed=True)))
    if problems or changed:
        kind: type[FinetuneError] = IntegrityError if changed and not problems else ModelError
        raise kind([*problems, *changed])


def not_as_said(found: str, expected: str) -> str:
    """How a file that is not what the hub says is described: both hashes, of the kind that the hub tells."""
    kind = "sha256" if len(expected) == _SHA256_DIGITS else "git id"
    return f"is not what the hub says: {kind} {found[:_SHOWN_DIGITS]}... here, {expected[:_SHOWN_DIGITS]}... there"


def _fix(path: Path, changed: bool = False) -> str:
    """What to do about a file: in a cache, the one to delete; in a folder that was fetched, the place of its record."""
    if path.is_symlink() and path.parent.parent.name == "snapshots":
        return f"delete {path.resolve()} and run again: only that file is fetched"
    if changed and _record_of(path).is_file():
        return f"{_AGAIN}; if it was changed on purpose, delete {_record_of(path)}"
    return _AGAIN


def _pointer(where: str, path: Path) -> Problem | None:
    """The problem of a file that git left as a note of where the weights are."""
    with path.open("rb") as file:
        if not file.read(len(_POINTER)).startswith(_POINTER):
            return None
    return Problem(where, "", "is a Git LFS pointer, not the weights", fix=f"run `git lfs pull` in {path.parent}")


def _record_of(path: Path) -> Path:
    """Where `hf download --local-dir` notes what it fetched: commit, etag, time; one a line."""
    return path.parent / ".cache" / "huggingface" / "download" / f"{path.name}.metadata"


def known_digest(path: Path) -> str:
    """What the hub says a file is, as far as this machine knows it; empty where it does not.

    huggingface_hub names a file in its cache after it: sha256 of a large file, git's id of a small one.
    """
    name = path.resolve().name
    if path.is_symlink() and _DIGEST.fullmatch(name):
        return name
    with contextlib.suppress(OSError, IndexError):
        etag = _record_of(path).read_text(encoding="utf-8").splitlines()[1].strip().strip('"')
        return etag if _DIGEST.fullmatch(etag) else ""
    return ""


def digest_of(path: Path, expected: str) -> str:
    """sha256 of a file, or git's id of it where `expected` is as long as one; from memory if the file is unchanged.

    Reading tens of gigabytes at every start would cost more than it finds: a file that was as expected is read again
    only when its size, time or place on the disk changed.
    """
    if _remembered(path, len(expected)) == expected:
        return expected
    mark = _mark(path)
    digest = hashlib.sha256() if len(expected) == _SHA256_DIGITS else hashlib.sha1(b"blob %d\0" % path.stat().st_size)
    with path.open("rb") as file:
        while block := file.read(_BLOCK_BYTES):
            digest.update(block)
    if digest.hexdigest() == expected:
        remember(path, expected, mark)
    return digest.hexdigest()


def weights_digest(folder: Path) -> str:
    """sha256 of the weight files of a folder, one after the other by their names; from memory if none has changed.

    What a run records of a base that no hub vouches for, and what is compared each time its adapter is served.
    """
    paths = sorted(folder.glob("*.safetensors"))
    if sum(path.stat().st_size for path in paths) < _WORTH_A_NOTE_BYTES:
        return sha256_of(*paths)
    at = paths[0] if len(paths) == 1 else folder  # of a single file, it is the same hash as in `digest_of`
    if known := _remembered(at, _SHA256_DIGITS):
        return known
    mark = _mark(at)
    found = sha256_of(*paths)
    remember(at, found, mark)
    return found


def _mark(path: Path) -> list[Any]:
    """What is another when a file, or the weight files of a folder, changed: size, time, place on the disk."""
    if path.is_dir():
        return [[one.name, *_mark(one)] for one in sorted(path.glob("*.safetensors"))]
    stat = path.stat()
    return [stat.st_size, stat.st_mtime_ns, stat.st_ino]


def _remembered(path: Path, num_digits: int) -> str:
    """The hash of this length that was noted of a file as it is now; empty where none was."""
    known = _memory().get(str(path.resolve()))
    if not isinstance(known, dict) or known.get("mark") != _mark(path):
        return ""
    return known.get("digests", {}).get(str(num_digits), "")


def _memory_path() -> Path:
    home = os.environ.get("XDG_CACHE_HOME") or os.path.expanduser("~/.cache")
    return Path(home) / "finetune-kit" / "checked_weights.json"


def _memory() -> dict[str, Any]:
    return read_json(_memory_path())


def remember(path: Path, digest: str, mark: list[Any] | None = None) -> None:
    """Note the hash of a file. What cannot be noted is read again next time; a race loses a note at most.

    Args:
        path: a file, or a folder for all its weights.
        digest: sha256, or git's id.
        mark: of the file before it was read; as it is now, if None.
    """
    memory = _memory_path()
    beside = memory.with_name(f"{memory.name}.{os.getpid()}")
    with _remembering, contextlib.suppress(OSError):
        mark = _mark(path) if mark is None else mark
        known = {name: value for name, value in _memory().items() if os.path.exists(name)}
        before = known.get(str(path.resolve()))
        digests = before["digests"] if isinstance(before, dict) and before.get("mark") == mark else {}
        known[str(path.resolve())] = {"mark": mark, "digests": {**digests, str(len(digest)): digest}}
        memory.parent.mkdir(parents=True, exist_ok=True)
        beside.write_text(json.dumps(known), encoding="utf-8")
        os.replace(beside, memory)
