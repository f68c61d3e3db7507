"""`finetune check` as a command: what it writes and says, exit codes, and that no text of a row is ever in it."""

from __future__ import annotations

import csv
import json
import re
from pathlib import Path

import pytest
from commands_kit import Ended, finetune

CANARY = "zqcanary7319"
# What the summary, the JSON and the page must all agree on.
RECIPE = "recipe: 1\nname: clinic\nbase: {model: starter}\ndata: {train: rows.csv, license: CC0-1.0%s}\n"


def _rows(number: int = 40) -> list[dict[str, str]]:
    return [
        {"question": f"What is rule {k} of the house?", "answer": f"Rule {k} says: close door {7 * k} at night."}
        for k in range(number)
    ]


def _write(folder: Path, rows: list[dict[str, str]], more: str = "", name: str = "rows.csv") -> None:
    with (folder / name).open("w", encoding="utf-8", newline="") as file:
        table = csv.DictWriter(file, fieldnames=list(rows[0]))
        table.writeheader()
        table.writerows(rows)
    (folder / "recipe.yaml").write_text(RECIPE % more, encoding="utf-8")


def _everything(folder: Path, ended: Ended) -> str:
    """All that a check leaves behind, outside the data files."""
    texts = [ended.out, ended.err]
    texts += [path.read_text(encoding="utf-8") for path in sorted((folder / "checks").rglob("*")) if path.is_file()]
    return "\n".join(texts)


def _page(folder: Path) -> str:
    return (folder / "checks" / "clinic" / "check.html").read_text(encoding="utf-8")


def _report(folder: Path) -> dict:
    return json.loads((folder / "checks" / "clinic" / "check.json").read_bytes())


def test_good_rows_are_ready(tmp_path: Path) -> None:
    _write(tmp_path, _rows())
    ended = finetune("check", "recipe.yaml", cwd=tmp_path)
    assert ended.code == 0, ended.err
    report = _report(tmp_path)
    assert report["verdict"]["kind"] == "ready", report["verdict"]
    assert report["schema"] == 2
    assert report["verdict"]["sentence"] in ended.out
    assert ended.out.endswith("page      checks/clinic/check.html\njson      checks/clinic/check.json\n")
    page = _page(tmp_path)
    assert "Ready to train" in page and "可以开始训练" in page
    assert report["files"][0]["sha256"] in page and report["fingerprint"] in page and "CC0-1.0" in page
    assert str(tmp_path) not in _everything(tmp_path, ended), "no path of this machine"
    assert not re.findall(r'lang="en">[^<]{3,}', page.split('<article class="in-zh"')[1]), "every line is translated"


def test_json_is_the_report_and_nothing_else(tmp_path: Path) -> None:
    _write(tmp_path, _rows())
    ended = finetune("check", "recipe.yaml", "--json", cwd=tmp_path)
    assert json.loads(ended.out) == _report(tmp_path)
    assert "check.html" in ended.err
    (tmp_path / "rows.csv").write_text("question,answer\n")
    refused = finetune("check", "recipe.yaml", "--json", cwd=tmp_path)
    assert refused.code == 2
    assert json.loads(refused.out)["verdict"]["kind"] == "not_ready"


def test_bad_rows_are_refused_with_a_page_that_says_all_of_it(tmp_path: Path) -> None:
    rows = _rows()
    for k in (3, 9, 11):
        rows[k]["answer"] = ""
    _write(tmp_path, rows)
    ended = finetune("check", "recipe.yaml", cwd=tmp_path)
    assert ended.code == 2
    assert ended.err.splitlines()[1:] == [
        "error: rows.csv:5, rows.csv:11, rows.csv:13: key answer: the answer is empty. Fix: fill it in, or remove the "
        "row"
    ]
    report = _report(tmp_path)
    assert report["verdict"]["kind"] == "not_ready"
    (reason,) = [reason for reason in report["verdict"]["reasons"] if reason["stops"]]
    assert (reason["what"], reason["num"]) == ("key answer: the answer is empty", 3)
    page = _page(tmp_path)
    assert "Not ready to train" in page and "还不能训练" in page and "lines 5, 11, 13" in page and "答案为空" in page
    allowed = finetune("check", "recipe.yaml", "--set", "data.bad_rows=3", cwd=tmp_path)
    assert allowed.code == 0
    assert _report(tmp_path)["verdict"]["kind"] == "look"
    assert "3 broken rows were left out" in allowed.out


def test_a_fault_of_many_rows_is_one_line_on_stdout_and_one_on_stderr(tmp_path: Path) -> None:
    rows = _rows()
    for row in rows[:9]:
        row["answer"] = ""
    _write(tmp_path, rows)
    ended = finetune("check", "recipe.yaml", cwd=tmp_path)
    five = "rows.csv:2, rows.csv:3, rows.csv:4, rows.csv:5, rows.csv:6 and 4 more"
    assert f"1. key answer: the answer is empty: {five}. Fill it in, or remove the row.\n" in ended.out
    assert ended.err.splitlines()[1:] == [
        f"error: {five}: key answer: the answer is empty. Fix: fill it in, or remove the row"
    ]
    assert "...." not in ended.out + ended.err


def test_what_cannot_be_read_is_a_page_too(tmp_path: Path) -> None:
    _write(tmp_path, _rows())
    (tmp_path / "empty.jsonl").write_text("")
    ended = finetune("check", "recipe.yaml", "--set", "data.train=[rows.csv, empty.jsonl]", cwd=tmp_path)
    assert ended.code == 2
    assert "empty.jsonl: has no rows: the file is empty" in ended.err
    assert "没有数据行：文件是空的" in _page(tmp_path)
    assert _report(tmp_path)["num_rows_read"] == 40, "the other file was read all the same"


def test_a_wrong_recipe_writes_nothing(tmp_path: Path) -> None:
    _write(tmp_path, _rows(), more=", max_lenght: 3")
    ended = finetune("check", "recipe.yaml", cwd=tmp_path)
    assert (ended.code, ended.out) == (2, "")
    assert not (tmp_path / "checks").exists()


def test_output_names_another_folder_and_never_a_strangers_file(tmp_path: Path) -> None:
    _write(tmp_path, _rows())
    assert finetune("check", "recipe.yaml", "--output", "here/there", cwd=tmp_path).code == 0
    assert sorted(path.name for path in (tmp_path / "here" / "there").iterdir()) == ["check.html", "check.json"]
    assert not (tmp_path / "checks").exists()
    assert finetune("check", "recipe.yaml", "--output", "here/there", cwd=tmp_path).code == 0, "ours are replaced"
    (tmp_path / "here" / "there" / "check.html").write_text("mine")
    ended = finetune("check", "recipe.yaml", "--output", "here/there", cwd=tmp_path)
    assert ended.code == 2 and "exists, and no check wrote it" in ended.err
    assert (tmp_path / "here" / "there" / "check.html").read_text() == "mine"


def test_the_result_does_not_depend_on_the_number_of_processes(tmp_path: Path) -> None:
    rows = _rows(60)
    rows[7]["answer"] = rows[3]["answer"] = "Write to ann.miller@lakeside-clinic.co.uk about it."
    _write(tmp_path, rows)
    reports = []
    for number in ("1", "3"):
        assert finetune("check", "recipe.yaml", "--processes", number, cwd=tmp_path).code == 0
        report = _report(tmp_path)
        for key in ("checked_at", "seconds"):
            report.pop(key)
        report["lengths"].pop("seconds")
        reports.append(report)
    assert reports[0] == reports[1]


# -- no text of a row ------------------------------------------------------------------------------------------------

GOOD = {
    "question": f"Whom may I ask, {CANARY}q1?",
    "answer": f"Ask {CANARY}a1, they know. Mail {CANARY}a2@lakeside-clinic.co.uk about it.",
    "system": f"You are {CANARY}s1.",
    "unused_column": f"{CANARY}u1",
    "group": f"{CANARY}g1",
}
MESSAGES = {
    "messages": [
        {"role": "user", "content": f"{CANARY} weather?"},
        {"role": "assistant", "content": "", "tool_calls": [
            {"type": "function", "function": {"name": f"{CANARY}call", "arguments": {f"{CANARY}key": f"{CANARY}value"}}}
        ]},
        {"role": "tool", "name": f"{CANARY}tool", "content": f"{CANARY} rain"},
        {"role": "assistant", "content": f"It rains, {CANARY}."},
    ],
    "tools": [{"name": f"{CANARY}tool", "description": f"{CANARY}"}],
    f"{CANARY} and other things that nobody needs": 1,
}  # fmt: skip


def _with(**changes: str) -> dict[str, str]:
    return {**GOOD, **changes}


def _table(*rows: dict[str, str]) -> str:
    lines = [",".join(GOOD)]
    lines += [",".join('"' + row[column].replace('"', '""') + '"' for column in GOOD) for row in rows]
    return "\n".join(lines) + "\n"


def _numbered(number: int = 30) -> list[dict[str, str]]:
    return [_with(question=f"Question {k} {CANARY}?", answer=f"Answer {k} {CANARY}.") for k in range(number)]


CASES: dict[str, tuple[str, str, str, int]] = {
    # name: (file, its text, more settings, exit code)
    "good": ("rows.csv", _table(*_numbered(), GOOD), ", group_by: group", 2),
    "good_without_groups": ("rows.csv", _table(*_numbered(), GOOD), "", 0),
    "empty_answer": ("rows.csv", _table(GOOD, _with(answer=" ")), "", 2),
    "unclosed_quote": ("rows.csv", _table(GOOD) + f'{CANARY}b,"{CANARY}c\n', "", 2),
    "too_many_cells": ("rows.csv", _table(GOOD) + f"{CANARY}," * 9 + "\n", "", 2),
    "no_header": (
        "rows.csv", f"{CANARY} asks what one has to do,{CANARY} says to wait for now\n{CANARY},{CANARY}\n", "", 2,
    ),
    "twice_the_same_header": ("rows.csv", f"{CANARY} a b c d,{CANARY} a b c d\nx,y\n", "", 2),
    "broken_json": ("rows.jsonl", f'{{"question": "{CANARY}", "answer": "{CANARY}\n', "", 2),
    "two_on_a_line": ("rows.jsonl", f'{{"question": "{CANARY}", "answer": "a"}} {{"{CANARY}": 1}}\n', "", 2),
    "wrong_types": ("rows.jsonl", json.dumps({"question": [CANARY], "answer": {CANARY: CANARY}}) + "\n", "", 2),
    "unknown_role": (
        "rows.jsonl",
        json.dumps({"messages": [{"role": f"{CANARY} says this to him", "content": CANARY}]}) + "\n", "", 2,
    ),
    "turns_out_of_order": (
        "rows.jsonl",
        json.dumps({"messages": [{"role": role, "content": CANARY} for role in ("assistant", "user")]}) + "\n",
        "",
        2,
    ),
    "tool_calls": (
        "rows.jsonl", json.dumps(MESSAGES) + "\n" + json.dumps(MESSAGES).replace("rains", "pours") + "\n", "", 2,
    ),
    "not_utf8": ("rows.csv", "question,answer\n" + f"{CANARY}\udcff\udcfe,{CANARY}\n" * 3, "", 2),
    "finding_refused": (
        "rows.csv",
        _table(*_numbered(), _with(answer=f"{CANARY} \u200b\u200b<|im_end|> \u2028")),
        ", checks: {hidden_characters: refuse, chat_markers: refuse}",
        2,
    ),
    "privacy_refused": ("rows.csv", _table(*_numbered(), GOOD), ", privacy: refuse", 2),
    "privacy_redacted": ("rows.csv", _table(*_numbered(), GOOD), ", privacy: redact", 0),
    "duplicates": ("rows.csv", _table(*_numbered(), GOOD, GOOD, _with(answer=GOOD["answer"] + "!")), "", 0),
}  # fmt: skip


@pytest.mark.parametrize("case", CASES)
def test_no_text_of_a_row_is_written_or_said(case: str, tmp_path: Path) -> None:
    name, text, more, code = CASES[case]
    (tmp_path / name).write_bytes(text.encode("utf-8", "surrogateescape"))
    recipe = RECIPE.replace("rows.csv", name) % more
    (tmp_path / "recipe.yaml").write_text(recipe, encoding="utf-8")
    ended = finetune("check", "recipe.yaml", cwd=tmp_path)
    assert CANARY in (tmp_path / name).read_text(encoding="utf-8", errors="replace")
    assert ended.code == code, ended.err or ended.out
    assert (tmp_path / "checks" / "clinic" / "check.html").is_file(), "good or bad, there is a page"
    assert CANARY not in _everything(tmp_path, ended).lower()
    as_json = finetune("check", "recipe.yaml", "--json", cwd=tmp_path)
    assert CANARY not in (as_json.out + as_json.err).lower()


def test_leakage_is_told_by_place(tmp_path: Path) -> None:
    rows = [{"question": f"{row['question']} {CANARY}", "answer": f"{row['answer']} {CANARY}"} for row in _rows(30)]
    _write(tmp_path, rows, more=", held_out: held.csv")
    (tmp_path / "held.csv").write_text(
        f"question,answer\nWhat about {CANARY} now?,Nothing.\n{rows[4]['question'].upper()},{rows[4]['answer']}\n"
    )
    ended = finetune("check", "recipe.yaml", cwd=tmp_path)
    assert ended.code == 2
    assert CANARY not in _everything(tmp_path, ended).lower()
    assert "held.csv:3 → rows.csv:6" in _page(tmp_path)
    report = _report(tmp_path)
    assert [reason["code"] for reason in report["verdict"]["reasons"] if reason["stops"]] == ["leakage"]
    assert finetune("check", "recipe.yaml", "--set", "data.leakage=warn", cwd=tmp_path).code == 0
    assert "leakage" in {reason["code"] for reason in _report(tmp_path)["verdict"]["reasons"]}


# -- the mended copy -------------------------------------------------------------------------------------------------


def test_fix_writes_a_copy_that_passes(tmp_path: Path) -> None:
    rows = _rows(40)
    rows[3]["answer"] = "Close\u200b door 7 \u200bat night, then go."
    rows[5]["answer"] = ""
    rows[8] = dict(rows[7])
    _write(tmp_path, rows, more=", checks: {hidden_characters: drop}")
    before = (tmp_path / "rows.csv").read_bytes()
    ended = finetune("check", "recipe.yaml", "--fix", "clean.jsonl", cwd=tmp_path)
    assert ended.code == 2, "the rows as they are cannot be trained on"
    assert (tmp_path / "rows.csv").read_bytes() == before
    written = [json.loads(line) for line in (tmp_path / "clean.jsonl").read_text(encoding="utf-8").splitlines()]
    assert len(written) == 38
    assert "\u200b" not in json.dumps(written, ensure_ascii=False)
    assert any("then go" in json.dumps(row) for row in written), "mended, not dropped"
    changes = (tmp_path / "clean.jsonl.changes.json").read_text(encoding="utf-8")
    assert "rows.csv:5" in changes and "then go" not in changes
    assert "38 rows" in ended.err and "data.train: clean.jsonl" in ended.err
    again = finetune("check", "recipe.yaml", "--set", "data.train=clean.jsonl", cwd=tmp_path)
    assert again.code == 0
    assert _report(tmp_path)["verdict"]["kind"] == "ready", again.out


def test_fix_never_writes_over_anything(tmp_path: Path) -> None:
    _write(tmp_path, _rows())
    for target in ("rows.csv", "recipe.yaml", "taken.jsonl", "nowhere/clean.jsonl"):
        (tmp_path / "taken.jsonl").write_text("mine")
        before = {path.name: path.read_bytes() for path in tmp_path.iterdir() if path.is_file()}
        ended = finetune("check", "recipe.yaml", "--fix", target, cwd=tmp_path)
        assert ended.code == 2, target
        assert {path.name: path.read_bytes() for path in tmp_path.iterdir() if path.is_file()} == before
        assert not (tmp_path / "checks").exists(), "refused before anything is read"


def test_fix_of_what_cannot_be_read_says_so(tmp_path: Path) -> None:
    _write(tmp_path, _rows())
    (tmp_path / "rows.csv").write_text("question,answer\n")
    ended = finetune("check", "recipe.yaml", "--fix", "clean.jsonl", cwd=tmp_path)
    assert ended.code == 2
    assert "clean.jsonl: --fix: was not written" in ended.err
    assert not (tmp_path / "clean.jsonl").exists()


def test_fix_takes_leaking_rows_out_of_the_held_out_file(tmp_path: Path) -> None:
    rows, unlike = _rows(30), ["the pond", "a kite", "my lamp", "that hill", "our boat"]
    _write(tmp_path, rows, more=", held_out: held.csv")
    held = [{"question": f"How old is {what}, in years?", "answer": f"Nobody knows about {what}."} for what in unlike]
    held[1] = {"question": rows[4]["question"].upper(), "answer": rows[4]["answer"]}
    held[3] = {"question": rows[9]["question"], "answer": "It is not known."}
    lines = [json.dumps(row) + "\n" for row in held]
    (tmp_path / "held.jsonl").write_text("".join(lines))
    settings = ("--set", "data.held_out=held.jsonl")
    ended = finetune("check", "recipe.yaml", *settings, "--fix", "clean.jsonl", cwd=tmp_path)
    assert ended.code == 2
    report = _report(tmp_path)
    assert (report["dropped"]["also trained on"], report["num_held_out"], report["num_train"]) == (2, 3, 30)
    assert "Left out: also stands in the training rows, 2 rows" in ended.err
    assert "Left out: also stands in the training rows" in _page(tmp_path) and "未采用：同时出现在训练数据里" in _page(
        tmp_path
    )
    changes = json.loads((tmp_path / "clean.jsonl.changes.json").read_bytes())
    dropped = [row for row in changes["rows"] if row.get("dropped")]
    assert dropped == [{"where": f"held.jsonl:{line}", "dropped": "also trained on"} for line in (2, 4)]
    assert "data.train: clean.jsonl and data.held_out: clean.held_out.jsonl" in ended.err
    fixed = ("--set", "data.train=clean.jsonl", "--set", "data.held_out=clean.held_out.jsonl")
    again = finetune("check", "recipe.yaml", *fixed, cwd=tmp_path)
    assert again.code == 0, again.err
    assert _report(tmp_path)["verdict"]["kind"] == "ready", again.out
    assert (_report(tmp_path)["num_train"], _report(tmp_path)["num_held_out"]) == (30, 3)
    # what the recipe lets stay is not taken out
    warned = finetune("check", "recipe.yaml", *settings, "--set", "data.leakage=warn", "--fix", "w.jsonl", cwd=tmp_path)
    assert warned.code == 0
    assert len((tmp_path / "w.held_out.jsonl").read_text().splitlines()) == 5


@pytest.mark.parametrize(
    ("train", "target", "name"),
    [
        ("rows", "rows/clean.jsonl", "rows"),
        ("rows/*.jsonl", "rows/clean.jsonl", "rows/*.jsonl"),
        ("rows/*", "rows/clean.jsonl", "rows/*"),
        ("'**/*.jsonl'", "rows/clean.jsonl", "**/*.jsonl"),
        ("'r[o]ws/**/*.jsonl'", "rows/deep/clean.jsonl", "r[o]ws/**/*.jsonl"),
        ("[rows/a.jsonl, {path: 'rows/c*', weight: 2}]", "rows/clean.jsonl", "rows/c*"),
        ("./deep/../rows/*.jsonl", "rows/clean.jsonl", "deep/../rows/*.jsonl"),
    ],
)
def test_fix_is_not_written_where_the_recipe_would_read_it(tmp_path: Path, train: str, target: str, name: str) -> None:
    (tmp_path / "rows" / "deep").mkdir(parents=True)
    (tmp_path / "deep").mkdir()
    lines = [json.dumps(row) + "\n" for row in _rows()]
    (tmp_path / "rows" / "a.jsonl").write_text("".join(lines[:30]))
    (tmp_path / "rows" / "cb.jsonl").write_text("".join(lines[30:]))
    (tmp_path / "rows" / "deep" / "d.jsonl").write_text(lines[0].replace("rule", "law"))
    (tmp_path / "recipe.yaml").write_text(
        f"recipe: 1\nname: clinic\nbase: {{model: starter}}\ndata: {{train: {train}}}\n"
    )
    before = sorted(tmp_path.rglob("*"))
    ended = finetune("check", "recipe.yaml", "--fix", target, cwd=tmp_path)
    assert ended.code == 2
    assert ended.err.splitlines()[0] == (
        f"error: {target}: --fix: would be read by the next check beside the rows it was made from: "
        f"data.train takes all of {name}. Fix: name a file in another folder"
    )
    assert sorted(tmp_path.rglob("*")) == before, "refused before anything is read"
    # beside them it is written, and read as the lines say
    (tmp_path / "fixed").mkdir()
    if name != "**/*.jsonl":
        ended = finetune("check", "recipe.yaml", "--fix", "fixed/clean.jsonl", cwd=tmp_path)
        assert "set data.train: fixed/clean.jsonl in the recipe" in ended.err
        again = finetune("check", "recipe.yaml", "--set", "data.train=fixed/clean.jsonl", cwd=tmp_path)
        assert again.code == 0, again.err


def test_fix_looks_for_every_file_it_writes(tmp_path: Path) -> None:
    _write(tmp_path, _rows())
    (tmp_path / "held").mkdir()
    (tmp_path / "held" / "held_1.jsonl").write_text(json.dumps({"question": "How old is it?", "answer": "Old."}) + "\n")
    settings = ("--set", "data.held_out=held/*held*.jsonl")
    ended = finetune("check", "recipe.yaml", *settings, "--fix", "held/clean.jsonl", cwd=tmp_path)
    assert ended.code == 2
    assert [line.split(": ")[1] for line in ended.err.splitlines()] == ["held/clean.held_out.jsonl"]
    (tmp_path / "held" / "list.json").write_text(json.dumps([{"question": "How old is it?", "answer": "Old."}]))
    settings = ("--set", "data.held_out=held/*.json")
    ended = finetune("check", "recipe.yaml", *settings, "--fix", "held/clean.jsonl", cwd=tmp_path)
    assert ended.code == 2
    assert [line.split(": ")[1] for line in ended.err.splitlines()] == ["held/clean.jsonl.changes.json"]


def test_suites_of_the_recipe_are_looked_at_too(tmp_path: Path) -> None:
    """A run would stop there after the data were read; a check says it first, with the line of the recipe."""
    _write(tmp_path, _rows(), "}\nevaluate: {suites: [safty_en]")
    ended = finetune("check", "recipe.yaml", cwd=tmp_path)
    assert ended.code != 0 and not (tmp_path / "checks").exists()
    assert "recipe.yaml:5" in ended.err and "evaluate.suites: there is no such suite (got 'safty_en')" in ended.err
    (tmp_path / "own.jsonl").write_text('{"id": "a", "question": "Why?"}\n{"id": "b"\n', encoding="utf-8")
    _write(tmp_path, _rows(), "}\nevaluate: {suites: [own.jsonl]")
    ended = finetune("check", "recipe.yaml", cwd=tmp_path)
    assert ended.code != 0 and "own.jsonl:1: grade: " in ended.err and "own.jsonl:2: " in ended.err
