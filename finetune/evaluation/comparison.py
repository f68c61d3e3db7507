"""Numbers from row losses: means, their difference with an interval, the verdict, and lines for the terminal."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from typing import Any

from finetune import prepare, statistics
from finetune.data import Conversation
from finetune.errors import IntegrityError, ModelError, Problem
from finetune.models import mean_loss
from finetune.prepare.chunks import shortened
from finetune.statistics import MIN_UNITS

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


def bits_per_byte(losses: Losses, num_bytes: int) -> float:
    """Nats of all rows in bits, by the UTF-8 bytes of their answers: comparable across tokenizers (The Pile, 2020)."""
    return sum(nats for nats, _ in losses) / math.log(2) / num_bytes


def answer_bytes(messages: Sequence[Mapping[str, Any]]) -> int:
    """UTF-8 bytes of what a row trains: the texts of the assistant's turns, names and arguments of its calls.

    The markers of a template are not counted: they differ from family to family. Bits per byte holds their nats all
    the same, because a reply that does not end is a worse one.

    Args:
        messages: turns as chat templates take them, as they were rendered (finetune.render's `settled`).
    """
    texts = [str(message.get("content") or "") for message in messages if message["role"] == "assistant"]
    for message in messages:
        for call in message.get("tool_calls") or () if message["role"] == "assistant" else ():
            function = call["function"]
            texts += [function["name"], json.dumps(function["arguments"], ensure_ascii=False, sort_keys=True)]
    return sum(len(text.encode("utf-8", "surrogatepass")) for text in texts)


def bytes_of_rows(
    renderer: Any, rows: Sequence[Conversation], all_tokens: Sequence[Sequence[int]], trimmed: bool = True
) -> list[int]:
    """`answer_bytes` of rendered rows.

    Args:
        renderer: that they were rendered with.
        rows: (rows,) the whole conversations.
        all_tokens: (rows,) input_ids of each.
        trimmed: whether some of them lost their oldest exchanges (data.overlong: trim_history): those whose whole
            rendering is longer than their tokens; what they lost is not counted.
    """
    counts = []
    for row, tokens in zip(rows, all_tokens):
        messages, tools = prepare.messages_of(row)
        ways = [messages, *shortened(messages)] if trimmed else [messages]
        if len(ways) > 1:
            fitting = (way for way in ways if len(renderer.render(way, tools).input_ids) == len(tokens))
            messages = list(next(fitting, ways[-1]))
        counts.append(answer_bytes(renderer.settled(messages)))
    return counts


def compare(
    base: Losses,
    adapter: Losses,
    groups: Sequence[str | None],
    seed: int,
    num_bytes: Sequence[int] | None = None,
) -> dict[str, Any]:
    """The paired comparison over the same rows: the core of evaluation.json's `held_out`.

    Args:
        base: losses of the bare base.
        adapter: losses of base and adapter, same rows in the same order.
        groups: (rows,) what data.group_by says of each row; None where it says nothing.
        seed: of the bootstrap's draws.
        num_bytes: (rows,) from `bytes_of_rows`; with it, bits per byte are told too.

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
    sides: dict[str, Any] = {
        "base": {"loss": base_loss, "perplexity": perplexity(base_loss)},
        "adapter": {"loss": adapter_loss, "perplexity": perplexity(adapter_loss)},
    }
    if num_bytes is not None and sum(num_bytes):
        sides["num_bytes"] = sum(num_bytes)
        for side, losses in (("base", base), ("adapter", adapter)):
            sides[side]["bits_per_byte"] = bits_per_byte(losses, sum(num_bytes))
    return {
        "num_rows": len(base),
        "num_tokens": sum(count for _, count in base),
        **sides,
        "loss_change_percent": 100 * (adapter_loss - base_loss) / base_loss if base_loss else 0.0,
        "rows_better": sum(mine < theirs for (mine, _), (theirs, _) in zip(adapter, base)),
        "difference": difference(base, adapter, groups, seed),
        # Sorted, so that no value can be laid to a row; for the report's picture.
        "row_changes": [round(change, 4) for change in _thinned(changes)],
    }


def difference(base: Losses, adapter: Losses, groups: Sequence[str | None], seed: int) -> dict[str, Any]:
    """Adapter minus base in nats per token, with a 95 % interval by the paired bootstrap.

    See finetune.statistics.paired: what is drawn again and again is the row with both its losses, or the whole group.
    """
    weights = [count for _, count in base]
    mine, theirs = [nats for nats, _ in base], [nats for nats, _ in adapter]
    found = statistics.paired(mine, theirs, weights, groups, seed=seed)
    gap = found.difference
    return {
        "mean": gap.mean,
        "low": gap.low,
        "high": gap.high,
        "unit": found.unit,
        "num_units": found.num_units,
        "num_draws": found.num_draws,
    }


def _thinned(values: Sequence[float]) -> list[float]:
    """At most _MAX_ROW_CHANGES of the sorted values, evenly spaced, first and last included."""
    if len(values) <= _MAX_ROW_CHANGES:
        return list(values)
    last = len(values) - 1
    return [values[round(k * last / (_MAX_ROW_CHANGES - 1))] for k in range(_MAX_ROW_CHANGES)]


def verdict(held_out: dict[str, Any]) -> dict[str, Any]:
    """{"better_than_base": true, false or null, "result": one of statistics.RESULTS, "why": one sentence}.

    Args:
        held_out: what `compare` gives.
    """
    gap = held_out["difference"]
    rows = count_of(held_out["num_rows"], "row")
    units = rows if gap["unit"] == "row" else f"{rows} in {count_of(gap['num_units'], 'group')}"
    base_loss = held_out["base"]["loss"]
    least = MIN_EFFECT_SHARE * base_loss
    result = statistics.result_of(_as_paired(held_out), higher_is_better=False, least_effect=least)
    if gap["num_units"] < MIN_UNITS:
        kind = "rows" if gap["unit"] == "row" else "groups"
        why = f"adapter and base cannot be told apart with {units}: a verdict needs at least {MIN_UNITS} {kind}"
    elif result == statistics.SAME:
        change = f"the loss changed by {100 * gap['mean'] / base_loss:+.2f} %" if base_loss else "both losses are 0"
        why = f"adapter and base are hardly different on {units}: {change}, below {100 * MIN_EFFECT_SHARE:g} %"
    elif result == statistics.NOT_ENOUGH_ROWS:
        interval = f"{gap['low']:+.3f} to {gap['high']:+.3f} nats per token"
        why = f"adapter and base cannot be told apart with {units}: the 95 % interval of the difference is {interval}"
    else:
        way = "lower" if result == statistics.BETTER else "higher"
        low, high = sorted((abs(gap["low"]), abs(gap["high"])))
        sentence = f"the adapter is {result} than base: its loss is {abs(gap['mean']):.3f} nats per token {way}"
        why = f"{sentence} on {units} (95 % interval {low:.3f} to {high:.3f})"
    better = {statistics.BETTER: True, statistics.WORSE: False}.get(result)
    return {"better_than_base": better, "result": result, "why": why}


def _as_paired(held_out: dict[str, Any]) -> statistics.Paired:
    gap = held_out["difference"]
    base, adapter = (statistics.Interval(held_out[who]["loss"], math.nan, math.nan) for who in ("base", "adapter"))
    between = statistics.Interval(gap["mean"], gap["low"], gap["high"])
    return statistics.Paired(
        held_out["num_rows"], gap["num_units"], gap["unit"], base, adapter, between, gap["num_draws"]
    )


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
