"""What the rules of the recipe make of what was found in the rows: left out, warned of, refused."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from finetune.data import findings
from finetune.data.pipeline import Gathered
from finetune.data.shapes import DataReport, plural
from finetune.errors import Problem

if TYPE_CHECKING:
    import numpy as np

    from finetune.data.likeness.duplicates import Marks
    from finetune.data.likeness.leakage import Leaks
    from finetune.recipe import LoadedRecipe

PLACES_SHOWN = 5
# a question asked in a few wordings has one answer; an answer to more questions than this fits everything
MANY_QUESTIONS = 10


def places_shown(places: list[str], num: int) -> str:
    """The first places, and how many more there are."""
    text = ", ".join(places[:PLACES_SHOWN])
    rest = num - min(num, PLACES_SHOWN)
    return f"{text} and {rest:,} more" if rest > 0 else text


def num_allowed(rule: int | float, num_rows: int) -> int:
    """How many rows `data.bad_rows` lets be left out: a number, or a share of all rows."""
    return int(rule * num_rows) if isinstance(rule, float) else rule


def of_bad_rows(loaded: LoadedRecipe, gathered: Gathered, report: DataReport) -> list[Problem]:
    """Rows that cannot be used: left out and counted, or one problem for all and one for each (the first 1,000)."""
    rule, bad = loaded.recipe.data.bad_rows, gathered.bad
    allowed = num_allowed(rule, gathered.num_rows)
    shown = f"{rule:g} ({plural(allowed, 'row')})" if isinstance(rule, float) else f"{rule:,}"
    report.bad_rows = bad.as_dict(shown)
    if not bad.num:
        return []
    if bad.num > allowed:
        are = "is" if bad.num == 1 else "are"
        what = f"{bad.num:,} of {plural(gathered.num_rows, 'row')} cannot be used, {shown} {are} allowed"
        fix = f"correct what is named below, or leave these rows out: data.bad_rows: {bad.num}"
        return [Problem(loaded.where("data.bad_rows"), "data.bad_rows", what, fix=fix), *bad.problems]
    report.dropped["bad row"] = bad.num
    for reason in report.bad_rows["reasons"]:
        places = places_shown(reason["places"], reason["num"])
        report.warnings.append(f"{plural(reason['num'], 'bad row')} left out: {reason['what']} ({places})")
    return []


def of_disliked(gathered: Gathered, report: DataReport) -> None:
    """Rated rows that were disliked are not learnt from under `train.method: sft`."""
    num = len(gathered.disliked)
    if num:
        report.dropped["disliked answer"] = num
        what = f"{plural(num, 'rated row')} left out: train.method sft learns from liked answers only"
        report.notes.append(f"{what} ({places_shown(gathered.disliked, num)})")


def of_findings(
    loaded: LoadedRecipe, gathered: Gathered, marks: Marks, report: DataReport
) -> tuple[np.ndarray, list[Problem], tuple[str, ...]]:
    """(which rows stay (rows,) bool, refusals, kinds dropped) under `data.checks`."""
    import numpy as np

    rules = findings.rules_of({str(kind): rule for kind, rule in loaded.recipe.data.checks.items()})
    masks = gathered.masks()
    if rules["repeated_answer"] != "off":
        masks |= _repeated_answers(gathered, marks)
    verdicts = findings.verdicts(gathered.tally, gathered.store.num_rows, rules)
    report.findings = verdicts.as_dict(gathered.tally)
    report.warnings += verdicts.warnings
    mask = findings.mask_of(verdicts.dropped)
    keep = (masks & mask) == 0 if mask else np.ones(len(masks), bool)
    dropped = tuple(kind for kind in findings.KIND_NAMES if kind in verdicts.dropped)
    left = ~keep
    for kind in dropped:  # a row with two of these kinds counts for the first
        mine = left & ((masks & findings.mask_of([kind])) != 0)
        left &= ~mine
        if mine.any():
            report.dropped[f"data.checks.{kind}"] = int(mine.sum())
    refused = [replace(problem, where=problem.where or loaded.where(problem.key)) for problem in verdicts.refused]
    return keep, refused, dropped


def _repeated_answers(gathered: Gathered, marks: Marks) -> np.ndarray:
    """(rows,) uint32: the bit of rows whose answer is given to more than MANY_QUESTIONS, but for the first of each."""
    import numpy as np

    from finetune.data.likeness.duplicates import numbered

    numbers = np.arange(len(marks))
    answer, pair = numbered(marks.answer), numbered(marks.pair)
    once = pair == numbers  # equal rows are told of as duplicates
    num_questions = np.bincount(answer[once], minlength=len(marks))
    later = once & (answer != numbers) & (num_questions[answer] > MANY_QUESTIONS)
    count = int(later.sum())
    if count:
        column = gathered.store.column("where")
        places = [column[int(number)].as_py() for number in np.flatnonzero(later)[: findings.MAX_PLACES]]
        tally = gathered.tally
        tally.counts["repeated_answer"] = count
        tally.places["repeated_answer"] = places
        tally.parts["repeated_answer"] = [""] * len(places)
    return np.where(later, findings.mask_of(["repeated_answer"]), 0).astype(np.uint32)


def of_privacy(loaded: LoadedRecipe, gathered: Gathered, report: DataReport) -> list[Problem]:
    """Personal data: told of by place and kind, refused, or redacted already; never quoted."""
    rule, found = loaded.recipe.data.privacy, gathered.privacy
    report.privacy = found.as_dict(rule)
    if not found.num_rows:
        return []
    kinds = ", ".join(f"{kind} {counts['num']:,}" for kind, counts in report.privacy["kinds"].items())
    rows = f"{found.num_rows:,} of {plural(gathered.store.num_rows, 'row')}"
    if rule == "redact":
        report.notes.append(f"personal data redacted in {rows}: {kinds}")
        return []
    places = _first_places(report.privacy["kinds"])
    what = f"{rows} may hold personal data: {kinds} ({places_shown(places, found.num_rows)})"
    if rule == "warn":
        fix = "look at them, or set data.privacy: redact"
        report.warnings.append(f"{what}. {fix[0].upper()}{fix[1:]}")
        return []
    fix = "remove it, or set data.privacy: redact (placeholders are trained instead) or warn"
    return [Problem(loaded.where("data.privacy"), "data.privacy", what, fix=fix)]


def _first_places(kinds: dict[str, Any]) -> list[str]:
    """The first rows of any kind, each once."""
    return list(dict.fromkeys(place for counts in kinds.values() for place in counts["places"]))


def of_straddling(
    loaded: LoadedRecipe, leaks: Leaks, can_drop_near: Callable[[], bool], report: DataReport
) -> list[Problem]:
    """What a held-out share could not keep on one side: rows and questions as data.leakage says, answers are told of.

    Answers are not refused: data in which nearly all are equal (who the assistant is) are wanted, and no split of them
    keeps equal answers together.

    Args:
        leaks: of the split.
        can_drop_near: whether data.near_duplicates: drop would help; asked for only where that is to be said.
    """
    from finetune.data.likeness.leakage import SHORT

    rule = loaded.recipe.data.leakage
    if rule == "off":
        report.leakage = {"rule": rule, "num_rows": 0, "num_groups": 0, "kinds": {}, "by": "share"}
        return []
    report.leakage = {**leaks.as_dict(rule), "by": "share"}
    counts = {kind: len(rows) for kind, rows in leaks.kinds.items() if len(rows)}
    num_answers = sum(num for kind, num in counts.items() if kind.endswith("_answer"))
    num = leaks.num_rows - num_answers
    of = f"of {plural(leaks.num_held_out, 'held-out row')}"
    if num_answers:
        report.warnings.append(
            f"{num_answers:,} {of}: their answers are also trained, exactly or nearly. More than half of all rows hang "
            "together by them, so they could not be kept on one side: scores on these rows are too good"
        )
    if not num:
        return []
    shown = ", ".join(f"{SHORT[kind]} {num:,}" for kind, num in counts.items() if not kind.endswith("_answer"))
    what = f"{num:,} {of} {'is' if num == 1 else 'are'} also trained on ({shown})"
    if rule == "warn":
        report.warnings.append(f"{what}: scores on them are too good; kept, as data.leakage is warn")
        return []
    fix = "set data.near_duplicates: drop" if can_drop_near() else "keep fewer rows that say the same"
    fix += ", name a file of other rows in data.held_out, or set data.leakage: warn"
    what += ": so many rows say the same that they cannot be kept on one side"
    return [Problem(loaded.where("data.held_out"), "data.held_out", what, fix=fix)]


def of_nothing_left(loaded: LoadedRecipe, report: DataReport) -> Problem:
    """The refusal where the rules have left no row, with the rules that did it."""
    reasons = ", ".join(f"{num:,} as {reason}" for reason, num in report.dropped.items() if num)
    what = f"no row is left to train on: of {plural(report.num_rows_read, 'row')}, {reasons} were left out"
    return Problem(loaded.where("data.train"), "data.train", what, fix="add rows, or loosen these rules")
