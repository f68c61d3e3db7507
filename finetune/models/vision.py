"""Bases of the Qwen-VL kind: how many tokens an image takes, and its pixels as the model wants them.

Upstream's image processor does the arithmetic (the one that needs Pillow alone); this module reads the base's own
words for it, caps the size of an image, and hands out the tensors of a batch.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, Protocol

from finetune.errors import IntegrityError, ModelError, Problem
from finetune.models.anatomy import has_vision
from finetune.models.sources import BaseSource, hub_errors

DEFAULT_MAX_PIXELS = 401_408
_CACHE_BYTES = 128 * 1024**2
_KIND = ("Qwen2VLImageProcessor", "Qwen2VLImageProcessorPil")


class Sized(Protocol):
    """An image as far as its tokens go; finetune.data.ImageRef is one."""

    @property
    def width(self) -> int: ...
    @property
    def height(self) -> int: ...
    @property
    def sha256(self) -> str: ...


@dataclass(frozen=True)
class ImageInput:
    """What a base makes of an image. Picklable.

    Attributes:
        token_id: the id that stands in a prompt once for each token of an image.
        patch_size: pixels of a side of a patch; merge_size: patches of a side that become one token.
        temporal_patch_size: frames of a patch; an image is repeated so often.
        min_pixels, max_pixels: an image is made larger, or smaller, to lie between them.
        mean, std: (3,) of the colours, each between 0 and 1.
        rescale: what a colour between 0 and 255 is multiplied by.
    """

    token_id: int
    patch_size: int
    merge_size: int
    temporal_patch_size: int
    min_pixels: int
    max_pixels: int
    mean: tuple[float, ...]
    std: tuple[float, ...]
    rescale: float

    def grid(self, width: int, height: int) -> tuple[int, int]:
        """(rows, columns) of patches of an image with so many pixels.

        Raises:
            ModelError: the image is too narrow.
        """
        from transformers.models.qwen2_vl.image_processing_pil_qwen2_vl import smart_resize

        factor = self.patch_size * self.merge_size
        try:
            resized = smart_resize(height, width, factor, self.min_pixels, self.max_pixels)
        except ValueError as error:
            raise ModelError("an image is more than 200 times as long as it is wide. Fix: cut it") from error
        return resized[0] // self.patch_size, resized[1] // self.patch_size

    def num_tokens(self, width: int, height: int) -> int:
        """Tokens that an image with so many pixels takes in a prompt."""
        rows, columns = self.grid(width, height)
        return rows * columns // self.merge_size**2

    @property
    def most_tokens(self) -> int:
        """Tokens of the largest image, of a usual shape."""
        return max(1, self.max_pixels // (self.patch_size * self.merge_size) ** 2)

    def patches(self, picture: Any) -> tuple[Any, tuple[int, int, int]]:
        """((patches, values) float32, (1, rows, columns)) of a PIL image in RGB."""
        made = _processor(self).preprocess([picture], return_tensors="np")
        return made["pixel_values"], tuple(int(n) for n in made["image_grid_thw"][0])  # type: ignore[return-value]


@lru_cache(8)
def _processor(words: ImageInput) -> Any:
    from transformers.models.qwen2_vl.image_processing_pil_qwen2_vl import Qwen2VLImageProcessorPil

    return Qwen2VLImageProcessorPil(
        patch_size=words.patch_size,
        merge_size=words.merge_size,
        temporal_patch_size=words.temporal_patch_size,
        size={"shortest_edge": words.min_pixels, "longest_edge": words.max_pixels},
        image_mean=list(words.mean),
        image_std=list(words.std),
        rescale_factor=words.rescale,
    )


def image_input(source: BaseSource, config: Any, max_pixels: int = DEFAULT_MAX_PIXELS) -> ImageInput | None:
    """What a base makes of images; None where it takes none, or takes them in a way that the kit does not know.

    Args:
        source: from `find_base`.
        config: from `load_config`.
        max_pixels: the recipe's data.max_image_pixels; the base's own limit holds where that is lower.

    Raises:
        ModelError: preprocessor_config.json cannot be read, or does something else than usual.
        SurroundingsError: it cannot be fetched.
    """
    if not is_known(config):
        return None
    from transformers.models.qwen2_vl.image_processing_pil_qwen2_vl import Qwen2VLImageProcessorPil

    at: dict[str, Any] = {"revision": source.revision} if source.revision else {}
    with hub_errors(source):
        found = Qwen2VLImageProcessorPil.from_pretrained(source.location, **at)
    size: Any = found.size
    usual = found.do_resize and found.do_rescale and found.do_normalize
    usual = usual and size["shortest_edge"] and size["longest_edge"]
    vision = config.vision_config
    shape = (found.patch_size, found.merge_size, found.temporal_patch_size)
    if not usual or shape != (vision.patch_size, vision.spatial_merge_size, vision.temporal_patch_size):
        what, fix = "preprocessor_config.json does not fit config.json", "fetch the base again"
        raise ModelError(Problem("", "base.model", what, repr(source.label), fix))
    most = min(int(size["longest_edge"]), max_pixels)
    return ImageInput(
        token_id=int(config.image_token_id),
        patch_size=int(found.patch_size),
        merge_size=int(found.merge_size),
        temporal_patch_size=int(found.temporal_patch_size),
        min_pixels=min(int(size["shortest_edge"]), most),
        max_pixels=most,
        mean=tuple(map(float, found.image_mean)),
        std=tuple(map(float, found.image_std)),
        rescale=float(found.rescale_factor),
    )


def is_known(config: Any) -> bool:
    """Whether the kit can show images to a base with this config: its processor is upstream's of the Qwen-VL kind."""
    if not has_vision(config) or getattr(config, "image_token_id", None) is None:
        return False
    from transformers.models.auto.image_processing_auto import IMAGE_PROCESSOR_MAPPING_NAMES

    names = IMAGE_PROCESSOR_MAPPING_NAMES.get(config.model_type) or {}
    return any(name in _KIND for name in (names.values() if isinstance(names, dict) else names))


def why_no_images(config: Any) -> str:
    """Why rows with images cannot be used with a base."""
    if has_vision(config):
        return f"images for a base of this kind ({config.model_type}) are not built in; those of the Qwen-VL kind are"
    return "this base takes no images"


class RowImages:
    """The pixel values of rendered rows, made when they are asked for; the last ones are held.

    Args:
        words: of the base.
        rows: the images of each row in their order. Where a rendered row lost its oldest exchanges, it shows the last
            ones of them.
        picture_of: gives the pixels of an image as a PIL image in RGB.
    """

    def __init__(self, words: ImageInput, rows: Sequence[Sequence[Any]], picture_of: Callable[[Any], Any]):
        self.words, self.rows, self._picture_of = words, rows, picture_of
        self._held: OrderedDict[str, tuple[Any, tuple[int, int, int]]] = OrderedDict()
        self._room_bytes = _CACHE_BYTES

    def of(self, numbers: Sequence[int]) -> RowImages:
        """Those of some of the rows, by their numbers among these."""
        return RowImages(self.words, [self.rows[number] for number in numbers], self._picture_of)

    def batch(self, numbers: Sequence[int], input_ids: Any) -> dict[str, Any]:
        """What a model wants beside the ids of these rows: empty where none of them shows an image.

        Args:
            numbers: of the rows.
            input_ids: (rows, tokens) int64, padded.

        Returns:
            pixel_values (patches, values) float32, image_grid_thw (images, 3) int64 and mm_token_type_ids
            (rows, tokens) int64, 1 where a token is an image's.

        Raises:
            IntegrityError: ids and images do not fit each other, or an image was changed.
        """
        import numpy as np
        import torch

        pictured = input_ids == self.words.token_id
        shown = [
            ref
            for number, num_tokens in zip(numbers, pictured.sum(dim=1).tolist())
            for ref in self._last(self.rows[number], num_tokens)
        ]
        if not shown:
            return {}
        made = [self._patches(ref) for ref in shown]
        return {
            "pixel_values": torch.from_numpy(np.concatenate([patches for patches, _ in made])),
            "image_grid_thw": torch.tensor([grid for _, grid in made], dtype=torch.long),
            "mm_token_type_ids": pictured.long(),
        }

    def some(self, numbers: Sequence[int]) -> RowImages:
        """The images of these rows alone, numbered anew in this order."""
        return RowImages(self.words, [self.rows[number] for number in numbers], self._picture_of)

    def _last(self, refs: Sequence[Sized], num_tokens: int) -> Sequence[Sized]:
        """The last images of a row, as many as fill so many tokens."""
        start = len(refs)
        while num_tokens > 0 and start > 0:
            start -= 1
            num_tokens -= self.words.num_tokens(refs[start].width, refs[start].height)
        if num_tokens:
            raise IntegrityError(Problem("", "", "the image tokens of a row do not fit its images", fix="start anew"))
        return refs[start:]

    def _patches(self, ref: Sized) -> tuple[Any, tuple[int, int, int]]:
        held = self._held.get(ref.sha256)
        if held is not None:
            self._held.move_to_end(ref.sha256)
            return held
        made = self._held[ref.sha256] = self.words.patches(self._picture_of(ref))
        self._room_bytes -= made[0].nbytes
        while self._room_bytes < 0 and len(self._held) > 1:
            self._room_bytes += self._held.popitem(last=False)[1][0].nbytes
        return made
