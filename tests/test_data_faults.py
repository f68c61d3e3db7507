"""One test per numbered fault of data files: the exact message, with its place, and never the text of a row."""

from __future__ import annotations

import json
import os
import shutil
import tempfile

import pytest
from test_data_room import CANARY, all_rows, chat, load, qa, refused, turns, write

from finetune import checking, recipe
from finetune.data.shapes import name_shown
from finetune.errors import DataError, SurroundingsError

GOOD = json.dumps(qa(1)) + "\n" + json.dumps(qa(2)) + "\n"


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
        "instruction + output (+ input); question + answer; prompt + completion; prompt + chosen + rejected; "
        "prompt + completion + label"
    ]
    (message,) = refused(tmp_path, [qa(1)], format="alpaca")
    assert "the columns are not those of data.format alpaca; columns found: question, answer" in message


def test_fault_36_a_missing_header_does_not_leak_its_row(tmp_path):
    (message,) = refused(tmp_path, f"{CANARY} since 2019,she was told to rest\nq,a\n", "rows.csv")
    assert "columns found: <38 characters>, <20 characters>" in message


@pytest.mark.parametrize(
    ("name", "shown"),
    [
        ("answer_text", "answer_text"),
        ("Last Visit", "<10 characters>"),  # a capital behind a blank: a person, for all we know
        ("Ann Miller", "<10 characters>"),
        ("patient Ann Miller", "<18 characters>"),
        ("patient ID", "patient ID"),
        ("王小明", "<3 characters>"),
        ("欧阳小明", "<4 characters>"),
        ("患者王小明", "<5 characters>"),
        ("王小明 2", "<5 characters>"),
        ("やまだ", "<3 characters>"),
        ("김철수", "<3 characters>"),
        ("问题", "问题"),
        ("标准答案", "标准答案"),
        ("用户_1", "用户_1"),
        ("질문", "질문"),
        ("two\nlines", "<9 characters>"),
        ("a" * 33, "<33 characters>"),
        ("", "<0 characters>"),
    ],
)
def test_names_that_may_be_a_persons_are_not_shown(name, shown):
    assert name_shown(name) == shown


def test_fault_36_no_persons_name_from_a_missing_header(tmp_path):
    (message,) = refused(tmp_path, "Ann Miller,王小明,病人\nq,a,b\n", "rows.csv")
    assert "columns found: <10 characters>, <3 characters>, 病人. Fix" in message
    (message,) = refused(tmp_path, "王小明,王小明\nq,a\n", "rows.csv")
    assert "two columns have the same name: <3 characters>" in message
    row = {"messages": [{"role": "王小明", "content": "q"}, {"role": "assistant", "content": "a"}]}
    (message,) = refused(tmp_path, [row])
    assert "(got <3 characters>)" in message and "{...: user or assistant}" in message
    report = load(tmp_path, [qa(1, 王小明="x"), qa(2)]).report
    assert "rows.jsonl: columns not used: <3 characters>" in report.notes


def test_names_that_the_recipe_names_are_shown(tmp_path):
    rows = [{"病人怎么说": "q", "我们怎么说": ""}]
    columns = {"prompt": "病人怎么说", "completion": "我们怎么说"}
    assert refused(tmp_path, rows, columns=columns)[0].startswith(
        "rows.jsonl:1: row 1, key 我们怎么说: the answer is empty"
    )
    (message,) = refused(tmp_path, [{"病人怎么说": "q", "王小明": "a"}], columns=columns)
    assert (
        "has no columns 病人怎么说, 我们怎么说 as data.columns says; columns found: 病人怎么说, <3 characters>"
        in message
    )
    row = {"messages": [{"role": "值班员", "content": "q"}, {"role": "assistant", "content": "a"}]}
    notes = load(tmp_path, [row, chat("b", "c")], roles={"值班员": "user"}).report.notes
    assert "rows.jsonl: roles read as data.roles says: 值班员 as user" in notes
    notes = load(tmp_path, [qa(1, 值班室="x"), qa(2, 值班室="y")], group_by="值班室").report.notes
    assert "rows are grouped by the column 值班室" in notes


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
        "rows.jsonl:2: row 2, message 1: role is unknown (got doctor). Fix: use one of system, user, assistant, tool, "
        "or say who it is in data.roles: {doctor: user or assistant}",
        "rows.jsonl:2: row 2, message 2: role is unknown (got gpt). Fix: write assistant, "
        "or say who it is in data.roles: {gpt: user or assistant}",
    ]
    # what does not look like a name is patient text for all we know
    row = {"messages": [{"role": f"{CANARY}, she said", "content": "q"}, {"role": "assistant", "content": "a"}]}
    assert refused(tmp_path, [row]) == [
        "rows.jsonl:1: row 1, message 1: role is unknown (got <37 characters>). Fix: use one of system, user, "
        "assistant, tool, or say who it is in data.roles: {...: user or assistant}"
    ]
    row = {"conversations": [{"from": "patient", "value": "q"}, {"from": "gpt", "value": "a"}]}
    assert refused(tmp_path, [row]) == [
        "rows.jsonl:1: row 1, message 1: role is unknown (got patient). Fix: use one of human, gpt, system, "
        "function_call, observation, or say who it is in data.roles: {patient: user or assistant}"
    ]
    other = {"conversations": [{"from": "patient", "value": "where"}, {"from": "gpt", "value": "there"}]}
    splits = load(tmp_path, [row, other], roles={"patient": "user"})
    assert turns(all_rows(splits)[0]) == [("user", "q"), ("assistant", "a")]
    assert "rows.jsonl: roles read as data.roles says: patient as user" in splits.report.notes


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


def test_fault_39_is_counted_and_dropped_only_if_the_recipe_says_so(tmp_path):
    rows = [chat(f"q{number}", "a") for number in range(8)] + [chat("q", "a", CANARY), chat("q", "a", "q")]
    with pytest.raises(DataError) as caught:
        load(tmp_path, rows)
    assert str(caught.value.problems[0]) == (
        "recipe.yaml:1:45: data.bad_rows: 2 of 10 rows cannot be used, 0 are allowed. Fix: correct what is named "
        "below, or leave these rows out: data.bad_rows: 2"
    )
    what = "the last turn is the user's, so there is nothing to learn"
    assert caught.value.report.bad_rows == {
        "num": 2,
        "allowed": "0",
        "num_untold": 0,
        "reasons": [{"what": what, "num": 2, "places": ["rows.jsonl:9", "rows.jsonl:10"]}],
    }
    splits = load(tmp_path, rows, bad_rows=2)
    assert splits.report.dropped == {"bad row": 2, "duplicate": 0}
    assert f"2 bad rows left out: {what} (rows.jsonl:9, rows.jsonl:10)" in splits.report.warnings
    assert len(all_rows(splits)) == 8
    assert load(tmp_path, rows, bad_rows=0.2).report.bad_rows["allowed"] == "0.2 (2 rows)"
    assert len(refused(tmp_path, rows, bad_rows=0.19)) == 2


@pytest.mark.parametrize("empty", ["", " \n\t", " " * 100, "\u200b", "\ufeff\u00ad"])
def test_fault_40_empty_question_or_answer(tmp_path, empty):
    rows = [qa(1), {"question": empty, "answer": "a"}, {"question": "q", "answer": empty}]
    assert refused(tmp_path, rows) == [
        "rows.jsonl:2: row 2, key question: the question is empty. Fix: fill it in, or remove the row",
        "rows.jsonl:3: row 3, key answer: the answer is empty. Fix: fill it in, or remove the row",
    ]


def test_fault_43_all_rows_gone(tmp_path):
    rows = [{"prompt": f"q{number}", "completion": CANARY, "label": False} for number in range(3)]
    assert refused(tmp_path, [*rows, {"prompt": "q", "completion": "", "label": True}], bad_rows=1) == [
        "recipe.yaml:1:54: data.train: no row is left to train on: of 4 rows, 3 as disliked answer, 1 as bad row were "
        "left out. Fix: add rows, or loosen these rules"
    ]
    rows = [{"question": f"q{number}", "answer": "I'm sorry, but I cannot help with that."} for number in range(3)]
    (message,) = refused(tmp_path, rows, checks={"refusal": "drop"})
    assert "data.train: no row is left to train on: of 3 rows, 3 as data.checks.refusal were left out" in message


def test_fault_44_only_a_handful_of_rows(tmp_path):
    splits = load(tmp_path, [qa(number) for number in range(10)])
    assert "only 9 training rows; fewer than 20 teach little" in splits.report.warnings
    assert load(tmp_path, [qa(number) for number in range(40)]).report.warnings == []


def test_fault_62_chat_markers_are_counted(tmp_path):
    rows = [*map(qa, range(20)), {"question": "<|im_end|><|im_start|>system", "answer": "a"}]
    report = load(tmp_path, rows).report
    assert report.findings["chat_markers"]["places"] == ["rows.jsonl:21"]
    assert any("1 of 21 rows: chat markers" in line for line in report.warnings)


def test_fault_58_nothing_is_cached(tmp_path):
    first = load(tmp_path, [qa(1), qa(2)])
    stat = (tmp_path / "rows.jsonl").stat()
    write(tmp_path / "rows.jsonl", [qa(1), qa(7)])
    os.utime(tmp_path / "rows.jsonl", ns=(stat.st_atime_ns, stat.st_mtime_ns))
    assert (tmp_path / "rows.jsonl").stat().st_size == stat.st_size
    second = load(tmp_path)
    assert {row.messages[0].content for row in all_rows(second)} == {"question 1?", "question 7?"}
    assert first.report.files[0].sha256 != second.report.files[0].sha256
    assert first.report.fingerprint != second.report.fingerprint


def test_fault_63_personal_data(tmp_path):
    secrets = ("ann.miller@lakeside-clinic.co.uk", "(415) 555-2671", "1986", "4417281", CANARY)
    rows = [qa(number) for number in range(20)]
    rows += [qa(20, answer=f"Write to {secrets[0]}, or call +1 {secrets[1]}."), qa(21)]
    rows += [{"question": f"Patient born 03/04/{secrets[2]}, MRN {secrets[3]}: what now?", "answer": f"Rest. {CANARY}"}]
    what = (
        "2 of 23 rows may hold personal data: birth_date 1, email 1, phone 1, record_number 1 "
        "(rows.jsonl:23, rows.jsonl:21)"
    )
    warned = load(tmp_path, rows).report
    assert f"{what}. Look at them, or set data.privacy: redact" in warned.warnings
    assert warned.privacy["kinds"]["birth_date"] == {"num": 1, "num_rows": 1, "places": ["rows.jsonl:23"]}
    assert refused(tmp_path, rows, privacy="refuse") == [
        f"recipe.yaml:1:77: data.privacy: {what}. Fix: remove it, or set data.privacy: redact (placeholders are "
        "trained instead) or warn"
    ]
    loaded = recipe.load(tmp_path / "recipe.yaml")
    written = json.dumps(checking.check(loaded, with_lengths=False).report)
    assert json.loads(written)["privacy"]["num_rows"] == 2
    assert json.loads(written)["verdict"]["kind"] == "not_ready"
    assert [secret for secret in secrets if secret in written] == []


def test_fault_65_no_licence(tmp_path):
    report = load(tmp_path, [qa(1), qa(2)]).report
    assert report.license is None
    assert "data.license is not set: nothing says under which licence the rows may be used" in report.notes
    report = load(tmp_path, [qa(1), qa(2)], license="cc-by-4.0").report
    assert report.license == "cc-by-4.0"
    assert not any("licence" in note for note in report.notes)


def test_fault_67_no_room_is_told_before_a_row_is_read(tmp_path):
    num_bytes = 2 * shutil.disk_usage(tempfile.gettempdir()).free
    with (tmp_path / "rows.jsonl").open("wb") as file:
        file.write(b"PK\x03\x04")  # would be refused as soon as it is read
        try:
            file.truncate(num_bytes)  # takes no room: a hole
        except OSError:
            pytest.skip("the file system has no files with holes of this size")
    with pytest.raises(SurroundingsError) as caught:
        load(tmp_path)
    assert str(caught.value) == (
        f"disk: no free space for the rows: about {num_bytes * 3 // 2:,} bytes are needed in the folder for temporary "
        "files. Fix: free space there, or name another folder in TMPDIR"
    )
    assert caught.value.exit_code == 4


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
