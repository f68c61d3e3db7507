"""Images in the demo, in a real browser and with a real (tiny) model that looks at them."""

from __future__ import annotations

import io
from collections.abc import Iterator
from pathlib import Path
from typing import Any, ClassVar

import pytest
from PIL import Image

gradio = pytest.importorskip("gradio", reason="the demo needs the gradio extra")
from gradio.utils import get_upload_folder  # noqa: E402
from test_demo import ScriptedEngine, app, free_port  # noqa: E402

pytestmark = pytest.mark.browser


def _png(colour: str = "red", size: tuple[int, int] = (90, 60)) -> bytes:
    buffer = io.BytesIO()
    Image.new("RGB", size, colour).save(buffer, "PNG")
    return buffer.getvalue()


def _uploads() -> set[Path]:
    return {path for path in Path(get_upload_folder()).rglob("*") if path.is_file()}


@pytest.fixture(scope="module")
def engine(family_folder: Any) -> Any:
    from finetune.generation import Engine

    class Listening(Engine):
        """Remembers what it was asked."""

        asked: ClassVar[list[Any]] = []

        def stream(self, messages, **options):
            self.asked.append(list(messages))
            return super().stream(messages, **{**options, "max_new_tokens": 4})

    return Listening.open(family_folder("qwen2_5_vl"))


@pytest.fixture(scope="module")
def page(engine) -> Iterator[Any]:
    served = app.serve([engine], port=free_port())
    yield served
    served.close(verbose=False)


@pytest.fixture
def tab(browser, page) -> Iterator[Any]:
    context = browser.new_context(locale="en-US", viewport={"width": 1280, "height": 900})
    context.set_default_timeout(15_000)
    requests: list[str] = []
    tab = context.new_page()
    tab.on("request", lambda request: requests.append(request.url))
    tab.goto(page.local_url)
    tab.wait_for_selector("#send:not([disabled])")
    tab.wait_for_timeout(300)
    yield tab
    context.close()
    assert not [url for url in requests if not url.startswith(("http://127.0.0.1:", "data:", "blob:"))]


def _attach(tab: Any, *files: tuple[str, bytes]) -> None:
    payload = [{"name": name, "mimeType": "image/png", "buffer": data} for name, data in files]
    with tab.expect_file_chooser() as chosen:
        tab.click("#question [data-testid=upload-button], #question button.upload-button")
    chosen.value.set_files(payload)
    tab.wait_for_selector("#question .thumbnails, #question .thumbnail-item")
    tab.wait_for_timeout(300)


def _send(tab: Any, question: str) -> None:
    tab.fill("#question textarea", question)
    tab.press("#question textarea", "Enter")


def test_an_image_is_sent_seen_by_the_model_drawn_small_and_its_file_deleted(tab, engine):
    engine.asked.clear()
    before = _uploads()
    _attach(tab, ("holiday.png", _png("red")))
    assert len(_uploads() - before) == 1
    _send(tab, "Which colour?")
    tab.wait_for_selector("#chat-base [data-testid=bot]")
    tab.wait_for_selector("#send:not([disabled])")
    (messages,) = engine.asked
    (image,) = messages[-1]["images"]
    assert (image.width, image.height, image.path) == (90, 60, "")
    assert messages[-1]["content"] == "<image>Which colour?"
    drawn = tab.locator("#chat-base [data-testid=user] img")
    assert drawn.count() == 1
    assert drawn.first.get_attribute("src").startswith("data:image/jpeg;base64,")
    assert drawn.first.evaluate("image => image.naturalWidth") == 90
    assert _uploads() == before
    assert tab.locator("#question .thumbnail-item").count() == 0


def test_what_is_no_image_is_refused_and_the_question_kept(tab, engine):
    engine.asked.clear()
    _attach(tab, ("holiday.png", b"not an image at all"))
    _send(tab, "Which colour?")
    said = "An image cannot be used: the image is no image that can be read. Nothing was sent."
    tab.locator("#status", has_text=said).wait_for()
    assert tab.input_value("#question textarea") == "Which colour?"
    assert engine.asked == []


def test_a_question_without_an_image_works_in_the_same_box(tab, engine):
    engine.asked.clear()
    _send(tab, "Hello?")
    tab.wait_for_selector("#chat-base [data-testid=bot]")
    tab.wait_for_selector("#send:not([disabled])")
    assert engine.asked[-1][-1] == {"role": "user", "content": "Hello?"}


def test_a_base_without_image_input_has_no_button_for_images(browser):
    served = app.serve([ScriptedEngine()], port=free_port())
    try:
        tab = browser.new_page()
        tab.goto(served.local_url)
        tab.wait_for_selector("#send:not([disabled])")
        assert tab.locator("#question input[type=file]").count() == 0
        assert tab.locator("#question [data-testid=upload-button]").count() == 0
        tab.close()
    finally:
        served.close(verbose=False)


def test_the_page_speaks_chinese_of_images(browser, page):
    context = browser.new_context(locale="zh-CN")
    tab = context.new_page()
    tab.goto(page.local_url)
    tab.wait_for_selector("html[lang=zh]", state="attached")
    tab.locator("#question textarea[placeholder*='图片']").wait_for()
    context.close()
