"""Mends what can be mended without a change of meaning, and writes the usable rows to a new file.

What is mended: letters garbled by a wrong encoding, where undoing is certain; control characters and characters
that nobody sees, where no script and no emoji needs them; Windows line ends; blanks at the end of lines and runs of
empty lines. Inside a block of code no blank is touched. Words, punctuation and the order of anything stay as they are.
"""

from __future__ import annotations

import contextlib
import json
import os
import re
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import IO, Any

from finetune.data import images
from finetune.data.findings import KINDS
from finetune.data.quality import characters
from finetune.data.shapes import Conversation, Message
from finetune.errors import DataError, Problem, SurroundingsError

CHANGES_FORMAT = 1
CHANGES_SUFFIX = ".changes.json"

_FENCE = re.compile(r"[ \t>]*(`{3,}|~{3,})([^\n]*)")
_BREAKS = re.compile("[\x0b\x0c\x1c-\x1e]")
# What C1 control characters are in Windows-1252: quotes, dashes, the euro sign. Five of them are nothing there.
_WINDOWS_1252 = {
    code: bytes([code]).decode("cp1252") for code in range(0x80, 0xA0) if code not in (0x81, 0x8D, 0x8F, 0x90, 0x9D)
}
_BLANKS = " \t\u3000\u00a0"
_MAX_ROUNDS = 4


@dataclass(frozen=True)
class Change:
    """What became of one row of the data files.

    Attributes:
        where: its place, "train.csv:12".
        conversation: the row as it is to be written (redacted where the recipe says so); None when it is left out.
        dropped: why it is left out, in words of ours ("duplicate", "bad row: the answer is empty", "refusal"); else
            empty.
        split: train or held_out.
    """

    where: str
    conversation: Conversation | None
    dropped: str = ""
    split: str = "train"


@dataclass(frozen=True)
class FixSummary:
    """Totals of what was written.

    Attributes:
        files: names of the files with rows: the target, and the one of held-out rows where they are kept apart.
        changes_file: name of the list of changes.
        num_rows: rows written.
        num_mended: rows written with something mended.
        num_dropped: rows left out.
        mended: kind -> rows.
        dropped: reason -> rows.
        num_lost: rows written with a text that is garbled beyond what can be undone, and was left as it is.
    """

    files: tuple[str, ...]
    changes_file: str
    num_rows: int
    num_mended: int
    num_dropped: int
    mended: dict[str, int]
    dropped: dict[str, int]
    num_lost: int = 0


def rules_for_fixing(rules: Mapping[str, str | float]) -> dict[str, str | float]:
    """The rules of findings as reading for `--fix` needs them: what will be mended must not stop the reading, nor be
    left out.
    """
    return {kind: "warn" if KINDS[kind].fixable and rule != "off" else rule for kind, rule in rules.items()}


def clean(conversation: Conversation) -> tuple[Conversation, list[str]]:
    """The row with what can be mended without a change of meaning, and the kinds mended (sorted; empty when the row
    is returned as it was). Beside kinds of `findings.KINDS` with `fixable`: "blanks" and "line_ends".
    Idempotent. A text that would be empty afterwards is left as it is. Tool calls and definitions are not touched.
    """
    mended: set[str] = set()
    messages = tuple(_clean_message(message, mended) for message in conversation.messages)
    rejected = tuple(_clean_message(message, mended) for message in conversation.rejected)
    if not mended:
        return conversation, []
    return replace(conversation, messages=messages, rejected=rejected), sorted(mended)


def _clean_message(message: Message, mended: set[str]) -> Message:
    text, kinds = clean_text(message.content, keep_blanks=message.role == "tool")
    if not kinds:
        return message
    mended |= kinds
    return replace(message, content=text)


def clean_text(text: str, *, keep_blanks: bool = False) -> tuple[str, set[str]]:
    """A text mended, and the kinds mended. `keep_blanks` leaves blanks alone, as in what a tool answered."""
    made, mended = text, set[str]()
    if is_lost(text):
        return text, mended
    for _ in range(_MAX_ROUNDS):  # one mending can bring another to light
        before = made
        for kind, step in _STEPS:
            if kind == "blanks" and keep_blanks:
                continue
            after = step(made)
            if after != made:
                mended.add(kind)
                made = after
        if made == before:
            # Taking hidden characters out can bring letters to light that are garbled beyond undoing.
            return (made, mended) if _is_visible(made) and not is_lost(made) else (text, set())
    return text, set()  # does not come to rest: nothing is certain then


def _is_visible(text: str) -> bool:
    """Whether something can be seen in it; NFC and format characters as the reading of rows counts them."""
    return any(
        not (char.isspace() or characters.CONTROL.match(char) or characters.NEVER_SEEN.match(char)) for char in text
    )


def _line_ends(text: str) -> str:
    return text.replace("\r\n", "\n").replace("\r", "\n") if "\r" in text else text


def _mojibake(text: str) -> str:
    """All of it put right, or nothing: half a text in order hides that the other half is not."""
    made = characters.without_mojibake(text)
    if made == text:
        return text
    return text if characters.has_mojibake(made) or characters.has_half_letters(made, among_garbled=True) else made


def is_lost(text: str) -> bool:
    """Whether its letters are garbled beyond what can be undone; such a text is left alone as a whole, because each
    of its signs may be a part of a letter.
    """
    return characters.has_mojibake(text) and _mojibake(text) == text


def _control(text: str) -> str:
    if not characters.CONTROL.search(text):
        return text
    return characters.CONTROL.sub("", _BREAKS.sub("\n", text).translate(_WINDOWS_1252))


def _blanks(text: str) -> str:
    """No blanks at line ends, at most one empty line in a row, none at both ends; code as it is.

    Two spaces before a line end stay: Markdown breaks the line there.
    """
    if not ("\n" in text or text[:1] in _BLANKS or text[-1:] in _BLANKS):
        return text
    made: list[str] = []
    num_empty = 0
    for line, is_code in _lines(text):
        if is_code:
            made.append(line)
            num_empty = 0
            continue
        bare = line.rstrip(_BLANKS)
        num_empty = num_empty + 1 if not bare else 0
        if num_empty <= 1 and (bare or made):
            made.append(line if bare and line == bare + "  " else bare)
    while made and not made[-1].strip(_BLANKS):
        made.pop()
    if not made:
        return text
    if not _FENCE.match(made[-1]):
        made[-1] = made[-1].rstrip(_BLANKS)
    if len(made) == 1:
        made[0] = made[0].lstrip(_BLANKS)
    return "\n".join(made)


def _lines(text: str) -> Iterator[tuple[str, bool]]:
    """(line, whether it belongs to a block of code, its fences included)."""
    sign = ""
    for line in text.split("\n"):
        fence = _FENCE.match(line)
        if sign:
            yield line, True
            if fence and fence[1][0] == sign[0] and len(fence[1]) >= len(sign) and not fence[2].strip():
                sign = ""
        elif fence and fence[1][0] not in fence[2]:
            sign = fence[1]
            yield line, True
        else:
            yield line, False


_STEPS: tuple[tuple[str, Callable[[str], str]], ...] = (
    ("line_ends", _line_ends),
    ("mojibake", _mojibake),  # before control characters: they may be part of a garbled letter
    ("control_characters", _control),
    ("hidden_characters", characters.without_hidden),
    ("blanks", _blanks),
)


def row_of(conversation: Conversation, group_by: str | None = None) -> dict[str, Any]:
    """The row as JSON in the messages layout; preference, rated and tool rows with the columns that tell them."""
    messages = [_turn(message) for message in conversation.messages]
    row: dict[str, Any] = {"messages": messages}
    if conversation.rejected:
        cut = _first_compared(conversation)
        row = {
            "messages": messages[:cut],
            "chosen": messages[cut:],
            "rejected": [_turn(message) for message in conversation.rejected],
        }
    elif conversation.rating is not None:
        row["label"] = conversation.rating
    if conversation.tools:
        row["tools"] = json.loads(conversation.tools)
    shown = [ref for message in (*conversation.messages, *conversation.rejected) for ref in message.images]
    if shown:
        row["images"] = [images.written(ref) for ref in shown]
    if group_by is not None and conversation.group is not None:
        row[group_by] = conversation.group
    return row


def _turn(message: Message) -> dict[str, Any]:
    return {key: value for key, value in message.as_dict().items() if key != "images"}


def _first_compared(conversation: Conversation) -> int:
    """Where the chosen turns begin in `messages`: behind them stand as many questions as among the rejected."""
    num_questions = sum(message.role == "user" for message in conversation.rejected)
    roles = [message.role for message in conversation.messages]
    for position in range(len(roles) - 1, 0, -1):
        if roles[position] == "assistant" and roles[position:].count("user") == num_questions:
            return position
    return len(roles) - 1


def held_out_path(target: Path) -> Path:
    """Where held-out rows go when they are kept apart: clean.jsonl -> clean.held_out.jsonl."""
    return target.with_name(f"{target.stem}.held_out{target.suffix}")


def changes_path(target: Path) -> Path:
    """Where the list of changes goes: clean.jsonl -> clean.jsonl.changes.json."""
    return target.with_name(target.name + CHANGES_SUFFIX)


def check_target(target: Path, sources: Sequence[Path] = (), *, held_out_apart: bool = False) -> None:
    """See that nothing is in the way, before the data are read.

    Raises:
        DataError: as `write_fixed` does.
    """
    problems = []
    if target.suffix.lower() != ".jsonl":
        problems.append(_problem(target, "JSON Lines are written", "end its name in .jsonl"))
    if not target.parent.is_dir():
        problems.append(_problem(target, "its folder does not exist", "create the folder, or name another file"))
    data_files = {source.resolve() for source in sources}
    for path in (target, changes_path(target), *((held_out_path(target),) if held_out_apart else ())):
        if path.resolve() in data_files:
            what = "is a data file of the recipe, and the cleaned rows are never written over it"
            problems.append(_problem(path, what, "name another file"))
        elif os.path.lexists(path):
            problems.append(_problem(path, "exists already, and nothing is written over", "name another file"))
    if problems:
        raise DataError(problems)


def _problem(path: Path, what: str, fix: str) -> Problem:
    return Problem(str(path), "--fix", what, fix=fix)


def write_fixed(
    target: Path,
    changes: Iterable[Change],
    *,
    sources: Sequence[Path] = (),
    group_by: str | None = None,
    number_groups: bool = False,
    system_prompt: str | None = None,
    held_out_apart: bool = False,
    facts: Mapping[str, Any] | None = None,
) -> FixSummary:
    """Clean and write all usable rows as JSON Lines, and TARGET.changes.json beside it.

    Args:
        target: the file to write; its folder exists, itself and its changes file do not.
        changes: every row, usable ones and dropped ones; may be an iterator, is gone through once, row by row.
        sources: the data files of the recipe; the target is never one of them, and the new files are readable by
            nobody who could not read these.
        group_by: the column of `data.group_by`: groups are written under this name.
        number_groups: write "group 1" and so on, by first appearance, instead of their values, which may say who a row
            is about; equal values get equal numbers in all files.
        system_prompt: the recipe's `data.system_prompt`: a system turn that says just this is left out, as the recipe
            puts it there again.
        held_out_apart: held-out rows go to a file of their own (`held_out_path`), for recipes that name such a file.
        facts: plain JSON values put at the top of the changes file (kit version, fingerprint). No row text.

    Raises:
        DataError: a file exists, is a data file, has no folder or a name that is not .jsonl.
        SurroundingsError: the disk is full or does not let us write; nothing is left behind.
    """
    check_target(target, sources, held_out_apart=held_out_apart)
    paths = [target, *([held_out_path(target)] if held_out_apart else [])]
    with _Staged([*paths, changes_path(target)], _mode_of(sources)) as staged:
        writer = _Writer(staged.files, group_by, system_prompt, number_groups=number_groups)
        summary = writer.write(changes, [path.name for path in paths], changes_path(target).name, facts or {})
        staged.publish()
    return summary


def _mode_of(sources: Sequence[Path]) -> int:
    """Permissions of the new files: those that all sources have; the owner's alone when there is none."""
    mode = 0o666
    modes = []
    for source in sources:
        with contextlib.suppress(OSError):
            modes.append(source.stat().st_mode)
    for other in modes:
        mode &= other
    return (mode | 0o600) & 0o666 if modes else 0o600


class _Writer:
    """Rows to their files, changes to theirs, one row at a time."""

    def __init__(
        self, files: Sequence[IO[str]], group_by: str | None, system_prompt: str | None, *, number_groups: bool
    ):
        self._row_files, self._changes_file = files[:-1], files[-1]
        self._group_by, self._system_prompt = group_by, system_prompt
        self._num_lines = [0] * len(self._row_files)
        self._mended: Counter[str] = Counter()
        self._dropped: Counter[str] = Counter()
        self._num_mended = self._num_lost = self._num_listed = 0
        self._groups: dict[str, str] | None = {} if number_groups else None

    def write(
        self, changes: Iterable[Change], names: Sequence[str], changes_name: str, facts: Mapping[str, Any]
    ) -> FixSummary:
        """Everything; the totals stand at the end of the changes file, so that no list is kept in memory."""
        head = {"format": CHANGES_FORMAT, "files": list(names), **facts}
        self._changes_file.write(json.dumps(head, ensure_ascii=False)[:-1] + ', "rows": [')
        for change in changes:
            self._one(change, names)
        summary = FixSummary(
            tuple(names), changes_name, sum(self._num_lines), self._num_mended, sum(self._dropped.values()),
            dict(sorted(self._mended.items())), dict(sorted(self._dropped.items())), self._num_lost,
        )  # fmt: skip
        totals = {
            "num_rows": summary.num_rows,
            "num_mended": summary.num_mended,
            "num_dropped": summary.num_dropped,
            "num_not_mended": summary.num_lost,
            "mended": summary.mended,
            "dropped": summary.dropped,
        }
        self._changes_file.write('\n], "totals": ' + json.dumps(totals, ensure_ascii=False) + "}\n")
        return summary

    def _one(self, change: Change, names: Sequence[str]) -> None:
        if change.conversation is None or change.dropped:
            reason = change.dropped or "left out"
            self._dropped[reason] += 1
            self._list({"where": change.where, "dropped": reason})
            return
        conversation, kinds = clean(_without_prompt(change.conversation, self._system_prompt))
        if self._groups is not None and conversation.group is not None:
            group = self._groups.setdefault(conversation.group, f"group {len(self._groups) + 1}")
            conversation = replace(conversation, group=group)
        number = 1 if change.split == "held_out" and len(self._row_files) > 1 else 0
        self._num_lines[number] += 1
        self._row_files[number].write(json.dumps(row_of(conversation, self._group_by), ensure_ascii=False) + "\n")
        lost = any(is_lost(message.content) for message in (*conversation.messages, *conversation.rejected))
        self._num_mended += bool(kinds)
        self._num_lost += lost
        self._mended.update(kinds)
        if kinds or lost:
            place = f"{names[number]}:{self._num_lines[number]}"
            told = {"mended": kinds} if kinds else {}
            self._list({"where": change.where, "now": place, **told, **({"not_mended": ["mojibake"]} if lost else {})})

    def _list(self, entry: dict[str, Any]) -> None:
        self._changes_file.write((",\n" if self._num_listed else "\n") + json.dumps(entry, ensure_ascii=False))
        self._num_listed += 1


def _without_prompt(conversation: Conversation, system_prompt: str | None) -> Conversation:
    first = conversation.messages[0]
    if system_prompt and first.role == "system" and first.content == system_prompt:
        return replace(conversation, messages=conversation.messages[1:])
    return conversation


class _Staged:
    """Files that appear together under their names, or not at all.

    Raises:
        SurroundingsError: they cannot be written.
        DataError: one of the names was taken meanwhile.
    """

    def __init__(self, paths: Sequence[Path], mode: int):
        self._paths, self._mode = paths, mode
        self._parts = [path.with_name(f".{path.name}.part-{os.getpid()}") for path in paths]
        self._made: list[Path] = []
        self.files: list[IO[str]] = []

    def __enter__(self) -> _Staged:
        try:
            for part in self._parts:
                handle = os.open(part, os.O_WRONLY | os.O_CREAT | os.O_EXCL, self._mode)
                self._made.append(part)
                self.files.append(open(handle, "w", encoding="utf-8", newline="\n"))
        except OSError as error:
            self._clear()
            raise self._surroundings(error) from error
        return self

    def publish(self) -> None:
        """Everything onto the disk, then under its name; a name that was taken meanwhile is left to its owner."""
        for file in self.files:
            file.flush()
            os.fsync(file.fileno())
            file.close()
        # The rows last: who sees them sees the list of changes, too.
        for part, path in sorted(zip(self._parts, self._paths), key=lambda pair: pair[1] == self._paths[0]):
            self._put(part, path)
            self._made.append(path)
        for part in self._parts:
            part.unlink()
        self._made.clear()
        with contextlib.suppress(OSError):
            handle = os.open(self._paths[0].parent, os.O_RDONLY)
            try:
                os.fsync(handle)
            finally:
                os.close(handle)

    @staticmethod
    def _put(part: Path, path: Path) -> None:
        try:
            os.link(part, path)  # fails where something stands, unlike a rename
        except FileExistsError:
            what = "was made by someone else meanwhile, and nothing is written over"
            raise DataError(_problem(path, what, "name another file")) from None
        except OSError:  # a file system without links
            if os.path.lexists(path):
                what = "was made by someone else meanwhile, and nothing is written over"
                raise DataError(_problem(path, what, "name another file")) from None
            path.write_bytes(b"")  # holds the name until the rename
            os.replace(part, path)
            part.touch()

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: object) -> None:
        self._clear()
        if isinstance(error, OSError) and not isinstance(error, SurroundingsError):
            raise self._surroundings(error) from error

    def _clear(self) -> None:
        for file in self.files:
            with contextlib.suppress(OSError):
                file.close()
        for path in self._made:
            with contextlib.suppress(OSError):
                path.unlink()
        self._made = []

    def _surroundings(self, error: OSError) -> SurroundingsError:
        what = f"cannot be written: {error.strerror or error}"
        return SurroundingsError(_problem(self._paths[0], what, "free space, or name a file elsewhere"))
