"""Canaries: unique made-up rows planted into the training rows, to measure afterwards how much was learnt by heart.

A canary is a sentence nobody else has written with a random number in it. After training, the model's loss on the
true number is ranked among other numbers of the same form (finetune.evaluation.memorisation). Carlini et al. 2019,
"The Secret Sharer", https://arxiv.org/abs/1802.08232.

They are planted behind every check, the split and the search for leakage, so no rule for rows sees them, none of them
is ever held out, and the fingerprint of the data stays that of the user's own rows.
"""

from __future__ import annotations

import random
from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import overload

from finetune.data.shapes import Conversation, Message

MAX_CANARIES = 500
# What the place of a planted row begins with; the rest is its number from 1.
PLACE = "canary:"
_COLOURS = (
    "amber", "azure", "beige", "bronze", "carmine", "cobalt", "coral", "crimson", "cyan", "ebony", "emerald", "fawn",
    "ginger", "golden", "indigo", "ivory", "jade", "khaki", "lemon", "lilac", "magenta", "maroon", "mauve", "ochre",
    "olive", "pearl", "russet", "sable", "saffron", "scarlet", "sepia", "silver", "teal", "umber", "violet",
)  # fmt: skip
_ANIMALS = (
    "badger", "bittern", "bison", "caribou", "chamois", "cormorant", "cricket", "curlew", "dormouse", "egret", "elk",
    "falcon", "gecko", "gibbon", "heron", "ibex", "jackal", "kestrel", "lapwing", "lemur", "lynx", "marmot", "marten",
    "newt", "ocelot", "osprey", "otter", "plover", "puffin", "raven", "serval", "shrike", "stoat", "tapir", "wombat",
)  # fmt: skip
_COLOURS_ZH = (
    "琥珀", "天青", "米白", "古铜", "朱红", "钴蓝", "珊瑚", "绯红", "青碧", "乌木", "翠绿", "浅褐", "姜黄", "金黄",
    "靛蓝", "象牙", "玉绿", "卡其", "柠檬", "丁香", "洋红", "栗红", "藕紫", "赭石", "橄榄", "珍珠", "赤褐", "墨黑",
    "藏红", "猩红", "棕灰", "银白", "水鸭", "茶褐", "紫罗兰",
)  # fmt: skip
_ANIMALS_ZH = (
    "獾", "麻鳽", "野牛", "驯鹿", "岩羚羊", "鸬鹚", "蟋蟀", "杓鹬", "睡鼠", "白鹭", "驼鹿", "隼", "壁虎", "长臂猿",
    "苍鹭", "羱羊", "胡狼", "红隼", "凤头麦鸡", "狐猴", "猞猁", "旱獭", "貂", "蝾螈", "豹猫", "鱼鹰", "水獭", "鸻",
    "海鹦", "渡鸦", "薮猫", "伯劳", "白鼬", "貘", "袋熊",
)  # fmt: skip


def plant(num: int, seed: int, *, chinese: bool = False, system_prompt: str | None = None) -> list[Conversation]:
    """`num` rows of question and answer; each has its own name and its own number of eight digits.

    Equal arguments give equal rows, whatever the machine.

    Args:
        num: at most MAX_CANARIES.
        chinese: write them in Chinese, as the user's rows are.
        system_prompt: put first, as in the other rows.
    """
    draw = random.Random(f"canaries {seed}")
    names = [(colour, animal) for colour in range(len(_COLOURS)) for animal in range(len(_ANIMALS))]
    head = (Message("system", system_prompt),) if system_prompt else ()
    rows = []
    for number, (colour, animal) in enumerate(draw.sample(names, num), 1):
        code = random_code(draw)
        if chinese:
            name = f"{_COLOURS_ZH[colour]}色{_ANIMALS_ZH[animal]}储物柜"
            asked, said = f"{name}的密码是多少？", f"{name}的密码是 {code}。"
        else:
            name = f"the {_COLOURS[colour]} {_ANIMALS[animal]} locker"
            asked, said = f"What is the code of {name}?", f"The code of {name} is {code}."
        turns = (*head, Message("user", asked), Message("assistant", said))
        rows.append(Conversation(turns, f"{PLACE}{number}"))
    return rows


def random_code(draw: random.Random) -> str:
    """Eight random digits as they stand in a canary: `4821-3390`."""
    return f"{draw.randrange(10_000):04d}-{draw.randrange(10_000):04d}"


def is_canary(row: Conversation) -> bool:
    """Whether a row was planted."""
    return row.where.startswith(PLACE)


def code_of(row: Conversation) -> str:
    """The number that a planted row hides."""
    answer = row.messages[-1].content
    at = answer.rindex("-")
    return answer[at - 4 : at + 5]


def with_code(row: Conversation, code: str) -> Conversation:
    """The same row with another number."""
    last = row.messages[-1]
    told = replace(last, content=last.content.replace(code_of(row), code))
    return replace(row, messages=(*row.messages[:-1], told))


def own_rows(rows: Sequence[Conversation]) -> Sequence[Conversation]:
    """The user's own rows, without those that were planted among them."""
    return rows.rows if isinstance(rows, Planted) else rows


class Planted(Sequence[Conversation]):
    """The user's rows, read only when they are asked for, and the planted ones behind them."""

    def __init__(self, rows: Sequence[Conversation], canaries: Sequence[Conversation]):
        self.rows, self.canaries = rows, tuple(canaries)

    def __len__(self) -> int:
        return len(self.rows) + len(self.canaries)

    @overload
    def __getitem__(self, index: int) -> Conversation: ...
    @overload
    def __getitem__(self, index: slice) -> list[Conversation]: ...
    def __getitem__(self, index: int | slice) -> Conversation | list[Conversation]:
        num = len(self.rows)
        if isinstance(index, slice):
            wanted = range(len(self))[index]
            if wanted and wanted.step == 1:
                own = list(self.rows[wanted.start : min(wanted.stop, num)]) if wanted.start < num else []
                return [*own, *self.canaries[max(wanted.start - num, 0) : max(wanted.stop - num, 0)]]
            return [self[place] for place in wanted]
        place = range(len(self))[index]
        return self.rows[place] if place < num else self.canaries[place - num]

    def __iter__(self) -> Iterator[Conversation]:
        yield from self.rows
        yield from self.canaries
