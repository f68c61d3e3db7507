"""Turns of phrase that do not belong in an answer: refusals, another chatbot's words, labels, blanks, markers.

Each is a list of patterns that say what they mean: a phrase counts only in the place and the company that make it
certain. Every repetition in them is bounded, so that no text takes more than linear time.
"""

from __future__ import annotations

import re

_I = re.IGNORECASE
_WIDE = re.compile("[\u4e00-\u9fff]")

# --- markers of chat templates -------------------------------------------------------------------------------------
MARKERS = re.compile(
    r"<\|[A-Za-z_][A-Za-z0-9_-]{1,30}\|>|<｜[^｜<>\n]{1,40}｜>|\[/?INST\]|<</?SYS>>|<(?:start|end)_of_turn>"
    r"|</s>\s*\Z|</s>\s*<s>|\[/?(?:AVAILABLE_TOOLS|TOOL_CALLS|TOOL_RESULTS)\]|<end_of_utterance>"
)

# --- remains of web pages ------------------------------------------------------------------------------------------
_WEB = re.compile(
    r"</?(?:br|p|b|i|u|div|span|strong|em|font|li|ul|ol|td|tr|th|table|tbody|sup|sub|h[1-6]|a|center|blockquote|hr)"
    r"(?:\s[^<>]{0,300})?/?>"
    r"|&(?:nbsp|amp|lt|gt|quot|apos|[lr][ds]quo|[mn]dash|hellip|middot|bull|copy|reg|deg|eacute|#\d{2,6}"
    r"|#x[0-9a-f]{2,5});",
    _I,
)
_ABOUT_WEB = re.compile(
    r"html|xml|css\b|javascript|typescript|\bjs\b|jsx|markup|markdown|\bweb|\btags?\b|php|\breact\b|\bvue\b|svg|latex"
    r"|\bcode\b|script|snippet|program|\bfunction\b|regex|element|\bentit|escape|网页|标签|代码|网站|页面|函数|脚本|程序|编写|组件|表格",
    _I,
)
_CODE_PAGE = re.compile(
    r"<!doctype|<(?:html|head|body|script|style|form|input|button|meta|link|svg|template)\b",
    _I,
)
_FENCED = re.compile(r"```.*?(?:```|\Z)|`[^`\n]{1,300}`", re.DOTALL)

# --- refusals ------------------------------------------------------------------------------------------------------
REFUSAL_HEAD_CHARS = 250
REFUSAL_MAX_CHARS = 700  # a longer answer helps after all
REFUSAL_MAX_WIDE_CHARS = 250  # the same in Chinese
_HELP = (
    r"(?:assist|help|provide|fulfil+|comply|answer|respond|do that|do this|generate|create|write|engage|discuss"
    r"|perform|complete|translate|browse|book|order|offer|give|make|continue|share|recommend|support|schedule|send"
    r"|participate|predict|process|access|execute)"
)
_CANNOT = (
    r"(?:i\s+(?:can(?:'|’)?t|can\s?not|won(?:'|’)?t|will not|am (?:currently )?(?:not able to|unable to"
    r"|not capable of)"
    r"|am not (?:programmed|designed|equipped) to"
    r"|(?:do not|don(?:'|’)t) (?:currently )?have the (?:capability|capabilities|ability|capacity) to"
    r"|must decline to)|i(?:'|’)m (?:currently )?(?:not able to|unable to|not capable of))"
)
_ENGLISH_REFUSAL = (
    re.compile(
        r"(?:(?:i(?:'|’)?m|i am|we are)\s+(?:\w+\s+)?sorry|sorry|(?:i|my) apologi[sz]\w+|apologies"
        r"|unfortunately|regrettably"
        r"|as an ai|as a language model)\b[^\n]{0,140}?" + _CANNOT + r"\s+(?:[\w']+\s+){0,2}?" + _HELP,
        _I,
    ),
    re.compile(
        _CANNOT + r"\s+(?:\w+\s+)?(?:assist|help|provide|fulfil+|comply|answer|engage|discuss|write|create|generate)\b",
        _I,
    ),
    re.compile(
        r"(?:i(?:'|’)m|i am) sorry, (?:but )?(?:as an ai|i (?:am|was) (?:just |only )?an ai|that request)",
        _I,
    ),
)
_OTHER_REFUSAL = (
    re.compile(
        r"(?:(?:非常|很|十分|真的|真是)?(?:抱歉|对不起|不好意思|遗憾)|(?:我)?(?:很|非常|感到)?(?:抱歉|遗憾))[^。！？!?\n]{0,40}?"
        r"(?:我|作为|本人|本系统|由于)[^。！？!?\n]{0,30}?(?:无法|不能|没有能力|不可以|没有办法)[^。！？!?\n]{0,16}?"
        r"(?:提供|回答|帮助|帮|协助|完成|满足|生成|执行|给出|处理|访问|浏览|写|翻译|参与|支持|展示|绘制|创建|播放|进行|继续|分享|预测)"
    ),
    re.compile(
        r"作为(?:一个|一名|一款)?(?:大型)?(?:AI|人工智能|语言模型)[^。！？\n]{0,40}?(?:无法|不能|没有能力)[^。\n]{0,16}?(?:提供|回答|帮助|完成"
        r"|生成|执行|访问|给出|进行|处理)",
    ),
    re.compile(r"我(?:无法|不能)(?:为您|为你|给您|给你)?(?:提供|回答|协助|帮助|满足|完成这)"),
    re.compile(
        r"(?:Es tut mir (?:sehr )?leid|Tut mir leid|Entschuldigung|Leider)\b[^.!?\n]{0,30}?\b(?:kann"
        r"|darf) ich\b[^.!?\n]{0,80}?\b(?:nicht|keine?n?)\b[^.!?\n]{0,60}?(?:helfen|beantworten|geben"
        r"|erstellen|bereitstellen|unterstützen|schreiben|anbieten|erfüllen)",
        _I,
    ),
    re.compile(
        r"(?:Es tut mir (?:sehr )?leid|Tut mir leid),? (?:aber )?ich (?:kann"
        r"|darf)\b[^.!?\n]{0,80}?\b(?:nicht|keine?n?)\b[^.!?\n]{0,60}?(?:helfen|beantworten|geben"
        r"|erstellen|bereitstellen|unterstützen|schreiben|anbieten|erfüllen)",
        _I,
    ),
    re.compile(
        r"(?:Je suis (?:vraiment |sincèrement )?désolée?|Désolée?"
        r"|Malheureusement)\b[^.!?\n]{0,40}?\bje ne (?:peux|suis)\b[^.!?\n]{0,60}?(?:aider|répondre"
        r"|fournir|donner|créer|écrire|générer|assister|satisfaire)",
        _I,
    ),
    re.compile(
        r"(?:Lo siento|Lamentablemente|Disculpa|Perdón|Lamento)\b[^.!?\n]{0,40}?\bno (?:puedo|soy capaz"
        r"|tengo la capacidad)\b[^.!?\n]{0,60}?(?:ayudar|responder|proporcionar|dar|crear|escribir"
        r"|generar|ofrecer|cumplir|asistir)",
        _I,
    ),
    re.compile(
        r"(?:Mi dispiace|Spiacente|Purtroppo)\b[^.!?\n]{0,40}?\bnon (?:posso"
        r"|sono in grado)\b[^.!?\n]{0,60}?(?:aiutar|rispond|fornir|dar|crear|scriv|gener|offr|soddisf)",
        _I,
    ),
    re.compile(
        r"(?:Desculpe|Lamento|Sinto muito|Infelizmente)\b[^.!?\n]{0,40}?\bnão (?:posso|consigo"
        r"|sou capaz)\b[^.!?\n]{0,60}?(?:ajudar|responder|fornecer|dar|criar|escrever|gerar|oferecer"
        r"|atender)",
        _I,
    ),
    re.compile(
        r"(?:Het spijt me|Sorry|Helaas)\b[^.!?\n]{0,30}?\b(?:kan ik|ik kan)\b[^.!?\n]{0,80}?\b(?:niet"
        r"|geen)\b[^.!?\n]{0,60}?(?:helpen|beantwoorden|geven|maken|schrijven|bieden|voldoen)",
        _I,
    ),
)  # fmt: skip
_SORRY = re.compile(
    r"\s*(?:hello|hi|ok|okay|well|hmm|oh|thank you[^.!\n]{0,60}|您好|你好)?[\s,.!，。！]*",
    _I,
)

# --- another chatbot's words ---------------------------------------------------------------------------------------
# One of these is in every text that the patterns after it match.
_BOT_HINTS = (
    "as an ai", "as a language", "as a large", "as an artificial", "as a text-based", "openai", "anthropic", "chatgpt",
    "i'm an ai", "i am an ai", "language model", "my training", "my knowledge", "my last", "knowledge cut",
    "语言模型", "人工智能", "ai助手", "ai模型", "作为ai", "作为一个ai", "作为一名ai",
    "sprachmodell", "als ki", "als eine ki", "künstliche intelligenz", "modèle de langage",
    "intelligence artificielle", "en tant qu'ia",
    "modelo de lenguaje", "inteligencia artificial", "modello linguistico", "intelligenza artificiale",
    "modelo de linguagem", "inteligência artificial",
)  # fmt: skip
_BOILERPLATE = (
    re.compile(
        r"\bas an? (?:\w+ ){0,2}?(?:ai|artificial intelligence)(?: (?:language )?(?:model|assistant"
        r"|chatbot|system|program))?,? (?:\w+ )?(?:i\b|my\b)",
        _I,
    ),
    re.compile(r"\bas an? (?:\w+[ -]){0,3}?(?:ai )?language (?:ai )?model\b", _I),
    re.compile(r"\bi(?:'|’)?(?:m| am) (?:just |only )?an? (?:\w+ ){0,2}?(?:ai )?language model\b", _I),
    re.compile(
        r"\b(?:i am|i(?:'|’)m|my name is|this is) (?:chat ?gpt|gpt-?[345]|claude\b|bard\b|llama\b"
        r"|an? (?:\w+ ){0,4}?(?:trained|developed|created|made|built) by (?:openai|anthropic|google|meta"
        r"|microsoft))",
        _I,
    ),
    re.compile(
        r"\bi(?:'|’)?(?: was| am|m|'ve been| have been)\b[^.\n]{0,50}?\b(?:trained|developed|created|made"
        r"|built) by (?:openai|anthropic)",
        _I,
    ),
    re.compile(
        r"\b(?:my (?:knowledge|training)(?: data)? (?:cut-?off|only (?:goes|extends)|(?:was"
        r"|were) last updated)|as of my (?:last|knowledge|training)\b|my last (?:update|training"
        r"|knowledge))",
        _I,
    ),
    re.compile(
        r"作为(?:一个|一名|一款|一位|一种)?(?:大型|大规模|大)?(?:自然)?(?:AI|人工智能|语言模型|聊天机器人)(?:语言|助手|程序|模型|机器人|系统|助理"
        r"|大)*(?:[，,]|我)",
        _I,
    ),
    re.compile(r"我(?:只是|仅仅是|是)(?:一个|一名|一款|一种)?[^，。！？\n]{0,12}?(?:语言模型|ChatGPT|GPT-?[345])", _I),
    re.compile(r"我(?:是|由)[^，。！？\n]{0,16}?OpenAI\s*(?:训练|开发|创建|研发|推出)", _I),
    re.compile(
        r"\bals (?:eine? )?(?:KI-?(?:Sprach)?modell|KI-?(?:Assistent|System)|(?:großes )?Sprachmodell"
        r"|künstliche Intelligenz)\b",
        _I,
    ),
    re.compile(
        r"\ben tant qu(?:['’]|e )(?:une? )?(?:IA\b|intelligence artificielle|(?:grand )?modèle de langage"
        r"|assistant IA)",
        _I,
    ),
    re.compile(
        r"\bcomo (?:un |una |um |uma )?(?:gran |grande )?(?:modelo de (?:lenguaje|linguagem)"
        r"|inteligencia artificial|inteligência artificial),",
        _I,
    ),
    re.compile(r"\bcome (?:un |una )?(?:modello linguistico|intelligenza artificiale)\b", _I),
)  # fmt: skip

_ABOUT_SELF = re.compile(
    r"who(?:'re| are) you|who you are|about you\b|\bare you [\w.-]{1,20}\?|taught you"
    r"|are you (?:based|trained|created|made|built|developed|related|using|part)\b|do you (?:call|use)\b|what(?:'re"
    r"| are) you|your (?:name|purpose|creator|developer|identity)|call you|(?:introduce|about"
    r"|describe) yourself"
    r"|(?:made|created|trained|built|developed|programmed|designed|behind) you|are you (?:an? )?(?:human"
    r"|robot|real|ai|bot|chat|machine|person|living|language model|gpt|vicuna)"
    r"|你是谁|你是什么|你叫|你的名字|您的名字|介绍.{0,4}自己|谁.{0,4}(?:开发|创造|训练|设计)|怎么称呼",
    _I,
)
_OTHERS = re.compile(
    r"openai|anthropic|chat ?gpt|gpt-?[345]|\bclaude\b",
    _I,
)

# --- labels of speakers --------------------------------------------------------------------------------------------
_LABELS = re.compile(
    r"^(?:#{2,4} ?(?:Instruction|Response|Input|Human|User|Assistant|System|指令|回答|输入)\b ?[:：]?[ \t]*$"
    r"|\*{0,2}(?:Human|USER|User|问题|用户|人类)\*{0,2}\s?[:：])",
    re.MULTILINE,
)
_ASSISTANT_LABEL = re.compile(
    r"^\*{0,2}(?:Assistant|ASSISTANT|AI|GPT|Bot|Chatbot|助手|机器人|回答|答)\*{0,2}\s?[:：]", re.MULTILINE
)
_ABOUT_TALK = re.compile(
    r"dialog|conversation|\bchat|script|role-?play|interview|transcript|story|scene|interaction|exchange"
    r"|simulat|prompt"
    r"|对话|聊天|角色|剧本|采访|访谈|场景|模拟|故事|扮演|提示|问答|问题",
    _I,
)

# --- blanks to fill in ---------------------------------------------------------------------------------------------
_BLANKS = re.compile(
    r"\{\{\s?[A-Za-z_][\w .-]{0,40}\s?\}\}"
    r"|\[(?:your(?!\\)|insert|enter|add|fill in|recipient|sender|company|customer|client|patient|employer"
    r"|manager|hiring"
    r"|first|last|full|street|city|phone|e-?mail)\b[^\[\]\n]{0,50}\](?!\()"
    r"|\[(?:name|date|address|position|job title|title|company|signature)\](?!\()"
    r"|[\[【](?:您的|你的|填写|插入|请填|姓名|公司名|日期|地址|联系方式|收件人|电话)[^\[\]【】\n]{0,20}[\]】]"
    r"|<(?:your|insert)[ _-][a-z _-]{1,30}>|\blorem ipsum\b",
    _I,
)
_TODO = re.compile(
    r"\b(?:TODO|FIXME|TBD)\b(?=\s*(?:[:：.)\]]|$))|^[ \t]*X{3,}[ \t]*$",
    re.MULTILINE,
)
_ABOUT_BLANKS = re.compile(
    r"template|placeholder|jinja|mustache|handlebars|lorem|to-?do|模板|占位|范文|样板",
    _I,
)

_NOTHING_WORDS = (
    "n/a n.a n.a. na none null nil nan undefined #n/a #ref! #value! #name? - -- --- — – ? ?? ??? . .. ... "
    "… / \\ _ tbd todo 暂无 无内容 空 （空） (empty) empty (none) [none] [] {} \"\" '' 待补充 未填写 略"
)
_NOTHING = frozenset(_NOTHING_WORDS.split())


def is_refusal(answer: str) -> bool:
    """Whether an answer of no great length opens by saying that it will not or cannot help."""
    if len(answer) > REFUSAL_MAX_CHARS:
        return False
    if len(answer) > REFUSAL_MAX_WIDE_CHARS and _WIDE.search(answer[:40]):
        return False
    start = _SORRY.match(answer)
    head = answer[start.end() if start else 0 :][:REFUSAL_HEAD_CHARS]
    if head.isascii() or "’" in head:
        return any(pattern.match(head) for pattern in _ENGLISH_REFUSAL) or any(
            p.match(head) for p in _OTHER_REFUSAL[3:]
        )
    return any(pattern.match(head) for pattern in (*_OTHER_REFUSAL, *_ENGLISH_REFUSAL))


def is_boilerplate(answer: str, question: str) -> bool:
    """Whether the answer speaks as another company's chatbot. To "Who are you?" a bot may say what it is."""
    lowered = answer.lower()
    if not any(map(lowered.__contains__, _BOT_HINTS)):
        return False
    if _ABOUT_SELF.search(question) and not _OTHERS.search(answer):
        return False
    return any(pattern.search(answer) for pattern in _BOILERPLATE)


def has_web_remains(text: str, about: str) -> bool:
    """Whether tags or entities of web pages are in a text that is not about web pages; `about` is the whole row."""
    if not _WEB.search(text) or not _WEB.search(_FENCED.sub(" ", text)):
        return False
    return not _CODE_PAGE.search(text) and not _ABOUT_WEB.search(about)


def has_labels(answer: str, question: str) -> bool:
    """Whether a speaker's label stands at the beginning of a line of the answer, and nobody asked for a dialogue."""
    if ":" not in answer and "：" not in answer and "##" not in answer:
        return False
    hits = _LABELS.findall(answer)
    if not hits or _ABOUT_TALK.search(question):
        return False
    return (
        any(hit.startswith("##") for hit in hits)
        or _ASSISTANT_LABEL.search(answer) is not None
        or (len(hits) == 1 and _is_person(hits[0]))
    )


def _is_person(label: str) -> bool:
    return label.strip("*").startswith(("Human", "USER", "人类"))


def has_blanks(answer: str, question: str) -> bool:
    """Whether a blank to fill in was left in the answer, and nobody asked for a template."""
    hit = (
        _BLANKS.search(answer)
        if "[" in answer or "{{" in answer or "<" in answer or "【" in answer or "ipsum" in answer.lower()
        else None
    )
    if hit is None and ("TODO" in answer or "TBD" in answer or "FIXME" in answer or "XXX" in answer):
        hit = _TODO.search(answer)
    if hit is None or _ABOUT_BLANKS.search(question):
        return False
    plain = _FENCED.sub(" ", answer)
    return _BLANKS.search(plain) is not None or _TODO.search(plain) is not None


def says_nothing(answer: str) -> bool:
    """Whether the answer is only a sign or word for an empty cell."""
    return len(answer) <= 24 and answer.strip().lower() in _NOTHING
