"""Tools in rows: what is on offer, what the assistant calls, what the tool answers.

Two ways of writing are read: that of chat interfaces (`tool_calls` beside the content, turns of the role tool) and
that of sharegpt files (turns from function_call, whose text is JSON, and from observation).
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from finetune.data.converting.texts import Say, Seen, is_empty, is_sound, type_name
from finetune.data.shapes import Message, ToolCall

_CALL_FIX = 'write a call as {"name": ..., "arguments": {...}}'
_EMPTY = (None, "", "[]", "{}", [], {})


def tools_of(value: Any, part: str, seen: Seen, say: Say) -> str:
    """The tools on offer as JSON text of a list, each `{"type": "function", "function": {...}}`; "" for none."""
    if isinstance(value, str):
        value = value.strip()
    if value in _EMPTY:
        return ""
    if isinstance(value, str):
        try:
            value = json.loads(value)
        except (ValueError, RecursionError):
            say(part, "the tools are not JSON", "", "write a list of tool definitions")
            return ""
    tools = value if isinstance(value, list) else [value]
    made = []
    for number, tool in enumerate(tools, 1):
        if isinstance(tool, str):  # a list of JSON texts, as some exporters write it
            try:
                tool = json.loads(tool)
            except (ValueError, RecursionError):
                tool = None
        inner = tool.get("function", tool) if isinstance(tool, dict) else None
        if not isinstance(inner, dict) or not isinstance(inner.get("name"), str) or not inner["name"].strip():
            say(part, f"tool {number} has no name", "", 'write a tool as {"name": ..., "description": ...}')
            return ""
        made.append({"type": "function", "function": inner})
    text = json.dumps(made, ensure_ascii=False, separators=(",", ":"))
    if not is_sound(text):
        say(part, "the tools hold a character that cannot be stored", "", "remove the broken character")
        return ""
    seen.counts["tools"] += 1
    return text


def calls_of(value: Any, part: str, say: Say) -> tuple[ToolCall, ...] | None:
    """The calls of an assistant's turn: a call, a list of calls, or JSON text of one; None after saying why not."""
    if isinstance(value, str):
        try:
            value = json.loads(value)
        except (ValueError, RecursionError):
            say(part, "the tool call is not JSON", "", _CALL_FIX)
            return None
    calls = value if isinstance(value, list) else [value]
    made: list[ToolCall] = []
    for call in calls:
        inner = call.get("function", call) if isinstance(call, dict) else call
        name = inner.get("name") if isinstance(inner, dict) else None
        if not isinstance(name, str) or not name.strip() or not is_sound(name):
            say(part, "a tool call has no name", "", _CALL_FIX)
            return None
        arguments = _arguments(inner.get("arguments", inner.get("parameters")))
        if arguments is None:
            what = f"the arguments of a tool call are due as an object, found {type_name(inner.get('arguments'))}"
            say(part, what, "", _CALL_FIX)
            return None
        made.append(ToolCall(name, arguments))
    if not made:
        say(part, "calls no tool", "", _CALL_FIX)
        return None
    return tuple(made)


def _arguments(value: Any) -> str | None:
    """Arguments as JSON text of an object, also where they came as text; None where they are something else."""
    if value is None or value == "":
        return "{}"
    if isinstance(value, str):
        try:
            value = json.loads(value)
        except (ValueError, RecursionError):
            return None
    if not isinstance(value, dict):
        return None
    text = json.dumps(value, ensure_ascii=False, separators=(",", ":"))
    return text if is_sound(text) else None


def calling(turn: Mapping[str, Any], content: Any, part: str, seen: Seen, say: Say) -> list[Message]:
    """An assistant's turn with `tool_calls` (or the older `function_call`), with or without text beside them."""
    calls = calls_of(turn.get("tool_calls") or turn.get("function_call"), part, say)
    if calls is None:
        return []
    if content is None:
        content = ""
    if not isinstance(content, str) or not is_sound(content):
        say(part, f"text is due beside the tool calls, found {type_name(content)}", "", "write text, or leave it empty")
        return []
    seen.counts["calls"] += 1
    return [Message("assistant", "" if is_empty(content) else content, calls)]


def called(value: Any, part: str, seen: Seen, say: Say) -> list[Message]:
    """A turn that is nothing but a call, as sharegpt files write it."""
    calls = calls_of(value, part, say)
    if calls is None:
        return []
    seen.counts["calls"] += 1
    return [Message("assistant", "", calls)]


def answered(turn: Mapping[str, Any], content: Any, part: str, say: Say) -> list[Message]:
    """What a tool answered; an object is kept as its JSON text. An empty answer is an answer, too."""
    if isinstance(content, (dict, list)):
        content = json.dumps(content, ensure_ascii=False)
    if not isinstance(content, str) or not is_sound(content):
        say(part, f"text is due for the tool's answer, found {type_name(content)}", "", "write text, or remove the row")
        return []
    name = turn.get("name")
    return [Message("tool", content, name=name if isinstance(name, str) and name and is_sound(name) else None)]


def named(turns: list[Message], ids: Mapping[str, str], answers: Mapping[int, str]) -> list[Message]:
    """Tools' turns without a name get that of the call they answer.

    Args:
        turns: of one row.
        ids: id of a call -> name of its tool.
        answers: position in `turns` -> the id that the tool's turn answers.
    """
    made = list(turns)
    for position, call in answers.items():
        if position < len(made) and made[position].role == "tool" and made[position].name is None and call in ids:
            made[position] = replace(made[position], name=ids[call])
    return made
