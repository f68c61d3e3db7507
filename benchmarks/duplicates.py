"""Duplicates, leakage and split of made rows: CPU seconds, peak memory, and how many planted copies are found.

Run: python -m benchmarks.duplicates [NUM_ROWS ...]           the kit's own way, one process a size
     python -m benchmarks.duplicates --libraries NUM_ROWS     MinHash and index of rensa and of datasketch beside

Rows are made by their number, with words drawn as Zipf says; of a hundred rows ten come from one form letter, two
repeat an earlier row in other case and punctuation, and two repeat one with a word changed in question and answer.
Nothing is held but what the kit holds: the rows are made again when they are read again.
"""

from __future__ import annotations

import platform
import random
import resource
import subprocess
import sys
import time
from collections.abc import Sequence
from datetime import datetime, timezone

import numpy as np

from finetune.data.shapes import Conversation, Message

SIZES = (100_000, 300_000, 1_000_000)
CHUNK = 2_000
NUM_WORDS = 50_000
FORM = (
    "What are the signs and symptoms of {}?",
    "The signs and symptoms of {} may include {}. If you notice any of them, please make an appointment at our office "
    "and bring your insurance card and a list of all medicines that you take.",
)


class MadeRows(Sequence[Conversation]):
    """Rows made by number; `kind(number)` tells which are planted copies, and of what."""

    def __init__(self, num_rows: int) -> None:
        self.num_rows = num_rows

    def __len__(self) -> int:
        return self.num_rows

    def kind(self, number: int) -> str:
        """own, form, case or word."""
        place = number % 100
        return "form" if place < 10 else "case" if 10 <= place < 12 and number > 99 else (
            "word" if 12 <= place < 14 and number > 99 else "own")  # fmt: skip

    def source(self, number: int) -> int:
        """The earlier row that a planted copy repeats: one that is no copy itself."""
        hundred = random.Random(-number).randrange(number // 100)
        return hundred * 100 + 20 + number % 70

    def __getitem__(self, number: int) -> Conversation:  # type: ignore[override]
        kind = self.kind(number)
        if kind in ("case", "word"):
            question, answer = self._texts(self.source(number))
            if kind == "case":
                question, answer = question.upper().replace("?", " !"), answer.replace(".", " ;").upper()
            else:
                question, answer = changed(question, number), changed(answer, number + 1)
        else:
            question, answer = self._texts(number)
        return Conversation((Message("user", question), Message("assistant", answer)), f"made:{number + 1}")

    def _texts(self, number: int) -> tuple[str, str]:
        draw = random.Random(number)
        if self.kind(number) == "form":
            subject = words(draw, 2)
            return FORM[0].format(subject), FORM[1].format(subject, words(draw, 6))
        return words(draw, draw.randint(6, 16)) + "?", words(draw, draw.randint(20, 80)) + "."


def words(draw: random.Random, number: int) -> str:
    """Words by rank, about as often as Zipf says."""
    return " ".join(f"w{int(NUM_WORDS ** draw.random())}" for _ in range(number))


def changed(text: str, seed: int) -> str:
    """The text with another word in one place."""
    parts = text.split(" ")
    parts[random.Random(seed).randrange(len(parts))] = f"changed{seed}"
    return " ".join(parts)


def peak_gib() -> float:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20


def measure(num_rows: int) -> None:
    """One size, in this process: prints one line."""
    from finetune.data.likeness.comparing import find_near
    from finetune.data.likeness.duplicates import marks, without_duplicates
    from finetune.data.likeness.leakage import leaks
    from finetune.data.likeness.marks_store import MarksStore
    from finetune.data.splitting import split_by_share

    rows = MadeRows(num_rows)
    kept, marking = MarksStore(), 0.0
    for start in range(0, num_rows, CHUNK):
        chunk = [rows[number] for number in range(start, min(start + CHUNK, num_rows))]
        begun = time.process_time()
        kept.append(marks(chunk))
        marking += time.process_time() - begun
    joined = kept.joined()
    times = {"marks": marking}
    begun = time.process_time()
    without_duplicates(joined)
    near = find_near(joined, rows)
    times["near"] = time.process_time() - begun
    begun = time.process_time()
    split = split_by_share(joined, rows, 0.01, 0, near=near)
    times["split"] = time.process_time() - begun
    assert split is not None
    train, held = split.train, split.held_out
    # a held-out file: the last hundredth against all before it
    border = num_rows - num_rows // 100
    begun = time.process_time()
    found = leaks(
        joined.take(np.arange(border)), joined.take(np.arange(border, num_rows)), Part(rows, 0), Part(rows, border)
    )
    times["leaks"] = time.process_time() - begun
    line = "  ".join(f"{name} {seconds:7.1f} s" for name, seconds in times.items())
    line += f"  peak {peak_gib():.2f} GiB"
    for kind in ("case", "word"):
        copies = [number for number in range(num_rows) if rows.kind(number) == kind]
        together = sum(
            near.row[number] == near.row[rows.source(number)] or near.answer[number] == near.answer[rows.source(number)]
            for number in copies
        )
        late = [number for number in copies if number >= border and rows.source(number) < border]
        leaking = len(set(late) & set((found.numbers() + border).tolist()))
        line += f"  {kind} copies {together:,}/{len(copies):,}, leaking {leaking:,}/{len(late):,}"
    forms = sum(near.row[number] != number for number in range(num_rows) if rows.kind(number) == "form")
    side = np.zeros(num_rows, dtype=bool)
    side[held] = True
    straddling = int((side[near.row] != side).sum())
    print(
        f"{num_rows:>9,} rows  {line}  form letters held near {forms:,}  crowded {near.num_crowded:,}"
        f"  near rows apart after the split {straddling}  ({len(train):,} + {len(held):,})",
        flush=True,
    )


class Part(Sequence[Conversation]):
    """The rows from a number on."""

    def __init__(self, rows: MadeRows, start: int) -> None:
        self.rows, self.start = rows, start

    def __len__(self) -> int:
        return len(self.rows) - self.start

    def __getitem__(self, number: int) -> Conversation:  # type: ignore[override]
        return self.rows[self.start + number]


def measure_library(name: str, num_rows: int) -> None:
    """Signatures of 64 values and the library's own index of 16 bands, queried by the planted copies."""
    from itertools import chain

    from finetune.data.likeness.duplicates import strong_parts
    from finetune.data.likeness.near import shingles, units_of_text

    rows = MadeRows(num_rows)
    signing = indexing = querying = 0.0
    num_found = num_copies = 0
    if name == "rensa":
        from rensa import RMinHash, RMinHashLSH

        index = RMinHashLSH(0.5, 64, 16)
    else:
        from datasketch import MinHash, MinHashLSH

        index = MinHashLSH(num_perm=64, params=(16, 4))
    for start in range(0, num_rows, CHUNK):
        numbers = range(start, min(start + CHUNK, num_rows))
        texts = []
        for number in numbers:
            turns, answer = strong_parts(rows[number])
            texts.append(list(chain.from_iterable(shingles(units_of_text(part)) for part in (*turns, answer))))
        begun = time.process_time()
        if name == "rensa":
            made = RMinHash.from_token_sets(texts, 64, 42)
        else:
            made = MinHash.bulk([[one.encode() for one in text] for text in texts], num_perm=64)
        signing += time.process_time() - begun
        for number, signature in zip(numbers, made):
            if rows.kind(number) == "word":
                begun = time.process_time()
                num_found += rows.source(number) in index.query(signature)
                querying += time.process_time() - begun
                num_copies += 1
            begun = time.process_time()
            index.insert(number, signature)
            indexing += time.process_time() - begun
    print(
        f"{name:<11}{num_rows:>9,} rows  signatures {signing:7.1f} s  index {indexing:6.1f} s  "
        f"{num_copies:,} queries {querying:6.1f} s  peak {peak_gib():.2f} GiB  "
        f"copies with a word changed in both parts, candidates {num_found:,}/{num_copies:,}",
        flush=True,
    )


def main() -> None:
    arguments = sys.argv[1:]
    if arguments[:1] == ["--one"]:
        return measure(int(arguments[1]))
    if arguments[:1] == ["--library"]:
        return measure_library(arguments[1], int(arguments[2]))
    print(f"{datetime.now(timezone.utc):%Y-%m-%d}, {platform.machine()}, Python {platform.python_version()}")
    if arguments[:1] == ["--libraries"]:
        calls = [["--library", name, size] for size in arguments[1:] for name in ("rensa", "datasketch")]
    else:
        calls = [["--one", size] for size in arguments or map(str, SIZES)]
    for call in calls:
        subprocess.run([sys.executable, "-m", "benchmarks.duplicates", *call], check=True)
    return None


if __name__ == "__main__":
    main()
