"""Answers side by side: the same questions put to the base and to the adapter."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from finetune.data import IMAGE_MARK, Conversation, question_of
from finetune.data.shapes import name_shown
from finetune.errors import DataError, ModelError, Problem
from finetune.generation import Engine

NUM_HELD_OUT = 8
# Scripts that are written without blanks: each sign counts as a word.
_SIGNS = "\u3040-\u30ff\u3400-\u4dbf\u4e00-\u9fff"
_WORD = re.compile(rf"[{_SIGNS}]|[^\W{_SIGNS}]+(?:['’-][^\W{_SIGNS}]+)*")
_BLANK_AFTER = ("", *" \t\r\n.,;:?!)，。；：？！）")  # no blank is put between an image and one of these
# str.splitlines breaks at these; JSON does not escape them by itself.
_LINE_BREAKS = str.maketrans({char: f"\\u{ord(char):04x}" for char in "\x85\u2028\u2029"})


@dataclass(frozen=True)
class Question:
    """What is asked.

    Attributes:
        messages: turns up to the one that is answered.
        text: the question as the page shows it; of several turns, all of them.
        reference: the answer of the row, or of the questions file; None where there is none.
        source: "questions" or "held_out".
        where: the place of a held-out row; None for a question of the recipe.
    """

    messages: list[dict[str, Any]]
    text: str
    reference: str | None
    source: str
    where: str | None = None


def gather(
    engine: Engine,
    asked: Sequence[dict[str, Any]],
    held_out: Sequence[Conversation],
    limit: int,
    *,
    name_images: bool = False,
) -> tuple[list[Question], int]:
    """The questions to put: those of the recipe, then the first held-out rows (those without tools).

    A question is left out when it does not leave room for an answer of `limit` tokens: its history would have to be
    cut, or it could not be answered at all.

    Args:
        asked: from finetune.generation.read_questions.
        name_images: whether the names of image files may stand in the texts that are shown (evaluate.show_rows).

    Returns:
        The questions, and the number left out.

    """
    candidates = [_of_recipe(row, name_images) for row in asked]
    candidates += [_of_row(row, name_images) for row in held_out[:NUM_HELD_OUT] if not row.tools]
    room_tokens = engine.context_tokens - answer_limit(engine, limit)
    kept = [question for question in candidates if _num_tokens(engine, question) <= room_tokens]
    return kept, len(candidates) - len(kept)


def check_images(asked: Sequence[dict[str, Any]], reason: str | None) -> None:
    """See that the recipe's questions show no images to a base that takes none.

    Args:
        reason: why the base takes none; None where it does.

    Raises:
        DataError: they do.
    """
    if reason is not None and any(row.get("images") for row in asked):
        fix = "choose a base of the Qwen-VL kind, or remove the images from the questions"
        raise DataError(Problem("", "evaluate.questions", f"the questions show images, and {reason}", fix=fix))


def answer_limit(engine: Engine, max_new_tokens: int) -> int:
    """The tokens an answer may take: never more than half of what the base can look at, as the engine has it."""
    return min(max_new_tokens, engine.context_tokens // 2)


def _num_tokens(engine: Engine, question: Question) -> float:
    try:
        return len(engine.renderer.prompt(engine.with_system(question.messages)))
    except ModelError:  # the template refuses it; held-out rows were rendered before and never get here
        return float("inf")


def _of_recipe(row: dict[str, Any], name_images: bool) -> Question:
    turn = question_of(row["question"], row.get("images") or ())
    return Question([turn], _shown(turn, name_images), row.get("reference"), "questions")


def _of_row(row: Conversation, name_images: bool = False) -> Question:
    turns = [message.as_dict() for message in row.messages]
    before, answer = turns[:-1], turns[-1]["content"]
    said = [(turn["role"], _shown(turn, name_images)) for turn in before if turn["role"] != "system"]
    text = said[0][1] if len(said) == 1 else "\n\n".join(f"{role}: {words}" for role, words in said)
    return Question(before, text, answer, "held_out", row.where)


def _shown(turn: dict[str, Any], name_images: bool) -> str:
    """A turn as the page shows it: images by a word in their places, set off by one blank."""
    shown = turn.get("images") or ()
    text, *rest = turn["content"].split(IMAGE_MARK, len(shown))
    for ref, after in zip(shown, rest):
        name = Path(ref.name).name
        # A name that does not look like one of a file may be a sentence, or a person.
        word = f"[image: {name}]" if name_images and name and name_shown(name, named=True) == name else "[image]"
        before = " " if text and not text[-1].isspace() else ""
        text += before + word + ("" if after[:1] in _BLANK_AFTER else " ") + after
    return text


def ask(
    engine: Engine, questions: Sequence[Question], max_new_tokens: int, on_done: Callable[[int], None]
) -> tuple[list[dict[str, Any]], dict[str, Any]]:
    """Put each question to the base and to the adapter, the likeliest token each time.

    Args:
        engine: a run's, with its adapter.
        questions: from `gather`.
        max_new_tokens: the longest answer.
        on_done: told how many questions are answered.

    Returns:
        Lines of samples.jsonl, and counts without any text: how many answers ended by themselves, words per answer.
    """
    limit = answer_limit(engine, max_new_tokens)
    lines: list[dict[str, Any]] = []
    stopped = {"base": 0, "adapter": 0}
    words = {"base": 0, "adapter": 0}
    for number, question in enumerate(questions, 1):
        line: dict[str, Any] = {"question": question.text, "reference": question.reference}
        for who in ("base", "adapter"):
            answer = engine.answer(question.messages, adapter=who == "adapter", max_new_tokens=limit)
            line[who] = answer.text
            stopped[who] += answer.ended
            words[who] += len(_WORD.findall(line[who]))
        lines.append({**line, "source": question.source, "where": question.where})
        on_done(number)
    num = len(lines)
    return lines, {
        "num": num,
        "num_questions": sum(line["source"] == "questions" for line in lines),
        "num_held_out": sum(line["source"] == "held_out" for line in lines),
        "max_new_tokens": limit,
        "base_stopped": stopped["base"],
        "adapter_stopped": stopped["adapter"],
        "mean_words": {who: round(count / num, 2) if num else None for who, count in words.items()},
    }


def shown(lines: Sequence[dict[str, Any]], show_rows: bool) -> list[dict[str, Any]]:
    """The lines that a page or a terminal may show: without evaluate.show_rows none that holds the text of a row."""
    return [line for line in lines if show_rows or line["source"] == "questions"]


def to_jsonl(lines: Sequence[dict[str, Any]]) -> str:
    """The text of samples.jsonl: one object a line, readable, and one line for every reader."""
    return "".join(json.dumps(line, ensure_ascii=False).translate(_LINE_BREAKS) + "\n" for line in lines)


def read(path: Path) -> list[dict[str, Any]]:
    """The lines of samples.jsonl; none when there is no such file."""
    if not path.is_file():
        return []
    return [json.loads(line) for line in path.read_text(encoding="utf-8").split("\n") if line.strip()]
