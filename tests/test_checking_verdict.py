"""Whatever is warned of stands among the reasons of the verdict: nobody is told that nothing was found."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import checking_kit
import pytest
from test_data_room import qa, write
from test_data_split import alike, same_answer, same_question

from finetune import checking, recipe
from finetune.checking.report import render
from finetune.checking.verdict import reasons

FORTY = [qa(number) for number in range(40)]
MAIL = {"question": "Whom do I ask?", "answer": "Write to anna.lindqvist@example-clinic.org, she knows."}
LONG_ROW = {"question": "And at length?", "answer": "word " * 700}
CALM = {"privacy": "off", "checks": {"repeated_answer": "off"}}


def check(folder: Path, rows: list[dict[str, Any]], **words: Any) -> dict[str, Any]:
    """The report of a check of these rows."""
    write(folder / "rows.jsonl", rows)
    text = json.dumps({"recipe": 1, "base": {"model": "starter"}, "data": {"train": "rows.jsonl", **words}})
    (folder / "recipe.yaml").write_text(text, encoding="utf-8")
    return checking.check(recipe.load(folder / "recipe.yaml")).report


# what is warned of -> the rows and recipe words that bring it about, and the reason that tells it
WARNED = {
    "few rows": (FORTY[:15], {}, "few_rows"),
    "few rows taken twice": (FORTY[:15], {"train": [{"path": "rows.jsonl", "weight": 3}]}, "few_rows"),
    "bad rows": ([*FORTY, {"question": "q", "answer": ""}], {"bad_rows": 1}, "bad_rows"),
    "a finding": ([*FORTY, {"question": "q?", "answer": "Caf\u00c3\u00a9 is closed now."}], {}, "finding:mojibake"),
    "personal data": ([*FORTY, MAIL], {}, "privacy"),
    "exact copies kept": ([*FORTY, *FORTY[:1]], {"duplicates": "warn"}, "duplicates"),
    "many exact copies": ([*FORTY, *FORTY], {}, "duplicates"),
    "near rows": ([*FORTY, *alike(10)], {}, "near_duplicates"),
    "near rows dropped": ([*FORTY, *alike(10)], {"near_duplicates": "drop"}, "near_duplicates"),
    "other answers": ([*FORTY, {**FORTY[0], "answer": "Something else."}], {}, "other_answers"),
    "shared answers": (same_answer(60), CALM, "shared_answers"),
    "shared questions": (same_question(60), {**CALM, "leakage": "warn"}, "leakage"),
    "shared rows": (alike(30), {**CALM, "leakage": "warn"}, "leakage"),
    "trained rows in a file": (FORTY, {"held_out": "held.jsonl", "leakage": "warn"}, "leakage"),
    "groups in a file": ([{**row, "g": 1} for row in FORTY], {"held_out": "group.jsonl", "group_by": "g",
                         "leakage": "warn"}, "leakage"),
    "a file of copies": (FORTY, {"train": ["rows.jsonl", "copies.jsonl"]}, "unused_file"),
    "long rows": ([*FORTY, LONG_ROW], {"overlong": "drop"}, "overlong"),
    "long held-out rows": (FORTY, {"held_out": "long.jsonl", "overlong": "drop"}, "overlong"),
    "control tokens": ([*FORTY, {"question": "What does <|end|> mean?", "answer": "The end of a turn."}],
                       {"checks": {"chat_markers": "off"}}, "control_tokens"),
}  # fmt: skip


@pytest.mark.parametrize("case", WARNED)
def test_every_warning_has_a_reason(tmp_path: Path, case: str) -> None:
    rows, words, code = WARNED[case]
    write(tmp_path / "held.jsonl", FORTY[:3])
    write(tmp_path / "group.jsonl", [{"question": "Where is it?", "answer": "In the cupboard.", "g": 1}])
    write(tmp_path / "copies.jsonl", FORTY[:4])
    write(tmp_path / "long.jsonl", [LONG_ROW, {"question": "Where is it?", "answer": "In the cupboard."}])
    report = check(tmp_path, rows, **words)
    assert report["warnings"]
    assert report["verdict"]["kind"] == "look", report["problems"]
    found = {language: reasons(report, language) for language in ("en", "zh")}
    codes = [reason.code for reason in found["en"]]
    assert code in codes and codes == [reason.code for reason in found["zh"]]
    assert "warning" not in codes, "told in words of its own"
    for reason in found["zh"]:
        assert reason.language == "zh" and reason.what and reason.fix
    # without this reason, the warning is one by itself
    page = render(report)
    assert all(reason.what in page or "&" in page for reason in found["en"])


def test_a_warning_that_nothing_else_tells_is_a_reason_by_itself() -> None:
    report = checking_kit.clean() | {"warnings": ["something that nobody has thought of"]}
    (reason,) = reasons(report, "en")
    assert (reason.code, reason.stops, reason.what) == ("warning", False, "something that nobody has thought of")
    assert checking_kit.finished(report)["verdict"]["kind"] == "look"
    # words alone are not enough: the reason that tells it must be there
    report["warnings"] = ["41 rows nearly repeat an earlier row"]
    assert [reason.code for reason in reasons(report, "en")] == ["warning"]


@pytest.mark.parametrize(("rows", "words"), [(alike(30), {}), (same_question(30), {"leakage": "refuse"})])
def test_a_share_that_leaks_is_not_ready(tmp_path: Path, rows: list[dict[str, Any]], words: dict[str, str]) -> None:
    report = check(tmp_path, rows, **words, **CALM)
    assert report["verdict"]["kind"] == "not_ready"
    for language, words_of_fix in (("en", "data.leakage: warn"), ("zh", "data.leakage: warn")):
        reason = reasons(report, language)[0]
        assert (reason.code, reason.stops, reason.num, reason.language) == ("leakage", True, 3, language)
        assert words_of_fix in reason.fix and "two files" not in reason.fix
    assert "3 held-out rows are also trained on" in render(report)


def test_the_number_of_bad_rows_is_the_real_one(tmp_path: Path) -> None:
    rows = [{"question": f"q{number}", "answer": ""} for number in range(1_500)]
    write(tmp_path / "rows.jsonl", [qa(1), *rows])
    (tmp_path / "recipe.yaml").write_text("recipe: 1\nbase: {model: starter}\ndata: {train: rows.jsonl}\n")
    result = checking.check(recipe.load(tmp_path / "recipe.yaml"))
    assert result.error is not None
    # the line that sums up and 1,500 rows, of which 20 lines are shown
    assert str(result.error).splitlines()[-1] == "... and 1,481 more"
    assert result.report["bad_rows"]["num_untold"] == 500
