"""Safetensors headers, read without loading a tensor: what a file holds, and whether it is whole."""

from __future__ import annotations

import json
import os
import shutil
import struct
from collections.abc import Mapping
from pathlib import Path
from typing import Any

_MAX_HEADER_BYTES = 100 << 20  # what the safetensors library itself accepts


def read_header(path: Path, max_bytes: int = _MAX_HEADER_BYTES) -> dict[str, dict[str, Any]]:
    """Tensor name -> its entry (dtype, shape, data_offsets).

    Raises:
        ValueError: one clause saying how the file is damaged.
    """
    num_bytes = path.stat().st_size
    with path.open("rb") as file:
        head = file.read(8)
        size = struct.unpack("<Q", head)[0] if len(head) == 8 else 0
        if not 2 <= size <= min(max_bytes, num_bytes - 8):
            raise ValueError("is cut off or damaged")
        try:
            header = json.loads(file.read(size))
            header.pop("__metadata__", None)
            end = max((entry["data_offsets"][1] for entry in header.values()), default=0)
        except (ValueError, TypeError, KeyError, IndexError, AttributeError, RecursionError):
            raise ValueError("is damaged") from None
    if not header:
        raise ValueError("holds no tensors")
    expected = 8 + size + end if isinstance(end, int) else -1
    if num_bytes != expected:
        how = "is cut off" if num_bytes < expected else "is damaged"
        raise ValueError(f"{how}: {num_bytes:,} bytes where its header says {expected:,}")
    return header


def marks_of(path: Path) -> dict[str, str]:
    """The texts that a file's header carries beside the tensors; {} where there are none, or no such file."""
    try:
        with path.open("rb") as file:
            size = struct.unpack("<Q", file.read(8))[0]
            found = json.loads(file.read(size)).get("__metadata__") if size <= _MAX_HEADER_BYTES else None
    except (OSError, ValueError, AttributeError, RecursionError, struct.error):
        return {}
    return found if isinstance(found, dict) else {}


def mark(path: Path, texts: Mapping[str, str]) -> None:
    """Add texts to a file's header; the bytes of its tensors are copied as they are."""
    part = path.with_name(f".{path.name}.part")
    with path.open("rb") as old, part.open("wb") as new:
        header = json.loads(old.read(struct.unpack("<Q", old.read(8))[0]))
        header["__metadata__"] = {**header.get("__metadata__", {}), **texts}
        written = json.dumps(header, separators=(",", ":")).encode()
        written += b" " * (-len(written) % 8)  # tensors begin at a multiple of eight bytes, as the library writes them
        new.write(struct.pack("<Q", len(written)) + written)
        shutil.copyfileobj(old, new, 1 << 20)
        new.flush()
        os.fsync(new.fileno())
    shutil.copymode(path, part)
    os.replace(part, path)
