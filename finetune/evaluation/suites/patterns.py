"""Regular expressions from data files: checked when they are loaded, bounded when they are run.

A pattern written by anybody can take exponential time in Python's `re`. So a pattern is refused when it repeats
something that itself repeats without end, refers back to a group, is too long, or is none at all; and it is run by
the `regex` library with a time limit over a reply of bounded length, so that what the check lets through costs a
moment and an error, never a hanging evaluation.
"""

from __future__ import annotations

import sys
import warnings
from functools import lru_cache
from typing import Any

from finetune.errors import DataError

MAX_PATTERN_CHARS = 1_000
MAX_REPEAT = 200  # a bounded repeat above it counts as one without end
MAX_ENDLESS = 12  # repeats without end on one way through a pattern
MAX_REPLY_CHARS = 20_000  # of a reply that are looked at
TIME_LIMIT_SECONDS = 1.0


def problem_of(pattern: str) -> str:
    """Why a pattern is not taken, one clause; "" when it is.

    Args:
        pattern: Python's regular expressions, without references back to a group.
    """
    if not isinstance(pattern, str) or not pattern:
        return "a pattern is a text that is not empty"
    if len(pattern) > MAX_PATTERN_CHARS:
        return f"a pattern has at most {MAX_PATTERN_CHARS} characters, this one has {len(pattern)}"
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            tree = _parser().parse(pattern)
    except (Exception, RecursionError) as error:  # re.error, OverflowError, a warning made an error ...
        return f"it is not a regular expression ({str(error)[:80]})"
    try:
        num = _endless(tree)
    except ValueError as error:
        return str(error)
    if num > MAX_ENDLESS:
        return f"it takes up to {num} repeats without end, {MAX_ENDLESS} at most; write {{0,40}} for *"
    try:
        compiled(pattern)
    except Exception as error:  # the one library takes what the other does not
        return f"it is not a regular expression ({str(error)[:80]})"
    return ""


@lru_cache(maxsize=4096)
def compiled(pattern: str) -> Any:
    """The pattern for `regex`: case does not count, ^ and $ are the ends of lines."""
    import regex

    return regex.compile(pattern, regex.IGNORECASE | regex.MULTILINE | regex.VERSION0)


def found(pattern: str, text: str) -> bool:
    """Whether the pattern stands anywhere in the first MAX_REPLY_CHARS of a text.

    Raises:
        DataError: it took longer than TIME_LIMIT_SECONDS.
    """
    try:
        return compiled(pattern).search(text[:MAX_REPLY_CHARS], timeout=TIME_LIMIT_SECONDS) is not None
    except TimeoutError:
        raise DataError(
            f"the pattern {pattern[:60]!r} took longer than {TIME_LIMIT_SECONDS:g} s on one reply. "
            "Fix: write bounded repeats, {0,40} for *"
        ) from None


def _endless(tree: Any, *, inside: bool = False) -> int:
    """How many repeats without end one way through a pattern takes: the power of the text's length it may cost.

    Of a choice, the costliest branch counts; what is repeated up to n times counts n times.

    Raises:
        ValueError: it cannot be bounded so; the message is the clause to show.
    """
    num = 0
    for operation, argument in tree:
        name = str(operation)
        if name in ("MAX_REPEAT", "MIN_REPEAT", "POSSESSIVE_REPEAT"):
            _, most, inner = argument
            many = int(most) > MAX_REPEAT
            within = _endless(inner, inside=inside or many)
            if many and (inside or within):
                why = "it repeats without end what itself repeats without end, as (a+)+ does"
                raise ValueError(f"{why}; write {{0,5}} for the outer one")
            if many and _holds_choice(inner):
                raise ValueError(
                    "it repeats without end what can be read in two ways, as (a|ab)* does; write {0,5} for *"
                )
            num += 1 if many else within * max(1, int(most))
        elif name in ("GROUPREF", "GROUPREF_EXISTS"):
            raise ValueError("it refers back to a group, which cannot be run in bounded time")
        elif name == "BRANCH":
            num += max(_endless(branch, inside=inside) for branch in argument[1])
        elif name == "SUBPATTERN":
            num += _endless(argument[3], inside=inside)
        elif name == "ATOMIC_GROUP":
            num += _endless(argument, inside=inside)
        elif name in ("ASSERT", "ASSERT_NOT"):
            num += _endless(argument[1], inside=inside)
    return num


def _holds_choice(tree: Any) -> bool:
    """Whether a part of a pattern has a choice or a repeat in it, at any depth."""
    for operation, argument in tree:
        name = str(operation)
        if name in ("BRANCH", "MAX_REPEAT", "MIN_REPEAT", "POSSESSIVE_REPEAT"):
            return True
        if name == "SUBPATTERN" and _holds_choice(argument[3]):
            return True
        if name == "ATOMIC_GROUP" and _holds_choice(argument):
            return True
    return False


def _parser() -> Any:
    """Python's own parser of patterns; it moved in 3.11 and has no public name."""
    if sys.version_info >= (3, 11):
        import re._parser as parser  # type: ignore[import-not-found]
    else:
        import sre_parse as parser
    return parser
