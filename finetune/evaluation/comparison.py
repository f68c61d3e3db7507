"""Numbers from row losses: means, their difference with an interval, the verdict, and lines for the terminal."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

from finetune.errors import IntegrityError, ModelError, Problem
from finetune.models import mean_loss

NUM_DRAWS = 1_000
# With fewer rows even "all of them improved" happens by luck in more than 5 % of cases (two-sided: 2 / 2 ** 6 = 3 %).
MIN_UNITS = 6
# A change smaller than this share of the base's loss is no effect worth the name, however narrow its interval: an
# adapter that learnt next to nothing moves every row by the same hair.
MIN_EFFECT_SHARE = 0.005
# A loss of 20 nats is far beyond guessing; its perplexity stays a number that can be read.
_MAX_EXPONENT = 20.0
_MAX_ROW_CHANGES = 200

# Summed nats and counted tokens of each row, as finetune.models.scoring.row_losses gives them.
Losses = Sequence[tuple[float, int]]


def perplexity(loss: float) -> float:
    """exp of a loss in nats per token, capped at exp(20)."""
    return math.exp(min(loss, _MAX_EXPONENT))


def compare(base: Losses, adapter: Losses, groups: Sequence[str | None], seed: int) -> dict[str, Any]:
    """The paired comparison over the same rows: the core of evaluation.json's `held_out`.

    Args:
        base: losses of the bare base.
        adapter: losses of base and adapter, same rows in the same order.
        groups: (rows,) what data.group_by says of each row; None where it says nothing.
        seed: of the bootstrap's draws.

    Returns:
        Losses in nats per token, token-weighted over all rows; difference is adapter minus base.

    Raises:
        ModelError, IntegrityError: the base's or the adapter's losses are not finite numbers.
    """
    if not all(math.isfinite(nats) for nats, _ in base):
        raise ModelError(Problem("", "base.model", "the base's loss on the held-out rows is not a finite number"))
    if not all(math.isfinite(nats) for nats, _ in adapter):
        fix = "train again with a smaller train.learning_rate"
        raise IntegrityError(Problem("adapter", "", "its loss on the held-out rows is not a finite number", fix=fix))
    base_loss, adapter_loss = mean_loss(base), mean_loss(adapter)
    changes = sorted((mine - theirs) / count for (mine, count), (theirs, _) in zip(adapter, base) if count)
    return {
        "num_rows": len(base),
        "num_tokens": sum(count for _, count in base),
        "base": {"loss": base_loss, "perplexity": perplexity(base_loss)},
        "adapter": {"loss": adapter_loss, "perplexity": perplexity(adapter_loss)},
        "loss_change_percent": 100 * (adapter_loss - base_loss) / base_loss if base_loss else 0.0,
        "rows_better": sum(mine < theirs for (mine, _), (theirs, _) in zip(adapter, base)),
        "difference": difference(base, adapter, groups, seed),
        # Sorted, so that no value can be laid to a row; for the report's picture.
        "row_changes": [round(change, 4) for change in _thinned(changes)],
    }


def difference(base: Losses, adapter: Losses, groups: Sequence[str | None], seed: int) -> dict[str, Any]:
    """Adapter minus base in nats per token, with a 95 % interval by the paired bootstrap.

    What is drawn again and again is the row, with both its losses (Efron and Tibshirani 1993; Koehn 2004 for pairs);
    where data.group_by names groups, the whole group, because rows of one document rise and fall together.
    """
    import numpy as np

    units: dict[object, list[float]] = {}
    for number, ((mine, count), (theirs, _), group) in enumerate(zip(adapter, base, groups)):
        unit = units.setdefault(number if group is None else ("group", group), [0.0, 0.0])
        unit[0] += mine - theirs
        unit[1] += count
    table = np.array(list(units.values()), dtype=np.float64)  # (units, 2): nats gained, tokens
    draw = np.random.default_rng(seed)
    means = np.empty(NUM_DRAWS)
    for number in range(NUM_DRAWS):
        nats, tokens = table[draw.integers(len(table), size=len(table))].sum(axis=0)
        means[number] = nats / tokens
    low, high = np.quantile(means, [0.025, 0.975]).tolist()
    nats, tokens = table.sum(axis=0).tolist()
    return {
        "mean": nats / tokens,
        "low": low,
        "high": high,
        "unit": "group" if any(group is not None for group in groups) else "row",
        "num_units": len(table),
        "num_draws": NUM_DRAWS,
    }


def _thinned(values: Sequence[float]) -> list[float]:
    """At most _MAX_ROW_CHANGES of the sorted values, evenly spaced, first and last included."""
    if len(values) <= _MAX_ROW_CHANGES:
        return list(values)
    last = len(values) - 1
    return [values[round(k * last / (_MAX_ROW_CHANGES - 1))] for k in range(_MAX_ROW_CHANGES)]


def verdict(held_out: dict[str, Any]) -> dict[str, Any]:
    """{"better_than_base": true, false or null, "why": one sentence} from what `compare` gives."""
    gap = held_out["difference"]
    rows = count_of(held_out["num_rows"], "row")
    units = rows if gap["unit"] == "row" else f"{rows} in {count_of(gap['num_units'], 'group')}"
    low, high = sorted((abs(gap["low"]), abs(gap["high"])))
    if gap["num_units"] < MIN_UNITS:
        kind = "rows" if gap["unit"] == "row" else "groups"
        why = f"adapter and base cannot be told apart with {units}: a verdict needs at least {MIN_UNITS} {kind}"
        return {"better_than_base": None, "why": why}
    if gap["high"] < 0:
        sense, better = "the adapter is better than base: its loss is {} nats per token lower", True
    elif gap["low"] > 0:
        sense, better = "the adapter is worse than base: its loss is {} nats per token higher", False
    else:
        interval = f"{gap['low']:+.3f} to {gap['high']:+.3f} nats per token"
        why = f"adapter and base cannot be told apart with {units}: the 95 % interval of the difference is {interval}"
        return {"better_than_base": None, "why": why}
    base_loss = held_out["base"]["loss"]
    if abs(gap["mean"]) < MIN_EFFECT_SHARE * base_loss:
        change = f"the loss changed by {100 * gap['mean'] / base_loss:+.2f} %"
        why = f"adapter and base are hardly different on {units}: {change}, below {100 * MIN_EFFECT_SHARE:g} %"
        return {"better_than_base": None, "why": why}
    sentence = sense.format(f"{abs(gap['mean']):.3f}")
    return {"better_than_base": better, "why": f"{sentence} on {units} (95 % interval {low:.3f} to {high:.3f})"}


def compare_lines(evaluation: dict[str, Any]) -> list[str]:
    """The few lines about an evaluation that the terminal shows; no text of a row."""
    held_out = evaluation["held_out"]
    gap = held_out["difference"]
    left_out = held_out.get("num_left_out", 0)
    lines = [
        ("held out", f"{count_of(held_out['num_rows'], 'row')}, {count_of(held_out['num_tokens'], 'answer token')}"
         + (f"; {left_out:,} too long, left out" if left_out else "")),
        ("base loss", f"{held_out['base']['loss']:.4f}  (perplexity {held_out['base']['perplexity']:.2f})"),
        ("adapter loss", f"{held_out['adapter']['loss']:.4f}  (perplexity {held_out['adapter']['perplexity']:.2f})"),
        ("change", f"{held_out['loss_change_percent']:+.1f} %  ({gap['mean']:+.4f} nats per token, "
         f"95 % interval {gap['low']:+.4f} to {gap['high']:+.4f})"),
        ("rows better", f"{held_out['rows_better']:,} of {held_out['num_rows']:,}"),
        ("verdict", evaluation["verdict"]["why"]),
    ]  # fmt: skip
    return [f"{name:<13} {text}" for name, text in lines]


def count_of(number: int, word: str) -> str:
    """`1 row`, `2,000 rows`."""
    return f"{number:,} {word}{'' if number == 1 else 's'}"
