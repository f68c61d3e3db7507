"""Files and folders a recipe names: where they are, whether they may be there, and whether they exist."""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path

from finetune import resources
from finetune.errors import RunError
from finetune.recipe.checks import MISSING, View
from finetune.recipe.evaluate_words import is_suite_file, is_task_file
from finetune.recipe.findings import SET, Findings, safe
from finetune.recipe.remedies import HIDDEN

_WILDCARD = re.compile(r"[*?\[]")
_URL = re.compile(r"[A-Za-z][A-Za-z0-9+.-]*://")
_FOREIGN_ROOT = re.compile(r"\\\\|//|[A-Za-z]:[\\/]")
_HUB_ID = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,95}/[A-Za-z0-9][A-Za-z0-9._-]{0,95}\Z")
_HUB_ADDRESS = re.compile(r"https?://(?:www\.)?(?:huggingface\.co|hf\.co)/([^/\s]+/[^/\s?#]+)")
_MODELSCOPE_ADDRESS = re.compile(r"https?://(?:www\.)?modelscope\.(?:cn|ai)/models/([^/\s]+/[^/\s?#]+)")
HUB = "hub:"
MODELSCOPE = "ms://"
OUTSIDE = "lies outside the recipe's folder"
OUTSIDE_FIX = "put a copy beside the recipe, or allow it with --allow-outside"


def outside_got(value: str, absolute: str) -> str:
    """A path as the refusal shows it: as written, and what it comes to when that is not the same."""
    written = safe(value)
    return written if absolute == value or written == HIDDEN else f"{written}, that is {absolute}"


def locate(folder: Path, value: str) -> Path:
    """The path that `value` means in a recipe that lies in `folder`; `~` is the user's home. Not resolved."""
    return folder / os.path.expanduser(value)


def is_pattern(value: str) -> bool:
    """True when a data path is a pattern such as data/*.jsonl."""
    return bool(_WILDCARD.search(value))


def looks_like_path(value: str) -> bool:
    """True for a base.model that can only be a path: ./x, ../x, /x, ~/x, a Windows path."""
    return (
        value in (".", "..", "~")
        or value.startswith(("./", "../", "/", "~", "\\", ".\\", "..\\"))
        or bool(re.match(r"[A-Za-z]:[\\/]", value))
    )


def is_template_file(value: str) -> bool:
    """True for a base.chat_template that names a file, not `auto` or a shipped template."""
    return "/" in value or "\\" in value or value.startswith("~") or value.endswith((".jinja", ".jinja2", ".j2"))


def file_words(view: View) -> Iterator[tuple[tuple, str]]:
    """Every (key path, value) of a readable setting that names a file: train entries (those with a weight by
    their `path`), held_out, questions, suites, benchmarks, template.
    """
    train = view.get("data", "train")
    if isinstance(train, str):
        yield ("data", "train"), train
    elif isinstance(train, (list, tuple)):
        for number, item in enumerate(train):
            if isinstance(item, str):
                yield ("data", "train", number), item
            else:
                yield ("data", "train", number, "path"), item["path"] if isinstance(item, dict) else item.path
    held_out, questions = view.get("data", "held_out"), view.get("evaluate", "questions")
    if isinstance(held_out, str):
        yield ("data", "held_out"), held_out
    if isinstance(questions, str):
        yield ("evaluate", "questions"), questions
    for word, is_file in (("suites", is_suite_file), ("benchmarks", is_task_file)):
        names = view.get("evaluate", word)
        for number, name in enumerate(names if isinstance(names, (list, tuple)) else ()):
            if isinstance(name, str) and is_file(name):
                yield ("evaluate", word, number), name
    template = view.get("base", "chat_template")
    if isinstance(template, str) and is_template_file(template):
        yield ("base", "chat_template"), template


class PathChecker:
    """Checks the paths of one merged recipe.

    Args:
        findings: where problems go; its marks tell which file set a key.
        folders: folder of each file as shown; `--set` has the current folder.
        allow_outside: paths may leave the folder of the file that set them.
        must_exist: a path without wildcards must be there.
    """

    def __init__(self, findings: Findings, folders: Mapping[str, Path], allow_outside: bool, must_exist: bool):
        self.findings = findings
        self.folders = folders
        self.allow_outside = allow_outside
        self.must_exist = must_exist
        self.notes: list[str] = []

    def folder_of(self, path: tuple) -> Path:
        return self.folders[self.findings.mark(path)[0]]

    def check(self, view: View) -> None:
        for path, value in file_words(view):
            if not value.startswith(HUB):
                self.check_file(path, value)
        model = view.get("base", "model")
        if model is not MISSING:
            self.check_model(("base", "model"), model)

    def check_file(self, path: tuple, value: str) -> None:
        if _URL.match(value):
            self.findings.add(path, "files are not read from a URL", safe(value), "download it beside the recipe")
            return
        if not self.may_be_there(path, value) or not self.must_exist or is_pattern(value):
            return
        target = locate(self.folder_of(path), value)
        if is_there(target, Path.is_dir):
            if path[0] != "data":  # a folder of data files, or of pairs of texts
                self.findings.add(path, "is a folder", safe(value), "name a file")
        elif not is_there(target, Path.is_file):
            fix = f"put it into {self.folder_shown(path)}, or correct the path"
            self.findings.add(path, "no such file", safe(value), fix)

    def check_model(self, path: tuple, value: str) -> None:
        if value == resources.STARTER_ID:
            return
        if value.startswith(MODELSCOPE):
            if not _is_hub_id(value.removeprefix(MODELSCOPE)):
                self.findings.add(path, "is no ModelScope id", safe(value), "write ms://owner/name")
            return
        if _URL.match(value):
            match = _HUB_ADDRESS.match(value)
            fix = f"write {match.group(1)}" if match else "write a hub id (owner/name) or a folder"
            if match := _MODELSCOPE_ADDRESS.match(value):
                fix = f"write {MODELSCOPE}{match.group(1)}"
            self.findings.add(path, "a model is not named by a URL", safe(value), fix)
            return
        is_folder = is_there(locate(self.folder_of(path), value), Path.is_dir)
        if looks_like_path(value) or is_folder:
            if self.may_be_there(path, value) and not is_folder and self.must_exist:
                self.findings.add(
                    path, "no such folder", safe(value), "correct the path, or write a hub id (owner/name)"
                )
        elif not _is_hub_id(value):
            fix = "write owner/name, ./folder or starter"
            self.findings.add(path, "is neither a hub id (owner/name), nor a folder, nor starter", safe(value), fix)

    def may_be_there(self, path: tuple, value: str) -> bool:
        """Whether a path stays in the folder of the file that set it. The user's own --set may name any
        path.
        """
        if any(char < " " or char == "\x7f" for char in value):
            self.findings.add(path, "a path holds a control character", safe(value), "correct the path")
            return False
        folder = self.folder_of(path)
        target = locate(folder, value)
        foreign = bool(_FOREIGN_ROOT.match(value))
        if not foreign and not value.startswith("~") and is_inside(target, folder):
            return True
        if self.findings.mark(path)[0] == SET:
            return True
        root = shipped_root()
        if root and is_inside(folder, root) and is_inside(target, root) and not foreign:
            return True
        absolute = value if foreign else str(_resolved(target))
        if self.allow_outside:
            self.notes.append(f"{'.'.join(str(part) for part in path)} lies outside the recipe's folder: {absolute}")
            return True
        self.findings.add(path, OUTSIDE, outside_got(value, absolute), OUTSIDE_FIX)
        return False

    def folder_shown(self, path: tuple) -> str:
        return "the current folder" if self.findings.mark(path)[0] == SET else "the recipe's folder"


def _is_hub_id(value: str) -> bool:
    """True for owner/name as hubs accept it."""
    odd = ".." in value or "--" in value or value.endswith((".", "-", ".git"))
    return bool(_HUB_ID.match(value)) and not odd


def shipped_root() -> Path | None:
    """The folder of everything shipped; None when this installation has none."""
    try:
        return resources.shipped_root()
    except RunError:
        return None


def _resolved(path: Path) -> Path:
    try:
        return path.resolve()
    except (OSError, RuntimeError, ValueError):  # a loop of links; a name too long
        return Path(os.path.normpath(os.path.abspath(path)))


def is_inside(path: Path, folder: Path) -> bool:
    """True when `path`, links followed, lies in `folder`."""
    return _resolved(path).is_relative_to(_resolved(folder))


def is_there(path: Path, test: Callable[[Path], bool]) -> bool:
    """`test` (Path.is_file, Path.is_dir) of a path; False for one that no file system can hold."""
    try:
        return test(path)
    except (OSError, ValueError):
        return False
