"""Rows that say the same as another row: exactly, nearly, in the question or in the answer alone.

A worker turns its rows into `Marks` (`marks`): hashes and MinHash signatures, no text. The marks of all rows, joined
in order, are enough to find equal rows and candidates of near ones; the text of a candidate pair is read again
and compared before anything is claimed (`find_near`). See docs/duplicates.md for what counts as near and why.
"""

from __future__ import annotations

import hashlib
import unicodedata
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, fields
from itertools import chain
from typing import TYPE_CHECKING, Any

import numpy as np

from finetune.data.likeness.near import length_of, shingles, signatures, strong, units_of_text, wording
from finetune.data.shapes import Conversation, Message

if TYPE_CHECKING:
    from finetune.data.likeness.comparing import Near

MAX_PLACES = 100


@dataclass(frozen=True)
class Marks:
    """What is kept of each row to compare it with others: 616 bytes a row, and no text.

    All arrays are (rows, ...) in the order of the rows. Keys are hashes; equal texts have equal keys.

    Attributes:
        row: (rows, 32) uint8. The row as `row_key` says: NFC and white space only.
        pair, question, answer: (rows, 16) uint8. Normalised strongly: case, punctuation, width, white space and
            invisible characters do not count. The question is all turns before the last one, without the system's.
        wording: (rows, 16) uint8. The question without its small words ("the", "please").
        question_signature, answer_signature: (rows, NUM_HASHES) uint32. MinHash of the shingles.
        question_length, answer_length: (rows,) uint32. In words; two Chinese characters count as one.
    """

    row: np.ndarray
    pair: np.ndarray
    question: np.ndarray
    answer: np.ndarray
    wording: np.ndarray
    question_signature: np.ndarray
    answer_signature: np.ndarray
    question_length: np.ndarray
    answer_length: np.ndarray

    def __len__(self) -> int:
        return len(self.row)

    def take(self, numbers: np.ndarray) -> Marks:
        """The marks of the rows with these numbers (or a boolean mask), in that order; of neighbours, not copied."""
        numbers = np.flatnonzero(numbers) if numbers.dtype == bool else numbers
        chosen: Any = numbers
        if len(numbers) and (np.diff(numbers) == 1).all():
            chosen = slice(int(numbers[0]), int(numbers[-1]) + 1)
        return Marks(**{one.name: getattr(self, one.name)[chosen] for one in fields(self)})

    @staticmethod
    def join(parts: Sequence[Marks]) -> Marks:
        """The marks of all rows, from those of the chunks in order. `parts` may be empty."""
        if len(parts) == 1:
            return parts[0]
        parts = parts or [marks([])]
        return Marks(**{one.name: np.concatenate([getattr(part, one.name) for part in parts]) for one in fields(Marks)})


def same(text: str) -> str:
    """A text as far as exact duplicates go: NFC, runs of white space as one space."""
    return " ".join((text if text.isascii() else unicodedata.normalize("NFC", text)).split())


def said(message: Message) -> str:
    """All that a turn says: its text, the calls of tools, and the hashes of its images."""
    if not message.tool_calls and not message.images:
        return message.content
    calls = (f"{call.name} {call.arguments}" for call in message.tool_calls)
    return "\n".join([message.content, *calls, *(image.sha256 for image in message.images)])


def shown(conversation: Conversation) -> str:
    """Equal for rows that show the same images in the same order; empty for rows without any."""
    return " ".join(image.sha256 for message in conversation.messages for image in message.images)


def row_key(conversation: Conversation) -> str:
    """sha256 (hex) of the normalised questions and answers; equal for rows that say exactly the same.

    The system turn does not enter it: the same answer under another system prompt is still seen in training.
    """
    return _row_digest(conversation).hex()


def _row_digest(conversation: Conversation) -> bytes:
    digest = hashlib.sha256()
    for message in conversation.messages:
        if message.role != "system":
            _add(digest, message.role, same(said(message)))
    for message in conversation.rejected:
        _add(digest, f"rejected {message.role}", same(said(message)))
    if conversation.rating is not None:
        _add(digest, "rating", str(conversation.rating))
    return digest.digest()


def _add(digest: Any, role: str, text: str) -> None:
    encoded = text.encode("utf-8", "surrogatepass")
    digest.update(f"{role} {len(encoded)} ".encode("ascii", "replace"))
    digest.update(encoded)


def strong_parts(conversation: Conversation) -> tuple[list[str], str]:
    """(the texts of the turns before the last one, the last one's), each normalised strongly; no system turn."""
    turns, answer = said_parts(conversation)
    return list(map(strong_or_same, turns)), strong_or_same(answer)


def said_parts(conversation: Conversation) -> tuple[list[str], str]:
    """(the texts of the turns before the last one, the last one's) as they are; no system turn."""
    turns = [said(message) for message in conversation.messages if message.role != "system"]
    return turns[:-1], turns[-1]


def strong_or_same(text: str) -> str:
    """Normalised strongly, but for a text of signs alone: "?" and "+1" must not all be the empty text."""
    return strong(text) or same(text)


def _key(texts: Iterable[str]) -> bytes:
    """16 bytes; spaces do not count, as writers of Chinese put them freely, and so do those of "e-mail"."""
    digest = hashlib.blake2b(digest_size=16)
    for text in texts:
        _add(digest, "", text.replace(" ", ""))
    return digest.digest()


def marks(conversations: Sequence[Conversation]) -> Marks:
    """The marks of some rows. Pure, in the order given; to be called in a worker on each chunk.

    The marks of a row depend on that row only, so that chunks and the number of processes change nothing.
    """
    keys = bytearray()
    lengths: list[tuple[int, int]] = []
    question_shingles, answer_shingles = [], []
    for conversation in conversations:
        turns, answer = strong_parts(conversation)
        units, answer_units = [units_of_text(turn) for turn in turns], units_of_text(answer)
        # a row without a question has its own
        question_key, answer_key = _key(turns or ["", answer]), _key([answer])
        bare = [wording(turn) for turn in units]
        keys += _row_digest(conversation) + hashlib.blake2b(question_key + answer_key, digest_size=16).digest()
        keys += question_key + answer_key
        keys += _key(["wording", *bare]) if bare and all(bare) else question_key
        lengths.append((sum(map(length_of, units)), length_of(answer_units)))
        # the same words about another image are another question, and no candidate for a near one
        about = shown(conversation)
        asked = list(chain.from_iterable(map(shingles, units)))
        question_shingles.append([f"{about} {one}" for one in asked] if about else asked)
        answer_shingles.append(shingles(answer_units))
    table = np.frombuffer(bytes(keys), dtype=np.uint8).reshape(len(conversations), 96)
    counts = np.array(lengths, dtype=np.uint32).reshape(len(conversations), 2)
    columns = {"row": (0, 32), "pair": (32, 48), "question": (48, 64), "answer": (64, 80), "wording": (80, 96)}
    return Marks(
        **{name: np.ascontiguousarray(table[:, start:end]) for name, (start, end) in columns.items()},
        question_signature=signatures(question_shingles),
        answer_signature=signatures(answer_shingles),
        question_length=counts[:, 0].copy(),
        answer_length=counts[:, 1].copy(),
    )


def numbered(keys: np.ndarray) -> np.ndarray:
    """(rows,) int64: for each row the number of the first row with the same key.

    Args:
        keys: (rows, bytes) uint8, a multiple of 8 bytes.
    """
    words = np.ascontiguousarray(keys).view(np.uint64)
    order = np.argsort(words[:, 0])
    same_start = words[order[1:], 0] == words[order[:-1], 0]
    equal = (words[order[1:]] == words[order[:-1]]).all(axis=1)
    if (same_start & ~equal).any():  # different keys that begin alike, which hashes hardly ever do
        order = np.lexsort(words.T)
        equal = (words[order[1:]] == words[order[:-1]]).all(axis=1)
    starts = np.flatnonzero(np.concatenate([np.ones(min(1, len(order)), dtype=bool), ~equal]))
    first = np.empty(len(order), dtype=np.int64)
    if len(order):
        first[order] = np.repeat(np.minimum.reduceat(order, starts), np.diff(np.append(starts, len(order))))
    return first


def without_duplicates(marks: Marks) -> np.ndarray:
    """(rows,) bool: False for a row that repeats an earlier one exactly (`row_key`); the first of each stays.

    What `data.duplicates: drop` keeps; `marks.take` takes it as it is.
    """
    return numbered(marks.row) == np.arange(len(marks))


def report_of(marks: Marks, near: Near | None, rows: Sequence[Conversation]) -> dict[str, Any]:
    """`DataReport.duplicates` for one set of rows (before anything is dropped): counts and places, never text.

    Args:
        near: of `likeness.find_near`; None: not looked for, and the keys near* and crowded are left out.

    Returns:
        exact: rows that repeat an earlier one; near: rows that nearly do; near_groups: groups of these; crowded:
        `Near.num_crowded`; same_question_other_answer: questions with more than one answer; repeated_answer: answers
        given to more than one question; repeated_answer_rows: rows with one of these;
        places: kind -> the first 100 [place, place of the earlier row].
    """
    exact = numbered(marks.row)
    numbers = np.arange(len(marks))
    repeats = {"exact": exact}
    # near: of the rows that stay when exact ones are dropped
    found: dict[str, Any] = {"exact": int((exact != numbers).sum())}
    if near is not None:
        later = (near.row != numbers) & (exact == numbers)
        found |= {"near": int(later.sum()), "near_groups": len(np.unique(near.row[later]))}
        found["crowded"] = near.num_crowded
        repeats["near"] = np.where(exact == numbers, near.row, numbers)
    pair, question, answer = numbered(marks.pair), numbered(marks.question), numbered(marks.answer)
    once = pair == numbers  # equal rows are no conflict
    for kind, first in (("same_question_other_answer", question), ("repeated_answer", answer)):
        counts = np.bincount(first[once], minlength=len(marks))
        found[kind] = int((counts > 1).sum())
        repeats[kind] = np.where(once, first, numbers)
    found["repeated_answer_rows"] = int((np.bincount(answer[once], minlength=len(marks))[answer] > 1).sum())
    found["places"] = {kind: _places(first, rows) for kind, first in repeats.items()}
    return found


def _places(first: np.ndarray, rows: Sequence[Conversation]) -> list[list[str]]:
    later = np.flatnonzero(first != np.arange(len(first)))[:MAX_PLACES]
    return [[rows[int(one)].where, rows[int(first[one])].where] for one in later]
