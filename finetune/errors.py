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

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

MAX_PROBLEMS_SHOWN = 20


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
            text += f". Fix: {self.fix}"
        return text


def shown(value: object, limit: int = 60) -> str:
    """A recipe value as an error may print it: one line, short. Never use it on a row's text."""
    text = repr(value)
    return text if len(text) <= limit else f"{text[: limit - 1]}…"


class FinetuneError(Exception):
    """Base of all errors of the kit. `problems` holds every one found, in file order."""

    exit_code = 1

    def __init__(self, problems: str | Problem | Iterable[str | Problem]):
        if isinstance(problems, (str, Problem)):
            problems = [problems]
        self.problems: tuple[str | Problem, ...] = tuple(problems)
        super().__init__(self.text())

    def text(self) -> str:
        """All problems, one a line, at most MAX_PROBLEMS_SHOWN and then a count."""
        lines = [str(problem) for problem in self.problems[:MAX_PROBLEMS_SHOWN]]
        rest = len(self.problems) - len(lines)
        if rest > 0:
            lines.append(f"... and {rest} more")
        return "\n".join(lines)

    def __str__(self) -> str:
        return self.text()


class RecipeError(FinetuneError, ValueError):
    """The recipe is wrong."""

    exit_code = 2


class DataError(FinetuneError, ValueError):
    """A data file or row is wrong.

    Attributes:
        report: what was read and found up to the refusal (the data room's DataReport), so that a check can still be
            written down; None where nothing was read.
    """

    exit_code = 2

    def __init__(self, problems: str | Problem | Iterable[str | Problem], report: Any = None):
        super().__init__(problems)
        self.report = report


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
