"""Questions with given options, and rows whose answers are labels: scored by how likely each option is, not by replies.

A model that was not trained for a format answers "The right one is B, because"; how likely it finds each option says
what it would choose, for base and adapter alike (as lm-evaluation-harness does it, Gao et al. 2021). All options of
all questions are rows of one scoring: the prompt that they share is computed once.

- Choice questions: the option with the fewest nats per UTF-8 byte of its text, its end token not counted: options are
  of different length, and plain sums prefer the shortest one. What plain sums would choose is recorded beside it.
- Label tasks: the label with the smallest sum of nats, its end token counted: that is the likeliest whole reply, which
  is what the adapter was trained to write, and of two labels that begin alike neither has an advantage.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Literal

from finetune import statistics
from finetune.evaluation import scorecard
from finetune.evaluation.parts import Parts, kept_losses
from finetune.generation import Engine

IGNORED = -100
Messages = Sequence[Mapping[str, Any]]
# Nats and tokens of each option of each question; None for a question that is longer than the base can look at.
Scores = list[list[tuple[float, int]] | None]
SIDES = ("base", "adapter")

MAX_LABELS, MAX_LABEL_CHARS, LEAST_ROWS_A_LABEL = 30, 60, 10
MAX_LABELS_ASKED = 200


# -- options ---------------------------------------------------------------------------------------------------------


def score_options(
    engine: Engine,
    items: Sequence[tuple[Messages, Sequence[str]]],
    tell: Callable[[str, int, int], None],
    *,
    with_end: bool = False,
    parts: Parts | None = None,
    what: str = "options",
) -> dict[str, Scores]:
    """How likely base and adapter find each option of each question.

    Args:
        engine: a run's, with its adapter.
        items: (messages, options) of each question; the last message is the user's.
        tell: told stage, options done, options in all.
        with_end: count the end token of a reply, too.
        parts: keeps what is done; None keeps nothing.
        what: they are called when told.

    Returns:
        {"base": scores, "adapter": scores}, each (items,) of (options,) of (summed nats, tokens).

    Raises:
        ModelError: the template refuses a question.
    """
    rows: list[tuple[list[int], list[int]]] = []
    spans: list[range | None] = []
    for messages, options in items:
        own = [_row(engine, messages, option, with_end) for option in options]
        if max(len(ids) for ids, _ in own) > engine.context_tokens:
            spans.append(None)
            continue
        spans.append(range(len(rows), len(rows) + len(own)))
        rows += own
    found: dict[str, Scores] = {}
    for side in SIDES:
        done = 0

        def on_done(count: int, side: str = side) -> None:
            nonlocal done
            done += count
            tell(f"{what}, {side}", done, len(rows))

        if side == "base" and engine.has_adapter:
            with engine.model.disable_adapter():
                losses = kept_losses(engine.model, rows, side, parts, on_done=on_done)
        else:
            losses = kept_losses(engine.model, rows, side, parts, on_done=on_done)
        found[side] = [None if span is None else [losses[k] for k in span] for span in spans]
    return found


def _row(engine: Engine, messages: Messages, option: str, with_end: bool) -> tuple[list[int], list[int]]:
    """(input_ids, labels) of a question with one option as its answer; of all turns only that one is scored."""
    turns = [*engine.with_system(messages), {"role": "assistant", "content": option}]
    rendered = engine.renderer.render(turns)
    start, end = rendered.spans[-1]
    while not with_end and end - 1 > start and rendered.input_ids[end - 1] in engine.renderer.end_ids:
        end -= 1
    labels = [IGNORED] * len(rendered.input_ids)
    labels[start:end] = rendered.input_ids[start:end]
    return rendered.input_ids, labels


def choose(scores: Sequence[tuple[float, int]], options: Sequence[str], by: Literal["bytes", "sum"] = "bytes") -> int:
    """Number of the option that is chosen; of equally likely ones the first.

    Args:
        scores: (options,) of `score_options`.
        options: (options,) their texts.
        by: nats per UTF-8 byte, or summed nats.
    """
    weights = [max(1, len(option.encode("utf-8"))) if by == "bytes" else 1 for option in options]
    return min(range(len(options)), key=lambda k: scores[k][0] / weights[k])


def choice_results(
    items: Sequence[tuple[Messages, Sequence[str]]],
    answers: Sequence[int],
    scored: Mapping[str, Scores],
    *,
    seed: int,
    groups: Sequence[str | None] | None = None,
) -> dict[str, Any]:
    """Marks, measure and facts of choice questions.

    Args:
        items: (messages, options) as scored.
        answers: (items,) number of the right option of each.
        scored: of `score_options`, without end tokens.
        seed: of the bootstrap's draws.
        groups: (items,) questions drawn together.

    Returns:
        {"marks": (items,) of (base right, adapter right) or None where a question was too long,
        "measures": entries of the scorecard, "facts": numbers for evaluation.json}.
    """
    marks: list[tuple[bool, bool] | None] = []
    by_sum = Counter[str]()
    for number, ((_, options), answer) in enumerate(zip(items, answers)):
        of_sides = {side: scored[side][number] for side in SIDES}
        right = {side: choose(one, options) == answer for side, one in of_sides.items() if one is not None}
        marks.append((right["base"], right["adapter"]) if len(right) == 2 else None)
        for side, one in of_sides.items():
            by_sum[side] += one is not None and choose(one, options, "sum") == answer
    kept = [(pair, None if groups is None else groups[k]) for k, pair in enumerate(marks) if pair is not None]
    facts: dict[str, Any] = {
        "num": len(kept),
        "num_left_out": len(marks) - len(kept),
        "chosen_by": "nats per byte",
        "chance": sum(1 / len(o) for (_, o), pair in zip(items, marks) if pair) / len(kept) if kept else None,
    }
    for number, side in enumerate(SIDES):
        facts[side] = {"right": sum(pair[number] for pair, _ in kept), "right_by_sum": by_sum[side]}
    if not kept:
        return {"marks": marks, "measures": [], "facts": facts}
    base, adapter = ([float(pair[number]) for pair, _ in kept] for number in range(2))
    entry = scorecard.measure("choice_accuracy", base, adapter, groups=[group for _, group in kept], seed=seed)
    return {"marks": marks, "measures": [entry], "facts": facts}


# -- labels ----------------------------------------------------------------------------------------------------------


def label_set(
    train_answers: Sequence[str], held_out_answers: Sequence[str], *, asked: bool = False
) -> tuple[str, ...] | None:
    """The labels, the commonest first, when the answers of the rows are a few fixed ones; else None.

    They are when the training answers are 2 to 30 different texts of at most 60 characters in one line, each of them
    there 10 times on average, and every held-out answer is one of them. Blanks around them do not count.

    Args:
        train_answers, held_out_answers: the last answer of each row.
        asked: the recipe says that they are labels: up to 200 of them, each there twice on average, are believed.
    """
    most, least_rows = (MAX_LABELS_ASKED, 2) if asked else (MAX_LABELS, LEAST_ROWS_A_LABEL)
    counts = Counter(answer.strip() for answer in train_answers)
    if not 2 <= len(counts) <= min(most, len(train_answers) // least_rows):
        return None
    if any(not label or len(label) > MAX_LABEL_CHARS or "\n" in label for label in counts):
        return None
    if not all(answer.strip() in counts for answer in held_out_answers):
        return None
    return tuple(sorted(counts, key=lambda label: (-counts[label], label)))


def label_note(labels: Sequence[str], num_train: int) -> str:
    """One line that says what was seen in the answers, without their texts."""
    longest = max(len(label) for label in labels)
    return (
        f"a label task: the answers of {num_train:,} training rows are {len(labels)} different texts of at most "
        f"{longest} characters, and every held-out answer is one of them; each label is scored by its likelihood "
        "(evaluate.task: answers turns this off)"
    )


def label_results(
    labels: Sequence[str],
    answers: Sequence[str],
    scored: Mapping[str, Scores],
    *,
    seed: int,
    groups: Sequence[str | None] | None = None,
) -> dict[str, Any]:
    """Accuracy and macro-F1 of base and adapter, with intervals.

    Args:
        labels: of `label_set`; the options of every row, in this order.
        answers: (rows,) the right label of each.
        scored: of `score_options`, with end tokens.
        seed: of the bootstrap's draws.
        groups: (rows,) rows drawn together.

    Returns:
        {"measures": entries of the scorecard, "facts": numbers for evaluation.json, where labels are numbered by how
        common they are in training: their texts are texts of rows}.
    """
    import numpy as np
    from sklearn.metrics import accuracy_score, f1_score

    fitting = [k for k, one in enumerate(scored["base"]) if one is not None]
    number_of = {label: number for number, label in enumerate(labels)}
    right = np.array([number_of[answers[k].strip()] for k in fitting], dtype=np.int64)  # (rows,)
    said = {side: np.array([choose(scored[side][k] or [], labels, "sum") for k in fitting]) for side in SIDES}
    facts: dict[str, Any] = {
        "num": len(fitting),
        "num_left_out": len(answers) - len(fitting),
        "num_labels": len(labels),
    }
    if not fitting:
        return {"measures": [], "facts": facts}
    own = None if groups is None else [groups[k] for k in fitting]

    silent: Any = 0.0  # of a label that is right nowhere among the rows drawn, but said

    def macro_f1(rows: Any) -> tuple[float, float]:
        base, adapter = (
            f1_score(right[rows], said[side][rows], average="macro", zero_division=silent) for side in SIDES
        )
        return float(base), float(adapter)

    hits = [(said[side] == right).astype(np.float64).tolist() for side in SIDES]
    found = statistics.paired_of(macro_f1, len(fitting), own, seed=seed)
    most = int(np.bincount(right).max())
    facts |= {
        "chosen_by": "summed nats, end token counted",
        "commonest_share": most / len(fitting),
        "rows_a_label": np.bincount(right, minlength=len(labels)).tolist(),
    }
    for side in SIDES:
        recalled = np.bincount(right[said[side] == right], minlength=len(labels))
        facts[side] = {"accuracy": float(accuracy_score(right, said[side])), "right_a_label": recalled.tolist()}
    measures = [
        scorecard.measure("label_accuracy", hits[0], hits[1], groups=own, seed=seed),
        scorecard.entry("label_macro_f1", found),
    ]
    return {"measures": measures, "facts": facts}
