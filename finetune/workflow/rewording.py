"""Other words for a run that is evaluated again: what is asked of it may change, what it learnt from may not."""

from __future__ import annotations

from collections.abc import Sequence

from finetune import recipe
from finetune.errors import Problem, RecipeError
from finetune.runs import Run, write_text


def reword_evaluation(current: Run, overrides: Sequence[str]) -> None:
    """Write other words of `evaluate` into a run's recipe.resolved.yaml, and note them in its manifest.

    Args:
        current: the run; the caller holds its lock.
        overrides: `evaluate.KEY=VALUE` texts; files among the values are named from the current folder.

    Raises:
        RecipeError: a key of another section, or a value that a recipe may not have.
    """
    others = [text for text in overrides if not text.startswith("evaluate.")]
    if others:
        fix = "start a new run for it; only evaluate.* may change here"
        raise RecipeError(
            [Problem("--set", text.split("=")[0], "is what the run was made of", fix=fix) for text in others]
        )
    loaded = recipe.load(current.resolved_path, overrides, allow_outside=True)
    write_text(current.resolved_path, recipe.dump(recipe.relocate(loaded, current.path)))
    for text in overrides:
        current.note(f"evaluated again with --set {text.split('=')[0]}")
