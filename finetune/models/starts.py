"""PiSSA and OLoRA: adapters that start from the base's own matrices, held as plain LoRA on the unchanged base.

Both methods write a matrix as W = (W - s*B0*A0) + s*B0*A0 and train A and B from A0 and B0. What is learnt is
s*(B*A - B0*A0), which is the LoRA of twice the rank  s * [B, B0] * [A; -A0].  The kit trains that LoRA: the halves A0
and B0 stand still, and the base is never touched. So an adapter, and a checkpoint too, is a plain LoRA for the base as
everybody has it; going on from a checkpoint is exact; and without the adapter the model is the base, bit for bit.

Sources: PiSSA, Meng et al. 2024 (arXiv 2404.02948); OLoRA, Büyükakyüz 2024 (arXiv 2406.01775).
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from finetune.errors import ModelError, Problem
from finetune.recipe.adapter_words import DOUBLED

METHODS = DOUBLED
# Attribute of a parameter: how many of its numbers stand still while the others are trained.
STILL = "num_still"
# Above this smaller side, the largest singular vectors are found by iteration: a whole decomposition takes minutes.
_WHOLE_SVD_SIDE = 1024
_ITERATIONS, _EXTRA_VECTORS = 8, 16


def start_from_base(model: Any, method: str) -> None:
    """Give every pair of LoRA matrices its start: A and B from the base's matrix in one half, -A and B in the other.

    The second half is not trained: its gradient is cut off, and Adam without weight decay leaves it as it is.

    Args:
        model: with a fresh adapter whose ranks (and alphas) are twice the recipe's.
        method: "pissa" or "olora".

    Raises:
        ModelError: a matrix is smaller than the rank.
    """
    import torch
    from peft.tuners.lora import LoraLayer

    layers: dict[str, Any] = {name: module for name, module in model.named_modules() if isinstance(module, LoraLayer)}
    ranks = {
        name: (module.r["default"] // 2, module.out_features, module.in_features) for name, module in layers.items()
    }
    if problem := too_narrow(ranks):
        raise ModelError(problem)
    for module in layers.values():
        rank = module.r["default"] // 2
        weight = _matrix(module)
        find = _largest_singular if method == "pissa" else _first_of_qr
        with torch.no_grad():
            down, up = find(weight, rank, module.scaling["default"])
            a: Any = module.lora_A["default"].weight
            b: Any = module.lora_B["default"].weight
            a.copy_(torch.cat([down, -down]))
            b.copy_(torch.cat([up, up], dim=1))
        _hold_still(a, rank, dim=0)
        _hold_still(b, rank, dim=1)


def too_narrow(ranks: Mapping[str, tuple[int, int, int]], patterns: Mapping[str, int] | None = None) -> Problem | None:
    """One problem for all matrices that are smaller than the rank that is to start from them; None without one.

    Args:
        ranks: full name of a matrix -> (rank, rows, columns).
        patterns: the recipe's adapter.rank_pattern, where it is known.
    """
    found = [(min(sides), name, rank, sides) for name, (rank, *sides) in ranks.items() if rank > min(sides)]
    if not found:
        return None
    most, name, rank, sides = min(found, key=lambda one: one[0])
    short = name.removeprefix("base_model.model.")
    what = f"{short} is a matrix of {sides[0]} x {sides[1]}, and has no more to start from"
    if len(found) > 1:
        what += f"; {len(found)} matrices are too small"
    pattern = next((key for key in patterns or {} if f".{short}".endswith(f".{key}")), None)
    word = "r" if pattern is None else pattern
    key = "adapter.r" if pattern is None else f"adapter.rank_pattern.{pattern}"
    return Problem("", key, what, str(rank), f"write {word}: {most} or less, or method: lora")


def _matrix(module: Any) -> Any:
    """The base's matrix (out, in) in float32, whatever it is kept in."""
    from peft.utils.integrations import dequantize_module_weight

    base = module.get_base_layer()
    quantised = type(base.weight).__name__ in ("Params4bit", "Int8Params")
    weight = dequantize_module_weight(base) if quantised else base.weight
    weight = weight.detach().float()
    return weight.T if module.fan_in_fan_out else weight


def _largest_singular(weight: Any, rank: int, scale: float) -> tuple[Any, Any]:
    """PiSSA: sqrt(s) * V' and U * sqrt(s) of the largest singular values s, so that scale * up * down is their part."""
    import torch

    smaller = min(weight.shape)
    if smaller <= _WHOLE_SVD_SIDE:
        left, sizes, right = torch.linalg.svd(weight, full_matrices=False)
    else:
        left, sizes, turned = torch.svd_lowrank(weight, min(rank + _EXTRA_VECTORS, smaller), niter=_ITERATIONS)
        right = turned.T
    roots = (sizes[:rank] / scale).sqrt()
    return roots[:, None] * right[:rank], left[:, :rank] * roots


def _first_of_qr(weight: Any, rank: int, scale: float) -> tuple[Any, Any]:
    """OLoRA: the first rows of R and columns of Q of W = QR, unscaled as in the paper."""
    import torch

    q, r = torch.linalg.qr(weight)
    return r[:rank], q[:, :rank]


def _hold_still(parameter: Any, rank: int, dim: int) -> None:
    """Cut the gradient of the second half off. It comes before clipping, so the half does not count there either."""

    def cut(gradient: Any) -> Any:
        # Not times zero: an overflowing gradient of the still half would become NaN.
        gradient = gradient.clone()
        gradient.narrow(dim, rank, gradient.shape[dim] - rank).zero_()
        return gradient

    parameter.register_hook(cut)
    setattr(parameter, STILL, parameter.numel() // 2)


def is_unmoved(a: Any, b: Any) -> bool:
    """Whether the trained halves of a pair stand where they started, so that both halves cancel out."""
    rank = a.shape[0] // 2
    return getattr(a, STILL, 0) > 0 and a[:rank].equal(-a[rank:]) and b[:, :rank].equal(b[:, rank:])
