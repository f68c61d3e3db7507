"""Where checked rows are kept: Arrow tables, in memory while they are small, else in files that are mapped.

The files lie in a private temporary folder, which goes when the program ends. A program that was killed cannot
clean up: its folder is removed when the next one starts.
"""

from __future__ import annotations

import errno
import json
import os
import shutil
import tempfile
import weakref
from collections.abc import Iterator, Sequence
from dataclasses import astuple, replace
from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING, Any, overload

from finetune.data.shapes import Conversation, ImageRef, Message, ToolCall
from finetune.errors import Problem, SurroundingsError

if TYPE_CHECKING:
    import numpy as np
    import pyarrow as pa

MEMORY_BYTES = 64 * 1024**2  # more than this goes to disk
PREFIX = "finetune-rows-"
IN_USE = "in_use"  # the file of such a folder that its program holds locked
_LOCKS: dict[Path, Any] = {}
_SPARE_BYTES = 32 * 1024**2  # what is left free on the disk beside the rows


def schema() -> pa.Schema:
    """The columns of a stored row. `fingerprint` is the sha256 of the row as it is trained, system prompt included."""
    import pyarrow as pa

    turn = pa.struct(
        [
            ("role", pa.string()),
            ("content", pa.string()),
            ("tool_calls", pa.string()),
            ("name", pa.string()),
            ("images", pa.string()),
        ]
    )
    return pa.schema(
        [
            ("messages", pa.list_(turn)),
            ("where", pa.string()),
            ("group", pa.string()),
            ("tools", pa.string()),
            ("rejected", pa.list_(turn)),
            ("rating", pa.bool_()),
            ("fingerprint", pa.binary(32)),
        ]
    )


def encode(rows: Sequence[Conversation], system_prompt: str | None = None) -> pa.RecordBatch:
    """Rows as one Arrow batch.

    Args:
        system_prompt: put before rows without a system turn when their fingerprint is taken; it is not stored.
    """
    import numpy as np
    import pyarrow as pa

    prompt = Message("system", system_prompt) if system_prompt else None
    ratings = [row.rating for row in rows]
    prints = [bytes.fromhex(_with_prompt(row, prompt).fingerprint) for row in rows]
    columns = [
        _turns_array([row.messages for row in rows]),
        _texts([row.where for row in rows]),
        _texts([row.group for row in rows]),
        _texts([row.tools or None for row in rows]),
        _turns_array([row.rejected for row in rows]),
        _array(pa.bool_(), ratings, np.packbits(np.array(ratings, bool), bitorder="little")),
        _array(pa.binary(32), prints, b"".join(prints)),
    ]
    return pa.RecordBatch.from_arrays(columns, schema=schema())


def _array(kind: pa.DataType, values: Sequence[Any], *contents: Any) -> pa.Array:
    """As `pa.array`, which imports pandas where it is there, in a third of a second: of these values (None: null)."""
    import numpy as np
    import pyarrow as pa

    valid = np.array([value is not None for value in values], bool)
    present = None if valid.all() else pa.py_buffer(np.packbits(valid, bitorder="little"))
    return pa.Array.from_buffers(kind, len(values), [present, *map(pa.py_buffer, contents)])


def _texts(values: Sequence[str | None]) -> pa.Array:
    import numpy as np
    import pyarrow as pa

    encoded = [(value or "").encode() for value in values]
    offsets = np.cumsum([0, *map(len, encoded)], dtype=np.int64).astype(np.int32)
    return _array(pa.string(), values, offsets, b"".join(encoded))


def _turns_array(turns: Sequence[Sequence[Message]]) -> pa.Array:
    import numpy as np
    import pyarrow as pa

    flat = [turn for row in turns for turn in row]
    offsets = [0]
    for row in turns:
        offsets.append(offsets[-1] + len(row))
    calls = [
        json.dumps([[call.name, call.arguments] for call in turn.tool_calls]) if turn.tool_calls else None
        for turn in flat
    ]
    struct = pa.StructArray.from_arrays(
        [
            _texts([turn.role for turn in flat]),
            _texts([turn.content for turn in flat]),
            _texts(calls),
            _texts([turn.name for turn in flat]),
            _texts([json.dumps([astuple(ref) for ref in turn.images]) if turn.images else None for turn in flat]),
        ],
        ["role", "content", "tool_calls", "name", "images"],
    )
    return pa.ListArray.from_arrays(_array(pa.int32(), offsets, np.array(offsets, np.int32)), struct)


def decode(batch: pa.RecordBatch) -> list[Conversation]:
    """The rows of a batch, as they were encoded."""
    turns = _turns_of(batch.column("messages"))
    rejected = _turns_of(batch.column("rejected"))
    rest = (batch.column(name).to_pylist() for name in ("where", "group", "tools", "rating"))
    return [
        Conversation(messages, where, group, tools or "", less, rating)
        for messages, less, where, group, tools, rating in zip(turns, rejected, *rest)
    ]


def _turns_of(column: pa.Array) -> list[tuple[Message, ...]]:
    offsets = column.offsets.to_pylist()
    start, end = offsets[0], offsets[-1]
    values = column.values.slice(start, end - start)
    if end == start:
        return [()] * len(column)
    roles, contents, calls, names, images = (field.to_pylist() for field in values.flatten())
    flat = [
        Message(role, content, _calls(call) if call else (), name, _images(refs) if refs else ())
        for role, content, call, name, refs in zip(roles, contents, calls, names, images)
    ]
    return [tuple(flat[first - start : last - start]) for first, last in pairwise(offsets)]


def _calls(text: str) -> tuple[ToolCall, ...]:
    return tuple(ToolCall(name, arguments) for name, arguments in json.loads(text))


def _images(text: str) -> tuple[ImageRef, ...]:
    return tuple(ImageRef(*words) for words in json.loads(text))


def _with_prompt(row: Conversation, prompt: Message | None) -> Conversation:
    if prompt is None or (row.messages and row.messages[0].role == "system"):
        return row
    return replace(row, messages=(prompt, *row.messages))


class Store:
    """Batches of rows in order, appended once and then read at random."""

    def __init__(self, memory_bytes: int = MEMORY_BYTES) -> None:
        self.batches: list[pa.RecordBatch] = []
        self.num_rows = self.num_bytes = 0
        self.memory_bytes = memory_bytes
        self._folder: Path | None = None
        self._file: Any = None
        self._writer: Any = None
        self._starts: np.ndarray | None = None
        self._last: tuple[int, list[Conversation]] = (-1, [])

    def append(self, batch: pa.RecordBatch) -> None:
        """Add a batch after the others.

        Raises:
            SurroundingsError: the disk has no room for it.
        """
        if not batch.num_rows:
            return
        self.num_rows += batch.num_rows
        self.num_bytes += batch.nbytes
        if self._writer is None:
            self.batches.append(batch)
            if self.num_bytes > self.memory_bytes:
                self._to_disk()
        else:
            self._write(batch)

    def _to_disk(self) -> None:
        import pyarrow as pa

        self._folder = private_folder()
        weakref.finalize(self, remove, self._folder, os.getpid())
        self._file = pa.OSFile(str(self._folder / "rows.arrow"), "wb")
        self._writer = pa.ipc.new_stream(self._file, schema())
        batches, self.batches = self.batches, []
        for batch in batches:
            self._write(batch)

    def _write(self, batch: pa.RecordBatch) -> None:
        try:
            self._writer.write_batch(batch)
        except OSError as error:
            raise disk_full(self.num_bytes, error) from None

    def finish(self) -> None:
        """No more rows come; those on disk are mapped."""
        import numpy as np
        import pyarrow as pa

        if self._writer is not None:
            try:
                self._writer.close()
                self._file.close()
            except OSError as error:
                raise disk_full(self.num_bytes, error) from None
            assert self._folder is not None
            mapped = pa.memory_map(str(self._folder / "rows.arrow"))
            self.batches = list(pa.ipc.open_stream(mapped))
            self._writer = self._file = None
        self._starts = np.cumsum([0, *(batch.num_rows for batch in self.batches)])

    @property
    def file(self) -> Path | None:
        """The file that holds the rows; None while they are in memory."""
        return self._folder / "rows.arrow" if self._folder else None

    def row(self, number: int) -> Conversation:
        """One row by its number."""
        batch = int(self._starts.searchsorted(number, side="right")) - 1  # type: ignore[union-attr]
        inside = number - int(self._starts[batch])  # type: ignore[index]
        if self._last[0] == batch:
            return self._last[1][inside]
        return decode(self.batches[batch].slice(inside, 1))[0]

    def rows(self, numbers: np.ndarray) -> Iterator[Conversation]:
        """Rows by their numbers; neighbours are decoded together."""
        import numpy as np

        if not len(numbers):
            return
        where = np.searchsorted(self._starts, numbers, side="right") - 1  # type: ignore[arg-type]
        edges = np.flatnonzero(np.diff(where)) + 1
        for run in np.split(np.arange(len(numbers)), edges):
            batch = int(where[run[0]])
            start = int(self._starts[batch])  # type: ignore[index]
            if len(run) < self.batches[batch].num_rows // 4:
                for place in run:
                    yield self.row(int(numbers[place]))
                continue
            if self._last[0] != batch:
                self._last = (batch, decode(self.batches[batch]))
            decoded = self._last[1]
            for place in run:
                yield decoded[int(numbers[place]) - start]

    def column(self, name: str) -> pa.ChunkedArray:
        """One column of all rows, not copied."""
        import pyarrow as pa

        return pa.chunked_array([batch.column(name) for batch in self.batches], type=schema().field(name).type)

    def has_system(self) -> np.ndarray:
        """(rows,) bool: whether a row begins with a system turn of its own."""
        import numpy as np

        found = [np.zeros(0, bool)]
        for batch in self.batches:
            turns = batch.column("messages")
            roles = turns.values.field("role").take(turns.offsets.slice(0, len(turns)))
            found.append(np.array([role == "system" for role in roles.to_pylist()], bool))
        return np.concatenate(found)

    def images(self) -> dict[int, set[str]]:
        """Row number -> sha256 (hex) of each image it shows; rows without an image are left out."""
        import numpy as np

        found: dict[int, set[str]] = {}
        start = 0
        for batch in self.batches:
            turns = batch.column("messages")
            texts = turns.values.field("images").to_pylist()
            places = [place for place, text in enumerate(texts) if text]
            rows = np.searchsorted(np.array(turns.offsets.to_pylist()), places, side="right") - 1
            for row, place in zip(rows.tolist(), places):
                found.setdefault(start + row, set()).update(words[0] for words in json.loads(texts[place]))
            start += batch.num_rows
        return found

    def table(self) -> pa.Table:
        """All rows as one table over the same memory or the same mapped file."""
        import pyarrow as pa

        return pa.Table.from_batches(self.batches, schema())


def disk_full(num_bytes: int, error: OSError | None = None) -> SurroundingsError:
    """What to tell when rows find no room on the disk."""
    if error is not None and error.errno not in (errno.ENOSPC, errno.EDQUOT, None):
        what = f"rows cannot be kept on the disk: {error.strerror or 'it cannot be written'}"
    else:
        what = f"no free space for the rows: about {num_bytes:,} bytes are needed in the folder for temporary files"
    return SurroundingsError(Problem("", "disk", what, fix="free space there, or name another folder in TMPDIR"))


def free_space_for(num_bytes: int) -> None:
    """See that the rows of a large input will find room.

    Args:
        num_bytes: of the input, unpacked; rows take about as much, and half of it again to be compared.

    Raises:
        SurroundingsError: there is less.
    """
    if num_bytes <= MEMORY_BYTES:
        return
    needed = num_bytes * 3 // 2
    if shutil.disk_usage(tempfile.gettempdir()).free < needed + _SPARE_BYTES:
        raise disk_full(needed)


def private_folder() -> Path:
    """A new folder that nobody else may read; those of programs that are gone are removed first."""
    from filelock import FileLock

    sweep()
    new = Path(tempfile.mkdtemp(prefix=f".{PREFIX}"))  # mkdtemp: mode 700
    lock = FileLock(new / IN_USE)
    lock.acquire()
    # Only now under the name that `sweep` looks for: it must never find a folder that is not locked yet.
    folder = new.with_name(new.name[1:]) if os.name != "nt" else new
    if folder != new:
        new.rename(folder)
    _LOCKS[folder] = lock
    return folder


def remove(folder: Path, pid: int) -> None:
    """Remove a folder of `private_folder` at the end of what it was made for."""
    # the end of a forked child is not the end of the program that made the folder
    if pid == os.getpid():
        shutil.rmtree(folder, ignore_errors=True)
        lock = _LOCKS.pop(folder, None)
        if lock is not None:
            lock.release(force=True)


def sweep() -> None:
    """Remove the row folders of programs that ended without doing so themselves: those that nobody holds locked.

    A lock goes with its program, also with one that was killed, and holds between containers that share the folder.
    """
    from filelock import FileLock, Timeout

    for folder in Path(tempfile.gettempdir()).glob(f"{PREFIX}*"):
        try:
            mine = not hasattr(os, "getuid") or folder.lstat().st_uid == os.getuid()
            if not mine or folder.is_symlink() or folder in _LOCKS:
                continue
            with FileLock(folder / IN_USE, timeout=0):
                shutil.rmtree(folder, ignore_errors=True)
        except (OSError, Timeout):
            continue


class Rows(Sequence[Conversation]):
    """Some rows of a store, in an order of their own. Nothing is copied: a row is read when it is asked for.

    Args:
        numbers: (rows,) int64, of rows in the store; a number may stand twice.
        system_prompt: put before every row that has no system turn.
    """

    def __init__(self, store: Store, numbers: np.ndarray, system_prompt: str | None = None):
        self.store, self.numbers = store, numbers
        self.prompt = Message("system", system_prompt) if system_prompt else None

    def __len__(self) -> int:
        return len(self.numbers)

    @overload
    def __getitem__(self, index: int) -> Conversation: ...
    @overload
    def __getitem__(self, index: slice) -> list[Conversation]: ...
    def __getitem__(self, index: int | slice) -> Conversation | list[Conversation]:
        if isinstance(index, slice):
            return [_with_prompt(row, self.prompt) for row in self.store.rows(self.numbers[index])]
        if not -len(self) <= index < len(self):
            raise IndexError("row index out of range")
        return _with_prompt(self.store.row(int(self.numbers[index])), self.prompt)

    def __iter__(self) -> Iterator[Conversation]:
        if self.prompt is None:
            yield from self.store.rows(self.numbers)
            return
        for row in self.store.rows(self.numbers):
            yield _with_prompt(row, self.prompt)

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Sequence) or isinstance(other, str):
            return NotImplemented
        return len(self) == len(other) and all(mine == theirs for mine, theirs in zip(self, other))

    __hash__ = None  # type: ignore[assignment]  # like a list: its rows are compared

    def __repr__(self) -> str:
        return f"<{len(self):,} rows>"

    def taken(self, numbers: np.ndarray) -> Rows:
        """The rows at these positions (or under a mask), with the same system prompt."""
        return Rows(self.store, self.numbers[numbers], self.prompt.content if self.prompt else None)

    @property
    def places(self) -> Sequence[str]:
        """Where each row stands, "train.csv:12"."""
        return self.store.column("where").take(_indices(self.numbers)).to_pylist()

    @property
    def groups(self) -> list[str | None]:
        """The value of data.group_by of each row."""
        return self.store.column("group").take(_indices(self.numbers)).to_pylist()

    def fingerprints(self) -> Iterator[str]:
        """sha256 (hex) of each row, system prompt included, as `Conversation.fingerprint` gives it."""
        column = self.store.column("fingerprint")
        for start in range(0, len(self.numbers), 65_536):
            for value in column.take(_indices(self.numbers[start : start + 65_536])).to_pylist():
                yield value.hex()

    def dataset(self) -> Any:
        """The rows as a `datasets.Dataset`: columns as `schema`, without the fingerprint, tool calls as JSON text.

        Rows on disk stay there (memory-mapped). The system prompt is not part of it, as it would be copied for every
        row: put it before `messages` when rendering.
        """
        import datasets
        from datasets.table import InMemoryTable

        file = self.store.file
        if file is not None:
            made = datasets.Dataset.from_file(str(file))
        else:
            # with a name of its own: by default the whole table is hashed for one
            made = datasets.Dataset(InMemoryTable(self.store.table()), fingerprint=os.urandom(8).hex())
        return made.remove_columns("fingerprint").select(self.numbers)


def _indices(numbers: np.ndarray) -> pa.Array:
    import numpy as np
    import pyarrow as pa

    return pa.Array.from_buffers(pa.int64(), len(numbers), [None, pa.py_buffer(np.array(numbers, np.int64))])
