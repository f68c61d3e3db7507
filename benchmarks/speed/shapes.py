"""The rows of the three shapes: words drawn from a seed, as long as the rows of real domain data.

one    one system prompt of 220 tokens for all rows; questions of 15 to 60 tokens; answers lognormal, 40 to 400
two    the same questions and answers without a system prompt: the rows share nothing but the first tokens
three  documents of about 1,000 tokens with 6 to 8 questions each; short answers

Every word is one token of the starter's tokenizer, with its blank; so lengths are what they say. Words of answers are
drawn unevenly (few of them often), so that a loss curve falls within a few steps.
"""

from __future__ import annotations

import json
import math
import random
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

SHAPES = {
    "one": "one system prompt of 220 tokens shared by all rows, questions of 15 to 60, answers of 40 to 400",
    "two": "no shared prefix: questions of 15 to 60 tokens, answers of 40 to 400",
    "three": "documents of about 1,000 tokens with 6 to 8 questions each, answers of 8 to 60",
}
_SYSTEM_TOKENS = 220
_ANSWER_MEDIAN_TOKENS, _ANSWER_SPREAD = 115, 0.6


@dataclass(frozen=True)
class RowsFacts:
    """What the rows of a file are, counted with the base's tokenizer and chat template.

    Args:
        num_rows: rows.
        tokens: of all rows, each in full.
        supervised: labels in all rows.
        longest_tokens: of one row.
    """

    num_rows: int
    tokens: int
    supervised: int
    longest_tokens: int


@dataclass(frozen=True)
class ShapeFiles:
    """Where the rows lie, in the forms that tools read, and what they are."""

    rows: Path
    plain_rows: Path
    held_out: Path
    facts: RowsFacts
    encoded: list[tuple[list[int], list[int]]]
    documents: list[str]


def write_shape(shape: str, base: Path, folder: Path, num_rows: int, seed: int) -> ShapeFiles:
    """Write the rows of a shape in both forms, and one tiny held-out row.

    Args:
        shape: of SHAPES.
        base: a base folder, for its tokenizer.
        folder: is made.
        num_rows: how many.
        seed: the words and lengths.
    """
    from transformers import AutoTokenizer

    tokenizer: Any = AutoTokenizer.from_pretrained(base)
    folder.mkdir(parents=True, exist_ok=True)
    rows = list(_conversations(shape, _Words(tokenizer, random.Random(f"{seed}-{shape}")), num_rows))
    rows = rows[:num_rows]
    held_out = [{"messages": _turns("", f"why day {word}", "yes house"), "document": word} for word in ("cup", "key")]
    files = (folder / "rows.jsonl", folder / "plain_rows.jsonl", folder / "held_out.jsonl")
    _write(files[0], rows)
    _write(files[1], [_plain(row["messages"]) for row in rows])
    _write(files[2], held_out)
    encoded = [_encode(tokenizer, row["messages"]) for row in rows]
    facts = RowsFacts(
        num_rows=len(rows),
        tokens=sum(len(ids) for ids, _ in encoded),
        supervised=sum(sum(label != -100 for label in labels) for _, labels in encoded),
        longest_tokens=max(len(ids) for ids, _ in encoded),
    )
    return ShapeFiles(*files, facts, encoded, [row["document"] for row in rows])


class _Words:
    """Draws texts of an exact number of tokens."""

    def __init__(self, tokenizer: Any, draw: random.Random):
        vocabulary = tokenizer.get_vocab()
        self.draw = draw
        self.inner = sorted(
            w[1:] for w in vocabulary if w[0] == "Ġ" and len(w) > 3 and w[1:].isascii() and w[1:].islower()
        )
        self.first = [word for word in self.inner if word in vocabulary]
        # Zipf's law over a shuffled list: what answers are drawn from.
        self.answer = draw.sample(self.inner, len(self.inner))
        self.weights = [1 / (place + 3) for place in range(len(self.answer))]

    def text(self, num_tokens: int) -> str:
        return " ".join([self.draw.choice(self.first), *self.draw.choices(self.inner, k=num_tokens - 1)])

    def reply(self, num_tokens: int) -> str:
        return " ".join([self.draw.choice(self.first), *self.draw.choices(self.answer, self.weights, k=num_tokens - 1)])

    def answer_tokens(self) -> int:
        drawn = self.draw.lognormvariate(math.log(_ANSWER_MEDIAN_TOKENS), _ANSWER_SPREAD)
        return int(min(400, max(40, drawn)))


def _conversations(shape: str, words: _Words, num_rows: int) -> Iterator[dict[str, Any]]:
    draw = words.draw
    if shape == "three":
        for number, size in enumerate(_group_sizes(num_rows, draw)):
            document = words.text(draw.randint(900, 1_100))
            for _ in range(size):
                question = f"{document}\n\n{words.text(draw.randint(12, 30))}"
                yield {"messages": _turns("", question, words.reply(draw.randint(8, 60))), "document": f"d{number}"}
        return
    # 3 tokens of the 220 are the begin token, the role and the end of the turn.
    system = words.text(_SYSTEM_TOKENS - 3) if shape == "one" else ""
    for number in range(num_rows):
        question = words.text(draw.randint(15, 60))
        yield {"messages": _turns(system, question, words.reply(words.answer_tokens())), "document": f"d{number}"}


def _group_sizes(num_rows: int, draw: random.Random) -> list[int]:
    """Sizes of 6 to 8 that add up to num_rows, as far as that is possible."""
    num_groups = max(1, round(num_rows / 7))
    sizes = [num_rows // num_groups + (k < num_rows % num_groups) for k in range(num_groups)]
    for _ in range(num_groups):
        more, less = draw.randrange(num_groups), draw.randrange(num_groups)
        if more != less and sizes[more] < 8 and sizes[less] > 6:
            sizes[more] += 1
            sizes[less] -= 1
    return sizes


def _turns(system: str, question: str, answer: str) -> list[dict[str, str]]:
    turns = [{"role": "user", "content": question}, {"role": "assistant", "content": answer}]
    return [{"role": "system", "content": system}, *turns] if system else turns


def _plain(messages: list[dict[str, str]]) -> dict[str, str]:
    by_role = {turn["role"]: turn["content"] for turn in messages}
    return {
        "system": by_role.get("system", ""),
        "instruction": by_role["user"],
        "input": "",
        "output": by_role["assistant"],
    }


def _encode(tokenizer: Any, messages: list[dict[str, str]]) -> tuple[list[int], list[int]]:
    made = tokenizer.apply_chat_template(messages, tokenize=True, return_dict=True, return_assistant_tokens_mask=True)
    ids, marks = list(made["input_ids"]), made["assistant_masks"]
    return ids, [token if mark else -100 for token, mark in zip(ids, marks)]


def _write(path: Path, rows: list[dict[str, Any]]) -> None:
    path.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
