"""One data file -> checked conversations, with notes on every choice made for it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from finetune.data import files, json_rows, layouts, table_rows
from finetune.data.json_rows import Row
from finetune.data.layouts import Ambiguous, Later, Layout
from finetune.data.shapes import Conversation, FileFacts, name_shown, names_shown, plural
from finetune.data.turns import Seen, ToolCall, check_rules, problem_sayer, turns_of
from finetune.errors import Problem

MAX_PROBLEMS_PER_ROW = 3
_LISTS = "each row is a list of turns (a list of lists), which is not available yet"


@dataclass(frozen=True)
class Choices:
    """What the recipe says about reading rows."""

    format: str = "auto"
    columns: Mapping[str, str] = field(default_factory=dict)
    group_by: str | None = None


@dataclass
class ReadFile:
    """What one file gave."""

    conversations: list[Conversation] = field(default_factory=list)
    facts: FileFacts | None = None
    notes: list[str] = field(default_factory=list)
    warnings: list[str] = field(default_factory=list)


def read_file(file: files.DataFile, choices: Choices, problems: list[Problem]) -> ReadFile:
    """Read, recognise and check one file. All that is wrong is added to `problems`; nothing is raised."""
    read = ReadFile()
    before = len(problems)
    content = files.read(file, problems)
    if content is None:
        return read
    rows = _rows(file.name, content, read.notes, problems)
    if not rows:
        if len(problems) == before:
            what = "has no rows" + (": only a header line" if content.kind in ("csv", "tsv") else "")
            problems.append(Problem(file.name, "", what, fix="add rows to it"))
        return read
    format = _FileReader(file.name, choices, read, problems).run(rows)
    read.facts = FileFacts(file.name, content.sha256, len(content.data), len(rows), format, content.encoding)
    return read


def _rows(name: str, content: files.Content, notes: list[str], problems: list[Problem]) -> list[Row]:
    """Rows as written, and a note on what was read as if it were not there."""
    if content.text is None:
        return table_rows.read_parquet(name, content.data, problems)
    num_blank, more = 0, []
    if content.kind == "jsonl":
        rows, num_blank = json_rows.read_lines(name, content.text, problems)
    elif content.kind == "json":
        rows, more = json_rows.read_array(name, content.text, problems)
    else:
        rows, more, num_blank = table_rows.read_csv(name, content.text, problems)
    notes += more
    kept_quiet = []
    if content.encoding != "utf-8":
        kept_quiet.append("a byte-order mark")
    if "\r\n" in content.text:
        kept_quiet.append(plural(content.text.count("\r\n"), "Windows line end"))
    if num_blank:
        kept_quiet.append(plural(num_blank, "blank line"))
    if content.kind != "json" and not content.text.endswith("\n"):
        kept_quiet.append("no line end after the last row")
    if kept_quiet:
        notes.append(f"{name}: accepted {', '.join(kept_quiet)}")
    return rows


class _FileReader:
    """Recognises the rows of one file and turns them into conversations."""

    def __init__(self, name: str, choices: Choices, read: ReadFile, problems: list[Problem]):
        self.name, self.choices, self.read, self.problems = name, choices, read, problems
        self.seen = Seen()
        self.known: dict[tuple[str, ...], tuple[Layout | Later | Ambiguous | None, dict[str, str]]] = {}

    def run(self, rows: list[Row]) -> str:
        """The format's name, "" when it is not known; conversations go to `read`."""
        rows = self._objects(rows)
        layout = self._layout(rows)
        if layout is None:
            return ""
        self.read.notes.append(f"{self.name}: {layout.format}, from {self._evidence(layout)}")
        if not self._has_group_column(rows):
            return layout.format
        tool_lines: list[int] = []
        for row in rows:
            try:
                self._convert(row, layout)
            except ToolCall:
                tool_lines.append(row.line)
        if tool_lines:
            what = f"tool calls are not available yet ({plural(len(tool_lines), 'row')}, the first here)"
            fix = "remove these rows, or write the calls out as text"
            self.problems.append(Problem(f"{self.name}:{tool_lines[0]}", "", what, fix=fix))
        self._tell(layout)
        return layout.format

    def _evidence(self, layout: Layout) -> str:
        if self.choices.columns:
            return f"data.columns: {names_shown(layout.required)}"
        columns = f"column{'s' if len(layout.required) > 1 else ''} {names_shown(layout.required)}"
        return columns if self.choices.format == "auto" else f"data.format, {columns}"

    def _objects(self, rows: list[Row]) -> list[Row]:
        """The rows that are objects; lists of turns are refused once, anything else row by row."""
        objects = [row for row in rows if isinstance(row.value, dict)]
        lists = [row for row in rows if isinstance(row.value, list)]
        if lists:
            fix = 'write each conversation as {"messages": [{"role": ..., "content": ...}, ...]}'
            self.problems.append(Problem(f"{self.name}:{lists[0].line}", "", _LISTS, fix=fix))
        for row in rows:
            if not isinstance(row.value, (dict, list)):
                what = "an object is due in every row"
                self.problems.append(
                    Problem(f"{self.name}:{row.line}", f"row {row.number}", what, fix="write it as {...}")
                )
        return objects

    def _look(self, value: dict[str, Any]) -> tuple[Layout | Later | Ambiguous | None, dict[str, str]]:
        keys = tuple(value)
        found = self.known.get(keys)
        if found is None:
            names = layouts.by_usual_name(keys)
            found = layouts.recognise(names, self.choices.format, self.choices.columns), names
            self.known[keys] = found
        return found

    def _layout(self, rows: list[Row]) -> Layout | None:
        """The one layout of the file; None after saying why there is none that can be used."""
        first: dict[Layout | Later, int] = {}
        ambiguous: tuple[Ambiguous, int] | None = None
        for row in rows:
            found = self._look(row.value)[0]
            if isinstance(found, Ambiguous):
                ambiguous = ambiguous or (found, row.line)
            elif found is not None:
                first.setdefault(found, row.line)
        if ambiguous and not first:
            self._say_ambiguous(*ambiguous)
            return None
        if not first:
            if rows:
                self._say_unknown(rows[0])
            return None
        if len(first) > 1:
            parts = [f"{found}, {names_shown(_columns(found))} (first at line {line})" for found, line in first.items()]
            what = f"{plural(len(first), 'layout')} in one file: {'; '.join(parts)}"
            self.problems.append(Problem(self.name, "", what, fix="put each layout into a file of its own"))
        layout, line = next(iter(first.items()))
        if isinstance(layout, Later):
            columns = names_shown(layout.evidence)
            what = f"{columns} are the layout {layout.format}, which is not available yet"
            self.problems.append(Problem(self._header(line), "columns", what, fix=layout.fix))
            return None
        return layout

    def _header(self, line: int) -> str:
        """Where the columns are named: the header line of a table, else the row itself."""
        return f"{self.name}:{1 if self.name.lower().endswith(('.csv', '.tsv')) else line}"

    def _say_ambiguous(self, found: Ambiguous, line: int) -> None:
        what = (
            f"more than one column can be the question ({names_shown(found.questions)}) "
            f"or the answer ({names_shown(found.answers)})"
        )
        fix = "say which in data.columns: {prompt: ..., completion: ...}"
        self.problems.append(Problem(self._header(line), "columns", what, fix=fix))

    def _say_unknown(self, row: Row) -> None:
        found = f"columns found: {names_shown(row.value)}" if row.value else "the first row has no columns"
        fix = "name yours in data.columns: {prompt: ..., completion: ...}, or use one of: "
        fix += layouts.ROW_LAYOUTS
        if self.choices.columns:
            asked = names_shown(self.choices.columns.values())
            what, fix = f"has no columns {asked} as data.columns says; {found}", "correct data.columns"
        elif self.choices.format != "auto":
            what = f"the columns are not those of data.format {self.choices.format}; {found}"
            fix = f"set data.format to auto, or use one of: {layouts.ROW_LAYOUTS}"
        else:
            what = f"the layout is not recognised; {found}"
        self.problems.append(Problem(self._header(row.line), "columns", what, fix=fix))

    def _convert(self, row: Row, layout: Layout) -> None:
        found, names = self._look(row.value)
        say = problem_sayer(self.name, row.line, row.number, self.problems)
        if found != layout:
            absent = layouts.missing(names, layout)
            if found is None or isinstance(found, Ambiguous):
                for key in absent:
                    say(f"key {name_shown(key)}", "is missing", "", "add it, or remove the row")
            if absent or isinstance(found, (Layout, Later)):
                return  # rows of another layout were told of once, for the whole file
        before = len(self.problems)
        turns = turns_of(row.value, names, layout, self.seen, say)
        group = self._group(row.value, say)
        found_wrong = self.problems[before:]
        # a broken conversation of fifty turns must not crowd the other rows out of the report
        if len(found_wrong) > MAX_PROBLEMS_PER_ROW:
            del self.problems[before + MAX_PROBLEMS_PER_ROW - 1 :]
            rest = len(found_wrong) - MAX_PROBLEMS_PER_ROW + 1
            say("", f"{rest} more faults in this row", "", "correct or remove the row")
        if not found_wrong and turns and check_rules(turns, self.seen, say):
            place = f"{self.name}:{row.line}"
            self.read.conversations.append(Conversation(tuple(turns), place, group))

    def _has_group_column(self, rows: list[Row]) -> bool:
        """False after saying so, once, where no row has the column of `data.group_by`."""
        key = self.choices.group_by
        if key is None or any(key in keys for keys in self.known):
            return True
        found = names_shown(rows[0].value)
        what = f"no row has the column {name_shown(key)} of data.group_by; columns found: {found}"
        fix = "correct data.group_by, or add the column"
        self.problems.append(Problem(self._header(rows[0].line), "columns", what, fix=fix))
        return False

    def _group(self, value: dict[str, Any], say: Any) -> str | None:
        key = self.choices.group_by
        if key is None:
            return None
        group = value.get(key)
        if isinstance(group, int) and not isinstance(group, bool):
            group = str(group)
        if not isinstance(group, str) or not group.strip():
            say(f"key {name_shown(key)}", "names no group (text or a whole number is due)", "", "fill it in")
            return None
        return group

    def _tell(self, layout: Layout) -> None:
        """Notes and warnings on what the rows were found to hold."""
        seen, notes = self.seen, self.read.notes
        used = {*layout.required, layout.system, self.choices.group_by}
        unused: dict[str, None] = {}
        for _, names in self.known.values():
            optional = {names.get(name) for name in layouts.OPTIONAL[layout.format]}
            unused.update(dict.fromkeys(key for key in names.values() if key not in used and key not in optional))
        if unused:
            notes.append(f"{self.name}: columns not used: {names_shown(unused)}")
        if seen.unused_turn_keys:
            notes.append(f"{self.name}: keys of turns not used: {names_shown(sorted(seen.unused_turn_keys))}")
        if seen.num_joined:
            rows = plural(seen.num_joined, "row")
            notes.append(f"{self.name}: instruction and input joined by an empty line in {rows}")
        if seen.num_histories:
            notes.append(f"{self.name}: earlier turns taken from history in {plural(seen.num_histories, 'row')}")
        if seen.num_aliased:
            notes.append(f"{self.name}: roles human and gpt (and the like) read as user and assistant")
        counts = (
            (seen.num_hidden, "zero-width or direction characters, which nobody sees"),
            (seen.num_broken, "the replacement character U+FFFD: the text was broken before it came here"),
            (
                seen.num_markers,
                "chat markers such as <|im_end|> in their text; they are trained as plain text",
            ),
        )
        for number, what in counts:
            if number:
                verb = "holds" if number == 1 else "hold"
                self.read.warnings.append(f"{self.name}: {plural(number, 'row')} {verb} {what}")


def _columns(found: Layout | Later) -> tuple[str, ...]:
    return found.required if isinstance(found, Layout) else found.evidence
