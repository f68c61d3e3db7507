"""`finetune preview`: rows that are too long, and what its page may replace."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest
from commands_kit import Ended, finetune

GREETING = [{"role": "user", "content": "Hello."}, {"role": "assistant", "content": "Good morning to you."}]
LONG = [{"role": "user", "content": "What then?"}, {"role": "assistant", "content": "One day after another. " * 40}]
OLD = [{"role": "user", "content": "An old question. " * 20}, {"role": "assistant", "content": "An old answer."}]


@pytest.fixture
def home(tmp_path: Path) -> Path:
    """A short row, one that fits without its oldest exchange, and one whose last answer is too long."""
    rows = [GREETING, OLD + GREETING, GREETING + LONG]
    (tmp_path / "rows.jsonl").write_text("\n".join(json.dumps({"messages": row}) for row in rows) + "\n")
    (tmp_path / "held.jsonl").write_text(json.dumps({"messages": [{**GREETING[0], "content": "Hi."}, GREETING[1]]}))
    (tmp_path / "recipe.yaml").write_text(
        "recipe: 1\nbase: {model: starter}\ndata: {train: rows.jsonl, held_out: held.jsonl, max_length: 64}\n"
    )
    return tmp_path


def _entries(home: Path, overlong: str) -> list[dict]:
    ended = finetune("preview", "recipe.yaml", "--set", f"data.overlong={overlong}", "--json", cwd=home)
    assert ended.code == 0, ended.err
    return json.loads(ended.out)


def _text(entry: dict) -> str:
    return "".join(text for text, _ in entry["tokens"])


def test_trim_history_is_shown_as_it_is_trained(home: Path) -> None:
    short, trimmed, long = _entries(home, "trim_history")
    assert (short["trimmed"], short["too_long"]) == (False, False)
    assert (trimmed["trimmed"], trimmed["too_long"]) == (True, False)
    assert "old" not in _text(trimmed) and trimmed["tokens"] == short["tokens"]
    assert (long["trimmed"], long["too_long"]) == (False, True)
    assert "Good morning" in _text(long), "a row that is left out is shown as it is in the file"
    shown = finetune("preview", "recipe.yaml", "--set", "data.overlong=trim_history", cwd=home).out
    titles = [line for line in shown.splitlines() if line.startswith("rows.jsonl:")]
    assert ["oldest exchanges left out" in title for title in titles] == [False, True, False]
    assert ["left out: too long" in title for title in titles] == [False, False, True]


@pytest.mark.parametrize(("overlong", "says"), [("drop", "left out: too long"), ("error", "the run stops here")])
def test_rows_that_are_too_long_are_marked_and_nothing_in_them_is(home: Path, overlong: str, says: str) -> None:
    words = ("preview", "recipe.yaml", "--set", f"data.overlong={overlong}")
    shown = finetune(*words, cwd=home).out
    titles = [line for line in shown.splitlines() if line.startswith("rows.jsonl:")]
    assert [says in title for title in titles] == [False, True, True]
    assert "64" in titles[1]
    assert shown.count("[[") == 1, "brackets are for what is trained"
    assert finetune(*words, "--html", "page.html", cwd=home).code == 0
    page = (home / "page.html").read_text(encoding="utf-8")
    assert page.count(says) == 2
    pictures = page.split("<pre>")[1:]
    assert ['class="on"' in picture for picture in pictures] == [True, False, False]


def _page(home: Path, target: str) -> Ended:
    return finetune("preview", "recipe.yaml", "--html", target, cwd=home)


def test_an_earlier_page_is_replaced(home: Path) -> None:
    assert _page(home, "page.html").code == 0
    first = (home / "page.html").read_text(encoding="utf-8")
    assert '<meta name="generator" content="finetune preview">' in first
    (home / "recipe.yaml").write_text((home / "recipe.yaml").read_text() + "name: another\n")
    assert _page(home, "page.html").code == 0
    second = (home / "page.html").read_text(encoding="utf-8")
    assert first != second and "another" in second


@pytest.mark.parametrize("target", ["rows.jsonl", "recipe.yaml", "mine.html", "empty", "folder", "link", "pipe"])
def test_nothing_else_is_ever_overwritten(home: Path, target: str) -> None:
    (home / "mine.html").write_text(
        '<!doctype html>\n<html lang="en"><head><meta charset="utf-8"><title>mine</title>\n'
    )
    (home / "empty").write_text("")
    (home / "folder").mkdir()
    (home / "link").symlink_to("nowhere")
    os.mkfifo(home / "pipe")
    before = {path.name: path.read_bytes() for path in home.iterdir() if path.is_file()}
    ended = _page(home, target)
    assert ended.code == 2
    assert ended.out == ""
    assert f"{target}: --html: exists, and is no page that this command wrote" in ended.err
    assert "trained tokens" not in ended.err, "it is refused before anything is rendered"
    assert {path.name: path.read_bytes() for path in home.iterdir() if path.is_file()} == before
    assert (home / "link").is_symlink()
