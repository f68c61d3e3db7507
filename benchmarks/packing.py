"""Prefix packing: CPU milliseconds a step, tokens saved, and how far the packs are from the best there could be.

Run: python -m benchmarks.packing [PASS_TOKENS ...]      budgets of a pack, 1650 and 4096 when none is given

512 rows of random tokens in four shapes, as lists, in steps of 8 to 256 rows:
- system: one system prompt of 220 tokens, questions of 22-67, answers of 40-400 (lognormal);
- nothing: the same lengths, but no two rows begin alike;
- documents: 60 shared tokens, then documents of 300-900 tokens with 3-8 questions each, its rows one after the other
  (train.order: by_group), and the same shuffled.

Saved is the share of row tokens not computed. Above bound says how many tokens, or packs, more there are than a bound
that no packing can beat: it counts how often each stretch of the trie must at least be repeated, from its leaves up
(the contents of a stretch, divided by the room behind it). Full is the mean share of the budget that packs use.
"""

from __future__ import annotations

import platform
import sys
import time
from datetime import datetime, timezone
from statistics import median

import numpy as np

from finetune.packing import IGNORED, PackingFacts, facts_of, pack_rows

NUM_ROWS = 512
BATCH_SIZES = (8, 16, 32, 64, 128, 256)
BUDGETS = (1650, 4096)
VOCABULARY = 32_000

Row = tuple[list[int], list[int]]


def tokens(draw: np.random.Generator, num_tokens: int) -> list[int]:
    return draw.integers(0, VOCABULARY, num_tokens).tolist()


def row(draw: np.random.Generator, prefix: list[int]) -> Row:
    """A prefix, a question and an answer; labels on the answer."""
    question = tokens(draw, int(draw.integers(22, 68)))
    answer = tokens(draw, int(np.clip(draw.lognormal(4.7, 0.6), 40, 400)))
    unlabelled = prefix + question
    return unlabelled + answer, [IGNORED] * len(unlabelled) + answer


def shapes() -> dict[str, list[Row]]:
    draw = np.random.default_rng(0)
    system = tokens(draw, 220)
    documents: list[Row] = []
    while len(documents) < NUM_ROWS:
        document = system[:60] + tokens(draw, int(draw.integers(300, 901)))
        documents += [row(draw, document) for _ in range(int(draw.integers(3, 9)))]
    documents = documents[:NUM_ROWS]
    return {
        "system": [row(draw, system) for _ in range(NUM_ROWS)],
        "nothing": [row(draw, tokens(draw, 220)) for _ in range(NUM_ROWS)],
        "documents, grouped": documents,
        "documents, shuffled": [documents[number] for number in draw.permutation(NUM_ROWS)],
    }


def least(rows: list[Row], pass_tokens: int) -> tuple[int, int]:
    """(tokens, packs) that no packing of these rows can do without.

    Valid where every row is within the budget.
    """
    [whole] = pack_rows(rows, None)
    starts = [start for start, _, _ in whole.segments]
    num_copies, num_below, num_packs_below = {}, dict.fromkeys(starts, 0), dict.fromkeys(starts, 1)
    total, packs_at_root, parents = 0, 1, parents_of(whole.segments)
    for start, stop, _ in reversed(whole.segments):
        depth = int(whole.positions[stop - 1]) + 1
        room = pass_tokens - depth
        needed = -(-num_below[start] // room) if num_below[start] else 1
        num_copies[start] = max(needed, num_packs_below[start])
        num_tokens = num_copies[start] * (stop - start) + num_below[start]
        parent = parents[start]
        if parent is None:
            total, packs_at_root = total + num_tokens, max(packs_at_root, num_copies[start])
        else:
            num_below[parent] += num_tokens
            num_packs_below[parent] = max(num_packs_below[parent], num_copies[start])
    return total, max(packs_at_root, -(-total // pass_tokens))


def parents_of(segments: tuple[tuple[int, int, int], ...]) -> dict[int, int | None]:
    """The start of the stretch above each stretch; None for a root."""
    parents: dict[int, int | None] = {}
    above: list[tuple[int, int]] = []  # (start, end) of the stretches that hold the one at hand
    for start, _, end in segments:
        while above and above[-1][1] <= start:
            above.pop()
        parents[start] = above[-1][0] if above else None
        above.append((start, end))
    return parents


def measured(rows: list[Row], batch_size: int, pass_tokens: int) -> str:
    """One line of the table."""
    milliseconds, facts, bound_tokens, bound_packs = [], PackingFacts(), 0, 0
    for first in range(0, NUM_ROWS, batch_size):
        step = rows[first : first + batch_size]
        for _ in range(3):
            started = time.process_time()
            packs = pack_rows(step, pass_tokens)
            milliseconds.append(1e3 * (time.process_time() - started))
        facts = facts.add(facts_of(packs))
        num_tokens, num_packs = least(step, pass_tokens)
        bound_tokens, bound_packs = bound_tokens + num_tokens, bound_packs + num_packs
    num_steps = NUM_ROWS // batch_size
    return (
        f"{batch_size:5} {median(milliseconds):11.2f} {100 * facts.saved_share:8.1f} % "
        f"{facts.num_packs / num_steps:8.2f} {100 * facts.num_computed_tokens / facts.num_packs / pass_tokens:7.1f} % "
        f"{100 * (facts.num_computed_tokens / bound_tokens - 1):10.2f} % "
        f"{100 * (facts.num_packs / bound_packs - 1):10.2f} %"
    )


def main() -> None:
    budgets = [int(text) for text in sys.argv[1:]] or BUDGETS
    made = shapes()
    machine = f"{platform.machine()}, Python {platform.python_version()}, numpy {np.__version__}"
    print(f"{machine}, {datetime.now(timezone.utc):%Y-%m-%d}; {NUM_ROWS} rows, medians over steps, each packed 3 times")
    for pass_tokens in budgets:
        for name, rows in made.items():
            print(f"\n{name}, {sum(len(ids) for ids, _ in rows) / NUM_ROWS:.0f} tokens a row, budget {pass_tokens}")
            print(" rows CPU ms/step      saved  packs/step    full  tokens above bound  packs above bound")
            for batch_size in BATCH_SIZES:
                print(measured(rows, batch_size, pass_tokens), flush=True)
    draw = np.random.default_rng(1)
    system = tokens(draw, 220)
    many = [row(draw, system) for _ in range(5_000)]
    started = time.process_time()
    pack_rows(many, budgets[0])
    print(f"\n5,000 rows of shape system at once: {time.process_time() - started:.2f} CPU s")


if __name__ == "__main__":
    main()
