"""finetune compare: what differs, what may not be compared, a page that replaces nothing else."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import report_kit

from finetune.cli import main
from finetune.errors import RunError
from finetune.evaluation.runs_compared import compare_runs, comparison_lines, write_comparison


@pytest.fixture
def folders(tmp_path: Path) -> list[Path]:
    """Two runs that differ in one setting, and one of an older kit over other rows."""
    other = {**report_kit.older(), "data_fingerprint": "00" * 32}
    other["held_out"] = {**other["held_out"], "num_rows": 60}
    report_kit.make_run(tmp_path / "slow")
    report_kit.make_run(tmp_path / "fast", rate="1e-3")
    report_kit.make_run(tmp_path / "older", other, bare=True)
    return [tmp_path / name for name in ("slow", "fast", "older")]


def test_what_differs_between_the_recipes(folders: list[Path]) -> None:
    found = compare_runs(folders[:2])
    assert found["differences"] == [{"key": "train.learning_rate", "values": [0.0002, 0.001]}]
    assert found["warnings"] == []
    assert [run["label"] for run in found["runs"]] == ["slow", "fast"]


def test_runs_over_other_rows_are_warned_of(folders: list[Path]) -> None:
    found = compare_runs(folders)
    assert [warning["code"] for warning in found["warnings"]] == ["data", "rows"]
    assert "64, 64, 60" in found["warnings"][1]["en"]
    loss = next(measure for measure in found["measures"] if measure["name"] == "loss")
    assert all(loss["runs"]) and [m["runs"][2] for m in found["measures"] if m["name"] == "rouge_l"] == [None]


def test_the_terminal_shows_the_same(folders: list[Path]) -> None:
    text = "\n".join(comparison_lines(compare_runs(folders)))
    for words in ("train.learning_rate  0.0002", "NOT passed", "warning: The data of these runs differ", "−1.294"):
        assert words in text


def test_a_foreign_file_is_never_replaced(folders: list[Path], tmp_path: Path) -> None:
    page = tmp_path / "page.html"
    page.write_text("<!DOCTYPE html> mine")
    with pytest.raises(RunError, match="no page that this command wrote"):
        write_comparison(folders, page)
    assert page.read_text() == "<!DOCTYPE html> mine"
    page.unlink()
    write_comparison(folders, page)
    first = page.read_bytes()
    write_comparison(folders, page)
    assert page.read_bytes() == first and b"<script" not in first


def test_all_that_is_wrong_is_said_at_once(folders: list[Path], tmp_path: Path) -> None:
    (folders[1] / "evaluation.json").unlink()
    with pytest.raises(RunError) as refusal:
        compare_runs([*folders, tmp_path / "none"])
    assert len(refusal.value.problems) == 2
    with pytest.raises(RunError, match="at least two"):
        compare_runs(folders[:1])
    with pytest.raises(RunError, match="named twice"):
        compare_runs([folders[0], folders[0]])


def test_the_command(folders: list[Path], tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    page = tmp_path / "page.html"
    assert main(["compare", *map(str, folders), "--html", str(page), "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert len(found["runs"]) == 3 and page.is_file()
    assert "ROW-CANARY" not in page.read_text() + json.dumps(found)
    assert main(["compare", *map(str, folders)]) == 0 and "what differs" in capsys.readouterr().out
    assert main(["compare", str(folders[0])]) == 2
