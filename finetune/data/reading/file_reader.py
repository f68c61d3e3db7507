"""One pass over one source: bytes -> chunks of rows, with the hash, the encoding and every choice said."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import IO

from finetune.data.reading import encodings, json_documents, parquet_rows
from finetune.data.reading.json_rows import MAX_ROW_BYTES, Row, num_blank_lines, parse_lines
from finetune.data.reading.kinds import refuse_strange
from finetune.data.reading.sources import Source
from finetune.data.reading.streams import SourceError, Stream
from finetune.data.reading.text_tables import TextTable
from finetune.data.shapes import plural
from finetune.errors import FinetuneError, Problem

CHUNK_BYTES = 4 * 1024**2
CHUNK_ROWS = 2000

Read = tuple[int, "Row | list[Problem] | None"]


@dataclass(frozen=True)
class RawChunk:
    """A stretch of one source, for `parse`. Order and borders depend on the source only. Picklable.

    Attributes:
        first_number: the number of its first row, counted from 1 over the whole source.
        first_line: the line it starts at, from 1.
        data: JSON Lines: whole lines, UTF-8, to be parsed; None where `rows` is given.
        rows: rows already read (tables, arrays, sheets, pairs).
        problems: rows found broken while reading, in order; they are row problems (data.bad_rows counts them).
        num_blank: blank lines among `rows` (with `data`, `parse` counts them).
        first_byte: where `data` starts, in the unpacked file; for messages.
        undecoded: (line of `data` counted from 0, what, fix) where bytes did not belong to the file's encoding.
    """

    first_number: int
    first_line: int
    data: bytes | None = None
    rows: list[Row] | None = None
    problems: tuple[Problem, ...] = ()
    num_blank: int = 0
    first_byte: int = 0
    undecoded: tuple[tuple[int, str, str], ...] = ()


def parse(name: str, chunk: RawChunk) -> tuple[list[Row], list[Problem], int]:
    """(rows, row problems, number of blank lines) of a chunk. Pure and picklable: the worker calls it.

    Args:
        name: Source.name, for the places in messages.
    """
    if chunk.data is None:
        return chunk.rows or [], list(chunk.problems), chunk.num_blank
    place = chunk.first_number, chunk.first_line, chunk.first_byte
    rows, problems, num_blank = parse_lines(name, chunk.data, *place, chunk.undecoded)
    return rows, [*chunk.problems, *problems], num_blank


class FileReader:
    """Reads one source once. What is wrong with the source itself ends the reading and goes to `problems`.

    Attributes, complete after the last chunk:
        sha256: of the bytes on disk (or on the hub), as hex; of names and texts for a folder of text pairs.
        num_bytes: on disk. While reading: the bytes read so far, for progress.
        total_bytes: on disk, known from the first chunk on; 0 when it cannot be known.
        encoding: "utf-8", "utf-8 with byte-order mark", "gb18030", ...; "parquet", "xlsx" for those.
        kind: as read: jsonl, json, csv, tsv, parquet, xlsx, pairs.
        notes: every choice made, one plain line each.
        problems: of the source itself (never counted as bad rows), "has no rows" among them; rows before them were
            still given.
    """

    def __init__(self, source: Source, encoding: str = "auto"):
        self.source, self.name, self._asked = source, source.name, encoding
        self.sha256, self.total_bytes = "", 0
        self.encoding, self.kind = "", source.kind
        self.notes: list[str] = []
        self.problems: list[Problem] = []
        self._num_bytes, self._num_rows = 0, 0
        self._num_crlf, self._has_mark, self._ends_open = 0, False, False
        self._is_read = False
        self._stream: Stream | None = None

    @property
    def num_bytes(self) -> int:
        """Bytes read so far, as on disk."""
        return self._stream.num_bytes if self._stream else self._num_bytes

    def chunks(self) -> Iterator[RawChunk]:
        """About 4 MB or 2,000 rows each. Nothing that a file can hold makes it raise.

        Raises:
            SurroundingsError, DataError: a file of the hub cannot be fetched.
        """
        try:
            yield from self._pair_chunks() if self.source.kind == "pairs" else self._file_chunks()
            if not self._num_rows:
                only = ": only a header line" if self.kind in ("csv", "tsv", "xlsx") else ""
                raise SourceError(f"has no rows{only}", "add rows to it")
        except SourceError as error:
            where = self.name if error.line is None else f"{self.name}:{error.line}"
            self.problems.append(Problem(where, error.key, error.what, fix=error.fix))
        except FinetuneError:  # the network, or the repository: no fault of a file
            raise
        except (OSError, ValueError) as error:
            reason = error.strerror if isinstance(error, OSError) and error.strerror else "it cannot be opened"
            self.problems.append(
                Problem(self.name, "", f"cannot be read: {reason}", fix="check the file and its permissions")
            )
        finally:
            self._num_bytes = self.num_bytes
            if self._stream:
                self._stream.close()
                self._stream = None

    def closing_note(self, num_blank: int) -> str:
        """What was accepted without a word: "x.jsonl: accepted a byte-order mark, 2 blank lines"; "" for nothing.

        Args:
            num_blank: the sum of what `parse` returned.
        """
        accepted = []
        if self._has_mark:
            accepted.append("a byte-order mark")
        if self._num_crlf:
            accepted.append(plural(self._num_crlf, "Windows line end"))
        if num_blank:
            accepted.append(plural(num_blank, "empty row" if self.kind == "xlsx" else "blank line"))
        if self._ends_open and self._is_read and self.kind in ("jsonl", "csv", "tsv"):
            accepted.append("no line end after the last row")
        return f"{self.name}: accepted {', '.join(accepted)}" if accepted else ""

    def _file_chunks(self) -> Iterator[RawChunk]:
        self._stream = stream = Stream(self.source)
        self.total_bytes = stream.total_bytes
        self._say_packing(stream.packing)
        self.kind = refuse_strange(stream.head, self.name, self.source.kind)
        if self.kind in ("parquet", "xlsx"):
            self.encoding = self.kind
            yield from self._table_chunks(stream)
        else:
            yield from self._text_chunks(stream)
        self._is_read = True
        self.sha256 = stream.finish()

    def _say_packing(self, packing: str) -> None:
        named = {".gz": "gzip", ".zst": "zstd"}.get(Path(self.name).suffix.lower(), "")
        if packing and packing != named:
            self.notes.append(f"{self.name}: {packing}-compressed, though its name does not say so")
        elif named and not packing:
            self.notes.append(f"{self.name}: not compressed, though its name says so")

    def _table_chunks(self, stream: Stream) -> Iterator[RawChunk]:
        file: IO[bytes] = stream.seekable()
        try:
            if self.kind == "parquet":
                yield from self._packed(parquet_rows.rows(file))
                return
            from finetune.data.reading.sheet_rows import Workbook

            book = Workbook(self.name, file, self.source.sheet)
            yield from self._packed(book.rows(), book.notes)
        finally:
            if file is not stream.file:
                file.close()

    def _text_chunks(self, stream: Stream) -> Iterator[RawChunk]:
        if not stream.head.strip(b"\xef\xbb\xbf \t\r\n"):
            if not stream.head:
                raise SourceError("has no rows: the file is empty", "add rows to it")
            what = "has no rows: only blank lines" if stream.is_whole else "starts with a megabyte of blank lines"
            raise SourceError(what, "add rows to it" if stream.is_whole else "remove them")
        encoding = encodings.find(stream.head, self._asked)
        self.encoding, self._has_mark = encoding.label, bool(encoding.mark)
        if self._asked != "auto":
            self.notes.append(f"{self.name}: read as {encoding.label}, from data.encoding")
        elif encoding.evidence:
            self.notes.append(f"{self.name}: read as {encoding.label}: {encoding.evidence}")
        head = encodings.head_text(stream.head, encoding)
        bad = encodings.BadPlaces(encoding)
        if self.kind in ("csv", "tsv"):
            table = TextTable(self.name, self._texts(stream, encoding, bad), head, self.kind == "tsv", bad)
            yield from self._packed(table.rows(), table.notes)
            return
        named = self.kind
        self.kind = "jsonl" if json_documents.is_lines(head, named == "jsonl") else "json"
        if self.kind != named:
            what = "JSON Lines (one value a line)" if self.kind == "jsonl" else "one JSON document"
            self.notes.append(f"{self.name}: {what}, though its name says otherwise")
        if self.kind == "json":
            document = json_documents.Document(self.name, self._texts(stream, encoding, bad), bad)
            yield from self._packed(document.rows(), document.notes)
        elif encoding.codec == "utf-8":
            yield from self._line_chunks(_without(stream.blocks(), len(encoding.mark)), len(encoding.mark))
        else:
            texts = encodings.texts(stream.blocks(), encoding, bad)
            yield from self._line_chunks((text.encode("utf-8", "surrogatepass") for text in texts), 0, bad)

    def _texts(self, stream: Stream, encoding: encodings.Encoding, bad: encodings.BadPlaces) -> Iterator[str]:
        for text in encodings.texts(stream.blocks(), encoding, bad):
            self._num_crlf += text.count("\r\n") if "\r" in text else 0
            self._ends_open = not text.endswith("\n")
            yield text

    def _packed(self, items: Iterable[Read], notes: list[str] | None = None) -> Iterator[RawChunk]:
        """Rows one by one -> chunks; `notes` of the reader are taken over when it knows them."""
        rows: list[Row] = []
        problems: list[Problem] = []
        num_blank = num_items = size = 0

        def chunk() -> RawChunk:
            first_line = rows[0].line if rows else 1
            return RawChunk(self._num_rows - num_items + 1, first_line, None, rows, tuple(problems), num_blank)

        failed: SourceError | None = None
        items = iter(items)
        while True:
            try:
                item = next(items, None)
            except SourceError as error:
                item, failed = None, error
            if item is not None:
                item_size, found = item
                size += item_size
                num_blank += found is None
                if found is not None:
                    num_items += 1
                    self._num_rows += 1
                    rows.append(found) if isinstance(found, Row) else problems.extend(found)
            if notes:
                self.notes += notes
                notes.clear()
            if item is None or num_items >= CHUNK_ROWS or size >= CHUNK_BYTES:
                if num_items or num_blank:
                    yield chunk()
                rows, problems, num_blank, num_items, size = [], [], 0, 0, 0
            if failed:
                raise failed
            if item is None:
                return

    def _line_chunks(
        self, blocks: Iterable[bytes], first_byte: int, bad: encodings.BadPlaces | None = None
    ) -> Iterator[RawChunk]:
        """JSON Lines, cut behind line ends. A line beyond every limit is told and passed over."""
        line, held, size = 1, [], 0
        skipping = False
        offset = first_byte

        def cut(data: bytes) -> RawChunk:
            nonlocal line, offset
            made = RawChunk(self._num_rows + 1, line, data, first_byte=offset, undecoded=_undecoded(data, bad))
            num_lines = data.count(b"\n")
            self._num_rows += num_lines + (not data.endswith(b"\n")) - num_blank_lines(data)
            self._num_crlf += data.count(b"\r\n") if b"\r" in data else 0
            self._ends_open = not data.endswith(b"\n")
            line, offset = line + num_lines, offset + len(data)
            return made

        for block in blocks:
            if skipping:
                end = block.find(b"\n") + 1
                _undecoded(block[: end or len(block)], bad)
                offset += end or len(block)
                if not end:
                    continue
                skipping, block, line = False, block[end:], line + 1
            held.append(block)
            size += len(block)
            if size < CHUNK_BYTES:
                continue
            data = b"".join(held)
            end = data.rfind(b"\n") + 1
            if end:
                yield cut(data[:end])
            rest = data[end:]
            held, size = [rest], len(rest)
            if size > MAX_ROW_BYTES:
                self._num_rows += 1
                what = f"is longer than {MAX_ROW_BYTES:,} bytes"
                problem = Problem(f"{self.name}:{line}", f"row {self._num_rows}", what, fix="cut the row")
                yield RawChunk(self._num_rows, line, None, [], (problem,))
                _undecoded(rest, bad)
                held, size, skipping = [], 0, True
                offset += len(rest)
        data = b"".join(held)
        if data:
            yield cut(data)

    def _pair_chunks(self) -> Iterator[RawChunk]:
        from finetune.data.reading.pair_rows import Pairs

        assert self.source.path is not None
        folder = Pairs(self.name, self.source.path, self._asked)
        yield from self._packed(folder.rows(), folder.notes)
        self.encoding, self.sha256 = folder.encoding.label, folder.digest.hexdigest()
        self._num_bytes = self.total_bytes = folder.num_bytes


def _undecoded(data: bytes, bad: encodings.BadPlaces | None) -> tuple[tuple[int, str, str], ...]:
    """(line counted from 0, what, fix) for each place of whole lines that did not decode."""
    places = bad.take(data) if bad else []
    found, at = [], 0
    for words in places:
        at = data.index(encodings.STAND_IN_BYTES, at) + 1
        found.append((data.count(b"\n", 0, at), words, bad.fix if bad else ""))
    return tuple(found)


def _without(blocks: Iterable[bytes], num_bytes: int) -> Iterator[bytes]:
    for block in blocks:
        yield block[num_bytes:] if num_bytes else block
        num_bytes = 0
