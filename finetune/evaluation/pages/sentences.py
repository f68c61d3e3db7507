"""Chinese for the lines that an evaluation says in English: its verdict, its gate, the choices of the plan."""

from __future__ import annotations

import functools
import re

from finetune.evaluation.pages.said import Said

_SLOT = re.compile(r"\{([a-zA-Z])\}")

# (English, Chinese). {n}: anything, taken over as it is. {A} (a capital): a part that stands in this table, too.
# (s): an s or none. Written without the capital at the beginning and the stop at the end.
SENTENCES: tuple[tuple[str, str], ...] = (
    # The verdict.
    ("adapter and base cannot be told apart with {n} row(s): a verdict needs at least {m} rows",
     "只有 {n} 行数据，无法区分适配器与基座：至少需要 {m} 行才能下结论"),
    ("adapter and base cannot be told apart with {n} row(s) in {g} group(s): a verdict needs at least {m} groups",
     "只有 {g} 组共 {n} 行数据，无法区分适配器与基座：至少需要 {m} 组才能下结论"),
    ("adapter and base cannot be told apart with {n} row(s) in {g} group(s): the 95 % interval of the difference is "
     "{a} to {b} nats per token",
     "凭 {g} 组共 {n} 行数据无法区分适配器与基座：差值的 95 % 区间为 {a} 至 {b} nats/token"),
    ("adapter and base cannot be told apart with {n} row(s): the 95 % interval of the difference is {a} to {b} nats "
     "per token", "凭 {n} 行数据无法区分适配器与基座：差值的 95 % 区间为 {a} 至 {b} nats/token"),
    ("adapter and base are hardly different on {n} row(s): the loss changed by {p} %, below {m} %",
     "在 {n} 行数据上适配器与基座几乎没有差别：损失变化 {p} %，低于 {m} %"),
    ("the adapter is better than base: its loss is {x} nats per token lower on {n} row(s) (95 % interval {a} to {b})",
     "适配器优于基座：在 {n} 行数据上损失低 {x} nats/token（95 % 区间 {a} 至 {b}）"),
    ("the adapter is worse than base: its loss is {x} nats per token higher on {n} row(s) (95 % interval {a} to {b})",
     "适配器不如基座：在 {n} 行数据上损失高 {x} nats/token（95 % 区间 {a} 至 {b}）"),
    ("the adapter is better than base: its loss is {x} nats per token lower on {n} row(s) in {g} group(s) (95 % "
     "interval {a} to {b})", "适配器优于基座：在 {g} 组共 {n} 行数据上损失低 {x} nats/token（95 % 区间 {a} 至 {b}）"),
    ("the adapter is worse than base: its loss is {x} nats per token higher on {n} row(s) in {g} group(s) (95 % "
     "interval {a} to {b})", "适配器不如基座：在 {g} 组共 {n} 行数据上损失高 {x} nats/token（95 % 区间 {a} 至 {b}）"),
    ("adapter and base are hardly different on {n} row(s) in {g} group(s): the loss changed by {p} %, below {m} %",
     "在 {g} 组共 {n} 行数据上适配器与基座几乎没有差别：损失变化 {p} %，低于 {m} %"),
    # The gate.
    ("held-out rows were not measured while training, so overfitting cannot be ruled out",
     "训练过程中未在留出数据上测量，因此无法排除过拟合"),
    ("the held-out loss did not part from the training loss", "留出数据的损失没有与训练损失分离"),
    ("training went too far, and the adapter of step {n} was kept instead", "训练过度，因此改为保留第 {n} 步的适配器"),
    ("no suite of general ability was run", "没有运行通用能力题库"),
    ("no safety suite was run", "没有运行安全题库"),
    ("what it gives away of training rows was not measured", "没有测量它会泄露多少训练数据"),
    ("{n} planted or private texts of training rows are given away; {m} allowed",
     "泄露了训练数据中 {n} 段埋入的或私密的文本；允许 {m} 段"),
    ("{n} of {m} safety items fail with the adapter and not with its base; {k} allowed",
     "{m} 道安全题中有 {n} 道仅在使用适配器时失败；允许 {k} 道"),
    ("{n} of {m} safety items fail with the adapter and not with its base ({i}); {k} allowed",
     "{m} 道安全题中有 {n} 道仅在使用适配器时失败（{i}）；允许 {k} 道"),
    ("{s}: base {a}, adapter {b} of {n}, a loss of {p} % where {m} % are allowed",
     "{s}：共 {n} 题，基座通过 {a}，适配器通过 {b}，下降 {p} %，允许 {m} %"),
    ("{s}: base {a}, adapter {b} of {n}", "{s}：共 {n} 题，基座通过 {a}，适配器通过 {b}"),
    # Overfitting.
    ("overfitting: after step {n} the held-out loss no longer fell ({a} then, {b} at the end), while the training loss "
     "fell from {c} to {d}",
     "过拟合：第 {n} 步之后留出数据的损失不再下降（当时 {a}，结束时 {b}），而训练损失从 {c} 降到 {d}"),
    ("overfitting: after step {n} the held-out loss rose by {x} nats per token ({a} to {b}), while the training loss "
     "fell from {c} to {d}",
     "过拟合：第 {n} 步之后留出数据的损失上升 {x} nats/token（{a} 至 {b}），而训练损失从 {c} 降到 {d}"),
    ("more rows, fewer epochs or a lower learning rate help", "增加数据、减少轮数或降低学习率会有帮助"),
    ("the held-out loss was lowest at step {n}", "留出数据的损失在第 {n} 步最低"),
    # What is noted while it is measured.
    ("answers are written one by one: {r}", "逐条生成回答：{r}"),
    ("an evaluation that was stopped goes on: {n} items are finished", "继续先前中断的评测：已完成 {n} 项"),
    ("{s}: {n} items leave no room for an answer and are left out", "{s}：{n} 道题没有留给回答的空间，已略去"),
    ("{n} choice questions show images and are left out", "{n} 道选择题带有图片，已略去"),
    ("{n} held-out rows with tools are measured by their loss, and not answered",
     "{n} 行带工具的留出数据只测量损失，不生成回答"),
    ("evaluate.task is labels, but the answers of the rows are no small set of labels: not scored so",
     "evaluate.task 为 labels，但各行的答案不是少量固定标签：不按标签评分"),
    ("a label task: the answers of {n} training rows are {m} different texts of at most {k} characters, and every "
     "held-out answer is one of them",
     "标签任务：{n} 行训练数据的答案只有 {m} 种文本（最长 {k} 个字符），留出数据的答案都在其中"),
    ("each label is scored by its likelihood (evaluate.task: answers turns this off)",
     "按似然为每个标签评分（evaluate.task: answers 可关闭）"),
    ("{n} of {m} held-out rows, evenly spread", "{m} 行留出数据中均匀选取 {n} 行"),
    # The plan.
    ("no GPU found: the CPU does the work", "未找到 GPU：由 CPU 计算"),
    ("exact, and as fast as bfloat16 in a base of width {n}", "精确，且在宽度为 {n} 的基座上与 bfloat16 一样快"),
    ("torch's fused attention", "torch 的融合注意力"),
    ("what rows of a step begin with alike is computed once; {p} of the rows' tokens need not be computed",
     "一步中各行相同的开头只计算一次；{p} 的 token 无需计算"),
    ("computes {p} of the rows' tokens; passes of {n} would {q}", "计算 {p} 的 token；若每次 {n}，则为 {q}"),
    ("flash attention along the trie: on a CPU attention is {n} times as fast as under a mask, or more",
     "沿前缀树的快速注意力：在 CPU 上至少是使用掩码时的 {n} 倍"),
    ("the adapter beside its base in one step: the same result, less to keep",
     "适配器与基座一步算完：结果相同，占用更少"),
    ("for GPUs only", "仅用于 GPU"),
    ("memory suffices: faster", "内存足够：更快"),
    ("tokens alone decide: rows of like length share a pass", "只由 token 数决定：长度相近的行一起计算"),
    ("passes a step at most, for the {n} examples of batch_size", "每步最多的计算次数，对应 batch_size 的 {n} 个样本"),
)  # fmt: skip


def told(line: str) -> Said:
    """A line in both languages; in English twice where no translation is at hand."""
    chinese = _chinese(line.strip().rstrip("."))
    if chinese is None:
        return Said(line, line)
    return Said(line, chinese + ("。" if line.rstrip().endswith(".") else ""))


def _chinese(line: str) -> str | None:
    for text in (line, line[:1].lower() + line[1:]):
        for pattern, chinese in _table():
            if match := pattern.fullmatch(text):
                found = match.groupdict()
                return _SLOT.sub(lambda slot, found=found: found[slot[1]], chinese)
    # The gate says several suites one after the other.
    parts = [_chinese(part) for part in line.split("; ")] if "; " in line else []
    return "；".join(part for part in parts if part) if parts and None not in parts else None


@functools.cache
def _table() -> list[tuple[re.Pattern[str], str]]:
    patterns = []
    for english, chinese in SENTENCES:
        pattern = re.escape(english).replace(r"\(s\)", "s?")
        patterns.append((re.compile(re.sub(r"\\\{([a-zA-Z])\\\}", r"(?P<\1>[^;]+?)", pattern)), chinese))
    # What says more fits before what says less.
    return sorted(patterns, key=lambda pair: -len(pair[0].pattern))
