"""Many answers at once: greedy, sorted by length, the common prompt computed once; equal to one answer at a time.

Prompts that begin alike (one system prompt for all) share the keys and values of that beginning. Their rests are padded
on the left, so that all answers grow side by side; an answer that ends leaves the batch. Each row's positions are those
it has alone, and padding is seen by nobody, so in exact arithmetic nothing differs from answering alone. Rounding
does differ: a token that wins by less than rounding can turn is not trusted, and its row is answered alone instead.
"""

from __future__ import annotations

import contextlib
import threading
import weakref
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from finetune import models
from finetune.errors import FinetuneError
from finetune.generation.engine import Answer, Engine

Messages = Sequence[Mapping[str, Any]]
# Keys and values of one batch may take so much; on a modest machine the model itself takes more.
_CACHE_BYTES = 1 << 30
_MOST_BATCH_TOKENS = 16_384  # also bounds what the first pass over the prompts needs besides
# A system prompt of fewer conversations is not worth a batch of its own.
_LEAST_OF_A_KIND = 8
# Of the check: logits of a batch and of a row alone may lie apart by so much of the largest; in 16 bit each layer
# rounds by the order of its sums.
_APART, _APART_16_BIT = 1e-5, 3e-2
# A token that wins by less than this share of the largest logit may lose where sums are ordered otherwise.
_CLOSE = 2 * _APART
_CHECK_PREFIX, _CHECK_LONG, _CHECK_SHORT, _CHECK_STEPS = 8, 14, 5, 3


@dataclass(frozen=True)
class BatchPlan:
    """How many questions are answered.

    Attributes:
        way: "batches" or "one by one".
        reason: why, in one line.
        token_bytes: of the keys and values of one token; 0 where rows are answered one by one.
        is_guarded: whether close calls are answered again alone, so that answers are those of one by one.
        longest_tokens: longer rows, prompt and answer together, are answered one by one; None where all are batched.
    """

    way: str
    reason: str
    token_bytes: int = 0
    is_guarded: bool = False
    longest_tokens: int | None = None

    @property
    def batch_tokens(self) -> int:
        """Tokens of prompts and answers that one batch holds at most, unless one row alone is longer."""
        return max(1, min(_MOST_BATCH_TOKENS, _CACHE_BYTES // max(1, self.token_bytes)))

    def as_dict(self) -> dict[str, Any]:
        """What a record of the evaluation holds of it."""
        return {"way": self.way, "reason": self.reason}


_plans: weakref.WeakKeyDictionary[Any, BatchPlan] = weakref.WeakKeyDictionary()


def batch_plan(engine: Engine) -> BatchPlan:
    """Whether an engine answers in batches, and why; found once for each loaded model.

    A model has to pass a check: three steps of two short rows in a batch, behind a shared beginning, must give the
    logits that each row gives alone.
    """
    if engine.model not in _plans:
        with engine._lock:
            _plans[engine.model] = _find_plan(engine)
    return _plans[engine.model]


def answer_many(
    engine: Engine,
    conversations: Sequence[Messages],
    *,
    adapter: bool,
    max_new_tokens: int,
    on_answer: Callable[[int, Answer], None] | None = None,
    batch_tokens: int | None = None,
    stop: threading.Event | None = None,
) -> list[Answer]:
    """The likeliest answer to each conversation, as `engine.answer` gives them one by one.

    Where the model cannot be batched exactly (`batch_plan` says why), and for conversations with images, the answers
    are made one by one. In float32 the answers are equal to those; in 16 bit a near tie may fall otherwise.

    Args:
        engine: with its model loaded. It answers nobody else meanwhile.
        conversations: turns so far of each, the user's last; the engine's system prompt is put in front as ever.
        adapter: False answers with the bare base.
        max_new_tokens: the longest answer in tokens, never more than half of the context.
        on_answer: told the number of a conversation and its answer as soon as it is whole; not in order.
        batch_tokens: tokens of prompts and answers in one batch; None chooses by memory (`BatchPlan.batch_tokens`).
        stop: set it to end within one token. What is not whole then is returned as far as it is written, not told.

    Returns:
        One answer for each conversation, in their order.

    Raises:
        ModelError: a question leaves no room for an answer.
    """
    limit = min(max_new_tokens, engine.context_tokens // 2)
    plan = batch_plan(engine)
    answers = [Answer("", 0, False)] * len(conversations)

    def say(number: int, answer: Answer) -> None:
        answers[number] = answer
        if on_answer is not None and not (stop is not None and stop.is_set()):
            on_answer(number, answer)

    prompts = _prompts(engine, conversations, limit, plan)
    alone = [number for number in range(len(conversations)) if number not in prompts]
    room = batch_tokens or plan.batch_tokens
    for numbers in _kinds(engine, conversations, list(prompts)):
        prefix = _common(prompts[number] for number in numbers)
        batches = _batches({number: len(prompts[number]) for number in numbers}, limit, room)
        with _computing(engine, adapter) as forward:
            shared = None
            for batch in batches:
                shared = shared or forward.first(prompts[numbers[0]][:prefix])
                writing = _Writing(engine, forward, {n: prompts[n] for n in batch}, prefix, limit)
                alone += writing.write(shared, say, plan.is_guarded, stop)
                if stop is not None and stop.is_set():
                    return answers
    for number in sorted(alone):
        if stop is not None and stop.is_set():
            break
        options: dict[str, Any] = {"adapter": adapter, "max_new_tokens": limit, "stop": stop}
        say(number, engine.answer(conversations[number], **options))
    return answers


# -- which rows stand together -----------------------------------------------------------------------------------


def _prompts(engine: Engine, conversations: Sequence[Messages], limit: int, plan: BatchPlan) -> dict[int, list[int]]:
    """Ids of the conversations that can stand in a batch, by their numbers."""
    prompts = {}
    for number, messages in enumerate(conversations):
        if plan.way == "batches" and not any(message.get("images") for message in messages):
            ids = engine.prompt_ids(messages, limit)
            if plan.longest_tokens is None or len(ids) + limit <= plan.longest_tokens:
                prompts[number] = ids
    return prompts


def _kinds(engine: Engine, conversations: Sequence[Messages], numbers: Sequence[int]) -> list[list[int]]:
    """Conversations by their system prompts; those whose prompt few others have are one kind together."""
    kinds: dict[str, list[int]] = {}
    for number in numbers:
        first = next(iter(engine.with_system(conversations[number])), {})
        kinds.setdefault(first["content"] if first.get("role") == "system" else "", []).append(number)
    few = [number for kind in kinds.values() if len(kind) < _LEAST_OF_A_KIND for number in kind]
    return [kind for kind in kinds.values() if len(kind) >= _LEAST_OF_A_KIND] + ([few] if few else [])


def _common(prompts: Iterator[Sequence[int]] | Any) -> int:
    """How many tokens all prompts begin with alike; at least one token of each is left over."""
    prompts = list(prompts)
    low, high = min(prompts), max(prompts)  # what the first and the last in order share, all share
    most = min(len(prompt) for prompt in prompts) - 1
    return next((k for k in range(most) if low[k] != high[k]), most)


def _batches(lengths: Mapping[int, int], limit: int, room_tokens: int) -> list[list[int]]:
    """Rows of similar length together, the longest first: what does not fit shows early, and time left is no hope."""
    batches: list[list[int]] = []
    fits = 0
    for number in sorted(lengths, key=lambda n: (-lengths[n], n)):
        if not batches or len(batches[-1]) >= fits:
            fits = max(1, room_tokens // (lengths[number] + limit))
            batches.append([])
        batches[-1].append(number)
    return batches


# -- the model as it is called -----------------------------------------------------------------------------------


@contextlib.contextmanager
def _computing(engine: Engine, adapter: bool) -> Iterator[_Forward]:
    """The engine's model with its adapter on or off; nobody else asks it meanwhile."""
    import torch

    plain = engine.has_adapter and not adapter
    with engine._lock, torch.inference_mode(), engine.model.disable_adapter() if plain else contextlib.nullcontext():
        yield _Forward(engine)


class _Forward:
    """One pass: ids behind what a cache holds -> logits of the last token of each row."""

    def __init__(self, engine: Engine):
        import inspect

        self.model, self.device = engine.model, engine.device
        base = self.model.get_base_model() if hasattr(self.model, "get_base_model") else self.model
        self.config = base.config
        keeps = "logits_to_keep" in inspect.signature(base.forward).parameters
        self.words: dict[str, Any] = {"logits_to_keep": 1} if keeps else {}

    def __call__(self, ids: Any, mask: Any, positions: Any, cache: Any) -> Any:
        """ids and positions (rows, tokens), mask (rows, tokens of cache and ids) -> (rows, vocabulary) float32."""
        made = self.model(
            input_ids=ids,
            attention_mask=mask,
            position_ids=positions,
            past_key_values=cache,
            use_cache=True,
            **self.words,
        )
        return made.logits[:, -1].float()

    def first(self, ids: Sequence[int]) -> Any:
        """The cache behind a beginning that rows share; an empty one where they share none."""
        import torch
        from transformers import DynamicCache

        cache = DynamicCache(config=self.config)
        if ids:
            row = torch.tensor([list(ids)], device=self.device)
            positions = torch.arange(len(ids), device=self.device)[None]
            self(row, torch.ones_like(row), positions, cache)
        return cache


class _Writing:
    """Answers of one batch, as they grow."""

    def __init__(
        self, engine: Engine, forward: _Forward, prompts: Mapping[int, Sequence[int]], prefix: int, limit: int
    ):
        import torch

        self.engine, self.forward, self.limit = engine, forward, limit
        self.numbers = list(prompts)
        self.prefix = prefix
        rests = [list(prompts[number][prefix:]) for number in self.numbers]
        self.width = max(len(rest) for rest in rests)
        pads = [self.width - len(rest) for rest in rests]
        self.ids = torch.tensor([[0] * pad + rest for pad, rest in zip(pads, rests)], device=forward.device)
        seen = torch.arange(self.width)[None, :] >= torch.tensor(pads)[:, None]  # (rows, tokens)
        beginning = torch.ones(len(rests), prefix, dtype=torch.bool)
        self.mask = torch.cat([beginning, seen], dim=1).long().to(forward.device)
        self.positions = (prefix + seen.long().cumsum(1) - 1).clamp(min=0).to(forward.device)
        self.written: list[list[int]] = [[] for _ in rests]

    def write(
        self, shared: Any, say: Callable[[int, Answer], None], is_guarded: bool, stop: threading.Event | None
    ) -> list[int]:
        """Write until every answer ended; returns the numbers of those that are to be answered alone."""
        from finetune.models.growing import cache_of

        num = len(self.numbers)
        cache = cache_of(shared, num, self.prefix + self.width + self.limit)
        ids, positions = self.ids, self.positions
        stops = set(self.engine.renderer.stop_ids)
        close_calls: list[int] = []
        while True:
            logits = self.forward(ids, self.mask, positions, cache)
            tokens, is_close = _likeliest(logits, is_guarded)
            chosen = tokens.tolist()
            kept = []
            stopped = stop is not None and stop.is_set()
            for row, (token, close) in enumerate(zip(chosen, is_close)):
                written = self.written[row]
                if close:
                    close_calls.append(self.numbers[row])
                    continue
                written.append(token)
                if token in stops or len(written) >= self.limit or stopped:
                    say(self.numbers[row], self._answer(written, token in stops))
                else:
                    kept.append(row)
            if not kept:
                return close_calls
            if len(kept) < len(chosen):
                tokens, positions = tokens[kept], positions[kept]
                self._keep(kept)
                cache.batch_select_indices(_index(kept, tokens))
            ids, positions = tokens[:, None], positions[:, -1:] + 1
            self.mask = _seen_more(self.mask)

    def _keep(self, rows: Sequence[int]) -> None:
        """Let the other rows go."""
        self.mask = self.mask[list(rows)]
        self.numbers = [self.numbers[row] for row in rows]
        self.written = [self.written[row] for row in rows]

    def _answer(self, ids: list[int], ended: bool) -> Answer:
        return Answer(_text_of(self.engine, ids), len(ids), ended)


def _text_of(engine: Engine, ids: list[int]) -> str:
    """The words of an answer, as `engine.stream` puts its pieces together.

    Bytes that make no character can change how those before them are shown. What was said stays said there, so here
    too.
    """
    whole = engine.renderer.words_of(ids)
    if "\ufffd" not in whole:
        return whole.strip()
    said = ""
    for stop in range(1, len(ids) + 1):
        text = engine.renderer.words_of(ids[:stop])
        if not text.endswith("\ufffd") and len(text) > len(said):
            said += text[len(said) :]
    return (said + whole[len(said) :]).strip()


def _index(rows: Sequence[int], like: Any) -> Any:
    import torch

    return torch.tensor(list(rows), device=like.device)


def _seen_more(mask: Any) -> Any:
    """(rows, tokens) -> (rows, tokens + 1): everybody sees the token that was written."""
    import torch

    return torch.cat([mask, mask.new_ones(len(mask), 1)], dim=1)


def _likeliest(logits: Any, is_guarded: bool) -> tuple[Any, list[bool]]:
    """(rows, vocabulary) -> the token of each row (rows,), and whether another one came too close to tell."""
    tokens = logits.argmax(dim=-1)
    if not is_guarded:
        return tokens, [False] * len(tokens)
    first, second = logits.topk(2, dim=-1).values.unbind(dim=-1)  # (rows,)
    largest = logits.abs().amax(dim=-1)
    # Written so that a logit that is no number is a close call too: alone it does what it always did.
    return tokens, (~(first - second > _CLOSE * largest)).tolist()


# -- whether batches are exact -------------------------------------------------------------------------------------


def _find_plan(engine: Engine) -> BatchPlan:
    from finetune.models.growing import can_hold

    model = engine.model
    config = model.get_base_model().config if hasattr(model, "get_base_model") else model.config
    try:
        found = models.structure_of(config)
        reason, longest = _refusal(engine, found), _longest(config, found)
    except FinetuneError as error:
        return BatchPlan("one by one", str(error))
    if reason is None and not can_hold(config):
        reason = "its cache is not one of plain keys and values"
    if reason is not None:
        return BatchPlan("one by one", reason)
    is_exact = str(model.get_input_embeddings().weight.dtype) in ("torch.float32", "torch.float64")
    is_exact = is_exact and engine.source.quantization == "none"
    apart, token_bytes = _apart(engine)
    if not apart <= (_APART if is_exact else _APART_16_BIT):
        return BatchPlan("one by one", f"a batch and a row alone differ by {apart:.1%} for this model")
    lines = ["sorted by length, a common beginning computed once"]
    if longest is not None:
        lines.append(f"rows of more than {longest:,} tokens one by one, because some layers compute them otherwise")
    lines.append(
        "close calls answered alone" if is_exact else "in so few bits a near tie may fall otherwise than alone"
    )
    return BatchPlan("batches", "; ".join(lines), token_bytes, is_exact, longest)


def _refusal(engine: Engine, found: Any) -> str | None:
    """Why rows of this model cannot stand side by side; None where they can."""
    if engine.source.quantization == "8bit":
        return "8-bit products choose what they round over the whole batch"
    if found.kind == "vision":
        return "image input: tokens take positions of their own"
    if found.recurrent:
        return "recurrent layers would carry the padding on into the row"
    if not found.takes_positions:
        return "tokens cannot be told their positions"
    return None


def _longest(config: Any, found: Any) -> int | None:
    """Up to how many tokens a sliding window hides nothing, and rotary factors are those of a short row.

    Padding would count among the tokens of a window, and one long row would change the factors of its neighbours.
    """
    sizes = [found.sliding_window] if found.sliding_window is not None else []
    if found.rope_varies:
        text = config.get_text_config(decoder=True)
        parts = [text.rope_parameters, *text.rope_parameters.values()]
        firsts = [part.get("original_max_position_embeddings") for part in parts if isinstance(part, Mapping)]
        sizes += [size for size in (*firsts, found.context_tokens) if size]
    return min(sizes, default=None)


def _apart(engine: Engine) -> tuple[float, int]:
    """How far logits in a batch lie from those alone, as a share of the largest; and bytes of a token in the cache.

    Infinite where the model takes no such batch.
    """
    import torch

    rows_of_table = engine.model.get_input_embeddings().weight.shape[0]
    # Any tokens do; these are spread over the vocabulary, so that they differ.
    ids = [(7_919 * k + 11) % rows_of_table for k in range(_CHECK_LONG + _CHECK_STEPS + _CHECK_SHORT)]
    rows = [ids[: _CHECK_LONG + _CHECK_STEPS], ids[:_CHECK_PREFIX] + ids[-(_CHECK_SHORT + _CHECK_STEPS) :]]
    try:
        # Not engine's lock: the caller holds it.
        with torch.inference_mode():
            forward = _Forward(engine)
            alone = [forward(*_plain(row, forward.device), forward.first([])) for row in rows]
            together, token_bytes = _in_a_batch(engine, forward, rows)
    except (RuntimeError, TypeError, ValueError, AttributeError, IndexError):  # of a class that takes none after all
        return float("inf"), 0
    wanted = torch.cat(alone)
    return float((together - wanted).abs().max() / wanted.abs().max()), token_bytes


def _plain(row: Sequence[int], device: str) -> tuple[Any, Any, Any]:
    import torch

    ids = torch.tensor([list(row)], device=device)
    return ids, torch.ones_like(ids), torch.arange(len(row), device=device)[None]


def _in_a_batch(engine: Engine, forward: _Forward, rows: Sequence[Sequence[int]]) -> tuple[Any, int]:
    """(2, vocabulary) logits behind the last tokens of two rows, which are written step by step."""
    import torch

    from finetune.models.growing import cache_of, num_bytes

    prompts = {number: row[:-_CHECK_STEPS] for number, row in enumerate(rows)}
    writing = _Writing(engine, forward, prompts, _CHECK_PREFIX, _CHECK_STEPS)
    shared = forward.first(rows[0][:_CHECK_PREFIX])
    cache = cache_of(shared, len(rows), _CHECK_PREFIX + writing.width + _CHECK_STEPS)
    logits = forward(writing.ids, writing.mask, writing.positions, cache)
    positions = writing.positions
    for step in range(_CHECK_STEPS):
        positions, writing.mask = positions[:, -1:] + 1, _seen_more(writing.mask)
        tokens = [[row[step - _CHECK_STEPS]] for row in rows]
        logits = forward(torch.tensor(tokens, device=forward.device), writing.mask, positions, cache)
    return logits, num_bytes(shared) // _CHECK_PREFIX
