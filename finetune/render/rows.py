"""Rendered rows kept compactly: one run of int32 token ids for all of them, not lists of Python numbers."""

from __future__ import annotations

import tempfile
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, overload

import numpy as np

from finetune.render.renderer import IGNORED, Rendered

# Beyond so many bytes the ids lie in a file without a name, mapped into memory: it is gone with the process.
_MAX_BYTES_IN_MEMORY = 256 << 20
PARTS = ("system", "prompt", "answer", "template")


@dataclass(frozen=True)
class Tokens:
    """Token ids and trained spans of some rows, one behind the other.

    Attributes:
        ids: (tokens,) int32.
        sizes: (rows,) int32, tokens of each row.
        spans: (spans, 2) int32, half-open ranges within their row.
        num_spans: (rows,) int32, spans of each row.
        parts: (rows, 4) int32, tokens of each row by PARTS; they add up to its size. `answer` is what is trained.
            The template's own words and the system turn are counted as they are when they stand alone; a token
            across their border counts as the prompt's.
    """

    ids: Any
    sizes: Any
    spans: Any
    num_spans: Any
    parts: Any

    def __len__(self) -> int:
        return len(self.sizes)

    @staticmethod
    def of(rows: Iterable[tuple[Sequence[int], Sequence[tuple[int, int]], Sequence[int]]]) -> Tokens:
        """Made of (ids, spans, parts) of each row."""
        ids: list[int] = []
        spans: list[tuple[int, int]] = []
        sizes, num_spans, parts = [], [], []
        for row_ids, row_spans, row_parts in rows:
            ids += row_ids
            spans += row_spans
            sizes.append(len(row_ids))
            num_spans.append(len(row_spans))
            parts.append(row_parts)
        return Tokens(
            np.array(ids, np.int32),
            np.array(sizes, np.int32),
            np.array(spans, np.int32).reshape(-1, 2),
            np.array(num_spans, np.int32),
            np.array(parts, np.int32).reshape(-1, len(PARTS)),
        )

    def take(self, kept: Sequence[int]) -> Tokens:
        """The rows at these places (ascending)."""
        if len(kept) == len(self):
            return self
        chosen = np.zeros(len(self), bool)
        chosen[list(kept)] = True
        return Tokens(
            self.ids[np.repeat(chosen, self.sizes)],
            self.sizes[chosen],
            self.spans[np.repeat(chosen, self.num_spans)],
            self.num_spans[chosen],
            self.parts[chosen],
        )


class RenderedRows(Sequence[Rendered]):
    """Rows of tokens, each made into a Rendered when it is asked for.

    Attributes:
        sizes: (rows,) int32, tokens of each row.
        parts: (rows, 4) int32, see Tokens.
    """

    def __init__(self, tokens: Tokens, how: str):
        self._tokens = tokens
        self.how = how
        self.sizes, self.parts = tokens.sizes, tokens.parts
        self._starts = _running(tokens.sizes)
        self._span_starts = _running(tokens.num_spans)

    def __len__(self) -> int:
        return len(self.sizes)

    @overload
    def __getitem__(self, index: int) -> Rendered: ...
    @overload
    def __getitem__(self, index: slice) -> list[Rendered]: ...
    def __getitem__(self, index: int | slice) -> Rendered | list[Rendered]:
        if isinstance(index, slice):
            return [self[k] for k in range(*index.indices(len(self)))]
        ids, labels = self.arrays(index)
        return Rendered(ids.tolist(), labels.tolist(), [tuple(span) for span in self._spans(index).tolist()], self.how)

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Sequence):
            return NotImplemented
        return len(self) == len(other) and all(mine == theirs for mine, theirs in zip(self, other))

    __hash__ = None  # type: ignore[assignment]

    def arrays(self, index: int) -> tuple[Any, Any]:
        """(input_ids, labels) of a row, int32."""
        index = range(len(self))[index]
        ids = np.asarray(self._tokens.ids[self._starts[index] : self._starts[index + 1]])
        labels = np.full(len(ids), IGNORED, np.int32)
        for start, end in self._spans(index).tolist():
            labels[start:end] = ids[start:end]
        return ids, labels

    def _spans(self, index: int) -> Any:
        index = range(len(self))[index]
        return self._tokens.spans[self._span_starts[index] : self._span_starts[index + 1]]


class Pairs(Sequence[tuple[Any, Any]]):
    """(input_ids, labels) of rows, int32 arrays made when they are asked for."""

    def __init__(self, rows: RenderedRows):
        self._rows = rows

    def __len__(self) -> int:
        return len(self._rows)

    @overload
    def __getitem__(self, index: int) -> tuple[Any, Any]: ...
    @overload
    def __getitem__(self, index: slice) -> list[tuple[Any, Any]]: ...
    def __getitem__(self, index: int | slice) -> tuple[Any, Any] | list[tuple[Any, Any]]:
        if isinstance(index, slice):
            return [self[k] for k in range(*index.indices(len(self)))]
        return self._rows.arrays(index)

    def __iter__(self) -> Iterator[tuple[Any, Any]]:
        return (self[k] for k in range(len(self)))


class RowsBuilder:
    """Collects tokens chunk by chunk; many of them in a file without a name, so that memory stays small."""

    def __init__(self, max_bytes_in_memory: int = _MAX_BYTES_IN_MEMORY):
        self._max_bytes = max_bytes_in_memory
        self._chunks: list[Any] = []
        self._rest: list[tuple[Any, Any, Any, Any]] = []
        self._num_bytes = 0
        self._file: Any = None

    def add(self, tokens: Tokens) -> None:
        """Put a chunk behind those before it."""
        self._rest.append((tokens.sizes, tokens.spans, tokens.num_spans, tokens.parts))
        self._num_bytes += tokens.ids.nbytes
        if self._file is not None:
            self._file.write(tokens.ids.tobytes())
            return
        self._chunks.append(tokens.ids)
        if self._num_bytes > self._max_bytes:
            self._file = tempfile.TemporaryFile(prefix="finetune-tokens-")  # noqa: SIM115  (lives with its mapping)
            for ids in self._chunks:
                self._file.write(ids.tobytes())
            self._chunks = []

    def rows(self, how: str) -> RenderedRows:
        """Everything added, in order."""
        empty = Tokens.of([])
        if self._file is not None:
            self._file.flush()
            ids = np.memmap(self._file, np.int32, "r")
        else:
            ids = np.concatenate([empty.ids, *self._chunks])
        columns = zip((empty.sizes, empty.spans, empty.num_spans, empty.parts), *self._rest)
        sizes, spans, num_spans, parts = (np.concatenate(column) for column in columns)
        return RenderedRows(Tokens(ids, sizes, spans, num_spans, parts), how)


def _running(sizes: Any) -> Any:
    """(n + 1,) int64: where each begins, and where the last ends."""
    starts = np.zeros(len(sizes) + 1, np.int64)
    np.cumsum(sizes, out=starts[1:])
    return starts
