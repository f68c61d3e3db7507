"""The whole check of a recipe's data: read, look, count lengths, and say in one sentence whether training may begin."""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from finetune import __version__, data, recipe
from finetune.checking.verdict import grouped, verdict_of
from finetune.data.shapes import DataReport, Splits
from finetune.errors import DataError, FinetuneError, ModelError, Problem
from finetune.runs import utc_now
from finetune.talk import Talk

if TYPE_CHECKING:
    from finetune.recipe import LoadedRecipe

# 1: the report of the data and token counts. 2: verdict, problems, lengths by part, recipe, versions, time.
SCHEMA = 2


@dataclass(frozen=True)
class CheckResult:
    """What a check found, good or bad.

    Attributes:
        splits: the rows to train on and to measure with, those that the rules refuse left out; None where the files
            cannot be read.
        report: what check.json holds; no row text.
        error: why training may not begin; None when it may.
    """

    splits: Splits | None
    report: dict[str, Any]
    error: FinetuneError | None = None

    def require(self) -> Splits:
        """The splits.

        Raises:
            DataError: the data were refused.
            ModelError: the base's template cannot take any row, or the base cannot carry what the recipe asks for.
        """
        if self.splits is None or self.error is not None:
            raise self.error or DataError("the data were not read")
        return self.splits


def check(
    loaded: LoadedRecipe,
    *,
    num_processes: int | None = None,
    talk: Talk | None = None,
    with_lengths: bool = True,
) -> CheckResult:
    """Read and check the data of a recipe. Needs no model weights, and no network for local files.

    torch is needed only where the recipe asks for an adapter that not every base can carry, see `prepare.foreseen`.

    Args:
        loaded: the recipe.
        num_processes: how many read and look at once; the result does not depend on it. None: as many as help.
        talk: is told what goes on.
        with_lengths: also count how long the rows are, and see that the base fits the recipe. A run renders every row
            and looks at the base anyway, and need not do it twice.

    Returns:
        The result, also where the data are refused: `require` raises then. Other errors are raised at once.
    """
    from finetune.generation import read_questions

    started = time.monotonic()
    problems: list[str | Problem] = []
    splits, found, counted = None, DataReport(), None
    of_base: list[str | Problem] = []
    try:
        read_questions(loaded)
    except DataError as error:
        problems += error.problems
    try:
        splits = data.load(loaded, num_processes=num_processes, talk=talk, lenient=True)
        found = splits.report
        problems += splits.refused
    except DataError as error:
        problems += error.problems
        found = error.report or found
    if splits is not None and with_lengths:
        from finetune.checking.lengths import lengths

        try:
            counts = lengths(loaded, splits, talk=talk, num_processes=num_processes)
            counted = counts.facts
            problems += counts.problems
            found.warnings += counts.warnings
        except ModelError as error:
            of_base += error.problems
    if with_lengths:
        from finetune import prepare

        wrong, not_looked_at = prepare.foreseen(loaded)
        of_base += [problem for problem in wrong if problem not in of_base]
        found.warnings += not_looked_at
    problems += of_base
    report = {
        "schema": SCHEMA,
        "kit_version": __version__,
        "verdict": {},
        "checked_at": utc_now(),
        "seconds": round(time.monotonic() - started, 2),
        "recipe": {"name": loaded.recipe.name, "fingerprint": recipe.fingerprint(loaded.recipe)},
        "settings": {"privacy": loaded.recipe.data.privacy, "languages": list(loaded.recipe.share.languages)},
        "versions": _versions(),
        "problems": grouped(problems, found.bad_rows),
        **found.as_dict(),
        "lengths": counted,
    }
    report["verdict"] = verdict_of(report)
    is_base_alone = bool(of_base) and len(problems) == len(of_base)
    error = ModelError(of_base) if is_base_alone else DataError(problems, report=found) if problems else None
    return CheckResult(splits, report, error)


def with_lengths(report: Mapping[str, Any], facts: Mapping[str, Any]) -> dict[str, Any]:
    """A report that was made without lengths, with them, and with the verdict that then fits it.

    Args:
        report: `CheckResult.report`.
        facts: `finetune.checking.lengths.Lengths.facts`.
    """
    made = {**report, "lengths": dict(facts)}
    return {**made, "verdict": verdict_of(made)}


def _versions() -> dict[str, str]:
    """Of what reads, searches and counts."""
    import contextlib
    import platform
    from importlib import metadata

    versions = {"python": platform.python_version(), "finetune-kit": __version__}
    for package in ("pyarrow", "tokenizers", "phonenumbers", "python-stdnum", "rensa"):
        with contextlib.suppress(metadata.PackageNotFoundError):
            versions[package] = metadata.version(package)
    return versions
