"""New tokens: trained rows in the adapter, room in the base, and the same answers in another process."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import families_kit
import pytest
import test_models_adapters as kit
import tiny
import torch

from finetune import models
from finetune.errors import ModelError
from finetune.models import new_tokens as room
from finetune.recipe.words import Adapter

NEW = ("<finding>", "心电图", "<advice>")
IDS = [[1, 276, 304, 269, 305, 2, 306]]


def tokenizer_of(base: Path) -> Any:
    tokenizer, _ = models.load_tokenizer(models.find_base(str(base), None, base))
    return tokenizer


def taught(base: Path, words: tuple[str, ...] = NEW, **adapter: Any) -> Any:
    """A model whose new rows (and B matrices) were moved, as if trained."""
    tokenizer = tokenizer_of(base)
    models.extend_tokenizer(tokenizer, words)
    settings = Adapter(**{"r": 4, "alpha": 8.0, "new_tokens": words, **adapter})
    model = models.attach_adapter(kit.load_base(base), settings, 0, tokenizer)
    torch.manual_seed(1)
    with torch.no_grad():
        for name, weight in model.named_parameters():
            if "lora_B" in name or "trainable_tokens" in name:
                weight.add_(torch.randn_like(weight), alpha=0.1)
    return model.eval()


def logits(model: Any) -> Any:
    with torch.no_grad():
        return model(input_ids=torch.tensor(IDS)).logits


# -- the tokenizer -----------------------------------------------------------------------------------------------


def test_texts_become_one_token_each(tiny_base: Path) -> None:
    tokenizer = tokenizer_of(tiny_base)
    before = tokenizer.encode("hello 心电图<finding>!")
    assert models.extend_tokenizer(tokenizer, NEW) == [304, 305, 306]
    assert models.extend_tokenizer(tokenizer, NEW) == [304, 305, 306]  # again: nothing new
    after = tokenizer.encode("hello 心电图<finding>!")
    assert (after.count(304), after.count(305), len(after) < len(before)) == (1, 1, True)
    # Seen by a reader of an answer, unlike control tokens.
    assert tokenizer.decode(after, skip_special_tokens=True) == "hello 心电图<finding>!"
    assert tokenizer.former_pieces[304] == tokenizer_of(tiny_base).encode("<finding>", add_special_tokens=False)


def test_a_token_of_the_base_keeps_its_id_and_its_row(tiny_base: Path) -> None:
    tokenizer = tokenizer_of(tiny_base)
    known = tokenizer.convert_tokens_to_ids("<think>")
    assert models.extend_tokenizer(tokenizer, ("<think>", "<new>")) == [known, 304]
    settings = Adapter(r=4, alpha=8.0, new_tokens=("<think>", "<new>"))
    base = kit.load_base(tiny_base)
    row = base.get_input_embeddings().weight[known].detach().clone()
    model = models.attach_adapter(base, settings, 0, tokenizer)
    delta = model.get_input_embeddings().token_adapter.trainable_tokens_delta["default"]
    assert delta[0].equal(row)
    assert not delta[1].equal(row)


# -- the model ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("tied", [False, True])
def test_rows_start_at_their_pieces_and_the_base_at_the_mean(tmp_path: Path, tied: bool) -> None:
    base_folder = tiny.save_base(tmp_path / "base", tie_word_embeddings=tied)
    tokenizer = tokenizer_of(base_folder)
    models.extend_tokenizer(tokenizer, NEW)
    base = kit.load_base(base_folder)
    old = base.get_input_embeddings().weight.detach().clone()
    model = models.attach_adapter(base, Adapter(r=4, alpha=8.0, new_tokens=NEW), 0, tokenizer)
    table = model.get_input_embeddings()
    assert table.original_module.weight.shape == (307, 32)
    assert table.original_module.weight[:304].equal(old)
    assert torch.allclose(table.original_module.weight[306], old.mean(dim=0))
    start = table.token_adapter.trainable_tokens_delta["default"]
    assert torch.allclose(start[0], old[tokenizer.former_pieces[304]].mean(dim=0))
    facts = models.trainable_facts(model)
    assert facts["num_trainable"] == 4 * 2 * (64 + 48 + 48 + 64 + 80 + 80 + 80) + (1 if tied else 2) * 3 * 32
    assert ("lm_head" in facts["modules"]) is not tied


def test_cold_reload_in_another_process(tmp_path: Path) -> None:
    for name, tied in (("tied", True), ("untied", False)):
        folder = tmp_path / name
        base = tiny.save_base(folder / "base", tie_word_embeddings=tied)
        model = taught(base)
        models.save_adapter(model, folder / "adapter", "tiny", None)
        torch.save(logits(model), folder / "expected.pt")
        with model.disable_adapter():
            torch.save(logits(model), folder / "bare.pt")
    code = f"""
import torch, pathlib
from finetune import models
ids = torch.tensor({IDS})
for name in ("tied", "untied"):
    folder = pathlib.Path({str(tmp_path)!r}) / name
    bare = models.load_base(models.find_base(str(folder / "base"), None, folder / "base"), "float32")
    loaded = models.load_adapter(bare, folder / "adapter")
    with torch.no_grad():
        assert loaded(input_ids=ids).logits.equal(torch.load(folder / "expected.pt"))
        with loaded.disable_adapter():
            assert loaded(input_ids=ids).logits.equal(torch.load(folder / "bare.pt"))
    print("same")
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=300)
    assert done.stdout.split() == ["same", "same"], done.stderr[-2000:]


@pytest.mark.parametrize("tied", [False, True])
def test_only_the_new_rows_are_saved(tmp_path: Path, tied: bool) -> None:
    from safetensors.torch import load_file

    base = tiny.save_base(tmp_path / "base", tie_word_embeddings=tied)
    models.save_adapter(taught(base), tmp_path / "adapter", "tiny", None)
    names = ["model.embed_tokens"] if tied else ["lm_head", "model.embed_tokens"]
    tensors = load_file(tmp_path / "adapter" / "adapter_model.safetensors")
    rows = {name: tuple(t.shape) for name, t in tensors.items() if "lora_" not in name}
    assert rows == {f"base_model.model.{n}.token_adapter.trainable_tokens_delta": (3, 32) for n in names}
    config = json.loads((tmp_path / "adapter" / "adapter_config.json").read_text())
    assert config["trainable_token_indices"] == {name: [304, 305, 306] for name in names}


def test_a_base_with_room_to_spare_is_not_resized(tmp_path: Path) -> None:
    base = tiny.save_base(tmp_path / "base", vocab_size=320)
    model = taught(base)
    assert model.get_input_embeddings().original_module.weight.shape[0] == 320
    expected = logits(model)
    models.save_adapter(model, tmp_path / "adapter", "tiny", None)
    assert logits(models.load_adapter(kit.load_base(base), tmp_path / "adapter")).equal(expected)


@pytest.mark.parametrize("method", ["dora", "pissa"])
def test_with_other_methods(tiny_base: Path, tmp_path: Path, method: str) -> None:
    model = taught(tiny_base, method=method)
    expected = logits(model)
    models.save_adapter(model, tmp_path / "adapter", "tiny", None)
    assert logits(models.load_adapter(kit.load_base(tiny_base), tmp_path / "adapter")).equal(expected)


@pytest.mark.parametrize("family", ["qwen3_moe", "gemma3", "gpt_oss", "qwen2_5_vl"])
def test_other_families(tmp_path_factory: pytest.TempPathFactory, tmp_path: Path, family: str) -> None:
    base = families_kit.folder_of(family, tmp_path_factory.getbasetemp() / "families")
    tokenizer = tokenizer_of(base)
    ids = models.extend_tokenizer(tokenizer, ("<finding>", "<advice>"))
    settings = Adapter(r=4, alpha=8.0, new_tokens=("<finding>", "<advice>"))
    source = models.find_base(str(base), None, base)
    model = models.attach_adapter(models.load_base(source, "float32"), settings, 0, tokenizer)
    with torch.no_grad():
        for name, weight in model.named_parameters():
            if "lora_B" in name or "trainable_tokens" in name:
                weight.add_(torch.randn_like(weight), alpha=0.1)
        expected = model.eval()(input_ids=torch.tensor([[5, *ids, 6]])).logits
        models.save_adapter(model, tmp_path / "adapter", "tiny", None)
        loaded = models.load_adapter(models.load_base(source, "float32"), tmp_path / "adapter")
        assert loaded(input_ids=torch.tensor([[5, *ids, 6]])).logits.equal(expected)


# -- refusals ----------------------------------------------------------------------------------------------------


def test_fault_77_tokenizer_and_base_disagree_before_any_new_token(tiny_base: Path) -> None:
    tokenizer = tokenizer_of(tiny_base)
    tokenizer.add_tokens(["<stranger>"])
    models.extend_tokenizer(tokenizer, NEW)
    with pytest.raises(ModelError) as caught:
        models.attach_adapter(kit.load_base(tiny_base), Adapter(r=4, alpha=8.0, new_tokens=NEW), 0, tokenizer)
    assert str(caught.value) == (
        "base.model: the tokenizer knows 305 tokens without the new ones, the model 304. "
        "Fix: use the tokenizer that came with the model"
    )


def test_head_with_biases(tmp_path_factory: pytest.TempPathFactory) -> None:
    base = families_kit.folder_of("phi", tmp_path_factory.getbasetemp() / "families")
    structure = models.structure_of(models.load_config(models.find_base(str(base), None, base)))
    models.check_settings(structure, Adapter(r=4, alpha=8.0))
    with pytest.raises(ModelError) as early:  # from the config alone
        models.check_settings(structure, Adapter(r=4, alpha=8.0, new_tokens=NEW))
    tokenizer = tokenizer_of(base)
    models.extend_tokenizer(tokenizer, NEW)
    with pytest.raises(ModelError) as caught:
        models.attach_adapter(kit.load_base(base), Adapter(r=4, alpha=8.0, new_tokens=NEW), 0, tokenizer)
    assert str(caught.value) == (
        "adapter.new_tokens: this base's head has a bias for each token, which an adapter cannot carry. "
        "Fix: write new_tokens: []"
    )
    assert str(early.value) == str(caught.value)
    with pytest.raises(ModelError, match="a bias for each token"):  # what is behind it, for whoever comes without
        room.row_modules(kit.load_base(base))


@pytest.fixture
def saved(tiny_base: Path, tmp_path: Path) -> Path:
    models.save_adapter(taught(tiny_base), tmp_path / "rows", "tiny", None)
    return tmp_path / "rows"


@pytest.mark.parametrize(
    "indices",
    [
        [304],
        {"model.embed_tokens": [304, 304]},
        {"model.embed_tokens": [-1]},
        {"model.embed_tokens": [True]},
        {"model.embed_tokens": []},
        {"model.embed_tokens": list(range(5000))},
        {"(a+)+$": [304]},
        {"a": [1], "b": [1], "c": [1]},
        "all",
    ],
)
def test_fault_117_lists_of_rows_that_are_not_accepted(tiny_base: Path, saved: Path, indices: Any) -> None:
    kit.edit_config(saved, trainable_token_indices=indices)
    assert "rows/adapter_config.json: trainable_token_indices: is not accepted in an adapter" in kit.refused(
        tiny_base, saved
    )


def test_fault_112_rows_that_the_config_does_not_list(tiny_base: Path, saved: Path) -> None:
    kit.edit_config(saved, trainable_token_indices={"lm_head": [304, 305, 306]})
    name = "base_model.model.model.embed_tokens.token_adapter.trainable_tokens_delta"
    assert kit.refused(tiny_base, saved) == (
        f"rows/adapter_model.safetensors: {repr(name)[:80]}: 1 tensors are not LoRA tensors and would overwrite the "
        "base"
    )


def test_rows_far_beyond_the_base_and_of_another_number(tiny_base: Path, saved: Path) -> None:
    rows = {"lm_head": [304, 305, 306], "model.embed_tokens": [304, 305, 10**9]}
    kit.edit_config(saved, trainable_token_indices=rows)
    assert "it has rows for 304 tokens, and the adapter for token 1000000000" in kit.refused(
        tiny_base, saved, ModelError
    )
    kit.edit_config(saved, trainable_token_indices={name: [304, 305] for name in rows})
    assert "is [3, 32], needs [2, 32]" in kit.refused(tiny_base, saved, ModelError)


def test_refused_rows_leave_the_base_its_size(tiny_base: Path, saved: Path) -> None:
    """A fault that shows only when everything is in place: the room is taken back too."""
    kit.edit_weights(saved, lambda tensors: [tensors.pop(name) for name in list(tensors) if "layers.1." in name])
    assert "tensors are missing" in kit.refused(tiny_base, saved, ModelError)
    base = kit.load_base(tiny_base)
    with pytest.raises(ModelError):
        models.load_adapter(base, saved)
    assert base.get_input_embeddings().weight.shape[0] == base.config.vocab_size == 304


def test_room_is_made_once_and_taken_back(tiny_base: Path) -> None:
    base = kit.load_base(tiny_base)
    before = kit.base_hash(base)
    room.make_room(base, 300)
    assert base.get_input_embeddings().weight.shape[0] == 304
    room.make_room(base, 310)
    assert (base.get_input_embeddings().weight.shape[0], base.lm_head.weight.shape[0]) == (310, 310)
    room.take_room_back(base, 304)
    assert kit.base_hash(base) == before


def test_all_that_is_wrong_with_new_tokens_is_told_at_once() -> None:
    from finetune import recipe
    from finetune.errors import RecipeError

    text = "recipe: 1\nbase: {model: starter}\ndata: {train: rows.jsonl}\nadapter: {new_tokens: [' b', a, a, '']}\n"
    with pytest.raises(RecipeError) as caught:
        recipe.parse(text)
    assert (
        "adapter.new_tokens: expected no empty text, no blank before or behind a text, as in ' b', each text once"
    ) in str(caught.value)
