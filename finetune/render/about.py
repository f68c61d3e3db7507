"""What a renderer's template does with thoughts and ends, found out by rendering small conversations."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from finetune.errors import ModelError
from finetune.render import probes, replies

if TYPE_CHECKING:
    from finetune.render.renderer import Renderer


def writes_thoughts(renderer: Renderer) -> bool:
    """Whether the template writes down the thoughts that a message holds beside its text."""
    asked = replies.probe(with_thoughts=True)
    text = _loud(renderer, asked, ask=False)
    return text is not None and str(asked[1]["thinking"]) in text


def frame_of(renderer: Renderer) -> replies.Frame:
    """What stands around thoughts and answer in a reply."""
    framed = {}
    for with_thoughts in (True, False):
        # What a base thinks unasked is told from its answer too.
        render = _loud if with_thoughts else _plain
        turns = replies.probe(with_thoughts)
        framed[with_thoughts] = (render(renderer, turns, False), render(renderer, turns[:1], True))
    return replies.frame_of(*framed[True], *framed[False])


def notes_of(renderer: Renderer) -> list[str]:
    """What is trained, and what becomes of thoughts; plain lines."""
    lines = [f"trained tokens: the assistant's turns and their end token, found by {renderer.how}"]
    if renderer.keeps_thoughts:
        return lines + _on_thoughts(renderer)
    try:
        rendered = renderer.render([*probes.EXCHANGE, *probes.EXCHANGE])
    except ModelError:
        return [*lines, "rows with several answers cannot be trained: the template writes earlier ones differently"]
    if rendered.input_ids[rendered.spans[0][1] - 1] not in renderer.end_ids:
        end = renderer.tokenizer.convert_ids_to_tokens(renderer.end_id)
        lines.append(f"trained tokens: of a row's last answer its end {end}; the template ends earlier ones otherwise")
    return lines


def _on_thoughts(renderer: Renderer) -> list[str]:
    head = "base.thinking: keep:"
    if not renderer.knows_thoughts and not renderer.thinks_in_tokens:
        return [f"{head} the chat template has no place for thoughts; they are trained as plain text of the answer"]
    lines = [f"{head} thoughts between <think> and </think> are trained before the answer"]
    try:
        spans = renderer.render([*replies.probe(with_thoughts=True), *replies.probe(with_thoughts=True)]).spans
    except ModelError:
        return lines
    if len(spans) == 1:
        what = "the template leaves out the thoughts of earlier answers, so these stand in a row without, untrained"
        lines.append(f"{head} {what}; its last answer is trained, with its thoughts")
    return lines


def _plain(renderer: Renderer, turns: list[dict[str, Any]], ask: bool) -> str | None:
    try:
        return renderer.text_of(turns, (), ask=ask)
    except ModelError:
        return None


def _loud(renderer: Renderer, turns: list[dict[str, Any]], ask: bool) -> str | None:
    """The template's text where thoughts are kept, whatever base.thinking says."""
    if renderer.keeps_thoughts is not False:
        return _plain(renderer, turns, ask)
    words = {**renderer.options, "enable_thinking": True}
    try:
        text = renderer.tokenizer.apply_chat_template(turns, tokenize=False, add_generation_prompt=ask, **words)
    except Exception:  # a template is somebody's program; that it refuses is all that counts here
        return None
    return str(text)
