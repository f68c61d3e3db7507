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
from finetune.checking.sentences_of_models import MODEL_SENTENCES
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
    assert len(lines) > 450, "the source was not understood"
    assert share >= LEAST_SHARE, "\n".join(missing)


def _is_translated(line: str) -> bool:
    """A line about a file begins with its name, which the page takes off."""
    return any(told(text, "zh")[1] == "zh" for text in (line, line.removeprefix("7: ")))


def test_each_line_has_the_same_slots_in_both_languages_and_no_ascii_marks_in_chinese() -> None:
    for english, chinese in (*SENTENCES, *FILE_SENTENCES, *IMAGE_SENTENCES, *MODEL_SENTENCES):
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
        ("the folder has no safetensors weights, only a.bin", "该文件夹没有 safetensors 权重，只有 a.bin"),
        ("is cut off: 1,000 bytes where its header says 2,000", "不完整：有 1,000 字节，文件头说 2,000 字节"),
        ("is not what the hub says: sha256 01ab... here, 23cd... there",
         "与 hub 所说的不符：sha256 本机 01ab...，hub 23cd..."),
        ("unset HF_HUB_OFFLINE; or use a folder, or base.model: starter",
         "请取消 HF_HUB_OFFLINE；或用本机的文件夹，或 base.model: starter"),
        ("its config.json names no model_type, and code that comes with a model is never run",
         "其 config.json 没有写明 model_type，而模型自带的代码从不运行"),
        ("1 made-up row planted behind the training rows and counted in the lengths, as data.canaries says, to measure "
         "what is learnt by heart: an adapter trained with them knows it, so do not share it",
         "按 data.canaries 在训练数据之后放入了 1 行虚构数据（计入长度），用来测量背下了多少："
         "这样训练的适配器记得它们，请勿分享"),
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


def test_what_is_wrong_with_the_base_is_told_in_chinese_too(tmp_path: Path) -> None:
    """The check's look at the base before training: what it cannot carry, and what it cannot be opened with."""
    asked = (
        "adapter: {target_modules: [q_proj, nowhere], layers: [99], rank_pattern: {nothing: 4}}\n",
        "adapter: {method: pissa, r: 500}\n",
        "adapter: {target_modules: experts}\n",
    )
    for words in asked:
        report = _check(tmp_path, _good(40), words)
        assert report["problems"] and report["verdict"]["kind"] == "not_ready"
        assert "处理办法" in _chinese(report)
    (tmp_path / "base").mkdir()
    for config in (None, "{", '{"model_type": "nobody_knows"}'):
        if config is not None:
            (tmp_path / "base" / "config.json").write_text(config, encoding="utf-8")
            (tmp_path / "base" / "model.safetensors").write_bytes(b"cut off")
        (tmp_path / "rows.jsonl").write_text("".join(f"{json.dumps(row)}\n" for row in _good(40)), encoding="utf-8")
        path = tmp_path / "recipe.yaml"
        path.write_text("recipe: 1\nbase: {model: ./base}\ndata:\n  train: rows.jsonl\n", encoding="utf-8")
        report = checking.check(recipe.load(path)).report
        assert report["problems"]
        assert "处理办法" in _chinese(report)


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
