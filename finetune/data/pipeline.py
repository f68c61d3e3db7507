"""Sources -> stored rows with their marks and findings: chunk by chunk, in order, in one process or several."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from finetune.data import images, processes, store
from finetune.data.converting.conversion import BadRows, told
from finetune.data.converting.recognition import Choices, FilePlan, plan_of, two_layouts
from finetune.data.converting.texts import Seen
from finetune.data.findings import Tally
from finetune.data.likeness.marks_store import MarksStore
from finetune.data.processes import Task
from finetune.data.reading import file_reader
from finetune.data.reading.file_reader import FileReader
from finetune.data.reading.sources import Source
from finetune.data.rowwork import Done, Parsed, PrivacyTally, Settings
from finetune.data.shapes import FileFacts
from finetune.data.store import Store
from finetune.errors import Problem
from finetune.talk import Talk

if TYPE_CHECKING:
    import numpy as np

    from finetune.data.converting.layouts import Layout
    from finetune.data.likeness.duplicates import Marks

SMALL_BYTES = 16 * 1024**2  # below this, starting processes takes longer than the work
_PACKED = {".gz": 5, ".zst": 5, ".parquet": 3, ".xlsx": 5}  # about how much larger unpacked
_QUIET_SECONDS = 2.0
_BETWEEN_SECONDS = 0.25


@dataclass
class FileRows:
    """One source: how it is read, and which rows of the store are its."""

    source: Source
    side: str
    reader: FileReader
    plan: FilePlan | None = None
    notes: list[str] = field(default_factory=list)
    problems: list[Problem] = field(default_factory=list)
    seen: Seen = field(default_factory=Seen)
    others: dict[Layout, int] = field(default_factory=dict)
    num_rows: int = 0
    num_blank: int = 0
    first: int = -1
    end: int = 0


@dataclass
class Gathered:
    """All that was read. Rows are numbered from 0 over all sources, in order.

    Attributes:
        problems: of files; any of them refuses the data whatever the rules for rows are.
        bad: rows that cannot be used.
        disliked: places of rated rows left out.
    """

    store: Store = field(default_factory=Store)
    files: list[FileRows] = field(default_factory=list)
    problems: list[Problem] = field(default_factory=list)
    bad: BadRows = field(default_factory=BadRows)
    disliked: list[str] = field(default_factory=list)
    tally: Tally = field(default_factory=Tally)
    privacy: PrivacyTally = field(default_factory=PrivacyTally)
    languages: Counter[str] = field(default_factory=Counter)
    num_rows: int = 0
    num_own_system: int = 0
    num_images: int = 0
    num_processes: int = 1
    marks_store: MarksStore = field(default_factory=MarksStore)
    _masks: list[np.ndarray] = field(default_factory=list)

    def add(self, file: FileRows, done: Done) -> None:
        """The next stretch of rows of a file."""
        if file.first < 0:
            file.first = self.store.num_rows
        file.num_rows += done.num_rows
        file.num_blank += done.num_blank
        file.seen.merge(done.seen)
        for layout, line in done.others.items():
            file.others.setdefault(layout, line)
        self.bad.merge(done.bad)
        self.disliked += done.disliked
        self.tally.merge(done.tally)
        self.privacy.merge(done.privacy)
        self.languages.update(done.languages)
        images.keep(done.kept)
        self.num_images += done.num_images
        if done.batch is not None and done.marks is not None and done.masks is not None:
            self.store.append(done.batch)
            self.marks_store.append(done.marks)
            self._masks.append(done.masks)
        file.end = self.store.num_rows

    def marks(self) -> Marks:
        """The marks of all stored rows; to be asked for once."""
        return self.marks_store.joined()

    def masks(self) -> np.ndarray:
        """(rows,) uint32: the kinds of findings of each stored row."""
        import numpy as np

        return np.concatenate([np.zeros(0, np.uint32), *self._masks])


def read(
    sources: Sequence[tuple[str, Source]],
    choices: Choices,
    encoding: str,
    settings: Settings,
    num_processes: int | None,
    talk: Talk,
) -> Gathered:
    """Read all sources once.

    Args:
        sources: (train or held_out, source), in order.
        num_processes: None: as many as the processors, and one where the input is small.

    Raises:
        SurroundingsError: no room on the disk, or a worker died.
    """
    sizes = [_size(source) for _, source in sources]
    if num_processes is None:
        num_processes = processes.usual_number() if sum(sizes) > SMALL_BYTES else 1
    store.free_space_for(sum(sizes))
    gathered = Gathered(num_processes=num_processes)
    progress = _Progress(talk, sizes)
    tasks = _tasks(sources, choices, encoding, gathered, progress)
    with closing(processes.in_order(tasks, settings, num_processes)) as results:
        for note, done in results:
            if done is None:
                _end_of(note, gathered)
            else:
                file, num_bytes = note
                gathered.add(file, done)
                progress.told(num_bytes)
    progress.end()
    gathered.store.finish()
    gathered.num_rows = sum(file.num_rows for file in gathered.files)
    return gathered


def _size(source: Source) -> int:
    """About how many bytes a source holds, unpacked; 0 where that is not known."""
    try:
        size = source.path.stat().st_size if source.path and source.path.is_file() else 0
    except OSError:
        return 0
    return size * _PACKED.get(source.path.suffix.lower() if source.path else "", 1)


def _tasks(
    sources: Sequence[tuple[str, Source]],
    choices: Choices,
    encoding: str,
    gathered: Gathered,
    progress: _Progress,
) -> Iterator[Any]:
    """The stretches of all sources as tasks, and every file itself after its last stretch."""
    for side, source in sources:
        file = FileRows(source, side, FileReader(source, encoding))
        gathered.files.append(file)
        before = progress.read
        for chunk in file.reader.chunks():
            progress.read = before + file.reader.num_bytes * _PACKED.get(_suffix(source), 1)
            work: Any = chunk
            if file.plan is None:
                work = Parsed(*file_reader.parse(source.name, chunk))
                plan, notes, problems = plan_of(source.name, work.rows, choices)
                file.plan = replace(plan, folder=_folder(source)) if plan else None
                file.notes += notes
                file.problems += problems
                if problems:
                    work = Parsed([], work.problems, work.num_blank)
            yield Task((file, progress.read), source.name, file.plan, work)
            if file.problems:
                break
        yield file


def _folder(source: Source) -> Path | None:
    """The folder to which a row's paths are relative."""
    if source.path is None:
        return None
    return source.path if source.path.is_dir() else source.path.parent


def _suffix(source: Source) -> str:
    return source.path.suffix.lower() if source.path else ""


def _end_of(file: FileRows, gathered: Gathered) -> None:
    """All of a file is read: what it was, what it held, and why it cannot be used."""
    reader, source = file.reader, file.source
    if file.first < 0:
        file.first = file.end = gathered.store.num_rows
    problems = [*reader.problems, *file.problems]
    if file.plan and file.others:
        lines = {file.plan.layout: file.plan.first_line, **file.others}
        layouts = dict(sorted(lines.items(), key=lambda pair: pair[1]))
        problems.append(two_layouts(source.name, layouts))
    if not problems and not file.num_rows:
        what = "has no rows" + (": only a header line" if reader.kind in ("csv", "tsv") else "")
        problems.append(Problem(source.name, "", what, fix="add rows to it"))
    gathered.problems += problems
    closing_note = reader.closing_note(file.num_blank)
    file.notes = [*filter(None, (source.note, *reader.notes, closing_note)), *file.notes]
    if file.plan:
        file.notes += told(file.plan, file.seen)
    gathered.num_own_system += file.seen.counts["own_system"]


def facts_of(file: FileRows) -> FileFacts:
    """What the report says of a file."""
    reader = file.reader
    layout = file.plan.layout.format if file.plan else ""
    return FileFacts(file.source.name, reader.sha256, reader.num_bytes, file.num_rows, layout, reader.encoding)


class _Progress:
    """Tells how far the reading is, by bytes, once it has gone on for a few seconds."""

    def __init__(self, talk: Talk, sizes: Sequence[int]):
        self.talk, self.total = talk, sum(sizes)
        self.read = 0
        self.began = self.last = time.monotonic()
        self.is_shown = False

    def told(self, num_bytes: int) -> None:
        now = time.monotonic()
        if self.total and now - self.began > _QUIET_SECONDS and now - self.last > _BETWEEN_SECONDS:
            self.last, self.is_shown = now, True
            self.talk.progress("reading rows", min(num_bytes, self.total), self.total)

    def end(self) -> None:
        if self.is_shown:
            self.talk.progress("reading rows", self.total, self.total)
