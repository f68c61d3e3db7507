"""Peak memory and tokens a second of training on bases of real shapes with random weights, beside the plan's estimate.

Run: python -m benchmarks.gpu_shapes [--json FILE] [--folder FOLDER]     the shapes of Qwen3-0.6B and 8B, on a GPU
     python -m benchmarks.gpu_shapes --tiny                              a toy of the same kind, on any machine

Each shape is written as a folder (the large one needs 17 GB of disk; it is removed again), and each way of holding it
is trained for ten steps by the kit's own trainer in a process of its own, so that peaks do not mix, and this process
keeps off the GPU. Nothing is fetched.
"""

from __future__ import annotations

import argparse
import importlib.util
import json
import os
import platform
import random
import shutil
import subprocess
import sys
import tempfile
import time
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

STEPS, SKIPPED = 10, 2  # the first steps warm caches up; they do not count for the speed
_QWEN3 = {
    "head_dim": 128, "num_key_value_heads": 8, "vocab_size": 151_936, "max_position_embeddings": 40_960,
    "rope_theta": 1_000_000.0, "rms_norm_eps": 1e-6, "attention_bias": False,
}  # fmt: skip
SHAPES: dict[str, dict[str, Any]] = {
    "Qwen3-0.6B": {**_QWEN3, "hidden_size": 1_024, "num_hidden_layers": 28, "num_attention_heads": 16,
                   "intermediate_size": 3_072, "tie_word_embeddings": True},
    "Qwen3-8B": {**_QWEN3, "hidden_size": 4_096, "num_hidden_layers": 36, "num_attention_heads": 32,
                 "intermediate_size": 12_288, "tie_word_embeddings": False},
    "tiny": {**_QWEN3, "hidden_size": 128, "num_hidden_layers": 2, "num_attention_heads": 4, "head_dim": 32,
             "num_key_value_heads": 2, "intermediate_size": 256, "vocab_size": 8_192, "tie_word_embeddings": True},
}  # fmt: skip
ROWS = {"tiny": (64, 4)}  # tokens of a row, rows of a batch
USUAL_ROWS = (1_024, 16)
_SHARD_BYTES = 4 << 30


def write_base(name: str, folder: Path, device: str) -> None:
    """A base of this shape with random bfloat16 weights, sharded as publishers shard; one tensor at a time is made.

    Args:
        name: of SHAPES.
        folder: is made.
        device: where the numbers are drawn; a GPU is a hundred times quicker.
    """
    import torch
    from safetensors.torch import save_file
    from transformers import Qwen3Config, Qwen3ForCausalLM

    folder.mkdir(parents=True)
    config = Qwen3Config(**SHAPES[name], architectures=["Qwen3ForCausalLM"], dtype="bfloat16", use_cache=True)
    config.save_pretrained(folder)
    with torch.device("meta"):
        model = Qwen3ForCausalLM(config)
    torch.manual_seed(0)
    shards: list[list[str]] = [[]]
    held: dict[str, Any] = {}
    num_bytes = 0

    def put() -> None:
        save_file(held, folder / f"part-{len(shards):05d}.safetensors", {"format": "pt"})
        held.clear()

    for key, parameter in model.named_parameters():  # tied ones come once
        size = parameter.numel() * 2
        if held and num_bytes + size > _SHARD_BYTES:
            put()
            shards.append([])
            num_bytes = 0
        drawn = torch.empty(parameter.shape, dtype=torch.bfloat16, device=device)
        held[key] = (drawn.fill_(1.0) if parameter.dim() == 1 else drawn.normal_(std=0.02)).cpu()
        shards[-1].append(key)
        num_bytes += size
    put()
    places = {}
    for number, keys in enumerate(shards, 1):
        final = f"model-{number:05d}-of-{len(shards):05d}.safetensors"
        (folder / f"part-{number:05d}.safetensors").rename(folder / final)
        places |= dict.fromkeys(keys, final)
    index = {"metadata": {}, "weight_map": places}
    (folder / "model.safetensors.index.json").write_text(json.dumps(index), encoding="utf-8")


def measure(name: str, folder: Path, quantization: str) -> dict[str, Any]:
    """Ten steps on the base in `folder`; figures in bytes and seconds. In a process of its own."""
    from functools import partial

    import torch

    from finetune import hardware, models, training
    from finetune.models.tree_attention import best_kind
    from finetune.recipe.words import Adapter, Train
    from finetune.runs import Run

    num_tokens, batch_size = ROWS.get(name, USUAL_ROWS)
    source = models.find_base(str(folder), None, folder)
    config, settings = models.load_config(source), Adapter()
    sizes = models.sizes_of(config, settings)
    tokenizer, _ = models.load_tokenizer(models.find_base("starter"))  # pads; the rows are numbers already
    before = _memory_held()
    ways = hardware.Ways(best_attention=partial(best_kind, config))
    plan = hardware.make_plan(hardware.machine(), batch_size, num_tokens, None, sizes, quantization, ways=ways)
    began = time.perf_counter()
    model = models.load_base(source, plan.dtype, plan.attention, plan.device, quantization)
    model = models.attach_adapter(model, settings, 0)
    loaded_seconds = time.perf_counter() - began
    ends: list[float] = []
    draw = random.Random(0)
    ids = [[draw.randrange(5, config.vocab_size) for _ in range(num_tokens)] for _ in range(STEPS * batch_size + 4)]
    rows = [(row, [-100] * 16 + row[16:]) for row in ids]
    with tempfile.TemporaryDirectory() as run_folder:
        run = Run.create("shapes", "recipe: 1\n", "recipe: 1\n", Path(run_folder) / "run")
        result = training.train(
            model, tokenizer, training.TrainingRows(rows[4:], rows[:4], ()),
            Train(epochs=1, batch_size=batch_size, save_every=10_000), plan, run, name,
            on_step=lambda step, steps, loss: ends.append(time.perf_counter()),
        )  # fmt: skip
    counted = (len(ends) - SKIPPED) * batch_size * num_tokens
    facts = {
        "shape": name,
        "num_parameters": sizes.num_parameters,
        "num_trainable": sizes.num_trainable,
        "held": quantization if quantization != "none" else plan.dtype,
        "device": torch.cuda.get_device_name() if plan.device == "cuda" else plan.device,
        "row_tokens": num_tokens,
        "batch_size": batch_size,
        "micro_batch": plan.micro_batch,
        "recomputing": plan.activation_checkpointing,
        "steps": result.num_steps,
        "loading_seconds": round(loaded_seconds, 2),
        "tokens_per_second": round(counted / (ends[-1] - ends[SKIPPED - 1]), 1),
        "estimated_bytes": sum(plan.memory.values()),
        "estimated_parts": plan.memory,
    }
    return facts | _peaks(plan.device, result.peak_memory_bytes or 0, before)


def _memory_held() -> int:
    """Bytes that this process holds now; 0 where the system does not tell."""
    try:
        return int(Path("/proc/self/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")
    except (OSError, ValueError):
        return 0


def _peaks(device: str, peak_bytes: int, before: int) -> dict[str, int]:
    """The measured peak in the estimate's own terms: on a GPU with the driver's share, on a CPU above the start."""
    if device != "cuda":
        return {"measured_bytes": peak_bytes - before}
    import torch

    free, total = torch.cuda.mem_get_info()
    driver = max(0, total - free - torch.cuda.memory_reserved())
    return {
        "measured_bytes": peak_bytes + driver,
        "reserved_bytes": torch.cuda.max_memory_reserved() + driver,
        "driver_bytes": driver,
    }


def line(facts: dict[str, Any]) -> str:
    """One row of the table."""
    if "failed" in facts:
        return f"| {facts['shape']} | {facts['held']} | {facts['failed']} | | | | |"
    gib = {key: f"{facts[key] / 2**30:.2f}" for key in ("measured_bytes", "estimated_bytes")}
    share = facts["estimated_bytes"] / facts["measured_bytes"] if facts["measured_bytes"] > 0 else float("nan")
    rows = f"{facts['micro_batch']} x {facts['row_tokens']:,}{', recomputing' if facts['recomputing'] else ''}"
    return (
        f"| {facts['shape']} | {facts['held']} | {rows} | {gib['measured_bytes']} | {gib['estimated_bytes']} "
        f"| {share:.2f} | {facts['tokens_per_second']:,.0f} |"
    )


def in_a_process_of_its_own(name: str, folder: Path, what: str) -> dict[str, Any]:
    """What `measure` gives ({} for "write"), or in one line why it gave nothing."""
    words = [sys.executable, "-m", "benchmarks.gpu_shapes", "--one", name, str(folder), what]
    done = subprocess.run(words, capture_output=True, text=True, cwd=Path(__file__).resolve().parents[1])
    if done.returncode == 0:
        return json.loads(done.stdout.splitlines()[-1])
    reason = (done.stderr.strip().splitlines() or [f"exit code {done.returncode}"])[-1]
    return {"shape": name, "held": what, "failed": reason[:300].replace("|", "/")}


def all_of(name: str, folder: Path, kinds: list[str]) -> list[dict[str, Any]]:
    """Write a base, measure every way of holding it, and print a row for each."""
    found = [failed] if (failed := in_a_process_of_its_own(name, folder / name, "write")) else []
    for kind in kinds if not found else ():
        found.append(in_a_process_of_its_own(name, folder / name, kind))
        print(line(found[-1]), flush=True)
    if failed:
        print(line(failed), flush=True)
    return found


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--tiny", action="store_true", help="a toy instead of the real shapes; needs no GPU")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write all figures here")
    parser.add_argument("--folder", type=Path, help="where bases are written (default: the temporary folder)")
    parser.add_argument("--one", nargs=3, metavar=("SHAPE", "FOLDER", "WHAT"), help=argparse.SUPPRESS)
    return parser.parse_args()


def main() -> int:
    arguments = _arguments()
    import torch

    device = "cuda" if torch.cuda.is_available() else "cpu"
    if arguments.one:
        name, folder, what = arguments.one
        done = write_base(name, Path(folder), device) if what == "write" else measure(name, Path(folder), what)
        print(json.dumps(done or {}))
        return 0
    if device == "cpu" and not arguments.tiny:
        print("no GPU here: the real shapes are measured on one. Try the benchmark itself with --tiny.")
        return 4
    kinds = ["none"] + ["4bit"] * (importlib.util.find_spec("bitsandbytes") is not None)
    print(f"{datetime.now(timezone.utc):%Y-%m-%d}, {platform.machine()}, Python {platform.python_version()}, ", end="")
    print(f"torch {torch.__version__}, bases of random weights, LoRA as the recipe's defaults have it, {STEPS} steps")
    if len(kinds) == 1:
        print("bitsandbytes (extra qlora) is not installed: 4bit is left out")
    print("| shape | held in | rows a pass | measured, GiB | estimated, GiB | estimated / measured | tokens a second |")
    print("|---|---|---|---|---|---|---|")
    found = []
    for name in ("tiny",) if arguments.tiny else ("Qwen3-0.6B", "Qwen3-8B"):
        home = Path(tempfile.mkdtemp(prefix="shapes-", dir=arguments.folder))
        try:
            found += all_of(name, home, kinds)
        finally:
            shutil.rmtree(home, ignore_errors=True)
    print("on " + ", ".join(sorted({facts["device"] for facts in found if "device" in facts}) or ["no device"]))
    if arguments.json:
        arguments.json.write_text(json.dumps(found, indent=1) + "\n", encoding="utf-8")
    return 1 if any("failed" in facts for facts in found) else 0


if __name__ == "__main__":
    sys.exit(main())
