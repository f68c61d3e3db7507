"""The rows of a split as they are trained or measured, and what became of those that are too long."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, overload

from finetune import models
from finetune.data import Conversation
from finetune.errors import DataError, Problem
from finetune.prepare.bases import OpenedBase
from finetune.prepare.chunks import CHUNK_ROWS, Rules, refusal, rendered_chunks, shortened, too_long
from finetune.render import Rendered
from finetune.talk import Talk

# A run stops when more than this share of the training rows is too long to be trained whole.
_MAX_OVERLONG_SHARE = 0.5
# Where the recipe does not say what becomes of them, it stops at far fewer: nobody chose to lose these rows.
_MAX_UNCHOSEN_SHARE, _MAX_UNCHOSEN_ROWS = 0.01, 3
MAX_PLACES = 1_000


class Chosen(Sequence[Conversation]):
    """Some of the conversations, still read only when they are asked for."""

    def __init__(self, conversations: Sequence[Conversation], places: Any):
        self._conversations, self._places = conversations, places

    def __len__(self) -> int:
        return len(self._places)

    @overload
    def __getitem__(self, index: int) -> Conversation: ...
    @overload
    def __getitem__(self, index: slice) -> list[Conversation]: ...
    def __getitem__(self, index: int | slice) -> Conversation | list[Conversation]:
        if isinstance(index, slice):
            return [self._conversations[int(place)] for place in self._places[index]]
        return self._conversations[int(self._places[index])]

    def __iter__(self) -> Iterator[Conversation]:
        """In order, read in runs: many at once are cheaper than one by one."""
        wanted = iter(map(int, self._places))
        place = next(wanted, None)
        for start in range(0, len(self._conversations), CHUNK_ROWS):
            if place is None:
                return
            if place >= start + CHUNK_ROWS:
                continue
            rows = self._conversations[start : start + CHUNK_ROWS]
            while place is not None and place < start + CHUNK_ROWS:
                yield rows[place - start]
                place = next(wanted, None)


@dataclass
class RenderedSplit:
    """Rendered rows of one split, and what became of the rows that are too long.

    Attributes:
        rows: what is trained or measured; made of compactly kept tokens when they are asked for.
        conversations: the conversation behind each of `rows`.
        overlong: places of rows left out because they are longer than the limit.
        overlong_tokens: how long each of `overlong` is.
        has_history: whether data.overlong: trim_history could make any of them shorter.
        num_trimmed: rows that lost their oldest exchanges.
        num_control_texts: control tokens found in texts; they were encoded as plain text.
        num_thoughts: answers that lost their thoughts, because base.thinking is off.
    """

    rows: Sequence[Rendered] = field(default_factory=list)
    conversations: Sequence[Conversation] = field(default_factory=list)
    overlong: list[str] = field(default_factory=list)
    overlong_tokens: list[int] = field(default_factory=list)
    has_history: bool = False
    num_trimmed: int = 0
    num_control_texts: int = 0
    num_thoughts: int = 0

    def pairs(self) -> Sequence[tuple[Any, Any]]:
        """(input_ids, labels) of each row."""
        from finetune.render.rows import Pairs, RenderedRows

        if isinstance(self.rows, RenderedRows):
            return Pairs(self.rows)
        return [(row.input_ids, row.labels) for row in self.rows]

    @property
    def sizes(self) -> Any:
        """(rows,) int64, tokens of each row."""
        import numpy as np

        sizes = getattr(self.rows, "sizes", None)
        return np.array([len(row.input_ids) for row in self.rows] if sizes is None else sizes, np.int64)

    @property
    def longest_tokens(self) -> int:
        """Tokens of the longest row; 0 when there is none."""
        return int(self.sizes.max(initial=0))

    def parts(self) -> dict[str, int] | None:
        """Tokens of all rows by part (see finetune.render.rows.Tokens), None where they were not counted."""
        from finetune.render.rows import PARTS

        parts = getattr(self.rows, "parts", None)
        return None if parts is None else {name: int(n) for name, n in zip(PARTS, parts.sum(axis=0, dtype="int64"))}

    @property
    def num_trained(self) -> int:
        """Tokens of all rows that are trained."""
        parts = self.parts()
        return parts["answer"] if parts is not None else sum(row.num_trained for row in self.rows)

    def summary(self) -> dict[str, Any]:
        """Counts, token lengths and the places of rows left out (the first 1,000), without any text."""
        sizes = sorted(self.sizes.tolist())
        parts = self.parts()
        num_trained = self.num_trained
        return {
            "num_rows": len(sizes),
            "num_tokens": sum(sizes),
            "num_trained_tokens": num_trained,
            "trained_share": round(num_trained / sum(sizes), 4) if sizes else None,
            "parts": parts,
            "shortest_tokens": sizes[0] if sizes else None,
            "median_tokens": sizes[len(sizes) // 2] if sizes else None,
            "p90_tokens": sizes[int(len(sizes) * 0.9)] if sizes else None,
            "p99_tokens": sizes[int(len(sizes) * 0.99)] if sizes else None,
            "longest_tokens": sizes[-1] if sizes else None,
            "keeps_99_tokens": keeps([*sizes, *self.overlong_tokens], _MAX_UNCHOSEN_SHARE),
            "num_overlong_left_out": len(self.overlong),
            "overlong_places": self.overlong[:MAX_PLACES],
            "num_trimmed": self.num_trimmed,
            "num_control_texts": self.num_control_texts,
            "num_thoughts_left_out": self.num_thoughts,
            "length_histogram": histogram(sizes),
        }


def histogram(sizes: Sequence[int], num_bins: int = 20) -> dict[str, list[int]]:
    """Counts in equal bins of ascending sizes; edges has one entry more than counts."""
    import numpy as np

    if not len(sizes):
        return {"edges": [], "counts": []}
    width = max(1, -(-(int(sizes[-1]) + 1) // num_bins))
    counts = np.bincount(np.asarray(sizes) // width).tolist()
    return {"edges": [width * k for k in range(len(counts) + 1)], "counts": counts}


def keeps(sizes: Sequence[int], lost_share: float) -> int | None:
    """The length that leaves out at most that share of the rows; None when there is no row."""
    ordered = sorted(sizes)
    return int(ordered[len(ordered) - 1 - int(lost_share * len(ordered))]) if ordered else None


def render_row(
    base: OpenedBase, messages: Sequence[Mapping[str, Any]], overlong: str, tools: Sequence[Mapping[str, Any]] = ()
) -> tuple[Rendered, bool]:
    """One row as data.overlong has it, and whether its oldest exchanges were left out.

    A row that is still longer than base.max_length is not trained.

    Raises:
        ModelError: the chat template refuses it.
    """
    rendered = base.renderer.render(messages, tools)
    if len(rendered.input_ids) > base.max_length and overlong == "trim_history":
        for shorter in shortened(messages):
            trimmed = base.renderer.render(shorter, tools)
            if len(trimmed.input_ids) <= base.max_length:
                return trimmed, True
    return rendered, False


def render_split(
    base: OpenedBase,
    conversations: Sequence[Conversation],
    overlong: str,
    on_done: Callable[[int, int], None] | None = None,
    *,
    num_processes: int | None = None,
    talk: Talk | None = None,
    name: str = "rendering",
) -> RenderedSplit:
    """Render conversations and deal with those longer than the limit, as data.overlong says.

    Args:
        base: from `open_base`.
        conversations: read in runs, each once; may be far larger than memory.
        overlong: "drop", "error" or "trim_history".
        on_done: told how many are done, and of how many, after each run.
        num_processes: the result does not depend on it; None: one, and for many rows as many as help.
        talk: is told how far it is.
        name: what the progress is called.

    Raises:
        DataError: rows that the chat template refuses, or, with overlong "error", rows that are too long.
    """
    import numpy as np

    from finetune.render.rows import RowsBuilder

    split, builder = RenderedSplit(), RowsBuilder()
    problems: list[str | Problem] = []
    kept = []
    for start, chunk in rendered_chunks(base.renderer, conversations, Rules(base.max_length, overlong), num_processes):
        builder.add(chunk.tokens)  # type: ignore[arg-type]  (kept, as the rules say)
        kept.append(np.array(chunk.kept, np.int64) + start)
        split.num_trimmed += len(chunk.trimmed)
        split.has_history |= chunk.has_history
        split.num_control_texts += chunk.num_control_texts
        split.num_thoughts += chunk.num_thoughts
        for place in sorted([*chunk.problems, *chunk.overlong]):
            where = conversations[start + place].where
            if place in chunk.problems:
                problems.append(refusal(where, chunk.problems[place]))
                continue
            split.overlong.append(where)
            split.overlong_tokens.append(chunk.overlong[place])
            if overlong == "error":
                problems.append(too_long(where, chunk.overlong[place], base.max_length))
        done = min(start + CHUNK_ROWS, len(conversations))
        if talk is not None:
            talk.progress(name, done, len(conversations))
        if on_done is not None:
            on_done(done, len(conversations))
    if problems:
        raise DataError(problems)
    split.rows = builder.rows(base.renderer.how)
    places = np.concatenate([np.zeros(0, np.int64), *kept])
    split.conversations = conversations if len(places) == len(conversations) else Chosen(conversations, places)
    return split


def check_rendered(train: RenderedSplit, held_out: RenderedSplit, base: OpenedBase) -> list[str]:
    """Plain lines on what was left out; nothing that leaves too little behind gets past here.

    Raises:
        DataError: no training row, no held-out row, most rows too long, or more than 1 % (and more than 3) of them
            where the recipe does not set data.overlong.
    """
    notes = []
    total = len(train.rows) + len(train.overlong)
    sizes = train.sizes.tolist() + train.overlong_tokens
    if problem := overlong_problem(total, train.overlong, sizes, base, has_history=train.has_history):
        raise DataError(problem)
    if not held_out.rows:
        what = "no held-out row is left to measure on"
        raise DataError(Problem("", "data.held_out", what, fix="hold out more rows, or raise data.max_length"))
    if untrained := [name for name, split in (("training", train), ("held-out", held_out)) if not split.num_trained]:
        what = f"no token of the {' and '.join(untrained)} rows is trained: nothing of their answers is left to learn"
        raise DataError(Problem("", "data", what, fix="look at `finetune preview`, and at base.chat_template"))
    for name, split in (("training", train), ("held-out", held_out)):
        if split.overlong:
            places = _first_places(split.overlong)
            notes.append(f"{len(split.overlong)} {name} rows left out, longer than {base.max_length} tokens: {places}")
        if split.num_trimmed:
            notes.append(f"{split.num_trimmed} {name} rows lost their oldest exchanges to fit {base.max_length} tokens")
        if split.num_control_texts:
            notes.append(f"{split.num_control_texts} control tokens in {name} texts were encoded as plain text")
        if split.num_thoughts:
            notes.append(f"thoughts of {split.num_thoughts} {name} answers were left out, as base.thinking: off says")
    return notes


def overlong_problem(
    total: int, overlong: Sequence[str], sizes: Sequence[int], base: OpenedBase, *, has_history: bool = False
) -> Problem | None:
    """Why a run does not go on with so many training rows too long; None when it does.

    Args:
        total: training rows.
        overlong: places of those that would be left out.
        sizes: tokens of all of them.
        base: with the limit.
        has_history: whether data.overlong: trim_history could make any of them shorter.
    """
    enough = keeps(sizes, _MAX_UNCHOSEN_SHARE)
    if enough is not None and len(overlong) > _MAX_OVERLONG_SHARE * total:
        number = f"all {total}" if total == len(overlong) else f"{len(overlong)} of {total}"
        what = f"{number} training rows are longer than allowed: {_first_places(overlong)}; "
        what += f"{enough} tokens would keep 99 % of the rows"
        ways = ["set data.overlong: trim_history (oldest exchanges are left off)"] if has_history else []
        return Problem("", "data.max_length", what, f"{base.max_length}", ", or ".join([_longer(enough, base), *ways]))
    if not base.overlong_chosen and too_many_unchosen(len(overlong), total):
        return _unchosen(overlong, sizes, base)
    return None


def too_many_unchosen(num_overlong: int, num_rows: int) -> bool:
    """Whether a run stops at so many training rows that are too long, where the recipe does not set data.overlong."""
    return num_overlong > max(_MAX_UNCHOSEN_ROWS, _MAX_UNCHOSEN_SHARE * num_rows)


def _first_places(places: Sequence[str]) -> str:
    return ", ".join(places[:3]) + (", ..." if len(places) > 3 else "")


def _unchosen(overlong: Sequence[str], sizes: Sequence[int], base: OpenedBase) -> Problem:
    """What is said when rows would be left out in number, and nobody has chosen that."""
    enough = keeps(sizes, _MAX_UNCHOSEN_SHARE)
    assert enough is not None
    what = (
        f"{len(overlong)} of {len(sizes)} training rows are longer than allowed: {_first_places(overlong)}; "
        f"{enough} tokens would keep 99 % of the rows"
    )
    fix = f"{_longer(enough, base)}, or say that they may be left out with data.overlong: drop"
    return Problem("", "data.max_length", what, f"{base.max_length}", fix)


def _longer(enough_tokens: int, base: OpenedBase) -> str:
    """What makes the rows fit: a higher limit, as far as the base can look."""
    context = models.context_tokens(base.config)
    if context is not None and enough_tokens > context:
        return f"shorten the rows (this base can look at {context} tokens only)"
    return f"set data.max_length: {enough_tokens}"
