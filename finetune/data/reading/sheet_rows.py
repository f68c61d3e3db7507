"""Excel workbooks (.xlsx) -> rows. Cells become the text a reader of the saved file sees, and never a guess.

Read by openpyxl in its streaming mode: python-calamine is eight times as fast, but lays a sheet out as one block of
memory, which two cells in opposite corners of a small file can make larger than any machine.
"""

from __future__ import annotations

import re
import warnings
import zipfile
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from typing import IO, Any

from finetune.data.reading.cell_text import as_shown, as_text
from finetune.data.reading.json_rows import Row
from finetune.data.reading.streams import SourceError
from finetune.data.shapes import name_shown, names_shown, plural
from finetune.errors import Problem

MAX_UNPACKED_BYTES = 512 * 1024**2
MAX_PARTS = 10_000
MAX_SHEET_ROWS = 1_048_576  # Excel's own
MAX_COLUMNS = 1000
_AGAIN = "save it again as .xlsx, or save the sheet as CSV UTF-8"
_ROW_TAG = re.compile(rb"<(?:\w+:)?row\b([^>]*)>")
_ROW_NUMBER = re.compile(rb'\br="(\d+)"')
_HIDDEN = re.compile(rb'\bhidden="(?:1|true)"')
# a formula, and behind it no value: no program has calculated it yet
_NOT_CALCULATED = re.compile(rb"(?:</(?:\w+:)?f>|<(?:\w+:)?f\b[^>]*/>)\s*(?:<v>\s*</v>|<v\s*/>)?\s*</(?:\w+:)?c>")


@dataclass
class _SheetFacts:
    """What only the XML of a sheet tells."""

    num_hidden: int = 0
    num_not_calculated: int = 0


class Workbook:
    """One sheet of a workbook. `notes` says which, and what was read as what."""

    def __init__(self, name: str, file: IO[bytes], sheet: str | None):
        self.name, self.notes = name, []
        self._file, self._sheet = file, sheet
        self._shown: Counter[str] = Counter()  # how cells became text -> cells

    def rows(self) -> Iterator[tuple[int, Row | list[Problem] | None]]:
        """(characters, row or problems; None for an empty row) in order; a row's line is its number in the sheet.

        Raises:
            SourceError: it is no whole workbook, or holds no such sheet.
        """
        facts = _look_inside(self._file)
        self._file.seek(0)
        import openpyxl

        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of styles and extensions that are not read
            try:
                book = openpyxl.load_workbook(self._file, read_only=True, data_only=True, keep_links=False)
                yield from self._sheet_rows(book, facts)
            except SourceError:
                raise
            # whatever a broken file can raise inside the library
            except Exception as error:
                raise SourceError(f"is a damaged workbook ({name_shown(type(error).__name__)})", _AGAIN) from error

    def _sheet_rows(self, book: Any, facts: dict[str, _SheetFacts]) -> Iterator[tuple[int, Row | list[Problem] | None]]:
        sheets = book.worksheets
        titles = [sheet.title for sheet in sheets]
        if self._sheet is not None:
            if self._sheet not in titles:
                what = f"has no sheet of that name; its sheets are {names_shown(titles)}"
                raise SourceError(what, "name one of them behind #, or none for the first with rows")
            sheets = [sheets[titles.index(self._sheet)]]
        else:
            sheets = [sheet for sheet in sheets if sheet.sheet_state == "visible"]
        for sheet in sheets:
            sheet.reset_dimensions()  # what a file says of its size may be wrong, and rows would be left out
            records = _records(sheet)
            number_and_header = next(records, None)
            if number_and_header is None:
                continue
            others = [title for title in titles if title != sheet.title]
            self._say(sheet, others, facts)
            yield from self._rows_below(*number_and_header, records)
            return
        raise SourceError("has no rows: all its sheets are empty or hidden", "add rows to it, or name a hidden sheet")

    def _say(self, sheet: Any, others: list[str], facts: dict[str, _SheetFacts]) -> None:
        note = f"{self.name}: sheet {name_shown(sheet.title)}"
        if self._sheet is None and others:
            note += f", the first with rows; not read: {names_shown(others)}"
        self.notes.append(note)
        seen = facts.get(getattr(sheet, "_worksheet_path", ""), _SheetFacts())
        if seen.num_hidden:
            verb = "is" if seen.num_hidden == 1 else "are"
            self.notes.append(f"{self.name}: {plural(seen.num_hidden, 'hidden row')} {verb} read like the others")
        if seen.num_not_calculated:
            what = f"{plural(seen.num_not_calculated, 'cell')} with a formula that was never calculated, read as empty"
            self.notes.append(f"{self.name}: {what}; open the workbook in its program and save it to fill them")

    def _rows_below(
        self, header_line: int, header: list[Any], records: Iterator[tuple[int, list[Any]]]
    ) -> Iterator[tuple[int, Row | list[Problem] | None]]:
        columns = [as_text(cell.value).strip() for cell in header]
        while columns and not columns[-1]:
            columns.pop()
        twice = sorted({column for column in columns if column and columns.count(column) > 1})
        if twice:
            what = f"two columns have the same name: {names_shown(twice)}"
            raise SourceError(what, "name each column once in the header row", header_line)
        number, last = 0, header_line
        for line, cells in records:
            for _ in range(line - last - 1):
                yield 1, None
            number, last = number + 1, line
            yield self._row(line, number, columns, cells)
        self._say_shown()

    def _say_shown(self) -> None:
        for how, what in (
            ("formatted", "written as their number format shows them"),
            ("date", "with a date or time, written as in ISO 8601 (2024-03-01)"),
            ("unknown", "whose number format is not applied; the plain value is taken, perhaps not what one sees"),
        ):
            if self._shown[how]:
                self.notes.append(f"{self.name}: {plural(self._shown[how], 'cell')} {what}")

    def _text(self, cell: Any) -> str:
        value = cell.value
        if value is None or isinstance(value, (str, bool)):
            return as_text(value)
        text, how = as_shown(value, cell.number_format)
        self._shown[how] += 1
        return text

    def _row(self, line: int, number: int, columns: list[str], cells: list[Any]) -> tuple[int, Row | list[Problem]]:
        texts = [self._text(cell) for cell in cells]
        size = sum(map(len, texts)) + len(texts)
        wrong = [column for column, cell in zip(columns, cells) if cell.data_type == "e"]
        if any(texts[len(columns) :]):
            num_cells = max(index for index, text in enumerate(texts, 1) if text)
            what = f"has {plural(num_cells, 'cell')}, the header has {len(columns)}"
            fix = "name the column in the header row, or empty the cell"
            return size, [Problem(f"{self.name}:{line}", f"row {number}", what, fix=fix)]
        if wrong:
            fix = "mend the formula, or write the text"
            key = f"row {number}, column {name_shown(wrong[0])}"
            return size, [
                Problem(f"{self.name}:{line}", key, "holds an error of the spreadsheet, such as #N/A", fix=fix)
            ]
        texts += [""] * (len(columns) - len(texts))
        value = {column: text for column, text in zip(columns, texts) if column or text}
        return size, Row(line, number, value)


def _records(sheet: Any) -> Iterator[tuple[int, list[Any]]]:
    """(row number in the sheet, cells) of the rows that hold anything."""
    for line, cells in enumerate(sheet.iter_rows(), 1):
        if len(cells) > MAX_COLUMNS and any(cell.value is not None for cell in cells[MAX_COLUMNS:]):
            raise SourceError(f"has more than {MAX_COLUMNS:,} columns", "keep the columns that are needed", line)
        kept = list(cells[:MAX_COLUMNS])
        while kept and (kept[-1].value is None or (isinstance(kept[-1].value, str) and not kept[-1].value.strip())):
            kept.pop()
        if kept:
            yield line, kept


def _look_inside(file: IO[bytes]) -> dict[str, _SheetFacts]:
    """Unpack every part once, within limits, before a library does; and see what it will not tell.

    Raises:
        SourceError: it is no workbook, unpacks to too much, or holds definitions that can blow it up.
    """
    facts: dict[str, _SheetFacts] = {}
    try:
        with zipfile.ZipFile(file) as parts:
            infos = parts.infolist()
            names = {info.filename for info in infos}
            if "[Content_Types].xml" not in names or not any(name.startswith("xl/") for name in names):
                raise SourceError("is a zip archive, not an Excel workbook", "unzip it and name the file inside")
            num_bytes = sum(info.file_size for info in infos)
            if len(infos) > MAX_PARTS or num_bytes > MAX_UNPACKED_BYTES:
                what = f"unpacks to {num_bytes:,} bytes, the limit is {MAX_UNPACKED_BYTES:,}"
                raise SourceError(what, "save the sheet as CSV UTF-8, or cut it into several workbooks")
            for info in infos:
                if info.filename.endswith((".xml", ".rels")):
                    facts["/" + info.filename] = facts[info.filename] = _look_at(parts, info)
    except SourceError:
        raise
    except Exception as error:  # a broken archive raises half a dozen kinds
        raise SourceError(f"is a damaged workbook ({name_shown(type(error).__name__)})", _AGAIN) from error
    return facts


def _look_at(parts: zipfile.ZipFile, info: zipfile.ZipInfo) -> _SheetFacts:
    facts = _SheetFacts()
    is_sheet = "/worksheets/" in info.filename
    with parts.open(info) as part:
        block = part.read(1024**2)
        start = block[:4096].removeprefix(b"\xef\xbb\xbf").lstrip()
        # no writer of workbooks makes these; in them lies every way to blow up an XML reader
        if b"<!DOCTYPE" in start or b"<!ENTITY" in start or (start and not start.startswith(b"<")):
            raise SourceError("holds XML with definitions of its own, which no spreadsheet program writes", _AGAIN)
        rest = b""
        while block:
            following = part.read(1024**2)
            if is_sheet:
                block = rest + block
                # up to the last cell or row that is whole: nothing is seen twice, or half
                end = max(block.rfind(b"</c>") + 4, block.rfind(b"<row"))
                if not following or len(block) > 16 * 1024**2:
                    end = len(block)
                _count(block[:end], facts)
                rest = block[end:]
            block = following
    return facts


def _count(xml: bytes, facts: _SheetFacts) -> None:
    facts.num_not_calculated += len(_NOT_CALCULATED.findall(xml)) if b"<f" in xml or b":f" in xml else 0
    for match in _ROW_TAG.finditer(xml):
        words = match.group(1)
        facts.num_hidden += bool(_HIDDEN.search(words))
        number = _ROW_NUMBER.search(words)
        if number and (len(number.group(1)) > 7 or int(number.group(1)) > MAX_SHEET_ROWS):
            raise SourceError(f"has a row beyond number {MAX_SHEET_ROWS:,}, the last one of a sheet", _AGAIN)
