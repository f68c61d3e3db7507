"""Conversations rendered chunk by chunk, in one process or several: the same tokens in the same order."""

from __future__ import annotations

import contextlib
import json
import multiprocessing
import os
from collections import deque
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from dataclasses import dataclass, field
from typing import Any

from finetune.data import Conversation
from finetune.errors import Problem, SurroundingsError
from finetune.render import Renderer
from finetune.render.fast import FastRenderer
from finetune.render.rows import Tokens

CHUNK_ROWS = 1_000
# Fewer rows are done before the processes for them have started.
_MIN_ROWS_FOR_PROCESSES = 20_000
_MAX_PROCESSES = 8


@dataclass(frozen=True)
class Rules:
    """What becomes of rows that are too long, and whether the tokens are wanted.

    Attributes:
        max_length: tokens of the longest row that is kept.
        overlong: "drop", "error" or "trim_history".
        keep: hand the tokens on; otherwise only the counts.
    """

    max_length: int
    overlong: str
    keep: bool = True


@dataclass
class Chunk:
    """Some rows rendered; rows are named by their place within the chunk.

    Attributes:
        tokens: of the rows in `kept`, trimmed as the rules say; None where they are not wanted.
        kept: rows that fit.
        overlong: rows that do not fit -> their tokens.
        has_history: whether any of `overlong` could be made shorter by its oldest exchanges.
        trimmed: rows that lost their oldest exchanges.
        problems: rows that the template refuses -> why.
        parts: (rendered rows, 4) int32, see render.rows.Tokens: every row that the template takes, as it is written,
            before anything is trimmed or left out.
        num_control_texts: control tokens found in texts.
        num_thoughts: answers that lost their thoughts, because base.thinking is off.
    """

    tokens: Tokens | None = None
    kept: list[int] = field(default_factory=list)
    overlong: dict[int, int] = field(default_factory=dict)
    has_history: bool = False
    trimmed: list[int] = field(default_factory=list)
    problems: dict[int, str] = field(default_factory=dict)
    parts: Any = None
    num_control_texts: int = 0
    num_thoughts: int = 0


def messages_of(conversation: Conversation) -> tuple[list[dict[str, Any]], list[Any]]:
    """Turns and tools of a conversation, as chat templates take them."""
    tools = json.loads(conversation.tools) if conversation.tools else []
    return [message.as_dict() for message in conversation.messages], tools


def shortened(messages: Sequence[Mapping[str, Any]]) -> Iterator[list[Mapping[str, Any]]]:
    """The conversation without its oldest exchange, without its two oldest, and so on; the last one always stays.

    An exchange is the user's turn and all that follows it up to the user's next one: calls of tools and their answers
    go with the question that they were made for. The system turn stays.
    """
    head = [message for message in messages[:1] if message["role"] == "system"]
    turns = messages[len(head) :]
    for start in [index for index, message in enumerate(turns) if message["role"] == "user"][1:]:
        yield [*head, *turns[start:]]


def render_chunk(fast: FastRenderer, conversations: Sequence[Conversation], rules: Rules) -> Chunk:
    """Render some conversations and deal with those that are too long."""
    rows = [messages_of(conversation) for conversation in conversations]
    num_thoughts_before = fast.num_thoughts
    tokens, errors, num_control_texts = fast.render(rows)
    chunk = Chunk(problems={place: str(error) for place, error in errors.items()})
    chunk.num_thoughts = fast.num_thoughts - num_thoughts_before
    chunk.num_control_texts, chunk.parts = num_control_texts, tokens.parts
    places = [place for place in range(len(rows)) if place not in errors]
    too_long = {place: number for number, place in enumerate(places) if int(tokens.sizes[number]) > rules.max_length}
    trimmed = _trimmed(fast, rows, list(too_long), rules.max_length) if rules.overlong == "trim_history" else {}
    chunk.trimmed = list(trimmed)
    chunk.overlong = {place: int(tokens.sizes[n]) for place, n in too_long.items() if place not in trimmed}
    if rules.overlong != "trim_history":
        chunk.has_history = any(next(shortened(rows[place][0]), None) is not None for place in chunk.overlong)
    chunk.kept = [place for place in places if place not in chunk.overlong]
    if rules.keep:
        fitting = [number for number, place in enumerate(places) if place not in too_long]
        untouched = [place for place in places if place not in too_long]
        chunk.tokens = _merged(tokens.take(fitting), untouched, trimmed)
    return chunk


def _trimmed(
    fast: FastRenderer, rows: Sequence[tuple[list[dict[str, Any]], list[Any]]], places: list[int], max_length: int
) -> dict[int, Tokens]:
    """The rows that fit without their oldest exchanges, as few of them left out as it takes."""
    ways = {place: shortened(rows[place][0]) for place in places}
    found: dict[int, Tokens] = {}
    while ways:
        tries = {place: shorter for place, way in ways.items() if (shorter := next(way, None)) is not None}
        ways = {place: ways[place] for place in tries}
        tokens, errors, _ = fast.render([(messages, rows[place][1]) for place, messages in tries.items()])
        done = [place for number, place in enumerate(tries) if number not in errors]
        for number, place in enumerate(done):
            if int(tokens.sizes[number]) <= max_length:
                found[place] = tokens.take([number])
                del ways[place]
    return dict(sorted(found.items()))


def _merged(tokens: Tokens, places: list[int], others: dict[int, Tokens]) -> Tokens:
    """Both in the order of their places."""
    if not others:
        return tokens
    import numpy as np

    rows = {place: tokens.take([number]) for number, place in enumerate(places)} | others
    ordered = [rows[place] for place in sorted(rows)]
    names = ("ids", "sizes", "spans", "num_spans", "parts")
    return Tokens(*(np.concatenate([getattr(row, name) for row in ordered]) for name in names))


# -- several processes ---------------------------------------------------------------------------------------------

_worker: tuple[FastRenderer, Rules] | None = None


def _start(tokenizer: Any, options: dict[str, Any], images: Any, rules: Rules) -> None:
    global _worker
    # One thread a process: the processes themselves fill the machine.
    os.environ["TOKENIZERS_PARALLELISM"] = "false"
    _worker = FastRenderer(Renderer(tokenizer, options, images)), rules


def _work(conversations: Sequence[Conversation]) -> Chunk:
    assert _worker is not None
    return render_chunk(_worker[0], conversations, _worker[1])


def rendered_chunks(
    renderer: Renderer, conversations: Sequence[Conversation], rules: Rules, num_processes: int | None = None
) -> Iterator[tuple[int, Chunk]]:
    """Place of each chunk's first row, and the chunk; in order, whatever the number of processes.

    Raises:
        SurroundingsError: a process was ended from outside.
    """
    num = _num_processes(len(conversations), num_processes)
    starts = range(0, len(conversations), CHUNK_ROWS)
    if num == 1:
        fast = FastRenderer(renderer)
        for start in starts:
            yield start, render_chunk(fast, conversations[start : start + CHUNK_ROWS], rules)
        return
    methods = multiprocessing.get_all_start_methods()
    context = multiprocessing.get_context("forkserver" if "forkserver" in methods else "spawn")
    pool = ProcessPoolExecutor(num, context, _start, (renderer.tokenizer, renderer.options, renderer.images, rules))
    waiting: deque[tuple[int, Any]] = deque()
    try:
        for start in starts:
            waiting.append((start, pool.submit(_work, list(conversations[start : start + CHUNK_ROWS]))))
            if len(waiting) > 2 * num:  # no more than so many chunks are in memory
                first, future = waiting.popleft()
                yield first, future.result()
        while waiting:
            first, future = waiting.popleft()
            yield first, future.result()
    except BrokenProcessPool as error:
        what = "a process that renders rows was ended from outside: killed, or out of memory"
        raise SurroundingsError(Problem("", "", what, fix="free memory, or use fewer processes")) from error
    finally:
        pool.shutdown(wait=False, cancel_futures=True)


def _num_processes(num_rows: int, wanted: int | None) -> int:
    most = -(-num_rows // CHUNK_ROWS)
    if wanted is not None:
        return max(1, min(wanted, most))
    if num_rows < _MIN_ROWS_FOR_PROCESSES:
        return 1
    with contextlib.suppress(AttributeError, OSError):
        return max(1, min(len(os.sched_getaffinity(0)), _MAX_PROCESSES, most))
    return max(1, min(os.cpu_count() or 1, _MAX_PROCESSES, most))


def refusal(where: str, why: str) -> Problem:
    """A row that the template refuses; `why` is a line of an error, which may end in what to do about it."""
    what, _, fix = why.partition(". Fix: ")
    return Problem(where, "", what, fix=fix)


def too_long(where: str, num_tokens: int, max_length: int) -> Problem:
    """A row that is too long, where data.overlong is "error"."""
    what = f"{num_tokens} tokens; data.max_length is {max_length}"
    return Problem(where, "", what, fix="shorten the row, raise data.max_length, or set data.overlong")
