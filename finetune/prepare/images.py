"""Images of rows on their way to the model: whether the base takes them, and their pixels row by row."""

from __future__ import annotations

from collections.abc import Sequence
from typing import overload

from finetune import models
from finetune.data import Conversation, ImageRef, picture_of
from finetune.data.shapes import plural
from finetune.errors import DataError, Problem
from finetune.prepare.bases import OpenedBase
from finetune.recipe import LoadedRecipe


def images_shown(loaded: LoadedRecipe, base: OpenedBase, num_images: int) -> list[str]:
    """What becomes of the images of the rows, one line each.

    Args:
        num_images: in all rows (data.DataReport.num_images).

    Raises:
        DataError: there are some, and the base takes none.
    """
    words = base.renderer.images
    if not num_images:
        return []
    if words is None:
        what = f"the rows show {plural(num_images, 'image')}, and {models.why_no_images(base.config)}"
        fix = "choose a base of the Qwen-VL kind, or train on the texts alone: data.images: ignore"
        raise DataError(Problem(loaded.where("base.model"), "base.model", what, loaded.recipe.base.model, fix))
    return [
        f"images: one larger than {words.max_pixels:,} pixels (data.max_image_pixels) is made smaller; it takes at "
        f"most {words.most_tokens:,} tokens of data.max_length"
    ]


def row_images(base: OpenedBase, conversations: Sequence[Conversation]) -> models.RowImages | None:
    """The images of rendered rows, to be trained or measured with; None where the base takes none.

    Args:
        conversations: behind the rendered rows, in their order (RenderedSplit.conversations).
    """
    if base.renderer.images is None:
        return None
    return models.RowImages(base.renderer.images, _Shown(conversations), picture_of)


def most_image_tokens(base: OpenedBase, conversations: Sequence[Conversation]) -> int:
    """Tokens of the images of the row whose images take the most; 0 where none of the rows shows one."""
    words = base.renderer.images
    if words is None:
        return 0
    rows = _Shown(conversations)
    return max((sum(words.num_tokens(ref.width, ref.height) for ref in refs) for refs in rows), default=0)


class _Shown(Sequence[tuple[ImageRef, ...]]):
    """The images of each row, read when they are asked for."""

    def __init__(self, conversations: Sequence[Conversation]):
        self._conversations = conversations

    def __len__(self) -> int:
        return len(self._conversations)

    @overload
    def __getitem__(self, index: int) -> tuple[ImageRef, ...]: ...
    @overload
    def __getitem__(self, index: slice) -> list[tuple[ImageRef, ...]]: ...
    def __getitem__(self, index: int | slice) -> tuple[ImageRef, ...] | list[tuple[ImageRef, ...]]:
        if isinstance(index, slice):
            return [self[k] for k in range(*index.indices(len(self)))]
        return tuple(ref for message in self._conversations[index].messages for ref in message.images)
