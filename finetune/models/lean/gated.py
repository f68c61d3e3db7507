"""Gated MLPs: the gate alone, and the whole as one function; forwards and backwards.

A gated MLP is  y = down(act(gate(x)) * up(x)).  Kept for the backward pass: the outputs of gate and up; their product,
and what the backward pass makes on its way, exist for some rows at a time only.

Source: recomputing the product is Liger-Kernel's way too (Hsu et al. 2024, arXiv 2410.10989, section 3.2).

Imports torch at the top: import it late.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

import torch
from torch.autograd.function import once_differentiable

from finetune.models.lean import projections as p
from finetune.models.lean.norms import Origin
from finetune.models.lean.projections import Part

# The gate's elementwise passes run where they stay in the cache of a core.
_CACHED_NUMBERS = 2**18


class Gate(NamedTuple):
    """An activation function in the forms that write into a buffer that is there already."""

    name: str
    into: Callable[..., Any]  # into(x, out=...)
    backward_into: Callable[..., Any]  # backward_into(grad, x, grad_input=...)


def gates() -> list[Gate]:
    """The activations that a lean MLP knows."""
    ops = torch.ops.aten

    def gelu(name: str, how: str) -> Gate:
        return Gate(
            name,
            lambda x, out: ops.gelu.out(x, approximate=how, out=out),
            lambda grad, x, grad_input: ops.gelu_backward.grad_input(grad, x, approximate=how, grad_input=grad_input),
        )

    silu = Gate(
        "silu",
        lambda x, out: ops.silu.out(x, out=out),
        lambda grad, x, grad_input: ops.silu_backward.grad_input(grad, x, grad_input=grad_input),
    )
    return [silu, gelu("gelu_tanh", "tanh"), gelu("gelu", "none")]


class _Gated(torch.autograd.Function):
    """act(gate) * up, keeping both and nothing else."""

    @staticmethod
    def forward(ctx: Any, gate: Any, up: Any, act: Gate) -> Any:
        ctx.act = act
        ctx.save_for_backward(gate, up)
        return act.into(gate, out=torch.empty_like(gate)).mul_(up)

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, grad: Any) -> Any:
        gate, up = ctx.saved_tensors
        d_gate, d_up = grad.clone(), torch.empty_like(up)
        _gate_backward(ctx.act, gate, up, d_gate, d_up, None)
        return d_gate, d_up, None


def gated(gate: Any, up: Any, act: Gate) -> Any:
    """act(gate) * up of two tensors of one shape and type."""
    return _Gated.apply(gate, up, act)


def _gate_backward(act: Gate, gate: Any, up: Any, d: Any, d_up: Any, product: Any) -> None:
    """From d = d(act(gate) * up) to d(gate), which takes its place, and d(up); the product too where it is asked for.

    A few rows at a time, so that each number is fetched from memory once.
    """
    flat = [None if t is None else t.reshape(-1, t.shape[-1]) for t in (gate, up, d, d_up, product)]
    gate, up, d, d_up, product = flat
    most = max(1, _CACHED_NUMBERS // max(gate.shape[1], 1)) if gate.device.type == "cpu" else max(gate.shape[0], 1)
    for rows in p.pieces(gate.shape[0], most):
        g, u, piece = gate[rows], up[rows], d[rows]
        acted = act.into(g, out=d_up[rows])
        if product is not None:
            torch.mul(acted, u, out=product[rows])
        acted.mul_(piece)
        piece.mul_(u)
        act.backward_into(piece, g, grad_input=piece)


class _Mlp(torch.autograd.Function):
    """down(act(gate(x)) * up(x)); see `gated_mlp`."""

    @staticmethod
    def forward(ctx: Any, x: Any, origin: Origin | None, act: Gate, shape: p.Shape, keep: bool, *tensors: Any) -> Any:
        parts = p.parts_of(tensors, shape)
        ctx.shape, ctx.given, ctx.given_dtype, ctx.act = shape, x.shape, x.dtype, act
        ctx.origin_form = origin and origin.form
        with torch.autocast(x.device.type, enabled=False):
            flat = p.to(x.reshape(-1, x.shape[-1]), shape.dtype)
            width = parts[2].weight.shape[0]
            y = flat.new_empty(*x.shape[:-1], width)
            kept = _forward(flat, y.view(-1, width), parts, act, shape, keep)
        made = (None, None, None) if origin is None else origin.tensors
        keep_x = origin is None and any(part.a is not None for part in parts[:2])
        ctx.save_for_backward(flat if keep_x else None, *made, *kept, *tensors)
        return y

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, grad: Any) -> Any:
        shape: p.Shape = ctx.shape
        x, *rest = ctx.saved_tensors
        origin = None if ctx.origin_form is None else Origin(rest[0], rest[1], rest[2], ctx.origin_form)
        kept, tensors = rest[3:7], rest[7:]
        given = p.Given(x, origin, ctx.given, shape.dtype)
        needs = (ctx.needs_input_grad[0], *ctx.needs_input_grad[5:])
        with torch.autocast(grad.device.type, enabled=False):
            flat = p.to(grad.reshape(-1, grad.shape[-1]), shape.dtype)
            dx, inner = _Backward(given, kept, p.parts_of(tensors, shape), ctx.act, shape, needs).run(flat)
        if dx is not None:
            dx = p.to(dx, ctx.given_dtype).view(ctx.given)
        return (dx, None, None, None, None, *inner)


def gated_mlp(x: Any, gate: Part, up: Part, down: Part, act: Gate, origin: Origin | None = None) -> Any:
    """A gated MLP as a whole, without dropout.

    Args:
        x: (..., in).
        gate, up, down: its layers, with LoRA or without; weights and biases are frozen.
        act: of the gate.
        origin: how x came out of a lean norm, if it did.
    """
    parts = [gate, up, down]
    tensors = p.flat(parts)
    keep = torch.is_grad_enabled() and any(t is not None and t.requires_grad for t in (x, *tensors))
    return _Mlp.apply(x, origin, act, p.shape_of(x, parts), keep, *tensors)


def _forward(x: Any, y: Any, parts: list[Part], act: Gate, shape: p.Shape, keep: bool) -> tuple[Any, ...]:
    """Fills y (rows, out); what is kept: gate and up (rows, inner), and what the A matrices gave."""
    ways = [(p.to(part.weight, shape.dtype), p.to(part.bias, shape.dtype)) for part in parts]
    inner, most = parts[0].weight.shape[0], p.some_rows(x)
    num_rows = x.shape[0]
    num_made = num_rows if keep else min(num_rows, most)
    gate, up = x.new_empty(num_made, inner), x.new_empty(num_made, inner)
    product = x.new_empty(min(num_rows, most), inner)
    lows, (joined, a_down) = (
        _lows(x, parts, shape.low),
        (p.joined_a(parts[:2], shape.low), p.joined_a(parts[2:], shape.low)),
    )
    spans = p.spans_of(parts[:2])
    for rows in p.pieces(num_rows, most):
        here = rows if keep else slice(0, rows.stop - rows.start)
        piece, h = x[rows], product[: rows.stop - rows.start]
        if joined is not None:
            torch.mm(p.to(piece, shape.low), joined.t(), out=lows[0][rows])
        for out, way, part, span in zip((gate[here], up[here]), ways[:2], parts[:2], spans, strict=True):
            p.linear_into(out, piece, *way)
            if span is not None:
                p.add_low(out, lows[0][rows, span], p.to(part.b, shape.low), part.scale, most)
        act.into(gate[here], out=h).mul_(up[here])
        p.linear_into(y[rows], h, *ways[2])
        if a_down is not None:
            torch.mm(p.to(h, shape.low), a_down.t(), out=lows[1][rows])
            p.add_low(y[rows], lows[1][rows], p.to(parts[2].b, shape.low), parts[2].scale, most)
    return (gate, up, *lows) if keep else (None,) * 4


def _lows(x: Any, parts: list[Part], low: Any) -> tuple[Any, Any]:
    """Room for what the A matrices give: (rows, ranks of gate and up), (rows, rank of down); None without LoRA."""
    widths = [sum(part.a.shape[0] for part in some if part.a is not None) for some in (parts[:2], parts[2:])]
    first, second = (x.new_empty(x.shape[0], width, dtype=low) if width else None for width in widths)
    return first, second


class _Backward:
    """The backward pass of a gated MLP, some rows at a time."""

    def __init__(
        self, given: p.Given, kept: Any, parts: list[Part], act: Gate, shape: p.Shape, needs: tuple[bool, ...]
    ) -> None:
        self.given, self.parts, self.act, self.shape, self.needs = given, parts, act, shape, needs
        self.gate, self.up, self.low_in, self.low_down = kept
        self.weights = [p.to(part.weight, shape.dtype) for part in parts]
        self.bs = [p.to(part.b, shape.low) for part in parts]
        self.joined, self.a_down = p.joined_a(parts[:2], shape.low), p.joined_a(parts[2:], shape.low)
        self.spans = p.spans_of(parts[:2])
        self.d_joined, self.d_a_down = p.Sum(), p.Sum()
        self.d_bs = [p.Sum() for _ in parts]

    def run(self, grad: Any) -> tuple[Any, list[Any]]:
        """The gradient of the input (rows, in), or None, and of (W, bias, A, B) of each part."""
        num_rows, inner = self.gate.shape
        most = p.some_rows(grad)
        dx = grad.new_empty(num_rows, self.weights[0].shape[1]) if self.needs[0] else None
        rooms = [grad.new_empty(min(num_rows, most), inner) for _ in range(2 if self.a_down is None else 3)]
        for rows in p.pieces(num_rows, most):
            d, d_up, *product = [room[: rows.stop - rows.start] for room in rooms]
            self._through_down(grad[rows], rows, d, d_up, product[0] if product else None)
            self._through_gate_and_up(rows, d, d_up, None if dx is None else dx[rows])
        return dx, self._gathered()

    def _through_down(self, grad: Any, rows: slice, d: Any, d_up: Any, product: Any) -> None:
        """To d(gate) in `d` and d(up); and what the LoRA of `down` learns."""
        torch.mm(grad, self.weights[2], out=d)
        lifted = None
        if self.a_down is not None:
            piece = p.to(grad, self.shape.low)
            lifted = (piece @ self.bs[2]).mul_(self.parts[2].scale)
            p.add_low(d, lifted, self.a_down.t(), 1.0, d.shape[0])
            self.d_bs[2].add(self.low_down[rows].t() @ piece)
        _gate_backward(self.act, self.gate[rows], self.up[rows], d, d_up, product)
        if lifted is not None:
            self.d_a_down.add(lifted.t() @ p.to(product, self.shape.low))

    def _through_gate_and_up(self, rows: slice, d_gate: Any, d_up: Any, dx: Any) -> None:
        """To the input; and what the LoRA of `gate` and `up` learns."""
        if dx is not None:
            torch.mm(d_gate, self.weights[0], out=dx)
            dx.addmm_(d_up, self.weights[1])
        if self.joined is None:
            return
        lifted = d_gate.new_empty(d_gate.shape[0], self.joined.shape[0], dtype=self.shape.low)
        for i, (d, span) in enumerate(zip((d_gate, d_up), self.spans, strict=True)):
            if span is not None:
                piece = p.to(d, self.shape.low)
                torch.mm(piece, self.bs[i], out=lifted[:, span])
                lifted[:, span].mul_(self.parts[i].scale)
                self.d_bs[i].add(self.low_in[rows, span].t() @ piece)
        if dx is not None:
            p.add_low(dx, lifted, self.joined.t(), 1.0, dx.shape[0])
        self.d_joined.add(lifted.t() @ self.given.rows(rows, self.shape.low))

    def _gathered(self) -> list[Any]:
        inner: list[Any] = []
        for i, part in enumerate(self.parts):
            if part.a is None:
                inner += [None] * 4
                continue
            d_a = self.d_a_down.result(part.a) if i == 2 else self.d_joined.result(part.a, self.spans[i])
            d_b = self.d_bs[i].result(part.b.t()).mul_(part.scale).t()
            inner += [None, None, *(d if self.needs[1 + 4 * i + k] else None for k, d in ((2, d_a), (3, d_b)))]
        return inner
