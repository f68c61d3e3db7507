"""Every data template: explained, readable by the kit, and the medical rows what they promise to be."""

from __future__ import annotations

import csv
import json
import re
from collections import Counter
from pathlib import Path

import pytest

from finetune import data, recipe, resources

ROOT = Path(__file__).resolve().parents[1] / "data_templates"
FOLDERS = sorted(path for path in ROOT.iterdir() if path.is_dir())
TABLES = sorted(path for path in ROOT.rglob("*") if path.suffix in (".csv", ".jsonl"))
MEDICAL = ROOT / "medical"
DOSE = re.compile(
    r"\d+(\.\d+)?\s*(mg|mcg|µg|g|grams?|milligrams?|ml|millilit(er|re)s?|cc|iu|units?|tablets?|pills?|drops)\b", re.I
)


def rows(name: str) -> list[dict[str, str]]:
    with (MEDICAL / name).open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


def folded(text: str) -> str:
    """A question as a reader would call it the same: letters and digits only."""
    return " ".join(re.findall(r"\w+", text.lower()))


def test_the_walk_finds_what_the_kit_ships() -> None:
    assert {path.name for path in FOLDERS} >= {"alpaca", "medical", "messages", "question_answer", "sharegpt"}
    assert len(TABLES) >= 6
    assert resources.shipped("data_templates") == ROOT


@pytest.mark.parametrize("folder", FOLDERS, ids=lambda folder: folder.name)
def test_every_folder_is_explained_and_listed(folder: Path) -> None:
    assert (folder / "README.md").read_text(encoding="utf-8").startswith("# ")
    assert f"{folder.name}/" in (ROOT / "README.md").read_text(encoding="utf-8")


@pytest.mark.parametrize("path", TABLES, ids=lambda path: f"{path.parent.name}-{path.name}")
def test_every_file_is_utf8_with_a_last_line_end(path: Path) -> None:
    text = path.read_bytes().decode("utf-8")
    assert text.endswith("\n")
    assert "\r" not in text
    if path.suffix == ".csv":
        with path.open(encoding="utf-8", newline="") as file:
            table = list(csv.reader(file, strict=True))
        assert len({len(row) for row in table}) == 1, "every row has as many cells as the header line"
    else:
        assert all(isinstance(json.loads(line), dict) for line in text.splitlines())


@pytest.mark.parametrize("name", ["alpaca", "messages", "question_answer", "sharegpt"])
def test_a_shape_is_recognised_as_what_it_is_called(name: str, tmp_path: Path) -> None:
    template = next(path for path in (ROOT / name).iterdir() if path.stem == "template")
    (tmp_path / template.name).write_bytes(template.read_bytes())
    path = tmp_path / "recipe.yaml"
    path.write_text(f"recipe: 1\nbase: {{model: starter}}\ndata: {{train: {template.name}, held_out: 0.3}}\n")
    splits = data.load(recipe.load(path))
    assert splits.report.files[0].format == name
    assert splits.train
    assert splits.held_out


def test_medical_rows_are_enough_and_none_is_empty() -> None:
    train, held_out = rows("train.csv"), rows("held_out.csv")
    assert len(train) >= 200
    assert len(held_out) >= 40
    for row in train + held_out:
        assert set(row) == {"question", "answer", "topic"}
        assert all(value and value == value.strip() for value in row.values())


def test_medical_topics_are_asked_in_several_ways_and_every_held_out_topic_is_taught() -> None:
    taught = Counter(row["topic"] for row in rows("train.csv"))
    asked = Counter(row["topic"] for row in rows("held_out.csv"))
    assert len(taught) >= 40
    assert min(taught.values()) >= 3
    assert set(asked) <= set(taught)


def test_no_medical_question_is_asked_twice() -> None:
    questions = [folded(row["question"]) for name in ("train.csv", "held_out.csv") for row in rows(name)]
    with (MEDICAL / "questions.jsonl").open(encoding="utf-8") as file:
        questions += [folded(json.loads(line)["question"]) for line in file]
    twice = [question for question, times in Counter(questions).items() if times > 1]
    assert not twice


def test_medical_texts_name_no_dose() -> None:
    for name in ("train.csv", "held_out.csv"):
        for number, row in enumerate(rows(name), 2):
            assert not DOSE.search(f"{row['question']} {row['answer']}"), f"{name}:{number}"
    assert DOSE.search("take 500 mg")
    assert DOSE.search("2 tablets")


def test_the_medical_readme_counts_right() -> None:
    text = (MEDICAL / "README.md").read_text(encoding="utf-8")
    with (MEDICAL / "questions.jsonl").open(encoding="utf-8") as file:
        num_questions = len(file.readlines())
    for name, num in (
        ("train.csv", len(rows("train.csv"))),
        ("held_out.csv", len(rows("held_out.csv"))),
        ("questions.jsonl", num_questions),
    ):
        assert f"| `{name}` | {num} |" in text
    assert "Not medical advice" in text
