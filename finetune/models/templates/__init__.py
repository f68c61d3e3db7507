"""Chat templates that the kit ships, one .jinja file each; `base.chat_template` names one."""

from __future__ import annotations

import functools
from pathlib import Path

from finetune.errors import ModelError, Problem
from finetune.models.templates.safety import check_template

_FOLDER = Path(__file__).resolve().parent
PLAIN = "plain"


def shipped_templates() -> list[str]:
    """Names of the shipped templates."""
    return sorted(path.stem for path in _FOLDER.glob("*.jinja"))


@functools.cache
def shipped_template(name: str) -> str:
    """The text of a shipped template."""
    return (_FOLDER / f"{name}.jinja").read_text(encoding="utf-8").rstrip("\n")


def read_template(choice: str, file: Path | None = None) -> str:
    """The text of a shipped template by name, or of the file that the recipe names.

    Raises:
        ModelError: neither is there, or the file is not UTF-8, is no template, or may not be run.
    """
    if choice in shipped_templates():
        return shipped_template(choice)
    if file is None or not file.is_file():
        known = ", ".join(["auto", *shipped_templates()])
        raise ModelError(Problem("", "base.chat_template", "no such template", repr(choice), f"use {known}, or a file"))
    try:
        text = file.read_text(encoding="utf-8").rstrip("\n")
    except (OSError, UnicodeDecodeError) as error:
        problem = Problem(file.name, "base.chat_template", "cannot be read", type(error).__name__, "save it as UTF-8")
        raise ModelError(problem) from error
    check_template(text, file.name)
    return text
