"""The proof at the start: the chosen way of computing against row by row, on a few rows of the data themselves.

A pass is packed, its attention, adapter and loss are computed by the kit's own code. Before the first step some
shortened rows are computed both so and one by one, with the model's own attention and logits; loss and gradients must
agree. A way that does not agree, or cannot run here, is replaced by the next best, and that is said and recorded.
Nothing of it stays: gradients, random numbers, weights and modes are as they were.
"""

from __future__ import annotations

import contextlib
import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np

from finetune.render import IGNORED
from finetune.training.steps import ComputePath, Row, applied, cut, loss_of

# Tokens that a row is shortened to: from its beginning, which rows share, and from where its labels are.
_HEAD_TOKENS, _LABELLED_TOKENS, _BEFORE_LABEL = 24, 24, 4
_ROWS_LOOKED_AT = 64
# Largest differences, as shares: of the loss, and of the gradient of any one tensor.
_TOLERANCES = {"float32": (1e-5, 1e-3), "float16": (1e-3, 1e-2), "bfloat16": (3e-3, 3e-2)}
# Where padded rows with peft's own forward differ too (rounding in 16 bit, experts chosen by a hair), that is no way's
# fault: this many times their difference is allowed, up to this many times the figures above.
_NOISE, _MOST = 3.0, 10.0
# The gradients of a float16 pass would be too small for the format; both sides are scaled alike.
_FLOAT16_SCALE = 1024.0
_STD = 0.02  # of B while it is proved: a fresh one is zero, and then the gradients of A are zero too


@dataclass(frozen=True)
class Proof:
    """What the proof found.

    Attributes:
        path: how passes are computed from here on.
        rows: how many rows it was seen on; 0: nothing could be compared.
        loss_difference: as a share of the loss.
        gradient_difference: the largest of any trained tensor, as a share of its gradient.
        fallbacks: what was asked for and is not done -> why.
    """

    path: ComputePath
    rows: int = 0
    loss_difference: float | None = None
    gradient_difference: float | None = None
    fallbacks: dict[str, str] = field(default_factory=dict)

    def with_left(self, left: Mapping[str, int]) -> Proof:
        """With what the lean adapter leaves to peft and to the model's classes: reason -> number of modules."""
        said = {f"adapter: {number} modules keep their own forward": reason for reason, number in left.items()}
        return replace(self, fallbacks={**self.fallbacks, **said})

    def facts(self) -> dict[str, Any]:
        """As the manifest holds it."""
        figures = {
            "rows": self.rows,
            "loss_difference": self.loss_difference,
            "gradient_difference": self.gradient_difference,
        }
        return {**self.path.facts(), "proof": figures, "fallbacks": dict(self.fallbacks)}

    def lines(self) -> list[str]:
        """What a person is told: one line for each thing that is done otherwise than planned."""
        return [f"{what} - {why}" for what, why in self.fallbacks.items()]


def prove_path(
    model: Any,
    rows: Sequence[Row],
    path: ComputePath,
    *,
    device: Any,
    dtype: str,
    pad_token_id: int = 0,
    unwanted_id: int | None = None,
) -> Proof:
    """See that a way of computing gives the loss and the gradients of computing row by row; else find the next best.

    Args:
        model: with its adapter, ready to train, outside `applied`. Nothing of it is changed.
        rows: training rows; a few of them, shortened, are computed.
        path: the way that is planned.
        device: where the model is.
        dtype: that is computed in.
        pad_token_id: fills padded rows up.
        unwanted_id: a token that is left out of the rows, such as an image's.
    """
    import torch

    chosen = probe_rows(rows, unwanted_id)
    if not chosen:
        return Proof(path)
    work = _Work(model, chosen, device, dtype, pad_token_id)
    with _no_trace(model), torch.enable_grad():
        wanted = work.row_by_row()
        if not math.isfinite(wanted[0]):
            return Proof(path)  # the guard of the first step stops the run, and names its rows
        found = work.compare(path, wanted)
        limits = _TOLERANCES[dtype]
        if found.within(limits):
            return Proof(path, len(chosen), found.loss, found.gradient, _own_head(model, path))
        plain = work.compare(_PLAINEST, wanted)
        if plain.reason:
            return Proof(path)  # nothing runs: the first step will say why
        limits = (
            min(max(limits[0], _NOISE * plain.loss), _MOST * limits[0]),
            min(max(limits[1], _NOISE * plain.gradient), _MOST * limits[1]),
        )
        if found.within(limits):
            return Proof(path, len(chosen), found.loss, found.gradient, _own_head(model, path))
        for other in alternatives(path):
            outcome = plain if other == _PLAINEST else work.compare(other, wanted)
            if outcome.within(limits):
                break
    fallbacks = {**_changes(path, other, found.why()), **_own_head(model, other)}
    return Proof(other, len(chosen), outcome.loss, outcome.gradient, fallbacks)


_OWN_LOGITS = "loss: from the model's own logits, which take more memory"
_PLAINEST = ComputePath("off", "own", False, "own")


def alternatives(path: ComputePath) -> list[ComputePath]:
    """What can be done instead of a path, that which costs least first; the plainest last.

    The figures below only order them: packing is worth more than its attention, that more than head and adapter.
    """
    ways = [(path.packing, path.attention, 0.0)]
    if path.packing != "off":
        ways += [(path.packing, "mask", 2.5)] if path.attention != "mask" else []
        ways += [("plain", "mask", 4.0)] if path.packing == "prefix" else []
        ways += [("off", "own", 6.0)]
    leans = [(path.lean, 0.0), (False, 1.0)] if path.lean else [(False, 0.0)]
    heads = [("supervised", 0.0), ("own", 2.0)] if path.head == "supervised" else [("own", 0.0)]
    found = [
        (a + b + c, ComputePath(packing, attention, lean, head))
        for packing, attention, a in ways
        for lean, b in leans
        for head, c in heads
    ]
    return [other for _, other in sorted(found, key=lambda pair: pair[0]) if other != path] or [_PLAINEST]


def _own_head(model: Any, path: ComputePath) -> dict[str, str]:
    """What a model's class does behind its head, where the kit does not know it: then its own logits are used."""
    if path.head != "supervised":
        return {}
    from finetune.models.supervised import head_of

    reason = head_of(model).reason
    return {} if reason is None else {_OWN_LOGITS: reason}


def _changes(path: ComputePath, other: ComputePath, why: str) -> dict[str, str]:
    """What is done instead -> why, for each part of the path that is another one."""
    said = {}
    if other.packing != path.packing:
        said[f"packing: {other.packing} instead of {path.packing}"] = why
    elif other.attention != path.attention:
        said[f"packed attention: {other.attention} instead of {path.attention}"] = why
    if other.lean != path.lean:
        said["adapter: peft's own forward instead of the lean one"] = why
    if other.head != path.head:
        said[_OWN_LOGITS] = why
    return said


def probe_rows(rows: Sequence[Row], unwanted_id: int | None = None) -> list[Row]:
    """A few rows, shortened: one, that with the longest common beginning, that with the shortest, a piece of the first
    that is a prefix of it, and the first once more. [] where no row has a label.
    """
    short: list[tuple[np.ndarray, np.ndarray]] = []
    for number in range(min(len(rows), _ROWS_LOOKED_AT)):
        ids, labels = _shortened(*rows[number], unwanted_id)
        if (labels[1:] != IGNORED).any():
            short.append((ids, labels))
    if not short:
        return []
    first, others = short[0], short[1:]
    others.sort(key=lambda row: -_num_common(first[0], row[0]))
    places = np.flatnonzero(first[1][1:] != IGNORED) + 1
    stop = int(places[len(places) // 2]) + 1
    piece = first[0][:stop], first[1][:stop]
    return [first, *others[:1], *others[1:][-1:], piece, first]


def _shortened(ids: Any, labels: Any, unwanted_id: int | None) -> tuple[np.ndarray, np.ndarray]:
    ids, labels = np.asarray(ids, np.int64), np.asarray(labels, np.int64)
    if unwanted_id is not None:
        kept = ids != unwanted_id
        ids, labels = ids[kept], labels[kept]
    places = np.flatnonzero(labels != IGNORED)
    if len(ids) <= _HEAD_TOKENS + _LABELLED_TOKENS or not len(places):
        return ids[: _HEAD_TOKENS + _LABELLED_TOKENS], labels[: _HEAD_TOKENS + _LABELLED_TOKENS]
    start = max(_HEAD_TOKENS, int(places[0]) - _BEFORE_LABEL)
    kept = np.r_[0:_HEAD_TOKENS, start : min(len(ids), start + _LABELLED_TOKENS)]
    return ids[kept], labels[kept]


def _num_common(one: np.ndarray, other: np.ndarray) -> int:
    size = min(len(one), len(other))
    different = np.flatnonzero(one[:size] != other[:size])
    return int(different[0]) if len(different) else size


@dataclass(frozen=True)
class _Outcome:
    """How far a way is from row by row; `reason` where it could not run."""

    loss: float = math.nan
    gradient: float = math.nan
    reason: str = ""

    def within(self, limits: tuple[float, float]) -> bool:
        return not self.reason and self.loss <= limits[0] and self.gradient <= limits[1]  # NaN is not

    def why(self) -> str:
        if self.reason:
            return self.reason
        return f"differs from row by row: loss by {self.loss:.1e}, gradients by {self.gradient:.1e}"


class _Work:
    """Computes the rows of a proof, in one way or another."""

    def __init__(self, model: Any, rows: Sequence[Row], device: Any, dtype: str, pad_token_id: int):
        import torch

        self._model, self._rows, self._device, self._pad_token_id = model, rows, device, pad_token_id
        self._dtype = getattr(torch, dtype)
        self._scale = _FLOAT16_SCALE if dtype == "float16" else 1.0
        self._num_labels = sum(int((labels[1:] != IGNORED).sum()) for _, labels in rows)
        self._trained = [p for p in model.parameters() if p.requires_grad]

    def row_by_row(self) -> tuple[float, list[Any]]:
        """Loss, and the gradient of each trained tensor, of the model's own logits."""
        import torch

        loss = 0.0
        for ids, labels in self._rows:
            logits = self._model(input_ids=torch.from_numpy(ids)[None].to(self._device), use_cache=False).logits
            wanted = torch.from_numpy(labels[1:]).to(self._device)
            nats = torch.nn.functional.cross_entropy(
                logits[0, :-1].float(), wanted, ignore_index=IGNORED, reduction="sum"
            )
            (nats * (self._scale / self._num_labels)).backward()
            loss += nats.item() / self._num_labels
        return loss, self._take_gradients()

    def compare(self, path: ComputePath, wanted: tuple[float, list[Any]]) -> _Outcome:
        """How far a way is from row by row."""
        try:
            loss, gradients = self._compute(path)
        except Exception as error:  # whatever a way stumbles over, there is another
            self._take_gradients()
            first = next(iter(str(error).strip().splitlines()), "")
            return _Outcome(reason=f"cannot run here: {type(error).__name__}: {first}"[:160])
        difference = abs(loss - wanted[0]) / max(abs(wanted[0]), 1e-12)
        return _Outcome(difference, _largest_difference(gradients, wanted[1]))

    def _compute(self, path: ComputePath) -> tuple[float, list[Any]]:
        loss = 0.0
        with applied(self._model, path):
            step = cut(range(len(self._rows)), self._rows, path, None, None, self._pad_token_id)
            for one in step.passes:
                part, _ = loss_of(self._model, one, self._num_labels, path, self._device, self._dtype)
                (part * self._scale).backward()
                loss += part.item()
        return loss, self._take_gradients()

    def _take_gradients(self) -> list[Any]:
        gradients = [None if p.grad is None else p.grad.detach().float() for p in self._trained]
        for p in self._trained:
            p.grad = None
        return gradients


def _largest_difference(found: Sequence[Any], wanted: Sequence[Any]) -> float:
    """Of any tensor's gradient, as a share of it; one that is tiny beside the others is measured by them."""
    import torch

    sizes = [0.0 if one is None else torch.linalg.vector_norm(one).item() for one in wanted]
    floor = 0.05 * math.sqrt(sum(size * size for size in sizes) / max(1, len(sizes)))
    worst = 0.0
    for one, other, size in zip(found, wanted, sizes):
        if one is None and other is None:
            continue
        difference = one if other is None else other if one is None else one - other
        share = torch.linalg.vector_norm(difference).item() / max(size + floor, 1e-30)
        worst = share if not share <= worst else worst  # NaN stays
    return worst


@contextlib.contextmanager
def _no_trace(model: Any) -> Iterator[None]:
    """A place where a model may be computed: no dropout, a B that is not zero; afterwards all is as it was."""
    import torch

    modes = [(module, module.training) for module in model.modules()]
    gradients = [(p, p.grad) for p in model.parameters() if p.requires_grad]
    zero = [
        (p, p.detach().clone())
        for name, p in model.named_parameters()
        if p.requires_grad and "lora_" in name and "_B" in name and not p.detach().any()
    ]
    draw = torch.Generator().manual_seed(0)
    devices = [p.device for p in model.parameters()][:1] if torch.cuda.is_available() else []
    with torch.random.fork_rng([device for device in devices if device.type == "cuda"]):
        try:
            model.eval()
            for module, _ in modes:
                # A layer is computed twice only while it trains; what is inside it stays without dropout.
                if getattr(module, "gradient_checkpointing", False):
                    module.training = True
            with torch.no_grad():
                for p, _ in zero:
                    p.copy_(torch.randn(p.shape, generator=draw) * _STD)
            for p, _ in gradients:
                p.grad = None
            yield
        finally:
            with torch.no_grad():
                for p, before in zero:
                    p.copy_(before)
            for p, before in gradients:
                p.grad = before
            for module, mode in modes:
                module.training = mode
