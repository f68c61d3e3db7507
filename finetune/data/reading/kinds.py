"""Kinds of data files, by their names and by their first bytes."""

from __future__ import annotations

from pathlib import Path

from finetune.data.reading.streams import SourceError
from finetune.errors import shown

KINDS = {
    ".json": "json",
    ".jsonl": "jsonl",
    ".ndjson": "jsonl",
    ".csv": "csv",
    ".tsv": "tsv",
    ".parquet": "parquet",
    ".xlsx": "xlsx",
}
PACKED = (".gz", ".zst")
ACCEPTED = "accepted are .json, .jsonl, .csv, .tsv, .parquet and .xlsx, also with .gz or .zst"

# first bytes -> (what the file is, what to do); searched before the name is believed
_UNPACK = "unpack it and name the file inside"
_CONVERT = "export it as .jsonl or .csv"
_SIGNATURES = (
    (
        b"version https://git-lfs.github.com/spec/",
        "is a Git LFS pointer, not the data",
        "run `git lfs pull` in its repository",
    ),
    (b"\x1f\x8b", "is gzip-compressed twice", _UNPACK),
    (b"\x28\xb5\x2f\xfd", "is zstd-compressed twice", _UNPACK),
    (b"\xfd7zXZ\x00", "is xz-compressed", "unpack it, or pack it as .gz or .zst"),
    (b"BZh", "is bzip2-compressed", "unpack it, or pack it as .gz or .zst"),
    (b"7z\xbc\xaf\x27\x1c", "is a 7z archive", _UNPACK),
    (b"%PDF-", "is a PDF", _CONVERT),
    (b"SQLite format 3\x00", "is an SQLite database", _CONVERT),
    (b"ARROW1", "is an Arrow file", "save it as parquet"),
)


def suffix_of(name: str) -> str:
    """The ending that tells the kind, without that of the packing: ".csv" of "rows.csv.gz"."""
    path = Path(name)
    return Path(path.stem).suffix.lower() if path.suffix.lower() in PACKED else path.suffix.lower()


def kind_of(name: str) -> str:
    """The kind a name tells, or ""."""
    return KINDS.get(suffix_of(name), "")


def refuse_strange(head: bytes, name: str, kind: str) -> str:
    """The kind to read a file as.

    Args:
        head: its first bytes, unpacked.
        name: what it is called, with its ending.
        kind: the kind the name tells, or "".

    Raises:
        SourceError: the first bytes or the name say that rows cannot be read from it.
    """
    for signature, what, fix in _SIGNATURES:
        if head.startswith(signature):
            raise SourceError(what, fix)
    if head.startswith(b"\xd0\xcf\x11\xe0"):
        what = "is an old Excel workbook (.xls) or one locked with a password"
        raise SourceError(what, "save it as .xlsx without a password, or save the sheet as CSV UTF-8")
    if head.startswith(b"PK\x03\x04") and kind != "xlsx":
        if b"xl/" in head[:4096] or suffix_of(name) in (".xls", ".xlsm"):
            raise SourceError("is an Excel workbook under another name", "save it as .xlsx")
        raise SourceError("is a zip archive", _UNPACK)
    start = head[:1024].removeprefix(b"\xef\xbb\xbf").lstrip().lower()
    if start.startswith((b"<!doctype html", b"<html", b"<head", b"<body")):
        what = "is a web page, perhaps an error page saved as data"
        raise SourceError(what, "download the file again and look at it")
    if start.startswith((b"<?xml", b"<!doctype")):
        raise SourceError("is an XML file", _CONVERT)
    if head.startswith(b"PAR1") and kind != "parquet":
        stem = name.removesuffix(Path(name).suffix)
        raise SourceError("is a parquet file under another name", f"rename it to {Path(stem).name}.parquet")
    if not kind:
        suffix = suffix_of(name)
        what = f"is of an unknown kind ({shown(suffix) if suffix else 'no ending'})"
        raise SourceError(what, f"save it under its kind: {ACCEPTED}")
    if not head and kind in ("parquet", "xlsx"):
        raise SourceError("has no rows: the file is empty", "add rows to it")
    if kind == "parquet" and not head.startswith(b"PAR1"):
        raise SourceError("is not a whole parquet file", "save or download it again")
    if kind == "xlsx" and not head.startswith(b"PK\x03\x04"):
        raise SourceError("is not an Excel workbook", "save it again as .xlsx, or name it by its kind")
    return kind
