"""What an evaluation is asked for, looked at before anything is computed: hours of training may lie between."""

from __future__ import annotations

import socket
from collections.abc import Sequence
from dataclasses import dataclass, replace
from urllib.parse import urlsplit

from finetune import recipe
from finetune.errors import DataError, Problem, RecipeError, SurroundingsError
from finetune.evaluation.suites import Suite, load_suite
from finetune.recipe import gate_checks, is_suite_file, is_task_file

# Checks of a gate -> the category of the suites that answer them.
_CATEGORY_OF = {"no_general_loss": "general", "safety": "safety"}
_REACH_SECONDS = 5.0


@dataclass(frozen=True)
class Wishes:
    """What one evaluation does beside its recipe's words.

    Attributes:
        suites: run beside evaluate.suites; the gate looks at the recipe's own alone.
        benchmarks: other tasks than evaluate.benchmarks; None: those.
        judge: address of a model that compares the answers; None: no judge, nothing leaves the machine.
        judge_model: its name there.
        judge_rows: whether texts of held-out rows may be sent to it.
    """

    suites: tuple[str, ...] = ()
    benchmarks: tuple[str, ...] | None = None
    judge: str | None = None
    judge_model: str = ""
    judge_rows: bool = False


def suites_of(loaded: recipe.LoadedRecipe, beside: Sequence[str] = ()) -> list[Suite]:
    """The suites that a recipe asks for, and others beside them.

    Args:
        beside: names or files; files are named from the current folder. One that the recipe has is not run twice.

    Raises:
        DataError: an unknown suite, a malformed file, or a gate that no suite can answer; all problems at once.
    """
    problems: list[str | Problem] = []
    found: dict[str, Suite] = {}
    where = loaded.where("evaluate.suites")
    own = loaded.recipe.evaluate.suites
    for name in (*own, *(name for name in beside if name not in own)):
        of_recipe = name in own
        place = where if of_recipe else "--suite"
        try:
            is_file = of_recipe and is_suite_file(name)
            suite = load_suite(loaded.path_of("evaluate.suites", name).resolve() if is_file else name)
        except (DataError, RecipeError) as error:
            problems += [_at(problem, place) for problem in error.problems]
            continue
        if suite.name in found:
            what = "two suites have this name"
            problems.append(Problem(place, "evaluate.suites", what, repr(suite.name), "rename one, or leave one out"))
        found[suite.name] = suite
    problems += _unanswered(loaded, list(found.values()) if not problems else None)
    if problems:
        raise DataError(problems)
    return list(found.values())


def _unanswered(loaded: recipe.LoadedRecipe, suites: Sequence[Suite] | None) -> list[Problem]:
    """Checks of the gate for which the recipe has no suite; nothing while its suites cannot be read."""
    asked = gate_checks(loaded.recipe.evaluate.gate)
    here = {suite.category for suite in suites or ()}
    return [
        Problem(
            loaded.where("evaluate.gate"), "evaluate.gate", f"asks for {check}, and no suite of the recipe tells it",
            fix=f"add a suite of the category {category} to evaluate.suites, or take the check out",
        )
        for check, category in _CATEGORY_OF.items()
        if suites is not None and check in asked and category not in here
    ]  # fmt: skip


def _at(problem: str | Problem, place: str) -> str | Problem:
    """A problem that has no place of its own, with this one."""
    return problem if isinstance(problem, str) or problem.where else replace(problem, where=place)


def require_judge(wishes: Wishes, has_questions: bool) -> None:
    """Refuse a judge that cannot be asked; nothing is sent.

    Args:
        has_questions: whether the recipe has questions of its own.

    Raises:
        RecipeError: it is no address, holds a password, or there is nothing that may be sent to it.
        SurroundingsError: nobody answers at the address.
    """
    if wishes.judge is None:
        return
    from finetune.evaluation import judge

    address = judge.read_address(wishes.judge)
    if not has_questions and not wishes.judge_rows:
        fix = "name questions in evaluate.questions, or send held-out rows of your data with --judge-rows"
        raise RecipeError(Problem("", "--judge", "the recipe has no questions, so nothing may be sent", fix=fix))
    parts = urlsplit(address.url)
    port = parts.port or (443 if address.is_encrypted else 80)
    try:
        socket.create_connection((parts.hostname or "", port), timeout=_REACH_SECONDS).close()
    except OSError as error:
        reason = error.strerror or type(error).__name__
        fix = "start it, or correct the address"
        what = f"nobody answers at {address.host}: {reason}"
        raise SurroundingsError(Problem("", "--judge", what, fix=fix)) from None


def require_benchmarks(loaded: recipe.LoadedRecipe, names: Sequence[str] | None = None) -> None:
    """Refuse benchmarks that cannot be run.

    Args:
        names: instead of evaluate.benchmarks; files among them are named from the current folder.

    Raises:
        SurroundingsError: the extra `benchmarks` is not installed.
        RecipeError: a task file is missing or malformed.
    """
    if asked := benchmarks_of(loaded, names):
        from finetune.evaluation import harness

        harness.check_tasks(asked)


def benchmarks_of(loaded: recipe.LoadedRecipe, names: Sequence[str] | None) -> list[str]:
    """The benchmarks that a recipe, or `names`, asks for; files of a recipe by their whole paths."""
    if names is not None:
        return list(names)
    return [
        str(loaded.path_of("evaluate.benchmarks", name).resolve()) if is_task_file(name) else name
        for name in loaded.recipe.evaluate.benchmarks
    ]
