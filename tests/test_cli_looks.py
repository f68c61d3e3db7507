"""`new`, `preview`, `doctor` and `chat` as processes."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest
from commands_kit import finetune

from finetune import resources
from finetune.cli.show import visible

RECIPES = list(resources.shipped_recipes())


@pytest.mark.parametrize("name", RECIPES)
def test_new_makes_a_folder_that_passes_check(name: str, tmp_path: Path) -> None:
    ended = finetune("new", "my_own", "--from", name, cwd=tmp_path)
    assert ended.code == 0
    assert ended.out == "my_own/recipe.yaml\n"
    text = (tmp_path / "my_own" / "recipe.yaml").read_text(encoding="utf-8")
    assert "../" not in text, "a copy must stand alone"
    assert "\nname: my_own\n" in text
    report = finetune("check", "my_own", "--json", cwd=tmp_path)
    assert report.code == 0
    assert json.loads(report.out)["num_train"] > 0
    before = finetune("check", name, "--json", cwd=tmp_path)
    assert json.loads(report.out)["fingerprint"] == json.loads(before.out)["fingerprint"], "the same rows as shipped"


def test_new_takes_quickstart_when_nothing_is_named(tmp_path: Path) -> None:
    assert finetune("new", "a/b", cwd=tmp_path).code == 0
    assert (tmp_path / "a" / "b" / "data" / "medical" / "train.csv").is_file()
    assert "\nname: b\n" in (tmp_path / "a" / "b" / "recipe.yaml").read_text()


@pytest.mark.parametrize("name", ["2024", "null", "true", "1e5", "0x1F", "1.5", "inf"])
def test_new_keeps_a_name_that_is_no_text_in_yaml(name: str, tmp_path: Path) -> None:
    assert finetune("new", name, cwd=tmp_path).code == 0
    ended = finetune("check", f"{name}/recipe.yaml", cwd=tmp_path)
    assert ended.code == 0, ended.err
    assert ended.out.startswith(f"recipe    {name}\n")


@pytest.mark.parametrize("name", RECIPES)
def test_links_of_a_copy_lead_into_the_copy_or_are_words(name: str, tmp_path: Path) -> None:
    assert finetune("new", "mine", "--from", name, cwd=tmp_path).code == 0
    links = re.compile(r"\[([^\]]*)\]\(([^)]+)\)")
    pages = list((tmp_path / "mine").rglob("*.md"))
    assert pages
    for page in pages:
        for _, goal in links.findall(page.read_text(encoding="utf-8")):
            assert goal.startswith("https://") or (page.parent / goal).exists(), f"{page.name}: {goal}"
    shipped = (resources.shipped("recipes") / name / "README.md").read_text(encoding="utf-8")
    copied = (tmp_path / "mine" / "README.md").read_text(encoding="utf-8")
    assert links.sub(r"\1", copied) == links.sub(r"\1", shipped), "every word is kept"
    if "](../../data_templates/medical/README.md)" in shipped:
        assert "](data/medical/README.md)" in copied
    assert set(re.findall(r"https://[^)]*", copied)) == set(re.findall(r"https://[^)]*", shipped))


@pytest.mark.parametrize("name", ["诊所", ".hidden", "with space", "x" * 100])
def test_new_gives_a_name_that_a_recipe_may_have(name: str, tmp_path: Path) -> None:
    assert finetune("new", name, cwd=tmp_path).code == 0
    assert finetune("check", f"{name}/recipe.yaml", cwd=tmp_path).code == 0


def test_new_never_writes_into_what_exists(tmp_path: Path) -> None:
    (tmp_path / "mine").mkdir()
    (tmp_path / "link").symlink_to(tmp_path / "nowhere")
    for name in ("mine", "link"):
        ended = finetune("new", name, cwd=tmp_path)
        assert ended.code == 2
        assert "already exists" in ended.err
    assert not list((tmp_path / "mine").iterdir())


def test_new_from_an_unknown_recipe_lists_the_known_ones(tmp_path: Path) -> None:
    ended = finetune("new", "mine", "--from", "quickstrat", cwd=tmp_path)
    assert ended.code == 2
    assert all(name in ended.err for name in RECIPES)
    assert not (tmp_path / "mine").exists()


def test_new_where_nothing_can_be_written(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    ended = finetune("new", "file/mine", cwd=tmp_path)
    assert ended.code == 4
    assert "cannot be written" in ended.err


def test_preview_brackets_what_is_trained(tmp_path: Path) -> None:
    ended = finetune("preview", "quickstart", "--row", "1", cwd=tmp_path)
    assert ended.code == 0
    title, text = ended.out.rstrip("\n").split("\n")
    rows = (resources.shipped("data_templates") / "medical" / "train.csv").read_text(encoding="utf-8").splitlines()
    trained = re.findall(r"\[\[(.*?)\]\]", text)
    assert len(trained) == 1
    assert trained[0].endswith("<|end|>"), "the end token is trained too"
    assert trained[0].removesuffix("<|end|>") in rows[1]
    assert text.startswith("<|begin|><|user|>")
    assert re.search(r"train\.csv:2: \d+ of \d+ tokens are trained", title)


def test_preview_in_colour_has_no_brackets(tmp_path: Path) -> None:
    ended = finetune("preview", "quickstart", "--row", "1", cwd=tmp_path, FORCE_COLOR="1", TERM="xterm-256color")
    assert "\x1b[1;32m" in ended.out, "trained tokens are bold green"
    assert "[[" not in ended.out
    plain = finetune("preview", "quickstart", "--row", "1", cwd=tmp_path)
    stripped = re.sub(r"\x1b\[[0-9;]*m", "", ended.out)
    assert stripped == plain.out.replace("[[", "").replace("]]", "")


def test_preview_as_json_adds_up(tmp_path: Path) -> None:
    shown = json.loads(finetune("preview", "quickstart", "--rows", "2", "--json", cwd=tmp_path).out)
    assert len(shown) == 2
    for entry in shown:
        assert 0 < entry["num_trained"] < entry["num_tokens"]
        assert not entry["too_long"]
        assert "<|assistant|>" not in "".join(text for text, trained in entry["tokens"] if trained)


def test_preview_as_a_page_is_one_file_and_no_row_is_markup_in_it(tmp_path: Path) -> None:
    (tmp_path / "rows.csv").write_text("question,answer\n<b>bold?</b>,<script>alert(1)</script>\nb?,b\nc?,c\n")
    (tmp_path / "recipe.yaml").write_text(
        "recipe: 1\nbase: {model: starter}\ndata: {train: rows.csv, held_out: held.csv}\n"
    )
    (tmp_path / "held.csv").write_text("question,answer\nd?,d\n")
    ended = finetune("preview", ".", "--html", "page.html", cwd=tmp_path)
    assert (ended.code, ended.out) == (0, "page.html\n")
    page = (tmp_path / "page.html").read_text(encoding="utf-8")
    assert page.lower().startswith("<!doctype html>")
    assert "http" not in page and " src=" not in page
    assert "<b>bold" not in page and "alert(1)</script" not in page


@pytest.mark.parametrize("row", ["513", "999999"])
def test_preview_of_a_row_that_is_not_there(row: str, tmp_path: Path) -> None:
    ended = finetune("preview", "quickstart", "--row", row, cwd=tmp_path)
    assert ended.code == 2
    assert "512 training rows" in ended.err


@pytest.fixture
def three(tmp_path: Path) -> Path:
    """A folder with three training rows: of middle length, long, short."""
    long = "A much longer one?,Yes. " + "so " * 9
    (tmp_path / "rows.csv").write_text(f"question,answer\nMiddle one?,yes\n{long}\nc?,c\n")
    (tmp_path / "held.csv").write_text("question,answer\nd?,d\n")
    (tmp_path / "recipe.yaml").write_text(
        "recipe: 1\nbase: {model: starter}\ndata: {train: rows.csv, held_out: held.csv}\n"
    )
    return tmp_path


@pytest.mark.parametrize(
    ("words", "places"),
    [
        ((), ["rows.csv:2", "rows.csv:3", "rows.csv:4"]),
        (("--rows", "2"), ["rows.csv:2", "rows.csv:3"]),
        (("--row", "3"), ["rows.csv:4"]),
        (("--at", "rows.csv:3"), ["rows.csv:3"]),
        (("--find", "ONE?"), ["rows.csv:2", "rows.csv:3"]),
        (("--find", "one?", "--rows", "1"), ["rows.csv:2"]),
        (("--order", "longest"), ["rows.csv:3", "rows.csv:2", "rows.csv:4"]),
        (("--order", "shortest", "--rows", "1"), ["rows.csv:4"]),
    ],
)
def test_preview_shows_the_rows_asked_for(words: tuple[str, ...], places: list[str], three: Path) -> None:
    ended = finetune("preview", "recipe.yaml", *words, "--json", cwd=three)
    assert ended.code == 0, ended.err
    assert [entry["where"] for entry in json.loads(ended.out)] == places


@pytest.mark.parametrize(
    ("words", "says"),
    [(("--at", "rows.csv:99"), "no training row stands there"), (("--at", "held.csv:2"), "it may be held out"),
     (("--find", "nowhere at all"), "no training row has this text")],
)  # fmt: skip
def test_preview_says_when_no_row_is_meant(words: tuple[str, ...], says: str, three: Path) -> None:
    ended = finetune("preview", "recipe.yaml", *words, cwd=three)
    assert (ended.code, ended.out) == (2, "")
    assert says in ended.err and "nowhere at all" not in ended.err


def test_a_row_cannot_drive_the_terminal(tmp_path: Path) -> None:
    (tmp_path / "rows.csv").write_text("question,answer\na?,\x1b[31mred\x07\nb?,b\nc?,c\n")
    (tmp_path / "recipe.yaml").write_text("recipe: 1\nbase: {model: starter}\ndata: {train: rows.csv}\n")
    ended = finetune("preview", "recipe.yaml", cwd=tmp_path)
    assert ended.code == 0
    assert "\x1b" not in ended.out + ended.err
    assert "\x07" not in ended.out
    assert visible("a\tb\nc\x1b\x7f\x9b") == "a\tb\nc\u241b\u2421\ufffd"


def test_doctor(tmp_path: Path) -> None:
    ended = finetune("doctor", cwd=tmp_path)
    assert ended.code == 0
    assert ended.out.rstrip().endswith("all set")
    facts = json.loads(finetune("doctor", "--json", cwd=tmp_path).out)
    assert facts["missing"] == []
    assert facts["starter_base"] is True
    assert facts["shipped_recipes"] == RECIPES
    assert facts["num_cpus"] >= 1
    for library in ("torch", "transformers", "peft", "trl"):
        assert facts["versions"][library]


def test_chat_answers_one_question(tmp_path: Path) -> None:
    ended = finetune("chat", "starter", "--question", "Hello, how are you?", cwd=tmp_path)
    assert ended.code == 0
    assert ended.out.strip()
    assert "<|" not in ended.out
    assert "error" not in ended.err


def test_chat_as_a_conversation(tmp_path: Path) -> None:
    typed = "/help\nHello\n/retry\n/reset\n/adapter\n/system\n\nGood night\n/quit\nnever asked\n"
    ended = finetune("chat", "starter", cwd=tmp_path, stdin=typed)
    assert ended.code == 0
    answers = ended.out.splitlines()
    assert len(answers) >= 3
    assert answers[0] == answers[1], "the likeliest words are the same again"
    assert "there is no adapter here" in ended.err
    assert "/retry" in ended.err
    ends_with_input = finetune("chat", "starter", cwd=tmp_path, stdin="Hello\n")
    assert (ends_with_input.code, ends_with_input.out.splitlines()[0]) == (0, answers[0])


def test_draws_are_cut_to_length(tmp_path: Path) -> None:
    words = ("chat", "starter", "--question", "Tell me a story.", "--max-new-tokens", "3", "--temperature", "0.8")
    ended = finetune(*words, cwd=tmp_path)
    assert ended.code == 0
    assert len(ended.out.split()) <= 4
