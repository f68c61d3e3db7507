"""What a recipe's config and machine tell before weights are fetched and data are read."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

from finetune import hardware, models
from finetune.errors import FinetuneError, ModelError, Problem, SurroundingsError
from finetune.prepare.bases import find_source
from finetune.recipe import LoadedRecipe


def foresee(loaded: LoadedRecipe, source: models.BaseSource) -> None:
    """See that a base can carry the recipe's adapter and be held by this machine; reads its config alone.

    Args:
        loaded: the recipe.
        source: from `fetch_base`; its weights may be missing.

    Raises:
        ModelError: all mistakes at once, each with its place in the recipe.
        SurroundingsError: weights and adapter alone need more than all memory there is.
    """
    config = _require_fit(loaded, source)
    words = loaded.recipe
    sizes = models.sizes_of(config, words.adapter)
    problem = hardware.too_large(hardware.machine(), sizes, words.hardware, words.base.quantization)
    if problem is not None:
        raise SurroundingsError(_placed(loaded, problem))


def _require_fit(loaded: LoadedRecipe, source: models.BaseSource) -> Any:
    """The base's config, when it can carry what the recipe asks for."""
    words = loaded.recipe
    config = models.load_config(source)
    try:
        problems = models.misfits(config, words.adapter, words.base.quantization)
    except ModelError as error:
        problems = list(error.problems)
    if problems:
        raise ModelError([_placed(loaded, problem) for problem in problems])
    return config


def foreseen(loaded: LoadedRecipe) -> tuple[list[str | Problem], list[str]]:
    """For a check of the data: what is wrong with the base, weight files that are cut off too; what was not looked at.

    Nothing is fetched, and nothing is said of memory: training may take place on another machine. torch is imported
    only where the recipe asks for something that a base may lack: other recipes are checked as fast as their data.
    """
    asks = _asks_for_something(loaded.recipe)
    try:
        source = models.find_fetched(find_source(loaded))
        if source is None:
            line = (
                "the base is not on this machine yet: whether it fits adapter and base.quantization was not looked at"
            )
            return [], [line] * asks
        if not source.is_of_a_hub:
            models.check_files(Path(source.location))
        if asks:
            _require_fit(loaded, source)
    except FinetuneError as error:
        return list(error.problems), []
    return [], []


def _asks_for_something(words: Any) -> bool:
    """Whether adapter or base are told to be something that not every base and machine has."""
    adapter = words.adapter
    return bool(
        words.base.quantization != "none"
        or adapter.target_modules != "auto"
        or adapter.layers is not None
        or adapter.rank_pattern
        or adapter.alpha_pattern
        or adapter.new_tokens
        or adapter.method not in ("lora", "rslora")
    )


def _placed(loaded: LoadedRecipe, problem: str | Problem) -> str | Problem:
    """A problem with the line of the recipe that its key is on."""
    if isinstance(problem, str) or problem.where or not problem.key:
        return problem
    return replace(problem, where=loaded.where(problem.key))
