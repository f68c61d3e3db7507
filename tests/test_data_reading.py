"""Sources and readers: every kind of file, what is recognised by content, and the same rows whatever the wrapping."""

from __future__ import annotations

import csv
import gzip
import io
import json
import os
import threading
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as parquet
import pytest
import zstandard
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from reading_kit import find, read, read_source

from finetune.data.reading import json_documents, json_rows, parquet_rows
from finetune.data.reading.kinds import kind_of

ROWS = [{"question": f"question {number}?", "answer": f"answer {number}.\nEnd."} for number in range(5)]


@dataclass(frozen=True)
class Weighted:
    path: str
    weight: float


def as_lines(rows: list[Any]) -> bytes:
    return "".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows).encode()


def as_csv(rows: list[dict[str, str]], delimiter: str = ",") -> bytes:
    text = io.StringIO(newline="")
    writer = csv.writer(text, delimiter=delimiter, lineterminator="\n")
    writer.writerow(list(rows[0]))
    writer.writerows(list(row.values()) for row in rows)
    return text.getvalue().encode()


def as_parquet(rows: list[dict[str, Any]]) -> bytes:
    sink = io.BytesIO()
    parquet.write_table(pa.Table.from_pylist(rows), sink)
    return sink.getvalue()


def as_xlsx(rows: list[dict[str, str]]) -> bytes:
    import openpyxl

    book = openpyxl.Workbook()
    sheet: Any = book.active
    sheet.append(list(rows[0]))
    for row in rows:
        sheet.append(list(row.values()))
    sink = io.BytesIO()
    book.save(sink)
    return sink.getvalue()


FORMS = {
    "rows.jsonl": as_lines(ROWS),
    "rows.ndjson": as_lines(ROWS),
    "rows.json": json.dumps(ROWS, indent=1).encode(),
    "rows.csv": as_csv(ROWS),
    "rows.tsv": as_csv(ROWS, "\t"),
    "rows.parquet": as_parquet(ROWS),
    "rows.xlsx": as_xlsx(ROWS),
}


@pytest.mark.parametrize("packing", ["", ".gz", ".zst"])
@pytest.mark.parametrize("name", FORMS)
def test_every_kind_packed_or_not_gives_the_same_rows(tmp_path, name, packing):
    import hashlib

    data = {"": bytes, ".gz": gzip.compress, ".zst": zstandard.compress}[packing](FORMS[name])
    (tmp_path / (name + packing)).write_bytes(data)
    done = read(tmp_path, name + packing)
    assert (done.messages, done.row_messages, done.values) == ([], [], ROWS)
    assert [row.number for row in done.rows] == [1, 2, 3, 4, 5]
    assert done.reader.kind == kind_of(name)
    assert done.reader.sha256 == hashlib.sha256(data).hexdigest()
    assert done.reader.num_bytes == done.reader.total_bytes == len(data)


def test_packing_is_known_by_content(tmp_path):
    (tmp_path / "rows.jsonl").write_bytes(gzip.compress(FORMS["rows.jsonl"]))
    (tmp_path / "rows.csv.zst").write_bytes(FORMS["rows.csv"])
    done = read(tmp_path, "rows.jsonl")
    assert (done.values, done.notes) == (ROWS, ["rows.jsonl: gzip-compressed, though its name does not say so"])
    done = read(tmp_path, "rows.csv.zst")
    assert done.values == ROWS
    assert "rows.csv.zst: not compressed, though its name says so" in done.notes


@pytest.mark.parametrize("packing", [".gz", ".zst"])
def test_packed_parts_one_after_another_and_cut_off(tmp_path, packing):
    pack = {".gz": gzip.compress, ".zst": zstandard.compress}[packing]
    data = pack(as_lines(ROWS[:2])) + pack(as_lines(ROWS[2:]))
    (tmp_path / f"rows.jsonl{packing}").write_bytes(data)
    assert read(tmp_path, f"rows.jsonl{packing}").values == ROWS
    (tmp_path / f"rows.jsonl{packing}").write_bytes(data[:-5])
    name = {".gz": "gzip", ".zst": "zstd"}[packing]
    assert read(tmp_path, f"rows.jsonl{packing}").messages == [
        f"rows.jsonl{packing}: is {name}-compressed and ends too early (the file may be cut off). "
        "Fix: pack or download it again"
    ]


def test_json_lines_in_a_file_named_json(tmp_path):
    (tmp_path / "rows.json").write_bytes(as_lines(ROWS))
    done = read(tmp_path, "rows.json")
    assert (done.values, done.reader.kind) == (ROWS, "jsonl")
    assert done.notes == ["rows.json: JSON Lines (one value a line), though its name says otherwise"]
    (tmp_path / "rows.json").write_bytes(b"{bad}\n" + as_lines(ROWS))
    done = read(tmp_path, "rows.json")
    assert (len(done.values), [problem.where for problem in done.row_problems]) == (5, ["rows.json:1"])


@pytest.mark.parametrize("indent", [None, 1])
def test_a_json_document_in_a_file_named_jsonl(tmp_path, indent):
    (tmp_path / "rows.jsonl").write_text(json.dumps(ROWS, indent=indent))
    done = read(tmp_path, "rows.jsonl")
    assert (done.values, done.reader.kind) == (ROWS, "json")
    assert done.notes == ["rows.jsonl: one JSON document, though its name says otherwise"]


def test_rows_that_are_lists(tmp_path):
    conversations = [[{"role": "user", "content": "q"}, {"role": "assistant", "content": f"a{n}"}] for n in range(3)]
    (tmp_path / "rows.jsonl").write_bytes(as_lines(conversations))
    assert read(tmp_path, "rows.jsonl").values == conversations
    (tmp_path / "one.jsonl").write_bytes(as_lines(conversations[:1]))
    assert read(tmp_path, "one.jsonl").values == conversations[:1]
    (tmp_path / "rows.json").write_text(json.dumps(conversations, indent=2))
    assert read(tmp_path, "rows.json").values == conversations
    (tmp_path / "lines.json").write_bytes(as_lines(conversations))
    assert read(tmp_path, "lines.json").values == conversations


def test_objects_keyed_by_id(tmp_path):
    (tmp_path / "rows.json").write_text(
        json.dumps({str(10 + number): row for number, row in enumerate(ROWS)}, indent=1)
    )
    done = read(tmp_path, "rows.json")
    assert done.values == ROWS
    assert [row.line for row in done.rows] == [2, 6, 10, 14, 18]
    assert (
        done.notes
        == [
            "rows.json: an object keyed by id; the rows are its values",
            "rows.json: accepted no line end after the last row",
        ][:1]
    )
    (tmp_path / "twice.json").write_text('{"1": {"q": "a"}, "2": {"q": "b"}, "1": {"q": "c"}}')
    assert read(tmp_path, "twice.json").row_messages == [
        "twice.json:1: row 3, the row's key: stands twice in one object. Fix: keep one of them"
    ]


def test_objects_one_after_another(tmp_path):
    (tmp_path / "rows.json").write_text("\n".join(json.dumps(row, indent=2) for row in ROWS))
    done = read(tmp_path, "rows.json")
    assert done.values == ROWS
    assert [row.line for row in done.rows] == [1, 5, 9, 13, 17]
    assert done.notes == ["rows.json: objects one after another, each a row"]
    (tmp_path / "one.json").write_text(json.dumps(ROWS[0], indent=2))
    assert read(tmp_path, "one.json").values == ROWS[:1]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("[{}, {}] x", "rows.json:1: goes on after the end of the list. Fix: remove what follows"),
        ('[{"a": 1},]', "rows.json:1: row 2: a value is missing or not JSON (column 11). Fix: correct the file here"),
        ('[\n{"a": 1}\n{"a": 2}]', "rows.json:3: row 1: a comma or a closing bracket is missing (column 1). "),
        ('[\n{"a": 1},\n{"a": ', "rows.json:3: row 2: ends too early (the file may be cut off). Fix: correct the file"),
        ('[\n{"a": 1},\n{"a": "b', "rows.json:3: row 2: ends inside a string (the file may be cut off). Fix: correct"),
        ('[\n{"a": 1}, {"a" 2}]', "rows.json:2: row 2: a colon is missing after a key (column 16). Fix: correct"),
        ('"text"', 'rows.json:1: is not JSON: no list of rows starts here. Fix: start it with "["'),
        ('{"data": [{}], "data": [{}]}', "rows.json:1: row 1, key data: stands twice in one object. Fix: keep one"),
        ('{"x": \n1}\n\n,', "rows.json:4: goes on after its end. Fix: remove what follows"),
        ('{"x": [1,\n2]', "rows.json:2: ends too early (the file may be cut off). Fix: correct the file here"),
    ],
)
def test_broken_documents_are_told_with_their_place(tmp_path, text, message):
    (tmp_path / "rows.json").write_text(text)
    assert read(tmp_path, "rows.json").messages[0].startswith(message)


def test_documents_of_any_length_are_read_piece_by_piece(tmp_path, monkeypatch):
    """The same rows and lines as in one piece, with pieces of every size."""
    rows = [{"id": number, "text": "ü" * (number % 7), "n": [number, -1.5, None, True]} for number in range(40)]
    texts = {
        "array": json.dumps(rows, indent=1),
        "line": json.dumps(rows),
        "data": json.dumps({"version": 1, "data": rows, "more": {"data": 2}}, indent=1),
        "keyed": json.dumps({str(row["id"]): row for row in rows}, indent=1),
        "spread": "\n".join(json.dumps(row, indent=1) for row in rows),
        "numbers": "[1, 22, 333, 4444, 55555]",
    }
    for text in texts.values():
        whole = [found for _, found in json_documents.Document("x", [text]).rows()]
        assert len(whole) == (5 if text == texts["numbers"] else 40)
        for size in (1, 2, 3, 7, 64, 1000):
            pieces = [text[start : start + size] for start in range(0, len(text), size)]
            assert [found for _, found in json_documents.Document("x", pieces).rows()] == whole
    window = json_documents._Window(iter(["[" + "x" * 100 + "\n"] * 1000))
    while window.more():
        window.at = len(window.text)
        assert len(window.text) < 1000


def test_lines_of_text_pieces(tmp_path):
    text = 'question,answer\n"a\n\nb",c\r\nd,"e ""f"""\n\ng,h'
    from finetune.data.reading.text_tables import TextTable

    whole = [found for _, found in TextTable("x", [text], text, False).rows()]
    assert [row.line for row in whole if isinstance(row, json_rows.Row)] == [2, 5, 7]
    for size in (1, 2, 3, 5, 8):
        pieces = [text[start : start + size] for start in range(0, len(text), size)]
        assert [found for _, found in TextTable("x", pieces, text, False).rows()] == whole


def test_text_pairs(tmp_path):
    layouts = {
        "one": ("{}.question.txt", "{}.answer.txt"),
        "two": ("{}.prompt.txt", "{}.completion.txt"),
        "three": ("questions/{}.txt", "answers/{}.txt"),
    }
    for folder, (question, answer) in layouts.items():
        for name in ("b", "a"):
            for half, text in ((question, f"Question {name}?\r\n"), (answer, f"\ufeffAnswer {name}\n\nEnd\n")):
                path = tmp_path / folder / half.format(name)
                path.parent.mkdir(parents=True, exist_ok=True)
                path.write_bytes(text.encode())
        done = read(tmp_path, folder)
        assert done.values == [{"question": f"Question {n}?", "answer": f"Answer {n}\n\nEnd"} for n in ("a", "b")]
        assert [row.place for row in done.rows] == [f"{folder}/{question.format(n)}" for n in ("a", "b")]
        assert done.notes == [f"{folder}: text pairs, {question.format('NAME')} + {answer.format('NAME')}"]
        assert done.reader.kind == "pairs"
        before = done.reader.sha256
        (tmp_path / folder / answer.format("a")).rename(tmp_path / folder / answer.format("c"))
        done = read(tmp_path, folder)
        assert done.row_messages == [
            f"{folder}/{answer.format('a')}: row 1: is missing: the answer to {Path(question).name.format('a')}. "
            "Fix: add it, or remove the other half",
            f"{folder}/{question.format('c')}: row 3: is missing: the question to {Path(answer).name.format('c')}. "
            "Fix: add it, or remove the other half",
        ]
        assert len(done.rows) == 1
        assert done.reader.sha256 != before


def test_text_pairs_named_in_two_ways(tmp_path):
    for name in ("a.question.txt", "a.answer.txt", "b.prompt.txt", "b.completion.txt"):
        (tmp_path / name).write_text("x")
    _, problems = find(tmp_path, ".")
    assert str(problems[0]) == (
        "recipe.yaml:5: data.train: holds text pairs named in two ways: NAME.question.txt + NAME.answer.txt; "
        "NAME.prompt.txt + NAME.completion.txt (got '.'). Fix: keep one way, or put them into folders of their own"
    )


def test_a_folder_of_data_files(tmp_path):
    folder = tmp_path / "rows"
    folder.mkdir()
    for name in ("b.jsonl", "a.csv.gz", "README.md", ".hidden.jsonl"):
        (folder / name).write_bytes(gzip.compress(FORMS["rows.csv"]) if name.endswith("gz") else FORMS["rows.jsonl"])
    found, problems = find(tmp_path, "rows/")
    assert problems == []
    assert [source.name for source in found] == ["rows/a.csv.gz", "rows/b.jsonl"]
    assert [source.note for source in found] == [
        "rows: the folder holds 2 data files, all read: a.csv.gz, b.jsonl; 1 other entry not read",
        "",
    ]
    assert [read_source(source).values for source in found] == [ROWS, ROWS]
    (folder / "x.question.txt").write_text("q")
    _, problems = find(tmp_path, "rows")
    assert "the folder holds 2 data files and text pairs" in str(problems[0])


def test_lists_weights_and_patterns(tmp_path):
    for name in ("a1.jsonl", "a2.jsonl", "b.csv"):
        (tmp_path / name).write_bytes(b"x")
    found, problems = find(tmp_path, (Weighted("a*.jsonl", 2), "b.csv"))
    assert problems == []
    assert [(source.name, source.weight, source.kind) for source in found] == [
        ("a1.jsonl", 2.0, "jsonl"),
        ("a2.jsonl", 2.0, "jsonl"),
        ("b.csv", 1.0, "csv"),
    ]
    os.symlink(tmp_path / "b.csv", tmp_path / "c.csv")
    found, problems = find(tmp_path, ["b.csv", "c.csv", "./b.csv"])
    assert len(found) == 1
    assert [problem.what for problem in problems] == ["c.csv is b.csv again", "b.csv is named twice"]


@pytest.mark.parametrize("delimiter", [",", ";", "\t"])
def test_dialects_and_cells_of_several_lines(tmp_path, delimiter):
    rows = [{"question": 'say "hi", a; b\tc', "answer": "x\n\ny\r\nz"}, {"question": "", "answer": " 001 "}]
    (tmp_path / "rows.csv").write_bytes(as_csv(rows, delimiter))
    assert read(tmp_path, "rows.csv").values == rows


def test_rows_do_not_depend_on_the_packing_and_chunks_not_on_the_machine(tmp_path):
    rows = [{"question": f"q{number}", "answer": "a" * 5000} for number in range(2500)]
    (tmp_path / "rows.jsonl").write_bytes(as_lines(rows))
    (tmp_path / "rows.jsonl.gz").write_bytes(gzip.compress(as_lines(rows), 1))
    plain, packed = read(tmp_path, "rows.jsonl"), read(tmp_path, "rows.jsonl.gz")
    assert plain.num_chunks == packed.num_chunks == 4
    assert plain.rows == packed.rows


def test_a_fast_decoder_is_proved_or_not_believed():
    """What `is_exact` lets pass is what the standard decoder reads; texts that look like keys cost time only."""
    import orjson

    for text in ('{"a": "b\\": 1"}', '{"a": "x:y"}', '{"a": {"b": [1, 2.5, null]}}', '{"a" : 1}', "[]", '"x"'):
        value = orjson.loads(text)
        assert value == json.loads(text)
        assert json_rows.is_exact(value, text) == json_rows.is_exact(value, text.encode())
    assert json_rows.is_exact(orjson.loads('{"a": "x:y"}'), b'{"a": "x:y"}')
    assert not json_rows.is_exact(orjson.loads('{"a": 1, "a": 2}'), b'{"a": 1, "a": 2}')
    assert not json_rows.is_exact(orjson.loads('{"a": 99999999999999999999}'), b'{"a": 99999999999999999999}')


_TEXT = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\x00"), max_size=20)
_VALUE = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**63), 2**64 - 1)
    | st.floats(allow_nan=False, allow_infinity=False)
    | _TEXT,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(_TEXT, inner, max_size=3),
    max_leaves=6,
)
_QUIET = settings(
    max_examples=120, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow]
)


@_QUIET
@given(rows=st.lists(st.dictionaries(_TEXT, _VALUE, min_size=1, max_size=3), min_size=1, max_size=5))
def test_any_rows_come_back_from_json(tmp_path, rows):
    for name, text in (
        ("rows.jsonl", "".join(json.dumps(row) + "\n" for row in rows)),
        ("raw.jsonl", "".join(json.dumps(row, ensure_ascii=False) + "\r\n" for row in rows)),
        ("rows.json", json.dumps(rows)),
        ("raw.json", json.dumps(rows, indent=1, ensure_ascii=False)),
        ("data.json", json.dumps({"data": rows})),
    ):
        (tmp_path / name).write_text(text, encoding="utf-8", newline="")
        done = read(tmp_path, name)
        assert (done.messages, done.row_messages) == ([], [])
        assert done.values == rows
        assert json.dumps(done.values) == json.dumps(rows)  # 1 is not 1.0, nor True


_CELL = st.text(st.characters(exclude_categories=["Cs", "Cc"]) | st.sampled_from("\n\t"), max_size=20)


@_QUIET
@given(rows=st.lists(st.tuples(_CELL, _CELL).filter(lambda row: any(map(str.strip, row))), min_size=1, max_size=6))
def test_any_rows_come_back_from_tables(tmp_path, rows):
    dicts: list[dict[str, Any]] = [dict(zip(("question", "answer"), row)) for row in rows]
    for name, data in (
        ("rows.csv", as_csv(dicts)),
        ("rows.tsv", as_csv(dicts, "\t")),
        ("semi.csv", as_csv(dicts, ";")),
        ("rows.parquet", as_parquet(dicts)),
        ("rows.csv.zst", zstandard.compress(as_csv(dicts))),
    ):
        (tmp_path / name).write_bytes(data)
        done = read(tmp_path, name)
        assert (done.messages, done.row_messages) == ([], [])
        assert done.values == dicts


_HEADS = st.sampled_from(
    [b"", b"[", b"{", b'{"a":', b'[{"a": 1},', b'{"data": [', b"question,answer\n", b'"', b"\x1f\x8b\x08\x00", b"PAR1"]
    + [b"\x28\xb5\x2f\xfd", b"PK\x03\x04", b"\xff\xfe", b"\xfe\xff", b"\xef\xbb\xbf", b"\xff\xfe\x00\x00", b"\x1b$B"]
    + [
        FORMS["rows.xlsx"][:2000],
        FORMS["rows.parquet"],
        FORMS["rows.json"],
        FORMS["rows.jsonl"],
        b"\xc4\xe3\xba\xc3" * 9,
    ]
)
_NAMES = st.sampled_from([*FORMS, "rows.jsonl.gz", "rows.csv.zst", "rows.parquet.gz", "rows.txt"])


@settings(max_examples=400, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(head=_HEADS, body=st.binary(max_size=200) | st.text(max_size=100).map(str.encode), name=_NAMES)
def test_any_bytes_are_refused_or_read_and_never_raise(tmp_path, head, body, name):
    (tmp_path / name).write_bytes(head + body)
    before = time.process_time()
    done = read(tmp_path, name)
    assert time.process_time() - before < 5
    assert done.rows or done.problems or done.row_problems
    assert all(problem.fix and problem.where.startswith(name) for problem in done.problems + done.row_problems)


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    name=st.sampled_from(["rows.xlsx", "rows.parquet", "rows.jsonl", "rows.csv"]),
    changes=st.lists(st.tuples(st.floats(0, 0.999), st.integers(0, 255)), min_size=1, max_size=4),
    cut=st.floats(0.5, 1),
)
def test_any_damage_is_refused_or_read_and_never_raises(tmp_path, name, changes, cut):
    data = bytearray(FORMS[name])
    for place, value in changes:
        data[int(place * len(data))] = value
    (tmp_path / name).write_bytes(data[: int(cut * len(data))])
    before = time.process_time()
    read(tmp_path, name)
    assert time.process_time() - before < 5


def test_a_streamed_parquet_file_is_read_by_the_callers_thread_alone(tmp_path: Path):
    """Arrow's own threads would still wait for the interpreter when the process ends, and abort it."""
    seen = set()

    class Watched(io.BytesIO):
        def read(self, size: int | None = -1) -> bytes:
            seen.add(threading.current_thread())
            return super().read(size)

    read = [row.value for _, row in parquet_rows.rows(Watched(as_parquet(ROWS)))]
    assert read == ROWS
    assert seen == {threading.current_thread()}
