"""`finetune preview`: rows that are too long, whose turn a token is, what its page holds and may replace."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
import tiny
from commands_kit import Ended, finetune

from finetune import data, prepare, recipe
from finetune.checking import preview
from finetune.data import Conversation, Message
from finetune.prepare import OpenedBase
from finetune.render import Renderer

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
    pictures = page.split("<article")[1:]
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


# -- what an entry and the page hold -------------------------------------------------------------------------------


def _written(home: Path, *rows: list[dict], **words: object) -> str:
    (home / "rows.jsonl").write_text("\n".join(json.dumps({"messages": row}) for row in rows) + "\n")
    loaded = recipe.load(home / "recipe.yaml", ("data.overlong=drop", "data.duplicates=keep"))
    target = home / "page.html"
    preview.write_page(target, loaded, data.load(loaded), prepare.open_base(loaded), **words)  # type: ignore[arg-type]
    return target.read_text(encoding="utf-8")


def _talk(*turns: tuple[str, str]) -> Conversation:
    return Conversation(tuple(Message(role, text) for role, text in turns), "rows.csv:2")


@pytest.mark.parametrize(
    ("make", "texts"),
    [
        (tiny.chatml, ["<|im_start|>system\nBe kind<|im_end|>\n", "<|im_start|>user\nhi<|im_end|>\n",
                       "<|im_start|>assistant\nhello<|im_end|>\n", "<|im_start|>user\nhi<|im_end|>\n",
                       "<|im_start|>assistant\nkind<|im_end|>\n"]),
        (tiny.llama3, ["<|begin_of_text|><|start_header_id|>system<|end_header_id|>\n\nBe kind<|eot_id|>",
                       "<|start_header_id|>user<|end_header_id|>\n\nhi<|eot_id|>",
                       "<|start_header_id|>assistant<|end_header_id|>\n\nhello<|eot_id|>",
                       "<|start_header_id|>user<|end_header_id|>\n\nhi<|eot_id|>",
                       "<|start_header_id|>assistant<|end_header_id|>\n\nkind<|eot_id|>"]),
    ],
    ids=["chatml", "llama 3"],
)  # fmt: skip
def test_every_turn_begins_where_its_control_token_stands(make, texts: list[str]) -> None:
    tokenizer = make()
    base = OpenedBase(None, None, tokenizer, Renderer(tokenizer), 99, [])  # type: ignore[arg-type]
    roles = ["system", "user", "assistant", "user", "assistant"]
    entry = preview.preview_of(base, _talk(*zip(roles, ["Be kind", "hi", "hello", "hi", "kind"])), "drop", number=3)
    starts = [index for index, _ in entry["role_starts"]]
    assert [role for _, role in entry["role_starts"]] == roles and starts[0] == 0
    ends = [*starts[1:], len(entry["tokens"])]
    assert ["".join(text for text, _ in entry["tokens"][a:b]) for a, b in zip(starts, ends)] == texts
    assert entry["number"] == 3


def test_blanks_of_tokens_are_kept_whatever_the_decoder_drops() -> None:
    """Some decoders drop the blank before a first word; token by token, every blank would be gone."""
    tokenizer = tiny.llama2()
    base = OpenedBase(None, None, tokenizer, Renderer(tokenizer), 99, [])  # type: ignore[arg-type]
    entry = preview.preview_of(base, _talk(("user", "hi kind user"), ("assistant", "hello user")), "drop")
    assert _text(entry) == tokenizer.decode(base.renderer.render(
        [{"role": "user", "content": "hi kind user"}, {"role": "assistant", "content": "hello user"}]
    ).input_ids)  # fmt: skip
    assert [role for _, role in entry["role_starts"]] == ["user", "assistant"]


def test_the_page_says_that_it_holds_row_text_and_asks_nobody_for_anything(home: Path) -> None:
    page = _written(home, GREETING, [{"role": "user", "content": "<script src=//x.example>&\x07"}, GREETING[1]])
    assert "This page shows the text of your rows" in page and "本页应您的要求显示了数据原文" in page
    assert "http:" not in page and "https:" not in page and "//x.example>" not in page
    assert page.count("<script") == 1, "row text is text"
    assert "\x07" not in page and "\u2407" in page
    assert str(home) not in page


def test_planted_rows_are_marked(home: Path) -> None:
    """data.canaries: whoever looks at the rows is told which ones are not theirs."""
    shown = finetune("preview", "recipe.yaml", "--rows", "9", "--set", "data.canaries=2", cwd=home)
    marked = [line for line in shown.out.splitlines() if "a made-up row, planted by data.canaries" in line]
    assert [line.partition(":")[0] for line in marked] == ["canary", "canary"], shown.out
    finetune("preview", "recipe.yaml", "--html", "page.html", "--set", "data.canaries=2", cwd=home)
    page = (home / "page.html").read_text(encoding="utf-8")
    assert "2 of them are made-up rows that data.canaries plants behind yours" in page and "其中 2 行" in page
    assert page.count("made up, planted by data.canaries") == 2
    finetune("preview", "recipe.yaml", "--html", "page.html", cwd=home)
    assert "data.canaries" not in (home / "page.html").read_text(encoding="utf-8")


def test_totals_are_of_all_rows_and_the_rows_shown_are_bounded(home: Path) -> None:
    rows = [
        [{"role": "user", "content": f"{k}: why?"}, {"role": "assistant", "content": "so " * k}] for k in range(1, 15)
    ]
    page = _written(home, *rows, limit=8)
    assert "8 of 14 rows are shown: the first ones, the longest and the shortest." in page
    assert page.count("<article") == 8
    numbers = [int(part.split('"')[0]) for part in page.split('data-number="')[1:]]
    assert numbers == [1, 2, 3, 4, 5, 6, 13, 14]
    whole = _written(home, *rows)
    assert whole.count("<article") == 14 and "rows are shown" not in whole
    asked = _written(home, *rows, rows=[4, 1])
    assert [int(part.split('"')[0]) for part in asked.split('data-number="')[1:]] == [5, 2]
    assert "The 2 of 14 rows that were asked for are shown." in asked
    for one in (page, asked):  # the boxes on top
        assert one.split("<dl>")[1].split("</dl>")[0] == whole.split("<dl>")[1].split("</dl>")[0]


@pytest.mark.parametrize(
    ("sizes", "limit", "chosen"),
    [
        ([5, 6, 7], 3, [0, 1, 2]),
        ([5, 6, 7], 5, [0, 1, 2]),
        ([9, 1, 5, 5, 2, 8, 3, 7], 4, [0, 1, 4, 5]),  # two first ones, the shortest and the longest of the rest
        ([9, 1, 5], 1, [0]),
        ([], 3, []),
        ([150_000, 100_000, 10], 3, [0, 2]),  # no page of half a million tokens
        ([500_000], 3, [0]),
    ],
)
def test_which_rows_are_shown(sizes: list[int], limit: int, chosen: list[int]) -> None:
    assert preview.choose(sizes, limit) == (chosen, len(chosen) < len(sizes))


def test_a_row_the_template_refuses_does_not_stop_the_page(home: Path) -> None:
    page = _written(home, GREETING, [{"role": "user", "content": "\ue0f0"}, GREETING[1]])
    assert page.count("<article") == 1 and "1 rows are refused by the chat template" in page


def test_rows_are_shown_without_torch(home: Path) -> None:
    code = (
        "import sys, finetune.cli as cli; code = cli.main(['preview', 'recipe.yaml', '--html', 'page.html']); "
        "print(code, [name for name in ('torch', 'peft', 'trl', 'datasets') if name in sys.modules])"
    )
    ended = subprocess.run([sys.executable, "-c", code], cwd=home, capture_output=True, text=True, timeout=100)
    assert ended.stdout == "page.html\n0 []\n", ended.stderr
