"""The data room end to end: layouts, notes, the report. Also the helpers of the other test_data files."""

from __future__ import annotations

import csv
import json
import re
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest

from finetune import data, recipe
from finetune.errors import DataError, Problem

CANARY = "Mrs-Zebedee-Quux has asthma"


def load(folder: Path, content: Any = None, name: str = "rows.jsonl", **words: Any) -> data.Splits:
    """Load rows through a real recipe. `content`: bytes, text, or rows to write as JSON Lines."""
    if content is not None:
        write(folder / name, content)
    words = {"train": name, **words}
    seed = words.pop("seed", 0)
    text = json.dumps({"recipe": 1, "base": {"model": "starter"}, "data": words, "train": {"seed": seed}})
    (folder / "recipe.yaml").write_text(text, encoding="utf-8")
    return data.load(recipe.load(folder / "recipe.yaml"))


def write(path: Path, content: Any) -> None:
    if isinstance(content, list):
        content = "".join(json.dumps(row) + "\n" for row in content)
    path.write_bytes(content if isinstance(content, bytes) else content.encode("utf-8", "surrogatepass"))


def refused(folder: Path, content: Any = None, name: str = "rows.jsonl", **words: Any) -> list[str]:
    """The messages of the DataError that these rows must raise, without the count of bad rows before them."""
    with pytest.raises(DataError) as caught:
        load(folder, content, name, **words)
    problems = [problem for problem in caught.value.problems if isinstance(problem, Problem)]
    assert len(problems) == len(caught.value.problems)
    assert all(problem.fix for problem in problems), "every problem says what to do"
    return [str(problem) for problem in problems if problem.key != "data.bad_rows"]


def qa(number: int, **more: Any) -> dict[str, Any]:
    return {"question": f"question {number}?", "answer": f"answer {number}.", **more}


def chat(*contents: str, system: str | None = None) -> dict[str, Any]:
    turns = [{"role": "assistant" if index % 2 else "user", "content": text} for index, text in enumerate(contents)]
    return {"messages": ([{"role": "system", "content": system}] if system else []) + turns}


def all_rows(splits: data.Splits) -> list[data.Conversation]:
    """Both splits in file order."""
    return sorted([*splits.train, *splits.held_out], key=lambda row: _position(row.where))


def _position(place: str) -> tuple[int, ...]:
    return tuple(map(int, re.findall(r"\d+", place.rpartition(":")[2])))


def turns(row: data.Conversation) -> list[tuple[str, str]]:
    return [(message.role, message.content) for message in row.messages]


def test_messages(tmp_path):
    splits = load(tmp_path, [chat("q1", "a1", "q2", "a2", system="s"), chat("q", "a")])
    first, second = all_rows(splits)
    assert turns(first) == [
        ("system", "s"),
        ("user", "q1"),
        ("assistant", "a1"),
        ("user", "q2"),
        ("assistant", "a2"),
    ]
    assert turns(second) == [("user", "q"), ("assistant", "a")]
    assert (first.where, second.where) == ("rows.jsonl:1", "rows.jsonl:2")
    assert "rows.jsonl: messages, from column messages" in splits.report.notes


def test_sharegpt_roles_are_mapped_and_said(tmp_path):
    rows = [
        {"conversations": [{"from": "human", "value": "q"}, {"from": "gpt", "value": "a"}], "system": "s"},
        {"conversations": [{"role": "user", "content": "q2"}, {"role": "bot", "content": "a2"}]},
    ]
    splits = load(tmp_path, rows)
    first, second = all_rows(splits)
    assert turns(first) == [("system", "s"), ("user", "q"), ("assistant", "a")]
    assert turns(second) == [("user", "q2"), ("assistant", "a2")]
    assert any("read as user and assistant" in note for note in splits.report.notes)


def test_alpaca_joins_input_and_takes_history_and_system(tmp_path):
    rows = [
        {"instruction": "i", "input": "x", "output": "o", "system": "s", "history": [["q0", "a0"]]},
        {"instruction": "i2", "input": "", "output": "o2", "history": []},
        {"instruction": "", "input": "only input", "output": "o3"},
        {"instruction": "i4", "input": None, "output": "o4"},
    ]
    splits = load(tmp_path, json.dumps(rows, indent=1), "rows.json")
    got = [turns(row) for row in all_rows(splits)]
    assert got[0] == [
        ("system", "s"),
        ("user", "q0"),
        ("assistant", "a0"),
        ("user", "i\n\nx"),
        ("assistant", "o"),
    ]
    assert [row[0][1] for row in got[1:]] == ["i2", "only input", "i4"]
    notes = splits.report.notes
    assert "rows.json: alpaca, from columns instruction, output" in notes
    assert "rows.json: instruction and input joined by an empty line in 1 row" in notes


def test_json_rows_carry_the_line_they_start_at(tmp_path):
    text = '[\n {"question": "q1",\n  "answer": "a1"}, {"question": "q2", "answer": "a2"},\n\n\n'
    text += ' {"question":\n "q3", "answer": "a3"}\n]\n'
    splits = load(tmp_path, text, "rows.json")
    assert sorted(row.where for row in [*splits.train, *splits.held_out]) == [
        "rows.json:2",
        "rows.json:3",
        "rows.json:6",
    ]


@pytest.mark.parametrize(
    ("question", "answer"),
    [
        ("question", "answer"),
        ("prompt", "response"),
        ("query", "reply"),
        ("q", "a"),
        ("Ask", " ANSWER"),
        ("input", "output"),
    ],
)
def test_question_answer_names(tmp_path, question, answer):
    splits = load(tmp_path, [{question: f"q{n}", answer: f"a{n}", "id": n} for n in range(3)])
    assert [turns(row)[1][1] for row in all_rows(splits)] == ["a0", "a1", "a2"]
    assert "rows.jsonl: columns not used: id" in splits.report.notes
    assert splits.report.files[0].format == "question_answer"


def test_columns_override(tmp_path):
    rows = [{"frage": f"q{n}", "antwort": f"a{n}", "rolle": "s", "answer": "not this"} for n in range(3)]
    columns = {"prompt": "frage", "completion": "antwort", "system": "rolle"}
    splits = load(tmp_path, rows, columns=columns)
    assert turns(all_rows(splits)[0]) == [("system", "s"), ("user", "q0"), ("assistant", "a0")]
    assert "rows.jsonl: question_answer, from data.columns: frage, antwort" in splits.report.notes


def test_columns_make_unknown_names_readable(tmp_path):
    rows = [{"vraag": f"q{n}", "antwoord": f"a{n}"} for n in range(3)]
    assert "the layout is not recognised; columns found: vraag, antwoord" in refused(tmp_path, rows)[0]
    splits = load(tmp_path, rows, columns={"prompt": "vraag", "completion": "antwoord"})
    assert len(all_rows(splits)) == 3


def test_columns_that_are_not_there(tmp_path):
    assert refused(tmp_path, [qa(1)], columns={"prompt": "frage"}) == [
        "rows.jsonl:1: columns: has no columns frage as data.columns says; columns found: question, answer. "
        "Fix: correct data.columns"
    ]


def test_more_than_one_candidate_is_not_guessed(tmp_path):
    message = refused(tmp_path, [{"question": "q", "prompt": "p", "answer": "a"}])[0]
    assert message == (
        "rows.jsonl:1: columns: more than one column can be the question (question, prompt) or the answer "
        "(answer). Fix: say which in data.columns: {prompt: ..., completion: ...}"
    )


@pytest.mark.parametrize("delimiter,word", [(",", "commas"), (";", "semicolons"), ("\t", "tabs")])
def test_csv_delimiter_is_recognised_and_said(tmp_path, delimiter, word):
    lines = [delimiter.join(cells) for cells in (("question", "answer"), ("q, 1", "a1"), ("q2", "a2"))]
    if delimiter == ",":
        lines[1] = '"q, 1",a1'
    splits = load(tmp_path, "\n".join(lines) + "\n", "rows.csv")
    assert turns(all_rows(splits)[0]) == [("user", "q, 1"), ("assistant", "a1")]
    assert f"rows.csv: cells are separated by {word}, from its header line" in splits.report.notes


def test_csv_lines_are_those_a_record_starts_at(tmp_path):
    splits = load(tmp_path, 'question,answer\nq1,"a\nb\nc"\n\nq2,a2\n', "rows.csv")
    assert [row.where for row in all_rows(splits)] == ["rows.csv:2", "rows.csv:6"]
    assert turns(all_rows(splits)[0])[1] == ("assistant", "a\nb\nc")


def test_parquet(tmp_path):
    import pyarrow as pa
    import pyarrow.parquet as parquet

    rows = [{"messages": chat(f"q{n}", f"a{n}")["messages"]} for n in range(3)]
    parquet.write_table(pa.Table.from_pylist(rows), tmp_path / "rows.parquet")
    splits = load(tmp_path, name="rows.parquet")
    assert [row.where for row in all_rows(splits)] == ["rows.parquet:1", "rows.parquet:2", "rows.parquet:3"]
    assert splits.report.files[0].encoding == "parquet"


def test_system_prompt_comes_first_where_a_row_has_none(tmp_path):
    rows = [chat("q1", "a1", system="own"), chat("q2", "a2"), chat("q3", "a3")]
    splits = load(tmp_path, rows, system_prompt="house")
    assert [turns(row)[0] for row in all_rows(splits)] == [("system", "own"), ("system", "house"), ("system", "house")]
    note = "data.system_prompt put before 2 rows; 1 keep a system turn of their own"
    assert note in splits.report.notes


def test_patterns_and_lists(tmp_path):
    for number in range(3):
        write(tmp_path / f"part{number}.jsonl", [qa(number)])
    write(tmp_path / "more.csv", "question,answer\nx,y\n")
    splits = load(tmp_path, train=["part*.jsonl", "more.csv"])
    assert [facts.name for facts in splits.report.files] == ["part0.jsonl", "part1.jsonl", "part2.jsonl", "more.csv"]
    assert splits.report.num_rows_read == 4


def test_a_file_named_twice_is_refused(tmp_path):
    write(tmp_path / "rows.jsonl", [qa(1), qa(2)])
    message = refused(tmp_path, train=["*.jsonl", "rows.jsonl"])[0]
    assert message.endswith("data.train: rows.jsonl is named twice. Fix: name each file once")


def test_report_is_json_safe_and_tells_no_path_and_no_row(tmp_path):
    rows = [qa(number, note=CANARY) for number in range(40)]
    rows += [{"question": f"{CANARY} {number}", "answer": CANARY, "note": ""} for number in range(40)]
    splits = load(tmp_path, rows + rows[:3], group_by="question", system_prompt=CANARY)
    report = splits.report.as_dict()
    text = json.dumps(report)
    assert "Zebedee" not in text
    assert str(tmp_path) not in text
    assert report["num_rows_read"] == 83
    assert report["num_train"] + report["num_held_out"] == 80
    assert report["dropped"] == {"duplicate": 3}
    assert report["files"][0]["num_rows"] == 83
    assert len(report["files"][0]["sha256"]) == 64
    assert len(report["fingerprint"]) == 64


def test_absolute_path_is_not_kept(tmp_path):
    write(tmp_path / "rows.jsonl", [qa(1), qa(2)])
    splits = load(tmp_path, train=str(tmp_path / "rows.jsonl"))
    assert splits.report.files[0].name == "rows.jsonl"
    assert str(tmp_path) not in json.dumps(splits.report.as_dict())


def test_ten_thousand_rows_in_ten_seconds(tmp_path):
    rows = [(f"What is {number}, ünd {'word ' * 30}", f"{'answer ' * 100}{number}") for number in range(10_000)]
    write(tmp_path / "rows.jsonl", [chat(*row) for row in rows])
    write(tmp_path / "rows.json", json.dumps([{"instruction": q, "output": a} for q, a in rows], indent=1))
    with open(tmp_path / "rows.csv", "w", newline="", encoding="utf-8") as file:
        csv.writer(file).writerows([("question", "answer"), *rows])
    for name in ("rows.jsonl", "rows.json", "rows.csv"):
        before = time.process_time()
        assert load(tmp_path, name=name).report.num_rows_read == 10_000
        assert time.process_time() - before < 10, name  # every check; 4 seconds where nothing else runs


def test_nothing_heavy_is_imported():
    heavy = "'torch', 'transformers', 'pandas', 'pyarrow', 'numpy', 'datasets', 'phonenumbers', 'openpyxl'"
    code = f"import sys, finetune.data; print(sorted({{{heavy}}} & set(sys.modules)))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
