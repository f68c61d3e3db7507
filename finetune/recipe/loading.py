"""From a recipe's name to a checked recipe: reading, `extends`, `--set`, and every check, reported
together.
"""

from __future__ import annotations

import os
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from finetune import resources
from finetune.errors import Problem, RecipeError, RunError
from finetune.recipe import checks, remedies, strict_yaml
from finetune.recipe.findings import SET, Findings, Mark, dotted, place, safe
from finetune.recipe.paths import (
    OUTSIDE,
    OUTSIDE_FIX,
    PathChecker,
    file_words,
    is_inside,
    is_there,
    locate,
    looks_like_path,
    outside_got,
    shipped_root,
)
from finetune.recipe.words import Recipe

MAX_EXTENDS = 8
_DOTTED = re.compile(r"[^\s=.]+(\.[^\s=.]+)*\Z")


@dataclass(frozen=True)
class LoadedRecipe:
    """A checked recipe together with where each of its settings came from.

    Attributes:
        recipe: validated, defaults filled in, `extends` merged, overrides applied.
        path: the file that was read.
        text: its content, for recipe.yaml in the run folder.
        marks: key path -> (file as shown, line, column), lines and columns from 1; ("--set", order, 0) for
            overrides.
        overrides: the `--set` texts in order.
        chain: the files as shown, the recipe first, then what it extends.
        notes: plain lines the user should see, such as the absolute path of a file outside the recipe's
            folder.
        folders: file as shown -> its folder; "--set" -> the folder the command was started in.
    """

    recipe: Recipe
    path: Path
    text: str
    marks: Mapping[tuple, Mark]
    overrides: tuple[str, ...] = ()
    chain: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()
    folders: Mapping[str, Path] = field(default_factory=dict)

    def mark(self, dotted_key: str) -> Mark:
        """The mark of a key, or of the nearest section around it, or of the recipe as a whole (line 0)."""
        path = tuple(int(part) if part.isdigit() else part for part in dotted_key.split("."))
        while path and path not in self.marks:
            path = path[:-1]
        return self.marks[path] if path else (self.chain[0], 0, 0)

    def where(self, dotted_key: str) -> str:
        """Where a key was set: "recipe.yaml:5:3", "--set", or "recipe.yaml" when it was not set."""
        return place(self.mark(dotted_key))

    def path_of(self, dotted_key: str, value: str) -> Path:
        """The path that `value` of a key means: relative to the file that set the key; for --set, to the
        current folder.
        """
        return locate(self.folders[self.mark(dotted_key)[0]], value)


@dataclass
class _Source:
    """One file of the chain, read."""

    shown: str
    path: Path
    text: str
    tree: strict_yaml.Tree


def load(
    name: str | Path,
    overrides: Sequence[str] = (),
    *,
    allow_outside: bool = False,
    trust_remote_code: bool = False,
    must_exist: bool = True,
) -> LoadedRecipe:
    """Read, merge and check a recipe.

    Args:
        name: a file, a folder with recipe.yaml, or a shipped name.
        overrides: `--set` texts such as "train.learning_rate=1e-4"; later ones win.
        allow_outside: paths may leave the recipe's folder (their absolute form is then in `notes`).
        trust_remote_code: refused; code that comes with a model never runs.
        must_exist: files named without wildcards must be there. False to read back an old run's recipe.

    Raises:
        RecipeError: with every problem, each with file:line:column, key, value and fix.
    """
    if trust_remote_code:
        what, fix = remedies.NO_REMOTE_CODE
        what = what.replace("a recipe cannot allow a model's own code to run", "a model's own code never runs")
        raise RecipeError(Problem("", "--trust-remote-code", what, "", fix.replace("delete it", "leave it out")))
    path = _find(str(name))
    sources, findings, outside = _read_chain(path, allow_outside)
    known_formats = [_check_source(findings, source) for source in sources]
    if not all(known_formats):
        findings.raise_if_any()
    view = _merge(sources, findings)
    _apply_overrides(view, overrides, findings)
    folders = {source.shown: source.path.parent for source in sources}
    folders[SET] = Path.cwd()
    paths = PathChecker(findings, folders, allow_outside, must_exist)
    recipe, notes = _judge(view, findings, sources, paths, path)
    return LoadedRecipe(
        recipe=recipe,
        path=path,
        text=sources[0].text,
        marks=dict(findings.marks),
        overrides=tuple(overrides),
        chain=tuple(source.shown for source in sources),
        notes=(*outside, *notes),
        folders=folders,
    )


def parse(text: str | bytes, name: str = "recipe.yaml") -> Recipe:
    """Check one recipe text by itself: nothing is read from disk, `extends` is kept as a word.

    Raises:
        RecipeError: with every problem.
    """
    tree = strict_yaml.read(text)
    source = _Source(name, Path(name), "", tree)
    source.text = strict_yaml.decode(text)[0] if isinstance(text, bytes) else text
    findings = Findings({}, [name])
    findings.add_faults(name, tree.faults)
    if not _check_source(findings, source):
        findings.raise_if_any()
    view = _merge([source], findings, keep_extends=True)
    return _judge(view, findings, [source], None, None)[0]


def _judge(
    view: checks.View,
    findings: Findings,
    sources: list[_Source],
    paths: PathChecker | None,
    file: Path | None,
) -> tuple[Recipe, list[str]]:
    """Run every check, raise all problems together, or return the recipe and the notes."""
    if file is not None and "name" not in view.data:
        view.data["name"] = _name_from(file)
    secret_lines = _check_lines(findings, sources)
    recipe = checks.check_words(findings, view)
    checks.check_texts(findings, view, secret_lines)
    checks.check_not_yet(findings, view)
    checks.check_contradictions(findings, view)
    if paths:
        paths.check(view)
    findings.raise_if_any()
    if recipe is None:  # every pydantic error becomes a finding, unless its place was broken before
        raise RecipeError(Problem(findings.files[0], "", "cannot be read"))
    return recipe, paths.notes if paths else []


def _name_from(file: Path) -> str:
    stem = file.resolve().parent.name if file.stem == "recipe" else file.stem
    name = re.sub(r"[^A-Za-z0-9_.-]+", "_", stem).strip("._-")[:64]
    return name or "recipe"


def _find(name: str, relative_to: Path | None = None) -> Path:
    """resources.find_recipe, with every way it can fail as a RecipeError."""
    path = (relative_to or Path()) / name
    try:
        if not path.name and (path / "recipe.yaml").is_file():
            return path / "recipe.yaml"
        return resources.find_recipe(name, relative_to)
    except RecipeError:  # a ValueError too, so it has to pass before those below
        raise
    except (RunError, OSError, ValueError) as error:
        # Without shipped recipes, or with a name no file can have ("a\0b", ".", 5,000 letters).
        what = "is a folder without a recipe.yaml" if is_there(path, Path.is_dir) else "no such recipe"
        shown_name = name if name.isprintable() and len(name) < 200 else safe(name)
        raise RecipeError(Problem(shown_name, "", what, fix="name a recipe file")) from error


def _read_bytes(path: Path) -> bytes:
    try:
        num_bytes = path.stat().st_size
        with path.open("rb") as file:
            raw = file.read(strict_yaml.MAX_BYTES + 1)
    except OSError as error:
        reason = (error.strerror or "cannot be read").lower()
        raise RecipeError(Problem(str(path), "", reason, fix="check the file and its permissions")) from error
    if len(raw) > strict_yaml.MAX_BYTES:  # not read further, only measured
        raise RecipeError(Problem(_shown(path, None), "", *strict_yaml.too_large(max(num_bytes, len(raw)))))
    return raw


def _shown(path: Path, first: Path | None) -> str:
    """A file's name in messages: short, unique in the chain, and without the user's home in it where it can
    be.
    """
    resolved = path.resolve()
    if resolved.is_relative_to(Path.cwd()):
        return resolved.relative_to(Path.cwd()).as_posix()
    root = shipped_root()
    if root and resolved.is_relative_to(root.resolve()):
        return resolved.relative_to(root.resolve()).as_posix()
    return path.name if first is None else os.path.relpath(resolved, first.resolve().parent)


def _read_chain(path: Path, allow_outside: bool) -> tuple[list[_Source], Findings, list[str]]:
    """The recipe and everything it extends, nearest first; the faults of the reading; notes on files outside."""
    sources: list[_Source] = []
    findings = Findings({}, [])
    notes: list[str] = []
    while True:
        raw = _read_bytes(path)
        tree = strict_yaml.read(raw)
        text = strict_yaml.decode(raw)[0]
        source = _Source(_shown(path, sources[0].path if sources else None), path, text, tree)
        sources.append(source)
        findings.files.append(source.shown)
        findings.add_faults(source.shown, tree.faults)
        following = _extended(source, sources, findings, allow_outside, notes)
        if following is None:
            return sources, findings, notes
        path = following


def _extended(
    source: _Source, sources: list[_Source], findings: Findings, allow_outside: bool, notes: list[str]
) -> Path | None:
    """The file that `source` extends; None when there is none, or when it cannot be followed (then noted)."""
    name = source.tree.data.get("extends")
    if name is None:
        return None
    mark = (source.shown, *source.tree.marks[("extends",)])

    def refuse(what: str, fix: str, got: str = "") -> None:
        source.tree.complete = False  # what the other file would have set must not be called missing
        findings.add_at(mark, ("extends",), what, got or safe(name), fix)

    if not isinstance(name, str) or not name.strip():
        return refuse("expected a path or the name of a shipped recipe", "write, for example, extends: base_chat")
    if "://" in name:
        return refuse("a recipe is not read from a URL", "download the file, read it, then name the copy")
    try:
        path = _find(name, source.path.parent)
    except RecipeError as error:
        # "NAME: what. Fix: what to do", of which the name is shown as the value.
        what, _, fix = str(error.problems[0]).removeprefix(f"{name}: ").partition(". Fix: ")
        return refuse(what, fix)
    resolved = path.resolve()
    root = shipped_root()
    if not is_inside(path, source.path.parent) and not (root and is_inside(path, root / "recipes")):
        # Not even read: a message about it could show what stands in it.
        if not allow_outside:
            return refuse(OUTSIDE, OUTSIDE_FIX, outside_got(name, str(resolved)))
        notes.append(f"extends {OUTSIDE}: {resolved}")
    known = [other.path.resolve() for other in sources]
    if resolved in known:
        ring = [other.shown for other in sources[known.index(resolved) :]]
        return refuse("recipes extend one another in a ring", "end the ring", " -> ".join([*ring, ring[0]]))
    if len(sources) >= MAX_EXTENDS:
        return refuse(f"more than {MAX_EXTENDS} recipes extend one another", "merge some of them")
    return path


def _check_source(findings: Findings, source: _Source) -> bool:
    """The format line of one file; False when it is of a newer format."""
    tree = source.tree
    mark = tree.marks.get(("recipe",))
    if mark is None and not tree.complete and not any(fault.path for fault in tree.faults):
        return True
    return checks.check_version(
        findings, source.shown, (source.shown, *mark) if mark else None, tree.data.get("recipe")
    )


def _merge(sources: list[_Source], findings: Findings, keep_extends: bool = False) -> checks.View:
    """Maps merge, everything else is replaced, the nearer file wins; marks follow the file that set a key."""
    data: dict[str, Any] = {}
    marks: dict[tuple, Mark] = {}
    broken: set[tuple] = set()
    for source in reversed(sources):
        tree = source.tree
        own = {path: (source.shown, *mark) for path, mark in tree.marks.items()}
        broken = {path for path in broken if path not in own} | tree.broken
        _merge_into(data, marks, tree.data, own, ())
        for path in tree.broken:
            if path:
                _forget(data, path)
                marks[path] = own.get(path, (source.shown, 0, 0))
    if not keep_extends:
        data.pop("extends", None)
    data.setdefault("recipe", 1)  # a missing format line is reported file by file
    findings.marks = marks
    return checks.View(data, broken, complete=all(source.tree.complete for source in sources))


def _merge_into(data: dict, marks: dict, new: Mapping, own: Mapping[tuple, Mark], path: tuple) -> None:
    for key, value in new.items():
        here = (*path, key)
        if isinstance(value, dict) and isinstance(data.get(key), dict):
            _merge_into(data[key], marks, value, own, here)
            marks[here] = own[here]
            continue
        for old in [mark for mark in marks if mark[: len(here)] == here]:
            del marks[old]
        marks.update({mark: own[mark] for mark in own if mark[: len(here)] == here})
        data[key] = value


def _forget(data: Any, path: tuple) -> None:
    for part in path[:-1]:
        data = data.get(part) if isinstance(data, dict) else None
    if isinstance(data, dict):
        data.pop(path[-1], None)


def _apply_overrides(view: checks.View, overrides: Sequence[str], findings: Findings) -> None:
    """`--set a.b=c`, in order; the last one wins. Problems carry `--set` as their file."""
    for order, text in enumerate(overrides):
        mark: Mark = (SET, order, 0)
        key, equals, value = text.partition("=")
        path = tuple(key.strip().split("."))
        if remedies.find_secret(text) is not None:
            checks.add_secret(findings, mark, path)
            continue
        if not equals or not _DOTTED.match(key.strip()):
            fix = "write, for example, --set train.learning_rate=1e-4"
            findings.add_at(mark, (), "expected key=value with a dotted key", safe(text), fix)
            continue
        if path[0] == "extends":
            what = "cannot be set on the command line"
            findings.add_at(mark, path, what, safe(value), "write it in the recipe")
            continue
        if len(path) > strict_yaml.MAX_DEPTH:
            findings.add_at(mark, (), "expected a key of at most two words", "", "write section.word=value")
            continue
        tree = strict_yaml.read_value(value)
        for fault in tree.faults:
            findings.add_at(mark, (*path, *fault.path), fault.what, fault.got, fault.fix)
        if tree.faults:
            view.broken.add(path)
            continue
        nested = tree.data
        own = {(*path, *inner): mark for inner in [*tree.marks, ()]}
        for number in range(len(path), 0, -1):
            nested = {path[number - 1]: nested}
            own[path[:number]] = mark
        marks = dict(findings.marks)
        sections = {path[:n]: marks[path[:n]] for n in range(1, len(path)) if path[:n] in marks}
        _merge_into(view.data, marks, nested, own, ())
        # A section that the recipe opened keeps its own place, unless the override replaced it.
        marks.update({known: place_ for known, place_ in sections.items() if isinstance(_at(view.data, known), dict)})
        findings.marks = marks
        view.broken = {known for known in view.broken if known != path}


def _at(data: Any, path: tuple) -> Any:
    for part in path:
        data = data.get(part) if isinstance(data, dict) else None
    return data


def _check_lines(findings: Findings, sources: list[_Source]) -> set[tuple[str, int]]:
    """Secrets anywhere in the files, comments included. Returns the (file, line) pairs reported."""
    reported: set[tuple[str, int]] = set()
    for source in sources:
        if not source.text:
            continue
        by_line = {mark[0]: path for path, mark in source.tree.marks.items()}
        for number, line in enumerate(source.text.splitlines(), start=1):
            offset = remedies.find_secret(line)
            if offset is not None:
                reported.add((source.shown, number))
                path = by_line.get(number, ())
                checks.add_secret(findings, (source.shown, number, offset + 1), path)
    return reported


def relocate(loaded: LoadedRecipe, folder: Path) -> Recipe:
    """The recipe with every relative path rewritten so that it holds from `folder`: for recipe.resolved.yaml.

    Absolute paths, hub ids and names of shipped things stay as they are.
    """
    view = checks.View(loaded.recipe.model_dump(mode="json"))
    changes: dict[str, dict[str, Any]] = {}
    for path, value in file_words(view):
        section, word, *entry = path
        moved = _moved(loaded, dotted((section, word)), value, folder)
        if entry:
            items = changes.setdefault(section, {}).setdefault(word, list(view.data[section][word]))
            items[entry[0]] = moved if len(entry) == 1 else {**items[entry[0]], "path": moved}
        else:
            changes.setdefault(section, {})[word] = moved
    model = loaded.recipe.base.model
    if looks_like_path(model) or (model != resources.STARTER_ID and loaded.path_of("base.model", model).is_dir()):
        moved = _moved(loaded, "base.model", model, folder)
        changes.setdefault("base", {})["model"] = moved if looks_like_path(moved) else f"./{moved}"
    for section, words in changes.items():
        view.data[section].update(words)
    return Recipe.model_validate(view.data)


def _moved(loaded: LoadedRecipe, key: str, value: str, folder: Path) -> str:
    if os.path.isabs(value) or value.startswith(("~", "hub:")):
        return value
    return Path(os.path.relpath(loaded.path_of(key, value).resolve(), folder.resolve())).as_posix()
