"""Which files the recipe means, and their bytes: kinds, wrong names, encodings, and the hash."""

from __future__ import annotations

import glob
import hashlib
import os
import stat
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from finetune.data.shapes import plural
from finetune.errors import Problem, shown

MAX_FILE_BYTES = 2 * 1024**3  # a file is held in memory once; larger ones are cut by the user, not by us
KINDS = {
    ".json": "json",
    ".jsonl": "jsonl",
    ".ndjson": "jsonl",
    ".csv": "csv",
    ".tsv": "tsv",
    ".parquet": "parquet",
}
ACCEPTED = "accepted are .json, .jsonl, .csv, .tsv and .parquet"

# first bytes -> (what the file is, what to do); searched before the name is believed
_COMPRESSED = "unpack it and name the file inside (compressed files are not available yet)"
_WORKBOOK = "save the sheet as CSV UTF-8 (Excel workbooks are not available yet)"
_CONVERT = "export it as .jsonl or .csv"
_SIGNATURES = (
    (
        b"version https://git-lfs.github.com/spec/",
        "is a Git LFS pointer, not the data",
        "run `git lfs pull` in its repository",
    ),
    (b"\x1f\x8b", "is gzip-compressed", _COMPRESSED),
    (b"\x28\xb5\x2f\xfd", "is zstd-compressed", _COMPRESSED),
    (b"\xfd7zXZ\x00", "is xz-compressed", _COMPRESSED),
    (b"BZh", "is bzip2-compressed", _COMPRESSED),
    (b"PK\x03\x04", "is a zip archive", _COMPRESSED),
    (b"\xd0\xcf\x11\xe0", "is an old Excel or Word file", _WORKBOOK),
    (b"%PDF-", "is a PDF", _CONVERT),
    (b"SQLite format 3\x00", "is an SQLite database", _CONVERT),
    (b"ARROW1", "is an Arrow file", "save it as parquet"),
)


@dataclass(frozen=True)
class DataFile:
    """A file to read. `name` is what messages and the report call it: as the recipe wrote it."""

    path: Path
    name: str


@dataclass(frozen=True)
class Content:
    """The bytes of one file, read once. `text` is None for parquet, and without any byte-order mark."""

    kind: str
    data: bytes
    text: str | None
    sha256: str
    encoding: str


def find(
    key: str,
    value: str | Sequence[str],
    path_of: Callable[[str, str], Path],
    where: str,
    problems: list[Problem],
) -> list[DataFile]:
    """The files that a recipe value names, patterns filled in, in the order written and then by name.

    Args:
        key: the dotted recipe key, `data.train` or `data.held_out`.
        value: a path, a pattern, or a list of them.
        path_of: (key, value) -> path, relative to the recipe that set the key.
        where: the place of the key in the recipe.
        problems: gets one entry per value that names nothing readable.
    """
    found: list[DataFile] = []
    values = [value] if isinstance(value, str) else list(value)
    if not values:
        problems.append(Problem(where, key, "names no file", fix="name at least one data file"))
    for one in values:
        found += _find_one(key, one, path_of, where, problems)
    seen: dict[Path, str] = {}
    unique = []
    for file in found:
        real = Path(os.path.realpath(file.path))
        if real in seen:
            twice = f"{file.name} is named twice" if file.name == seen[real] else f"{file.name} is {seen[real]} again"
            problems.append(Problem(where, key, twice, fix="name each file once"))
        else:
            seen[real] = file.name
            unique.append(file)
    return unique


def _find_one(
    key: str, value: str, path_of: Callable[[str, str], Path], where: str, problems: list[Problem]
) -> list[DataFile]:
    def refuse(what: str, fix: str) -> list[DataFile]:
        problems.append(Problem(where, key, what, shown(value), fix))
        return []

    if value.startswith("hub:"):
        return refuse("data sets of the Hub are not available yet", "download the file and name it here")
    if value.startswith(("http://", "https://")):
        return refuse("a data file is not read from a URL", "download the file and name it here")
    if not value.strip() or "\x00" in value:
        return refuse("is not a file name", "name a data file")
    path = path_of(key, value)
    if os.path.lexists(path):
        return [DataFile(path, _name(value))]
    folder = path_of(key, ".")
    if glob.has_magic(value):
        hits = sorted(glob.glob(os.path.expanduser(value), root_dir=folder, recursive=True))
        files = [DataFile(folder / hit, _name(hit)) for hit in hits if not (folder / hit).is_dir()]
        if files:
            return files
        start = Path(value[: len(value) - len(value.lstrip("/"))] or ".")
        for part in Path(value).parts:
            if glob.has_magic(part):
                break
            start = start / part
        if not (folder / start).is_dir():
            return refuse(f"no file matches, there is no folder {_name(str(start))}", "check the folder's name")
        return refuse(f"no file matches in the folder {_name(str(start))}", "check the pattern and the folder")
    if not path.parent.is_dir():
        return refuse(f"there is no such file, nor a folder {_name(str(Path(value).parent))}", "check the path")
    return refuse("there is no such file", "check the name; a path is relative to the recipe that names it")


def _name(value: str) -> str:
    """What a file is called in messages: as written when relative, else its last part (no machine path)."""
    return Path(value).name or "/" if os.path.isabs(value) else Path(value).as_posix()


def read(file: DataFile, problems: list[Problem]) -> Content | None:
    """Read one file whole, hash it, and refuse what is not the kind its name says.

    Returns None after adding the reason to `problems`.
    """

    def refuse(what: str, fix: str, line: int | None = None) -> None:
        where = file.name if line is None else f"{file.name}:{line}"
        problems.append(Problem(where, "", what, fix=fix))

    data = _bytes_of(file, refuse)
    if data is None:
        return None
    suffix = Path(file.name).suffix.lower()
    kind = KINDS.get(suffix)
    strange = _strange(data, suffix, kind, file.name)
    if strange:
        return refuse(*strange)
    assert kind is not None
    sha256 = hashlib.sha256(data).hexdigest()
    if kind == "parquet":
        return Content(kind, data, None, sha256, "parquet")
    if not data.strip(b"\xef\xbb\xbf \t\r\n"):
        return refuse("has no rows: " + ("the file is empty" if not data else "only blank lines"), "add rows to it")
    wide = _utf_16(data)
    if wide:
        fix = f"convert it: iconv -f {wide} -t UTF-8 (reading it as it is is not available yet)"
        return refuse(f"looks like {wide}, UTF-8 is needed", fix)
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        # the codec cuts a BOM off before it counts
        offset = error.start + (3 if data.startswith(b"\xef\xbb\xbf") else 0)
        return refuse(*_not_utf_8(data, offset), line=data.count(b"\n", 0, offset) + 1)
    encoding = "utf-8 with byte-order mark" if data.startswith(b"\xef\xbb\xbf") else "utf-8"
    return Content(kind, data, text, sha256, encoding)


def _bytes_of(file: DataFile, refuse: Callable[[str, str], None]) -> bytes | None:
    try:
        mode = os.stat(file.path)
        if stat.S_ISDIR(mode.st_mode):
            return refuse("is a folder", f"name the files in it, as {file.name}/*.jsonl")
        # opening a pipe would wait for ever, a device may never end
        if not stat.S_ISREG(mode.st_mode):
            return refuse("is not a plain file (a pipe, socket or device)", "save the data to a file first")
        if mode.st_size > MAX_FILE_BYTES:
            return refuse(f"holds {mode.st_size:,} bytes, the limit is {MAX_FILE_BYTES:,}", "cut it into several files")
        return file.path.read_bytes()
    except FileNotFoundError:
        return refuse("there is no such file (a link that leads nowhere)", "check where the link points")
    except (OSError, ValueError) as error:
        reason = error.strerror if isinstance(error, OSError) and error.strerror else "it cannot be opened"
        return refuse(f"cannot be read: {reason}", "check the file and its permissions")


def _strange(data: bytes, suffix: str, kind: str | None, name: str) -> tuple[str, str] | None:
    """(what, fix) where the first bytes or the name say that the rows cannot be read from this file."""
    for signature, what, fix in _SIGNATURES:
        if data.startswith(signature):
            if suffix in (".xlsx", ".xlsm", ".xls"):
                return "is an Excel workbook", _WORKBOOK
            return what, fix
    head = data[:1024].removeprefix(b"\xef\xbb\xbf").lstrip().lower()
    if head.startswith((b"<!doctype html", b"<html", b"<head", b"<body")):
        return "is a web page, perhaps an error page saved as data", "download the file again and look at it"
    if head.startswith((b"<?xml", b"<!doctype")):
        return "is an XML file", _CONVERT
    if data.startswith(b"PAR1") and kind != "parquet":
        return "is a parquet file under another name", f"rename it to {Path(name).stem}.parquet"
    if kind == "parquet" and data and not (data.startswith(b"PAR1") and data.endswith(b"PAR1")):
        return "is not a whole parquet file", "save or download it again"
    if kind == "parquet" and not data:
        return "has no rows: the file is empty", "add rows to it"
    if kind is None:
        return (
            f"is of an unknown kind ({shown(suffix) if suffix else 'no ending'})",
            f"save it under its kind: {ACCEPTED}",
        )
    return None


def _utf_16(data: bytes) -> str | None:
    if data.startswith((b"\xff\xfe\x00\x00", b"\x00\x00\xfe\xff")):
        return "UTF-32"
    if data.startswith((b"\xff\xfe", b"\xfe\xff")):
        return "UTF-16"
    head = data[:4096]
    # without a mark: Latin letters leave every other byte zero, which no UTF-8 text does
    even, odd = head[0::2].count(0), head[1::2].count(0)
    if len(head) >= 8 and max(even, odd) > len(head) * 0.3 and min(even, odd) < len(head) * 0.05:
        return "UTF-16LE" if odd > even else "UTF-16BE"
    return None


def _not_utf_8(data: bytes, offset: int) -> tuple[str, str]:
    place = f"byte 0x{data[offset]:02x} at offset {offset:,} is not UTF-8"
    sample = data[:1_000_000]
    high = [value >= 0x80 for value in sample]
    num_high = sum(high)
    num_paired = sum(
        1 for index, value in enumerate(high) if value and (high[index - 1] or high[index + 1 : index + 2] == [True])
    )
    # Chinese in GB18030 is runs of byte pairs; an accented letter in Latin-1 stands alone
    if num_high >= 4 and num_paired > 0.8 * num_high:
        try:
            data.decode("gb18030")
            fix = "convert it: iconv -f GB18030 -t UTF-8 (reading GB18030 as it is is not available yet)"
            return f"{place}; the file looks like GB18030 (Chinese)", fix
        except UnicodeDecodeError:
            pass
    num_bad = plural(len(data.decode("utf-8", "replace").split("\ufffd")) - 1, "such place")
    fix = "convert the file to UTF-8, perhaps from Windows-1252: iconv -f WINDOWS-1252 -t UTF-8"
    return f"{place} ({num_bad})", fix
