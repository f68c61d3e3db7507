"""Answers side by side: the same questions put to the base and to the adapter."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

from finetune.data import IMAGE_MARK, Conversation, question_of
from finetune.data.shapes import name_shown
from finetune.errors import DataError, ModelError, Problem
from finetune.evaluation.parts import Parts
from finetune.generation import Answer, Engine, answer_many

# Scripts that are written without blanks: each sign counts as a word.
_SIGNS = "\u3040-\u30ff\u3400-\u4dbf\u4e00-\u9fff"
_WORD = re.compile(rf"[{_SIGNS}]|[^\W{_SIGNS}]+(?:['’-][^\W{_SIGNS}]+)*")
_BLANK_AFTER = ("", *" \t\r\n.,;:?!)，。；：？！）")  # no blank is put between an image and one of these
# str.splitlines breaks at these; JSON does not escape them by itself.
_LINE_BREAKS = str.maketrans({char: f"\\u{ord(char):04x}" for char in "\x85\u2028\u2029"})


class SuiteItem(Protocol):
    """What of a suite's item is needed to ask it."""

    @property
    def id(self) -> str: ...
    @property
    def suite(self) -> str: ...
    @property
    def messages(self) -> Sequence[Mapping[str, str]]: ...
    @property
    def options(self) -> Sequence[str] | None: ...


@dataclass(frozen=True)
class Question:
    """What is asked.

    Attributes:
        messages: turns up to the one that is answered.
        text: the question as the page shows it; of several turns, all of them.
        reference: the answer of the row, or of the questions file; None where there is none.
        source: "questions", "held_out" or "suite:NAME".
        where: the place of a held-out row; None for other questions.
        id: unique among the questions of a source, the same each time.
        group: of a held-out row (data.group_by); None for other questions.
    """

    messages: list[dict[str, Any]]
    text: str
    reference: str | None
    source: str
    where: str | None = None
    id: str = ""
    group: str | None = None


def gather(
    engine: Engine,
    asked: Sequence[dict[str, Any]],
    held_out: Sequence[Conversation],
    limit: int,
    *,
    num_held_out: int,
    name_images: bool = False,
) -> tuple[list[Question], int]:
    """The questions to put: those of the recipe, then held-out rows, spread evenly over those without tools.

    A question is left out when it does not leave room for an answer of `limit` tokens: its history would have to be
    cut, or it could not be answered at all.

    Args:
        asked: from finetune.generation.read_questions.
        num_held_out: how many held-out rows are asked at most.
        name_images: whether the names of image files may stand in the texts that are shown (evaluate.show_rows).

    Returns:
        The questions, and the number left out.

    """
    candidates = [_of_recipe(row, name_images, f"questions:{k}") for k, row in enumerate(asked, 1)]
    rows = spread([(k, row) for k, row in enumerate(held_out, 1) if not row.tools], num_held_out)
    candidates += [_of_row(row, name_images, f"held_out:{k}") for k, row in rows]
    return with_room(engine, candidates, limit)


def of_suite(items: Iterable[SuiteItem]) -> list[Question]:
    """The questions of suite items that are answered by a reply; choices (items with options) are scored instead."""
    questions = []
    for item in items:
        if item.options is None:
            turns = [dict(turn) for turn in item.messages]
            questions.append(Question(turns, _text_of(turns, False), None, f"suite:{item.suite}", id=item.id))
    return questions


def spread(rows: Sequence[Any], num: int) -> list[Any]:
    """At most `num` of the rows, evenly spread over them, in their order; the same each time."""
    if len(rows) <= num:
        return list(rows)
    return [rows[k * len(rows) // num] for k in range(num)]


def with_room(engine: Engine, questions: Sequence[Question], limit: int) -> tuple[list[Question], int]:
    """Those questions that leave room for an answer of `limit` tokens, and how many do not."""
    room_tokens = engine.context_tokens - answer_limit(engine, limit)
    kept = [question for question in questions if _num_tokens(engine, question) <= room_tokens]
    return kept, len(questions) - len(kept)


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


def _of_recipe(row: dict[str, Any], name_images: bool, name: str = "") -> Question:
    turn = question_of(row["question"], row.get("images") or ())
    return Question([turn], _shown(turn, name_images), row.get("reference"), "questions", id=name)


def _of_row(row: Conversation, name_images: bool = False, name: str = "") -> Question:
    turns = [message.as_dict() for message in row.messages]
    before, answer = turns[:-1], turns[-1]["content"]
    return Question(before, _text_of(before, name_images), answer, "held_out", row.where, name, row.group)


def _text_of(turns: Sequence[dict[str, Any]], name_images: bool) -> str:
    """Turns as the page shows them: of one turn its words, of several who said what; the system prompt left out."""
    said = [(turn["role"], _shown(turn, name_images)) for turn in turns if turn["role"] != "system"]
    return said[0][1] if len(said) == 1 else "\n\n".join(f"{role}: {words}" for role, words in said)


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


def ask_all(
    engine: Engine,
    questions: Sequence[Question],
    max_new_tokens: int,
    parts: Parts | None = None,
    on_done: Callable[[int], None] | None = None,
) -> list[dict[str, Any]]:
    """Put each question to the base and to the adapter, the likeliest token each time, in batches where that is exact.

    Args:
        engine: a run's, with its adapter.
        questions: from `gather` and `of_suite`; each leaves room for its answer (`with_room`).
        max_new_tokens: the longest answer.
        parts: where finished replies are looked up and kept; None keeps none.
        on_done: told how many questions are done: each of both replies counts for half of one.

    Returns:
        Lines of samples.jsonl in the order of the questions: id, source, where, question, reference, and for base and
        adapter the reply, how many tokens it took (the end token counts) and whether it ended by itself.
    """
    limit = answer_limit(engine, max_new_tokens)
    replies: dict[str, list[dict[str, Any]]] = {}
    num_done = 0

    def count(num: int) -> None:
        nonlocal num_done
        num_done += num
        if on_done is not None and num:
            on_done(num_done // 2)

    for side in ("base", "adapter"):
        replies[side] = _replies(engine, questions, side, limit, parts, count)
    return [_line(question, base, adapter) for question, base, adapter in zip(questions, *replies.values())]


def _replies(
    engine: Engine,
    questions: Sequence[Question],
    side: str,
    limit: int,
    parts: Parts | None,
    count: Callable[[int], None],
) -> list[dict[str, Any]]:
    """One side's replies; those that are known are not made again."""
    keys = [parts.key(side, _told(engine, question, limit)) if parts is not None else "" for question in questions]
    found: list[Any] = [parts.get(key) if parts is not None else None for key in keys]
    missing = [k for k, reply in enumerate(found) if reply is None]
    count(len(found) - len(missing))

    def on_answer(number: int, answer: Answer) -> None:
        reply = {"text": answer.text, "tokens": answer.num_tokens, "ended": answer.ended}
        found[missing[number]] = reply
        if parts is not None:
            parts.keep({keys[missing[number]]: reply})
        count(1)

    asked = [questions[k].messages for k in missing]
    answer_many(engine, asked, adapter=side == "adapter", max_new_tokens=limit, on_answer=on_answer)
    return found


def _told(engine: Engine, question: Question, limit: int) -> list[Any]:
    """What a reply depends on beside the engine: the turns as they are rendered, images by their hashes."""
    turns = []
    for turn in engine.with_system(question.messages):
        shown = [image.sha256 for image in turn.get("images") or ()]
        turns.append([turn["role"], turn["content"], shown])
    return ["reply", limit, turns]


def _line(question: Question, base: dict[str, Any], adapter: dict[str, Any]) -> dict[str, Any]:
    return {
        "id": question.id,
        "source": question.source,
        "where": question.where,
        "question": question.text,
        "reference": question.reference,
        "base": base["text"],
        "adapter": adapter["text"],
        "base_tokens": base["tokens"],
        "adapter_tokens": adapter["tokens"],
        "base_ended": base["ended"],
        "adapter_ended": adapter["ended"],
    }


def counts(lines: Sequence[dict[str, Any]], max_new_tokens: int) -> dict[str, Any]:
    """Counts over lines of `ask_all`, without any text: how many answers ended by themselves, words per answer.

    Args:
        max_new_tokens: the longest answer that was allowed (`answer_limit`).
    """
    num = len(lines)
    words = {who: sum(len(_WORD.findall(line[who])) for line in lines) for who in ("base", "adapter")}
    return {
        "num": num,
        "num_questions": sum(line["source"] == "questions" for line in lines),
        "num_held_out": sum(line["source"] == "held_out" for line in lines),
        "max_new_tokens": max_new_tokens,
        "base_stopped": sum(line["base_ended"] for line in lines),
        "adapter_stopped": sum(line["adapter_ended"] for line in lines),
        "mean_words": {who: round(count / num, 2) if num else None for who, count in words.items()},
    }


def shown(lines: Sequence[dict[str, Any]], show_rows: bool) -> list[dict[str, Any]]:
    """The lines that a page or a terminal may show: without evaluate.show_rows none that holds the text of a row."""
    return [line for line in lines if show_rows or line["source"] == "questions" or line["source"].startswith("suite:")]


def to_jsonl(lines: Sequence[dict[str, Any]]) -> str:
    """The text of samples.jsonl: one object a line, readable, and one line for every reader."""
    return "".join(json.dumps(line, ensure_ascii=False).translate(_LINE_BREAKS) + "\n" for line in lines)


def read(path: Path) -> list[dict[str, Any]]:
    """The lines of samples.jsonl; none when there is no such file."""
    if not path.is_file():
        return []
    return [json.loads(line) for line in path.read_text(encoding="utf-8").split("\n") if line.strip()]
