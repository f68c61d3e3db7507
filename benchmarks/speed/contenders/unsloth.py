"""Unsloth, where it is installed: for GPUs. Written from its documentation; not measured here."""

from __future__ import annotations

import importlib.util
from dataclasses import dataclass
from importlib import metadata

from benchmarks.speed.contenders.trl import Trl
from benchmarks.speed.protocol import Contender, Job


@dataclass(frozen=True)
class Unsloth(Trl):
    """Unsloth patches TRL's own trainer, so the run is TRL's with another way of loading (inside/trl_run.py)."""

    def absent(self, job: Job | None = None) -> str | None:
        if importlib.util.find_spec("unsloth") is None:
            return "unsloth is not installed"
        return super().absent(job)

    def versions(self) -> dict[str, str]:
        return super().versions() | {"unsloth": metadata.version("unsloth")}


def contenders() -> list[Contender]:
    words = {"bf16": True, "packing": False, "unsloth": True}
    return [Unsloth("unsloth", "FastLanguageModel and SFTTrainer, bfloat16, its own checkpointing", words, "cuda")]
