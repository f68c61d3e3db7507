"""The least arithmetic that an exact LoRA step needs, and the least computed by what: for the share of the peak.

Counted (one multiply and one add are two operations):

- matrices of the body: forward, and the gradient of their input (frozen: none of their weights); the projections
  q, k and v of the first layer need no gradient of their input, since nothing below them learns
- LoRA: forward, gradient of the input, gradients of A and B
- the head at positions whose next token is a label: logits, and the gradient of the hidden state
- attention, causal: 4 x width x keys seen forward, 3.5 times that with backward (five products of the same size
  behind two of the forward)

A prefix that rows of one step share is counted once, as it would be computed once; so are equal labels behind it.
Norms, activations, rotations, softmax and the optimizer are not counted.
"""

from __future__ import annotations

import random
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

Row = tuple[Sequence[int], Sequence[int]]


@dataclass(frozen=True)
class Least:
    """What a set of rows needs at least, computed together.

    Args:
        tokens: nodes of the rows' trie, the shared ones once.
        keys: positions seen by all tokens together, themselves included.
        labels: places in the trie where a token is predicted.
    """

    tokens: int
    keys: int
    labels: int


def least_of(rows: Sequence[Row], shared: bool = True) -> Least:
    """Count the trie of the rows: sorted, each row adds what lies beyond its common prefix with the one before.

    Args:
        rows: (ids, labels), -100 where nothing is learnt.
        shared: False counts every row in full.
    """
    tokens = keys = num_labels = 0
    before: Sequence[int] = ()
    for ids, labels in sorted((list(ids), list(labels)) for ids, labels in rows):
        start = _common(before, ids) if shared else 0
        tokens += len(ids) - start
        keys += (len(ids) * (len(ids) + 1) - start * (start + 1)) // 2
        num_labels += sum(label != -100 for label in labels[max(1, start) :])
        before = ids
    return Least(tokens, keys, num_labels)


def _common(one: Sequence[int], other: Sequence[int]) -> int:
    count = 0
    for a, b in zip(one, other):
        if a != b:
            break
        count += 1
    return count


def least_operations(config: Mapping[str, Any], rank: int, need: Least) -> float:
    """Operations of one step, in the counting of this module's head.

    Args:
        config: hidden_size, intermediate_size, num_hidden_layers, num_attention_heads, num_key_value_heads, head_dim
            (or left out), vocab_size.
        rank: of LoRA, on every linear layer of the body.
        need: of the rows of the step.
    """
    hidden, inner = config["hidden_size"], config["intermediate_size"]
    heads, key_heads = config["num_attention_heads"], config["num_key_value_heads"]
    size = config.get("head_dim") or hidden // heads
    inputs = [(hidden, heads * size), (hidden, key_heads * size), (hidden, key_heads * size)]
    shapes = [*inputs, (heads * size, hidden), (hidden, inner), (hidden, inner), (inner, hidden)]
    layers = config["num_hidden_layers"]
    weights = layers * sum(a * b for a, b in shapes)
    still = sum(a * b for a, b in inputs)
    adapters = layers * sum(rank * (a + b) for a, b in shapes)
    body = need.tokens * (2 * weights + 2 * (weights - still) + 6 * adapters)
    head = need.labels * 4 * hidden * config["vocab_size"]
    attention = 3.5 * 4 * need.keys * heads * size * layers
    return float(body + head + attention)


def operations_per_example(
    config: Mapping[str, Any], rank: int, rows: Sequence[Row], groups: Sequence[str], batch_size: int, by_group: bool
) -> float:
    """Mean over steps of rows drawn as a trainer draws them: shuffled, or groups shuffled and kept together.

    Args:
        config, rank: see least_operations.
        rows: (ids, labels).
        groups: of each row.
        batch_size: rows a step.
        by_group: rows of one group stay together.
    """
    draw = random.Random(0)
    total, count = 0.0, 0
    for _ in range(8):
        order = list(range(len(rows)))
        draw.shuffle(order)
        if by_group:
            place = {group: k for k, group in enumerate(dict.fromkeys(groups[k] for k in order))}
            order.sort(key=lambda k: place[groups[k]])
        for start in range(0, len(order) - batch_size + 1, batch_size):
            step = [rows[k] for k in order[start : start + batch_size]]
            total += least_operations(config, rank, least_of(step))
            count += batch_size
    return total / count
