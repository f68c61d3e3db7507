"""The words of a comparison of runs, in English and Chinese; what it shares with report.html stands in words.py."""

from __future__ import annotations

from finetune.evaluation.pages.words import TEXTS as REPORT_TEXTS

TEXTS: dict[str, tuple[str, str]] = {
    **REPORT_TEXTS,
    "compare_title": ("Runs compared", "运行对比"),
    "compare_about": ("{n} {n:run|runs}, each against its own base", "{n} 次运行，各自与其基座对比"),
    "runs_title": ("The runs", "各次运行"),
    "run": ("Run", "运行"),
    "verdict": ("Against its base", "与基座相比"),
    "gate_word": ("Gate", "关卡"),
    "gate_unset": ("not set", "未设置"),
    "trained_rows": ("Trained on", "训练行"),
    "measured_rows": ("Measured on", "测量行"),
    "warnings_title": ("Not to be compared as they are", "不宜直接比较"),
    "warn_data": (
        "The data of these runs differ (their fingerprints do): held-out rows that are not the same cannot be laid "
        "beside each other. Compare each adapter with its own base only.",
        "这些运行的数据不同（指纹不同）：不同的留出数据不能并列比较。请只把每个适配器与它自己的基座比较。",
    ),
    "warn_rows": (
        "They were measured on different numbers of held-out rows: {words}.", "测量所用的留出行数不同：{words}。",
    ),
    "warn_base": ("Their bases differ: {words}.", "基座不同：{words}。"),
    "warn_template": (
        "Their chat templates or system prompts differ, so losses are taken over different texts.",
        "对话模板或系统提示不同，因此损失是在不同的文本上测得的。",
    ),
    "warn_suites": (
        "The suite {words} is not the same file in all of them.", "题库 {words} 在各次运行中不是同一个文件。",
    ),
    "differences_title": ("What differs between their recipes", "配方之间的差别"),
    "differences_none": (
        "Nothing: the recipes are equal, word for word.", "没有差别：配方逐字相同。",
    ),
    "setting": ("Setting", "设置"),
    "scores_title": ("Scorecards side by side", "评分并列"),
    "scores_note": (
        "One row a run. All rows of a measure are drawn on one scale. Two runs differ surely only where their "
        "intervals lie well apart: each run was compared with its base, not with the other run.",
        "每次运行一行。同一指标的各行使用同一刻度。只有当区间明显分开时，两次运行才确有差别：每次运行是与其基座比较，而非互相比较。",
    ),
    "compare_limits": (
        "Numbers only: no text of a row stands on this page. Each run's report.html shows its answers.",
        "本页只有数字，没有任何数据行的文字。各次运行的回答见其 report.html。",
    ),
}  # fmt: skip
