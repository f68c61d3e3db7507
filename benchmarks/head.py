"""The loss over the head, and scoring of rows: time beside the bare matrix products, TRL's fused head and padded rows.

Run: OMP_NUM_THREADS=1 python -m benchmarks.head [ROUNDS [PART ...]]     parts: 32k 152k scoring memory; all without one

Times are the process's own (CPU seconds), so that other work on the machine counts little; the order is drawn anew in
each round, and ratios are taken inside a round. The floor of a head is its two products, labels x hidden x vocabulary
each: one for the logits, one for the gradient of the hidden states. A last part asks for the memory: each way in a
process of its own.
"""

from __future__ import annotations

import json
import platform
import random
import resource
import statistics
import subprocess
import sys
import time
from collections.abc import Callable
from datetime import datetime, timezone
from typing import Any

NUM_LABELS = 540
SIZES = {"32k": (32_000, 512), "152k": (151_936, 1_024)}  # part -> vocabulary, hidden
CHUNK_MEBIBYTES = (8, 16, 32, 64, 128)
DEFAULT_MEBIBYTES = 32


def head_ways(num_vocabulary: int, num_hidden: int) -> dict[str, Callable[[], Any]]:
    """Name -> one forward and backward over random labels; each gives the gradient of the hidden states."""
    import torch

    from finetune.models import frozen_head

    draw = torch.Generator().manual_seed(0)
    matrix = torch.randn(num_vocabulary, num_hidden, generator=draw).mul_(0.05)
    hidden = torch.randn(NUM_LABELS, num_hidden, generator=draw).requires_grad_()
    targets = torch.randint(0, num_vocabulary, (NUM_LABELS,), generator=draw)
    weights = torch.ones(NUM_LABELS)
    head = frozen_head.FrozenHead(matrix, None, 1.0, None, None, None, torch.float32)

    def products() -> Any:
        logits = hidden.detach() @ matrix.t()
        return logits @ matrix

    def kit(mebibytes: int, measure: tuple[str, ...] = ()) -> Callable[[], Any]:
        def run() -> Any:
            frozen_head._CHUNK_BYTES["cpu"] = mebibytes << 20
            total, _ = frozen_head.score(hidden, targets, weights, head, measure)
            return torch.autograd.grad(total, hidden)[0]

        return run

    def plain() -> Any:
        loss = torch.nn.functional.cross_entropy((hidden @ matrix.t()).float(), targets, reduction="sum")
        return torch.autograd.grad(loss, hidden)[0]

    def trl(outputs: tuple[str, ...]) -> Callable[[], Any]:
        import trl.trainer.utils  # noqa: F401  # its backward pass imports it, which must not count
        from trl.kernels import ChunkedLogProbFunction

        def run() -> Any:
            found: Any = ChunkedLogProbFunction.apply(hidden, matrix, None, targets, 1.0, 32_768, None, 1.0, outputs)
            return torch.autograd.grad(-found[0].sum(), hidden)[0]

        return run

    ways = {"two products": products, "full logits": plain}
    ways |= {"TRL fused": trl(()), "TRL fused, its measures": trl(("entropy", "is_top1"))}
    ways |= {f"kit, {mebibytes} MiB": kit(mebibytes) for mebibytes in CHUNK_MEBIBYTES}
    ways["kit, with measures"] = kit(DEFAULT_MEBIBYTES, ("accuracy", "entropy"))
    return ways


def scoring_ways() -> dict[str, Callable[[], Any]]:
    """Name -> losses of 12 rows with one system prompt of 220 tokens, as of a model of 58 million numbers."""
    import torch
    from transformers import LlamaConfig, LlamaForCausalLM

    from finetune.models import scoring

    words: dict[str, Any] = {"vocab_size": 32_000, "hidden_size": 512, "intermediate_size": 1_376}
    words |= {"num_hidden_layers": 8, "num_attention_heads": 8, "num_key_value_heads": 8}
    torch.manual_seed(0)
    model: Any = LlamaForCausalLM(LlamaConfig(**words)).eval()
    draw = random.Random(0)
    system = [draw.randrange(3, 32_000) for _ in range(220)]
    rows = []
    for _ in range(12):
        question = [draw.randrange(3, 32_000) for _ in range(draw.randint(22, 67))]
        answer = [draw.randrange(3, 32_000) for _ in range(min(400, max(40, int(draw.lognormvariate(4.7, 0.6)))))]
        rows.append((system + question + answer, [-100] * (220 + len(question)) + answer))

    def padded() -> Any:
        with torch.no_grad():
            return scoring._padded_losses(model, rows, 4_096, None, None)

    return {
        "own logits, padded": lambda: own_logits(model, rows),
        "kit, padded": padded,
        "kit": lambda: scoring.row_losses(model, rows),
    }


def own_logits(model: Any, rows: list[tuple[list[int], list[int]]]) -> list[tuple[float, int]]:
    """Rows sorted by length and padded, the model's logits wherever some row of the pass has a label."""
    import torch

    limit = min(4_096, (1 << 26) // 32_000)  # tokens of a pass: 256 MiB of logits
    order = sorted(range(len(rows)), key=lambda k: len(rows[k][0]))
    found = [(0.0, 0)] * len(rows)
    with torch.inference_mode():
        while order:
            num = 1
            while num < len(order) and len(rows[order[num]][0]) * (num + 1) <= limit:
                num += 1
            chosen, order = order[:num], order[num:]
            width = len(rows[chosen[-1]][0])
            ids, labels = torch.zeros(num, width, dtype=torch.long), torch.full((num, width), -100)
            mask = torch.zeros(num, width, dtype=torch.long)
            for k, number in enumerate(chosen):
                size = len(rows[number][0])
                ids[k, :size], labels[k, :size] = torch.tensor(rows[number][0]), torch.tensor(rows[number][1])
                mask[k, :size] = 1
            kept = (labels[:, 1:] != -100).any(dim=0).nonzero().flatten()
            logits = model(input_ids=ids, attention_mask=mask, use_cache=False, logits_to_keep=kept).logits
            targets = labels[:, 1:][:, kept]
            nats = torch.nn.functional.cross_entropy(
                logits.float().flatten(0, 1), targets.flatten(), reduction="none", ignore_index=-100
            ).view_as(targets)
            for k, number in enumerate(chosen):
                found[number] = (float(nats[k].double().sum()), int((targets[k] != -100).sum()))
    return found


def measure(ways: dict[str, Callable[[], Any]], rounds: int) -> dict[str, list[float]]:
    """CPU seconds of each way, round by round, in an order drawn anew; a first round is thrown away."""
    draw = random.Random(0)
    found: dict[str, list[float]] = {name: [] for name in ways}
    for number in range(rounds + 1):
        names = list(ways)
        draw.shuffle(names)
        for name in names:
            start = time.process_time()
            ways[name]()
            if number:
                found[name].append(time.process_time() - start)
    return found


def report(title: str, found: dict[str, list[float]], floor: str) -> None:
    print(
        f"\n{title}: CPU seconds, median of {len(found[floor])} rounds; x over '{floor}' inside a round [least, most]"
    )
    for name, seconds in found.items():
        ratios = [a / b for a, b in zip(seconds, found[floor], strict=True)]
        middle = statistics.median(ratios)
        print(f"  {name:28} {statistics.median(seconds):7.3f}  x {middle:.2f} [{min(ratios):.2f}-{max(ratios):.2f}]")


def peak(size: str, name: str) -> None:
    """One way once, in this process: how many MiB its peak lies above what was held before."""
    ways = head_ways(*SIZES[size])
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    ways[name]()
    print(json.dumps({"mebibytes": (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) / 1024}))


def main() -> None:
    rounds = int(sys.argv[1]) if len(sys.argv) > 1 else 5
    parts = sys.argv[2:] or [*SIZES, "scoring", "memory"]
    print(f"{datetime.now(timezone.utc):%Y-%m-%d} {platform.processor() or platform.machine()}, one thread", flush=True)
    for size in (part for part in SIZES if part in parts):
        ways = head_ways(*SIZES[size])
        found = measure(ways, rounds)
        num_vocabulary, num_hidden = SIZES[size]
        title = f"{NUM_LABELS} labels, vocabulary {num_vocabulary:,}, hidden {num_hidden:,}, float32"
        report(title, found, "two products")
        work = 4 * NUM_LABELS * num_vocabulary * num_hidden
        print(f"  two products: {work / statistics.median(found['two products']) / 1e9:.0f} GFLOP/s")
        exact = ways["full logits"]()
        differs = (ways[f"kit, {DEFAULT_MEBIBYTES} MiB"]() - exact).norm() / exact.norm()
        print(f"  gradient of the kit, apart from that of full logits: {float(differs):.1e}", flush=True)
    if "scoring" in parts:
        report("scoring 12 rows that share 220 tokens", measure(scoring_ways(), rounds), "kit")
    if "memory" in parts:
        print_peaks()


def print_peaks() -> None:
    print("\npeak memory of one head, MiB over what was held before it")
    for size in SIZES:
        for name in ("full logits", "TRL fused", f"kit, {DEFAULT_MEBIBYTES} MiB"):
            command = [sys.executable, "-m", "benchmarks.head", "peak", size, name]
            out = subprocess.run(command, capture_output=True, text=True, check=True).stdout.splitlines()[-1]
            print(f"  {size:6} {name:20} {json.loads(out)['mebibytes']:7.0f}")


if __name__ == "__main__":
    if sys.argv[1:2] == ["peak"]:
        peak(*sys.argv[2:])
    else:
        main()
