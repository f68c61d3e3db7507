"""Every sentence of the demo page, in English and Chinese. Nothing else on the page is hard-wired."""

from __future__ import annotations

import re

LANGUAGES = {"en": "English", "zh": "中文"}
DEFAULT_LANGUAGE = "en"

TEXTS: dict[str, dict[str, str]] = {
    "language": {"en": "Language", "zh": "语言"},
    "engine": {"en": "Model", "zh": "模型"},
    "facts_adapter": {
        "en": "Adapter **{title}** on the base model **{base}**. Everything runs on the machine that serves this page.",
        "zh": "适配器 **{title}**，基础模型 **{base}**。一切都在提供本页面的机器上运行。",
    },
    "facts_base": {
        "en": "Base model **{base}**, without an adapter. Everything runs on the machine that serves this page.",
        "zh": "基础模型 **{base}**，没有适配器。一切都在提供本页面的机器上运行。",
    },
    "notice": {
        "en": "Small models make mistakes. General information, not professional advice.",
        "zh": "小模型会出错。内容仅为一般信息，不是专业建议。",
    },
    "who": {"en": "Who answers", "zh": "由谁回答"},
    "who_adapter": {"en": "Adapter", "zh": "适配器"},
    "who_base": {"en": "Base", "zh": "基础模型"},
    "who_both": {"en": "Both, side by side", "zh": "并排对比"},
    "both_order": {
        "en": "One after the other: the base first, then the adapter. Each column is its own conversation.",
        "zh": "依次回答：先基础模型，后适配器。每一栏是各自独立的对话。",
    },
    "column_base": {"en": "Base: {name}", "zh": "基础模型：{name}"},
    "column_adapter": {"en": "Adapter: {name}", "zh": "适配器：{name}"},
    "empty_chat": {"en": "No questions yet.", "zh": "还没有问题。"},
    "question": {"en": "Your question", "zh": "您的问题"},
    "question_hint": {
        "en": "Type a question. Enter sends, Shift+Enter starts a new line.",
        "zh": "请输入问题。回车发送，Shift+回车换行。",
    },
    "question_hint_images": {
        "en": "Type a question; the clip adds images. Enter sends, Shift+Enter starts a new line.",
        "zh": "请输入问题；回形针可添加图片。回车发送，Shift+回车换行。",
    },
    "question_images": {
        "en": "At most {num} images a question, {size} each: PNG, JPEG, WebP, GIF, BMP.",
        "zh": "每个问题最多 {num} 张图片，每张不超过 {size}：PNG、JPEG、WebP、GIF、BMP。",
    },
    "image": {"en": "image {num}", "zh": "图片{num}"},
    "between": {"en": ". ", "zh": "；"},
    "send": {"en": "Send", "zh": "发送"},
    "stop": {"en": "Stop", "zh": "停止"},
    "retry": {"en": "Retry", "zh": "重答"},
    "undo": {"en": "Undo", "zh": "撤回"},
    "clear": {"en": "Clear", "zh": "清空"},
    "examples": {"en": "Example questions", "zh": "示例问题"},
    "prompt_title": {"en": "System prompt", "zh": "系统提示词"},
    "prompt_original": {
        "en": "The system prompt this adapter was trained with",
        "zh": "训练此适配器时使用的系统提示词",
    },
    "prompt_original_base": {"en": "The system prompt in use", "zh": "当前使用的系统提示词"},
    "prompt_none": {"en": "(none)", "zh": "（无）"},
    "prompt_try": {"en": "Try another system prompt", "zh": "试用其他系统提示词"},
    "prompt_other": {"en": "Another system prompt", "zh": "其他系统提示词"},
    "prompt_note": {
        "en": "The adapter was trained with the original, so its answers may get worse. "
        "Counts from the next answer; left empty, the original is used.",
        "zh": "适配器是用原提示词训练的，换用后回答可能变差。从下一次回答起生效；留空则使用原提示词。",
    },
    "settings": {"en": "Settings", "zh": "设置"},
    "temperature": {"en": "Temperature", "zh": "温度"},
    "temperature_note": {
        "en": "0 gives the same answer every time, also on Retry. Higher is more varied and less reliable.",
        "zh": "为 0 时每次回答相同，重答也一样。数值越高，变化越多，也越不可靠。",
    },
    "max_new_tokens": {"en": "Longest answer (tokens)", "zh": "回答的最大长度（词元）"},
    "max_new_tokens_note": {
        "en": "An answer that reaches this length breaks off.",
        "zh": "回答达到此长度时会中断。",
    },
    "status_ready": {"en": "Ready.", "zh": "就绪。"},
    "status_waiting": {"en": "Your question is in line …", "zh": "问题正在排队……"},
    "status_base": {"en": "The base is answering …", "zh": "基础模型正在回答……"},
    "status_adapter": {"en": "The adapter is answering …", "zh": "适配器正在回答……"},
    "status_stopped": {"en": "Stopped.", "zh": "已停止。"},
    "status_failed": {"en": "The answer did not succeed.", "zh": "回答未成功。"},
    "status_empty": {"en": "Please type a question first.", "zh": "请先输入问题。"},
    "status_long": {
        "en": "That is {num} characters. Please keep it to {limit}; nothing was sent.",
        "zh": "共 {num} 个字符，请缩短到 {limit} 个以内；内容未发送。",
    },
    "status_prompt_long": {
        "en": "The system prompt has {num} characters. Please keep it to {limit}; nothing was sent.",
        "zh": "系统提示词共 {num} 个字符，请缩短到 {limit} 个以内；内容未发送。",
    },
    "status_no_images": {
        "en": "This model takes no images. Please remove them; nothing was sent.",
        "zh": "此模型不接受图片，请移除后再发送；内容未发送。",
    },
    "status_images_many": {
        "en": "Please show at most {limit} images with one question; nothing was sent.",
        "zh": "每个问题最多可附 {limit} 张图片；内容未发送。",
    },
    "status_images_kept": {
        "en": "A conversation holds at most {limit} images. Press Clear to start anew; nothing was sent.",
        "zh": "一次对话最多保留 {limit} 张图片。请按“清空”重新开始；内容未发送。",
    },
    "status_image_bad": {
        "en": "Nothing was sent: {detail}.",
        "zh": "内容未发送：{detail}。",
    },
    "status_images_again": {
        "en": "Its images are no longer here and have to be added again.",
        "zh": "原有图片已不在，请重新添加。",
    },
    "status_images_removed": {
        "en": "This model takes no images: those in the box were removed.",
        "zh": "此模型不接受图片，输入框中的图片已移除。",
    },
    "status_error": {
        "en": "Sorry, that did not succeed (id {id}); nothing was sent. "
        "If it happens again, give the id to whoever runs this page.",
        "zh": "抱歉，未能成功（编号 {id}），内容未发送。如再次发生，请把编号告诉本页面的管理者。",
    },
    "status_still": {
        "en": "Still answering. Wait for the end, or press Stop.",
        "zh": "仍在回答。请等待结束，或按停止。",
    },
    "status_nothing": {"en": "There is nothing to do that with yet.", "zh": "目前还没有可操作的内容。"},
    "status_busy": {
        "en": "Too many people are asking right now. Your question is back in the box; try again in a minute.",
        "zh": "现在提问的人太多。您的问题已放回输入框，请稍后再试。",
    },
    "status_cleared": {"en": "Conversation cleared.", "zh": "对话已清空。"},
    "status_trimmed": {
        "en": "Ready. Only the last {num} questions are kept; older ones were dropped.",
        "zh": "就绪。只保留最近 {num} 个问题，更早的已删除。",
    },
    "note_pending": {"en": "Waiting …", "zh": "等待中……"},
    "note_after_base": {"en": "Waits until the base has finished.", "zh": "等待基础模型回答完毕。"},
    "note_stopped": {"en": "Stopped here.", "zh": "已在此停止。"},
    "note_empty": {"en": "The model ended without a word.", "zh": "模型没有输出任何内容。"},
    "note_failed": {
        "en": "Sorry, this answer did not succeed (id {id}). Your question is kept: press Retry. "
        "If it happens again, give the id to whoever runs this page.",
        "zh": "抱歉，这次回答未成功（编号 {id}）。问题已保留，请按“重答”。如再次发生，请把编号告诉本页面的管理者。",
    },
    "note_refused": {
        "en": "Sorry, this cannot be answered: {detail} (id {id}).",
        "zh": "抱歉，无法回答：{detail}（编号 {id}）。",
    },
    "note_memory": {
        "en": "Sorry, the machine ran out of memory for this answer (id {id}). "
        "Try a shorter question, a shorter longest answer, or Clear.",
        "zh": "抱歉，机器内存不足，无法完成这次回答（编号 {id}）。请缩短问题、减小最大长度或清空对话。",
    },
    "sign_in": {
        "en": "Sign in to use this model. 请登录后使用。",
        "zh": "Sign in to use this model. 请登录后使用。",
    },
}

# Reasons that the kit gives in English, and how the page says them. `image` is which one; numbers are taken over.
_THE = {"en": "the image", "zh": "该图片"}
REASONS: tuple[tuple[str, dict[str, str]], ...] = (
    (
        "the image is empty",
        {"en": "{image} is empty; save or download it again", "zh": "{image}是空文件，请重新保存或下载"},
    ),
    (
        "the image is no image that can be read",
        {
            "en": "{image} is no image that can be read; PNG, JPEG, WebP, GIF and BMP are read: convert it",
            "zh": "{image}不是可读取的图片，请转换为 PNG、JPEG、WebP、GIF 或 BMP",
        },
    ),
    (
        r"the image has too many pixels.* (?P<all>[\d,]+) pixels in all and (?P<side>[\d,]+) a side",
        {
            "en": "{image} has too many pixels; make it smaller: at most {all} in all and {side} a side are read",
            "zh": "{image}像素过多，请缩小：总计最多 {all} 像素，每边最多 {side} 像素",
        },
    ),
    (
        r"the image is too narrow.* (?P<times>\d+) times",
        {
            "en": "{image} is too narrow; cut it to another shape: at most {times} times as long as wide",
            "zh": "{image}过于狭长，请裁剪：长边最多为短边的 {times} 倍",
        },
    ),
    (
        "the image does not fit into memory",
        {"en": "{image} does not fit into memory; make it smaller", "zh": "{image}超出可用内存，请缩小"},
    ),
    (
        "the image is damaged or cut off",
        {
            "en": "{image} is damaged or cut off; save or download it again",
            "zh": "{image}已损坏或不完整，请重新保存或下载",
        },
    ),
    (
        "the image (is missing|is no file|cannot be read)",
        {
            "en": "{image} is no longer here; remove it and add it again",
            "zh": "{image}已不在服务器上，请移除后重新添加",
        },
    ),
    (
        "the number of <image> in the question is not the number of its images",
        {
            "en": "the number of <image> in the question is not the number of its images; "
            "write <image> once for each image, or leave it out",
            "zh": "问题中 <image> 的个数与图片张数不符，请为每张图片各写一次 <image>，或全部省略",
        },
    ),
    (
        r"the question takes (?P<num>\d+) tokens; (?P<room>\d+) fit",
        {"zh": "问题共 {num} 个词元，最多可容纳 {room} 个，请缩短问题或减小最大长度"},
    ),
)


def reason(language: str, said: str, number: int = 0) -> str:
    """A reason that the kit gave in English, in the page's language.

    Args:
        said: what the kit said. What is not known is given as it is, and on a page in Chinese called English.
        number: which of several images it is about; 0 where there is one, or none.
    """
    image = say(language, "image", num=number) if number else _THE.get(language, _THE[DEFAULT_LANGUAGE])
    for pattern, sentences in REASONS:
        if found := re.search(pattern, said):
            if language not in sentences:
                return said
            return sentences[language].format(image=image, **found.groupdict())
    return f"{said}（原文为英文）" if said and language == "zh" else said


def say(language: str, key: str, **values: object) -> str:
    """The sentence `key` in `language`; an unknown language gets English. Raises KeyError without `key`."""
    sentences = TEXTS[key]
    return sentences.get(language, sentences[DEFAULT_LANGUAGE]).format(**values)


def language_of(accept_language: str | None) -> str:
    """The page language for a browser's Accept-Language header: its first language that the page speaks."""
    wanted: list[tuple[float, str]] = []
    for part in (accept_language or "").split(","):
        tag, _, parameters = part.strip().partition(";")
        try:
            weight = float(parameters.partition("q=")[2] or 1)
        except ValueError:
            weight = 0.0
        wanted.append((weight, tag.split("-")[0].strip().lower()))
    for _, tag in sorted(wanted, key=lambda pair: -pair[0]):
        if tag in LANGUAGES:
            return tag
    return DEFAULT_LANGUAGE
