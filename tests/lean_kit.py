"""What the tests of lean layers share: models, their numbers, and how far apart two sets of numbers are."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import test_models_adapters as kit
import torch
from peft import LoraConfig, inject_adapter_in_model
from torch import nn

from finetune import models
from finetune.models.lean import projections
from finetune.recipe.words import Adapter

OUTPUTS, GRADIENTS = 1e-6, 1e-5
IDS = torch.arange(3, 27).reshape(2, 12)


def far(found: Any, wanted: Any) -> float:
    """Relative difference; where nothing is wanted, nothing may be found."""
    size = float(wanted.double().norm())
    return float((found.double() - wanted.double()).norm()) / (size or 1e-12)


def shaken(model: Any) -> Any:
    """The model with norms, biases and adapters that have an effect."""
    torch.manual_seed(5)
    with torch.no_grad():
        for name, weight in model.named_parameters():
            if "lora_B" in name:
                weight.add_(torch.randn_like(weight) * 0.05)
            elif weight.dim() == 1:
                weight.add_(torch.randn_like(weight) * 0.1)
    return model


def adapted(folder: Path, **words: Any) -> Any:
    """A family's model with an adapter of the kit, in float32."""
    model = models.attach_adapter(kit.load_base(folder), Adapter(**{"r": 4, "alpha": 8.0, **words}), seed=0)
    return shaken(model).train()


def states_and_gradients(model: Any, ids: Any = IDS, *, inputs: bool = True) -> tuple[Any, dict[str, Any]]:
    """Logits, and the gradient of each trained parameter and of the embedded tokens."""
    model.zero_grad(set_to_none=True)
    words: dict[str, Any] = {"input_ids": ids}
    if inputs:
        embedded = model.get_input_embeddings()(ids).detach().requires_grad_()
        words = {"inputs_embeds": embedded}
    torch.manual_seed(4)  # some classes have dropouts of their own
    logits = model(**words, use_cache=False).logits
    weights = torch.randn(logits.shape, generator=torch.Generator().manual_seed(2))
    (logits.float() * weights).mean().backward()
    found = {name: p.grad.clone() for name, p in model.named_parameters() if p.grad is not None}
    return logits.detach(), found | ({"inputs": words["inputs_embeds"].grad} if inputs else {})


def agree(one: tuple[Any, dict[str, Any]], other: tuple[Any, dict[str, Any]], looser: float = 1.0) -> None:
    assert one[0].dtype == other[0].dtype
    assert far(one[0], other[0]) <= OUTPUTS * looser
    assert set(one[1]) == set(other[1])
    largest = max(float(gradient.norm()) for gradient in other[1].values())
    for name, wanted in other[1].items():
        assert one[1][name].dtype == wanted.dtype, name
        # A gradient that is nothing beside the others has no digits of its own.
        distance = float((one[1][name].double() - wanted.double()).norm())
        assert distance <= GRADIENTS * looser * max(float(wanted.norm()), 1e-2 * largest), name


@contextlib.contextmanager
def counted_products() -> Iterator[list[int]]:
    """How many lean functions ran, and for how many layers each."""
    sizes: list[int] = []
    real = projections.shape_of

    def counting(x: Any, parts: Any) -> Any:
        sizes.append(len(parts))
        return real(x, parts)

    projections.shape_of = counting
    try:
        yield sizes
    finally:
        projections.shape_of = real


class Attention(nn.Module):
    """Projections that are called in an order of choice, with inputs of choice."""

    def __init__(self, shapes: list[tuple[int, int]], biases: list[bool], names: tuple[str, ...]) -> None:
        super().__init__()
        for name, (wide, high), bias in zip(names, shapes, biases, strict=False):
            setattr(self, name, nn.Linear(wide, high, bias=bias))
        self.names = names[: len(shapes)]

    def forward(self, *inputs: Any) -> list[Any]:
        return [getattr(self, name)(x) for name, x in zip(self.names, inputs, strict=True)]


NAMES = ("q_proj", "k_proj", "v_proj")


def attention(shapes: list[tuple[int, int]], biases: list[bool] | None = None, **words: Any) -> Any:
    torch.manual_seed(0)
    model = nn.Sequential(Attention(shapes, biases or [False] * len(shapes), NAMES))
    config = {"r": 3, "lora_alpha": 5, "target_modules": list(NAMES), **words}
    return shaken(inject_adapter_in_model(LoraConfig(**config), model)).requires_grad_(False)


def run(model: Any, *inputs: Any) -> tuple[Any, dict[str, Any]]:
    """Outputs side by side, and gradients of adapters and inputs."""
    for name, weight in model.named_parameters():
        weight.grad = None
        weight.requires_grad_("lora_" in name)
    distinct = {id(x): x.detach().clone().requires_grad_() for x in inputs}
    torch.manual_seed(0)
    outputs = torch.cat([y.reshape(-1) for y in model[0](*(distinct[id(x)] for x in inputs))])
    torch.manual_seed(1)
    (outputs * torch.randn(outputs.shape, dtype=outputs.dtype)).sum().backward()
    found = {name: p.grad.clone() for name, p in model.named_parameters() if p.grad is not None}
    return outputs.detach(), found | {f"input {k}": x.grad for k, x in enumerate(distinct.values())}


@contextlib.contextmanager
def kept_own(layer: Any) -> Iterator[None]:
    """Inside, the layer computes by its class's forward."""
    ours = layer.__dict__.pop("forward")
    yield
    layer.forward = ours
