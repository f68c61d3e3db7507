"""How long the rows are, in tokens and by part, and what data.max_length does to them."""

from __future__ import annotations

import re
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

from finetune import prepare
from finetune.data import Conversation, Splits
from finetune.errors import Problem, SurroundingsError
from finetune.prepare.chunks import CHUNK_ROWS, Rules, refusal, rendered_chunks, too_long
from finetune.prepare.splits import MAX_PLACES, histogram, keeps
from finetune.recipe import LoadedRecipe
from finetune.talk import Talk

# The order of render.rows.PARTS, which costs numpy to import.
_PARTS = ("system", "prompt", "answer", "template")
_WHAT_BECOMES = {
    "drop": "they will be left out",
    "error": "the run will stop there",
    "trim_history": "they will lose their oldest exchanges, or be left out",
}
# Chinese, Japanese and Korean are written without blanks: there each character counts as a word.
_WORD = re.compile(r"[\u3040-\u30ff\u3400-\u9fff\uac00-\ud7af]|[^\s\u3040-\u30ff\u3400-\u9fff\uac00-\ud7af]+")
_NAMES = {"train": "training", "held_out": "held-out"}


@dataclass(frozen=True)
class Lengths:
    """What was counted.

    Attributes:
        facts: plain JSON, without any text of a row.
        warnings: what the user should look at, one plain line each.
        problems: rows that a run would refuse; nothing was raised for them.
    """

    facts: dict[str, Any]
    warnings: list[str] = field(default_factory=list)
    problems: list[Problem] = field(default_factory=list)


@dataclass
class _Counted:
    """One split, counted.

    Attributes:
        parts: (rows, 4) int32, tokens (or words) of each row by part, as it is written.
        over: places of the rows that are too long, and `answer_over` of those whose answers alone are.
        left_out: their number after trimming.
    """

    parts: Any = None
    over: list[str] = field(default_factory=list)
    answer_over: list[str] = field(default_factory=list)
    left_out: list[str] = field(default_factory=list)
    num_over: int = 0
    num_answer_over: int = 0
    num_trimmed: int = 0
    num_control_texts: int = 0
    num_thoughts: int = 0
    has_history: bool = False
    problems: list[Problem] = field(default_factory=list)


def lengths(
    loaded: LoadedRecipe, splits: Splits, *, talk: Talk | None = None, num_processes: int | None = None
) -> Lengths:
    """Count tokens of every row by part: system, prompt, answer (what is trained), the template's own.

    Exact, by the renderer that trains, where the base's tokenizer is on this machine or can be fetched. Otherwise
    words of the texts are counted, and the result says so. Rows are read in runs: memory does not grow with the text
    of the data.

    Args:
        loaded: the recipe.
        splits: from data.load.
        talk: is told how far it is.
        num_processes: the result does not depend on it; None: one, and for many rows as many as help.

    Raises:
        ModelError: the base or its template cannot be used at all.
    """
    began = time.monotonic()
    words = loaded.recipe.data
    base = _base_at_hand(loaded, talk)
    if base is not None:
        prepare.images_shown(loaded, base, splits.report.num_images)
    rules = Rules(base.max_length if base else words.max_length, words.overlong, keep=False)
    counted = {}
    for key, rows in (("train", splits.train), ("held_out", splits.held_out)):
        if base is None:
            counted[key] = _count_words(rows, rules.max_length)
        else:
            counted[key] = _count_tokens(base, rows, rules, num_processes, talk, f"counting tokens, {_NAMES[key]} rows")
    facts = {
        "unit": "tokens" if base else "words",
        "exact": base is not None,
        "how": _how(base),
        "max_length": rules.max_length,
        "overlong": words.overlong,
        **{key: _facts(split) for key, split in counted.items()},
        "seconds": round(time.monotonic() - began, 2),
    }
    problems = [problem for split in counted.values() for problem in split.problems]
    if base is not None and not any(counted["train"].problems):
        problems += _stopped(base, counted["train"])
    return Lengths(facts, _warnings(facts), problems)


def _base_at_hand(loaded: LoadedRecipe, talk: Talk | None) -> prepare.OpenedBase | None:
    """The base with its tokenizer, fetched if it can be (a few megabytes; never weights); None where it cannot."""
    base = prepare.open_quickly(loaded)
    if base is not None:
        return base
    try:
        return prepare.open_base(loaded, talk=talk)
    except SurroundingsError as error:
        if talk is not None:
            talk.say(f"lengths are counted in words: {error.problems[0]}")
        return None


def _how(base: prepare.OpenedBase | None) -> str:
    if base is not None:
        return "counted by the renderer that trains, with the base's tokenizer and chat template"
    return "the base is not on this machine yet: words of the texts, without the template's own"


def _count_tokens(
    base: prepare.OpenedBase,
    rows: Sequence[Conversation],
    rules: Rules,
    num_processes: int | None,
    talk: Talk | None,
    name: str,
) -> _Counted:
    import numpy as np

    counted, parts = _Counted(), [np.zeros((0, len(_PARTS)), np.int32)]
    for start, chunk in rendered_chunks(base.renderer, rows, rules, num_processes):
        parts.append(chunk.parts)
        counted.num_trimmed += len(chunk.trimmed)
        counted.has_history |= chunk.has_history
        counted.num_control_texts += chunk.num_control_texts
        counted.num_thoughts += chunk.num_thoughts
        done = min(start + CHUNK_ROWS, len(rows))
        rendered = [place for place in range(done - start) if place not in chunk.problems]
        sizes = chunk.parts.sum(axis=1)
        answers = chunk.parts[:, _PARTS.index("answer")]
        for number in np.flatnonzero(sizes > rules.max_length).tolist():
            place = rendered[number]
            where = rows[start + place].where
            counted.num_over += 1
            _keep(counted.over, where)
            if answers[number] > rules.max_length:
                counted.num_answer_over += 1
                _keep(counted.answer_over, where)
            if place in chunk.overlong:
                counted.left_out.append(where)
                if rules.overlong == "error":
                    counted.problems.append(too_long(where, chunk.overlong[place], rules.max_length))
        counted.problems += [refusal(rows[start + place].where, why) for place, why in chunk.problems.items()]
        if talk is not None and len(rows) > CHUNK_ROWS:
            talk.progress(name, done, len(rows))
    counted.parts = np.concatenate(parts)
    return counted


def _count_words(rows: Sequence[Conversation], max_length: int) -> _Counted:
    """Words of the texts: the most that can be said without the tokenizer."""
    import numpy as np

    counted, parts = _Counted(), []
    for conversation in _in_runs(rows):
        words: dict[str, int] = dict.fromkeys(_PARTS, 0)
        for message in conversation.messages:
            part = {"system": "system", "assistant": "answer"}.get(message.role, "prompt")
            words[part] += len(_WORD.findall(message.content))
        parts.append([words[part] for part in _PARTS])
        if sum(parts[-1]) > max_length:
            counted.num_over += 1
            counted.left_out.append(conversation.where)
            _keep(counted.over, conversation.where)
            if words["answer"] > max_length:
                counted.num_answer_over += 1
                _keep(counted.answer_over, conversation.where)
    counted.parts = np.array(parts, np.int32).reshape(-1, len(_PARTS))
    return counted


def _in_runs(rows: Sequence[Conversation]) -> Iterator[Conversation]:
    for start in range(0, len(rows), CHUNK_ROWS):
        yield from rows[start : start + CHUNK_ROWS]


def _keep(places: list[str], where: str) -> None:
    if len(places) < MAX_PLACES:
        places.append(where)


def _facts(counted: _Counted) -> dict[str, Any]:
    import numpy as np

    sums = counted.parts.sum(axis=0, dtype=np.int64)
    sizes = np.sort(counted.parts.sum(axis=1, dtype=np.int64))
    drawn = {
        f"{part}_histogram": histogram(np.sort(counted.parts[:, _PARTS.index(part)]).tolist())
        for part in ("answer", "prompt", "system")
    }
    num, total = len(sizes), int(sums.sum())

    def at(share: float) -> int | None:
        return int(sizes[min(num - 1, int(num * share))]) if num else None

    return {
        "num_rows": num,
        "sum": total,
        "parts": {part: int(n) for part, n in zip(_PARTS, sums)},
        "supervised_share": round(int(sums[_PARTS.index("answer")]) / total, 4) if total else None,
        "shortest": at(0.0),
        "median": at(0.5),
        "p90": at(0.9),
        "p99": at(0.99),
        "longest": at(1.0),
        "histogram": histogram(sizes.tolist()),
        **drawn,
        "num_over": counted.num_over,
        "over_places": counted.over,
        "num_left_out": len(counted.left_out),
        "num_trimmed": counted.num_trimmed,
        "num_answer_over": counted.num_answer_over,
        "answer_over_places": counted.answer_over,
        "keeps_99": keeps(sizes.tolist(), 0.01),
        "keeps_100": keeps(sizes.tolist(), 0.0),
        "num_control_texts": counted.num_control_texts,
        "num_thoughts_left_out": counted.num_thoughts,
    }


def _stopped(base: prepare.OpenedBase, train: _Counted) -> list[Problem]:
    """What the run itself would stop with, where too many rows are too long."""
    if not len(train.parts):
        return []
    sizes = train.parts.sum(axis=1).tolist()
    problem = prepare.overlong_problem(len(sizes), train.left_out, sizes, base, has_history=train.has_history)
    return [problem] if problem else []


def _warnings(facts: dict[str, Any]) -> list[str]:
    lines = []
    limit, unit = facts["max_length"], facts["unit"]
    for key, name in _NAMES.items():
        split = facts[key]
        if number := split["num_over"]:
            least = "" if facts["exact"] else f"have more {unit} in their texts alone, so they "
            line = (
                f"{number:,} of {split['num_rows']:,} {name} rows {least}are longer than data.max_length ({limit:,} "
                f"tokens), the first is {split['over_places'][0]}; data.overlong is {facts['overlong']}: "
                f"{_WHAT_BECOMES[facts['overlong']]}"
            )
            if facts["exact"]:
                line += f"; {split['keeps_99']:,} tokens would keep 99 %, {split['keeps_100']:,} all rows"
            lines.append(line)
        if number := split["num_answer_over"]:
            lines.append(
                f"{number:,} {name} rows have answers that alone are longer than data.max_length, the first is "
                f"{split['answer_over_places'][0]}"
            )
        if number := split["num_control_texts"]:
            lines.append(f"{number:,} control tokens in {name} texts will be encoded as plain text")
        if number := split.get("num_thoughts_left_out"):
            lines.append(f"thoughts of {number:,} {name} answers will be left out, as base.thinking: off says")
    return lines


def lines_of(facts: dict[str, Any]) -> list[tuple[str, str]]:
    """The facts as (label, line) for the terminal."""
    lines = []
    unit = facts["unit"]
    for key, label in (("train", "lengths"), ("held_out", "held out")):
        split = facts[key]
        if not split["num_rows"]:
            continue
        parts = split["parts"]
        template = f", template {parts['template']:,}" if facts["exact"] else ""
        lines += [
            (
                label,
                f"{split['shortest']:,} to {split['longest']:,} {unit} a row, median {split['median']:,}, "
                f"99 % within {split['p99']:,}",
            ),
            (
                "",
                f"{split['sum']:,} {unit}: system {parts['system']:,}, prompt {parts['prompt']:,}, answer "
                f"{parts['answer']:,}{template}; {split['supervised_share'] or 0:.0%} supervised",
            ),
        ]
    if not facts["exact"]:
        lines.append(("note", f"lengths: {facts['how']}"))
    return lines
