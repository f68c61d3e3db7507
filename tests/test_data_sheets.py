"""Excel workbooks: cells become the text of the saved file, and a hostile workbook is refused at once."""

from __future__ import annotations

import datetime
import io
import re
import time
import zipfile
from pathlib import Path
from typing import Any

import openpyxl
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from openpyxl.utils.exceptions import IllegalCharacterError
from reading_kit import find, read, read_source

from finetune.data.reading import cell_text


def save(path: Path, rows: list[list[Any]], title: str = "Rows", **more: list[list[Any]]) -> Any:
    """A workbook with one sheet of these rows, and more sheets by name."""
    book = openpyxl.Workbook()
    sheet: Any = book.active
    sheet.title = title
    for row in rows:
        sheet.append(row)
    for name, others in more.items():
        other = book.create_sheet(name)
        for row in others:
            other.append(row)
    book.save(path)
    return book


def edited(path: Path, part: str, edit: Any) -> None:
    """Change the XML of one part of a workbook."""
    with zipfile.ZipFile(path) as parts:
        held = {info.filename: parts.read(info) for info in parts.infolist()}
    held[part] = edit(held[part])
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as parts:
        for name, data in held.items():
            parts.writestr(name, data)


SHEET = "xl/worksheets/sheet1.xml"


def test_cells_are_text(tmp_path):
    values = [
        ("001", "001"),
        ("NA", "NA"),
        (1, "1"),
        (2.0, "2"),
        (0.1, "0.1"),
        (1e-7, "0.0000001"),
        (1e20, "100000000000000000000"),
        (-3.25, "-3.25"),
        (True, "TRUE"),
        (datetime.date(2024, 1, 5), "2024-01-05"),
        (datetime.datetime(2024, 1, 5, 10, 30), "2024-01-05T10:30:00"),
        (datetime.time(7, 15), "07:15:00"),
        (None, ""),
        (" two  lines\nkept ", " two  lines\nkept "),
        ("高血压", "高血压"),
    ]
    save(tmp_path / "rows.xlsx", [["question", "answer"], *(["q", value] for value, _ in values)])
    done = read(tmp_path, "rows.xlsx")
    assert [row["answer"] for row in done.values] == [text for _, text in values]
    assert [row.line for row in done.rows] == list(range(2, len(values) + 2))
    assert (done.reader.kind, done.reader.encoding) == ("xlsx", "xlsx")
    shown = "rows.xlsx: 3 cells with a date or time, written as in ISO 8601 (2024-03-01)"
    assert done.notes == ["rows.xlsx: sheet Rows", shown]


def test_the_first_sheet_with_rows_and_others_by_name(tmp_path):
    book = save(tmp_path / "rows.xlsx", [], "Empty", Notes=[["question"], ["first"]], Second=[["question"], ["second"]])
    done = read(tmp_path, "rows.xlsx")
    assert done.values == [{"question": "first"}]
    assert done.notes == ["rows.xlsx: sheet Notes, the first with rows; not read: Empty, Second"]
    done = read(tmp_path, "rows.xlsx#Second")
    assert done.values == [{"question": "second"}]
    assert (done.reader.name, done.notes) == ("rows.xlsx#Second", ["rows.xlsx#Second: sheet Second"])
    assert read(tmp_path, "rows.xlsx#Third").messages == [
        "rows.xlsx#Third: has no sheet of that name; its sheets are Empty, Notes, Second. "
        "Fix: name one of them behind #, or none for the first with rows"
    ]
    book["Notes"].sheet_state = "hidden"
    book.save(tmp_path / "rows.xlsx")
    assert read(tmp_path, "rows.xlsx").values == [{"question": "second"}]
    assert "there is no such workbook" in str(find(tmp_path, "other.xlsx#Second")[1][0])


def test_blank_rows_merged_cells_and_columns_without_a_name(tmp_path):
    rows = [[], ["question", "answer", None], ["q1", "a1"], [], [None, "  "], ["q2", "a2"], ["q3", None]]
    book = save(tmp_path / "rows.xlsx", rows)
    book.active.merge_cells("A6:A7")
    book.save(tmp_path / "rows.xlsx")
    done = read(tmp_path, "rows.xlsx")
    assert [(row.line, row.number) for row in done.rows] == [(3, 1), (6, 2)]
    assert done.values == [{"question": "q1", "answer": "a1"}, {"question": "q2", "answer": "a2"}]
    assert done.notes == ["rows.xlsx: sheet Rows", "rows.xlsx: accepted 2 empty rows"]


def test_long_rows_errors_and_headers(tmp_path):
    save(tmp_path / "rows.xlsx", [["question", "answer"], ["q", "a", "x"], ["q", "#N/A"], ["q", "#REF!"], ["q", "a"]])
    done = read(tmp_path, "rows.xlsx")
    what = "holds an error of the spreadsheet, such as #N/A. Fix: mend the formula, or write the text"
    assert done.row_messages == [
        "rows.xlsx:2: row 1: has 3 cells, the header has 2. Fix: name the column in the header row, or empty the cell",
        f"rows.xlsx:3: row 2, column answer: {what}",
        f"rows.xlsx:4: row 3, column answer: {what}",
    ]
    assert len(done.rows) == 1
    save(tmp_path / "rows.xlsx", [["question", "answer", " answer"], ["q", "a", "x"]])
    assert read(tmp_path, "rows.xlsx").messages == [
        "rows.xlsx:1: two columns have the same name: answer. Fix: name each column once in the header row"
    ]
    save(tmp_path / "rows.xlsx", [["question", "answer"]])
    assert read(tmp_path, "rows.xlsx").messages == ["rows.xlsx: has no rows: only a header line. Fix: add rows to it"]
    save(tmp_path / "rows.xlsx", [])
    assert "has no rows: all its sheets are empty or hidden" in read(tmp_path, "rows.xlsx").messages[0]


def test_formulas_give_their_saved_value_and_hidden_rows_are_said(tmp_path):
    book = save(tmp_path / "rows.xlsx", [["question", "answer"], ["q1", '="a"&"b"'], ["q2", "=1+1"], ["q3", "a"]])
    book.active.row_dimensions[4].hidden = True
    book.save(tmp_path / "rows.xlsx")
    edited(tmp_path / "rows.xlsx", SHEET, lambda xml: re.sub(rb"<f>1\+1</f><v( ?/|></v)>", b"<f>1+1</f><v>2</v>", xml))
    done = read(tmp_path, "rows.xlsx")
    assert [row["answer"] for row in done.values] == ["", "2", "a"]
    assert done.notes == [
        "rows.xlsx: sheet Rows",
        "rows.xlsx: 1 hidden row is read like the others",
        "rows.xlsx: 1 cell with a formula that was never calculated, read as empty; "
        "open the workbook in its program and save it to fill them",
    ]


def test_a_wrong_size_in_the_file_loses_no_rows(tmp_path):
    save(tmp_path / "rows.xlsx", [["question"], *([f"q{number}"] for number in range(50))])
    edited(tmp_path / "rows.xlsx", SHEET, lambda xml: re.sub(rb'<dimension ref="[^"]*"', b'<dimension ref="A1"', xml))
    assert len(read(tmp_path, "rows.xlsx").rows) == 50


HOSTILE = {
    "row": lambda xml: xml.replace(b'<row r="2"', b'<row r="99999999"'),
    "column": lambda xml: xml.replace(b'r="A2"', b'r="ZZZZZZ2"'),
    "wide": lambda xml: xml.replace(b'r="B2"', b'r="XFD2"'),
    "laughs": lambda xml: b'<!DOCTYPE lolz [<!ENTITY lol "lol">]>' + xml,
    "wide text": lambda xml: xml.decode().replace("UTF-8", "UTF-16").encode("utf-16"),
    "corner": lambda xml: xml.replace(
        b"</sheetData>", b'<row r="1048576"><c r="XFD1048576"><v>1</v></c></row></sheetData>'
    ),
    "cut": lambda xml: xml[: len(xml) // 2],
}


@pytest.mark.parametrize("attack", HOSTILE)
def test_hostile_sheets_are_refused_in_little_time(tmp_path, attack):
    save(tmp_path / "rows.xlsx", [["question", "answer"], ["q1", "a1"], ["q2", "a2"]])
    edited(tmp_path / "rows.xlsx", SHEET, HOSTILE[attack])
    before = time.process_time()
    done = read(tmp_path, "rows.xlsx")
    assert time.process_time() - before < 20
    assert done.messages and done.messages[0].startswith("rows.xlsx")


def test_a_zip_bomb_is_refused_before_it_is_unpacked(tmp_path):
    save(tmp_path / "rows.xlsx", [["question"], ["q"]])
    edited(tmp_path / "rows.xlsx", SHEET, lambda xml: xml + b" " * (600 * 1024**2))
    before = time.process_time()
    (message,) = read(tmp_path, "rows.xlsx").messages
    assert time.process_time() - before < 5
    assert re.fullmatch(
        r"rows\.xlsx: unpacks to 629,[\d,]+ bytes, the limit is 536,870,912\. "
        r"Fix: save the sheet as CSV UTF-8, or cut it into several workbooks",
        message,
    )


def test_a_zip_that_lies_about_its_size(tmp_path):
    save(tmp_path / "rows.xlsx", [["question"], ["q"]])
    edited(tmp_path / "rows.xlsx", SHEET, lambda xml: xml + b" " * (50 * 1024**2))
    data = (tmp_path / "rows.xlsx").read_bytes()
    with zipfile.ZipFile(io.BytesIO(data)) as parts:
        size = parts.getinfo(SHEET).file_size
    lie = data.replace(size.to_bytes(4, "little"), (1000).to_bytes(4, "little"))
    (tmp_path / "rows.xlsx").write_bytes(lie)
    assert read(tmp_path, "rows.xlsx").messages == [
        "rows.xlsx: is a damaged workbook (BadZipFile). Fix: save it again as .xlsx, or save the sheet as CSV UTF-8"
    ]


def test_a_large_sheet_is_read_row_by_row(tmp_path):
    import tracemalloc

    book = openpyxl.Workbook(write_only=True)
    sheet = book.create_sheet()
    sheet.append(["question", "answer"])
    for number in range(6000):
        sheet.append([f"question {number}", "a" * 300])
    book.save(tmp_path / "rows.xlsx")
    (source,), _ = find(tmp_path, "rows.xlsx")
    read_source(source)
    tracemalloc.start()
    try:
        from finetune.data.reading.file_reader import FileReader

        num_rows = sum(len(chunk.rows or []) for chunk in FileReader(source).chunks())
        peak_bytes = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert num_rows == 6000
    assert peak_bytes < 12 * 1024**2


_CELL = st.text(st.characters(exclude_categories=["Cs", "Cc"]) | st.sampled_from("\n\t"), max_size=12)


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(rows=st.lists(st.tuples(_CELL, _CELL).filter(lambda row: any(map(str.strip, row))), min_size=1, max_size=4))
def test_any_text_comes_back(tmp_path, rows):
    book = openpyxl.Workbook()
    sheet: Any = book.active
    sheet.append(["question", "answer"])
    for row_number, row in enumerate(rows, 2):
        for column, text in enumerate(row, 1):
            try:
                cell = sheet.cell(row_number, column)
                cell.value = text
                cell.data_type = "s" if text else "n"  # "=1" is text here, and "#N/A" too
            except IllegalCharacterError:
                return
    book.save(tmp_path / "rows.xlsx")
    done = read(tmp_path, "rows.xlsx")
    assert (done.messages, done.row_messages) == ([], [])
    assert done.values == [dict(zip(("question", "answer"), row)) for row in rows]


def test_as_text():
    assert cell_text.as_text(12345678901234567890.0) == "12345678901234567000"
    assert cell_text.as_text(datetime.timedelta(hours=30)) == "1 day, 6:00:00"
