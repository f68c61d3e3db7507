"""What will be trained, token by token: one row for the terminal, or a page of rows that explains itself."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from finetune import prepare
from finetune.data import IMAGE_MARK, Conversation, Splits, canaries
from finetune.errors import Problem, RunError
from finetune.recipe import LoadedRecipe
from finetune.talk import Talk

DEFAULT_ROWS = 200
# A page is for reading: no more tokens than this are drawn of all rows together.
_MAX_TOKENS_ON_PAGE = 200_000
# By this beginning a page is known as one of ours.
PAGE_START = """<!doctype html>
<html lang="en"><head><meta charset="utf-8"><meta name="generator" content="finetune preview">
"""


def preview_of(
    base: prepare.OpenedBase, conversation: Conversation, overlong: str, number: int | None = None
) -> dict[str, Any]:
    """One row as tokens, as data.overlong leaves it to the training.

    Args:
        base: from prepare.open_base.
        conversation: the row.
        overlong: "drop", "error" or "trim_history".
        number: of the row, counted from 1.

    Returns:
        `tokens` is [text, whether it is trained] in order; several tokens that make up one character stand together,
        and so do those of an image, as "[image, 256 tokens]".
        `role_starts` is [index into tokens, role] for each turn, at the control token that opens it, or else at its
        text.

    Raises:
        ModelError: the chat template refuses the row.
    """
    messages, tools = prepare.messages_of(conversation)
    rendered, trimmed = prepare.render_row(base, messages, overlong, tools)
    pieces, starts = _pieces(
        base.tokenizer, rendered.input_ids, rendered.labels, getattr(base.renderer.images, "token_id", None)
    )
    openers = base.renderer.encoder.control_ids - set(base.renderer.stop_ids)
    opening = {starts[k] for k, token_id in enumerate(rendered.input_ids) if token_id in openers}
    return {
        "number": number,
        "where": conversation.where,
        "planted": canaries.is_canary(conversation),
        "num_tokens": len(rendered.input_ids),
        "num_trained": rendered.num_trained,
        "found_by": rendered.how,
        "too_long": len(rendered.input_ids) > base.max_length,
        "trimmed": trimmed,
        "overlong": overlong,
        "max_length_tokens": base.max_length,
        "tokens": pieces,
        "role_starts": _role_starts(messages, pieces, [starts[start] for start, _ in rendered.spans], opening),
    }


def _pieces(
    tokenizer: Any, ids: Sequence[int], labels: Sequence[int], image_id: int | None = None
) -> tuple[list[list[Any]], list[int]]:
    """[text, trained] of each token or of the few that make up a character; and the piece of each token."""

    def decode(some: Sequence[int]) -> str:
        return tokenizer.decode(some, skip_special_tokens=False, clean_up_tokenization_spaces=False)

    pieces: list[list[Any]] = []
    piece_of: list[int] = []
    pending: list[int] = []
    before: list[int] = []  # some decoders drop the blank in front of a first word
    for position, token_id in enumerate(ids):
        trained = labels[position] != -100
        pending.append(token_id)
        piece_of.append(len(pieces))
        if token_id == image_id:
            if position + 1 == len(ids) or ids[position + 1] != image_id:
                pieces.append([f"[image, {len(pending)} tokens]", trained])
                before, pending = pending[-1:], []
            continue
        text = decode([*before, *pending])[len(decode(before)) :] if before else decode(pending)
        same_next = position + 1 < len(labels) and (labels[position + 1] != -100) == trained
        if text.endswith("\ufffd") and same_next:
            continue  # a character spread over several tokens
        pieces.append([text, trained])
        before, pending = pending, []
    return pieces, piece_of


def _role_starts(
    messages: Sequence[Any], pieces: Sequence[Sequence[Any]], answers: Sequence[int], opening: set[int]
) -> list[list[Any]]:
    """Where each turn begins: of answers before the trained part, of others before their text.

    Args:
        messages: turns; rows without their oldest exchanges hold the last ones only.
        pieces: [text, trained].
        answers: where the trained parts begin.
        opening: pieces that are control tokens and end nothing: they open what follows.
    """
    borders, position = [], 0
    for piece in pieces:
        borders.append(position)
        position += len(piece[0])
    text = "".join(piece[0] for piece in pieces)
    found: list[list[Any]] = []
    remaining, position, last = list(answers), 0, 0  # last: the piece behind the turn before
    for message in _remaining(messages, len(answers)):
        content = _said(message)
        if message["role"] == "assistant" and remaining:
            index = remaining.pop(0)
        elif content and (at := text.find(content, position)) >= 0:
            index = max(k for k, border in enumerate(borders) if border <= at)
        else:
            continue
        found.append([min([k for k in opening if last <= k < index], default=index if found else 0), message["role"]])
        position = max(position, borders[index])
        position = max(position, text.find(content, position) + len(content))
        last = max(k for k, border in enumerate(borders) if border < max(1, position)) + 1
    return found


def _said(message: Mapping[str, Any]) -> str:
    """The text of a turn; of one with images, the first text that stands before, between or after them."""
    if not message.get("images"):
        return message["content"].strip()
    return next((text.strip() for text in message["content"].split(IMAGE_MARK) if text.strip()), "")


def _remaining(messages: Sequence[Any], num_answers: int) -> list[Any]:
    """The turns of a row that lost its oldest exchanges."""
    system = [message for message in messages if message["role"] == "system"]
    rest = [message for message in messages if message["role"] != "system"]
    num_lost = sum(message["role"] == "assistant" for message in rest) - num_answers
    while rest and (num_lost > 0 or rest[0]["role"] in ("assistant", "tool")):
        num_lost -= rest.pop(0)["role"] == "assistant"
    return [*system, *rest]


def title_of(entry: dict[str, Any]) -> str:
    """The line above a row in the terminal."""
    share = entry["num_trained"] / max(1, entry["num_tokens"])
    text = (
        f"{entry['where']}: {entry['num_trained']} of {entry['num_tokens']} tokens are trained "
        f"({share:.0%}, found by {entry['found_by']})"
    )
    if entry["trimmed"]:
        text += "; oldest exchanges left out"
    if entry["too_long"]:
        # Nothing of such a row is trained, so its shares are not said.
        became = "the run stops here" if entry["overlong"] == "error" else "left out"
        limit = entry["max_length_tokens"]
        text = f"{entry['where']}: {became}: too long, {entry['num_tokens']} tokens (data.max_length is {limit})"
    return f"{text}; a made-up row, planted by data.canaries" if entry["planted"] else text


def check_page_target(path: Path) -> None:
    """See that a preview page may be written there: nothing is there, or an earlier preview page.

    Raises:
        RunError: something else is there.
    """
    if not os.path.lexists(path):
        return
    try:
        # Only a plain file is opened: reading from a pipe would wait for ever.
        if path.is_file() and not path.is_symlink():
            with path.open("rb") as file:
                if file.read(len(PAGE_START)) == PAGE_START.encode():
                    return
    except OSError:
        pass  # what cannot be read is nothing of ours
    what = "exists, and is no page that this command wrote"
    raise RunError(Problem(str(path), "--html", what, fix="name another file"))


def write_page(
    path: Path,
    loaded: LoadedRecipe,
    splits: Splits,
    base: prepare.OpenedBase,
    *,
    rows: Sequence[int] | None = None,
    limit: int = DEFAULT_ROWS,
    talk: Talk | None = None,
    num_processes: int | None = None,
) -> None:
    """Rows as one self-contained HTML file: every token, what is trained, totals over all rows. It holds row text.

    Args:
        path: where to; an earlier page of this command is replaced.
        loaded: the recipe.
        splits: from data.load.
        base: from prepare.open_base.
        rows: places of the training rows to draw, counted from 0, in this order; None: as `choose` picks them.
        limit: at most so many rows are drawn unasked.
        talk: is told how far it is.
        num_processes: for the totals.

    Raises:
        RunError: something else than an earlier preview page is there.
        ModelError: the chat template refuses a row that would be shown.
        SurroundingsError: the file cannot be written.
    """
    import jinja2

    from finetune.render.rows import PARTS
    from finetune.runs import write_text

    check_page_target(path)
    overlong = loaded.recipe.data.overlong
    parts, refused = _count(base, splits.train, talk, num_processes)
    sizes = parts.sum(axis=1).tolist()
    chosen, reduced = choose(sizes, max(1, limit)) if rows is None else (list(rows), len(rows) < len(splits.train))
    previews = [preview_of(base, splits.train[place], overlong, place + 1) for place in chosen if place not in refused]
    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader(Path(__file__).parent), autoescape=True, undefined=jinja2.StrictUndefined
    )
    sums = [int(n) for n in parts.sum(axis=0, dtype="int64")]
    page = environment.get_template("preview.html.jinja").render(
        name=loaded.recipe.name,
        rows=[_for_page(entry) for entry in previews],
        num_rows=len(splits.train),
        num_held_out=len(splits.held_out),
        reduced=reduced,
        asked_for=rows is not None,
        parts=list(zip(PARTS, sums)),
        num_tokens=sum(sums),
        share=f"{sums[PARTS.index('answer')] / max(1, sum(sums)):.0%}",
        max_length=base.max_length,
        overlong=overlong,
        num_over=sum(size > base.max_length for size in sizes),
        num_refused=len(refused),
        num_planted=loaded.recipe.data.canaries,
    )
    check_page_target(path)  # once more: rendering took its time
    write_text(path, PAGE_START + page)


def choose(sizes: Sequence[int], limit: int) -> tuple[list[int], bool]:
    """Places of the rows to show, ascending, and whether some are not shown.

    Of more rows than `limit`: half are the first ones, a quarter the longest and a quarter the shortest of the rest.
    """
    if len(sizes) <= limit:
        chosen = set(range(len(sizes)))
    else:
        first = max(1, limit // 2)
        by_length = sorted(range(first, len(sizes)), key=lambda place: (sizes[place], place))
        num_shortest = (limit - first) // 2
        num_longest = limit - first - num_shortest
        chosen = {*range(first), *by_length[:num_shortest], *by_length[len(by_length) - num_longest :]}
    shown, num_tokens = [], 0
    for place in sorted(chosen):
        if shown and num_tokens + sizes[place] > _MAX_TOKENS_ON_PAGE:
            continue
        shown.append(place)
        num_tokens += sizes[place]
    return shown, len(shown) < len(sizes)


def _count(
    base: prepare.OpenedBase, rows: Sequence[Conversation], talk: Talk | None, num_processes: int | None
) -> tuple[Any, set[int]]:
    """(rows, 4) tokens by part of each training row as it is written, zeros where the template refuses it."""
    import numpy as np

    from finetune.prepare.chunks import CHUNK_ROWS, Rules, rendered_chunks

    parts = np.zeros((len(rows), 4), np.int32)
    refused: set[int] = set()
    rules = Rules(base.max_length, "drop", keep=False)
    for start, chunk in rendered_chunks(base.renderer, rows, rules, num_processes):
        stop = min(start + CHUNK_ROWS, len(rows))
        parts[[place for place in range(start, stop) if place - start not in chunk.problems]] = chunk.parts
        refused |= {start + place for place in chunk.problems}
        if talk is not None and len(rows) > CHUNK_ROWS:
            talk.progress("counting tokens", stop, len(rows))
    return parts, refused


def _for_page(entry: dict[str, Any]) -> dict[str, Any]:
    """The row with its tokens in turns, and line ends made visible."""
    roles = dict(map(tuple, entry["role_starts"]))
    turns: list[dict[str, Any]] = [{"role": "", "tokens": []}]
    for index, (text, trained) in enumerate(entry["tokens"]):
        if index in roles:
            turns.append({"role": roles[index], "tokens": []})
        on = trained and not entry["too_long"]
        turns[-1]["tokens"].append((_shown(text), "on" if on else "off"))
    state = "over" if entry["too_long"] else "trimmed" if entry["trimmed"] else ""
    share = f"{entry['num_trained'] / max(1, entry['num_tokens']):.0%}"
    return {**entry, "turns": [turn for turn in turns if turn["tokens"]], "state": state, "share": share}


def _shown(text: str) -> str:
    """Line ends with their sign in front; control characters as their pictures."""
    pictures = {code: 0x2400 + code for code in range(32) if code not in (9, 10)} | {127: 0x2421}
    return text.translate(pictures).replace("\n", "⏎\n")
