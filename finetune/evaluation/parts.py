"""What an evaluation has done so far, item by item: killed and started again, it does no finished item twice.

The file lies in the run folder, for its owner's eyes only, because replies may repeat rows. It is taken away when
evaluation.json is written. An item's key is a hash of all that its outcome depends on: adapter, base, template, number
format, length limit, the turns or tokens, and which side was asked. So nothing stale is ever taken up.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from finetune import models
from finetune.errors import Problem, SurroundingsError
from finetune.generation import Engine
from finetune.runs import Run, environment_facts, sha256_of

PARTS = "evaluation.parts.jsonl"
# Rows that are scored, and kept, in one piece: enough to fill passes, little enough to lose.
_PIECE_TOKENS = 32_768
_Row = tuple[Sequence[int], Sequence[int]]  # ids and labels
_ADAPTER_FILES = ("adapter_config.json", "adapter_model.safetensors")


class Parts:
    """Finished items of an evaluation, in a private file of a run folder.

    A line is written in one piece; the rest of a line that a crash cut off is taken away when the file is opened again.
    The file is made when the first item is kept.

    Args:
        folder: the run's.
        about: what every item's outcome depends on (`about_engine`); goes into the keys, not into the file.

    Attributes:
        num_known: items that were there when the file was opened.
    """

    def __init__(self, folder: Path, about: Mapping[str, Any] | None = None):
        self.path = folder / PARTS
        self._about = _digest(dict(about or {}))
        self._known = self._read()
        self.num_known = len(self._known)
        self._handle: int | None = None

    def key(self, side: str, what: Any) -> str:
        """The key of an item: hex SHA-256.

        Args:
            side: "base" or "adapter".
            what: turns, tokens and limits, of plain values.
        """
        return _digest([self._about, side, what])

    def get(self, key: str) -> Any:
        """The outcome of a finished item; None where it is not finished."""
        return self._known.get(key)

    def keep(self, items: Mapping[str, Any]) -> None:
        """Keep the outcomes of items, by their keys; they reach the file before this returns.

        Raises:
            SurroundingsError: no space, no permission.
        """
        text = "".join(json.dumps({"key": key, "value": value}) + "\n" for key, value in items.items())
        try:
            if self._handle is None:
                self._handle = self._open()
            left = memoryview(text.encode("ascii"))
            while left:
                left = left[os.write(self._handle, left) :]
        except OSError as error:
            what = f"cannot be written: {error.strerror or error}"
            fix = "free space, then evaluate again; what is finished is not done twice"
            raise SurroundingsError(Problem(self.path.name, "", what, fix=fix)) from error
        self._known.update(items)

    def close(self) -> None:
        """Let the file go; what it holds stays."""
        if self._handle is not None:
            os.close(self._handle)
            self._handle = None

    def remove(self) -> None:
        """Take the file away: all is done, and evaluation.json says so."""
        self.close()
        with contextlib.suppress(FileNotFoundError):
            self.path.unlink()

    def _read(self) -> dict[str, Any]:
        known: dict[str, Any] = {}
        try:
            text = self.path.read_bytes()
        except OSError:
            return known
        for line in text.split(b"\n")[:-1]:  # behind the last break stands what a crash cut off
            with contextlib.suppress(ValueError, KeyError, TypeError):
                entry = json.loads(line)
                known[entry["key"]] = entry["value"]
        return known

    def _open(self) -> int:
        no_links = getattr(os, "O_NOFOLLOW", 0)  # a link laid there would have its target written to
        handle = os.open(self.path, os.O_RDWR | os.O_CREAT | os.O_APPEND | no_links, 0o600)
        try:
            if hasattr(os, "fchmod"):
                os.fchmod(handle, 0o600)
            os.ftruncate(handle, self._whole_bytes())
        except OSError:
            os.close(handle)
            raise
        return handle

    def _whole_bytes(self) -> int:
        """How long the file is up to the end of its last whole line."""
        return self.path.read_bytes().rfind(b"\n") + 1


def open_parts(run: Run, engine: Engine) -> Parts:
    """The finished items of a run's evaluation with this engine; none that another adapter or base gave."""
    return Parts(run.path, about_engine(engine, run.adapter_dir))


def about_engine(engine: Engine, adapter_dir: Path) -> dict[str, Any]:
    """What an outcome depends on beside the item itself: weights, template, and how numbers are held."""
    first = next(engine.model.parameters())
    return {
        "adapter": [sha256_of(path) for name in _ADAPTER_FILES if (path := adapter_dir / name).is_file()],
        "base": models.base_facts(engine.source.base, engine.model.config),
        "quantization": engine.source.quantization,
        "template": engine.renderer.template_fingerprint,
        "stop_ids": list(engine.renderer.stop_ids),
        "system_prompt": engine.system_prompt,
        "versions": environment_facts()["versions"],
        "context_tokens": engine.context_tokens,
        "dtype": str(first.dtype),
        "device": str(first.device.type),
    }


def kept_losses(
    model: Any,
    pairs: Sequence[_Row],
    side: str,
    parts: Parts | None,
    *,
    images: models.RowImages | None = None,
    on_done: Any = None,
) -> list[tuple[float, int]]:
    """`finetune.models.row_losses`, piece by piece, each kept as soon as it is done.

    The pieces are the same each time, so that the numbers do not depend on where an evaluation was stopped.

    Args:
        model: with its adapter on or off, as `side` says.
        pairs: (input_ids, labels) of each row.
        side: "base" or "adapter".
        parts: None keeps nothing.
        images: of the rows, by the same numbers.
        on_done: told how many more rows are done.

    Returns:
        (nats, trained tokens) of each row, in the order of `pairs`.
    """
    tell = on_done or (lambda count: None)
    losses: list[tuple[float, int]] = [(0.0, 0)] * len(pairs)
    for piece in _pieces(pairs):
        rows = [pairs[k] for k in piece]
        shown = images.some(piece) if images is not None else None
        told = [[list(ids), list(labels)] for ids, labels in rows]
        seen = [[ref.sha256 for ref in refs] for refs in shown.rows] if shown is not None else []
        key = parts.key(side, ["losses", told, seen]) if parts is not None else ""
        found = parts.get(key) if parts is not None else None
        if found is None:
            found = models.row_losses(model, rows, on_done=tell, images=shown)
            if parts is not None:
                parts.keep({key: found})
        else:
            tell(len(piece))
        for k, (nats, count) in zip(piece, found):
            losses[k] = (float(nats), int(count))
    return losses


def _pieces(pairs: Sequence[_Row]) -> list[list[int]]:
    """Numbers of rows; those that begin alike stand together, so that a piece shares their beginning."""
    pieces: list[list[int]] = []
    room = 0
    for number in sorted(range(len(pairs)), key=lambda k: (list(pairs[k][0]), k)):
        tokens = len(pairs[number][0])
        if not pieces or tokens > room:
            pieces.append([])
            room = _PIECE_TOKENS
        pieces[-1].append(number)
        room -= tokens
    return pieces


def _digest(value: Any) -> str:
    text = json.dumps(value, sort_keys=True, separators=(",", ":"), default=str)
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()
