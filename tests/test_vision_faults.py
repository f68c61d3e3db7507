"""Images of rows: faults that were found by use, each with what it has to be instead."""

from __future__ import annotations

import base64
import io
import json
import tracemalloc
from collections import Counter
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from PIL import Image, PngImagePlugin
from test_vision_data import ANSWER, RECIPE, first, load, png, refused, row

from finetune import checking, data, recipe
from finetune.checking.sentences import told
from finetune.data import images
from finetune.errors import DataError
from finetune.evaluation import answers
from finetune.generation import read_questions

UNEQUAL = "the number of <image> in the question is not the number of its images"


@pytest.fixture
def place(tmp_path: Path) -> Path:
    """A folder with one image, a place for rows, and a held-out row."""
    (tmp_path / "rows" / "img").mkdir(parents=True)
    (tmp_path / "rows" / "img" / "red.png").write_bytes(png())
    (tmp_path / "held.jsonl").write_text('{"question": "Who asks?", "answer": "Somebody from the desk."}\n')
    return tmp_path


def _stored(image: Image.Image, **words: Any) -> bytes:
    buffer = io.BytesIO()
    image.save(buffer, "PNG", **words)
    return buffer.getvalue()


# -- pixels ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("bits", [12, 14, 16])
def test_a_grey_ramp_of_more_than_8_bits_keeps_its_steps(bits):
    ramp = (np.arange(256) * (2**bits - 1) // 255).astype(np.uint16)
    stored = _stored(Image.fromarray(np.tile(ramp, (4, 1))))
    assert Image.open(io.BytesIO(stored)).mode.startswith("I")
    seen = np.asarray(images.upright(stored))
    assert seen.shape == (4, 256, 3)
    assert np.abs(seen[0, :, 0].astype(int) - np.arange(256)).max() <= 1
    assert (seen[..., 0] == seen[..., 1]).all() and (seen[..., 1] == seen[..., 2]).all()


def test_of_a_deep_grey_image_the_transparent_grey_is_white_and_it_is_turned_upright():
    values = np.zeros((20, 40), np.uint16)
    values[:, :10] = 60_000
    exif = Image.Exif()
    exif[0x0112] = 6
    picture = images.upright(_stored(Image.fromarray(values), transparency=0, exif=exif))
    assert picture.size == (20, 40) and picture.mode == "RGB"
    assert picture.getpixel((5, 30)) == (255, 255, 255) and picture.getpixel((5, 3)) == (233, 233, 233)


@pytest.mark.parametrize("size", [(12_000, 9_000), (33_000, 400)])
def test_an_image_that_is_too_large_is_refused_by_its_header(size, monkeypatch):
    stored = _stored(Image.new("1", size))  # below Pillow's own limit, a few kilobytes
    assert size[0] * size[1] < 2 * (Image.MAX_IMAGE_PIXELS or 0)
    unpacked: list[int] = []
    monkeypatch.setattr(PngImagePlugin.PngImageFile, "load", lambda self: unpacked.append(1))
    tracemalloc.start()
    for look in (images.look_at, images.upright):
        with pytest.raises(images.ImageError) as caught:
            look(stored)
        assert caught.value.what == "has too many pixels"
        assert caught.value.fix == "make it smaller: at most 67,108,864 pixels in all and 32,768 a side are read"
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert not unpacked and peak < 4 * 1024**2


# -- marks -----------------------------------------------------------------------------------------------------------


def test_ignored_images_leave_no_mark_in_the_text(place):
    part = {"messages": [{"role": "user", "content": [{"type": "image", "image": "img/red.png"},
                                                      {"type": "text", "text": "Colour?"}]}, ANSWER]}  # fmt: skip
    column = {"messages": [{"role": "user", "content": "<image>\nColour of it?"}, ANSWER], "images": ["img/red.png"]}
    html = {"messages": [{"role": "user", "content": "What is <image> in HTML?"}, ANSWER]}
    splits = load(place, [part, column, html], more="  images: ignore\n")
    asked = [conversation.messages[0].content for conversation in splits.train]
    assert asked == ["Colour?", "Colour of it?", "What is <image> in HTML?"]
    note = "rows/rows.jsonl: <image> taken out of the questions of 1 row, as data.images is ignore"
    assert note in splits.report.notes and told(note, "zh")[1] == "zh"
    (problem,) = refused(place, column, {**column, "messages": [{"role": "user", "content": "<image>"}, ANSWER]},
                         more="  images: ignore\n")  # fmt: skip
    assert "a question is an image alone, which data.images: ignore leaves out. Fix: remove the row" in problem


def test_ignored_images_leave_no_mark_in_preference_rows(place):
    pair = {"prompt": "<image>\nColour?", "chosen": "Red.", "rejected": "Blue.", "image": "img/red.png"}
    splits = load(place, [pair], more="  images: ignore\n")
    assert first(splits).content == "Colour?"


def test_a_row_without_the_key_among_rows_with_images_is_warned_of(place):
    bare = {"question": "What is <image>?", "answer": "A mark."}
    splits = load(place, [row(), bare, {**bare, "question": "Whose <image>?"}])
    line = (
        "rows/rows.jsonl: <image> is text like any other in 2 rows without a key for images, and other rows have images"
    )
    assert [one for one in splits.report.warnings if "<image>" in one] == [line]
    assert told(line, "zh")[1] == "zh"
    assert not [one for one in load(place, [bare]).report.warnings if "<image>" in one]


def test_a_question_says_where_its_images_stand_or_they_come_first(place, tmp_path):
    file = place / "rows" / "img" / "red.png"
    turns = [data.question_with(text, [file, file]) for text in ("Is <image> like <image>?", "Are they alike?")]
    assert [turn["content"] for turn in turns] == ["Is <image> like <image>?", "<image><image>Are they alike?"]
    assert data.question_with("<image>\nColour?", [file])["content"] == "<image>Colour?", "the form of rows"
    assert data.question_with("What is <image>?", []) == {"role": "user", "content": "What is <image>?"}
    for text in ("<image>?", "<image> <image> <image>"):
        with pytest.raises(DataError) as caught:
            data.question_with(text, [file, file])
        assert UNEQUAL in str(caught.value) and "write <image> once for each image, or leave it out" in str(
            caught.value
        )


def test_chat_goes_on_after_a_question_with_other_marks_than_images(place, monkeypatch, capsys):
    from finetune.cli import chatting

    asked: list[Any] = []
    said = iter(["What are <image> and <image>?", "What is <image>?", "/quit"])
    monkeypatch.setattr("builtins.input", lambda prompt: next(said))
    monkeypatch.setattr(chatting, "_answer", lambda engine, who, messages, options: asked.append(messages[-1]))
    engine = SimpleNamespace(title="t", base_name="b", takes_images=True)
    chatting.loop(engine, adapter=False, options={}, files=[str(place / "rows" / "img" / "red.png")])
    assert UNEQUAL in capsys.readouterr().err
    assert [(turn["content"], len(turn["images"])) for turn in asked] == [("What is <image>?", 1)], "the image waits"


def test_the_demo_refuses_a_question_with_other_marks_than_images_and_keeps_the_file(place):
    pytest.importorskip("gradio")
    from demo import pictures

    file = str(place / "rows" / "img" / "red.png")
    engine = SimpleNamespace(takes_images=True)
    with pytest.raises(pictures.Refused) as caught:
        pictures.take([file], 0, engine, "What are <image> and <image>?")
    assert caught.value.key == "status_image_bad" and caught.value.reasons[0][1].startswith(UNEQUAL)
    (held,) = pictures.take([file], 0, engine, "What is <image>?")
    assert pictures.message("What is <image>?", [held])["content"] == "What is <image>?"


def test_marks_that_do_not_fit_are_one_group_without_numbers(place):
    bad = [row(question="<image> " * k) for k in (2, 3, 4)]
    large = [row(image=f"img/{k}.png") for k in (1, 2)]
    for k in (1, 2):
        (place / "rows" / "img" / f"{k}.png").write_bytes(_stored(Image.new("1", (33_000 + k, 400))))
    (place / "rows" / "rows.jsonl").write_text("".join(json.dumps(one) + "\n" for one in [row(), *bad, *large]))
    (place / "recipe.yaml").write_text(RECIPE.format(file="rows.jsonl", more=""))
    report = checking.check(recipe.load(place / "recipe.yaml"), with_lengths=False).report
    counted = Counter({group["what"]: group["num"] for group in report["problems"]})
    assert counted["the number of <image> in the questions is not the number of images"] == 3
    assert counted["key image: the image has too many pixels"] == 2
    assert any("67,108,864 pixels in all" in group["fix"] for group in report["problems"])
    assert not any("N pixels" in group["what"] for group in report["problems"])


# -- where images are ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "address",
    [" https://e.org/SECRET.png", "hf://SECRET/a.png", "s3://SECRET/a.png", "//host/SECRET.png", "\\\\host\\SECRET.png",
     "abfs+x://SECRET"],
)  # fmt: skip
def test_every_kind_of_address_is_refused_as_one(place, address):
    (problem,) = refused(place, row(), row(image=address))
    assert "the image is an address on the network, and nothing is fetched for a row. Fix: download" in problem
    assert "SECRET" not in problem


def test_blanks_around_a_path_are_no_part_of_it_and_file_is_no_network(place):
    here = (place / "rows" / "img" / "red.png").as_posix()
    rows = [row(image=" img/red.png\n"), row(image=f"file://{here}", question="And this?")]
    assert [len(one.messages[0].images) for one in load(place, rows).train] == [1, 1]


def test_paths_written_on_windows_are_found_and_told(place):
    (place / "rows" / "img" / "a\\b.png").write_bytes(png("blue"))
    rows = [row(image="img\\red.png"), row(image="img\\red.png", question="Why?"), row(image="img/a\\b.png")]
    splits = load(place, rows)
    names = [one.messages[0].images[0].name for one in splits.train]
    assert names == ["img/red.png", "img/red.png", "img/a\\b.png"]
    note = "rows/rows.jsonl: 2 image paths read with / in the place of \\, where only that file exists"
    assert note in splits.report.notes and told(note, "zh")[1] == "zh"
    assert list(load(place, rows, num_processes=2).report.notes) == list(splits.report.notes)
    assert "the image is missing" in refused(place, row(), row(image="img\\none.png"))[0]


def test_bytes_in_json_are_base64(place):
    text = base64.b64encode(png("blue")).decode()
    rows = [row(image={"bytes": one, "path": None}) for one in (text, f"data:image/png;base64,{text}", text + "\n")]
    splits = load(place, [rows[0]])
    ref = first(splits).images[0]
    assert images.data_of(ref) == png("blue")
    for one in rows[1:]:
        assert first(load(place, [one])).images[0].sha256 == ref.sha256
    (problem,) = refused(place, row(), row(image={"bytes": "SECRET !", "path": None}))
    assert "key image: the image is no whole base64 text" in problem and "SECRET" not in problem


# -- questions of evaluate -------------------------------------------------------------------------------------------


def _asking(place: Path, *lines: Any, more: str = "") -> recipe.LoadedRecipe:
    (place / "rows" / "ask.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines))
    (place / "rows" / "rows.jsonl").write_text(json.dumps(row()) + "\n")
    (place / "recipe.yaml").write_text(
        RECIPE.format(file="rows.jsonl", more=more) + "evaluate:\n  questions: rows/ask.jsonl\n"
    )
    return recipe.load(place / "recipe.yaml")


def test_questions_show_their_images(place):
    loaded = _asking(place, {"question": "Is <image> red?", "image": "img/red.png", "reference": "Yes."},
                     {"question": "Why <image>?"})  # fmt: skip
    asked = read_questions(loaded)
    assert [len(question.get("images", ())) for question in asked] == [1, 0]
    assert [question["question"] for question in read_questions(loaded, with_images=False)] == ["Why <image>?"]
    (shown, plain) = [answers._of_recipe(question, True) for question in asked]
    assert shown.messages == [{"role": "user", "content": "Is <image> red?", "images": asked[0]["images"]}]
    assert (shown.text, shown.reference) == ("Is [image: red.png] red?", "Yes.")
    assert plain.text == "Why <image>?" and "images" not in plain.messages[0]
    answers.check_images(asked, None)
    answers.check_images(asked[1:], "this base takes no images")
    with pytest.raises(DataError, match="the questions show images, and this base takes no images") as caught:
        answers.check_images(asked, "this base takes no images")
    assert told(caught.value.problems[0].what, "zh")[1] == "zh"  # type: ignore[union-attr]


def test_a_run_on_a_base_without_image_input_refuses_such_questions_before_it_trains(place, tiny_base, capsys):
    from finetune.cli import main

    _asking(place, {"question": "Red?", "image": "img/red.png"})
    words = [row(image=None, question=f"Say {k}.", answer=f"It is {k}.") for k in range(4)]
    (place / "rows" / "rows.jsonl").write_text("".join(json.dumps(one) + "\n" for one in words))
    text = (place / "recipe.yaml").read_text().replace("model: starter", f"model: {tiny_base}")
    (place / "recipe.yaml").write_text(text)
    assert main(["run", str(place / "recipe.yaml"), "--allow-outside", "--output", str(place / "run")]) == 2
    said = capsys.readouterr().err
    assert "the questions show images, and this base takes no images" in " ".join(said.split())
    assert not list(place.glob("run/adapter/*.safetensors"))


@pytest.mark.parametrize(
    ("line", "more", "what"),
    [
        ({"question": "Red?", "image": "img/none.png"}, "", "key image: the image is missing: there is no such file"),
        ({"question": "<image> <image>?", "images": ["img/red.png"]}, "", UNEQUAL),
        ({"question": "Red?", "image": "img/red.png"}, "  images: ignore\n",
         "the question names an image, and data.images is ignore"),
    ],
)  # fmt: skip
def test_a_question_whose_image_cannot_be_used_is_refused_by_its_line(place, line, more, what):
    with pytest.raises(DataError) as caught:
        read_questions(_asking(place, {"question": "Who?"}, line, more=more))
    (problem,) = caught.value.problems
    assert str(problem).startswith("ask.jsonl:2") and what in str(problem)


# -- what the page shows ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("content", "names", "text"),
    [
        ("<image>Colour?", ["a.png"], "[image: a.png] Colour?"),
        ("<image> Colour?", ["a.png"], "[image: a.png] Colour?"),
        ("Is <image> like <image>?", ["img/a.png", "b.png"], "Is [image: a.png] like [image: b.png]?"),
        ("<image><image>Alike?", ["", "Ann Miller had a fever.png"], "[image] [image] Alike?"),
        ("What is <image>？", ["a.png"], "What is [image: a.png]？"),
        ("Look:\n<image>\nNow?", ["a.png"], "Look:\n[image: a.png]\nNow?"),
    ],
)
def test_samples_show_images_by_name_with_one_blank(content, names, text):
    refs = tuple(data.ImageRef("0", 1, 1, "", name) for name in names)
    turns = (data.Message("user", content, images=refs), data.Message("assistant", "Red."))
    conversation = data.Conversation(turns, "rows.jsonl:1")
    assert answers._of_row(conversation, True).text == text
    without = answers._of_row(conversation).text
    assert "[image]" in without and ".png" not in without, "names stand there only under evaluate.show_rows"
