"""What the memory estimate says that layers keep, against what autograd keeps: each way of computing a pack."""

from __future__ import annotations

import contextlib
from typing import Any

import pytest
import torch

from finetune import models
from finetune.hardware import Load
from finetune.models.lean import lean
from finetune.models.tree_attention import pack_inputs, packed_attention
from finetune.packing import pack_rows
from finetune.recipe.words import Adapter


def _config(model_type: str) -> Any:
    from transformers import AutoConfig

    words: dict[str, Any] = {"hidden_size": 128, "intermediate_size": 352, "num_hidden_layers": 4, "vocab_size": 512}
    heads = {"num_attention_heads": 4, "num_key_value_heads": 2, "head_dim": 32}
    return AutoConfig.for_model(model_type, **words, **heads)


def _kept_bytes(model: Any, kind: str, is_lean: bool, dtype: torch.dtype) -> tuple[int, int]:
    """(bytes that autograd holds after a forward pass over one pack, each piece of memory once; tokens of the pack)."""
    draw = torch.Generator().manual_seed(0)
    shared = torch.randint(5, 500, (144,), generator=draw).tolist()
    rows = [shared + torch.randint(5, 500, (80,), generator=draw).tolist() for _ in range(3)]
    (pack,) = pack_rows([(ids, ids) for ids in rows], 10_000)
    own = {p.untyped_storage().data_ptr() for p in model.parameters()}
    kept: dict[int, int] = {}

    def put(tensor: Any) -> Any:
        storage = tensor.untyped_storage()
        if storage.data_ptr() not in own:
            kept[storage.data_ptr()] = storage.nbytes()
        return tensor

    with contextlib.ExitStack() as stack:
        if is_lean:
            stack.enter_context(lean(model))
        stack.enter_context(packed_attention(model, kind))
        if dtype == torch.bfloat16:
            stack.enter_context(torch.autocast("cpu", dtype))
        stack.enter_context(torch.autograd.graph.saved_tensors_hooks(put, lambda tensor: tensor))
        inputs = pack_inputs(pack, kind, torch.device("cpu"), dtype)
        hidden = model.base_model.model.model(**inputs, use_cache=False)[0]
    assert hidden.requires_grad
    return sum(kept.values()), pack.num_tokens


@pytest.mark.parametrize("model_type", ["llama", "qwen3"])
@pytest.mark.parametrize("kind", ["segmented", "mask"])
@pytest.mark.parametrize("is_lean", [False, True])
@pytest.mark.parametrize("dtype", ["float32", "bfloat16"])
def test_what_layers_keep_of_a_pack(model_type: str, kind: str, is_lean: bool, dtype: str) -> None:
    from transformers import AutoModelForCausalLM

    config, settings = _config(model_type), Adapter()
    sizes = models.sizes_of(config, settings)
    base = AutoModelForCausalLM.from_config(config).to(getattr(torch, dtype)).requires_grad_(False)
    model = models.attach_adapter(base, settings, 0).train()
    counted, tokens = _kept_bytes(model, kind, is_lean, getattr(torch, dtype))
    load = Load(sizes, "cpu", dtype, pass_tokens=tokens, row_tokens=224, attention=kind, lean=is_lean)
    told = load.kept_bytes()
    assert counted <= told <= 1.35 * counted, f"{told / counted:.2f}"
