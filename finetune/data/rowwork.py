"""What is done to one stretch of rows, in this process or in a worker: pure, so that processes change nothing."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

from finetune.data import images
from finetune.data.converting.conversion import BadRows, Converter
from finetune.data.converting.recognition import FilePlan
from finetune.data.converting.texts import Seen
from finetune.data.findings import Tally
from finetune.data.reading import file_reader
from finetune.data.reading.file_reader import RawChunk
from finetune.data.reading.json_rows import Row
from finetune.data.shapes import Conversation
from finetune.errors import Problem

if TYPE_CHECKING:
    import numpy as np
    import pyarrow as pa

    from finetune.data.converting.layouts import Layout
    from finetune.data.likeness.duplicates import Marks

MAX_PLACES = 100


@dataclass(frozen=True)
class Settings:
    """What every row is looked at for. Picklable.

    Attributes:
        languages: codes declared in `share.languages`.
        off: kinds of findings not to look for.
        privacy: the rule of `data.privacy`.
        system_prompt: the recipe's; it enters the fingerprint of rows that have none of their own.
        liked_only: rated rows that were disliked are left out.
    """

    languages: tuple[str, ...] = ()
    off: frozenset[str] = frozenset()
    privacy: str = "warn"
    system_prompt: str | None = None
    liked_only: bool = True


def _as_text(row: Conversation) -> Conversation:
    """The row without its images, for what looks at words."""
    if not any(message.images for message in row.messages):
        return row
    return replace(row, messages=tuple(map(images.without_marks, row.messages)))


@dataclass(frozen=True)
class Parsed:
    """A stretch of rows that is parsed already, as the first one of every file is."""

    rows: list[Row]
    problems: list[Problem]
    num_blank: int


@dataclass
class PrivacyTally:
    """Personal data found: how often, in how many rows, where; never the text.

    Attributes:
        num_rows: rows with any.
        kinds: kind -> [times found, rows, the first places].
    """

    num_rows: int = 0
    kinds: dict[str, tuple[int, int, list[str]]] = field(default_factory=dict)

    def add_row(self, where: str, found: Counter[str]) -> None:
        """Count what one row holds."""
        if found:
            self.num_rows += 1
            for kind, number in found.items():
                self._count(kind, number, 1, [where])

    def _count(self, kind: str, number: int, num_rows: int, places: list[str]) -> None:
        num, rows, known = self.kinds.get(kind, (0, 0, []))
        known = known + places[: MAX_PLACES - len(known)]
        self.kinds[kind] = num + number, rows + num_rows, known

    def merge(self, other: PrivacyTally) -> None:
        """Add what the rows after these hold."""
        self.num_rows += other.num_rows
        for kind, counted in other.kinds.items():
            self._count(kind, *counted)

    def as_dict(self, rule: str) -> dict[str, Any]:
        """`DataReport.privacy`, the commonest kind first."""
        order = sorted(self.kinds.items(), key=lambda pair: (-pair[1][1], pair[0]))
        kinds = {kind: {"num": num, "num_rows": rows, "places": places} for kind, (num, rows, places) in order}
        return {"rule": rule, "num_rows": self.num_rows, "kinds": kinds}


@dataclass
class Done:
    """What one stretch of rows gave.

    Attributes:
        num_rows: rows read, bad ones included.
        batch: the usable rows, as `store.encode` makes them; None when there are none.
        masks: (usable rows,) uint32, the kinds of findings of each row as bits.
        personal: numbers of usable rows with personal data, counted from 0.
        kept: sha256 -> bytes of images that stood in the rows themselves.
        num_images: of the usable rows.
    """

    num_rows: int = 0
    num_blank: int = 0
    batch: pa.RecordBatch | None = None
    marks: Marks | None = None
    masks: np.ndarray | None = None
    bad: BadRows = field(default_factory=BadRows)
    seen: Seen = field(default_factory=Seen)
    others: dict[Layout, int] = field(default_factory=dict)
    disliked: list[str] = field(default_factory=list)
    tally: Tally = field(default_factory=Tally)
    privacy: PrivacyTally = field(default_factory=PrivacyTally)
    languages: Counter[str] = field(default_factory=Counter)
    kept: dict[str, bytes] = field(default_factory=dict)
    num_images: int = 0


class Worker:
    """Does the work on stretches of rows; one a process, as the scanner of personal data is made once."""

    def __init__(self, settings: Settings):
        self.settings = settings
        self.scanner: Any = None

    def do(self, name: str, plan: FilePlan | None, chunk: RawChunk | Parsed) -> Done:
        """Parse, convert, look and encode. Without a plan no row could be parsed: bad rows are counted only."""
        if isinstance(chunk, RawChunk):
            chunk = Parsed(*file_reader.parse(name, chunk))
        if plan is None:
            bad = BadRows.of(chunk.problems)
            return Done(bad.num, chunk.num_blank, bad=bad)
        converted = Converter(plan, liked_only=self.settings.liked_only).run(chunk.rows, chunk.problems)
        done = Done(num_blank=chunk.num_blank, bad=converted.bad, seen=converted.seen, others=converted.others)
        done.num_rows = len(chunk.rows) + converted.num_unread
        done.disliked, done.kept = converted.disliked, converted.kept
        done.num_images = converted.seen.counts["images"]
        if converted.conversations:
            self._look(converted.conversations, done)
        return done

    def _look(self, rows: list[Conversation], done: Done) -> None:
        import numpy as np

        from finetune.data import quality, store
        from finetune.data.likeness import marks_store

        settings = self.settings
        rows = self._without_personal(rows, done)
        masks = np.zeros(len(rows), np.uint32)
        for number, row in enumerate(rows):
            examined = quality.examine(_as_text(row), settings.languages, settings.off)
            if examined.found:
                masks[number] = done.tally.add_row(row.where, examined.found)
            if examined.language:
                done.languages[examined.language] += 1
        done.masks = masks
        done.marks = marks_store.marks_of(rows)
        done.batch = store.encode(rows, settings.system_prompt)

    def _without_personal(self, rows: list[Conversation], done: Done) -> list[Conversation]:
        """The rows, redacted where the recipe says so; what was found is counted."""
        if self.settings.privacy == "off":
            return rows
        from finetune.data import privacy

        if self.scanner is None:
            self.scanner = privacy.Scanner(self.settings.languages)
        made = []
        for row in rows:
            if self.settings.privacy == "redact":
                row, found = privacy.redact(row, self.scanner)
            else:
                found = Counter(one.kind for _, one in privacy.scan_conversation(row, self.scanner))
            done.privacy.add_row(row.where, found)
            made.append(row)
        return made
