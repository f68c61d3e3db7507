"""Token-weighted loss of a model over rendered rows: the number that base and adapter are compared by."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from finetune.models.vision import RowImages

IGNORED = -100
_MAX_LOGITS = 1 << 26  # in one pass: 256 MiB in float32


def row_losses(
    model: Any,
    rows: Sequence[tuple[Sequence[int], Sequence[int]]],
    pass_tokens: int = 4_096,
    on_done: Callable[[int], None] | None = None,
    images: RowImages | None = None,
) -> list[tuple[float, int]]:
    """Summed negative log-likelihood in nats, and trained tokens, of each row.

    Rows are sorted by length and padded on the right. Logits are computed only at positions where some row of the
    pass has a label, and a pass holds fewer tokens the larger the vocabulary is, so memory stays small.

    Args:
        model: a causal LM (with or without an adapter), left in the mode it was in.
        rows: (input_ids, labels) pairs, labels IGNORED where not counted.
        pass_tokens: padded tokens in one forward pass.
        on_done: told how many rows are done after each pass.
        images: of the rows, by the same numbers; None where they are texts alone.
    """
    import torch

    vocabulary = model.get_input_embeddings().weight.shape[0]
    pass_tokens = max(1, min(pass_tokens, _MAX_LOGITS // vocabulary))
    order = sorted(range(len(rows)), key=lambda k: len(rows[k][0]))
    results: list[tuple[float, int]] = [(0.0, 0)] * len(rows)
    was_training = model.training
    model.eval()
    device = next(model.parameters()).device
    position = 0
    with torch.inference_mode():
        while position < len(order):
            width = len(rows[order[position]][0])
            chosen = [order[position]]
            for k in order[position + 1 :]:
                width = max(width, len(rows[k][0]))
                if width * (len(chosen) + 1) > pass_tokens:
                    break
                chosen.append(k)
            for k, outcome in zip(chosen, _score(rows, chosen, model, device, images)):
                results[k] = outcome
            position += len(chosen)
            if on_done is not None:
                on_done(len(chosen))
    model.train(was_training)
    return results


def _score(
    every: Sequence[tuple[Sequence[int], Sequence[int]]],
    numbers: Sequence[int],
    model: Any,
    device: Any,
    images: RowImages | None,
) -> list[tuple[float, int]]:
    import torch

    rows = [every[k] for k in numbers]
    width = max(len(ids) for ids, _ in rows)
    input_ids = torch.zeros(len(rows), width, dtype=torch.long)  # (rows, tokens)
    labels = torch.full((len(rows), width), IGNORED)
    mask = torch.zeros(len(rows), width, dtype=torch.long)
    for k, (ids, row_labels) in enumerate(rows):
        input_ids[k, : len(ids)] = torch.tensor(ids)
        labels[k, : len(ids)] = torch.tensor(row_labels)
        mask[k, : len(ids)] = 1
    targets = labels[:, 1:].to(device)  # (rows, tokens - 1)
    wanted = targets != IGNORED
    kept = wanted.any(dim=0).nonzero().flatten()  # positions whose next token is counted in some row
    words: dict[str, Any] = {"logits_to_keep": kept} if _keeps_logits(model) else {}
    shown = images.batch(numbers, input_ids) if images is not None else {}
    words |= {name: value.to(device) for name, value in shown.items()}
    logits = model(input_ids=input_ids.to(device), attention_mask=mask.to(device), use_cache=False, **words).logits
    if "logits_to_keep" not in words:
        logits = logits[:, kept]
    targets, wanted = targets[:, kept], wanted[:, kept]
    nats = torch.nn.functional.cross_entropy(logits[wanted].float(), targets[wanted], reduction="none")
    row_of = torch.arange(len(rows), device=device)[:, None].expand_as(targets)[wanted]
    sums = torch.zeros(len(rows), dtype=torch.float64, device=device).index_add_(0, row_of, nats.double())
    return list(zip(sums.tolist(), wanted.sum(dim=1).tolist()))


def _keeps_logits(model: Any) -> bool:
    """Whether the model can be asked for the logits of some positions only."""
    import inspect

    inner = model.get_base_model() if hasattr(model, "get_base_model") else model
    return "logits_to_keep" in inspect.signature(inner.forward).parameters


def mean_loss(losses: Sequence[tuple[float, int]]) -> float:
    """Nats per counted token over all rows: long answers weigh more than short ones."""
    num_tokens = sum(count for _, count in losses)
    return sum(nats for nats, _ in losses) / num_tokens if num_tokens else float("nan")
