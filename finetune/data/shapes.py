"""What the data room hands on: conversations, facts of the files, and the report of every choice."""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Container, Iterable, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any

from finetune.errors import Problem

ROLES = ("system", "user", "assistant", "tool")


# Where an image stands in a turn's text; what any other turn writes like this is text. Data files write it, too.
IMAGE_MARK = "<image>"


@dataclass(frozen=True)
class ImageRef:
    """An image of a row: where its bytes are, and what they were when the row was read.

    Attributes:
        sha256: hex, of the bytes as they are stored.
        width, height: in pixels, turned upright as its orientation mark says.
        path: the file, absolute; "" for an image that stood in the row itself, whose bytes are kept in a private
            temporary folder until the program ends (finetune.data.images).
        name: as the row names it ("charts/7.png"), for messages; "" where it has no name.
    """

    sha256: str
    width: int
    height: int
    path: str = ""
    name: str = ""


@dataclass(frozen=True)
class ToolCall:
    """A call of a tool by the assistant. `arguments` is JSON text of an object."""

    name: str
    arguments: str


@dataclass(frozen=True)
class Message:
    """One turn.

    Attributes:
        role: system, user, assistant or tool.
        content: its text; empty only where the turn calls a tool.
        tool_calls: what an assistant's turn calls.
        name: of the tool that answers, in a tool's turn.
        images: of a user's turn, in order; its text then holds IMAGE_MARK once for each of them, where it stands.
    """

    role: str
    content: str
    tool_calls: tuple[ToolCall, ...] = ()
    name: str | None = None
    images: tuple[ImageRef, ...] = ()

    def as_dict(self) -> dict[str, Any]:
        """The turn as finetune.render takes it; keys that say nothing are left out."""
        made: dict[str, Any] = {"role": self.role, "content": self.content}
        if self.tool_calls:
            made["tool_calls"] = [
                {"type": "function", "function": {"name": call.name, "arguments": json.loads(call.arguments)}}
                for call in self.tool_calls
            ]
        if self.name is not None:
            made["name"] = self.name
        if self.images:
            made["images"] = list(self.images)
        return made


@dataclass(frozen=True)
class Conversation:
    """One checked row.

    Attributes:
        messages: at most one system turn, first; then user and assistant by turns (tools answer where they were
            called); the assistant's is last.
        where: the file as the recipe names it and the line (parquet: the row), as "train.csv:12"; with the row where
            a line holds several, as "train.json:1, row 12".
        group: the value of the `data.group_by` column; None when the recipe names none.
        tools: the tools on offer, as JSON text of a list; empty when there are none.
        rejected: preference rows: the turns that stand where the turns after the common prompt stand in
            `messages`, and were liked less; empty in other rows.
        rating: rated rows: whether the answer was liked; None in other rows.
    """

    messages: tuple[Message, ...]
    where: str
    group: str | None = None
    tools: str = ""
    rejected: tuple[Message, ...] = ()
    rating: bool | None = None

    @property
    def fingerprint(self) -> str:
        """sha256 (hex) of all that is learnt from the row; the place and the group do not enter it."""
        said: list[Any] = [_said(message) for message in self.messages]
        if self.tools or self.rejected or self.rating is not None:
            said = [said, self.tools, [_said(message) for message in self.rejected], self.rating]
        return hashlib.sha256(json.dumps(said, separators=(",", ":")).encode("ascii")).hexdigest()


def _said(message: Message) -> list[Any]:
    calls = [[call.name, call.arguments] for call in message.tool_calls]
    more: list[Any] = [calls, message.name] if calls or message.name else []
    if message.images:
        more.append({"images": [image.sha256 for image in message.images]})
    return [message.role, message.content, *more]


@dataclass(frozen=True)
class FileFacts:
    """One data file as it was read. `name` is never an absolute path; `sha256` is of the bytes on disk."""

    name: str
    sha256: str
    num_bytes: int
    num_rows: int
    format: str
    encoding: str


@dataclass
class DataReport:
    """What was read, dropped, chosen and noticed. Holds no row text and no absolute path.

    Attributes:
        num_rows_read: rows of all files, before anything was dropped.
        dropped: reason -> number of rows left out ("duplicate").
        notes: every choice made for the user, one plain line each.
        warnings: what the user should look at before training.
        bad_rows: rows that cannot be used: {"num", "allowed", "num_untold", "reasons": [{"what", "num", "places"}]};
            num_untold: their problems beyond the first 1,000, which are not kept one by one.
        findings: kind -> {"num_rows", "rule", "outcome", "places"}, of finetune.data.findings.
        privacy: {"rule", "num_rows", "kinds": {kind: {"num", "num_rows", "places"}}}.
        duplicates: counts of rows that repeat another one, exactly or nearly.
        leakage: {"rule", "num_rows", "kinds": {kind: {"num", "places": [[held out, trained], ...]}}}; and "by":
            "share" where the held-out rows are a share, of which equal answers are told of but never refused.
        languages: language code -> number of rows, as recognised.
        num_images: in the rows that can be used, before anything was dropped.
        license: what the recipe says about the licence of the rows.
        fingerprint: sha256 over the ordered conversations of both splits.
    """

    files: list[FileFacts] = field(default_factory=list)
    num_rows_read: int = 0
    num_train: int = 0
    num_held_out: int = 0
    dropped: dict[str, int] = field(default_factory=dict)
    notes: list[str] = field(default_factory=list)
    warnings: list[str] = field(default_factory=list)
    bad_rows: dict[str, Any] = field(default_factory=dict)
    findings: dict[str, Any] = field(default_factory=dict)
    privacy: dict[str, Any] = field(default_factory=dict)
    duplicates: dict[str, Any] = field(default_factory=dict)
    leakage: dict[str, Any] = field(default_factory=dict)
    languages: dict[str, int] = field(default_factory=dict)
    num_images: int = 0
    license: str | None = None
    fingerprint: str = ""

    @property
    def num_untold(self) -> int:
        """Problems of refused bad rows beyond those that are kept one by one."""
        return 0 if "bad row" in self.dropped else self.bad_rows.get("num_untold", 0)

    def as_dict(self) -> dict[str, Any]:
        """The report as plain JSON types."""
        return asdict(self)


@dataclass(frozen=True)
class Splits:
    """Both splits, each in file order, and the report.

    Attributes:
        refused: what the rules for rows would have refused; only where `load` was asked to be lenient.
        fates: what became of every row (finetune.data.fates.Fates), for writing mended rows.
    """

    train: Sequence[Conversation]
    held_out: Sequence[Conversation]
    report: DataReport
    refused: tuple[Problem, ...] = ()
    fates: Any = field(default=None, compare=False, repr=False)


def fingerprint_of(splits: Iterable[tuple[str, Iterable[Conversation]]]) -> str:
    """sha256 (hex) over named, ordered splits."""
    digest = hashlib.sha256()
    for name, conversations in splits:
        digest.update(f"{name}\n".encode())
        for conversation in conversations:
            digest.update(conversation.fingerprint.encode("ascii") + b"\n")
    return digest.hexdigest()


# Chinese, Japanese and Korean, in which no blank and no capital tells a person's name from a word.
_EAST_ASIAN = re.compile("[\u3040-\u30ff\u3400-\u9fff\uac00-\ud7af\uf900-\ufaff]+")
# Words for columns, speakers and sheets in these; none of them is anybody's name.
_KNOWN_WORDS = frozenset({
    "问题", "提问", "问", "答案", "回答", "回复", "答", "答复", "标准答案", "参考答案", "指令", "输入", "输出",
    "提示", "提示词", "对话", "聊天", "消息", "内容", "文本", "系统", "系统提示", "角色", "历史", "用户", "助手",
    "机器人", "患者", "病人", "医生", "大夫", "护士", "药师", "客户", "客服", "学生", "老师", "律师", "标签",
    "评分", "类别", "分类", "科室", "主题", "标题", "描述", "备注", "来源", "日期", "时间", "编号", "序号", "姓名",
    "性别", "年龄", "诊断", "症状", "建议", "数据", "表", "表格", "工作表", "训练", "训练集", "测试", "测试集",
    "验证集", "質問", "答え", "解答", "질문", "답변", "답", "응답", "대답",
})  # fmt: skip


def name_shown(name: object, *, named: bool = False) -> str:
    """A column name or role as an error may print it.

    Where a header line is missing, the first row stands in its place. So only what looks like a name of a column is
    printed; anything longer is patient text for all we know, and so are "Ann Miller" and 王小明: only the length is
    told. Of Chinese, Japanese and Korean names, those of a few usual words are printed.

    Args:
        named: the recipe itself names it, so that its words are no news; it must look like a name all the same.
    """
    text = str(name).strip()
    if any(word[:1].isupper() and not word.isupper() for word in text.split()[1:]):
        return f"<{len(str(name))} characters>"
    if not named and not _KNOWN_WORDS.issuperset(_EAST_ASIAN.findall(text)):
        return f"<{len(str(name))} characters>"
    looks_like_name = 0 < len(text) <= 32 and len(text.split()) <= 3 and text.replace(" ", "_").isidentifier()
    if looks_like_name or (len(text) <= 32 and text.replace("-", "_").replace(".", "_").isidentifier()):
        return text
    return f"<{len(str(name))} characters>"


def names_shown(names: Iterable[object], limit: int = 12, *, named: Container[object] = ()) -> str:
    """Column names for a message, at most `limit` and then a count; `named` are those that the recipe names."""
    shown_names = [name_shown(name, named=name in named) for name in names]
    rest = len(shown_names) - limit
    return ", ".join(shown_names[:limit]) + (f" and {rest} more" if rest > 0 else "")


def plural(number: int, word: str) -> str:
    """`1 row`, `2 rows`, `10,000 rows`."""
    return f"{number:,} {word}{'' if number == 1 else 's'}"
