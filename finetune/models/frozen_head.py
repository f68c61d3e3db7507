"""Cross entropy over a head that nothing trains, in chunks: no tensor of (labels, vocabulary) ever exists.

Imports torch, so it is imported where it is used only.

The gradient of the hidden states does not depend on what comes after it but for one factor, so it is computed in the
forward pass while a chunk's logits are there: two matrix products in all, where computing the logits again in the
backward pass takes three. For a label t with logits u, e = exp(u - max u) and s = sum e, its nats are
log s - (u_t - max u), and their gradient by u is (e - s * onehot(t)) / s. The division is done on the (labels, hidden)
result, in the backward pass, together with the factor that comes from above; so the vocabulary is passed over for the
maximum, for exp and for the sum, and no more.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import torch

_MEBIBYTE = 1 << 20
# Of one chunk's logits in float32. On a CPU 16 to 128 MiB take the same time within noise, 8 MiB a tenth more
# (benchmarks/head.py); a GPU reads the whole head for each chunk, so it needs more labels in one (not measured).
_CHUNK_BYTES = {"cpu": 32 * _MEBIBYTE, "cuda": 512 * _MEBIBYTE}
_LEAST_CHUNK_LABELS = 16
MEASURES = ("accuracy", "entropy")


class FrozenHead(NamedTuple):
    """A head without gradients, as numbers: logits = cap * tanh(scale * (hidden @ weight.T + bias) / cap).

    Attributes:
        weight: (vocabulary, hidden).
        bias: (vocabulary,), or None.
        scale: what the class multiplies its logits by.
        cap: what it softly limits them to, or None.
        rows: (new, hidden) rows in place of `weight[places]`, trained or not; None where there are none.
        places: (new,) int64.
        dtype: of the matrix products.
    """

    weight: Any
    bias: Any
    scale: float
    cap: float | None
    rows: Any
    places: Any
    dtype: Any


def chunk_labels(num_vocabulary: int, device_type: str) -> int:
    """How many labels are scored at once."""
    room = _CHUNK_BYTES.get(device_type, _CHUNK_BYTES["cpu"])
    return max(_LEAST_CHUNK_LABELS, room // (4 * num_vocabulary))


def chunk_bytes(num_vocabulary: int, device_type: str, dtype_bytes: int, capped: bool) -> int:
    """What scoring holds for logits, whatever the number of labels: the float32 chunk and its copies.

    Args:
        num_vocabulary: rows of the head.
        device_type: "cpu", "cuda", "mps".
        dtype_bytes: bytes of a number of the matrix products: 4, or 2 under bfloat16 and float16.
        capped: whether the class limits its logits with tanh.
    """
    numbers = chunk_labels(num_vocabulary, device_type) * num_vocabulary
    return numbers * (4 + (dtype_bytes if dtype_bytes < 4 else 0) + (4 if capped else 0))


def score(hidden: Any, targets: Any, weights: Any, head: FrozenHead, measure: tuple[str, ...]) -> tuple[Any, Any]:
    """Weighted sum of the labels' nats, with gradients for `hidden` and `head.rows` where they want one; and measures.

    Args:
        hidden: (labels, hidden).
        targets: (labels,) int64.
        weights: (labels,) float32.
        head: see there.
        measure: names of MEASURES.

    Returns:
        the sum () in float32, and (measures,) weighted sums in the order of `measure`, without a graph.
    """
    return _FrozenHeadLoss.apply(hidden, head.rows, targets, weights, head, measure)


def nats_of(hidden: Any, targets: Any, head: FrozenHead) -> Any:
    """(labels,) nats in float32, without a graph."""
    with torch.no_grad(), torch.autocast(hidden.device.type, enabled=False):
        work = _Work(hidden, head, None, False)
        nats = torch.empty(hidden.shape[0], dtype=torch.float32, device=hidden.device)
        for part in work.parts():
            nats[part], _, _ = work.exponentials(part, targets[part])
        return nats


class _FrozenHeadLoss(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, hidden: Any, rows: Any, targets: Any, weights: Any, head: FrozenHead, measure: Any) -> Any:
        wants_hidden, wants_rows = ctx.needs_input_grad[:2]
        with torch.autocast(hidden.device.type, enabled=False):
            work = _Work(hidden, head, rows, wants_hidden or wants_rows)
            total = hidden.new_zeros((), dtype=torch.float32)
            measured = hidden.new_zeros(len(measure), dtype=torch.float32)
            grad = torch.empty(hidden.shape, dtype=head.dtype, device=hidden.device) if wants_hidden else None
            factors = torch.empty(hidden.shape[0], dtype=torch.float32, device=hidden.device)
            rows_grad = torch.zeros(rows.shape, dtype=torch.float32, device=rows.device) if wants_rows else None
            for part in work.parts():
                label, weight = targets[part], weights[part]
                nats, shifted, sums = work.exponentials(part, label)
                total += torch.dot(nats, weight)
                if measure:
                    measured += _measured(measure, work, shifted, sums, weight)
                if work.wants_grad:
                    factors[part] = work.to_gradient(label, sums).mul_(weight)
                    if rows_grad is not None:
                        rows_grad += work.rows_gradient(part, factors[part])
                    if grad is not None:
                        work.hidden_gradient(grad[part])
        ctx.save_for_backward(grad, factors, rows_grad)
        ctx.dtypes = hidden.dtype, None if rows is None else rows.dtype
        ctx.mark_non_differentiable(measured)
        return total, measured

    @staticmethod
    def backward(ctx: Any, *above: Any) -> Any:
        grad, factors, rows_grad = ctx.saved_tensors
        # In float32: a gradient scaler's factor does not fit into float16.
        for_hidden = None if grad is None else (grad * (factors * above[0])[:, None]).to(ctx.dtypes[0])
        for_rows = None if rows_grad is None else (rows_grad * above[0]).to(ctx.dtypes[1])
        return for_hidden, for_rows, None, None, None, None


def _measured(measure: tuple[str, ...], work: _Work, shifted: Any, sums: Any, weight: Any) -> Any:
    """(measures,) weighted sums of one chunk, while its exponentials are there.

    Args:
        measure: names.
        work: holds the exponentials.
        shifted: (labels,) the labels' logits less the greatest ones.
        sums: (labels,) of the exponentials.
        weight: (labels,).
    """
    found = []
    for name in measure:
        if name == "accuracy":
            values = (shifted == 0).float()
        else:  # entropy: log s - sum(e * log e) / s
            values = sums.log() - torch.xlogy(work.exps, work.exps).sum(dim=-1) / sums
        found.append(torch.dot(values, weight))
    return torch.stack(found)


class _Work:
    """The buffers of one call and the steps of one chunk in them; each step overwrites what the one before it left."""

    def __init__(self, hidden: Any, head: FrozenHead, rows: Any, wants_grad: bool) -> None:
        device, self.head, self.wants_grad = hidden.device, head, wants_grad
        self.hidden = hidden.to(head.dtype)
        self.weight = head.weight.to(head.dtype)
        rows = head.rows if rows is None else rows
        self.rows = None if rows is None else rows.detach().to(head.dtype)
        self.bias = None if head.bias is None else head.bias.to(head.dtype)
        self.num_vocabulary = head.weight.shape[0]
        self.chunk = min(chunk_labels(self.num_vocabulary, device.type), max(1, hidden.shape[0]))
        shape = (self.chunk, self.num_vocabulary)
        self.floats = torch.empty(shape, dtype=torch.float32, device=device)
        # Matrix products in a smaller dtype need a place for their logits, and later for what they are multiplied with.
        self.is_small = head.dtype != torch.float32
        self.small = torch.empty(shape, dtype=head.dtype, device=device) if self.is_small else self.floats
        self.slopes = torch.empty_like(self.floats) if head.cap is not None and wants_grad else None
        self.exps = self.floats[:0]

    def parts(self) -> Any:
        """The chunks, as slices of the labels."""
        num_labels = self.hidden.shape[0]
        return [slice(k, min(k + self.chunk, num_labels)) for k in range(0, num_labels, self.chunk)]

    def _logits(self, part: slice) -> Any:
        """(labels, vocabulary) float32 of one chunk, as the class gives them."""
        hidden, head = self.hidden[part], self.head
        num_labels = hidden.shape[0]
        raw, logits = self.small[:num_labels], self.floats[:num_labels]
        factor = head.scale if head.cap is None else head.scale / head.cap
        if self.bias is None and factor == 1.0:
            torch.mm(hidden, self.weight.t(), out=raw)
        else:  # the product takes the factor along
            bias, beta = (raw, 0.0) if self.bias is None else (self.bias, factor)
            torch.addmm(bias, hidden, self.weight.t(), beta=beta, alpha=factor, out=raw)
        if self.rows is not None:
            raw[:, head.places] = (hidden @ self.rows.t()).mul_(factor)
        if self.is_small:
            logits.copy_(raw)
        if head.cap is not None:
            logits.tanh_()
            if self.slopes is not None:
                torch.mul(logits, logits, out=self.slopes[:num_labels]).neg_().add_(1.0)
            logits.mul_(head.cap)
        return logits

    def exponentials(self, part: slice, targets: Any) -> tuple[Any, Any, Any]:
        """Nats, the labels' logits less the greatest ones, and sums of the exponentials left in `exps`; (labels,)."""
        logits = self._logits(part)
        logits.sub_(logits.amax(dim=-1, keepdim=True))
        shifted = logits.gather(1, targets[:, None]).squeeze(1)
        self.exps = logits.exp_()
        sums = self.exps.sum(dim=-1)
        return sums.log() - shifted, shifted, sums

    def to_gradient(self, targets: Any, sums: Any) -> Any:
        """Turn `exps` into the gradient by the head's output; gives (labels,) factors that are still to be applied."""
        exps, num_labels = self.exps, targets.shape[0]
        # Before any rounding to a smaller dtype, so that a label that is nearly certain keeps its small gradient.
        exps.scatter_add_(1, targets[:, None], -sums[:, None])
        divisors = -exps.gather(1, targets[:, None]).squeeze(1)  # s - e_t, what all other tokens sum up to
        if self.slopes is not None:
            exps.mul_(self.slopes[:num_labels])
        factors = self.head.scale / sums
        if not self.is_small:
            return factors
        # Sums go beyond float16, and its smallest numbers are not small enough: here no number is above 1, in the
        # same pass that rounds.
        divisors = divisors.clamp_min_(torch.finfo(torch.float32).tiny)
        self.exps = torch.mul(exps, divisors.reciprocal()[:, None], out=self.small[:num_labels])
        return factors.mul_(divisors)

    def rows_gradient(self, part: slice, factors: Any) -> Any:
        """(new, hidden) float32, the gradient by the rows of new tokens."""
        by_rows = self.exps.index_select(1, self.head.places).float() * factors[:, None]
        return by_rows.t() @ self.hidden[part].float()

    def hidden_gradient(self, out: Any) -> None:
        """Write the gradient by the hidden states, but for the factors, into `out` (labels, hidden)."""
        if self.rows is None:
            torch.mm(self.exps, self.weight, out=out)
            return
        by_rows = self.exps.index_select(1, self.head.places)
        self.exps[:, self.head.places] = 0
        torch.mm(self.exps, self.weight, out=out)
        out.addmm_(by_rows, self.rows)
