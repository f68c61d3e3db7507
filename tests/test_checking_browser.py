"""check.html in a real browser: both languages, light and dark, a telephone, the keyboard alone, paper."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import checking_kit
import pytest

from finetune.checking.report import render

pytestmark = pytest.mark.browser

MADE = {"clean": checking_kit.clean, "looked_at": checking_kit.looked_at, "refused": checking_kit.refused}
# WCAG: the contrast of every visible text with what lies behind it, and whether it is large.
CONTRASTS = """() => {
  const canvas = document.createElement('canvas').getContext('2d', {willReadFrequently: true});
  const rgba = colour => {
    canvas.clearRect(0, 0, 1, 1); canvas.fillStyle = colour; canvas.fillRect(0, 0, 1, 1);
    return canvas.getImageData(0, 0, 1, 1).data;
  };
  const light = rgb => {
    const [r, g, b] = [0, 1, 2].map(k => rgb[k] / 255).map(v => v <= .04045 ? v / 12.92 : ((v + .055) / 1.055) ** 2.4);
    return .2126 * r + .7152 * g + .0722 * b;
  };
  const behind = e => {
    for (; e; e = e.parentElement) {
      const colour = rgba(getComputedStyle(e).backgroundColor);
      if (colour[3] > 250) return colour;
    }
    return [255, 255, 255, 255];
  };
  const bad = [];
  for (const e of document.querySelectorAll('article *, label')) {
    if (!e.checkVisibility() || e.closest('svg.flow-bands')) continue;
    const own = [...e.childNodes].some(n => n.nodeType === 3 && n.textContent.trim());
    if (!own) continue;
    const style = getComputedStyle(e);
    const front = light(rgba(e.closest('svg') ? style.fill : style.color)), back = light(behind(e));
    const ratio = (Math.max(front, back) + .05) / (Math.min(front, back) + .05);
    if (ratio < 4.5) bad.push([e.textContent.trim().slice(0, 30), ratio.toFixed(2)]);
  }
  return bad;
}"""


@pytest.fixture
def visit(browser, tmp_path: Path) -> Iterator:
    """Open a page; afterwards: nothing was fetched but the page itself, and its console is clean."""
    contexts, requests, complaints = [], [], []

    def open_page(name: str, scheme: str = "light", width: int = 1280):
        path = tmp_path / f"{name}.html"
        path.write_text(render(MADE[name]()), encoding="utf-8")
        context = browser.new_context(color_scheme=scheme, viewport={"width": width, "height": 900})
        contexts.append(context)
        tab = context.new_page()
        tab.on("request", lambda request: requests.append(request.url))
        tab.on("console", lambda said: complaints.append(said.text))
        tab.on("pageerror", lambda error: complaints.append(str(error)))
        tab.goto(path.as_uri())
        return tab

    yield open_page
    for context in contexts:
        context.close()
    assert [url for url in requests if not url.startswith("file://")] == []
    assert complaints == []


def _shown(tab) -> str:
    return tab.inner_text("body")


@pytest.mark.parametrize("name", MADE)
def test_one_language_at_a_time(name: str, visit) -> None:
    tab = visit(name)
    assert "What this page does not say" in _shown(tab) and "本页不能说明什么" not in _shown(tab)
    tab.click("label[for=to-zh]")
    assert "本页不能说明什么" in _shown(tab) and "What this page does not say" not in _shown(tab)


def test_the_language_can_be_changed_with_the_keyboard(visit) -> None:
    tab = visit("looked_at")
    tab.keyboard.press("Tab")
    assert tab.evaluate("document.activeElement.id") == "to-en"
    outline = tab.evaluate("getComputedStyle(document.querySelector('label[for=to-en]')).outlineStyle")
    assert outline == "solid", "where the keyboard is can be seen"
    tab.keyboard.press("ArrowLeft")
    assert "本页不能说明什么" in _shown(tab)


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("language", ["en", "zh"])
@pytest.mark.parametrize("name", MADE)
def test_all_words_can_be_read(name: str, language: str, scheme: str, visit) -> None:
    tab = visit(name, scheme)
    tab.click(f"label[for=to-{language}]")
    tab.evaluate("document.querySelectorAll('details').forEach(d => d.open = true)")
    assert tab.evaluate(CONTRASTS) == []


@pytest.mark.parametrize("language", ["en", "zh"])
@pytest.mark.parametrize("name", MADE)
@pytest.mark.parametrize("width", [320, 360, 800])
def test_no_page_is_wider_than_the_screen(width: int, name: str, language: str, visit) -> None:
    tab = visit(name, width=width)
    tab.click(f"label[for=to-{language}]")
    assert tab.evaluate("document.documentElement.scrollWidth") <= width


def test_a_reason_leads_to_its_section_and_places_unfold(visit) -> None:
    tab = visit("looked_at")
    tab.click("article.in-en ol.reasons a >> nth=0")
    assert tab.evaluate("location.hash").endswith("-en")
    places = tab.locator("article.in-en details").first
    assert "lines 12" not in _shown(tab)
    places.locator("summary").focus()
    tab.keyboard.press("Enter")
    assert "lines 12, 13, 14" in _shown(tab)


def test_paper_has_the_verdict_and_no_switch(visit) -> None:
    tab = visit("refused", "dark")
    tab.emulate_media(media="print")
    assert not tab.locator("label[for=to-zh]").is_visible()
    assert tab.evaluate("getComputedStyle(document.body).backgroundColor") == "rgb(255, 255, 255)"
    assert "Not ready to train" in _shown(tab)
