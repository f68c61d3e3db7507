"""A model's repository on a hub, and where its files lie on this machine: what both hubs have in common.

<cache>/<repository>/refs/<branch or tag>        the commit it stood for when last asked
                    /snapshots/<commit>/...      the files
                    /.finetune/<commit>.json     what the hub said that commit holds
"""

from __future__ import annotations

import contextlib
import json
import os
import re
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Mapping
from contextlib import AbstractContextManager
from dataclasses import asdict, dataclass
from pathlib import Path

from finetune.errors import Problem, SurroundingsError
from finetune.models.shards import INDEX, SINGLE, indexed_names
from finetune.models.sources import BaseSource

_COMMIT = re.compile(r"[0-9a-f]{40}")
_TOKENIZER_FILES = (
    "merges.txt",
    "vocab.txt",
    "tokenizer.model",
    "spiece.model",
    "spm.model",
    "sentencepiece.bpe.model",
)
_TEMPLATES = "additional_chat_templates/"  # transformers looks for more of them there
_PAPERS = ("README.md", "LICENSE", "LICENSE.txt", "LICENSE.md", "NOTICE", "NOTICE.txt", "USE_POLICY.md")


class Stopped(BaseException):
    """Fetching was given up; raised in the threads that fetch. No Exception, so that no retry swallows it."""


@dataclass(frozen=True)
class Remote:
    """A file of a repository.

    Attributes:
        digest: what the hub says it is: sha256 (64 digits), or git's id of its content (40); empty if it does not.
    """

    name: str
    num_bytes: int
    digest: str = ""


@dataclass(frozen=True)
class Listing:
    """What a repository holds at a commit."""

    commit: str
    files: Mapping[str, Remote]


class Repository(ABC):
    """A base's repository; the hubs fill in how to ask it.

    Attributes:
        name: owner/name.
        folder: where this machine keeps it.
        default: the branch that is meant where none is named.
        hub: what the hub is called in messages.
        home_variable: the variable that moves the cache to another disk.
    """

    default = "main"
    hub = ""
    home_variable = ""

    def __init__(self, source: BaseSource, name: str, folder: Path):
        self.source = source
        self.name = name
        self.folder = folder

    # -- asked of the hub ------------------------------------------------------------------------------------------

    @abstractmethod
    def look_up(self) -> Listing:
        """Ask the hub which commit the revision stands for, and what it holds."""

    @abstractmethod
    def fetch_small(self, listing: Listing, names: Iterable[str]) -> None:
        """Fetch small files into the snapshot."""

    @abstractmethod
    def fetch_weights(self, listing: Listing, names: Iterable[str], moved: Callable[[int], None]) -> None:
        """Fetch large files into the snapshot, going on where a partial one ends, and see that they are right.

        Args:
            moved: is told of bytes that are here or arrived (negative: thrown away), in any thread; raises Stopped.
        """

    @abstractmethod
    def num_partial_bytes(self, commit: str, remote: Remote) -> int:
        """How much of a file is here already, from a fetch that was cut off."""

    @abstractmethod
    def errors(self) -> AbstractContextManager[None]:
        """Turns what the hub and its library raise into one plain message."""

    @abstractmethod
    def is_offline(self) -> bool:
        """Whether the user forbade the network."""

    def disk_error(self, error: BaseException) -> SurroundingsError:
        """The disk does not take what is fetched."""
        what = f"cannot be written: {getattr(error, 'strerror', None) or error}"
        fix = f"make room in {self.folder.parent}, or set {self.home_variable} to a folder on another disk"
        return SurroundingsError(Problem("", "base.model", what, repr(self.source.label), fix))

    # -- on this machine -------------------------------------------------------------------------------------------

    def commit_here(self) -> str | None:
        """The commit that the revision stands for, as far as this machine knows."""
        revision = self.source.revision or self.default
        if _COMMIT.fullmatch(revision):
            return revision
        with contextlib.suppress(OSError, ValueError):
            commit = (self.folder / "refs" / revision).read_text(encoding="utf-8").strip()
            return commit if _COMMIT.fullmatch(commit) else None
        return None

    def is_pinned(self) -> bool:
        """Whether the revision is a commit, which cannot move."""
        return bool(_COMMIT.fullmatch(self.source.revision or ""))

    def snapshot(self, commit: str) -> Path:
        return self.folder / "snapshots" / commit

    def listing_here(self, commit: str) -> Listing | None:
        """What the hub said of a commit when it was last asked; None if it never was."""
        try:
            found = json.loads(self._listing_path(commit).read_bytes())
            files = [Remote(str(one["name"]), int(one["num_bytes"]), str(one["digest"])) for one in found]
        except (OSError, ValueError, KeyError, TypeError):
            return None
        return Listing(commit, {one.name: one for one in files})

    def note(self, listing: Listing) -> None:
        """Keep what the hub said, so that it need not be asked again; a cache that cannot be written is only slower."""
        texts = {self._listing_path(listing.commit): json.dumps([asdict(one) for one in listing.files.values()])}
        if not self.is_pinned():
            texts[self.folder / "refs" / (self.source.revision or self.default)] = listing.commit
        for path, text in texts.items():
            with contextlib.suppress(OSError):
                path.parent.mkdir(parents=True, exist_ok=True)
                beside = path.with_name(f"{path.name}.{os.getpid()}")
                beside.write_text(text, encoding="utf-8")
                os.replace(beside, path)

    def _listing_path(self, commit: str) -> Path:
        return self.folder / ".finetune" / f"{commit}.json"

    def missing(self, commit: str, names: Iterable[str]) -> list[str]:
        """Those of the files that are not in the snapshot."""
        return [name for name in names if not (self.snapshot(commit) / name).is_file()]


def is_commit(text: str | None) -> bool:
    return bool(_COMMIT.fullmatch(text or ""))


def small_names(names: Iterable[str]) -> list[str]:
    """Those of a repository's files that a base needs beside its weights: never code, never other weights."""
    chosen = []
    for name in sorted(names):
        if name.startswith(_TEMPLATES):
            wanted = name.endswith(".jinja") and "/" not in name[len(_TEMPLATES) :]
        elif "/" in name or "\\" in name:
            wanted = False
        else:
            wanted = name.endswith((".json", ".jinja", ".tiktoken")) or name in (*_TOKENIZER_FILES, *_PAPERS)
            wanted = wanted and (not name.endswith(".index.json") or name == INDEX)
        if wanted:
            chosen.append(name)
    return chosen


def is_weight(name: str) -> bool:
    """Whether a file may be one of the weights: repositories keep other formats in folders."""
    return name.endswith(".safetensors") and "/" not in name and "\\" not in name


def weight_names_of(files: Iterable[str], index: Path) -> list[str]:
    """The weight files to fetch: the single one, else those of the index, else all.

    Repositories often hold the same weights twice, cut up and in one piece.
    """
    names = {name for name in files if is_weight(name)}
    if SINGLE in names:
        return [SINGLE]
    named = indexed_names(index)
    return sorted(names if named is None else filter(is_weight, named))
