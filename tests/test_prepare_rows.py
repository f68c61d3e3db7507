"""Rows rendered chunk by chunk: the same whatever the number of processes, read lazily, whole exchanges trimmed."""

from __future__ import annotations

import random
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import training_kit as kit

from finetune import prepare, recipe
from finetune.data import Conversation, Message
from finetune.data.shapes import ToolCall
from finetune.errors import DataError, ModelError, Problem
from finetune.models.tokenizers import load_tokenizer
from finetune.prepare import bases, chunks, splits
from finetune.talk import Talk


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("prepare")
    kit.workspace(folder)
    return folder


@pytest.fixture(scope="module")
def base(home: Path) -> prepare.OpenedBase:
    return prepare.open_base(recipe.load(home / "recipe.yaml", ("data.overlong=drop",)))


class Lazy(Sequence[Conversation]):
    """Rows as the data room hands them on; counts how many are read one by one."""

    def __init__(self, rows: list[Conversation]):
        self.rows, self.num_single = rows, 0

    def __len__(self) -> int:
        return len(self.rows)

    def __getitem__(self, index: Any) -> Any:
        self.num_single += not isinstance(index, slice)
        return self.rows[index]


def _rows(num: int, seed: int = 0) -> list[Conversation]:
    """Short and long ones, some with control tokens, some that no template takes."""
    draw, rows = random.Random(seed), []
    words = ["Why?", "Because.", "多喝水。", "🌱", "hello there", "one day after another"]
    for number in range(num):
        turns: list[Message] = []
        for _ in range(draw.randint(1, 4)):
            control = "<|im_end|> " * (draw.random() < 0.3)
            turns.append(Message("user", control + " ".join(draw.choices(words, k=draw.randint(1, 12)))))
            turns.append(Message("assistant", " ".join(draw.choices(words, k=draw.randint(1, 20)))))
        rows.append(Conversation(tuple(turns), f"rows.jsonl:{number + 1}"))
    return rows


def test_the_number_of_processes_changes_nothing(base: prepare.OpenedBase) -> None:
    rows = Lazy(_rows(3_300))
    one = prepare.render_split(base, rows, "trim_history", num_processes=1)
    two = prepare.render_split(base, rows, "trim_history", num_processes=2)
    assert one.rows == two.rows
    assert one.summary() == two.summary()
    assert [row.where for row in one.conversations] == [row.where for row in two.conversations]
    assert len(one.rows) + len(one.overlong) == 3_300 and one.num_trimmed > 100 and one.overlong
    assert one.num_control_texts > 100


def test_equal_to_one_row_at_a_time(base: prepare.OpenedBase) -> None:
    rows = _rows(300, seed=3)
    for overlong in ("drop", "trim_history"):
        split = prepare.render_split(base, rows, overlong)
        expected = [prepare.render_row(base, chunks.messages_of(row)[0], overlong) for row in rows]
        fitting = [(row, *done) for row, done in zip(rows, expected) if len(done[0].input_ids) <= base.max_length]
        assert list(split.rows) == [rendered for _, rendered, _ in fitting]
        assert list(split.conversations) == [row for row, _, _ in fitting]
        assert split.num_trimmed == sum(trimmed for _, _, trimmed in fitting)
        assert split.overlong_tokens == [
            len(done[0].input_ids) for done in expected if len(done[0].input_ids) > base.max_length
        ]


def test_rows_are_read_in_runs_and_again_only_when_asked_for(base: prepare.OpenedBase) -> None:
    rows = Lazy([row for row in _rows(600) if len(row.messages) == 2])
    split = prepare.render_split(base, rows, "drop")
    assert rows.num_single == len(split.overlong)
    assert split.conversations[0] == rows.rows[0]
    assert split.longest_tokens == max(len(row.input_ids) for row in split.rows)


@pytest.mark.parametrize("places", [[], [0], [5, 999, 1_000, 1_001, 2_499], list(range(2_500))])
def test_chosen_conversations(places: list[int]) -> None:
    rows = [Conversation((Message("user", str(k)),), str(k)) for k in range(2_500)]
    chosen = splits.Chosen(Lazy(rows), np.array(places, np.int64))
    expected = [rows[place] for place in places]
    assert len(chosen) == len(places) and list(chosen) == expected and chosen[1:3] == expected[1:3]
    if places:
        assert chosen[-1] == expected[-1]


def test_progress_is_told(base: prepare.OpenedBase) -> None:
    told: list[tuple[str, int, int]] = []

    class Listening(Talk):
        def progress(self, name: str, done: int, total: int, loss: float | None = None) -> None:
            told.append((name, done, total))

    prepare.render_split(base, _rows(2_100), "drop", talk=Listening(), name="rendering training rows")
    assert told == [("rendering training rows", done, 2_100) for done in (1_000, 2_000, 2_100)]


def test_problems_come_in_the_order_of_the_rows(base: prepare.OpenedBase) -> None:
    rows = _rows(1_200)
    bad = Conversation((Message("user", "\ue0f0"), Message("assistant", "x")), "rows.jsonl:bad")
    long = Conversation((Message("user", "x"), Message("assistant", "x y " * 200)), "rows.jsonl:long")
    short = [row for row in rows if len(row.messages) == 2][:20]
    many = (short * 60)[:1_100]
    many[3], many[1_050], many[500] = bad, bad, long
    for num in (1, 2):
        with pytest.raises(DataError) as caught:
            prepare.render_split(base, many, "error", num_processes=num)
        places = [problem.where for problem in caught.value.problems if isinstance(problem, Problem)]
        assert [place for place in places if place.endswith(("bad", "long"))] == [
            "rows.jsonl:bad", "rows.jsonl:long", "rows.jsonl:bad",
        ]  # fmt: skip


# -- trimming ------------------------------------------------------------------------------------------------------


def test_an_exchange_goes_with_its_tools() -> None:
    roles = ["system", "user", "assistant", "tool", "tool", "assistant", "user", "assistant", "user", "assistant"]
    messages = [{"role": role, "content": str(k)} for k, role in enumerate(roles)]
    left = [[message["content"] for message in shorter] for shorter in chunks.shortened(messages)]
    assert left == [["0", "6", "7", "8", "9"], ["0", "8", "9"]]
    assert list(chunks.shortened(messages[:6])) == []
    assert list(chunks.shortened(messages[1:6])) == []


def test_trimming_a_row_with_tools(home: Path) -> None:
    base = prepare.open_base(recipe.load(home / "recipe.yaml", ("base.chat_template=plain",)))
    asked = (
        Message("user", "Is it cold? " * 20),
        Message("assistant", "", (ToolCall("weather", '{"city": "Oslo"}'),)),
        Message("tool", "-3 degrees", (), "weather"),
        Message("assistant", "Yes."),
    )
    last = (Message("user", "Thanks."), Message("assistant", "With pleasure."))
    offer = '[{"type": "function", "function": {"name": "weather"}}]'
    split = prepare.render_split(base, [Conversation(asked + last, "a.jsonl:1", tools=offer)], "trim_history")
    assert split.num_trimmed == 1
    text = base.tokenizer.decode(split.rows[0].input_ids)
    assert "With pleasure." in text and "degrees" not in text and "Oslo" not in text and "Tools:" in text


# -- opening without torch -----------------------------------------------------------------------------------------


def test_opened_quickly_is_opened_the_same(home: Path) -> None:
    loaded = recipe.load(home / "recipe.yaml")
    quick, full = prepare.open_quickly(loaded), prepare.open_base(loaded)
    assert quick is not None
    assert type(quick.tokenizer) is type(full.tokenizer)
    assert quick.renderer.template_fingerprint == full.renderer.template_fingerprint
    assert (quick.max_length, quick.notes, quick.overlong_chosen) == (full.max_length, full.notes, full.overlong_chosen)
    rows = _rows(40)
    assert prepare.render_split(quick, rows, "drop").rows == prepare.render_split(full, rows, "drop").rows


@pytest.mark.parametrize("model_type", ["qwen2", "qwen3", "llama"])
def test_the_quick_way_takes_the_class_that_transformers_takes(tmp_path: Path, model_type: str) -> None:
    """Where a release of transformers decides otherwise, the table of quick kinds must follow."""
    import json

    import tiny

    from finetune import models

    tiny.save_base(tmp_path / "base")
    config = json.loads((tmp_path / "base/config.json").read_text())
    (tmp_path / "base/config.json").write_text(json.dumps({**config, "model_type": model_type}))
    words = json.loads((tmp_path / "base/tokenizer_config.json").read_text())
    names = ["TokenizersBackend", "PreTrainedTokenizerFast"] if model_type == "llama" else ["Qwen2Tokenizer"]
    for name in names:
        (tmp_path / "base/tokenizer_config.json").write_text(json.dumps({**words, "tokenizer_class": name}))
        (tmp_path / "recipe.yaml").write_text("recipe: 1\nbase: {model: ./base}\ndata: {train: rows.jsonl}\n")
        (tmp_path / "rows.jsonl").write_text("\n")
        loaded = recipe.load(tmp_path / "recipe.yaml")
        quick = prepare.open_quickly(loaded)
        expected, _ = load_tokenizer(models.find_base("./base", None, tmp_path / "base"))
        assert quick is not None and type(quick.tokenizer) is type(expected)
        text = "Hello, 感冒了 don't 1234 <think>"
        assert quick.tokenizer.encode(text) == expected.encode(text)
        assert quick.max_length == 128


QUICK_FAMILIES = ("llama3_2", "qwen2_5", "qwen3")
FAMILIES = (*QUICK_FAMILIES, "llama2", "aquila", "smollm2", "mistral", "gemma3", "qwen3_moe", "gpt_oss", "ernie4_5")


def _recipe_of(folder: Path, base: Path, more: str = "") -> recipe.LoadedRecipe:
    (folder / "rows.jsonl").write_text("\n")
    words = f"recipe: 1\nbase: {{model: {base}{more}}}\ndata: {{train: rows.jsonl, max_length: 100}}\n"
    (folder / "recipe.yaml").write_text(words)
    return recipe.load(folder / "recipe.yaml", allow_outside=True)


@pytest.mark.parametrize("thinking", ["off", "keep"])
@pytest.mark.parametrize("family", FAMILIES)
def test_every_family_is_opened_quickly_as_a_run_opens_it(family_folder, family, thinking, tmp_path, monkeypatch):
    loaded = _recipe_of(tmp_path, family_folder(family), f", thinking: {thinking}")
    full = prepare.open_base(loaded)
    monkeypatch.setattr(bases, "_open", lambda *given: pytest.fail("it was opened the long way"))
    if family not in QUICK_FAMILIES:
        monkeypatch.undo()
    quick = prepare.open_quickly(loaded)
    assert quick is not None and type(quick.tokenizer) is type(full.tokenizer)
    assert quick.renderer.template_fingerprint == full.renderer.template_fingerprint
    assert quick.tokenizer.chat_template == full.tokenizer.chat_template
    assert (quick.notes, quick.max_length) == (full.notes, full.max_length)
    assert quick.renderer.stop_ids == full.renderer.stop_ids
    rows = _rows(12)
    assert prepare.render_split(quick, rows, "drop").rows == prepare.render_split(full, rows, "drop").rows
    text = "Hello, 感冒了 don't  1234 <think>\n"
    assert quick.tokenizer.encode(text) == full.tokenizer.encode(text)


@pytest.mark.parametrize(
    ("words", "what"),
    [
        ({"vocab_size": 50}, "the tokenizer knows"),  # FAULT 77
        ({"quantization_config": {"quant_method": "gptq"}}, "stored rounded"),
        ({"_attn_implementation": "somebody/kernel"}, "asks for foreign code"),
    ],
)
def test_fault_77_what_a_run_refuses_of_a_base_is_refused_quickly_too(tmp_path, tiny_base, words, what):
    import json
    import shutil

    shutil.copytree(tiny_base, tmp_path / "base")
    config = json.loads((tmp_path / "base/config.json").read_text())
    (tmp_path / "base/config.json").write_text(json.dumps({**config, **words}))
    loaded = _recipe_of(tmp_path, tmp_path / "base")
    said = []
    for open_it in (prepare.open_base, prepare.open_quickly):
        with pytest.raises(ModelError, match=what) as caught:
            open_it(loaded)
        said.append(str(caught.value))
    assert said[0] == said[1]
