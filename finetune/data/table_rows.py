"""CSV, TSV and parquet -> rows. Cells of a text table stay text: "NA" and "001" are words, not null and 1."""

from __future__ import annotations

import csv
import io
from typing import Any

from finetune.data.json_rows import Row
from finetune.data.shapes import name_shown, names_shown, plural
from finetune.errors import Problem

_DELIMITERS = {",": "commas", ";": "semicolons", "\t": "tabs"}
MAX_PARQUET_BYTES = 4 * 1024**3  # unpacked; a small file can claim any size


def read_csv(name: str, text: str, problems: list[Problem]) -> tuple[list[Row], list[str], int]:
    """A text table -> (rows, notes, number of blank lines). The first line names the columns.

    A record's line is the one it starts at, also when a quoted cell runs over several.
    """
    nul = text.find("\x00")
    if nul >= 0:
        where = f"{name}:{text.count(chr(10), 0, nul) + 1}"
        problems.append(Problem(where, "", "holds a NUL character", fix="save the table again as CSV UTF-8"))
        return [], [], 0
    delimiter, header = _dialect(text, tab_first=name.lower().endswith(".tsv"))
    if header is None:
        problems.append(Problem(f"{name}:1", "", "a quote in the header line is never closed", fix="close the quote"))
        return [], [], 0
    notes = [f"{name}: cells are separated by {_DELIMITERS[delimiter]}, from its header line"]
    columns = [column.strip() for column in header]
    twice = sorted({column for column in columns if column and columns.count(column) > 1})
    if twice:
        what = f"two columns have the same name: {names_shown(twice)}"
        problems.append(Problem(f"{name}:1", "", what, fix="name each column once in the header line"))
        return [], notes, 0
    rows, num_blank = _records(name, text, delimiter, columns, problems)
    return rows, notes, num_blank


def _reader(text: str, delimiter: str) -> Any:
    # newline="\n": a record may hold \r or U+2028 inside quotes, and line numbers are those of an editor
    return csv.reader(io.StringIO(text, newline="\n"), delimiter=delimiter, strict=True)


def _dialect(text: str, *, tab_first: bool) -> tuple[str, list[str] | None]:
    """(delimiter, header cells): the mark that cuts the header line into most cells, in a tie the comma."""
    best: tuple[str, list[str] | None] = ("\t" if tab_first else ",", None)
    for delimiter in ("\t", ",", ";") if tab_first else (",", ";", "\t"):
        try:
            header = next(filter(None, _reader(text, delimiter)), None)
        except csv.Error:
            continue
        if header and (best[1] is None or len(header) > len(best[1])):
            best = (delimiter, header)
    return best


def _records(
    name: str, text: str, delimiter: str, columns: list[str], problems: list[Problem]
) -> tuple[list[Row], int]:
    rows: list[Row] = []
    num_blank, number, line = 0, -1, 1  # the header is record 0
    # the limit on a row's text is ours and names the row; the module's own is a bare 128 KiB
    limit = csv.field_size_limit(max(len(text) + 1, 131072))
    reader = _reader(text, delimiter)
    try:
        for record in reader:
            start, line = line, reader.line_num + 1
            if not record or (len(record) == 1 and not record[0].strip()):
                num_blank += 1
                continue
            number += 1
            if number == 0:
                continue
            if len(record) != len(columns):
                what = f"has {plural(len(record), 'cell')}, the header has {len(columns)}"
                fix = "add or remove cells, or put a cell that holds the separator in double quotes"
                problems.append(Problem(f"{name}:{start}", f"row {number}", what, fix=fix))
                continue
            rows.append(Row(start, number, dict(zip(columns, record))))
    except csv.Error as error:
        what, fix = _plain(str(error))
        problems.append(Problem(f"{name}:{line}", f"row {number + 1}", what, fix=fix))
    finally:
        csv.field_size_limit(limit)
    return rows, num_blank


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


def read_parquet(name: str, data: bytes, problems: list[Problem]) -> list[Row]:
    """A parquet file -> rows; their `line` is the row's number, as there are no lines."""
    # lazily: the import takes longer than reading a CSV of 10,000 rows
    import pyarrow as pa
    import pyarrow.parquet as parquet

    def refuse(what: str, fix: str) -> list[Row]:
        problems.append(Problem(name, "", what, fix=fix))
        return []

    try:
        file = parquet.ParquetFile(pa.BufferReader(data))
        columns = file.schema_arrow.names
        twice = sorted({column for column in columns if columns.count(column) > 1})
        if twice:
            return refuse(f"two columns have the same name: {names_shown(twice)}", "name each column once")
        groups = [file.metadata.row_group(index) for index in range(file.metadata.num_row_groups)]
        num_bytes = sum(group.total_byte_size for group in groups)
        if num_bytes > MAX_PARQUET_BYTES:
            what = f"unpacks to {num_bytes:,} bytes, the limit is {MAX_PARQUET_BYTES:,}"
            return refuse(what, "cut it into several files")
        rows: list[Row] = []
        for batch in file.iter_batches(batch_size=1024):
            for value in batch.to_pylist():
                number = len(rows) + 1
                rows.append(Row(number, number, value))
        return rows
    # anything a broken file can raise inside the library: Arrow's own errors, bad text, absurd sizes
    except (pa.ArrowException, OSError, ValueError, TypeError, KeyError, OverflowError, MemoryError) as error:
        return refuse(f"is a damaged parquet file ({name_shown(type(error).__name__)})", "save or download it again")
