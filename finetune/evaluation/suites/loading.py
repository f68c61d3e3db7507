"""Suite files read and checked: every problem of a file at once, each with file and line."""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from difflib import get_close_matches
from pathlib import Path
from typing import Any

from finetune.errors import DataError, Problem, RecipeError, shown
from finetune.evaluation.suites import concepts as concepts_room
from finetune.evaluation.suites import grading

FOLDER = Path(__file__).resolve().parent / "data"
LANGUAGES = ("en", "zh")
CATEGORIES = ("general", "safety")
MAX_FILE_BYTES = 32_000_000
MAX_ITEMS = 20_000
_NAME = re.compile(r"[a-z0-9][a-z0-9_.-]{0,63}", re.IGNORECASE)
_HEADER_WORDS = {"suite", "title", "about", "category", "version", "licence", "language", "concepts"}
_ITEM_WORDS = {
    "id", "kind", "language", "question", "system", "messages", "grade", "options", "answer", "good", "bad", "note",
}  # fmt: skip


@dataclass(frozen=True)
class Item:
    """One question of a suite.

    Attributes:
        id: unique in its suite.
        kind: such as "arithmetic"; results are summed by it.
        language: "en" or "zh".
        messages: {"role", "content"} maps, the last one the user's.
        grade: the rule a reply must pass; None for a choice.
        options: of a choice, scored by the likelihood of each; None otherwise.
        answer: index of the right option; None otherwise.
        suite: the suite's name.
        good, bad: replies that pass and that do not, written with the item.
        note: why the item is there.
        concepts: what {"concept": ...} may name.
    """

    id: str
    kind: str
    language: str
    messages: tuple[dict[str, str], ...]
    grade: dict[str, Any] | None
    options: tuple[str, ...] | None
    answer: int | None
    suite: str
    good: tuple[str, ...] = ()
    bad: tuple[str, ...] = ()
    note: str = ""
    concepts: Mapping[str, Mapping[str, Any]] | None = None

    @property
    def is_choice(self) -> bool:
        """Whether it is scored by the likelihood of its options, not by a reply."""
        return self.options is not None


@dataclass(frozen=True)
class Suite:
    """A suite as loaded.

    Attributes:
        name: as in evaluation.json.
        title: {"en": ..., "zh": ...}.
        category: "general" or "safety".
        items: in file order.
        sha256: of the file and of the concepts it uses, so that two results can be told to be of one suite.
        about: what it asks, in a sentence.
    """

    name: str
    title: dict[str, str]
    category: str
    items: tuple[Item, ...]
    sha256: str
    about: str = ""


def shipped_suites() -> dict[str, Path]:
    """Name -> file of every shipped suite, sorted by name. Found by walking, never from a list."""
    return {path.stem: path for path in sorted(FOLDER.glob("*.jsonl"))}


def load_suite(name_or_path: str | Path, relative_to: Path | None = None) -> Suite:
    """A shipped suite by its name, or one's own by its path (it ends with .jsonl).

    Args:
        relative_to: folder that a relative path starts from; the current one when None.

    Raises:
        RecipeError: there is no such suite or file.
        DataError: the file is malformed; every problem, with file and line.
    """
    path = _path_of(str(name_or_path), relative_to)
    if path.stat().st_size > MAX_FILE_BYTES:
        raise DataError(Problem(path.name, "", f"has more than {MAX_FILE_BYTES / 1e6:g} MB", "", "split the suite"))
    data = path.read_bytes()
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = data.count(b"\n", 0, error.start) + 1
        raise DataError(Problem(f"{path.name}:{line}", "", "is not UTF-8", "", "save the file as UTF-8")) from None
    return _Reader(path, text).suite(data)


def _path_of(name: str, relative_to: Path | None) -> Path:
    suites = shipped_suites()
    if name in suites:
        return suites[name]
    if name.endswith(".jsonl"):
        path = (relative_to or Path()) / name
        if path.is_file():
            return path
        raise RecipeError(Problem("", "evaluate.suites", "there is no such file", shown(name), "check the path"))
    near = get_close_matches(name, suites, 1)
    fix = f"did you mean {near[0]}?" if near else f"use {', '.join(suites)}, or the path of a .jsonl file"
    raise RecipeError(Problem("", "evaluate.suites", "there is no such suite", shown(name), fix))


class _Reader:
    """One file on its way to a Suite; collects problems as it goes."""

    def __init__(self, path: Path, text: str) -> None:
        self.path = path
        self.text = text
        self.problems: list[Problem] = []
        self.header: dict[str, Any] = {}
        self.concepts: dict[str, Any] = dict(concepts_room.shipped_concepts())
        self.name = path.stem
        self.first_line: dict[str, int] = {}
        self.broken_concepts: set[str] = set()

    def tell(self, line: int, key: str, what: str, got: str = "", fix: str = "") -> None:
        self.problems.append(Problem(f"{self.path.name}:{line}", key, what, got, fix))

    def suite(self, data: bytes) -> Suite:
        """The whole file.

        Raises:
            DataError: with every problem.
        """
        items = []
        for line, read in self._rows():
            if not items and not self.first_line and "suite" in read:
                self._read_header(line, read)
                continue
            item = self._item(line, read)
            if item is not None:
                items.append(item)
        if not self.problems and not items:
            self.tell(1, "", "there is no item in the file", "", "write one JSON object a line")
        if len(items) > MAX_ITEMS:
            self.tell(1, "", f"there are {len(items):,} items, {MAX_ITEMS:,} at most", "", "split the suite")
        if self.problems:
            raise DataError(self.problems)
        title = self.header.get("title", self.name)
        if isinstance(title, str):
            title = {"en": title, "zh": title}
        english = title.get("en") or title["zh"]
        return Suite(
            self.name,
            {"en": english, "zh": title.get("zh", english)},
            self.header.get("category", "general"),
            tuple(items),
            self._hash(data, items),
            self.header.get("about", ""),
        )

    def _rows(self) -> list[tuple[int, dict[str, Any]]]:
        rows = []
        for line, text in enumerate(self.text.split("\n"), 1):
            if not text.strip():
                continue
            try:
                read = json.loads(text, object_pairs_hook=concepts_room._no_key_twice)
            except (ValueError, RecursionError) as error:
                told = str(getattr(error, "msg", error)) or "nested too deep"
                self.tell(line, "", "is no JSON object on one line", told, "one item a line, in double quotes")
                continue
            if not isinstance(read, dict):
                self.tell(line, "", "is no JSON object", type(read).__name__, 'write {"id": ..., "question": ...}')
                continue
            rows.append((line, read))
        return rows

    def _read_header(self, line: int, read: dict[str, Any]) -> None:
        self.header = read
        self._unknown(line, read, _HEADER_WORDS)
        if not isinstance(read["suite"], str) or not _NAME.fullmatch(read["suite"]):
            self.tell(line, "suite", "is not a name of letters, digits, _ - and .", shown(read["suite"]))
        else:
            self.name = read["suite"]
        if read.get("category", "general") not in CATEGORIES:
            self.tell(line, "category", f"is not one of {', '.join(CATEGORIES)}", shown(read["category"]))
        if read.get("language", "en") not in LANGUAGES:
            self.tell(line, "language", f"is not one of {', '.join(LANGUAGES)}", shown(read["language"]))
        title = read.get("title", "")
        titles = list(title.values()) if isinstance(title, dict) and title and set(title) <= {"en", "zh"} else [title]
        if not all(isinstance(value, str) for value in titles):
            self.tell(line, "title", 'is neither a text nor {"en": ..., "zh": ...}', shown(title))
        if not isinstance(read.get("about", ""), str):
            self.tell(line, "about", "is not a text", shown(read["about"]))
        if "concepts" in read:
            self._own_concepts(line, read["concepts"])

    def _own_concepts(self, line: int, own: Any) -> None:
        where = f"{self.path.name}:{line}"
        if isinstance(own, str):
            beside = self.path.parent / own
            try:
                own = json.loads(beside.read_text(encoding="utf-8"), object_pairs_hook=concepts_room._no_key_twice)
            except (OSError, ValueError) as error:
                self.tell(line, "concepts", "the file cannot be read", str(error)[:120], "name a JSON file beside this")
                return
            where = beside.name
        found = concepts_room.problems_of(own, where)
        self.problems += found
        for name in own if isinstance(own, dict) else ():
            if name in self.concepts:
                self.tell(line, f"concepts.{name}", "is the name of a shipped concept", "", "give it its own name")
        if not found:
            self.concepts.update(own)

    def _unknown(self, line: int, read: dict[str, Any], known: set[str]) -> None:
        for word in read:
            if word not in known:
                near = get_close_matches(word, known, 1)
                fix = f"did you mean {near[0]}?" if near else f"use {', '.join(sorted(known))}"
                self.tell(line, word, "is an unknown word", "", fix)

    def _item(self, line: int, read: dict[str, Any]) -> Item | None:
        before = len(self.problems)
        self._unknown(line, read, _ITEM_WORDS)
        identity = read.get("id")
        if not isinstance(identity, str) or not _NAME.fullmatch(identity):
            self.tell(line, "id", "is not a name of letters, digits, _ - and .", shown(identity), "give it a unique id")
        elif identity in self.first_line:
            self.tell(line, "id", f"stands on line {self.first_line[identity]} too", shown(identity), "make ids unique")
        self.first_line.setdefault(str(identity), line)
        kind = read.get("kind", "general")
        if not isinstance(kind, str) or not _NAME.fullmatch(kind):
            self.tell(line, "kind", "is not a name of letters, digits, _ - and .", shown(kind))
        language = read.get("language", self.header.get("language", "en"))
        if language not in LANGUAGES:
            self.tell(line, "language", f"is not one of {', '.join(LANGUAGES)}", shown(language))
        messages = self._messages(line, read)
        options, answer, rule = self._graded_by(line, read)
        good, bad = self._replies(line, read, "good"), self._replies(line, read, "bad")
        if not isinstance(read.get("note", ""), str):
            self.tell(line, "note", "is not a text", shown(read["note"]))
        if len(self.problems) > before or self._names_broken(rule):
            return None
        item = Item(
            str(identity), kind, language, messages, rule, options, answer, self.name, good, bad,
            read.get("note", ""), self.concepts,
        )  # fmt: skip
        self._prove(line, item)
        return item

    def _names_broken(self, rule: Any) -> bool:
        """Whether a rule names a shipped concept that is malformed; each is told once."""
        found = {name: concepts_room.shipped_concept_problems(name) for name in _named_concepts(rule)
                 if name in concepts_room.shipped_concepts()}  # fmt: skip
        broken = {name for name, problems in found.items() if problems}
        for name in sorted(broken - self.broken_concepts):
            self.problems += found[name]
        self.broken_concepts |= broken
        return bool(broken)

    def _messages(self, line: int, read: dict[str, Any]) -> tuple[dict[str, str], ...]:
        if ("question" in read) == ("messages" in read):
            self.tell(line, "question", "there must be either a question or messages", "", "write one of the two")
            return ()
        if "question" in read:
            listed = [{"role": "user", "content": read["question"]}]
        else:
            listed = read["messages"]
        if "system" in read:
            if (
                isinstance(listed, list)
                and listed
                and isinstance(listed[0], dict)
                and listed[0].get("role") == "system"
            ):
                self.tell(line, "system", "stands beside a system message", "", "write one of the two")
                return ()
            listed = [{"role": "system", "content": read["system"]}, *(listed if isinstance(listed, list) else [])]
        if not isinstance(listed, list) or not all(
            isinstance(message, dict) and set(message) == {"role", "content"} for message in listed
        ):
            self.tell(line, "messages", 'is not a list of {"role": ..., "content": ...}', shown(listed))
            return ()
        if not all(isinstance(message["content"], str) and message["content"].strip() for message in listed):
            self.tell(line, "messages", "holds a message without text", "", "write its content")
            return ()
        roles = [message["role"] for message in listed]
        turns = roles[1:] if roles[:1] == ["system"] else roles
        if (
            not turns
            or turns != [("user", "assistant")[place % 2] for place in range(len(turns))]
            or len(turns) % 2 == 0
        ):
            fix = "a system message first if any, then user and assistant in turn, the user last"
            self.tell(line, "messages", "has its roles in an order no chat has", ", ".join(map(str, roles)), fix)
            return ()
        return tuple(listed)

    def _graded_by(self, line: int, read: dict[str, Any]) -> tuple[tuple[str, ...] | None, int | None, dict | None]:
        if ("grade" in read) == ("options" in read):
            self.tell(line, "grade", "there must be either a rule (grade) or options", "", "write one of the two")
            return None, None, None
        if "grade" in read:
            if "answer" in read:
                self.tell(line, "answer", "belongs to options; a rule has none", "", "leave it out")
            self.problems += grading.problems_of(read["grade"], f"{self.path.name}:{line}", concepts=self.concepts)
            return None, None, read["grade"]
        options, answer = read["options"], read.get("answer")
        texts_alone = isinstance(options, list) and all(isinstance(text, str) and text.strip() for text in options)
        if not texts_alone or not 2 <= len(options) <= 26:
            self.tell(line, "options", "is not a list of 2 to 26 texts", shown(options))
        elif len({text.strip() for text in options}) < len(options):
            self.tell(line, "options", "holds one text twice", shown(options))
        elif isinstance(answer, bool) or not isinstance(answer, int) or not 0 <= answer < len(options):
            fix = f"count from 0: 0 to {len(options) - 1}"
            self.tell(line, "answer", "is not the place of the right option", shown(answer), fix)
        else:
            return tuple(options), answer, None
        return None, None, None

    def _replies(self, line: int, read: dict[str, Any], word: str) -> tuple[str, ...]:
        value = read.get(word, [])
        listed = [value] if isinstance(value, str) else value
        if not isinstance(listed, list) or not all(isinstance(text, str) for text in listed):
            self.tell(line, word, "is neither a reply nor a list of replies", shown(value))
            return ()
        return tuple(listed)

    def _prove(self, line: int, item: Item) -> None:
        """The item's own example replies must be graded as they are labelled."""
        if item.grade is None:
            return
        for word, replies in (("good", item.good), ("bad", item.bad)):
            for reply in replies:
                try:
                    wrong = grading.grade(item, reply) != (word == "good")
                except DataError as error:
                    self.tell(line, "grade", str(error))
                    return
                if wrong and word == "good":
                    self.tell(line, word, "the good reply fails its own rule", grading.explain(item, reply), "mend one")
                elif wrong:
                    self.tell(line, word, "the bad reply passes its own rule", shown(reply), "tighten the rule")

    def _hash(self, data: bytes, items: list[Item]) -> str:
        """Of the file, and of the concepts its rules name: another pattern is another suite."""
        used = sorted(_named_concepts([item.grade for item in items]))
        shown_concepts = json.dumps({name: self.concepts[name] for name in used}, sort_keys=True, ensure_ascii=False)
        return hashlib.sha256(data.replace(b"\r\n", b"\n") + b"\0" + shown_concepts.encode()).hexdigest()


def _named_concepts(rule: Any) -> set[str]:
    """Names of concepts anywhere in a rule, or a list of rules."""
    if isinstance(rule, list):
        return set().union(*map(_named_concepts, rule))
    if not isinstance(rule, dict):
        return set()
    value = rule.get("concept", [])
    own = {value} if isinstance(value, str) else set(value)
    return own.union(*(_named_concepts(rule[word]) for word in ("all", "any", "not") if word in rule))
