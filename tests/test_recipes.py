"""Every shipped recipe: found by walking, valid, pinned, explained."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from finetune import data, recipe, resources

ROOT = Path(__file__).resolve().parents[1] / "recipes"
FILES = sorted(ROOT.rglob("recipe.yaml"))
PATHS = pytest.mark.parametrize("path", FILES, ids=lambda path: path.parent.name)


def test_the_walk_finds_what_the_kit_ships() -> None:
    assert len(FILES) >= 2
    assert list(resources.shipped_recipes().values()) == FILES
    assert "quickstart" in resources.shipped_recipes(), "the default of `finetune new`, and of `make quickstart`"


def test_nothing_lies_in_recipes_that_is_not_shipped_as_one() -> None:
    folders = {path.parent for path in ROOT.rglob("*") if path.is_file()} - {ROOT}
    assert folders == {path.parent for path in FILES}
    assert not list(ROOT.rglob("*.py")), "recipes are papers, not code"


@PATHS
def test_it_is_valid_and_named_as_its_folder(path: Path) -> None:
    words = recipe.load(path).recipe
    assert words.name == path.parent.name
    assert words.description.endswith(".")
    assert len(words.description) <= 120


@PATHS
def test_a_hub_base_is_pinned_to_a_commit(path: Path) -> None:
    base = recipe.load(path).recipe.base
    if base.model != resources.STARTER_ID:
        assert re.fullmatch(r"[0-9a-f]{40}", base.revision or ""), "pin base.revision to a commit"


@PATHS
def test_it_holds_no_hardware_and_no_place_of_this_machine(path: Path) -> None:
    text = path.read_text(encoding="utf-8")
    assert not re.search(r"^hardware:", text, re.MULTILINE)
    assert "/home" not in text
    assert len(text.splitlines()) <= 60, "a recipe is one page"
    assert text.startswith("#"), "the first line says what it is for"


@PATHS
def test_its_rows_and_questions_are_there(path: Path) -> None:
    loaded = recipe.load(path)
    splits = data.load(loaded)
    assert len(splits.train) >= 10
    assert len(splits.held_out) >= 1
    warnings = splits.report.warnings
    if loaded.recipe.data.leakage == "warn":  # the recipe chose it: the only thing that may be told of
        assert warnings.pop(0).endswith("scores on them are too good; kept, as data.leakage is warn")
        assert re.search(r"^ *leakage: warn +# .{20,}", path.read_text(encoding="utf-8"), re.MULTILINE), "say why"
    assert warnings == []
    questions = loaded.recipe.evaluate.questions
    if questions is not None:
        assert loaded.path_of("evaluate.questions", questions).is_file()


@PATHS
def test_it_may_be_shared(path: Path) -> None:
    share = recipe.load(path).recipe.share
    assert share.license
    assert share.languages
    assert share.intended_use
    assert share.not_for, "say what it must not be used for"


@PATHS
def test_its_readme_explains_it(path: Path) -> None:
    text = (path.parent / "README.md").read_text(encoding="utf-8")
    assert text.startswith(f"# {path.parent.name}\n")
    for heading in ("For whom", "Expected numbers", "Limits"):
        assert heading in text, heading
    for target in re.findall(r"\]\((?!http)([^)#]+)", text):
        assert (path.parent / target).exists(), f"README.md points at {target}"
