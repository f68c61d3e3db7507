"""RMSNorm with what it needs and no more: its input and one number a row are kept.

An RMSNorm is  y = x r w,  r = 1 / sqrt(mean(x^2) + eps)  for each row (Zhang & Sennrich 2019, arXiv 1910.07467).
Classes differ in where they round to the type of the input, and in whether the weight counts from one.

Imports torch at the top: import it late.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import torch
from torch.autograd.function import once_differentiable

# Rows are walked in pieces that stay in the cache of a core: each number is then fetched from memory once.
_CACHED_NUMBERS = 2**18
_FEW_DIGITS = (torch.bfloat16, torch.float16)


class Form(NamedTuple):
    """How a class of norm computes: `weight` "none", "times" or "one_plus"; `round_first`: before the weight."""

    weight: str
    round_first: bool
    eps: float


class Origin(NamedTuple):
    """What makes the output of a norm again: its input (rows, width), r (rows, 1), its weight and form."""

    x: Any
    scale: Any
    weight: Any
    form: Form

    @property
    def tensors(self) -> tuple[Any, Any, Any]:
        """The tensors, as `save_for_backward` takes them."""
        return self.x, self.scale, self.weight

    def output(self, rows: slice) -> Any:
        """Some rows of the norm's output, (rows, width), bit for bit as they were."""
        return _weighted(self.x[rows], self.scale[rows], self.weight, self.form)


def _weighted(x: Any, scale: Any, weight: Any, form: Form) -> Any:
    y = x.float() * scale if x.dtype in _FEW_DIGITS else x * scale
    if form.weight == "none":
        return y.to(x.dtype)
    if form.round_first:
        y = y.to(x.dtype)
        return y.mul_(weight) if y.dtype == weight.dtype else y * weight
    factor = weight.float() + 1.0 if form.weight == "one_plus" else weight.float()
    return y.mul_(factor).to(x.dtype)


def _pieces(x: Any) -> list[slice]:
    if x.device.type != "cpu":
        return [slice(0, x.shape[0])]
    size = max(1, _CACHED_NUMBERS // max(x.shape[1], 1))
    return [slice(start, start + size) for start in range(0, x.shape[0], size)]


class _RmsNorm(torch.autograd.Function):
    """y (rows, width) and r (rows, 1); see `rms_norm`."""

    @staticmethod
    def forward(ctx: Any, x: Any, weight: Any, form: Form) -> Any:
        flat = x.reshape(-1, x.shape[-1])
        late = form.weight == "none" or not form.round_first
        whole = flat.new_empty(x.shape, dtype=x.dtype if late else torch.promote_types(x.dtype, weight.dtype))
        y = whole.view(flat.shape)
        scale = flat.new_empty(flat.shape[0], 1, dtype=torch.float32)
        for rows in _pieces(flat):
            piece = flat[rows].float()
            norm = torch.linalg.vector_norm(piece, dim=-1, keepdim=True)
            scale[rows] = norm.square_().div_(flat.shape[1]).add_(form.eps).rsqrt_()
            y[rows] = _weighted(flat[rows], scale[rows], weight, form)
        ctx.form = form
        ctx.mark_non_differentiable(scale)
        ctx.save_for_backward(x, scale, weight)
        return whole, scale

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, grad: Any, _: Any) -> Any:
        x, scale, weight = ctx.saved_tensors
        flat, grads = x.reshape(-1, x.shape[-1]), grad.reshape(-1, x.shape[-1])
        dx = torch.empty_like(flat)
        factor = None
        if ctx.form.weight != "none":
            factor = weight.float() + 1.0 if ctx.form.weight == "one_plus" else weight.float()
        for rows in _pieces(flat):
            piece, g, r = flat[rows].float(), grads[rows].float(), scale[rows]
            if factor is not None:
                g = g * factor
            # d(x r) = r (g - x r^2 mean(g x))
            along = (g * piece).sum(-1, keepdim=True).mul_(r).mul_(r).div_(flat.shape[1])
            dx[rows] = torch.addcmul(g, piece, along, value=-1.0).mul_(r)
        return dx.view(x.shape), None, None


def rms_norm(x: Any, weight: Any, form: Form) -> tuple[Any, Origin]:
    """The norm of x (..., width), and what makes it again.

    Args:
        x: float32, bfloat16 or float16.
        weight: (width), frozen; None for form "none".
        form: of its class.
    """
    y, scale = _RmsNorm.apply(x, weight, form)
    return y, Origin(x.detach().reshape(-1, x.shape[-1]), scale, weight, form)
