"""Images of one row: from a column or from the parts of a turn, to the places in the texts where they stand."""

from __future__ import annotations

import base64
import binascii
import re
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from finetune.data import images
from finetune.data.converting import layouts
from finetune.data.converting.texts import Say, Seen, type_name
from finetune.data.images import ImageError
from finetune.data.shapes import IMAGE_MARK, ImageRef, Message, name_shown

# Usual names of the column with the images of a row; a path, an object with bytes, or a list of them.
COLUMNS = ("images", "image", "image_path", "图片", "图像")
PART_TYPES = ("image", "image_url", "input_image")
_PART_KEYS = ("image", "image_url", "url", "path", "bytes", "data")
# hf://, s3://, //host/share and the like: all that names a service or a machine in front, but not file://
_FETCHED = re.compile(r"(?!file:)[a-z][a-z0-9+.-]+://|//|\\\\", re.IGNORECASE)
_DATA = re.compile(r"data:image/[\w.+-]+;base64,", re.IGNORECASE)
_KNOWN = 512  # checked files that are remembered: the same image often stands in several rows


class Pictures:
    """Finds and checks the images of the rows of one file.

    Args:
        folder: of the data file, to which paths are relative; None where rows come from elsewhere.

    Attributes:
        kept: sha256 -> bytes of images that stood in the rows themselves.
        num_open: parts of the row under way that say "an image" without saying which.
        num_turned: paths of all rows that were written with \\ and are read with /.
    """

    def __init__(self, folder: Path | None):
        self.folder = folder
        self.kept: dict[str, bytes] = {}
        self.num_open = 0
        self.num_turned = 0
        self._known: dict[str, ImageRef] = {}

    def refs(self, value: Any, part: str, say: Say) -> list[ImageRef] | None:
        """The images of a column's value; None after saying what is wrong with one of them."""
        if _is_none(value):
            return []
        many = value if isinstance(value, list) else [value]
        found: list[ImageRef] = []
        for number, one in enumerate(many, 1):
            ref = self.ref(one, f"{part}, image {number}" if len(many) > 1 else part, say)
            if ref is None:
                return None
            found.append(ref)
        return found

    def ref(self, value: Any, part: str, say: Say) -> ImageRef | None:
        """One image; None after saying what is wrong with it."""
        try:
            return self._ref(value)
        except ImageError as error:
            say(part, f"the image {error.what}", "", error.fix)
            return None

    def _ref(self, value: Any) -> ImageRef:
        if isinstance(value, Mapping):
            data, path = value.get("bytes"), value.get("path")
            name = path if isinstance(path, str) else ""
            if isinstance(data, (bytes, bytearray)) and data:
                return self._of_bytes(bytes(data), name)
            if isinstance(data, str) and data.strip():  # JSON has no bytes: they are written as base64 there
                data = data.strip()
                match = _DATA.match(data)
                return self._of_bytes(_decoded(data[match.end() :] if match else data), name)
            value = path or value.get("url") or value.get("image")
        if isinstance(value, (bytes, bytearray)):
            return self._of_bytes(bytes(value), "")
        if not isinstance(value, str) or not value.strip():
            what = f"is neither a path nor an object with bytes: found {type_name(value)}"
            raise ImageError(what, "write the path of an image file, relative to the data file")
        value = value.strip()
        if match := _DATA.match(value):
            return self._of_bytes(_decoded(value[match.end() :]), "")
        if _FETCHED.match(value):
            what = "is an address on the network, and nothing is fetched for a row"
            fix = "download the image and write its path, or train on the texts alone: data.images: ignore"
            raise ImageError(what, fix)
        return self._of_path(value)

    def _of_bytes(self, data: bytes, path: str) -> ImageRef:
        ref = images.ref_of_bytes(data, Path(path).name if path else "")
        self.kept[ref.sha256] = data
        return ref

    def _of_path(self, text: str) -> ImageRef:
        text = self._with_slashes(text)
        if text in self._known:
            return self._known[text]
        if self.folder is None:
            fix = "use a data set that holds the images, or download it with them and name its files"
            raise ImageError("is a path, and the rows are not read from a local file", fix)
        name = text.removeprefix("file://")
        try:
            path = (self.folder / name).resolve()
        except (OSError, ValueError, RuntimeError):
            raise ImageError("has a path that is not possible", "correct the path") from None
        near = self.folder.resolve().parent
        if not path.is_relative_to(near):
            what = "lies neither in the data file's folder nor in one beside it"
            raise ImageError(what, "put the images beside the data file, for example into images/")
        ref = images.ref_of_file(path, name)
        if len(self._known) >= _KNOWN:
            self._known.clear()
        self._known[text] = ref
        return ref

    def _with_slashes(self, text: str) -> str:
        """A path as it is; one that was written on Windows with /, where that file exists and the other does not."""
        if "\\" not in text or self.folder is None:
            return text
        turned = text.replace("\\", "/")
        try:
            if (self.folder / text).exists() or not (self.folder / turned).exists():
                return text
        except (OSError, ValueError):
            return text
        self.num_turned += 1
        return turned

    def of_part(self, turn_part: Mapping[str, Any], part: str, say: Say) -> tuple[ImageRef, ...] | None:
        """The image of one part of a turn: none where it only says that there is one; None after saying a fault."""
        value = next((turn_part[key] for key in _PART_KEYS if turn_part.get(key)), None)
        if value is None:
            self.num_open += 1
            return ()
        ref = self.ref(value, part, say)
        return None if ref is None else (ref,)


def _decoded(text: str) -> bytes:
    try:
        return base64.b64decode("".join(text.split()), validate=True)
    except (binascii.Error, ValueError):
        raise ImageError("is no whole base64 text", "write the path of an image file") from None


def names_images(row: Mapping[str, Any]) -> bool:
    """Whether a row that is a question alone has images in one of the usual columns."""
    column = column_of(layouts.by_usual_name(row), ())
    return column is not None and not _is_none(row[column])


def images_of_row(row: Mapping[str, Any], folder: Path, say: Say) -> list[ImageRef] | None:
    """The images of a row that is a question alone, as rows of data name theirs; None after saying what is wrong.

    Args:
        folder: to which paths are relative.
    """
    column = column_of(layouts.by_usual_name(row), ())
    if column is None:
        return []
    found = Pictures(folder)
    refs = found.refs(row[column], key(column), say)
    images.keep(found.kept)
    return refs


def unmarked(turns: list[Message]) -> list[Message]:
    """Turns whose images are ignored: questions without the marks of these."""
    return [
        replace(turn, content=images.on_one_line(turn.content).replace(IMAGE_MARK, ""))
        if turn.role == "user" and IMAGE_MARK in turn.content
        else turn
        for turn in turns
    ]


def _is_none(value: Any) -> bool:
    if isinstance(value, Mapping):
        return not any(value.values())
    return value is None or value == [] or (isinstance(value, str) and not value.strip())


def column_of(names: Mapping[str, str], taken: Sequence[str | None]) -> str | None:
    """The column with the images, as the file spells it; None where there is none."""
    return next((names[name] for name in COLUMNS if name in names and names[name] not in taken), None)


def placed(
    turns: list[Message], refs: list[ImageRef], num_open: int, has_column: bool, seen: Seen, say: Say
) -> list[Message]:
    """The turns with the images of the row's column at their marks, or before the first question's text.

    Args:
        turns: those with images of their own (from parts) hold as many marks as images already.
        refs: of the column.
        num_open: image parts that left it to the column which image they mean.
        has_column: whether the row has such a column at all; else a mark is text like any other.

    Returns:
        Empty after `say` was told what is wrong.
    """
    marks = [turn.content.count(IMAGE_MARK) if turn.role == "user" and not turn.images else 0 for turn in turns]
    for turn in turns:
        if turn.role != "user" and (turn.images or (refs and IMAGE_MARK in turn.content)):
            who = {"assistant": "the answer", "system": "the system turn", "tool": "the tool's answer"}[turn.role]
            fix = "move it into a question, or remove it"
            say("", f"{who} holds an image; images stand in questions only", "", fix)
            return []
        if turn.images and turn.content.count(IMAGE_MARK) != len(turn.images):
            what = f"a question has image parts, and {IMAGE_MARK} in its text besides"
            say("", what, "", f"leave {IMAGE_MARK} out of texts beside image parts")
            return []
    if not refs and not num_open and not (has_column and sum(marks)):
        return turns
    if refs and not sum(marks):
        first = next((k for k, turn in enumerate(turns) if turn.role == "user"), None)
        if first is None:
            return turns  # refused for that soon
        turn = turns[first]
        made = replace(turn, content=IMAGE_MARK * len(refs) + turn.content, images=(*refs, *turn.images))
        seen.counts["images_first"] += 1
        return [*turns[:first], made, *turns[first + 1 :]]
    if sum(marks) != len(refs):
        what = f"the number of {IMAGE_MARK} in the questions is not the number of images"
        say("", what, "", f"write {IMAGE_MARK} once for each image, or leave it out everywhere")
        return []
    rest = iter(refs)
    return [
        replace(turn, content=images.on_one_line(turn.content), images=tuple(next(rest) for _ in range(num)))
        if num
        else turn
        for turn, num in zip(turns, marks)
    ]


def key(column: str) -> str:
    """A column as messages name it."""
    return f"key {name_shown(column, named=True)}"
