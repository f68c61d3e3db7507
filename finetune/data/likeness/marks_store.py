"""Where the marks of rows are kept until all rows are read: in memory while they are few, else in mapped files.

A row has about 650 bytes of marks, so those of a million rows would take more memory than the rest of a check.
"""

from __future__ import annotations

import dataclasses
import os
import weakref
from collections.abc import Iterator
from pathlib import Path
from typing import IO, TYPE_CHECKING

from finetune.data import store
from finetune.data.shapes import Conversation

if TYPE_CHECKING:
    import numpy as np

    from finetune.data.likeness.duplicates import Marks

BATCH_ROWS = 256  # of a chunk that are marked at once: their shingles take far more memory than their marks


def marks_of(rows: list[Conversation]) -> Marks:
    """The marks of some rows, made a few at a time."""
    from finetune.data.likeness import duplicates

    starts = range(0, len(rows), BATCH_ROWS)
    return duplicates.Marks.join([duplicates.marks(rows[start : start + BATCH_ROWS]) for start in starts])


class MarksStore:
    """Marks in the order of rows, appended chunk by chunk and then read as one."""

    def __init__(self, memory_bytes: int = store.MEMORY_BYTES) -> None:
        self.memory_bytes = memory_bytes
        self.num_rows = self._num_bytes = 0
        self._parts: list[Marks] = []
        self._last: Marks | None = None
        self._files: dict[str, IO[bytes]] = {}
        self._folder: Path | None = None

    def append(self, marks: Marks) -> None:
        """Add the marks of the next rows.

        Raises:
            SurroundingsError: the disk has no room for them.
        """
        self.num_rows += len(marks)
        self._num_bytes += sum(array.nbytes for _, array in _arrays(marks))
        self._parts.append(marks)
        if self._files or self._num_bytes > self.memory_bytes:
            self._to_disk()

    def _to_disk(self) -> None:
        if self._folder is None:
            self._folder = store.private_folder()
            weakref.finalize(self, store.remove, self._folder, os.getpid())
        try:
            for name, array in (pair for part in self._parts for pair in _arrays(part)):
                if name not in self._files:
                    self._files[name] = open(self._folder / name, "wb")  # noqa: SIM115  closed by joined()
                self._files[name].write(array.tobytes())
        except OSError as error:
            raise store.disk_full(self._num_bytes, error) from None
        self._last, self._parts = self._parts[-1], []

    def joined(self) -> Marks:
        """The marks of all rows; those on disk are mapped, not read."""
        import numpy as np

        from finetune.data.likeness.duplicates import Marks

        if not self._files:
            parts, self._parts = self._parts, []
            return Marks.join(parts)
        found = {}
        assert self._last is not None
        for name, like in _arrays(self._last):
            self._files.pop(name).close()
            assert self._folder is not None
            shape = (self.num_rows, *like.shape[1:])
            found[name] = np.memmap(self._folder / name, like.dtype, "r", shape=shape)
        return Marks(**found)


def without_signatures(marks: Marks) -> Marks:
    """The same marks for all but the search for near rows: five sixths lighter."""
    signatures = {name: array[:, :0] for name, array in _arrays(marks) if name.endswith("signature")}
    return dataclasses.replace(marks, **signatures)


def _arrays(marks: Marks) -> Iterator[tuple[str, np.ndarray]]:
    for field in dataclasses.fields(marks):
        yield field.name, getattr(marks, field.name)
