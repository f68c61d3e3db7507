"""Which layout a row has, recognised by its columns, and what each layout needs."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

QUESTIONS = (
    "question",
    "query",
    "prompt",
    "q",
    "ask",
    "user",
    "human",
    "input",
    "instruction",
    "问题",
    "提问",
)
ANSWERS = ("answer", "response", "reply", "output", "a", "assistant", "bot", "gpt", "答案", "回答")
ROW_LAYOUTS = "messages; conversations; instruction + output (+ input); question + answer"

# optional columns of each layout, used when present
OPTIONAL = {
    "messages": ("tools",),
    "sharegpt": ("system", "tools"),
    "alpaca": ("input", "system", "history"),
    "question_answer": ("system",),
}
_REQUIRED = {"messages": ("messages",), "sharegpt": ("conversations",), "alpaca": ("instruction", "output")}


@dataclass(frozen=True)
class Layout:
    """How rows of a file are laid out.

    Attributes:
        format: one of the recipe's words.
        required: the columns every row needs, as the file spells them (question first, then answer).
        system: the column named by the recipe's `data.columns.system`; None leaves it to the usual name.
    """

    format: str
    required: tuple[str, ...]
    system: str | None = None

    def __str__(self) -> str:
        return self.format


@dataclass(frozen=True)
class Later:
    """A layout the kit knows of and cannot train yet."""

    format: str
    evidence: tuple[str, ...]
    fix: str

    def __str__(self) -> str:
        return self.format


@dataclass(frozen=True)
class Ambiguous:
    """More than one column could be the question, or the answer."""

    questions: tuple[str, ...]
    answers: tuple[str, ...]


def by_usual_name(keys: Iterable[object]) -> dict[str, str]:
    """Usual (lower-case, stripped) name -> the file's own spelling; the first of two wins."""
    names: dict[str, str] = {}
    for key in keys:
        if isinstance(key, str):
            names.setdefault(key.strip().casefold(), key)
    return names


def recognise(names: Mapping[str, str], format: str, columns: Mapping[str, str]) -> Layout | Later | Ambiguous | None:
    """The layout of rows with these columns; None when they fit none.

    Args:
        names: as `by_usual_name` gives them.
        format: the recipe's `data.format`; anything but auto is believed.
        columns: the recipe's `data.columns`; when it names a column, the layout is question_answer.
    """
    if columns:
        question, answer = (
            _named(names, columns, "prompt", QUESTIONS),
            _named(names, columns, "completion", ANSWERS),
        )
        if question and answer:
            return Layout("question_answer", (question, answer), columns.get("system"))
        return None
    if format in _REQUIRED:
        required = _REQUIRED[format]
        return _layout(names, format) if all(key in names for key in required) else None
    if format == "question_answer":
        return _question_answer(names)
    return _automatic(names)


def _named(names: Mapping[str, str], columns: Mapping[str, str], key: str, usual: tuple[str, ...]) -> str | None:
    """The column that the recipe names for `key`, if the row has it; unnamed, the only usual one it has."""
    if key in columns:
        return columns[key] if columns[key] in names.values() else None
    hits = [names[name] for name in usual if name in names and names[name] not in columns.values()]
    return hits[0] if len(hits) == 1 else None


def _layout(names: Mapping[str, str], format: str) -> Layout:
    return Layout(format, tuple(names[key] for key in _REQUIRED[format]))


def _automatic(names: Mapping[str, str]) -> Layout | Later | Ambiguous | None:
    later = _later(names)
    if later:
        return later
    for format, required in _REQUIRED.items():
        if all(key in names for key in required):
            return _layout(names, format)
    return _question_answer(names)


def _later(names: Mapping[str, str]) -> Later | None:
    if "chosen" in names and "rejected" in names:
        fix = "to train on the chosen answers, write them as question and answer"
        return Later("preference", (names["chosen"], names["rejected"]), fix)
    if "prompt" in names and "completion" in names:
        prompt, completion = names["prompt"], names["completion"]
        if "label" in names:
            fix = "to train on the good answers, write them as question and answer"
            return Later("rated", (prompt, completion, names["label"]), fix)
        columns = f"{{prompt: {prompt}, completion: {completion}}}"
        fix = f"to read them as question and answer, set data.columns: {columns}"
        return Later("prompt_completion", (prompt, completion), fix)
    return None


def _question_answer(names: Mapping[str, str]) -> Layout | Ambiguous | None:
    questions = tuple(names[name] for name in QUESTIONS if name in names)
    answers = tuple(names[name] for name in ANSWERS if name in names)
    if len(questions) == 1 and len(answers) == 1:
        return Layout("question_answer", (questions[0], answers[0]))
    if questions and answers:
        return Ambiguous(questions, answers)
    return None


def missing(names: Mapping[str, str], layout: Layout) -> list[str]:
    """Required columns that a row with these columns lacks."""
    present = set(names.values())
    return [key for key in layout.required if key not in present]
