"""Peak memory of training on a CPU beside the plan's estimate: whole trainings of a few steps, each in its own process.

A case is a base (the bundled starter, or random weights in the shape named), rows, and wishes for the plan. The child
does what `finetune run` does from the plan on: it plans, notes what the process holds, loads the base from its files,
attaches an adapter of rank 16 on all linear layers, trains three steps with the held-out curve, and tells the largest
resident size above what it held. Rows share a prefix of 220 tokens, and answers of about 130 tokens are trained, unless
the case says otherwise.

Run: python -m benchmarks.memory [NAME ...] (names of CASES; all of them without one). One JSON object a case on stderr,
the table on stdout.
"""

from __future__ import annotations

import json
import os
import random
import resource
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

STEPS, BATCH_SIZE, HELD_OUT = 3, 8, 8
SHAPES: dict[str, dict[str, Any]] = {
    "llama_58m": {
        "model_type": "llama", "hidden_size": 512, "intermediate_size": 1376, "num_hidden_layers": 8,
        "num_attention_heads": 8, "num_key_value_heads": 8, "vocab_size": 32_000, "tie_word_embeddings": False,
    },
    "qwen3_250m": {
        "model_type": "qwen3", "hidden_size": 1_024, "intermediate_size": 3_072, "num_hidden_layers": 6,
        "num_attention_heads": 16, "num_key_value_heads": 8, "head_dim": 128, "vocab_size": 151_936,
        "tie_word_embeddings": True,
    },
}  # fmt: skip
# name -> base, wishes of the recipe's hardware section, tokens of (shared prefix, question, answer), adapter words
CASES: dict[str, dict[str, Any]] = {
    "starter": {"base": "starter"},
    "starter_small_passes": {"base": "starter", "hardware": {"pass_tokens": 512}},
    "starter_off": {"base": "starter", "hardware": {"packing": "off"}},
    "llama": {"base": "llama_58m"},
    "llama_bf16": {"base": "llama_58m", "hardware": {"dtype": "bfloat16"}},
    "llama_small_passes": {"base": "llama_58m", "hardware": {"pass_tokens": 1_024}},
    "llama_plain": {"base": "llama_58m", "hardware": {"packing": "plain"}},
    "llama_off": {"base": "llama_58m", "hardware": {"packing": "off"}},
    "llama_dropout": {"base": "llama_58m", "adapter": {"dropout": 0.1}},
    "llama_mask": {"base": "llama_58m", "hardware": {"attention": "eager"}},
    "llama_long": {"base": "llama_58m", "rows": (6_000, 60, 130)},
    "llama_recomputing": {"base": "llama_58m", "plan": {"activation_checkpointing": True}},
    "llama_peft": {"base": "llama_58m", "plan": {"lean": False}},
    "qwen3": {"base": "qwen3_250m"},
    "qwen3_bf16": {"base": "qwen3_250m", "hardware": {"dtype": "bfloat16"}},
    "qwen3_small_passes": {"base": "qwen3_250m", "hardware": {"pass_tokens": 1_024}},
}


def write(name: str, folder: Path) -> None:
    """A base of random weights in the shape `name`."""
    import torch
    from transformers import AutoConfig, AutoModelForCausalLM

    words = {**SHAPES[name], "max_position_embeddings": 32_768}
    config = AutoConfig.for_model(words.pop("model_type"), **words)
    torch.manual_seed(0)
    AutoModelForCausalLM.from_config(config).save_pretrained(folder)


def rows_of(num: int, vocab_size: int, tokens: tuple[int, int, int], seed: int) -> list[tuple[list[int], list[int]]]:
    """Rows with a common beginning; answers are trained, of very different lengths."""
    draw, shared = random.Random(seed), random.Random(0)
    prefix = [shared.randrange(5, vocab_size) for _ in range(tokens[0])]
    rows = []
    for _ in range(num):
        question = [draw.randrange(5, vocab_size) for _ in range(draw.randint(tokens[1] // 2, 2 * tokens[1]))]
        answer = [draw.randrange(5, vocab_size) for _ in range(draw.randint(tokens[2] // 3, 2 * tokens[2]))]
        rows.append(([*prefix, *question, *answer], [-100] * (len(prefix) + len(question)) + answer))
    return rows


def measure(name: str, folder: Path) -> dict[str, Any]:
    """One case, in this process; bytes and seconds."""
    from dataclasses import replace
    from functools import partial

    from finetune import hardware, models, packing, training
    from finetune.models.tree_attention import best_kind
    from finetune.recipe.words import Adapter, Hardware, Train
    from finetune.runs import Run

    case = CASES[name]
    source = models.find_base("starter") if case["base"] == "starter" else models.find_base(str(folder), None, folder)
    config, settings = models.load_config(source), Adapter(**case.get("adapter", {}))
    tokenizer, _ = models.load_tokenizer(models.find_base("starter"))  # pads; the rows are numbers already
    tokens = case.get("rows", (220, 60, 130))
    train = rows_of(STEPS * BATCH_SIZE, config.vocab_size, tokens, 1)
    held_out = rows_of(HELD_OUT, config.vocab_size, tokens, 2)
    wishes = Hardware(**{"dtype": "float32", **case.get("hardware", {})})
    bound = partial(hardware.most_step_tokens, train, BATCH_SIZE)

    def saved_share(pass_tokens: int) -> float:
        return packing.foresee(train, BATCH_SIZE, pass_tokens).saved_share

    ways = hardware.Ways(
        dropout=settings.dropout, best_attention=partial(best_kind, config), saved_share=saved_share,
        most_step_tokens=bound,
    )  # fmt: skip
    longest = max(len(ids) for ids, _ in train)
    sizes = models.sizes_of(config, settings)
    forced = case.get("plan", {})
    plan = hardware.make_plan(hardware.machine(), BATCH_SIZE, longest, wishes, sizes, ways=ways)
    plan = replace(plan, **forced)
    step_tokens = BATCH_SIZE * longest if plan.packing == "off" else bound(plan.packing == "prefix")
    load = hardware.load_of(plan, sizes, step_tokens, longest)
    plan = replace(plan, memory=load.parts())
    before = _resident_bytes()
    hardware.give_memory_back()
    model = models.load_base(source, plan.dtype, plan.attention, plan.device)
    model = models.attach_adapter(model, settings, 0)
    loaded = _resident_bytes()
    with tempfile.TemporaryDirectory() as run_folder:
        run = Run.create("memory", "recipe: 1\n", "recipe: 1\n", Path(run_folder) / "run")
        words = Train(epochs=1, batch_size=BATCH_SIZE, save_every=10_000)
        found: list[Any] = []
        result = training.train(
            model, tokenizer, training.TrainingRows(train, held_out), words, plan, run, name, on_proof=found.append
        )
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * (1 if sys.platform == "darwin" else 1_024)
    path = found[0].path
    return {
        "case": name,
        "dtype": plan.dtype,
        "packing": path.packing,
        "attention": path.attention,
        "lean": path.lean,
        "as_planned": (path.packing, path.lean) == (plan.packing, plan.lean),
        "recomputing": plan.activation_checkpointing,
        "pass_tokens": plan.pass_tokens,
        "largest_pass_tokens": load.tokens,
        "longest_row_tokens": longest,
        "estimated": plan.memory,
        "estimated_bytes": sum(plan.memory.values()),
        "measured_bytes": peak - before,
        "loaded_bytes": loaded - before,
        "seconds": round(result.seconds, 1),
    }


def _resident_bytes() -> int:
    """What this process holds now."""
    return int(Path("/proc/self/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")


def line(facts: dict[str, Any]) -> str:
    """One row of the table; memory in MiB."""
    name = facts["case"]
    base = CASES[name]["base"]
    way = ", ".join(
        word for word in (facts["packing"], facts["attention"], "lean" if facts["lean"] else "peft's own",
                          "recomputing" if facts["recomputing"] else "") if word
    )  # fmt: skip
    measured, estimated = facts["measured_bytes"], facts["estimated_bytes"]
    return (
        f"| {base}, {facts['dtype']} | {facts['largest_pass_tokens']:,} | {way} | {measured / 2**20:,.0f} "
        f"| {estimated / 2**20:,.0f} | {estimated / measured:.2f} |"
    )


def _child(*words: str) -> str:
    """Output of this program in a process of its own, with one thread."""
    environment = {**os.environ, "OMP_NUM_THREADS": "1", "OMP_WAIT_POLICY": "PASSIVE"}
    command = [sys.executable, "-m", "benchmarks.memory", *words]
    return subprocess.run(command, env=environment, check=True, stdout=subprocess.PIPE, text=True).stdout


def main() -> None:
    """All cases, or those named on the command line."""
    if sys.argv[1:2] == ["--write"]:
        write(sys.argv[2], Path(sys.argv[3]))
        return
    if sys.argv[1:2] == ["--one"]:
        print(json.dumps(measure(sys.argv[2], Path(sys.argv[3]))))
        return
    names = sys.argv[1:] or list(CASES)
    print("| base | largest pass, tokens | computed | measured | estimated | estimated / measured |")
    print("|---|---|---|---|---|---|", flush=True)
    with tempfile.TemporaryDirectory() as folder:
        for name in names:
            base = CASES[name]["base"]
            if base != "starter" and not (Path(folder) / base).exists():
                _child("--write", base, str(Path(folder) / base))
            facts = json.loads(_child("--one", name, str(Path(folder) / base)).splitlines()[-1])
            print(json.dumps(facts), file=sys.stderr)
            print(line(facts), flush=True)


if __name__ == "__main__":
    main()
