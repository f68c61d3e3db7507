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
            ModelError: the base's template cannot take any row.
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
    """Read and check the data of a recipe. Needs no torch, no model weights, and no network for local files.

    Args:
        loaded: the recipe.
        num_processes: how many read and look at once; the result does not depend on it. None: as many as help.
        talk: is told what goes on.
        with_lengths: also count how long the rows are. A run renders every row anyway and need not count twice.

    Returns:
        The result, also where the data are refused: `require` raises then. Other errors are raised at once.
    """
    from finetune.generation import read_questions

    started = time.monotonic()
    problems: list[str | Problem] = []
    splits, found, counted, model_error = None, DataReport(), None, None
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
            problems += error.problems
            model_error = error
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
    only_model = model_error is not None and len(problems) == len(model_error.problems)
    error = model_error if only_model else DataError(problems, report=found) if problems else None
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
