"""The recipe's questions: free ones, and choice questions with their options."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from finetune import recipe
from finetune.errors import DataError
from finetune.generation import read_questions


def read(folder: Path, *lines: dict[str, Any]) -> list[dict[str, Any]]:
    (folder / "rows.jsonl").write_text('{"question": "a", "answer": "b"}\n', encoding="utf-8")
    (folder / "questions.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines), encoding="utf-8")
    path = folder / "recipe.yaml"
    words = "evaluate: {questions: questions.jsonl}"
    path.write_text(f"recipe: 1\nbase: {{model: starter}}\ndata: {{train: rows.jsonl}}\n{words}\n", encoding="utf-8")
    return read_questions(recipe.load(path))


def test_the_right_option_is_a_text_or_a_number(tmp_path: Path) -> None:
    options = ["aspirin", "ibuprofen"]
    by_text, by_number, free = read(
        tmp_path,
        {"question": "Which?", "options": options, "answer": "ibuprofen"},
        {"question": "Which?", "options": options, "answer": 0},
        {"question": "Why?", "reference": "Because."},
    )
    assert by_text["options"] == ("aspirin", "ibuprofen") and by_text["right"] == 1
    assert by_number["right"] == 0
    assert free == {"question": "Why?", "reference": "Because."}


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"options": ["one"]}, "key options: expected two or more different texts"),
        ({"options": ["same", "same"]}, "key options: expected two or more different texts"),
        ({"options": "ab"}, "key options: expected two or more different texts"),
        ({"options": ["a", ""]}, "key options: expected two or more different texts"),
        ({"answer": "c"}, "key answer: is none of the options"),
        ({"answer": 2}, "key answer: is none of the options"),
        ({"answer": True}, "key answer: is none of the options"),
        ({"answer": None}, "key answer: is none of the options"),
    ],
)
def test_a_wrong_choice_question_is_named_by_its_line(tmp_path: Path, changes: dict[str, Any], said: str) -> None:
    good = {"question": "Which?", "options": ["a", "b"], "answer": 0}
    with pytest.raises(DataError) as refusal:
        read(tmp_path, good, {**good, **changes})
    assert said.removeprefix("key ") in str(refusal.value) and "questions.jsonl:2" in str(refusal.value)


def test_all_wrong_lines_are_told_at_once(tmp_path: Path) -> None:
    wrong = {"question": "Which?", "options": ["a", "b"], "answer": 9}
    with pytest.raises(DataError) as refusal:
        read(tmp_path, wrong, wrong, {"options": ["a", "b"], "answer": 0})
    told = str(refusal.value)
    assert all(f"questions.jsonl:{number}" in told for number in (1, 2, 3))
    assert "is none of the options" in told and "question: is not a question" in told
