"""Which rows `finetune preview` shows."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from typing import Any

from finetune.errors import DataError, Problem


def chosen_rows(arguments: argparse.Namespace, rows: Sequence[Any], most: int) -> list[int]:
    """Numbers (from 0) of the training rows that the command line asks for, at most `most` of them.

    Args:
        arguments: row, at, find, order.
        rows: the conversations to train on.

    Raises:
        DataError: there is no such row.
    """
    if arguments.row is not None:
        if arguments.row > len(rows):
            raise DataError(Problem("", "--row", f"there are {len(rows)} training rows", str(arguments.row)))
        return [arguments.row - 1]
    if arguments.at:
        found = [number for number, row in enumerate(rows) if row.where == arguments.at]
        if not found:
            what, fix = "no training row stands there", "look into check.html: it may be held out, or left out"
            raise DataError(Problem("", "--at", what, repr(arguments.at), fix))
        return found[:most]
    if arguments.find:
        found = _with_text(rows, arguments.find.casefold(), most)
        if not found:
            raise DataError(Problem("", "--find", "no training row has this text", fix="try fewer words"))
        return found
    if arguments.order == "file":
        return list(range(min(most, len(rows))))
    sizes = [sum(len(message.content) for message in row.messages) for row in rows]
    sign = -1 if arguments.order == "longest" else 1
    return sorted(range(len(rows)), key=lambda number: (sign * sizes[number], number))[:most]


def _with_text(rows: Sequence[Any], text: str, most: int) -> list[int]:
    found = []
    for number, row in enumerate(rows):
        if any(text in message.content.casefold() for message in row.messages):
            found.append(number)
            if len(found) == most:
                break
    return found
