"""Chinese for the lines that other rooms say in English: problems, remedies, notes, warnings."""

from __future__ import annotations

import functools
import re

from finetune.checking.sentence_words import SENTENCES
from finetune.checking.sentences_of_files import COUNTED, FILE_SENTENCES, WORDS
from finetune.checking.sentences_of_images import IMAGE_SENTENCES
from finetune.checking.sentences_of_models import MODEL_SENTENCES

_SLOT = re.compile(r"\{([a-zA-Z])\}")
_PART = re.compile(r"(key|message) ([^\s:]+): ")
_COUNT = re.compile(r"(\d[\d,]*) ([a-z -]+?)s?")
# Chinese is written without a blank between its characters.
_BLANK = re.compile(r"(?<=[\u3000-\u303f\u4e00-\u9fff\uff00-\uffef]) (?=[\u4e00-\u9fff])")


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
    # "key answer: the answer is empty", "message 2: role is unknown"
    if (part := _PART.match(line)) and (inner := _chinese(line[part.end() :])) is not None:
        return f"{'键' if part[1] == 'key' else '消息'} {part[2]}：{inner}"
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
            words = {name: text if name.isupper() else _value(text) for name, text in found.items()}
            return _BLANK.sub("", _SLOT.sub(lambda slot, values=words: values[slot[1]], chinese))
    # "held.csv: columns not used: id"
    head, colon, rest = line.partition(": ")
    if colon and len(head.split()) <= 3 and (inner := _chinese(rest)) is not None:
        return f"{head}：{inner}"
    return None


def _value(text: str) -> str:
    """A value within a line: known words and counts in Chinese, all else (names, places, numbers) as it is."""
    parts = [_word(part) for part in text.split(", ")]
    return text if None in parts else "、".join(filter(None, parts))


def _word(text: str) -> str | None:
    if text in WORDS:
        return WORDS[text]
    if (count := _COUNT.fullmatch(text)) and count[2] in COUNTED:
        return f"{count[1]} {COUNTED[count[2]]}"
    words, _, number = text.rpartition(" ")  # "its question 3"
    return f"{WORDS[words]} {number}" if words in WORDS and number.isdigit() else None


@functools.cache
def _table() -> tuple[dict[str, str], list[tuple[re.Pattern[str], str]]]:
    """(lines without a slot, patterns of the others); see sentence_words for how they are written."""
    exact, patterns = {}, []
    for english, chinese in (*SENTENCES, *FILE_SENTENCES, *IMAGE_SENTENCES, *MODEL_SENTENCES):
        if not _SLOT.search(english) and "(s)" not in english and not re.search(r"\[\w+\|\w", english):
            exact[english] = chinese
            continue
        pattern = re.escape(english).replace(r"\(s\)", "s?")
        pattern = re.sub(
            r"\\\[([\w\\-]+(?:\\\|[\w\\-]+)+)\\\]", lambda m: "(?:" + m[1].replace(r"\|", "|") + ")", pattern
        )
        pattern = re.sub(r"\\\{([a-zA-Z])\\\}", r"(?P<\1>.+?)", pattern)
        patterns.append((re.compile(pattern, re.DOTALL), chinese))
    # What says more fits before what says less: "sheet {x}, the first with rows" before "sheet {x}".
    patterns.sort(key=lambda pair: -len(re.sub(r"\(.+?\)|\\", "", pair[0].pattern)))
    return exact, patterns
