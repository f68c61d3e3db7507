"""Which layout a row has, recognised by its columns, and what each layout needs."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from typing import Any

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
_OTHER_ANSWERS = ("long_answer",)  # only where none of the usual ones stands
CHOSEN = ("chosen", "response_chosen", "chosen_response")
REJECTED = ("rejected", "response_rejected", "rejected_response")
# columns that hold a list of turns; those after the first two only where their values are lists
LISTS = ("messages", "conversations", "conversation", "dialogue", "dialog", "chat")
ROW_LAYOUTS = (
    "messages; conversations; instruction + output (+ input); question + answer; prompt + completion; "
    "prompt + chosen + rejected; prompt + completion + label"
)
# columns whose text the question is about: joined with it, where the layout has a question
CONTEXTS = ("input", "context", "passage", "background")
# optional columns of every layout, used when present
OPTIONAL = ("system", "tools", "input", "history")
_GOOD = frozenset({"true", "1", "yes", "good", "up", "like", "liked", "+1", "thumbs_up", "赞", "好", "是"})
_BAD = frozenset({"false", "0", "no", "bad", "down", "dislike", "disliked", "-1", "thumbs_down", "踩", "差", "否"})
LABELS = "true or false, 1 or 0, yes or no, good or bad, up or down"


@dataclass(frozen=True)
class Layout:
    """How rows of a file are laid out.

    Attributes:
        format: one of the recipe's words.
        base: how the turns are written: messages (a list), pair (a question and an answer), alpaca (the same with
            input and history), row (the row is the list), turns (the row is a list of alpaca turns), whole (none
            but chosen and rejected).
        required: the columns every row needs, as the file spells them.
        words: the kit's word for each of them.
        system: the column named by the recipe's `data.columns.system`; None leaves it to the usual name.
        context: likewise, of `data.columns.context`.
        lenient: the usual words of other formats are roles, too.
    """

    format: str
    base: str
    required: tuple[str, ...] = ()
    words: tuple[str, ...] = ()
    system: str | None = None
    lenient: bool = True
    context: str | None = None

    def __str__(self) -> str:
        return self.format

    def column(self, word: str) -> str:
        """The file's column for a word of the kit.

        Raises:
            ValueError: the layout has no such word.
        """
        return self.required[self.words.index(word)]


@dataclass(frozen=True)
class Ambiguous:
    """More than one column could be the question, or the answer."""

    questions: tuple[str, ...]
    answers: tuple[str, ...]


@dataclass(frozen=True)
class Hints:
    """What the values of a file's first rows say about its columns.

    Attributes:
        lists: usual names of columns that hold lists of turns.
        sharegpt: those whose turns are written {from, value}.
        label_rates: the column `label` holds nothing but true and false (or the like).
    """

    lists: frozenset[str] = frozenset()
    sharegpt: frozenset[str] = frozenset()
    label_rates: bool = False


def by_usual_name(keys: Iterable[object]) -> dict[str, str]:
    """Usual (lower-case, stripped) name -> the file's own spelling; the first of two wins."""
    names: dict[str, str] = {}
    for key in keys:
        if isinstance(key, str):
            names.setdefault(key.strip().casefold(), key)
    return names


def hints_of(rows: Iterable[Any], columns: Mapping[str, str]) -> Hints:
    """Look at the values of a file's first rows. The rule for `label` needs every one of them to be a rating."""
    lists: set[str] = set()
    sharegpt: set[str] = set()
    labels = rated = 0
    label = columns.get("label")
    for row in rows:
        if not isinstance(row, dict):
            continue
        names = by_usual_name(row)
        for name in LISTS:
            value = row.get(names.get(name, ""))
            if isinstance(value, list) and value and isinstance(value[0], (dict, list)):
                lists.add(name)
                if isinstance(value[0], dict) and "from" in value[0]:
                    sharegpt.add(name)
        key = label or names.get("label")
        if key in row and row[key] is not None:
            labels += 1
            rated += rating_of(row[key]) is not None
    return Hints(frozenset(lists), frozenset(sharegpt), 0 < labels == rated)


def rating_of(value: Any) -> bool | None:
    """Whether an answer was liked; None for what is no rating."""
    if isinstance(value, bool):
        return value
    if isinstance(value, (int, float)):
        return True if value == 1 else False if value in (0, -1) else None
    word = value.strip().casefold() if isinstance(value, str) else ""
    return True if word in _GOOD else False if word in _BAD else None


def recognise(
    names: Mapping[str, str], format: str, columns: Mapping[str, str], hints: Hints
) -> Layout | Ambiguous | None:
    """The layout of rows with these columns; None when they fit none.

    Args:
        names: as `by_usual_name` gives them.
        format: the recipe's `data.format`; anything but auto is believed.
        columns: the recipe's `data.columns`, the kit's word -> the file's column; believed where it names one.
        hints: of the file's first rows.
    """
    if not set(columns.values()) <= set(names.values()) - {None}:
        return None
    found = None
    if format in ("auto", "preference"):
        found = _preference(names, columns, hints)
    if found is None and format in ("auto", "rated"):
        found = _rated(names, columns, hints, told=format == "rated")
    if found is None and format not in ("preference", "rated"):
        found = _base(names, columns, hints, format)
    if isinstance(found, Layout) and "context" in columns:
        found = replace(found, context=columns["context"])
    return found


def context_of(names: Mapping[str, str], layout: Layout) -> str | None:
    """The column with the text that the question is about; None where these columns or the layout have none.

    Args:
        names: as `by_usual_name` gives them.
    """
    if layout.base not in ("pair", "alpaca"):
        return None
    if layout.context is not None:
        return layout.context
    taken = {*layout.required, layout.system}
    return next((names[name] for name in CONTEXTS if name in names and names[name] not in taken), None)


def recognise_list(row: Any) -> Layout | None:
    """The layout of a row that is a list itself: messages, or alpaca turns."""
    first = row[0] if isinstance(row, list) and row else None
    if not isinstance(first, dict):
        return None
    names = by_usual_name(first)
    if ("role" in names and ("content" in names or "tool_calls" in names)) or ("from" in names and "value" in names):
        return Layout("messages" if "role" in names else "sharegpt", "row", lenient="from" in names)
    if "instruction" in names and "output" in names:
        return Layout("alpaca", "turns")
    return None


def _base(names: Mapping[str, str], columns: Mapping[str, str], hints: Hints, format: str) -> Layout | Ambiguous | None:
    """The layouts that hold one conversation: messages, sharegpt, alpaca, prompt_completion, question_answer."""
    if "messages" in columns:
        return _listed(columns["messages"], "messages", columns) if format in ("auto", "messages", "sharegpt") else None
    if "prompt" in columns or "completion" in columns:
        found = _pair(names, columns)
        return found if format in ("auto", "question_answer", "prompt_completion") else None
    if format in ("auto", "messages", "sharegpt"):
        for name in LISTS:
            kind = "sharegpt" if name == "conversations" or name in hints.sharegpt else "messages"
            usual = name in ("messages", "conversations")
            if name in names and (usual or name in hints.lists) and format in ("auto", kind):
                return _listed(names[name], kind, columns, lenient=name != "messages" or kind == "sharegpt")
    if format in ("auto", "alpaca") and "instruction" in names and "output" in names:
        required = (names["instruction"], names["output"])
        return Layout("alpaca", "alpaca", required, ("prompt", "completion"), columns.get("system"))
    if format in ("auto", "prompt_completion") and "prompt" in names and "completion" in names:
        required = (names["prompt"], names["completion"])
        return Layout("prompt_completion", "pair", required, ("prompt", "completion"), columns.get("system"))
    return _pair(names, columns) if format in ("auto", "question_answer") else None


def _listed(column: str, format: str, columns: Mapping[str, str], lenient: bool = True) -> Layout:
    return Layout(format, "messages", (column,), ("messages",), columns.get("system"), lenient)


def _hits(names: Mapping[str, str], usual: Iterable[str], taken: Iterable[str]) -> tuple[str, ...]:
    taken = set(taken)
    return tuple(names[name] for name in usual if name in names and names[name] not in taken)


def _pair(names: Mapping[str, str], columns: Mapping[str, str]) -> Layout | Ambiguous | None:
    questions = (columns["prompt"],) if "prompt" in columns else _hits(names, QUESTIONS, columns.values())
    # beside these two, `input` is what the question is about, as in the alpaca layout
    if len(questions) == 2 and names.get("input") in questions and {"instruction", "question"} & set(names):
        questions = tuple(column for column in questions if column != names["input"])
    if "completion" in columns:
        answers: tuple[str, ...] = (columns["completion"],)
    else:
        answers = _hits(names, ANSWERS, columns.values()) or _hits(names, _OTHER_ANSWERS, columns.values())
    if len(questions) == 1 and len(answers) == 1:
        required = (questions[0], answers[0])
        return Layout("question_answer", "pair", required, ("prompt", "completion"), columns.get("system"))
    if questions and answers:
        return Ambiguous(questions, answers)
    return None


def _preference(names: Mapping[str, str], columns: Mapping[str, str], hints: Hints) -> Layout | Ambiguous | None:
    """Two answers to one prompt, one liked more: three places where the prompt can stand."""
    chosen = columns.get("chosen") or next(iter(_hits(names, CHOSEN, ())), None)
    rejected = columns.get("rejected") or next(iter(_hits(names, REJECTED, ())), None)
    if chosen is None or rejected is None:
        return None
    both, words, system = (chosen, rejected), ("chosen", "rejected"), columns.get("system")
    if "prompt" in columns or "prompt" in names:
        prompt = columns.get("prompt", names.get("prompt", ""))
        return Layout("preference", "pair", (prompt, *both), ("prompt", *words), system)
    if "messages" in columns:
        return Layout("preference", "messages", (columns["messages"], *both), ("messages", *words), system)
    for name in LISTS:
        if name in names and (name in ("messages", "conversations") or name in hints.lists):
            return Layout("preference", "messages", (names[name], *both), ("messages", *words), system)
    if "instruction" in names:
        return Layout("preference", "alpaca", (names["instruction"], *both), ("prompt", *words), system)
    questions = _hits(names, QUESTIONS, {*columns.values(), *both})
    if len(questions) > 1:
        return Ambiguous(questions, both)
    if questions:
        return Layout("preference", "pair", (questions[0], *both), ("prompt", *words), system)
    return Layout("preference", "whole", both, words, system)


def _rated(
    names: Mapping[str, str], columns: Mapping[str, str], hints: Hints, *, told: bool
) -> Layout | Ambiguous | None:
    """An answer and whether it was liked. A column `label` counts only where all its values are ratings: it may
    as well name a topic.
    """
    label = columns.get("label") or names.get("kto_tag")
    by_label = label is None and "label" in names and (told or hints.label_rates)
    if by_label:
        label = names["label"]
    if label is None:
        return None
    rest = {word: column for word, column in columns.items() if word != "label"}
    without = {name: key for name, key in names.items() if key != label}
    base = _base(without, rest, hints, "auto")
    if not isinstance(base, Layout):
        return base if not by_label or told else None
    # question, answer and a bare `label` may be a classified row: only the usual columns of ratings are believed
    if by_label and not told and base.format == "question_answer":
        return None
    return Layout("rated", base.base, (*base.required, label), (*base.words, "label"), base.system, base.lenient)


def missing(names: Mapping[str, str], layout: Layout) -> list[str]:
    """Required columns that a row with these columns lacks."""
    present = set(names.values())
    return [key for key in layout.required if key not in present]
