"""The preview page in a real browser: searching, sorting, the keyboard, both languages, light and dark."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from finetune import data, prepare, recipe
from finetune.checking import preview

pytestmark = pytest.mark.browser

ROWS = [
    ("Hello.", "Good morning to you."),
    ("What is a rainbow?", "Light in the rain. " * 8),
    ("感冒了怎么办？", "多喝水，多休息。🌱"),
    ("Too long?", "One day after another. " * 60),
]


@pytest.fixture(scope="module")
def page(tmp_path_factory: pytest.TempPathFactory) -> Path:
    home = tmp_path_factory.mktemp("preview")
    rows = [
        {"messages": [{"role": "user", "content": question}, {"role": "assistant", "content": answer}]}
        for question, answer in ROWS
    ]
    (home / "rows.jsonl").write_text("\n".join(map(json.dumps, rows)) + "\n")
    (home / "held.jsonl").write_text(json.dumps(rows[0]).replace("Hello", "Hi there") + "\n")
    (home / "recipe.yaml").write_text(
        "recipe: 1\nname: clinic\nbase: {model: starter}\n"
        "data: {train: rows.jsonl, held_out: held.jsonl, max_length: 100, overlong: drop, leakage: off}\n"
    )
    loaded = recipe.load(home / "recipe.yaml")
    preview.write_page(home / "page.html", loaded, data.load(loaded), prepare.open_base(loaded))
    return home / "page.html"


@pytest.fixture
def visit(browser, page: Path) -> Iterator:
    """Open the page; afterwards: it asked for nothing but itself, and its console is clean."""
    contexts, requests, complaints = [], [], []

    def open_page(**words):
        context = browser.new_context(**{"locale": "en-US", "viewport": {"width": 1100, "height": 900}, **words})
        contexts.append(context)
        context.set_default_timeout(10_000)
        tab = context.new_page()
        tab.on("request", lambda request: requests.append(request.url))
        tab.on("console", lambda said: complaints.append(said.text))
        tab.on("pageerror", lambda error: complaints.append(str(error)))
        tab.goto(page.as_uri())
        return tab

    yield open_page
    for context in contexts:
        context.close()
    assert set(requests) == {page.as_uri()}
    assert complaints == []


def numbers(tab) -> list[int]:
    return tab.evaluate(
        "Array.from(document.querySelectorAll('article')).filter(n => !n.hidden).map(n => +n.dataset.number)"
    )


def test_search_and_order(visit) -> None:
    tab = visit()
    assert numbers(tab) == [1, 2, 3, 4]
    assert tab.inner_text("#count") == "4 of 4 rows"
    for wanted, found in (
        ("2", [2]), ("#3", [3]), ("rows.jsonl:4", [4]), ("RAINBOW", [2]), ("多喝水", [3]), ("nowhere", []),
    ):  # fmt: skip
        tab.fill("#search", wanted)
        assert numbers(tab) == found, wanted
        assert tab.is_visible("#none") is (not found)
    tab.fill("#search", "")
    for order, found in (("longest", [4, 2, 3, 1]), ("shortest", [1, 3, 2, 4]), ("number", [1, 2, 3, 4])):
        tab.select_option("#order", order)
        assert numbers(tab) == found


def test_the_keyboard_alone(visit) -> None:
    tab = visit()
    tab.keyboard.press("/")
    assert tab.evaluate("document.activeElement.id") == "search"
    tab.keyboard.type("rain")
    assert numbers(tab) == [2]
    tab.keyboard.press("Escape")
    assert numbers(tab) == [1, 2, 3, 4]
    tab.evaluate("document.activeElement.blur()")
    for key, number in (("j", "1"), ("j", "2"), ("j", "3"), ("k", "2")):
        tab.keyboard.press(key)
        assert tab.evaluate("document.activeElement.dataset.number") == number


def test_both_languages(visit) -> None:
    tab = visit()
    assert tab.evaluate("document.documentElement.lang") == "en"
    assert "what is trained" in tab.inner_text("h1") and "训练" not in tab.inner_text("h1")
    tab.click("#language")
    assert "训练哪些内容" in tab.inner_text("h1") and "trained" not in tab.inner_text("main")
    assert tab.inner_text("#count") == "显示 4 / 4 行"
    assert visit(locale="zh-CN").evaluate("document.documentElement.lang") == "zh"


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_trained_tokens_are_told_apart_with_and_without_colour(visit, scheme: str) -> None:
    tab = visit(color_scheme=scheme)
    style = "el => {const s = getComputedStyle(el); return [s.backgroundColor, s.textDecorationLine, s.fontWeight]}"
    on = tab.eval_on_selector("article[data-number='1'] i.on", style)
    off = tab.eval_on_selector("article[data-number='1'] i.off", style)
    assert on[0] != off[0] and on[1:] == ["underline", "600"] and off[1:] == ["none", "400"]
    trained = tab.evaluate(
        "Array.from(document.querySelectorAll(\"[data-number='1'] i.on\")).map(n => n.textContent).join('')"
    )
    assert trained == "Good morning to you.<|end|>"
    assert tab.locator("article[data-number='4'] i.on").count() == 0, "nothing of a row that is left out is trained"
    assert "left out: too long" in tab.inner_text("article[data-number='4'] header")


def test_a_phone(visit) -> None:
    tab = visit(viewport={"width": 360, "height": 700})
    assert tab.evaluate("document.documentElement.scrollWidth") <= 360
