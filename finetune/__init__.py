"""finetune-kit: a YAML recipe in, a domain chatbot out.

    finetune new my_clinic --from medical_qa     copy a recipe and its data template
    finetune check my_clinic/recipe.yaml         recipe and data, no model: every problem at once
    finetune preview my_clinic/recipe.yaml       what will be trained, in colour
    finetune run my_clinic/recipe.yaml           train a LoRA adapter, prove it against its base, report
    finetune chat runs/my_clinic-...             talk to it here
    finetune demo runs/my_clinic-...             talk to it in a browser

The rooms are floors: errors, resources, recipe, runs, {data, render, models, hardware}, {training, generation},
evaluation, cli. Imports go down only.
"""

from __future__ import annotations

from typing import Any

__version__ = "0.1.0"

# Public names and the room each comes from; loaded on first use, so that `import finetune` costs nothing.
_EXPORTS = {
    "FinetuneError": "finetune.errors",
    "Engine": "finetune.generation",
    "Run": "finetune.runs",
    "check": "finetune.data",
    "evaluate": "finetune.evaluation",
    "load_recipe": "finetune.recipe",
    "run": "finetune.workflow",
}
__all__ = ["__version__", *sorted(_EXPORTS)]


def __getattr__(name: str) -> Any:
    if name in _EXPORTS:
        import importlib

        module = importlib.import_module(_EXPORTS[name])
        return getattr(module, {"load_recipe": "load", "check": "load"}.get(name, name))
    raise AttributeError(f"module 'finetune' has no attribute {name!r}")
