"""Whether a class computes what the lean function computes: found out with numbers, forwards and backwards."""

from __future__ import annotations

import copy
from collections.abc import Sequence
from typing import Any

import torch
from torch import nn

from finetune.models.lean import gated, norms

NORM_DTYPES = (torch.float32, torch.bfloat16, torch.float16)
# Largest relative difference, of outputs and of gradients, in float32.
_MAX_MISS = 1e-6
# Likewise in bfloat16, which has eight binary digits: the order of two roundings is all that may differ.
_MAX_MISS_BFLOAT16 = 2**-7
_WIDTH, _INNER = 24, 40
_FORMS = (("none", False), ("times", True), ("times", False), ("one_plus", False))


def _random(*shape: int, seed: int = 0) -> Any:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed))


def _miss(found: Any, wanted: Any) -> float:
    """Relative difference of two tensors; infinite where types or shapes differ or something is no number."""
    if found.dtype != wanted.dtype or found.shape != wanted.shape:
        return float("inf")
    miss = float((found.double() - wanted.double()).norm() / wanted.double().norm().clamp_min(1e-30))
    return miss if miss == miss else float("inf")


def _compare(ours: Any, theirs: Any, given: Any) -> float:
    """The larger miss of the outputs and of the gradients of the input; infinite where theirs cannot be computed."""

    def computed(function: Any) -> tuple[Any, Any]:
        x = given.detach().clone().requires_grad_()
        y = function(x)
        (y * _random(*y.shape, seed=1).to(y)).sum().backward()
        return y.detach(), x.grad

    # The model may be about to compute under autocast or without gradients.
    with torch.inference_mode(False), torch.enable_grad(), torch.autocast("cpu", enabled=False):
        try:
            wanted = computed(theirs)
        except Exception:  # a class that wants more than its input fails in many ways
            return float("inf")
        return max(_miss(one, other) for one, other in zip(computed(ours), wanted, strict=True))


def _scalars(module: Any) -> tuple[Any, ...]:
    """The plain attributes of an instance: two of a class with the same ones compute alike."""
    kinds = (bool, int, float, str, type(None))
    return tuple(sorted((k, v) for k, v in module.__dict__.items() if type(v) in kinds and k != "training"))


def _stripped(module: Any, without: Sequence[str] = ()) -> Any:
    """A copy of a module that shares nothing that can be changed, for other weights to be put in."""
    bare = copy.copy(module)
    # In training, so that a dropout shows.
    children = {
        name: child and copy.deepcopy(child).train() for name, child in module._modules.items() if name not in without
    }
    bare.__dict__.update(_parameters={}, _buffers={}, _modules=children, training=True)
    return bare


def norm_form(module: Any, known: dict[Any, norms.Form | None]) -> norms.Form | None:
    """How a norm computes; None where the lean function does not agree with it.

    Args:
        module: an instance of a class that is called an RMSNorm.
        known: what was found for classes already; added to.
    """
    names = set(module._parameters)
    if "forward" in module.__dict__ or module._modules or module._buffers or not names <= {"weight"}:
        return None
    weight = getattr(module, "weight", None)
    if weight is not None and (weight.dim() != 1 or weight.requires_grad or weight.dtype not in NORM_DTYPES):
        return None
    key = (type(module), weight is None, _scalars(module))
    if key not in known:
        known[key] = _norm_form(module, weight is not None)
    return known[key]


def _norm_form(module: Any, has_weight: bool) -> norms.Form | None:
    words = module.__dict__
    eps = next((words[name] for name in ("variance_epsilon", "eps", "epsilon") if type(words.get(name)) is float), None)
    if eps is None:
        return None
    best: tuple[float, norms.Form] | None = None
    for weight, round_first in _FORMS:
        form = norms.Form(weight, round_first, eps)
        if (weight != "none") != has_weight:
            continue
        exact = _norm_miss(module, form, torch.float32, torch.float32)
        rounded = max(_norm_miss(module, form, dtype, torch.bfloat16) for dtype in (torch.bfloat16, torch.float32))
        if exact <= _MAX_MISS and rounded <= _MAX_MISS_BFLOAT16 and (best is None or rounded < best[0]):
            best = rounded, form
    return best and best[1]


def _norm_miss(module: Any, form: norms.Form, weight_dtype: Any, dtype: Any) -> float:
    bare = _stripped(module)
    weight = None
    if form.weight != "none":
        weight = nn.Parameter(_random(_WIDTH, seed=2).to(weight_dtype), requires_grad=False)
        bare._parameters["weight"] = weight
    # The second half is so small that eps counts.
    x = (_random(2, 6, _WIDTH) * torch.tensor([3.0, form.eps**0.5]).repeat(3)[:, None]).to(dtype)
    return _compare(lambda x: norms.rms_norm(x, weight, form)[0], lambda x: type(bare).forward(bare, x), x)


def mlp_gate(module: Any, names: Sequence[str], known: dict[Any, gated.Gate | None]) -> gated.Gate | None:
    """The activation of a gated MLP; None where the lean function does not agree with it.

    Args:
        module: an instance that has layers of these names.
        names: of gate, up and down.
        known: what was found for classes already; added to.
    """
    others = {name: child for name, child in module._modules.items() if name not in names}
    if "forward" in module.__dict__ or module._parameters or module._buffers:
        return None
    if any(child is not None and any(True for _ in child.parameters()) for child in others.values()):
        return None
    key = (type(module), _scalars(module), tuple((n, type(c), _scalars(c)) for n, c in others.items() if c is not None))
    if key not in known:
        fitting = (gate for gate in gated.gates() if _mlp_miss(module, names, gate) <= _MAX_MISS)
        known[key] = next(fitting, None)
    return known[key]


def _mlp_miss(module: Any, names: Sequence[str], gate: gated.Gate) -> float:
    """Small layers take the place of the instance's own: what counts is what the class does around them."""
    bare = _stripped(module, names)
    shapes = ((_INNER, _WIDTH), (_INNER, _WIDTH), (_WIDTH, _INNER))
    parts = []
    for seed, (name, shape) in enumerate(zip(names, shapes, strict=True)):
        # Not filled: that would draw random numbers.
        layer: Any = nn.utils.skip_init(nn.Linear, shape[1], shape[0], bias=False)
        layer.weight = nn.Parameter(_random(*shape, seed=3 + seed) * 0.5, requires_grad=False)
        bare._modules[name] = layer
        parts.append(gated.Part(layer.weight, None, None, None, 0.0, 1.0))
    x = _random(2, 5, _WIDTH)
    return _compare(
        lambda x: gated.gated_mlp(x, parts[0], parts[1], parts[2], gate), lambda x: type(bare).forward(bare, x), x
    )
