"""The text of one turn, and what a file's rows were found to hold."""

from __future__ import annotations

import unicodedata
from collections import Counter
from collections.abc import Callable
from typing import Any

from finetune.data.shapes import Message
from finetune.errors import Problem

Say = Callable[[str, str, str, str], None]  # part of the row, what, got, fix

_NAMES = {
    "user": "the question",
    "assistant": "the answer",
    "system": "the system turn",
    "tool": "the tool's answer",
}
_TYPES = {str: "text", list: "a list", dict: "an object"}


class Seen:
    """What rows were found to hold: counted for the report, never quoted. Picklable, and merged in order.

    Attributes:
        counts: what -> number of rows.
        columns: the columns found, in the order they were first seen.
        turn_keys: keys of turns that were not used.
    """

    def __init__(self) -> None:
        self.counts: Counter[str] = Counter()
        self.columns: dict[str, None] = {}
        self.turn_keys: set[str] = set()

    def merge(self, other: Seen) -> None:
        """Add what the rows after these were found to hold."""
        self.counts.update(other.counts)
        self.columns.update(other.columns)
        self.turn_keys |= other.turn_keys


def message(role: str, value: Any, part: str, say: Say) -> list[Message]:
    """A turn, when its text is sound; else what is wrong goes to `say` and the list is empty."""
    if not isinstance(value, str):
        what = f"text is due for {_NAMES[role]}, found {type_name(value)}"
        say(part, what, "", "write text, or remove the row")
    elif is_empty(value):
        say(part, f"{_NAMES[role]} is empty", "", "fill it in, or remove the row")
    elif "\x00" in value:
        say(part, f"{_NAMES[role]} holds a NUL character", "", "remove it")
    elif not value.isascii() and not _encodable(value):
        say(part, f"{_NAMES[role]} holds half of a surrogate pair", "", "remove the broken character")
    else:
        return [Message(role, value)]
    return []


def is_empty(text: str) -> bool:
    """No visible character: white space, zero-width and other format characters only."""
    if not text.strip():
        return True
    return len(text) <= 64 and all(char.isspace() or unicodedata.category(char) in ("Cf", "Cc") for char in text)


def is_sound(text: str) -> bool:
    """True where a text can be stored and trained: no NUL, no half of a surrogate pair."""
    return "\x00" not in text and (text.isascii() or _encodable(text))


def _encodable(text: str) -> bool:
    try:
        text.encode("utf-8")
    except UnicodeEncodeError:
        return False
    return True


def type_name(value: Any) -> str:
    """What a value is, in words, never the value."""
    if value is None:
        return "null"
    if isinstance(value, bool):
        return "true or false"
    if isinstance(value, (int, float)):
        return "a number"
    return _TYPES.get(type(value), f"a value of type {type(value).__name__}")


def problem_sayer(name: str, line: int, number: int, problems: list[Problem]) -> Say:
    """A `Say` that files problems under this row."""

    def say(part: str, what: str, got: str, fix: str) -> None:
        key = f"row {number}, {part}" if part else f"row {number}"
        problems.append(Problem(f"{name}:{line}", key, what, got, fix))

    return say


def under(say: Say, part: str) -> Say:
    """A `Say` that puts a part of the row before every part told of."""

    def told(inner: str, what: str, got: str, fix: str) -> None:
        say(f"{part}, {inner}" if inner else part, what, got, fix)

    return told
