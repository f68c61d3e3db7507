"""Which files, folders and hub data sets the recipe means: what is to be read, in a fixed order."""

from __future__ import annotations

import fnmatch
import glob
import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from finetune.data.reading import pair_rows
from finetune.data.reading.kinds import ACCEPTED, kind_of
from finetune.data.reading.streams import SourceError
from finetune.data.shapes import plural
from finetune.errors import Problem, shown

if TYPE_CHECKING:
    from finetune.data.reading.hub_files import HubFile

MAX_NAMES_SHOWN = 10


@dataclass(frozen=True)
class Source:
    """One thing to read: a file, a folder of text pairs, or a file of a hub data set.

    Attributes:
        name: what messages and the report call it: as the recipe wrote it, never an absolute path.
        kind: jsonl, json, csv, tsv, parquet, xlsx or pairs, by its name; "" when the name says nothing known (it is
            refused when read, unless its first bytes are known).
        weight: how often its rows count, from the recipe.
        path: the file, or the folder of text pairs; None for a file of the hub.
        sheet: the sheet of a workbook that the recipe names; None: the first with rows.
        hub: the file of a hub data set; None for a local file.
        note: what was chosen on the way to this file ("the folder holds 3 data files"); "" when nothing was.
    """

    name: str
    kind: str
    weight: float = 1.0
    path: Path | None = None
    sheet: str | None = None
    hub: HubFile | None = None
    note: str = ""

    @property
    def identity(self) -> str:
        """Equal for two sources that are the same bytes on disk or on the hub (links followed)."""
        if self.path is not None:
            return os.path.realpath(self.path) + (f"#{self.sheet}" if self.sheet else "")
        return str(self.hub)


def find(
    key: str,
    value: str | Sequence[Any],
    path_of: Callable[[str, str], Path],
    where: str,
    problems: list[Problem],
    *,
    stream: bool = False,
) -> list[Source]:
    """The sources that a recipe value names, patterns and folders filled in, in the order written, then by name.

    Args:
        key: the dotted recipe key, `data.train` or `data.held_out`.
        value: a path, pattern, folder or `hub:...`; or a list of them, or of objects with `.path` and `.weight`.
        path_of: (key, value) -> path, relative to the recipe that set the key.
        where: the place of the key in the recipe.
        problems: gets one entry per value that names nothing readable.
        stream: read hub files without keeping a copy on disk.
    """
    values: list[Any] = [value] if isinstance(value, str) or hasattr(value, "path") else list(value)
    if not values:
        problems.append(Problem(where, key, "names no file", fix="name at least one data file"))
    found: list[Source] = []
    for one in values:
        text, weight = (one, 1.0) if isinstance(one, str) else (str(one.path), float(one.weight))
        found += _Finder(key, text, path_of, where, problems, stream).run(weight)
    seen: dict[str, str] = {}
    unique = []
    for source in found:
        if source.identity in seen:
            first = seen[source.identity]
            twice = f"{source.name} is named twice" if source.name == first else f"{source.name} is {first} again"
            problems.append(Problem(where, key, twice, fix="name each file once"))
        else:
            seen[source.identity] = source.name
            unique.append(source)
    return unique


def read_with(value: str | Sequence[Any], path_of: Callable[[str, str], Path], key: str, path: Path) -> str:
    """The folder or pattern of a recipe value that would read a new file at `path`, too; "" where none would.

    Args:
        value, path_of, key: as in `find`.
        path: of a file that need not exist; its folder does.
    """
    values: list[Any] = [value] if isinstance(value, str) or hasattr(value, "path") else list(value)
    path = path.parent.resolve() / path.name
    for one in values:
        text = one if isinstance(one, str) else str(one.path)
        if text.startswith("hub:") or "\x00" in text:
            continue
        named = path_of(key, text)
        if named.is_dir():
            if named.resolve() == path.parent and kind_of(path.name) and not path.name.startswith("."):
                return _name(text)
        elif glob.has_magic(text) and not os.path.lexists(named):
            start = path_of(key, ".") / os.path.expanduser(text)
            plain = next(k for k, part in enumerate(start.parts) if glob.has_magic(part))
            folder = Path(*start.parts[:plain]).resolve()
            if path.is_relative_to(folder) and _matches(path.relative_to(folder).parts, start.parts[plain:]):
                return _name(text)
    return ""


def _matches(parts: Sequence[str], pattern: Sequence[str]) -> bool:
    """Whether a path matches a pattern as `glob` reads it, ** for folders of any depth and nothing hidden by chance."""
    if not pattern:
        return not parts
    if pattern[0] == "**":
        depth = next((k for k, part in enumerate(parts) if part.startswith(".")), len(parts))
        return any(_matches(parts[k:], pattern[1:]) for k in range(depth + 1))
    if not parts or (parts[0].startswith(".") and not pattern[0].startswith(".")):
        return False
    return fnmatch.fnmatch(parts[0], pattern[0]) and _matches(parts[1:], pattern[1:])


class _Finder:
    """Finds what one value of the recipe names."""

    def __init__(
        self,
        key: str,
        value: str,
        path_of: Callable[[str, str], Path],
        where: str,
        problems: list[Problem],
        stream: bool,
    ):
        self.key, self.value, self.path_of, self.where, self.problems = key, value, path_of, where, problems
        self.stream = stream

    def refuse(self, what: str, fix: str) -> list[Source]:
        self.problems.append(Problem(self.where, self.key, what, shown(self.value), fix))
        return []

    def run(self, weight: float) -> list[Source]:
        value = self.value
        if value.startswith("hub:"):
            from finetune.data.reading import hub_files

            return hub_files.find(self.key, value, self.where, self.problems, weight=weight, stream=self.stream)
        if value.startswith(("http://", "https://")):
            return self.refuse("a data file is not read from a URL", "download the file and name it here")
        if not value.strip() or "\x00" in value:
            return self.refuse("is not a file name", "name a data file")
        path = self.path_of(self.key, value)
        if path.is_dir():
            return self._folder(path, weight)
        if os.path.lexists(path):
            return [Source(_name(value), kind_of(value), weight, path)]
        book, mark, sheet = value.rpartition("#")
        if mark and sheet and kind_of(book) == "xlsx":
            path = self.path_of(self.key, book)
            if path.is_file():
                return [Source(f"{_name(book)}#{sheet}", "xlsx", weight, path, sheet)]
            return self.refuse("there is no such workbook", "check the name; behind # stands the sheet")
        return self._pattern(weight) if glob.has_magic(value) else self._missing(path)

    def _pattern(self, weight: float) -> list[Source]:
        value, folder = self.value, self.path_of(self.key, ".")
        hits = sorted(glob.glob(os.path.expanduser(value), root_dir=folder, recursive=True))
        files = [Source(_name(hit), kind_of(hit), weight, folder / hit) for hit in hits if not (folder / hit).is_dir()]
        if files:
            return files
        start = Path(value[: len(value) - len(value.lstrip("/"))] or ".")
        for part in Path(value).parts:
            if glob.has_magic(part):
                break
            start = start / part
        if not (folder / start).is_dir():
            return self.refuse(f"no file matches, there is no folder {_name(str(start))}", "check the folder's name")
        return self.refuse(f"no file matches in the folder {_name(str(start))}", "check the pattern and the folder")

    def _missing(self, path: Path) -> list[Source]:
        if not path.parent.is_dir():
            folder = _name(str(Path(self.value).parent))
            return self.refuse(f"there is no such file, nor a folder {folder}", "check the path")
        return self.refuse("there is no such file", "check the name; a path is relative to the recipe that names it")

    def _folder(self, path: Path, weight: float) -> list[Source]:
        """The data files of a folder (not of those inside it), or its text pairs."""
        name = _name(self.value)
        try:
            entries = sorted(entry.name for entry in os.scandir(path) if not entry.name.startswith("."))
            files = [entry for entry in entries if kind_of(entry) and not (path / entry).is_dir()]
            pairs, convention = pair_rows.pairs(path)
        except SourceError as error:
            return self.refuse(error.what, error.fix)
        except OSError as error:
            reason = error.strerror or "it cannot be opened"
            return self.refuse(f"the folder cannot be read: {reason}", "check its permissions")
        if files and pairs:
            what = f"the folder holds {plural(len(files), 'data file')} and text pairs ({convention})"
            return self.refuse(what, "name the files, or put the pairs into a folder of their own")
        if pairs:
            return [Source(name, "pairs", weight, path)]
        if not files:
            fix = f"name a folder with data files ({ACCEPTED}), or with text pairs: {pair_rows.NAMES}"
            return self.refuse("the folder holds no data file", fix)
        names = ", ".join(files[:MAX_NAMES_SHOWN]) + (", ..." if len(files) > MAX_NAMES_SHOWN else "")
        rest = len(entries) - len(files)
        note = f"{name}: the folder holds {plural(len(files), 'data file')}, all read: {names}"
        note += f"; {plural(rest, 'other entry' if rest == 1 else 'other entrie')} not read" if rest else ""
        base = "" if name == "." else f"{name}/"
        return [
            Source(base + file, kind_of(file), weight, path / file, note=note if file == files[0] else "")
            for file in files
        ]


def _name(value: str) -> str:
    """What a file is called in messages: as written when relative, else its last part (no machine path)."""
    return Path(value).name or "/" if os.path.isabs(value) else Path(value).as_posix()
