"""Images of rows: what they must be, and how they are read. Nothing is fetched, and no image is written anywhere.

Only the pixels go on: an orientation mark is applied, and everything else that a camera writes beside the pixels
(places, dates, names) is left behind in the file.
"""

from __future__ import annotations

import atexit
import hashlib
import io
import os
import re
import warnings
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from finetune.data.shapes import IMAGE_MARK, ImageRef, Message
from finetune.errors import DataError, IntegrityError, Problem

if TYPE_CHECKING:
    from PIL import Image

MAX_FILE_BYTES = 64 * 1024**2
# Larger ones are not opened: a file of a few kilobytes can unpack to gigabytes.
MAX_SIDE_PIXELS = 32_768
MAX_PIXELS = 64 * 1024**2
MAX_ASPECT = 199.0  # image processors of the Qwen-VL kind refuse 200 and more
FORMATS = ("PNG", "JPEG", "WEBP", "GIF", "BMP")
ACCEPTED = "PNG, JPEG, WebP, GIF and BMP"
_ORIENTATION = 0x0112  # EXIF tag; 5 to 8 turn the image by a quarter
# Greys finer than 8 bits come in files of 16; what measured them (X-ray, scanner) often fills 12 or 14 of these.
_GREY_BITS = (12, 14, 16)
_PREVIEW_PIXELS = 64  # as small as this a JPEG may be unpacked to see that it is whole

_LINE_AFTER = re.compile(rf"\A((?:{IMAGE_MARK}[ \t]*\n?)*{IMAGE_MARK})[ \t]*\r?\n")
_LINE_BEFORE = re.compile(rf"\r?\n({IMAGE_MARK}(?:\n?[ \t]*{IMAGE_MARK})*)\s*\Z")

_kept_folder: Path | None = None


class ImageError(Exception):
    """An image that cannot be used. `what` tells nothing of its content, `fix` what to do."""

    def __init__(self, what: str, fix: str):
        super().__init__(what)
        self.what, self.fix = what, fix


@dataclass(frozen=True)
class HeldImage(ImageRef):
    """An image whose bytes are held in memory, as a visitor of the demo shows one.

    Attributes:
        data: its bytes.
        small: a place for a small copy, which the demo fills.
    """

    data: bytes = field(default=b"", repr=False)
    small: list[str] = field(default_factory=list, repr=False, compare=False)


def look_at(data: bytes) -> tuple[int, int]:
    """(width, height) in pixels, upright, of an image that is whole.

    Raises:
        ImageError: it is too large, cut off, or no image of a kind that is read.
    """
    image = _opened(data)
    width, height = image.size
    turned = _orientation(image) in (5, 6, 7, 8)
    # A JPEG is unpacked at an eighth of its size: every byte is read, and most of the time is saved.
    image.draft(None, (_PREVIEW_PIXELS, _PREVIEW_PIXELS))
    _unpack(image)
    return (height, width) if turned else (width, height)


def upright(data: bytes) -> Image.Image:
    """The pixels as RGB, turned as the orientation mark says; what is transparent becomes white. Nothing else is kept.

    Greys of 16 bits are made 8 over their whole range, not cut off at 255: see `_eight_bits`.

    Raises:
        ImageError: as `look_at`.
    """
    from PIL import Image, ImageOps

    image = _opened(data)
    _unpack(image)
    _orientation(image)
    image = ImageOps.exif_transpose(image)
    if image.mode == "I" or image.mode.startswith("I;16"):
        image = _eight_bits(image)
    if image.mode in ("RGBA", "LA", "PA") or "transparency" in image.info:
        above = image.convert("RGBA")
        image = Image.new("RGBA", above.size, "white")
        image.alpha_composite(above)
    made = Image.new("RGB", image.size)
    made.paste(image.convert("RGB"))
    return made


def _opened(data: bytes) -> Image.Image:
    """The header is read, and the size is known to be within the limits."""
    from PIL import Image, UnidentifiedImageError

    if not data:
        raise ImageError("is empty", "save or download it again")
    image = None
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", Image.DecompressionBombWarning)  # our own limit is lower and comes next
            image = Image.open(io.BytesIO(data), formats=FORMATS)  # the header alone: nothing is unpacked
        num_pixels, longest = image.width * image.height, max(image.size)
    except Image.DecompressionBombError:
        num_pixels = longest = MAX_PIXELS + 1  # Pillow's own limit is higher
    except UnidentifiedImageError:
        raise ImageError("is no image that can be read", f"{ACCEPTED} are read; convert it") from None
    except Exception as error:  # Pillow's readers raise of many kinds on broken files
        raise _broken(error) from None
    # No number stands in what is wrong, as rows with the same fault are told of together and without their numbers.
    if image is None or num_pixels > MAX_PIXELS or longest > MAX_SIDE_PIXELS:
        fix = f"make it smaller: at most {MAX_PIXELS:,} pixels in all and {MAX_SIDE_PIXELS:,} a side are read"
        raise ImageError("has too many pixels", fix)
    if min(image.size) < 1 or longest / min(image.size) > MAX_ASPECT:
        fix = f"cut or join it to another shape: at most {MAX_ASPECT:.0f} times as long as wide"
        raise ImageError("is too narrow", fix)
    return image


def _orientation(image: Image.Image) -> Any:
    """The orientation mark. Only for an image of known size: of some formats it is looked for by unpacking."""
    try:
        return image.getexif().get(_ORIENTATION)
    except Exception as error:  # as in `_opened`
        raise _broken(error) from None


def _eight_bits(image: Image.Image) -> Image.Image:
    """Grey values of up to 16 bits as 8: the fewest of 12, 14 and 16 bits that hold the brightest become 0 to 255.

    Pillow's own conversion cuts at 255, which makes nearly all of an X-ray or a scan white.
    """
    import numpy as np
    from PIL import Image

    values = np.asarray(image).clip(0, 65_535)
    brightest = int(values.max())
    top = next(2**bits - 1 for bits in _GREY_BITS if brightest < 2**bits)
    table = ((np.arange(65_536, dtype=np.int64) * 255 + top // 2) // top).clip(0, 255).astype(np.uint8)
    clear = image.info.get("transparency")
    if isinstance(clear, int) and 0 <= clear <= 65_535:
        table[clear] = 255  # one grey that stands for "transparent": white, as elsewhere
    return Image.fromarray(table[values])


def _unpack(image: Image.Image) -> None:
    try:
        image.load()
    except Exception as error:  # as above
        raise _broken(error) from None


def _broken(error: Exception) -> ImageError:
    if isinstance(error, MemoryError):
        return ImageError("does not fit into memory", "make it smaller")
    return ImageError("is damaged or cut off", "save or download it again")


def read_file(path: Path) -> bytes:
    """The bytes of an image file.

    Raises:
        ImageError: it is missing, no plain file, too large, or cannot be read.
    """
    try:
        if not path.exists():
            raise ImageError("is missing: there is no such file", "correct the path, or put the image there")
        if not path.is_file():
            raise ImageError("is no file", "name an image file")
        _check_bytes(path.stat().st_size)
        return path.read_bytes()
    except (OSError, ValueError) as error:
        reason = (error.strerror if isinstance(error, OSError) else None) or "the path is not possible"
        raise ImageError(f"cannot be read: {reason}", "correct the path, or its rights") from None


def _check_bytes(num_bytes: int) -> None:
    if num_bytes > MAX_FILE_BYTES:
        raise ImageError("has too many bytes", f"save it smaller: at most {MAX_FILE_BYTES // 1024**2} MiB are read")


def ref_of_file(path: Path, name: str = "") -> ImageRef:
    """An image file, read and checked.

    Raises:
        ImageError: see `look_at` and `read_file`.
    """
    data = read_file(path)
    width, height = look_at(data)
    return ImageRef(hashlib.sha256(data).hexdigest(), width, height, str(path.absolute()), name or path.name)


def ref_of_bytes(data: bytes, name: str = "") -> ImageRef:
    """An image that stands in a row itself; `keep` must be told of its bytes.

    Raises:
        ImageError: see `look_at`.
    """
    _check_bytes(len(data))
    width, height = look_at(data)
    return ImageRef(hashlib.sha256(data).hexdigest(), width, height, "", name)


def keep(found: Mapping[str, bytes]) -> None:
    """Put images that stood in rows into this program's private folder, once each; it goes when the program ends.

    Args:
        found: sha256 -> bytes.

    Raises:
        SurroundingsError: the disk has no room for them.
    """
    global _kept_folder
    from finetune.data import store

    if not found:
        return
    if _kept_folder is None:
        _kept_folder = store.private_folder()
        atexit.register(store.remove, _kept_folder, os.getpid())
    try:
        for digest, data in found.items():
            path = _kept_folder / digest
            if not path.exists():
                path.write_bytes(data)
    except OSError as error:
        raise store.disk_full(sum(map(len, found.values())), error) from None


def data_of(ref: ImageRef) -> bytes:
    """The bytes of an image.

    Raises:
        DataError: its file is gone or cannot be read.
        IntegrityError: its file is another one than when the row was read.
    """
    if isinstance(ref, HeldImage):
        return ref.data
    path = Path(ref.path) if ref.path else (_kept_folder or Path()) / ref.sha256
    where = ref.name or "image"
    try:
        data = read_file(path)
    except ImageError as error:
        raise DataError(Problem(where, "", error.what, fix=error.fix)) from None
    if hashlib.sha256(data).hexdigest() != ref.sha256:
        fix = "put the image back as it was, or start anew"
        raise IntegrityError(Problem(where, "", "the image was changed since its row was read", fix=fix))
    return data


def picture_of(ref: ImageRef) -> Image.Image:
    """The pixels of a row's image, as `upright` gives them.

    Raises:
        DataError, IntegrityError: see `data_of`.
    """
    try:
        return upright(data_of(ref))
    except ImageError as error:
        raise DataError(Problem(ref.name or "image", "", error.what, fix=error.fix)) from None


def without_marks(message: Message) -> Message:
    """The turn as its text alone, for what looks at words."""
    if not message.images:
        return message
    return replace(message, content=message.content.replace(IMAGE_MARK, ""), images=())


def on_one_line(text: str) -> str:
    """Line ends between an image and the text after or before it left off: they belong to the mark, not to the text."""
    return _LINE_BEFORE.sub(r"\1", _LINE_AFTER.sub(r"\1", text))


def written(ref: ImageRef) -> dict[str, Any] | str:
    """How a mended row names an image: its file, or its pixels (and nothing beside them) as a data: address.

    Raises:
        DataError, IntegrityError: see `data_of`.
    """
    if ref.path:
        return ref.name
    import base64

    buffer = io.BytesIO()
    picture_of(ref).save(buffer, "PNG")
    return "data:image/png;base64," + base64.b64encode(buffer.getvalue()).decode("ascii")


def held_image(file: str | Path) -> HeldImage:
    """An image file, read into memory and checked; the file may be deleted.

    Raises:
        DataError: it is missing, or no whole image within the limits.
    """
    try:
        data = read_file(Path(file))
        width, height = look_at(data)
    except ImageError as error:
        raise DataError(Problem("", "", f"the image {error.what}", fix=error.fix)) from None
    return HeldImage(hashlib.sha256(data).hexdigest(), width, height, data=data)


def question_with(text: str, files: Sequence[str | Path]) -> dict[str, Any]:
    """A user's turn that shows image files, as finetune.generation.Engine takes it; see `question_of`.

    Raises:
        DataError: a file is missing, or no whole image within the limits; or the text has other places for images.
    """
    shown: list[ImageRef] = []
    problems: list[str | Problem] = []
    for file in map(Path, files):
        try:
            shown.append(ref_of_file(file))
        except ImageError as error:
            problems.append(Problem(file.name, "", f"the image {error.what}", fix=error.fix))
    if problems:
        raise DataError(problems)
    return question_of(text, shown)


def question_of(text: str, shown: Sequence[ImageRef]) -> dict[str, Any]:
    """A user's turn that shows images: at the places that its text marks, or before the text where it marks none.

    Raises:
        DataError: the text marks some places, and not one for each image.
    """
    if not shown:
        return {"role": "user", "content": text}
    num_marks = text.count(IMAGE_MARK)
    if num_marks not in (0, len(shown)):
        what = f"the number of {IMAGE_MARK} in the question is not the number of its images"
        fix = f"write {IMAGE_MARK} once for each image, or leave it out"
        raise DataError(Problem("", "", what, f"{num_marks} and {len(shown)}", fix))
    placed = on_one_line(text) if num_marks else IMAGE_MARK * len(shown) + text
    return {"role": "user", "content": placed, "images": list(shown)}
