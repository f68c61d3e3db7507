"""How the rows of one file are laid out: told by its first rows, the same for all of them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from finetune.data.converting import layouts
from finetune.data.converting.layouts import Ambiguous, Hints, Layout
from finetune.data.converting.turns import Speaking
from finetune.data.reading.json_rows import Row
from finetune.data.shapes import name_shown, names_shown, plural
from finetune.errors import Problem


@dataclass(frozen=True)
class Choices:
    """What the recipe says about reading rows."""

    format: str = "auto"
    columns: Mapping[str, str] = field(default_factory=dict)
    group_by: str | None = None
    roles: Mapping[str, str] = field(default_factory=dict)
    mend: bool = False
    images: str = "use"


@dataclass(frozen=True)
class FilePlan:
    """How the rows of one file are read; settled by its first rows, the same for all of them.

    `folder` is the data file's, to which the paths of images are relative; None where the rows come from elsewhere.
    """

    name: str
    layout: Layout
    hints: Hints
    choices: Choices
    first_line: int = 1
    folder: Path | None = None

    @property
    def how(self) -> Speaking:
        """How its turns are read."""
        return Speaking(self.choices.roles, self.layout.lenient, self.choices.mend)


def plan_of(name: str, rows: Sequence[Row], choices: Choices) -> tuple[FilePlan | None, list[str], list[Problem]]:
    """(how to read the file, notes, why it cannot be read), from its first rows."""
    hints = layouts.hints_of((row.value for row in rows), choices.columns)
    first: dict[Layout, int] = {}
    ambiguous: tuple[Ambiguous, int] | None = None
    known: dict[Any, Layout | Ambiguous | None] = {}
    for row in rows:
        if isinstance(row.value, dict):
            keys = tuple(row.value)
            if keys not in known:
                names = layouts.by_usual_name(keys)
                known[keys] = layouts.recognise(names, choices.format, choices.columns, hints)
            found = known[keys]
        else:
            found = layouts.recognise_list(row.value)
        if isinstance(found, Ambiguous):
            ambiguous = ambiguous or (found, row.line)
        elif found is not None:
            first.setdefault(found, row.line)
    if ambiguous and not first:
        return None, [], [_say_ambiguous(name, *ambiguous)]
    if not first:
        return None, [], [_say_unknown(name, rows, choices)] if rows else []
    if len(first) > 1:
        return None, [], [two_layouts(name, first)]
    layout = next(iter(first))
    group = choices.group_by
    if group is not None and not any(isinstance(row.value, dict) and group in row.value for row in rows):
        return None, [], [_say_no_group(name, rows[0], group)]
    note = f"{name}: {layout.format}, from {_evidence(layout, choices)}"
    return FilePlan(name, layout, hints, choices, first[layout]), [note], []


def two_layouts(name: str, first: Mapping[Layout, int]) -> Problem:
    """The refusal of a file whose rows are laid out in several ways.

    Args:
        first: layout -> the line of its first row, in the order of these.
    """
    parts = [f"{found}, {_columns(found)} (first at line {line})" for found, line in first.items()]
    what = f"{plural(len(first), 'layout')} in one file: {'; '.join(parts)}"
    return Problem(name, "", what, fix="put each layout into a file of its own")


def _columns(layout: Layout) -> str:
    return names_shown(layout.required, named=layout.required) if layout.required else "rows that are lists"


def _evidence(layout: Layout, choices: Choices) -> str:
    if layout.base == "row":
        return "rows that are lists of messages"
    if layout.base == "turns":
        return "rows that are lists of instruction and output"
    if choices.columns:
        return f"data.columns: {_columns(layout)}"
    columns = f"column{'s' if len(layout.required) > 1 else ''} {_columns(layout)}"
    return columns if choices.format == "auto" else f"data.format, {columns}"


def _header(name: str, line: int) -> str:
    """Where the columns are named: the header line of a table, else the row itself."""
    plain = name.lower().removesuffix(".gz").removesuffix(".zst")
    return f"{name}:{1 if plain.endswith(('.csv', '.tsv')) else line}"


def _say_ambiguous(name: str, found: Ambiguous, line: int) -> Problem:
    what = (
        f"more than one column can be the question ({names_shown(found.questions)}) "
        f"or the answer ({names_shown(found.answers)})"
    )
    fix = "say which in data.columns: {prompt: ..., completion: ...}"
    return Problem(_header(name, line), "columns", what, fix=fix)


def _say_unknown(name: str, rows: Sequence[Row], choices: Choices) -> Problem:
    row = next((row for row in rows if isinstance(row.value, dict)), rows[0])
    if not isinstance(row.value, dict):
        is_list = isinstance(row.value, list)
        what = "each row is a list, but not of turns" if is_list else "an object is due in every row"
        fix = 'write each row as {"question": ..., "answer": ...} or {"messages": [...]}'
        return Problem(f"{name}:{row.line}", "", what, fix=fix)
    own = {*choices.columns.values(), choices.group_by}
    found = f"columns found: {names_shown(row.value, named=own)}" if row.value else "the first row has no columns"
    names = layouts.by_usual_name(row.value)
    fix = "name yours in data.columns: {prompt: ..., completion: ...}, or use one of: "
    fix += layouts.ROW_LAYOUTS
    if choices.columns:
        asked = names_shown(choices.columns.values(), named=own)
        what, fix = f"has no columns {asked} as data.columns says; {found}", "correct data.columns"
        if set(choices.columns.values()) <= set(row.value):
            what = f"the layout is not recognised with {asked} of data.columns; {found}"
            fix = "name the question and the answer, too: data.columns: {prompt: ..., completion: ...}"
    elif choices.format != "auto":
        what = f"the columns are not those of data.format {choices.format}; {found}"
        fix = f"set data.format to auto, or use one of: {layouts.ROW_LAYOUTS}"
    elif {"role", "content"} <= set(names) or {"from", "value"} <= set(names):
        what = f"each row is one turn, not a conversation; {found}"
        fix = 'write the turns of a conversation into one row: {"messages": [{...}, {...}]}'
    elif "text" in names and len(names) == 1 and not choices.columns:
        what = "the rows are ready texts (column text), in which no question and answer are told apart; "
        what += found
    elif any(_is_texts(row.value.get(names.get(key))) for key in ("turns", "questions")):
        column = names.get("turns", names.get("questions"))
        what = f"the rows hold questions without answers (column {column}); {found}"
    elif isinstance(answers := row.value.get(names.get("answers")), (dict, list)) and answers:
        what = f"the answers are {'an object' if isinstance(answers, dict) else 'a list'}, as in SQuAD; {found}"
        fix = "write the one answer that is to be learnt, as text, into a column answer (in SQuAD: answers.text[0])"
    else:
        what = f"the layout is not recognised; {found}"
    return Problem(_header(name, row.line), "columns", what, fix=fix)


def _is_texts(value: Any) -> bool:
    return isinstance(value, list) and bool(value) and all(isinstance(one, str) for one in value)


def _say_no_group(name: str, row: Row, key: str) -> Problem:
    found = names_shown(row.value) if isinstance(row.value, dict) else "none"
    what = f"no row has the column {name_shown(key, named=True)} of data.group_by; columns found: {found}"
    return Problem(_header(name, row.line), "columns", what, fix="correct data.group_by, or add the column")
