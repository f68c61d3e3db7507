"""Floor 2: the recipe. Its words, strict reading with lines, `extends` and `--set`, fingerprint, JSON Schema.

This package is the only door to yaml.
"""

from finetune.recipe.checks import not_yet
from finetune.recipe.data_words import CHECKS, COLUMN_WORDS, TrainFile
from finetune.recipe.dumping import dump, fingerprint, reads_as_text
from finetune.recipe.evaluate_words import gate_checks, is_suite_file, is_task_file
from finetune.recipe.loading import LoadedRecipe, load, parse, relocate
from finetune.recipe.schema import json_schema, reference_page
from finetune.recipe.words import (
    FORMAT_VERSION,
    Adapter,
    Base,
    Data,
    Evaluate,
    Hardware,
    Recipe,
    Share,
    Train,
)

__all__ = [
    "CHECKS",
    "COLUMN_WORDS",
    "FORMAT_VERSION",
    "Adapter",
    "Base",
    "Data",
    "Evaluate",
    "Hardware",
    "LoadedRecipe",
    "Recipe",
    "Share",
    "Train",
    "TrainFile",
    "dump",
    "fingerprint",
    "gate_checks",
    "is_suite_file",
    "is_task_file",
    "json_schema",
    "load",
    "not_yet",
    "parse",
    "reads_as_text",
    "reference_page",
    "relocate",
]
