"""One test per numbered fault of data files: the exact message, with its place, and never the text of a row."""

from __future__ import annotations

import json
import os
import threading

import pytest
from test_data_room import CANARY, all_rows, chat, load, qa, refused, turns, write

from finetune.data import files

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


def test_fault_27_mark_crlf_blank_lines_no_final_newline(tmp_path):
    text = b"\xef\xbb\xbf" + (GOOD + "\n  \n").replace("\n", "\r\n").encode() + json.dumps(qa(3)).encode()
    splits = load(tmp_path, text)
    assert [row.where for row in all_rows(splits)] == ["rows.jsonl:1", "rows.jsonl:2", "rows.jsonl:5"]
    note = "accepted a byte-order mark, 4 Windows line ends, 2 blank lines, no line end after the last row"
    assert f"rows.jsonl: {note}" in splits.report.notes
    assert splits.report.files[0].encoding == "utf-8 with byte-order mark"


@pytest.mark.parametrize("codec", ["utf-16", "utf-16-le", "utf-16-be", "utf-32"])
def test_fault_28_utf_16(tmp_path, codec):
    (message,) = refused(tmp_path, GOOD.encode(codec))
    assert message.startswith("rows.jsonl: looks like UTF-")
    assert "iconv -f UTF-" in message
    assert "not available yet" in message


def test_fault_29_latin_1(tmp_path):
    text = (GOOD + '{"question": "caf').encode() + b'\xe9", "answer": "x"}\n'
    offset = text.index(b"\xe9")
    assert refused(tmp_path, text) == [
        f"rows.jsonl:3: byte 0xe9 at offset {offset} is not UTF-8 (1 such place). "
        "Fix: convert the file to UTF-8, perhaps from Windows-1252: iconv -f WINDOWS-1252 -t UTF-8"
    ]


def test_fault_29_gb18030_is_named(tmp_path):
    text = "question,answer\n高血压患者能吃党参吗,可以的\n".encode("gb18030")
    (message,) = refused(tmp_path, text, "rows.csv")
    assert message.startswith("rows.csv:2: byte 0xb8 at offset 16 is not UTF-8; the file looks like GB18030")
    assert "not available yet" in message


@pytest.mark.parametrize("name", ["rows.jsonl", "rows.json", "rows.csv", "rows.parquet"])
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

    def find(value):
        problems = []
        assert files.find("data.train", value, lambda key, path: tmp_path / path, "recipe.yaml:5", problems) == []
        return str(problems[0])

    assert find("data/*.jsonl") == (
        "recipe.yaml:5: data.train: no file matches in the folder data (got 'data/*.jsonl'). "
        "Fix: check the pattern and the folder"
    )
    assert "there is no folder nowhere (got 'nowhere/*.jsonl')" in find("nowhere/*.jsonl")
    assert "there is no such file (got 'rows.jsonl')" in find("rows.jsonl")
    assert "not available yet (got 'hub:owner/name')" in find("hub:owner/name")
    assert "not read from a URL" in find("https://example.org/rows.jsonl")
    assert "no file matches in the folder ." in refused(tmp_path, train="*.csv")[0]


def test_fault_33_required_key_missing_in_one_row(tmp_path):
    rows = [qa(1), {"question": CANARY}, qa(3), {"answer": CANARY}]
    assert refused(tmp_path, rows) == [
        "rows.jsonl:2: row 2, key answer: is missing. Fix: add it, or remove the row",
        "rows.jsonl:4: row 4, key question: is missing. Fix: add it, or remove the row",
    ]
    broken = {"messages": [{"role": "user"}, {"role": "assistant", "content": "a"}]}
    assert refused(tmp_path, [broken])[0].startswith("rows.jsonl:1: row 1, message 1: key content is missing.")


def test_fault_34_null_content(tmp_path):
    rows = [chat("q", "a"), {"messages": [{"role": "user", "content": "q"}, {"role": "assistant", "content": None}]}]
    assert refused(tmp_path, rows) == [
        "rows.jsonl:2: row 2, message 2: text is due for the answer, found null. Fix: write text, or remove the row"
    ]


@pytest.mark.parametrize(
    ("value", "word"), [(7, "a number"), (True, "true or false"), (["x"], "a list"), ({"a": 1}, "an object")]
)
def test_fault_35_no_text_where_text_is_due(tmp_path, value, word):
    assert refused(tmp_path, [qa(1), {"question": "q", "answer": value}]) == [
        f"rows.jsonl:2: row 2, key answer: text is due for the answer, found {word}. Fix: write text, or remove the row"
    ]
    assert "a list of turns is due, found text" in refused(tmp_path, [{"messages": "x"}])[0]
    assert "row 1: an object is due in every row" in refused(tmp_path, "3\n" + GOOD)[0]


def test_fault_36_wrong_columns(tmp_path):
    assert refused(tmp_path, "text,category\na,b\n", "rows.csv") == [
        "rows.csv:1: columns: the layout is not recognised; columns found: text, category. Fix: name yours in "
        "data.columns: {prompt: ..., completion: ...}, or use one of: messages; conversations; "
        "instruction + output (+ input); question + answer"
    ]
    (message,) = refused(tmp_path, [qa(1)], format="alpaca")
    assert "the columns are not those of data.format alpaca; columns found: question, answer" in message


def test_fault_36_a_missing_header_does_not_leak_its_row(tmp_path):
    (message,) = refused(tmp_path, f"{CANARY} since 2019,she was told to rest\nq,a\n", "rows.csv")
    assert "columns found: <38 characters>, <20 characters>" in message


def test_fault_37_two_layouts(tmp_path):
    rows = [chat("q", "a"), {"instruction": "i", "output": "o"}, qa(1)]
    assert refused(tmp_path, rows) == [
        "rows.jsonl: 3 layouts in one file: messages, messages (first at line 1); alpaca, instruction, output "
        "(first at line 2); question_answer, question, answer (first at line 3). "
        "Fix: put each layout into a file of its own"
    ]


def test_fault_38_unknown_role(tmp_path):
    row = {"messages": [{"role": "doctor", "content": "q"}, {"role": "gpt", "content": "a"}]}
    assert refused(tmp_path, [chat("q", "a"), row]) == [
        "rows.jsonl:2: row 2, message 1: role is unknown (got doctor). Fix: use one of system, user, assistant",
        "rows.jsonl:2: row 2, message 2: role is unknown (got gpt). Fix: write assistant",
    ]


@pytest.mark.parametrize(
    ("roles", "what"),
    [
        ("ua u", "the last turn is the user's, so there is nothing to learn"),
        ("au a", "the first turn is not the user's"),
        ("ssua", "holds 2 system turns"),
        ("usa", "the system turn is not the first"),
        ("uua", "user and assistant do not alternate"),
        ("s", "the first turn is not the user's"),
    ],
)
def test_fault_39_order_of_turns(tmp_path, roles, what):
    names = {"u": "user", "a": "assistant", "s": "system"}
    row = {"messages": [{"role": names[role], "content": CANARY} for role in roles.replace(" ", "")]}
    (message,) = refused(tmp_path, [chat("q", "a"), row])
    assert message.startswith(f"rows.jsonl:2: row 2: {what}. Fix: ")


@pytest.mark.parametrize("empty", ["", " \n\t", " " * 100, "\u200b", "\ufeff\u00ad"])
def test_fault_40_empty_question_or_answer(tmp_path, empty):
    rows = [qa(1), {"question": empty, "answer": "a"}, {"question": "q", "answer": empty}]
    assert refused(tmp_path, rows) == [
        "rows.jsonl:2: row 2, key question: the question is empty. Fix: fill it in, or remove the row",
        "rows.jsonl:3: row 3, key answer: the answer is empty. Fix: fill it in, or remove the row",
    ]


def test_fault_44_only_a_handful_of_rows(tmp_path):
    splits = load(tmp_path, [qa(number) for number in range(10)])
    assert "only 9 training rows; fewer than 20 teach little" in splits.report.warnings
    assert load(tmp_path, [qa(number) for number in range(40)]).report.warnings == []


def test_fault_45_giant_row(tmp_path):
    answer = "ü" * (512 * 1024)
    (message,) = refused(tmp_path, [qa(1), {"question": "q", "answer": answer}])
    assert message == ("rows.jsonl:2: row 2: holds 1,048,577 bytes of text, the limit is 1,048,576. Fix: cut the row")
    assert len(all_rows(load(tmp_path, [qa(1), {"question": "q", "answer": answer[:-1]}]))) == 2


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
        ("9" * 5000, "an integer does not fit 64 bits"),
    ],
)
def test_fault_47_numbers_that_cannot_be_held(tmp_path, literal, what):
    row = '{"question": "q", "answer": "a", "meta": {"scores": [1, ' + literal + "]}}\n"
    assert refused(tmp_path, GOOD + row) == [
        f"rows.jsonl:3: row 3, key meta.scores.2: {what}. Fix: write the number as text, or remove the key"
    ]
    assert f"rows.json:1: row 1, key meta.scores.2: {what}" in refused(tmp_path, f"[{row}]", "rows.json")[0]


def test_fault_48_equal_keys(tmp_path):
    row = '{"question": "q", "answer": "a", "answer": "b", "m": {"x": 1, "x": 2}}\n'
    messages = refused(tmp_path, GOOD + row)
    assert messages[1] == "rows.jsonl:3: row 3, key answer: stands twice in one object. Fix: keep one of them"
    assert len(messages) == 2
    assert "two columns have the same name: answer" in refused(tmp_path, "question,answer,answer\n1,2,3\n", "a.csv")[0]


def test_fault_49_surrogates_nul_and_unseen_characters(tmp_path):
    text = GOOD + '{"question": "a\\ud800", "answer": "a"}\n{"question": "q", "answer": "a\\u0000"}\n'
    assert refused(tmp_path, text) == [
        "rows.jsonl:3: row 3, key question: the question holds half of a surrogate pair. "
        "Fix: remove the broken character",
        "rows.jsonl:4: row 4, key answer: the answer holds a NUL character. Fix: remove it",
    ]
    assert "holds a NUL character" in refused(tmp_path, "question,answer\nq,a\nq,a\x00\n", "rows.csv")[0]
    splits = load(tmp_path, [qa(1), {"question": "a\u200bb", "answer": "c\u202ed"}, qa(3)])
    assert any("1 row holds zero-width or direction characters" in line for line in splits.report.warnings)


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
        (b"\x1f\x8b\x08", "is gzip-compressed"),
        (b"\x28\xb5\x2f\xfd..", "is zstd-compressed"),
        (b"PK\x03\x04", "is a zip archive"),
        (b"PAR1....PAR1", "is a parquet file under another name"),
    ],
)
def test_fault_52_something_else_under_the_name(tmp_path, head, what):
    assert refused(tmp_path, head)[0].startswith(f"rows.jsonl: {what}. Fix: ")


def test_fault_52_other_kinds_of_file(tmp_path):
    assert "is an Excel workbook" in refused(tmp_path, b"PK\x03\x04", "rows.xlsx")[0]
    assert "not available yet" in refused(tmp_path, b"\x1f\x8b\x08", "rows.jsonl.gz")[0]
    assert "is of an unknown kind ('.txt')" in refused(tmp_path, GOOD, "rows.txt")[0]
    assert "is not a whole parquet file" in refused(tmp_path, GOOD, "rows.parquet")[0]
    assert "is a damaged parquet file" in refused(tmp_path, b"PAR1" + b"x" * 50 + b"PAR1", "rows.parquet")[0]


def test_fault_53_data_wrapper(tmp_path):
    text = '{"version": [1, {"data": 2}],\n "data": [\n' + json.dumps(qa(1)) + ",\n" + json.dumps(qa(2)) + "]}"
    splits = load(tmp_path, text, "rows.json")
    assert [row.where for row in all_rows(splits)] == ["rows.json:3", "rows.json:4"]
    assert 'rows.json: the rows are the list under the key "data"' in splits.report.notes
    assert "is one object with 2 keys, not a list of rows" in refused(tmp_path, '{"a": {}, "b": {}}', "rows.json")[0]


def test_fault_53_known_shapes_that_come_later(tmp_path):
    assert refused(tmp_path, GOOD, "rows.json") == [
        "rows.json: holds JSON Lines (one object a line) under the name .json, which is not available yet. "
        "Fix: rename it to rows.jsonl"
    ]
    assert "a list of turns (a list of lists), which is not available yet" in refused(tmp_path, [[qa(1)], [qa(2)]])[0]
    assert "holds a JSON array in a file named for JSON Lines" in refused(tmp_path, json.dumps([qa(1)]))[0]
    assert "over several lines" in refused(tmp_path, json.dumps([qa(1)], indent=1))[0]
    pair = {"prompt": "q", "chosen": CANARY, "rejected": CANARY}
    assert "chosen, rejected are the layout preference, which is not available yet" in refused(tmp_path, [pair])[0]
    rated = {"prompt": "q", "completion": CANARY, "label": True}
    assert "the layout rated, which is not available yet" in refused(tmp_path, [rated])[0]
    tool = {"conversations": [{"from": "human", "value": CANARY}, {"from": "observation", "value": CANARY}]}
    assert refused(tmp_path, [tool, tool]) == [
        "rows.jsonl:1: tool calls are not available yet (2 rows, the first here). "
        "Fix: remove these rows, or write the calls out as text"
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


def test_fault_62_chat_markers_are_counted(tmp_path):
    splits = load(tmp_path, [qa(1), {"question": "<|im_end|><|im_start|>system", "answer": "a"}, qa(2)])
    assert any("rows.jsonl: 1 row holds chat markers" in line for line in splits.report.warnings)


def test_fault_66_only_plain_files(tmp_path):
    write(tmp_path / "real.jsonl", GOOD)
    (tmp_path / "link.jsonl").symlink_to(tmp_path / "real.jsonl")
    assert load(tmp_path, name="link.jsonl").report.num_rows_read == 2

    def read(path):
        problems = []
        assert files.read(files.DataFile(path, path.name), problems) is None
        return str(problems[0])

    os.mkfifo(tmp_path / "pipe.jsonl")
    worker = threading.Timer(5, lambda: os._exit(1))  # a reader of the pipe would wait for ever
    worker.start()
    assert read(tmp_path / "pipe.jsonl").startswith("pipe.jsonl: is not a plain file (a pipe, socket or device)")
    worker.cancel()
    (tmp_path / "folder.jsonl").mkdir()
    assert read(tmp_path / "folder.jsonl").startswith("folder.jsonl: is a folder. Fix: name the files in it")
    (tmp_path / "dead.jsonl").symlink_to(tmp_path / "gone.jsonl")
    assert "a link that leads nowhere" in read(tmp_path / "dead.jsonl")


def test_all_problems_of_all_files_are_told_together(tmp_path):
    write(tmp_path / "a.jsonl", [{"question": "q", "answer": ""}] * 30 + [qa(1)])
    write(tmp_path / "b.csv", "")
    messages = refused(tmp_path, train=["a.jsonl", "b.csv"])
    assert len(messages) == 31
    assert messages[-1].startswith("b.csv: has no rows")


def test_a_broken_long_row_does_not_crowd_out_the_others(tmp_path):
    long = {"messages": [{"role": "user", "content": ""}] * 50}
    messages = refused(tmp_path, [long, chat("q", "")])
    assert messages[2] == "rows.jsonl:1: row 1: 48 more faults in this row. Fix: correct or remove the row"
    assert messages[3].startswith("rows.jsonl:2: row 2, message 2: the answer is empty")


def test_group_column_missing(tmp_path):
    (message,) = refused(tmp_path, [qa(1), qa(2)], group_by="document")
    assert message == (
        "rows.jsonl:1: columns: no row has the column document of data.group_by; columns found: question, answer. "
        "Fix: correct data.group_by, or add the column"
    )
    (message,) = refused(tmp_path, [qa(1, document="d"), qa(2, document=None)], group_by="document")
    assert message.startswith("rows.jsonl:2: row 2, key document: names no group")
