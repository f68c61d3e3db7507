"""Reading one source as the pipeline does, without the rest of it: for the tests of reading."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from finetune.data.reading import file_reader, sources
from finetune.data.reading.file_reader import FileReader
from finetune.data.reading.json_rows import Row
from finetune.data.reading.sources import Source
from finetune.errors import Problem

FIX_ENCODING = "set data.encoding (for example windows-1252 or gb18030), or save the file as UTF-8"


@dataclass
class Read:
    """What one source gave."""

    reader: FileReader
    rows: list[Row] = field(default_factory=list)
    row_problems: list[Problem] = field(default_factory=list)
    num_blank: int = 0
    num_chunks: int = 0

    @property
    def problems(self) -> list[Problem]:
        return self.reader.problems

    @property
    def messages(self) -> list[str]:
        return [str(problem) for problem in self.reader.problems]

    @property
    def row_messages(self) -> list[str]:
        return [str(problem) for problem in self.row_problems]

    @property
    def values(self) -> list[Any]:
        return [row.value for row in self.rows]

    @property
    def notes(self) -> list[str]:
        closing = self.reader.closing_note(self.num_blank)
        return self.reader.notes + ([closing] if closing else [])


def find(folder: Path, value: Any, key: str = "data.train") -> tuple[list[Source], list[Problem]]:
    problems: list[Problem] = []
    return sources.find(key, value, lambda key, path: folder / path, "recipe.yaml:5", problems), problems


def read_source(source: Source, encoding: str = "auto", after_first_chunk: Callable[[], Any] | None = None) -> Read:
    done = Read(FileReader(source, encoding))
    for chunk in done.reader.chunks():
        if after_first_chunk and not done.num_chunks:
            after_first_chunk()
        rows, problems, num_blank = file_reader.parse(source.name, chunk)
        done.rows += rows
        done.row_problems += problems
        done.num_blank += num_blank
        done.num_chunks += 1
    return done


def read(folder: Path, value: Any, encoding: str = "auto", after_first_chunk: Callable[[], Any] | None = None) -> Read:
    """The only source that `value` names, read."""
    (source,), problems = find(folder, value)
    assert problems == []
    return read_source(source, encoding, after_first_chunk)
