"""Floor 0: the error tree. Every error a user can cause carries its problems, their places and an exit code.

FinetuneError            exit 1   a fault of ours (anything else that escapes is one too)
├── RecipeError          exit 2   the recipe is wrong                        (also ValueError)
├── DataError            exit 2   a data file or row is wrong                (also ValueError)
├── ModelError           exit 2   base model, tokenizer or template is wrong (also ValueError)
├── RunError             exit 2   a run folder cannot be used as asked       (also RuntimeError)
│   ├── IntegrityError   exit 3   a hash, a gate or a verification said no
│   ├── DivergedError    exit 5   training was stopped before it did harm
│   ├── StoppedError     exit 75  stopped early (SIGTERM), resumable
│   └── CancelledError   exit 130 stopped by Ctrl-C, resumable
├── ShareError           exit 3   a package cannot be shared or trusted      (also ValueError)
└── SurroundingsError    exit 4   missing extra, GPU, disk space or network  (also OSError)
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

MAX_PROBLEMS_SHOWN = 20
MAX_PLACES_SHOWN = 5
# A number in a line, but for that of another row (`train.csv:7`).
_NUMBER = re.compile(r"(?<![:\d,])\d[\d,]*")
_LINE = re.compile(r"^[^:]+:\d+$")
# What the key of a row's problem begins with: "row 12, column answer".
_ROW = re.compile(r"\brow \d+(,\d{3})*(, )?")


@dataclass(frozen=True)
class Problem:
    """One thing that is wrong, where it is, and what to do about it.

    Attributes:
        where: `file`, `file:line` or `file:line:column`; `--set` for an override; empty when there is no file.
        key: dotted recipe key, or `row 12` / `column question` for data; empty when it does not apply.
        what: what is wrong, one clause, lower case, no full stop.
        got: the offending value as shown to the user (see `shown`); empty when there is none to show.
        fix: the next step, one imperative clause; empty only when `what` already says it.
    """

    where: str
    key: str
    what: str
    got: str = ""
    fix: str = ""

    def __str__(self) -> str:
        place = ": ".join(part for part in (self.where, self.key) if part)
        text = f"{place}: {self.what}" if place else self.what
        if self.got:
            text += f" (got {self.got})"
        if self.fix:
            text += f"{'' if text.endswith('...') else '.'} Fix: {self.fix}"
        return text


def shown(value: object, limit: int = 60) -> str:
    """A recipe value as an error may print it: one line, short. Never use it on a row's text."""
    text = repr(value)
    return text if len(text) <= limit else f"{text[: limit - 1]}…"


class FinetuneError(Exception):
    """Base of all errors of the kit. `problems` holds every one found, in file order."""

    exit_code = 1
    num_untold = 0  # problems counted beside those in `problems`

    def __init__(self, problems: str | Problem | Iterable[str | Problem]):
        if isinstance(problems, (str, Problem)):
            problems = [problems]
        self.problems: tuple[str | Problem, ...] = tuple(problems)
        super().__init__(self.text())

    def text(self) -> str:
        """All problems, one a line, at most MAX_PROBLEMS_SHOWN and then a count."""
        lines = [str(problem) for problem in self.problems[:MAX_PROBLEMS_SHOWN]]
        rest = len(self.problems) - len(lines) + self.num_untold
        if rest > 0:
            lines.append(f"... and {rest:,} more")
        return "\n".join(lines)

    def lines(self) -> list[str]:
        """All problems, those of one kind on one line with their first places, at most MAX_PROBLEMS_SHOWN lines."""
        kinds: dict[tuple[str, ...], list[Problem]] = {}
        for problem in self.problems:
            if isinstance(problem, str):
                problem = Problem("", "", problem)
            same = (problem.key, problem.what, problem.fix, problem.got)
            if _ROW.match(problem.key) or _LINE.search(problem.where):
                same = (_ROW.sub("", problem.key), _NUMBER.sub("N", problem.what), *same[2:])
            else:
                same = (problem.where, *same)
            kinds.setdefault(same, []).append(problem)
        lines = [_line(found) for found in kinds.values()]
        rest = self.num_untold + sum(len(found) for found in list(kinds.values())[MAX_PROBLEMS_SHOWN:])
        return [*lines[:MAX_PROBLEMS_SHOWN], *([f"... and {rest:,} more"] if rest > 0 else [])]

    def __str__(self) -> str:
        return self.text()


def first_places(places: Sequence[str], num: int | None = None) -> str:
    """`a.csv:3, a.csv:9 and 7 more`: the first few of `num` places (None: of as many as are given)."""
    shown = places[:MAX_PLACES_SHOWN]
    rest = (len(places) if num is None else num) - len(shown)
    return ", ".join(shown) + (f" and {rest:,} more" if rest > 0 else "")


def ranged(texts: Sequence[str]) -> str:
    """Texts that differ in their numbers alone, as one: `40 tokens; the limit is 32` -> `40-55 tokens; ... is 32`."""
    numbers = [[int(found.replace(",", "")) for found in _NUMBER.findall(text)] for text in texts]
    spans = iter([(min(column), max(column)) for column in zip(*numbers)])

    def span(number: re.Match[str]) -> str:
        least, most = next(spans)
        return number.group() if least == most else f"{least}-{most}"

    return _NUMBER.sub(span, texts[0])


def _line(problems: Sequence[Problem]) -> str:
    """Problems of one kind on one line."""
    first = problems[0]
    places = list(dict.fromkeys(problem.where for problem in problems))
    if len(places) == 1:
        return str(first)
    what = ranged([problem.what for problem in problems])
    return str(Problem(first_places(places), _ROW.sub("", first.key), what, first.got, first.fix))


class RecipeError(FinetuneError, ValueError):
    """The recipe is wrong."""

    exit_code = 2


class DataError(FinetuneError, ValueError):
    """A data file or row is wrong.

    Attributes:
        report: what was read and found up to the refusal (the data room's DataReport), so that a check can still be
            written down; None where nothing was read. Of many bad rows only the first problems are kept; the
            report knows how many more there are (`num_untold`).
    """

    exit_code = 2

    def __init__(self, problems: str | Problem | Iterable[str | Problem], report: Any = None):
        self.report = report
        self.num_untold = getattr(report, "num_untold", 0)
        super().__init__(problems)


class ModelError(FinetuneError, ValueError):
    """The base model, its tokenizer or its chat template cannot be used."""

    exit_code = 2


class RunError(FinetuneError, RuntimeError):
    """A run folder cannot be created, opened or resumed as asked."""

    exit_code = 2


class IntegrityError(RunError):
    """A hash, a gate or a verification said no."""

    exit_code = 3


class DivergedError(RunError):
    """Training was stopped before the optimizer step, because it would have done harm."""

    exit_code = 5


class StoppedError(RunError):
    """Stopped early by SIGTERM; `--resume` goes on."""

    exit_code = 75


class CancelledError(RunError):
    """Stopped by Ctrl-C; `--resume` goes on."""

    exit_code = 130


class ShareError(FinetuneError, ValueError):
    """A package cannot be shared, or cannot be trusted."""

    exit_code = 3


class SurroundingsError(FinetuneError, OSError):
    """The machine lacks something: an extra, a GPU, disk space, the network."""

    exit_code = 4
