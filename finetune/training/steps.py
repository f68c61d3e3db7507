"""The passes of a step: which rows a step holds, how they are cut into passes, and the loss of one pass.

batch_size examples of one optimizer step become packs (finetune.packing) or padded passes, each is run forward and
backward alone, and the gradients add up to those of the whole step: the loss of a pass is divided by the trained
tokens of its step. Which examples a step holds does not depend on how they are cut.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any

import numpy as np

from finetune.models import RowImages
from finetune.packing import Pack, facts_of, pack_rows
from finetune.render import IGNORED

Row = tuple[Any, Any]  # (input_ids, labels): lists of numbers or one-dimensional arrays


@dataclass(frozen=True)
class ComputePath:
    """How a pass is computed.

    Attributes:
        packing: "prefix" (common prefixes once), "plain" (rows side by side) or "off" (padded rows).
        attention: which packed attention (finetune.models.tree_attention.KINDS); "own" with packing "off".
        lean: whether the adapter is computed by finetune.models.lean.
        head: "supervised" (the vocabulary is scored only where there is a label) or "own" (the model's own logits).
    """

    packing: str
    attention: str
    lean: bool
    head: str = "supervised"

    @staticmethod
    def of(plan: Any) -> ComputePath:
        """What a plan asks for."""
        attention = "own" if plan.packing == "off" else plan.packed_attention
        return ComputePath(plan.packing, attention, plan.lean, getattr(plan, "head", "supervised"))

    def facts(self) -> dict[str, Any]:
        """As the manifest holds it."""
        return asdict(self)


@dataclass(frozen=True, eq=False)
class PaddedPass:
    """Rows of one step, padded on the right.

    Attributes:
        input_ids: (rows, tokens) int64.
        mask: (rows, tokens) int64, 1 where a token is.
        sources: (labels,) int64, the place of the predicting token in the flattened rows.
        targets: (labels,) int64.
        weights: (labels,) float32, all 1.
        shown: what the model wants of images; empty where there are none.
        num_tokens: tokens that are computed, those that pad among them.
    """

    input_ids: np.ndarray
    mask: np.ndarray
    sources: np.ndarray
    targets: np.ndarray
    weights: np.ndarray
    shown: dict[str, Any] = field(default_factory=dict)

    @property
    def num_tokens(self) -> int:
        return self.input_ids.size


@dataclass(frozen=True, eq=False)
class Step:
    """The examples of one optimizer step, cut into passes.

    Attributes:
        rows: their numbers in the training rows.
        passes: what is computed; rows without any label are in none.
        num_labels: tokens that are trained.
        num_row_tokens: tokens of the rows, as if each were alone.
        num_computed_tokens: tokens that the passes compute.
    """

    rows: tuple[int, ...]
    passes: tuple[Pack | PaddedPass, ...]
    num_labels: int
    num_row_tokens: int
    num_computed_tokens: int


def cut(
    numbers: Sequence[int],
    rows: Sequence[Row],
    path: ComputePath,
    pass_tokens: int | None,
    micro_batch: int | None = None,
    pad_token_id: int = 0,
    images: RowImages | None = None,
) -> Step:
    """Cut the examples of a step into passes. The same rows give the same passes, in whatever order they come.

    Args:
        numbers: of the rows among all training rows.
        rows: (input_ids, labels) of these rows.
        path: how they are computed.
        pass_tokens: the budget of a pass in tokens; a longer row has a pass of its own.
        micro_batch: with packing "off", rows of a pass at most.
        pad_token_id: fills padded rows up.
        images: of all training rows; rows with images are never packed.
    """
    sizes = [len(ids) for ids, _ in rows]
    num_labels = sum(int((np.asarray(labels)[1:] != IGNORED).sum()) for _, labels in rows)
    passes: list[Pack] | list[PaddedPass]
    if path.packing == "off":
        passes = _padded(numbers, rows, pass_tokens, micro_batch, pad_token_id, images)
        num_computed_tokens = sum(one.num_tokens for one in passes)
    else:
        passes = pack_rows(rows, pass_tokens, share=path.packing == "prefix")
        num_computed_tokens = facts_of(passes).num_computed_tokens
    return Step(tuple(numbers), tuple(passes), num_labels, sum(sizes), num_computed_tokens)


def _padded(
    numbers: Sequence[int],
    rows: Sequence[Row],
    pass_tokens: int | None,
    micro_batch: int | None,
    pad_token_id: int,
    images: RowImages | None,
) -> list[PaddedPass]:
    """Padded passes, the longest rows first; rows of like length together, so that little is filled up."""
    laid = []
    for number, (ids, labels) in zip(numbers, rows):
        ids, labels = np.asarray(ids, np.int64), np.asarray(labels, np.int64)
        places = np.flatnonzero(labels[1:] != IGNORED) + 1
        if not len(places):
            continue
        # What stands behind the last label is read by none; but the tokens of an image are never parted from it.
        stop = len(ids) if images is not None else int(places[-1])
        laid.append((number, ids[:stop], places, labels[places]))
    laid.sort(key=lambda row: (-len(row[1]), row[0]))
    passes: list[PaddedPass] = []
    first = 0
    while first < len(laid):
        width = len(laid[first][1])
        most = max(1, pass_tokens // width) if pass_tokens else len(laid)
        chosen = laid[first : first + min(most, micro_batch or most)]
        passes.append(_pad(chosen, width, pad_token_id, images))
        first += len(chosen)
    return passes


def _pad(chosen: Sequence[tuple], width: int, pad_token_id: int, images: RowImages | None) -> PaddedPass:
    import torch

    input_ids = np.full((len(chosen), width), pad_token_id, np.int64)
    mask = np.zeros((len(chosen), width), np.int64)
    for k, (_, ids, _, _) in enumerate(chosen):
        input_ids[k, : len(ids)], mask[k, : len(ids)] = ids, 1
    sources = np.concatenate([k * width + places - 1 for k, (_, _, places, _) in enumerate(chosen)])
    targets = np.concatenate([labels for *_, labels in chosen])
    shown = {} if images is None else images.batch([row[0] for row in chosen], torch.from_numpy(input_ids))
    return PaddedPass(input_ids, mask, sources, targets, np.ones(len(targets), np.float32), shown)


def loss_of(
    model: Any,
    one: Pack | PaddedPass,
    num_labels: float,
    path: ComputePath,
    device: Any,
    dtype: Any,
    measure: Sequence[str] = (),
) -> tuple[Any, dict[str, Any]]:
    """The loss of a pass: summed nats over the labels of its step, and what is measured, as sums over labels.

    Args:
        model: inside `applied`.
        one: the pass.
        num_labels: of the whole step.
        path: how it is computed.
        device: where the model is.
        dtype: that the model's activations have.
        measure: "accuracy" and "entropy", computed only when they are asked for.
    """
    import torch

    sources, targets, weights = (
        torch.from_numpy(values).to(device, non_blocking=True) for values in (one.sources, one.targets, one.weights)
    )
    if isinstance(one, Pack):
        from finetune.models.tree_attention import pack_inputs

        inputs = pack_inputs(one, path.attention, device, dtype)
    else:
        inputs = {"input_ids": torch.from_numpy(one.input_ids), "attention_mask": torch.from_numpy(one.mask)}
        inputs = {name: value.to(device) for name, value in {**inputs, **one.shown}.items()}
    if path.head == "own":
        return _own_logits_loss(model, inputs, sources, targets, weights, num_labels, measure)
    from finetune.models.supervised import supervised_loss

    return supervised_loss(model, inputs, sources, targets, weights, num_labels, measure=tuple(measure))


def _own_logits_loss(
    model: Any, inputs: dict, sources: Any, targets: Any, weights: Any, num_labels: float, measure: Sequence[str]
) -> tuple[Any, dict[str, Any]]:
    """The same from the logits that the model gives for every token."""
    import torch

    logits = model(**inputs, use_cache=False).logits.flatten(0, 1)[sources].float()  # (labels, vocabulary)
    nats = torch.nn.functional.cross_entropy(logits, targets, reduction="none")
    sums = {}
    with torch.no_grad():
        if "accuracy" in measure:
            sums["accuracy"] = ((logits.argmax(dim=-1) == targets) * weights).sum()
        if "entropy" in measure:
            shares = logits.log_softmax(dim=-1)
            sums["entropy"] = -((shares.exp() * shares).sum(dim=-1) * weights).sum()
    return (nats * weights).sum() / num_labels, sums


@contextlib.contextmanager
def applied(model: Any, path: ComputePath) -> Iterator[None]:
    """Compute a model in the way of a path; on the way out it is as it was."""
    with lean_applied(model, path), attention_applied(model, path):
        yield


@contextlib.contextmanager
def lean_applied(model: Any, path: ComputePath) -> Iterator[dict[str, int]]:
    """Compute the adapter in the way of a path; gives what keeps its own forward all the same: reason -> modules."""
    with contextlib.ExitStack() as stack:
        left: dict[str, int] = {}
        if path.lean:
            from finetune.models.lean import lean

            left = stack.enter_context(lean(model)).fallbacks
        yield left


@contextlib.contextmanager
def attention_applied(model: Any, path: ComputePath) -> Iterator[None]:
    """Compute attention in the way of a path: inside, a model with packs takes packs and nothing else."""
    with contextlib.ExitStack() as stack:
        if path.packing != "off":
            from finetune.models.tree_attention import packed_attention

            stack.enter_context(packed_attention(model, path.attention))
        yield


class GroupOrder:
    """A sampler: the groups shuffled anew each epoch, the rows of a group behind one another in their own order.

    A row whose group is None is a group of its own. An epoch's order depends on the seed and its number alone, so a
    resumption meets the same.

    Args:
        groups: (rows,) what data.group_by says of each row.
        seed: train.seed.
    """

    def __init__(self, groups: Sequence[str | None], seed: int):
        members: dict[Any, list[int]] = {}
        for row, group in enumerate(groups):
            members.setdefault(row if group is None else (group,), []).append(row)
        self._members = list(members.values())
        self._num_rows, self._seed, self._epoch = len(groups), seed, 0

    def set_epoch(self, epoch: int) -> None:
        """Which epoch the next order is of, from 0."""
        self._epoch = epoch

    def __len__(self) -> int:
        return self._num_rows

    def __iter__(self) -> Iterator[int]:
        for k in np.random.default_rng([self._seed, self._epoch]).permutation(len(self._members)):
            yield from self._members[k]


def foreseen_order(num_rows: int, groups: Sequence[str | None], order: str, seed: int, most: int) -> list[int]:
    """Some rows in an order such as training meets them, to foresee what sharing saves.

    Args:
        num_rows: training rows.
        groups: of each row; only for "by_group".
        order: train.order.
        seed: train.seed.
        most: how many rows are wanted.
    """
    if order == "by_group":
        return [row for row, _ in zip(GroupOrder(groups, seed), range(most))]
    return [int(row) for row in np.random.default_rng(seed).permutation(num_rows)[:most]]
