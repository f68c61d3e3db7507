"""Floor 1: where shipped recipes, data templates, the demo and the starter base are, in a wheel or a checkout."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

from finetune.errors import Problem, RecipeError, RunError, SurroundingsError

_PACKAGE = Path(__file__).resolve().parent
STARTER_ID = "starter"


def shipped(folder: str) -> Path:
    """The folder of shipped files called `folder`: "recipes", "data_templates" or "demo".

    In a wheel it lies under finetune/_bundled. In a checkout it lies beside the package, and is only believed
    when the pyproject.toml there is this project's: never a stranger's site-packages/recipes.

    Raises:
        RunError: the installation has no such folder.
    """
    bundled = _PACKAGE / "_bundled" / folder
    if bundled.is_dir():
        return bundled
    checkout = _PACKAGE.parent
    marker = checkout / "pyproject.toml"
    if marker.is_file() and 'name = "finetune-kit"' in marker.read_text(encoding="utf-8"):
        beside = checkout / folder
        if beside.is_dir():
            return beside
    raise RunError(f"the shipped folder {folder}/ is missing from this installation; reinstall finetune-kit")


def shipped_root() -> Path:
    """The folder that holds recipes/, data_templates/ and demo/ side by side."""
    return shipped("recipes").parent


def starter_base() -> Path:
    """The bundled starter base: a folder in Hub form (config.json, model.safetensors, tokenizer files)."""
    folder = _PACKAGE / "starter" / "base"
    if not (folder / "config.json").is_file():
        raise RunError("the bundled starter base is missing from this installation; reinstall finetune-kit")
    return folder


def shipped_recipes() -> dict[str, Path]:
    """Name -> recipe.yaml of every shipped recipe, sorted by name. Found by walking, never from a list."""
    root = shipped("recipes")
    return {path.parent.relative_to(root).as_posix(): path for path in sorted(root.rglob("recipe.yaml"))}


def find_recipe(name: str, relative_to: Path | None = None) -> Path:
    """The file that `name` means: an existing path wins (a file, or a folder with recipe.yaml), else a shipped name.

    Args:
        name: what the user wrote.
        relative_to: folder that a relative path starts from; the current one when None.

    Raises:
        RecipeError: neither exists; the message lists the shipped names.
    """
    if name.startswith(("http://", "https://")):
        raise RecipeError(
            f"{name}: a recipe is not read from a URL. Fix: download the file, read it, then run the copy"
        )
    base = relative_to or Path()
    path = base / name
    for candidate in (path, path / "recipe.yaml", base / f"{name}.yaml"):
        if candidate.is_file():
            return candidate
    recipes = shipped_recipes()
    if name in recipes:
        return recipes[name]
    if path.is_dir():
        raise RecipeError(f"{name}: is a folder without a recipe.yaml. Fix: name the recipe file itself")
    if path.exists():
        raise RecipeError(f"{name}: is not a plain file. Fix: name a recipe file")
    raise RecipeError(f"{name}: no such recipe. Fix: name a file, or one of the shipped recipes: {', '.join(recipes)}")


def copy_tree(source: Path, target: Path) -> None:
    """Copy a shipped folder out.

    Raises:
        RunError: `target` exists; nothing is overwritten.
        SurroundingsError: it cannot be written.
    """
    if os.path.lexists(target):
        raise RunError(f"{target}: already exists. Fix: choose another name")
    try:
        shutil.copytree(source, target, ignore=shutil.ignore_patterns("__pycache__", "*.pyc"))
    except (OSError, shutil.Error) as error:
        reason = (error.strerror or "") if isinstance(error, OSError) else ""
        problem = Problem(str(target), "", "cannot be written", reason or type(error).__name__, "choose another place")
        raise SurroundingsError(problem) from error
