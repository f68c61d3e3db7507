"""One row of a known layout -> its turns, and the rules every conversation keeps."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Callable, Mapping
from itertools import pairwise
from typing import Any

from finetune.data.layouts import Layout
from finetune.data.shapes import ROLES, Message, name_shown
from finetune.errors import Problem

MAX_ROW_BYTES = 1024**2
ALIASES = {
    "system": "system",
    "human": "user",
    "user": "user",
    "gpt": "assistant",
    "bot": "assistant",
    "assistant": "assistant",
    "chatgpt": "assistant",
    "model": "assistant",
}
TOOL_ROLES = frozenset({"tool", "function", "function_call", "observation", "ipython", "tool_call", "tool_response"})
_HIDDEN = re.compile("[\u200b\u200e\u200f\u202a-\u202e\u2060-\u2064\u2066-\u2069\ufeff]")
_MARKERS = re.compile(r"<\|[A-Za-z_]{2,20}\|>|\[/?INST\]|<</?SYS>>|<(?:start|end)_of_turn>")

Say = Callable[[str, str, str, str], None]  # part of the row, what, got, fix


class ToolCall(Exception):
    """The row calls tools; told once a file, not once a row."""


class Seen:
    """What a file's rows were found to hold: counted for the report, never quoted."""

    def __init__(self) -> None:
        self.unused_turn_keys: set[str] = set()
        self.num_joined = self.num_histories = self.num_own_system = self.num_aliased = 0
        self.num_hidden = self.num_broken = self.num_markers = 0


def turns_of(row: Mapping[str, Any], names: Mapping[str, str], layout: Layout, seen: Seen, say: Say) -> list[Message]:
    """The row's turns as written. What is wrong goes to `say`; the turns returned then do not count.

    Raises:
        ToolCall: the row holds tool definitions or calls.
    """
    if layout.format in ("messages", "sharegpt"):
        return _from_list(row, names, layout, seen, say)
    return _from_columns(row, names, layout, seen, say)


def _optional(row: Mapping[str, Any], names: Mapping[str, str], name: str) -> tuple[str, Any]:
    """(column, value) of an optional column; null counts as absent, as parquet fills it in."""
    key = names.get(name, name)
    return key, row.get(key)


def _system(row: Mapping[str, Any], names: Mapping[str, str], layout: Layout, say: Say) -> list[Message]:
    key, value = (layout.system, row.get(layout.system)) if layout.system else _optional(row, names, "system")
    if value is None or (isinstance(value, str) and not value.strip()):
        return []
    return _message("system", value, f"key {name_shown(key)}", say)


def _from_columns(
    row: Mapping[str, Any], names: Mapping[str, str], layout: Layout, seen: Seen, say: Say
) -> list[Message]:
    turns = _system(row, names, layout, say)
    question_key, answer_key = layout.required
    question = row[question_key]
    if layout.format == "alpaca":
        turns += _history(row, names, seen, say)
        input_key, extra = _optional(row, names, "input")
        if extra is not None and not isinstance(extra, str):
            _message("user", extra, f"key {name_shown(input_key)}", say)
        elif isinstance(question, str) and extra and extra.strip():
            seen.num_joined += bool(question.strip())
            question = f"{question}\n\n{extra}" if question.strip() else extra
    turns += _message("user", question, f"key {name_shown(question_key)}", say)
    turns += _message("assistant", row[answer_key], f"key {name_shown(answer_key)}", say)
    return turns


def _history(row: Mapping[str, Any], names: Mapping[str, str], seen: Seen, say: Say) -> list[Message]:
    key, history = _optional(row, names, "history")
    if history is None or history == "" or history == []:
        return []
    turns: list[Message] = []
    pairs = history if isinstance(history, list) else [history]
    for number, pair in enumerate(pairs, 1):
        part = f"key {name_shown(key)}, turn {number}"
        if not isinstance(pair, list) or len(pair) != 2:
            say(
                part,
                "is not a pair of question and answer",
                "",
                'write "history": [["question", "answer"], ...]',
            )
            return []
        turns += _message("user", pair[0], part, say) + _message("assistant", pair[1], part, say)
    seen.num_histories += 1
    return turns


def _from_list(row: Mapping[str, Any], names: Mapping[str, str], layout: Layout, seen: Seen, say: Say) -> list[Message]:
    (list_key,) = layout.required
    part = f"key {name_shown(list_key)}"
    if _optional(row, names, "tools")[1] not in (None, "", "[]", "{}", [], {}):
        raise ToolCall
    turns_in = row[list_key]
    if not isinstance(turns_in, list):
        say(part, f"a list of turns is due, found {_type(turns_in)}", "", "write a list of turns")
        return []
    if not turns_in:
        say(part, "holds no turns", "", "add the turns, or remove the row")
        return []
    turns = _system(row, names, layout, say) if layout.format == "sharegpt" else []
    for number, turn in enumerate(turns_in, 1):
        turns += _turn(turn, f"message {number}", layout, seen, say)
    return turns


def _turn(turn: Any, part: str, layout: Layout, seen: Seen, say: Say) -> list[Message]:
    sharegpt = layout.format == "sharegpt"
    role_key, text_key = ("from", "value") if sharegpt else ("role", "content")
    if not isinstance(turn, dict):
        say(
            part,
            f"an object with {role_key} and {text_key} is due, found {_type(turn)}",
            "",
            "write it as one",
        )
        return []
    if sharegpt and "from" not in turn and "role" in turn:
        role_key, text_key = "role", "content"
    if turn.get("tool_calls") or turn.get("function_call"):
        raise ToolCall
    for key in (role_key, text_key):
        if key not in turn:
            fix = f"write every turn as {{{role_key}, {text_key}}}"
            if not sharegpt and "from" in turn:
                fix += '; turns of {from, value} belong under the key "conversations"'
            say(part, f"key {key} is missing", "", fix)
            return []
    seen.unused_turn_keys.update(
        key for key, value in turn.items() if key not in (role_key, text_key) and value is not None
    )
    role = turn[role_key]
    if isinstance(role, str) and role in TOOL_ROLES:
        raise ToolCall
    known = ALIASES if sharegpt else {name: name for name in ROLES}
    if not isinstance(role, str) or role not in known:
        got = name_shown(role) if isinstance(role, str) else _type(role)
        fix = f"use one of {', '.join(known)}"
        if not sharegpt and isinstance(role, str) and role in ALIASES:
            fix = f"write {ALIASES[role]}"
        say(part, "role is unknown", got, fix)
        return []
    seen.num_aliased += known[role] != role
    return _message(known[role], turn[text_key], part, say)


def _message(role: str, value: Any, part: str, say: Say) -> list[Message]:
    """A turn, when its text is sound; else what is wrong goes to `say`."""
    name = {"user": "the question", "assistant": "the answer", "system": "the system turn"}[role]
    if not isinstance(value, str):
        say(part, f"text is due for {name}, found {_type(value)}", "", "write text, or remove the row")
    elif _is_empty(value):
        say(part, f"{name} is empty", "", "fill it in, or remove the row")
    elif "\x00" in value:
        say(part, f"{name} holds a NUL character", "", "remove it")
    elif not value.isascii() and not _encodable(value):
        say(part, f"{name} holds half of a surrogate pair", "", "remove the broken character")
    else:
        return [Message(role, value)]
    return []


def _is_empty(text: str) -> bool:
    """No visible character: white space, zero-width and other format characters only."""
    if not text.strip():
        return True
    return len(text) <= 64 and all(char.isspace() or unicodedata.category(char) in ("Cf", "Cc") for char in text)


def _encodable(text: str) -> bool:
    try:
        text.encode("utf-8")
    except UnicodeEncodeError:
        return False
    return True


def _type(value: Any) -> str:
    if value is None:
        return "null"
    if isinstance(value, bool):
        return "true or false"
    if isinstance(value, (int, float)):
        return "a number"
    words = {str: "text", list: "a list", dict: "an object"}
    return words.get(type(value), f"a value of type {type(value).__name__}")


def check_rules(turns: list[Message], seen: Seen, say: Say) -> bool:
    """The order of turns and the size of a row; True when sound. One problem a row: the first rule broken."""
    roles = [turn.role for turn in turns]
    num_system = roles.count("system")
    body = roles[1:] if roles[0] == "system" else roles
    if num_system > 1:
        say("", f"holds {num_system} system turns", "", "keep one, as the first turn")
    elif "system" in body:
        say("", "the system turn is not the first", "", "put it first")
    elif not body or body[0] != "user":
        say("", "the first turn is not the user's", "", "start with a question, or remove the row")
    elif any(first == second for first, second in pairwise(body)):
        say("", "user and assistant do not alternate", "", "join neighbouring turns of one speaker")
    elif body[-1] != "assistant":
        say(
            "",
            "the last turn is the user's, so there is nothing to learn",
            "",
            "add the answer, or remove the turn",
        )
    elif _num_bytes(turns) > MAX_ROW_BYTES:
        say(
            "",
            f"holds {_num_bytes(turns):,} bytes of text, the limit is {MAX_ROW_BYTES:,}",
            "",
            "cut the row",
        )
    else:
        _count(turns, seen)
        return True
    return False


def _num_bytes(turns: list[Message]) -> int:
    num_chars = sum(len(turn.content) for turn in turns)
    if num_chars * 4 <= MAX_ROW_BYTES:
        return num_chars  # cannot pass the limit: exact counting is not needed
    return sum(len(turn.content.encode("utf-8")) for turn in turns)


def _count(turns: list[Message], seen: Seen) -> None:
    texts = [turn.content for turn in turns]
    seen.num_own_system += turns[0].role == "system"
    seen.num_markers += any(_MARKERS.search(text) for text in texts)
    unusual = [text for text in texts if not text.isascii()]
    seen.num_hidden += any(_HIDDEN.search(text) for text in unusual)
    seen.num_broken += any("\ufffd" in text for text in unusual)


def problem_sayer(name: str, line: int, number: int, problems: list[Problem]) -> Say:
    """A `Say` that files problems under this row."""

    def say(part: str, what: str, got: str, fix: str) -> None:
        key = f"row {number}, {part}" if part else f"row {number}"
        problems.append(Problem(f"{name}:{line}", key, what, got, fix))

    return say
