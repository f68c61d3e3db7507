"""check.html and check.json: the same facts for a reader and for a program, side by side in one folder."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from finetune.checking.view import view
from finetune.checking.words import LANGUAGES, say
from finetune.errors import Problem, RunError, SurroundingsError
from finetune.runs import MANIFEST, write_json, write_text

PAGE, FILE = "check.html", "check.json"
_TEMPLATE = "check.html.jinja"
# By these beginnings a file is known as one that an earlier check wrote.
_PAGE_START = """<!DOCTYPE html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="generator" content="finetune check">
"""
_FILE_STARTS = ('{\n "schema": 1,', '{\n "schema": 2,')


def default_folder(name: str) -> Path:
    """Where `finetune check` writes when it is not told: checks/NAME in the current folder, as runs stand in runs/."""
    return Path("checks") / name


def check_target(folder: Path, key: str = "--output") -> None:
    """See that the check may be written into a folder: only files of an earlier check are replaced.

    Raises:
        RunError: something else is there, or the folder is a run's, which keeps the check it was trained on.
    """
    problems = []
    if os.path.lexists(folder) and not folder.is_dir():
        problems.append(Problem(str(folder), key, "is no folder", fix="name another one"))
    if (folder / MANIFEST).exists():
        problems.append(Problem(str(folder), key, "is the folder of a run, which keeps its own check",
                                fix="name another one"))  # fmt: skip
    for name, starts in ((PAGE, (_PAGE_START,)), (FILE, _FILE_STARTS)):
        path = folder / name
        if os.path.lexists(path) and not _begins(path, starts):
            problems.append(Problem(str(path), key, "exists, and no check wrote it", fix="name another folder"))
    if problems:
        raise RunError(problems)


def _begins(path: Path, starts: tuple[str, ...]) -> bool:
    """Whether a plain file begins with one of these; a pipe is never opened, reading from it would wait for ever."""
    try:
        if path.is_symlink() or not path.is_file():
            return False
        with path.open("rb") as file:
            return file.read(len(_PAGE_START)).startswith(tuple(start.encode() for start in starts))
    except OSError:
        return False


def write_check(folder: Path, report: Mapping[str, Any]) -> tuple[Path, Path]:
    """Write check.json and check.html into a folder, made if it is not there; an earlier check is replaced.

    Args:
        folder: see `check_target`, which the command asks before it reads a row.
        report: `CheckResult.report`.

    Returns:
        (page, JSON file).

    Raises:
        SurroundingsError: they cannot be written.
    """
    page = render(report)
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        what = f"cannot be made: {error.strerror or error}"
        raise SurroundingsError(Problem(str(folder), "--output", what, fix="name another folder")) from error
    write_json(folder / FILE, report)
    write_text(folder / PAGE, page)
    return folder / PAGE, folder / FILE


def render(report: Mapping[str, Any]) -> str:
    """check.html as text: one page that loads nothing, English and Chinese, without a script.

    It begins in Chinese where the recipe declares Chinese first, or where most rows are Chinese and none is declared.
    """
    from jinja2 import Environment, FileSystemLoader, StrictUndefined

    environment = Environment(
        loader=FileSystemLoader(Path(__file__).parent), autoescape=True, undefined=StrictUndefined, trim_blocks=True,
        lstrip_blocks=True,
    )  # fmt: skip
    page = environment.get_template(_TEMPLATE).render(
        views=[view(report, language) for language in LANGUAGES],
        titles=[say("title", language) for language in LANGUAGES],
        name=report["recipe"]["name"],
        first=_first_language(report),
        kit_version=report["kit_version"],
    )
    return _PAGE_START + page


def _first_language(report: Mapping[str, Any]) -> str:
    declared, counts = report["settings"]["languages"], report["languages"]
    first = declared[0] if declared else max(counts, key=lambda code: counts[code], default="en")
    return "zh" if first.split("-")[0] == "zh" else "en"
