"""JSON documents -> rows, read piece by piece: arrays, {"data": [...]}, objects keyed by id, objects one after another.

Also tells JSON Lines from a document by their content, as names lie about it.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from typing import Any

from finetune.data.reading.encodings import STAND_IN, BadPlaces
from finetune.data.reading.json_rows import DEEP, MAX_ROW_BYTES, SPACE, Decoder, Row, add_faults, is_exact, plain
from finetune.data.reading.streams import BLOCK_BYTES, SourceError
from finetune.data.shapes import plural
from finetune.errors import Problem

# (characters it takes, the row or what is wrong with it)
Read = tuple[int, "Row | list[Problem]"]

_SPEAKER_KEYS = ({"role", "content"}, {"from", "value"})
_LIST_FIX = 'write [ {...}, {...} ], or the list under the key "data"'


def is_lines(head: str, named_lines: bool) -> bool:
    """Whether a file holds JSON Lines, by its first text.

    Args:
        head: its beginning, of at least a line where lines are not huge.
        named_lines: whether it is named .jsonl; decides where the text does not.
    """
    head = head.lstrip(" \t\r\n")
    if not head or head[0] not in "[{":
        return named_lines
    first, line_end, rest = head.partition("\n")
    second = rest.lstrip(" \t\r\n").partition("\n")[0]
    if not line_end:
        rest = ""
    try:
        value, end = json.JSONDecoder().raw_decode(first)
    except RecursionError:
        return named_lines
    except json.JSONDecodeError as error:
        if not line_end and head[0] == "[":
            return False
        if error.msg.startswith("Unterminated"):  # no writer breaks a line inside a text
            return named_lines
        if error.pos < len(first.rstrip()):
            return named_lines or _is_value(second)
        # the line only opens something; a brace where a key is due says that it was cut off instead
        return error.msg.startswith(("Expecting property", "Illegal trailing")) and second.startswith("{")
    except ValueError:
        return named_lines
    if first[end:].strip():
        return named_lines or second[:1] in ("{", "[")
    if second:
        return head[0] == "{" or second[0] in "[{" or named_lines
    if not named_lines:
        return False
    if isinstance(value, list):
        turns = [set(turn) for turn in value if isinstance(turn, dict)]
        return (
            bool(turns)
            and len(turns) == len(value)
            and all(any(keys <= turn for keys in _SPEAKER_KEYS) for turn in turns)
        )
    return not _is_list_of_rows(value.get("data"))


def _is_value(line: str) -> bool:
    try:
        return isinstance(json.loads(line), (dict, list))
    except (ValueError, RecursionError):
        return False


def _is_list_of_rows(value: Any) -> bool:
    return isinstance(value, list) and bool(value) and all(isinstance(row, (dict, list)) for row in value)


class _Window:
    """A text of any length, of which only the part at work is held."""

    def __init__(self, texts: Iterable[str]):
        self._texts = iter(texts)
        self.text, self.at, self.ended = "", 0, False
        self._line, self._counted = 1, 0
        self._column = 0  # characters of the first held line that are not held any more

    def more(self) -> bool:
        """Hold at least twice as much from `at` on; False at the end of the text."""
        start = self.text.rfind("\n", 0, self.at) + 1
        if self.at - start > 10_000:
            start = self.at
        self.line_of(start)
        last_break = self.text.rfind("\n", 0, start)
        self._column = start - last_break - 1 if last_break >= 0 else self._column + start
        parts, wanted = [self.text[start:]], len(self.text) - self.at
        self.at, self._counted = self.at - start, 0
        num_parts = 0
        while wanted >= 0 and not self.ended:
            part = next(self._texts, None)
            if part is None:
                self.ended = True
                break
            parts.append(part)
            num_parts += 1
            wanted -= len(part) or 1
        self.text = "".join(parts)
        return num_parts > 0

    def line_of(self, index: int) -> int:
        """The line of an index; moves the count forward, so that the whole is counted once."""
        if index < self._counted:
            return self._line - self.text.count("\n", index, self._counted)
        self._line += self.text.count("\n", self._counted, index)
        self._counted = index
        return self._line

    def column_of(self, index: int) -> int:
        last_break = self.text.rfind("\n", 0, index)
        return index - last_break if last_break >= 0 else index + 1 + self._column

    def peek(self) -> str:
        """The next sign that is not blank, and `at` on it; "" at the end."""
        while True:
            self.at = SPACE.match(self.text, self.at).end()  # type: ignore[union-attr]  # it matches everywhere
            if self.at < len(self.text):
                return self.text[self.at]
            if not self.more():
                return ""


class Document:
    """One JSON document. `notes` says what was taken as rows, once `rows` has been read."""

    def __init__(self, name: str, texts: Iterable[str], bad: BadPlaces | None = None):
        """`bad` as `encodings.texts` fills it."""
        self.name, self.notes = name, []
        self._bad = bad
        self._window, self._decoder, self._number = _Window(texts), Decoder(), 0
        self._fast = json.JSONDecoder()

    def rows(self) -> Iterator[Read]:
        """Rows and faulty rows in order.

        Raises:
            SourceError: where the JSON is broken, or is no list of rows; what stands before it was given.
        """
        window = self._window
        sign = window.peek()
        if sign == "[":
            yield from self._array()
            self._expect_end("goes on after the end of the list")
        elif sign == "{":
            yield from self._object()
        else:
            line = window.line_of(window.at)
            raise SourceError("is not JSON: no list of rows starts here", 'start it with "["', line)

    def _expect_end(self, what: str) -> None:
        if self._window.peek():
            raise SourceError(what, "remove what follows", self._window.line_of(self._window.at))

    def _fault(self, message: str, index: int, key: str = "") -> SourceError:
        window = self._window
        if self._bad and window.text[index : index + 1] == STAND_IN:
            places = self._bad.take(window.text[window.at : index + 1])
            return SourceError([message, *places][-1], self._bad.fix, window.line_of(index), key)
        at_end = window.ended and index >= len(window.text.rstrip()) and not message.startswith("Unterminated")
        what = plain(message, window.column_of(index), at_end)
        return SourceError(what, "correct the file here", window.line_of(index), key)

    def _value(self, key: str) -> tuple[Any, list[tuple[str, str, str]], int]:
        """(value, faults, number of characters) at the window's place, which moves behind it.

        Raises:
            SourceError: it is broken, too deep to be read, or too long.
        """
        window = self._window
        while True:
            try:
                value, end, faults = self._decoded()
                if end < len(window.text) or window.ended or not window.more():
                    break
                continue  # a number may go on in the next part
            except json.JSONDecodeError as error:
                may_go_on = error.msg.startswith("Unterminated") or error.pos > len(window.text) - 16
                if window.ended or not may_go_on:
                    raise self._fault(error.msg, error.pos, key) from None
            except RecursionError:
                raise SourceError(DEEP, "flatten the row", window.line_of(window.at), key) from None
            if len(window.text) - window.at > MAX_ROW_BYTES:
                what = f"is longer than {MAX_ROW_BYTES:,} characters, or a bracket or quote in it is never closed"
                raise SourceError(what, "cut the row", window.line_of(window.at), key)
            window.more()
        size = end - window.at
        faults = self._with_bad_places(faults, window.at, end)
        if size > MAX_ROW_BYTES:
            faults = [("", f"is longer than {MAX_ROW_BYTES:,} characters", "cut the row")]
        window.at = end
        return value, faults, size

    def _with_bad_places(self, faults: list[tuple[str, str, str]], start: int, end: int) -> list[tuple[str, str, str]]:
        """The faults of the value that stands there, with bytes in it that do not belong to the encoding."""
        if self._bad is None or self._window.text.find(STAND_IN, start, end) < 0:
            return faults
        places = self._bad.take(self._window.text[start:end])
        return [("", places[0], self._bad.fix)] if places else faults

    def _decoded(self) -> tuple[Any, int, list[tuple[str, str, str]]]:
        window = self._window
        try:
            value, end = self._fast.raw_decode(window.text, window.at)
        except json.JSONDecodeError:
            raise
        except ValueError:  # int() refuses thousands of digits
            return self._decoder.decode(window.text, window.at)
        if is_exact(value, window.text[window.at : end]):
            return value, end, []
        return self._decoder.decode(window.text, window.at)

    def _row(self) -> Read:
        window = self._window
        self._number += 1
        line = window.line_of(window.at)
        value, faults, size = self._value(f"row {self._number}")
        if faults:
            problems: list[Problem] = []
            add_faults(self.name, line, self._number, faults, problems)
            return size, problems
        return size, Row(line, self._number, value)

    def _array(self) -> Iterator[Read]:
        window = self._window
        window.at += 1
        if window.peek() == "]":
            window.at += 1
            return
        while True:
            window.peek()
            yield self._row()
            sign = window.peek()
            if sign not in ("]", ","):
                raise self._fault("Expecting ',' delimiter", window.at, f"row {self._number}")
            window.at += 1
            if sign == "]":
                return

    def _object(self) -> Iterator[Read]:
        """The document starts with a brace: what it is shows in its first megabyte."""
        window = self._window
        while True:
            try:
                value, end, faults = self._decoded()
            except (json.JSONDecodeError, RecursionError):
                if len(window.text) - window.at < BLOCK_BYTES and window.more():
                    continue
                yield from self._entries(None)
                return
            start, after = window.at, SPACE.match(window.text, end).end()  # type: ignore[union-attr]
            if after < len(window.text) or not window.more():
                break  # what follows is known
        sign, window.at = window.text[after : after + 1], after
        if sign == "{":
            line = window.line_of(start)
            self._number = 1
            self.notes.append(f"{self.name}: objects one after another, each a row")
            problems: list[Problem] = []
            add_faults(self.name, line, 1, self._with_bad_places(faults, start, end), problems)
            yield end - start, problems or Row(line, 1, value)
            while window.peek() == "{":
                yield self._row()
            self._expect_end("goes on after its end")
            return
        if sign:
            raise SourceError("goes on after its end", "remove what follows", window.line_of(window.at))
        if isinstance(value.get("data"), list):
            if any(key == "key data" for key, *_ in faults):
                raise SourceError("stands twice in one object", "keep one of them", 1, "row 1, key data")
            window.at = start
            yield from self._entries("data")
        elif _is_keyed(list(value.values())):
            window.at = start
            yield from self._entries("keyed")
        elif _is_row(value):
            self._number = 1
            self.notes.append(f"{self.name}: one object, read as the only row")
            line = window.line_of(start)
            problems = []
            add_faults(self.name, line, 1, self._with_bad_places(faults, start, end), problems)
            yield end - start, problems or Row(line, 1, value)
        else:
            raise SourceError(f"is one object with {plural(len(value), 'key')}, not a list of rows", _LIST_FIX)

    def _entries(self, what: str | None) -> Iterator[Read]:
        """The rows of one object.

        Args:
            what: "data": the list under that key; "keyed": its values; None: not known yet, as it is long.
        """
        window = self._window
        window.at += 1
        waiting: list[tuple[int, int, Any, list[tuple[str, str, str]]]] = []  # size, line, value, faults
        seen: set[str] = set()
        told = False
        num_waiting = 0
        goes_on = window.peek() != "}"
        while goes_on:
            key, line = self._key()
            is_list = window.peek() == "["
            if key == "data" and is_list and what != "keyed" and not told:
                what, told = "data", True
                self.notes.append(f'{self.name}: the rows are the list under the key "data"')
                yield from self._array()
            else:
                if what == "data" and told and key == "data":
                    raise SourceError("stands twice in one object", "keep one of them", line, "key data")
                value, faults, size = self._value("" if what == "data" else f"row {len(seen) + 1}")
                if what != "data":
                    if key in seen:
                        faults = [*faults, ("the row's key", "stands twice in one object", "keep one of them")]
                    seen.add(key)
                    waiting.append((size, line, value, faults))
                    num_waiting += size
                if what is None and _is_keyed([entry[2] for entry in waiting[:2]]):
                    what = "keyed"
                if what == "keyed":
                    if not told:
                        told = True
                        self.notes.append(f"{self.name}: an object keyed by id; the rows are its values")
                    for entry in waiting:
                        yield self._keyed_row(*entry)
                    waiting = []
                elif what is None and num_waiting > MAX_ROW_BYTES:
                    raise SourceError("is one object, not a list of rows", _LIST_FIX)
            goes_on = self._comma()
        window.at += 1
        self._expect_end("goes on after its end")
        if what is None:
            raise SourceError(f"is one object with {plural(len(seen), 'key')}, not a list of rows", _LIST_FIX)

    def _key(self) -> tuple[str, int]:
        """(a key, its line); the window moves behind its colon."""
        window = self._window
        if window.peek() != '"':
            raise self._fault("Expecting property name", window.at)
        line = window.line_of(window.at)
        key, _, _ = self._value("")
        if window.peek() != ":":
            raise self._fault("Expecting ':' delimiter", window.at)
        window.at += 1
        return key, line

    def _comma(self) -> bool:
        """Whether another entry follows; the window moves to it, or stays on the closing brace."""
        window = self._window
        sign = window.peek()
        if sign not in (",", "}"):
            raise self._fault("Expecting ',' delimiter", window.at)
        window.at += sign == ","
        return sign == ","

    def _keyed_row(self, size: int, line: int, value: Any, faults: list[tuple[str, str, str]]) -> Read:
        self._number += 1
        problems: list[Problem] = []
        add_faults(self.name, line, self._number, faults, problems)
        return size, problems or Row(line, self._number, value)


def _is_keyed(values: list[Any]) -> bool:
    """Whether values are rows: two or more objects with keys in common, or lists of objects."""
    if len(values) < 2:
        return False
    if all(isinstance(value, dict) and value for value in values):
        first, second = set(values[0]), set(values[1])
        return 2 * len(first & second) >= min(len(first), len(second))
    return False


def _is_row(value: dict[str, Any]) -> bool:
    """Whether a single object is a row itself: it holds text, or turns."""
    if any(isinstance(inner, str) for inner in value.values()):
        return True
    return any(isinstance(value.get(key), list) for key in ("messages", "conversations", "conversation"))
