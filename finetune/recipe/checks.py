"""The checks that need no file: words, kinds, ranges, secrets, contradictions, values not available yet."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import Any, Literal, get_args, get_origin

from pydantic import ValidationError

from finetune.errors import Problem, shown
from finetune.recipe import remedies
from finetune.recipe.adapter_words import DOUBLED, MAX_RATE, MAX_SCALE, most_alpha, most_rank
from finetune.recipe.evaluate_words import gate_checks
from finetune.recipe.findings import Findings, Mark, dotted, place, safe
from finetune.recipe.words import (
    FORMAT_VERSION,
    NOT_YET,
    SECTIONS,
    Recipe,
    section_of,
)

MISSING = object()
NOT_AVAILABLE = "not available yet"


@dataclass
class View:
    """The merged raw settings. `bad` are paths that already have a problem: later checks leave them alone."""

    data: dict[str, Any]
    broken: set[tuple] = field(default_factory=set)
    complete: bool = True
    bad: set[tuple] = field(default_factory=set)

    def is_bad(self, path: tuple) -> bool:
        tainted = self.bad | self.broken
        return any(path[:n] in tainted for n in range(1, len(path) + 1)) or any(
            other[: len(path)] == path for other in tainted
        )

    def get(self, section: str, word: str) -> Any:
        """The value as set, the default when unset, MISSING when it has a problem or no default."""
        holder = self.data.get(section, {})
        if not isinstance(holder, dict) or self.is_bad((section, word)):
            return MISSING
        if word in holder:
            return holder[word]
        info = SECTIONS[section].model_fields[word]
        return MISSING if info.is_required() else info.get_default(call_default_factory=True)


def not_yet(key: str, value: object, where: str = "", fix: str = "") -> Problem:
    """The refusal of a value that is known and has no room yet. Used with the same words by every room."""
    return Problem(where, key, NOT_AVAILABLE, safe(value), fix)


def check_version(findings: Findings, file: str, mark: Mark | None, value: Any) -> bool:
    """The `recipe:` line of one file. False when the file is of a newer format, so that nothing else is
    judged.
    """
    if mark is None:
        fix = f"write 'recipe: {FORMAT_VERSION}' on the first line"
        findings.add_at((file, 0, 0), ("recipe",), "required", "", fix)
    elif isinstance(value, int) and not isinstance(value, bool) and value > FORMAT_VERSION:
        what = f"needs a newer finetune-kit; this one reads format {FORMAT_VERSION}"
        findings.add_at(mark, ("recipe",), what, shown(value), "upgrade finetune-kit")
        return False
    return True


def check_words(findings: Findings, view: View) -> Recipe | None:
    """Validate with pydantic and turn its errors into problems. Returns the recipe when there are none."""
    try:
        return Recipe.model_validate(view.data)
    except ValidationError as error:
        details = error.errors(include_url=False, include_context=True)
    for detail in details:
        path = tuple(part for part in detail["loc"] if part != "[key]")
        if any(path[:n] in view.broken for n in range(1, len(path) + 1)):
            continue
        if not view.complete and detail["input"] is None and _KINDS.get(detail["type"]) == "a map of settings":
            continue  # its content was lost to a syntax error
        if detail["type"] == "missing":
            if view.complete:
                findings.add(path, "required", "", _example_fix(path))
        elif detail["type"] == "extra_forbidden" or detail["loc"][-1] == "[key]":
            _unknown(findings, path, detail["input"])
            continue
        else:
            view.bad.add(path)
            _wrong_value(findings, path, detail)
    return None


def _unknown(findings: Findings, path: tuple, value: Any) -> None:
    word = str(path[-1])
    if remedies.SECRET_KEY.search(word) and not isinstance(value, (dict, list)):
        what = "a secret does not belong in a recipe"
        findings.add(path, what, "", "delete it, and log in with the tool that needs it")
        return
    findings.add(path, *_with_empty_got(remedies.unknown_key(path[:-1], word)))


def _with_empty_got(pair: tuple[str, str]) -> tuple[str, str, str]:
    return pair[0], "", pair[1]


def _field(path: tuple) -> Any:
    model = section_of(path[:1]) if len(path) > 1 else Recipe
    word = path[:2][-1] if path else ""
    return model.model_fields.get(word) if model else None


def _example_fix(path: tuple) -> str:
    info = _field(path)
    if info is None or not info.examples:
        return ""
    return f"write, for example, {path[:2][-1]}: {info.examples[0]}"


def _choices(annotation: Any) -> list[str]:
    return [str(choice) for choice in get_args(annotation)] if get_origin(annotation) is Literal else []


_KINDS = {
    "int_type": "a whole number",
    "int_parsing": "a whole number",
    "int_from_float": "a whole number",
    "float_type": "a number",
    "bool_type": "true or false",
    "string_type": "text",
    "model_type": "a map of settings",
    "dict_type": "a map of settings",
    "model_attributes_type": "a map of settings",
    "tuple_type": "a list",
    "list_type": "a list",
}


def _wrong_value(findings: Findings, path: tuple, detail: Any) -> None:
    """One pydantic error in plain words, with an example of a right value."""
    info = _field(path)
    kind, value, fix = detail["type"], detail["input"], _example_fix(path)
    if kind in _KINDS:
        what = f"expected {_KINDS[kind]}"
        if kind == "string_type" and isinstance(value, (int, float)):
            fix = "put it in quotes"
        elif kind in ("int_type", "float_type") and isinstance(value, str) and re.fullmatch(r"[\d_,.]+", value):
            fix = "write the number without quotes and separators"
    elif kind == "literal_error":
        choices = _choices(info.annotation) if info else []
        choices = choices or re.findall(r"'([^']*)'", detail["ctx"]["expected"])
        what = f"expected {'one of ' if len(choices) > 1 else ''}{', '.join(choices)}"
        guess = remedies.near(value, choices) if isinstance(value, str) else ""
        odd = remedies.odd_letters(value) if isinstance(value, str) else ""
        what += f"; it holds {odd}" if odd else ""
        if isinstance(value, bool):
            guess = remedies.INSTEAD_OF_BOOL.get(path, {}).get(value, "")
        fix = f"write {path[-1]}: {guess or _first_available(path, choices)}"
    elif kind in ("greater_than", "greater_than_equal", "less_than", "less_than_equal", "finite_number"):
        what = f"must be {_range(info)}"
    elif kind == "string_pattern_mismatch":
        what = "has a form that is not allowed here"
    elif kind == "string_too_short":
        what = "is empty"
    elif kind == "string_too_long":
        what = f"is longer than {detail['ctx']['max_length']} characters"
    else:
        what = detail["msg"].removeprefix("Value error, ")
    findings.add(path, what, safe(value), fix)


def _first_available(path: tuple, choices: list[str]) -> str:
    refused = NOT_YET.get(path, ())
    return next((choice for choice in choices if choice not in refused), "")


def _range(info: Any) -> str:
    """The bounds of a number in words, from the field itself."""
    words = {"gt": "above", "ge": "at least", "lt": "below", "le": "at most"}
    parts = []
    for bound, word in words.items():
        for item in info.metadata if info else ():
            if getattr(item, bound, None) is not None:
                parts.append(f"{word} {getattr(item, bound)}")
    return " and ".join(parts) or "a finite number"


def check_not_yet(findings: Findings, view: View) -> None:
    """Values whose room is not built: known, refused, never ignored."""

    def refuse(path: tuple, value: Any, fix: str) -> None:
        if not view.is_bad(path):
            problem = not_yet(dotted(path), value, fix=fix)
            findings.add(path, problem.what, problem.got, problem.fix)

    for path, values in NOT_YET.items():
        value = view.get(*path)
        if value is not MISSING and any(value is known or value == known for known in values):
            default = SECTIONS[path[0]].model_fields[path[1]].default
            refuse(path, value, f"write {path[1]}: {str(default).lower()}")
    processes = view.get("hardware", "processes")
    if processes is not MISSING and processes > 1:
        refuse(("hardware", "processes"), processes, "write processes: 1")


def check_contradictions(findings: Findings, view: View) -> None:
    """Settings that are right alone and wrong together: both keys and both places are named."""

    def clash(one: tuple, other: tuple, why: str, fix: str) -> None:
        """Reported at `one`; the place of `other` is named in the text (its default when it is not set)."""
        at = f"at {place(findings.marks[other])}" if other in findings.marks else "by default"
        value = view.get(*other)
        value = [] if value == () else value
        findings.add(one, f"{why}, but {dotted(other)} is {safe(value)} {at}", safe(view.get(*one)), fix)

    _check_adapter(findings, view, clash)
    _check_ratio(view, clash)
    _check_quantization(view, clash)
    _check_gate(view, clash)
    micro, batch = view.get("hardware", "micro_batch"), view.get("train", "batch_size")
    if MISSING not in (micro, batch) and micro is not None:
        if micro > batch:
            why = "cannot be larger than train.batch_size"
        else:
            why = "must divide train.batch_size" if batch % micro else ""
        if why:
            clash(
                ("hardware", "micro_batch"),
                ("train", "batch_size"),
                why,
                "choose a divisor of the batch size",
            )
    packing, dropout = view.get("hardware", "packing"), view.get("adapter", "dropout")
    if packing == "prefix" and dropout is not MISSING and dropout > 0:
        why = "computes a shared prefix with one pattern of dropout for all its rows, which is not the same training"
        clash(("hardware", "packing"), ("adapter", "dropout"), why, "write packing: plain, or dropout: 0")
    if view.get("data", "overlong") == "trim_history" and view.get("data", "format") == "question_answer":
        why = "needs conversations of several turns"
        clash(("data", "overlong"), ("data", "format"), why, "write overlong: drop")
    if view.get("train", "order") == "by_group" and view.get("data", "group_by") is None:
        clash(("train", "order"), ("data", "group_by"), "needs groups of rows", "name their column with data.group_by")
    _check_same_files(view, clash)
    _check_columns(findings, view, clash)


def _check_quantization(view: View, clash: Any) -> None:
    """Kinds of adapters that have nothing to gain from a rounded base, or break on it."""
    kind, method = view.get("base", "quantization"), view.get("adapter", "method")
    if kind not in ("8bit", "4bit") or method is MISSING:
        return
    if method in DOUBLED:
        why = f"{method} starts from the base's exact matrices, which are rounded away"
        clash(("base", "quantization"), ("adapter", "method"), why, "write method: lora, or quantization: none")
    elif method == "dora" and kind == "8bit":
        why = "peft's dora loses the scales of 8-bit layers"
        clash(("base", "quantization"), ("adapter", "method"), why, "write quantization: 4bit, or method: lora")


def _check_adapter(findings: Findings, view: View, clash: Any) -> None:
    """Ranks and strengths given module by module keep to the same bounds as those of all modules."""
    rank, method = view.get("adapter", "r"), view.get("adapter", "method")
    patterns = [view.get("adapter", "rank_pattern"), view.get("adapter", "alpha_pattern")]
    if MISSING in (rank, method) or not all(isinstance(pattern, dict) for pattern in patterns):
        return
    ranks, alphas = patterns
    most, is_root = most_rank(method), method == "rslora"
    if rank > most:
        clash(("adapter", "r"), ("adapter", "method"), f"may be at most {most}", f"write r: {most} or less")
    for name, value in ranks.items():
        if value > most:
            what = f"may be at most {most} with adapter.method {method}"
            findings.add(("adapter", "rank_pattern", name), what, safe(value), f"write {most} or less")
    smallest = min([rank, *ranks.values()])
    # Whoever loads an adapter looks at its smallest rank and its largest strength.
    times, kind = f"{MAX_SCALE} times", " with adapter.method rslora" if is_root else ""
    bound = most_alpha(smallest, is_root)
    for name, value in alphas.items():
        if value > bound:
            smallest_of = f"sqrt(the smallest rank){kind}" if is_root else "the smallest rank"
            what = f"may be at most {times} {smallest_of}, {smallest}"
            findings.add(("adapter", "alpha_pattern", name), what, safe(value), f"write {min(2 * smallest, bound):g}")
    alpha = view.get("adapter", "alpha")
    if alpha is MISSING or alpha <= bound:
        return
    if alpha > most_alpha(rank, is_root):
        why = f"may be at most {times} {f'sqrt(adapter.r){kind}' if is_root else 'adapter.r'}"
        fix = f"write alpha: {min(2 * rank, most_alpha(rank, is_root)):g}, or raise r"
        clash(("adapter", "alpha"), ("adapter", "r"), why, fix)
    else:
        why = f"may be at most {times} {f'sqrt(the smallest rank){kind}' if is_root else 'the smallest rank'}"
        clash(("adapter", "alpha"), ("adapter", "rank_pattern"), why, "raise that rank, or lower alpha")


def _check_ratio(view: View, clash: Any) -> None:
    """LoRA+ multiplies the learning rate; the product keeps to the bound of every rate."""
    ratio, rate = view.get("adapter", "learning_rate_ratio"), view.get("train", "learning_rate")
    if MISSING not in (ratio, rate) and ratio * rate > MAX_RATE:
        why = f"lets the B matrices learn at {ratio * rate:g}, and a rate may be at most {MAX_RATE:g}"
        fix = f"write learning_rate_ratio: {max(1, MAX_RATE / rate):.4g} or less, or lower the rate"
        clash(("adapter", "learning_rate_ratio"), ("train", "learning_rate"), why, fix)


def _check_gate(view: View, clash: Any) -> None:
    """A gate can only ask for what is measured."""
    gate = view.get("evaluate", "gate")
    asked = gate_checks(gate) if isinstance(gate, dict) else {}
    for check in ("no_general_loss", "safety"):
        if check in asked and view.get("evaluate", "suites") in (MISSING, (), []):
            named = "general" if check == "no_general_loss" else "medical_safety"
            clash(("evaluate", "gate"), ("evaluate", "suites"), f"asks for {check}", f"write suites: [{named}]")


def _check_columns(findings: Findings, view: View, clash: Any) -> None:
    """Column names belong to questions and answers, and no two words may name one column."""
    columns = view.get("data", "columns")
    if isinstance(columns, dict) and columns:
        if view.get("data", "format") in ("messages", "sharegpt", "alpaca"):
            why = "are for questions and answers"
            clash(("data", "columns"), ("data", "format"), why, "delete one of the two")
        for word, column in columns.items():
            twin = next((other for other in columns if other != word and columns[other] == column), None)
            if twin and list(columns).index(twin) < list(columns).index(word):
                at = place(findings.marks.get(("data", "columns", twin)))
                what = f"names the same column as data.columns.{twin} at {at}"
                findings.add(("data", "columns", word), what, safe(column), "give each its own column")


def _check_same_files(view: View, clash: Any) -> None:
    train = view.get("data", "train")
    if train is MISSING:
        return
    entries = [train] if isinstance(train, str) else train
    files = {_tidy(item if isinstance(item, str) else item["path"]) for item in entries}
    held_out, questions = view.get("data", "held_out"), view.get("evaluate", "questions")
    if isinstance(held_out, str) and _tidy(held_out) in files:
        why = "would measure on the rows that are learnt"
        clash(("data", "held_out"), ("data", "train"), why, "name other rows, or a share such as 0.1")
    if isinstance(questions, str) and _tidy(questions) in files:
        why = "would ask the questions that are learnt"
        clash(("evaluate", "questions"), ("data", "train"), why, "name a file of other questions, or null")


def _tidy(path: str) -> str:
    return re.sub(r"/(\./)*/*", "/", re.sub(r"^(\./)+", "", path))


def check_texts(findings: Findings, view: View, seen_lines: set[tuple[str, int]]) -> None:
    """Every text value: no secret (`seen_lines` hold those already reported) and no variable to be filled
    in.
    """

    def walk(value: Any, path: tuple) -> None:
        if isinstance(value, dict):
            for key, item in value.items():
                walk(item, (*path, key))
        elif isinstance(value, list):
            for number, item in enumerate(value):
                walk(item, (*path, number))
        elif isinstance(value, str):
            mark = findings.mark(path)
            if remedies.find_secret(value) is not None and mark[:2] not in seen_lines:
                add_secret(findings, mark, path)
            elif re.search(r"\$\{[^}\n]*\}", value):
                what = "variables such as ${...} are not filled in"
                findings.add(path, what, safe(value), "write the value itself, or give it with --set")

    walk(view.data, ())


def add_secret(findings: Findings, mark: Mark, path: tuple) -> None:
    """A secret was found: its place is named, its text never shown."""
    what = "this looks like a secret (a password, a token or a private key); its text is not shown here"
    fix = "delete it and replace it where it was issued; log in with the tool that needs it"
    findings.add_at(mark, path, what, "", fix)
