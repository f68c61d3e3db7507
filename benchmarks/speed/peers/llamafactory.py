"""LLaMA-Factory: `llamafactory-cli train`, transformers' Trainer and peft underneath.

Repairs: a plain pip install brings builds of torchvision and torchaudio that belong to another torch and end the
program at import ("operator torchvision::nms does not exist"); torchvision is taken off, and as its data code imports
torchaudio without need, an empty module stands in for that.

Settings beside its examples (examples/train_lora), and why:
    no bf16: slower on CPUs without bfloat16 units;
    per_device_train_batch_size 1 and gradient_accumulation_steps 8, as in its examples: nothing is padded but to a
        multiple of 8;
    gradient checkpointing is its default ("llamafactory"); "llamafactory-best" switches it off;
    template "empty" with prompts rendered by the base's chat template: its own reading of a chat template repeats
        the begin token behind a system text;
    lora_target all, dropout 0; constant learning rate, no weight decay, no clipping beyond its default of 1.0.
"""

from __future__ import annotations

from dataclasses import dataclass

from benchmarks.speed.peers.common import Peer, Renderer, Setup, losses_of_log, write_json
from benchmarks.speed.protocol import Contender, Job, Launch

SETUP = Setup(
    name="llamafactory",
    packages=("llamafactory==0.9.5", "torch>=2.6,<2.14"),
    removed=("torchvision", "torchaudio"),
    stubs={"torchaudio": '"""Stands in for torchaudio, of which there is no build for this torch."""\n'},
    telling=("llamafactory", "torch", "transformers", "trl", "peft"),
)


@dataclass(frozen=True)
class LlamaFactory(Peer):
    """See the module.

    Args:
        checkpointing: gradient checkpointing, its default.
    """

    checkpointing: bool = True

    def prepare(self, job: Job) -> Launch:
        """Rows as prompt and answer, the list of data sets, one configuration file."""
        rows = [
            {"instruction": row.prompt, "output": row.answer + row.ending} for row in Renderer(job.base).rows(job.rows)
        ]
        write_json(job.folder / "data" / "rows.json", rows)
        columns = {"prompt": "instruction", "response": "output"}
        write_json(job.folder / "data" / "dataset_info.json", {"rows": {"file_name": "rows.json", "columns": columns}})
        file = write_json(job.folder / "llamafactory.yaml", self.configuration(job))
        return Launch([str(self.home / "bin" / "llamafactory-cli"), "train", str(file)])

    def configuration(self, job: Job) -> dict[str, object]:
        """What `train` reads."""
        return {
            "model_name_or_path": str(job.base),
            "stage": "sft",
            "do_train": True,
            "finetuning_type": "lora",
            "lora_target": "all",
            "lora_rank": job.rank,
            "lora_alpha": job.alpha,
            "lora_dropout": 0.0,
            "dataset_dir": str(job.folder / "data"),
            "dataset": "rows",
            "template": "empty",
            "cutoff_len": job.longest_tokens + 64,
            "overwrite_cache": True,
            "output_dir": str(job.folder / "out"),
            "per_device_train_batch_size": 1,
            "gradient_accumulation_steps": job.examples_per_step,
            "disable_gradient_checkpointing": not self.checkpointing,
            "learning_rate": job.learning_rate,
            "lr_scheduler_type": "constant",
            "weight_decay": 0.0,
            "num_train_epochs": 1.0,
            "logging_steps": 1,
            "save_strategy": "no",
            "plot_loss": False,
            "report_to": "none",
            "seed": job.seed,
        }

    def losses(self, job: Job) -> list[float] | None:
        """As its Trainer prints them."""
        return losses_of_log(job)


def contenders() -> list[Contender]:
    """With gradient checkpointing, its default, and without."""
    shared = "micro batch 1 (as its examples), float32, prompt rendered by the base's template"
    return [
        LlamaFactory("llamafactory", SETUP, f"gradient checkpointing (its default); {shared}"),
        LlamaFactory("llamafactory-best", SETUP, f"no gradient checkpointing; {shared}", checkpointing=False),
    ]
