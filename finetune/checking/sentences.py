"""Chinese for the lines that other rooms say in English: problems, remedies, notes, warnings."""

from __future__ import annotations

import functools
import re

from finetune.checking.sentence_words import SENTENCES

_SLOT = re.compile(r"\{([a-zA-Z])\}")


def told(line: str, language: str) -> tuple[str, str]:
    """(the line in a language, the language it is in): English where no translation is at hand."""
    if language == "en" or not line:
        return line, language
    chinese = _chinese(line)
    return (chinese, "zh") if chinese is not None else (line, "en")


def _chinese(line: str) -> str | None:
    exact, patterns = _table()
    if line in exact:
        return exact[line]
    for pattern, chinese in patterns:
        match = pattern.fullmatch(line)
        if match is None:
            continue
        found = match.groupdict()
        for name, text in found.items():
            if name.isupper():
                # A sentence within the sentence; where it is not known, neither is the whole.
                inner = _chinese(text)
                if inner is None:
                    break
                found[name] = inner
        else:
            return _SLOT.sub(lambda slot, values=found: values[slot[1]], chinese)
    # "key answer: the answer is empty", "held.csv: columns not used: id"
    head, colon, rest = line.partition(": ")
    if colon and len(head.split()) <= 3 and (inner := _chinese(rest)) is not None:
        head = re.sub(r"^key ", "键 ", head)
        return f"{head}：{inner}"
    return None


@functools.cache
def _table() -> tuple[dict[str, str], list[tuple[re.Pattern[str], str]]]:
    """(lines without a slot, patterns of the others); see sentence_words for how they are written."""
    exact, patterns = {}, []
    for english, chinese in SENTENCES:
        if not _SLOT.search(english) and "(s)" not in english and not re.search(r"\[\w+\|\w", english):
            exact[english] = chinese
            continue
        pattern = re.escape(english).replace(r"\(s\)", "s?")
        pattern = re.sub(r"\\\[(\w+(?:\\\|\w+)+)\\\]", lambda m: "(?:" + m[1].replace(r"\|", "|") + ")", pattern)
        pattern = re.sub(r"\\\{([a-zA-Z])\\\}", r"(?P<\1>.+?)", pattern)
        patterns.append((re.compile(pattern, re.DOTALL), chinese))
    return exact, patterns
