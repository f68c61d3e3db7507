"""`finetune check --fix`: what the new file may lack, what it must not hold, and what is said about both."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from commands_kit import finetune

from finetune import checking, data, recipe
from finetune.errors import DataError
from finetune.talk import Talk


def _write(folder: Path, rows: list[dict[str, Any]], words: str = "") -> None:
    lines = [json.dumps(row, ensure_ascii=False) + "\n" for row in rows]
    (folder / "rows.jsonl").write_text("".join(lines), encoding="utf-8")
    text = f"recipe: 1\nname: mend\nbase: {{model: starter}}\ndata: {{train: rows.jsonl, license: CC0-1.0{words}}}\n"
    (folder / "recipe.yaml").write_text(text, encoding="utf-8")


def _rows(**more: Any) -> list[dict[str, Any]]:
    return [
        {"prompt": f"What is rule {k} of the house?", "completion": f"Rule {k}: close door {7 * k}."}
        | {key: value(k) for key, value in more.items()}
        for k in range(24)
    ]


def _read(path: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]


ADDRESS = "anna.berg{}@mailhaven.org"


def test_redacted_rows_do_not_carry_their_group(tmp_path: Path) -> None:
    _write(tmp_path, _rows(patient=lambda k: ADDRESS.format(k // 2)), ", group_by: patient, privacy: redact")
    ended = finetune("check", "recipe.yaml", "--fix", "clean.jsonl", cwd=tmp_path)
    assert ended.code == 0, ended.err
    assert "personal data redacted in 24 of 24 rows: email 24" in ended.out
    assert "groups are numbered" in ended.err
    written = _read(tmp_path / "clean.jsonl")
    assert [row["patient"] for row in written] == [f"group {k // 2 + 1}" for k in range(24)]
    for name in ("clean.jsonl", "clean.jsonl.changes.json"):
        assert "mailhaven" not in (tmp_path / name).read_text()
    again = finetune("check", "recipe.yaml", "--set", "data.train=clean.jsonl", cwd=tmp_path)
    assert again.code == 0 and "personal data" not in again.out, again.out
    assert "of 12" in again.out, "whole groups are held out as before"


@pytest.mark.parametrize(("rule", "code"), [("warn", 0), ("refuse", 2)])
def test_personal_data_in_the_group_are_told_or_refused(tmp_path: Path, rule: str, code: int) -> None:
    _write(tmp_path, _rows(patient=lambda k: ADDRESS.format(k // 2)), f", group_by: patient, privacy: {rule}")
    ended = finetune("check", "recipe.yaml", cwd=tmp_path)
    assert ended.code == code
    report = json.loads((tmp_path / "checks" / "mend" / "check.json").read_bytes())
    assert report["privacy"]["kinds"]["email"]["num"] == 24
    assert report["privacy"]["kinds"]["email"]["places"][0] == "rows.jsonl:1"


def test_disliked_answers_stay_and_unused_columns_are_named(tmp_path: Path) -> None:
    rows = _rows(label=lambda k: k % 2 == 0, topic=lambda k: "doors", id=lambda k: k)
    rows[1] |= {"prompt": "My name is Anna Berg. What is rule 1?"}
    _write(tmp_path, rows, ", privacy: redact")
    ended = finetune("check", "recipe.yaml", "--fix", "clean.jsonl", cwd=tmp_path)
    assert ended.code == 0, ended.err
    written = _read(tmp_path / "clean.jsonl")
    assert [row["label"] for row in written] == [k % 2 == 0 for k in range(24)]
    assert "[NAME_1]" in written[1]["messages"][0]["content"], "disliked rows are redacted as the others"
    changes = json.loads((tmp_path / "clean.jsonl.changes.json").read_bytes())
    assert changes["columns_not_written"] == {"rows.jsonl": ["topic", "id"]}
    assert "not written: columns of rows.jsonl not used: topic, id" in ended.err
    assert changes["totals"]["num_dropped"] == 0


# What is left out by the check is read once more, to be mended.
DROPPED = ", checks: {hidden_characters: drop}"


class _Heard(Talk):
    def __init__(self) -> None:
        self.lines: list[str] = []

    def say(self, line: str) -> None:
        self.lines.append(line)


def test_reading_again_is_told_and_uses_as_many_processes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    rows = _rows()
    rows[3]["completion"] += " Then\u200b go."
    _write(tmp_path, rows, DROPPED)
    loaded = recipe.load(tmp_path / "recipe.yaml")
    result = checking.check(loaded, with_lengths=False)
    asked, load, heard = [], data.load, _Heard()

    def listened(*arguments: Any, **more: Any) -> Any:
        asked.append(more["num_processes"])
        return load(*arguments, **more)

    monkeypatch.setattr(data, "load", listened)
    checking.write_fixed(loaded, result, tmp_path / "clean.jsonl", num_processes=1, talk=heard)
    assert asked == [1]
    assert heard.lines == ["reading all rows once more: those to be mended, and disliked answers, are written too"]


def test_a_file_that_was_changed_after_the_check_is_not_mended(tmp_path: Path) -> None:
    rows = _rows()
    rows[3]["completion"] += " Then\u200b go."
    _write(tmp_path, rows, DROPPED)
    loaded = recipe.load(tmp_path / "recipe.yaml")
    result = checking.check(loaded, with_lengths=False)
    _write(tmp_path, rows[:-1], DROPPED)
    with pytest.raises(DataError) as caught:
        checking.write_fixed(loaded, result, tmp_path / "clean.jsonl")
    assert str(caught.value) == (
        "rows.jsonl: --fix: was changed after it was checked; nothing was written. Fix: check again"
    )
    assert sorted(path.name for path in tmp_path.iterdir()) == ["recipe.yaml", "rows.jsonl"]
