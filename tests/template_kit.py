"""Writes template.csv and template.xlsx of each domain's data template from its template.jsonl.

    python -m tests.template_kit

Run it after a change of a template.jsonl. The same rows give the same bytes: the times in the workbook are fixed.
"""

from __future__ import annotations

import csv
import io
import json
import re
import zipfile
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[1] / "data_templates"
COLUMNS = ("question", "answer", "topic")
_WIDTHS = (45, 95, 22)  # of the columns, in characters
_STAMP = (2026, 1, 1, 0, 0, 0)


def domain_folders() -> list[Path]:
    """The folders that hold one template in three forms: those whose template.jsonl has questions and topics."""
    found = []
    for path in sorted(ROOT.glob("*/template.jsonl")):
        with path.open(encoding="utf-8") as file:
            if set(json.loads(file.readline())) == set(COLUMNS):
                found.append(path.parent)
    return found


def json_rows(folder: Path) -> list[dict[str, Any]]:
    """The rows of template.jsonl; in a domain's folder it is the source of the other two files."""
    return [json.loads(line) for line in (folder / "template.jsonl").read_text(encoding="utf-8").splitlines()]


def csv_bytes(rows: list[dict[str, str]]) -> bytes:
    """The rows as UTF-8 CSV with a header line; quotes only where they are needed."""
    text = io.StringIO(newline="")
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(COLUMNS)
    writer.writerows([row[name] for name in COLUMNS] for row in rows)
    return text.getvalue().encode("utf-8")


def xlsx_bytes(rows: list[dict[str, str]]) -> bytes:
    """The rows as a workbook of one sheet: header frozen and bold, cells wrapped, so that it is pleasant to edit."""
    from openpyxl import Workbook
    from openpyxl.styles import Alignment, Font

    book = Workbook()
    sheet = book.active
    assert sheet is not None
    sheet.title = "template"
    sheet.append(COLUMNS)
    for row in rows:
        sheet.append([row[name] for name in COLUMNS])
    for cells in sheet.iter_rows():
        for cell in cells:
            cell.alignment = Alignment(wrap_text=True, vertical="top")
    for cell, letter, width in zip(sheet[1], "ABC", _WIDTHS):
        cell.font = Font(bold=True)
        sheet.column_dimensions[letter].width = width
    sheet.freeze_panes = "A2"
    made = io.BytesIO()
    book.save(made)
    return _without_times(made.getvalue())


def _without_times(workbook: bytes) -> bytes:
    """The workbook with fixed times, inside docProps/core.xml and in the zip's directory."""
    fixed = io.BytesIO()
    with zipfile.ZipFile(io.BytesIO(workbook)) as source, zipfile.ZipFile(fixed, "w") as target:
        for name in source.namelist():
            content = source.read(name)
            if name == "docProps/core.xml":
                content = re.sub(rb"\d{4}-\d\d-\d\dT[\d:.]+Z", b"2026-01-01T00:00:00Z", content)
            entry = zipfile.ZipInfo(name, _STAMP)
            entry.compress_type = zipfile.ZIP_DEFLATED
            entry.external_attr = 0o644 << 16
            target.writestr(entry, content)
    return fixed.getvalue()


def main() -> None:
    """Write both files of every domain folder."""
    for folder in domain_folders():
        rows = json_rows(folder)
        (folder / "template.csv").write_bytes(csv_bytes(rows))
        (folder / "template.xlsx").write_bytes(xlsx_bytes(rows))
        print(f"{folder.name}: {len(rows)} rows")


if __name__ == "__main__":
    main()
