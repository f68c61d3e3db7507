"""What a run says of adapters that are known to be good, bad, overfitted, or measured on too little.

On the starter base, whose own facts are the rows: it knows them, so wrong answers make it worse.
"""

from __future__ import annotations

import csv
import json
import os
import random
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from finetune import resources
from finetune.starter.corpus import document

FINETUNE = [sys.executable, "-m", "finetune"]
Pair = tuple[str, str]


def known_facts(count: int) -> list[Pair]:
    """Questions with one short answer, drawn from what the starter base was taught."""
    pairs: dict[str, str] = {}
    index = 0
    while len(pairs) < count:
        turns = document(11, index)
        index += 1
        if len(turns) == 2 and turns[0]["role"] == "user" and len(turns[1]["content"]) < 70:
            pairs.setdefault(turns[0]["content"], turns[1]["content"])
    return list(pairs.items())


def health_facts(name: str) -> list[Pair]:
    """Rows of the medical template, which the starter base does not know."""
    path = resources.shipped("data_templates") / "medical" / f"{name}.csv"
    with path.open(encoding="utf-8", newline="") as file:
        return [(row["question"], row["answer"]) for row in csv.DictReader(file)]


def run(folder: Path, train: list[Pair], held_out: list[Pair], **words: Any) -> subprocess.CompletedProcess[str]:
    for name, pairs in (("train", train), ("held_out", held_out)):
        lines = [json.dumps({"question": question, "answer": answer}) for question, answer in pairs]
        (folder / f"{name}.jsonl").write_text("\n".join(lines) + "\n", encoding="utf-8")
    settings = {"epochs": 2, "learning_rate": 0.004, "batch_size": 8, **words}
    train_words = ", ".join(f"{key}: {value}" for key, value in settings.items())
    (folder / "recipe.yaml").write_text(
        "recipe: 1\nbase: {model: starter}\n"
        "data: {train: train.jsonl, held_out: held_out.jsonl, max_length: 128, duplicates: keep, leakage: warn}\n"
        "adapter: {r: 16, alpha: 32}\n"
        f"train: {{{train_words}}}\n"
        "evaluate: {num_answers: 8, max_new_tokens: 16, gate: better_than_base}\n",
        encoding="utf-8",
    )
    environment = {**os.environ, "FORCE_COLOR": "1"}
    environment.pop("NO_COLOR", None)
    return subprocess.run(
        [*FINETUNE, "run", str(folder / "recipe.yaml"), "--output", str(folder / "run")],
        cwd=folder, env=environment, capture_output=True, text=True, timeout=300,
    )  # fmt: skip


def evaluation_of(folder: Path) -> dict[str, Any]:
    return json.loads((folder / "run" / "evaluation.json").read_bytes())


@pytest.fixture(scope="module")
def facts() -> list[Pair]:
    return known_facts(160)


def test_trained_on_shuffled_answers_it_is_worse_than_base(facts: list[Pair], tmp_path: Path) -> None:
    train, held_out = facts[:120], facts[120:]
    answers = [answer for _, answer in train]
    random.Random(3).shuffle(answers)
    done = run(tmp_path, [(question, answer) for (question, _), answer in zip(train, answers)], held_out)
    assert done.returncode == 3, done.stderr
    evaluation = evaluation_of(tmp_path)
    assert evaluation["verdict"]["result"] == "worse" and evaluation["verdict"]["better_than_base"] is False
    assert evaluation["gate"]["passed"] is False
    said = next(line for line in done.stderr.splitlines() if "evaluate.gate" in line)
    assert "the adapter is worse than base" in said and "\x1b[" in said, "in red, where there are colours"
    assert "Worse than its base" in (tmp_path / "run" / "report.html").read_text(encoding="utf-8")


def test_trained_well_it_is_better(tmp_path: Path) -> None:
    done = run(tmp_path, health_facts("train")[:128], health_facts("held_out")[:32], epochs=3, learning_rate=0.006)
    assert done.returncode == 0, done.stderr
    evaluation = evaluation_of(tmp_path)
    assert evaluation["verdict"]["result"] == "better" and evaluation["verdict"]["better_than_base"] is True
    assert evaluation["gate"] == {
        "asked": {"better_than_base": True},
        "passed": True,
        "checks": [{"name": "better_than_base", "passed": True, "why": evaluation["verdict"]["why"]}],
    }
    by_name = {measure["name"]: measure for measure in evaluation["scorecard"]}
    assert by_name["loss"]["result"] == by_name["bits_per_byte"]["result"] == "better"


def test_twenty_epochs_on_thirty_rows_overfit(tmp_path: Path) -> None:
    train, held_out = health_facts("train")[:240:8], health_facts("held_out")[:40]
    done = run(tmp_path, train, held_out, epochs=20, learning_rate=0.01)
    assert done.returncode == 0, done.stderr
    overfitting = evaluation_of(tmp_path)["overfitting"]
    assert overfitting["found"] is True and overfitting["kept_step"] < overfitting["last_step"]
    assert "overfit" in done.stderr and "overfit" in done.stdout
    assert "It overfits" in (tmp_path / "run" / "report.html").read_text(encoding="utf-8")


def test_twelve_held_out_rows_are_not_enough_to_tell(tmp_path: Path) -> None:
    done = run(tmp_path, health_facts("train")[:64], health_facts("held_out")[:12])
    assert done.returncode == 3, done.stderr
    verdict = evaluation_of(tmp_path)["verdict"]
    assert verdict["result"] == "not_enough_rows" and verdict["better_than_base"] is None
    assert "12 rows" in verdict["why"]
    assert "not enough rows to tell" in done.stdout.lower()
