"""Problems with their places, gathered from every check and given out together in file order."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from finetune.errors import Problem, RecipeError, shown
from finetune.recipe.remedies import HIDDEN, SECRET_KEY, find_secret
from finetune.recipe.strict_yaml import Fault

SET = "--set"
Mark = tuple[str, int, int]  # file as shown, 1-based line, 1-based column; (SET, order, 0) for an override


def dotted(path: Iterable[Any]) -> str:
    """("data", "train", 1) -> "data.train.1" on one line, with anything that looks like a secret hidden."""
    return ".".join(_clean(str(part)) for part in path)


def _clean(part: str) -> str:
    if find_secret(part) is not None:
        return HIDDEN
    return "".join(char if char.isprintable() else "?" for char in part[:60])


def place(mark: Mark | None) -> str:
    """A mark as a problem's `where`: `recipe.yaml:5:3`, `recipe.yaml` without a line, `--set` for an
    override.
    """
    if mark is None:
        return ""
    file, line, column = mark
    return file if file == SET or not line else f"{file}:{line}:{column}"


def safe(value: Any) -> str:
    """A value as a message may show it: short, one line, secrets hidden."""
    if isinstance(value, (str, dict, list, tuple)) and find_secret(str(value)) is not None:
        return HIDDEN
    return "nothing" if value is None else shown(value, 120)


class Findings:
    """Collects problems. `marks` says where each key path was set; `files` gives the order in which files
    are read.
    """

    def __init__(self, marks: Mapping[tuple, Mark], files: list[str]):
        self.marks = marks
        self.files = files
        self._known: set[Problem] = set()
        self._found: list[tuple[tuple[int, int, int, int], Problem]] = []

    def mark(self, path: tuple) -> Mark:
        """Where `path` was set, or else the nearest section around it, or else the recipe as a whole."""
        while path:
            if path in self.marks:
                return self.marks[path]
            path = path[:-1]
        return (self.files[0], 0, 0)

    def place(self, path: tuple) -> str:
        return place(self.mark(path))

    def add(self, path: tuple, what: str, got: str = "", fix: str = "") -> None:
        """Note a problem of the setting at `path`."""
        self.add_at(self.mark(path), path, what, got, fix)

    def add_at(self, mark: Mark, path: tuple, what: str, got: str = "", fix: str = "") -> None:
        """Note a problem at a place of its own."""
        if any(isinstance(part, str) and SECRET_KEY.search(part) for part in path):
            got = ""
        problem = Problem(place(mark), dotted(path), what, got, fix)
        rank = len(self.files) if mark[0] == SET else self.files.index(mark[0]) if mark[0] in self.files else 0
        if problem not in self._known:
            self._known.add(problem)
            self._found.append(((rank, mark[1], mark[2], len(self._found)), problem))

    def add_faults(self, file: str, faults: Iterable[Fault]) -> None:
        """Note what the reading of one file found."""
        for fault in faults:
            got = HIDDEN if find_secret(fault.got) is not None else fault.got
            self.add_at((file, fault.line, fault.column), fault.path, fault.what, got, fault.fix)

    def __len__(self) -> int:
        return len(self._found)

    def raise_if_any(self) -> None:
        """Raises RecipeError with every problem: the recipe first, then what it extends, then --set; by
        line.
        """
        if self._found:
            raise RecipeError([problem for _, problem in sorted(self._found, key=lambda item: item[0])])
