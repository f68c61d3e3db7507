"""Linear layers with LoRA that share an input, as one function: forwards and backwards.

A LoRA layer is  y = x W' + bias + s * (x A') B'  with x (rows, in), W (out, in), A (rank, in), B (out, rank), W frozen.
Kept for the backward pass: x once for all layers that share it, and x A' (rows, rank). Nothing of the size of y is ever
made beside y: s goes into the product, and the product is added in place. Where x is the output of a lean RMSNorm, not
even x is kept: it is made again from the norm's input, which the residual stream keeps anyway.

Imports torch at the top: import it late.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple

import torch
import torch.nn.functional as F
from torch.autograd.function import once_differentiable

from finetune.models.lean.norms import Origin

# Rows at a time where something is made that is not kept. On a CPU, more rows gain nothing (a product of 1,024 rows
# runs at the full rate); on a GPU, fewer rows would leave it idle.
_CPU_ROWS, _GPU_ROWS = 1024, 8192


class Part(NamedTuple):
    """One linear layer, with its LoRA or without: what a call needs of it.

    `kept_share` is 1 - p of its dropout (1.0: none is on).
    """

    weight: Any  # (out, in)
    bias: Any  # (out) or None
    a: Any  # (rank, in) or None
    b: Any  # (out, rank) or None
    scale: float
    kept_share: float


def pieces(num_rows: int, most: int) -> Iterator[slice]:
    """Slices of about the same size that cover all rows; none without rows."""
    if num_rows == 0:
        return
    count = -(-num_rows // most)
    size = -(-num_rows // count)
    for start in range(0, num_rows, size):
        yield slice(start, min(start + size, num_rows))


def some_rows(x: Any) -> int:
    """How many rows at a time."""
    return _CPU_ROWS if x.device.type == "cpu" else _GPU_ROWS


class Shape(NamedTuple):
    """How a function is to compute: in `dtype` what the base does, in `low` what the adapter does."""

    dtype: Any
    low: Any
    scales: tuple[float, ...]
    shares: tuple[float, ...]


def computing_dtype(x: Any) -> Any:
    """The type that a linear layer computes in now: autocast's, or the input's own."""
    kind = x.device.type
    return torch.get_autocast_dtype(kind) if torch.is_autocast_enabled(kind) else x.dtype


def shape_of(x: Any, parts: Sequence[Part]) -> Shape:
    """How layers are to compute on this input now."""
    dtype = computing_dtype(x)
    adapted = [part.a.dtype for part in parts if part.a is not None]
    low = dtype if torch.is_autocast_enabled(x.device.type) or not adapted else adapted[0]
    return Shape(dtype, low, tuple(p.scale for p in parts), tuple(p.kept_share for p in parts))


def flat(parts: Sequence[Part]) -> list[Any]:
    """All tensors of the layers, four a layer, as `parts_of` reads them."""
    return [tensor for part in parts for tensor in (part.weight, part.bias, part.a, part.b)]


def parts_of(tensors: Sequence[Any], shape: Shape) -> list[Part]:
    """The layers again."""
    fours = zip(*(tensors[k::4] for k in range(4)), shape.scales, shape.shares, strict=True)
    return [Part(w, bias, a, b, scale, share) for w, bias, a, b, scale, share in fours]


def to(tensor: Any, dtype: Any) -> Any:
    """The tensor in another type, or itself; None stays None."""
    return tensor if tensor is None or tensor.dtype == dtype else tensor.to(dtype)


def linear_into(out: Any, x: Any, weight: Any, bias: Any) -> None:
    """out (rows, out) = x (rows, in) W' + bias."""
    if bias is None:
        torch.mm(x, weight.t(), out=out)
    else:
        torch.addmm(bias, x, weight.t(), out=out)


def add_low(y: Any, down: Any, b: Any, scale: float, most: int) -> None:
    """y (rows, out) += scale * down (rows, rank) b' in the type of `down`, rounded to that of y once."""
    if y.dtype == down.dtype:
        y.addmm_(down, b.t(), alpha=scale)
        return
    for rows in pieces(y.shape[0], most):
        y[rows] = y[rows].to(down.dtype).addmm_(down[rows], b.t(), alpha=scale)


def joined_a(parts: Sequence[Part], low: Any) -> Any:
    """The A matrices of all parts one below the other, (ranks, in); None without any."""
    matrices = [to(part.a, low) for part in parts if part.a is not None]
    return torch.cat(matrices) if len(matrices) > 1 else next(iter(matrices), None)


def spans_of(parts: Sequence[Part]) -> list[slice | None]:
    """Where each part's columns are in the product with the joined A matrices."""
    spans: list[slice | None] = []
    start = 0
    for part in parts:
        rank = 0 if part.a is None else part.a.shape[0]
        spans.append(slice(start, start + rank) if rank else None)
        start += rank
    return spans


class Sum:
    """A sum of products of pieces; types with few digits are added up in float32."""

    def __init__(self) -> None:
        self.total: Any = None

    def add(self, product: Any) -> None:
        """One more; the first one is taken as it is, and changed by the next."""
        if self.total is None:
            self.total = product
            return
        if self.total.dtype in (torch.bfloat16, torch.float16):
            self.total = self.total.float()
        self.total.add_(product)

    def result(self, like: Any, span: slice | None = None) -> Any:
        """The sum, or some rows of it, in the type of a parameter; zeros where there was nothing to add."""
        if self.total is None:
            return torch.zeros_like(like)
        return to(self.total if span is None else self.total[span], like.dtype)


class Given:
    """The input of layers in the backward pass, (rows, in): kept, or made again from the norm before it."""

    def __init__(self, x: Any, origin: Origin | None, shape: Sequence[int], dtype: Any) -> None:
        self._x, self._origin, self._dtype = x, origin, dtype
        self.num_rows = math.prod(shape[:-1])

    def rows(self, rows: slice, dtype: Any) -> Any:
        """Some rows, in the type that is asked for."""
        x = self._x[rows] if self._origin is None else to(self._origin.output(rows), self._dtype)
        return to(x, dtype)


def drawn_mask(x: Any, dtype: Any, kept_share: float) -> Any:
    """Which inputs a dropout keeps, (rows, in) of bool, from the very numbers that torch's own dropout would draw."""
    noise = F.dropout(torch.ones_like(x, dtype=dtype), 1.0 - kept_share, training=True)
    return noise.reshape(-1, x.shape[-1]) != 0


def _masked(x: Any, mask: Any, rows: slice) -> Any:
    return x if mask is None else x * mask[rows]


def _lowered(x: Any, parts: Sequence[Part], masks: Sequence[Any], low: Any) -> Any:
    """What the A matrices give, (rows, ranks); None without LoRA."""
    joined = joined_a(parts, low)
    if joined is None:
        return None
    lowered = x.new_empty(x.shape[0], joined.shape[0], dtype=low)
    plain = all(mask is None for mask in masks)
    most = x.shape[0] if plain and low == x.dtype else some_rows(x)
    for rows in pieces(x.shape[0], most):
        piece = to(x[rows], low)
        if plain:
            torch.mm(piece, joined.t(), out=lowered[rows])
            continue
        for span, mask in zip(spans_of(parts), masks, strict=True):
            if span is not None:
                torch.mm(_masked(piece, mask, rows), joined[span].t(), out=lowered[rows, span])
    return lowered


class _Projections(torch.autograd.Function):
    """Linear layers, most with LoRA, on one input; see `project`."""

    @staticmethod
    def forward(ctx: Any, x: Any, origin: Origin | None, shape: Shape, *tensors: Any) -> Any:
        parts = parts_of(tensors, shape)
        masks = [
            drawn_mask(x, part.a.dtype, part.kept_share) if part.a is not None and part.kept_share < 1.0 else None
            for part in parts
        ]
        outputs = []
        with torch.autocast(x.device.type, enabled=False):
            rows = to(x.reshape(-1, x.shape[-1]), shape.dtype)
            lowered = _lowered(rows, parts, masks, shape.low)
            for part, span in zip(parts, spans_of(parts), strict=True):
                width = part.weight.shape[0]
                # No view: autograd would not let the model change an output of several in place.
                whole = rows.new_empty(*x.shape[:-1], width)
                y = whole.view(-1, width)
                linear_into(y, rows, to(part.weight, shape.dtype), to(part.bias, shape.dtype))
                if span is not None:
                    scale = part.scale / part.kept_share
                    add_low(y, lowered[:, span], to(part.b, shape.low), scale, some_rows(x))
                outputs.append(whole)
        ctx.shape, ctx.given, ctx.given_dtype, ctx.form = shape, x.shape, x.dtype, origin and origin.form
        ctx.set_materialize_grads(False)
        made = (None, None, None) if origin is None else origin.tensors
        keep_x = origin is None and lowered is not None
        ctx.save_for_backward(rows if keep_x else None, lowered, *made, *masks, *tensors)
        return tuple(outputs)

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, *grads: Any) -> Any:
        shape: Shape = ctx.shape
        num_parts = len(shape.scales)
        x, lowered, *rest = ctx.saved_tensors
        given = Given(
            x, None if ctx.form is None else Origin(rest[0], rest[1], rest[2], ctx.form), ctx.given, shape.dtype
        )
        masks, tensors = rest[3 : 3 + num_parts], rest[3 + num_parts :]
        flat = [None if g is None else to(g.reshape(-1, g.shape[-1]), shape.dtype) for g in grads]
        asked = next((g for g in flat if g is not None), None)
        if asked is None:
            return (None,) * (3 + len(tensors))
        needs = (ctx.needs_input_grad[0], *ctx.needs_input_grad[3:])
        with torch.autocast(asked.device.type, enabled=False):
            dx, inner = _Backward(given, lowered, masks, parts_of(tensors, shape), shape, needs).run(flat)
        return (None if dx is None else to(dx, ctx.given_dtype).view(ctx.given), None, None, *inner)


def project(x: Any, parts: Sequence[Part], origin: Origin | None = None) -> tuple[Any, ...]:
    """Outputs of linear layers that share an input, in order.

    Args:
        x: (..., in).
        parts: the layers; weights and biases are frozen, adapters of one type.
        origin: how x came out of a lean norm, if it did.
    """
    return _Projections.apply(x, origin, shape_of(x, parts), *flat(parts))


class _Backward:
    """The backward pass of layers that share an input."""

    def __init__(
        self, given: Given, lowered: Any, masks: list[Any], parts: list[Part], shape: Shape, needs: tuple[bool, ...]
    ) -> None:
        self.given, self.lowered, self.masks, self.parts, self.shape = given, lowered, masks, parts, shape
        self.needs = needs
        self.spans = spans_of(parts)
        self.inner: list[Any] = [None] * (4 * len(parts))

    def run(self, grads: list[Any]) -> tuple[Any, list[Any]]:
        """The gradient of the input (rows, in), or None, and of (W, bias, A, B) of each part."""
        dx = self._through_base(grads) if self.needs[0] else None
        if self.lowered is None:
            return dx, self.inner
        unused = [g is None for g, span in zip(grads, self.spans, strict=True) if span is not None]
        if all(unused):
            return dx, self.inner
        lifted = torch.zeros_like(self.lowered) if any(unused) else torch.empty_like(self.lowered)
        for i, g in enumerate(grads):
            if g is not None and self.spans[i] is not None:
                self._through_b(i, g, lifted)
        used = [g is not None for g in grads]
        if all(mask is None for mask in self.masks):
            self._through_joined(dx, lifted, used)
        else:
            self._through_masked(dx, lifted, used)
        return dx, self.inner

    def _through_base(self, grads: list[Any]) -> Any:
        dx = None
        for part, g in zip(self.parts, grads, strict=True):
            if g is not None:
                weight = to(part.weight, self.shape.dtype)
                dx = g @ weight if dx is None else dx.addmm_(g, weight)
        return dx

    def _through_b(self, i: int, grad: Any, lifted: Any) -> None:
        """s g B (rows, rank) into its columns of `lifted`, and the gradient of B."""
        part, span, low, total = self.parts[i], self.spans[i], self.shape.low, Sum()
        scale = part.scale / part.kept_share
        b, needed = to(part.b, low), self.needs[1 + 4 * i + 3]
        for rows in pieces(grad.shape[0], grad.shape[0] if low == grad.dtype else some_rows(grad)):
            piece = to(grad[rows], low)
            torch.mm(piece, b, out=lifted[rows, span])
            if needed:
                total.add(self.lowered[rows, span].t() @ piece)  # its transpose takes half as long again
        lifted[:, span].mul_(scale)
        if needed:
            self.inner[4 * i + 3] = total.result(part.b.t()).mul_(scale).t()

    def _through_joined(self, dx: Any, lifted: Any, used: list[bool]) -> None:
        """Through all A matrices at once."""
        if dx is not None:
            add_low(dx, lifted, joined_a(self.parts, self.shape.low).t(), 1.0, some_rows(dx))
        needed = [i for i in range(len(used)) if used[i] and self.needs[1 + 4 * i + 2]]
        total = Sum()
        for rows in pieces(self.given.num_rows, some_rows(lifted)) if needed else ():
            total.add(lifted[rows].t() @ self.given.rows(rows, self.shape.low))
        for i in needed:
            self.inner[4 * i + 2] = total.result(self.parts[i].a, self.spans[i])

    def _through_masked(self, dx: Any, lifted: Any, used: list[bool]) -> None:
        """Through each A matrix and its own dropout."""
        for i, (part, span, mask) in enumerate(zip(self.parts, self.spans, self.masks, strict=True)):
            if span is None or not used[i]:
                continue
            a, total = to(part.a, self.shape.low), Sum()
            for rows in pieces(self.given.num_rows, some_rows(lifted)):
                if dx is not None:
                    dx[rows] += _masked(lifted[rows, span] @ a, mask, rows)
                if self.needs[1 + 4 * i + 2]:
                    total.add(lifted[rows, span].t() @ _masked(self.given.rows(rows, self.shape.low), mask, rows))
            if self.needs[1 + 4 * i + 2]:
                self.inner[4 * i + 2] = total.result(part.a)
