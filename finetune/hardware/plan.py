"""The Plan: how a recipe is carried out on this machine, each choice with its reason."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import asdict, dataclass, field
from typing import Any

from finetune.hardware.machines import spelled_bytes


@dataclass(frozen=True)
class Ways:
    """Which ways of computing base, adapter and rows allow: what the rooms above know and this one cannot.

    Attributes:
        packing_refusal: why several rows must not share a pass (Structure.packing_refusal, or rows with images); None
            where they may.
        dropout: the adapter's. Above 0 a prefix cannot be shared: each row would have drawn its own.
        best_attention: (device, dtype, sharing) -> (kind, reason), usually partial(models.best_kind, config); None:
            the mask, which works everywhere.
        lean_refusal: why peft's own forward stays for all modules; None where the lean one may be used.
        saved_share: pass_tokens -> the share of all row tokens that sharing prefixes saves, foreseen; None: not known.
        most_step_tokens: sharing -> tokens that no step computes more of when rows are packed; None: as if all rows
            were the longest.
    """

    packing_refusal: str | None = None
    dropout: float = 0.0
    best_attention: Callable[[str, str, bool], tuple[str, str]] | None = None
    lean_refusal: str | None = None
    saved_share: Callable[[int], float] | None = None
    most_step_tokens: Callable[[bool], int] | None = None


@dataclass(frozen=True)
class Plan:
    """How the recipe is carried out here. `reasons` says why, key by key.

    Attributes:
        device: "cpu", "cuda" or "mps".
        dtype: of the computation.
        attention: the model's own implementation ("sdpa", "eager").
        micro_batch: with packing "off", rows of a pass at most.
        accumulation: passes a step, if every row were the longest.
        activation_checkpointing: whether layers are computed twice instead of keeping what is in them.
        num_threads: of the CPU.
        memory_gib: an estimate of the peak, `memory` its parts in bytes; None and empty where nothing was estimated.
        packing: "prefix" (a prefix that rows of a step share is computed once), "plain" (rows side by side) or "off"
            (padded rows).
        pass_tokens: the budget of a pass: tokens of a pack, or of padded rows with packing "off". A longer row has a
            pass of its own.
        packed_attention: kind of the packed attention (finetune.models.tree_attention.KINDS); "own" with packing "off".
        lean: whether the adapter is computed by finetune.models.lean.
        activation_offloading: whether what is kept for the backward pass waits in the machine's memory (GPU only).
        measured: speeds that decided, as finetune.hardware.measuring.Speeds.as_dict gives them; empty where none did.
    """

    device: str
    dtype: str
    attention: str
    micro_batch: int
    accumulation: int
    activation_checkpointing: bool
    num_threads: int
    memory_gib: float | None = None
    memory: dict[str, int] = field(default_factory=dict)
    reasons: dict[str, str] = field(default_factory=dict)
    packing: str = "off"
    pass_tokens: int = 4_096
    packed_attention: str = "own"
    lean: bool = False
    activation_offloading: bool = False
    measured: dict[str, Any] = field(default_factory=dict)

    def as_dict(self) -> dict[str, Any]:
        return asdict(self)

    def lines(self) -> list[str]:
        """Each choice with its reason, as a person is told."""
        told = {key: getattr(self, key, "") for key in self.reasons if key != "memory_gib"}
        lines = [f"{key}: {value} - {self.reasons[key]}" for key, value in told.items()]
        if self.memory:
            lines.append(f"memory: about {spelled_bytes(sum(self.memory.values()))} - {self.reasons['memory_gib']}")
        return lines
