"""Rows and tokens a second of rendering: the kit's two ways beside `datasets.map` with the bare tokenizer, interleaved.

Run: python -m benchmarks.tokenising [ROUNDS]

The floor does less: it encodes texts that are already rendered, and finds nothing out about what is trained. Rows are
invented (words drawn as Zipf says), with a system prompt, in one exchange and in four; the tokenizer (30,000 pieces)
is trained on them, and the template is the shipped chatml. One process and one thread each; `two processes` says so.
"""

from __future__ import annotations

import os

os.environ["TOKENIZERS_PARALLELISM"] = "false"

import platform
import random
import statistics
import sys
import time
from collections.abc import Callable
from datetime import datetime, timezone
from typing import Any

from finetune.data import Conversation, Message
from finetune.models.templates import read_template
from finetune.prepare.chunks import Rules, messages_of, rendered_chunks
from finetune.render import Renderer

NUM_ROWS = 8_000
NUM_SLOW_ROWS = 200
SYSTEM = (
    "You answer the questions of a clinic's patients in plain words. You never name a dose and never diagnose. " * 3
)
RULES = Rules(max_length=1 << 20, overlong="drop")


def make_rows(num_exchanges: int, num: int = NUM_ROWS, seed: int = 0) -> list[Conversation]:
    """Invented rows, the same ones for the same seed."""
    draw = random.Random(seed)
    letters = "abcdefghijklmnopqrstuvwxyz"
    words = ["".join(draw.choices(letters, k=draw.randint(2, 9))) for _ in range(20_000)]
    words[::10] = ["".join(chr(draw.randint(0x4E00, 0x5200)) for _ in range(3)) for _ in words[::10]]
    weights = [1 / (k + 1) for k in range(len(words))]

    def text(low: int, high: int) -> str:
        return " ".join(draw.choices(words, weights, k=draw.randint(low, high))).capitalize() + "."

    rows = []
    for number in range(num):
        turns = [Message("system", SYSTEM)]
        for _ in range(num_exchanges):
            turns += [Message("user", text(5, 60)), Message("assistant", text(20, 160))]
        rows.append(Conversation(tuple(turns), f"rows.jsonl:{number + 1}"))
    return rows


def make_tokenizer(rows: list[Conversation]) -> Any:
    """A byte-level tokenizer trained on the rows, with the pieces of a shipped template."""
    from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers
    from transformers import PreTrainedTokenizerFast

    backend = Tokenizer(models.BPE())
    backend.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)  # type: ignore[assignment]
    backend.decoder = decoders.ByteLevel()  # type: ignore[assignment]
    trainer = trainers.BpeTrainer(
        vocab_size=30_000, special_tokens=["<|endoftext|>", "<|im_start|>", "<|im_end|>"], show_progress=False,
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
    )  # fmt: skip
    backend.train_from_iterator((message.content for row in rows for message in row.messages), trainer)
    tokenizer = PreTrainedTokenizerFast(
        tokenizer_object=backend, eos_token="<|im_end|>", pad_token="<|endoftext|>", model_max_length=1 << 20
    )
    tokenizer.chat_template = read_template("chatml")
    return tokenizer


def kit(renderer: Renderer, rows: list[Conversation], num_processes: int = 1) -> int:
    """Rendered as a run renders them: ids, labels and counts by part."""
    chunks = rendered_chunks(renderer, rows, RULES, num_processes)
    return sum(len(chunk.tokens.ids) for _, chunk in chunks if chunk.tokens is not None)


def one_by_one(renderer: Renderer, rows: list[Conversation]) -> int:
    """The exact way of a single row, which preview and chat take."""
    return sum(len(renderer.render(*messages_of(row)).input_ids) for row in rows)


def floor(tokenizer: Any, texts: Any) -> int:
    """The bare tokenizer over rendered texts."""
    done = texts.map(
        lambda batch: {"input_ids": tokenizer(batch["text"], add_special_tokens=False)["input_ids"]},
        batched=True, batch_size=1_000, load_from_cache_file=False, remove_columns="text",
    )  # fmt: skip
    return int(done.data.column("input_ids").combine_chunks().values.__len__())


def measure(num_exchanges: int, rounds: int) -> None:
    """Every way `rounds` times, by turns; medians."""
    from datasets import Dataset, disable_progress_bars

    disable_progress_bars()
    rows = make_rows(num_exchanges)
    tokenizer = make_tokenizer(rows)
    renderer = Renderer(tokenizer)
    rendered = [tokenizer.apply_chat_template(messages_of(row)[0], tokenize=False) for row in rows]
    texts = Dataset.from_dict({"text": rendered})
    few = rows[:NUM_SLOW_ROWS]
    ways: dict[str, tuple[Callable[[], int], int]] = {
        "floor: datasets.map, bare tokenizer": (lambda: floor(tokenizer, texts), len(rows)),
        "kit, many rows at once": (lambda: kit(renderer, rows), len(rows)),
        "kit, many rows at once, two processes": (lambda: kit(renderer, rows, 2), len(rows)),
        "kit, one by one": (lambda: one_by_one(renderer, few), len(few)),
    }
    seconds: dict[str, list[tuple[float, float]]] = {name: [] for name in ways}
    tokens: dict[str, int] = {}
    for _ in range(rounds):
        for name, (way, _) in ways.items():
            start, start_cpu = time.perf_counter(), time.process_time()
            tokens[name] = way()
            seconds[name].append((time.perf_counter() - start, time.process_time() - start_cpu))
    both = list(tokens)[:2]
    assert tokens[both[0]] == tokens[both[1]], "the kit and the bare tokenizer write the same tokens"
    print(f"\n{num_exchanges} exchange(s) a row, {len(rows):,} rows, {tokens[both[0]] / len(rows):.0f} tokens a row")
    base = 0.0
    for name, (_, num) in ways.items():
        wall, cpu = (statistics.median(took) for took in zip(*seconds[name]))
        base = base or cpu / num
        ratio = f"{cpu / num / base:.2f} x the floor's CPU time" if "processes" not in name else ""
        print(f"  {name:<40} {num / wall:>9,.0f} rows/s  {tokens[name] / wall:>12,.0f} tokens/s  {ratio}".rstrip())


def main() -> None:
    rounds = int(sys.argv[1]) if len(sys.argv) > 1 else 3
    now = datetime.now(timezone.utc).strftime("%Y-%m-%d")
    print(
        f"{now}, {platform.machine()}, {os.cpu_count()} CPUs, Python {platform.python_version()}, "
        f"{rounds} rounds, medians, seed 0"
    )
    for num_exchanges in (1, 4):
        measure(num_exchanges, rounds)


if __name__ == "__main__":
    main()
