"""A text in two languages, and how the page holds both."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

from markupsafe import Markup, escape


class Said(NamedTuple):
    """A text in English and in Chinese; equal where it is a name, a number or a text that nobody translates."""

    en: str
    zh: str


class Count(int):
    """A number in a text: `{n}` prints 1,234; `{n:row|rows}` the word that fits it."""

    def __format__(self, spec: str) -> str:
        if "|" in spec:
            return spec.split("|")[0 if self == 1 else 1]
        return f"{int(self):,}"


def say(texts: Mapping[str, tuple[str, str]], key: str, **values: Any) -> Said:
    """The text of a key in both languages; a value may be in two languages itself."""
    made = []
    for number, text in enumerate(texts[key]):
        parts = {name: _value(value, number) for name, value in values.items()}
        made.append(text.format_map(parts) if parts else text)
    return Said(*made)


def _value(value: Any, number: int) -> Any:
    if isinstance(value, Said):
        return value[number]
    return Count(value) if isinstance(value, int) and not isinstance(value, bool) else value


def marked(said: Any) -> Markup:
    """As it stands in the page: once where both languages say the same, else both, and the style hides one.

    A text of ours that has no Chinese (yet) is marked as English, so that it is read aloud and broken as such.
    """
    if not isinstance(said, Said):
        return escape(said)
    if said.en == said.zh:
        return escape(said.en)
    pair = '<span class="en">{}</span><span class="zh" lang="zh-Hans">{}</span>'
    return Markup(pair).format(said.en, said.zh)


def joined(parts: list[Said], between: Said) -> Said:
    """Several texts, one behind the other, with a mark between them."""
    return Said(between.en.join(part.en for part in parts), between.zh.join(part.zh for part in parts))
