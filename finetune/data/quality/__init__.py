"""Looks at one conversation and says what is odd about it: pure, fast, linear in the text, never quoting it.

What a person who prepares data would want to be told, and only that: a false alarm costs trust, so each kind is
reported where it is certain, and stays silent where it is likely. What was measured on real rows is in
docs/findings.md.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from finetune.data import language
from finetune.data.quality import characters, phrases, shape
from finetune.data.shapes import Conversation, Message

MIN_PROMPT_CHARS = 24  # a shorter question is often the title of its answer
MIN_SYSTEM_CHARS = 60
MAX_ASKED_CHARS = 2000  # of the questions, to see what the row is about

__all__ = ["Examined", "check", "examine"]


@dataclass(frozen=True)
class Examined:
    """What one look at a row gave.

    Attributes:
        found: (kind, part) as `check` gives them.
        language: code of the language the answers are in, "zh"; empty where it is not sure.
    """

    found: list[tuple[str, str]]
    language: str


def check(conversation: Conversation, languages: Sequence[str] = ()) -> list[tuple[str, str]]:
    """The findings of a row as (kind, part): kinds are keys of `findings.KINDS`, parts are "message 2" (counted
    from 1 over `conversation.messages`) or "rejected message 1". A kind comes once a row, at its first place.
    Never raises for any text; the kind repeated_answer is not here, it needs the other rows.
    """
    return examine(conversation, languages).found


def examine(conversation: Conversation, languages: Sequence[str] = (), off: frozenset[str] = frozenset()) -> Examined:
    """Findings of a row, and its language, in one pass.

    Args:
        conversation: a row that can be used.
        languages: codes declared in `share.languages`; empty when nothing is declared.
        off: kinds not to look for (`findings.off_kinds`).
    """
    found: dict[str, str] = {}
    for number, message in enumerate(conversation.messages, 1):
        _characters(message.content, f"message {number}", found)
    for number, message in enumerate(conversation.rejected, 1):
        _characters(message.content, f"rejected message {number}", found)
    _markers(conversation, found)
    code = language.recognise(_longest(conversation, "assistant"))
    if languages:
        _other_language(conversation, code, tuple(languages), found)
    # An answer that was rated bad, and a rejected one, is in the data because it is bad.
    if conversation.rating is not False:
        _answers(conversation, found)
    return Examined([(kind, part) for kind, part in found.items() if kind not in off], code)


def _characters(text: str, part: str, found: dict[str, str]) -> None:
    if characters.has_control(text):
        found.setdefault("control_characters", part)
    if text.isascii():
        return
    if characters.has_hidden(text):
        found.setdefault("hidden_characters", part)
    if characters.REPLACEMENT.search(text):
        found.setdefault("replacement_character", part)
    if "mojibake" not in found and characters.has_mojibake(text):
        found["mojibake"] = part


def _markers(conversation: Conversation, found: dict[str, str]) -> None:
    about: str | None = None
    for number, message in enumerate(conversation.messages, 1):
        text = message.content
        if ("<" in text or "[" in text) and phrases.MARKERS.search(text):
            found.setdefault("chat_markers", f"message {number}")
        may_be_web = "<" in text or "&" in text
        if may_be_web and message.role in ("user", "assistant") and "html_remains" not in found:
            if about is None:
                about = " ".join(other.content[:MAX_ASKED_CHARS] for other in conversation.messages[:20])
            if phrases.has_web_remains(text, about):
                found["html_remains"] = f"message {number}"


def _longest(conversation: Conversation, role: str) -> str:
    return max((message.content for message in conversation.messages if message.role == role), key=len, default="")


def _other_language(conversation: Conversation, code: str, languages: tuple[str, ...], found: dict[str, str]) -> None:
    """The answer, then the question; not where the row is about languages."""
    for role in ("assistant", "user"):
        text = _longest(conversation, role)
        this = code if role == "assistant" else language.recognise(text)
        if this and not language.covers(languages, this):
            if not any(language.is_asked_for(message.content) for message in conversation.messages[:-1]):
                number = next(n for n, message in enumerate(conversation.messages, 1) if message.content is text)
                found.setdefault("other_language", f"message {number}")
            return


def _answers(conversation: Conversation, found: dict[str, str]) -> None:
    question: Message | None = None
    system = conversation.messages[0].content if conversation.messages[0].role == "system" else ""
    asked = ""
    for number, message in enumerate(conversation.messages, 1):
        if message.role == "user":
            question, asked = message, f"{asked[-MAX_ASKED_CHARS:]}\n{message.content[:MAX_ASKED_CHARS]}"
        elif message.role == "assistant" and message.content:
            _answer(message.content, question.content if question else "", system, asked, f"message {number}", found)


def _answer(answer: str, question: str, system: str, asked: str, part: str, found: dict[str, str]) -> None:
    """What is said of one answer; `asked` are all questions so far."""
    if phrases.says_nothing(answer):
        found.setdefault("empty_looking", part)
        return
    if shape.is_short(answer):
        found.setdefault("short_answer", part)
        return
    if phrases.is_refusal(answer):
        found.setdefault("refusal", part)
    if phrases.is_boilerplate(answer, asked):
        found.setdefault("boilerplate", part)
    if _repeats_prompt(answer, question, system) or phrases.has_labels(answer, asked):
        found.setdefault("prompt_in_answer", part)
    if phrases.has_blanks(answer, asked):
        found.setdefault("placeholder", part)
    if shape.has_loop(answer):
        found.setdefault("repeated_text", part)
    if shape.has_open_fence(answer) or shape.has_open_bracket(answer, asked):
        found.setdefault("unbalanced", part)
    if shape.is_cut(answer, asked):
        found.setdefault("cut_answer", part)


def _repeats_prompt(answer: str, question: str, system: str) -> bool:
    """Whether the answer opens with the whole question and goes on, or holds the whole system prompt."""
    question = question.strip()
    if len(question) >= MIN_PROMPT_CHARS and len(answer) > len(question) and answer.lstrip().startswith(question):
        return True
    return len(system) >= MIN_SYSTEM_CHARS and system.strip() in answer
