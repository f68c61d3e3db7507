"""litgpt: `litgpt finetune_lora`, its own model code, a plain loop under Lightning Fabric.

Repairs: `requests` must be installed as well (every command, `--help` too, stops with "ImportError: requests package
is required" without it). It reads only bases that it has a name for: inside/litgpt_convert.py describes the base to it
and calls its own conversion of weights; that is done once a base, outside the measurement.

Settings beside its defaults, and why:
    precision 32-true: its default bf16-mixed recasts the frozen weights at every use and is slower on CPUs without
        bfloat16 units;
    micro_batch_size: its default is 1, one row after the other without padding ("litgpt"); "litgpt-micro8" gives a
        whole step at once, padded;
    data: its JSON module with mask_prompt (off by default: the loss would be on the prompt, too) and the prompt style
        Default, which passes text through. Its formats know no system role; so the prompt is rendered with the
        base's chat template and is the instruction, and the tokens are those of the others;
    lora_key, lora_projection, lora_mlp on (off by default), dropout 0;
    AdamW without weight decay.

What differs: its schedule cannot be constant (one step of warm-up, whose first rate is 0, then a cosine); with micro
batches of one row the loss of a step is the mean over rows of each row's mean, not the mean over tokens. It checks two
held-out rows before the first step, and merges the adapter into the base after the last one: its peak of memory
includes that. Four worker processes read the rows (its default); their CPU time is small.
"""

from __future__ import annotations

import csv
from dataclasses import dataclass
from pathlib import Path

from benchmarks.speed.peers.common import INSIDE, Peer, Renderer, Setup, converted_base, write_json
from benchmarks.speed.protocol import Contender, Job, Launch

SETUP = Setup(
    name="litgpt",
    packages=("litgpt==0.5.13", "torch>=2.6,<2.14", "requests"),
    telling=("litgpt", "torch", "lightning"),
)


@dataclass(frozen=True)
class LitGPT(Peer):
    """See the module.

    Args:
        micro_batch: rows of one pass.
    """

    micro_batch: int = 1

    def prepare(self, job: Job) -> Launch:
        """Rows as prompt and answer, the base converted, one configuration file."""
        renderer = Renderer(job.base)
        for name, path in (("train", job.rows), ("val", job.held_out)):
            rows = [{"instruction": row.prompt, "output": row.answer} for row in renderer.rows(path)]
            write_json(job.folder / "data" / f"{name}.json", rows)
        base = converted_base(self.home, job.base, INSIDE / "litgpt_convert.py")
        file = write_json(job.folder / "litgpt.yaml", self.configuration(job))
        return Launch([str(self.home / "bin" / "litgpt"), "finetune_lora", str(base), "--config", str(file)])

    def configuration(self, job: Job) -> dict[str, object]:
        """What `--config` reads."""
        lora = {f"lora_{part}": True for part in ("query", "key", "value", "projection", "mlp")}
        return {
            "out_dir": str(job.folder / "out"),
            "precision": "32-true",
            "devices": 1,
            "lora_r": job.rank,
            "lora_alpha": job.alpha,
            "lora_dropout": 0.0,
            **lora,
            "data": {
                "class_path": "litgpt.data.JSON",
                "init_args": {
                    "json_path": str(job.folder / "data"),
                    "mask_prompt": True,
                    "prompt_style": {"class_path": "litgpt.prompts.Default"},
                    "seed": job.seed,
                },
            },
            "train": {
                "save_interval": 1_000_000,
                "log_interval": 1,
                "global_batch_size": job.examples_per_step,
                "micro_batch_size": self.micro_batch,
                "lr_warmup_steps": 1,
                "epochs": 1,
            },
            "eval": {
                "interval": 1_000_000,
                "max_new_tokens": 1,
                "max_iters": 1,
                "initial_validation": False,
                "final_validation": False,
            },
            "optimizer": {
                "class_path": "torch.optim.AdamW",
                "init_args": {"lr": job.learning_rate, "weight_decay": 0.0},
            },
            "logger_name": "csv",
            "seed": job.seed,
        }

    def losses(self, job: Job) -> list[float] | None:
        """The running mean over the passes of a step, as it stands at the step's last pass."""
        files = sorted(job.folder.glob("out/**/metrics.csv"))
        return step_losses(files[-1], job.examples_per_step // self.micro_batch) if files else None


def step_losses(path: Path, passes_per_step: int) -> list[float]:
    """Losses of litgpt's metrics.csv at the last pass of each step."""
    with path.open(encoding="utf-8", newline="") as lines:
        logged = [float(row["loss"]) for row in csv.DictReader(lines) if row.get("loss")]
    return logged[passes_per_step - 1 :: passes_per_step]


def contenders() -> list[Contender]:
    """One row a pass (its default), and the whole step in one padded pass."""
    shared = "its own model code, float32, no checkpointing, prompt rendered by the base's template"
    return [
        LitGPT("litgpt", SETUP, f"micro batch 1 (its default: no padding, loss by rows); {shared}"),
        LitGPT("litgpt-micro8", SETUP, f"micro batch 8, padded; {shared}", micro_batch=8),
    ]
