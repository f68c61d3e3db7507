"""A model without weights, taken apart: which module is attention, expert, router or head, told by shape and place."""

from __future__ import annotations

import copy
import inspect
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from finetune.errors import ModelError, Problem

# Kinds of rotary scaling whose factors depend on the longest row of a batch, so that a row's values change with its
# neighbours.
_VARYING_ROPE = ("dynamic", "longrope")
_FULL_KINDS = ("full_attention", "sliding_attention", "chunked_attention")


@dataclass
class Anatomy:
    """The parts of one model.

    Attributes:
        roles: full name of every module -> "attention", "mlp" or "expert" for a linear module of the language model,
            "router" for what chooses experts, "other" for all the rest (head, embeddings, vision tower, containers).
        stacked: endings of expert parameters that hold all experts of a layer in one tensor.
        expert_parameters: numbers in all experts together.
        layers: full name of the list of decoder layers.
    """

    roles: dict[str, str] = field(default_factory=dict)
    stacked: list[str] = field(default_factory=list)
    expert_parameters: int = 0
    layers: str = ""
    fused_qkv: bool = False
    sinks: bool = False
    carries_state: bool = False

    def names(self, *roles: str) -> list[str]:
        return [name for name, role in self.roles.items() if role in roles]


def auto_class_of(config: Any) -> Any:
    """The transformers Auto class that loads it: AutoModelForCausalLM, or AutoModelForImageTextToText.

    Raises:
        ModelError: neither knows it.
    """
    from transformers import AutoModelForCausalLM, AutoModelForImageTextToText

    kinds = [AutoModelForCausalLM, AutoModelForImageTextToText]
    if has_vision(config):
        kinds.reverse()
    for kind in kinds:
        if type(config) in kind._model_mapping:
            return kind
    what, fix = "is not a model that writes text", "choose a base that answers in text"
    raise ModelError(Problem("", "base.model", what, repr(config.model_type), fix))


def has_vision(config: Any) -> bool:
    """Whether the config describes a part that looks at images."""
    return getattr(config, "vision_config", None) is not None


def bare_model(config: Any) -> Any:
    """The config's model on the meta device: all modules and shapes, no memory.

    Raises:
        ModelError: it is no model that writes text, or its numbers do not fit together.
    """
    import torch

    auto = auto_class_of(config)
    config = copy.deepcopy(config)  # building writes the dtype into it
    try:
        with torch.device("meta"):
            return auto.from_config(config, trust_remote_code=False)
    except (ValueError, TypeError, KeyError, RuntimeError, AttributeError, ZeroDivisionError, AssertionError) as error:
        reason = (str(error).strip().splitlines() or [type(error).__name__])[0][:160]
        fix = "use the config.json that came with the model"
        raise ModelError(Problem("", "base.model", f"its config makes no model: {reason}", fix=fix)) from error


def take_apart(model: Any, config: Any) -> Anatomy:
    """Give every module of a bare model its role. `config` is that of its language model."""
    found = Anatomy(roles={name: "other" for name, _ in model.named_modules() if name})
    prefix, layers = _decoder_layers(model, config)
    found.layers = prefix
    for name, layer in layers.named_children():
        _look_into(layer, f"{prefix}.{name}", found, config)
    head = model.get_output_embeddings()
    for name, module in model.named_modules():
        if module is head and name:
            found.roles[name] = "other"
    found.carries_state |= bool(getattr(model, "_is_stateful", False))
    return found


def _decoder_layers(model: Any, config: Any) -> tuple[str, Any]:
    """Name and list of the language model's layers; the whole decoder where it has no list of that length."""
    import torch

    decoder = model.get_decoder() if hasattr(model, "get_decoder") else model
    names = {id(module): name for name, module in model.named_modules()}
    for module in decoder.modules():
        if isinstance(module, torch.nn.ModuleList) and len(module) == getattr(config, "num_hidden_layers", -1):
            return names[id(module)], module
    return names[id(decoder)], decoder


def _look_into(layer: Any, prefix: str, found: Anatomy, config: Any) -> None:
    """Set the roles of one decoder layer's modules."""
    import torch

    parents = dict(layer.named_modules())
    mixers = [name for name, module in parents.items() if _mixes_tokens(module)]
    for name in mixers:
        _note_attention(parents[name], found, config)
    experts = dict(_experts_of(layer, mixers))
    routers = {name for place, size in experts.items() for name in _routers_of(layer, place, size)}
    for name, module in parents.items():
        if name in routers:
            role = "router"
        elif not _is_linear(module, torch):
            continue
        elif _within(name, mixers):
            role = "attention"
        elif _within(name, experts):
            role = "expert"
        elif _within(name, routers):
            role = "router"
        else:
            role = "mlp"
        found.roles[f"{prefix}.{name}"] = role
    for place in experts:
        _count_experts(layer, place, found)


def _is_linear(module: Any, torch: Any) -> bool:
    from transformers.pytorch_utils import Conv1D

    return isinstance(module, (torch.nn.Linear, Conv1D))


def _within(name: str, places: Any) -> bool:
    return any(name == place or name.startswith(f"{place}.") for place in places)


def _mixes_tokens(module: Any) -> bool:
    """Attention, or a mixer with a state in its place (which has a convolution over time)."""
    import torch

    if hasattr(module, "is_causal") or type(module).__name__.endswith(("Attention", "AttentionV2")):
        return True
    return any(isinstance(child, torch.nn.Conv1d) for child in module.children())


def _note_attention(attention: Any, found: Anatomy, config: Any) -> None:
    import torch

    if any(isinstance(child, torch.nn.Conv1d) for child in attention.children()):
        found.carries_state = True
        return
    heads = getattr(config, "num_attention_heads", None)
    kv_heads = getattr(config, "num_key_value_heads", None) or heads
    for parameter in attention.parameters(recurse=False):
        found.sinks |= parameter.dim() == 1 and parameter.shape[0] == heads
    head_tokens = getattr(attention, "head_dim", None) or getattr(attention, "head_size", None)
    if not (isinstance(heads, int) and isinstance(kv_heads, int) and isinstance(head_tokens, int)):
        return
    linears = [child for child in attention.children() if _is_linear(child, torch)]
    for child in linears if len(linears) <= 2 else ():  # one in, one out
        wide = getattr(child, "out_features", None) or getattr(child, "nf", 0)
        found.fused_qkv |= wide == (heads + 2 * kv_heads) * head_tokens and wide > heads * head_tokens


def _experts_of(layer: Any, mixers: list[str]) -> Iterator[tuple[str, int]]:
    """Name and size of everything in a layer that holds several experts: a stack of matrices, or a list of modules."""
    import torch

    for name, module in layer.named_modules():
        if _within(name, mixers) or not name:
            continue
        if isinstance(module, torch.nn.ModuleList):
            alike = len(module) > 1 and len({type(child) for child in module}) == 1
            if alike and _routers_of(layer, name, len(module)):
                yield name, len(module)
            continue
        stacks = [p.shape[0] for p in module.parameters(recurse=False) if p.dim() == 3 and p.shape[0] > 1]
        # Without a router beside it, a stack of matrices is something else: a convolution, a mixer of another kind.
        if stacks and _routers_of(layer, name, stacks[0]):
            yield name, stacks[0]


def _routers_of(layer: Any, place: str, num_experts: int) -> list[str]:
    """Modules beside the experts that weigh them: one row for each expert, or a single number."""
    parent = place.rpartition(".")[0]
    block = layer.get_submodule(parent)
    found = []
    for name, module in block.named_modules():
        full = f"{parent}.{name}" if parent else name
        if not name or _within(full, [place]):
            continue
        shapes = [tuple(p.shape) for p in module.parameters(recurse=False)]
        if any(len(shape) == 2 and shape[0] in (num_experts, 1) for shape in shapes) and "experts" not in name:
            found.append(full)
    return found


def _count_experts(layer: Any, place: str, found: Anatomy) -> None:
    container = layer.get_submodule(place)
    for name, parameter in container.named_parameters(recurse=False):
        ending = f"{place}.{name}"
        if parameter.dim() == 3 and ending not in found.stacked:
            found.stacked.append(ending)
    found.expert_parameters += sum(p.numel() for p in container.parameters())


def looks_back_tokens(config: Any, context_tokens: int | None) -> int | None:
    """The shortest window of a sliding or chunked layer, None where every layer sees the whole context."""
    kinds = getattr(config, "layer_types", None)
    windows = []
    if kinds is None or "sliding_attention" in kinds:
        windows.append(getattr(config, "sliding_window", None))
    if kinds is None or "chunked_attention" in kinds:
        windows.append(getattr(config, "attention_chunk_size", None))
    sizes = [size for size in windows if isinstance(size, int) and size > 0]
    if not sizes or (context_tokens is not None and min(sizes) >= context_tokens):
        return None
    return min(sizes)


def has_other_layers(config: Any) -> bool:
    """Whether the config names layers that are no attention: linear attention, convolution, state space."""
    return any(kind not in _FULL_KINDS for kind in getattr(config, "layer_types", None) or ())


def takes_positions(model: Any) -> bool:
    """Whether positions can be given; without, a token's place is its index in the row and packing is not exact."""
    decoder = model.get_decoder() if hasattr(model, "get_decoder") else model
    return "position_ids" in inspect.signature(decoder.forward).parameters


def rope_varies(config: Any) -> bool:
    """Whether rotary factors change with the length of the longest row beside it."""
    words = getattr(config, "rope_parameters", None)
    if not isinstance(words, Mapping):
        return False
    parts = [words, *(value for value in words.values() if isinstance(value, Mapping))]
    return any(part.get("rope_type") in _VARYING_ROPE for part in parts)
