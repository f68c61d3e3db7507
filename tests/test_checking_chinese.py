"""The Chinese half of check.html: every line that the rooms can say is translated, down to words and marks in it."""

from __future__ import annotations

import json
import re
import string
from pathlib import Path

import checking_kit
import pytest
from literal_lines import literal_lines

from finetune import checking, recipe
from finetune.checking.report import render
from finetune.checking.sentence_words import SENTENCES
from finetune.checking.sentences import told
from finetune.checking.sentences_of_files import FILE_SENTENCES, WORDS
from finetune.checking.sentences_of_images import IMAGE_SENTENCES
from finetune.checking.verdict import reasons

# Lines that the page says in words of its own.
TOLD_OTHERWISE = ("may hold personal data", " left out: ", "also trained on", "as data.leakage is warn")
# The rest are parts of lines that the reader of the source takes for whole ones.
LEAST_SHARE = 0.97


def test_the_lines_of_the_rooms_are_translated() -> None:
    lines = {
        line: where for line, where in literal_lines().items() if not any(words in line for words in TOLD_OTHERWISE)
    }
    missing = [f"{where}: {line}" for line, where in lines.items() if not _is_translated(line)]
    share = 1 - len(missing) / len(lines)
    print(f"{len(lines) - len(missing)} of {len(lines)} lines are translated ({share:.1%})")
    assert len(lines) > 250, "the source was not understood"
    assert share >= LEAST_SHARE, "\n".join(missing)


def _is_translated(line: str) -> bool:
    """A line about a file begins with its name, which the page takes off."""
    return any(told(text, "zh")[1] == "zh" for text in (line, line.removeprefix("7: ")))


def test_each_line_has_the_same_slots_in_both_languages_and_no_ascii_marks_in_chinese() -> None:
    for english, chinese in (*SENTENCES, *FILE_SENTENCES, *IMAGE_SENTENCES):
        slots = [set(re.findall(r"\{([a-zA-Z])\}", text)) for text in (english, chinese)]
        assert slots[0] == slots[1] or english.startswith("the layout is not"), english
        assert not re.search(r"[\u4e00-\u9fff][,.:;?!()]", chinese), chinese
    assert all(re.search(r"[\u4e00-\u9fff]", chinese) for chinese in WORDS.values())


@pytest.mark.parametrize(
    ("english", "chinese"),
    [
        ("key answer: text is due for the answer, found a list", "键 answer：答案应为文字，实际是列表"),
        ("message 2: an object with from and value is due, found null",
         "消息 2：应为含 from 和 value 的对象，实际是空值（null）"),
        ("key answer: the answer is empty", "键 answer：答案为空"),
        ("the system turn holds a NUL character", "系统提示含有空字符（NUL）"),
        ("line a comma or a closing bracket is missing (column 12)", "该行缺少逗号或右括号（第 12 列）"),
        ("sheet Rows, the first with rows; not read: old", "工作表 Rows（第一个有数据的）；未读取：old"),
        ("accepted a byte-order mark, 1 blank line", "已接受：字节顺序标记（BOM）、1 个空行"),
        ("read as big5: it is not UTF-8, and 1,204 characters of the sample read as Chinese in Big5",
         "按 big5 读取：不是 UTF-8，样本的 1,204 个字符可读作 Chinese in Big5"),
        ("3 of 80 held-out rows are also trained on (the row itself 1, its question 2): so many rows say the same that "
         "they cannot be kept on one side",
         "80 行留出数据中有 3 行也参加了训练（整行 1、问题 2）：说同样内容的行太多，无法放在同一边"),
    ],
)  # fmt: skip
def test_words_within_a_line_are_translated_too(english: str, chinese: str) -> None:
    assert told(english, "zh") == (chinese, "zh")


def _check(folder: Path, rows: list[object], more: str = "") -> dict:
    (folder / "rows.jsonl").write_text("".join(f"{json.dumps(row)}\n" for row in rows), encoding="utf-8")
    path = folder / "recipe.yaml"
    path.write_text(f"recipe: 1\nbase: {{model: starter}}\ndata:\n  train: rows.jsonl\n{more}", encoding="utf-8")
    return checking.check(recipe.load(path)).report


def _good(number: int) -> list[object]:
    return [{"question": f"What is rule {k} of it?", "answer": f"Close door {7 * k} at night."} for k in range(number)]


def _chinese(report: dict, *, made_by_hand: bool = False) -> str:
    """The visible words of the Chinese half."""
    half = render(report).split('<article class="in-zh"')[1]
    assert made_by_hand or not re.findall(r'lang="en">[^<]{3,}', half), "every line is translated"
    return re.sub(r"(?:\s*<[^>]+>)+\s*", "\n", half)


_CALL = {"role": "assistant", "tool_calls": [{"function": {"name": "look", "arguments": "{}"}}]}
_TOOL_ROWS: list[object] = [
    {"messages": [{"role": "user", "content": f"Look {k}?"}, _CALL, {"role": "tool", "content": f"{k}"},
                  {"role": "assistant", "content": f"It is {k}."}]}
    for k in range(30)
]  # fmt: skip


def test_rows_that_the_template_refuses_are_one_problem_with_its_remedy(tmp_path: Path) -> None:
    report = _check(tmp_path, _TOOL_ROWS)
    (group,) = report["problems"]
    assert (group["what"], group["num"]) == (
        "the conversation uses tools, and the chat template does not write them down", 30,
    )  # fmt: skip
    assert group["fix"].startswith("set base.chat_template: chatml")
    page = _chinese(report)
    assert "对话用到工具，而对话模板不会写出它们" in page and "处理办法：\n请设置 base.chat_template" in page
    assert "没有统计：由于上面所列的原因，基座的对话模板无法写出任何一行训练数据。" in page
    assert "数量：30" in page and "第 1、2、3、4" in page


def test_lengths_are_never_left_out_without_a_word() -> None:
    stopped = checking_kit.refused()
    assert stopped["lengths"] is None
    assert "Not counted: the check stopped before it came to the lengths." in render(stopped)
    asked = checking_kit.clean() | {"lengths": None}
    assert "Not counted in this check." in render(asked) and "本次检查没有统计长度。" in render(asked)
    assert "Not counted" not in render(checking_kit.clean())


def test_the_chinese_page_has_chinese_marks(tmp_path: Path) -> None:
    rows = [*_good(40), {"question": "Why?", "answer": ["a", "b"]}, {"question": "Why not?", "answer": ""}]
    for made_by_hand, report in enumerate((_check(tmp_path, rows), checking_kit.looked_at(), checking_kit.refused())):
        page = _chinese(report, made_by_hand=bool(made_by_hand))
        marks = re.findall(r".*[\u4e00-\u9fff][,.:;?!](?:\s|$).*", page)
        assert not marks
    assert "实际是列表" in _chinese(_check(tmp_path, rows))
    (first, *_) = [reason for reason in reasons(_check(tmp_path, rows), "zh") if reason.stops]
    assert first.fix.endswith("。") and not set(first.fix) & set(string.punctuation)


def test_a_line_that_sums_up_has_no_number_beside_it(tmp_path: Path) -> None:
    rows: list[object] = [{"question": f"What is it, {k}?", "answer": f"So {k}. " * 90} for k in range(20)]
    report = _check(tmp_path, [*_good(80), *rows], "  max_length: 64\n")
    page = render(report)
    assert "training rows are longer than allowed" in page and report["problems"][0]["places"] == []
    problem = page.split('id="problems-en"')[1].split("</section>")[0]
    assert "Number" not in problem and "Rows: 1" not in page.split('id="rows-en"')[0]


def test_warn_is_called_warn() -> None:
    page = render(checking_kit.looked_at())
    assert "Rule: warn" in page and "reported</span>" in page
    assert "say it" not in page and ">said<" not in page
