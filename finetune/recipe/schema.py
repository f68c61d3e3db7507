"""The reference of all words, made from the models: the JSON Schema for editors, and the page
docs/recipe.md.
"""

from __future__ import annotations

from typing import Any, Literal, get_args, get_origin

from finetune.recipe.words import NOT_YET, SECTIONS, Recipe, Section

SCHEMA_TITLE = "finetune-kit recipe"


def json_schema() -> dict[str, Any]:
    """The JSON Schema (draft-07) of a recipe file, for editors: every word described, unknown words refused.

    `base` and `data` are not required in it, because a recipe that `extends` another one may leave them out.
    """
    schema = _draft_07(Recipe.model_json_schema(mode="validation"))
    schema["title"] = SCHEMA_TITLE
    schema["required"] = ["recipe"]
    for name in SECTIONS:
        # pydantic leaves a description out that repeats the section's own.
        schema["properties"][name]["description"] = Recipe.model_fields[name].description
        schema["definitions"][name.capitalize()].pop("required", None)
    for (section, word), values in NOT_YET.items():
        entry = schema["definitions"][section.capitalize()]["properties"][word]
        entry["description"] += f" Not available yet: {_listed(values)}."
    return {"$schema": "http://json-schema.org/draft-07/schema#", **schema}


def _draft_07(node: Any) -> Any:
    """pydantic writes 2020-12; draft-07 says `definitions`, and ignores whatever stands beside a `$ref`."""
    if isinstance(node, list):
        return [_draft_07(item) for item in node]
    if not isinstance(node, dict):
        return node
    node = {"definitions" if key == "$defs" else key: _draft_07(value) for key, value in node.items()}
    if isinstance(node.get("$ref"), str):
        reference = {"$ref": node.pop("$ref").replace("#/$defs/", "#/definitions/")}
        node = {"allOf": [reference], **node} if node else reference
    return node


def _listed(values: Any) -> str:
    return ", ".join(f"`{_yaml(value)}`" for value in values)


def _yaml(value: Any) -> str:
    if value is None:
        return "null"
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, (tuple, dict)) and not value:
        return "[]" if isinstance(value, tuple) else "{}"
    return '""' if value == "" else str(value)


_KINDS = {
    "train": "path, folder, pattern, hub data set or list",
    "held_out": "share above 0 and below 1, path or hub data set",
    "bad_rows": "whole number of rows, or share below 1",
    "encoding": "`auto` or a name",
    "roles": "map",
    "checks": "map",
    "target_modules": "`auto`, `all-linear`, `attention`, `experts` or list of names",
    "layers": "list of numbers, `first` and/or `last`, or `null`",
    "rank_pattern": "map",
    "alpha_pattern": "map",
    "new_tokens": "list",
    "columns": "map",
    "languages": "list",
    "not_for": "list",
    "suites": "list",
    "benchmarks": "list",
    "gate": "`none`, `better_than_base` or map",
    "recipe": "`1`",
    "processes": "`1` (more: not available yet)",
}


def _kind(word: str, info: Any) -> str:
    """What may be written for a word, as the page shows it."""
    if word in _KINDS:
        return _KINDS[word]
    annotation = info.annotation
    if get_origin(annotation) is Literal:
        return _listed(get_args(annotation))
    options = [option for option in get_args(annotation) if option is not type(None)] or [annotation]
    or_null = " or `null`" if type(None) in get_args(annotation) else ""
    base = options[0]
    base = get_args(base)[0] if get_origin(base) is not None and get_args(base) else base
    kind = {int: "whole number", float: "number", bool: "`true` or `false`"}.get(base, "text")
    return kind + _bounds(info) + or_null


def _bounds(info: Any) -> str:
    words = {"gt": "above", "ge": "from", "lt": "below", "le": "to"}
    parts = []
    for bound, word in words.items():
        parts += [f"{word} {getattr(item, bound)}" for item in info.metadata if getattr(item, bound, None) is not None]
    return " " + " ".join(parts) if parts else ""


def _row(word: str, info: Any, not_yet: tuple) -> str:
    default = "required" if info.is_required() else f"`{_yaml(info.get_default(call_default_factory=True))}`"
    meaning = info.description + (f" Not available yet: {_listed(not_yet)}." if not_yet else "")
    return f"| `{word}` | {_kind(word, info)} | {default} | {meaning} |"


def _table(model: type[Section], section: str) -> list[str]:
    lines = ["| word | values | default | meaning |", "|---|---|---|---|"]
    for word, info in model.model_fields.items():
        if word not in SECTIONS or section:
            lines.append(_row(word, info, NOT_YET.get((section, word), ())))
    return lines


_HEAD = """# The words of a recipe

<!-- Made by finetune.recipe.reference_page() from finetune/recipe/words.py. Not edited by hand. -->

A recipe is one YAML file. It holds what to adapt, on which rows, how, and how to prove it: no hardware, no
code, no secrets, no environment variables. The smallest one:

```yaml
recipe: 1
base: {model: starter}
data: {train: my_rows.jsonl}
```

It is read as YAML 1.2, strictly: `1e-4` is a number, `no` and `off` are text, keys are set once, and
aliases, tags, merge keys and tabs are refused. All problems are reported together, each with file, line,
column, key, value and fix.

- `extends` names another recipe by a path, or a shipped one. Maps merge, everything else is replaced; a path
  in it is relative to the file that holds it.
- `--set train.learning_rate=1e-4` on the command line overrules one word; later ones win.
- Paths are relative to the recipe and stay in its folder, unless `--allow-outside` is given.
- Values marked "not available yet" are known, and refused.
"""


def reference_page() -> str:
    """The whole of docs/recipe.md, made from the models; a test holds the file in step with it."""
    lines = [_HEAD, "## Top level", "", *_table(Recipe, "")]
    for name, model in SECTIONS.items():
        lines += ["", f"## {name}", "", model.__doc__ or "", "", *_table(model, name)]
    return "\n".join(lines) + "\n"
