"""What a model wrote -> what it says: thoughts and answer told apart, channels and tokens of the family taken off."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from finetune.render.thoughts import CLOSES, OPENS

_THOUGHT, _ANSWER = "probe of a thought", "probe of an answer"


@dataclass(frozen=True)
class Frame:
    """What a template writes around thoughts and answer, read off one rendered reply.

    Attributes:
        opens: before the thoughts; "" where the template has no place for them, or its prompt opens them already.
        closes: between thoughts and answer.
        leads: before an answer without thoughts.
    """

    opens: str = ""
    closes: str = ""
    leads: str = ""

    @property
    def is_bare(self) -> bool:
        """Whether an answer stands there by itself, without thoughts or anything else but blanks."""
        return not (self.opens or self.leads or self.closes)


def frame_of(thinking: str | None, asked_thinking: str | None, plain: str | None, asked: str | None) -> Frame:
    """The frame, from a reply with thoughts and one without, each with the prompt before it; None: not rendered."""
    opens = closes = leads = ""
    if thinking is not None and asked_thinking is not None and thinking.startswith(asked_thinking):
        before, thought, rest = thinking[len(asked_thinking) :].partition(_THOUGHT)
        between, answer, _ = rest.partition(_ANSWER)
        if thought and answer:
            opens, closes = before, between
    if plain is not None and asked is not None and plain.startswith(asked):
        before, answer, _ = plain[len(asked) :].partition(_ANSWER)
        leads = before if answer else ""
    return Frame(opens.strip(), closes.strip(), leads.strip())


def probe(with_thoughts: bool) -> list[dict[str, Any]]:
    """A question and a reply, for `frame_of`."""
    thoughts = {"reasoning_content": _THOUGHT, "thinking": _THOUGHT} if with_thoughts else {}
    return [{"role": "user", "content": "a"}, {"role": "assistant", "content": _ANSWER, **thoughts}]


def read(raw: str, frame: Frame, controls: Sequence[str], keep: bool) -> str:
    """The words of a reply, as far as it is written; the thoughts in front of it as <think>...</think>, if kept.

    Args:
        raw: text of the reply with its control tokens, perhaps cut anywhere.
        frame: of the template.
        controls: control tokens to take off.
        keep: show the thoughts; otherwise they are left out.
    """
    text = raw.lstrip()
    if any(start and start != text and start.startswith(text) for start in (frame.leads, frame.opens)):
        return ""  # not even the frame is written yet
    if frame.leads and text.startswith(frame.leads) and not _thinks(text, frame):
        return _bare(text[len(frame.leads) :], controls).lstrip()
    opened = keep and bool(frame.closes) and not frame.opens  # by the prompt
    if not opened and (not frame.opens or not text.startswith(frame.opens)):
        return _bare(text, controls).lstrip()
    thought, closed, answer = text[len(frame.opens) :].partition(frame.closes)
    said = _bare(thought, controls).strip() if closed else _bare(_complete(thought, frame.closes), controls).lstrip()
    if not keep:
        return _bare(answer, controls).lstrip() if closed else ""
    if not closed:
        return f"{OPENS}\n{said}"
    return f"{OPENS}\n{said}\n{CLOSES}\n\n{_bare(answer, controls).lstrip()}"


def _thinks(text: str, frame: Frame) -> bool:
    """Whether a reply that begins as one without thoughts has some all the same: both frames may begin alike."""
    return bool(frame.opens) and frame.opens.startswith(frame.leads) and text.startswith(frame.opens)


def _complete(text: str, ending: str) -> str:
    """The text without the beginning of what will end it."""
    for size in range(min(len(ending) - 1, len(text)), 0, -1):
        if text.endswith(ending[:size]):
            return text[:-size].rstrip()
    return text.rstrip()


def _bare(text: str, controls: Sequence[str]) -> str:
    for control in controls:
        text = text.replace(control, "")
    return text
