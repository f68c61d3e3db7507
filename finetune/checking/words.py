"""The words of check.html in English and Chinese, each written by hand; one table, so that none is forgotten."""

from __future__ import annotations

from typing import Any

LANGUAGES = ("en", "zh")


class Count(int):
    """A number in a text: `{n}` prints 1,234; `{n:row|rows}` the word that fits it."""

    def __format__(self, spec: str) -> str:
        if "|" in spec:
            return spec.split("|")[0 if self == 1 else 1]
        return f"{int(self):,}"


def say(key: str, language: str, **values: Any) -> str:
    """The text of `key`; whole numbers among the values are written as Count writes them."""
    text = TEXTS[key][LANGUAGES.index(language)]
    made = {k: Count(v) if isinstance(v, int) and not isinstance(v, bool) else v for k, v in values.items()}
    return text.format_map(made) if made else text


# key -> (English, Chinese)
TEXTS: dict[str, tuple[str, str]] = {
    "title": ("Check of the data", "数据检查"),
    "language": ("Language", "语言"),
    "language_name": ("English", "中文"),
    # Marks between words.
    "colon": (": ", "："),
    "comma": (", ", "、"),
    "aside": (" ({words})", "（{words}）"),
    # The verdict.
    "ready": ("Ready to train", "可以开始训练"),
    "look": ("Ready to train, but look at these first", "可以训练，但请先查看下列各点"),
    "not_ready": ("Not ready to train", "还不能训练"),
    "ready_why": (
        "{train} {train:row|rows} to train on, {held} held out; nothing was found that needs a look first.",
        "训练用 {train} 行，留出 {held} 行；没有发现需要先看的问题。",
    ),
    "look_why": (
        "{train} {train:row|rows} to train on, {held} held out. {n} {n:point needs|points need} a human eye; the "
        "training is not stopped by {n:it|them}.",
        "训练用 {train} 行，留出 {held} 行。有 {n} 处需要人工查看；这不会阻止训练。",
    ),
    "not_ready_why": (
        "{n} {n:kind|kinds} of problem must be put right first. Nothing was trained.",
        "有 {n} 类问题必须先解决。尚未训练任何内容。",
    ),
    "stops": ("stops the training", "阻止训练"),
    "looks": ("look at it", "请查看"),
    "do": ("What to do", "处理办法"),
    "details": ("Details", "详情"),
    # Rows.
    "rows_title": ("What became of the rows", "数据行的去向"),
    "rows_note": (
        "Every row that was read is in one of these places. Nothing is dropped without being counted here.",
        "读到的每一行都在下面某一处。没有任何一行会不经计数就被丢掉。",
    ),
    "rows_stopped": (
        "The check stopped before the rows were divided; this is how far it came.",
        "检查在划分数据之前就停下了；以下是已完成的部分。",
    ),
    "read": ("rows read", "行已读取"),
    "train": ("To train on", "用于训练"),
    "held_out": ("Held out, to measure with", "留出，用于评测"),
    "usable": ("Usable so far", "目前可用"),
    "repeated_more": ("Rows counted more than once, by their file's weight", "按文件权重重复计入的行"),
    "dropped_duplicate": ("Left out: repeats an earlier row exactly", "未采用：与前面的行完全重复"),
    "dropped_near_duplicate": ("Left out: nearly repeats an earlier row", "未采用：与前面的行近似重复"),
    "dropped_bad_row": ("Left out: cannot be used as a row", "未采用：无法作为一行数据使用"),
    "dropped_disliked_answer": ("Left out: a rated answer that was not liked", "未采用：评价为不好的答案"),
    "dropped_also_trained_on": ("Left out: also stands in the training rows", "未采用：同时出现在训练数据里"),
    "or": (" or ", "或"),
    "dropped_finding": ("Left out: {title}", "未采用：{title}"),
    "dropped_other": ("Left out: {reason}", "未采用：{reason}"),
    "bad_rows_now": ("Cannot be used as they are", "目前无法使用"),
    "where": ("Where", "位置"),
    "rows": ("Rows", "行数"),
    "share": ("Share", "占比"),
    # Problems.
    "problems_title": ("What stops the training", "阻止训练的问题"),
    "problems_note": (
        "Each kind of problem with its places. Put them right in your own files (or in the recipe) and check again.",
        "每一类问题及其位置。请在您自己的文件（或配方）中改正，然后重新检查。",
    ),
    "bad_title": ("Rows that were left out as unusable", "因无法使用而未采用的行"),
    "bad_note": (
        "{n} {n:row is|rows are} broken; the recipe lets {allowed} be left out (data.bad_rows).",
        "有 {n} 行无法使用；配方允许略过 {allowed} 行（data.bad_rows）。",
    ),
    "bad_stop": (
        "{n} of {all} rows cannot be used; the recipe lets {allowed} be left out (data.bad_rows). Correct them, or set "
        "data.bad_rows: {n} to go on without them.",
        "{all} 行中有 {n} 行无法使用；配方允许略过 {allowed} 行（data.bad_rows）。请改正，或设置 "
        "data.bad_rows: {n}，略过它们继续。",
    ),
    "times": ("Number", "数量"),
    "problem": ("Problem", "问题"),
    # Findings.
    "findings_title": ("Findings in the texts", "文本中的发现"),
    "findings_none": (
        "Nothing was found: no row shows any of the {n} faults that were looked for.",
        "没有发现：已逐行检查 {n} 种问题，均未出现。",
    ),
    "findings_note": (
        "What was noticed in the rows, the most frequent first. A finding is a reason to look, not a proof.",
        "在数据行中注意到的情况，最常见的在前。发现只是值得一看的理由，并不等于有错。",
    ),
    "finding": ("Finding", "发现"),
    "means": ("What it means", "含义"),
    "rule": ("Rule", "规则"),
    "rule_warn": ("warn", "提示"),
    "rule_refuse": ("refuse", "拒绝"),
    "rule_drop": ("leave the row out", "略过该行"),
    "rule_off": ("not looked for", "不检查"),
    "rule_share": ("refuse above {share}", "超过 {share} 则拒绝"),
    "outcome_warn": ("reported", "已提示"),
    "outcome_refuse": ("stops the training", "阻止训练"),
    "outcome_drop": ("rows left out", "已略过"),
    "places": ("Places", "位置"),
    "places_first": ("Places (the first {n} of {all})", "位置（{all} 处中的前 {n} 处）"),
    "line": ("line", "第"),
    "lines": ("lines", "第"),
    # Personal data.
    "privacy_title": ("Personal data", "个人信息"),
    "privacy_off": (
        "The rows were not searched for personal data: data.privacy is off in the recipe.",
        "没有在数据中查找个人信息：配方中 data.privacy 设为 off。",
    ),
    "privacy_none": (
        "Nothing was found that looks like personal data. The search goes by patterns, checksums and the words around "
        "them: it can miss things, names above all. It does not take the place of a reader.",
        "没有发现疑似个人信息的内容。查找依靠格式、校验码和上下文词语：可能有遗漏，尤其是人名，不能代替人工审阅。",
    ),
    "privacy_found": (
        "{n} {n:row holds|rows hold} something that looks like personal data. This page names places and kinds only, "
        "never the text itself. The search can miss things, names above all, and can take harmless text for personal.",
        "有 {n} 行含有疑似个人信息的内容。本页只列出位置和种类，绝不显示原文。查找可能有遗漏（尤其是人名），"
        "也可能把无害的文字当成个人信息。",
    ),
    "privacy_rule_warn": (
        "Rule: report it and train on the rows as they are (data.privacy: warn).",
        "规则：仅提示，按原样训练（data.privacy: warn）。",
    ),
    "privacy_rule_refuse": (
        "Rule: no training while any is found (data.privacy: refuse).",
        "规则：只要发现就不训练（data.privacy: refuse）。",
    ),
    "privacy_rule_redact": (
        "Rule: each is replaced by a placeholder before training (data.privacy: redact). Your files stay as they are.",
        "规则：训练前替换为占位符（data.privacy: redact）。您的文件保持不变。",
    ),
    "privacy_do": (
        "Look at the places, remove what is personal or set data.privacy: redact; what a model has learnt by heart it "
        "can say to anyone.",
        "请查看这些位置，删去个人信息，或设置 data.privacy: redact；模型记住的内容可能会对任何人说出来。",
    ),
    "privacy_do_refuse": (
        "Remove it from the rows, or set data.privacy: redact to train on placeholders instead.",
        "请从数据中删去，或设置 data.privacy: redact，用占位符代替后再训练。",
    ),
    "privacy_reason": ("Personal data in {n} {n:row|rows}", "{n} 行含有个人信息"),
    "kind": ("Kind", "种类"),
    "findings_number": ("Found", "处数"),
    # Duplicates and leakage.
    "copies_title": ("Repeated rows and leakage", "重复与泄漏"),
    "copies_note": (
        "A held-out row that was also trained on makes every later score too good. Repeated rows count double in what "
        "the model learns.",
        "留出的行如果也参加了训练，之后的每个分数都会虚高。重复的行会让模型学到的内容被重复计入。",
    ),
    "copies_none": ("No repeated row and no leakage was found.", "没有发现重复行，也没有发现泄漏。"),
    "exact": ("Rows that repeat an earlier one exactly", "与前面某行完全相同的行"),
    "near": ("Rows that nearly repeat an earlier one", "与前面某行近似相同的行"),
    "same_question_other_answer": ("Questions with more than one answer", "有不止一种答案的问题"),
    "repeated_answer": ("Answers given to more than one question", "用于不止一个问题的答案"),
    "leak_same_row": ("Held-out rows that are also trained on", "同时用于训练的留出行"),
    "leak_near_row": ("Held-out rows that nearly repeat a trained row", "与训练行近似相同的留出行"),
    "leak_same_question": ("Held-out questions that are also trained on", "同时用于训练的留出问题"),
    "leak_near_question": ("Held-out questions that nearly repeat a trained one", "与训练问题近似相同的留出问题"),
    "leak_same_answer": ("Held-out answers that are also trained on", "同时用于训练的留出答案"),
    "leak_near_answer": ("Held-out answers that nearly repeat a trained one", "与训练答案近似相同的留出答案"),
    "leak_groups": ("Groups (data.group_by) that stand on both sides", "同时出现在两边的分组（data.group_by）"),
    "leak_other": ("Held-out rows that are also trained on ({reason})", "留出行同时用于训练（{reason}）"),
    "leak_reason": (
        "{n} held-out {n:row is|rows are} also trained on, exactly or nearly",
        "{n} 行留出数据也出现在训练数据中（相同或近似）",
    ),
    "leak_do": (
        "Take them out of one of the two files: otherwise the later scores are too good to be true.",
        "请从其中一个文件里删去这些行：否则之后的分数会虚高。",
    ),
    "near_reason": ("{n} {n:row nearly repeats|rows nearly repeat} an earlier one", "{n} 行与前面的行近似重复"),
    "leak_do_share": (
        "So many rows say the same that they cannot be kept on one side: the later scores measure memory. Keep fewer "
        "of them, or hold out a file of other rows.",
        "内容相同的行太多，无法放在同一边：之后的分数只反映记忆。请减少这些行，或用另一个文件作留出数据。",
    ),
    "leak_groups_reason": (
        "{n} {n:group|groups} of data.group_by on both sides",
        "data.group_by 有 {n} 组同时出现在两边",
    ),
    "leak_groups_do": ("Keep each group on one side.", "请把每一组放在同一边。"),
    "leak_answers_reason": (
        "{n} held-out {n:row has an answer that is|rows have answers that are} also trained, exactly or nearly",
        "{n} 行留出数据的答案也出现在训练数据中（相同或近似）",
    ),
    "leak_answers_do": (
        "More than half of all rows hang together by their answers, so no split keeps these on one side: the later "
        "scores are too good. Hold out a file of rows with other answers where the scores matter.",
        "超过一半的行因答案相同而相连，无法把它们分在同一边：之后的分数会虚高。如果分数重要，请另用答案不同的文件作留出数据。",
    ),
    "exact_reason": ("{n} {n:row repeats|rows repeat} an earlier one exactly", "{n} 行与前面的行完全重复"),
    "exact_do_dropped": (
        "They are left out, the first of each stays. Look where so many copies come from: a file may be named twice.",
        "它们已被略过，每组保留第一行。请查看这么多重复从何而来：也许同一内容存在于两个文件。",
    ),
    "exact_do": (
        "They are trained that many times; data.duplicates: drop keeps the first of each.",
        "它们会被重复训练；data.duplicates: drop 只保留每组的第一行。",
    ),
    "near_do_dropped": (
        "They are left out, the first of each stays. Look at a few of them.",
        "它们已被略过，每组保留第一行。请抽看几处。",
    ),
    "unused_file_do": (
        "Nothing is learnt from it: see whether it is named twice, holds what another file holds, or has a weight too "
        "small.",
        "从中学不到任何内容：请看它是否重复、与另一文件相同，或权重过小。",
    ),
    "warning_do": ("Look at this before you train.", "请在训练之前看一看。"),
    "control_reason": (
        "{n} control {n:token|tokens} of the base in the texts, taken for plain text",
        "文本中有 {n} 个基座的控制标记，按普通文字处理",
    ),
    "control_do": (
        "Fine where the rows speak of them; remove those that another template left behind.",
        "如果数据确实在谈论它们，可以保留；若是其他模板的残留，请删去。",
    ),
    "near_do": (
        "Look at them; data.near_duplicates: drop keeps the first of each.",
        "请查看；data.near_duplicates: drop 只保留每组的第一行。",
    ),
    "other_answer_reason": ("{n} {n:question has|questions have} more than one answer", "{n} 个问题有不止一种答案"),
    "other_answer_do": (
        "Fine if all of them are right; otherwise keep the right one.",
        "如果都对，可以保留；否则请只留正确的那个。",
    ),
    "later_earlier": ("Row → the earlier row it repeats", "该行 → 与之重复的前一行"),
    "held_trained": ("Held-out row → trained row", "留出行 → 训练行"),
    # Lengths.
    "lengths_title": ("How long the rows are", "数据长度"),
    "lengths_note_tokens": (
        "Counted in tokens of the base's own tokenizer (an English word is about 1.3 tokens). Up to {limit} are "
        "allowed a row (data.max_length); an answer is never cut.",
        "按基座模型自己的分词器以 token 计数。每行最多 {limit} 个（data.max_length）；答案绝不会被截断。",
    ),
    "lengths_note_words": (
        "Counted in words, as the base's tokenizer is not on this machine. The limit is {limit} tokens "
        "(data.max_length); an answer is never cut.",
        "本机没有基座模型的分词器，因此按词计数。上限为 {limit} 个 token（data.max_length）；答案绝不会被截断。",
    ),
    "lengths_supervised": (
        "{share} of all tokens are trained: the answers and what ends them.",
        "全部 token 中有 {share} 参与训练：答案及其结束符。",
    ),
    "lengths_over": (
        "{n} {n:row is|rows are} longer than the limit.",
        "有 {n} 行超过上限。",
    ),
    "lengths_fits": ("No row is longer than the limit.", "没有一行超过上限。"),
    "lengths_99": ("A limit of {n} would keep 99 % of the rows.", "上限设为 {n} 可保留 99 % 的行。"),
    "over_reason": (
        "{n} training {n:row is|rows are} longer than data.max_length ({limit} tokens)",
        "{n} 行训练数据超过 data.max_length（{limit} 个 token）",
    ),
    "over_reason_held_out": (
        "{n} held-out {n:row is|rows are} longer than data.max_length ({limit} tokens)",
        "{n} 行留出数据超过 data.max_length（{limit} 个 token）",
    ),
    "over_do_drop": (
        "They will be left out (data.overlong: drop). Shorten them, or raise data.max_length.",
        "它们将被略过（data.overlong: drop）。请缩短，或调高 data.max_length。",
    ),
    "over_do_error": (
        "The run will stop there (data.overlong: error). Shorten them, or raise data.max_length.",
        "运行到此会停下（data.overlong: error）。请缩短，或调高 data.max_length。",
    ),
    "over_do_trim_history": (
        "They will lose their oldest exchanges, or be left out (data.overlong: trim_history).",
        "它们会去掉最早的几轮对话，或被略过（data.overlong: trim_history）。",
    ),
    "lengths_none_stopped": (
        "Not counted: the check stopped before it came to the lengths. They stand here once what stops it is put "
        "right.",
        "没有统计：检查在统计长度之前就停下了。解决上面的问题之后，这里会列出长度。",
    ),
    "lengths_none_refused": (
        "Not counted: the base's chat template takes none of the training rows, for the reasons named above.",
        "没有统计：由于上面所列的原因，基座的对话模板无法写出任何一行训练数据。",
    ),
    "lengths_none_asked": ("Not counted in this check.", "本次检查没有统计长度。"),
    "part_system": ("System prompt", "系统提示"),
    "part_prompt": ("Questions", "问题"),
    "part_answer": ("Answers", "答案"),
    "part_total": ("Whole row", "整行"),
    "part_template": ("The template's own marks", "模板自身的标记"),
    "training_rows": ("Training rows", "训练行"),
    "held_out_rows": ("Held-out rows", "留出行"),
    "share_of_tokens": ("Share of all tokens", "占全部 token 的比例"),
    "share_of_words": ("Share of all words", "占全部词的比例"),
    "unit_tokens": ("tokens", "token 数"),
    "unit_words": ("words", "词数"),
    "shortest": ("Shortest", "最短"),
    "median": ("Median", "中位数"),
    "p90": ("90 % within", "90 % 的行不超过"),
    "p99": ("99 % within", "99 % 的行不超过"),
    "longest": ("Longest", "最长"),
    "histogram_about": (
        "{part}: how many of {n} rows are how long, up to {most} {unit}; the figures stand in the table below",
        "{part}：{n} 行的长度分布，最长 {most}（{unit}）；具体数字见下表",
    ),
    "tallest": (
        "The number at the top left is the height of the tallest bar, in rows.",
        "左上角的数字是最高一柱的行数。",
    ),
    "dashed": ("Dashed: the limit.", "虚线：上限。"),
    # Languages.
    "languages_title": ("Languages", "语言"),
    "languages_note": (
        "As recognised from the letters and words of each row; short rows are often unclear.",
        "根据每行的文字自动识别；很短的行常常难以判断。",
    ),
    "declared": ("Declared in the recipe: {names}.", "配方中声明的语言：{names}。"),
    "undeclared": ("The recipe declares no language (share.languages).", "配方没有声明语言（share.languages）。"),
    "unclear": ("unclear", "不确定"),
    # Files.
    "files_title": ("Files", "文件"),
    "files_note": (
        "SHA-256 is the fingerprint of a file's bytes: as long as it is the same, so is the file.",
        "SHA-256 是文件内容的指纹：指纹不变，文件就没有变。",
    ),
    "files_none": ("No file could be read.", "没有文件能够读取。"),
    "file": ("File", "文件"),
    "layout": ("Layout", "格式"),
    "encoding": ("Encoding", "编码"),
    "size": ("Size", "大小"),
    "noticed": ("Noticed, chosen", "识别与选择"),
    # Choices.
    "notes_title": ("What was chosen for you, and why", "自动作出的选择及理由"),
    "notes_none": ("Nothing had to be chosen.", "无需作任何选择。"),
    "as_said": ("in the program's own English words", "程序原文（英文）"),
    # About.
    "about_title": ("About this check", "关于本次检查"),
    "recipe": ("Recipe", "配方"),
    "license": ("Licence of the rows", "数据许可"),
    "license_none": ("not stated in the recipe (data.license)", "配方中未注明（data.license）"),
    "recipe_fingerprint": ("Recipe fingerprint", "配方指纹"),
    "data_fingerprint": ("Data fingerprint", "数据指纹"),
    "date": ("Checked at", "检查时间"),
    "took": ("Time taken", "用时"),
    "seconds": ("{n} s", "{n} 秒"),
    "processes": ("Processes", "进程数"),
    "versions": ("Versions", "版本"),
    "limits_title": ("What this page does not say", "本页不能说明什么"),
    "limits": (
        "No program can tell whether an answer is true, safe or allowed to be used. This page finds what can be "
        "counted; let somebody who knows the field read a sample of the rows (finetune preview) before "
        "anyone relies on them.",
        "没有程序能判断一个答案是否真实、安全或允许使用。本页只能找出可以计数的问题；在依赖这些数据之前，请让熟悉该领域的人抽查一部分"
        "（finetune preview）。",
    ),
    "no_text": (
        "This page holds no text of your rows: only names of files, numbers of lines, kinds and counts.",
        "本页不含您数据中的任何文字：只有文件名、行号、种类和数量。",
    ),
    "few_reason": ("Only {n} {n:row|rows} to train on", "训练数据只有 {n} 行"),
    "few_do": ("Add rows: fewer than {few} teach little.", "请增加数据：少于 {few} 行学不到多少。"),
    "bad_reason": ("{n} broken {n:row was|rows were} left out", "略过了 {n} 行无法使用的数据"),
    "bad_do": ("Mend what is broken, so that nothing is lost.", "请修正，以免丢失数据。"),
}

# Names of languages as the page shows them; the code where one is missing.
LANGUAGE_NAMES: dict[str, tuple[str, str]] = {
    "en": ("English", "英语"), "zh": ("Chinese", "中文"), "de": ("German", "德语"), "fr": ("French", "法语"),
    "es": ("Spanish", "西班牙语"), "it": ("Italian", "意大利语"), "pt": ("Portuguese", "葡萄牙语"),
    "nl": ("Dutch", "荷兰语"), "ja": ("Japanese", "日语"), "ko": ("Korean", "韩语"), "ru": ("Russian", "俄语"),
    "ar": ("Arabic", "阿拉伯语"), "pl": ("Polish", "波兰语"), "sv": ("Swedish", "瑞典语"),
    "tr": ("Turkish", "土耳其语"),
    "vi": ("Vietnamese", "越南语"), "hi": ("Hindi", "印地语"), "la": ("Latin", "拉丁语"),
    "ro": ("Romanian", "罗马尼亚语"),
}  # fmt: skip
