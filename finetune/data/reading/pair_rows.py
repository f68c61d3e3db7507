"""Folders of text pairs -> rows: one text file for a question, one for its answer.

Known are NAME.question.txt + NAME.answer.txt, NAME.prompt.txt + NAME.completion.txt, and questions/NAME.txt +
answers/NAME.txt. A row's place is its question's file.
"""

from __future__ import annotations

import hashlib
import os
import stat
from collections.abc import Iterator
from pathlib import Path

from finetune.data.reading import encodings
from finetune.data.reading.json_rows import Row
from finetune.data.reading.streams import SourceError
from finetune.data.shapes import plural
from finetune.errors import Problem

MAX_TEXT_BYTES = 4 * 1024**2
CONVENTIONS = (
    (".question.txt", ".answer.txt"),
    (".prompt.txt", ".completion.txt"),
)
FOLDERS = ("questions", "answers")
NAMES = (
    "NAME.question.txt + NAME.answer.txt, NAME.prompt.txt + NAME.completion.txt, questions/NAME.txt + answers/NAME.txt"
)


def pairs(folder: Path) -> tuple[list[tuple[str, str]], str]:
    """([(question's file, answer's file) relative to the folder], the convention's name), sorted by name.

    Every question and every answer appears, also where its other half is missing.

    Raises:
        SourceError: files of two conventions stand side by side.
    """
    names = sorted(entry.name for entry in os.scandir(folder) if not entry.name.startswith("."))
    found: list[tuple[list[tuple[str, str]], str]] = []
    for question, answer in CONVENTIONS:
        halves = [_by_stem(names, end) for end in (question, answer)]
        if any(halves):
            found.append((_matched(halves, ("", ""), (question, answer)), f"NAME{question} + NAME{answer}"))
    if all(name in names and (folder / name).is_dir() for name in FOLDERS):
        halves = [_by_stem(sorted(os.listdir(folder / half)), ".txt") for half in FOLDERS]
        if any(halves):
            pairs_found = _matched(halves, ("questions/", "answers/"), (".txt", ".txt"))
            found.append((pairs_found, "questions/NAME.txt + answers/NAME.txt"))
    if len(found) > 1:
        what = f"holds text pairs named in two ways: {found[0][1]}; {found[1][1]}"
        raise SourceError(what, "keep one way, or put them into folders of their own")
    return found[0] if found else ([], "")


def _by_stem(names: list[str], end: str) -> dict[str, str]:
    """NAME -> the file as it is really spelled: endings are those of the convention in any case.

    Raises:
        SourceError: two files are the same half of a pair.
    """
    files: dict[str, str] = {}
    for name in names:
        if name.lower().endswith(end) and not name.startswith("."):
            stem = name[: -len(end)]
            if stem in files:
                what = f"holds two files NAME{end} for one pair, which differ in upper and lower case only"
                raise SourceError(what, "keep one of them")
            files[stem] = name
    return files


def _matched(halves: list[dict[str, str]], folders: tuple[str, str], ends: tuple[str, str]) -> list[tuple[str, str]]:
    """(question, answer) sorted by NAME; a half that is missing is named as the convention has it."""
    made = []
    for stem in sorted({*halves[0], *halves[1]}):
        question, answer = (start + half.get(stem, stem + end) for half, start, end in zip(halves, folders, ends))
        made.append((question, answer))
    return made


class Pairs:
    """A folder of text pairs. After `rows`: the hash over names and texts, the bytes, the encoding and the notes."""

    def __init__(self, name: str, folder: Path, asked_encoding: str):
        self.name, self.folder, self._asked = name, folder, asked_encoding
        self.digest, self.num_bytes, self.notes = hashlib.sha256(), 0, []
        self.encoding = encodings.Encoding("utf-8")

    def rows(self) -> Iterator[tuple[int, Row | list[Problem] | None]]:
        """(characters, row or problems) in the order of the names.

        Raises:
            SourceError: the encoding is in doubt, or a file is none.
        """
        files, convention = pairs(self.folder)
        self.notes.append(f"{self.name}: text pairs, {convention}")
        used = {name.partition("/")[0] for pair in files for name in pair}
        others = [name for name in os.listdir(self.folder) if not name.startswith(".") and name not in used]
        if others:
            what = plural(len(others), "other entry" if len(others) == 1 else "other entrie")
            self.notes.append(f"{self.name}: {what} of the folder not read")
        self.encoding = encodings.find(self._sample(files), self._asked)
        if self.encoding.evidence:
            self.notes.append(f"{self.name}: read as {self.encoding.label}: {self.encoding.evidence}")
        for number, (question, answer) in enumerate(files, 1):
            problems: list[Problem] = []
            texts = [
                self._text(part, other, half, number, problems)
                for part, other, half in ((question, answer, "question"), (answer, question, "answer"))
            ]
            size = sum(len(text or "") for text in texts)
            if problems:
                yield size, [_one_problem(problems)]
            else:
                yield size, Row(1, number, dict(zip(("question", "answer"), texts)), f"{self.name}/{question}")

    def _sample(self, files: list[tuple[str, str]]) -> bytes:
        parts, num_bytes = [], 0
        for name in (name for pair in files for name in pair):
            try:
                with open(self.folder / name, "rb") as file:
                    parts.append(file.read(MAX_TEXT_BYTES) if stat.S_ISREG(os.stat(file.fileno()).st_mode) else b"")
            except OSError:
                continue
            num_bytes += len(parts[-1])
            if num_bytes > encodings.SAMPLE_BYTES:
                break
        return b"\n".join(parts)

    def _text(self, name: str, other: str, half: str, number: int, problems: list[Problem]) -> str | None:
        def refuse(what: str, fix: str, line: str = "") -> None:
            problems.append(Problem(f"{self.name}/{name}{line}", f"row {number}", what, fix=fix))

        path = self.folder / name
        try:
            facts = os.stat(path)
            if not stat.S_ISREG(facts.st_mode):
                return refuse("is not a plain file (a folder, pipe, socket or device)", "remove it")
            if facts.st_size > MAX_TEXT_BYTES:
                return refuse(f"holds {facts.st_size:,} bytes, the limit is {MAX_TEXT_BYTES:,}", "cut the text")
            data = path.read_bytes()
        except FileNotFoundError:
            return refuse(f"is missing: the {half} to {Path(other).name}", "add it, or remove the other half")
        except OSError as error:
            return refuse(
                f"cannot be read: {error.strerror or 'it cannot be opened'}", "check the file and its permissions"
            )
        self.num_bytes += len(data)
        self.digest.update(f"{name}\n{len(data)}\n".encode("utf-8", "surrogateescape") + data)
        mark = encodings.mark_of(data, self.encoding)
        encoding = encodings.Encoding(self.encoding.codec, mark)
        try:
            text = "".join(encodings.texts([data], encoding))
        except SourceError as error:
            return refuse(error.what, error.fix, f":{error.line}")
        return text.replace("\r\n", "\n").strip("\n")


def _one_problem(problems: list[Problem]) -> Problem:
    """What is wrong with a pair: one bad row, also where both halves are."""
    first = problems[0]
    if len(problems) == 1:
        return first
    what = f"{first.what}; and the answer's file: {problems[1].what}"
    return Problem(first.where, first.key, what, fix=first.fix)
