"""The lines that the rooms can say of data, read from their source: problems, remedies, notes, warnings."""

from __future__ import annotations

import ast
import itertools
import re
from collections.abc import Iterator
from pathlib import Path

import finetune

# Of generation, a check reads the questions alone; of models, it opens the base and sees what it can carry.
_OF_MODELS = (
    "anatomy", "attaching", "base", "fetching", "fitting", "huggingface", "modelscope_ids", "new_tokens", "opening",
    "pieces", "quantized", "repositories", "shards", "sources", "starts", "structure", "tokenizers", "vision",
)  # fmt: skip
ROOMS = (
    "data", "prepare", "render", "generation/questions.py", "hub.py", *(f"models/{name}.py" for name in _OF_MODELS),
)  # fmt: skip
# Where a line is handed on: (the function's name, which of its arguments are lines).
_CALLS = {
    "Problem": {2: "what", 4: "fix"}, "say": {1: "what", 3: "fix"}, "told": {1: "what", 3: "fix"},
    "ModelError": {0: "problems"}, "DataError": {0: "problems"},
    "SourceError": {0: "what", 1: "fix"}, "refuse": {0: "what", 1: "fix"}, "_refuse": {0: "what", 1: "fix"},
    "problem": {0: "what", 1: "fix"}, "_error": {0: "what", 1: "fix"},
}  # fmt: skip
_LISTS = ("notes", "warnings", "lines", "problems")
# What stands for a value that is known only at run time.
FILLED = "7"
_MOST = 64


def literal_lines(rooms: tuple[str, ...] = ROOMS) -> dict[str, str]:
    """Line, with 7 in the place of every value -> `file:line` where it is written."""
    found: dict[str, str] = {}
    root = Path(finetune.__file__).parent
    for room in rooms:
        paths = sorted((root / room).rglob("*.py")) or [root / room]
        for path in paths:
            tree = ast.parse(path.read_text(encoding="utf-8"))
            for function in _functions(tree):
                for node, number in _handed_on(function):
                    for line in _texts(node, _names(function, tree), 0):
                        for part in line.split(". Fix: "):
                            if _says_something(part):
                                found.setdefault(part, f"{path.relative_to(root)}:{number}")
    return found


def _says_something(line: str) -> bool:
    """Whether it is a whole line of its own: not a beginning, nor a frame around another sentence."""
    framed = line.startswith((f"{FILLED}; ", f"{FILLED}, ", f"{FILLED}. ")) or line.endswith("; ")
    return len(re.findall("[a-zA-Z]{2,}", line)) > 1 and not framed


def _functions(tree: ast.Module) -> Iterator[ast.FunctionDef]:
    yield from (node for node in ast.walk(tree) if isinstance(node, ast.FunctionDef))


def _handed_on(function: ast.FunctionDef) -> Iterator[tuple[ast.expr, int]]:
    for node in ast.walk(function):
        if isinstance(node, ast.Call):
            name = node.func.id if isinstance(node.func, ast.Name) else getattr(node.func, "attr", "")
            for place, keyword in _CALLS.get(name, {}).items():
                if place < len(node.args):
                    yield node.args[place], node.lineno
                yield from ((word.value, node.lineno) for word in node.keywords if word.arg == keyword)
            if name in ("append", "extend") and isinstance(node.func, ast.Attribute) and _is_list(node.func.value):
                yield node.args[0], node.lineno
        elif isinstance(node, ast.AugAssign) and _is_list(node.target):
            yield node.value, node.lineno


def _is_list(node: ast.expr) -> bool:
    name = node.id if isinstance(node, ast.Name) else getattr(node, "attr", "")
    return name.lstrip("_") in _LISTS


def _names(function: ast.FunctionDef, tree: ast.Module) -> dict[str, list[ast.expr]]:
    """What each name may stand for, within the function and the file."""
    names: dict[str, list[ast.expr]] = {}
    within = [node for node in ast.walk(function) if isinstance(node, (ast.Assign, ast.AugAssign))]
    for node in [*tree.body, *sorted(within, key=lambda node: node.lineno)]:
        if isinstance(node, ast.Assign):
            for target in node.targets:
                pairs = [(target, node.value)]
                if isinstance(target, ast.Tuple) and isinstance(node.value, ast.Tuple):
                    pairs = list(zip(target.elts, node.value.elts))
                for name, value in pairs:
                    if isinstance(name, ast.Name):
                        names.setdefault(name.id, []).append(value)
        elif isinstance(node, ast.AugAssign) and isinstance(node.target, ast.Name):
            before = names.get(node.target.id, [])
            before += [ast.BinOp(one, ast.Add(), node.value) for one in before[-1:]]
    return names


def _texts(node: ast.expr, names: dict[str, list[ast.expr]], depth: int) -> list[str]:
    """Every text that an expression can be; none where it cannot be told."""
    if depth > 12:
        return []
    if isinstance(node, ast.Constant):
        return [node.value] if isinstance(node.value, str) else []
    if isinstance(node, ast.JoinedStr):
        pieces = [_texts(value, names, depth + 1) or [FILLED] for value in node.values]
        return ["".join(made) for made in itertools.islice(itertools.product(*pieces), _MOST)]
    if isinstance(node, ast.FormattedValue):
        return _texts(node.value, names, depth + 1)
    if isinstance(node, ast.IfExp):
        return [*_texts(node.body, names, depth + 1), *_texts(node.orelse, names, depth + 1)]
    if isinstance(node, ast.BinOp) and isinstance(node.op, ast.Add):
        pairs = itertools.product(_texts(node.left, names, depth + 1), _texts(node.right, names, depth + 1))
        return ["".join(pair) for pair in pairs]
    if isinstance(node, ast.BoolOp):
        return [text for value in node.values for text in _texts(value, names, depth + 1)]
    if isinstance(node, (ast.List, ast.Tuple)):
        return [text for value in node.elts for text in _texts(value, names, depth + 1)]
    if isinstance(node, (ast.ListComp, ast.GeneratorExp)):
        return _texts(node.elt, names, depth + 1)
    if isinstance(node, ast.Name):
        return [text for value in names.get(node.id, []) for text in _texts(value, names, depth + 1)][:_MOST]
    if isinstance(node, ast.Call) and getattr(node.func, "id", "") == "plural" and len(node.args) > 1:
        return [f"{FILLED} {text}s" for text in _texts(node.args[1], names, depth + 1)]
    return []
