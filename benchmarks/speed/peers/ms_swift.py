"""ms-swift: `swift sft`, transformers' Trainer and peft underneath.

Repairs: none to install. It looks for updates and models on a network; the driver names a local base and its model
type, so that nothing is looked up.

Settings beside its defaults, and why:
    torch_dtype float32: bf16 is slower on CPUs without bfloat16 units;
    per_device_train_batch_size 1, its default, and 8 passes a step: nothing is padded;
    gradient checkpointing is its default ("ms-swift"); "ms-swift-best" switches it off;
    template "dummy" with prompts rendered by the base's chat template; it writes the end token itself;
    split_dataset_ratio 0 and no evaluation; constant learning rate without warm-up, no weight decay; LoRA on all
    linear layers, dropout 0.
"""

from __future__ import annotations

import json
from dataclasses import dataclass

from benchmarks.speed.peers.common import Peer, Renderer, Setup, base_config, losses_of_log
from benchmarks.speed.protocol import Contender, Job, Launch

SETUP = Setup(
    name="ms-swift",
    packages=("ms-swift==4.6.0", "torch>=2.6,<2.14"),
    telling=("ms-swift", "torch", "transformers", "trl", "peft"),
)


@dataclass(frozen=True)
class Swift(Peer):
    """See the module.

    Args:
        checkpointing: gradient checkpointing, its default.
    """

    checkpointing: bool = True

    def prepare(self, job: Job) -> Launch:
        """Rows as conversations of two turns, and the words of one command."""
        with (job.folder / "rows.jsonl").open("w", encoding="utf-8") as file:
            for row in Renderer(job.base).rows(job.rows):
                turns = [{"role": "user", "content": row.prompt}, {"role": "assistant", "content": row.answer}]
                file.write(json.dumps({"messages": turns}) + "\n")
        words = [f"--{key}={value}" for key, value in self.words(job).items()]
        # Its cache of looked-up models would otherwise lie in the home folder.
        cache = {"MODELSCOPE_CACHE": str(job.folder / "cache"), "CUDA_VISIBLE_DEVICES": ""}
        return Launch([str(self.home / "bin" / "swift"), "sft", *words], cache)

    def words(self, job: Job) -> dict[str, object]:
        """Options of `swift sft`."""
        return {
            "model": job.base,
            "model_type": base_config(job.base)["model_type"],
            "template": "dummy",
            "dataset": job.folder / "rows.jsonl",
            "split_dataset_ratio": 0,
            "tuner_type": "lora",
            "target_modules": "all-linear",
            "lora_rank": job.rank,
            "lora_alpha": job.alpha,
            "lora_dropout": 0.0,
            "torch_dtype": "float32",
            "max_length": job.longest_tokens + 64,
            "per_device_train_batch_size": 1,
            "gradient_accumulation_steps": job.examples_per_step,
            "gradient_checkpointing": str(self.checkpointing).lower(),
            "learning_rate": job.learning_rate,
            "lr_scheduler_type": "constant",
            "warmup_ratio": 0,
            "weight_decay": 0,
            "num_train_epochs": 1,
            "logging_steps": 1,
            "save_strategy": "no",
            "report_to": "none",
            "output_dir": job.folder / "out",
            "seed": job.seed,
        }

    def losses(self, job: Job) -> list[float] | None:
        """As its Trainer prints them."""
        return losses_of_log(job)


def contenders() -> list[Contender]:
    """With gradient checkpointing, its default, and without."""
    shared = "micro batch 1 (its default), float32, prompt rendered by the base's template"
    return [
        Swift("ms-swift", SETUP, f"gradient checkpointing (its default); {shared}"),
        Swift("ms-swift-best", SETUP, f"no gradient checkpointing; {shared}", checkpointing=False),
    ]
