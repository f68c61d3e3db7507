"""What the memory estimate counts beside a plain adapter on text: twice the rank, rows of new tokens, images."""

from __future__ import annotations

import weakref
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_iter

from finetune import models
from finetune.hardware import Load
from finetune.recipe.words import Adapter


class Live(TorchDispatchMode):
    """Counts the bytes of tensors made inside that are there at once; `peak` is the most."""

    def __init__(self) -> None:
        super().__init__()
        self.now = self.peak = 0
        self._held: dict[int, Any] = {}

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        given = {t.untyped_storage().data_ptr() for t in tree_iter((args, kwargs)) if isinstance(t, torch.Tensor)}
        out = func(*args, **(kwargs or {}))
        for tensor in tree_iter(out):
            if isinstance(tensor, torch.Tensor):
                self._add(tensor.untyped_storage(), given)
        return out

    def _add(self, storage: Any, given: set[int]) -> None:
        key, size = id(storage), storage.nbytes()
        if storage.data_ptr() in given or not size or key in self._held:
            return
        self.now += size
        self.peak = max(self.peak, self.now)

        def gone(_: Any) -> None:
            self.now -= size
            del self._held[key]

        self._held[key] = weakref.ref(storage, gone)


def _load(sizes: models.Sizes, **words: Any) -> Load:
    given: dict[str, Any] = {"row_tokens": 64, "micro_batch": 1, "checkpointing": False, **words}
    return Load(sizes, "cpu", "float32", "none", **given)


@pytest.mark.parametrize("method", ["pissa", "olora"])
def test_starts_from_the_base_count_twice_the_rank(method: str) -> None:
    source = models.find_base("starter")
    config = models.load_config(source)
    settings = Adapter(method=method, rank_pattern={"o_proj": 4})  # type: ignore[arg-type]
    sizes = models.sizes_of(config, settings)
    model = models.attach_adapter(models.load_base(source, "float32"), settings, 0).train()
    # The half that stands still has its gradient and its optimizer state too.
    assert sizes.num_trainable == sum(p.numel() for p in model.parameters() if p.requires_grad)
    plain = models.sizes_of(config, Adapter(rank_pattern={"o_proj": 4}))
    assert sizes.num_trainable == 2 * plain.num_trainable
    num_adapted = sum(name.endswith("lora_A.default.weight") for name, _ in model.named_parameters())
    num_short = sum("o_proj.lora_A.default.weight" in name for name, _ in model.named_parameters())
    more_per_token = (num_adapted - num_short) * settings.r + num_short * 4
    assert sizes.kept_per_token == plain.kept_per_token + more_per_token


@pytest.mark.parametrize("tied", [True, False])
def test_rows_of_new_tokens_are_counted_with_the_copies_they_bring(tied: bool) -> None:
    """One row that is trained copies the whole head, and its gradient is as large."""
    from transformers import LlamaConfig, LlamaForCausalLM

    words: dict[str, Any] = {
        "hidden_size": 64,
        "intermediate_size": 128,
        "num_hidden_layers": 2,
        "num_attention_heads": 2,
    }
    config = LlamaConfig(**words, num_key_value_heads=2, vocab_size=20_000, tie_word_embeddings=tied)

    class Knows:
        former_pieces: dict[int, list[int]] = {}

        def get_vocab(self) -> dict[str, int]:
            return {"zzqx": 20_000}

    peaks, sizes = {}, {}
    for name, new_tokens in (("without", ()), ("with", ("zzqx",))):
        settings = Adapter(target_modules="attention", new_tokens=new_tokens)
        model = models.attach_adapter(LlamaForCausalLM(config).requires_grad_(False), settings, 0, Knows()).train()
        sizes[name] = models.sizes_of(config, settings)
        assert sizes[name].num_trainable == sum(p.numel() for p in model.parameters() if p.requires_grad)
        ids = torch.randint(5, 2_000, (1, 8))
        with Live() as live:
            model(input_ids=ids, labels=ids).loss.backward()
        peaks[name] = live.peak
    assert sizes["without"].copied_rows == 0
    told = _load(sizes["with"]).parts()["adapter"] - _load(sizes["without"]).parts()["adapter"]
    counted = peaks["with"] - peaks["without"]
    assert 0.9 * counted <= told <= 1.3 * counted


@pytest.mark.parametrize("name", ["qwen2_5_vl", "qwen3_vl"])
@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_images_are_counted_as_the_vision_part_holds_them(
    family_folder: Callable[[str], Path], name: str, dtype: torch.dtype
) -> None:
    folder = family_folder(name)
    config = models.load_config(models.find_base(str(folder), None, folder))
    vision = config.vision_config
    vision.hidden_size, vision.intermediate_size, vision.num_heads = 256, 320, 4  # attention holds the most
    sizes = models.sizes_of(config, Adapter())
    assert sizes.num_parameters == models.structure_of(config).num_parameters  # the vision part's are among them
    from transformers import AutoModelForImageTextToText

    model = AutoModelForImageTextToText.from_config(config).model.visual.to(dtype).requires_grad_(False)
    narrow = sum(p.numel() for p in model.parameters())
    assert sizes.num_parameters - sizes.num_rounded > narrow
    side, num_images = 16, 2
    values = 3 * vision.temporal_patch_size * vision.patch_size**2
    grid, kept = torch.tensor([[1, side, side]] * num_images), []
    with Live() as live, torch.autograd.graph.saved_tensors_hooks(lambda t: kept.append(t) or t, lambda t: t):
        out = model(torch.randn(num_images * side * side, values).to(dtype), grid)
    assert out is not None and not kept, "a frozen vision part keeps nothing for the backward pass"
    num_tokens = num_images * side * side // vision.spatial_merge_size**2
    counted = live.peak / num_tokens / 4
    assert 0.75 * counted <= sizes.seen_per_image_token <= 2 * counted


def test_a_plan_without_images_is_as_before_and_one_with_many_needs_more(family_folder: Callable[[str], Path]) -> None:
    folder = family_folder("qwen2_5_vl")
    sizes = models.sizes_of(models.load_config(models.find_base(str(folder), None, folder)), Adapter())
    text_only, with_images = (_load(sizes, row_tokens=2_000, image_tokens=n) for n in (0, 2_000))
    assert sizes.seen_per_image_token > 0
    wide = replace(sizes, seen_per_image_token=100_000)
    assert text_only.parts() == _load(replace(sizes, seen_per_image_token=0), row_tokens=2_000).parts()
    more = _load(wide, row_tokens=2_000, image_tokens=2_000).parts()["activations"]
    assert more == int(2_000 * 100_000 * 4 * 1.2) > with_images.parts()["activations"]
    starter = models.sizes_of(models.load_config(models.find_base("starter")), Adapter())
    assert starter.seen_per_image_token == 0
