"""Rows of one file, whose layout is known -> conversations, row by row, with every fault kept."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from finetune.data.converting import layouts, pictures, tool_turns
from finetune.data.converting.layouts import Ambiguous, Layout
from finetune.data.converting.pictures import Pictures
from finetune.data.converting.preferences import answer_of, pair_of, rating
from finetune.data.converting.recognition import FilePlan
from finetune.data.converting.texts import Say, Seen, message, problem_sayer, type_name
from finetune.data.converting.turns import in_order, is_blank, mended, messages_of
from finetune.data.reading.json_rows import Row
from finetune.data.shapes import IMAGE_MARK, Conversation, ImageRef, Message, name_shown, names_shown, plural
from finetune.errors import Problem

MAX_PROBLEMS_PER_ROW = 3
MAX_PROBLEMS = 1_000
MAX_PLACES = 100
_NUMBER = re.compile(r"\d[\d,]*")
_JOINED = "joined"
_CONTEXT = "context"
_NO_CONTEXT = "no_context"
_THINKING = "thinking"
_OPENS_THINKING = "<think>"
_HISTORIES = "histories"


@dataclass
class BadRows:
    """Rows that cannot be used: how many, why, where. The first problems are kept, all rows are counted.

    Attributes:
        num: rows; num_problems: what is wrong with them, all told.
        problems: the first MAX_PROBLEMS, in the order of rows; a row has at most MAX_PROBLEMS_PER_ROW.
        reasons: what is wrong, numbers left out -> (rows, the first places).
        places: (place, reason) of every such row.
    """

    num: int = 0
    num_problems: int = 0
    problems: list[Problem] = field(default_factory=list)
    reasons: dict[str, tuple[int, list[str]]] = field(default_factory=dict)
    places: list[tuple[str, str]] = field(default_factory=list)

    def add(self, problems: Sequence[Problem], place: str = "") -> None:
        """One row and what is wrong with it.

        Args:
            place: of the row; left out, where its first problem stands.
        """
        first = problems[0]
        reason = reason_of(first)
        self.num += 1
        self.num_problems += len(problems)
        place = place or first.where
        self.places.append((place, reason))
        self._count(reason, 1, [place])
        self.problems += problems[: MAX_PROBLEMS - len(self.problems)]

    def _count(self, reason: str, num: int, places: list[str]) -> None:
        before, known = self.reasons.setdefault(reason, (0, []))
        known += places[: MAX_PLACES - len(known)]
        self.reasons[reason] = before + num, known

    def merge(self, other: BadRows) -> None:
        """Add the rows after these."""
        self.num += other.num
        self.num_problems += other.num_problems
        self.problems += other.problems[: MAX_PROBLEMS - len(self.problems)]
        self.places += other.places
        for reason, (num, places) in other.reasons.items():
            self._count(reason, num, places)

    @classmethod
    def of(cls, problems: Sequence[Problem]) -> BadRows:
        """Rows that could not even be parsed."""
        made = cls()
        for found in _by_row(problems):
            made.add(found)
        return made

    def as_dict(self, allowed: str) -> dict[str, Any]:
        """`DataReport.bad_rows`, the commonest reason first."""
        order = sorted(self.reasons.items(), key=lambda pair: (-pair[1][0], pair[0]))
        reasons = [{"what": what, "num": num, "places": places} for what, (num, places) in order]
        num_untold = self.num_problems - len(self.problems)
        return {"num": self.num, "allowed": allowed, "num_untold": num_untold, "reasons": reasons}


def reason_of(problem: Problem) -> str:
    """What is wrong, such that rows with the same fault have the same words: without numbers."""
    column = problem.key.rpartition(", ")[2]
    text = f"{column}: {problem.what}" if column.startswith("key ") else problem.what
    text = _NUMBER.sub("N", text)
    return f"{text} (got {problem.got})" if problem.got else text


@dataclass
class Converted:
    """What a stretch of rows gave. Picklable, and merged in order.

    Attributes:
        others: rows of another layout: what it is -> the first line. They are no bad rows: the file is refused.
        disliked: places of rated rows that were left out, as the method learns from liked answers only.
        num_unread: bad rows that could not even be parsed.
        kept: sha256 -> bytes of images that stood in the rows.
    """

    conversations: list[Conversation] = field(default_factory=list)
    bad: BadRows = field(default_factory=BadRows)
    seen: Seen = field(default_factory=Seen)
    others: dict[Layout, int] = field(default_factory=dict)
    disliked: list[str] = field(default_factory=list)
    num_unread: int = 0
    kept: dict[str, bytes] = field(default_factory=dict)


class Converter:
    """Turns rows of one file into conversations."""

    def __init__(self, plan: FilePlan, *, liked_only: bool):
        self.plan, self.layout = plan, plan.layout
        self.pictures = Pictures(plan.folder) if plan.choices.images == "use" else None
        self.how = replace(plan.how, pictures=self.pictures)
        self.liked_only = liked_only
        self.known: dict[tuple[str, ...], tuple[Layout | Ambiguous | None, dict[str, str]]] = {}
        self.shared: set[int] = set()
        self.done = Converted()

    def run(self, rows: Sequence[Row], problems: Sequence[Problem] = ()) -> Converted:
        """Convert rows in order.

        Args:
            problems: of rows that could not even be parsed; they are counted as bad rows at their places.
        """
        unread = _by_row(problems)
        self.done.num_unread = len(unread)
        bad: list[tuple[int, list[Problem], str]] = [(_line(found[0]), found, "") for found in unread]
        self.shared = {line for line, num in Counter(row.line for row in rows).items() if num > 1}
        for row in rows:
            found = self._row(row)
            if found:
                bad.append((row.line, found, self._place(row)))
        for _, found, place in sorted(bad, key=lambda one: one[0]):
            self.done.bad.add(found, place)
        for keys in self.known:
            self.done.seen.columns.update(dict.fromkeys(keys))
        if self.pictures is not None:
            self.done.kept = self.pictures.kept
            self.done.seen.counts["images_turned"] += self.pictures.num_turned
        return self.done

    def _place(self, row: Row) -> str:
        """ "file:line", and the row where the line holds several, as in a JSON list without line ends."""
        row_too = f", row {row.number}" if row.line in self.shared else ""
        return f"{self.plan.name}:{row.line}{row_too}"

    def _look(self, value: dict[str, Any]) -> tuple[Layout | Ambiguous | None, dict[str, str]]:
        keys = tuple(value)
        found = self.known.get(keys)
        if found is None:
            names = layouts.by_usual_name(keys)
            choices = self.plan.choices
            found = layouts.recognise(names, choices.format, choices.columns, self.plan.hints), names
            self.known[keys] = found
        return found

    def _row(self, row: Row) -> list[Problem]:
        """What is wrong with one row; a sound one is kept."""
        problems: list[Problem] = []
        say = problem_sayer(self.plan.name, row.line, row.number, problems)
        value, names = row.value, {}
        if isinstance(value, dict):
            found, names = self._look(value)
        elif isinstance(value, list):
            found = layouts.recognise_list(value) or (self.layout if self.layout.base in ("row", "turns") else None)
        else:
            say("", "an object is due in every row", "", "write it as {...}")
            return problems
        if found != self.layout:
            if isinstance(found, Layout):
                self.done.others.setdefault(found, row.line)
                return []  # the file is refused as a whole
            absent = layouts.missing(names, self.layout) if isinstance(value, dict) else ["messages"]
            for key in absent:
                say(_key(key), "is missing", "", "add it, or remove the row")
            if absent or self.layout.base in ("row", "turns"):
                return problems or self._not_a_list(say, problems)
        self._convert(row, names, say, problems)
        # a broken conversation of fifty turns must not crowd the other rows out of the report
        if len(problems) > MAX_PROBLEMS_PER_ROW:
            rest = len(problems) - MAX_PROBLEMS_PER_ROW + 1
            del problems[MAX_PROBLEMS_PER_ROW - 1 :]
            say("", f"{rest} more faults in this row", "", "correct or remove the row")
        return problems

    @staticmethod
    def _not_a_list(say: Say, problems: list[Problem]) -> list[Problem]:
        say("", "a list of turns is due, found an object", "", "write it as the other rows")
        return problems

    def _convert(self, row: Row, names: dict[str, str], say: Say, problems: list[Problem]) -> None:
        seen, layout, value = self.done.seen, self.layout, row.value
        before, num_ignored = len(problems), seen.counts["images_ignored"]
        if self.pictures is not None:
            self.pictures.num_open = 0
        turns = self._turns(value, names, say)
        if len(problems) == before:
            turns = self._with_images(turns, value, names, say)
        rejected: list[Message] = []
        liked: bool | None = None
        tools = ""
        if names and "tools" in names:
            tools = tool_turns.tools_of(value.get(names["tools"]), "key tools", seen, say)
        group = self._group(value, say)
        if layout.format == "preference" and len(problems) == before:
            both = {layout.column(word): value[layout.column(word)] for word in ("chosen", "rejected")}
            turns, rejected = pair_of(turns, both, self.how, seen, say)
        if self.pictures is None and (self._image_column(names) or seen.counts["images_ignored"] > num_ignored):
            turns, rejected = self._without_marks(turns, say), pictures.unmarked(rejected)
        if layout.format == "rated":
            liked = rating(value[layout.column("label")], layout.column("label"), say)
        if len(problems) > before or not turns:
            return
        if self.how.mend and not rejected:
            turns = mended(turns, seen)
        if not rejected and not in_order(turns, say):
            return
        place = self._place(row)
        if liked is False and self.liked_only:
            self.done.disliked.append(place)
            return
        seen.counts["own_system"] += turns[0].role == "system"
        num_images = sum(len(turn.images) for turn in turns)
        seen.counts["images"] += num_images
        seen.counts["image_rows"] += num_images > 0
        if not num_images and any(IMAGE_MARK in turn.content for turn in turns if turn.role == "user"):
            seen.counts["marks_as_text"] += 1
        if any(_OPENS_THINKING in turn.content for turn in turns if turn.role == "assistant"):
            seen.counts[_THINKING] += 1
        self.done.conversations.append(Conversation(tuple(turns), place, group, tools, tuple(rejected), liked))

    def _with_images(self, turns: list[Message], value: Any, names: dict[str, str], say: Say) -> list[Message]:
        """The turns with the images of the row's column, each at its place."""
        if self.pictures is None:
            return turns
        column = self._image_column(names)
        refs: list[ImageRef] | None = []
        if column is not None:
            refs = self.pictures.refs(value.get(column), pictures.key(column), say)
        if refs is None:
            return []
        if refs and not turns:
            what = "holds images, and the row has no prompt of its own"
            say(pictures.key(column or ""), what, "", "write the prompt into a column")
            return []
        return pictures.placed(turns, refs, self.pictures.num_open, column is not None, self.done.seen, say)

    def _image_column(self, names: dict[str, str]) -> str | None:
        return pictures.column_of(names, (*self.layout.required, self.layout.system, self.plan.choices.group_by))

    def _without_marks(self, turns: list[Message], say: Say) -> list[Message]:
        """Under `data.images: ignore`: the turns of a row with images, without the marks of these."""
        made = pictures.unmarked(turns)
        if made != turns:
            self.done.seen.counts["unmarked"] += 1
        if any(not new.content.strip() and old.content.strip() for new, old in zip(made, turns)):
            say("", "a question is an image alone, which data.images: ignore leaves out", "", "remove the row")
        return made

    def _turns(self, value: Any, names: dict[str, str], say: Say) -> list[Message]:
        """The turns of a row as written, without those of chosen and rejected answers."""
        layout, seen = self.layout, self.done.seen
        if layout.base == "row":
            return messages_of(value, "", self.how, seen, say)
        if layout.base == "turns":
            turns: list[Message] = []
            for number, turn in enumerate(value, 1):
                turns += self._alpaca_turn(turn, f"turn {number}", say)
            return turns
        turns = self._system(value, names, say)
        if layout.base == "messages":
            column = layout.column("messages")
            return turns + messages_of(value[column], _key(column), self.how, seen, say)
        return turns if layout.base == "whole" else turns + self._pair(value, names, say)

    def _system(self, value: dict[str, Any], names: dict[str, str], say: Say) -> list[Message]:
        layout = self.layout
        if layout.system is None and layout.format == "messages":
            return []  # its turns say it; a column of that name is told of as not used
        key = layout.system or names.get("system", "system")
        text = value.get(key)
        return [] if is_blank(text) else message("system", text, _key(key), say)

    def _pair(self, value: dict[str, Any], names: dict[str, str], say: Say) -> list[Message]:
        layout, seen = self.layout, self.done.seen
        key = layout.column("prompt")
        turns: list[Message] = []
        if layout.base == "alpaca" or layout.format == "preference":
            turns += self._history(value, names, say)
        question = self._with_context(value[key], value, names, say)
        part = _key(key)
        if isinstance(question, list) and question and isinstance(question[0], dict):
            turns += messages_of(question, part, self.how, seen, say)
        else:
            turns += message("user", question, part, say)
        if "completion" in layout.words:
            column = layout.column("completion")
            turns += answer_of(value[column], _key(column), self.how, seen, say)
        return turns

    def _alpaca_turn(self, turn: Any, part: str, say: Say) -> list[Message]:
        names = layouts.by_usual_name(turn) if isinstance(turn, dict) else {}
        if "instruction" not in names or "output" not in names:
            say(part, "an object with instruction and output is due", "", "write it as the other turns")
            return []
        question = self._with_input(turn[names["instruction"]], turn, names, say)
        return message("user", question, part, say) + message("assistant", turn[names["output"]], part, say)

    def _with_context(self, question: Any, value: dict[str, Any], names: dict[str, str], say: Say) -> Any:
        """The question and the text it is about, where a column of the row holds one."""
        key = layouts.context_of(names, self.layout)
        if key is None or (self.layout.base == "alpaca" and key == names.get("input")):
            return self._with_input(question, value, names, say)
        context = value.get(key)
        if isinstance(context, list) and context and all(isinstance(one, str) for one in context):
            context = "\n\n".join(context)
        if is_blank(context):
            return question
        if not isinstance(context, str) or not isinstance(question, str):
            if key == self.layout.context:
                what = f"text is due for what the question is about, found {type_name(value[key])}"
                if isinstance(context, str):
                    what = "cannot be joined with a question that is no text"
                say(_key(key), what, "", "write text, or correct data.columns")
            self.done.seen.counts[_NO_CONTEXT] += 1
            return question
        self.done.seen.counts[_CONTEXT] += bool(question.strip())
        return f"{question}\n\n{context}" if question.strip() else question

    def _with_input(self, question: Any, value: dict[str, Any], names: dict[str, str], say: Say) -> Any:
        key = names.get("input", "input")
        extra = value.get(key)
        if extra is not None and not isinstance(extra, str):
            message("user", extra, _key(key), say)
        elif isinstance(question, str) and extra and extra.strip():
            self.done.seen.counts[_JOINED] += bool(question.strip())
            return f"{question}\n\n{extra}" if question.strip() else extra
        return question

    def _history(self, value: dict[str, Any], names: dict[str, str], say: Say) -> list[Message]:
        key = names.get("history", "history")
        history = value.get(key)
        if history is None or history == "" or history == []:
            return []
        turns: list[Message] = []
        pairs = history if isinstance(history, list) else [history]
        for number, pair in enumerate(pairs, 1):
            part = f"{_key(key)}, turn {number}"
            if not isinstance(pair, list) or len(pair) != 2:
                fix = 'write "history": [["question", "answer"], ...]'
                say(part, "is not a pair of question and answer", "", fix)
                return []
            turns += message("user", pair[0], part, say) + message("assistant", pair[1], part, say)
        self.done.seen.counts[_HISTORIES] += 1
        return turns

    def _group(self, value: Any, say: Say) -> str | None:
        key = self.plan.choices.group_by
        if key is None:
            return None
        group = value.get(key) if isinstance(value, dict) else None
        if isinstance(group, int) and not isinstance(group, bool):
            group = str(group)
        if not isinstance(group, str) or not group.strip():
            say(_key(key), "names no group (text or a whole number is due)", "", "fill it in")
            return None
        return group


def _key(column: str) -> str:
    """A column that the layout reads: one of the usual names, or one that the recipe names."""
    return f"key {name_shown(column, named=True)}"


def _by_row(problems: Sequence[Problem]) -> list[list[Problem]]:
    """Problems of parsing, one list a row: one line can have several."""
    rows: dict[tuple[str, str], list[Problem]] = {}
    for problem in problems:
        rows.setdefault((problem.where, problem.key.partition(",")[0]), []).append(problem)
    return list(rows.values())


def _line(problem: Problem) -> int:
    number = problem.where.rpartition(":")[2]
    return int(number) if number.isdigit() else 0


def unused_columns(plan: FilePlan, seen: Seen) -> list[str]:
    """The columns of a file that nothing is read from, as they are written there."""
    layout, counts = plan.layout, seen.counts
    used = {*layout.required, layout.system, plan.choices.group_by}
    used |= {column for column in seen.columns if column.strip().casefold() in _optional(layout)}
    if plan.choices.images == "use":
        used.add(pictures.column_of(layouts.by_usual_name(seen.columns), (*layout.required, layout.system)))
    context = layouts.context_of(layouts.by_usual_name(seen.columns), layout)
    if context is not None and (counts[_CONTEXT] or counts[_JOINED] or not counts[_NO_CONTEXT]):
        used.add(context)
    return [column for column in seen.columns if column not in used]


def told(plan: FilePlan, seen: Seen) -> list[str]:
    """Notes on what the rows of a file were found to hold, and on what of it is not used."""
    counts, name, unused = seen.counts, plan.name, unused_columns(plan, seen)
    context = layouts.context_of(layouts.by_usual_name(seen.columns), plan.layout)
    notes = [f"{name}: columns not used: {names_shown(unused)}"] if unused else []
    if seen.turn_keys:
        notes.append(f"{name}: keys of turns not used: {names_shown(sorted(seen.turn_keys))}")
    lines = (
        (_JOINED, "instruction and input joined by an empty line in {}"),
        (_CONTEXT, f"question and {name_shown(context or '', named=True)} joined by an empty line in {{}}"),
        (_NO_CONTEXT, f"column {name_shown(context or '', named=True)} holds no text and is not used in {{}}"),
        (_HISTORIES, "earlier turns taken from history in {}"),
        ("tools", "tools on offer are kept in {}"),
        ("mend_joined", "data.turns: mend joined neighbouring turns of one speaker in {}"),
        ("mend_start", "data.turns: mend left answers before the first question off in {}"),
        ("mend_end", "data.turns: mend left turns after the last answer off in {}"),
    )
    notes += [f"{name}: {text.format(plural(counts[key], 'row'))}" for key, text in lines if counts[key]]
    if counts["texts"]:
        notes.append(f"{name}: {plural(counts['texts'], 'turn')} written as parts of text, joined by a line end")
    if counts["images"]:
        rows = f"{plural(counts['images'], 'image')} in {plural(counts['image_rows'], 'row')}"
        notes.append(f"{name}: {rows}; they are not searched for personal data")
    if counts["images_first"]:
        notes.append(f"{name}: images put before the first question's text in {plural(counts['images_first'], 'row')}")
    if counts["images_ignored"]:
        notes.append(f"{name}: {plural(counts['images_ignored'], 'image')} left out, as data.images is ignore")
    if counts["unmarked"]:
        rows = plural(counts["unmarked"], "row")
        notes.append(f"{name}: {IMAGE_MARK} taken out of the questions of {rows}, as data.images is ignore")
    if counts["images_turned"]:
        paths = plural(counts["images_turned"], "image path")
        notes.append(f"{name}: {paths} read with / in the place of \\, where only that file exists")
    if counts[_THINKING]:
        rows = plural(counts[_THINKING], "row")
        what = "base.thinking: off leaves it out, keep trains it"
        notes.append(f"{name}: answers hold thinking between <think> and </think> in {rows}: {what}")
    if counts["calls"]:
        notes.append(f"{name}: {plural(counts['calls'], 'turn')} of the assistant call tools")
    if counts["aliased"]:
        notes.append(f"{name}: roles human and gpt (and the like) read as user and assistant")
    if counts["mapped"]:
        roles = ", ".join(f"{name_shown(word, named=True)} as {role}" for word, role in plan.choices.roles.items())
        notes.append(f"{name}: roles read as data.roles says: {roles}")
    return notes


def warned(plan: FilePlan, seen: Seen) -> list[str]:
    """What the rows of a file were found to hold and somebody should look at."""
    counts = seen.counts
    has_images = counts["images"] or counts["images_ignored"] or counts["unmarked"]
    if not has_images or not counts["marks_as_text"]:
        return []
    rows = plural(counts["marks_as_text"], "row")
    what = f"{IMAGE_MARK} is text like any other in {rows} without a key for images, and other rows have images"
    return [f"{plan.name}: {what}"]


def _optional(layout: Layout) -> frozenset[str]:
    """Usual names of optional columns that this layout uses."""
    if layout.base == "alpaca":
        return frozenset(layouts.OPTIONAL)
    if layout.format == "messages":
        return frozenset({"tools"})
    return (
        frozenset({"system", "tools", "history"}) if layout.format == "preference" else frozenset({"system", "tools"})
    )
