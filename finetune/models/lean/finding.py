"""Which LoRA layers are fed the same tensor: found by watching one forward of a few tokens.

Watching happens before the first step and not during it, so that the first step after a resume computes exactly as it
would have without the stop.
"""

from __future__ import annotations

import contextlib
from collections import defaultdict
from collections.abc import Iterator, Mapping
from typing import Any

import torch

# Taken where the model cannot be watched: names of layers that share an input in all classes that have them.
_KNOWN = (("q_proj", "k_proj", "v_proj"), ("gate_proj", "up_proj"), ("w1", "w3"), ("q_a_proj", "kv_a_proj_with_mqa"))
_NUM_TOKENS = 4


def groups_of(model: Any, layers: Mapping[str, Any]) -> list[list[Any]]:
    """The layers in groups that share an input, each in the order of the calls; most are alone in theirs.

    Args:
        model: with the adapter.
        layers: full name -> LoRA layer.
    """
    families = _families(model, layers)
    if not any(len(names) > 1 for _, names in families.values()):
        return [[layer] for layer in layers.values()]
    seen = _watched(model, layers)
    shared: dict[Any, list[list[str]]] = {}
    for path, (kind, names) in families.items():
        if seen is not None and any(f"{path}.{name}" in seen for name in names):
            shared.setdefault((kind, tuple(names)), _by_input(path, names, seen))
    groups = []
    for path, (kind, names) in families.items():
        if seen is not None and any(f"{path}.{name}" in seen for name in names):
            found = _by_input(path, names, seen)
        elif seen is not None:
            # An expert that no token went to is like the others of its class.
            found = shared.get((kind, tuple(names)), [[name] for name in names])
        else:
            found = _by_name(names)
        groups += [[layers[f"{path}.{name}"] for name in group] for group in found]
    return groups


def _families(model: Any, layers: Mapping[str, Any]) -> dict[str, tuple[type, list[str]]]:
    """Full name of a parent -> its class, and the short names of its layers."""
    names: dict[str, list[str]] = defaultdict(list)
    for name in layers:
        path, _, short = name.rpartition(".")
        names[path].append(short)
    return {path: (type(model.get_submodule(path)), shorts) for path, shorts in names.items()}


def _by_input(path: str, names: list[str], seen: Mapping[str, tuple[int, int]]) -> list[list[str]]:
    """Names of one parent by the tensor that they were given, in the order of the calls."""
    groups: dict[Any, list[tuple[int, str]]] = defaultdict(list)
    for name in names:
        order, given = seen.get(f"{path}.{name}", (0, 0))
        # One that was not called is alone.
        groups[given if order else name].append((order, name))
    return [[name for _, name in sorted(group)] for group in groups.values()]


def _by_name(names: list[str]) -> list[list[str]]:
    groups = [[name for name in known if name in names] for known in _KNOWN]
    together = [name for group in groups for name in group]
    return [group for group in groups if group] + [[name] for name in names if name not in together]


def _watched(model: Any, layers: Mapping[str, Any]) -> dict[str, tuple[int, int]] | None:
    """Full name -> (which call of all it was, from 1; id of its input); None where the model cannot be watched."""
    seen: dict[str, tuple[int, int]] = {}
    given: list[Any] = []  # kept, so that no two tensors have one id

    def watch(name: str) -> Any:
        def hook(_: Any, args: tuple[Any, ...]) -> None:
            if name not in seen and args:
                given.append(args[0])
                seen[name] = (len(given), id(args[0]))

        return hook

    with contextlib.ExitStack() as stack:
        for name, layer in layers.items():
            stack.callback(layer.register_forward_pre_hook(watch(name)).remove)
        stack.enter_context(_at_rest(model))
        try:
            embedding = model.get_input_embeddings().weight
            tokens = torch.arange(_NUM_TOKENS, device=embedding.device).remainder(embedding.shape[0])
            model(input_ids=tokens[None], use_cache=False)
        except Exception:  # classes that want more than tokens fail in many ways
            return None
    return seen


@contextlib.contextmanager
def _at_rest(model: Any) -> Iterator[None]:
    """In evaluation, without gradients; the modes of all modules and the random state come back."""
    modes = [(module, module.training) for module in model.modules()]
    devices = {parameter.device for parameter in model.parameters() if parameter.device.type == "cuda"}
    with torch.no_grad(), torch.random.fork_rng(devices=[device.index or 0 for device in devices]):
        try:
            for module, _ in modes:
                module.training = False
            yield
        finally:
            for module, mode in modes:
                module.training = mode
