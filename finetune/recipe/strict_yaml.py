"""Strict YAML 1.2 reading with a line and a column for every key and value.

PyYAML's parser gives the events (so nothing global of PyYAML is touched, and no constructor ever runs); the
tree, its limits and the YAML 1.2 meaning of plain scalars are made here. Every fault that does not end the
parse is noted and the reading goes on, so that a recipe's problems can be reported together.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import Any

import yaml

from finetune.errors import shown

MAX_BYTES = 128 * 1024
MAX_DEPTH = 32
MAX_NODES = 10_000
MAX_DIGITS = 30
MAX_SYNTAX_FAULTS = 5

_INT = re.compile(r"[-+]?[0-9]+\Z")
_OCT_HEX = re.compile(r"0o[0-7]+\Z|0x[0-9a-fA-F]+\Z")
_FLOAT = re.compile(r"[-+]?(\.[0-9]+|[0-9]+(\.[0-9]*)?)([eE][-+]?[0-9]+)?\Z")
_WORDS: dict[str, Any] = {"": None, "~": None, "null": None, "Null": None, "NULL": None}
_WORDS.update({"true": True, "True": True, "TRUE": True, "false": False, "False": False, "FALSE": False})
for _word in ("inf", "Inf", "INF"):
    _WORDS.update({f".{_word}": float("inf"), f"+.{_word}": float("inf"), f"-.{_word}": float("-inf")})
_WORDS.update({".nan": float("nan"), ".NaN": float("nan"), ".NAN": float("nan")})

Path_ = tuple  # a key path: ("train", "epochs"); list items are numbers


@dataclass(frozen=True)
class Fault:
    """One problem of the text: its 1-based line and column (0: none), the key path it concerns, and what to
    do.
    """

    line: int
    column: int
    path: Path_
    what: str
    got: str = ""
    fix: str = ""


@dataclass
class Tree:
    """What was read. `broken` holds paths whose value could not be read; `complete` is False after a syntax
    error.
    """

    data: Any = None
    marks: dict[Path_, tuple[int, int]] = field(default_factory=dict)
    broken: set[Path_] = field(default_factory=set)
    faults: list[Fault] = field(default_factory=list)
    complete: bool = True


class _Stop(Exception):
    """The reading cannot go on; its fault is already noted."""


_BROKEN = object()


def scalar(text: str) -> Any:
    """The value of a plain (unquoted) YAML 1.2 scalar: `1e-4` is a number, `no`, `off`, `12:30`, `1_000` are
    text.

    Raises:
        ValueError: a number of more than MAX_DIGITS digits.
    """
    if text in _WORDS:
        return _WORDS[text]
    if _INT.match(text):
        if len(text) > MAX_DIGITS:
            raise ValueError("a number of too many digits")
        return int(text)
    if _OCT_HEX.match(text):
        if len(text) > MAX_DIGITS:
            raise ValueError("a number of too many digits")
        return int(text, 0)
    if _FLOAT.match(text):
        return float(text)
    return text


def decode(raw: bytes) -> tuple[str, Fault | None]:
    """The text of a recipe file: UTF-8, with or without a byte order mark. A fault when it is something
    else.
    """
    if len(raw) > MAX_BYTES:
        return "", Fault(0, 0, (), *too_large(len(raw)))
    if raw[:2] in (b"\xff\xfe", b"\xfe\xff") or (len(raw) >= 4 and (raw[0] == 0 or raw[1] == 0)):
        kind = "UTF-32" if raw[:4] in (b"\xff\xfe\0\0", b"\0\0\xfe\xff") else "UTF-16"
        return "", Fault(1, 1, (), f"the file is {kind}", fix="save it as UTF-8")
    try:
        return raw.decode("utf-8-sig"), None
    except UnicodeDecodeError as error:
        before = raw[: error.start]
        line = before.count(b"\n") + 1
        column = error.start - (before.rfind(b"\n") + 1) + 1
        what = f"byte {error.start} (0x{raw[error.start]:02x}) is not UTF-8"
        return "", Fault(line, column, (), what, fix="save the file as UTF-8")


def too_large(num_bytes: int) -> tuple[str, str, str]:
    """What is wrong, what was got and the fix, for a text of `num_bytes`."""
    return (
        "the recipe is too large",
        f"{num_bytes} bytes",
        f"keep it under {MAX_BYTES} bytes; rows belong in data files",
    )


def read(raw: bytes | str) -> Tree:
    """Read a whole recipe text. Never raises on bad input: all that is wrong is in `faults`.

    After a syntax error the block that holds it is blanked and the rest is read again, so that problems
    elsewhere still come out with their own lines; `complete` is then False.
    """
    fault = None
    if isinstance(raw, str):
        text = raw.removeprefix("\ufeff")
        if len(text) > MAX_BYTES:
            fault = Fault(0, 0, (), *too_large(len(text)))
    else:
        text, fault = decode(raw)
    if fault:
        return Tree(data={}, faults=[fault], complete=False)
    syntax: list[Fault] = []
    lines = text.splitlines(keepends=True)
    for _ in range(MAX_SYNTAX_FAULTS):
        tree, error = _read_once("".join(lines))
        if error is None:
            break
        syntax.append(error)
        if not error.line or not _blank_block(lines, error.line - 1):
            tree = Tree()
            break
    else:
        tree = Tree()
    tree.complete = not syntax
    tree.faults += syntax
    if not isinstance(tree.data, dict):
        if not tree.faults:
            kind = {list: "a list", type(None): "nothing"}.get(type(tree.data), "one value")
            fix = "start with 'recipe: 1', then one 'key: value' a line"
            tree.faults.append(Fault(1, 1, (), "a recipe must be a mapping of keys to values", kind, fix))
        tree.data, tree.complete = {}, False
    return tree


def read_value(text: str) -> Tree:
    """Read the value of a `--set key=value`: the same scalars and flow collections as in a recipe file."""
    if len(text) > MAX_BYTES:
        return Tree(faults=[Fault(0, 0, (), *too_large(len(text)))])
    if not text.strip():
        return Tree(data=None)
    tree, error = _read_once(text)
    if error:
        tree = Tree(faults=[error])
    return tree


def _blank_block(lines: list[str], index: int) -> bool:
    """Blank a line that YAML cannot read and the deeper lines under it. False when there is nothing to
    blank.
    """
    if index >= len(lines) or not lines[index].strip():
        return False
    indent = len(lines[index]) - len(lines[index].lstrip(" \t"))
    lines[index] = "\n"
    for i in range(index + 1, len(lines)):
        body = lines[i].strip()
        if body and len(lines[i]) - len(lines[i].lstrip(" \t")) <= indent:
            break
        lines[i] = "\n"
    return True


def _read_once(text: str) -> tuple[Tree, Fault | None]:
    """One pass over the events. Returns the tree so far and the syntax error that ended it, if any."""
    builder = _Builder()
    try:
        for event in yaml.parse(text, Loader=yaml.SafeLoader):
            builder.take(event)
    except _Stop:
        builder.tree.complete = False
        builder.tree.data = None
    except yaml.MarkedYAMLError as error:
        return builder.tree, _syntax_fault(error, text)
    except yaml.reader.ReaderError as error:
        before = text[: error.position]
        code = error.character if isinstance(error.character, int) else ord(error.character)
        what = f"a control character U+{code:04X} cannot stand in a recipe"
        line, column = before.count("\n") + 1, len(before) - (before.rfind("\n") + 1) + 1
        return builder.tree, Fault(line, column, (), what, fix="delete it")
    except (ValueError, OverflowError, yaml.YAMLError):
        # chr() of an escape such as "\UFFFFFFFF", or int() of a huge %YAML version: PyYAML gives no place.
        match = re.search(r"\\U|^%YAML", text, re.MULTILINE)
        line = text[: match.start()].count("\n") + 1 if match else 1
        what = "an escape or directive that YAML cannot read"
        return builder.tree, Fault(line, 1, (), what, fix="write the character itself")
    return builder.tree, None


_INDENT = ("does not line up with the lines above", "indent it like its neighbours, with spaces")
_BRACKETS = ("does not belong to the lines above", "check the indentation and the brackets")
# A piece of PyYAML's text -> what is wrong in plain words, and the fix.
_SYNTAX: dict[str, tuple[str, str]] = {
    "found character '\\t'": ("a tab cannot be used here", "use spaces"),
    "mapping values are not allowed": (
        "a ':' that cannot stand here",
        "put the text in quotes, or check the indentation",
    ),
    "could not find expected ':'": ("a key without its ':'", "write 'key: value'"),
    "found unexpected end of stream": ("a quote is opened here and never closed", "close the quote"),
    "expected <block end>": _INDENT,
    "did not find expected key": _INDENT,
    "expected ',' or": ("a bracket is not closed, or a comma is missing", "close the bracket"),
    "cannot start any token": ("a character that cannot start a value", "put the text in quotes"),
    "found unknown escape": (
        "an unknown escape in double quotes",
        "use single quotes, or write the backslash twice",
    ),
    "expected '<document start>'": _BRACKETS,
}


def _syntax_fault(error: yaml.MarkedYAMLError, text: str) -> Fault:
    """PyYAML's error in plain words, at the line a person would look at."""
    problem = error.problem or "cannot be read"
    mark = error.problem_mark or error.context_mark
    opened = "quoted scalar" in (error.context or "") or "flow" in (error.context or "")
    if opened and error.context_mark and (mark is None or mark.line != error.context_mark.line):
        mark = error.context_mark  # the quote or bracket that was opened, not the end of the file
    line, column = (mark.line + 1, mark.column + 1) if mark else (1, 1)
    lines = text.splitlines()
    row = lines[line - 1] if line <= len(lines) else ""
    if row[: len(row) - len(row.lstrip())].count("\t"):
        column = row.index("\t") + 1
        return Fault(line, column, (), "a tab cannot be used for indentation", fix="use spaces")
    for piece, (what, fix) in _SYNTAX.items():
        if piece in problem:
            return Fault(line, column, (), what, fix=fix)
    return Fault(line, column, (), f"not valid YAML: {problem.splitlines()[0][:80]}", fix="check this line")


class _Builder:
    """Builds the tree from events. A stack instead of recursion; `marks` point at keys, and at items of
    lists.
    """

    def __init__(self) -> None:
        self.tree = Tree()
        self.stack: list[tuple[Any, Path_]] = []  # (container, its path)
        self.keys: list[Any] = []  # per container: the key that waits for its value
        self.num_nodes = 0
        self.num_documents = 0
        self.skip = 0  # > 0: inside a collection whose content is not kept
        self.skips_key = False  # that collection stands where a key should

    def fault(self, event: Any, path: Path_, what: str, got: str = "", fix: str = "") -> None:
        mark = event.start_mark
        self.tree.faults.append(Fault(mark.line + 1, mark.column + 1, path, what, got, fix))

    def take(self, event: Any) -> None:
        if isinstance(event, yaml.DocumentStartEvent):
            self.num_documents += 1
            if self.num_documents > 1:
                self.fault(event, (), "a second document starts here", fix="keep one recipe in one file")
                raise _Stop
        elif isinstance(event, yaml.NodeEvent):
            self.node(event)
        elif isinstance(event, yaml.CollectionEndEvent):
            if self.skip:
                self.skip -= 1
                if not self.skip and self.skips_key:
                    self.keys[-1], self.skips_key = _BROKEN, False
            else:
                self.stack.pop()
                self.keys.pop()

    def at_key(self) -> bool:
        return bool(self.stack) and isinstance(self.stack[-1][0], dict) and self.keys[-1] is None

    def node(self, event: Any) -> None:
        self.num_nodes += 1
        if self.num_nodes > MAX_NODES:
            self.fault(event, (), f"more than {MAX_NODES} values", fix="keep rows in data files")
            raise _Stop
        collection = isinstance(event, yaml.CollectionStartEvent)
        if collection and len(self.stack) + self.skip >= MAX_DEPTH:
            self.fault(event, (), f"nested deeper than {MAX_DEPTH}", fix="use fewer brackets")
            raise _Stop
        if self.skip:
            self.skip += collection
        elif self.at_key():
            self.key(event)
        else:
            self.value(event)

    def key(self, event: Any) -> None:
        path = self.stack[-1][1]
        if isinstance(event, yaml.ScalarEvent):
            self.keys[-1] = (event.value, event)
        elif isinstance(event, yaml.AliasEvent):
            self.alias(event, path)
            self.keys[-1] = _BROKEN
        else:
            self.fault(event, path, "a key must be plain text", fix="put it in quotes if it starts with a bracket")
            self.skip, self.skips_key = 1, True

    def value(self, event: Any) -> None:
        path, kept = self.place(event)
        value: Any = _BROKEN
        if isinstance(event, yaml.AliasEvent):
            self.alias(event, path)
        elif event.tag is not None:
            self.fault(
                event,
                path,
                "tags are not allowed",
                shown(event.tag.replace("tag:yaml.org,2002:", "!!")),
                "delete the tag",
            )
        elif isinstance(event, yaml.ScalarEvent):
            value = self.scalar(event, path)
        else:
            value = {} if isinstance(event, yaml.MappingStartEvent) else []
        if value is _BROKEN:
            self.tree.broken.add(path)
            while path and isinstance(path[-1], int):  # a list that lacks an item is not judged either
                path = path[:-1]
                self.tree.broken.add(path)
        if kept and value is not _BROKEN:
            self.attach(path, value)
        if isinstance(event, yaml.CollectionStartEvent):
            if not kept or value is _BROKEN:
                self.skip = 1
            else:
                self.stack.append((value, path))
                self.keys.append(None)

    def place(self, event: Any) -> tuple[Path_, bool]:
        """Where the coming value belongs, and whether it is kept (not so under a broken or repeated key)."""
        if not self.stack:
            return (), True
        container, path = self.stack[-1]
        if isinstance(container, list):
            # A broken item still takes its number, so that later items keep theirs.
            self.keys[-1] = number = 0 if self.keys[-1] is None else self.keys[-1] + 1
            path = (*path, number)
            self.tree.marks[path] = (event.start_mark.line + 1, event.start_mark.column + 1)
            return path, True
        key, self.keys[-1] = self.keys[-1], None
        if key is _BROKEN:
            return path, False
        name, at = key
        path = (*path, name)
        if name == "<<" and at.style is None:
            self.fault(at, path[:-1], "merge keys are not allowed", "'<<'", "write the settings out")
            return path, False
        if path in self.tree.marks:
            first = self.tree.marks[path][0]
            line = at.start_mark.line + 1
            what = f"set twice, on line {first} and again on line {line}"
            self.fault(at, path, what, fix="keep one of the two")
            return path, False
        self.tree.marks[path] = (at.start_mark.line + 1, at.start_mark.column + 1)
        if any("\ud800" <= char <= "\udfff" for char in name):
            self.fault(at, path[:-1], "a key holds half a character (a lone surrogate)", fix="write plain letters")
            return path, False
        return path, True

    def attach(self, path: Path_, value: Any) -> None:
        if not self.stack:
            self.tree.data = value
        elif isinstance(self.stack[-1][0], list):
            self.stack[-1][0].append(value)
        else:
            self.stack[-1][0][path[-1]] = value

    def alias(self, event: Any, path: Path_) -> None:
        what = "aliases are not allowed in recipes"
        if not any(fault.what == what for fault in self.tree.faults):
            self.fault(event, path, what, f"*{event.anchor}"[:60], "write the value out")

    def scalar(self, event: Any, path: Path_) -> Any:
        text = event.value
        if any("\ud800" <= char <= "\udfff" for char in text):
            what = "holds half a character (a lone surrogate)"
            self.fault(event, path, what, fix="write the character itself")
            return _BROKEN
        if event.style is not None:
            return text
        try:
            return scalar(text)
        except ValueError:
            what = f"a number of more than {MAX_DIGITS} digits"
            self.fault(event, path, what, fix="write a smaller number, or put the text in quotes")
            return _BROKEN
