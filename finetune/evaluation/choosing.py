"""What of an evaluation is chosen and not written: choice questions of recipe and suites, and rows that are labels."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from finetune.data import Conversation, question_of
from finetune.evaluation import likelihood
from finetune.evaluation.answers import spread
from finetune.evaluation.parts import Parts
from finetune.evaluation.suites import Suite
from finetune.generation import Engine

# Of a label task: each row is scored once for each label, and all of it is held at once.
_MOST_ROWS, _MOST_OPTIONS = 500, 20_000
OnProgress = Callable[[str, int, int], None]


@dataclass(frozen=True)
class Chosen:
    """Choice questions, scored.

    Attributes:
        suite_marks: (suite, item) -> (base right, adapter right); items too long for the base are missing.
        measures: entries of the scorecard, of the recipe's own choice questions.
        facts: their numbers for evaluation.json; None without any.
        num_images: questions left out because they show images.
    """

    suite_marks: Mapping[tuple[str, str], tuple[bool, bool]] = field(default_factory=dict)
    measures: Sequence[dict[str, Any]] = ()
    facts: dict[str, Any] | None = None
    num_images: int = 0


def choices(
    engine: Engine,
    asked: Sequence[Mapping[str, Any]],
    suites: Sequence[Suite],
    parts: Parts | None,
    seed: int,
    tell: OnProgress,
) -> Chosen:
    """Score the choice questions of a recipe (from finetune.generation.read_questions) and of suites, all in one.

    Args:
        engine: a run's, with its adapter.
        seed: of the bootstrap's draws.
        tell: told stage, done, total.
    """
    with_options = [row for row in asked if "options" in row]
    own = [row for row in with_options if not row.get("images")]
    of_suites = [(suite.name, item) for suite in suites for item in suite.items if item.is_choice]
    items: list[tuple[Sequence[Mapping[str, Any]], Sequence[str]]] = [
        *(([question_of(row["question"], ())], row["options"]) for row in own),
        *((item.messages, item.options or ()) for _, item in of_suites),
    ]
    if not items:
        return Chosen(num_images=len(with_options) - len(own))
    scored = likelihood.score_options(engine, items, tell, parts=parts)
    answers = [row["right"] for row in own] + [item.answer or 0 for _, item in of_suites]
    marks = likelihood.choice_results(items, answers, scored, seed=seed)["marks"]
    num = len(own)
    found: dict[str, Any] = {"measures": (), "facts": None}
    if own:
        of_own = {side: scores[:num] for side, scores in scored.items()}
        found = likelihood.choice_results(items[:num], answers[:num], of_own, seed=seed)
    suite_marks = {
        (name, item.id): pair for (name, item), pair in zip(of_suites, marks[num:]) if pair is not None
    }  # fmt: skip
    return Chosen(suite_marks, found["measures"], found["facts"], len(with_options) - num)


def labels(
    engine: Engine,
    train: Sequence[Conversation],
    held_out: Sequence[Conversation],
    parts: Parts | None,
    seed: int,
    tell: OnProgress,
    *,
    asked: bool = False,
) -> dict[str, Any] | None:
    """Accuracy and macro-F1 where the answers of the rows are a few fixed labels; None where they are not.

    Args:
        train, held_out: the run's rows; those with tools or images are no label task. At most 500 held-out rows are
            scored, and fewer where there are many labels.
        asked: the recipe says that they are labels: more of them, and rarer ones, are believed.

    Returns:
        {"measures": entries of the scorecard, "facts": numbers for evaluation.json, "note": one line}.
    """
    if any(row.tools or any(message.images for message in row.messages) for row in held_out):
        return None
    answers = [row.messages[-1].content for row in held_out]
    trained = [row.messages[-1].content for row in train]
    found = likelihood.label_set(trained, answers, asked=asked)
    if found is None:
        return None
    rows = spread(held_out, max(1, min(_MOST_ROWS, _MOST_OPTIONS // len(found))))
    items = [([message.as_dict() for message in row.messages[:-1]], found) for row in rows]
    answers = [row.messages[-1].content for row in rows]
    scored = likelihood.score_options(engine, items, tell, with_end=True, parts=parts, what="labels")
    groups = [row.group for row in rows]
    results = likelihood.label_results(found, answers, scored, seed=seed, groups=groups)
    note = likelihood.label_note(found, len(trained))
    if len(rows) < len(held_out):
        note += f"; {len(rows):,} of {len(held_out):,} held-out rows, evenly spread"
    return {**results, "note": note}
