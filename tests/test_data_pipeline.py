"""From chunks to splits: processes, storing, weights, rules for rows, what became of every row."""

from __future__ import annotations

import json
import random
import signal
import subprocess
import sys
import textwrap
import time
from pathlib import Path
from typing import Any

import pytest
from test_data_room import CANARY, all_rows, chat, load, qa, refused, write

from finetune import data, recipe
from finetune.errors import DataError
from finetune.talk import Talk

WORDS = [
    "fever",
    "rest",
    "water",
    "dose",
    "sleep",
    "doctor",
    "nurse",
    "clinic",
    "tablet",
    "throat",
    "cough",
    "advice",
    "visit",
    "morning",
    "skin",
]


def answers(number: int, seed: int = 0) -> list[dict[str, Any]]:
    """Rows that are no near copies of each other."""
    draw = random.Random(seed)
    return [
        {
            "question": f"What about {n}? {' '.join(draw.choices(WORDS, k=8))}",
            "answer": " ".join(draw.choices(WORDS, k=30)),
        }
        for n in range(number)
    ]


def recipe_in(folder: Path, **words: Any) -> recipe.LoadedRecipe:
    text = json.dumps({"recipe": 1, "base": {"model": "starter"}, "data": words})
    (folder / "recipe.yaml").write_text(text, encoding="utf-8")
    return recipe.load(folder / "recipe.yaml")


# several processes


def mixed(folder: Path) -> recipe.LoadedRecipe:
    """Five files of three layouts with everything that is counted: bad rows, findings, personal data, duplicates."""
    rows = answers(5000)
    rows[7]["answer"] = "Write to jane.roe@example.com, please."
    rows[4200]["answer"] = "As an AI language model, I have no opinion."
    rows[4500] = dict(rows[3])
    write(folder / "a.jsonl", [*rows[:2500], {"question": "q", "answer": ""}, *rows[2500:], {"question": 3}])
    write(folder / "b.jsonl", [chat(row["question"] + " b", row["answer"] + " b") for row in rows[:2100]])
    write(folder / "c.json", json.dumps([{"instruction": f"do {n}", "output": f"done {n} times"} for n in range(50)]))
    write(folder / "d.jsonl", [*answers(2500, seed=1), {"answer": "x"}])
    return recipe_in(folder, train=["a.jsonl", "b.jsonl", "c.json", {"path": "d.jsonl", "weight": 1.5}], bad_rows=3)


def test_the_number_of_processes_changes_nothing(tmp_path):
    loaded = mixed(tmp_path)
    one, *others = (data.load(loaded, num_processes=number) for number in (1, 2, 3))
    assert one.report.num_rows_read == 9653
    assert one.report.bad_rows["num"] == 3
    assert one.report.privacy["kinds"]["email"]["places"] == ["a.jsonl:8", "b.jsonl:8"]
    assert one.report.findings["boilerplate"]["num_rows"] == 1
    for other in others:
        assert other.report == one.report
        assert list(other.train) == list(one.train)
        assert list(other.held_out) == list(one.held_out)


def test_refusals_are_the_same_for_any_number_of_processes(tmp_path):
    rows: list[dict[str, Any]] = answers(5000)
    for number in range(0, 5000, 3):
        rows[number]["answer"] = ""
    write(tmp_path / "rows.jsonl", rows)
    told = []
    for number in (1, 2):
        with pytest.raises(DataError) as caught:
            data.load(recipe_in(tmp_path, train="rows.jsonl"), num_processes=number)
        told.append(caught.value.problems)
    assert told[0] == told[1]
    assert "1,667 of 5,000 rows cannot be used" in str(told[0][0])
    assert len(told[0]) == 1001  # the count, and the first 1,000 problems in the order of lines
    lines = [int(str(problem).split(":")[1]) for problem in told[0][1:]]
    assert lines == list(range(1, 3000, 3))


SCRIPT = """
    import os, sys, threading, time
    from finetune import data, recipe
    from finetune.talk import Talk
    print("started", flush=True)  # a script without `if __name__ == "__main__"` is not run again by the workers
    loaded = recipe.load(sys.argv[1])
    {more}
    print(len(data.load(loaded, num_processes=2).train), flush=True)
"""


def script(folder: Path, more: str = "") -> list[str]:
    text = textwrap.dedent(SCRIPT).replace("{more}", textwrap.dedent(more))
    (folder / "script.py").write_text(text)
    return [sys.executable, str(folder / "script.py"), str(folder / "recipe.yaml")]


def test_a_script_is_not_run_again_in_the_workers(tmp_path):
    write(tmp_path / "rows.jsonl", answers(300))
    recipe_in(tmp_path, train="rows.jsonl")
    done = subprocess.run(script(tmp_path), capture_output=True, text=True, timeout=120)
    assert done.stdout.split() == ["started", "270"]
    assert done.stderr == ""


def children(pid: int) -> set[int]:
    """All living descendants of a process."""
    found: set[int] = set()
    for task in Path(f"/proc/{pid}/task").glob("*/children"):
        for child in task.read_text().split():
            found |= {int(child), *children(int(child))}
    return found


def is_alive(pid: int) -> bool:
    try:
        return "\nState:\tZ" not in Path(f"/proc/{pid}/status").read_text()
    except OSError:
        return False


@pytest.mark.skipif(not Path("/proc/self/task").is_dir(), reason="looks for processes in /proc")
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGKILL])
def test_no_worker_is_left_behind(tmp_path, number):
    big = answers(2000)
    with open(tmp_path / "rows.jsonl", "w") as file:
        for copy in range(60):
            file.writelines(json.dumps({**row, "question": f"{row['question']} {copy}"}) + "\n" for row in big)
    recipe_in(tmp_path, train="rows.jsonl")
    process = subprocess.Popen(script(tmp_path), stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    try:
        deadline = time.monotonic() + 60
        workers: set[int] = set()
        while len(workers) < 2 and time.monotonic() < deadline:
            time.sleep(0.05)
            workers = children(process.pid)
        time.sleep(1)
        workers = children(process.pid)
        assert len(workers) >= 2
        process.send_signal(number)
        _, told = process.communicate(timeout=120)
    finally:
        process.kill()
    assert process.returncode != 0
    if number == signal.SIGINT:
        assert told.count("KeyboardInterrupt") <= 2  # ours; the workers say nothing
        assert "Process SpawnProcess" not in told
    deadline = time.monotonic() + 10
    while any(map(is_alive, workers)) and time.monotonic() < deadline:
        time.sleep(0.05)
    assert not [pid for pid in workers if is_alive(pid)]


def test_a_worker_that_dies_is_told_of_plainly(tmp_path):
    write(tmp_path / "rows.jsonl", answers(20_000))
    recipe_in(tmp_path, train="rows.jsonl")
    more = """
        import multiprocessing, signal
        def kill():
            while not (workers := multiprocessing.active_children()):
                time.sleep(0.01)
            time.sleep(0.5)
            os.kill(workers[0].pid, signal.SIGKILL)
        threading.Thread(target=kill).start()
        try:
            data.load(loaded, num_processes=2)
        except OSError as error:
            print(type(error).__name__, error, flush=True)
            sys.exit(error.exit_code)
    """
    done = subprocess.run(script(tmp_path, more), capture_output=True, text=True, timeout=120)
    assert done.stdout.splitlines()[1] == (
        "SurroundingsError processes: a process that checks rows ended before its work was done, perhaps for want of "
        "memory. Fix: free memory, or use fewer processes (--processes 1)"
    )
    assert done.returncode == 4


def test_progress_is_told_by_bytes(tmp_path, monkeypatch):
    told = []

    class Listener(Talk):
        def progress(self, name, done, total, loss=None):
            told.append((name, done, total))

    write(tmp_path / "rows.jsonl", answers(12_000))
    num_bytes = (tmp_path / "rows.jsonl").stat().st_size
    data.load(recipe_in(tmp_path, train="rows.jsonl"), num_processes=1, talk=Listener())
    assert told == [] or told[-1] == ("reading rows", num_bytes, num_bytes)
    monkeypatch.setattr("finetune.data.pipeline._QUIET_SECONDS", 0.0)
    monkeypatch.setattr("finetune.data.pipeline._BETWEEN_SECONDS", 0.0)
    told.clear()
    data.load(recipe_in(tmp_path, train="rows.jsonl"), num_processes=1, talk=Listener())
    assert [done for _, done, _ in told] == sorted(done for _, done, _ in told)
    assert {total for _, _, total in told} == {num_bytes}
    assert len(told) >= 2
    assert told[-1][1] == num_bytes


# weights


def test_weights_repeat_or_halve_the_training_rows_of_a_source(tmp_path):
    write(tmp_path / "a.jsonl", [qa(number) for number in range(40)])
    write(tmp_path / "b.jsonl", [chat(f"bee {number}", f"honey {number}") for number in range(40)])
    write(tmp_path / "c.jsonl", [chat(f"cat {number}", f"milk {number}") for number in range(40)])
    train = [{"path": "a.jsonl", "weight": 2}, {"path": "b.jsonl", "weight": 0.5}, "c.jsonl"]
    splits = load(tmp_path, train=train)
    plain = load(tmp_path, train=["a.jsonl", "b.jsonl", "c.jsonl"])
    assert list(splits.held_out) == list(plain.held_out)
    places = [row.where for row in splits.train]
    expected = {name: [row.where for row in plain.train if row.where.startswith(name)] for name in "abc"}
    assert [place for place in places if place.startswith("a")] == sorted(expected["a"] * 2, key=expected["a"].index)
    assert [place for place in places if place.startswith("c")] == expected["c"]
    half = [place for place in places if place.startswith("b")]
    assert len(half) == round(len(expected["b"]) / 2)
    assert half == sorted(set(half), key=expected["b"].index)
    assert splits.report.num_train == len(splits.train) == len(places)
    num = len(expected["a"])
    note = f"a.jsonl: weight 2: its {num} training rows stand {2 * num} times in the training rows"
    assert note in splits.report.notes
    assert list(load(tmp_path, train=train).train) == list(splits.train)
    assert [row.where for row in load(tmp_path, train=train, seed=5).train if row.where[0] == "b"] != half


# rules for rows


def test_findings_are_dropped_refused_or_told_of(tmp_path):
    rows = answers(40)
    rows[5]["answer"] = "As an AI language model, I cannot give medical advice."
    report = load(tmp_path, rows).report
    (kind,) = {"boilerplate", "refusal"} & set(report.findings) & {"boilerplate"}
    assert report.findings[kind]["places"] == ["rows.jsonl:6"]
    assert any("1 of 40 rows" in line and "rows.jsonl:6" in line for line in report.warnings)
    dropped = load(tmp_path, rows, checks={kind: "drop"})
    assert dropped.report.dropped[f"data.checks.{kind}"] == 1
    assert "rows.jsonl:6" not in {row.where for row in all_rows(dropped)}
    (message,) = refused(tmp_path, rows, checks={kind: "refuse"})
    assert f"data.checks.{kind}: 1 of 40 rows" in message
    assert "(rows.jsonl:6)" in message
    assert kind not in load(tmp_path, rows, checks={kind: "off"}).report.findings


def test_one_answer_to_many_questions_is_a_finding(tmp_path):
    rows = answers(40)
    for number in range(5, 14):
        rows[number]["answer"] = rows[1]["answer"].upper() + "!"
    assert "repeated_answer" not in load(tmp_path, rows).report.findings  # ten wordings of a question may be meant
    rows[20]["answer"] = rows[1]["answer"]
    report = load(tmp_path, rows).report
    assert report.findings["repeated_answer"]["places"] == [f"rows.jsonl:{line}" for line in (*range(6, 15), 21)]
    kept = load(tmp_path, rows, checks={"repeated_answer": "drop"})
    assert "rows.jsonl:2" in {row.where for row in all_rows(kept)}
    assert kept.report.dropped["data.checks.repeated_answer"] == 10


def test_personal_data_is_told_of_refused_or_redacted_and_never_quoted(tmp_path):
    rows = answers(40)
    rows[5]["answer"] += " Write to zebedee.quux@example.com."
    rows[9]["question"] += " My e-mail is zebedee.quux@example.com, zebedee.quux@example.com."
    report = load(tmp_path, rows).report
    assert report.privacy["rule"] == "warn"
    assert report.privacy["num_rows"] == 2
    assert report.privacy["kinds"]["email"]["places"] == ["rows.jsonl:6", "rows.jsonl:10"]
    assert any("2 of 40 rows may hold personal data" in line for line in report.warnings)
    assert "quux" not in json.dumps(report.as_dict())
    (message,) = refused(tmp_path, rows, privacy="refuse")
    assert "data.privacy: 2 of 40 rows may hold personal data: email 3 (rows.jsonl:6, rows.jsonl:10)" in message
    assert "quux" not in message
    redacted = load(tmp_path, rows, privacy="redact")
    texts = [message.content for row in all_rows(redacted) for message in row.messages]
    assert not any("quux" in text for text in texts)
    assert sum("[EMAIL_1]" in text for text in texts) == 2
    assert redacted.report.fingerprint != load(tmp_path, rows).report.fingerprint
    assert any("personal data redacted in 2 of 40 rows: email 3" in note for note in redacted.report.notes)
    off = load(tmp_path, rows, privacy="off").report
    assert off.privacy == {"rule": "off", "num_rows": 0, "kinds": {}}


def test_refusals_of_all_rules_come_together(tmp_path):
    rows = answers(60)
    rows[5]["answer"] += " Write to zebedee.quux@example.com."
    rows[6]["answer"] = "As an AI language model, I cannot give medical advice."
    rows[7]["answer"] = ""
    write(tmp_path / "held.jsonl", [rows[0], *answers(5, seed=3)])
    words = {"privacy": "refuse", "checks": {"boilerplate": "refuse"}, "held_out": "held.jsonl"}
    text = "\n".join(refused(tmp_path, rows, **words))
    for part in ("the answer is empty", "data.checks.boilerplate", "data.privacy", "is also a training row"):
        assert part in text
    loaded = recipe_in(tmp_path, train="rows.jsonl", **words)
    lenient = data.load(loaded, lenient=True)
    assert len(lenient.train) == 59
    assert {str(problem) for problem in lenient.refused} >= set(text.split("\n"))


def test_near_duplicates_are_told_of_or_dropped(tmp_path):
    rows = answers(40)
    copy = dict(rows[4])
    copy["answer"] = copy["answer"].replace(copy["answer"].split()[0], "Surely", 1)
    rows.append({**copy, "question": rows[4]["question"].upper()})
    report = load(tmp_path, rows).report
    assert report.duplicates["near"] == 1
    line = "1 row nearly repeats an earlier row (rows.jsonl:41); kept, as data.near_duplicates is warn"
    assert line in report.warnings
    dropped = load(tmp_path, rows, near_duplicates="drop")
    assert dropped.report.dropped["near duplicate"] == 1
    assert "rows.jsonl:41" not in {row.where for row in all_rows(dropped)}
    assert "near" not in load(tmp_path, rows, near_duplicates="keep").report.duplicates


def test_a_layout_that_comes_late_is_refused_with_both_first_rows(tmp_path):
    rows: list[Any] = [*answers(4000), chat("q", "a"), *answers(10, seed=2), chat("q", "b")]
    assert refused(tmp_path, rows) == [
        "rows.jsonl: 2 layouts in one file: question_answer, question, answer (first at line 1); messages, messages "
        "(first at line 4001). Fix: put each layout into a file of its own"
    ]


def test_what_became_of_every_row(tmp_path):
    rows = answers(30)
    rows[2]["answer"] = ""
    rows[3] = rows[1]
    rows[4]["answer"] = "As an AI language model, I cannot give medical advice."
    loaded_words = {"bad_rows": 1, "checks": {"boilerplate": "drop"}}
    splits = load(tmp_path, rows, **loaded_words)
    changes = list(splits.fates.changes())
    assert [change.where for change in changes] == [f"rows.jsonl:{line}" for line in range(1, 31)]
    dropped = {change.where: change.dropped for change in changes if change.dropped}
    assert dropped == {
        "rows.jsonl:3": "bad row: key answer: the answer is empty",
        "rows.jsonl:4": "duplicate",
        "rows.jsonl:5": "data.checks.boilerplate",
    }
    held_out = {change.where for change in changes if change.conversation and change.split == "held_out"}
    assert held_out == {row.where for row in splits.held_out}
    assert CANARY not in str(dropped)


def test_rows_that_share_a_line_are_told_apart(tmp_path):
    rows = answers(30)
    rows[3]["answer"] = ""
    splits = load(tmp_path, json.dumps(rows), "rows.json", bad_rows=1)
    assert {row.where for row in [*splits.train, *splits.held_out]} == {
        f"rows.json:1, row {number}" for number in range(1, 31) if number != 4
    }
    changes = [change.where for change in splits.fates.changes()]
    assert changes == [f"rows.json:1, row {number}" for number in range(1, 31)]
