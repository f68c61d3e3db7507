"""Floor 5: from a recipe to rendered rows and a plan: everything a run needs before any weight is loaded."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

from finetune import models
from finetune.data import Conversation
from finetune.errors import DataError, ModelError, Problem
from finetune.recipe import LoadedRecipe
from finetune.render import Rendered, Renderer

# A run stops when more than this share of the training rows is too long to be trained whole.
_MAX_OVERLONG_SHARE = 0.5
# Where the recipe does not say what becomes of them, it stops at far fewer: nobody chose to lose these rows.
_MAX_UNCHOSEN_SHARE, _MAX_UNCHOSEN_ROWS = 0.01, 3
_MAX_PLACES = 1_000


@dataclass
class RenderedSplit:
    """Rendered rows of one split, and what became of the rows that are too long.

    Attributes:
        rows: what is trained or measured.
        conversations: the conversation behind each of `rows`.
        overlong: places of rows left out because they are longer than the limit.
        overlong_tokens: how long each of `overlong` is.
        num_trimmed: rows that lost their oldest exchanges.
        num_control_texts: control tokens found in texts; they were encoded as plain text.
    """

    rows: list[Rendered] = field(default_factory=list)
    conversations: list[Conversation] = field(default_factory=list)
    overlong: list[str] = field(default_factory=list)
    overlong_tokens: list[int] = field(default_factory=list)
    num_trimmed: int = 0
    num_control_texts: int = 0

    def pairs(self) -> list[tuple[list[int], list[int]]]:
        """(input_ids, labels) of each row."""
        return [(row.input_ids, row.labels) for row in self.rows]

    def summary(self) -> dict[str, Any]:
        """Counts, token lengths and the places of rows left out (the first 1,000), without any text."""
        lengths = sorted(len(row.input_ids) for row in self.rows)
        trained = [row.num_trained for row in self.rows]
        return {
            "num_rows": len(lengths),
            "num_tokens": sum(lengths),
            "num_trained_tokens": sum(trained),
            "trained_share": round(sum(trained) / sum(lengths), 4) if lengths else None,
            "shortest_tokens": lengths[0] if lengths else None,
            "median_tokens": lengths[len(lengths) // 2] if lengths else None,
            "p99_tokens": lengths[int(len(lengths) * 0.99)] if lengths else None,
            "longest_tokens": lengths[-1] if lengths else None,
            "num_overlong_left_out": len(self.overlong),
            "overlong_places": self.overlong[:_MAX_PLACES],
            "num_trimmed": self.num_trimmed,
            "num_control_texts": self.num_control_texts,
            "length_histogram": _histogram(lengths),
        }


def _histogram(lengths: Sequence[int], num_bins: int = 20) -> dict[str, list[int]]:
    """Counts in equal bins; edges has one entry more than counts."""
    if not lengths:
        return {"edges": [], "counts": []}
    width = max(1, -(-(lengths[-1] + 1) // num_bins))
    counts = [0] * (lengths[-1] // width + 1)
    for length in lengths:
        counts[length // width] += 1
    return {"edges": [width * k for k in range(len(counts) + 1)], "counts": counts}


@dataclass(frozen=True)
class OpenedBase:
    """A base whose config and tokenizer are read; its weights are not.

    Attributes:
        max_length: the longest row, in tokens: data.max_length, at most what the base can look at.
        notes: choices made, one plain line each.
        overlong_chosen: whether the recipe itself says what becomes of rows that are too long.
    """

    source: models.BaseSource
    config: Any
    tokenizer: Any
    renderer: Renderer
    max_length: int
    notes: list[str]
    overlong_chosen: bool = True


def open_base(loaded: LoadedRecipe) -> OpenedBase:
    """Find the recipe's base, read its config and tokenizer, and settle the length limit.

    Raises:
        ModelError: see finetune.models; also when data.max_length is beyond what the base can look at.
    """
    base, data = loaded.recipe.base, loaded.recipe.data
    source = models.find_base(base.model, base.revision, loaded.path_of("base.model", base.model))
    config = models.load_config(source)
    template_file = loaded.path_of("base.chat_template", base.chat_template)
    tokenizer, notes = models.load_tokenizer(source, base.chat_template, template_file)
    renderer = Renderer(tokenizer, {"enable_thinking": base.thinking == "keep"})
    notes.append(f"trained tokens: the assistant's turns and their end token, found by {renderer.how}")
    max_length, context = data.max_length, models.context_tokens(config)
    if context is not None and max_length > context:
        if ("data", "max_length") in loaded.marks:
            fix = f"set it to {context} or less"
            what = f"this base can look at {context} tokens only"
            raise ModelError(Problem(loaded.where("data.max_length"), "data.max_length", what, str(max_length), fix))
        notes.append(f"data.max_length: {context} instead of {max_length}, as much as this base can look at")
        max_length = context
    chosen = ("data", "overlong") in loaded.marks
    return OpenedBase(source, config, tokenizer, renderer, max_length, notes, chosen)


def render_row(base: OpenedBase, messages: list[dict[str, str]], overlong: str) -> tuple[Rendered, bool]:
    """One row as data.overlong has it, and whether its oldest exchanges were left out.

    A row that is still longer than base.max_length is not trained.

    Raises:
        ModelError: the chat template refuses it.
    """
    rendered = base.renderer.render(messages)
    if len(rendered.input_ids) > base.max_length and overlong == "trim_history":
        trimmed = _trimmed(base, messages, rendered)
        if len(trimmed.input_ids) <= base.max_length:
            return trimmed, True
    return rendered, False


def render_split(
    base: OpenedBase,
    conversations: Sequence[Conversation],
    overlong: str,
    on_done: Callable[[int, int], None] | None = None,
) -> RenderedSplit:
    """Render conversations and deal with those longer than the limit, as data.overlong says.

    Raises:
        DataError: rows that the chat template refuses, or, with overlong "error", rows that are too long.
    """
    split = RenderedSplit()
    problems: list[str | Problem] = []
    for number, conversation in enumerate(conversations, 1):
        messages = [{"role": message.role, "content": message.content} for message in conversation.messages]
        try:
            rendered, trimmed = render_row(base, messages, overlong)
            split.num_control_texts += base.renderer.num_control_texts(messages)
            split.num_trimmed += trimmed
        except ModelError as error:
            problems.append(Problem(conversation.where, "", str(error)))
            continue
        if len(rendered.input_ids) > base.max_length:
            split.overlong.append(conversation.where)
            split.overlong_tokens.append(len(rendered.input_ids))
            if overlong == "error":
                what = f"{len(rendered.input_ids)} tokens; data.max_length is {base.max_length}"
                fix = "shorten the row, raise data.max_length, or set data.overlong"
                problems.append(Problem(conversation.where, "", what, fix=fix))
            continue
        split.rows.append(rendered)
        split.conversations.append(conversation)
        if on_done is not None and number % 200 == 0:
            on_done(number, len(conversations))
    if problems:
        raise DataError(problems)
    return split


def _trimmed(base: OpenedBase, messages: list[dict[str, str]], rendered: Rendered) -> Rendered:
    """The row without its oldest exchanges, as few of them as it takes; its last exchange may be too long even so."""
    head = [message for message in messages[:1] if message["role"] == "system"]
    turns = messages[len(head) :]
    while len(turns) > 2 and len(rendered.input_ids) > base.max_length:
        turns = turns[2:]
        rendered = base.renderer.render(head + turns)
    return rendered


def check_rendered(train: RenderedSplit, held_out: RenderedSplit, base: OpenedBase) -> list[str]:
    """Plain lines on what was left out; nothing that leaves too little behind gets past here.

    Raises:
        DataError: no training row, no held-out row, most rows too long, or more than 1 % (and more than 3) of them
            where the recipe does not set data.overlong.
    """
    notes = []
    total = len(train.rows) + len(train.overlong)
    fix = f"raise data.max_length (now {base.max_length}), shorten the rows, or set data.overlong: trim_history"
    if not train.rows:
        raise DataError(Problem("", "data.max_length", f"all {total} training rows are longer than allowed", fix=fix))
    if len(train.overlong) > _MAX_OVERLONG_SHARE * total:
        what = (
            f"{len(train.overlong)} of {total} training rows are longer than allowed, the first is {train.overlong[0]}"
        )
        raise DataError(Problem("", "data.max_length", what, fix=fix))
    if not base.overlong_chosen and too_many_unchosen(len(train.overlong), total):
        raise DataError(_unchosen(train, base))
    if not held_out.rows:
        what = "no held-out row is left to measure on"
        raise DataError(Problem("", "data.held_out", what, fix="hold out more rows, or raise data.max_length"))
    for name, split in (("training", train), ("held-out", held_out)):
        if split.overlong:
            places = _first_places(split)
            notes.append(f"{len(split.overlong)} {name} rows left out, longer than {base.max_length} tokens: {places}")
        if split.num_trimmed:
            notes.append(f"{split.num_trimmed} {name} rows lost their oldest exchanges to fit {base.max_length} tokens")
        if split.num_control_texts:
            notes.append(f"{split.num_control_texts} control tokens in {name} texts were encoded as plain text")
    return notes


def too_many_unchosen(num_overlong: int, num_rows: int) -> bool:
    """Whether a run stops at so many training rows that are too long, where the recipe does not set data.overlong."""
    return num_overlong > max(_MAX_UNCHOSEN_ROWS, _MAX_UNCHOSEN_SHARE * num_rows)


def _first_places(split: RenderedSplit) -> str:
    return ", ".join(split.overlong[:3]) + (", ..." if len(split.overlong) > 3 else "")


def _unchosen(train: RenderedSplit, base: OpenedBase) -> Problem:
    """What is said when rows would be left out in number, and nobody has chosen that."""
    lengths = sorted([*(len(row.input_ids) for row in train.rows), *train.overlong_tokens])
    enough = lengths[len(lengths) - 1 - int(_MAX_UNCHOSEN_SHARE * len(lengths))]
    what = (
        f"{len(train.overlong)} of {len(lengths)} training rows are longer than allowed: {_first_places(train)}; "
        f"{enough} tokens would keep 99 % of the rows"
    )
    context = models.context_tokens(base.config)
    longer = f"set data.max_length: {enough}"
    if context is not None and enough > context:
        longer = f"shorten the rows (this base can look at {context} tokens only)"
    fix = f"{longer}, or say that they may be left out with data.overlong: drop"
    return Problem("", "data.max_length", what, f"{base.max_length}", fix)
