"""JSON Lines -> rows with their line numbers, and the exact decoder. The place of a fault is the point.

Fast decoders keep the last of two equal keys and round long integers without a word. So a row is decoded fast
(orjson), and then it is proved that nothing was hidden: every key of the text is in the value (they are counted), no
number is near the limits, nothing is deep. Any doubt, and any fault, goes to the standard decoder with its hooks,
which tells exactly what is wrong.
"""

from __future__ import annotations

import json
import math
import re
from collections.abc import Sequence
from typing import Any, NamedTuple

from finetune.data.shapes import name_shown
from finetune.errors import Problem

MAX_NESTING = 64
MAX_ROW_BYTES = 16 * 1024**2  # of JSON; a row's text is at most 1 MiB, which escapes can make six times as long
SPACE = re.compile(r"[ \t\r\n]*")
DEEP = f"is nested more than {MAX_NESTING} levels deep"


class Row(NamedTuple):
    """One row as read.

    `line` is where it starts (1-based; parquet: the row); `number` counts rows from 1. `place` is where it stands
    when that is not `name:line` (text pairs: the question's file), else "".
    """

    line: int
    number: int
    value: Any
    place: str = ""


class _Odd:
    """Stands for a number that JSON or 64 bits cannot hold, until its key is known."""

    def __init__(self, what: str):
        self.what = what


_PLAIN_WORDS = (
    ("Unterminated string", "ends inside a string (the file may be cut off)"),
    ("Expecting ',' delimiter", "a comma or a closing bracket is missing"),
    ("Expecting ':' delimiter", "a colon is missing after a key"),
    ("Expecting property name", "a key in double quotes is due"),
    ("Illegal trailing comma", "a comma stands before a closing bracket"),
    ("Invalid \\escape", "a backslash starts no known escape"),
    ("Invalid \\uXXXX escape", "a \\u escape is not four hex digits"),
    ("Invalid control character", "a control character stands inside a string"),
    ("Extra data", "goes on after its end"),
    ("Expecting value", "a value is missing or not JSON"),
)


def plain(message: str, column: int, at_end: bool) -> str:
    """The decoder's complaint in plain words, with the column, without any of the text.

    Args:
        message: the decoder's.
        column: of the fault, from 1.
        at_end: whether it stands where the text ends.
    """
    if at_end:
        return "ends too early (the file may be cut off)"
    for start, words in _PLAIN_WORDS:
        if message.startswith(start):
            return words if "cut off" in words else f"{words} (column {column})"
    return f"is not JSON (column {column})"


def _plain(error: json.JSONDecodeError, text: str) -> str:
    at_end = error.pos >= len(text.rstrip()) and not error.msg.startswith("Unterminated")
    return plain(error.msg, error.colno, at_end)


class Decoder:
    """The standard decoder, told to remember what it would otherwise let pass."""

    def __init__(self) -> None:
        self.twice: list[str] = []
        self.odd = False
        self._json = json.JSONDecoder(
            object_pairs_hook=self._pairs,
            parse_int=self._int,
            parse_float=self._float,
            parse_constant=self._constant,
        )

    def _pairs(self, pairs: list[tuple[str, Any]]) -> dict[str, Any]:
        made = dict(pairs)
        if len(made) != len(pairs):
            keys = [key for key, _ in pairs]
            self.twice += [key for key in made if keys.count(key) > 1]
        return made

    def _int(self, digits: str) -> Any:
        # the length first: int() of a megabyte of digits takes minutes
        if len(digits) > 20 or not -(2**63) <= (number := int(digits)) < 2**64:
            self.odd = True
            return _Odd("an integer does not fit 64 bits")
        return number

    def _float(self, digits: str) -> Any:
        number = float(digits)
        if math.isinf(number):
            self.odd = True
            return _Odd("a number is too large")
        return number

    def _constant(self, name: str) -> Any:
        self.odd = True
        return _Odd(f"{name} is not JSON")

    def decode(self, text: str, start: int) -> tuple[Any, int, list[tuple[str, str, str]]]:
        """(value, end, faults) of the value at `start`; a fault is (key, what, fix).

        Raises:
            json.JSONDecodeError, RecursionError: as the standard decoder.
        """
        self.twice, self.odd = [], False
        value, end = self._json.raw_decode(text, start)
        faults = []
        if text.count("[", start, end) + text.count("{", start, end) > MAX_NESTING and _too_deep(value):
            faults.append(("", DEEP, "flatten the row"))
        elif self.odd:
            key, what = _find_odd(value, "")
            faults.append((key, what, "write the number as text, or remove the key"))
        for key in self.twice:
            faults.append((f"key {name_shown(key)}", "stands twice in one object", "keep one of them"))
        return value, end, faults


def _too_deep(value: Any) -> bool:
    level = [value]
    for _ in range(MAX_NESTING + 1):
        level = [
            inner
            for outer in level
            if isinstance(outer, (dict, list))
            for inner in (outer.values() if isinstance(outer, dict) else outer)
        ]
        if not level:
            return False
    return True


def _find_odd(value: Any, path: str) -> tuple[str, str]:
    """(key, what) of the first number that cannot be held; the row is known not to be deep."""
    if isinstance(value, _Odd):
        return (f"key {path}" if path else ""), value.what
    pairs = value.items() if isinstance(value, dict) else enumerate(value, 1) if isinstance(value, list) else ()
    for key, inner in pairs:
        step = name_shown(key) if isinstance(key, str) else str(key)
        found = _find_odd(inner, f"{path}.{step}" if path else step)
        if found[1]:
            return found
    return "", ""


_KEY_END = re.compile(r'"[ \t\r\n]*:')
_KEY_END_BYTES = re.compile(rb'"[ \t\r\n]*:')


def is_exact(value: Any, text: str | bytes) -> bool:
    """Whether a fast decoder has surely hidden nothing of this value: no key twice, no number out of range, not deep.

    Args:
        value: as decoded.
        text: the JSON it was decoded from. Every key in it ends with a quote and a colon. Texts can hold the same
            two signs, so a larger number of them is no fault, only no proof.
    """
    num_keys = 0
    level = [value]
    for _ in range(MAX_NESTING + 1):
        inner: list[Any] = []
        for one in level:
            kind = type(one)
            if kind is str:
                continue
            if kind is dict:
                num_keys += len(one)
                inner.extend(one.values())
            elif kind is list:
                inner.extend(one)
            # also false for NaN; an integer that a fast decoder had to round is a float above the limit
            elif (kind is float or kind is int) and not -9.2e18 < one < 9.2e18:
                return False
        if not inner:
            break
        level = inner
    else:
        return False
    if isinstance(text, str):
        return num_keys == text.count(":") or num_keys == len(_KEY_END.findall(text))
    return num_keys == text.count(b":") or num_keys == len(_KEY_END_BYTES.findall(text))


def num_blank_lines(data: bytes) -> int:
    """How many of the lines of JSON Lines hold nothing, as `parse_lines` counts them."""
    lines = data.split(b"\n")
    if not lines[-1]:
        lines.pop()
    # only a line that starts blank can be blank
    return sum(not line.strip(b" \t\r") for line in lines if not line or line[0] <= 0x20)


def parse_lines(
    name: str,
    data: bytes,
    first_number: int,
    first_line: int,
    first_byte: int,
    bad: Sequence[tuple[int, str, str]] = (),
) -> tuple[list[Row], list[Problem], int]:
    """Whole lines of JSON Lines, UTF-8 -> (rows, problems of rows, number of blank lines).

    Lines end at \\n only, so U+2028 stays inside its text. Faulty lines are told, one each, and left out.

    Args:
        bad: (line counted from 0, what, fix) of lines that did not decode from the encoding of their file.
    """
    import orjson

    rows: list[Row] = []
    problems: list[Problem] = []
    decoder = Decoder()
    lines = data.split(b"\n")
    if lines and not lines[-1]:
        lines.pop()
    num_blank, number, start = 0, first_number - 1, first_byte
    undecoded = {first_line + index: (what, fix) for index, what, fix in reversed(bad)}
    for line_number, line in enumerate(lines, first_line):
        stripped = line.strip(b" \t\r")
        if not stripped:
            num_blank += 1
            start += len(line) + 1
            continue
        number += 1
        if line_number in undecoded:
            add_faults(name, line_number, number, [("", *undecoded[line_number])], problems)
            start += len(line) + 1
            continue
        try:
            value = orjson.loads(stripped)
            proved = is_exact(value, stripped)
        except orjson.JSONDecodeError:
            proved = False
        if proved:
            rows.append(Row(line_number, number, value))
        else:
            _parse_slowly(name, line, line_number, number, start, decoder, rows, problems)
        start += len(line) + 1
    return rows, problems, num_blank


def _parse_slowly(
    name: str,
    line: bytes,
    line_number: int,
    number: int,
    start: int,
    decoder: Decoder,
    rows: list[Row],
    problems: list[Problem],
) -> None:
    """One line by the standard decoder: the row, or what is wrong with it."""

    def refuse(what: str, fix: str) -> None:
        problems.append(Problem(f"{name}:{line_number}", f"row {number}", what, fix=fix))

    try:
        text = line.decode("utf-8").strip(" \t\r")
    except UnicodeDecodeError as error:
        what = f"byte 0x{line[error.start]:02x} at offset {start + error.start:,} is not UTF-8"
        return refuse(what, "set data.encoding (for example windows-1252 or gb18030), or save the file as UTF-8")
    try:
        value, end, faults = decoder.decode(text, 0)
    except json.JSONDecodeError as error:
        return refuse(f"line {_plain(error, text)}", "correct or remove the line")
    except RecursionError:
        return refuse(DEEP, "flatten the row")
    rest = text[end:].lstrip(" \t\r")
    if rest:
        what = "two values on one line" if rest[0] in "{[," else "line goes on after its object"
        refuse(what, "put each object on a line of its own")
    elif faults:
        add_faults(name, line_number, number, faults, problems)
    else:
        rows.append(Row(line_number, number, value))
    return None


def add_faults(name: str, line: int, number: int, faults: list[tuple[str, str, str]], problems: list[Problem]) -> None:
    """Add the faults of one row, each (key, what, fix), to `problems`."""
    for key, what, fix in faults:
        problems.append(Problem(f"{name}:{line}", ", ".join(filter(None, (f"row {number}", key))), what, fix=fix))
