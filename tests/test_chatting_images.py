"""Images in the terminal chat: looked at before anything is loaded, and never the end of the chat."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from PIL import Image

from finetune import models
from finetune.cli import chatting, main
from finetune.errors import ModelError


@pytest.fixture
def picture(tmp_path: Path) -> Path:
    Image.new("RGB", (40, 20), "red").save(tmp_path / "red.png")
    return tmp_path / "red.png"


@pytest.fixture
def nothing_loaded(monkeypatch: pytest.MonkeyPatch) -> Any:
    def load(*arguments: Any, **words: Any) -> None:
        raise ModelError("the base was loaded")

    monkeypatch.setattr(models, "load_base", load)
    return load


def _chat(monkeypatch: pytest.MonkeyPatch, lines: list[Any], files: list[str]) -> list[Any]:
    """What is asked of the engine while `lines` are typed; a callable among them is called, then the next is typed."""
    asked: list[Any] = []
    typed = iter(lines)

    def read(prompt: str) -> str:
        line = next(typed)
        while callable(line):
            line()
            line = next(typed)
        return line

    monkeypatch.setattr("builtins.input", read)
    monkeypatch.setattr(chatting, "_answer", lambda engine, who, messages, options: asked.append(messages[-1]))
    engine: Any = SimpleNamespace(title="t", base_name="b", takes_images=True)
    chatting.loop(engine, adapter=False, options={}, files=files)
    return [(turn["content"], len(turn.get("images", ()))) for turn in asked]


def test_a_base_without_images_is_told_before_it_is_loaded(tiny_base, picture, capsys, nothing_loaded):
    assert main(["chat", str(tiny_base), "--question", "Colour?", "--image", str(picture)]) == 2
    assert "this base takes no images" in capsys.readouterr().err


def test_a_wrong_file_is_told_before_the_base_is_looked_for(tmp_path, capsys, nothing_loaded, monkeypatch):
    monkeypatch.setattr("finetune.generation.find_source", nothing_loaded)
    assert main(["chat", "starter", "--question", "Colour?", "--image", str(tmp_path / "none.png")]) == 2
    assert "none.png: the image is missing" in capsys.readouterr().err


def test_a_base_that_takes_images_gets_as_far_as_loading(family_folder, picture, nothing_loaded, capsys):
    assert main(["chat", str(family_folder("qwen2_5_vl")), "--question", "Colour?", "--image", str(picture)]) == 2
    assert "the base was loaded" in capsys.readouterr().err


def test_a_file_that_vanishes_before_the_question_is_told_and_the_chat_goes_on(picture, capsys, monkeypatch):
    lines = [f"/image {picture}", picture.unlink, "Colour?", "Colour, then?", "/quit"]
    assert _chat(monkeypatch, lines, []) == [("Colour, then?", 0)]
    said = capsys.readouterr().err
    assert "red.png: the image is missing" in said and "not asked; red.png is left out from now on" in said


def test_reset_forgets_the_images_that_wait(picture, monkeypatch):
    lines = [f"/image {picture}", "/reset", "Colour?", "/quit"]
    assert _chat(monkeypatch, lines, [str(picture)]) == [("Colour?", 0)]
