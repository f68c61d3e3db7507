"""Suites: small questions whose answers a rule can grade, so that a loss of ability or of safety is seen.

A suite is a JSON Lines file: an optional header, then one item a line. No code stands in it and none is run from it:
an item's rule is made of the checks in `checks.CHECKS`, and of named concepts ("gives urgent-care advice"), which are
data too (concepts/*.json). docs/suites.md shows how to write an item, a suite or a concept.
"""

from finetune.evaluation.suites.concepts import concept_found, shipped_concepts
from finetune.evaluation.suites.grading import explain, grade
from finetune.evaluation.suites.loading import Item, Suite, load_suite, shipped_suites
from finetune.evaluation.suites.summing import summary

__all__ = [
    "Item",
    "Suite",
    "concept_found",
    "explain",
    "grade",
    "load_suite",
    "shipped_concepts",
    "shipped_suites",
    "summary",
]
