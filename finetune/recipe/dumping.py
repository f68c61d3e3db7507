"""Writing a recipe: YAML that reads back to the same recipe, and the fingerprint of what it means."""

from __future__ import annotations

import hashlib
import json

import yaml

from finetune.recipe.strict_yaml import scalar
from finetune.recipe.words import Recipe


class _Dumper(yaml.SafeDumper):
    """A dumper of its own, so that PyYAML's classes stay as they are."""

    def ignore_aliases(self, data: object) -> bool:
        return True


def reads_as_text(value: str) -> bool:
    """Whether YAML 1.2 reads these plain characters as text: `clinic` yes; `2024`, `null`, `1e-4` no."""
    try:
        return isinstance(scalar(value), str)
    except ValueError:
        return False


def _text(dumper: yaml.SafeDumper, value: str) -> yaml.ScalarNode:
    # PyYAML writes plain what YAML 1.1 calls text, for instance 1e-4; YAML 1.2 calls that a number.
    style = None if reads_as_text(value) else '"'
    if "\n" in value:
        printable = all(char == "\n" or char.isprintable() for char in value)
        style = "|" if printable else '"'
    elif not value.isprintable():
        style = '"'
    return dumper.represent_scalar("tag:yaml.org,2002:str", value, style=style)


def _number(dumper: yaml.SafeDumper, value: float) -> yaml.ScalarNode:
    # 1e-09 would be text to PyYAML, which then writes a tag before it; 1.0e-09 is a number to everyone.
    text = repr(value)
    text = text if "." in text else text.replace("e", ".0e")
    return dumper.represent_scalar("tag:yaml.org,2002:float", text)


_Dumper.add_representer(str, _text)
_Dumper.add_representer(float, _number)


def dump(recipe: Recipe) -> str:
    """The recipe as YAML: every word with its value, in the order of the reference; `extends` is already
    merged.

    `load` and `parse` read it back to an equal recipe.
    """
    data = recipe.model_dump(mode="json", exclude={"extends"})
    return yaml.dump(data, Dumper=_Dumper, sort_keys=False, allow_unicode=True, width=100)


def fingerprint(recipe: Recipe) -> str:
    """sha256 (hex) of what the recipe means: the same for any order of keys, comments, name and
    description.
    """
    data = recipe.model_dump(mode="json", exclude={"name", "description", "extends"})
    canonical = json.dumps(data, sort_keys=True, separators=(",", ":"), ensure_ascii=True)
    return hashlib.sha256(canonical.encode("ascii")).hexdigest()
