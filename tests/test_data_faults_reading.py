"""One test per numbered fault of reading: the exact message, with its place and remedy, and never the text of a row."""

from __future__ import annotations

import gzip
import json
import os
import threading
import time

import pyarrow as pa
import pyarrow.parquet as parquet
import pytest
from reading_kit import FIX_ENCODING, find, read
from test_data_room import CANARY, all_rows, load, qa, refused, turns, write

GOOD = json.dumps(qa(1)) + "\n" + json.dumps(qa(2)) + "\n"


def test_fault_25_last_line_cut_off(tmp_path):
    assert refused(tmp_path, GOOD + '{"question": "q", "answer": "' + CANARY) == [
        "rows.jsonl:3: row 3: line ends inside a string (the file may be cut off). Fix: correct or remove the line"
    ]
    message = refused(tmp_path, GOOD + '{"question": "q",')[0]
    assert "rows.jsonl:3: row 3: line ends too early (the file may be cut off)" in message


def test_fault_26_bad_line_far_inside(tmp_path):
    text = GOOD * 2500 + "{bad}\n" + GOOD
    assert refused(tmp_path, text) == [
        "rows.jsonl:5001: row 5001: line a key in double quotes is due (column 2). Fix: correct or remove the line"
    ]


def test_fault_26_the_line_is_right_behind_many_chunks(tmp_path):
    filler = json.dumps(qa(1, text="x" * 10_000)) + "\n"
    write(tmp_path / "rows.jsonl", filler * 700 + "\n{bad}\n" + filler * 700)
    done = read(tmp_path, "rows.jsonl")
    assert [problem.where for problem in done.row_problems] == ["rows.jsonl:702"]
    assert done.row_problems[0].key == "row 701"
    assert (done.rows[-1].line, done.rows[-1].number, len(done.rows)) == (1402, 1401, 1400)
    assert done.num_chunks > 2


def test_fault_27_mark_crlf_blank_lines_no_final_newline(tmp_path):
    text = b"\xef\xbb\xbf" + (GOOD + "\n  \n").replace("\n", "\r\n").encode() + json.dumps(qa(3)).encode()
    splits = load(tmp_path, text)
    assert [row.where for row in all_rows(splits)] == ["rows.jsonl:1", "rows.jsonl:2", "rows.jsonl:5"]
    note = "accepted a byte-order mark, 4 Windows line ends, 2 blank lines, no line end after the last row"
    assert f"rows.jsonl: {note}" in splits.report.notes
    assert splits.report.files[0].encoding == "utf-8 with byte-order mark"


@pytest.mark.parametrize("codec", ["utf-16", "utf-16-le", "utf-16-be", "utf-32", "utf-32-le", "utf-32-be"])
@pytest.mark.parametrize("name", ["rows.jsonl", "rows.csv"])
def test_fault_28_utf_16_is_read(tmp_path, codec, name):
    text = GOOD if name == "rows.jsonl" else "question,answer\nquestion 1?,answer 1.\nquestion 2?,answer 2.\n"
    splits = load(tmp_path, text.encode(codec), name)
    assert turns(all_rows(splits)[1]) == [("user", "question 2?"), ("assistant", "answer 2.")]
    (note,) = [note for note in splits.report.notes if ": read as utf-" in note]
    evidence = "its byte-order mark is that of" if codec in ("utf-16", "utf-32") else "its zero bytes lie as in"
    assert evidence in note
    assert splits.report.files[0].encoding.startswith(codec[:6])


def test_fault_28_utf_16_cut_off(tmp_path):
    data = GOOD.encode("utf-16")[:-1]
    write(tmp_path / "rows.jsonl", data)
    done = read(tmp_path, "rows.jsonl")
    assert done.row_messages == [
        f"rows.jsonl:2: row 2: byte 0x0a at offset {len(data) - 1} is not utf-16-le. "
        "Fix: set data.encoding to what the file is written in, or save it as UTF-8"
    ]


def test_fault_29_latin_1_byte(tmp_path):
    text = (GOOD + '{"question": "caf').encode() + b'\xe9", "answer": "x"}\n'
    offset = text.index(b"\xe9")
    assert refused(tmp_path, text) == [
        f"rows.jsonl:3: row 3: byte 0xe9 at offset {offset} is not UTF-8. Fix: {FIX_ENCODING}"
    ]
    table = b"\xef\xbb\xbfquestion,answer\nq1,a1\ncaf\xe9,a2\n"
    assert refused(tmp_path, table, "rows.csv") == [
        f"rows.csv:3: row 2: byte 0xe9 at offset {table.index(0xE9)} is not UTF-8. Fix: {FIX_ENCODING}"
    ]


def test_fault_29_byte_far_behind_the_sample(tmp_path):
    filler = json.dumps(qa(1, text="x" * 10_000)) + "\n"
    data = (filler * 700).encode() + b'{"question": "\xff", "answer": "a"}\n' + filler.encode()
    write(tmp_path / "rows.jsonl", data)
    done = read(tmp_path, "rows.jsonl")
    assert done.row_messages == [
        f"rows.jsonl:701: row 701: byte 0xff at offset {data.index(0xFF):,} is not UTF-8. Fix: {FIX_ENCODING}"
    ]
    assert len(done.rows) == 701
    data = b"[" + data.strip().replace(b"\n", b",\n") + b"]"
    write(tmp_path / "rows.json", data)
    done = read(tmp_path, "rows.json")
    assert done.row_messages == [
        f"rows.json:701: row 701: byte 0xff at offset {data.index(0xFF):,} is not UTF-8. Fix: {FIX_ENCODING}"
    ]


def test_fault_29_gb18030_is_read(tmp_path):
    text = "question,answer\n高血压患者能吃党参吗,可以的\n血压高可以喝茶吗,少喝一些\n".encode("gb18030")
    splits = load(tmp_path, text, "rows.csv")
    assert turns(all_rows(splits)[0]) == [("user", "高血压患者能吃党参吗"), ("assistant", "可以的")]
    evidence = "it is not UTF-8, and 25 characters of the sample read as Chinese in GB18030"
    assert f"rows.csv: read as gb18030: {evidence}" in splits.report.notes
    assert splits.report.files[0].encoding == "gb18030"


@pytest.mark.parametrize("name", ["rows.jsonl", "rows.json", "rows.csv", "rows.parquet", "rows.xlsx"])
def test_fault_30_empty_file(tmp_path, name):
    assert refused(tmp_path, b"", name) == [f"{name}: has no rows: the file is empty. Fix: add rows to it"]


def test_fault_31_only_blank_lines(tmp_path):
    assert refused(tmp_path, "\n \r\n\n") == ["rows.jsonl: has no rows: only blank lines. Fix: add rows to it"]
    assert refused(tmp_path, "[]", "rows.json") == ["rows.json: has no rows. Fix: add rows to it"]
    assert refused(tmp_path, "question,answer\n", "rows.csv") == [
        "rows.csv: has no rows: only a header line. Fix: add rows to it"
    ]


def test_fault_32_missing_file_and_pattern(tmp_path):
    (tmp_path / "data").mkdir()

    def message(value):
        sources, problems = find(tmp_path, value)
        assert sources == []
        return str(problems[0])

    assert message("data/*.jsonl") == (
        "recipe.yaml:5: data.train: no file matches in the folder data (got 'data/*.jsonl'). "
        "Fix: check the pattern and the folder"
    )
    assert "there is no folder nowhere (got 'nowhere/*.jsonl')" in message("nowhere/*.jsonl")
    assert "there is no such file (got 'rows.jsonl')" in message("rows.jsonl")
    assert "not read from a URL" in message("https://example.org/rows.jsonl")
    assert message("data").startswith("recipe.yaml:5: data.train: the folder holds no data file (got 'data'). Fix: ")
    assert message("hub:name") == (
        "recipe.yaml:5: data.train: is not the name of a hub data set (got 'hub:name'). "
        "Fix: write it as hub:owner/name, hub:owner/name:config, hub:owner/name@split or with #revision behind"
    )
    assert "no file matches in the folder ." in refused(tmp_path, train="*.csv")[0]


def test_fault_45_giant_row(tmp_path):
    answer = "ü" * (512 * 1024)
    (message,) = refused(tmp_path, [qa(1), {"question": "q", "answer": answer}])
    assert message == ("rows.jsonl:2: row 2: holds 1,048,577 bytes of text, the limit is 1,048,576. Fix: cut the row")
    assert len(all_rows(load(tmp_path, [qa(1), {"question": "q", "answer": answer[:-1]}]))) == 2


@pytest.mark.parametrize("num_bytes", [17 * 1024**2, 40 * 1024**2])
def test_fault_45_a_line_beyond_every_limit_is_passed_over(tmp_path, num_bytes):
    head = (GOOD + '{"question": "q", "answer": "' + "a" * num_bytes + '"}\n' + GOOD).encode()
    (tmp_path / "rows.jsonl").write_bytes(head + b'{bad}\n{"question": "\xff"}\n')
    done = read(tmp_path, "rows.jsonl")
    offset = len(head) + len(b'{bad}\n{"question": "')
    assert done.row_messages == [
        "rows.jsonl:3: row 3: is longer than 16,777,216 bytes. Fix: cut the row",
        "rows.jsonl:6: row 6: line a key in double quotes is due (column 2). Fix: correct or remove the line",
        f"rows.jsonl:7: row 7: byte 0xff at offset {offset:,} is not UTF-8. Fix: {FIX_ENCODING}",
    ]
    assert [(row.line, row.number) for row in done.rows] == [(1, 1), (2, 2), (4, 4), (5, 5)]
    with open(tmp_path / "rows.json", "w") as file:
        file.write('[{"question": "q"},\n {"question": "q", "answer": "' + "a" * num_bytes + '"}]')
    done = read(tmp_path, "rows.json")
    (message,) = [*done.row_messages, *done.messages]  # of the row, where its end was found
    assert message.startswith("rows.json:2: row 2: is longer than 16,777,216 characters")
    with open(tmp_path / "rows.csv", "w") as file:
        file.write("question,answer\nq,a\nq," + "a" * num_bytes + "\nq,a\n")
    assert read(tmp_path, "rows.csv").messages[0].startswith("rows.csv:3: a row is longer than 16,777,216 characters")


@pytest.mark.parametrize("levels", [65, 5000, 200_000])
def test_fault_46_deep_nesting(tmp_path, levels):
    deep = '{"question": "q", "answer": "a", "x": ' + "[" * levels + "]" * levels + "}\n"
    assert refused(tmp_path, GOOD + deep) == [
        "rows.jsonl:3: row 3: is nested more than 64 levels deep. Fix: flatten the row"
    ]
    (message,) = refused(tmp_path, "[\n" + deep + "]", "rows.json")
    assert message == "rows.json:2: row 1: is nested more than 64 levels deep. Fix: flatten the row"


def test_fault_46_many_brackets_in_text_are_no_nesting(tmp_path):
    assert len(all_rows(load(tmp_path, [qa(1), {"question": "[" * 500, "answer": "{" * 500}]))) == 2


@pytest.mark.parametrize(
    ("literal", "what"),
    [
        ("NaN", "NaN is not JSON"),
        ("-Infinity", "-Infinity is not JSON"),
        ("1e999", "a number is too large"),
        ("123456789012345678901", "an integer does not fit 64 bits"),
        ("18446744073709551616", "an integer does not fit 64 bits"),
        ("-9223372036854775809", "an integer does not fit 64 bits"),
        ("9" * 5000, "an integer does not fit 64 bits"),
    ],
)
def test_fault_47_numbers_that_cannot_be_held(tmp_path, literal, what):
    row = '{"question": "q", "answer": "a", "meta": {"scores": [1, ' + literal + "]}}\n"
    assert refused(tmp_path, GOOD + row) == [
        f"rows.jsonl:3: row 3, key meta.scores.2: {what}. Fix: write the number as text, or remove the key"
    ]
    assert f"rows.json:1: row 1, key meta.scores.2: {what}" in refused(tmp_path, f"[{row}]", "rows.json")[0]


def test_fault_47_the_largest_numbers_are_kept(tmp_path):
    numbers = "[18446744073709551615, -9223372036854775808, 1e308, 9.3e18, -0, 0.1]"
    write(tmp_path / "rows.jsonl", '{"n": ' + numbers + "}\n")
    write(tmp_path / "rows.json", '[{"n": ' + numbers + "}]")
    for name in ("rows.jsonl", "rows.json"):
        (row,) = read(tmp_path, name).rows
        assert row.value == {"n": json.loads(numbers)}
        assert [type(number) for number in row.value["n"]] == [int, int, float, float, int, float]


def test_fault_48_equal_keys(tmp_path):
    row = '{"question": "q", "answer": "a", "answer": "b", "m": {"x": 1, "x": 2}}\n'
    messages = refused(tmp_path, GOOD + row)
    assert messages[1] == "rows.jsonl:3: row 3, key answer: stands twice in one object. Fix: keep one of them"
    assert len(messages) == 2
    assert "two columns have the same name: answer" in refused(tmp_path, "question,answer,answer\n1,2,3\n", "a.csv")[0]


@pytest.mark.parametrize(
    "row",
    [
        '{"answer": "a", "\\u0061nswer": "b"}',  # one key written in two ways
        '{"answer"\t:"a","answer" :"b"}',
        '{"answer": "a: \\": \\":", "answer": ":"}',
        '{"m": [{"answer": 1, "answer": 1}]}',
        '{"answer": {}, "answer": {}}',
    ],
)
def test_fault_48_equal_keys_however_written(tmp_path, row):
    write(tmp_path / "rows.jsonl", f"{row}\n")
    write(tmp_path / "rows.json", f"[{row}]")
    for name in ("rows.jsonl", "rows.json"):
        done = read(tmp_path, name)
        assert done.row_messages == [f"{name}:1: row 1, key answer: stands twice in one object. Fix: keep one of them"]


def test_fault_49_surrogates_nul_and_unseen_characters(tmp_path):
    text = GOOD + '{"question": "a\\ud800", "answer": "a"}\n{"question": "q", "answer": "a\\u0000"}\n'
    assert refused(tmp_path, text) == [
        "rows.jsonl:3: row 3, key question: the question holds half of a surrogate pair. "
        "Fix: remove the broken character",
        "rows.jsonl:4: row 4, key answer: the answer holds a NUL character. Fix: remove it",
    ]
    assert refused(tmp_path, "question,answer\nq,a\nq,a\x00\n", "rows.csv") == [
        "rows.csv:3: holds a NUL character. Fix: save the table again as CSV UTF-8"
    ]


def test_fault_50_line_separators_inside_text_are_kept(tmp_path):
    text = json.dumps({"question": "a\u2028b\u2029c\x85d", "answer": "x\x0by"}, ensure_ascii=False)
    text = text.replace("\\u000b", "\u2028")
    splits = load(tmp_path, text + "\n" + GOOD)
    assert turns(all_rows(splits)[0])[0][1] == "a\u2028b\u2029c\x85d"
    splits = load(tmp_path, "question,answer\na\u2028b,c\u2029d\nx,y\n", "rows.csv")
    assert [row.where for row in all_rows(splits)] == ["rows.csv:2", "rows.csv:3"]


def test_fault_51_two_objects_on_a_line(tmp_path):
    assert refused(tmp_path, GOOD + json.dumps(qa(3)) + json.dumps(qa(4)) + "\n") == [
        "rows.jsonl:3: row 3: two values on one line. Fix: put each object on a line of its own"
    ]


@pytest.mark.parametrize(
    ("head", "what"),
    [
        (b"version https://git-lfs.github.com/spec/v1\noid sha256:0\n", "is a Git LFS pointer, not the data"),
        (b"<!DOCTYPE html>\n<html>", "is a web page, perhaps an error page saved as data"),
        (b"\x1f\x8b\x08", "is gzip-compressed and ends too early (the file may be cut off)"),
        (b"\x28\xb5\x2f\xfd..", "is zstd-compressed and ends too early (the file may be cut off)"),
        (b"\x28\xb5\x2f\xfd" + b"z" * 50, "is zstd-compressed and cannot be unpacked: it is damaged"),
        (b"\xfd7zXZ\x00", "is xz-compressed"),
        (b"PK\x03\x04", "is a zip archive"),
        (b"PK\x03\x04..xl/workbook.xml", "is an Excel workbook under another name"),
        (b"PAR1....PAR1", "is a parquet file under another name"),
    ],
)
def test_fault_52_something_else_under_the_name(tmp_path, head, what):
    (message,) = refused(tmp_path, head)
    assert message.startswith(f"rows.jsonl: {what}. Fix: ")


def test_fault_52_other_kinds_of_file(tmp_path):
    assert refused(tmp_path, GOOD, "rows.txt") == [
        "rows.txt: is of an unknown kind ('.txt'). Fix: save it under its kind: "
        "accepted are .json, .jsonl, .csv, .tsv, .parquet and .xlsx, also with .gz or .zst"
    ]
    assert refused(tmp_path, b"\xd0\xcf\x11\xe0" + b"x" * 600, "rows.xls") == [
        "rows.xls: is an old Excel workbook (.xls) or one locked with a password. "
        "Fix: save it as .xlsx without a password, or save the sheet as CSV UTF-8"
    ]
    assert "is not a whole parquet file" in refused(tmp_path, GOOD, "rows.parquet")[0]
    assert "is a damaged parquet file" in refused(tmp_path, b"PAR1" + b"x" * 50 + b"PAR1", "rows.parquet")[0]
    assert "is not an Excel workbook" in refused(tmp_path, GOOD, "rows.xlsx")[0]


def test_fault_53_data_wrapper(tmp_path):
    text = '{"version": [1, {"data": 2}],\n "data": [\n' + json.dumps(qa(1)) + ",\n" + json.dumps(qa(2)) + "]}"
    splits = load(tmp_path, text, "rows.json")
    assert [row.where for row in all_rows(splits)] == ["rows.json:3", "rows.json:4"]
    assert 'rows.json: the rows are the list under the key "data"' in splits.report.notes
    assert refused(tmp_path, '{"a": {}, "b": {}}', "rows.json") == [
        "rows.json: is one object with 2 keys, not a list of rows. "
        'Fix: write [ {...}, {...} ], or the list under the key "data"'
    ]


@pytest.mark.parametrize("word", ["NA", "None", "null", "nan", "001", "1e5", "TRUE", "-"])
def test_fault_54_55_cells_stay_text(tmp_path, word):
    splits = load(tmp_path, f"question,answer\nq1,{word}\nq2,x\n", "rows.csv")
    assert turns(all_rows(splits)[0])[1] == ("assistant", word)


def test_fault_56_rows_and_quotes_of_tables(tmp_path):
    text = f"question,answer\nq1,a1\n{CANARY}\nq3,a,{CANARY}\n"
    fix = "Fix: add or remove cells, or put a cell that holds the separator in double quotes"
    assert refused(tmp_path, text, "rows.csv") == [
        f"rows.csv:3: row 2: has 1 cell, the header has 2. {fix}",
        f"rows.csv:4: row 3: has 3 cells, the header has 2. {fix}",
    ]
    text = f'question,answer\nq1,a1\nq2,"{CANARY}\nq3,a3\n'
    assert refused(tmp_path, text, "rows.csv") == [
        "rows.csv:3: row 2: a quote opened in this row is never closed. "
        'Fix: close it; a quote inside a cell is written ""'
    ]
    text = f'question,answer\nq1,"a "b" {CANARY}"\n'
    assert "rows.csv:2: row 1: a closing quote is followed by text" in refused(tmp_path, text, "rows.csv")[0]


def test_fault_56_a_piece_of_a_row_never_passes_for_a_row(tmp_path):
    """A fault of quotes on one line is that row's; where the row's end is not known, the rest is not read."""
    write(tmp_path / "rows.csv", 'question,answer\nq1,"a "b" c"\nq2,a2\n')
    done = read(tmp_path, "rows.csv")
    assert (len(done.row_problems), done.problems, [row.number for row in done.rows]) == (1, [], [2])
    write(tmp_path / "rows.csv", 'question,answer\nq1,"a\nb, "c" d\ne"\nq2,a2\n')
    done = read(tmp_path, "rows.csv")
    assert (done.row_problems, done.rows) == ([], [])
    assert done.messages == [
        "rows.csv:2: row 1: a closing quote is followed by text. "
        'Fix: a quote inside a cell is written "" (or a quote is not closed)'
    ]


def test_fault_57_bombs_are_refused_at_once(tmp_path):
    with gzip.GzipFile(tmp_path / "rows.jsonl.gz", "wb") as file:
        for _ in range(300):
            file.write(GOOD.encode() + b" " * 1024**2)
    table = b"question,answer\n" + (b"q," + b"a" * 1_000_000 + b"\n") * 300
    (tmp_path / "rows.csv.zst").write_bytes(pa.compress(table, "zstd", asbytes=True))
    assert os.path.getsize(tmp_path / "rows.jsonl.gz") < 400_000
    for name in ("rows.jsonl.gz", "rows.csv.zst"):
        before = time.process_time()
        done = read(tmp_path, name)
        assert time.process_time() - before < 5
        assert done.messages == [
            f"{name}: unpacks to more than 200 times its size, which no rows do. "
            "Fix: unpack it yourself and look at it; a file made to fill the disk does this"
        ]


def test_fault_60_a_file_that_changes_while_it_is_read(tmp_path):
    message = (
        "rows.jsonl: was changed while it was read (another size, time or file stands there now). "
        "Fix: wait until nothing writes to it, then start again"
    )
    path = tmp_path / "rows.jsonl"

    def append():
        with open(path, "a") as file:
            file.write(GOOD)

    def replace():
        write(tmp_path / "new", GOOD * 5000)
        os.replace(tmp_path / "new", path)

    for change in (append, replace, lambda: os.truncate(path, 100), path.unlink, lambda: os.utime(path, (1, 1))):
        write(path, (json.dumps(qa(1, text="x" * 1000)) + "\n") * 10_000)
        assert read(tmp_path, "rows.jsonl").messages == []
        assert read(tmp_path, "rows.jsonl", after_first_chunk=change).messages[-1] == message
    table = pa.table({"question": ["q"] * 5000, "answer": ["a"] * 5000})
    parquet.write_table(table, tmp_path / "rows.parquet")
    done = read(tmp_path, "rows.parquet", after_first_chunk=lambda: os.utime(tmp_path / "rows.parquet", (1, 1)))
    assert "was changed while it was read" in done.messages[-1]


def test_fault_66_only_plain_files(tmp_path):
    write(tmp_path / "real.jsonl", GOOD)
    (tmp_path / "link.jsonl").symlink_to(tmp_path / "real.jsonl")
    assert load(tmp_path, name="link.jsonl").report.num_rows_read == 2
    os.mkfifo(tmp_path / "pipe.jsonl")
    worker = threading.Timer(5, lambda: os._exit(1))  # a reader of the pipe would wait for ever
    worker.start()
    assert read(tmp_path, "pipe.jsonl").messages == [
        "pipe.jsonl: is not a plain file (a pipe, socket or device). Fix: save the data to a file first"
    ]
    (tmp_path / "null.jsonl").symlink_to("/dev/zero")
    assert "is not a plain file" in read(tmp_path, "null.jsonl").messages[0]
    worker.cancel()
    (tmp_path / "dead.jsonl").symlink_to(tmp_path / "gone.jsonl")
    assert read(tmp_path, "dead.jsonl").messages == [
        "dead.jsonl: there is no such file (a link that leads nowhere). Fix: check where the link points"
    ]
