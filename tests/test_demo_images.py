"""Images in the demo, in a real browser and with a real (tiny) model that looks at them."""

from __future__ import annotations

import io
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any, ClassVar

import pytest
from PIL import Image

gradio = pytest.importorskip("gradio", reason="the demo needs the gradio extra")
from gradio.utils import get_upload_folder  # noqa: E402
from test_demo import ScriptedEngine, app, free_port, page_module, texts  # noqa: E402

pictures = page_module.pictures


class SeeingEngine(ScriptedEngine):
    takes_images = True


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


@pytest.mark.browser
def test_an_image_is_sent_seen_by_the_model_and_drawn_small(tab, engine):
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
    assert drawn.first.get_attribute("alt") == "image 1"
    assert drawn.first.evaluate("image => [image.clientWidth, image.clientHeight]") == [90, 60]
    assert tab.locator("#question .thumbnail-item").count() == 0


@pytest.mark.browser
def test_what_is_no_image_is_refused_and_the_question_kept(tab, engine):
    engine.asked.clear()
    _attach(tab, ("holiday.png", b"not an image at all"))
    _send(tab, "Which colour?")
    said = (
        "Nothing was sent: the image is no image that can be read; PNG, JPEG, WebP, GIF and BMP are read: convert it."
    )
    tab.locator("#status", has_text=said).wait_for()
    assert tab.input_value("#question textarea") == "Which colour?"
    assert engine.asked == []


@pytest.mark.browser
def test_a_question_without_an_image_works_in_the_same_box(tab, engine):
    engine.asked.clear()
    _send(tab, "Hello?")
    tab.wait_for_selector("#chat-base [data-testid=bot]")
    tab.wait_for_selector("#send:not([disabled])")
    assert engine.asked[-1][-1] == {"role": "user", "content": "Hello?"}


@pytest.mark.browser
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


@pytest.mark.browser
def test_the_page_speaks_chinese_of_images(browser, page):
    context = browser.new_context(locale="zh-CN")
    tab = context.new_page()
    tab.goto(page.local_url)
    tab.wait_for_selector("html[lang=zh]", state="attached")
    tab.locator("#question textarea[placeholder*='图片']").wait_for()
    tab.locator("#question", has_text="每个问题最多 4 张图片，每张不超过 10 MB：PNG、JPEG、WebP、GIF、BMP。").wait_for()
    _attach(tab, ("a.png", _png()), ("b.png", b"not an image"), ("c.png", b""))
    _send(tab, "什么颜色？")
    said = "内容未发送：图片2不是可读取的图片，请转换为 PNG、JPEG、WebP、GIF 或 BMP；图片3是空文件，请重新保存或下载。"
    tab.locator("#status", has_text=said).wait_for()
    context.close()


@pytest.fixture(scope="module")
def scripted() -> Iterator[Any]:
    engines = [SeeingEngine("Sees"), ScriptedEngine("Reads")]
    served = app.serve(engines, port=free_port())
    yield SimpleNamespace(url=served.local_url, engine=engines[0], blocks=served)
    served.close(verbose=False)


@pytest.fixture
def visit(browser, scripted) -> Iterator[Any]:
    contexts = []

    def open_page(url: str = scripted.url, locale: str = "en-US") -> Any:
        context = browser.new_context(locale=locale, viewport={"width": 1280, "height": 900})
        contexts.append(context)
        context.set_default_timeout(15_000)
        tab = context.new_page()
        tab.goto(url)
        tab.wait_for_selector("#send:not([disabled])")
        tab.wait_for_timeout(300)
        return tab

    yield open_page
    for context in contexts:
        context.close()


def _asked(tab: Any, question: str) -> None:
    _send(tab, question)
    tab.wait_for_selector("#stop:not([disabled])")
    tab.wait_for_selector("#stop[disabled]")


@pytest.mark.browser
def test_two_visitors_with_the_same_picture_do_not_take_it_from_each_other(visit, scripted):
    first, second = visit(), visit()
    for tab in (first, second):
        _attach(tab, ("same.png", _png("green", (70, 50))))
    for tab in (first, second):
        scripted.engine.calls.clear()
        _asked(tab, "Which colour?")
        assert len(scripted.engine.calls[-1][-1]["images"]) == 1, tab.inner_text("#status")


@pytest.mark.browser
def test_uploads_go_by_age_and_with_the_server(visit):
    from gradio.route_utils import delete_files_created_by_app

    served = app.serve([SeeingEngine()], port=free_port())
    try:
        assert served.delete_cache == (60, 1800)
        before = _uploads()
        tab = visit(served.local_url)
        _attach(tab, ("old.png", _png("pink")), ("new.png", _png("navy")))
        assert len(_uploads() - before) == 2
        delete_files_created_by_app(served, 1800)
        assert len(_uploads() - before) == 2
        delete_files_created_by_app(served, 0)
        assert _uploads() == before
        _attach(tab, ("last.png", _png("gold")))
        tab.context.close()
    finally:
        served.close(verbose=False)
    assert _uploads() <= before


@pytest.mark.browser
def test_a_question_taken_back_brings_its_images_or_says_that_they_are_gone(visit, scripted):
    tab = visit()
    before = _uploads()
    _attach(tab, ("back.png", _png("olive")), ("big.png", _png("teal", (900, 600))))
    new = _uploads() - before
    _asked(tab, "Which colours?")
    small = tab.locator("#chat-adapter [data-testid=user] img")
    assert [image.get_attribute("alt") for image in small.all()] == ["image 1", "image 2"]
    boxes = [image.bounding_box() for image in small.all()]
    assert [round(box["width"]) for box in boxes] == [90, 160] and boxes[0]["x"] + 90 < boxes[1]["x"]
    tab.click("#undo")
    tab.wait_for_selector("#undo[disabled]")
    tab.locator("#question .thumbnail-item").nth(1).wait_for()
    scripted.engine.calls.clear()
    assert tab.input_value("#question textarea") == "Which colours?"
    tab.press("#question textarea", "Enter")
    tab.wait_for_selector("#stop:not([disabled])")
    tab.wait_for_selector("#stop[disabled]")
    assert [image.width for image in scripted.engine.calls[-1][-1]["images"]] == [90, 900]
    for path in new | (_uploads() - before):
        path.unlink(missing_ok=True)
    tab.click("#undo")
    tab.locator("#status", has_text="have to be added again").wait_for()
    assert tab.input_value("#question textarea") == "Which colours?"


@pytest.mark.browser
@pytest.mark.parametrize("language", ["en", "zh"])
def test_a_model_without_images_empties_the_box_of_them_and_says_so(visit, language):
    tab = visit(locale={"en": "en-US", "zh": "zh-CN"}[language])
    _attach(tab, ("waiting.png", _png()))
    tab.fill("#question textarea", "half a thought")
    tab.click("#engine input")
    tab.get_by_role("option", name="Reads").click()
    tab.locator("#status", has_text=texts.say(language, "status_images_removed")).wait_for()
    assert tab.locator("#question .thumbnail-item").count() == 0
    assert tab.input_value("#question textarea") == "half a thought"
    assert "JPEG" not in tab.inner_text("#question")
    tab.click("#engine input")
    tab.get_by_role("option", name="Sees").click()
    limits = texts.say(language, "question_images", num=4, size="10 MB")
    tab.locator("#question", has_text=limits).wait_for()


# Without a browser


REQUEST: Any = SimpleNamespace(session_hash="visitor", headers={})
SETTINGS = (0, 8, False, "")


def _ask(page: Any, chat: Any, files: list[str], question: str = "Which colour?") -> list:
    asked = {"text": question, "files": files}
    return page._ask(asked, chat, 0, "adapter", "zh", REQUEST, *SETTINGS)


def test_an_unexpected_error_with_an_image_leaves_the_visitor_free_to_go_on(monkeypatch, tmp_path):
    page, chat = page_module.Page([SeeingEngine()]), page_module.conversation.Conversation()
    (tmp_path / "a.png").write_bytes(_png())
    file = str(tmp_path / "a.png")
    with monkeypatch.context() as broken:
        broken.setattr(pictures, "_thumbnail", lambda image: 1 / 0)
        status = _ask(page, chat, [file])[3]
    assert "未能成功" in status and not chat.turns and page.desk.signal("visitor") is None
    assert _ask(page, chat, [file])[3] == texts.say("zh", "status_waiting")


def test_a_full_line_gives_the_images_back_or_says_that_they_are_gone(tmp_path):
    page, chat = page_module.Page([SeeingEngine()]), page_module.conversation.Conversation()
    (tmp_path / "a.png").write_bytes(_png())
    file = str(tmp_path / "a.png")
    _ask(page, chat, [file])
    (
        value,
        *_,
    ) = back = page._busy(chat, 0, "adapter", "zh", REQUEST)
    assert value == {"text": "Which colour?", "files": [file]} and back[3] == texts.say("zh", "status_busy")
    _ask(page, chat, [file])
    (tmp_path / "a.png").unlink()
    value, _, _, status, *_ = page._busy(chat, 0, "adapter", "zh", REQUEST)
    assert value == {"text": "Which colour?", "files": []} and status.endswith("原有图片已不在，请重新添加。")


def _faulty() -> dict[str, bytes | None]:
    wide, black = io.BytesIO(), io.BytesIO()
    Image.new("1", (4_000, 3)).save(wide, "PNG")
    Image.new("1", (33_000, 400)).save(black, "PNG")
    return {
        "is empty": b"",
        "is no image that can be read": b"nothing of the kind",
        "is damaged or cut off": _png(size=(300, 300))[:200],
        "is too narrow": wide.getvalue(),
        "has too many pixels": black.getvalue(),
        "is no longer here": None,
    }


@pytest.mark.parametrize("what", list(_faulty()))
def test_every_fault_of_an_image_is_said_in_both_languages_with_what_to_do_and_which_it_is(what, tmp_path):
    data = _faulty()[what]
    (tmp_path / "a.png").write_bytes(_png())
    if data is not None:
        (tmp_path / "b.png").write_bytes(data)
    files = [str(tmp_path / name) for name in ("a.png", "b.png")]
    with pytest.raises(pictures.Refused) as caught:
        pictures.take(files, 0, SeeingEngine())
    english, chinese = (page_module._why_refused(caught.value, language) for language in ("en", "zh"))
    assert english.startswith(f"Nothing was sent: image 2 {what}") and len(english.split(";")[-1]) > 15
    assert chinese.startswith("内容未发送：图片2") and "请" in chinese and "原文为英文" not in chinese
    with pytest.raises(pictures.Refused) as caught:
        pictures.take(files[1:], 0, SeeingEngine())
    assert f"the image {what}" in page_module._why_refused(caught.value, "en")
    assert "该图片" in page_module._why_refused(caught.value, "zh")


def test_marks_that_do_not_fit_are_shown_as_they_are_written(tmp_path):
    (tmp_path / "a.png").write_bytes(_png())
    with pytest.raises(pictures.Refused) as caught:
        pictures.take([str(tmp_path / "a.png")], 0, SeeingEngine(), "<image> and <image>?")
    assert "问题中 &lt;image> 的个数与图片张数不符" in page_module._why_refused(caught.value, "zh")
    assert "write &lt;image> once for each image" in page_module._why_refused(caught.value, "en")


def test_a_question_too_long_is_refused_in_the_pages_language():
    said = "the question takes 900 tokens; 400 fit beside an answer of 64. Fix: ask shorter"
    assert texts.reason("en", said) == said
    assert texts.reason("zh", said) == "问题共 900 个词元，最多可容纳 400 个，请缩短问题或减小最大长度"
    assert texts.reason("zh", "something new") == "something new（原文为英文）"
    assert texts.reason("zh", "") == ""
