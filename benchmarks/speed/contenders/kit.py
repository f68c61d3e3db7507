"""The kit, as its users have it: the whole `finetune run` on a recipe file."""

from __future__ import annotations

import json
import sys
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path
from typing import Any

from benchmarks.speed.protocol import Contender, Job, Launch, Work

PACKAGES = ("torch", "transformers", "peft", "trl", "accelerate", "datasets")


@dataclass(frozen=True)
class Kit:
    """One recipe; `order` is train.order, `words` are put over the recipe's sections."""

    name: str = "kit"
    order: str = "shuffled"
    hardware: tuple[tuple[str, Any], ...] = ()
    only_shape: str | None = None

    @property
    def about(self) -> str:
        words = ", ".join(f"hardware.{key}: {value}" for key, value in self.hardware)
        order = "by_group in shape three (data.group_by: document), else shuffled"
        told = order if self.order == "by_group" else self.order
        return f"the whole `finetune run`; train.order: {told}; searches over the rows switched off" + (
            f"; {words}" if words else ""
        )

    def absent(self, job: Job | None = None) -> str | None:
        if job is not None and self.only_shape not in (None, job.shape):
            return f"differs from kit in shape {self.only_shape} only"
        return None

    def versions(self) -> dict[str, str]:
        return {name: metadata.version(name) for name in ("finetune-kit", *PACKAGES)}

    def prepare(self, job: Job) -> Launch:
        recipe = job.folder / "recipe.yaml"
        # JSON is YAML too.
        recipe.write_text(json.dumps(self.recipe(job), indent=1) + "\n", encoding="utf-8")
        command = [sys.executable, "-m", "finetune", "run", str(recipe), "--output", str(job.folder / "run")]
        return Launch([*command, "--allow-outside"], {"PYTHONPATH": str(Path(__file__).resolve().parents[3])})

    def recipe(self, job: Job) -> dict[str, Any]:
        """The recipe of a job: nothing is searched in the rows or dropped, since they are drawn words."""
        from finetune.recipe.data_words import CHECKS

        data: dict[str, Any] = {
            "train": str(job.rows),
            "held_out": str(job.held_out),
            "format": "messages",
            "max_length": job.longest_tokens,
            "overlong": "error",
            "checks": dict.fromkeys(CHECKS, "off"),
            "privacy": "off",
            "duplicates": "keep",
            "near_duplicates": "keep",
            "leakage": "off",
        }
        train: dict[str, Any] = {
            "epochs": 1,
            "learning_rate": job.learning_rate,
            "batch_size": job.examples_per_step,
            "warmup": 0,
            "schedule": "constant",
            "seed": job.seed,
            "save_every": 100_000,
        }
        if job.shape == "three":
            data["group_by"] = "document"
            if self.order != "shuffled":
                train["order"] = self.order
        recipe: dict[str, Any] = {
            "recipe": 1,
            "name": "bench",
            "base": {"model": str(job.base)},
            "data": data,
            "adapter": {"method": "lora", "r": job.rank, "alpha": job.alpha, "dropout": 0.0},
            "train": train,
            "evaluate": {"max_new_tokens": 1},
        }
        return recipe | ({"hardware": dict(self.hardware)} if self.hardware else {})

    def losses(self, job: Job) -> list[float] | None:
        path = job.folder / "run" / "metrics.jsonl"
        lines = [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]
        return [line["loss"] for line in lines if "loss" in line]

    def work(self, job: Job) -> list[Work] | None:
        manifest = json.loads((job.folder / "run" / "manifest.json").read_bytes())
        told = manifest["training"]
        return [Work(manifest["data"]["num_train"], told["tokens_seen"], told["trained_tokens_seen"])]

    def facts(self, job: Job) -> dict[str, Any]:
        """The plan and the path that were taken, as the run's manifest holds them."""
        manifest = json.loads((job.folder / "run" / "manifest.json").read_bytes())
        return {"plan": manifest["plan"], "training": manifest["training"]}


def contenders() -> list[Contender]:
    return [
        Kit("kit", "by_group"),
        Kit("kit-float32", "by_group", (("dtype", "float32"),)),
        Kit("kit-shuffled", "shuffled", only_shape="three"),
    ]
