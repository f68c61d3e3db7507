"""Whether a base can carry what a recipe asks of it, told from its config alone: before weights and data."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from finetune.errors import ModelError, Problem
from finetune.models import anatomy, attaching, quantized, starts
from finetune.models.base import packed_and_rounded, stored_as
from finetune.models.structure import Structure, structure_of


def misfits(config: Any, settings: Any, quantization: str = "none") -> list[str | Problem]:
    """All mistakes that a config.json shows, at once; no weights are read.

    Args:
        config: from `load_config`.
        settings: the recipe's `adapter` section.
        quantization: the recipe's base.quantization.

    Raises:
        ModelError: the config describes no model that could be looked at.
    """
    problems: list[str | Problem] = []
    try:
        stored = stored_as(config)
    except ModelError as error:
        problems, stored = list(error.problems), None
    structure = structure_of(config)
    if quantization != "none" and stored is not None:
        problems.append(packed_and_rounded(quantization))
    elif quantization != "none" and not quantized.rounded_modules(config)[0]:
        problems.append(quantized.nothing_to_round(quantization))
    wrong = attaching.wrong_settings(structure, settings)
    if not wrong and settings.method in starts.METHODS:
        wrong += _too_narrow(config, structure, settings)
    return [*problems, *wrong]


def _too_narrow(config: Any, structure: Structure, settings: Any) -> Iterable[Problem]:
    modules = dict(anatomy.bare_model(config).named_modules())
    ranks = {}
    for name in attaching.adapted_names(structure, settings):
        rows, columns = modules[name].weight.shape
        pattern = (rank for key, rank in settings.rank_pattern.items() if f".{name}".endswith(f".{key}"))
        ranks[name] = (next(pattern, settings.r), rows, columns)
    problem = starts.too_narrow(ranks, settings.rank_pattern)
    return [problem] if problem else []


def fitting_notes(config: Any, settings: Any, quantization: str = "none") -> list[str]:
    """What is chosen for the user about the adapter, and what they should know of this base; one plain line each.

    Args:
        as of `misfits`, which found nothing.
    """
    structure = structure_of(config)
    notes = []
    has_experts = bool(structure.experts) or structure.expert_linears
    if settings.target_modules == "auto" and has_experts and structure.attention:
        why = "adapters on the experts of a mixture are many times larger"
        notes.append(f"adapter.target_modules: auto -> attention, because {why}; `experts` adapts them too")
    if settings.method in starts.METHODS:
        saved = attaching.saved_sizes(settings)
        notes.append(
            f"adapter.method: {settings.method} is saved as a plain LoRA of twice the recipe's size: "
            f"r {saved['r']}, alpha {saved['lora_alpha']:g}"
        )
    names = attaching.adapted_names(structure, settings)
    concerns = {
        "new_tokens": bool(settings.new_tokens),
        "rounded": quantization != "none",
        "experts": any(name.endswith(structure.experts) or structure.roles.get(name) == "expert" for name in names),
        "moved": settings.target_modules == "auto",
        # What loading the base says already, see `base_notes`.
        "routers": not hasattr(config.get_text_config(), "router_aux_loss_coef"),
    }
    return notes + [line for about, line in structure.traps_by_concern if concerns.get(about, True)]
