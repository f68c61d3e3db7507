"""Attention over packs: along the trie, under a mask, and the padded batch, in CPU-seconds of a step.

The step is the forward and backward pass of a decoder with peft's LoRA on all linear layers (rank 16, float32, one
thread) over the same rows; the head and its loss are left out, because they are the same for all. The columns "alone"
are attention by itself, on random queries, keys and values of the same sizes. Contenders are interleaved in shuffled
order; figures are medians of process time, with the smallest and largest ratio of a round. "side by side" are packs
that share nothing. "one call a stretch" is the trie without the plan: no masks over small subtrees, no halving.

Run: OMP_NUM_THREADS=1 python -m benchmarks.attention [ROUNDS [PART OF A SHAPE'S NAME]]
"""

from __future__ import annotations

import contextlib
import random
import statistics
import sys
import time
from collections.abc import Callable, Iterator
from typing import Any

BASES: dict[str, dict[str, Any]] = {
    "starter": {
        "hidden_size": 192,
        "intermediate_size": 512,
        "num_hidden_layers": 6,
        "num_attention_heads": 6,
        "num_key_value_heads": 2,
    },
    "58 M": {
        "hidden_size": 512,
        "intermediate_size": 1376,
        "num_hidden_layers": 8,
        "num_attention_heads": 8,
        "num_key_value_heads": 8,
    },
}
Rows = list[list[int]]
CONTENDERS = ("padded", "side by side", "mask", "one call a stretch", "segmented")


def prompts(draw: random.Random, num_rows: int, shared: int, own: tuple[int, int], copies: int = 1) -> Rows:
    """Rows that begin with `shared` common tokens and go on with their own; `copies` such groups."""
    rows = []
    for _ in range(copies):
        head = [draw.randrange(3, 999) for _ in range(shared)]
        rows += [head + [draw.randrange(3, 999) for _ in range(draw.randint(*own))] for _ in range(num_rows)]
    return rows


def shapes() -> dict[str, tuple[str, Rows]]:
    draw = random.Random(0)
    return {
        "starter, 16 rows behind 40 tokens": ("starter", prompts(draw, 16, 40, (25, 110))),
        "8 rows behind 220 tokens": ("58 M", prompts(draw, 8, 220, (60, 460))),
        "8 rows, nothing shared": ("58 M", prompts(draw, 8, 0, (60, 460))),
        "2 documents of 600 tokens, 4 rows each": ("58 M", prompts(draw, 4, 600, (40, 200), copies=2)),
    }


def adapted_model(base: str) -> Any:
    import torch
    from peft import LoraConfig, get_peft_model
    from transformers import LlamaConfig, LlamaForCausalLM

    torch.manual_seed(0)
    model = LlamaForCausalLM(LlamaConfig(**BASES[base], vocab_size=1_000, max_position_embeddings=8_192))
    adapted: Any = get_peft_model(model, LoraConfig(r=16, target_modules="all-linear", init_lora_weights=False))
    return adapted.train()


@contextlib.contextmanager
def plan_without_choice() -> Iterator[None]:
    """One call for each stretch against itself, and one for what hangs below it."""
    from finetune.models import segmented

    former = segmented._Planner.chain, segmented._Planner.grouped

    def chain(self: Any, tokens: int) -> float:
        return self.cost + tokens**2

    def grouped(self: Any, siblings: list[int]) -> tuple[float, list[list[int]]]:
        return 0.0, [[0, sibling] for sibling in siblings]

    segmented._Planner.chain, segmented._Planner.grouped = chain, grouped  # type: ignore[method-assign]
    segmented.plan_of.cache_clear()
    try:
        yield
    finally:
        segmented._Planner.chain, segmented._Planner.grouped = former  # type: ignore[method-assign]
        segmented.plan_of.cache_clear()


def padded_inputs(rows: Rows) -> dict[str, Any]:
    import torch

    width = max(map(len, rows))
    ids = torch.tensor([row + [0] * (width - len(row)) for row in rows])
    mask = torch.tensor([[1] * len(row) + [0] * (width - len(row)) for row in rows])
    return {"input_ids": ids, "attention_mask": mask}


def whole_step(model: Any, rows: Rows, contender: str) -> Callable[[], float]:
    """A function that runs one step and gives its CPU-seconds; making a pack's inputs is inside."""
    from finetune.models.segmented import plan_of
    from finetune.models.tree_attention import pack_inputs, packed_attention
    from finetune.packing import pack_rows

    decoder = model.get_base_model().model
    labelled = [(row, row) for row in rows]
    # Each row is whole for all contenders: tails that nothing reads are kept.
    (pack,) = pack_rows(labelled, None, share=contender != "side by side", keep_tails=True)
    kind = "mask" if contender == "mask" else "segmented"

    def passes() -> None:
        if contender == "padded":
            decoder(**padded_inputs(rows), use_cache=False).last_hidden_state.sum().backward()
            return
        with packed_attention(model, kind):
            decoder(**pack_inputs(pack, kind, "cpu"), use_cache=False).last_hidden_state.sum().backward()

    def step() -> float:
        model.zero_grad()
        plan_of.cache_clear()  # no two packs of a training are equal
        with plan_without_choice() if contender == "one call a stretch" else contextlib.nullcontext():
            start = time.process_time()
            passes()
            return time.process_time() - start

    return step


def attention_alone(base: str, rows: Rows, contender: str) -> Callable[[], float]:
    """The same for one layer's attention."""
    import torch
    import torch.nn.functional as functional

    from finetune.models.segmented import attend, plan_of
    from finetune.models.tree_attention import pack_inputs
    from finetune.packing import pack_rows

    words = BASES[base]
    heads, key_heads = words["num_attention_heads"], words["num_key_value_heads"]
    size = words["hidden_size"] // heads
    (pack,) = pack_rows([(row, row) for row in rows], None, share=contender != "side by side", keep_tails=True)
    batch, width = (len(rows), max(map(len, rows))) if contender == "padded" else (1, len(pack.ids))
    query, key, value = (
        torch.randn(batch, num, width, size, requires_grad=True) for num in (heads, key_heads, key_heads)
    )
    masks = {"padded": lambda: padded_inputs(rows)["attention_mask"].bool()[:, None, None].expand(-1, 1, width, -1)}
    # As transformers does: padding and causality in one mask.
    mask = masks["padded"]().tril() if contender == "padded" else pack_inputs(pack, "mask", "cpu")["attention_mask"]

    def passes() -> None:
        if contender in ("padded", "mask"):
            wide = [x.repeat_interleave(heads // key_heads, 1) for x in (key, value)]
            out = functional.scaled_dot_product_attention(query, *wide, attn_mask=mask)
        else:
            out = attend(query, key, value, pack.segments, size**-0.5)
        torch.autograd.grad(out, (query, key, value), out.detach())

    def step() -> float:
        plan_of.cache_clear()  # no two packs of a training are equal
        with plan_without_choice() if contender == "one call a stretch" else contextlib.nullcontext():
            start = time.process_time()
            passes()
            return time.process_time() - start

    return step


def interleaved(steps: dict[str, Callable[[], float]], rounds: int) -> dict[str, list[float]]:
    """Seconds of every contender in every round; the order is drawn anew for each round, the first is thrown away."""
    draw = random.Random(1)
    seconds: dict[str, list[float]] = {name: [] for name in steps}
    for number in range(rounds + 1):
        for name in draw.sample(list(steps), len(steps)):
            spent = steps[name]()
            if number:
                seconds[name].append(spent)
    return seconds


def cells(seconds: dict[str, list[float]], name: str) -> str:
    ratios = sorted(padded / own for padded, own in zip(seconds["padded"], seconds[name]))
    return (
        f"{statistics.median(seconds[name]):.4f} | {statistics.median(ratios):.2f} [{ratios[0]:.2f}-{ratios[-1]:.2f}]"
    )


def main() -> None:
    import torch
    import transformers

    torch.set_num_threads(1)
    rounds = int(sys.argv[1]) if len(sys.argv) > 1 else 9
    print(f"torch {torch.__version__}, transformers {transformers.__version__}, {rounds} rounds, 1 thread\n")
    print("| rows | contender | step, CPU-s | x padded | attention alone, CPU-s | x padded |")
    print("|---|---|---|---|---|---|", flush=True)
    wanted = sys.argv[2] if len(sys.argv) > 2 else ""
    for shape, (base, rows) in shapes().items():
        if wanted not in shape:
            continue
        model = adapted_model(base)
        whole = interleaved({name: whole_step(model, rows, name) for name in CONTENDERS}, rounds)
        alone = interleaved({name: attention_alone(base, rows, name) for name in CONTENDERS}, rounds)
        for name in CONTENDERS:
            print(f"| {shape} | {name} | {cells(whole, name)} | {cells(alone, name)} |", flush=True)


if __name__ == "__main__":
    main()
