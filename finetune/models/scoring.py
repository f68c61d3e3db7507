"""Token-weighted loss of a model over rendered rows: the number that base and adapter are compared by."""

from __future__ import annotations

import contextlib
import weakref
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from finetune.errors import FinetuneError
from finetune.models.structure import structure_of
from finetune.models.supervised import head_of, supervised_nats
from finetune.models.tree_attention import best_kind, pack_inputs, packed_attention
from finetune.models.vision import RowImages

Row = tuple[Sequence[int], Sequence[int]]
IGNORED = -100
_MAX_LOGITS = 1 << 26  # in one pass of a model whose own logits are used: 256 MiB in float32


@dataclass(frozen=True)
class ScoringPath:
    """How rows are scored.

    Attributes:
        kind: of attention over packs; None where rows are padded.
        reason: why, in one line.
    """

    kind: str | None
    reason: str


def row_losses(
    model: Any,
    rows: Sequence[Row],
    pass_tokens: int = 4_096,
    on_done: Callable[[int], None] | None = None,
    images: RowImages | None = None,
) -> list[tuple[float, int]]:
    """Summed negative log-likelihood in nats, and trained tokens, of each row.

    Rows are scored in packs, common prefixes once, where that is exact for the model (`scoring_path`); otherwise they
    are sorted by length and padded on the right. The vocabulary is scored in chunks and only where a label is, so
    memory grows with `pass_tokens` and the longest row alone.

    Args:
        model: a causal LM (with or without an adapter), left in the mode and with the attention it had.
        rows: (input_ids, labels) pairs, labels IGNORED where not counted.
        pass_tokens: tokens in one forward pass, unless a row is longer.
        on_done: told how many rows are done after each pass.
        images: of the rows, by the same numbers; None where they are texts alone.
    """
    import torch

    modes = {module: module.training for module in model.modules()}
    model.eval()
    try:
        with torch.no_grad():
            path = scoring_path(model) if images is None and rows else None
            if path is not None and path.kind is not None:
                return _packed_losses(model, rows, pass_tokens, path.kind, on_done)
            return _padded_losses(model, rows, pass_tokens, on_done, images)
    finally:
        for module, mode in modes.items():
            module.training = mode


def mean_loss(losses: Sequence[tuple[float, int]]) -> float:
    """Nats per counted token over all rows: long answers weigh more than short ones."""
    num_tokens = sum(count for _, count in losses)
    return sum(nats for nats, _ in losses) / num_tokens if num_tokens else float("nan")


# -- packed or padded ------------------------------------------------------------------------------------------------

_known: weakref.WeakKeyDictionary[Any, dict[tuple[str, str], ScoringPath]] = weakref.WeakKeyDictionary()
# Of the check: two rows of 40 tokens that part behind 24, scored both ways.
_CHECK_TOKENS, _CHECK_SHARED_TOKENS = 40, 24
# Nats of the two ways may lie apart by so much of themselves; in 16 bit each layer rounds by the order of its sums.
_APART, _APART_16_BIT = 1e-4, 3e-2


def scoring_path(model: Any) -> ScoringPath:
    """How the rows of a model are scored; found once for each model object, device and dtype.

    Packs have to pass a check: two short rows are scored in one and padded, and must agree.

    Args:
        model: a causal LM, with or without an adapter.
    """
    base = model.get_base_model() if hasattr(model, "get_base_model") else model
    first = next(base.parameters())
    device, dtype = first.device, str(model.get_input_embeddings().weight.dtype).removeprefix("torch.")
    paths = _known.setdefault(base, {})
    key = str(device), dtype
    if key not in paths:
        paths[key] = _find_path(model, base, str(device), dtype)
    return paths[key]


def _find_path(model: Any, base: Any, device: str, dtype: str) -> ScoringPath:
    try:
        refusal = structure_of(base.config).packing_refusal
        if refusal is not None:
            return ScoringPath(None, refusal)
        kind, reason = best_kind(base.config, device, dtype, True)
    except FinetuneError as error:
        return ScoringPath(None, str(error))
    apart = _apart(model, kind)
    allowed = _APART if dtype in ("float32", "float64") else _APART_16_BIT
    if not apart <= allowed:
        return ScoringPath(None, f"packs and padded rows differ by {apart:.1%} for this model")
    return ScoringPath(kind, reason)


def _apart(model: Any, kind: str) -> float:
    """How far the nats of packed and padded rows lie apart, as a share; infinite where packs cannot be computed."""
    rows_of_table = model.get_input_embeddings().weight.shape[0]
    # Any tokens do; these are spread over the vocabulary, so that they differ.
    ids = [(7_919 * k + 11) % rows_of_table for k in range(2 * _CHECK_TOKENS)]
    other = ids[:_CHECK_SHARED_TOKENS] + ids[_CHECK_TOKENS : 2 * _CHECK_TOKENS - _CHECK_SHARED_TOKENS]
    rows = [(ids[:_CHECK_TOKENS], ids[:_CHECK_TOKENS]), (other, other)]
    padded = _padded_losses(model, rows, 1, None, None)
    try:
        packed = _packed_losses(model, rows, 2 * _CHECK_TOKENS, kind, None)
    except (FinetuneError, RuntimeError, TypeError, ValueError):  # of a class that takes no packs after all
        return float("inf")
    return max(abs(a - b) / max(abs(a), 1e-6) for (a, _), (b, _) in zip(padded, packed))


# -- packs -----------------------------------------------------------------------------------------------------------


def _packed_losses(
    model: Any, rows: Sequence[Row], pass_tokens: int, kind: str, on_done: Callable[[int], None] | None
) -> list[tuple[float, int]]:
    import numpy as np

    from finetune.packing import pack_rows

    nats, counts = np.zeros(len(rows)), np.zeros(len(rows), dtype=np.int64)
    first = next(model.parameters())
    device, dtype = first.device, first.dtype
    num_done = 0
    with packed_attention(model, kind):
        for pack in pack_rows(rows, max(1, pass_tokens)):
            if len(pack.sources):
                found = supervised_nats(model, pack_inputs(pack, kind, device, dtype), pack.sources, pack.targets)
                by_label = found.double().cpu().numpy()  # (labels,)
                np.add.at(nats, pack.label_rows, by_label[pack.label_index])
                np.add.at(counts, pack.label_rows, 1)
            num_done += len(pack.rows)
            if on_done is not None:
                on_done(len(pack.rows))
    if on_done is not None and num_done < len(rows):  # rows without labels are in no pack where no row has any
        on_done(len(rows) - num_done)
    return list(zip(nats.tolist(), counts.tolist()))


# -- padded rows -----------------------------------------------------------------------------------------------------


def _padded_losses(
    model: Any,
    rows: Sequence[Row],
    pass_tokens: int,
    on_done: Callable[[int], None] | None,
    images: RowImages | None,
) -> list[tuple[float, int]]:
    results: list[tuple[float, int]] = [(0.0, 0)] * len(rows)
    order = sorted(range(len(rows)), key=lambda k: len(rows[k][0]))
    position = 0
    with _padded_attention(model):
        if order and head_of(model).reason is not None:
            pass_tokens = max(1, min(pass_tokens, _MAX_LOGITS // model.get_input_embeddings().weight.shape[0]))
        while position < len(order):
            width = len(rows[order[position]][0])
            chosen = [order[position]]
            for k in order[position + 1 :]:
                width = max(width, len(rows[k][0]))
                if width * (len(chosen) + 1) > pass_tokens:
                    break
                chosen.append(k)
            for k, outcome in zip(chosen, _score(rows, chosen, model, images)):
                results[k] = outcome
            position += len(chosen)
            if on_done is not None:
                on_done(len(chosen))
    return results


@contextlib.contextmanager
def _padded_attention(model: Any) -> Iterator[None]:
    """The model's own attention, also where it computes packs at the moment: those forms take no padded rows."""
    base = model.get_base_model() if hasattr(model, "get_base_model") else model
    takes_padding = str(base.config._attn_implementation) in ("sdpa", "eager", "None")
    with contextlib.nullcontext() if takes_padding else packed_attention(model, "mask"):
        yield


def _score(
    every: Sequence[Row], numbers: Sequence[int], model: Any, images: RowImages | None
) -> list[tuple[float, int]]:
    import torch

    rows = [every[k] for k in numbers]
    width = max(len(ids) for ids, _ in rows)
    input_ids = torch.zeros(len(rows), width, dtype=torch.long)  # (rows, tokens)
    labels = torch.full((len(rows), width), IGNORED)
    mask = torch.zeros(len(rows), width, dtype=torch.long)
    for k, (ids, row_labels) in enumerate(rows):
        input_ids[k, : len(ids)] = torch.as_tensor(ids)
        labels[k, : len(ids)] = torch.as_tensor(row_labels)
        mask[k, : len(ids)] = 1
    targets = labels[:, 1:]  # (rows, tokens - 1)
    wanted = targets != IGNORED
    row_of, place = wanted.nonzero(as_tuple=True)  # (labels,)
    if not len(row_of):
        return [(0.0, 0)] * len(rows)
    device = next(model.parameters()).device
    shown = images.batch(numbers, input_ids) if images is not None else {}
    inputs: dict[str, Any] = {"input_ids": input_ids, "attention_mask": mask, **shown}
    inputs = {name: value.to(device) for name, value in inputs.items()}
    nats = supervised_nats(model, inputs, row_of * width + place, targets[wanted])
    sums = torch.zeros(len(rows), dtype=torch.float64).index_add_(0, row_of, nats.double().cpu())
    return list(zip(sums.tolist(), wanted.sum(dim=1).tolist()))
