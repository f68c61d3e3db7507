"""TRL: as it comes, and at its best settings on this machine."""

from __future__ import annotations

import importlib.util
import json
import sys
from dataclasses import asdict, dataclass, field
from importlib import metadata
from pathlib import Path
from typing import Any

from benchmarks.speed.contenders.kit import PACKAGES
from benchmarks.speed.matrix_peak import faster_dtype
from benchmarks.speed.protocol import Contender, Job, Launch, Work

_PLAIN = {"gradient_checkpointing": False, "bf16": False}
_BFLOAT16 = {"gradient_checkpointing": False, "bf16": True, "model_init_kwargs": {"dtype": "bfloat16"}}
_SORTED = {"train_sampling_strategy": "group_by_length"}
_PACKED = {"packing": True, "packing_strategy": "bfd"}
_ON_GPU = {"gradient_checkpointing": False, "bf16": True, "packing": True, "packing_strategy": "bfd"}


@dataclass(frozen=True)
class Trl:
    """SFTTrainer with some words of SFTConfig; everything else as TRL chooses it."""

    name: str
    about: str
    words: dict[str, Any] = field(default_factory=dict)
    device: str | None = None
    needs: str | None = None

    def absent(self, job: Job | None = None) -> str | None:
        if job is not None and self.device not in (None, job.device):
            return f"runs on {self.device} only"
        if job is not None and job.device == "cpu" and self.words.get("bf16") and faster_dtype("cpu") != "bfloat16":
            return "float32 is faster on this processor"
        if self.needs is not None and importlib.util.find_spec(self.needs) is None:
            return f"{self.needs} is not installed"
        return None

    def versions(self) -> dict[str, str]:
        return {name: metadata.version(name) for name in PACKAGES}

    def prepare(self, job: Job) -> Launch:
        told = {key: str(value) if isinstance(value, Path) else value for key, value in asdict(job).items()}
        told |= {"num_steps": job.num_steps, "words": self.words}
        settings = job.folder / "settings.json"
        settings.write_text(json.dumps(told, indent=1) + "\n", encoding="utf-8")
        return Launch([sys.executable, str(Path(__file__).parent / "inside" / "trl_run.py"), str(settings)])

    def losses(self, job: Job) -> list[float] | None:
        return json.loads((job.folder / "told.json").read_bytes())["losses"]

    def work(self, job: Job) -> list[Work] | None:
        return [Work(**entry) for entry in json.loads((job.folder / "told.json").read_bytes())["work"]]


def contenders() -> list[Contender]:
    flash: dict[str, Any] = {"model_init_kwargs": {"attn_implementation": "flash_attention_2", "dtype": "bfloat16"}}
    flex: dict[str, Any] = {"model_init_kwargs": {"attn_implementation": "flex_attention", "dtype": "bfloat16"}}
    return [
        Trl("trl", "SFTTrainer with its defaults: bf16 autocast, gradient checkpointing, random order"),
        Trl(
            "trl-best",
            "SFTTrainer, padded: group_by_length, no gradient checkpointing, float32",
            _PLAIN | _SORTED,
            "cpu",
        ),
        Trl(
            "trl-packed",
            "SFTTrainer, packing bfd, no gradient checkpointing, float32; as many packs a step as hold its examples",
            _PLAIN | _PACKED,
            "cpu",
        ),
        Trl(
            "trl-best-bf16",
            "as trl-best, base loaded in bfloat16 and bf16 autocast: for CPUs with matrix units for it",
            _BFLOAT16 | _SORTED,
            "cpu",
        ),
        Trl("trl-packed-bf16", "as trl-packed, base loaded in bfloat16 and bf16 autocast", _BFLOAT16 | _PACKED, "cpu"),
        Trl(
            "trl-flash",
            "SFTTrainer, packing bfd with FlashAttention 2, bfloat16",
            _ON_GPU | flash,
            "cuda",
            "flash_attn",
        ),
        Trl("trl-flex", "SFTTrainer, packing bfd with FlexAttention, bfloat16", _ON_GPU | flex, "cuda"),
    ]
