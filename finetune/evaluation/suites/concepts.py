"""Concepts: named things a reply can do, as patterns in each language. Data, not code: concepts/*.json.

    {"urgent_care": {"about": "Sends the reader to emergency care now.",
                     "en": {"any": ["call (?:911|999|112)", "emergency (?:room|department)"],
                            "unless": ["(?:no|not|n't) need to"], "unless_anywhere": []},
                     "zh": {"any": ["拨打\\s?120", "急诊"], "unless": ["不必", "无需"]}}}

A reply shows a concept when one of its sentences holds one of `any` and that sentence holds none of `unless`, and no
sentence holds one of `unless_anywhere`. Every language of a concept is tried, as a model asked in Chinese may answer
in English. Case does not count; curly quotes and full-width digits are plain ones.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from functools import lru_cache
from pathlib import Path
from typing import Any

from finetune.errors import DataError, Problem, shown
from finetune.evaluation.suites import patterns, texts

FOLDER = Path(__file__).resolve().parent / "concepts"
LANGUAGES = ("en", "zh")
LISTS = ("any", "unless", "unless_anywhere")
Concepts = Mapping[str, Mapping[str, Any]]


@lru_cache(maxsize=1)
def shipped_concepts() -> dict[str, dict[str, Any]]:
    """Name -> concept of every concepts/*.json. Whether they are well formed is asked by the suite that names them.

    Raises:
        DataError: a file is no map in JSON, or two files define one name; all problems at once.
    """
    merged: dict[str, dict[str, Any]] = {}
    problems: list[Problem] = []
    for path in sorted(FOLDER.glob("*.json")):
        try:
            read = json.loads(path.read_text(encoding="utf-8"), object_pairs_hook=_no_key_twice)
        except ValueError as error:
            problems.append(Problem(path.name, "", f"is no JSON file ({error})"))
            continue
        if not isinstance(read, dict):
            problems.append(Problem(path.name, "", "is not a map of name to concept"))
            continue
        for name, concept in read.items():
            if name in merged:
                problems.append(Problem(path.name, name, "is defined in another file too", "", "give it its own name"))
            merged[name] = concept
    if problems:
        raise DataError(problems)
    return merged


def problems_of(read: Any, where: str) -> list[Problem]:
    """Everything that is wrong with a map of concepts, as read from a file."""
    if not isinstance(read, dict):
        return [Problem(where, "concepts", "is not a map of name to concept", shown(read))]
    problems = []
    for name, concept in read.items():
        key = f"concepts.{name}"
        if not isinstance(concept, dict):
            problems.append(Problem(where, key, "is not a map", shown(concept), 'write {"en": {"any": [...]}}'))
            continue
        if not any(language in concept for language in LANGUAGES):
            problems.append(Problem(where, key, "has no language", "", f"add one of {', '.join(LANGUAGES)}"))
        for word, value in concept.items():
            if word == "about":
                if not isinstance(value, str):
                    problems.append(Problem(where, f"{key}.about", "is not a text", shown(value)))
            elif word in LANGUAGES:
                problems += _problems_of_language(value, where, f"{key}.{word}")
            else:
                known = ", ".join(("about", *LANGUAGES))
                problems.append(Problem(where, f"{key}.{word}", "is an unknown word", "", f"use {known}"))
    return problems


def _problems_of_language(value: Any, where: str, key: str) -> list[Problem]:
    if not isinstance(value, dict) or not value.get("any"):
        return [Problem(where, key, "has no patterns", shown(value), 'write {"any": ["pattern", ...]}')]
    problems = []
    for word, listed in value.items():
        if word not in LISTS:
            problems.append(Problem(where, f"{key}.{word}", "is an unknown word", "", f"use {', '.join(LISTS)}"))
        elif not isinstance(listed, list):
            problems.append(Problem(where, f"{key}.{word}", "is not a list of patterns", shown(listed)))
        else:
            for index, pattern in enumerate(listed):
                why = patterns.problem_of(texts.alike(pattern) if isinstance(pattern, str) else pattern)
                if why:
                    problems.append(Problem(where, f"{key}.{word}[{index}]", why, shown(pattern)))
    return problems


@lru_cache(maxsize=1024)
def shipped_concept_problems(name: str) -> tuple[Problem, ...]:
    """What is wrong with one shipped concept."""
    return tuple(problems_of({name: shipped_concepts()[name]}, "concepts"))


def concept_found(name: str, text: str, language: str | None = None, concepts: Concepts | None = None) -> bool:
    """Whether a text shows a concept.

    Args:
        name: of the concept.
        text: a reply.
        language: "en" or "zh" to try that one alone; None: all the concept has.
        concepts: where the name is looked up; the shipped ones when None.

    Raises:
        KeyError: there is no such concept, or not in that language.
        DataError: a pattern took too long.
    """
    concept = (shipped_concepts() if concepts is None else concepts)[name]
    cut = texts.sentences(texts.without_emphasis(texts.visible(text)))
    tried = [language] if language else [known for known in LANGUAGES if known in concept]
    return any(_shown(concept[known], cut) for known in tried)


def _shown(listed: Mapping[str, list[str]], sentences: list[str]) -> bool:
    def holds(sentence: str, word: str) -> bool:
        return any(patterns.found(texts.alike(pattern), sentence) for pattern in listed.get(word, ()))

    if not any(holds(sentence, "any") and not holds(sentence, "unless") for sentence in sentences):
        return False
    return not any(holds(sentence, "unless_anywhere") for sentence in sentences)


def _no_key_twice(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    read: dict[str, Any] = {}
    for key, value in pairs:
        if key in read:
            raise ValueError(f"the key {key!r} stands twice")
        read[key] = value
    return read
