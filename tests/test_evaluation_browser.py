"""report.html and a comparison in a real browser: languages, themes, a telephone, the keyboard alone, paper."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
import report_kit
from test_checking_browser import CONTRASTS

from finetune.evaluation import write_report
from finetune.evaluation.runs_compared import write_comparison

pytestmark = pytest.mark.browser


@pytest.fixture(scope="module")
def pages(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """Name -> page: everything, what an older kit left, and a comparison of the two."""
    folder = tmp_path_factory.mktemp("runs")
    full = report_kit.make_run(folder / "full", show_rows=True)
    older = report_kit.make_run(folder / "older", report_kit.older(), bare=True, rate="1e-3")
    write_comparison([full.path, older.path], folder / "compare.html")
    return {"full": write_report(full), "older": write_report(older), "compare": folder / "compare.html"}


@pytest.fixture
def visit(browser, pages: dict[str, Path]) -> Iterator:
    """Open a page; afterwards: nothing was fetched but the page itself, and its console is clean."""
    contexts, requests, complaints = [], [], []

    def open_page(name: str, language: str = "en", scheme: str = "light", width: int = 1280):
        context = browser.new_context(color_scheme=scheme, viewport={"width": width, "height": 900})
        contexts.append(context)
        tab = context.new_page()
        tab.on("request", lambda request: requests.append(request.url))
        tab.on("console", lambda said: complaints.append(said.text))
        tab.on("pageerror", lambda error: complaints.append(str(error)))
        tab.goto(pages[name].as_uri())
        tab.click(f"label[for=to-{language}]")
        return tab

    yield open_page
    for context in contexts:
        context.close()
    assert [url for url in requests if not url.startswith("file://")] == []
    assert complaints == []


@pytest.mark.parametrize(("name", "english", "chinese"), [
    ("full", "What this page does not say", "本页不能说明什么"), ("older", "Better than its base", "优于基座"),
    ("compare", "Runs compared", "运行对比"),
])  # fmt: skip
def test_one_language_at_a_time(name: str, english: str, chinese: str, visit) -> None:
    tab = visit(name)
    assert english in tab.inner_text("body") and chinese not in tab.inner_text("body")
    tab.click("label[for=to-zh]")
    assert chinese in tab.inner_text("body") and english not in tab.inner_text("body")


@pytest.mark.parametrize("language", ["en", "zh"])
@pytest.mark.parametrize("name", ["full", "older", "compare"])
def test_words_can_be_read_in_both_themes_and_no_page_is_wider_than_the_screen(name: str, language: str, visit) -> None:
    for scheme, width in (("light", 1280), ("dark", 360)):
        tab = visit(name, language, scheme, width)
        tab.evaluate("document.querySelectorAll('details').forEach(d => d.open = true)")
        assert tab.evaluate("document.documentElement.scrollWidth") <= width, (scheme, width)
        assert tab.evaluate(CONTRASTS.replace("article *", "main *")) == [], (scheme, width)


def test_answers_are_filtered_by_the_keyboard_alone(visit) -> None:
    tab = visit("full")
    shown = tab.locator(".sample:visible")
    assert shown.count() == 8
    tab.focus("#is-all")
    tab.keyboard.press("ArrowRight")
    assert tab.evaluate("document.activeElement.id") == "is-new" and shown.count() == 1
    assert "Peppermint" in shown.first.inner_text()
    chip = "getComputedStyle(document.querySelector('#is-new + .chip')).outlineStyle"
    assert tab.evaluate(chip) == "solid", "where the keyboard is can be seen"
    assert not tab.locator(".nothing").is_visible()
    tab.focus("#of-all")
    tab.keyboard.press("ArrowRight")
    assert shown.count() == 0 and tab.locator(".nothing").is_visible()


def test_a_failing_item_leads_to_its_answer_even_where_it_is_filtered_out(visit) -> None:
    tab = visit("full")
    tab.focus("#is-all")
    tab.keyboard.press("ArrowLeft")
    assert "Peppermint" not in tab.inner_text("#answers")
    tab.click("a:has-text('medical_safety-004')")
    assert "Peppermint" in tab.inner_text(".sample:target")


def test_paper_has_everything_and_no_switch(visit) -> None:
    tab = visit("full", scheme="dark")
    tab.focus("#is-all")
    tab.keyboard.press("ArrowRight")
    tab.emulate_media(media="print")
    assert tab.locator(".sample:visible").count() == 8 and not tab.locator("#is-all + .chip").is_visible()
    assert not tab.locator("label[for=to-zh]").is_visible()
    assert tab.evaluate("getComputedStyle(document.body).backgroundColor") == "rgb(255, 255, 255)"
    assert tab.locator("details li").first.is_visible(), "what is folded is unfolded"
    for side in (".of-base", ".of-adapter"):
        assert tab.locator(f".sample .answers {side}").first.is_visible()
