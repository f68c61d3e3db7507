"""The bytes of one source, read once: opened safely, hashed on the way, unpacked within limits."""

from __future__ import annotations

import gzip
import hashlib
import os
import stat
import tempfile
import zlib
from collections.abc import Iterator
from typing import IO, TYPE_CHECKING, Any

if TYPE_CHECKING:
    from finetune.data.reading.sources import Source

BLOCK_BYTES = 1024**2
MAX_UNPACKED_BYTES = 64 * 1024**3
MAX_TABLE_BYTES = 4 * 1024**3  # a packed parquet file or workbook is unpacked to disk before it is read
# Text packs to a third or a tenth of its size, one line repeated for ever to a hundredth.
MAX_RATIO = 200
RATIO_COUNTS_FROM_BYTES = 16 * 1024**2

_MAGIC = {b"\x1f\x8b": "gzip", b"\x28\xb5\x2f\xfd": "zstd"}


class SourceError(Exception):
    """A fault of the source itself. `line` is None where the whole of it is meant."""

    def __init__(self, what: str, fix: str, line: int | None = None, key: str = ""):
        super().__init__(what)
        self.what, self.fix, self.line, self.key = what, fix, line, key


class _Hashed:
    """A binary file that is hashed and counted while it is read from front to end."""

    def __init__(self, file: IO[bytes]):
        self.file, self.digest, self.num_bytes = file, hashlib.sha256(), 0

    def read(self, size: int = -1) -> bytes:
        data = self.file.read(size)
        self.digest.update(data)
        self.num_bytes += len(data)
        return data

    # what pyarrow and gzip ask of a file
    closed = False

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return False

    def close(self) -> None:
        """The owner closes the file."""


class Stream:
    """An open source.

    Attributes:
        packing: "gzip", "zstd" or "", by its first bytes.
        total_bytes: its size on disk, 0 when that is not known.
        file: as opened.
        head: the first unpacked bytes, at most BLOCK_BYTES.
        is_whole: whether `head` is all there is.
    """

    def __init__(self, source: Source):
        """Raises: SourceError, OSError."""
        self._source = source
        self._before: tuple[int, ...] | None = None
        self._all_read = False
        if source.hub is not None:
            from finetune.data.reading import hub_files

            self.file, self.total_bytes = hub_files.open_file(source.hub)
        else:
            self.file = self._open_local()
        try:
            self._hashed = _Hashed(self.file)
            start = self._hashed.read(8)
            self.packing = next((name for magic, name in _MAGIC.items() if start.startswith(magic)), "")
            self._unpacked = self._unpacker(_Rejoined(start, self._hashed))
            self._num_unpacked = 0
            self.head = self._read_block()
            self.is_whole = len(self.head) < BLOCK_BYTES
        except BaseException:
            self.close()
            raise

    def _open_local(self) -> IO[bytes]:
        path = self._source.path
        assert path is not None
        try:
            # before it is opened: opening a device may do something, opening a pipe may wait for ever
            _refuse_strange_files(os.stat(path).st_mode, self._source.name)
            flags = os.O_RDONLY | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_BINARY", 0)
            file = os.fdopen(os.open(path, flags), "rb", buffering=0)
        except FileNotFoundError:
            raise SourceError(
                "there is no such file (a link that leads nowhere)", "check where the link points"
            ) from None
        try:
            facts = os.fstat(file.fileno())
            _refuse_strange_files(facts.st_mode, self._source.name)
        except BaseException:
            file.close()
            raise
        self._before, self.total_bytes = _snapshot(facts), facts.st_size
        return file

    def _unpacker(self, packed: _Rejoined) -> Any:
        if self.packing == "gzip":
            return gzip.GzipFile(fileobj=packed, mode="rb")  # type: ignore[arg-type]  # it needs read() only
        if self.packing == "zstd":
            import pyarrow as pa  # its reader notices a file cut off; zstandard's ends without a word

            return pa.CompressedInputStream(pa.PythonFile(packed, mode="r"), "zstd")
        return packed

    def _read_block(self, size: int = BLOCK_BYTES) -> bytes:
        """Exactly `size` bytes, fewer at the end only: chunk borders must not depend on the machine."""
        parts, wanted = [], size
        try:
            while wanted and (data := self._unpacked.read(wanted)):
                parts.append(data)
                wanted -= len(data)
        except (EOFError, zlib.error, gzip.BadGzipFile) as error:
            raise self._damaged(isinstance(error, EOFError)) from error
        except OSError as error:
            if self.packing == "zstd" and error.errno is None:
                raise self._damaged("runcated" in str(error)) from error
            raise
        block = parts[0] if len(parts) == 1 else b"".join(parts)
        self._num_unpacked += len(block)
        if self.packing:
            self._check_limits()
        return block

    def _damaged(self, is_cut_off: bool) -> SourceError:
        what = "ends too early (the file may be cut off)" if is_cut_off else "cannot be unpacked: it is damaged"
        return SourceError(f"is {self.packing}-compressed and {what}", "pack or download it again")

    def _check_limits(self) -> None:
        packed = max(1, self._hashed.num_bytes)
        if self._num_unpacked > RATIO_COUNTS_FROM_BYTES and self._num_unpacked > MAX_RATIO * packed:
            what = f"unpacks to more than {MAX_RATIO} times its size, which no rows do"
            raise SourceError(what, "unpack it yourself and look at it; a file made to fill the disk does this")
        if self._num_unpacked > MAX_UNPACKED_BYTES:
            raise SourceError(f"unpacks to more than {MAX_UNPACKED_BYTES:,} bytes", "cut it into several files")

    @property
    def num_bytes(self) -> int:
        """Bytes read so far, as on disk."""
        return self._hashed.num_bytes

    def blocks(self) -> Iterator[bytes]:
        """All unpacked bytes, from the first on."""
        block = self.head
        while block:
            yield block
            if len(block) < BLOCK_BYTES:
                return
            block = self._read_block()

    def seekable(self) -> IO[bytes]:
        """The unpacked bytes as a file that can be read from anywhere, for kinds with a table of contents.

        The bytes are hashed first. A hub file or a packed one goes through a private temporary file.
        """
        if not self.packing and self._source.hub is None:
            for _ in self.blocks():
                pass
            self._all_read = True
            self.file.seek(0)
            return self.file
        copy: IO[bytes] = tempfile.TemporaryFile(prefix="finetune-")  # noqa: SIM115  (closed by the caller)
        try:
            for block in self.blocks():
                if self._num_unpacked > MAX_TABLE_BYTES:
                    what = f"unpacks to more than {MAX_TABLE_BYTES:,} bytes, too much for a packed table"
                    raise SourceError(what, "unpack it, or cut it into several files")
                copy.write(block)
            copy.seek(0)
        except BaseException:
            copy.close()
            raise
        return copy

    def finish(self) -> str:
        """Read what is left, see that the file was not changed meanwhile, and give its sha256 (hex).

        Raises:
            SourceError: it grew, shrank or was replaced since it was opened.
        """
        while not self._all_read and self._hashed.read(BLOCK_BYTES):
            pass
        if self._before is not None:
            path = self._source.path
            assert path is not None
            same = _snapshot(os.fstat(self.file.fileno())) == self._before and self.num_bytes == self.total_bytes
            try:
                same = same and _snapshot(os.stat(path)) == self._before
            except FileNotFoundError:
                same = False
            if not same:
                what = "was changed while it was read (another size, time or file stands there now)"
                raise SourceError(what, "wait until nothing writes to it, then start again")
        return self._hashed.digest.hexdigest()

    def close(self) -> None:
        self.file.close()

    def __enter__(self) -> Stream:
        return self

    def __exit__(self, *error: object) -> None:
        self.close()


class _Rejoined:
    """A file whose first bytes were looked at already."""

    closed = False

    def __init__(self, start: bytes, rest: _Hashed):
        self._start, self._rest = start, rest

    def read(self, size: int = -1) -> bytes:
        if not self._start:
            return self._rest.read(size)
        start, self._start = self._start, b""
        if 0 <= size < len(start):
            start, self._start = start[:size], start[size:]
            return start
        return start

    def readable(self) -> bool:
        return True

    def writable(self) -> bool:
        return False

    def seekable(self) -> bool:
        return False

    def flush(self) -> None:
        """Nothing is written."""

    def close(self) -> None:
        """The owner closes the file."""


def _refuse_strange_files(mode: int, name: str) -> None:
    if stat.S_ISDIR(mode):
        raise SourceError("is a folder", f"name the files in it, as {name}/*.jsonl")
    if not stat.S_ISREG(mode):
        raise SourceError("is not a plain file (a pipe, socket or device)", "save the data to a file first")


def _snapshot(facts: os.stat_result) -> tuple[int, ...]:
    return facts.st_dev, facts.st_ino, facts.st_size, facts.st_mtime_ns
