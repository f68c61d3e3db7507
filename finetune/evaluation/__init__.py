"""Floor 6: proof. An adapter against its base on held-out rows, answers side by side, and the page that shows both.

`evaluate` reads a run folder and writes evaluation.json, samples.jsonl and report.html into it.
"""

from finetune.evaluation.answers import check_images
from finetune.evaluation.comparison import compare_lines
from finetune.evaluation.gate import gate_problems, judge_gate
from finetune.evaluation.measuring import Wishes, evaluate, load_suites
from finetune.evaluation.report import shown_samples, write_report

__all__ = [
    "Wishes",
    "check_images",
    "compare_lines",
    "evaluate",
    "gate_problems",
    "judge_gate",
    "load_suites",
    "shown_samples",
    "write_report",
]
