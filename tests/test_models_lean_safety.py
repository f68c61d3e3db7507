"""Lean layers: what is left to its own forward, and that nothing of them stays behind."""

from __future__ import annotations

import copy
import gc
import io
import weakref
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import test_models_adapters as kit
import torch
from lean_kit import (
    IDS,
    NAMES,
    OUTPUTS,
    adapted,
    agree,
    attention,
    counted_products,
    far,
    kept_own,
    shaken,
    states_and_gradients,
)
from peft import LoraConfig, get_peft_model, inject_adapter_in_model
from torch import nn

from finetune import models
from finetune.models.lean import lean, projections
from finetune.recipe.words import Adapter

# -- what is left to its own forward -----------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("words", "reason"),
    [
        ({"use_dora": True}, "DoRA"),
        ({"lora_bias": True}, "adapter with biases"),
        ({"target_modules": ["embed_tokens"]}, "adapter on an embedding"),
    ],
)
def test_other_kinds_of_adapter_keep_their_forward(
    family_folder: Callable[[str], Path], words: dict[str, Any], reason: str
) -> None:
    config = LoraConfig(**{"r": 3, "target_modules": ["q_proj", "v_proj"], "task_type": "CAUSAL_LM", **words})
    model = shaken(get_peft_model(kit.load_base(family_folder("qwen2_5")), config))
    wanted = states_and_gradients(model, inputs=False)
    with lean(model) as facts:
        found = states_and_gradients(model, inputs=False)
        assert f"{sum(facts.fallbacks.values())} left to their own forward: {reason}" in facts.line()
    agree(found, wanted)
    assert set(facts.fallbacks) == {reason}
    assert facts.num_modules == 0


def test_other_base_layers_keep_their_forward() -> None:
    from transformers.pytorch_utils import Conv1D

    class Rounded(nn.Linear):
        """A linear layer of another kind, as quantised ones are."""

    model = attention([(6, 6), (6, 6), (6, 6)])
    base = Rounded(6, 6, bias=False)
    model[0].k_proj.base_layer = base.requires_grad_(False)
    model[0].v_proj.base_layer.weight.requires_grad_()
    x = torch.randn(3, 6)
    wanted = [getattr(model[0], name)(x) for name in NAMES]
    with lean(model) as facts:
        found = [getattr(model[0], name)(x) for name in NAMES]
    assert facts.num_modules == 1
    assert facts.fallbacks == {"base layer of another kind": 1, "base layer is trained too": 1}
    assert found[1].equal(wanted[1]) and found[2].equal(wanted[2]) and far(found[0], wanted[0]) <= OUTPUTS
    conv = nn.Sequential(Conv1D(5, 6))
    config = LoraConfig(r=2, target_modules=["0"], fan_in_fan_out=True)
    with lean(inject_adapter_in_model(config, conv)) as facts:
        assert facts.fallbacks == {"base layer of another kind": 1}


@pytest.mark.parametrize("kind", ["8bit", "4bit"])
def test_rounded_bases_keep_their_forward(family_folder: Callable[[str], Path], kind: str) -> None:
    pytest.importorskip("bitsandbytes")
    folder = family_folder("llama3_2")
    base = models.load_base(models.find_base(str(folder), None, folder), "float32", quantization=kind)
    model = shaken(models.attach_adapter(base, Adapter(r=4, alpha=8.0), seed=0))
    wanted = states_and_gradients(model)
    with lean(model) as facts:
        found = states_and_gradients(model)
    agree(found, wanted)
    assert facts.fallbacks == {"rounded base": 14}


def test_several_and_merged_adapters_keep_their_forward() -> None:
    x = torch.randn(3, 8)
    model = attention([(8, 5)], target_modules=["q_proj"])
    layer = model[0].q_proj
    inject_adapter_in_model(LoraConfig(r=2, target_modules=["q_proj"]), model, adapter_name="second")
    nn.init.normal_(layer.lora_B["second"].weight)
    layer.set_adapter(["default", "second"])
    with lean(model) as facts:
        assert facts.fallbacks == {"several adapters at once": 1}
    layer.set_adapter("default")
    with lean(model) as facts:
        assert not facts.fallbacks
        for active in (["default", "second"], ["second"], ["default"]):  # changed inside
            layer.set_adapter(active)
            with kept_own(layer):
                wanted = layer(x)
            assert far(layer(x), wanted) <= OUTPUTS
        layer.merge()
        with kept_own(layer):
            wanted = layer(x)
        assert layer(x).equal(wanted)
    with lean(model) as facts:
        assert facts.fallbacks == {"adapter is merged": 1}


def test_hooks_and_other_forwards_inside_a_layer_are_obeyed() -> None:
    model = attention([(8, 5), (8, 6)], target_modules=list(NAMES[:2]))
    x, calls = torch.randn(3, 8), []
    with lean(model):
        hook = model[0].k_proj.lora_A["default"].register_forward_hook(lambda *_: calls.append(1))
        model[0](x, x)
        assert calls == [1]
        hook.remove()
        model[0](x, x)
        assert calls == [1]
        with lean(model) as facts:
            assert facts.fallbacks == {"forward replaced already": 2}


class HalfNorm(nn.Module):
    """Called an RMSNorm, and none."""

    def __init__(self, like: Any) -> None:
        super().__init__()
        self.weight, self.eps = like.weight, 1e-6

    def forward(self, x: Any) -> Any:
        return self.weight * x / (x.pow(2).mean(-1, keepdim=True).sqrt() + 1e-3)


HalfNorm.__name__ = "HalfRMSNorm"


class ShiftedMlp(nn.Module):
    """Gated in another way."""

    def __init__(self, like: Any) -> None:
        super().__init__()
        self.gate_proj, self.up_proj, self.down_proj = like.gate_proj, like.up_proj, like.down_proj

    def forward(self, x: Any) -> Any:
        return self.down_proj(torch.nn.functional.silu(self.gate_proj(x)) * (self.up_proj(x) + 1))


def test_classes_that_compute_otherwise_are_left_alone(family_folder: Callable[[str], Path]) -> None:
    model = adapted(family_folder("llama3_2"))
    for layer in model.base_model.model.model.layers:
        layer.mlp, layer.input_layernorm = ShiftedMlp(layer.mlp), HalfNorm(layer.input_layernorm)
    wanted = states_and_gradients(model)
    with lean(model) as facts:
        found = states_and_gradients(model)
    agree(found, wanted)
    assert (facts.num_norms, facts.num_mlps, facts.num_groups) == (3, 0, 4)
    assert facts.fallbacks == {
        "HalfRMSNorm computes in another way": 2,
        "ShiftedMlp computes in another way": 2,
    }


def test_the_comparison_can_fail(family_folder: Callable[[str], Path]) -> None:
    model = adapted(family_folder("llama3_2"))
    wanted = states_and_gradients(model)
    real = projections.shape_of

    def stronger(x: Any, parts: Any) -> Any:
        shape = real(x, parts)
        return shape._replace(scales=tuple(scale * 1.001 for scale in shape.scales))

    projections.shape_of = stronger
    try:
        with lean(model):
            found = states_and_gradients(model)
    finally:
        projections.shape_of = real
    with pytest.raises(AssertionError):
        agree(found, wanted)


# -- nothing is left behind --------------------------------------------------------------------------------------


def test_everything_is_put_back_after_an_error(family_folder: Callable[[str], Path]) -> None:
    model = adapted(family_folder("qwen3"))
    before = {name: dict(module.__dict__) for name, module in model.named_modules()}
    names = [name for name, _ in model.named_parameters()]
    hooks = {name: len(module._forward_hooks) for name, module in model.named_modules()}

    def failing() -> None:
        with lean(model):
            assert any("forward" in module.__dict__ for module in model.modules())
            assert [name for name, _ in model.named_modules()] == list(before)
            raise RuntimeError("stop")

    with pytest.raises(RuntimeError, match="stop"):
        failing()
    assert {name: set(module.__dict__) for name, module in model.named_modules()} == {
        name: set(words) for name, words in before.items()
    }
    assert not any("forward" in module.__dict__ for module in model.modules())
    assert {name: len(module._forward_hooks) for name, module in model.named_modules()} == hooks
    assert [name for name, _ in model.named_parameters()] == names


def test_what_is_saved_inside_is_the_same_to_the_byte(family_folder: Callable[[str], Path], tmp_path: Path) -> None:
    model = adapted(family_folder("qwen3"))
    states = {name: tensor.clone() for name, tensor in model.state_dict().items()}
    model.save_pretrained(tmp_path / "outside")
    with lean(model):
        states_and_gradients(model)
        model.save_pretrained(tmp_path / "inside")
        assert list(model.state_dict()) == list(states)
        whole = io.BytesIO()
        torch.save(model, whole)
        twin = copy.deepcopy(model)
    files = sorted(path.name for path in (tmp_path / "outside").iterdir())
    assert files == sorted(path.name for path in (tmp_path / "inside").iterdir())
    for name in files:
        assert (tmp_path / "inside" / name).read_bytes() == (tmp_path / "outside" / name).read_bytes(), name
    whole.seek(0)
    wanted = states_and_gradients(model)
    for other in (twin, torch.load(whole, weights_only=False)):
        # Copies compute by their classes' own forwards, with weights of their own.
        with counted_products() as sizes:
            assert states_and_gradients(other)[0].equal(wanted[0])
        assert not sizes


def held_bytes(model: Any, ids: Any) -> int:
    """What autograd keeps between the passes, parameters left out, each piece of memory counted once."""
    own = {parameter.untyped_storage().data_ptr() for parameter in model.parameters()}
    held: dict[int, Any] = {}

    def pack(tensor: Any) -> Any:
        storage = tensor.untyped_storage()
        if storage.data_ptr() not in own:
            held[storage.data_ptr()] = storage  # kept, so that no address comes twice
        return tensor

    with torch.autograd.graph.saved_tensors_hooks(pack, lambda tensor: tensor):
        model(input_ids=ids, use_cache=False)
    return sum(storage.nbytes() for storage in held.values())


def test_less_is_kept_for_the_backward_pass(family_folder: Callable[[str], Path]) -> None:
    model = adapted(family_folder("llama3_2"))
    ids = torch.arange(256)[None] % 200
    theirs = held_bytes(model, ids)
    with lean(model):
        ours = held_bytes(model, ids)
    rows = 4 * 256 * 2  # bytes of one number a token, in both layers
    # Two of four of the inner width, and the outputs of the norms (but the first, whose input nothing else keeps).
    assert theirs - ours >= rows * (2 * 128 + 1.5 * 64) * 0.95


def test_nothing_outlives_a_forward(family_folder: Callable[[str], Path]) -> None:
    model = adapted(family_folder("llama3_2"))
    layer = model.base_model.model.model.layers[0].self_attn
    with lean(model):
        inputs: list[Any] = []
        hook = layer.q_proj.register_forward_hook(lambda _, args, y: inputs.extend(map(weakref.ref, (args[0], y))))
        # A class that asks one layer of the group only.
        layer.k_proj.forward, own = (lambda x: x[..., :32] * 1.0), layer.k_proj.forward
        logits = model(input_ids=IDS, use_cache=False).logits
        del logits
        gc.collect()
        assert len(inputs) == 2 and [ref() for ref in inputs] == [None, None]
        layer.k_proj.forward = own
        hook.remove()
