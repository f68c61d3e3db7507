"""Floor 6: proof. An adapter against its base on held-out rows, answers side by side, and the page that shows both.

`evaluate` reads a run folder and writes evaluation.json, samples.jsonl and report.html into it.
"""

from finetune.evaluation.answers import check_images
from finetune.evaluation.comparison import compare_lines
from finetune.evaluation.gate import gate_problems, judge_gate
from finetune.evaluation.measuring import evaluate
from finetune.evaluation.report import shown_samples, write_report
from finetune.evaluation.wishing import Wishes, require_benchmarks, suites_of

__all__ = [
    "Wishes",
    "check_images",
    "compare_lines",
    "evaluate",
    "gate_problems",
    "judge_gate",
    "require_benchmarks",
    "shown_samples",
    "suites_of",
    "write_report",
]
