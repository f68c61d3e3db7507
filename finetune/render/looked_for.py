"""What a chat template looks for in the texts it is given: read off the template, not off the texts."""

from __future__ import annotations

from collections.abc import Sequence

_ROLES = frozenset(("system", "user", "assistant", "tool", "developer", "function", "ipython", "model"))
_KEYS = frozenset(("role", "content", "tool_calls", "name", "type", "text", "reasoning_content", "thinking", "image"))
_LOOKS_INTO = frozenset(
    ("split", "rsplit", "splitlines", "partition", "rpartition", "startswith", "endswith", "replace", "find", "rfind",
     "index", "count", "strip", "lstrip", "rstrip", "removeprefix", "removesuffix", "trim", "match", "search", "in")
)  # fmt: skip


def words_looked_for(template: str) -> set[str]:
    """Words that the template looks for in something, so that a text which holds them may be written otherwise.

    Read off the template's tokens: string constants beside `in`, `==` and `!=`, and those handed to what looks into
    a text (split, startswith, replace ...). Names of roles, compared as such, and keys of messages are none.
    """
    from jinja2 import Environment

    tokens = [
        (kind, value)
        for _, kind, value in Environment().lex(template)
        if kind not in ("whitespace", "data", "comment", "comment_begin", "comment_end")
    ]
    found = set()
    for place, (kind, value) in enumerate(tokens):
        if kind != "string":
            continue
        # As Jinja reads a string; unlike Python's, it may hold line ends.
        word = value[1:-1].encode("ascii", "backslashreplace").decode("unicode-escape")
        if not word.strip():
            continue  # blanks: the text that comes out is compared letter by letter
        before = [entry for _, entry in tokens[max(0, place - 3) : place]]
        after = [entry for _, entry in tokens[place + 1 : place + 4]]
        compared = before[-1:] in (["=="], ["!="]) or after[:1] in (["=="], ["!="])
        looked_up = after[:1] == ["in"] or after[:2] == ["not", "in"]
        handed = _caller_of(tokens, place) in _LOOKS_INTO
        if compared and word in _ROLES and not handed:
            continue
        if looked_up and word in _KEYS and "content" not in after:
            continue
        if compared or looked_up or handed:
            found.add(word)
    return found


def _caller_of(tokens: Sequence[tuple[str, str]], place: int) -> str | None:
    """The name of the method or filter in whose brackets a token stands."""
    depth = 0
    for index in range(place - 1, -1, -1):
        kind, value = tokens[index]
        if kind.endswith(("_begin", "_end")):
            return None
        if value in (")", "]", "}"):
            depth += 1
        elif value in ("[", "{"):
            depth -= 1
        elif value == "(":
            if depth <= 0:
                return tokens[index - 1][1] if index and tokens[index - 1][0] == "name" else None
            depth -= 1
    return None
