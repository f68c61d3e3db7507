"""Bases of the Qwen-VL kind, tiny ones of the real classes: prompts, masks, training, answers that need the image."""

from __future__ import annotations

import json
import pickle
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import torch
import training_kit as kit
from PIL import Image

from finetune import data, models, prepare, recipe, training
from finetune.checking import preview
from finetune.errors import DataError, ModelError
from finetune.evaluation import answers
from finetune.generation import Engine
from finetune.models.scoring import row_losses
from finetune.models.vision import ImageInput, RowImages
from finetune.prepare import chunks
from finetune.prepare.chunks import Rules
from finetune.recipe.words import Adapter
from finetune.render import IGNORED
from finetune.render.renderer import IMAGE_MARK
from finetune.render.rows import RenderedRows
from finetune.runs import Run

COLOURS = {"red": (220, 20, 20), "blue": (20, 20, 220), "green": (20, 190, 20), "white": (245, 245, 245)}
RECIPE = """\
recipe: 1
name: colours
base:
  model: {base}
data:
  train: rows.jsonl
  held_out: held.jsonl
  max_image_pixels: 6400
  leakage: "off"
  max_length: {max_length}
train:
  epochs: 1
  batch_size: 4
"""
both = pytest.mark.parametrize("family", ["qwen2_5_vl", "qwen3_vl"])


def nats(model: Any, rows: Any, images: Any = None) -> list[float]:
    """Summed loss of each row."""
    return [loss for loss, _ in row_losses(model, rows, images=images)]


def write(folder: Path, base: Path, max_length: int = 200) -> recipe.LoadedRecipe:
    """Twenty rows whose answer only the image tells, and four of words alone."""
    rows: list[dict[str, Any]] = []
    for number in range(20):
        name = list(COLOURS)[number % 4]
        Image.new("RGB", (60 + number, 60), COLOURS[name]).save(folder / f"{number}.png")
        rows.append({"image": f"{number}.png", "question": "Which colour?", "answer": name})
    rows += [{"image": None, "question": f"Say {word}.", "answer": word} for word in ("one", "two", "three", "four")]
    (folder / "rows.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    (folder / "held.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows[:4] + rows[-2:]))
    (folder / "recipe.yaml").write_text(RECIPE.format(base=base, max_length=max_length))
    return recipe.load(folder / "recipe.yaml", allow_outside=True)


@pytest.fixture(scope="module")
def opened(family_folder, tmp_path_factory) -> Any:
    """Recipe, rows, base and rendered rows of a family, made once."""
    made: dict[str, Any] = {}

    def of(family: str) -> Any:
        if family not in made:
            folder = tmp_path_factory.mktemp(family)
            loaded = write(folder, family_folder(family))
            splits, base = data.load(loaded), prepare.open_base(loaded)
            rendered = [prepare.render_split(base, rows, "drop") for rows in (splits.train, splits.held_out)]
            made[family] = SimpleNamespace(folder=folder, loaded=loaded, splits=splits, base=base, rendered=rendered)
        return made[family]

    return of


def weights(base: Any) -> Any:
    return models.load_base(base.source, "float32")


# -- prompts ---------------------------------------------------------------------------------------------------------


@both
def test_ids_and_pixels_are_those_of_upstreams_processor(opened, family):
    from transformers import Qwen2_5_VLProcessor, Qwen3VLProcessor
    from transformers.models.qwen2_vl.image_processing_pil_qwen2_vl import Qwen2VLImageProcessorPil

    kind = {"qwen2_5_vl": Qwen2_5_VLProcessor, "qwen3_vl": Qwen3VLProcessor}[family]
    base = opened(family).base
    words = base.renderer.images
    size = {"shortest_edge": words.min_pixels, "longest_edge": words.max_pixels}
    pixels = Qwen2VLImageProcessorPil.from_pretrained(base.source.location, size=size)
    # made without its part for videos, which wants torchvision
    processor = kind.__new__(kind)
    processor.image_processor, processor.tokenizer, processor.video_processor = pixels, base.tokenizer, None
    for name in ("image_token", "video_token"):
        setattr(processor, name, f"<|{name.removesuffix('_token')}_pad|>")
        setattr(processor, f"{name}_id", base.tokenizer.convert_tokens_to_ids(getattr(processor, name)))
    turns = [data.Message("user", "Is <image> like\n<image>?", images=refs_of(opened(family), 0, 7))]
    parts = [{"type": "text", "text": "Is "}, {"type": "image"}, {"type": "text", "text": " like\n"}, {"type": "image"},
             {"type": "text", "text": "?"}]  # fmt: skip
    text = base.tokenizer.apply_chat_template(
        [{"role": "user", "content": parts}], tokenize=False, add_generation_prompt=True
    )
    pictures = [data.picture_of(ref) for ref in turns[0].images]
    upstream = pixels.preprocess(pictures, return_tensors="pt")
    for number in range(2):
        grown = processor.replace_image_token(upstream, number)
        text = text.replace("<|image_pad|>", grown.replace("image_pad", "grown"), 1)
    text = text.replace("<|grown|>", "<|image_pad|>")
    ids = base.renderer.prompt([turn.as_dict() for turn in turns])
    assert ids == base.tokenizer.encode(text, add_special_tokens=False)
    batch = RowImages(words, [turns[0].images], data.picture_of).batch([0], torch.tensor([ids]))
    assert torch.equal(batch["pixel_values"], upstream["pixel_values"])
    assert torch.equal(batch["image_grid_thw"], upstream["image_grid_thw"])
    assert int(batch["mm_token_type_ids"].sum()) == ids.count(words.token_id)


def refs_of(made: Any, *numbers: int) -> tuple[data.ImageRef, ...]:
    return tuple(made.splits.train[number].messages[0].images[0] for number in numbers)


@both
def test_no_token_of_an_image_is_trained_and_the_answer_is_whole(opened, family):
    made = opened(family)
    words = made.base.renderer.images
    for conversation, row in zip(made.rendered[0].conversations, made.rendered[0].rows):
        trained = [token for token in row.labels if token != IGNORED]
        assert words.token_id not in trained
        assert made.base.tokenizer.decode(trained) == conversation.messages[-1].content + "<|im_end|>"
        shown = sum(words.num_tokens(ref.width, ref.height) for ref in conversation.messages[0].images)
        assert row.input_ids.count(words.token_id) == shown
        prompt = made.base.renderer.prompt([turn.as_dict() for turn in conversation.messages[:-1]])
        assert row.input_ids[: row.spans[0][0]] == prompt


@both
def test_image_tokens_in_somebodys_text_stay_text(opened, family):
    renderer = opened(family).base.renderer
    text = "What is <|image_pad|> or <|vision_start|><|image_pad|><|vision_end|>?"
    said = [{"role": "user", "content": text}, {"role": "assistant", "content": "A <|image_pad|>."}]
    row = renderer.render(said)
    assert renderer.images.token_id not in row.input_ids
    shown = {"role": "user", "content": f"{IMAGE_MARK}{text}", "images": list(refs_of(opened(family), 0))}
    num = renderer.images.num_tokens(60, 60)
    assert renderer.render([shown, said[1]]).input_ids.count(renderer.images.token_id) == num


def test_marks_beyond_the_images_are_text_and_too_few_are_refused(opened):
    renderer = opened("qwen2_5_vl").base.renderer
    shown = list(refs_of(opened("qwen2_5_vl"), 0))
    ids = renderer.prompt([{"role": "user", "content": "<image>What is <image>?", "images": shown}])
    assert "What is <image>?" in renderer.tokenizer.decode(ids)
    with pytest.raises(ModelError, match="a turn has 1 images, and its text says the places of 0"):
        renderer.prompt([{"role": "user", "content": "What?", "images": shown}])


def test_the_mark_of_data_and_the_mark_of_rendering_are_one():
    assert data.IMAGE_MARK == IMAGE_MARK


def test_another_process_renders_the_same(opened):
    made = opened("qwen2_5_vl")
    rows, renderer = list(made.splits.train), made.base.renderer
    # what a process is told comes to it pickled
    told = pickle.loads(pickle.dumps((renderer.tokenizer, renderer.options, renderer.images, Rules(200, "drop"))))
    chunks._start(*told)
    chunk = chunks._work(pickle.loads(pickle.dumps(rows)))
    assert chunk.tokens is not None
    assert RenderedRows(chunk.tokens, renderer.how) == made.rendered[0].rows


def test_the_size_of_an_image_is_capped_and_told(opened):
    made = opened("qwen2_5_vl")
    words = made.base.renderer.images
    assert words.max_pixels == 6_400
    assert words.num_tokens(4_000, 3_000) <= words.most_tokens == 8
    assert prepare.images_shown(made.loaded, made.base, 20) == [
        "images: one larger than 6,400 pixels (data.max_image_pixels) is made smaller; it takes at most 8 tokens of "
        "data.max_length"
    ]


def test_trimmed_rows_keep_the_images_of_the_turns_that_stay(opened):
    made = opened("qwen2_5_vl")
    one, two = refs_of(made, 0, 17)
    turns = (
        data.Message("user", "<image>First?", images=(one,)), data.Message("assistant", "red " * 60),
        data.Message("user", "<image>Second?", images=(two,)), data.Message("assistant", "blue"),
    )  # fmt: skip
    split = prepare.render_split(made.base, [data.Conversation(turns, "rows.jsonl:1")], "trim_history")
    assert split.num_trimmed == 1
    images = prepare.row_images(made.base, split.conversations)
    assert images is not None
    batch = images.batch([0], torch.tensor([split.rows[0].input_ids]))
    assert torch.equal(
        batch["pixel_values"], torch.from_numpy(made.base.renderer.images.patches(data.picture_of(two))[0])
    )


def test_rows_with_images_are_refused_on_a_base_that_takes_none(tmp_path, tiny_base):
    loaded = write(tmp_path, tiny_base, max_length=100)
    splits = data.load(loaded)
    base = prepare.open_base(loaded)
    with pytest.raises(DataError) as caught:
        prepare.images_shown(loaded, base, splits.report.num_images)
    (problem,) = caught.value.problems
    assert "the rows show 24 images, and this base takes no images" in str(problem)
    assert "data.images: ignore" in str(problem)


def test_the_plan_is_told_of_the_row_whose_images_take_the_most(opened, tmp_path, tiny_base):
    made = opened("qwen2_5_vl")
    train = made.rendered[0]
    pictured = [sum(token == made.base.renderer.images.token_id for token in row.input_ids) for row in train.rows]
    assert prepare.most_image_tokens(made.base, train.conversations) == max(pictured) > min(pictured) == 0
    blind = prepare.open_base(recipe.load(made.folder, ("base.model=starter",), allow_outside=True))
    assert prepare.most_image_tokens(blind, train.conversations) == 0


def test_the_preview_shows_an_image_as_one_piece(opened):
    made = opened("qwen2_5_vl")
    entry = preview.preview_of(made.base, made.splits.train[0], "drop", 1)
    num = made.base.renderer.images.num_tokens(60, 60)
    assert [f"[image, {num} tokens]", False] in entry["tokens"]
    assert sum(text.startswith("[image") for text, _ in entry["tokens"]) == 1
    assert "<|image_pad|>" not in "".join(text for text, _ in entry["tokens"])
    assert [role for _, role in entry["role_starts"]] == ["user", "assistant"]


# -- training and answers --------------------------------------------------------------------------------------------


def trained(made: Any, folder: Path, steps: int = 5, micro_batch: int | None = None, dropout: float = 0.0) -> Any:
    model = models.attach_adapter(weights(made.base), Adapter(r=8, alpha=16.0, dropout=dropout), seed=0)
    run = Run.create("test", "recipe: 1\n", "recipe: 1\n", folder)
    pairs = list(made.rendered[0].pairs())[: 4 * steps]
    shown = [prepare.row_images(made.base, split.conversations) for split in made.rendered]
    rows = training.TrainingRows(pairs, made.rendered[1].pairs(), (), shown[0], shown[1])
    words = kit.settings(learning_rate=1e-2, save_every=100, log_every=1)
    training.train(model, made.base.tokenizer, rows, words, kit.plan(4, micro_batch), run, "tiny")
    return model, run


@both
def test_five_steps_learn_what_only_the_image_tells_and_come_back_cold(opened, family, tmp_path):
    made = opened(family)
    model, run = trained(made, tmp_path / "run")
    losses = [json.loads(line)["loss"] for line in run.metrics_path.read_text().splitlines()]
    assert len(losses) == 5 and losses[-1] < 0.8 * losses[0]
    names = [name for name, weight in model.named_parameters() if weight.requires_grad]
    assert names and all("language_model" in name and "visual" not in name for name in names)
    images = prepare.row_images(made.base, made.rendered[1].conversations)
    pairs = made.rendered[1].pairs()
    after = nats(model, pairs, images)
    models.save_adapter(model, tmp_path / "adapter", "tiny", None)
    cold = models.load_adapter(weights(made.base), tmp_path / "adapter")
    assert nats(cold, pairs, images) == pytest.approx(after, abs=1e-4)
    with cold.disable_adapter():
        assert sum(after) < sum(nats(cold, pairs, images))


@both
def test_the_image_changes_the_logits_and_words_alone_go_on_working(opened, family):
    made = opened(family)
    model, words = weights(made.base), made.base.renderer.images
    rows = list(made.rendered[0].pairs())
    same = next(k for k in range(4, 20) if len(rows[k][0]) == len(rows[1][0]) and k % 4 != 1)
    refs = [conversation.messages[0].images for conversation in made.rendered[0].conversations]
    mine, other = (RowImages(words, [shown], data.picture_of) for shown in (refs[1], refs[same]))
    assert abs(nats(model, rows[1:2], mine)[0] - nats(model, rows[1:2], other)[0]) > 0.1
    alone = nats(model, rows[20:], RowImages(words, refs[20:], data.picture_of))
    assert alone == pytest.approx(nats(model, rows[20:]), abs=1e-6)
    # in one pass with rows that show images, each row gives what it gives alone
    some, theirs = rows[:4] + rows[20:], refs[:4] + refs[20:]
    together = nats(model, some, RowImages(words, theirs, data.picture_of))
    single = [nats(model, [row], RowImages(words, [shown], data.picture_of))[0] for row, shown in zip(some, theirs)]
    assert together == pytest.approx(single, abs=1e-3)


def test_a_step_does_not_depend_on_how_many_rows_fit_into_a_pass(opened, tmp_path):
    made = opened("qwen2_5_vl")
    whole, _ = trained(made, tmp_path / "whole", steps=2)
    parts, _ = trained(made, tmp_path / "parts", steps=2, micro_batch=2)
    pairs = zip(whole.named_parameters(), parts.named_parameters())
    differences = [float((one - other).detach().abs().max()) for (name, one), (_, other) in pairs if "lora_" in name]
    assert max(differences) < 2e-4


@both
def test_the_engine_answers_questions_with_and_without_images(opened, family, tmp_path):
    made = opened(family)
    engine = Engine.open(made.base.source.location)
    assert engine.takes_images
    questions = [data.question_with("Which colour?", [made.folder / f"{number}.png"]) for number in (0, 1)]
    ids = engine.prompt_ids(questions[:1], 4)
    assert ids.count(engine.renderer.images.token_id) == engine.renderer.images.num_tokens(60, 60)
    # greedy, token by token by hand: the same as generate with its cache
    images = RowImages(engine.renderer.images, [questions[0]["images"]], data.picture_of)
    so_far = torch.tensor([ids])
    with torch.inference_mode():
        for _ in range(4):
            shown = images.batch([0], so_far)
            token = engine.model(input_ids=so_far, use_cache=False, **shown).logits[0, -1].argmax()
            if int(token) in engine.renderer.stop_ids:
                break
            so_far = torch.cat([so_far, token.view(1, 1)], dim=1)
    by_hand = engine.tokenizer.decode(so_far[0, len(ids) :], skip_special_tokens=True).strip()
    assert engine.reply(questions[:1], max_new_tokens=4) == by_hand
    words = [{"role": "user", "content": "Say one."}]
    alone = Engine.open(made.base.source.location).reply(words, max_new_tokens=6)
    assert engine.reply(words, max_new_tokens=6) == alone  # no position is left over from the images before


@both
def test_questions_of_the_recipe_are_asked_with_their_images(opened, family):
    made = opened(family)
    engine = Engine.open(made.base.source.location)
    ref = data.question_with("", [made.folder / "0.png"])["images"][0]
    kept, left_out = answers.gather(engine, [{"question": "Is <image> red?", "images": [ref]}], [], 4, num_held_out=0)
    assert (left_out, [question.text for question in kept]) == (0, ["Is [image] red?"])
    ids = engine.prompt_ids(kept[0].messages, 4)
    assert ids.count(engine.renderer.images.token_id) == engine.renderer.images.num_tokens(ref.width, ref.height)
    assert engine.answer(kept[0].messages, adapter=False, max_new_tokens=2).text is not None


def test_chat_shows_an_image_from_the_command_line(opened, capsys, tmp_path):
    from finetune.cli import main

    made = opened("qwen2_5_vl")
    words = ["chat", made.base.source.location, "--question", "Which colour?", "--max-new-tokens", "3"]
    assert main([*words, "--image", str(made.folder / "0.png")]) == 0
    (tmp_path / "bad.png").write_text("no image")
    assert main([*words, "--image", str(tmp_path / "bad.png")]) == 2
    assert "bad.png: the image is no image that can be read" in capsys.readouterr().err


def test_a_base_without_image_input_says_so_on_the_command_line(tiny_base, capsys, opened):
    from finetune.cli import main

    image = str(opened("qwen2_5_vl").folder / "0.png")
    assert main(["chat", str(tiny_base), "--question", "Which colour?", "--image", image]) == 2
    assert "this base takes no images" in capsys.readouterr().err


def test_numbers_of_tokens_follow_the_grid():
    words = ImageInput(7, 14, 2, 2, 3_136, 401_408, (0.5,) * 3, (0.5,) * 3, 1 / 255)
    assert words.grid(56, 56) == (4, 4) and words.num_tokens(56, 56) == 4
    assert words.num_tokens(4_032, 3_024) <= words.most_tokens == 512
    assert words.num_tokens(10, 10) == 4  # made larger, to the least
