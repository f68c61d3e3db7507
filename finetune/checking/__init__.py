"""Floor 6: what a recipe's data are like, for people: the verdict, check.html and check.json."""

from finetune.checking.checking import SCHEMA, CheckResult, check, with_lengths
from finetune.checking.mending import check_fix_target, write_fixed
from finetune.checking.report import check_target, default_folder, write_check

__all__ = [
    "SCHEMA",
    "CheckResult",
    "check",
    "check_fix_target",
    "check_target",
    "default_folder",
    "with_lengths",
    "write_check",
    "write_fixed",
]
