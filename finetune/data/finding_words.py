"""The kinds of findings in plain words, English and Chinese, with the default rule of each."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Kind:
    """One kind of finding.

    Attributes:
        title_en, title_zh: a heading of a few words.
        what_en: the same as the end of a sentence "3 of 40 rows: ...".
        why_en, why_zh: why it hurts, one or two sentences.
        fix_en, fix_zh: what to do, one imperative sentence.
        rule: the default rule of `data.checks`: off, warn, refuse, drop, or the share above which to refuse.
        fixable: whether `finetune check --fix` mends it.
    """

    title_en: str
    title_zh: str
    what_en: str
    why_en: str
    why_zh: str
    fix_en: str
    fix_zh: str
    rule: str | float = "warn"
    fixable: bool = False


KINDS: dict[str, Kind] = {
    "control_characters": Kind(
        "Control characters",
        "控制字符",
        "control characters in the text",
        "They come from broken exports. Nobody sees them, but the model learns to write them.",
        "它们来自出错的导出。人看不见，模型却会学着写出来。",
        "Let finetune check --fix remove them.",
        "用 finetune check --fix 删除。",
        fixable=True,
    ),
    "hidden_characters": Kind(
        "Hidden characters",
        "不可见字符",
        "characters that nobody sees (zero width, direction marks)",
        "Words that look alike become different tokens, and hidden text can carry instructions that no reader notices.",
        "看起来相同的词会变成不同的词元；隐藏的文字还可能夹带读者看不到的指令。",
        "Let finetune check --fix remove them.",
        "用 finetune check --fix 删除。",
        fixable=True,
    ),
    "mojibake": Kind(
        "Garbled letters",
        "乱码",
        "letters garbled by a wrong encoding",
        "The text was once read in the wrong encoding. The model learns the garbled letters.",
        "文字曾按错误的编码读取，模型会学到这些乱码。",
        "Export the file again as UTF-8; finetune check --fix mends what can be undone for certain.",
        "请以 UTF-8 重新导出；能确定还原的部分可用 finetune check --fix 修复。",
        rule=0.1,
        fixable=True,
    ),
    "replacement_character": Kind(
        "Lost characters",
        "丢失的字符",
        "the sign U+FFFD in the place of lost characters",
        "The real characters were lost before the file came here; no program can bring them back.",
        "原来的字符在文件到来之前就已丢失，任何程序都无法找回。",
        "Correct these rows by hand from the source, or drop them.",
        "请对照原始资料手工改正，或删除这些行。",
        rule=0.2,
    ),
    "chat_markers": Kind(
        "Chat markers as text",
        "对话标记混入正文",
        "chat markers such as <|im_end|> or [INST] in the text",
        "They are trained as plain text, so the model writes them in its answers. The kit adds the right ones itself.",
        "它们会被当作普通文字训练，模型会把它们写进回答。正确的标记由本工具自动添加。",
        "Take the markers out and give each turn a role of its own.",
        "请去掉这些标记，并为每一轮对话注明角色。",
        rule=0.2,
    ),
    "html_remains": Kind(
        "Remains of web pages",
        "网页残留",
        "tags or entities of web pages, such as <br> or &nbsp;",
        "The model learns to write tags where people expect text.",
        "模型会在该写文字的地方写出网页标签。",
        "Turn the pages into plain text before the export.",
        "请先把网页转成纯文本再导出。",
    ),
    "refusal": Kind(
        "Refusals",
        "拒绝回答",
        "an answer that refuses to help",
        "Answers made by another chatbot often refuse without need. The model learns to refuse your users.",
        "由其他聊天机器人生成的回答常常无故拒绝，模型会学着拒绝您的用户。",
        "Write a real answer, or drop the rows; keep those where refusing is right.",
        "请写出真正的回答或删除这些行；该拒绝的请保留。",
    ),
    "boilerplate": Kind(
        "Words of another chatbot",
        "其他机器人的套话",
        'an answer that speaks as another chatbot ("As an AI language model")',
        "The model learns to present itself as another company's product, and to open with empty words.",
        "模型会自称是别家公司的产品，并学会说空话。",
        "Remove the phrases, or drop the rows.",
        "请删除这些套话或相应的行。",
    ),
    "other_language": Kind(
        "Another language than declared",
        "与声明的语言不符",
        "a language that share.languages does not name",
        "The model answers in a language that its users may not read.",
        "模型会用用户可能看不懂的语言回答。",
        "Add the language to share.languages, or take the rows out.",
        "请在 share.languages 中补上该语言，或删除这些行。",
        rule=0.2,
    ),
    "prompt_in_answer": Kind(
        "Prompt inside the answer",
        "回答中混入提问",
        "the question, the system prompt or a speaker's label inside the answer",
        "The model learns to repeat the question, or to go on and play both sides.",
        "模型会学着重复提问，甚至自问自答。",
        "Keep in the answer only what the assistant says.",
        "回答中只保留助手所说的内容。",
    ),
    "repeated_text": Kind(
        "Text in a loop",
        "循环重复的文字",
        "an answer that says the same again and again",
        "Small models fall into loops easily; such rows teach it.",
        "小模型本来就容易陷入重复，这样的行会加重这一点。",
        "Cut the repetition, or drop the rows.",
        "请删去重复部分或相应的行。",
    ),
    "repeated_answer": Kind(
        "One answer to many questions",
        "多个问题同一回答",
        "the same answer to different questions",
        "The model learns that this answer fits everything.",
        "模型会以为这个回答适用于一切问题。",
        "Look whether each question is really answered; drop the others.",
        "请核对每个问题是否真正得到回答，其余的请删除。",
    ),
    "unbalanced": Kind(
        "Something left open",
        "符号未闭合",
        "a code block, bracket or formula that is opened and never closed",
        "It is often the sign of a cut text, and it breaks the layout of all that follows.",
        "这往往说明文字被截断，并会打乱其后的排版。",
        "Complete the answer, or close what is open.",
        "请补全回答，或补上缺少的符号。",
    ),
    "cut_answer": Kind(
        "Answers cut off",
        "回答被截断",
        "an answer that ends in the middle of a sentence",
        "The model learns to stop before it has said what matters.",
        "模型会学着话没说完就停下。",
        "Complete the answers from the source, or drop the rows.",
        "请对照原始资料补全回答，或删除这些行。",
    ),
    "placeholder": Kind(
        "Blanks to fill in",
        "未填写的占位符",
        "a blank to fill in, such as {{name}} or [Your Name]",
        "The model writes the blank to your users.",
        "模型会把占位符原样写给用户。",
        "Fill the blanks in.",
        "请填好占位符。",
    ),
    "short_answer": Kind(
        "Very short answers",
        "过短的回答",
        "an answer of hardly a word where most are long",
        "Where nearly all answers are long, such rows are mostly slips.",
        "在多数回答都较长的数据中，过短的回答多半是疏漏。",
        "Look at these rows; complete or drop them.",
        "请查看这些行，补全或删除。",
    ),
    "empty_looking": Kind(
        "Answers that say nothing",
        "空洞的回答",
        'an answer that only says "N/A", "-", "null" or the like',
        "An empty cell was exported as a word. The model learns to answer with it.",
        "空白单元格被导出成了一个词，模型会学着这样回答。",
        "Write the answer, or drop the rows.",
        "请写出回答，或删除这些行。",
    ),
}
