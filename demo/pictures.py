"""Images that a visitor shows: out of Gradio's temporary folder into memory, and small ones for the page."""

from __future__ import annotations

import base64
import io
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import gradio as gr

from finetune.errors import DataError, Problem

if TYPE_CHECKING:
    from finetune.generation import HeldImage

MAX_IMAGES = 4  # of one question
MAX_IMAGES_KEPT = 12  # of one visitor's conversation: they are held in memory
MAX_FILE = "10mb"
FILE_TYPES = [".png", ".jpg", ".jpeg", ".webp", ".gif", ".bmp"]
# (how often is looked, how old files go). They go by age alone: the same picture from two visitors is one file, and
# each upload makes it new. Until then a question that is taken back gets its images back.
KEPT_SECONDS = (60, 1800)
_THUMBNAIL_PIXELS = 200


class Refused(Exception):
    """Images that cannot be shown.

    Attributes:
        key: one of texts.py; `values` are its own.
        reasons: (which image, 0 where it is the only one or none of them; what is wrong and what to do, in English).
    """

    def __init__(self, key: str, reasons: Sequence[tuple[int, str]] = (), **values: object):
        super().__init__(key)
        self.key, self.reasons, self.values = key, list(reasons), values


def takes_images(engine: Any) -> bool:
    """Whether an engine can be shown images."""
    return bool(getattr(engine, "takes_images", False))


def box(engines: Sequence[Any], **words: Any) -> Any:
    """The box for questions: with a button for images where one of the engines takes them."""
    if not any(map(takes_images, engines)):
        return gr.Textbox(**words)
    return gr.MultimodalTextbox(
        file_types=FILE_TYPES,
        file_count="multiple",
        sources=["upload"] if takes_images(engines[0]) else [],
        max_plain_text_length=100_000,  # longer texts would become files of their own
        **words,
    )


def read(question: Any) -> tuple[str, list[str]]:
    """(text, paths of images) of what the box holds."""
    if isinstance(question, dict):
        return question.get("text") or "", list(question.get("files") or [])
    return question or "", []


def take(files: Sequence[str], num_held: int, engine: Any, question: str = "") -> list[HeldImage]:
    """The images in memory. Their files stay, see KEPT_SECONDS.

    Args:
        files: paths in Gradio's temporary folder.
        num_held: images that the conversation holds already.
        question: the text they are shown with, which may say where they stand.

    Raises:
        Refused: the engine takes none, there are too many, one cannot be read, or the text has places for more or
            fewer. The files stay in the box.
    """
    if not files:
        return []
    if not takes_images(engine):
        raise Refused("status_no_images")
    if len(files) > MAX_IMAGES:
        raise Refused("status_images_many", limit=MAX_IMAGES)
    if num_held + len(files) > MAX_IMAGES_KEPT:
        raise Refused("status_images_kept", limit=MAX_IMAGES_KEPT)
    from finetune.generation import held_image, question_of  # here, as it brings torch; an engine with images has it

    held: list[HeldImage] = []
    reasons: list[tuple[int, str]] = []
    for number, file in enumerate(files, start=1):
        try:
            held.append(held_image(file))
            _thumbnail(held[-1])  # here, where it may still be refused
        except DataError as error:
            reasons.append((number if len(files) > 1 else 0, _reason(error)))
    if not reasons:
        try:
            question_of(question, held)
        except DataError as error:
            reasons.append((0, _reason(error)))
    if reasons:
        raise Refused("status_image_bad", reasons)
    return held


def _reason(error: DataError) -> str:
    problem = error.problems[0]
    return f"{problem.what}; {problem.fix}" if isinstance(problem, Problem) else str(problem)


def again(part: Any, question: str, files: Sequence[str]) -> tuple[Any, bool]:
    """(what the box holds once more, whether each of the images is still there)."""
    if not isinstance(part, gr.MultimodalTextbox):
        return question, not files
    left = [file for file in files if Path(file).is_file()]
    return {"text": question, "files": left}, len(left) == len(files)


def message(question: str, images: Sequence[HeldImage]) -> dict[str, Any]:
    """A user's turn as the engine takes it."""
    if not images:
        return {"role": "user", "content": question}
    from finetune.generation import question_of

    return question_of(question, images)


def drawn(images: Sequence[HeldImage], labels: Sequence[str]) -> str:
    """Markdown of small copies of the images. They are written into the page: no address is asked for them."""
    return " ".join(f"![{label}]({_thumbnail(image)})" for image, label in zip(images, labels, strict=True))


def _thumbnail(image: HeldImage) -> str:
    if not image.small:
        from finetune.generation import picture_of

        picture = picture_of(image)
        picture.thumbnail((_THUMBNAIL_PIXELS, _THUMBNAIL_PIXELS))
        buffer = io.BytesIO()
        picture.save(buffer, "JPEG", quality=80)
        encoded = base64.b64encode(buffer.getvalue()).decode("ascii")
        image.small.append(f"data:image/jpeg;base64,{encoded}")
    return image.small[0]
