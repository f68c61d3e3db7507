"""Files as other programs write them: a broken byte, shown cells, passages, weights, parts, sep=, spelled names."""

from __future__ import annotations

import json
from typing import Any

import openpyxl
import pytest
from reading_kit import FIX_ENCODING, find, read
from test_data_room import CANARY, all_rows, load, qa, refused, turns

from finetune.data.reading import encodings
from finetune.data.reading.cell_text import as_shown

CHINESE = "高血压患者可以喝茶吗，医生说少喝一些就好"


# one broken byte


def test_a_broken_byte_in_a_table_is_one_bad_row(tmp_path):
    lines = [f"question {number},answer {number}".encode() for number in range(30)]
    lines[10] = b"caf\xe9,answer 10"
    data = b"question,answer\n" + b"\n".join(lines)
    splits = load(tmp_path, data, "rows.csv", bad_rows=1)
    assert splits.report.num_rows_read == 30
    assert splits.report.bad_rows["num"] == 1
    assert splits.report.bad_rows["reasons"][0]["places"] == ["rows.csv:12"]
    done = read(tmp_path, "rows.csv")
    assert done.row_messages == [
        f"rows.csv:12: row 11: byte 0xe9 at offset {data.index(0xE9)} is not UTF-8. Fix: {FIX_ENCODING}"
    ]
    assert [row.line for row in done.rows] == [*range(2, 12), *range(13, 32)]


def test_the_row_with_a_broken_byte_is_told_where_rows_span_lines(tmp_path):
    data = b'question,answer\n"two\nlines",a\n"broken\n\xff\n\xfe here",b\nq,c\n'
    (tmp_path / "rows.csv").write_bytes(data)
    done = read(tmp_path, "rows.csv")
    assert [message.partition(" is not")[0] for message in done.row_messages] == [
        f"rows.csv:4: row 2: byte 0xff at offset {data.index(0xFF)}"
    ]
    assert [(row.line, row.number) for row in done.rows] == [(2, 1), (7, 3)]


def test_a_broken_byte_in_the_header_refuses_the_table(tmp_path):
    (tmp_path / "rows.csv").write_bytes(b"question,answ\xe9r\nq,a\n")
    assert read(tmp_path, "rows.csv").messages == [
        f"rows.csv:1: byte 0xe9 at offset 13 is not UTF-8. Fix: {FIX_ENCODING}"
    ]


@pytest.mark.parametrize("form", ["list", "keyed", "data", "objects"])
def test_a_broken_byte_in_a_document_is_one_bad_row(tmp_path, form):
    rows = [json.dumps(qa(number)).encode() for number in range(6)]
    rows[3] = rows[3].replace(b"answer", b"answ\xe9r", 1)
    listed = b"[" + b",\n".join(rows) + b"]"
    data = {
        "list": listed,
        "keyed": b"{" + b",\n".join(b'"%d": ' % number + row for number, row in enumerate(rows)) + b"}",
        "data": b'{"name": "x", "data": ' + listed + b"}",
        "objects": b"\n".join(rows).replace(b"{", b"{\n"),
    }[form]
    (tmp_path / "rows.json").write_bytes(data)
    done = read(tmp_path, "rows.json")
    assert (done.messages, len(done.rows)) == ([], 5)
    (message,) = done.row_messages
    assert f"row 4: byte 0xe9 at offset {data.index(0xE9)} is not UTF-8" in message


@pytest.mark.parametrize("asked", ["auto", "gb18030"])
def test_a_broken_pair_in_chinese_lines_is_one_bad_row(tmp_path, asked):
    lines = [
        json.dumps({"question": f"{CHINESE}{number}", "answer": f"可以的，{CHINESE}"}, ensure_ascii=False)
        for number in range(40)
    ]
    coded = [line.encode("gb18030") for line in lines]
    coded[20] = coded[20].replace("茶".encode("gb18030"), b"\xff\xff", 1)
    data = b"\n".join(coded) + b"\n"
    (tmp_path / "rows.jsonl").write_bytes(data)
    done = read(tmp_path, "rows.jsonl", asked)
    assert (done.messages, len(done.rows), done.reader.encoding) == ([], 39, "gb18030")
    offset = f"{data.index(0xFF):,}"
    assert done.row_messages == [
        f"rows.jsonl:21: row 21: byte 0xff at offset {offset} is not gb18030. "
        "Fix: set data.encoding to what the file is written in, or save it as UTF-8"
    ]
    assert [row.value for row in done.rows] == [json.loads(line) for line in lines[:20] + lines[21:]]


def test_texts_that_hold_the_replacement_character_stay(tmp_path):
    (tmp_path / "rows.csv").write_bytes("question,answer\nq\ufffd,a\n".encode() + b"caf\xe9,b\n")
    done = read(tmp_path, "rows.csv")
    assert done.values == [{"question": "q\ufffd", "answer": "a"}]
    assert [problem.where for problem in done.row_problems] == ["rows.csv:3"]


def test_nothing_is_claimed_of_an_end_that_was_not_read(tmp_path):
    row = "question of the first clinic,answer\n" * 100_000
    (tmp_path / "rows.csv").write_text("question,answer\nq,\x00\n" + row)
    done = read(tmp_path, "rows.csv")
    assert (len(done.messages), done.reader.closing_note(0)) == (1, "")


def test_a_broken_byte_in_the_only_object_of_a_document(tmp_path):
    (tmp_path / "rows.json").write_bytes(b'{"question": "caf\xe9",\n"answer": "a"}')
    done = read(tmp_path, "rows.json")
    assert (done.rows, done.row_messages) == (
        [],
        [f"rows.json:1: row 1: byte 0xe9 at offset 17 is not UTF-8. Fix: {FIX_ENCODING}"],
    )


def test_many_broken_places_refuse_the_file_and_claim_nothing_of_its_end(tmp_path):
    text = "question,answer\n" + "".join(f"été {number},à {number}\n" for number in range(100))
    (tmp_path / "rows.csv").write_bytes(text.encode("cp1252").rstrip())
    done = read(tmp_path, "rows.csv", "utf-8")
    assert done.messages == [f"rows.csv:2: byte 0xe9 at offset 16 is not UTF-8. Fix: {FIX_ENCODING}"]
    assert (done.rows, done.reader.closing_note(0)) == ([], "")


def test_utf_8_read_as_another_code_refuses_the_file(tmp_path):
    (tmp_path / "rows.csv").write_text("question,answer\n" + f"{CHINESE},好\n" * 200, encoding="utf-8")
    done = read(tmp_path, "rows.csv", "gb18030")
    assert (len(done.messages), done.rows) == (1, [])
    assert "is not gb18030. Fix: set data.encoding to what the file is written in" in done.messages[0]


def test_a_broken_byte_between_rows_refuses_a_document(tmp_path):
    (tmp_path / "rows.json").write_bytes(b'[{"question": "q", "answer": "a"},\n\xff{"question": "p", "answer": "b"}]')
    assert read(tmp_path, "rows.json").messages == [
        f"rows.json:2: row 2: byte 0xff at offset 35 is not UTF-8. Fix: {FIX_ENCODING}"
    ]


def test_bad_places_are_the_same_for_any_blocks():
    data = CHINESE.encode("gb18030") * 20
    data = data[:101] + b"\xff" + data[101:300] + b"\xff\n" + data[300:]
    found = set()
    for size in (1, 3, 50, 1000):
        bad = encodings.BadPlaces(encodings.Encoding("gb18030"))
        blocks = [data[start : start + size] for start in range(0, len(data), size)]
        text = "".join(encodings.texts(blocks, encodings.Encoding("gb18030"), bad))
        found.add((text, tuple(bad.take(text))))
    assert len(found) == 1
    ((_, words),) = found
    assert f"byte 0xff at offset {data.rindex(0xFF)} is not gb18030" in words


# cells as one sees them


@pytest.mark.parametrize(
    ("value", "number_format", "text", "how"),
    [
        (0.5, "0%", "50%", "formatted"),
        (0.125, "0.0%", "12.5%", "formatted"),
        (1234.5, '#,##0.00" EUR"', "1,234.50 EUR", "formatted"),
        (1234.5, '_-* #,##0.00\\ "€"_-;\\-* #,##0.00\\ "€"_-', "1,234.50 €", "formatted"),
        (-1234.5, "$#,##0.00_);[Red]($#,##0.00)", "($1,234.50)", "formatted"),
        (-5, "$#,##0", "-$5", "formatted"),
        (1234567.0, "[$£-809]#,##0", "£1,234,567", "formatted"),
        (7, "000", "007", "formatted"),
        (12, 'General" mg"', "12 mg", "formatted"),
        (2.345, "0.00", "2.35", "formatted"),
        (0.1, "0.##", "0.1", ""),
        (0.1, "General", "0.1", ""),
        (3, "@", "3", ""),
        (0.5, "# ?/?", "0.5", "unknown"),
        (1234567, "0.0,", "1234567", "unknown"),
        (12345, "0.00E+00", "12345", "unknown"),
        (5551234, "000-0000", "5551234", "unknown"),
        (5, "[>3]0;0", "5", "unknown"),
    ],
)
def test_numbers_as_their_format_shows_them(value, number_format, text, how):
    assert as_shown(value, number_format) == (text, how)


def test_a_workbook_says_how_cells_became_text(tmp_path):
    book = openpyxl.Workbook()
    sheet: Any = book.active
    sheet.append(["question", "answer"])
    for value, number_format in ((0.5, "0%"), (1234.5, "#,##0.00"), (0.5, "# ?/?"), (7, "General")):
        sheet.append(["q", value])
        sheet.cell(sheet.max_row, 2).number_format = number_format
    book.save(tmp_path / "rows.xlsx")
    done = read(tmp_path, "rows.xlsx")
    assert [row["answer"] for row in done.values] == ["50%", "1,234.50", "0.5", "7"]
    assert done.notes[1:] == [
        "rows.xlsx: 2 cells written as their number format shows them",
        "rows.xlsx: 1 cell whose number format is not applied; the plain value is taken, perhaps not what one sees",
    ]


# the text a question is about


@pytest.mark.parametrize(
    ("column", "question", "answer"),
    [
        ("context", "instruction", "response"),
        ("Passage", "question", "answer"),
        ("input", "question", "answer"),
        ("input", "instruction", "response"),
        ("background", "instruction", "output"),
    ],
)
def test_a_passage_is_joined_with_its_question(tmp_path, column, question, answer):
    rows = [{question: f"q{n}", column: "" if n == 2 else f"passage {n}", answer: f"a{n}"} for n in range(3)]
    splits = load(tmp_path, rows)
    contents = sorted(row.messages[0].content for row in all_rows(splits))
    assert contents == ["q0\n\npassage 0", "q1\n\npassage 1", "q2"]
    assert f"rows.jsonl: question and {column} joined by an empty line in 2 rows" in splits.report.notes
    assert not any("not used" in note for note in splits.report.notes)


def test_a_passage_under_another_name(tmp_path):
    rows = [{"question": f"q{n}", "leaflet": [f"one {n}", "two"], "context": "topic", "answer": "a"} for n in range(2)]
    splits = load(tmp_path, rows, columns={"context": "leaflet"})
    assert sorted(row.messages[0].content for row in all_rows(splits)) == ["q0\n\none 0\n\ntwo", "q1\n\none 1\n\ntwo"]
    assert "rows.jsonl: columns not used: context" in splits.report.notes
    rows[0]["leaflet"] = {"id": 1}
    assert refused(tmp_path, rows, columns={"context": "leaflet"}) == [
        "rows.jsonl:1: row 1, key leaflet: text is due for what the question is about, found an object. "
        "Fix: write text, or correct data.columns"
    ]


def test_a_context_that_is_the_question_is_taken_once(tmp_path):
    rows = [{"Context": f"q{n}", "Response": f"a{n}"} for n in range(2)]
    splits = load(tmp_path, rows, columns={"prompt": "Context", "completion": "Response"})
    assert sorted(row.messages[0].content for row in all_rows(splits)) == ["q0", "q1"]


def test_a_context_of_another_kind_is_told(tmp_path):
    rows = [{"question": f"q{n}", "context": {"ids": [1]}, "answer": f"a{n}"} for n in range(2)]
    notes = load(tmp_path, rows).report.notes
    assert "rows.jsonl: column context holds no text and is not used in 2 rows" in notes


def test_squad_rows_are_told_what_to_do(tmp_path):
    row = {"question": CANARY, "context": CANARY, "answers": {"text": [CANARY], "answer_start": [0]}}
    (message,) = refused(tmp_path, [row])
    assert "the answers are an object, as in SQuAD; columns found: question, context, answers" in message
    assert message.endswith("as text, into a column answer (in SQuAD: answers.text[0])")


# turns as OpenAI writes them


def _talk(answer: object, question: object = "q", **keys: object) -> dict[str, Any]:
    user = {"role": "user", "content": question}
    return {"messages": [user, {"role": "assistant", "content": answer, **keys}]}


@pytest.mark.parametrize("weight", [0, 0.0, False])
def test_a_turn_of_weight_0_makes_a_bad_row(tmp_path, weight):
    rows = [_talk("a", "q1", weight=1), _talk(CANARY, "q2", weight=weight), _talk("b", "q3", weight=None)]
    assert refused(tmp_path, rows) == [
        "rows.jsonl:2: row 2, message 2: has weight 0: it must not be trained, and every answer of a row is. "
        "Fix: remove the row, or the question with this answer; or set the weight to 1 to train it"
    ]


def test_names_of_speakers_are_told_of(tmp_path):
    rows = [_talk(f"a{n}", f"q{n}") for n in range(2)]
    rows[0]["messages"][0]["name"] = CANARY
    assert "rows.jsonl: keys of turns not used: name" in load(tmp_path, rows).report.notes


def test_thinking_in_answers_is_told_of(tmp_path):
    rows = [_talk("<think>hm</think>yes", "q1"), _talk("no", "q2"), _talk("later", "<think>")]
    assert [note for note in load(tmp_path, rows).report.notes if "think" in note] == [
        "rows.jsonl: answers hold thinking between <think> and </think> in 1 row: "
        "base.thinking: off leaves it out, keep trains it"
    ]


def test_parts_of_text_are_joined_and_others_are_named(tmp_path):
    parts = [{"type": "text", "text": "first"}, {"type": "text", "text": "second"}]
    splits = load(tmp_path, [_talk("a1", parts), _talk("a2", "q")])
    assert ("user", "first\nsecond") in [turns(row)[0] for row in all_rows(splits)]
    assert "rows.jsonl: 1 turn written as parts of text, joined by a line end" in splits.report.notes
    sound = {"type": "input_audio", "input_audio": {"data": CANARY}}
    assert refused(tmp_path, [_talk("a", "q"), _talk("b", [*parts, sound])]) == [
        "rows.jsonl:2: row 2, message 1: holds a part of type input_audio; only texts and images are read. "
        "Fix: remove the part, or the row"
    ]


# tables and folders


@pytest.mark.parametrize(("start", "mark", "name"), [("sep=;", ";", "semicolons"), ('"SEP=|"', "|", 'the mark "|"')])
def test_the_line_that_tells_excel_the_separator(tmp_path, start, mark, name):
    lines = [start, f"question{mark}answer", f"q, 1{mark}a", f"q{mark}a{mark}b", f'"q\n2"{mark}b']
    (tmp_path / "rows.csv").write_bytes("\r\n".join(lines).encode("utf-8-sig"))
    done = read(tmp_path, "rows.csv")
    assert done.values == [{"question": "q, 1", "answer": "a"}, {"question": "q\n2", "answer": "b"}]
    assert [row.line for row in done.rows] == [3, 5]
    assert done.row_messages[0].startswith("rows.csv:4: row 2: has 3 cells")
    note = f"rows.csv: cells are separated by {name}, from its first line, sep=, which is no row"
    assert note in done.notes


def test_pairs_are_opened_as_they_are_spelled(tmp_path):
    folder = tmp_path / "pairs"
    folder.mkdir()
    for number in range(3):
        (folder / f"{number}.Question.txt").write_text(f"q{number}")
        (folder / f"{number}.ANSWER.txt").write_text(f"a{number}")
    (folder / "notes.md").write_text("x")
    (folder / "3.Question.TXT").write_bytes(b"\xff" * 30)
    (folder / "3.Answer.txt").write_bytes(b"\xff" * 30)
    done = read(tmp_path, "pairs", "utf-8")
    assert done.values == [{"question": f"q{n}", "answer": f"a{n}"} for n in range(3)]
    (message,) = done.row_messages  # one bad row, though both halves are broken
    assert message.startswith("pairs/3.Question.TXT:1: row 4: byte 0xff at offset 0 is not UTF-8; and the answer's")
    assert "pairs: 1 other entry of the folder not read" in done.notes


def test_a_pair_with_two_questions_is_refused(tmp_path):
    folder = tmp_path / "pairs"
    folder.mkdir()
    for name in ("1.question.txt", "1.Question.txt", "1.answer.txt"):
        (folder / name).write_text("x")
    sources, problems = find(tmp_path, "pairs")
    assert (sources, [problem.what for problem in problems]) == (
        [],
        ["holds two files NAME.question.txt for one pair, which differ in upper and lower case only"],
    )
