"""Conversations: finding personal data in every part of a row, and a copy of the row with placeholders instead."""

from __future__ import annotations

import json
import re
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import replace
from functools import lru_cache
from typing import Any

from finetune.data.privacy.kinds import KINDS, Found
from finetune.data.privacy.lexicon import AMBIGUOUS, NOT_A_NAME
from finetune.data.privacy.scanner import PLACEHOLDER, Scanner
from finetune.data.shapes import Conversation, Message, ToolCall

_MAX_ROUNDS = 4  # a replacement can bring two texts together; more rounds than this have not been seen
_MAX_VALUES = 500  # values of one conversation that are looked for again where no rule found them
# What a definition of a tool is called by and built of: another word there would be another tool.
_TOOL_FORM = frozenset({"name", "type", "required", "format", "pattern", "$ref", "$schema", "$id"})


def scan_conversation(conversation: Conversation, scanner: Scanner) -> list[tuple[str, Found]]:
    """The findings in every turn, tool call, rejected turn, offered tool, and in the group: (part, finding).

    Returns:
        `part` names the text as reports do: "message 2", "message 3, tool call 1", "rejected message 1", "tools",
        "group". The offsets of the finding count within that text (a tool call's: within the value of the argument).
    """
    return _scan_texts(conversation, scanner) + [("group", one) for one in _in_group(conversation, scanner)]


def _in_group(conversation: Conversation, scanner: Scanner) -> list[Found]:
    return scanner.scan(conversation.group) if conversation.group else []


def _scan_texts(conversation: Conversation, scanner: Scanner) -> list[tuple[str, Found]]:
    """The findings in all that is trained on."""
    made: list[tuple[str, Found]] = []
    for label, messages in (("message", conversation.messages), ("rejected message", conversation.rejected)):
        for k, message in enumerate(messages, start=1):
            made += [(f"{label} {k}", one) for one in scanner.scan(message.content)]
            for n, call in enumerate(message.tool_calls, start=1):
                for key, value in _leaves(_parsed(call.arguments)):
                    made += [(f"{label} {k}, tool call {n}", one) for one in _scan_value(scanner, key, value)]
    if conversation.tools:
        made += [("tools", one) for _, found in _in_tools(conversation.tools, scanner.languages) for one in found]
    return made


@lru_cache(maxsize=64)  # the same tools are offered in row after row
def _in_tools(tools: str, languages: tuple[str, ...]) -> tuple[tuple[str, list[Found]], ...]:
    """(value, findings) of the values of tool definitions that hold any."""
    scanner = Scanner(languages)
    values = [str(value) for key, value in _leaves(json.loads(tools)) if key not in _TOOL_FORM]
    scanned = ((value, scanner.scan(value)) for value in values)
    return tuple((value, found) for value, found in scanned if found)


def redact(conversation: Conversation, scanner: Scanner) -> tuple[Conversation, Counter[str]]:
    """A copy with placeholders such as [NAME_1] instead of what was found, and how often each kind was replaced.

    Placeholders are numbered within the conversation by first appearance; the same value gets the same placeholder in
    question, answer and rejected answer, so the row still teaches who is spoken of. What was found once is replaced
    wherever it stands again in the row, also where no rule would see it. Of offered tools only the values are changed
    (descriptions, defaults, choices), never names. The group is counted and left as it is, as rows are kept together
    by it: whoever writes it on must not write its words. The result depends on the row alone, never on other rows,
    their order or the number of processes. Redacting twice changes nothing more.
    """
    in_group = _in_group(conversation, scanner)
    in_texts = Counter[str]()
    if in_group or _scan_texts(conversation, scanner):
        conversation, in_texts = _redacted(conversation, scanner, in_group)
    return conversation, in_texts + Counter(one.kind for one in in_group)


def _redacted(conversation: Conversation, scanner: Scanner, in_group: list[Found]) -> tuple[Conversation, Counter[str]]:
    book = _Numbers()
    for text in _texts(conversation):
        book.reserve(text)
    counts: Counter[str] = Counter()
    for _ in range(_MAX_ROUNDS):
        before = sum(counts.values())
        for text, found in _all_found(conversation, scanner):
            for one in found:
                book.note(one.kind, text[one.start : one.end])
        for one in in_group:  # last: no number is taken from what stands in the texts
            book.note(one.kind, (conversation.group or "")[one.start : one.end])
        conversation = _replaced(conversation, scanner, book, counts)
        if sum(counts.values()) == before or not _scan_texts(conversation, scanner):
            break
    return conversation, counts


class _Numbers:
    """The placeholders of one conversation."""

    def __init__(self) -> None:
        self._next: Counter[str] = Counter()
        self._known: dict[tuple[str, str], str] = {}
        self._written: dict[str, str] = {}  # a text to look for again -> its kind
        self._again: re.Pattern[str] | None = None

    def reserve(self, text: str) -> None:
        """Numbers that already stand in the row are not given to another value."""
        for match in PLACEHOLDER.finditer(text):
            label = match.group("label")
            self._next[label] = max(self._next[label], int(match.group("number")))

    def note(self, kind: str, written: str) -> None:
        """Remembers a value, and the parts of a name, to be found again."""
        self.placeholder(kind, written)
        if len(self._written) >= _MAX_VALUES:
            return
        self._again = None
        if kind != "name":
            if len(written) >= 5 and any(char.isdigit() for char in written):
                self._written.setdefault(written, kind)
        elif len(written) >= 2:
            if written[0].isupper() or not written.isascii():
                self._written.setdefault(written, kind)
            for word in written.split():
                word = word.strip(".,")
                if len(word) >= 3 and word[0].isupper() and word.lower() not in AMBIGUOUS | NOT_A_NAME:
                    self._written.setdefault(word, kind)

    def placeholder(self, kind: str, written: str) -> str:
        key = _normalised(kind, written)
        label = KINDS[kind].label
        if (label, key) not in self._known:
            same = self._same_person(key) if kind == "name" else None
            if same is None:
                self._next[label] += 1
                same = f"[{label}_{self._next[label]}]"
            self._known[label, key] = same
        return self._known[label, key]

    def _same_person(self, key: str) -> str | None:
        """The placeholder of the one name that holds all words of this one, or all of whose words this one holds."""
        words = set(key.split())
        hits = set()
        for (label, other), placeholder in self._known.items():
            if label == KINDS["name"].label:
                others = set(other.split())
                if (
                    words <= others
                    or others <= words
                    or (_is_chinese(key) and (other.startswith(key) or key.startswith(other)))
                ):
                    hits.add(placeholder)
        return hits.pop() if len(hits) == 1 else None

    def again(self, text: str, found: list[Found]) -> list[Found]:
        """`found`, and with it every other place of a value that was noted."""
        if not self._written:
            return found
        if self._again is None:
            longest_first = sorted(self._written, key=lambda written: (-len(written), written))
            self._again = re.compile("|".join(re.escape(written) for written in longest_first))
        taken = [(one.start, one.end) for one in found] + [match.span() for match in PLACEHOLDER.finditer(text)]
        more = []
        for match in self._again.finditer(text):
            start, end = match.span()
            if _joined(text, start - 1, start) or _joined(text, end - 1, end):
                continue
            if not any(start < stop and begin < end for begin, stop in taken):
                more.append(Found(self._written[match.group()], start, end, 0.5))
        return sorted(found + more, key=lambda one: one.start)


def _is_chinese(text: str) -> bool:
    return bool(text) and "\u4e00" <= text[0] <= "\u9fff"


def _joined(text: str, left: int, right: int) -> bool:
    """Whether the signs at these two places belong to one word or number."""
    if left < 0 or right >= len(text):
        return False
    first, second = text[left], text[right]
    return first.isalnum() and second.isalnum() and not (_is_chinese(first) or _is_chinese(second))


def _normalised(kind: str, written: str) -> str:
    """What two ways to write one value have in common."""
    if kind == "name":
        return " ".join(written.replace(".", " ").replace(",", " ").casefold().split())
    plain = "".join(char for char in written.casefold() if char.isalnum())
    return plain[-9:] if kind == "phone" else plain  # with and without the country code


def _texts(conversation: Conversation) -> Iterator[str]:
    for message in (*conversation.messages, *conversation.rejected):
        yield message.content
        yield from (call.arguments for call in message.tool_calls)
    yield conversation.tools


def _all_found(conversation: Conversation, scanner: Scanner) -> Iterator[tuple[str, list[Found]]]:
    for message in (*conversation.messages, *conversation.rejected):
        yield message.content, scanner.scan(message.content)
        for call in message.tool_calls:
            for key, value in _leaves(_parsed(call.arguments)):
                yield str(value), _scan_value(scanner, key, value)
    if conversation.tools:
        yield from _in_tools(conversation.tools, scanner.languages)


def _replaced(conversation: Conversation, scanner: Scanner, book: _Numbers, counts: Counter[str]) -> Conversation:
    def text_without(text: str, found: list[Found]) -> str:
        made, last = [], 0
        for one in book.again(text, found):
            made += [text[last : one.start], book.placeholder(one.kind, text[one.start : one.end])]
            last = one.end
            counts[one.kind] += 1
        return "".join(made) + text[last:]

    def value_without(key: str, value: Any) -> Any:
        text = str(value)
        changed = text_without(text, _scan_value(scanner, key, value))
        return value if changed == text else changed

    def call_without(call: ToolCall) -> ToolCall:
        parsed = _parsed(call.arguments)
        changed = _mapped(parsed, "", value_without)
        if changed == parsed:
            return call
        return replace(call, arguments=changed if isinstance(parsed, str) else json.dumps(changed, ensure_ascii=False))

    def tools_without(tools: str) -> str:
        def changed(key: str, value: Any) -> Any:
            if key in _TOOL_FORM:
                return value
            text = str(value)
            made = text_without(text, scanner.scan(text))
            return value if made == text else made

        parsed = json.loads(tools)
        made = _mapped(parsed, "", changed)
        return tools if made == parsed else json.dumps(made, ensure_ascii=False, separators=(",", ":"))

    def without(message: Message) -> Message:
        content = text_without(message.content, scanner.scan(message.content))
        return replace(message, content=content, tool_calls=tuple(map(call_without, message.tool_calls)))

    return replace(
        conversation,
        messages=tuple(map(without, conversation.messages)),
        rejected=tuple(map(without, conversation.rejected)),
        tools=tools_without(conversation.tools) if conversation.tools else "",
    )


def _parsed(arguments: str) -> Any:
    """The arguments of a tool call; the text itself where it is no JSON object or list."""
    try:
        value = json.loads(arguments)
    except (ValueError, RecursionError):
        return arguments
    return value if isinstance(value, (dict, list)) else arguments


def _leaves(value: Any, key: str = "") -> Iterator[tuple[str, Any]]:
    if isinstance(value, dict):
        for name, inner in value.items():
            yield from _leaves(inner, name)
    elif isinstance(value, list):
        for inner in value:
            yield from _leaves(inner, key)
    elif isinstance(value, (str, int, float)) and not isinstance(value, bool):
        yield key, value


def _mapped(value: Any, key: str, change: Callable[[str, Any], Any]) -> Any:
    if isinstance(value, dict):
        return {name: _mapped(inner, name, change) for name, inner in value.items()}
    if isinstance(value, list):
        return [_mapped(inner, key, change) for inner in value]
    return change(key, value) if isinstance(value, (str, int, float)) and not isinstance(value, bool) else value


def _scan_value(scanner: Scanner, key: str, value: Any) -> list[Found]:
    """The findings in one value of a tool call; its key stands before it as a cue ("phone: 555 0199")."""
    text = str(value)
    found = scanner.scan(text)
    if key and not found:
        lead = f"{key.replace('_', ' ')}: "
        found = [
            replace(one, start=one.start - len(lead), end=one.end - len(lead))
            for one in scanner.scan(lead + text)
            if one.start >= len(lead)
        ]
    return found
