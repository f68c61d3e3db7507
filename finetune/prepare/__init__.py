"""Floor 5: from a recipe to rendered rows and a plan: everything a run needs before any weight is loaded."""

from finetune.prepare.bases import OpenedBase, fetch_base, open_base, open_quickly
from finetune.prepare.chunks import messages_of
from finetune.prepare.foresight import foresee, foreseen
from finetune.prepare.images import images_shown, most_image_tokens, row_images
from finetune.prepare.splits import (
    RenderedSplit,
    check_rendered,
    overlong_problem,
    render_row,
    render_split,
    too_many_unchosen,
)

__all__ = [
    "OpenedBase",
    "RenderedSplit",
    "check_rendered",
    "fetch_base",
    "foresee",
    "foreseen",
    "images_shown",
    "messages_of",
    "most_image_tokens",
    "open_base",
    "open_quickly",
    "overlong_problem",
    "render_row",
    "render_split",
    "row_images",
    "too_many_unchosen",
]
