"""What became of every row: trained, held out, or left out and why. For writing the mended rows to a new file."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import TYPE_CHECKING

from finetune.data.converting.conversion import unused_columns
from finetune.data.fixing import Change
from finetune.data.pipeline import Gathered
from finetune.data.shapes import name_shown
from finetune.data.store import Rows

if TYPE_CHECKING:
    import numpy as np

_TRAIN, _HELD_OUT = 0, 1
_PLACE = re.compile(r":(\d+)(?:, row (\d+))?$")


class Fates:
    """One small number a row of the store, and the reasons they stand for."""

    def __init__(self, gathered: Gathered):
        import numpy as np

        self._gathered = gathered
        self._codes = np.zeros(gathered.store.num_rows, np.uint8)
        self._reasons: list[str] = ["", ""]

    def leave_out(self, numbers: np.ndarray, reason: str) -> None:
        """These rows are used in no split."""
        if len(numbers):
            if reason not in self._reasons:
                self._reasons.append(reason)
            self._codes[numbers] = self._reasons.index(reason)

    def hold_out(self, numbers: np.ndarray) -> None:
        """These rows are in the held-out split."""
        self._codes[numbers] = _HELD_OUT

    def reasons(self, first: int, end: int) -> dict[str, int]:
        """Why rows of this stretch of the store are left out -> how many."""
        import numpy as np

        counts = np.bincount(self._codes[first:end], minlength=len(self._reasons)).tolist()
        return {reason: num for reason, num in zip(self._reasons, counts) if reason and num}

    def unused_columns(self) -> dict[str, list[str]]:
        """File -> columns of its rows that nothing is read from, as names may be shown; files without any left out."""
        found: dict[str, list[str]] = {}
        for file in self._gathered.files:
            names = unused_columns(file.plan, file.seen) if file.plan else []
            if names:
                found[file.source.name] = [name_shown(name) for name in names]
        return found

    def changes(self) -> Iterator[Change]:
        """Every row of the files in their order: as it would be used (redacted, without data.system_prompt), or why
        not. Bad rows are told of by place; their text is not known to be a conversation.
        """
        import numpy as np

        gathered = self._gathered
        unusable = [(place, f"bad row: {reason}") for place, reason in gathered.bad.places]
        unusable += [(place, "disliked answer") for place in gathered.disliked]
        by_file: dict[str, list[tuple[tuple[int, int], str, str]]] = {}
        for place, reason in unusable:
            by_file.setdefault(place.rpartition(":")[0], []).append((_position(place), place, reason))
        for file in gathered.files:
            waiting = sorted(by_file.pop(file.source.name, []), reverse=True)
            numbers = np.arange(file.first, file.end)
            for number, row in zip(numbers.tolist(), Rows(gathered.store, numbers)):
                while waiting and waiting[-1][0] < _position(row.where):
                    yield Change(waiting[-1][1], None, waiting.pop()[2], file.side)
                code = int(self._codes[number])
                if code > _HELD_OUT:
                    yield Change(row.where, None, self._reasons[code], file.side)
                else:
                    yield Change(row.where, row, "", "held_out" if code == _HELD_OUT else "train")
            while waiting:
                yield Change(waiting[-1][1], None, waiting.pop()[2], file.side)


def _position(place: str) -> tuple[int, int]:
    """(line, row) of "file:line" or "file:line, row 3"; zeros where the place is a file."""
    found = _PLACE.search(place)
    return (int(found[1]), int(found[2] or 0)) if found else (0, 0)
