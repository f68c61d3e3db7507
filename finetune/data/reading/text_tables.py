"""CSV and TSV -> rows, line by line. Cells stay text: "NA" and "001" are words, not null and 1."""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Iterable, Iterator
from typing import Any

from finetune.data.reading.encodings import BadPlaces
from finetune.data.reading.json_rows import MAX_ROW_BYTES, Row
from finetune.data.reading.streams import SourceError
from finetune.data.shapes import names_shown, plural
from finetune.errors import Problem

_DELIMITERS = {",": "commas", ";": "semicolons", "\t": "tabs"}
_NUL_FIX = "save the table again as CSV UTF-8"
# the line by which a table tells Excel its separator
_SEPARATOR_LINE = re.compile(r'\ufeff?"?sep=([^\r\n"])"?[\t,;|]*\r?\n', re.IGNORECASE)
_HEADER_OPEN = "a quote in the header line is never closed"


class TextTable:
    """A table of text. The first record names the columns; `notes` says how cells are separated."""

    def __init__(self, name: str, texts: Iterable[str], head: str, tab_first: bool, bad: BadPlaces | None = None):
        """`head` is the beginning of the text, enough to hold the header line; `bad` as `encodings.texts` fills it."""
        self.name, self.notes = name, []
        self._bad = bad
        self._lines = _Lines(texts, bad)
        self._head, self._tab_first = head, tab_first

    def rows(self) -> Iterator[tuple[int, Row | list[Problem] | None]]:
        """(characters, row or problems; None for a blank line) in order. A record's line is where it starts.

        Raises:
            SourceError: after it, rows cannot be told apart; what stands before it was given.
        """
        columns, delimiter = self._columns()
        # the limit on a row's text is ours and names the row; the module's own is a bare 128 KiB
        csv.field_size_limit(max(MAX_ROW_BYTES, csv.field_size_limit()))
        number = -1  # the header is record 0
        lines = self._lines
        reader = csv.reader(lines, delimiter=delimiter, strict=True)
        while True:
            lines.begin_record()
            key = f"row {number + 1}" if number >= 0 else ""
            try:
                record = next(reader, None)
            except csv.Error as error:
                number += 1
                yield lines.num_characters, [self._fault(str(error), number, key)]
                continue
            if record is None:
                return
            if not record or (len(record) == 1 and not record[0].strip()):
                yield lines.num_characters, None
                continue
            number += 1
            if lines.bad:
                words, fix = lines.bad[0], self._bad.fix if self._bad else ""
                if number == 0:
                    raise SourceError(words, fix, lines.first_line)
                problem = Problem(f"{self.name}:{lines.first_line}", f"row {number}", words, fix=fix)
                yield lines.num_characters, [problem]
                continue
            if number == 0:
                continue
            if len(record) != len(columns):
                what = f"has {plural(len(record), 'cell')}, the header has {len(columns)}"
                fix = "add or remove cells, or put a cell that holds the separator in double quotes"
                problem = Problem(f"{self.name}:{lines.first_line}", f"row {number}", what, fix=fix)
                yield lines.num_characters, [problem]
            else:
                yield lines.num_characters, Row(lines.first_line, number, dict(zip(columns, record)))

    def _columns(self) -> tuple[list[str], str]:
        told = _SEPARATOR_LINE.match(self._head)
        if told:
            self._head = self._head[told.end() :]
            next(self._lines)
            delimiter, header = told.group(1), _header(self._head, told.group(1))
        else:
            delimiter, header = _dialect(self._head, tab_first=self._tab_first)
        if header is None:
            line = self._head[: len(self._head) - len(self._head.lstrip())].count("\n") + 1 + bool(told)
            if "\x00" in self._head:
                line = self._head.count("\n", 0, self._head.index("\x00")) + 1 + bool(told)
                raise SourceError("holds a NUL character", _NUL_FIX, line)
            raise SourceError(_HEADER_OPEN, "close the quote", line)
        mark = _DELIMITERS.get(delimiter) or f'the mark "{delimiter}"'
        source = "its first line, sep=, which is no row" if told else "its header line"
        self.notes.append(f"{self.name}: cells are separated by {mark}, from {source}")
        columns = [column.strip() for column in header]
        twice = sorted({column for column in columns if column and columns.count(column) > 1})
        if twice:
            what = f"two columns have the same name: {names_shown(twice)}"
            raise SourceError(what, "name each column once in the header line", 1 + bool(told))
        return columns, delimiter

    def _fault(self, complaint: str, number: int, key: str) -> Problem:
        """The problem of a row whose end is known all the same.

        Raises:
            SourceError: its end is not known; a piece of a row must not pass for a row.
        """
        lines = self._lines
        what, fix = _plain(complaint)
        if "NUL" in complaint:
            raise SourceError("holds a NUL character", _NUL_FIX, lines.first_line)
        on_one_line = lines.num_lines == 1 and lines.last.count('"') % 2 == 0
        if number == 0 or not on_one_line:
            raise SourceError(what, fix, lines.first_line, key)
        return Problem(f"{self.name}:{lines.first_line}", key, what, fix=fix)


class _Lines:
    """The lines of a text, each with its end, as csv.reader takes them, and where the record at work started.

    Lines end at \\n only: a record may hold \\r or U+2028 inside quotes, and line numbers are those of an editor.
    """

    def __init__(self, texts: Iterable[str], bad: BadPlaces | None = None):
        self._lines = self._split(texts)
        self._bad_places = bad
        self.bad: list[str] = []  # of the record at work, in words
        self._next_line, self.first_line = 1, 1
        self.num_lines = self.num_characters = 0
        self.last = ""

    def begin_record(self) -> None:
        self.first_line, self.num_lines, self.num_characters = self._next_line, 0, 0
        self.bad = []

    def __iter__(self) -> _Lines:
        return self

    def __next__(self) -> str:
        line = next(self._lines)
        self._next_line += 1
        self.num_lines += 1
        self.num_characters += len(line)
        self.last = line
        if self._bad_places and not line.isascii():
            self.bad += self._bad_places.take(line)
        if "\x00" in line:
            raise SourceError("holds a NUL character", _NUL_FIX, self._next_line - 1)
        if self.num_characters > MAX_ROW_BYTES:
            what = f"a row is longer than {MAX_ROW_BYTES:,} characters, or a quote opened in it is never closed"
            raise SourceError(what, "close the quote, or cut the row", self.first_line)
        return line

    def _split(self, texts: Iterable[str]) -> Iterator[str]:
        rest = ""
        for text in texts:
            end = text.rfind("\n") + 1
            if not end:
                rest += text
                if len(rest) > MAX_ROW_BYTES:
                    break
                continue
            yield from io.StringIO(rest + text[:end], newline="\n")
            rest = text[end:]
        if rest:
            yield rest


def _dialect(head: str, *, tab_first: bool) -> tuple[str, list[str] | None]:
    """(delimiter, header cells): the mark that cuts the header line into most cells, in a tie the comma."""
    best: tuple[str, list[str] | None] = ("\t" if tab_first else ",", None)
    for delimiter in ("\t", ",", ";") if tab_first else (",", ";", "\t"):
        header = _header(head, delimiter)
        if header and (best[1] is None or len(header) > len(best[1])):
            best = (delimiter, header)
    return best


def _header(head: str, delimiter: str) -> list[str] | None:
    try:
        return next(filter(_has_text, _reader(head, delimiter)), None)
    except (csv.Error, SourceError, ValueError, TypeError):  # no mark that csv takes
        return None


def _has_text(record: list[str]) -> bool:
    return len(record) > 1 or bool(record and record[0].strip())


def _reader(text: str, delimiter: str) -> Any:
    return csv.reader(_Lines([text]), delimiter=delimiter, strict=True)


def _plain(complaint: str) -> tuple[str, str]:
    if "unexpected end" in complaint:
        return "a quote opened in this row is never closed", 'close it; a quote inside a cell is written ""'
    if "expected after" in complaint:
        return (
            "a closing quote is followed by text",
            'a quote inside a cell is written "" (or a quote is not closed)',
        )
    if "new-line character" in complaint:
        return (
            "a bare carriage return stands outside quotes",
            "save the table with usual line ends (LF or CRLF)",
        )
    return "is not a row of a table", "save the table again as CSV UTF-8"
