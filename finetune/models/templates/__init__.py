"""Chat templates that the kit ships, one .jinja file each; `base.chat_template` names one."""

from __future__ import annotations

from pathlib import Path

from finetune.errors import ModelError, Problem

_FOLDER = Path(__file__).resolve().parent
PLAIN = "plain"


def shipped_templates() -> list[str]:
    """Names of the shipped templates."""
    return sorted(path.stem for path in _FOLDER.glob("*.jinja"))


def read_template(choice: str, file: Path | None = None) -> str:
    """The text of a shipped template by name, or of the file that the recipe names.

    Raises:
        ModelError: neither is there, or the file is not UTF-8.
    """
    path = _FOLDER / f"{choice}.jinja"
    if choice not in shipped_templates():
        if file is None or not file.is_file():
            known = ", ".join(["auto", *shipped_templates()])
            raise ModelError(
                Problem("", "base.chat_template", "no such template", repr(choice), f"use {known}, or a file")
            )
        path = file
    try:
        return path.read_text(encoding="utf-8").rstrip("\n")
    except (OSError, UnicodeDecodeError) as error:
        problem = Problem(path.name, "base.chat_template", "cannot be read", type(error).__name__, "save it as UTF-8")
        raise ModelError(problem) from error
