"""Parquet files -> rows, some at a time."""

from __future__ import annotations

from collections.abc import Iterator
from typing import IO

from finetune.data.reading.json_rows import Row
from finetune.data.reading.streams import SourceError
from finetune.data.shapes import name_shown, names_shown

BATCH_ROWS = 512
MAX_GROUP_BYTES = 4 * 1024**3  # unpacked; a small file can claim any size
MAX_BATCH_BYTES = 512 * 1024**2
_AGAIN = "save or download it again"


def rows(file: IO[bytes]) -> Iterator[tuple[int, Row]]:
    """(bytes, row) in order; a row's line is its number, as there are no lines.

    Raises:
        SourceError: it is no whole parquet file, or unpacks to too much.
    """
    # lazily: the import takes longer than reading a CSV of 10,000 rows
    import pyarrow as pa
    import pyarrow.parquet as parquet

    number = 0
    try:
        # Read ahead, a Python file would be read by Arrow's own threads, which abort the process when it ends while one
        # of them still waits for the interpreter (apache/arrow#45214).
        table = parquet.ParquetFile(pa.PythonFile(file, mode="r"), pre_buffer=False)
        columns = table.schema_arrow.names
        twice = sorted({column for column in columns if columns.count(column) > 1})
        if twice:
            raise SourceError(f"two columns have the same name: {names_shown(twice)}", "name each column once")
        for index in range(table.metadata.num_row_groups):
            num_bytes = table.metadata.row_group(index).total_byte_size
            if num_bytes > MAX_GROUP_BYTES:
                what = f"has a group of rows that unpacks to {num_bytes:,} bytes, the limit is {MAX_GROUP_BYTES:,}"
                raise SourceError(what, "cut it into several files")
        for batch in table.iter_batches(batch_size=BATCH_ROWS, use_threads=False):
            if batch.nbytes > MAX_BATCH_BYTES:
                what = f"unpacks to {batch.nbytes:,} bytes in {batch.num_rows} rows, the limit is {MAX_BATCH_BYTES:,}"
                raise SourceError(what, "cut the rows", number + 1)
            size = batch.nbytes // max(1, batch.num_rows)
            for value in batch.to_pylist():
                number += 1
                yield size, Row(number, number, value)
    except SourceError:
        raise
    # anything a broken file can raise inside the library: Arrow's own errors, bad text, absurd sizes
    except (pa.ArrowException, OSError, ValueError, TypeError, KeyError, OverflowError, MemoryError) as error:
        raise SourceError(f"is a damaged parquet file ({name_shown(type(error).__name__)})", _AGAIN) from error
