"""One training step by peft's own LoRA layers and by the lean ones: CPU-seconds, peak memory, bytes that are held.

Two random models (58 M Llama; 250 M Qwen3 with its real vocabulary), one row of tokens, rank 16 on all linear layers,
float32, one thread. The step is the forward and backward pass of the layers; the head and its loss are left out,
because they are the same for all. Steps are interleaved in shuffled order; seconds are medians of process time. Peak
memory comes from a process for each, as the growth of its largest resident size during one step (Linux only). Held
bytes are what autograd keeps between the passes, each piece of memory counted once.

Run: python -m benchmarks.lean [ROUNDS] [TOKENS] [SHAPES]
"""

from __future__ import annotations

import contextlib
import os
import random
import statistics
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

CONTENDERS = ("peft", "lean layers", "lean layers and MLPs", "lean")
SHAPES: dict[str, dict[str, Any]] = {
    "A": {
        "model_type": "llama",
        "hidden_size": 512,
        "intermediate_size": 1376,
        "num_hidden_layers": 8,
        "num_attention_heads": 8,
        "num_key_value_heads": 8,
        "vocab_size": 32_000,
    },
    "B": {
        "model_type": "qwen3",
        "hidden_size": 1024,
        "intermediate_size": 3072,
        "num_hidden_layers": 6,
        "num_attention_heads": 16,
        "num_key_value_heads": 8,
        "head_dim": 128,
        "vocab_size": 151_936,
        "tie_word_embeddings": True,
    },
}
TARGETS = ["q_proj", "k_proj", "v_proj", "o_proj", "gate_proj", "up_proj", "down_proj"]
MEGA = 2**20


def adapted_model(shape: str) -> Any:
    """A random model of a shape with an adapter whose effect is not zero."""
    import torch
    from peft import LoraConfig, get_peft_model
    from transformers import AutoConfig, AutoModelForCausalLM

    torch.set_num_threads(1)
    torch.manual_seed(0)
    model = AutoModelForCausalLM.from_config(AutoConfig.for_model(**SHAPES[shape], max_position_embeddings=8192))
    adapted = get_peft_model(model, LoraConfig(r=16, lora_alpha=32, target_modules=TARGETS, task_type="CAUSAL_LM"))
    for name, parameter in adapted.named_parameters():
        if "lora_B" in name:
            torch.nn.init.normal_(parameter, std=0.02)
    return adapted.train()


@contextlib.contextmanager
def computed_by(model: Any, contender: str) -> Iterator[None]:
    """Inside, the model computes as a contender does."""
    from finetune.models.lean import lean

    if contender == "peft":
        yield
    else:
        with lean(model, norms=contender == "lean", mlps=contender != "lean layers"):
            yield


def forward(model: Any, num_tokens: int) -> Any:
    """A number that all hidden states count in."""
    import torch

    generator = torch.Generator().manual_seed(1)
    ids = torch.randint(10, 30_000, (1, num_tokens), generator=generator)
    states = model.get_base_model().model(input_ids=ids, use_cache=False).last_hidden_state
    return (states * torch.linspace(-1, 1, states.shape[-1])).mean()


def step(model: Any, num_tokens: int) -> float:
    """CPU-seconds of one forward and backward pass."""
    start = time.process_time()
    forward(model, num_tokens).backward()
    model.zero_grad(set_to_none=True)
    return time.process_time() - start


def held_bytes(model: Any, num_tokens: int) -> int:
    """What autograd keeps for the backward pass, parameters left out."""
    import torch

    own = {parameter.untyped_storage().data_ptr() for parameter in model.parameters()}
    held: dict[int, int] = {}

    def pack(tensor: Any) -> Any:
        storage = tensor.untyped_storage()
        if storage.data_ptr() not in own:
            held[storage.data_ptr()] = storage.nbytes()
        return tensor

    with torch.autograd.graph.saved_tensors_hooks(pack, lambda tensor: tensor):
        forward(model, num_tokens).backward()
    return sum(held.values())


def seconds_of(shape: str, rounds: int, num_tokens: int) -> dict[str, list[float]]:
    """CPU-seconds of each contender in each round, after one round to warm up."""
    model = adapted_model(shape)
    shuffler = random.Random(0)
    seconds: dict[str, list[float]] = {contender: [] for contender in CONTENDERS}
    for number in range(rounds + 1):
        for contender in shuffler.sample(CONTENDERS, len(CONTENDERS)):
            with computed_by(model, contender):
                taken = step(model, num_tokens)
            if number:
                seconds[contender].append(taken)
    return seconds


def status_bytes(word: str) -> int:
    """A size of this process: VmRSS is that of now, VmHWM the largest."""
    lines = Path("/proc/self/status").read_text(encoding="ascii").splitlines()
    return next(int(line.split()[1]) * 1024 for line in lines if line.startswith(f"{word}:"))


def memory_of(shape: str, contender: str, num_tokens: int) -> None:
    """Print peak growth and held bytes; for a process of its own."""
    model = adapted_model(shape)
    with computed_by(model, contender):
        step(model, 16)
        Path("/proc/self/clear_refs").write_text("5")  # the largest size so far is forgotten
        before = status_bytes("VmRSS")
        step(model, num_tokens)
        print(status_bytes("VmHWM") - before, held_bytes(model, num_tokens))


def main() -> None:
    if sys.argv[1:2] == ["memory"]:
        memory_of(sys.argv[2], sys.argv[3], int(sys.argv[4]))
        return
    words = [*sys.argv[1:], *["7", "1650", "AB"][len(sys.argv) - 1 :]]
    rounds, num_tokens, shapes = int(words[0]), int(words[1]), words[2]
    print(
        f"{num_tokens} tokens, {rounds} rounds, CPU-seconds: median [smallest, largest], and median share of peft's\n"
    )
    print("| shape | computed by | CPU-seconds | share of peft's | peak MB | held MB |\n|---|---|---|---|---|---|")
    for shape in shapes:
        seconds = seconds_of(shape, rounds, num_tokens)
        for contender, taken in seconds.items():
            shares = [one / other for one, other in zip(taken, seconds["peft"], strict=True)]
            command = [sys.executable, "-m", "benchmarks.lean", "memory", shape, contender, str(num_tokens)]
            one_thread = {**os.environ, "OMP_NUM_THREADS": "1"}
            found = subprocess.run(command, capture_output=True, text=True, check=True, env=one_thread).stdout.split()
            peak, held = (int(word) / MEGA for word in found[-2:])
            span = f"{statistics.median(taken):.2f} [{min(taken):.2f}, {max(taken):.2f}]"
            share = statistics.median(shares)
            print(f"| {shape} | {contender} | {span} | {share:.3f} | {peak:.0f} | {held:.0f} |", flush=True)


if __name__ == "__main__":
    main()
