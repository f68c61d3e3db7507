"""The demo page in a real browser: streaming, stop, both columns, languages, a phone, the keyboard alone."""

from __future__ import annotations

import time
from collections.abc import Iterator

import pytest

from finetune import resources
from finetune.errors import RunError

gradio = pytest.importorskip("gradio", reason="the demo needs the gradio extra")
from test_demo import ScriptedEngine, app, conversation, free_port, page_module, until  # noqa: E402

pytestmark = pytest.mark.browser


@pytest.fixture(scope="module")
def engine() -> ScriptedEngine:
    return ScriptedEngine()


@pytest.fixture(scope="module")
def page(engine) -> Iterator:
    served = app.serve([engine], port=free_port())
    yield served
    served.close(verbose=False)


@pytest.fixture
def visit(browser, page) -> Iterator:
    """Open the page as a new visitor; afterwards: every request went to it, and its console is clean."""
    contexts, requests, complaints = [], [], []

    def open_page(url: str = page.local_url, locale: str = "en-US", width: int = 1280, height: int = 900):
        context = browser.new_context(locale=locale, viewport={"width": width, "height": height})
        contexts.append(context)
        context.set_default_timeout(10_000)
        tab = context.new_page()
        tab.on("request", lambda request: requests.append(request.url))
        tab.on("console", lambda said: complaints.append(said.text) if said.type == "error" else None)
        tab.on("pageerror", lambda error: complaints.append(str(error)))
        tab.goto(url)
        tab.wait_for_selector("#send:not([disabled])")
        tab.wait_for_selector("html[lang=zh]" if locale.startswith("zh") else "html[lang=en]", state="attached")
        tab.wait_for_timeout(300)
        return tab

    yield open_page
    for context in contexts:
        context.close()
    strangers = [url for url in requests if not url.startswith(("http://127.0.0.1:", "data:", "blob:"))]
    assert not strangers
    assert [text for text in complaints if "503" not in text] == []  # 503 is gradio's word for a full line


def _answer(tab, column: str = "adapter", number: int = -1) -> str:
    found = tab.locator(f"#chat-{column} [data-testid=bot]").all()
    return found[number].inner_text() if found else ""


def _idle(tab) -> None:
    tab.wait_for_selector("#send:not([disabled])")
    tab.wait_for_selector("#stop[disabled]")


def _ask(tab, question: str, wait: bool = True) -> None:
    tab.fill("#question textarea", question)
    tab.press("#question textarea", "Enter")
    tab.wait_for_selector("#stop:not([disabled])")
    if wait:
        _idle(tab)


def test_an_answer_grows_and_can_be_retried_undone_and_cleared(visit, engine):
    tab = visit()
    _ask(tab, "Hello", wait=False)
    lengths = []
    while not tab.locator("#send:not([disabled])").count():
        if (so_far := _answer(tab)).startswith("adapter"):
            lengths.append(len(so_far))
        tab.wait_for_timeout(30)
    assert len(set(lengths)) >= 3 and lengths == sorted(lengths)
    assert _answer(tab).startswith("adapter says") and _answer(tab).rstrip().endswith("word11")
    _ask(tab, "And then?")
    assert [m["role"] for m in engine.calls[-1]] == ["user", "assistant", "user"]
    tab.click("#retry")
    tab.wait_for_selector("#stop:not([disabled])")
    _idle(tab)
    assert [m["content"] for m in engine.calls[-1]][-1] == "And then?" and len(engine.calls[-1]) == 3
    tab.click("#undo")
    assert until(lambda: tab.input_value("#question textarea") == "And then?", 5)
    assert tab.locator("#chat-adapter [data-testid=user]").count() == 1
    tab.click("#clear")
    tab.wait_for_selector("#undo[disabled]")
    assert tab.locator("#chat-adapter [data-testid=user]").count() == 0


def test_fault_134_stop_ends_the_generation_within_a_second(visit, engine):
    tab = visit()
    _ask(tab, "long answer please", wait=False)
    assert until(lambda: len(_answer(tab)) > 20, 5)
    pressed = time.monotonic()
    tab.click("#stop")
    assert until(lambda: engine.running == 0, 2) and engine.ended_at - pressed < 1.0
    _idle(tab)
    assert "Stopped here." in _answer(tab)
    _ask(tab, "Hello again")
    assert _answer(tab).rstrip().endswith("word11")


def test_fault_134_a_visitor_who_leaves_ends_the_generation(visit, engine):
    tab = visit()
    _ask(tab, "long goodbye", wait=False)
    assert until(lambda: engine.running == 1, 3)
    left = time.monotonic()
    tab.close()
    assert until(lambda: engine.running == 0, 3)
    assert engine.ended_at - left < 1.5


def test_both_columns_answer_one_after_the_other(visit, engine):
    tab = visit()
    tab.check("#mode input[value=both]")
    tab.wait_for_selector("#chat-base")
    before = len(engine.calls)
    _ask(tab, "Compare", wait=False)
    assert until(lambda: "base says" in _answer(tab, "base"), 5)
    assert "Waits until the base has finished" in _answer(tab, "adapter")
    _idle(tab)
    assert _answer(tab, "adapter").startswith("adapter says") and len(engine.calls) == before + 2
    left, right = (tab.locator(f"#chat-{name}").bounding_box() for name in ("base", "adapter"))
    assert left["x"] + left["width"] <= right["x"] and abs(left["y"] - right["y"]) < 2


def test_the_page_is_as_wide_in_every_language_and_choice(visit):
    widths = set()
    for locale in ("en-US", "zh-CN"):
        tab = visit(locale=locale)
        for mode in ("adapter", "both"):
            tab.check(f"#mode input[value={mode}]")
            if mode == "both":
                tab.wait_for_selector("#chat-base")
            tab.wait_for_timeout(300)
            widths.add(round(tab.locator("#columns").bounding_box()["width"]))
        left, right = (tab.locator(f"#chat-{name}").bounding_box() for name in ("base", "adapter"))
        assert left["x"] + left["width"] <= right["x"] and abs(left["width"] - right["width"]) < 1
    assert len(widths) == 1 and widths.pop() > 1000


def test_what_is_chosen_before_the_first_drawing_stays(visit, browser, page, monkeypatch):
    language_of = page_module.texts.language_of

    def slowly(header):
        time.sleep(1.5)
        return language_of(header)

    monkeypatch.setattr(page_module.texts, "language_of", slowly)
    context = browser.new_context(locale="en-US")
    tab = context.new_page()
    tab.goto(page.local_url)
    tab.check("#mode input[value=both]")
    tab.check("#language input[value=zh]")
    tab.wait_for_selector("#send:text-is('发送')")
    tab.wait_for_timeout(2_000)
    assert tab.inner_text("#send") == "发送" and tab.is_checked("#language input[value=zh]")
    assert tab.is_checked("#mode input[value=both]")
    assert tab.is_visible("#chat-base") and tab.is_visible("#chat-adapter") and tab.is_visible("#both-order")
    context.close()


def test_the_language_follows_the_browser_and_the_switch(visit):
    tab = visit(locale="zh-CN")
    assert tab.inner_text("#send") == "发送" and "小模型会出错" in tab.inner_text("#notice")
    _ask(tab, "long", wait=False)
    tab.click("#stop")
    _idle(tab)
    assert "已在此停止" in _answer(tab)
    tab.check("#language input[value=en]")
    tab.wait_for_selector("html[lang=en]", state="attached")
    tab.wait_for_selector("#send:text-is('Send')")
    assert "Stopped here." in _answer(tab) and "Small models make mistakes." in tab.inner_text("#notice")


@pytest.mark.parametrize("locale", ["en-US", "zh-CN"])
def test_a_phone_shows_everything_without_sideways_scrolling(visit, locale):
    tab = visit(locale=locale, width=380, height=800)
    tab.check("#mode input[value=both]")
    for box in ("#prompt", "#settings"):
        tab.click(f"{box} > button")
    tab.check("#prompt-try input")
    _ask(tab, "hostile")
    assert tab.evaluate("document.documentElement.scrollWidth") <= 380
    clipped = """[...document.querySelectorAll('button, label, p, h1, textarea')].filter(e => e.offsetParent
        && e.getBoundingClientRect().right > innerWidth + 1).map(e => e.outerHTML.slice(0, 80))"""
    assert tab.evaluate(clipped) == []
    top, bottom = (tab.locator(f"#chat-{name}").bounding_box() for name in ("base", "adapter"))
    assert top["y"] + top["height"] <= bottom["y"]


def test_keyboard_alone_is_enough(visit, engine):
    tab = visit()
    tab.focus("#question textarea")
    tab.keyboard.type("two")
    tab.keyboard.press("Shift+Enter")
    tab.keyboard.type("lines")
    tab.keyboard.press("Enter")
    tab.wait_for_selector("#stop:not([disabled])")
    _idle(tab)
    assert engine.calls[-1][-1]["content"] == "two\nlines"
    seen = []
    for _ in range(12):
        tab.keyboard.press("Tab")
        seen.append(tab.evaluate("document.activeElement.id || document.activeElement.innerText"))
        if seen[-1] == "retry":
            break
    assert seen[-1] == "retry" and "send" in seen
    before = len(engine.calls)
    tab.keyboard.press("Enter")
    assert until(lambda: len(engine.calls) == before + 1, 5)
    _idle(tab)
    unnamed = """[...document.querySelectorAll('button, textarea, input')].filter(e => e.offsetParent
        && !(e.innerText || e.ariaLabel || e.labels?.length)).map(e => e.outerHTML.slice(0, 99))"""
    assert tab.evaluate(unnamed) == []
    assert tab.get_attribute("#status", "aria-live") == "polite"


def test_an_example_button_asks_its_question(visit, engine):
    tab = visit()
    tab.fill("#question textarea", "half a thought")
    tab.locator("#examples button").nth(1).click()
    tab.wait_for_selector("#stop:not([disabled])")
    _idle(tab)
    assert engine.calls[-1][-1]["content"] == engine.questions[1]
    assert tab.input_value("#question textarea") == "half a thought"


def test_fault_132_a_message_beyond_the_limit_is_kept_and_not_sent(visit, engine):
    tab = visit()
    before = len(engine.calls)
    tab.fill("#question textarea", "x" * (conversation.MAX_CHARACTERS + 1))
    tab.press("#question textarea", "Enter")
    tab.wait_for_selector("#status:has-text('That is 8,001 characters')")
    assert len(tab.input_value("#question textarea")) == 8001 and len(engine.calls) == before


def test_an_error_is_told_kindly_and_the_page_lives_on(visit):
    tab = visit()
    _ask(tab, "break")
    assert "did not succeed (id " in _answer(tab) and "SECRET" not in tab.content()
    _ask(tab, "too long")
    assert "the question takes 900 tokens; 400 fit (id " in _answer(tab)
    _ask(tab, "Hello")
    assert _answer(tab).startswith("adapter says")


def test_fault_135_hostile_answers_load_and_link_nothing(visit):
    tab = visit()
    _ask(tab, "hostile")
    assert "![x](http://stranger.example/x.png?q=1)" in _answer(tab)
    assert tab.locator("#chat-adapter :is(a, img, script, iframe)").count() == 0


def test_another_system_prompt_is_sent_only_when_asked_for(visit, engine):
    tab = visit()
    _ask(tab, "Hello")
    assert engine.calls[-1][0]["role"] == "user"
    tab.click("#prompt > button")
    assert not tab.locator("#prompt-original textarea").is_editable()
    tab.check("#prompt-try input")
    tab.fill("#prompt-other textarea", "Answer in rhyme.")
    tab.locator("#prompt-other textarea").blur()
    _ask(tab, "Hello")
    assert engine.calls[-1][0] == {"role": "system", "content": "Answer in rhyme."}


def test_several_models_can_be_chosen_and_a_base_alone_has_no_choice(visit):
    first, second = ScriptedEngine("Same name"), ScriptedEngine("Same name", has_adapter=False)
    second.questions = []
    served = app.serve([first, second], port=free_port())
    try:
        tab = visit(served.local_url)
        tab.click("#engine input")
        tab.get_by_role("option", name="Same name (2)").click()
        tab.wait_for_selector("#mode", state="hidden")
        assert "without an adapter" in tab.inner_text("#facts")
        assert tab.locator("#examples button:visible").count() == 0
        _ask(tab, "Hello")
        assert _answer(tab, "base").startswith("base says") and not first.calls
        tab.context.close()
    finally:
        served.close(verbose=False)


def test_fault_133_beyond_the_line_the_question_goes_back_into_the_box(visit, monkeypatch):
    monkeypatch.setattr(page_module, "MAX_WAITING", 1)
    served = app.serve([ScriptedEngine()], port=free_port())
    try:
        first, second, third = (visit(served.local_url) for _ in range(3))
        _ask(first, "long one", wait=False)
        assert until(lambda: _answer(first).startswith("adapter says"), 5)
        _ask(second, "two", wait=False)
        third.fill("#question textarea", "three")
        third.press("#question textarea", "Enter")
        third.wait_for_selector("#status:has-text('Too many people')")
        assert third.input_value("#question textarea") == "three"
        second.click("#stop")
        _idle(second)
        assert "Stopped here." in _answer(second)
        first.click("#stop")
        _idle(first)
        _ask(third, "three")
        assert _answer(third).startswith("adapter says")
    finally:
        for tab in (first, second, third):
            tab.context.close()
        served.close(verbose=False)


def test_the_real_engine_on_the_starter_base(visit):
    generation = pytest.importorskip("finetune.generation")
    try:
        resources.starter_base()
    except RunError:
        pytest.skip("this checkout has no starter base yet")
    served = app.serve([generation.Engine.open(resources.STARTER_ID)], port=free_port())
    try:
        tab = visit(served.local_url)
        tab.set_default_timeout(60_000)
        _ask(tab, "What is a cold?")
        assert _answer(tab, "base").strip() and "did not succeed" not in _answer(tab, "base")
        tab.context.close()
    finally:
        served.close(verbose=False)
