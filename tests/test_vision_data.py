"""Rows with images: every shape they come in, every fault by its line, nothing of an image where it does not belong."""

from __future__ import annotations

import base64
import io
import json
import zlib
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from finetune import data, recipe
from finetune.checking.sentences import told
from finetune.data import images, store
from finetune.data.fixing import row_of
from finetune.errors import DataError, IntegrityError

RECIPE = "recipe: 1\nname: test\nbase:\n  model: starter\ndata:\n  train: rows/{file}\n  held_out: held.jsonl\n{more}"
ANSWER = {"role": "assistant", "content": "It is red."}


def png(colour: Any = "red", size: tuple[int, int] = (40, 20), mode: str = "RGB", **words: Any) -> bytes:
    buffer = io.BytesIO()
    Image.new(mode, size, colour).save(buffer, words.pop("format", "PNG"), **words)
    return buffer.getvalue()


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "rows" / "img").mkdir(parents=True)
    for name in ("red", "blue", "green"):
        (tmp_path / "rows" / "img" / f"{name}.png").write_bytes(png(name))
    (tmp_path / "held.jsonl").write_text('{"question": "Who asks?", "answer": "Somebody from the desk."}\n')
    return tmp_path


def load(folder: Path, rows: list[Any], *, more: str = "", file: str = "rows.jsonl", **words: Any) -> data.Splits:
    if file.endswith(".jsonl"):
        (folder / "rows" / file).write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    path = folder / "recipe.yaml"
    path.write_text(RECIPE.format(file=file, more=more))
    return data.load(recipe.load(path), **words)


def row(**words: Any) -> dict[str, Any]:
    return {"question": "Which colour is it?", "answer": "It is red.", "image": "img/red.png", **words}


def first(splits: data.Splits) -> data.Message:
    return next(turn for turn in splits.train[0].messages if turn.role == "user")


def refused(folder: Path, *rows: Any, **words: Any) -> list[str]:
    with pytest.raises(DataError) as caught:
        load(folder, list(rows), **words)
    return [str(problem) for problem in caught.value.problems if "data.bad_rows" not in str(problem)]


# -- shapes ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("given", "content", "num"),
    [
        (row(), "<image>Which colour is it?", 1),
        (row(question="<image>\nWhich colour is it?"), "<image>Which colour is it?", 1),
        (row(question="Which colour is it?\n<image>"), "Which colour is it?<image>", 1),
        (row(question="Is <image> like <image>?", image=None, images=["img/red.png", "img/blue.png"]),
         "Is <image> like <image>?", 2),
        (row(image=["img/red.png", "img/blue.png"]), "<image><image>Which colour is it?", 2),
        ({"id": "7", "image": "img/red.png",
          "conversations": [{"from": "human", "value": "<image>\nColour?"}, {"from": "gpt", "value": "Red."}]},
         "<image>Colour?", 1),
        ({"messages": [{"role": "user", "content": [
            {"type": "image", "image": "img/red.png"}, {"type": "text", "text": "Colour?"}]}, ANSWER]},
         "<image>Colour?", 1),
        ({"messages": [{"role": "user", "content": [
            {"type": "text", "text": "Look."}, {"type": "text", "text": "Colour?"},
            {"type": "image_url", "image_url": {"url": "img/red.png"}}]}, ANSWER]},
         "Look.\nColour?<image>", 1),
        ({"messages": [{"role": "user", "content": [{"type": "image"}, {"type": "text", "text": "Colour?"}]}, ANSWER],
          "images": ["img/red.png"]},
         "<image>Colour?", 1),
        ({"instruction": "Name the colour.", "input": "", "output": "Red.", "images": ["img/red.png"]},
         "<image>Name the colour.", 1),
    ],
)  # fmt: skip
def test_the_common_shapes_of_rows_with_images_give_the_same_turns(folder, given, content, num):
    turn = first(load(folder, [given]))
    assert turn.content == content
    assert [Path(ref.path).name for ref in turn.images] == ["red.png", "blue.png"][:num]
    assert (turn.images[0].width, turn.images[0].height) == (40, 20)


def test_a_row_without_an_image_stands_among_rows_with_one(folder):
    splits = load(folder, [row(), row(image=None, question="What is a colour?"), row(image="", question="Why?")])
    assert [len(conversation.messages[0].images) for conversation in splits.train] == [1, 0, 0]
    assert splits.report.num_images == 1


def test_where_no_column_holds_images_the_mark_is_text(folder):
    turn = first(load(folder, [{"question": "What does <image> mean in HTML?", "answer": "Nothing at all."}]))
    assert (turn.content, turn.images) == ("What does <image> mean in HTML?", ())


def test_images_inside_rows_are_kept_once_in_a_private_folder(folder):
    address = "data:image/png;base64," + base64.b64encode(png("blue")).decode()
    rows = [
        {"messages": [
            {"role": "user", "content": [{"type": "image_url", "image_url": {"url": address}},
                                         {"type": "text", "text": f"Colour {k}?"}]}, ANSWER]}
        for k in range(3)
    ]  # fmt: skip
    splits = load(folder, rows)
    refs = [conversation.messages[0].images[0] for conversation in splits.train]
    assert {ref.path for ref in refs} == {""} and len({ref.sha256 for ref in refs}) == 1
    assert images.data_of(refs[0]) == png("blue")
    kept = images._kept_folder
    assert kept is not None and kept.stat().st_mode & 0o077 == 0
    assert kept.name.startswith(store.PREFIX)


def test_parquet_with_embedded_images_as_data_sets_of_the_hub_have_them(folder):
    import pyarrow as pa
    import pyarrow.parquet as pq

    rows = [{"image": {"bytes": png(name), "path": None}, "question": "Colour?", "answer": f"It is {name}."}
            for name in ("red", "blue")]  # fmt: skip
    pq.write_table(pa.Table.from_pylist(rows), folder / "rows" / "rows.parquet")
    splits = load(folder, [], file="rows.parquet")
    pictures = [data.picture_of(conversation.messages[0].images[0]) for conversation in splits.train]
    assert [picture.getpixel((3, 3)) for picture in pictures] == [(255, 0, 0), (0, 0, 255)]


def test_several_processes_give_the_same_rows_and_fingerprint(folder):
    address = "data:image/png;base64," + base64.b64encode(png("blue")).decode()
    rows = [row(question=f"Colour {k}?", image="img/red.png" if k % 2 else address) for k in range(40)]
    one, two = (load(folder, rows, num_processes=n) for n in (1, 2))
    assert list(one.train) == list(two.train)
    assert one.report.as_dict() == two.report.as_dict()
    assert images.data_of(two.train[0].messages[0].images[0]) == png("blue")


def test_rows_with_images_come_back_from_the_store_as_they_went_in(folder):
    rows = list(load(folder, [row(), row(image=None, question="Why?")]).train)
    assert store.decode(store.encode(rows)) == rows


# -- faults ----------------------------------------------------------------------------------------------------------

UNEQUAL = "the number of <image> in the questions is not the number of images"
FAULTS = {
    "missing": (row(image="img/none.png"), "key image: the image is missing: there is no such file"),
    "cut_off": (row(image="img/cut.png"), "key image: the image is damaged or cut off"),
    "cut_off_jpeg": (row(image="img/cut.jpg"), "key image: the image is damaged or cut off"),
    "no_image": (row(image="img/text.png"), "key image: the image is no image that can be read"),
    "empty": (row(image="img/empty.png"), "key image: the image is empty"),
    "bomb": (row(image="img/bomb.png"), "key image: the image has too many pixels. Fix: make it smaller"),
    "narrow": (row(image="img/narrow.png"), "key image: the image is too narrow. Fix: cut or join it"),
    "network": (row(image="https://example.org/SECRET.png"), "is an address on the network, and nothing is fetched"),
    "outside": (row(image="../../../etc/hosts"), "lies neither in the data file's folder nor in one beside it"),
    "number": (row(image=7), "is neither a path nor an object with bytes: found a number"),
    "too_few": (row(question="<image> and <image>?"), UNEQUAL),
    "none": (row(question="<image>?", image=None), UNEQUAL),
    "in_answer": (row(answer="<image> is red."), "the answer holds an image; images stand in questions only"),
    "open_part": ({"messages": [{"role": "user", "content": [{"type": "image"}, {"type": "text", "text": "?"}]},
                                ANSWER]}, UNEQUAL),
    "answer_part": ({"messages": [{"role": "user", "content": "Draw it."}, {"role": "assistant", "content": [
        {"type": "image", "image": "img/red.png"}]}]}, "the answer holds an image; images stand in questions only"),
    "mark_beside_part": ({"messages": [{"role": "user", "content": [
        {"type": "image", "image": "img/red.png"}, {"type": "text", "text": "<image>?"}]}, ANSWER]},
        "a question has image parts, and <image> in its text besides"),
    "broken_address": (row(image="data:image/png;base64,@@@"), "is no whole base64 text"),
    "video": ({"messages": [{"role": "user", "content": [{"type": "video", "video": "a.mp4"}]}, ANSWER]},
              "holds a part of type video; only texts and images are read"),
}  # fmt: skip


def _bomb() -> bytes:
    """A PNG of 30,000 x 30,000 pixels in a few kilobytes."""

    def chunk(kind: bytes, body: bytes) -> bytes:
        return len(body).to_bytes(4, "big") + kind + body + zlib.crc32(kind + body).to_bytes(4, "big")

    head = (30_000).to_bytes(4, "big") * 2 + bytes([1, 0, 0, 0, 0])
    body = zlib.compress(bytes(3_751) * 100)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", head) + chunk(b"IDAT", body) + chunk(b"IEND", b"")


@pytest.mark.parametrize("fault", FAULTS)
def test_a_faulty_row_is_named_by_its_line_and_its_text_is_not_told(folder, fault):
    there = folder / "rows" / "img"
    noise = Image.effect_noise((64, 64), 80)
    for name in ("png", "jpg"):
        buffer = io.BytesIO()
        noise.save(buffer, "PNG" if name == "png" else "JPEG")
        (there / f"cut.{name}").write_bytes(buffer.getvalue()[: len(buffer.getvalue()) // 2])
    (there / "text.png").write_text("no image")
    (there / "empty.png").write_bytes(b"")
    (there / "bomb.png").write_bytes(_bomb())
    (there / "narrow.png").write_bytes(png(size=(400, 1)))
    bad, what = FAULTS[fault]
    good = {"messages": [{"role": "user", "content": "Hello"}, ANSWER]} if "messages" in bad else row(image=None)
    (problem,) = refused(folder, good, bad)
    assert problem.startswith("rows/rows.jsonl:2: row 2")
    assert what in problem and "Fix: " in problem
    assert "SECRET" not in problem and "etc/hosts" not in problem


def test_bad_images_may_be_left_out_like_other_bad_rows(folder):
    splits = load(folder, [row(), row(image="img/none.png")], more="  bad_rows: 1\n")
    assert len(splits.train) == 1
    assert splits.report.dropped["bad row"] == 1


def test_images_can_be_ignored(folder):
    splits = load(folder, [row()], more="  images: ignore\n")
    assert first(splits) == data.Message("user", "Which colour is it?")
    assert "rows/rows.jsonl: columns not used: image" in splits.report.notes


def test_an_image_that_changes_after_reading_is_refused(folder):
    ref = first(load(folder, [row()])).images[0]
    (folder / "rows" / "img" / "red.png").write_bytes(png("blue"))
    with pytest.raises(IntegrityError, match=r"img/red\.png: the image was changed since its row was read"):
        data.picture_of(ref)


# -- what of an image is used ----------------------------------------------------------------------------------------


def test_orientation_is_applied_and_nothing_else_of_exif_goes_on(folder):
    exif = Image.Exif()
    exif[0x0112] = 6  # lies on its side
    exif.get_ifd(0x8825).update({1: "N", 2: (52.0, 31.0, 12.0)})  # a place
    exif[0x010F] = "SECRET CAMERA"
    whole = Image.new("RGB", (40, 20), "white")
    whole.paste((255, 0, 0), (0, 0, 10, 20))  # the left edge, which is up once the image is upright
    whole.save(folder / "rows" / "img" / "photo.jpg", exif=exif, quality=95)
    ref = first(load(folder, [row(image="img/photo.jpg")])).images[0]
    assert (ref.width, ref.height) == (20, 40)
    picture = data.picture_of(ref)
    assert picture.size == (20, 40) and picture.info == {} and not picture.getexif()
    green = np.asarray(picture)[:, :, 1]
    assert green[2:6].max() < 60 and green[30:38].min() > 200


def test_transparent_images_stand_on_white_and_grey_ones_become_rgb(folder):
    assert images.upright(png((0, 0, 0, 0), mode="RGBA")).getpixel((0, 0)) == (255, 255, 255)
    assert images.upright(png(128, mode="L")).getpixel((0, 0)) == (128, 128, 128)


def test_mended_rows_name_their_images_and_copy_only_pixels(folder):
    secret = Image.Exif()
    secret[0x010F] = "SECRET CAMERA"
    address = "data:image/jpeg;base64," + base64.b64encode(png("red", format="JPEG", exif=secret)).decode()
    assert b"SECRET CAMERA" in base64.b64decode(address.partition(",")[2])
    splits = load(folder, [row(), row(question="And this?", image=address)])
    written = [row_of(conversation) for conversation in splits.train]
    assert written[0]["images"] == ["img/red.png"]
    assert written[0]["messages"][0] == {"role": "user", "content": "<image>Which colour is it?"}
    assert b"SECRET" not in base64.b64decode(written[1]["images"][0].partition(",")[2])
    again = load(folder, written)
    assert [len(conversation.messages[0].images) for conversation in again.train] == [1, 1]


# -- fingerprints, duplicates, privacy -------------------------------------------------------------------------------


def test_the_image_is_part_of_the_row(folder):
    before = load(folder, [row()])
    other = load(folder, [row(image="img/blue.png")])
    assert before.report.fingerprint != other.report.fingerprint
    assert before.train[0].fingerprint != other.train[0].fingerprint
    (folder / "rows" / "img" / "red.png").write_bytes(png("red", size=(41, 20)))
    assert load(folder, [row()]).report.fingerprint != before.report.fingerprint


def test_the_same_words_about_another_image_are_no_duplicate_and_no_near_one(folder):
    long = "Describe what this picture shows, which colour most of it has, and say how sure you are about the colour."
    answer = "Nearly all of it has one colour, as far as can be told, and I am quite sure of what I say about it here."
    rows = [row(question=long, answer=answer, image=f"img/{name}.png") for name in ("red", "blue", "red")]
    splits = load(folder, rows, more="  near_duplicates: drop\n")
    assert [Path(c.messages[0].images[0].path).stem for c in splits.train] == ["red", "blue"]
    assert splits.report.dropped == {"duplicate": 1}
    assert splits.report.duplicates["near"] == 0
    assert splits.report.duplicates["same_question_other_answer"] == 0


def test_the_report_says_that_images_are_not_searched_for_personal_data(folder):
    report = load(folder, [row(), row(image="img/blue.png")]).report
    assert any("data.privacy looks at texts only: what 2 images show" in line for line in report.warnings)
    assert "rows/rows.jsonl: 2 images in 2 rows; they are not searched for personal data" in report.notes
    text = json.dumps(report.as_dict())
    assert "img/red.png" not in text and str(folder) not in text


def test_looking_at_words_does_not_see_the_marks(folder):
    report = load(folder, [row(question=f"<image>Colour number {k}?") for k in range(3)]).report
    assert "html_remains" not in {kind for kind, found in report.findings.items() if found["num_rows"]}
    assert "placeholder" not in {kind for kind, found in report.findings.items() if found["num_rows"]}


# -- images on both sides --------------------------------------------------------------------------------------------

COLOURS = ("red", "blue", "green")
ASKED = ("Where", "When", "Why", "Whose", "How", "Which", "What", "Who", "Whither", "Whence", "Wherefore", "Whereby")
BOTH = (
    "2 of 3 held-out rows with images show one of the training rows' images (held.jsonl:2, held.jsonl:4): what was "
    "learnt of it counts as if it were new; keep an image on one side with data.group_by"
)


def _hold_out(folder: Path) -> None:
    """Five rows: one with a trained image under another name, one with an image of its own, one inside the row."""
    (folder / "copy.png").write_bytes((folder / "rows/img/red.png").read_bytes())
    (folder / "own.png").write_bytes(png("white"))
    address = "data:image/png;base64," + base64.b64encode(png("blue")).decode()
    rows = [
        {"question": "Who asks?", "answer": "Somebody from the desk."},
        {"question": "What paint is on it, would you say?", "answer": "Crimson.", "image": "copy.png"},
        {"question": "Is this the wall of the hall?", "answer": "Yes, it is.", "image": "own.png"},
        {"question": "How would a painter call this?", "answer": "Azure.", "image": address},
        {"question": "When is noon?", "answer": "At twelve."},
    ]
    (folder / "held.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))


def test_an_image_on_both_sides_is_told_by_place_and_in_chinese(folder):
    _hold_out(folder)
    trained = [row(), row(question="And this?", image=["img/green.png", "img/blue.png"]), row(question="?", image=None)]
    splits = load(folder, trained)
    assert [line for line in splits.report.warnings if "training rows' images" in line] == [BOTH]
    assert len(splits.held_out) == 5, "they stay"
    chinese, language = told(BOTH, "zh")
    assert language == "zh" and chinese.startswith("3 行带图片的留出数据中，有 2 行的图片也出现在训练数据中")
    assert "held.jsonl:2, held.jsonl:4" in chinese
    one = told(BOTH.replace("2 of 3 held-out rows", "1 of 1 held-out row").replace("images show", "images shows"), "zh")
    assert one[1] == "zh"
    assert list(load(folder, trained, num_processes=2).report.warnings) == list(splits.report.warnings)


@pytest.mark.parametrize(
    ("trained", "more"),
    [
        (row(image="img/green.png"), ""),
        (row(image=None), ""),
        (row(), '  leakage: "off"\n'),
        (row(), "  images: ignore\n"),
    ],
)
def test_where_no_image_is_on_both_sides_nothing_is_told(folder, trained, more):
    _hold_out(folder)
    report = load(folder, [trained, row(question="What?", image=None)], more=more).report
    assert not any("training rows' images" in line for line in report.warnings)


def test_a_share_may_cut_an_image_in_two_and_a_group_does_not(folder):
    asked = [
        row(question=f"{word} is it?", answer=f"It has the number {k}.", image=f"img/{COLOURS[k % 3]}.png",
            photo=f"p{k % 3}")
        for k, word in enumerate(ASKED)
    ]  # fmt: skip
    (folder / "rows" / "rows.jsonl").write_text("".join(json.dumps(one) + "\n" for one in asked))
    found = []
    for more in ("", "  group_by: photo\n"):
        words = RECIPE.format(file="rows.jsonl", more=more).replace("held_out: held.jsonl", "held_out: 0.3")
        (folder / "recipe.yaml").write_text(words)
        report = data.load(recipe.load(folder / "recipe.yaml")).report
        found.append(sum("training rows' images" in line for line in report.warnings))
    assert found == [1, 0]
